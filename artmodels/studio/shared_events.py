"""What concerns all pages together: another model, another language, and what a visitor finds on arrival."""

import html
import importlib.util
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from typing import Any

import gradio as gr
from gradio.events import Dependency

from artmodels.hub.download import hub_label
from artmodels.hub.load import LoadedModel
from artmodels.studio import handlers
from artmodels.studio.context import (
    QUICK,
    StudioContext,
    Updates,
    clear_errors,
    named_again,
    only_if,
    progress_words,
    read_picked,
    warn,
)
from artmodels.studio.i18n import DEFAULT_LANGUAGE, LANGUAGES, retold, style_word, translate, translate_error
from artmodels.studio.pages.blend import BlendPage, design_updates, first_mix
from artmodels.studio.pages.breed import BreedPage
from artmodels.studio.pages.dance import DancePage
from artmodels.studio.pages.explain import ExplainPage
from artmodels.studio.pages.film import FilmPage
from artmodels.studio.pages.music import MusicPage, mode_choices
from artmodels.studio.pages.paint import PaintPage, designs_of, named_styles, style_choices
from artmodels.studio.pages.photo import PhotoPage, sample_shelf
from artmodels.studio.pages.prompt import PromptPage, hint_words
from artmodels.studio.pages.rework import ReworkPage, hint_of_way, way_choices
from artmodels.studio.pages.score_dials import ScoreDials, first_styles
from artmodels.studio.pages.steer import SteerPage, direction_word, effects_table, names_of
from artmodels.studio.panel import Panel
from artmodels.studio.recipe_opener import RecipeOpener, open_query

MCP = importlib.util.find_spec("mcp") is not None  # Gradio's extra; without it the page says why there is none
LOADERS = 4  # visitors who may wait for models at once
LOOK_EVERY = 0.2  # seconds
ARRIVE_JS = """(query, language, current, designs) => {
  const spoken = window.artmodels.language();
  document.documentElement.lang = spoken === 'zh' ? 'zh' : 'en';
  return [location.search, spoken, current, designs];
}"""
TOLD_JS = "(...stored) => window.artmodels.toldByTabs(...stored)"
BACK_JS = "(query, current, language) => [location.search, current, language]"
LANGUAGE_JS = """(language) => {
  try { localStorage.setItem('artmodels-language', language); } catch (error) {}
  document.documentElement.lang = language;
  for (const button of document.querySelectorAll('.toast-close')) button.click();  // they are of the old language
  return language;
}"""


@dataclass(frozen=True)
class Pages:
    """All pages, for what concerns them together."""

    paint: PaintPage
    photo: PhotoPage
    blend: BlendPage
    breed: BreedPage
    steer: SteerPage
    film: FilmPage
    music: MusicPage
    dance: DancePage
    prompt: PromptPage
    rework: ReworkPage
    explain: ExplainPage
    panel: Panel

    @property
    def dials(self) -> list[ScoreDials]:
        """Of the pages whose films move with something."""
        return [self.music.dials, self.dance.dials]


