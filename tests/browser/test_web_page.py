"""The page without a server, in a real browser: PyTorch's pictures, the studio's links, nothing from the network."""

import base64
import importlib
import io
import json
import os
import shutil
import zlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from helpers import ROOT, folder_files, slowness
from hub_server import Hub
from PIL import Image
from PIL.PngImagePlugin import PngInfo
from sample_models import make_generator

from artmodels.generate.mixing import mix_layers, neighbours, steer
from artmodels.generate.recipe import (
    Latent,
    Recipe,
    Shift,
    from_link,
    pack_rows,
    parse_recipe_data,
    parse_recipes,
    png_bytes,
    read_recipes,
)
from artmodels.generate.sampling import paint_rows, rows_of, seed_recipe, to_images
from artmodels.hub.companions.curated import Curated
from artmodels.hub.load import LoadedModel, load_model
from artmodels.io.files import sha256
from artmodels.signals.audio_file import RATE, write_sound
from artmodels.signals.listening import band_powers, onset_strength
from artmodels.signals.synthesis import our_song
from artmodels.studio import handlers
from artmodels.web.export_onnx import add_onnx
from artmodels.web.serve import serving_folder
from artmodels.web.static_space import web_files

MASTERS = ROOT / "checkpoints" / "masters"
WHOLE = "document.querySelectorAll('#wall .frame').length === 24 && !document.querySelector('#wall .frame[aria-busy]')"


@pytest.fixture(scope="module")
def model(steered_folder) -> LoadedModel:
    return load_model(steered_folder)


@pytest.fixture(scope="module")
def folder(page_engine, steered_folder, tmp_path_factory) -> Path:
    """What `web --dry-run` writes, of the model with two directions."""
    return write(web_files(str(steered_folder), "https://studio.example/"), tmp_path_factory.mktemp("page"))


def write(files: dict[str, bytes], folder: Path) -> Path:
    for name, content in files.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes(content)
    return folder


def changed_copy(folder: Path, copy: Path, name: str, **change: object) -> Path:
    """The same page, but for some fields of one JSON file; its large files are links."""
    shutil.copytree(folder, copy, copy_function=os.link)
    content = json.loads((copy / name).read_text())
    (copy / name).unlink()
    (copy / name).write_text(json.dumps({**content, **change}))
    return copy


@pytest.fixture(scope="module")
def address(folder) -> Iterator[str]:
    with serving_folder(folder, isolated=False) as address:
        yield address


@pytest.fixture
def problems() -> Iterator[list[str]]:
    """What browsers complained of: nothing, at the end of the test."""
    problems: list[str] = []
    yield problems
    assert problems == []


@pytest.fixture
def visit(browser, address, problems):
    """Opens the page for a new visitor, and waits for the wall."""
    contexts = []

    def visit(path: str = "", at: str = address, script: str = "", wait: str = WHOLE, browser=browser, **options):
        context = browser.new_context(
            **{"viewport": {"width": 1440, "height": 900}, "reduced_motion": "reduce", **options}
        )
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(120_000)
        page.on("console", lambda message: problems.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.on("request", lambda request: None if _ours(request.url) else problems.append(request.url))
        if script:
            page.add_init_script(script)
        page.goto(at + path)
        page.wait_for_function(f"() => {wait}")
        return page

    yield visit
    for context in contexts:
        context.close()


def _ours(url: str) -> bool:
    return url.startswith(("http://127.0.0.1:", "blob:", "data:"))


@pytest.fixture
def page(visit):
    return visit()


def levels_of(png: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(png)).convert("RGB")).astype(int)


def pictures_of(page, selector: str) -> list[bytes]:
    """The files that stand in these frames."""
    read = """selector => Promise.all([...document.querySelectorAll(selector)].map(async (image) => {
        const bytes = new Uint8Array(await (await fetch(image.src)).arrayBuffer());
        return btoa(String.fromCharCode(...bytes)); }))"""
    return [base64.b64decode(text) for text in page.evaluate(read, selector)]


def painted(page, recipe: Recipe) -> bytes:
    read = """async (data) => {
        const { parseRecipe } = await import('./page/recipe.js');
        const { png } = await artmodels.painter.paint(parseRecipe(data));
        return btoa(String.fromCharCode(...new Uint8Array(await png.arrayBuffer()))); }"""
    return base64.b64decode(page.evaluate(read, recipe.to_data()))


def by_pytorch(model: LoadedModel, recipe: Recipe) -> np.ndarray:
    rows = rows_of(model.generator, recipe, model.directions)
    return np.asarray(to_images(paint_rows(model.generator, rows))[0]).astype(int)


def recipe_in(png: bytes, folder: Path) -> Recipe:
    path = folder / "picture.png"
    path.write_bytes(png)
    (recipe,) = read_recipes(path)
    return recipe


def captions(page, wall: str = "#wall") -> list[str]:
    return page.locator(f"{wall} .caption").all_inner_texts()


def settled(page, wall: str, count: int) -> None:
    frames = f"document.querySelectorAll('{wall} .frame')"
    page.wait_for_function(f"() => {frames}.length === {count} && !document.querySelector('{wall} .frame[aria-busy]')")


def told(page, words: str) -> str:
    read = "document.querySelector('#news').innerText + document.querySelector('#offer').innerText"
    page.wait_for_function(f"words => ({read}).includes(words)", arg=words)
    return page.evaluate(read)


# The same pictures


