"""One clear line for what a user can mend."""

import sys
from collections.abc import Callable

from artmodels.io.memory import keep_memory


class Stopped(Exception):
    """A run that was asked to end by a signal, and has written all that it will be continued from."""

    def __init__(self, signal_number: int):
        super().__init__(signal_number)
        self.exit_code = 128 + signal_number  # as a shell tells it


def main_with_clear_errors(run: Callable[[], None]) -> int:
    """Run a command: 0 if it went well, 2 with one line on standard error if the user can mend it, 130 on Ctrl-C.

    A run that a signal has stopped ends with 128 and the signal's number, like 143 for SIGTERM. The memory that such a
    program frees is kept for its next use: a library must not decide that, a program may.
    """
    keep_memory()
    try:
        run()
    except Stopped as stopped:
        return stopped.exit_code
    except (ValueError, OSError) as error:
        message = " ".join(str(error).split()) or type(error).__name__
        print(f"error: {message}", file=sys.stderr)
        return 2
    except ModuleNotFoundError as error:
        print(f"error: {error}: pip install -r requirements-train.txt installs what training needs", file=sys.stderr)
        return 2
    except ImportError as error:
        if "socksio" not in str(error):
            raise
        print(
            "error: a proxy variable (all_proxy or the like) names a SOCKS proxy, which needs one more package: "
            "pip install 'httpx[socks]', or unset it",
            file=sys.stderr,
        )
        return 2
    except KeyboardInterrupt:
        return 130
    return 0
