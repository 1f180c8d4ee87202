"""A model folder to the Hub, in one commit: by hand when it is finished, or behind a run that goes on training."""

import re
import shlex
import shutil
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path

from huggingface_hub import CommitOperationAdd, CommitOperationDelete, HfApi
from tqdm import tqdm

from artmodels.hub.card import checked_card
from artmodels.hub.companions import files_beside
from artmodels.hub.companions.directions import DIRECTIONS_NAME
from artmodels.hub.download import Unreachable, clear_hub_errors, parse_hub_id
from artmodels.hub.load import METRICS_NAME, read_metrics
from artmodels.hub.model_files import CARD_NAME, CONFIG_NAME, WEIGHTS_NAME
from artmodels.hub.onnx_files import onnx_names, onnx_of
from artmodels.hub.space import make_repository
from artmodels.hub.statement import Statement
from artmodels.hub.wheel import WHEEL_NAME, build_wheel
from artmodels.io.files import json_bytes, write_atomically

WAITS = (5, 20, 60)  # seconds between the attempts at the end of a run
SNAPSHOT_TRIES = 20  # half a second apart


def find_model_folder(path: Path) -> Path:
    """The published folder that a run folder, or the folder itself, names.

    Raises:
        FileNotFoundError: there is none.
    """
    for folder in (path / "model", path):
        if (folder / WEIGHTS_NAME).is_file() and (folder / METRICS_NAME).is_file():
            return folder
    raise FileNotFoundError(
        f"{path} holds no model to publish: expected a run folder, or a model folder with {WEIGHTS_NAME} and "
        f"{METRICS_NAME}, as train.py writes them"
    )


def publication(folder: Path, statement: Statement, onnx: bool = True) -> dict[str, Path | bytes]:
    """What would be pushed, as name in the repository -> file or content; nothing is written.

    The model, and what lies beside it, is loaded first, as strictly as anybody will load it.

    Raises:
        FileNotFoundError, ValueError: the model is not whole.
    """
    card = checked_card(folder, statement, WHEEL_NAME)
    files: dict[str, Path | bytes] = {name: folder / name for name in copied_files() if (folder / name).exists()}
    for name in files:
        if (folder / name).is_symlink() or not (folder / name).is_file():
            raise ValueError(f"{folder / name} is no regular file: put the file itself there, or take it away")
    said = json_bytes({**read_metrics(folder), "publication": asdict(statement)})
    files |= onnx_of(folder) if onnx else {}
    return {**files, METRICS_NAME: said, CARD_NAME: card.encode(), WHEEL_NAME: build_wheel()}


def copied_files() -> tuple[str, ...]:
    """What is pushed as it lies in the folder, besides card and wheel; metrics are written anew."""
    return CONFIG_NAME, WEIGHTS_NAME, "samples.png", *files_beside()


