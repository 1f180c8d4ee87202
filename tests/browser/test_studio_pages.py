"""Each page of the studio walked in a real browser, offline, as a visitor would, without a console error."""

import io
import json
import re
import threading
import zipfile
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
from helpers import frame_count, slowness
from hub_server import Handler, lfs_get
from PIL import Image

from artmodels.generate.recipe import LayerMix, Shift, from_link, parse_recipes, read_recipes

PAGES = ("Paint", "Your photo", "Say", "Blend", "Breed", "Steer", "Film", "Music", "Dance", "Rework", "Explain")


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


WATCH_THE_SECONDS = """() => {
    const news = document.querySelector('#photo-news');
    [window.told, window.done] = [[], 0];
    window.watcher?.disconnect();
    window.watcher = new MutationObserver(() => {
        const now = performance.now() / 1000, left = news.innerText.match(/about ([0-9]+) s more/);
        if (left) window.told.push([now, Number(left[1])]);
        else if (news.innerText.includes('Done')) window.done ||= now;
    });
    window.watcher.observe(news, { subtree: true, childList: true, characterData: true });
}"""
WAIT_FOR_PICTURES = """async () => {
    const sources = () => [...document.querySelectorAll('#say-wall .thumbnail-item img')].map((image) => image.src);
    const before = new Set(sources()), began = performance.now(), since = () => (performance.now() - began) / 1000;
    document.querySelector('#say-it').click();
    let first = 0;
    while (sources().filter((source) => !before.has(source)).length < 8 && since() < 60) {
        if (sources().some((source) => !before.has(source))) first ||= since();
        await new Promise((done) => setTimeout(done, 20));
    }
    return [first, since()];
}"""


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


def test_a_visitor_finds_a_full_wall_and_paints(page):
    assert captions(page)[:3] == ["Flow-field No. 1", "Mosaic No. 2", "Op-art No. 3"]
    assert len(captions(page)) == 24
    page.get_by_label("Mosaic", exact=True).check()
    until(page, "c.length === 24 && c[0] === 'Mosaic No. 1'")
    page.locator("#seed input").fill("77")
    page.locator("#seed input").press("Enter")
    until(page, "c.length === 24 && c[0] === 'Mosaic No. 77'")
    page.locator("#dice").click()
    until(page, "c.length === 24 && c[0] !== 'Mosaic No. 77'")
    set_slider(page, "Pictures", "5")
    until(page, "c.length === 5")
    rolled = captions(page)
    for expected in (
        "c.length === 24",
        "c.length === 24 && c[0] === 'Mosaic No. 77'",
        "c.length === 24 && c[0] === 'Mosaic No. 1'",
        "c.length === 24 && c[0] === 'Flow-field No. 1'",
    ):
        page.locator("#undo").click()
        until(page, expected)
    page.wait_for_function("() => document.querySelector('#undo').disabled")
    assert page.get_by_label("All styles", exact=True).is_checked()
    assert rolled != captions(page)


def test_a_picked_picture_is_downloaded_in_three_sizes_and_by_the_wall(page, tmp_path):
    caption = pick(page, 1)
    recipe = picked_recipe(page)
    assert caption == "Mosaic No. 2" and recipe.latents[0].seed == 2
    page.get_by_label("4×", exact=True).check()  # the button waits for the larger picture
    with Image.open(io.BytesIO(download(page, "#download"))) as picture:
        assert picture.size == (128, 128) and parse_recipes(picture.info["artmodels"]) == [recipe]
    with page.expect_download() as coming:
        page.locator("#zip").click()
    with zipfile.ZipFile(coming.value.path()) as archive:
        assert parse_recipes(archive.read("recipes.json").decode())[1] == recipe and len(archive.namelist()) == 26


def test_more_like_this_shows_neighbours_and_the_way_back(page):
    caption = pick(page, 4)
    page.locator("#more-like").click()
    until(page, f"c.length === 24 && c[0] === {json.dumps(caption)} && c[1].startsWith(c[0] + ' · ')")
    pick(page, 3)
    near = picked_recipe(page)
    before = captions(page)[1]
    set_slider(page, "Distance", "1")
    until(page, f"c.length === 24 && c[1] !== {json.dumps(before)}")
    assert len(near.latents) == 2 and near.latents[0].seed == 5
    page.locator("#near-leave").click()
    until(page, "c[0] === 'Flow-field No. 1'")
    assert not page.locator("#near-bar").is_visible()


def test_the_keyboard_paints_and_moves(page):
    page.keyboard.press("Space")
    until(page, "c.length === 24 && c[0] !== 'Flow-field No. 1'")
    painted = captions(page)
    for key, place in (("ArrowRight", 0), ("ArrowRight", 1), ("ArrowLeft", 0)):
        page.keyboard.press(key)
        panel_shows(page, painted[place])
    page.locator("#seed input").focus()
    page.keyboard.press("Space")
    page.keyboard.press("ArrowRight")
    page.wait_for_timeout(500)
    assert captions(page) == painted


def test_kept_pictures_survive_a_reload_and_are_let_go(visit):
    page = visit()
    for place in (1, 2):
        pick(page, place)
        page.locator("#keep").click()
        page.locator("#kept .thumbnail-item").nth(place - 1).wait_for()
    again = visit(context=page.context)
    again.locator("#kept .thumbnail-item").nth(1).wait_for()
    again.locator("#kept .thumbnail-item").first.click()
    panel_shows(again, "Op-art No. 3")
    again.get_by_role("button", name="♥ Remove").click()
    again.wait_for_function("() => document.querySelectorAll('#kept .thumbnail-item').length === 1")


def test_a_link_brings_back_the_very_picture_and_its_controls(visit):
    page = visit()
    page.get_by_label("Mosaic", exact=True).check()
    until(page, "c[0] === 'Mosaic No. 1'")
    before = page.locator("#wall img").first.get_attribute("src")
    set_slider(page, "Daring", "1.2")
    page.wait_for_function("src => document.querySelector('#wall img').getAttribute('src') !== src", arg=before)
    pick(page, 6)
    link = link_in(page, "#link", "recipe=")
    recipe = picked_recipe(page)
    assert recipe.truncation == 1.2 and link.startswith("http") and "?recipe=" in link
    other = visit(query_of(link))
    says(other, "Mosaic No. 7")
    until(other, "c[0] === 'Mosaic No. 7'")
    assert other.get_by_label("Mosaic", exact=True).is_checked()
    assert other.get_by_label("number input for Daring").first.input_value() == "1.2"
    assert picked_recipe(other) == recipe


