"""The classifier: a residual convolutional network that tells styles apart and shows where it sees them.

Its head is linear on the mean of the last feature map, so that the same head on each place of that map is an exact
class-activation map (arXiv:1512.04150).
"""

from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from artmodels.io.moved import moved
from artmodels.io.safetensors_io import (
    check_config_types,
    check_style_names,
)

STRIDE = 8  # px of the picture for each place of the last feature map

__getattr__ = moved(
    __name__,
    dict.fromkeys(("check_figures", "load_classifier", "save_classifier"), "artmodels.hub.companions.classifier"),
)


@dataclass(frozen=True)
class ClassifierConfig:
    """What a classifier is built from.

    Raises:
        ValueError: a value is of the wrong type or out of range.
    """

    resolution: int  # px at which it looks
    styles: tuple[str, ...]
    width: int = 48  # channels of the first stage; each of the two further ones has twice as many
    blocks: int = 2  # residual blocks of a stage
    dropout: float = 0.0  # share of the pooled features hidden while training

    def __post_init__(self):
        check_config_types(self)
        object.__setattr__(self, "styles", tuple(self.styles))
        check_style_names(self.styles)
        if self.resolution % STRIDE or not 16 <= self.resolution <= 256:
            raise ValueError(f"resolution must be a multiple of {STRIDE} from 16 to 256, found {self.resolution}")
        if not 4 <= self.width <= 96:
            raise ValueError(f"width must be between 4 and 96, found {self.width}: try 48")
        if not 1 <= self.blocks <= 4:
            raise ValueError(f"blocks must be between 1 and 4, found {self.blocks}: try 2")
        if not 0 <= self.dropout < 1:
            raise ValueError(f"dropout must be at least 0 and below 1, found {self.dropout}: try 0.2")


class ResidualBlock(nn.Module):
    """Two 3x3 convolutions with batch norm beside a short cut (ResNet, arXiv:1512.03385)."""

    def __init__(self, in_channels: int, channels: int, stride: int):
        super().__init__()
        self.conv1 = nn.Conv2d(in_channels, channels, 3, stride, 1, bias=False)
        self.norm1 = nn.BatchNorm2d(channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, 1, 1, bias=False)
        self.norm2 = nn.BatchNorm2d(channels)
        self.short_cut: nn.Module = nn.Identity()
        if stride > 1 or in_channels != channels:
            self.short_cut = nn.Sequential(
                nn.AvgPool2d(stride) if stride > 1 else nn.Identity(),  # a strided 1x1 would drop three pixels of four
                nn.Conv2d(in_channels, channels, 1, bias=False),
                nn.BatchNorm2d(channels),
            )
        nn.init.zeros_(self.norm2.weight)  # a block begins as its short cut (arXiv:1706.02677)

    def forward(self, x: Tensor) -> Tensor:
        hidden = F.relu(self.norm1(self.conv1(x)))
        return F.relu(self.norm2(self.conv2(hidden)) + self.short_cut(x))


class StyleClassifier(nn.Module):
    """Pictures `[N, 3, H, W]` in [-1, 1], of any size, to logits `[N, styles]`; differentiable to the picture."""

    temperature: Tensor  # [], what logits are divided by to be calibrated

    def __init__(self, config: ClassifierConfig):
        super().__init__()
        self.config = config
        self.figures: dict[str, Any] = {}  # what it was measured to do; see `classification_figures`
        width = config.width
        self.stem = nn.Sequential(
            nn.Conv2d(3, width, 3, 2, 1, bias=False),
            nn.BatchNorm2d(width),
            nn.ReLU(),
            nn.Conv2d(width, width, 3, 2, 1, bias=False),
            nn.BatchNorm2d(width),
            nn.ReLU(),
        )
        self.stages = nn.Sequential()
        channels = width
        for stage in range(3):
            for block in range(config.blocks):
                stride = 2 if stage == 1 and not block else 1  # the last stage keeps its places, for finer maps
                self.stages.append(ResidualBlock(channels, width << stage, stride))
                channels = width << stage
        self.head = nn.Linear(channels, len(config.styles))
        self.register_buffer("temperature", torch.ones(()))

    def features(self, pictures: Tensor) -> Tensor:
        """The last feature map `[N, 4 * width, resolution / 8, resolution / 8]`, at least 0."""
        side = self.config.resolution
        if pictures.shape[2:] != (side, side):
            pictures = F.interpolate(pictures, size=(side, side), mode="bicubic", antialias=True)
        pictures = pictures.contiguous(memory_format=torch.channels_last)
        return self.stages(self.stem(pictures))

    def forward(self, pictures: Tensor) -> Tensor:
        pooled = self.features(pictures).mean(dim=(2, 3))
        return self.head(F.dropout(pooled, self.config.dropout, self.training))

    def probabilities(self, pictures: Tensor) -> Tensor:
        """Calibrated: `[N, styles]`, each row sums to 1 (temperature scaling, arXiv:1706.04599)."""
        return (self(pictures) / self.temperature).softmax(dim=1)

    def activation_maps(self, pictures: Tensor) -> Tensor:
        """How much each place speaks for each style: `[N, styles, h, w]`, whose mean over the places are the logits."""
        return F.conv2d(self.features(pictures), self.head.weight[:, :, None, None], self.head.bias)

    @property
    def parameter_count(self) -> int:
        return sum(parameter.numel() for parameter in self.parameters())
