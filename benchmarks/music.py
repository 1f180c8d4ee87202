"""Whether films follow their sound and their clip, what is heard of known sounds, and how long a film takes.

python benchmarks/music.py checkpoints/masters --results benchmarks/results/music

All sounds and clips are synthesised, so that it is known what is in them: no package has recordings that are in the
public domain. `--quick` takes less of everything, to see that it runs.
"""

import argparse
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import av
import numpy as np
import psutil
import torch
from PIL import Image

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from artmodels.cli.arguments import OneLineParser
from artmodels.generate.choreograph import choreograph
from artmodels.generate.compose import compose
from artmodels.generate.film import write_video
from artmodels.generate.sampling import paint_rows
from artmodels.generate.score import Score, ScoreRows, score_frames
from artmodels.hub.load import LoadedModel, load_model
from artmodels.io.errors import main_with_clear_errors
from artmodels.io.files import write_json
from artmodels.signals.audio_file import RATE, Sound, read_sound, write_sound
from artmodels.signals.listening import FRAMES_PER_SECOND, hear
from artmodels.signals.motion import watch
from artmodels.signals.synthesis import click, hiss, kick, moving_disc, our_song, place, tone
from artmodels.signals.video_file import HEIGHT, WIDTH, Clip, read_clip

FPS = 24
SHUFFLES = 20
TEMPI = (60, 75, 90, 104, 120, 137, 150, 165, 180)
NOISE_DB = 10
NEAR = (-1, 0, 1)  # frames by which the picture may come early or late


def parse_arguments() -> argparse.Namespace:
    parser = OneLineParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", help="a model's folder or Hub id")
    parser.add_argument("--results", type=Path, help="a folder for the figures, a JSON file for each part")
    parser.add_argument("--only", nargs="+", choices=PARTS, default=list(PARTS), help="these parts (default: all)")
    parser.add_argument("--quick", action="store_true", help="less of everything")
    return parser.parse_args()


def main() -> None:
    chosen = parse_arguments()
    model = load_model(chosen.model)
    for part in chosen.only:
        told = {
            "model": model.name,
            "weights_sha256": model.weights_sha256,
            "threads": torch.get_num_threads(),
            part: PARTS[part](model, chosen.quick),
        }
        print(json.dumps(told[part], indent=2), flush=True)
        if chosen.results:
            chosen.results.mkdir(parents=True, exist_ok=True)
            write_json(chosen.results / f"{part}.json", told)


# Listening


def beat_errors(tempi: Sequence[float], seconds: float) -> list[dict[str, Any]]:
    """The largest distance between a beat and the one heard, in milliseconds, either way, for click tracks."""
    random, rows = np.random.default_rng(0), []
    for kind in ("plain", "swing", f"noise at {NOISE_DB} dB"):
        errors = {}
        for tempo in tempi:
            beats = np.arange(0.5, seconds - 0.2, 60 / tempo)
            samples = place(seconds, beats, click(), 0.7)
            if kind == "swing":
                samples += place(seconds, beats[:-1] + 40 / tempo, click(), 0.35)
            if kind.startswith("noise"):
                power = (samples**2).mean() / 10 ** (NOISE_DB / 10)
                samples = samples + np.sqrt(power) * random.standard_normal(len(samples))
            found = hear(sound_of(samples)).beats
            errors[str(tempo)] = round(1000 * farthest(found, beats), 1)
        rows.append({"clicks": kind, "largest_error_ms": errors})
    return rows


def farthest(found: np.ndarray, expected: np.ndarray) -> float:
    """The largest distance from any of both to the nearest of the other."""
    if not len(found):
        return float("inf")
    apart = np.abs(found[:, None] - expected[None])
    return float(max(apart.min(axis=0).max(), apart.min(axis=1).max()))


def sound_of(samples: np.ndarray) -> Sound:
    return Sound(np.clip(samples, -1, 1).astype(np.float32), "0" * 64)


def sounds_with_onsets(seconds: float) -> Iterator[tuple[str, np.ndarray]]:
    """Five of which it is known when what begins."""
    random = np.random.default_rng(3)
    yield "clicks, 120 a minute", place(seconds, np.arange(0.5, seconds - 0.2, 0.5), click(), 0.8)
    beats = np.arange(0.5, seconds - 0.4, 60 / 104)
    yield (
        "drum on the beat, hi-hat off it",
        place(seconds, beats, kick(), 0.8) + place(seconds, beats + 30 / 104, hiss(0.08, 0.015, 2), 0.3),
    )
    times = np.cumsum(random.uniform(0.15, 0.9, round(2 * seconds)))
    times = times[times < seconds - 0.3]
    yield "uneven clicks, loud and soft", place(seconds, times, click(), random.uniform(0.3, 1, len(times)))
    notes = np.resize([57, 60, 64, 65, 60, 57, 53, 60], round(2.5 * seconds))
    starts = np.arange(len(notes)) * 0.4 + 0.4
    plucked = [place(seconds, [start], tone(note, 1.0), 0.3) for start, note in zip(starts, notes, strict=True)]
    yield "plucked notes", np.sum(plucked, axis=0)
    yield "a piece with chords, drums and melody", our_song(seconds)


