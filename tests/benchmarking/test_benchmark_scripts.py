"""Every script in benchmarks/ runs from end to end, on small fakes: what it calls is there, and takes what it is given.

How good the figures are is not asked here. The peers' packages are stood for by modules with the few names in use.
"""

import ast
import base64
import importlib
import io
import json
import os
import re
import runpy
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch
from helpers import ROOT, STYLES, draw_pictures, run_here
from PIL import Image
from safetensors.torch import save_file
from sample_models import add_companions, make_generator
from training_runs import as_if_alone

import train as train_script
from artmodels.hub.companions.classifier import load_classifier
from artmodels.hub.companions.directions import load_directions
from artmodels.hub.companions.prompt import load_prompt, save_prompt
from artmodels.hub.load import load_model
from artmodels.hub.pretrained import ArtGenerator
from artmodels.io.files import sha256
from artmodels.metrics.sliced_wasserstein import sliced_wasserstein
from artmodels.models.generator import GeneratorConfig
from artmodels.models.prompt import PromptConfig, PromptModel, PromptNetwork
from artmodels.optimize.deep_dream import DreamSettings
from artmodels.training.config import tiny
from artmodels.training.export import write_model_folder

pytestmark = pytest.mark.slow

SCRIPTS = sorted(path.stem for path in (ROOT / "benchmarks").glob("*.py"))
PEERS = ("peer_diffusers", "peer_lightweight_gan")
SHARED = ("commands", "peer_runs")  # no scripts, but what they share
OURS = [name for name in SCRIPTS if name not in (*PEERS, *SHARED)]
TRAINING = {
    "preset": "tiny",
    "images": 12_345,
    "seconds": 5400.0,
    "machine": "2 CPU threads",
    "pictures": 18,
    "style_counts": dict.fromkeys(STYLES, 6),
}
SUBJECTS = {"flow-field": "strokes", "mosaic": "squares", "op-art": "rings"}
WORDS = ("art", "black", "blue", "bright", "dark", "flow", "mosaic", "red", "rings", "squares", "strokes", "white")
SIDE = 32  # px of what the fake model paints
CELL = SIDE + 2  # px of a sheet that each picture takes, but for the last one's gap


def write_captioned(folder: Path, per_style: int) -> Path:
    """Drawn pictures with captions like those of paintings."""
    draw_pictures(folder, per_style)
    lines = [
        {"file_name": f"{style}/{index}.png", "style": style, "text": f"number {index}, {subject}, by nobody"}
        for style, subject in SUBJECTS.items()
        for index in range(per_style)
    ]
    (folder / "metadata.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    return folder


@pytest.fixture(scope="module")
def train(tmp_path_factory) -> Path:
    return write_captioned(tmp_path_factory.mktemp("data") / "train", 6)


@pytest.fixture(scope="module")
def held_out(tmp_path_factory) -> Path:
    return write_captioned(tmp_path_factory.mktemp("data") / "test", 4)


@pytest.fixture(scope="module")
def data(train, held_out) -> list[str]:
    return ["--data", str(train), "--test-data", str(held_out)]


@pytest.fixture(scope="module")
def whole_folder(tmp_path_factory, generator) -> Path:
    """A model's folder as training writes it, with everything beside it but directions."""
    folder = tmp_path_factory.mktemp("whole") / "painter"
    folder.mkdir()
    generator.save_pretrained(folder)
    add_companions(folder, generator)
    torch.manual_seed(3)
    network = PromptNetwork(PromptConfig(WORDS, STYLES, 4, 4, 4, 4, SIDE)).requires_grad_(False).eval()
    digest = sha256(folder / "model.safetensors")
    save_prompt(folder, PromptModel(network, {"pictures": 0, "recall": {}}, torch.randn(20, 4), digest))
    write_model_folder(folder, generator, TRAINING, [{"images": 10}])
    return folder


@pytest.fixture
def folder(tmp_path, whole_folder) -> Path:
    """A copy that a script may write into."""
    return Path(shutil.copytree(whole_folder, tmp_path / "painter"))


@pytest.fixture(autouse=True)
def beside_the_scripts(monkeypatch) -> None:
    """Scripts import each other, as Python lets them where it starts one."""
    monkeypatch.syspath_prepend(ROOT / "benchmarks")


@pytest.fixture(autouse=True)
def few_patches(monkeypatch) -> None:
    """The slowest figure, of fewer patches."""
    few = partial(sliced_wasserstein, patches=256, projections=16)
    monkeypatch.setattr("artmodels.metrics.evaluate.sliced_wasserstein", few)


@pytest.fixture
def one_core() -> Iterator[None]:
    """What is started trains in one thread: several that wait for each other are slow where other work is done."""
    if not hasattr(os, "sched_setaffinity"):
        yield
        return
    cores = os.sched_getaffinity(0)
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    os.sched_setaffinity(0, {sorted(cores)[worker % len(cores)]})
    yield
    os.sched_setaffinity(0, cores)


Script = Callable[..., str]


@pytest.fixture
def start(monkeypatch, capsys) -> Script:
    """Runs a script's `main` with these arguments, in this process; what it printed."""

    def start(name: str, *arguments: object) -> str:
        monkeypatch.setattr(sys, "argv", [f"benchmarks/{name}.py", *map(str, arguments)])
        result = run_here(script(name).main)
        assert result.returncode == 0, result.stderr
        return result.stdout

    return start


def script(name: str) -> ModuleType:
    return importlib.import_module(name)


def rows(printed: str) -> list[list[str]]:
    """The cells of the tables in what was printed, the lines under the headings left out."""
    lines = [line.strip("|").split("|") for line in printed.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in cells] for cells in lines if not set("".join(cells)) <= set("-: ")]


def size_of(path: Path) -> tuple[int, int]:
    with Image.open(path) as picture:
        return picture.size


def sheet_size(columns: int, lines: int, width: int = SIDE, height: int = SIDE) -> tuple[int, int]:
    return columns * (width + 2) - 2, lines * (height + 2) - 2


