"""A picture or a link that a visitor opens: every control as it stood, and the very picture."""

import html
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import parse_qsl

import gradio as gr
from gradio.events import Dependency

from artmodels.generate.recipe import Recipe, Shift
from artmodels.hub.download import hub_label, parse_hub_id
from artmodels.hub.load import LoadedModel
from artmodels.studio import handlers
from artmodels.studio.context import (
    PAINTING,
    QUICK,
    StudioContext,
    Updates,
    as_data,
    clear_errors,
    only_if,
    read_picked,
    warn,
)
from artmodels.studio.i18n import translate
from artmodels.studio.pages.blend import MAX_NAME, BlendPage
from artmodels.studio.pages.paint import PaintPage
from artmodels.studio.pages.steer import SteerPage
from artmodels.studio.panel import Panel
from artmodels.studio.uploads import take_recipe

PAGES = ("paint", "photo", "blend", "breed", "steer", "film", "say", "rework", "explain")


@dataclass(frozen=True)
class RecipeOpener:
    """The controls that a recipe sets, and the bar that offers what to do when it is another model's."""

    context: StudioContext
    paint_page: PaintPage
    blend_page: BlendPage
    steer_page: SteerPage
    panel: Panel
    bar: gr.Row
    offer: gr.HTML
    load: gr.Button
    repaint: gr.Button
    waiting: gr.JSON  # a recipe that cannot be opened with the model at hand
    wanted: gr.Textbox  # label of the model to load for it
    opened: gr.Textbox  # the page that the last recipe belongs to

    @property
    def outputs(self) -> list[gr.blocks.Block]:
        paint, blend = self.paint_page, self.blend_page
        return [
            self.context.picked,
            self.waiting,
            self.opened,
            self.bar,
            self.offer,
            self.load,
            self.repaint,
            self.context.tabs,
            paint.style,
            paint.seed,
            paint.truncation,
            paint.shared,
            paint.near,
            paint.near_bar,
            blend.slots,
            *blend.sliders,
            blend.seed,
            blend.truncation,
            blend.name,
        ]

    def open(self, recipe: Recipe, parts: Mapping[str, str], model: LoadedModel, language: str) -> Updates:
        """Updates of `outputs`: the recipe's controls, or an offer where it is another model's.

        Raises:
            ValueError: the recipe names a style that its own model has not.
        """
        if recipe.weights_sha256 != model.weights_sha256:
            return self._offered(recipe, model, language)
        weights = handlers.style_weights_of(model, recipe.style_weights)
        main, seed = max(weights, key=lambda style: weights[style]), recipe.latents[0].seed
        page = parts.get("open", "")
        if page not in PAGES:
            steered = any(isinstance(edit, Shift) for edit in recipe.edits)
            page = "steer" if steered else "blend" if len(weights) > 1 else "paint"
        paint, blend, truncation = self.paint_page, self.blend_page, recipe.truncation
        updates: Updates = {
            self.context.picked: as_data([recipe])[0],
            self.waiting: None,
            self.opened: page,
            self.bar: gr.Row(visible=False),
            self.offer: "",
            self.context.tabs: self.context.go(page),
            paint.seed: seed,
            paint.truncation: truncation,
            paint.near: None,
            paint.near_bar: gr.Row(visible=False),
            **blend.mixed(model, weights, language),
            blend.seed: seed,
            blend.truncation: truncation,
            blend.name: parts.get("name", "")[:MAX_NAME],
        }
        if len(weights) == 1:
            updates |= {paint.style: gr.Radio(value=main), paint.shared: recipe.latents[0].of is None}
        return updates

    def _offered(self, recipe: Recipe, model: LoadedModel, language: str) -> Updates:
        wanted = hub_label(recipe.model, recipe.revision)
        replaced = recipe.model == model.name and recipe.revision == model.revision
        key = "offer-replaced" if replaced else "offer-load" if self.can_load(recipe) else "offer-none"
        words = translate(language, key, wanted=html.escape(wanted[:150]), model=html.escape(model.name))
        return {
            self.waiting: as_data([recipe])[0],
            self.opened: "",
            self.bar: gr.Row(visible=True),
            self.offer: f'<p role="status">{words}</p>',
            self.load: gr.Button(visible=key == "offer-load"),
            self.repaint: gr.Button(visible=key != "offer-load"),
        }

    def can_load(self, recipe: Recipe) -> bool:
        """Whether its model is one of the app's, or has the form of one on the Hub."""
        wanted = hub_label(recipe.model, recipe.revision)
        if wanted in self.context.models.names:
            return True
        with suppress(ValueError):
            parse_hub_id(wanted)
            return recipe.revision is not None
        return False

    def show_after(self, event: Dependency) -> Dependency:
        """Repaint what was opened, if anything was: the panel, and the page that it belongs to."""
        self.panel.show_after(event)
        steer_page = self.steer_page
        context = self.context

        def put(opened: str, picked: Any, current: str, language: str) -> Updates:
            return steer_page.put(picked, current, language) if opened == "steer" else gr.skip()

        event.success(
            put, [self.opened, context.picked, context.current, context.language], steer_page.put_outputs, **PAINTING
        )
        self.blend_page.linked(event.then(**only_if(self.opened, self.blend_page.repainting)))
        return event.then(**only_if(self.opened, self.paint_page.repainting))


