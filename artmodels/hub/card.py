"""The card of a published model, `README.md` of its folder: only what is known, measured, or said by its publisher."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from huggingface_hub import EvalResult, ModelCardData, constants, hf_hub_url

from artmodels import __version__
from artmodels.hub.companions import COMPANIONS
from artmodels.hub.model_files import CARD_DATA, CARD_NAME, METRICS_NAME, escape_markdown
from artmodels.hub.pretrained import ArtGenerator
from artmodels.hub.statement import Statement
from artmodels.io.files import write_atomically, write_json
from artmodels.io.safetensors_io import read_json

SHEET_SEEDS = range(16)
SHEET_TRUNCATION = 0.8


def model_card(
    generator: ArtGenerator,
    training: dict[str, Any],
    metrics: dict[str, Any] | None,
    statement: Statement,
    wheel: str | None = None,
    companions: Mapping[str, Any] | None = None,
    descents: dict[str, Any] | None = None,
) -> str:
    """The card as Markdown, with the front matter that the Hub indexes.

    `training` is what the run says of itself (see `training.export.publish_model`), `metrics` what `evaluate` measured,
    `wheel` the name of an artmodels wheel that lies beside the card, `companions` what else lies there, by name;
    `descents` is what `benchmarks/` measured of gradient descent on pictures with it.
    """
    config, beside = generator.config, companions or {}
    sections = "".join(each.section(beside.get(each.name), config, metrics or {}) for each in COMPANIONS)
    counts = training["style_counts"]
    rows = "\n".join(
        f"| {escape_markdown(style)} | {counts.get(style, sum(counts.values()))} |" for style in config.styles
    )
    hours = training["seconds"] / 3600
    return f"""---
{_front_matter(metrics, statement)}
---
# A painter of {escape_markdown(", ".join(config.styles))}

![Samples: one row per style, one column per seed](samples.png)

One row per style, in the order of the table; seeds {SHEET_SEEDS[0]} to {SHEET_SEEDS[-1]}, not picked;
truncation {SHEET_TRUNCATION}.

| style | training pictures |
| --- | ---: |
{rows}

- Pictures: {config.resolution} x {config.resolution} px, one forward pass, {generator.parameter_count:,} parameters.
- Training: {training["images"]:,} images shown, {training["pictures"]:,} different ones, {hours:.2f} hours on \
{training["machine"]}; preset `{training["preset"]}`, artmodels {__version__}.
{_ancestor(training.get("init"))}{_said(training, statement)}
## Use
{_install(statement, wheel)}
```python
{_three_lines(config.styles[0], statement.repo_id)}
```

## Measured
{_measured(metrics)}{sections}{_descents(descents)}
## Limits

It paints {"this style" if len(config.styles) == 1 else f"these {len(config.styles)} styles"} at \
{config.resolution} px{"" if beside.get("prompt") else " and knows no words"}.
What it paints is a blend of what it was shown, with its gaps and its
prejudices; it can come near to a training picture{", see above" if metrics else ", which was not measured"}.
"""


def _front_matter(metrics: dict[str, Any] | None, statement: Statement) -> str:
    """YAML that the Hub indexes: licence, library, task, data set, and the figures as a model index."""
    facts: dict[str, Any] = {**CARD_DATA, "license": statement.license}
    if statement.dataset:
        facts["datasets"] = [statement.dataset]
    if metrics:
        overall = metrics["overall"]
        named = {
            "frechet-distance": ("Fréchet distance (EfficientNet-Lite2)", overall["frechet_distance"]),
            "kernel-distance": ("kernel distance (EfficientNet-Lite2)", overall["kernel_distance"]),
            "precision": (f"precision (k = {metrics['neighbours']})", overall["precision"]),
            "recall": (f"recall (k = {metrics['neighbours']})", overall["recall"]),
        }
        facts["model_name"] = statement.repo_id.partition("/")[2] if statement.repo_id else "painter"
        facts["eval_results"] = [
            EvalResult(
                task_type=CARD_DATA["pipeline_tag"],
                dataset_type=statement.dataset or "held-out-pictures",
                dataset_name=f"{overall['test_pictures']} held-out pictures, {overall['samples']} samples",
                metric_type=kind,
                metric_name=name,
                metric_value=round(value, 5),
            )
            for kind, (name, value) in named.items()
            if value is not None
        ]
    return ModelCardData(**facts).to_yaml()


def _three_lines(style: str, repo_id: str | None) -> str:
    source, chosen = json.dumps(repo_id or "path/to/this/folder"), json.dumps(style, ensure_ascii=False)
    return f"""from artmodels import ArtGenerator, paint_seeds

generator = ArtGenerator.from_pretrained({source})
paint_seeds(generator, {chosen}, seeds=[7])[0].save("picture.png")"""


def _install(statement: Statement, wheel: str | None) -> str:
    if not (statement.repo_id and wheel):
        return f"With artmodels {__version__} installed:\n"
    address = hf_hub_url(statement.repo_id, wheel)
    return f"""
The code that paints, artmodels {__version__}, lies beside the weights as a wheel (Apache-2.0):

