"""Published models: writing the folder with its card, and finding the models that an app should show."""

import json
import os
import platform
import re
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from artmodels import __version__
from artmodels.files import sha256, write_atomically, write_json
from artmodels.models.generator import CONFIG_NAME, WEIGHTS_NAME, ArtGenerator, load_generator
from artmodels.models.weights import read_json
from artmodels.sampling import style_sheet

METRICS_NAME = "metrics.json"
CARD_NAME = "README.md"
BUNDLED = Path(__file__).resolve().parent.parent / "checkpoints"

SHEET_SEEDS = range(8)
SHEET_TRUNCATION = 0.8


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
    write_json(folder / "history.json", history)
    (folder / CARD_NAME).write_text(model_card(generator, training, metrics), "utf-8")


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


def load_model(name: str | Path, device: torch.device | str = "cpu") -> LoadedModel:
    """A model from a published folder, or by Hub id with optional `@revision`.

    Raises:
        FileNotFoundError: no such folder, and the name is no Hub id; or a file of the model is missing.
        ValueError: the model is damaged or does not fit together.
        OSError: the Hub has no such model, or cannot be reached.
    """
    folder = Path(name)
    if not folder.is_dir():
        folder = _download(str(name))
    generator = load_generator(folder).to(device)
    return LoadedModel(_model_name(folder, str(name)), folder, generator, sha256(folder / WEIGHTS_NAME))


def _model_name(folder: Path, given: str) -> str:
    """`user/model` for a download, `masters` for checkpoints/masters, `mine` for runs/mine/model."""
    if folder != Path(given):
        return given
    resolved = folder.resolve()
    return (resolved.parent.name if resolved.name == "model" else resolved.name) or "model"


def _download(name: str) -> Path:
    repo_id, _, revision = name.partition("@")
    if not re.fullmatch(r"[\w.-]+/[\w.-]+", repo_id):
        raise FileNotFoundError(f"no model folder {name}: give a folder with config.json, or a Hub id like user/model")
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

    try:
        files = [CONFIG_NAME, WEIGHTS_NAME, CARD_NAME, METRICS_NAME, "samples.png", "history.json"]
        return Path(snapshot_download(repo_id, revision=revision or None, allow_patterns=files))
    except (HfHubHTTPError, HFValidationError, LocalEntryNotFoundError) as error:
        reason = str(error).strip().splitlines()[0]
        raise OSError(f"no folder {name}, and the Hub does not give it either ({reason}): check the name") from error


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


def check_card_target(name: str) -> None:
    """Raises:
    ValueError: not a model folder of one's own whose card can be written anew.
    """
    if not (Path(name) / METRICS_NAME).is_file():
        raise ValueError(f"--write-card needs a model folder that training wrote, with {METRICS_NAME}; found {name}")


def rewrite_card(model: LoadedModel, additions: dict[str, Any]) -> None:
    """Add to `metrics.json` (`evaluation`, or what `training` should also say) and write the card anew."""
    path = model.folder / METRICS_NAME
    metrics = read_json(path)
    for key, value in additions.items():
        metrics[key] = {**metrics.get(key, {}), **value} if key == "training" else value
    card = model_card(model.generator, metrics["training"], metrics.get("evaluation"))
    write_json(path, metrics)
    write_atomically(model.folder / CARD_NAME, card.encode())


def model_card(generator: ArtGenerator, training: dict[str, Any], metrics: dict[str, Any] | None) -> str:
    """The card of a model, `README.md` of its folder: only what is known and measured."""
    config = generator.config
    counts = training["style_counts"]
    rows = "\n".join(f"| {_plain(style)} | {counts.get(style, sum(counts.values()))} |" for style in config.styles)
    hours = training["seconds"] / 3600
    example = json.dumps(config.styles[0], ensure_ascii=False)  # a string in Python's eyes too
    return f"""---
library_name: artmodels
pipeline_tag: unconditional-image-generation
tags: [art, gan]
---
# A painter of {_plain(", ".join(config.styles))}

![Samples: one row per style, one column per seed](samples.png)

One row per style, in the order of the table; seeds {SHEET_SEEDS[0]} to {SHEET_SEEDS[-1]};
truncation {SHEET_TRUNCATION}.

| style | training pictures |
| --- | ---: |
{rows}

- Pictures: {config.resolution} x {config.resolution} px, one forward pass, {generator.parameter_count:,} parameters.
- Training: {training["images"]:,} images shown, {training["pictures"]:,} different ones, {hours:.2f} hours on \
{training["machine"]}; preset `{training["preset"]}`, artmodels {__version__}.
{_ancestor(training.get("init"))}{_provenance(training)}
## Measured
{_measured(metrics)}
## Use
```python
from artmodels.models.generator import ArtGenerator
from artmodels.sampling import draw_latents, one_hot, paint, to_images

generator = ArtGenerator.from_pretrained("path/to/this/folder")
latents = draw_latents([7], generator.config.latent_dim)
to_images(paint(generator, latents, one_hot(generator.config.styles, {example}), 0.8))[0].save("picture.png")
```
"""


