"""A page that repaints a visitor's photo in a style of the model: before and after under one slider."""

import html
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import gradio as gr
from gradio.events import Dependency
from PIL import Image

from artmodels.generate.recipe import Recipe
from artmodels.generate.sampling import to_images
from artmodels.generate.save import file_stems
from artmodels.hub.load import LoadedModel
from artmodels.studio import handlers
from artmodels.studio.context import PAINTING, QUICK, StudioContext, Updates, clear_errors, only_if
from artmodels.studio.i18n import style_word, translate
from artmodels.studio.pages.rework import STRENGTHS, job_for, strength_slider
from artmodels.studio.served_files import HOUSE
from artmodels.studio.uploads import decoded, input_of
from artmodels.studio.visitors import Wishes
from artmodels.studio.watching import Passing, Watched

if TYPE_CHECKING:
    from artmodels.optimize.descent import Input

PHOTOS = Path(__file__).parent.parent / "photos"
SAMPLES = ("cat", "coffee", "astronaut", "rocket")  # free photos, see photos/credits.toml
EXAMPLE = "cat-ukiyo-e"  # what the page opens with: the first sample, repainted
SIZES = (256, 512)  # px of the longer side
WORTH_SAYING = 0.005  # of a photo that is cut off
LOOK_JS = "() => { window.artmodels.lookAt('#photo-compared'); return []; }"
SHARE_JS = "(path) => { window.artmodels.sharePicture(path); return []; }"
EVERY: dict[str, Any] = {"trigger_mode": "multiple"}  # each of several quick clicks counts


