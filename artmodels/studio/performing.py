"""Scores become films, and what a visitor sends to be heard: what the pages Music and Dance and the endpoints share."""

import html
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import numpy as np
from PIL import Image

from artmodels.generate.film import side_by_side, write_video
from artmodels.generate.score import MAX_SCORE_BYTES, Score, ScoreRows, parse_score, score_frames
from artmodels.hub.load import LoadedModel
from artmodels.signals.audio_file import Sound, read_sound, wav_bytes
from artmodels.signals.listening import Hearing, hear, waveform
from artmodels.signals.synthesis import moving_disc, our_song
from artmodels.signals.video_file import RATE, Clip, read_clip
from artmodels.studio.computing import computed
from artmodels.studio.context import StudioContext
from artmodels.studio.filming import TOGETHER, filmed
from artmodels.studio.i18n import translate
from artmodels.studio.served_files import HOUSE, FileStore
from artmodels.studio.uploads import opened

PREVIEW_SECONDS, PREVIEW_RATE = 10, 12  # of a film's beginning, and its frames a second
KINDS = ("mp4", "webm")
COLUMNS, HEIGHT = 600, 120  # of the picture of a sound


@cache
def our_piece(files: FileStore) -> str:
    """Where a piece of our own is served, for those who bring no sound."""
    return str(files.save(wav_bytes(our_song()), "our-piece.wav", HOUSE))


def hear_file(files: FileStore, path: str | None) -> tuple[Path, Sound, Hearing]:
    """What a visitor uploaded or recorded, which stays for the next film, or our own piece; and what is heard in it.

    Raises:
        ValueError: it cannot be read, or has been deleted since.
    """
    if not path or path == our_piece(files):
        file = Path(our_piece(files))
        sound = computed(read_sound, file)
    else:
        with opened(files, path, keep=True) as file:
            sound = computed(read_sound, file)
    return file, sound, computed(hear, sound)


@cache
def our_clip(files: FileStore) -> str:
    """Where a clip of our own lies, for those who bring none: a disc that goes fast and slow."""
    times = np.arange(10 * RATE) / RATE
    frames = moving_disc(5 * np.sin(np.pi * times / 3) ** 4)
    path = files.place("our-clip.mp4")
    write_video((Image.fromarray(frame).convert("RGB") for frame in frames), path, RATE)
    return str(files.keep(path, HOUSE))


def take_clip(files: FileStore, path: str | None) -> tuple[Path, Clip]:
    """What a visitor uploaded or recorded, which stays for the next film, or our own clip.

    Raises:
        ValueError: it cannot be read, or has been deleted since.
    """
    if not path:
        file = Path(our_clip(files))
        return file, computed(read_clip, file)
    with opened(files, path, keep=True) as file:
        return file, computed(read_clip, file)


def take_score(files: FileStore, path: str) -> Score:
    """A score that a visitor uploaded; the file stays for the next film.

    Raises:
        ValueError: it is none; see `parse_score`.
    """
    with opened(files, path, keep=True) as file, file.open("rb") as content:
        return parse_score(content.read(MAX_SCORE_BYTES + 1), file.name[:60])


def performed(
    context: StudioContext,
    model: LoadedModel,
    score: Score,
    sound: Path | None,
    name: str,
    stop: int | None = None,
    rough: bool = False,
    clip: Iterator[Image.Image] | None = None,
    begins: float | None = None,
) -> Iterator[float | Path]:
    """How far the film of a score is, again and again, and at last its path; see `filmed`.

    `stop` is the number of frames after which it ends. Those of a `rough` film are painted as previews, where these
    come sooner. With `clip`, its pictures stand beside the painted ones; `begins` is when they begin by the
    sound's clock.

    Raises:
        ValueError: the model cannot paint the score.
    """
    rows = computed(ScoreRows, model, score)
    count = min(stop or score.frames, score.frames)
    paint = (context.preview_patiently if rough else None) or context.paint_patiently
    frames = score_frames(rows, lambda w: paint(model, w), TOGETHER, count)
    if clip is not None:
        frames = side_by_side(clip, frames)
    rate, text = score.frames_per_second, score.to_json()
    return filmed(
        context,
        frames,
        count,
        name,
        lambda frames, path: write_video(frames, path, rate, text, sound, count, begins),
    )


def heard_words(hearing: Hearing, language: str) -> str:
    """What was heard, in a sentence or two of HTML."""
    if hearing.is_silent:
        return translate(language, "heard-silence")
    if not hearing.tempo:
        return translate(language, "heard-no-pulse")
    values = {"tempo": round(hearing.tempo), "bars": len(hearing.bars), "sections": len(hearing.sections)}
    sure = translate(language, "heard-sure" if hearing.confidence > 0.5 else "heard-unsure")
    return f"{translate(language, 'heard', **values)} {sure}"


def draw_sound(sound: Sound, hearing: Hearing, language: str) -> str:
    """A sound's waveform as SVG, its beats as short ticks, its bars as long ones, its sections as numbered lines."""
    middle, across = HEIGHT / 2 - 8, COLUMNS / hearing.seconds
    tall = waveform(sound.samples, COLUMNS) * middle
    wave = "".join(f"M{x}.5 {middle - y:.1f}V{middle + y + 0.5:.1f}" for x, y in enumerate(tall))
    bars = set(hearing.bars.round(3))
    ticks = "".join(f"M{time * across:.1f} {HEIGHT}v{-14 if time in bars else -7}" for time in hearing.beats.round(3))
    sections = "".join(
        f'<path d="M{time * across:.1f} 0V{HEIGHT}" class="section"/>'
        f'<text x="{time * across + 4:.1f}" y="12">{number}</text>'
        for number, time in enumerate(hearing.sections, 1)
    )
    label = html.escape(translate(language, "waveform"))
    return (
        f'<svg viewBox="0 0 {COLUMNS} {HEIGHT}" role="img" aria-label="{label}" class="waveform">'
        f'<path d="{wave}" class="wave"/><path d="{ticks}" class="ticks"/>{sections}</svg>'
        f"<p>{heard_words(hearing, language)} {translate(language, 'waveform-legend')}</p>"
    )
