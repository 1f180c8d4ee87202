"""A page where gradient descent works on a picture: in another manner, found among the model's own, or dreamt on."""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gradio as gr
from gradio.events import Dependency

from artmodels.hub.load import LoadedModel
from artmodels.studio import handlers
from artmodels.studio.context import (
    PAINTING,
    QUICK,
    Easel,
    clear_errors,
    figure,
    progress_words,
    read_picked,
    save_image,
    save_png,
)
from artmodels.studio.i18n import Complaint, say
from artmodels.studio.pages.picked import Panel

WAYS = ("manner", "find", "dream")
LOOK_EVERY = 0.8  # seconds between two looks at a picture that is being worked on
SIZE = 256  # px


@dataclass(frozen=True)
class ReworkPage:
    """What other parts of the studio touch."""

    easel: Easel
    way: gr.Radio
    hint: gr.HTML
    style: gr.Dropdown
    shown: list[gr.blocks.Block]  # what the last work left

    def begin_anew_after(self, event: Dependency) -> Dependency:
        """Another model has other styles."""

        def begin(current: str, language: str) -> tuple[Any, ...]:
            with clear_errors(language):
                styles = list(self.easel.model_of(current).generator.config.styles)
            return gr.Dropdown(choices=styles, value=styles[-1]), "", "", "", gr.DownloadButton(visible=False)

        inputs = [self.easel.current, self.easel.language]
        return event.success(begin, inputs, [self.style, *self.shown], **QUICK)


