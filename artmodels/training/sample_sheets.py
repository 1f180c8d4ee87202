"""The sample sheets of a run, one after so many images: their film, and what each style's first seed became."""

import re
import warnings
from contextlib import suppress
from pathlib import Path

from PIL import Image

from artmodels.generate.film import webp_bytes
from artmodels.generate.sampling import contact_sheet
from artmodels.io.files import write_atomically
from artmodels.metrics.charts import chunks
from artmodels.training.checkpoint import images_of

SHEET_NAME = re.compile(r"images-(\d{8,12})\.png", re.ASCII)
FILM_SIZE = (1000, 2000)  # px at most
MAX_FRAMES, FRAME_MS, LAST_FRAME_MS = 60, 160, 3000
MAX_STEPS, MAX_ROWS, MAX_SIDE, GAP = 10, 12, 64, 2  # of a strip of progress; px


def sample_film(run: Path) -> Path | None:
    """Write `samples/film.webp`: the sample sheets in a loop of at most 60 frames, which lingers on the last.

    None if fewer than two sheets can be read and have the size of the last.

    Raises:
        OSError: the folder cannot be written.
    """
    frames = []
    for part in chunks(sheets_of(run), MAX_FRAMES):
        with suppress(Exception), Image.open(part[-1], formats=["PNG"]) as sheet:
            frame = sheet.convert("RGB")
            frame.thumbnail(FILM_SIZE)
            frames.append(frame)
    if len(frames) < 2:
        return None
    durations = [FRAME_MS] * (len(frames) - 1) + [LAST_FRAME_MS]
    path = run / "samples" / "film.webp"
    write_atomically(path, webp_bytes(frames, durations, quality=80))
    return path


def sheets_of(run: Path) -> list[Path]:
    """The whole sample sheets that have the size of the last (a resume may have changed it), by images seen."""
    paths = [path for path in (run / "samples").glob("*.png") if SHEET_NAME.fullmatch(path.name) and path.is_file()]
    sizes = {}
    with warnings.catch_warnings():
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        for path in sorted(paths, key=images_of):  # a stranger's file can make a decoder raise anything
            with suppress(Exception), Image.open(path, formats=["PNG"]) as sheet:
                sheet.verify()
                sizes[path] = sheet.size
    return [path for path, size in sizes.items() if size == list(sizes.values())[-1]]


def progress_strip(run: Path, columns: int, rows: int, until: int) -> tuple[Image.Image, list[int]] | None:
    """What the first seed of each style became until so many images: a row per style, a column per sheet, and images.

    At most 10 columns, 12 rows and 64 px a picture. `columns` and `rows` are those of the sheets. None if fewer than
    two sheets can be read.
    """
    strips, seen = [], []
    sheets = [sheet for sheet in sheets_of(run) if images_of(sheet) <= until]
    for part in chunks(sheets, MAX_STEPS):
        with suppress(Exception), Image.open(part[-1], formats=["PNG"]) as sheet:
            width, height = (sheet.width + GAP) // columns - GAP, (sheet.height + GAP) // rows - GAP
            side = min(MAX_SIDE, width)
            corners = [(0, row * (height + GAP)) for row in range(min(rows, MAX_ROWS))]
            cells = [sheet.convert("RGB").crop((x, y, x + width, y + height)) for x, y in corners]
            strips.append([cell.resize((side, side), Image.Resampling.LANCZOS) for cell in cells])
            seen.append(images_of(part[-1]))
    if len(strips) < 2:
        return None
    return contact_sheet([cell for row in zip(*strips, strict=True) for cell in row], len(strips), GAP), seen
