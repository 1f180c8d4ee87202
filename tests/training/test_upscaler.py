"""The upscaler: it learns to double pictures, and is used where it is better; and files of it from strangers."""

import io
import json
import pickle
import shutil
import struct
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from helpers import assert_one_clear_line, rewrite_companion
from PIL import Image
from safetensors.torch import load_file, save_file
from sample_models import TRAINING, make_upscaler
from training_runs import train, train_here

from artmodels.data.dataset import load_dataset
from artmodels.generate.recipe import Latent, Recipe
from artmodels.generate.sampling import to_images
from artmodels.generate.upscale import enlarge, from_image
from artmodels.hub.card import model_card
from artmodels.hub.companions.upscaler import COMPANION, UPSCALER_NAME, load_upscaler, save_upscaler
from artmodels.hub.statement import Statement
from artmodels.metrics.distances import perceptual_distances, signal_to_noise, unit_maps
from artmodels.models.efficientnet import load_efficientnet
from artmodels.models.upscaler import TILE, Upscaler, UpscalerConfig
from artmodels.studio import handlers
from artmodels.training.supervised_config import upscaler_train_config
from artmodels.training.upscaler import UpscalerWithHeads, checked_of, halved, measure_upscaler

FIGURES = {
    "measured_by": "test pictures",
    "pictures": 30,
    "resolution": 64,
    "psnr": {"upscaler": 25.0, "lanczos": 24.0},
    "perceptual_distance": {"upscaler": 0.5, "lanczos": 0.9},
}


def noise(*shape: int) -> torch.Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(1)) * 2 - 1


# --- the network -----------------------------------------------------------------------------------------------------


def test_it_begins_as_the_bicubic_enlargement():
    picture = noise(2, 3, 12, 20)
    plain = torch.nn.functional.interpolate(picture, scale_factor=2.0, mode="bicubic")
    assert torch.allclose(Upscaler(UpscalerConfig(8, 2))(picture), plain, atol=1e-6)


def test_tiles_leave_no_seams():
    upscaler = make_upscaler()
    picture = noise(1, 3, TILE + 24, TILE + 8) / 4
    assert torch.allclose(upscaler.enlarge(picture), upscaler(picture).clamp(-1, 1), atol=1e-5)


def test_images_are_enlarged_once_and_twice():
    upscaler = make_upscaler()
    image = to_images(noise(1, 3, 16, 24))[0]
    twice, four_times = (enlarge(image, factor, upscaler) for factor in (2, 4))
    assert twice.size == (48, 32) and four_times.size == (96, 64)
    assert twice != enlarge(image, 2)
    assert enlarge(image, 1, upscaler) is image
    again = upscaler.enlarge(upscaler.enlarge(from_image(image)))
    assert four_times == to_images(again)[0]


def test_distances_of_equal_pictures_are_nothing_and_grow_with_noise():
    network = load_efficientnet(0)
    picture = noise(2, 3, 64, 64) / 2
    near, far = (picture + share * noise(2, 3, 64, 64).flip(2) for share in (0.05, 0.5))
    maps = [unit_maps(network.scales, each) for each in (picture, near, far)]
    same, nearer, farther = (perceptual_distances(each, maps[0]) for each in maps)
    assert torch.allclose(same, torch.zeros(2), atol=1e-6) and (nearer > 0).all() and (nearer < farther).all()
    assert torch.allclose(signal_to_noise(picture + 0.02, picture), torch.full((2,), 40.0), atol=0.01)  # 10 log10 1e4


def test_neither_loss_reaches_the_parameters_of_the_other():
    config = replace(upscaler_train_config(), resolution=32, width=8, blocks=1)
    small, large = noise(4, 3, 16, 16), noise(4, 3, 32, 32)
    rng = torch.Generator().manual_seed(3)
    weights = [torch.randn(channels, 3, 1, 1, generator=rng) for channels in (64, 128, 256, 256)]

    def project(pictures: torch.Tensor) -> list[torch.Tensor]:
        sizes = zip(weights, (4, 8, 16, 32), strict=True)
        return [torch.nn.functional.avg_pool2d(torch.conv2d(pictures, weight), stride) for weight, stride in sizes]

    gradients = {}
    for weight in (0.0, 1.0):
        torch.manual_seed(0)
        network = UpscalerWithHeads(replace(config, adversarial_weight=weight))
        network(small, large, project).backward()
        gradients[weight] = {name: value.grad for name, value in network.named_parameters() if value.grad is not None}
    torch.manual_seed(0)
    alone = UpscalerWithHeads(config)
    alone(small, large, None).backward()
    plain, judged = gradients[0.0], gradients[1.0]
    for name, gradient in plain.items():
        if name.startswith("heads."):
            assert torch.allclose(gradient, judged[name], atol=1e-6), name
        else:
            assert torch.allclose(gradient, alone.get_parameter(name).grad, atol=1e-6), name
    assert not torch.allclose(plain["upscaler.last.weight"], judged["upscaler.last.weight"], atol=1e-6)
    realness = [name for name in plain if name.startswith("heads.heads.") and name.endswith("original")]
    assert realness and all(plain[name].abs().sum() > 0 for name in realness)