def test_a_short_link_is_understood_and_a_wrong_one_told(visit):
    page = visit("?style=mosaic&seed=7", settings=False)
    page.get_by_role("dialog").get_by_text("Mosaic No. 7").wait_for()
    recipe = picked_recipe(page)
    assert (recipe.latents[0].seed, recipe.style_weights, recipe.truncation) == (7, {"mosaic": 1.0}, 0.8)
    page.add_init_script("""addEventListener('DOMContentLoaded', () => new MutationObserver(() => {
        const large = document.getElementById('large');
        if (large && !large.hidden) (window.said ??= new Set()).add(large.innerText.replace(/[×‹›\\s]+/g, ' ').trim());
    }).observe(document.body, { subtree: true, childList: true, attributes: true, characterData: true }))""")
    page.reload()
    page.get_by_role("dialog").get_by_text("Mosaic No. 7").wait_for()
    assert page.evaluate("[...said]") == ["Painting …", "Mosaic No. 7"]  # no wall of others before it
    for query, words in (
        ("?style=cubism", "no style 'cubism'"),
        ("?seed=4294967296", "between 0 and 4294967295, found 4294967296"),
        ("?style=mosaic&seed=abc", "must be a number, found 'abc'"),
    ):
        wrong = visit(query, settings=False)
        says(wrong, words)
        assert captions(wrong)[0] == "Flow-field No. 1"
        wrong.locator("#large").wait_for(state="hidden")


def test_the_address_follows_the_pick_and_back_and_reload_restore_it(visit):
    page = visit(settings=False)
    opened = page.url
    first = pick(page, 1)
    link_to_first = address_after(page, opened)
    second = pick(page, 2)
    link = address_after(page, link_to_first)
    assert "?recipe=" in link_to_first and "?recipe=" in link
    page.go_back()
    panel_shows(page, first)
    page.go_forward()
    panel_shows(page, second)
    assert page.url == link
    page.reload()
    page.get_by_role("dialog").get_by_text(second).wait_for()
    panel_shows(page, second)
    page.keyboard.press("Escape")
    until(page, "c.length === 24 && c[0] === 'Op-art No. 3'")
    pick(page, 1)
    address_after(page, link)


def test_copying_says_so_and_falls_back_where_there_is_no_clipboard(visit, browser):
    page = visit(settings=False)
    pick(page, 0)
    link = link_in(page, "#link", "recipe=")
    page.locator("#link-copy").click()
    says(page, "Copied")
    assert page.evaluate("navigator.clipboard.readText()") == link
    page.evaluate("Object.defineProperty(navigator, 'clipboard', { value: undefined })")
    page.evaluate("document.execCommand = () => false")
    page.locator("#link-copy").click()
    says(page, "the link is selected, press Ctrl+C")
    assert page.evaluate("document.activeElement.value") == link
    assert page.evaluate("document.activeElement.selectionEnd") == len(link)


def test_keeping_says_where_nothing_can_be_stored(visit):
    page = visit(settings=False)
    pick(page, 0)
    page.evaluate("""() => {  // for our own try alone: Gradio would log an error of its own
        const store = Storage.prototype.setItem;
        Storage.prototype.setItem = function (key, value) {
            if (key === 'artmodels-try') throw new DOMException('blocked', 'SecurityError');
            store.call(this, key, value);
        };
    }""")
    page.locator("#keep").click()
    says(page, "does not let this page store anything")


def test_a_png_dropped_on_the_page_brings_it_back_and_others_are_told(page, tmp_path):
    pick(page, 5)
    (tmp_path / "mine.png").write_bytes(download(page, "#download"))
    (recipe,) = read_recipes(tmp_path / "mine.png")
    Image.new("RGB", (8, 8)).save(tmp_path / "plain.png")
    (tmp_path / "drawing.png").write_text("<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'/>")
    page.locator("#dice").click()
    page.get_by_text("Open a picture or a link").click()
    opener = page.locator("#opener input[type=file]")
    opener.set_input_files(tmp_path / "plain.png")
    says(page, "plain.png carries no recipe")
    page.locator(".toast-close").first.click()  # the next message would go with it
    page.locator("#opener input[type=file]").set_input_files(tmp_path / "drawing.png")
    says(page, "drawing.png is not a PNG")
    page.locator("#opener input[type=file]").set_input_files(tmp_path / "mine.png")
    until(page, "c[0] === 'Op-art No. 6'")
    assert picked_recipe(page) == recipe
    page.locator("#link-box textarea, #link-box input").fill("https://example.com/?recipe=AAAA")
    page.keyboard.press("Enter")
    says(page, "the link is damaged")


def test_a_visitor_designs_a_style_names_it_and_sends_it(visit):
    page = visit()
    go(page, "Blend")
    until(page, "c.length === 12", "#blend-wall")
    for style, share in (("Flow-field", "0"), ("Mosaic", "1"), ("Op-art", "0.25")):
        set_slider(page, style, share)
    until(page, "c[0].startsWith('Mosaic 80 + Op-art 20')", "#blend-wall")
    page.get_by_label("Its name").fill("<img src=x onerror=alert(1)> dusk")
    page.locator("#save-style").click()
    says(page, "is now among the styles")
    until(page, "c.length === 24 && c[0].startsWith('Mosaic 80 + Op-art 20, No. 1')")
    assert page.get_by_label("★ <img src=x onerror=alert(1)> dusk").is_checked()
    go(page, "Blend")
    link = link_in(page, "#style-link", "name=")
    again = visit(context=page.context)
    again.get_by_label("★ <img src=x onerror=alert(1)> dusk").wait_for()
    friend = visit(query_of(link))
    until(friend, "c[0].startsWith('Mosaic 80 + Op-art 20')", "#blend-wall")
    assert friend.get_by_label("Its name").input_value() == "<img src=x onerror=alert(1)> dusk"
    assert friend.get_by_label("number input for Mosaic", exact=True).input_value() == "0.8"
    page.locator("#surprise").click()
    until(page, "!c[0].startsWith('Mosaic 80')", "#blend-wall")


def test_a_style_of_ones_own_takes_three_clicks(page):
    go(page, "Blend")
    page.locator("#surprise").click()
    until(page, "!c[0].startsWith('Flow-field 50 + Mosaic 50')", "#blend-wall")
    mix = captions(page, "#blend-wall")[0].rsplit(", No.", 1)[0]
    page.locator("#save-style").click()
    says(page, f"{mix} is now among the styles")
    until(page, f"c.length === 24 && c[0] === {json.dumps(mix + ', No. 1')}")


