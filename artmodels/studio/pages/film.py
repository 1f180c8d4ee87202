"""A page that makes a film: a smooth walk through the pictures that the visitor chose."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import Any

import gradio as gr

from artmodels.generate.film import (
    MAX_PICTURES,
    MAX_RATE,
    MAX_SECONDS,
    MIN_PICTURES,
    MIN_RATE,
    FilmSpec,
    check_film,
    film_rows,
    film_text,
    paint_film,
    write_film,
)
from artmodels.generate.recipe import Recipe
from artmodels.hub.load import LoadedModel
from artmodels.studio import handlers
from artmodels.studio.computing import computed
from artmodels.studio.context import (
    FILMING,
    PAINTING,
    QUICK,
    Pictures,
    StudioContext,
    Updates,
    clear_errors,
    in_turn,
    pick_from,
    progress_words,
    read_recipes_data,
)
from artmodels.studio.dial import dial
from artmodels.studio.filming import TOGETHER, filmed
from artmodels.studio.i18n import Complaint, translate
from artmodels.studio.panel import Panel, picked_and_chosen, those_of
from artmodels.studio.served_files import HOUSE
from artmodels.studio.visitors import visitor

SIZES = (128, 256, 512)
EXAMPLES, EXAMPLE_STEP, EXAMPLE_SECONDS = 3, 3, 6.0  # pictures of the wall that the example walks through
MOST_MADE = 20  # examples that are kept for everybody

_making, _made = Lock(), dict[str, str]()  # films that everybody is shown, by what they show


@dataclass(frozen=True)
class FilmPage:
    """The parts of the page, and what happens on it."""

    context: StudioContext
    reel: Pictures  # what the film goes through
    use_kept: gr.Button
    clear: gr.Button
    example: gr.JSON  # recipes that nobody chose
    seconds: gr.Slider
    rate: gr.Slider
    size: gr.Radio
    kind: gr.Radio
    loop: gr.Checkbox
    smooth: gr.Checkbox
    make: gr.Button
    stop: gr.Button
    news: gr.HTML
    video: gr.Video
    moving: gr.Image
    download: gr.DownloadButton

    def begin(self, recipes: Any, hanging: Any, current: str, language: str) -> tuple[Any, ...]:
        """Whoever comes before any picture is chosen finds some of the wall."""
        with clear_errors(language):
            model = self.context.model_of(current)
            chosen = [] if recipes else those_of(model, hanging)[: EXAMPLES * EXAMPLE_STEP : EXAMPLE_STEP]
            if len(chosen) < MIN_PICTURES:
                return gr.skip()
            shown, data = self.context.show(model, chosen, language)
        return shown, data, data

    def play(self, recipes: Any, example: Any, current: str, language: str) -> Any:
        """The walk through them, unless the visitor has chosen others by now."""
        if not recipes or recipes != example:
            return gr.skip()
        with clear_errors(language):
            path = example_film(self.context, self.context.model_of(current), read_recipes_data(recipes))
        return gr.Video(value=path, visible=True)

    def add(self, picked: Any, recipes: Any, example: Any, current: str, language: str) -> tuple[Any, ...]:
        with clear_errors(language):
            model = self.context.model_of(current)
            recipe, chosen = picked_and_chosen(model, picked, [] if recipes == example else recipes)
            if len(chosen) >= MAX_PICTURES:
                raise Complaint("too-many-stops", most=MAX_PICTURES)
            return *self.context.show(model, [*chosen, recipe], language), self.context.go("film")

    def take_kept(self, kept: Any, current: str, language: str) -> tuple[Any, ...]:
        with clear_errors(language):
            model = self.context.model_of(current)
            chosen = those_of(model, kept)[-MAX_PICTURES:]
            if not chosen:
                raise Complaint("nothing-kept")
            return self.context.show(model, chosen, language)

    def shoot(
        self,
        recipes: Any,
        seconds: float,
        rate: float,
        size: int,
        kind: str,
        loop: bool,
        smooth: bool,
        current: str,
        language: str,
    ) -> Iterator[Updates]:
        """Paint and encode the film, telling how far it is; closed on the way, it leaves nothing behind."""
        with clear_errors(language):
            model = self.context.model_of(current)
            chosen = read_recipes_data(recipes)
            if len(chosen) < MIN_PICTURES:
                raise Complaint("too-few-stops", least=MIN_PICTURES, found=len(chosen))
            whole = {"frames_per_second": int(rate), "size": int(size)}
            spec = FilmSpec(float(seconds), **whole, loop=bool(loop), easing="smooth" if smooth else "even")
            progress, path = 0.0, ""
            words = translate(language, "filming")
            yield {
                self.news: progress_words(words, 0.0),
                self.stop: gr.Button(visible=True),
                self.example: None,  # what is shown from now on is the visitor's own
                self.video: gr.Video(visible=False),
                self.moving: gr.Image(visible=False),
                self.download: gr.DownloadButton(visible=False),
            }
            for step in film_steps(self.context, model, chosen, spec, kind):
                if isinstance(step, Path):
                    path = str(step)
                elif step - progress > 0.04:
                    progress = step
                    yield {self.news: progress_words(words, step)}
        yield {
            self.news: "",
            self.stop: gr.Button(visible=False),
            self.video: gr.Video(value=path if kind == "mp4" else None, visible=kind == "mp4"),
            self.moving: gr.Image(value=path if kind == "webp" else None, visible=kind == "webp"),
            self.download: gr.DownloadButton(value=path, visible=True),
        }

    def connect(self, panel: Panel, room: gr.Tab, wall: gr.JSON) -> None:
        context, reel, stop = self.context, self.reel, self.stop
        asked = [context.current, context.language]
        adding = [context.picked, reel.recipes, self.example, *asked]
        panel.film.click(self.add, adding, [*reel.parts, context.tabs], **PAINTING)
        begun = room.select(self.begin, [reel.recipes, wall, *asked], [*reel.parts, self.example], **PAINTING)
        begun.then(self.play, [reel.recipes, self.example, *asked], self.video, **FILMING)
        self.use_kept.click(self.take_kept, [context.kept, *asked], reel.parts, **PAINTING)
        self.clear.click(lambda: ([], []), None, reel.parts, **QUICK)
        making = {
            "fn": self.shoot,
            "inputs": [
                *(reel.recipes, self.seconds, self.rate, self.size, self.kind, self.loop, self.smooth),
                *asked,
            ],
            "outputs": [self.news, stop, self.example, self.video, self.moving, self.download],
            **FILMING,
        }
        shooting = in_turn(self.make, context.language, self.news, stop, making)
        # A last word of progress may still be on its way when the film is cancelled.
        stop.click(lambda: gr.Button(visible=False), None, stop, cancels=[shooting], **QUICK).then(
            lambda: ("", gr.Button(visible=False)), None, [self.news, stop], **QUICK
        )
        panel.show_after(pick_from(context, reel))


def build_film_page(context: StudioContext, panel: Panel, room: gr.Tab, wall: gr.JSON) -> FilmPage:
    """The page in a tab, beside the wall of the first page."""
    context.add(gr.HTML, {"value": "film-intro"}, elem_classes="intro", padding=False)
    reel = context.pictures("reel", "reel", named=True)
    with gr.Row():
        use_kept = context.add(gr.Button, {"value": "use-kept"}, size="sm", min_width=140, elem_id="use-kept")
        clear = context.add(gr.Button, {"value": "clear"}, size="sm", min_width=90, elem_id="clear-reel")
    example = gr.JSON(None, visible=False)
    with gr.Row(elem_id="film-dials"):
        seconds = context.add(
            dial,
            {"label": "seconds"},
            minimum=2,
            maximum=MAX_SECONDS,
            value=10,
            step=1,
            min_width=180,
            elem_id="seconds",
        )
        rate = context.add(
            dial,
            {"label": "rate"},
            minimum=MIN_RATE,
            maximum=MAX_RATE,
            value=24,
            step=1,
            min_width=180,
            elem_id="rate",
        )
        size = context.add(
            gr.Radio, {"label": "pixels"}, choices=list(SIZES), value=256, elem_id="film-size", elem_classes="pills"
        )
        kind = context.add(
            gr.Radio,
            {"label": "format"},
            choices=[("MP4", "mp4"), ("WebP", "webp")],
            value="mp4",
            elem_id="film-format",
            elem_classes="pills",
        )
        with gr.Column(min_width=180):
            loop = context.add(gr.Checkbox, {"label": "loop"}, value=True, elem_id="loop")
            smooth = context.add(gr.Checkbox, {"label": "smooth"}, value=True, elem_id="smooth")
    with gr.Row():
        make = context.add(gr.Button, {"value": "make-film"}, variant="primary", min_width=160, elem_id="make-film")
        stop = context.add(
            gr.Button, {"value": "stop"}, variant="stop", min_width=90, visible=False, elem_id="stop-film"
        )
    news = gr.HTML("", elem_id="film-news", padding=False)
    video = context.add(
        gr.Video,
        {"label": "film"},
        interactive=False,
        autoplay=True,
        loop=True,
        visible=False,
        buttons=[],
        elem_id="film",
    )
    moving = context.add(
        gr.Image,
        {"label": "film"},
        type="filepath",
        interactive=False,
        buttons=[],
        visible=False,
        elem_id="moving",
        format="webp",
    )
    download = context.add(gr.DownloadButton, {"label": "film-download"}, visible=False, elem_id="film-download")
    page = FilmPage(
        context, reel, use_kept, clear, example, seconds, rate, size, kind, loop, smooth, make, stop, news,
        video, moving, download,
    )  # fmt: skip
    page.connect(panel, room, wall)
    return page


def example_film(context: StudioContext, model: LoadedModel, recipes: Sequence[Recipe]) -> str:
    """The path of a walk through pictures of the wall; of the app's own models it is made once, for everybody."""
    name = f"{model.label} {[recipe.to_json() for recipe in recipes]}"
    shared = model.label in context.models.start
    with _making:
        if not (shared and name in _made and Path(_made[name]).is_file()):
            spec, owner = FilmSpec(seconds=EXAMPLE_SECONDS), HOUSE if shared and len(_made) < MOST_MADE else visitor()
            *_, path = film_steps(context, model, recipes, spec, "mp4", owner)
            if owner != HOUSE:
                return str(path)
            _made[name] = str(path)
        return _made[name]


def film_steps(
    context: StudioContext,
    model: LoadedModel,
    recipes: Sequence[Recipe],
    spec: FilmSpec,
    kind: str,
    owner: str | None = None,
) -> Iterator[float | Path]:
    """How far the film is, from 0 to 1, again and again; at last its path. Closed before, it leaves no file.

    It is the visitor's, unless an owner is named.

    Raises:
        ValueError: too few or too many pictures, pictures of another model, or too much for the format.
    """
    check_film(len(recipes), Path(f"film.{kind}"), spec)
    rows = film_rows(computed(handlers.rows_of_all, model, recipes), spec.frames, spec.loop, spec.easing)
    frames = paint_film(lambda w: context.paint_patiently(model, w), rows, spec.size, TOGETHER)
    text = film_text(recipes, spec)
    return filmed(
        context,
        frames,
        spec.frames,
        f"artmodels-film.{kind}",
        lambda frames, path: write_film(frames, path, spec, text),
        owner,
    )
