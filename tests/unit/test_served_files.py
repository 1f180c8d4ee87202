"""The studio's store of files: owners, ages, a budget, and what killed studios leave."""

import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from artmodels.studio import served_files
from artmodels.studio.served_files import HOUSE, PREFIX, FileStore, positive_number, remove_leftovers


@pytest.fixture
def files(tmp_path) -> FileStore:
    return FileStore(tmp_path / "files", seconds=60, budget=1000)


def uploaded(files: FileStore, content: bytes = b"photo", owner: str = "ann") -> Path:
    """An upload as Gradio leaves it, under a name that tells its content, and then at its own path."""
    shared = files.uploads / content.hex() / "photo.png"
    shared.parent.mkdir(exist_ok=True)
    shared.write_bytes(content)
    return files.receive(shared, owner)


def make_old(*paths: Path) -> None:
    for path in paths:
        os.utime(path, (0, 0))


def age(files: FileStore, path: Path) -> None:
    files.entries[path].until = 0.0


def left(files: FileStore) -> set[Path]:
    return {path for path in files.root.rglob("*") if path.is_file()}


def test_files_of_the_same_content_are_apart_and_nobody_can_guess_where(files):
    first, second = files.save(b"a", "wall.png", "ann"), files.save(b"a", "wall.png", "bob")
    assert first != second and first.name == second.name == "wall.png" and first.read_bytes() == b"a"
    assert len(first.parent.name) == 32 and first.is_relative_to(files.served)


def test_a_name_cannot_leave_its_folder(files):
    path = files.save(b"a", "../../wall.png", "ann")
    assert path.parent.parent == files.served and path.name == "wall.png"


def test_old_files_go_with_their_folders_and_the_house_stays(files):
    old, new, house = (files.save(b"a", "a.png", owner) for owner in ("ann", "bob", HOUSE))
    for path in (old, house):
        age(files, path)
    files.sweep()
    assert left(files) == {new, house} and not old.parent.exists()


def test_whoever_leaves_is_forgotten_soon_and_nobody_else(files, monkeypatch):
    monkeypatch.setattr(served_files, "GRACE", -1.0)
    hers, his = files.save(b"a", "a.png", "ann"), files.save(b"a", "a.png", "bob")
    files.leave("ann")
    files.sweep()
    assert left(files) == {his} and not hers.exists()


def test_whoever_comes_back_in_time_has_everything_still(files, monkeypatch):
    monkeypatch.setattr(served_files, "GRACE", -1.0)
    hers = files.save(b"a", "a.png", "ann")
    files.leave("ann")
    files.come("ann")
    files.sweep()
    assert hers.exists() and files.entries[hers].until == files.entries[hers].latest > time.monotonic()


def test_over_the_budget_whoever_has_most_loses_the_oldest(files):
    modest = files.save(bytes(100), "a.png", "ann")
    greedy = [files.save(bytes(300), f"{place}.png", "bob") for place in range(6)]
    house = files.save(bytes(5000), "wall.png", HOUSE)
    assert files.size <= 1000 and left(files) == {modest, house, *greedy[-3:]}


def test_a_file_larger_than_the_budget_costs_nobody_else_theirs(files):
    modest = files.save(bytes(100), "a.png", "ann")
    files.save(bytes(100), "a.png", "bob")
    large = files.save(bytes(2000), "film.mp4", "bob")
    assert left(files) == {modest, large}


def test_two_who_upload_the_same_have_a_file_each(files):
    hers, his = uploaded(files), uploaded(files, owner="bob")
    assert hers != his
    files.drop(hers)
    assert files.claim(str(hers)) is None and files.claim(str(his)) == his and his.read_bytes() == b"photo"


def test_nothing_but_an_upload_can_be_claimed(files, tmp_path):
    served, own = files.save(b"wall", "wall.png", HOUSE), uploaded(files)
    secret = tmp_path / "secret.png"
    secret.write_bytes(b"s")
    link = own.with_name("link.png")
    link.symlink_to(secret)
    shared = files.uploads / b"photo".hex() / "photo.png"
    for path in (
        served,
        secret,
        link,
        shared,
        files.root,
        files.uploads,
        own.parent,
        "",
        "x",
        f"{own.parent}/../{own}",
    ):
        assert files.claim(str(path)) is None, path
    assert files.claim(str(own)) == own


