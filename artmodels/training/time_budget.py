"""A budget in time: how many images a run can see in so many minutes, planned once it is known how fast it is."""

from dataclasses import dataclass, replace
from pathlib import Path

from artmodels.io.files import write_json
from artmodels.io.safetensors_io import read_json
from artmodels.training.config import RUN_CONFIG_NAME, TrainConfig

SETTLED = 0.04  # of the time, over which the speed is measured
LATEST = 0.4  # of the time, after which a plan is made of whatever is known
FINISH = 0.25  # of the images, over which the rates fall to nothing
CHECKPOINTS = 3  # that are measured after the plan is made, the last one at the end
SHEETS = 10
MARGIN = 0.97  # of the time that is left, for what nobody foresees


@dataclass
class TimeBudget:
    """Watches a run that has minutes instead of images, until it can be planned. Every time is in seconds."""

    minutes: float
    settled: tuple[int, float] | None = None  # images and seconds when the steps had become what they will be
    rate: float = 0.0  # images/s

    def ready(self, images: int, seconds: float, settled: bool) -> bool:
        """Whether a plan can be made, after so many images and seconds; `settled`: steps are what they will be."""
        if self.settled is None:
            self.rate = images / seconds
            if settled:
                self.settled = (images, seconds)
        elif images > self.settled[0]:
            self.rate = (images - self.settled[0]) / (seconds - self.settled[1])
            if seconds - self.settled[1] >= SETTLED * 60 * self.minutes:
                return True
        return seconds >= LATEST * 60 * self.minutes

    def plan(self, config: TrainConfig, images: int, seconds: float, measuring: float) -> TrainConfig:
        """The config with a number of images, and what hangs on it, that ends with the time.

        `images` and `seconds` are those so far, `measuring` what saving and measuring a checkpoint takes.
        """
        left = MARGIN * max(60 * self.minutes - seconds - (CHECKPOINTS + 1) * measuring, 0.0)  # one more for the end
        batches = max(1, int(self.rate * left / config.batch_size))
        total = images + batches * config.batch_size
        return replace(
            config,
            images=total,
            finish=int(FINISH * total),
            checkpoint_every=min(config.checkpoint_every, -(-batches // CHECKPOINTS) * config.batch_size),
            sample_every=min(config.sample_every, max(1, total // SHEETS)),
            planned_at=images,
        )


def keep_plan(output: Path, config: TrainConfig) -> None:
    """Write a planned config into the run folder, so that a resume goes on by the same plan."""
    path = output / RUN_CONFIG_NAME
    write_json(path, read_json(path) | {"train": config.to_json()})
