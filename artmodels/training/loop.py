"""The loop of every training: steps, and every so many images a line of the log and a checkpoint, in several processes.

What a training has of its own it does in the methods of `Training`, which the loop calls.
"""

import signal
import sys
from abc import ABC, abstractmethod
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from accelerate import Accelerator
from torch import Tensor, nn
from tqdm import tqdm

from artmodels.io.errors import Stopped
from artmodels.training.checkpoint import list_checkpoints, load_latest, retain_checkpoints, save_checkpoint
from artmodels.training.distributed import (
    check_finite,
    check_weights,
    clear_failures,
    flat_numbers,
    graceful_stop,
    start_tracker,
)
from artmodels.training.run_log import RunLog


@dataclass(frozen=True)
class Moment:
    """Where a run is, after a step."""

    images: int
    batch_size: int
    last: bool  # the budget is used up
    stopping: bool = False  # somebody wants the run to end
    saving: bool = False  # a checkpoint is written now

    def due(self, every: int) -> bool:
        """Whether a multiple of so many images was reached by this step."""
        return self.images // every > (self.images - self.batch_size) // every


class Training(ABC):
    """One kind of training, in one process. Only what says so is called in every process; the rest in the first."""

    config: Any  # images, batch_size, log_every, checkpoint_every and keep_checkpoints of it are the loop's
    networks: Sequence[nn.Module]  # whose weights must stay finite
    memory_remedy = ""  # what else to try than a smaller batch, where memory is short
    planned = True  # whether the budget is known
    log: RunLog | None = None  # of the first process, from `run_training` on

    @abstractmethod
    def tensors(self) -> dict[str, dict[str, Tensor]]:
        """All that a checkpoint holds, by file."""

    @abstractmethod
    def progress(self, seconds: float) -> dict[str, Any]:
        """What a checkpoint holds beside tensors; `seconds` of training and `best` are among it."""

    @abstractmethod
    def restore(self, tensors: dict[str, dict[str, Tensor]], progress: dict[str, Any]) -> None:
        """Go on from a checkpoint; in every process.

        Raises:
            RuntimeError, ValueError, LookupError, TypeError, AttributeError: it is of another run.
        """

    def mend(self, images: int) -> None:
        """Publish the best so far again, in case a kill came between its checkpoint and its publication."""

    def begin(self) -> AbstractContextManager:
        """Make ready for the first step, in every process; what comes back is closed after the last one."""
        return nullcontext()

    @abstractmethod
    def step(self, images: int) -> None:
        """Learn from the batch after so many images; in every process."""

    def wants_checkpoint(self, now: Moment) -> bool:
        """Whether one is to be written out of turn; in every process."""
        return False

    def agree(self, now: Moment) -> None:
        """Exchange between the processes, in every one of them, before anything is written."""

    def wants_record(self, now: Moment) -> bool:
        """Whether a line of the log is due besides those at `log_every` and at checkpoints."""
        return False

    @abstractmethod
    def figures(self) -> dict[str, float]:
        """Numbers of the last steps for the log, all of which must be finite."""

    def look(self, now: Moment) -> None:
        """Write what is due that is no line of the log, after every step."""

    def measure(self, now: Moment, record: dict[str, Any]) -> dict[str, Any]:
        """What a record tells besides; at a checkpoint the figures of pictures that are not trained on, too."""
        return {}

    @abstractmethod
    def show(self, bar: tqdm, record: dict[str, Any], before: list[dict[str, Any]]) -> None:
        """Tell a record beside the bar."""

    def publish(self, now: Moment) -> None:
        """Write `model/`, if what a checkpoint has just kept is the best so far."""

    def follow(self, now: Moment) -> bool:
        """Draw conclusions from a checkpoint, in every process; whether the run is to end by them."""
        return False

    def end(self, finished: bool) -> None:
        """After the last step, or where there is none left to take."""


def run_training(training: Training, accelerator: Accelerator, output: Path, resume: bool = False) -> bool:
    """Train until `config.images`, with log and checkpoints in the run folder. True in the first process, at the end.

    Raises:
        ValueError: training diverged, and nothing is saved from then on; or the checkpoint is of another run.
        FileNotFoundError: `resume`, and no checkpoint is whole.
        OSError: the run folder cannot be written, memory is short, or another process of this run has ended.
        Stopped: a signal ended it, and it can be continued; a line has said so.
    """
    images, seconds, kept = 0, 0.0, 0
    if resume and list_checkpoints(output):
        images, tensors, saved = load_latest(output)
        try:
            training.restore(tensors, saved)
            kept = images
            seconds = float(saved["seconds"])
        except (RuntimeError, ValueError, LookupError, TypeError, AttributeError) as error:
            raise ValueError(f"the checkpoint of {images} images in {output} is not of this run: {error}") from error
    log = training.log = RunLog(output, images, seconds) if accelerator.is_main_process else None
    if log and images:
        training.mend(images)
    if images >= training.config.images:
        accelerator.print(f"this run is finished: {images} images seen; give a larger --images to extend it")
        if log:
            training.end(finished=True)
        return log is not None
    start_tracker(accelerator, training.config.to_json())

    def of_images() -> int | None:
        return training.config.images if training.planned else None

    ending, ended = False, False
    try:
        with (
            graceful_stop() as stop,
            clear_failures(accelerator, output, training.memory_remedy),
            training.begin(),
            tqdm(total=of_images(), initial=images, unit=" pictures", disable=log is None, smoothing=0.05) as bar,
        ):
            stop.after_the_step = True
            while not (ending or ended):
                training.step(images)
                config = training.config
                images += config.batch_size
                bar.update(config.batch_size)

                # Every so many images: a line of the log, a checkpoint, what is published of it.
                now = Moment(images, config.batch_size, last=images >= config.images)
                ending = stop.agreed(accelerator, look=now.due(config.log_every))
                wanted = training.wants_checkpoint(now)  # in every process and after every step: it may ask the others
                saving = wanted or (training.planned and now.due(config.checkpoint_every)) or ending or now.last
                now = replace(now, stopping=ending, saving=saving)
                training.agree(now)
                if log:
                    recording = saving or now.due(config.log_every) or training.wants_record(now)
                    if recording:
                        record: dict[str, Any] = {"images": images, "seconds": round(log.seconds, 2)}
                        record |= check_finite(training.figures(), output)
                        if saving:
                            check_weights(training.networks, output)
                    training.look(now)
                    if recording:
                        record |= training.measure(now, record)
                        before = [*log.records]
                        training.show(bar, log.write(record), before)
                        accelerator.log(flat_numbers(record), step=images)
                    if saving:
                        save_checkpoint(output, images, training.tensors(), training.progress(log.seconds))
                        training.publish(now)
                        retain_checkpoints(output, config.keep_checkpoints, images)
                kept = images if saving else kept
                ended = (saving and training.follow(now)) or images >= training.config.images
                bar.total = of_images()
        if log:
            training.end(finished=ended)
        accelerator.wait_for_everyone()
        accelerator.end_training()
        if ending and not ended:
            raise Stopped(stop.signal or signal.SIGTERM)
    except Stopped:
        of_all = f" of {training.config.images:,}" if training.planned else ""
        accelerator.print(f"stopped after {kept:,}{of_all} images: continue with --resume", file=sys.stderr)
        raise
    return log is not None and ended
