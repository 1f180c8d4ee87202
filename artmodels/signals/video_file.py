"""Clips, decoded to small grey frames to measure, or to pictures to look at, at one rate."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from artmodels.io.files import sha256
from artmodels.signals.media import check_whole, declared_seconds, opened_media, video_stream

RATE = 24  # frames a second, to which any clip is brought by leaving out or repeating
WIDTH, HEIGHT = 64, 48  # px of the grey frames
MIN_FRAMES = 2
TURNS = (Image.Transpose.ROTATE_90, Image.Transpose.ROTATE_180, Image.Transpose.ROTATE_270)
MAX_SECONDS = 60
MAX_PIXELS = 3840 * 2160  # of a frame
MAX_DECODED = 60 * 240  # frames, whatever rate a file declares


@dataclass(frozen=True)
class Clip:
    """A clip's movement: `frames: [N, 48, 64]` in uint8, grey, `RATE` a second, the sides not in proportion."""

    frames: np.ndarray
    sha256: str  # of its file
    has_sound: bool
    begins: float = 0.0  # seconds by the file's clock, which its sound follows, too

    @property
    def seconds(self) -> float:
        return len(self.frames) / RATE


def read_clip(path: Path, most: float = MAX_SECONDS) -> Clip:
    """The first moving picture of a file, of at most `most` seconds.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: no moving picture in it, a single one, too long, too large, protected, truncated or damaged.
    """
    with opened_media(path) as container:
        has_sound = bool(container.streams.audio)
    grey: list[np.ndarray] = []
    begins = 0.0
    for frame in at_rate(path, RATE, most):
        begins = begins if grey else frame.time or 0.0
        grey.append(np.asarray(upright(frame, WIDTH, HEIGHT, "gray")))
    if len(grey) < MIN_FRAMES or (len(grey) / RATE < 1):
        raise ValueError(f"{path} lasts {len(grey) / RATE:.2f} seconds: expected a clip of 1 to {most:g} seconds")
    return Clip(np.stack(grey), sha256(path), has_sound, begins)


def clip_pictures(path: Path, rate: int, size: int, most: float = MAX_SECONDS) -> Iterator[Image.Image]:
    """The pictures of a clip at so many a second, whole, within a square of `size` px on black."""
    for frame in at_rate(path, rate, most):
        shrink = size / max(frame.width, frame.height)
        sides = frame.height, frame.width
        width, height = (max(2, round(side * shrink)) for side in (sides if lies(frame) else reversed(sides)))
        square = Image.new("RGB", (size, size))
        square.paste(upright(frame, width, height, "rgb24"), ((size - width) // 2, (size - height) // 2))
        yield square


def lies(frame) -> bool:
    """Whether a frame is stored on its side, as phones store those that are held upright."""
    return round(frame.rotation / 90) % 2 == 1


def upright(frame, width: int, height: int, kind: str) -> Image.Image:
    """A frame as its file says that it is to be shown, `width` x `height` px; `kind` is FFmpeg's name of a format."""
    quarters = round(frame.rotation / 90) % 4  # counterclockwise
    stored = (height, width) if quarters % 2 else (width, height)
    picture = Image.fromarray(frame.reformat(*stored, kind).to_ndarray())
    return picture.transpose(TURNS[quarters - 1]) if quarters else picture


def at_rate(path: Path, rate: int, most: float):
    """Decoded frames, each as often as it is shown at an even rate from the first one on.

    Raises:
        ValueError: see `read_clip`.
    """
    with opened_media(path) as container:
        stream = video_stream(container, path)
        stream.thread_type = "AUTO"
        stream.codec_context.options = {"max_pixels": str(MAX_PIXELS)}  # frames may be larger than what is declared
        declared = declared_seconds(container, stream)
        if declared is not None and declared > most + 1:
            raise ValueError(f"{path} lasts {declared:.0f} seconds, and {most:g} are the most: cut out a part")
        if stream.width * stream.height > MAX_PIXELS:
            raise ValueError(f"{path}: {stream.width} x {stream.height} px are more than {MAX_PIXELS // 10**6} million")
        shown, before, first, end, lasts = 0, None, None, 0.0, 1 / rate
        for number, frame in enumerate(_decoded(container, stream)):
            time = frame.time if frame.time is not None else number / RATE
            first = time if first is None else first
            end, lasts = time - first, max(time - first - end, 0) or lasts
            if number >= MAX_DECODED:
                raise ValueError(f"{path} has more than {MAX_DECODED:,} pictures, which are the most: cut out a part")
            if end > most:
                raise ValueError(f"{path} lasts longer than {most:g} seconds, which are the most: cut out a part")
            while before is not None and shown / rate < end - 1e-6:
                yield before
                shown += 1
            before = frame
        if before is None:
            raise ValueError(f"{path}: none of its pictures can be read: is it protected (DRM) or damaged?")
        check_whole(container, path, declared, end + lasts)
        while shown / rate < end + lasts - 1e-6:  # the last one lasts as long as the one before it
            yield before
            shown += 1


def _decoded(container, stream):
    """Frames as they come; packets that cannot be read are left out."""
    import av

    for packet in container.demux(stream):
        try:
            yield from packet.decode()
        except av.error.FFmpegError:
            continue