# --- its training ----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def trained(tmp_path_factory) -> Path:
    """A run on drawings, with heads in its last quarter."""
    output = tmp_path_factory.mktemp("upscaler") / "run"
    flags = ("--images", "768", "--batch-size", "16", "--checkpoint-every", "384", "--resolution", "32")
    result = train(output, "--task", "upscaler", *flags)
    assert result.returncode == 0, result.stderr
    return output


def test_checkpoints_are_measured_by_pictures_of_all_styles(monkeypatch):
    held_out = load_dataset(None, 32)
    monkeypatch.setattr("artmodels.training.upscaler.CHECKED", 12)
    checked = checked_of(held_out)
    assert len(checked) == 12 and set(checked.labels) == set(held_out.labels)
    monkeypatch.setattr("artmodels.training.upscaler.CHECKED", len(held_out) + 1)
    assert checked_of(held_out).names == held_out.names


def test_it_comes_nearer_to_held_out_pictures_than_lanczos(trained):
    figures = json.loads((trained / "figures.json").read_text())
    upscaler = load_upscaler(trained / "model")
    assert figures["psnr"]["upscaler"] > figures["psnr"]["lanczos"] + 0.3
    assert upscaler.figures == {key: figures[key] for key in figures if key != "sha256"}
    assert upscaler.is_better == (
        figures["perceptual_distance"]["upscaler"] < figures["perceptual_distance"]["lanczos"]
    )
    # what Lanczos is measured to be, by hand
    dataset = load_dataset(None, 32).select(np.arange(5))
    measured = measure_upscaler(upscaler, dataset, load_efficientnet(2))
    large = dataset.batch(np.arange(5))
    small = [image.resize((32, 32), Image.Resampling.LANCZOS) for image in to_images(halved(large))]
    by_hand = signal_to_noise(torch.cat([from_image(image) for image in small]), large).mean()
    assert measured["psnr"]["lanczos"] == pytest.approx(by_hand.item(), abs=1e-4)
    assert measured["pictures"] == 5 and measured["resolution"] == 32


def test_it_goes_on_where_it_stopped_and_lies_beside_a_model(trained, finished, tmp_path):
    painter = shutil.copytree(finished / "model", tmp_path / "painter")
    result = train(trained, "--resume", "--images", "800", "--beside", str(painter))
    assert result.returncode == 0, result.stderr
    assert load_upscaler(painter).figures["training"]["images"] in (384, 768, 800)
    card = (painter / "README.md").read_text()
    assert "## Larger pictures" in card and "peak signal-to-noise ratio" in card


def test_dials_that_cannot_be_are_refused(tmp_path):
    task = ("--task", "upscaler", "--output", str(tmp_path / "run"))
    assert_one_clear_line(train_here(*task, "--resolution", "100"), "resolution must be one of 32, 64")
    assert_one_clear_line(train_here(*task, "--width", "1000"), "width must be between 4 and 64")
    assert_one_clear_line(train_here(*task, "--preset", "tiny"), "leave out --preset")
    assert not (tmp_path / "run").exists()


def test_the_card_says_which_enlargement_is_used(generator):
    upscaler = make_upscaler()

    def card(figures: dict[str, Any]) -> str:
        upscaler.figures = figures
        return model_card(generator, TRAINING, None, Statement(), companions={"upscaler": upscaler})

    assert "Larger pictures" not in card({})
    better = card(FIGURES)
    assert "The studio's larger downloads are made by it" in better and "| 25.00 | 24.00 |" in better
    worse = {**FIGURES, "perceptual_distance": {"upscaler": 0.95, "lanczos": 0.9}}
    assert "larger downloads are Lanczos's" in card(worse)


