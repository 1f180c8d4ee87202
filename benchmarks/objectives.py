"""Objectives side by side: what keeps the variety of a collection, from random weights, at the same number of images.

python benchmarks/objectives.py --data train.zip --test-data test.zip --images 20000

The generator, the collection, the seed, the judge and the precision (the best of the machine, compiled, as train.py has
it) are the same for all; what differs is what the generator learns from. `latents` is what train.py does, by its own
step. The others are what was tried before it: projected GAN with the published differences one at a time, and
objectives without a discriminator. Each trial's figures are a file of their own in --results, so the work may be
stopped and continued; `--only` runs some alone.

Written to --results: a JSON file for each trial, and `table.md`.
"""

import argparse
import copy
import math
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from compare_models import number

from artmodels.cli.arguments import OneLineParser, natural
from artmodels.data.dataset import ArtDataset, load_dataset
from artmodels.data.sampler import PictureSampler
from artmodels.generate.sampling import style_sheet
from artmodels.io.device import best_precision, can_compile, describe_machine
from artmodels.io.errors import main_with_clear_errors
from artmodels.io.files import write_json
from artmodels.io.random import seeded_generator
from artmodels.io.safetensors_io import read_json
from artmodels.metrics.evaluate import evaluate, look_at_real
from artmodels.models.efficientnet import EfficientNetLite, load_efficientnet
from artmodels.models.layers import channels_last, normalised_conv
from artmodels.training.augment import CHANGES, change
from artmodels.training.batches import BatchSource
from artmodels.training.config import PRESETS, TrainConfig
from artmodels.training.export import export_generator
from artmodels.training.gan_step import Networks, Passes, build_networks, ema_decay, training_step, update_ema
from artmodels.training.latents import components_for, latents_of
from artmodels.training.losses import discriminator_loss, generator_loss
from artmodels.training.monitor import summary

CHANNELS, HIDDEN, STRIDES = (64, 128, 256, 256), 128, (4, 8, 16, 32)


@dataclass(frozen=True)
class Trial:
    """What one objective is made of; the defaults are projected GAN as train.py had it before."""

    what: str
    latents: bool = False  # pictures are painted again from their own latents, and heads judge patches
    adversarial: float = 1.0  # weight of the projected discriminator
    variety: float = 4.0  # weight of the loss for pairs that are nearer to each other than real ones
    same_changes: bool = False  # real and painted pictures are augmented alike, so that pairs can be compared
    heads_rate: float = 4e-4
    rate: float = 2e-4
    batch_norm: bool = False  # in the heads, real and painted pictures apart
    fresh: bool = False  # new latents for the generator's update
    features: int = 64  # px
    relativistic: float = 0.0  # R3GAN: weight of the gradient penalties on features; 0: hinge
    second: bool = False  # Lite1 beside Lite0
    spectral: bool = False  # spectral norm in the generator
    drift: float = 0.0  # weight of drifting (arXiv:2602.04770)
    moments: float = 0.0  # weight of the distance between means and covariances of features


TRIALS = {
    "before": Trial("projected GAN with a variety loss: the objective before"),
    "plain": Trial("without the variety loss", variety=0),
    "equal-rates": Trial("both rates 2e-4", variety=0, heads_rate=2e-4),
    "fresh": Trial("new latents for the generator's update", variety=0, fresh=True),
    "batch-norm": Trial("batch norm in the heads, batches apart", variety=0, batch_norm=True),
    "published": Trial("all three", variety=0, heads_rate=2e-4, fresh=True, batch_norm=True),
    "features-128": Trial("features at 128 px", features=128),
    "spectral": Trial("spectral norm in the generator", spectral=True),
    "seeing-variety": Trial("a variety loss under one augmentation", same_changes=True),
    "relativistic": Trial("R3GAN's loss and penalties", variety=0, relativistic=1.0, heads_rate=2e-4),
    "second-network": Trial("Lite1 beside Lite0", second=True),
    "moments": Trial("means and covariances of a style's features alone", adversarial=0, variety=0, moments=1.0),
    "drift": Trial("drifting alone", adversarial=0, variety=0, drift=1.0),
    "drift-beside": Trial("drifting beside the discriminator", variety=0, drift=1.0),
    "latents": Trial("pictures painted again from their latents, patches judged: the objective now", latents=True),
}


