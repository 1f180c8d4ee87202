"""The training pictures nearest to a picture: what the judge saw in each, in few numbers, beside a published model."""

import bisect
import io
import warnings
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import torch
from PIL import Image
from pydantic import AfterValidator, Field
from torch import Tensor

from artmodels.hub.companion import MOST_TOLD, Companion, bytes_told
from artmodels.io.safetensors_io import load_weights, shapes_only
from artmodels.io.schema import Schema, parse, printable
from artmodels.models.efficientnet import POOLED_DIM

NEIGHBOURS_NAME = "neighbours.safetensors"
MAX_PICTURES = 20_000
DIMENSIONS = 128  # of the 1,280 that the judge gives
THUMBNAIL, THUMBNAIL_QUALITY = 48, 60  # px, JPEG
MAX_THUMBNAIL_BYTES = 8_000  # of one JPEG
MAX_LABEL = 200  # characters
MAX_LABELS = MOST_TOLD - 1000  # bytes of all of them, which leaves room for what else is told
Label = Annotated[str, Field(max_length=MAX_LABEL), AfterValidator(printable)]
REMEDY = "build them anew with `evaluate --neighbours`, or delete the file"


@dataclass(frozen=True)
class Neighbours:
    """Training pictures as points `[N, K]`, in the judge's features less their mean, along their principal axes.

    `held_out` holds the distances `[M]`, in rising order, of held-out real pictures to their nearest training picture:
    what a new picture is to be compared with.
    """

    points: Tensor  # [N, K]
    mean: Tensor  # [D]
    axes: Tensor  # [D, K], orthonormal columns
    held_out: Tensor  # [M]
    labels: tuple[str, ...]  # what the collection calls each picture
    judge: int  # EfficientNet-Lite's number
    judge_resolution: int  # px at which it looked
    thumbnails: tuple[bytes, ...] | None = None  # a small JPEG of each, if the publisher may show them

    def nearest(self, features: Tensor, count: int) -> tuple[Tensor, Tensor]:
        """Distances and places `[M, count]` of the training pictures nearest to features `[M, D]`, nearest first."""
        points = (features.float() - self.mean) @ self.axes
        differences = points[:, None] - self.points[None]  # exact for copies, where cdist is not
        found = differences.norm(dim=2).topk(min(count, len(self.points)), dim=1, largest=False)
        return found.values, found.indices

    def originality(self, distance: float) -> tuple[float, float]:
        """A distance to the nearest training picture, over the held-out pictures' median, and the share nearer than it.

        1 and 0.5: as far from all training pictures as an unseen real one usually is; 0 and 0: a copy.
        """
        nearer = torch.searchsorted(self.held_out, torch.tensor(distance)).item()
        return distance / max(self.held_out.median().item(), 1e-9), nearer / len(self.held_out)

    def thumbnail(self, place: int) -> Image.Image | None:
        """The small picture, None where there is none or it is none: the file may be a stranger's."""
        if self.thumbnails is None:
            return None
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("error", Image.DecompressionBombWarning)
                with Image.open(io.BytesIO(self.thumbnails[place]), formats=("JPEG",)) as picture:
                    if max(picture.size) > 2 * THUMBNAIL:
                        return None
                    return picture.convert("RGB")
        except Exception:  # a decoder can raise anything
            return None


def find_neighbours(
    features: Tensor,
    held_out: Tensor,
    labels: tuple[str, ...],
    judge: int,
    judge_resolution: int,
    pictures: np.ndarray | None = None,
) -> Neighbours:
    """What is kept of training features `[N, D]`, at most 20,000 of them, and of held-out ones `[M, D]`.

    With `pictures`, `uint8 [N, H, W, 3]`, small pictures are kept too. Distances are those in the space of the 128
    principal axes of the training features. Labels are made so short that a file has room for them all.

    Raises:
        ValueError: more labels than features, or fewer than 2 pictures on a side.
    """
    if len(labels) != len(features) or min(len(features), len(held_out)) < 2:
        raise ValueError(f"neighbours need 2 or more pictures with a label each, found {len(features)}, {len(labels)}")
    if len(features) > MAX_PICTURES:
        kept = torch.arange(MAX_PICTURES) * len(features) // MAX_PICTURES
        labels = tuple(labels[place] for place in kept.tolist())
        features, pictures = features[kept], pictures[kept.numpy()] if pictures is not None else None
    mean = features.mean(dim=0)
    axes = torch.linalg.svd((features - mean).double(), full_matrices=False).Vh[:DIMENSIONS].T.float()
    points, mean, axes = (tensor.half().float() for tensor in ((features - mean) @ axes, mean, axes))  # as kept
    thumbnails = None if pictures is None else tuple(_jpeg(picture) for picture in pictures)
    found = Neighbours(points, mean, axes, torch.zeros(1), _short(labels), judge, judge_resolution, thumbnails)
    distances, _ = zip(*(found.nearest(part, 1) for part in held_out.split(16)), strict=True)
    return replace(found, held_out=torch.cat(distances).flatten().sort().values)


