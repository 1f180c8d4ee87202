"""What a visitor chooses for a film that moves with something: three sliders, the first style, the seed, the file."""

from dataclasses import dataclass
from typing import Any

import gradio as gr
from gradio.events import Dependency

from artmodels.generate.compose import SLIDERS
from artmodels.generate.recipe import SEED_LIMIT
from artmodels.hub.load import LoadedModel
from artmodels.studio import handlers
from artmodels.studio.context import QUICK, StudioContext, clear_errors, only_if
from artmodels.studio.dial import dial
from artmodels.studio.i18n import DEFAULT_LANGUAGE, translate
from artmodels.studio.pages.paint import named_styles
from artmodels.studio.performing import KINDS

SIZES = (128, 256, 512)
HINTS = {"strength": "strength-hint", "smoothness": "smoothness-hint", "palette": "palette-hint"}
BY_LOT = ""  # the style that the seed chooses


@dataclass(frozen=True)
class ScoreDials:
    """Controls; `inputs` go into `chosen` as they come."""

    context: StudioContext
    sliders: tuple[gr.Slider, ...]
    style: gr.Dropdown
    seed: gr.Number
    size: gr.Radio
    kind: gr.Radio

    @property
    def inputs(self) -> list[gr.blocks.Block]:
        return [*self.sliders, self.style, self.seed, self.size, self.kind]

    def begin_anew_after(self, event: Dependency, changed: gr.Textbox) -> Dependency:
        """Another model has other styles."""

        def begin(current: str, language: str) -> Any:
            with clear_errors(language):
                choices = first_styles(self.context.model_of(current), language)
            return gr.Dropdown(choices=choices, value=BY_LOT)

        inputs = [self.context.current, self.context.language]
        return event.success(**only_if(changed, {"fn": begin, "inputs": inputs, "outputs": self.style}), **QUICK)


def build_dials(context: StudioContext, first: LoadedModel, page: str) -> ScoreDials:
    with gr.Row(elem_classes="score-dials"):
        sliders = tuple(
            context.add(
                dial,
                {"label": name, "info": hint},
                minimum=0,
                maximum=1,
                value=0.5,
                step=0.05,
                min_width=180,
                elem_id=f"{page}-{name}",
            )
            for name, hint in HINTS.items()
        )
    with gr.Row(elem_classes="score-dials"):
        style = context.add(
            gr.Dropdown,
            {"label": "first-style"},
            choices=first_styles(first, DEFAULT_LANGUAGE),
            value=BY_LOT,
            min_width=180,
            elem_id=f"{page}-style",
        )
        seed = context.add(gr.Number, {"label": "seed"}, value=1, precision=0, min_width=100, elem_id=f"{page}-seed")
        size = context.add(
            gr.Radio, {"label": "pixels"}, choices=list(SIZES), value=256, elem_id=f"{page}-size", elem_classes="pills"
        )
        kind = context.add(
            gr.Radio,
            {"label": "format"},
            choices=[("MP4", "mp4"), ("WebM", "webm")],
            value=KINDS[0],
            elem_id=f"{page}-format",
            elem_classes="pills",
        )
    return ScoreDials(context, sliders, style, seed, size, kind)


def first_styles(model: LoadedModel, language: str) -> list[tuple[str, str]]:
    return [(translate(language, "by-lot"), BY_LOT), *named_styles(model, language)]


def chosen(strength: Any, smoothness: Any, palette: Any, style: Any, seed: Any) -> dict[str, Any]:
    """What a page or a program chose, as `compose` takes it.

    Raises:
        ValueError: no numbers, or out of bounds.
    """
    values = zip(SLIDERS, (strength, smoothness, palette), strict=True)
    sliders = {name: handlers.number_between(name, value, 0, 1) for name, value in values}
    return {**sliders, "style": style or None, "seed": handlers.whole_number("seed", seed, 0, SEED_LIMIT - 1)}
