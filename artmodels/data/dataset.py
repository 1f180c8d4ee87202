"""A folder, a zip or a Hub data set of pictures -> styles, captions and one uint8 array on disk, read by memory map."""

import hashlib
import json
import math
import os
import secrets
import shutil
import sys
import warnings
from collections import deque
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from artmodels.data import procedural
from artmodels.data.collection import Collection, Entry, is_hub_source, open_files
from artmodels.data.decode import decode_picture, to_tensor
from artmodels.data.layout import TEST, TRAIN, VAL
from artmodels.io.device import usable_cores
from artmodels.io.files import LOCK_NAME, default_cache, flush_folder, in_turn, sha256

LAYOUT_VERSION = 5  # part of every cache key: raise it when what is read or decoded changes
PICTURES_NAME = "pictures.npy"
INDEX_NAME = "index.json"
SKIPPED_NAME = "skipped.tsv"
BUILDING = ".building-"
AHEAD = 2  # chunks of pictures a core that are decoded, or wait to be written
DAMAGE = (ValueError, LookupError, TypeError, EOFError, FileNotFoundError)  # what a torn array or index can raise
DIGEST_LENGTH = 16  # hex digits of a file's SHA-256 that are kept: enough to tell files apart


@dataclass(frozen=True)
class ArtDataset:
    """Square pictures with a style label each.

    `pictures` is `uint8 [P, H, W, 3]`, memory-mapped, and picture i lies in its row `rows[i]`; `labels` is `int64 [N]`
    into `styles`; `names` and `captions` are as in the source (captions may be empty), `file_digests` tell equal files
    from different ones; `skipped` pairs a file with the reason why it was left out.
    """

    pictures: np.ndarray
    rows: np.ndarray  # int64 [N]
    labels: np.ndarray
    styles: tuple[str, ...]
    names: tuple[str, ...]
    captions: tuple[str, ...]
    file_digests: tuple[str, ...]
    skipped: tuple[tuple[str, str], ...]
    digest: str  # of pictures, labels and style names: the same wherever the collection lies
    former_digest: str  # by which older versions knew it, of the pictures that were left out too
    folder: Path
    splits: tuple[str, ...] = ()  # of each picture, where the collection's own folders divide it

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def resolution(self) -> int:
        return self.pictures.shape[1]

    def batch(self, indices: np.ndarray | list[int] | range, device: torch.device | str = "cpu") -> Tensor:
        """Pictures as a tensor `[N, 3, H, W]` in [-1, 1], channels_last; they travel to the device as bytes."""
        return to_tensor(self.pictures[self.rows[indices]], device)

    def select(self, indices: np.ndarray) -> "ArtDataset":
        """Some of the pictures as a data set of their own, with all style names; nothing is copied."""

        def chosen(digest: str) -> str:
            return hashlib.sha256(f"{digest} {indices.tolist()}".encode()).hexdigest()

        return replace(
            self,
            rows=self.rows[indices],
            labels=self.labels[indices],
            names=tuple(self.names[index] for index in indices),
            captions=tuple(self.captions[index] for index in indices),
            file_digests=tuple(self.file_digests[index] for index in indices),
            splits=tuple(self.splits[index] for index in indices) if self.splits else (),
            digest=chosen(self.digest),
            former_digest=chosen(self.former_digest),
        )

    def style_counts(self) -> dict[str, int]:
        counts = np.bincount(self.labels, minlength=len(self.styles))
        return dict(zip(self.styles, counts.tolist(), strict=True))


def load_dataset(source: str | Path | None, resolution: int, cache: Path | None = None) -> ArtDataset:
    """Decode a folder, zip or Hub data set once, or find it decoded already; without a source, draw a procedural set.

    A sub-folder is a style (see `layout`); metadata (ImageFolder: `file_name`, `text`, `style` or `label`, see
    `metadata`) overrides it.

    Raises:
        FileNotFoundError: there is no such folder or file.
        ValueError: neither folder nor zip, damaged metadata, or no picture that can be used.
        OSError: the cache cannot be written, the Hub does not give the data set, or a picture cannot be read by a
            fault of the machine, not of the file.
    """
    cache = cache or default_cache()
    try:
        cache.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OSError(
            f"cannot keep decoded pictures in {cache} ({error.strerror}): name a folder by ARTMODELS_CACHE"
        ) from error
    if source is None:
        drawn = f"{procedural.COUNT_PER_STYLE}x{len(procedural.STYLES)}-v{LAYOUT_VERSION}"
        folder, build = cache / f"procedural-{resolution}px-{drawn}", partial(_build_procedural, resolution)
    else:
        collection = open_collection(source)
        key = hashlib.sha256(f"{LAYOUT_VERSION} {resolution} {collection.fingerprint}".encode()).hexdigest()[:24]
        folder = cache / f"{collection.name[:40]}-{resolution}px-{key}"
        build = partial(_build, collection, resolution)
        for note in collection.notes:
            print(f"{source}: {note}", file=sys.stderr)
    with suppress(*DAMAGE):  # it may be there as a whole: then a cache that may only be read will do
        return _open_built(folder)
    waiting = f"waiting for another process that decodes pictures into {cache}"
    with in_turn(cache / LOCK_NAME, waiting):  # of several that start together the first builds, the others wait
        for leftover in cache.glob(f"{BUILDING}*"):  # of a process that was killed: nobody else builds now
            shutil.rmtree(leftover, ignore_errors=True)
        if (folder / INDEX_NAME).is_file():
            try:
                return _open_built(folder)
            except DAMAGE:
                print(f"{folder} is damaged: built anew", file=sys.stderr)
                shutil.rmtree(folder, ignore_errors=True)
        build(folder)
    return _open_built(folder)


