"""The card of a published model tells what is known, and invents nothing."""

import json
import shutil

import pytest
from sample_models import FIGURES, TRAINING, make_generator

from artmodels.hub.card import check_card_target, rewrite_card
from artmodels.hub.companions.curated import COMPANION, Curated
from artmodels.hub.load import load_model
from artmodels.hub.model_files import escape_markdown
from artmodels.training.export import write_model_folder


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / "sketcher"
    folder.mkdir()
    write_model_folder(folder, make_generator(), TRAINING, history=[{"images": 10}])
    return folder


def test_a_card_before_any_measurement(folder):
    card = (folder / "README.md").read_text()
    for words in ("12,345 images", "100 different ones", "1.50 hours", "| mosaic | 31 |", "Nothing yet"):
        assert words in card
    assert "Training pictures: not stated by the publisher" in card and "license:" not in card


def test_a_short_training_is_told_in_minutes(tmp_path):
    write_model_folder(tmp_path, make_generator(), {**TRAINING, "seconds": 428.8}, history=[{"images": 10}])
    assert "7.1 minutes on" in (tmp_path / "README.md").read_text()


def test_measurements_and_provenance_are_added(folder):
    rewrite_card(
        folder, load_model(folder).generator, {"evaluation": FIGURES, "training": {"provenance": "my own drawings"}}
    )
    card = (folder / "README.md").read_text()
    for words in ("123.46", "45.60", "12.30", "| mosaic | 20 | 20.00 (-1.00 to 40.00) | 1.00 | 0.87 |"):
        assert words in card
    for words in (
        "| precision, k = 5 | 0.51 | 0.62 |",
        "| recall, k = 5 | too few pictures | too few pictures |",
        "32 px | 21.2 | 5.1 |",
        "7.77 in the median",
        FIGURES["command"],
    ):
        assert words in card
    assert "Training pictures: my own drawings" in card and "12,345 images" in card
    metrics = json.loads((folder / "metrics.json").read_text())
    assert metrics["evaluation"] == FIGURES and metrics["training"]["images"] == 12_345


def test_where_real_pictures_are_few_the_card_says_what_they_cannot_tell(folder):
    few = {"samples_first_percentile": None, "held_out_first_percentile": None, "nearest_share": 1 / 13}
    some = {"samples_first_percentile": 5.55, "held_out_first_percentile": 5.0, "nearest_share": 1 / 41}
    for nearest, said in ((few, "too few to tell of the nearest"), (some, "5.55 at the quantile 0.02;")):
        memorisation = {**FIGURES["overall"]["memorisation"], **nearest}
        figures = {**FIGURES, "overall": {**FIGURES["overall"], "floor_pictures": 90, "memorisation": memorisation}}
        rewrite_card(folder, load_model(folder).generator, {"evaluation": figures})
        card = (folder / "README.md").read_text()
        for words in ("| 123.46 | too few pictures |", "32 px | 21.2 | too few pictures |", "| 12.30 | 0.10 |", said):
            assert words in card


def test_the_farthest_style_is_named(folder):
    styles = {**FIGURES["styles"], "op-art": {**FIGURES["styles"]["op-art"], "kernel_distance": 0.3}}
    styles["mosaic"] = {**styles["mosaic"], "kernel_distance": 0.001}
    rewrite_card(folder, load_model(folder).generator, {"evaluation": {**FIGURES, "styles": styles}})
    assert "Farthest from the real ones is op-art, nearest mosaic." in (folder / "README.md").read_text()


def test_what_descents_were_measured_to_do_is_added_one_by_one(folder):
    shared = {"pictures": 12, "steps": 130, "seconds": 13.2, "machine": "2 CPU threads", "command": "python measure.py"}
    dream = {"size": 256, "own": [0.05, 0.9], "judge": [0.1, 0.45], "risen": 11, "judged_by": "another", **shared}
    found = {"truncation": 0.8, "median": 0.05, "mean": 0.0612, "worst": 0.12, "near": 11, "judge": "Lite2", **shared}
    transfer = {"size": 256, "style_left": [0.01, 0.05], "content": [0.51, 0.84], **shared}
    generator = load_model(folder).generator
    assert "From a picture of your own" not in (folder / "README.md").read_text()
    for verb, figures in (("dream", dream), ("project", found), ("transfer", transfer)):
        rewrite_card(folder, generator, {"descents": {verb: figures}})
    card = " ".join((folder / "README.md").read_text().split())
    for words in (
        "from 5% to 90% by the classifier that is climbed, and from 10% to 45%",
        "0.050 in the median, 0.061 in the mean and 0.120 at worst",
        "falls to 1% to 5% of what it was; content ends 0.5 to 0.8 away",
        "130 steps, 13 s each on 2 CPU threads. Measured by `python measure.py`.",
    ):
        assert words in card


def test_the_cards_own_lines_work(folder, tmp_path, monkeypatch):
    card = (folder / "README.md").read_text()
    code = card.split("```python\n")[1].split("```")[0]
    assert "path/to/this/folder" in code
    shutil.copytree(folder, tmp_path / "here" / "path" / "to" / "this" / "folder")
    monkeypatch.chdir(tmp_path / "here")
    exec(compile(code, "card", "exec"), {})
    assert (tmp_path / "here" / "picture.png").stat().st_size > 100


def test_names_stay_text_on_the_card(tmp_path, monkeypatch):
    styles = ('the "blue" | <b>period</b>', "[x](http://evil)")
    folder = tmp_path / "path" / "to" / "this" / "folder"
    folder.mkdir(parents=True)
    write_model_folder(folder, make_generator(styles), {**TRAINING, "style_counts": {}}, history=[])
    card = (folder / "README.md").read_text()
    before_code, code = card.split("```python\n")
    assert "<b>" not in before_code.replace("\\<b\\>", "") and "[x](" not in before_code
    monkeypatch.chdir(tmp_path)
    exec(compile(code.split("```")[0], "card", "exec"), {})


@pytest.mark.parametrize("told", ["{}", "[]", '{"training": 3}', '{"training": {"style_counts": {}}}', "torn"])
def test_a_folder_whose_card_cannot_be_written_is_refused_before_anything_is_begun(folder, told):
    check_card_target(str(folder), "--beside")
    (folder / "metrics.json").write_text(told)
    with pytest.raises(ValueError, match=r"^--beside: .*metrics\.json does not tell what the card needs .*: restore"):
        check_card_target(str(folder), "--beside")


def test_curated_seeds_of_a_style_that_is_no_markdown_stay_text():
    style = "[x](http://evil) | <b>"
    curated = Curated(seeds={style: (7,)}, drawn=16, truncation=0.8, judge="EfficientNet-Lite2")
    section = COMPANION.section(curated, make_generator((style,)).config, {})
    assert f"| {escape_markdown(style)} | 7 |" in section and style not in section
