"""What happens on the studio's pages, without a server and a browser: their methods, on a real model."""

import gc
import json
import time
import warnings
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import gradio as gr
import pytest
from helpers import STYLES, slowness

from artmodels.generate.recipe import parse_recipe_data
from artmodels.generate.sampling import paint_rows
from artmodels.hub.companions.curated import Curated
from artmodels.hub.load import LoadedModel, load_model
from artmodels.hub.model_cache import ModelCache
from artmodels.studio import handlers
from artmodels.studio.blocks import MAX_WAITING, StudioBlocks
from artmodels.studio.context import StudioContext, as_data
from artmodels.studio.i18n import retold, translate
from artmodels.studio.pages import paint
from artmodels.studio.pages.blend import BlendPage, build_blend_page
from artmodels.studio.pages.breed import LITTER, BreedPage, build_breed_page
from artmodels.studio.pages.dance import DancePage, build_dance_page
from artmodels.studio.pages.explain import ExplainPage, build_explain_page
from artmodels.studio.pages.film import FilmPage, build_film_page
from artmodels.studio.pages.music import MusicPage, build_music_page
from artmodels.studio.pages.paint import PaintPage, anew_if_rolled, build_paint_page
from artmodels.studio.pages.prompt import PromptPage, build_prompt_page
from artmodels.studio.pages.rework import ReworkPage, build_rework_page
from artmodels.studio.pages.steer import SteerPage, build_steer_page
from artmodels.studio.panel import Panel, build_panel
from artmodels.studio.performing import PREVIEW_RATE, PREVIEW_SECONDS
from artmodels.studio.served_files import FileStore
from artmodels.studio.traffic import FairQueue
from artmodels.studio.watching import seconds_left

VISITOR: Any = SimpleNamespace(session_hash="visitor")  # what a page is told of who asks


class Studio:
    """All pages of a model, in no studio but in one another's company."""

    def __init__(self, model: LoadedModel, files: FileStore):
        self.model, self.name = model, model.label

        def paint(model: LoadedModel, w: Any) -> Any:
            return paint_rows(model.generator, w)

        with StudioBlocks() as self.blocks, gr.Tabs() as tabs, gr.Tab() as room:
            self.context = StudioContext(
                ModelCache([model]),
                paint,
                paint,
                files,
                gr.Textbox(),
                gr.Textbox(),
                gr.JSON(),
                kept=gr.BrowserState([], storage_key="kept"),
                designs=gr.BrowserState([], storage_key="designs"),
                family=gr.BrowserState([], storage_key="family"),
            )
            self.context.tabs = tabs
            recipes = handlers.first_recipes(model)
            self.paint: PaintPage = build_paint_page(self.context, model, handlers.paint_images(model, recipes))
            self.panel: Panel = build_panel(self.context)
            self.blend: BlendPage = build_blend_page(self.context, model, self.paint, self.panel)
            self.breed: BreedPage = build_breed_page(self.context, self.panel)
            self.steer: SteerPage = build_steer_page(self.context, model, self.panel, room, self.paint.wall.recipes)
            self.prompt: PromptPage = build_prompt_page(self.context, model, "en", self.panel)
            self.rework: ReworkPage = build_rework_page(self.context, model, self.panel, self.paint.wall.recipes, "en")
            self.film: FilmPage = build_film_page(self.context, self.panel, room, self.paint.wall.recipes)
            self.music: MusicPage = build_music_page(self.context, model, room)
            self.dance: DancePage = build_dance_page(self.context, model)
            self.explain: ExplainPage = build_explain_page(self.context, self.panel, room, self.paint.wall.recipes)

    def some(self, count: int, first: int = 0) -> list[dict[str, Any]]:
        """Recipes of a style as a page has them."""
        return as_data(handlers.recipes_of_seeds(self.model, STYLES[0], first, count, 0.8))


@pytest.fixture(scope="module")
def studio(steered_folder, tmp_path_factory) -> Studio:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)  # Gradio leaves event loops unclosed
        studio = Studio(load_model(steered_folder), FileStore(tmp_path_factory.mktemp("files")))
        gc.collect()
    return studio


def last(updates: Iterator[Any]) -> Any:
    *_, found = updates
    return found