def publish(
    path: Path,
    repo_id: str,
    statement: Statement,
    *,
    private: bool | None = None,
    tag: str | None = None,
    token: str | None = None,
    prepare: Callable[[Path], object] | None = None,
    onnx: bool = True,
) -> str:
    """Push a run's model, or a model folder, to the Hub in one commit; returns its address there.

    `prepare` gets the copy that is pushed first, to add what is still missing (see `find_directions.add_directions`
    and `export_onnx.add_onnx`).
    Card, `metrics.json` and directions of the folder then say the same as those on the Hub.

    Raises:
        FileNotFoundError, ValueError: no whole model, a tag that exists already, or a repository for everybody where it
            is to be private.
        OSError: the Hub refuses, or cannot be reached; nothing is half published, and a retry mends it.
    """
    repo_id, revision = parse_hub_id(repo_id)
    if revision:
        raise ValueError(f"publish to {repo_id}, without @{revision}; --tag {revision} names what is pushed")
    folder = find_model_folder(path)
    with tempfile.TemporaryDirectory(prefix="artmodels-") as temporary:
        copy = snapshot(folder, Path(temporary) / "model")
        if prepare:
            prepare(copy)
        files = publication(copy, statement_for(copy, repo_id, statement), onnx)
        api = HfApi(token=token)
        with clear_hub_errors(repo_id):
            make_repository(api, repo_id, private)
            if tag and tag in {reference.name for reference in api.list_repo_refs(repo_id).tags}:
                raise ValueError(f"{repo_id} has a tag {tag} already, and a tag stays where it is: choose another")
            operations: list[CommitOperationAdd | CommitOperationDelete] = [
                CommitOperationAdd(name, content) for name, content in files.items()
            ]
            stale = {name for name in api.list_repo_files(repo_id) if is_ours(name)} - files.keys()
            operations += [CommitOperationDelete(name) for name in sorted(stale)]
            commit = api.create_commit(repo_id, operations, commit_message=_message(copy))
        if (folder / METRICS_NAME).read_bytes() == (copy / METRICS_NAME).read_bytes():
            say_the_same(folder, files)
    if tag:
        try:
            with clear_hub_errors(repo_id):
                api.create_tag(repo_id, tag=tag, revision=commit.oid)
        except OSError as error:
            raise OSError(f"{repo_id} is pushed ({commit.oid[:12]}), but not tagged {tag}: {error}") from error
    return f"{api.endpoint}/{repo_id}" + (f"/tree/{tag}" if tag else "")


def snapshot(folder: Path, copy: Path) -> Path:
    """A copy of a model folder as it is at one moment, though a run may replace it at any; links stay links.

    Raises:
        OSError: the folder cannot be read, or changes again and again.
    """
    for _ in range(SNAPSHOT_TRIES):
        before = _stamps(folder)
        shutil.rmtree(copy, ignore_errors=True)
        with suppress(FileNotFoundError, shutil.Error):  # of a folder that is replaced at this moment
            shutil.copytree(folder, copy, symlinks=True)
            if before and before == _stamps(folder):
                return copy
        time.sleep(0.5)
    raise OSError(f"{folder} changes while it is copied: try again when nothing writes there")


def _stamps(folder: Path) -> list[tuple[Path, int, int]]:
    """What tells two states of a folder's files apart; nothing while it is not there."""
    with suppress(FileNotFoundError):
        found = [(path, path.lstat()) for path in sorted(folder.rglob("*"))]
        return [(path, status.st_ino, status.st_mtime_ns) for path, status in found]
    return []


def say_the_same(folder: Path, files: dict[str, Path | bytes]) -> None:
    """Keep directions, `metrics.json` and card as they were pushed; a folder that cannot be written is no complaint."""
    with suppress(OSError):
        if DIRECTIONS_NAME in files and not (folder / DIRECTIONS_NAME).exists():
            write_atomically(folder / DIRECTIONS_NAME, content_of(files[DIRECTIONS_NAME]))
        for name in (METRICS_NAME, CARD_NAME):
            write_atomically(folder / name, content_of(files[name]))


def content_of(file: Path | bytes) -> bytes:
    """What a file of a `publication` holds."""
    return file.read_bytes() if isinstance(file, Path) else file


def is_ours(name: str) -> bool:
    """Whether a file of a repository is one that publishing writes, and so may be taken away by it."""
    return name in (*copied_files(), *onnx_names(), CARD_NAME) or bool(
        re.fullmatch(r"artmodels-[\w.]+-py3-none-any\.whl", name)
    )


def statement_for(folder: Path, repo_id: str, statement: Statement) -> Statement:
    """What is said now, over what was said when the model was published before."""
    return Statement(repo_id=repo_id).over(statement).over(Statement.of(read_metrics(folder)))


def _message(folder: Path) -> str:
    return f"A painter after {_images_behind(folder) or 0:,} images"


