"""`music`: paint a film that moves with a sound."""

import argparse
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from artmodels.cli.arguments import add_verb, check_out, natural

if TYPE_CHECKING:
    from artmodels.signals.listening import Hearing


# What a score is composed by, where nothing else is said.
COMPOSED = {"mode": "pulse", "strength": 0.5, "smoothness": 0.5, "palette": 0.5, "seed": 1, "fps": 24, "size": 256}


def add_music(verbs: argparse._SubParsersAction) -> None:
    example = "python -m artmodels music song.mp3 --model checkpoints/masters --out film.mp4 --mode pulse"
    summary = "Paint a film that moves with a sound, as an MP4 or a WebM with that sound."
    parser = add_verb(verbs, "music", _music, summary, example)
    parser.add_argument(
        "sound", type=Path, nargs="?", help="1 to 300 seconds of any usual kind (default: a piece of our own)"
    )
    parser.add_argument("--mode", help="walk, pulse or styles (default: pulse)")
    add_score_flags(parser)


def add_score_flags(parser: argparse.ArgumentParser) -> None:
    """What films of sounds and films of clips are told alike."""
    add = parser.add_argument
    add("--model", required=True, help="the model to paint with: a folder or a Hub id")
    add("--out", type=Path, help="the film: a name that ends in .mp4 or .webm")
    add("--strength", type=float, help="how far the picture moves, 0 to 1 (default: 0.5)")
    add("--smoothness", type=float, help="how gently, 0 to 1 (default: 0.5)")
    add("--palette", type=float, help="how many styles and colours take part, 0 to 1 (default: 0.5)")
    add("--seed", type=natural, help="of the pictures (default: 1)")
    add("--style", help="the first style (default: the seed's)")
    add("--fps", type=natural, help="frames per second, 8 to 30 (default: 24)")
    add("--size", type=natural, help="px, an even number up to 512 (default: 256)")
    add("--score", type=Path, metavar="FILE", help="also write the score, as JSON to read and edit")
    add("--from-score", type=Path, metavar="FILE", help="render this score, and compose none")
    add("--anyway", action="store_true", help="render a score that was composed for another sound or model")


def check_flags(chosen: argparse.Namespace) -> None:
    """Refuse, before any work is done, files that could not be written, or none at all; fill in what was not chosen.

    Raises:
        ValueError: see `check_out` and `check_video`.
    """
    from artmodels.generate.film import check_video

    if chosen.out is None and chosen.score is None:
        raise ValueError("nothing to do: name a film by --out, a score by --score, or both")
    check_out(chosen.out)
    check_out(chosen.score, "--score", ".json")
    if chosen.out is not None:
        check_video(chosen.out)
    said = [f"--{name}" for name in (*COMPOSED, "style") if getattr(chosen, name, None) is not None]
    if chosen.from_score and said:
        raise ValueError(f"--from-score renders a score as it is: leave out {', '.join(said)}, or edit the score")
    for name, value in COMPOSED.items():
        if getattr(chosen, name, None) is None:
            setattr(chosen, name, value)


def _music(chosen: argparse.Namespace) -> None:
    check_flags(chosen)
    from artmodels.generate.compose import check_choices, compose
    from artmodels.generate.film import FilmSpec
    from artmodels.generate.save import render_score
    from artmodels.generate.score import check_score, read_score, write_score
    from artmodels.hub.load import load_model
    from artmodels.signals.audio_file import read_sound, write_sound
    from artmodels.signals.listening import hear
    from artmodels.signals.synthesis import our_song

    sliders = {"strength": chosen.strength, "smoothness": chosen.smoothness, "palette": chosen.palette}
    check_choices(chosen.mode, sliders, chosen.seed)
    FilmSpec(frames_per_second=chosen.fps, size=chosen.size)
    score = read_score(chosen.from_score) if chosen.from_score else None
    with tempfile.TemporaryDirectory() as folder:
        path = chosen.sound or Path(folder) / "our-song.wav"
        if chosen.sound is None:
            write_sound(our_song(), path)
        sound, model = read_sound(path), load_model(chosen.model)
        if score:
            check_score(score, model, sound.sha256, chosen.anyway)
        else:
            hearing = hear(sound)
            print(heard_words(hearing))
            values = {**sliders, "seed": chosen.seed, "style": chosen.style}
            score = compose(hearing, model, chosen.mode, **values, frames_per_second=chosen.fps, size=chosen.size)
        if chosen.score:
            write_score(score, chosen.score)
            print(f"{len(score.keyframes)} keyframes and {len(score.pulses)} pulses in {chosen.score}")
        if chosen.out:
            render_score(model, score, chosen.out, path)
            print(f"{score.frames} frames of {score.size} px in {chosen.out}")


def heard_words(hearing: "Hearing") -> str:
    """What was heard, in a line."""
    if hearing.is_silent:
        return f"{hearing.seconds:.1f} s of silence: the picture walks slowly"
    if not hearing.tempo:
        return (
            f"{hearing.seconds:.1f} s without a pulse that could be followed: the picture walks slowly between onsets"
        )
    return (
        f"{hearing.seconds:.1f} s, {hearing.tempo:.0f} beats a minute (confidence {hearing.confidence:.2f}), "
        f"{len(hearing.bars)} bars, {len(hearing.sections)} sections"
    )
