"""The JSON that rebuilds a picture, in and out of a PNG's text chunk, and of a link."""

import base64
import binascii
import io
import json
import re
import zlib
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TypeGuard

import numpy as np
import torch
from PIL import Image
from PIL.PngImagePlugin import PngInfo
from torch import Tensor

from artmodels.models.generator import MAX_TRUNCATION

SCHEMA = 1
CHUNK = "artmodels"  # keyword of the PNG's iTXt chunk
SEED_LIMIT = 2**32  # JavaScript loses larger integers, and a recipe must survive a browser
MAX_RECIPE_BYTES = 1_000_000  # of a sheet's recipes
MAX_ONE_RECIPE = 250_000  # characters of one
MAX_NAME = 200  # characters of a style
MAX_LINK = 6000  # characters: what servers and chat programs let through
MAX_ITEMS = 1000
MAX_EDITS = 16
MAX_AMOUNT = 10.0  # of a shift, in standard deviations
MAX_PNG_PIXELS = 300_000_000  # of a PNG that is read whole
MAX_ROWS_BYTES = 2 * 9 * 2048  # of the largest model's w, in half precision
MADE_BY = ("transfer", "dream")  # pictures that are made from pictures; `optimize/provenance.py` reads their recipes
MAX_ROW = 1000.0  # of one number of w


@dataclass(frozen=True)
class Latent:
    """A seed and its share in the picture's latent; or a latent that was found for a picture, and its share.

    A found one has `rows` (see `pack_rows`): its z, and what is added to the modulations that the model gives this z.
    Its seed is only a name. `of` names a style: a seed of it is a layout that no other style has at that seed; without,
    the seed is the same layout in all styles.
    """

    seed: int
    weight: float = 1.0
    rows: str | None = None  # base64
    of: str | None = None


@dataclass(frozen=True)
class LayerMix:
    """An edit: from row `first` of `w` on (1 is the coarsest block), another picture's latents and styles."""

    first: int
    latents: tuple[Latent, ...]
    style_weights: dict[str, float]
    kind: str = "layers"

    def __post_init__(self):
        _require(_is_integer(self.first) and 1 <= self.first <= 16, "first", "a row from 1 to 16")
        object.__setattr__(self, "latents", _read_latents(self.latents))
        _check_style_weights(self.style_weights)


@dataclass(frozen=True)
class Shift:
    """An edit: so many standard deviations along a direction with a name."""

    name: str
    amount: float
    sha256: str  # of the file of directions
    kind: str = "direction"

    def __post_init__(self):
        _require(isinstance(self.name, str) and 0 < len(self.name) <= 100, "name", "of 1 to 100 characters")
        _require(is_number(self.amount) and abs(self.amount) <= MAX_AMOUNT, "amount", "between -10 and 10")
        _check_sha256("sha256", self.sha256)


@dataclass(frozen=True)
class Projection:
    """Of what a picture's latents were found, and how; the file itself is never in a recipe."""

    input_sha256: str
    seed: int
    steps: int

    def __post_init__(self):
        _check_sha256("input_sha256", self.input_sha256)
        _require(_is_integer(self.seed) and 0 <= self.seed < SEED_LIMIT, "seed", "0 or more, below 2**32")
        _require(_is_integer(self.steps) and 0 < self.steps <= 1_000_000, "steps", "1 to 1,000,000")


