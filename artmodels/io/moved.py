"""Modules that people were told to import and that have moved: the old names work for one release, with a warning."""

import importlib
import warnings
from collections.abc import Callable, Mapping
from typing import Any


def moved(old: str, new: Mapping[str, str]) -> Callable[[str], Any]:
    """A module's `__getattr__` for names that moved: name -> module, or `module:name` where the name changed too."""

    def find(name: str) -> Any:
        if name not in new:
            raise AttributeError(f"module {old!r} has no attribute {name!r}")
        module, _, renamed = new[name].partition(":")
        current = renamed or name
        warnings.warn(
            f"{old}.{name} is now {module}.{current}; the old name works until artmodels 0.2",
            DeprecationWarning,
            stacklevel=2,
        )
        return getattr(importlib.import_module(module), current)

    return find
