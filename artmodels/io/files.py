"""Files that are there whole or not at all, and their checksums."""

import contextlib
import errno
import hashlib
import json
import os
import re
import secrets
import shutil
import stat
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from filelock import BaseFileLock, FileLock, Timeout
from safetensors import SafetensorError

LOCK_NAME = ".lock"


@contextlib.contextmanager
def replacing_file(path: Path) -> Iterator[Path]:
    """A temporary file to write into, which takes the place of `path` when all went well, and else is removed.

    No reader finds half of it, and no power cut leaves half of it: it is flushed before the rename. The mode stays, and
    a link stays one, to the new file. What is no regular file, like a device or a pipe, is written to.

    Raises:
        OSError: the disk is full or not writable, or there is no such folder.
    """
    if in_place(path):
        with tempfile.TemporaryDirectory() as elsewhere:
            yield (temporary := Path(elsewhere, path.name))
            with temporary.open("rb") as file, path.open("wb") as there:
                shutil.copyfileobj(file, there)
        return
    path = target_of(path)
    if not path.parent.is_dir():
        raise FileNotFoundError(f"cannot write {path}: there is no folder {path.parent}; make it first")
    temporary = beside(path)
    temporary.touch(0o600 if path.exists() else 0o666, exist_ok=False)
    try:
        mode = mode_of(path if path.exists() else temporary)
        yield temporary
        with temporary.open("r+b") as file:
            os.fsync(file.fileno())
        temporary.chmod(mode)
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def try_to_write(path: Path) -> None:
    """Find out whether `replacing_file` could write there; nothing is left behind.

    Raises:
        OSError: it could not.
    """
    if not in_place(path):
        tempfile.TemporaryFile(dir=target_of(path).parent).close()
    elif not os.access(path, os.W_OK):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))


def in_place(path: Path) -> bool:
    """Whether there is something that can be written to and not replaced: a device, a pipe."""
    return path.exists() and not path.is_file() and not path.is_dir()


def target_of(path: Path) -> Path:
    """What a link leads to; another path as it is."""
    return Path(os.path.realpath(path)) if path.is_symlink() else path


def beside(path: Path) -> Path:
    """A name beside this one that nothing has, for what is to take its place; see `clear_leftovers`."""
    return path.with_name(f".{path.name}.{secrets.token_hex(4)}")


def mode_of(path: Path) -> int:
    """Who may read and write it."""
    return stat.S_IMODE(path.stat().st_mode)


def write_atomically(path: Path, content: bytes) -> None:
    """Write a file that is there whole or not at all (see `replacing_file`).

    Raises:
        OSError: the disk is full or not writable, or there is no such folder.
    """
    with replacing_file(path) as temporary:
        temporary.write_bytes(content)


def default_cache() -> Path:
    """Where decoded pictures and visitors' models are kept: `ARTMODELS_CACHE`, else `~/.cache/artmodels`."""
    if named := os.environ.get("ARTMODELS_CACHE"):
        return Path(named).expanduser()
    try:
        return Path.home() / ".cache" / "artmodels"
    except RuntimeError as error:
        raise ValueError("there is no home folder for the cache: name a folder by ARTMODELS_CACHE") from error


def json_bytes(value: Any) -> bytes:
    """JSON for people to read; what is no Unicode (file names may not be) is escaped."""
    return (json.dumps(value, indent=2, ensure_ascii=False) + "\n").encode("utf-8", "backslashreplace")


def write_json(path: Path, value: Any) -> None:
    """Write JSON for people to read, atomically."""
    write_atomically(path, json_bytes(value))


@contextlib.contextmanager
def replacing(folder: Path) -> Iterator[Path]:
    """A temporary folder to write into, which takes the place of `folder`, and its mode, when all went well.

    Everything is flushed to the disk before the rename; on an error the old folder stays as it was.

    Raises:
        OSError: the disk is full or not writable.
    """
    folder = Path(os.path.realpath(folder))  # what a link leads to is replaced, not the link
    folder.parent.mkdir(parents=True, exist_ok=True)
    building, old = beside(folder), folder.with_name(f".{folder.name}.old")

    def put_back() -> None:
        if old.exists() and not folder.exists():
            old.rename(folder)

    put_back()  # what a power cut took away in the middle of a replacement
    building.mkdir(0o700 if folder.exists() else 0o777)
    try:
        mode = mode_of(folder if folder.exists() else building)
        yield building
        building.chmod(mode)
        flush_folder(building)
        shutil.rmtree(old, ignore_errors=True)
        try:
            if folder.exists():
                folder.rename(old)
            building.rename(folder)
        except BaseException:
            put_back()
            raise
        flush(folder.parent)
        shutil.rmtree(old, ignore_errors=True)
    except SafetensorError as error:  # its own words for a full disk
        raise OSError(f"could not write {folder}: {error}; is the disk full?") from error
    finally:
        shutil.rmtree(building, ignore_errors=True)


def check_new(folder: Path) -> None:
    """Raises:
    ValueError: the folder holds something already, or is a file.
    """
    if folder.is_file() or (folder.is_dir() and any(folder.iterdir())):
        raise ValueError(f"{folder} is not an empty folder: name a new one")


def clear_leftovers(folder: Path, names: re.Pattern[str]) -> None:
    """Remove what killed processes left half-written of the files and folders so named; put back what was replaced."""
    for path in sorted(folder.glob(".*")):
        name, _, ending = path.name.removeprefix(".").rpartition(".")
        if not names.fullmatch(name) or not re.fullmatch("old|[a-z0-9_]{8}", ending):
            continue
        if ending == "old" and not (folder / name).exists():
            path.rename(folder / name)
        elif path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)


def flush_folder(folder: Path) -> None:
    """Wait until the files of a folder are on the disk, and their names too."""
    for path in [*folder.rglob("*"), folder]:
        flush(path)


def flush(path: Path) -> None:
    """Wait until a file, or the names in a folder, are on the disk."""
    if os.name == "nt" and path.is_dir():  # Windows opens no folders, and flushes only what may be written
        return
    descriptor = os.open(path, os.O_RDWR if os.name == "nt" else os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def only_one(folder: Path) -> Iterator[None]:
    """Hold a folder's lock, so that no second process writes there; the system frees it however the process ends.

    Raises:
        OSError: another process holds it, or the folder's file system has no locks.
    """
    try:
        with _lock_at(folder / LOCK_NAME):
            yield
    except Timeout as error:
        raise OSError(
            f"another process is training in {folder}, or writes there: wait for it to end, or end it"
        ) from error


@contextlib.contextmanager
def in_turn(path: Path, waiting: str) -> Iterator[None]:
    """Wait until no other process holds the lock at a path, and hold it; the system frees it however the process ends.

    Where one does, `waiting` is said once, on standard error.
    """
    lock = _lock_at(path)
    try:
        lock.acquire()
    except Timeout:
        print(waiting, file=sys.stderr)
        lock.acquire(timeout=-1)  # however long it takes
    try:
        yield
    finally:
        lock.release()


def _lock_at(path: Path) -> BaseFileLock:
    """A lock that waits for nobody; one that the system frees, never a mere file that a killed process leaves."""
    return FileLock(path, timeout=0, mode=0o666, fallback_to_soft=False)  # a folder may be shared


def sha256(path: Path) -> str:
    """Hex digest of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
