"""train_classifier(): the style classifier from scratch, calibrated, and measured beside a reference."""

import math
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from artmodels.data.dataset import ArtDataset
from artmodels.data.sampler import PictureSampler
from artmodels.hub.companions.classifier import CLASSIFIER_NAME, load_classifier, save_classifier
from artmodels.hub.model_files import MEASURED_BY
from artmodels.io.files import sha256, write_json
from artmodels.metrics.classification import (
    classification_figures,
    fit_head,
    fit_temperature,
    labels_among,
    logits_of,
    summarise,
)
from artmodels.metrics.distances import extract_features
from artmodels.metrics.evaluate import JUDGE_RESOLUTION, JUDGE_VARIANT
from artmodels.models.classifier import StyleClassifier
from artmodels.models.efficientnet import load_efficientnet
from artmodels.models.layers import channels_last
from artmodels.training.augment import jitter_colour
from artmodels.training.supervised import FIGURES_NAME, cost_of, keep_best, train_supervised
from artmodels.training.supervised_config import ClassifierTrainConfig

SMALLEST_CROP = 0.5  # share of a picture's area that a crop shows at least
ASPECT = 4 / 3  # of a crop, at most
MILD = 0.4  # share of the colour changes of DiffAugment


def train_classifier(
    config: ClassifierTrainConfig,
    train: ArtDataset,
    held_out: ArtDataset,
    test: ArtDataset | None,
    output: Path,
    resume: bool = False,
    tracker: str | None = None,
) -> bool:
    """Train a classifier in a run folder whose `model/classifier.safetensors` is the best by accuracy on `held_out`.

    At the end of the budget it is calibrated on these, and measured on `test`, or without it on `held_out` too; its
    figures are in that file, and in `figures.json`. True if the budget is used up.

    Raises:
        ValueError, OSError: those of `train_supervised`.
    """
    torch.manual_seed(config.seed)
    network = channels_last(StyleClassifier(config.classifier_config(train.styles)))
    model = output / "model"
    labels = torch.from_numpy(train.labels)
    held_out_labels = torch.from_numpy(held_out.labels)

    def loss(network: nn.Module, indices: np.ndarray, random: torch.Generator, done: float) -> Tensor:
        device = next(network.parameters()).device
        pictures = vary(train.batch(indices, device), random)
        target = labels[indices].to(device, non_blocking=True)
        return F.cross_entropy(network(pictures), target, label_smoothing=config.smoothing)

    def measure(network: StyleClassifier) -> dict[str, float]:
        logits = logits_of(network, held_out, next(network.parameters()).device)
        accuracy = (logits.argmax(dim=1) == held_out_labels).double().mean().item()
        return {"score": accuracy, "cross_entropy": F.cross_entropy(logits.float(), held_out_labels).item()}

    def keep(network: StyleClassifier, figures: dict[str, float]) -> None:
        keep_best(output, network, lambda: load_classifier(model), lambda: save_classifier(model, network, {}))

    sampler = PictureSampler(train.labels, config.seed, config.balance)
    finished = train_supervised(network, loss, measure, keep, sampler, config, output, resume, tracker)
    if finished and (model / CLASSIFIER_NAME).is_file():
        finish(output, train, held_out, test)
    return finished


def finish(output: Path, train: ArtDataset, held_out: ArtDataset, test: ArtDataset | None) -> None:
    """Calibrate and measure the kept classifier; its file and the run's `figures.json` then tell the figures.

    The reference sees through EfficientNet-Lite2 (ImageNet): logistic regression on its features, fitted to the same
    training pictures, calibrated and measured on the same others.
    """
    model = output / "model"
    classifier = load_classifier(model)
    assert classifier is not None  # it was kept
    judge = load_efficientnet(JUDGE_VARIANT)
    look = partial(extract_features, judge, resolution=max(JUDGE_RESOLUTION, train.resolution))
    head = fit_head(logits_of(look, train), torch.from_numpy(train.labels), len(train.styles))
    measured_by = test or held_out
    labels, held_out_labels = labels_among(measured_by, train.styles), labels_among(held_out, train.styles)

    def calibrated(answer: Callable[[Tensor], Tensor]) -> tuple[float, Tensor, Tensor]:
        """The temperature that the held-out pictures ask for, their logits, and those of the measuring pictures."""
        of_held_out = logits_of(answer, held_out)
        return (
            fit_temperature(of_held_out, held_out_labels),
            of_held_out,
            logits_of(answer, test) if test else of_held_out,
        )

    temperature, of_held_out, raw = calibrated(classifier)
    classifier.temperature.fill_(temperature).copy_(classifier.temperature.half())  # as it will be read
    head_temperature, _, raw_reference = calibrated(lambda pictures: head(look(pictures)))
    of_reference = (raw_reference / head_temperature).softmax(dim=1)
    figures: dict[str, Any] = {
        "measured_by": MEASURED_BY[0] if test else MEASURED_BY[1],
        **classification_figures((raw / classifier.temperature).softmax(dim=1), labels, train.styles),
        "uncalibrated_error": summarise(raw.softmax(dim=1), labels)["calibration_error"],
        "temperature": classifier.temperature.item(),
        "held_out": {
            "pictures": len(held_out),
            **summarise((of_held_out / classifier.temperature).softmax(1), held_out_labels),
        },
        "reference": {
            "name": f"logistic regression on EfficientNet-Lite{JUDGE_VARIANT} features",
            **summarise(of_reference, labels),
        },
        "training": cost_of(output, train),
    }
    save_classifier(model, classifier, figures)
    write_json(output / FIGURES_NAME, {**figures, "sha256": sha256(model / CLASSIFIER_NAME)})


def vary(pictures: Tensor, random: torch.Generator) -> Tensor:
    """A crop of each of the pictures `[N, 3, H, W]`, half of them mirrored, and a little other colours.

    A crop shows half of the area or more, its sides up to 4 : 3, at a place drawn by lot, resampled to the whole size.
    """
    draws = torch.rand(len(pictures), 8, generator=random)
    area = SMALLEST_CROP + (1 - SMALLEST_CROP) * draws[:, 0]
    aspect = torch.exp((2 * draws[:, 1] - 1) * math.log(ASPECT) / 2)
    width, height = ((area.sqrt() * by).clamp(max=1) for by in (aspect, 1 / aspect))
    sign = torch.where(draws[:, 4] < 0.5, -1.0, 1.0)
    nothing = torch.zeros_like(width)
    corner = torch.stack(
        [
            torch.stack([width * sign, nothing, (1 - width) * (2 * draws[:, 2] - 1)], dim=1),
            torch.stack([nothing, height, (1 - height) * (2 * draws[:, 3] - 1)], dim=1),
        ],
        dim=1,
    ).to(pictures.device)
    grid = F.affine_grid(corner, list(pictures.shape), align_corners=False)
    crops = F.grid_sample(pictures, grid, mode="bilinear", padding_mode="reflection", align_corners=False)
    mild = (0.5 + MILD * (draws[:, 5:] - 0.5)).to(pictures.device)
    return jitter_colour(crops, mild[:, 0], mild[:, 1], mild[:, 2])
