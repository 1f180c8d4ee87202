"""The other pages of the studio in a real browser, offline, as a visitor would walk them, without a console error."""

import io
import json
import re
from pathlib import Path
from urllib.parse import unquote

import pytest
from helpers import frame_count, slowness
from PIL import Image
from studio_visits import (
    PAGES,
    SIZES,
    captions,
    choose_file,
    choose_model,
    download,
    each_size,
    go,
    hand_in,
    link_in,
    panel_shows,
    pick,
    picked_recipe,
    query_of,
    says,
    set_slider,
    until,
)

from artmodels.generate.recipe import LayerMix, Shift, from_link

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


def test_another_style_ends_the_one_that_is_being_painted_and_what_is_no_photo_does_not(page, tmp_path):
    go(page, "Your photo")
    page.get_by_text("Size and strength").click()
    page.locator("#photo-size").get_by_label("256").check()
    page.locator("#photo-styles .thumbnail-item").first.click()
    page.locator("#photo-stop").wait_for()
    page.locator("#photo-styles .thumbnail-item").nth(2).click()
    page.get_by_text(re.compile("about [0-9]+ s more")).wait_for(timeout=120_000)
    (tmp_path / "broken.jpg").write_text("no picture")
    page.locator("#photo-file input[type=file]").set_input_files(tmp_path / "broken.jpg")
    page.locator(".toast-body").first.wait_for()
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
