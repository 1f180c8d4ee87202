"""What may lie beside a model: published with it, pulled with it, never in its way, and kept by a run."""

import json
import shutil
import string
import threading
import time
from dataclasses import replace
from itertools import islice, product
from pathlib import Path

import numpy as np
import pytest
import torch
from helpers import folder_files
from sample_models import FIGURES, TRAINING

from artmodels.cli.main import main
from artmodels.data.dataset import load_dataset
from artmodels.hub.card import rewrite_card
from artmodels.hub.companion import Companion
from artmodels.hub.companions import COMPANIONS, files_beside
from artmodels.hub.companions.classifier import load_classifier, save_classifier
from artmodels.hub.companions.curated import CURATED_NAME, Curated, load_curated, save_curated
from artmodels.hub.companions.neighbours import (
    DIMENSIONS,
    MAX_PICTURES,
    NEIGHBOURS_NAME,
    find_neighbours,
    load_neighbours,
    save_neighbours,
)
from artmodels.hub.companions.prompt import MAX_REFERENCE, PROMPT_NAME, load_prompt, save_prompt
from artmodels.hub.companions.style_statistics import SIZES, load_style_statistics, save_style_statistics
from artmodels.hub.companions.upscaler import load_upscaler, save_upscaler
from artmodels.hub.load import load_model
from artmodels.hub.model_files import HISTORY_NAME, METRICS_NAME
from artmodels.hub.publish import is_ours, publication, publish
from artmodels.hub.statement import Statement
from artmodels.io.safetensors_io import MAX_STYLES, read_json
from artmodels.metrics.classification import classification_figures
from artmodels.models.classifier import ClassifierConfig, StyleClassifier
from artmodels.models.efficientnet import POOLED_DIM
from artmodels.models.prompt import MAX_DIM, MAX_VOCABULARY, PromptConfig, PromptModel, PromptNetwork
from artmodels.models.upscaler import Upscaler, UpscalerConfig
from artmodels.training.export import thinned, write_model_folder
from artmodels.training.launch import put_beside

pytestmark = pytest.mark.filterwarnings("ignore:Use 'content=<...>':DeprecationWarning")  # the client's own, of uploads

MODEL = "user/painter"
OUTLIVING = [companion.file_name for companion in COMPANIONS if companion.outlives]


@pytest.fixture(scope="module")
def whole_folder(tmp_path_factory, generator, steered_folder):
    """A model's folder as training writes it, with everything beside it."""
    folder = tmp_path_factory.mktemp("whole") / "model"
    folder.mkdir()
    write_model_folder(folder, generator, TRAINING, [{"images": 10}], FIGURES)
    for name in files_beside().keys() - {METRICS_NAME, CURATED_NAME}:
        shutil.copy2(steered_folder / name, folder / name)
    seeds: dict[str, tuple[int, ...]] = {style: (7, 3) for style in generator.config.styles}
    save_curated(folder, Curated(seeds=seeds, drawn=16, truncation=0.8, judge="EfficientNet-Lite2"))
    rewrite_card(folder, generator, {})
    return folder


def test_all_of_it_is_published_and_comes_back(hub, whole_folder):
    publish(whole_folder, MODEL, Statement())
    assert hub.repositories["models", MODEL].head.keys() >= files_beside().keys()
    ours, theirs = load_model(whole_folder), load_model(MODEL)
    for companion in COMPANIONS:
        of_each = (getattr(ours, companion.name), getattr(theirs, companion.name))
        assert None not in of_each and type(of_each[0]) is type(of_each[1]), companion.name
    assert theirs.memory == ours.memory > load_model(MODEL).generator.parameter_count * 4
    for name in files_beside().keys() - {METRICS_NAME}:
        assert (theirs.folder / name).read_bytes() == (whole_folder / name).read_bytes()


def test_a_model_without_them_is_whole(hub, model_folder):
    hub.add(MODEL, folder_files(model_folder))
    model = load_model(MODEL)
    assert all(getattr(model, companion.name) is None for companion in COMPANIONS)


def test_what_is_taken_away_here_is_taken_away_there(hub, whole_folder, tmp_path):
    folder = shutil.copytree(whole_folder, tmp_path / "model")
    publish(folder, MODEL, Statement())
    for name in OUTLIVING:
        assert is_ours(name)
        (folder / name).unlink()
    publish(folder, MODEL, Statement())
    assert not set(OUTLIVING) & hub.repositories["models", MODEL].head.keys()


@pytest.mark.parametrize("name", OUTLIVING)
def test_a_damaged_one_is_never_published_and_a_strangers_costs_a_warning(name, hub, whole_folder, tmp_path, capsys):
    folder = shutil.copytree(whole_folder, tmp_path / "model")
    (folder / name).write_bytes(b"torn")
    with pytest.raises(ValueError, match=name):
        publication(folder, Statement())
    hub.add(MODEL, folder_files(folder))
    model = load_model(MODEL)
    assert "is used without its" in capsys.readouterr().err
    assert sum(found is None for found in model.companions.values()) == 1


