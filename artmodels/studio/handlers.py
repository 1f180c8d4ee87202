"""What the page's controls call: stateless functions of their arguments, safe for any number of visitors at once."""

import hashlib
import io
import json
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import cycle, zip_longest
from typing import Any
from urllib.parse import parse_qsl

import torch
from PIL import Image
from torch import Tensor

from artmodels.generate.mixing import convex
from artmodels.generate.recipe import (
    SEED_LIMIT,
    DamagedLink,
    Latent,
    Recipe,
    Shift,
    from_link,
    is_number,
    parse_recipes,
    png_bytes,
)
from artmodels.generate.sampling import contact_sheet, paint_rows, rows_of, to_images
from artmodels.generate.save import file_stems
from artmodels.generate.upscale import PRINT_DOTS_PER_INCH, enlarge
from artmodels.hub.companions.curated import Curated
from artmodels.hub.download import hub_label
from artmodels.hub.load import LoadedModel
from artmodels.models.generator import MAX_TRUNCATION
from artmodels.studio.computing import computed
from artmodels.studio.i18n import DEFAULT_LANGUAGE, Complaint, style_word, translate

ALL_STYLES = "all styles"
CURATED = "curated seeds"  # seeds of all styles that were found to come near to real pictures, where a model has such
FIRST_SEED, FIRST_COUNT, FIRST_TRUNCATION = 1, 24, 0.8
MAX_COUNT = 36
SHORT_LINK = {"style", "seed"}  # parts of a link that stand for a recipe
CONSONANTS, VOWELS = "bcdfghjklmnpqrstvwxyz", "aeiou"
SHORT_SEED = 100_000  # a number that one can tell a friend
CHUNK = 8  # pictures between two looks at the clock
PREVIEW_QUALITY = 90

SaveFile = Callable[[bytes, str], str]  # a file's bytes and its name -> the path that Gradio may serve
PaintRows = Callable[[LoadedModel, Tensor], Tensor]  # a model and rows of w -> pictures
Wall = list[tuple[str, str]]  # (path of a file, caption) of each picture


def paint_here(model: LoadedModel, w: Tensor) -> Tensor:
    """The painter of every place but ZeroGPU."""
    return paint_rows(model.generator, w)


def first_style(model: LoadedModel) -> str:
    """What the wall that a visitor finds on arrival is of."""
    return CURATED if model.curated else ALL_STYLES


def first_recipes(model: LoadedModel) -> list[Recipe]:
    """Those of the wall that a visitor finds on arrival."""
    return recipes_of_seeds(model, first_style(model), FIRST_SEED, FIRST_COUNT, FIRST_TRUNCATION)


def recipes_of_seeds(
    model: LoadedModel,
    style: str | Mapping[str, float],
    seed: float,
    count: float,
    truncation: float,
    shared: bool = False,
) -> list[Recipe]:
    """Recipes of consecutive seeds in one style, in all in turn, or in a mix of them; or `CURATED` ones of all in turn.

    A seed has a layout of its own in each style; `shared`, and in a mix, it has one in all of them. To the curated
    ones neither the seed nor that applies, and there may be fewer than are asked for.

    Raises:
        ValueError: an argument is out of bounds or no number; the message says what to do.
    """
    seeds = seeds_from(seed, whole_number("count", count, 1, MAX_COUNT))
    truncation = number_between("truncation", truncation, 0, MAX_TRUNCATION)
    styles = model.generator.config.styles
    if style == CURATED and model.curated:
        return _curated_recipes(model, model.curated, len(seeds), truncation)
    if isinstance(style, Mapping):
        turns, shared = [style_weights_of(model, style)], True
    elif style == ALL_STYLES:
        turns = [{name: 1.0} for name in styles]
    else:
        turns = [style_weights_of(model, {str(style): 1.0})]
    return [
        _plain_recipe(model, seed, weights, truncation, shared)
        for seed, weights in zip(seeds, cycle(turns), strict=False)
    ]


def _plain_recipe(
    model: LoadedModel, seed: int, weights: dict[str, float], truncation: float, shared: bool = False
) -> Recipe:
    latent = Latent(seed, of=None if shared else next(iter(weights)))
    return Recipe(model.name, model.weights_sha256, (latent,), weights, truncation, revision=model.revision)


