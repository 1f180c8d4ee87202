"""Scores: composed, written and read again, attacked, rendered; and the verb as a user types it."""

import json
import math
import time
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
import torch
from helpers import STYLES, assert_one_clear_line, run_here
from PIL import Image
from sounds import click_track, decoded_sound, sine, write_encoded

from artmodels.cli.main import main
from artmodels.generate.compose import MODES, compose, styles_in_play
from artmodels.generate.film import write_video
from artmodels.generate.recipe import Latent, Recipe
from artmodels.generate.sampling import paint_rows, rows_of
from artmodels.generate.score import (
    MAX_SCORE_BYTES,
    Pulse,
    Score,
    ScoreRows,
    check_score,
    eased,
    parse_score,
    read_score,
    score_bytes,
    score_frames,
    voices_of,
    write_score,
)
from artmodels.hub.load import LoadedModel, load_model
from artmodels.signals.audio_file import RATE, Sound
from artmodels.signals.listening import Hearing, hear
from artmodels.signals.synthesis import hiss, kick, our_song, place

RATE_OF_FRAMES = 24


@pytest.fixture(scope="module")
def steered(steered_folder) -> LoadedModel:
    return load_model(steered_folder)


@pytest.fixture(scope="module")
def song() -> Hearing:
    return hear(Sound(our_song(), "a" * 64))


def plain(model: LoadedModel, **changes: Any) -> dict[str, Any]:
    """A score as a person might write it."""
    return {
        "schema": 1,
        "model": model.name,
        "weights_sha256": model.weights_sha256,
        "seconds": 3.0,
        "size": 64,
        "keyframes": [
            {"time": 0.0, "latents": [{"seed": 1}], "styles": {"mosaic": 1.0}},
            {"time": 1.0, "glide": 1.0, "latents": [{"seed": 2}], "styles": {"op-art": 1.0}, "easing": "even"},
            {"time": 2.5, "latents": [{"seed": 3}, {"seed": 4, "weight": 0.5}], "styles": {"mosaic": 1}},
        ],
        **changes,
    }


def score_of(model: LoadedModel, **changes: Any) -> Score:
    return parse_score(json.dumps(plain(model, **changes)))


def row(model: LoadedModel, style: str, *latents: Latent) -> torch.Tensor:
    recipe = Recipe(model.name, model.weights_sha256, latents, {style: 1.0}, 0.8)
    return rows_of(model.generator, recipe)[0]


# Rendering


def test_keyframes_are_reached_when_they_say(model):
    rows = ScoreRows(model, score_of(model)).rows(0, 72)
    first, second = row(model, "mosaic", Latent(1)), row(model, "op-art", Latent(2))
    assert torch.allclose(rows[:24], first.expand(24, -1, -1), atol=1e-5)
    assert torch.allclose(rows[47:60], second.expand(13, -1, -1), atol=1e-5)
    assert torch.allclose(rows[35, 1:], (first + second)[1:] / 2, atol=1e-4)  # half way, evenly
    third = row(model, "mosaic", Latent(3), Latent(4, 0.5))
    assert torch.allclose(rows[60:], third.expand(12, -1, -1), atol=1e-5)  # no glide: at once
    assert torch.allclose(rows[:, 0].norm(dim=1), first[0].norm(), rtol=1e-4)


def test_a_pulse_pushes_its_rows_and_lets_go(model):
    pulse = {"time": 0.5, "amount": 0.6, "relax": 0.2, "seed": 9, "rows": [1, 2]}
    still = plain(model)["keyframes"][:1]
    rows = ScoreRows(model, score_of(model, keyframes=still, pulses=[pulse])).rows(0, 72)
    rest, aim = row(model, "mosaic", Latent(1)), row(model, "mosaic", Latent(9))
    assert torch.allclose(rows[:12], rest.expand(12, -1, -1), atol=1e-5)
    assert torch.equal(rows[:, 0], rows[:1, 0].expand(72, -1)) and torch.equal(rows[:, 3], rows[:1, 3].expand(72, -1))
    for frame in (12, 15, 20):
        share = 0.6 * math.exp(-(frame / 24 - 0.5) / 0.2)
        assert torch.allclose(rows[frame, 1:3], torch.lerp(rest, aim, share)[1:3], atol=1e-4)


