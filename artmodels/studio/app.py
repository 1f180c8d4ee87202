"""Starts the studio: what `app.py` runs, here and in every Space."""

from concurrent.futures import ThreadPoolExecutor

import torch

from artmodels.hub.load import find_models, load_model
from artmodels.hub.model_cache import ModelCache, budget_from_environment
from artmodels.io.errors import main_with_clear_errors
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
    models = fill_model_cache()
    first = models.get(models.names[0])
    with ThreadPoolExecutor(1) as early:  # Gradio takes as long to import as the first wall to paint
        wall = early.submit(handlers.paint_images, first, handlers.first_recipes(first))  # on the CPU, also on ZeroGPU
        from artmodels.studio.layout import build_studio, launch_options

        studio = build_studio(models, wall.result())
    models.move_start(best_device())
    studio.launch(**launch_options())


def main() -> int:
    return main_with_clear_errors(launch)
