"""train(): adversarial training of a generator against projected features, counted in images."""

import math
import os
import re
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator, DistributedDataParallelKwargs, InitProcessGroupKwargs
from tqdm import tqdm

from artmodels.augment import AugmentShare, mirror_half
from artmodels.checkpoint import list_checkpoints, load_latest
from artmodels.data import ArtDataset
from artmodels.finetuning import InitialModel, start_from
from artmodels.keeping import Keeper, Progress, RunLog, export_generator, steer_model
from artmodels.models.discriminator import STRIDES
from artmodels.monitoring import Monitor, warnings_of
from artmodels.order import PictureOrder
from artmodels.presets import TrainConfig
from artmodels.publishing import RunPublisher
from artmodels.report import write_report
from artmodels.step import (
    Networks,
    Passes,
    adversarial_step,
    build_networks,
    ema_decay,
    seeded_generator,
    set_learning_rates,
    update_ema,
)

PATIENCE = timedelta(hours=2)  # of processes, while the first one measures
LOST = re.compile(r"[Cc]onnection|gloo|NCCL|[Pp]eer|timed? ?out")  # in what PyTorch says when a process is gone
NO_MEMORY = re.compile(r"out of memory|can't allocate memory|not enough memory")


def make_accelerator(config: TrainConfig, tracker: str | None = None, output: Path | None = None) -> Accelerator:
    """Accelerate's view of the processes and devices of this run.

    `accelerate launch` pins a CPU process to one thread (OMP_NUM_THREADS=1); here the processes share all cores.
    """
    accelerator = Accelerator(
        mixed_precision="bf16" if config.precision == "bf16" else "no",
        log_with=tracker,
        project_dir=str(output) if output else None,
        kwargs_handlers=[
            DistributedDataParallelKwargs(broadcast_buffers=False),
            InitProcessGroupKwargs(timeout=PATIENCE),
        ],
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
    return Passes(generator, heads, project, accelerator.autocast, accelerator.backward, accelerator.no_sync)


def train(
    config: TrainConfig,
    dataset: ArtDataset,
    output: Path,
    monitor: Monitor | None = None,
    resume: bool = False,
    init: InitialModel | None = None,
    tracker: str | None = None,
    publisher: RunPublisher | None = None,
) -> None:
    """Train until `config.images`, writing samples, metrics, checkpoints and `model/` into the run folder.

    With a monitor, each checkpoint is measured, and `model/` is the best average by kernel distance; without, the last.

    Raises:
        ValueError: training diverged; nothing is saved from then on.
        FileNotFoundError: `resume`, and no checkpoint is whole.
        OSError: the run folder cannot be written, memory is short, or another process of this run has ended.
    """
    accelerator = make_accelerator(config, tracker, output)
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

    images, progress = 0, Progress(AugmentShare(config.augment, config.augment_target))
    if resume and list_checkpoints(output):
        images, tensors, saved = load_latest(output)
        try:
            nets.load(tensors)
            progress = Progress.from_json(saved, config.augment_target)
        except (RuntimeError, ValueError, LookupError, TypeError, AttributeError) as error:
            raise ValueError(f"the checkpoint of {images} images in {output} is not of this run: {error}") from error
    augment = progress.augment
    log = RunLog(output, images, progress.seconds) if accelerator.is_main_process else None
    keeper = Keeper(output, config, dataset, labels, monitor, progress)
    if log and images:
        keeper.mend_model(nets, images)
    if images >= config.images:
        accelerator.print(f"this run is finished: {images} images seen; give a larger --images to extend it")
        if log:
            steer_model(output, config, device)
            write_report(output)
            if publisher:
                publisher.finish(output)
        return
    start_tracker(accelerator, config)

    passes = prepare_passes(accelerator, nets, config.compile)
    bar = tqdm(
        total=config.images, initial=images, unit=" pictures", disable=not accelerator.is_main_process, smoothing=0.05
    )
    stopping = False
    with bar, graceful_stop() as stop, clear_failures(accelerator, output):
        while images < config.images and not stopping:
            random = seeded_generator(config.seed, images, rank)
            indices = order.take(images + rank * local_size, local_size)
            real = dataset.batch(indices, device)
            real = mirror_half(real, random) if config.flip else real
            style = one_hot[labels[indices]].to(device, non_blocking=True)
            set_learning_rates(nets, config, images)
            step = adversarial_step(nets, passes, config, real, style, random, augment.share)

            images += config.batch_size
            update_ema(nets.ema, nets.generator, ema_decay(config, images))
            augment.see(step.real_sign)
            bar.update(config.batch_size)

            # Every so many images: log, adapt, sample grid, measure, checkpoint.
            def due(every: int, images: int = images) -> bool:
                return images // every > (images - config.batch_size) // every

            stopping = stop.agreed(accelerator, look=due(config.log_every))
            saving = due(config.checkpoint_every) or stopping or images >= config.images
            if config.augment_target and due(config.log_every):
                sure = accelerator.reduce(torch.as_tensor(augment.signs / augment.steps, device=device), "mean")
                augment.adapt(sure.item(), augment.steps * config.batch_size)
            if config.augment_target and saving:  # every process goes on from what the checkpoint keeps
                augment.signs = accelerator.reduce(torch.as_tensor(augment.signs, device=device), "mean")
            if not log or not (saving or due(config.log_every) or due(config.sample_every)):
                continue
            record = {"images": images, "seconds": round(log.seconds, 2)}
            if saving or due(config.log_every):
                record |= check_finite(step.figures(), output) | {"augment": augment.share}
            if saving or due(config.sample_every):
                painter = export_generator(nets.ema, config, labels)
                log.save_samples(painter, images)
            if saving:
                check_weights(nets, output)
                in_haste = stopping and not due(config.checkpoint_every)
                record |= keeper.measure(nets, painter, images, in_haste)
                record["warnings"] = warnings_of([*log.records, record], len(STRIDES))
            if len(record) > 2:
                log.write(bar, record)
                accelerator.log(flat_numbers(record), step=images)
            if saving:
                keeper.save(nets, painter, images, log.seconds)
                if publisher and not stopping:
                    publisher.offer(output / "model", images)
    if log:
        if images >= config.images:
            steer_model(output, config, device)
        write_report(output)
        if progress.best and progress.best["images"] < images:
            print(f"{output / 'model'} is the best average, that of {progress.best['images']:,} images")
        if publisher and images >= config.images:
            publisher.finish(output)
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


def check_weights(nets: Networks, output: Path) -> None:
    """Refuse to save weights that are infinite or not a number.

    Raises:
        ValueError: the run diverged; the checkpoints from before are whole.
    """
    for module in (nets.generator, nets.ema, nets.heads):
        if not all(torch.isfinite(parameter).all() for parameter in module.parameters()):
            raise ValueError(
                f"training diverged (weights that are no numbers): start anew with a smaller --learning-rate; the "
                f"checkpoints in {output} are from before"
            )


@contextmanager
def clear_failures(accelerator: Accelerator, output: Path) -> Iterator[None]:
    """Say in one line what PyTorch says in a page: that memory is short, or that another process is gone.

    Raises:
        OSError: one of these.
    """
    try:
        yield
    except RuntimeError as error:
        if NO_MEMORY.search(str(error)):
            raise OSError(
                f"the memory of {accelerator.device} is too small for this step: take the batch in parts "
                "(--accumulate 2) or lower --batch-size"
            ) from error
        if accelerator.num_processes > 1 and LOST.search(str(error)):
            raise OSError(
                f"process {accelerator.process_index} stops because another process of this run has ended (its own "
                f"message says why): the last checkpoint in {output} is whole, continue with --resume"
            ) from error
        raise


def start_tracker(accelerator: Accelerator, config: TrainConfig) -> None:
    """Let accelerate's tracker begin, if one was asked for.

    Raises:
        OSError: it cannot; each has errors of its own.
    """
    try:
        accelerator.init_trackers("artmodels", config=tracker_config(config))
    except Exception as error:
        raise OSError(f"the tracker cannot begin ({type(error).__name__}: {error}): see its own manual") from error


def tracker_config(config: TrainConfig) -> dict[str, Any]:
    """The dials as trackers take them: numbers and text."""
    values = config.to_json()
    return {name: value if isinstance(value, bool | int | float) else str(value) for name, value in values.items()}


def flat_numbers(record: dict[str, Any], prefix: str = "") -> dict[str, float]:
    """The numbers of a record, nested ones under joined names, for trackers."""
    flat = {}
    for name, value in record.items():
        if isinstance(value, dict):
            flat |= flat_numbers(value, f"{prefix}{name}/")
        elif isinstance(value, int | float) and not isinstance(value, bool):
            flat[prefix + name] = value
    return flat


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
