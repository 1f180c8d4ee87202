"""Listening, by sounds of which it is known what is in them."""

import math

import numpy as np
import pytest
from sounds import click_track, sine

from artmodels.signals.audio_file import RATE, Sound
from artmodels.signals.listening import (
    FRAMES_PER_SECOND,
    band_powers,
    chroma_of,
    frames_of,
    hear,
    momentary_loudness,
    moving_mean,
    onset_strength,
    pick_onsets,
    tempo_of,
    waveform,
)
from artmodels.signals.synthesis import PROGRESSION, click, hiss, kick, our_song, place

TOLERANCE = 0.02  # seconds


def heard(samples: np.ndarray):
    return hear(Sound(samples.astype(np.float32), "0" * 64))


def assert_same_times(found: np.ndarray, expected: np.ndarray) -> None:
    assert len(found) == len(expected)
    assert np.abs(found - expected).max() < TOLERANCE


@pytest.mark.parametrize("tempo", [60, 77, 100, 120, 137, 165, 180, 206, 210])
@pytest.mark.parametrize("swing", [False, True])
def test_beats_of_a_click_track(tempo, swing):
    samples, beats = click_track(tempo, swing=swing)
    hearing = heard(samples)
    assert hearing.tempo == pytest.approx(tempo, rel=0.005) and hearing.confidence > 0.7
    assert_same_times(hearing.beats, beats)


@pytest.mark.parametrize("tempo", [60, 120, 180])
def test_beats_in_noise(tempo):
    samples, beats = click_track(tempo)
    noise = np.random.default_rng(0).standard_normal(len(samples))
    loud = samples + noise * np.sqrt((samples**2).mean() / 10)  # 10 dB
    assert_same_times(heard(loud).beats, beats)
    clipped = np.clip(20 * samples, -1, 1)
    assert_same_times(heard(clipped).beats, beats)


@pytest.mark.parametrize("meter", [3, 4])
def test_bars_begin_where_the_drum_is(meter):
    beats = np.arange(0.4, 15.5, 0.5)
    first = beats[1::meter]  # with an upbeat
    samples = place(16, beats, hiss(0.08, 0.015, 2), 0.4) + place(16, first, kick(), 0.8)
    hearing = heard(samples)
    assert_same_times(hearing.bars, first)
    assert hearing.bar_confidence > 0.5


def test_what_begins_at_the_beginning_is_the_first_beat_and_the_first_bar():
    beats = np.arange(0, 20, 0.5)
    hearing = heard(place(20, beats, kick(), np.where(np.arange(40) % 4 == 0, 0.9, 0.5)))
    assert_same_times(hearing.beats, beats)
    assert_same_times(hearing.bars, beats[::4])
    assert pick_onsets(hearing.onsets[0])[0] == 0


@pytest.mark.parametrize("notes", [(60, 64, 67), (45, 52), (45, 48, 52), (60, 61, 62), (72, 76, 79), *PROGRESSION])
def test_a_held_chord_begins_and_has_no_pulse(notes):
    tones = [0.1 / k * sine(k * 440 * 2 ** ((note - 69) / 12), 12) for note in notes for k in range(1, 6)]
    hearing = heard(np.sum(tones, axis=0))
    assert hearing.tempo == 0 and len(hearing.beats) == 0
    assert hearing.onset[:5].max() > 0 and all(len(pick_onsets(onsets[20:-20])) == 0 for onsets in hearing.onsets[1:])


@pytest.mark.parametrize("seconds", [2.5, 3, 5, 20])
def test_what_does_not_repeat_has_no_pulse_however_short(seconds):
    random, told = np.random.default_rng(0), 0
    for _ in range(20):
        noise = 0.3 * random.standard_normal(round(seconds * RATE))
        clicks = place(seconds, random.uniform(0, seconds, round(2.5 * seconds)), click())
        told += sum(heard(samples).tempo > 0 for samples in (noise.clip(-1, 1), clicks))
    assert told <= 4  # of 40