@dataclass(frozen=True)
class PhotoPage:
    """The parts of the page, and what happens on it."""

    context: StudioContext
    first: LoadedModel
    samples: dict[str, str]  # where each sample is served
    thumbnails: Sequence[str]  # of the first model's styles
    mine: gr.File
    offered: gr.Gallery  # the samples
    styles: gr.Gallery
    size: gr.Radio
    strength: gr.Slider
    news: gr.HTML
    example_words: gr.HTML
    compared: gr.ImageSlider
    stop: gr.Button
    download: gr.DownloadButton
    share: gr.Button
    sample: gr.Textbox  # which one stands for a photo of the visitor's own
    style: gr.Textbox
    wish: gr.Number  # the number of the last wish of this visitor
    made: gr.Textbox  # where the last one is served
    wishes: Wishes

    def begin_anew_after(self, event: Dependency, changed: gr.Textbox) -> Dependency:
        """Another model has other styles."""

        def begin(current: str, language: str) -> Updates:
            with clear_errors(language):
                model = self.context.model_of(current)
                return {
                    self.styles: gr.Gallery(value=self.shelf(model, language)),
                    self.news: no_styles(model, language),
                    self.download: gr.DownloadButton(visible=False),
                    self.share: gr.Button(visible=False),
                }

        outputs = [self.styles, self.news, self.download, self.share]
        beginning = {"fn": begin, "inputs": [self.context.current, self.context.language], "outputs": outputs}
        return event.success(**only_if(changed, beginning), **QUICK)

    def shelf(self, model: LoadedModel, language: str) -> handlers.Wall:
        """One painting and the name of each style that the model can repaint in."""
        paths = self.thumbnails
        if (model.weights_sha256, styles_of(model)) != (self.first.weights_sha256, styles_of(self.first)):
            images = handlers.paint_images(model, example_recipes(model), self.context.paint)
            paths = [self.context.save_image(image) for image in images]
        return named(paths, model, language)

    def named_again(self, model: LoadedModel, shown: Any, language: str) -> handlers.Wall:
        """The paintings that hang there, with the styles' names in a language."""
        return named([path for path, _ in shown or ()], model, language)

    def source(self, path: str | None, sample: str) -> "Input":
        from artmodels.optimize.jobs import input_from_bytes

        if path:
            return input_of(self.context.files, path)
        name = sample if sample in SAMPLES else SAMPLES[0]
        return input_from_bytes((PHOTOS / f"{name}.jpg").read_bytes(), f"{name}.jpg")

    def show_photo(self, path: str | None, sample: str, current: str, language: str, request: gr.Request) -> Updates:
        """What was brought, as it will be repainted, and what of it will not be; what is being repainted ends."""
        with clear_errors(language):
            model, photo = self.context.model_of(current), self.source(path, sample)
            before = self.context.save_image(to_images(decoded(photo, SIZES[-1]))[0])
            cut = photo.cut_off()
        self.wishes.one_more(request.session_hash)
        words = translate(language, "photo-whole")
        if cut >= WORTH_SAYING:
            words = translate(language, "photo-cut", share=f"{cut:.0%}")
        words += " " + translate(language, "photo-next")
        return {
            self.compared: (before, before),
            self.news: no_styles(model, language) or f'<p role="status">{words}</p>',
            self.example_words: gr.HTML(visible=False),
            self.stop: gr.Button(visible=False),
            self.download: gr.DownloadButton(visible=False),
            self.share: gr.Button(visible=False),
        }

    def choose_sample(self, event: gr.SelectData) -> Updates:
        return {self.mine: None, self.sample: SAMPLES[event.index]}

    def choose_style(self, current: str, language: str, event: gr.SelectData, request: gr.Request) -> Updates:
        """What is being repainted for this visitor ends, and this begins."""
        with clear_errors(language):
            names = styles_of(self.context.model_of(current))
        if event.index >= len(names):  # the thumbnails of the model before
            return gr.skip()
        return {
            self.style: names[event.index],
            self.wish: self.wishes.one_more(request.session_hash),
            self.news: f'<p role="status">{translate(language, "waiting-turn")}</p>',
            self.example_words: gr.HTML(visible=False),
            self.stop: gr.Button(visible=True),
            self.download: gr.DownloadButton(visible=False),
            self.share: gr.Button(visible=False),
        }

    def repaint(
        self, style: str, wish: float, path: str | None, sample: str, size: float, strength: float,
        current: str, language: str, request: gr.Request,
    ) -> Iterator[Updates]:  # fmt: skip
        """Show the photo while it is repainted, to its end or until its visitor says stop, or wishes something else."""
        visitor = request.session_hash
        if self.wishes.is_over(visitor, wish):  # before it began
            yield {self.news: ""} if self.wishes.is_stopped(visitor, wish) else gr.skip()
            return
        with clear_errors(language):
            model, photo = self.context.model_of(current), self.source(path, sample)
            strength = handlers.number_between("strength", strength, *STRENGTHS)
            pixels = int(size) if size in SIZES else SIZES[-1]
            job = job_for("manner", model, photo, None, style, strength, pixels)
            before = self.context.save_image(to_images(decoded(photo, pixels))[0])
            watched, pictures = Watched(job, lambda: self.wishes.is_over(visitor, wish)), Passing(self.context)
            yield {self.compared: (before, before)}
            for look in watched:
                yield {self.news: look.words(language), self.compared: (before, pictures.save(look.image))}
            if watched.stopped and not self.wishes.is_stopped(
                visitor, wish
            ):  # for something else, which is shown already
                yield gr.skip()
                return
            done, stems = watched.finish(), file_stems(model.generator.config.styles)
            result = self.context.save(done.png, f"{stem_of(photo.name)}-{stems[style]}.png")
        words = translate(language, "photo-done", style=html.escape(style_word(style, language)))
        if watched.stopped:
            words = watched.ended(language)
        yield {
            self.news: f'<p role="status">{words}</p>',
            self.compared: (before, result),
            self.stop: gr.Button(visible=False),
            self.download: gr.DownloadButton(value=result, visible=True),
            self.share: gr.Button(visible=True),
            self.made: result,
        }

    def halt(self, language: str, request: gr.Request) -> Updates:
        """What is being repainted ends, and is shown as far as it came; what still waits does not begin."""
        self.wishes.stop(request.session_hash)
        return {
            self.stop: gr.Button(visible=False),
            self.news: f'<p role="status">{translate(language, "stopping")}</p>',
        }

    def connect(self) -> None:
        context, asked = self.context, [self.context.current, self.context.language]
        left: list[gr.blocks.Block] = [self.news, self.example_words, self.stop, self.download, self.share]
        showing = {
            "fn": self.show_photo,
            "inputs": [self.mine, self.sample, *asked],
            "outputs": [self.compared, *left],
            **PAINTING,
            **EVERY,
        }
        self.mine.upload(**showing)
        self.mine.clear(**showing)
        sampled = self.offered.select(self.choose_sample, None, [self.mine, self.sample], **QUICK, **EVERY)
        sampled.then(**showing)
        chosen = self.styles.select(self.choose_style, asked, [self.style, self.wish, *left], **QUICK, **EVERY)
        self.styles.select(None, None, None, js=LOOK_JS, api_visibility="private")
        repainting = chosen.success(
            self.repaint,
            [self.style, self.wish, self.mine, self.sample, self.size, self.strength, *asked],
            [self.compared, self.news, self.stop, self.download, self.share, self.made],
            **{**PAINTING, "concurrency_id": "descents", "concurrency_limit": 1},
            **EVERY,
        )
        repainting.failure(lambda: ("", gr.Button(visible=False)), None, [self.news, self.stop], **QUICK)
        self.stop.click(self.halt, context.language, [self.stop, self.news], **QUICK)
        self.share.click(None, self.made, None, js=SHARE_JS, api_visibility="private")


def sample_shelf(samples: dict[str, str], language: str) -> handlers.Wall:
    """The photos to try, with their names."""
    return [(path, translate(language, f"sample-{name}")) for name, path in samples.items()]


def styles_of(model: LoadedModel) -> tuple[str, ...]:
    """The styles in which a photo can be repainted."""
    return model.style_statistics.styles if model.style_statistics else ()


def no_styles(model: LoadedModel, language: str) -> str:
    """That a model cannot repaint, if it cannot."""
    return "" if styles_of(model) else f'<p role="status">{translate(language, "photo-no-styles")}</p>'


def named(paths: Sequence[str], model: LoadedModel, language: str) -> handlers.Wall:
    """Pictures of `styles_of`, with their names."""
    return [(path, style_word(name, language)) for path, name in zip(paths, styles_of(model), strict=False)]


