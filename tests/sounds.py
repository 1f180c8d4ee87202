"""Sounds and clips that tests make, as files of every kind."""

from collections.abc import Iterable
from pathlib import Path

import av
import numpy as np
from PIL import Image

from artmodels.generate.film import write_video
from artmodels.signals.audio_file import RATE, write_sound
from artmodels.signals.synthesis import click, place

CODECS = {".mp3": "libmp3lame", ".m4a": "aac", ".ogg": "libopus", ".flac": "flac", ".webm": "libopus"}


def click_track(tempo: float, seconds: float = 12.0, swing: bool = False) -> tuple[np.ndarray, np.ndarray]:
    """Clicks, with softer ones two thirds of the way between them if they swing; and the times of the beats."""
    beats = np.arange(0.5, seconds - 0.2, 60 / tempo)
    samples = place(seconds, beats, click(), 0.7)
    if swing:
        samples += place(seconds, beats[:-1] + 40 / tempo, click(), 0.35)
    return samples, beats


def sine(hertz: float, seconds: float = 4.0) -> np.ndarray:
    return np.sin(2 * np.pi * hertz * np.arange(round(seconds * RATE)) / RATE).astype(np.float32)


def write_encoded(samples: np.ndarray, path: Path, rate: int = 48_000, layout: str = "stereo") -> Path:
    """A sound in the codec that its suffix stands for."""
    if path.suffix == ".wav":
        write_sound(samples, path)
        return path
    with av.open(str(path), "w") as container:
        stream = container.add_stream(CODECS[path.suffix], rate=rate)
        stream.layout = layout  # type: ignore[union-attr]
        frame = av.AudioFrame.from_ndarray(samples[None].astype(np.float32), "fltp", "mono")
        frame.rate = RATE
        container.mux(stream.encode(frame))  # type: ignore[union-attr, arg-type]
        container.mux(stream.encode(None))  # type: ignore[union-attr]
    return path


def write_clip(
    pictures: Iterable[np.ndarray] | np.ndarray, path: Path, rate: int = 24, sound: Path | None = None
) -> Path:
    """A clip of pictures `[H, W]` or `[H, W, 3]` in uint8."""
    images = [Image.fromarray(picture).convert("RGB") for picture in pictures]
    write_video(images, path, rate, sound=sound, count=len(images))
    return path


def decoded_sound(path: Path) -> np.ndarray:
    """The samples of a film, `[N]` at `RATE`, from the time 0 of its pictures on."""
    resampler = av.AudioResampler(format="flt", layout="mono", rate=RATE)
    with av.open(str(path)) as container:
        frames = list(container.decode(audio=0))
    start = frames[0].time or 0.0
    parts = []
    for frame in frames:
        frame.pts = None
        parts += [part.to_ndarray()[0] for part in resampler.resample(frame)]
    samples = np.concatenate([*parts, *(part.to_ndarray()[0] for part in resampler.resample(None))])
    return np.concatenate([np.zeros(max(0, round(start * RATE)), np.float32), samples])
