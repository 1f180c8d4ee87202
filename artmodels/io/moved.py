"""Modules that people were told to import and that have moved: their old names work until `UNTIL`, with a warning."""

import importlib
import warnings
from collections.abc import Callable, Mapping
from typing import Any

UNTIL = "0.3"  # moved in 0.2, which keeps them


def moved(old: str, new: Mapping[str, str]) -> Callable[[str], Any]:
    """A module's `__getattr__` for names that moved: name -> module, or `module:name` where the name changed too."""

    def find(name: str) -> Any:
        if name not in new:
            raise AttributeError(f"module {old!r} has no attribute {name!r}")
        module, _, renamed = new[name].partition(":")
        current = renamed or name
        warnings.warn(
            f"{old}.{name} is now {module}.{current}; the old name works until artmodels {UNTIL}",
            DeprecationWarning,
            stacklevel=2,
        )
        return getattr(importlib.import_module(module), current)

    return find