def test_a_seed_draws_pytorchs_numbers(page):
    seeds = [*range(500), *((place * 2654435761) % 2**32 for place in range(499)), 2**32 - 1]
    for size in (1, 7, 15, 16, 17, 128):
        expected = [torch.randn(size, generator=torch.Generator().manual_seed(seed)) for seed in seeds]
        read = """async ([seeds, size]) => {
            const { normals } = await import('./page/normal.js');
            return seeds.map((seed) => [...normals(seed, size)]); }"""
        found = torch.tensor(page.evaluate(read, [seeds, size]))
        assert (found - torch.stack(expected)).abs().max() < 1e-6, size


@pytest.mark.parametrize("isolated", [False, True])
def test_the_first_wall_is_the_studios(visit, folder, model, isolated, tmp_path):
    with serving_folder(folder, isolated) as address:
        page = visit(at=address)
        assert page.evaluate("crossOriginIsolated") is isolated
        several = page.evaluate("import('./page/painter.js').then(({ threads }) => threads() > 1)")
        assert several is (isolated and page.evaluate("navigator.hardwareConcurrency") > 1)
        expected = handlers.first_recipes(model)
        files = pictures_of(page, "#wall img")
        page.context.close()
    assert captions_of(expected) == [handlers.caption(recipe_in(file, tmp_path)) for file in files]
    for recipe, file in zip(expected, files, strict=True):
        assert recipe_in(file, tmp_path) == recipe
        assert np.abs(levels_of(file) - by_pytorch(model, recipe)).max() <= 1


def captions_of(recipes: list[Recipe]) -> list[str]:
    return [handlers.caption(recipe) for recipe in recipes]


def rich_recipes(model: LoadedModel) -> dict[str, Recipe]:
    """One of each thing that a recipe can hold."""
    styles, dim, layers = (
        model.generator.config.styles,
        model.generator.config.latent_dim,
        model.generator.config.layers,
    )
    plain = seed_recipe(model.name, model.weights_sha256, styles[0], 2**32 - 1, 1.0)
    near, *_ = neighbours(plain, 0.4, [5, 3_000_000_000])
    mixed = Recipe(
        model.name,
        model.weights_sha256,
        (Latent(7, 0.6), Latent(9, -0.8, of=styles[1])),
        {styles[1]: 0.25, styles[2]: 0.75},
        1.3,
    )
    rows = torch.randn(layers + 1, dim, generator=torch.Generator().manual_seed(3)) * 0.3
    found = Recipe(
        model.name, model.weights_sha256, (Latent(1, 1.0, pack_rows(rows)), Latent(4, 0.5)), {styles[0]: 1.0}, 0.9
    )
    layered = mix_layers(plain, mixed, 2)
    steered = steer(layered, {"brightness": 1.25, "<b>glow</b>": -0.5}, model.directions)
    return {"plain": plain, "near": near, "mixed": mixed, "found": found, "layered": layered, "steered": steered}


def test_whatever_a_recipe_holds_is_painted_and_named_as_the_studio_does_it(page, model, tmp_path):
    for kind, recipe in rich_recipes(model).items():
        file = painted(page, recipe)
        assert recipe_in(file, tmp_path) == recipe, kind
        assert np.abs(levels_of(file) - by_pytorch(model, recipe)).max() <= 1, kind
        name = """async (data) => {
            const { captionOf, fileNameOf, parseRecipe } = await import('./page/recipe.js');
            const { say, speak, styleWord } = await import('./page/words.js');
            const names = [];
            for (const language of ['zh', 'en']) {
                await speak(language);
                names.push(await captionOf(parseRecipe(data), styleWord, say));
            }
            return [...names, await fileNameOf(parseRecipe(data))]; }"""
        stems = {style: style for style in model.generator.config.styles}
        names = [handlers.caption(recipe, language) for language in ("zh", "en")]
        assert page.evaluate(name, recipe.to_data()) == [*names, handlers.file_name(recipe, stems)]


@pytest.fixture(scope="module")
def masters(page_engine, tmp_path_factory) -> Path:
    return write(web_files(str(MASTERS)), tmp_path_factory.mktemp("masters"))


def test_the_bundled_model_paints_at_once_and_the_page_answers_meanwhile(browser, masters, monkeypatch):
    """On one thread; other work on this machine is no fault of the page, so the best of some visits counts."""
    monkeypatch.syspath_prepend(ROOT / "benchmarks")
    measure, allowed = importlib.import_module("web").visit, 1.0
    best: dict[str, float] = {}
    for _ in range(8):
        allowed = max(allowed, slowness())
        bounds = {"first_picture": 3 * allowed, "picture": 150 * allowed, "answers_slowest": 50 * allowed}
        found = measure(browser, masters, isolated=False)
        best = {key: min(found[key], best.get(key, found[key])) for key in found}
        if all(best[key] <= bound for key, bound in bounds.items()):
            break
    assert best["threads"] == 1 and {key: best[key] for key in bounds if best[key] > bounds[key]} == {}


def test_the_bundled_model_paints_what_pytorch_paints(visit, masters):
    model = load_model(MASTERS)
    with serving_folder(masters, isolated=True) as address:
        page = visit(at=address)
        files = pictures_of(page, "#wall img")
        page.context.close()
    for recipe, file in zip(handlers.first_recipes(model)[::5], files[::5], strict=True):
        assert np.abs(levels_of(file) - by_pytorch(model, recipe)).max() <= 1


