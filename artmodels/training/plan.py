"""From the flags of train.py to a plan: the task, its hyperparameters, its pictures; and the plan in words."""

import importlib.util
import os
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import torch

from artmodels.data import procedural
from artmodels.data.collection import is_hub_source
from artmodels.data.dataset import open_collection
from artmodels.data.layout import TEST, TRAIN, VAL
from artmodels.data.split import share_held_out
from artmodels.io.device import best_precision, can_compile
from artmodels.training.augment import CHANGES
from artmodels.training.batches import Batch
from artmodels.training.checkpoint import list_checkpoints
from artmodels.training.config import GENERATOR, PRESETS, UNPLANNED, TrainConfig
from artmodels.training.distributed import check_world, clear_failures, make_accelerator
from artmodels.training.gan_step import Networks, Passes, build_networks, training_step
from artmodels.training.gan_training import prepare_passes
from artmodels.training.hyperparameters import flag_of
from artmodels.training.init_from import InitialModel, load_initial_model, shape_after
from artmodels.training.run_config import lay_over, read_run
from artmodels.training.tasks import TASKS

MIN_PICTURES = 10
MEASURED = 32  # pictures of a step that is measured for a plan


@dataclass(frozen=True)
class Plan:
    """What was asked for: the task, its hyperparameters, where the pictures are, and which model to start from."""

    task: str
    config: Any
    data: str | None  # None: the small drawn set
    test_data: str | None = None  # None: a part of the training pictures is held out
    init: InitialModel | None = None


def resolve_plan(
    given: dict[str, Any],
    data: str | None,
    output: Path,
    resume: bool,
    test_data: str | None = None,
    task: str = GENERATOR,
) -> Plan:
    """The task's hyperparameters, or on `resume` the run's own, with the flags that were given laid over them.

    Raises:
        ValueError: a flag that is not of this task, out of range, or different from the run's; or `--resume` without a
            run.
        OSError: the model of `--init` cannot be read.
    """
    kind, given = TASKS[task], dict(given)
    config: Any
    known = {field.name for field in fields(kind.config_type)} | ({"init"} if task == GENERATOR else set())
    if strange := [flag_of(name) for name in sorted(given.keys() - known)]:
        if task == GENERATOR:
            raise ValueError(f"{strange[0]} is for --task classifier, prompt or upscaler: add it")
        raise ValueError(f"not for --task {task}: leave out {', '.join(strange)}")
    data, test_data = absolute(data), absolute(test_data)
    init_name, init = given.pop("init", None), None
    if resume:
        if init_name:
            raise ValueError("--init begins a new run and --resume continues one: leave out one of them")
        config, saved_data, saved_test_data, saved_init = read_run(output, kind.config_type)
        if saved_init and not list_checkpoints(output):  # it stopped before its first checkpoint
            init = load_initial_model(saved_init["source"])
            if init.model.weights_sha256 != saved_init["weights_sha256"]:
                raise ValueError(
                    f"{saved_init['source']} is not the model that the run in {output} began with: start a new run"
                )
        unplanned = getattr(config, "minutes", 0) and not config.planned_at
        if unplanned and given.keys() & {"images", "finish"}:
            raise ValueError(
                "--minutes has not planned the images and their --finish yet: leave them out until the run has begun "
                "to save checkpoints"
            )
        config = lay_over(config, given, output)
        data = data or still_there(saved_data, "pictures", "--data")
        test_data = test_data or still_there(saved_test_data, "test pictures", "--test-data")
    elif task == GENERATOR:
        init = load_initial_model(init_name) if init_name else None
        config = generator_config(given, init, bool(test_data) or comes_divided(data))
    else:
        config = replace(kind.defaults(best_precision()), **given)
    check_world()
    config.check_machine(check_processes(config.batch_size))
    return Plan(task, config, data, test_data, init)


