"""Pictures found in a folder or a zip, with style and caption, not yet decoded."""

import re
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath

from artmodels.data.layout import drop_doubles, one_spelling, styles_and_splits
from artmodels.data.metadata import METADATA_NAMES, Records, read_metadata
from artmodels.data.sources import FolderSource, Refusals, ZipSource, fingerprint_of, hiding_folder
from artmodels.hub.download import HUB_ID

PICTURE_SUFFIXES = frozenset(
    (".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".webp", ".bmp", ".tif", ".tiff", ".gif", ".avif")
)
UNREAD_PICTURE_SUFFIXES = frozenset(
    (
        *(".heic", ".heif", ".jp2", ".jxl", ".psd", ".svg", ".eps", ".pdf", ".dng", ".cr2", ".nef", ".arw", ".raw"),
        *(".ppm", ".pgm", ".pbm", ".pnm", ".tga", ".pcx", ".ico", ".dds", ".exr", ".hdr", ".xcf", ".kra", ".clip"),
    )
)
MAX_FILE_BYTES = 400_000_000
MAX_METADATA_BYTES = 20_000_000  # of a file: read, JSON takes up to 24 times as much
MORE_METADATA_BYTES = 2000  # for each picture


@dataclass(frozen=True)
class Entry:
    """One picture of a collection: its path inside, its style, its caption, and its part of a divided collection."""

    name: str
    style: str
    caption: str
    split: str = ""  # "train", "val" or "test"; "" where the collection is not divided


@dataclass(frozen=True)
class Collection:
    """Pictures found but not yet decoded."""

    source: str  # for messages
    name: str  # for people who look into the cache
    entries: tuple[Entry, ...]
    refused: tuple[tuple[str, str], ...]
    fingerprint: str  # changes when a file is added, removed or rewritten
    read: Callable[[list[str]], Iterator[tuple[str, bytes | str]]]  # each file's bytes, or why it cannot be read
    notes: tuple[str, ...] = ()  # what was understood that its owner may want to know


def is_hub_source(source: str | Path) -> bool:
    """Whether a source is the name of a data set on the Hub, like `user/paintings`; a path that exists is none."""
    name = str(source)
    return not Path(name).exists() and HUB_ID.fullmatch(re.split("[@?]", name, maxsplit=1)[0]) is not None


def open_files(path: Path) -> Collection:
    """Find the pictures of a folder or a zip, their styles and captions, and how they are divided.

    Raises:
        FileNotFoundError: there is no such folder or file.
        ValueError: not a folder or zip, damaged metadata, or no picture in it.
    """
    if path.is_dir():
        source: FolderSource | ZipSource = FolderSource(path)
    elif path.is_file():
        source = ZipSource(path)
    else:
        raise FileNotFoundError(f"{path}: there is no such folder or zip; check the path")

    names = list(source.stamps)
    pictures = [name for name in names if _suffix(name) in PICTURE_SUFFIXES]
    refused = list(source.refused)
    for name in names:
        if _suffix(name) in UNREAD_PICTURE_SUFFIXES:
            refused.append((name, "this format is not read: save it as PNG or JPEG"))
        elif not _suffix(name):
            refused.append((name, "no suffix: if it is a picture, give it one, like .jpg"))
    hidden = Counter(hiding_folder(name) for name in source.hidden if _suffix(name) in PICTURE_SUFFIXES)
    for folder, count in hidden.items():
        if folder:
            refused.append((folder, f"its name begins with a dot, which hides it: its pictures ({count}) are left out"))
    if not pictures:
        raise ValueError(_nothing_found(path, names))
    found = [name for name in names if PurePosixPath(name).name in METADATA_NAMES]
    twice: Refusals = []
    if not found:  # what metadata speak of is all there on purpose
        pictures, twice = drop_doubles(pictures)
    most = MAX_METADATA_BYTES + MORE_METADATA_BYTES * len(pictures)
    records, unmatched = read_metadata(path, source.read(found, most), pictures)
    refused += [*unmatched, *twice]
    entries, notes = _entries(pictures, records, path.name if path.is_dir() else path.stem)
    reader = partial(source.read, limit=MAX_FILE_BYTES)
    return Collection(
        str(path), path.stem, entries, tuple(refused), fingerprint_of(path, source.stamps), reader, tuple(notes)
    )


def _suffix(name: str) -> str:
    return PurePosixPath(name).suffix.lower()


def _nothing_found(path: Path, names: list[str]) -> str:
    suffixes = Counter(_suffix(name) or "no suffix" for name in names)
    found = ", ".join(f"{count} {suffix}" for suffix, count in suffixes.most_common(5)) or "no file at all"
    return (
        f"{path} holds no picture: looked for {' '.join(sorted(PICTURE_SUFFIXES))} in it and its sub-folders, "
        f"found {found}; put the pictures into one sub-folder per style, or all into this folder"
    )


def _entries(pictures: list[str], records: Records, collection_name: str) -> tuple[tuple[Entry, ...], list[str]]:
    """Pictures with the style that their metadata tells, else that of their folder; and what is to be said of that."""
    told = [records.get(name, {}) for name in pictures]
    by_folder, splits = styles_and_splits(pictures, collection_name, styled=all("style" in record for record in told))
    # file names may be no Unicode
    wanted = [
        (record.get("style") or folder).encode("utf-8", "replace").decode()
        for record, folder in zip(told, by_folder, strict=True)
    ]
    styles, notes = one_spelling(wanted)
    if any(splits):
        counts = Counter(splits)
        parts = ", ".join(f"{counts[split]} in {split}" for split in sorted(counts))
        notes.append(f"its folders divide it: {parts}; what is for training alone is trained on")
    entries = tuple(
        Entry(name, style, record.get("text", ""), split)
        for name, style, record, split in zip(pictures, styles, told, splits, strict=True)
    )
    return entries, notes
