"""Directions: what is measured of a picture, what moves it, and their file among friends and strangers."""

import json
import math
import pickle
import shutil
import struct
import time
from pathlib import Path

import pytest
import torch
from helpers import ROOT, STYLES, folder_files, run_here
from huggingface_hub import constants
from safetensors.torch import save_file
from sample_models import FIGURES, TRAINING, make_generator

from artmodels.cli.main import main
from artmodels.generate.find_directions import (
    DAMPING,
    ENDS,
    TRUNCATION,
    add_directions,
    correct,
    describe,
    draw_rows,
    eigenvectors,
    find_directions,
    least_squares,
    measure_effects,
    measure_rows,
    measure_slopes,
    meets,
)
from artmodels.generate.recipe import Latent, Recipe, Shift
from artmodels.generate.sampling import paint_rows, rows_of
from artmodels.hub.card import rewrite_card
from artmodels.hub.companions.directions import DIRECTIONS_NAME, load_directions, save_directions
from artmodels.hub.load import load_hub_model, load_model
from artmodels.hub.pretrained import ArtGenerator
from artmodels.hub.publish import publish
from artmodels.hub.statement import Statement
from artmodels.io.safetensors_io import read_header
from artmodels.metrics import evaluate as evaluation
from artmodels.models.image_statistics import ATTRIBUTES, measure
from artmodels.training.export import write_model_folder

MODEL = "user/steered"
FEW = 24  # paintings that a small generator is measured by
pytestmark = pytest.mark.filterwarnings("ignore:Use 'content=<...>':DeprecationWarning")  # the client's own, of uploads


def attributes_of(picture: torch.Tensor) -> dict[str, float]:
    """Of one picture `[3, H, W]` in [-1, 1]."""
    return dict(zip(ATTRIBUTES, measure(picture[None])[0].tolist(), strict=True))


def flat(red: float, green: float, blue: float, side: int = 16) -> torch.Tensor:
    """A picture of one colour, its channels given in [0, 1]."""
    return (torch.tensor([red, green, blue], dtype=torch.float32) * 2 - 1)[:, None, None].expand(3, side, side).clone()


def test_a_grey_picture_has_brightness_and_nothing_else():
    found = attributes_of(flat(0.5, 0.5, 0.5))
    assert found.pop("brightness") == pytest.approx(0.5)
    assert all(abs(value) < 1e-3 for value in found.values()), found


def test_pure_colours():
    red, green, blue = (attributes_of(flat(*channels)) for channels in ((1, 0, 0), (0, 1, 0), (0, 0, 1)))
    assert [round(found["saturation"], 5) for found in (red, green, blue)] == [1, 1, 1]
    assert [round(found["warmth"] * 1.05, 5) for found in (red, green, blue)] == [1, 0, -1]
    assert [round(found["tint"] * 1.05, 5) for found in (red, green, blue)] == [0.5, -1, 0.5]
    strong, faint = (attributes_of(flat(0.5 + by, 0.5, 0.5 - by)) for by in (0.5, 0.4))
    assert faint["saturation"] < strong["saturation"] and faint["warmth"] == pytest.approx(strong["warmth"], abs=0.02)
    assert green["brightness"] > red["brightness"] > blue["brightness"]


