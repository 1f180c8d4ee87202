"""The JSON that rebuilds a picture, in and out of a PNG's text chunk, and of a link."""

import base64
import binascii
import io
import json
import zlib
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any, Literal, TypeGuard

import numpy as np
import torch
from PIL import Image
from PIL.PngImagePlugin import PngInfo
from pydantic import AfterValidator, Field
from torch import Tensor

from artmodels.io.schema import Digest, LongName, checked, hexadecimal, parse
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
MAX_ROWS_LETTERS = -(-MAX_ROWS_BYTES // 3) * 4
MAX_ROW = 1000.0  # of one number of w


def _tell_apart_from_zero(latents: "tuple[Latent, ...]") -> "tuple[Latent, ...]":
    if sum(latent.weight**2 for latent in latents) <= 1e-6:
        raise ValueError("should have weights that are not all (nearly) 0")
    return latents


def _sum_to_one(weights: dict[str, float]) -> dict[str, float]:
    if abs(sum(weights.values()) - 1) >= 1e-3:
        raise ValueError("should be 1 in sum")
    return weights


def pack_rows(rows: Tensor) -> str:
    """Rows `[1 or layers + 1, latent_dim]` of a found latent as text: little-endian half precision in base64."""
    return base64.b64encode(rows.detach().cpu().numpy().astype("<f2").tobytes()).decode()


def unpack_rows(text: str) -> Tensor:
    """The numbers of `pack_rows`, `[rows * latent_dim]` in float32.

    Raises:
        ValueError: not base64, or no numbers that a model could have given.
    """
    try:
        content = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise ValueError("should be base64") from error
    if len(content) % 2:
        raise ValueError("should be numbers of two bytes each")
    numbers = np.frombuffer(content, "<f2").astype(np.float32)
    if not (np.isfinite(numbers).all() and np.abs(numbers).max() <= MAX_ROW):
        raise ValueError("should be finite numbers, between -1000 and 1000")
    return torch.from_numpy(numbers)


def _check_rows(text: str) -> str:
    unpack_rows(text)
    return text


Seed = Annotated[int, Field(ge=0, lt=SEED_LIMIT)]
Rows = Annotated[str, Field(min_length=1, max_length=MAX_ROWS_LETTERS), AfterValidator(_check_rows)]
StyleWeights = Annotated[
    dict[Annotated[str, Field(max_length=MAX_NAME)], Annotated[float, Field(ge=0)]],
    Field(min_length=1, max_length=MAX_ITEMS),
    AfterValidator(_sum_to_one),
]


@checked("recipe.latent")
class Latent:
    """A seed and its share in the picture's latent; or a latent that was found for a picture, and its share.

    A found one has `rows` (see `pack_rows`): its z, and what is added to the modulations that the model gives this z.
    Its seed is only a name. `of` names a style: a seed of it is a layout that no other style has at that seed; without,
    the seed is the same layout in all styles.
    """

    seed: Seed
    weight: Annotated[float, Field(ge=-100, le=100)] = 1.0
    rows: Rows | None = None  # base64
    of: Annotated[str, Field(min_length=1, max_length=MAX_NAME)] | None = None


Latents = Annotated[
    tuple[Latent, ...], Field(min_length=1, max_length=MAX_ITEMS), AfterValidator(_tell_apart_from_zero)
]


@checked("recipe.edit")
class LayerMix:
    """An edit: from row `first` of `w` on (1 is the coarsest block), another picture's latents and styles."""

    first: Annotated[int, Field(ge=1, le=16)]
    latents: Latents
    style_weights: StyleWeights
    kind: Literal["layers"] = "layers"


@checked("recipe.edit")
class Shift:
    """An edit: so many standard deviations along a direction with a name."""

    name: Annotated[str, Field(min_length=1, max_length=100)]
    amount: Annotated[float, Field(ge=-MAX_AMOUNT, le=MAX_AMOUNT)]
    sha256: Digest  # of the file of directions
    kind: Literal["direction"] = "direction"


@checked("recipe.projection")
class Projection:
    """Of what a picture's latents were found, and how; the file itself is never in a recipe."""

    input_sha256: Digest
    seed: Seed
    steps: Annotated[int, Field(gt=0, le=1_000_000)]


Edit = LayerMix | Shift


@checked("recipe")
class Recipe:
    """Everything that makes a picture.

    Raises:
        ValueError: a value is of the wrong type or out of range.
    """

    model: LongName  # Hub id or name
    weights_sha256: Digest  # of its safetensors file
    latents: Latents
    style_weights: StyleWeights  # convex: at least 0, sum 1
    truncation: Annotated[float, Field(ge=0, le=MAX_TRUNCATION)]
    edits: Annotated[  # in this order, after truncation
        tuple[Annotated[Edit, Field(discriminator="kind")], ...], Field(max_length=MAX_EDITS)
    ] = ()
    schema: Literal[1] = 1
    revision: Annotated[str, hexadecimal(40)] | None = None  # the commit, of a model from the Hub
    projection: Projection | None = None

    def __post_init__(self):
        mixed = sum(len(edit.latents) for edit in self.edits if isinstance(edit, LayerMix))
        if len(self.latents) + mixed > MAX_ITEMS:
            raise ValueError(f"should have at most {MAX_ITEMS} latents, with those of the edits")

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


class DamagedLink(ValueError):
    """A link of which no recipe can be read."""

    def __init__(self) -> None:
        super().__init__("the link is damaged or was cut: copy all of it, or open the PNG itself")


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
        raise DamagedLink from error
    if not unpacker.eof:
        raise DamagedLink
    (recipe, *others) = parse_recipes(content)
    if others:
        raise ValueError("the link holds several recipes, so it is not one of ours: open the PNG itself")
    return recipe


def is_number(value: Any) -> TypeGuard[int | float]:
    """Whether JSON gave a finite number of a size that a float can hold."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return -1e300 < value < 1e300


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
    if not isinstance(data, dict) or "schema" not in data:
        raise ValueError(f"recipe: expected an object with a schema, found {data!r:.80}")
    if data["schema"] != SCHEMA:
        raise ValueError(
            f"recipe schema {data['schema']!r:.80} is unknown (this artmodels knows {SCHEMA}): update artmodels"
        )
    if len(json.dumps(data)) > MAX_ONE_RECIPE:
        raise ValueError(f"recipe: longer than {MAX_ONE_RECIPE} characters, so not one of ours")
    return parse(Recipe, data, "recipe")


def chunk_png(image: Image.Image, text: str, dots_per_inch: int | None = None, *, packed: bool = False) -> bytes:
    """The image as a PNG with a text in our chunk."""
    info = PngInfo()
    if text:
        info.add_itxt(CHUNK, text, zip=packed)
    buffer = io.BytesIO()
    dots = {"dpi": (dots_per_inch,) * 2} if dots_per_inch else {}
    image.save(buffer, "PNG", pnginfo=info, compress_level=1, **dots)  # paintings hardly shrink further, but slower
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
