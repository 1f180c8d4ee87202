"""Files of sounds and clips, opened as one opens what a stranger sent."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import numpy as np

if TYPE_CHECKING:
    from av import AudioFrame, AudioStream, VideoStream
    from av.container import InputContainer

FORMATS = (  # as FFmpeg names its demuxers: none of them opens other files or addresses, as playlists do
    "aac,aiff,amr,asf,au,avi,caf,flac,matroska,webm,mov,mp4,m4a,3gp,3g2,mj2,mp3,mpegts,ogg,w64,wav"
)
OPTIONS = {"format_whitelist": FORMATS, "protocol_whitelist": "", "max_streams": "32"}
MAX_FILE_BYTES = 200 * 10**6
ESTIMATED = {"mp3", "aac"}  # files that do not say how long they last: FFmpeg guesses it from their size
ENCRYPTED = {"drms", "drmi", "enca", "encv"}  # sample entries of ISO/IEC 14496-12 that are encrypted
MAX_DAMAGED = 0.5  # share of the packets that may be unreadable
LEAST_GAP = 0.1  # seconds between two frames that are more than clocks which run apart
UNREADABLE = "is no sound or clip that can be read: perhaps it is protected (DRM), damaged, or another kind of file"


@contextmanager
def opened_media(path: Path) -> Iterator["InputContainer"]:
    """The file, to be decoded; whatever is wrong with it is one line that names it.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is too large, empty, no sound and no clip, a playlist, or damaged.
        ModuleNotFoundError: the package av is not installed.
    """
    import av

    if not path.is_file():
        raise FileNotFoundError(f"no file {path}: expected a sound or a clip")
    if not path.stat().st_size:
        raise ValueError(f"{path} is empty: expected a sound or a clip")
    if path.stat().st_size > MAX_FILE_BYTES:
        raise ValueError(f"{path} is larger than {MAX_FILE_BYTES // 10**6} MB: cut it, or save it as an MP3 or an MP4")
    file: BinaryIO
    with path.open("rb") as file:
        try:
            with av.open(file, "r", options=OPTIONS) as container:
                yield container
        except (av.error.FFmpegError, UnicodeDecodeError) as error:
            raise ValueError(f"{path} {UNREADABLE}") from error


def audio_stream(container: "InputContainer", path: Path) -> "AudioStream":
    """The first sound of a file.

    Raises:
        ValueError: it has none, or an encrypted one, or one of an unknown kind.
    """
    if not container.streams.audio:
        pictures = container.streams.video
        what = f"it holds pictures ({pictures[0].codec_context.name}) and no sound" if pictures else "it holds no sound"
        raise ValueError(f"{path}: {what}: expected music, speech or any other recording")
    stream = _readable(container.streams.audio[0], path)
    if not stream.rate:
        raise ValueError(f"{path} {UNREADABLE}")
    return stream


def video_stream(container: "InputContainer", path: Path) -> "VideoStream":
    """The first moving picture of a file.

    Raises:
        ValueError: it has none, or an encrypted one, or one of an unknown kind.
    """
    import av

    covers = av.stream.Disposition.attached_pic
    moving = [stream for stream in container.streams.video if not stream.disposition & covers]
    if not moving:
        raise ValueError(f"{path}: it holds no moving pictures: expected a clip, such as an MP4 or a WebM")
    return _readable(moving[0], path)


def _readable(stream, path: Path):
    try:
        context = stream.codec_context
        tag = context.codec_tag if context else ""
    except UnicodeDecodeError:
        context, tag = stream.codec_context, ""
    if context is None or tag in ENCRYPTED:
        raise ValueError(f"{path} is protected (DRM) or of an unknown kind: expected a file that any player plays")
    return stream


def declared_seconds(container: "InputContainer", stream: "AudioStream | VideoStream") -> float | None:
    """How long a file says that it lasts; None if it does not."""
    if stream.duration is not None and stream.time_base is not None:
        return float(stream.duration * stream.time_base)
    return container.duration / 1_000_000 if container.duration else None


def check_whole(container: "InputContainer", path: Path, declared: float | None, found: float) -> None:
    """Raises:
    ValueError: a file ends long before the time that it declares, so that a part of it is missing.
    """
    if declared is None or container.format.name in ESTIMATED:
        return
    if found < 0.9 * declared - 0.5:
        raise ValueError(f"{path} ends after {found:.1f} of its {declared:.1f} seconds: is it a part of a file?")


def resampled(frames: Iterable["AudioFrame"], layout: str, rate: int) -> Iterator[np.ndarray]:
    """Samples `[channels, n]` float32, mono or stereo, of frames one after the other, also where their kind changes.

    Where their times leave a gap there is silence, so that what comes after it stays in time.
    """
    import av

    resampler, before, end = None, None, None
    for frame in frames:
        time, frame.pts = frame.time, None
        found = (frame.format.name, frame.layout.name, frame.rate)
        gap = time - end if time is not None and end is not None else 0.0
        if resampler and (found != before or gap > LEAST_GAP):
            yield from (part.to_ndarray() for part in resampler.resample(None))
            resampler = None
        if gap > LEAST_GAP:
            yield from silence(round(gap * rate), layout, rate)
            end = time
        resampler = resampler or av.AudioResampler(format="fltp", layout=layout, rate=rate)
        before, end = found, (end or time or 0.0) + frame.samples / frame.rate
        yield from (part.to_ndarray() for part in resampler.resample(frame))
    yield from (part.to_ndarray() for part in resampler.resample(None)) if resampler else ()


def silence(samples: int, layout: str, rate: int) -> Iterator[np.ndarray]:
    """So many samples as `resampled` gives them, at most a second at once."""
    for done in range(0, samples, rate):
        yield np.zeros((1 if layout == "mono" else 2, min(rate, samples - done)), np.float32)


def decoded_audio(container: "InputContainer", stream: "AudioStream", path: Path) -> Iterator["AudioFrame"]:
    """Frames as they come; unreadable packets are left out.

    Raises:
        ValueError: more than half of the packets are unreadable, which is told at the end.
    """
    import av

    packets = damaged = 0
    for packet in container.demux(stream):
        packets += 1
        try:
            frames = packet.decode()
        except (av.error.FFmpegError, ValueError):
            damaged += 1
            continue
        yield from frames
    if packets < 2 or damaged > MAX_DAMAGED * packets:
        raise ValueError(f"{path}: {damaged} of {packets} parts cannot be read: is it protected (DRM) or damaged?")