class RunPublisher:
    """Pushes a run's best model while the run goes on; a Hub that is away costs a warning, never the run."""

    def __init__(self, repo_id: str, statement: Statement, private: bool, every: int):
        self.repo_id = repo_id
        self.statement = statement
        self.private = private
        self.every = every  # images; 0: at the end alone
        self.offered = 0  # images seen when the last push began
        self.pushed: tuple[int | None, bool] | None = None  # which state of the model was pushed last
        self.thread: threading.Thread | None = None

    def offer(self, model: Path, images: int) -> None:
        """At a checkpoint: push the model in the background, if it is time, another, and the last push is over."""
        due = self.every and images - self.offered >= self.every
        busy = self.thread is not None and self.thread.is_alive()
        if not due or busy or _state_of(model) == self.pushed:
            return
        self.offered = images
        copy = None
        try:  # here, since training will replace the folder
            copy = Path(tempfile.mkdtemp(prefix="artmodels-"))
            shutil.copytree(model, copy / "model")
        except OSError as error:
            if copy:
                shutil.rmtree(copy, ignore_errors=True)
            _say(f"warning: not pushed to {self.repo_id}, training goes on: {error}")
            return
        self.thread = threading.Thread(target=self._push_copy, args=(copy,), daemon=True)
        self.thread.start()

    def _push_copy(self, copy: Path) -> None:
        try:
            self._push(copy / "model")
        except Exception as error:  # whatever it is, the run is worth more
            _say(f"warning: not pushed to {self.repo_id}, training goes on: {error}")
        finally:
            shutil.rmtree(copy, ignore_errors=True)

    def _push(self, model: Path) -> None:
        state = _state_of(model)
        address = publish(model, self.repo_id, self.statement, private=self.private or None, onnx=False)
        self.pushed = state
        _say(f"pushed to {address}")

    def finish(self, output: Path) -> None:
        """At the end of the run: push the best model, in several attempts; if all fail, say how to do it by hand."""
        if self.thread:
            self.thread.join()
        model = output / "model"
        if _state_of(model) == self.pushed:
            say_the_same(model, publication(model, statement_for(model, self.repo_id, self.statement)))
            return
        for wait in (*WAITS, None):
            try:
                self._push(model)
                return
            except Exception as error:
                if wait is None or not isinstance(error, OSError):
                    _say(f"warning: not pushed: {error}; when that is mended: {self._by_hand(output)}")
                    return
                _say(f"warning: not pushed yet ({error}); again in {wait} s")
                time.sleep(wait)

    def _by_hand(self, output: Path) -> str:
        """The command that does what failed."""
        said = {f"--{name.replace('_', '-')}": value for name, value in asdict(self.statement).items() if value}
        flags = [*(part for pair in said.items() for part in pair), *(["--private"] if self.private else [])]
        return shlex.join(["python", "-m", "artmodels", "publish", str(output), self.repo_id, *flags])


def _say(message: str) -> None:
    tqdm.write(message, file=sys.stderr)  # the run's bar may stand there


def _images_behind(model: Path) -> int | None:
    return read_metrics(model).get("training", {}).get("images")


def _state_of(model: Path) -> tuple[int | None, bool]:
    """What tells one published average of a run from the next: the images behind it, and whether it has directions."""
    return _images_behind(model), (model / DIRECTIONS_NAME).is_file()


def check_push_target(repo_id: str, token: str | None = None) -> None:
    """Before a run begins: refuse a name that is no Hub id, or a missing login; a Hub that is away may come back.

    Raises:
        ValueError: see above.
    """
    _, revision = parse_hub_id(repo_id)
    if revision:
        raise ValueError(f"--push-to-hub {repo_id}: a run pushes to the main branch, leave out @{revision}")
    try:
        with clear_hub_errors(repo_id):
            HfApi(token=token).whoami()
    except Unreachable as error:
        print(f"warning: {error}; the run will try again when it has something to push", file=sys.stderr)
    except OSError as error:
        raise ValueError(f"--push-to-hub {repo_id}: {error}") from error
