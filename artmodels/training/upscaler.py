"""train_upscaler(): a network that doubles pictures, trained on smaller copies of them and measured beside Lanczos."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from artmodels.data.dataset import ArtDataset
from artmodels.data.decode import resized
from artmodels.data.sampler import PictureSampler
from artmodels.generate.sampling import to_images
from artmodels.generate.upscale import enlarge, from_image
from artmodels.hub.companions.upscaler import UPSCALER_NAME, load_upscaler, save_upscaler
from artmodels.hub.model_files import MEASURED_BY
from artmodels.io.files import sha256, write_json
from artmodels.metrics.distances import perceptual_distances, signal_to_noise, unit_maps
from artmodels.metrics.evaluate import JUDGE_VARIANT, spread
from artmodels.models.discriminator import DiscriminatorHeads, FeatureProjector
from artmodels.models.efficientnet import EfficientNetLite, load_efficientnet
from artmodels.models.layers import channels_last
from artmodels.models.upscaler import FACTOR, MEASURES, METHODS, Upscaler
from artmodels.training.augment import mirror_half
from artmodels.training.losses import discriminator_loss, generator_loss
from artmodels.training.supervised import FIGURES_NAME, cost_of, keep_best, train_supervised
from artmodels.training.supervised_config import UpscalerTrainConfig

HEAD_CHANNELS = (64, 128, 256, 256)
HEAD_HIDDEN = 128
CHECKED = 256  # held-out pictures that each checkpoint is measured by
LOOK = 32  # pictures measured at once


class UpscalerWithHeads(nn.Module):
    """What learns: the upscaler, and the heads that judge it. Its forward is the loss of both.

    The mean absolute error, and the hinge loss of a projected discriminator (arXiv:2111.01007, see
    `models/discriminator.py`), whose own loss is added: neither reaches the other's parameters.
    """

    def __init__(self, config: UpscalerTrainConfig):
        super().__init__()
        self.config = config
        self.upscaler = Upscaler(config.upscaler_config())
        self.heads = DiscriminatorHeads(HEAD_CHANNELS, HEAD_HIDDEN, styles=1)

    def forward(self, small: Tensor, large: Tensor, project: Callable[[Tensor], list[Tensor]] | None) -> Tensor:
        """Small pictures `[N, 3, H, W]` and the large ones that they come of to a scalar; without a projector for
        their features, the pixels alone count."""
        painted = self.upscaler(small)
        # Processes exchange a gradient of each parameter, also of those that have no part in it.
        loss = (painted - large).abs().mean() + 0.0 * sum(parameter.sum() for parameter in self.heads.parameters())
        if project is None:
            return loss
        fake = project(painted)
        with torch.no_grad():
            real = project(large)
        both = [torch.cat([first, second.detach()]) for first, second in zip(real, fake, strict=True)]
        alone = large.new_ones(2 * len(large), 1)
        logits = [each.chunk(2) for each in self.heads(both, alone)]
        judged = discriminator_loss(*map(list, zip(*logits, strict=True)))
        self.heads.requires_grad_(False)
        verdict = generator_loss(self.heads(fake, alone[: len(large)]))
        self.heads.requires_grad_(True)
        return loss + self.config.adversarial_weight * verdict + judged


def train_upscaler(
    config: UpscalerTrainConfig,
    train: ArtDataset,
    held_out: ArtDataset,
    test: ArtDataset | None,
    output: Path,
    resume: bool = False,
    tracker: str | None = None,
) -> bool:
    """Train an upscaler in a run folder whose `model/upscaler.safetensors` is the nearest to `held_out`, to the eye.

    At the end of the budget it is measured beside Lanczos on `test`, or without it on `held_out`; the figures are in
    that file, and in `figures.json`. True if the budget is used up.

    Raises:
        ValueError, OSError: those of `train_supervised`.
    """
    torch.manual_seed(config.seed)
    network = channels_last(UpscalerWithHeads(config))
    model = output / "model"
    projector = FeatureProjector(HEAD_CHANNELS, config.resolution, config.seed)
    judge = load_efficientnet(JUDGE_VARIANT)

    def loss(network: nn.Module, indices: np.ndarray, random: torch.Generator, done: float) -> Tensor:
        device = next(network.parameters()).device
        large = mirror_half(train.batch(indices, device), random)
        return network(halved(large), large, projector.to(device) if done >= config.pixels_only else None)

    def measure(network: UpscalerWithHeads) -> dict[str, float]:
        found = measure_upscaler(network.upscaler, checked_of(held_out), judge, METHODS[:1])
        of_us = {measure: found[measure]["upscaler"] for measure in MEASURES}
        return {"score": -of_us["perceptual_distance"], **of_us}

    def keep(network: UpscalerWithHeads, figures: dict[str, float]) -> None:
        upscaler = network.upscaler
        keep_best(output, upscaler, lambda: load_upscaler(model), lambda: save_upscaler(model, upscaler, {}))

    sampler = PictureSampler(train.labels, config.seed, config.balance)
    finished = train_supervised(network, loss, measure, keep, sampler, config, output, resume, tracker)
    if finished and (model / UPSCALER_NAME).is_file():
        _finish(output, config, train, test or held_out, MEASURED_BY[0] if test else MEASURED_BY[1], judge)
    return finished


def checked_of(held_out: ArtDataset) -> ArtDataset:
    """The pictures that each checkpoint is measured by, of all styles: they lie side by side in the order of these."""
    return held_out.select(spread(len(held_out), CHECKED))


def _finish(
    output: Path,
    config: UpscalerTrainConfig,
    train: ArtDataset,
    measured: ArtDataset,
    measured_by: str,
    judge: EfficientNetLite,
) -> None:
    """Measure the kept upscaler, which knows its figures from then on; the run's `figures.json` has them too."""
    model = output / "model"
    upscaler = load_upscaler(model)
    assert upscaler is not None  # it was kept
    figures = {
        "measured_by": measured_by,
        **measure_upscaler(upscaler, measured, judge),
        "training": cost_of(output, train),
    }
    save_upscaler(model, upscaler, figures)
    write_json(output / FIGURES_NAME, {**figures, "sha256": sha256(model / UPSCALER_NAME)})