def example_recipes(model: LoadedModel) -> list[Recipe]:
    """One picture of each of `styles_of`: the first of its style on the first wall, where one hangs there."""
    hanging = {next(iter(recipe.style_weights)): recipe for recipe in reversed(handlers.first_recipes(model))}

    def example(style: str) -> Recipe:
        seed, truncation = handlers.FIRST_SEED, handlers.FIRST_TRUNCATION
        return hanging.get(style) or handlers.recipes_of_seeds(model, style, seed, 1, truncation)[0]

    return [example(style) for style in styles_of(model)]


def painted_examples(model: LoadedModel, first_wall: Sequence[Image.Image]) -> list[Image.Image]:
    """The pictures of `example_recipes`, most of which hang on the first wall."""
    hanging = handlers.first_recipes(model)
    return [
        first_wall[hanging.index(recipe)] if recipe in hanging else handlers.paint_images(model, [recipe])[0]
        for recipe in example_recipes(model)
    ]


def build_photo_page(
    context: StudioContext, first: LoadedModel, first_wall: Sequence[Image.Image], language: str
) -> PhotoPage:
    def served(name: str) -> str:
        return str(context.files.save((PHOTOS / f"{name}.jpg").read_bytes(), f"{name}.jpg", HOUSE))

    samples, example = {name: served(name) for name in SAMPLES}, served(EXAMPLE)
    thumbnails = [context.save_image(image) for image in painted_examples(first, first_wall)]
    context.add(gr.HTML, {"value": "photo-intro"}, elem_classes="intro", padding=False)
    with gr.Row(elem_id="photo"):
        with gr.Column(scale=2, min_width=300):
            context.add(gr.HTML, {"value": "photo-first"}, elem_classes="step", padding=False)
            mine = context.add(gr.File, {"label": "photo-file"}, file_types=["image"], height=110, elem_id="photo-file")
            context.add(gr.HTML, {"value": "photo-or"}, elem_classes="step", padding=False)
            offered = context.add(
                gr.Gallery,
                {"label": "photo-samples"},
                value=sample_shelf(samples, language),
                **gallery_options("photo-samples", columns=4),
            )
            context.add(gr.HTML, {"value": "photo-privacy"}, elem_classes="fine-print", padding=False)
            context.add(gr.HTML, {"value": "photo-second"}, elem_classes="step", padding=False)
            styles = context.add(
                gr.Gallery,
                {"label": "photo-styles"},
                value=named(thumbnails, first, language),
                **gallery_options("photo-styles", columns=3),
            )
            with context.add(gr.Accordion, {"label": "photo-more"}, open=False, elem_id="photo-more"):
                size = context.add(
                    gr.Radio,
                    {"label": "pixels"},
                    choices=list(SIZES),
                    value=SIZES[-1],
                    elem_id="photo-size",
                    elem_classes="pills",
                )
                strength = strength_slider(context, "photo-strength")
        with gr.Column(scale=3, min_width=320):
            news = gr.HTML(no_styles(first, language), elem_id="photo-news", padding=False)
            example_words = context.add(gr.HTML, {"value": "photo-example"}, elem_classes="fine-print", padding=False)
            compared = context.add(
                gr.ImageSlider,
                {"label": "photo-compared"},
                value=(samples[SAMPLES[0]], example),
                format="png",
                type="filepath",
                show_label=False,
                interactive=False,
                buttons=[],
                max_height=560,
                elem_id="photo-compared",
            )
            with gr.Row():
                stop = context.add(
                    gr.Button, {"value": "stop"}, variant="stop", min_width=90, visible=False, elem_id="photo-stop"
                )
                download = context.add(
                    gr.DownloadButton,
                    {"label": "download"},
                    variant="primary",
                    min_width=130,
                    visible=False,
                    elem_id="photo-download",
                )
                share = context.add(
                    gr.Button,
                    {"value": "share"},
                    min_width=90,
                    visible=False,
                    elem_classes="share",
                    elem_id="photo-share",
                )
    page = PhotoPage(
        context, first, samples, thumbnails, mine, offered, styles, size, strength, news, example_words, compared,
        stop, download, share, gr.Textbox(SAMPLES[0], visible=False), gr.Textbox("", visible=False),
        gr.Number(0, visible=False, precision=0), gr.Textbox("", visible=False), Wishes(),
    )  # fmt: skip
    page.connect()
    return page


def gallery_options(elem_id: str, columns: int) -> dict[str, Any]:
    """A small gallery to choose from."""
    return {
        "format": "png",
        "columns": columns,
        "height": "auto",
        "object_fit": "cover",
        "buttons": [],
        "allow_preview": False,
        "interactive": False,
        "show_label": False,
        "type": "filepath",
        "elem_id": elem_id,
        "elem_classes": "choice",
    }


def stem_of(name: str) -> str:
    """A photo's name as the first part of another file's."""
    return re.sub(r"[^\w-]+", "-", Path(name).stem)[:40].strip("-") or "photo"
