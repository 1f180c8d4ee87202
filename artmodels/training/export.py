"""What a run writes: its log and samples, its checkpoints, and the best of its averages as a model."""

import copy
import shutil
import sys
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from tqdm import tqdm

from artmodels.data.dataset import ArtDataset
from artmodels.data.split import fingerprint
from artmodels.generate.find_directions import PICTURES, add_directions
from artmodels.generate.sampling import draw_latents, paint, style_sheet
from artmodels.hub.card import SHEET_SEEDS, SHEET_TRUNCATION, model_card, rewrite_card
from artmodels.hub.model_files import (
    CARD_NAME,
    CLASSIFIER_NAME,
    DIRECTIONS_NAME,
    HISTORY_NAME,
    METRICS_NAME,
    NEIGHBOURS_NAME,
    PROGRESS_NAME,
    PROMPT_NAME,
    STATISTICS_NAME,
    UPSCALER_NAME,
)
from artmodels.hub.pretrained import ArtGenerator, load_generator
from artmodels.hub.statement import Statement
from artmodels.io.device import describe_machine
from artmodels.io.files import replacing, write_json
from artmodels.io.random import seeded_generator
from artmodels.io.safetensors_io import read_json
from artmodels.training.augment import AugmentShare
from artmodels.training.checkpoint import (
    DAMAGE,
    checkpoint_folder,
    load_checkpoint,
    load_module,
    retain_checkpoints,
    save_checkpoint,
)
from artmodels.training.config import TrainConfig
from artmodels.training.gan_step import Networks
from artmodels.training.monitor import Monitor, is_best, summary
from artmodels.training.run_log import SAMPLE_SEEDS, read_history
from artmodels.training.sample_sheets import progress_strip

PROGRESS_QUALITY = 85
CALIBRATION_LATENTS = 512
OF_ANY_PAINTER = (
    CLASSIFIER_NAME,
    PROMPT_NAME,
    NEIGHBOURS_NAME,
    STATISTICS_NAME,
    UPSCALER_NAME,
)  # they outlive an average of weights
JUDGED_AT_ONCE = 32
LEAST_GAP = 0.1  # of mean logits, below which real pictures and paintings are not told apart
JUDGED_BY_HEADS = 256  # pictures of a kind by which it is seen whether the heads know the training pictures by heart


@dataclass
class RunProgress:
    """What a checkpoint keeps beside the tensors."""

    augment: AugmentShare
    seconds: float = 0.0  # of training, over all resumes
    best: dict[str, Any] | None = None  # images and kernel distance of the best average so far
    evaluation: dict[str, Any] | None = None  # the figures of this very checkpoint

    def to_json(self) -> dict[str, Any]:
        return {**vars(self), "augment": self.augment.to_json()}

    @classmethod
    def from_json(cls, saved: dict[str, Any], augment_target: float) -> "RunProgress":
        return cls(**{**saved, "augment": AugmentShare(**saved["augment"], target=augment_target)})


@dataclass
class Checkpointer:
    """Measures, saves and publishes a run's state, and knows which average is the best so far."""

    output: Path
    config: TrainConfig
    dataset: ArtDataset  # the training pictures
    labels: Tensor  # theirs
    monitor: Monitor | None
    progress: RunProgress

    def measure(self, nets: Networks, painter: ArtGenerator, images: int, in_haste: bool) -> dict[str, Any]:
        """What a checkpoint's record says of the average, if there is a monitor, and time, and memory."""
        self.progress.evaluation = None
        if not self.monitor or in_haste:
            return {}
        try:
            figures = self.monitor.measure(painter)
        except torch.OutOfMemoryError:
            tqdm.write("warning: memory is too small to measure beside training; not measured", file=sys.stderr)
            return {}
        self.progress.evaluation = figures
        found: dict[str, Any] = {"evaluation": summary(figures)}
        distance = figures["overall"]["kernel_distance"]
        if is_best(distance, self.progress.best):
            self.progress.best = {"images": images, "kernel_distance": distance}
            found["best"] = True
        gap = known_by_heart(nets, painter, self.dataset, self.monitor.test)
        return found if gap is None else {**found, "known_by_heart": round(gap, 4)}

    def save(self, nets: Networks, painter: ArtGenerator, images: int, seconds: float) -> None:
        """Write the checkpoint, and `model/` if this average is the best so far or none can be measured."""
        progress = self.progress
        progress.seconds = seconds
        save_checkpoint(self.output, images, nets.tensors(), progress.to_json())
        if progress.best is None or progress.best["images"] == images:
            publish_model(self.output, painter, self.config, self.dataset, self.monitor, images, progress)
        retain_checkpoints(self.output, self.config.keep_checkpoints)

    def mend_model(self, nets: Networks, images: int) -> None:
        """Publish again where `model/` is not what belongs to the state after `images`: a kill came in between, say."""
        wanted = self.progress.best["images"] if self.progress.best else images
        with suppress(*DAMAGE):
            if read_json(self.output / "model" / METRICS_NAME)["training"]["images"] == wanted:
                return
        average = copy.deepcopy(nets.ema)
        try:
            _, tensors, saved = load_checkpoint(checkpoint_folder(self.output, wanted))
            load_module(average, tensors["ema"])
            progress = RunProgress.from_json(saved, self.config.augment_target)
        except DAMAGE as error:
            print(f"warning: model/ is not the best so far, and cannot be mended: {error}", file=sys.stderr)
            return
        painter = export_generator(average, self.config, self.labels)
        publish_model(self.output, painter, self.config, self.dataset, self.monitor, wanted, progress)


