"""The page: what stands where, and which control calls which handler."""

import hashlib
import html
import json
from pathlib import Path
from typing import Any

import gradio as gr
import torch
from gradio.utils import get_upload_folder

from artmodels.files import write_atomically
from artmodels.hub import LoadedModel, find_models, load_model
from artmodels.models.generator import MAX_TRUNCATION
from artmodels.recipe import SEED_LIMIT
from artmodels.studio import handlers

FIRST_SEED, FIRST_COUNT, FIRST_TRUNCATION = 1, 24, 0.8
CACHE_CHECK_SECONDS, CACHE_AGE_SECONDS = 600, 3600  # painted PNGs are deleted an hour after the visit
RANDOM_SEED_JS = f"() => Math.floor(Math.random() * {SEED_LIMIT - handlers.MAX_COUNT})"


def build_studio(model: LoadedModel | None = None) -> gr.Blocks:
    """The studio for a model (default: the first that `find_models` names), with its first wall already painted.

    Raises:
        FileNotFoundError, ValueError: the model is missing or damaged.
    """
    model = model or load_model(find_models()[0], "cuda" if torch.cuda.is_available() else "cpu")
    styles = [handlers.ALL_STYLES, *model.generator.config.styles]

    with gr.Blocks(title="ArtModels", delete_cache=(CACHE_CHECK_SECONDS, CACHE_AGE_SECONDS)) as studio:
        gr.HTML(_masthead(model), elem_id="masthead")
        with gr.Column(elem_id="controls"):
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
        wall = gr.Gallery(
            handlers.generate(model, save_png, styles[0], FIRST_SEED, FIRST_COUNT, FIRST_TRUNCATION),
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
        gr.HTML(_colophon(model), elem_id="colophon")

        def generate(
            style: str = styles[0],
            seed: float = FIRST_SEED,
            count: float = FIRST_COUNT,
            truncation: float = FIRST_TRUNCATION,
        ) -> list[tuple[str, str]]:
            try:
                return handlers.generate(model, save_png, style, seed, count, truncation)
            except ValueError as error:
                raise gr.Error(html.escape(str(error)), print_exception=False) from error

        dice.click(None, None, seed, js=RANDOM_SEED_JS, api_visibility="private")
        gr.on(
            [style.change, seed.change, count.change, truncation.change],
            generate,
            [style, seed, count, truncation],
            wall,
            api_name="generate",
            api_description="Paint pictures from consecutive seeds; PNG files that carry their recipes, with captions.",
            trigger_mode="always_last",
            show_progress="hidden",
        )
        wall.select(_offer_download, wall, download, api_visibility="private", show_progress="hidden")
        wall.change(_withdraw_download, None, download, api_visibility="private", show_progress="hidden")
    return studio


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


def _colophon(model: LoadedModel) -> str:
    config = model.generator.config
    return f"""
<p>Painted by <strong>{html.escape(model.name)}</strong>: {config.resolution} × {config.resolution} px in one pass of
{model.generator.parameter_count / 1e6:.1f} million weights, here on this server. Every PNG carries its recipe: model,
seed, style and truncation. Print it with <code>python -m artmodels recipe picture.png</code>.</p>
"""
