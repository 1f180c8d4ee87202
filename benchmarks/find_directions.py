"""Find a model's directions, show what they were measured to do, and paint a sheet of it.

python benchmarks/find_directions.py checkpoints/masters --sheet docs/directions.png --columns 2 --save
"""

import argparse
import sys
import time
from pathlib import Path

import torch
from PIL import Image, ImageDraw

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from artmodels.cli.arguments import OneLineParser, natural
from artmodels.generate.find_directions import AMOUNTS, PICTURES, TRUNCATION, find_directions
from artmodels.generate.recipe import Latent, Recipe, Shift
from artmodels.generate.sampling import contact_sheet, paint_rows, rows_of, to_images
from artmodels.hub.card import check_card_target, rewrite_card
from artmodels.hub.companions.directions import Directions, save_directions
from artmodels.hub.load import load_model
from artmodels.hub.pretrained import ArtGenerator
from artmodels.io.device import pick_device
from artmodels.io.errors import main_with_clear_errors

LABEL_HEIGHT = 14  # px


def find(chosen: argparse.Namespace) -> None:
    if chosen.save:
        check_card_target(chosen.model, "--save")
    model = load_model(chosen.model, pick_device(chosen.device))
    started = time.perf_counter()
    names, vectors, figures = find_directions(model.generator, chosen.pictures)
    seconds = time.perf_counter() - started
    print("| direction | found by | effect | largest other | share of pictures | all effects |")
    print("| --- | --- | ---: | ---: | ---: | --- |")
    for name, told in {**figures["directions"], **figures["left_out"]}.items():
        effects = ", ".join(f"{other} {effect:.2f}" for other, effect in told["effects"].items())
        print(
            f"| {name} | {told.get('found_by', 'left out')} | {told['effect']:.2f} "
            f"| {told['largest_other_effect']:.2f} {told['largest_other']} | {told['rising']:.2f} | {effects} |"
        )
    lengths = vectors.flatten(1).norm(dim=1) if names else vectors
    print(f"\n{len(names)} in {seconds:.1f} s; lengths {[round(float(length), 2) for length in lengths]}")
    if chosen.save and names:
        save_directions(model.folder, names, vectors, figures)
        rewrite_card(model.folder, model.generator, {})
    if chosen.sheet and names:
        sheet(model.generator, Directions(names, vectors, "0" * 64, figures), chosen.columns).save(chosen.sheet)


def sheet(generator: ArtGenerator, directions: Directions, columns: int) -> Image.Image:
    """One row per direction, with its name above; in each, paintings of different styles at amounts from -2 to 2."""
    styles = generator.config.styles
    chosen = [(styles[place * len(styles) // columns], seed) for place, seed in enumerate(range(1, columns + 1))]
    rows = []
    for name in directions.names:
        recipes = [
            Recipe("model", "0" * 64, (Latent(seed),), {style: 1.0}, TRUNCATION, (Shift(name, amount, "0" * 64),))
            for style, seed in chosen
            for amount in AMOUNTS
        ]
        w = torch.cat([rows_of(generator, recipe, directions) for recipe in recipes])
        painted = contact_sheet(to_images(paint_rows(generator, w)), columns=len(recipes))
        row = Image.new("RGB", (painted.width, painted.height + LABEL_HEIGHT), "white")
        row.paste(painted, (0, LABEL_HEIGHT))
        ImageDraw.Draw(row).text((2, 1), name, fill="black")
        rows.append(row)
    return contact_sheet(rows, columns=1)


def parse_arguments() -> argparse.Namespace:
    parser = OneLineParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", help="a model folder, or a Hub id")
    parser.add_argument("--pictures", type=natural, default=PICTURES, help=f"to measure by (default: {PICTURES})")
    parser.add_argument("--sheet", type=Path, help="PNG to paint what each direction does into")
    parser.add_argument("--columns", type=natural, default=4, help="paintings a row of the sheet (default: 4)")
    parser.add_argument("--save", action="store_true", help="write them into the folder, and its card anew")
    parser.add_argument("--device", default="cpu", help="cpu, cuda, cuda:1, mps (default: cpu)")
    return parser.parse_args()


def main() -> int:
    chosen = parse_arguments()
    return main_with_clear_errors(lambda: find(chosen))


if __name__ == "__main__":
    sys.exit(main())
