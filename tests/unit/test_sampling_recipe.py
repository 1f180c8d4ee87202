"""Seeds, pictures and recipes: what is promised to stay the same, and what is refused."""

import base64
import json
import re
import zlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from helpers import STYLES
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from artmodels.generate.recipe import (
    CHUNK,
    Latent,
    LayerMix,
    Recipe,
    Shift,
    from_link,
    parse_recipes,
    png_bytes,
    read_recipes,
)
from artmodels.generate.sampling import (
    blend,
    contact_sheet,
    draw_latents,
    mix_latents,
    one_hot,
    paint,
    paint_rows,
    paint_seeds,
    parse_seeds,
    rows_of,
    seed_recipe,
    style_sheet,
    to_images,
)

RECIPE = Recipe("user/model", "0" * 64, (Latent(7), Latent(9, 0.5)), {"ukiyo-e": 0.25, "baroque": 0.75}, 0.8)


@pytest.mark.parametrize(
    ("text", "seeds"),
    [("7", [7]), ("0-3", [0, 1, 2, 3]), ("1, 4, 10-12", [1, 4, 10, 11, 12]), ("5-5", [5]), ("4294967295", [2**32 - 1])],
)
def test_seeds_are_read(text, seeds):
    assert parse_seeds(text) == seeds


@pytest.mark.parametrize("text", ["5-1", "abc", "", "1,,2", "-3", "1.5", "4294967296", "0-99999999", "١", "1-2-3"])
def test_bad_seeds_are_refused(text):
    with pytest.raises(ValueError, match=r"seeds|backwards|parts"):
        parse_seeds(text)


def test_a_seed_is_the_same_latent_alone_and_in_any_company():
    together = draw_latents([3, 7, 7, 2**32 - 1], 16)
    assert torch.equal(together[1], draw_latents([7], 16)[0]) and torch.equal(together[1], together[2])
    assert together.std() > 0.5
    with pytest.raises(ValueError, match="below 2"):
        draw_latents([2**32], 16)


def test_seed_seven_is_the_same_picture_alone_and_in_a_batch(generator):
    style = one_hot(STYLES, "mosaic")
    batch = paint(generator, draw_latents(range(20), 16), style, 0.8)
    alone = paint(generator, draw_latents([7], 16), style, 0.8)
    assert batch.shape == (20, 3, 32, 32)
    assert (batch[7] - alone[0]).abs().max() < 1e-5
    assert (batch[7] - batch[8]).abs().max() > 1e-2


def test_an_unknown_style_lists_the_known():
    with pytest.raises(ValueError, match=r"no style 'cubism'.*flow-field, mosaic, op-art"):
        one_hot(STYLES, "cubism")
    assert torch.equal(blend(STYLES, {"op-art": 0.25, "mosaic": 0.75}), torch.tensor([[0, 0.75, 0.25]]))


def test_levels_of_an_image():
    levels = torch.tensor([-1.0, 0.0, 1.0, 2.0]).view(1, 1, 2, 2).expand(1, 3, 2, 2)
    assert list(to_images(levels)[0].getchannel("R").get_flattened_data()) == [0, 128, 255, 255]


def test_sheets_have_a_row_per_style_and_a_column_per_seed(generator):
    sheet = style_sheet(generator, [1, 2, 3, 4])
    assert sheet.size == (4 * 34 - 2, 3 * 34 - 2)
    assert contact_sheet([Image.new("RGB", (10, 10))] * 5, columns=3, gap=0).size == (30, 20)


def test_mixed_latents_keep_their_variance():
    one = Recipe("m", "0" * 64, (Latent(7),), {"a": 1.0}, 1.0)
    assert torch.equal(mix_latents(one.latents, 64), draw_latents([7], 64))
    two = Recipe("m", "0" * 64, tuple(Latent(seed, 0.3) for seed in range(9)), {"a": 1.0}, 1.0)
    assert 0.9 < mix_latents(two.latents, 4096).std() < 1.1


