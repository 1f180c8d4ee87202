"""Published models: writing their folder, loading them from there or from the Hub, finding those of an app."""

import copy
import os
import platform
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch

from artmodels.generate.find_directions import PICTURES, find_directions
from artmodels.generate.sampling import style_sheet
from artmodels.hub.card import SHEET_SEEDS, SHEET_TRUNCATION, Statement, model_card
from artmodels.hub.companions.directions import Directions, load_directions, save_directions
from artmodels.hub.companions.neighbours import Neighbours, load_neighbours
from artmodels.hub.companions.style_statistics import StyleStatistics, load_style_statistics
from artmodels.io.files import sha256, write_atomically, write_json
from artmodels.io.safetensors_io import read_json
from artmodels.models.classifier import StyleClassifier, load_classifier
from artmodels.models.generator import (
    HISTORY_NAME,
    METRICS_NAME,
    WEIGHTS_NAME,
    ArtGenerator,
    GeneratorConfig,
    expect_hub_id,
    fetch_generator,
    load_generator,
)
from artmodels.models.prompt import PromptReader, load_prompt
from artmodels.models.upscaler import Upscaler, load_upscaler

CARD_NAME = "README.md"
BUNDLED = Path(__file__).resolve().parent.parent.parent / "checkpoints"


def write_model_folder(
    folder: Path,
    generator: ArtGenerator,
    training: dict[str, Any],
    history: list[dict[str, Any]],
    metrics: dict[str, Any] | None = None,
) -> None:
    """Write weights, config, card, metrics, samples and history into an existing folder.

    `training` is what the card tells of the run (see `keeping.publish_model`); `metrics` what `evaluate` measured.
    """
    generator._save_pretrained(folder)
    style_sheet(generator, SHEET_SEEDS, SHEET_TRUNCATION).save(folder / "samples.png")
    write_json(folder / METRICS_NAME, {"training": training, **({"evaluation": metrics} if metrics else {})})
    write_json(folder / HISTORY_NAME, history)
    (folder / CARD_NAME).write_text(model_card(generator, training, metrics, Statement()), "utf-8")


def describe_machine() -> str:
    """The accelerator, or the number of CPU threads, that PyTorch computes with."""
    if torch.cuda.is_available():
        return f"{torch.cuda.device_count()} x {torch.cuda.get_device_name()}"
    return f"{torch.get_num_threads()} CPU threads ({platform.machine()})"


@dataclass(frozen=True)
class LoadedModel:
    """A generator ready to paint, with what a recipe and a page say of it."""

    name: str  # Hub id, or the folder's name
    folder: Path
    generator: ArtGenerator
    weights_sha256: str
    revision: str | None = None  # the commit, of a model from the Hub
    statement: Statement = field(default_factory=Statement)  # what its publisher says of it
    directions: Directions | None = None
    classifier: StyleClassifier | None = None
    prompt: PromptReader | None = None
    neighbours: Neighbours | None = None
    manners: StyleStatistics | None = None
    upscaler: Upscaler | None = None

    @property
    def best_upscaler(self) -> Upscaler | None:
        """The upscaler, if it was measured to be better than Lanczos."""
        return self.upscaler if self.upscaler and self.upscaler.is_better else None

    @property
    def memory(self) -> int:
        """Bytes of its tensors."""
        tensors = list(self.generator.state_dict().values())
        if self.directions:
            tensors.append(self.directions.vectors)
        if self.classifier:
            tensors += self.classifier.state_dict().values()
        if self.prompt:
            tensors += self.prompt.network.state_dict().values()
        if self.neighbours:
            tensors.append(self.neighbours.points)
        if self.upscaler:
            tensors += self.upscaler.state_dict().values()
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
    options = {"token": token, "cache_dir": cache_dir, "local_files_only": local_files_only}
    folder = fetch_generator(repo_id, revision=revision, largest=largest, tqdm_class=tqdm_class, **options)
    return _open(repo_id, folder, folder.name, device)


