"""Seeds for a first look: of many of each style, those whose pictures come nearest to real ones."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field

from artmodels.hub.companion import Companion
from artmodels.hub.model_files import escape_markdown
from artmodels.io.files import write_json
from artmodels.io.safetensors_io import read_json
from artmodels.io.schema import Name, Schema, parse
from artmodels.models.generator import GeneratorConfig

CURATED_NAME = "curated.json"
REMEDY = "choose them anew with `evaluate --curate`, or delete the file"
SHOWN = 8  # seeds of a style, on the card
Seed = Annotated[int, Field(ge=0, lt=2**32)]
Seeds = Annotated[tuple[Seed, ...], Field(min_length=1, max_length=100)]


class Curated(Schema):
    """Seeds of each style, the best first, each with the layout that it has in its style."""

    seeds: dict[str, Seeds]
    drawn: Annotated[int, Field(ge=1, le=10**6)]  # how many seeds of each style were looked at, from 0 on
    truncation: Annotated[float, Field(ge=0, le=1.5)]  # at which they were painted
    judge: Name  # the network that compared them with real pictures


def save_curated(folder: Path, curated: Curated) -> None:
    """Write `curated.json`."""
    write_json(folder / CURATED_NAME, curated.model_dump())


def load_curated(folder: Path, styles: Sequence[str]) -> Curated | None:
    """The seeds that lie beside a model of these styles; None if there are none. They may be a stranger's.

    Raises:
        ValueError: too large, damaged, or of other styles.
    """
    path = COMPANION.find(folder)
    if path is None:
        return None
    try:
        curated = parse(Curated, read_json(path), "it")
    except ValueError as error:
        raise ValueError(f"{path}: {error}: {REMEDY}") from error
    if set(curated.seeds) != set(styles):
        raise ValueError(f"{path} has seeds of other styles than its model: {REMEDY}")
    return curated


def _section(curated: Curated | None, config: GeneratorConfig, evaluation: dict[str, Any]) -> str:
    """The card's section on how the studio's first wall was chosen, if it was."""
    if not curated:
        return ""
    lines = "\n".join(
        f"| {escape_markdown(style)} | {', '.join(map(str, curated.seeds[style][:SHOWN]))} |" for style in config.styles
    )
    return f"""
## Curated seeds

The studio opens on a wall that was chosen, and says so. Of the seeds 0 to {curated.drawn - 1} of each style, painted \
at truncation {curated.truncation:g},
those with the highest realism scores were kept (arXiv:1904.06991; {curated.judge}, among real pictures of the style),
and of these the best one and those that differ most:

| style | seeds |
| --- | --- |
{lines}

Chosen by `python -m artmodels evaluate --curate`. All figures above, and the sample sheet, are of pictures that
nobody chose.
"""


COMPANION = Companion(
    "curated",
    CURATED_NAME,
    1024**2,
    lambda folder, config: load_curated(folder, config.styles),
    section=_section,
    outlives=False,  # they are those of the very weights
)
