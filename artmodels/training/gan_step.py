"""One step of training: a discriminator's update, a generator's update, and the average that follows."""

import copy
import math
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, fields

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from artmodels.hub.pretrained import ArtGenerator
from artmodels.models.discriminator import DiscriminatorHeads, FeatureProjector, Verdict
from artmodels.models.layers import channels_last
from artmodels.training.augment import diff_augment, zoom_in
from artmodels.training.checkpoint import load_module, load_optimizer, optimizer_tensors
from artmodels.training.config import TrainConfig
from artmodels.training.losses import discriminator_loss, generator_loss, style_loss, variety_loss


@dataclass
class Networks:
    """What learns, what judges, and the optimizers: everything a step touches and a checkpoint holds."""

    generator: ArtGenerator
    ema: ArtGenerator
    projector: FeatureProjector  # fixed; rebuilt from the seed
    heads: DiscriminatorHeads
    generator_optimizer: torch.optim.Optimizer
    heads_optimizer: torch.optim.Optimizer

    def tensors(self) -> dict[str, dict[str, Tensor]]:
        return {
            "generator": self.generator.state_dict(),
            "ema": self.ema.state_dict(),
            "heads": self.heads.state_dict(),
            "generator_optimizer": optimizer_tensors(self.generator_optimizer),
            "heads_optimizer": optimizer_tensors(self.heads_optimizer),
        }

    def load(self, tensors: dict[str, dict[str, Tensor]]) -> None:
        for name in ("generator", "ema", "heads"):
            load_module(getattr(self, name), tensors[name])
        for name in ("generator_optimizer", "heads_optimizer"):
            load_optimizer(getattr(self, name), tensors[name])


def build_networks(config: TrainConfig, styles: tuple[str, ...], device: torch.device) -> Networks:
    """Freshly initialised networks, the same for the same seed."""
    torch.manual_seed(config.seed)
    channels = config.head_channels
    generator = channels_last(ArtGenerator(config.generator_config(styles)).to(device))
    if config.freeze:
        generator.freeze(config.freeze)
    heads = DiscriminatorHeads(channels, config.feature_resolution, config.head_hidden, len(styles))
    heads = channels_last(heads.to(device))
    betas = (config.beta1, config.beta2)
    return Networks(
        generator=generator,
        ema=copy.deepcopy(generator).requires_grad_(False),
        projector=FeatureProjector(channels, config.feature_resolution, config.seed, config.feature_network).to(device),
        heads=heads,
        generator_optimizer=torch.optim.Adam(generator.parameters(), config.learning_rate, betas=betas),
        heads_optimizer=torch.optim.Adam(heads.parameters(), config.heads_learning_rate, betas=betas),
    )


def no_stage(title: str) -> AbstractContextManager:
    return nullcontext()


@dataclass
class Passes:
    """The forward passes of a step as accelerate wrapped and torch compiled them, and accelerate's part in it."""

    generator: Callable[[Tensor, Tensor], Tensor]
    heads: Callable[[list[Tensor], Tensor], Verdict]
    project: Callable[[Tensor], list[Tensor]]
    autocast: Callable[[], AbstractContextManager]
    backward: Callable[[Tensor], None]
    alone: Callable[[Callable], AbstractContextManager]  # keeps a module's gradients in this process
    stage: Callable[[str], AbstractContextManager] = no_stage  # a stopwatch, when a benchmark looks on

    def exchange(self, module: Callable, now: bool) -> AbstractContextManager:
        """Whether the processes exchange this module's gradients: with the last part of a batch, once."""
        return nullcontext() if now else self.alone(module)


@dataclass
class StepResult:
    """What a step leaves for the log; tensors, so that nothing waits for the device."""

    discriminator_loss: Tensor
    generator_loss: Tensor
    real_logit: Tensor
    fake_logit: Tensor
    real_sign: Tensor  # mean sign of the real logits: near 1, the heads know the training pictures
    variety_loss: Tensor  # of augmented pictures, whose augmentation alone keeps them some way apart
    style_gap: Tensor  # style_loss, in nats

    def figures(self) -> dict[str, float]:
        """Numbers for the log; this waits for the device."""
        return {field.name: getattr(self, field.name).item() for field in fields(self)}


@dataclass
class Seen:
    """What the heads' update leaves for the generator's, of one part of a batch."""

    real_map: Tensor  # the coarsest, for the variety loss
    real_style: Tensor
    fake_maps: list[Tensor]  # with their graph, if the batch is a single part; else none
    losses: dict[str, Tensor]


