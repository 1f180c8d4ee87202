"""What happens before a run trains: its config from preset and flags, the checks, the plan."""

import importlib.util
import os
import re
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import torch

from artmodels.data import procedural
from artmodels.data.collection import is_hub_source
from artmodels.data.dataset import ArtDataset, load_dataset, open_collection
from artmodels.data.split import FEWEST, SPLIT_NAME, keep_split, near_copies_between, share_held_out
from artmodels.hub.publish import RunPublisher, check_push_target
from artmodels.io.device import best_precision, can_compile
from artmodels.io.files import LOCK_NAME, clear_leftovers, only_one, write_json
from artmodels.io.safetensors_io import read_json
from artmodels.training.checkpoint import list_checkpoints
from artmodels.training.config import PRESETS, RUN_CONFIG_NAME, TASKS, TrainConfig
from artmodels.training.hyperparameters import resumable
from artmodels.training.init_from import InitialModel, load_initial_model, shape_after
from artmodels.training.latents import LATENTS_NAME
from artmodels.training.monitor import Monitor, measuring_command

if TYPE_CHECKING:
    from artmodels.training.gan_step import Networks, Passes
    from artmodels.training.supervised_config import SupervisedConfig

OUR_NAMES = re.compile(
    rf"images-\d+|model|{re.escape(RUN_CONFIG_NAME)}|{re.escape(SPLIT_NAME)}|{re.escape(LATENTS_NAME)}|metrics\.jsonl|report\.html",
    re.ASCII,
)
SAMPLE_NAMES = re.compile(r"images-\d+\.png|film\.webp", re.ASCII)
MIN_PICTURES = 10
UNPLANNED = 10**9  # images of a run that has minutes instead, until its speed is known


RunConfig = TypeVar("RunConfig", bound="TrainConfig | SupervisedConfig")


@dataclass(frozen=True)
class Plan:
    """What was asked for: the hyperparameters, where the pictures are, and which model to start from."""

    config: TrainConfig
    data: str | None  # None: the small drawn set
    init: InitialModel | None = None
    test_data: str | None = None  # None: a part of the training pictures is held out


def resolve_plan(
    given: dict[str, Any], data: str | None, output: Path, resume: bool, test_data: str | None = None
) -> Plan:
    """The preset, or on `resume` the run's own config, with the flags that were given laid over it.

    Raises:
        ValueError: a flag out of range, one that differs from the run's, or `--resume` without a run.
        OSError: the model of `--init` cannot be read.
    """
    data, test_data = absolute(data), absolute(test_data)
    given = dict(given)
    init_name = given.pop("init", None)
    init = None
    if resume:
        config, saved_data, saved_test_data, saved_init = read_run(output, TrainConfig)
        if init_name:
            raise ValueError("--init begins a new run and --resume continues one: leave one of them away")
        if saved_init and not list_checkpoints(output):  # it stopped before its first checkpoint
            init = load_initial_model(saved_init["source"])
            if init.model.weights_sha256 != saved_init["weights_sha256"]:
                raise ValueError(
                    f"{saved_init['source']} is not the model that the run in {output} began with: start a new run"
                )
        config = lay_over(config, given, output)
        data, test_data = data or saved_data, test_data or saved_test_data
    else:
        given = {"hold_out": 0.0, **given} if test_data else given  # all of the collection may be trained on
        config = PRESETS[given.get("preset", "cpu")]()
        if given.get("freeze") and not init_name:
            raise ValueError("--freeze keeps what an --init model has learned: name one, or leave --freeze away")
        if init_name:
            for name in ("width", "max_channels", "convs_per_block", "latent_dim"):
                if name in given:
                    flag = "--" + name.replace("_", "-")
                    raise ValueError(f"{flag} comes from the --init model: leave it away")
            init = load_initial_model(init_name)
            config = shape_after(config, init.generator, given.pop("resolution", None), given.pop("min_channels", None))
        elif "resolution" in given and "feature_resolution" not in given:
            config = replace(config, feature_resolution=max(config.feature_resolution, given["resolution"]))
        if "minutes" in given:
            if given["minutes"] <= 0:
                raise ValueError(f"--minutes must be above 0, found {given['minutes']:g}")
            if "images" in given or "finish" in given:
                raise ValueError("--minutes plans the images and their --finish itself: give one or the other")
            given["images"] = UNPLANNED
        defaults: dict[str, Any] = {"precision": best_precision(), "compile": config.compile and can_compile()}
        config = replace(config, **(defaults | given))
    if config.compile and not can_compile():
        raise ValueError("compiling needs a C++ compiler, and none was found: install g++, or add --no-compile")
    processes = check_processes(config.batch_size)
    if config.batch_size // processes % config.accumulate or config.batch_size // processes < 2 * config.accumulate:
        raise ValueError(
            f"a process's {config.batch_size // processes} pictures of a batch do not divide into {config.accumulate} "
            "parts of at least 2: change --accumulate or --batch-size"
        )
    return Plan(config, data, init, test_data)


