"""The classifier: it tells drawn styles apart, knows how sure it may be, shows where it looks, judges a generator."""

import dataclasses
import json
import pickle
import shutil
import struct
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from helpers import STYLES, assert_one_clear_line, draw_pictures, read_jsonl, rewrite_companion, run_here
from PIL import Image
from safetensors.torch import load_file, save_file
from sample_models import FIGURES, TRAINING, make_generator
from torch import nn
from training_runs import train, train_here

from artmodels.cli.main import main
from artmodels.data import procedural
from artmodels.data.dataset import load_dataset
from artmodels.generate.sampling import draw_latents, paint
from artmodels.hub.card import rewrite_card
from artmodels.hub.companions.classifier import CLASSIFIER_NAME, COMPANION, load_classifier, save_classifier
from artmodels.hub.load import load_model
from artmodels.io.files import LOCK_NAME, only_one
from artmodels.metrics.classification import (
    adherence,
    calibration_error,
    classification_figures,
    fit_head,
    fit_temperature,
    labels_among,
    logits_of,
    wilson_interval,
)
from artmodels.models.classifier import ClassifierConfig, StyleClassifier
from artmodels.models.layers import channels_last
from artmodels.training.checkpoint import list_checkpoints
from artmodels.training.classifier import vary
from artmodels.training.export import write_model_folder
from artmodels.training.launch import put_beside
from artmodels.training.supervised_config import classifier_train_config

SMALL = ("--resolution", "32", "--width", "8", "--images", "2400", "--batch-size", "32", "--learning-rate", "0.005")


def draw_unseen(folder: Path, first: int, per_style: int) -> Path:
    """Drawn pictures of the styles of the tests, from a number on."""
    for style in STYLES:
        (folder / style).mkdir(parents=True)
        for index in range(first, first + per_style):
            Image.fromarray(procedural.draw(style, index, 40)).save(folder / style / f"{index}.png")
    return folder


@pytest.fixture(scope="module")
def work(tmp_path_factory) -> Path:
    """A finished run of `train.py --task classifier` in `run/`, and in `painter/` a model that it was put beside."""
    work = tmp_path_factory.mktemp("classifier")
    (work / "painter").mkdir()
    write_model_folder(work / "painter", make_generator(), TRAINING, [{"images": 10}], FIGURES)
    flags = ("--data", str(draw_pictures(work / "data", per_style=40)), "--checkpoint-every", "800", "--beside")
    test = ("--test-data", str(draw_unseen(work / "test", 5000, 20)))
    result = train(work / "run", "--task", "classifier", *SMALL, *flags, str(work / "painter"), *test)
    assert result.returncode == 0, result.stderr
    assert "the best so far" in result.stderr and "the card says so" in result.stdout
    return work


@pytest.fixture
def folder(work, tmp_path) -> Path:
    """A folder with a classifier in it, to spoil."""
    shutil.copy(work / "run" / "model" / CLASSIFIER_NAME, tmp_path)
    return tmp_path


@pytest.fixture(scope="module")
def classifier(work) -> StyleClassifier:
    return load_classifier(work / "run" / "model")


# --- what training makes ---------------------------------------------------------------------------------------------


def test_it_tells_unseen_drawings_apart(classifier, work):
    """Of 3 styles by lot a third would be right."""
    unseen = load_dataset(draw_unseen(work / "others", 9000, 15), 32)
    probabilities = classifier.probabilities(unseen.batch(range(len(unseen))))
    right = probabilities.argmax(dim=1) == labels_among(unseen, classifier.config.styles)
    assert right.double().mean() > 0.85
    assert torch.allclose(probabilities.sum(dim=1), torch.ones(len(unseen)))


def test_its_figures_are_those_of_the_file_that_is_read(classifier, work):
    test = load_dataset(work / "test", 32)
    again = classification_figures(
        torch.cat([classifier.probabilities(part) for part in test.batch(range(len(test))).split(64)]),
        labels_among(test, classifier.config.styles),
        classifier.config.styles,
    )
    for name in ("pictures", "confusion", "styles", "accuracy", "accuracy_interval"):
        assert classifier.figures[name] == again[name], name
    assert classifier.figures["calibration_error"] == pytest.approx(again["calibration_error"], abs=1e-4)
    assert classifier.figures["measured_by"] == "test pictures" and classifier.figures["pictures"] == 60
    assert classifier.figures["held_out"]["pictures"] >= 16
    assert classifier.figures["reference"]["accuracy"] > 0.8  # features of ImageNet tell drawings apart, too
    assert (work / "run" / "model" / CLASSIFIER_NAME).stat().st_mode & 0o777 == 0o644


