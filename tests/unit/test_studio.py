"""The studio without a browser: what its handlers do, its words, and painting for many at once."""

import io
import json
import math
import os
import re
import string
import threading
import zipfile
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import numpy as np
import pytest
import torch
from helpers import ROOT, STYLES, image_array
from PIL import Image
from PIL.PngImagePlugin import PngInfo
from sample_models import make_generator

from artmodels.generate.recipe import SEED_LIMIT, Latent, Recipe, parse_recipe_data, parse_recipes, read_recipes
from artmodels.generate.sampling import paint_rows, rows_of
from artmodels.signals.audio_file import wav_bytes
from artmodels.studio import app, handlers, previews
from artmodels.studio.app import avoid_proxies
from artmodels.studio.batching import MicroBatcher
from artmodels.studio.blocks import still_there
from artmodels.studio.context import read_recipes_data
from artmodels.studio.handlers import ALL_STYLES, MAX_COUNT
from artmodels.studio.i18n import WORDS, Complaint, translate, translate_error
from artmodels.studio.pages import photo
from artmodels.studio.pages.breed import MAX_GENERATIONS, generations_of
from artmodels.studio.pages.paint import designs_of
from artmodels.studio.performing import draw_sound, hear_file, take_score
from artmodels.studio.previews import preview_rows
from artmodels.studio.served_files import FileStore
from artmodels.studio.uploads import released, take_recipe


@pytest.fixture
def save_png(tmp_path):
    def save(content: bytes, name: str) -> str:
        (tmp_path / name).write_bytes(content)
        return str(tmp_path / name)

    return save


def generate(model, save, *order):
    return handlers.WallPainter(save).all(model, handlers.recipes_of_seeds(model, *order))


def test_a_wall_shows_consecutive_seeds_of_a_style(model, save_png):
    wall = generate(model, save_png, "mosaic", 7, 3, 0.8)
    assert [caption for _, caption in wall] == ["Mosaic No. 7", "Mosaic No. 8", "Mosaic No. 9"]
    recipes = [read_recipes(Path(path))[0] for path, _ in wall]
    assert [recipe.latents[0].seed for recipe in recipes] == [7, 8, 9]
    assert all(recipe.weights_sha256 == model.weights_sha256 for recipe in recipes)
    alone = generate(model, save_png, "mosaic", 8, 1, 0.8)
    assert abs(image_array(Path(alone[0][0])) - image_array(Path(wall[1][0]))).max() <= 1


def test_all_styles_take_turns(model, save_png):
    captions = [caption.split(" No. ")[0] for _, caption in generate(model, save_png, ALL_STYLES, 0, 7, 1.0)]
    assert captions == [style.capitalize() for style in (*STYLES, *STYLES, STYLES[0])]


def test_seeds_go_round_at_the_limit(model, save_png):
    assert [caption for _, caption in generate(model, save_png, "mosaic", SEED_LIMIT - 1, 2, 1)] == [
        f"Mosaic No. {SEED_LIMIT - 1}",
        "Mosaic No. 0",
    ]


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("cubism", 1, 1, 1), "no style 'cubism'"),
        ((None, 1, 1, 1), "no style"),
        (("mosaic", -1, 1, 1), "seed"),
        (("mosaic", 2**32, 1, 1), "seed"),
        (("mosaic", 1.5, 1, 1), "seed"),
        (("mosaic", "7", 1, 1), "seed must be a number"),
        (("mosaic", None, 1, 1), "seed is empty: give a number"),
        (("mosaic", 1, 0, 1), "count"),
        (("mosaic", 1, MAX_COUNT + 1, 1), "count"),
        (("mosaic", 1, 1e300, 1), "count"),
        (("mosaic", 1, 1, math.nan), "truncation must be a number"),
        (("mosaic", 1, 1, math.inf), "truncation must be a number"),
        (("mosaic", 1, 1, -0.1), "between 0 and 1.5"),
        (("mosaic", 10**400, 1, 1), "seed must be a number"),
        (("mosaic", 1, 1, True), "truncation must be a number"),
    ],
)
def test_arguments_out_of_bounds_say_what_to_do(model, save_png, arguments, expected):
    with pytest.raises(ValueError, match=expected):
        generate(model, save_png, *arguments)


def recipe_of(model, /, **changes) -> Recipe:
    return replace(handlers.recipes_of_seeds(model, "mosaic", 7, 1, 0.8)[0], **changes)


