"""The upscaler's file beside a model: weights, config and figures."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field

from artmodels.hub.companion import Companion
from artmodels.io.safetensors_io import load_weights, shapes_only, to_config
from artmodels.io.schema import Number, Schema, parse
from artmodels.models.generator import GeneratorConfig
from artmodels.models.layers import channels_last
from artmodels.models.upscaler import Upscaler, UpscalerConfig, is_nearer

UPSCALER_NAME = "upscaler.safetensors"
REMEDY = "train the upscaler anew, or delete the file"


def save_upscaler(folder: Path, network: Upscaler, figures: dict[str, Any]) -> None:
    """Write `upscaler.safetensors` into a folder, whole or not at all: weights in half precision, config, figures.

    Raises:
        ValueError, OSError: those of `Companion.save`.
    """
    COMPANION.save(folder, network.state_dict(), {"config": asdict(network.config), "figures": figures})


def load_upscaler(folder: Path) -> Upscaler | None:
    """The upscaler that lies beside a model, in evaluation mode, with its `figures`; None if there is none.

    It may be a stranger's: sizes, config and figures are checked before anything is allocated.

    Raises:
        ValueError: too large, damaged, or of another kind.
    """
    path = COMPANION.find(folder)
    if path is None:
        return None
    _, (config, figures) = COMPANION.read(path, "config", "figures")
    config = to_config(config, UpscalerConfig, path)
    try:
        check_figures(figures)
    except ValueError as error:
        raise ValueError(f"{path}: {error}: {REMEDY}") from error
    with shapes_only():
        network = Upscaler(config)
    network.load_state_dict(load_weights(path, expected=network.state_dict()), strict=True, assign=True)
    network.figures = figures
    return channels_last(network.requires_grad_(False)).eval()


class OfMethods(Schema):
    upscaler: Number
    lanczos: Number


class Figures(Schema):
    """What `training.upscaler.measure_upscaler` gives."""

    measured_by: Literal["test pictures", "held-out pictures"]
    pictures: Annotated[int, Field(gt=0, lt=10**9)]
    resolution: Annotated[int, Field(gt=0, lt=10**9)]
    psnr: OfMethods
    perceptual_distance: OfMethods


def check_figures(figures: Any) -> None:
    """Refuse figures that are not of the form of `Figures`; none at all are in order.

    Raises:
        ValueError: see above; what should be there.
    """
    if figures != {}:
        parse(Figures, figures, "figures")


def _section(network: Upscaler | None, config: GeneratorConfig, evaluation: dict[str, Any]) -> str:
    """The card's section on larger pictures, if the model has an upscaler that was measured."""
    if not network or not network.figures:
        return ""
    figures, resolution = network.figures, config.resolution
    side, noise, distance = figures["resolution"], figures["psnr"], figures["perceptual_distance"]
    made = "made by it" if is_nearer(figures) else "Lanczos's"
    return f"""
## Larger pictures

`upscaler.safetensors`, trained to double pictures of {side // 2} px, takes those of this model to {2 * resolution} \
and {4 * resolution} px.
{figures["pictures"]} {figures["measured_by"]} at half their size, enlarged, against the pictures themselves:

| | upscaler | Lanczos |
| --- | ---: | ---: |
| peak signal-to-noise ratio, dB (higher is better) | {noise["upscaler"]:.2f} | {noise["lanczos"]:.2f} |
| perceptual distance, EfficientNet-Lite2 (lower is better) | {distance["upscaler"]:.3f} | {distance["lanczos"]:.3f} |

The studio's larger downloads are {made}. Measured by `train.py --task upscaler`.
"""


COMPANION = Companion(
    "upscaler",
    UPSCALER_NAME,
    4 * 1024**2,
    lambda folder, config: load_upscaler(folder),
    section=_section,
    tensors=lambda found: found.state_dict().values(),
    remedy=REMEDY,
)
