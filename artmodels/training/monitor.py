"""What a run knows of itself: its figures while it trains, which average is the best so far, and warnings in words."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from artmodels.data.dataset import ArtDataset
from artmodels.generate.sampling import draw_latents, paint
from artmodels.hub.pretrained import ArtGenerator
from artmodels.metrics.evaluate import JUDGE_VARIANT, RealPictures, evaluate, look_at_real
from artmodels.models.efficientnet import weights_file
from artmodels.training.gan_step import Networks

LEAST_REACH = 0.1  # of the recall of real pictures; below it, and after it had been more, a run collapses
LEAST_VARIETY = 0.6  # of that of real pictures, in a style
SEVERAL_READINGS = 3  # of variety, each of another style, which together tell collapse from chance
EASY_LOSS = 0.1  # of the hinge loss of heads that cannot tell at all; below it the heads tell with ease
KNOWN_BY_HEART = 0.5  # of the gap between training pictures and fakes, by which unseen pictures fall short
NEAREST, NEAREST_FEW = 0.85, 0.6  # distance to the nearest training picture over that of unseen ones: median, 1st perc.
START = 3  # evaluations in which low recall and variety are only a beginning
MAX_WITHOUT_PROGRESS = 5  # evaluations without a new best
JUDGED_AT_ONCE = 32
LEAST_GAP = 0.1  # of mean logits, below which real pictures and paintings are not told apart
JUDGED_BY_HEADS = 256  # pictures of a kind by which it is seen whether the heads know the training pictures by heart
WORSE_DISTANCE, WORSE_RECALL = 0.1, 0.2  # shares by which an average may get worse while the rates fall

Record = Mapping[str, Any]


@dataclass
class Monitor:
    """Measures a run's averages against pictures that it is not trained on; looks at the real ones when first asked."""

    train: ArtDataset
    test: ArtDataset
    samples: int
    command: str  # that measures the same again
    device: torch.device | str = "cpu"
    held_out: ArtDataset | None = None  # of the collection, where `test` is another
    real: RealPictures | None = None

    def __post_init__(self):
        weights_file(JUDGE_VARIANT)  # it would be a pity to miss them only at the first checkpoint

    def measure(self, painter: ArtGenerator) -> dict[str, Any]:
        """All of `evaluate`'s figures of `samples` paintings at truncation 1."""
        return {**evaluate(painter, self.look_at_real(), self.samples), "command": self.command}

    def look_at_real(self) -> RealPictures:
        """What paintings are measured by, looked at once."""
        if self.real is None:
            self.real = look_at_real(self.train, self.test, self.samples, self.device)
        return self.real


def measuring_command(data: str | None, test_data: str | None, samples: int | None, model: str = "MODEL") -> str:
    """What measures a model again, for its card; where pictures lie is nobody else's business."""
    model = Path(model).name if Path(model).is_absolute() else model
    flags = [f"--{flag} {Path(path).name}" for flag, path in (("data", data), ("test-data", test_data)) if path]
    flags += [f"--samples {samples}"] if samples else []
    return " ".join([f"python -m artmodels evaluate --model {model}", *flags])


def summary(figures: dict[str, Any]) -> dict[str, Any]:
    """The figures of an evaluation for the log: one number each, the styles' below `styles`.

    Below `outside` those of the judge from outside, by which nothing is decided. Precision and recall of real pictures
    are left out where there are too few training pictures to compare them with, and so are their Fréchet and sliced
    Wasserstein distances, which grow where pictures are fewer than the samples.
    """
    overall, styles = figures["overall"], figures["styles"]
    as_many = overall["floor_pictures"] >= overall["samples"]
    told = ("frechet_distance", "frechet_floor", "kernel_distance", "kernel_floor")
    short = {name: overall[name] for name in told if as_many or name != "frechet_floor"}
    comparable = overall["floor_pictures"] >= min(overall["samples"], overall["test_pictures"])
    for figure in ("precision", "recall"):
        short[figure] = overall[figure]
        if comparable:  # both depend on how many pictures there are
            short[f"{figure}_floor"] = overall[f"{figure}_floor"]
    for name in ("sliced_wasserstein", "sliced_wasserstein_floor") if as_many else ("sliced_wasserstein",):
        short[name] = sum(overall[name].values()) / len(overall[name])
    if styles:
        short["variety"] = sum(style["variety"] for style in styles.values()) / len(styles)
    if found := overall["memorisation"]:
        short["memorisation_ratio"] = found["ratio"]
        if found["held_out_first_percentile"]:
            nearest = found["samples_first_percentile"] / found["held_out_first_percentile"]
            short["memorisation_ratio_nearest"] = nearest
    rounded = {name: round(value, 6) for name, value in short.items() if value is not None}
    per_style = {
        style: {name: round(values[name], 6) for name in ("kernel_distance", "variety")}
        for style, values in styles.items()
    }
    found_outside = {}
    if outside := figures["outside"]:
        names = ("frechet_distance", "frechet_floor") if as_many else ("frechet_distance",)
        found_outside["outside"] = {name: round(outside[name], 6) for name in names}
    return {**rounded, "samples": overall["samples"], **found_outside, "styles": per_style}


