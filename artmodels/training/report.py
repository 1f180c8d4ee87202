"""A run told on one page: its curves, its warnings and the film of its samples, in `report.html`."""

from collections.abc import Sequence
from contextlib import suppress
from html import escape
from pathlib import Path
from typing import Any

from artmodels import __version__
from artmodels.io.files import write_atomically
from artmodels.io.safetensors_io import read_json
from artmodels.metrics.charts import (
    MAX_TEXT,
    Record,
    clean_history,
    draw_evaluations,
    draw_steps,
    number_of,
    number_text,
    points_of,
    split_history,
)
from artmodels.training.checkpoint import images_of
from artmodels.training.config import UNPLANNED
from artmodels.training.run_log import read_history
from artmodels.training.sample_sheets import sample_film, sheets_of

STYLE_FIGURES = {"kernel_distance": "kernel distance", "variety": "variety"}
MAX_STYLES = 200  # rows of the table of styles
MAX_WARNINGS = 50  # that damaged records may put on the page


def write_report(run: Path) -> Path:
    """Write `report.html` into a run folder, and the film of its samples; at any time, as often as one likes.

    What it reads may be torn, damaged or a stranger's: what cannot be read is passed over, and text is escaped.

    Raises:
        OSError: there is no such folder, or it cannot be written.
    """
    history: list[Record] = []
    with suppress(OSError, RecursionError):
        history = clean_history(read_history(run))
    page = _page(run, history, sample_film(run))
    path = run / "report.html"
    write_atomically(path, page.encode("utf-8", "replace"))
    return path


def _styles(evaluations: Sequence[Record], best: float | None) -> str:
    """The figures of each style in the best evaluation, else the last."""
    judged = next(
        (record for record in evaluations if record["images"] == best), evaluations[-1] if evaluations else {}
    )
    styles = judged.get("styles")
    rows = {
        str(style)[:MAX_TEXT]: [number_of(figures.get(key)) for key in STYLE_FIGURES]
        for style, figures in (list(styles.items())[:MAX_STYLES] if isinstance(styles, dict) else ())
        if isinstance(figures, dict)
    }
    if not rows:
        return ""
    heads = "".join(f'<th scope="col">{title}</th>' for title in STYLE_FIGURES.values())
    body = "".join(
        f'<tr><th scope="row">{escape(style)}</th>'
        + "".join(f"<td>{'' if value is None else number_text(value)}</td>" for value in values)
        + "</tr>"
        for style, values in rows.items()
    )
    return f"""<section><h2>Styles after {number_text(judged["images"])} images</h2>
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
        when = (
            f"Since {number_text(began)}"
            if ended == judged[-1]["images"]
            else f"From {number_text(began)} to {number_text(ended)}"
        )
        when = f"At {number_text(began)}" if began == ended < judged[-1]["images"] else when
        items.append(f"<li><b>{when} images:</b> {escape(text)}</li>")
    return f'<section class="warnings"><h2>Warnings</h2><ul>{"".join(items)}</ul></section>' if items else ""


def _samples(run: Path, film: Path | None) -> str:
    sheets = sheets_of(run)
    if not sheets:
        return ""
    last, images = f"samples/{sheets[-1].name}", number_text(images_of(sheets[-1]))
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
        number_of(_look_up(config, *keys))
        for keys in (("train", "images"), ("data", "pictures"), ("train", "resolution"))
    )
    machine = _look_up(run / "model" / "metrics.json", "training", "machine")
    seconds = points_of(history, "seconds")
    facts = {"Images seen": number_text(history[-1]["images"] if history else 0)}
    if planned is not None and planned < UNPLANNED:
        facts["Images seen"] += f" <small>of {number_text(planned)}</small>"
    if seconds:
        facts["Training time"] = f"{number_text(seconds[-1][1] / 3600)} <small>hours</small>"
    if isinstance(machine, str):
        facts["Machine"] = escape(machine[:MAX_TEXT])
    if pictures is not None:
        facts["Pictures"] = number_text(pictures)
    if side is not None:
        facts["Resolution"] = f"{number_text(side)} <small>px</small>"
    if best is not None:
        facts["Best checkpoint"] = f"{number_text(best)} <small>images</small>"
    counts = _look_up(config, "data", "style_counts")
    styles = [
        f"<li>{escape(style[:MAX_TEXT])} <b>{number_text(count)}</b></li>"
        for style, value in (counts.items() if isinstance(counts, dict) else ())
        if (count := number_of(value)) is not None
    ]
    return f"""<header><p>ArtModels training run</p><h1>{escape(run.resolve().name)}</h1>
<dl>{"".join(f"<div><dt>{name}</dt><dd>{value}</dd></div>" for name, value in facts.items())}</dl>
{f'<ul aria-label="Styles and their pictures">{"".join(styles)}</ul>' if styles else ""}</header>"""


def _page(run: Path, history: Sequence[Record], film: Path | None) -> str:
    evaluations, steps, best = split_history(history)
    end = max(history[-1]["images"], 1) if history else 1
    curves = draw_evaluations(evaluations, end, best) + _styles(evaluations, best) + draw_steps(steps, end)
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