def divided(dataset: ArtDataset) -> tuple[ArtDataset, ArtDataset | None]:
    """What is trained on, and what is measured by, of a collection whose own folders divide it; else all, and None.

    Test pictures measure, or where there are none those for validation; where there are both, the latter are left out.
    So are pictures that would measure a style of which there is none to train on.
    """
    splits = np.array(dataset.splits)
    if not dataset.splits or TRAIN not in splits:
        return dataset, None
    measuring = TEST if TEST in splits else VAL
    trained_on, measured_by = (np.flatnonzero(splits == split) for split in (TRAIN, measuring))
    known = np.unique(dataset.labels[trained_on])  # a style that only measures would be one that nothing trains
    measured_by = measured_by[np.isin(dataset.labels[measured_by], known)]
    numbers = np.zeros(len(dataset.styles), dtype=np.int64)
    numbers[known] = np.arange(len(known))
    styles = tuple(dataset.styles[label] for label in known)
    train, test = (
        replace(part, styles=styles, labels=numbers[part.labels])
        for part in (dataset.select(trained_on), dataset.select(measured_by))
    )
    return train, test if len(test) else None


def open_collection(source: str | Path) -> Collection:
    """Find the pictures of a folder, a zip or a Hub data set and their styles.

    Raises:
        FileNotFoundError: there is no such folder or file.
        ValueError: not a folder or zip, damaged metadata, or no picture in it.
        OSError: the Hub does not give the data set, or cannot be reached.
    """
    if is_hub_source(source):
        from artmodels.data.hub_dataset import open_hub_collection  # a library that folders do not need

        return open_hub_collection(str(source))
    return open_files(Path(source).resolve())


# --- the array on disk -----------------------------------------------------------------------------------------------