# Films that follow


def painted_change(model: LoadedModel, score: Score) -> np.ndarray:
    """The mean absolute difference of each frame from the one before, in levels of 255."""
    return changes(score_frames(ScoreRows(model, score), partial(paint_rows, model.generator)))


def changes(frames: Iterator[Image.Image]) -> np.ndarray:
    before, found = None, []
    for frame in frames:
        levels = np.asarray(frame, np.float32)
        found.append(0.0 if before is None else float(np.abs(levels - before).mean()))
        before = levels
    return np.array(found)


def by_frame(curve: np.ndarray, frames: int) -> np.ndarray:
    """The largest value of a curve of the listening since the frame before."""
    edges = (np.arange(-1, frames) * FRAMES_PER_SECOND / FPS).astype(int) + 1
    return np.array([curve[max(a, 0) : max(b, 1)].max(initial=0) for a, b in pairwise(edges)])


def correlation(change: np.ndarray, curve: np.ndarray) -> float:
    """Pearson's, the best within one frame."""
    inner = slice(2, -2)
    return max(float(np.corrcoef(np.roll(change, lag)[inner], curve[inner])[0, 1]) for lag in NEAR)


def follows_onsets(model: LoadedModel, name: str, samples: np.ndarray, seconds: float) -> dict[str, Any]:
    """How the change between painted frames follows the onset strength, mode pulse, sliders at their defaults."""
    hearing = hear(sound_of(samples))
    change = painted_change(model, compose(hearing, model, frames_per_second=FPS, size=128))
    onset, random = by_frame(hearing.onset, len(change)), np.random.default_rng(0)
    shuffled = [correlation(change, random.permutation(onset)) for _ in range(SHUFFLES)]
    return {
        "sound": name,
        "seconds": seconds,
        "correlation": round(correlation(change, onset), 3),
        "shuffled_mean": round(float(np.mean(shuffled)), 3),
        "shuffled_largest": round(max(shuffled), 3),
    }