class Head(nn.Module):
    """One map to logits: halved down to 4 px, then an unconditional and a style-projection logit each."""

    def __init__(self, channels: int, size: int, styles: int, batch_norm: bool):
        super().__init__()
        self.body = nn.Sequential()
        for stride in [2] * max(0, int(math.log2(size)) - 2) + [1]:
            self.body.append(normalised_conv(channels, HIDDEN, 3, stride=stride))
            if batch_norm:
                self.body.append(nn.BatchNorm2d(HIDDEN))
            self.body.append(nn.LeakyReLU(0.2))
            channels = HIDDEN
        self.unconditional = normalised_conv(HIDDEN, 1, 1)
        self.embedding = nn.Parameter(torch.randn(styles, HIDDEN) / math.sqrt(HIDDEN))

    def forward(self, feature_map: Tensor, style: Tensor) -> Tensor:
        features = self.body(feature_map)
        projected = (features * (style @ self.embedding)[:, :, None, None]).sum(dim=1, keepdim=True)
        return (self.unconditional(features) + projected).flatten(1)


@dataclass(frozen=True)
class Speed:
    """What makes a step fast and changes nothing of what it does: the precision, and compiling."""

    bf16: bool
    compiled: bool

    def autocast(self) -> torch.autocast:
        return torch.autocast("cpu", torch.bfloat16, enabled=self.bf16)

    def cast(self, forward: Callable[..., Any]) -> Callable[..., Any]:
        def under_autocast(*inputs: Any) -> Any:
            with self.autocast():
                return forward(*inputs)

        return under_autocast

    def compile(self, forward: Callable[..., Any]) -> Callable[..., Any]:
        return self.cast(torch.compile(forward, dynamic=False) if self.compiled else forward)


class Projected(nn.Module):
    """A frozen network whose maps are mixed across channels and, coarse to fine, across scales by random weights."""

    def __init__(self, network: EfficientNetLite, resolution: int, speed: Speed):
        super().__init__()
        self.network, self.resolution, self.scales = network, resolution, speed.compile(network.scales)
        self.across, self.down = nn.ModuleList(), nn.ModuleList()
        for own, wanted in zip(network.scale_channels, CHANNELS, strict=True):
            self.across.append(random_conv(own, wanted, 1))
        for fine, coarse in pairwise(CHANNELS):
            self.down.append(random_conv(coarse, fine, 3))
        channels_last(self.requires_grad_(False))

    def forward(self, pictures: Tensor) -> list[Tensor]:
        if pictures.shape[-1] != self.resolution:
            pictures = F.interpolate(pictures, size=self.resolution, mode="bilinear", antialias=True)
        maps = [mix(scale) for mix, scale in zip(self.across, self.scales(pictures), strict=True)]
        for index in (2, 1, 0):
            maps[index] = maps[index] + self.down[index](F.interpolate(maps[index + 1], scale_factor=2.0))
        return maps


