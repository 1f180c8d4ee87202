"""What happens at a checkpoint of a generator's run: it is measured, and published if it is the best so far."""

import copy
import sys
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from tqdm import tqdm

from artmodels.data.dataset import ArtDataset
from artmodels.hub.model_files import (
    METRICS_NAME,
)
from artmodels.hub.pretrained import ArtGenerator
from artmodels.io.safetensors_io import read_json
from artmodels.training.checkpoint import (
    DAMAGE,
    RunProgress,
    checkpoint_folder,
    load_checkpoint,
    load_module,
)
from artmodels.training.config import TrainConfig
from artmodels.training.export import export_generator, publish_model
from artmodels.training.gan_step import Networks
from artmodels.training.monitor import Monitor, is_best, known_by_heart, memorises, summary


@dataclass
class Checkpointer:
    """Measures and publishes a run's average, and knows which one is the best so far."""

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
        short = summary(figures)
        found: dict[str, Any] = {"evaluation": short}
        if is_best(short, self.progress.best):
            distance = short["kernel_distance"]
            self.progress.best = {"images": images, "kernel_distance": distance, "memorises": memorises(short)}
            found["best"] = True
        gap = known_by_heart(nets, painter, self.dataset, self.monitor.test)
        return found if gap is None else {**found, "known_by_heart": round(gap, 4)}

    def publish(self, painter: ArtGenerator, images: int) -> None:
        """Write `model/`, if this average is the best so far or none can be measured."""
        if self.progress.best is None or self.progress.best["images"] == images:
            publish_model(self.output, painter, self.config, self.dataset, self.monitor, images, self.progress)

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
