"""Reading and writing weights and configs that strangers made: safetensors and JSON, checked before use."""

import json
import struct
import types
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import fields
from pathlib import Path
from typing import Any, TypeVar, cast, get_args, get_origin

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor
from torch.overrides import TorchFunctionMode

from artmodels.io.files import replacing_file

MAX_JSON_BYTES = 4 * 1024**2
MAX_HEADER_BYTES = 4 * 1024**2
MAX_STYLES = 1000
FLOAT_TYPES = ("F16", "BF16", "F32")

Config = TypeVar("Config")


def save_weights(
    state: Mapping[str, Tensor],
    path: Path,
    dtype: torch.dtype = torch.float32,
    metadata: dict[str, str] | None = None,
) -> None:
    """Write a state dict as safetensors; floating point tensors are stored as `dtype`, where their values fit it.

    Raises:
        OSError: the disk is full or not writable, or there is no such folder.
    """
    stored = {}
    for name, tensor in state.items():
        tensor = tensor.detach().cpu().contiguous()
        if tensor.is_floating_point():
            smaller = tensor.to(dtype)
            tensor = smaller if torch.isfinite(smaller).all() else tensor
        stored[name] = tensor
    try:
        with replacing_file(path) as building:  # safetensors writes for its owner alone
            save_file(stored, building, metadata)
    except SafetensorError as error:  # its own words for a full disk
        raise OSError(f"could not write {path}: {error}; is the disk full?") from error


def read_header(path: Path) -> tuple[dict[str, dict[str, Any]], dict[str, Any]]:
    """Names, types and shapes of a safetensors file, and its metadata, without reading its tensors.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is not a safetensors file.
    """
    if not path.is_file():
        raise FileNotFoundError(f"no weights {path}: a model folder holds config.json and model.safetensors")
    with path.open("rb") as file:
        prefix = file.read(8)
        size = struct.unpack("<Q", prefix)[0] if len(prefix) == 8 else MAX_HEADER_BYTES + 1
        if size > MAX_HEADER_BYTES:
            raise ValueError(
                f"{path} is not a safetensors file (its first bytes are {prefix[:4]!r}): "
                "only safetensors are loaded, never pickles; download the file again or ask its author"
            )
        try:
            header = json.loads(file.read(size))
        except (ValueError, RecursionError) as error:
            raise ValueError(f"{path} has a damaged safetensors header: download the file again") from error
    if not isinstance(header, dict) or not all(isinstance(entry, dict) for entry in header.values()):
        raise ValueError(f"{path} has a damaged safetensors header: download the file again")
    metadata = header.pop("__metadata__", {})
    return header, metadata


def load_tensors(path: Path) -> dict[str, Tensor]:
    """All tensors of a safetensors file, in memory: mapped to the file, they would change and end with it.

    Raises:
        FileNotFoundError, SafetensorError: there is no such file, or it is damaged.
    """
    return load_file(path, backend="pread")


def load_weights(path: Path, expected: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Tensors of a safetensors file, in the expected dtypes, after its header was found to fit `expected` exactly.

    `expected` may live on the meta device: only its names, shapes and dtypes are used.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: damaged, or other names, shapes or types than expected, or values that are not finite.
    """
    header, _ = read_header(path)
    missing, surplus = sorted(expected.keys() - header.keys()), sorted(header.keys() - expected.keys())
    if missing or surplus:
        found = f"lacks {missing[0]}" if missing else f"has a surplus {_shown(surplus[0])}"
        raise ValueError(
            f"{path} does not fit its config.json: it {found} ({len(missing)} missing, {len(surplus)} surplus): "
            "use the config that was saved with it"
        )
    for name, tensor in expected.items():
        shape, dtype = header[name].get("shape"), header[name].get("dtype")
        if shape != list(tensor.shape):
            raise ValueError(
                f"{path} does not fit its config.json: {name} should be {list(tensor.shape)}, found {_shown(shape)}: "
                "use the config that was saved with it"
            )
        if tensor.is_floating_point() != (dtype in FLOAT_TYPES):
            types = ", ".join(FLOAT_TYPES)
            raise ValueError(f"{path}: {name} has type {_shown(dtype)}, expected one of {types} or an integer")
    try:
        loaded = load_tensors(path)
    except (SafetensorError, OSError, ValueError) as error:
        raise ValueError(f"{path} is damaged ({error}): download the file again") from error
    weights = {name: loaded[name].to(tensor.dtype) for name, tensor in expected.items()}
    for name, tensor in weights.items():
        if tensor.is_floating_point() and tensor.numel() and not torch.isfinite(torch.stack(tensor.aminmax())).all():
            raise ValueError(f"{path}: {name} holds values that are not finite: the model is damaged")
    return weights


def _shown(value: Any) -> str:
    """What a stranger's file holds, short and on one line."""
    text = str(value)[:80]
    return text if text.isprintable() else repr(text)


def read_json(path: Path) -> Any:
    """A JSON file of at most 4 MiB.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: too large, or not JSON.
    """
    if not path.is_file():
        raise FileNotFoundError(f"no file {path}: expected a JSON file there")
    if path.stat().st_size > MAX_JSON_BYTES:
        raise ValueError(f"{path} is larger than {MAX_JSON_BYTES} bytes: not a file that artmodels wrote")
    try:
        return json.loads(path.read_text("utf-8"))
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path} is not valid JSON ({error}): restore it or download it again") from error


