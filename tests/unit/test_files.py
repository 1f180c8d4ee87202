"""Files and folders that take the place of others, whatever was there before."""

import os
import signal
import stat
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from artmodels.cli.arguments import check_out
from artmodels.io.files import replacing, write_atomically
from artmodels.io.safetensors_io import save_weights


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def write_folder(folder: Path, text: str) -> None:
    with replacing(folder) as building:
        (building / "text").write_text(text)


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


def test_new_files_and_folders_have_the_rights_that_the_umask_leaves(tmp_path, left):
    write_atomically(tmp_path / "file", b"")
    write_folder(tmp_path / "folder", "")
    save_weights({"w": torch.zeros(1)}, tmp_path / "weights")
    assert [mode(tmp_path / name) for name in ("file", "folder", "weights")] == [left & 0o666, left, left & 0o666]


def test_replaced_ones_keep_the_rights_that_they_had(tmp_path):
    write_atomically(tmp_path / "file", b"")
    write_folder(tmp_path / "folder", "")
    (tmp_path / "file").chmod(0o600)
    (tmp_path / "folder").chmod(0o750)
    write_atomically(tmp_path / "file", b"new")
    write_folder(tmp_path / "folder", "new")
    assert (mode(tmp_path / "file"), mode(tmp_path / "folder")) == (0o600, 0o750)
    save_weights({"w": torch.zeros(1)}, tmp_path / "file")
    assert mode(tmp_path / "file") == 0o600


@pytest.mark.parametrize("moment", [1, 2])
def test_ctrl_c_while_a_folder_is_replaced_never_takes_it_away(tmp_path, monkeypatch, moment):
    folder, rename, renamed = tmp_path / "mine", Path.rename, []
    write_folder(folder, "old")

    def interrupted(self: Path, target: Path) -> Path:
        renamed.append(target)
        if len(renamed) == moment:
            signal.raise_signal(signal.SIGINT)
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", interrupted)
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background job ignores it
    try:
        with pytest.raises(KeyboardInterrupt):
            write_folder(folder, "new")
    finally:
        signal.signal(signal.SIGINT, before)
    assert (folder / "text").read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]


def test_what_a_power_cut_left_under_another_name_is_put_back_first(tmp_path):
    folder, old = tmp_path / "mine", tmp_path / ".mine.old"
    write_folder(old, "old")
    with pytest.raises(OSError, match="disk"), replacing(folder):
        raise OSError("disk")
    assert (folder / "text").read_text() == "old" and not old.exists()
