"""The report of a run: its curves by closed form, and that nothing a run folder holds can break or enter the page."""

import json
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
from helpers import frame_count
from PIL import Image

from artmodels.metrics.charts import TRAINING, Chart, draw_chart, round_ticks, thin
from artmodels.training.report import write_report
from artmodels.training.sample_sheets import sample_film

VOID = {"meta", "img", "source"}
LINE = Chart("Line", "unit", "", {"line": "value", "floor": "value_floor"})


class Page(HTMLParser):
    """The elements of a page as (tag, attributes), its text, and that every tag is closed in order."""

    def __init__(self, path: Path):
        super().__init__()
        self.elements: list[tuple[str, dict]] = []
        self.words: list[str] = []
        self.open: list[str] = []
        self.feed(path.read_text("utf-8"))
        self.close()
        assert not self.open

    def handle_starttag(self, tag, attributes):
        self.elements.append((tag, dict(attributes)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.elements.append((tag, dict(attributes)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())

    def all(self, tag: str, look: str | None = None) -> list[dict[str, str]]:
        return [found for name, found in self.elements if name == tag and look in (None, found.get("class"))]


def step(images: int, **figures) -> dict:
    keys = [key for chart in TRAINING for key in chart.curves.values()]
    return {"images": images, "seconds": images * 0.36, **dict.fromkeys(keys, 1.0), **figures}


def judged(images: int, distance: float | None, **more) -> dict:
    evaluation = {"frechet_distance": distance, "frechet_floor": 100.0, "recall": 0.1, "custom_score": 3}
    return {"images": images, "seconds": images * 0.36, "evaluation": evaluation, **more}


def write_metrics(run: Path, records: list[dict], tail: str = "") -> None:
    (run / "metrics.jsonl").write_text("".join(json.dumps(record) + "\n" for record in records) + tail, "utf-8")


def write_sheets(run: Path, count: int, size: tuple[int, int] = (60, 40)) -> None:
    """Sheets of one colour each: red rises with the images, green jumps so that no two frames are taken for one."""
    (run / "samples").mkdir(exist_ok=True)
    for number in range(count):
        red = 250 * number // max(1, count - 1)
        Image.new("RGB", size, (red, number * 83 % 200, 30)).save(
            run / "samples" / f"images-{(number + 1) * 1000:08d}.png"
        )


def points(drawn: str, look: str) -> list[tuple[float, ...]]:
    line = re.search(rf'<polyline class="{look}" points="([^"]*)"/>', drawn)[1]
    return [tuple(map(float, pair.split(","))) for pair in line.split()]


@pytest.fixture
def run(tmp_path) -> Path:
    folder = tmp_path / "first run"
    (folder / "model").mkdir(parents=True)
    config = {
        "train": {"images": 20000, "resolution": 64},
        "data": {"pictures": 1416, "style_counts": {"mosaic": 1301, "op-art": 115}},
    }
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "model" / "metrics.json").write_text(json.dumps({"training": {"machine": "an abacus"}}))
    write_metrics(folder, [step(images) for images in range(1000, 10001, 1000)])
    write_sheets(folder, 3)
    return folder


def test_a_line_lies_where_its_numbers_say():
    """The plot spans x 38 to 288 and y 160 to 26 (downwards): a straight line goes from corner to corner."""
    records = [{"images": images, "value": images / 100} for images in (0, 25, 50, 100)]
    drawn = draw_chart(LINE, records, end=100)
    assert points(drawn, "c0") == [(38, 160), (100.5, 126.5), (163, 93), (288, 26)]
    assert re.findall(r'<text class="end"[^>]*>([^<]+)<', drawn) == ["images seen", "0", "0.5", "1"]  # left of the plot
    assert re.findall(r'<text class="mid"[^>]*>([^<]+)<', drawn) == ["0", "50", "100"]  # below it
    assert "line from 0 at 0 to 1 at 100 images seen" in drawn
    assert points(draw_chart(LINE, records, end=200), "c0")[-1] == (163, 26)


def test_a_floor_is_dashed_and_the_best_has_a_ring():
    records = [{"images": images, "value": value, "value_floor": 0} for images, value in ((0, 8), (50, 4), (100, 6))]
    drawn = draw_chart(LINE, records, end=100, best=50)
    assert points(drawn, "floor") == [(38, 160), (163, 160), (288, 160)]
    assert '<circle class="best" cx="163.0" cy="93.0"' in drawn
    assert 'class="best"' not in draw_chart(LINE, records, end=100, best=51)


def test_what_is_no_number_is_no_point():
    values = [1.0, None, float("nan"), float("inf"), 10**400, True, "2", [3], 2.0]
    records = [{"images": images, "value": value} for images, value in enumerate(values)]
    assert points(draw_chart(LINE, [*records, {"images": 9}], end=8), "c0") == [(38, 160), (288, 26)]
    assert draw_chart(LINE, records[1:-1], end=8) == ""


def test_long_histories_are_means_over_bins():
    """1000 points of a slope in 400 bins of 2 or 3: the slope stays, and so does the mean of 500 equal pairs."""
    line = [(float(x), 2.0 * x) for x in range(1000)]
    assert len(thin(line)) == 400 and all(y == pytest.approx(2 * x) for x, y in thin(line))
    assert thin([(x, float(x % 2)) for x in range(800)]) == [(2 * x + 0.5, 0.5) for x in range(400)]
    assert thin(line[:3]) == line[:3] and thin([]) == []


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (0, 100, [0, 50, 100]),
        (0, 151_296, [0, 50_000, 100_000, 150_000, 200_000]),
        (0.61, 0.98, [0.6, 0.7, 0.8, 0.9, 1.0]),
        (-9, 9, [-10, -5, 0, 5, 10]),
        (3, 3, [2.6, 2.8, 3.0, 3.2, 3.4]),
        (0, 0, [-1, -0.5, 0, 0.5, 1]),
    ],
)
def test_ticks_are_round_and_enclose(low, high, expected):
    assert round_ticks(low, high) == pytest.approx(expected)


