"""What these tests share: one short run, trained once."""

import subprocess
import sys
from pathlib import Path

import pytest
from helpers import ROOT
from training_runs import SHORT

TRAINED = frozenset(("finished", "measured", "trained"))  # fixtures that take seconds to make


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if TRAINED.intersection(getattr(item, "fixturenames", ())):
            item.add_marker(pytest.mark.slow)


@pytest.fixture(scope="session")
def finished(tmp_path_factory) -> Path:
    """One short run from start to end, launched as the README says."""
    output = tmp_path_factory.mktemp("runs") / "short"
    command = [str(Path(sys.executable).parent / "accelerate"), "launch", "train.py", "--output", str(output), *SHORT]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=900)
    assert result.returncode == 0, result.stderr
    assert "pictures/s" in result.stderr and "variety=" in result.stderr
    return output
