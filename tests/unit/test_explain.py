"""What companions see in a picture: the classifier's maps as light, and the training pictures that lie nearest."""

import numpy as np
import pytest
import torch
from helpers import STYLES
from PIL import Image

from artmodels.data import procedural
from artmodels.data.decode import to_tensor
from artmodels.hub.companions.neighbours import find_neighbours
from artmodels.metrics.distances import extract_features
from artmodels.metrics.explain import SHOWN_SIDE, explain_styles, highlight, measure_originality
from artmodels.models.classifier import ClassifierConfig, StyleClassifier
from artmodels.models.efficientnet import load_efficientnet


def drawings(indices: range) -> torch.Tensor:
    return to_tensor(np.stack([procedural.draw(style, index, 64) for style in STYLES for index in indices]))


def test_light_falls_where_the_map_is_high():
    image = Image.new("RGB", (64, 64), (200, 40, 40))
    where = torch.zeros(8, 8)
    where[:, 4:] = 1
    lit = np.asarray(highlight(image, where)).astype(int)
    assert lit.shape == (SHOWN_SIDE, SHOWN_SIDE, 3)
    assert np.abs(lit[128, 250] - (200, 40, 40)).max() <= 2
    red, green, blue = lit[128, 5]
    assert red == green == blue < 60


def test_light_keeps_the_form_of_a_picture():
    assert highlight(Image.new("RGB", (40, 80)), torch.ones(2, 2)).size == (SHOWN_SIDE // 2, SHOWN_SIDE)


def test_shares_and_maps_of_a_classifier():
    torch.manual_seed(1)
    classifier = StyleClassifier(ClassifierConfig(resolution=32, styles=STYLES, width=8)).eval()
    sight = explain_styles(classifier, drawings(range(1))[:1])
    shares = list(sight.styles.values())
    assert sum(shares) == pytest.approx(1, abs=1e-5) and shares == sorted(shares, reverse=True)
    assert set(sight.styles) == set(sight.maps) == set(STYLES)
    for places in sight.maps.values():
        assert places.min() >= 0 and places.max() <= 1 + 1e-6
    assert max(float(places.max()) for places in sight.maps.values()) == pytest.approx(1)


def test_a_training_picture_finds_itself_and_an_unseen_one_its_kin():
    judge = load_efficientnet(2)
    known, unseen = drawings(range(6)), drawings(range(500, 504))
    labels = tuple(f"{style} {index}" for style in STYLES for index in range(6))
    neighbours = find_neighbours(extract_features(judge, known, 64), extract_features(judge, unseen, 64), labels, 2, 64)
    copy = measure_originality(neighbours, known[7:8], 3)
    assert copy.nearest[0].label == labels[7] and copy.originality < 0.02 and copy.nearer == 0
    other = measure_originality(neighbours, drawings(range(900, 901))[1:2], 3)
    assert other.originality > 0.3 and len(other.nearest) == 3
    assert other.nearest[0].label.startswith(STYLES[1])
    assert [near.distance for near in other.nearest] == sorted(near.distance for near in other.nearest)