def test_a_made_up_companion_is_its_file_and_one_line(hub, whole_folder, tmp_path, capsys):
    """Once it is listed, it is loaded, counted, told of, published, pulled, and kept by a run."""

    def load(folder, config):
        path = scent.find(folder)
        if path and not path.read_text().isprintable():
            raise ValueError(f"{path} smells of nothing")
        return path and path.read_text()

    scent = Companion(
        "scent",
        "scent.txt",
        100,
        load,
        section=lambda found, config, evaluation: (
            f"\n## Scent\n\n{found}, at {config.resolution} px\n" if found else ""
        ),
        tensors=lambda found: [torch.zeros(len(found))],
    )
    COMPANIONS.append(scent)
    try:
        folder = shutil.copytree(whole_folder, tmp_path / "model")
        without = load_model(folder)
        assert without.companions["scent"] is None
        (folder / "scent.txt").write_text("turpentine")
        assert load_model(folder).companions["scent"] == "turpentine"
        assert load_model(folder).memory == without.memory + 4 * len("turpentine")
        publish(folder, MODEL, Statement())
        assert "## Scent\n\nturpentine, at 32 px" in hub.repositories["models", MODEL].head["README.md"].decode()
        assert load_model(MODEL).companions["scent"] == "turpentine"
        (folder / "scent.txt").write_text("x" * 101)
        with pytest.raises(ValueError, match=r"scent\.txt is larger than 100 bytes"):
            publication(folder, Statement())
        (folder / "scent.txt").write_text("\0")
        hub.add("user/odd", folder_files(folder))
        assert load_model("user/odd").companions["scent"] is None
        assert "user/odd is used without its scent" in capsys.readouterr().err
        (folder / "scent.txt").unlink()
        publish(folder, MODEL, Statement())
        assert "scent.txt" not in hub.repositories["models", MODEL].head
    finally:
        COMPANIONS.remove(scent)


def test_the_card_tells_of_classifier_and_prompt_model(whole_folder):
    card = (whole_folder / "README.md").read_text()
    assert "\n## The classifier\n" in card and "\n## Prompts\n" in card


def test_two_that_are_put_beside_a_model_at_once_are_both_there(whole_folder, tmp_path, capsys):
    model = shutil.copytree(whole_folder, tmp_path / "painter")
    first, second = (Path(shutil.move(model / name, tmp_path)) for name in ("classifier.safetensors", PROMPT_NAME))
    settling = threading.Event()

    def settle(folder):
        settling.set()
        time.sleep(1)

    other = threading.Thread(target=put_beside, args=(first, model, settle))
    other.start()
    settling.wait()
    put_beside(second, model)
    other.join()
    card = (model / "README.md").read_text()
    assert "\n## The classifier\n" in card and "\n## Prompts\n" in card
    assert folder_files(model).keys() == folder_files(whole_folder).keys()
    assert f"waiting for another process that writes into {model}" in capsys.readouterr().err
    assert not list(tmp_path.glob(".*"))


@pytest.mark.slow
def test_evaluate_keeps_the_nearest_training_pictures_on_demand(whole_folder, pictures, tmp_path, capsys):
    folder = shutil.copytree(whole_folder, tmp_path / "model")
    (folder / NEIGHBOURS_NAME).unlink()
    flags = ["evaluate", "--model", str(folder), "--data", str(pictures), "--test-data", str(pictures)]
    assert main([*flags, "--samples", "16", "--thumbnails"]) == 2
    assert "add it" in capsys.readouterr().err
    assert main([*flags, "--samples", "16", "--neighbours", "--thumbnails"]) == 0
    found = load_model(folder).neighbours
    assert len(found.labels) == len(found.thumbnails) == len(load_dataset(str(pictures), 32))
    assert found.held_out.max() < 0.1 * found.points.norm(dim=1).mean()  # all held-out ones are training pictures here
    assert found.thumbnail(0).size == (32, 32)


@pytest.mark.slow
def test_evaluate_curates_seeds_on_demand(whole_folder, pictures, tmp_path):
    folder = shutil.copytree(whole_folder, tmp_path / "model")
    flags = ["evaluate", "--model", str(folder), "--data", str(pictures), "--test-data", str(pictures)]
    assert main([*flags, "--samples", "16", "--curate"]) == 0
    model = load_model(folder)
    curated, styles = model.curated, model.generator.config.styles
    assert curated.seeds.keys() == set(styles) and curated.drawn == 256
    for style in styles:
        chosen = curated.seeds[style]
        assert len(set(chosen)) == len(chosen) >= 36 / len(styles) and max(chosen) < 256
        assert f"| {style} | {', '.join(map(str, chosen[:8]))} |" in (folder / "README.md").read_text()


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"seeds": {}}, "other styles"),
        ({"seeds": {"mosaic": [1]}}, "other styles"),
        ({"seeds": 7}, "should be"),
        ({"seeds": {"mosaic": []}}, "at least 1 item"),
        ({"seeds": {"mosaic": [2**32]}}, "less than"),
        ({"seeds": {"mosaic": [-1]}}, "greater than"),
        ({"seeds": {"mosaic": [True]}}, "valid integer"),
        ({"seeds": {"mosaic": ["<script>"]}}, "valid integer"),
        ({"seeds": {"mosaic": list(range(101))}}, "at most 100"),
        ({"drawn": 0}, "greater than"),
        ({"truncation": 9}, "less than"),
        ({"judge": "\n## Best"}, "printable"),
    ],
)
def test_a_strangers_curated_seeds_are_checked(whole_folder, tmp_path, change, told):
    content = {**json.loads((whole_folder / CURATED_NAME).read_text()), **change}
    (tmp_path / CURATED_NAME).write_text(json.dumps(content))
    with pytest.raises(ValueError, match=told) as error:
        load_curated(tmp_path, load_model(whole_folder).generator.config.styles)
    assert "\n" not in str(error.value) and "evaluate --curate" in str(error.value)


