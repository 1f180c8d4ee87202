"""What a run's log calls variety: of paintings as they are, beside real pictures of the same style."""

from dataclasses import replace

import pytest
import torch

from artmodels.data.dataset import ArtDataset, load_dataset
from artmodels.models.efficientnet import load_efficientnet
from artmodels.training.config import tiny
from artmodels.training.gan_step import build_networks
from artmodels.training.variety import VarietyGauge


@pytest.fixture(scope="module")
def drawn() -> ArtDataset:
    return load_dataset(None, 32)


@pytest.fixture
def gauge(drawn) -> VarietyGauge:
    return VarietyGauge(load_efficientnet(0), 64, drawn, torch.from_numpy(drawn.labels))


def painter_of(drawn: ArtDataset):
    return build_networks(tiny(), drawn.styles, torch.device("cpu")).ema


def test_a_painter_that_paints_one_picture_has_no_variety(drawn, gauge):
    painter = painter_of(drawn)
    varied = gauge.measure(painter, 0)["variety"]
    with torch.no_grad():  # the latent reaches nothing any more
        painter.first.weight.zero_()
        painter.map_in.weight[:, : painter.config.latent_dim] = 0
    assert gauge.measure(painter, 0)["variety"] < 1e-3 < varied


def test_real_pictures_in_the_place_of_paintings_are_as_varied_as_real_ones(drawn, gauge, monkeypatch):
    places = [torch.nonzero(torch.from_numpy(drawn.labels) == label)[:, 0].numpy() for label in range(4)]
    for turn, of_style in enumerate(places):
        monkeypatch.setattr("artmodels.training.variety.paint", lambda *_, found=of_style: drawn.batch(found[-32:]))
        assert gauge.measure(painter_of(drawn), turn)["variety"] == pytest.approx(1, abs=0.2)


def test_every_style_has_its_turn_and_the_weights_stay_as_they_are(drawn, gauge):
    painter = painter_of(drawn)
    before = {name: weight.clone() for name, weight in painter.state_dict().items()}
    state = torch.get_rng_state()
    readings = [gauge.measure(painter, turn) for turn in range(5)]
    assert [reading["variety_style"] for reading in readings] == [*drawn.styles, drawn.styles[0]]
    assert readings[0] == readings[4] and len({reading["variety"] for reading in readings}) == 4
    assert all(torch.equal(weight, before[name]) for name, weight in painter.state_dict().items())
    assert painter.training and torch.equal(torch.get_rng_state(), state)


def test_a_style_of_one_picture_is_passed_over(drawn):
    labels = torch.zeros(len(drawn), dtype=torch.long)
    labels[7] = 1
    painter = build_networks(tiny(), ("many", "one"), torch.device("cpu")).ema
    gauge = VarietyGauge(load_efficientnet(0), 64, drawn, labels)
    assert {gauge.measure(painter, turn)["variety_style"] for turn in range(3)} == {"many"}
    single = VarietyGauge(load_efficientnet(0), 64, drawn, torch.arange(len(drawn)))
    assert single.measure(painter, 0) == {}


def test_a_look_every_no_pictures_is_refused():
    with pytest.raises(ValueError, match="variety_every must be at least 1"):
        replace(tiny(), variety_every=0)
