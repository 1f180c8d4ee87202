"""What a companion is: an optional file beside a model's weights, read as a stranger's and told of on the card."""

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from artmodels.io.files import replacing_file
from artmodels.io.safetensors_io import parse_metadata, read_header, save_weights
from artmodels.models.generator import GeneratorConfig

MOST_TOLD = 4_000_000  # bytes of JSON in a file's header, which leaves room there for the tensors' names


def bytes_told(value: Any) -> int:
    """How many bytes a value takes in a file's header: as JSON, within the header's own JSON."""
    return len(json.dumps(_as_text(value), ensure_ascii=False).encode())


def _as_text(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, sort_keys=True)


def no_section(found: Any, config: GeneratorConfig, evaluation: dict[str, Any]) -> str:
    return ""


def no_tensors(found: Any) -> Iterable[Tensor]:
    return ()


@dataclass(frozen=True)
class Companion:
    """One kind of companion. `hub.companions.COMPANIONS` lists them all; nothing else need know of a new one."""

    name: str  # under which `LoadedModel.companions` has it
    file_name: str
    most_bytes: int  # larger is none that artmodels wrote: room for the largest that a config allows
    # from the model's folder, and the config of its generator; None if the file is not there, ValueError if damaged
    load: Callable[[Path, GeneratorConfig], Any]
    # of the card, in Markdown: of what was loaded or None, the generator's config, and what `evaluate` measured
    section: Callable[[Any, GeneratorConfig, dict[str, Any]], str] = no_section
    tensors: Callable[[Any], Iterable[Tensor]] = no_tensors  # what of it takes memory
    outlives: bool = True  # it goes on to fit when a run replaces the weights by a better average
    remedy: str = "delete the file"  # of a damaged one

    def find(self, folder: Path) -> Path | None:
        """The file in a folder; None if there is none.

        Raises:
            ValueError: it is larger than any that artmodels writes.
        """
        path = folder / self.file_name
        if not path.is_file():
            return None
        if path.stat().st_size > self.most_bytes:
            raise ValueError(f"{path} is larger than {self.most_bytes} bytes: not a file that artmodels wrote")
        return path

    def save(
        self,
        folder: Path,
        state: Mapping[str, Tensor],
        told: Mapping[str, Any],
        dtype: torch.dtype = torch.float16,
    ) -> None:
        """Write the file into a folder, whole or not at all: tensors as `dtype`, and beside them `told` as JSON.

        Raises:
            ValueError: it would be larger than any that is read again; what lay there stays.
            OSError: the disk is full or not writable, or there is no such folder.
        """
        with replacing_file(folder / self.file_name) as building:
            save_weights(state, building, dtype, {name: _as_text(value) for name, value in told.items()})
            for size, most in (
                (building.stat().st_size, self.most_bytes),
                (sum(map(bytes_told, told.values())), MOST_TOLD),
            ):
                if size > most:
                    raise ValueError(
                        f"{folder / self.file_name} would have {size:,} bytes where {most:,} are read again: "
                        "fewer styles or shorter names need fewer"
                    )

    def read(self, path: Path, *names: str) -> tuple[dict[str, dict[str, Any]], list[Any]]:
        """A file's header, and what it tells under names.

        Raises:
            ValueError: it is no safetensors file, or tells nothing under a name, or no JSON.
        """
        header, metadata = read_header(path)
        texts = metadata if isinstance(metadata, dict) else {}
        try:
            return header, [parse_metadata(texts.get(name), MOST_TOLD, name) for name in names]
        except ValueError as error:
            raise ValueError(f"{path}: {error}: {self.remedy}") from error
