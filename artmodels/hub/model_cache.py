"""The models that an app has at hand: those it starts with, and within budgets those that visitors name."""

import io
import os
import re
import shutil
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import torch
from filelock import FileLock, Timeout
from huggingface_hub import try_to_load_from_cache
from tqdm import tqdm

from artmodels.hub.companions import files_beside
from artmodels.hub.download import COMMIT, Unreachable, parse_hub_id
from artmodels.hub.load import LoadedModel, load_hub_model
from artmodels.io.files import LOCK_NAME, default_cache

MEGABYTE = 10**6
ARRIVAL_TIMEOUT = 120  # seconds for a visitor's model to arrive

Tell = Callable[[float], None]  # how much of the weights is here, 0 to 1


def budget_from_environment(name: str, default: int) -> int:
    """Bytes from an environment variable that counts megabytes.

    Raises:
        ValueError: it holds no positive number.
    """
    text = os.environ.get(name, "").strip()
    if not text:
        return default * MEGABYTE
    if not (text.isascii() and text.isdigit() and 0 < int(text[:12]) <= 10**9):
        raise ValueError(f"{name} must be a number of megabytes, found {text[:40]!r}")
    return int(text) * MEGABYTE


class ModelCache:
    """Loaded models by name; safe for any number of visitors at once.

    A visitor's model must be public, is fetched into a cache of its own that stays within `disk` bytes, and is kept in
    memory while all of them fit into `memory` bytes; those used longest ago go first. None may need more than
    `largest` bytes, with the files beside it. Several studios may share the cache.
    """

    def __init__(
        self,
        start: Sequence[LoadedModel],
        *,
        device: torch.device | str = "cpu",
        memory: int = 1000 * MEGABYTE,
        disk: int = 2000 * MEGABYTE,
        largest: int = 400 * MEGABYTE,
        cache_dir: Path | None = None,
    ):
        self.start = {model.label: model for model in start}
        if len(self.start) < len(start):
            raise ValueError(
                f"two of the app's models have the same name, of {', '.join(each.label for each in start)}: rename one"
            )
        self.device = device
        self.memory = memory
        self.disk = disk
        self.largest = min(largest, memory, disk)
        self.cache_dir = cache_dir or default_cache() / "visitors"
        self.visiting: OrderedDict[str, LoadedModel] = OrderedDict()
        self.lock = threading.Lock()

    @property
    def names(self) -> list[str]:
        """Of the models that the app starts with."""
        return list(self.start)

    def holds(self, name: str) -> bool:
        """Whether `get` has this model without fetching it."""
        with self.lock:
            return name in self.start or name in self.visiting

    def move_start(self, device: torch.device | str) -> None:
        """Put the models that the app starts with on a device."""
        for model in self.start.values():
            model.generator.to(device)

    def get(self, name: str) -> LoadedModel:
        """A model by its label, or by whatever a visitor names; it is fetched if it must be.

        Raises:
            FileNotFoundError, ValueError, OSError: see `load`.
        """
        with self.lock:
            if found := self.start.get(name) or self.visiting.get(name):
                if name in self.visiting:
                    self.visiting.move_to_end(name)
                return found
        return self.load(name)

    def load(self, name: str, tell: Tell | None = None) -> LoadedModel:
        """Fetch a visitor's model, or find that it is here in the same version already.

        Raises:
            FileNotFoundError: the repository holds no model of ours.
            ValueError: no Hub id, or a model that is too large or damaged.
            OSError: no such public repository, the Hub cannot be reached, or too many models come in.
        """
        if name in self.start:
            return self.start[name]
        repo_id, revision = parse_hub_id(name)  # a visitor names no folder of this machine
        with suppress(Unreachable, FileNotFoundError):  # another studio may delete it at this moment
            if revision and self._lies_here(repo_id, revision):  # nobody need wait for the door
                return self._keep(used_now(self._open(repo_id, revision, local_files_only=True)))
        with self._door():
            self._make_room()
            reporter = _reporter(tell, time.monotonic() + ARRIVAL_TIMEOUT)
            model = used_now(self._open(repo_id, revision, tqdm_class=reporter))
        return self._keep(model)

    @contextmanager
    def _door(self) -> Iterator[None]:
        """One model comes in at a time, of all studios that share the cache, so that budgets hold.

        Raises:
            OSError: too many come in.
        """
        self.cache_dir.mkdir(parents=True, exist_ok=True)
        door = FileLock(self.cache_dir / LOCK_NAME, timeout=ARRIVAL_TIMEOUT, mode=0o666)
        try:
            door.acquire()
        except Timeout as error:
            raise OSError("other models are coming in at this moment: try again in a minute") from error
        try:
            yield
        finally:
            door.release()

    def _lies_here(self, repo_id: str, revision: str) -> bool:
        """Whether a commit's files are on the disk, with all that its repository has beside the model."""
        return bool(COMMIT.fullmatch(revision)) and all(
            try_to_load_from_cache(repo_id, name, self.cache_dir, revision) is not None for name in files_beside()
        )

    def _open(self, repo_id: str, revision: str | None, **options: Any) -> LoadedModel:
        try:
            return load_hub_model(
                repo_id,
                revision,
                self.device,
                token=False,
                cache_dir=self.cache_dir,
                largest=self.largest,
                **options,
            )
        except ValueError as error:  # where it lies here is nobody's business
            message = re.sub(rf"{re.escape(str(self.cache_dir))}\S*/", f"{repo_id}: ", str(error))
            raise ValueError(message) from error

    def _keep(self, model: LoadedModel) -> LoadedModel:
        """Put a model in memory, unless it is there; those used longest ago go, while all take too much."""
        with self.lock:
            key = model.label
            model = self.visiting.pop(key, model)
            self.visiting[key] = model
            while len(self.visiting) > 1 and sum(kept.memory for kept in self.visiting.values()) > self.memory:
                self.visiting.popitem(last=False)
        return model

    def _make_room(self) -> None:
        """Delete what visitors used longest ago from the disk, until the largest model would fit."""
        repositories = sorted(self.cache_dir.glob("models--*"), key=_last_used)
        sizes = {folder: _size_on_disk(folder) for folder in repositories}
        while repositories and sum(sizes.values()) > self.disk - self.largest:
            oldest = repositories.pop(0)
            del sizes[oldest]
            shutil.rmtree(oldest, ignore_errors=True)


