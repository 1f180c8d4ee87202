"""The supervised loop: what it learns, what survives a kill, what it refuses."""

import json
import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from helpers import ROOT, STYLES, read_jsonl
from safetensors.torch import load_file, save_file
from torch import nn

from artmodels.data.sampler import PictureSampler
from artmodels.hub.companions.classifier import CLASSIFIER_NAME, load_classifier, save_classifier
from artmodels.io.errors import Stopped
from artmodels.models.classifier import ClassifierConfig, StyleClassifier
from artmodels.training.checkpoint import list_checkpoints
from artmodels.training.supervised import (
    FIGURES_NAME,
    cost_of,
    keep_best,
    make_optimizer,
    set_learning_rate,
    train_supervised,
)
from artmodels.training.supervised_config import SupervisedConfig

CONFIG = SupervisedConfig(
    resolution=32,
    images=320,
    batch_size=8,
    learning_rate=0.02,
    weight_decay=0.01,
    warm_up=32,
    balance=0.0,
    hold_out=0.1,
    checkpoint_every=64,
    log_every=16,
    keep_checkpoints=2,
    precision="fp32",
    seed=3,
)


def teach(
    output: Path,
    resume: bool = False,
    config: SupervisedConfig = CONFIG,
    end: str = "",
    at: int = 0,
    by: int = signal.SIGKILL,
) -> bool:
    """A toy with batch norm, dropout and noise learns where points lie; a signal comes in its `at`-th call of `end`."""
    output.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(0)
    network = nn.Sequential(nn.Linear(2, 16), nn.BatchNorm1d(16), nn.ReLU(), nn.Dropout(0.2), nn.Linear(16, 2))
    points = torch.from_numpy(np.random.default_rng(0).standard_normal((60, 2)).astype(np.float32))
    labels = (points.prod(dim=1) > 0).long()
    calls = {"loss": 0, "keep": 0}

    def called(name: str) -> None:
        calls[name] += 1
        if name == end and calls[name] == at:
            signal.raise_signal(by)

    def loss(wrapped: nn.Module, indices: np.ndarray, random: torch.Generator, done: float) -> torch.Tensor:
        called("loss")
        assert 0 <= done < 1
        noise = 0.05 * torch.randn(len(indices), 2, generator=random)
        return nn.functional.cross_entropy(wrapped(points[indices] + noise), labels[indices])

    def measure(learned: nn.Module) -> dict[str, float]:
        assert not learned.training
        return {"score": (learned(points).argmax(dim=1) == labels).float().mean().item()}

    def keep(learned: nn.Module, figures: dict[str, float]) -> None:
        called("keep")
        save_file(learned.state_dict(), output / "kept.safetensors", {"score": str(figures["score"])})

    return train_supervised(
        network, loss, measure, keep, PictureSampler(labels.numpy(), config.seed), config, output, resume
    )


def killed(output: Path, resume: bool, kill: str, at: int) -> None:
    """`teach` in a process of its own that ends by SIGKILL."""
    code = f"from pathlib import Path; import test_supervised as t; t.teach(Path({str(output)!r}), {resume}, t.CONFIG, "
    path = os.pathsep.join(map(str, (ROOT, ROOT / "tests", Path(__file__).parent)))
    result = subprocess.run(
        [sys.executable, "-c", f"{code} {kill!r}, {at})"],
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        timeout=900,
    )
    assert result.returncode == -signal.SIGKILL, result.stderr


def state(output: Path) -> dict[str, torch.Tensor]:
    """All tensors of the last checkpoint and of the best that was kept."""
    paths = [*(list_checkpoints(output)[-1] / f"{name}.safetensors" for name in ("network", "optimizer"))]
    return {
        f"{path.stem} {key}": value
        for path in [*paths, output / "kept.safetensors"]
        for key, value in load_file(path).items()
    }


def log(output: Path) -> list[dict]:
    return [
        {key: value for key, value in record.items() if key != "seconds"}
        for record in read_jsonl(output / "metrics.jsonl")
    ]


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> Path:
    output = tmp_path_factory.mktemp("toy") / "whole"
    assert teach(output)
    return output


def test_it_learns_and_keeps_the_best(whole):
    records = log(whole)
    assert [record["images"] for record in records] == list(range(16, 321, 16))
    judged = [record for record in records if "evaluation" in record]
    assert [record["images"] for record in judged] == [64, 128, 192, 256, 320]
    scores = [record["evaluation"]["score"] for record in judged]
    assert max(scores) > 0.8 and records[-1]["loss"] < records[0]["loss"]
    best = judged[scores.index(max(scores))]["images"]
    assert [record["images"] for record in judged if record.get("best")][-1] == best
    kept = load_file(whole / "kept.safetensors")
    of_best = load_file(whole / f"images-{best:08d}" / "network.safetensors")
    assert all(torch.equal(kept[name], tensor) for name, tensor in of_best.items())


