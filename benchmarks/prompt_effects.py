"""Whether words move what they name: pictures of a prompt against those of the same seeds without it.

python benchmarks/prompt_effects.py --data train.zip --test-data test.zip --sheet sheet.png checkpoints/masters

Without a prompt, the seeds are painted in the styles in turn. The measures owe nothing to the prompt model: closed
formulas for colours, and for styles and subjects the log-odds of linear classifiers on EfficientNet-Lite2 features,
fitted to training pictures. The effect is Cohen's d, the difference of the means over the pooled standard deviation.
`--save` keeps the phrases that are strong enough beside the model: the studio offers those that do most.
"""

import argparse
import re
import sys
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from artmodels.cli.arguments import OneLineParser, natural
from artmodels.data.dataset import ArtDataset, load_dataset
from artmodels.generate.prompt import paint_prompt
from artmodels.generate.sampling import contact_sheet, draw_latents, paint, to_images
from artmodels.hub.companions.prompt import MAX_PHRASES, PROMPT_NAME, load_prompt, save_prompt
from artmodels.hub.load import load_model
from artmodels.io.errors import main_with_clear_errors
from artmodels.metrics.classification import fit_head
from artmodels.metrics.distances import extract_features
from artmodels.metrics.evaluate import JUDGE_RESOLUTION, JUDGE_VARIANT
from artmodels.models.efficientnet import load_efficientnet
from artmodels.models.image_statistics import brightness, saturation

TRUNCATION = 0.8
COMMON = 100  # training pictures from which on a subject is common
MOST_PER_CLASS = 300  # pictures by which a classifier is fitted
ENOUGH = 0.5  # Cohen's d that a word must reach
SHEET = 16  # pictures of a prompt on the sheet


def _channel_lead(channel: int) -> Callable[[Tensor], Tensor]:
    """How far a channel's mean lies above the mean of the other two."""

    def lead(pictures: Tensor) -> Tensor:
        means = pictures.mean(dim=(2, 3))
        return (3 * means[:, channel] - means.sum(dim=1)) / 4  # in [-1, 1], as levels from 0 to 1 differ

    return lead


COLOURS = {
    "blue": ("blue above red and green", _channel_lead(2)),
    "red": ("red above green and blue", _channel_lead(0)),
    "dark": ("1 - mean luma", lambda pictures: 1 - brightness(pictures)),
    "bright": ("mean luma", brightness),
    "black and white": ("1 - saturation", lambda pictures: 1 - saturation(pictures)),
}


