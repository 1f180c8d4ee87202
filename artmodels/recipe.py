"""The JSON that rebuilds a picture, in and out of a PNG's text chunk."""

import io
import json
import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from PIL import Image
from PIL.PngImagePlugin import PngInfo

from artmodels.models.generator import MAX_TRUNCATION

SCHEMA = 1
CHUNK = "artmodels"  # keyword of the PNG's iTXt chunk
SEED_LIMIT = 2**32  # JavaScript loses larger integers, and a recipe must survive a browser
MAX_RECIPE_BYTES = 1_000_000
MAX_ITEMS = 1000


@dataclass(frozen=True)
class Latent:
    """A seed and its share in the picture's latent."""

    seed: int
    weight: float = 1.0


@dataclass(frozen=True)
class Recipe:
    """Everything that makes a picture.

    Raises:
        ValueError: a value is of the wrong type or out of range.
    """

    model: str  # Hub id or name of the model
    weights_sha256: str  # of its safetensors file
    latents: tuple[Latent, ...]
    style_weights: dict[str, float]  # convex: at least 0, sum 1
    truncation: float
    edits: tuple[dict[str, Any], ...] = ()
    schema: int = SCHEMA
    revision: str | None = None  # the commit, of a model from the Hub

    def __post_init__(self):
        if self.schema != SCHEMA:
            raise ValueError(
                f"recipe schema {self.schema!r} is unknown (this artmodels knows {SCHEMA}): update artmodels"
            )
        _require(isinstance(self.model, str) and 0 < len(self.model) <= 200, "model", "a name of 1 to 200 characters")
        _require(
            isinstance(self.weights_sha256, str) and re.fullmatch(r"[0-9a-f]{64}", self.weights_sha256),
            "weights_sha256",
            "64 hexadecimal digits",
        )
        revision = self.revision
        _require(
            revision is None or (isinstance(revision, str) and re.fullmatch(r"[0-9a-f]{40}", revision)),
            "revision",
            "40 hexadecimal digits",
        )
        _require(isinstance(self.latents, tuple | list) and 0 < len(self.latents) <= MAX_ITEMS, "latents", "a list")
        try:
            latents = tuple(item if isinstance(item, Latent) else Latent(**item) for item in self.latents)
        except TypeError as error:
            raise ValueError('recipe: latents must look like [{"seed": 7, "weight": 1.0}]') from error
        for latent in latents:
            _require(_is_integer(latent.seed) and 0 <= latent.seed < SEED_LIMIT, "seed", "0 or more, below 2**32")
            _require(is_number(latent.weight) and abs(latent.weight) <= 100, "weight", "between -100 and 100")
        _require(sum(latent.weight**2 for latent in latents) > 1e-6, "weights", "not all (nearly) 0")
        object.__setattr__(self, "latents", latents)
        weights = self.style_weights
        _require(isinstance(weights, dict) and 0 < len(weights) <= MAX_ITEMS, "style_weights", "an object")
        _require(all(is_number(weight) and weight >= 0 for weight in weights.values()), "style_weights", "at least 0")
        _require(abs(sum(weights.values()) - 1) < 1e-3, "style_weights", "1 in sum")
        _require(is_number(self.truncation) and 0 <= self.truncation <= MAX_TRUNCATION, "truncation", "0 to 1.5")
        _require(isinstance(self.edits, tuple | list), "edits", "a list")
        _require(not self.edits, "edits", "empty: this artmodels knows none")
        object.__setattr__(self, "edits", tuple(self.edits))

    def to_json(self) -> str:
        return json.dumps(asdict(self), ensure_ascii=False, sort_keys=True)


def _is_integer(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def is_number(value: Any) -> bool:
    """Whether JSON gave a finite number of a size that a float can hold."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return -1e300 < value < 1e300


def _require(condition: object, field: str, expected: str) -> None:
    if not condition:
        raise ValueError(f"recipe: {field} must be {expected}")


def parse_recipes(text: str) -> list[Recipe]:
    """The recipes in a JSON text: an object is one recipe, a list those of a sheet.

    Raises:
        ValueError: not JSON, not recipes, or out of range.
    """
    if len(text) > MAX_RECIPE_BYTES:
        raise ValueError(f"recipe: longer than {MAX_RECIPE_BYTES} characters, so not one of ours")
    try:
        data = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"recipe: not JSON: {text[:60]!r}") from error
    items = data if isinstance(data, list) else [data]
    if not 0 < len(items) <= MAX_ITEMS:
        raise ValueError(f"recipe: expected 1 to {MAX_ITEMS} recipes, found {len(items)}")
    return [_from_data(item) for item in items]


def _from_data(data: Any) -> Recipe:
    known = set(Recipe.__dataclass_fields__)
    if not isinstance(data, dict) or not data.keys() <= known or not known - {"edits", "revision"} <= data.keys():
        raise ValueError(f"recipe: expected an object with {', '.join(sorted(known))}")
    return Recipe(**data)


def png_bytes(image: Image.Image, recipes: Sequence[Recipe]) -> bytes:
    """The image as a PNG that carries its recipe; a sheet of several pictures carries a list of them."""
    info = PngInfo()
    if recipes:
        texts = [recipe.to_json() for recipe in recipes]
        info.add_itxt(CHUNK, texts[0] if len(texts) == 1 else f"[{', '.join(texts)}]", zip=len(texts) > 1)
    buffer = io.BytesIO()
    image.save(buffer, "PNG", pnginfo=info)
    return buffer.getvalue()


def read_recipes(path: Path) -> list[Recipe]:
    """The recipes in a PNG: one for a picture, several for a sheet.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: not a PNG, no recipe in it, or a damaged one.
    """
    if not path.is_file():
        raise FileNotFoundError(f"no file {path}: expected a PNG that artmodels painted")
    try:
        with Image.open(path, formats=("PNG",)) as picture:
            picture.load()  # the chunk may stand behind the pixels
            text = picture.text.get(CHUNK)
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise ValueError(f"{path} is not a readable PNG: expected one that artmodels painted") from error
    if text is None:
        raise ValueError(f"{path} carries no recipe: it was not painted by artmodels, or was saved anew since")
    return parse_recipes(text)
