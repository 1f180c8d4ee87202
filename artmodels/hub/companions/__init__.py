"""What may lie beside a model's weights: one file format each, read as a stranger's. A new one is a line here."""

import sys
from pathlib import Path
from typing import Any

from artmodels.hub.companion import Companion
from artmodels.hub.companions import classifier, curated, directions, neighbours, prompt, style_statistics, upscaler
from artmodels.hub.model_files import TOLD
from artmodels.models.generator import GeneratorConfig

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


def load_beside(folder: Path, config: GeneratorConfig, bearable: str | Path | None = None) -> dict[str, Any]:
    """What lies beside a model with this config, by the names of `COMPANIONS`; None where there is none.

    With `bearable`, what the model is called, one that does not load is warned of and left out.

    Raises:
        ValueError: one is damaged, or does not fit the model.
    """
    found: dict[str, Any] = {}
    for companion in COMPANIONS:
        try:
            found[companion.name] = companion.load(folder, config)
        except ValueError as error:
            if bearable is None:
                raise
            found[companion.name] = None
            why = str(error).replace(str(folder), str(bearable))
            print(f"warning: {bearable} is used without its {companion.name}: {why}", file=sys.stderr)
    return found