def test_what_nobody_claimed_of_the_uploads_is_swept(files):
    own, half = uploaded(files), files.uploads / "tmp12"
    half.write_bytes(b"half")
    shared = files.uploads / b"photo".hex() / "photo.png"
    assert own.samefile(shared)
    files.sweep()
    assert left(files) == {own, shared, half}  # they are young
    make_old(shared, half)
    files.sweep()
    assert left(files) == {own}
    make_old(shared.parent)
    files.sweep()
    assert not shared.parent.exists() and own.exists()


def test_what_is_written_slowly_is_left_alone_until_it_is_done_or_given_up(files):
    path = files.place("film.mp4")
    half = path.with_name(".film.mp4.half")
    half.write_bytes(b"half")
    make_old(half, path.parent)
    files.sweep()
    assert half.exists()
    half.rename(path)
    files.sweep()
    assert files.keep(path, "ann").exists()
    given_up = files.place("film.mp4")
    files.drop(given_up)
    assert not given_up.parent.exists() and not files.placed


def test_nothing_that_lies_there_ends_the_sweeping(files, monkeypatch):
    folder = files.served / "folder"
    (folder / "in it").mkdir(parents=True)
    strange = files.save(b"a", "a.png", "ann")
    strange.unlink()
    strange.mkdir()
    age(files, strange)
    failing, sweep = threading.Event(), files.sweep

    def once() -> None:
        if not failing.is_set():
            failing.set()
            raise RuntimeError("anything")
        sweep()

    monkeypatch.setattr(files, "sweep", once)
    files.sweep_for_ever(every=0.01)
    old = files.save(b"a", "a.png", "ann")
    age(files, old)
    deadline = time.monotonic() + 10
    while old.exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    assert failing.is_set() and not old.exists()


def test_many_threads_keep_the_budget(files):
    def work(owner: int) -> None:
        for place in range(30):
            files.save(bytes(100), f"{place}.png", f"{owner}")

    threads = [threading.Thread(target=work, args=(owner,)) for owner in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert files.size == sum(path.stat().st_size for path in left(files)) <= 1000


OPEN = """
import os, sys, time
from artmodels.studio.served_files import open_store
store = open_store()
(store.place("artmodels-film.mp4").parent / ".half.mp4").write_bytes(b"half")
print(store.root, flush=True)
time.sleep(float(sys.argv[1]))
"""


@contextmanager
def studio(parent: Path, seconds: float = 60) -> Iterator[tuple[subprocess.Popen[str], Path]]:
    """A process with an open store, and the store's folder; killed in the end."""
    environment = os.environ | {"GRADIO_TEMP_DIR": str(parent)}
    command = [sys.executable, "-c", OPEN, str(seconds)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:
        try:
            assert process.stdout is not None
            yield process, Path(process.stdout.readline().strip())
        finally:
            process.kill()


def test_what_a_killed_studio_leaves_goes_at_the_next_start_and_what_one_that_runs_has_stays(tmp_path):
    with studio(tmp_path) as (_, dead):
        pass
    with studio(tmp_path) as (_, alive):
        assert dead.name.startswith(PREFIX) and dead.is_dir()  # too young: it might be about to take its lock
        make_old(dead, alive)
        remove_leftovers(tmp_path)
        assert not dead.exists() and alive.is_dir() and any(alive.rglob(".half.mp4"))
    with studio(tmp_path, 0) as (ended, gone):
        assert ended.wait() == 0 and not gone.exists()  # it tidies up itself


@pytest.mark.parametrize("text", ["0", "-1", "x", "inf", "nan", "1e12"])
def test_a_limit_that_is_no_positive_number_is_told(monkeypatch, text):
    monkeypatch.setenv("ARTMODELS_FILES_MB", text)
    with pytest.raises(ValueError, match="ARTMODELS_FILES_MB must be a number above 0, found"):
        positive_number("ARTMODELS_FILES_MB", 5)
    monkeypatch.setenv("ARTMODELS_FILES_MB", " 0.5 ")
    assert positive_number("ARTMODELS_FILES_MB", 5) == 0.5