def order(studio: Studio, **changes: Any) -> dict[str, Any]:
    """What `PaintPage.repaint` is given: one picture of seed 7."""
    plain = {"style": STYLES[1], "seed": 7, "count": 1, "truncation": 0.8, "shared": False, "near": None}
    state = {"distance": 0.4, "current": studio.name, "designs": [], "orders": [], "hanging": [], "picked": None}
    return plain | state | {"language": "en"} | changes


def test_a_wall_is_what_the_controls_say_and_the_wall_before_comes_back(studio):
    page = studio.paint
    first = last(page.repaint(**order(studio)))
    (recipe,) = first[page.wall.recipes]
    assert (recipe["style_weights"], recipe["latents"][0]["seed"]) == ({STYLES[1]: 1.0}, 7)
    assert not first[page.undo].interactive and first[page.status] == ""
    second = last(page.repaint(**order(studio, seed=9, orders=first[page.history], hanging=[recipe])))
    assert second[page.undo].interactive and len(second[page.history]) == 2
    back = page.step_back(second[page.history], studio.name, [], "en")
    assert (back[page.seed], back[page.style], back[page.history]) == (7, STYLES[1], first[page.history])
    again = last(page.repaint(**order(studio, hanging=[recipe])))
    assert page.wall.gallery not in again  # what hangs already stays
    assert page.step_back(first[page.history], studio.name, [], "en") == gr.skip()


def test_a_curated_wall_says_so_and_is_left_by_the_dice(studio, tmp_path):
    seeds = {style: (9, 4, 2) for style in STYLES}
    curated = Curated(seeds={**seeds, STYLES[1]: (5,)}, drawn=64, truncation=0.8, judge="EfficientNet-Lite2")
    model = replace(studio.model, companions={**studio.model.companions, "curated": curated})
    recipes = handlers.first_recipes(model)
    first_of_each = [(style, 5 if style == STYLES[1] else 9) for style in STYLES]
    found = [(next(iter(recipe.style_weights)), recipe.latents[0].seed) for recipe in recipes]
    assert found[: len(STYLES)] == first_of_each and len(found) == 1 + 3 * (len(STYLES) - 1)
    assert all(recipe.latents[0].of in recipe.style_weights for recipe in recipes)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        page = Studio(model, FileStore(tmp_path)).paint
        gc.collect()
    arrived = page.history.value
    assert page.style.value == handlers.CURATED and "from 64 of each style" in page.status.value
    plain = {"style": handlers.CURATED, "seed": handlers.FIRST_SEED, "count": 24}
    stayed = last(page.repaint(**order(studio, **plain, truncation=0.5, orders=arrived)))
    assert page.style not in stayed and "64" in stayed[page.status]
    assert [recipe["truncation"] for recipe in stayed[page.wall.recipes]] == [0.5] * len(recipes)
    for change in ({"seed": 8}, {"shared": True}):
        told, *_, rolled = page.repaint(**order(studio, **{**plain, **change}, orders=arrived))
        assert told == {page.style: handlers.ALL_STYLES} and rolled[page.status] == ""
        assert rolled[page.history][-1]["style"] == handlers.ALL_STYLES
        assert [recipe["latents"][0]["seed"] for recipe in rolled[page.wall.recipes]][:2] != [9, 5]
    back = page.step_back(rolled[page.history], studio.name, [], "en")
    assert (back[page.style], back[page.seed]) == (handlers.CURATED, handlers.FIRST_SEED)
    strange: list[Any] = [7, [None], [{}], ["x"]]  # a visitor's state may hold anything
    for orders in strange:
        assert anew_if_rolled(handlers.CURATED, 7, False, None, orders) in (handlers.CURATED, handlers.ALL_STYLES)


def test_a_wall_that_is_asked_for_later_ends_the_one_before(studio, monkeypatch):
    """Whichever of them is quicker: the page shows what was asked for last."""
    page = studio.paint
    monkeypatch.setattr(paint, "MOMENT", 0.0)
    first = page.repaint(**order(studio, count=24))
    assert len(next(first)[page.wall.recipes]) == 8
    second = last(page.repaint(**order(studio, seed=9, count=24)))
    assert len(second[page.wall.recipes]) == 24 and list(first) == []
    begun = page.repaint(**order(studio, count=24))
    next(begun)
    with pytest.raises(gr.Error):
        last(page.repaint(**order(studio, seed=None)))
    assert len(last(begun)[page.wall.recipes]) == 24  # what is no order ends nothing


