"""Smooth walks through pictures, as films: rows of `w` between keyframes, frames, and the files that hold them."""

import importlib.util
import io
import json
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, cast

import torch
from PIL import ExifTags, Image
from torch import Tensor

from artmodels.generate.recipe import Recipe, is_number
from artmodels.generate.sampling import BATCH, to_images
from artmodels.generate.soundtrack import Soundtrack
from artmodels.io.files import replacing_file, write_atomically

if TYPE_CHECKING:
    from av import VideoStream

MIN_PICTURES, MAX_PICTURES = 2, 12
MIN_SECONDS, MAX_SECONDS = 1, 30
MIN_RATE, MAX_RATE = 8, 30  # frames per second
MIN_SIZE, MAX_SIZE = 32, 512  # px, even: H.264 keeps colours at half the size
EASINGS = ("even", "smooth")
FILM_SUFFIXES = (".mp4", ".webp")
MAX_WEBP_PIXELS = 64_000_000  # of all frames: Pillow holds them at once, three bytes each
AVCOL_SPACE_BT709 = 1  # as FFmpeg numbers it
H264_OPTIONS = {"preset": "fast", "crf": "17"}  # nearly without visible loss
VP9_OPTIONS = {"crf": "24", "b": "0", "deadline": "realtime", "cpu-used": "6", "row-mt": "1"}
WEBP_QUALITY = 85

Paint = Callable[[Tensor], Tensor]  # `w` [N, layers + 1, D] -> pictures [N, 3, H, W] in [-1, 1]


@dataclass(frozen=True)
class VideoKind:
    """What is in a video file, as FFmpeg names it."""

    container: str
    video: str
    audio: str
    video_options: Mapping[str, str]
    container_options: Mapping[str, str] = field(default_factory=dict)


VIDEO_KINDS = {
    ".mp4": VideoKind("mp4", "libx264", "aac", H264_OPTIONS, {"movflags": "faststart"}),
    ".webm": VideoKind("webm", "libvpx-vp9", "libopus", VP9_OPTIONS),
}


@dataclass(frozen=True)
class FilmSpec:
    """How long, how fast and how large a film is, and how it walks.

    Raises:
        ValueError: a value is out of bounds; the message says which are possible.
    """

    seconds: float = 10.0
    frames_per_second: int = 24
    size: int = 256  # px, both ways
    loop: bool = True  # back to the first picture, so that it can run for ever
    easing: str = "smooth"  # see `film_rows`

    def __post_init__(self):
        if not (is_number(self.seconds) and MIN_SECONDS <= self.seconds <= MAX_SECONDS):
            raise ValueError(
                f"a film lasts {MIN_SECONDS} to {MAX_SECONDS} seconds, found {str(self.seconds)[:40]}: try 10"
            )
        if not _is_one_of(self.frames_per_second, range(MIN_RATE, MAX_RATE + 1)):
            raise ValueError(
                f"a film shows {MIN_RATE} to {MAX_RATE} whole frames a second, "
                f"found {str(self.frames_per_second)[:40]}: try 24"
            )
        if not _is_one_of(self.size, range(MIN_SIZE, MAX_SIZE + 1, 2)):
            raise ValueError(
                f"a film's size is an even number of pixels from {MIN_SIZE} to {MAX_SIZE}, "
                f"found {str(self.size)[:40]}: try 256"
            )
        _check_easing(self.easing)

    @property
    def frames(self) -> int:
        return round(self.seconds * self.frames_per_second)


def check_film(pictures: int, path: Path, spec: FilmSpec) -> None:
    """Refuse, before any work is done, a film that could not be made.

    Raises:
        ValueError: too few or too many pictures, no known suffix, no package for it, or too much for it.
    """
    if not MIN_PICTURES <= pictures <= MAX_PICTURES:
        raise ValueError(f"a film walks through {MIN_PICTURES} to {MAX_PICTURES} pictures, found {pictures}")
    suffix = path.suffix.lower()
    if suffix not in FILM_SUFFIXES:
        raise ValueError(f"a film is an .mp4 or a .webp, found {path.name[:80]!r}: try film.mp4")
    if suffix == ".mp4" and importlib.util.find_spec("av") is None:
        raise ValueError("an MP4 needs the package av, which is not installed: pip install av, or make a .webp")
    if suffix == ".webp" and spec.frames * spec.size**2 > MAX_WEBP_PIXELS:
        raise ValueError(
            f"{spec.frames} frames of {spec.size} px are too much for a WebP: make an .mp4, or a smaller film"
        )