@contextmanager
def _building(folder: Path) -> Iterator[Path]:
    """A folder beside the final one, renamed at the end: a killed build leaves nothing that looks finished.

    Several processes may build the same at once; the first to finish wins, and the others' work is the same.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    building = folder.with_name(BUILDING + secrets.token_hex(4))
    building.mkdir()  # with what the umask leaves: a cache may be shared
    try:
        yield building
        flush_folder(building)
        try:
            building.rename(folder)
        except OSError:
            if not (folder / INDEX_NAME).is_file():  # a torn folder, not another process's whole one
                shutil.rmtree(folder, ignore_errors=True)
                building.rename(folder)
    finally:
        shutil.rmtree(building, ignore_errors=True)


def _create_array(path: Path, shape: tuple[int, ...]) -> np.memmap:
    """An array on disk whose space is taken at once: a full disk is an error here, not a crash while writing."""
    array = np.lib.format.open_memmap(path, mode="w+", dtype=np.uint8, shape=shape)
    if hasattr(os, "posix_fallocate"):
        with path.open("r+b") as file:
            os.posix_fallocate(file.fileno(), 0, path.stat().st_size)
    return array


def _build(collection: Collection, resolution: int, folder: Path) -> None:
    with _building(folder) as building:
        path = building / PICTURES_NAME
        kept, digests, skipped = _decode_all(collection, resolution, path)
        if not kept:
            name, reason = skipped[0]
            raise ValueError(
                f"{collection.source}: none of its {len(collection.entries)} pictures can be used; "
                f"the first, {name}: {reason}"
            )
        former_sha256 = ""
        if len(kept) < len(collection.entries):
            former_sha256 = sha256(path)
            _keep_first(path, len(kept))
        _write_index(building, kept, digests, skipped, former_sha256)


def _decode_all(
    collection: Collection, resolution: int, path: Path
) -> tuple[list[Entry], list[str], list[tuple[str, str]]]:
    """Write the pictures that can be used to `path`: which, their files' digests, and what was left out.

    Decoding runs in threads, since Pillow releases the lock.
    """
    workers = usable_cores()
    entries = collection.entries
    chunks = [entries[start : start + 64] for start in range(0, len(entries), 64)]
    kept: list[Entry] = []
    digests: list[str] = []
    skipped = list(collection.refused)

    def decode(content: bytes | str) -> tuple[np.ndarray, str] | str:
        if isinstance(content, str):
            return content
        try:
            picture = decode_picture(content, resolution)
            if (picture == picture[0, 0]).all():
                return "one colour only: white art on a transparent ground, or a blank first frame?"
            return picture, hashlib.sha256(content).hexdigest()[:DIGEST_LENGTH]
        except ValueError as error:
            return str(error)

    def decode_chunk(chunk: tuple[Entry, ...]) -> list[tuple[np.ndarray, str] | str]:
        names, results = [entry.name for entry in chunk], []
        try:
            for _, content in collection.read(names):
                results.append(decode(content))
        except (OSError, MemoryError) as error:  # not of the file: it would be left out for ever
            why = "out of memory" if isinstance(error, MemoryError) else getattr(error, "strerror", None) or error
            raise OSError(
                f"{collection.source}: {names[len(results)]} cannot be read at this moment ({why}): mend that, or take "
                "it away, and start again"
            ) from error
        return results

    pictures = _create_array(path, (len(entries), resolution, resolution, 3))
    with (
        warnings.catch_warnings(),
        ThreadPoolExecutor(workers) as pool,
        tqdm(total=len(entries), desc="decoding pictures", unit=" pictures") as bar,
    ):
        warnings.simplefilter("ignore")  # Pillow's remarks on single files would tear the bar
        coming = deque(pool.submit(decode_chunk, chunk) for chunk in chunks[: AHEAD * workers])
        for number, chunk in enumerate(chunks, start=AHEAD * workers):  # no more than that waits in memory for its turn
            results = coming.popleft().result()
            if number < len(chunks):
                coming.append(pool.submit(decode_chunk, chunks[number]))
            for entry, result in zip(chunk, results, strict=True):
                if isinstance(result, str):
                    skipped.append((entry.name, result))
                else:
                    pictures[len(kept)], digest = result
                    kept.append(entry)
                    digests.append(digest)
            bar.update(len(chunk))
    pictures.flush()
    return kept, digests, skipped


def _keep_first(path: Path, count: int) -> None:
    """Shorten an array on disk to its first pictures, as if it had been made for them alone."""
    shape = (count, *np.load(path, mmap_mode="r").shape[1:])
    with path.open("r+b") as file:
        np.lib.format.write_array_header_1_0(file, {"descr": "|u1", "fortran_order": False, "shape": shape})
        file.truncate(file.tell() + math.prod(shape))


def _write_index(
    folder: Path, kept: list[Entry], digests: list[str], skipped: list[tuple[str, str]], former_sha256: str = ""
) -> None:
    styles = sorted({entry.style for entry in kept})
    label = {style: index for index, style in enumerate(styles)}
    index = {
        "sha256": (digest := sha256(folder / PICTURES_NAME)),
        "former_sha256": former_sha256 or digest,
        "styles": styles,
        "labels": [label[entry.style] for entry in kept],
        "names": [entry.name for entry in kept],
        "captions": [entry.caption for entry in kept],
        "file_digests": digests,
        "splits": [entry.split for entry in kept] if any(entry.split for entry in kept) else [],
        "skipped": skipped,
    }
    (folder / INDEX_NAME).write_text(json.dumps(index, ensure_ascii=False), "utf-8", "backslashreplace")
    lines = ["\t".join(part.replace("\t", " ").replace("\n", " ") for part in pair) for pair in skipped]
    (folder / SKIPPED_NAME).write_text("\n".join(["file\treason", *lines]) + "\n", "utf-8", "backslashreplace")


def _open_built(folder: Path) -> ArtDataset:
    index = json.loads((folder / INDEX_NAME).read_text("utf-8"))
    count = len(index["labels"])
    pictures = np.load(folder / PICTURES_NAME, mmap_mode="r")[:count]
    parts = [pictures, *(index[name] for name in ("names", "captions", "file_digests"))]
    if not count or any(len(part) != count for part in parts) or len(index["splits"]) not in (0, count):
        raise ValueError("its parts do not fit together")

    def digest(of_pictures: str) -> str:
        return hashlib.sha256(repr([of_pictures, index["labels"], index["styles"]]).encode()).hexdigest()

    return ArtDataset(
        pictures=pictures,
        rows=np.arange(count),
        labels=np.asarray(index["labels"], dtype=np.int64),
        styles=tuple(index["styles"]),
        names=tuple(index["names"]),
        captions=tuple(index["captions"]),
        file_digests=tuple(index["file_digests"]),
        skipped=tuple((name, reason) for name, reason in index["skipped"]),
        splits=tuple(index["splits"]),
        digest=digest(index["sha256"]),
        former_digest=digest(index.get("former_sha256", index["sha256"])),
        folder=folder,
    )


def _build_procedural(resolution: int, folder: Path) -> None:
    """The built-in set of drawn pictures, for newcomers and tests: four named styles from one seed."""
    entries = [
        Entry(f"{style}/{index:04d}", style, f"{style.replace('-', ' ')} number {index}")
        for style in sorted(procedural.STYLES)
        for index in range(procedural.COUNT_PER_STYLE)
    ]
    with _building(folder) as building:
        pictures = _create_array(building / PICTURES_NAME, (len(entries), resolution, resolution, 3))
        for place, entry in enumerate(tqdm(entries, desc="drawing pictures", unit=" pictures")):
            pictures[place] = procedural.draw(entry.style, int(entry.name.rpartition("/")[2]), resolution)
        pictures.flush()
        digests = [hashlib.sha256(entry.name.encode()).hexdigest()[:DIGEST_LENGTH] for entry in entries]
        _write_index(building, entries, digests, [])