def test_neighbours_begin_with_the_picture_itself(studio):
    page, (centre,) = studio.paint, studio.some(1)
    near = page.look_near(centre, "en")
    found = last(page.repaint(**order(studio, near=near[page.near], count=3)))[page.wall.recipes]
    assert found[0] == centre and len(found) == 3
    assert [latent["seed"] for latent in found[1]["latents"]] == [0, 7]
    assert page.leave_near()[page.near] is None


@pytest.mark.parametrize(
    "wrong", [{"seed": -1}, {"seed": None}, {"count": 1000}, {"truncation": 3}, {"near": {"seed": 7}}]
)
def test_what_is_no_order_is_told(studio, wrong):
    with pytest.raises(gr.Error):
        last(studio.paint.repaint(**order(studio, **wrong)))


def test_a_mix_is_painted_kept_under_its_name_and_found_again(studio):
    page, asked = studio.blend, (studio.name, "en")
    painted = page.repaint(list(STYLES), 7, 0.8, "dawn", [], None, *asked, 1, 3, 0)
    assert painted[page.wall.recipes][0]["style_weights"] == {STYLES[0]: 0.25, STYLES[1]: 0.75}
    assert "open=blend" in painted[page.link] and "name=dawn" in painted[page.link]
    assert "75%" in painted[page.shares]
    designs, mine, style = page.save_style("  dawn ", list(STYLES), [], *asked, 1, 3, 0)
    assert mine.choices == [("dawn", "dawn")] and style.choices[-1] == ("★ dawn", "★ dawn")
    again, *_ = page.save_style("dawn", list(STYLES), designs, *asked, 1, 0, 0)
    assert len(again) == 1 and again[0]["weights"] == {STYLES[0]: 1.0}
    loaded = page.load_style("dawn", designs, *asked)
    assert [loaded[slider].value for slider in page.sliders[: len(STYLES)]] == [0.25, 0.75, 0.0]
    assert page.forget_style("dawn", designs, *asked)[0] == []
    drawn = page.surprise_mix(*asked)
    assert 2 <= sum(drawn[slider].value > 0 for slider in page.sliders[: len(STYLES)]) <= 4
    for nothing in (lambda: page.choose_slots([], *asked), lambda: page.save_style(" ", [], [], *asked)):
        with pytest.raises(gr.Error):
            nothing()
    (named,), *_ = page.save_style(" ", list(STYLES), [], *asked, 1, 3, 0)
    assert named["name"] == "Mosaic 75 + Flow-field 25"


def test_layers_are_cut_at_every_place(studio):
    coarse, fine = studio.some(2)
    pictures, recipes = studio.blend.cut(coarse, fine, studio.name, "en")
    assert [caption for _, caption in pictures] == [f"brushwork from {pixels} px on" for pixels in (32, 16, 8, 4)]
    assert [recipe["edits"][0]["first"] for recipe in recipes] == [4, 3, 2, 1]
    assert studio.blend.cut(coarse, None, studio.name, "en") == gr.skip()