def test_the_run_keeps_the_best_by_held_out_accuracy(classifier, work):
    records = [record for record in read_jsonl(work / "run" / "metrics.jsonl") if "evaluation" in record]
    best = [record for record in records if record.get("best")][-1]
    assert best["evaluation"]["score"] == max(record["evaluation"]["score"] for record in records)
    assert classifier.figures["training"]["images"] == best["images"]
    assert classifier.figures["held_out"]["accuracy"] == pytest.approx(
        best["evaluation"]["score"], abs=0.07
    )  # half precision
    told = json.loads((work / "run" / "figures.json").read_text())
    assert {name: told[name] for name in classifier.figures} == classifier.figures


def test_it_is_put_beside_a_model_on_its_card(classifier, work):
    beside = load_classifier(work / "painter")
    assert beside.figures == classifier.figures and load_model(work / "painter").generator
    card = (work / "painter" / "README.md").read_text()
    section = card.split("\n## The classifier\n")[1].split("\n## Limits\n")[0]
    assert "On 60 test pictures" in section and f"{classifier.figures['accuracy']:.1%} right" in section
    assert f"{classifier.figures['reference']['accuracy']:.1%} right" in section and "| mosaic | 20 |" in section
    assert not [path.name for path in work.glob(".*")]


def test_nothing_is_put_into_a_model_while_its_run_trains(work, tmp_path, artmodels):
    model = shutil.copytree(work / "painter", tmp_path / "run" / "model")
    (tmp_path / "run" / LOCK_NAME).touch()
    before = {path.name: path.read_bytes() for path in model.iterdir()}
    with only_one(tmp_path / "run"):
        with pytest.raises(OSError, match="another process is training"):
            put_beside(model / CLASSIFIER_NAME, model)
        assert_one_clear_line(artmodels("evaluate", "--model", model, "--write-card"), "another process is training")
    assert {path.name: path.read_bytes() for path in model.iterdir()} == before
    put_beside(model / CLASSIFIER_NAME, model)


@pytest.mark.slow
def test_resuming_a_finished_run_knows_its_task_and_finds_the_same(classifier, work, tmp_path):
    output = shutil.copytree(work / "run", tmp_path / "run")
    shutil.rmtree(output / "model")
    (output / "figures.json").unlink()
    result = train(output, "--resume")
    assert result.returncode == 0 and "this run is finished" in result.stdout, result.stderr
    first, second = (load_file(path / "model" / CLASSIFIER_NAME) for path in (work / "run", output))
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert load_classifier(output / "model").figures == classifier.figures
    assert len(list_checkpoints(output)) in (2, 3)


@pytest.mark.parametrize(
    ("flags", "expected"),
    [
        (("--task", "classifier", "--preset", "tiny"), "leave out --preset"),
        (("--task", "classifier", "--push-to-hub", "a/b"), "leave out --push-to-hub"),
        (("--task", "classifier", "--hold-out", "0"), "hold_out must be above 0"),
        (("--task", "classifier", "--resolution", "30"), "multiple of 8"),
        (("--task", "classifier", "--width", "1000"), "width must be between 4 and 96"),
        (("--task", "classifier", "--weight-decay", "-1"), "weight_decay must be"),
        (("--task", "classifier", "--beside", "nowhere"), "needs a model folder"),
        (("--task", "reader"), "invalid choice"),
        (("--weight-decay", "1"), "--weight-decay is for --task classifier"),
        (("--beside", "x"), "--beside is for --task classifier"),
    ],
)
def test_flags_that_make_no_sense_for_a_task_are_refused(tmp_path, flags, expected):
    arguments = ["--output", str(tmp_path / "run"), *flags]
    result = train_here(*arguments)
    assert_one_clear_line(result, expected)
    assert list(tmp_path.iterdir()) == []


