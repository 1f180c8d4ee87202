"""How near a generator's pictures are to held-out ones, and how varied: what `evaluate` prints and the card shows."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from artmodels.data import ArtDataset
from artmodels.metrics import extract_features, frechet_distance, kernel_distance, mean_pairwise_distance
from artmodels.models.features import EfficientNetLite, load_efficientnet
from artmodels.models.generator import ArtGenerator
from artmodels.sampling import draw_latents, paint

JUDGE_VARIANT = 2  # EfficientNet-Lite2: never the discriminator's own network
JUDGE_RESOLUTION = 128
VARIETY_SEEDS = 64
MAX_REAL_PER_STYLE = 500
BATCH = 64


@dataclass(frozen=True)
class RealFeatures:
    """What the judge sees in real pictures; looked at once, it serves any number of models of that resolution."""

    judge: EfficientNetLite
    judge_resolution: int
    test: Tensor  # [N, D]
    test_styles: list[str]  # of each test picture
    floor: Tensor  # [at most samples, D], training pictures
    train: dict[str, Tensor]  # at most 500 training pictures of each style

    def look(self, pictures: Tensor) -> Tensor:
        return extract_features(self.judge, pictures, self.judge_resolution)


def look_at_real(train: ArtDataset, test: ArtDataset, samples: int) -> RealFeatures:
    """Features of the test pictures, of `samples` training pictures (the floor), and of up to 500 of each style.

    Raises:
        ValueError: fewer than 2 pictures on a side, or fewer than 2 samples.
    """
    if len(test) < 2 or len(train) < 2 or samples < 2:
        raise ValueError("evaluation needs at least 2 pictures on each side, and at least 2 samples")
    judge = load_efficientnet(JUDGE_VARIANT)
    resolution = max(JUDGE_RESOLUTION, test.resolution)
    random = np.random.default_rng(0)
    of_style = {
        style: np.sort(random.permutation(np.flatnonzero(train.labels == label))[:MAX_REAL_PER_STYLE])
        for label, style in enumerate(train.styles)
    }
    floor = np.sort(random.permutation(len(train))[:samples])
    total = len(test) + len(floor) + sum(map(len, of_style.values()))
    with tqdm(total=total, desc="looking at real pictures", unit=" pictures") as bar:

        def look(dataset: ArtDataset, indices: np.ndarray) -> Tensor:
            parts = []
            for part in np.array_split(indices, max(1, len(indices) // BATCH)):
                parts.append(extract_features(judge, dataset.batch(part), resolution))
                bar.update(len(part))
            return torch.cat(parts)

        return RealFeatures(
            judge=judge,
            judge_resolution=resolution,
            test=look(test, np.arange(len(test))),
            test_styles=[test.styles[label] for label in test.labels],
            floor=look(train, floor),
            train={style: look(train, indices) for style, indices in of_style.items()},
        )


def evaluate(
    generator: ArtGenerator, real: RealFeatures, samples: int = 2000, truncation: float = 1.0
) -> dict[str, Any]:
    """Fréchet and kernel distances to test pictures with real-against-real floors, and variety per style.

    Styles are painted in the proportions of the test pictures, seeds 0, 1, 2 and so on. The floor is what training
    pictures score in the place of the samples. Variety: mean feature distance between 64 seeds of a style over that
    between real training pictures of it. A model of one style is compared with all test pictures.

    Raises:
        ValueError: the test pictures have a style that the model lacks.
    """
    styles, latent_dim = generator.config.styles, generator.config.latent_dim
    test_styles, train = real.test_styles, real.train
    if len(styles) == 1:
        test_styles, train = [styles[0]] * len(test_styles), {styles[0]: torch.cat(list(train.values()))}
    if unknown := sorted(set(test_styles) - set(styles)):
        raise ValueError(
            f"--test-data has styles that the model lacks: {', '.join(unknown)}; it paints {', '.join(styles)}"
        )
    test_labels = torch.tensor([styles.index(style) for style in test_styles])
    sample_labels = test_labels[torch.arange(samples) * len(test_labels) // samples]
    eye = torch.eye(len(styles))
    painted = []
    for start in tqdm(range(0, samples, BATCH), desc="painting", unit_scale=BATCH, unit=" pictures"):
        chosen = sample_labels[start : start + BATCH]
        latents = draw_latents(range(start, start + len(chosen)), latent_dim)
        painted.append(real.look(paint(generator, latents, eye[chosen], truncation)))
    painted = torch.cat(painted)

    per_style = {}
    for label, style in enumerate(styles):
        of_test, of_painted = real.test[test_labels == label], painted[sample_labels == label]
        if min(len(of_test), len(of_painted), len(train.get(style, ()))) < 2:
            continue
        latents = draw_latents(range(VARIETY_SEEDS), latent_dim)
        seeds = real.look(paint(generator, latents, eye[label][None], truncation))
        per_style[style] = {
            "test_pictures": len(of_test),
            "kernel_distance": kernel_distance(of_painted, of_test),
            "kernel_floor": kernel_distance(train[style], of_test),
            "variety": (mean_pairwise_distance(seeds) / mean_pairwise_distance(train[style])).item(),
        }
    return {
        "judge": f"EfficientNet-Lite{JUDGE_VARIANT}",
        "judge_resolution": real.judge_resolution,
        "picture_resolution": generator.config.resolution,
        "truncation": truncation,
        "variety_seeds": VARIETY_SEEDS,
        "overall": {
            "samples": samples,
            "test_pictures": len(real.test),
            "frechet_distance": frechet_distance(painted, real.test),
            "frechet_floor": frechet_distance(real.floor, real.test),
            "floor_pictures": len(real.floor),
            "kernel_distance": kernel_distance(painted, real.test),
            "kernel_floor": kernel_distance(real.floor, real.test),
        },
        "styles": per_style,
    }