def test_a_wall_grows_by_a_few_pictures_at_a_time(model, save_png):
    recipes = handlers.recipes_of_seeds(model, ALL_STYLES, 0, 20, 0.8)
    lengths = [len(wall) for wall in handlers.WallPainter(save_png).growing(model, recipes)]
    assert lengths == [8, 16, 20]


def test_a_mix_of_styles_is_painted_and_told(model, save_png):
    mix = {"mosaic": 3, "op-art": 1}
    ((path, caption),) = handlers.WallPainter(save_png).all(model, handlers.recipes_of_seeds(model, mix, 7, 1, 0.8))
    assert caption == "Mosaic 75 + Op-art 25, No. 7"
    (recipe,) = read_recipes(Path(path))
    assert recipe.style_weights == {"mosaic": 0.75, "op-art": 0.25}
    plain = handlers.WallPainter(save_png).all(model, [recipe_of(model)])
    assert (image_array(Path(path)) != image_array(Path(plain[0][0]))).any()


@pytest.mark.parametrize(
    ("mix", "expected"),
    [
        ({"cubism": 1}, "no style 'cubism'"),
        ({"mosaic": math.nan}, "mosaic must be a number"),
        ({"mosaic": -1}, "mosaic must be between 0"),
        ({"mosaic": 0}, "all styles are at 0"),
        ({"mosaic": "<b>"}, "mosaic must be a number"),
        ({}, "all styles are at 0"),
    ],
)
def test_mixes_that_are_none_say_what_to_do(model, mix, expected):
    with pytest.raises(ValueError, match=expected):
        handlers.recipes_of_seeds(model, mix, 7, 1, 0.8)


def test_a_picture_of_other_weights_is_not_painted(model):
    with pytest.raises(ValueError, match="painted by user/other, not by sketcher"):
        handlers.paint_images(model, [recipe_of(model, model="user/other", weights_sha256="0" * 64)])
    with pytest.raises(ValueError, match="earlier version of sketcher"):
        handlers.paint_images(model, [recipe_of(model, weights_sha256="0" * 64)])


@pytest.mark.parametrize("factor", [1, 2, 4])
def test_a_larger_download_keeps_the_recipe_and_tells_its_size_on_paper(model, save_png, factor):
    path = Path(handlers.picture_file(model, save_png, recipe_of(model), factor))
    with Image.open(path) as picture:
        assert picture.size == (32 * factor, 32 * factor)
        assert picture.info["dpi"] == pytest.approx((300, 300), abs=0.1)
    assert read_recipes(path) == [recipe_of(model)]


def test_a_zip_of_the_wall_holds_pictures_sheet_and_recipes(model):
    recipes = handlers.recipes_of_seeds(model, ALL_STYLES, 0, 7, 0.8)
    with zipfile.ZipFile(io.BytesIO(handlers.wall_zip(model, recipes))) as archive:
        names = archive.namelist()
        assert len(names) == len(set(names)) == 9
        assert parse_recipes(archive.read("recipes.json").decode()) == recipes
        with Image.open(io.BytesIO(archive.read("contact-sheet.png"))) as sheet:
            assert sheet.size == (6 * 40 - 8, 2 * 40 - 8)
        with Image.open(io.BytesIO(archive.read(names[2]))) as picture:
            assert parse_recipes(picture.info["artmodels"]) == [recipes[2]]
    with pytest.raises(ValueError, match="no picture to pack"):
        handlers.wall_zip(model, [])


def test_a_recipe_is_read_from_a_link_a_token_or_json(model):
    recipe = recipe_of(model)
    link = "https://user-space.hf.space/?" + urlencode(
        {"recipe": recipe.to_link(), "name": "雾 & <b>", "open": "blend"}
    )
    found, parts = handlers.recipe_of_text(f"  {link}#top ")
    assert found == recipe and parts["name"] == "雾 & <b>" and parts["open"] == "blend"
    assert handlers.recipe_of_text(recipe.to_link())[0] == handlers.recipe_of_text(recipe.to_json())[0] == recipe


@pytest.mark.parametrize(
    "text", ["", "https://example.com/", "https://example.com/?seed=7", "hello", "{}", "?recipe=x"]
)
def test_what_is_no_link_of_ours_says_so(text):
    with pytest.raises(ValueError, match=r"recipe|link"):
        handlers.recipe_of_text(text)


