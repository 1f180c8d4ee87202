"""The start of a run: its folder is claimed, its pictures are decoded and divided, and its task trains."""

import os
import re
import shutil
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from artmodels.data.dataset import ArtDataset, divided, load_dataset
from artmodels.data.split import FEWEST, SPLIT_NAME, keep_split, near_copies_between
from artmodels.hub.card import at_rest, check_card_target, rewrite_card
from artmodels.hub.companions import files_beside
from artmodels.hub.pretrained import load_generator
from artmodels.hub.publish import RunPublisher, check_push_target
from artmodels.io.files import LOCK_NAME, clear_leftovers, only_one, replacing, write_json
from artmodels.io.safetensors_io import read_json
from artmodels.training.config import RUN_CONFIG_NAME
from artmodels.training.latents import LATENTS_NAME
from artmodels.training.plan import Plan, check_pictures
from artmodels.training.run_config import note_changes
from artmodels.training.tasks import TASKS, Run

OUR_NAMES = re.compile(
    rf"images-\d+|model|{re.escape(RUN_CONFIG_NAME)}|{re.escape(SPLIT_NAME)}|{re.escape(LATENTS_NAME)}|metrics\.jsonl|report\.html",
    re.ASCII,
)
SAMPLE_NAMES = re.compile(r"images-\d+\.png|film\.webp", re.ASCII)
NAMES_BESIDE = re.compile("|".join(map(re.escape, files_beside())))


def start_run(
    plan: Plan,
    output: Path,
    resume: bool,
    tracker: str | None = None,
    publisher: RunPublisher | None = None,
    beside: Path | None = None,
) -> None:
    """Decode the data, divide it, write or check the run's `config.json`, and train.

    What comes of a task that is no generator is put into the model folder `beside`, if one is named.

    Raises:
        ValueError, OSError: bad data, data that is not what the run began with, no model folder to put it into, or
            another process in the run's.
    """
    config, data, task = plan.config, plan.data, TASKS[plan.task]
    if int(os.environ.get("RANK", "0")) > 0:  # the first process alone checks, claims and measures
        dataset, _ = divided(load_dataset(data, config.resolution))
        trained_on, held_out = keep_split(output, dataset, config.hold_out, write=False)
        task.train(Run(config, trained_on, held_out, None, output, resume, first=False, init=plan.init))
        return
    check_run_folder(output, resume)
    if publisher:
        check_push_target(publisher.repo_id)
    if beside:
        check_card_target(str(beside), "--beside")
    dataset, test, described = open_pictures(
        data,
        plan.test_data,
        config.resolution,
        lambda styles: task.check_styles(config, styles),
        config.ignores_styles,
    )
    changes, init = [], plan.init.describe() if plan.init else None
    if resume:
        saved = read_json(output / RUN_CONFIG_NAME)
        init = saved.get("init")
        changes = note_changes(saved, config, output)
        check_same_pictures(saved["data"], described)

    output.mkdir(parents=True, exist_ok=True)
    with only_one(output):
        check_run_folder(output, resume)  # another run may have come and gone while the pictures were decoded
        clear_leftovers(output, OUR_NAMES)
        clear_leftovers(output / "samples", SAMPLE_NAMES)
        clear_leftovers(output / "model", NAMES_BESIDE)
        trained_on, held_out = keep_split(output, dataset, config.hold_out, write=False)
        if task.companion and len(held_out) < FEWEST:
            raise ValueError(
                f"--data {data}: {len(dataset)} pictures are too few to hold some out, by which the best is chosen: "
                "add more, 16 at least and several of each style"
            )
        run_config = {"train": config.to_json(), "data": described, "init": init, "changes": changes}
        write_json(output / RUN_CONFIG_NAME, {"task": plan.task, **run_config})
        keep_split(output, dataset, config.hold_out, write=True)
        sources = (data, plan.test_data)
        run = Run(config, trained_on, held_out, test, output, resume, True, sources, plan.init, tracker, publisher)
        finished = task.train(run)
    companion = output / "model" / task.companion
    if beside and finished and companion.is_file():
        put_beside(companion, beside, task.settle)
        print(f"{beside / task.companion} is written, and the card says so")


def check_run_folder(output: Path, resume: bool) -> None:
    """Refuse a folder that holds something else.

    Raises:
        ValueError: see above.
    """
    if output.is_file():
        raise ValueError(f"--output {output} is a file: name a folder for the run")
    if not resume and output.is_dir() and any(path.name != LOCK_NAME for path in output.iterdir()):
        if (output / RUN_CONFIG_NAME).is_file():
            raise ValueError(
                f"--output {output} already holds a run: add --resume to continue it, or name a new folder"
            )
        raise ValueError(f"--output {output} is not empty and holds no run: name a new folder")


