"""Sounds of our own, made by formulas and so free of rights: to try the studio with, and to measure by."""

import math
from functools import cache

import numpy as np
from numpy.typing import ArrayLike

from artmodels.signals.audio_file import RATE

PROGRESSION = ((57, 60, 64), (53, 57, 60), (48, 52, 55), (55, 59, 62))  # A minor, F, C, G, as MIDI notes


def click(seconds: float = 0.03, hertz: float = 1500.0) -> np.ndarray:
    """A short tick that begins at once."""
    t = np.arange(round(seconds * RATE)) / RATE
    return (np.exp(-t / 0.006) * np.cos(2 * math.pi * hertz * t)).astype(np.float32)


def kick(seconds: float = 0.25) -> np.ndarray:
    """A bass drum: a sine that falls from 160 to 50 Hz."""
    t = np.arange(round(seconds * RATE)) / RATE
    phase = 2 * math.pi * (50 * t + 110 * 0.03 * (1 - np.exp(-t / 0.03)))
    return (np.exp(-t / 0.09) * np.sin(phase)).astype(np.float32)


def hiss(seconds: float, decay: float, seed: int) -> np.ndarray:
    """Noise that decays: a hi-hat where `decay` (seconds) is short, a snare where it is longer."""
    t = np.arange(round(seconds * RATE)) / RATE
    noise = np.random.default_rng(seed).standard_normal(len(t))
    return (0.5 * np.exp(-t / decay) * np.diff(noise, prepend=0)).astype(np.float32)


def tone(note: float, seconds: float, decay: float = 0.6) -> np.ndarray:
    """A plucked string: a MIDI note with four overtones, each of which decays faster than the one below."""
    t = np.arange(round(seconds * RATE)) / RATE
    hertz = 440 * 2 ** ((note - 69) / 12)
    parts = [np.exp(-t * k / decay) / k * np.sin(2 * math.pi * hertz * k * t) for k in range(1, 6)]
    return (sum(parts) * np.minimum(t / 0.004, 1)).astype(np.float32)


def place(seconds: float, times: ArrayLike, sound: np.ndarray, gains: ArrayLike = 1.0) -> np.ndarray:
    """Silence of so many seconds in which a sound begins at each of these times."""
    whole = np.zeros(round(seconds * RATE), np.float32)
    for time, gain in zip(*np.broadcast_arrays(times, gains), strict=True):
        start = round(time * RATE)
        part = sound[: max(0, len(whole) - start)]
        whole[start : start + len(part)] += np.float32(gain) * part
    return whole


def our_song(seconds: float = 24.0, tempo: float = 104.0) -> np.ndarray:
    """A small piece: four chords, plucked; after a third of it drums, in the last third a melody above them.

    `[N]` float32 in [-1, 1], `RATE` a second.
    """
    beat = 60 / tempo
    beats = np.arange(0, seconds - beat / 2, beat)
    pluck = cache(tone)  # few notes, many times
    song = np.zeros(round(seconds * RATE), np.float32)
    for bar, start in enumerate(beats[::4]):
        chord = PROGRESSION[bar % len(PROGRESSION)]
        for step in range(8):  # an arpeggio of eighths
            note = chord[(0, 1, 2, 1)[step % 4]] + 12 * (step % 4 == 3)
            song += place(seconds, [start + step * beat / 2], pluck(note, 1.2), 0.16)
        song += place(seconds, [start], pluck(chord[0] - 12, 2.0, 1.2), 0.3)
        if start > 2 * seconds / 3:
            for step, jump in enumerate((24, 19, 24, 28)):
                song += place(seconds, [start + step * beat], pluck(chord[0] + jump, 0.8), 0.14)
    drums = beats[(beats > seconds / 3) & (np.arange(len(beats)) >= 4 * math.ceil(len(beats) / 12))]
    numbers = np.round(drums / beat).astype(int)
    song += place(seconds, drums[numbers % 2 == 0], kick(), 0.7)
    song += place(seconds, drums[numbers % 2 == 1], hiss(0.2, 0.05, 1), 0.45)
    song += place(seconds, [*drums, *(drums + beat / 2)], hiss(0.08, 0.015, 2), 0.22)
    fade = np.minimum(1, (seconds - np.arange(len(song)) / RATE) / 0.5).clip(0)
    return (song * fade / max(np.abs(song).max(), 1e-6) * 0.9).astype(np.float32)


def moving_disc(speed: np.ndarray, height: int = 96, width: int = 128, radius: float = 12.0) -> np.ndarray:
    """A clip of a bright disc on grey that goes to and fro at these speeds, `[N]` in px a frame: `[N, height, width]`.

    It starts at the middle and turns round at the sides.
    """
    room = width - 2 * radius
    way = (np.cumsum(speed) + room / 2) % (2 * room)
    x = radius + np.where(way > room, 2 * room - way, way)
    rows, columns = np.mgrid[:height, :width]
    distance = np.hypot(columns[None] - x[:, None, None], rows[None] - height / 2)
    return (60 + 170 / (1 + np.exp((distance - radius) / 1.0))).round().astype(np.uint8)
