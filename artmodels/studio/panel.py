"""The panel beside all pages: the picture that the visitor picked, what can be done with it, and those kept."""

import html
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

import gradio as gr
from gradio.events import Dependency

from artmodels.generate.recipe import Recipe
from artmodels.generate.upscale import FACTORS
from artmodels.hub.load import LoadedModel
from artmodels.studio import handlers
from artmodels.studio.context import (
    MAX_RECIPES,
    PAINTING,
    QUICK,
    Pictures,
    StudioContext,
    Updates,
    as_data,
    clear_errors,
    figure,
    gentle,
    pick_from,
    read_picked,
    read_recipes_data,
)
from artmodels.studio.i18n import Complaint, translate

LARGE = 512  # px of the picture in the large view
COPY_JS = "(link) => { window.artmodels.copy(link, '%s'); return []; }"
SHARE_JS = "(link) => { window.artmodels.share(link); return []; }"
LINK_JS = "(link) => link?.startsWith('recipe=') ? location.origin + location.pathname + '?' + link : link"
PICKED_JS = f"(link) => {{ window.artmodels.follow(link); return ({LINK_JS})(link); }}"


@dataclass(frozen=True)
class Panel:
    """What the pages hang their own actions on."""

    context: StudioContext
    body: gr.Column
    image: gr.HTML
    caption: gr.HTML
    link: gr.Textbox
    factor: gr.Radio
    download: gr.DownloadButton
    keep: gr.Button
    near: gr.Button
    breed: gr.Button
    steer: gr.Button
    film: gr.Button
    coarse: gr.Button
    fine: gr.Button
    rework: gr.Button
    explain: gr.Button
    kept: Pictures
    kept_news: gr.HTML
    opener: gr.File
    link_box: gr.Textbox

    def show_after(self, event: Dependency) -> Dependency:
        """Once something is picked, the panel shows it."""
        context = self.context

        def show(picked: Any, factor: int, kept: Any, current: str, language: str) -> Updates:
            if not picked:
                return gr.skip()
            with clear_errors(language):
                recipe = read_picked(picked)
                model = context.model_of(current)
                factor = factor if factor in FACTORS else 1
                (image,) = handlers.paint_images(model, [recipe], context.paint)
                sizes = {large_factor(model), factor}
                files = {by: handlers.save_enlarged(model, context.save, recipe, image, by) for by in sizes}
                shown, path = files[large_factor(model)], files[factor]
                link = link_of(recipe, language)
            return {
                self.body: gr.Column(visible=True),
                self.image: figure(shown, handlers.caption(recipe, language), translate(language, "picked")),
                self.caption: picked_words(model, recipe, factor, language),
                self.link: link,
                self.download: gr.DownloadButton(value=path),
                self.keep: keep_label(picked, kept, language),
            }

        showing = {
            "fn": show,
            "inputs": [context.picked, self.factor, context.kept, context.current, context.language],
            "outputs": [self.body, self.image, self.caption, self.link, self.download, self.keep],
            **PAINTING,
        }
        return event.success(**gentle(showing)).success(
            None, self.link, self.link, js=PICKED_JS, api_visibility="private"
        )

    def show_kept_after(self, event: Dependency) -> Dependency:
        """Paint what is kept of the model that paints, and say how many are other models'."""
        context = self.context

        def show_kept(kept: Any, current: str, language: str) -> tuple[Any, ...]:
            with clear_errors(language):
                model = context.model_of(current)
                all_kept = read_recipes_data(kept)
                ours = [recipe for recipe in all_kept if fits(model, recipe)][::-1]
                wall, recipes = context.show(model, ours, language)
            others = len(all_kept) - len(ours)
            news = translate(language, "kept-none") if not all_kept else ""
            if others:
                news = translate(language, "kept-others", count=others)
            return wall, recipes, f"<p>{news}</p>" if news else ""

        inputs = [context.kept, context.current, context.language]
        showing = {"fn": show_kept, "inputs": inputs, "outputs": [*self.kept.parts, self.kept_news], **PAINTING}
        return event.success(**gentle(showing))