@torch.no_grad()
def known_by_heart(nets: Networks, painter: ArtGenerator, train: ArtDataset, test: ArtDataset) -> float | None:
    """By how much of the gap between training pictures and paintings unseen real ones fall short, as the heads see it.

    (D(training) - D(held out)) / (D(training) - D(painted)), the first heuristic of adaptive augmentation
    (arXiv:2006.06676, equation 1): 0 where the heads judge unseen pictures as they do training pictures, 1 where as
    paintings. Pictures are not augmented. None where the heads do not tell paintings from training pictures at all.
    """
    device, styles = painter.mean_w.device, painter.config.styles
    eye = torch.eye(len(styles))

    def labels_of(dataset: ArtDataset, places: np.ndarray) -> Tensor:
        names = [dataset.styles[label] for label in dataset.labels[places]]
        return torch.tensor([styles.index(name) if len(styles) > 1 else 0 for name in names])

    def mean_logit(pictures: Tensor, labels: Tensor) -> float:
        total = 0.0
        for part, style in zip(pictures.split(JUDGED_AT_ONCE), eye[labels].split(JUDGED_AT_ONCE), strict=True):
            verdict = nets.heads(nets.projector(part.to(device)), style.to(device))
            total += len(part) * torch.stack([logits.mean() for logits in verdict.realness]).mean().item()
        return total / len(pictures)

    random = np.random.default_rng(0)
    some, unseen = (random.permutation(len(each))[:JUDGED_BY_HEADS] for each in (train, test))
    labels = labels_of(train, some)
    latents = draw_latents(range(len(some)), painter.config.latent_dim)
    nets.heads.eval()  # spectral norm must not move on, or this process would differ from the others
    trained = mean_logit(train.batch(some), labels)
    held_out = mean_logit(test.batch(unseen), labels_of(test, unseen))
    painted = mean_logit(paint(painter, latents, eye[labels]), labels)
    nets.heads.train()
    return (trained - held_out) / (trained - painted) if trained - painted > LEAST_GAP else None


@torch.no_grad()
def export_generator(ema: ArtGenerator, config: TrainConfig, labels: Tensor) -> ArtGenerator:
    """A copy of the averaged generator that is ready to paint: its batch-norm statistics and `mean_w` measured anew.

    The average of weights goes with none of the statistics met on the way, so they are taken over latents and labels
    drawn from the run's seed; processes need not exchange theirs.
    """
    painter = copy.deepcopy(ema)
    device = painter.mean_w.device
    random = seeded_generator(config.seed, -1)
    z = torch.randn(CALIBRATION_LATENTS, config.latent_dim, generator=random)
    chosen = labels[torch.randint(len(labels), (CALIBRATION_LATENTS,), generator=random)]
    style = torch.eye(len(painter.config.styles))[chosen]
    for module in painter.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.reset_running_stats()
            module.momentum = None  # a plain average over all batches
    painter.train()
    for z_part, style_part in zip(z.split(64), style.split(64), strict=True):
        painter(z_part.to(device), style_part.to(device))
    painter.update_mean_w(z.to(device))
    return painter.eval()


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
        "held_out_sha256": fingerprint(monitor.test) if monitor and config.hold_out else None,
        "config": config.to_json(),
        "init": read_json(output / "config.json").get("init"),
    }
    if training["init"]:
        del training["init"]["source"]  # where it lay on this machine is nobody else's business
    strip = progress_strip(output, len(SAMPLE_SEEDS), len(painter.config.styles))
    if strip:
        training["progress"] = strip[1]
    with replacing(output / "model") as folder:
        write_model_folder(folder, painter, training, read_history(output), progress.evaluation)
        if strip:
            strip[0].save(folder / PROGRESS_NAME, "WEBP", quality=PROGRESS_QUALITY)
        for name in OF_ANY_PAINTER:
            if (output / "model" / name).is_file():
                shutil.copy2(output / "model" / name, folder / name)


def steer_model(output: Path, config: TrainConfig, device: torch.device) -> None:
    """Find the directions of a run's finished `model/`, and tell of them on its card, unless that is done."""
    model = output / "model"
    if (model / DIRECTIONS_NAME).is_file():
        return
    pictures = min(PICTURES, max(8, config.evaluate_samples // 8))  # a run that is measured by few is a trial
    with replacing(model) as folder:
        shutil.copytree(model, folder, dirs_exist_ok=True)
        add_directions(folder, device, pictures)
        rewrite_card(folder, load_generator(folder), {})


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
    write_json(folder / HISTORY_NAME, history)
    (folder / CARD_NAME).write_text(model_card(generator, training, metrics, Statement()), "utf-8")