def _curated_recipes(model: LoadedModel, curated: Curated, count: int, truncation: float) -> list[Recipe]:
    """The best seed of each style in turn, then the second of each, and so on."""
    rounds = zip_longest(*(curated.seeds[style] for style in model.generator.config.styles))
    turns = [zip(model.generator.config.styles, seeds, strict=True) for seeds in rounds]
    chosen = [(style, seed) for turn in turns for style, seed in turn if seed is not None]
    return [_plain_recipe(model, seed, {style: 1.0}, truncation) for style, seed in chosen[:count]]


def seeds_from(seed: float, count: int) -> list[int]:
    """Consecutive seeds, which begin anew after the largest.

    Raises:
        ValueError: no whole number, or out of bounds.
    """
    first = whole_number("seed", seed, 0, SEED_LIMIT - 1)
    return [(first + place) % SEED_LIMIT for place in range(count)]


def style_weights_of(model: LoadedModel, weights: Mapping[str, Any]) -> dict[str, float]:
    """Style weights that sum to 1, from what a visitor or an API client sent.

    Raises:
        ValueError: no such style, or shares that are no numbers or all 0.
    """
    styles = model.generator.config.styles
    for name in weights:
        if name not in styles:
            raise Complaint("no-style", found=repr(str(name)[:80]), styles=", ".join(styles))
    shares = {name: number_between(name, weight, 0, 1e6) for name, weight in weights.items()}
    if sum(shares.values()) < 1e-9:
        raise Complaint("all-zero")
    return convex(shares)


@dataclass(frozen=True)
class WallPainter:
    """Paints recipes and hangs them on a wall: who paints, and where the files go."""

    save: SaveFile
    paint: PaintRows = paint_here
    rough: bool = False  # previews, to be looked at small: their files are JPEGs that hold no recipe

    def all(self, model: LoadedModel, recipes: Sequence[Recipe], language: str = DEFAULT_LANGUAGE) -> Wall:
        """The whole wall of these recipes.

        Raises:
            ValueError: a recipe does not fit the model.
        """
        *_, wall = [[], *self.growing(model, recipes, language)]
        return wall

    def growing(
        self, model: LoadedModel, recipes: Sequence[Recipe], language: str = DEFAULT_LANGUAGE
    ) -> Iterator[Wall]:
        """A wall that grows by a few pictures at a time.

        Raises:
            ValueError: a recipe does not fit the model.
        """
        wall: Wall = []
        for start in range(0, len(recipes), CHUNK):
            part = recipes[start : start + CHUNK]
            wall += self.hang(model, part, paint_images(model, part, self.paint), language)
            yield list(wall)

    def hang(
        self,
        model: LoadedModel,
        recipes: Sequence[Recipe],
        images: Sequence[Image.Image],
        language: str = DEFAULT_LANGUAGE,
    ) -> Wall:
        """A wall of images that are painted already."""
        stems = file_stems(model.generator.config.styles)
        return [
            (self._file(recipe, image, file_name(recipe, stems)), caption(recipe, language))
            for recipe, image in zip(recipes, images, strict=True)
        ]

    def _file(self, recipe: Recipe, image: Image.Image, name: str) -> str:
        if not self.rough:
            return self.save(png_bytes(image, [recipe]), name)
        content = io.BytesIO()
        image.save(content, "JPEG", quality=PREVIEW_QUALITY, subsampling=0)
        return self.save(content.getvalue(), f"preview-{name.removesuffix('.png')}.jpg")


def paint_images(model: LoadedModel, recipes: Sequence[Recipe], paint: PaintRows = paint_here) -> list[Image.Image]:
    """One image for each recipe.

    Raises:
        ValueError: a recipe is another model's, or does not fit this one.
    """
    if not recipes:
        return []
    return computed(to_images, paint(model, computed(rows_of_all, model, recipes)))


def rows_of_all(model: LoadedModel, recipes: Sequence[Recipe]) -> Tensor:
    """The `w: [N, layers + 1, latent_dim]` of at least one recipe.

    Raises:
        ValueError: a recipe is another model's, or does not fit this one.
    """
    for recipe in recipes:
        check_model(model, recipe)
    return torch.cat([rows_of(model.generator, recipe, model.directions) for recipe in recipes])


