"""Twelve transfers on one sheet: four contents that this script draws or the model paints, in three styles.

python benchmarks/transfer_sheet.py checkpoints/masters --styles post-impressionism ukiyo-e --manner painting.jpg \
    --sheet docs/transfers.png
"""

import argparse
import statistics
import sys
import time
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFilter

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from commands import changed

from artmodels.cli.arguments import OneLineParser, check_out, natural
from artmodels.data.decode import to_tensor
from artmodels.generate.recipe import chunk_png
from artmodels.generate.sampling import contact_sheet, draw_latents, one_hot, paint, to_images
from artmodels.hub.card import check_card_target, rewrite_card
from artmodels.hub.companions.style_statistics import load_style_statistics
from artmodels.hub.load import load_model
from artmodels.io.device import describe_machine
from artmodels.io.errors import main_with_clear_errors
from artmodels.io.files import write_atomically
from artmodels.models.efficientnet import load_efficientnet
from artmodels.optimize.descent import finish, read_input
from artmodels.optimize.style_transfer import (
    TransferSettings,
    content_distance,
    style_distance,
    style_representations,
    transfer,
)

PAINTED_STYLE, PAINTED_SEED = "baroque", 8  # of the content that the model paints; its first style, if it lacks this


# --- contents --------------------------------------------------------------------------------------------------------


def still_life(side: int) -> np.ndarray:
    """Fruit on a table by a window: spheres, ray-traced with one light, shadows and a checked cloth."""
    rows, columns = np.mgrid[0:side, 0:side] / side
    camera = np.array([0.0, 1.1, -3.4])
    towards = np.stack([(columns - 0.5) * 1.25, 0.30 - rows, np.ones_like(rows)], axis=-1)
    towards /= np.linalg.norm(towards, axis=-1, keepdims=True)
    light = np.array([-0.55, 0.75, -0.45]) / np.linalg.norm([-0.55, 0.75, -0.45])
    fruit = (
        ((-0.95, 0.5, 0.3), 0.5, (0.86, 0.22, 0.12)),
        ((0.05, 0.62, 0.75), 0.62, (0.93, 0.62, 0.12)),
        ((1.0, 0.42, 0.1), 0.42, (0.45, 0.62, 0.18)),
        ((0.25, 0.3, -0.55), 0.3, (0.5, 0.12, 0.35)),
    )
    picture = np.stack([0.35 + 0.25 * columns, 0.42 + 0.2 * columns, 0.5 + 0.18 * columns], axis=-1)  # the wall
    nearest = np.full(rows.shape, np.inf)
    with np.errstate(divide="ignore"):
        far = -camera[1] / towards[..., 1]
    table = (far > 0) & (far < 6.5)
    place = camera + far[..., None] * towards
    cloth = (np.floor(place[..., 0] * 2) + np.floor(place[..., 2] * 2)) % 2
    shade = np.where(_shadowed(place, light, fruit), 0.35, 0.95)
    cloth_colour = np.where(cloth[..., None] > 0, (0.92, 0.9, 0.84), (0.3, 0.42, 0.62)) * shade[..., None]
    picture[table], nearest[table] = cloth_colour[table], far[table]
    for centre, radius, colour in fruit:
        offset = camera - np.array(centre)
        half = (towards * offset).sum(-1)
        inside = half**2 - (offset @ offset - radius**2)
        distance = -half - np.sqrt(np.maximum(inside, 0))
        hit = (inside > 0) & (distance > 0) & (distance < nearest)
        point = camera + distance[..., None] * towards
        normal = (point - np.array(centre)) / radius
        bright = np.maximum((normal * light).sum(-1), 0) * ~_shadowed(point + 1e-3 * normal, light, fruit)
        mirrored = 2 * (normal * light).sum(-1, keepdims=True) * normal - light
        shine = np.maximum(-(mirrored * towards).sum(-1), 0) ** 40
        lit = np.array(colour) * (0.28 + 0.85 * bright[..., None]) + 0.6 * shine[..., None]
        picture[hit], nearest[hit] = lit[hit], distance[hit]
    return _levels(picture)


def _shadowed(points: np.ndarray, light: np.ndarray, spheres: tuple) -> np.ndarray:
    shadow = np.zeros(points.shape[:-1], dtype=bool)
    for centre, radius, _ in spheres:
        offset = points - np.array(centre)
        half = (offset * light).sum(-1)
        shadow |= (half < 0) & (half**2 > (offset**2).sum(-1) - radius**2)
    return shadow