def parse_metadata(text: Any, longest: int, of: str) -> Any:
    """What a file's metadata says, from JSON without NaN or infinity; `of` names it in messages.

    Raises:
        ValueError: no text, too long, or not JSON.
    """
    if not isinstance(text, str) or len(text) > longest:
        raise ValueError(f"{of} should be a text of at most {longest} characters")
    try:
        return json.loads(text, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{of}: not valid JSON") from error


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is no number")


def to_config(data: Any, config_type: type[Config], path: Path) -> Config:
    """A dataclass from the JSON object of a file, whose keys are just its fields.

    Raises:
        ValueError: no object, unknown or missing keys, or values that the dataclass refuses.
    """
    known = {field.name for field in fields(cast(Any, config_type))}
    if not isinstance(data, dict):
        raise ValueError(f"{path} should be a JSON object with {', '.join(sorted(known))}")
    if unknown := sorted(data.keys() - known):
        raise ValueError(f"{path} has unknown keys {', '.join(unknown)[:200]}; known are {', '.join(sorted(known))}")
    try:
        return config_type(**data)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{path}: {error}") from error


def check_config_types(config: Any) -> None:
    """Compare each field of a dataclass with its annotation (int, float, str, bool, tuple of str, or None).

    Raises:
        ValueError: a value has another type.
    """
    for field in fields(config):
        value = getattr(config, field.name)
        if not _is_a(value, field.type):
            raise ValueError(f"{field.name} must be {field.type}, found {value!r:.80}")


def _is_a(value: Any, annotation: Any) -> bool:
    if isinstance(annotation, types.UnionType):
        return any(_is_a(value, option) for option in get_args(annotation))
    if get_origin(annotation) is tuple:
        return isinstance(value, tuple | list) and all(_is_a(item, get_args(annotation)[0]) for item in value)
    if annotation in (int, float) and isinstance(value, bool):
        return False
    return isinstance(value, (int, float) if annotation is float else annotation)


def check_style_names(styles: tuple[str, ...]) -> None:
    """Refuse style names that no card, page or file could carry.

    Raises:
        ValueError: none or too many, equal ones, or one that is empty, long or not printable.
    """
    if not 1 <= len(styles) <= MAX_STYLES:
        raise ValueError(f"styles must be 1 to {MAX_STYLES} names, found {len(styles)}")
    if len(set(styles)) < len(styles):
        raise ValueError(f"styles must be names that differ, found {str(list(styles))[:200]}")
    for style in styles:
        if not 0 < len(style) <= 100 or not style.isprintable():
            raise ValueError(f"styles must be printable names of 1 to 100 characters, found {style[:200]!r}")


@contextmanager
def shapes_only() -> Iterator[None]:
    """Networks and tensors that are made here have shapes and no values, which a file is to give them."""
    with torch.device("meta"), NoInitialValues():
        yield


class NoInitialValues(TorchFunctionMode):
    """Draws no initial values: on the meta device, that would import PyTorch's compiler, which takes a second."""

    def __torch_function__(self, function, types, args=(), kwargs=None):
        if getattr(function, "__name__", "") in ("normal_", "uniform_", "kaiming_uniform_"):
            return args[0] if args else kwargs["tensor"]
        return function(*args, **(kwargs or {}))
