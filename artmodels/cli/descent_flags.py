"""What the verbs that work by gradient descent share: their flags, the bar, and the files that they leave."""

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from artmodels.cli.arguments import check_out, natural

if TYPE_CHECKING:
    from artmodels.optimize.jobs import Job


def add_descent_flags(parser: argparse.ArgumentParser, steps: int) -> None:
    parser.add_argument("--out", type=Path, required=True, help="the picture: a name that ends in .png")
    parser.add_argument("--steps", type=natural, default=steps, help=f"of the descent (default: {steps})")
    parser.add_argument("--stop-after", type=natural, metavar="N", help="keep what is reached after so many of them")
    parser.add_argument("--seed", type=natural, default=0, help="of what is drawn on the way (default: 0)")
    parser.add_argument("--curve", type=Path, metavar="PNG", help="also draw the loss at each step into this file")


def check_descent_files(chosen: argparse.Namespace) -> None:
    check_out(chosen.out, suffix=".png")
    check_out(chosen.curve, "--curve", ".png")


def run_job(chosen: argparse.Namespace, job: "Job") -> None:
    """Run a descent under a progress bar, say why it stopped early, and write what it left, and the curve if wanted."""
    from tqdm import tqdm

    from artmodels.generate.recipe import chunk_png
    from artmodels.io.files import write_atomically
    from artmodels.optimize.descent import DescentStep, draw_curve

    last: DescentStep | None = None
    with tqdm(total=chosen.steps, unit=" steps") as bar:
        for last in job.steps():
            bar.update(last.step - bar.n)
            bar.set_postfix_str(f"loss {last.loss:.4g}", refresh=False)
            if chosen.stop_after and last.step >= chosen.stop_after:
                job.leave(last)
                break
    done = job.finish()
    assert last is not None  # a job that took no step cannot be finished
    if last.stopped:
        print(f"stopped early: {last.stopped}", file=sys.stderr)
    write_atomically(chosen.out, done.png)
    if chosen.curve:
        write_atomically(chosen.curve, chunk_png(draw_curve(last.curve), ""))
    print(chosen.out)