def _last_used(folder: Path) -> float:
    with suppress(FileNotFoundError):
        return folder.stat().st_mtime
    return 0.0  # somebody has deleted it since


def _size_on_disk(folder: Path) -> int:
    size = 0
    for place, _, names in os.walk(folder):
        for name in names:
            path = Path(place, name)
            with suppress(FileNotFoundError):
                size += 0 if path.is_symlink() else path.lstat().st_size
    return size


def _reporter(tell: Tell | None, deadline: float) -> type[tqdm]:
    """A progress bar for `huggingface_hub` that prints nothing, tells how far it is, and gives up in the end."""

    class Reporter(tqdm):
        monitor_interval = 0  # no thread of its own for each

        def __init__(self, *args, **options):
            options.pop("name", None)
            super().__init__(*args, **{**options, "file": io.StringIO(), "disable": False})

        def update(self, n: float | None = 1) -> bool | None:
            if time.monotonic() > deadline:
                raise OSError(f"the model did not arrive within {ARRIVAL_TIMEOUT} seconds: try again later")
            shown = super().update(n)
            if tell and self.total:
                tell(min(1.0, self.n / self.total))
            return shown

    return Reporter


def used_now(model: LoadedModel) -> LoadedModel:
    """The model, whose folder on the disk is then the last that `_make_room` deletes."""
    with suppress(OSError):  # somebody else may own the cache
        os.utime(model.folder.parent.parent)
    return model
