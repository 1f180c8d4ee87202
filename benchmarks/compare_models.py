"""Compare models of one resolution in one run: distances to the same test pictures, and the least varied style.

python benchmarks/compare_models.py --data train.zip --test-data test.zip runs/a/model runs/b/model
"""

import argparse
import sys
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from artmodels.cli.arguments import OneLineParser, natural
from artmodels.data.dataset import ArtDataset, load_dataset
from artmodels.generate.sampling import draw_latents, paint
from artmodels.hub.load import LoadedModel, load_model, read_metrics
from artmodels.io.errors import main_with_clear_errors
from artmodels.metrics.evaluate import evaluate, look_at_real


def compare(chosen: argparse.Namespace) -> None:
    models, resolution = load_alike(chosen.models)
    train, test = (load_dataset(path, resolution) for path in (chosen.data, chosen.test_data))
    real = look_at_real(train, test, chosen.samples)
    print(
        "| model | images | Fréchet distance | kernel distance x 1000 | precision | recall "
        "| mean variety | least varied style | Fréchet distance, from outside |"
    )
    print("| --- | ---: | ---: | ---: | ---: | ---: | ---: | --- | ---: |")
    for folder, model in zip(chosen.models, models, strict=True):
        figures = evaluate(model.generator, real, chosen.samples, chosen.truncation)
        overall, styles = figures["overall"], figures["styles"]
        images = read_metrics(model.folder).get("training", {}).get("images", 0)  # none: it was not trained
        least = min(styles, key=lambda style: styles[style]["variety"])
        mean = sum(style["variety"] for style in styles.values()) / len(styles)
        print(
            f"| {folder} | {images:,} | {overall['frechet_distance']:.1f} | {overall['kernel_distance'] * 1000:.2f} "
            f"| {number(overall['precision'])} | {number(overall['recall'])} "
            f"| {mean:.2f} | {styles[least]['variety']:.2f} {least} | {from_outside(figures, 'frechet_distance')} |",
            flush=True,
        )
    print(
        f"| real pictures (the floor) | | {overall['frechet_floor']:.1f} | {overall['kernel_floor'] * 1000:.2f} "
        f"| {number(overall['precision_floor'])} | {number(overall['recall_floor'])} | 1 | "
        f"| {from_outside(figures, 'frechet_floor')} |"
    )


def load_alike(folders: list[str]) -> tuple[list[LoadedModel], int]:
    """Models, and the resolution in px that they must share.

    Raises:
        ValueError: they paint at several.
    """
    models = [load_model(folder) for folder in folders]
    resolution, *others = sorted({model.generator.config.resolution for model in models})
    if others:
        raise ValueError(f"the models paint at {[resolution, *others]} px: compare models of one resolution")
    return models, resolution


def paint_like(model: LoadedModel, test: ArtDataset, samples: int) -> Tensor:
    """So many pictures `[samples, 3, H, W]`, seeds from 0 on, their styles in the proportions of the test pictures.

    Raises:
        ValueError: the test pictures have a style that the model lacks.
    """
    styles = model.generator.config.styles
    if set(test.styles) - set(styles):
        raise ValueError(f"--test-data has styles that the model lacks: it paints {', '.join(styles)}")
    in_turn = np.arange(samples) * len(test) // samples
    labels = torch.tensor([styles.index(test.styles[label]) for label in test.labels[in_turn]])
    latents = draw_latents(range(samples), model.generator.config.latent_dim)
    return paint(model.generator, latents, torch.eye(len(styles))[labels])


def from_outside(figures: dict[str, Any], name: str) -> str:
    """A figure of the judge from outside, where it is installed."""
    return f"{figures['outside'][name]:.3f}" if figures["outside"] else ""


def number(value: float | None) -> str:
    return "" if value is None else f"{value:.2f}"


def parse_arguments() -> argparse.Namespace:
    parser = OneLineParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="+", help="model folders, or Hub ids")
    parser.add_argument("--data", required=True)
    parser.add_argument("--test-data", required=True)
    parser.add_argument("--samples", type=natural, default=1000)
    parser.add_argument("--truncation", type=float, default=1.0)
    return parser.parse_args()


def main() -> int:
    chosen = parse_arguments()
    return main_with_clear_errors(lambda: compare(chosen))


if __name__ == "__main__":
    sys.exit(main())
