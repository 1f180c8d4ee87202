"""What of this machine PyTorch computes with: devices, precision, compilers."""

import os
import platform
import shutil
import sys

import torch


def describe_machine() -> str:
    """The accelerator, or the number of CPU threads, that PyTorch computes with."""
    if torch.cuda.is_available():
        return f"{torch.cuda.device_count()} x {torch.cuda.get_device_name()}"
    return f"{torch.get_num_threads()} CPU threads ({platform.machine()})"


def pick_device(name: str) -> torch.device:
    """A device by PyTorch's name for it.

    Raises:
        ValueError: no such device on this machine.
    """
    try:
        device = torch.device(name)
        torch.empty(1, device=device)
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
