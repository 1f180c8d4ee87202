"""The verbs of `python -m artmodels`."""