def build_panel(context: StudioContext) -> Panel:
    with gr.Column(visible=False, elem_id="picked-body") as body:
        context.add(gr.Button, {"value": "close"}, size="sm", min_width=60, elem_id="sheet-close")
        image = context.picture("picked")
        caption = gr.HTML("", elem_id="picked-caption", padding=False)
        with gr.Row(elem_id="actions"):
            keep = context.add(gr.Button, {"value": "keep"}, size="sm", variant="primary", min_width=90, elem_id="keep")
            near = context.add(gr.Button, {"value": "more-like"}, size="sm", min_width=90, elem_id="more-like")
            steer = context.add(gr.Button, {"value": "steer-it"}, size="sm", min_width=90, elem_id="steer-it")
            breed = context.add(gr.Button, {"value": "breed-it"}, size="sm", min_width=90, elem_id="breed-it")
            film = context.add(gr.Button, {"value": "film-it"}, size="sm", min_width=90, elem_id="film-it")
            coarse = context.add(gr.Button, {"value": "coarse-it"}, size="sm", min_width=90, elem_id="coarse-it")
            fine = context.add(gr.Button, {"value": "fine-it"}, size="sm", min_width=90, elem_id="fine-it")
            rework = context.add(gr.Button, {"value": "page-rework"}, size="sm", min_width=90, elem_id="rework-picked")
            explain = context.add(gr.Button, {"value": "explain-it"}, size="sm", min_width=90, elem_id="explain-it")
        with gr.Row(elem_id="take"):
            factor = context.add(
                gr.Radio,
                {"label": "size"},
                choices=[(f"{factor}×", factor) for factor in FACTORS],
                value=1,
                elem_id="factor",
                elem_classes="pills",
                min_width=120,
            )
            download = context.add(
                gr.DownloadButton, {"label": "download"}, variant="primary", min_width=110, elem_id="download"
            )
        link = link_field(context, "link", "link-info", "link")
    context.add(gr.HTML, {"value": "pick-hint"}, elem_id="pick-hint", padding=False)
    context.add(gr.HTML, {"value": "kept-title"}, elem_id="kept-title", padding=False)
    kept = context.pictures("kept", "kept")
    kept_news = context.add(gr.HTML, {"value": "kept-none-html"}, elem_id="kept-news", padding=False)
    with context.add(gr.Accordion, {"label": "open"}, open=False, elem_id="open"):
        opener = context.add(
            gr.File, {"label": "open-file"}, file_types=[".png"], type="filepath", height=110, elem_id="opener"
        )
        link_box = context.add(
            gr.Textbox, {"label": "open-link", "placeholder": "open-link-hint"}, max_lines=1, elem_id="link-box"
        )
    panel = Panel(
        context, body, image, caption, link, factor, download, keep, near, breed, steer, film, coarse, fine,
        rework, explain, kept, kept_news, opener, link_box,
    )  # fmt: skip

    def toggle(picked: Any, kept: Any, language: str) -> list[dict[str, Any]]:
        with clear_errors(language):
            recipe = read_picked(picked)
            held = read_recipes_data(kept)
            if recipe in held:
                return as_data([other for other in held if other != recipe])
            if len(held) >= MAX_RECIPES:
                raise Complaint("kept-full", most=MAX_RECIPES)
        return as_data([*held, recipe])

    kept_changed = keep.click(toggle, [context.picked, context.kept, context.language], context.kept, **QUICK)
    context.tell_tabs(kept_changed, context.kept, "kept")
    panel.show_kept_after(kept_changed)
    kept_changed.success(keep_label, [context.picked, context.kept, context.language], keep, **QUICK)
    panel.show_after(factor.input(lambda: None, None, None, **QUICK))
    panel.show_after(pick_from(context, kept))
    return panel


def keep_label(picked: Any, kept: Any, language: str) -> gr.Button:
    """What the button does with the picture in the panel: keep it, or let it go again."""
    with clear_errors(language):
        held = read_picked(picked) in read_recipes_data(kept)
    return gr.Button(translate(language, "kept-already" if held else "keep"))


def large_factor(model: LoadedModel) -> int:
    """By how much a picture is enlarged for the large view: to 512 px or as near as may be."""
    return next((by for by in FACTORS if by * model.generator.config.resolution >= LARGE), FACTORS[-1])


def link_field(context: StudioContext, label: str, info: str, elem_id: str) -> gr.Textbox:
    """A link to read and a button that copies it; Gradio's own button would take the label away from the field."""
    with gr.Row(elem_classes="link-row"):
        link = context.add(
            gr.Textbox, {"label": label, "info": info}, interactive=False, lines=1, max_lines=1, elem_id=elem_id
        )
        copy = context.add(gr.Button, {"value": "copy"}, size="sm", min_width=70, elem_id=f"{elem_id}-copy")
        share = context.add(gr.Button, {"value": "share"}, size="sm", min_width=70, elem_classes="share")
    copy.click(None, link, None, js=COPY_JS % elem_id, api_visibility="private")
    share.click(None, link, None, js=SHARE_JS, api_visibility="private")
    return link


def fits(model: LoadedModel, recipe: Recipe) -> bool:
    """Whether the model can paint the recipe as it was painted."""
    try:
        handlers.check_model(model, recipe)
        handlers.style_weights_of(model, recipe.style_weights)
    except ValueError:
        return False
    return True


def those_of(model: LoadedModel, data: Any) -> list[Recipe]:
    """The recipes that the page or the browser kept, of this model alone."""
    return [recipe for recipe in read_recipes_data(data) if fits(model, recipe)]


def picked_and_chosen(model: LoadedModel, picked: Any, chosen: Any) -> tuple[Recipe, list[Recipe]]:
    """The picture in the panel, which must be this model's, and those of the model that were chosen before.

    Raises:
        ValueError: nothing is picked, or another model's picture.
    """
    recipe = read_picked(picked)
    handlers.check_model(model, recipe)
    return recipe, those_of(model, chosen)


def link_of(recipe: Recipe, language: str, **more: str) -> str:
    """The query of a link to a picture, which the page puts its own address before; or that it is too long for one."""
    try:
        return urlencode({"recipe": recipe.to_link(), **more})
    except ValueError:
        return translate(language, "link-too-long")


def picked_words(model: LoadedModel, recipe: Recipe, factor: int, language: str) -> str:
    """What stands below the picked picture."""
    pixels = model.generator.config.resolution * factor
    size = translate(language, "picture-size", pixels=pixels)
    return f"<p><strong>{html.escape(handlers.caption(recipe, language))}</strong></p><p>{html.escape(size)}</p>"
