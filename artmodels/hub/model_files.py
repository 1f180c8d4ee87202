"""The files of a published model: their names, the largest sizes, and what the Hub is told of them."""

import re
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
MAX_PROGRESS_BYTES = 4 * 1024**2
TOLD = {  # what tells of a model beside its card, and the largest sizes
    METRICS_NAME: MAX_JSON_BYTES,
    HISTORY_NAME: MAX_JSON_BYTES,
    PROGRESS_NAME: MAX_PROGRESS_BYTES,
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
