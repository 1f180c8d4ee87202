"""Pictures into files: what the verbs `generate`, `recipe`, `film`, `music` and `dance` do."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import torch
from PIL import Image
from torch import Tensor

from artmodels.generate.film import (
    FilmSpec,
    check_film,
    check_video,
    film_rows,
    film_text,
    paint_film,
    side_by_side,
    write_film,
    write_video,
)
from artmodels.generate.prompt import paint_prompt
from artmodels.generate.recipe import MAX_ITEMS, Recipe, Shift, png_bytes
from artmodels.generate.sampling import (
    contact_sheet,
    draw_latents,
    one_hot,
    paint,
    paint_rows,
    rows_of,
    seed_recipe,
    to_images,
)
from artmodels.generate.score import Score, ScoreRows, score_frames
from artmodels.generate.upscale import enlarge
from artmodels.hub.companions.directions import Directions
from artmodels.hub.download import hub_label
from artmodels.hub.load import LoadedModel, bundled_model_named, load_model
from artmodels.io.files import write_atomically
from artmodels.models.prompt import EncodedPrompt, split_words

BATCH = 16
LONGEST_STEM = 80  # bytes: a file system takes 255, of which temporary names need some


def paint_to_folder(
    model: LoadedModel,
    style: str | None,
    seeds: Sequence[int],
    truncation: float,
    folder: Path,
    grid: bool,
    factor: int = 1,
    shared: bool = False,
) -> int:
    """Write one PNG per style and seed, named after both, and on demand `grid.png`; returns the number of pictures.

    Each is enlarged by a factor of 1, 2 or 4; not those in the grid. `shared`: a seed has one layout in all styles.

    Raises:
        ValueError: the model has no such style, or a grid of more than 1,000 pictures is asked for.
        OSError: a file cannot be written.
    """
    generator = model.generator
    styles = [style] if style is not None else list(generator.config.styles)
    weights = {name: one_hot(generator.config.styles, name) for name in styles}
    if grid and len(styles) * len(seeds) > MAX_ITEMS:
        raise ValueError(f"--grid holds at most {MAX_ITEMS} pictures, found {len(styles) * len(seeds)}: fewer seeds")
    stems = file_stems(generator.config.styles)
    folder.mkdir(parents=True, exist_ok=True)
    sheet, sheet_recipes = [], []
    for name in styles:
        for start in range(0, len(seeds), BATCH):
            part = seeds[start : start + BATCH]
            latents = draw_latents(part, generator.config.latent_dim, None if shared else name)
            images = to_images(paint(generator, latents, weights[name], truncation))
            recipes = [
                seed_recipe(model.name, model.weights_sha256, name, seed, truncation, model.revision, shared)
                for seed in part
            ]
            for seed, image, recipe in zip(part, images, recipes, strict=True):
                large = enlarge(image, factor, model.best_upscaler)
                write_atomically(folder / f"{stems[name]}-{seed:05d}.png", png_bytes(large, [recipe]))
            if grid:
                sheet.extend(images)
                sheet_recipes.extend(recipes)
    if grid:
        write_atomically(folder / "grid.png", png_bytes(_sheet(sheet, sheet_recipes), sheet_recipes))
    return len(styles) * len(seeds)


def paint_prompt_to_folder(
    model: LoadedModel, prompt: str, seeds: Sequence[int], truncation: float, folder: Path, grid: bool, factor: int = 1
) -> str:
    """Write one PNG per seed, painted from a prompt, and on demand `grid.png`; returns what is to be said of them.

    Each is enlarged by a factor of 1, 2 or 4; not those in the grid.

    Raises:
        ValueError: the model has no prompt model, the prompt says nothing or too much, or more than 1,000 pictures.
        OSError: a file cannot be written, or the feature network is not installed.
    """
    if len(seeds) > MAX_ITEMS:
        raise ValueError(f"--prompt paints at most {MAX_ITEMS} pictures at a time, found {len(seeds)}: fewer seeds")
    if model.prompt is None:
        raise ValueError(f"{model.name} reads no prompts: train.py --task prompt trains a prompt model, or use --style")
    (stem,) = file_stems(["-".join(split_words(prompt))]).values()
    names = [f"{stem}-{seed:05d}.png" for seed in seeds]
    painted: list[tuple[Image.Image, Recipe]] = []
    matches: list[float] = []
    for start in range(0, len(seeds), BATCH):
        found = paint_prompt(model, model.prompt, prompt, seeds[start : start + BATCH], truncation)
        folder.mkdir(parents=True, exist_ok=True)
        part = list(zip(to_images(found.pictures), found.recipes, strict=True))
        for name, (image, recipe) in zip(names[start:], part, strict=False):
            write_atomically(folder / name, png_bytes(enlarge(image, factor, model.best_upscaler), [recipe]))
        painted += part if grid else []
        matches += found.matches
    if grid:
        images, recipes = (list(each) for each in zip(*painted, strict=True))
        write_atomically(folder / "grid.png", png_bytes(_sheet(images, recipes), recipes))
    return describe_prompt(model.prompt.read(prompt), matches, names, folder)


def describe_prompt(encoded: EncodedPrompt, matched: Sequence[float], names: Sequence[str], folder: Path) -> str:
    """What the prompt model made of a prompt, and how well each picture matches it, as lines of text."""
    weights = sorted(encoded.style_weights.items(), key=lambda item: -item[1])
    styles = ", ".join(f"{style} {100 * weight:.0f} %" for style, weight in weights if weight >= 0.01)
    unknown = [f"words it never read: {', '.join(encoded.unknown)}"] if encoded.unknown else []
    matches = [
        f"{name}  matches better than {100 * match:.0f} % of its random pictures"
        for name, match in zip(names, matched, strict=True)
    ]
    known = f"words it knows: {', '.join(encoded.known)}"
    return "\n".join([known, *unknown, f"styles: {styles}", *matches, f"{len(names)} pictures in {folder}"])


def with_directions_of(directions: Directions, recipe: Recipe) -> Recipe:
    """A recipe whose named directions are those that were found last."""
    edits = (replace(edit, sha256=directions.sha256) if isinstance(edit, Shift) else edit for edit in recipe.edits)
    return replace(recipe, edits=tuple(edits))


def _sheet(images: Sequence[Image.Image], recipes: Sequence[Recipe]) -> Image.Image:
    """A contact sheet: a row per style when there are several, else rows of eight."""
    pure = all(max(recipe.style_weights.values()) == 1 for recipe in recipes)  # of a prompt each has its own mixture
    of_first_style = sum(recipe.style_weights == recipes[0].style_weights for recipe in recipes)
    rows = pure and of_first_style < len(recipes)
    return contact_sheet(images, columns=of_first_style if rows else min(8, len(recipes)))


def file_stems(styles: Sequence[str]) -> dict[str, str]:
    """For each style a name that every file system takes, different from the others'."""
    stems: dict[str, str] = {}
    for label, style in enumerate(styles):
        stem = "".join(letter if letter.isalnum() or letter in "-_" else "-" for letter in style)
        stem = stem.encode()[:LONGEST_STEM].decode("utf-8", "ignore")
        stems[style] = f"{stem}-{label}" if stem in stems.values() else stem
    return stems


