"""train(): a generator learns to paint each picture from its latent, and patches that pass for real; in images."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from tqdm import tqdm

from artmodels.data.dataset import ArtDataset
from artmodels.hub.publish import RunPublisher
from artmodels.training.augment import AugmentShare
from artmodels.training.batches import BatchSource
from artmodels.training.captured_step import CapturedStep
from artmodels.training.checkpoint import RunProgress, list_checkpoints, load_latest
from artmodels.training.checkpointer import Checkpointer
from artmodels.training.config import TrainConfig
from artmodels.training.distributed import (
    check_finite,
    check_weights,
    clear_failures,
    flat_numbers,
    from_main,
    graceful_stop,
    make_accelerator,
    start_tracker,
)
from artmodels.training.export import export_generator, steer_model
from artmodels.training.gan_step import (
    Networks,
    Passes,
    build_networks,
    ema_decay,
    set_learning_rates,
    training_step,
    update_ema,
)
from artmodels.training.init_from import InitialModel, start_from
from artmodels.training.latents import keep_latents
from artmodels.training.monitor import Monitor, spoiled_by_finish, warnings_of
from artmodels.training.report import write_report
from artmodels.training.run_log import RunLog, show
from artmodels.training.time_budget import TimeBudget, keep_plan
from artmodels.training.variety import VarietyGauge


def prepare_passes(accelerator: Accelerator, nets: Networks, compiled: bool) -> Passes:
    """Wrap the networks for accelerate's processes; `nets` itself keeps the bare modules."""
    generator, heads = accelerator.prepare(nets.generator, nets.heads)
    project: Callable = nets.projector
    scales: Callable = nets.projector.scales
    if compiled:
        generator, project, scales = torch.compile(generator), torch.compile(project), torch.compile(scales)
    return Passes(
        generator,
        heads,
        project,
        scales,
        accelerator.autocast,
        accelerator.backward,
        accelerator.no_sync,
        mean=lambda values: accelerator.reduce(values, "mean"),
    )


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
    accelerator = make_accelerator(config.precision, tracker, output)
    rank, processes, device = accelerator.process_index, accelerator.num_processes, accelerator.device
    styles = ("all",) if config.unconditional else dataset.styles
    nets = build_networks(config, styles, device)
    if init:
        start_from(nets.generator, init.generator)
        nets.ema.load_state_dict(nets.generator.state_dict())
    labels = torch.zeros(len(dataset), dtype=torch.long) if config.unconditional else torch.from_numpy(dataset.labels)

    images, progress = 0, RunProgress(AugmentShare(config.augment, config.augment_target))
    if resume and list_checkpoints(output):
        images, tensors, saved = load_latest(output)
        try:
            nets.load(tensors)
            progress = RunProgress.from_json(saved, config.augment_target)
        except (RuntimeError, ValueError, LookupError, TypeError, AttributeError) as error:
            raise ValueError(f"the checkpoint of {images} images in {output} is not of this run: {error}") from error
    augment = progress.augment
    budget = TimeBudget(config.minutes) if config.minutes and not config.planned_at else None
    log = RunLog(output, images, progress.seconds) if accelerator.is_main_process else None
    gauge = VarietyGauge(nets.projector.network, config.feature_resolution, dataset, labels)
    checkpointer = Checkpointer(output, config, dataset, labels, monitor, progress)
    if log and images:
        checkpointer.mend_model(nets, images)
    if images >= config.images:
        accelerator.print(f"this run is finished: {images} images seen; give a larger --images to extend it")
        if log:
            steer_model(output, config, device)
            write_report(output)
            if publisher:
                publisher.finish(output)
        return
    start_tracker(accelerator, config.to_json())

    with accelerator.main_process_first():
        latents = keep_latents(
            output, nets.projector, dataset, labels, config.latent_dim, config.flip, not accelerator.is_main_process
        )
    passes = prepare_passes(accelerator, nets, config.compile)
    total = None if budget else config.images  # not known before it is planned
    bar = tqdm(total=total, initial=images, unit=" pictures", disable=not accelerator.is_main_process, smoothing=0.05)
    source = BatchSource(config, dataset, labels, latents, device, rank, processes)
    take_step = CapturedStep(
        lambda batch, judged: training_step(nets, passes, config, batch, augment.share, judged),
        nets,
        device,
        wanted=processes == 1 and not config.augment_target,  # an adapted share changes from step to step
    )
    stopping, batch_size = False, config.batch_size
    spoiled: str | None = None  # how the finish has made the average worse
    with bar, source, graceful_stop() as stop, clear_failures(accelerator, output):
        while images < config.images and not stopping:
            set_learning_rates(nets, config, images)
            step = take_step(source.take(images), judged=images >= config.heads_after)

            images += batch_size
            update_ema(nets.ema, nets.generator, ema_decay(config, images))
            if step.real_sign is not None:
                augment.see(step.real_sign)
            bar.update(batch_size)

            # Every so many images: log, adapt, sample grid, measure, checkpoint.
            def due(every: int, images: int = images) -> bool:
                return images // every > (images - batch_size) // every

            stopping = stop.agreed(accelerator, look=due(config.log_every))
            planning = False
            if budget and due(config.log_every):
                settled = images >= config.heads_after + config.log_every
                planning = from_main(accelerator, log and budget.ready(images, log.seconds, settled))
            saving = due(config.checkpoint_every) or stopping or images >= config.images or planning
            if augment.steps and due(config.log_every):
                sure = accelerator.reduce(torch.as_tensor(augment.signs / augment.steps, device=device), "mean")
                augment.adapt(sure.item(), augment.steps * config.batch_size)
            if config.augment_target and saving:  # every process goes on from what the checkpoint keeps
                augment.signs = accelerator.reduce(torch.as_tensor(augment.signs, device=device), "mean")
            logging = saving or due(config.log_every) or due(config.variety_every)
            guarding = saving and not stopping and config.images - config.finish < images < config.images
            if not log or not (logging or due(config.sample_every)):
                if planning:
                    config, budget = from_main(accelerator, None), None
                if guarding:
                    spoiled = from_main(accelerator, None)
                    stopping = bool(spoiled)
                continue
            record: dict[str, Any] = {"images": images, "seconds": round(log.seconds, 2)}
            if logging:
                record |= check_finite(step.figures(), output) | {"augment": augment.share}
            if due(config.variety_every):
                record |= gauge.measure(nets.ema, images // config.variety_every - 1)
            if saving or due(config.sample_every):
                painter = export_generator(nets.ema, config, labels)
                log.save_samples(painter, images)
            if saving:
                check_weights((nets.generator, nets.ema, nets.heads), output)
                in_haste = stopping and not due(config.checkpoint_every)
                record |= checkpointer.measure(nets, painter, images, in_haste)
            if saving or due(config.variety_every):
                record["warnings"] = warnings_of([*log.records, record], len(config.head_channels))
            if len(record) > 2:
                show(bar, log.write(record), log.records[:-1])
                accelerator.log(flat_numbers(record), step=images)
            if saving:
                checkpointer.save(nets, painter, images, log.seconds)
                if publisher and not stopping:
                    publisher.offer(output / "model", images)
            if budget and planning:
                config = budget.plan(config, images, log.seconds, log.seconds - record["seconds"])
                keep_plan(output, config)
                config, budget = from_main(accelerator, config), None
                checkpointer.config, bar.total = config, config.images
            if guarding:
                spoiled = from_main(accelerator, spoiled_by_finish(log.records, config.images - config.finish))
                stopping = bool(spoiled)
    if log:
        if spoiled:
            print(f"stopped while the rates fell: on pictures held out from training, {spoiled}", file=sys.stderr)
        if images >= config.images or spoiled:
            steer_model(output, config, device)
        write_report(output)
        if progress.best and progress.best["images"] < images:
            print(f"{output / 'model'} is the best average, that of {progress.best['images']:,} images")
        if publisher and (images >= config.images or spoiled):
            publisher.finish(output)
    accelerator.wait_for_everyone()
    accelerator.end_training()