def connect_models(
    context: StudioContext, pages: Pages, opener: RecipeOpener, choice: gr.Dropdown, news: gr.HTML, words: list[gr.HTML]
) -> None:
    """Another model: it is fetched while the page goes on, then every page begins anew with it."""
    loaders = ThreadPoolExecutor(LOADERS, "loader")

    def change_model(chosen: str, current: str, language: str) -> Iterator[Updates]:
        """Fetch a model, telling how far it is; on a failure the current one stays."""
        if not chosen or chosen == current:
            yield {news: ""}
            return
        progress: SimpleQueue[float] = SimpleQueue()
        coming = loaders.submit(context.models.load, chosen, progress.put)
        share = 0.0
        yield {news: fetching_words(chosen, share, language)}
        while not coming.done():
            try:
                share = progress.get(timeout=LOOK_EVERY)
                while not progress.empty():
                    share = progress.get()
            except Empty:
                continue
            yield {news: fetching_words(chosen, share, language)}
        try:
            model = coming.result()
        except (ValueError, OSError) as error:
            yield {news: trouble_words(error, language), choice: gr.Dropdown(value=current)}
            return
        name, names = model.label, context.models.names
        choices = choices_of(names if name in names else [*names, name])
        yield {news: "", choice: gr.Dropdown(value=name, choices=choices), context.current: name}

    paint, blend, steer, panel = pages.paint, pages.blend, pages.steer, pages.panel
    galleries = (pages.breed.parents, pages.breed.litter, pages.film.reel, blend.cuts)
    emptied = [part for gallery in galleries for part in gallery.parts]

    def begin_anew(current: str, before: str, designs: Any, language: str) -> Updates:
        if current == before:  # nothing has changed, or the fetching failed
            return {changed: ""}
        model = context.model_of(current)
        mixed = blend.mixed(model, first_mix(model), language)
        mine, style = design_updates(model, designs, None, language, handlers.first_style(model))
        styles = named_styles(model, language)
        slots = gr.Dropdown(choices=styles, value=mixed[blend.slots], visible=len(styles) > len(blend.sliders))
        masthead, colophon = words
        return {
            changed: current,
            served: current,
            paint.style: style,
            blend.mine: mine,
            blend.chosen_slots: slots,
            **mixed,
            **steer.levelled(model, language),
            steer.base: None,
            steer.before: "",
            steer.after: "",
            paint.near: None,
            paint.near_bar: gr.Row(visible=False),
            context.picked: None,
            panel.body: gr.Column(visible=False),
            **{part: [] for part in emptied},
            masthead: masthead_words(model, language),
            colophon: colophon_words(model, language),
        }

    served = gr.Textbox(context.models.names[0], visible=False)  # the model that the pages stand on
    changed = gr.Textbox("", visible=False)  # the model that has just come, empty if none has
    anew = [
        changed,
        served,
        paint.style,
        blend.mine,
        blend.chosen_slots,
        blend.slots,
        *blend.sliders,
        *steer.parts,
        steer.base,
        steer.before,
        steer.after,
        paint.near,
        paint.near_bar,
        context.picked,
        panel.body,
        *emptied,
        *words,
    ]

    def follow(event: Dependency) -> None:
        """Begin anew on all pages, then open what waited for this model."""
        begun = event.success(begin_anew, [context.current, served, context.designs, context.language], anew, **QUICK)
        waited = begun.success(
            open_waiting, [opener.waiting, context.current, context.language], opener.outputs, **QUICK
        )
        waited.then(**only_if(changed, paint.repainting))
        blend.linked(waited.then(**only_if(changed, blend.repainting)))
        panel.show_kept_after(waited)
        pages.breed.show_family_after(waited)
        panel.show_after(waited)
        pages.explain.tell_after(begun)
        for page in (pages.prompt, pages.rework, pages.photo):
            page.begin_anew_after(begun, changed)
        for dials in pages.dials:
            dials.begin_anew_after(begun, changed)

    def open_waiting(waiting: Any, current: str, language: str) -> Updates:
        if not waiting:
            return gr.skip()
        with clear_errors(language):
            return opener.open(read_picked(waiting), {}, context.model_of(current), language)

    fetching = {
        "fn": change_model,
        "outputs": [news, choice, context.current],
        "concurrency_id": "loading",
        "concurrency_limit": LOADERS,
        "show_progress": "hidden",
        "api_visibility": "private",
    }
    chosen = choice.input(lambda: (None, gr.Row(visible=False)), None, [opener.waiting, opener.bar], **QUICK)
    follow(chosen.then(inputs=[choice, context.current, context.language], trigger_mode="always_last", **fetching))

    def wanted(waiting: Any, language: str) -> str:
        with clear_errors(language):
            recipe = read_picked(waiting)
        return hub_label(recipe.model, recipe.revision)

    asked = opener.load.click(wanted, [opener.waiting, context.language], opener.wanted, **QUICK)
    follow(asked.success(inputs=[opener.wanted, context.current, context.language], **fetching))