def changes_at_bars(model: LoadedModel, mode: str, seconds: float) -> dict[str, Any]:
    """How far from each bar the largest change of the half second around it is, in frames."""
    hearing = hear(sound_of(our_song(seconds)))
    score = compose(hearing, model, mode, palette=1.0, frames_per_second=FPS, size=128)
    change = painted_change(model, score)
    first, later = score.keyframes[0], score.keyframes[1:]
    offsets = []
    for keyframe in later:
        if (keyframe.latents, keyframe.styles) == (first.latents, first.styles):
            continue  # the same chord as before: nothing is to change
        first, frame = keyframe, keyframe.time * FPS
        around = np.arange(max(1, round(frame) - FPS // 4), min(len(change), round(frame) + FPS // 4))
        offsets.append(float(around[change[around].argmax()] - frame))
    distances = np.abs(offsets)
    return {
        "mode": mode,
        "bars": len(offsets),
        "largest_distance_frames": round(float(distances.max()), 2),
        "within_one_frame": int((distances <= 1).sum()),
    }


def follows_motion(model: LoadedModel, seconds: float) -> dict[str, Any]:
    """How the painted change follows the energy of a disc that goes fast and slow; and the clip played backwards."""
    times = np.arange(round(seconds * FPS)) / FPS
    speed = 5 * np.sin(2 * np.pi * times / 3) ** 4 + 3 * (np.sin(2 * np.pi * times / 7) > 0.8)
    frames = moving_disc(speed)
    with tempfile.TemporaryDirectory() as folder:
        paths = [Path(folder) / name for name in ("clip.mp4", "reversed.mp4")]
        for path, pictures in zip(paths, (frames, frames[::-1]), strict=True):
            write_video((Image.fromarray(each).convert("RGB") for each in pictures), path, FPS)
        motion, backwards = (watch(read_clip(path)) for path in paths)
    reversed_in_memory = watch(Clip(frames_of_clip(frames)[::-1], "0" * 64, False)).energy[1:][::-1]
    change = painted_change(model, choreograph(motion, model, size=128))
    return {
        "seconds": seconds,
        "correlation": round(correlation(change, motion.energy), 3),
        "reversed_largest_difference": float(
            np.abs(reversed_in_memory - watch(Clip(frames_of_clip(frames), "0" * 64, False)).energy[1:]).max()
        ),
        "reversed_and_encoded_again_correlation": round(
            float(np.corrcoef(motion.energy[1:], backwards.energy[1:][::-1])[0, 1]), 4
        ),
    }


def frames_of_clip(frames: np.ndarray) -> np.ndarray:
    """As `read_clip` gives them, without a file."""
    return np.stack([np.asarray(Image.fromarray(each).resize((WIDTH, HEIGHT))) for each in frames])


# Time, memory, sound in time


def time_a_film(model: LoadedModel, seconds: float) -> dict[str, Any]:
    """Of a 256 px film at 24 frames a second, with its sound: from the file to the film."""
    with tempfile.TemporaryDirectory() as folder:
        source, film = Path(folder) / "song.wav", Path(folder) / "film.mp4"
        write_sound(our_song(seconds), source)
        process, began = psutil.Process(), time.monotonic()
        before, worked = process.memory_info().rss, sum(process.cpu_times()[:2])
        hearing = hear(read_sound(source))
        heard = time.monotonic() - began
        score = compose(hearing, model, frames_per_second=FPS, size=256)
        memory: list[int] = []
        frames = watched(score_frames(ScoreRows(model, score), partial(paint_rows, model.generator)), memory, process)
        write_video(frames, film, FPS, score.to_json(), source, score.frames)
        taken, worked = time.monotonic() - began, sum(process.cpu_times()[:2]) - worked
        quarter = max(1, len(memory) // 4)
        return {
            "seconds_of_sound": seconds,
            "frames": score.frames,
            "seconds_to_listen": round(heard, 2),
            "seconds_to_make": round(taken, 1),
            "processor_seconds_to_make": round(worked, 1),
            "load_of_the_machine_at_the_end": round(os.getloadavg()[0], 1),
            "memory_grown_mb": round((max(memory) - before) / 1e6),
            "memory_last_quarter_minus_first_mb": round(
                (np.mean(memory[-quarter:]) - np.mean(memory[quarter : 2 * quarter])) / 1e6
            ),
            "film_mb": round(film.stat().st_size / 1e6, 2),
            "end_of_sound_minus_end_of_pictures_ms": round(1000 * end_offset(film), 1),
            "sound_late_by_ms_at_the_end": round(1000 * sound_late_by(source, film), 1),
        }


def watched(frames: Iterator[Image.Image], memory: list[int], process: psutil.Process) -> Iterator[Image.Image]:
    for frame in frames:
        memory.append(process.memory_info().rss)
        yield frame


def end_offset(film: Path) -> float:
    ends = {}
    with av.open(str(film)) as container:
        for stream in container.streams:
            assert stream.duration is not None and stream.time_base is not None
            ends[stream.type] = float(((stream.start_time or 0) + stream.duration) * stream.time_base)
    return ends["audio"] - ends["video"]


def sound_late_by(source: Path, film: Path) -> float:
    """By how many seconds the film's sound lags behind the file's in the last three seconds, by cross-correlation."""
    original, muxed = (read_sound(path).samples for path in (source, film))
    count = min(len(original), len(muxed))
    ends = [samples[count - 3 * RATE : count] for samples in (original, muxed)]
    spectra = [np.fft.rfft(end, 2 * len(end)) for end in ends]
    product = np.fft.irfft(np.conj(spectra[0]) * spectra[1])
    lag = int(product.argmax())
    return (lag if lag < len(ends[0]) else lag - 2 * len(ends[0])) / RATE


PARTS: dict[str, Callable[[LoadedModel, bool], Any]] = {
    "beats": lambda model, quick: beat_errors(TEMPI[::4] if quick else TEMPI, 12.0 if quick else 30.0),
    "pulse": lambda model, quick: [
        follows_onsets(model, name, sound, 6.0 if quick else 30.0)
        for name, sound in sounds_with_onsets(6.0 if quick else 30.0)
    ],
    "bars": lambda model, quick: [changes_at_bars(model, mode, 12.0 if quick else 30.0) for mode in ("walk", "styles")],
    "dance": lambda model, quick: follows_motion(model, 6.0 if quick else 24.0),
    "film": lambda model, quick: time_a_film(model, 4.0 if quick else 60.0),
}

if __name__ == "__main__":
    sys.exit(main_with_clear_errors(main))
