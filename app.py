"""The Space's entry: builds the studio and launches it."""

import sys

from artmodels.studio.app import main

if __name__ == "__main__":
    sys.exit(main())
