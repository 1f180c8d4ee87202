"""Train a network: `accelerate launch train.py --data my_paintings/ --preset small --output runs/mine`."""

import argparse
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from artmodels.cli.arguments import OneLineParser, add_statement_flags, natural, read_statement
from artmodels.cli.hyperparameters import add_flags
from artmodels.io.errors import main_with_clear_errors
from artmodels.training.config import GENERATOR, PRESETS, TASK_NAMES, TRACKERS, TrainConfig
from artmodels.training.supervised_config import ClassifierTrainConfig, PromptTrainConfig, UpscalerTrainConfig

if TYPE_CHECKING:
    from artmodels.hub.publish import RunPublisher
    from artmodels.hub.statement import Statement

EXAMPLES = """examples:
  accelerate launch train.py --preset tiny --output runs/first          no data needed: it draws its own
  accelerate launch train.py --data my_paintings/ --output runs/mine    one sub-folder per style, or flat, or a zip
  accelerate launch train.py --output runs/mine --resume                continues where it stopped
  accelerate launch train.py --output runs/mine --resume --images 800000
  accelerate launch train.py --init checkpoints/masters --data my_paintings/ --output runs/mine
  accelerate launch train.py --task classifier --data my_paintings/ --output runs/classifier --beside runs/mine/model
  accelerate launch train.py --task prompt --data my_paintings/ --output runs/prompt --beside runs/mine/model
  accelerate launch train.py --task upscaler --data my_paintings/ --output runs/upscaler --beside runs/mine/model
  accelerate launch train.py --data user/paintings --output runs/mine --push-to-hub user/my-painter --license cc0-1.0
"""


def parse_arguments(arguments: list[str] | None = None) -> argparse.Namespace:
    parser = OneLineParser(
        prog="train.py", description=__doc__, epilog=EXAMPLES, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add(
        "--data",
        metavar="PATH",
        help="training pictures: a folder, a zip, or a Hub data set; without it, a small practice set is drawn",
    )
    add("--test-data", metavar="PATH", help="pictures to measure by; without it, a part of --data is held out for that")
    add("--output", metavar="RUN", required=True, type=Path, help="the run folder, for example runs/mine")
    add(
        "--task",
        choices=TASK_NAMES,
        help="a generator (default), a classifier of styles, a prompt model, or an upscaler",
    )
    add(
        "--beside",
        metavar="MODEL",
        type=Path,
        help="copy the trained network into this model folder and add it to the model card",
    )
    add("--preset", choices=PRESETS, help="where all other values come from (default: cpu)")
    add("--resume", action="store_true", help="continue the run in --output")
    add("--dry-run", action="store_true", help="print the plan and exit without training")
    add("--init", metavar="MODEL", help="start from a published model: a folder, or a Hub id like user/model@v1")
    add("--tracker", choices=TRACKERS, help="also log to one of these (install its package yourself)")
    add("--push-to-hub", metavar="ID", help="push the best model at the end, to user/my-painter")
    add("--push-every", type=natural, metavar="N", help="also push during training, every N images")
    add("--private", action="store_true", help="if the push creates a repository, make it private")
    add_statement_flags(parser)
    group = parser.add_argument_group(
        "hyperparameters", "each overrides the preset's value; with --task, only some apply"
    )
    add_flags(group, TrainConfig, ClassifierTrainConfig, PromptTrainConfig, UpscalerTrainConfig)
    return parser.parse_args(arguments)


def run(arguments: argparse.Namespace) -> None:
    # Accelerate and the rest load only when argparse has nothing to object to.
    from artmodels.training.launch import start_run
    from artmodels.training.plan import check_tracker, describe_plan, resolve_plan
    from artmodels.training.run_config import choose_task

    given = {name: value for name, value in vars(arguments).items() if value is not None}
    output, data, test_data = given.pop("output"), given.pop("data", None), given.pop("test_data", None)
    resume, dry_run, tracker = given.pop("resume"), given.pop("dry_run"), given.pop("tracker", None)
    beside = given.pop("beside", None)
    check_tracker(tracker)
    task = choose_task(given.pop("task", None), output, resume)
    if task == GENERATOR:
        publisher = _publisher(given, read_statement(arguments))
        if beside:
            raise ValueError("--beside is for --task classifier, prompt or upscaler: add it")
    else:
        publisher = None
        given = {name: value for name, value in given.items() if value is not False or name != "private"}
    plan = resolve_plan(given, data, output, resume, test_data, task)
    if dry_run:
        print(describe_plan(plan, output))
    else:
        start_run(plan, output, resume, tracker, publisher, beside)


def _publisher(given: dict[str, Any], statement: "Statement") -> "RunPublisher | None":
    """What pushes the run's model, if that was asked for; takes its flags out of those given."""
    from artmodels.hub.publish import RunPublisher

    for name in asdict(statement):
        given.pop(name, None)
    repo_id, every, private = given.pop("push_to_hub", None), given.pop("push_every", 0), given.pop("private")
    if repo_id:
        return RunPublisher(repo_id, statement, private, every)
    if every or private or statement != type(statement)():
        raise ValueError("--push-every, --private, --license and the like are for --push-to-hub: add it")
    return None


if __name__ == "__main__":
    sys.exit(main_with_clear_errors(lambda: run(parse_arguments())))
