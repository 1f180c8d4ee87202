"""Clips: read and refused, what moves in them by closed forms, the score of a dance, the verb."""

import io
import json
import struct
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from helpers import assert_one_clear_line, run_here
from PIL import Image
from sounds import click_track, decoded_sound, write_clip, write_encoded

from artmodels.cli.main import main
from artmodels.generate.choreograph import choreograph, lively
from artmodels.generate.film import side_by_side, write_video
from artmodels.generate.score import ScoreRows, parse_score, read_score
from artmodels.hub.load import LoadedModel, load_model
from artmodels.signals.audio_file import RATE as SOUND_RATE
from artmodels.signals.audio_file import read_sound
from artmodels.signals.motion import Motion, smoothed, watch
from artmodels.signals.synthesis import moving_disc
from artmodels.signals.video_file import HEIGHT, RATE, WIDTH, Clip, clip_pictures, read_clip


@pytest.fixture(scope="module")
def steered(steered_folder) -> LoadedModel:
    return load_model(steered_folder)


def clip_of(frames: np.ndarray) -> Clip:
    """As `read_clip` would have them, without a file."""
    grey = np.stack([np.asarray(Image.fromarray(frame).resize((WIDTH, HEIGHT))) for frame in frames])
    return Clip(grey, "0" * 64, False)


def disc(speed: np.ndarray) -> Motion:
    return watch(clip_of(moving_disc(speed)))


def refused(path: Path, *expected: str) -> None:
    with pytest.raises((ValueError, OSError)) as told:
        read_clip(path)
    message = str(told.value)
    assert "\n" not in message and path.name in message
    for words in expected:
        assert words in message, message


# Files


@pytest.mark.parametrize(("name", "rate", "frames"), [("a.mp4", 24, 48), ("a.webm", 12, 24), ("a.mp4", 60, 120)])
def test_clips_of_any_rate_are_brought_to_one(tmp_path, name, rate, frames):
    clip = read_clip(write_clip(moving_disc(np.full(frames, 2.0)), tmp_path / name, rate))
    assert clip.frames.shape[1:] == (HEIGHT, WIDTH) and clip.frames.dtype == np.uint8
    assert abs(len(clip.frames) - 2 * RATE) <= 2 and not clip.has_sound


class Pipe(io.RawIOBase):
    """What cannot be gone back in."""

    def __init__(self):
        self.content = bytearray()

    def writable(self) -> bool:
        return True

    def write(self, content) -> int:
        self.content += bytes(content)
        return len(content)


def test_a_browsers_recording_which_declares_no_length_is_read(tmp_path):
    pipe = Pipe()
    with av.open(pipe, "w", format="webm", options={"live": "1"}) as container:
        video, audio = container.add_stream("libvpx", rate=30), container.add_stream("libopus", rate=48_000)
        video.width, video.height, video.pix_fmt, audio.layout = 128, 96, "yuv420p", "mono"
        for frame in moving_disc(np.full(60, 2.0)):
            container.mux(video.encode(av.VideoFrame.from_image(Image.fromarray(frame).convert("RGB"))))
        frame = av.AudioFrame.from_ndarray(click_track(120, 2)[0][None], "fltp", "mono")
        frame.rate = 24_000
        container.mux(audio.encode(frame))
        for stream in (video, audio):
            container.mux(stream.encode(None))
    path = tmp_path / "webcam.webm"
    path.write_bytes(pipe.content)
    with av.open(str(path)) as container:
        assert container.duration is None
    clip = read_clip(path)
    assert clip.has_sound and clip.seconds == pytest.approx(2, abs=0.05)
    assert read_sound(path).seconds == pytest.approx(2, abs=0.05)


def test_pictures_of_a_clip_are_whole_on_black(tmp_path):
    path = write_clip([np.full((64, 128), 200, np.uint8)] * 24, tmp_path / "wide.mp4")
    pictures = [np.asarray(picture.convert("L")) for picture in clip_pictures(path, 12, 64)]
    assert len(pictures) == 12 and pictures[0].shape == (64, 64)
    assert pictures[0][:16].max() == pictures[0][48:].max() == 0 and pictures[0][18:46].min() > 180


