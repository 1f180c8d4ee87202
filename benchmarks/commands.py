"""What scripts share that put their own command on a model's card."""

import argparse


def changed(chosen: argparse.Namespace, **defaults: object) -> str:
    """The flags whose values are not these defaults, as they are typed, with a blank before each."""
    values = {name: getattr(chosen, name) for name, default in defaults.items() if getattr(chosen, name) != default}
    return "".join(f" --{name} {value}" for name, value in values.items())
