"""`python -m artmodels` as a user types it: pictures in folders, and one line for input that is wrong."""

import json
import pickle
import shutil
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import httpx
import numpy as np
import pytest
from helpers import STYLES, assert_one_clear_line, draw_pictures, image_array, run, run_here
from PIL import Image
from training_runs import as_if_alone

from artmodels.cli.main import main
from artmodels.generate.recipe import Shift, png_bytes, read_recipes
from artmodels.generate.sampling import seed_recipe
from artmodels.generate.upscale import enlarge
from artmodels.hub.load import load_model
from artmodels.io.errors import main_with_clear_errors


@pytest.mark.skipif(find_spec("socksio") is not None, reason="the package is there")
def test_a_socks_proxy_without_the_package_for_it_is_told():
    result = run_here(lambda: main_with_clear_errors(lambda: httpx.Client(proxy="socks5://127.0.0.1:9").close()))
    assert_one_clear_line(result, "names a SOCKS proxy", "pip install 'httpx[socks]'")


@pytest.mark.slow
def test_generate_paints_pngs_that_carry_their_recipes(model_folder, tmp_path, artmodels):
    out = tmp_path / "pictures"
    flags = ("--style", "mosaic", "--seeds", "0-3,7", "--truncation", "0.8", "--out", out, "--grid")
    result = run("-m", "artmodels", "generate", "--model", str(model_folder), *map(str, flags))
    assert result.returncode == 0, result.stderr
    names = {path.name for path in out.iterdir()}
    assert names == {"grid.png", *(f"mosaic-{seed:05d}.png" for seed in (0, 1, 2, 3, 7))}
    (recipe,) = read_recipes(out / "mosaic-00007.png")
    assert (recipe.latents[0].seed, recipe.style_weights, recipe.truncation) == (7, {"mosaic": 1.0}, 0.8)
    assert len(read_recipes(out / "grid.png")) == 5
    assert image_array(out / "mosaic-00007.png").shape == (32, 32, 3)

    alone = tmp_path / "alone"
    artmodels("generate", "--model", model_folder, "--style", "mosaic", "--seeds", "7", "--out", alone)
    difference = image_array(alone / "mosaic-00007.png") - image_array(out / "mosaic-00007.png")
    assert abs(difference).max() <= 1


def test_without_a_style_each_is_painted(model_folder, tmp_path, artmodels):
    assert artmodels("generate", "--model", model_folder, "--seeds", "1", "--out", tmp_path).returncode == 0
    assert {path.name for path in tmp_path.iterdir()} == {f"{style}-00001.png" for style in STYLES}


def test_pictures_are_enlarged_and_their_recipes_are_the_same(steered_folder, tmp_path, artmodels):
    flags = ("--model", steered_folder, "--style", "mosaic", "--seeds", "7")
    for factor in (1, 4):
        result = artmodels("generate", *flags, "--enlarge", factor, "--out", tmp_path / str(factor))
        assert result.returncode == 0, result.stderr
    small, large = (tmp_path / name / "mosaic-00007.png" for name in ("1", "4"))
    assert image_array(large).shape == (128, 128, 3) and read_recipes(large) == read_recipes(small)
    with Image.open(small) as image, Image.open(large) as enlarged:
        by_upscaler = enlarge(image.convert("RGB"), 4, load_model(steered_folder).upscaler)
        assert enlarged.tobytes() == by_upscaler.tobytes()


def test_a_recipe_is_printed_and_painted_again(model_folder, tmp_path, artmodels):
    artmodels("generate", "--model", model_folder, "--style", "op-art", "--seeds", "5", "--out", tmp_path)
    picture, again = tmp_path / "op-art-00005.png", tmp_path / "again.png"
    result = artmodels("recipe", picture, "--repaint", again, "--model", model_folder)
    assert result.returncode == 0, result.stderr
    assert json.loads(result.stdout)["latents"] == [{"of": "op-art", "seed": 5, "weight": 1.0}]
    assert abs(image_array(again) - image_array(picture)).max() <= 1
    assert read_recipes(again) == read_recipes(picture)


def test_a_grid_of_several_styles_is_painted_again_as_it_was(model_folder, tmp_path, artmodels):
    artmodels("generate", "--model", model_folder, "--seeds", "0-3", "--out", tmp_path, "--grid")
    again = tmp_path / "again.png"
    assert artmodels("recipe", tmp_path / "grid.png", "--repaint", again, "--model", model_folder).returncode == 0
    assert abs(image_array(again) - image_array(tmp_path / "grid.png")).max() <= 1


