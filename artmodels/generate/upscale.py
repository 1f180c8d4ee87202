"""Pictures larger than they were painted, and how large they are on paper."""

import numpy as np
from PIL import Image
from torch import Tensor

from artmodels.data.decode import to_tensor
from artmodels.generate.sampling import to_images
from artmodels.models.upscaler import Upscaler

FACTORS = (1, 2, 4)
PRINT_DOTS_PER_INCH = 300


def enlarge(image: Image.Image, factor: int, upscaler: Upscaler | None = None) -> Image.Image:
    """The image at 1, 2 or 4 times its width and height, by an upscaler, or without one by Lanczos resampling.

    1 gives the image itself; 4 is twice 2.

    Raises:
        ValueError: another factor.
    """
    if factor not in FACTORS:
        raise ValueError(f"pictures are enlarged 1, 2 or 4 times, found {str(factor)[:40]}: choose one of these")
    if factor == 1:
        return image
    if upscaler is None:
        return image.resize((image.width * factor, image.height * factor), Image.Resampling.LANCZOS)
    picture = from_image(image).to(next(upscaler.parameters()).device)
    for _ in range(FACTORS.index(factor)):
        picture = upscaler.enlarge(picture)
    return to_images(picture)[0]


def from_image(image: Image.Image) -> Tensor:
    """An RGB image as a picture `[1, 3, H, W]` in [-1, 1]."""
    return to_tensor(np.array(image)[None])
