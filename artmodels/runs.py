"""What happens before a run trains: its config from preset and flags, the checks, the plan."""

import os
import resource
import shutil
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from artmodels.checkpoint import list_checkpoints
from artmodels.data import load_dataset, open_collection
from artmodels.files import write_json
from artmodels.models.weights import read_json
from artmodels.presets import FIELDS, PRESETS, TrainConfig

if TYPE_CHECKING:
    from artmodels.training import Networks, Passes

CONFIG_NAME = "config.json"
MIN_PICTURES = 10
MAY_CHANGE = frozenset(("images",))  # on --resume: a larger budget extends the run


def resolve_config(
    given: dict[str, Any], data: str | None, output: Path, resume: bool
) -> tuple[TrainConfig, str | None]:
    """The preset, or on `resume` the run's own config, with the flags that were given laid over it; and the data.

    Raises:
        ValueError: a flag out of range, one that differs from the run's, or `--resume` without a run.
    """
    if not resume:
        config = PRESETS[given.get("preset", "cpu")]()
        if "precision" not in given:
            given = {**given, "precision": best_precision()}
        if given.get("compile") and not can_compile():
            raise ValueError("--compile needs a C++ compiler, and none was found: install g++, or leave the flag away")
        if "compile" not in given:
            given = {**given, "compile": config.compile and can_compile()}
        return replace(config, **given), str(Path(data).resolve()) if data else None
    if not (output / CONFIG_NAME).is_file():
        raise ValueError(f"--resume: {output} holds no run (no {CONFIG_NAME}); leave --resume away to start one there")
    saved = read_json(output / CONFIG_NAME)
    try:
        config = TrainConfig(**{name: value for name, value in saved["train"].items() if name in FIELDS})
        saved_data = saved["data"]["source"]
    except (TypeError, KeyError, ValueError) as error:
        raise ValueError(f"{output / CONFIG_NAME} is not a run's config ({error}): start anew elsewhere") from error
    for name, value in given.items():
        if name not in MAY_CHANGE and value != getattr(config, name):
            flag = "--" + name.replace("_", "-")
            raise ValueError(
                f"{flag} {value} differs from the run in {output}, which has {getattr(config, name)}: "
                "leave the flag away, or start a new run in another folder"
            )
    if data and saved_data != str(Path(data).resolve()):
        raise ValueError(f"--data {data} is not what the run in {output} trains on ({saved_data or 'drawn pictures'})")
    return replace(config, images=given.get("images", config.images)), saved_data


def best_precision() -> str:
    """bf16 where this machine multiplies it in hardware: GPUs since Ampere, CPUs with AMX; else fp32."""
    if torch.cuda.is_available():
        return "bf16" if torch.cuda.is_bf16_supported(including_emulation=False) else "fp32"
    return "bf16" if torch.cpu._is_amx_tile_supported() else "fp32"


def can_compile() -> bool:
    """Whether torch.compile finds what it needs: Triton on a GPU, a C++ compiler on a CPU."""
    if torch.cuda.is_available():
        return True
    return any(shutil.which(name) for name in (os.environ.get("CXX", "g++"), "g++", "clang++"))


def check_run_folder(output: Path, config: TrainConfig, resume: bool) -> None:
    """Refuse a folder that holds something else, and a budget that is spent.

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
    if resume and (checkpoints := list_checkpoints(output)):
        seen = int(checkpoints[-1].name.removeprefix("images-"))
        if config.images < seen:
            raise ValueError(
                f"--images {config.images} lies behind the run, which has seen {seen}: give a larger number"
            )


def check_enough_pictures(found: int, data: str | None) -> None:
    """Raises:
    ValueError: too few pictures to learn anything from.
    """
    if found < MIN_PICTURES:
        raise ValueError(
            f"--data {data}: expected at least {MIN_PICTURES} pictures, found {found}; add more, "
            "or leave --data away to try training on drawn pictures"
        )


def start_run(config: TrainConfig, data: str | None, output: Path, resume: bool) -> None:
    """Decode the data, write or check the run's `config.json`, and train.

    Raises:
        ValueError, OSError: bad data, or a data set that is not the one the run began with.
    """
    checkpoints = list_checkpoints(output)
    if resume and checkpoints and int(checkpoints[-1].name.removeprefix("images-")) >= config.images:
        print(f"this run is finished: {config.images} images seen; give a larger --images to extend it")
        return
    dataset = load_dataset(data, config.resolution)
    check_enough_pictures(len(dataset), data)
    if dataset.skipped:
        print(f"{len(dataset.skipped)} files were skipped; reasons: {dataset.folder / 'skipped.tsv'}", file=sys.stderr)
    described = {"source": data, "pictures": len(dataset), "style_counts": dataset.style_counts()}
    if resume:
        began_with = read_json(output / CONFIG_NAME)["data"]
        if began_with != described:
            raise ValueError(
                f"the data changed since the run began: {began_with['pictures']} pictures then, {len(dataset)} now; "
                "restore them, or start a new run in another folder"
            )
    from artmodels.training import train

    if int(os.environ.get("RANK", "0")) == 0:
        output.mkdir(parents=True, exist_ok=True)
        write_json(output / CONFIG_NAME, {"train": config.to_json(), "data": described})
    train(config, dataset, output, resume)


def describe_plan(config: TrainConfig, data: str | None, output: Path) -> str:
    """What a run would do, with memory and time from three real steps on random pictures; writes nothing."""
    from artmodels.training import build_networks, make_accelerator, prepare_passes

    if data:
        entries = open_collection(Path(data)).entries
        check_enough_pictures(len(entries), data)
        styles = tuple(sorted({entry.style for entry in entries}))
        source = f"{len(entries)} pictures in {len(styles)} styles from {data}"
    else:
        from artmodels import procedural

        styles = tuple(sorted(procedural.STYLES))
        source = f"{procedural.COUNT_PER_STYLE * len(styles)} pictures in {len(styles)} styles, drawn by artmodels"
    if config.unconditional:
        styles = ("all",)
    accelerator = make_accelerator(config)
    device = accelerator.device
    nets = build_networks(config, styles, device)
    seconds = _time_steps(nets, prepare_passes(accelerator, nets, compiled=False), config, device)
    heads = sum(parameter.numel() for parameter in nets.heads.parameters())
    checkpoint = 4 * (4 * nets.generator.parameter_count + 3 * heads)  # weights, average and two Adam moments
    if device.type == "cuda":
        memory = torch.cuda.max_memory_allocated()
    else:
        memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    hours = config.images / config.batch_size * seconds / 3600
    return "\n".join(
        (
            f"data        {source}",
            f"pictures    {config.resolution} x {config.resolution} px, styles: {', '.join(styles)}",
            f"budget      {config.images} images in batches of {config.batch_size}",
            f"parameters  generator {nets.generator.parameter_count:,}, discriminator heads {heads:,}",
            f"precision   {config.precision}, {'compiled' if config.compile else 'not compiled'}",
            f"memory      {memory / 2**30:.1f} GiB on {device.type} (measured over three steps)",
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
