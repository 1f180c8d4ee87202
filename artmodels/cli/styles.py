"""`styles`: keep the statistics of each style beside a model, for `transfer --style`."""

import argparse
from pathlib import Path

from artmodels.cli.arguments import add_verb


def add_styles(verbs: argparse._SubParsersAction) -> None:
    example = "python -m artmodels styles checkpoints/masters --data paintings.zip"
    summary = "Keep the statistics of each style beside a model, for transfer --style."
    parser = add_verb(verbs, "styles", _styles, summary, example)
    parser.add_argument("model", type=Path, help="a model folder of one's own")
    parser.add_argument("--data", help="its training pictures; without it, the small drawn set")


def _styles(chosen: argparse.Namespace) -> None:
    from artmodels.data.dataset import divided, load_dataset
    from artmodels.hub.card import at_rest
    from artmodels.hub.companions.style_statistics import STATISTICS_NAME, save_style_statistics
    from artmodels.hub.pretrained import load_generator
    from artmodels.models.efficientnet import load_efficientnet
    from artmodels.optimize.style_transfer import find_style_representations

    styles = load_generator(chosen.model).config.styles
    with at_rest(chosen.model):
        pictures, _ = divided(load_dataset(chosen.data, 128))
        representations = find_style_representations(load_efficientnet(0), pictures, styles)
        save_style_statistics(chosen.model, styles, representations)
    path = chosen.model / STATISTICS_NAME
    print(f"{path}: statistics of {len(styles)} styles, {path.stat().st_size:,} bytes")