def generator_config(given: dict[str, Any], init: InitialModel | None, tested: bool) -> TrainConfig:
    """A new generator's hyperparameters: those of the preset, in the shape of the model to start from, and the flags.

    Raises:
        ValueError: flags that do not go together, or out of range.
    """
    given = {"hold_out": 0.0, **given} if tested else dict(given)  # all of the collection may be trained on
    config = PRESETS[given.get("preset", "cpu")]()
    if given.get("freeze") and not init:
        raise ValueError("--freeze keeps what an --init model has learned: name one, or leave out --freeze")
    if init:
        for name in ("width", "max_channels", "convs_per_block", "latent_dim"):
            if name in given:
                raise ValueError(f"{flag_of(name)} comes from the --init model: leave it out")
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
    return replace(config, **(defaults | given))


def comes_divided(data: str | None) -> bool:
    """Whether a collection's own folders say what is trained on and what measures.

    Raises:
        ValueError, OSError: it cannot be opened.
    """
    if not data or is_hub_source(data):
        return False
    splits = {entry.split for entry in open_collection(data).entries}
    return TRAIN in splits and bool(splits & {TEST, VAL})


def still_there(source: str | None, what: str, flag: str) -> str | None:
    """The source that a run began with.

    Raises:
        FileNotFoundError: it lies there no more.
    """
    if source and not Path(source).exists() and not is_hub_source(source):
        raise FileNotFoundError(f"the run's {what} were in {source}, which is gone: name their new place with {flag}")
    return source


def absolute(source: str | None) -> str | None:
    """A source of pictures as a run keeps it: a path from the root, or the name of a data set on the Hub."""
    return source if not source or is_hub_source(source) else str(Path(source).expanduser().resolve())


def check_processes(batch_size: int) -> int:
    """The number of processes, over which a batch must divide.

    Raises:
        ValueError: it does not.
    """
    processes = int(os.environ.get("WORLD_SIZE", "1"))
    if batch_size % processes:
        raise ValueError(f"a batch of {batch_size} does not divide over {processes} processes: change --batch-size")
    return processes


def check_tracker(tracker: str | None) -> None:
    """Refuse a tracker whose package is not installed.

    Raises:
        ValueError: see above.
    """
    if tracker and importlib.util.find_spec(tracker) is None:
        raise ValueError(f"--tracker {tracker} needs its package: pip install {tracker}")


def look_into(data: str | None, check_styles: Callable[[tuple[str, ...]], object]) -> tuple[int, tuple[str, ...], str]:
    """How many pictures a source holds, in which styles, and that in words; nothing is decoded.

    Raises:
        ValueError, OSError: no source that can be trained on.
    """
    if data:
        entries = open_collection(data).entries
        if any(entry.split == TRAIN for entry in entries):  # as `divided` takes them
            entries = tuple(entry for entry in entries if entry.split == TRAIN)
        styles = tuple(sorted({entry.style for entry in entries}))
        check_pictures(len(entries), styles, check_styles, data)
        return len(entries), styles, f"{len(entries)} pictures in {len(styles)} styles from {data}"
    styles = tuple(sorted(procedural.STYLES))
    count = procedural.COUNT_PER_STYLE * len(styles)
    return count, styles, f"{count} pictures in {len(styles)} styles, drawn by artmodels"


def check_pictures(
    found: int, styles: tuple[str, ...], check_styles: Callable[[tuple[str, ...]], object], data: str | None
) -> None:
    """Raises:
    ValueError: too few pictures, or style names that no model can carry, which `check_styles` refuses.
    """
    if found < MIN_PICTURES:
        raise ValueError(
            f"--data {data}: expected at least {MIN_PICTURES} pictures, found {found}; add more, "
            "or leave out --data to try training on drawn pictures"
        )
    check_styles(styles)


