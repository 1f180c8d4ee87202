"""What a model's companions see in a picture: its styles, where they are, and the nearest training pictures."""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image, ImageEnhance
from torch import Tensor

from artmodels.hub.companions.neighbours import Neighbours
from artmodels.metrics.distances import extract_features
from artmodels.models.classifier import StyleClassifier
from artmodels.models.efficientnet import EfficientNetLite, load_efficientnet

UNSEEN = 0.22  # brightness of what the classifier passes over, on a map
SHOWN_SIDE = 256  # px of a map


@dataclass(frozen=True)
class StyleExplanation:
    """What a classifier says of one picture: calibrated shares of styles, the largest first, and where it saw each."""

    styles: dict[str, float]  # in sum 1
    maps: dict[str, Tensor]  # [h, w], 0: nothing of this style, 1: the place that speaks for it most


@torch.inference_mode()
def explain_styles(classifier: StyleClassifier, picture: Tensor) -> StyleExplanation:
    """What the classifier sees in a picture `[1, 3, H, W]` in [-1, 1].

    A map is the class activation map (arXiv:1512.04150) less the mean of all styles': what speaks for this one and not
    for any. It is cut off at 0 and divided by its largest value.
    """
    shares = classifier.probabilities(picture)[0].tolist()
    evidence = classifier.activation_maps(picture)[0]
    evidence = F.relu(evidence - evidence.mean(dim=0, keepdim=True))
    largest = evidence.amax(dim=(1, 2), keepdim=True).clamp(min=1e-6)
    found = dict(zip(classifier.config.styles, evidence / largest, strict=True))
    styles = sorted(zip(classifier.config.styles, shares, strict=True), key=lambda pair: -pair[1])
    return StyleExplanation(dict(styles), found)


def highlight(image: Image.Image, where: Tensor) -> Image.Image:
    """The image, enlarged, dark and grey but for where a map `[h, w]` from 0 to 1 is high."""
    factor = SHOWN_SIDE / max(image.size)
    size = (max(1, round(image.width * factor)), max(1, round(image.height * factor)))
    image = image.convert("RGB").resize(size, Image.Resampling.LANCZOS)
    levels = Image.fromarray((where.clamp(0, 1).numpy() * 255).astype(np.uint8)).resize(size, Image.Resampling.BICUBIC)
    dark = ImageEnhance.Brightness(ImageEnhance.Color(image).enhance(0.0)).enhance(UNSEEN)
    return Image.composite(image, dark, levels)


@dataclass(frozen=True)
class NearestPicture:
    """A training picture near to another one."""

    label: str
    distance: float  # in the judge's features
    thumbnail: Image.Image | None  # where the publisher allowed it


@dataclass(frozen=True)
class Originality:
    """The training pictures nearest to a picture, and how original that makes it."""

    nearest: list[NearestPicture]
    originality: float  # the nearest one's distance, over that of an unseen real picture in the median; 0: a copy
    nearer: float  # share of unseen real pictures that lie nearer to a training picture than this one


@torch.inference_mode()
def measure_originality(neighbours: Neighbours, picture: Tensor, count: int = 4) -> Originality:
    """What lies nearest to a picture `[1, 3, H, W]` in [-1, 1], by the features of the judge that the figures name."""
    features = extract_features(_judge(neighbours.judge), picture, neighbours.judge_resolution)
    distances, places = (found[0].tolist() for found in neighbours.nearest(features, count))
    nearest = [
        NearestPicture(neighbours.labels[place], distance, neighbours.thumbnail(place))
        for distance, place in zip(distances, places, strict=True)
    ]
    return Originality(nearest, *neighbours.originality(distances[0]))


@lru_cache(maxsize=1)
def _judge(variant: int) -> EfficientNetLite:
    return load_efficientnet(variant)
