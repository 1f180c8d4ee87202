"""One clear line for what a user can mend."""

import sys
from collections.abc import Callable


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
