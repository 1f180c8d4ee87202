"""What train.py trains: the generator, and the networks beside it. A new task is a line here."""

import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from artmodels.data.dataset import ArtDataset
from artmodels.data.split import FEWEST
from artmodels.hub.companions.classifier import CLASSIFIER_NAME
from artmodels.hub.companions.prompt import PROMPT_NAME
from artmodels.hub.companions.upscaler import UPSCALER_NAME
from artmodels.hub.publish import RunPublisher
from artmodels.training.classifier import train_classifier
from artmodels.training.config import GENERATOR, RunConfig, TrainConfig, cpu
from artmodels.training.gan_training import train
from artmodels.training.init_from import InitialModel
from artmodels.training.monitor import Monitor, measuring_command
from artmodels.training.prompt import add_prompt_reference, train_prompt_model
from artmodels.training.supervised_config import (
    ClassifierTrainConfig,
    PromptTrainConfig,
    UpscalerTrainConfig,
    classifier_train_config,
    prompt_train_config,
    upscaler_train_config,
)
from artmodels.training.upscaler import train_upscaler


@dataclass(frozen=True)
class Run:
    """What a task trains by: its config, its pictures, and where it writes."""

    config: Any
    train: ArtDataset
    held_out: ArtDataset
    test: ArtDataset | None
    output: Path
    resume: bool
    first: bool = True  # of the processes: it alone measures and writes
    sources: tuple[str | None, str | None] = (None, None)  # where the pictures and the test pictures came from
    init: InitialModel | None = None
    tracker: str | None = None
    publisher: RunPublisher | None = None


@dataclass(frozen=True)
class Task:
    """One kind of run; its config has a `resolution`, of which the pictures are."""

    config_type: type[RunConfig]
    defaults: Callable[[str], Any]  # its hyperparameters, for a precision
    check_styles: Callable[[Any, tuple[str, ...]], object]  # refuses, for a config, names that no network can carry
    train: Callable[[Run], bool]  # True in the process that writes, if the run is at its end
    # the file in model/ that comes of it, chosen by pictures held out; without one, model/ is a model itself
    companion: str = ""
    settle: Callable[[Path], None] | None = None  # finishes a companion that has come into a model's folder


def train_generator(run: Run) -> bool:
    """Train a generator, measured by pictures that it is not trained on, where there are enough."""
    monitor, measured_by = None, run.test or run.held_out
    if run.first and len(measured_by) >= FEWEST:
        print(f"measured by {len(measured_by)} pictures that are not trained on", file=sys.stderr)
        device = "cuda" if torch.cuda.is_available() else "cpu"
        samples = run.config.evaluate_samples
        command = measuring_command(*run.sources, samples)
        monitor = Monitor(run.train, measured_by, samples, command, device, run.held_out)
    elif run.first:
        print("nothing is held out, so nothing is measured: model/ will be the last average", file=sys.stderr)
    return train(run.config, run.train, run.output, monitor, run.resume, run.init, run.tracker, run.publisher)


def supervised(train: Callable[..., bool]) -> Callable[[Run], bool]:
    """A supervised training, which chooses its best by the pictures held out."""

    def run_it(run: Run) -> bool:
        if run.first:
            print(f"the best is chosen by {len(run.held_out)} pictures that are not trained on", file=sys.stderr)
        return train(run.config, run.train, run.held_out, run.test, run.output, run.resume, run.tracker)

    return run_it


TASKS = {
    GENERATOR: Task(TrainConfig, lambda precision: cpu(), TrainConfig.generator_config, train_generator),
    "classifier": Task(
        ClassifierTrainConfig,
        classifier_train_config,
        ClassifierTrainConfig.classifier_config,
        supervised(train_classifier),
        CLASSIFIER_NAME,
    ),
    "prompt": Task(
        PromptTrainConfig,
        prompt_train_config,
        PromptTrainConfig.check_styles,
        supervised(train_prompt_model),
        PROMPT_NAME,
        add_prompt_reference,
    ),
    "upscaler": Task(
        UpscalerTrainConfig,
        upscaler_train_config,
        lambda config, styles: None,
        supervised(train_upscaler),
        UPSCALER_NAME,
    ),
}