def build_rework_page(easel: Easel, first: LoadedModel, panel: Panel, language: str) -> ReworkPage:
    easel.add(gr.HTML, {"value": "rework-intro"}, elem_classes="intro", padding=False)
    styles = list(first.generator.config.styles)
    with gr.Row(elem_id="rework"):
        with gr.Column(scale=2, min_width=300):
            mine = easel.add(gr.File, {"label": "rework-file"}, file_types=["image"], height=150, elem_id="rework-file")
            easel.add(gr.HTML, {"value": "rework-privacy"}, elem_classes="fine-print", padding=False)
            way = easel.add(
                gr.Radio,
                {"label": "way"},
                choices=way_choices(language),
                value=WAYS[0],
                elem_id="way",
                elem_classes="pills",
            )
            hint = gr.HTML(hint_of_way(WAYS[0], language), elem_id="way-hint", padding=False)
            style = easel.add(
                gr.Dropdown, {"label": "rework-style"}, choices=styles, value=styles[-1], elem_id="rework-style"
            )
            manner = easel.add(
                gr.File, {"label": "manner-file"}, file_types=["image"], height=150, elem_id="manner-file"
            )
            strength = easel.add(
                gr.Slider,
                {"label": "strength", "info": "strength-info"},
                minimum=0.2,
                maximum=3,
                value=1,
                step=0.1,
                elem_id="strength",
            )
            with gr.Row():
                start = easel.add(gr.Button, {"value": "rework-it"}, variant="primary", min_width=130, elem_id="begin")
                stop = easel.add(
                    gr.Button, {"value": "stop"}, variant="stop", min_width=90, visible=False, elem_id="stop-rework"
                )
        with gr.Column(scale=3, min_width=320):
            news = gr.HTML("", elem_id="rework-news", padding=False)
            work = easel.picture("work")
            curve = gr.HTML("", elem_id="curve", padding=False)
            download = easel.add(
                gr.DownloadButton, {"label": "rework-download"}, visible=False, elem_id="rework-download"
            )
    stopping: set[str | None] = set()  # visitors who said stop
    page = ReworkPage(easel, way, hint, style, [news, work, curve, download])

    def descend(
        mine: str | None,
        way: str,
        style: str,
        manner: str | None,
        strength: float,
        picked: Any,
        current: str,
        language: str,
        request: gr.Request,
    ) -> Iterator[tuple[Any, ...]]:
        """Show the picture while it is worked on, to its end or until its visitor says stop."""
        from artmodels.generate.sampling import to_images
        from artmodels.optimize.descent import draw_curve, read_input
        from artmodels.optimize.jobs import input_of

        visitor = request.session_hash
        stopping.discard(visitor)
        with clear_errors(language):
            model = easel.model_of(current)
            if mine:
                picture = read_input(Path(mine), handlers.MAX_UPLOAD_PIXELS)
            elif picked:
                recipe = read_picked(picked)
                path = handlers.picture_file(model, save_png, recipe, 1, easel.paint)
                picture = input_of(Path(path).read_bytes(), handlers.caption(recipe))
            else:
                raise Complaint("nothing-to-rework")
            strength = handlers.number_between("strength", strength, 0.2, 3)
            pattern = read_input(Path(manner), handlers.MAX_UPLOAD_PIXELS) if manner and way == "manner" else None
            work = begin_work(way, model, picture, pattern, style, strength)
            nothing = gr.skip(), gr.skip()
            yield (
                progress_words(say(language, "reworking"), 0),
                *nothing,
                gr.DownloadButton(visible=False),
                gr.Button(visible=True),
                gr.skip(),
            )
            seen, last = time.monotonic(), None
            for last in work.steps():
                if visitor in stopping:
                    work.leave(last)
                    break
                if time.monotonic() - seen > LOOK_EVERY:
                    seen = time.monotonic()
                    (image,) = to_images(last.picture())
                    words = progress_words(say(language, "reworking"), last.step / last.steps)
                    shown = figure(save_image(image), say(language, "work"), say(language, "work"))
                    drawn = figure(save_image(draw_curve(last.curve)), say(language, "curve"), say(language, "curve"))
                    yield words, shown, drawn, gr.skip(), gr.skip(), gr.skip()
            done = work.finish()
            path = save_png(done.png, f"artmodels-{way}.png")
        ended = say(language, "stopped-early", why=last.stopped) if last.stopped else ""
        if visitor in stopping:
            stopping.discard(visitor)
            ended = say(language, "stopped-here", done=last.step, all=last.steps)
        told = say(language, "found-it" if done.recipe else "reworked")
        yield (
            f'<p role="status">{told} {ended}</p>',
            figure(path, say(language, "work"), say(language, "work")),
            figure(save_image(draw_curve(last.curve)), say(language, "curve"), say(language, "curve")),
            gr.DownloadButton(value=path, visible=True),
            gr.Button(visible=False),
            done.recipe.to_data() if done.recipe else gr.skip(),
        )

    def halt(request: gr.Request) -> Any:
        stopping.add(request.session_hash)
        return gr.Button(visible=False)

    def explain_way(way: str, language: str) -> tuple[Any, ...]:
        return (
            hint_of_way(way, language),
            gr.Dropdown(visible=way != "find"),
            gr.File(visible=way == "manner"),
            gr.Slider(visible=way != "find"),
        )

    way.input(explain_way, [way, easel.language], [hint, style, manner, strength], **QUICK)
    working = start.click(
        descend,
        [mine, way, style, manner, strength, easel.picked, easel.current, easel.language],
        [*page.shown, stop, easel.picked],
        **{**PAINTING, "concurrency_id": "descents", "concurrency_limit": 1},
    )
    panel.show_after(working)
    stop.click(halt, None, stop, **QUICK)
    panel.rework.click(lambda: easel.go("rework"), None, easel.tabs, **QUICK)
    return page


def begin_work(way: str, model: LoadedModel, picture: Any, pattern: Any, style: str, strength: float) -> Any:
    """The `reworking.Work` of a way, on inputs as `editing` reads them.

    Raises:
        ValueError: no such way, no picture, or a model without what the way needs.
    """
    from artmodels.optimize import jobs as reworking
    from artmodels.optimize.deep_dream import DreamSettings
    from artmodels.optimize.projection import ProjectionSettings
    from artmodels.optimize.style_transfer import TransferSettings

    if way == "manner":
        if pattern is None and model.manners is None:
            raise Complaint("no-manners")
        settings = TransferSettings(SIZE, strength=strength)
        return reworking.begin_transfer(picture, pattern, model, style, settings)
    if way == "dream":
        if model.classifier is None:
            raise Complaint("no-eye-to-dream")
        return reworking.begin_dream(picture, model, style, DreamSettings(SIZE, strength=strength))
    return reworking.begin_projection(picture, model, ProjectionSettings())


def way_choices(language: str) -> list[tuple[str, str]]:
    return [(say(language, f"way-{way}"), way) for way in WAYS]


def hint_of_way(way: str, language: str) -> str:
    return f"<p>{say(language, f'way-hint-{way}')}</p>" if way in WAYS else ""