def test_a_graphics_processor_paints_the_same(launch, address, model, tmp_path):
    """By WebGPU, with Chromium's own program for a processor."""
    flags = ["--enable-unsafe-webgpu", "--use-webgpu-adapter=swiftshader", "--use-vulkan=swiftshader"]
    browser = launch(*flags, "--enable-features=Vulkan,WebGPU", "--disable-gpu-watchdog")
    try:
        page = browser.new_page()
        page.goto(address)
        page.wait_for_function("() => document.body.dataset.graphics", timeout=120_000)
        verdict = page.evaluate("document.body.dataset.graphics")
        if verdict == "absent":
            pytest.skip("this Chromium has no program for a graphics processor")
        assert verdict in ("slower", "used")  # by no more than a level apart
        assert page.evaluate("artmodels.painter.tryGraphics(true)") == "used"
        for kind, recipe in rich_recipes(model).items():
            assert np.abs(levels_of(painted(page, recipe)) - by_pytorch(model, recipe)).max() <= 1, kind
        assert page.evaluate("artmodels.painter.engine") == "webgpu"
    finally:
        browser.close()


# Links


def link_in(page) -> str:
    whole = "link.value.startsWith('http') && link.value"
    return page.wait_for_function(
        f"() => {{ const link = document.querySelector('#link'); return {whole}; }}"
    ).json_value()


@pytest.mark.parametrize("kind", ["plain", "near", "mixed", "layered", "steered"])
def test_a_link_of_the_studio_opens_here_and_the_other_way_round(visit, model, kind, tmp_path):
    recipe = rich_recipes(model)[kind]
    shown = "document.querySelector('#picked img').src && document.body.dataset.state === 'painted'"
    page = visit(f"?recipe={recipe.to_link()}", wait=shown)
    (file,) = pictures_of(page, "#picked img")
    assert recipe_in(file, tmp_path) == recipe and page.locator("#picked-caption").inner_text() == handlers.caption(
        recipe
    )
    there, _ = handlers.recipe_of_text(link_in(page), model)
    assert there == recipe
    shown_page = {"mixed": "blend", "steered": "steer"}.get(kind, "paint")
    assert page.locator(f"#page-{shown_page}").is_visible()


def test_short_links_say_the_same_here_and_there(visit, model, tmp_path):
    page = visit("?style=op-art&seed=77", wait="document.querySelector('#picked img').src")
    (file,) = pictures_of(page, "#picked img")
    link = link_in(page)
    assert link.endswith("?style=op-art&seed=77")
    assert recipe_in(file, tmp_path) == handlers.recipe_of_text(link, model)[0]
    settled(page, "#wall", 24)
    assert captions(page)[:2] == ["Op-art No. 77", "Op-art No. 78"]
    page.keyboard.press("Escape")
    page.locator("#wall .frame").nth(1).click()
    page.wait_for_function("() => location.search.includes('seed=78')")
    page.keyboard.press("Escape")
    page.locator("#dice").click()
    page.wait_for_function("() => document.querySelector('#wall .caption').innerText !== 'Op-art No. 77'")
    settled(page, "#wall", 24)
    rolled = captions(page)
    page.go_back()
    page.wait_for_function("() => document.querySelector('#picked-caption').innerText === 'Op-art No. 77'")
    settled(page, "#wall", 24)
    assert captions(page) == rolled  # only the panel goes back


# Pages


def test_a_visitor_paints_enlarges_keeps_and_downloads(page, tmp_path):
    first = captions(page)
    page.get_by_role("radio", name="Mosaic").click()
    settled(page, "#wall", 24)
    assert (
        captions(page)[0] == "Mosaic No. 1"
        and page.get_by_role("radio", name="Mosaic").get_attribute("aria-checked") == "true"
    )
    page.locator("#dice").click()
    settled(page, "#wall", 24)
    assert captions(page)[0] != "Mosaic No. 1"
    for _ in range(2):
        page.locator("#undo").click()
        settled(page, "#wall", 24)
    assert captions(page) == first and page.locator("#undo").is_disabled()
    page.locator("#settings-button").click()
    page.locator("#seed").fill("40")
    page.keyboard.press("Tab")
    page.wait_for_function("() => document.querySelector('#wall .caption').innerText === 'Flow-field No. 40'")

    page.locator("#wall .frame").nth(3).click()
    page.wait_for_function("() => document.querySelector('#large img').alt === 'Flow-field No. 43'")
    page.keyboard.press("ArrowRight")
    page.wait_for_function("() => document.querySelector('#large img').alt === 'Mosaic No. 44'")
    page.keyboard.press("Escape")
    assert page.locator("#large").is_hidden()
    assert page.evaluate("document.activeElement.querySelector('img').alt") == "Mosaic No. 44"

    page.locator("#keep").click()
    settled(page, "#kept", 1)
    page.reload()
    page.wait_for_function(f"() => {WHOLE}")
    assert captions(page, "#kept") == ["Mosaic No. 44"]
    page.wait_for_function("() => document.querySelector('#download').download")
    with page.expect_download() as arriving:
        page.keyboard.press("Escape")
        page.locator("#download").click()
    assert arriving.value.suggested_filename == "mosaic-44.png"
    (recipe,) = read_recipes(arriving.value.path())
    assert recipe.latents == (Latent(44, of="mosaic"),)

    page.locator("#more-like").click()
    page.wait_for_function("() => document.querySelector('#near-news').innerText.includes('Mosaic No. 44')")
    settled(page, "#wall", 24)
    near = captions(page)
    assert near[0] == "Mosaic No. 44" and len(set(near)) == 24


def test_styles_are_mixed_by_sliders(page, model, tmp_path):
    page.get_by_role("tab", name="Blend").click()
    settled(page, "#blend-wall", 12)
    page.locator("#even").click()
    page.locator("#mixer input").first.fill("1")
    page.wait_for_function("() => document.querySelector('#shares').innerText.startsWith('50%')")
    settled(page, "#blend-wall", 12)
    for file in pictures_of(page, "#blend-wall img")[:2]:
        recipe = recipe_in(file, tmp_path)
        assert sorted(recipe.style_weights.values()) == [0.25, 0.25, 0.5]
        assert np.abs(levels_of(file) - by_pytorch(model, recipe)).max() <= 1
    for value in ("0",) * 3:
        for place in range(3):
            page.locator("#mixer input").nth(place).fill(value)
    told(page, "all styles are at 0")