def _open(name: str, folder: Path, revision: str | None, device: torch.device | str) -> LoadedModel:
    generator = load_generator(folder).to(device)
    digest, statement = sha256(folder / WEIGHTS_NAME), Statement.of(read_metrics(folder))
    companions: dict[str, Any] = {}
    for companion, load in companion_loaders(generator.config).items():
        try:
            companions[companion] = load(folder)
        except ValueError as error:
            if revision is None:
                raise
            # Whoever names a model of the Hub cannot mend it, and it paints without them.
            print(f"warning: {name} is used without its {companion}: {error}", file=sys.stderr)
    return LoadedModel(name, folder, generator, digest, revision, statement, **companions)


def companion_loaders(config: GeneratorConfig) -> dict[str, Callable[[Path], Any]]:
    """By the field of `LoadedModel`, what reads an optional file beside a model; each gives None where it lacks."""
    return {
        "directions": lambda folder: load_directions(folder, config),
        "classifier": load_classifier,
        "prompt": lambda folder: load_prompt(folder, config.styles),
        "neighbours": load_neighbours,
        "manners": lambda folder: load_style_statistics(folder, config.styles),
        "upscaler": load_upscaler,
    }


def add_directions(folder: Path, device: torch.device | str = "cpu", pictures: int = PICTURES) -> Directions | None:
    """The directions of a published folder's model, from its file, or else found now and written there.

    The card does not tell of them before `rewrite_card`. None if none could be found that does what it must.

    Raises:
        FileNotFoundError, ValueError: the model, or the file of directions, is not whole.
        OSError: the folder cannot be written.
    """
    generator = load_generator(folder).to(device)
    if (directions := load_directions(folder, generator.config)) is not None:
        return directions
    names, vectors, figures = find_directions(generator, pictures)
    if names:
        save_directions(folder, names, vectors, figures)
    return load_directions(folder, generator.config)


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


def check_card_target(name: str, flag: str) -> None:
    """Refuse, for a flag, what is no model folder of one's own whose card can be written anew.

    Raises:
        ValueError: see above.
    """
    if not (Path(name) / METRICS_NAME).is_file():
        raise ValueError(f"{flag} needs a model folder that training wrote, with {METRICS_NAME}; found {name}")


def rewrite_card(folder: Path, generator: ArtGenerator, additions: dict[str, Any]) -> None:
    """Add to `metrics.json` (`evaluation`, or more of `training` or `descents`) and write the card anew."""
    path = folder / METRICS_NAME
    metrics = read_json(path)
    for key, value in additions.items():
        metrics[key] = {**metrics.get(key, {}), **value} if key in ("training", "descents") else value
    card = card_of(folder, generator, metrics, Statement.of(metrics))
    write_json(path, metrics)
    write_atomically(folder / CARD_NAME, card.encode())


def card_of(
    folder: Path, generator: ArtGenerator, metrics: dict[str, Any], statement: Statement, wheel: str | None = None
) -> str:
    """The card of a model folder, which tells of all that lies beside the model too; see `card.model_card`.

    Raises:
        ValueError: something beside the model is not whole.
        LookupError, TypeError, AttributeError: `metrics` are not those that training wrote.
    """
    companions = {name: load(folder) for name, load in companion_loaders(generator.config).items()}
    eye, reader, upscaler = (companions[name] for name in ("classifier", "prompt", "upscaler"))
    return model_card(
        generator,
        metrics["training"],
        metrics.get("evaluation"),
        statement,
        wheel,
        companions["directions"],
        eye_figures=eye.figures if eye else None,
        prompt_figures={**reader.figures, "words": len(reader.config.words)} if reader else None,
        upscaler_figures=upscaler.figures if upscaler else None,
        descents=metrics.get("descents"),
    )


def on_cpu(model: LoadedModel) -> LoadedModel:
    """The model with a generator on the CPU, for descents beside networks that live there; a copy if need be."""
    if model.generator.mean_w.device.type == "cpu":
        return model
    return replace(model, generator=copy.deepcopy(model.generator).cpu())