def check_video(path: Path) -> None:
    """Refuse, before any work is done, a film with sound that could not be written.

    Raises:
        ValueError: no known suffix, or no package for it.
    """
    if path.suffix.lower() not in VIDEO_KINDS:
        raise ValueError(f"a film with sound is an .mp4 or a .webm, found {path.name[:80]!r}: try film.mp4")
    if importlib.util.find_spec("av") is None:
        raise ValueError("films with sound need the package av, which is not installed: pip install av")


# The walk


def film_rows(keyframes: Tensor, frames: int, loop: bool = True, easing: str = "smooth") -> Tensor:
    """The `w` of each frame, `[frames, layers + 1, D]` on the CPU, on a walk through keyframes `[K, layers + 1, D]`.

    From one keyframe to the next it is always the same time. Row 0, the latent, goes along great circles, so that it
    keeps its radius; the other rows go straight. With `easing` "even" the speed of each stretch is constant, with
    "smooth" it rises from 0 and falls back to 0, as a cosine does. With `loop` the walk leads back to the first
    keyframe, which the last frame comes just before; without, the last frame is the last keyframe.

    Raises:
        ValueError: fewer than two keyframes or frames, or an unknown easing.
    """
    if len(keyframes) < 2 or frames < 2:
        raise ValueError(f"a walk needs two keyframes and two frames at least, found {len(keyframes)} and {frames}")
    _check_easing(easing)
    w = keyframes.detach().cpu().double()
    stretches, steps = (len(w), frames) if loop else (len(w) - 1, frames - 1)
    place = torch.arange(frames, dtype=torch.float64) * stretches / steps  # in stretches from the first keyframe
    first = place.floor().long().clamp(max=stretches - 1)
    share = place - first  # 1 only at the end of a walk that does not loop
    if easing == "smooth":
        share = (1 - torch.cos(math.pi * share)) / 2
    start, end = w[first], w[(first + 1) % len(w)]
    straight = torch.lerp(start[:, 1:], end[:, 1:], share[:, None, None])
    latent = great_circle(start[:, 0], end[:, 0], share)
    return torch.cat([latent[:, None], straight], dim=1).to(keyframes.dtype)


def great_circle(start: Tensor, end: Tensor, share: Tensor) -> Tensor:
    """Points `[N, D]` at `share: [N]` of the shorter way from `start` to `end` `[N, D]` along great circles.

    Radii that differ change evenly. Between opposite points all ways are equally short: one of them is taken, always
    the same. (Spherical linear interpolation, Shoemake 1985.)
    """
    share = share[:, None]
    first, last = (rows.norm(dim=1, keepdim=True) for rows in (start, end))
    here, there = start / first.clamp(min=1e-12), end / last.clamp(min=1e-12)
    cosine = (here * there).sum(dim=1, keepdim=True)
    sideways = there - cosine * here
    sine = sideways.norm(dim=1, keepdim=True)
    axis = torch.eye(start.shape[1], dtype=start.dtype)[here.abs().argmin(dim=1)]  # the one most across
    across = axis - (axis * here).sum(dim=1, keepdim=True) * here
    sideways = torch.where(sine > 1e-6, sideways, across)
    sideways = sideways / sideways.norm(dim=1, keepdim=True).clamp(min=1e-12)
    angle = share * torch.atan2(sine, cosine)
    return torch.lerp(first, last, share) * (angle.cos() * here + angle.sin() * sideways)


def _is_one_of(value: object, whole_numbers: range) -> bool:
    return isinstance(value, int) and value in whole_numbers


def _check_easing(easing: str) -> None:
    if easing not in EASINGS:
        raise ValueError(f"a film's easing is one of {', '.join(EASINGS)}, found {str(easing)[:40]!r}")


# Frames


def paint_film(paint: Paint, rows: Tensor, size: int, chunk: int = BATCH) -> Iterator[Image.Image]:
    """The frames of `rows: [frames, layers + 1, D]`, painted `chunk` at a time and resampled to `size` px by Lanczos.

    Nothing is painted before it is asked for, so that a caller can show how far it is, and stop.
    """
    for part in rows.split(chunk):
        for image in to_images(paint(part)):
            yield image.resize((size, size), Image.Resampling.LANCZOS)


