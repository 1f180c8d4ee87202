"""The page: what stands where, and which control calls which handler."""

import hashlib
import html
import json
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any

import gradio as gr
from gradio.utils import get_upload_folder
from torch import Tensor

from artmodels.files import write_atomically
from artmodels.hub import LoadedModel
from artmodels.models.generator import MAX_TRUNCATION, ArtGenerator
from artmodels.recipe import SEED_LIMIT
from artmodels.shelf import ModelShelf, label
from artmodels.studio import handlers
from artmodels.studio.gpu import on_gpu, paint_where_the_gpu_is

FIRST_SEED, FIRST_COUNT, FIRST_TRUNCATION = 1, 24, 0.8
CACHE_CHECK_SECONDS, CACHE_AGE_SECONDS = 600, 3600  # painted PNGs are deleted an hour after the visit
RANDOM_SEED_JS = f"() => Math.floor(Math.random() * {SEED_LIMIT - handlers.MAX_COUNT})"
LOADERS = 4  # visitors who may wait for models at once
PAINTERS = 2  # pictures at once: one visitor's model, if it must be read first, keeps nobody waiting
LOOK_EVERY = 0.2  # seconds


def build_studio(shelf: ModelShelf) -> gr.Blocks:
    """The studio for the models of a shelf, with the first wall of the first of them already painted."""
    first = shelf.get(shelf.names[0])
    styles = [handlers.ALL_STYLES, *first.generator.config.styles]
    loaders = ThreadPoolExecutor(LOADERS, "loader")

    @on_gpu
    def paint_by_name(
        name: str, visiting: ArtGenerator | None, latents: Tensor, weights: Tensor, truncation: float
    ) -> Tensor:
        """On ZeroGPU another process paints: it knows the models of the start, and a visitor's travels along."""
        generator = visiting or shelf.start[name].generator
        return paint_where_the_gpu_is(generator, latents, weights, truncation)

    def painter(model: LoadedModel, latents: Tensor, weights: Tensor, truncation: float) -> Tensor:
        name = label(model)
        return paint_by_name(name, None if name in shelf.start else model.generator, latents, weights, truncation)

    with gr.Blocks(title="ArtModels", delete_cache=(CACHE_CHECK_SECONDS, CACHE_AGE_SECONDS)) as studio:
        masthead = gr.HTML(_masthead(first), elem_id="masthead")
        with gr.Column(elem_id="controls"):
            with gr.Row(elem_id="models"):
                choice = gr.Dropdown(
                    choices_of(shelf.names),
                    value=shelf.names[0],
                    allow_custom_value=True,
                    label="Model",
                    info="Or any model on the Hub: user/model or user/model@revision",
                    elem_id="model",
                )
                news = gr.HTML("", elem_id="news", padding=False)
            style = gr.Radio(styles, value=styles[0], label="Style", elem_id="style")
            with gr.Row(elem_id="dials"):
                with gr.Row(elem_id="seed-row"):
                    seed = gr.Number(
                        FIRST_SEED,
                        label="Seed",
                        info="Same number, same picture",
                        precision=0,
                        min_width=120,
                        elem_id="seed",
                    )
                    dice = gr.Button("⚄ Roll the dice", variant="primary", min_width=150, elem_id="dice")
                count = gr.Slider(
                    1,
                    handlers.MAX_COUNT,
                    FIRST_COUNT,
                    step=1,
                    label="Pictures",
                    info="One seed after the other",
                    elem_id="count",
                )
                truncation = gr.Slider(
                    0,
                    MAX_TRUNCATION,
                    FIRST_TRUNCATION,
                    step=0.05,
                    label="Truncation",
                    info="Low: typical of the style. High: wild",
                    elem_id="truncation",
                )
        current = gr.Textbox(shelf.names[0], label="Model", visible=False)  # the one that paints
        wall = gr.Gallery(
            handlers.generate(first, save_png, styles[0], FIRST_SEED, FIRST_COUNT, FIRST_TRUNCATION),
            format="png",
            show_label=False,
            label="Painted pictures",
            columns=8,
            height="auto",
            object_fit="contain",
            buttons=["download", "fullscreen"],
            interactive=False,
            elem_id="wall",
        )
        download = gr.DownloadButton("Pick a picture to download it", interactive=False, elem_id="download")
        colophon = gr.HTML(_colophon(first), elem_id="colophon")

        def generate(
            style: str = styles[0],
            seed: float = FIRST_SEED,
            count: float = FIRST_COUNT,
            truncation: float = FIRST_TRUNCATION,
            model: str = shelf.names[0],
        ) -> list[tuple[str, str]]:
            try:
                return handlers.generate(shelf.get(model), save_png, style, seed, count, truncation, painter)
            except (ValueError, OSError) as error:
                raise gr.Error(html.escape(str(error)), print_exception=False) from error

        def change_model(chosen: str, current: str) -> Iterator[tuple[Any, ...]]:
            """Fetch a model while the page goes on, telling how far it is; on a failure the current one stays."""
            stay = (gr.skip(),) * 4
            if not chosen or chosen == current:
                yield ("", gr.skip(), *stay)
                return
            told: SimpleQueue[float] = SimpleQueue()
            coming = loaders.submit(shelf.load, chosen, told.put)
            share = 0.0
            yield (_news(chosen, share), gr.skip(), *stay)
            while not coming.done():
                try:
                    share = told.get(timeout=LOOK_EVERY)
                    while not told.empty():
                        share = told.get()
                except Empty:
                    continue
                yield (_news(chosen, share), gr.skip(), *stay)
            try:
                model = coming.result()
            except (ValueError, OSError) as error:
                yield (_trouble(error), gr.Dropdown(value=current), *stay)
                return
            name, found = label(model), [handlers.ALL_STYLES, *model.generator.config.styles]
            choices = choices_of(shelf.names if name in shelf.names else [*shelf.names, name])
            yield (
                "",
                gr.Dropdown(value=name, choices=choices),
                name,
                gr.Radio(choices=found, value=found[0]),
                _masthead(model),
                _colophon(model),
            )

        dice.click(None, None, seed, js=RANDOM_SEED_JS, api_visibility="private")
        repaint = {
            "fn": generate,
            "inputs": [style, seed, count, truncation, current],
            "outputs": wall,
            "concurrency_limit": PAINTERS,
            "concurrency_id": "painting",
            "show_progress": "hidden",
        }
        gr.on(
            [style.change, seed.change, count.change, truncation.change],
            **repaint,
            trigger_mode="always_last",
            api_name="repaint",
            api_visibility="private",
        )
        any_style = gr.Textbox(styles[0], label="Style", visible=False)  # another model's, which the page does not show
        gr.Button(visible=False).click(
            **{**repaint, "inputs": [any_style, seed, count, truncation, current]},
            api_name="generate",
            api_description="Paint pictures from consecutive seeds; PNG files that carry their recipes, with captions.",
        )
        changing = choice.input(
            change_model,
            [choice, current],
            [news, choice, current, style, masthead, colophon],
            concurrency_id="loading",
            concurrency_limit=LOADERS,
            trigger_mode="always_last",
            show_progress="hidden",
            api_visibility="private",
        )
        changing.success(
            **repaint, api_name="repaint", api_visibility="private"
        )  # when style and model belong together
        wall.select(_offer_download, wall, download, api_visibility="private", show_progress="hidden")
        wall.change(_withdraw_download, None, download, api_visibility="private", show_progress="hidden")
    return studio