def test_the_layout_of_one_is_painted_with_the_brushwork_of_another(page, model, tmp_path):
    for place, button in ((1, "#coarse-it"), (5, "#fine-it")):
        page.get_by_role("tab", name="Paint").click()
        page.locator("#wall .frame").nth(place).click()
        page.wait_for_function("() => document.querySelector('#picked img').src")
        page.locator(button).click()
    layers = model.generator.config.layers
    settled(page, "#cuts", layers)
    coarse, fine = handlers.first_recipes(model)[1], handlers.first_recipes(model)[5]
    found = [recipe_in(file, tmp_path) for file in pictures_of(page, "#cuts img")]
    assert found == [mix_layers(coarse, fine, first) for first in range(layers, 0, -1)]
    assert captions(page, "#cuts")[:2] == ["brushwork from 32 px on", "brushwork from 16 px on"]


def test_pictures_are_bred(page, model, tmp_path):
    page.get_by_role("tab", name="Breed").click()
    settled(page, "#litter", 12)  # of an example, so that no page is empty
    page.get_by_role("tab", name="Paint").click()
    for place in (2, 4):
        page.locator("#wall .frame").nth(place).click()
        page.locator("#breed-it").click()
    settled(page, "#parents", 2)  # with the second parent, the page turns to them and their children
    settled(page, "#litter", 12)
    parents = [recipe_in(file, tmp_path) for file in pictures_of(page, "#parents img")]
    files = pictures_of(page, "#litter img")
    for file in files[:3]:
        child = recipe_in(file, tmp_path)
        assert {latent.seed for parent in parents for latent in parent.latents} & {
            latent.seed for latent in child.latents
        }
        assert np.abs(levels_of(file) - by_pytorch(model, child)).max() <= 1
    assert len(set(files)) == 12


def test_a_picture_is_steered(page, model, tmp_path):
    page.locator("#wall .frame").nth(1).click()
    page.wait_for_function("() => document.querySelector('#picked img').src")
    page.locator("#steer-it").click()
    sliders = page.locator("#wheel .sliders label")
    assert sliders.all_inner_texts()[1].startswith("<b>glow</b>") and page.locator("#wheel b").count() == 0
    page.locator("#wheel input").first.fill("1.5")
    page.wait_for_function("() => document.querySelector('#picked-caption').innerText.endsWith('✎')")
    (file,) = pictures_of(page, "#picked img")
    recipe = recipe_in(file, tmp_path)
    assert recipe.edits == (Shift("brightness", 1.5, model.directions.sha256),)
    assert np.abs(levels_of(file) - by_pytorch(model, recipe)).max() <= 1


def test_what_is_picked_is_downloaded_however_much_was_painted_since(visit):
    page = visit()
    page.locator("#wall .frame").nth(2).click()
    page.wait_for_function("() => document.querySelector('#download').download")
    page.keyboard.press("Escape")
    page.evaluate("""async () => {  // as many others as push it out of the painter's memory
        const painter = artmodels.painter;
        const some = await (await import('./page/recipe.js')).recipeOfText('?style=mosaic&seed=1', artmodels.model);
        painter.ask = async () => ({ png: new Blob(['x']), milliseconds: 1 });
        for (let seed = 0; seed < 500; seed++)
            await painter.paint({ ...some.recipe, latents: [{ ...some.recipe.latents[0], seed: 1000 + seed }] });
    }""")
    with page.expect_download() as arriving:
        page.locator("#download").click()
    assert Path(arriving.value.path()).read_bytes().startswith(b"\x89PNG")


def test_what_is_kept_in_one_tab_is_not_lost_by_another(visit):
    page = visit()
    other = page.context.new_page()
    other.goto(page.url.partition("?")[0])
    other.wait_for_function(f"() => {WHOLE}")
    for tab, place in ((page, 1), (other, 2)):
        tab.wait_for_function("kept => document.querySelectorAll('#kept .frame').length === kept", arg=place - 1)
        tab.locator("#wall .frame").nth(place).click()
        tab.wait_for_function("() => document.querySelector('#download').download")
        tab.keyboard.press("Escape")
        tab.locator("#keep").click()
    for tab in (page, other):
        tab.wait_for_function("() => document.querySelectorAll('#kept .frame').length === 2")


def test_pictures_go_into_a_film_one_after_the_other_from_anywhere(visit):
    page = visit()
    for place in (1, 2):
        page.get_by_role("tab", name="Paint").click()
        page.locator("#wall .frame").nth(place).click()
        page.wait_for_function(
            "name => document.querySelector('#picked-caption').innerText === name", arg=captions(page)[place]
        )
        page.keyboard.press("Escape")
        page.locator("#film-it").click()
        settled(page, "#reel", place)
    assert captions(page, "#reel") == captions(page)[1:3]


def test_a_film_is_painted_and_recorded(visit):
    page = visit(reduced_motion="no-preference")
    page.get_by_role("tab", name="Film").click()
    settled(page, "#reel", 3)
    page.locator("#seconds").fill("2")
    page.locator("#make-film").click()
    page.wait_for_function("() => !document.querySelector('#film-download').hidden")
    with page.expect_download() as arriving:
        page.locator("#film-download").click()
    content = Path(arriving.value.path()).read_bytes()
    assert len(content) > 500 and (content[4:8] == b"ftyp" or content[:4] == b"\x1aE\xdf\xa3")  # MP4 or WebM


