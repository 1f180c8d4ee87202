"""train_supervised(): supervised training of a network with AdamW, counted in images, for all that is no generator."""

import copy
import math
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
from torch import Tensor, nn
from tqdm import tqdm

from artmodels.data.dataset import ArtDataset
from artmodels.data.sampler import PictureSampler
from artmodels.io.device import describe_machine
from artmodels.io.random import seeded_generator
from artmodels.training.checkpoint import (
    DAMAGE,
    checkpoint_folder,
    list_checkpoints,
    load_checkpoint,
    load_latest,
    load_module,
    load_optimizer,
    optimizer_tensors,
    retain_checkpoints,
    save_checkpoint,
)
from artmodels.training.distributed import (
    check_finite,
    check_weights,
    clear_failures,
    flat_numbers,
    graceful_stop,
    make_accelerator,
    start_tracker,
)
from artmodels.training.run_log import RunLog, read_history
from artmodels.training.supervised_config import SupervisedConfig

FIGURES_NAME = "figures.json"  # in a run folder: what came of it, measured
BETAS = (0.9, 0.99)  # AdamW
MAX_GRADIENT = 5.0  # norm above which a step's gradient is shortened


Network = TypeVar("Network", bound=nn.Module)


def train_supervised(
    network: Network,
    loss: Callable[[nn.Module, np.ndarray, torch.Generator, float], Tensor],
    measure: Callable[[Network], dict[str, float]],
    keep: Callable[[Network, dict[str, float]], None],
    sampler: PictureSampler,
    config: SupervisedConfig,
    output: Path,
    resume: bool = False,
    tracker: str | None = None,
) -> bool:
    """Train until `config.images`; the log and the checkpoints go into the run folder. True in the process that
    writes, if the budget is used up.

    `loss(network, indices, random, done)` is a scalar, of a process's part of a batch: the network as accelerate wraps
    it, the pictures' indices `int64 [n]`, the CPU generator of all its noise, and the share of the budget that is used;
    PyTorch's own generator (dropout) is seeded anew at every step too, so that a resumed run meets the same noise. At
    each checkpoint the first process calls `measure(network)` on a copy in evaluation mode: figures of pictures that
    are not trained on, with `score`, where higher is better; and for the best so far `keep(network, figures)`, which
    writes it into the run's `model/`. On `resume` it is called again for that best, in case a kill came in between.

    Raises:
        ValueError: training diverged, and nothing is saved from then on; or the checkpoint is of another network.
        FileNotFoundError: `resume`, and no checkpoint is whole.
        OSError: the run folder cannot be written, memory is short, or another process of this run has ended.
    """
    accelerator = make_accelerator(config.precision, tracker, output)
    rank, processes, device = accelerator.process_index, accelerator.num_processes, accelerator.device
    local_size = config.batch_size // processes
    network = network.to(device)
    learned = copy.deepcopy(network).requires_grad_(False).eval()  # accelerate changes the forward of what it wraps
    optimizer = make_optimizer(network, config)

    images, seconds = 0, 0.0
    best: dict[str, Any] | None = None
    if resume and list_checkpoints(output):
        images, tensors, saved = load_latest(output)
        try:
            load_module(network, tensors["network"])
            load_optimizer(optimizer, tensors["optimizer"])
            seconds, best = float(saved["seconds"]), saved["best"]
        except (RuntimeError, ValueError, LookupError, TypeError, AttributeError) as error:
            raise ValueError(f"the checkpoint of {images} images in {output} is not of this run: {error}") from error
    log = RunLog(output, images, seconds) if accelerator.is_main_process else None
    if log and best:
        keep_best_again(learned, keep, best, output)
    if images >= config.images:
        accelerator.print(f"this run is finished: {images} images seen; give a larger --images to extend it")
        return accelerator.is_main_process
    start_tracker(accelerator, config.to_json())

    wrapped = accelerator.prepare(network)
    bar = tqdm(
        total=config.images, initial=images, unit=" pictures", disable=not accelerator.is_main_process, smoothing=0.05
    )
    lost, steps, stopping = torch.zeros((), device=device), 0, False
    with bar, graceful_stop() as stop, clear_failures(accelerator, output, remedy=""):
        while images < config.images and not stopping:
            random = seeded_generator(config.seed, images, rank)
            torch.manual_seed(random.initial_seed())
            indices = sampler.take(images + rank * local_size, local_size)
            set_learning_rate(optimizer, config, images)
            wrapped.train()
            optimizer.zero_grad()
            found = loss(wrapped, indices, random, images / config.images)
            accelerator.backward(found)
            nn.utils.clip_grad_norm_(network.parameters(), MAX_GRADIENT)
            optimizer.step()

            images += config.batch_size
            lost, steps = lost + found.detach().float(), steps + 1
            bar.update(config.batch_size)

            # Every so many images: log, measure, checkpoint.
            def due(every: int, images: int = images) -> bool:
                return images // every > (images - config.batch_size) // every

            stopping = stop.agreed(accelerator, look=due(config.log_every))
            saving = due(config.checkpoint_every) or stopping or images >= config.images
            if not log or not (saving or due(config.log_every)):
                continue
            record: dict[str, Any] = {"images": images, "seconds": round(log.seconds, 2)}
            record |= check_finite({"loss": (lost / steps).item()}, output)
            lost, steps = torch.zeros_like(lost), 0
            if saving:
                check_weights([network], output)
                learned.load_state_dict(network.state_dict())
            if due(config.checkpoint_every) or images >= config.images:  # one who wants to stop is not kept waiting
                record["evaluation"] = measure(learned)
                if is_best(record["evaluation"]["score"], best):
                    record["best"], best = True, {"images": images, "figures": record["evaluation"]}
            accelerator.log(flat_numbers(record), step=images)
            show(bar, log.write(record))
            if saving:
                tensors = {"network": network.state_dict(), "optimizer": optimizer_tensors(optimizer)}
                save_checkpoint(output, images, tensors, {"seconds": log.seconds, "best": best})
                if record.get("best"):
                    keep(learned, record["evaluation"])
                retain_checkpoints(output, config.keep_checkpoints)
    accelerator.wait_for_everyone()
    accelerator.end_training()
    return accelerator.is_main_process and images >= config.images


