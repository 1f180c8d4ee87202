"""The sound of a film: a file's own, encoded beside the frames as they come, so that memory stays flat."""

from collections.abc import Iterator
from fractions import Fraction
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, cast

import numpy as np

from artmodels.signals.media import audio_stream, decoded_audio, opened_media, resampled, silence

if TYPE_CHECKING:
    import av
    from av.audio.stream import AudioStream
    from av.container import OutputContainer

RATE = 48_000  # samples a second, which AAC and Opus both take
BIT_RATE = 192_000
AHEAD = 0.5  # seconds by which the sound is encoded before the frames, so that players need not wait


class Soundtrack:
    """The sound of a file, in stereo or mono as it is, until the film ends.

    The film begins with the sound, or at `begins`, in seconds by the file's clock: silence leads where the sound comes
    later than that, and what comes earlier is left out.
    """

    def __init__(
        self, container: "OutputContainer", codec: str, path: Path, seconds: float, begins: float | None = None
    ):
        self.seconds, self.begins, self.encoded = seconds, begins, 0.0
        self.stream = cast("AudioStream", container.add_stream(codec, rate=RATE))
        self.stream.bit_rate = BIT_RATE
        with opened_media(path) as source:
            self.stream.layout = "mono" if audio_stream(source, path).channels == 1 else "stereo"
        self._frames = self._resampled(path)

    def packets(self, until: float) -> list["av.Packet"]:
        """What is to be muxed before the frame at this time, in seconds; with an infinite one, all that is left."""
        packets: list[av.Packet] = []
        while self.encoded < min(until + AHEAD, self.seconds):
            frame = next(self._frames, None)
            if frame is None:
                self.encoded = self.seconds
                break
            self.encoded += frame.samples / RATE
            packets += self.stream.encode(frame)
        if until >= self.seconds:
            packets += self.stream.encode(None)
        return packets

    def _resampled(self, path: Path) -> Iterator["av.AudioFrame"]:
        """Frames of `RATE`, cut at the film's end, whose times count samples."""
        import av

        layout, done, whole = self.stream.layout.name, 0, round(self.seconds * RATE)
        with opened_media(path) as source:
            frames = decoded_audio(source, audio_stream(source, path), path)
            first = next(frames, None)
            late = 0 if first is None or first.time is None or self.begins is None else first.time - self.begins
            lead, early = round(max(0, late) * RATE), round(max(0, -late) * RATE)
            heard = resampled(chain([first] if first else [], frames), layout, RATE)
            for samples in chain(silence(lead, layout, RATE), heard):
                kept = samples[:, early:][:, : whole - done]
                early -= min(early, samples.shape[1])
                if not kept.size:
                    continue
                part = av.AudioFrame.from_ndarray(np.ascontiguousarray(kept), "fltp", layout)
                part.rate, part.pts, part.time_base = RATE, done, Fraction(1, RATE)
                done += kept.shape[1]
                yield part
                if done == whole:
                    return
