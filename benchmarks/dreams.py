"""Dream held-out pictures towards each style, and ask a classifier that was not climbed what it sees.

python benchmarks/dreams.py checkpoints/masters --data train.zip --test-data test.zip --sheet /tmp/dreams.png
"""

import argparse
import statistics
import sys
import time
from pathlib import Path

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from commands import changed
from tell_styles_apart import fit_classifier

from artmodels.cli.arguments import OneLineParser, check_out, natural
from artmodels.data.dataset import load_dataset
from artmodels.data.decode import resized
from artmodels.generate.recipe import chunk_png
from artmodels.generate.sampling import contact_sheet, to_images
from artmodels.hub.card import check_card_target, rewrite_card
from artmodels.hub.companions.classifier import load_classifier
from artmodels.hub.load import load_model
from artmodels.io.device import describe_machine
from artmodels.io.errors import main_with_clear_errors
from artmodels.io.files import write_atomically
from artmodels.optimize.deep_dream import DreamSettings, dream
from artmodels.optimize.descent import finish

EACH = 2  # pictures for each style


def measure(chosen: argparse.Namespace) -> None:
    check_out(chosen.sheet, "--sheet", ".png")
    if chosen.card:
        check_card_target(chosen.model, "--card")
    model, settings = load_model(chosen.model), DreamSettings()
    classifier = load_classifier(model.folder)
    if classifier is None:
        raise ValueError(f"{chosen.model} has no classifier: `train.py --task classifier` trains one")
    side, styles = classifier.config.resolution, classifier.config.styles
    train, test = (load_dataset(path, 128) for path in (chosen.data, chosen.test_data))
    if train.styles != styles:
        known, found = ", ".join(styles), ", ".join(train.styles)
        raise ValueError(f"the classifier knows {known}, --data has {found}: name its own data")
    look, judge = fit_classifier(train)
    rng = np.random.default_rng(0)
    own: list[list[float]] = []
    judged: list[list[float]] = []
    seconds, pictures = [], []
    print("| towards | of | classifier before | after | other classifier before | after |")
    print("| --- | --- | ---: | ---: | ---: | ---: |")
    for label, style in enumerate(styles):
        others = np.flatnonzero([test.styles[each] != style for each in test.labels])
        for place in rng.choice(others, chosen.each, replace=False):
            photo = resized(test.batch(np.array([place])), settings.size, settings.size).clamp(-1, 1)
            started = time.perf_counter()
            dreamt = finish(dream(photo, classifier, side, label, settings))
            seconds.append(time.perf_counter() - started)
            pair = torch.cat([photo, dreamt])
            pictures.append(pair)
            own.append(classifier.probabilities(resized(pair, side, side))[:, label].tolist())
            judged.append(judge(look(pair)).softmax(dim=1)[:, label].tolist())
            cells = " | ".join(f"{share:.2f}" for share in (*own[-1], *judged[-1]))
            print(f"| {style} | {test.styles[test.labels[place]]} | {cells} |", flush=True)
    own_means, judged_means = (
        [statistics.mean(values) for values in zip(*pairs, strict=True)] for pairs in (own, judged)
    )
    risen, median = sum(after > before for before, after in judged), statistics.median(seconds)
    figures = {
        "pictures": len(seconds),
        "size": settings.size,
        "steps": settings.steps,
        "seconds": median,
        "own": own_means,
        "judge": judged_means,
        "risen": risen,
        "judged_by": "logistic regression on EfficientNet-Lite2 features",
        "machine": describe_machine(),
        "command": f"python benchmarks/dreams.py {chosen.model} --data {Path(chosen.data).name} --test-data "
        f"{Path(chosen.test_data).name}{changed(chosen, each=EACH)}",
    }
    print(
        f"the classifier: {own_means[0]:.2f} to {own_means[1]:.2f}; the other: {judged_means[0]:.2f} to "
        f"{judged_means[1]:.2f}, risen in {risen} of {len(seconds)}; {median:.1f} s each"
    )
    if chosen.sheet:
        write_atomically(chosen.sheet, chunk_png(contact_sheet(to_images(torch.cat(pictures)), 2 * chosen.each), ""))
    if chosen.card:
        rewrite_card(model.folder, model.generator, {"descents": {"dream": figures}})


def parse_arguments() -> argparse.Namespace:
    parser = OneLineParser(description="What dreams look like to a classifier that was not climbed.")
    parser.add_argument("model", help="a model folder with a classifier")
    parser.add_argument("--data", required=True, help="training pictures, to fit the other classifier")
    parser.add_argument("--test-data", required=True, help="held-out pictures, to begin with")
    parser.add_argument("--each", type=natural, default=EACH, help=f"pictures for each style (default: {EACH})")
    parser.add_argument("--sheet", type=Path, help="write pictures before and after side by side into this PNG")
    parser.add_argument("--card", action="store_true", help="put the figures on the model's card")
    return parser.parse_args()


def main() -> int:
    chosen = parse_arguments()
    return main_with_clear_errors(lambda: measure(chosen))


if __name__ == "__main__":
    sys.exit(main())
