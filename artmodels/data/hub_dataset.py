"""Pictures of a data set on the Hub, read by the `datasets` library: parquet or an image folder."""

import hashlib
import os
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

from huggingface_hub import HfApi, constants

from artmodels.data.collection import MAX_FILE_BYTES, Collection, Entry
from artmodels.data.metadata import CAPTION_COLUMNS, STYLE_COLUMNS
from artmodels.data.sources import read_file, read_zip_member
from artmodels.hub.download import COMMIT, Unreachable, clear_hub_errors, hub_label, parse_hub_id

if TYPE_CHECKING:
    from datasets import Dataset, Features

QUERY = ("split", "image", "style", "caption")


@dataclass(frozen=True)
class HubSource:
    """What `user/paintings@v1?split=train&style=artist` asks for."""

    repo_id: str
    revision: str | None
    split: str | None = None
    image: str | None = None
    style: str | None = None
    caption: str | None = None


def parse_source(text: str) -> HubSource:
    """A data set's Hub id, with an optional revision, and column names and a split after a question mark.

    Raises:
        ValueError: not of that form.
    """
    name, _, query = text.partition("?")
    repo_id, revision = parse_hub_id(name)
    asked = dict(parse_qsl(query, keep_blank_values=True))
    if unknown := sorted(asked.keys() - set(QUERY)):
        raise ValueError(f"{text[:120]}: {unknown[0]!r} is not among {', '.join(QUERY)}: try {name}?style=artist")
    return HubSource(repo_id, revision, **asked)


def open_hub_collection(text: str) -> Collection:
    """The pictures of a Hub data set, found but not yet decoded.

    Raises:
        ValueError: no such split or column, or no column with pictures; the message lists what there is.
        OSError: no such data set, no right to read it, or the Hub cannot be reached.
        ModuleNotFoundError: the `datasets` library is not installed.
    """
    source = parse_source(text)
    dataset = _load(source)
    image, style, caption = _columns(source, dataset.features)
    from datasets import Image

    pictures = dataset.select_columns([image]).cast_column(image, Image(decode=False))
    styles = _names(dataset, style) if style else [source.repo_id.partition("/")[2]] * len(dataset)
    captions = [str(value or "") for value in dataset[caption]] if caption else [""] * len(dataset)
    entries = tuple(
        Entry(f"{place:07d}", name, words) for place, (name, words) in enumerate(zip(styles, captions, strict=True))
    )
    identity = [source.repo_id, dataset._fingerprint, image, style, caption, len(dataset)]

    def read(names: list[str]) -> Iterator[tuple[str, bytes | str]]:
        for name, record in zip(names, pictures[[int(name) for name in names]][image], strict=True):
            yield name, _content(record)

    if not entries:
        raise ValueError(f"{text} holds no picture")
    fingerprint = hashlib.sha256(repr(identity).encode()).hexdigest()
    return Collection(text, source.repo_id.partition("/")[2], entries, (), fingerprint, read)


def _load(source: HubSource) -> "Dataset":
    import datasets
    from datasets.exceptions import DatasetBuildError, DatasetNotFoundError

    label = hub_label(source.repo_id, source.revision)
    commit = _commit(source, label)
    try:
        with clear_hub_errors(label):
            try:
                found = datasets.load_dataset(source.repo_id, revision=commit or source.revision)
            except DatasetBuildError as error:
                raise ValueError(str(error.__cause__ or error)) from error
    except DatasetNotFoundError as error:
        if "gated" in str(error):
            raise OSError(f"{label} is gated: ask for it on its page, then log in with `hf auth login`") from error
        raise _missing(label) from error
    except ConnectionError as error:
        raise _away(label) from error
    except ModuleNotFoundError:
        raise
    except (Unreachable, ValueError, OSError) as error:
        lines = str(error).strip().splitlines() or [type(error).__name__]
        raise ValueError(f"{label} cannot be read as a data set of pictures: {lines[0][:200]}") from error
    if source.revision:  # without a Hub the library takes whatever version it has
        files = [file["filename"] for split in found.values() for file in split.cache_files]
        if commit is None or not all(commit in Path(file).parts for file in files):
            raise _away(label)
    if source.split is None and "train" not in found and len(found) > 1:
        raise ValueError(
            f"{label} has no split `train`, but {', '.join(found)}: name one, {label}?split={next(iter(found))}"
        )
    split = source.split or ("train" if "train" in found else next(iter(found)))
    if split not in found:
        raise ValueError(f"{label} has no split {split[:60]!r}; it has {', '.join(found)}")
    return found[split]


