"""What every training has around its steps: processes and devices, a wish to stop, failures said in one line."""

import math
import os
import re
import signal
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator, DistributedDataParallelKwargs, InitProcessGroupKwargs
from accelerate.utils import broadcast_object_list
from torch import nn

from artmodels.io.device import usable_cores
from artmodels.io.errors import Stopped

PROCESS_TIMEOUT = timedelta(hours=2)  # of processes, while the first one measures
LAUNCHER = os.getppid()  # who started this process, as it began
LAUNCHED = any(name in os.environ for name in ("ACCELERATE_MIXED_PRECISION", "TORCHELASTIC_RUN_ID"))  # no mere shell
LOST = re.compile(r"[Cc]onnection|gloo|NCCL|[Pp]eer|timed? ?out")  # in what PyTorch says when a process is gone
NO_MEMORY = re.compile(r"out of memory|can't allocate memory|not enough memory")


def make_accelerator(precision: str, tracker: str | None = None, output: Path | None = None) -> Accelerator:
    """Accelerate's view of the processes and devices of this run.

    `accelerate launch` pins a CPU process to one thread (OMP_NUM_THREADS=1); here the processes share the cores.
    """
    accelerator = Accelerator(
        mixed_precision="bf16" if precision == "bf16" else "no",
        log_with=tracker,
        project_dir=str(output) if output else None,
        kwargs_handlers=[
            DistributedDataParallelKwargs(broadcast_buffers=False),
            InitProcessGroupKwargs(timeout=PROCESS_TIMEOUT),
        ],
    )
    check_world(accelerator.num_processes)
    if accelerator.device.type == "cpu":
        local_processes = int(os.environ.get("LOCAL_WORLD_SIZE", "1"))
        torch.set_num_threads(max(1, usable_cores() // local_processes))
    return accelerator


def check_world(seen: int | None = None) -> None:
    """Refuse processes that do not know of each other: each would train the whole run, all into one folder.

    `seen` is how many accelerate counts; without it, what it is going to count is judged by the environment.

    Raises:
        ValueError: see above.
    """
    started = int(os.environ.get("WORLD_SIZE", "1"))
    if seen is None:
        on_cpu = os.environ.get("ACCELERATE_USE_CPU", "").lower() in ("1", "true", "yes")
        seen = started if on_cpu or torch.accelerator.is_available() else 1
    if seen != started:
        raise ValueError(
            f"{started} processes were started, but accelerate counts {seen}, since no GPU is visible: start one "
            "process (python train.py ...), or let them share the CPU with ACCELERATE_USE_CPU=true"
        )


def from_main(accelerator: Accelerator, value: Any) -> Any:
    """What the main process has for `value`, in every process; all must call it."""
    if accelerator.num_processes == 1:
        return value
    return broadcast_object_list([value])[0]


def check_finite(figures: dict[str, float], output: Path) -> dict[str, float]:
    """The figures, unless one is infinite or not a number.

    Raises:
        ValueError: the run diverged; the checkpoints from before are whole.
    """
    if all(math.isfinite(value) for value in figures.values()):
        return figures
    raise ValueError(
        f"training diverged ({', '.join(f'{name} {value:g}' for name, value in figures.items())}): "
        f"start anew with a smaller --learning-rate; the checkpoints in {output} are from before"
    )


def check_weights(modules: Iterable[nn.Module], output: Path) -> None:
    """Refuse to save weights that are infinite or not a number.

    Raises:
        ValueError: the run diverged; the checkpoints from before are whole.
    """
    for module in modules:
        if not all(torch.isfinite(parameter).all() for parameter in module.parameters()):
            raise ValueError(
                f"training diverged (weights that are no numbers): start anew with a smaller --learning-rate; the "
                f"checkpoints in {output} are from before"
            )


@contextmanager
def clear_failures(accelerator: Accelerator, output: Path, remedy: str = "") -> Iterator[None]:
    """Say in one line what PyTorch says in a page: that memory is short, or that another process is gone.

    Raises:
        OSError: one of these.
    """
    try:
        yield
    except RuntimeError as error:
        if NO_MEMORY.search(str(error)):
            raise OSError(
                f"the memory of {accelerator.device} is too small for this step: {remedy}lower --batch-size in a new "
                "run"
            ) from error
        if accelerator.num_processes > 1 and LOST.search(str(error)):
            raise OSError(
                f"process {accelerator.process_index} stops because another process of this run has ended (its own "
                f"message says why): the last checkpoint in {output} is whole, continue with --resume"
            ) from error
        raise


def start_tracker(accelerator: Accelerator, hyperparameters: dict[str, Any]) -> None:
    """Let accelerate's tracker begin, if one was asked for.

    Raises:
        OSError: it cannot; each has errors of its own.
    """
    try:
        accelerator.init_trackers("artmodels", config=tracker_config(hyperparameters))
    except Exception as error:
        raise OSError(f"the tracker cannot begin ({type(error).__name__}: {error}): see its own manual") from error


def tracker_config(hyperparameters: dict[str, Any]) -> dict[str, Any]:
    """The hyperparameters as trackers take them: numbers and text."""
    return {
        name: value if isinstance(value, bool | int | float) else str(value) for name, value in hyperparameters.items()
    }


def flat_numbers(record: dict[str, Any], prefix: str = "") -> dict[str, float]:
    """The numbers of a record, nested ones under joined names, for trackers."""
    flat: dict[str, float] = {}
    for name, value in record.items():
        if isinstance(value, dict):
            flat |= flat_numbers(value, f"{prefix}{name}/")
        elif isinstance(value, int | float) and not isinstance(value, bool):
            flat[prefix + name] = value
    return flat


class StopRequest:
    """Whether somebody asked the run to end: by a signal, or by ending the program that launched it."""

    def __init__(self) -> None:
        self.signal: int | None = None
        self.after_the_step = False  # there are steps: the one in hand is ended, and kept

    @property
    def requested(self) -> bool:
        if self.signal is None and LAUNCHED and os.getppid() != LAUNCHER:  # nobody is left to end it
            self.signal = signal.SIGTERM
        return self.signal is not None

    def agreed(self, accelerator: Accelerator, look: bool) -> bool:
        """The same answer in every process; several processes ask each other only when `look` is set."""
        if accelerator.num_processes == 1:
            return self.requested
        if not look:
            return False
        if self.requested:
            accelerator.set_trigger()
        return accelerator.check_trigger()


@contextmanager
def graceful_stop() -> Iterator[StopRequest]:
    """Let Ctrl-C, SIGTERM and SIGHUP end the run after the step in hand, with a checkpoint; a second Ctrl-C at once.

    Raises:
        Stopped: it is ended before its first step, or within one, since a compiler that works for the step hears a
            Ctrl-C as well.
    """
    stop = StopRequest()

    def request(number: int, frame: object) -> None:
        stop.signal = number
        signal.signal(signal.SIGINT, signal.default_int_handler)
        if not stop.after_the_step:
            raise Stopped(number)

    numbers = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]
    heard = [number for number in numbers if signal.getsignal(number) is not signal.SIG_IGN]  # nohup ignores SIGHUP
    before = {number: signal.signal(number, request) for number in heard}
    try:
        yield stop
    except RuntimeError as error:
        if stop.signal is None:
            raise
        raise Stopped(stop.signal) from error
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
