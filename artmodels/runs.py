"""What happens before a run trains: its config from preset and flags, the checks, the plan."""

import os
import shutil
import sys
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from artmodels import procedural
from artmodels.checkpoint import list_checkpoints
from artmodels.data import ArtDataset, load_dataset, open_collection
from artmodels.files import only_one, write_json
from artmodels.finetuning import InitialModel, load_initial_model, shape_after
from artmodels.models.weights import read_json
from artmodels.presets import PRESETS, TrainConfig

if TYPE_CHECKING:
    from artmodels.training import Networks, Passes

CONFIG_NAME = "config.json"
MIN_PICTURES = 10
# What --resume may change: a larger budget extends the run, compiling only rounds differently, and other learning rates
# or weights of the variety and style losses are how an artist steers a run. Changes are noted in its config.
MAY_CHANGE = frozenset(("images", "compile", "learning_rate", "heads_learning_rate", "variety_weight", "style_weight"))


@dataclass(frozen=True)
class Plan:
    """What was asked for: the dials, where the pictures are, and which model to start from."""

    config: TrainConfig
    data: str | None  # None: the small drawn set
    init: InitialModel | None = None


def resolve_plan(given: dict[str, Any], data: str | None, output: Path, resume: bool) -> Plan:
    """The preset, or on `resume` the run's own config, with the flags that were given laid over it.

    Raises:
        ValueError: a flag out of range, one that differs from the run's, or `--resume` without a run.
        OSError: the model of `--init` cannot be read.
    """
    data = str(Path(data).resolve()) if data else None
    init_name = given.pop("init", None)
    init = None
    if resume:
        config, saved_data, saved_init = _saved_config(output)
        if init_name:
            raise ValueError("--init begins a new run and --resume continues one: leave one of them away")
        if saved_init and not list_checkpoints(output):  # it stopped before its first checkpoint
            init = load_initial_model(saved_init["source"])
            if init.model.weights_sha256 != saved_init["weights_sha256"]:
                raise ValueError(
                    f"{saved_init['source']} is not the model that the run in {output} began with: start a new run"
                )
        for name, value in given.items():
            if name not in MAY_CHANGE and value != getattr(config, name):
                flag = "--" + name.replace("_", "-")
                raise ValueError(
                    f"{flag} {value} differs from the run in {output}, which has {getattr(config, name)}: "
                    "leave the flag away, or start a new run in another folder"
                )
        config = replace(config, **{name: value for name, value in given.items() if name in MAY_CHANGE})
        data = data or saved_data
    else:
        config = PRESETS[given.get("preset", "cpu")]()
        if init_name:
            if "width" in given:
                raise ValueError("--width comes from the --init model: leave it away")
            init = load_initial_model(init_name)
            config = shape_after(config, init.generator, given.pop("resolution", None))
        elif "resolution" in given and "feature_resolution" not in given:
            config = replace(config, feature_resolution=max(config.feature_resolution, given["resolution"]))
        defaults = {"precision": best_precision(), "compile": config.compile and can_compile()}
        config = replace(config, **(defaults | given))
    if config.compile and not can_compile():
        raise ValueError("compiling needs a C++ compiler, and none was found: install g++, or add --no-compile")
    processes = int(os.environ.get("WORLD_SIZE", "1"))
    if config.batch_size % processes:
        raise ValueError(
            f"a batch of {config.batch_size} does not divide over {processes} processes: change --batch-size"
        )
    return Plan(config, data, init)


def _saved_config(output: Path) -> tuple[TrainConfig, str | None, dict[str, str] | None]:
    path = output / CONFIG_NAME
    if not path.is_file():
        raise ValueError(f"--resume: {output} holds no run (no {CONFIG_NAME}); leave --resume away to start one there")
    saved = read_json(path)
    try:
        source, init = saved["data"]["source"], saved.get("init")
        if init is not None:
            init = {key: str(init[key]) for key in ("source", "weights_sha256")}
        return TrainConfig(**saved["train"]), source if source is None else str(source), init
    except (TypeError, LookupError, ValueError, AttributeError) as error:
        raise ValueError(f"{path} is not a run's config ({error}): start a new run in another folder") from error


def best_precision() -> str:
    """bf16 where this machine multiplies it in hardware: GPUs since Ampere, CPUs with AMX; else fp32."""
    if torch.cuda.is_available():
        return "bf16" if torch.cuda.is_bf16_supported(including_emulation=False) else "fp32"
    return "bf16" if torch.cpu._is_amx_tile_supported() else "fp32"


def can_compile() -> bool:
    """Whether torch.compile finds a compiler: `CXX`, else g++ (clang++ on a Mac); on a GPU `CC`, else gcc or clang."""
    if torch.cuda.is_available():
        return any(shutil.which(name) for name in (os.environ.get("CC", "gcc"), "gcc", "clang"))
    return shutil.which(os.environ.get("CXX", "clang++" if sys.platform == "darwin" else "g++")) is not None


def check_run_folder(output: Path, resume: bool) -> None:
    """Refuse a folder that holds something else.

    Raises:
        ValueError: see above.
    """
    if output.is_file():
        raise ValueError(f"--output {output} is a file: name a folder for the run")
    if not resume and output.is_dir() and any(output.iterdir()):
        if (output / CONFIG_NAME).is_file():
            raise ValueError(
                f"--output {output} already holds a run: add --resume to continue it, or name a new folder"
            )
        raise ValueError(f"--output {output} is not empty and holds no run: name a new folder")