def test_a_curated_wall_says_so_and_is_left_by_the_dice(visit, folder, model, tmp_path):
    seeds: dict[str, tuple[int, ...]] = {style: (9, 4) for style in model.generator.config.styles}
    curated = Curated(seeds=seeds, drawn=64, truncation=0.8, judge="EfficientNet-Lite2")
    told = curated.model_dump(include={"seeds", "drawn"})
    chosen = handlers.first_recipes(replace(model, companions={**model.companions, "curated": curated}))
    curated_folder = changed_copy(folder, tmp_path / "curated", "site.json", curated=told)
    with serving_folder(curated_folder, isolated=False) as address:
        page = visit(at=address, wait=WHOLE.replace("24", str(len(chosen))))
        pill, how = page.get_by_role("radio", name="Curated"), page.locator("#curated-how")
        assert captions(page) == captions_of(chosen) and pill.get_attribute("aria-checked") == "true"
        assert [recipe_in(file, tmp_path) for file in pictures_of(page, "#wall img")] == chosen
        assert "from 64 of each style" in how.inner_text()
        page.locator("#dice").click()
        settled(page, "#wall", 24)
        assert page.get_by_role("radio", name="All styles").get_attribute("aria-checked") == "true" and how.is_hidden()
        page.locator("#undo").click()
        settled(page, "#wall", len(chosen))
        assert captions(page) == captions_of(chosen)
        page.get_by_role("button", name="中文").click()
        page.wait_for_function("() => document.querySelector('#curated-how').innerText.includes('64 幅画中')")
        assert page.get_by_role("radio", name="精选").get_attribute("aria-checked") == "true"
        page.context.close()


def test_without_directions_there_is_no_page_to_steer(visit, folder, tmp_path):
    plain = changed_copy(folder, tmp_path / "plain", "site.json", directions=False)
    with serving_folder(plain, isolated=False) as address:
        page = visit(at=address)
        assert page.get_by_role("tab").all_inner_texts() == ["Paint", "Blend", "Breed", "Film", "Live"]
        assert page.locator("#steer-it").count() == 1 and page.locator("#steer-it").is_hidden()
        page.context.close()


@pytest.mark.parametrize("size", [(1440, 900), (1000, 700), (390, 844)])
def test_everything_fits_and_can_be_hit(visit, size):
    page = visit(viewport={"width": size[0], "height": size[1]})
    page.locator("#settings-button").click()
    page.locator("#wall .frame").nth(2).click()
    page.wait_for_function("() => document.querySelector('#picked img').src")
    for name in ("paint", "blend", "breed", "steer", "film", "live"):
        page.evaluate(f"artmodels.go('{name}')")
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), name
        small = """[...document.querySelectorAll('button, a.button, summary, input')].filter((each) => {
            const box = each.getBoundingClientRect();
            const little = each.type !== 'checkbox' && (box.height < 40 || box.width < 40);
            return each.offsetParent && little; }).map((each) => each.id || each.outerHTML)"""
        assert page.evaluate(small) == [], name
    nameless = """[...document.querySelectorAll('button, input, a[href], canvas')].filter((each) => each.offsetParent
        && !(each.innerText?.trim() || each.getAttribute('aria-label') || each.labels?.[0]?.textContent.trim()
        || each.querySelector?.('img')?.alt)).map((each) => each.outerHTML)"""
    assert page.evaluate(nameless) == []


def test_it_speaks_chinese(visit):
    page = visit(locale="zh-CN")
    assert page.get_by_role("tab").all_inner_texts() == ["作画", "调配风格", "杂交", "微调", "影片", "现场"]
    page.locator("#wall .frame").nth(1).click()
    page.wait_for_function("() => document.querySelector('#picked-caption').innerText.includes('号')")
    page.get_by_role("button", name="English").click()
    page.wait_for_function("() => document.querySelector('#dice').innerText.includes('Roll the dice')")
    page.wait_for_function("() => document.querySelector('#picked-caption').innerText.includes(' No. ')")
    page.wait_for_function("() => document.querySelector('#large figcaption').innerText.includes(' No. ')")
    page.reload()
    page.wait_for_function(f"() => {WHOLE}")
    assert page.locator("html").get_attribute("lang") == "en"


# Live, with a fake microphone


@pytest.fixture(scope="module")
def bench() -> Iterator[Any]:
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(ROOT / "benchmarks")
        yield importlib.import_module("web_live")


@pytest.fixture(scope="module")
def hearing_browser(playwright, bench, tmp_path_factory):
    """One whose microphone hears hits, over and over."""
    sound = tmp_path_factory.mktemp("sound") / "hits.wav"
    write_sound(bench.hits(), sound)
    browser = bench.with_microphone(playwright, sound)
    yield browser
    browser.close()


@pytest.fixture
def visit_live(visit, hearing_browser):
    """Opens the page Live."""

    def visit_live(browser=hearing_browser, **options):
        page = visit(browser=browser, **options)
        page.get_by_role("tab", name="Live").click()
        return page

    return visit_live


@pytest.fixture
def listening(visit_live, bench):
    """Opens the page Live, and has it listen."""

    def listening(**options):
        page = visit_live(**options)
        page.locator("#live-start").click()
        page.wait_for_function(f"() => {bench.LISTENS}")
        return page

    return listening


def changes(page, milliseconds: int) -> np.ndarray:
    """Of the canvas, from frame to frame: the mean difference of levels."""
    watch = """(milliseconds) => new Promise((resolve) => {
        const small = new OffscreenCanvas(32, 32).getContext('2d', { willReadFrequently: true });
        const changes = [], begun = performance.now();
        let before = null;
        const look = () => {
          small.drawImage(document.querySelector('#live'), 0, 0, 32, 32);
          const { data } = small.getImageData(0, 0, 32, 32);
          if (before) changes.push(data.reduce((sum, level, at) => sum + Math.abs(level - before[at]), 0) / 3072);
          before = data;
          if (performance.now() - begun < milliseconds) requestAnimationFrame(look); else resolve(changes);
        };
        look();
    })"""
    return np.array(page.evaluate(watch, milliseconds))