def mountains(side: int) -> np.ndarray:
    """A lake between mountains in the evening: ridges of fractal noise, paler with distance, mirrored."""
    random = np.random.default_rng(5)
    rows, columns = np.mgrid[0:side, 0:side] / side
    sky = np.stack([0.95 - 0.55 * (0.6 - rows), 0.62 - 0.25 * (0.6 - rows), 0.45 + 0.6 * (0.6 - rows)], axis=-1)
    sun = np.exp(-(((columns - 0.66) ** 2 + (rows - 0.33) ** 2) / 0.004))
    picture = sky + sun[..., None] * np.array([0.5, 0.4, 0.2])
    for depth, (base, height) in enumerate(((0.42, 0.3), (0.5, 0.2), (0.57, 0.12))):
        ridge, amplitude = np.zeros(side), height
        for octave in range(7):
            knots = random.uniform(-0.5, 0.5, 3 * 2**octave + 1)
            ridge += amplitude * np.interp(np.linspace(0, len(knots) - 1, side), np.arange(len(knots)), knots)
            amplitude *= 0.5
        below = rows > base - 0.08 - ridge[None]
        grain = _grain(random, side)
        colour = np.array([(0.62, 0.55, 0.66), (0.36, 0.38, 0.52), (0.14, 0.24, 0.24)][depth])
        snow = (rows + 0.06 * grain < base - 0.13) & (depth == 0)
        rock = colour * (1 + 0.35 * grain[..., None])
        picture = np.where(below[..., None], np.where(snow[..., None], (0.95, 0.88, 0.88), rock), picture)
    shore = int(0.62 * side)
    ripple = (np.sin(np.arange(side) * 0.9)[:, None] * 2 + 3 * _grain(random, side)).astype(int)
    for row in range(shore, side):
        source = np.clip(2 * shore - row + ripple[row], 0, shore - 1)
        picture[row] = 0.78 * picture[source, np.arange(side)] + 0.02
    return _levels(picture)


def _grain(random: np.random.Generator, side: int) -> np.ndarray:
    """Fractal noise `[side, side]` around 0."""
    total = np.zeros((side, side))
    for octave in range(3, 7):
        knots = random.uniform(-1, 1, (2**octave, 2**octave)).astype(np.float32)
        total += np.asarray(Image.fromarray(knots).resize((side, side), Image.Resampling.BICUBIC)) / octave
    return total