def test_any_part_of_the_frames_is_the_same(steered, song):
    rows = ScoreRows(steered, compose(song, steered, size=64))
    whole = rows.rows(100, 160)
    assert torch.equal(torch.cat(list(rows.parts(17, 100, 160))), whole)


def test_easings():
    assert [eased(part, "even") for part in (0, 0.3, 1)] == [0, 0.3, 1]
    for easing in ("leap", "smooth"):
        assert eased(0, easing) == 0 and eased(1, easing) == pytest.approx(1)
    assert eased(0.1, "leap") > 0.25 > eased(0.25, "smooth")


def test_directions_and_layers_take_part(steered):
    keyframe = plain(steered)["keyframes"][0]
    plainly, steered_to, mixed = (
        ScoreRows(steered, score_of(steered, keyframes=[{**keyframe, **more}])).rows(0, 1)[0]
        for more in ({}, {"directions": {"brightness": 1.5}}, {"layers": {"first": 2, "seed": 8}})
    )
    assert torch.allclose(steered_to, plainly + 1.5 * steered.directions.vectors[0], atol=1e-4)
    assert torch.equal(mixed[:2], plainly[:2]) and not torch.allclose(mixed[2:], plainly[2:])


def test_a_sound_stays_in_time_with_the_frames(tmp_path):
    """White frames where the clicks are, to the last of them, in both kinds of file and in a file at another rate."""
    samples, beats = click_track(120, 20)
    beats = np.round(beats * RATE_OF_FRAMES) / RATE_OF_FRAMES
    sound = write_encoded(samples, tmp_path / "clicks.mp3", 44_100)
    lit = set((beats * RATE_OF_FRAMES).astype(int))
    frames = [Image.new("RGB", (32, 32), "white" if number in lit else "black") for number in range(480)]
    for name in ("film.mp4", "film.webm"):
        write_video(frames, tmp_path / name, RATE_OF_FRAMES, sound=sound, count=480)
        with av.open(str(tmp_path / name)) as film:
            flashes = [frame.time for frame in film.decode(video=0) if frame.to_ndarray(format="gray").mean() > 128]
        heard = decoded_sound(tmp_path / name)
        assert len(heard) / RATE == pytest.approx(20, abs=1 / RATE_OF_FRAMES)
        found = hear(Sound(np.clip(heard, -1, 1), "0" * 64)).beats
        assert flashes == pytest.approx(list(beats), abs=0.005)
        assert np.abs(found - beats).max() < 1 / RATE_OF_FRAMES


def test_a_film_with_a_sound_needs_its_count_of_frames(tmp_path):
    with pytest.raises(ValueError, match=r"film\.mp4: a film with a sound ends with its frames: expected their count"):
        write_video([Image.new("RGB", (32, 32))], tmp_path / "film.mp4", 24, sound=tmp_path / "a.wav")


# Composing


@pytest.mark.parametrize("mode", MODES)
def test_the_same_sound_makes_the_same_score_and_frames(steered, song, mode):
    one, other = (compose(song, steered, mode, seed=7, size=64) for _ in range(2))
    assert one == other and score_bytes(one) == score_bytes(other)
    assert compose(song, steered, mode, seed=8, size=64) != one
    frames = [
        [
            np.asarray(frame)
            for frame in score_frames(ScoreRows(steered, one), partial(paint_rows, steered.generator), stop=24)
        ]
        for _ in range(2)
    ]
    assert np.array_equal(frames[0], frames[1])


@pytest.mark.parametrize("mode", ["walk", "styles"])
def test_pictures_change_at_the_bars(steered, song, mode):
    score = compose(song, steered, mode, palette=1, size=64)
    times = [keyframe.time for keyframe in score.keyframes]
    assert times == pytest.approx([0, *song.bars[song.bars > 0.1]], abs=0.001)
    if mode == "styles":
        assert len({next(iter(keyframe.styles)) for keyframe in score.keyframes}) > 1


