"""`python -m artmodels VERB`: the verbs are in `cli/`."""

import sys

from artmodels.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
