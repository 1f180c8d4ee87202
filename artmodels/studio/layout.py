"""The page: what stands where on it, who paints for it, and how it is launched."""

import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import gradio as gr
from PIL import Image
from starlette.middleware import Middleware
from torch import Tensor

from artmodels.generate.sampling import paint_rows
from artmodels.hub.load import LoadedModel
from artmodels.hub.model_cache import ModelCache
from artmodels.hub.pretrained import ArtGenerator
from artmodels.studio import handlers
from artmodels.studio.api import build_api
from artmodels.studio.batching import MicroBatcher, PaintBatch
from artmodels.studio.blocks import StudioBlocks
from artmodels.studio.context import BROWSER_SECRET, StudioContext
from artmodels.studio.front_page import PREVIEW_HEIGHT, PREVIEW_WIDTH, FrontPage, Preview
from artmodels.studio.i18n import DEFAULT_LANGUAGE, LANGUAGES
from artmodels.studio.pages.blend import build_blend_page
from artmodels.studio.pages.breed import build_breed_page
from artmodels.studio.pages.dance import build_dance_page
from artmodels.studio.pages.explain import build_explain_page
from artmodels.studio.pages.film import build_film_page
from artmodels.studio.pages.music import build_music_page
from artmodels.studio.pages.paint import build_paint_page
from artmodels.studio.pages.photo import build_photo_page
from artmodels.studio.pages.prompt import build_prompt_page
from artmodels.studio.pages.rework import build_rework_page
from artmodels.studio.pages.steer import build_steer_page
from artmodels.studio.panel import build_panel
from artmodels.studio.previews import preview_rows, previews_pay
from artmodels.studio.recipe_opener import RecipeOpener, build_offer, connect_recipe_opener
from artmodels.studio.served_files import HOUSE, FileStore, open_store
from artmodels.studio.shared_events import (
    MCP,
    Pages,
    choices_of,
    colophon_words,
    connect_language,
    connect_models,
    introduction,
    masthead_words,
)
from artmodels.studio.traffic import Gate
from artmodels.studio.visitors import AUDIENCE
from artmodels.studio.zero_gpu import ON_ZERO_GPU, on_gpu, paint_where_the_gpu_is

ROOMS = ("photo", "say", "blend", "breed", "steer", "film", "music", "dance", "rework", "explain")  # after the first
KEPT_JS = "() => { window.artmodels.toKept(); return []; }"
SETTINGS_JS = "() => { document.body.classList.toggle('settings-open'); return []; }"
MAX_UPLOAD = "20mb"
MAX_SESSIONS = 1000  # of visitors that Gradio remembers; it would keep 10,000
MAX_THREADS = 64  # more than there are slots of all kinds, so that none waits for another


