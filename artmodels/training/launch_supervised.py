"""Runs of the networks beside the generator: from flags to a plan, a run folder, and a companion of a model."""

import os
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

from artmodels.data.dataset import load_dataset
from artmodels.data.split import FEWEST, keep_split, share_held_out
from artmodels.hub.card import check_card_target, rewrite_card
from artmodels.hub.companions.classifier import CLASSIFIER_NAME
from artmodels.hub.companions.prompt import PROMPT_NAME
from artmodels.hub.companions.upscaler import UPSCALER_NAME
from artmodels.hub.pretrained import load_generator
from artmodels.io.device import best_precision
from artmodels.io.files import clear_leftovers, only_one, replacing, write_json
from artmodels.io.safetensors_io import read_json
from artmodels.training.classifier import train_classifier
from artmodels.training.launch import (
    OUR_NAMES,
    RUN_CONFIG_NAME,
    absolute,
    check_processes,
    check_run_folder,
    check_same_pictures,
    lay_over,
    look_into,
    note_changes,
    open_pictures,
    read_run,
)
from artmodels.training.prompt import add_prompt_reference, train_prompt_model
from artmodels.training.supervised_config import (
    ClassifierTrainConfig,
    PromptTrainConfig,
    SupervisedConfig,
    UpscalerTrainConfig,
    classifier_train_config,
    prompt_train_config,
    upscaler_train_config,
)
from artmodels.training.upscaler import train_upscaler


@dataclass(frozen=True)
class Task:
    """What makes one kind of run; its config has a `resolution` and the pictures are of that size."""

    config_type: type[SupervisedConfig]
    defaults: Callable[[str], SupervisedConfig]  # of a precision
    check_styles: Callable[[Any, tuple[str, ...]], object]  # refuses, for a config, names that no network can carry
    train: Callable[..., bool]  # of (config, train, held_out, test, output, resume, tracker)
    companion: str  # the file in model/ that comes of it
    settle: Callable[[Path], None] | None = None  # finishes a companion that has come into a model's folder


TASKS = {
    "classifier": Task(
        ClassifierTrainConfig,
        classifier_train_config,
        ClassifierTrainConfig.classifier_config,
        train_classifier,
        CLASSIFIER_NAME,
    ),
    "prompt": Task(
        PromptTrainConfig,
        prompt_train_config,
        PromptTrainConfig.check_styles,
        train_prompt_model,
        PROMPT_NAME,
        add_prompt_reference,
    ),
    "upscaler": Task(
        UpscalerTrainConfig, upscaler_train_config, lambda config, styles: None, train_upscaler, UPSCALER_NAME
    ),
}


@dataclass(frozen=True)
class SupervisedPlan:
    """What was asked for: the task, its hyperparameters, and where the pictures are."""

    task: str
    config: SupervisedConfig
    data: str | None  # None: the small drawn set
    test_data: str | None  # None: what is held out of the collection measures, too


def resolve_supervised_plan(
    task: str,
    given: dict[str, Any],
    data: str | None,
    output: Path,
    resume: bool,
    test_data: str | None = None,
) -> SupervisedPlan:
    """The task's own hyperparameters, or on `resume` the run's, with the flags that were given laid over them.

    Raises:
        ValueError: a flag that is not of this task, out of range, or different from the run's; or no run to resume.
    """
    kind = TASKS[task]
    known = {field.name for field in fields(kind.config_type)}
    if strange := sorted(given.keys() - known):
        flags = ", ".join("--" + name.replace("_", "-") for name in strange)
        raise ValueError(f"not for --task {task}: leave {flags} away")
    data, test_data = absolute(data), absolute(test_data)
    if resume:
        config, saved_data, saved_test_data, _ = read_run(output, kind.config_type)
        config = lay_over(config, given, output)
        data, test_data = data or saved_data, test_data or saved_test_data
    else:
        config = replace(kind.defaults(best_precision()), **given)
    check_processes(config.batch_size)
    return SupervisedPlan(task, config, data, test_data)


def describe_supervised_plan(plan: SupervisedPlan, output: Path) -> str:
    """What a run would do; writes nothing."""
    config, kind = plan.config, TASKS[plan.task]
    count, styles, source = look_into(plan.data, lambda styles: kind.check_styles(config, styles))
    held_out = round(count * share_held_out(count, config.hold_out))
    return "\n".join(
        (
            f"task        {plan.task}: {output / 'model' / kind.companion}",
            f"data        {source}",
            f"held out    about {held_out} of them, by which the best is chosen",
            f"measured    by {plan.test_data or 'what is held out'}",
            f"pictures    {config.resolution} x {config.resolution} px, styles: {', '.join(styles)}",
            f"budget      {config.images} images in batches of {config.batch_size}, "
            f"each picture about {config.images / max(count - held_out, 1):.1f} times",
            f"precision   {config.precision}",
            "nothing was written: leave --dry-run away to start",
        )
    )


def start_supervised_run(
    plan: SupervisedPlan, output: Path, resume: bool, tracker: str | None = None, beside: Path | None = None
) -> None:
    """Decode the data, divide it, write or check the run's `config.json`, train, and put what comes of it to a model.

    Raises:
        ValueError, OSError: bad data, data that is not what the run began with, no model folder to put it into, or
            another process in the run's.
    """
    config, kind = plan.config, TASKS[plan.task]
    if int(os.environ.get("RANK", "0")) > 0:  # the first process alone checks, claims and measures
        dataset = load_dataset(plan.data, config.resolution)
        trained_on, held_out = keep_split(output, dataset, config.hold_out, write=False)
        kind.train(config, trained_on, held_out, None, output, resume)
        return
    check_run_folder(output, resume)
    if beside:
        check_card_target(str(beside), "--beside")
    dataset, test, described = open_pictures(
        plan.data, plan.test_data, config.resolution, lambda styles: kind.check_styles(config, styles)
    )
    changes = []
    if resume:
        saved = read_json(output / RUN_CONFIG_NAME)
        changes = note_changes(saved, config, output)
        check_same_pictures(saved["data"], described)
    output.mkdir(parents=True, exist_ok=True)
    with only_one(output):
        clear_leftovers(output, OUR_NAMES)
        trained_on, held_out = keep_split(output, dataset, config.hold_out, write=False)
        if len(held_out) < FEWEST:
            raise ValueError(
                f"--data {plan.data}: {len(dataset)} pictures are too few to hold some out, by which the best is "
                "chosen: add more, 16 at least and several of each style"
            )
        run_config = {"task": plan.task, "train": config.to_json(), "data": described, "changes": changes}
        write_json(output / RUN_CONFIG_NAME, run_config)
        keep_split(output, dataset, config.hold_out, write=True)
        print(f"the best is chosen by {len(held_out)} pictures that are not trained on", file=sys.stderr)
        finished = kind.train(config, trained_on, held_out, test, output, resume, tracker)
    companion = output / "model" / kind.companion
    if beside and finished and companion.is_file():
        put_beside(companion, beside, kind.settle)
        print(f"{beside / kind.companion} is written, and the card says so")


def put_beside(companion: Path, model: Path, settle: Callable[[Path], None] | None = None) -> None:
    """Copy a companion into a model's folder, whose card then tells of it; the folder changes as a whole or not at all.

    Raises:
        FileNotFoundError, ValueError: no model folder, or the companion does not fit it.
        OSError: the folder cannot be written.
    """
    model = model.resolve()
    with replacing(model) as folder:
        shutil.copytree(model, folder, dirs_exist_ok=True)
        shutil.copyfile(companion, folder / companion.name)
        if settle:
            settle(folder)
        rewrite_card(folder, load_generator(folder), {})
