"""Whether a model's styles are told apart as well as those of real paintings, by a classifier that training never met.

python benchmarks/tell_styles_apart.py --data train.zip --test-data test.zip checkpoints/masters

The classifier is linear, on EfficientNet-Lite2 features, fitted to at most 200 training pictures of each style.
It is shown the held-out pictures and 64 seeds of each style: the share that it names rightly, in the mean over styles.
"""

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from artmodels.cli.arguments import OneLineParser
from artmodels.data.dataset import ArtDataset, load_dataset
from artmodels.generate.sampling import draw_latents, one_hot, paint
from artmodels.hub.load import load_model
from artmodels.io.errors import main_with_clear_errors
from artmodels.metrics.classification import fit_head
from artmodels.metrics.distances import extract_features
from artmodels.metrics.evaluate import JUDGE_RESOLUTION, JUDGE_VARIANT
from artmodels.models.efficientnet import load_efficientnet

PER_STYLE = 200
SEEDS = range(64)


def fit_classifier(train: ArtDataset) -> tuple[Callable[[Tensor], Tensor], Callable[[Tensor], Tensor]]:
    """What sees pictures `[N, 3, H, W]` in [-1, 1], and what makes logits of the set's styles of what it sees."""
    judge = load_efficientnet(JUDGE_VARIANT)

    def look(pictures: Tensor) -> Tensor:
        return extract_features(judge, pictures, JUDGE_RESOLUTION)

    of_style = [np.flatnonzero(train.labels == label) for label in range(len(train.styles))]
    rows = np.concatenate([places[:: max(1, len(places) // PER_STYLE)][:PER_STYLE] for places in of_style])
    return look, fit_head(look(train.batch(rows)), torch.from_numpy(train.labels[rows]), len(train.styles))


def compare(chosen: argparse.Namespace) -> None:
    models = {name: load_model(name).generator for name in chosen.models}
    (resolution,) = {model.config.resolution for model in models.values()}
    train, test = (load_dataset(path, resolution) for path in (chosen.data, chosen.test_data))
    look, classify = fit_classifier(train)

    def shares(features: Tensor, labels: Tensor) -> list[float]:
        right = classify(features).argmax(dim=1) == labels
        return [right[labels == label].float().mean().item() for label in range(len(train.styles))]

    print(f"| | all | {' | '.join(train.styles)} |")
    print("| --- |" + " ---: |" * (1 + len(train.styles)))
    labels = torch.tensor([train.styles.index(test.styles[label]) for label in test.labels])
    print_row("real, held out", shares(look(test.batch(np.arange(len(test)))), labels))
    painted_labels = torch.arange(len(train.styles)).repeat_interleave(len(SEEDS))
    for name, generator in models.items():
        latents = draw_latents(SEEDS, generator.config.latent_dim)
        for truncation in (1.0, 0.8):
            painted = [
                look(paint(generator, latents, one_hot(generator.config.styles, style), truncation))
                for style in train.styles
            ]
            print_row(f"{name}, truncation {truncation:g}", shares(torch.cat(painted), painted_labels))


def print_row(name: str, shares: list[float]) -> None:
    cells = " | ".join(f"{share:.2f}" for share in [sum(shares) / len(shares), *shares])
    print(f"| {name} | {cells} |", flush=True)


def parse_arguments() -> argparse.Namespace:
    parser = OneLineParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="+", help="model folders, or Hub ids, of one resolution")
    parser.add_argument("--data", required=True)
    parser.add_argument("--test-data", required=True)
    return parser.parse_args()


def main() -> int:
    chosen = parse_arguments()
    return main_with_clear_errors(lambda: compare(chosen))


if __name__ == "__main__":
    sys.exit(main())
