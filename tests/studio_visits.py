"""What a visitor does on the studio's pages, and what is read there."""

import io
from collections.abc import Iterator
from pathlib import Path

from PIL import Image

from artmodels.generate.recipe import parse_recipes

PAGES = ("Paint", "Your photo", "Say", "Blend", "Breed", "Steer", "Film", "Music", "Dance", "Rework", "Explain")


def query_of(link: str) -> str:
    return "?" + link.partition("?")[2]


def link_in(page, field: str, expected: str) -> str:
    """The link in a field, once it is whole and says what is expected."""
    read = f"const link = document.querySelector('{field} textarea, {field} input')?.value ?? ''"
    whole = "link.startsWith('http') && link.includes(expected) && link"  # until then it is a query without an address
    return page.wait_for_function(f"expected => {{ {read}; return {whole}; }}", arg=expected).json_value()


def captions(page, wall: str = "#wall") -> list[str]:
    return page.locator(f"{wall} .caption-label").all_inner_texts()


def until(page, condition: str, wall: str = "#wall") -> None:
    """Wait until the captions `c` of a wall fulfil a condition in JavaScript."""
    read = f"const c = [...document.querySelectorAll('{wall} .caption-label')].map(e => e.innerText)"
    page.wait_for_function(f"() => {{ {read}; try {{ return {condition}; }} catch {{ return false; }} }}")


def go(page, name: str) -> None:
    page.get_by_role("tab", name=name, exact=True).click()


def pick(page, place: int, wall: str = "#wall") -> str:
    """Click a picture, wait until the panel shows it, and close the large view; returns its caption."""
    caption = captions(page, wall)[place] if wall != "#kept" else ""
    page.locator(f"{wall} .thumbnail-item").nth(place).click()
    if caption:
        panel_shows(page, caption)
    page.keyboard.press("Escape")
    return caption


def panel_shows(page, text: str) -> None:
    read = "text => document.querySelector('#picked-caption')?.innerText.includes(text)"
    page.wait_for_function(read, arg=text)


def address_after(page, before: str) -> str:
    """The page's address once it is another: it follows the picked picture a moment after the panel does."""
    page.wait_for_function("before => location.href !== before", arg=before)
    return page.url


def download(page, selector: str) -> bytes:
    with page.expect_download() as coming:
        page.locator(selector).click()
    return Path(coming.value.path()).read_bytes()


def hand_in(page, component: str, path: Path) -> None:
    """Give a file to a component, and wait until it is there: while it comes in, its name stands there too."""
    page.locator(f"{component} input[type=file]").set_input_files(path)
    page.locator(component).get_by_label(path.name).wait_for()


def choose_file(page, button: str, path: Path) -> None:
    with page.expect_file_chooser() as chooser:
        page.locator(button).click()
    chooser.value.set_files(path)


def picked_recipe(page):
    """The recipe in the PNG that the panel's button downloads."""
    with Image.open(io.BytesIO(download(page, "#download"))) as picture:
        return parse_recipes(picture.info["artmodels"])[0]


def set_slider(page, label: str, value: str) -> None:
    box = page.get_by_label(f"number input for {label}", exact=True)
    box.fill(value)
    box.press("Tab")


def says(page, text: str) -> None:
    page.get_by_text(text).first.wait_for()


WHOLE = """least => [...document.querySelectorAll('#wall img')].map(e => e.getBoundingClientRect()).filter(r =>
    r.width >= 140 && r.top >= 0 && r.left >= 0 && r.bottom <= innerHeight && r.right <= innerWidth).length >= least"""


SIZES = ((1440, 900, 6), (1000, 700, 4), (390, 844, 2))  # of a window, and how many whole pictures are seen at first


def each_size(page, sizes=SIZES) -> Iterator[int]:
    """The width of each window in turn, once enough whole pictures are seen in it."""
    for width, height, least in sizes:
        page.set_viewport_size({"width": width, "height": height})
        page.wait_for_function(WHOLE, arg=least)
        yield width


def choose_model(page, name: str) -> None:
    box = page.get_by_label("Model", exact=True)
    box.click()
    box.fill(name)
    box.press("Enter")
