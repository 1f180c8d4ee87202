"""Starts the studio: what `app.py` runs, here and in every Space."""

import os
import sys
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec

import torch

from artmodels.hub.load import find_models, load_model
from artmodels.hub.model_cache import ModelCache, budget_from_environment
from artmodels.io.errors import main_with_clear_errors
from artmodels.io.memory import share_memory_between_threads
from artmodels.studio import handlers
from artmodels.studio.zero_gpu import ON_ZERO_GPU


def fill_model_cache() -> ModelCache:
    """The models of `find_models`, in main memory yet.

    What visitors name is within budgets, in megabytes: `ARTMODELS_LARGEST_MB` for one model, `ARTMODELS_MEMORY_MB` and
    `ARTMODELS_DISK_MB` for all. On ZeroGPU it stays in main memory and moves when it paints.

    Raises:
        FileNotFoundError, ValueError, OSError: a model is missing or damaged, or a budget is no number.
    """
    return ModelCache(
        [load_model(name) for name in find_models()],
        device="cpu" if ON_ZERO_GPU else best_device(),
        memory=budget_from_environment("ARTMODELS_MEMORY_MB", 1000),
        disk=budget_from_environment("ARTMODELS_DISK_MB", 2000),
        largest=budget_from_environment("ARTMODELS_LARGEST_MB", 400),
    )


def best_device() -> str:
    return "cuda" if torch.cuda.is_available() else "cpu"


def launch() -> None:
    share_memory_between_threads()
    models = fill_model_cache()
    first = models.get(models.names[0])
    with ThreadPoolExecutor(1) as early:  # Gradio takes as long to import as the first wall to paint
        wall = early.submit(handlers.paint_images, first, handlers.first_recipes(first))  # on the CPU, also on ZeroGPU
        from artmodels.studio.layout import build_studio, launch_options

        studio = build_studio(models, wall.result())
    models.move_start(best_device())
    avoid_proxies()
    studio.launch(**launch_options(studio))


def avoid_proxies() -> None:
    """Let no proxy variable stop the studio: Gradio asks its own server whether it has come up.

    A proxy that the machine goes out by cannot reach that server; and one that speaks SOCKS stops every request where
    the package for it is missing.
    """
    for name in ("ALL_PROXY", "HTTPS_PROXY", "HTTP_PROXY"):
        for spelling in (name, name.lower()):
            if os.environ.get(spelling, "").startswith("socks") and find_spec("socksio") is None:
                del os.environ[spelling]
                print(
                    f"warning: {spelling} names a SOCKS proxy and is not used, so the Hub may be out of reach: "
                    "pip install 'httpx[socks]'",
                    file=sys.stderr,
                )
    for name in ("NO_PROXY", "no_proxy"):
        hosts = [host for host in os.environ.get(name, "").split(",") if host]
        os.environ[name] = ",".join(dict.fromkeys([*hosts, "localhost", "127.0.0.1", "::1"]))


def main() -> int:
    return main_with_clear_errors(launch)
