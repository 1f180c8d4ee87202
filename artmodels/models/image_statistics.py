"""What can be measured of a picture and has a name: one differentiable number for each picture."""

from collections.abc import Callable

import torch
from torch import Tensor

LUMA = (0.299, 0.587, 0.114)  # of red, green and blue, ITU-R BT.601
FAINT = 0.01  # contrast, or steepness, below which there is nothing to see
PALE = 0.05  # saturation, below which a hue says little


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
