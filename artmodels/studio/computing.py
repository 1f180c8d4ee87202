"""The few threads in which the studio computes: each thread that uses PyTorch keeps memory of its own for ever."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import ParamSpec, TypeVar

Given = ParamSpec("Given")
Result = TypeVar("Result")

THREADS = 4

_threads = ThreadPoolExecutor(THREADS, "computing")


def computed(function: Callable[Given, Result], *args: Given.args, **options: Given.kwargs) -> Result:
    """What a function gives, run in one of a few threads; raises what it raises.

    Events run in any of dozens of threads, and PyTorch's kernels leave workspaces in each, hundreds of megabytes in the
    end. Nothing that is computed so may ask for something to be computed so: it could wait for itself.
    """
    return _threads.submit(function, *args, **options).result()
