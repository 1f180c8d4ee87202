"""A folder, a zip or a Hub data set of pictures -> styles, captions and one uint8 array on disk, read by memory map."""

import hashlib
import io
import json
import os
import re
import shutil
import tempfile
import warnings
import zipfile
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path, PurePosixPath

import numpy as np
import torch
from PIL import ExifTags, Image, ImageOps
from torch import Tensor
from tqdm import tqdm

from artmodels.data import procedural
from artmodels.hub.download import HUB_ID, leads_out
from artmodels.io.files import default_cache, flush_folder, in_turn, sha256

LAYOUT_VERSION = 3  # part of every cache key: raise it when decoding changes
SUFFIXES = frozenset((".jpg", ".jpeg", ".jfif", ".png", ".webp", ".bmp", ".tif", ".tiff", ".gif", ".avif"))
UNREAD_SUFFIXES = frozenset((".heic", ".heif", ".jp2", ".jxl", ".psd", ".svg", ".eps", ".pdf", ".dng", ".cr2", ".nef"))
FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "TIFF", "GIF", "AVIF")  # no format whose decoder starts other programs
MIN_SIDE = 16  # px; less is an icon, not an artwork
MAX_PIXELS = 170_000_000  # a 13,000 px square; Pillow itself stops a little above
ORIENTATIONS = {  # EXIF's number -> what sets the picture upright
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
MAX_FILE_BYTES = 400_000_000
MAX_METADATA_BYTES = 500_000_000
METADATA_NAME = "metadata.jsonl"
PICTURES_NAME = "pictures.npy"
INDEX_NAME = "index.json"
SKIPPED_NAME = "skipped.tsv"
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
    folder: Path

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def resolution(self) -> int:
        return self.pictures.shape[1]

    def batch(self, indices: np.ndarray, device: torch.device | str = "cpu") -> Tensor:
        """Pictures as a tensor `[N, 3, H, W]` in [-1, 1], channels_last; they travel to the device as bytes."""
        return to_tensor(self.pictures[self.rows[indices]], device)

    def select(self, indices: np.ndarray) -> "ArtDataset":
        """Some of the pictures as a data set of their own, with all style names; nothing is copied."""
        return replace(
            self,
            rows=self.rows[indices],
            labels=self.labels[indices],
            names=tuple(self.names[index] for index in indices),
            captions=tuple(self.captions[index] for index in indices),
            file_digests=tuple(self.file_digests[index] for index in indices),
            digest=hashlib.sha256(f"{self.digest} {indices.tolist()}".encode()).hexdigest(),
        )

    def style_counts(self) -> dict[str, int]:
        counts = np.bincount(self.labels, minlength=len(self.styles))
        return dict(zip(self.styles, counts.tolist(), strict=True))


def to_tensor(pictures: np.ndarray, device: torch.device | str = "cpu") -> Tensor:
    """`uint8 [N, H, W, 3]` to a float picture tensor `[N, 3, H, W]` in [-1, 1], channels_last."""
    levels = torch.from_numpy(np.ascontiguousarray(pictures)).to(device, non_blocking=True)
    return levels.permute(0, 3, 1, 2).float().div_(127.5).sub_(1)


def load_dataset(source: str | Path | None, resolution: int, cache: Path | None = None) -> ArtDataset:
    """Decode a folder, zip or Hub data set once, or find it decoded already; without a source, draw a procedural set.

    A sub-folder is a style; `metadata.jsonl` (ImageFolder: `file_name`, `text`, `style` or `label`) overrides it.

    Raises:
        FileNotFoundError: there is no such folder or file.
        ValueError: neither folder nor zip, damaged metadata, or no picture that can be used.
        OSError: the cache cannot be written, or the Hub does not give the data set.
    """
    cache = cache or default_cache()
    cache.mkdir(parents=True, exist_ok=True)
    if source is None:
        drawn = f"{procedural.COUNT_PER_STYLE}x{len(procedural.STYLES)}-v{LAYOUT_VERSION}"
        folder, build = cache / f"procedural-{resolution}px-{drawn}", partial(_build_procedural, resolution)
    else:
        collection = open_collection(source)
        key = hashlib.sha256(f"{LAYOUT_VERSION} {resolution} {collection.fingerprint}".encode()).hexdigest()[:24]
        folder = cache / f"{collection.name[:40]}-{resolution}px-{key}"
        build = partial(_build, collection, resolution)
    with in_turn(cache):  # of several processes that start together, the first builds and the others wait
        if not (folder / INDEX_NAME).is_file():
            build(folder)
    return _open_built(folder)


# --- where the pictures come from ------------------------------------------------------------------------------------


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
    path = Path(source).resolve()
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
    pictures = [name for name in names if PurePosixPath(name).suffix.lower() in SUFFIXES]
    refused += [
        (name, "this format is not read: save it as PNG or JPEG")
        for name in names
        if PurePosixPath(name).suffix.lower() in UNREAD_SUFFIXES
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
        f"{path} holds no picture: looked for {' '.join(sorted(SUFFIXES))} in it and its sub-folders, "
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


# --- from bytes to squares -------------------------------------------------------------------------------------------


def decode_picture(content: bytes, resolution: int, most: int = MAX_PIXELS) -> np.ndarray:
    """A picture file's bytes to a centred square `uint8 [resolution, resolution, 3]`.

    EXIF orientation is applied, alpha is laid over white, and grey, palette, CMYK and 16-bit become RGB; an animation
    gives its first frame. The file's picture may have `most` pixels.

    Raises:
        ValueError: not a picture, truncated, too small or too large; the message is the reason.
    """
    return _decode(content, resolution, lambda width, height: (resolution, resolution), most)


def decode_whole(content: bytes, longest: int, multiple: int = 8, most: int = MAX_PIXELS) -> np.ndarray:
    """Like `decode_picture`, in its own shape: `uint8 [H, W, 3]`, the longer side `longest` px, both of a `multiple`.

    What is longer than twice its width is cropped to that.

    Raises:
        ValueError: see `decode_picture`.
    """

    def size(width: int, height: int) -> tuple[int, int]:
        share = max(min(width, height) / max(width, height), 0.5)
        shorter = max(round(longest * share / multiple), 1) * multiple
        return (longest, shorter) if width >= height else (shorter, longest)

    return _decode(content, longest, size, most)


def _decode(content: bytes, resolution: int, size: Callable[[int, int], tuple[int, int]], most: int) -> np.ndarray:
    """A picture file's bytes, fitted to the width and height that `size` gives for those of the file, then upright."""
    Image.init()  # Pillow registers most formats only now; it does so once
    try:
        with Image.open(io.BytesIO(content), formats=FORMATS) as picture:
            width, height = picture.size
            if min(width, height) < MIN_SIDE:
                raise ValueError(f"too small: {width} x {height} px, at least {MIN_SIDE} are needed")
            if width * height > most:
                raise ValueError(f"too large: {width} x {height} px, at most {most // 10**6} megapixels")
            if picture.mode == "RGB":  # let the JPEG decoder skip detail that Lanczos would throw away
                picture.draft("RGB", (4 * resolution, 4 * resolution))
            factor = min(picture.size) // (4 * resolution)
            turn = ORIENTATIONS.get(picture.getexif().get(ExifTags.Base.Orientation))
            if factor > 1 and picture.mode in ("L", "RGB", "RGBA", "CMYK"):
                picture = picture.reduce(factor)
            fitted = ImageOps.fit(_to_rgb(picture), size(width, height), Image.Resampling.LANCZOS)
            return np.asarray(fitted if turn is None else fitted.transpose(turn))
    except ValueError:
        raise
    except Image.DecompressionBombError as error:
        raise ValueError(f"too large: at most {most // 10**6} megapixels") from error
    except Exception as error:  # a stranger's file can make a decoder raise anything
        raise ValueError(f"not a readable picture: {str(error)[:120] or type(error).__name__}") from error


def _to_rgb(picture: Image.Image) -> Image.Image:
    if picture.mode.startswith(("I", "F")):  # 16-bit, 32-bit and floating point greys: stretch what they span to 8 bits
        values = np.asarray(picture, dtype=np.float64)
        top = 65535.0 if picture.mode.startswith("I;16") or values.max() > 255 else 255.0
        if picture.mode == "F" and values.max() <= 1:
            top = 1.0
        values = np.nan_to_num(values / top).clip(0, 1) * 255 + 0.5
        return Image.fromarray(values.astype(np.uint8)).convert("RGB")
    if picture.has_transparency_data:
        picture = picture.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", picture.size, "white"), picture).convert("RGB")
    return picture.convert("RGB")


# --- the array on disk -----------------------------------------------------------------------------------------------


@contextmanager
def _building(folder: Path) -> Iterator[Path]:
    """A folder beside the final one, renamed at the end: a killed build leaves nothing that looks finished.

    Several processes may build the same at once; the first to finish wins, and the others' work is the same.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    building = Path(tempfile.mkdtemp(prefix=".building-", dir=folder.parent))
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


def _create_array(path: Path, shape: tuple[int, ...]) -> np.ndarray:
    """An array on disk whose space is taken at once: a full disk is an error here, not a crash while writing."""
    array = np.lib.format.open_memmap(path, mode="w+", dtype=np.uint8, shape=shape)
    if hasattr(os, "posix_fallocate"):
        with path.open("r+b") as file:
            os.posix_fallocate(file.fileno(), 0, path.stat().st_size)
    return array


def _build(collection: Collection, resolution: int, folder: Path) -> None:
    with _building(folder) as building:
        kept, digests, skipped = _decode_all(collection, resolution, building / PICTURES_NAME)
        if not kept:
            name, reason = skipped[0]
            raise ValueError(
                f"{collection.source}: none of its {len(collection.entries)} pictures can be used; "
                f"the first, {name}: {reason}"
            )
        _write_index(building, kept, digests, skipped)


def _decode_all(
    collection: Collection, resolution: int, path: Path
) -> tuple[list[Entry], list[str], list[tuple[str, str]]]:
    """Write the pictures that can be used to `path`: which, their files' digests, and what was left out.

    Decoding runs in threads, since Pillow releases the lock.
    """
    workers = os.cpu_count() or 1
    entries = collection.entries
    chunks = [entries[start : start + 64] for start in range(0, len(entries), 64)]
    kept: list[Entry] = []
    digests: list[str] = []
    skipped = list(collection.refused)

    def decode(content: bytes | str) -> tuple[np.ndarray, str] | str:
        if isinstance(content, str):
            return content
        try:
            return decode_picture(content, resolution), hashlib.sha256(content).hexdigest()[:DIGEST_LENGTH]
        except ValueError as error:
            return str(error)

    def decode_chunk(chunk: tuple[Entry, ...]) -> list[tuple[np.ndarray, str] | str]:
        return [decode(content) for _, content in collection.read([entry.name for entry in chunk])]

    pictures = _create_array(path, (len(entries), resolution, resolution, 3))
    with (
        warnings.catch_warnings(),
        ThreadPoolExecutor(workers) as pool,
        tqdm(total=len(entries), desc="decoding pictures", unit=" pictures") as bar,
    ):
        warnings.simplefilter("ignore")  # Pillow's remarks on single files would tear the bar
        for chunk, results in zip(chunks, pool.map(decode_chunk, chunks), strict=True):
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


def _write_index(folder: Path, kept: list[Entry], digests: list[str], skipped: list[tuple[str, str]]) -> None:
    styles = sorted({entry.style for entry in kept})
    label = {style: index for index, style in enumerate(styles)}
    index = {
        "sha256": sha256(folder / PICTURES_NAME),
        "styles": styles,
        "labels": [label[entry.style] for entry in kept],
        "names": [entry.name for entry in kept],
        "captions": [entry.caption for entry in kept],
        "file_digests": digests,
        "skipped": skipped,
    }
    (folder / INDEX_NAME).write_text(json.dumps(index, ensure_ascii=False), "utf-8", "backslashreplace")
    lines = ["\t".join(part.replace("\t", " ").replace("\n", " ") for part in pair) for pair in skipped]
    (folder / SKIPPED_NAME).write_text("\n".join(["file\treason", *lines]) + "\n", "utf-8", "backslashreplace")


def _open_built(folder: Path) -> ArtDataset:
    index = json.loads((folder / INDEX_NAME).read_text("utf-8"))
    count = len(index["labels"])
    return ArtDataset(
        pictures=np.load(folder / PICTURES_NAME, mmap_mode="r")[:count],
        rows=np.arange(count),
        labels=np.asarray(index["labels"], dtype=np.int64),
        styles=tuple(index["styles"]),
        names=tuple(index["names"]),
        captions=tuple(index["captions"]),
        file_digests=tuple(index["file_digests"]),
        skipped=tuple((name, reason) for name, reason in index["skipped"]),
        digest=hashlib.sha256(repr([index["sha256"], index["labels"], index["styles"]]).encode()).hexdigest(),
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
