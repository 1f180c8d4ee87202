"""Take the pictures of the studio that the README shows: starts it, walks it in Chromium, writes PNGs beside this file.

python docs/screenshots.py                  # all of them
python docs/screenshots.py moving           # those of the pages Music and Dance
"""

import os
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from artmodels.hub.space import write_space
from artmodels.web.serve import serving_folder
from artmodels.web.static_space import web_files

HERE = Path(__file__).resolve().parent
PORT = 7871
WIDE, PHONE = {"width": 1440, "height": 900}, {"width": 390, "height": 844}


def main() -> None:
    folder = tempfile.mkdtemp()
    environment = {**os.environ, "GRADIO_SERVER_PORT": str(PORT), "GRADIO_TEMP_DIR": folder}
    studio = subprocess.Popen([sys.executable, HERE.parent / "app.py"], env=environment, stdout=subprocess.DEVNULL)
    try:
        wait_for(f"http://127.0.0.1:{PORT}/")
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
            for name in sys.argv[1:] or SCENES:
                SCENES[name](browser)
            browser.close()
    finally:
        studio.terminate()
        studio.wait()
        shutil.rmtree(folder, ignore_errors=True)


def wait_for(address: str) -> None:
    for _ in range(600):
        try:
            urllib.request.urlopen(address).close()
            return
        except OSError:
            time.sleep(0.2)
    raise OSError(f"nothing answers at {address}")


def take_tour(browser) -> None:
    page = visit(browser, WIDE)
    pick(page, 20)
    keep(page, (3, 8, 11, 17, 20))
    shoot(page, "studio")
    page.locator("#wall .thumbnail-item").nth(20).click()
    settle(page)
    shoot(page, "large")
    page.keyboard.press("Escape")
    page.locator("#more-like").click()
    page.locator("#near-bar").wait_for()
    settle(page)
    shoot(page, "near")
    page.locator("#near-leave").click()
    settle(page)

    turn(page, "Your photo")
    page.locator("#photo-samples .thumbnail-item").nth(2).click()
    settle(page)
    page.locator("#photo-styles .thumbnail-item").nth(5).click()
    page.locator("#photo-download").wait_for(timeout=300_000)
    settle(page)
    shoot(page, "photo")

    turn(page, "Say")
    page.locator("#phrase input, #phrase textarea").fill("a stormy sea at night, romanticism")
    page.locator("#say-it").click()
    page.wait_for_function("() => document.querySelectorAll('#say-wall img').length === 8")
    page.locator("#say-stop").wait_for(state="hidden")
    settle(page)
    shoot(page, "say")

    turn(page, "Blend")
    page.locator("#blend-wall img").first.wait_for()
    page.get_by_label("number input for Impressionism", exact=True).fill("0.7")
    page.keyboard.press("Tab")
    settle(page)
    page.locator("#kept .thumbnail-item").nth(0).click()
    settle(page)
    page.locator("#coarse-it").click()
    page.locator("#kept .thumbnail-item").nth(4).click()
    settle(page)
    page.locator("#fine-it").click()
    page.locator("#cuts img").first.wait_for()
    shoot(page, "blend", whole=True)

    for place in (0, 2, 3):
        page.locator("#kept .thumbnail-item").nth(place).click()
        settle(page)
        page.locator("#breed-it").click()
        settle(page)
    for _ in range(2):
        page.locator("#have-children").click()
        settle(page)
        page.locator("#litter .thumbnail-item").nth(4).click()
        settle(page)
        page.locator("#breed-it").click()
        settle(page)
        if page.locator("#parents .thumbnail-item").count() >= 4:
            break
    page.locator("#have-children").click()
    settle(page)
    shoot(page, "breed", whole=True)

    page.locator("#kept .thumbnail-item").nth(1).click()
    settle(page)
    page.locator("#steer-it").click()
    page.locator("#after img").wait_for()
    for slider, value in ((0, "1.5"), (3, "-1.5")):
        box = page.locator("#wheel .steer input[type=number]").nth(slider)
        box.fill(value)
        box.press("Tab")
        settle(page)
    page.get_by_text("What each slider was measured to move").click()
    settle(page)
    shoot(page, "steer")

    turn(page, "Film")
    page.locator("#use-kept").click()
    page.locator("#reel img").first.wait_for()
    page.locator("#make-film").click()
    page.locator("#film-download").wait_for()  # a film of the wall plays already
    settle(page)
    shoot(page, "film")

    page.locator("#kept .thumbnail-item").nth(2).click()
    settle(page)
    page.locator("#explain-it").click()
    page.locator("#looked-at img").wait_for()
    page.locator("#story svg").first.wait_for(state="attached")
    shoot(page, "explain", whole=True)
    page.locator("#rework-picked").click()
    page.locator("#begin").click()
    page.locator("#rework-download").wait_for(timeout=180_000)
    settle(page)
    shoot(page, "rework")
    page.context.close()

    dark = visit(browser, WIDE, color_scheme="dark")
    pick(dark, 12)
    shoot(dark, "dark")
    dark.context.close()
    chinese = visit(browser, WIDE, locale="zh-CN")
    pick(chinese, 8)
    shoot(chinese, "chinese")
    chinese.context.close()
    phone = visit(browser, PHONE)
    shoot(phone, "phone")
    phone.locator("#wall .thumbnail-item").nth(3).click()
    phone.locator("#picked-caption p").first.wait_for()
    settle(phone)
    phone.screenshot(path=HERE / "phone-panel.png")
    phone.context.close()


