"""Published models: writing the folder with its card, and finding the models that an app should show."""

import json
import os
import platform
from pathlib import Path
from typing import Any

import torch

from artmodels import __version__
from artmodels.models.generator import WEIGHTS_NAME, ArtGenerator, load_generator
from artmodels.sampling import style_sheet

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

    `training` is what the card tells of the run (see `training.publish_model`); `metrics` what `evaluate` measured.
    """
    generator._save_pretrained(folder)
    style_sheet(generator, SHEET_SEEDS, SHEET_TRUNCATION).save(folder / "samples.png")
    write_json(folder / "metrics.json", {"training": training, **({"evaluation": metrics} if metrics else {})})
    write_json(folder / "history.json", history)
    (folder / "README.md").write_text(model_card(generator, training, metrics), "utf-8")


def write_json(path: Path, value: Any) -> None:
    path.write_text(json.dumps(value, indent=2, ensure_ascii=False) + "\n", "utf-8")


def describe_machine() -> str:
    """The accelerator, or the number of CPU threads, that PyTorch computes with."""
    if torch.cuda.is_available():
        return f"{torch.cuda.device_count()} x {torch.cuda.get_device_name()}"
    return f"{torch.get_num_threads()} CPU threads ({platform.machine()})"


def find_models() -> list[Path]:
    """The app's models: `ARTMODELS_MODELS` (comma-separated folders), else `checkpoints/masters`, else the first there.

    Raises:
        FileNotFoundError: there is none.
    """
    if named := os.environ.get("ARTMODELS_MODELS"):
        return [Path(name.strip()) for name in named.split(",") if name.strip()]
    bundled = Path(__file__).resolve().parent.parent / "checkpoints"
    folders = sorted(path.parent for path in bundled.glob(f"*/{WEIGHTS_NAME}"))
    folders.sort(key=lambda folder: folder.name != "masters")
    if not folders:
        raise FileNotFoundError(
            f"no model under {bundled}: train one with train.py, then set ARTMODELS_MODELS=runs/mine/model"
        )
    return folders[:1]


def model_card(generator: ArtGenerator, training: dict[str, Any], metrics: dict[str, Any] | None) -> str:
    """The card of a model, `README.md` of its folder: only what is known and measured."""
    config = generator.config
    counts = training["style_counts"]
    rows = "\n".join(f"| {style} | {counts.get(style, sum(counts.values()))} |" for style in config.styles)
    hours = training["seconds"] / 3600
    return f"""---
library_name: artmodels
pipeline_tag: unconditional-image-generation
tags: [art, gan]
---
# A painter of {", ".join(config.styles)}

![One row per style, one column per seed (0 to {len(SHEET_SEEDS) - 1}), truncation {SHEET_TRUNCATION}](samples.png)

One row per style, in the order of the table; seeds {SHEET_SEEDS[0]} to {SHEET_SEEDS[-1]}; truncation {SHEET_TRUNCATION}.

| style | training pictures |
| --- | ---: |
{rows}

- Pictures: {config.resolution} x {config.resolution} px, one forward pass, {generator.parameter_count:,} parameters.
- Training: {training["images"]:,} images shown, {training["pictures"]:,} different ones, {hours:.2f} hours on \
{training["machine"]}; preset `{training["preset"]}`, artmodels {__version__}.
{_provenance(training)}
## Measured
{_measured(metrics)}
## Use
```python
from artmodels.models.generator import load_generator
from artmodels.sampling import paint, style_weights, to_images

generator = load_generator("path/to/this/folder")
pictures = paint(generator, seeds=[7], weights=style_weights(generator.config.styles, "{config.styles[0]}"), truncation=0.8)
to_images(pictures)[0].save("picture.png")
```
"""


def _provenance(training: dict[str, Any]) -> str:
    note = training.get("provenance")
    return f"- Training pictures: {note}\n" if note else ""


def _measured(metrics: dict[str, Any] | None) -> str:
    if not metrics:
        return "Nothing yet: `python -m artmodels evaluate --model ... --data ... --test-data ...` measures.\n"
    overall, styles = metrics["overall"], metrics["styles"]
    rows = "\n".join(
        f"| {style} | {figures['test_pictures']} | {figures['kernel_distance'] * 1000:.2f} "
        f"| {figures['kernel_floor'] * 1000:.2f} | {figures['variety']:.2f} |"
        for style, figures in styles.items()
    )
    return f"""
Features: EfficientNet-Lite2 (ImageNet), which the training never used; pictures enlarged to {metrics["judge_resolution"]} px.
Truncation {metrics["truncation"]}. The floor is what as many real training pictures score against the same test pictures.

| | this model | floor (real) |
| --- | ---: | ---: |
| Fréchet distance, {overall["samples"]} against {overall["test_pictures"]} | {overall["frechet_distance"]:.2f} \
| {overall["frechet_floor"]:.2f} |
| kernel distance x 1000 | {overall["kernel_distance"] * 1000:.2f} | {overall["kernel_floor"] * 1000:.2f} |

Variety is the mean feature distance between {metrics["variety_seeds"]} seeds of a style, divided by that between real
pictures of it: near 1 is as varied as the originals, near 0 is one picture again and again.

| style | test pictures | kernel distance x 1000 | floor | variety |
| --- | ---: | ---: | ---: | ---: |
{rows}

Measured by `{metrics["command"]}`.
"""


__all__ = [
    "describe_machine",
    "find_models",
    "load_generator",
    "model_card",
    "write_json",
    "write_model_folder",
]
