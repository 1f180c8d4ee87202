"""What may lie beside a model: published with it, pulled with it, never in its way, and kept by a run."""

import shutil

import pytest
from helpers import folder_files
from sample_models import FIGURES, TRAINING

from artmodels.cli.main import main
from artmodels.data.dataset import load_dataset
from artmodels.hub.card import rewrite_card
from artmodels.hub.load import companion_loaders, load_model
from artmodels.hub.model_files import COMPANIONS, METRICS_NAME, NEIGHBOURS_NAME
from artmodels.hub.publish import is_ours, publication, publish
from artmodels.hub.statement import Statement
from artmodels.training.export import OUTLIVING, write_model_folder

pytestmark = pytest.mark.filterwarnings("ignore:Use 'content=<...>':DeprecationWarning")  # the client's own, of uploads

MODEL = "user/painter"


@pytest.fixture(scope="module")
def whole_folder(tmp_path_factory, generator, steered_folder):
    """A model's folder as training writes it, with everything beside it."""
    folder = tmp_path_factory.mktemp("whole") / "model"
    folder.mkdir()
    write_model_folder(folder, generator, TRAINING, [{"images": 10}], FIGURES)
    for name in COMPANIONS.keys() - {METRICS_NAME}:
        shutil.copy2(steered_folder / name, folder / name)
    rewrite_card(folder, generator, {})
    return folder


def test_all_of_it_is_published_and_comes_back(hub, whole_folder):
    publish(whole_folder, MODEL, Statement())
    assert hub.repositories["models", MODEL].head.keys() >= COMPANIONS.keys()
    ours, theirs = load_model(whole_folder), load_model(MODEL)
    for name in companion_loaders(ours.generator.config):
        assert getattr(ours, name) is not None and getattr(theirs, name) is not None, name
    assert theirs.memory == ours.memory > load_model(MODEL).generator.parameter_count * 4
    for name in COMPANIONS.keys() - {METRICS_NAME}:
        assert (theirs.folder / name).read_bytes() == (whole_folder / name).read_bytes()


def test_a_model_without_them_is_whole(hub, model_folder):
    hub.add(MODEL, folder_files(model_folder))
    model = load_model(MODEL)
    assert all(getattr(model, name) is None for name in companion_loaders(model.generator.config))


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
    assert sum(getattr(model, each) is None for each in companion_loaders(model.generator.config)) == 1


def test_the_card_tells_of_classifier_and_prompt_model(whole_folder):
    card = (whole_folder / "README.md").read_text()
    assert "\n## The classifier\n" in card and "\n## Prompts\n" in card


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
