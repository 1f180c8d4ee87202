"""The judge from outside: a style network that has seen paintings alone, and which no training run uses.

EfficientNet-Lite2, the first judge, is a cousin of the network that a training sees through, so a training could please
both by what only they have in common. This judge shares nothing with either: it was trained from scratch, by
`benchmarks/train_judge.py`, on 3,843 paintings in nine styles, those of the collection whose file's SHA-256 begins with
an even digit. Its weights lie beside this file; a wheel that `publish` sends along is spared them.
"""

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from artmodels.hub.companions.classifier import CLASSIFIER_NAME, load_classifier
from artmodels.io.files import sha256
from artmodels.models.classifier import StyleClassifier

FOLDER = Path(__file__).parent


@dataclass(frozen=True)
class OutsideJudge:
    network: StyleClassifier
    sha256: str  # of its file

    def look(self, pictures: Tensor) -> Tensor:
        """Its last features, mean over their places, `[N, D]` on the CPU, of pictures `[N, 3, H, W]` in [-1, 1]."""
        device = self.network.head.weight.device
        with torch.no_grad():
            return self.network.features(pictures.to(device)).mean(dim=(2, 3)).cpu()


def load_outside_judge(device: torch.device | str = "cpu") -> OutsideJudge | None:
    """The judge, to look on `device`; None where artmodels was installed without its weights."""
    network = load_classifier(FOLDER)
    return OutsideJudge(network.to(device), sha256(FOLDER / CLASSIFIER_NAME)) if network else None