def is_best(found: Record, best: Record | None) -> bool:
    """Whether an average is nearer to the held-out pictures than the best one before; `found` is its `summary`.

    One that memorises is never better than one that does not, however near it is.
    """
    if not math.isfinite(found["kernel_distance"]):
        return False
    return best is None or _rank(memorises(found), found) < _rank(best.get("memorises", False), best)


def _rank(by_heart: bool, figures: Record) -> tuple[bool, float]:
    """What is less is the better average."""
    return by_heart, figures["kernel_distance"]


def memorises(found: Record) -> bool:
    """Whether paintings lie nearer to training pictures than unseen ones do, by a `summary`."""
    return found.get("memorisation_ratio", 1) < NEAREST or found.get("memorisation_ratio_nearest", 1) < NEAREST_FEW


def warnings_of(history: Sequence[Record], heads: int) -> list[str]:
    """What goes wrong in a run, in plain words, with what to change; empty when all seems well.

    `history` are the run's records (see `run_log.RunLog`), the last one being judged; `heads` is the number of
    discriminator heads. The words hold no changing numbers, so the same trouble is the same text.
    """
    found = []
    judged = [record for record in history if "evaluation" in record]
    if judged:  # what the last evaluation found holds until the next one
        found += _of_paintings(judged)
    found += _of_seeds([record["variety"] for record in history if "variety" in record])
    since = max((place + 1 for place, record in enumerate(history[:-1]) if "warnings" in record), default=0)
    losses = [record["discriminator_loss"] for record in history[since:] if "discriminator_loss" in record]
    if losses and sum(losses) / len(losses) < EASY_LOSS * 2 * heads:
        found.append(
            "The discriminator tells paintings from real pictures with ease (it is saturated), so it teaches the "
            "generator little: lower --heads-learning-rate."
        )
    if judged and judged[-1].get("known_by_heart", 0) > KNOWN_BY_HEART:
        found.append(
            "The discriminator knows the training pictures by heart: it judges unseen real ones nearly as paintings. "
            "Add pictures, allow --flip if mirrored works are right, or stop at the best so far."
        )
    return found


def spoiled_by_finish(history: Sequence[Record], begins: int) -> str | None:
    """How the falling of the rates, from `begins` images on, has made the average worse; None while it has not.

    By the pictures held out from training alone: the kernel distance grew by more than a tenth of the last one before,
    or recall fell by more than a fifth. What is less is chance, with as few samples as a checkpoint takes.
    """
    judged = [record for record in history if "evaluation" in record]
    before = [record["evaluation"] for record in judged if record["images"] <= begins]
    if not before or judged[-1]["images"] <= begins:
        return None
    first, last = before[-1], judged[-1]["evaluation"]
    rise = last["kernel_distance"] - first["kernel_distance"]
    if rise > WORSE_DISTANCE * abs(first["kernel_distance"]):  # it has no bias, so it may be negative
        return f"the kernel distance rose from {first['kernel_distance']:.4f} to {last['kernel_distance']:.4f}"
    if last.get("recall", 0) < (1 - WORSE_RECALL) * first.get("recall", 0):
        return f"recall fell from {first['recall']:.2f} to {last['recall']:.2f}"
    return None


