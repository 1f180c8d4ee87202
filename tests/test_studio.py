"""The studio: its handlers alone, then a real server with a real client, then a real browser."""

import json
import math
import pickle
import shutil
from pathlib import Path

import pytest
from conftest import STYLES, folder_files, hub_environment, image_array, make_generator, serving
from hub_server import Hub

from artmodels.recipe import SEED_LIMIT, read_recipes
from artmodels.studio.handlers import ALL_STYLES, MAX_COUNT, generate

CHROMIUM = shutil.which("chromium") or "/usr/bin/chromium"


@pytest.fixture
def save_png(tmp_path):
    def save(content: bytes, name: str) -> str:
        (tmp_path / name).write_bytes(content)
        return str(tmp_path / name)

    return save


def test_a_wall_shows_consecutive_seeds_of_a_style(model, save_png):
    wall = generate(model, save_png, "mosaic", 7, 3, 0.8)
    assert [caption for _, caption in wall] == ["mosaic · 7", "mosaic · 8", "mosaic · 9"]
    recipes = [read_recipes(Path(path))[0] for path, _ in wall]
    assert [recipe.latents[0].seed for recipe in recipes] == [7, 8, 9]
    assert all(recipe.weights_sha256 == model.weights_sha256 for recipe in recipes)
    alone = generate(model, save_png, "mosaic", 8, 1, 0.8)
    assert abs(image_array(Path(alone[0][0])) - image_array(Path(wall[1][0]))).max() <= 1


def test_all_styles_take_turns(model, save_png):
    captions = [caption.split(" · ")[0] for _, caption in generate(model, save_png, ALL_STYLES, 0, 7, 1.0)]
    assert captions == [*STYLES, *STYLES, STYLES[0]]


def test_seeds_go_round_at_the_limit(model, save_png):
    assert [caption for _, caption in generate(model, save_png, "mosaic", SEED_LIMIT - 1, 2, 1)] == [
        f"mosaic · {SEED_LIMIT - 1}",
        "mosaic · 0",
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
        (("mosaic", None, 1, 1), "seed must be a number"),
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


@pytest.fixture(scope="module")
def visited_hub(model_folder, tmp_path_factory):
    """A Hub with models that visitors may name, and some that they may not."""
    hub = Hub()
    folder = tmp_path_factory.mktemp("inks")
    make_generator(("indigo", "sepia"), seed=3).save_pretrained(folder)
    said = {"publication": {"license": "cc-by-4.0", "provenance": "<b>my</b> drawings"}}
    hub.add("user/inks", {**folder_files(folder), "metrics.json": json.dumps(said).encode()})
    hub.add("user/gated", folder_files(folder), gated=True)
    hub.add("user/secret", folder_files(folder), private=True)
    hub.add("user/pickle", {**folder_files(folder), "model.safetensors": pickle.dumps([1])})
    yield hub
    hub.close()


@pytest.fixture(scope="module")
def server(model_folder, visited_hub, tmp_path_factory):
    """`python app.py` in a process of its own, on a free port; the only network is the test's own Hub."""
    log, home = tmp_path_factory.mktemp("server") / "log", tmp_path_factory.mktemp("home")
    gradio_folder = str(tmp_path_factory.mktemp("gradio"))
    ours = {"ARTMODELS_MODELS": str(model_folder), "GRADIO_TEMP_DIR": gradio_folder, "ARTMODELS_CACHE": str(home)}
    with serving(["app.py"], log, hub_environment(visited_hub, home, **ours)) as address:
        yield address
    text = log.read_text()  # Gradio logs its own refusals of slider bounds; nothing else may have gone wrong
    assert text.count("Traceback") == text.count("gradio.exceptions.Error"), text


@pytest.fixture
def client(server, tmp_path):
    from gradio_client import Client

    client = Client(server, verbose=False, download_files=str(tmp_path))
    yield client
    client.close()


def test_generate_is_an_api_with_defaults_for_all_arguments(client):
    endpoints = client.view_api(return_format="dict")["named_endpoints"]
    assert list(endpoints) == ["/generate"]
    parameters = endpoints["/generate"]["parameters"]
    assert [parameter["parameter_name"] for parameter in parameters] == [
        "style",
        "seed",
        "count",
        "truncation",
        "model",
    ]
    assert all(parameter["parameter_has_default"] for parameter in parameters)
    assert len(client.predict(api_name="/generate")) == 24


def test_a_client_gets_pngs_with_recipes(client):
    wall = client.predict("mosaic", 7, 2, 0.5, api_name="/generate")
    assert [item["caption"] for item in wall] == ["mosaic · 7", "mosaic · 8"]
    (recipe,) = read_recipes(Path(wall[0]["image"]))
    assert (recipe.latents[0].seed, recipe.truncation) == (7, 0.5)


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("cubism", 1, 1, 1), "cubism"),
        (("mosaic", -5, 1, 1), "seed must be a whole number between 0 and 4294967295, found -5"),
        (("mosaic", 1, 99, 1), "99 is greater than maximum value 36"),
        (("mosaic", 1, 1, 9), "9 is greater than maximum value 1.5"),
    ],
)
def test_a_client_gets_a_message_and_no_traceback(client, arguments, expected):
    with pytest.raises(Exception) as caught:
        client.predict(*arguments, api_name="/generate")
    assert expected in str(caught.value) and "Traceback" not in str(caught.value)


