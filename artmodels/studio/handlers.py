"""What the page's controls call: stateless functions of their arguments, safe for any number of visitors at once."""

from collections.abc import Callable

import torch
from torch import Tensor

from artmodels.hub import LoadedModel
from artmodels.painting import file_stems
from artmodels.recipe import SEED_LIMIT, is_number, png_bytes
from artmodels.sampling import check_truncation, draw_latents, one_hot, paint, seed_recipe, to_images

ALL_STYLES = "all styles"
MAX_COUNT = 36

SavePng = Callable[[bytes, str], str]  # a PNG's bytes and its file name -> the path that Gradio may serve
Painter = Callable[[LoadedModel, Tensor, Tensor, float], Tensor]  # latents, style weights and truncation -> pictures


def paint_here(model: LoadedModel, latents: Tensor, weights: Tensor, truncation: float) -> Tensor:
    """The painter of every place but ZeroGPU."""
    return paint(model.generator, latents, weights, truncation)


def generate(
    model: LoadedModel,
    save_png: SavePng,
    style: str,
    seed: float,
    count: float,
    truncation: float,
    painter: Painter = paint_here,
) -> list[tuple[str, str]]:
    """Paint `count` pictures from consecutive seeds: (path of a PNG that carries its recipe, caption) for each.

    With `ALL_STYLES` the styles take turns, so that a wall shows them all.

    Raises:
        ValueError: an argument is out of bounds or no number; the message says what to do.
    """
    first = whole_number("seed", seed, 0, SEED_LIMIT - 1)
    count = whole_number("count", count, 1, MAX_COUNT)
    truncation = finite_number("truncation", truncation)
    check_truncation(truncation)
    styles = model.generator.config.styles
    turns = styles if style == ALL_STYLES else (str(style),)
    names = [turns[place % len(turns)] for place in range(count)]
    seeds = [(first + place) % SEED_LIMIT for place in range(count)]
    weights = torch.cat([one_hot(styles, name) for name in names])
    latents = draw_latents(seeds, model.generator.config.latent_dim)
    images = to_images(painter(model, latents, weights, truncation))
    stems = file_stems(styles)
    wall = []
    for name, number, image in zip(names, seeds, images, strict=True):
        recipe = seed_recipe(model.name, model.weights_sha256, name, number, truncation, model.revision)
        path = save_png(png_bytes(image, [recipe]), f"{stems[name]}-{number}.png")
        wall.append((path, f"{name} · {number}"))
    return wall


def finite_number(name: str, value: object) -> float:
    """A float from what a control or an API client sent.

    Raises:
        ValueError: no number, or not a finite one.
    """
    if not is_number(value):
        raise ValueError(f"{name} must be a number, found {str(value)[:40]!r}")
    return float(value)


def whole_number(name: str, value: object, lowest: int, highest: int) -> int:
    """A whole number between two bounds, both included.

    Raises:
        ValueError: anything else.
    """
    number = finite_number(name, value)
    if number != int(number) or not lowest <= number <= highest:
        raise ValueError(f"{name} must be a whole number between {lowest} and {highest}, found {number:g}")
    return int(number)
