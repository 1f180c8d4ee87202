"""Line charts of a run's figures as SVG, for its report and for the studio."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any, TypeVar

MAX_POINTS, MAX_DOTS, MAX_ROWS = 400, 40, 20  # of a curve, of one whose every point gets a dot, of a table
MAX_CHARTS, MAX_TEXT, LARGEST = 24, 500, 1e12  # what a damaged record may put on the page
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
LIKENESS = {"perceptual": "perceptual_distance", "colours": "colour_distance"}
TRAINING = (
    Chart("Losses", "loss", "each a sum over the heads", LOSSES),
    Chart("Logits", "logit", "the nearer, the harder to tell apart", {"real": "real_logit", "fake": "fake_logit"}),
    Chart("Variety", "ratio", "1: fakes differ as real pictures do", {"fakes": "variety"}),
    Chart("Likeness", "distance", "of paintings from what their latents stand for", LIKENESS),
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


def number_of(value: Any) -> float | None:
    """A number that can be drawn, else None: for text, booleans, null, NaN, infinity."""
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return float(value) if is_number and -LARGEST < value < LARGEST else None


def points_of(records: Sequence[Record], key: str) -> list[Point]:
    return [(record["images"], value) for record in records if (value := number_of(record.get(key))) is not None]


def chunks(items: Sequence[Item], most: int) -> list[Sequence[Item]]:
    """`items` in order, in at most `most` parts of nearly one length."""
    count = min(len(items), most)
    return [items[i * len(items) // count : (i + 1) * len(items) // count] for i in range(count)]


def thin(points: Sequence[Point], most: int = MAX_POINTS) -> list[Point]:
    """At most `most` points, each the mean of its neighbours."""
    parts = chunks(points, most)
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


def number_text(value: float) -> str:
    """A number for people: 151,296 or 12.5 or −0.8314."""
    return (f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}").replace("-", "−")


def _tick(value: float) -> str:
    size, suffix = next((pair for pair in ((1e9, "G"), (1e6, "M"), (1e3, "k")) if abs(value) >= pair[0]), (1, ""))
    return f"{value / size:.6g}{suffix}".replace("-", "−")


def draw_chart(chart: Chart, records: Sequence[Record], end: float, best: float | None = None) -> str:
    """A `<figure>` with one line chart, images seen from 0 to `end`; empty where no record has its figures.

    `best` is the number of images at which the first curve gets a ring.
    """
    curves = {label: points for label, key in chart.curves.items() if (points := points_of(records, key))}
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
            (x, y), title = place(*point), f"{number_text(point[1])} at {number_text(point[0])} images"
            marks.append(f'<circle class="{look}" cx="{x}" cy="{y}" r="3"><title>{title}</title></circle>')
        (first, before), (last, now) = curves[label][0], curves[label][-1]
        legend.append(f'<span class="{look}">{escape(label)} <b>{number_text(now)}</b></span>')
        spoken.append(
            f"{label} from {number_text(before)} at {number_text(first)} "
            f"to {number_text(now)} at {number_text(last)} images seen"
        )

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
    found = {key for record in evaluations for key in record if number_of(record[key]) is not None}
    keys = [key for key in [*EVALUATION, *sorted(found - EVALUATION.keys() - NO_FIGURES)] if key in found]
    charts = []
    for key in [key for key in keys if not key.endswith("_floor")][:MAX_CHARTS]:
        title, unit, hint = EVALUATION.get(key, (key[:MAX_TEXT].replace("_", " ").capitalize(), "", ""))
        floor = key.removesuffix("_distance") + "_floor"
        charts.append(Chart(title, unit, hint, {"model": key, "floor": floor}))
    return charts


def _table(charts: Sequence[Chart], records: Sequence[Record], best: float | None) -> str:
    """The figures of some charts, for those who would rather read them: at most 20 rows, each the mean of a stretch."""
    keys = [key for chart in charts for key in chart.curves.values() if points_of(records, key)]
    heads, rows = "".join(f'<th scope="col">{escape(key[:MAX_TEXT].replace("_", " "))}</th>' for key in keys), []
    for part in chunks(records, MAX_ROWS):
        mark = " (best)" if best in [record["images"] for record in part] else ""
        means = ["".join(number_text(value) for _, value in thin(points_of(part, key), 1)) for key in keys]
        cells = "".join(f"<td>{mean}</td>" for mean in means)
        rows.append(f'<tr><th scope="row">{number_text(part[-1]["images"])}{mark}</th>{cells}</tr>')
    return f'<table><thead><tr><th scope="col">images</th>{heads}</tr></thead><tbody>{"".join(rows)}</tbody></table>'


def _curves(title: str, charts: Sequence[Chart], records: Sequence[Record], end: float, best: float | None) -> str:
    figures = "".join(draw_chart(chart, records, end, best) for chart in charts)
    if not figures:
        return ""
    return f"""<section><h2>{title}</h2><div class="charts">{figures}</div>
<details><summary>{title} as a table</summary><div role="region" aria-label="{title} as a table" tabindex="0">
{_table(charts, records, best)}</div></details></section>"""


def split_history(history: Sequence[Record]) -> tuple[list[Record], list[Record], float | None]:
    """The evaluations of a run and the records of its steps, and after how many images its best average came."""
    evaluations, steps = [], []
    for record in history:
        if isinstance(record.get("evaluation"), dict):
            evaluations.append(record["evaluation"] | {"images": record["images"], "best": record.get("best") is True})
        if any(key in record for chart in TRAINING for key in chart.curves.values()):
            steps.append(record)
    return evaluations, steps, next((record["images"] for record in reversed(evaluations) if record["best"]), None)


def clean_history(records: Any) -> list[Record]:
    """The records that can be drawn, by images seen; they may be a stranger's."""
    whole = [record for record in records if isinstance(record, dict)] if isinstance(records, list) else []
    drawn = [record for record in whole if (images := number_of(record.get("images"))) is not None and images >= 0]
    return sorted(drawn, key=lambda record: record["images"])


def draw_evaluations(evaluations: Sequence[Record], end: float, best: float | None) -> str:
    """A section with a chart of each figure that was measured, or nothing."""
    return _curves("Evaluation", _evaluation_charts(evaluations), evaluations, end, best)


def draw_steps(steps: Sequence[Record], end: float) -> str:
    """A section with the charts of what training logs, or nothing."""
    return _curves("Training", TRAINING, steps, end, None)
