"""How varied a run's paintings are while it trains: what its log calls variety."""

import copy

import numpy as np
import torch
from torch import Tensor

from artmodels.data.dataset import ArtDataset
from artmodels.generate.sampling import draw_latents, one_hot, paint
from artmodels.hub.pretrained import ArtGenerator
from artmodels.metrics.distances import extract_features, mean_pairwise_distance
from artmodels.models.efficientnet import EfficientNetLite
from artmodels.training.export import measure_statistics

SEEDS = range(32)  # of the style that is looked at
REAL_PICTURES = 128  # of it, at most
CALIBRATION_LATENTS = 64  # few: it is done every few thousand images


class VarietyGauge:
    """Compares paintings of one style, as they are, with real pictures of it, in the feature network's eyes.

    One style at a time, so that it costs a second; the real pictures are looked at once. What the losses see are
    pictures that were each augmented differently, which keeps even equal ones apart.
    """

    def __init__(self, network: EfficientNetLite, resolution: int, dataset: ArtDataset, labels: Tensor):
        self.network = network
        self.resolution = resolution  # px at which the network looks
        self.dataset = dataset
        self.labels = labels
        self.real: dict[int, float] = {}  # mean distance between real pictures of a style
        counts = torch.bincount(labels)
        self.measurable = [label for label, count in enumerate(counts.tolist()) if count > 1]

    def measure(self, ema: ArtGenerator, turn: int) -> dict[str, float | str]:
        """Variety of one style, which `turn` chooses: 1 where 32 seeds differ from each other as real pictures do.

        The mean distance between pooled features of the paintings, over that between at most 128 real pictures. The
        averaged weights take their batch-norm statistics from 64 latents of all styles; `ema` itself stays as it is.
        Nothing where no style has two pictures.
        """
        if not self.measurable:
            return {}
        label = self.measurable[turn % len(self.measurable)]
        styles, device = ema.config.styles, ema.mean_w.device
        painter = copy.deepcopy(ema)
        some = torch.from_numpy(np.random.default_rng(0).integers(len(self.labels), size=CALIBRATION_LATENTS))
        measure_statistics(painter, draw_latents(range(CALIBRATION_LATENTS), ema.config.latent_dim), self.labels[some])
        pictures = paint(painter, draw_latents(SEEDS, ema.config.latent_dim), one_hot(styles, styles[label]))
        if label not in self.real:
            places = np.flatnonzero(self.labels.numpy() == label)
            places = np.random.default_rng(label).permutation(places)[:REAL_PICTURES]
            self.real[label] = self._spread(self.dataset.batch(places, device))
        spread = self._spread(pictures.to(device))
        return {"variety": spread / max(self.real[label], 1e-6), "variety_style": styles[label]}

    def _spread(self, pictures: Tensor) -> float:
        return mean_pairwise_distance(extract_features(self.network, pictures, self.resolution)).item()