def test_coarse_layers_of_one_and_fine_layers_of_another(page):
    pick(page, 0)
    page.locator("#coarse-it").click()
    page.locator("#coarse img").wait_for()
    pick_on_paint(page, 1)
    page.locator("#fine-it").click()
    until(page, "c.length === 4 && c[0] === 'brushwork from 32 px on' && c[3] === 'brushwork from 4 px on'", "#cuts")
    page.locator("#cuts .thumbnail-item").nth(1).click()
    says(page, "Flow-field No. 1 ✎")
    (edit,) = picked_recipe(page).edits
    assert isinstance(edit, LayerMix) and edit.first == 3 and edit.latents[0].seed == 2


def pick_on_paint(page, place: int) -> str:
    go(page, "Paint")
    return pick(page, place)


def test_no_page_is_empty_before_anybody_has_chosen(page):
    go(page, "Breed")
    until(page, "c.length === 2", "#parents")
    until(page, "c.length === 8", "#litter")
    assert captions(page, "#tree") == []
    go(page, "Explain")
    page.locator("#looked-at").get_by_text("Flow-field No. 1").wait_for()
    page.locator("#story .progress-strip img").wait_for()
    assert not page.locator("#story svg").first.is_visible()  # charts are folded
    page.get_by_text("Charts of the training").click()
    page.locator("#story svg").first.wait_for()


def test_what_the_panel_does_is_done_to_the_picture_on_the_screen(page):
    pick(page, 1)
    page.locator("#wall .thumbnail-item").nth(1).click()
    page.locator("#large .next").click()
    page.locator("#link-copy").click()  # at once: the panel still shows the picture before
    says(page, "Copied")
    copied = page.evaluate("navigator.clipboard.readText()")
    assert from_link(copied.partition("recipe=")[2]).latents[0].seed == 3


def test_parents_are_chosen_on_their_own_page_in_three_clicks(page):
    go(page, "Breed")
    until(page, "c.length === 8", "#litter")
    example = captions(page, "#litter")
    page.locator("#candidates .thumbnail-item").nth(2).click()
    page.locator("#candidates .thumbnail-item").nth(4).click()  # at once
    until(page, "c.join() === 'Op-art No. 3,Mosaic No. 5'", "#parents")
    until(page, f"c.length === 8 && c.join() !== {json.dumps(','.join(example))}", "#litter")


def test_a_family_is_bred_kept_and_gone_back_in(visit):
    page = visit()
    pick(page, 0)
    page.locator("#breed-it").click()
    says(page, "First parent added")  # and the wall is still there to choose the second from
    pick(page, 1)
    page.locator("#breed-it").click()  # the fourth click, and there are children
    until(page, "c.length === 2", "#parents")
    until(page, "c.length === 8", "#litter")
    until(page, "c.length === 1 && c[0] === 'generation 1'", "#tree")
    first_litter = captions(page, "#litter")
    pick(page, 2, "#litter")
    page.locator("#breed-it").click()
    until(page, "c.length === 3", "#parents")
    until(page, "c.length === 2", "#tree")
    second_litter = captions(page, "#litter")
    assert second_litter != first_litter
    page.locator("#have-children").click()
    until(page, "c.length === 3", "#tree")
    assert captions(page, "#litter") != second_litter
    page.locator("#tree .thumbnail-item").first.click()
    until(page, "c.length === 2", "#parents")
    until(page, f"c.join() === {json.dumps(','.join(first_litter))}", "#litter")
    page.wait_for_function("() => document.querySelector('#tree img')?.naturalWidth")  # so nobody asks for it again
    gone = page.evaluate("document.querySelector('#tree img').src").partition("/file=")[2]
    Path(unquote(gone)).unlink()  # as after an hour
    page.locator("#have-children").click()
    until(page, "c.length === 4 && c[3] === 'generation 4'", "#tree")
    page.locator("#tree .thumbnail-item").first.click()
    until(page, f"c.join() === {json.dumps(','.join(first_litter))}", "#litter")
    again = visit(context=page.context)
    go(again, "Breed")
    until(again, "c.length === 2", "#parents")
    until(again, "c.length === 8", "#litter")
    until(again, "c.length === 4", "#tree")
    again.locator("#forget-tree").click()
    until(again, "c.length === 0", "#tree")
    again.locator("#clear-parents").click()
    until(again, "c.length === 0", "#parents")
    again.locator("#have-children").click()
    says(again, "children need at least 2 parents, found 0")


def test_a_picture_is_steered_and_its_recipe_knows(visit, tmp_path):
    page = visit()
    pick(page, 1)
    page.locator("#steer-it").click()
    page.locator("#after img").wait_for()
    assert page.get_by_text("<b>glow</b>").count() >= 1  # a name from a stranger's file is text
    before = page.locator("#after img").get_attribute("src")
    set_slider(page, "brightness", "1.5")
    page.wait_for_function("src => document.querySelector('#after img').getAttribute('src') !== src", arg=before)
    says(page, "Mosaic No. 2 ✎")
    recipe = picked_recipe(page)
    assert [(edit.name, edit.amount) for edit in recipe.edits if isinstance(edit, Shift)] == [("brightness", 1.5)]
    link = link_in(page, "#link", "recipe=")
    friend = visit(query_of(link))
    friend.locator("#after img").wait_for()
    friend.wait_for_function("() => document.querySelector('#wheel .steer input[type=number]')?.value === '1.5'")
    assert picked_recipe(friend) == recipe
    page.locator("#steer-reset").click()
    page.wait_for_function("() => !document.querySelector('#picked-caption').innerText.includes('✎')")


def test_a_film_is_made_shown_and_downloaded(page):
    import av

    for place in (0, 1, 2):
        pick_on_paint(page, place)
        page.locator("#film-it").click()
        until(page, f"c.length === {place + 1}", "#reel")
    set_slider(page, "Seconds", "2")
    set_slider(page, "Frames a second", "8")
    page.get_by_label("128", exact=True).check()
    page.locator("#make-film").click()
    page.locator("#film video").wait_for()
    with av.open(io.BytesIO(download(page, "#film-download"))) as film:
        assert isinstance(film, av.container.InputContainer) and len(list(film.decode(video=0))) == 16
    page.get_by_label("WebP", exact=True).check()
    page.locator("#make-film").click()
    page.locator("#moving img").wait_for()
    with Image.open(io.BytesIO(download(page, "#film-download"))) as film:
        assert (film.format, film.size) == ("WEBP", (128, 128)) and 1 < frame_count(film) <= 16  # equal ones are joined


