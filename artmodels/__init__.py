"""From a folder of artworks to a published art generator."""

import importlib
import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from artmodels.generate.sampling import paint_seeds
    from artmodels.hub.pretrained import ArtGenerator

# Read when torch loads: training needs two operations that Apple's GPUs lack, and a few milliseconds of the CPU.
os.environ.setdefault("PYTORCH_ENABLE_MPS_FALLBACK", "1")

__version__ = "0.2.0.dev0"

_PUBLIC = {"ArtGenerator": "artmodels.hub.pretrained", "paint_seeds": "artmodels.generate.sampling"}
__all__ = ["ArtGenerator", "__version__", "paint_seeds"]


def __getattr__(name: str) -> object:
    """Import what a model's card names when it is first used: the package itself costs nothing to import."""
    if name in _PUBLIC:
        return getattr(importlib.import_module(_PUBLIC[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