def connect_language(
    studio: gr.Blocks,
    context: StudioContext,
    pages: Pages,
    opener: RecipeOpener,
    tongue: gr.Radio,
    words: list[gr.HTML],
) -> None:
    """Whoever comes is spoken to as the browser or an earlier visit says, and finds what the link carries."""

    def speak(
        language: str,
        style: str,
        way: str,
        slots: list[str],
        shelf: Any,
        current: str,
        designs: Any,
        picked: Any,
        told: str,
        said_news: str,
        said_wall: Any,
        said_recipes: Any,
        reworked: str,
        work: str,
        curve: str,
        *hanging: Any,
    ) -> Updates:
        model = context.model_of(current)
        rework, masthead, colophon = pages.rework, *words
        styles = named_styles(model, language)
        turned = [direction_word(name, language) for name in names_of(model)]
        mixed = [style_word(name, language) for name in slots]
        said = {part: _said(keys, language) for part, keys in context.spoken}
        besides: dict[gr.blocks.Block, dict[str, Any]] = {
            pages.paint.style: {"choices": style_choices(model, designs, language), "value": style},
            pages.paint.status: {"value": retold(told or "", ["curated-how", "painting"], language)},
            pages.photo.styles: {"value": pages.photo.named_again(model, shelf, language)},
            pages.photo.offered: {"value": sample_shelf(pages.photo.samples, language)},
            masthead: {"value": masthead_words(model, language)},
            colophon: {"value": colophon_words(model, language)},
            pages.steer.table: {"value": effects_table(model.directions, language)},
            **{slider: {"label": name} for slider, name in zip(pages.steer.sliders, turned, strict=False)},
            **{slider: {"label": name} for slider, name in zip(pages.blend.sliders, mixed, strict=False)},
            pages.blend.chosen_slots: {"choices": styles},
            rework.way: {"choices": way_choices(language), "value": way},
            pages.music.mode: {"choices": mode_choices(language)},
            **{dials.style: {"choices": first_styles(model, language)} for dials in pages.dials},
            rework.hint: {"value": hint_of_way(way, language)},
            rework.style: {"choices": styles},
            pages.prompt.hint: {"value": hint_words(model, language)},
            **pages.prompt.told_again(model, said_news, said_wall, said_recipes, language),
            **rework.told_again(reworked, work, curve, language),
            **{
                wall.gallery: named_again(shown, recipes, picked, language)
                for wall, shown, recipes in zip(context.walls, hanging[::2], hanging[1::2], strict=True)
            },
        }
        return {part: gr.update(**said.get(part, {}), **besides.get(part, {})) for part in said | besides}

    spoken = {
        "fn": speak,
        "inputs": [
            *(context.language, pages.paint.style, pages.rework.way, pages.blend.slots, pages.photo.styles),
            *(context.current, context.designs, context.picked, pages.paint.status),
            *(pages.prompt.news, *pages.prompt.wall.parts),
            *(pages.rework.news, pages.rework.work, pages.rework.curve),
            *(part for wall in context.walls for part in wall.parts),
        ],
        "outputs": list(
            dict.fromkeys(
                [
                    *(part for part, _ in context.spoken),
                    *(pages.paint.style, pages.photo.styles, pages.steer.table, pages.blend.chosen_slots),
                    *(pages.rework.way, pages.rework.hint, pages.rework.style, pages.prompt.hint),
                    *(pages.paint.status, pages.prompt.news, pages.prompt.wall.gallery),
                    *(pages.rework.news, pages.rework.work, pages.rework.curve),
                    *(pages.music.mode, *(dials.style for dials in pages.dials)),
                    *(*words, *pages.steer.sliders, *pages.blend.sliders),
                ]
            )
        ),
        **QUICK,
    }
    switched = tongue.input(lambda code: code, tongue, context.language, js=LANGUAGE_JS, **QUICK).then(**spoken)
    pages.panel.show_after(switched)
    pages.panel.show_kept_after(switched)
    pages.explain.tell_after(switched)

    def arrive(asked: str, code: str, current: str, designs: Any) -> Updates:
        """Only what differs from the page as it came is set: the visitor may have begun already."""
        language, model = code if code in LANGUAGES else DEFAULT_LANGUAGE, context.model_of(current)
        updates: Updates = {query: asked}
        if language != DEFAULT_LANGUAGE:
            updates |= {context.language: language, tongue: language}
        if designs_of(model, designs):
            mine, style = design_updates(model, designs, None, language)
            updates |= {pages.blend.mine: mine, pages.paint.style: style}
        return updates

    def speak_if_foreign(language: str, *state: Any) -> Updates:
        return speak(language, *state) if language != DEFAULT_LANGUAGE else gr.skip()

    def follow_link(query: str, current: str, language: str) -> Updates:
        return open_query(opener, query, current, language)

    def pick_again(query: str, current: str, language: str) -> Any:
        """The picture of an address that one goes back to; the wall stays as it is."""
        try:
            model = context.model_of(current)
            recipe, _ = handlers.recipe_of_text(query, model)
            handlers.check_model(model, recipe)
            return recipe.to_data()
        except (ValueError, OSError) as error:
            warn(error, language)
            return gr.skip()

    query = gr.Textbox("", visible=False)
    arrived = studio.load(
        arrive,
        [query, context.language, context.current, context.designs],
        [query, context.language, tongue, pages.blend.mine, pages.paint.style],
        js=ARRIVE_JS,
        **QUICK,
    )
    greeted = arrived.then(**{**spoken, "fn": speak_if_foreign})
    pages.panel.show_kept_after(greeted)
    pages.breed.show_family_after(greeted)
    followed = greeted.then(follow_link, [query, context.current, context.language], opener.outputs, **QUICK)
    opener.show_after(followed)
    stored: list[gr.blocks.Block] = [context.kept, context.designs, context.family]
    elsewhere = gr.Button("⇄", elem_id="elsewhere", elem_classes="out-of-sight")  # pressed when another tab stores
    told = elsewhere.click(None, stored, stored, js=TOLD_JS, api_visibility="private")

    told.success(
        lambda current, *own: design_updates(context.model_of(current), *own),
        [context.current, context.designs, pages.blend.mine, context.language],
        [pages.blend.mine, pages.paint.style],
        **QUICK,
    )
    pages.panel.show_kept_after(told)
    pages.breed.show_family_after(told)
    back = gr.Button("↩", elem_id="address", elem_classes="out-of-sight")  # the page presses it when one goes back
    inputs = [query, context.current, context.language]
    going = back.click(pick_again, inputs, context.picked, js=BACK_JS, trigger_mode="always_last", **QUICK)
    pages.panel.show_after(going)


