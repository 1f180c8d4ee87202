"""Building blocks of the generator and of the discriminator's heads."""

import math
from typing import TypeVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

ModuleType = TypeVar("ModuleType", bound=nn.Module)


def normalise_latents(z: Tensor) -> Tensor:
    """Scale each latent `[N, D]` to the sphere of radius sqrt(D) (the pixel norm of PGGAN, arXiv:1710.10196)."""
    return z * torch.rsqrt(z.square().mean(dim=1, keepdim=True) + 1e-8)


class Modulation(nn.Module):
    """A modulation vector `[N, D]` to a scale around 1 and a shift around 0 per channel (FiLM, arXiv:1709.07871)."""

    def __init__(self, latent_dim: int, channels: int):
        super().__init__()
        self.affine = nn.Linear(latent_dim, 2 * channels)
        nn.init.normal_(self.affine.weight, std=0.25 / math.sqrt(latent_dim))
        nn.init.zeros_(self.affine.bias)

    def forward(self, w: Tensor) -> tuple[Tensor, Tensor]:
        """The scale and the shift, `[N, C, 1, 1]` each."""
        scale, shift = self.affine(w)[:, :, None, None].chunk(2, dim=1)
        return 1 + scale, shift


def channels_last(module: ModuleType) -> ModuleType:
    """The module itself, with its kernels in the memory format that convolutions are fastest in."""
    return module.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # PyTorch's stub lacks it


class ModulatedConv(nn.Module):
    """3x3 convolution, batch norm, modulation, gated linear unit: `[N, in, H, W]` -> `[N, out, H, W]`."""

    def __init__(self, in_channels: int, out_channels: int, latent_dim: int):
        super().__init__()
        self.conv = nn.Conv2d(in_channels, 2 * out_channels, 3, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(2 * out_channels, affine=False)  # the modulation is its affine part
        self.modulation = Modulation(latent_dim, 2 * out_channels)

    def forward(self, x: Tensor, w: Tensor) -> Tensor:
        x = self.conv(x)
        scale, shift = self.modulation(w)
        if self.training:
            x = self.norm(x)
        else:  # one pass over the features instead of two: the statistics are constants, as the modulation is
            mean, variance = self.norm.running_mean, self.norm.running_var
            assert mean is not None and variance is not None  # it tracks both
            scale = scale * torch.rsqrt(variance + self.norm.eps)[:, None, None]
            shift = shift - scale * mean[:, None, None]
        return F.glu(torch.addcmul(shift, x, scale), dim=1)


class UpBlock(nn.Module):
    """Double the resolution, and `convs` modulated convolutions: `[N, in, H, W]` -> `[N, out, 2H, 2W]`.

    A `late` block doubles after its first convolution, which then takes a quarter of the work.
    """

    def __init__(self, in_channels: int, out_channels: int, latent_dim: int, convs: int, late: bool = False):
        super().__init__()
        self.doubled_before = int(late)  # the place of the first convolution at the doubled resolution
        self.convs = nn.ModuleList(
            ModulatedConv(in_channels if i == 0 else out_channels, out_channels, latent_dim) for i in range(convs)
        )

    @staticmethod
    def double_resolution(x: Tensor) -> Tensor:
        return F.interpolate(x, scale_factor=2.0, mode="bilinear", align_corners=False)

    def forward(self, x: Tensor, w: Tensor) -> Tensor:
        for place, conv in enumerate(self.convs):
            if place == self.doubled_before:
                x = self.double_resolution(x)
            x = conv(x, w)
        return x


class SkipExcitation(nn.Module):
    """Channel gates in (0, 1) for a fine feature map from a coarse one (FastGAN, arXiv:2101.04775, section 3.1)."""

    def __init__(self, coarse_channels: int, fine_channels: int):
        super().__init__()
        self.squeeze = nn.Conv2d(coarse_channels, fine_channels, 4)
        self.excite = nn.Conv2d(fine_channels, fine_channels, 1)

    def forward(self, coarse: Tensor, fine: Tensor) -> Tensor:
        gate = F.silu(self.squeeze(F.adaptive_avg_pool2d(coarse, 4)))
        return fine * torch.sigmoid(self.excite(gate))


def normalised_conv(in_channels: int, out_channels: int, kernel: int, stride: int = 1) -> nn.Module:
    """A convolution held to spectral norm 1 (arXiv:1802.05957)."""
    return spectral_norm(nn.Conv2d(in_channels, out_channels, kernel, stride, padding=(kernel - 1) // 2))
