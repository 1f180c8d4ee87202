"""train_supervised(): supervised training of a network with AdamW, counted in images, for all that is no generator."""

import copy
import math
import sys
from collections.abc import Callable, Sized
from contextlib import AbstractContextManager, nullcontext, suppress
from pathlib import Path
from typing import Any, Generic, TypeVar

import numpy as np
import torch
from accelerate import Accelerator
from torch import Tensor, nn
from tqdm import tqdm

from artmodels.data.sampler import PictureSampler
from artmodels.io.device import describe_machine
from artmodels.io.random import seeded_generator
from artmodels.training.checkpoint import (
    DAMAGE,
    checkpoint_folder,
    load_checkpoint,
    load_module,
    load_optimizer,
    optimizer_tensors,
)
from artmodels.training.distributed import make_accelerator
from artmodels.training.loop import Moment, Training, run_training
from artmodels.training.run_log import read_history
from artmodels.training.supervised_config import SupervisedConfig

FIGURES_NAME = "figures.json"  # in a run folder: what came of it, measured
BETAS = (0.9, 0.99)  # AdamW
MAX_GRADIENT = 5.0  # norm above which a step's gradient is shortened


Network = TypeVar("Network", bound=nn.Module)


Loss = Callable[[nn.Module, np.ndarray, torch.Generator, float], Tensor]


class SupervisedTraining(Training, Generic[Network]):
    """Supervised training of a network; see `Training` for what each method is."""

    def __init__(
        self,
        network: Network,
        loss: Loss,
        measure: Callable[[Network], dict[str, float]],
        keep: Callable[[Network, dict[str, float]], None],
        sampler: PictureSampler,
        config: SupervisedConfig,
        output: Path,
        accelerator: Accelerator,
    ):
        self.config, self.output, self.accelerator, self.sampler = config, output, accelerator, sampler
        self.loss, self.judge, self.keep = loss, measure, keep
        self.network = network.to(accelerator.device)
        self.networks = [self.network]
        # a copy, because accelerate changes the forward of what it wraps
        self.learned = copy.deepcopy(self.network).requires_grad_(False).eval()
        self.optimizer = make_optimizer(self.network, config)
        self.best: dict[str, Any] | None = None
        self.lost, self.steps = torch.zeros((), device=accelerator.device), 0

    def tensors(self) -> dict[str, dict[str, Tensor]]:
        return {"network": self.network.state_dict(), "optimizer": optimizer_tensors(self.optimizer)}

    def progress(self, seconds: float) -> dict[str, Any]:
        return {"seconds": seconds, "best": self.best}

    def restore(self, tensors: dict[str, dict[str, Tensor]], progress: dict[str, Any]) -> None:
        load_module(self.network, tensors["network"])
        load_optimizer(self.optimizer, tensors["optimizer"])
        self.best = progress["best"]

    def mend(self, images: int) -> None:
        """Keep the best so far again from its checkpoint; one that is no longer whole is warned of."""
        if not self.best:
            return
        try:
            _, tensors, _ = load_checkpoint(checkpoint_folder(self.output, self.best["images"]))
            load_module(self.learned, tensors["network"])
        except (*DAMAGE, RuntimeError) as error:
            print(f"warning: the best so far cannot be read again: {error}", file=sys.stderr)
            return
        self.keep(self.learned, self.best["figures"])

    def begin(self) -> AbstractContextManager:
        self.wrapped = self.accelerator.prepare(self.network)
        return nullcontext()

    def step(self, images: int) -> None:
        config, accelerator = self.config, self.accelerator
        rank, local_size = accelerator.process_index, config.batch_size // accelerator.num_processes
        random = seeded_generator(config.seed, images, rank)
        torch.manual_seed(random.initial_seed())
        indices = self.sampler.take(images + rank * local_size, local_size)
        set_learning_rate(self.optimizer, config, images)
        self.wrapped.train()
        self.optimizer.zero_grad()
        found = self.loss(self.wrapped, indices, random, images / config.images)
        accelerator.backward(found)
        nn.utils.clip_grad_norm_(self.network.parameters(), MAX_GRADIENT)
        self.optimizer.step()
        self.lost, self.steps = self.lost + found.detach().float(), self.steps + 1

    def figures(self) -> dict[str, float]:
        loss = (self.lost / self.steps).item()
        self.lost, self.steps = torch.zeros_like(self.lost), 0
        return {"loss": loss}

    def measure(self, now: Moment, record: dict[str, Any]) -> dict[str, Any]:
        if not now.saving:
            return {}
        self.learned.load_state_dict(self.network.state_dict())
        if now.stopping and not (now.due(self.config.checkpoint_every) or now.last):
            return {}  # one who wants to stop is not kept waiting
        figures = self.judge(self.learned)
        if not is_best(figures["score"], self.best):
            return {"evaluation": figures}
        self.best = {"images": now.images, "figures": figures}
        return {"evaluation": figures, "best": True}

    def show(self, bar: tqdm, record: dict[str, Any], before: list[dict[str, Any]]) -> None:
        if "evaluation" in record:
            figures = ", ".join(f"{name} {value:.3f}" for name, value in record["evaluation"].items())
            best = " (the best so far)" if record.get("best") else ""
            bar.write(f"{record['images']:,} images: {figures}{best}", file=sys.stderr)
        bar.set_postfix(loss=f"{record['loss']:.3f}")

    def publish(self, now: Moment) -> None:
        if self.best and self.best["images"] == now.images:
            self.keep(self.learned, self.best["figures"])


def train_supervised(
    network: Network,
    loss: Loss,
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
        ValueError, FileNotFoundError, OSError: those of `run_training`.
    """
    accelerator = make_accelerator(config.precision, tracker, output)
    training = SupervisedTraining(network, loss, measure, keep, sampler, config, output, accelerator)
    return run_training(training, accelerator, output, resume)


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


def keep_best(output: Path, network: nn.Module, load: Callable[[], nn.Module | None], save: Callable[[], None]) -> None:
    """Save the best so far into a run's `model/`, unless it lies there already: then what was measured of it holds."""
    with suppress(ValueError):
        if (kept := load()) is not None and _same_parameters(kept, network):
            return
    (output / FIGURES_NAME).unlink(missing_ok=True)
    (output / "model").mkdir(exist_ok=True)
    save()


def _same_parameters(kept: nn.Module, network: nn.Module) -> bool:
    """Whether a network that was read from a file is another one, in half precision."""
    pairs = zip(kept.parameters(), network.parameters(), strict=True)
    return all(torch.equal(ours, theirs.detach().cpu().half().float()) for ours, theirs in pairs)


def cost_of(output: Path, train: Sized) -> dict[str, Any]:
    """What the network that a run kept has cost: pictures, images seen, the run's seconds, and where."""
    history = read_history(output)
    kept = [record for record in history if record.get("best")]
    return {
        "pictures": len(train),
        "images": kept[-1]["images"] if kept else 0,
        "seconds": history[-1]["seconds"] if history else 0,  # somebody may have deleted it
        "machine": describe_machine(),
    }