def test_a_recipe_never_decides_which_model_is_opened(model_folder, tmp_path, artmodels):
    artmodels("generate", "--model", model_folder, "--style", "mosaic", "--seeds", "1", "--out", tmp_path)
    result = artmodels("recipe", tmp_path / "mosaic-00001.png", "--repaint", tmp_path / "again.png")
    assert_one_clear_line(result, "'sketcher' does not come with artmodels", "--model")


def test_evaluation_checks_where_it_writes_before_it_looks(model_folder, tmp_path, artmodels):
    flags = ("evaluate", "--model", model_folder, "--data", tmp_path, "--test-data", tmp_path)
    assert_one_clear_line(artmodels(*flags, "--out", tmp_path / "no" / "f.json"), "there is no folder")
    assert_one_clear_line(artmodels(*flags, "--write-card"), "--write-card needs a model folder")


def test_a_recipe_of_replaced_weights_says_so_and_repaints_on_demand(model_folder, tmp_path, model, artmodels):
    artmodels("generate", "--model", model_folder, "--style", "op-art", "--seeds", "5", "--out", tmp_path)
    (recipe,) = read_recipes(tmp_path / "op-art-00005.png")
    forged = type(recipe)(**{**recipe.__dict__, "weights_sha256": "1" * 64})
    old = tmp_path / "old.png"
    old.write_bytes(png_bytes(Image.new("RGB", (8, 8)), [forged]))
    command = ("recipe", old, "--repaint", tmp_path / "again.png", "--model", model_folder)
    assert_one_clear_line(artmodels(*command), "111111111111", model.weights_sha256[:12], "--anyway")
    assert not (tmp_path / "again.png").exists()
    assert artmodels(*command, "--anyway").returncode == 0
    assert (tmp_path / "again.png").exists()
    of_the_hub = type(recipe)(**{**forged.__dict__, "model": "user/inks", "revision": "a" * 40})
    old.write_bytes(png_bytes(Image.new("RGB", (8, 8)), [of_the_hub]))
    assert_one_clear_line(artmodels(*command), f"--model user/inks@{'a' * 40}", "--anyway")


def test_a_steered_picture_is_repainted_with_todays_directions_on_demand(steered_folder, tmp_path, artmodels):
    model = load_model(steered_folder)
    assert model.directions
    recipe = seed_recipe(model.name, "1" * 64, "op-art", 5, 0.8)
    old, again = tmp_path / "old.png", tmp_path / "again.png"
    pictures = []
    for amount in (0.0, 2.0):
        steered = replace(recipe, edits=(Shift("brightness", amount, "2" * 64),))
        old.write_bytes(png_bytes(Image.new("RGB", (8, 8)), [steered]))
        result = artmodels("recipe", old, "--repaint", again, "--model", steered_folder, "--anyway")
        assert result.returncode == 0, result.stderr
        pictures.append(image_array(again))
    assert np.abs(pictures[0].astype(int) - pictures[1].astype(int)).mean() > 1


def test_what_is_measured_is_not_written_over_a_folder(model_folder, tmp_path, artmodels):
    flags = ("evaluate", "--model", model_folder, "--data", tmp_path, "--test-data", tmp_path, "--out", tmp_path)
    assert_one_clear_line(artmodels(*flags), "is a folder: name a file in it")


@pytest.mark.slow
def test_evaluate_prints_and_writes_the_same_figures(model_folder, tmp_path, artmodels):
    train, test = draw_pictures(tmp_path / "train", 8), draw_pictures(tmp_path / "test", 4)
    out = tmp_path / "figures.json"
    flags = ("--data", train, "--test-data", test, "--samples", "24", "--out", out)
    result = artmodels("evaluate", "--model", model_folder, *flags)
    assert result.returncode == 0, result.stderr
    figures = json.loads(result.stdout)
    assert figures == json.loads(out.read_text())
    assert set(figures["styles"]) == set(STYLES)
    overall = figures["overall"]
    assert overall["frechet_distance"] > overall["frechet_floor"] > 0  # untrained is worse than real
    assert overall["kernel_distance"] > overall["kernel_floor"]
    assert overall["precision"] <= overall["precision_floor"] == overall["recall_floor"] == 1  # drawn from one seed
    assert overall["sliced_wasserstein"]["32"] > overall["sliced_wasserstein_floor"]["32"]
    assert overall["memorisation"] is None  # the test pictures are among the training pictures
    low, high = figures["styles"]["mosaic"]["kernel_interval"]
    assert low < figures["styles"]["mosaic"]["kernel_distance"] < high


