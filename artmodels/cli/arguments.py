"""What the command lines share: whole numbers, and one clear line with exit code 2 for input that is wrong."""

import argparse
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    from artmodels.hub.statement import Statement


def natural(text: str) -> int:
    """A whole number of at least 0, for argparse; `20_000` and `20,000` are understood."""
    cleaned = text.replace("_", "").replace(",", "")
    if not (cleaned.isascii() and cleaned.isdigit() and len(cleaned) <= 15):
        raise argparse.ArgumentTypeError(f"expected a whole number like 20000, found {text!r}")
    return int(cleaned)


class OneLineParser(argparse.ArgumentParser):
    """An argument parser whose complaint is one line, like every other complaint of ours.

    An empty argument is refused: it is an unset variable of a shell. `--out=~/a` means what `--out ~/a` means.
    """

    def parse_known_args(self, args=None, namespace=None):
        arguments = list(sys.argv[1:] if args is None else args)
        for place, argument in enumerate(arguments):
            flag, equals, value = argument.partition("=")
            if not argument.strip() or (flag.startswith("--") and equals and not value.strip()):
                what = flag or (f"after {arguments[place - 1]}" if place else "first")
                self.error(f"an argument is empty ({what}): is a variable not set?")
            if flag.startswith("--") and value.startswith("~"):
                arguments[place] = f"{flag}={os.path.expanduser(value)}"
        return super().parse_known_args(arguments, namespace)

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"error: {message} (see {self.prog} --help)\n")


def add_verb(
    verbs: argparse._SubParsersAction, name: str, run: Callable | None, summary: str, example: str
) -> argparse.ArgumentParser:
    """A verb with its help and an example; `run` gets its flags."""
    parser = verbs.add_parser(
        name,
        help=summary,
        description=summary,
        epilog=f"example:\n  {example}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.set_defaults(run=run)
    return parser


def check_out(path: Path | None, flag: str = "--out", suffix: str = "") -> None:
    """Refuse, before any work is done, a file that could not be written after it, or that should end otherwise.

    Raises:
        ValueError: there is no such folder, or nothing can be written there, or it is a folder, or has another suffix.
    """
    if path is None:
        return
    from artmodels.io.files import target_of, try_to_write

    folder = target_of(path).parent
    if not folder.is_dir():
        raise ValueError(f"{flag} {path}: there is no folder {folder}; make it first")
    if path.is_dir():
        raise ValueError(f"{flag} {path} is a folder: name a file in it")
    if suffix and path.suffix.lower() != suffix:
        raise ValueError(f"{flag} should name a file that ends in {suffix}, found {str(path)[:200]}")
    try:
        try_to_write(path)
    except OSError as error:
        raise ValueError(f"{flag} {path} cannot be written ({error.strerror}): name a file elsewhere") from error


def add_statement_flags(parser: argparse.ArgumentParser) -> None:
    """The flags by which a publisher says what nobody else can know."""
    add = parser.add_argument_group("shown on the model card").add_argument
    add("--license", metavar="ID", help="licence of the weights, as the Hub names it: cc-by-4.0, cc0-1.0, other")
    add("--provenance", metavar="TEXT", help="where the training pictures come from")
    add("--data-license", metavar="TEXT", help="what is known of their rights")
    add("--dataset", metavar="ID", help="their Hub data set, like user/paintings")


def read_statement(chosen: argparse.Namespace) -> "Statement":
    """What these flags say.

    Raises:
        ValueError: no identifier of a licence, or no Hub id.
    """
    from artmodels.hub.statement import Statement

    return Statement(None, chosen.license, chosen.provenance, chosen.data_license, chosen.dataset)
