"""What can be heard in a sound: loudness, onsets in three bands, beats and bars, chroma, brightness, sections.

Pure functions on arrays, in numpy alone: each of them is some thirty lines, for which librosa would bring numba, LLVM,
scipy and scikit-learn into every Space.
All times are in seconds, all curves have `FRAMES_PER_SECOND` values a second, of which number n is at n / 100 s.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from artmodels.signals.audio_file import RATE, Sound

HOP = 240
FRAMES_PER_SECOND = RATE // HOP
WINDOW, LONG_WINDOW = 512, 4096  # samples: 21 ms for how loud it is, 171 ms for what sounds
ONSET_WINDOW = 1024  # samples: 43 ms for what begins, as in SuperFlux; a shorter one hears chords throb
HANN_BANDWIDTH = 1.5  # bins, of the noise that one bin of a Hann window lets through (Harris 1978)
CHUNK = 512  # frames that are transformed at once, so that memory does not grow with the sound

BANDS = {"low": (30.0, 200.0), "mid": (200.0, 2_000.0), "high": (2_000.0, 12_000.0)}  # Hz
FILTERS_PER_BAND = 8
COMPRESSION = 1_000.0  # of powers, before differences are taken: as loud is to soft
RISE, MEMORY = 2, 6  # frames: how long a rise takes, and how long what was there before counts
LEAST_FLUX = 0.04  # of what begins: the tones of a held chord beat by less

SILENCE = -60.0  # LUFS, below which nothing is heard
TEMPI = (50.0, 210.0)  # beats per minute
USUAL_TEMPO, TEMPO_SPREAD = 120.0, 1.2  # bpm and octaves: Ellis 2007
TIGHTNESS = 400.0  # of beats: how much an uneven one costs
BEATS_TOLD = 0.15  # confidence from which on there is a pulse to speak of, and more in a short sound:
CHANCE = 7.0  # confidence, times the root of the frames, that what does not repeat has by chance at its best lag
HALVED = 0.8  # of a period's correlation that half of it must reach to be the period
METERS = (4, 3)  # beats in a bar, the likelier first
TUNING = 440.0  # Hz
CHROMA_RANGE = (100.0, 5_000.0)  # Hz, in which a bin of the long window is narrower than half a semitone, or nearly
SECTION_BARS = 8  # bars on either side by which a section is told from the next
MIN_SECTION, MAX_SECTIONS = 4.0, 16  # seconds, and how many
CLEAR_NOVELTY = 0.12


@dataclass(frozen=True)
class Hearing:
    """What was heard; curves are `[N]`, one value each hundredth of a second."""

    seconds: float
    sha256: str  # of the sound's file
    loudness: np.ndarray  # LUFS, momentary
    onsets: np.ndarray  # [3, N] in [0, 1]: strength of what begins, low, mid and high
    centroid: np.ndarray  # Hz: the brightness of the sound
    chroma: np.ndarray  # [N, 12] in [0, 1]: C, C sharp, ..., B, the strongest 1
    beats: np.ndarray  # seconds
    bars: np.ndarray  # seconds, each of them a beat
    tempo: float  # beats per minute, 0 if there is no pulse
    confidence: float  # of the beats, 0 to 1
    bar_confidence: float  # of the bars, 0 to 1
    sections: np.ndarray  # seconds at which another part begins; the first is 0

    @property
    def onset(self) -> np.ndarray:
        """The strength of what begins in any band, `[N]` in [0, 1]."""
        return self.onsets.mean(axis=0)

    @property
    def is_silent(self) -> bool:
        return bool(self.loudness.max() < SILENCE)


def hear(sound: Sound) -> Hearing:
    """All of it, for at least one second of sound."""
    samples = sound.samples
    loudness = momentary_loudness(samples)
    bands, centroid = band_powers(samples)
    onsets = onset_strength(bands)
    chroma = chroma_of(samples)
    heard = loudness > SILENCE
    onsets, chroma = onsets * heard, chroma * heard[:, None]
    onset = onsets.mean(axis=0)
    tempo, confidence = tempo_of(onset)
    told = confidence >= max(BEATS_TOLD, CHANCE / math.sqrt(len(onset)))
    beats = beats_of(onset, tempo) if told else np.zeros(0)
    bars, sure = bars_of(beats, onsets, chroma)
    seconds = len(samples) / RATE
    sections = sections_of(seconds, bars, [chroma, onsets.T, loudness[:, None] / 60])
    return Hearing(
        seconds=seconds,
        sha256=sound.sha256,
        loudness=loudness,
        onsets=onsets,
        centroid=centroid,
        chroma=chroma,
        beats=beats,
        bars=bars,
        tempo=tempo if len(beats) else 0.0,
        confidence=confidence,
        bar_confidence=sure,
        sections=sections,
    )


# Spectra


def frames_of(samples: np.ndarray) -> int:
    """How many frames a sound has: one more than its hops, since the first stands at 0."""
    return len(samples) // HOP + 1


def spectra(samples: np.ndarray, window: int, every: int = 1) -> Iterator[np.ndarray]:
    """Powers `[up to CHUNK, window // 2 + 1]` of the frames, in order; a full-scale sine has 1/4 at its bin.

    Each frame is centred on its time, under a Hann window; the sound is continued by silence. With `every`, one frame
    of so many.
    """
    taper = np.hanning(window + 1)[:-1].astype(np.float32)
    taper /= taper.sum()
    padded = np.pad(samples, (window // 2, window // 2 + HOP))
    views = sliding_window_view(padded, window)[:: HOP * every][: -(-frames_of(samples) // every)]
    for start in range(0, len(views), CHUNK):
        spectrum = np.fft.rfft(views[start : start + CHUNK] * taper, axis=1)
        yield (spectrum.real**2 + spectrum.imag**2).astype(np.float32)


def frequencies(window: int) -> np.ndarray:
    """Of the bins, in Hz."""
    return np.fft.rfftfreq(window, 1 / RATE)


# Loudness and brightness


def momentary_loudness(samples: np.ndarray) -> np.ndarray:
    """Loudness in LUFS, over 0.4 s around each frame: K-weighted mean square, ITU-R BS.1770-5.

    The two filters of the recommendation are applied to the spectra, as their squared magnitudes. Silence is -120.
    """
    weights = k_weighting(frequencies(WINDOW)) * 2 / HANN_BANDWIDTH
    weights[0] = 0
    power = np.concatenate([part @ weights for part in spectra(samples, WINDOW)])
    return -0.691 + 10 * np.log10(np.maximum(moving_mean(power, round(0.4 * FRAMES_PER_SECOND)), 1e-12))


def k_weighting(hertz: np.ndarray) -> np.ndarray:
    """The squared magnitude of BS.1770's pre-filter and RLB filter, whose coefficients are those for 48 kHz."""
    z = np.exp(-2j * math.pi * hertz / 48_000)
    shelf = (1.53512485958697 - 2.69169618940638 * z + 1.19839281085285 * z**2) / (
        1 - 1.69065929318241 * z + 0.73248077421585 * z**2
    )
    high_pass = (1 - z) ** 2 / (1 - 1.99004745483398 * z + 0.99007225036621 * z**2)
    return np.abs(shelf * high_pass) ** 2