def start_run(plan: Plan, output: Path, resume: bool) -> None:
    """Decode the data, write or check the run's `config.json`, and train.

    Raises:
        ValueError, OSError: bad data, data that is not what the run began with, or another process in the folder.
    """
    config, data = plan.config, plan.data
    if int(os.environ.get("RANK", "0")) > 0:  # the first process alone checks and claims the folder
        from artmodels.training import train

        train(config, load_dataset(data, config.resolution), output, resume, plan.init)
        return
    check_run_folder(output, resume)
    dataset = load_dataset(data, config.resolution)
    if dataset.skipped:
        print(f"{len(dataset.skipped)} files were skipped; reasons: {dataset.folder / 'skipped.tsv'}", file=sys.stderr)
    _check_pictures(len(dataset), dataset.styles, config, data)
    changes, init = [], plan.init.describe() if plan.init else None
    if resume:
        saved = read_json(output / CONFIG_NAME)
        init = saved.get("init")
        changes = _note_changes(saved, config, output)
        began_with = saved["data"]
        if began_with.get("sha256") != dataset.digest:
            raise ValueError(
                f"the pictures are not those that the run began with ({began_with.get('pictures')} then, "
                f"{len(dataset)} now): restore them, or start a new run in another folder"
            )
    from artmodels.training import train

    output.mkdir(parents=True, exist_ok=True)
    with only_one(output):
        described = {"train": config.to_json(), "data": _describe_data(data, dataset), "init": init}
        write_json(output / CONFIG_NAME, {**described, "changes": changes})
        train(config, dataset, output, resume, plan.init)


def _note_changes(saved: dict[str, Any], config: TrainConfig, output: Path) -> list[dict[str, Any]]:
    """What earlier resumes changed, and what this one does, with the images seen by then."""
    seen = max((int(folder.name.removeprefix("images-")) for folder in list_checkpoints(output)), default=0)
    before, now = saved["train"], config.to_json()
    changed = [name for name in sorted(MAY_CHANGE) if before[name] != now[name]]
    return saved.get("changes", []) + [
        {"images": seen, "field": name, "from": before[name], "to": now[name]} for name in changed
    ]


def _describe_data(data: str | None, dataset: ArtDataset) -> dict[str, Any]:
    counts = dataset.style_counts()
    return {"source": data, "pictures": len(dataset), "style_counts": counts, "sha256": dataset.digest}


def _check_pictures(found: int, styles: tuple[str, ...], config: TrainConfig, data: str | None) -> None:
    if found < MIN_PICTURES:
        raise ValueError(
            f"--data {data}: expected at least {MIN_PICTURES} pictures, found {found}; add more, "
            "or leave --data away to try training on drawn pictures"
        )
    config.generator_config(styles)  # refuses names that no model can carry


def describe_plan(plan: Plan, output: Path) -> str:
    """What a run would do, with memory and time from three real steps on grey pictures; writes nothing."""
    from artmodels.training import build_networks, make_accelerator, prepare_passes

    config, data = plan.config, plan.data
    if data:
        entries = open_collection(Path(data)).entries
        styles = tuple(sorted({entry.style for entry in entries}))
        _check_pictures(len(entries), styles, config, data)
        source = f"{len(entries)} pictures in {len(styles)} styles from {data}"
    else:
        styles = tuple(sorted(procedural.STYLES))
        count = procedural.COUNT_PER_STYLE * len(styles)
        source = f"{count} pictures in {len(styles)} styles, drawn by artmodels"
    if config.unconditional:
        styles = ("all",)
    accelerator = make_accelerator(config)
    device = accelerator.device
    nets = build_networks(config, styles, device)
    seconds = _time_steps(nets, prepare_passes(accelerator, nets, compiled=False), config, device)
    heads = sum(parameter.numel() for parameter in nets.heads.parameters())
    checkpoint = 4 * (4 * nets.generator.parameter_count + 3 * heads)  # weights, average and two Adam moments
    hours = config.images / config.batch_size * seconds / 3600
    return "\n".join(
        (
            f"data        {source}",
            f"pictures    {config.resolution} x {config.resolution} px, styles: {', '.join(styles)}",
            f"start       {plan.init.model.name if plan.init else 'random weights'}",
            f"budget      {config.images} images in batches of {config.batch_size}",
            f"parameters  generator {nets.generator.parameter_count:,}, discriminator heads {heads:,}",
            f"precision   {config.precision}, {'compiled' if config.compile else 'not compiled'}",
            f"memory      {_peak_memory(device) / 2**30:.1f} GiB on {device.type} (measured over three steps)",
            f"time        {hours:.1f} hours ({config.batch_size / seconds:.0f} images/s, measured without compiling)",
            f"disk        {config.keep_checkpoints} checkpoints of {checkpoint / 2**20:.0f} MiB in {output}",
            "nothing was written: leave --dry-run away to start",
        )
    )


def _time_steps(nets: "Networks", passes: "Passes", config: TrainConfig, device: torch.device) -> float:
    """Seconds of the faster of two optimisation steps, after one to warm up."""
    from artmodels.training import adversarial_step

    styles = len(nets.generator.config.styles)
    real = torch.zeros(config.batch_size, 3, config.resolution, config.resolution, device=device)
    style = torch.eye(styles, device=device)[torch.arange(config.batch_size) % styles]
    times = []
    for _ in range(3):
        started = time.perf_counter()
        adversarial_step(nets, passes, config, real, style, torch.Generator().manual_seed(0)).figures()
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