def test_runs_that_do_not_fit_are_refused(work, tmp_path):
    def refused(expected: str, *flags: str) -> None:
        result = train_here(*flags)
        assert_one_clear_line(result, expected)

    output = str(work / "run")
    refused("is one of --task classifier; leave out --task", "--task", "generator", "--output", output, "--resume")
    refused("--width 16 differs from the run", "--output", output, "--resume", "--width", "16")
    refused("already holds a run", "--task", "classifier", "--output", output)
    for number in range(10):  # none can be held out without its style being lost to training
        (tmp_path / "few" / f"style {number}").mkdir(parents=True)
        Image.fromarray(procedural.draw("mosaic", number, 40)).save(tmp_path / "few" / f"style {number}" / "a.png")
    flags = ("--task", "classifier", "--resolution", "32", "--images", "64", "--output", str(tmp_path / "run"))
    refused("10 pictures are too few to hold some out", *flags, "--data", str(tmp_path / "few"))


def test_a_plan_is_printed_and_nothing_written(tmp_path):
    flags = ["--task", "classifier", "--output", str(tmp_path / "run"), "--images", "2000", "--dry-run"]
    result = train_here(*flags)
    assert result.returncode == 0 and "nothing was written" in result.stdout and "512 pictures" in result.stdout
    assert list(tmp_path.iterdir()) == []


# --- the network -----------------------------------------------------------------------------------------------------


def random_classifier(**more) -> StyleClassifier:
    torch.manual_seed(1)
    network = StyleClassifier(ClassifierConfig(32, STYLES, width=8, **more))
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.weight, 0.5, 1.5)
    return network.eval()


def test_the_mean_of_its_maps_are_its_logits():
    pictures = torch.rand(3, 3, 32, 32) * 2 - 1
    network = random_classifier()
    maps = network.activation_maps(pictures)
    assert maps.shape == (3, 3, 4, 4) and maps.std(dim=(2, 3)).min() > 1e-4
    assert torch.allclose(maps.mean(dim=(2, 3)), network(pictures), atol=1e-5)


def test_its_map_is_strongest_where_the_style_is(classifier):
    """Half a picture is of the one style, half of another: each style's map prefers its own half."""
    right = 0
    for index in range(8):
        halves = [torch.from_numpy(procedural.draw(style, 7000 + index, 32).copy()) for style in STYLES[:2]]
        both = torch.cat([halves[0][:, :16], halves[1][:, 16:]], dim=1).permute(2, 0, 1)[None].float() / 127.5 - 1
        maps = classifier.activation_maps(both)[0]
        contrast = maps[0] - maps[1]
        right += int(contrast[:, :2].mean() > contrast[:, 2:].mean())
    assert right >= 7


@pytest.mark.parametrize("size", [(32, 32), (64, 64), (50, 70), (16, 16)])
def test_it_takes_any_size_and_has_a_gradient_to_it(size):
    pictures = (torch.rand(2, 3, *size) * 2 - 1).requires_grad_()
    network = random_classifier()
    logits = network(pictures)
    (slope,) = torch.autograd.grad(logits[:, 1].sum(), pictures)
    assert logits.shape == (2, 3) and torch.isfinite(slope).all() and (slope.abs().sum(dim=1) > 0).float().mean() > 0.9
    with torch.no_grad():
        better = network(pictures + 0.02 * slope / slope.abs().mean())
    assert (better[:, 1] > logits[:, 1]).all()


def test_a_smaller_copy_is_the_same_picture_to_it(classifier):
    large = torch.from_numpy(procedural.draw("mosaic", 8000, 128).copy()).permute(2, 0, 1)[None].float() / 127.5 - 1
    small = F.interpolate(large, size=(32, 32), mode="bicubic", antialias=True)
    assert torch.allclose(classifier(large), classifier(small), atol=1e-4)


def test_what_is_shown_varies_by_its_own_generator_alone():
    pictures = torch.rand(16, 3, 32, 32) * 2 - 1
    torch.manual_seed(0)
    one = vary(pictures, torch.Generator().manual_seed(5))
    torch.manual_seed(1)
    assert torch.equal(one, vary(pictures, torch.Generator().manual_seed(5)))
    assert not torch.equal(one, vary(pictures, torch.Generator().manual_seed(6)))
    grey = torch.zeros(4, 3, 8, 8)
    assert vary(grey, torch.Generator().manual_seed(0)).std(dim=(1, 2, 3)).max() < 1e-6  # no border comes in


# --- closed forms ----------------------------------------------------------------------------------------------------


