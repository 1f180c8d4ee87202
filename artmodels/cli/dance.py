"""`dance`: paint a film that moves with a clip."""

import argparse
from pathlib import Path

from artmodels.cli.arguments import add_verb
from artmodels.cli.music import add_score_flags, check_flags


def add_dance(verbs: argparse._SubParsersAction) -> None:
    example = "python -m artmodels dance clip.mp4 --model checkpoints/masters --out film.mp4"
    summary = "Paint a film that moves with a clip: both side by side, with the clip's sound."
    parser = add_verb(verbs, "dance", _dance, summary, example)
    parser.add_argument("clip", type=Path, help="1 to 60 seconds of a film of any usual kind")
    parser.add_argument(
        "--alone", action="store_true", help="only the painting, without the clip beside it and without its sound"
    )
    add_score_flags(parser)


def _dance(chosen: argparse.Namespace) -> None:
    check_flags(chosen)
    from artmodels.generate.choreograph import choreograph
    from artmodels.generate.compose import check_choices
    from artmodels.generate.film import FilmSpec
    from artmodels.generate.save import render_score
    from artmodels.generate.score import check_score, read_score, write_score
    from artmodels.hub.load import load_model
    from artmodels.signals.motion import watch
    from artmodels.signals.video_file import clip_pictures, read_clip

    sliders = {"strength": chosen.strength, "smoothness": chosen.smoothness, "palette": chosen.palette}
    check_choices("pulse", sliders, chosen.seed)
    measures = FilmSpec(frames_per_second=chosen.fps, size=chosen.size)
    score = read_score(chosen.from_score) if chosen.from_score else None
    clip, model = read_clip(chosen.clip), load_model(chosen.model)
    if score:
        check_score(score, model, clip.sha256, chosen.anyway)
    else:
        motion = watch(clip)
        if motion.is_still:
            print("nothing moves in the clip: the picture stands still")
        score = choreograph(
            motion,
            model,
            **sliders,
            seed=chosen.seed,
            style=chosen.style,
            frames_per_second=measures.frames_per_second,
            size=measures.size,
        )
    if chosen.score:
        write_score(score, chosen.score)
        print(f"{len(score.keyframes)} keyframes and {len(score.pulses)} pulses in {chosen.score}")
    if chosen.out:
        sound = chosen.clip if clip.has_sound and not chosen.alone else None
        beside = None if chosen.alone else clip_pictures(chosen.clip, score.frames_per_second, score.size)
        render_score(model, score, chosen.out, sound, beside, clip.begins)
        print(f"{score.frames} frames of {score.size} px in {chosen.out}")
