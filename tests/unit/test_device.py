"""What of a machine is used: as many cores as this process may have."""

import os

import pytest
import torch
from helpers import run

from artmodels.io.device import describe_machine, pick_device, usable_cores

CORES = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@pytest.mark.parametrize(
    ("environment", "quota", "expected"),
    [
        ({}, None, CORES),
        ({}, "max 100000", CORES),
        ({}, "100000 100000", 1),
        ({}, "50000 100000", 1),
        ({}, "nonsense", CORES),
        ({"OMP_NUM_THREADS": "1"}, None, 1),
        (
            {"OMP_NUM_THREADS": "1", "ACCELERATE_MIXED_PRECISION": "no"},
            None,
            CORES,
        ),  # accelerate set it
        ({"OMP_NUM_THREADS": "999"}, None, CORES),
        ({"OMP_NUM_THREADS": "many"}, None, CORES),
        ({"OMP_NUM_THREADS": "0"}, None, 1),
    ],
)
def test_cores_are_those_that_this_process_may_use(tmp_path, environment, quota, expected):
    path = tmp_path / "cpu.max"
    if quota:
        path.write_text(quota)
    assert usable_cores(environment, path) == expected


def test_a_run_has_as_many_gpus_as_processes_however_many_there_are(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 8)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda: "Abacus")
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    assert describe_machine() == "1 x Abacus"
    monkeypatch.setenv("WORLD_SIZE", "4")
    assert describe_machine() == "4 x Abacus"
    monkeypatch.setenv("ACCELERATE_USE_CPU", "true")
    assert "CPU thread" in describe_machine()


def test_an_apple_gpu_is_no_number_of_cpu_threads(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)
    monkeypatch.delenv("ACCELERATE_USE_CPU", raising=False)
    assert describe_machine().startswith("1 x Apple GPU")


def test_what_apples_gpus_lack_the_cpu_does():
    code = "import sys, os, artmodels; print('torch' in sys.modules, os.environ['PYTORCH_ENABLE_MPS_FALLBACK'])"
    environment = {name: value for name, value in os.environ.items() if name != "PYTORCH_ENABLE_MPS_FALLBACK"}
    assert run("-c", code, env=environment).stdout.split() == ["False", "1"]


@pytest.mark.parametrize("name", ["meta", "cuda:99", "quantum"])
def test_a_device_that_computes_nothing_here_is_refused(name):
    assert pick_device("cpu") == torch.device("cpu")
    with pytest.raises(ValueError, match=f"no device '{name}' on this machine: try --device cpu"):
        pick_device(name)
