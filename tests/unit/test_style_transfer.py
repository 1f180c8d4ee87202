"""Style transfer: its effect, its companion file, its recipe, and what it refuses."""

import json
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
import torch
from helpers import STYLES, assert_one_clear_line, draw_pictures, image_array, run_here
from PIL import Image
from safetensors.torch import save_file
from sample_models import make_generator

from artmodels.cli.main import main
from artmodels.data import procedural
from artmodels.data.dataset import load_dataset
from artmodels.data.decode import to_tensor
from artmodels.generate.recipe import chunk_png, read_chunk, read_recipes
from artmodels.hub.companions.style_statistics import (
    DIRECTIONS,
    QUANTILES,
    SIZES,
    STATISTICS_NAME,
    load_style_statistics,
    save_style_statistics,
)
from artmodels.io.safetensors_io import read_header
from artmodels.models.efficientnet import load_efficientnet, texture_channels
from artmodels.optimize.descent import finish
from artmodels.optimize.provenance import Provenance, parse_provenance
from artmodels.optimize.style_transfer import (
    STEP_PIXELS,
    TransferSettings,
    _Loss,
    content_distance,
    find_style_representations,
    recolour,
    share_of_time,
    style_distance,
    style_representation,
    style_representations,
    transfer,
    typical_paintings,
)

SETTINGS = TransferSettings(64, 12, 1.0, 3)


def drawn(style: str, index: int, side: int = 64) -> torch.Tensor:
    return to_tensor(procedural.draw(style, index, side)[None].copy())


def test_the_share_of_the_time_counts_the_two_sizes():
    assert share_of_time(0, 9) == 0 and share_of_time(1, 9) == pytest.approx(1)
    for pixels, ratio in ((1, 1.0), (STEP_PIXELS, 2 / 1.25), (10**9, 4.0)):
        shares = [share_of_time(step / 130, pixels) for step in range(1, 131)]
        steps = [later - earlier for earlier, later in pairwise(shares)]
        assert min(steps) > 0 and steps[-1] / steps[0] == pytest.approx(ratio, rel=1e-3)


@pytest.fixture(scope="module")
def network():
    return load_efficientnet(0)


@pytest.fixture(scope="module")
def representations(network):
    painting = drawn("stained-glass", 1)
    return style_representations(network, torch.nn.functional.avg_pool2d(painting, 2), painting)


@pytest.fixture(scope="module")
def styled_folder(tmp_path_factory, network):
    """A model whose styles' statistics lie beside it."""
    folder = tmp_path_factory.mktemp("styled") / "sketcher"
    make_generator().save_pretrained(folder)
    data = load_dataset(draw_pictures(tmp_path_factory.mktemp("data") / "drawn", 2), 128)
    save_style_statistics(folder, STYLES, find_style_representations(network, data, STYLES))
    return folder


def test_textures_are_what_the_network_computes(network):
    maps, content = network.textures(torch.rand(1, 3, 64, 64))
    assert [features.shape[1] for features in maps] == texture_channels()
    assert content.shape == (1, 80, 4, 4) and all(features.min() >= 0 for features in maps)


def test_a_transfer_comes_near_the_style_and_stays_near_the_content(network, representations):
    photo, other = drawn("flow-field", 2), drawn("mosaic", 5)
    picture = finish(transfer(network, photo, representations, SETTINGS))
    assert picture.shape == photo.shape and picture.abs().max() <= 1
    assert style_distance(network, picture, representations[1]) < 0.6 * style_distance(
        network, photo, representations[1]
    )
    assert content_distance(network, picture, photo) < 0.6 * content_distance(network, other, photo)


def test_a_photo_is_at_no_distance_from_its_own_content_however_it_is_shifted(network, representations):
    photo = drawn("flow-field", 2)
    loss = _Loss(network, photo, representations[-1], 1e-6, torch.Generator().manual_seed(0))
    found = torch.stack([loss(photo) for _ in range(12)])
    assert found.max() - found.min() < 1e-4 and len(loss.contents) > 6


def test_more_strength_comes_nearer_the_style(network, representations):
    photo = drawn("flow-field", 2)
    weak, strong = (
        finish(transfer(network, photo, representations, replace(SETTINGS, steps=8, strength=strength)))
        for strength in (0.1, 4)
    )
    assert style_distance(network, strong, representations[1]) < style_distance(network, weak, representations[1])
    assert content_distance(network, weak, photo) < content_distance(network, strong, photo)


