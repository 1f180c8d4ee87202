"""The files of a published model: their names, the largest sizes, and what the Hub is told of them."""

import re
from pathlib import Path
from typing import Any

from artmodels.io.safetensors_io import (
    MAX_JSON_BYTES,
)

WEIGHTS_NAME = "model.safetensors"
CONFIG_NAME = "config.json"
CARD_NAME = "README.md"
METRICS_NAME = "metrics.json"
HISTORY_NAME = "history.json"
PROGRESS_NAME = "progress.webp"
DIRECTIONS_NAME = "directions.safetensors"
CLASSIFIER_NAME = "classifier.safetensors"
PROMPT_NAME = "prompt.safetensors"
NEIGHBOURS_NAME = "neighbours.safetensors"
STATISTICS_NAME = "style_statistics.safetensors"
UPSCALER_NAME = "upscaler.safetensors"
MAX_DIRECTIONS_BYTES = 4 * 1024**2
MAX_CLASSIFIER_BYTES = 8 * 1024**2
MAX_PROMPT_BYTES = 6 * 1024**2
MAX_STATISTICS_BYTES = 16 * 1024**2
MAX_UPSCALER_BYTES = 4 * 1024**2
MAX_NEIGHBOURS_BYTES = 32 * 1024**2
MAX_PROGRESS_BYTES = 4 * 1024**2
COMPANIONS = {  # what may lie beside a model, and the largest sizes
    METRICS_NAME: MAX_JSON_BYTES,
    HISTORY_NAME: MAX_JSON_BYTES,
    PROGRESS_NAME: MAX_PROGRESS_BYTES,
    DIRECTIONS_NAME: MAX_DIRECTIONS_BYTES,
    CLASSIFIER_NAME: MAX_CLASSIFIER_BYTES,
    PROMPT_NAME: MAX_PROMPT_BYTES,
    NEIGHBOURS_NAME: MAX_NEIGHBOURS_BYTES,
    STATISTICS_NAME: MAX_STATISTICS_BYTES,
    UPSCALER_NAME: MAX_UPSCALER_BYTES,
}
CARD_DATA: dict[str, Any] = {
    "library_name": "artmodels",
    "pipeline_tag": "unconditional-image-generation",
    "tags": ["art", "gan", "image-generation"],
}
MEASURED_BY = ("test pictures", "held-out pictures")  # what a companion's figures come of


def escape_markdown(name: str) -> str:
    """A name as Markdown shows it to the letter: no table, link or HTML comes of it."""
    return re.sub(r"([\\`*_{}\[\]()<>#|!])", r"\\\1", name)


def find_companion(folder: Path, name: str) -> Path | None:
    """The file of that name beside a model, one of `COMPANIONS`; None if there is none.

    Raises:
        ValueError: it is larger than any that artmodels writes.
    """
    path, largest = folder / name, COMPANIONS[name]
    if not path.is_file():
        return None
    if path.stat().st_size > largest:
        raise ValueError(f"{path} is larger than {largest} bytes: not a file that artmodels wrote")
    return path