@pytest.mark.slow
def test_killed_twice_and_resumed_it_is_the_same_run_bit_for_bit(whole, tmp_path):
    """In the middle of a stretch, and between a checkpoint and the keeping of its best."""
    output = tmp_path / "killed"
    killed(output, False, "loss", 21)
    assert [path.name for path in list_checkpoints(output)] == ["images-00000064", "images-00000128"]
    assert log(output)[-1]["images"] == 160
    of_first = (output / "kept.safetensors").read_bytes()
    killed(output, True, "keep", 1)  # which resuming calls first
    assert (output / "kept.safetensors").read_bytes() == of_first
    (output / "kept.safetensors").unlink()
    assert teach(output, resume=True)
    expected, found = state(whole), state(output)
    assert expected.keys() == found.keys() and all(torch.equal(expected[key], found[key]) for key in expected)
    assert log(output) == log(whole)


def test_a_finished_run_says_so_and_a_larger_budget_extends_it(tmp_path, capsys):
    output = tmp_path / "run"
    short = replace(CONFIG, images=64)
    assert teach(output, config=short) and teach(output, True, short)
    assert "this run is finished: 64 images seen" in capsys.readouterr().out
    assert teach(output, True, replace(CONFIG, images=96))
    assert log(output)[-1]["images"] == 96


def test_the_best_that_is_kept_already_keeps_what_was_measured_of_it(tmp_path):
    """As where a finished run is extended: it has its calibration until there is a better one."""
    best, model, figures = StyleClassifier(ClassifierConfig(32, STYLES, 8)), tmp_path / "model", tmp_path / FIGURES_NAME

    def keep() -> StyleClassifier:
        keep_best(tmp_path, best, lambda: load_classifier(model), lambda: save_classifier(model, best, {}))
        return load_classifier(model)

    measured = keep()
    measured.temperature.fill_(2.0)
    save_classifier(model, measured, {})
    figures.write_text("{}")
    assert keep().temperature == 2 and figures.exists()
    (model / CLASSIFIER_NAME).write_bytes(b"torn")
    assert keep().temperature == 1 and not figures.exists()
    save_classifier(model, measured, {})
    figures.write_text("{}")
    nn.init.normal_(best.head.bias)
    assert keep().temperature == 1 and not figures.exists()


def test_a_run_whose_log_was_deleted_is_finished_all_the_same(tmp_path):
    (tmp_path / "metrics.jsonl").touch()
    assert cost_of(tmp_path, range(60)).items() >= {"pictures": 60, "images": 0, "seconds": 0}.items()


def test_a_wish_to_stop_ends_with_a_checkpoint_and_the_rest_is_the_same(whole, tmp_path):
    output = tmp_path / "stopped"
    with pytest.raises(Stopped) as stopped:
        teach(output, end="loss", at=9, by=signal.SIGTERM)
    assert stopped.value.exit_code == 143
    assert list_checkpoints(output)[-1].name == "images-00000072"
    assert teach(output, resume=True)
    expected, found = state(whole), state(output)
    assert all(torch.equal(expected[key], found[key]) for key in expected)


def test_divergence_stops_with_one_line_and_saves_nothing(tmp_path):
    with pytest.raises(ValueError, match=r"diverged \(loss nan\).*smaller --learning-rate"):
        output = tmp_path / "run"
        output.mkdir()
        network = nn.Linear(2, 1)
        train_supervised(
            network,
            loss=lambda wrapped, indices, random, done: wrapped(torch.full((len(indices), 2), torch.nan)).mean(),
            measure=lambda learned: {"score": 0.0},
            keep=lambda learned, figures: None,
            sampler=PictureSampler(np.zeros(9, dtype=int), 0),
            config=CONFIG,
            output=output,
        )
    assert list_checkpoints(output) == []


def test_a_checkpoint_of_another_network_is_refused(whole, tmp_path):
    with pytest.raises(ValueError, match="is not of this run"):
        train_supervised(
            nn.Linear(2, 2), None, None, None, PictureSampler(np.zeros(9, dtype=int), 0), CONFIG, whole, resume=True
        )


def test_the_rate_rises_in_a_line_and_falls_to_nothing():
    optimizer = make_optimizer(nn.Linear(2, 2), CONFIG)

    def rate(images: int) -> float:
        set_learning_rate(optimizer, CONFIG, images)
        return optimizer.param_groups[0]["lr"] / CONFIG.learning_rate

    assert rate(0) == pytest.approx(8 / 40) and rate(16) == pytest.approx(24 / 40)
    assert rate(32) == pytest.approx(1) and rate(32 + 144) == pytest.approx(0.5)
    assert rate(320) == pytest.approx(0) and rate(10**6) == pytest.approx(0)
    assert [group["weight_decay"] for group in optimizer.param_groups] == [0.01, 0.0]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("images", 4),
        ("images", 1.5),
        ("batch_size", 1),
        ("learning_rate", float("nan")),
        ("weight_decay", -1),
        ("warm_up", -1),
        ("balance", 1.1),
        ("hold_out", 0.0),
        ("precision", "fp8"),
        ("seed", 2**32),
        ("log_every", 0),
    ],
)
def test_dials_out_of_range_are_refused(name, value):
    with pytest.raises(ValueError, match=name):
        replace(CONFIG, **{name: value})


def test_dials_survive_json():
    assert SupervisedConfig(**json.loads(json.dumps(CONFIG.to_json()))) == CONFIG
