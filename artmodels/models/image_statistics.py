"""Light and colour of a picture in numbers, differentiable to its pixels, and the detail that several share."""

import math
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

LUMA = (0.299, 0.587, 0.114)  # of red, green and blue, ITU-R BT.601
FAINT = 0.01  # contrast, or steepness, below which there is nothing to see
PALE = 0.05  # saturation, below which a hue says little
TONES = 5  # of the histogram of light, from black to white
HUES = 12  # of the histogram of hues: red, orange, yellow, ...
HUE_SHARPNESS = 6.0  # of a hue's bell: it has fallen to a half 28 degrees away
DETAIL = 9  # px: side of the squares from whose mean fine detail differs
NO_DETAIL = 0.02  # detail, from -1 to 1, that is too faint to be brought up
COLOUR_STATISTICS = 3 + 4 + TONES + 2 * HUES + 2


def luma(pictures: Tensor) -> Tensor:
    """`[N, 3, H, W]` in [-1, 1] to how light each pixel is, `[N, H, W]` in [0, 1]."""
    return ((pictures + 1) / 2 * pictures.new_tensor(LUMA).view(3, 1, 1)).sum(dim=1)


def brightness(pictures: Tensor) -> Tensor:
    """Mean luma: 0 black, 1 white."""
    return luma(pictures).mean(dim=(1, 2))


def contrast(pictures: Tensor) -> Tensor:
    """Standard deviation of luma over the pixels: 0 for one tone, 0.5 for half black and half white."""
    return (luma(pictures).var(dim=(1, 2), correction=0) + 1e-8).sqrt()


def saturation(pictures: Tensor) -> Tensor:
    """Mean difference of a pixel's largest and smallest channel: 0 grey, 1 pure colours."""
    return ((pictures.amax(dim=1) - pictures.amin(dim=1)) / 2).mean(dim=(1, 2))


def warmth(pictures: Tensor) -> Tensor:
    """Mean of red minus blue, over the saturation: -1 all blue, 1 all red, whether the colours are faint or strong."""
    red, _, blue = (pictures / 2).mean(dim=(2, 3)).unbind(1)
    return (red - blue) / (saturation(pictures) + PALE)


def tint(pictures: Tensor) -> Tensor:
    """Mean of red and blue minus green, over the saturation: -1 all green, 1 all magenta."""
    red, green, blue = (pictures / 2).mean(dim=(2, 3)).unbind(1)
    return ((red + blue) / 2 - green) / (saturation(pictures) + PALE)


def busyness(pictures: Tensor) -> Tensor:
    """Logarithm of the mean steepness of luma, from a pixel to the next, over its contrast; 0 for one tone.

    Detail, that is, whatever the contrast: large quiet shapes have little of it, hatching and foliage much.
    """
    light = luma(pictures)
    across, down = light[:, :-1, 1:] - light[:, :-1, :-1], light[:, 1:, :-1] - light[:, :-1, :-1]
    steepness = (across.square() + down.square() + 1e-8).sqrt().mean(dim=(1, 2))
    return torch.log((steepness + FAINT) / (contrast(pictures) + FAINT))


def light_from_above(pictures: Tensor) -> Tensor:
    """Mean luma of the upper half minus that of the lower half: skies and horizons."""
    upper, lower = luma(pictures).chunk(2, dim=1)
    return upper.mean(dim=(1, 2)) - lower.mean(dim=(1, 2))


def light_in_the_centre(pictures: Tensor) -> Tensor:
    """Mean luma of the middle (half the height and width) minus that of the rest: spotlights, and vignettes below 0."""
    light = luma(pictures)
    height, width = light.shape[1:]
    top, left = height // 4, width // 4
    middle = light[:, top : height - top, left : width - left]
    inside = middle.numel() / light.numel()
    mean = middle.mean(dim=(1, 2))
    return (mean - light.mean(dim=(1, 2))) / (1 - inside)


ATTRIBUTES: dict[str, Callable[[Tensor], Tensor]] = {
    "brightness": brightness,
    "contrast": contrast,
    "saturation": saturation,
    "warmth": warmth,
    "tint": tint,
    "busyness": busyness,
    "light from above": light_from_above,
    "light in the centre": light_in_the_centre,
}


def measure(pictures: Tensor) -> Tensor:
    """Pictures `[N, 3, H, W]` in [-1, 1] to `[N, attributes]`, in the order of `ATTRIBUTES`."""
    return torch.stack([attribute(pictures) for attribute in ATTRIBUTES.values()], dim=1)


def shared_detail(pictures: Tensor) -> Tensor:
    """How much of the fine detail of different pictures is the same at the same places: 0 none, 1 all; a scalar.

    Root mean square of the cosines between all pairs of `[N, 3, H, W]` in [-1, 1], of how each pixel differs from the
    mean of the square around it, brought to one strength everywhere: faint detail on even ground counts as much as
    strong one, and a pattern that is light in one picture and dark in another as much as one that is the same.
    """
    detail = F.normalize(_even_out(pictures - _around(pictures)).flatten(1))
    squares = (detail @ detail.T).square()
    count = len(pictures)
    return ((squares.sum() - squares.diagonal().sum()) / (count * (count - 1)) + 1e-8).sqrt()


def _even_out(detail: Tensor) -> Tensor:
    return detail * torch.rsqrt(_around(detail.square()) + NO_DETAIL**2)


def _around(planes: Tensor) -> Tensor:
    """Mean of the square around each pixel, as far as it lies within the picture."""
    return F.avg_pool2d(planes, DETAIL, 1, DETAIL // 2, count_include_pad=False)


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