def test_parents_have_the_same_children_again(studio):
    page, asked = studio.breed, (studio.name, "en")
    hanging = studio.some(6)
    _, parents, example, litter, children = page.begin([], hanging, *asked)
    assert parents == example == [hanging[0], hanging[3]] and len(litter) == len(children) == LITTER
    added = page.add_parent(hanging[1], parents, example, *asked)
    assert studio.context.tabs not in added and page.breed_if_enough([hanging[1]], 5, 0.2, [], [], *asked) == gr.skip()
    assert added[page.parents.recipes] == [hanging[1]]  # the example's parents make room, and so do their children
    assert added[page.litter.recipes] == added[page.litter.gallery] == []
    added = page.add_parent(hanging[2], added[page.parents.recipes], example, *asked)
    chosen = added[page.parents.recipes]
    assert added[studio.context.tabs].selected == "breed"
    assert chosen == hanging[1:3] and page.litter.recipes not in added
    wished = page.wish(hanging, gr.SelectData(None, {"index": 4, "value": None}))
    offered = page.choose_parent(wished, parents, example, *asked)
    assert page.wish(hanging[:4], gr.SelectData(None, {"index": 4, "value": None})) == gr.skip()
    assert page.choose_parent(None, parents, example, *asked) == gr.skip()
    assert offered[page.parents.recipes] == [hanging[4]] and offered[page.litter.recipes] == []
    _, born, family, tree = page.breed(chosen, 5, 0.2, [], [], *asked)
    assert len(born) == LITTER and len(family) == len(tree) == 1
    event = gr.SelectData(None, {"index": 0, "value": None})
    _, parents_again, _, born_again = page.go_back(family, *asked, event)
    assert (parents_again, born_again) == (chosen, born)
    assert len(page.show_family(family, *asked)) == 1
    with pytest.raises(gr.Error, match="2"):
        page.breed(chosen[:1], 5, 0.2, [], [], *asked)
    foreign = {"parents": [{**parent, "weights_sha256": "0" * 64} for parent in chosen], "seed": 1, "mutation": 0.2}
    _, _, both, strips = page.breed(chosen, 6, 0.2, [foreign, *family], [], *asked)
    assert both[:2] == [foreign, *family] and len(both) == 3  # another model's family stays
    assert [caption for _, caption in strips] == ["generation 1", "generation 2"]  # painted anew where it was deleted


def test_a_picture_is_steered_and_levelled(studio):
    page, (picked,), asked = studio.steer, studio.some(1), (studio.name, "en")
    put = page.put(picked, *asked)
    assert page.begin(None, None, [picked], *asked)[page.base] == put[page.base]
    assert page.begin(None, picked, studio.some(3, first=5), *asked)[page.base] == put[page.base]
    assert page.begin(picked, None, [picked], *asked) == gr.skip()
    turned = page.turn(put[page.base], *asked, 1.5, 0, *[0] * 6)[studio.context.picked]
    assert [(edit["name"], edit["amount"]) for edit in turned["edits"]] == [("brightness", 1.5)]
    again = page.put(turned, *asked)
    assert again[page.base] == picked and again[page.sliders[0]].value == 1.5
    with pytest.raises(gr.Error):
        page.turn(picked, *asked, 7, *[0] * 7)


def test_a_film_goes_through_what_was_chosen_or_some_of_the_wall(studio):
    page, asked, hanging = studio.film, (studio.name, "en"), studio.some(8)
    _, walked, example = page.begin([], hanging, *asked)
    assert walked == example == [hanging[0], hanging[3], hanging[6]]
    assert page.begin(walked, hanging, *asked) == gr.skip()
    _, chosen, _ = page.add(hanging[1], walked, example, *asked)
    _, chosen, _ = page.add(hanging[2], chosen, example, *asked)
    assert chosen == hanging[1:3]
    *told, made = page.shoot(chosen, 1.0, 8, 64, "mp4", True, True, *asked)
    path = Path(made[page.download].value["path"])
    assert told[0][page.stop].visible and not made[page.stop].visible and path.suffix == ".mp4"
    with pytest.raises(gr.Error, match="2"):
        last(page.shoot(chosen[:1], 1.0, 8, 64, "mp4", True, True, *asked))
    assert page.take_kept(hanging[:2], *asked)[1] == hanging[:2]


def test_a_phrase_is_painted_picture_by_picture(studio):
    page = studio.prompt
    seen = list(page.paint(studio.model.prompt.some_words.split(", ")[0], 7, studio.name, "en", VISITOR))
    assert [len(each.get(page.wall.recipes, [])) for each in seen] == [0, 2, 4, 6, 8]
    assert not seen[-1][page.stop].visible and "role" not in seen[-1][page.news]
    assert page.begin_anew(studio.name, "en")[page.wall.recipes] == []
    again = page.told_again(studio.model, *(seen[-1][part] for part in (page.news, *page.wall.parts)), "zh")
    names = [name for _, name in again[page.wall.gallery]["value"]]
    assert len(names) == 8 and all(name.endswith("%") for name in names)
    assert "画下的百分比" in again[page.news]["value"]
    assert "画中会体现" in again[page.news]["value"] or "在标题里读过" in again[page.news]["value"]