def test_a_long_film_is_stopped_and_too_short_ones_are_told(page):
    go(page, "Film")
    until(page, "c.length === 3", "#reel")
    page.locator("#film video").wait_for()  # nobody finds an empty page
    page.locator("#clear-reel").click()
    until(page, "c.length === 0", "#reel")
    page.locator("#make-film").click()
    says(page, "a film needs at least 2 pictures, found 0")
    for place in (0, 1):
        pick_on_paint(page, place)
        page.locator("#film-it").click()
        until(page, f"c.length === {place + 1}", "#reel")
    set_slider(page, "Seconds", "30")
    page.get_by_label("512", exact=True).check()
    page.locator("#make-film").click()
    page.locator("#film-news progress").wait_for()
    page.locator("#stop-film").click()
    page.wait_for_function("() => !document.querySelector('#film-news').innerText.trim()")
    page.wait_for_timeout(1500)
    assert not page.locator("#film video").is_visible()
    go(page, "Paint")
    page.locator("#dice").click()
    until(page, "c[0] !== 'Flow-field No. 1'")


def test_a_film_that_cannot_be_made_leaves_nothing_that_says_it_is(page):
    go(page, "Film")
    until(page, "c.length === 3", "#reel")
    page.locator("#film-format").get_by_label("WebP").check()
    page.locator("#film-size").get_by_label("512").check()
    set_slider(page, "Seconds", "60")
    page.locator("#make-film").click()
    page.locator(".toast-body").get_by_text("WebP").wait_for()
    page.wait_for_function("() => !document.querySelector('#film-news').innerText.trim()")
    page.locator("#stop-film").wait_for(state="hidden")


def test_pictures_move_with_an_uploaded_sound(page, tmp_path):
    import av
    from sounds import click_track, decoded_sound, write_encoded

    go(page, "Music")
    page.locator("#heard svg").wait_for()
    assert "About 104 beats a minute" in page.locator("#heard").inner_text()  # a piece is there already
    page.locator("#music-file").get_by_label("Clear").click()
    sound = write_encoded(click_track(120, 12)[0], tmp_path / "clicks.mp3")
    page.locator("#music-file input[type=file]").set_input_files(sound)
    page.wait_for_function("() => document.querySelector('#heard').innerText.includes('About 120 beats a minute')")
    page.locator("#music-preview").click()
    page.locator("#music-film video").wait_for()
    path = tmp_path / "preview.mp4"
    path.write_bytes(download(page, "#music-film-download"))
    with av.open(str(path)) as film:
        assert len(list(film.decode(video=0))) == 120  # ten seconds
    assert len(decoded_sound(path)) == pytest.approx(10 * 24_000, abs=1000)
    score = json.loads(download(page, "#music-score-download"))
    assert score["seconds"] == pytest.approx(12, abs=0.1) and len(score["pulses"]) > 20
    score["size"], score["frames_per_second"] = 64, 8
    edited = tmp_path / "edited.json"
    edited.write_text(json.dumps(score))
    page.locator("#music-score-more").get_by_text("A score of your own").click()
    hand_in(page, "#music-score-file", edited)
    page.locator("#music-format").get_by_label("WebM", exact=True).check()
    page.locator("#music-make").click()
    page.locator("#music-score-download").wait_for(state="hidden")  # that of the preview
    page.locator("#music-score-download").wait_for(timeout=300_000)
    page.locator("#music-stop").wait_for(state="hidden")
    path = tmp_path / "film.webm"
    path.write_bytes(download(page, "#music-film-download"))
    with av.open(str(path)) as film:
        frames = [frame.to_image() for frame in film.decode(video=0)]
    assert len(frames) == 96 and frames[0].size == (64, 64)


def test_a_film_of_a_sound_is_stopped_and_what_is_no_sound_is_told(page, tmp_path):
    from sounds import click_track, write_encoded

    go(page, "Music")
    page.locator("#heard svg").wait_for()
    page.locator("#music-size").get_by_label("512", exact=True).check()
    page.locator("#music-make").click()
    page.wait_for_function("() => document.querySelector('#music-news progress')?.value > 0.02")
    page.locator("#music-stop").click()
    page.wait_for_function("() => !document.querySelector('#music-news').innerText.trim()")
    assert not page.locator("#music-film video").is_visible()
    page.locator("#music-file").get_by_label("Clear").click()
    short = write_encoded(click_track(120, 0.9)[0], tmp_path / "short.wav")
    page.locator("#music-file input[type=file]").set_input_files(short)
    says(page, "short.wav lasts 0.90 seconds: expected 1 to 300")
    page.locator(".toast-close").first.click()
    page.locator(".toast-body").first.wait_for(state="hidden")
    page.locator("#music-make").click()
    says(page, "short.wav lasts 0.90 seconds")
    page.wait_for_function("() => !document.querySelector('#music-news').innerText.trim()")
    page.locator("#music-stop").wait_for(state="hidden")


def test_a_painting_moves_with_an_uploaded_clip(page, tmp_path):
    import av
    import numpy as np
    from sounds import click_track, write_clip, write_encoded

    from artmodels.signals.synthesis import moving_disc

    go(page, "Dance")
    sound = write_encoded(click_track(120, 3)[0], tmp_path / "clicks.wav")
    frames = moving_disc(4 * np.sin(np.arange(72) / 12) ** 2)
    clip = write_clip(frames, tmp_path / "disc.mp4", sound=sound)
    page.locator("#dance-file input[type=file]").set_input_files(clip)
    page.locator("#dance-file video").wait_for()
    page.locator("#dance-size").get_by_label("128", exact=True).check()
    page.locator("#dance-make").click()
    page.locator("#dance-score-download").wait_for()
    path = tmp_path / "film.mp4"
    path.write_bytes(download(page, "#dance-film-download"))
    with av.open(str(path)) as film:
        pictures = [np.asarray(frame.to_image().convert("L")).astype(int) for frame in film.decode(video=0)]
        assert film.streams.audio
    assert len(pictures) == 72 and pictures[0].shape == (128, 256)
    brightest = [picture[16:112, :128].sum(axis=0).argmax() for picture in pictures]
    assert max(brightest) - min(brightest) > 20  # on the left the disc moves
    assert np.abs(pictures[0][:, 128:] - pictures[-1][:, 128:]).mean() > 2  # on the right the painting
    assert json.loads(download(page, "#dance-score-download"))["keyframes"]
    still = write_clip([frames[0]] * 30, tmp_path / "still.mp4")
    page.locator("#dance-file").get_by_label("Clear").click()
    page.locator("#dance-file input[type=file]").set_input_files(still)
    page.locator("#dance-file video").wait_for()
    page.locator("#dance-preview").click()
    page.get_by_text("Nothing moves in this clip").wait_for()


