"""A run's state on disk: whole or not at all, and never code."""

import json
import os
import resource
import signal
import warnings
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from helpers import run
from torch import nn

from artmodels.io.files import clear_leftovers, flush_folder, replacing
from artmodels.io.safetensors_io import load_weights
from artmodels.training.checkpoint import (
    list_checkpoints,
    load_checkpoint,
    load_latest,
    load_optimizer,
    optimizer_tensors,
    retain_checkpoints,
    save_checkpoint,
)
from artmodels.training.launch import NAMES_BESIDE, OUR_NAMES
from artmodels.training.run_log import RunLog


def save(run_folder: Path, images: int, best: int | None = None) -> Path:
    progress = {"seconds": 1.5, "best": best and {"images": best}}
    return save_checkpoint(run_folder, images, {"weights": {"w": torch.full((64,), float(images))}}, progress)


def test_a_checkpoint_survives(tmp_path):
    save(tmp_path, 100)
    images, tensors, progress = load_latest(tmp_path)
    assert images == 100 and progress == {"seconds": 1.5, "best": None}
    assert torch.equal(tensors["weights"]["w"], torch.full((64,), 100.0))


def test_only_safetensors_and_json_are_written(tmp_path):
    folder = save(tmp_path, 100)
    assert sorted(path.name for path in folder.iterdir()) == ["progress.json", "state.json", "weights.safetensors"]


def test_the_newest_counts_and_only_the_last_few_stay(tmp_path):
    for images in (900, 1000, 99_999_999, 100_000_000):
        save(tmp_path, images)
    assert load_latest(tmp_path)[0] == 100_000_000
    retain_checkpoints(tmp_path, keep=2, images=100_000_000)
    assert [path.name for path in list_checkpoints(tmp_path)] == ["images-99999999", "images-100000000"]


def test_the_best_of_each_that_stays_stays_too(tmp_path):
    """Should the newest be torn, the one before it finds its own best still there."""
    for images, best in ((100, 100), (200, 200), (300, 200), (400, 200), (500, 500)):
        save(tmp_path, images, best)
        retain_checkpoints(tmp_path, keep=2, images=images)
    names = [path.name for path in list_checkpoints(tmp_path)]
    assert names == [f"images-{images:08d}" for images in (200, 400, 500)]
    save(tmp_path, 600, 500)
    retain_checkpoints(tmp_path, keep=2, images=600)
    assert [path.name for path in list_checkpoints(tmp_path)] == ["images-00000500", "images-00000600"]


def test_a_torn_checkpoint_that_is_later_is_not_kept_in_the_place_of_a_whole_one(tmp_path):
    save(tmp_path, 2000)
    torn = save(tmp_path, 3000)
    for name in ("weights.safetensors", "progress.json"):
        (torn / name).write_bytes(b"")
    with pytest.warns(UserWarning, match="damaged"):
        assert load_latest(tmp_path)[0] == 2000
    save(tmp_path, 2500)
    retain_checkpoints(tmp_path, keep=1, images=2500)
    assert load_latest(tmp_path)[0] == 2500


def test_what_killed_processes_left_is_cleared_and_nothing_else(tmp_path):
    save(tmp_path, 100)
    for name in (".images-00000200.abcd1234", ".model.zz_zz_12", ".images-00000100.old", ".model.old", ".git.abcd1234"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "file").write_text(name)
    for name in (".metrics.jsonl.abcd1234", ".lock", ".notes", ".config.json.backup-of-mine"):
        (tmp_path / name).write_text(name)
    clear_leftovers(tmp_path, OUR_NAMES)
    kept = {".git.abcd1234", ".lock", ".notes", ".config.json.backup-of-mine", "images-00000100", "model"}
    assert {path.name for path in tmp_path.iterdir()} == kept
    assert (tmp_path / "model" / "file").read_text() == ".model.old"  # killed between two renames: it is put back
    assert load_latest(tmp_path)[0] == 100