def check_model(model: LoadedModel, recipe: Recipe) -> None:
    """Raises:
    ValueError: the recipe was painted by another model, or by other weights of this one.
    """
    if recipe.weights_sha256 == model.weights_sha256:
        return
    wanted = hub_label(recipe.model, recipe.revision)
    raise Complaint("other-weights" if recipe.model == model.name else "other-model", wanted=wanted, model=model.name)


def file_name(recipe: Recipe, stems: Mapping[str, str]) -> str:
    """`ukiyo-e-7.png` of a plain seed, else the main style with digits of the recipe's hash."""
    main = max(recipe.style_weights, key=lambda style: recipe.style_weights[style])
    if len(recipe.latents) == len(recipe.style_weights) == 1 and not recipe.edits:
        return f"{stems[main]}-{recipe.latents[0].seed}.png"
    return f"{stems[main]}-{digest_of(recipe)[:10]}.png"


def caption(recipe: Recipe, language: str = DEFAULT_LANGUAGE) -> str:
    """What people call a picture: `Ukiyo-e No. 7`, and `Ukiyo-e 60 + Baroque 40, No. 7` in a mix (percent).

    Neighbours and children, in which several seeds meet, have a name besides: `Ukiyo-e No. 7 · kepun`; and that alone,
    if their first seed is too long to say.
    """
    name, seed = mix_words(recipe.style_weights, language), recipe.latents[0].seed
    own = f" · {spoken(recipe)}" if len(recipe.latents) > 1 else ""
    if not own or seed < SHORT_SEED:
        mixed = sum(share > 0 for share in recipe.style_weights.values()) > 1
        name = translate(language, "numbered-mix" if mixed else "numbered", styles=name, seed=seed)
    return f"{name}{own}{' ✎' if recipe.edits else ''}"


def mix_words(style_weights: Mapping[str, float], language: str = DEFAULT_LANGUAGE) -> str:
    """What a mix is called: `Ukiyo-e`, or `Ukiyo-e 60 + Baroque 40`, in percent, with three styles at most."""
    shares = sorted((item for item in style_weights.items() if item[1] > 0), key=lambda item: -item[1])
    if len(shares) == 1:
        return style_word(shares[0][0], language)
    named = (f"{style_word(style, language)} {round(100 * share)}" for style, share in shares[:3])
    return " + ".join(named) + (" …" if len(style_weights) > 3 else "")


def digest_of(recipe: Recipe) -> str:
    """A recipe's SHA-256, the same after it was in a browser, to which 1.0 is 1."""
    alike = json.dumps(json.loads(recipe.to_json(), parse_int=float), sort_keys=True)
    return hashlib.sha256(alike.encode()).hexdigest()


def spoken(recipe: Recipe) -> str:
    """A word of the recipe's own that means nothing, by its hash: one of 231,525."""
    number, letters = int(digest_of(recipe)[:12], 16), ""
    for place in range(5):
        kind = VOWELS if place % 2 else CONSONANTS
        number, letter = divmod(number, len(kind))
        letters += kind[letter]
    return letters


def picture_file(model: LoadedModel, save: SaveFile, recipe: Recipe, factor: int, paint: PaintRows = paint_here) -> str:
    """The path of a PNG of one recipe, enlarged by 1, 2 or 4, for print at 300 dots per inch.

    Raises:
        ValueError: the recipe does not fit the model.
    """
    (image,) = paint_images(model, [recipe], paint)
    return save_enlarged(model, save, recipe, image, factor)


def save_enlarged(model: LoadedModel, save: SaveFile, recipe: Recipe, image: Image.Image, factor: int) -> str:
    """The path of a PNG of a painted image, enlarged by 1, 2 or 4."""
    name = file_name(recipe, file_stems(model.generator.config.styles))
    if factor > 1:
        name = name.replace(".png", f"-{factor}x.png")
    large = computed(enlarge, image, factor, model.best_upscaler)
    return save(png_bytes(large, [recipe], PRINT_DOTS_PER_INCH), name)


