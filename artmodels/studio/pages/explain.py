"""A page that explains in pictures: what the model's companions see in one picture, and how the model came to paint."""

import base64
import html
import io
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import gradio as gr
import numpy as np
from gradio.events import Dependency
from PIL import Image

from artmodels.data.decode import to_tensor
from artmodels.generate.find_directions import AMOUNTS
from artmodels.generate.mixing import steer
from artmodels.generate.recipe import Recipe
from artmodels.generate.sampling import contact_sheet, seed_recipe
from artmodels.hub.load import LoadedModel, read_metrics
from artmodels.hub.model_files import HISTORY_NAME, MAX_PROGRESS_BYTES, PROGRESS_NAME
from artmodels.io.safetensors_io import read_json
from artmodels.metrics.charts import clean_history, draw_evaluations, draw_steps, number_of, number_text, split_history
from artmodels.metrics.explain import Originality, explain_styles, highlight, measure_originality
from artmodels.studio import handlers
from artmodels.studio.computing import computed
from artmodels.studio.context import PAINTING, StudioContext, Updates, clear_errors, figure, read_picked
from artmodels.studio.handlers import FIRST_TRUNCATION
from artmodels.studio.i18n import style_word, translate
from artmodels.studio.pages.steer import direction_word, names_of
from artmodels.studio.panel import Panel, those_of
from artmodels.studio.uploads import take_picture

SHOWN_STYLES = 3  # with a map of where each is seen
PLAIN = 0.05  # share of a style that is worth a map
LISTED_STYLES = 5
NEAREST = 4
COPY = 0.05  # of an unseen picture's distance, below which a picture is called a copy
MAX_HISTORY, MAX_PROGRESS_PIXELS = 20_000, 2_000_000  # records and pixels of a stranger's that are drawn
WALKED_SEED = 7  # of the picture that is moved along the directions


@dataclass(frozen=True)
class ExplainPage:
    """The parts of the page, and what happens on it."""

    context: StudioContext
    seen: list[gr.HTML]  # of one picture; the first shows it
    looked: gr.JSON  # its recipe; none, if it was uploaded
    upload: gr.UploadButton
    story: gr.HTML  # of the model
    wanted: gr.Textbox  # not empty once a visitor has come to this page

    def look(self, picked: Any, current: str, language: str) -> Updates:
        with clear_errors(language):
            seen = self.explained(self.context.model_of(current), read_picked(picked), language)
            return seen | {self.context.tabs: self.context.go("explain")}

    def explained(self, model: LoadedModel, recipe: Recipe, language: str) -> Updates:
        """What is seen of a recipe's picture."""
        (image,) = handlers.paint_images(model, [recipe], self.context.paint)
        seen = explain(self.context, model, image, handlers.caption(recipe, language), language)
        return {self.looked: recipe.to_data(), **dict(zip(self.seen, seen, strict=True))}

    def look_at_file(self, path: str, current: str, language: str) -> Updates:
        with clear_errors(language):
            model, (image, name) = self.context.model_of(current), take_picture(self.context.files, path)
            seen = explain(self.context, model, image, name, language)
            return {self.looked: None, **dict(zip(self.seen, seen, strict=True))}

    def tell_whoever_comes(
        self, current: str, told: str, shown: str, picked: Any, hanging: Any, language: str
    ) -> Updates:
        """The story of the model, once it is wanted; where no picture is there, the picked one or the wall's first."""
        if told:
            return gr.skip()
        with clear_errors(language):
            model = self.context.model_of(current)
            updates: Updates = {self.wanted: "yes", self.story: tell_story(self.context, model, language)}
            if not shown and (recipes := those_of(model, [picked] if picked else []) or those_of(model, hanging)):
                updates |= self.explained(model, recipes[0], language)
            return updates

    def tell_anew(self, looked: Any, wanted: str, current: str, language: str) -> Updates:
        """The model or the language is another: of what was seen stays what this model painted, if it is wanted."""
        with clear_errors(language):
            model = self.context.model_of(current)
            updates: Updates = {self.story: "", self.looked: None, **dict.fromkeys(self.seen, "")}
            if wanted:
                updates[self.story] = tell_story(self.context, model, language)
            for recipe in those_of(model, [looked] if looked else []):
                updates |= self.explained(model, recipe, language)
        return updates

    def tell_after(self, event: Dependency) -> Dependency:
        inputs = [self.looked, self.wanted, self.context.current, self.context.language]
        return event.success(self.tell_anew, inputs, [self.story, self.looked, *self.seen], **PAINTING)

    def connect(self, panel: Panel, room: gr.Tab, wall: gr.JSON) -> None:
        context, asked = self.context, [self.context.current, self.context.language]
        shown = [*self.seen, self.looked]
        panel.explain.click(self.look, [context.picked, *asked], [*shown, context.tabs], **PAINTING)
        self.upload.upload(self.look_at_file, [self.upload, *asked], shown, **PAINTING)
        inputs = [context.current, self.story, self.seen[0], context.picked, wall, context.language]
        room.select(self.tell_whoever_comes, inputs, [self.wanted, self.story, *shown], **PAINTING)


