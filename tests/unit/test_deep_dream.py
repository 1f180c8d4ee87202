"""Dreaming: a classifier that was not asked sees the style too, and the picture stays near what it was."""

import shlex
import shutil
from dataclasses import replace

import numpy as np
import pytest
import torch
from helpers import STYLES, assert_one_clear_line, image_array, run_here
from PIL import Image

from artmodels.cli.main import main
from artmodels.data import procedural
from artmodels.data.decode import to_tensor
from artmodels.generate.recipe import read_chunk
from artmodels.hub.companions.classifier import save_classifier
from artmodels.models.classifier import ClassifierConfig, StyleClassifier
from artmodels.models.efficientnet import load_efficientnet
from artmodels.optimize.deep_dream import LARGEST_CHANGE, DreamSettings, dream
from artmodels.optimize.descent import finish
from artmodels.optimize.provenance import parse_provenance

SIDE = 64
SETTINGS = DreamSettings(64, 12, 1.0, 2)
WANTED = STYLES.index("mosaic")


def drawn(style: str, indices: range) -> torch.Tensor:
    return to_tensor(np.stack([procedural.draw(style, index, SIDE) for index in indices]))


def classifier_on(variant: int, first: int):
    """Logits by least squares on frozen features of drawings of its own."""
    network = load_efficientnet(variant)
    pictures = torch.cat([drawn(style, range(first, first + 10)) for style in STYLES])
    labels = torch.eye(len(STYLES)).repeat_interleave(10, dim=0)
    with torch.no_grad():
        features = network(pictures)
    mean = features.mean(dim=0)
    kernel = (features - mean) @ (features - mean).T
    weights = (features - mean).T @ torch.linalg.solve(kernel + 50 * torch.eye(len(kernel)), labels - 1 / len(STYLES))
    return lambda seen: 6 * ((network(seen) - mean) @ weights)


@pytest.fixture(scope="module")
def classifier():
    return classifier_on(0, 0)


@pytest.fixture(scope="module")
def photo() -> torch.Tensor:
    return drawn("flow-field", range(40, 41))


@pytest.fixture(scope="module")
def dreamt(classifier, photo) -> torch.Tensor:
    return finish(dream(photo, classifier, SIDE, WANTED, SETTINGS))


def test_a_classifier_that_was_not_asked_sees_the_style_too(dreamt, photo):
    independent = classifier_on(1, 20)  # another network, other drawings
    with torch.no_grad():
        before, after = (independent(one).log_softmax(dim=1)[0, WANTED] for one in (photo, dreamt))
    assert after > before + 0.3


def test_the_change_is_bounded_and_mostly_no_noise(dreamt, photo):
    change = dreamt - photo
    assert dreamt.abs().max() <= 1 and change.abs().max() <= LARGEST_CHANGE + 1e-5
    coarse = torch.nn.functional.avg_pool2d(change, 2)
    assert coarse.square().mean() > 0.4 * change.square().mean()  # white noise would keep a quarter


def test_less_strength_changes_less(classifier, photo, dreamt):
    little = finish(dream(photo, classifier, SIDE, WANTED, replace(SETTINGS, strength=0.1)))
    assert (little - photo).square().mean() < 0.7 * (dreamt - photo).square().mean()
    assert (little - photo).abs().max() <= 0.1 * LARGEST_CHANGE + 1e-5


def test_the_same_seed_dreams_the_same_at_any_step(classifier, photo, dreamt):
    assert torch.equal(finish(dream(photo, classifier, SIDE, WANTED, SETTINGS)), dreamt)
    steps = dream(photo, classifier, SIDE, WANTED, SETTINGS)
    assert next(steps).picture().shape == photo.shape
    steps.close()


def test_a_classifier_that_sees_no_number_ends_it(photo):
    blind = lambda seen: seen.mean(dim=(2, 3)) * torch.nan  # noqa: E731
    assert list(dream(photo, blind, SIDE, 0, SETTINGS)) == []
    with pytest.raises(ValueError, match="no style number 3"):
        next(dream(photo, lambda seen: seen.mean(dim=(2, 3)), SIDE, 3, SETTINGS))


def test_the_verb_needs_a_classifier_and_says_what_it_knows(model_folder, tmp_path):
    source, out = tmp_path / "in.png", tmp_path / "out.png"
    Image.fromarray(procedural.draw("flow-field", 40, 96)).save(source)

    def command(folder, style: str, *more: str):
        flags = (*more, "--model", folder, "--style", style, "--size", "64", "--steps", "3", "--out", out)
        return run_here(lambda: main(["dream", str(source), *map(str, flags)]))

    assert_one_clear_line(command(model_folder, "mosaic"), "has no classifier", "--task classifier")
    folder = shutil.copytree(model_folder, tmp_path / "seeing")
    torch.manual_seed(0)
    save_classifier(folder, StyleClassifier(ClassifierConfig(32, STYLES, width=4, blocks=1)), {})
    assert_one_clear_line(command(folder, "cubism"), "'cubism'", "flow-field, mosaic, op-art")
    assert not out.exists()
    result = command(folder, "mosaic")
    assert result.returncode == 0, result.stderr
    first = out.read_bytes()
    assert command(folder, "mosaic").returncode == 0 and out.read_bytes() == first
    recipe = parse_provenance(read_chunk(out))
    assert (recipe.made_by, recipe.style, set(recipe.inputs)) == ("dream", "mosaic", {"picture"})
    assert image_array(out).shape == (64, 64, 3) and recipe.stopped_after is None
    assert command(folder, "mosaic", "--stop-after", "2").returncode == 0 and out.read_bytes() != first
    stopped = parse_provenance(read_chunk(out))
    evil = replace(recipe, model="masters; touch PWNED #", style="$(touch PWNED)")
    words = shlex.split(evil.command())
    assert "masters; touch PWNED #" in words and "$(touch PWNED)" in words  # one word each
    assert stopped == replace(recipe, stopped_after=2) and stopped.command().endswith(
        "--stop-after 2 --seed 0 --out again.png"
    )
    for wrong in (0, 2.5, True, "2"):
        with pytest.raises(ValueError, match="stopped_after should be"):
            replace(recipe, stopped_after=wrong)  # type: ignore[arg-type]
