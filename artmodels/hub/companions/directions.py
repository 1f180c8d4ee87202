"""Directions of `w` that change one thing that can be named: a companion of a published model."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from artmodels.hub.companion import Companion
from artmodels.hub.model_files import escape_markdown
from artmodels.io.safetensors_io import load_weights, shapes_only
from artmodels.io.schema import Name, Number, Schema, parse
from artmodels.models.generator import GeneratorConfig

DIRECTIONS_NAME = "directions.safetensors"
MAX_DIRECTIONS = 32
MAX_STEP = 1000.0  # of one number of w, by an amount of 1
VECTORS, METADATA_KEY = "vectors", "directions"  # the tensor's name, and that of what is said of it
REMEDY = "find them anew, or delete the file"


@dataclass(frozen=True)
class Directions:
    """Vectors shaped like a picture's `w`, by name; an amount of 1 moves what it names by one standard deviation."""

    names: tuple[str, ...]
    vectors: Tensor  # [K, layers + 1, latent_dim]
    sha256: str  # of their file
    figures: dict[str, Any]  # what each was measured to move

    def vector(self, name: str, sha256: str) -> Tensor:
        """The direction `[layers + 1, latent_dim]` of a recipe.

        Raises:
            ValueError: there is none of that name, or it was found anew since the recipe was written.
        """
        if name not in self.names:
            raise ValueError(f"no direction {name[:80]!r} in this model; it has: {', '.join(self.names)}")
        if sha256 != self.sha256:
            raise ValueError(f"the directions of this model were found anew since: set {name[:80]} again")
        return self.vectors[self.names.index(name)]


def save_directions(folder: Path, names: Sequence[str], vectors: Tensor, figures: dict[str, Any]) -> None:
    """Write `directions.safetensors`: `vectors: [K, layers + 1, latent_dim]`, and as JSON their names and figures.

    The same directions make the same bytes, so that recipes made with them stay good.

    Raises:
        ValueError, OSError: those of `Companion.save`.
    """
    told = {"names": list(names), "figures": figures}
    COMPANION.save(folder, {VECTORS: vectors}, {METADATA_KEY: told}, torch.float32)


def load_directions(folder: Path, config: GeneratorConfig) -> Directions | None:
    """The directions that lie beside a model; None if there are none. They may be a stranger's.

    Raises:
        ValueError: too large, damaged, or not of a model with this config.
    """
    path = COMPANION.find(folder)
    if path is None:
        return None
    header, (told,) = COMPANION.read(path, METADATA_KEY)
    shape = header.get(VECTORS, {}).get("shape")  # the rest of the header is compared below
    count = shape[0] if isinstance(shape, list) and shape else None
    if not isinstance(count, int) or isinstance(count, bool) or not 0 < count <= MAX_DIRECTIONS:
        raise ValueError(f"{path} should hold 1 to {MAX_DIRECTIONS} {VECTORS}, found {shape!r:.80}: {REMEDY}")
    with shapes_only():
        expected = {VECTORS: torch.empty(count, config.layers + 1, config.latent_dim)}
    vectors = load_weights(path, expected)[VECTORS]
    if vectors.abs().max() > MAX_STEP:
        raise ValueError(f"{path}: {VECTORS} holds values beyond {MAX_STEP:g}, which no picture bears: {REMEDY}")
    try:
        names, figures = _read_told(told, count)
    except ValueError as error:
        raise ValueError(f"{path}: {error}: {REMEDY}") from error
    return Directions(names, vectors, hashlib.sha256(path.read_bytes()).hexdigest(), figures)


class OfDirection(Schema):
    found_by: Name
    effect: Number
    largest_other: Name
    largest_other_effect: Number


class Figures(Schema):
    pictures: Number
    truncation: Number
    directions: dict[str, OfDirection]


class Told(Schema):
    """What `generate.find_directions` says of directions."""

    names: list[Name]
    figures: Figures


def _read_told(content: Any, count: int) -> tuple[tuple[str, ...], dict[str, Any]]:
    """Names and figures of `count` directions, from what is told beside them.

    Raises:
        ValueError: not of the form that `generate.find_directions` gives.
    """
    told = parse(Told, content, "what is said of them")
    names, of_each = told.names, told.figures.directions
    if len(names) != count or len(set(names)) != count:
        raise ValueError(f"expected {count} names that differ, found {len(names)}, {len(set(names))} of them different")
    if set(of_each) != set(names):
        raise ValueError("the figures should tell of each direction, and of no other")
    return tuple(names), content["figures"]


def _section(directions: Directions | None, config: GeneratorConfig, evaluation: dict[str, Any]) -> str:
    """The card's section on directions, if the model has some."""
    if directions is None:
        return ""
    figures = directions.figures
    of_each = {name: figures["directions"][name] for name in directions.names}
    rows = "\n".join(
        f"| {escape_markdown(name)} | {escape_markdown(found['found_by'])} | {found['effect']:.2f} "
        f"| {abs(found['largest_other_effect']):.2f} {escape_markdown(found['largest_other'])} |"
        for name, found in of_each.items()
    )
    return f"""
## Directions

How far each moves what it names while its slider goes from -2 to 2, and what else it moves most, in standard deviations
of this model's paintings; the mean of {figures["pictures"]} paintings, truncation {figures["truncation"]:g}.

| direction | found by | moves itself by | moves most besides |
| --- | --- | ---: | ---: |
{rows}
"""


COMPANION = Companion(
    "directions",
    DIRECTIONS_NAME,
    4 * 1024**2,
    load_directions,
    section=_section,
    tensors=lambda found: [found.vectors],
    outlives=False,  # they are those of the very weights
    remedy=REMEDY,
)
