"""The discriminator: frozen features, fixed random mixing of their channels, small trained heads that judge each place.

Projected GAN (arXiv:2111.01007) with the heads of PatchGAN (arXiv:1611.07004): a logit sees a few places of a fine map,
so it judges brushwork and edges. What a picture shows and how it is laid out is not its business; a discriminator that
judges that too rewards the few compositions that fool it best, and the others are lost.

It comes in two modules, because only the second one learns: `FeatureProjector` holds the frozen network and the fixed
random convolutions, `DiscriminatorHeads` the parameters that training updates and a checkpoint keeps.
"""

import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from artmodels.models.efficientnet import load_efficientnet
from artmodels.models.layers import channels_last, normalised_conv

STRIDES = (4, 8, 16, 32)
LATENT_GAIN = 3.0  # length of a latent beside a style, whose is 1


class FeatureProjector(nn.Module):
    """Pictures to the finest of the network's feature maps, as many as `channels` names, their channels mixed.

    The weights of the mixing are random, fixed and drawn from `seed`, so a checkpoint need not hold them.
    """

    def __init__(self, channels: Sequence[int], feature_resolution: int, seed: int, variant: int = 0):
        super().__init__()
        self.feature_resolution = feature_resolution
        self.network = load_efficientnet(variant)
        found = self.network.scale_channels[: len(channels)]
        mixing = [nn.Conv2d(own, wanted, 1, bias=False) for own, wanted in zip(found, channels, strict=True)]
        generator = torch.Generator().manual_seed(seed)
        for conv in mixing:
            nn.init.normal_(conv.weight, 0, math.sqrt(1 / conv.in_channels), generator)
        self.channel_mixing = nn.ModuleList(mixing)
        channels_last(self.requires_grad_(False)).eval()

    def forward(self, pictures: Tensor) -> list[Tensor]:
        """Pictures `[N, 3, H, W]` in [-1, 1] to mixed maps at strides 4, 8, ... of the feature resolution."""
        maps = self.scales(pictures)[: len(self.channel_mixing)]
        return [mix(scale) for mix, scale in zip(self.channel_mixing, maps, strict=True)]

    def scales(self, pictures: Tensor) -> list[Tensor]:
        """Pictures `[N, 3, H, W]` in [-1, 1] to the network's own four maps, at strides 4, 8, 16 and 32."""
        if pictures.shape[-1] != self.feature_resolution:
            pictures = F.interpolate(pictures, size=self.feature_resolution, mode="bilinear", antialias=True)
        return self.network.scales(pictures)


class Head(nn.Module):
    """One map to a logit for each of its places `[N, h * w]`, of which each sees five by five.

    The logit is one for any picture plus a projection of the condition (arXiv:1802.05637): <its embedding, features>.
    """

    def __init__(self, channels: int, hidden: int, conditions: int):
        super().__init__()
        self.body = nn.Sequential(
            normalised_conv(channels, hidden, 3),
            nn.LeakyReLU(0.2),
            normalised_conv(hidden, hidden, 3),
            nn.LeakyReLU(0.2),
        )
        self.unconditional = normalised_conv(hidden, 1, 1)
        self.embedding = nn.Parameter(torch.randn(conditions, hidden) / math.sqrt(hidden)) if conditions else None

    def forward(self, feature_map: Tensor, condition: Tensor) -> Tensor:
        features = self.body(feature_map)
        logits = self.unconditional(features)
        if self.embedding is not None:
            projected = condition @ self.embedding  # [N, hidden]
            logits = logits + (features * projected[:, :, None, None]).sum(dim=1, keepdim=True)
        return logits.flatten(1)


class DiscriminatorHeads(nn.Module):
    """Feature maps and what they are to show to logits of each map: real where positive, painted where negative.

    What a picture is to show are its style and its latent: a painting that could be real, but of another picture, is
    told by them (instance-conditioned GAN, arXiv:2109.05070). With one style and no latents the heads are
    unconditional.
    """

    def __init__(self, channels: Sequence[int], hidden: int, styles: int, latent_dim: int = 0):
        super().__init__()
        conditions = (styles if styles > 1 else 0) + latent_dim
        self.styles, self.latent_dim = styles, latent_dim
        self.heads = nn.ModuleList(Head(wanted, hidden, conditions) for wanted in channels)

    def forward(self, feature_maps: list[Tensor], style_weights: Tensor, latents: Tensor | None = None) -> list[Tensor]:
        """Maps, style weights `[N, styles]` and latents `[N, latent_dim]`; without these, it may be any picture."""
        condition = style_weights if self.styles > 1 else style_weights[:, :0]
        if self.latent_dim:
            z = style_weights.new_zeros(len(style_weights), self.latent_dim) if latents is None else latents
            condition = torch.cat([condition, LATENT_GAIN * F.normalize(z, dim=1)], dim=1)
        return [head(scale, condition) for head, scale in zip(self.heads, feature_maps, strict=True)]