def build_offer(
    context: StudioContext,
) -> tuple[gr.Row, gr.HTML, gr.Button, gr.Button, gr.JSON, gr.Textbox, gr.Textbox]:
    """The bar above the pages, hidden until a recipe of another model is opened: `RecipeOpener` from `bar` on."""
    with gr.Row(visible=False, elem_id="offer-bar") as bar:
        offer = gr.HTML("", elem_id="offer", padding=False)
        load = context.add(
            gr.Button, {"value": "load-it"}, size="sm", variant="primary", min_width=120, elem_id="load-it"
        )
        repaint = context.add(gr.Button, {"value": "repaint-it"}, size="sm", min_width=160, elem_id="repaint-it")
    hidden = gr.JSON(None, visible=False), gr.Textbox("", visible=False), gr.Textbox("", visible=False)
    return bar, offer, load, repaint, *hidden


def connect_recipe_opener(opener: RecipeOpener) -> None:
    """What happens on an upload, on a pasted link, and on the offer to repaint."""
    context, panel = opener.context, opener.panel

    def open_file(path: str | None, current: str, language: str) -> Updates:
        if not path:
            return gr.skip()
        try:
            opened = opener.open(take_recipe(context.files, path), {}, context.model_of(current), language)
            return {**opened, panel.opener: None}
        except (ValueError, OSError) as error:  # told, and the field is empty for the next try
            warn(error, language)
            return {panel.opener: None}

    def open_link(text: str, current: str, language: str) -> Updates:
        with clear_errors(language):
            model = context.model_of(current)
            return {**opener.open(*handlers.recipe_of_text(text, model), model, language), panel.link_box: ""}

    def repaint_with_today(waiting: Any, current: str, language: str) -> Updates:
        """The recipe as if this model's weights were its own; what does not fit them is left out."""
        with clear_errors(language):
            recipe, model = read_picked(waiting), context.model_of(current)
            known = {
                style: share for style, share in recipe.style_weights.items() if style in model.generator.config.styles
            }
            weights = handlers.style_weights_of(model, known or {model.generator.config.styles[0]: 1.0})
            adapted = replace(
                recipe,
                model=model.name,
                revision=model.revision,
                weights_sha256=model.weights_sha256,
                style_weights=weights,
                edits=(),
            )
            return opener.open(adapted, {}, model, language)

    inputs = [context.current, context.language]
    opener.show_after(panel.opener.upload(open_file, [panel.opener, *inputs], [*opener.outputs, panel.opener], **QUICK))
    opener.show_after(
        panel.link_box.submit(open_link, [panel.link_box, *inputs], [*opener.outputs, panel.link_box], **QUICK)
    )
    opener.show_after(opener.repaint.click(repaint_with_today, [opener.waiting, *inputs], opener.outputs, **QUICK))


def open_query(opener: RecipeOpener, query: str, current: str, language: str) -> Updates:
    """What the address of the page asks for; a damaged link is told and changes nothing."""
    if not (dict(parse_qsl((query or "").lstrip("?"))).keys() & {"recipe", *handlers.SHORT_LINK}):
        return gr.skip()
    try:
        model = opener.context.model_of(current)
        return opener.open(*handlers.recipe_of_text(query, model), model, language)
    except (ValueError, OSError) as error:
        warn(error, language)
        return gr.skip()
