"""A generator as ONNX, for painting without PyTorch: two graphs, a manifest, and a check that they paint the same."""

import importlib.util
import logging
import re
import shutil
import sys
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn

from artmodels.generate.sampling import blend, draw_latents
from artmodels.hub.load import LoadedModel, load_model
from artmodels.hub.onnx_files import MANIFEST_FORMAT, MANIFEST_NAME, MAPPING_NAME, ONNX_FOLDER, SYNTHESIS_NAME
from artmodels.io.files import check_new, replacing, sha256, write_json
from artmodels.models.generator import MAX_TRUNCATION, GeneratorNetwork

if TYPE_CHECKING:
    import onnx

OPSET = 20
PACKAGES = ("onnx", "onnxscript", "onnxruntime")
BATCHES = (1, 3, 16)  # pictures at once that are compared
TRUNCATION = 0.8
MOST_LEVELS = 1.0  # of 255 by which a picture may differ from PyTorch's


class MappingGraph(nn.Module):
    """Latents `[N, latent_dim]` and style weights `[N, styles]` to `w` and the mean modulation `[N, latent_dim]`.

    Truncation, offsets and mixed layers are arithmetic on what comes out, the same for every recipe.
    """

    def __init__(self, generator: GeneratorNetwork):
        super().__init__()
        self.generator = generator

    def forward(self, z: Tensor, style_weights: Tensor) -> tuple[Tensor, Tensor]:
        return self.generator.mapping(z, style_weights), style_weights @ self.generator.mean_w


class SynthesisGraph(nn.Module):
    """`w: [N, layers + 1, latent_dim]` to pictures `[N, 3, H, W]` in [-1, 1]."""

    def __init__(self, generator: GeneratorNetwork):
        super().__init__()
        self.generator = generator

    def forward(self, w: Tensor) -> Tensor:
        return self.generator.synthesis(w)


def check_packages() -> None:
    """Raises:
    ValueError: a package that exporting takes is not installed.
    """
    missing = [name for name in PACKAGES if importlib.util.find_spec(name) is None]
    if missing:
        raise ValueError(
            f"exporting to ONNX needs {', '.join(missing)}: pip install -r requirements-train.txt installs them"
        )


def export(name: str | Path, folder: Path) -> dict[str, Any]:
    """Write a model's ONNX files and their manifest into a new or empty folder; returns the manifest.

    Raises:
        ValueError: the folder holds something, a package is missing, an operator has no ONNX form, or the exported
            network does not paint the same pictures.
        OSError: the model cannot be loaded, or the folder cannot be written.
    """
    check_new(folder)
    check_packages()
    return write_onnx(load_model(name), folder)


def write_onnx(model: LoadedModel, folder: Path) -> dict[str, Any]:
    """Write a loaded model's ONNX files and their manifest, which is returned, in the place of the folder.

    Raises:
        ValueError, OSError: see `export`.
    """
    generator, config = model.generator, model.generator.config
    z, style_weights = torch.zeros(2, config.latent_dim), torch.zeros(2, len(config.styles))
    w = torch.zeros(2, config.layers + 1, config.latent_dim)
    with replacing(folder) as building:
        mapping = to_onnx(MappingGraph(generator).eval(), {"z": z, "style_weights": style_weights}, ("w", "mean_w"))
        (building / MAPPING_NAME).write_bytes(mapping)
        synthesis = to_onnx(SynthesisGraph(generator).eval(), {"w": w}, ("pictures",))
        (building / SYNTHESIS_NAME).write_bytes(synthesis)
        manifest = {
            "format": MANIFEST_FORMAT,
            "model": model.name,
            "weights_sha256": model.weights_sha256,
            "format_version": config.format_version,
            "resolution": config.resolution,
            "styles": list(config.styles),
            "latent_dim": config.latent_dim,
            "layers": config.layers,
            "resolutions": config.resolutions,
            "max_truncation": MAX_TRUNCATION,
            "own_layouts": True,  # a latent that names a style has its seed moved on by the CRC-32 of that name
            "parameters": generator.parameter_count,
            "license": model.statement.license,
            "provenance": model.statement.provenance,
            "opset": OPSET,
            "files": {
                part: {"name": name, "bytes": (building / name).stat().st_size, "sha256": sha256(building / name)}
                for part, name in (("mapping", MAPPING_NAME), ("synthesis", SYNTHESIS_NAME))
            },
            "largest_difference": check(generator, building),
        }
        write_json(building / MANIFEST_NAME, manifest)
    return manifest


def to_onnx(network: nn.Module, inputs: Mapping[str, Tensor], outputs: Sequence[str]) -> bytes:
    """A network as ONNX for any number of pictures at once, with what half precision holds stored in it.

    Raises:
        ValueError: an operator has no ONNX form; the message names it.
    """
    import onnx

    shapes = {name: {0: torch.export.Dim("batch")} for name in inputs}
    with quiet():
        try:
            program = torch.onnx.export(
                network,
                tuple(inputs.values()),
                dynamo=True,
                external_data=False,
                input_names=list(inputs),
                output_names=list(outputs),
                dynamic_shapes=shapes,
                opset_version=OPSET,
                verbose=False,
            )
        except torch.onnx.errors.OnnxExporterError as error:
            raise ValueError(
                f"this model cannot be exported to ONNX: {operator_in(error)} has no ONNX form in this version; "
                "update onnxscript, or paint with the studio"
            ) from error
    assert program is not None
    exported = onnx.ModelProto.FromString(program.model_proto.SerializeToString())
    forget_origin(exported)
    store_in_half(exported)
    onnx.checker.check_model(exported)
    return exported.SerializeToString()


