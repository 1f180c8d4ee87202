"""A page that paints a prompt: which words the model knew, what style they speak of, and how well each picture fits."""

import html
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import gradio as gr
from gradio.events import Dependency

from artmodels.generate.prompt import PromptPictures, paint_prompt
from artmodels.generate.sampling import to_images
from artmodels.hub.load import LoadedModel, on_cpu
from artmodels.models.prompt import MAX_PROMPT, EncodedPrompt, NothingToRead, split_words
from artmodels.studio import handlers
from artmodels.studio.computing import computed
from artmodels.studio.context import (
    QUICK,
    RANDOM_SEED_JS,
    READING,
    Pictures,
    StudioContext,
    Updates,
    as_data,
    clear_errors,
    only_if,
    pick_from,
    read_recipes_data,
)
from artmodels.studio.handlers import FIRST_SEED, FIRST_TRUNCATION
from artmodels.studio.i18n import DEFAULT_LANGUAGE, Complaint, knows, retold, style_word, translate, translate_error
from artmodels.studio.pages.blend import share_bar
from artmodels.studio.panel import Panel
from artmodels.studio.visitors import Wishes
from artmodels.studio.zero_gpu import ON_ZERO_GPU

COUNT = 8  # pictures of a prompt
MAX_PROMPT_COUNT = 16  # that a program may ask for
TOGETHER = 2  # of them, refined at once: then the visitor sees them
PHRASES = 10  # that are offered
WORTH_TELLING = 3  # letters of a word: "at" and "of" say nothing of a picture
SHOWN_SHARE = 0.05  # of a style that is worth naming


@dataclass(frozen=True)
class PromptPage:
    """The parts of the page, and what happens on it."""

    context: StudioContext
    hint: gr.HTML
    phrases: gr.Radio
    prompt: gr.Textbox
    seed: gr.Number
    start: gr.Button
    dice: gr.Button
    stop: gr.Button
    news: gr.HTML
    wall: Pictures
    wishes: Wishes

    def begin_anew(self, current: str, language: str) -> Updates:
        """Another model or another language: what was painted goes, and the hint tells what this model reads."""
        with clear_errors(language):
            model = self.context.model_of(current)
        return {
            self.wall.gallery: [],
            self.wall.recipes: [],
            self.news: "",
            self.hint: hint_words(model, language),
            self.phrases: gr.Radio(choices=phrases_of(model, language), value=None),
        }

    def told_again(
        self, model: LoadedModel, news: str, shown: Any, recipes: Any, language: str
    ) -> dict[gr.blocks.Block, dict[str, Any]]:
        """What was painted, with its words in another language."""
        styles = (f"style-{style}" for style in model.generator.config.styles)
        named = sorted(filter(knows, styles), key=len, reverse=True)  # one name may be a part of another
        keys = ["followed-words", "read-words", "unknown-words", "fit-words", "painting", *named]
        names = [
            f"{handlers.caption(recipe, language)} · {share[0]}"
            for recipe, (_, caption) in zip(read_recipes_data(recipes), shown or [], strict=False)
            if (share := re.search("[0-9]{1,3}%", caption))
        ]
        wall = {"value": [(path, name) for (path, _), name in zip(shown or [], names, strict=False)]} if names else {}
        return {self.news: {"value": retold(news or "", keys, language)}, self.wall.gallery: wall}

    def begin_anew_after(self, event: Dependency, changed: gr.Textbox) -> Dependency:
        beginning = {
            "fn": self.begin_anew,
            "inputs": [self.context.current, self.context.language],
            "outputs": [*self.wall.parts, self.news, self.hint, self.phrases],
        }
        return event.success(**only_if(changed, beginning), **QUICK)

    def paint(self, prompt: str, seed: float, current: str, language: str, request: gr.Request) -> Iterator[Updates]:
        """Two pictures after the other, each with how well it fits; words that say nothing change nothing."""
        overtaken = self.wishes.begin(request.session_hash)
        try:
            model, hung, recipes = self.context.model_of(current), [], []
            seeds = handlers.seeds_from(seed, COUNT)
            offered = [phrase for _, phrase in phrases_of(model, language)]
            yield {
                self.news: working_words(language, 0),
                self.stop: gr.Button(visible=True),
                self.phrases: gr.Radio(value=prompt if prompt in offered else None),
            }
            for done, pictures in paint_words(self.context, model, prompt, seeds, FIRST_TRUNCATION, language):
                if overtaken():
                    return
                hung += pictures
                recipes += as_data(done.recipes)
                words = reading_words(done.encoded, measured_by(model), language)
                busy = working_words(language, len(hung)) if len(hung) < COUNT else ""
                yield {
                    self.wall.gallery: list(hung),
                    self.wall.recipes: list(recipes),
                    self.news: words + busy,
                    self.stop: gr.Button(visible=len(hung) < COUNT),
                }
        except (ValueError, OSError) as error:
            said = html.escape(translate_error(error, language))
            yield {self.news: f'<p role="alert">{said}</p>', self.stop: gr.Button(visible=False)}

    def connect(self, panel: Panel) -> None:
        context, seed, stop = self.context, self.seed, self.stop
        painting: dict[str, Any] = {
            "fn": self.paint,
            "inputs": [self.prompt, seed, context.current, context.language],
            "outputs": [*self.wall.parts, self.news, stop, self.phrases],
            **READING,
            "trigger_mode": "multiple",
        }
        said = gr.on([self.prompt.submit, self.start.click, seed.submit], **painting)
        taken = self.phrases.input(lambda phrase: phrase, self.phrases, self.prompt, **QUICK)
        taken = taken.then(**painting)
        rolled = self.dice.click(None, None, seed, js=RANDOM_SEED_JS, api_visibility="private").then(**painting)
        stop.click(lambda: gr.Button(visible=False), None, stop, cancels=[said, taken, rolled], **QUICK)
        panel.show_after(pick_from(context, self.wall))


