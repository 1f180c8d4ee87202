"""Models that strangers made: what loads, and what each kind of damage says."""

import json
import pickle
import shutil
import struct
from pathlib import Path

import pytest
import torch
from helpers import STYLES
from safetensors.torch import load_file, save_file
from sample_models import make_generator

from artmodels.generate.save import file_stems
from artmodels.hub.load import find_models, load_model
from artmodels.hub.pretrained import ArtGenerator, load_generator
from artmodels.io.safetensors_io import load_weights, save_weights
from artmodels.models.generator import GeneratorConfig


@pytest.fixture
def folder(tmp_path, model_folder) -> Path:
    return shutil.copytree(model_folder, tmp_path / "model")


def change_config(folder: Path, **change) -> None:
    path = folder / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **change}))


def change_weights(folder: Path, change) -> None:
    path = folder / "model.safetensors"
    state = load_file(path)
    change(state)
    save_file(state, path)


def assert_refused(folder: Path, *expected: str) -> None:
    with pytest.raises((ValueError, FileNotFoundError)) as caught:
        load_generator(folder)
    for words in expected:
        assert words in str(caught.value), caught.value


def test_save_and_load_paint_the_same(folder, generator):
    loaded = load_generator(folder)
    assert loaded.config == generator.config and loaded.config.styles == STYLES
    z, style = torch.randn(4, 16), torch.eye(3)[:1].expand(4, -1)
    assert (loaded(z, style) - generator(z, style)).abs().max() < 0.02  # stored as float16
    assert not loaded.training and next(loaded.parameters()).dtype == torch.float32


def test_the_mixins_way_loads_strictly_too(folder):
    assert isinstance(ArtGenerator.from_pretrained(folder), ArtGenerator)
    change_weights(folder, lambda state: state.pop("to_rgb.weight"))
    with pytest.raises(ValueError, match=r"lacks to_rgb\.weight"):
        ArtGenerator.from_pretrained(folder)


def test_a_config_survives_json(generator):
    assert GeneratorConfig(**json.loads(json.dumps(generator.config.to_json()))) == generator.config


def test_nothing_there(tmp_path, folder):
    assert_refused(tmp_path / "missing", "no model folder")
    (folder / "model.safetensors").unlink()
    assert_refused(folder, "no weights")
    (folder / "config.json").unlink()
    assert_refused(folder, "config.json")


def test_a_pickle_renamed_to_safetensors_is_never_opened(folder, tmp_path):
    class Evil:
        def __reduce__(self):
            return (Path.touch, (tmp_path / "ran",))

    (folder / "model.safetensors").write_bytes(pickle.dumps(Evil()))
    assert_refused(folder, "not a safetensors file", "never pickles")
    torch.save({"a": torch.zeros(3)}, folder / "model.safetensors")
    assert_refused(folder, "not a safetensors file")
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("size", [0, 5, 8, 100, -1])
def test_a_truncated_file(folder, size):
    path = folder / "model.safetensors"
    content = path.read_bytes()
    path.write_bytes(content[:size])
    assert_refused(folder, str(path))


def test_headers_that_lie(folder):
    path = folder / "model.safetensors"
    for header in (b"{" * 1000, b"[]", b'{"a": 3}', b"\xff\xfe", b"null"):
        path.write_bytes(struct.pack("<Q", len(header)) + header)
        assert_refused(folder, str(path))
    path.write_bytes(struct.pack("<Q", 2**60) + b"{}")
    assert_refused(folder, "not a safetensors file")


def test_weights_that_do_not_fit_the_config(folder):
    change_config(folder, resolution=64)
    assert_refused(folder, "does not fit its config.json")


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"width": 8}, "should be"),
        ({"styles": ["a", "b"]}, "should be"),
        ({"resolution": 10**9}, "resolution"),
        ({"latent_dim": 2**40}, "latent_dim"),
        ({"format_version": 99}, "is newer than this artmodels"),
        ({"format_version": 0}, "install the version"),
        ({"surprise": 1}, "unknown keys surprise"),
        ({"styles": "abc"}, "styles"),
    ],
)
def test_configs_that_lie(folder, change, expected):
    change_config(folder, **change)
    assert_refused(folder, expected)


def test_a_huge_config_costs_no_memory(folder):
    """Shapes are compared before anything is allocated: this one would be 20 GB."""
    change_config(folder, resolution=512, width=512, max_channels=2048, latent_dim=2048, convs_per_block=4)
    assert_refused(folder, "does not fit")


def test_config_files_that_are_none(folder):
    for content in (b"", b"not json", b"[1]", b"null", b"\xff", b"[" * 100_000, b" " * 5_000_000):
        (folder / "config.json").write_bytes(content)
        assert_refused(folder, "config.json")


def test_missing_and_surplus_tensors(folder):
    change_weights(folder, lambda state: state.update(extra=torch.zeros(1)))
    assert_refused(folder, "surplus extra")


def test_values_that_are_not_finite(folder):
    change_weights(folder, lambda state: state["to_rgb.bias"].fill_(float("nan")))
    assert_refused(folder, "not finite")


def test_integers_where_floats_belong(folder):
    change_weights(folder, lambda state: state.update({"to_rgb.bias": state["to_rgb.bias"].to(torch.int32)}))
    assert_refused(folder, "to_rgb.bias has type I32")


def test_a_model_is_named_after_its_folder(folder, tmp_path):
    assert load_model(folder.rename(tmp_path / "ink")).name == "ink"
    run = tmp_path / "runs" / "mine"
    run.mkdir(parents=True)
    (tmp_path / "ink").rename(run / "model")
    assert load_model(run / "model").name == "mine"
    with pytest.raises(FileNotFoundError, match="Hub id like user/model"):
        load_model("no-such-model")


def test_stems_are_cut_by_bytes():
    (stem,) = file_stems(["漢" * 80]).values()
    assert 70 <= len(stem.encode()) <= 80 and set(stem) == {"漢"}


def test_styles_that_look_alike_get_files_of_their_own():
    stems = file_stems(["19th century", "19th-century", "浮世絵", "a/b", "../x"])
    assert len(set(stems.values())) == 5 and not any("/" in stem or "." in stem for stem in stems.values())


def test_weights_too_large_for_half_precision_stay_whole(tmp_path):
    save_weights({"w": torch.tensor([1e6])}, tmp_path / "w.safetensors", dtype=torch.float16)
    assert load_weights(tmp_path / "w.safetensors", {"w": torch.empty(1)})["w"] == 1e6


def test_the_apps_models_come_from_the_environment(monkeypatch):
    monkeypatch.setenv("ARTMODELS_MODELS", " runs/a/model , user/b@v1 ")
    assert find_models() == ["runs/a/model", "user/b@v1"]


def test_every_seed_of_another_initialisation_differs():
    first, second = (make_generator(seed=seed) for seed in (0, 1))
    z, style = torch.randn(1, 16), torch.eye(3)[:1]
    assert not torch.allclose(first(z, style), second(z, style))