def test_it_hears_what_python_hears(page):
    samples, late = our_song(6.0), 512 - 240  # samples by which a frame of Python's ends after one of the page's
    read = """async ([samples, rate]) => {
        const { Hearing } = await import('./page/hearing.js');
        const hearing = new Hearing(rate), found = [], all = Float32Array.from(samples);
        for (let place = 0; place < all.length; place += 128)
          hearing.listen(all.subarray(place, place + 128), (frame) => found.push(frame));
        return [found.map(({ fluxes }) => fluxes), found.map(({ strengths }) => strengths)]; }"""
    fluxes, strengths = (np.array(each).T for each in page.evaluate(read, [samples[late:].round(6).tolist(), RATE]))
    expected = onset_strength(band_powers(samples)[0])[:, : fluxes.shape[1]]
    for here, there in zip(fluxes[:, 10:], expected[:, 10:], strict=True):  # from where on both have heard as much
        assert np.corrcoef(here[there < 1], there[there < 1])[0, 1] > 0.999
    assert strengths.min() >= 0 and strengths.max() == 1


def test_a_sound_moves_the_canvas_of_the_bundled_model_within_150_milliseconds(hearing_browser, masters, bench):
    """On one thread; other work on this machine is no fault of the page, so the best of some tries counts."""
    found: list[float] = []
    allowed = 150.0
    for _ in range(4):
        allowed = max(allowed, 150 * slowness())
        found.append(float(np.percentile(bench.latencies(hearing_browser, masters, 10), 80)))
        if found[-1] <= allowed:
            break
    assert min(found) <= allowed, found


def test_it_listens_until_it_is_stopped_and_releases_the_microphone(listening, bench):
    page = listening(reduced_motion="no-preference")
    assert "on your device alone" in page.locator("#live-news").inner_text()
    tracks = "self.tracks = artmodels.livePage.session.microphone.stream.getTracks()"
    assert page.evaluate(f"({tracks}).map(({{ readyState }}) => readyState)") == ["live"]
    context = page.evaluate_handle("artmodels.livePage.session.microphone.context")
    page.locator("#live-stop").click()
    assert page.evaluate("tracks.map(({ readyState }) => readyState)") == ["ended"]
    page.wait_for_function("(context) => context.state === 'closed'", arg=context)
    assert page.locator("#live-start").is_visible() and changes(page, 1500).max() == 0

    page.locator("#live-start").click()
    page.wait_for_function(f"() => {bench.LISTENS}")
    page.evaluate("self.tracks = artmodels.livePage.session.microphone.stream.getTracks()")
    page.get_by_role("radio", name="Mosaic").click()
    page.wait_for_function("() => artmodels.livePage.walk.styles.join() === 'mosaic'")
    page.get_by_role("tab", name="Paint").click()  # whoever leaves the page is heard no longer
    assert page.evaluate("tracks.map(({ readyState }) => readyState)") == ["ended"]


@pytest.mark.parametrize("size", [(1440, 900), (390, 844)])
def test_the_stage_fills_the_screen_and_escape_leaves_it(listening, size):
    phone = "delete Element.prototype.requestFullscreen" if size[0] == 390 else ""
    page = listening(viewport={"width": size[0], "height": size[1]}, script=phone)
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    box = page.locator("#live").bounding_box()
    assert box["y"] + box["height"] <= size[1] or size[0] == 390
    page.locator("#live-full").click()
    if not phone:
        page.wait_for_function("() => document.fullscreenElement?.id === 'stage'")
    box = page.locator("#live").bounding_box()
    assert box["width"] == box["height"] == min(page.evaluate("[innerWidth, innerHeight]"))
    assert page.locator("#stage").bounding_box()["width"] == page.evaluate("innerWidth")
    assert page.locator("#stage-stop").is_visible() and page.locator("#stage-leave").is_visible()
    page.keyboard.press("Escape")
    page.wait_for_function("() => !document.fullscreenElement && !document.body.classList.contains('staged')")
    assert page.evaluate("document.activeElement.id") == "live-full"


def test_where_little_motion_is_wanted_nothing_jumps(listening, masters):
    largest = {}
    with serving_folder(masters, isolated=False) as address:
        for wanted in ("no-preference", "reduce"):
            page = listening(at=address, reduced_motion=wanted)
            page.wait_for_function("() => Math.max(...artmodels.livePage.stage.pushes) > 0")  # it hears the first hit
            largest[wanted] = changes(page, 3500).max()
            page.context.close()
    assert largest["no-preference"] > 3 * largest["reduce"] > 0, largest


def test_silence_leaves_the_canvas_calm(playwright, visit_live, bench, tmp_path):
    sound = tmp_path / "silence.wav"
    write_sound(np.zeros(RATE, np.float32), sound)
    browser = bench.with_microphone(playwright, sound)
    page = visit_live(browser=browser, reduced_motion="no-preference")
    page.locator("#live-start").click()
    page.wait_for_function(f"() => {bench.LISTENS}")
    drifting = next((seen for seen in (changes(page, 2500) for _ in range(8)) if seen.max() > 0), np.zeros(1))
    assert 0 < drifting.max() < 3 * bench.LEAST  # rounding alone moves flat pictures by a level or two
    assert page.evaluate("artmodels.livePage.stage.shown") == [0, 0, 0]
    page.locator("#live-pace").fill("0")
    page.wait_for_function("() => artmodels.livePage.stage.share === 1 && !artmodels.livePage.stage.next")
    assert any(changes(page, 500).max() == 0 for _ in range(20))  # a scene may be in the making still
    browser.close()