def compare(chosen: argparse.Namespace) -> None:
    model = load_model(chosen.model)
    styles, resolution = model.generator.config.styles, model.generator.config.resolution
    prompt_model = load_prompt(model.folder, styles)
    if prompt_model is None:
        raise ValueError(f"{model.folder} holds no prompt model: train one with train.py --task prompt")
    train, test = (load_dataset(path, resolution) for path in (chosen.data, chosen.test_data))
    judge = load_efficientnet(JUDGE_VARIANT)

    def look(pictures: Tensor) -> Tensor:
        return extract_features(judge, pictures, JUDGE_RESOLUTION)

    seeds = range(chosen.seeds)
    in_turn = torch.eye(len(styles))[torch.arange(len(seeds)) % len(styles)]
    without = paint(model.generator, draw_latents(seeds, model.generator.config.latent_dim), in_turn, TRUNCATION)
    seen_without = look(without)

    rows, sheets = [], {"without a prompt": without}
    started = time.perf_counter()

    def row(prompt: str, measure: str, of_pictures: Callable[[Tensor], Tensor], before: Tensor) -> None:
        painted = paint_prompt(model, prompt_model, prompt, seeds, TRUNCATION).pictures
        sheets[prompt] = painted
        after = of_pictures(painted)
        effect = cohens_d(after, before)
        rising = (after > before).float().mean()
        rows.append((prompt, effect))
        told = f"{before.mean():.3f} | {after.mean():.3f} | {effect:.2f} | {rising:.2f}"
        print(f"| {prompt} | {measure} | {told} | {'yes' if effect >= ENOUGH else 'no'} |", flush=True)

    print(f"| prompt | measure | without | with | Cohen's d | pictures that rise | at least {ENOUGH} |")
    print("| --- | --- | ---: | ---: | ---: | ---: | --- |")
    for prompt, (measure, formula) in COLOURS.items():
        row(prompt, measure, formula, formula(without))
    kinds = {
        "style": ([train.styles[label] for label in train.labels], [test.styles[label] for label in test.labels]),
        "subject": (subjects(train), subjects(test)),
    }
    accuracies = {}
    for kind, (of_train, of_test) in kinds.items():
        counts = Counter(name for name in of_train if name)
        names = sorted(name for name, count in counts.items() if count >= COMMON)
        if len(names) < 2:
            continue
        places, labels = choose(of_train, names)
        classify = fit_head(look(train.batch(places)), labels, len(names))
        places, labels = choose(of_test, names, most=len(test))
        accuracies[kind] = (classify(look(test.batch(places))).argmax(dim=1) == labels).float().mean().item()
        for place, name in enumerate(names):

            def of_pictures(pictures: Tensor, classify=classify, place=place) -> Tensor:
                return log_odds(classify(look(pictures)), place)

            row(name.replace("-", " "), f"{kind}, log-odds", of_pictures, log_odds(classify(seen_without), place))
    seconds = time.perf_counter() - started
    short = ", ".join(prompt for prompt, effect in rows if effect < ENOUGH) or "none"
    told = ", ".join(f"{kind} {accuracy:.2f}" for kind, accuracy in accuracies.items())
    print(f"\n{len(rows)} prompts, {len(seeds)} seeds each, truncation {TRUNCATION:g}; short of {ENOUGH}: {short}.")
    print(f"The judges name held-out real pictures rightly by these shares: {told}.")
    print(f"{seconds / len(rows) / len(seeds):.2f} s a picture, judged too.")
    if chosen.save:
        strong = sorted((row for row in rows if row[1] >= ENOUGH), key=lambda row: -row[1])[:MAX_PHRASES]
        figures = prompt_model.figures | {"phrases": [prompt for prompt, _ in strong]}
        save_prompt(model.folder, replace(prompt_model, figures=figures))
        print(f"{len(strong)} phrases are kept in {model.folder / PROMPT_NAME}.")
    if chosen.sheet:
        lines = [image for painted in sheets.values() for image in to_images(painted[:SHEET])]
        contact_sheet(lines, columns=SHEET).save(chosen.sheet)
        print(f"Rows of {chosen.sheet.name}: {'; '.join(sheets)}.")


def cohens_d(after: Tensor, before: Tensor) -> float:
    """The difference of two means over their pooled standard deviation (Cohen 1988, equal counts)."""
    pooled = ((after.double().var() + before.double().var()) / 2).sqrt()
    return ((after.double().mean() - before.double().mean()) / pooled).item()


def log_odds(logits: Tensor, place: int) -> Tensor:
    """Logits `[N, classes]` to the log-odds of one class, `[N]`."""
    others = torch.cat([logits[:, :place], logits[:, place + 1 :]], dim=1)
    return (logits[:, place] - others.logsumexp(dim=1)).detach()


def subjects(dataset: ArtDataset) -> list[str]:
    """Of each caption the segment behind the title that is neither the style nor the artist; empty without one."""
    found = []
    for caption, label in zip(dataset.captions, dataset.labels, strict=True):
        style = re.sub(r"\W", " ", dataset.styles[label])
        others = [segment for segment in caption.split(", ")[1:] if segment != style and not segment.startswith("by ")]
        found.append(others[0] if others else "")
    return found


def choose(of_pictures: list[str], names: list[str], most: int = MOST_PER_CLASS) -> tuple[np.ndarray, Tensor]:
    """Places of at most so many pictures of each name, spread over all of them, and their labels."""
    places = []
    for name in names:
        of_name = np.flatnonzero(np.array(of_pictures) == name)
        places.append(of_name[np.linspace(0, len(of_name) - 1, min(most, len(of_name))).astype(int)])
    labels = torch.repeat_interleave(torch.arange(len(names)), torch.tensor([len(part) for part in places]))
    return np.concatenate(places), labels


def parse_arguments() -> argparse.Namespace:
    parser = OneLineParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", help="a model folder with a prompt model, or a Hub id")
    parser.add_argument("--data", required=True, help="training pictures with captions")
    parser.add_argument("--test-data", required=True, help="held-out ones, on which the judges are judged")
    parser.add_argument("--seeds", type=natural, default=64, help="pictures of each prompt (default: 64)")
    parser.add_argument("--save", action="store_true", help="keep the phrases that work beside the model")
    parser.add_argument("--sheet", type=Path, help="PNG to paint the first ones of each prompt into")
    return parser.parse_args()


def main() -> int:
    chosen = parse_arguments()
    return main_with_clear_errors(lambda: compare(chosen))


if __name__ == "__main__":
    sys.exit(main())