def choices_of(names: list[str]) -> list[tuple[str, str]]:
    """Models as the box shows them, with a commit's first digits only, and as they are called."""
    return [(re.sub(r"(@[0-9a-f]{7})[0-9a-f]{33}$", r"\1", name), name) for name in names]


def launch_options() -> dict[str, Any]:
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
        "footer_links": ["api"],
        "enable_monitoring": False,
    }


def save_png(content: bytes, name: str) -> str:
    """Keep a PNG where Gradio serves it from, under the hash of its content; Gradio deletes it when it is old."""
    folder = Path(get_upload_folder()) / hashlib.sha256(content).hexdigest()[:32]
    folder.mkdir(parents=True, exist_ok=True)
    write_atomically(folder / name, content)
    return str(folder / name)


def _offer_download(pictures: list[tuple[str, str]], event: gr.SelectData) -> dict[str, Any]:
    path, caption = pictures[event.index]
    return gr.DownloadButton(f"Download {caption} (PNG)", value=path, interactive=True)


def _withdraw_download() -> dict[str, Any]:
    return gr.DownloadButton("Pick a picture to download it", value=None, interactive=False)


def _masthead(model: LoadedModel) -> str:
    count = len(model.generator.config.styles)
    return f"""
<h1>ArtModels</h1>
<p>Pictures that nobody has painted before. A small neural network looked at paintings in {count}
{"style" if count == 1 else "styles"} and now paints its own: pick a style, roll the dice.</p>
"""


def _news(name: str, share: float) -> str:
    name = html.escape(name[:120])
    return f"""
<p role="status">Fetching <strong>{name}</strong>; the wall still paints with the model before.
<progress max="1" value="{share:.3f}"></progress></p>
"""


def _trouble(error: Exception) -> str:
    return f'<p role="status">{html.escape(str(error))}. The model before paints on.</p>'


def _colophon(model: LoadedModel) -> str:
    config, said = model.generator.config, model.statement
    silent = "not stated by its publisher"
    pictures = said.data_license or said.provenance or silent
    return f"""
<p>Painted by <strong>{html.escape(model.name)}</strong>: {config.resolution} × {config.resolution} px in one pass of
{model.generator.parameter_count / 1e6:.1f} million weights, here on this server. Every PNG carries its recipe: model,
seed, style and truncation. Print it with <code>python -m artmodels recipe picture.png</code>.</p>
<p>Licence of the model: {html.escape(said.license or silent)}. Training pictures: {html.escape(pictures[:500])}.
Licence of the code: Apache-2.0.</p>
"""
