"""Train an art generator: `accelerate launch train.py --data my_paintings/ --preset small --output runs/mine`."""

import argparse
import sys
from pathlib import Path

from artmodels.command import OneLineParser, main_with_clear_errors, natural
from artmodels.presets import PRECISIONS, PRESETS

EXAMPLES = """examples:
  accelerate launch train.py --preset tiny --output runs/first          no data needed: it draws its own
  accelerate launch train.py --data my_paintings/ --output runs/mine    one sub-folder per style, flat, or a zip
  accelerate launch train.py --output runs/mine --resume                goes on where it stopped
  accelerate launch train.py --output runs/mine --resume --images 800000
  accelerate launch train.py --init checkpoints/masters --data my_paintings/ --output runs/mine
"""


def parse_arguments(arguments: list[str] | None = None) -> argparse.Namespace:
    parser = OneLineParser(
        prog="train.py", description=__doc__, epilog=EXAMPLES, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--data", metavar="PATH", help="training pictures: a folder or zip; without it, a small set is drawn")
    add("--output", metavar="RUN", required=True, type=Path, help="the run folder, for example runs/mine")
    add("--preset", choices=PRESETS, help="where all other values come from (default: cpu)")
    add("--resume", action="store_true", help="continue the run in --output")
    add("--dry-run", action="store_true", help="print the plan and do nothing")
    add("--init", metavar="MODEL", help="start from a published model: a folder, or a Hub id like user/model@v1")
    add("--resolution", type=natural, metavar="PX", help="side of a picture; larger than the --init model's grows it")
    add("--width", type=natural, metavar="N", help="generator channels at full resolution")
    add("--feature-resolution", type=natural, metavar="PX", help="size at which the discriminator's network looks")
    add("--images", type=natural, metavar="N", help="budget: how many images the discriminator sees")
    add("--batch-size", type=natural, metavar="N", help="images a step, over all processes")
    add("--seed", type=natural, metavar="N", help="of all randomness")
    add("--checkpoint-every", type=natural, metavar="N", help="images between checkpoints")
    add("--sample-every", type=natural, metavar="N", help="images between sample sheets")
    add("--learning-rate", type=float, metavar="X", help="of the generator")
    add("--heads-learning-rate", type=float, metavar="X", help="of the discriminator heads")
    add("--variety-weight", type=float, metavar="X", help="weight of the loss against sameness; 0 turns it off")
    add("--style-weight", type=float, metavar="X", help="weight of the loss for a style that is hard to read; 0: off")
    add("--precision", choices=PRECISIONS, help="bf16 pays on GPUs and on CPUs with AMX")
    add("--compile", action=argparse.BooleanOptionalAction, help="torch.compile the networks (needs a C++ compiler)")
    add("--balance", type=float, metavar="X", help="0: each picture as often (default); 1: each style as often")
    add("--flip", action=argparse.BooleanOptionalAction, help="show half of the pictures mirrored")
    add("--unconditional", action=argparse.BooleanOptionalAction, help="ignore the styles: one for all")
    return parser.parse_args(arguments)


def run(arguments: argparse.Namespace) -> None:
    # Accelerate and the rest load only when argparse has nothing to object to.
    from artmodels.runs import describe_plan, resolve_plan, start_run

    given = {name: value for name, value in vars(arguments).items() if value is not None}
    output, data = given.pop("output"), given.pop("data", None)
    resume, dry_run = given.pop("resume"), given.pop("dry_run")
    plan = resolve_plan(given, data, output, resume)
    if dry_run:
        print(describe_plan(plan, output))
    else:
        start_run(plan, output, resume)


if __name__ == "__main__":
    sys.exit(main_with_clear_errors(lambda: run(parse_arguments())))
