"""A page that repaints a visitor's photo in a style of the model: before and after under one slider."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import gradio as gr
from gradio.events import Dependency

from artmodels.generate.recipe import Recipe
from artmodels.generate.sampling import to_images
from artmodels.generate.save import file_stems
from artmodels.hub.load import LoadedModel
from artmodels.studio import handlers
from artmodels.studio.computing import computed
from artmodels.studio.context import PAINTING, QUICK, StudioContext, Updates, clear_errors
from artmodels.studio.i18n import style_word, translate
from artmodels.studio.pages.rework import job_for
from artmodels.studio.served_files import HOUSE
from artmodels.studio.uploads import input_of
from artmodels.studio.watching import Watched

if TYPE_CHECKING:
    from artmodels.optimize.descent import Input

PHOTOS = Path(__file__).parent.parent / "photos"
SAMPLES = ("cat", "coffee", "astronaut", "rocket")  # free photos, see photos/README.md
EXAMPLE = "cat-ukiyo-e"  # what the page opens with: the first sample, repainted
SIZES = (256, 512)  # px of the longer side
SHARE_JS = "(path) => { window.artmodels.sharePicture(path); return []; }"


@dataclass(frozen=True)
class PhotoPage:
    """What other parts of the studio touch."""

    context: StudioContext
    styles: gr.Gallery
    first: LoadedModel
    thumbnails: Sequence[str]  # of its styles
    left: list[gr.blocks.Block] = field(default_factory=list)  # what the last work left

    def begin_anew_after(self, event: Dependency) -> Dependency:
        """Another model has other styles."""

        def begin(current: str, language: str) -> tuple[Any, ...]:
            with clear_errors(language):
                return self.shelf(current, language), "", gr.DownloadButton(visible=False), gr.Button(visible=False)

        return event.success(begin, [self.context.current, self.context.language], [self.styles, *self.left], **QUICK)

    def shelf(self, current: str, language: str) -> handlers.Wall:
        """One painting and the name of each style that the model can repaint in."""
        model = self.context.model_of(current)
        paths: Sequence[str] = self.thumbnails
        if model.weights_sha256 != self.first.weights_sha256:
            images = handlers.paint_images(model, example_recipes(model), self.context.paint)
            paths = [self.context.save_image(image) for image in images]
        return named(paths, model, language)


def styles_of(model: LoadedModel) -> tuple[str, ...]:
    """The styles in which a photo can be repainted."""
    return model.style_statistics.styles if model.style_statistics else ()


def named(paths: Sequence[str], model: LoadedModel, language: str) -> handlers.Wall:
    """Pictures of `styles_of`, with their names."""
    return [(path, style_word(name, language)) for path, name in zip(paths, styles_of(model), strict=True)]


def example_recipes(model: LoadedModel) -> list[Recipe]:
    """One picture of each of `styles_of`."""
    return [
        recipe
        for style in styles_of(model)
        for recipe in handlers.recipes_of_seeds(model, style, handlers.FIRST_SEED, 1, handlers.FIRST_TRUNCATION)
    ]


def build_photo_page(context: StudioContext, first: LoadedModel, language: str) -> PhotoPage:
    def served(path: Path) -> str:
        return str(context.files.save(path.read_bytes(), path.name, HOUSE))

    samples = {name: served(PHOTOS / f"{name}.jpg") for name in SAMPLES}
    example = served(PHOTOS / f"{EXAMPLE}.jpg")
    thumbnails = [context.save_image(image) for image in handlers.paint_images(first, example_recipes(first))]
    context.add(gr.HTML, {"value": "photo-intro"}, elem_classes="intro", padding=False)
    with gr.Row(elem_id="photo"):
        with gr.Column(scale=2, min_width=300):
            mine = context.add(gr.File, {"label": "photo-file"}, file_types=["image"], height=110, elem_id="photo-file")
            offered = context.add(
                gr.Gallery,
                {"label": "photo-samples"},
                value=[(path, translate(language, f"sample-{name}")) for name, path in samples.items()],
                **gallery_options("photo-samples", columns=4),
            )
            context.add(gr.HTML, {"value": "photo-privacy"}, elem_classes="fine-print", padding=False)
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
                strength = context.add(
                    gr.Slider,
                    {"label": "strength", "info": "strength-info"},
                    minimum=0.2,
                    maximum=3,
                    value=1,
                    step=0.1,
                    elem_id="photo-strength",
                )
        with gr.Column(scale=3, min_width=320):
            news = gr.HTML(f"<p>{translate(language, 'photo-example')}</p>", elem_id="photo-news", padding=False)
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
    page = PhotoPage(context, styles, first, thumbnails, [news, download, share])
    sample = gr.Textbox(SAMPLES[0], visible=False)  # which one stands for a photo of the visitor's own
    style = gr.Textbox("", visible=False)
    made = gr.Textbox("", visible=False)  # where the last one is served
    stopping: set[str | None] = set()

    def source(path: str | None, sample: str) -> "Input":
        from artmodels.optimize.jobs import input_from_bytes

        if path:
            return input_of(context.files, path)
        name = sample if sample in SAMPLES else SAMPLES[0]
        return input_from_bytes((PHOTOS / f"{name}.jpg").read_bytes(), f"{name}.jpg")

    def show_photo(path: str | None, sample: str, language: str) -> tuple[Any, ...]:
        """What was brought, as it will be repainted, and what of it will not be."""
        with clear_errors(language):
            photo = source(path, sample)
            before = context.save_image(computed(lambda: to_images(photo.whole(SIZES[-1]))[0]))
        cut = photo.cut_off()
        words = translate(language, "photo-cut", share=f"{cut:.0%}") if cut else translate(language, "photo-whole")
        hidden = gr.DownloadButton(visible=False), gr.Button(visible=False)
        return (before, before), f'<p role="status">{words} {translate(language, "photo-next")}</p>', *hidden

    def choose_sample(event: gr.SelectData) -> tuple[Any, ...]:
        return None, SAMPLES[event.index]

    def choose_style(current: str, language: str, event: gr.SelectData, request: gr.Request) -> tuple[Any, ...]:
        """What is being repainted for this visitor ends, and this begins."""
        with clear_errors(language):
            names = styles_of(context.model_of(current))
        stopping.add(request.session_hash)
        waiting = f'<p role="status">{translate(language, "photo-waiting")}</p>'
        return names[event.index], waiting, gr.DownloadButton(visible=False), gr.Button(visible=False)

    def repaint(
        style: str, path: str | None, sample: str, size: float, strength: float, current: str, language: str,
        request: gr.Request,
    ) -> Iterator[Updates]:  # fmt: skip
        """Show the photo while it is repainted, to its end or until its visitor says stop."""
        with clear_errors(language):
            model = context.model_of(current)
            photo = source(path, sample)
            strength = handlers.number_between("strength", strength, 0.2, 3)
            pixels = int(size) if size in SIZES else SIZES[-1]
            job = job_for("manner", model, photo, None, style, strength, pixels)
            before = context.save_image(computed(lambda: to_images(photo.whole(pixels))[0]))
            watched = Watched(job, request.session_hash, stopping)
            yield {compared: (before, before), stop: gr.Button(visible=True)}
            for look in watched:
                yield {news: look.words(language), compared: (before, context.save_image(look.image))}
            done, stems = watched.finish(), file_stems(model.generator.config.styles)
            result = context.save(done.png, f"{stem_of(photo.name)}-{stems[style]}.png")
        words = translate(language, "photo-done", style=style_word(style, language))
        yield {
            news: f'<p role="status">{words} {watched.ended(language)}</p>',
            compared: (before, result),
            stop: gr.Button(visible=False),
            download: gr.DownloadButton(value=result, visible=True),
            share: gr.Button(visible=True),
            made: result,
        }

    showing = {
        "fn": show_photo,
        "inputs": [mine, sample, context.language],
        "outputs": [compared, news, download, share],
        **PAINTING,
    }
    mine.upload(**showing)
    offered.select(choose_sample, None, [mine, sample], **QUICK).then(**showing)
    chosen = styles.select(choose_style, [context.current, context.language], [style, news, download, share], **QUICK)
    chosen.success(
        repaint,
        [style, mine, sample, size, strength, context.current, context.language],
        [news, compared, stop, download, share, made],
        **{**PAINTING, "concurrency_id": "descents", "concurrency_limit": 1},
    )

    def halt(request: gr.Request) -> Any:
        stopping.add(request.session_hash)
        return gr.Button(visible=False)

    stop.click(halt, None, stop, **QUICK)
    share.click(None, made, None, js=SHARE_JS, api_visibility="private")
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
        "type": "filepath",
        "elem_id": elem_id,
        "elem_classes": "choice",
    }


def stem_of(name: str) -> str:
    """A photo's name as the first part of another file's."""
    return re.sub(r"[^\w-]+", "-", Path(name).stem)[:40].strip("-") or "photo"