def absolute(source: str | None) -> str | None:
    """A source of pictures as a run keeps it: a path from the root, or the name of a data set on the Hub."""
    return source if not source or is_hub_source(source) else str(Path(source).resolve())


def check_processes(batch_size: int) -> int:
    """The number of processes, over which a batch must divide.

    Raises:
        ValueError: it does not.
    """
    processes = int(os.environ.get("WORLD_SIZE", "1"))
    if batch_size % processes:
        raise ValueError(f"a batch of {batch_size} does not divide over {processes} processes: change --batch-size")
    return processes


def lay_over(config: RunConfig, given: dict[str, Any], output: Path) -> RunConfig:
    """A run's own config with what was given anew; the run's `config.json` notes the changes.

    Raises:
        ValueError: a flag that may not change differs from the run's.
    """
    may_change = resumable(type(config))
    for name, value in given.items():
        if name not in may_change and value != getattr(config, name):
            flag = "--" + name.replace("_", "-")
            raise ValueError(
                f"{flag} {value} differs from the run in {output}, which has {getattr(config, name)}: "
                "leave the flag away, or start a new run in another folder"
            )
    return replace(config, **{name: value for name, value in given.items() if name in may_change})


def choose_task(asked: str | None, output: Path, resume: bool) -> str:
    """The task that was asked for, or on `resume` the run's.

    Raises:
        ValueError: they differ, or there is no run to resume.
    """
    found = task_of(output) if resume else asked or TASKS[0]
    if asked and asked != found:
        raise ValueError(f"--task {asked}: the run in {output} is one of --task {found}; leave --task away")
    return found


def task_of(output: Path) -> str:
    """What the run in a folder trains, one of `TASKS`.

    Raises:
        ValueError: there is no run, or its config is damaged.
    """
    path = output / RUN_CONFIG_NAME
    if not path.is_file():
        raise ValueError(
            f"--resume: {output} holds no run (no {RUN_CONFIG_NAME}); leave --resume away to start one there"
        )
    saved = read_json(path)
    task = saved.get("task", TASKS[0]) if isinstance(saved, dict) else None
    if task not in TASKS:
        raise ValueError(f"{path} is not a run's config: start a new run in another folder")
    return task


def read_run(
    output: Path, config_type: type[RunConfig]
) -> tuple[RunConfig, str | None, str | None, dict[str, str] | None]:
    """A run's config, the sources of its pictures and of its test pictures, and the model that it began with.

    Raises:
        ValueError: there is no run, or its config is damaged or of another kind.
    """
    task_of(output)
    path = output / RUN_CONFIG_NAME
    saved = read_json(path)
    trained = saved.get("train") if isinstance(saved, dict) else None
    if config_type is TrainConfig and isinstance(trained, dict) and "variety_weight" in trained:
        raise ValueError(
            f"{output} was trained by an objective that artmodels no longer has, and cannot go on: start a new run "
            f"from its model with --init {output / 'model'}"
        )
    try:
        source, test, init = saved["data"]["source"], saved["data"].get("test"), saved.get("init")
        if init is not None:
            init = {key: str(init[key]) for key in ("source", "weights_sha256")}
        test_source = None if test is None else str(test["source"])
        return config_type(**saved["train"]), source if source is None else str(source), test_source, init
    except (TypeError, LookupError, ValueError, AttributeError) as error:
        raise ValueError(f"{path} is not a run's config ({error}): start a new run in another folder") from error


def check_tracker(tracker: str | None) -> None:
    """Refuse a tracker whose package is not installed.

    Raises:
        ValueError: see above.
    """
    if tracker and importlib.util.find_spec(tracker) is None:
        raise ValueError(f"--tracker {tracker} needs its package: pip install {tracker}")


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


