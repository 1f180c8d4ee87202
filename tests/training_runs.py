"""Runs of train.py for the tests: started as users start them, short, and their last states compared."""

import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from conftest import ROOT, run, run_here
from PIL import Image
from safetensors.torch import load_file

import train as script
from artmodels.data import procedural
from artmodels.io.errors import main_with_clear_errors
from artmodels.training.checkpoint import list_checkpoints


def train(output: Path, *flags: str) -> subprocess.CompletedProcess[str]:
    return run("train.py", "--output", str(output), *flags)


def train_here(capsys: pytest.CaptureFixture[str], *flags: str) -> subprocess.CompletedProcess[str]:
    """train.py in this process: for what it refuses, and for plans."""
    return run_here(lambda: main_with_clear_errors(lambda: script.run(script.parse_arguments([*flags]))), capsys)


def wait_for(path: Path) -> None:
    deadline = time.monotonic() + 120
    while not path.exists():
        assert time.monotonic() < deadline, f"{path} did not come"
        time.sleep(0.05)


def weights(output: Path, name: str = "generator") -> dict[str, torch.Tensor]:
    return load_file(list_checkpoints(output)[-1] / f"{name}.safetensors")


def same(first: Path, second: Path) -> bool:
    """Whether two runs' last states are bit for bit the same, optimizers included."""
    names = ("generator", "ema", "heads", "generator_optimizer", "heads_optimizer")
    pairs = [(weights(first, name), weights(second, name)) for name in names]
    return all(one.keys() == two.keys() and all(torch.equal(one[key], two[key]) for key in one) for one, two in pairs)


def begin(output: Path, *flags: str) -> subprocess.Popen:
    command = [sys.executable, "train.py", "--output", str(output), *flags]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def draw_unseen(folder: Path, first: int = 5000) -> Path:
    """Pictures that no training on the drawn set has seen."""
    for style in procedural.STYLES:
        (folder / style).mkdir(parents=True)
        for index in range(first, first + 6):
            Image.fromarray(procedural.draw(style, index, 48)).save(folder / style / f"{index}.png")
    return folder
