"""Projection: a painted picture is found again, and what was found can be kept, mixed, bred, steered and filmed."""

import base64
import json
from dataclasses import replace

import pytest
import torch
from helpers import STYLES, assert_one_clear_line, image_array, run_here
from PIL import Image

from artmodels.cli.main import main
from artmodels.generate.film import film_rows
from artmodels.generate.mixing import MAX_FOUND, children, mix_layers, neighbours, steer
from artmodels.generate.recipe import (
    MAX_ROWS_BYTES,
    Latent,
    Projection,
    Recipe,
    pack_rows,
    parse_recipes,
    png_bytes,
    read_recipes,
    unpack_rows,
)
from artmodels.generate.sampling import draw_latents, mix_latents, one_hot, paint, paint_rows, rows_of, to_images
from artmodels.hub.companions.directions import Directions
from artmodels.models.efficientnet import load_efficientnet
from artmodels.optimize import projection
from artmodels.optimize.descent import DescentStep, finish
from artmodels.optimize.projection import ProjectionSettings, project

ORIGIN = Projection("a" * 64, 0, 40)


@pytest.fixture(scope="module")
def network():
    return load_efficientnet(0)


@pytest.fixture(autouse=True)
def few_candidates(monkeypatch):
    """Enough for a generator of 16 numbers, and quick."""
    monkeypatch.setattr(projection, "CANDIDATES", 48)
    monkeypatch.setattr(projection, "SMALLEST", 64)


@pytest.fixture(scope="module")
def plain(generator) -> Recipe:
    return Recipe("sketcher", "0" * 64, (Latent(77),), {"mosaic": 1.0}, 0.8)


def found_recipe(generator, seed: int = 1, offset: float = 0.0) -> Recipe:
    """As a projection leaves it: a latent of its own, and with `offset` rows of its own."""
    config = generator.config
    z = draw_latents([seed], config.latent_dim)
    rng = torch.Generator().manual_seed(seed)
    rows = torch.cat([z, offset * torch.randn(config.layers, config.latent_dim, generator=rng)]) if offset else z
    return Recipe("sketcher", "0" * 64, (Latent(seed, rows=pack_rows(rows)),), {"mosaic": 1.0}, 0.8, projection=ORIGIN)


def test_a_painted_picture_is_found_again(generator, network):
    wanted = paint(generator, draw_latents([4], 16), one_hot(STYLES, "op-art"), 0.8).clone()
    steps: list[DescentStep] = []
    found = finish(project(generator, network, wanted, ProjectionSettings(40)), steps.append)
    recipe = found.recipe("sketcher", "0" * 64, None, ORIGIN)
    again = paint_rows(generator, rows_of(generator, recipe))
    others = paint(generator, draw_latents(range(100, 112), 16), one_hot(STYLES, "op-art"), 0.8)
    features = [network(torch.nn.functional.interpolate(one, size=64)) for one in (wanted, again, others)]
    distance, to_others = ((features[0] - other).norm(dim=1).mean() for other in features[1:])
    assert distance < 0.25 * to_others
    assert (again - wanted).abs().mean() < 0.25 * (others - wanted).abs().mean()
    assert parse_recipes(recipe.to_json()) == [recipe]
    assert steps[-1].found() == found  # what a page keeps that stops it now
    assert steps[-1].picture().shape == (1, 3, 32, 32)


def test_the_same_seed_finds_the_same(generator, network):
    wanted = torch.rand(1, 3, 32, 32, generator=torch.Generator().manual_seed(0)) * 2 - 1
    one, two = (finish(project(generator, network, wanted, ProjectionSettings(10, 5))) for _ in range(2))
    assert one == two
    with pytest.raises(ValueError, match=r"expected a picture \[1, 3, 32, 32\]"):
        next(project(generator, network, wanted[..., :16], ProjectionSettings(10)))


def test_a_found_latent_without_rows_paints_as_its_seed_does(generator):
    drawn = Recipe("sketcher", "0" * 64, (Latent(1),), {"mosaic": 1.0}, 0.8)
    assert torch.allclose(rows_of(generator, found_recipe(generator)), rows_of(generator, drawn), atol=5e-3)
    freed = rows_of(generator, found_recipe(generator, offset=1.0)) - rows_of(generator, found_recipe(generator))
    assert (freed[:, 1:].std() - 1).abs() < 0.3 and freed[:, 0].abs().max() < 1e-6


def test_recipes_without_a_projection_are_written_as_before(plain):
    """Links and files of earlier versions stay equal to the letter."""
    assert plain.to_json() == (
        '{"edits": [], "latents": [{"seed": 77, "weight": 1.0}], "model": "sketcher", "revision": null, "schema": 1, '
        '"style_weights": {"mosaic": 1.0}, "truncation": 0.8, "weights_sha256": "' + "0" * 64 + '"}'
    )


def test_what_was_found_travels_in_a_png_and_in_no_link(generator, tmp_path):
    recipe = found_recipe(generator, offset=0.5)
    (tmp_path / "p.png").write_bytes(png_bytes(Image.new("RGB", (8, 8)), [recipe]))
    assert read_recipes(tmp_path / "p.png") == [recipe]
    with pytest.raises(ValueError, match="download the PNG"):
        recipe.to_link()
    with pytest.raises(ValueError, match="download the PNG"):
        mix_layers(replace(recipe, latents=(Latent(3),)), recipe, 2).to_link()