@pytest.mark.parametrize("name", ["ALL_PROXY", "http_proxy"])
def test_a_proxy_that_cannot_be_spoken_to_is_left_out_with_a_word(monkeypatch, capsys, name):
    monkeypatch.setenv("NO_PROXY", "intern.example")
    monkeypatch.setenv("no_proxy", "")
    monkeypatch.setenv(name, "socks5://127.0.0.1:9")
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
    monkeypatch.setattr(app, "find_spec", lambda package: None)
    avoid_proxies()
    assert name not in os.environ and os.environ["HTTPS_PROXY"] == "http://127.0.0.1:9"
    assert os.environ["NO_PROXY"] == "intern.example,localhost,127.0.0.1,::1"
    assert f"{name} names a SOCKS proxy" in capsys.readouterr().err


@pytest.fixture
def files(tmp_path) -> FileStore:
    return FileStore(tmp_path / "files")


def upload(files: FileStore, name: str, content: bytes) -> str:
    """A file as it lies there once it was uploaded."""
    path = files.uploads / name
    path.write_bytes(content)
    return str(files.receive(path, "somebody"))


def png_of(image: Image.Image, **options) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "PNG", **options)
    return buffer.getvalue()


def forged_chunk() -> PngInfo:
    info = PngInfo()
    info.add_itxt("artmodels", '{"model": "<script>alert(1)</script>"}')
    return info


LARGE = b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR" + (20_000).to_bytes(4, "big") + (10_000).to_bytes(4, "big") + bytes(60)


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'/>", "picture.png is not a PNG"),
        (b"<html><script>alert(1)</script></html>", "picture.png is not a PNG"),
        (b"", "picture.png is not a PNG"),
        (LARGE, "20000 × 10000 pixels are too many"),
        (png_of(Image.new("RGB", (8, 8))), "picture.png carries no recipe"),
        (png_of(Image.new("RGB", (8, 8)), pnginfo=forged_chunk()), "recipe: expected an object with a schema"),
        (png_of(Image.new("RGB", (64, 64)))[:60], "picture.png"),
    ],
)
def test_an_upload_that_is_no_picture_of_ours_is_told_and_deleted(files, content, expected):
    path = upload(files, "picture.png", content)
    with pytest.raises(ValueError, match=re.escape(expected)) as caught:
        take_recipe(files, path)
    assert str(files.root) not in str(caught.value) and not Path(path).exists()


@pytest.mark.parametrize("content", [b"la la la", wav_bytes(np.zeros(48_000))])
def test_a_sound_is_released_whatever_becomes_of_the_work(files, content):
    path = upload(files, "song.mp3", content)
    with suppress(ValueError), released(files, path):
        hear_file(files, path)
        assert Path(path).exists()  # it stays for the next film
    assert not Path(path).exists()
    with pytest.raises(ValueError, match="upload it again"):
        hear_file(files, path)


def test_what_is_heard_is_drawn_and_said(files):
    _, sound, hearing = hear_file(files, None)  # a piece of ours
    drawn = draw_sound(sound, hearing, "en")
    assert drawn.count('class="section"') == len(hearing.sections) and "104 beats a minute" in drawn
    ticks = re.search(r'<path d="([^"]*)" class="ticks"', drawn)[1]
    assert ticks.count("M") == len(hearing.beats) and ticks.count("v-14") == len(hearing.bars)
    path = upload(files, "silence.wav", wav_bytes(np.zeros(48_000)))
    assert "silence" in draw_sound(*hear_file(files, path)[1:], "en")


def test_scores_that_visitors_hand_in_are_read_with_a_limit(files):
    path = upload(files, "score.json", b" " * 3_000_000)
    with pytest.raises(ValueError, match=r"score.json has more than 2 MB") as caught:
        take_score(files, path)
    assert str(files.root) not in str(caught.value)


def test_an_upload_of_ours_gives_its_recipe_and_is_deleted(model, save_png, files):
    path = upload(files, "x.png", Path(handlers.picture_file(model, save_png, recipe_of(model), 2)).read_bytes())
    assert take_recipe(files, path) == recipe_of(model) and not Path(path).exists()


@pytest.mark.parametrize(
    "kept", [None, 7, "x", {}, [None], [{}], [{"name": 3}], [[1]], [{"parents": 3}], [{"parents": []}]]
)
def test_whatever_a_browser_kept_is_read_without_harm(model, kept):
    assert designs_of(model, kept) == generations_of(model, kept) == []
    assert read_recipes_data(kept) == []


