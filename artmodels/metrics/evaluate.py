"""How near a generator's pictures are to held-out ones, and how varied: what `evaluate` prints and the card shows."""

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from artmodels.data.dataset import ArtDataset
from artmodels.generate.sampling import draw_latents, paint
from artmodels.hub.companions.neighbours import Neighbours, find_neighbours
from artmodels.hub.pretrained import ArtGenerator
from artmodels.metrics.distances import (
    extract_features,
    frechet_distance,
    kernel_distance,
    kernel_distance_interval,
    mean_pairwise_distance,
    memorisation,
    precision_recall,
)
from artmodels.metrics.outside import OutsideJudge, load_outside_judge
from artmodels.metrics.sliced_wasserstein import sliced_wasserstein
from artmodels.models.efficientnet import EfficientNetLite, load_efficientnet

JUDGE_VARIANT = 2  # EfficientNet-Lite2: never the discriminator's own network
JUDGE_RESOLUTION = 128
NEIGHBOURS = 5  # the k of precision and recall
VARIETY_SEEDS = 64
MAX_REAL_PER_STYLE = 500
MAX_TRAINING_FEATURES = 10_000  # what memorisation is sought among, and all else drawn from
MAX_PATCH_PICTURES = 1000
FEWEST_SAMPLES = 2000  # that a card's figures come of, where nobody asks for another number
BATCH = 64

Look = Callable[[Tensor], Tensor]  # pictures [N, 3, H, W] to features [N, D] on the CPU


@dataclass(frozen=True)
class OutsideView:
    """Real pictures as the judge from outside sees them."""

    judge: OutsideJudge
    test: Tensor  # features [M, D] of the held-out pictures
    floor_figures: dict[str, Any]  # what training pictures score against them


@dataclass(frozen=True)
class RealPictures:
    """Real pictures and what the judge sees in them; looked at once, they serve any number of models of their size."""

    judge: EfficientNetLite
    judge_resolution: int
    test: Tensor  # features [M, D] of the held-out pictures
    test_styles: list[str]  # of each of them
    test_pictures: Tensor  # at most 1,000 of them, [., 3, H, W]
    train: Tensor  # features [N, D] of at most 10,000 training pictures
    places: np.ndarray  # of these in their collection
    of_style: dict[str, Tensor]  # rows of `train`, at most 500 of each style
    floor: Tensor  # rows of `train`, at most as many as samples
    floor_figures: dict[str, Any]  # what those score against the test pictures
    outside: OutsideView | None = None

    def look(self, pictures: Tensor) -> Tensor:
        return look(self.judge, pictures, self.judge_resolution)


def look(judge: EfficientNetLite, pictures: Tensor, resolution: int) -> Tensor:
    """The judge's features `[N, D]` of pictures `[N, 3, H, W]`, on the CPU, wherever it lives."""
    device = judge.stem.weight.device
    return torch.cat([extract_features(judge, part.to(device), resolution).cpu() for part in pictures.split(BATCH)])