def make_optimizer(network: nn.Module, config: SupervisedConfig) -> torch.optim.Optimizer:
    """AdamW (arXiv:1711.05101) whose weight decay leaves out biases and the gains of norms."""
    parameters = [parameter for parameter in network.parameters() if parameter.requires_grad]
    groups = [
        {"params": [parameter for parameter in parameters if parameter.ndim > 1], "weight_decay": config.weight_decay},
        {"params": [parameter for parameter in parameters if parameter.ndim <= 1], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, config.learning_rate, betas=BETAS)


def set_learning_rate(optimizer: torch.optim.Optimizer, config: SupervisedConfig, images: int) -> None:
    """The rate as it is after so many images: it rises in a line, then falls with a cosine to 0 at the budget's end."""
    warm_up = min(config.warm_up, config.images // 10)
    if images < warm_up:
        factor = (images + config.batch_size) / (warm_up + config.batch_size)
    else:
        done = (images - warm_up) / (config.images - warm_up)
        factor = (1 + math.cos(math.pi * min(done, 1.0))) / 2
    for group in optimizer.param_groups:
        group["lr"] = config.learning_rate * factor


def is_best(score: float, best: dict[str, Any] | None) -> bool:
    """Whether a score is above that of the best so far."""
    return math.isfinite(score) and (best is None or score > best["figures"]["score"])


def keep_best_again(
    learned: Network, keep: Callable[[Network, dict[str, float]], None], best: dict[str, Any], output: Path
) -> None:
    """Keep the best so far from its checkpoint; a checkpoint that is no longer whole is warned of."""
    try:
        _, tensors, _ = load_checkpoint(checkpoint_folder(output, best["images"]))
        load_module(learned, tensors["network"])
    except (*DAMAGE, RuntimeError) as error:
        print(f"warning: the best so far cannot be read again: {error}", file=sys.stderr)
        return
    keep(learned, best["figures"])


def show(bar: tqdm, record: dict[str, Any]) -> None:
    """Tell a record's figures beside the bar."""
    if "evaluation" in record:
        figures = ", ".join(f"{name} {value:.3f}" for name, value in record["evaluation"].items())
        best = " (the best so far)" if record.get("best") else ""
        bar.write(f"{record['images']:,} images: {figures}{best}", file=sys.stderr)
    bar.set_postfix(loss=f"{record['loss']:.3f}")


def cost_of(output: Path, train: ArtDataset) -> dict[str, Any]:
    """What the network that a run kept has cost: pictures, images seen, the run's seconds, and where."""
    history = read_history(output)
    kept = [record for record in history if record.get("best")]
    return {
        "pictures": len(train),
        "images": kept[-1]["images"] if kept else 0,
        "seconds": history[-1]["seconds"],
        "machine": describe_machine(),
    }