@pytest.mark.parametrize("scale", [1e-300, 1e-12, 1e-7, 1.0, 1e6, 9e11])
@pytest.mark.parametrize("spread", [0, 1e-16, 1e-9, 1e-3, 1.0, 7.3])
def test_ticks_of_any_range_are_few_and_enclose_it(scale, spread):
    low, high = scale, scale * (1 + spread)
    ticks = round_ticks(low, high)
    assert 2 <= len(ticks) <= 7
    assert ticks[0] <= low * (1 + 1e-8) and ticks[-1] >= high * (1 - 1e-8)


def test_the_page_of_a_run(run):
    write_metrics(
        run,
        [
            step(12000),
            *(step(images) for images in range(1000, 10001, 1000)),
            judged(4000, 300.0, best=True, warnings=["blurred", "too like the training pictures"]),
            judged(2000, 400.0, best=True, warnings=["blurred"]),
            judged(8000, 200.0, best=True, warnings=["the loss stands still"]),
            judged(10000, None, best=False, warnings=["the loss stands still"]),
        ],
    )
    path = write_report(run)
    page = Page(path)
    assert path == run / "report.html"
    for words in (
        "first run", "12,000 of 20,000", "1.2 hours", "an abacus", "1,416", "mosaic 1,301", "op-art 115",
        "Best checkpoint 8,000 images", "At 4,000 images: too like",
        "From 2,000 to 4,000 images: blurred", "Since 8,000 images: the loss stands still",
        "Custom score", "8,000 (best)",
    ):  # fmt: skip
        assert words in page.text, words
    assert len(page.all("svg")) == 7 + 3
    assert all(svg["role"] == "img" and svg["aria-label"] for svg in page.all("svg"))
    assert len(page.all("polyline", "floor")) == 1 and len(page.all("circle", "best")) == 3
    assert [len(line["points"].split()) for line in page.all("polyline")] == [3, 4, 4, 4] + [11] * 10
    pictures = [image["src"] for image in page.all("img")]
    assert pictures == ["samples/images-00003000.png", "samples/film.webp"]
    assert all((run / picture).is_file() for picture in pictures)
    assert not page.all("script") and not page.all("link") and "http:" not in path.read_text("utf-8")


def test_a_run_that_has_just_begun_says_so(tmp_path):
    page = Page(write_report(tmp_path))
    assert "No figures yet" in page.text and not page.all("svg") and not page.all("img")
    with pytest.raises(FileNotFoundError, match="no folder"):
        write_report(tmp_path / "elsewhere")


