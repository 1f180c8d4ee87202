"""`benchmark app`: the real studio with a few visitors."""

import json

import pytest
from helpers import run_here

from artmodels.cli.main import main


def test_the_studio_serves_visitors(model_folder, tmp_path):
    out = tmp_path / "figures.json"
    flags = [
        "--visitors",
        "3",
        "--seconds",
        "2",
        "--pictures",
        "2",
        "--pause",
        "0.1",
        "--films",
        "1",
        "--model",
        str(model_folder),
    ]
    result = run_here(lambda: main(["benchmark", "app", *flags, "--out", str(out)]))
    assert result.returncode == 0, result.stderr
    found = json.loads(out.read_text())
    assert (found["errors"], found["busy"]) == ({}, 0)
    assert found["requests"] >= 3 and 1.5 < found["elapsed"] < 300
    assert found["requests_per_second"] == pytest.approx(found["requests"] / found["elapsed"])
    assert found["pictures_per_second"] == pytest.approx(2 * found["requests_per_second"])
    latency, memory = found["latency"], found["memory"]
    assert 0 < latency["p50"] <= latency["p95"] <= latency["max"] < found["elapsed"]
    assert latency["p50"] * found["requests"] < 3 * 2 * found["elapsed"]  # three visitors, one request at a time each
    assert min(memory.values()) > 50e6 and max(memory.values()) == memory["peak"]
    assert found["ready_ratio"] == pytest.approx(found["ready_seconds"] / found["import_seconds"])
    assert min(found["ready_seconds"], found["import_seconds"]) > 0.1
    for words in ("3 at once", "requests/s", "p95", "turned away 0 as busy", "times a bare"):
        assert words in result.stdout