def test_what_is_no_clip_is_told(tmp_path):
    refused(tmp_path / "missing.mp4", "no file")
    (tmp_path / "text.mp4").write_text("la la la")
    refused(tmp_path / "text.mp4", "no sound or clip that can be read")
    refused(write_clip([np.zeros((32, 32), np.uint8)], tmp_path / "one.mp4"), "lasts 0.04 seconds")
    refused(write_clip([np.zeros((32, 32), np.uint8)] * 62, tmp_path / "long.mp4", 1), "60 are the most")
    refused(write_encoded(click_track(120, 2)[0], tmp_path / "sound.mp3"), "no moving pictures")
    content = write_clip(moving_disc(np.full(96, 3.0)), tmp_path / "half.mp4").read_bytes()
    (tmp_path / "half.mp4").write_bytes(content[: 7 * len(content) // 10])
    refused(tmp_path / "half.mp4")
    (tmp_path / "drm.mp4").write_bytes(content.replace(b"avc1", b"encv"))
    refused(tmp_path / "drm.mp4", "DRM")


def test_a_cover_is_no_clip(tmp_path):
    cover = tmp_path / "cover.mp3"
    with av.open(str(cover), "w") as container:
        picture = container.add_stream("mjpeg")
        picture.width = picture.height = 32
        picture.pix_fmt = "yuvj420p"
        sound = container.add_stream("libmp3lame", rate=24_000)
        picture.disposition = av.stream.Disposition.attached_pic
        frame = av.AudioFrame.from_ndarray(click_track(120, 2)[0][None], "fltp", "mono")
        frame.rate = 24_000
        container.mux(picture.encode(av.VideoFrame.from_image(Image.new("RGB", (32, 32)))))
        container.mux(picture.encode())
        container.mux(sound.encode(frame))
        container.mux(sound.encode(None))
    refused(cover, "no moving pictures")


@pytest.mark.parametrize("name", ["clip.mp4", "clip.webm"])
@pytest.mark.parametrize(("late", "gap"), [(0.0, 0.0), (0.6, 0.0), (-0.6, 0.0), (0.0, 0.5)])
def test_the_sound_of_a_clip_stays_with_its_pictures(tmp_path, name, late, gap):
    """Where it begins later or earlier than they do, and where a part of it is missing: flash and click at once."""
    flash, clip, film = 2.0, tmp_path / name, tmp_path / "film.mp4"
    pictures, sound = max(0.0, -late), max(0.0, late)  # when they begin
    with av.open(str(clip), "w") as container:
        video = container.add_stream("libx264" if name.endswith("4") else "libvpx-vp9", rate=24)
        audio = container.add_stream("aac" if name.endswith("4") else "libopus", rate=48_000)
        video.width, video.height, video.pix_fmt, audio.layout = 64, 64, "yuv420p", "mono"
        for number in range(72):
            level = 255 if number == 24 * flash else 20
            frame = av.VideoFrame.from_ndarray(np.full((64, 64, 3), level, np.uint8), "rgb24")
            frame.pts, frame.time_base = number + round(24 * pictures), Fraction(1, 24)
            container.mux(video.encode(frame))
        container.mux(video.encode())
        samples = np.zeros(round(48_000 * (pictures + 3 - sound)), np.float32)
        samples[round(48_000 * (pictures + flash - sound)) :][:480] = 0.9
        for start in range(0, len(samples), 960):
            if not 0.5 <= start / 48_000 < 0.5 + gap:
                part = av.AudioFrame.from_ndarray(samples[None, start : start + 960], "fltp", "mono")
                part.rate, part.time_base = 48_000, Fraction(1, 48_000)
                part.pts = start + round(48_000 * sound)
                container.mux(audio.encode(part))
        container.mux(audio.encode())
    seen, shown = read_clip(clip), list(clip_pictures(clip, 24, 64))
    write_video(shown, film, 24, sound=clip, count=len(shown), begins=seen.begins)
    with av.open(str(film)) as container:
        lit = [frame.time for frame in container.decode(video=0) if frame.to_ndarray(format="gray").mean() > 150]
    heard = decoded_sound(film)
    assert lit[0] == pytest.approx(flash, abs=0.01)
    assert np.abs(heard).argmax() / SOUND_RATE == pytest.approx(flash, abs=0.03)
    if gap:  # whoever listens to it alone hears it, too
        alone = read_sound(clip).samples
        assert np.abs(alone).argmax() / SOUND_RATE == pytest.approx(flash, abs=0.03)


# Motion


def test_energy_follows_the_speed_and_is_nothing_where_nothing_moves():
    speed = np.repeat([0.0, 1.0, 2.0, 4.0, 0.0], 20)
    energy = disc(speed).energy
    parts = [energy[start + 3 : start + 18].mean() for start in range(0, 100, 20)]
    assert parts[0] == parts[4] == 0 and parts[1] < parts[2] < parts[3]
    assert disc(np.zeros(30)).is_still and not disc(speed).is_still


def test_a_reversed_clip_has_the_reversed_energies():
    clip = clip_of(moving_disc(4 * np.sin(np.arange(60) / 9) ** 2))
    there, back = watch(clip), watch(Clip(clip.frames[::-1], clip.sha256, False))
    assert np.array_equal(there.energy[1:], back.energy[1:][::-1])
    assert there.spread[1:] == pytest.approx(back.spread[1:][::-1], abs=1e-6)
    assert there.direction[1:] == pytest.approx(-back.direction[1:][::-1], abs=1e-5)


def test_direction_and_place_are_those_of_the_disc():
    motion = disc(np.full(18, 2.0))  # to the right, from the middle
    assert motion.direction[2:, 0].min() > 0.15 and np.abs(motion.direction[2:, 1]).max() < 0.05
    assert abs(motion.direction[2:10, 0].mean() - 2 / 128 * RATE) < 0.15  # frame widths a second
    assert np.all(np.diff(motion.centroid[2:, 0]) > 0) and np.abs(motion.centroid[:, 1]).max() < 0.05


def test_spread_is_small_for_a_hand_and_large_for_all():
    random = np.random.default_rng(0)
    small = np.full((10, HEIGHT, WIDTH), 100, np.uint8)
    large = random.integers(0, 255, small.shape).astype(np.uint8)
    small[:, 10:14, 10:14] = random.integers(0, 255, (10, 4, 4))
    hand, everything = (watch(Clip(frames, "0" * 64, False)).spread.mean() for frames in (small, large))
    assert hand < 0.15 and everything == pytest.approx(1 / np.sqrt(3), abs=0.03)


def test_smoothing_never_looks_ahead():
    step = np.repeat([0.0, 1.0], 20)
    calm = smoothed(step, 0.1)
    assert not calm[:20].any() and np.all(np.diff(calm[19:]) > 0) and calm[-1] > 0.99


# Scores


def test_the_picture_stands_still_with_the_clip_and_runs_with_it(steered):
    score = choreograph(disc(np.repeat([0.0, 4.0, 0.0], 36)), steered, size=64)
    assert score == choreograph(disc(np.repeat([0.0, 4.0, 0.0], 36)), steered, size=64)
    assert parse_score(score.to_json()) == score
    rows = ScoreRows(steered, score).rows(0, score.frames)
    steps = (rows[1:] - rows[:-1]).norm(dim=(1, 2))
    assert steps[:34].max() == 0 and steps[40:68].min() > 0.05 and steps[-10:].max() < 0.1 * steps[40:68].mean()


def test_a_still_clip_has_no_accents(steered):
    motion = disc(np.zeros(30))
    assert not lively(motion).any() and not choreograph(motion, steered).pulses


def test_a_short_gesture_in_a_still_clip_is_all_that_moves_the_picture(steered):
    frames = np.full((240, HEIGHT, WIDTH), 100, np.uint8)
    frames[::2, 20, 20] += 20  # one pixel flickers, far below what is said to move
    frames[100:108] = np.random.default_rng(0).integers(0, 255, (8, HEIGHT, WIDTH))
    motion = watch(Clip(frames, "0" * 64, False))
    liveliness = lively(motion)
    assert not liveliness[:100].any() and not liveliness[110:].any() and liveliness[100:109].min() > 0.7
    keyframes = choreograph(motion, steered).keyframes
    assert keyframes[48].latents == keyframes[0].latents != keyframes[-1].latents
    assert max(latent.seed for latent in keyframes[-1].latents) <= keyframes[0].latents[0].seed + 1


def test_strength_is_speed(steered):
    motion = disc(np.full(72, 3.0))
    calm, wild = (choreograph(motion, steered, strength=value) for value in (0.2, 1.0))
    last = [score.keyframes[-1].latents[0].seed for score in (calm, wild)]
    assert last[1] > last[0]
    with pytest.raises(ValueError, match="strength must be between 0 and 1"):
        choreograph(motion, steered, strength=2)


def test_pairs_of_frames():
    left = iter([Image.new("RGB", (4, 4), "red")])
    right = iter([Image.new("RGB", (4, 4), "blue")] * 2)
    pairs = list(side_by_side(left, right))
    assert len(pairs) == 2 and pairs[1].size == (8, 4)
    assert pairs[1].getpixel((0, 0)) == (255, 0, 0) and pairs[1].getpixel((7, 0)) == (0, 0, 255)


def test_a_clip_of_a_phone_held_upright_stands_upright(tmp_path):
    """It is stored on its side, with a matrix that says so: what is stored at the top left is shown at the right."""
    stored = np.zeros((30, 32, 64), np.uint8)
    stored[:, :8, :16] = 255
    path = write_clip(stored, tmp_path / "portrait.mp4")
    content = bytearray(path.read_bytes())
    matrix = content.index(b"tkhd") + 4 + 40  # of the track's header: a quarter turn clockwise
    content[matrix : matrix + 36] = struct.pack(">9i", 0, 1 << 16, 0, -(1 << 16), 0, 0, 32 << 16, 0, 1 << 30)
    path.write_bytes(content)
    (picture, *_) = clip_pictures(path, 24, 64)
    grey = np.asarray(picture.convert("L"))
    assert grey[:16, 32 + 8 : 32 + 16].mean() > 200 and grey[:, :16].max() < 30  # 32 x 64 px in the middle
    assert grey[20:].mean() < 20 and grey[:16, 16:36].mean() < 40
    seen = read_clip(path).frames[0]
    assert seen.shape == (48, 64) and seen[:10, 50:].mean() > 200 and seen[14:].mean() < 20 and seen[:, :40].mean() < 20


# The verb


def dance(*arguments: object):
    return run_here(lambda: main(["dance", *map(str, arguments)]))


def test_the_verb_films_clip_and_painting_with_the_sound(steered_folder, tmp_path):
    sound = write_encoded(click_track(120, 2)[0], tmp_path / "clicks.wav")
    clip = write_clip(moving_disc(np.full(48, 3.0)), tmp_path / "clip.mp4", sound=sound)
    film, alone, score = tmp_path / "film.mp4", tmp_path / "alone.webm", tmp_path / "score.json"
    small = ["--model", steered_folder, "--fps", 12, "--size", 64]
    result = dance(clip, *small, "--out", film, "--score", score)
    assert result.returncode == 0, result.stderr
    assert "24 frames of 64 px" in result.stdout and np.abs(decoded_sound(film)).max() > 0.1
    with av.open(str(film)) as container:
        frames = [frame.to_image() for frame in container.decode(video=0)]
    assert len(frames) == 24 and frames[0].size == (128, 64)
    assert str(tmp_path) not in score.read_text() and json.loads(score.read_text())["source_sha256"]
    result = dance(clip, "--model", steered_folder, "--alone", "--from-score", score, "--out", alone)
    assert result.returncode == 0, result.stderr
    with av.open(str(alone)) as container:
        assert container.streams.video[0].width == 64 and not container.streams.audio
    assert read_score(score).frames == 24


def test_the_verb_says_what_is_wrong_in_a_line(steered_folder, tmp_path):
    one = write_clip([np.zeros((32, 32), np.uint8)], tmp_path / "one.mp4")
    out = ["--model", steered_folder, "--out", tmp_path / "film.mp4"]
    assert_one_clear_line(dance(one, *out), "lasts 0.04 seconds: expected a clip of 1 to 60 seconds")
    assert_one_clear_line(dance(one, *out, "--palette", "7"), "palette must be between 0 and 1")
    assert [path.name for path in tmp_path.iterdir()] == ["one.mp4"]
