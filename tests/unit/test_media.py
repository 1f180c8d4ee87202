"""Sound files of all kinds, and those that are no sound, that are damaged, or that somebody made to do harm."""

import os
import wave
from pathlib import Path

import av
import numpy as np
import pytest
from sounds import click_track, sine, write_clip, write_encoded

from artmodels.signals.audio_file import RATE, read_sound, write_sound
from artmodels.signals.media import resampled


def write_silence(path: Path, rate: int, seconds: float, channels: int = 1) -> Path:
    with wave.open(str(path), "wb") as file:
        file.setnchannels(channels)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(bytes(2 * channels * round(rate * seconds)))
    return path


def refused(path: Path, *expected: str, **options) -> None:
    with pytest.raises((ValueError, OSError)) as told:
        read_sound(path, **options)
    message = str(told.value)
    assert "\n" not in message and path.name in message
    for words in expected:
        assert words in message, message


@pytest.mark.parametrize(
    ("name", "rate", "layout"),
    [
        ("a.mp3", 44_100, "stereo"),
        ("a.mp3", 16_000, "mono"),
        ("a.m4a", 48_000, "stereo"),
        ("a.ogg", 48_000, "mono"),
        ("a.flac", 192_000, "5.1"),
        ("a.flac", 8_000, "mono"),
        ("a.webm", 48_000, "stereo"),
        ("a.wav", RATE, "mono"),
    ],
)
def test_the_usual_kinds_are_read(tmp_path, name, rate, layout):
    samples, _ = click_track(120, 4)
    sound = read_sound(write_encoded(samples, tmp_path / name, rate, layout))
    assert sound.samples.dtype == np.float32 and np.abs(sound.samples).max() <= 1
    assert sound.seconds == pytest.approx(4, abs=0.06)
    loudest = sound.samples[:RATE] ** 2
    assert abs(loudest.argmax() / RATE - 0.5) < 0.06  # encoders come late by as much as they declare, or do not


def test_a_name_does_not_matter(tmp_path):
    path = write_encoded(sine(440), tmp_path / "a.m4a")
    assert read_sound(path.rename(tmp_path / "a.mp3")).seconds > 3.9


def test_wavs_survive_a_round_trip(tmp_path):
    samples = sine(440) * 0.5
    write_sound(samples, tmp_path / "a.wav")
    assert np.abs(read_sound(tmp_path / "a.wav").samples - samples).max() < 1e-4


def test_what_is_no_sound_is_told(tmp_path):
    refused(tmp_path / "missing.mp3", "no file")
    (tmp_path / "empty.mp3").write_bytes(b"")
    refused(tmp_path / "empty.mp3", "is empty")
    (tmp_path / "noise.mp3").write_bytes(os.urandom(50_000))
    refused(tmp_path / "noise.mp3", "no sound or clip that can be read")
    clip = write_clip([np.full((32, 32), 9 * n, np.uint8) for n in range(12)], tmp_path / "clip.mp4")
    refused(clip.rename(tmp_path / "clip.mp3"), "pictures (h264) and no sound")


def test_how_long_it_may_be(tmp_path):
    refused(write_silence(tmp_path / "short.wav", 8000, 0.4), "lasts 0.40 seconds")
    refused(write_silence(tmp_path / "long.wav", 4000, 400), "6.7 minutes", "5 minutes are the most")
    hours = write_silence(tmp_path / "hours.wav", 4000, 0)
    header = bytearray(hours.read_bytes())
    header[40:44] = (3 * 3600 * 8000).to_bytes(4, "little")
    hours.write_bytes(header)
    os.truncate(hours, 3 * 3600 * 8000)  # with holes, so that it takes no room
    refused(hours, "180.0 minutes")
    refused(write_silence(tmp_path / "odd.wav", 100, 20), "100 samples a second")


def test_a_length_that_is_not_declared_is_limited_all_the_same(tmp_path):
    """An endless stream, by what it decodes to."""
    path = write_encoded(np.zeros(20 * RATE), tmp_path / "a.mp3", 16_000, "mono")
    content = path.read_bytes()
    (tmp_path / "many.mp3").write_bytes(content[len(content) // 4 :] * 3)  # without the header that declares
    refused(tmp_path / "many.mp3", "are the most", most=12)


@pytest.mark.parametrize("kind", [b"enca", b"drms"])
def test_protected_sounds_are_told(tmp_path, kind):
    content = write_encoded(sine(440), tmp_path / "a.m4a").read_bytes()
    (tmp_path / "a.m4p").write_bytes(content.replace(b"mp4a", kind))
    refused(tmp_path / "a.m4p", "DRM")


def test_truncated_sounds_are_told(tmp_path):
    for name in ("a.m4a", "a.flac"):
        content = write_encoded(sine(440), tmp_path / name).read_bytes()
        (tmp_path / name).write_bytes(content[: len(content) // 2])
        refused(tmp_path / name)


def test_playlists_open_no_other_file(tmp_path):
    secret = write_encoded(sine(440), tmp_path / "secret.wav")
    playlist = f"#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\n{secret}\n#EXT-X-ENDLIST\n"
    texts = {
        "a.m3u8": playlist,
        "a.mp3": playlist,
        "a.ffconcat": f"ffconcat version 1.0\nfile '{secret}'\n",
        "a.sdp": "v=0\nm=audio 9 RTP/AVP 0\nc=IN IP4 127.0.0.1\n",
    }
    for name, text in texts.items():
        (tmp_path / name).write_text(text)
        refused(tmp_path / name, "no sound or clip that can be read")


def test_numbers_that_are_none_are_silence(tmp_path):
    samples = np.full(2 * RATE, np.nan, "<f4")
    samples[::3] = np.inf
    header = bytearray((write_silence(tmp_path / "a.wav", RATE, 0)).read_bytes())
    header[20:22], header[34:36] = (3).to_bytes(2, "little"), (32).to_bytes(2, "little")  # floats of 32 bits
    header[28:34] = (4 * RATE).to_bytes(4, "little") + (4).to_bytes(2, "little")
    header[40:44] = len(samples.tobytes()).to_bytes(4, "little")
    (tmp_path / "a.wav").write_bytes(bytes(header) + samples.tobytes())
    read = read_sound(tmp_path / "a.wav").samples
    assert np.isfinite(read).all() and np.abs(read).max() <= 1


def test_channels_in_opposite_phase_are_no_silence(tmp_path):
    samples = 0.5 * sine(440)
    for other, expected in ((-samples, samples), (samples, samples), (np.zeros_like(samples), samples / 2)):
        with wave.open(str(tmp_path / "a.wav"), "wb") as file:
            file.setnchannels(2)
            file.setsampwidth(2)
            file.setframerate(RATE)
            file.writeframes((np.stack([samples, other], axis=1) * 32767).round().astype("<i2").tobytes())
        assert np.abs(read_sound(tmp_path / "a.wav").samples - expected).max() < 1e-3


def test_a_sound_that_changes_on_the_way_is_heard_to_its_end(tmp_path):
    """As stations and chained files do: other channels, and another rate."""
    frames = []
    for rate, layout, channels in ((44_100, "stereo", 2), (48_000, "mono", 1)):
        frame = av.AudioFrame.from_ndarray(np.full((channels, rate), 0.25, np.float32), "fltp", layout)
        frame.rate = rate
        frames.append(frame)
    samples = np.concatenate([part[0] for part in resampled(frames, "mono", RATE)])
    assert abs(len(samples) - 2 * RATE) < 200
    assert np.median(samples[: RATE // 2]) == pytest.approx(np.median(samples[-RATE // 2 :]), abs=0.15)