def describe_plan(plan: Plan, output: Path) -> str:
    """What a run would do; writes nothing. A generator's memory and time come of three real steps on grey pictures."""
    config, task = plan.config, TASKS[plan.task]
    count, styles, source = look_into(plan.data, lambda styles: task.check_styles(config, styles))
    held_out = round(count * share_held_out(count, config.hold_out))
    own_test = comes_divided(plan.data)
    if config.ignores_styles:
        styles = ("all",)
    lines = {
        "task": f"{plan.task}: {output / 'model' / task.companion}",
        "data": source,
        "held out": f"about {held_out} of them" + (", by which the best is chosen" if task.companion else ""),
        "measured": f"by {plan.test_data or ('its own test pictures' if own_test else 'what is held out')}",
        "pictures": f"{config.resolution} x {config.resolution} px, styles: {', '.join(styles)}",
        "budget": f"{config.images} images in batches of {config.batch_size}, "
        f"each picture about {config.images / max(count - held_out, 1):.1f} times",
        "precision": config.precision,
    }
    if plan.task == GENERATOR:
        lines |= _describe_generator(plan, styles, output)
    return "\n".join(f"{name:12}{text}" for name, text in lines.items()) + (
        "\nnothing was written: leave out --dry-run to start"
    )


def _describe_generator(plan: Plan, styles: tuple[str, ...], output: Path) -> dict[str, str]:
    """What is told of a generator's run besides."""
    config = plan.config
    accelerator = make_accelerator(config.precision)
    device = accelerator.device
    part = config.batch_size // check_processes(config.batch_size) // config.accumulate
    count = min(part, MEASURED)
    with clear_failures(accelerator, output, "take the batch in parts (--accumulate 2), or "):
        nets = build_networks(config, styles, device)
        idle = _peak_memory(device, anew=True)
        passes, measured = prepare_passes(accelerator, nets, compiled=False), replace(config, batch_size=count)
        seconds = config.batch_size / count * _time_steps(nets, passes, replace(measured, accumulate=1), device)
    memory = idle + (_peak_memory(device) - idle) * part / count  # a plan must not need what it warns of
    heads = sum(parameter.numel() for parameter in nets.heads.parameters())
    checkpoint = 4 * (4 * nets.generator.parameter_count + 3 * heads)  # weights, average and two Adam moments
    hours = f"{config.images / config.batch_size * seconds / 3600:.1f} hours"
    told = {"budget": f"{config.minutes:g} minutes in batches of {config.batch_size}"} if config.minutes else {}
    return told | {
        "start": plan.init.model.name if plan.init else "random weights",
        "parameters": f"generator {nets.generator.parameter_count:,}, discriminator heads {heads:,}",
        "precision": f"{config.precision}, {'compiled' if config.compile else 'not compiled'}",
        "memory": f"{memory / 2**30:.1f} GiB on {device.type} (by three steps of {count} pictures)",
        "time": f"{f'{config.minutes:g} minutes' if config.minutes else hours} "
        f"({config.batch_size / seconds:.0f} images/s, measured without compiling)",
        "disk": f"{config.keep_checkpoints + 1} checkpoints of {checkpoint / 2**20:.0f} MiB in {output}",
    }


def _time_steps(nets: Networks, passes: Passes, config: TrainConfig, device: torch.device) -> float:
    """Seconds of the faster of two optimisation steps, after one to warm up."""
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


def _peak_memory(device: torch.device, anew: bool = False) -> int:
    """Bytes at most so far, of the GPU's memory or this process's; `anew`: what is used now begins to count."""
    if device.type == "cuda":
        if anew:
            torch.cuda.reset_peak_memory_stats()
        return torch.cuda.max_memory_allocated()
    with suppress(OSError, StopIteration, ValueError):  # Linux alone can forget a peak
        if anew:
            Path("/proc/self/clear_refs").write_text("5")
        lines = Path("/proc/self/status").read_text().splitlines()
        return 1024 * int(next(line for line in lines if line.startswith("VmHWM")).split()[1])
    if sys.platform == "win32":
        return 0
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