def test_a_phrase_ends_the_one_before(studio):
    page, asked = studio.prompt, (7, studio.name, "en", VISITOR)
    words = studio.model.prompt.some_words.split(", ")
    first = page.paint(words[0], *asked)
    assert [len(next(first).get(page.wall.recipes, [])) for _ in range(2)] == [0, 2]
    second = page.paint(words[1], *asked)
    next(second)
    assert list(first) == []
    other = page.paint(words[0], 7, studio.name, "en", SimpleNamespace(session_hash="another"))
    next(other)
    assert len(list(second)[-1][page.wall.recipes]) == 8
    other.close()


def test_words_that_say_nothing_are_told_and_stay(studio):
    for prompt, told in (("zeppelin", "没学过：zeppelin"), ("?!", "请写出要画什么")):
        *_, last = studio.prompt.paint(prompt, 7, studio.name, "zh", VISITOR)
        assert told in last[studio.prompt.news] and not last[studio.prompt.stop].visible


def test_a_picture_is_explained_and_the_story_told_once(studio):
    page, (picked,) = studio.explain, studio.some(1)
    seen = page.look(picked, studio.name, "en")
    shown, verdict, maps, _ = (seen[part] for part in page.seen)
    assert "<img" in shown and "<meter" in verdict and "<img" in maps and seen[page.looked] == picked
    told = page.tell_whoever_comes(studio.name, "", "", None, studio.some(2), "en")
    assert told[page.wanted] and told[page.seen[0]] and told[page.looked] == studio.some(2)[0]
    mine = page.tell_whoever_comes(studio.name, "", "", studio.some(1, 7)[0], studio.some(2), "en")
    assert mine[page.looked] == studio.some(1, 7)[0]
    assert page.tell_whoever_comes(studio.name, told[page.story], "", None, [], "en") == gr.skip()


def test_what_is_explained_is_explained_again_in_another_language_and_not_by_another_model(studio):
    page, (picked,) = studio.explain, studio.some(1)
    again = page.tell_anew(picked, "yes", studio.name, "zh")
    verdict, maps = again[page.seen[1]], again[page.seen[2]]
    assert again[page.looked] == picked and translate("zh", "what-the-eye-sees") in verdict
    assert translate("zh", "where-seen") in maps and again[page.story]
    for gone in (None, {**picked, "weights_sha256": "0" * 64}):  # an upload, and a picture by other weights
        emptied = page.tell_anew(gone, "", studio.name, "zh")
        assert emptied[page.looked] is None and {emptied[part] for part in (*page.seen, page.story)} == {""}


def test_a_sound_and_a_clip_become_films_with_their_scores(studio, tmp_path):
    asked, dialled = (studio.name, "en"), (0.5, 0.5, 0.5, "", 3, 64, "mp4")
    music, dance = studio.music, studio.dance
    assert "<svg" in music.listen(None, "en") and music.listen_once("drawn", None, "en") == gr.skip()
    for page, given in ((music, (None, None, "pulse")), (dance, (None, None))):
        *told, made = page.film(False, *given, *dialled, *asked)
        score = json.loads(Path(made[page.shown.score].value["path"]).read_text())
        assert told[0][page.stop].visible and not made[page.stop].visible
        assert score["keyframes"][0]["time"] == 0 and score["weights_sha256"] == studio.model.weights_sha256


def test_the_queue_is_fair_and_has_an_end(studio):
    queue = studio.blocks._queue
    assert isinstance(queue, FairQueue) and queue.max_size == MAX_WAITING


def test_only_the_preview_of_a_film_is_painted_roughly(studio, monkeypatch):
    painted: list[int] = []

    def roughly(model, w):
        painted.append(len(w))
        return paint_rows(model.generator, w)

    monkeypatch.setattr(studio.context, "preview_patiently", roughly)
    given = (None, None, "walk", 0.5, 0.5, 0.5, "", 3, 64, "mp4", studio.name, "en")
    list(studio.music.film(False, *given))
    assert sum(painted) == PREVIEW_SECONDS * PREVIEW_RATE
    whole = studio.music.film(True, *given)
    told = [next(whole) for _ in range(3)]
    whole.close()
    assert len(told) == 3 and sum(painted) == PREVIEW_SECONDS * PREVIEW_RATE


