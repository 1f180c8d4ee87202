"""The judge from outside: the committed file, what it sees, and who may ask it."""

import shutil

import pytest
import torch
from helpers import draw_pictures
from sample_models import make_generator

from artmodels.data.dataset import load_dataset
from artmodels.hub.wheel import source_files
from artmodels.metrics import outside
from artmodels.metrics.evaluate import compare_features, evaluate, look_at_real
from artmodels.metrics.outside import load_outside_judge

SHA256 = "c3e3cdf7852580b3b4aa0b9e6c04623fbe50dcdec8018e85cdb7f78eaa30e140"


@pytest.fixture(scope="module")
def judge():
    return load_outside_judge()


def test_the_judge_is_the_frozen_file_that_tells_paintings_apart(judge):
    assert judge.sha256 == SHA256
    assert judge.network.figures["training"]["pictures"] == 3843
    assert judge.network.figures["accuracy"] > 0.5  # nine styles: chance is below a fifth
    assert not any(weight.requires_grad for weight in judge.network.parameters())


def test_its_features_tell_of_each_picture_alone_and_differ(judge):
    pictures = torch.rand(6, 3, 64, 64, generator=torch.Generator().manual_seed(0)) * 2 - 1
    pictures[3:] *= 0.2  # greyer
    features = judge.look(pictures)
    assert features.shape == (6, judge.network.head.in_features)
    torch.testing.assert_close(judge.look(pictures[2:3]), features[2:3], rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(judge.network.head(features), judge.network(pictures), rtol=1e-4, atol=1e-4)
    nearest = torch.cdist(features, features).fill_diagonal_(torch.inf).argmin(dim=1)
    assert (nearest < 3).tolist() == [True] * 3 + [False] * 3


@pytest.mark.slow
def test_evaluate_tells_what_it_sees_and_does_without_it(judge, tmp_path, monkeypatch):
    train, test = (
        load_dataset(draw_pictures(tmp_path / name, count), 32, tmp_path / "cache")
        for name, count in (("a", 12), ("b", 8))
    )
    painter = make_generator(tuple(train.styles))
    real = look_at_real(train, test, 70)  # more than one batch
    figures = evaluate(painter, real, 70)
    seen = figures["outside"]
    assert seen["judge_sha256"] == SHA256
    assert seen["frechet_distance"] > seen["frechet_floor"] > 0  # untrained is worse than real
    everything = judge.look(test.batch(range(len(test))))
    torch.testing.assert_close(real.outside.test, everything, rtol=1e-4, atol=1e-4)
    floor = judge.look(train.batch(real.places[real.floor.numpy()]))
    assert seen["frechet_floor"] == pytest.approx(compare_features(floor, everything)["frechet_distance"], rel=1e-3)

    monkeypatch.setattr(outside, "FOLDER", tmp_path)  # as in a wheel that `publish` sent along
    without = evaluate(painter, look_at_real(train, test, 70), 70)
    assert without == {**figures, "outside": None}
    shutil.copyfile(__file__, tmp_path / "classifier.safetensors")
    with pytest.raises(ValueError, match=r"classifier\.safetensors"):
        look_at_real(train, test, 24)


def test_a_wheel_is_spared_its_weights():
    assert {path.suffix for path in source_files()} <= {
        ".py",
        ".typed",
        ".css",
        ".html",
        ".js",
        ".jinja",
        ".jpg",
        ".svg",
        ".toml",
    }
