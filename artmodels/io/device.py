"""What of this machine PyTorch computes with: devices, precision, compilers."""

import math
import os
import platform
import shutil
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

import torch

CPU_QUOTA = Path("/sys/fs/cgroup/cpu.max")  # of a container: microseconds of all cores, in so many of the clock


def describe_machine() -> str:
    """The GPUs, one for each process of a run, or the number of CPU threads, that PyTorch computes with."""
    if os.environ.get("ACCELERATE_USE_CPU", "").lower() not in ("true", "1", "yes"):
        if torch.cuda.is_available():
            return f"{os.environ.get('WORLD_SIZE', 1)} x {torch.cuda.get_device_name()}"
        if torch.backends.mps.is_available():
            return f"1 x Apple GPU ({platform.machine()})"
    threads = torch.get_num_threads()
    return f"{threads} CPU thread{'' if threads == 1 else 's'} ({platform.machine()})"


def usable_cores(environment: Mapping[str, str] = os.environ, quota: Path = CPU_QUOTA) -> int:
    """How many cores this process may use: those that it is bound to, a container's quota, and OMP_NUM_THREADS.

    `accelerate launch` sets OMP_NUM_THREADS=1 where nobody did, so that 1 is no wish under it.
    """
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    with suppress(OSError, ValueError):
        most, period = quota.read_text().split()
        if most != "max":
            cores = min(cores, max(1, math.ceil(int(most) / int(period))))
    wished = environment.get("OMP_NUM_THREADS", "")
    if wished.isdigit() and (int(wished) > 1 or "ACCELERATE_MIXED_PRECISION" not in environment):
        cores = min(cores, max(1, int(wished)))
    return cores


def pick_device(name: str) -> torch.device:
    """A device by PyTorch's name for it.

    Raises:
        ValueError: no such device on this machine, or one that only has shapes, like "meta".
    """
    try:
        device = torch.device(name)
        torch.ones(1, device=device).item()
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        raise ValueError(f"no device {name!r} on this machine: try --device cpu") from error
    return device


def best_precision() -> str:
    """bf16 where this machine multiplies it in hardware: GPUs since Ampere, CPUs with AMX or AVX512_BF16; else fp32."""
    if torch.cuda.is_available():
        return "bf16" if torch.cuda.is_bf16_supported(including_emulation=False) else "fp32"
    asked = ("_is_amx_tile_supported", "_is_avx512_bf16_supported")  # private, and not in every version
    return "bf16" if any(getattr(torch.cpu, name, bool)() for name in asked) else "fp32"


def can_compile() -> bool:
    """Whether torch.compile finds a compiler: `CXX`, else g++ (clang++ on a Mac); on a GPU `CC`, else gcc or clang."""
    if torch.cuda.is_available():
        return any(shutil.which(name) for name in (os.environ.get("CC", "gcc"), "gcc", "clang"))
    return shutil.which(os.environ.get("CXX", "clang++" if sys.platform == "darwin" else "g++")) is not None
