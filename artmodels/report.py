"""A run told on one page: its curves, its warnings and the film of its samples, in `report.html`."""

import math
import re
import warnings
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any, TypeVar

from PIL import Image

from artmodels import __version__
from artmodels.files import write_atomically
from artmodels.film import webp_bytes
from artmodels.keeping import read_history
from artmodels.models.weights import read_json

SHEET_NAME = re.compile(r"images-(\d{8,12})\.png", re.ASCII)
FILM_SIZE = (1000, 2000)  # px at most
MAX_FRAMES, FRAME_MS, LAST_FRAME_MS = 60, 160, 3000
MAX_POINTS, MAX_DOTS, MAX_ROWS = 400, 40, 20  # of a curve, of one whose every point gets a dot, of a table
STYLE_FIGURES = {"kernel_distance": "kernel distance", "variety": "variety"}
MAX_STYLES = 200  # rows of the table of styles
MAX_CHARTS, MAX_WARNINGS, MAX_TEXT, LARGEST = 24, 50, 500, 1e12  # what a damaged record may put on the page
WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 300, 196, 38, 288, 26, 160  # px of a chart, and of the plot within it

Record = Mapping[str, Any]
Point = tuple[float, float]  # images seen, value
Item = TypeVar("Item")


@dataclass(frozen=True)
class Chart:
    """Figures that share one pair of axes."""

    title: str
    unit: str
    hint: str
    curves: dict[str, str]  # label -> key in the records; the curve called "floor" is dashed


LOSSES = {"discriminator": "discriminator_loss", "generator": "generator_loss"}
TRAINING = (
    Chart("Losses", "loss", "each a sum over the heads", LOSSES),
    Chart("Logits", "logit", "the nearer, the harder to tell apart", {"real": "real_logit", "fake": "fake_logit"}),
    Chart("Variety", "ratio", "1: fakes differ as real pictures do", {"fakes": "variety"}),
    Chart("Style gap", "nats", "0: styles show as well in fakes", {"fakes": "style_gap"}),
    Chart("Certainty", "mean sign", "of logits of training pictures; 1: sure", {"real": "real_sign"}),
    Chart("Known by heart", "share", "1: unseen pictures look painted to it", {"discriminator": "known_by_heart"}),
    Chart("Augmentation", "share", "of pictures that it sees changed", {"changed": "augment"}),
)
EVALUATION = {  # key: title, unit, hint; other figures are drawn under their own names
    "frechet_distance": ("Fréchet distance", "distance", "lower is better"),
    "kernel_distance": ("Kernel distance", "distance", "lower is better"),
    "sliced_wasserstein": ("Sliced Wasserstein distance", "distance", "lower is better"),
    "precision": ("Precision", "share", "higher is better"),
    "recall": ("Recall", "share", "higher is better"),
    "variety": ("Variety of seeds", "ratio", "1: as varied as real pictures"),
    "memorisation_ratio": ("Memorisation", "ratio", "below 1: nearer than unseen pictures"),
    "memorisation_ratio_nearest": ("Memorisation, nearest", "ratio", "the same of the nearest hundredth"),
}
NO_FIGURES = {"images", "seconds", "samples"}


def write_report(run: Path) -> Path:
    """Write `report.html` into a run folder, and the film of its samples; at any time, as often as one likes.

    What it reads may be torn, damaged or a stranger's: what cannot be read is passed over, and text is escaped.

    Raises:
        OSError: there is no such folder, or it cannot be written.
    """
    history: list[Record] = []
    with suppress(OSError, RecursionError):
        history = [record for record in read_history(run) if 0 <= record["images"] < LARGEST]
    history.sort(key=lambda record: record["images"])
    page = _page(run, history, sample_film(run))
    path = run / "report.html"
    write_atomically(path, page.encode("utf-8", "replace"))
    return path


def sample_film(run: Path) -> Path | None:
    """Write `samples/film.webp`: the sample sheets in a loop of at most 60 frames, which lingers on the last.

    None if fewer than two sheets can be read and have the size of the last.

    Raises:
        OSError: the folder cannot be written.
    """
    frames = []
    for part in _chunks(_sheets(run), MAX_FRAMES):
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


def _sheets(run: Path) -> list[Path]:
    """The whole sample sheets that have the size of the last (a resume may have changed it), by images seen."""
    paths = [path for path in (run / "samples").glob("*.png") if SHEET_NAME.fullmatch(path.name) and path.is_file()]
    sizes = {}
    with warnings.catch_warnings():
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        for path in sorted(paths, key=_images_of):  # a stranger's file can make a decoder raise anything
            with suppress(Exception), Image.open(path, formats=["PNG"]) as sheet:
                sheet.verify()
                sizes[path] = sheet.size
    return [path for path, size in sizes.items() if size == list(sizes.values())[-1]]


