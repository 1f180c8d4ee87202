"""A leaner sibling of a model that paints the same pictures: how much less work it takes, and how near it comes.

python benchmarks/leaner.py checkpoints/masters --late-doubling 16 --images 60000 --out runs/leaner

Blocks from `--late-doubling` px on double the resolution after their first convolution instead of before. They start
from the model's own kernels and learn by `train.py`'s step, whose collection is what the model paints from random
latents in the styles' shares of its training pictures: the sibling paints each of those from the same latent again, and
the heads tell its painting from the model's (distillation, arXiv:1503.02531). All below, and the mapping, stay as they
are, so a recipe is the same picture, and what lies beside the model still goes with it. The sibling is measured by
`compare_models.py`, and by `artmodels evaluate`.

Written to --out, each `--checkpoint-every` images: a folder with the weights, and `progress.jsonl`.
"""

import argparse
import json
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from artmodels.cli.arguments import OneLineParser, natural
from artmodels.generate.sampling import draw_latents, paint, style_sheet, to_levels
from artmodels.hub.model_files import METRICS_NAME
from artmodels.hub.pretrained import ArtGenerator, load_generator
from artmodels.io.device import best_precision, can_compile
from artmodels.io.errors import main_with_clear_errors
from artmodels.io.random import seeded_generator
from artmodels.io.safetensors_io import read_json
from artmodels.metrics.distances import perceptual_distances, unit_maps
from artmodels.models.efficientnet import load_efficientnet
from artmodels.models.layers import ModulatedConv
from artmodels.training.augment import CHANGES
from artmodels.training.batches import Batch
from artmodels.training.config import PRESETS, TrainConfig
from artmodels.training.distributed import make_accelerator
from artmodels.training.export import CALIBRATION_LATENTS, measure_statistics
from artmodels.training.gan_step import (
    Networks,
    build_networks,
    ema_decay,
    set_learning_rates,
    training_step,
    update_ema,
)
from artmodels.training.gan_training import prepare_passes
from artmodels.training.init_from import shape_after, start_from

COMPARED = range(10_000, 10_008)  # seeds of each style by which the sibling is compared with its model
SHEET = range(8)


class ModelCollection:
    """Batches of what a model paints, each picture with the latent that it was painted from; the next one ahead."""

    def __init__(self, model: ArtGenerator, shares: Tensor, config: TrainConfig):
        self.model, self.shares, self.config = model, shares, config
        self.thread = ThreadPoolExecutor(1, "model")
        self.ahead = self.thread.submit(self.draw, 0)

    def take(self, images: int) -> Batch:
        """The batch after so many images; they are asked for in order."""
        batch = self.ahead.result()
        self.ahead = self.thread.submit(self.draw, images + self.config.batch_size)
        return batch

    def draw(self, images: int) -> Batch:
        random, size = seeded_generator(self.config.seed, images), self.config.batch_size
        z = torch.randn(size, self.config.latent_dim, generator=random)
        labels = torch.multinomial(self.shares, size, replacement=True, generator=random)
        style = torch.eye(len(self.shares))[labels]
        changes = torch.rand(size, CHANGES, generator=random)
        return Batch(to_levels(paint(self.model, z, style)), style, z, changes)


def learn(chosen: argparse.Namespace) -> None:
    if chosen.out.exists():
        raise ValueError(f"--out {chosen.out} exists: name a new folder")
    model = load_generator(chosen.model)
    told = read_json(chosen.model / METRICS_NAME)["training"]
    shares = torch.tensor([float(told["style_counts"][style]) for style in model.config.styles])
    config = replace(
        shape_after(PRESETS["cpu"](), model, None),
        late_doubling=chosen.late_doubling,
        freeze=chosen.late_doubling // 2,
        images=chosen.images,
        finish=chosen.images // 2,
        batch_size=chosen.batch_size,
        learning_rate=chosen.learning_rate,
        heads_after=chosen.images // 10,
        precision=best_precision(),
        compile=chosen.compile and can_compile(),
        seed=chosen.seed,
    )
    accelerator = make_accelerator(config.precision)
    nets = build_networks(config, model.config.styles, accelerator.device)
    model.to(accelerator.device).eval()
    start_from(nets.generator, model)
    measure_what_changed(nets.generator, model, shares)
    nets.ema.load_state_dict(nets.generator.state_dict())
    passes = prepare_passes(accelerator, nets, config.compile)
    chosen.out.mkdir(parents=True)
    collection, gauge, began, images = ModelCollection(model, shares, config), Gauge(model), time.perf_counter(), 0
    while images < config.images:
        set_learning_rates(nets, config, images)
        batch = collection.take(images).to(accelerator.device)
        result = training_step(nets, passes, config, batch, judged=images >= config.heads_after)
        images += config.batch_size
        update_ema(nets.ema, nets.generator, ema_decay(config, images))
        if images % chosen.checkpoint_every < config.batch_size or images >= config.images:
            record = {"images": images, "images_per_second": round(images / (time.perf_counter() - began), 2)}
            keep(chosen.out, nets, gauge, record | result.figures())