def test_a_picture_is_explained_and_so_is_the_model(visit, tmp_path):
    page = visit()
    pick(page, 1)
    page.locator("#explain-it").click()
    page.locator("#looked-at img").wait_for()
    page.locator("#looked-at").get_by_text("Mosaic No. 2").wait_for()
    assert page.locator("#verdict meter").count() == 3
    shares = [float(meter.get_attribute("value")) for meter in page.locator("#verdict meter").all()]
    assert sum(shares) == pytest.approx(1, abs=1e-3) and shares == sorted(shares, reverse=True)
    says(page, "the first style was right in 50% of cases")
    assert page.locator("#maps img").count() == 3
    assert page.locator("#origin li").count() == 4
    assert "<i>drawing</i>" in page.locator("#origin").inner_text()  # a name from a stranger's file is text
    says(page, "Originality")
    page.locator("#story svg").first.wait_for(state="attached")
    assert page.locator("#story .progress-strip img").count() == 1
    assert page.locator("#story .walks img").count() == 2
    page.get_by_label("中文").check()
    page.locator("#looked-at").get_by_text("第 2 号").wait_for()  # it is told of in the visitor's language now
    page.get_by_label("English").check()
    page.locator("#looked-at").get_by_text("Mosaic No. 2").wait_for()
    before = page.locator("#looked-at img").get_attribute("src")
    Image.new("RGB", (300, 200), "orange").save(tmp_path / "mine.jpg")
    choose_file(page, "#look-at-file", tmp_path / "mine.jpg")
    page.wait_for_function("src => document.querySelector('#looked-at img').getAttribute('src') !== src", arg=before)
    page.locator("#looked-at").get_by_text("mine.jpg").wait_for()
    (tmp_path / "page.png").write_text("<svg onload=alert(1)>")
    choose_file(page, "#look-at-file", tmp_path / "page.png")
    says(page, "page.png cannot be used")
    page.get_by_label("中文").check()
    says(page, "这个模型是怎样学会画画的")


def test_a_prompt_is_painted_and_its_words_are_told(page):
    go(page, "Say")
    page.locator("#say-phrases").get_by_label("mosaic").check()
    until(page, "c.length === 8", "#say-wall")
    assert page.locator("#phrase input, #phrase textarea").input_value() == "mosaic"
    page.locator("#phrase input, #phrase textarea").fill("zeppelin")
    page.locator("#say-it").click()
    says(page, "This model has never read zeppelin")
    page.get_by_text("0 of 8 pictures are painted").wait_for(state="hidden")
    page.locator("#say-stop").wait_for(state="hidden")
    page.locator("#say-phrases").get_by_label("mosaic").check()
    page.wait_for_function("() => document.querySelector('#phrase input, #phrase textarea').value === 'mosaic'")
    page.locator("#phrase input, #phrase textarea").fill("a dark blue zeppelin <b>at</b> sea")  # ends that one
    page.locator("#phrase input, #phrase textarea").press("Enter")
    until(page, "c.length === 8 && c.every(text => / · [0-9]+%/.test(text))", "#say-wall")
    says(page, "dark, blue, sea")
    page.wait_for_function("() => !document.querySelector('#say-phrases label.selected')")
    says(page, "Words that it does not know: zeppelin")
    page.get_by_text(re.compile("[0-9] of 8 pictures are painted")).wait_for(state="hidden")
    until(page, "c.length === 8", "#say-wall")
    first = captions(page, "#say-wall")
    page.locator("#say-wall .thumbnail-item").nth(3).click()
    panel_shows(page, first[3].rpartition(" · ")[0])
    page.wait_for_function(
        "() => !document.body.classList.contains('picking')", timeout=15_000
    )  # its buttons are there
    larger = "document.querySelector('#large img').src === document.querySelector('#picked img').src"
    page.wait_for_function(f"() => {larger}")
    page.keyboard.press("Escape")
    assert len(picked_recipe(page).latents) > 1
    page.locator("#say-dice").click()
    until(page, f"c.length === 8 && c.join() !== {json.dumps(','.join(first))}", "#say-wall")


def test_a_photo_is_repainted_in_three_clicks(page):
    go(page, "Your photo")
    says(page, "An example: drag the line")
    page.locator("#photo-compared img").first.wait_for()
    page.locator("#photo-samples .thumbnail-item").nth(1).click()
    says(page, "The whole photo will be repainted")
    page.locator("#photo-styles .thumbnail-item").nth(1).click()
    page.get_by_text(re.compile("about [0-9]+ s more")).wait_for(
        timeout=120_000
    )  # before that there is nothing to keep
    page.locator("#photo-stop").click()
    page.get_by_text("this is what was reached").wait_for()
    page.locator("#photo-download").wait_for()
    with page.expect_download() as coming:
        page.locator("#photo-download").click()
    assert coming.value.suggested_filename == "coffee-mosaic.png"
    with Image.open(coming.value.path()) as repainted:
        told = json.loads(repainted.info["artmodels"])
    assert repainted.size == (512, 344) and told["made_by"] == "transfer" and told["style"] == "mosaic"
    page.locator("#photo-compared img[src$='coffee-mosaic.png']").wait_for()


