"""Saving, loading and retaining a run's state: safetensors and JSON only, checksums over all."""

import re
import shutil
import warnings
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from torch import Tensor, nn

from artmodels.io.files import replacing, sha256, write_json
from artmodels.io.safetensors_io import load_tensors, read_json, save_weights
from artmodels.training.augment import AugmentShare

STATE_NAME, RUN_PROGRESS_NAME = "state.json", "progress.json"
DAMAGE = (OSError, ValueError, LookupError, TypeError, AttributeError, SafetensorError)  # what a torn one can raise
FOLDER_PATTERN = re.compile(r"images-(\d{8,})")


def save_checkpoint(
    run: Path, images: int, tensors: Mapping[str, Mapping[str, Tensor]], progress: dict[str, Any]
) -> Path:
    """Write `images-XXXXXXXX/`: a safetensors file per entry of `tensors`, `progress.json`, and their checksums."""
    folder = checkpoint_folder(run, images)
    with replacing(folder) as building:
        for name, state in tensors.items():
            save_weights(state, building / f"{name}.safetensors")
        write_json(building / RUN_PROGRESS_NAME, progress)
        checksums = {path.name: sha256(path) for path in sorted(building.iterdir())}
        write_json(building / STATE_NAME, {"images": images, "sha256": checksums})
    return folder


def list_checkpoints(run: Path) -> list[Path]:
    """Checkpoint folders of a run, oldest first."""
    found = [path for path in run.glob("images-*") if path.is_dir() and FOLDER_PATTERN.fullmatch(path.name)]
    return sorted(found, key=images_of)


def images_of(path: Path) -> int:
    """After how many images a checkpoint or a sheet was written."""
    return int(path.stem.removeprefix("images-"))


def checkpoint_folder(run: Path, images: int) -> Path:
    """Where the state after so many images lies, or will."""
    return run / f"images-{images:08d}"


def retain_checkpoints(run: Path, keep: int, images: int) -> None:
    """Delete all but the last `keep` and what each of these calls the best so far: a torn one may be passed over.

    `images` is of the newest that the run goes on from: later ones are torn, or of a stretch that was lost.
    """
    folders = [folder for folder in list_checkpoints(run) if images_of(folder) <= images]
    kept = set(folders[-keep:])
    for folder in folders[-keep:]:
        with suppress(*DAMAGE):
            kept.add(checkpoint_folder(run, read_json(folder / RUN_PROGRESS_NAME)["best"]["images"]))
    for folder in list_checkpoints(run):
        if folder not in kept:
            shutil.rmtree(folder, ignore_errors=True)


def load_latest(run: Path) -> tuple[int, dict[str, dict[str, Tensor]], dict[str, Any]]:
    """Images, tensors by file and progress of the newest checkpoint that is whole; damaged ones are warned of.

    Raises:
        FileNotFoundError: the run has no whole checkpoint.
    """
    for folder in reversed(list_checkpoints(run)):
        try:
            return load_checkpoint(folder)
        except DAMAGE as error:
            warnings.warn(f"checkpoint {folder} is damaged ({error}): going back to the one before it", stacklevel=2)
    raise FileNotFoundError(f"{run} holds no whole checkpoint: start anew in another folder")


def load_checkpoint(folder: Path) -> tuple[int, dict[str, dict[str, Tensor]], dict[str, Any]]:
    """Images, tensors by file and progress of one checkpoint; raises one of `DAMAGE` if it is not whole."""
    state = read_json(folder / STATE_NAME)
    checksums = state["sha256"]
    for name, expected in checksums.items():
        if sha256(folder / name) != expected:
            raise ValueError(f"{name} has another checksum than when it was written")
    tensors = {Path(name).stem: load_tensors(folder / name) for name in checksums if name != RUN_PROGRESS_NAME}
    return int(state["images"]), tensors, read_json(folder / RUN_PROGRESS_NAME)


def optimizer_tensors(optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    """An optimizer's state as flat tensors: `"3.exp_avg"` is that of its fourth parameter."""
    return {
        f"{index}.{key}": value
        for index, state in optimizer.state_dict()["state"].items()
        for key, value in state.items()
    }


def load_optimizer(optimizer: torch.optim.Optimizer, tensors: Mapping[str, Tensor]) -> None:
    """The inverse of `optimizer_tensors`; the settings (learning rate and so on) stay the optimizer's own."""
    state: dict[int, dict[str, Tensor]] = {}
    for name, tensor in tensors.items():
        index, _, key = name.partition(".")
        state.setdefault(int(index), {})[key] = tensor
    optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})


def load_module(module: nn.Module, tensors: Mapping[str, Tensor]) -> None:
    """Copy tensors into a module, strictly."""
    module.load_state_dict(dict(tensors), strict=True)


@dataclass
class RunProgress:
    """What a checkpoint keeps beside the tensors."""

    augment: AugmentShare
    seconds: float = 0.0  # of training, over all resumes
    best: dict[str, Any] | None = None  # of the averages so far: images, kernel distance, whether it memorises
    evaluation: dict[str, Any] | None = None  # the figures of this very checkpoint

    def to_json(self) -> dict[str, Any]:
        return {**vars(self), "augment": self.augment.to_json()}

    @classmethod
    def from_json(cls, saved: dict[str, Any], augment_target: float) -> "RunProgress":
        return cls(**{**saved, "augment": AugmentShare(**saved["augment"], target=augment_target)})