def build_studio(models: ModelCache, first_wall: Sequence[Image.Image]) -> StudioBlocks:
    """The studio for the models of a cache, with the images of `handlers.first_recipes` of the first of them."""
    first, files, painters = models.get(models.names[0]), open_store(), painters_of(models)
    gr.set_static_paths([files.served])  # so Gradio serves them as they are, and copies none
    with StudioBlocks(title="ArtModels", fill_width=True) as studio:
        studio.preview, studio.served = preview_of(first, first_wall, files), files.served
        context = StudioContext(
            models,
            painters.paint,
            painters.paint_patiently,
            files,
            preview=painters.preview,
            preview_patiently=painters.preview_patiently,
            language=gr.Textbox(DEFAULT_LANGUAGE, visible=False),
            current=gr.Textbox(models.names[0], visible=False),
            picked=gr.JSON(None, visible=False),
            kept=gr.BrowserState([], storage_key="artmodels-kept", secret=BROWSER_SECRET),
            designs=gr.BrowserState([], storage_key="artmodels-styles", secret=BROWSER_SECRET),
            family=gr.BrowserState([], storage_key="artmodels-family", secret=BROWSER_SECRET),
        )
        with gr.Row(elem_id="top"):
            masthead = gr.HTML(masthead_words(first, DEFAULT_LANGUAGE), elem_id="masthead")
            context.add(gr.Button, {"value": "to-kept"}, size="sm", min_width=40, elem_id="kept-button").click(
                None, None, None, js=KEPT_JS, api_visibility="private"
            )
            context.add(gr.Button, {"value": "settings"}, size="sm", min_width=90, elem_id="settings-button").click(
                None, None, None, js=SETTINGS_JS, api_visibility="private"
            )
            tongue = gr.Radio(
                [(name, code) for code, name in LANGUAGES.items()],
                value=DEFAULT_LANGUAGE,
                label="Language · 语言",
                elem_id="tongue",
                elem_classes="pills",
                scale=0,
                min_width=190,
            )
        with gr.Row(elem_id="models", elem_classes="settings"):
            choice = context.add(
                gr.Dropdown,
                {"label": "model", "info": "model-info"},
                choices=choices_of(models.names),
                value=models.names[0],
                allow_custom_value=True,
                elem_id="model",
            )
        news = gr.HTML("", elem_id="news", padding=False)
        bar = build_offer(context)
        with gr.Row(elem_id="studio", equal_height=False):
            with gr.Column(scale=3, min_width=320, elem_id="pages"):
                with gr.Tabs(elem_id="tabs", overflow_behavior="wrap") as tabs:
                    context.tabs = tabs
                    with context.add(gr.Tab, {"label": "page-paint"}, id="paint"):
                        paint_page = build_paint_page(context, first, first_wall)
                    rooms = {}
                    for name in (
                        "photo",
                        "say",
                        "blend",
                        "breed",
                        "steer",
                        "film",
                        "music",
                        "dance",
                        "rework",
                        "explain",
                    ):
                        rooms[name] = context.add(gr.Tab, {"label": f"page-{name}"}, id=name, render_children=True)
                colophon = gr.HTML(colophon_words(first, DEFAULT_LANGUAGE), elem_id="colophon")
            with gr.Column(scale=1, min_width=280, elem_id="panel"):
                panel = build_panel(context)
        with rooms["photo"]:
            photo_page = build_photo_page(context, first, first_wall, DEFAULT_LANGUAGE)
        with rooms["say"]:
            say_page = build_prompt_page(context, first, DEFAULT_LANGUAGE, panel)
        with rooms["blend"]:
            blend_page = build_blend_page(context, first, paint_page, panel)
        with rooms["breed"]:
            breed_page = build_breed_page(context, panel)
            breed_page.connect_room(rooms["breed"], paint_page.wall)
        with rooms["steer"]:
            steer_page = build_steer_page(context, first, panel, rooms["steer"], paint_page.wall.recipes)
        with rooms["film"]:
            film_page = build_film_page(context, panel, rooms["film"], paint_page.wall.recipes)
        with rooms["music"]:
            music_page = build_music_page(context, first, rooms["music"])
        with rooms["dance"]:
            dance_page = build_dance_page(context, first)
        with rooms["rework"]:
            rework_page = build_rework_page(context, first, panel, paint_page.wall.recipes, DEFAULT_LANGUAGE)
        with rooms["explain"]:
            explain_page = build_explain_page(context, panel, rooms["explain"], paint_page.wall.recipes)
        blend_page.linked(rooms["blend"].select(**blend_page.repainting))
        build_api(context, first)
        pages = Pages(
            paint_page,
            photo_page,
            blend_page,
            breed_page,
            steer_page,
            film_page,
            music_page,
            dance_page,
            say_page,
            rework_page,
            explain_page,
            panel,
        )
        opener = RecipeOpener(context, paint_page, blend_page, steer_page, panel, *bar)
        connect_recipe_opener(opener)
        paint_page.connect_panel(panel)
        connect_models(context, pages, opener, choice, news, [masthead, colophon])
        connect_language(studio, context, pages, opener, tongue, [masthead, colophon])
    return studio


def beside(name: str) -> str:
    """A text file that lies beside this one."""
    return (Path(__file__).parent / name).read_text("utf-8")


