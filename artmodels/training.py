"""train(): adversarial training of a generator against projected features, counted in images."""

import copy
import hashlib
import json
import math
import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from accelerate import Accelerator, DistributedDataParallelKwargs
from torch import Tensor, nn
from tqdm import tqdm

from artmodels import hub
from artmodels.augment import diff_augment, mirror_half
from artmodels.checkpoint import (
    list_checkpoints,
    load_latest,
    load_module,
    load_optimizer,
    optimizer_tensors,
    retain_checkpoints,
    save_checkpoint,
)
from artmodels.data import ArtDataset
from artmodels.files import replacing, write_atomically
from artmodels.finetuning import InitialModel, start_from
from artmodels.losses import discriminator_loss, generator_loss, style_loss, variety_loss
from artmodels.models.discriminator import DiscriminatorHeads, FeatureProjector, Verdict
from artmodels.models.generator import ArtGenerator
from artmodels.models.weights import read_json
from artmodels.order import PictureOrder
from artmodels.presets import TrainConfig
from artmodels.report import write_report
from artmodels.sampling import style_sheet

SAMPLE_SEEDS = range(8)
CALIBRATION_LATENTS = 512


@dataclass
class Networks:
    """What learns, what judges, and the optimizers: everything a step touches and a checkpoint holds."""

    generator: ArtGenerator
    ema: ArtGenerator
    projector: FeatureProjector  # fixed; rebuilt from the seed
    heads: DiscriminatorHeads
    generator_optimizer: torch.optim.Optimizer
    heads_optimizer: torch.optim.Optimizer

    def tensors(self) -> dict[str, dict[str, Tensor]]:
        return {
            "generator": self.generator.state_dict(),
            "ema": self.ema.state_dict(),
            "heads": self.heads.state_dict(),
            "generator_optimizer": optimizer_tensors(self.generator_optimizer),
            "heads_optimizer": optimizer_tensors(self.heads_optimizer),
        }

    def load(self, tensors: dict[str, dict[str, Tensor]]) -> None:
        for name in ("generator", "ema", "heads"):
            load_module(getattr(self, name), tensors[name])
        for name in ("generator_optimizer", "heads_optimizer"):
            load_optimizer(getattr(self, name), tensors[name])


def build_networks(config: TrainConfig, styles: tuple[str, ...], device: torch.device) -> Networks:
    """Freshly initialised networks, the same for the same seed."""
    torch.manual_seed(config.seed)
    channels = config.head_channels
    generator = ArtGenerator(config.generator_config(styles)).to(device, memory_format=torch.channels_last)
    heads = DiscriminatorHeads(channels, config.feature_resolution, config.head_hidden, len(styles))
    heads = heads.to(device, memory_format=torch.channels_last)
    betas = (config.beta1, config.beta2)
    return Networks(
        generator=generator,
        ema=copy.deepcopy(generator).requires_grad_(False),
        projector=FeatureProjector(channels, config.feature_resolution, config.seed).to(device),
        heads=heads,
        generator_optimizer=torch.optim.Adam(generator.parameters(), config.learning_rate, betas=betas),
        heads_optimizer=torch.optim.Adam(heads.parameters(), config.heads_learning_rate, betas=betas),
    )


@dataclass
class Passes:
    """The forward passes of a step: as accelerate wrapped them for several processes, and compiled where asked for."""

    accelerator: Accelerator
    generator: Callable[[Tensor, Tensor], Tensor]
    heads: Callable[[list[Tensor], Tensor], Verdict]
    project: Callable[[Tensor], list[Tensor]]