def test_calibration_errors_that_are_known():
    labels = torch.arange(4).repeat(25)
    sure = torch.eye(4)[labels]
    assert calibration_error(sure, labels) == 0
    assert calibration_error(sure.roll(1, dims=1), labels) == 1  # always sure, always wrong
    half = torch.where(torch.arange(100)[:, None] < 50, sure, sure.roll(1, dims=1))
    assert calibration_error(half, labels) == pytest.approx(0.5)
    modest = half * 0.5 + (1 - half) * 0.5 / 3
    assert calibration_error(modest, labels) == pytest.approx(0, abs=1e-6)
    two = torch.cat([sure[:50] * 0.9 + 0.025, half[50:] * 0.6 + 0.1])  # 0.925 sure and right; 0.7 sure and wrong
    assert calibration_error(two, labels) == pytest.approx(0.5 * 0.075 + 0.5 * 0.7, abs=1e-6)


def test_a_temperature_that_was_multiplied_in_is_found():
    random = torch.Generator().manual_seed(0)
    logits = torch.randn(8_000, 5, generator=random) * 2
    labels = torch.multinomial(logits.softmax(dim=1), 1, generator=random)[:, 0]
    for factor in (0.5, 1.0, 3.0):
        assert fit_temperature(logits * factor, labels) == pytest.approx(factor, rel=0.08)
    raw, mended = logits * 3, logits * 3 / fit_temperature(logits * 3, labels)
    assert calibration_error(raw.softmax(1), labels) > 0.1 > 5 * calibration_error(mended.softmax(1), labels)
    assert fit_temperature(torch.eye(5)[labels], labels) == pytest.approx(0.1)  # always right: as sure as may be
    assert fit_temperature(-torch.eye(5)[labels], labels) == pytest.approx(10)


def test_a_few_right_answers_are_no_certainty():
    labels = torch.arange(16) % 9
    logits = 2.0 * torch.eye(9)[labels]
    found = (logits / fit_temperature(logits, labels)).softmax(dim=1).max(dim=1).values
    assert found.tolist() == pytest.approx([1 - 1 / 18 * 8 / 9] * 16, abs=1e-4)


def test_figures_of_known_guesses():
    labels = torch.tensor([0, 0, 0, 0, 1, 1, 3])
    guesses = torch.eye(4)[torch.tensor([0, 0, 0, 1, 1, 0, 1])]
    found = classification_figures(guesses, labels, ("a", "b", "c", "d"))
    assert found["confusion"] == [[3, 1, 0, 0], [1, 1, 0, 0], [0, 0, 0, 0], [0, 1, 0, 0]]
    assert found["accuracy"] == pytest.approx(4 / 7) and found["balanced_accuracy"] == pytest.approx(
        (0.75 + 0.5 + 0) / 3
    )
    assert found["styles"]["a"] == {"pictures": 4, "precision": 0.75, "recall": 0.75}
    assert found["styles"]["b"] == {"pictures": 2, "precision": pytest.approx(1 / 3), "recall": 0.5}
    assert found["styles"]["c"] == {"pictures": 0, "precision": None, "recall": None}


def test_intervals_of_shares():
    assert wilson_interval(50, 100) == pytest.approx([0.4038, 0.5962], abs=1e-4)
    assert wilson_interval(0, 10) == pytest.approx([0, 0.2775], abs=1e-4)
    assert wilson_interval(10, 10) == pytest.approx([0.7225, 1], abs=1e-4)
    assert wilson_interval(0, 0) == [0, 1]


def test_the_head_reads_what_is_linear_in_the_features_and_not_what_is_not():
    random = torch.Generator().manual_seed(2)
    features = torch.randn(600, 8, generator=random)
    linear, parity = (features[:, 0] > 0).long(), (features[:, 0] * features[:, 1] > 0).long()
    shares = [
        (fit_head(features[:400], labels[:400], 2)(features[400:]).argmax(1) == labels[400:]).float().mean()
        for labels in (linear, parity)
    ]
    assert shares[0] > 0.85 and shares[1] < 0.65


# --- judging a generator ---------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def judged(generator, tmp_path_factory):
    """A classifier that learned the generator's own styles from its paintings, and a few of them as test pictures."""
    torch.manual_seed(0)
    classifier = channels_last(StyleClassifier(ClassifierConfig(32, STYLES, width=8, blocks=1)))
    optimizer = torch.optim.AdamW(classifier.parameters(), 1e-2)
    latents = draw_latents(range(1000, 1384), generator.config.latent_dim)
    labels = torch.arange(len(latents)) % 3
    pictures = paint(generator, latents, torch.eye(3)[labels], 1.0).clone()
    for step in range(120):
        rows = torch.arange(step * 32, step * 32 + 32) % len(latents)
        optimizer.zero_grad()
        F.cross_entropy(classifier(pictures[rows]), labels[rows]).backward()
        optimizer.step()
    folder = tmp_path_factory.mktemp("judged")
    for index, (picture, label) in enumerate(zip(pictures[:30], labels[:30], strict=True)):
        (folder / STYLES[label]).mkdir(exist_ok=True)
        levels = ((picture + 1) * 127.5).round().clamp(0, 255).byte().permute(1, 2, 0)
        Image.fromarray(levels.numpy()).save(folder / STYLES[label] / f"{index}.png")
    return classifier.requires_grad_(False).eval(), load_dataset(folder, 32), folder