def measure_what_changed(sibling: ArtGenerator, model: ArtGenerator, shares: Tensor) -> None:
    """Measure the batch-norm statistics of the blocks that learn; they then stay, and the sibling evaluates.

    So a picture depends on no other one of its batch, and can be compared with the model's.
    """
    random = seeded_generator(0, -1)
    labels = torch.multinomial(shares, CALIBRATION_LATENTS, replacement=True, generator=random)
    z = torch.randn(CALIBRATION_LATENTS, model.config.latent_dim, generator=random)
    measure_statistics(sibling, z, labels)
    kept = dict(model.named_modules())
    for name, module in sibling.named_modules():
        if isinstance(module, ModulatedConv) and not module.conv.weight.requires_grad:
            module.load_state_dict(kept[name].state_dict())
    sibling.mean_w.copy_(model.mean_w)


class Gauge:
    """How far a sibling's pictures are from those that its model paints from the same seeds."""

    def __init__(self, model: ArtGenerator):
        self.scales = load_efficientnet(2).scales  # which no training looks through
        self.wanted = paint_compared(model)

    @torch.no_grad()
    def __call__(self, sibling: ArtGenerator) -> dict[str, Any]:
        own = paint_compared(sibling)
        distances = perceptual_distances(unit_maps(self.scales, own), unit_maps(self.scales, self.wanted))
        return {
            "levels_apart": round(float((own - self.wanted).abs().mean()) * 127.5, 2),
            "perceptual_distance_from_model": round(float(distances.mean()), 4),
        }


def paint_compared(generator: ArtGenerator) -> Tensor:
    styles = generator.config.styles
    z = draw_latents(COMPARED, generator.config.latent_dim).repeat(len(styles), 1)
    return paint(generator, z, torch.eye(len(styles)).repeat_interleave(len(COMPARED), dim=0), 0.8)


def keep(out: Path, nets: Networks, gauge: Gauge, record: dict[str, Any]) -> None:
    """Write the sibling as it is now, and a line of how it does."""
    nets.ema._save_pretrained(out)
    style_sheet(nets.ema, SHEET, 0.8).save(out / "samples.png")
    line = json.dumps(record | gauge(nets.ema))
    print(line, file=sys.stderr, flush=True)
    with (out / "progress.jsonl").open("a", encoding="utf-8") as file:
        file.write(line + "\n")


def parse_arguments() -> argparse.Namespace:
    parser = OneLineParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path, help="a folder with a model")
    parser.add_argument("--late-doubling", type=natural, required=True, metavar="PX", help="as of train.py")
    parser.add_argument("--images", type=natural, default=60_000, help="what the sibling is shown (default: 60000)")
    parser.add_argument("--batch-size", type=natural, default=32, help="pictures of a step (default: 32)")
    parser.add_argument("--learning-rate", type=float, default=5e-4, help="at the start (default: 0.0005)")
    parser.add_argument("--checkpoint-every", type=natural, default=2_000, help="images between (default: 2000)")
    parser.add_argument("--no-compile", dest="compile", action="store_false", help="do not compile the networks")
    parser.add_argument("--seed", type=natural, default=0, help="of everything drawn at random (default: 0)")
    parser.add_argument("--out", required=True, type=Path, metavar="FOLDER", help="where the sibling goes")
    return parser.parse_args()


def main() -> int:
    chosen = parse_arguments()
    return main_with_clear_errors(lambda: learn(chosen))


if __name__ == "__main__":
    sys.exit(main())
