"""Train the judge from outside: a style network of its own, from scratch, on one half of a collection.

python benchmarks/train_judge.py --data train.zip --work /tmp/judge

EfficientNet-Lite2, the first judge, is a cousin of the network that training sees through. This one shares nothing with
either: it has seen paintings alone, those of the collection whose file's SHA-256 begins with an even digit, and no
training decides anything by it. It is chosen and measured by pictures of the other half. Stopped, it goes on with the
same call.

Written: `artmodels/metrics/outside/classifier.safetensors`, with its figures inside.
"""

import argparse
import shutil
import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from artmodels.cli.arguments import OneLineParser
from artmodels.data.dataset import ArtDataset, load_dataset
from artmodels.hub.companions.classifier import CLASSIFIER_NAME
from artmodels.io.device import best_precision
from artmodels.io.errors import main_with_clear_errors
from artmodels.io.files import sha256
from artmodels.training.checkpoint import list_checkpoints
from artmodels.training.classifier import train_classifier
from artmodels.training.supervised_config import classifier_train_config

FOLDER = Path(__file__).resolve().parent.parent / "artmodels" / "metrics" / "outside"
CHOSEN_BY = 600  # pictures of the other half, by which the best is chosen; the rest of it measures


def halves(dataset: ArtDataset) -> tuple[ArtDataset, ArtDataset]:
    """The pictures whose file's SHA-256 begins with an even digit, and the others."""
    even = np.array([int(digest[0], 16) % 2 == 0 for digest in dataset.file_digests])
    return dataset.select(np.flatnonzero(even)), dataset.select(np.flatnonzero(~even))


def train_judge(chosen: argparse.Namespace) -> None:
    config = classifier_train_config(best_precision())
    learned, others = halves(load_dataset(chosen.data, config.resolution))
    shuffled = np.random.default_rng(0).permutation(len(others))
    chosen_by, measured = (others.select(np.sort(part)) for part in (shuffled[:CHOSEN_BY], shuffled[CHOSEN_BY:]))
    chosen.work.mkdir(parents=True, exist_ok=True)
    resume = bool(list_checkpoints(chosen.work))
    if train_classifier(config, learned, chosen_by, measured, chosen.work, resume):
        FOLDER.mkdir(exist_ok=True)
        shutil.copyfile(chosen.work / "model" / CLASSIFIER_NAME, FOLDER / CLASSIFIER_NAME)
        print(f"{FOLDER / CLASSIFIER_NAME}: learned from {len(learned)} pictures, {sha256(FOLDER / CLASSIFIER_NAME)}")


def parse_arguments() -> argparse.Namespace:
    parser = OneLineParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True, help="the collection, of which half is learned from")
    parser.add_argument("--work", required=True, type=Path, metavar="FOLDER", help="where it trains")
    return parser.parse_args()


def main() -> int:
    chosen = parse_arguments()
    return main_with_clear_errors(lambda: train_judge(chosen))


if __name__ == "__main__":
    sys.exit(main())