def test_a_seed_is_another_layout_in_each_style_or_the_same_in_all(generator):
    own = draw_latents([7, 2**32 - 1], 16, "浮世絵")
    further = zlib.crc32("浮世絵".encode())
    assert torch.equal(own, draw_latents([(7 + further) % 2**32, (further - 1) % 2**32], 16))
    here, there = (seed_recipe("m", "0" * 64, style, 7, 1.0) for style in ("mosaic", "op-art"))
    assert not torch.equal(mix_latents(here.latents, 16), mix_latents(there.latents, 16))
    shared = [seed_recipe("m", "0" * 64, style, 7, 1.0, shared=True) for style in ("mosaic", "op-art")]
    assert all(torch.equal(mix_latents(each.latents, 16), draw_latents([7], 16)) for each in shared)
    (first, *_) = paint_seeds(generator, "mosaic", [7], 1.0)
    (again,) = to_images(paint_rows(generator, rows_of(generator, here)))
    assert np.abs(np.asarray(first, int) - np.asarray(again, int)).max() <= 1


def test_recipes_of_before_have_shared_layouts_and_stay_as_they_were():
    text = RECIPE.to_json()
    assert '"of"' not in text and parse_recipes(text)[0].latents == RECIPE.latents
    own = replace(RECIPE, latents=(Latent(7, of="浮世絵"),))
    assert from_link(own.to_link()) == own and parse_recipes(own.to_json()) == [own]
    wrongs: tuple[Any, ...] = ("", 7, "x" * 300, ["mosaic"])
    for wrong in wrongs:
        with pytest.raises(ValueError, match=r"recipe\.latent\.of should"):
            Recipe("m", "0" * 64, (Latent(7, of=wrong),), {"a": 1.0}, 1.0)


def test_whole_numbers_are_weights_too():
    """JavaScript writes 1.0 as 1."""
    (recipe,) = parse_recipes(RECIPE.to_json().replace("1.0", "1"))
    assert torch.equal(mix_latents(recipe.latents, 8), mix_latents(RECIPE.latents, 8))


def test_a_recipe_survives_json_and_png(tmp_path):
    assert parse_recipes(RECIPE.to_json()) == [RECIPE]
    path = tmp_path / "p.png"
    path.write_bytes(png_bytes(Image.new("RGB", (8, 8), "red"), [RECIPE]))
    assert read_recipes(path) == [RECIPE]
    path.write_bytes(png_bytes(Image.new("RGB", (8, 8), "red"), [RECIPE] * 3))
    assert read_recipes(path) == [RECIPE] * 3


def test_a_link_carries_the_recipe_as_it_is():
    shift = Shift("light from above", -1.25, "1" * 64)
    edited = replace(RECIPE, edits=(LayerMix(3, (Latent(5),), {"浮世絵": 1.0}), shift))
    for recipe in (RECIPE, edited):
        link = recipe.to_link()
        assert re.fullmatch(r"[A-Za-z0-9_-]+", link) and from_link(link) == recipe
    assert len(RECIPE.to_link()) < 300


@pytest.mark.parametrize(
    "link",
    [
        "",
        "x",
        "not a link",
        RECIPE.to_link()[:-9],
        RECIPE.to_link()[9:],
        base64.urlsafe_b64encode(zlib.compress(b"[]")).decode(),
        base64.urlsafe_b64encode(zlib.compress(f"[{RECIPE.to_json()}, {RECIPE.to_json()}]".encode())).decode(),
        base64.urlsafe_b64encode(zlib.compress(b" " * 100_000_000)).decode(),
        base64.urlsafe_b64encode(zlib.compress(b"\xff")).decode(),
    ],
)
def test_damaged_and_forged_links_are_refused(link):
    with pytest.raises(ValueError, match=r"link|recipe"):
        from_link(link)


def test_a_recipe_too_long_for_a_link_says_what_to_do():
    random = np.random.default_rng(0)
    long = replace(RECIPE, latents=tuple(Latent(int(seed), 0.123) for seed in random.integers(0, 2**32, 900)))
    with pytest.raises(ValueError, match="download it"):
        long.to_link()


def test_a_recipe_tells_the_commit_and_older_ones_do_without():
    pinned = replace(RECIPE, revision="0123456789abcdef" * 2 + "01234567")
    assert parse_recipes(pinned.to_json()) == [pinned]
    older = json.loads(RECIPE.to_json())
    del older["revision"]
    assert parse_recipes(json.dumps(older)) == [RECIPE]


def test_a_recipe_with_letters_of_any_script_survives(tmp_path):
    recipe = Recipe("m", "0" * 64, (Latent(1),), {"浮世絵 <b>": 1.0}, 1.0)
    path = tmp_path / "p.png"
    path.write_bytes(png_bytes(Image.new("RGB", (8, 8)), [recipe]))
    assert read_recipes(path) == [recipe]