def start_run(
    plan: Plan, output: Path, resume: bool, tracker: str | None = None, publisher: RunPublisher | None = None
) -> None:
    """Decode the data, divide it, write or check the run's `config.json`, and train.

    Raises:
        ValueError, OSError: bad data, data that is not what the run began with, or another process in the folder.
    """
    config, data = plan.config, plan.data
    from artmodels.training.gan_loop import train

    if int(os.environ.get("RANK", "0")) > 0:  # the first process alone checks, claims and measures
        dataset = load_dataset(data, config.resolution)
        trained_on, _ = keep_split(output, dataset, config.hold_out, write=False)
        train(config, trained_on, output, None, resume, plan.init)
        return
    check_run_folder(output, resume)
    if publisher:
        check_push_target(publisher.repo_id)
    dataset, test, described = open_pictures(
        data, plan.test_data, config.resolution, config.generator_config, config.unconditional
    )
    changes, init = [], plan.init.describe() if plan.init else None
    if resume:
        saved = read_json(output / RUN_CONFIG_NAME)
        init = saved.get("init")
        changes = note_changes(saved, config, output)
        check_same_pictures(saved["data"], described)

    output.mkdir(parents=True, exist_ok=True)
    with only_one(output):
        clear_leftovers(output, OUR_NAMES)
        clear_leftovers(output / "samples", SAMPLE_NAMES)
        write_json(
            output / RUN_CONFIG_NAME, {"train": config.to_json(), "data": described, "init": init, "changes": changes}
        )
        trained_on, held_out = keep_split(output, dataset, config.hold_out, write=True)
        monitor, measured_by = None, test or held_out
        if len(measured_by) >= FEWEST:
            print(f"measured by {len(measured_by)} pictures that are not trained on", file=sys.stderr)
            command = measuring_command(data, plan.test_data, config.evaluate_samples)
            device = "cuda" if torch.cuda.is_available() else "cpu"
            monitor = Monitor(trained_on, measured_by, config.evaluate_samples, command, device)
        else:
            print("nothing is held out, so nothing is measured: model/ will be the last average", file=sys.stderr)
        train(config, trained_on, output, monitor, resume, plan.init, tracker, publisher)


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
    if dataset.skipped:
        print(f"{len(dataset.skipped)} files were skipped; reasons: {dataset.folder / 'skipped.tsv'}", file=sys.stderr)
    check_pictures(len(dataset), dataset.styles, check_styles, data)
    described = _describe_data(data, dataset)
    test = load_dataset(test_data, resolution) if test_data else None
    if test:
        _check_test(test, dataset, unconditional, test_data)
        described["test"] = {"source": test_data, "pictures": len(test), "sha256": test.digest}
    return dataset, test, described


def check_same_pictures(began_with: dict[str, Any], found: dict[str, Any]) -> None:
    """Raises:
    ValueError: the pictures or the test pictures are not those that a run began with.
    """
    _check_same("pictures", began_with, found)
    _check_same("test pictures", began_with.get("test") or {}, found.get("test", {}))