def test_the_same_seed_makes_the_same_picture_and_another_seed_another(network, representations):
    photo = drawn("flow-field", 2)
    settings = replace(SETTINGS, steps=4)
    one, again, other = (
        finish(transfer(network, photo, representations, chosen))
        for chosen in (settings, settings, replace(settings, seed=4))
    )
    assert torch.equal(one, again) and not torch.equal(one, other)


def test_a_page_sees_every_step_and_may_stop_at_any(network, representations):
    steps = transfer(network, drawn("flow-field", 2), representations, SETTINGS)
    first = next(steps)
    assert first.step == 1 and first.steps == SETTINGS.steps and first.picture().shape == (1, 3, 64, 64)
    steps.close()


def test_a_picture_that_is_no_number_stops_at_once(network, representations):
    assert list(transfer(network, torch.full((1, 3, 64, 64), torch.nan), representations, SETTINGS)) == []


def test_the_style_of_a_picture_is_at_no_distance_from_it(network):
    picture = drawn("mosaic", 1)
    assert style_distance(network, picture, style_representation(network, picture)) < 1e-9
    flat = style_representation(network, torch.ones(1, 3, 64, 64))
    assert all(tensor.isfinite().all() for tensor in (*flat.scales, *flat.quantiles, flat.palette))


def test_recolouring_brings_the_palette_and_leaves_shapes(network):
    photo, painting = drawn("flow-field", 2), drawn("stained-glass", 1)
    found = recolour(photo, style_representation(network, painting))
    for statistic in (lambda x: x.mean(dim=(2, 3)), lambda x: x.std(dim=(2, 3))):
        before, after = ((statistic(one) - statistic(painting)).norm() for one in (photo, found))
        assert after < 0.3 * before


def test_recolouring_leaves_a_plain_ground_plain_and_a_picture_in_its_own_palette_alone(network):
    plain, painting = torch.ones(1, 3, 96, 96), drawn("stained-glass", 1)
    plain[:, :, 30:70, 30:70] = -0.8
    for ground in (plain, 1e-6 * torch.rand(plain.shape) + 0.9 * plain):  # as shrunk ones are, too
        found = recolour(ground, style_representation(network, painting))
        assert found[0, :, :30].std(dim=(1, 2)).max() < 1e-5 and (found - ground).abs().max() > 0.1
    own = recolour(painting, style_representation(network, painting))
    assert (own - painting).abs().mean() < 0.01 and own.std() == pytest.approx(painting.std().item(), rel=0.005)


def test_the_typical_are_those_farthest_towards_their_style(tmp_path):
    data = load_dataset(draw_pictures(tmp_path / "drawn", 3), 32).select(np.arange(8))
    features = torch.zeros(8, 2)
    data = replace(data, labels=np.array([0, 0, 0, 0, 1, 1, 1, 1]), styles=("a", "b"))
    features[:, 0] = torch.tensor([1.0, 4, 2, 3, -1, -4, -2, -3])
    features[:, 1] = torch.tensor([9.0, -9, 9, -9, 9, -9, 9, -9])  # varies, but tells nothing
    assert typical_paintings(data, features, 2) == [[1, 3], [5, 7]]


def test_statistics_survive_their_file_and_are_those_of_the_styles(styled_folder, network):
    statistics = load_style_statistics(styled_folder, STYLES)
    assert statistics.styles == STYLES and len(statistics.representation("mosaic")) == len(SIZES)
    for style in STYLES:
        own = drawn(style, 9, 128)
        distances = {other: style_distance(network, own, statistics.representation(other)[0]) for other in STYLES}
        assert min(distances, key=distances.get) == style
    with pytest.raises(ValueError, match="no style 'cubism'"):
        statistics.representation("cubism")
    assert load_style_statistics(styled_folder.parent, STYLES) is None


@pytest.mark.parametrize("damage", ["styles", "shape", "nan", "huge", "scale", "told", "cut"])
def test_damaged_statistics_are_refused_in_one_line(styled_folder, tmp_path, damage):
    from safetensors.torch import load_file

    path = tmp_path / STATISTICS_NAME
    tensors = load_file(styled_folder / STATISTICS_NAME)
    _, told = read_header(styled_folder / STATISTICS_NAME)
    if damage == "styles":
        told["style_statistics"] = json.dumps({"format": 1, "styles": ["a", "b", "c"]})
    elif damage == "told":
        told["style_statistics"] = "{" * 10_000
    elif damage == "shape":
        tensors["quantiles.0"] = torch.zeros(3, 2, DIRECTIONS, QUANTILES + 1)
    elif damage == "scale":
        tensors["scales.1"][0, 0, 0] = 0
    elif damage in ("nan", "huge"):
        tensors["palette"][0, 0, 0] = torch.nan if damage == "nan" else 6e4
    save_file(tensors, path, told)
    if damage == "cut":
        path.write_bytes(path.read_bytes()[:-50])
    with pytest.raises(ValueError, match=STATISTICS_NAME):
        load_style_statistics(tmp_path, STYLES)


