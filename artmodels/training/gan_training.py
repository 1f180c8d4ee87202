"""train(): a generator learns to paint each picture from its latent, and patches that pass for real; in images."""

import shlex
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from torch import Tensor
from tqdm import tqdm

from artmodels.data.dataset import ArtDataset
from artmodels.hub.pretrained import ArtGenerator
from artmodels.hub.publish import RunPublisher
from artmodels.training.augment import AugmentShare
from artmodels.training.batches import BatchSource
from artmodels.training.captured_step import CapturedStep
from artmodels.training.checkpoint import RunProgress
from artmodels.training.checkpointer import Checkpointer
from artmodels.training.config import TrainConfig
from artmodels.training.distributed import clear_failures, from_main, make_accelerator
from artmodels.training.export import export_generator, steer_model
from artmodels.training.gan_step import (
    Networks,
    Passes,
    StepResult,
    build_networks,
    ema_decay,
    set_learning_rates,
    training_step,
    update_ema,
)
from artmodels.training.init_from import InitialModel, start_from
from artmodels.training.latents import components_for, keep_latents
from artmodels.training.loop import Moment, Training, run_training
from artmodels.training.monitor import Monitor, spoiled_by_finish, warnings_of
from artmodels.training.report import write_report
from artmodels.training.run_log import show
from artmodels.training.time_budget import TimeBudget, keep_plan, most_images
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