def test_a_generator_whose_labels_are_permuted_adheres_little(generator, judged):
    classifier, test, _ = judged
    honest = adherence(generator, classifier, test, seeds=40)
    assert honest["overall"] > 0.7 and honest["real"] > 0.7 and honest["unknown"] == []
    permuted = make_generator()
    permuted.config = dataclasses.replace(permuted.config, styles=(*STYLES[1:], STYLES[0]))
    found = adherence(permuted, classifier, test, seeds=40)
    assert found["overall"] < 0.2 and found["real"] == honest["real"]
    assert found["styles"][STYLES[1]]["mistaken_for"] == STYLES[0]  # which is what its first label paints


def test_only_styles_that_both_know_are_judged(generator, judged):
    classifier, test, _ = judged
    other = make_generator(("mosaic", "sepia"))
    found = adherence(other, classifier, test, seeds=8)
    assert list(found["styles"]) == ["mosaic"] and found["unknown"] == ["sepia"]
    assert found["styles"]["mosaic"]["test_pictures"] == 10
    assert adherence(make_generator(("sepia",)), classifier, test, seeds=8) is None


@pytest.mark.slow
def test_evaluate_reports_it_and_the_card_tells(judged, tmp_path, capsys):
    classifier, _, pictures = judged
    model, own = tmp_path / "sketcher", tmp_path / "classifier"
    for folder in (model, own):
        folder.mkdir()
    write_model_folder(model, make_generator(), TRAINING, [{"images": 10}])
    save_classifier(own, classifier, {})
    flags = ["--data", str(pictures), "--test-data", str(pictures), "--samples", "24"]
    verb = ["evaluate", "--model", str(model), *flags]
    assert main([*verb, "--classifier", str(own)]) == 0
    told = json.loads(capsys.readouterr().out)["adherence"]
    assert told["seeds"] == 24 and told["overall"] > 0.7 and set(told["styles"]) == set(STYLES)
    assert_one_clear_line(run_here(lambda: main([*verb, "--classifier", str(tmp_path)])), "holds no classifier")

    evaluation = {**FIGURES, "adherence": told}
    rewrite_card(model, make_generator(), {"evaluation": evaluation})
    section = (model / "README.md").read_text().split("\n## The classifier\n")[1].split("\n## Limits\n")[0]
    assert f"{told['overall']:.0%} in the mean over styles" in section and "| mosaic |" in section


# --- files from strangers --------------------------------------------------------------------------------------------


def assert_refused(folder: Path, expected: str) -> None:
    with pytest.raises(ValueError, match=expected) as raised:
        load_classifier(folder)
    assert "\n" not in str(raised.value) and len(str(raised.value)) < 1500


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (lambda told: told["config"].update(width=96), "does not fit its config"),
        (lambda told: told["config"].update(blocks=4), "does not fit its config"),
        (lambda told: told["config"].update(width=10**9), "width must be between"),
        (lambda told: told["config"].update(resolution=10**9), "resolution must be"),
        (lambda told: told["config"].update(resolution=True), "resolution must be"),
        (lambda told: told["config"].update(styles=["a\n"] * 3), "names that differ"),
        (lambda told: told["config"].update(styles=["a\n", "b", "c"]), "printable names"),
        (lambda told: told["config"].update(styles="abc"), "styles must be"),
        (lambda told: told["config"].update(more=1), "unknown keys more"),
        (lambda told: told.update(config=[]), "should be a JSON object"),
        (lambda told: told.update(figures=[1]), "figures should be an object"),
        (lambda told: told["figures"].update(measured_by="<b>"), "measured_by"),
        (
            lambda told: told["figures"].update(accuracy=1.5),
            r"figures.accuracy should be less than or equal to 1, found 1.5",
        ),
        (lambda told: told["figures"].update(accuracy="1"), r"figures.accuracy should be a valid number, found '1'"),
        (lambda told: told["figures"].update(accuracy_interval=[0.5]), r"figures.accuracy_interval\[1\] is missing"),
        (lambda told: told["figures"].update(pictures=-1), "figures.pictures should be greater than or equal to 0"),
        (lambda told: told["figures"]["confusion"].pop(), "a row and a column for each style"),
        (lambda told: told["figures"]["confusion"][0].append(0), "a row and a column for each style"),
        (lambda told: told["figures"]["styles"].popitem(), "tell of each style"),
        (lambda told: told["figures"]["styles"]["mosaic"].update(recall="x"), "figures.styles.mosaic.recall should be"),
        (lambda told: told["figures"]["styles"].update(mosaic=3), "figures.styles.mosaic should be an object, found 3"),
        (lambda told: told["figures"].update(reference="good"), "reference should be an object"),
        (lambda told: told["figures"]["reference"].update(name="a\n# b"), "printable"),
        (lambda told: told["figures"].update(padding="x" * 4_100_000), "text of at most 4000000"),
    ],
)
def test_configs_and_figures_that_lie(folder, change, expected):
    rewrite_companion(folder / CLASSIFIER_NAME, change)
    assert_refused(folder, expected)