@pytest.fixture
def page(server):
    if not Path(CHROMIUM).exists():
        pytest.skip("chromium is not installed: apt-get install chromium")
    from playwright.sync_api import sync_playwright

    problems = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1440, "height": 1000})
        page.set_default_timeout(60_000)
        page.on("console", lambda message: problems.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.on("request", lambda request: problems.append(request.url) if _leaves(request.url, server) else None)
        page.goto(server)
        page.wait_for_selector("#wall img")
        yield page
        browser.close()
    assert problems == []


def _leaves(url: str, server: str) -> bool:
    return not url.startswith((server, "data:", "blob:"))


def captions(page) -> list[str]:
    return page.locator("#wall .caption-label").all_inner_texts()


def until(page, condition: str) -> None:
    """Wait until the captions `c` fulfil a condition in JavaScript."""
    read = "const c = [...document.querySelectorAll('#wall .caption-label')].map(e => e.innerText)"
    page.wait_for_function(f"() => {{ {read}; return {condition}; }}")


def test_a_visitor_finds_a_full_wall_and_paints(page, tmp_path):
    assert captions(page)[:3] == ["flow-field · 1", "mosaic · 2", "op-art · 3"]
    assert len(captions(page)) == 24

    page.get_by_label("mosaic", exact=True).check()
    until(page, "c.length === 24 && c[0] === 'mosaic · 1'")
    page.get_by_label("Seed").fill("77")
    until(page, "c[0] === 'mosaic · 77'")
    page.locator("#dice").click()
    until(page, "c[0] !== 'mosaic · 77'")
    page.get_by_label("number input for Pictures").fill("5")
    page.get_by_label("number input for Pictures").press("Tab")
    until(page, "c.length === 5")

    first = captions(page)[0]
    page.locator("#wall .thumbnail-item").first.click()
    button = page.locator("#download")
    page.wait_for_function("text => document.querySelector('#download').innerText.includes(text)", arg=first)
    with page.expect_download() as download:
        button.click()
    download.value.save_as(tmp_path / "picture.png")
    (recipe,) = read_recipes(tmp_path / "picture.png")
    assert f"mosaic · {recipe.latents[0].seed}" == first


def test_a_phone_shows_the_wall_without_sideways_scrolling(page):
    page.set_viewport_size({"width": 390, "height": 844})
    page.wait_for_timeout(300)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    widths = page.evaluate("[...document.querySelectorAll('#wall .thumbnail-item')].map(e => e.clientWidth)")
    assert len(widths) == 24 and min(widths) > 90


def test_a_wrong_seed_gets_a_message_and_the_page_stays_alive(page):
    page.get_by_label("Seed").fill("-3")
    page.get_by_text("seed must be a whole number").wait_for()
    page.get_by_label("Seed").fill("5")
    until(page, "c[0] === 'flow-field · 5'")


def choose_model(page, name: str) -> None:
    box = page.get_by_label("Model", exact=True)
    box.click()
    box.fill(name)
    box.press("Enter")


def test_a_visitor_paints_with_any_model_of_the_hub(page, visited_hub, tmp_path):
    page.get_by_label("mosaic", exact=True).check()
    until(page, "c[0] === 'mosaic · 1'")
    choose_model(page, "user/inks")
    until(page, "c.length === 24 && c[0] === 'indigo · 1' && c[1] === 'sepia · 2'")
    commit = visited_hub.repositories["models", "user/inks"].branches["main"]
    assert page.get_by_label("Model", exact=True).input_value() == f"user/inks@{commit[:7]}"
    colophon = page.locator("#colophon").inner_text()
    assert "user/inks" in colophon and "cc-by-4.0" in colophon and "<b>my</b> drawings" in colophon
    page.get_by_label("sepia", exact=True).check()
    until(page, "c[0] === 'sepia · 1'")
    page.locator("#wall .thumbnail-item").first.click()
    page.wait_for_function("() => document.querySelector('#download').innerText.includes('sepia · 1')")
    with page.expect_download() as download:
        page.locator("#download").click()
    download.value.save_as(tmp_path / "picture.png")
    (recipe,) = read_recipes(tmp_path / "picture.png")
    assert (recipe.model, recipe.revision) == ("user/inks", commit)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("user/nobody", "the Hub shows no user/nobody: check the spelling; private models are not shown here"),
        ("user/secret", "the Hub shows no user/secret"),
        ("user/gated", "user/gated is gated: only public models are shown here"),
        ("user/pickle", "only safetensors are loaded, never pickles"),
        ("no id <img src=x onerror=alert(1)>", "is no Hub id"),
    ],
)
def test_a_model_that_does_not_come_leaves_the_one_before(page, name, expected):
    choose_model(page, name)
    page.locator("#news").get_by_text(expected).wait_for()
    assert page.get_by_label("Model", exact=True).input_value() == "sketcher"
    page.get_by_label("Seed").fill("5")
    until(page, "c[0] === 'flow-field · 5'")


def test_the_page_paints_while_a_model_comes(page, visited_hub):
    visited_hub.fail("GET /lfs/", "stall", 2)
    visited_hub.add("user/slow", visited_hub.repositories["models", "user/inks"].head)
    choose_model(page, "user/slow")
    page.locator("#news").get_by_text("Fetching user/slow").wait_for()
    page.get_by_label("Seed").fill("9")
    until(page, "c[0] === 'flow-field · 9'")
    until(page, "c[0] === 'indigo · 9'")


def test_a_client_names_a_model(client, visited_hub):
    wall = client.predict("sepia", 3, 2, 1.0, "user/inks", api_name="/generate")
    assert [item["caption"] for item in wall] == ["sepia · 3", "sepia · 4"]
    with pytest.raises(Exception, match="is no Hub id"):
        client.predict("all styles", 3, 2, 1.0, "../secret", api_name="/generate")
