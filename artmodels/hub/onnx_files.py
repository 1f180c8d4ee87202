"""A generator as ONNX, beside its weights: names, and the manifest that says what the files hold and take."""

from pathlib import Path

from artmodels.hub.model_files import WEIGHTS_NAME
from artmodels.io.files import sha256
from artmodels.io.safetensors_io import read_json
from artmodels.io.schema import Schema, parse

ONNX_FOLDER = "onnx"  # of a published model, as on the Hub's other models
MANIFEST_NAME, MAPPING_NAME, SYNTHESIS_NAME = "manifest.json", "mapping.onnx", "synthesis.onnx"
MANIFEST_FORMAT = 1
MAX_ONNX_BYTES = 400_000_000


class OnnxFile(Schema):
    name: str
    bytes: int
    sha256: str


class Manifest(Schema):
    """What `web.export_onnx` writes; the page reads more of it than is checked here."""

    format: int
    model: str
    weights_sha256: str
    files: dict[str, OnnxFile]


def onnx_names() -> tuple[str, ...]:
    """The files in a published model, as paths in its repository."""
    return tuple(f"{ONNX_FOLDER}/{name}" for name in (MANIFEST_NAME, MAPPING_NAME, SYNTHESIS_NAME))


def read_manifest(folder: Path) -> Manifest:
    """The manifest of a folder that `export` wrote, whose files are those that it names.

    Raises:
        FileNotFoundError: there is no manifest, or a file that it names is not there.
        ValueError: it is damaged or of another format, or a file is not the one that it names.
    """
    path = folder / MANIFEST_NAME
    manifest = parse(Manifest, read_json(path), str(path))
    if manifest.format != MANIFEST_FORMAT:
        raise ValueError(f"{path}: format {manifest.format} is not the one that this artmodels reads: export it anew")
    if {file.name for file in manifest.files.values()} != {MAPPING_NAME, SYNTHESIS_NAME}:
        raise ValueError(f"{path} should name {MAPPING_NAME} and {SYNTHESIS_NAME}: export it anew")
    for file in manifest.files.values():
        there = folder / file.name
        if not there.is_file():
            raise FileNotFoundError(f"{path} names {file.name}, which is not there: export it anew")
        if there.stat().st_size != file.bytes or sha256(there) != file.sha256:
            raise ValueError(f"{there} is not the file that {path} names: export it anew")
    return manifest


def onnx_of(folder: Path) -> dict[str, Path]:
    """The ONNX files of a published folder, as path in a repository -> file; none where they are of other weights."""
    try:
        manifest = read_manifest(folder / ONNX_FOLDER)
    except (FileNotFoundError, ValueError):
        return {}
    if manifest.weights_sha256 != sha256(folder / WEIGHTS_NAME):
        return {}
    return {name: folder / name for name in onnx_names()}