def _commit(source: HubSource, label: str) -> str | None:
    """The commit behind a revision; None if the Hub cannot be asked."""
    if source.revision and COMMIT.fullmatch(source.revision):
        return source.revision
    try:
        with clear_hub_errors(label):
            return HfApi().dataset_info(source.repo_id, revision=source.revision).sha
    except Unreachable:
        return None
    except OSError as error:
        raise (_missing(label) if "shows no" in str(error) else error) from error


def _missing(label: str) -> OSError:
    return OSError(
        f"there is no folder {label}, and the Hub shows no such data set: check the spelling; if it is private, "
        "log in with `hf auth login`"
    )


def _away(label: str) -> Unreachable:
    return Unreachable(
        f"there is no folder {label}, no such data set in the cache, and the Hub cannot be reached: try again later"
    )


def _columns(source: HubSource, features: "Features") -> tuple[str, str | None, str | None]:
    """Names of the columns with pictures, styles and captions; named ones must be there, others are found."""
    from datasets import ClassLabel, Image, Value

    for name in (source.image, source.style, source.caption):
        if name is not None and name not in features:
            raise ValueError(f"{source.repo_id} has no column {name[:60]!r}; it has {', '.join(features)}")

    def texts(name: str) -> bool:
        feature = features.get(name)
        return isinstance(feature, ClassLabel) or (isinstance(feature, Value) and "string" in str(feature.dtype))

    image = source.image or next((name for name, feature in features.items() if isinstance(feature, Image)), None)
    if image is None or not isinstance(features[image], Image):
        raise ValueError(f"{source.repo_id} has no column with pictures; it has {', '.join(features)}")
    style = source.style or next((name for name in STYLE_COLUMNS if texts(name)), None)
    caption = source.caption or next((name for name in CAPTION_COLUMNS if texts(name) and name != style), None)
    return image, style, caption


def _names(dataset: "Dataset", column: str) -> list[str]:
    from datasets import ClassLabel

    feature, values = dataset.features[column], dataset[column]
    if isinstance(feature, ClassLabel):
        return [feature.int2str(value) if value is not None and value >= 0 else "unknown" for value in values]
    return ["unknown" if value is None or value == "" else str(value) for value in values]


def _content(record: dict[str, Any] | None) -> bytes | str:
    """A picture's bytes, or why there are none. A stranger's table may name any path: only the cache is read."""
    content, path = (record or {}).get("bytes"), (record or {}).get("path")
    if isinstance(content, bytes):
        return content if len(content) <= MAX_FILE_BYTES else f"larger than {MAX_FILE_BYTES} bytes"
    if not path:
        return "empty"
    inside, _, container = path.rpartition("::")  # zip://a.png::/cache/b.zip, of an image folder in a zip
    from datasets import config

    caches = (constants.HF_HUB_CACHE, config.HF_DATASETS_CACHE)
    if not any(Path(os.path.realpath(container)).is_relative_to(os.path.realpath(cache)) for cache in caches):
        return "its bytes are not in the data set, only a path of somebody's machine"
    try:
        if not inside:
            return read_file(Path(container), MAX_FILE_BYTES)
        with zipfile.ZipFile(container) as archive:
            return read_zip_member(archive, inside.removeprefix("zip://"), MAX_FILE_BYTES)
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
        return "its bytes are not in the data set, and its file is not in the cache"
    except (zipfile.BadZipFile, ValueError, NotImplementedError) as error:
        return f"its zip in the cache is damaged: {error}"