def repaint(recipes: Sequence[Recipe], path: Path, model_name: str | None, anyway: bool) -> None:
    """Paint what the recipes say into a PNG.

    Raises:
        ValueError, OSError: see `rows_of_recipes`; or the file cannot be written.
    """
    model, rows = rows_of_recipes(recipes, model_name, anyway)
    images = to_images(paint_rows(model.generator, rows))
    picture = images[0] if len(images) == 1 else _sheet(images, recipes)
    write_atomically(path, png_bytes(picture, recipes))


def repaint_as_film(
    recipes: Sequence[Recipe], path: Path, spec: FilmSpec, model_name: str | None, anyway: bool
) -> None:
    """Paint a walk through what the recipes say into an MP4 or a WebP, which carries them.

    Raises:
        ValueError, OSError: see `check_film` and `rows_of_recipes`; or the file cannot be written.
    """
    check_film(len(recipes), path, spec)
    model, keyframes = rows_of_recipes(recipes, model_name, anyway)
    rows = film_rows(keyframes, spec.frames, spec.loop, spec.easing)
    frames = paint_film(partial(paint_rows, model.generator), rows, spec.size)
    write_film(frames, path, spec, film_text(recipes, spec))


def render_score(
    model: LoadedModel,
    score: Score,
    path: Path,
    sound: Path | None,
    beside: Iterator[Image.Image] | None = None,
    begins: float | None = None,
) -> None:
    """Paint a score into an MP4 or a WebM, with the sound of a file, if one is given; the film carries the score.

    Of `beside`, each picture stands on the left of a painted one. `begins` is when by the sound's clock; see
    `write_video`.

    Raises:
        ValueError: another suffix; the model cannot paint the score; or the sound cannot be read.
        OSError: the file cannot be written.
    """
    check_video(path)
    frames = score_frames(ScoreRows(model, score), partial(paint_rows, model.generator))
    if beside is not None:
        frames = side_by_side(beside, frames)
    write_video(frames, path, score.frames_per_second, score.to_json(), sound, score.frames, begins)


def rows_of_recipes(recipes: Sequence[Recipe], model_name: str | None, anyway: bool) -> tuple[LoadedModel, Tensor]:
    """The model named, or else the bundled one of the first recipe, and the recipes' `w: [N, layers + 1, latent_dim]`.

    Raises:
        ValueError: the model is not at hand, or it has other weights than a recipe's and `anyway` is not set.
        OSError: the model cannot be loaded.
    """
    model = load_model(model_name or bundled_model_named(recipes[0].model))
    changed = [recipe for recipe in recipes if recipe.weights_sha256 != model.weights_sha256]
    if changed and not anyway:
        raise ValueError(
            f"the recipe was painted by {changed[0].model} with weights {changed[0].weights_sha256[:12]}, "
            f"but {model.name} now has {model.weights_sha256[:12]}: "
            + (f"try --model {hub_label(changed[0].model, changed[0].revision)}, or " if changed[0].revision else "")
            + "add --anyway to paint with today's"
        )
    if changed and model.directions:
        recipes = [with_directions_of(model.directions, recipe) for recipe in recipes]
    return model, torch.cat([rows_of(model.generator, recipe, model.directions) for recipe in recipes])