class GanTraining(Training):
    """The training of a generator; see `Training` for what each method is."""

    memory_remedy = "take the batch in parts (--resume --accumulate 2), or "
    source: BatchSource
    take_step: CapturedStep
    result: StepResult  # of the last step

    def __init__(
        self,
        config: TrainConfig,
        dataset: ArtDataset,
        output: Path,
        accelerator: Accelerator,
        monitor: Monitor | None,
        publisher: RunPublisher | None,
    ):
        self.config, self.dataset, self.output, self.accelerator = config, dataset, output, accelerator
        self.publisher, styles = publisher, ("all",) if config.unconditional else dataset.styles
        self.nets = build_networks(config, styles, accelerator.device)
        self.networks = (self.nets.generator, self.nets.ema, self.nets.heads)
        self.labels = torch.from_numpy(dataset.labels) * (not config.unconditional)
        self.gauge = VarietyGauge(self.nets.projector.network, config.feature_resolution, dataset, self.labels)
        self.checkpointer = Checkpointer(
            output,
            config,
            dataset,
            self.labels,
            monitor,
            RunProgress(AugmentShare(config.augment, config.augment_target)),
        )
        self.budget = TimeBudget(config.minutes) if config.minutes and not config.planned_at else None
        self.planning = False  # the budget is planned at this checkpoint
        self.painter: ArtGenerator | None = None  # what this moment's average paints with
        self.spoiled: str | None = None  # how the finish has made the average worse

    @property
    def planned(self) -> bool:  # type: ignore[override]
        return self.budget is None

    def stopped(self, kind: str) -> AbstractContextManager:
        """What tells the time budget, while it is not planned, that no steps are taken."""
        return self.budget.stopped(kind) if self.budget else nullcontext()

    @property
    def augment(self) -> AugmentShare:
        return self.checkpointer.progress.augment

    def tensors(self) -> dict[str, dict[str, Tensor]]:
        return self.nets.tensors()

    def progress(self, seconds: float) -> dict[str, Any]:
        self.checkpointer.progress.seconds = seconds
        return self.checkpointer.progress.to_json()

    def restore(self, tensors: dict[str, dict[str, Tensor]], progress: dict[str, Any]) -> None:
        self.nets.load(tensors)
        self.checkpointer.progress = RunProgress.from_json(progress, self.config.augment_target)

    def mend(self, images: int) -> None:
        self.checkpointer.mend_model(self.nets, images)

    def begin(self) -> AbstractContextManager:
        accelerator, config = self.accelerator, self.config
        projector, quiet = self.nets.projector, not accelerator.is_main_process
        with accelerator.main_process_first():
            components = config.components or components_for(self.labels, config.latent_dim)
            latents = keep_latents(self.output, projector, self.dataset, self.labels, components, config.flip, quiet)
        if self.budget and self.checkpointer.monitor and accelerator.is_main_process:
            self.checkpointer.monitor.look_at_real()  # else the first checkpoint, by which the rest is planned, would
        passes, processes = prepare_passes(accelerator, self.nets, config.compile), accelerator.num_processes
        self.source = BatchSource(
            config, self.dataset, self.labels, latents, accelerator.device, accelerator.process_index, processes
        )
        self.take_step = CapturedStep(
            lambda batch, judged: training_step(self.nets, passes, self.config, batch, self.augment.share, judged),
            self.nets,
            accelerator.device,
            wanted=processes == 1 and not config.augment_target,  # an adapted share changes from step to step
        )
        return self.source

    def step(self, images: int) -> None:
        config = self.config
        set_learning_rates(self.nets, config, images)
        self.result = self.take_step(self.source.take(images), judged=images >= config.heads_after)
        update_ema(self.nets.ema, self.nets.generator, ema_decay(config, images + config.batch_size))
        if self.result.real_sign is not None:
            self.augment.see(self.result.real_sign)

    def wants_checkpoint(self, now: Moment) -> bool:
        """Where the speed is known well enough to plan a budget in minutes."""
        self.planning = False
        if self.budget and now.due(self.config.log_every):
            settled = now.images >= self.config.heads_after + self.config.log_every
            most = most_images(self.config, len(self.dataset))
            ready = self.log and self.budget.ready(now.images, self.log.seconds, settled, most)
            self.planning = from_main(self.accelerator, ready)
        return self.planning

    def agree(self, now: Moment) -> None:
        augment, device = self.augment, self.accelerator.device
        if augment.steps and now.due(self.config.log_every):
            sure = self.accelerator.reduce(torch.as_tensor(augment.signs / augment.steps, device=device), "mean")
            augment.adapt(sure.item(), augment.steps * self.config.batch_size)
        if self.config.augment_target and now.saving:  # every process goes on from what the checkpoint keeps
            augment.signs = self.accelerator.reduce(torch.as_tensor(augment.signs, device=device), "mean")

    def wants_record(self, now: Moment) -> bool:
        return now.due(self.config.variety_every)

    def figures(self) -> dict[str, float]:
        return {**self.result.figures(), "augment": self.augment.share}

    def look(self, now: Moment) -> None:
        self.painter = None
        if self.log and (now.saving or now.due(self.config.sample_every)):
            with self.stopped("sheet"):
                self.painter = export_generator(self.nets.ema, self.config, self.labels)
                self.log.save_samples(self.painter, now.images)

    def measure(self, now: Moment, record: dict[str, Any]) -> dict[str, Any]:
        found: dict[str, Any] = {}
        looking = now.due(self.config.variety_every)
        if looking:
            with self.stopped("look"):
                found |= self.gauge.measure(self.nets.ema, now.images // self.config.variety_every - 1)
        if now.saving and self.painter:
            in_haste = now.stopping and not (now.due(self.config.checkpoint_every) or now.last)
            found |= self.checkpointer.measure(self.nets, self.painter, now.images, in_haste)
        if self.log and (now.saving or looking):
            found["warnings"] = warnings_of([*self.log.records, record | found], len(self.config.head_channels))
        return found

    def show(self, bar: tqdm, record: dict[str, Any], before: list[dict[str, Any]]) -> None:
        show(bar, record, before)

    def publish(self, now: Moment) -> None:
        assert self.painter  # a checkpoint has one
        self.checkpointer.publish(self.painter, now.images)
        if self.publisher and not now.stopping:
            self.publisher.offer(self.output / "model", now.images)

    def follow(self, now: Moment) -> bool:
        """Plan a budget in minutes; end a finish that makes the average worse."""
        if self.budget and self.planning:
            config = self.config
            if self.log:
                measuring = self.log.seconds - self.log.records[-1]["seconds"]
                config = self.budget.plan(config, now.images, self.log.seconds, measuring, len(self.dataset))
                keep_plan(self.output, config)
                if config.images + config.batch_size > most_images(config, len(self.dataset)):
                    tqdm.write(
                        f"{len(self.dataset)} pictures would be learned by heart in {config.minutes:g} minutes: it "
                        f"ends after {config.images:,} images; --images N instead of --minutes shows more",
                        file=sys.stderr,
                    )
            self.config = self.checkpointer.config = from_main(self.accelerator, config)
            self.budget = None
        begins = self.config.images - self.config.finish
        if not now.stopping and begins < now.images < self.config.images:
            found = spoiled_by_finish(self.log.records, begins) if self.log else None
            self.spoiled = from_main(self.accelerator, found)
            if self.spoiled and self.log:  # the run is at its end: only a larger --images goes on
                keep_plan(self.output, replace(self.config, images=now.images, finish=0))
        return self.spoiled is not None

    def end(self, finished: bool) -> None:
        if self.spoiled:
            print(f"stopped while the rates fell: on pictures held out from training, {self.spoiled}", file=sys.stderr)
        if finished:
            steer_model(self.output, self.config, self.accelerator.device)
        write_report(self.output)
        best = self.checkpointer.progress.best
        if best and self.log and self.log.records and best["images"] < self.log.records[-1]["images"]:
            print(f"{self.output / 'model'} is the best average, that of {best['images']:,} images")
        if self.publisher and finished:
            self.publisher.finish(self.output)
        elif finished:
            print(next_steps(self.output))


def next_steps(output: Path) -> str:
    """Where a run's model is, and what may be done with it."""
    run, model = shlex.quote(str(output)), shlex.quote(str(output / "model"))
    return (
        f"the model is in {output / 'model'}; to paint with it, and to publish it:\n"
        f"  ARTMODELS_MODELS={model} python app.py\n"
        f"  python -m artmodels publish {run} user/my-painter --license cc-by-4.0"
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
) -> bool:
    """Train until `config.images`, writing samples, metrics, checkpoints and `model/` into the run folder.

    With a monitor, each checkpoint is measured, and `model/` is the best average (`is_best`); without, the last.
    True in the process that writes, if the run is at its end.

    Raises:
        ValueError, FileNotFoundError, OSError: those of `run_training`.
    """
    accelerator = make_accelerator(config.precision, tracker, output)
    with clear_failures(accelerator, output, GanTraining.memory_remedy):
        training = GanTraining(config, dataset, output, accelerator, monitor, publisher)
    if init:
        start_from(training.nets.generator, init.generator)
        training.nets.ema.load_state_dict(training.nets.generator.state_dict())
    return run_training(training, accelerator, output, resume)
