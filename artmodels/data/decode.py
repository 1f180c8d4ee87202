"""From a picture file's bytes to an upright square of RGB, and to a tensor."""

import io
from collections.abc import Callable

import numpy as np
import torch
import torch.nn.functional as F
from PIL import ExifTags, Image, ImageOps
from torch import Tensor

FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "TIFF", "GIF", "AVIF")  # no format whose decoder starts other programs
MIN_SIDE = 16  # px; less is an icon, not an artwork
MAX_PIXELS = 170_000_000  # a 13,000 px square; Pillow itself stops a little above
ORIENTATIONS = {  # EXIF's number -> what sets the picture upright
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


def to_tensor(pictures: np.ndarray, device: torch.device | str = "cpu") -> Tensor:
    """`uint8 [N, H, W, 3]` to a float picture tensor `[N, 3, H, W]` in [-1, 1], channels_last."""
    return levels_to_pictures(torch.from_numpy(np.ascontiguousarray(pictures)).to(device))


def levels_to_pictures(levels: Tensor) -> Tensor:
    """`uint8 [N, H, W, 3]` to a float picture tensor `[N, 3, H, W]` in [-1, 1], channels_last, where it lies."""
    return levels.permute(0, 3, 1, 2).float().div_(127.5).sub_(1)


def decode_picture(content: bytes, resolution: int, most: int = MAX_PIXELS) -> np.ndarray:
    """A picture file's bytes to a centred square `uint8 [resolution, resolution, 3]`.

    EXIF orientation is applied, alpha is laid over white, and grey, palette, CMYK and 16-bit become RGB; an animation
    gives its first frame. The file's picture may have `most` pixels.

    Raises:
        ValueError: not a picture, truncated, too small or too large; the message is the reason.
    """
    return _decode(content, resolution, lambda width, height: (resolution, resolution), most)


def decode_whole(content: bytes, longest: int, multiple: int = 8, most: int = MAX_PIXELS) -> np.ndarray:
    """Like `decode_picture`, in its own shape: `uint8 [H, W, 3]`, the longer side `longest` px, both of a `multiple`.

    What is longer than twice its width is cropped to that.

    Raises:
        ValueError: see `decode_picture`.
    """

    def size(width: int, height: int) -> tuple[int, int]:
        share = max(min(width, height) / max(width, height), 0.5)
        shorter = max(round(longest * share / multiple), 1) * multiple
        return (longest, shorter) if width >= height else (shorter, longest)

    return _decode(content, longest, size, most)


def _decode(content: bytes, resolution: int, size: Callable[[int, int], tuple[int, int]], most: int) -> np.ndarray:
    """A picture file's bytes, fitted to the width and height that `size` gives for those of the file, then upright."""
    Image.init()  # Pillow registers most formats only now; it does so once
    try:
        with Image.open(io.BytesIO(content), formats=FORMATS) as opened:
            picture: Image.Image = opened
            width, height = picture.size
            if min(width, height) < MIN_SIDE:
                raise ValueError(f"too small: {width} x {height} px, at least {MIN_SIDE} are needed")
            if width * height > most:
                raise ValueError(f"too large: {width} x {height} px, at most {most // 10**6} megapixels")
            if picture.mode == "RGB":  # let the JPEG decoder skip detail that Lanczos would throw away
                picture.draft("RGB", (4 * resolution, 4 * resolution))
            factor = min(picture.size) // (4 * resolution)
            turn = ORIENTATIONS.get(picture.getexif().get(ExifTags.Base.Orientation, 1))
            if factor > 1 and picture.mode in ("L", "RGB", "RGBA", "CMYK"):
                picture = picture.reduce(factor)
            fitted = ImageOps.fit(_to_rgb(picture), size(width, height), Image.Resampling.LANCZOS)
            return np.asarray(fitted if turn is None else fitted.transpose(turn))
    except ValueError:
        raise
    except Image.DecompressionBombError as error:
        raise ValueError(f"too large: at most {most // 10**6} megapixels") from error
    except Exception as error:  # a stranger's file can make a decoder raise anything
        raise ValueError(f"not a readable picture: {str(error)[:120] or type(error).__name__}") from error


def _to_rgb(picture: Image.Image) -> Image.Image:
    if picture.mode.startswith(("I", "F")):  # 16-bit, 32-bit and floating point greys: stretch what they span to 8 bits
        values = np.asarray(picture, dtype=np.float64)
        top = 65535.0 if picture.mode.startswith("I;16") or values.max() > 255 else 255.0
        if picture.mode == "F" and values.max() <= 1:
            top = 1.0
        values = np.nan_to_num(values / top).clip(0, 1) * 255 + 0.5
        return Image.fromarray(values.astype(np.uint8)).convert("RGB")
    if picture.has_transparency_data:
        picture = picture.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", picture.size, "white"), picture).convert("RGB")
    return picture.convert("RGB")


def resized(pictures: Tensor, height: int, width: int) -> Tensor:
    """Pictures `[N, 3, H, W]` at another size, bicubic and antialiased; the very same where they have it already."""
    if pictures.shape[2:] == (height, width):
        return pictures
    return F.interpolate(pictures, size=(height, width), mode="bicubic", antialias=True, align_corners=False)
