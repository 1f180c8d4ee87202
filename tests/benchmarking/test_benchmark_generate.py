"""`benchmark paint`: what it counts is what the blocks say, and its figures fit each other."""

import json

import pytest
import torch
from helpers import assert_one_clear_line
from torch import nn

from artmodels.benchmarking.generate import convolutions_of, multiplications
from artmodels.hub.pretrained import ArtGenerator
from artmodels.models.generator import GeneratorConfig


def test_counts_the_multiplications_of_every_block():
    config = GeneratorConfig(16, ("a", "b"), latent_dim=8, width=4, max_channels=8, convs_per_block=2)
    generator = ArtGenerator(config).eval()
    w = generator.mapping(torch.zeros(3, 8), torch.eye(2)[[0, 1, 0]])
    counted = sum(multiplications(conv, x) for conv, x in convolutions_of(generator, w))
    at_4 = 16 * 9 * 8 * 16  # pixels, taps, channels in, channels out before the gate
    at_8 = 64 * 9 * (8 * 16 + 8 * 16)
    at_16 = 256 * 9 * (8 * 8 + 4 * 8)
    to_rgb = 256 * 9 * 4 * 3
    assert counted == 3 * (at_4 + at_8 + at_16 + to_rgb)
    assert not any(module._forward_pre_hooks for module in generator.modules())  # none stays behind


def test_counts_a_convolution_that_shrinks():
    assert multiplications(nn.Conv2d(2, 5, 4), torch.zeros(3, 2, 4, 4)) == 3 * 16 * 2 * 5


def test_prints_milliseconds_alone_and_in_batches(model_folder, tmp_path, artmodels):
    out = tmp_path / "speed.json"
    result = artmodels("benchmark", "paint", "--model", model_folder, "--seconds", "0.2", "--out", out)
    assert result.returncode == 0, result.stderr
    assert "ms a picture" in result.stdout and "billion multiply-adds a picture" in result.stdout
    found = json.loads(out.read_text())
    assert list(found["batches"]) == ["1", "4", "8"] and found["gigamacs"] > 0
    levels = found["gigamacs_of_levels"]
    assert list(levels) == ["4", "8", "16", "32"] and sum(levels.values()) == pytest.approx(found["gigamacs"])
    assert all(levels.values())
    for times in found["batches"].values():
        assert 0 < times["convolution_seconds"] < 3 * times["seconds"]  # a part of it, on however busy a machine


@pytest.mark.parametrize(
    ("flags", "expected"),
    [
        (["--seconds", "0"], "--seconds must be above 0"),
        (["--seconds", "nan"], "--seconds must be above 0"),
        (["--device", "abacus"], "no device 'abacus'"),
        (["--out", "nowhere/speed.json"], "there is no folder"),
    ],
)
def test_wrong_input_gets_one_clear_line(flags, expected, model_folder, artmodels):
    assert_one_clear_line(artmodels("benchmark", "paint", "--model", model_folder, *flags), expected)