def make_accelerator(config: TrainConfig) -> Accelerator:
    """Accelerate's view of the processes and devices of this run.

    `accelerate launch` pins a CPU process to one thread (OMP_NUM_THREADS=1); here the processes share all cores.
    """
    accelerator = Accelerator(
        mixed_precision="bf16" if config.precision == "bf16" else "no",
        kwargs_handlers=[DistributedDataParallelKwargs(broadcast_buffers=False)],
    )
    if accelerator.device.type == "cpu":
        local_processes = int(os.environ.get("LOCAL_WORLD_SIZE", "1"))
        cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
        torch.set_num_threads(max(1, cores // local_processes))
    return accelerator


def prepare_passes(accelerator: Accelerator, nets: Networks, compiled: bool) -> Passes:
    """Wrap the networks for accelerate's processes; `nets` itself keeps the bare modules."""
    generator, heads = accelerator.prepare(nets.generator, nets.heads)
    project: Callable = nets.projector
    if compiled:
        generator, project = torch.compile(generator), torch.compile(project)
    return Passes(accelerator, generator, heads, project)


@dataclass
class StepResult:
    """What a step leaves for the log; tensors, so that nothing waits for the device."""

    discriminator_loss: Tensor
    generator_loss: Tensor
    real_logit: Tensor
    fake_logit: Tensor
    variety: Tensor  # 1 - variety_loss, on augmented pictures, whose augmentation alone keeps them some way apart
    style_gap: Tensor  # style_loss, in nats

    def figures(self) -> dict[str, float]:
        """Numbers for the log; this waits for the device."""
        return {field.name: getattr(self, field.name).item() for field in fields(self)}


def adversarial_step(
    nets: Networks, passes: Passes, config: TrainConfig, real: Tensor, style: Tensor, random: torch.Generator
) -> StepResult:
    """One update of the heads and one of the generator, on real pictures `[N, 3, H, W]` and their styles `[N, S]`."""
    accelerator = passes.accelerator
    z = torch.randn(len(real), nets.generator.config.latent_dim, generator=random).to(real.device, non_blocking=True)

    # Features: one batch of fakes serves both updates; only the generator's path keeps its graph.
    fake = passes.generator(z, style)
    with accelerator.autocast():
        with torch.no_grad():
            real_maps = passes.project(diff_augment(real, random))
        fake_maps = passes.project(diff_augment(fake, random))

    # Heads: real and fake in one forward.
    both = [torch.cat([r, f.detach()]) for r, f in zip(real_maps, fake_maps, strict=True)]
    verdict = passes.heads(both, torch.cat([style, style]))
    real_logits, fake_logits = zip(*(logits.chunk(2) for logits in verdict.realness), strict=True)
    real_style, _ = verdict.style.chunk(2)
    heads_loss = discriminator_loss(real_logits, fake_logits)
    probe_loss = F.cross_entropy(real_style.float(), style)
    nets.heads_optimizer.zero_grad()
    accelerator.backward(heads_loss + probe_loss)
    nets.heads_optimizer.step()

    # Generator: through the updated heads, which themselves get no gradient.
    nets.heads.requires_grad_(False)
    with accelerator.autocast():
        verdict = nets.heads(fake_maps, style)
    picture_loss = generator_loss(verdict.realness)
    misread = style_loss(real_style, verdict.style, style)
    sameness = variety_loss(real_maps[-1].flatten(1), fake_maps[-1].flatten(1), style)
    nets.generator_optimizer.zero_grad()
    accelerator.backward(picture_loss + config.variety_weight * sameness + config.style_weight * misread)
    nets.generator_optimizer.step()
    nets.heads.requires_grad_(True)

    return StepResult(
        discriminator_loss=heads_loss.detach(),
        generator_loss=picture_loss.detach(),
        real_logit=torch.stack([head.detach().mean() for head in real_logits]).mean(),
        fake_logit=torch.stack([head.detach().mean() for head in fake_logits]).mean(),
        variety=1 - sameness.detach(),
        style_gap=misread.detach(),
    )


def seeded_generator(*key: int) -> torch.Generator:
    """A CPU random generator that depends on the key alone: (seed, images seen, rank) for a training step."""
    digest = hashlib.sha256(repr(key).encode()).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest[:8], "little"))


def ema_decay(config: TrainConfig, images: int) -> float:
    """Share of the old average that one batch leaves: half of it after `half_life` images (StyleGAN2-ADA's ramp-up)."""
    half_life = min(config.ema_half_life, max(images * config.ema_ramp_up, 1e-8))
    return 0.5 ** (config.batch_size / half_life)