@pytest.mark.parametrize(
    "change",
    [
        {"schema": 2},
        {"model": ""},
        {"model": 3},
        {"weights_sha256": "xyz"},
        {"latents": []},
        {"latents": [7]},
        {"latents": [{"seed": -1}]},
        {"latents": [{"seed": 2**32}]},
        {"latents": [{"seed": 1.5}]},
        {"latents": [{"seed": True}]},
        {"latents": [{"seed": 1, "weight": 1e9}]},
        {"latents": [{"seed": 1, "weight": 0}]},
        {"latents": [{"seed": 1, "weight": 1e-60}]},
        {"latents": [{"seed": 1, "weight": 10**400}]},
        {"latents": [{"seed": 1, "colour": "red"}]},
        {"latents": [{"seed": 1}] * 5000},
        {"style_weights": {}},
        {"style_weights": {"a": 2}},
        {"style_weights": {"a": -1, "b": 2}},
        {"style_weights": {"a": "1"}},
        {"truncation": 9},
        {"truncation": 10**400},
        {"truncation": None},
        {"edits": [{"run": "rm"}]},
        {"edits": [{"kind": "python", "code": "1"}]},
        {"edits": [{"kind": ["layers"]}]},
        {"edits": ["layers"]},
        {"edits": [{"kind": "layers", "first": 1}]},
        {"edits": [{"kind": "layers", "first": 0, "latents": [{"seed": 1}], "style_weights": {"a": 1}}]},
        {"edits": [{"kind": "layers", "first": 1, "latents": [{"seed": 1}], "style_weights": {"a": 2}}]},
        {"edits": [{"kind": "direction", "name": "warmth", "amount": 11, "sha256": "0" * 64}]},
        {"edits": [{"kind": "direction", "name": "warmth", "amount": 1, "sha256": "x"}]},
        {"edits": [{"kind": "direction", "name": "", "amount": 1, "sha256": "0" * 64}]},
        {"edits": [{"kind": "direction", "name": "warmth", "amount": 1, "sha256": "0" * 64}] * 17},
        {"extra": 1},
        {"revision": "main"},
        {"revision": ["0" * 40]},
    ],
)
def test_forged_recipes_are_refused(change):
    forged = {**json.loads(RECIPE.to_json()), **change}
    with pytest.raises(ValueError, match="recipe"):
        parse_recipes(json.dumps(forged))


@pytest.mark.parametrize("text", ["", "[]", "null", "{", '{"schema": 1}', "NaN", "[" * 100_000, "1" * 2_000_000])
def test_what_is_no_recipe_is_refused(text):
    with pytest.raises(ValueError, match="recipe"):
        parse_recipes(text)


def test_not_a_number_is_refused():
    text = RECIPE.to_json().replace("0.8", "NaN")
    with pytest.raises(ValueError, match="truncation"):
        parse_recipes(text)


def test_a_png_without_a_recipe_says_so(tmp_path):
    Image.new("RGB", (8, 8)).save(tmp_path / "plain.png")
    with pytest.raises(ValueError, match="carries no recipe"):
        read_recipes(tmp_path / "plain.png")
    (tmp_path / "text.png").write_text("<svg onload=alert(1)>")
    with pytest.raises(ValueError, match="not a readable PNG"):
        read_recipes(tmp_path / "text.png")
    with pytest.raises(FileNotFoundError):
        read_recipes(tmp_path / "missing.png")


@pytest.mark.parametrize("chunk", ["[]", "{}", "hello", "[" * 5000, json.dumps([json.loads(RECIPE.to_json())] * 1001)])
def test_forged_chunks_are_refused(tmp_path, chunk):
    info = PngInfo()
    info.add_itxt(CHUNK, chunk)
    Image.new("RGB", (8, 8)).save(tmp_path / "forged.png", pnginfo=info)
    with pytest.raises(ValueError, match="recipe"):
        read_recipes(tmp_path / "forged.png")


def test_a_compressed_bomb_in_the_chunk_is_refused(tmp_path):
    info = PngInfo()
    info.add_itxt(CHUNK, " " * 80_000_000, zip=True)
    path: Path = tmp_path / "bomb.png"
    Image.new("RGB", (8, 8)).save(path, pnginfo=info)
    assert path.stat().st_size < 200_000
    with pytest.raises(ValueError, match=r"recipe|readable"):
        read_recipes(path)
