"""Which seeds of a style are worth a first look: those whose pictures come nearest to real ones, and differ."""

import math

import torch
from torch import Tensor

from artmodels.generate.sampling import draw_latents, paint
from artmodels.hub.companions.curated import Curated
from artmodels.hub.pretrained import ArtGenerator
from artmodels.metrics.distances import realism
from artmodels.metrics.evaluate import JUDGE_VARIANT, NEIGHBOURS, RealPictures

DRAWN = 256  # seeds of each style
BEST_SHARE = 0.125  # of them, among which those that differ most are chosen
WALL, FEWEST = 36, 4  # pictures: on the largest wall, and at least of each style


def curate(generator: ArtGenerator, real: RealPictures, drawn: int = DRAWN, truncation: float = 0.8) -> Curated:
    """Seeds of each style whose pictures have a high realism score among real training pictures of it, and differ.

    A style with fewer than 2k + 2 real pictures is compared with those of all styles.
    """
    styles = generator.config.styles
    count = min(drawn, max(FEWEST, math.ceil(WALL / len(styles))))
    pool = max(count, round(BEST_SHARE * drawn))
    seeds = {}
    for label, style in enumerate(styles):
        rows = real.of_style.get(style)
        originals = real.train[rows] if rows is not None and len(rows) > 2 * NEIGHBOURS + 1 else real.train
        latents = draw_latents(range(drawn), generator.config.latent_dim, style)
        features = real.look(paint(generator, latents, torch.eye(len(styles))[label][None], truncation))
        best = realism(features, originals, min(NEIGHBOURS, len(originals) - 1)).argsort(descending=True, stable=True)
        best = best[:pool]
        seeds[style] = tuple(best[unlike(features[best], count)].tolist())
    return Curated(seeds=seeds, drawn=drawn, truncation=truncation, judge=f"EfficientNet-Lite{JUDGE_VARIANT}")


def unlike(features: Tensor, count: int) -> Tensor:
    """Places of `count` rows `[N, D]` that lie far apart: the first, then always the one farthest from all before."""
    chosen, nearest = [0], (features - features[0]).norm(dim=1)
    while len(chosen) < count:
        chosen.append(int(nearest.argmax()))
        nearest = nearest.minimum((features - features[chosen[-1]]).norm(dim=1))
    return torch.tensor(chosen)