def _images_of(sheet: Path) -> int:
    return int(sheet.stem.removeprefix("images-"))


# Figures


def _number(value: Any) -> float | None:
    """A number that can be drawn, else None: for text, booleans, null, NaN, infinity."""
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return float(value) if is_number and -LARGEST < value < LARGEST else None


def _points(records: Sequence[Record], key: str) -> list[Point]:
    return [(record["images"], value) for record in records if (value := _number(record.get(key))) is not None]


def _chunks(items: Sequence[Item], most: int) -> list[Sequence[Item]]:
    """`items` in order, in at most `most` parts of nearly one length."""
    count = min(len(items), most)
    return [items[i * len(items) // count : (i + 1) * len(items) // count] for i in range(count)]


def thin(points: Sequence[Point], most: int = MAX_POINTS) -> list[Point]:
    """At most `most` points, each the mean of its neighbours."""
    parts = _chunks(points, most)
    return [(sum(x for x, _ in part) / len(part), sum(y for _, y in part) / len(part)) for part in parts]


def round_ticks(low: float, high: float, about: int = 4) -> list[float]:
    """Multiples of 1, 2 or 5 times a power of ten that enclose `low` to `high`, about four steps apart."""
    if high - low < max(1e-9 * max(abs(low), abs(high)), 1e-12):
        room = 0.1 * abs(low) if abs(low) > 1e-6 else 1.0
        low, high = low - room, high + room
    smallest = (high - low) / about
    power = 10.0 ** math.floor(math.log10(smallest))
    step = next(factor * power for factor in (1, 2, 5, 10, 20) if factor * power >= smallest * (1 - 1e-9))
    return [i * step for i in range(math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9) + 1)]


def _text(value: float) -> str:
    """A number for people: 151,296 or 12.5 or −0.8314."""
    return (f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}").replace("-", "−")


def _tick(value: float) -> str:
    size, suffix = next((pair for pair in ((1e9, "G"), (1e6, "M"), (1e3, "k")) if abs(value) >= pair[0]), (1, ""))
    return f"{value / size:.6g}{suffix}".replace("-", "−")


def draw_chart(chart: Chart, records: Sequence[Record], end: float, best: float | None = None) -> str:
    """A `<figure>` with one line chart, images seen from 0 to `end`; empty where no record has its figures.

    `best` is the number of images at which the first curve gets a ring.
    """
    curves = {label: points for label, key in chart.curves.items() if (points := _points(records, key))}
    if not curves:
        return ""
    thinned = {label: thin(points) for label, points in curves.items()}
    values = [value for points in thinned.values() for _, value in points]
    x_ticks, y_ticks = round_ticks(0, end), round_ticks(min(values), max(values))

    def place(images: float, value: float) -> tuple[float, float]:
        height = (value - y_ticks[0]) / (y_ticks[-1] - y_ticks[0])
        return round(LEFT + (RIGHT - LEFT) * images / end, 1), round(BOTTOM - (BOTTOM - TOP) * height, 1)

    # Axes.
    marks = [f'<text x="0" y="11">{escape(chart.unit)}</text>']
    marks.append(f'<text class="end" x="{RIGHT}" y="{HEIGHT - 2}">images seen</text>')
    for tick in y_ticks:
        _, y = place(0, tick)
        marks.append(
            f'<path d="M{LEFT} {y}H{RIGHT}"/><text class="end" x="{LEFT - 6}" y="{y + 4:.1f}">{_tick(tick)}</text>'
        )
    for tick in (tick for tick in x_ticks if tick <= end):
        x, _ = place(tick, 0)
        marks.append(f'<path d="M{x} {BOTTOM}v4"/><text class="mid" x="{x}" y="{BOTTOM + 17}">{_tick(tick)}</text>')

    # Curves, each with its entry in the legend and its words for those who cannot see it.
    legend, spoken = [], []
    for number, (label, points) in enumerate(thinned.items()):
        look = "floor" if label == "floor" else f"c{number}"
        line = " ".join(f"{x},{y}" for x, y in (place(*point) for point in points))
        marks.append(f'<polyline class="{look}" points="{line}"/>')
        for point in points if len(points) <= MAX_DOTS and look != "floor" else ():
            (x, y), title = place(*point), f"{_text(point[1])} at {_text(point[0])} images"
            marks.append(f'<circle class="{look}" cx="{x}" cy="{y}" r="3"><title>{title}</title></circle>')
        (first, before), (last, now) = curves[label][0], curves[label][-1]
        legend.append(f'<span class="{look}">{escape(label)} <b>{_text(now)}</b></span>')
        spoken.append(f"{label} from {_text(before)} at {_text(first)} to {_text(now)} at {_text(last)} images seen")

    judged = dict(next(iter(curves.values())))
    if best in judged:
        x, y = place(best, judged[best])
        below = y < TOP + 16
        marks.append(f'<circle class="best" cx="{x}" cy="{y}" r="6.5"/>')
        marks.append(f'<text class="best mid" x="{x}" y="{y + (20 if below else -11):.1f}">best</text>')
    return f"""<figure><h3>{escape(chart.title)}</h3><small>{escape(chart.hint)}</small><p>{" ".join(legend)}</p>
<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(f"{chart.title}: {'; '.join(spoken)}")}">
{"".join(marks)}</svg></figure>"""


def _evaluation_charts(evaluations: Sequence[Record]) -> list[Chart]:
    """A chart for each figure of the evaluations, those we know first, each with its floor where there is one."""
    found = {key for record in evaluations for key in record if _number(record[key]) is not None}
    keys = [key for key in [*EVALUATION, *sorted(found - EVALUATION.keys() - NO_FIGURES)] if key in found]
    charts = []
    for key in [key for key in keys if not key.endswith("_floor")][:MAX_CHARTS]:
        title, unit, hint = EVALUATION.get(key, (key[:MAX_TEXT].replace("_", " ").capitalize(), "", ""))
        floor = key.removesuffix("_distance") + "_floor"
        charts.append(Chart(title, unit, hint, {"model": key, "floor": floor}))
    return charts


# The page


def _table(charts: Sequence[Chart], records: Sequence[Record], best: float | None) -> str:
    """The figures of some charts, for those who would rather read them: at most 20 rows, each the mean of a stretch."""
    keys = [key for chart in charts for key in chart.curves.values() if _points(records, key)]
    heads, rows = "".join(f'<th scope="col">{escape(key[:MAX_TEXT].replace("_", " "))}</th>' for key in keys), []
    for part in _chunks(records, MAX_ROWS):
        mark = " (best)" if best in [record["images"] for record in part] else ""
        means = ["".join(_text(value) for _, value in thin(_points(part, key), 1)) for key in keys]
        cells = "".join(f"<td>{mean}</td>" for mean in means)
        rows.append(f'<tr><th scope="row">{_text(part[-1]["images"])}{mark}</th>{cells}</tr>')
    return f'<table><thead><tr><th scope="col">images</th>{heads}</tr></thead><tbody>{"".join(rows)}</tbody></table>'


def _curves(title: str, charts: Sequence[Chart], records: Sequence[Record], end: float, best: float | None) -> str:
    figures = "".join(draw_chart(chart, records, end, best) for chart in charts)
    if not figures:
        return ""
    return f"""<section><h2>{title}</h2><div class="charts">{figures}</div>
<details><summary>{title} as a table</summary><div role="region" aria-label="{title} as a table" tabindex="0">
{_table(charts, records, best)}</div></details></section>"""


def _styles(evaluations: Sequence[Record], best: float | None) -> str:
    """The figures of each style in the best evaluation, else the last."""
    judged = next(
        (record for record in evaluations if record["images"] == best), evaluations[-1] if evaluations else {}
    )
    styles = judged.get("styles")
    rows = {
        str(style)[:MAX_TEXT]: [_number(figures.get(key)) for key in STYLE_FIGURES]
        for style, figures in (list(styles.items())[:MAX_STYLES] if isinstance(styles, dict) else ())
        if isinstance(figures, dict)
    }
    if not rows:
        return ""
    heads = "".join(f'<th scope="col">{title}</th>' for title in STYLE_FIGURES.values())
    body = "".join(
        f'<tr><th scope="row">{escape(style)}</th>'
        + "".join(f"<td>{'' if value is None else _text(value)}</td>" for value in values)
        + "</tr>"
        for style, values in rows.items()
    )
    return f"""<section><h2>Styles after {_text(judged["images"])} images</h2>
<div role="region" aria-label="Figures of each style" tabindex="0"><table>
<thead><tr><th scope="col">style</th>{heads}</tr></thead><tbody>{body}</tbody></table></div></section>"""


def _warnings(history: Sequence[Record]) -> str:
    """Each warning once, with the images at which it began, and ended if the last evaluation lacks it."""
    spans: dict[str, list[int]] = {}
    judged = [record for record in history if "evaluation" in record or "warnings" in record]
    for record in judged:
        texts = record.get("warnings")
        for text in texts if isinstance(texts, list) else ():
            if isinstance(text, str):
                spans.setdefault(text[:MAX_TEXT], [record["images"]] * 2)[1] = record["images"]
    items = []
    for text, (began, ended) in list(spans.items())[-MAX_WARNINGS:]:
        when = f"Since {_text(began)}" if ended == judged[-1]["images"] else f"From {_text(began)} to {_text(ended)}"
        when = f"At {_text(began)}" if began == ended < judged[-1]["images"] else when
        items.append(f"<li><b>{when} images:</b> {escape(text)}</li>")
    return f'<section class="warnings"><h2>Warnings</h2><ul>{"".join(items)}</ul></section>' if items else ""


def _samples(run: Path, film: Path | None) -> str:
    sheets = _sheets(run)
    if not sheets:
        return ""
    last, images = f"samples/{sheets[-1].name}", _text(_images_of(sheets[-1]))
    figures = f"""<figure><img src="{last}" alt="Samples after {images} images, one row per style">
<figcaption>After {images} images: a row per style, a column per seed.</figcaption></figure>"""
    if film:
        figures += f"""<figure><picture><source srcset="{last}" media="(prefers-reduced-motion: reduce)">
<img src="samples/{film.name}" alt="Film of the samples as the run went on"></picture>
<figcaption>The same seeds as the run went on.</figcaption></figure>"""
    return f'<section><h2>Samples</h2><div class="samples">{figures}</div></section>'


def _look_up(path: Path, *keys: str) -> Any:
    """The value under nested keys of a JSON file, None where there is none."""
    data = None
    with suppress(OSError, ValueError):
        data = read_json(path)
    for key in keys:
        data = data.get(key) if isinstance(data, dict) else None
    return data


def _head(run: Path, history: Sequence[Record], best: float | None) -> str:
    config = run / "config.json"
    planned, pictures, side = (
        _number(_look_up(config, *keys))
        for keys in (("train", "images"), ("data", "pictures"), ("train", "resolution"))
    )
    machine = _look_up(run / "model" / "metrics.json", "training", "machine")
    seconds = _points(history, "seconds")
    facts = {"Images seen": _text(history[-1]["images"] if history else 0)}
    if planned is not None:
        facts["Images seen"] += f" <small>of {_text(planned)}</small>"
    if seconds:
        facts["Training time"] = f"{_text(seconds[-1][1] / 3600)} <small>hours</small>"
    if isinstance(machine, str):
        facts["Machine"] = escape(machine[:MAX_TEXT])
    if pictures is not None:
        facts["Pictures"] = _text(pictures)
    if side is not None:
        facts["Resolution"] = f"{_text(side)} <small>px</small>"
    if best is not None:
        facts["Best checkpoint"] = f"{_text(best)} <small>images</small>"
    counts = _look_up(config, "data", "style_counts")
    styles = [
        f"<li>{escape(style[:MAX_TEXT])} <b>{_text(count)}</b></li>"
        for style, value in (counts.items() if isinstance(counts, dict) else ())
        if (count := _number(value)) is not None
    ]
    return f"""<header><p>ArtModels training run</p><h1>{escape(run.resolve().name)}</h1>
<dl>{"".join(f"<div><dt>{name}</dt><dd>{value}</dd></div>" for name, value in facts.items())}</dl>
{f'<ul aria-label="Styles and their pictures">{"".join(styles)}</ul>' if styles else ""}</header>"""


def _page(run: Path, history: Sequence[Record], film: Path | None) -> str:
    evaluations, steps = [], []
    for record in history:
        if isinstance(record.get("evaluation"), dict):
            evaluations.append(record["evaluation"] | {"images": record["images"], "best": record.get("best") is True})
        if any(key in record for chart in TRAINING for key in chart.curves.values()):
            steps.append(record)
    best = next((record["images"] for record in reversed(evaluations) if record["best"]), None)
    end = max(history[-1]["images"], 1) if history else 1
    curves = _curves("Evaluation", _evaluation_charts(evaluations), evaluations, end, best)
    curves += _styles(evaluations, best)
    curves += _curves("Training", TRAINING, steps, end, None)
    return f"""<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><title>{escape(run.resolve().name)}: training report</title>
<meta name="viewport" content="width=device-width, initial-scale=1"><meta name="color-scheme" content="light dark">
<meta http-equiv="Content-Security-Policy" content="script-src 'none'"><style>{CSS}</style></head>
<body><main>{_head(run, history, best)}
{_warnings(history)}{_samples(run, film)}
{curves or "<p>No figures yet: they appear when the run has logged its first steps.</p>"}
</main><footer>Written by artmodels {__version__} from the run's own records.</footer></body></html>
"""


CSS = """
:root { --paper: #fbf8f1; --card: #fffdf8; --ink: #1f1b16; --soft: #6b6255; --line: #e4dccb; --warn: #fbeccb;
  --c0: #1f6394; --c1: #b8481f; }
@media (prefers-color-scheme: dark) { :root { --paper: #191715; --card: #22201d; --ink: #f0e6d2; --soft: #aca18e;
  --line: #3a362f; --warn: #40341a; --c0: #7fb8e2; --c1: #f09a70; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--paper); color: var(--ink); font: 16px/1.5 system-ui, sans-serif;
  font-variant-numeric: tabular-nums; overflow-wrap: anywhere; }
main, footer { max-width: 1360px; margin: 0 auto; padding: 0 clamp(16px, 3vw, 40px); }
header { padding-top: clamp(28px, 4vw, 56px); }
header p, footer, dt, small, figcaption, summary, figure p { color: var(--soft); font-size: 0.875rem; }
header p { margin: 0; }
footer { padding-block: 48px; }
h1, h2 { font: 500 1.6rem/1.1 "Iowan Old Style", "Palatino Linotype", Palatino, Georgia, serif; margin: 0 0 16px; }
h1 { font-size: clamp(2.2rem, 6vw, 3.4rem); }
h3 { font-size: 1rem; line-height: 1.3; margin: 0; }
dl { display: flex; flex-wrap: wrap; gap: 14px 44px; margin: 24px 0; }
dd { margin: 0; font-size: 1.25rem; }
ul { list-style: none; margin: 0; padding: 0; }
header ul { display: flex; flex-wrap: wrap; gap: 6px 8px; font-size: 0.9rem; }
header li { border: 1px solid var(--line); border-radius: 14px; padding: 2px 12px; }
header li b { font-weight: 400; color: var(--soft); }
section { margin-top: 48px; }
section > div[role=region] { overflow-x: auto; }
figure { margin: 0; min-width: 0; }
.warnings { background: var(--warn); border-radius: 8px; padding: 18px 22px; }
.warnings h2 { font-size: 1.25rem; margin-bottom: 8px; }
.samples { display: flex; flex-wrap: wrap; gap: 28px; }
.samples figure { max-width: min(100%, 620px); }
.samples img { display: block; max-width: 100%; margin-bottom: 8px; }
.charts { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(285px, 100%), 1fr)); gap: 16px; }
.charts figure { display: flex; flex-direction: column; background: var(--card); border: 1px solid var(--line);
  border-radius: 8px; padding: 12px 14px; }
.charts p { display: flex; flex-wrap: wrap; gap: 0 10px; margin: 4px 0 8px; font-size: 0.8rem; }
.charts p b { color: var(--ink); font-weight: 600; }
.charts small { display: block; min-height: 1.5em; }
.charts p span::before { content: ""; display: inline-block; width: 12px; border-top: 2.5px solid; margin-right: 4px;
  vertical-align: 0.28em; }
svg { width: 100%; margin-top: auto; overflow: visible; font-size: 11px; fill: var(--soft); }
.end { text-anchor: end; }
.mid { text-anchor: middle; }
path { stroke: var(--line); }
polyline { fill: none; stroke: currentColor; stroke-width: 1.6; stroke-linejoin: round; }
circle { fill: currentColor; }
svg .c0, .c0::before { color: var(--c0); }
svg .c1, .c1::before { color: var(--c1); }
.floor { color: var(--soft); stroke-dasharray: 5 4; }
.charts p .floor::before { border-top-style: dashed; }
circle.best { fill: none; stroke: var(--ink); stroke-width: 1.5; }
text.best { fill: var(--ink); font-weight: 600; paint-order: stroke; stroke: var(--card); stroke-width: 3px; }
details { margin-top: 16px; }
summary { cursor: pointer; }
details div { overflow-x: auto; margin-top: 8px; }
table { border-collapse: collapse; font-size: 0.875rem; white-space: nowrap; }
th, td { text-align: right; padding: 4px 16px 4px 0; border-bottom: 1px solid var(--line); font-weight: 400; }
thead th { color: var(--soft); }
"""
