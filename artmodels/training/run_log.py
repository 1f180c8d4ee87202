"""A run's `metrics.jsonl`, its sample sheets and its clock, and what is told beside the bar."""

import io
import json
import os
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from tqdm import tqdm

from artmodels.generate.sampling import style_sheet
from artmodels.hub.pretrained import ArtGenerator
from artmodels.io.files import write_atomically
from artmodels.training.checkpoint import images_of
from artmodels.training.sample_sheets import SHEET_NAME

SAMPLE_SEEDS = range(8)


def read_history(output: Path) -> list[dict[str, Any]]:
    """The records of `metrics.jsonl`; a line that a power cut tore is passed over."""
    records = []
    for line in (output / "metrics.jsonl").read_text("utf-8", "replace").splitlines():
        with suppress(ValueError, RecursionError):
            record = json.loads(line)
            if isinstance(record, dict) and isinstance(record.get("images"), int):
                records.append(record)
    return records


class RunLog:
    """`metrics.jsonl`, `samples/` and the clock of a run; the log is cut back to where the run resumes."""

    def __init__(self, output: Path, images: int, seconds_before: float):
        self.path = output / "metrics.jsonl"
        self.samples = output / "samples"
        self.started = time.monotonic() - seconds_before
        history = read_history(output) if self.path.exists() else []
        self.records = [record for record in history if record["images"] <= images]
        for sheet in self.samples.glob("*.png"):
            if SHEET_NAME.fullmatch(sheet.name) and images_of(sheet) > images:  # of a stretch that was lost
                sheet.unlink()
        write_atomically(self.path, "".join(json.dumps(record) + "\n" for record in self.records).encode())

    @property
    def seconds(self) -> float:
        """Training time so far, over all resumes."""
        return time.monotonic() - self.started

    def write(self, record: dict[str, Any]) -> dict[str, Any]:
        """Append a record, its numbers rounded; it comes back as written."""
        record = {name: round(value, 5) if isinstance(value, float) else value for name, value in record.items()}
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(record) + "\n")
            file.flush()
            os.fsync(file.fileno())
        self.records.append(record)
        return record

    def save_samples(self, painter: ArtGenerator, images: int) -> None:
        self.samples.mkdir(exist_ok=True)
        sheet = io.BytesIO()
        style_sheet(painter, SAMPLE_SEEDS).save(sheet, "PNG")
        write_atomically(self.samples / f"images-{images:08d}.png", sheet.getvalue())


def show(bar: tqdm, record: dict[str, Any], before: list[dict[str, Any]]) -> None:
    """Tell a record's figures beside the bar, and those of its warnings that the records before it did not have."""
    known: list[str] = next((past["warnings"] for past in reversed(before) if "warnings" in past), [])
    for warning in record.get("warnings", ()):
        if warning not in known:
            bar.write(f"warning: {warning}", file=sys.stderr)
    if "evaluation" in record:
        figures = record["evaluation"]
        floor = f" (real pictures: {figures['frechet_floor']:.1f})" if "frechet_floor" in figures else ""
        bar.write(
            f"{record['images']:,} images: kernel distance x 1000 {figures['kernel_distance'] * 1000:.1f}"
            f"{' (the best so far)' if record.get('best') else ''}, "
            f"Fréchet distance {figures['frechet_distance']:.1f}{floor}",
            file=sys.stderr,
        )
    names = {"likeness": "perceptual_distance", "g": "generator_loss", "d": "discriminator_loss"}
    told = {name: f"{record[key]:.2f}" for name, key in names.items() if key in record}
    newest: dict[str, float | None] = {}
    for past in [*before, record]:
        newest["variety"] = past.get("variety", newest.get("variety"))
        newest["recall"] = past.get("evaluation", {}).get("recall", newest.get("recall"))
    told |= {name: f"{value:.2f}" for name, value in newest.items() if value is not None}
    bar.set_postfix(told)