def test_neighbours_fade_what_was_found(generator):
    recipe = found_recipe(generator, offset=0.5)
    (same,) = neighbours(recipe, 0, [9])
    assert torch.allclose(rows_of(generator, same), rows_of(generator, recipe), atol=1e-4)
    near, far = (neighbours(recipe, distance, [9])[0] for distance in (0.2, 0.9))
    apart = [(rows_of(generator, one) - rows_of(generator, recipe)).norm() for one in (near, far)]
    assert 0 < apart[0] < apart[1]
    assert near.projection is None  # no longer the projection of that picture


def test_children_lie_between_what_was_found_and_what_was_drawn(generator, plain):
    parents = [found_recipe(generator, 1, 0.5), plain, found_recipe(generator, 2)]
    for child in children(parents, 12, 3, 0.0):
        assert {latent.rows for latent in child.latents} <= {latent.rows for one in parents for latent in one.latents}
        z = mix_latents(child.latents, 16)
        cosines = [torch.cosine_similarity(z, mix_latents(parent.latents, 16)).item() for parent in parents]
        assert max(cosines) > 0.5
        assert rows_of(generator, child).isfinite().all()
        assert parse_recipes(child.to_json()) == [child]
    crowd = [
        replace(
            plain, latents=tuple(latent for seed in range(4) for latent in found_recipe(generator, s + seed).latents)
        )
        for s in (10, 20)
    ]
    assert all(
        sum(latent.rows is not None for latent in child.latents) <= MAX_FOUND for child in children(crowd, 9, 0, 0)
    )


def test_mixing_steering_and_filming_go_on_from_what_was_found(generator, plain):
    recipe = found_recipe(generator, offset=0.5)
    mixed = rows_of(generator, mix_layers(plain, recipe, 2))
    assert torch.equal(mixed[:, 2:], rows_of(generator, recipe)[:, 2:])
    assert torch.equal(mixed[:, :2], rows_of(generator, plain)[:, :2])
    directions = Directions(("warmth",), torch.randn(1, generator.config.layers + 1, 16), "2" * 64, {})
    steered = steer(recipe, {"warmth": 1.5}, directions)
    moved = rows_of(generator, steered, directions) - rows_of(generator, recipe)
    assert torch.allclose(moved, 1.5 * directions.vectors, atol=1e-5) and steered.projection == ORIGIN
    keyframes = torch.cat([rows_of(generator, one) for one in (recipe, plain)])
    assert torch.allclose(film_rows(keyframes, 8)[0], keyframes[0], atol=1e-5)


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ("A" * (4 * MAX_ROWS_BYTES), "at most"),
        ("", "at least 1"),
        (7, "valid string"),
        ("no base64!", "base64"),
        (base64.b64encode(b"abc").decode(), "two bytes"),
        (pack_rows(torch.tensor([1.0, torch.nan])), "finite"),
        (pack_rows(torch.tensor([1.0, torch.inf])), "finite"),
        (pack_rows(torch.tensor([1.0, 2000.0])), "between"),
    ],
)
def test_attacked_rows_are_refused(plain, rows, expected):
    data = {**plain.to_data(), "latents": [{"seed": 1, "weight": 1.0, "rows": rows}]}
    with pytest.raises(ValueError, match=expected):
        parse_recipes(json.dumps(data))


@pytest.mark.parametrize("count", [15, 32, 16 * 9])
def test_rows_of_another_model_are_refused_when_they_are_painted(generator, plain, count):
    recipe = replace(plain, latents=(Latent(1, rows=pack_rows(torch.ones(count))),))
    with pytest.raises(ValueError, match="another model"):
        rows_of(generator, recipe)


@pytest.mark.parametrize(
    "origin", [{}, {"input_sha256": "x", "seed": 0, "steps": 1}, {"input_sha256": "a" * 64, "seed": -1, "steps": 1}, 5]
)
def test_a_damaged_origin_is_refused(plain, origin):
    with pytest.raises(ValueError, match="recipe"):
        parse_recipes(json.dumps({**plain.to_data(), "projection": origin}))


def test_packed_rows_are_what_half_precision_keeps():
    rows = torch.randn(3, 16)
    assert torch.equal(unpack_rows(pack_rows(rows)), rows.half().float().flatten())


def test_the_verb_writes_a_picture_whose_recipe_paints_it(model_folder, generator, tmp_path):
    source, out, again = (tmp_path / name for name in ("in.png", "out.png", "again.png"))
    (image,) = to_images(paint(generator, draw_latents([4], 16), one_hot(STYLES, "op-art"), 0.8))
    image.resize((64, 64)).save(source)

    def command(*arguments: object):
        return run_here(lambda: main([str(argument) for argument in arguments]))

    result = command("project", source, "--model", model_folder, "--steps", 10, "--out", out)
    assert result.returncode == 0, result.stderr
    (recipe,) = read_recipes(out)
    assert recipe.projection.steps == 10 and len(recipe.projection.input_sha256) == 64
    assert command("recipe", out, "--repaint", again, "--model", model_folder).returncode == 0
    assert abs(image_array(again) - image_array(out)).max() <= 1
    source.write_bytes(b"no picture")
    wrong = command("project", source, "--model", model_folder, "--out", tmp_path / "b.png")
    assert_one_clear_line(wrong, "in.png: not a readable picture")
    assert not (tmp_path / "b.png").exists()