def take_moving(browser) -> None:
    page = visit(browser, WIDE)
    for name in ("music", "dance"):
        turn(page, name.capitalize())
        page.locator(f"#{name}-preview").click()
        page.locator(f"#{name}-score-download").wait_for(timeout=120_000)
        page.wait_for_timeout(4000)  # into the film
        shoot(page, name, whole=True)
    page.context.close()


def take_page(browser) -> None:
    """The page without a server, on the bundled model."""
    folder = Path(tempfile.mkdtemp())
    write_space(folder / "page", web_files(str(HERE.parent / "checkpoints" / "masters")))
    with serving_folder(folder / "page", isolated=True) as address:
        page = browser.new_context(viewport=WIDE).new_page()
        page.goto(address)
        page.wait_for_function("() => document.querySelectorAll('#wall .frame:not([aria-busy])').length === 24")
        for place in (3, 8, 11, 17, 20):
            page.locator("#wall .frame").nth(place).click()
            settle(page)
            page.keyboard.press("Escape")
            page.locator("#keep").click()
        settle(page)
        shoot(page, "page")
        page.context.close()
    shutil.rmtree(folder, ignore_errors=True)


SCENES = {"tour": take_tour, "moving": take_moving, "page": take_page}


def visit(browser, size: dict[str, int], **options) -> Page:
    page = browser.new_context(viewport=size, **options).new_page()
    page.set_default_timeout(180_000)
    page.goto(f"http://127.0.0.1:{PORT}/")
    page.wait_for_selector("#wall img")
    settle(page)
    return page


def pick(page: Page, place: int) -> None:
    page.locator("#wall .thumbnail-item").nth(place).click()
    page.locator("#picked img").wait_for()
    settle(page)
    page.keyboard.press("Escape")


def keep(page: Page, places: tuple[int, ...]) -> None:
    for place in places:
        pick(page, place)
        page.locator("#keep").click()
        settle(page)


def turn(page: Page, name: str) -> None:
    page.get_by_role("tab", name=name).click()
    settle(page)


def settle(page: Page) -> None:
    page.wait_for_timeout(1200)


def shoot(page: Page, name: str, whole: bool = False) -> None:
    page.mouse.move(0, 0)
    if whole:  # pictures load when they come into sight
        page.mouse.wheel(0, 10_000)
        settle(page)
    page.evaluate("scrollTo(0, 0)")
    page.wait_for_timeout(300)
    page.screenshot(path=HERE / f"{name}.png", full_page=whole)


if __name__ == "__main__":
    main()