def test_a_checkerboard_is_as_busy_as_it_gets():
    places = torch.arange(16)
    boards = {
        side: (((places // side)[:, None] + places // side) % 2 * 2.0 - 1).expand(3, 16, 16) for side in (1, 2, 4)
    }
    found = {side: attributes_of(board) for side, board in boards.items()}
    for board in found.values():
        assert board["contrast"] == pytest.approx(0.5, abs=1e-3) and board["brightness"] == pytest.approx(0.5)
    assert found[1]["busyness"] == pytest.approx(math.log((2**0.5 + 0.01) / 0.51), abs=1e-3)
    assert found[1]["busyness"] > found[2]["busyness"] > found[4]["busyness"]
    fainter = attributes_of(boards[2] / 2)
    assert fainter["contrast"] == pytest.approx(0.25, abs=1e-3)
    assert fainter["busyness"] == pytest.approx(found[2]["busyness"], abs=0.05)


def test_where_the_light_comes_from():
    above = flat(0, 0, 0)
    above[:, :8] = 1
    found = attributes_of(above)
    assert found["light from above"] == pytest.approx(1) and found["contrast"] == pytest.approx(0.5, abs=1e-3)
    assert abs(found["light in the centre"]) < 1e-6
    assert abs(attributes_of(above.transpose(1, 2))["light from above"]) < 1e-6
    centre = flat(0, 0, 0)
    centre[:, 4:12, 4:12] = 1
    assert attributes_of(centre)["light in the centre"] == pytest.approx(1)
    assert attributes_of(-centre)["light in the centre"] == pytest.approx(-1)


def test_every_attribute_can_be_descended():
    pictures = torch.rand(2, 3, 16, 16, generator=torch.Generator().manual_seed(0)) * 2 - 1
    for name, attribute in ATTRIBUTES.items():
        for given in (pictures, flat(0.5, 0.5, 0.5)[None]):
            given = given.clone().requires_grad_()
            (slope,) = torch.autograd.grad(attribute(given).sum(), given)
            assert torch.isfinite(slope).all(), name
            assert slope.abs().sum() > 0 or given.shape[0] == 1, name


def test_least_squares_moves_one_thing_and_what_always_does():
    """Among directions of the right mean slope, that whose slope varies least; and no attribute but its own moves."""
    random = torch.Generator().manual_seed(0)
    mean = torch.randn(2, 3, 4, generator=random)
    noise = torch.randn(50, 2, 3, 4, generator=random) * torch.tensor([0.1, 0.1, 3])[:, None]  # row 2 is unsure
    slopes = mean + noise - noise.mean(dim=0)
    vectors = least_squares(slopes)
    assert torch.allclose(torch.einsum("krd,ard->ka", vectors, mean.double()), torch.eye(2).double(), atol=1e-6)
    assert vectors[:, 2].norm() < 0.2 * vectors[:, :2].norm()
    unmoved = least_squares(torch.cat([slopes, torch.zeros(50, 1, 3, 4)], dim=1))
    assert torch.allclose(unmoved[:2], vectors) and not unmoved[2].any()


def test_a_correction_undoes_what_painting_was_measured_to_do():
    effects = torch.tensor([[1.2, 0.3, 0.1], [-0.2, 0.8, 0.0], [0.1, 0.0, 0.01]])  # the third hardly works
    curves = torch.stack([-2 * effects, 2 * effects], dim=1)[:, :, None]
    vectors = torch.eye(3).view(3, 1, 3).double()
    corrected = correct(vectors, curves)
    before, after = (
        (moved - torch.eye(3))[:2, :2].abs().max() for moved in (effects, corrected[:, 0].float() @ effects)
    )
    assert after < (1 - DAMPING + 0.05) * before
    assert torch.equal(corrected[2], vectors[2])


def test_eigenvectors_are_the_axes_of_the_modulation(generator):
    found = eigenvectors(generator, 1, 1)
    weight = generator.first_conv.modulation.affine.weight.double()
    assert torch.allclose(found @ found.T, torch.eye(16).double(), atol=1e-6)
    lengths = (found @ weight.T).norm(dim=1)
    assert (lengths[:-1] >= lengths[1:] - 1e-6).all() and lengths[0] == pytest.approx(
        float(torch.linalg.matrix_norm(weight, 2))
    )


def test_slopes_are_those_of_the_paintings(generator):
    w = draw_rows(generator, 5, 3)
    slopes = measure_slopes(generator, w)
    assert slopes.shape == (3, len(ATTRIBUTES), 5, 16)
    step = 1e-2 * torch.nn.functional.normalize(
        torch.randn(5, 16, generator=torch.Generator().manual_seed(1)), dim=None
    )
    rise = (measure_rows(generator, w + step) - measure_rows(generator, w - step)) / 2
    torch.testing.assert_close((slopes * step).sum(dim=(2, 3)), rise, atol=2e-5, rtol=0.05)


@pytest.fixture(scope="module")
def found(generator):
    return find_directions(generator, FEW)


@pytest.fixture(scope="module")
def steered(tmp_path_factory, model_folder, found) -> Path:
    """A model's folder with its directions."""
    folder = shutil.copytree(model_folder, tmp_path_factory.mktemp("steered") / "sketcher")
    save_directions(folder, *found)
    return folder


def test_a_small_generator_has_some_and_the_figures_say_why_no_others(found):
    names, vectors, figures = found
    assert len(names) >= 3 and vectors.shape == (len(names), 5, 16) and vectors.dtype == torch.float32
    assert {*figures["directions"], *figures["left_out"]} == set(ATTRIBUTES) and tuple(figures["directions"]) == names
    for told in figures["directions"].values():
        assert meets(told) and told["found_by"] in ("factorised", "least squares")
        assert told["effects"].keys() == ATTRIBUTES.keys()
    assert not any(meets(told) for told in figures["left_out"].values())


def test_a_recipe_moves_what_it_names_and_little_else(steered, found):
    model = load_model(steered)
    directions = model.directions
    assert directions.names == found[0] and torch.equal(directions.vectors, found[1])
    deviations = measure_rows(model.generator, draw_rows(model.generator, 7, 96)).std(dim=0)

    def painted(name: str, amount: float) -> torch.Tensor:
        edits = (Shift(name, amount, directions.sha256),)
        recipes = [
            Recipe("sketcher", model.weights_sha256, (Latent(seed),), {style: 1.0}, TRUNCATION, edits)
            for style in STYLES
            for seed in range(8)
        ]
        return measure(
            paint_rows(model.generator, torch.cat([rows_of(model.generator, r, directions) for r in recipes]))
        )

    for name, told in directions.figures["directions"].items():
        effects = ((painted(name, 2) - painted(name, -2)) / deviations).mean(dim=0)
        own = effects[list(ATTRIBUTES).index(name)]
        assert own == pytest.approx(told["effect"], rel=0.4)
        others = effects.abs().index_fill(0, torch.tensor(list(ATTRIBUTES).index(name)), 0)
        assert others.max() < 0.6 * own, (name, effects)


def test_the_same_generator_gives_the_same_bytes(steered, found, generator, tmp_path):
    save_directions(tmp_path, *find_directions(generator, FEW))
    assert (tmp_path / DIRECTIONS_NAME).read_bytes() == (steered / DIRECTIONS_NAME).read_bytes()


def test_one_style_is_enough():
    names, vectors, _ = find_directions(make_generator(("ink",)), 8)
    assert len(names) == len(vectors)


def test_where_nothing_moves_nothing_is_found(tmp_path):
    generator = make_generator()
    generator.to_rgb.weight.zero_()
    names, vectors, figures = find_directions(generator, 8)
    assert names == () and vectors.shape == (0, 5, 16) and set(figures["left_out"]) == set(ATTRIBUTES)
    generator.save_pretrained(tmp_path)
    assert add_directions(tmp_path, pictures=8) is None and not (tmp_path / DIRECTIONS_NAME).exists()
    generator.to_rgb.weight.fill_(float("nan"))
    assert find_directions(generator, 8)[0] == ()


@pytest.mark.slow
def test_the_bundled_models_directions_hold_on_other_paintings():
    """Each moves its own attribute by a standard deviation at least, and every other by less than half as much."""
    model = load_model(ROOT / "checkpoints" / "masters")
    directions = model.directions
    assert 5 <= len(directions.names) <= 8
    assert {"brightness", "warmth", "contrast", "busyness", "saturation"} <= set(directions.names)
    w = draw_rows(model.generator, 3_000_000, 90)  # a few dozen tell by chance what is near the limit
    deviations = measure_rows(model.generator, w).std(dim=0)
    curves = measure_effects(model.generator, w, directions.vectors, deviations, ENDS)
    for curve, name in zip(curves, directions.names, strict=True):
        place = list(ATTRIBUTES).index(name)
        told = describe(curve, place)
        assert meets(told), (name, told)
        own = curve.mean(dim=1)[:, place]
        assert (own.diff() > 0).all(), (name, own)  # more of it on either side
        assert told["rising"] > 0.9


# --- their file ------------------------------------------------------------------------------------------------------


def test_a_model_without_them_paints(model):
    assert model.directions is None and load_directions(model.folder, model.generator.config) is None


def rewrite(folder: Path, change=None, vectors: torch.Tensor | None = None, text: str | None = None) -> None:
    """The file anew: its names and figures changed, or other vectors, or another text beside them."""
    config = load_model(folder).generator.config
    before = load_directions(folder, config)
    told = {"names": list(before.names), "figures": json.loads(json.dumps(before.figures))}
    if change:
        change(told)
    vectors = before.vectors if vectors is None else vectors
    metadata = {"directions": json.dumps(told) if text is None else text}
    save_file({"vectors": vectors}, folder / DIRECTIONS_NAME, metadata)


def rename(told: dict, name: str) -> None:
    """The first direction under another name."""
    figures = told["figures"]["directions"]
    figures[name] = figures.pop(told["names"][0])
    told["names"][0] = name


def of_first(told: dict) -> dict:
    """The figures of the first direction."""
    return told["figures"]["directions"][told["names"][0]]


@pytest.fixture
def folder(tmp_path, steered) -> Path:
    return shutil.copytree(steered, tmp_path / "model")


def assert_refused(folder: Path, expected: str) -> None:
    with pytest.raises(ValueError, match=expected) as caught:
        load_model(folder)
    assert "\n" not in str(caught.value) and DIRECTIONS_NAME in str(caught.value)


def test_a_script_in_a_name_is_only_text(folder):
    name = "<script>alert(1)</script> | 浮世絵"
    rewrite(folder, lambda told: rename(told, name))
    model = load_model(folder)
    assert model.directions.names[0] == name
    assert torch.isfinite(model.directions.vector(name, model.directions.sha256)).all()
    write_model_folder(folder, model.generator, TRAINING, [])
    rewrite_card(folder, model.generator, {})
    card = (folder / "README.md").read_text()
    assert "\\<script\\>" in card and "<script>" not in card.replace("\\<script\\>", "")


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (lambda told: rename(told, "x" * 101), r"names\[0\] should have at most 100 characters"),
        (lambda told: rename(told, ""), "at least 1 character"),
        (lambda told: rename(told, "a\nb"), "should be printable"),
        (lambda told: rename(told, "\u202egnp"), "should be printable"),
        (lambda told: told.update(names=[told["names"][0]] * len(told["names"])), "names that differ"),
        (lambda told: told["names"].append("more"), "names that differ"),
        (lambda told: told.update(names="abc"), "names should be a valid array"),
        (lambda told: told.update(figures=[]), "figures should be an object"),
        (lambda told: told["figures"]["directions"].popitem(), "the figures should tell of each direction"),
        (lambda told: told["figures"].update(pictures="many"), "figures.pictures should be a valid number"),
        (
            lambda told: of_first(told).update(effect="3"),
            "effect should be a valid number",
        ),
        (lambda told: of_first(told).update(effect=10**400), "effect should be"),
        (
            lambda told: of_first(told).update(found_by="a\n# b"),
            "found_by should be printable",
        ),
        (lambda told: told["figures"]["directions"].update({told["names"][0]: 3}), "should be an object, found 3"),
        (lambda told: told.update(padding="x" * 4_100_000), "text of at most 4000000"),
    ],
)
def test_names_and_figures_that_lie(folder, change, expected):
    rewrite(folder, change)
    assert_refused(folder, expected)


@pytest.mark.parametrize("text", ["", "[1]", "null", "{", '{"names": [NaN]}', "[" * 100_000])
def test_what_is_no_name_at_all(folder, text):
    rewrite(folder, text=text)
    assert_refused(folder, "not valid JSON|should be a list|is missing|should be an object|should be a valid")


@pytest.mark.parametrize(
    ("vectors", "expected"),
    [
        (torch.zeros(3, 4, 16), "does not fit its config"),
        (torch.zeros(3, 5, 15), "does not fit its config"),
        (torch.zeros(5, 16), "does not fit its config"),
        (torch.zeros(0, 5, 16), "1 to 32 vectors"),
        (torch.zeros(33, 5, 16), "1 to 32 vectors"),
        (torch.tensor(1.0), "1 to 32 vectors"),
        (torch.full((3, 5, 16), float("nan")), "not finite"),
        (torch.full((3, 5, 16), 1e30), "values beyond 1000"),
        (torch.zeros(3, 5, 16, dtype=torch.int64), "has type I64"),
    ],
)
def test_vectors_that_cannot_be(folder, vectors, expected):
    rewrite(folder, vectors=vectors)
    assert_refused(folder, expected)


def test_files_that_attack(folder, tmp_path):
    class Evil:
        def __reduce__(self):
            return (Path.touch, (tmp_path / "ran",))

    path = folder / DIRECTIONS_NAME
    content, (_, told) = path.read_bytes(), read_header(path)
    path.write_bytes(pickle.dumps(Evil()))
    assert_refused(folder, "never pickles")
    path.write_bytes(struct.pack("<Q", 2**60) + b"{}")
    assert_refused(folder, "not a safetensors file")
    path.write_bytes(content + bytes(5_000_000))
    assert_refused(folder, "larger than 4194304 bytes")
    path.write_bytes(content[:-4])
    assert_refused(folder, "damaged")
    path.write_bytes(b"")
    assert_refused(folder, "not a safetensors file")
    save_file({"vectors": torch.zeros(3, 5, 16), "more": torch.zeros(1)}, path, told)
    assert_refused(folder, "surplus more")
    save_file({"vectors": torch.zeros(3, 5, 16), "a\n\x1b[2Jb": torch.zeros(1)}, path, told)
    assert_refused(folder, r"surplus 'a\\n\\x1b")
    assert not (tmp_path / "ran").exists()


# --- beside a model: on its card, and on the Hub ---------------------------------------------------------------------


@pytest.fixture
def published_folder(tmp_path, generator) -> Path:
    """A model's folder as training writes it, without directions."""
    folder = tmp_path / "runs" / "mine" / "model"
    folder.mkdir(parents=True)
    write_model_folder(folder, generator, TRAINING, [{"images": 10}], FIGURES)
    return folder


def test_the_card_has_a_row_for_each(published_folder, generator, found):
    before = (published_folder / "README.md").read_text()
    assert "## Directions" not in before
    save_directions(published_folder, *found)
    rewrite_card(published_folder, generator, {})
    card = (published_folder / "README.md").read_text()
    section = "\n## Directions\n" + card.split("\n## Directions\n")[1].split("\n## Limits\n")[0]
    assert card.replace(section, "") == before  # and nothing else has changed
    for name, told in found[2]["directions"].items():
        assert f"| {name} | {told['found_by']} | {told['effect']:.2f} |" in section


@pytest.mark.slow
def test_publishing_finds_them_and_they_come_back(hub, published_folder, capsys):
    assert main(["publish", str(published_folder), MODEL, "--dry-run"]) == 0
    assert "found first" in capsys.readouterr().out and not (published_folder / DIRECTIONS_NAME).exists()
    publish(published_folder.parent, MODEL, Statement(), prepare=add_directions)
    files = hub.repositories["models", MODEL].head
    assert b"## Directions" in files["README.md"]
    ours, theirs = load_model(published_folder).directions, load_model(MODEL).directions
    assert ours.names == theirs.names and ours.sha256 == theirs.sha256 and torch.equal(ours.vectors, theirs.vectors)
    assert (published_folder / "README.md").read_bytes() == files["README.md"]

    (published_folder / DIRECTIONS_NAME).unlink()  # of another average, say
    publish(published_folder.parent, MODEL, Statement())
    assert DIRECTIONS_NAME not in hub.repositories["models", MODEL].head
    assert load_model(MODEL).directions is None


def test_damaged_ones_are_not_published(hub, published_folder):
    (published_folder / DIRECTIONS_NAME).write_bytes(b"torn")
    with pytest.raises(ValueError, match="not a safetensors file"):
        publish(published_folder.parent, MODEL, Statement())
    assert not hub.requests


def test_a_repository_without_them_is_whole_and_asked_once(hub, model_folder, monkeypatch):
    commit = hub.add(MODEL, folder_files(model_folder))
    assert load_model(MODEL).directions is None
    asked = [request for request in hub.requests if DIRECTIONS_NAME in request]
    assert len(asked) == 1
    load_model(f"{MODEL}@{commit}")
    assert [request for request in hub.requests if DIRECTIONS_NAME in request] == asked
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    assert load_model(MODEL).directions is None


def test_cached_before_they_were_known_of(hub, steered, monkeypatch, capsys):
    """A cache that has a model without ever having asked for its directions: offline, it paints without a word."""
    hub.add(MODEL, folder_files(steered))
    load_model(MODEL)
    (path,) = hub.cache.rglob(DIRECTIONS_NAME)
    path.unlink()
    hub.close()
    capsys.readouterr()
    started = time.monotonic()
    assert load_model(MODEL).directions is None
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    assert load_model(MODEL).directions is None
    assert ArtGenerator.from_pretrained(MODEL, local_files_only=True).config.styles == STYLES
    assert time.monotonic() - started < 30 and not capsys.readouterr().err


def test_they_are_for_those_who_may_see_the_model(hub, steered):
    hub.add(MODEL, folder_files(steered), private=True)
    assert load_model(MODEL).directions is not None
    with pytest.raises(OSError, match="the Hub shows no"):
        load_hub_model(MODEL, token=False, cache_dir=hub.cache / "elsewhere")


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"torn", "is used without its directions"),
        (pickle.dumps({"names": ["brightness"]}), "is used without its directions"),
        (bytes(5_000_000), "directions.safetensors has 5.0 MB, at most 4.2 MB can be right: it was not fetched"),
    ],
)
def test_damaged_ones_of_a_stranger_cost_a_warning(hub, model_folder, capsys, content, expected):
    hub.add(MODEL, {**folder_files(model_folder), DIRECTIONS_NAME: content})
    model = load_model(MODEL)
    assert model.directions is None and model.revision
    said = capsys.readouterr().err
    assert said.startswith("warning: ") and said.count("\n") == 1 and expected in said


@pytest.mark.slow
def test_evaluation_finds_them_with_the_card_and_tells_of_them(published_folder, pictures, monkeypatch):
    monkeypatch.setattr(evaluation, "look_at_real", lambda *_: None)
    monkeypatch.setattr(evaluation, "evaluate", lambda *_: dict(FIGURES))
    flags = ["evaluate", "--model", str(published_folder), "--data", str(pictures), "--test-data", str(pictures)]
    result = run_here(lambda: main(flags))
    assert result.returncode == 0 and "directions" not in json.loads(result.stdout)
    result = run_here(lambda: main([*flags, "--write-card"]))
    directions = load_model(published_folder).directions
    assert json.loads(result.stdout)["directions"] == directions.figures
    assert "## Directions" in (published_folder / "README.md").read_text()
    assert "directions" not in json.loads((published_folder / "metrics.json").read_text())["evaluation"]
    result = run_here(lambda: main(flags))
    assert json.loads(result.stdout)["directions"] == directions.figures