def test_what_a_browser_kept_of_this_model_is_found_again(model):
    own = {"name": "dusk", "weights_sha256": model.weights_sha256, "weights": {"mosaic": 0.5, "op-art": 0.5}}
    others = [{**own, "weights_sha256": "0" * 64}, {**own, "weights": {"cubism": 1}}, {**own, "name": 3}]
    assert designs_of(model, [*others, own]) == [own]
    parents = [recipe.to_data() for recipe in handlers.recipes_of_seeds(model, "mosaic", 1, 2, 0.8)]
    generation = {"parents": parents, "seed": 3, "mutation": 0.2}
    wrong = [{**generation, "seed": -1}, {**generation, "mutation": "x"}, {**generation, "parents": parents[:1]}]
    assert generations_of(model, [*wrong, generation]) == [generation]
    foreign = {**generation, "parents": [{**parent, "weights_sha256": "0" * 64} for parent in parents]}
    assert generations_of(model, [generation, *[foreign] * 50]) == [generation]
    assert len(generations_of(model, [generation] * 50)) == MAX_GENERATIONS
    assert read_recipes_data([*parents, {"model": "x"}]) == read_recipes_data(parents)
    assert json.loads(json.dumps(parents[0])) == parents[0] != asdict(read_recipes_data(parents)[0])


def rows(model, count: int, first: int = 0) -> torch.Tensor:
    recipes = handlers.recipes_of_seeds(model, "mosaic", first, count, 0.8)
    return torch.cat([rows_of(model.generator, recipe) for recipe in recipes])


def test_what_is_painted_together_is_what_is_painted_alone(model):
    together = MicroBatcher()
    parts = [rows(model, count, first) for first, count in enumerate((1, 4, 2, 8, 3, 1, 4))]
    with ThreadPoolExecutor(len(parts)) as visitors:
        painted = list(visitors.map(lambda w: together(paint_rows, model.generator, w), parts))
    for w, pictures in zip(parts, painted, strict=True):
        assert torch.allclose(pictures, paint_rows(model.generator, w), atol=1e-5)


def test_styles_to_repaint_in_are_shown_by_pictures_of_the_wall(model, monkeypatch):
    monkeypatch.setattr(photo, "styles_of", lambda model: model.generator.config.styles[::-1])
    monkeypatch.setattr(handlers, "FIRST_COUNT", 2)  # so that not every style hangs there
    wall = handlers.paint_images(model, handlers.first_recipes(model))
    shown = photo.painted_examples(model, wall)
    for image, painted in zip(shown, handlers.paint_images(model, photo.example_recipes(model)), strict=True):
        assert np.abs(np.asarray(image).astype(int) - np.asarray(painted)).max() <= 1
    assert sum(any(image is other for other in wall) for image in shown) == min(2, len(shown))


def test_previews_are_much_the_same_pictures_and_hold_no_recipe(model, save_png):
    recipes = handlers.recipes_of_seeds(model, ALL_STYLES, 0, 6, 0.8)
    exact = handlers.WallPainter(save_png).all(model, recipes)
    roughly = handlers.WallPainter(save_png, lambda model, w: preview_rows(model.generator, w), rough=True)
    rough = roughly.all(model, recipes)
    for (path, name), (preview, same_name), recipe in zip(exact, rough, recipes, strict=True):
        assert name == same_name and read_recipes(Path(path)) == [recipe]
        assert preview.endswith(".jpg") and b"artmodels" not in Path(preview).read_bytes()
        with Image.open(preview) as image:
            assert image.format == "JPEG" and not image.getexif()
            apart = np.abs(np.asarray(image.convert("RGB")).astype(int) - image_array(Path(path)))
        assert 0 < apart.mean() < 4 and apart.max() < 60
    w = rows(model, 2)
    assert not torch.equal(preview_rows(model.generator, w), paint_rows(model.generator, w))
    assert preview_rows(model.generator, w).dtype == torch.float32


def test_previews_are_painted_where_bf16_is_fast_and_can_be_switched_off(model, monkeypatch):
    monkeypatch.setattr(previews, "best_precision", lambda: "bf16")
    assert previews.previews_pay(model.generator)
    monkeypatch.setenv(previews.SWITCH, "off")
    assert not previews.previews_pay(model.generator)
    monkeypatch.setenv(previews.SWITCH, "maybe")
    with pytest.raises(ValueError, match="must be on or off, found 'maybe'"):
        previews.previews_pay(model.generator)
    monkeypatch.setenv(previews.SWITCH, "")
    monkeypatch.setattr(previews, "best_precision", lambda: "fp32")
    assert not previews.previews_pay(model.generator)


