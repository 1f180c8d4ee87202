"""Light and colour of a picture in a few dozen numbers, differentiable to its pixels."""

import math

import torch
from torch import Tensor

LUMA = (0.299, 0.587, 0.114)  # of red, green and blue, ITU-R BT.601
TONES = 5  # of the histogram of light, from black to white
HUES = 12  # of the histogram of hues: red, orange, yellow, ...
HUE_SHARPNESS = 6.0  # of a hue's bell: it has fallen to a half 28 degrees away
COLOUR_STATISTICS = 3 + 4 + TONES + 2 * HUES + 2


def colour_statistics(pictures: Tensor) -> Tensor:
    """Pictures `[N, 3, H, W]` in [-1, 1] to `[N, COLOUR_STATISTICS]`, all about between 0 and 1.

    The mean of each channel; mean and spread of light and of colourfulness; a soft histogram of light; how much colour
    there is of each hue, in the dark and in the light parts; light above minus below, in the middle minus around.
    """
    rgb = (pictures.float() + 1) / 2
    red, green, blue = rgb.unbind(1)
    light = (rgb * rgb.new_tensor(LUMA).view(3, 1, 1)).sum(dim=1)  # [N, H, W]
    # Hue and chroma as a point in the plane across the grey axis: no division, so smooth for grey pixels too.
    across, up = red - (green + blue) / 2, (green - blue) * (math.sqrt(3) / 2)
    chroma = (across.square() + up.square() + 1e-6).sqrt()

    tones = torch.linspace(0, 1, TONES, device=light.device)
    histogram = [torch.exp(-((light - tone) * TONES).square()).mean(dim=(1, 2)) for tone in tones]
    hues = []
    for step in range(HUES):
        angle = 2 * math.pi * step / HUES
        near = (across * math.cos(angle) + up * math.sin(angle)) / chroma  # cosine of the angle between
        of_hue = chroma * torch.exp(HUE_SHARPNESS * (near - 1))
        hues += [(of_hue * (1 - light)).mean(dim=(1, 2)), (of_hue * light).mean(dim=(1, 2))]
    height, width = light.shape[1:]
    middle = light[:, height // 4 : height - height // 4, width // 4 : width - width // 4]
    upper, lower = light.chunk(2, dim=1)
    numbers = [
        *rgb.mean(dim=(2, 3)).unbind(1),
        *(f(part) for part in (light, chroma) for f in (_mean, _spread)),
        *histogram,
        *hues,
        _mean(upper) - _mean(lower),
        _mean(middle) - _mean(light),
    ]
    return torch.stack(numbers, dim=1)


def _mean(values: Tensor) -> Tensor:
    return values.mean(dim=(1, 2))


def _spread(values: Tensor) -> Tensor:
    return (values.var(dim=(1, 2), correction=0) + 1e-6).sqrt()
