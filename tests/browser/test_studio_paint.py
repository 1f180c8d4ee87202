"""The page Paint of the studio in a real browser, offline, as a visitor would walk it, without a console error."""

import io
import json
import threading
import zipfile
from urllib.parse import urlsplit

import pytest
from helpers import slowness
from hub_server import Handler, lfs_get
from PIL import Image
from studio_visits import (
    address_after,
    captions,
    choose_model,
    download,
    each_size,
    go,
    link_in,
    panel_shows,
    pick,
    picked_recipe,
    query_of,
    says,
    set_slider,
    until,
)

from artmodels.generate.recipe import parse_recipes, read_recipes


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


def test_what_is_kept_in_one_tab_is_not_lost_by_another(visit):
    page = visit()
    other = visit(context=page.context)
    for tab, place in ((page, 1), (other, 2)):
        tab.wait_for_function(
            "kept => document.querySelectorAll('#kept .thumbnail-item').length === kept", arg=place - 1
        )
        pick(tab, place)
        tab.locator("#keep").click()
    for tab in (page, other):
        tab.locator("#kept .thumbnail-item").nth(1).wait_for()
    again = visit(context=page.context)
    until(again, "c.length === 2", "#kept")

    go(other, "Blend")
    other.locator("#name input, #name textarea").fill("dawn")
    other.locator("#save-style").click()
    page.get_by_label("★ dawn", exact=True).wait_for()


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


def test_what_is_typed_beside_a_slider_is_brought_within_its_range(visit):
    page = visit(locale="zh-CN")
    until(page, "c.length === 24")
    box = page.get_by_label("number input for 画的数量", exact=True)
    for typed, pictures in (("100", 36), ("", 24), ("0", 1), ("5", 5)):
        box.fill(typed)
        until(page, f"c.length === {pictures}")
    assert page.locator(".toast-body").count() == 0 and page.locator(".reset-button").count() == 0


def test_the_size_that_is_chosen_already_leaves_the_buttons_alone(page):
    pick(page, 1)
    page.locator("#factor label.selected").click()
    page.wait_for_function("() => !document.body.classList.contains('picking')", timeout=5_000 * slowness())
    page.locator("#factor").get_by_label("2×", exact=True).check()
    page.wait_for_function("() => !document.body.classList.contains('picking')")
    with Image.open(io.BytesIO(download(page, "#download"))) as picture:
        assert picture.size == (64, 64)


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