def operator_in(error: BaseException | None) -> str:
    """The operator that an exporter's error is about, or the error's first line."""
    said = []
    while error is not None:
        said.append(str(error))
        if found := re.search(r"(?:aten|prims)[.:]+\w+(?:\.\w+)?", said[-1]):
            return found[0].replace("::", ".")
        error = error.__cause__
    return f"something ({said[0].strip().splitlines()[0][:120]})"


def forget_origin(exported: "onnx.ModelProto") -> None:
    """Take away where each node came from: lines of code, in files of this machine."""
    graph = exported.graph
    for part in (exported, graph, *graph.node, *graph.initializer, *graph.value_info, *graph.input, *graph.output):
        part.ClearField("metadata_props")
        part.ClearField("doc_string")


def store_in_half(exported: "onnx.ModelProto") -> None:
    """Store each tensor that half precision holds exactly in it, and cast it to float32 where it is used.

    Published weights are in half precision, so that this loses nothing; the arithmetic stays that of float32.
    """
    from onnx import TensorProto, helper, numpy_helper

    casts = []
    for tensor in exported.graph.initializer:
        if tensor.data_type != TensorProto.FLOAT:
            continue
        values = numpy_helper.to_array(tensor)
        with np.errstate(over="ignore"):  # what is too large for it stays as it is
            half = values.astype(np.float16)
        if values.size > 1 and np.array_equal(half.astype(np.float32), values):
            name = tensor.name
            tensor.CopyFrom(numpy_helper.from_array(half, f"{name}.half"))
            casts.append(helper.make_node("Cast", [tensor.name], [name], to=TensorProto.FLOAT))
    nodes = [*casts, *exported.graph.node]
    del exported.graph.node[:]
    exported.graph.node.extend(nodes)
    stored = {tensor.name for tensor in exported.graph.initializer}
    described = [value for value in exported.graph.value_info if f"{value.name}.half" not in stored]
    del exported.graph.value_info[:]
    exported.graph.value_info.extend(described)


def check(generator: GeneratorNetwork, folder: Path) -> float:
    """Paint with ONNX Runtime and with PyTorch; the largest difference, in levels of 255.

    Raises:
        ValueError: it is more than one level.
    """
    import onnxruntime

    styles = generator.config.styles
    sessions = [
        onnxruntime.InferenceSession(folder / name, providers=["CPUExecutionProvider"])
        for name in (MAPPING_NAME, SYNTHESIS_NAME)
    ]
    largest = 0.0
    for batch in BATCHES:
        latents = draw_latents(range(batch), generator.config.latent_dim)
        turns = [{styles[place % len(styles)]: 0.5, styles[(place + 1) % len(styles)]: 0.5} for place in range(batch)]
        weights = torch.cat([blend(styles, turn if len(styles) > 1 else {styles[0]: 1.0}) for turn in turns])
        with torch.inference_mode():
            expected = generator.synthesis(generator.truncate(generator.mapping(latents, weights), weights, TRUNCATION))
        w, mean = sessions[0].run(None, {"z": latents.numpy(), "style_weights": weights.numpy()})
        w[:, 1:] = mean[:, None] + TRUNCATION * (w[:, 1:] - mean[:, None])
        (pictures,) = sessions[1].run(None, {"w": w})
        largest = max(largest, float(np.abs(pictures - expected.numpy()).max()) * 127.5)
    if not largest <= MOST_LEVELS:
        raise ValueError(
            f"the exported network paints other pictures: they differ by {largest:.1f} levels of 255, "
            f"at most {MOST_LEVELS:g} can be right; update torch, onnxscript and onnxruntime"
        )
    return round(largest, 4)


def add_onnx(folder: Path, name: str) -> None:
    """Export the model of a published folder into its `onnx/`; where that fails, one line says why, and nothing else.

    `name` is what it is published as.

    A model is worth publishing without it.
    """
    shutil.rmtree(folder / ONNX_FOLDER, ignore_errors=True)
    try:
        check_packages()
        write_onnx(replace(load_model(folder), name=name), folder / ONNX_FOLDER)
    except ValueError as error:
        print(f"published without {ONNX_FOLDER}/, so no page can paint with it in a browser: {error}", file=sys.stderr)


@contextmanager
def quiet() -> Iterator[None]:
    """Without what the exporter tells of itself and of packages that it could do without."""
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)


def size_of(manifest: Mapping[str, Any]) -> int:
    """Bytes of the files that a manifest names."""
    return sum(file["bytes"] for file in manifest["files"].values())
