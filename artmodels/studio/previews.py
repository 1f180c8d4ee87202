"""Previews: much the same pictures, sooner, for what is looked at small; whatever is taken away is painted exactly."""

import os

import torch
from torch import Tensor

from artmodels.generate.sampling import paint_rows
from artmodels.hub.pretrained import ArtGenerator
from artmodels.io.device import best_precision

SWITCH = "ARTMODELS_PREVIEWS"


def preview_rows(generator: ArtGenerator, w: Tensor) -> Tensor:
    """`paint_rows` with convolutions in bf16."""
    with torch.autocast(generator.mean_w.device.type, torch.bfloat16):
        return paint_rows(generator, w)


def previews_pay(generator: ArtGenerator) -> bool:
    """Whether previews come sooner here: on a CPU that multiplies bf16 in hardware, unless the switch is off.

    Raises:
        ValueError: the switch is neither on nor off.
    """
    wished = os.environ.get(SWITCH) or "on"
    if wished not in ("on", "off"):
        raise ValueError(f"{SWITCH} must be on or off, found {wished[:40]!r}")
    return wished == "on" and generator.mean_w.device.type == "cpu" and best_precision() == "bf16"
