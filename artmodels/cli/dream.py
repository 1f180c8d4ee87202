"""`dream`: push a picture towards a style, by the gradient of a model's classifier."""

import argparse
from pathlib import Path

from artmodels.cli.arguments import add_verb, natural
from artmodels.cli.descent_flags import add_descent_flags, check_descent_files, run_job


def add_dream(verbs: argparse._SubParsersAction) -> None:
    example = "python -m artmodels dream photo.jpg --model checkpoints/masters --style ukiyo-e --out dreamt.png"
    summary = "Push a picture towards a style, by the gradient of a model's classifier."
    parser = add_verb(verbs, "dream", _dream, summary, example)
    parser.add_argument("picture", type=Path, help="the picture to begin with, painted or not")
    parser.add_argument("--model", required=True, help="a model folder or a Hub id, with a classifier")
    parser.add_argument("--style", required=True, help="the style that the classifier should see")
    parser.add_argument("--size", type=natural, default=256, help="px of the longer side, 64 to 512 (default: 256)")
    parser.add_argument("--strength", type=float, default=1.0, help="how far it may go, above 0 to 4 (default: 1)")
    add_descent_flags(parser, 120)


def _dream(chosen: argparse.Namespace) -> None:
    check_descent_files(chosen)
    from artmodels.hub.load import load_model
    from artmodels.optimize.deep_dream import DreamSettings
    from artmodels.optimize.descent import read_input
    from artmodels.optimize.jobs import dream_job

    settings = DreamSettings(chosen.size, chosen.steps, chosen.strength, chosen.seed)
    picture = read_input(chosen.picture)
    picture.square(64)  # whether it is one, before a model is loaded
    run_job(chosen, dream_job(picture, load_model(chosen.model), chosen.style, settings))