def look_at_real(train: ArtDataset, test: ArtDataset, samples: int, device: torch.device | str = "cpu") -> RealPictures:
    """Look at the test pictures and at the training pictures, of which `samples` are set apart as the floor.

    The judges live on `device`; that from outside looks too, where its weights are installed.

    Raises:
        ValueError: fewer than 2 pictures on a side, or fewer than 2 samples.
    """
    if len(test) < 2 or len(train) < 2 or samples < 2:
        raise ValueError("evaluation needs at least 2 pictures on each side, and at least 2 samples")
    judge = load_efficientnet(JUDGE_VARIANT).to(device)
    resolution = max(JUDGE_RESOLUTION, test.resolution)
    known = np.arange(len(train))
    if len(train) > MAX_TRAINING_FEATURES:
        known = np.sort(np.random.default_rng(1).permutation(known)[:MAX_TRAINING_FEATURES])
    random = np.random.default_rng(0)
    of_style = {
        style: np.sort(random.permutation(np.flatnonzero(train.labels[known] == label))[:MAX_REAL_PER_STYLE])
        for label, style in enumerate(train.styles)
    }
    floor = np.sort(random.permutation(len(known))[:samples])
    outside_judge = load_outside_judge(device)
    total = len(test) + len(known) + (len(test) + len(floor) if outside_judge else 0)
    with tqdm(total=total, desc="looking at real pictures", unit=" pictures", leave=False) as bar:

        def look_at(dataset: ArtDataset, indices: np.ndarray, judge: Look) -> Tensor:
            parts = []
            for part in np.array_split(indices, max(1, len(indices) // BATCH)):
                parts.append(judge(dataset.batch(part)))
                bar.update(len(part))
            return torch.cat(parts)

        everything, first_judge = np.arange(len(test)), partial(look, judge, resolution=resolution)
        test_features, train_features = look_at(test, everything, first_judge), look_at(train, known, first_judge)
        view = None
        if outside_judge:
            seen = look_at(test, everything, outside_judge.look)
            floor_seen = look_at(train, known[floor], outside_judge.look)
            view = OutsideView(outside_judge, seen, compare_features(floor_seen, seen))
    test_pictures = test.batch(spread(len(test), MAX_PATCH_PICTURES))
    floor_pictures = train.batch(known[floor[spread(len(floor), MAX_PATCH_PICTURES)]])
    return RealPictures(
        judge=judge,
        judge_resolution=resolution,
        test=test_features,
        test_styles=[test.styles[label] for label in test.labels],
        test_pictures=test_pictures,
        train=train_features,
        places=known,
        of_style={style: torch.from_numpy(rows) for style, rows in of_style.items()},
        floor=torch.from_numpy(floor),
        floor_figures=compare(
            train_features[torch.from_numpy(floor)], floor_pictures, test_features, test_pictures, device
        ),
        outside=view,
    )


def keep_neighbours(real: RealPictures, train: ArtDataset, thumbnails: bool) -> Neighbours:
    """What tells which training pictures are nearest to a painting; captions name them, or else file names."""
    labels = tuple(train.captions[place] or Path(train.names[place]).stem for place in real.places)
    pictures = train.pictures[train.rows[real.places]] if thumbnails else None
    return find_neighbours(real.train, real.test, labels, JUDGE_VARIANT, real.judge_resolution, pictures)


def spread(count: int, most: int) -> np.ndarray:
    """At most `most` of `count` places, evenly apart."""
    wanted = min(count, most)
    return np.arange(wanted) * count // max(wanted, 1)


def evaluate(
    generator: ArtGenerator, real: RealPictures, samples: int = 2000, truncation: float = 1.0
) -> dict[str, Any]:
    """Distances to the test pictures, precision, recall and memorisation, each with what real pictures score.

    Styles are painted in the proportions of the test pictures, seeds 0, 1, 2 and so on. The floor is what training
    pictures score in the place of the samples, in the proportions that they have themselves; where they are fewer than
    the samples, their Fréchet and sliced Wasserstein distances are larger for that alone. Variety: mean feature
    distance between 64 seeds of a style (or `samples`, if fewer) over that between real training pictures of it. A
    model of one style is compared with all test pictures. A figure that so few pictures cannot carry is None.

    Raises:
        ValueError: the test pictures have a style that the model lacks.
    """
    variety_seeds = min(VARIETY_SEEDS, samples)
    styles, latent_dim = generator.config.styles, generator.config.latent_dim
    test_styles, of_style = real.test_styles, real.of_style
    if len(styles) == 1:
        test_styles, of_style = [styles[0]] * len(test_styles), {styles[0]: torch.cat(list(of_style.values()))}
    if unknown := sorted(set(test_styles) - set(styles)):
        raise ValueError(
            f"--test-data has styles that the model lacks: {', '.join(unknown)}; it paints {', '.join(styles)}"
        )
    test_labels = torch.tensor([styles.index(style) for style in test_styles])
    sample_labels = test_labels[torch.arange(samples) * len(test_labels) // samples]
    judges = [real.look] + ([real.outside.judge.look] if real.outside else [])
    (painted, *seen_outside), pictures = paint_and_look(generator, judges, sample_labels, truncation)

    per_style = {}
    for label, style in enumerate(styles):
        of_test, of_painted = real.test[test_labels == label], painted[sample_labels == label]
        of_train = real.train[of_style[style]] if style in of_style else real.train[:0]
        if min(len(of_test), len(of_painted), len(of_train)) < 2:
            continue
        weights = torch.eye(len(styles))[label][None]
        seeds = real.look(paint(generator, draw_latents(range(variety_seeds), latent_dim), weights, truncation))
        enough = min(len(of_test), len(of_painted)) > 2
        per_style[style] = {
            "test_pictures": len(of_test),
            "kernel_distance": kernel_distance(of_painted, of_test),
            "kernel_interval": list(kernel_distance_interval(of_painted, of_test)) if enough else None,
            "kernel_floor": kernel_distance(of_train, of_test),
            "variety": (mean_pairwise_distance(seeds) / mean_pairwise_distance(of_train)).item(),
        }
    overall: dict[str, Any] = {"samples": samples, "test_pictures": len(real.test), "floor_pictures": len(real.floor)}
    device = real.judge.stem.weight.device
    overall |= beside_floor(compare(painted, pictures, real.test, real.test_pictures, device), real.floor_figures)
    overall["memorisation"] = None
    with suppress(ValueError):  # held-out pictures that are training pictures too
        overall["memorisation"] = memorisation(painted, real.test, real.train)
    outside = None
    if real.outside:
        outside = {"judge_sha256": real.outside.judge.sha256}
        outside |= beside_floor(compare_features(seen_outside[0], real.outside.test), real.outside.floor_figures)
    return {
        "judge": f"EfficientNet-Lite{JUDGE_VARIANT}",
        "judge_resolution": real.judge_resolution,
        "picture_resolution": generator.config.resolution,
        "truncation": truncation,
        "variety_seeds": variety_seeds,
        "neighbours": NEIGHBOURS,
        "overall": overall,
        "outside": outside,
        "styles": per_style,
    }


def beside_floor(figures: dict[str, Any], floor: dict[str, Any]) -> dict[str, Any]:
    """Each figure, and after it what real pictures score."""
    found: dict[str, Any] = {}
    for name, figure in figures.items():
        found |= {name: figure, name.removesuffix("_distance") + "_floor": floor[name]}
    return found


def paint_and_look(
    generator: ArtGenerator, judges: Sequence[Look], labels: Tensor, truncation: float
) -> tuple[list[Tensor], Tensor]:
    """What each judge sees, `[N, D]`, in one picture for each label, seeds from 0 on; and at most 1,000 of them."""
    eye = torch.eye(len(generator.config.styles))
    kept = torch.zeros(len(labels), dtype=torch.bool)
    kept[torch.from_numpy(spread(len(labels), MAX_PATCH_PICTURES))] = True
    features: list[list[Tensor]] = [[] for _ in judges]
    pictures = []
    for start in tqdm(range(0, len(labels), BATCH), desc="painting", unit_scale=BATCH, unit=" pictures", leave=False):
        chosen = labels[start : start + BATCH]
        latents = draw_latents(range(start, start + len(chosen)), generator.config.latent_dim)
        painted = paint(generator, latents, eye[chosen], truncation)
        for seen, judge in zip(features, judges, strict=True):
            seen.append(judge(painted))
        pictures.append(painted[kept[start : start + BATCH]])
    return [torch.cat(seen) for seen in features], torch.cat(pictures)


def compare(
    features: Tensor, pictures: Tensor, test: Tensor, test_pictures: Tensor, device: torch.device | str
) -> dict[str, Any]:
    """Every figure of one set, painted or real, against the test set: features `[., D]`, pictures `[., 3, H, W]`.

    The sliced Wasserstein distance is in parts by level, in px; it is found on `device`.
    """
    levels = sliced_wasserstein(test_pictures.to(device), pictures.to(device))  # no generator paints below its 16 px
    return {
        **compare_features(features, test),
        "sliced_wasserstein": {str(level): distance for level, distance in levels.items()},
    }


def compare_features(features: Tensor, test: Tensor) -> dict[str, Any]:
    """The figures of a judge's features `[., D]` against those of the test set.

    Precision and recall are taken at equal counts, and are None where those are too few.
    """
    equal = min(len(features), len(test))
    precision = recall = None
    if equal > NEIGHBOURS:
        ours, theirs = (rows[torch.from_numpy(spread(len(rows), equal))] for rows in (features, test))
        precision, recall = precision_recall(theirs, ours, NEIGHBOURS)
    return {
        "frechet_distance": frechet_distance(features, test),
        "kernel_distance": kernel_distance(features, test),
        "precision": precision,
        "recall": recall,
    }
