"""The verbs that work by gradient descent: `transfer`, `project`, `dream`, and `styles`, which `transfer` can use."""

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from artmodels.cli.arguments import add_verb, check_out, natural

if TYPE_CHECKING:
    from artmodels.optimize.jobs import Work


def add_editing_verbs(verbs: argparse._SubParsersAction) -> None:
    """Add them to the others."""
    _add_transfer(verbs)
    _add_project(verbs)
    _add_dream(verbs)
    _add_styles(verbs)


def _add_shared(parser: argparse.ArgumentParser, steps: int) -> None:
    parser.add_argument("--out", type=Path, required=True, help="the picture: a name that ends in .png")
    parser.add_argument("--steps", type=natural, default=steps, help=f"of the descent (default: {steps})")
    parser.add_argument("--stop-after", type=natural, metavar="N", help="keep what is reached after so many of them")
    parser.add_argument("--seed", type=natural, default=0, help="of what is drawn on the way (default: 0)")
    parser.add_argument("--curve", type=Path, metavar="PNG", help="also draw the loss at each step into this file")


def _check_files(chosen: argparse.Namespace) -> None:
    check_out(chosen.out, suffix=".png")
    check_out(chosen.curve, "--curve", ".png")


# --- transfer --------------------------------------------------------------------------------------------------------


def _add_transfer(verbs: argparse._SubParsersAction) -> None:
    example = "python -m artmodels transfer photo.jpg --manner painting.jpg --out transferred.png"
    summary = "Repaint a picture in the manner of another, or of a model's style."
    parser = add_verb(verbs, "transfer", _transfer, summary, example)
    parser.add_argument("picture", type=Path, help="the picture to repaint")
    parser.add_argument("--manner", type=Path, help="the picture whose manner it gets")
    parser.add_argument("--model", help="instead, a model folder or a Hub id with the manners of its styles")
    parser.add_argument("--style", help="and one of its styles")
    parser.add_argument("--size", type=natural, default=256, help="px of the longer side, 64 to 512 (default: 256)")
    parser.add_argument("--strength", type=float, default=1.0, help="of the manner, above 0 to 10 (default: 1)")
    _add_shared(parser, 130)


def _transfer(chosen: argparse.Namespace) -> None:
    _check_files(chosen)
    if (chosen.manner is None) == (chosen.style is None) or (chosen.model is None) != (chosen.style is None):
        raise ValueError("name a picture with --manner, or a model and one of its styles with --model and --style")
    from artmodels.hub.load import load_model
    from artmodels.optimize.descent import read_input
    from artmodels.optimize.jobs import begin_transfer
    from artmodels.optimize.style_transfer import TransferSettings

    settings = TransferSettings(chosen.size, chosen.steps, chosen.strength, chosen.seed)
    picture = read_input(chosen.picture)
    picture.square(64)  # whether it is one, before a model is loaded
    manner = read_input(chosen.manner) if chosen.manner else None
    model = load_model(chosen.model) if chosen.model else None
    _work(chosen, begin_transfer(picture, manner, model, chosen.style, settings))


# --- dream -----------------------------------------------------------------------------------------------------------


def _add_dream(verbs: argparse._SubParsersAction) -> None:
    example = "python -m artmodels dream photo.jpg --model checkpoints/masters --style ukiyo-e --out dreamt.png"
    summary = "Push a picture towards a style, by the gradient of a model's eye."
    parser = add_verb(verbs, "dream", _dream, summary, example)
    parser.add_argument("picture", type=Path, help="the picture to begin with, painted or not")
    parser.add_argument("--model", required=True, help="a model folder or a Hub id, with an eye")
    parser.add_argument("--style", required=True, help="the style that the eye should see")
    parser.add_argument("--size", type=natural, default=256, help="px of the longer side, 64 to 512 (default: 256)")
    parser.add_argument("--strength", type=float, default=1.0, help="how far it may go, above 0 to 4 (default: 1)")
    _add_shared(parser, 120)


