"""Enlargements by a model's upscaler beside Lanczos's, to look at: of what the model paints, or of pictures one names.

python benchmarks/upscaler_sheet.py checkpoints/masters --sheet docs/larger.png

Pairs in a row: Lanczos on the left, the upscaler on the right. How near both come to held-out pictures is measured by
`train.py --task upscaler`.
"""

import argparse
import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from artmodels.cli.arguments import OneLineParser, check_out, natural
from artmodels.data.dataset import load_dataset
from artmodels.generate.recipe import chunk_png
from artmodels.generate.sampling import contact_sheet, draw_latents, one_hot, paint, to_images
from artmodels.generate.upscale import enlarge
from artmodels.hub.load import load_model
from artmodels.io.errors import main_with_clear_errors
from artmodels.io.files import write_atomically
from artmodels.training.upscaler import halved


def make(chosen: argparse.Namespace) -> None:
    check_out(chosen.sheet, "--sheet", ".png")
    model = load_model(chosen.model)
    if model.upscaler is None:
        raise ValueError(f"{chosen.model} has no upscaler: `train.py --task upscaler` trains one")
    if chosen.data:  # pictures at half their size
        dataset = load_dataset(chosen.data, 128)
        places = np.random.default_rng(chosen.seed).permutation(len(dataset))[: chosen.pairs]
        small = to_images(halved(dataset.batch(np.sort(places))))
    else:
        generator = model.generator
        styles = generator.config.styles
        z = draw_latents([chosen.seed], generator.config.latent_dim)
        small = [
            to_images(paint(generator, z, one_hot(styles, style), chosen.truncation))[0]
            for style in (chosen.styles or styles)
        ][: chosen.pairs]
    pairs = [enlarge(image, chosen.factor, using) for image in small for using in (None, model.upscaler)]
    write_atomically(chosen.sheet, chunk_png(contact_sheet(pairs, columns=chosen.columns), ""))


def parse_arguments() -> argparse.Namespace:
    parser = OneLineParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("model", help="a model folder or a Hub id, with an upscaler")
    add("--data", help="instead of what it paints, pictures of this folder or zip, at half their size")
    add("--styles", nargs="*", help="of the model (default: each)")
    add("--seed", type=natural, default=3, help="of the paintings, or of the lot (default: 3)")
    add("--pairs", type=natural, default=9, help="at most (default: 9)")
    add("--columns", type=natural, default=6, help="of the sheet (default: 6)")
    add("--factor", type=natural, default=4, help="2 or 4 (default: 4)")
    add("--truncation", type=float, default=0.8, help="of the paintings (default: 0.8)")
    add("--sheet", type=Path, required=True, help="the PNG")
    return parser.parse_args()


def main() -> int:
    chosen = parse_arguments()
    return main_with_clear_errors(lambda: make(chosen))


if __name__ == "__main__":
    sys.exit(main())