def _plain(name: str) -> str:
    """A name as Markdown shows it to the letter: no table, link or HTML comes of it."""
    return re.sub(r"([\\`*_{}\[\]()<>#|!])", r"\\\1", name)


def _ancestor(init: dict[str, Any] | None) -> str:
    """The line about the model that the run started from, if it did."""
    if not init:
        return ""
    cost = (
        f", which had seen {init['images']:,} images in {init['seconds'] / 3600:.2f} hours" if "images" in init else ""
    )
    return f"- Started from the model {_plain(init['model'])}{cost} (weights {init['weights_sha256'][:12]}).\n"


def _provenance(training: dict[str, Any]) -> str:
    lines = (("Training pictures", training.get("provenance")), ("About the run", training.get("note")))
    return "".join(f"- {title}: {text}\n" for title, text in lines if text)


def _measured(metrics: dict[str, Any] | None) -> str:
    if not metrics:
        return "Nothing yet: `python -m artmodels evaluate --model ... --data ... --test-data ...` measures.\n"
    overall, styles = metrics["overall"], metrics["styles"]
    rows = "\n".join(
        f"| {_plain(style)} | {figures['test_pictures']} | {figures['kernel_distance'] * 1000:.2f}"
        f"{_interval(figures['kernel_interval'])} | {figures['kernel_floor'] * 1000:.2f} | {figures['variety']:.2f} |"
        for style, figures in styles.items()
    )
    patches = "\n".join(
        f"| sliced Wasserstein distance x 1000, {level} px | {distance:.1f} "
        f"| {overall['sliced_wasserstein_floor'][level]:.1f} |"
        for level, distance in overall["sliced_wasserstein"].items()
    )
    return f"""
Features: EfficientNet-Lite2 (ImageNet), which the training never used. Real and painted pictures alike are
{metrics["picture_resolution"]} px, enlarged to {metrics["judge_resolution"]} px for it.
Truncation {metrics["truncation"]:g}.
The floor is what {overall["floor_pictures"]} real training pictures score against the same test pictures.

| | this model | floor (real) |
| --- | ---: | ---: |
| Fréchet distance, {overall["samples"]} against {overall["test_pictures"]} | {overall["frechet_distance"]:.2f} \
| {overall["frechet_floor"]:.2f} |
| kernel distance x 1000 | {overall["kernel_distance"] * 1000:.2f} | {overall["kernel_floor"] * 1000:.2f} |
| precision, k = {metrics["neighbours"]} | {_figure(overall["precision"])} | {_figure(overall["precision_floor"])} |
| recall, k = {metrics["neighbours"]} | {_figure(overall["recall"])} | {_figure(overall["recall_floor"])} |
{patches}

Precision is the share of paintings that lie among the real ones, recall the share of the real that the paintings
reach, at equal counts. The sliced Wasserstein distance compares small patches without any network, from fine texture
to composition and palette.
{_memorised(overall["memorisation"])}
Variety is the mean feature distance between {metrics["variety_seeds"]} seeds of a style, divided by that between real
pictures of it: near 1 is as varied as the originals, near 0 is one picture again and again.

| style | test pictures | kernel distance x 1000 (95 % interval) | floor | variety |
| --- | ---: | ---: | ---: | ---: |
{rows}

Measured by `{metrics["command"]}`.
"""


def _figure(value: float | None) -> str:
    return "too few pictures" if value is None else f"{value:.2f}"


def _interval(ends: list[float] | None) -> str:
    return "" if ends is None else f" ({ends[0] * 1000:.2f} to {ends[1] * 1000:.2f})"


def _memorised(found: dict[str, float] | None) -> str:
    """The card's sentence on copies of training pictures."""
    if found is None:
        return "Memorisation was not measured: the held-out pictures are training pictures too.\n"
    return f"""
Memorisation: the paintings' distance to their nearest training picture is {found["samples_median"]:.2f} in the median
and {found["samples_first_percentile"]:.2f} at the first percentile; that of held-out real pictures \
{found["held_out_median"]:.2f} and {found["held_out_first_percentile"]:.2f}.
Smaller distances than those of real pictures would hint at copies; noise is far from everything, so read them beside
precision.
"""