def _check_same(what: str, began_with: dict[str, Any], found: dict[str, Any]) -> None:
    if began_with.get("sha256") != found.get("sha256"):
        raise ValueError(
            f"the {what} are not those that the run began with ({began_with.get('pictures', 'none')} then, "
            f"{found.get('pictures', 'none')} now): restore them, or start a new run in another folder"
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


def note_changes(saved: dict[str, Any], config: RunConfig, output: Path) -> list[dict[str, Any]]:
    """What earlier resumes changed, and what this one does, with the images seen by then."""
    seen = max((int(folder.name.removeprefix("images-")) for folder in list_checkpoints(output)), default=0)
    before, now = type(config)(**saved["train"]).to_json(), config.to_json()
    changed = [name for name in sorted(resumable(type(config))) if before[name] != now[name]]
    return saved.get("changes", []) + [
        {"images": seen, "field": name, "from": before[name], "to": now[name]} for name in changed
    ]


def _describe_data(data: str | None, dataset: ArtDataset) -> dict[str, Any]:
    counts = dataset.style_counts()
    return {"source": data, "pictures": len(dataset), "style_counts": counts, "sha256": dataset.digest}


def check_pictures(
    found: int, styles: tuple[str, ...], check_styles: Callable[[tuple[str, ...]], object], data: str | None
) -> None:
    """Raises:
    ValueError: too few pictures, or style names that no model can carry, which `check_styles` refuses.
    """
    if found < MIN_PICTURES:
        raise ValueError(
            f"--data {data}: expected at least {MIN_PICTURES} pictures, found {found}; add more, "
            "or leave --data away to try training on drawn pictures"
        )
    check_styles(styles)


def look_into(data: str | None, check_styles: Callable[[tuple[str, ...]], object]) -> tuple[int, tuple[str, ...], str]:
    """How many pictures a source holds, in which styles, and that in words; nothing is decoded.

    Raises:
        ValueError, OSError: no source that can be trained on.
    """
    if data:
        entries = open_collection(data).entries
        styles = tuple(sorted({entry.style for entry in entries}))
        check_pictures(len(entries), styles, check_styles, data)
        return len(entries), styles, f"{len(entries)} pictures in {len(styles)} styles from {data}"
    styles = tuple(sorted(procedural.STYLES))
    count = procedural.COUNT_PER_STYLE * len(styles)
    return count, styles, f"{count} pictures in {len(styles)} styles, drawn by artmodels"


def describe_plan(plan: Plan, output: Path) -> str:
    """What a run would do, with memory and time from three real steps on grey pictures; writes nothing."""
    from artmodels.training.distributed import make_accelerator
    from artmodels.training.gan_loop import prepare_passes
    from artmodels.training.gan_step import build_networks

    config, data = plan.config, plan.data
    count, styles, source = look_into(data, config.generator_config)
    measured_by = plan.test_data or f"about {round(count * share_held_out(count, config.hold_out))} of them, held out"
    if config.unconditional:
        styles = ("all",)
    accelerator = make_accelerator(config.precision)
    device = accelerator.device
    nets = build_networks(config, styles, device)
    seconds = _time_steps(nets, prepare_passes(accelerator, nets, compiled=False), config, device)
    heads = sum(parameter.numel() for parameter in nets.heads.parameters())
    checkpoint = 4 * (4 * nets.generator.parameter_count + 3 * heads)  # weights, average and two Adam moments
    hours = config.images / config.batch_size * seconds / 3600
    budget = f"{config.minutes:g} minutes" if config.minutes else f"{config.images} images"
    time_taken = budget if config.minutes else f"{hours:.1f} hours"
    return "\n".join(
        (
            f"data        {source}",
            f"measured    by {measured_by}",
            f"pictures    {config.resolution} x {config.resolution} px, styles: {', '.join(styles)}",
            f"start       {plan.init.model.name if plan.init else 'random weights'}",
            f"budget      {budget} in batches of {config.batch_size}",
            f"parameters  generator {nets.generator.parameter_count:,}, discriminator heads {heads:,}",
            f"precision   {config.precision}, {'compiled' if config.compile else 'not compiled'}",
            f"memory      {_peak_memory(device) / 2**30:.1f} GiB on {device.type} (measured over three steps)",
            f"time        {time_taken} ({config.batch_size / seconds:.0f} images/s, measured without compiling)",
            f"disk        {config.keep_checkpoints + 1} checkpoints of {checkpoint / 2**20:.0f} MiB in {output}",
            "nothing was written: leave --dry-run away to start",
        )
    )


def _time_steps(nets: "Networks", passes: "Passes", config: TrainConfig, device: torch.device) -> float:
    """Seconds of the faster of two optimisation steps, after one to warm up."""
    from artmodels.training.augment import CHANGES
    from artmodels.training.batches import Batch
    from artmodels.training.gan_step import training_step

    count, styles, side = config.batch_size, len(nets.generator.config.styles), config.resolution
    batch = Batch(
        levels=torch.full((count, side, side, 3), 128, dtype=torch.uint8),
        style=torch.eye(styles)[torch.arange(count) % styles],
        z=torch.zeros(count, config.latent_dim),
        changes=torch.zeros(count, CHANGES),
    )
    times = []
    for _ in range(3):
        started = time.perf_counter()
        training_step(nets, passes, config, batch.to(device)).figures()
        times.append(time.perf_counter() - started)
    return min(times[1:])


def _peak_memory(device: torch.device) -> int:
    """Bytes at most so far: the GPU's, or this process's."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated()
    if sys.platform == "win32":
        return 0
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
