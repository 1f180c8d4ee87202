"""`transfer`: repaint a picture in the style of another, or in one of a model's."""

import argparse
from pathlib import Path

from artmodels.cli.arguments import add_verb, natural
from artmodels.cli.descent_flags import add_descent_flags, check_descent_files, run_job


def add_transfer(verbs: argparse._SubParsersAction) -> None:
    example = "python -m artmodels transfer photo.jpg --manner painting.jpg --out transferred.png"
    summary = "Repaint a picture in the style of another, or of a model's style."
    parser = add_verb(verbs, "transfer", _transfer, summary, example)
    parser.add_argument("picture", type=Path, help="the picture to repaint")
    parser.add_argument("--manner", type=Path, help="the picture whose style it gets")
    parser.add_argument("--model", help="instead, a model folder or a Hub id with the statistics of its styles")
    parser.add_argument("--style", help="and one of its styles")
    parser.add_argument("--size", type=natural, default=256, help="px of the longer side, 64 to 512 (default: 256)")
    parser.add_argument("--strength", type=float, default=1.0, help="of the style, above 0 to 10 (default: 1)")
    add_descent_flags(parser, 130)


def _transfer(chosen: argparse.Namespace) -> None:
    check_descent_files(chosen)
    if (chosen.manner is None) == (chosen.style is None) or (chosen.model is None) != (chosen.style is None):
        raise ValueError("name a picture with --manner, or a model and one of its styles with --model and --style")
    from artmodels.hub.load import load_model
    from artmodels.optimize.descent import read_input
    from artmodels.optimize.jobs import transfer_job
    from artmodels.optimize.style_transfer import TransferSettings

    settings = TransferSettings(chosen.size, chosen.steps, chosen.strength, chosen.seed)
    picture = read_input(chosen.picture)
    picture.square(64)  # whether it is one, before a model is loaded
    style_picture = read_input(chosen.manner) if chosen.manner else None
    model = load_model(chosen.model) if chosen.model else None
    run_job(chosen, transfer_job(picture, style_picture, model, chosen.style, settings))