def test_silence_has_no_pulse_and_no_harmony():
    hearing = heard(np.zeros(5 * RATE))
    assert hearing.is_silent and hearing.tempo == hearing.confidence == 0
    assert len(hearing.beats) == len(hearing.bars) == 0 and list(hearing.sections) == [0]
    assert not hearing.onsets.any() and not hearing.chroma.any() and not hearing.centroid.any()
    assert np.all(np.isfinite(hearing.loudness))


def test_noise_that_comes_and_goes_like_speech_has_a_low_confidence():
    random = np.random.default_rng(1)
    syllables = np.repeat(random.random(100) ** 3, RATE // 10)
    hearing = heard(0.3 * syllables * random.standard_normal(len(syllables)))
    assert not hearing.is_silent and hearing.confidence < 0.5


def test_loudness_of_a_full_scale_sine_is_that_of_the_recommendation():
    loudness = momentary_loudness(sine(997))
    assert np.median(loudness) == pytest.approx(-3.01, abs=0.05)
    assert np.median(momentary_loudness(sine(997) / 10)) == pytest.approx(-23.01, abs=0.05)


@pytest.mark.parametrize("note", [45, 50, 57, 60, 66, 69, 83, 95])  # MIDI
def test_chroma_of_a_pure_tone_is_its_pitch_class(note):
    row = chroma_of(sine(440 * 2 ** ((note - 69) / 12)))[200]
    assert row.argmax() == note % 12 and row.max() == 1
    assert np.sort(row)[-2] < 0.7


def test_the_centroid_of_a_tone_is_its_frequency():
    for hertz in (500, 2000, 8000):
        _, centroid = band_powers(sine(hertz))
        assert np.median(centroid) == pytest.approx(hertz, rel=0.05)


def test_an_onset_is_told_in_the_band_where_it_is():
    times = np.arange(0.5, 4.5, 0.5)
    low, high = (onset_strength(band_powers(place(5, times, sound))[0]) for sound in (kick(), hiss(0.05, 0.01, 1)))
    assert low[0].max() == 1 and high[2].max() == 1 and high[0].max() < 0.3
    found = pick_onsets(high[2]) / FRAMES_PER_SECOND
    assert_same_times(found, times)


def test_vibrato_is_no_onset():
    t = np.arange(6 * RATE) / RATE
    steady = 0.5 * np.sin(2 * math.pi * (880 * t + 0.8 * np.sin(2 * math.pi * 5 * t)))
    samples = steady + place(6, [3.0], click(), 1.0)
    onset = onset_strength(band_powers(samples.astype(np.float32))[0]).mean(axis=0)
    assert abs(onset[50:-50].argmax() + 50 - 300) <= 2 and np.percentile(onset[50:250], 95) < 0.1


def test_a_new_part_is_a_new_section():
    assert heard(our_song(60)).sections == pytest.approx([0, 20.8, 46.2], abs=5)


def test_curves_have_one_value_for_each_hundredth_of_a_second():
    for count in (RATE, RATE + 1, 2 * RATE - 1):
        hearing = heard(np.random.default_rng(2).standard_normal(count) / 10)
        frames = frames_of(np.zeros(count))
        assert frames == count // 240 + 1
        curves = (hearing.loudness, hearing.centroid, hearing.onset, hearing.chroma)
        assert [len(curve) for curve in curves] == [frames] * 4


def test_the_same_sound_is_heard_alike():
    one, other = (heard(our_song(12)) for _ in range(2))
    assert all(np.array_equal(getattr(one, name), getattr(other, name)) for name in ("beats", "onsets", "chroma"))


def test_small_pieces():
    assert tempo_of(np.zeros(1000)) == (0.0, 0.0) and tempo_of(np.ones(50)) == (0.0, 0.0)
    assert moving_mean(np.arange(5.0), 3) == pytest.approx([0.5, 1, 2, 3, 3.5])
    assert waveform(np.array([0, -1, 0.5, 0.2]), 2) == pytest.approx([1, 0.5])
