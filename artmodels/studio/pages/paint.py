"""The first page: a wall of pictures from seeds, or near one picture."""

import html
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import gradio as gr
from PIL import Image

from artmodels.generate.mixing import neighbours
from artmodels.generate.recipe import Recipe
from artmodels.hub.load import LoadedModel
from artmodels.models.generator import MAX_TRUNCATION
from artmodels.studio import handlers
from artmodels.studio.context import (
    PAINTING,
    QUICK,
    RANDOM_SEED_JS,
    Pictures,
    StudioContext,
    Updates,
    as_data,
    clear_errors,
    gentle,
    pick_from,
    read_picked,
    read_recipes_data,
)
from artmodels.studio.dial import dial
from artmodels.studio.handlers import FIRST_COUNT, FIRST_SEED, FIRST_TRUNCATION
from artmodels.studio.i18n import DEFAULT_LANGUAGE, style_word, translate
from artmodels.studio.panel import Panel
from artmodels.studio.visitors import Wishes, visitor

FIRST_DISTANCE = 0.4
MOMENT = 0.6  # seconds of painting after which a visitor sees what is there
MAX_HISTORY = 50
ORDER = ("style", "seed", "count", "truncation", "shared", "near", "distance")  # what a wall is ordered by
MAX_DESIGNS = 50  # styles of a visitor
FETCH_JS = "() => setTimeout(() => document.querySelector('#zip-file').click(), 150)"
STAR = "★ "  # before the name of a style that the visitor made


@dataclass(frozen=True)
class PaintPage:
    """The parts of the page, and what happens on it."""

    context: StudioContext
    style: gr.Radio
    seed: gr.Number
    count: gr.Slider
    truncation: gr.Slider
    shared: gr.Checkbox
    dice: gr.Button
    undo: gr.Button
    archive: gr.Button
    archive_file: gr.DownloadButton
    stop: gr.Button
    status: gr.HTML
    near: gr.JSON
    near_bar: gr.Row
    near_news: gr.HTML
    distance: gr.Slider
    leave: gr.Button
    wall: Pictures
    history: gr.JSON
    wishes: Wishes

    @property
    def controls(self) -> list[gr.blocks.Block]:
        """What an order is made of, as `ORDER` names it."""
        return [self.style, self.seed, self.count, self.truncation, self.shared, self.near, self.distance]

    @property
    def repainting(self) -> dict[str, Any]:
        """The event that paints what the controls say."""
        context = self.context
        return {
            "fn": self.repaint,
            "inputs": [
                *self.controls,
                *(context.current, context.designs, self.history, self.wall.recipes, context.picked, context.language),
            ],
            "outputs": [*self.wall.parts, self.style, self.status, self.stop, self.history, self.undo],
            **PAINTING,
        }

    def repaint(
        self,
        style: str,
        seed: float,
        count: float,
        truncation: float,
        shared: bool,
        near: Any,
        distance: float,
        current: str,
        designs: Any,
        orders: Any,
        hanging: Any,
        picked: Any,
        language: str,
    ) -> Iterator[Updates]:
        """Paint what the controls say; when it takes longer than a moment, the wall grows and may be stopped.

        Whatever is asked for later ends it: of two that paint beside each other the first may be the last to end. What
        hangs already stays: leaving the seed's field for the dice asks for the old wall beside the new one.
        """
        context, wall = self.context, self.wall
        with clear_errors(language):
            model = context.model_of(current)
            wanted_style = anew_if_rolled(style, seed, shared, near, orders)
            if wanted_style != style:  # told at once, and else never: the visitor may have clicked on another since
                yield {self.style: wanted_style}
            style = wanted_style
            chosen = style_named(model, style, designs)
            recipes = _ordered(model, chosen, seed, count, truncation, bool(shared), near, distance)
            overtaken = self.wishes.begin(visitor())
            seen, grown, wanted = time.monotonic(), [], as_data(recipes)
            growing = context.on_walls.growing(model, recipes, language)
            for grown in growing if wanted != hanging else ():
                if overtaken():
                    return
                if time.monotonic() - seen > MOMENT and len(grown) < len(recipes):
                    seen = time.monotonic()
                    news = translate(language, "painting", done=len(grown), all=len(recipes))
                    yield {
                        wall.gallery: context.hung(grown, wanted[: len(grown)], picked),
                        wall.recipes: wanted[: len(grown)],
                        self.status: f'<p role="status">{news}</p>',
                        self.stop: gr.Button(visible=True),
                    }
        orders = _remember(orders, _order(style, seed, count, truncation, bool(shared), near or None, distance))
        updates: Updates = {
            self.status: "" if near else curated_words(model, style, language),
            self.stop: gr.Button(visible=False),
            self.history: orders,
            self.undo: gr.Button(interactive=len(orders) > 1),
        }
        if grown:
            updates |= {wall.gallery: context.hung(grown, wanted, picked), wall.recipes: wanted}
        yield updates

    def step_back(self, orders: Any, current: str, designs: Any, language: str) -> Updates:
        """The controls as they were before the last wall."""
        if not isinstance(orders, list) or len(orders) < 2:
            return gr.skip()
        order, model = orders[-2], self.context.model_of(current)
        known = [value for _, value in style_choices(model, designs, language)]
        style = order["style"] if order["style"] in known else handlers.ALL_STYLES
        return {
            **{part: order[name] for part, name in zip(self.controls, ORDER, strict=True)},
            self.style: style,
            self.near_bar: gr.Row(visible=order["near"] is not None),
            self.near_news: near_words(order["near"], language),
            self.history: orders[:-1],
        }

    def pack(self, recipes: Any, current: str, language: str) -> str:
        """The wall as a zip."""
        context = self.context
        with clear_errors(language):
            content = handlers.wall_zip(context.model_of(current), read_recipes_data(recipes), context.paint)
        return context.save(content, "artmodels-wall.zip")

    def look_near(self, picked: Any, language: str) -> Updates:
        """The wall is of pictures near this one from now on."""
        return {
            self.near: picked,
            self.near_news: near_words(picked, language),
            self.near_bar: gr.Row(visible=True),
            self.context.tabs: self.context.go("paint"),
        }

    def leave_near(self) -> Updates:
        return {self.near: None, self.near_bar: gr.Row(visible=False)}

    def halt(self) -> gr.Button:
        """Whatever is being painted for this wall ends, whoever asked for it."""
        self.wishes.begin(visitor())
        return gr.Button(visible=False)

    def show_seeds(self) -> Updates:
        """This page, with a wall of seeds."""
        return {**self.leave_near(), self.context.tabs: self.context.go("paint")}

    def connect(self) -> None:
        context, repainting = self.context, self.repainting
        seed, stop, leave = self.seed, self.stop, self.leave
        changed = gr.on(
            [
                *(self.style.input, seed.submit, seed.blur, self.count.input, self.truncation.input),
                *(self.shared.input, self.distance.input),
            ],
            **gentle(repainting),
        )
        drawn = self.dice.click(None, None, seed, js=RANDOM_SEED_JS, api_visibility="private")
        rolled = drawn.then(**gentle(repainting))  # the wall is the field's last seed's
        left = leave.click(self.leave_near, None, [self.near, self.near_bar], **QUICK)
        left = left.then(**gentle(repainting))
        undone = self.undo.click(
            self.step_back,
            [self.history, context.current, context.designs, context.language],
            [*self.controls, self.near_bar, self.near_news, self.history],
            **QUICK,
        ).then(**gentle(repainting))
        stop.click(self.halt, None, stop, cancels=[changed, rolled, left, undone], **QUICK)
        packing = [self.wall.recipes, context.current, context.language]
        self.archive.click(self.pack, packing, self.archive_file, **PAINTING).success(
            None, None, None, js=FETCH_JS, api_visibility="private"
        )

    def connect_panel(self, panel: Panel) -> None:
        """What the panel does on this page."""
        context = self.context
        panel.show_after(pick_from(context, self.wall))
        near: list[gr.blocks.Block] = [self.near, self.near_news, self.near_bar, context.tabs]
        looking = panel.near.click(self.look_near, [context.picked, context.language], near, **QUICK)
        looking.then(**gentle(self.repainting))