def test_without_a_picture_of_ones_own_the_first_of_the_wall_is_reworked(studio):
    page, wall = studio.rework, studio.some(2, first=5)
    given = (None, "dream", STYLES[0], None, 1.0)
    with pytest.raises(gr.Error, match="no picture to work on"):
        next(page.descend(*given, None, [], 0, studio.name, "en", VISITOR))
    wish = page.wishes.one_more(VISITOR.session_hash)
    page.halt(VISITOR)
    (ended,) = page.descend(*given, None, wall, wish, studio.name, "en", VISITOR)  # stopped before its turn came
    assert not ended[page.stop].visible and ended[page.news] == ""
    before, wish = wish, page.wishes.one_more(VISITOR.session_hash)  # as the next click does
    (overtaken,) = page.descend(*given, None, wall, before, studio.name, "en", VISITOR)
    assert page.news not in overtaken  # the old order is not done in the place of the new one
    work = page.descend(*given, None, wall, wish, studio.name, "en", VISITOR)
    assert next(work)[page.stop].visible
    work.close()


def test_stop_ends_a_wall_whoever_asked_for_it(studio, monkeypatch):
    monkeypatch.setattr(paint, "MOMENT", 0.0)
    growing = studio.paint.repaint(**order(studio, near=None))
    assert studio.paint.wall.gallery in next(growing)
    assert not studio.paint.halt().visible
    assert list(growing) == []
    assert list(studio.paint.repaint(**order(studio)))  # what is asked for afterwards is painted


def test_a_parent_chosen_while_the_example_is_painted_stays(studio, monkeypatch):
    page, wall, shown = studio.breed, studio.some(8), StudioContext.show

    def show(context: StudioContext, *asked: Any) -> Any:
        found = shown(context, *asked)
        if len(asked[1]) == LITTER:
            page.part()  # as a click does
        return found

    monkeypatch.setattr(StudioContext, "show", show)
    assert page.begin([], wall, studio.name, "en") == gr.skip()
    monkeypatch.undo()
    assert len(page.begin([], wall, studio.name, "en")) == 5


def test_coming_to_steer_late_pulls_nobody_back(studio):
    updates = studio.steer.begin(None, None, studio.some(2), studio.name, "en")
    assert studio.steer.base in updates and studio.context.tabs not in updates


def test_a_film_of_ones_own_is_no_example_any_more(studio):
    chosen = studio.some(3)
    making = studio.film.shoot(chosen, 1.0, 12, 64, "mp4", False, False, studio.name, "en")
    assert next(making)[studio.film.example] is None
    making.close()
    assert studio.film.play(chosen, None, studio.name, "en") == gr.skip()


def test_what_was_said_is_said_again_in_another_language():
    english, chinese = (translate(language, "stopped-here", done=3, all=9) for language in ("en", "zh"))
    assert retold(f"<p>{english}</p>", ("reworked", "stopped-here"), "zh") == f"<p>{chinese}</p>"
    assert retold(chinese, ("stopped-here",), "en") == english == retold(english, ("work",), "zh")


@pytest.mark.parametrize("text", ["a" * 7_000_000, "1 of " * 1_000_000 + " pictures are painted", "1 of " * 590])
def test_no_text_that_a_stranger_sends_keeps_the_studio_busy(studio, text):
    began = time.monotonic()
    assert retold(text, ["curated-how", "painting", "found-it"], "zh")
    studio.prompt.told_again(studio.model, text, [("a.png", "0" * 2_000_000)], studio.some(1), "zh")
    assert time.monotonic() - began < 2 * slowness()


def test_nobody_is_told_seconds_that_cannot_be_known_yet():
    assert seconds_left(0, 0.01, 2, 0.3) is None and seconds_left(0, 0.5, 9, 0.5) is None
    assert seconds_left(10, 0.1, 20, 0.3) == pytest.approx(35)  # 0.02 a second, 0.7 to go


def test_a_way_shows_what_it_needs(studio):
    hint, style, picture, strength = studio.rework.explain_way("find", "en")
    assert hint and not (style.visible or picture.visible or strength.visible)
    assert studio.rework.explain_way("manner", "en")[2].visible


def test_the_button_of_a_kept_picture_lets_it_go(studio):
    from artmodels.studio.panel import keep_label

    (picked,) = studio.some(1)
    other = replace(parse_recipe_data(picked), truncation=0.7).to_data()
    labels = [keep_label(picked, held, "en").value for held in ([], [other], [other, picked])]
    assert labels[0] == labels[1] != labels[2]
