"""The files that the studio serves and those that visitors send: each has an owner and an age, all have one budget."""

import atexit
import logging
import os
import secrets
import shutil
import tempfile
import threading
import time
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from filelock import FileLock, Timeout

HOUSE = "the studio"  # the owner of what is there for everybody: it stays
SECONDS, BYTES = 3600.0, 500 * 10**6
GRACE = 1 / 6  # of the seconds, for which files are kept after their page was left: a phone leaves it for a moment, too
UNCLAIMED = 120.0  # seconds after which an upload whose answer never reached its sender is deleted
SWEEP_EVERY = 10.0  # seconds
PREFIX, LOCK_NAME = "artmodels-studio-", "lock"
YOUNG = 60.0  # seconds in which a folder may still be without its lock

log = logging.getLogger(__name__)


@dataclass
class Entry:
    """A file, alone in its folder."""

    owner: str
    size: int
    until: float  # by the monotonic clock
    latest: float  # what `until` is while the owner is there


class FileStore:
    """Files under one root, each in a folder whose name nobody can guess; safe for any number of threads.

    A file is deleted `seconds` after it was saved, or soon after its owner left (`GRACE`). When all together exceed
    `budget` bytes, the owner who has most loses the oldest, but never the one just saved. No path that a visitor names
    is acted upon but by `claim`, which takes nothing but what was uploaded.
    """

    def __init__(self, root: Path, seconds: float = SECONDS, budget: int = BYTES):
        self.root = root
        self.served, self.uploads = root / "served", root / "uploads"
        self.seconds, self.budget = seconds, budget
        self.entries: dict[Path, Entry] = {}  # the oldest first
        self.held: Counter[str] = Counter()  # bytes of each owner but the studio itself
        self.placed: set[Path] = set()  # folders in which something is being written
        self.lock = threading.Lock()
        self.in_use: FileLock | None = None  # held until the process ends, however it ends
        for folder in (self.served, self.uploads):
            folder.mkdir(parents=True, exist_ok=True)

    def save(self, content: bytes, name: str, owner: str) -> Path:
        """A served file with this content.

        Raises:
            OSError: it cannot be written.
        """
        path = self.place(name)
        try:
            path.write_bytes(content)  # nobody knows its name before it is whole
        except OSError:
            self.drop(path)
            raise
        return self.keep(path, owner)

    def place(self, name: str) -> Path:
        """Where a served file may be written: `keep` is to be told of it, or `drop` if nothing comes of it."""
        folder = self.served / secrets.token_hex(16)
        with self.lock:
            self.placed.add(folder)
        folder.mkdir()
        return folder / Path(name).name

    def keep(self, path: Path, owner: str) -> Path:
        """Count a file that was written to a `place`."""
        with self.lock:
            until = time.monotonic() + self.seconds
            self.entries[path] = entry = Entry(owner, path.stat().st_size, until, until)
            self.placed.discard(path.parent)
            if owner != HOUSE:
                self.held[owner] += entry.size
        self._hold_budget(path)
        return path

    def drop(self, path: Path) -> None:
        """Delete a file and its folder, if they are there."""
        with self.lock:
            self._forget(path)
            self.placed.discard(path.parent)
        with suppress(OSError):
            path.unlink()
        with suppress(OSError):
            path.parent.rmdir()

    def receive(self, path: Path, owner: str) -> Path:
        """The uploaded file at a path of its own, which only its sender is told.

        Gradio names an upload by its content, so that two who send the same would have one file, and either could
        delete it for the other.

        Raises:
            OSError: it is gone, or the disk is full.
        """
        folder = self.uploads / secrets.token_hex(16)
        folder.mkdir()
        own = folder / path.name
        try:
            os.link(path, own)
        except FileNotFoundError:
            folder.rmdir()
            raise
        except OSError:  # no links there
            shutil.copyfile(path, own)
        return self.keep(own, owner)

    def claim(self, path: str) -> Path | None:
        """The upload at this path; None if that is anything else, or gone."""
        file = Path(path)
        with self.lock:
            known = file in self.entries and file.is_relative_to(self.uploads)
        return file if known and file.is_file() and not file.is_symlink() else None

    def leave(self, owner: str) -> None:
        """The owner has gone: what is theirs follows soon."""
        until = time.monotonic() + GRACE * self.seconds
        with self.lock:
            for entry in self.entries.values():
                if entry.owner == owner:
                    entry.until = min(entry.until, until)

    def come(self, owner: str) -> None:
        """The owner is there, or there again."""
        with self.lock:
            for entry in self.entries.values():
                if entry.owner == owner:
                    entry.until = entry.latest

    def sweep(self) -> None:
        """Delete what is too old, and what nobody claimed of what was uploaded."""
        now = time.monotonic()
        with self.lock:
            old = [path for path, entry in self.entries.items() if entry.until < now and entry.owner != HOUSE]
        for path in old:
            self.drop(path)
        for path in self._strays():
            with suppress(OSError):
                path.rmdir() if path.is_dir() and not path.is_symlink() else path.unlink()

    def sweep_for_ever(self, every: float = SWEEP_EVERY) -> None:
        """Sweep in a thread of its own, which no single failure ends."""

        def work() -> None:
            while True:
                time.sleep(every)
                try:
                    self.sweep()
                except Exception:  # whatever it is, the next round may go well
                    log.exception("sweeping %s failed", self.root)

        threading.Thread(target=work, name="sweeper", daemon=True).start()

    @property
    def size(self) -> int:
        """Bytes of all files but those of the studio itself."""
        with self.lock:
            return self.held.total()

    def _forget(self, path: Path) -> None:
        """Count a file no more; whoever calls holds the lock."""
        entry = self.entries.pop(path, None)
        if entry and entry.owner != HOUSE:
            self.held[entry.owner] -= entry.size
            if not self.held[entry.owner]:
                del self.held[entry.owner]

    def _hold_budget(self, newest: Path) -> None:
        """Delete the oldest of whoever has most, until all fit; never the newest file."""
        gone: list[Path] = []
        with self.lock:
            while self.held.total() > self.budget:
                most = max(self.held, key=lambda owner: self.held[owner])
                mine = (path for path, entry in self.entries.items() if entry.owner == most and path != newest)
                oldest = next(mine, None)
                if oldest is None:
                    break
                self._forget(oldest)
                gone.append(oldest)
        for path in gone:
            self.drop(path)

    def _strays(self) -> list[Path]:
        """Files and empty folders, inside out, that are in no entry and that nobody has touched for a while."""
        with self.lock:
            placed = set(self.placed)
            known = set(self.entries) | {path.parent for path in self.entries} | placed
            known |= {self.served, self.uploads}
        strays, since = [], time.time() - UNCLAIMED
        for folder, names, files in os.walk(self.root, topdown=False):
            for path in (Path(folder) / name for name in (*files, *names)):
                if path in known or path.parent in placed or path.parent == self.root:
                    continue
                with suppress(OSError):
                    if path.lstat().st_mtime < since:
                        strays.append(path)
        return strays