def band_powers(samples: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Compressed powers `[N, bands, FILTERS_PER_BAND]` of filters in the three bands, and the spectral centroid `[N]`.

    The centroid is the mean frequency, weighted by magnitudes (Peeters 2004); 0 Hz where there is silence.
    """
    hertz, filters = frequencies(ONSET_WINDOW), filter_bank(frequencies(ONSET_WINDOW))
    powers, centroids = [], []
    for part in spectra(samples, ONSET_WINDOW):
        powers.append(np.log1p(COMPRESSION * part @ filters))
        magnitudes = np.sqrt(part)
        centroids.append(magnitudes @ hertz / np.maximum(magnitudes.sum(axis=1), 1e-6))
    return np.concatenate(powers).reshape(-1, len(BANDS), FILTERS_PER_BAND), np.concatenate(centroids)


def filter_bank(hertz: np.ndarray) -> np.ndarray:
    """Overlapping triangles `[bins, bands * FILTERS_PER_BAND]`, evenly spaced by the octave within each band."""
    columns = []
    for low, high in BANDS.values():
        edges = np.geomspace(low, high, FILTERS_PER_BAND + 2)
        for left, middle, right in zip(edges, edges[1:], edges[2:], strict=False):
            triangle = np.minimum((hertz - left) / (middle - left), (right - hertz) / (right - middle)).clip(0)
            nearest = np.abs(hertz - middle).argmin()
            triangle[nearest] = max(triangle[nearest], 0.5)  # a filter narrower than a bin has that bin
            columns.append(triangle)
    return np.stack(columns, axis=1).astype(np.float32)


# Onsets


def onset_strength(bands: np.ndarray) -> np.ndarray:
    """How strongly something begins, `[bands, N]` in [0, 1], of compressed powers `[N, bands, filters]`.

    Spectral flux: the rises of the filters' powers, against the neighbouring filters' loudest shortly before, so that
    vibrato is no onset (SuperFlux, Böck and Widmer 2013); against the loudest of the `MEMORY` before, so that the tones
    of a chord, which beat together faster than that, are none either. Before the first frame there is silence. The
    99.5th percentile of a band becomes 1, or less in a band that is far below the others.
    """
    after_silence = np.pad(bands, ((MEMORY, 0), (0, 0), (0, 0)))
    before = np.maximum(after_silence, np.maximum(shifted(after_silence, 1), shifted(after_silence, -1)))
    loudest_before = sliding_window_view(before, MEMORY - RISE + 1, axis=0)[: len(bands)].max(axis=-1)
    flux = ((bands - loudest_before).clip(0).mean(axis=2) - LEAST_FLUX).clip(0)
    loudest = np.percentile(flux.max(axis=1), 99.5)
    each = np.maximum(np.percentile(flux, 99.5, axis=0), 0.2 * loudest)
    return (flux / np.maximum(each, 0.05)).clip(0, 1).T


def shifted(bands: np.ndarray, by: int) -> np.ndarray:
    """Each filter's neighbour within its band."""
    return (
        np.concatenate([bands[..., :1], bands[..., :-1]], -1)
        if by > 0
        else np.concatenate([bands[..., 1:], bands[..., -1:]], -1)
    )


def pick_onsets(strength: np.ndarray, least: float = 0.1, apart: float = 0.1) -> np.ndarray:
    """Frames at which something begins: maxima of a curve `[N]` that stand out from the half second around them.

    (Böck, Krebs and Schedl 2012.) `apart` is in seconds.
    """
    near, wide = 3, round(0.25 * FRAMES_PER_SECOND)
    padded = np.pad(strength, near)
    peak = (strength == sliding_window_view(padded, 2 * near + 1).max(axis=1)) & (
        strength >= moving_mean(strength, 2 * wide + 1) + least
    )
    kept: list[int] = []
    for frame in np.flatnonzero(peak):
        if not kept or frame - kept[-1] >= apart * FRAMES_PER_SECOND:
            kept.append(int(frame))
    return np.array(kept, dtype=int)


def moving_mean(curve: np.ndarray, frames: int) -> np.ndarray:
    """The mean of so many frames around each, of the same length; what lies beyond the ends is left out."""
    ones = np.ones(frames)
    sums = np.convolve(curve, ones)[frames // 2 :][: len(curve)]
    return sums / np.convolve(np.ones(len(curve)), ones)[frames // 2 :][: len(curve)]


# Beats and bars


def tempo_of(onset: np.ndarray) -> tuple[float, float]:
    """Beats per minute of an onset curve `[N]`, and how periodic it is, 0 to 1.

    The autocorrelation of the curve, weighted by how usual a tempo is (Ellis 2007); half of the period is taken where
    it explains the curve as well. Without anything that repeats both are 0.
    """
    shortest, longest = (round(60 * FRAMES_PER_SECOND / tempo) for tempo in reversed(TEMPI))
    if len(onset) < 2 * longest or not onset.any():
        return 0.0, 0.0
    smooth = np.convolve(onset, np.hanning(7)[1:-1], "same")
    correlation = autocorrelation(smooth - smooth.mean())
    lags = np.arange(shortest, longest + 1)
    octaves = np.log2(60 * FRAMES_PER_SECOND / lags / USUAL_TEMPO)
    weighted = correlation[lags] * np.exp(-0.5 * (octaves / TEMPO_SPREAD) ** 2)
    lag = int(lags[weighted.argmax()])
    while (lag + 1) // 2 >= shortest:
        half = max(range(max(shortest, lag // 2 - 1), lag // 2 + 3), key=lambda each: correlation[each])
        if correlation[half] < HALVED * correlation[lag]:
            break
        lag = half
    period = sharpened(correlation, lag)
    return 60 * FRAMES_PER_SECOND / period, float(correlation[lag].clip(0, 1))


def autocorrelation(curve: np.ndarray) -> np.ndarray:
    """Of a curve `[N]` with itself at each lag, 1 at lag 0; by the Fourier transform, padded against wrapping."""
    spectrum = np.fft.rfft(curve, 2 * len(curve))
    products = np.fft.irfft(np.abs(spectrum) ** 2)[: len(curve)]
    overlap = np.arange(len(curve), 0, -1) / len(curve)
    return products / overlap / max(products[0], 1e-12)


def sharpened(correlation: np.ndarray, lag: int) -> float:
    """The period near a lag, in fractions of a frame: from the farthest of its multiples that is still a peak."""
    period = float(lag)
    for multiple in (1, 2, 4, 8, 16):
        middle = round(period * multiple)
        if middle + 3 >= len(correlation) // 2:
            break
        near = range(max(1, middle - 2), middle + 3)
        peak = max(near, key=lambda each: correlation[each])
        if correlation[peak] < 0.5 * correlation[lag]:
            break
        period = (peak + parabola_top(correlation, peak)) / multiple
    return period


def parabola_top(curve: np.ndarray, peak: int) -> float:
    """How far from a maximum, in frames, the top of the parabola through it and its neighbours lies."""
    if not 0 < peak < len(curve) - 1:
        return 0.0
    left, middle, right = curve[peak - 1 : peak + 2]
    bend = left - 2 * middle + right
    return float(np.clip(0.5 * (left - right) / bend, -0.5, 0.5)) if bend < 0 else 0.0


def beats_of(onset: np.ndarray, tempo: float) -> np.ndarray:
    """Times of the beats: the chain that best meets onsets and keeps the tempo (Ellis 2007), by dynamic programming."""
    if tempo <= 0 or not onset.any():
        return np.zeros(0)
    period = 60 * FRAMES_PER_SECOND / tempo
    smooth = np.convolve(onset, np.hanning(5)[1:-1], "same")
    score = smooth / max(smooth.std(), 1e-6)
    gaps = np.arange(-round(2 * period), -round(period / 2))
    cost = -TIGHTNESS * np.log(-gaps / period) ** 2
    total, previous = score.copy(), np.full(len(score), -1)
    for frame in range(-gaps[-1], len(score)):
        reachable = gaps[max(0, -gaps[0] - frame) :]
        chain = total[frame + reachable] + cost[-len(reachable) :]
        best = int(chain.argmax())
        if chain[best] > 0:
            total[frame] += chain[best]
            previous[frame] = frame + reachable[best]
    tail = max(0, len(total) - round(1.5 * period))
    frame = tail + int(total[tail:].argmax())
    chain_of_beats = []
    while frame >= 0:
        chain_of_beats.append(frame)
        frame = previous[frame]
    beats = np.array(chain_of_beats[::-1])
    first, last = (np.flatnonzero(onset > 0.05)[[0, -1]]) if (onset > 0.05).any() else (0, len(onset))
    beats = beats[(beats >= first - 3) & (beats <= last + 3)]
    return np.array([beat + parabola_top(smooth, beat) for beat in beats]) / FRAMES_PER_SECOND


def bars_of(beats: np.ndarray, onsets: np.ndarray, chroma: np.ndarray) -> tuple[np.ndarray, float]:
    """Times of the first beats of bars, and how sure they are, 0 to 1.

    Of the meters and places it is the one whose beats have most more than the others of low onsets and of new harmony
    (after Goto 2001). Where none stands out, every fourth beat from the first on.
    """
    if len(beats) < 2 * METERS[0]:
        return beats[: 1 if len(beats) else 0], 0.0
    frames = np.minimum((beats * FRAMES_PER_SECOND).round().astype(int), onsets.shape[1] - 1)
    near = 0.5 * onsets[0] + 0.5 * onsets.mean(axis=0)
    accent = np.array([near[max(0, frame - 2) : frame + 3].max() for frame in frames])
    between = [chroma[start:end].mean(axis=0) for start, end in zip(frames, [*frames[1:], len(chroma)], strict=True)]
    change = np.abs(np.diff(np.array(between), axis=0, prepend=between[:1])).mean(axis=1)
    change[0] = change.max()  # the first beat is always new
    accent = standardised(accent) + standardised(change)
    best, meter, place = 0.0, METERS[0], 0
    for beats_a_bar in METERS:
        for offset in range(beats_a_bar):
            first = np.arange(len(beats)) % beats_a_bar == offset
            lead = (accent[first].mean() - accent[~first].mean()) * math.sqrt(first.mean())
            if lead > best + 0.05:
                best, meter, place = lead, beats_a_bar, offset
    return beats[place::meter], float(np.clip(best / 2, 0, 1))


def standardised(values: np.ndarray) -> np.ndarray:
    """At mean 0 and deviation 1, or all 0 where they hardly differ."""
    deviation = values.std()
    return (values - values.mean()) / deviation if deviation > 0.08 else np.zeros_like(values)


# Harmony


def chroma_of(samples: np.ndarray) -> np.ndarray:
    """How strong each of the twelve pitch classes is, `[N, 12]` in [0, 1]: C first, the strongest of a frame 1.

    The magnitudes of the bins from 100 Hz to 5 kHz, each given to the pitch class of its frequency (Fujishima 1999).
    """
    hertz = frequencies(LONG_WINDOW)
    inside = (hertz >= CHROMA_RANGE[0]) & (hertz <= CHROMA_RANGE[1])
    pitch = 69 + 12 * np.log2(np.maximum(hertz, 1) / TUNING)  # 69 is A4, as in MIDI; 0 a C
    distance = (pitch[:, None] - np.arange(12) + 6) % 12 - 6
    fold = (np.exp(-0.5 * (distance / 0.3) ** 2) * inside[:, None]).astype(np.float32)
    every = 4  # a long window hardly changes from one frame to the next
    rows = np.concatenate([np.sqrt(part) @ fold for part in spectra(samples, LONG_WINDOW, every)])
    strongest = rows.max(axis=1, keepdims=True)
    chroma = np.where(strongest > 1e-4, rows / np.maximum(strongest, 1e-4), 0)
    return np.repeat(chroma, every, axis=0)[: frames_of(samples)]


# Sections


def sections_of(seconds: float, bars: np.ndarray, groups: Sequence[np.ndarray]) -> np.ndarray:
    """Times at which another part begins, the first 0, by groups of curves `[N, curves]` that count alike, bar by bar.

    Where the bars before and the bars after are most unlike, and unlike enough. Without bars it goes second by second.
    """
    features = np.concatenate(groups, axis=1)
    weights = np.concatenate([np.full(group.shape[1], 1 / group.shape[1] / len(groups)) for group in groups])
    starts = bars if len(bars) >= 4 else np.arange(0, seconds, 1.0)
    frames = np.minimum((starts * FRAMES_PER_SECOND).astype(int), len(features) - 1)
    parts = zip(frames, [*frames[1:], len(features)], strict=True)
    rows = np.array([features[start : max(end, start + 1)].mean(axis=0) for start, end in parts])
    rows = (rows - rows.mean(axis=0)) / np.maximum(rows.std(axis=0), 0.05)
    novelty = np.array([novelty_at(rows, weights, place) for place in range(len(rows))])
    found = [0.0]
    for place in np.argsort(-novelty):
        clear = all(abs(starts[place] - other) >= MIN_SECTION for other in [*found, seconds])
        near = novelty[max(0, place - 2) : place + 3]
        if clear and novelty[place] == near.max() and novelty[place] > CLEAR_NOVELTY and len(found) < MAX_SECTIONS:
            found.append(float(starts[place]))
    return np.array(sorted(found))


def novelty_at(rows: np.ndarray, weights: np.ndarray, place: int) -> float:
    """How clearly the rows before a place differ from those after it, 0 to 1, with weights `[features]` of sum 1.

    The squared distance of the two means, against the variances around them (Fisher 1936).
    """
    width = min(SECTION_BARS, place, len(rows) - place)
    if width < SECTION_BARS // 2:
        return 0.0
    before, after = rows[place - width : place], rows[place : place + width]
    apart = (before.mean(axis=0) - after.mean(axis=0)) ** 2 @ weights
    within = (before.var(axis=0) + after.var(axis=0)) @ weights
    return float(apart / max(apart + within, 1e-6))


# To look at


def waveform(samples: np.ndarray, columns: int) -> np.ndarray:
    """The largest magnitude in each of so many parts of a sound, `[columns]` in [0, 1]."""
    edges = np.linspace(0, len(samples), columns + 1).astype(int)
    return np.array([np.abs(samples[a : max(b, a + 1)]).max(initial=0) for a, b in pairwise(edges)])
