"""From a picture file's bytes to an upright square of RGB, and to a tensor."""

import io
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Condition

import numpy as np
import torch
import torch.nn.functional as F
from PIL import ExifTags, Image, ImageCms, ImageOps, UnidentifiedImageError
from torch import Tensor

LONGEST_SHAPE = 2  # times its shorter side is as long as `decode_whole` leaves a picture
FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "TIFF", "GIF", "AVIF")  # no format whose decoder starts other programs
MIN_SIDE = 16  # px; less is an icon, not an artwork
STRIP_PIXELS = 4_000_000  # that are RGB at once while a large picture is reduced
MAX_PROFILE_BYTES = 4_000_000  # of a colour profile
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


class PixelBudget:
    """So many pixels may be in memory at once, over all threads: whoever wants more waits until others are done."""

    def __init__(self, most: int):
        self.most, self.free, self.changed = most, most, Condition()

    @contextmanager
    def taking(self, pixels: int) -> Iterator[None]:
        pixels = min(pixels, self.most)
        with self.changed:
            self.changed.wait_for(lambda: pixels <= self.free)
            self.free -= pixels
        try:
            yield
        finally:
            with self.changed:
                self.free += pixels
                self.changed.notify_all()


AT_ONCE = PixelBudget(MAX_PIXELS)  # one of the largest, which takes over a gigabyte, or several that are smaller


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
        MemoryError: there is not enough, at this moment.
    """
    return _decode(content, resolution, lambda width, height: (resolution, resolution), most)


def decode_whole(content: bytes, longest: int, multiple: int = 8, most: int = MAX_PIXELS) -> np.ndarray:
    """Like `decode_picture`, in its own shape: `uint8 [H, W, 3]`, the longer side `longest` px, both of a `multiple`.

    What is longer than twice its width is cropped to that.

    Raises:
        ValueError, MemoryError: see `decode_picture`.
    """

    def size(width: int, height: int) -> tuple[int, int]:
        share = max(min(width, height) / max(width, height), 1 / LONGEST_SHAPE)
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
            factor = max(1, min(picture.size) // (4 * resolution))
            turn = ORIENTATIONS.get(picture.getexif().get(ExifTags.Base.Orientation, 1))
            turn = None if picture.format == "TIFF" else turn  # which Pillow sets upright as it reads it
            with AT_ONCE.taking(picture.width * picture.height):
                fitted = ImageOps.fit(reduced_rgb(picture, factor), size(width, height), Image.Resampling.LANCZOS)
            return np.asarray(fitted if turn is None else fitted.transpose(turn))
    except (ValueError, MemoryError):
        raise
    except Image.DecompressionBombError as error:
        raise ValueError(f"too large: at most {most // 10**6} megapixels") from error
    except Exception as error:  # a stranger's file can make a decoder raise anything
        raise ValueError(f"not a readable picture: {_reason(content, error)}") from error


def _reason(content: bytes, error: Exception) -> str:
    """Why a file is no picture, in words that somebody can act on."""
    if content.startswith(b"version https://git-lfs"):
        return "it is a Git LFS pointer; fetch the pictures with git lfs pull"
    if content[4:8] == b"ftyp" and content[8:12] in (b"heic", b"heix", b"hevc", b"mif1", b"msf1"):
        return "it is HEIC, whatever its name says; save it as JPEG"
    if isinstance(error, UnidentifiedImageError):
        return "its content is of no format that is read" if content else "it is empty"
    return str(error)[:120] or type(error).__name__


def reduced_rgb(picture: Image.Image, factor: int) -> Image.Image:
    """A picture of any mode as RGB, its sides divided by `factor`, in strips: never more than a few of its rows in RGB.

    Alpha is laid over white, an embedded colour profile is brought to sRGB, and greys of 16 bits or of floating point
    are scaled by what they span.
    """
    convert, (width, height) = converter(picture), picture.size
    if factor == 1 and width * height <= STRIP_PIXELS:
        return convert(picture)
    reduced = Image.new("RGB", (-(-width // factor), -(-height // factor)))
    for top, strip in strips(picture, factor):
        rgb = convert(strip)
        reduced.paste(rgb.reduce(factor) if factor > 1 else rgb, (0, top // factor))
    return reduced


def strips(picture: Image.Image, factor: int = 1) -> Iterator[tuple[int, Image.Image]]:
    """A picture from top to bottom in parts of few rows, a multiple of `factor`, each with its first row."""
    width, height = picture.size
    rows = max(1, STRIP_PIXELS // (width * factor)) * factor
    for top in range(0, height, rows):
        yield top, picture.crop((0, top, width, min(top + rows, height)))


def converter(picture: Image.Image) -> Callable[[Image.Image], Image.Image]:
    """What brings a picture's strips to RGB."""
    if picture.mode.startswith(("I", "F")):
        return _grey_converter(picture)
    to_srgb = _profile_converter(picture)

    def convert(strip: Image.Image) -> Image.Image:
        if strip.has_transparency_data:
            strip = strip.convert("RGBA")
            strip = Image.alpha_composite(Image.new("RGBA", strip.size, "white"), strip).convert("RGB")
        elif strip.mode not in ("RGB", "CMYK", "L"):
            strip = strip.convert("RGB")
        return to_srgb(strip)

    return convert


