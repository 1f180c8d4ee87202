"""A run's state on disk: whole or not at all, and never code."""

import json
import resource
import signal
import warnings
from pathlib import Path

import pytest
import torch
from conftest import run
from torch import nn

from artmodels.checkpoint import (
    list_checkpoints,
    load_latest,
    load_optimizer,
    optimizer_tensors,
    retain_checkpoints,
    save_checkpoint,
)
from artmodels.files import replacing


def save(run_folder: Path, images: int) -> Path:
    return save_checkpoint(run_folder, images, {"weights": {"w": torch.full((64,), float(images))}}, {"seconds": 1.5})


def test_a_checkpoint_survives(tmp_path):
    save(tmp_path, 100)
    images, tensors, progress = load_latest(tmp_path)
    assert images == 100 and progress == {"seconds": 1.5}
    assert torch.equal(tensors["weights"]["w"], torch.full((64,), 100.0))


def test_only_safetensors_and_json_are_written(tmp_path):
    folder = save(tmp_path, 100)
    assert sorted(path.name for path in folder.iterdir()) == ["state.json", "weights.safetensors"]


def test_the_newest_counts_and_only_the_last_few_stay(tmp_path):
    for images in (900, 1000, 99_999_999, 100_000_000):
        save(tmp_path, images)
    assert load_latest(tmp_path)[0] == 100_000_000
    retain_checkpoints(tmp_path, keep=2)
    assert [path.name for path in list_checkpoints(tmp_path)] == ["images-99999999", "images-100000000"]


@pytest.mark.parametrize("damage", ["flip", "truncate", "delete", "state", "state-json", "state-keys"])
def test_a_damaged_checkpoint_is_passed_over_with_a_warning(tmp_path, damage):
    save(tmp_path, 100)
    folder = save(tmp_path, 200)
    weights, state = folder / "weights.safetensors", folder / "state.json"
    if damage == "flip":
        content = bytearray(weights.read_bytes())
        content[-3] ^= 1
        weights.write_bytes(content)
    elif damage == "truncate":
        weights.write_bytes(weights.read_bytes()[:-10])
    elif damage == "delete":
        weights.unlink()
    elif damage == "state":
        state.unlink()
    else:
        state.write_text("{" if damage == "state-json" else "[1, 2]")
    with pytest.warns(UserWarning, match="images-00000200 is damaged"):
        assert load_latest(tmp_path)[0] == 100


def test_no_whole_checkpoint_says_so(tmp_path):
    with pytest.raises(FileNotFoundError, match="no whole checkpoint"):
        load_latest(tmp_path)


def test_an_error_while_writing_leaves_the_old_folder(tmp_path):
    folder = tmp_path / "model"
    with replacing(folder) as building:
        (building / "a").write_text("old")
    with pytest.raises(RuntimeError), replacing(folder) as building:
        (building / "a").write_text("new")
        raise RuntimeError
    assert (folder / "a").read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["model"]


def test_a_full_disk_leaves_no_half_checkpoint(tmp_path):
    """The limit on a file's size stands in for the disk: writes fail in the middle of the file."""
    save(tmp_path, 100)
    script = (
        "import sys, torch, resource; from pathlib import Path; from artmodels.checkpoint import save_checkpoint\n"
        "from artmodels.command import main_with_clear_errors\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))\n"
        f"save = lambda: save_checkpoint(Path({str(tmp_path)!r}), 200, {{'w': {{'w': torch.zeros(10**6)}}}}, {{}})\n"
        "sys.exit(main_with_clear_errors(save))"
    )
    result = run("-c", script)
    assert result.returncode == 2 and result.stderr.startswith("error: ") and "Traceback" not in result.stderr
    assert len(result.stderr.splitlines()) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["images-00000100"]
    assert resource.getrlimit(resource.RLIMIT_FSIZE)[0] != 100_000
    assert signal.getsignal(signal.SIGXFSZ) == signal.SIG_IGN  # Python's default: an error, not a death


def test_an_optimizer_goes_on_as_if_nothing_had_happened():
    torch.manual_seed(0)
    first = nn.Linear(3, 2)
    second = nn.Linear(3, 2)
    optimizers = [torch.optim.Adam(module.parameters(), 1e-2, betas=(0.0, 0.99)) for module in (first, second)]

    def step(module, optimizer, x):
        optimizer.zero_grad()
        module(x).square().sum().backward()
        optimizer.step()

    for _ in range(3):
        step(first, optimizers[0], torch.randn(4, 3))
    second.load_state_dict(first.state_dict())
    tensors = {name: value.clone() for name, value in optimizer_tensors(optimizers[0]).items()}  # as from a file
    assert "0.exp_avg" in tensors and all(isinstance(value, torch.Tensor) for value in tensors.values())
    load_optimizer(optimizers[1], tensors)
    x = torch.randn(4, 3)
    step(first, optimizers[0], x)
    step(second, optimizers[1], x)
    assert torch.equal(first.weight, second.weight) and torch.equal(first.bias, second.bias)


def test_a_checkpoint_is_written_without_warnings(tmp_path):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        state = json.loads((save(tmp_path, 7) / "state.json").read_text())
    assert set(state) == {"images", "progress", "sha256"}