```sh
pip install {address}
```
"""


def _ancestor(init: dict[str, Any] | None) -> str:
    """The line about the model that the run started from, if it did."""
    if not init:
        return ""
    cost = (
        f", which had seen {init['images']:,} images in {init['seconds'] / 3600:.2f} hours" if "images" in init else ""
    )
    return f"- Started from the model {escape_markdown(init['model'])}{cost} (weights {init['weights_sha256'][:12]}).\n"


def _said(training: dict[str, Any], statement: Statement) -> str:
    """What the publisher says, and where the publisher is silent, that."""
    silent = "not stated by the publisher"
    dataset = f" ([{statement.dataset}]({constants.ENDPOINT}/datasets/{statement.dataset}))"
    lines = {
        "Training pictures": (statement.provenance or silent) + (dataset if statement.dataset else ""),
        "Their rights": statement.data_license or silent,
        "Licence of the weights": f"`{statement.license}`" if statement.license else silent,
        "Licence of the code": "Apache-2.0",
        "About the run": training.get("note"),
    }
    return "".join(f"- {title}: {text}\n" for title, text in lines.items() if text)


def _measured(metrics: dict[str, Any] | None) -> str:
    if not metrics:
        return "Nothing yet: `python -m artmodels evaluate --model ... --data ... --test-data ...` measures.\n"
    overall, styles = metrics["overall"], metrics["styles"]
    rows = "\n".join(
        f"| {escape_markdown(style)} | {figures['test_pictures']} | {figures['kernel_distance'] * 1000:.2f}"
        f"{_interval(figures['kernel_interval'])} | {figures['kernel_floor'] * 1000:.2f} | {figures['variety']:.2f} |"
        for style, figures in styles.items()
    )
    patches = "\n".join(
        f"| sliced Wasserstein distance x 1000, {level} px | {distance:.1f} "
        f"| {overall['sliced_wasserstein_floor'][level]:.1f} |"
        for level, distance in overall["sliced_wasserstein"].items()
    )
    side, seen_at = metrics["picture_resolution"], metrics["judge_resolution"]
    return f"""
Features: EfficientNet-Lite2 (ImageNet), which the training never used. Real and painted pictures alike are
{side} px{f", enlarged to {seen_at} px for it" if seen_at != side else ""}.
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
{_from_outside(metrics.get("outside"))}{_memorised(overall["memorisation"])}
Variety is the mean feature distance between {metrics["variety_seeds"]} seeds of a style, divided by that between real
pictures of it: near 1 is as varied as the originals, near 0 is one picture again and again.

| style | test pictures | kernel distance x 1000 (95 % interval) | floor | variety |
| --- | ---: | ---: | ---: | ---: |
{rows}
{_farthest(styles)}
Measured by `{metrics["command"]}`.
"""


def _from_outside(found: dict[str, Any] | None) -> str:
    """The table of the judge from outside, where it was asked."""
    if not found:
        return ""
    rows = "\n".join(
        f"| {title} | {found[figure]:.3f} | {found[floor]:.3f} |"
        for title, figure, floor in (
            ("Fréchet distance", "frechet_distance", "frechet_floor"),
            ("precision", "precision", "precision_floor"),
            ("recall", "recall", "recall_floor"),
        )
        if found[figure] is not None and found[floor] is not None
    )
    return f"""
A judge from outside, a style network trained from scratch on paintings alone, by which no training decides anything
(weights {found["judge_sha256"][:12]}), sees the same pictures so:

| | this model | floor (real) |
| --- | ---: | ---: |
{rows}
"""


def _farthest(styles: dict[str, Any]) -> str:
    """Which style is painted worst, where there are several."""
    if len(styles) < 2:
        return ""
    by_distance = sorted(styles, key=lambda style: styles[style]["kernel_distance"])
    worst, best = (escape_markdown(style) for style in (by_distance[-1], by_distance[0]))
    return f"\nFarthest from the real ones is {worst}, nearest {best}.\n"


def _descents(descents: dict[str, Any] | None) -> str:
    """The section on gradient descent from pictures that a visitor brings, as far as it was measured."""
    tell = {"project": _projected, "transfer": _transferred, "dream": _dreamt}
    text = "".join(
        f"""
{say(found)}
{found["steps"]} steps, {found["seconds"]:.0f} s each on {found["machine"]}. Measured by `{found["command"]}`.
"""
        for verb, say in tell.items()
        if (found := (descents or {}).get(verb))
    )
    return f"\n## From a picture of your own\n{text}" if text else ""


def _projected(found: dict[str, Any]) -> str:
    middle, mean, worst = (f"{found[name]:.3f}" for name in ("median", "mean", "worst"))
    paintings = f"{found['pictures']} paintings of this model (truncation {found['truncation']:g})"
    return f"""`project`: of {paintings} it finds latents
whose pictures are {middle} in the median, {mean} in the mean and {worst} at worst away from them, in
distances of random pairs ({found["judge"]} features); {found["near"]} are within a tenth."""


def _transferred(found: dict[str, Any]) -> str:
    (least, most), (nearest, farthest) = found["style_left"], found["content"]
    pictures = f"{found['pictures']} pictures of {found['size']} px"
    return f"""`transfer`: over {pictures} the distance of textures from the wanted style falls
to {least:.0%} to {most:.0%} of what it was; content
ends {nearest:.1f} to {farthest:.1f} away from the picture's."""


def _dreamt(found: dict[str, Any]) -> str:
    own, judge = (f"from {before:.0%} to {after:.0%}" for before, after in (found["own"], found["judge"]))
    pictures = f"{found['pictures']} test paintings of {found['size']} px"
    return f"""`dream`: over {pictures}, pushed towards another style, the probability
of that style goes {own} by the classifier that is climbed, and {judge}
by a classifier that is not ({found["judged_by"]}); by this one it rises in {found["risen"]} of them."""


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
    companions = {each.name: each.load(folder, generator.config) for each in COMPANIONS}
    return model_card(
        generator,
        metrics["training"],
        metrics.get("evaluation"),
        statement,
        wheel,
        companions,
        descents=metrics.get("descents"),
    )