def test_pulses_are_at_the_onsets_and_low_ones_are_coarse(steered):
    beats, between = np.arange(0.5, 10, 0.6), np.arange(0.8, 10, 0.6)
    samples = place(11, beats, kick(), 0.8) + place(11, between, hiss(0.05, 0.01, 1), 0.5)
    score = compose(hear(Sound(samples, "0" * 64)), steered)
    layers = steered.generator.config.layers
    for times, pushed in ((beats, 0), (between, layers)):
        found = [pulse.time for pulse in score.pulses if pulse.rows[bool(pushed)] == pushed]
        assert all(min(abs(time - np.array(found))) < 0.02 for time in times)


def test_the_sliders_do_what_they_say(steered, song):
    def pushed(**sliders: Any) -> Score:
        return compose(song, steered, "pulse", **sliders)

    weak, strong = (sum(pulse.amount for pulse in pushed(strength=value).pulses) for value in (0.2, 0.9))
    assert strong == pytest.approx(4.5 * weak, rel=0.02)
    assert pushed(smoothness=0.1).pulses[0].relax < pushed(smoothness=0.9).pulses[0].relax
    one = compose(song, steered, "styles", palette=0, style="op-art")
    assert {style for keyframe in one.keyframes for style in keyframe.styles} == {"op-art"}
    assert not any(keyframe.directions for keyframe in one.keyframes)
    assert len(styles_in_play(STYLES, 0.5, 1)) == 2 and sorted(styles_in_play(STYLES, 1, 1)) == sorted(STYLES)
    assert styles_in_play(STYLES, 1, 4, "op-art")[0] == "op-art"


@pytest.mark.parametrize("mode", ["walk", "styles"])
def test_the_smoothest_glides_through_the_whole_bar(steered, song, mode):
    keyframes = compose(song, steered, mode, smoothness=1).keyframes
    for keyframe, following in pairwise(keyframes):
        assert keyframe.time + keyframe.glide == pytest.approx(following.time, abs=0.002)


def test_a_bar_is_written_in_thousandths_and_never_later_than_it_is(steered):
    beats = np.arange(0.25, 30, 60 / 103.8)
    hearing = hear(Sound(place(30, beats, kick(), 0.9), "0" * 64))
    times = np.array([keyframe.time for keyframe in compose(hearing, steered, "walk").keyframes][1:])
    early = hearing.bars - times
    assert early.min() > -1e-5 and early.max() < 0.001 and np.allclose(1000 * times, (1000 * times).round())


def test_a_pulse_is_in_its_frame_also_where_that_is_the_last_of_a_part():
    (voice,) = voices_of([Pulse(time=0.7, amount=0.5, seed=1, rows=(0, 1))])
    missed = 0.7 - 1e-9  # in floating point
    assert voice.push(np.array([missed])) == voice.push(np.array([missed, 0.8]))[:1] == pytest.approx(0.5, rel=1e-4)


def test_silence_walks_slowly(steered):
    score = compose(hear(Sound(np.zeros(30 * RATE, np.float32), "0" * 64)), steered)
    assert [keyframe.time for keyframe in score.keyframes] == [0, 0.1, 8, 16, 24] and not score.pulses
    assert all(keyframe.easing == "even" for keyframe in score.keyframes)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({"mode": "jump"}, "one of walk, pulse, styles, found 'jump'"),
        ({"strength": 1.5}, "strength must be between 0 and 1, found 1.5"),
        ({"palette": math.nan}, "palette must be between 0 and 1"),
        ({"seed": 2**32}, "below 2"),
        ({"style": "cubism"}, "no style 'cubism'"),
    ],
)
def test_choices_that_are_none(steered, song, values, expected):
    with pytest.raises(ValueError, match=expected):
        compose(song, steered, **values)


# Files


def test_a_score_survives_its_file(steered, song, tmp_path):
    for mode in MODES:
        score = compose(song, steered, mode, palette=1)
        write_score(score, tmp_path / "score.json")
        assert read_score(tmp_path / "score.json") == score
        assert parse_score(score.to_json()) == score
        text = (tmp_path / "score.json").read_text()
        assert sum(line.startswith('    {"time"') for line in text.splitlines()) == len(score.keyframes) + len(
            score.pulses
        )


