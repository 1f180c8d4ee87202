"""A page where gradient descent works on a picture: in another style, found among the model's own, or dreamt on."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import gradio as gr
from gradio.events import Dependency

from artmodels.hub.load import LoadedModel
from artmodels.studio import handlers
from artmodels.studio.context import (
    PAINTING,
    QUICK,
    StudioContext,
    Updates,
    clear_errors,
    figure,
    in_turn,
    only_if,
    progress_words,
    read_picked,
)
from artmodels.studio.dial import dial
from artmodels.studio.i18n import Complaint, retold, translate
from artmodels.studio.pages.paint import named_styles
from artmodels.studio.panel import Panel, those_of
from artmodels.studio.uploads import input_of
from artmodels.studio.visitors import Wishes
from artmodels.studio.watching import Passing, Watched

if TYPE_CHECKING:
    from artmodels.optimize.descent import Input
    from artmodels.optimize.jobs import Job

WAYS = ("manner", "find", "dream")
SIZE = 256  # px
STRENGTHS = (0.2, 3)  # of a style: the least and the most


@dataclass(frozen=True)
class ReworkPage:
    """The parts of the page, and what happens on it."""

    context: StudioContext
    mine: gr.File
    way: gr.Radio
    hint: gr.HTML
    style: gr.Dropdown
    style_picture: gr.File
    strength: gr.Slider
    start: gr.Button
    stop: gr.Button
    news: gr.HTML
    work: gr.HTML
    curve: gr.HTML
    download: gr.DownloadButton
    wish: gr.Number  # the number of the last wish of this visitor
    wishes: Wishes

    @property
    def shown(self) -> list[gr.blocks.Block]:
        """What the last work left."""
        return [self.news, self.work, self.curve, self.download]

    def begin_anew_after(self, event: Dependency, changed: gr.Textbox) -> Dependency:
        """Another model has other styles."""

        def begin(current: str, language: str) -> tuple[Any, ...]:
            with clear_errors(language):
                styles = named_styles(self.context.model_of(current), language)
            return gr.Dropdown(choices=styles, value=styles[-1][1]), "", "", "", gr.DownloadButton(visible=False)

        inputs = [self.context.current, self.context.language]
        outputs = [self.style, *self.shown]
        return event.success(**only_if(changed, {"fn": begin, "inputs": inputs, "outputs": outputs}), **QUICK)

    def descend(
        self,
        mine: str | None,
        way: str,
        style: str,
        style_picture: str | None,
        strength: float,
        picked: Any,
        hanging: Any,
        wish: float,
        current: str,
        language: str,
        request: gr.Request,
    ) -> Iterator[Updates]:
        """Show the picture while it is worked on, to its end or until its visitor says stop, or wishes something else.

        It is the visitor's own, else the one in the panel, else the first of the wall.
        """
        from artmodels.optimize.descent import draw_curve
        from artmodels.optimize.jobs import input_from_bytes

        visitor = request.session_hash
        if self.wishes.is_over(visitor, wish):  # while it waited for its turn
            ended: Updates = {self.news: "", self.stop: gr.Button(visible=False)}
            yield ended if self.wishes.is_stopped(visitor, wish) else gr.skip()
            return
        with clear_errors(language):
            model = self.context.model_of(current)
            if mine:
                picture = input_of(self.context.files, mine)
            elif some := [read_picked(picked)] if picked else those_of(model, hanging):
                recipe = some[0]
                path = handlers.picture_file(model, self.context.save, recipe, 1, self.context.paint)
                picture = input_from_bytes(Path(path).read_bytes(), handlers.caption(recipe, language))
            else:
                raise Complaint("nothing-to-rework")
            strength = handlers.number_between("strength", strength, *STRENGTHS)
            pattern = input_of(self.context.files, style_picture) if style_picture and way == "manner" else None
            job = job_for(way, model, picture, pattern, style, strength)
            yield {
                self.news: progress_words(translate(language, "reworking"), 0),
                self.download: gr.DownloadButton(visible=False),
                self.stop: gr.Button(visible=True),
            }
            watched = Watched(job, lambda: self.wishes.is_over(visitor, wish))
            pictures, curves = Passing(self.context), Passing(self.context)
            for look in watched:
                shown, drawn = pictures.save(look.image), curves.save(draw_curve(look.step.curve))
                yield {self.news: look.words(language), **self.pictures(shown, drawn, language)}
            if watched.stopped and not self.wishes.is_stopped(visitor, wish):  # the other one is shown already
                yield gr.skip()
                return
            done = watched.finish()
            path = self.context.save(done.png, f"artmodels-{way}.png")
        last = watched.last
        assert last is not None
        words = translate(language, "found-it" if done.recipe else "reworked")
        updates: Updates = {
            self.news: f'<p role="status">{words} {watched.ended(language)}</p>',
            **self.pictures(path, self.context.save_image(draw_curve(last.curve)), language),
            self.download: gr.DownloadButton(value=path, visible=True),
            self.stop: gr.Button(visible=False),
        }
        yield updates | ({self.context.picked: done.recipe.to_data()} if done.recipe else {})

    def told_again(self, news: str, work: str, curve: str, language: str) -> dict[gr.blocks.Block, dict[str, Any]]:
        """What the last work left, with its words in another language."""
        keys = ("reworked", "found-it", "stopped-here", "work", "curve")
        told = zip((self.news, self.work, self.curve), (news, work, curve), strict=True)
        return {part: {"value": retold(text or "", keys, language)} for part, text in told}

    def pictures(self, work: str, curve: str, language: str) -> Updates:
        """The picture as it is, and how far the descent has come."""
        named = ((self.work, work, "work"), (self.curve, curve, "curve"))
        return {part: figure(path, translate(language, key), translate(language, key)) for part, path, key in named}

    def halt(self, request: gr.Request) -> Any:
        self.wishes.stop(request.session_hash)
        return gr.Button(visible=False)

    def explain_way(self, way: str, language: str) -> tuple[Any, ...]:
        return (
            hint_of_way(way, language),
            gr.Dropdown(visible=way != "find"),
            gr.File(visible=way == "manner"),
            gr.Slider(visible=way != "find"),
        )

    def connect(self, panel: Panel, wall: gr.JSON) -> None:
        context = self.context
        parts: list[gr.blocks.Block] = [self.hint, self.style, self.style_picture, self.strength]
        self.way.input(self.explain_way, [self.way, context.language], parts, **QUICK)
        making = {
            "fn": self.descend,
            "inputs": [
                *(self.mine, self.way, self.style, self.style_picture, self.strength),
                *(context.picked, wall, self.wish, context.current, context.language),
            ],
            "outputs": [*self.shown, self.stop, context.picked],
            **PAINTING,
            "concurrency_id": "descents",
            "concurrency_limit": 1,
            "trigger_mode": "multiple",
        }
        wishing = self.wishes, self.wish
        working = in_turn(self.start, context.language, self.news, self.stop, making, wishing)
        panel.show_after(working)
        self.stop.click(self.halt, None, self.stop, **QUICK)
        panel.rework.click(lambda: context.go("rework"), None, context.tabs, **QUICK)


def build_rework_page(
    context: StudioContext, first: LoadedModel, panel: Panel, wall: gr.JSON, language: str
) -> ReworkPage:
    context.add(gr.HTML, {"value": "rework-intro"}, elem_classes="intro", padding=False)
    styles = named_styles(first, language)
    with gr.Row(elem_id="rework"):
        with gr.Column(scale=2, min_width=300):
            mine = context.add(
                gr.File, {"label": "rework-file"}, file_types=["image"], height=150, elem_id="rework-file"
            )
            context.add(gr.HTML, {"value": "rework-privacy"}, elem_classes="fine-print", padding=False)
            way = context.add(
                gr.Radio,
                {"label": "way"},
                choices=way_choices(language),
                value=WAYS[0],
                elem_id="way",
                elem_classes="pills",
            )
            hint = gr.HTML(hint_of_way(WAYS[0], language), elem_id="way-hint", padding=False)
            style = context.add(
                gr.Dropdown, {"label": "rework-style"}, choices=styles, value=styles[-1][1], elem_id="rework-style"
            )
            style_picture = context.add(
                gr.File, {"label": "manner-file"}, file_types=["image"], height=150, elem_id="manner-file"
            )
            strength = strength_slider(context, "strength")
            with gr.Row():
                start = context.add(
                    gr.Button, {"value": "rework-it"}, variant="primary", min_width=130, elem_id="begin"
                )
                stop = context.add(
                    gr.Button, {"value": "stop"}, variant="stop", min_width=90, visible=False, elem_id="stop-rework"
                )
        with gr.Column(scale=3, min_width=320):
            news = gr.HTML("", elem_id="rework-news", padding=False)
            work = context.picture("work")
            curve = gr.HTML("", elem_id="curve", padding=False)
            download = context.add(
                gr.DownloadButton, {"label": "rework-download"}, visible=False, elem_id="rework-download"
            )
    page = ReworkPage(
        context, mine, way, hint, style, style_picture, strength, start, stop, news, work, curve, download,
        gr.Number(0, visible=False, precision=0), Wishes(),
    )  # fmt: skip
    page.connect(panel, wall)
    return page


def strength_slider(context: StudioContext, elem_id: str) -> gr.Slider:
    return context.add(
        dial,
        {"label": "strength", "info": "strength-info"},
        minimum=STRENGTHS[0],
        maximum=STRENGTHS[1],
        value=1,
        step=0.1,
        elem_id=elem_id,
    )


def job_for(
    way: str,
    model: LoadedModel,
    picture: "Input",
    pattern: "Input | None",
    style: str,
    strength: float,
    size: int = SIZE,
) -> "Job":
    """The `optimize.jobs.Job` of a way, on inputs as `optimize.descent` reads them; `size` is in px.

    Raises:
        ValueError: no such way, no picture, or a model without what the way needs.
    """
    from artmodels.optimize import jobs
    from artmodels.optimize.deep_dream import DreamSettings
    from artmodels.optimize.projection import ProjectionSettings
    from artmodels.optimize.style_transfer import TransferSettings

    if way == "manner":
        if pattern is None and model.style_statistics is None:
            raise Complaint("no-manners")
        settings = TransferSettings(size, strength=strength)
        return jobs.transfer_job(picture, pattern, model, style, settings)
    if way == "dream":
        if model.classifier is None:
            raise Complaint("no-eye-to-dream")
        return jobs.dream_job(picture, model, style, DreamSettings(size, strength=strength))
    return jobs.projection_job(picture, model, ProjectionSettings())


def way_choices(language: str) -> list[tuple[str, str]]:
    return [(translate(language, f"way-{way}"), way) for way in WAYS]


def hint_of_way(way: str, language: str) -> str:
    return f"<p>{translate(language, f'way-hint-{way}')}</p>" if way in WAYS else ""
