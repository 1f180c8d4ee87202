"""Growing a generator: more resolution, and at first the same pictures, enlarged (after Net2Net, arXiv:1511.05641).

The random start of a new block would throw away what the blocks below have learned, until it has learned to pass their
picture on. Here three channels of every new block carry the picture from the start: its first convolution reads it off
the features of the block below, by least squares; every later one hands it on unchanged. Their batch norm is undone by
their modulation, and their gates stand open. All other channels start at random, and join in as training lets them.
"""

from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor

from artmodels.generate.sampling import draw_latents
from artmodels.hub.pretrained import ArtGenerator
from artmodels.models.layers import ModulatedConv, SkipExcitation, UpBlock

RGB = 3  # channels that carry the picture, the first ones of a block
OPEN = 3.0  # logit of an open gate: 0.95 of a channel comes through, and it still learns
LATENTS_PER_STYLE = 8
PLACES = 64  # taken of each picture for the least squares
RIDGE = 1e-4  # of the features' mean square: channels may repeat each other


@torch.no_grad()
def carry_picture(generator: ArtGenerator, model: ArtGenerator) -> None:
    """Set the blocks above the model's resolution, and the last convolution, to paint the model's pictures, enlarged.

    `generator` has the blocks of `model` already; its channels must be `RGB` or more, else nothing is changed.
    """
    config, known = generator.config, len(model.config.resolutions)
    new = config.resolutions[known:]
    if config.width < RGB or not new:
        return
    styles = torch.eye(len(model.config.styles)).repeat_interleave(LATENTS_PER_STYLE, dim=0)
    w = model.mapping(draw_latents(range(len(styles)), config.latent_dim), styles)
    features = model.eval().features(w)
    picture = model.to_rgb(features[model.config.resolution])  # before tanh
    excitations = dict(generator.excitations.items())
    for module, res in zip(generator.blocks[known - 1 :], new, strict=True):
        block = cast(UpBlock, module)
        excitation = cast(SkipExcitation | None, excitations.get(str(res)))
        features[res] = features[res // 2]
        layers = [cast(ModulatedConv, layer) for layer in block.convs]
        for number, layer in enumerate(layers):
            if number == block.doubled_before:
                picture = F.interpolate(picture, scale_factor=2.0, mode="bicubic", align_corners=False)
                features[res] = block.double_resolution(features[res])
            last = number + 1 == len(layers)
            _carry(layer, features[res], picture, read=number == 0, gates=2 if last and excitation else 1)
            features[res] = layer.eval()(features[res], w[:, 1])
        if excitation:
            _open(excitation)
            features[res] = excitation(features[res // 8], features[res])
        picture = features[res][:, :RGB]
    generator.to_rgb.weight.zero_()
    generator.to_rgb.weight[range(RGB), range(RGB), 1, 1] = 1
    assert generator.to_rgb.bias is not None
    generator.to_rgb.bias.zero_()


def _carry(layer: ModulatedConv, found: Tensor, picture: Tensor, read: bool, gates: int) -> None:
    """Let the first channels of a layer give the picture `[N, 3, H, W]`, from features `found: [N, C, H, W]`."""
    gate = slice(layer.conv.out_channels // 2, layer.conv.out_channels // 2 + RGB)
    weight, affine = layer.conv.weight, layer.modulation.affine
    if read:
        weight[:RGB] = _fit(found, picture)
    else:
        weight[:RGB] = 0
        weight[range(RGB), range(RGB), 1, 1] = 1
    before = layer.conv(found)
    mean, variance = layer.norm.running_mean, layer.norm.running_var
    assert mean is not None and variance is not None  # it tracks both
    mean.copy_(before.mean(dim=(0, 2, 3)))
    variance.copy_(before.var(dim=(0, 2, 3)))
    openness = torch.sigmoid(torch.tensor(OPEN)) ** gates
    scale, shift = affine.bias.chunk(2)  # views; the scale is added to 1
    for rows in affine.weight.chunk(2):
        rows[:RGB] = 0
        rows[gate] = 0
    scale[:RGB] = torch.sqrt(variance[:RGB] + layer.norm.eps) / openness - 1
    shift[:RGB] = picture.mean(dim=(0, 2, 3)) / openness
    scale[gate] = -1
    shift[gate] = OPEN


def _fit(found: Tensor, picture: Tensor) -> Tensor:
    """The 3x3 kernels `[3, C, 3, 3]` that read the picture off the features best, but for a constant."""
    patches = F.unfold(found, 3, padding=1)  # [N, C * 9, H * W]
    places = torch.linspace(0, patches.shape[2] - 1, PLACES).long()
    stride = torch.arange(len(found))[:, None] * 7 + places  # not the same places in every picture
    chosen = (stride % patches.shape[2])[:, None]
    inputs = patches.gather(2, chosen.expand(-1, patches.shape[1], -1)).transpose(1, 2).flatten(0, 1).double()
    wanted = picture.flatten(2).gather(2, chosen.expand(-1, RGB, -1)).transpose(1, 2).flatten(0, 1).double()
    inputs, wanted = inputs - inputs.mean(dim=0), wanted - wanted.mean(dim=0)
    squares = inputs.T @ inputs
    squares.diagonal().add_(RIDGE * squares.diagonal().mean())
    kernels = torch.linalg.solve(squares, inputs.T @ wanted)  # [C * 9, 3]
    return kernels.T.reshape(RGB, found.shape[1], 3, 3).to(found.dtype)


def _open(excitation: SkipExcitation) -> None:
    """Let the first channels through, whatever the coarse features say."""
    assert excitation.excite.bias is not None
    excitation.excite.weight[:RGB] = 0
    excitation.excite.bias[:RGB] = OPEN
