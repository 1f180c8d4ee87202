"""Runs of train.py for the tests: in this process, or in one of their own to be killed; and their last states compared.

A run in this process is `train.py` but for what starting one costs: it reads the same flags, and says what it says.
"""

import subprocess
import sys
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from accelerate.state import AcceleratorState, GradientState
from helpers import ROOT, run, run_here
from PIL import Image
from safetensors.torch import load_file

import train as script
from artmodels.data import procedural
from artmodels.io.errors import main_with_clear_errors
from artmodels.training.checkpoint import list_checkpoints

# Of train.py: the shortest run with two checkpoints and a rest, not measured or as a test wants it.
UNMEASURED = ("--hold-out", "0")
SHORT = ("--preset", "tiny", *UNMEASURED, "--images", "256", "--checkpoint-every", "96", "--sample-every", "128")


def train_here(*flags: str) -> subprocess.CompletedProcess[str]:
    """train.py in this process, which it leaves as it was: accelerate would keep the first run's settings for all."""
    with as_if_alone(), warnings.catch_warnings(record=True) as warned:
        warnings.filterwarnings("always", category=UserWarning, module="artmodels")  # ours are said; others are errors
        result = run_here(lambda: main_with_clear_errors(lambda: script.run(script.parse_arguments([*flags]))))
    result.stderr += "".join(f"{warning.message}\n" for warning in warned)
    return result


@contextmanager
def as_if_alone() -> Iterator[None]:
    """What trains meets accelerate as in a process that has trained nothing, and leaves nothing of that behind."""
    threads = torch.get_num_threads()
    try:
        AcceleratorState._reset_state(True)
        GradientState._reset_state()
        yield
    finally:
        AcceleratorState._reset_state(True)
        GradientState._reset_state()
        torch.set_num_threads(threads)


def train(output: Path, *flags: str) -> subprocess.CompletedProcess[str]:
    return train_here("--output", str(output), *flags)


def train_alone(output: Path, *flags: str, **options) -> subprocess.CompletedProcess[str]:
    """train.py in a process of its own."""
    return run("train.py", "--output", str(output), *flags, **options)


def wait_for(path: Path) -> None:
    deadline = time.monotonic() + 600
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


def begin(output: Path, *flags: str, **options) -> subprocess.Popen:
    command = [sys.executable, "train.py", "--output", str(output), *flags]
    return subprocess.Popen(
        command, cwd=ROOT, **{"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, **options}
    )


def draw_unseen(folder: Path, first: int = 5000) -> Path:
    """Pictures that no training on the drawn set has seen."""
    for style in procedural.STYLES:
        (folder / style).mkdir(parents=True)
        for index in range(first, first + 6):
            Image.fromarray(procedural.draw(style, index, 48)).save(folder / style / f"{index}.png")
    return folder
