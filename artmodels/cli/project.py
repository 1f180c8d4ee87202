"""`project`: find what a model paints most like a picture."""

import argparse
from pathlib import Path

from artmodels.cli.arguments import add_verb
from artmodels.cli.descent_flags import add_descent_flags, check_descent_files, run_job


def add_project(verbs: argparse._SubParsersAction) -> None:
    example = "python -m artmodels project photo.jpg --model checkpoints/masters --out projected.png"
    summary = "Find what a model paints most like a picture, to breed, steer and film it."
    parser = add_verb(verbs, "project", _project, summary, example)
    parser.add_argument("picture", type=Path, help="the picture; its centred square is taken")
    parser.add_argument("--model", required=True, help="a model folder or a Hub id")
    add_descent_flags(parser, 600)


def _project(chosen: argparse.Namespace) -> None:
    check_descent_files(chosen)
    from artmodels.hub.load import load_model
    from artmodels.optimize.descent import read_input
    from artmodels.optimize.jobs import projection_job
    from artmodels.optimize.projection import ProjectionSettings

    settings = ProjectionSettings(chosen.steps, chosen.seed)
    picture = read_input(chosen.picture)
    picture.square(64)  # whether it is one, before a model is loaded
    job = projection_job(picture, load_model(chosen.model), settings)
    run_job(chosen, job)
    found = job.result
    shares = ", ".join(f"{style} {share:.0%}" for style, share in found.style_weights.items() if share >= 0.01)
    print(f"styles {shares}; distance {found.distance:.3f}")