def adversarial_step(
    nets: Networks,
    passes: Passes,
    config: TrainConfig,
    real: Tensor,
    style: Tensor,
    random: torch.Generator,
    augment: float = 1.0,
) -> StepResult:
    """One update of the heads and one of the generator, on real pictures `[N, 3, H, W]` and their styles `[N, S]`.

    The batch is taken in `config.accumulate` parts whose gradients add up. A single part is painted once for both
    updates; several are painted again for the second, so that no more than one part's graph is ever held.
    """
    stage = passes.stage
    z = torch.randn(len(real), nets.generator.config.latent_dim, generator=random).to(real.device, non_blocking=True)
    size = len(real) // config.accumulate
    parts = list(zip(real.split(size), style.split(size), z.split(size), strict=True))

    def look_at(pictures: Tensor) -> list[Tensor]:
        with stage("features"), passes.autocast():
            if config.zoom:
                pictures = zoom_in(pictures, random, config.zoom)
            return passes.project(diff_augment(pictures, random, augment))

    def look_at_fakes(style: Tensor, z: Tensor) -> list[Tensor]:
        with stage("generator"):
            fake = passes.generator(z, style)
        return look_at(fake)

    # Heads: real and fake in one forward.
    seen = []
    nets.heads_optimizer.zero_grad()
    for number, (real_part, style_part, z_part) in enumerate(parts, start=1):
        with torch.set_grad_enabled(len(parts) == 1):
            fake_maps = look_at_fakes(style_part, z_part)
        with torch.no_grad():
            real_maps = look_at(real_part)
        with stage("heads' update"), passes.exchange(passes.heads, now=number == len(parts)):
            both = [torch.cat([r, f.detach()]) for r, f in zip(real_maps, fake_maps, strict=True)]
            verdict = passes.heads(both, torch.cat([style_part, style_part]))
            real_logits, fake_logits = zip(*(logits.chunk(2) for logits in verdict.realness), strict=True)
            real_style, _ = verdict.style.chunk(2)
            heads_loss = discriminator_loss(real_logits, fake_logits)
            probe_loss = F.cross_entropy(real_style.float(), style_part)
            passes.backward((heads_loss + probe_loss) / len(parts))
        losses = {
            "discriminator_loss": heads_loss.detach(),
            "real_logit": torch.stack([head.detach().mean() for head in real_logits]).mean(),
            "fake_logit": torch.stack([head.detach().mean() for head in fake_logits]).mean(),
            "real_sign": torch.stack([head.detach().sign().mean() for head in real_logits]).mean(),
        }
        seen.append(Seen(real_maps[-1], real_style.detach(), fake_maps if len(parts) == 1 else [], losses))
    with stage("heads' update"):
        nets.heads_optimizer.step()

    # Generator: through the updated heads, which themselves get no gradient.
    nets.heads.requires_grad_(False)
    nets.generator_optimizer.zero_grad()
    for number, ((_, style_part, z_part), part) in enumerate(zip(parts, seen, strict=True), start=1):
        with passes.exchange(passes.generator, now=number == len(parts)):
            fake_maps = part.fake_maps if len(parts) == 1 else look_at_fakes(style_part, z_part)
            with stage("generator's update"):
                with passes.autocast():
                    verdict = nets.heads(fake_maps, style_part)
                picture_loss = generator_loss(verdict.realness)
                misread = style_loss(part.real_style, verdict.style, style_part)
                sameness = variety_loss(part.real_map.flatten(1), fake_maps[-1].flatten(1), style_part)
                loss = picture_loss + config.variety_weight * sameness + config.style_weight * misread
                passes.backward(loss / len(parts))
        part.losses |= {
            "generator_loss": picture_loss.detach(),
            "variety_loss": sameness.detach(),
            "style_gap": misread.detach(),
        }
    with stage("generator's update"):
        nets.generator_optimizer.step()
    nets.heads.requires_grad_(True)
    return StepResult(**{name: torch.stack([part.losses[name] for part in seen]).mean() for name in seen[0].losses})


def set_learning_rates(nets: Networks, config: TrainConfig, images: int) -> None:
    """Both rates as they are after so many images: constant, then falling with the root (arXiv:2312.02696)."""
    factor = math.sqrt(config.decay_after / max(images, config.decay_after)) if config.decay_after else 1.0
    nets.generator_optimizer.param_groups[0]["lr"] = config.learning_rate * factor
    nets.heads_optimizer.param_groups[0]["lr"] = config.heads_learning_rate * factor


def ema_decay(config: TrainConfig, images: int) -> float:
    """Share of the old average that one batch leaves: half of it after `half_life` images (StyleGAN2-ADA's ramp-up)."""
    half_life = min(config.ema_half_life, max(images * config.ema_ramp_up, 1e-8))
    return 0.5 ** (config.batch_size / half_life)


@torch.no_grad()
def update_ema(ema: nn.Module, module: nn.Module, decay: float) -> None:
    """Move the average towards the weights; batch-norm statistics are measured anew at export instead."""
    averages: list[Tensor] = list(ema.parameters())
    weights: list[Tensor] = list(module.parameters())
    torch._foreach_lerp_(averages, weights, 1 - decay)
