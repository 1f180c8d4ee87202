"""How near a generator's pictures are to held-out ones, and how varied: what `evaluate` prints and the card shows."""

from typing import Any

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from artmodels.data import ArtDataset
from artmodels.metrics import extract_features, frechet_distance, kernel_distance, mean_pairwise_distance
from artmodels.models.features import load_efficientnet
from artmodels.models.generator import ArtGenerator
from artmodels.sampling import draw_latents, paint

JUDGE_VARIANT = 2  # EfficientNet-Lite2: never the discriminator's own network
JUDGE_RESOLUTION = 128
VARIETY_SEEDS = 64
MAX_REAL_PER_STYLE = 500


def evaluate(
    generator: ArtGenerator, train: ArtDataset, test: ArtDataset, samples: int = 2000, truncation: float = 1.0
) -> dict[str, Any]:
    """Fréchet and kernel distances to test pictures with real-against-real floors, and variety per style.

    Styles are painted in the proportions of the test pictures. The floor replaces the samples by as many training
    pictures (fewer, if there are fewer). Variety: mean feature distance between 64 seeds of a style over that between
    real training pictures of it.

    Raises:
        ValueError: the test pictures have a style that the model lacks, too few pictures, or too few samples.
    """
    styles = generator.config.styles
    if len(test) < 2 or len(train) < 2 or samples < 2:
        raise ValueError("evaluation needs at least 2 pictures on each side, and 2 samples")
    unconditional = len(styles) == 1
    if not unconditional and not set(test.styles) <= set(styles):
        unknown = sorted(set(test.styles) - set(styles))
        raise ValueError(
            f"--test-data has styles that the model lacks: {', '.join(unknown)}; it paints {', '.join(styles)}"
        )
    judge = load_efficientnet(JUDGE_VARIANT)
    resolution = max(JUDGE_RESOLUTION, generator.config.resolution)
    bar = tqdm(desc="looking at pictures", unit=" pictures")

    def features_of(pictures: Tensor) -> Tensor:
        bar.update(len(pictures))
        return extract_features(judge, pictures, resolution)

    def look(dataset: ArtDataset, indices: np.ndarray) -> Tensor:
        return torch.cat([features_of(dataset.batch(part)) for part in np.array_split(indices, len(indices) // 64 + 1)])

    random = np.random.default_rng(0)
    test_features = look(test, np.arange(len(test)))
    floor_indices = np.sort(random.permutation(len(train))[:samples])
    floor_features = look(train, floor_indices)

    # Painted: the styles as often as among the test pictures, seeds 0, 1, 2, ...
    names = [test.styles[label] for label in test.labels]
    labels = np.array([0 if unconditional else styles.index(name) for name in names])
    sample_labels = labels[np.arange(samples) * len(labels) // samples]
    eye = torch.eye(len(styles))
    painted = []
    for start in range(0, samples, 64):
        chosen = sample_labels[start : start + 64]
        z = draw_latents(range(start, start + len(chosen)), generator.config.latent_dim)
        painted.append(features_of(paint(generator, z, eye[chosen], truncation)))
    sample_features = torch.cat(painted)

    per_style = {}
    for label, style in enumerate(styles):
        real = np.flatnonzero(labels == label)
        of_train = np.arange(len(train)) if unconditional else np.flatnonzero(train.labels == _label(train, style))
        if len(real) < 2 or len(of_train) < 2:
            continue
        train_features = look(train, np.sort(random.permutation(of_train)[:MAX_REAL_PER_STYLE]))
        z = draw_latents(range(VARIETY_SEEDS), generator.config.latent_dim)
        seed_features = features_of(paint(generator, z, eye[label][None], truncation))
        of_style = sample_features[torch.from_numpy(sample_labels == label)]
        per_style[style] = {
            "test_pictures": len(real),
            "kernel_distance": kernel_distance(of_style if len(of_style) > 1 else seed_features, test_features[real]),
            "kernel_floor": kernel_distance(train_features, test_features[real]),
            "variety": (mean_pairwise_distance(seed_features) / mean_pairwise_distance(train_features)).item(),
        }
    bar.close()
    return {
        "judge": f"EfficientNet-Lite{JUDGE_VARIANT}",
        "judge_resolution": resolution,
        "picture_resolution": generator.config.resolution,
        "truncation": truncation,
        "variety_seeds": VARIETY_SEEDS,
        "overall": {
            "samples": samples,
            "test_pictures": len(test),
            "frechet_distance": frechet_distance(sample_features, test_features),
            "frechet_floor": frechet_distance(floor_features, test_features),
            "floor_pictures": len(floor_features),
            "kernel_distance": kernel_distance(sample_features, test_features),
            "kernel_floor": kernel_distance(floor_features, test_features),
        },
        "styles": per_style,
    }


def _label(dataset: ArtDataset, style: str) -> int:
    return dataset.styles.index(style) if style in dataset.styles else -1