def cat(side: int) -> np.ndarray:
    """A tabby's head, drawn four times as large, in soft light."""
    scale = 4 * side / 100
    image = Image.new("RGB", (4 * side, 4 * side), "#7d9a86")
    pen = ImageDraw.Draw(image)

    def oval(x: float, y: float, width: float, height: float, fill: str) -> None:
        pen.ellipse([scale * (x - width), scale * (y - height), scale * (x + width), scale * (y + height)], fill=fill)

    def shape(points: list[tuple[float, float]], fill: str) -> None:
        pen.polygon([(scale * x, scale * y) for x, y in points], fill=fill)

    for top in range(0, 100, 4):
        pen.rectangle([0, scale * top, 4 * side, scale * (top + 4)], fill=(120 - top, 150 - top // 2, 150 - top // 3))
    oval(50, 108, 42, 42, "#b9783f")
    for mirror in (1, -1):
        shape([(50 + mirror * 12, 28), (50 + mirror * 33, 6), (50 + mirror * 34, 44)], "#a9652f")
        shape([(50 + mirror * 19, 28), (50 + mirror * 30, 14), (50 + mirror * 30, 38)], "#e0a591")
    oval(50, 50, 34, 30, "#c98a4b")
    for mirror in (1, -1):
        for start, end in ((30, 24), (40, 40), (52, 54)):
            shape([(50 + mirror * 34, start), (50 + mirror * 22, end), (50 + mirror * 33, start + 5)], "#7a4520")
        shape([(50 + mirror * 3, 22), (50 + mirror * 6, 36), (50 + mirror * 8, 23)], "#7a4520")
    shape([(48, 20), (50, 38), (52, 20)], "#7a4520")
    oval(50, 66, 17, 13, "#f2e3cf")
    for mirror in (1, -1):
        oval(50 + mirror * 14, 46, 8, 6.5, "#3a2a1a")
        oval(50 + mirror * 14, 46, 7, 5.5, "#b7c24a")
        oval(50 + mirror * 14, 46, 2, 5, "#141414")
        oval(50 + mirror * 14 + 2, 44, 1.3, 1.3, "white")
        for y in (62, 66, 70):
            ends = [(scale * (50 + mirror * 9), scale * y), (scale * (50 + mirror * 40), scale * (y * 2 - 66))]
            pen.line(ends, fill="white", width=round(scale / 3))
        box = [scale * (50 + mirror * 5 - 5), scale * 62, scale * (50 + mirror * 5 + 5), scale * 72]
        pen.arc(box, 0, 180, fill="#5a3020", width=round(scale / 2))
    shape([(46, 58), (54, 58), (50, 63)], "#c9665f")
    small = image.filter(ImageFilter.GaussianBlur(2)).resize((side, side), Image.Resampling.LANCZOS)
    light = 1.15 - 0.55 * (np.mgrid[0:side, 0:side] / side).mean(axis=0)
    return _levels(np.asarray(small) / 255 * light[..., None])


def _levels(picture: np.ndarray) -> np.ndarray:
    return (picture.clip(0, 1) * 255 + 0.5).astype(np.uint8)


# --- the sheet -------------------------------------------------------------------------------------------------------


def make(chosen: argparse.Namespace) -> None:
    check_out(chosen.sheet, "--sheet", ".png")
    if chosen.card:
        check_card_target(chosen.model, "--card")
    settings = TransferSettings(chosen.size, chosen.steps)
    model, network = load_model(chosen.model), load_efficientnet(0)
    typical = load_style_statistics(model.folder, model.generator.config.styles)
    if typical is None:
        raise ValueError(f"{chosen.model} has no style statistics: `python -m artmodels styles` makes them")
    representations = {style: typical.representation(style) for style in chosen.styles}
    for path in chosen.manner:
        file = read_input(path)
        small, large = (file.whole(side) for side in (settings.size // 2, settings.size))
        representations[path.stem] = tuple(style_representations(network, small, large))
    contents = {scene.__name__: to_tensor(scene(settings.size)[None]) for scene in (still_life, mountains, cat)}
    config = model.generator.config
    style = one_hot(config.styles, PAINTED_STYLE if PAINTED_STYLE in config.styles else config.styles[0])
    painted = paint(model.generator, draw_latents([PAINTED_SEED], config.latent_dim), style, 0.8)
    side = (settings.size, settings.size)
    contents["painted"] = torch.nn.functional.interpolate(painted, size=side, mode="bicubic").clamp(-1, 1)
    pictures, measured = [], []
    print("| content | style | seconds | style distance before | after | content distance |")
    print("| --- | --- | ---: | ---: | ---: | ---: |")
    for content, photo in contents.items():
        pictures.append(photo)
        for name, representation in representations.items():
            started = time.perf_counter()
            picture = finish(transfer(network, photo, representation, settings))
            seconds = time.perf_counter() - started
            before, after = (style_distance(network, one, representation[-1]) for one in (photo, picture))
            moved = content_distance(network, picture, photo)
            print(f"| {content} | {name} | {seconds:.1f} | {before:.3f} | {after:.3f} | {moved:.2f} |", flush=True)
            pictures.append(picture)
            measured.append((seconds, after / before, moved))
    if chosen.card:
        times, left, changes = (sorted(values) for values in zip(*measured, strict=True))
        named = " ".join(
            [*chosen.styles, *(["--manner", *(path.name for path in chosen.manner)] if chosen.manner else [])]
        )
        figures = {
            "pictures": len(measured),
            "size": settings.size,
            "steps": settings.steps,
            "seconds": statistics.median(times),
            "style_left": [left[0], left[-1]],
            "content": [changes[0], changes[-1]],
            "machine": describe_machine(),
            "command": f"python benchmarks/transfer_sheet.py {chosen.model} --styles {named} --sheet sheet.png"
            + changed(chosen, size=TransferSettings.size, steps=TransferSettings.steps),
        }
        rewrite_card(model.folder, model.generator, {"descents": {"transfer": figures}})
    sheet = contact_sheet(to_images(torch.cat(pictures)), columns=1 + len(representations))
    if chosen.width:
        sheet = sheet.resize((chosen.width, round(sheet.height * chosen.width / sheet.width)), Image.Resampling.LANCZOS)
    write_atomically(chosen.sheet, chunk_png(sheet, ""))


def parse_arguments() -> argparse.Namespace:
    parser = OneLineParser(description="A contact sheet of transfers.")
    parser.add_argument("model", help="a model folder or a Hub id, with style statistics")
    parser.add_argument("--styles", nargs="*", default=[], help="of the model")
    parser.add_argument("--manner", nargs="*", type=Path, default=[], help="pictures whose style is taken")
    parser.add_argument(
        "--size", type=natural, default=TransferSettings.size, help=f"px (default: {TransferSettings.size})"
    )
    parser.add_argument("--steps", type=natural, default=TransferSettings.steps, help="of each transfer")
    parser.add_argument("--width", type=natural, default=0, help="of the sheet in px (default: as it comes)")
    parser.add_argument("--sheet", type=Path, required=True, help="the PNG")
    parser.add_argument("--card", action="store_true", help="put the figures on the model's card")
    return parser.parse_args()


def main() -> int:
    chosen = parse_arguments()
    return main_with_clear_errors(lambda: make(chosen))


if __name__ == "__main__":
    sys.exit(main())