def side_by_side(left: Iterator[Image.Image], right: Iterator[Image.Image]) -> Iterator[Image.Image]:
    """Pairs of frames of one size in one picture; the last of the left ones stays until the right ones end."""
    here = None
    for there in right:
        here = next(left, here)
        pair = Image.new("RGB", (2 * there.width, there.height))
        if here is not None:
            pair.paste(here, (0, 0))
        pair.paste(there, (there.width, 0))
        yield pair


# Files


def write_film(frames: Iterable[Image.Image], path: Path, spec: FilmSpec, text: str = "") -> None:
    """Write an MP4, a WebM or a WebP, as the suffix says; `text` goes into its metadata.

    Raises:
        ValueError: see `check_film`.
        OSError: the file cannot be written.
    """
    if path.suffix.lower() == ".webp":
        write_webp(frames, path, spec.frames_per_second, spec.loop, text)
    else:
        write_video(frames, path, spec.frames_per_second, text)


def write_video(
    frames: Iterable[Image.Image],
    path: Path,
    frames_per_second: int,
    text: str = "",
    sound: Path | None = None,
    count: int | None = None,
    begins: float | None = None,
) -> None:
    """Encode frames of one even size as they come: an MP4 that every browser plays before all is loaded, or a WebM.

    `text` becomes its comment. With `sound`, a file with a sound that plays from the first of the `count` frames on and
    ends with them; it plays from `begins` on, in seconds by the file's clock, or else from its own beginning on. An
    error among the frames, or in between, leaves no file.

    Raises:
        ModuleNotFoundError: the package av is not installed.
        ValueError: the sound cannot be read, or it comes without a count.
        OSError: the file cannot be written.
    """
    import av
    from av.video.reformatter import ColorPrimaries, ColorRange, Colorspace, ColorTrc

    if sound and count is None:
        raise ValueError(f"{path}: a film with a sound ends with its frames: expected their count")
    kind = VIDEO_KINDS[path.suffix.lower()]
    with (
        replacing_file(path) as temporary,
        av.open(str(temporary), "w", format=kind.container, options=dict(kind.container_options)) as container,
    ):
        if text:
            container.metadata["comment"] = text
        options = dict(kind.video_options)
        stream = cast("VideoStream", container.add_stream(kind.video, rate=frames_per_second, options=options))
        stream.pix_fmt = "yuv420p"
        codec = stream.codec_context
        codec.colorspace, codec.color_range = AVCOL_SPACE_BT709, ColorRange.MPEG
        codec.color_primaries, codec.color_trc = ColorPrimaries.BT709, ColorTrc.BT709
        track = Soundtrack(container, kind.audio, sound, (count or 0) / frames_per_second, begins) if sound else None
        for number, image in enumerate(frames):
            if number == 0:  # the first frame opens the codec
                stream.width, stream.height = image.size
            if track:
                container.mux(track.packets(number / frames_per_second))
            frame = av.VideoFrame.from_image(image)
            frame = frame.reformat(format="yuv420p", dst_colorspace=Colorspace.ITU709, dst_color_range=ColorRange.MPEG)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
        if track:
            container.mux(track.packets(math.inf))


def write_webp(
    frames: Iterable[Image.Image], path: Path, frames_per_second: int, loop: bool = True, text: str = ""
) -> None:
    """Encode frames of one size as an animated WebP, for ever or once; `text` becomes its EXIF description.

    An error among the frames leaves no file.

    Raises:
        OSError: the file cannot be written.
    """
    write_atomically(path, webp_bytes(list(frames), 1000 / frames_per_second, loop=loop, text=text))


def webp_bytes(
    frames: Sequence[Image.Image],
    durations: float | Sequence[float],
    *,
    loop: bool = True,
    quality: int = WEBP_QUALITY,
    text: str = "",
) -> bytes:
    """An animated WebP of frames that last so many milliseconds each."""
    exif = Image.Exif()
    if text:
        exif[ExifTags.Base.ImageDescription] = text
    film = io.BytesIO()
    frames[0].save(
        film,
        "WEBP",
        save_all=True,
        append_images=frames[1:],
        duration=durations,
        loop=0 if loop else 1,
        quality=quality,
        method=0,  # the fastest
        exif=exif.tobytes() if text else b"",
    )
    return film.getvalue()


def film_text(recipes: Sequence[Recipe], spec: FilmSpec) -> str:
    """JSON, in ASCII, of what makes a film: its pictures' recipes and how it walks through them."""
    return json.dumps({"film": asdict(spec), "recipes": [recipe.to_dict() for recipe in recipes]})
