"""Pictures found in a folder or a zip, with style and caption, not yet decoded."""

import hashlib
import json
import os
import re
import zipfile
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath

from artmodels.hub.download import HUB_ID, leads_out

PICTURE_SUFFIXES = frozenset((".jpg", ".jpeg", ".jfif", ".png", ".webp", ".bmp", ".tif", ".tiff", ".gif", ".avif"))
UNREAD_PICTURE_SUFFIXES = frozenset(
    (".heic", ".heif", ".jp2", ".jxl", ".psd", ".svg", ".eps", ".pdf", ".dng", ".cr2", ".nef")
)
MAX_FILE_BYTES = 400_000_000
MAX_METADATA_BYTES = 500_000_000
METADATA_NAME = "metadata.jsonl"


@dataclass(frozen=True)
class Entry:
    """One picture of a collection: its path inside, its style and its caption."""

    name: str
    style: str
    caption: str


@dataclass(frozen=True)
class Collection:
    """Pictures found but not yet decoded."""

    source: str  # for messages
    name: str  # for people who look into the cache
    entries: tuple[Entry, ...]
    refused: tuple[tuple[str, str], ...]
    fingerprint: str  # changes when a file is added, removed or rewritten
    read: Callable[[list[str]], Iterator[tuple[str, bytes | str]]]  # each file's bytes, or why it cannot be read


def is_hub_source(source: str | Path) -> bool:
    """Whether a source is the name of a data set on the Hub, like `user/paintings`; a path that exists is none."""
    name = str(source)
    return not Path(name).exists() and HUB_ID.fullmatch(re.split("[@?]", name, maxsplit=1)[0]) is not None


def open_files(path: Path) -> Collection:
    """Find the pictures of a folder or a zip, and their styles.

    Raises:
        FileNotFoundError: there is no such folder or file.
        ValueError: not a folder or zip, damaged metadata, or no picture in it.
    """
    if path.is_dir():
        files, refused = dict(_walk(path)), []
    elif path.is_file():
        try:
            with zipfile.ZipFile(path) as archive:
                members = [info for info in archive.infolist() if not info.is_dir()]
        except (zipfile.BadZipFile, OSError, ValueError) as error:
            raise ValueError(
                f"{path} is neither a folder nor a zip that can be opened ({error}): "
                "give a folder with one sub-folder per style, a flat folder, or a zip of either"
            ) from error
        refused = [(m.filename, "its path would leave the zip's folder") for m in members if leads_out(m.filename)]
        files = {m.filename: f"{m.file_size} {m.CRC}" for m in members if not leads_out(m.filename)}
    else:
        raise FileNotFoundError(f"{path}: there is no such folder or zip; check the path")

    names = [name for name in files if not _is_hidden(name)]
    pictures = [name for name in names if PurePosixPath(name).suffix.lower() in PICTURE_SUFFIXES]
    refused += [
        (name, "this format is not read: save it as PNG or JPEG")
        for name in names
        if PurePosixPath(name).suffix.lower() in UNREAD_PICTURE_SUFFIXES
    ]
    if not pictures:
        raise ValueError(_nothing_found(path, names))
    metadata = _read_metadata(path, names)
    if unmatched := sorted(metadata.keys() - set(pictures)):
        refused.append((METADATA_NAME, f"{len(unmatched)} of its lines name no picture here, like {unmatched[0][:80]}"))
    fingerprint = hashlib.sha256(repr([str(path), sorted(files.items())]).encode()).hexdigest()
    collection_name = path.name if path.is_dir() else path.stem
    entries = tuple(_with_styles(pictures, metadata, collection_name))
    reader = partial(_read, path, limit=MAX_FILE_BYTES)
    return Collection(str(path), path.stem, entries, tuple(refused), fingerprint, reader)


def _walk(folder: Path) -> Iterator[tuple[str, str]]:
    """Files below a folder, links followed but no folder twice, with a stamp that changes when a file does."""
    seen = set()
    for parent, subfolders, files in os.walk(folder, followlinks=True):
        seen.add(os.path.realpath(parent))
        subfolders[:] = sorted(name for name in subfolders if os.path.realpath(Path(parent, name)) not in seen)
        for name in sorted(files):
            path = Path(parent, name)
            with suppress(OSError):  # a link to nowhere
                stat = path.stat()
                yield path.relative_to(folder).as_posix(), f"{stat.st_size} {stat.st_mtime_ns}"