def read_figures(
    folder: Path, verb: str, monkeypatch: pytest.MonkeyPatch, name: str, **flags: object
) -> dict[str, Any]:
    """What a script put on a model's card, whose command must be one that the script takes, with these flags."""
    figures = json.loads((folder / "metrics.json").read_text())["descents"][verb]
    card = (folder / "README.md").read_text("utf-8")
    assert f"`{figures['command']}`" in card and figures["machine"] in card
    assert assert_takes(name, figures["command"], monkeypatch).items() >= flags.items()
    return figures


# --- what the scripts say of themselves ------------------------------------------------------------------------------


def assert_takes(name: str, command: str, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """A command that somebody is told to type, as the script's own parser takes it."""
    python, path, *arguments = shlex.split(command, comments=True)
    assert (python, path) == ("python", f"benchmarks/{name}.py")
    monkeypatch.setattr(sys, "argv", [path, *arguments])
    return vars(script(name).parse_arguments())


def told_commands(text: str) -> dict[str, str]:
    """The commands of benchmarks that a text tells, each by its script's name."""
    found = re.findall(r"^ *`*(python benchmarks/(\w+)\.py(?:.*\\\n)*.*?)`*$", text, re.MULTILINE)
    return {name: command.replace("\\\n", " ") for command, name in found}


@pytest.mark.parametrize("name", [*OURS, *PEERS])
def test_a_script_says_how_it_is_used(name, monkeypatch, capsys, peers):
    path = f"benchmarks/{name}.py"
    monkeypatch.setattr(sys, "argv", [path, "--help"])
    result = run_here(lambda: runpy.run_path(str(ROOT / path), run_name="__main__"))
    assert result.returncode == 0 and f"usage: {name}.py" in result.stdout


@pytest.mark.parametrize("name", OURS)
def test_the_command_in_a_scripts_docstring_is_one_that_it_takes(name, monkeypatch):
    told = told_commands(ast.get_docstring(ast.parse((ROOT / f"benchmarks/{name}.py").read_text("utf-8"))))
    assert told.keys() == {name}
    assert_takes(name, told[name], monkeypatch)


TELLING = ("ablations", "measuring", "music", "painting", "training")  # pages that tell commands of benchmarks


@pytest.mark.parametrize("page", [f"docs/{name}.md" for name in TELLING])
def test_the_commands_in_the_documentation_are_ones_that_the_scripts_take(page, monkeypatch):
    told = told_commands((ROOT / page).read_text("utf-8"))
    assert told
    for name, command in told.items():
        assert_takes(name, command, monkeypatch)


# --- models, measured ------------------------------------------------------------------------------------------------


def test_models_are_compared_in_one_table(start, data, whole_folder, tmp_path):
    other = tmp_path / "other"
    make_generator(seed=1).save_pretrained(other)  # without metrics: never trained
    printed = start("compare_models", *data, "--samples", 8, "--truncation", 0.9, whole_folder, other)
    heading, first, second, floor = rows(printed)
    assert heading[0] == "model" and len(heading) == len(first) == len(second) == len(floor) == 9
    assert first[:2] == [str(whole_folder), "12,345"] and second[:2] == [str(other), "0"]
    assert floor[0].startswith("real pictures") and float(floor[2]) > 0
    assert first[2] != second[2] and first[-2].split()[1] in STYLES
    assert float(first[-1]) > float(floor[-1]) > 0  # as the judge from outside sees them


def test_models_of_two_resolutions_are_not_compared(monkeypatch, capsys, data, whole_folder, tmp_path):
    make_generator(resolution=16).save_pretrained(tmp_path)
    monkeypatch.setattr(sys, "argv", ["compare_models.py", *data, str(whole_folder), str(tmp_path)])
    result = run_here(script("compare_models").main)
    assert result.returncode == 2 and "[16, 32] px" in result.stderr


def test_details_are_told_at_each_size_and_band(start, data, whole_folder):
    printed = rows(start("fine_details", *data, "--samples", 8, whole_folder))
    assert [row[0] for row in printed[1:5]] == ["32 px", "24 px", "16 px", "8 px"]
    assert len(printed) == 5 + 1 + 6 and all(len(row) == 4 for row in printed)
    assert all(np.isfinite(float(cell)) for row in (*printed[1:5], *printed[6:]) for cell in row[1:]), printed


def test_faults_are_counted_beside_those_of_real_pictures(start, data, whole_folder):
    heading, *lines = rows(start("artefacts", *data, "--samples", 8, whole_folder))
    assert [line[0] for line in lines] == ["real, of training", "real, held out", str(whole_folder)]
    assert all(len(line) == len(heading) == 9 for line in lines)
    assert float(lines[2][7]) > 0 and float(lines[2][8]) > 0
    assert all(np.isfinite(float(cell)) for line in lines for cell in line[1:7]), lines


def test_each_fault_is_seen_where_it_is_and_nowhere_else():
    faults, side = script("artefacts"), 64
    across = torch.arange(side).expand(1, side, side)
    sawtooth = (across % 8) / 8.0  # rises slowly, falls at once
    assert faults.relief(sawtooth) > 1.5
    assert faults.relief(torch.cat([sawtooth, sawtooth.flip(2)])) < 0.05  # from both sides alike
    noise = torch.rand(4, side, side, generator=torch.Generator().manual_seed(0))
    assert faults.plaid(sawtooth) > 0.95 and faults.plaid(noise) < 0.15
    grey = torch.full((1, side, side), 0.5)
    spot = grey.clone()
    spot[:, 20:26, 20:26] = 1.0
    assert faults.glare(spot) == pytest.approx(36 / side**2) and faults.glare(grey) == 0
    assert faults.glare(torch.ones(1, side, side)) == 0  # paper, not glare
    framed = grey.clone()
    framed[:, :2] = framed[:, -2:] = 1.0
    framed[:, :, :2] = framed[:, :, -2:] = 1.0
    edge, corner = faults.frame(framed)
    assert edge > 0.45 and corner > 0.1 and faults.frame(grey) == (0.0, 0.0)


def test_checkpoints_are_averaged_and_the_mean_is_a_model(
    start, monkeypatch, capsys, train, generator, whole_folder, tmp_path
):
    run, out = tmp_path / "run", tmp_path / "mean"
    shutil.copytree(whole_folder, run / "model")
    config = replace(tiny(), latent_dim=generator.config.latent_dim, unconditional=False)
    (run / "config.json").write_text(json.dumps({"train": config.to_json()}))
    (run / "metrics.jsonl").write_text('{"images": 100, "seconds": 2.0}\n{"images": 200, "seconds": 5.5}\n')
    for images, factor in ((100, 1.0), (200, 2.0)):
        (run / f"images-{images:08d}").mkdir()
        state = {name: tensor * factor for name, tensor in generator.state_dict().items()}
        save_file(state, run / f"images-{images:08d}" / "ema.safetensors")
    assert "the mean of 2 checkpoints" in start("average_checkpoints", run, "--data", train, "--out", out)
    averaged = load_model(out)
    weight = averaged.generator.map_in.weight
    assert torch.allclose(weight, 1.5 * generator.map_in.weight, rtol=2e-3)
    told = json.loads((out / "metrics.json").read_text())["training"]
    assert told["images"] == 200 and told["seconds"] == 5.5 and "100, 200 images" in told["note"]
    monkeypatch.setattr(sys, "argv", ["average_checkpoints.py", str(run), "--data", str(train), "--out", str(out)])
    result = run_here(script("average_checkpoints").main)
    assert result.returncode == 2 and "name a new folder" in result.stderr
    model = load_model(whole_folder)
    folder, command = tmp_path / "between", (run, "--data", train, "--init", whole_folder, "--share", 0.25)
    with pytest.raises(AssertionError, match=f"the run did not begin from {whole_folder}"):
        start("average_checkpoints", *command, "--out", folder)
    metrics = json.loads((run / "model" / "metrics.json").read_text())
    metrics["training"]["init"] = {
        "model": "painter",
        "weights_sha256": model.weights_sha256,
        "images": 7,
        "seconds": 1,
    }
    (run / "model" / "metrics.json").write_text(json.dumps(metrics))
    start("average_checkpoints", *command, "--out", folder)
    between = load_model(folder)
    assert torch.allclose(between.generator.map_in.weight, 1.125 * model.generator.map_in.weight, rtol=2e-3)
    told = json.loads((folder / "metrics.json").read_text())["training"]
    assert told["note"].startswith("the weights are 25% of the way from those of the model")


def test_a_leaner_sibling_comes_nearer_to_the_pictures_of_its_model(start, monkeypatch, tmp_path):
    torch.manual_seed(1)
    model = ArtGenerator(GeneratorConfig(32, STYLES, latent_dim=16, width=4, max_channels=16, convs_per_block=2)).eval()
    with torch.no_grad():
        model.to_rgb.weight.mul_(10)  # pictures with contrast
    folder, out = tmp_path / "painter", tmp_path / "lean"
    model.save_pretrained(folder)
    write_model_folder(folder, model, TRAINING, [])
    told = ("--images", 80, "--batch-size", 4, "--checkpoint-every", 40, "--no-compile", "--learning-rate", 0.003)
    with as_if_alone():
        start("leaner", folder, "--late-doubling", 16, "--out", out, *told)
    first, last = (json.loads(line) for line in (out / "progress.jsonl").read_text().splitlines())
    assert last["images"] == 80 and last["perceptual_distance_from_model"] < first["perceptual_distance_from_model"]
    sibling = load_model(out).generator
    assert sibling.config == replace(model.config, late_doubling=16)
    assert torch.allclose(sibling.first.weight, model.first.weight, rtol=1e-3)  # as it was, but for its half precision
    monkeypatch.setattr(sys, "argv", ["leaner.py", str(folder), "--late-doubling", "12", "--out", str(tmp_path / "b")])
    result = run_here(script("leaner").main)
    assert result.returncode == 2 and "late_doubling must be 0, 8, 16, 32, found 12" in result.stderr


def test_a_blind_test_shows_as_many_real_as_painted_pictures_and_counts_the_answers(start, folder, data, tmp_path):
    page, results = tmp_path / "blind.html", tmp_path / "blind"
    printed = start("blind_test", "page", "--model", folder, *data[:2], "--pictures", 3, "--out", page)
    assert "18 pictures, half of them real" in printed
    deck = json.loads(re.search(r"const deck = (\{.*\}), answers", page.read_text()).group(1))
    cards = deck["pictures"]
    assert [sum(card["real"] is real for card in cards) for real in (True, False)] == [9, 9]
    assert len({card["sha256"] for card in cards}) == 18
    sizes = {Image.open(io.BytesIO(base64.b64decode(card["jpeg"]))).size for card in cards}
    assert sizes == {(32, 32)}  # nothing tells them apart but what is on them
    answers = [
        {**{name: card[name] for name in ("sha256", "style", "real")}, "taken_for_real": card["style"] == STYLES[0]}
        for card in cards
    ]
    scores = tmp_path / "scores.json"
    scores.write_text(json.dumps({"weights_sha256": deck["weights_sha256"], "answers": answers}))
    table = rows(start("blind_test", "score", scores, "--results", results))
    assert table[1][:4:2] == [STYLES[0], "100% (44% to 100%)"] and table[2][2] == "0% (0% to 56%)"
    assert table[-1] == ["all", "9", "33% (12% to 65%)", "9", "33% (12% to 65%)"]
    assert "jpeg" not in (results / "answers.json").read_text()


def test_speed_is_measured_beside_another_version(start, monkeypatch, train, tmp_path):
    monkeypatch.setenv("TORCHDYNAMO_DISABLE", "1")  # nothing is compiled: how fast it is is not asked here
    out = tmp_path / "speed.json"
    flags = ("--preset", "tiny", "--batch-size", 4, "--steps", 1, "--feature-resolutions", 64, "--out", out)
    printed = start("training_speed", "--other", ROOT, "--data", train, *flags)
    assert printed.count("times as fast as the other") == 1 and "features at 64 px" in printed
    found = json.loads(out.read_text())
    named = {(each["version"], each["feature_resolution"]) for each in found["versions"]}
    assert named == {("this", 64), ("other", 64)}
    assert all(each["measured"][0]["images_per_second"] > 0 for each in found["versions"])


def test_styles_are_told_apart_of_real_and_painted_pictures(start, monkeypatch, data, whole_folder):
    monkeypatch.setattr(script("tell_styles_apart"), "SEEDS", range(3))
    heading, *shares = rows(start("tell_styles_apart", *data, whole_folder))
    assert heading == ["", "all", *STYLES]
    assert [row[0] for row in shares] == [
        "real, held out",
        *(f"{whole_folder}, truncation {at}" for at in ("1", "0.8")),
    ]
    for _, mean, *of_styles in shares:
        assert float(mean) == pytest.approx(sum(map(float, of_styles)) / 3, abs=0.01)


def test_prompts_are_measured_by_colours_styles_and_subjects(start, monkeypatch, data, whole_folder, tmp_path):
    monkeypatch.setattr(script("prompt_effects"), "COMMON", 2)
    sheet = tmp_path / "sheet.png"
    own = tmp_path / "painter"
    shutil.copytree(whole_folder, own)
    printed = start("prompt_effects", *data, "--seeds", 3, "--sheet", sheet, "--save", own)
    heading, *effects = rows(printed)
    colours = ["blue", "red", "dark", "bright", "black and white"]
    assert [row[0] for row in effects] == [*colours, "flow field", "mosaic", "op art", *sorted(SUBJECTS.values())]
    assert heading[0] == "prompt" and all(row[-1] == ("yes" if float(row[4]) >= 0.5 else "no") for row in effects)
    assert "11 prompts, 3 seeds each" in printed and "style 1.00, subject 1.00" in printed
    assert size_of(sheet) == sheet_size(16, -(-12 * 3 // 16))
    kept = load_prompt(own, STYLES)
    strong = sorted((row for row in effects if row[-1] == "yes"), key=lambda row: -float(row[4]))
    assert kept and {row[0] for row in strong} == set(kept.phrases)
    before = load_prompt(whole_folder, STYLES)
    assert before and torch.equal(before.reference, kept.reference) and before.phrases == ()


# --- directions and enlargements -------------------------------------------------------------------------------------


def test_directions_are_found_shown_and_saved(start, folder, tmp_path):
    sheet = tmp_path / "directions.png"
    options = ("--pictures", 8, "--device", "cpu", "--sheet", sheet, "--columns", 2, "--save")
    printed = start("find_directions", folder, *options)
    model = load_model(folder)
    saved = load_directions(folder, model.generator.config)
    assert saved is not None and saved.names
    told = {row[0]: row for row in rows(printed)[1:]}
    assert [name for name, row in told.items() if row[1] != "left out"] == list(saved.names)
    assert f"\n{len(saved.names)} in " in printed
    card = (folder / "README.md").read_text("utf-8")
    assert all(f"| {name} |" in card for name in saved.names)
    width, height = sheet_size(2 * 5, 1)
    assert size_of(sheet) == sheet_size(1, len(saved.names), width, height + 14)


def test_directions_are_saved_into_a_folder_that_training_wrote_alone(monkeypatch, capsys, model_folder):
    monkeypatch.setattr(sys, "argv", ["find_directions.py", str(model_folder), "--save"])
    result = run_here(script("find_directions").main)
    assert result.returncode == 2 and "--save needs a model folder that training wrote" in result.stderr


def test_films_are_measured_by_their_sounds(start, steered_folder, tmp_path):
    start("music", steered_folder, "--quick", "--results", tmp_path)
    figures: dict[str, Any] = {}
    for path in tmp_path.iterdir():
        figures |= json.loads(path.read_text())
    assert [kind["clicks"] for kind in figures["beats"]] == ["plain", "swing", "noise at 10 dB"]
    assert len(figures["pulse"]) == 5 and figures["dance"]["reversed_largest_difference"] < 1e-6
    assert [row["mode"] for row in figures["bars"]] == ["walk", "styles"] and figures["film"]["frames"] == 96


def test_enlargements_stand_side_by_side(start, whole_folder, held_out, tmp_path):
    sheet = tmp_path / "larger.png"
    options = ("--seed", 2, "--pairs", 2, "--columns", 2, "--factor", 2, "--truncation", 0.7, "--sheet", sheet)
    start("upscaler_sheet", whole_folder, "--styles", *STYLES[:2], *options)
    assert size_of(sheet) == sheet_size(2, 2, 2 * SIDE, 2 * SIDE)
    start("upscaler_sheet", whole_folder, "--data", held_out, *options)
    assert size_of(sheet) == sheet_size(2, 2, 128, 128)


# --- from pictures of one's own --------------------------------------------------------------------------------------


def test_projections_are_measured_and_put_on_the_card(start, monkeypatch, folder, tmp_path):
    monkeypatch.setattr("artmodels.optimize.projection.CANDIDATES", 6)
    monkeypatch.setattr(script("projection"), "OTHERS", 2)
    sheet = tmp_path / "found.png"
    options = ("--seeds", "0-1", "--steps", 10, "--truncation", 0.7, "--sheet", sheet, "--card")
    printed = start("projection", folder, *options)
    assert [row[:2] for row in rows(printed)[1:]] == [["0", STYLES[0]], ["1", STYLES[1]]]
    assert re.search(r"Lite2, the judge: .* of 2 within 0\.1", printed) and "on" in printed.splitlines()[-1]
    figures = read_figures(folder, "project", monkeypatch, "projection", seeds="0-1", steps=10, truncation=0.7)
    assert (figures["pictures"], figures["steps"], figures["truncation"]) == (2, 10, 0.7)
    assert figures["worst"] >= figures["median"] > 0 and figures["near"] in (0, 1, 2)
    assert size_of(sheet) == sheet_size(8, 1)


def test_transfers_are_measured_and_put_on_the_card(start, monkeypatch, folder, held_out, tmp_path):
    sheet, manner = tmp_path / "transfers.png", held_out / "op-art" / "0.png"
    options = ("--size", 64, "--steps", 2, "--width", 101, "--sheet", sheet, "--card")
    printed = start("transfer_sheet", folder, "--styles", "mosaic", "--manner", manner, *options)
    contents = ("still_life", "mountains", "cat", "painted")
    pairs = [[content, style] for content in contents for style in ("mosaic", "0")]
    assert [row[:2] for row in rows(printed)[1:]] == pairs
    figures = read_figures(folder, "transfer", monkeypatch, "transfer_sheet", styles=["mosaic"], size=64, steps=2)
    assert (figures["pictures"], figures["size"], figures["steps"]) == (8, 64, 2)
    for least, most in (figures["style_left"], figures["content"]):
        assert 0 < least <= most
    width, height = sheet_size(3, 4, 64, 64)
    assert size_of(sheet) == (101, round(height * 101 / width))


def test_dreams_are_judged_by_another_classifier_and_put_on_the_card(start, monkeypatch, data, folder, tmp_path):
    monkeypatch.setattr(script("dreams"), "DreamSettings", lambda: DreamSettings(64, 3))
    sheet = tmp_path / "dreams.png"
    printed = start("dreams", folder, *data, "--each", 1, "--sheet", sheet, "--card")
    towards = [row[:2] for row in rows(printed)[1:]]
    assert [style for style, _ in towards] == list(STYLES)
    assert all(style != of for style, of in towards)
    assert re.search(r"the classifier: .* to .*; the other: .*, risen in \d of 3; ", printed)
    figures = read_figures(folder, "dream", monkeypatch, "dreams", each=1)
    assert (figures["pictures"], figures["size"], figures["steps"]) == (3, 64, 3)
    assert 0 <= figures["risen"] <= 3 and all(0 <= share <= 1 for share in (*figures["own"], *figures["judge"]))
    assert size_of(sheet) == sheet_size(2, 3, 64, 64)


# --- short trainings -------------------------------------------------------------------------------------------------


def test_every_ablation_is_of_flags_that_training_takes(tmp_path):
    for ablation in script("ablations").ABLATIONS.values():
        train_script.parse_arguments(["--output", str(tmp_path), "--preset", "cpu", *ablation.flags])


def test_an_ablation_is_trained_measured_and_not_repeated(start, monkeypatch, one_core, data, tmp_path):
    ablations, name = script("ablations"), "pictures-50"
    shorter = replace(ablations.ABLATIONS[name], pictures=16, flags=("--seed", "1"))
    monkeypatch.setitem(ablations.ABLATIONS, name, shorter)
    work, results = tmp_path / "work", tmp_path / "results"
    options = [*data, "--work", work, "--results", results, "--preset", "tiny", "--images", 256, "--only", name]
    start("ablations", *options, "--samples", 8, "--keep")
    found = json.loads((results / f"{name}.json").read_text())
    assert found["terms"].items() >= {"preset": "tiny", "images": 256, "samples": 8}.items()
    assert (found["images"], found["pictures"]) == (256, 15)  # a third of 16 each, rounded
    assert found["images_per_second"] > 0 and found["frechet_distance"] > 0 and found["styles"]
    table = rows((results / "table.md").read_text("utf-8"))
    assert [row[0] for row in table] == ["run", name] and len(table[0]) == len(table[1])
    told = re.findall(r"^`(python .*)`$", (results / "table.md").read_text("utf-8"), re.MULTILINE)
    assert_takes("ablations", told[0], monkeypatch)

    def refuse(*_: object) -> Path:
        raise AssertionError("it was trained again")

    kept = work / name
    monkeypatch.setattr(ablations, "train_one", refuse)
    assert "measured already" in start("ablations", *options, "--samples", 8)
    monkeypatch.setattr(ablations, "train_one", lambda *_: kept)  # on other terms it would be trained again
    start("ablations", *options, "--samples", 6)
    assert json.loads((results / f"{name}.json").read_text())["terms"]["samples"] == 6
    assert not kept.exists()  # without --keep


def test_small_collections_are_trained_judged_and_not_repeated(start, one_core, data, tmp_path):
    unseen = ["--test-data", draw_pictures(tmp_path / "unseen", side=40)]
    options = [*data[:2], *unseen, "--work", tmp_path / "work", "--results", tmp_path / "results", "--preset", "tiny"]
    options += ["--images", 256, "--samples", 8, "--sizes", 24, 30]
    start("small_collections", *options)
    table = (tmp_path / "results" / "table.md").read_text("utf-8")
    assert [(row[0], row[2]) for row in rows(table)] == [("run", "images shown"), ("preset", "256"), ("preset", "256")]
    for size in (24, 30):
        found = json.loads((tmp_path / "results" / f"preset-{size}.json").read_text())
        assert found["images"] == 256 and 0 < found["best_images"] <= 256 and found["pictures"] == 18
        assert found["memorisation"] > 0 and found["frechet_distance"] > 0 and isinstance(found["warnings"], list)
        assert all(0 < share < 1.5 for share in found["variety_of_draws"].values()) and len(found["styles"]) > 1
        (tmp_path / "work" / f"preset-{size}.txt").unlink()
    start("small_collections", *options)
    assert not list((tmp_path / "work").glob("*.txt"))


def test_quarters_are_means_and_tell_what_grows():
    soak = script("soak")
    seen = [{"seconds": float(second), "disk": 100.0 + second, "memory": 50.0} for second in range(80)]
    assert soak.quarters(seen, "memory", 80) == [50] * 4
    assert soak.quarters(seen, "disk", 80) == [109.5, 129.5, 149.5, 169.5]
    found = {
        "minutes": 80 / 60,
        "keep": 1,
        "machine": "m",
        "cores": 2,
        "date": "d",
        "crowd": {"paint": 2},
        "seen": seen,
    }
    told = soak.table(found | {"seen": seen, "done": {"paint": 9}, "wrong": {}})
    assert "| 1.000 | flat |" in told and "| 1.309 | grows |" in told and "Nothing went wrong." in told


def test_visitors_of_all_kinds_come_for_a_moment(start, steered_folder, tmp_path):
    """Each kind of them does what it came for, in the real studio; how much grows is not told by so short a time."""
    start("soak", "--minutes", 0.2, "--keep", 2, "--model", steered_folder, "--results", tmp_path)
    found = json.loads((tmp_path / "soak.json").read_text())
    assert found["wrong"] == {} and found["done"].keys() == found["crowd"].keys() and len(found["seen"]) >= 2


def test_objectives_are_trained_judged_and_not_repeated(start, monkeypatch, one_core, data, tmp_path):
    objectives = script("objectives")
    names = ["published", "relativistic", "second-network", "spectral", "seeing-variety", "drift", "moments", "latents"]
    options = [*data, "--results", tmp_path, "--preset", "tiny", "--images", 32, "--samples", 16, "--no-compile"]
    start("objectives", *options, "--only", *names)
    found = [json.loads((tmp_path / f"{name}-0.json").read_text()) for name in names]
    assert all(each["images"] == 32 and each["frechet_distance"] > 0 for each in found)
    assert len({each["frechet_distance"] for each in found}) == len(names)
    assert {row[0] for row in rows((tmp_path / "table.md").read_text("utf-8"))[1:]} == {
        objectives.TRIALS[name].what for name in names
    }

    def refuse(*_: object) -> None:
        raise AssertionError("it was trained again")

    monkeypatch.setattr(objectives, "run_trial", refuse)
    kept = ("terms", "trial", "seed", "images", "images_per_second")
    failed = {**{name: found[0][name] for name in kept}, "diverged": True}
    (tmp_path / f"{names[0]}-0.json").write_text(json.dumps(failed))
    start("objectives", *options, "--only", *names)
    *_, last = rows((tmp_path / "table.md").read_text("utf-8"))
    assert last[0] == objectives.TRIALS[names[0]].what and "diverged" in last  # a failed try stays


def test_moments_of_a_single_picture_have_a_slope(monkeypatch):
    objectives = script("objectives")
    pictures, features = torch.rand(1, 4, requires_grad=True), object.__new__(objectives.RealFeatures)
    features.all, features.centres, features.scales = [torch.rand(9, 4)], [torch.zeros(4)], [torch.tensor(1.0)]
    features.places = [torch.arange(9)]
    monkeypatch.setattr(objectives.RealFeatures, "look", lambda self, pictures: [pictures])
    features.moment_loss(pictures, torch.zeros(1, dtype=torch.int64), torch.Generator()).backward()
    assert pictures.grad is not None and pictures.grad.isfinite().all()


def test_a_judge_learns_from_one_half_of_a_collection(start, monkeypatch, one_core, tmp_path):
    judge = script("train_judge")
    pictures = draw_pictures(tmp_path / "pictures", per_style=12)
    small = replace(judge.classifier_train_config(), images=64, batch_size=16, checkpoint_every=32, width=4, blocks=1)
    monkeypatch.setattr(judge, "classifier_train_config", lambda precision: small)
    monkeypatch.setattr(judge, "FOLDER", tmp_path / "outside")
    monkeypatch.setattr(judge, "CHOSEN_BY", 6)
    printed = start("train_judge", "--data", pictures, "--work", tmp_path / "work")
    learned, others = judge.halves(judge.load_dataset(pictures, 64))
    assert len(learned) + len(others) == 36 and not set(learned.file_digests) & set(others.file_digests)
    assert f"learned from {len(learned)} pictures" in printed
    written = tmp_path / "outside" / "classifier.safetensors"
    assert sha256(written) in printed
    assert load_classifier(tmp_path / "outside").figures["pictures"] == len(others) - 6


# --- the peers -------------------------------------------------------------------------------------------------------

FAKE_LIGHTWEIGHT_GAN = """
import torch

assert torch.cuda.is_available(), "You need to have an Nvidia GPU with CUDA installed."


class NanException(Exception):
    pass


class LightweightGAN(torch.nn.Module):
    def __init__(self, latent_dim, side):
        super().__init__()
        self.G = torch.nn.Sequential(
            torch.nn.Linear(latent_dim, 3 * side * side), torch.nn.Sigmoid(), torch.nn.Unflatten(1, (3, side, side))
        )
        self.GE = None  # not before its moving average begins


class Trainer:
    def __init__(
        self, name, base_dir, image_size, batch_size, gradient_accumulate_every, attn_res_layers, disc_output_size,
        aug_types, use_aim,
    ):
        self.image_size, self.batch_size = image_size, batch_size
        self.gradient_accumulate_every = gradient_accumulate_every
        self.latent_dim, self.steps, self.loader, self.aug_prob = 8, 0, None, None

    def init_GAN(self):
        self.GAN = LightweightGAN(self.latent_dim, self.image_size).cuda()

    def train(self):
        for _ in range(self.gradient_accumulate_every):
            batch = next(self.loader).cuda()
            assert batch.shape == (self.batch_size, 3, self.image_size, self.image_size)
            assert 0 <= batch.min() < batch.max() <= 1 and 0 < self.aug_prob <= 0.5
            loss = (self.GAN.G(torch.randn(2, self.latent_dim, device=torch.device("cuda:0"))) - batch[:2]).square()
            loss.mean().backward()
        self.evaluate(self.steps)
        self.steps += 1

    def evaluate(self, num):
        raise AssertionError("sample sheets are to be spared")

    @torch.no_grad()
    def generate_(self, generator, latents):
        return generator(latents)
"""
FAKE_RETRY = """
def retry_call(function, fargs=None, fkwargs=None, exceptions=Exception, tries=-1):
    return function(*(fargs or ()), **(fkwargs or {}))
"""
FAKE_DIFFUSERS = """
from types import SimpleNamespace

import torch


class UNet2DModel(torch.nn.Module):
    def __init__(
        self, sample_size, in_channels, out_channels, layers_per_block, block_out_channels, down_block_types,
        up_block_types,
    ):
        super().__init__()
        assert len(block_out_channels) == len(down_block_types) == len(up_block_types)
        self.sample_size = sample_size
        self.layer = torch.nn.Conv2d(in_channels, out_channels, 1)

    def forward(self, noisy, timesteps):
        assert noisy.shape[1:] == (3, self.sample_size, self.sample_size) and len(timesteps) == len(noisy)
        return SimpleNamespace(sample=self.layer(noisy))


class DDPMScheduler:
    def __init__(self, num_train_timesteps):
        self.config = SimpleNamespace(num_train_timesteps=num_train_timesteps)

    def add_noise(self, clean, noise, timesteps):
        assert -1 <= clean.min() < 0 < clean.max() <= 1
        return clean + noise


class DDIMScheduler(DDPMScheduler):
    @classmethod
    def from_config(cls, config):
        return cls(config.num_train_timesteps)


class DDIMPipeline:
    def __init__(self, unet, scheduler):
        self.unet = unet

    def set_progress_bar_config(self, disable):
        pass

    @torch.no_grad()
    def __call__(self, batch_size, generator, num_inference_steps, output_type):
        assert output_type == "np" and num_inference_steps == 50
        noise = torch.randn(batch_size, 3, self.unet.sample_size, self.unet.sample_size, generator=generator)
        painted = self.unet(noise, torch.zeros(batch_size)).sample.sigmoid()
        return SimpleNamespace(images=painted.permute(0, 2, 3, 1).numpy())
"""
FAKE_OPTIMIZATION = """
import torch


def get_scheduler(name, optimizer, num_warmup_steps, num_training_steps):
    assert name == "cosine" and num_training_steps > 0
    return torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: min(1, step / num_warmup_steps))
"""
FAKE_TRAINING_UTILS = """
class EMAModel:
    def __init__(self, parameters, decay, use_ema_warmup, inv_gamma, power):
        self.shadow = [parameter.detach().clone() for parameter in parameters]
        self.stored = None

    def step(self, parameters):
        for shadow, parameter in zip(self.shadow, parameters, strict=True):
            shadow.lerp_(parameter.detach(), 0.1)

    def store(self, parameters):
        self.stored = [parameter.detach().clone() for parameter in parameters]

    def copy_to(self, parameters):
        for shadow, parameter in zip(self.shadow, parameters, strict=True):
            parameter.data.copy_(shadow)

    def restore(self, parameters):
        for stored, parameter in zip(self.stored, parameters, strict=True):
            parameter.data.copy_(stored)
"""
FAKES = {
    "lightweight_gan/__init__.py": "",
    "lightweight_gan/lightweight_gan.py": FAKE_LIGHTWEIGHT_GAN,
    "retry/__init__.py": "",
    "retry/api.py": FAKE_RETRY,
    "diffusers/__init__.py": FAKE_DIFFUSERS,
    "diffusers/optimization.py": FAKE_OPTIMIZATION,
    "diffusers/training_utils.py": FAKE_TRAINING_UTILS,
    "lightweight_gan-1.2.1.dist-info/METADATA": "Metadata-Version: 2.1\nName: lightweight-gan\nVersion: 1.2.1\n",
    "diffusers-0.42.1.dist-info/METADATA": "Metadata-Version: 2.1\nName: diffusers\nVersion: 0.42.1\n",
}


@pytest.fixture(scope="module")
def fakes(tmp_path_factory) -> Path:
    """A folder of modules that stand for the peers' packages."""
    folder = tmp_path_factory.mktemp("packages")
    for name, text in FAKES.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(text)
    return folder


@pytest.fixture
def peers(fakes, monkeypatch) -> Iterator[None]:
    """The peers' packages can be imported in this process, and are gone after the test."""
    monkeypatch.syspath_prepend(fakes)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    for kind in (torch.nn.Module, torch.Tensor):
        monkeypatch.setattr(kind, "cuda", kind.cuda)  # a driver replaces them: put back after the test
    yield
    for name in [name for name in sys.modules if name.split(".")[0] in ("lightweight_gan", "retry", "diffusers")]:
        del sys.modules[name]


@pytest.mark.parametrize(
    ("name", "package", "batch", "early"),
    [("peer_diffusers", "diffusers", 16, False), ("peer_lightweight_gan", "lightweight-gan", 40, True)],
)
def test_a_peer_is_driven_and_leaves_snapshots(name, package, batch, early, peers, monkeypatch, capsys, tmp_path):
    rng = np.random.default_rng(0)
    np.save(tmp_path / "pictures.npy", rng.integers(0, 256, (20, 16, 16, 3), dtype=np.uint8))
    monkeypatch.chdir(tmp_path)
    path = ROOT / "benchmarks" / f"{name}.py"
    told = told_commands(ast.get_docstring(ast.parse(path.read_text("utf-8"))))[name]
    _, _, *arguments = shlex.split(told)
    assert arguments[-4:] == ["--seconds", "1800", "--samples", "512"]
    arguments[-3::2] = ["0.2", "3"]
    monkeypatch.setattr(sys, "argv", [str(path), *arguments])
    result = run_here(lambda: runpy.run_path(str(path), run_name="__main__"))
    assert result.returncode == 0, result.stderr
    folder = tmp_path / "work" / package
    finished = json.loads((folder / "driver.json").read_text())
    assert finished["versions"].keys() == {package, "torch"} and finished["early_snapshots"] is early
    snapshots = sorted((folder / "snapshots").glob("*.json"))
    assert len(snapshots) >= 1 if early else len(snapshots) == 1
    for snapshot in snapshots:
        figures = json.loads(snapshot.read_text())
        assert figures["images"] > 0 and figures["images"] % batch == 0 and figures["seconds_a_picture"] > 0
        painted = np.load(snapshot.with_suffix(".npy"))
        assert painted.shape == (3, 16, 16, 3) and painted.dtype == np.uint8 and painted.std() > 0


def test_ours_and_the_peers_are_trained_and_reported(start, monkeypatch, one_core, data, fakes, tmp_path):
    against = script("against_peers")
    monkeypatch.setattr(against, "PRESET", "tiny")
    python = tmp_path / "venv" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.write_text(f'#!/bin/sh\nPYTHONPATH={shlex.quote(str(fakes))} exec {shlex.quote(sys.executable)} "$@"\n')
    python.chmod(0o755)
    work, results = tmp_path / "work", tmp_path / "results"
    options = [*data, "--work", work, "--results", results, "--minutes", 0.02, "--samples", 8]
    options += ["--snapshot-every", 64, "--ours-flags=--seed 1", "--peers-venv", tmp_path / "venv"]
    printed = start("against_peers", *options)
    for contender in against.CONTENDERS:
        assert f"{contender}: training for 0.02 minutes" in printed
        assert size_of(results / f"{contender}.png") == sheet_size(8, 1)
    curves = json.loads((results / "curves.json").read_text())
    assert curves["test_pictures"] == 12 and curves["contenders"].keys() == set(against.CONTENDERS)
    for contender, told in curves["contenders"].items():
        assert told["terms"]["samples"] == 8 and len(told["versions"]) == 2
        assert told["early_snapshots"] is (contender != "diffusers")
        assert_takes("against_peers", told["command"], monkeypatch)
        for snapshot in told["snapshots"]:
            assert snapshot["images"] > 0 and snapshot["frechet_distance"] > 0 and snapshot["sliced_wasserstein"] > 0
            variety = snapshot.get("variety", [])
            assert all(0 < style < 2 for style in variety) and len(variety) == (3 if contender == "ours" else 0)
    assert "besides `--seed 1`" in curves["contenders"]["ours"]["settings"]
    table = (results / "table.md").read_text("utf-8")
    assert table in printed and all(f"- **{contender}** (" in table for contender in against.CONTENDERS)
    assert [row[0] for row in rows(table)[:5]] == ["", *against.CONTENDERS, "real pictures (the floor)"]

    trained = {contender: (work / contender / "trained.json").stat().st_mtime_ns for contender in against.CONTENDERS}
    assert "ours: trained already" in start("against_peers", *options, "--only", "ours")
    assert "diffusers: training" in start("against_peers", *options, "--only", "diffusers", "--again")
    for contender, before in trained.items():
        again = (work / contender / "trained.json").stat().st_mtime_ns
        assert (again > before) == (contender == "diffusers")

    other = [*data, "--work", tmp_path / "other", "--results", results, "--only", "ours", "--images", 64]
    named = ["--name", "seed-2", "--ours-flags=--seed 2"]
    start("against_peers", *other, *named, "--minutes", 0.02, "--samples", 8)
    curves = json.loads((results / "curves.json").read_text())["contenders"]
    assert list(curves) == ["ours", "seed-2", "lightweight-gan", "diffusers"]  # the others stay as they were found
    assert curves["seed-2"]["snapshots"][-1]["images"] == 64 and "--images 64" in curves["seed-2"]["settings"]
    assert "seed-2" not in (results / "table.md").read_text("utf-8").partition("At equal images")[2].partition("All")[0]
    shutil.rmtree(tmp_path / "other")
    printed = start("against_peers", *other, "--minutes", 0.02, "--samples", 9)
    assert "diffusers: what" in printed and "so it is left out" in printed
    assert json.loads((results / "curves.json").read_text())["contenders"].keys() == {"ours"}


needs_chromium = pytest.mark.skipif(not shutil.which("chromium"), reason="needs chromium: apt-get install chromium")


@needs_chromium
def test_visits_to_the_page_are_measured(start, folder, page_engine, monkeypatch, tmp_path):
    printed = start("web", "--model", folder, "--visits", 1, "--results", tmp_path / "results")
    told = json.loads((tmp_path / "results" / "page.json").read_text())
    assert_takes("web", told["command"], monkeypatch)
    assert len(told["visits"]) == 2 and told["visits"][0]["threads"] == 1
    assert all(0 < visit["first_picture"] <= visit["wall"] for visit in told["visits"])
    assert (tmp_path / "results" / "table.md").read_text("utf-8") in printed


@needs_chromium
def test_the_delay_of_the_page_live_is_measured(start, folder, page_engine, monkeypatch, tmp_path):
    printed = start("web_live", "--model", folder, "--hits", 2, "--results", tmp_path / "results")
    told = json.loads((tmp_path / "results" / "live.json").read_text())
    assert_takes("web_live", told["command"], monkeypatch)
    assert len(told["milliseconds"]) == 2 and all(0 < each <= 500 for each in told["milliseconds"])
    assert (tmp_path / "results" / "live.md").read_text("utf-8") in printed


def test_a_delay_ends_at_the_first_frame_that_changes_more_than_drifting_does():
    times = np.arange(0, 1000, 10.0)
    drifting = np.full(100, 0.5)
    latency = script("web_live").latency
    assert latency(300.0, times, drifting) == 500  # missed
    moved = drifting.copy()
    moved[[10, 37, 38]] = 9  # the first of them before the hit
    assert latency(300.0, times, moved) == 70


def test_what_too_few_test_pictures_cannot_carry_is_left_empty():
    figures = {"images": 10, "seconds": 90, "frechet_distance": 3.0, "kernel_distance": 0.5, "sliced_wasserstein": 7.0}
    few = {**figures, "precision": None, "recall": None}
    row = script("against_peers").figures_row(few, {**few, "frechet_distance": 1.0})
    assert row == "| 10 | 1.5 min | 3.0 | 2.0 | 500.00 |  |  | 7.0 |  |"
    varied = script("against_peers").figures_row({**few, "variety": [0.9, 0.75]}, {**few, "frechet_distance": 1.0})
    assert varied == "| 10 | 1.5 min | 3.0 | 2.0 | 500.00 |  |  | 7.0 | 0.75 |"


def test_the_peers_environment_is_made_of_their_requirements(monkeypatch, tmp_path):
    commands = []

    def record(command: list[str], check: bool) -> subprocess.CompletedProcess[str]:
        commands.append(command)
        return subprocess.CompletedProcess(command, len(commands) - 1)

    monkeypatch.setattr(subprocess, "run", record)
    with pytest.raises(OSError, match=r"pip install -r .* failed"):
        script("against_peers").peers_python(tmp_path / "venv")
    make, install = commands
    assert make == [sys.executable, "-m", "venv", str(tmp_path / "venv")]
    requirements = Path(install[-1]).read_text("utf-8")
    assert install[0] == str(tmp_path / "venv" / "bin" / "python") and "lightweight-gan==" in requirements
