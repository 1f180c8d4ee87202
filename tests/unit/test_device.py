"""What of a machine is used: as many cores as this process may have."""

import os

import pytest

from artmodels.io.device import usable_cores

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
