"""What these tests share: the studio in a process of its own, and a Hub with models that its visitors may name."""

import json
import pickle
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from helpers import folder_files, hub_environment, serving
from hub_server import Hub
from sample_models import make_generator

from artmodels.hub.companions.curated import CURATED_NAME, Curated

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Playwright

HERE = Path(__file__).parent
# The one without windows takes two thirds of the processor's time for a page.
CHROMIUM = shutil.which("chromium-headless-shell") or shutil.which("chromium")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.is_relative_to(HERE):
            item.add_marker(pytest.mark.browser)


@pytest.fixture(scope="module")
def playwright() -> Iterator["Playwright"]:
    """For the tests of one file: while it is there, nothing else in this process can run an event loop."""
    if not CHROMIUM:
        pytest.skip("chromium is not installed: apt-get install chromium-headless-shell")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        yield playwright


@pytest.fixture(scope="module")
def launch(playwright) -> Callable[..., "Browser"]:
    """Starts a browser with flags of its own."""

    def launch(*flags: str, path: str | None = CHROMIUM) -> "Browser":
        return playwright.chromium.launch(executable_path=path, args=["--no-sandbox", *flags])

    return launch


@pytest.fixture(scope="module")
def browser(launch) -> Iterator["Browser"]:
    browser = launch()
    yield browser
    browser.close()


@pytest.fixture(scope="session")
def visited_hub(tmp_path_factory) -> Iterator[Hub]:
    """A Hub with models that visitors may name, and some that they may not."""
    hub = Hub()
    folder = tmp_path_factory.mktemp("inks")
    make_generator(("indigo", "sepia"), seed=3).save_pretrained(folder)
    said = {"publication": {"license": "cc-by-4.0", "provenance": "<b>my</b> drawings"}}
    hub.add("user/inks", {**folder_files(folder), "metrics.json": json.dumps(said).encode()})
    seeds = dict.fromkeys(("indigo", "sepia"), tuple(range(9, 21)))
    curated = Curated(seeds=seeds, drawn=64, truncation=0.8, judge="EfficientNet-Lite2")
    hub.add("user/curated", {**folder_files(folder), CURATED_NAME: curated.model_dump_json().encode()})
    many = tmp_path_factory.mktemp("many")
    make_generator(tuple(f"style-{number:03d}" for number in range(150))).save_pretrained(many)
    hub.add("user/many", folder_files(many))
    hub.add("user/gated", folder_files(folder), gated=True)
    hub.add("user/secret", folder_files(folder), private=True)
    hub.add("user/pickle", {**folder_files(folder), "model.safetensors": pickle.dumps([1])})
    yield hub
    hub.close()


@pytest.fixture(scope="session")
def server(steered_folder, visited_hub, tmp_path_factory) -> Iterator[str]:
    """`python app.py` in a process of its own, on a free port; the only network is the test's own Hub."""
    log, home = tmp_path_factory.mktemp("server") / "log", tmp_path_factory.mktemp("home")
    gradio_folder = str(tmp_path_factory.mktemp("gradio"))
    ours = {"ARTMODELS_MODELS": str(steered_folder), "GRADIO_TEMP_DIR": gradio_folder, "ARTMODELS_CACHE": str(home)}
    ours["HF_HUB_DOWNLOAD_TIMEOUT"] = "60"  # of a download that a test holds back
    with serving(["app.py"], log, hub_environment(visited_hub, home, **ours)) as address:
        yield address
    assert "Traceback" not in log.read_text()


@pytest.fixture
def visit(browser, server):
    """Opens a page of a new visitor, or with `context` of one who was here; problems end the test."""
    problems, contexts = [], []

    def visit(path: str = "", context=None, settings: bool = True, **options):
        if context is None:
            options = {"viewport": {"width": 1440, "height": 1000}, **options}
            context = browser.new_context(reduced_motion="reduce", **options)
            context.grant_permissions(["clipboard-read", "clipboard-write"])
            contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(120_000)
        page.on("console", lambda message: problems.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.on("request", lambda request: problems.append(request.url) if _leaves(request.url, server) else None)
        page.goto(server + path)
        page.wait_for_selector("#wall img")
        page.wait_for_function("() => document.querySelector('#kept-news')?.innerText != null")
        if settings:
            page.evaluate("document.body.classList.add('settings-open')")
        return page

    yield visit
    for context in contexts:
        context.close()
    assert problems == []


def _leaves(url: str, server: str) -> bool:
    return not url.startswith((server, "data:", "blob:"))


@pytest.fixture
def page(visit):
    return visit()