def _short(labels: tuple[str, ...]) -> tuple[str, ...]:
    """The labels' printable letters, as many from the start of each as fit into `MAX_LABELS` together."""
    printed = ["".join(letter for letter in label if letter.isprintable()) for label in labels]

    def cut(length: int) -> tuple[str, ...]:
        return tuple(text[:length] for text in printed)

    return cut(bisect.bisect_right(range(1, MAX_LABEL + 1), MAX_LABELS, key=lambda length: bytes_told(cut(length))))


def _jpeg(picture: np.ndarray) -> bytes:
    small, content = Image.fromarray(picture), io.BytesIO()
    small.thumbnail((THUMBNAIL, THUMBNAIL), Image.Resampling.LANCZOS)
    small.save(content, "JPEG", quality=THUMBNAIL_QUALITY)
    return content.getvalue()


def save_neighbours(folder: Path, neighbours: Neighbours) -> None:
    """Write `neighbours.safetensors`: half precision, the labels as JSON beside it.

    Raises:
        ValueError, OSError: those of `Companion.save`.
    """
    told = {key: getattr(neighbours, key) for key in ("labels", "judge", "judge_resolution")}
    state = {key: getattr(neighbours, key) for key in ("points", "mean", "axes", "held_out")}
    if neighbours.thumbnails is not None:
        sizes = torch.tensor([len(content) for content in neighbours.thumbnails])
        state["thumbnails"] = torch.frombuffer(bytearray(b"".join(neighbours.thumbnails)), dtype=torch.uint8)
        state["thumbnail_ends"] = sizes.cumsum(0)
    COMPANION.save(folder, state, {"neighbours": told})


class Told(Schema):
    """What a file says of its points."""

    labels: Annotated[tuple[Label, ...], Field(min_length=1, max_length=MAX_PICTURES)]
    judge: Annotated[int, Field(ge=0, le=2)]
    judge_resolution: Annotated[int, Field(ge=32, le=1024)]


def load_neighbours(folder: Path) -> Neighbours | None:
    """The neighbours that lie beside a model; None if there are none. They may be a stranger's.

    Raises:
        ValueError: too large, damaged, or not what `save_neighbours` writes.
    """
    path = COMPANION.find(folder)
    if path is None:
        return None
    header, (content,) = COMPANION.read(path, "neighbours")
    try:
        told = parse(Told, content, "what is told")
    except ValueError as error:
        raise ValueError(f"{path}: {error}: {REMEDY}") from error
    pictures, wide, axes, held_out = (
        len(told.labels),
        *(_size(header, *where) for where in (("mean", 0), ("axes", 1), ("held_out", 0))),
    )
    if not (wide == POOLED_DIM and 0 < axes <= DIMENSIONS and 0 < held_out <= MAX_PICTURES):
        raise ValueError(
            f"{path} has {axes} axes of {wide} features and {held_out} distances, where the judge gives {POOLED_DIM} "
            f"features: {REMEDY}"
        )
    with shapes_only():
        expected = {
            "points": torch.empty(pictures, axes),
            "mean": torch.empty(wide),
            "axes": torch.empty(wide, axes),
            "held_out": torch.empty(held_out),
        }
        if "thumbnails" in header:
            expected["thumbnails"] = torch.empty(_size(header, "thumbnails", 0), dtype=torch.uint8)
            expected["thumbnail_ends"] = torch.empty(pictures, dtype=torch.int64)
    state = load_weights(path, expected)
    thumbnails = _split(path, state.pop("thumbnails"), state.pop("thumbnail_ends")) if "thumbnails" in state else None
    state["held_out"] = state["held_out"].sort().values
    return Neighbours(
        **state,
        labels=told.labels,
        judge=told.judge,
        judge_resolution=told.judge_resolution,
        thumbnails=thumbnails,
    )


def _size(header: dict[str, Any], name: str, axis: int) -> int:
    """One side of a tensor, by the file's header; 0 where it is no such thing."""
    shape = header.get(name, {}).get("shape")
    size = shape[axis] if isinstance(shape, list) and len(shape) > axis else 0
    return size if type(size) is int and 0 <= size <= COMPANION.most_bytes else 0


def _split(path: Path, content: Tensor, ends: Tensor) -> tuple[bytes, ...]:
    sizes = torch.diff(ends, prepend=torch.zeros(1, dtype=torch.int64))
    if len(ends) == 0 or ends[-1] != len(content) or sizes.min() < 0 or sizes.max() > MAX_THUMBNAIL_BYTES:
        raise ValueError(f"{path}: the small pictures do not fit their sizes: {REMEDY}")
    whole, places = content.numpy().tobytes(), [0, *ends.tolist()]
    return tuple(whole[start:end] for start, end in pairwise(places))


COMPANION = Companion(
    "neighbours",
    NEIGHBOURS_NAME,
    48 * 1024**2,
    lambda folder, config: load_neighbours(folder),
    tensors=lambda found: [found.points, found.axes],
    remedy=REMEDY,
)
