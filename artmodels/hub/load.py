"""Published models with all that lies beside them: from a folder or the Hub, and those of an app."""

import copy
import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch

from artmodels.hub.companions import COMPANIONS, load_beside
from artmodels.hub.companions.curated import Curated
from artmodels.hub.companions.directions import Directions
from artmodels.hub.companions.neighbours import Neighbours
from artmodels.hub.companions.style_statistics import StyleStatistics
from artmodels.hub.download import hub_label
from artmodels.hub.model_files import METRICS_NAME, WEIGHTS_NAME
from artmodels.hub.pretrained import ArtGenerator, expect_hub_id, fetch_generator, load_generator
from artmodels.hub.statement import Statement
from artmodels.io.files import sha256
from artmodels.io.safetensors_io import read_json
from artmodels.models.classifier import StyleClassifier
from artmodels.models.prompt import PromptModel
from artmodels.models.upscaler import Upscaler

BUNDLED = Path(__file__).resolve().parent.parent.parent / "checkpoints"


@dataclass(frozen=True)
class LoadedModel:
    """A generator ready to paint, with what a recipe and a page say of it."""

    name: str  # Hub id, or the folder's name
    folder: Path
    generator: ArtGenerator
    weights_sha256: str
    revision: str | None = None  # the commit, of a model from the Hub
    statement: Statement = field(default_factory=Statement)  # what its publisher says of it
    companions: Mapping[str, Any] = field(default_factory=dict)  # by the names of `COMPANIONS`; None where one lacks

    @property
    def directions(self) -> Directions | None:
        return self.companions.get("directions")

    @property
    def classifier(self) -> StyleClassifier | None:
        return self.companions.get("classifier")

    @property
    def prompt(self) -> PromptModel | None:
        return self.companions.get("prompt")

    @property
    def neighbours(self) -> Neighbours | None:
        return self.companions.get("neighbours")

    @property
    def style_statistics(self) -> StyleStatistics | None:
        return self.companions.get("style_statistics")

    @property
    def curated(self) -> Curated | None:
        return self.companions.get("curated")

    @property
    def upscaler(self) -> Upscaler | None:
        return self.companions.get("upscaler")

    @property
    def label(self) -> str:
        """What tells it from others, and finds it again: its name, with the commit if it is from the Hub."""
        return hub_label(self.name, self.revision)

    @property
    def best_upscaler(self) -> Upscaler | None:
        """The upscaler, if it was measured to be better than Lanczos."""
        return self.upscaler if self.upscaler and self.upscaler.is_better else None

    @property
    def memory(self) -> int:
        """Bytes of its tensors."""
        tensors = list(self.generator.state_dict().values())
        for companion in COMPANIONS:
            if (found := self.companions.get(companion.name)) is not None:
                tensors += companion.tensors(found)
        return sum(tensor.numel() * tensor.element_size() for tensor in tensors)


def load_model(name: str | Path, device: torch.device | str = "cpu") -> LoadedModel:
    """A model from a published folder, or by Hub id with optional `@revision`.

    Raises:
        FileNotFoundError: no such folder, and the name is no Hub id; or a file of the model is missing.
        ValueError: the model is damaged or does not fit together; what lies beside it in a folder, too.
        OSError: the Hub has no such model, or cannot be reached.
    """
    folder = Path(name)
    if not folder.is_dir():
        return load_hub_model(*expect_hub_id(str(name)), device)
    return _open(_folder_name(folder), folder, None, device)


def load_hub_model(
    repo_id: str,
    revision: str | None = None,
    device: torch.device | str = "cpu",
    *,
    token: str | bool | None = None,
    cache_dir: Path | None = None,
    largest: int | None = None,
    tqdm_class: type | None = None,
    local_files_only: bool = False,
) -> LoadedModel:
    """A model from the Hub, or from its cache.

    Nothing is fetched that needs more than `largest` bytes of memory. `token=False` keeps private models away;
    `tqdm_class` is told how the weights come in.

    Raises:
        FileNotFoundError: the repository holds no such model.
        ValueError: the model is damaged, too large, or does not fit together.
        OSError: the Hub does not give it, or cannot be reached.
    """
    folder = fetch_generator(
        repo_id,
        revision=revision,
        largest=largest,
        tqdm_class=tqdm_class,
        cache_dir=cache_dir,
        token=token,
        local_files_only=local_files_only,
    )
    return _open(repo_id, folder, folder.name, device)


def _open(name: str, folder: Path, revision: str | None, device: torch.device | str) -> LoadedModel:
    generator = load_generator(folder).to(device)
    digest, statement = sha256(folder / WEIGHTS_NAME), Statement.of(read_metrics(folder))
    # Whoever names a model of the Hub cannot mend it, and it paints without what does not load.
    companions = load_beside(folder, generator.config, bearable=name if revision else None)
    return LoadedModel(name, folder, generator, digest, revision, statement, companions)


def read_metrics(folder: Path) -> dict[str, Any]:
    """`metrics.json` of a published folder; empty where there is none, or where it is no such thing."""
    with suppress(OSError, ValueError):
        found = read_json(folder / METRICS_NAME)
        return found if isinstance(found, dict) else {}
    return {}


def _folder_name(folder: Path) -> str:
    """`masters` for checkpoints/masters, `mine` for runs/mine/model."""
    resolved = folder.resolve()
    return (resolved.parent.name if resolved.name == "model" else resolved.name) or "model"


def bundled_models() -> list[Path]:
    """The models that come with the code, `checkpoints/masters` first."""
    folders = sorted(path.parent for path in BUNDLED.glob(f"*/{WEIGHTS_NAME}"))
    return sorted(folders, key=lambda folder: folder.name != "masters")


def find_models() -> list[str]:
    """The app's models: `ARTMODELS_MODELS` (comma-separated folders or Hub ids), else the first bundled one.

    Raises:
        FileNotFoundError: there is none.
    """
    if named := [name.strip() for name in os.environ.get("ARTMODELS_MODELS", "").split(",") if name.strip()]:
        return named
    if not bundled_models():
        raise FileNotFoundError(
            f"no model under {BUNDLED}: train one with train.py, then set ARTMODELS_MODELS=runs/mine/model"
        )
    return [str(bundled_models()[0])]


def bundled_model_named(name: str) -> Path:
    """The bundled model of that name. A recipe may be a stranger's: it never decides what is downloaded or opened.

    Raises:
        ValueError: there is none.
    """
    for folder in bundled_models():
        if folder.name == name:
            return folder
    raise ValueError(f"the recipe's model {name!r} does not come with artmodels: name it, or its folder, with --model")


def read_hold_out(model: LoadedModel) -> tuple[float, str]:
    """The share of its collection that a model's training held out to measure by, and those pictures' fingerprint.

    Raises:
        ValueError: it held none out, or does not say.
    """
    metrics, share, found = model.folder / METRICS_NAME, None, None
    with suppress(KeyError, TypeError, FileNotFoundError):
        training = read_json(metrics)["training"]
        share, found = training["config"]["hold_out"], training["held_out_sha256"]
    if not isinstance(share, float) or not 0 < share <= 0.5 or not isinstance(found, str):
        raise ValueError(f"the training of {model.name} held no pictures out: name some with --test-data")
    return share, found


def on_cpu(model: LoadedModel) -> LoadedModel:
    """The model with a generator on the CPU, for descents beside networks that live there; a copy if need be."""
    if model.generator.mean_w.device.type == "cpu":
        return model
    return replace(model, generator=copy.deepcopy(model.generator).cpu())
