"""The classifier's file beside a model: weights, config and figures."""

from dataclasses import asdict
from pathlib import Path
from typing import Any, Literal

from torch import nn

from artmodels.hub.companion import Companion
from artmodels.hub.model_files import escape_markdown
from artmodels.io.safetensors_io import load_weights, shapes_only, to_config
from artmodels.io.schema import Count, Name, Schema, Share, parse
from artmodels.models.classifier import ClassifierConfig, StyleClassifier
from artmodels.models.generator import GeneratorConfig
from artmodels.models.layers import channels_last

CLASSIFIER_NAME = "classifier.safetensors"
REMEDY = "train the classifier anew, or delete the file"
COLDEST, HOTTEST = 0.05, 20.0  # temperatures that a file may hold


def save_classifier(folder: Path, network: StyleClassifier, figures: dict[str, Any]) -> None:
    """Write `classifier.safetensors` into a folder, whole or not at all: weights in half precision, config, figures.

    Raises:
        ValueError, OSError: those of `Companion.save`.
    """
    COMPANION.save(folder, network.state_dict(), {"config": asdict(network.config), "figures": figures})


def load_classifier(folder: Path) -> StyleClassifier | None:
    """The classifier that lies beside a model, in evaluation mode, with its `figures`; None if there is none.

    It may be a stranger's: sizes, config and figures are checked before anything is allocated.

    Raises:
        ValueError: too large, damaged, or of another kind.
    """
    path = COMPANION.find(folder)
    if path is None:
        return None
    _, (config, figures) = COMPANION.read(path, "config", "figures")
    config = to_config(config, ClassifierConfig, path)
    try:
        check_figures(figures, config.styles)
    except ValueError as error:
        raise ValueError(f"{path}: {error}: {REMEDY}") from error
    with shapes_only():
        network = StyleClassifier(config)
    network.load_state_dict(load_weights(path, expected=network.state_dict()), strict=True, assign=True)
    if not COLDEST <= network.temperature <= HOTTEST:
        raise ValueError(f"{path}: temperature should be from {COLDEST} to {HOTTEST}: {REMEDY}")
    variances = [norm.running_var for norm in network.modules() if isinstance(norm, nn.BatchNorm2d)]
    if any(variance is not None and variance.min() < 0 for variance in variances):
        raise ValueError(f"{path}: a variance is below 0: {REMEDY}")
    network.figures = figures
    return channels_last(network.requires_grad_(False)).eval()


class Recognised(Schema):
    """How well styles are recognised, of some pictures by some classifier."""

    accuracy: Share
    accuracy_interval: tuple[Share, Share]
    balanced_accuracy: Share
    calibration_error: Share


class Reference(Recognised):
    name: Name


class OfStyle(Schema):
    pictures: Count
    precision: Share | None
    recall: Share | None


class Figures(Recognised):
    """What `metrics.classification.classification_figures` gives."""

    measured_by: Literal["test pictures", "held-out pictures"]
    pictures: Count
    confusion: list[list[Count]]
    styles: dict[str, OfStyle]
    reference: Reference | None = None


def check_figures(figures: Any, styles: tuple[str, ...]) -> None:
    """Refuse figures that are not of the form of `Figures`, for these styles; none at all are in order.

    Raises:
        ValueError: see above; what should be there.
    """
    if figures == {}:
        return
    found = parse(Figures, figures, "figures")
    if len(found.confusion) != len(styles) or any(len(row) != len(styles) for row in found.confusion):
        raise ValueError("figures.confusion should have a row and a column for each style")
    if set(found.styles) != set(styles):
        raise ValueError("figures.styles should tell of each style, and of no other")


def _section(network: StyleClassifier | None, config: GeneratorConfig, evaluation: dict[str, Any]) -> str:
    """The card's section on the classifier, and on how often it, or another one, sees the right style in a painting."""
    figures, adherence = network.figures if network else {}, evaluation.get("adherence")
    text = ""
    if figures:
        reference = figures.get("reference")
        compared = f"; {escape_markdown(reference['name'])}:\n{_recognised(reference)}" if reference else ""
        rows = "\n".join(
            f"| {escape_markdown(style)} | {found['pictures']} | {_share(found['precision'])} "
            f"| {_share(found['recall'])} |"
            for style, found in figures["styles"].items()
        )
        text += f"""
`classifier.safetensors` tells the styles apart. On {figures["pictures"]} {figures["measured_by"]}:
{_recognised(figures)}{compared}.
The calibration error is the mean gap between how sure it is and how often it is right (15 bins).

| style | {figures["measured_by"]} | precision | recall |
| --- | ---: | ---: | ---: |
{rows}
"""
    if adherence:
        rows = "\n".join(
            f"| {escape_markdown(style)} | {found['seen_as']:.0%} "
            f"({found['interval'][0]:.0%} to {found['interval'][1]:.0%}) "
            f"| {_share(found['real'])} | {escape_markdown(found['mistaken_for'] or '')} |"
            for style, found in adherence["styles"].items()
        )
        text += f"""
Adherence: {adherence["seeds"]} paintings of each style, truncation {adherence["truncation"]:g}, are seen as that style
in {adherence["overall"]:.0%} in the mean over styles, real pictures in {_share(adherence["real"])}.

| style | paintings seen as it (95 % interval) | real pictures seen as it | else mostly taken for |
| --- | ---: | ---: | --- |
{rows}
"""
    return f"\n## The classifier\n{text}" if text else ""


def _recognised(found: dict[str, Any]) -> str:
    low, high = found["accuracy_interval"]
    return (
        f"{found['accuracy']:.1%} right (95 % interval {low:.1%} to {high:.1%}), "
        f"calibration error {found['calibration_error']:.3f}"
    )


def _share(value: float | None) -> str:
    return "no pictures" if value is None else f"{value:.0%}"


COMPANION = Companion(
    "classifier",
    CLASSIFIER_NAME,
    32 * 1024**2,
    lambda folder, config: load_classifier(folder),
    section=_section,
    tensors=lambda found: found.state_dict().values(),
    remedy=REMEDY,
)