def test_requests_that_wait_share_a_forward_pass_and_other_models_do_not(model):
    other = make_generator(seed=1)
    held, painted = threading.Event(), []

    def slowly(generator, w):
        held.wait(10)
        painted.append((generator, len(w)))
        return paint_rows(generator, w)

    together = MicroBatcher()
    with ThreadPoolExecutor(8) as visitors:
        first = visitors.submit(together, slowly, model.generator, rows(model, 1))
        while together.waiting:
            pass
        others = [visitors.submit(together, slowly, model.generator, rows(model, 2)) for _ in range(3)]
        strange = visitors.submit(together, slowly, other, rows(model, 2))
        while len(together.waiting) < 4:
            pass
        held.set()
        results = [future.result(10) for future in (first, *others, strange)]
    assert [len(result) for result in results] == [1, 2, 2, 2, 2]
    assert painted[0] == (model.generator, 1) and sorted(count for _, count in painted) == [1, 2, 6]


def test_an_error_while_painting_reaches_who_waits_and_nobody_else(model):
    def fails_at_odd(generator, w):
        if len(w) % 2:
            raise RuntimeError("no memory")
        return paint_rows(generator, w)

    together = MicroBatcher()
    with pytest.raises(RuntimeError, match="no memory"):
        together(fails_at_odd, model.generator, rows(model, 3))
    assert len(together(fails_at_odd, model.generator, rows(model, 2))) == 2


def fields_of(text: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(text) if name}


@pytest.mark.parametrize("key", sorted(WORDS["en"].keys() | WORDS["zh"].keys()))
def test_each_text_is_there_in_both_languages_with_the_same_gaps(key):
    english, chinese = WORDS["en"][key], WORDS["zh"][key]
    assert english and chinese and fields_of(english) == fields_of(chinese)
    assert english.count("<") == chinese.count("<")
    assert re.search(r"[\u4e00-\u9fff]", chinese)


def test_each_text_is_used():
    code = "".join(path.read_text("utf-8") for path in (ROOT / "artmodels" / "studio").rglob("*.py"))
    built = (
        "direction-",
        "found-",
        "mode-",
        "page-",
        "name-",
        "sample-",
        "style-",
        "way-",
    )  # put together from what they name
    assert [key for key in WORDS["en"] if not re.search(f"[\"']{key}[\"']", code) and not key.startswith(built)] == []


def test_complaints_are_said_in_the_visitors_language():
    with pytest.raises(Complaint) as caught:
        handlers.whole_number("seed", -3, 0, 9)
    assert (
        translate_error(caught.value, "en")
        == str(caught.value)
        == "seed must be a whole number between 0 and 9, found -3"
    )
    assert translate_error(caught.value, "zh") == "随机种子 须为 0 与 9 之间的整数，而得到 -3"
    assert translate_error(OSError("the Hub is away"), "zh") == "the Hub is away"
    assert translate("fr", "dice") == translate("en", "dice")


def test_a_picture_keeps_its_name_through_a_browser(model):
    recipe = recipe_of(model, latents=(Latent(7, 1.0), Latent(8, 0.25)))
    through = json.loads(recipe.to_json().replace("1.0", "1"))
    assert handlers.caption(parse_recipe_data(through)) == handlers.caption(recipe)
    assert handlers.file_name(parse_recipe_data(through), {"mosaic": "m"}) == handlers.file_name(
        recipe, {"mosaic": "m"}
    )
    others = {handlers.caption(recipe_of(model, latents=(Latent(7), Latent(seed, 0.25)))) for seed in range(20)}
    assert len(others) >= 18  # neighbours have names of their own


def test_a_caption_tells_ancestors_and_edits(model):
    recipe = recipe_of(model, latents=(Latent(7), Latent(8, 0.3), Latent(9, 0.1)))
    assert re.fullmatch("Mosaic No. 7 · [a-z]{5}", handlers.caption(recipe))
    long = recipe_of(model, latents=(Latent(4_018_314_376), Latent(8, 0.3)))
    assert re.fullmatch("Mosaic · [a-z]{5}", handlers.caption(long))


def test_pictures_that_have_been_deleted_are_left_out_of_a_gallery(tmp_path):
    (tmp_path / "here.png").touch()
    here, gone = ({"image": {"path": str(tmp_path / name)}, "caption": name} for name in ("here.png", "gone.png"))
    assert still_there([gone, here, gone], tmp_path) == [here]
    assert still_there([gone, here], tmp_path / "other") == [gone, here]  # nobody learns what else exists
    outside = {"image": {"path": f"{tmp_path}/../gone.png"}, "caption": ""}
    assert still_there([outside], tmp_path) == [outside]
    strange: Any
    for strange in (None, 7, "x", {}, [None], [{"image": 3}], [{"image": {"path": 3}}], [{"image": {"path": "\0"}}]):
        assert still_there(strange, tmp_path) in (strange, [])