# --- as a user types it ----------------------------------------------------------------------------------------------


def command(*arguments: object):
    return run_here(lambda: main([str(argument) for argument in arguments]))


@pytest.fixture
def photo(tmp_path):
    path = tmp_path / "photo.png"
    Image.fromarray(procedural.draw("flow-field", 2, 96)).save(path)
    return path


def test_a_transfer_is_made_again_from_its_recipe(tmp_path, photo):
    painting, out, curve = tmp_path / "painting.png", tmp_path / "out.png", tmp_path / "curve.png"
    Image.fromarray(procedural.draw("mosaic", 2, 96)).save(painting)
    flags = ("--manner", painting, "--size", 64, "--steps", 6, "--seed", 5)
    result = command("transfer", photo, *flags, "--out", out, "--curve", curve)
    assert result.returncode == 0, result.stderr
    assert image_array(out).shape == (64, 64, 3) and image_array(curve).shape == (240, 480, 3)
    told = command("recipe", out)
    assert told.returncode == 0, told.stderr
    recipe = parse_provenance(told.stdout.splitlines()[0])
    assert set(recipe.inputs) == {"picture", "manner"} and recipe.inputs["picture"] in told.stdout
    typed = recipe.command().split("artmodels ")[1].replace("PICTURE", str(photo)).replace("MANNER", str(painting))
    again = tmp_path / "again.png"
    assert command(*typed.replace("again.png", str(again)).split()).returncode == 0
    assert again.read_bytes() == out.read_bytes()
    with pytest.raises(ValueError, match="made from another"):
        read_recipes(out)


def test_a_models_style_is_transferred_too(tmp_path, photo, styled_folder):
    out = tmp_path / "out.png"
    flags = ("--model", styled_folder, "--style", "mosaic", "--size", 64, "--steps", 4, "--out", out)
    assert command("transfer", photo, *flags).returncode == 0
    recipe = parse_provenance(read_chunk(out))
    assert (recipe.style, recipe.companion_sha256) == ("mosaic", load_style_statistics(styled_folder, STYLES).sha256)


@pytest.mark.parametrize(
    ("flags", "expected"),
    [
        ((), "--manner"),
        (("--manner", "PHOTO", "--style", "mosaic"), "--manner"),
        (("--style", "mosaic"), "--model"),
        (("--manner", "missing.png"), "no file missing.png"),
        (("--manner", "PHOTO", "--size", "100"), "multiple of 8"),
        (("--manner", "PHOTO", "--strength", "nan"), "strength"),
        (("--manner", "PHOTO", "--steps", "1"), "steps"),
        (("--manner", "PHOTO", "--out", "no/out.png"), "there is no folder no"),
        (("--manner", "PHOTO", "--out", "out.jpg"), "ends in .png"),
        (("--model", "MODEL", "--style", "mosaic"), "python -m artmodels styles"),
    ],
)
def test_wrong_flags_get_one_line_and_write_nothing(tmp_path, photo, model_folder, monkeypatch, flags, expected):
    monkeypatch.chdir(tmp_path)
    names = {"PHOTO": photo, "MODEL": model_folder}
    result = command("transfer", photo, "--out", "out.png", *(names.get(flag, flag) for flag in flags))
    assert_one_clear_line(result, expected)
    assert list(tmp_path.iterdir()) == [photo]


def test_recipes_of_made_pictures_are_checked(tmp_path):
    good = Provenance(
        "dream", {"picture": "0" * 64}, {"size": 64, "steps": 4, "strength": 1, "seed": 0}, "1.0", 1, "m", "s", "1" * 64
    )
    assert parse_provenance(good.to_json()) == good
    for field, value in {
        "made_by": "magic",
        "inputs": {"picture": "xyz"},
        "settings": {"size": "64"},
        "threads": "2",
        "version": "\n",
        "schema": 9,
        "companion_sha256": 5,
        "surprise": 1,
    }.items():
        text = json.dumps({**json.loads(good.to_json()), field: value})
        with pytest.raises(ValueError, match="recipe"):
            parse_provenance(text)
        (tmp_path / "a.png").write_bytes(chunk_png(Image.new("RGB", (8, 8)), text))
        assert_one_clear_line(command("recipe", tmp_path / "a.png"), "recipe")