HOSTILE: list[tuple[Any, str]] = [
    ("", "no JSON"),
    ("[" * 100_000, "no JSON"),
    (" " * (MAX_SCORE_BYTES + 1), "none of ours"),
    ("[]", "should be an object"),
    ({"schema": 2}, "schema '2'"),
    ({"schema": "1"}, "schema '1'"),
    ({"seconds": 1e9}, "seconds"),
    ({"seconds": "3"}, "seconds"),
    ({"seconds": 301.0}, "seconds"),
    ({"frames_per_second": 1000}, "8 to 30 whole frames"),
    ({"size": 65}, "even number of pixels"),
    ({"size": 100_000}, "even number of pixels"),
    ({"weights_sha256": "x"}, "weights_sha256"),
    ({"truncation": 99.0}, "truncation"),
    ({"keyframes": []}, "keyframes"),
    ({"keyframes": [{"time": 0.0}] * 1001}, "keyframes"),
    ({"keyframes": [{"time": 0.5, "latents": [{"seed": 1}], "styles": {"mosaic": 1.0}}]}, "begin at time 0"),
    ({"pulses": [{"time": 0.0, "amount": 1.0, "seed": 1, "rows": [0, 1]}] * 6001}, "pulses"),
    ({"pulses": [{"time": 0.0, "amount": 2.0, "seed": 1, "rows": [0, 1]}]}, "amount"),
    ({"pulses": [{"time": 0.0, "amount": 0.5, "seed": 1, "rows": [0, 99]}]}, "rows"),
    ({"pulses": [{"time": 0.0, "amount": 0.5, "seed": 1, "relax": 1e-9, "rows": [0, 1]}]}, "relax"),
    ({"pulses": [{"time": 0.0, "amount": 0.5, "seed": n, "rows": [0, 1]} for n in range(13)]}, "more than 12"),
]


@pytest.mark.parametrize(("hostile", "expected"), HOSTILE)
def test_hostile_scores_are_refused_in_a_line(model, hostile, expected):
    text = hostile if isinstance(hostile, str) else json.dumps(plain(model, **hostile))
    with pytest.raises(ValueError, match=expected) as told:
        parse_score(text)
    assert "\n" not in str(told.value) and len(str(told.value)) < 400


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"seed": -1}, "seed"),
        ({"seed": 1.5}, "seed"),
        ({"seed": 1, "weight": 1e9}, "weight"),
    ],
)
def test_hostile_latents(model, change, expected):
    keyframe = {"time": 0.0, "latents": [change], "styles": {"mosaic": 1.0}}
    with pytest.raises(ValueError, match=expected):
        score_of(model, keyframes=[keyframe])


@pytest.mark.parametrize(
    ("keyframe", "expected"),
    [
        ({"styles": {"cubism": 1.0}}, "no style 'cubism'"),
        ({"styles": {"mosaic": 0.0}}, "all styles are at 0"),
        ({"latents": [{"seed": 1, "weight": 0.0}]}, "weights that are not all"),
        ({"directions": {"sadness": 1.0}}, "no direction"),
        ({"layers": {"first": 9, "seed": 1}}, "no block 9"),
    ],
)
def test_scores_that_the_model_cannot_paint(steered, keyframe, expected):
    first = plain(steered)["keyframes"][0]
    with pytest.raises(ValueError, match=expected):
        ScoreRows(steered, score_of(steered, keyframes=[{**first, **keyframe}]))
    pulse = {"time": 0.0, "amount": 0.5, "seed": 1, "rows": [0, 9]}
    with pytest.raises(ValueError, match="rows 0 to 9"):
        ScoreRows(steered, score_of(steered, pulses=[pulse]))


def test_a_score_for_something_else_is_told(model):
    score = score_of(model, source_sha256="b" * 64)
    check_score(score, model, "b" * 64)
    check_score(score, model, "c" * 64, anyway=True)
    with pytest.raises(ValueError, match="another sound or clip"):
        check_score(score, model, "c" * 64)
    with pytest.raises(ValueError, match="weights cccc"):
        check_score(score_of(model, weights_sha256="c" * 64), model, "b" * 64)


