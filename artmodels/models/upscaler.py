"""The upscaler: a small sub-pixel convolutional network that doubles pictures; a model's companion.

Its convolutions work at the small size, and the last one gives four pixels for each (ESPCN, arXiv:1609.05158); its
residual blocks have no batch norm (EDSR, arXiv:1707.02921). What it adds, it adds to the bicubic enlargement.
"""

from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from artmodels.io.safetensors_io import (
    check_config_types,
)

FACTOR = 2
METHODS = ("upscaler", "lanczos")
MEASURES = ("psnr", "perceptual_distance")
TILE = 256  # px that are enlarged at once, so that large pictures need no more memory


@dataclass(frozen=True)
class UpscalerConfig:
    """What an upscaler is built from.

    Raises:
        ValueError: a value is of the wrong type or out of range.
    """

    width: int = 32  # channels
    blocks: int = 6

    def __post_init__(self):
        check_config_types(self)
        if not 4 <= self.width <= 64:
            raise ValueError(f"width must be between 4 and 64, found {self.width}: try 32")
        if not 1 <= self.blocks <= 16:
            raise ValueError(f"blocks must be between 1 and 16, found {self.blocks}: try 6")

    @property
    def reach(self) -> int:
        """Pixels around one that its enlargement depends on: all convolutions, and the bicubic's two."""
        return 2 + 2 * self.blocks


class Upscaler(nn.Module):
    """Pictures `[N, 3, H, W]` in [-1, 1] to `[N, 3, 2H, 2W]`, not held within [-1, 1]."""

    def __init__(self, config: UpscalerConfig):
        super().__init__()
        self.config = config
        self.figures: dict[str, Any] = {}  # what it was measured to do; see `measure_upscaler`
        self.first = _conv(3, config.width)
        blocks = [
            nn.Sequential(_conv(config.width, config.width), nn.ReLU(), _conv(config.width, config.width))
            for _ in range(config.blocks)
        ]
        self.blocks = nn.ModuleList(blocks)
        self.last = _conv(config.width, 3 * FACTOR**2)
        for end in (self.last, *(block[-1] for block in blocks)):  # it begins as the bicubic enlargement
            for parameter in end.parameters():
                nn.init.zeros_(parameter)

    def forward(self, pictures: Tensor) -> Tensor:
        x = self.first(pictures.contiguous(memory_format=torch.channels_last))
        for block in self.blocks:
            x = x + block(x)
        plain = F.interpolate(pictures, scale_factor=float(FACTOR), mode="bicubic", align_corners=False)
        return plain + F.pixel_shuffle(self.last(x), FACTOR)

    @torch.no_grad()
    def enlarge(self, picture: Tensor) -> Tensor:
        """One picture `[1, 3, H, W]` to `[1, 3, 2H, 2W]` in [-1, 1], tile by tile, to the same as in one piece."""
        height, width, margin = *picture.shape[2:], self.config.reach
        large = picture.new_empty(1, 3, FACTOR * height, FACTOR * width)
        for top in range(0, height, TILE):
            for left in range(0, width, TILE):
                bottom, right = min(top + TILE, height), min(left + TILE, width)
                above, before = max(top - margin, 0), max(left - margin, 0)
                tile = self(picture[:, :, above : bottom + margin, before : right + margin])
                rows = slice(FACTOR * (top - above), FACTOR * (bottom - above))
                columns = slice(FACTOR * (left - before), FACTOR * (right - before))
                inside = large[:, :, FACTOR * top : FACTOR * bottom, FACTOR * left : FACTOR * right]
                inside.copy_(tile[:, :, rows, columns].clamp(-1, 1))
        return large

    @property
    def is_better(self) -> bool:
        """Whether its enlargements were measured to be nearer to the real pictures than Lanczos's, to the eye."""
        return bool(self.figures) and is_nearer(self.figures)

    @property
    def parameter_count(self) -> int:
        return sum(parameter.numel() for parameter in self.parameters())


def is_nearer(figures: dict[str, Any]) -> bool:
    """Whether figures of `measure_upscaler` say that the upscaler is nearer to the eye than Lanczos."""
    distance = figures["perceptual_distance"]
    return distance["upscaler"] < distance["lanczos"]


def _conv(in_channels: int, channels: int) -> nn.Conv2d:
    return nn.Conv2d(in_channels, channels, 3, padding=1, padding_mode="replicate")