def test_a_refusal_and_a_missing_microphone_get_one_line(launch, browser, visit_live):
    refused = "This page may not use the microphone"
    windowed = shutil.which("chromium")  # the one without windows asks nobody
    if not windowed:
        pytest.skip("chromium is not installed: apt-get install chromium")
    denying = launch("--use-fake-device-for-media-stream", "--deny-permission-prompts", path=windowed)
    for each, expected in ((denying, refused), (browser, "No microphone was found")):
        page = visit_live(browser=each)
        devices = page.evaluate("navigator.mediaDevices.enumerateDevices().then((all) => all.length)")
        if each is browser and devices:
            continue  # a machine that has one
        page.locator("#live-start").click()
        page.wait_for_function(f"() => document.querySelector('#live-news').innerText.includes('{expected}')")
        assert "\n" not in page.locator("#live-news").inner_text() and page.locator("#live-start").is_visible()
    denying.close()


# Without a network, and input that is wrong


def test_after_the_first_visit_it_paints_without_a_network(browser, folder):
    context = browser.new_context()
    page = context.new_page()
    with serving_folder(folder, isolated=True) as address:
        page.goto(address)
        page.evaluate("navigator.serviceWorker.ready.then(() => new Promise(resolve => setTimeout(resolve, 300)))")
    page.goto(f"{address}?style=mosaic&seed=5")  # nothing answers there any more
    page.wait_for_function("() => document.querySelector('#picked-caption').innerText === 'Mosaic No. 5'")
    page.wait_for_function(f"() => {WHOLE}")
    assert page.evaluate("crossOriginIsolated")  # its headers are kept too
    context.close()


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("?recipe=nonsense", "The link is damaged or was cut"),
        ("?style=cubism&seed=7", "no style 'cubism' in this model"),
        ("?style=mosaic&seed=4294967296", "A seed is a whole number from 0 to 4294967295, found 4294967296"),
        ("?style=mosaic&seed=-1", "A seed is a whole number"),
    ],
)
def test_a_link_that_is_wrong_gets_one_line_and_the_wall_is_there(visit, query, expected):
    page = visit(query)
    assert "\n" not in told(page, expected)


def test_a_browser_without_simd_is_told(visit):
    script = "WebAssembly.validate = () => false"
    page = visit(script=script, wait="document.body.dataset.state === 'failed'")
    told(page, "This browser has no WebAssembly with SIMD")


def test_what_only_the_studio_can_do_gets_its_link(page, tmp_path):
    made = {"made_by": "transfer", "input_sha256": "0" * 64}
    image = io.BytesIO()
    Image.new("RGB", (8, 8)).save(image, "PNG", pnginfo=_chunk(json.dumps(made)))
    page.locator("#open summary").click()
    page.locator("#opener").set_input_files({"name": "made.png", "mimeType": "image/png", "buffer": image.getvalue()})
    told(page, "This picture was made from another one, which only the studio can do")
    assert page.locator("#studio-link").get_attribute("href").startswith("https://studio.example/")
    page.locator("#opener").set_input_files({"name": "x.png", "mimeType": "image/png", "buffer": b"no picture"})
    told(page, "x.png is not a PNG")


def _chunk(text: str):
    info = PngInfo()
    info.add_itxt("artmodels", text, zip=True)
    return info


def test_a_png_of_the_studio_is_opened(page, model, tmp_path):
    recipe = rich_recipes(model)["found"]
    content = png_bytes(to_images(paint_rows(model.generator, rows_of(model.generator, recipe)))[0], [recipe])
    page.locator("#open summary").click()
    page.locator("#opener").set_input_files({"name": "found.png", "mimeType": "image/png", "buffer": content})
    page.wait_for_function(
        "name => document.querySelector('#picked-caption').innerText === name", arg=handlers.caption(recipe)
    )
    (file,) = pictures_of(page, "#picked img")
    assert np.abs(levels_of(file) - levels_of(content)).max() <= 1


@pytest.fixture(scope="module")
def hub(tmp_path_factory) -> Iterator[Hub]:
    hub = Hub()
    inks = tmp_path_factory.mktemp("inks") / "inks"
    make_generator(("indigo", "sepia"), seed=3).save_pretrained(inks)
    hub.add("user/plain", folder_files(inks))
    add_onnx(inks, "user/inks")
    files = folder_files(inks)
    hub.add("user/inks", files)
    hub.add("user/broken", {**files, "onnx/synthesis.onnx": files["onnx/synthesis.onnx"][::-1]})
    yield hub
    hub.close()


def recipe_there(hub: Hub, name: str, tmp_path) -> Recipe:
    repository = hub.repositories["models", name]
    (tmp_path / "model.safetensors").write_bytes(repository.head["model.safetensors"])
    digest = sha256(tmp_path / "model.safetensors")
    return seed_recipe(name, digest, "sepia", 11, 0.8, revision=repository.branches["main"])