@torch.no_grad()
def update_ema(ema: nn.Module, module: nn.Module, decay: float) -> None:
    """Move the average towards the weights; batch-norm statistics are measured anew at export instead."""
    averages, weights = list(ema.parameters()), list(module.parameters())
    torch._foreach_lerp_(averages, weights, 1 - decay)


def train(
    config: TrainConfig, dataset: ArtDataset, output: Path, resume: bool = False, init: InitialModel | None = None
) -> None:
    """Train until `config.images`, writing samples, metrics, checkpoints and `model/` into the run folder.

    Raises:
        ValueError: training diverged; nothing is saved from then on.
        FileNotFoundError: `resume`, and no checkpoint is whole.
        OSError: the run folder cannot be written.
    """
    accelerator = make_accelerator(config)
    rank, processes, device = accelerator.process_index, accelerator.num_processes, accelerator.device
    local_size = config.batch_size // processes
    styles = ("all",) if config.unconditional else dataset.styles
    nets = build_networks(config, styles, device)
    if init:
        start_from(nets.generator, init.generator)
        nets.ema.load_state_dict(nets.generator.state_dict())
    labels = torch.zeros(len(dataset), dtype=torch.long) if config.unconditional else torch.from_numpy(dataset.labels)
    one_hot = torch.eye(len(styles))
    order = PictureOrder(dataset.labels, config.seed, config.balance)

    images, seconds_before = 0, 0.0
    if resume and list_checkpoints(output):
        images, tensors, progress = load_latest(output)
        nets.load(tensors)
        seconds_before = progress["seconds"]
        if images >= config.images:
            print(f"this run is finished: {images} images seen; give a larger --images to extend it")
            return
    log = RunLog(output, images, seconds_before) if accelerator.is_main_process else None

    passes = prepare_passes(accelerator, nets, config.compile)
    bar = tqdm(
        total=config.images, initial=images, unit=" pictures", disable=not accelerator.is_main_process, smoothing=0.05
    )
    stopping = False
    with bar, graceful_stop() as stop:
        while images < config.images and not stopping:
            random = seeded_generator(config.seed, images, rank)
            indices = order.take(images + rank * local_size, local_size)
            real = dataset.batch(indices).to(device, non_blocking=True)
            real = mirror_half(real, random) if config.flip else real
            style = one_hot[labels[indices]].to(device, non_blocking=True)
            step = adversarial_step(nets, passes, config, real, style, random)

            images += config.batch_size
            update_ema(nets.ema, nets.generator, ema_decay(config, images))
            bar.update(config.batch_size)

            # Every so many images: log, sample grid, checkpoint.
            def due(every: int, images: int = images) -> bool:
                return images // every > (images - config.batch_size) // every

            stopping = stop.agreed(accelerator, look=due(config.log_every))
            finished = stopping or images >= config.images
            if log and (due(config.log_every) or due(config.checkpoint_every) or finished):
                log.write(bar, images, check_finite(step.figures(), output))
            if log and (due(config.sample_every) or due(config.checkpoint_every) or finished):
                painter = export_generator(nets.ema, config, labels)
                log.save_samples(painter, images)
                if due(config.checkpoint_every) or finished:
                    publish_model(output, painter, config, dataset, images, log.seconds)
                    save_checkpoint(output, images, nets.tensors(), {"seconds": log.seconds})
                    retain_checkpoints(output, config.keep_checkpoints)
    if log:
        write_report(output)
    accelerator.wait_for_everyone()
    accelerator.end_training()


def check_finite(figures: dict[str, float], output: Path) -> dict[str, float]:
    """The figures, unless one is infinite or not a number.

    Raises:
        ValueError: the run diverged; the checkpoints from before are whole.
    """
    if all(math.isfinite(value) for value in figures.values()):
        return figures
    raise ValueError(
        f"training diverged ({', '.join(f'{name} {value:g}' for name, value in figures.items())}): "
        f"start anew with a smaller --learning-rate; the checkpoints in {output} are from before"
    )