# --- what is saved is read again --------------------------------------------------------------------------------------

MANY_STYLES = tuple(f"{number:04}" + "画" * 96 for number in range(MAX_STYLES))


def test_the_largest_networks_that_can_be_trained_are_read_again(tmp_path):
    classifier = StyleClassifier(ClassifierConfig(256, MANY_STYLES, width=96, blocks=4))
    guesses = torch.rand(3000, MAX_STYLES, generator=torch.Generator().manual_seed(0)).softmax(dim=1)
    figures = classification_figures(guesses, torch.arange(3000) % MAX_STYLES, MANY_STYLES)
    save_classifier(tmp_path, classifier, {"measured_by": "test pictures", **figures})
    assert load_classifier(tmp_path).config == classifier.config
    upscaler = Upscaler(UpscalerConfig(64, 16))
    save_upscaler(tmp_path, upscaler, {})
    assert load_upscaler(tmp_path).config == upscaler.config
    letters = product(string.ascii_lowercase, repeat=3)
    words = tuple("".join(three) + "ж" * 37 for three in islice(letters, MAX_VOCABULARY))
    network = PromptNetwork(PromptConfig(words, MANY_STYLES, MAX_DIM, MAX_DIM, MAX_DIM, MAX_DIM))
    unmeasured = {"pictures": 0, "recall": {}}
    save_prompt(tmp_path, PromptModel(network, unmeasured, torch.zeros(MAX_REFERENCE, MAX_DIM), ""))
    assert load_prompt(tmp_path, MANY_STYLES).config == network.config


def test_statistics_of_as_many_styles_as_a_model_has_are_read_again(tmp_path, whole_folder):
    styles = load_model(whole_folder).generator.config.styles
    (one, *_), *_ = load_style_statistics(whole_folder, styles).representations
    save_style_statistics(tmp_path, MANY_STYLES, [[one] * len(SIZES)] * MAX_STYLES)
    assert load_style_statistics(tmp_path, MANY_STYLES).styles == MANY_STYLES


@pytest.mark.parametrize(("letter", "length"), [("a", 193), ("画", 67), ('"', 52)])
def test_labels_are_as_long_as_their_file_has_room_for(tmp_path, letter, length):
    labels = tuple(f"{number:05}" + 300 * letter for number in range(MAX_PICTURES))
    noise = np.random.default_rng(0).integers(256, size=(2, 48, 48, 3), dtype=np.uint8)  # its JPEGs are the largest
    features = torch.randn(MAX_PICTURES, 4)
    small = find_neighbours(features[:2], features[:2], ("", ""), 2, 128, noise).thumbnails
    saved = replace(
        find_neighbours(features, features[:5], labels, 2, 128),
        points=torch.zeros(MAX_PICTURES, DIMENSIONS),
        mean=torch.zeros(POOLED_DIM),
        axes=torch.zeros(POOLED_DIM, DIMENSIONS),
        thumbnails=small[:1] * MAX_PICTURES,
    )
    save_neighbours(tmp_path, saved)
    found = load_neighbours(tmp_path).labels
    assert found == saved.labels and len(set(found)) == MAX_PICTURES
    assert {len(label) for label in found} == {length}


def test_what_would_not_be_read_again_does_not_replace_what_is(whole_folder, tmp_path):
    shutil.copy2(whole_folder / "classifier.safetensors", tmp_path)
    before = folder_files(tmp_path)
    classifier = load_classifier(tmp_path)
    with pytest.raises(ValueError, match=r"classifier\.safetensors would have 4,0.* bytes where 4,000,000 are read"):
        save_classifier(tmp_path, classifier, {"padding": "x" * 4_000_000})
    assert folder_files(tmp_path) == before


def test_a_long_story_is_thinned_to_what_is_read_again(generator, tmp_path):
    told = {"generator_loss": 0.12345, "discriminator_loss": 1.0}
    measured = {images: {"evaluation": {"kernel_distance": 0.5}} for images in (1000, 1003)}
    history = [{"images": images, **told, **measured.get(images, {})} for images in range(80_000)]
    write_model_folder(tmp_path, generator, TRAINING, history, FIGURES)
    kept = read_json(tmp_path / HISTORY_NAME)
    assert 1000 < len(kept) < len(history) and kept[-1] == history[-1]
    assert [record["images"] for record in kept if "evaluation" in record] == [1000, 1003]
    assert thinned(history[:100]) == history[:100]