def _of_seeds(readings: list[float]) -> list[str]:
    """Warnings that follow from what the log calls variety, of one style after another."""
    newest = readings[-SEVERAL_READINGS:]
    if len(newest) < SEVERAL_READINGS or sum(newest) / len(newest) >= LEAST_VARIETY:
        return []
    return [
        "Collapse begins: the seeds of a style differ much less than its real pictures do. Lower --adversarial-share "
        "or both learning rates with --resume."
    ]


def _of_paintings(judged: Sequence[Record]) -> list[str]:
    """Warnings that follow from the evaluations so far."""
    found, now = [], judged[-1]["evaluation"]
    reach = [share for record in judged if (share := _reach(record["evaluation"])) is not None]
    if reach and reach[-1] < LEAST_REACH and (len(reach) > START or max(reach) >= LEAST_REACH):
        found.append(
            "Collapse: the paintings reach hardly any of the real pictures (recall near zero). Lower "
            "--adversarial-share or both learning rates with --resume; model/ keeps the best so far."
        )
    found += [
        f"The seeds of {style} look alike: lower --adversarial-share with --resume."
        for style, figures in now["styles"].items()
        if figures["variety"] < LEAST_VARIETY and len(judged) > START
    ]
    if memorises(now):
        found.append(
            "Memorisation: paintings lie nearer to training pictures than unseen pictures do. Stop here or add "
            "pictures; model/ keeps an earlier average that does not, if there is one. Look at the nearest pictures "
            "before publishing."
        )
    ranks = [_rank(memorises(record["evaluation"]), record["evaluation"]) for record in judged]
    best = ranks.index(min(ranks))
    if len(judged) - 1 - best >= MAX_WITHOUT_PROGRESS:
        found.append(
            f"No progress since {judged[best]['images']:,} images: lower both learning rates with --resume, or stop; "
            "model/ keeps that best."
        )
    return found


def _reach(evaluation: Record) -> float | None:
    """Recall as a share of that of real pictures, None where it was not measured."""
    value, floor = evaluation.get("recall"), evaluation.get("recall_floor")
    return value / floor if value is not None and floor else None


@torch.no_grad()
def known_by_heart(nets: Networks, painter: ArtGenerator, train: ArtDataset, test: ArtDataset) -> float | None:
    """By how much of the gap between training pictures and paintings unseen real ones fall short, as the heads see it.

    (D(training) - D(held out)) / (D(training) - D(painted)), the first heuristic of adaptive augmentation
    (arXiv:2006.06676, equation 1): 0 where the heads judge unseen pictures as they do training pictures, 1 where as
    paintings. Pictures are not augmented. None where the heads do not tell paintings from training pictures at all.
    """
    device, styles = painter.mean_w.device, painter.config.styles
    eye = torch.eye(len(styles))

    def labels_of(dataset: ArtDataset, places: np.ndarray) -> Tensor:
        names = [dataset.styles[label] for label in dataset.labels[places]]
        return torch.tensor([styles.index(name) if len(styles) > 1 else 0 for name in names])

    def mean_logit(pictures: Tensor, labels: Tensor) -> float:
        total = 0.0
        for part, style in zip(pictures.split(JUDGED_AT_ONCE), eye[labels].split(JUDGED_AT_ONCE), strict=True):
            verdict = nets.heads(nets.projector(part.to(device)), style.to(device))
            total += len(part) * torch.stack([logits.mean() for logits in verdict]).mean().item()
        return total / len(pictures)

    random = np.random.default_rng(0)
    some, unseen = (random.permutation(len(each))[:JUDGED_BY_HEADS] for each in (train, test))
    labels = labels_of(train, some)
    latents = draw_latents(range(len(some)), painter.config.latent_dim)
    nets.heads.eval()  # spectral norm must not move on, or this process would differ from the others
    trained = mean_logit(train.batch(some), labels)
    held_out = mean_logit(test.batch(unseen), labels_of(test, unseen))
    painted = mean_logit(paint(painter, latents, eye[labels]), labels)
    nets.heads.train()
    return (trained - held_out) / (trained - painted) if trained - painted > LEAST_GAP else None
