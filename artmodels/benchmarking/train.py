"""How fast training is on this machine, and where its time goes: `python -m artmodels benchmark train`."""

import statistics
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry

from artmodels.data.dataset import load_dataset
from artmodels.io.device import describe_machine
from artmodels.training.batches import BatchSource
from artmodels.training.captured_step import CapturedStep
from artmodels.training.config import TrainConfig
from artmodels.training.distributed import make_accelerator
from artmodels.training.gan_step import build_networks, ema_decay, training_step, update_ema
from artmodels.training.gan_training import prepare_passes
from artmodels.training.latents import PictureLatents

WARM_UP = 6  # steps, in which memory is taken, networks are compiled, and on a GPU a step is recorded
LOADER_BATCHES = 50
PRODUCTS = 10


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


class OperationCounter(TorchDispatchMode):
    """Counts the operations of convolutions and matrix products, two for a multiplication and its addition.

    PyTorch's own FlopCounterMode follows modules too, by hooks that a gradient at a picture does not pass.
    """

    total = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        if count := flop_registry.get(func.overloadpacket):
            self.total += count(*args, **(kwargs or {}), out_val=result)
        return result


def benchmark_training(config: TrainConfig, data: str | None, steps: int) -> dict[str, Any]:
    """Rates in images/s of whole steps and of the loader alone, and the seconds a step of each stage.

    `steps` steps on real pictures are timed whole, as `train.py` takes them, and as many stage by stage, in turns, so
    that a busy moment strikes both. The host's time of a step is how long it is busy, while a GPU may be too; what is
    left of the step it waits. The peak is what a product of large matrices reaches. Nothing is kept.

    Raises:
        ValueError, OSError: the data cannot be used.
    """
    dataset = load_dataset(data, config.resolution)
    accelerator = make_accelerator(config.precision)
    device = accelerator.device
    styles = ("all",) if config.unconditional else dataset.styles
    nets = build_networks(config, styles, device)
    bare = prepare_passes(accelerator, nets, compiled=False)
    passes = prepare_passes(accelerator, nets, config.compile) if config.compile else bare
    latents = PictureLatents(torch.randn(len(dataset), config.latent_dim))  # only time counts
    labels = torch.from_numpy(dataset.labels) * (not config.unconditional)
    source, watch = BatchSource(config, dataset, labels, latents, device), Stopwatch(device)

    def follow(number: int) -> None:
        update_ema(nets.ema, nets.generator, ema_decay(config, (number + 1) * config.batch_size))

    def whole(number: int) -> None:
        take_step(source.take(number * config.batch_size), judged=True)
        follow(number)

    def by_stages(number: int) -> None:
        with watch.stage("reading"):
            batch = source.draw(number * config.batch_size).to(device)
        training_step(nets, watched, config, batch, config.augment)
        with watch.stage("average"):
            follow(number)

    take_step = CapturedStep(
        lambda batch, judged: training_step(nets, passes, config, batch, config.augment, judged), nets, device, True
    )
    watched = replace(passes, stage=watch.stage)
    times, busy = [], []
    with source:
        with OperationCounter() as counter:
            training_step(nets, bare, config, source.draw(0).to(device), config.augment)
        for number in range(WARM_UP):
            whole(number)
        for number in range(WARM_UP, WARM_UP + steps):
            began = watch.now()
            whole(number)
            busy.append(time.perf_counter() - began)
            times.append(watch.now() - began)
            by_stages(number)
        loader = time_loader(source)
    seconds, peak = statistics.median(times), measure_peak(device, config.precision)
    return {
        "machine": describe_machine(),
        "preset": config.preset,
        "resolution": config.resolution,
        "batch_size": config.batch_size,
        "precision": config.precision,
        "compiled": config.compile,
        "recorded": bool(take_step.recorded),
        "steps": steps,
        "steps_per_second": 1 / seconds,
        "images_per_second": config.batch_size / seconds,
        "host_seconds": statistics.median(busy),
        "operations": counter.total,
        "operations_per_second": counter.total / seconds,
        "peak_operations_per_second": peak,
        "loader_images_per_second": loader,
        "stages": {title: total / steps for title, total in watch.seconds.items()},
        "peak_gpu_bytes": torch.cuda.max_memory_allocated() if device.type == "cuda" else None,
    }


def time_loader(source: BatchSource) -> float:
    """Images/s of drawing alone: shuffled batches from the array on disk, and what is drawn for them by lot."""
    began = time.perf_counter()
    for number in range(LOADER_BATCHES):
        source.draw(number * source.size)
    return LOADER_BATCHES * source.size / (time.perf_counter() - began)


def measure_peak(device: torch.device, precision: str) -> float:
    """Operations/s of a product of square matrices in a precision, the best of several."""
    side = 8192 if device.type == "cuda" else 1024
    matrix = torch.randn(side, side, device=device, dtype=torch.bfloat16 if precision == "bf16" else torch.float32)
    watch, best = Stopwatch(device), float("inf")
    for _ in range(PRODUCTS):
        began = watch.now()
        matrix @ matrix
        best = min(best, watch.now() - began)
    return 2 * side**3 / best


def describe(found: dict[str, Any]) -> str:
    """The figures of `benchmark_training` for people."""
    rate, loader, whole = found["images_per_second"], found["loader_images_per_second"], sum(found["stages"].values())
    share = found["operations_per_second"] / found["peak_operations_per_second"]
    how = f"{'compiled' if found['compiled'] else 'not compiled'}{', recorded' if found['recorded'] else ''}"
    lines = [
        f"machine   {found['machine']}, {found['precision']}, {how}",
        f"step      preset {found['preset']}, {found['resolution']} px, batch {found['batch_size']}: "
        f"{rate:.1f} images/s, {found['steps_per_second']:.2f} steps/s (median of {found['steps']} steps)",
        f"work      {found['operations'] / 1e9:,.0f} billion operations a step, {share:.0%} of what a product of large "
        f"matrices reaches here ({found['peak_operations_per_second'] / 1e12:.2g} trillion/s)",
        f"host      busy for {1000 * found['host_seconds']:.0f} ms of a step",
        f"loader    {loader:,.0f} images/s alone, {loader / rate:,.0f} times the step's rate",
        "",
        "stage                 ms a step   share",
    ]
    for title, seconds in sorted(found["stages"].items(), key=lambda stage: -stage[1]):
        lines.append(f"{title:20} {1000 * seconds:10.1f}   {seconds / whole:5.1%}")
    return "\n".join(lines)
