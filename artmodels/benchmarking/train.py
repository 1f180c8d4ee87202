"""How fast training is on this machine, and where its time goes: `python -m artmodels benchmark train`."""

import statistics
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch

from artmodels.data.dataset import ArtDataset, load_dataset
from artmodels.data.sampler import PictureSampler
from artmodels.io.device import describe_machine
from artmodels.io.random import seeded_generator
from artmodels.training.config import TrainConfig
from artmodels.training.distributed import make_accelerator
from artmodels.training.gan_loop import prepare_passes
from artmodels.training.gan_step import StepResult, build_networks, ema_decay, training_step, update_ema

WARM_UP = 3  # steps, in which memory is taken and networks are compiled
LOADER_BATCHES = 50


class Stopwatch:
    """Seconds spent in each stage of a step; it waits for the device at both ends, so it slows a GPU down."""

    def __init__(self, device: torch.device):
        self.device = device
        self.seconds: dict[str, float] = defaultdict(float)

    @contextmanager
    def stage(self, title: str) -> Iterator[None]:
        began = self.now()
        yield
        self.seconds[title] += self.now() - began

    def now(self) -> float:
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)
        return time.perf_counter()


def benchmark_training(config: TrainConfig, data: str | None, steps: int) -> dict[str, Any]:
    """Rates in images/s of whole steps and of the loader alone, and the seconds a step of each stage.

    `steps` steps on real pictures are timed whole, and as many stage by stage, in turns, so that a busy moment strikes
    both. Nothing is kept.

    Raises:
        ValueError, OSError: the data cannot be used.
    """
    dataset = load_dataset(data, config.resolution)
    accelerator = make_accelerator(config.precision)
    device = accelerator.device
    styles = ("all",) if config.unconditional else dataset.styles
    nets = build_networks(config, styles, device)
    passes = prepare_passes(accelerator, nets, config.compile)
    sampler = PictureSampler(dataset.labels, config.seed, config.balance)
    latents = torch.randn(len(dataset), config.latent_dim)  # as good as the pictures' own, where only time counts
    labels = torch.from_numpy(dataset.labels) * (not config.unconditional)
    one_hot, watch = torch.eye(len(styles)), Stopwatch(device)

    def step(number: int, stage: Callable) -> StepResult:
        images = number * config.batch_size
        with stage("reading"):
            indices = sampler.take(images, config.batch_size)
            real, style = dataset.batch(indices, device), one_hot[labels[indices]].to(device)
        random = seeded_generator(config.seed, images, 0)
        result = training_step(nets, passes, config, real, style, latents[indices], random, config.augment)
        with stage("average"):
            update_ema(nets.ema, nets.generator, ema_decay(config, images + config.batch_size))
        return result

    unwatched = passes.stage
    for number in range(WARM_UP):
        step(number, unwatched).figures()
    times = []
    for number in range(WARM_UP, WARM_UP + 2 * steps, 2):
        passes.stage = unwatched
        began = watch.now()
        step(number, unwatched)
        times.append(watch.now() - began)
        passes.stage = watch.stage
        step(number + 1, watch.stage)

    seconds = statistics.median(times)
    return {
        "machine": describe_machine(),
        "preset": config.preset,
        "resolution": config.resolution,
        "batch_size": config.batch_size,
        "precision": config.precision,
        "compiled": config.compile,
        "steps": steps,
        "images_per_second": config.batch_size / seconds,
        "loader_images_per_second": time_loader(dataset, sampler, config.batch_size),
        "stages": {title: total / steps for title, total in watch.seconds.items()},
        "peak_gpu_bytes": torch.cuda.max_memory_allocated() if device.type == "cuda" else None,
    }


def time_loader(dataset: ArtDataset, sampler: PictureSampler, size: int) -> float:
    """Images/s of reading alone: shuffled batches from the array on disk to float tensors."""
    began = time.perf_counter()
    for number in range(LOADER_BATCHES):
        dataset.batch(sampler.take(number * size, size))
    return LOADER_BATCHES * size / (time.perf_counter() - began)


def describe(found: dict[str, Any]) -> str:
    """The figures of `benchmark_training` for people."""
    rate, loader, whole = found["images_per_second"], found["loader_images_per_second"], sum(found["stages"].values())
    lines = [
        f"machine   {found['machine']}, {found['precision']}, {'compiled' if found['compiled'] else 'not compiled'}",
        f"step      preset {found['preset']}, {found['resolution']} px, batch {found['batch_size']}: "
        f"{rate:.1f} images/s (median of {found['steps']} steps)",
        f"loader    {loader:,.0f} images/s alone, {loader / rate:,.0f} times the step's rate",
        "",
        "stage                 ms a step   share",
    ]
    for title, seconds in sorted(found["stages"].items(), key=lambda stage: -stage[1]):
        lines.append(f"{title:20} {1000 * seconds:10.1f}   {seconds / whole:5.1%}")
    return "\n".join(lines)