def open_pictures(
    data: str | None,
    test_data: str | None,
    resolution: int,
    check_styles: Callable[[tuple[str, ...]], object],
    unconditional: bool = False,
) -> tuple[ArtDataset, ArtDataset | None, dict[str, Any]]:
    """The collection, the test pictures if there are some, and what `config.json` tells of both.

    Raises:
        ValueError: too few pictures, styles that do not fit, or test pictures that are training pictures too.
    """
    dataset = load_dataset(data, resolution)
    skipped = dataset.folder / "skipped.tsv"
    dataset, own_test = divided(dataset)
    if dataset.skipped:
        print(f"{len(dataset.skipped)} files were skipped; reasons: {skipped}", file=sys.stderr)
    check_pictures(len(dataset), dataset.styles, check_styles, data)
    described = _describe_data(data, dataset)
    counts = ", ".join(f"{style} {count}" for style, count in dataset.style_counts().items())
    print(f"{len(dataset)} pictures: {counts}", file=sys.stderr)
    test = load_dataset(test_data, resolution) if test_data else own_test
    if test and len(dataset.styles) == len(test.styles) == 1 and test.styles != dataset.styles:
        names = f"{test.styles[0]}, the one style of --test-data, measures {dataset.styles[0]}, that of --data"
        print(names, file=sys.stderr)  # two flat folders, say, each of which is a style by its own name
        test = replace(test, styles=dataset.styles)
    if test:
        _check_test(test, dataset, unconditional, test_data or data)
        described["test"] = {"source": test_data, "pictures": len(test), **_digests(test)}
    return dataset, test, described


def check_same_pictures(began_with: dict[str, Any], found: dict[str, Any]) -> None:
    """Raises:
    ValueError: the pictures or the test pictures are not those that a run began with.
    """
    _check_same("pictures", began_with, found)
    _check_same("test pictures", began_with.get("test") or {}, found.get("test", {}))


def _check_same(what: str, began_with: dict[str, Any], found: dict[str, Any]) -> None:
    sha256 = found.get("sha256")
    if began_with.get("sha256") not in (sha256, found.get("former_sha256", sha256)):
        then, now = (counted.get("pictures", "none") for counted in (began_with, found))
        raise ValueError(
            f"the {what} are not those that the run began with ({then} then, {now} now), or this version of artmodels "
            "reads them otherwise: restore them, or go on from what was learned in a new run, with --init RUN/model "
            "and another --output"
        )


def _check_test(test: ArtDataset, dataset: ArtDataset, unconditional: bool, source: str | None) -> None:
    """Refuse styles that are not trained on, and say where test pictures are training pictures too."""
    unknown = sorted({test.styles[label] for label in test.labels} - set(dataset.styles))
    if unknown and not unconditional:
        raise ValueError(
            f"--test-data {source} has styles that --data lacks: {', '.join(unknown)}; "
            f"--data has {', '.join(dataset.styles)}"
        )
    if both := set(test.file_digests) & set(dataset.file_digests):
        names = [name for name, digest in zip(test.names, test.file_digests, strict=True) if digest in both]
        raise ValueError(
            f"--test-data {source} holds {len(names)} files that are in --data too, like {names[0]}: pictures that "
            "measure must not be trained on, so take them out of one of the two"
        )
    if len(near := near_copies_between(test, dataset)):
        print(
            f"warning: {len(near)} pictures of --test-data look like copies of pictures in --data, like "
            f"{test.names[near[0]]}; where they are, figures flatter the model",
            file=sys.stderr,
        )


def _describe_data(data: str | None, dataset: ArtDataset) -> dict[str, Any]:
    return {"source": data, "pictures": len(dataset), "style_counts": dataset.style_counts(), **_digests(dataset)}


def _digests(dataset: ArtDataset) -> dict[str, str]:
    """By which a run knows its pictures again, also one that an older version began."""
    former = {"former_sha256": dataset.former_digest} if dataset.former_digest != dataset.digest else {}
    return {"sha256": dataset.digest, **former}


def put_beside(companion: Path, model: Path, settle: Callable[[Path], None] | None = None) -> None:
    """Copy a companion into a model's folder, whose card then tells of it; the folder changes as a whole or not at all.

    Raises:
        FileNotFoundError, ValueError: no model folder, or the companion does not fit it.
        OSError: the folder cannot be written, or its run is training; another process that writes is waited for.
    """
    model = model.resolve()
    with at_rest(model), replacing(model) as folder:
        shutil.copytree(model, folder, dirs_exist_ok=True)
        shutil.copyfile(companion, folder / companion.name)
        if settle:
            settle(folder)
        rewrite_card(folder, load_generator(folder), {}, model)