Edit = LayerMix | Shift
EDITS: dict[str, type[Edit]] = {"layers": LayerMix, "direction": Shift}


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
    edits: tuple[Edit, ...] = ()  # in this order, after truncation
    schema: int = SCHEMA
    revision: str | None = None  # the commit, of a model from the Hub
    projection: Projection | None = None

    def __post_init__(self):
        if self.schema != SCHEMA:
            raise ValueError(
                f"recipe schema {self.schema!r:.80} is unknown (this artmodels knows {SCHEMA}): update artmodels"
            )
        _require(isinstance(self.model, str) and 0 < len(self.model) <= 200, "model", "a name of 1 to 200 characters")
        _check_sha256("weights_sha256", self.weights_sha256)
        revision = self.revision
        _require(
            revision is None or (isinstance(revision, str) and re.fullmatch(r"[0-9a-f]{40}", revision)),
            "revision",
            "40 hexadecimal digits",
        )
        object.__setattr__(self, "latents", _read_latents(self.latents))
        _check_style_weights(self.style_weights)
        _require(is_number(self.truncation) and 0 <= self.truncation <= MAX_TRUNCATION, "truncation", "0 to 1.5")
        _require(isinstance(self.edits, tuple | list) and len(self.edits) <= MAX_EDITS, "edits", "a list of at most 16")
        object.__setattr__(self, "edits", tuple(_read_edit(edit) for edit in self.edits))
        mixed = sum(len(edit.latents) for edit in self.edits if isinstance(edit, LayerMix))
        _require(len(self.latents) + mixed <= MAX_ITEMS, "latents", f"at most {MAX_ITEMS} with those of the edits")
        object.__setattr__(self, "projection", _read_projection(self.projection))

    def to_dict(self) -> dict[str, Any]:
        """Plain objects and lists; what only projected pictures have is left out of the others'."""
        data = asdict(self)
        if self.projection is None:
            del data["projection"]
        for latents in (data["latents"], *(edit.get("latents", ()) for edit in data["edits"])):
            for latent in latents:
                for name in ("rows", "of"):
                    if latent[name] is None:
                        del latent[name]
        return data

    @property
    def is_projected(self) -> bool:
        """Whether latents were found that no seed draws: such a recipe travels in PNGs only."""
        mixed = (edit.latents for edit in self.edits if isinstance(edit, LayerMix))
        return any(latent.rows is not None for latents in (self.latents, *mixed) for latent in latents)

    def to_data(self) -> dict[str, Any]:
        """What `to_json` writes, as plain objects and lists; `parse_recipe_data` reads it."""
        return json.loads(self.to_json())

    def to_json(self) -> str:
        return json.dumps(self.to_dict(), ensure_ascii=False, sort_keys=True)

    def to_link(self) -> str:
        """The recipe as letters that a URL carries as they are; `from_link` reads them.

        Raises:
            ValueError: it is too long for one, or it holds what was found for somebody's picture.
        """
        if self.is_projected:
            raise ValueError("a latent found for a picture is too long for a link: download the PNG, which holds it")
        text = base64.urlsafe_b64encode(zlib.compress(self.to_json().encode(), 9)).decode().rstrip("=")
        if len(text) > MAX_LINK:
            raise ValueError("this picture has too many ancestors for a link: download it, the PNG holds its recipe")
        return text