def build_prompt_page(context: StudioContext, first: LoadedModel, language: str, panel: Panel) -> PromptPage:
    context.add(gr.HTML, {"value": "say-intro"}, elem_classes="intro", padding=False)
    hint = gr.HTML(hint_words(first, language), elem_id="say-hint", padding=False)
    phrases = context.add(
        gr.Radio,
        {"label": "examples"},
        choices=phrases_of(first, language),
        value=None,
        show_label=False,
        elem_id="say-phrases",
        elem_classes="pills",
    )
    with gr.Row(elem_id="say-row"):
        prompt = context.add(
            gr.Textbox,
            {"label": "phrase", "placeholder": "phrase-hint"},
            max_lines=1,
            max_length=MAX_PROMPT,
            elem_id="phrase",
            scale=4,
        )
        seed = context.add(
            gr.Number, {"label": "seed"}, value=FIRST_SEED, precision=0, min_width=110, elem_id="say-seed"
        )
        start = context.add(gr.Button, {"value": "say-it"}, variant="primary", min_width=110, elem_id="say-it")
        dice = context.add(gr.Button, {"value": "say-dice"}, min_width=110, elem_id="say-dice")
        stop = context.add(
            gr.Button, {"value": "stop"}, variant="stop", min_width=90, visible=False, elem_id="say-stop"
        )
    news = gr.HTML("", elem_id="say-news", padding=False)
    wall = context.pictures("wall", "say-wall")
    page = PromptPage(context, hint, phrases, prompt, seed, start, dice, stop, news, wall, Wishes())
    page.connect(panel)
    return page


def paint_words(
    context: StudioContext,
    model: LoadedModel,
    prompt: str,
    seeds: Sequence[int],
    truncation: float,
    language: str = DEFAULT_LANGUAGE,
) -> Iterator[tuple[PromptPictures, handlers.Wall]]:
    """Two pictures of a prompt after the other, each with how well it fits in its caption.

    Raises:
        ValueError: this model reads no words, or none of these; a seed or the truncation is out of bounds.
    """
    prompt_model = model.prompt
    if prompt_model is None:
        raise Complaint("no-reader")
    model = on_cpu(model) if ON_ZERO_GPU else model  # there a GPU is lent to calls that only paint
    for place in range(0, len(seeds), TOGETHER):
        try:
            done = computed(paint_prompt, model, prompt_model, prompt, seeds[place : place + TOGETHER], truncation)
        except NothingToRead as error:
            key = "never-read" if error.unknown else "no-word"
            raise Complaint(key, words=", ".join(error.unknown)[:200], offered=error.offered) from error
        wall = context.exactly.hang(model, done.recipes, computed(to_images, done.pictures), language)
        captioned = [
            (path, f"{name} · {min(match, 0.99):.0%}")  # `fit-words` tells what that is
            for (path, name), match in zip(wall, done.matches, strict=True)
        ]
        yield done, captioned


def hint_words(model: LoadedModel, language: str) -> str:
    """What this model reads, or that it does not."""
    if model.prompt is None:
        return f"<p>{translate(language, 'no-reader')}</p>"
    return f"<p>{translate(language, 'phrases' if model.prompt.phrases else 'reads')}</p>"


def phrases_of(model: LoadedModel, language: str) -> list[tuple[str, str]]:
    """Phrases to begin with: such as were measured to work, else words that the model knows; styles by their names."""
    if model.prompt is None:
        return []
    phrases = measured_by(model)[:PHRASES] or model.prompt.some_words.split(", ")
    styles = {re.sub("[-_]", " ", style): style for style in model.generator.config.styles}
    return [(style_word(styles[phrase], language) if phrase in styles else phrase, phrase) for phrase in phrases]


def measured_by(model: LoadedModel) -> tuple[str, ...]:
    """The phrases that were measured to move this model's pictures."""
    return model.prompt.phrases if model.prompt else ()


def working_words(language: str, done: int) -> str:
    return f'<p role="status">{translate(language, "painting", done=done, all=COUNT)}</p>'


def reading_words(encoded: EncodedPrompt, measured: Sequence[str], language: str) -> str:
    """Which words were measured to move pictures, which only read, which are unknown; what styles they speak of."""
    moving = {word for phrase in measured for word in split_words(phrase)}
    told = {
        "followed-words": [word for word in encoded.known if word in moving],
        "read-words": [word for word in encoded.known if word not in moving and len(word) >= WORTH_TELLING],
        "unknown-words": encoded.unknown,
    }
    said = (translate(language, key, words=html.escape(", ".join(words))) for key, words in told.items() if words)
    named = {style: share for style, share in encoded.style_weights.items() if share >= SHOWN_SHARE}
    legend = f"<p>{translate(language, 'fit-words')}</p>"
    return f"<p>{' '.join(said)}</p>{share_bar(named, language)}{legend}"