def build_explain_page(context: StudioContext, panel: Panel, room: gr.Tab, wall: gr.JSON) -> ExplainPage:
    context.add(gr.HTML, {"value": "explain-intro"}, elem_classes="intro", padding=False)
    with gr.Row(elem_id="explain"):
        with gr.Column(min_width=220, scale=1):
            looked_at = context.picture("looked-at")
            upload = context.add(
                gr.UploadButton,
                {"label": "look-at-file"},
                file_types=["image"],
                type="filepath",
                elem_id="look-at-file",
            )
            context.add(gr.HTML, {"value": "look-at-privacy"}, elem_classes="fine-print", padding=False)
        with gr.Column(min_width=300, scale=3):
            verdict = gr.HTML("", elem_id="verdict", padding=False)
            maps = gr.HTML("", elem_id="maps", padding=False)
    origin = gr.HTML("", elem_id="origin", padding=False)
    story = gr.HTML("", elem_id="story", padding=False)
    wanted = gr.Textbox("", visible=False)
    page = ExplainPage(context, [looked_at, verdict, maps, origin], gr.JSON(None, visible=False), upload, story, wanted)
    page.connect(panel, room, wall)
    return page


def explain(
    context: StudioContext, model: LoadedModel, image: Image.Image, name: str, language: str
) -> tuple[str, ...]:
    """A picture, its styles, where they are seen, and what lies nearest to it, as HTML."""
    picture = to_tensor(np.array(image.convert("RGB"))[None])
    shown, maps = figure(context.save_image(image), name, name), ""
    if model.classifier:
        sight = computed(explain_styles, model.classifier, picture)
        verdict = verdict_words(sight.styles, model.classifier.figures, language)
        plain = [style for style, share in sight.styles.items() if share >= PLAIN][:SHOWN_STYLES]
        lit = [
            figure(context.save_image(highlight(image, sight.maps[style])), name, f"{name} · {share:.0%}")
            for style, share, name in ((each, part, style_word(each, language)) for each, part in sight.styles.items())
            if style in (plain or list(sight.styles)[:1])
        ]
        maps = f"<h3>{translate(language, 'where-seen')}</h3><div class='row-of-pictures'>{''.join(lit)}</div>"
    else:
        verdict = f"<p>{translate(language, 'no-eye')}</p>"
    if model.neighbours:
        origin = origin_words(computed(measure_originality, model.neighbours, picture, NEAREST), language)
    else:
        origin = f"<p>{translate(language, 'no-neighbours')}</p>"
    return shown, verdict, maps, origin


def verdict_words(styles: dict[str, float], figures: dict[str, Any], language: str) -> str:
    """The classifier's shares as bars, and how far it is to be trusted."""
    bars = "".join(
        f"<li><span>{html.escape(style_word(style, language))}</span>"
        f"<meter min='0' max='1' value='{share:.4f}'></meter><b>{share:.0%}</b></li>"
        for style, share in list(styles.items())[:LISTED_STYLES]
    )
    trust = ""
    if (accuracy := number_of(figures.get("accuracy"))) is not None:
        error = number_of(figures.get("calibration_error"))
        trust = translate(language, "eye-accuracy", accuracy=f"{accuracy:.0%}")
        trust += "" if error is None else translate(language, "eye-calibration", error=f"{error:.1%}")
    return f"<h3>{translate(language, 'what-the-eye-sees')}</h3><ul class='bars'>{bars}</ul><p>{trust}</p>"