def test_what_killed_savers_left_beside_a_model_is_cleared(tmp_path):
    for name in (".classifier.safetensors.abcd1234", "classifier.safetensors", ".abcdefgh", ".notes.abcd1234"):
        (tmp_path / name).write_text(name)
    clear_leftovers(tmp_path, NAMES_BESIDE)
    assert {path.name for path in tmp_path.iterdir()} == {"classifier.safetensors", ".abcdefgh", ".notes.abcd1234"}


@pytest.mark.parametrize("damage", ["flip", "truncate", "delete", "progress", "state", "state-json", "state-keys"])
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
    elif damage == "progress":
        (folder / "progress.json").write_text('{"seconds": 2.5, "best": null}')
    elif damage == "state":
        state.unlink()
    else:
        state.write_text("{" if damage == "state-json" else "[1, 2]")
    with pytest.warns(UserWarning, match="images-00000200 is damaged"):
        assert load_latest(tmp_path)[0] == 100


@pytest.mark.skipif(not Path("/proc/self/maps").exists(), reason="the system does not tell what is mapped")
def test_what_was_loaded_stays_whole_whatever_becomes_of_its_file(tmp_path):
    folder = save(tmp_path, 100)
    tensors = {"checkpoint": load_checkpoint(folder)[1]["weights"]}
    tensors["weights"] = load_weights(folder / "weights.safetensors", tensors["checkpoint"])
    assert str(folder) not in Path("/proc/self/maps").read_text()
    assert all(torch.equal(tensors["weights"][name], value) for name, value in tensors["checkpoint"].items())


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


@pytest.mark.slow
def test_a_full_disk_leaves_no_half_checkpoint(tmp_path):
    """The limit on a file's size stands in for the disk: writes fail in the middle of the file."""
    save(tmp_path, 100)
    script = (
        "import sys, torch, resource; from pathlib import Path\n"
        "from artmodels.training.checkpoint import save_checkpoint\n"
        "from artmodels.io.errors import main_with_clear_errors\n"
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
    assert set(state) == {"images", "sha256"}
    assert set(state["sha256"]) == {"progress.json", "weights.safetensors"}


def test_a_folder_that_is_a_link_is_replaced_where_it_leads(tmp_path):
    there, link = tmp_path / "other disk" / "model", tmp_path / "run" / "model"
    there.mkdir(parents=True)
    link.parent.mkdir()
    link.symlink_to(there)
    for text in ("first", "second"):
        with replacing(link) as building:
            (building / "card").write_text(text)
        assert link.is_symlink() and (there / "card").read_text() == text
    assert [path.name for path in link.parent.iterdir()] == ["model"]


def test_windows_opens_no_folder_and_flushes_what_may_be_written(tmp_path, monkeypatch):
    opened, flushed = {}, []

    def open_file(path: Path, flags: int) -> int:
        assert not path.is_dir()
        opened[7] = flags
        return 7

    def flush_descriptor(descriptor: int) -> None:
        assert opened[descriptor] & os.O_RDWR
        flushed.append(descriptor)

    (tmp_path / "card").write_text("x")
    system = SimpleNamespace(name="nt", open=open_file, fsync=flush_descriptor, close=opened.pop, O_RDWR=os.O_RDWR)
    monkeypatch.setattr("artmodels.io.files.os", system)
    flush_folder(tmp_path)
    assert flushed == [7] and not opened


def test_a_sheet_is_of_a_stretch_that_was_lost_by_its_number(tmp_path):
    (tmp_path / "samples").mkdir()
    for name in ("images-25000000.png", "images-100000128.png", "images-of-mine.png"):
        (tmp_path / "samples" / name).write_bytes(b"")
    RunLog(tmp_path, 100_000_000, 0.0)
    assert {path.name for path in (tmp_path / "samples").iterdir()} == {"images-25000000.png", "images-of-mine.png"}