@cache
def open_store() -> FileStore:
    """The store of this process, in a folder of its own below `GRADIO_TEMP_DIR` or the system's temporary folder.

    It becomes Gradio's folder for uploads, too. What killed studios left is removed. `ARTMODELS_FILES_MB` and
    `ARTMODELS_FILES_MINUTES` change the budget and the age.

    Raises:
        ValueError: they are no positive numbers.
        OSError: no folder can be made there.
    """
    seconds = 60 * positive_number("ARTMODELS_FILES_MINUTES", SECONDS / 60)
    budget = int(10**6 * positive_number("ARTMODELS_FILES_MB", BYTES / 10**6))
    parent = Path(os.environ.get("GRADIO_TEMP_DIR") or tempfile.gettempdir())
    parent.mkdir(parents=True, exist_ok=True)
    remove_leftovers(parent)
    root = Path(tempfile.mkdtemp(prefix=PREFIX, dir=parent)).resolve()
    store = FileStore(root, seconds, budget)
    store.in_use = FileLock(root / LOCK_NAME)
    store.in_use.acquire()
    atexit.register(shutil.rmtree, root, ignore_errors=True)
    os.environ["GRADIO_TEMP_DIR"] = str(store.uploads)
    store.sweep_for_ever(min(SWEEP_EVERY, seconds / 4))
    return store


def remove_leftovers(parent: Path) -> None:
    """Remove the folders of studios that no longer run."""
    for folder in parent.glob(f"{PREFIX}*"):
        with suppress(OSError, Timeout):
            if time.time() - folder.stat().st_mtime > YOUNG:
                with FileLock(folder / LOCK_NAME, timeout=0):
                    shutil.rmtree(folder, ignore_errors=True)


def positive_number(name: str, default: float) -> float:
    """An environment variable.

    Raises:
        ValueError: it holds no positive number.
    """
    text = os.environ.get(name, "").strip()
    if not text:
        return default
    try:
        number = float(text)
    except ValueError:
        number = 0.0
    if not 0 < number < 1e9:
        raise ValueError(f"{name} must be a number above 0, found {text[:40]!r}")
    return number