def _said(words: dict[str, str], language: str) -> dict[str, Any]:
    """The properties of a component that are words."""
    return {name: translate(language, key) for name, key in words.items()}


def choices_of(names: list[str]) -> list[tuple[str, str]]:
    """Models as the box shows them, with a commit's first digits only, and as they are called."""
    return [(re.sub(r"(@[0-9a-f]{7})[0-9a-f]{33}$", r"\1", name), name) for name in names]


def masthead_words(model: LoadedModel, language: str) -> str:
    return f"<h1>ArtModels</h1><p>{introduction(model, language)}</p>"


def introduction(model: LoadedModel, language: str) -> str:
    """What the studio is, in two sentences of plain text."""
    count = len(model.generator.config.styles)
    return translate(language, "masthead" if count > 1 else "masthead-one", count=count)


def fetching_words(name: str, share: float, language: str) -> str:
    words = translate(language, "fetching", name=f"<strong>{html.escape(name[:120])}</strong>")
    return progress_words(words, share)


def trouble_words(error: Exception, language: str) -> str:
    return f'<p role="status">{html.escape(translate_error(error, language))}. {translate(language, "model-stays")}</p>'


def colophon_words(model: LoadedModel, language: str) -> str:
    """What is known of the model and of its rights, and how programs reach the studio."""
    config, said = model.generator.config, model.statement
    silent = translate(language, "not-stated")
    values = {
        "name": f"<strong>{html.escape(model.name)}</strong>",
        "resolution": config.resolution,
        "weights": f"{model.generator.parameter_count:,}",
        "license": html.escape(said.license or silent),
        "pictures": html.escape((said.data_license or said.provenance or silent)[:500]),
        "mcp": translate(language, "mcp-on" if MCP else "mcp-off"),
    }
    known = "".join(f"<p>{translate(language, key, **values)}</p>" for key in ("colophon-model", "colophon-rights"))
    programs = f"<summary>{translate(language, 'programs')}</summary><p>{translate(language, 'colophon-api', **values)}"
    return f"{known}<details>{programs}</p></details>"
