"""How well styles are recognised, in real pictures and in painted ones: accuracy, calibration, style adherence."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from artmodels.data.dataset import ArtDataset
from artmodels.generate.sampling import draw_latents, one_hot, paint
from artmodels.hub.pretrained import ArtGenerator
from artmodels.models.classifier import StyleClassifier

BINS = 15  # of confidence, in the calibration error
BATCH = 64
HEAD_STEPS = 300
COLDEST, HOTTEST = 0.1, 10.0  # temperatures that are looked for
ADHERENCE_SEEDS = 256  # of each style, from seed 0 on


def calibration_error(probabilities: Tensor, labels: Tensor, bins: int = BINS) -> float:
    """Expected calibration error, 0 to 1, of `[N, K]` and `[N]`: |accuracy - confidence| in the mean over pictures.

    Pictures are put into equal bins by the probability of their likeliest style (arXiv:1706.04599, equation 3).
    """
    confidence, guess = probabilities.double().max(dim=1)
    right = (guess == labels).double()
    place = (confidence * bins).ceil().long().clamp(1, bins) - 1
    gaps = torch.zeros(bins, dtype=torch.double).index_add_(0, place, right - confidence)
    return gaps.abs().sum().item() / len(labels)


def fit_temperature(logits: Tensor, labels: Tensor) -> float:
    """The temperature by which logits `[N, K]` must be divided for the least cross-entropy (arXiv:1706.04599).

    One picture in N + 2 counts as being of any style (after Laplace's rule of succession): a few that are all told
    rightly are no proof of certainty. The loss is convex in the inverse temperature, so its slope is bisected.
    """
    logits = logits.double()
    right, doubt = logits.gather(1, labels[:, None])[:, 0], 1 / (len(labels) + 2)
    wanted = (1 - doubt) * right + doubt * logits.mean(dim=1)
    coldest, hottest = 1 / COLDEST, 1 / HOTTEST
    for _ in range(60):
        middle = (coldest * hottest) ** 0.5
        expected = ((logits * middle).softmax(dim=1) * logits).sum(dim=1)
        slope = (expected - wanted).mean()
        coldest, hottest = (middle, hottest) if slope > 0 else (coldest, middle)
    return 1 / middle


def wilson_interval(hits: int, count: int) -> list[float]:
    """Ends of the 95 % interval of a share (Wilson, 1927), for drawing the pictures anew."""
    if count == 0:
        return [0.0, 1.0]
    z, share = 1.959964, hits / count
    centre = (share + z * z / (2 * count)) / (1 + z * z / count)
    half = z / (1 + z * z / count) * (share * (1 - share) / count + z * z / (4 * count * count)) ** 0.5
    return [max(0.0, centre - half), min(1.0, centre + half)]


def summarise(probabilities: Tensor, labels: Tensor) -> dict[str, Any]:
    """Accuracy with its interval, its mean over styles, and calibration error, of `[N, K]` and `[N]`."""
    right = probabilities.argmax(dim=1) == labels
    return {
        "accuracy": right.double().mean().item(),
        "accuracy_interval": wilson_interval(int(right.sum()), len(right)),
        "balanced_accuracy": float(
            np.mean([right[labels == label].double().mean().item() for label in labels.unique()])
        ),
        "calibration_error": calibration_error(probabilities, labels),
    }


def classification_figures(probabilities: Tensor, labels: Tensor, styles: Sequence[str]) -> dict[str, Any]:
    """All figures of guesses `[N, K]` at labels `[N]`; a precision or recall of nothing is None.

    `confusion[i][j]` counts the pictures of style i that were taken for style j.
    """
    count = len(styles)
    confusion = torch.zeros(count * count, dtype=torch.long)
    confusion.index_add_(0, labels * count + probabilities.argmax(dim=1), torch.ones_like(labels))
    confusion = confusion.reshape(count, count)
    hits, there, guessed = confusion.diagonal().tolist(), confusion.sum(dim=1).tolist(), confusion.sum(dim=0).tolist()
    return {
        "pictures": len(labels),
        **summarise(probabilities, labels),
        "confusion": confusion.tolist(),
        "styles": {
            style: {
                "pictures": there[place],
                "precision": hits[place] / guessed[place] if guessed[place] else None,
                "recall": hits[place] / there[place] if there[place] else None,
            }
            for place, style in enumerate(styles)
        },
    }


@torch.inference_mode()
def logits_of(network: Callable[[Tensor], Tensor], dataset: ArtDataset, device: torch.device | str = "cpu") -> Tensor:
    """A network's answers `[N, ...]` to all pictures of a set, on the CPU."""
    parts = np.array_split(np.arange(len(dataset)), max(1, len(dataset) // BATCH))
    return torch.cat([network(dataset.batch(part, device)).cpu() for part in parts])


def labels_among(dataset: ArtDataset, styles: Sequence[str]) -> Tensor:
    """The labels `[N]` of a set's pictures in the order of other style names, which must have them all."""
    place = {style: index for index, style in enumerate(styles)}
    return torch.tensor([place[dataset.styles[label]] for label in dataset.labels])


@torch.enable_grad()
def fit_head(features: Tensor, labels: Tensor, styles: int) -> Callable[[Tensor], Tensor]:
    """Logistic regression on standardised features `[N, D]`, with strong weight decay; the same for the same features.

    It gives logits. On features of a network that was trained on ImageNet it is the strong reference for a
    classifier that learns from scratch.
    """
    random = torch.Generator().manual_seed(0)
    deviation, mean = torch.std_mean(features.clone(), dim=0)
    linear = nn.Linear(features.shape[1], styles)
    nn.init.normal_(linear.weight, std=features.shape[1] ** -0.5 / 3, generator=random)
    nn.init.zeros_(linear.bias)

    def head(rows: Tensor) -> Tensor:
        return linear((rows.clone() - mean) / (deviation + 1e-6))

    optimizer = torch.optim.AdamW(linear.parameters(), 1e-3, weight_decay=1.0)
    for _ in range(HEAD_STEPS):
        optimizer.zero_grad()
        F.cross_entropy(head(features), labels).backward()
        optimizer.step()
    linear.requires_grad_(False)
    return head


@torch.inference_mode()
def adherence(
    generator: ArtGenerator,
    classifier: StyleClassifier,
    test: ArtDataset,
    seeds: int = ADHERENCE_SEEDS,
    truncation: float = 1.0,
) -> dict[str, Any] | None:
    """How often the paintings of each style, seeds from 0 on, are seen as that style; beside it, real pictures of it.

    `styles` tells of each style that both the generator and the classifier know, `unknown` names the generator's
    others; `overall` and `real` are means over these styles. None if there are none.

    The classifier may take any of its own styles for what it sees. `real` is None where a style has no test pictures.
    """
    shared = [style for style in generator.config.styles if style in classifier.config.styles]
    if not shared:
        return None
    device = classifier.temperature.device  # the generator's pictures come to the CPU, wherever it lives
    guesses_of_real = logits_of(classifier, test, device).argmax(dim=1)
    real_styles = [test.styles[label] for label in test.labels]
    per_style: dict[str, dict[str, Any]] = {}
    for style in shared:
        target = classifier.config.styles.index(style)
        guesses = torch.cat(
            [
                classifier(paint(generator, latents, one_hot(generator.config.styles, style), truncation).to(device))
                .argmax(dim=1)
                .cpu()
                for latents in draw_latents(range(seeds), generator.config.latent_dim).split(BATCH)
            ]
        )
        others = torch.bincount(guesses[guesses != target], minlength=len(classifier.config.styles))
        of_real = guesses_of_real[torch.tensor([name == style for name in real_styles])]
        hits = int((guesses == target).sum())
        per_style[style] = {
            "seen_as": hits / seeds,
            "interval": wilson_interval(hits, seeds),
            "mistaken_for": classifier.config.styles[int(others.argmax())] if others.any() else None,
            "real": (of_real == target).double().mean().item() if len(of_real) else None,
            "test_pictures": len(of_real),
        }
    real = [found["real"] for found in per_style.values() if found["real"] is not None]
    return {
        "seeds": seeds,
        "truncation": truncation,
        "overall": sum(found["seen_as"] for found in per_style.values()) / len(per_style),
        "real": sum(real) / len(real) if real else None,
        "styles": per_style,
        "unknown": [style for style in generator.config.styles if style not in shared],
    }
