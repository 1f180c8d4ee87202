"""A model as ONNX: the same pictures by another engine, for any number of them at once."""

import importlib.util
import shutil

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from helpers import assert_one_clear_line, run_here
from sample_models import make_generator

from artmodels.cli.main import main
from artmodels.generate.sampling import blend, draw_latents, paint
from artmodels.hub.load import load_model
from artmodels.hub.onnx_files import onnx_names, onnx_of, read_manifest
from artmodels.web.export_onnx import SynthesisGraph, add_onnx, export, size_of, to_onnx


@pytest.fixture(scope="module")
def exported(model_folder, tmp_path_factory):
    folder = tmp_path_factory.mktemp("exported") / "onnx"
    return folder, export(model_folder, folder)


@pytest.mark.parametrize("batch", [1, 3, 16])
def test_any_number_of_pictures_is_painted_as_pytorch_paints_them(exported, model, batch):
    folder, _ = exported
    styles = model.generator.config.styles
    latents = draw_latents(range(50, 50 + batch), model.generator.config.latent_dim, styles[1])
    weights = blend(styles, {styles[0]: 0.25, styles[1]: 0.75}).expand(batch, -1)
    mapping, synthesis = (onnxruntime.InferenceSession(folder / f"{name}.onnx") for name in ("mapping", "synthesis"))
    w, mean = mapping.run(None, {"z": latents.numpy(), "style_weights": weights.numpy()})
    w[:, 1:] = mean[:, None] + np.float32(0.7) * (w[:, 1:] - mean[:, None])
    (pictures,) = synthesis.run(None, {"w": w})
    expected = paint(model.generator, latents, weights, 0.7).numpy()
    assert pictures.shape == expected.shape == (batch, 3, 32, 32)
    assert np.abs(pictures - expected).max() < 1e-4 and np.ptp(expected) > 0.05


def test_weights_are_stored_in_half_precision_where_that_loses_nothing(exported, model):
    folder, manifest = exported
    graph = onnx.load(folder / "synthesis.onnx").graph
    kinds = {tensor.data_type for tensor in graph.initializer if np.prod(tensor.dims) > 100}
    assert kinds == {onnx.TensorProto.FLOAT16}
    assert {node.op_type for node in graph.node} >= {"Conv", "Cast"}
    assert size_of(manifest) < 3 * model.generator.parameter_count + 60_000
    assert b".py" not in (folder / "synthesis.onnx").read_bytes()  # no line of code on whose machine it was made
    single = make_generator(seed=2)  # in float32: no number of it is half precise
    content = to_onnx(SynthesisGraph(single), {"w": torch.zeros(2, 5, 16)}, ("pictures",))
    assert len(content) > 4 * sum(p.numel() for name, p in single.named_parameters() if "conv" in name)


def test_the_manifest_says_what_a_page_needs(exported, model):
    folder, manifest = exported
    config = model.generator.config
    assert read_manifest(folder).weights_sha256 == model.weights_sha256
    told = ("resolution", "styles", "latent_dim", "layers", "format_version", "own_layouts", "model")
    expected = [32, list(config.styles), 16, config.layers, config.format_version, True, "sketcher"]
    assert [manifest[name] for name in told] == expected
    assert manifest["largest_difference"] < 0.1


class Unusual(torch.nn.Module):
    def forward(self, w):
        return torch.linalg.svdvals(w)


def test_what_has_no_onnx_form_is_named():
    with pytest.raises(ValueError, match=r"cannot be exported to ONNX: aten\.\w*svd\w*\S* has no ONNX form"):
        to_onnx(Unusual(), {"w": torch.zeros(2, 5, 16)}, ("values",))


def test_a_damaged_file_is_no_export(exported, tmp_path):
    folder = shutil.copytree(exported[0], tmp_path / "onnx")
    (folder / "synthesis.onnx").write_bytes(b"something else")
    with pytest.raises(ValueError, match=r"synthesis\.onnx is not the file that"):
        read_manifest(folder)
    (folder / "synthesis.onnx").unlink()
    with pytest.raises(FileNotFoundError, match=r"names synthesis\.onnx, which is not there"):
        read_manifest(folder)


def test_only_onnx_of_the_very_weights_is_published(model_folder, tmp_path, capsys):
    folder = shutil.copytree(model_folder, tmp_path / "painter")
    assert onnx_of(folder) == {}
    add_onnx(folder, "user/painter")
    assert onnx_of(folder).keys() == set(onnx_names())
    make_generator(seed=9).save_pretrained(folder)
    assert onnx_of(folder) == {} and capsys.readouterr().err == ""


def test_without_the_packages_a_model_is_published_without_it(model_folder, tmp_path, monkeypatch, capsys):
    there = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "onnxscript" else there(name))
    folder = shutil.copytree(model_folder, tmp_path / "painter")
    add_onnx(folder, "user/painter")
    assert not (folder / "onnx").exists()
    (line,) = capsys.readouterr().err.splitlines()
    assert "published without onnx/" in line and "needs onnxscript: pip install -r requirements-train.txt" in line
    result = run_here(lambda: main(["export", str(model_folder), str(tmp_path / "out")]))
    assert_one_clear_line(result, "exporting to ONNX needs onnxscript")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [(["no/such/model/here", "out"], "no model folder"), (["{model}", "{model}"], "is not an empty folder")],
)
def test_what_cannot_be_exported(model_folder, tmp_path, monkeypatch, arguments, expected):
    monkeypatch.chdir(tmp_path)
    filled = [argument.format(model=model_folder) for argument in arguments]
    assert_one_clear_line(run_here(lambda: main(["export", *filled])), expected)


def test_the_command_writes_the_folder(model_folder, tmp_path):
    result = run_here(lambda: main(["export", str(model_folder), str(tmp_path / "out")]))
    assert result.returncode == 0 and "pictures differ by at most" in result.stdout
    assert load_model(model_folder).weights_sha256 == read_manifest(tmp_path / "out").weights_sha256
