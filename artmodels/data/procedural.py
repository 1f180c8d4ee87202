"""Pictures drawn by numpy and Pillow from a seed, in four named styles: a training set that needs no download."""

import colorsys

import numpy as np
from PIL import Image, ImageDraw

COUNT_PER_STYLE = 128
SUPERSAMPLING = 2  # drawn larger, then reduced, for smooth edges


def draw(style: str, seed: int, resolution: int) -> np.ndarray:
    """The picture number `seed` of a style, `uint8 [resolution, resolution, 3]`; a pure function of its arguments.

    Raises:
        KeyError: the style is not one of `STYLES`.
    """
    random = np.random.default_rng((seed, *style.encode()))
    canvas = STYLES[style](random, resolution * SUPERSAMPLING)
    return np.asarray(canvas.resize((resolution, resolution), Image.Resampling.LANCZOS))


def stained_glass(random: np.random.Generator, side: int) -> Image.Image:
    """Bright cells around random points, lead where two cells are equally near."""
    points = random.uniform(0, side, (random.integers(10, 24), 2))
    y, x = np.mgrid[:side, :side]
    distance = np.hypot(x[..., None] - points[:, 0], y[..., None] - points[:, 1])
    nearest = np.partition(distance, 1, axis=-1)[..., :2]
    colours = _palette(random, len(points), saturation=(0.65, 1.0), value=(0.55, 1.0))
    glow = 1 - 0.35 * (nearest[..., 0] / nearest[..., 0].max())
    picture = colours[distance.argmin(axis=-1)] * glow[..., None]
    picture[nearest[..., 1] - nearest[..., 0] < side / 40] = 0.06
    return _to_image(picture)


def op_art(random: np.random.Generator, side: int) -> Image.Image:
    """Two-colour rings that a second wave bends, after Riley and Vasarely."""
    y, x = (np.mgrid[:side, :side] / side - random.uniform(0.25, 0.75, 2)[:, None, None]) * 2 * np.pi
    bend = random.uniform(0.2, 1.2) * np.sin(random.integers(1, 4) * x) * np.cos(random.integers(1, 4) * y)
    rings = (
        np.hypot(x, y) if random.random() < 0.6 else x * np.cos(angle := random.uniform(0, np.pi)) + y * np.sin(angle)
    )
    wave = np.sin(random.uniform(3, 7) * rings + 3 * bend)
    dark, light = random.uniform(0, 0.25, 3), random.uniform(0.8, 1.0, 3)
    return _to_image(np.where(wave[..., None] > 0, light, dark))


def flow_field(random: np.random.Generator, side: int) -> Image.Image:
    """Long strokes that follow a smooth field of directions, on paper."""
    canvas = Image.new("RGB", (side, side), _colour(random.uniform(0.88, 1.0, 3)))
    pen = ImageDraw.Draw(canvas)
    colours = _palette(random, 5, saturation=(0.3, 0.8), value=(0.2, 0.75))
    frequency, phase = random.uniform(1, 3, 4), random.uniform(0, 2 * np.pi, 4)
    for start in random.uniform(0, side, (140, 2)):
        x, y = start
        line = [(x, y)]
        for _ in range(18):
            turn = np.sin(frequency[0] * x / side * 3 + phase[0]) + np.cos(frequency[1] * y / side * 3 + phase[1])
            x, y = x + np.cos(turn * 2 + phase[2]) * side / 40, y + np.sin(turn * 2 + phase[2]) * side / 40
            line.append((x, y))
        pen.line(line, fill=_colour(colours[random.integers(5)]), width=max(1, side // 64))
    return canvas


def mosaic(random: np.random.Generator, side: int) -> Image.Image:
    """Square tiles with grout between, coloured by a smooth motif and a little chance."""
    tiles = int(random.integers(8, 14))
    colours = _palette(random, 4, saturation=(0.2, 0.6), value=(0.45, 0.95))
    centre, frequency = random.uniform(0.3, 0.7, 2), random.uniform(4, 9)
    canvas = Image.new("RGB", (side, side), (226, 220, 208))
    pen = ImageDraw.Draw(canvas)
    size = side / tiles
    for row in range(tiles):
        for column in range(tiles):
            distance = np.hypot((row + 0.5) / tiles - centre[0], (column + 0.5) / tiles - centre[1])
            colour = colours[int(distance * frequency) % 4] + random.normal(0, 0.05, 3)
            corner = np.array([column, row]) * size + random.uniform(-0.06, 0.06, 2) * size
            box = [*(corner + 0.08 * size), *(corner + 0.92 * size)]
            pen.rectangle(box, fill=_colour(colour))
    return canvas


def _palette(random: np.random.Generator, count: int, saturation: tuple, value: tuple) -> np.ndarray:
    """Colours `[count, 3]` in [0, 1] around two hues."""
    hues = random.choice(random.uniform(0, 1, 2), count) + random.normal(0, 0.06, count)
    return np.array([colorsys.hsv_to_rgb(hue % 1, random.uniform(*saturation), random.uniform(*value)) for hue in hues])


def _colour(rgb: np.ndarray) -> tuple[int, int, int]:
    red, green, blue = (int(channel) for channel in np.clip(rgb, 0, 1) * 255)
    return red, green, blue


def _to_image(picture: np.ndarray) -> Image.Image:
    return Image.fromarray((picture.clip(0, 1) * 255).astype(np.uint8))


STYLES = {"flow-field": flow_field, "mosaic": mosaic, "op-art": op_art, "stained-glass": stained_glass}
