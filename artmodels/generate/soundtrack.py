"""The sound of a film: a file's own, encoded beside the frames as they come, so that memory stays flat."""

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, cast

from artmodels.signals.media import audio_stream, decoded_audio, opened_media, resampled

if TYPE_CHECKING:
    import av
    from av.audio.stream import AudioStream
    from av.container import OutputContainer

RATE = 48_000  # samples a second, which AAC and Opus both take
BIT_RATE = 192_000
AHEAD = 0.5  # seconds by which the sound is encoded before the frames, so that players need not wait


class Soundtrack:
    """The sound of a file from its beginning on, in stereo or mono as it is, until the film ends."""

    def __init__(self, container: "OutputContainer", codec: str, path: Path, seconds: float):
        self.seconds, self.encoded = seconds, 0.0
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

        layout, left, done = self.stream.layout.name, round(self.seconds * RATE), 0
        with opened_media(path) as source:
            frames = decoded_audio(source, audio_stream(source, path), path)
            for part in resampled(frames, "fltp", layout, RATE):
                samples = part.to_ndarray()[:, :left]
                part = av.AudioFrame.from_ndarray(samples, "fltp", layout)
                part.rate, part.pts, part.time_base = RATE, done, Fraction(1, RATE)
                left, done = left - samples.shape[1], done + samples.shape[1]
                yield part
                if not left:
                    return
