"""A budget in time: how many images a run can see in so many minutes, planned once it is known how fast it is."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import torch

from artmodels.io.files import write_json
from artmodels.io.safetensors_io import read_json
from artmodels.training.config import RUN_CONFIG_NAME, UNPLANNED, TrainConfig

SETTLED, LONGEST_SETTLED = 0.04, 60.0  # share of the time over which the speed is measured, and seconds at most
LATEST = 0.4  # of the time, after which a plan is made of whatever is known
FINISH = 0.25  # of the images, over which the rates fall to nothing
CHECKPOINTS = 3  # that are measured after the plan is made, at least; the last one at the end
MEASURED = 0.05  # of the time left, which measuring more of them may take
SHEETS = 10
LOOKS = 60  # at how varied the paintings are: six in the first tenth
LINES = 400  # of the log, at most: each waits for the device
MARGIN = 0.97  # of the time that is left, for what nobody foresees
MOST_SHOWINGS = 200  # of each picture; a few pictures that are shown more often are learned by heart
FEWEST_JUDGED = 4  # times as many images as come before the heads' judgement are shown of however few pictures


@dataclass
class TimeBudget:
    """Watches a run that has minutes instead of images, until it can be planned. Every time is in seconds."""

    minutes: float
    settled: tuple[int, float] | None = None  # images and seconds of steps when these had become what they will be
    rate: float = 0.0  # images/s
    aside: float = 0.0  # spent on sheets and looks, when no step was taken
    took: dict[str, float] = field(default_factory=dict)  # the last one of each kind

    @contextmanager
    def stopped(self, kind: str) -> Iterator[None]:
        """Count the time of a sheet or a look, which is none of the steps'."""
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        began = time.monotonic()
        yield
        self.took[kind] = time.monotonic() - began
        self.aside += self.took[kind]

    def ready(self, images: int, seconds: float, settled: bool, most: int = UNPLANNED) -> bool:
        """Whether a plan can be made, after so many images and seconds; `settled`: steps are what they will be.

        It must be where the finish of a run that shows `most` images would begin, however fast they are.
        """
        stepping = max(seconds - self.aside, 1e-6)
        if self.settled is None:
            self.rate = images / stepping
            if settled:
                self.settled = (images, stepping)
        elif images > self.settled[0]:
            taken = stepping - self.settled[1]
            self.rate = (images - self.settled[0]) / max(taken, 1e-6)
            if taken >= min(SETTLED * 60 * self.minutes, LONGEST_SETTLED):
                return True
        return images >= (1 - FINISH) * most or seconds >= LATEST * 60 * self.minutes

    def plan(self, config: TrainConfig, images: int, seconds: float, measuring: float, pictures: int) -> TrainConfig:
        """The config with a number of images, and what hangs on it, that ends with the time, or before.

        `images` and `seconds` are those so far, `measuring` what saving and measuring a checkpoint takes, `pictures`
        the size of the collection: of few pictures, a run that showed each more than 200 times would memorise.
        """
        left = max(60 * self.minutes - seconds, 0.0)
        checkpoints = max(CHECKPOINTS, int(MEASURED * left / max(measuring, 1e-3)))
        other = (checkpoints + 1) * measuring  # one more for the end
        other += SHEETS * self.took.get("sheet", 0.0) + LOOKS * self.took.get("look", 0.0)
        batches = int(self.rate * MARGIN * max(left - other, 0.0) / config.batch_size)
        batches = max(1, min(batches, (most_images(config, pictures) - images) // config.batch_size))
        total = images + batches * config.batch_size
        fewest, most = (-(-batches // count) * config.batch_size for count in (checkpoints, CHECKPOINTS))
        return replace(
            config,
            images=total,
            finish=int(FINISH * total),
            checkpoint_every=min(max(config.checkpoint_every, fewest), most),
            sample_every=max(1, total // SHEETS),
            variety_every=max(config.variety_every, total // LOOKS),
            log_every=max(config.log_every, total // LINES),
            planned_at=images,
        )


def most_images(config: TrainConfig, pictures: int) -> int:
    """What a budget in time shows at most of a collection of so many pictures."""
    return max(MOST_SHOWINGS * pictures, FEWEST_JUDGED * config.heads_after)


def keep_plan(output: Path, config: TrainConfig) -> None:
    """Write a planned config into the run folder, so that a resume goes on by the same plan."""
    path = output / RUN_CONFIG_NAME
    write_json(path, read_json(path) | {"train": config.to_json()})