def wall_zip(model: LoadedModel, recipes: Sequence[Recipe], paint: PaintRows = paint_here) -> bytes:
    """A zip of PNGs, their contact sheet and `recipes.json`.

    Raises:
        ValueError: no picture, or a recipe that does not fit the model.
    """
    if not recipes:
        raise Complaint("no-pictures")
    images, stems = paint_images(model, recipes, paint), file_stems(model.generator.config.styles)
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for place, (recipe, image) in enumerate(zip(recipes, images, strict=True), 1):
            archive.writestr(f"{place:02d}-{file_name(recipe, stems)}", png_bytes(image, [recipe]))
        sheet = contact_sheet(images, columns=min(6, len(images)), gap=8)
        archive.writestr("contact-sheet.png", png_bytes(sheet, recipes))
        data = [recipe.to_data() for recipe in recipes]
        archive.writestr("recipes.json", json.dumps(data, ensure_ascii=False, indent=2), zipfile.ZIP_DEFLATED)
    return buffer.getvalue()


def recipe_of_text(text: str, model: LoadedModel | None = None) -> tuple[Recipe, dict[str, str]]:
    """The recipe in a link of ours, in its last part alone, or in JSON; with the link's other parts.

    With a model, a short link (see `recipe_of_short_link`) will do.

    Raises:
        ValueError: none of them, or damaged.
    """
    text = text.strip()
    if not text:
        raise Complaint("no-recipe-text")
    if text.startswith(("{", "[")):
        return parse_recipes(text)[0], {}
    _, found, query = text.rpartition("?")
    if not found:
        return recipe_of_link(text), {}

    parts = dict(parse_qsl(query.partition("#")[0]))
    if model and "recipe" not in parts and parts.keys() & SHORT_LINK:
        return recipe_of_short_link(model, parts), {}
    if "recipe" not in parts:
        raise Complaint("no-recipe-text")
    return recipe_of_link(parts["recipe"]), parts


def recipe_of_link(text: str) -> Recipe:
    """The recipe in the last part of a link of ours.

    Raises:
        ValueError: none, or one of another kind.
    """
    try:
        return from_link(text)
    except DamagedLink as error:
        raise Complaint("damaged-link") from error


def recipe_of_short_link(model: LoadedModel, parts: Mapping[str, str]) -> Recipe:
    """The picture of `?style=ukiyo-e&seed=7`, which people type and remember; without a style, in the model's first.

    Raises:
        ValueError: no such style, or a seed that is no whole number below 2**32.
    """
    text = parts.get("seed", str(FIRST_SEED)).strip()
    seed: Any = int(text) if text.isascii() and text.isdigit() and len(text) <= 12 else text
    style = parts.get("style", model.generator.config.styles[0])
    return recipes_of_seeds(model, style, seed, 1, FIRST_TRUNCATION)[0]


def amounts_of(recipe: Recipe, names: Sequence[str]) -> list[float]:
    """How far a picture is moved along each of these directions."""
    moved = {edit.name: edit.amount for edit in recipe.edits if isinstance(edit, Shift)}
    return [moved.get(name, 0.0) for name in names]


def finite_number(name: str, value: object) -> float:
    """A float from what a control or an API client sent.

    Raises:
        ValueError: no number, or not a finite one.
    """
    if value is None:
        raise Complaint("empty-number", name=name)
    if not is_number(value):
        raise Complaint("no-number", name=name, found=repr(str(value)[:40]))
    return float(value)


def number_between(name: str, value: object, lowest: float, highest: float) -> float:
    """A number between two bounds, both included.

    Raises:
        ValueError: anything else.
    """
    number = finite_number(name, value)
    if not lowest <= number <= highest:
        raise Complaint("out-of-bounds", name=name, lowest=f"{lowest:g}", highest=f"{highest:g}", found=digits(number))
    return number


def whole_number(name: str, value: object, lowest: int, highest: int) -> int:
    """A whole number between two bounds, both included.

    Raises:
        ValueError: anything else.
    """
    number = finite_number(name, value)
    if number != int(number) or not lowest <= number <= highest:
        raise Complaint("no-whole-number", name=name, lowest=lowest, highest=highest, found=digits(number))
    return int(number)


def digits(number: float) -> str:
    """A number as it was most likely typed: 4294967296 is no 4.29497e+09."""
    return f"{number:.15g}"
