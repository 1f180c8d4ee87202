"""From an average of weights to a published folder: statistics measured anew, samples, metrics, card, directions."""

import copy
import shutil
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from artmodels.data.dataset import ArtDataset
from artmodels.data.split import fingerprint
from artmodels.generate.find_directions import PICTURES, add_directions
from artmodels.generate.sampling import style_sheet
from artmodels.hub.card import SHEET_SEEDS, SHEET_TRUNCATION, model_card, rewrite_card
from artmodels.hub.companions import COMPANIONS
from artmodels.hub.companions.directions import DIRECTIONS_NAME
from artmodels.hub.load import read_metrics
from artmodels.hub.model_files import (
    CARD_NAME,
    HISTORY_NAME,
    METRICS_NAME,
    PROGRESS_NAME,
)
from artmodels.hub.pretrained import ArtGenerator, load_generator
from artmodels.hub.statement import Statement
from artmodels.io.device import describe_machine
from artmodels.io.files import json_bytes, replacing, write_json
from artmodels.io.random import seeded_generator
from artmodels.io.safetensors_io import MAX_JSON_BYTES, read_json
from artmodels.training.checkpoint import RunProgress
from artmodels.training.config import TrainConfig
from artmodels.training.monitor import Monitor
from artmodels.training.run_log import SAMPLE_SEEDS, read_history
from artmodels.training.sample_sheets import progress_strip

PROGRESS_QUALITY = 85
CALIBRATION_LATENTS = 512


@torch.no_grad()
def export_generator(ema: ArtGenerator, config: TrainConfig, labels: Tensor) -> ArtGenerator:
    """A copy of the averaged generator that is ready to paint: its batch-norm statistics and `mean_w` measured anew.

    The average of weights goes with none of the statistics met on the way, so they are taken over latents and labels
    drawn from the run's seed; processes need not exchange theirs.
    """
    painter = copy.deepcopy(ema)
    random = seeded_generator(config.seed, -1)
    z = torch.randn(CALIBRATION_LATENTS, config.latent_dim, generator=random)
    measure_statistics(painter, z, labels[torch.randint(len(labels), (CALIBRATION_LATENTS,), generator=random)])
    return painter


@torch.no_grad()
def measure_statistics(painter: ArtGenerator, z: Tensor, labels: Tensor) -> None:
    """Measure a generator's batch-norm statistics and `mean_w` anew, over latents `[N, latent_dim]` and their styles.

    It is then in evaluation mode.
    """
    device = painter.mean_w.device
    style = torch.eye(len(painter.config.styles))[labels]
    for module in painter.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.reset_running_stats()
            module.momentum = None  # a plain average over all batches
    painter.train()
    for z_part, style_part in zip(z.split(64), style.split(64), strict=True):
        painter(z_part.to(device), style_part.to(device))
    painter.update_mean_w(z.to(device))
    painter.eval()


def publish_model(
    output: Path,
    painter: ArtGenerator,
    config: TrainConfig,
    dataset: ArtDataset,
    monitor: Monitor | None,
    images: int,
    progress: RunProgress,
) -> None:
    """Write `model/`, the published folder, from the state after `images`."""
    training = {
        "preset": config.preset,
        "images": images,
        "seconds": round(progress.seconds, 1),
        "machine": describe_machine(),
        "pictures": len(dataset),
        "style_counts": dataset.style_counts(),
        "held_out_sha256": fingerprint(monitor.held_out or monitor.test) if monitor and config.hold_out else None,
        "config": config.to_json(),
        "init": read_json(output / "config.json").get("init"),
    }
    if training["init"]:
        del training["init"]["source"]  # where it lay on this machine is nobody else's business
    strip = progress_strip(output, len(SAMPLE_SEEDS), len(painter.config.styles), images)
    if strip:
        training["progress"] = strip[1]
    before = output / "model"
    said = read_metrics(before).get("publication")  # what the publisher said of the average before holds for this one
    with replacing(before) as folder:
        history = [record for record in read_history(output) if record["images"] <= images]
        write_model_folder(folder, painter, training, history, progress.evaluation)
        if strip:
            strip[0].save(folder / PROGRESS_NAME, "WEBP", quality=PROGRESS_QUALITY)
        kept = [before / each.file_name for each in COMPANIONS if each.outlives and (before / each.file_name).is_file()]
        for companion in kept:
            shutil.copy2(companion, folder / companion.name)
        if kept or said:
            rewrite_card(folder, painter, {"publication": said} if said else {}, before)


def steer_model(output: Path, config: TrainConfig, device: torch.device) -> None:
    """Find the directions of a run's finished `model/`, and tell of them on its card, unless that is done."""
    model = output / "model"
    if (model / DIRECTIONS_NAME).is_file():
        return
    pictures = min(PICTURES, max(8, config.evaluate_samples // 8))  # a run that is measured by few is a trial
    with replacing(model) as folder:
        shutil.copytree(model, folder, dirs_exist_ok=True)
        add_directions(folder, device, pictures)
        rewrite_card(folder, load_generator(folder), {}, model)


def thinned(history: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """A run's records, as many as a published file has room for: every second one that tells of no evaluation goes."""
    while len(json_bytes(history)) > MAX_JSON_BYTES:
        plain = [place for place, record in enumerate(history) if "evaluation" not in record]
        going = set((plain if len(plain) > 1 else list(range(len(history))))[:-1:2])
        history = [record for place, record in enumerate(history) if place not in going]
    return history


def write_model_folder(
    folder: Path,
    generator: ArtGenerator,
    training: dict[str, Any],
    history: list[dict[str, Any]],
    metrics: dict[str, Any] | None = None,
) -> None:
    """Write weights, config, card, metrics, samples and history into an existing folder.

    `training` is what the card tells of the run (see `publish_model`); `metrics` what `evaluate` measured.
    """
    generator._save_pretrained(folder)
    style_sheet(generator, SHEET_SEEDS, SHEET_TRUNCATION).save(folder / "samples.png")
    write_json(folder / METRICS_NAME, {"training": training, **({"evaluation": metrics} if metrics else {})})
    write_json(folder / HISTORY_NAME, thinned(history))
    (folder / CARD_NAME).write_text(model_card(generator, training, metrics, Statement()), "utf-8")