def from_link(text: str) -> Recipe:
    """The recipe of `Recipe.to_link`.

    Raises:
        ValueError: no such link, or no valid recipe in it.
    """
    unpacker = zlib.decompressobj()
    try:
        packed = base64.b64decode(text[:MAX_LINK] + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
        content = unpacker.decompress(packed, MAX_RECIPE_BYTES).decode()
    except (binascii.Error, zlib.error, ValueError) as error:
        raise ValueError("the link is damaged or was cut: copy all of it, or open the PNG itself") from error
    if not unpacker.eof:
        raise ValueError("the link is damaged or was cut: copy all of it, or open the PNG itself")
    (recipe, *others) = parse_recipes(content)
    if others:
        raise ValueError("the link holds several recipes, so it is not one of ours: open the PNG itself")
    return recipe


def _read_latents(latents: Any) -> tuple[Latent, ...]:
    _require(isinstance(latents, tuple | list) and 0 < len(latents) <= MAX_ITEMS, "latents", "a list")
    try:
        read = tuple(item if isinstance(item, Latent) else Latent(**item) for item in latents)
    except TypeError as error:
        raise ValueError('recipe: latents must look like [{"seed": 7, "weight": 1.0}]') from error
    for latent in read:
        _require(_is_integer(latent.seed) and 0 <= latent.seed < SEED_LIMIT, "seed", "0 or more, below 2**32")
        _require(is_number(latent.weight) and abs(latent.weight) <= 100, "weight", "between -100 and 100")
        if latent.rows is not None:
            unpack_rows(latent.rows)
        of = latent.of
        _require(of is None or (isinstance(of, str) and 0 < len(of) <= MAX_NAME), "of", "the name of a style")
    _require(sum(latent.weight**2 for latent in read) > 1e-6, "weights", "not all (nearly) 0")
    return read


def pack_rows(rows: Tensor) -> str:
    """Rows `[1 or layers + 1, latent_dim]` of a found latent as text: little-endian half precision in base64."""
    return base64.b64encode(rows.detach().cpu().numpy().astype("<f2").tobytes()).decode()


def unpack_rows(text: Any) -> Tensor:
    """The numbers of `pack_rows`, `[rows * latent_dim]` in float32.

    Raises:
        ValueError: not base64, too long, or no numbers that a model could have given.
    """
    limit = -(-MAX_ROWS_BYTES // 3) * 4
    _require(isinstance(text, str) and 0 < len(text) <= limit, "rows", f"a text of at most {limit} characters")
    try:
        content = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise ValueError("recipe: rows must be base64") from error
    _require(len(content) % 2 == 0, "rows", "numbers of two bytes each")
    numbers = np.frombuffer(content, "<f2").astype(np.float32)
    _require(np.isfinite(numbers).all() and np.abs(numbers).max() <= MAX_ROW, "rows", "finite, between -1000 and 1000")
    return torch.from_numpy(numbers)


def _read_projection(projection: Any) -> Projection | None:
    if projection is None or isinstance(projection, Projection):
        return projection
    try:
        return Projection(**projection)
    except TypeError as error:
        raise ValueError("recipe: projection must be an object with input_sha256, seed and steps") from error


def _check_style_weights(weights: Any) -> None:
    _require(isinstance(weights, dict) and 0 < len(weights) <= MAX_ITEMS, "style_weights", "an object")
    _require(
        all(isinstance(name, str) and len(name) <= MAX_NAME for name in weights), "style_weights", "of short names"
    )
    _require(all(is_number(weight) and weight >= 0 for weight in weights.values()), "style_weights", "at least 0")
    _require(abs(sum(weights.values()) - 1) < 1e-3, "style_weights", "1 in sum")


def _read_edit(edit: Any) -> Edit:
    if isinstance(edit, LayerMix | Shift):
        return edit
    kind = edit.get("kind") if isinstance(edit, dict) else None
    if not isinstance(kind, str) or kind not in EDITS:
        raise ValueError(
            f"recipe: the edit {str(edit)[:60]} is none of {', '.join(EDITS)}, which this artmodels knows: update it"
        )
    try:
        return EDITS[kind](**edit)
    except TypeError as error:
        raise ValueError(f"recipe: the edit {str(edit)[:60]} is not whole") from error


def _check_sha256(field: str, value: Any) -> None:
    _require(isinstance(value, str) and re.fullmatch(r"[0-9a-f]{64}", value), field, "64 hexadecimal digits")


def _is_integer(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def is_number(value: Any) -> TypeGuard[int | float]:
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
    return [parse_recipe_data(item) for item in items]


def parse_recipe_data(data: Any) -> Recipe:
    """The recipe in an object that was JSON.

    Raises:
        ValueError: not a recipe, or out of range.
    """
    if isinstance(data, dict) and "made_by" in data:
        raise ValueError(
            "recipe: this picture was made from another, by transfer or dream, not painted by a model: "
            "there is no latent in it to go on from; `project` finds one"
        )
    known = set(Recipe.__dataclass_fields__)
    needed = known - {"edits", "revision", "projection"}
    if not isinstance(data, dict) or not needed <= data.keys() <= known:
        raise ValueError(f"recipe: expected an object with {', '.join(sorted(known))}")
    recipe = Recipe(**data)
    _require(len(recipe.to_json()) <= MAX_ONE_RECIPE, "text", f"at most {MAX_ONE_RECIPE} characters")
    return recipe


def chunk_png(image: Image.Image, text: str, dots_per_inch: int | None = None, *, packed: bool = False) -> bytes:
    """The image as a PNG with a text in our chunk."""
    info = PngInfo()
    if text:
        info.add_itxt(CHUNK, text, zip=packed)
    buffer = io.BytesIO()
    image.save(buffer, "PNG", pnginfo=info, **({"dpi": (dots_per_inch,) * 2} if dots_per_inch else {}))
    return buffer.getvalue()


def png_bytes(image: Image.Image, recipes: Sequence[Recipe], dots_per_inch: int | None = None) -> bytes:
    """The image as a PNG that carries its recipe; a sheet of several pictures carries a list of them.

    `dots_per_inch` tells a printer how large it is meant to be.
    """
    texts = [recipe.to_json() for recipe in recipes]
    text = texts[0] if len(texts) == 1 else f"[{', '.join(texts)}]" if texts else ""
    return chunk_png(image, text, dots_per_inch, packed=len(texts) > 1)


class NoRecipe(ValueError):
    """A PNG that carries no recipe."""


def read_recipes(path: Path) -> list[Recipe]:
    """The recipes in a PNG: one for a picture, several for a sheet.

    Raises:
        FileNotFoundError: there is no such file.
        NoRecipe: there is none in it.
        ValueError: not a PNG, a damaged recipe, or one of a picture that was made of others.
    """
    return parse_recipes(read_chunk(path))


def read_chunk(path: Path) -> str:
    """The text in our chunk of a PNG, whatever it says.

    Raises:
        FileNotFoundError: there is no such file.
        NoRecipe: there is none in it.
        ValueError: not a PNG.
    """
    if not path.is_file():
        raise FileNotFoundError(f"no file {path}: expected a PNG that artmodels painted")
    try:
        with Image.open(path, formats=("PNG",)) as picture:
            text = picture.info.get(CHUNK)
            if text is None and picture.width * picture.height <= MAX_PNG_PIXELS:
                picture.load()  # the chunk may stand behind the pixels
                text = picture.info.get(CHUNK)
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise ValueError(f"{path} is not a readable PNG: expected one that artmodels painted") from error
    if text is None:
        raise NoRecipe(f"{path} carries no recipe: it was not painted by artmodels, or was saved anew since")
    return text
