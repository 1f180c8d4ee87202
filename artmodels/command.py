"""What the command lines share: whole numbers, and one clear line with exit code 2 for input that is wrong."""

import argparse
import sys
from collections.abc import Callable
from typing import NoReturn


def natural(text: str) -> int:
    """A whole number of at least 0, for argparse; `20_000` and `20,000` are understood."""
    cleaned = text.replace("_", "").replace(",", "")
    if not (cleaned.isascii() and cleaned.isdigit() and len(cleaned) <= 15):
        raise argparse.ArgumentTypeError(f"expected a whole number like 20000, found {text!r}")
    return int(cleaned)


class OneLineParser(argparse.ArgumentParser):
    """An argument parser whose complaint is one line, like every other complaint of ours."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"error: {message} (see {self.prog} --help)\n")


def main_with_clear_errors(run: Callable[[], None]) -> int:
    """Run a command: 0 if it went well, 2 with one line on standard error if the user can mend it, 130 on Ctrl-C."""
    try:
        run()
    except (ValueError, OSError) as error:
        message = " ".join(str(error).split()) or type(error).__name__
        print(f"error: {message}", file=sys.stderr)
        return 2
    except ModuleNotFoundError as error:
        print(f"error: {error}: pip install -r requirements-train.txt installs what training needs", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
    return 0