@torch.no_grad()
def export_generator(ema: ArtGenerator, config: TrainConfig, labels: Tensor) -> ArtGenerator:
    """A copy of the averaged generator that is ready to paint: its batch-norm statistics and `mean_w` measured anew.

    The average of weights goes with none of the statistics met on the way, so they are taken over latents and labels
    drawn from the run's seed; processes need not exchange theirs.
    """
    painter = copy.deepcopy(ema)
    device = painter.mean_w.device
    random = seeded_generator(config.seed, -1)
    z = torch.randn(CALIBRATION_LATENTS, config.latent_dim, generator=random)
    chosen = labels[torch.randint(len(labels), (CALIBRATION_LATENTS,), generator=random)]
    style = torch.eye(len(painter.config.styles))[chosen]
    for module in painter.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.reset_running_stats()
            module.momentum = None  # a plain average over all batches
    painter.train()
    for z_part, style_part in zip(z.split(64), style.split(64), strict=True):
        painter(z_part.to(device), style_part.to(device))
    painter.update_mean_w(z.to(device))
    return painter.eval()


def publish_model(
    output: Path, painter: ArtGenerator, config: TrainConfig, dataset: ArtDataset, images: int, seconds: float
) -> None:
    """Write `model/`, the published folder of the run so far."""
    training = {
        "preset": config.preset,
        "images": images,
        "seconds": round(seconds, 1),
        "machine": hub.describe_machine(),
        "pictures": len(dataset),
        "style_counts": dataset.style_counts(),
        "config": config.to_json(),
        "init": read_json(output / "config.json").get("init"),
    }
    if training["init"]:
        del training["init"]["source"]  # where it lay on this machine is nobody else's business
    with replacing(output / "model") as folder:
        hub.write_model_folder(folder, painter, training, history=read_history(output))


def read_history(output: Path) -> list[dict[str, Any]]:
    """The records of `metrics.jsonl`; a line that a power cut tore is passed over."""
    records = []
    for line in (output / "metrics.jsonl").read_text("utf-8", "replace").splitlines():
        with suppress(ValueError, RecursionError):
            record = json.loads(line)
            if isinstance(record, dict) and isinstance(record.get("images"), int):
                records.append(record)
    return records


class RunLog:
    """`metrics.jsonl`, `samples/` and the clock of a run; the log is cut back to where the run resumes."""

    def __init__(self, output: Path, images: int, seconds_before: float):
        self.path = output / "metrics.jsonl"
        self.samples = output / "samples"
        self.samples.mkdir(parents=True, exist_ok=True)
        self.started = time.monotonic() - seconds_before
        kept = [record for record in read_history(output) if record["images"] <= images] if self.path.exists() else []
        write_atomically(self.path, "".join(json.dumps(record) + "\n" for record in kept).encode())

    @property
    def seconds(self) -> float:
        """Training time so far, over all resumes."""
        return time.monotonic() - self.started

    def write(self, bar: tqdm, images: int, figures: dict[str, float]) -> None:
        record = {"images": images, "seconds": round(self.seconds, 2)}
        record |= {name: round(value, 5) for name, value in figures.items()}
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(record) + "\n")
        bar.set_postfix(
            g=f"{figures['generator_loss']:.2f}",
            d=f"{figures['discriminator_loss']:.2f}",
            variety=f"{figures['variety']:.2f}",
        )

    def save_samples(self, painter: ArtGenerator, images: int) -> None:
        style_sheet(painter, SAMPLE_SEEDS).save(self.samples / f"images-{images:08d}.png")


class StopRequest:
    """Whether somebody asked the run to end."""

    requested = False

    def agreed(self, accelerator: Accelerator, look: bool) -> bool:
        """The same answer in every process; several processes ask each other only when `look` is set."""
        if accelerator.num_processes == 1:
            return self.requested
        if not look:
            return False
        if self.requested:
            accelerator.set_trigger()
        return accelerator.check_trigger()


@contextmanager
def graceful_stop() -> Iterator[StopRequest]:
    """Let Ctrl-C and SIGTERM end the run after the step in hand, with a checkpoint; a second Ctrl-C ends it at once."""
    stop = StopRequest()

    def request(number: int, frame: object) -> None:
        stop.requested = True
        signal.signal(signal.SIGINT, signal.default_int_handler)

    before = {number: signal.signal(number, request) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