def preview_of(first: LoadedModel, wall: Sequence[Image.Image], files: FileStore) -> Preview:
    """What a shared link shows: the first pictures of the wall."""
    columns, side = 6, PREVIEW_WIDTH // 6
    rows = -(-PREVIEW_HEIGHT // side)
    sheet = Image.new("RGB", (PREVIEW_WIDTH, PREVIEW_HEIGHT), "white")
    for place, painted in enumerate(wall[: columns * rows]):
        corner = (place % columns * side, place // columns * side)
        sheet.paste(painted.resize((side, side), Image.Resampling.LANCZOS), corner)
    content = io.BytesIO()
    sheet.save(content, "JPEG", quality=90)
    picture = files.save(content.getvalue(), "preview.jpg", HOUSE)
    return Preview("ArtModels", introduction(first, DEFAULT_LANGUAGE), str(picture))


class Painters(NamedTuple):
    """As a `StudioContext` has them."""

    paint: handlers.PaintRows
    paint_patiently: handlers.PaintRows
    preview: handlers.PaintRows | None
    preview_patiently: handlers.PaintRows | None


def painters_of(models: ModelCache) -> Painters:
    """They paint many visitors' pictures together, or on ZeroGPU each in a call that has the GPU."""

    @on_gpu
    def paint_by_name(name: str, visiting: ArtGenerator | None, w: Tensor) -> Tensor:
        """On ZeroGPU another process paints: it knows the models of the start, and a visitor's travels along."""
        return paint_where_the_gpu_is(visiting or models.start[name].generator, w)

    if ON_ZERO_GPU:

        def paint_there(model: LoadedModel, w: Tensor) -> Tensor:
            name = model.label
            return paint_by_name(name, None if name in models.start else model.generator, w.cpu())

        return Painters(paint_there, paint_there, None, None)
    together = MicroBatcher()
    rough = previews_pay(models.get(models.names[0]).generator)

    def painter(paint: PaintBatch, patient: bool) -> handlers.PaintRows:
        return lambda model, w: together(paint, model.generator, w, patient=patient)

    return Painters(
        painter(paint_rows, patient=False),
        painter(paint_rows, patient=True),
        painter(preview_rows, patient=False) if rough else None,
        painter(preview_rows, patient=True) if rough else None,
    )


def launch_options(studio: StudioBlocks) -> dict[str, Any]:
    """What `launch()` needs to show the studio as designed; fonts are the visitor's own, so nothing is fetched."""
    serif = ["Iowan Old Style", "Palatino Linotype", "Palatino", "Georgia", "serif"]
    sans = ["ui-sans-serif", "system-ui", "Segoe UI", "Roboto", "Helvetica", "Arial", "sans-serif"]
    theme = gr.themes.Base(
        primary_hue=gr.themes.colors.amber,
        neutral_hue=gr.themes.colors.stone,
        radius_size=gr.themes.sizes.radius_sm,
        font=sans,
        font_mono=["ui-monospace", "Consolas", "monospace"],
    ).set(
        body_background_fill="#f4f1ea",
        body_background_fill_dark="#191715",
        body_text_color_subdued="#675f54",
        body_text_color_subdued_dark="#b5aca0",
        block_info_text_color="#675f54",
        block_info_text_color_dark="#b5aca0",
        block_border_width="0px",
        block_shadow="none",
        button_primary_background_fill="#1f1b16",
        button_primary_background_fill_hover="#3a332a",
        button_primary_text_color="#fbf8f1",
        button_primary_background_fill_dark="#f0e6d2",
        button_primary_background_fill_hover_dark="#ffffff",
        button_primary_text_color_dark="#191715",
    )
    return {
        "theme": theme,
        "css": f":root {{ --serif: {', '.join(json.dumps(name) for name in serif[:-1])}, serif; }}",
        "css_paths": Path(__file__).parent / "studio.css",
        "head": f"<style>{beside('page.css')}</style><script>{beside('studio.js')}</script>",
        "footer_links": ["api"],
        "enable_monitoring": False,
        "max_file_size": MAX_UPLOAD,
        "state_session_capacity": MAX_SESSIONS,
        "mcp_server": MCP,
        "max_threads": MAX_THREADS,
        "favicon_path": Path(__file__).parent / "favicon.svg",
        "app_kwargs": {
            "middleware": [
                Middleware(Gate, store=open_store(), audience=AUDIENCE),
                Middleware(FrontPage, preview=studio.preview),
            ]
        },
    }