def origin_words(origin: Originality, language: str) -> str:
    """The nearest training pictures, and in words how original the picture is beside them."""
    items = []
    for near in origin.nearest:
        small = ""
        if near.thumbnail is not None:
            content = io.BytesIO()
            near.thumbnail.save(content, "PNG")
            small = f"<img alt='' src='data:image/png;base64,{base64.b64encode(content.getvalue()).decode()}'>"
        items.append(f"<li>{small}<span>{html.escape(near.label)}</span> <b>{near.distance:.1f}</b></li>")
    key = "origin-copy" if origin.originality < COPY else "origin-near" if origin.nearer < 0.01 else "origin-far"
    words = translate(language, key, ratio=f"{origin.originality:.2f}", nearer=f"{origin.nearer:.0%}")
    thumbnails = (
        "" if origin.nearest[0].thumbnail else f"<p class='fine-print'>{translate(language, 'no-thumbnails')}</p>"
    )
    return (
        f"<h3>{translate(language, 'nearest')}</h3>"
        f"<p><strong>{words}</strong> {translate(language, 'origin-scale')}</p>"
        f"<ol class='nearest'>{''.join(items)}</ol>{thumbnails}"
    )


def tell_story(context: StudioContext, model: LoadedModel, language: str) -> str:
    """How the model learned, from its own files, and what its directions do, as HTML."""
    metrics = read_metrics(model.folder)
    parts = [
        f"<h2>{translate(language, 'story')}</h2>",
        progress_story(context, model, metrics, language),
        curves_story(model, language),
        directions_story(context, model, language),
    ]
    return "".join(parts)


def progress_story(context: StudioContext, model: LoadedModel, metrics: dict[str, Any], language: str) -> str:
    """What the first seed of each style looked like as training went on."""
    path, training = model.folder / PROGRESS_NAME, metrics.get("training")
    seen = training.get("progress") if isinstance(training, dict) else None
    counts = [number_of(count) for count in seen] if isinstance(seen, list) else []
    image = None
    with suppress(Exception):  # a stranger's file can make a decoder raise anything
        if path.stat().st_size <= MAX_PROGRESS_BYTES:
            with Image.open(path, formats=("WEBP",)) as opened:
                image = opened.convert("RGB") if opened.width * opened.height <= MAX_PROGRESS_PIXELS else None
    known = [count for count in counts if count is not None]
    if image is None or not 1 < len(counts) <= 10 or len(known) < len(counts):
        return f"<p>{translate(language, 'no-progress')}</p>"
    columns = "".join(f"<span>{number_text(count)}</span>" for count in known)
    picture = figure(context.save_image(image), translate(language, "progress-alt"), "")
    return (
        f"<h3>{translate(language, 'progress')}</h3><p>{translate(language, 'progress-words')}</p>"
        f"<div class='progress-strip'>{picture}<div class='counts' aria-hidden='true'>{columns}</div></div>"
    )


def curves_story(model: LoadedModel, language: str) -> str:
    """The training curves out of the model's own history."""
    history: list[Any] = []
    with suppress(OSError, ValueError):
        history = clean_history(read_json(model.folder / HISTORY_NAME))[-MAX_HISTORY:]
    if not history:
        return f"<p>{translate(language, 'no-history')}</p>"
    evaluations, steps, best = split_history(history)
    end = max(history[-1]["images"], 1)
    curves = draw_evaluations(evaluations, end, best) + draw_steps(steps, end)
    words = translate(language, "curves-words")
    return f"<details class='curves'><summary>{translate(language, 'curves')}</summary><p>{words}</p>{curves}</details>"


def directions_story(context: StudioContext, model: LoadedModel, language: str) -> str:
    """One picture moved along each of the model's directions, from one end to the other."""
    names = names_of(model)
    if not names or model.directions is None:
        return f"<p>{translate(language, 'no-directions')}</p>"
    style = model.generator.config.styles[WALKED_SEED % len(model.generator.config.styles)]
    start = seed_recipe(model.name, model.weights_sha256, style, WALKED_SEED, FIRST_TRUNCATION, model.revision)
    walks = [steer(start, {name: amount}, model.directions) for name in names for amount in AMOUNTS]
    images = handlers.paint_images(model, walks, context.paint)
    rows = []
    for place, name in enumerate(names):
        strip = contact_sheet(images[place * len(AMOUNTS) : (place + 1) * len(AMOUNTS)], len(AMOUNTS))
        rows.append(
            figure(context.save_image(strip), f"{AMOUNTS[0]:+g} … {AMOUNTS[-1]:+g}", direction_word(name, language))
        )
    words = translate(language, "directions-words", low=f"{AMOUNTS[0]:g}", high=f"{AMOUNTS[-1]:g}")
    strips = f"<div class='row-of-pictures walks'>{''.join(rows)}</div>"
    return f"<h3>{translate(language, 'directions')}</h3><p>{words}</p>{strips}"
