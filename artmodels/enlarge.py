"""Pictures larger than they were painted, and how large they are on paper."""

from PIL import Image

FACTORS = (1, 2, 4)
PRINT_DOTS_PER_INCH = 300
CENTIMETRES_PER_INCH = 2.54


def enlarge(image: Image.Image, factor: int) -> Image.Image:
    """The image at 1, 2 or 4 times its width and height, by Lanczos resampling; 1 gives the image itself.

    Raises:
        ValueError: another factor.
    """
    if factor not in FACTORS:
        raise ValueError(f"pictures are enlarged 1, 2 or 4 times, found {str(factor)[:40]}: choose one of these")
    if factor == 1:
        return image
    return image.resize((image.width * factor, image.height * factor), Image.Resampling.LANCZOS)


def print_size(pixels: int, dots_per_inch: int = PRINT_DOTS_PER_INCH) -> float:
    """Centimetres that so many pixels fill on paper."""
    return pixels / dots_per_inch * CENTIMETRES_PER_INCH
