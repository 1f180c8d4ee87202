"""Files that take the place of others, whatever was there before."""

import os
import stat
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from artmodels.cli.arguments import check_out
from artmodels.io.files import write_atomically
from artmodels.io.safetensors_io import save_weights


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.fixture(params=[0o022, 0o077, 0o002], ids=oct)
def left(request) -> Iterator[int]:
    """What a umask leaves of all rights."""
    before = os.umask(request.param)
    yield 0o777 & ~request.param
    os.umask(before)


@pytest.mark.parametrize("linked", [False, True])
def test_a_pipe_is_written_to_and_stays_one(tmp_path, linked):
    pipe, name = tmp_path / "pipe", tmp_path / ("link" if linked else "pipe")
    os.mkfifo(pipe)
    if linked:
        name.symlink_to(pipe)
    check_out(name)
    found: list[bytes] = []
    reader = threading.Thread(target=lambda: found.append(pipe.read_bytes()), daemon=True)
    reader.start()
    write_atomically(name, b"figures")
    assert pipe.is_fifo() and name.is_symlink() == linked
    reader.join(60)
    assert found == [b"figures"] and {path.name for path in tmp_path.iterdir()} == {"pipe", name.name}


def test_what_a_link_leads_to_is_replaced_and_the_link_stays(tmp_path):
    (tmp_path / "there").mkdir()
    target, link = tmp_path / "there" / "figures.json", tmp_path / "link.json"
    link.symlink_to(target)
    for content in (b"first", b"second"):  # the first makes it
        check_out(link)
        write_atomically(link, content)
        assert link.is_symlink() and not target.is_symlink() and target.read_bytes() == content
    assert [path.name for path in target.parent.iterdir()] == [target.name]


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="a folder where nobody may write, not even root")
def test_where_nothing_can_be_written_is_refused_before_any_work(tmp_path):
    (tmp_path / "link.json").symlink_to("/proc/figures.json")
    for path in (Path("/proc/figures.json"), tmp_path / "link.json"):
        with pytest.raises(ValueError, match=r"--out .*json cannot be written \(.*\): name a file elsewhere"):
            check_out(path)
    check_out(tmp_path / "figures.json")
    assert [path.name for path in tmp_path.iterdir()] == ["link.json"]


def test_new_files_have_the_rights_that_the_umask_leaves(tmp_path, left):
    write_atomically(tmp_path / "file", b"")
    save_weights({"w": torch.zeros(1)}, tmp_path / "weights")
    assert [mode(tmp_path / name) for name in ("file", "weights")] == [left & 0o666] * 2


def test_replaced_ones_keep_the_rights_that_they_had(tmp_path):
    write_atomically(tmp_path / "file", b"")
    (tmp_path / "file").chmod(0o600)
    write_atomically(tmp_path / "file", b"new")
    assert mode(tmp_path / "file") == 0o600
    save_weights({"w": torch.zeros(1)}, tmp_path / "file")
    assert mode(tmp_path / "file") == 0o600
