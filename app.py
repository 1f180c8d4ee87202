"""The Space's entry: builds the studio and launches it."""

import os
import sys

os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")  # read when gradio is imported

from artmodels.command import main_with_clear_errors
from artmodels.studio import build_studio, launch_options


def main() -> None:
    build_studio().launch(**launch_options())


if __name__ == "__main__":
    sys.exit(main_with_clear_errors(main))
