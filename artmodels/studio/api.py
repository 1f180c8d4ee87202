"""What programs and agents call: named endpoints with defaults, which the page itself does not show."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from threading import BoundedSemaphore
from typing import Any

import gradio as gr

from artmodels.generate.choreograph import choreograph
from artmodels.generate.compose import MODES, compose
from artmodels.generate.film import (
    MAX_PICTURES,
    MAX_RATE,
    MAX_SECONDS,
    MAX_SIZE,
    MIN_RATE,
    MIN_SECONDS,
    MIN_SIZE,
    FilmSpec,
)
from artmodels.generate.recipe import Recipe, parse_recipe_data
from artmodels.generate.score import score_bytes
from artmodels.hub.download import hub_label
from artmodels.hub.load import LoadedModel
from artmodels.models.generator import MAX_TRUNCATION
from artmodels.signals.motion import watch
from artmodels.signals.video_file import clip_pictures
from artmodels.studio import handlers
from artmodels.studio.computing import computed
from artmodels.studio.context import FILMING, PROGRAMS, READING, StudioContext
from artmodels.studio.filming import PATIENCE
from artmodels.studio.handlers import FIRST_COUNT, FIRST_SEED, FIRST_TRUNCATION
from artmodels.studio.i18n import Complaint
from artmodels.studio.pages.film import film_steps
from artmodels.studio.pages.prompt import MAX_PROMPT_COUNT, paint_words
from artmodels.studio.pages.score_dials import chosen
from artmodels.studio.performing import hear_file, performed, take_clip
from artmodels.studio.uploads import released, take_recipe
from artmodels.studio.visitors import AUDIENCE, visitor

LONGEST = 300  # characters of an error
FETCHING_AT_ONCE = 4  # programs that wait for models: the other slots are for those that paint
_fetching = BoundedSemaphore(FETCHING_AT_ONCE)


def build_api(context: StudioContext, first: LoadedModel) -> None:
    """Hidden buttons with named inputs: so files come back as files, for `gradio_client`, curl and MCP alike."""
    ask = Asked(first)

    def generate(style: str, seed: float, count: float, truncation: float, model: str) -> handlers.Wall:
        with plain_errors():
            found = model_named(context, model)
            return context.exactly.all(found, handlers.recipes_of_seeds(found, style, seed, count, truncation))

    def blend(styles: Any, seed: float, count: float, truncation: float, model: str) -> handlers.Wall:
        with plain_errors():
            found = model_named(context, model)
            recipes = handlers.recipes_of_seeds(found, read_mix(styles), seed, count, truncation)
            return context.exactly.all(found, recipes)

    def phrase(words: str, seed: float, count: float, truncation: float, model: str) -> handlers.Wall:
        with plain_errors():
            count = handlers.whole_number("count", count, 1, MAX_PROMPT_COUNT)
            seeds = handlers.seeds_from(seed, count)
            truncation = handlers.number_between("truncation", truncation, 0, MAX_TRUNCATION)
            found, words = model_named(context, model), read_text("words", words)
            wall: handlers.Wall = []
            for _, pictures in paint_words(context, found, words, seeds, truncation):
                wall += pictures
                if AUDIENCE.silence(visitor()) > PATIENCE:
                    raise Complaint("nobody-listens")
            return wall

    def film(
        pictures: Any, styles: Any, seconds: float, rate: float, size: float, loop: bool, truncation: float, model: str
    ) -> str:
        with plain_errors():
            found, path = model_named(context, model), ""
            recipes = [picture_of(found, each, styles, truncation) for each in read_list(pictures)]
            rate = handlers.whole_number("rate", rate, MIN_RATE, MAX_RATE)
            size = handlers.whole_number("size", size, MIN_SIZE, MAX_SIZE)
            spec = FilmSpec(handlers.finite_number("seconds", seconds), rate, size, bool(loop))
            for step in film_steps(context, found, recipes, spec, "mp4"):
                path = str(step)
        return path

    def music(
        sound: str | None = None, mode: str = "pulse", strength: float = 0.5, smoothness: float = 0.5,
        palette: float = 0.5, seed: float = FIRST_SEED, style: str = "", rate: float = 24, size: float = 256,
        model: str = first.label,
    ) -> tuple[str, str]:  # fmt: skip
        with plain_errors(), released(context.files, sound):
            found, path = model_named(context, model), ""
            values = {**chosen(strength, smoothness, palette, style, seed), **measures(rate, size)}
            file, _, hearing = hear_file(context.files, sound)
            score = compose(hearing, found, read_text("mode", mode), **values)
            for step in performed(context, found, score, file, "artmodels-music.mp4"):
                path = str(step)
            return path, context.save(score_bytes(score), "score.json")

    def dance(
        clip: str | None = None, strength: float = 0.5, smoothness: float = 0.5, palette: float = 0.5,
        seed: float = FIRST_SEED, style: str = "", rate: float = 24, size: float = 256, model: str = first.label,
    ) -> tuple[str, str]:  # fmt: skip
        with plain_errors(), released(context.files, clip):
            found, path = model_named(context, model), ""
            values = {**chosen(strength, smoothness, palette, style, seed), **measures(rate, size)}
            file, seen = take_clip(context.files, clip)
            score = choreograph(computed(watch, seen), found, **values)
            sound, pictures = file if seen.has_sound else None, clip_pictures(file, score.frames_per_second, score.size)
            for step in performed(
                context, found, score, sound, "artmodels-dance.mp4", clip=pictures, begins=seen.begins
            ):
                path = str(step)
            return path, context.save(score_bytes(score), "score.json")

    def recipe(text: str = "", picture: str | None = None) -> tuple[dict[str, Any], str]:
        with plain_errors():
            found = (
                take_recipe(context.files, picture)
                if picture
                else handlers.recipe_of_text(read_text("text", text), first)[0]
            )
            painter = model_named(context, hub_label(found.model, found.revision))
            return found.to_data(), handlers.picture_file(painter, context.save, found, 1, context.paint)

    def models() -> list[dict[str, Any]]:
        return [describe(model) for model in context.models.start.values()]

    endpoint(generate, [ask.style(), ask.seed(), ask.count(FIRST_COUNT), ask.truncation(), ask.model()], ask.pictures())
    endpoint(blend, [ask.mix(), ask.seed(), ask.count(4), ask.truncation(), ask.model()], ask.pictures())
    words = gr.Textbox("a stormy sea at night", label="What to see, in English words", visible=False)
    endpoint(phrase, [words, ask.seed(), ask.count(4), ask.truncation(), ask.model()], ask.pictures(), READING)
    film_dials = [
        gr.Slider(MIN_SECONDS, MAX_SECONDS, 6, label="Seconds", visible=False),
        gr.Slider(MIN_RATE, MAX_RATE, 24, step=1, label="Frames a second", visible=False),
        gr.Slider(MIN_SIZE, MAX_SIZE, 256, step=2, label="Height and width in pixels, even", visible=False),
        gr.Checkbox(True, label="Back to the first picture at the end", visible=False),
    ]
    stops = gr.JSON([1, 2, 3], label="What it walks through: a list of seeds, or of recipes", visible=False)
    film_inputs = [stops, ask.mix(), *film_dials, ask.truncation(), ask.model()]
    endpoint(film, film_inputs, gr.File(label="An MP4", visible=False), FILMING)
    moved = [gr.File(label="An MP4", visible=False), gr.File(label="Its score, as JSON", visible=False)]
    endpoint(music, [ask.file("A sound of 1 to 300 seconds"), *ask.score("pulse")], moved, FILMING)
    endpoint(dance, [ask.file("A clip of 1 to 60 seconds"), *ask.score()], moved, FILMING)
    sources = [
        gr.Textbox("", label="A link to a picture, or its recipe as JSON", visible=False),
        gr.File(label="Or a PNG that artmodels painted", file_types=[".png"], type="filepath", visible=False),
    ]
    found = [gr.JSON(label="The recipe", visible=False), gr.File(label="The picture, painted again", visible=False)]
    endpoint(recipe, sources, found)
    endpoint(
        models,
        [],
        gr.JSON(
            label="Name, styles, resolution, directions, licence of each, and whether it reads phrases", visible=False
        ),
    )


def measures(rate: Any, size: Any) -> dict[str, Any]:
    """Frames a second and pixels, as a score has them.

    Raises:
        ValueError: out of bounds.
    """
    rate = handlers.whole_number("rate", rate, MIN_RATE, MAX_RATE)
    film = FilmSpec(frames_per_second=rate, size=handlers.whole_number("size", size, MIN_SIZE, MAX_SIZE))
    return {"frames_per_second": film.frames_per_second, "size": film.size}


@dataclass(frozen=True)
class Asked:
    """Inputs that several endpoints ask for; their labels document them."""

    first: LoadedModel

    def style(self) -> gr.Textbox:
        return gr.Textbox(handlers.ALL_STYLES, label="Style, or 'all styles' in turn", visible=False)

    def mix(self) -> gr.JSON:
        styles = self.first.generator.config.styles[:2]
        shares = {style: 1 / len(styles) for style in styles}
        return gr.JSON(shares, label='Styles and their shares, like {"a": 0.6, "b": 0.4}', visible=False)

    def seed(self) -> gr.Number:
        return gr.Number(FIRST_SEED, label="Seed: 0 or more, below 2**32", precision=0, visible=False)

    def count(self, value: int) -> gr.Slider:
        words = "Pictures, one seed after the other"
        return gr.Slider(1, handlers.MAX_COUNT, value, step=1, label=words, visible=False)

    def truncation(self) -> gr.Slider:
        words = "Truncation: low is typical of the style, high is wild"
        return gr.Slider(0, MAX_TRUNCATION, FIRST_TRUNCATION, label=words, visible=False)

    def model(self) -> gr.Textbox:
        words = "Model: one of /models, or any on the Hub as user/model@revision"
        return gr.Textbox(self.first.label, label=words, visible=False)

    def file(self, words: str) -> gr.File:
        return gr.File(label=words, type="filepath", visible=False)

    def score(self, *modes: str) -> list[gr.blocks.Block]:
        """What films that move with something are told."""
        return [
            *(gr.Textbox(mode, label=f"Mode: {', '.join(MODES)}", visible=False) for mode in modes),
            gr.Slider(0, 1, 0.5, label="Strength: how far the picture moves", visible=False),
            gr.Slider(0, 1, 0.5, label="Smoothness: how gently it moves", visible=False),
            gr.Slider(0, 1, 0.5, label="Palette: how many styles and colours take part", visible=False),
            self.seed(),
            gr.Textbox("", label="The first style; empty: the seed's", visible=False),
            gr.Slider(MIN_RATE, MAX_RATE, 24, step=1, label="Frames a second", visible=False),
            gr.Slider(MIN_SIZE, MAX_SIZE, 256, step=2, label="Height and width in pixels, even", visible=False),
            self.model(),
        ]

    def pictures(self) -> gr.Gallery:
        return gr.Gallery(format="png", label="PNG files that carry their recipes, with captions", visible=False)


DESCRIPTIONS = {
    "generate": "Paint pictures from consecutive seeds; PNG files that carry their recipes, with captions.",
    "blend": "Paint in a mix of styles, given as an object of style names and shares.",
    "phrase": "Paint what a phrase says; captions tell what share of random pictures each beats.",
    "film": "A smooth walk through pictures, as an MP4 file.",
    "music": "A film whose pictures move with a sound, as an MP4 with that sound, and its score.",
    "dance": "A clip and a painting that moves with it, side by side as an MP4 file, and its score.",
    "recipe": "Read the recipe of a link, of a JSON text or of a PNG that artmodels painted, and paint it again.",
    "models": "The models of this studio: name, styles, resolution in pixels, named directions, licence.",
}


def endpoint(fn: Callable, inputs: list[Any], outputs: Any, slots: dict[str, Any] = PROGRAMS) -> None:
    name = fn.__name__
    options = {**slots, "api_visibility": "public", "api_name": name, "api_description": DESCRIPTIONS[name]}
    for block in inputs:
        if not isinstance(block, gr.File):
            block.preprocess = as_sent  # the function says what is wrong with it, better than Gradio does
    gr.Button(visible=False).click(fn, inputs, outputs, **options)


def as_sent(value: Any) -> Any:
    return value


@contextmanager
def plain_errors() -> Iterator[None]:
    """Whatever is wrong with the input is answered in one line of plain text: programs show no HTML."""
    try:
        yield
    except (ValueError, OSError) as error:
        raise gr.Error(" ".join(str(error).split())[:LONGEST], print_exception=False) from error


def model_named(context: StudioContext, name: Any) -> LoadedModel:
    """The model that an API client names.

    Raises:
        FileNotFoundError, ValueError, OSError: see `ModelCache.load`; or several programs wait for models already.
    """
    label = read_text("model", name)
    if context.models.holds(label):
        return context.model_of(label)
    if not _fetching.acquire(blocking=False):
        raise OSError("other models are coming in at this moment: try again in a minute")
    try:
        return context.model_of(label)
    finally:
        _fetching.release()


def read_text(name: str, value: Any) -> str:
    """A text as an API client sends it.

    Raises:
        ValueError: anything else.
    """
    if not isinstance(value, str):
        raise Complaint("no-text", name=name, found=repr(str(value)[:40]))
    return value


def read_mix(styles: Any) -> dict[str, Any]:
    """Style weights as an API client sends them, as an object or as its JSON text.

    Raises:
        ValueError: neither.
    """
    if isinstance(styles, str):
        try:
            styles = json.loads(styles)
        except (ValueError, RecursionError):
            styles = None
    if not isinstance(styles, dict) or not styles:
        raise Complaint("no-mix")
    return styles


def read_list(pictures: Any) -> list[Any]:
    """A list as an API client sends it, as a list or as its JSON text.

    Raises:
        ValueError: neither.
    """
    if isinstance(pictures, str):
        with suppress(ValueError, RecursionError):
            pictures = json.loads(pictures)
    if not isinstance(pictures, list):
        raise Complaint("no-list")
    return pictures[: MAX_PICTURES + 1]  # one too many is told


def picture_of(model: LoadedModel, each: Any, styles: Any, truncation: float) -> Recipe:
    """A picture of a film: a recipe, or a seed in these styles.

    Raises:
        ValueError: neither.
    """
    if isinstance(each, dict):
        return parse_recipe_data(each)
    return handlers.recipes_of_seeds(model, read_mix(styles), each, 1, truncation)[0]


def describe(model: LoadedModel) -> dict[str, Any]:
    return {
        "name": model.label,
        "styles": list(model.generator.config.styles),
        "resolution": model.generator.config.resolution,
        "directions": list(model.directions.names) if model.directions else [],
        "reads": model.prompt is not None,
        "license": model.statement.license,
    }