def test_a_score_of_many_voices_is_refused_at_once_and_one_of_many_pulses_read(model):
    score = score_of(model).to_data()
    many = [{"time": 0.0, "amount": 0.5, "relax": 0.3, "seed": seed, "rows": [0, 2]} for seed in range(6000)]
    began = time.perf_counter()
    with pytest.raises(ValueError, match="different seeds and rows"):
        parse_score(json.dumps({**score, "pulses": many}))
    few = parse_score(json.dumps({**score, "pulses": [{**pulse, "seed": n % 3} for n, pulse in enumerate(many)]}))
    assert [len(voice.pulses) for voice in voices_of(few.pulses)] == [2000] * 3
    assert time.perf_counter() - began < 5  # every pulse against every voice would take much longer


def test_a_name_that_would_command_a_terminal_is_none(model):
    with pytest.raises(ValueError, match="model"):
        parse_score(json.dumps({**score_of(model).to_data(), "model": "\u001b]0;mine\u0007"}))


# The verb


def music(*arguments: object):
    return run_here(lambda: main(["music", *map(str, arguments)]))


def test_the_verb_composes_renders_and_renders_an_edited_score(steered_folder, tmp_path):
    samples, _ = click_track(120, 3)
    sound = write_encoded(samples, tmp_path / "clicks.mp3")
    film, edited, score = tmp_path / "film.mp4", tmp_path / "edited.webm", tmp_path / "score.json"
    small = ["--model", steered_folder, "--fps", 8, "--size", 32]
    result = music(sound, *small, "--out", film, "--score", score)
    assert result.returncode == 0, result.stderr
    assert "120 beats a minute" in result.stdout and "24 frames of 32 px" in result.stdout
    with av.open(str(film)) as container:
        assert len(list(container.decode(video=0))) == 24
        assert parse_score(container.metadata["comment"]) == read_score(score)
    written = json.loads(score.read_text())
    assert str(sound) not in score.read_text() and len(written["source_sha256"]) == 64
    written["size"] = 64
    score.write_text(json.dumps(written))
    result = music(sound, "--model", steered_folder, "--out", edited, "--from-score", score)
    assert result.returncode == 0 and "of 64 px" in result.stdout, result.stderr
    assert np.abs(decoded_sound(edited)).max() > 0.1


def test_silence_is_said(steered_folder, tmp_path):
    sound = write_encoded(np.zeros(2 * RATE), tmp_path / "silence.wav")
    result = music(sound, "--model", steered_folder, "--score", tmp_path / "s.json")
    assert result.returncode == 0 and "silence: the picture walks slowly" in result.stdout


@pytest.mark.parametrize(
    ("flags", "expected"),
    [
        ({"--out": "film.gif"}, ("an .mp4 or a .webm",)),
        ({"--out": "no/film.mp4"}, ("there is no folder",)),
        ({"--out": None}, ("nothing to do",)),
        ({"--mode": "jump"}, ("walk, pulse, styles",)),
        ({"--strength": "2"}, ("strength must be between 0 and 1",)),
        ({"--size": "33"}, ("even number of pixels",)),
        ({"--style": "cubism"}, ("no style 'cubism'",)),
        ({"--from-score": "missing.json"}, ("no file missing.json",)),
        ({"--from-score": "s.json", "--size": "512", "--style": "x"}, ("leave out --size, --style", "edit the score")),
        ({"--score": "score.txt"}, (".json",)),
        ({"sound": "text.mp3"}, ("no sound or clip",)),
        ({"--model": "missing"}, ("no model folder missing",)),
    ],
)
def test_the_verb_says_what_is_wrong_in_a_line(model_folder, tmp_path, flags, expected):
    (tmp_path / "text.mp3").write_text("la la la")
    write_encoded(sine(440, 2), tmp_path / "tone.wav")
    given = {"sound": "tone.wav", "--model": str(model_folder), "--out": "film.mp4", **flags}
    sound = tmp_path / Path(given.pop("sound"))
    for flag in ("--out", "--score"):
        if given.get(flag):
            given[flag] = str(tmp_path / given[flag])
    parts = [part for flag, value in given.items() if value is not None for part in (flag, value)]
    assert_one_clear_line(music(sound, *parts), *expected)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["text.mp3", "tone.wav"]