@torch.inference_mode()
def measure_upscaler(
    upscaler: Upscaler, dataset: ArtDataset, judge: EfficientNetLite, methods: tuple[str, ...] = METHODS
) -> dict[str, Any]:
    """How near enlargements of pictures at half their size come to the pictures, by the upscaler and by Lanczos.

    The mean peak signal-to-noise ratio in dB, and the mean perceptual distance (see `metrics.perceptual_distances`)
    through a network `judge` that the training did not use; of what a file would hold, in 8 bits.
    """
    device = next(upscaler.parameters()).device
    judge = judge.to(device)
    found: dict[str, dict[str, list[Tensor]]] = {measure: {method: [] for method in methods} for measure in MEASURES}
    for places in np.array_split(np.arange(len(dataset)), -(-len(dataset) // LOOK)):
        large = dataset.batch(places, device)
        wanted = unit_maps(judge.scales, large)
        small = to_images(halved(large))
        for method in methods:
            using = upscaler if method == METHODS[0] else None
            pictures = torch.cat([from_image(enlarge(image, FACTOR, using)) for image in small]).to(device)
            found["psnr"][method].append(signal_to_noise(pictures, large))
            found["perceptual_distance"][method].append(perceptual_distances(unit_maps(judge.scales, pictures), wanted))
    means = {
        measure: {method: torch.cat(values).mean().item() for method, values in of_each.items()}
        for measure, of_each in found.items()
    }
    return {"pictures": len(dataset), "resolution": dataset.resolution, **means}


def halved(pictures: Tensor) -> Tensor:
    """Pictures `[N, 3, H, W]` at half their size: bicubic, antialiased, within [-1, 1]."""
    return resized(pictures, *(side // FACTOR for side in pictures.shape[2:])).clamp(-1, 1)
