"""What may lie beside a model's weights: one file format each, read as a stranger's. A new one is a line here."""

from artmodels.hub.companion import Companion
from artmodels.hub.companions import classifier, curated, directions, neighbours, prompt, style_statistics, upscaler
from artmodels.hub.model_files import TOLD

COMPANIONS: list[Companion] = [
    directions.COMPANION,
    classifier.COMPANION,
    prompt.COMPANION,
    neighbours.COMPANION,
    style_statistics.COMPANION,
    curated.COMPANION,
    upscaler.COMPANION,
]


def files_beside() -> dict[str, int]:
    """The files that may lie beside a model's weights, config and card, and the most bytes of each."""
    return {**TOLD, **{companion.file_name: companion.most_bytes for companion in COMPANIONS}}