def test_text_from_files_stays_text(run):
    hostile = "\" onload='alert(0)'></li><script>alert(1)</script><img src=x onerror='alert(2)'>\ud800"
    config = {"train": {"images": hostile}, "data": {"style_counts": {hostile: 3, "none": hostile}}}
    (run / "config.json").write_text(json.dumps(config))
    (run / "model" / "metrics.json").write_text(json.dumps({"training": {"machine": hostile}}))
    evaluation = {hostile: 1, "frechet_distance": hostile}
    record = {"images": 1000, "seconds": hostile, "evaluation": evaluation, "warnings": [hostile, 7], "best": hostile}
    write_metrics(run, [record])
    page = Page(write_report(run.rename(run.with_name("<script>run"))))
    assert not page.all("script")
    assert len(page.all("img")) == 2 and not any(name.startswith("on") for _, found in page.elements for name in found)
    assert page.text.count("alert(1)") == 5  # style, machine, warning, and the figure in its chart and its table
    assert "<script>run" in page.text and "Best" not in page.text


@pytest.mark.parametrize("content", ["[1, 2]", "{", "null", '{"train": 3, "data": {"style_counts": [1]}}', "[" * 99999])
def test_files_of_another_shape_are_passed_over(run, content):
    for name in ("config.json", "model/metrics.json"):
        (run / name).write_text(content)
    records = [
        step(1000, variety=None),
        {"images": 2000, "evaluation": [1], "warnings": "none"},
        step(-5),
        {"images": 10**400},
    ]
    write_metrics(run, records, tail='5\n[]\n{"images": "7"}\n{"images": 3000, "discrim')
    page = Page(write_report(run))
    assert "Images seen 2,000" in page.text and len(page.all("polyline")) == 9
    (run / "metrics.jsonl").write_text("[" * 99999)
    assert "No figures yet" in Page(write_report(run)).text


def test_the_film_shows_every_sheet_and_lingers(run):
    path = sample_film(run)
    assert path == run / "samples" / "film.webp"
    with Image.open(path) as film:
        assert (frame_count(film), film.size, film.info["loop"]) == (3, (60, 40), 0)
        reds, durations = [], []
        for frame in range(3):
            film.seek(frame)
            film.load()
            reds.append(film.convert("RGB").getchannel("R").getpixel((30, 20)))
            durations.append(film.info["duration"])
    assert reds == pytest.approx([0, 125, 250], abs=6)
    assert durations == [160, 160, 3000]


def test_a_long_film_is_thinned_to_its_last_and_a_wide_one_shrunk(run):
    write_sheets(run, 131, size=(1200, 30))
    with Image.open(sample_film(run)) as film:
        assert (frame_count(film), film.size) == (60, (1000, 25))
        film.seek(59)
        assert film.convert("RGB").getchannel("R").getpixel((500, 12)) == pytest.approx(250, abs=6)


def test_sheets_that_are_torn_or_of_another_size_are_left_out(run):
    samples = run / "samples"
    Image.new("RGB", (30, 40)).save(samples / "images-00000500.png")
    whole = (samples / "images-00002000.png").read_bytes()
    (samples / "images-00009000.png").write_bytes(whole[: len(whole) // 2])
    (samples / "images-00009500.png").write_bytes(b"GIF89a, they say")
    (samples / "images-00009900.png").mkdir()
    (samples / "images-latest.png").write_bytes(whole)
    page = Page(write_report(run))
    assert page.all("img")[0]["src"] == "samples/images-00003000.png"
    with Image.open(samples / "film.webp") as film:
        assert frame_count(film) == 3
    Image.new("RGB", (30, 40)).save(samples / "images-00010000.png")
    assert sample_film(run).is_file()  # two of that size
    (samples / "images-00000500.png").unlink()
    assert sample_film(run) is None
    assert [image["src"] for image in Page(write_report(run)).all("img")] == ["samples/images-00010000.png"]


def test_styles_are_listed_as_the_best_evaluation_had_them(tmp_path):
    def record(images: int, variety: float, **more) -> dict:
        styles = {"<i>ink</i>": {"kernel_distance": 0.25, "variety": variety}, "odd": 3, "empty": {}}
        return {"images": images, "evaluation": {"kernel_distance": 0.2, "styles": styles, "samples": 64}, **more}

    write_metrics(tmp_path, [record(100, 0.5), record(200, 0.75, best=True), record(300, 0.9)])
    page = Page(write_report(tmp_path))
    assert "Styles after 200 images" in page.text
    assert "<i>ink</i> 0.25 0.75" in page.text and "odd" not in page.text
    assert "Samples" not in page.text  # a count is no figure to draw