def _is_hidden(name: str) -> bool:
    return any(part.startswith(".") or part == "__MACOSX" for part in PurePosixPath(name).parts)


def _nothing_found(path: Path, names: list[str]) -> str:
    suffixes = Counter(PurePosixPath(name).suffix.lower() or "no suffix" for name in names)
    found = ", ".join(f"{count} {suffix}" for suffix, count in suffixes.most_common(5)) or "no file at all"
    return (
        f"{path} holds no picture: looked for {' '.join(sorted(PICTURE_SUFFIXES))} in it and its sub-folders, "
        f"found {found}; put the pictures into one sub-folder per style, or all into this folder"
    )


def _read_metadata(path: Path, names: list[str]) -> dict[str, dict[str, str]]:
    """Every `metadata.jsonl`, as path of a picture -> its record; a file speaks of the pictures beside and below it."""
    found = [name for name in names if PurePosixPath(name).name == METADATA_NAME]
    records = {}
    for name, content in _read(path, found, MAX_METADATA_BYTES):
        if isinstance(content, str):
            raise ValueError(f"{path}: {name} is {content}; mend it or take it away")
        for number, line in enumerate(content.decode("utf-8-sig", "replace").split("\n"), start=1):
            if not line.strip():
                continue
            try:
                record = json.loads(line)
                file_name, text = record["file_name"], record.get("text")
                style = next((record[key] for key in ("style", "label") if record.get(key) is not None), "")
            except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
                raise ValueError(
                    f'{path}: line {number} of {name} should be JSON like {{"file_name": "a.jpg", "text": "a caption", '
                    f'"style": "a style"}}, found {line[:80]!r}'
                ) from error
            key = (PurePosixPath(name).parent / str(file_name)).as_posix()
            records[key] = {"text": str(text or ""), "style": str(style)}
    return records


def _with_styles(pictures: list[str], metadata: dict[str, dict[str, str]], collection_name: str) -> Iterator[Entry]:
    """A picture's style: its metadata's, else its first folder below those that wrap all, else the collection."""
    parents = [PurePosixPath(name).parent.parts for name in pictures]
    wrapping = 0  # leading folders that all pictures share while each still has a folder below
    while all(len(parts) > wrapping + 1 for parts in parents) and len({parts[wrapping] for parts in parents}) == 1:
        wrapping += 1
    flat_name = collection_name
    if all(len(parts) == wrapping + 1 for parts in parents) and len({parts[wrapping] for parts in parents}) == 1:
        flat_name = parents[0][wrapping]
    for name, parts in zip(pictures, parents, strict=True):
        record = metadata.get(name, {})
        folder = parts[wrapping] if len(parts) > wrapping else flat_name
        style = (record.get("style") or folder).encode("utf-8", "replace").decode()  # file names may be no Unicode
        yield Entry(name, style, record.get("text", ""))


def _read(path: Path, names: list[str], limit: int) -> Iterator[tuple[str, bytes | str]]:
    if path.is_dir():
        for name in names:
            yield name, read_file(path / name, limit)
        return
    with zipfile.ZipFile(path) as archive:
        for name in names:
            yield name, read_zip_member(archive, name, limit)


def read_file(path: Path, limit: int) -> bytes | str:
    """A file's bytes, or the reason why it cannot be read."""
    try:
        return path.read_bytes() if path.stat().st_size <= limit else f"larger than {limit} bytes"
    except OSError as error:
        return f"unreadable: {error.strerror or error}"


def read_zip_member(archive: zipfile.ZipFile, name: str, limit: int) -> bytes | str:
    """A file's bytes out of a zip, or the reason why it cannot be read."""
    try:
        if archive.getinfo(name).file_size > limit:
            return f"larger than {limit} bytes when unpacked"
        return archive.read(name)
    except RuntimeError:
        return "encrypted"
    except Exception as error:  # zipfile passes on what zlib, bz2 and lzma raise, which share no base
        return f"damaged in the zip: {error or type(error).__name__}"
