"""The projected discriminator (Projected GAN, arXiv:2111.01007): frozen features, random mixing, small trained heads.

It comes in two modules, because only the second one learns: `FeatureProjector` holds the frozen network and the fixed
random convolutions, `DiscriminatorHeads` the parameters that training updates and a checkpoint keeps.
"""

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from artmodels.models.efficientnet import load_efficientnet
from artmodels.models.layers import channels_last, normalised_conv

STRIDES = (4, 8, 16, 32)


class FeatureProjector(nn.Module):
    """Pictures to four feature maps, mixed across channels and, coarse to fine, across scales by fixed random weights.

    The random weights are drawn from `seed`, so a checkpoint need not hold them.
    """

    def __init__(self, channels: Sequence[int], feature_resolution: int, seed: int, variant: int = 0):
        super().__init__()
        self.feature_resolution = feature_resolution
        self.network = load_efficientnet(variant)
        self.channel_mixing = nn.ModuleList(
            nn.Conv2d(found, wanted, 1) for found, wanted in zip(self.network.scale_channels, channels, strict=True)
        )
        self.scale_mixing = nn.ModuleList(nn.Conv2d(coarse, fine, 3, padding=1) for fine, coarse in pairwise(channels))
        generator = torch.Generator().manual_seed(seed)
        for conv in [*self.channel_mixing, *self.scale_mixing]:
            fan_in = conv.weight[0].numel()
            with torch.no_grad():
                conv.weight.normal_(0, math.sqrt(1 / fan_in), generator=generator)
                conv.bias.zero_()
        channels_last(self.requires_grad_(False)).eval()

    def forward(self, pictures: Tensor) -> list[Tensor]:
        """Pictures `[N, 3, H, W]` in [-1, 1] to maps at strides 4, 8, 16 and 32 of the feature resolution."""
        if pictures.shape[-1] != self.feature_resolution:
            pictures = F.interpolate(pictures, size=self.feature_resolution, mode="bilinear", antialias=True)
        maps = [mix(scale) for mix, scale in zip(self.channel_mixing, self.network.scales(pictures), strict=True)]
        for index in reversed(range(len(maps) - 1)):
            coarse = F.interpolate(maps[index + 1], scale_factor=2.0, mode="nearest")
            maps[index] = maps[index] + self.scale_mixing[index](coarse)
        return maps


class Head(nn.Module):
    """One map to logits `[N, h * w]`: halve it down to 4 px, then an unconditional and a style-projection logit each.

    The projection is that of arXiv:1802.05637: <embedding of the style, features>.
    """

    def __init__(self, channels: int, size: int, hidden: int, styles: int):
        super().__init__()
        self.body = nn.Sequential()
        while size > 4:
            self.body.append(normalised_conv(channels, hidden, 3, stride=2))
            self.body.append(nn.LeakyReLU(0.2))
            channels, size = hidden, size // 2
        self.body.append(normalised_conv(channels, hidden, 3))
        self.body.append(nn.LeakyReLU(0.2))
        self.unconditional = normalised_conv(hidden, 1, 1)
        self.embedding = nn.Parameter(torch.randn(styles, hidden) / math.sqrt(hidden)) if styles > 1 else None

    def forward(self, feature_map: Tensor, style_weights: Tensor) -> Tensor:
        features = self.body(feature_map)
        logits = self.unconditional(features)
        if self.embedding is not None:
            style = style_weights @ self.embedding  # [N, hidden]
            logits = logits + (features * style[:, :, None, None]).sum(dim=1, keepdim=True)
        return logits.flatten(1)


class Verdict(NamedTuple):
    """What the heads make of a batch of pictures."""

    realness: list[Tensor]  # [N, K] logits of each head, one for each of its K places
    style: Tensor  # [N, styles] logits of the style probe


class StyleProbe(nn.Module):
    """A linear reader of style: the channels' means over all four maps to logits `[N, styles]`."""

    def __init__(self, channels: Sequence[int], styles: int):
        super().__init__()
        self.norm = nn.LayerNorm(sum(channels))
        self.linear = nn.Linear(sum(channels), styles)

    def forward(self, feature_maps: list[Tensor]) -> Tensor:
        pooled = [feature_map.float().mean(dim=(2, 3)) for feature_map in feature_maps]
        return self.linear(self.norm(torch.cat(pooled, dim=1)))


class DiscriminatorHeads(nn.Module):
    """Four maps and style weights `[N, styles]` to what they tell: real or painted, and which style.

    With one style there is no projection: the heads are then unconditional.
    """

    def __init__(self, channels: Sequence[int], feature_resolution: int, hidden: int, styles: int):
        super().__init__()
        self.probe = StyleProbe(channels, styles)
        self.heads = nn.ModuleList(
            Head(wanted, feature_resolution // stride, hidden, styles)
            for wanted, stride in zip(channels, STRIDES, strict=True)
        )

    def forward(self, feature_maps: list[Tensor], style_weights: Tensor) -> Verdict:
        realness = [head(scale, style_weights) for head, scale in zip(self.heads, feature_maps, strict=True)]
        return Verdict(realness, self.probe(feature_maps))