def _grey_converter(picture: Image.Image) -> Callable[[Image.Image], Image.Image]:
    """Of greys in more than 8 bits: 0 to the least power of two above them, 0 to 1, or -1 to 1, becomes 0 to 255."""
    low, high = _extrema(picture)
    if picture.mode == "F" and low >= -1.5 and high <= 1.5:
        bottom, top = (-1.0, 1.0) if low < -0.01 else (0.0, 1.0)
    elif low < 0:
        bottom, top = low, high  # nobody knows what they mean: all that there is
    else:
        bottom, top = 0.0, next((float(2**bits - 1) for bits in (8, 10, 12, 14, 16) if high <= 2**bits - 1), high)
    span = max(top - bottom, 1e-12)

    def convert(strip: Image.Image) -> Image.Image:
        values = (np.asarray(strip, dtype=np.float32) - bottom) / span
        return Image.fromarray((np.nan_to_num(values).clip(0, 1) * 255 + 0.5).astype(np.uint8)).convert("RGB")

    return convert


def _extrema(picture: Image.Image) -> tuple[float, float]:
    """The least and the greatest finite value, strip by strip."""
    low, high = np.inf, -np.inf
    for _, strip in strips(picture):
        values = np.asarray(strip)
        values = values[np.isfinite(values)]
        if values.size:
            low, high = min(low, float(values.min())), max(high, float(values.max()))
    return (low, high) if low <= high else (0.0, 1.0)


def _profile_converter(picture: Image.Image) -> Callable[[Image.Image], Image.Image]:
    """What brings a picture from its embedded colour profile to sRGB; to RGB as it is, without one that can be used."""

    def plain(strip: Image.Image) -> Image.Image:
        return strip.convert("RGB")

    profile = picture.info.get("icc_profile")
    mode = "RGB" if picture.mode in ("P", "RGBA", "PA", "RGBa") else picture.mode
    if not profile or len(profile) > MAX_PROFILE_BYTES or mode not in ("RGB", "L", "CMYK"):
        return plain
    try:
        own = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        if "srgb" in ImageCms.getProfileDescription(own).lower():
            return plain
        transform = ImageCms.buildTransform(own, ImageCms.createProfile("sRGB"), mode, "RGB")
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError):  # one that nobody can use changes nothing
        return plain

    def convert(strip: Image.Image) -> Image.Image:
        if strip.mode != mode:  # a grey one that had alpha: its profile cannot take what has become RGB
            return plain(strip)
        found = ImageCms.applyTransform(strip, transform)
        assert found is not None  # it is not done in place
        return found

    return convert


def resized(pictures: Tensor, height: int, width: int) -> Tensor:
    """Pictures `[N, 3, H, W]` at another size, bicubic and antialiased; the very same where they have it already."""
    if pictures.shape[2:] == (height, width):
        return pictures
    return F.interpolate(pictures, size=(height, width), mode="bicubic", antialias=True, align_corners=False)