def test_larger_downloads_are_made_by_it_where_it_is_better(model):
    recipe = Recipe(model.name, model.weights_sha256, (Latent(3),), {"mosaic": 1.0}, 0.8)
    (image,) = handlers.paint_images(model, [recipe])

    def downloaded(upscaler: Upscaler | None) -> bytes:
        written = []
        handlers.save_enlarged(
            replace(model, companions={"upscaler": upscaler}), lambda png, name: written.append(png), recipe, image, 2
        )
        return Image.open(io.BytesIO(written[0])).tobytes()

    upscaler = make_upscaler()
    lanczos = enlarge(image, 2).tobytes()
    assert downloaded(None) == downloaded(upscaler) == lanczos  # what was not measured is not used
    upscaler.figures = FIGURES
    assert downloaded(upscaler) == enlarge(image, 2, upscaler).tobytes() != lanczos
    upscaler.figures = {**FIGURES, "perceptual_distance": {"upscaler": 1.0, "lanczos": 0.9}}
    assert downloaded(upscaler) == lanczos


# --- files from strangers --------------------------------------------------------------------------------------------


@pytest.fixture
def folder(tmp_path) -> Path:
    save_upscaler(tmp_path, make_upscaler(), FIGURES)
    return tmp_path


def assert_refused(folder: Path, expected: str) -> None:
    with pytest.raises(ValueError, match=expected) as raised:
        load_upscaler(folder)
    assert "\n" not in str(raised.value) and len(str(raised.value)) < 1500


def test_a_round_trip_keeps_all_but_half_precision(folder):
    again = load_upscaler(folder)
    assert again.figures == FIGURES and again.is_better and not again.training
    assert all(
        torch.equal(value, make_upscaler().state_dict()[name].half()) for name, value in again.state_dict().items()
    )
    (folder / UPSCALER_NAME).unlink()
    assert load_upscaler(folder) is None
    save_upscaler(folder, make_upscaler(), {})
    assert not load_upscaler(folder).is_better  # nothing was measured


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (lambda told: told["config"].update(width=16), "does not fit its config"),
        (lambda told: told["config"].update(width=10**9), "width must be between"),
        (lambda told: told["config"].update(blocks=10**9), "blocks must be between"),
        (lambda told: told["config"].update(more=1), "unknown keys more"),
        (lambda told: told.update(config=[]), "should be a JSON object"),
        (lambda told: told.update(figures=[1]), "figures should be an object"),
        (lambda told: told["figures"].update(measured_by="<b>"), "measured_by"),
        (lambda told: told["figures"].update(pictures=-1), "figures.pictures should be greater than 0"),
        (
            lambda told: told["figures"].update(resolution=True),
            "figures.resolution should be a valid integer, found True",
        ),
        (lambda told: told["figures"]["psnr"].pop("lanczos"), "figures.psnr.lanczos is missing"),
        (
            lambda told: told["figures"].update(perceptual_distance="small"),
            "figures.perceptual_distance should be an object",
        ),
        (lambda told: told["figures"].update(padding="x" * 4_100_000), "text of at most 4000000"),
    ],
)
def test_configs_and_figures_that_lie(folder, change, expected):
    rewrite_companion(folder / UPSCALER_NAME, change)
    assert_refused(folder, expected)


@pytest.mark.parametrize("text", ["", "{", "[" * 10_000, '{"psnr": NaN}', "null"])
def test_what_is_no_json_object(folder, text):
    rewrite_companion(folder / UPSCALER_NAME, figures=text)
    assert_refused(folder, "not valid JSON|figures should be")


def test_files_that_attack(folder, tmp_path):
    class Evil:
        def __reduce__(self):
            return (Path.touch, (tmp_path / "ran",))

    path = folder / UPSCALER_NAME
    content = path.read_bytes()
    tensors = load_file(path)
    rewrite_companion(folder / UPSCALER_NAME, tensors={**tensors, "first.weight": torch.full((8, 3, 3, 3), torch.inf)})
    assert_refused(folder, "not finite")
    path.write_bytes(pickle.dumps(Evil()))
    assert_refused(folder, "never pickles")
    path.write_bytes(struct.pack("<Q", 2**60) + b"{}")
    assert_refused(folder, "not a safetensors file")
    path.write_bytes(content + bytes(COMPANION.most_bytes))
    assert_refused(folder, f"larger than {COMPANION.most_bytes} bytes")
    path.write_bytes(content[:-4])
    assert_refused(folder, "damaged")
    save_file(tensors, path)
    assert_refused(folder, "config should be a text")
    assert not (tmp_path / "ran").exists()
