"""What a companion is: an optional file beside a model's weights, read as a stranger's and told of on the card."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from artmodels.models.generator import GeneratorConfig


def no_section(found: Any, config: GeneratorConfig, evaluation: dict[str, Any]) -> str:
    return ""


def no_tensors(found: Any) -> Iterable[Tensor]:
    return ()


@dataclass(frozen=True)
class Companion:
    """One kind of companion. `hub.companions.COMPANIONS` lists them all; nothing else need know of a new one."""

    name: str  # under which `LoadedModel.companions` has it
    file_name: str
    most_bytes: int  # larger is none that artmodels wrote
    # from the model's folder, and the config of its generator; None if the file is not there, ValueError if damaged
    load: Callable[[Path, GeneratorConfig], Any]
    # of the card, in Markdown: of what was loaded or None, the generator's config, and what `evaluate` measured
    section: Callable[[Any, GeneratorConfig, dict[str, Any]], str] = no_section
    tensors: Callable[[Any], Iterable[Tensor]] = no_tensors  # what of it takes memory
    outlives: bool = True  # it goes on to fit when a run replaces the weights by a better average

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