@pytest.mark.parametrize(
    ("flags", "expected"),
    [
        (("--style", "cubism"), ("no style 'cubism'", "flow-field, mosaic, op-art")),
        (("--seeds", "5-1"), ("runs backwards", "1-5")),
        (("--seeds", "abc"), ("should look like",)),
        (("--truncation", "9"), ("between 0 and 1.5", "found 9")),
        (("--truncation", "nan"), ("between 0 and 1.5",)),
        (("--device", "cuda:99"), ("no device 'cuda:99'",)),
        (("--device", "typewriter"), ("no device 'typewriter'",)),
        (("--seeds", "0-999", "--grid"), ("at most 1000 pictures",)),
        (("--model", "missing"), ("no model folder missing",)),
        (("--model", "missing/model"), ("missing/model",)),
    ],
)
def test_wrong_flags_get_one_line_and_write_nothing(model_folder, tmp_path, flags, expected):
    arguments = ["generate", "--model", str(model_folder), "--out", str(tmp_path / "out"), *flags]
    result = run_here(lambda: main(arguments))
    assert_one_clear_line(result, *expected)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("damage", ["truncated", "pickle", "config"])
def test_damaged_models_get_one_line_and_write_nothing(model_folder, tmp_path, damage):
    folder = shutil.copytree(model_folder, tmp_path / "model")
    weights = folder / "model.safetensors"
    if damage == "truncated":
        weights.write_bytes(weights.read_bytes()[:-100])
    elif damage == "pickle":
        weights.write_bytes(pickle.dumps({"a": 1}))
    else:
        config = json.loads((folder / "config.json").read_text())
        (folder / "config.json").write_text(json.dumps({**config, "width": 12}))
    arguments = ["generate", "--model", str(folder), "--out", str(tmp_path / "out")]
    assert_one_clear_line(run_here(lambda: main(arguments)), str(weights))
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
def test_a_full_disk_leaves_no_half_picture(model_folder, tmp_path):
    """A limit on the size of files stands in for the disk."""
    script = (
        "import resource, runpy, sys; resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100));"
        f"sys.argv = ['artmodels', 'generate', '--model', {str(model_folder)!r}, '--out', {str(tmp_path)!r}];"
        "runpy.run_module('artmodels', run_name='__main__')"
    )
    assert_one_clear_line(run("-c", script), "File too large")
    assert list(Path(tmp_path).iterdir()) == []


def test_an_out_that_is_a_file(model_folder, tmp_path, artmodels):
    (tmp_path / "out").write_text("mine")
    assert_one_clear_line(artmodels("generate", "--model", model_folder, "--out", tmp_path / "out"), "is a file")
    assert (tmp_path / "out").read_text() == "mine"


@pytest.mark.slow
def test_benchmark_train_prints_rates_and_how_the_time_divides(tmp_path, artmodels):
    out = tmp_path / "speed.json"
    with as_if_alone():
        result = artmodels("benchmark", "train", "--preset", "tiny", "--steps", "3", "--out", out)
    assert result.returncode == 0, result.stderr
    found = json.loads(out.read_text())
    assert found["loader_images_per_second"] > 5 * found["images_per_second"] > 0
    assert set(found["stages"]) == {
        "reading",
        "generator",
        "features",
        "heads' update",
        "heads' verdict",
        "reconstruction",
        "generator's update",
        "average",
    }
    whole = sum(found["stages"].values())
    assert 0.1 < whole * found["images_per_second"] / found["batch_size"] < 10  # the stages make up the step
    assert "images/s" in result.stdout and "generator's update" in result.stdout
    assert_one_clear_line(artmodels("benchmark", "train", "--preset", "huge"), "--preset must be one of")


@pytest.mark.parametrize(
    "verb", ["generate", "evaluate", "recipe", "film", "transfer", "project", "dream", "styles", "benchmark"]
)
def test_every_verb_has_help_with_an_example(verb, artmodels):
    result = artmodels(verb, "--help")
    assert result.returncode == 0 and f"python -m artmodels {verb}" in result.stdout


def test_no_verb_gets_one_line(artmodels):
    assert_one_clear_line(artmodels(), "VERB")
    assert_one_clear_line(artmodels("paint"), "invalid choice: 'paint'")


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("generate", "--model", ""), "an argument is empty (after --model)"),
        (("generate", "--model="), "an argument is empty (--model)"),
        (("evaluate", "--data", " ", "--model", "x"), "an argument is empty"),
        (("recipe", ""), "an argument is empty (after recipe)"),
        (("",), "an argument is empty (first)"),
    ],
)
def test_an_empty_argument_is_an_unset_variable(artmodels, arguments, expected):
    assert_one_clear_line(artmodels(*arguments), expected, "is a variable not set?")


def test_a_tilde_after_an_equals_sign_is_the_home_folder(artmodels, tmp_path, monkeypatch, model_folder):
    monkeypatch.setenv("HOME", str(tmp_path))
    assert (
        artmodels("generate", "--model", model_folder, "--style", "op-art", "--seeds", "5", "--out=~").returncode == 0
    )
    assert (tmp_path / "op-art-00005.png").exists()