def test_the_seconds_that_are_left_are_true_within_30_percent(page):
    """Of half of what is told; best of three, since other tests come and go on the same machine."""
    go(page, "Your photo")
    page.locator("#photo-more button").first.click()
    page.locator("#photo-size").get_by_label("256", exact=True).check()
    off: list[float] = []
    allowed = 0.3
    for place in range(3):
        page.evaluate(WATCH_THE_SECONDS)
        page.locator("#photo-styles .thumbnail-item").nth(place).click()
        page.wait_for_function("window.done", timeout=120_000)
        done, told = page.evaluate("[window.done, window.told]")
        wrong = sorted(abs(seconds / (done - at) - 1) for at, seconds in told if done - at > 2)
        off += [wrong[len(wrong) // 2]] if wrong else []
        allowed = max(allowed, 0.3 * slowness())
        if off and min(off) <= allowed:
            return
    assert not off or min(off) <= allowed, off  # a machine that needs no three seconds tells none


def test_the_first_picture_of_a_phrase_comes_in_two_seconds_and_eight_in_six(page):
    """With the small model of the tests; best of three."""
    go(page, "Say")
    times, allowed = [], 1.0
    for phrase in ("mosaic", "blue", "mosaic"):
        page.locator("#phrase input, #phrase textarea").fill(phrase)
        shown = page.evaluate(WAIT_FOR_PICTURES)
        times.append(shown)
        allowed = max(allowed, slowness())
        if shown[0] <= 2 * allowed and shown[1] <= 6 * allowed:
            return
    raise AssertionError(times)


def test_another_style_ends_the_one_that_is_being_painted(page):
    go(page, "Your photo")
    page.get_by_text("Size and strength").click()
    page.locator("#photo-size").get_by_label("256").check()
    page.locator("#photo-styles .thumbnail-item").first.click()
    page.locator("#photo-stop").wait_for()
    page.locator("#photo-styles .thumbnail-item").nth(2).click()
    page.get_by_text("Done, in the style Op-art").wait_for(timeout=180_000)
    assert not page.get_by_text("this is what was reached").is_visible()
    with page.expect_download() as coming:
        page.locator("#photo-download").click()
    assert coming.value.suggested_filename == "cat-op-art.png"


def test_what_is_cut_off_a_long_photo_is_said_before(page, tmp_path):
    go(page, "Your photo")
    Image.effect_noise((900, 300), 80).convert("RGB").save(tmp_path / "panorama of us.jpg")
    hand_in(page, "#photo-file", tmp_path / "panorama of us.jpg")
    says(page, "33% of its length will be cut off, half at each end")
    (tmp_path / "page.jpg").write_text("<script>alert(1)</script>")
    page.locator("#photo-file button[aria-label*='lear']").first.click()
    hand_in(page, "#photo-file", tmp_path / "page.jpg")
    says(page, "page.jpg: not a readable picture")


def test_a_picture_is_reworked_watched_and_stopped(page, tmp_path):
    go(page, "Rework")
    (tmp_path / "page.jpg").write_text("<script>alert(1)</script>")
    hand_in(page, "#rework-file", tmp_path / "page.jpg")
    page.locator("#begin").click()
    says(page, "page.jpg: not a readable picture")
    page.locator("#rework-file button[aria-label*='lear']").first.click()
    page.locator("#rework-file").get_by_label("page.jpg").wait_for(state="hidden")
    Image.effect_noise((200, 150), 80).convert("RGB").save(tmp_path / "photo.jpg")
    hand_in(page, "#rework-file", tmp_path / "photo.jpg")
    page.locator("#begin").click()
    page.locator("#work img").wait_for()
    page.locator("#curve img").wait_for()
    page.locator("#stop-rework").click()
    says(page, "this is what was reached")
    with Image.open(io.BytesIO(download(page, "#rework-download"))) as unfinished:
        told = json.loads(unfinished.info["artmodels"])
        assert unfinished.size == (256, 192) and 0 < told["stopped_after"] < told["settings"]["steps"]
    page.get_by_label("中文").check()
    says(page, "已在第")  # what is told of it is told anew
    page.locator("#work figcaption", has_text="画").wait_for()
    page.get_by_label("English").check()
    page.get_by_label("Let it dream").check()
    says(page, "Pushed towards what the classifier takes for the style")
    page.locator("#begin").click()
    page.locator("#rework-download").wait_for(state="hidden")  # that of the one before
    page.locator("#rework-download").wait_for(timeout=180_000)  # other tests may share the cores
    with Image.open(io.BytesIO(download(page, "#rework-download"))) as dreamt:
        told = json.loads(dreamt.info["artmodels"])
        assert dreamt.size == (256, 192) and told["made_by"] == "dream" and told["style"] == "op-art"
    assert b"photo" not in json.dumps(told).encode()


def test_a_picture_is_found_in_the_model_and_gone_on_from(page, tmp_path):
    Image.new("RGB", (64, 64), "navy").save(tmp_path / "night.png")
    go(page, "Rework")
    hand_in(page, "#rework-file", tmp_path / "night.png")
    page.get_by_label("Find the nearest painting").check()
    page.locator("#rework-style").wait_for(state="hidden")
    page.locator("#begin").click()
    page.locator("#work img").wait_for()
    page.locator("#stop-rework").click()  # what is found by then is picked too
    page.get_by_text("Found: it is now the selected picture").first.wait_for(timeout=180_000)
    page.locator("#picked img").wait_for()
    assert picked_recipe(page).projection is not None
    page.locator("#more-like").click()
    page.locator("#near-bar").wait_for()
    until(page, "c.length === 24")


def test_the_studio_speaks_chinese_toasts_included(visit):
    page = visit()
    page.get_by_label("中文").check()
    says(page, "掷骰子")
    page.get_by_role("tab", name="杂交").wait_for()
    until(page, "c.length === 24 && c[0] === 'Flow-field 第 1 号'")  # what hung already
    go(page, "杂交")
    until(page, "c.length === 8", "#litter")
    page.locator("#clear-parents").click()
    until(page, "c.length === 0", "#parents")
    page.get_by_role("button", name="生成后代").click()
    says(page, "至少需要 2 幅父母，现有 0")
    go(page, "作画")
    page.get_by_label("种子").first.fill("-3")
    page.keyboard.press("Enter")
    says(page, "种子 须为 0 与 4294967295 之间的整数，而得到 -3")
    page.get_by_label("English").check()
    page.wait_for_function("!document.querySelector('.toast-body')")
    until(page, "c[0] === 'Flow-field No. 1'")
    page.get_by_label("中文").check()
    again = visit(context=page.context)
    says(again, "掷骰子")
    again.get_by_label("English").check()
    says(again, "Roll the dice")
    born_chinese = visit(locale="zh-CN")
    says(born_chinese, "掷骰子")
    until(born_chinese, "c.length === 24 && c[0] === 'Flow-field 第 1 号'")
    assert born_chinese.evaluate("document.documentElement.lang") == "zh"


def test_a_phone_shows_each_page_without_sideways_scrolling(page):
    page.set_viewport_size({"width": 390, "height": 844})
    for name in PAGES:
        go(page, name)
        page.wait_for_timeout(300)
        assert page.evaluate("document.documentElement.scrollWidth") <= 390, name
    widths = page.evaluate("[...document.querySelectorAll('#wall .thumbnail-item')].map(e => e.clientWidth)")
    assert len(widths) == 24


SMALL = """() => [...document.querySelectorAll('button, .pills label')].filter(e => e.offsetParent &&
    !e.closest('.out-of-sight') && getComputedStyle(e).visibility !== 'hidden').map(e => [e.getBoundingClientRect(), e])
    .filter(([r, e]) => r.width && (r.height < 39.5 || r.width < 39.5)).map(([r, e]) => e.outerHTML.slice(0, 120))"""


def test_fingers_find_everything(visit):
    page = visit(viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True)
    for name in PAGES:
        go(page, name)
        page.wait_for_timeout(300)
        assert page.evaluate(SMALL) == [], name


def test_the_link_of_a_mix_holds_the_address_from_the_start(page):
    field = page.locator("#style-link textarea, #style-link input")
    for _ in range(2):
        go(page, "Blend")
        page.wait_for_function(
            "() => document.querySelector('#style-link textarea, #style-link input')?.value?.startsWith('http')"
        )
        page.wait_for_timeout(1000)
        assert field.input_value().startswith("http")
        go(page, "Paint")


WHOLE = """least => [...document.querySelectorAll('#wall img')].map(e => e.getBoundingClientRect()).filter(r =>
    r.width >= 140 && r.top >= 0 && r.left >= 0 && r.bottom <= innerHeight && r.right <= innerWidth).length >= least"""


SIZES = ((1440, 900, 6), (1000, 700, 4), (390, 844, 2))  # of a window, and how many whole pictures are seen at first


def each_size(page, sizes=SIZES) -> Iterator[int]:
    """The width of each window in turn, once enough whole pictures are seen in it."""
    for width, height, least in sizes:
        page.set_viewport_size({"width": width, "height": height})
        page.wait_for_function(WHOLE, arg=least)
        yield width


@pytest.mark.parametrize("language", ["en-GB", "zh-CN"])
def test_pictures_come_first_and_no_page_is_in_a_hidden_menu(visit, language):
    page = visit(settings=False, locale=language)
    for width in each_size(page):
        seen = "[...document.querySelectorAll('[role=tab]')].filter(tab => tab.offsetParent)"
        page.wait_for_function(f"most => {seen}.length === most", arg=len(PAGES))
        page.wait_for_function("width => document.documentElement.scrollWidth <= width", arg=width)
        assert not page.locator("#seed").is_visible() and not page.locator("#model").is_visible()
    page.locator("#settings-button").click()
    page.locator("#seed").wait_for()
    assert page.locator("#model").is_visible()


IN_VIEW = """([picture, least]) => [...document.querySelectorAll(picture)].map(e => e.getBoundingClientRect()).filter(
    r => r.width >= 110 && r.top >= 0 && r.bottom <= innerHeight && r.right <= innerWidth).length >= least"""


def test_what_sliders_change_is_beside_them_in_the_frame_of_a_space(visit):
    page = visit(settings=False, viewport={"width": 1000, "height": 700})
    page.locator("#wall .thumbnail-item").first.click()
    page.keyboard.press("Escape")
    page.locator("#steer-it").click()
    page.wait_for_function(IN_VIEW, arg=["#steer .picture img", 2])
    assert page.locator("#panel").is_visible()
    go(page, "Blend")
    page.wait_for_function(IN_VIEW, arg=["#blend-wall img", 2])
    go(page, "Your photo")  # whose picture is not the selected one
    page.locator("#panel").wait_for(state="hidden")
    page.locator("#photo-compared").wait_for()
    assert page.locator("#photo-compared").bounding_box()["x"] > 300


def test_a_click_opens_the_picture_large_and_the_keys_go_on(visit):
    page = visit(settings=False)
    painted = captions(page)
    page.locator("#wall .thumbnail-item").nth(1).click()
    large = page.get_by_role("dialog", name="The picture, large")
    large.get_by_text(painted[1]).wait_for()
    panel_shows(page, painted[1])
    page.wait_for_function(
        "() => document.querySelector('#large img').src === document.querySelector('#picked img').src"
    )
    page.keyboard.press("ArrowRight")
    large.get_by_text(painted[2]).wait_for()
    large.get_by_label("The one before").click()
    large.get_by_text(painted[1]).wait_for()
    columns = page.evaluate("""() => { const top = e => Math.round(e.getBoundingClientRect().top);
        const all = [...document.querySelectorAll('#wall .thumbnail-item')];
        return all.filter(e => top(e) === top(all[0])).length; }""")
    page.keyboard.press("ArrowDown")
    large.get_by_text(painted[1 + columns]).wait_for()
    page.keyboard.press("ArrowUp")
    large.get_by_text(painted[1]).wait_for()
    panel_shows(page, painted[1])
    page.keyboard.press("Escape")
    large.wait_for(state="hidden")
    page.keyboard.press("Space")  # also after a click
    until(page, f"c[0] !== '{painted[0]}'")


def test_the_frame_marks_the_picked_picture_and_no_other(page):
    caption = pick(page, 3)
    marked = "[...document.querySelectorAll('#wall .selected .caption-label')].map(e => e.innerText)"
    assert page.evaluate(marked) == [caption]
    page.locator("#seed input").fill("2")  # the wall moves on by one
    page.keyboard.press("Enter")
    until(page, "c[0].endsWith('No. 2')")
    assert page.evaluate(marked) in ([], [caption])
    page.locator("#seed input").fill("1")
    page.keyboard.press("Enter")
    until(page, "c[0].endsWith('No. 1')")
    page.wait_for_function(f"caption => ({marked})[0] === caption", arg=caption)


def test_the_picked_picture_stays_in_view_while_the_wall_scrolls(visit):
    page = visit(settings=False, viewport={"width": 1440, "height": 600})
    pick(page, 0)
    page.mouse.move(300, 400)
    page.mouse.wheel(0, 5000)
    page.wait_for_function("() => scrollY > 100")
    box = page.locator("#picked img").bounding_box()
    assert box["y"] >= 0 and box["y"] + box["height"] <= 600


def test_on_a_phone_the_picked_picture_is_a_sheet_that_can_be_closed(visit):
    page = visit(settings=False, viewport={"width": 390, "height": 844})
    pick(page, 0)
    sheet = page.locator("#picked-body").bounding_box()
    assert sheet["y"] + sheet["height"] == pytest.approx(844, abs=1) and sheet["y"] > 400
    page.locator("#sheet-close").click()
    page.locator("#picked-body").wait_for(state="hidden")


def test_on_a_phone_one_cross_closes_the_picture_and_its_sheet_and_so_does_another_page(visit):
    page = visit(settings=False, viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True)
    large, sheet, first = (
        page.locator("#large"),
        page.locator("#picked-body"),
        page.locator("#wall .thumbnail-item").first,
    )
    first.tap()
    link_in(page, "#link", "recipe=")
    scrolled = (
        "(() => { const row = document.querySelector('#style'); row.scrollLeft = 900; return row.scrollLeft; })()"
    )
    assert page.evaluate(scrolled) == 0  # within it the styles scroll, and they alone
    place = page.locator("#link-copy").bounding_box()
    assert place["y"] + place["height"] / 2 < 844  # the link is on the first screen: the picture stands there once
    page.locator("#link-copy").tap()
    told = "document.querySelector('#picked-body .told')"  # it goes after a while
    shown = f"{told}.innerText.includes('Copied') && {told}.getBoundingClientRect().bottom <= 844"
    page.wait_for_function(f"() => {told} && {shown}")
    large.locator(".close").tap()
    large.wait_for(state="hidden")
    sheet.wait_for(state="hidden")
    first.tap()
    sheet.wait_for()
    large.locator(".close").wait_for()
    page.evaluate("document.querySelector('#large').style.inset = '200px 0 42vh 0'")  # so that a tab can be reached
    page.get_by_role("tab", name="Blend", exact=True).tap()
    large.wait_for(state="hidden")
    sheet.wait_for(state="hidden")
    page.locator("#blend-wall img").first.wait_for()
    page.evaluate("window.scrollTo(0, document.querySelector('#blend-wall').getBoundingClientRect().bottom + 200)")
    on_top = """() => {
        const { x, y, width, height } = document.querySelector('#blend-wall img').getBoundingClientRect();
        const at = (part) => document.elementFromPoint(x + width / 8, y + height * part);
        return [0.05, 0.35, 0.65, 0.95].every((part) => at(part)?.closest('#blend-wall'));
    }"""
    assert page.evaluate(on_top)  # no slider's name shines through the mix that stays in view


def test_every_control_has_a_name(page):
    """Buttons, inputs and pictures that a screen reader would meet nameless."""
    pick(page, 0)
    for name in ("Paint", "Blend", "Breed", "Steer", "Film"):
        go(page, name)
        page.wait_for_timeout(200)
        nameless = page.evaluate(
            """() => [...document.querySelectorAll('button, input, textarea, select, img')].filter(e => e.offsetParent
              && !(e.innerText || '').trim() && !e.getAttribute('aria-label') && !e.getAttribute('title') && !e.alt
              && !(e.labels && [...e.labels].some(l => l.innerText.trim())) && !e.closest('label')?.innerText.trim())
              .map(e => e.outerHTML.slice(0, 200))"""
        )
        assert nameless == [], name


def test_a_wrong_seed_gets_a_message_and_the_page_stays_alive(page):
    seed = page.locator("#seed input")
    for wrong in ("-3", "4294967296", "99999999999999999999"):
        seed.fill(wrong)
        seed.press("Enter")
        says(page, "seed must be a whole number")
    seed.fill("5")
    seed.press("Enter")
    until(page, "c[0] === 'Flow-field No. 5'")
    for hasty in ("-1", "6"):  # the second while the first is still being refused
        seed.fill(hasty)
        seed.press("Enter")
    until(page, "c[0] === 'Flow-field No. 6'")


def choose_model(page, name: str) -> None:
    box = page.get_by_label("Model", exact=True)
    box.click()
    box.fill(name)
    box.press("Enter")


def test_many_styles_do_not_push_the_wall_down(page):
    choose_model(page, "user/many")
    until(page, "c.length === 24 && c[0] === 'Style-000 No. 1'")
    assert page.locator("#style input").count() == 151
    page.locator("#settings-button").click()
    assert [*each_size(page, (SIZES[2], SIZES[0]))] == [390, 1440]
    go(page, "Blend")
    until(page, "c.length === 12", "#blend-wall")
    sliders = "[...document.querySelectorAll('#mixer input[type=range]')].filter(each => each.offsetParent)"
    page.wait_for_function(f"() => {sliders}.length === 12")


def test_a_curated_wall_says_so_below_the_buttons_and_is_left_by_the_dice(page):
    choose_model(page, "user/curated")
    until(page, "c.length === 24 && c[0] === 'Indigo No. 9' && c[3] === 'Sepia No. 10'")
    page.locator("#settings-button").click()
    status = page.locator("#status")
    says(page, "Chosen from 64 of each style")
    for _ in each_size(page):
        box = status.bounding_box()
        assert box["width"] > 200 and box["height"] < 50, box  # words beside or below the buttons, no column of letters
    page.locator("#dice").click()
    until(page, "c.length === 24 && c[0] !== 'Indigo No. 9'")
    assert page.get_by_label("All styles", exact=True).is_checked()
    status.get_by_text("Chosen").wait_for(state="detached")
    page.locator("#undo").click()
    until(page, "c[0] === 'Indigo No. 9'")
    assert page.get_by_label("Curated", exact=True).is_checked()
    page.get_by_label("中文").check()
    status.get_by_text("每种风格的 64 幅画中").wait_for()
    until(page, "c[0] === 'Indigo 第 9 号'")


def test_a_visitor_paints_with_any_model_of_the_hub(visit, visited_hub):
    page = visit()
    page.get_by_label("Mosaic", exact=True).check()
    until(page, "c[0] === 'Mosaic No. 1'")
    choose_model(page, "user/inks")
    until(page, "c.length === 24 && c[0] === 'Indigo No. 1' && c[1] === 'Sepia No. 2'")
    commit = visited_hub.repositories["models", "user/inks"].branches["main"]
    assert page.get_by_label("Model", exact=True).input_value() == f"user/inks@{commit[:7]}"
    colophon = page.locator("#colophon").inner_text()
    assert "user/inks" in colophon and "cc-by-4.0" in colophon and "<b>my</b> drawings" in colophon
    page.get_by_label("Sepia", exact=True).check()
    until(page, "c[0] === 'Sepia No. 1'")
    pick(page, 0)
    recipe = picked_recipe(page)
    assert (recipe.model, recipe.revision) == ("user/inks", commit)
    go(page, "Steer")
    says(page, "What each slider was measured to move")
    assert not page.locator("#wheel .steer").first.is_visible()
    link = link_in(page, "#link", "recipe=")
    friend = visit(query_of(link))
    says(friend, "This picture was painted by user/inks")
    friend.locator("#load-it").click()
    until(friend, "c[0] === 'Sepia No. 1'")
    says(friend, "Sepia No. 1")
    assert picked_recipe(friend) == recipe
    here = visit(query_of(link))
    here.locator("#offer-bar").wait_for()
    here.wait_for_function("() => document.querySelector('#large')?.hidden !== false")  # nothing waits over the offer


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
    page.locator("#dice").click()
    until(page, "c.length === 24 && c[0].startsWith('Flow-field') && c[0] !== 'Flow-field No. 1'")


def test_the_page_paints_while_a_model_comes(page, visited_hub):
    released = threading.Event()

    def hold(handler: Handler, body: bytes) -> None:
        released.wait(60)
        lfs_get(handler, body, urlsplit(handler.path).path.rpartition("/")[2])

    visited_hub.fail("GET /lfs/", hold)
    visited_hub.add("user/slow", visited_hub.repositories["models", "user/inks"].head)
    choose_model(page, "user/slow")
    page.locator("#news").get_by_text("Fetching user/slow").wait_for()
    page.locator("#seed input").fill("9")
    page.keyboard.press("Enter")
    until(page, "c[0] === 'Flow-field No. 9'")
    released.set()
    until(page, "c[0] === 'Indigo No. 9'")
