"""Recordings, decoded to one channel at one rate."""

import io
import wave
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from artmodels.io.files import sha256, write_atomically
from artmodels.signals.media import audio_stream, check_whole, declared_seconds, decoded_audio, opened_media, resampled

if TYPE_CHECKING:
    from av import AudioStream
    from av.container import InputContainer

RATE = 24_000  # samples per second: nothing above 12 kHz is listened to
MIN_SECONDS, MAX_SECONDS = 1, 300
CANCELLED = 0.01  # of the power of either channel, below which that of their mean is none
RATES = range(4_000, 768_001)  # samples per second that a file may have


@dataclass(frozen=True)
class Sound:
    """A recording: `samples: [N]` float32 in [-1, 1], one channel, `RATE` per second."""

    samples: np.ndarray
    sha256: str  # of its file

    @property
    def seconds(self) -> float:
        return len(self.samples) / RATE


def read_sound(path: Path, most: float = MAX_SECONDS) -> Sound:
    """The first sound of a file, mixed down and resampled, of at most `most` seconds.

    Memory is bounded by `most`, whatever the file says of itself.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: no sound in it, too short or too long, protected, truncated or damaged; in one line.
    """
    with opened_media(path) as container:
        stream = audio_stream(container, path)
        declared = declared_seconds(container, stream)
        if declared is not None and declared > most + 1:
            raise ValueError(too_long(path, declared, most))
        if stream.rate not in RATES:
            raise ValueError(f"{path}: {stream.rate} samples a second are not between {RATES[0]} and {RATES[-1]}")
        parts, held = [], 0
        for part in _resampled(container, stream, path):
            parts.append(part)
            held += part.shape[1]
            if held > (most + 1) * RATE:
                raise ValueError(too_long(path, None, most))
        check_whole(container, path, declared, held / RATE)
    if held < MIN_SECONDS * RATE:
        raise ValueError(f"{path} lasts {held / RATE:.2f} seconds: expected {MIN_SECONDS} to {most:g}")
    samples = np.concatenate(parts, axis=1)[:, : int(most * RATE)]
    samples = mixed(np.nan_to_num(samples, copy=False, nan=0.0, posinf=1.0, neginf=-1.0))
    return Sound(np.clip(samples, -1, 1), sha256(path))


def mixed(channels: np.ndarray) -> np.ndarray:
    """The mean `[N]` of channels `[C, N]`, or the loudest where they cancel each other out, being in opposite phase."""
    mean, powers = channels.mean(axis=0), np.square(channels).mean(axis=1)
    return channels[powers.argmax()] if np.square(mean).mean() < CANCELLED * powers.min() else mean


def too_long(path: Path, seconds: float | None, most: float) -> str:
    """What is said of a recording or a clip that lasts too long."""
    found = f"{seconds / 60:.1f} minutes" if seconds else "longer"
    return f"{path} lasts {found}, and {most / 60:g} minutes are the most: cut out the part that you like"


def _resampled(container: "InputContainer", stream: "AudioStream", path: Path) -> Iterator[np.ndarray]:
    """Samples as they come, `[2, n]` float32 of stereo, `[1, n]` of all else, `RATE` a second."""
    layout = "stereo" if stream.channels == 2 else "mono"
    yield from resampled(decoded_audio(container, stream, path), layout, RATE)


def wav_bytes(samples: np.ndarray) -> bytes:
    """A WAV of 16 bits of samples `[N]` in [-1, 1], `RATE` a second."""
    content = io.BytesIO()
    with wave.open(content, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE)
        file.writeframes((np.clip(samples, -1, 1) * 32767).round().astype("<i2").tobytes())
    return content.getvalue()


def write_sound(samples: np.ndarray, path: Path) -> None:
    """See `wav_bytes`.

    Raises:
        OSError: it cannot be written.
    """
    write_atomically(path, wav_bytes(samples))