def random_conv(channels: int, wanted: int, kernel: int) -> nn.Conv2d:
    conv = nn.Conv2d(channels, wanted, kernel, padding=kernel // 2, bias=False)
    nn.init.normal_(conv.weight, 0, math.sqrt(1 / conv.weight[0].numel()))
    return conv


def variety_loss(real: Tensor, fake: Tensor, style: Tensor) -> Tensor:
    """max(0, 1 - d_fake / d_real) for the mean distances between pairs of a style, in the mean over styles."""
    pairs = style.sum(dim=0) * (style.sum(dim=0) - 1)

    def mean_distances(features: Tensor) -> Tensor:
        squares = features.square().sum(dim=1)
        squared = squares[:, None] + squares[None, :] - 2 * features @ features.T
        distances = torch.sqrt(squared.clamp(min=0) + 1e-4) * (1 - torch.eye(len(style)))
        return torch.einsum("ns,nm,ms->s", style, distances, style) / pairs.clamp(min=1)

    shortfall = F.relu(1 - mean_distances(fake) / mean_distances(real).detach().clamp(min=1e-6)) * (pairs > 0)
    return shortfall.sum() / (pairs > 0).sum().clamp(min=1)


class RealFeatures:
    """Features of all real pictures, without augmentation, kept: what drifting and moments pull towards."""

    def __init__(self, network: EfficientNetLite, resolution: int, dataset: ArtDataset, speed: Speed):
        self.network, self.resolution, self.maps = network, resolution, speed.compile(network.scales)
        with torch.no_grad():
            parts = [self.look(dataset.batch(range(i, min(i + 64, len(dataset))))) for i in range(0, len(dataset), 64)]
        self.all = [torch.cat(kind) for kind in zip(*parts, strict=True)]
        self.centres = [kind.mean(dim=0) for kind in self.all]
        some = torch.randperm(len(dataset), generator=seeded_generator(0))[:1500]
        self.scales = [torch.pdist(kind[some]).mean() / math.sqrt(kind.shape[1]) for kind in self.all]
        labels = torch.from_numpy(dataset.labels)
        self.places = [torch.nonzero(labels == label)[:, 0] for label in range(len(dataset.styles))]

    def look(self, pictures: Tensor) -> list[Tensor]:
        larger = pictures
        if pictures.shape[-1] != self.resolution:
            larger = F.interpolate(pictures, size=self.resolution, mode="bilinear", antialias=True)
        maps = [each.float() for each in self.maps(larger)]
        kinds = [self.network.pool(maps[3]), F.adaptive_avg_pool2d(maps[3], 2)]
        kinds += [F.adaptive_avg_pool2d(each, 4) for each in maps[:3]]
        kinds.append(
            torch.cat([torch.cat([m.mean((2, 3)), (m.var((2, 3)) + 1e-4).sqrt()], dim=1) for m in maps[:3]], 1)
        )
        kinds.append(F.adaptive_avg_pool2d(pictures, 8))
        return [kind.flatten(1).float() for kind in kinds]

    def drift_loss(self, pictures: Tensor, labels: Tensor, random: torch.Generator) -> Tensor:
        return self._of_styles(
            pictures, labels, random, 128, lambda own, real: (own - drifted(own, real)).square().mean()
        )

    def moment_loss(self, pictures: Tensor, labels: Tensor, random: torch.Generator) -> Tensor:
        """Squared distances of means and of covariances, these by 64 random directions."""

        def distance(own: Tensor, real: Tensor) -> Tensor:
            directions = F.normalize(torch.randn(own.shape[1], 64, generator=random), dim=0)
            # Of a single picture of a style there is no deviation, where the root's slope must not be infinite.
            deviations = [((rows @ directions).var(dim=0, correction=0) + 1e-4).sqrt() for rows in (own, real)]
            means = (own.mean(dim=0) - real.mean(dim=0)).square().mean()
            return means + (deviations[0] - deviations[1]).square().mean()

        return self._of_styles(pictures, labels, random, 512, distance)

    def _of_styles(
        self,
        pictures: Tensor,
        labels: Tensor,
        random: torch.Generator,
        most: int,
        loss: Callable[[Tensor, Tensor], Tensor],
    ) -> Tensor:
        total = pictures.new_zeros(())
        seen = self.look(pictures)
        styles = labels.unique().tolist()
        for label in styles:
            places = self.places[label][torch.randint(len(self.places[label]), (most,), generator=random)]
            for own, real, centre, scale in zip(seen, self.all, self.centres, self.scales, strict=True):
                total = total + loss((own[labels == label] - centre) / scale, (real[places] - centre) / scale)
        return total / (len(styles) * len(seen))


@torch.no_grad()
def drifted(own: Tensor, real: Tensor) -> Tensor:
    """Where paintings `[N, D]` should be: drawn to real pictures of their style, driven from each other."""
    root, total = math.sqrt(own.shape[1]), torch.zeros_like(own)
    to_real, to_own = torch.cdist(own, real) / root, torch.cdist(own, own) / root
    to_own.fill_diagonal_(1e6)
    for temperature in (0.05, 0.2):
        logits = torch.cat([-to_real / temperature, -to_own / temperature], dim=1)
        affinity = (logits.softmax(dim=1) * logits.softmax(dim=0)).sqrt()
        near, beside = affinity[:, : len(real)], affinity[:, len(real) :]
        field = (near * beside.sum(1, keepdim=True)) @ real - (beside * near.sum(1, keepdim=True)) @ own
        total += field / (field.square().mean().sqrt() + 1e-6)
    return own + total / 2


class Before:
    """A step of the objectives that were tried before: a projected discriminator, or none, and losses beside it."""

    def __init__(self, trial: Trial, nets: Networks, config: TrainConfig, dataset: ArtDataset, speed: Speed):
        self.trial, self.nets, self.config, self.speed = trial, nets, config, speed
        networks = [load_efficientnet(0), load_efficientnet(1)][: 2 if trial.second else 1]
        self.projected = [Projected(network, trial.features, speed) for network in networks]
        sizes = [trial.features // stride for stride in STRIDES] * len(networks)
        channels = list(CHANNELS) * len(networks)
        self.heads = nn.ModuleList(
            Head(own, size, len(dataset.styles), trial.batch_norm) for own, size in zip(channels, sizes, strict=True)
        )
        channels_last(self.heads)
        if trial.spectral:
            for module in nets.generator.modules():
                if isinstance(module, nn.Conv2d):
                    nn.utils.parametrizations.spectral_norm(module)
            nets.ema = copy.deepcopy(nets.generator).requires_grad_(False)
        self.generator = speed.compile(nets.generator)
        betas = (0.9 if trial.drift and not trial.adversarial else 0.0, 0.99)
        self.painting = torch.optim.Adam(nets.generator.parameters(), trial.rate, betas=betas)
        self.judging = torch.optim.Adam(self.heads.parameters(), trial.heads_rate, betas=(0.0, 0.99))
        wanted = trial.drift or trial.moments
        self.features = RealFeatures(load_efficientnet(0), 64, dataset, speed) if wanted else None

    def judge(self, maps: list[Tensor], style: Tensor) -> list[Tensor]:
        with self.speed.autocast():
            return [head(each, style).float() for head, each in zip(self.heads, maps, strict=True)]

    def paint(self, style: Tensor, random: torch.Generator) -> Tensor:
        return self.generator(torch.randn(len(style), self.config.latent_dim, generator=random), style).float()

    def __call__(self, real: Tensor, labels: Tensor, style: Tensor, random: torch.Generator) -> None:
        trial = self.trial
        self.painting.zero_grad()
        fake = self.paint(style, random)
        loss = fake.new_zeros(())
        if trial.adversarial:
            loss = loss + trial.adversarial * self.adversarial(real, fake, style, random)
        if self.features and trial.drift:
            loss = loss + trial.drift * self.features.drift_loss(fake, labels, random)
        if self.features and trial.moments:
            loss = loss + trial.moments * self.features.moment_loss(fake, labels, random)
        loss.backward()
        self.painting.step()
        self.heads.requires_grad_(True)

    def adversarial(self, real: Tensor, fake: Tensor, style: Tensor, random: torch.Generator) -> Tensor:
        trial = self.trial
        numbers = torch.rand(len(real), CHANGES, generator=random)

        def look(pictures: Tensor) -> list[Tensor]:
            changes = numbers if trial.same_changes else torch.rand(len(real), CHANGES, generator=random)
            with self.speed.autocast():
                changed = change(pictures, changes, 0.0, 1.0)
                return [each.float() for projected in self.projected for each in projected(changed)]

        fake_maps = look(fake)
        with torch.no_grad():
            real_maps = look(real)
        self.judging.zero_grad()
        inputs = [each.detach().requires_grad_(trial.relativistic > 0) for each in (*real_maps, *fake_maps)]
        of_real, of_fake = inputs[: len(real_maps)], inputs[len(real_maps) :]
        if trial.batch_norm or trial.relativistic:
            real_logits, fake_logits = self.judge(of_real, style), self.judge(of_fake, style)
        else:
            both = self.judge(
                [torch.cat(pair) for pair in zip(of_real, of_fake, strict=True)], torch.cat([style, style])
            )
            real_logits, fake_logits = map(list, zip(*(each.chunk(2) for each in both), strict=True))
        if trial.relativistic:
            pairs = zip(real_logits, fake_logits, strict=True)
            judged = sum((F.softplus(f - r).mean() for r, f in pairs), start=fake.new_zeros(()))
            total = sum((each.sum() for each in (*real_logits, *fake_logits)), start=fake.new_zeros(()))
            slopes = torch.autograd.grad(total, inputs, create_graph=True)
            penalty = sum((each.square().sum() for each in slopes), start=fake.new_zeros(())) / len(real)
            judged = judged + 0.5 * trial.relativistic * penalty
        else:
            judged = discriminator_loss(real_logits, fake_logits)
        judged.backward()
        self.judging.step()
        self.heads.requires_grad_(False)
        if trial.fresh:
            fake = self.paint(style, random)
            fake_maps = look(fake)
        verdict = self.judge(fake_maps, style)
        if trial.relativistic:
            with torch.no_grad():
                against = self.judge(real_maps, style)
            pairs = zip(against, verdict, strict=True)
            loss = sum((F.softplus(r - f).mean() for r, f in pairs), start=fake.new_zeros(()))
        else:
            loss = generator_loss(verdict)
        if trial.variety:
            loss = loss + trial.variety * variety_loss(real_maps[3].flatten(1), fake_maps[3].flatten(1), style)
        return loss


class Now:
    """The step of train.py."""

    def __init__(self, nets: Networks, config: TrainConfig, dataset: ArtDataset, speed: Speed):
        self.nets, self.config = nets, config
        labels, device = torch.from_numpy(dataset.labels), torch.device("cpu")
        components = components_for(labels, config.latent_dim)
        latents = latents_of(nets.projector, dataset, labels, components, flip=False)
        self.source = BatchSource(config, dataset, labels, latents, device)
        generator, project, scales = [
            speed.compile(each) for each in (nets.generator, nets.projector, nets.projector.scales)
        ]
        self.passes = Passes(generator, speed.cast(nets.heads), project, scales, speed.autocast)

    def __call__(self, images: int) -> None:
        training_step(self.nets, self.passes, self.config, self.source.draw(images))


def run_trial(name: str, chosen: argparse.Namespace, seed: int, train: ArtDataset, real: Any) -> dict[str, Any]:
    """Train one trial and judge it. Seconds are those of steps alone."""
    torch.manual_seed(seed)
    torch.compiler.reset()  # what was compiled for the trial before has other shapes
    trial, config = TRIALS[name], replace(PRESETS[chosen.preset](), seed=seed, images=chosen.images)
    if not trial.latents:
        config = replace(config, ema_half_life=10_000, ema_ramp_up=0.05)  # as it was
    nets = build_networks(config, train.styles, torch.device("cpu"))
    speed = Speed(best_precision() == "bf16", chosen.compile and can_compile())
    labels, sampler = torch.from_numpy(train.labels), PictureSampler(train.labels, seed, 0.0)
    one_hot = torch.eye(len(train.styles))
    now = Now(nets, config, train, speed) if trial.latents else None
    before = None if trial.latents else Before(trial, nets, config, train, speed)
    images, seconds = 0, 0.0
    while images < chosen.images:
        began = time.perf_counter()
        if now:
            now(images)
        elif before:
            indices, random = sampler.take(images, config.batch_size), seeded_generator(seed, images, 0)
            before(train.batch(indices), labels[indices], one_hot[labels[indices]], random)
        images += config.batch_size
        update_ema(nets.ema, nets.generator, ema_decay(config, images))
        seconds += time.perf_counter() - began
        if images % (100 * config.batch_size) == 0:
            print(f"{name}, seed {seed}: {images:,} images, {images / seconds:.1f}/s", file=sys.stderr, flush=True)
    figures: dict[str, Any] = {
        "trial": asdict(trial),
        "seed": seed,
        "images": images,
        "images_per_second": images / seconds,
    }
    if not all(parameter.isfinite().all() for parameter in nets.ema.parameters()):
        return {**figures, "diverged": True}
    painter = export_generator(nets.ema, config, labels)
    style_sheet(painter, range(8)).save(chosen.results / f"{name}-{seed}.png")
    return {**figures, **summary(evaluate(painter, real, chosen.samples))}


def compare(chosen: argparse.Namespace) -> None:
    resolution = PRESETS[chosen.preset]().resolution
    train, test = (load_dataset(path, resolution) for path in (chosen.data, chosen.test_data))
    chosen.results.mkdir(parents=True, exist_ok=True)
    terms = {
        "images": chosen.images,
        "samples": chosen.samples,
        "data_sha256": train.digest,
        "test_sha256": test.digest,
    }
    real = look_at_real(train, test, chosen.samples)
    for name in chosen.only or TRIALS:
        for seed in range(chosen.seeds):
            path = chosen.results / f"{name}-{seed}.json"
            if path.exists() and read_json(path)["terms"] == terms:
                continue
            write_json(path, {"terms": terms, **run_trial(name, chosen, seed, train, real)})
            write_table(chosen, terms)
    write_table(chosen, terms)


def write_table(chosen: argparse.Namespace, terms: dict[str, Any]) -> None:
    """All trials on these terms, as Markdown."""
    rows = [read_json(path) for path in sorted(chosen.results.glob("*-[0-9].json"))]
    rows = [row for row in rows if row["terms"] == terms]
    if all(row.get("diverged") for row in rows):
        return
    whole = [row for row in rows if not row.get("diverged")]
    floor, floor_outside = (found.get("frechet_floor", math.nan) for found in (whole[0], whole[0]["outside"]))
    lines = [
        "# Objectives side by side",
        "",
        f"Preset `{chosen.preset}`, {chosen.images:,} images from random weights, {chosen.samples:,} samples; real "
        f"pictures have a Fréchet distance of {floor:.1f} and a recall of "
        f"{number(whole[0].get('recall_floor'))}, a distance from outside of {floor_outside:.3f}. "
        f"{describe_machine()}, and whatever else it did.",
        "",
        "| objective | seed | Fréchet distance | kernel distance x 1000 | precision | recall | mean variety "
        "| least varied style | Fréchet distance, from outside | images/s |",
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: | --- | ---: | ---: |",
    ]
    for row in sorted(whole, key=lambda row: row["frechet_distance"]):
        styles = row["styles"]
        least = min(styles, key=lambda style: styles[style]["variety"])
        lines.append(
            f"| {row['trial']['what']} | {row['seed']} | {row['frechet_distance']:.1f} "
            f"| {row['kernel_distance'] * 1000:.1f} | {number(row['precision'])} | {number(row['recall'])} "
            f"| {row['variety']:.2f} | {styles[least]['variety']:.2f} {least} "
            f"| {row['outside']['frechet_distance']:.3f} | {row['images_per_second']:.1f} |"
        )
    for row in rows:
        if row.get("diverged"):
            speed = f"{row['images_per_second']:.1f}"
            lines.append(f"| {row['trial']['what']} | {row['seed']} | diverged | | | | | | | {speed} |")
    (chosen.results / "table.md").write_text("\n".join(lines) + "\n", "utf-8")


def parse_arguments() -> argparse.Namespace:
    parser = OneLineParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("--data", required=True)
    add("--test-data", required=True)
    add("--images", type=natural, default=20_000, help="that each trial sees (default: 20,000)")
    add("--samples", type=natural, default=1000)
    add("--preset", choices=PRESETS, default="cpu", help="whose generator is trained (default: cpu)")
    add("--compile", action=argparse.BooleanOptionalAction, default=True, help="the networks (default), or not")
    add("--seeds", type=natural, default=1, help="seeds of each trial, from 0 on")
    add("--only", nargs="+", choices=TRIALS, metavar="NAME", help=f"of {', '.join(TRIALS)}")
    add("--results", type=Path, default=Path(__file__).resolve().parent / "results" / "objectives")
    return parser.parse_args()


def main() -> int:
    chosen = parse_arguments()
    return main_with_clear_errors(lambda: compare(chosen))


if __name__ == "__main__":
    sys.exit(main())
