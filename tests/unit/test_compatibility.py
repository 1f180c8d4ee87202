"""Files of an older artmodels, whose modules had other names: pictures, links and a model are read as they were."""

import json

import pytest
from helpers import FIXTURES, image_array

from artmodels.generate.recipe import from_link, parse_recipe_data, read_recipes
from artmodels.hub.load import load_model
from artmodels.models.image_statistics import ATTRIBUTES

OLD = FIXTURES / "before_the_rooms"
LINKS = json.loads((OLD / "links.json").read_text("utf-8"))


@pytest.mark.parametrize("name", ["plain", "rich", "projected"])
def test_an_old_picture_is_painted_again_by_its_model_from_its_own_recipe(name, tmp_path, artmodels):
    """The rich one is of two seeds and two styles, with layers of a third seed and a shift along a direction."""
    picture, again = OLD / f"{name}.png", tmp_path / "again.png"
    result = artmodels("recipe", picture, "--repaint", again, "--model", OLD / "model")
    assert result.returncode == 0, result.stderr
    assert image_array(again).std() > 5
    assert abs(image_array(again) - image_array(picture)).max() <= 2
    assert read_recipes(again) == read_recipes(picture)


def test_an_old_pictures_recipe_is_the_one_that_its_link_holds():
    for name in ("plain", "rich"):
        assert read_recipes(OLD / f"{name}.png") == [parse_recipe_data(LINKS[name]["recipe"])]


@pytest.mark.parametrize("name", LINKS)
def test_an_old_link_is_its_recipe_and_the_recipe_is_that_very_link(name):
    link, recipe = LINKS[name]["link"], LINKS[name]["recipe"]
    assert from_link(link).to_data() == recipe
    assert from_link(link) == parse_recipe_data(recipe)
    assert parse_recipe_data(recipe).to_link() == link


def test_an_old_projection_tells_of_the_picture_that_it_was_found_for():
    (recipe,) = read_recipes(OLD / "projected.png")
    assert recipe.is_projected and recipe.projection.steps == 10
    assert recipe.projection.input_sha256 == "35210f5aaebee36b41d2934e15678b99acf185e2e00d56e63160407a9d197575"


def test_an_old_transfers_command_is_printed(artmodels):
    result = artmodels("recipe", OLD / "transferred.png")
    assert result.returncode == 0, result.stderr
    told = json.loads(result.stdout.splitlines()[0])
    assert told["made_by"] == "transfer" and set(told["inputs"]) == {"picture", "manner"}
    assert f"PICTURE: the file with SHA-256 {told['inputs']['picture']}" in result.stdout
    assert f"MANNER: the file with SHA-256 {told['inputs']['manner']}" in result.stdout
    command = "python -m artmodels transfer PICTURE --manner MANNER --size 64 --steps 4 --strength 1 --seed 0"
    assert f"OMP_NUM_THREADS=2 {command} --out again.png" in result.stdout


def test_an_old_model_has_its_styles_and_directions():
    model = load_model(OLD / "model")
    assert model.generator.config.styles == ("flow-field", "mosaic", "op-art", "stained-glass")
    assert model.weights_sha256 == LINKS["plain"]["recipe"]["weights_sha256"]
    assert "warmth" in model.directions.names and set(model.directions.names) <= set(ATTRIBUTES)