def _dream(chosen: argparse.Namespace) -> None:
    _check_files(chosen)
    from artmodels.hub.load import load_model
    from artmodels.optimize.deep_dream import DreamSettings
    from artmodels.optimize.descent import read_input
    from artmodels.optimize.jobs import begin_dream

    settings = DreamSettings(chosen.size, chosen.steps, chosen.strength, chosen.seed)
    picture = read_input(chosen.picture)
    picture.square(64)  # whether it is one, before a model is loaded
    _work(chosen, begin_dream(picture, load_model(chosen.model), chosen.style, settings))


# --- project ---------------------------------------------------------------------------------------------------------


def _add_project(verbs: argparse._SubParsersAction) -> None:
    example = "python -m artmodels project photo.jpg --model checkpoints/masters --out projected.png"
    summary = "Find what a model paints most like a picture, to breed, steer and film it."
    parser = add_verb(verbs, "project", _project, summary, example)
    parser.add_argument("picture", type=Path, help="the picture; its centred square is taken")
    parser.add_argument("--model", required=True, help="a model folder or a Hub id")
    _add_shared(parser, 600)


def _project(chosen: argparse.Namespace) -> None:
    _check_files(chosen)
    from artmodels.hub.load import load_model
    from artmodels.optimize.descent import read_input
    from artmodels.optimize.jobs import begin_projection
    from artmodels.optimize.projection import ProjectionSettings

    settings = ProjectionSettings(chosen.steps, chosen.seed)
    picture = read_input(chosen.picture)
    picture.square(64)  # whether it is one, before a model is loaded
    work = begin_projection(picture, load_model(chosen.model), settings)
    _work(chosen, work)
    found = work.result
    shares = ", ".join(f"{style} {share:.0%}" for style, share in found.style_weights.items() if share >= 0.01)
    print(f"styles {shares}; distance {found.distance:.3f}")


# --- styles ----------------------------------------------------------------------------------------------------------


def _add_styles(verbs: argparse._SubParsersAction) -> None:
    example = "python -m artmodels styles checkpoints/masters --data paintings.zip"
    summary = "Keep the manner of each style beside a model, for transfer --style."
    parser = add_verb(verbs, "styles", _styles, summary, example)
    parser.add_argument("model", type=Path, help="a model folder of one's own")
    parser.add_argument("--data", help="its training pictures; without it, the small drawn set")


def _styles(chosen: argparse.Namespace) -> None:
    from artmodels.data.dataset import load_dataset
    from artmodels.hub.companions.style_statistics import save_style_statistics
    from artmodels.models.efficientnet import load_efficientnet
    from artmodels.models.generator import STATISTICS_NAME, load_generator
    from artmodels.optimize.style_transfer import find_manners

    styles = load_generator(chosen.model).config.styles
    manners = find_manners(load_efficientnet(0), load_dataset(chosen.data, 128), styles)
    save_style_statistics(chosen.model, styles, manners)
    path = chosen.model / STATISTICS_NAME
    print(f"{path}: the manners of {len(styles)} styles, {path.stat().st_size:,} bytes")


# --- what they share -------------------------------------------------------------------------------------------------


def _work(chosen: argparse.Namespace, work: "Work") -> None:
    """Run a descent under a progress bar, say why it stopped early, and write what it left, and the curve if wanted."""
    from tqdm import tqdm

    from artmodels.generate.recipe import chunk_png
    from artmodels.io.files import write_atomically
    from artmodels.optimize.descent import draw_curve

    last = None
    with tqdm(total=chosen.steps, unit=" steps") as bar:
        for last in work.steps():
            bar.update(last.step - bar.n)
            bar.set_postfix_str(f"loss {last.loss:.4g}", refresh=False)
            if chosen.stop_after and last.step >= chosen.stop_after:
                work.leave(last)
                break
    done = work.finish()
    if last.stopped:
        print(f"stopped early: {last.stopped}", file=sys.stderr)
    write_atomically(chosen.out, done.png)
    if chosen.curve:
        write_atomically(chosen.curve, chunk_png(draw_curve(last.curve), ""))
    print(chosen.out)
