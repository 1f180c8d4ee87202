"""A page to steer a picture: a slider for each direction of the model that has a name."""

import html
from dataclasses import dataclass
from typing import Any

import gradio as gr

from artmodels.generate.find_directions import AMOUNTS
from artmodels.generate.mixing import steer
from artmodels.generate.recipe import Recipe
from artmodels.hub.companions.directions import Directions
from artmodels.hub.load import LoadedModel
from artmodels.studio import handlers
from artmodels.studio.context import (
    PAINTING,
    QUICK,
    StudioContext,
    Updates,
    as_data,
    bank,
    clear_errors,
    figure,
    gentle,
    read_picked,
)
from artmodels.studio.dial import dial
from artmodels.studio.i18n import DEFAULT_LANGUAGE, knows, translate
from artmodels.studio.panel import Panel, those_of

SLIDERS = 8
RANGE = AMOUNTS[-1]  # standard deviations of what a direction names, to both sides


@dataclass(frozen=True)
class SteerPage:
    """The parts of the page, and what happens on it."""

    context: StudioContext
    base: gr.JSON  # the recipe that is turned
    before: gr.HTML
    after: gr.HTML
    sliders: list[gr.Slider]
    reset: gr.Button
    table: gr.HTML

    @property
    def parts(self) -> list[gr.blocks.Block]:
        return [*self.sliders, self.table]

    def levelled(self, model: LoadedModel, language: str) -> Updates:
        """The sliders and the table of a model, with nothing turned."""
        names = [direction_word(name, language) for name in names_of(model)]
        sliders = bank(names, [0.0] * len(names), SLIDERS)
        updates: Updates = {slider: gr.Slider(**each) for slider, each in zip(self.sliders, sliders, strict=True)}
        return updates | {self.table: effects_table(model.directions, language)}

    @property
    def put_outputs(self) -> list[gr.blocks.Block]:
        return [self.base, self.before, self.after, self.context.tabs, *self.sliders]

    def put(self, picked: Any, current: str, language: str) -> Updates:
        """The picture in the panel, level and as it is turned, and the sliders where it has them."""
        with clear_errors(language):
            model = self.context.model_of(current)
            recipe = read_picked(picked)
            names = names_of(model)
            plain = steer(recipe, {}, model.directions) if model.directions else recipe
            (level, turned), _ = self.context.show(model, [plain, recipe], language)
        amounts = handlers.amounts_of(recipe, names)
        updates: Updates = {
            self.base: as_data([plain])[0],
            self.before: figure(*level, translate(language, "before")),
            self.after: figure(*turned, translate(language, "after")),
            self.context.tabs: self.context.go("steer"),
        }
        return updates | {self.sliders[place]: gr.Slider(value=amounts[place]) for place in range(len(names))}

    def begin(self, base: Any, picked: Any, hanging: Any, current: str, language: str) -> Updates:
        """Whoever comes before any picture is turned finds the one in the panel, else the first of the wall."""
        with clear_errors(language):
            some = [] if base else those_of(self.context.model_of(current), [picked] if picked else hanging)[:1]
        if not some:
            return gr.skip()
        updates = self.put(some[0].to_data(), current, language)
        del updates[self.context.tabs]  # the visitor may be on another page by now
        return updates

    def turn(self, base: Any, current: str, language: str, *values: float) -> Updates:
        with clear_errors(language):
            model = self.context.model_of(current)
            recipe = steered(model, read_picked(base), values)
            wall, (data,) = self.context.show(model, [recipe], language)
        return {self.after: figure(*wall[0], translate(language, "after")), self.context.picked: data}

    def level(self) -> list[float]:
        return [0.0] * SLIDERS

    def connect(self, panel: Panel, room: gr.Tab, wall: gr.JSON) -> None:
        context, asked = self.context, [self.context.current, self.context.language]
        room.select(self.begin, [self.base, context.picked, wall, *asked], self.put_outputs, **PAINTING)
        panel.steer.click(self.put, [context.picked, *asked], self.put_outputs, **PAINTING)
        turning: dict[str, Any] = {
            "fn": self.turn,
            "inputs": [self.base, *asked, *self.sliders],
            "outputs": [self.after, context.picked],
            **PAINTING,
        }
        sliding = [slider.input for slider in self.sliders]
        panel.show_after(gr.on(sliding, **gentle(turning)))
        panel.show_after(self.reset.click(self.level, None, self.sliders, **QUICK).then(**turning))


def build_steer_page(
    context: StudioContext, first: LoadedModel, panel: Panel, room: gr.Tab, wall: gr.JSON
) -> SteerPage:
    context.add(gr.HTML, {"value": "steer-intro"}, elem_classes="intro", padding=False)
    with gr.Row(elem_id="steer"):
        with gr.Column(min_width=280, elem_id="wheel"):
            names = [direction_word(name, DEFAULT_LANGUAGE) for name in names_of(first)]
            sliders = [
                dial(-RANGE, RANGE, step=0.05, elem_classes="steer", **slider)
                for slider in bank(names, [0.0] * len(names), SLIDERS)
            ]
            reset = context.add(gr.Button, {"value": "reset"}, min_width=120, elem_id="steer-reset")
        before = context.picture("before")
        after = context.picture("after")
    with context.add(gr.Accordion, {"label": "steer-table"}, open=False):
        table = gr.HTML(effects_table(first.directions, DEFAULT_LANGUAGE), elem_id="steer-table")
    base = gr.JSON(None, visible=False)
    page = SteerPage(context, base, before, after, sliders, reset, table)
    page.connect(panel, room, wall)
    return page


def names_of(model: LoadedModel) -> tuple[str, ...]:
    return model.directions.names[:SLIDERS] if model.directions else ()


def steered(model: LoadedModel, recipe: Recipe, values: tuple[float, ...]) -> Recipe:
    """The picture with the sliders where they stand.

    Raises:
        ValueError: a value is no number between -2 and 2.
    """
    if not model.directions:
        return recipe
    amounts = {
        name: handlers.number_between(name, value, -RANGE, RANGE)
        for name, value in zip(names_of(model), values, strict=False)
    }
    return steer(recipe, amounts, model.directions)


def direction_word(name: str, language: str) -> str:
    key = f"direction-{name}"
    return translate(language, key) if knows(key) else name


def effects_table(directions: Directions | None, language: str) -> str:
    """What each direction was measured to move, over the range of its slider."""
    if not directions:
        return f"<p>{translate(language, 'no-directions')}</p>"
    rows = []
    for name in directions.names:
        found = directions.figures["directions"][name]
        found_by = found["found_by"]
        cells = [
            direction_word(name, language),
            translate(language, f"found-{found_by}") if knows(f"found-{found_by}") else found_by,
            f"{found['effect']:+.2f}",
            f"{direction_word(found['largest_other'], language)} {found['largest_other_effect']:+.2f}",
        ]
        rows.append("<tr>" + "".join(f"<td>{html.escape(cell)}</td>" for cell in cells) + "</tr>")
    head = "".join(
        f"<th>{translate(language, key)}</th>" for key in ("steer-it", "found-by", "moves-itself", "moves-besides")
    )
    return f"<p>{translate(language, 'steer-table-words')}</p><table><tr>{head}</tr>{''.join(rows)}</table>"
