"""Files that speak of the pictures beside them: metadata.jsonl, metadata.csv, and the StyleGAN tools' dataset.json."""

import csv
import io
import json
import re
import unicodedata
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path, PurePosixPath
from typing import Any

from artmodels.data.sources import Refusals

METADATA_NAMES = ("metadata.jsonl", "metadata.csv", "dataset.json")
FILE_COLUMNS = ("file_name", "filename", "file", "image", "path")
STYLE_COLUMNS = ("style", "label", "labels", "genre", "class", "category", "artist")
CAPTION_COLUMNS = ("text", "caption", "title", "description", "prompt")
EXAMPLE = '{"file_name": "a.jpg", "text": "a caption", "style": "a style"}'

Records = dict[str, dict[str, str]]  # a picture's path -> its text and its style, "" where they are not told


def read_metadata(
    path: Path, files: Iterable[tuple[str, bytes | str]], pictures: list[str]
) -> tuple[Records, Refusals]:
    """What the metadata files say of pictures; each speaks of those beside and below it.

    A name is matched exactly, or else where only one picture can be meant: by its letters' composed form and whatever
    their case, with slashes for backslashes, without a suffix, or by the end of an absolute path.

    Raises:
        ValueError: a file is damaged, of another encoding or form, or most of its lines match no picture.
    """
    records: Records = {}
    refused: Refusals = []
    finder = Finder(pictures)
    for name, content in files:
        if isinstance(content, str):
            raise ValueError(f"{path}: {name} is {content}; mend it or take it away")
        folder, lost, count = PurePosixPath(name).parent, [], 0
        for file_name, record in READERS[PurePosixPath(name).name](f"{path}: {name}", decoded(path, name, content)):
            count += 1
            found = finder.find(folder, file_name)
            if found is None:
                lost.append(file_name)
            else:
                told = {column: text for column, text in record.items() if text}
                records[found] = {**records.get(found, {}), **told}
        if len(lost) > count / 2:
            nearby = next((each for each in pictures if PurePosixPath(each).parent == folder), pictures[0])
            raise ValueError(
                f"{path}: {len(lost)} of the {count} lines of {name} name no picture, like {lost[0][:80]!r}; names are "
                f"looked for from its folder on, where there is {nearby[:80]!r}: mend the names, or take the file away"
            )
        if lost:
            refused.append((name, f"{len(lost)} of its lines name no picture here, like {lost[0][:80]}"))
    return records, refused


def decoded(path: Path, name: str, content: bytes) -> str:
    """The text of a metadata file.

    Raises:
        ValueError: it is not UTF-8; the message names what it seems to be.
    """
    if content[:2] in (b"\xff\xfe", b"\xfe\xff") or b"\0" in content[:200]:
        raise ValueError(f"{path}: {name} is UTF-16: save it as UTF-8")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise ValueError(
            f"{path}: {name} is not UTF-8 (line {line}; Latin-1, or another code page?): save it as UTF-8"
        ) from error


class Finder:
    """Pictures by the names that people give them."""

    def __init__(self, pictures: list[str]):
        self.exact = set(pictures)
        self.loose: dict[str, list[str]] = defaultdict(list)
        self.bare: dict[str, list[str]] = defaultdict(list)
        self.last: dict[str, list[str]] = defaultdict(list)
        for picture in pictures:
            loose = loosely(picture)
            self.loose[loose].append(picture)
            self.bare[str(PurePosixPath(loose).with_suffix(""))].append(picture)
            self.last[PurePosixPath(loose).name].append(picture)

    def find(self, folder: PurePosixPath, file_name: str) -> str | None:
        """The one picture that a name in a metadata file of this folder can mean; None if there is none, or several."""
        exact = (folder / file_name).as_posix()
        if exact in self.exact:
            return exact
        given = loosely(file_name)
        if not given:
            return None
        inside = str(PurePosixPath(loosely(folder.as_posix())) / given.lstrip("/"))
        for known, wanted in ((self.loose, inside), (self.bare, inside), (self.last, PurePosixPath(given).name)):
            if known is self.last and not is_absolute(given):
                continue
            if len(known.get(wanted, ())) == 1:
                return known[wanted][0]
        return None


def loosely(name: str) -> str:
    name = unicodedata.normalize("NFC", name).casefold().replace("\\", "/")
    return name.removeprefix("./")


def is_absolute(name: str) -> bool:
    return name.startswith("/") or name[1:3] == ":/"


def chosen(record: dict[str, Any], columns: tuple[str, ...]) -> str:
    """The first of some columns that a record tells, as text; nothing for null and NaN."""
    for column in columns:
        value = record.get(column)
        if value is not None and value == value and str(value).strip():
            return str(value)
    return ""


def _told(record: dict[str, Any]) -> dict[str, str]:
    return {"text": chosen(record, CAPTION_COLUMNS), "style": chosen(record, STYLE_COLUMNS)}


def _from_jsonl(what: str, text: str) -> Iterator[tuple[str, dict[str, str]]]:
    for found in re.finditer("[^\n]+", text):  # split, millions of empty lines would take hundreds of megabytes
        if not (line := found[0]).strip():
            continue
        try:
            record = json.loads(line)
            file_name = next(record[column] for column in FILE_COLUMNS if column in record)
            yield str(file_name), _told(record)
        except (ValueError, TypeError, AttributeError, RecursionError, StopIteration) as error:
            path, _, name = what.rpartition(": ")
            number = text.count("\n", 0, found.start()) + 1
            raise ValueError(
                f"{path}: line {number} of {name} should be JSON like {EXAMPLE}, found {line[:80]!r}"
            ) from error


def _from_csv(what: str, text: str) -> Iterator[tuple[str, dict[str, str]]]:
    try:
        rows = csv.DictReader(io.StringIO(text, newline=""), strict=True)
        column = next((name for name in FILE_COLUMNS if name in (rows.fieldnames or ())), None)
        if column is None:
            raise ValueError(
                f"{what} should begin with a line of column names, one of them file_name, found "
                f"{', '.join(rows.fieldnames or ())[:120]!r}"
            )
        for row in rows:
            if row.get(column):
                yield str(row[column]), _told(row)
    except csv.Error as error:
        raise ValueError(f"{what} is no table of comma-separated values ({error})") from error


def _from_stylegan(what: str, text: str) -> Iterator[tuple[str, dict[str, str]]]:
    """`{"labels": [["00000/img00000000.png", 6], ...]}`; null where there are none."""
    try:
        labels = json.loads(text).get("labels") or []
        for file_name, label in labels:
            yield str(file_name), {"style": f"label {label}" if isinstance(label, int) else str(label), "text": ""}
    except (ValueError, TypeError, AttributeError, RecursionError) as error:
        raise ValueError(
            f'{what} should be like {{"labels": [["00000/img00000000.png", 6], ...]}} ({str(error)[:80]}): mend it or '
            "take it away"
        ) from error


READERS: dict[str, Callable[[str, str], Iterator[tuple[str, dict[str, str]]]]] = {
    "metadata.jsonl": _from_jsonl,
    "metadata.csv": _from_csv,
    "dataset.json": _from_stylegan,
}