def named_styles(model: LoadedModel, language: str) -> list[tuple[str, str]]:
    """The model's styles, each after what it is called."""
    return [(style_word(style, language), style) for style in model.generator.config.styles]


def style_choices(model: LoadedModel, designs: Any, language: str) -> list[tuple[str, str]]:
    """What the style radio offers: curated ones, all in turn, the model's, and those that the visitor made of them."""
    own = [STAR + design["name"] for design in designs_of(model, designs)]
    curated = [(translate(language, "curated"), handlers.CURATED)] if model.curated else []
    return [
        *curated,
        (translate(language, "all-styles"), handlers.ALL_STYLES),
        *named_styles(model, language),
        *((name, name) for name in own),
    ]


def designs_of(model: LoadedModel, designs: Any) -> list[dict[str, Any]]:
    """The visitor's styles that mix styles of this model; storage may hold anything."""
    found = []
    for design in designs[:MAX_DESIGNS] if isinstance(designs, list) else []:
        try:
            if design["weights_sha256"] == model.weights_sha256 and isinstance(design["name"], str):
                handlers.style_weights_of(model, design["weights"])
                found.append(design)
        except (TypeError, KeyError, AttributeError, ValueError):
            continue
    return found


def anew_if_rolled(style: str, seed: float, shared: bool, near: Any, orders: Any) -> str:
    """The style of a wall: whoever asks for another seed, or layout, on a curated wall wants one of all styles."""
    last = orders[-1] if isinstance(orders, list) and orders else None
    if style != handlers.CURATED or near or not isinstance(last, dict):
        return style
    same = (last.get("seed"), last.get("shared")) == (seed, shared)
    return style if same else handlers.ALL_STYLES


def curated_words(model: LoadedModel, style: str, language: str) -> str:
    """That the pictures of a wall were chosen, and how, if they were."""
    if style != handlers.CURATED or not model.curated:
        return ""
    return f'<p role="status">{translate(language, "curated-how", drawn=model.curated.drawn)}</p>'