def test_a_link_of_another_model_offers_to_load_it_from_the_hub(visit, folder, hub, problems, tmp_path):
    there = changed_copy(folder, tmp_path / "page", "site.json", hub=hub.address)
    with serving_folder(there, isolated=False) as address:
        recipe = recipe_there(hub, "user/inks", tmp_path)
        page = visit(f"?recipe={recipe.to_link()}", at=address)
        assert "It is 0." in told(page, "This picture was painted by user/inks@")
        assert not any("synthesis.onnx" in request for request in hub.requests)  # sizes first
        page.locator("#load-it").click()
        page.wait_for_function("() => document.querySelector('#picked-caption').innerText === 'Sepia No. 11'")
        (file,) = pictures_of(page, "#picked img")
        model = load_model_of(hub, "user/inks", tmp_path)
        assert np.abs(levels_of(file) - by_pytorch(model, recipe)).max() <= 1
        assert "?recipe=" in link_in(page)  # a short one would mean the page's own model
        settled(page, "#wall", 24)
        assert captions(page)[0] == "Sepia No. 11"
        page.context.close()

        broken = recipe_there(hub, "user/broken", tmp_path)
        page = visit(f"?recipe={broken.to_link()}", at=address)
        page.locator("#load-it").click()
        told(page, "synthesis.onnx is not what it should be")
        assert captions(page)[0] == "Flow-field No. 1"  # the model before still paints
        page.context.close()

        plain = recipe_there(hub, "user/plain", tmp_path)
        page = visit(f"?recipe={plain.to_link()}", at=address)
        told(page, "user/plain cannot be fetched for browsers")
        page.locator("#repaint-it").click()
        page.wait_for_function("() => document.querySelector('#picked-caption').innerText === 'Flow-field No. 11'")
        page.context.close()
    problems[:] = [problem for problem in problems if "404" not in problem]  # the browser's own line


def load_model_of(hub: Hub, name: str, tmp_path) -> LoadedModel:
    files = {path: content for path, content in hub.repositories["models", name].head.items() if "/" not in path}
    return load_model(write(files, tmp_path / "loaded"))


ODD_VALUES: tuple[Any, ...] = (None, -1, True, 0.5, 2**32, 1e308, "", "x", "a" * 300, "0" * 64, [], {}, [1], {"x": 1})


def odd_recipes(recipe: Recipe) -> list[dict]:
    """One that is right, and what becomes of it when one value is another, one is missing, or one too many is there."""
    right = recipe.to_data()
    found = [right]
    for *above, last in _places(right):
        for value in (*ODD_VALUES, "delete", "add"):
            odd = json.loads(json.dumps(right))
            holder = odd
            for key in above:
                holder = holder[key]
            if value == "delete":
                holder.pop(last, None)
            else:
                holder["surplus" if value == "add" else last] = value
            found.append(odd)
    return found


def _places(right: dict) -> list[tuple]:
    latents = [("latents", 0, key) for key in ("seed", "weight", "rows", "of")]
    styles = [("style_weights", key) for key in right["style_weights"]]
    edits = [("edits", place, key) for place, edit in enumerate(right["edits"]) for key in edit]
    return [*((key,) for key in (*right, "projection")), *latents, *styles, *edits]


def test_what_is_no_recipe_for_the_studio_is_none_here(page, model):
    recipes = [odd for kind in ("steered", "found") for odd in odd_recipes(rich_recipes(model)[kind])]
    taken = """async (texts) => {
        const { parseRecipe } = await import('./page/recipe.js');
        return texts.map((text) => {
            try { parseRecipe(JSON.parse(text)); return true; }
            catch (error) { if (!error.key) throw error; return false; } }); }"""
    here = page.evaluate(taken, [json.dumps(odd) for odd in recipes])
    there = [taken_by_the_studio(odd) for odd in recipes]
    differ = [odd for odd, *taken in zip(recipes, here, there, strict=True) if len(set(taken)) > 1]
    assert [odd for odd in differ if odd["schema"] is not True] == []  # which is 1 to Python
    assert 0.02 < sum(here) / len(here) < 0.5


def taken_by_the_studio(odd: dict) -> bool:
    try:
        parse_recipe_data(odd)
    except ValueError:
        return False
    return True


def test_a_bomb_is_not_unpacked(page):
    bomb = base64.urlsafe_b64encode(zlib.compress(b" " * 4_000_000, 9)).decode().rstrip("=")
    assert len(bomb) < 6000
    page.locator("#open summary").click()
    page.locator("#link-box").fill(f"?recipe={bomb}")
    page.locator("#link-box").press("Enter")
    told(page, "The link is damaged or was cut")


def _files(size: int) -> dict:
    return {"files": {part: {"name": f"{part}.onnx", "bytes": size} for part in ("mapping", "synthesis")}}


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"format": 2}, "was exported by another version"),
        ({"latent_dim": -1}, "manifest.json is not what it should be"),
        ({"styles": [1]}, "manifest.json is not what it should be"),
        ({"files": {"mapping": {"name": "../x", "bytes": 1}}}, "manifest.json is not what it should be"),
        (_files(10**9), "The model is too large for a browser: 2000 MB"),
        (_files(10), "mapping.onnx is not what it should be"),
    ],
)
def test_a_strangers_manifest_is_not_trusted(visit, folder, change, expected, tmp_path):
    there = changed_copy(folder, tmp_path / "page", "model/manifest.json", **change)
    with serving_folder(there, isolated=False) as address:
        page = visit(at=address, wait="document.body.dataset.state === 'failed'")
        told(page, expected)
        page.context.close()


def test_links_of_the_page_are_links_of_the_studio(page, model):
    """Long ones, as the page writes them, by the studio's own code."""
    for recipe in rich_recipes(model).values():
        if recipe.is_projected:
            continue
        write_link = "async (data) => (await import('./page/recipe.js')).longLinkOf(data)"
        query = page.evaluate(write_link, recipe.to_data())
        assert from_link(query.removeprefix("?recipe=")) == recipe
    json_text = page.evaluate("async (data) => (await import('./page/recipe.js')).toJson(data)", recipe.to_data())
    assert parse_recipes(json_text) == [recipe]
