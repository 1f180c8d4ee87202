"""What pictures of a style have in common, as a frozen network's layers see it: a companion of a published model."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from artmodels.hub.companion import Companion
from artmodels.io.safetensors_io import load_weights, shapes_only
from artmodels.models.efficientnet import texture_channels

STATISTICS_NAME = "style_statistics.safetensors"
FORMAT = 1
SIZES = (128, 256)  # px at which the paintings of a style are looked at
DIRECTIONS = 64  # unit vectors of a layer's features, along which it is looked at
PALETTE_DIRECTIONS = 16
QUANTILES = 32  # of the values along each
METADATA_KEY = "style_statistics"
LARGEST = 1e4  # a feature, or a colour, of no picture at all
REMEDY = "make it anew with `python -m artmodels styles`, or delete the file"


@dataclass(frozen=True)
class StyleRepresentation:
    """How a picture is painted, wherever in it: the distributions of its colours and of each layer's features.

    A layer's features are brought to `mean` and `scale` and then looked at along fixed directions, of which the
    quantiles are kept.
    """

    means: tuple[Tensor, ...]  # [C] of each layer
    scales: tuple[Tensor, ...]  # [C], above 0
    quantiles: tuple[Tensor, ...]  # [DIRECTIONS, QUANTILES]
    palette: Tensor  # [PALETTE_DIRECTIONS, QUANTILES] of the colours of pixels


@dataclass(frozen=True)
class StyleStatistics:
    """How pictures of each of a model's styles are painted."""

    styles: tuple[str, ...]
    representations: tuple[tuple[StyleRepresentation, ...], ...]  # of each style, at each of `SIZES`
    sha256: str  # of their file

    def representation(self, style: str) -> tuple[StyleRepresentation, ...]:
        """How one style is painted, at each of `SIZES`.

        Raises:
            ValueError: there is no such style; the message lists those there are.
        """
        if style not in self.styles:
            raise ValueError(f"no style {str(style)[:80]!r} in this model; it paints: {', '.join(self.styles)}")
        return self.representations[self.styles.index(style)]


def save_style_statistics(
    folder: Path, styles: Sequence[str], representations: Sequence[Sequence[StyleRepresentation]]
) -> None:
    """Write `style_statistics.safetensors`, in half precision. The same representations make the same bytes.

    Raises:
        ValueError, OSError: those of `Companion.save`.
    """
    flat = [representation for of_style in representations for representation in of_style]
    tensors = {"palette": torch.stack([representation.palette for representation in flat])}
    for kind in ("means", "scales", "quantiles"):
        for layer in range(len(texture_channels())):
            tensors[f"{kind}.{layer}"] = torch.stack([getattr(representation, kind)[layer] for representation in flat])
    tensors = {name: tensor.unflatten(0, (len(styles), len(SIZES))) for name, tensor in tensors.items()}
    COMPANION.save(folder, tensors, {METADATA_KEY: {"format": FORMAT, "styles": list(styles)}})


def load_style_statistics(folder: Path, styles: Sequence[str]) -> StyleStatistics | None:
    """The statistics that lie beside a model with these styles; None if there are none. They may be a stranger's.

    Raises:
        ValueError: too large, damaged, or not of a model with these styles.
    """
    path = COMPANION.find(folder)
    if path is None:
        return None
    _, (told,) = COMPANION.read(path, METADATA_KEY)
    if told != {"format": FORMAT, "styles": list(styles)}:
        raise ValueError(f"{path} is of another format, or of a model with other styles: {REMEDY}")
    lead = len(styles), len(SIZES)
    with shapes_only():
        expected = {"palette": torch.empty(*lead, PALETTE_DIRECTIONS, QUANTILES)}
        for layer, channels in enumerate(texture_channels()):
            expected[f"means.{layer}"] = torch.empty(*lead, channels)
            expected[f"scales.{layer}"] = torch.empty(*lead, channels)
            expected[f"quantiles.{layer}"] = torch.empty(*lead, DIRECTIONS, QUANTILES)
    found = load_weights(path, expected)
    if any(tensor.abs().max() > LARGEST for tensor in found.values()):
        raise ValueError(f"{path} holds values beyond {LARGEST:g}, which no picture has: {REMEDY}")
    layers = range(len(texture_channels()))
    if any(found[f"scales.{layer}"].min() <= 0 for layer in layers):
        raise ValueError(f"{path} holds scales that are not above 0: {REMEDY}")

    def representation(label: int, size: int) -> StyleRepresentation:
        means, scales, quantiles = (
            tuple(found[f"{kind}.{layer}"][label, size] for layer in layers)
            for kind in ("means", "scales", "quantiles")
        )
        return StyleRepresentation(means, scales, quantiles, found["palette"][label, size])

    representations = tuple(
        tuple(representation(label, size) for size in range(len(SIZES))) for label in range(len(styles))
    )
    return StyleStatistics(tuple(styles), representations, hashlib.sha256(path.read_bytes()).hexdigest())


def _tensors(found: StyleStatistics) -> list[Tensor]:
    representations = [representation for of_style in found.representations for representation in of_style]
    return [tensor for each in representations for tensor in (*each.means, *each.scales, *each.quantiles, each.palette)]


COMPANION = Companion(
    "style_statistics",
    STATISTICS_NAME,
    92 * 1024**2,
    lambda folder, config: load_style_statistics(folder, config.styles),
    tensors=_tensors,
    remedy=REMEDY,
)