@pytest.mark.parametrize("text", ["", "{", "[" * 100_000, '{"accuracy": NaN}', "null"])
def test_what_is_no_json_object(folder, text):
    rewrite_companion(folder / CLASSIFIER_NAME, figures=text)
    assert_refused(folder, "not valid JSON|figures should be")


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("temperature", torch.tensor(0.0), "temperature should be"),
        ("temperature", torch.tensor(-1.0), "temperature should be"),
        ("temperature", torch.ones(2), "does not fit its config"),
        ("head.weight", torch.full((3, 32), torch.inf), "not finite"),
        ("stem.1.running_var", torch.full((8,), -1.0), "a variance is below 0"),
        ("stem.1.running_var", torch.zeros(8, dtype=torch.int64), "has type I64"),
        ("more", torch.zeros(1), "surplus more"),
    ],
)
def test_tensors_that_cannot_be(folder, name, value, expected):
    rewrite_companion(folder / CLASSIFIER_NAME, tensors={**load_file(folder / CLASSIFIER_NAME), name: value})
    assert_refused(folder, expected)


def test_files_that_attack(folder, tmp_path):
    class Evil:
        def __reduce__(self):
            return (Path.touch, (tmp_path / "ran",))

    path = folder / CLASSIFIER_NAME
    content = path.read_bytes()
    path.write_bytes(pickle.dumps(Evil()))
    assert_refused(folder, "never pickles")
    path.write_bytes(struct.pack("<Q", 2**60) + b"{}")
    assert_refused(folder, "not a safetensors file")
    path.write_bytes(content + bytes(COMPANION.most_bytes))
    assert_refused(folder, f"larger than {COMPANION.most_bytes} bytes")
    path.write_bytes(content[:-4])
    assert_refused(folder, "damaged")
    save_file(load_file(save_whole(content, path)), path)
    assert_refused(folder, "config should be a text")
    assert not (tmp_path / "ran").exists()
    path.unlink()
    assert load_classifier(folder) is None


def save_whole(content: bytes, path: Path) -> Path:
    path.write_bytes(content)
    return path


def test_a_round_trip_is_exact_but_for_half_precision(classifier, tmp_path):
    save_classifier(tmp_path, classifier, classifier.figures)
    again = load_classifier(tmp_path)
    assert again.config == classifier.config and again.figures == classifier.figures and not again.training
    assert all(torch.equal(value, classifier.state_dict()[name]) for name, value in again.state_dict().items())
    assert [path.name for path in tmp_path.iterdir()] == [CLASSIFIER_NAME]


def test_the_dials_make_a_file_that_is_small_enough(tmp_path):
    for styles in (9, 100):
        config = classifier_train_config().classifier_config(tuple(f"style {number}" for number in range(styles)))
        save_classifier(tmp_path, StyleClassifier(config), {})
        assert (tmp_path / CLASSIFIER_NAME).stat().st_size < 6 * 2**20


def test_logits_of_a_set_keep_their_order(classifier, work):
    dataset = load_dataset(work / "test", 32)
    whole = logits_of(classifier, dataset)
    assert torch.allclose(whole[17], classifier(dataset.batch([17]))[0], atol=1e-4) and len(whole) == len(dataset)