def style_named(model: LoadedModel, style: str, designs: Any) -> str | dict[str, float]:
    """A style, or the mix that the visitor gave a name."""
    for design in designs_of(model, designs):
        if style == STAR + design["name"]:
            return design["weights"]
    return style


def build_paint_page(context: StudioContext, first: LoadedModel, first_wall: Sequence[Image.Image]) -> PaintPage:
    arrived = handlers.first_style(first)
    with gr.Column(elem_id="controls"):
        style = context.add(
            gr.Radio,
            {"label": "style"},
            choices=style_choices(first, [], DEFAULT_LANGUAGE),
            value=arrived,
            elem_id="style",
            elem_classes="pills",
            show_label=False,
        )
        with gr.Row(elem_id="dials", elem_classes="settings"):
            seed = context.add(
                gr.Number,
                {"label": "seed", "info": "seed-info"},
                value=FIRST_SEED,
                precision=0,
                min_width=120,
                elem_id="seed",
            )
            count = context.add(
                dial,
                {"label": "count", "info": "count-info"},
                minimum=1,
                maximum=handlers.MAX_COUNT,
                value=FIRST_COUNT,
                step=1,
                elem_id="count",
            )
            truncation = truncation_slider(context, "truncation")
            shared = context.add(gr.Checkbox, {"label": "shared", "info": "shared-info"}, value=False, elem_id="shared")
    with gr.Row(elem_id="wall-bar"):
        dice = context.add(gr.Button, {"value": "dice"}, size="sm", variant="primary", min_width=150, elem_id="dice")
        undo = context.add(gr.Button, {"value": "undo"}, size="sm", min_width=90, elem_id="undo", interactive=False)
        archive = context.add(gr.Button, {"value": "zip"}, size="sm", min_width=150, elem_id="zip")
        stop = context.add(
            gr.Button, {"value": "stop"}, size="sm", variant="stop", min_width=90, elem_id="stop", visible=False
        )
        told = curated_words(first, arrived, DEFAULT_LANGUAGE)
        status = gr.HTML(told, elem_id="status", padding=False)
        archive_file = gr.DownloadButton("zip", elem_id="zip-file", elem_classes="out-of-sight")
    with gr.Row(visible=False, elem_id="near-bar") as near_bar:
        near_news = gr.HTML("", elem_id="near-news", padding=False)
        distance = context.add(
            dial,
            {"label": "distance", "info": "distance-info"},
            minimum=0.05,
            maximum=1,
            value=FIRST_DISTANCE,
            step=0.05,
            elem_id="distance",
        )
        leave = context.add(gr.Button, {"value": "near-leave"}, size="sm", min_width=120, elem_id="near-leave")
    near = gr.JSON(None, visible=False)
    recipes = handlers.first_recipes(first)
    hanging = context.exactly.hang(first, recipes, first_wall)
    wall = context.pictures("wall", "wall", hanging, recipes, named=True)
    first_order = _order(arrived, FIRST_SEED, FIRST_COUNT, FIRST_TRUNCATION, False, None, FIRST_DISTANCE)
    page = PaintPage(
        context, style, seed, count, truncation, shared, dice, undo, archive, archive_file, stop, status,
        near, near_bar, near_news, distance, leave, wall, gr.JSON([first_order], visible=False),
        Wishes(),
    )  # fmt: skip
    page.connect()
    return page


def truncation_slider(context: StudioContext, elem_id: str) -> gr.Slider:
    return context.add(
        dial,
        {"label": "truncation", "info": "truncation-info"},
        minimum=0,
        maximum=MAX_TRUNCATION,
        value=FIRST_TRUNCATION,
        step=0.05,
        elem_id=elem_id,
    )


def near_words(near: Any, language: str) -> str:
    """What the bar of neighbours says."""
    if not near:
        return ""
    with clear_errors(language):
        name = handlers.caption(read_picked(near), language)
    return f"<p>{translate(language, 'near', name=f'<strong>{html.escape(name)}</strong>')}</p>"


def _ordered(
    model: LoadedModel,
    style: Any,
    seed: float,
    count: float,
    truncation: float,
    shared: bool,
    near: Any,
    distance: float,
) -> list[Recipe]:
    if not near:
        return handlers.recipes_of_seeds(model, style, seed, count, truncation, shared)
    count = handlers.whole_number("count", count, 1, handlers.MAX_COUNT)
    centre = read_picked(near)
    distance = handlers.number_between("distance", distance, 0, 1)
    return [centre, *neighbours(centre, distance, handlers.seeds_from(seed, count - 1))]


def _order(*values: Any) -> dict[str, Any]:
    """What the controls say, in the order of `ORDER`."""
    return dict(zip(ORDER, values, strict=True))


def _remember(history: Any, order: dict[str, Any]) -> list[dict[str, Any]]:
    orders = history if isinstance(history, list) else []
    return orders if orders and orders[-1] == order else [*orders, order][-MAX_HISTORY:]
