"""One step of training: the heads' update, the generator's update, and the average that follows."""

import copy
import math
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from artmodels.data.decode import levels_to_pictures
from artmodels.hub.pretrained import ArtGenerator
from artmodels.metrics.distances import perceptual_distances, unit_maps
from artmodels.models.discriminator import DiscriminatorHeads, FeatureProjector
from artmodels.models.image_statistics import shared_detail
from artmodels.models.layers import channels_last
from artmodels.training.augment import change
from artmodels.training.batches import Batch
from artmodels.training.checkpoint import load_module, load_optimizer, optimizer_tensors
from artmodels.training.config import TrainConfig
from artmodels.training.losses import balancing_factor, colour_loss, discriminator_loss, generator_loss

SQUARES_NEWEST = 0.1  # share of the newest step in the averaged squares of the gradients


@dataclass
class Networks:
    """What learns, what judges, and the optimizers: everything a step touches and a checkpoint holds."""

    generator: ArtGenerator
    ema: ArtGenerator
    projector: FeatureProjector  # fixed; rebuilt from the seed
    heads: DiscriminatorHeads
    generator_optimizer: torch.optim.Optimizer
    heads_optimizer: torch.optim.Optimizer
    squares: Tensor  # [2] squared lengths of the reconstruction's and the heads' gradients, averaged over steps

    def tensors(self) -> dict[str, dict[str, Tensor]]:
        return {
            "generator": self.generator.state_dict(),
            "ema": self.ema.state_dict(),
            "heads": self.heads.state_dict(),
            "generator_optimizer": optimizer_tensors(self.generator_optimizer),
            "heads_optimizer": optimizer_tensors(self.heads_optimizer),
            "balance": {"squares": self.squares},
        }

    def load(self, tensors: dict[str, dict[str, Tensor]]) -> None:
        for name in ("generator", "ema", "heads"):
            load_module(getattr(self, name), tensors[name])
        for name in ("generator_optimizer", "heads_optimizer"):
            load_optimizer(getattr(self, name), tensors[name])
        self.squares.copy_(tensors["balance"]["squares"])


def build_networks(config: TrainConfig, styles: tuple[str, ...], device: torch.device) -> Networks:
    """Freshly initialised networks, the same for the same seed."""
    torch.manual_seed(config.seed)
    channels = config.head_channels
    generator = channels_last(ArtGenerator(config.generator_config(styles)).to(device))
    if config.freeze:
        generator.freeze(config.freeze)
    heads = channels_last(DiscriminatorHeads(channels, config.head_hidden, len(styles), config.latent_dim).to(device))
    betas = (config.beta1, config.beta2)
    return Networks(
        generator=generator,
        ema=copy.deepcopy(generator).requires_grad_(False),
        projector=FeatureProjector(channels, config.feature_resolution, config.seed, config.feature_network).to(device),
        heads=heads,
        generator_optimizer=adam(generator, config.learning_rate, betas, device),
        heads_optimizer=adam(heads, config.heads_learning_rate, (0.0, config.beta2), device),
        squares=torch.zeros(2, device=device),
    )


def adam(module: nn.Module, rate: float, betas: tuple[float, float], device: torch.device) -> torch.optim.Adam:
    """An optimizer of a module; on a GPU in one kernel, with its rate there, so that a recorded step follows it."""
    if device.type == "cuda":
        on_device = torch.tensor(rate, device=device)
        return torch.optim.Adam(module.parameters(), on_device, betas, fused=True, capturable=True)
    return torch.optim.Adam(module.parameters(), rate, betas)


def no_stage(title: str) -> AbstractContextManager:
    return nullcontext()


@dataclass
class Passes:
    """The forward passes of a step as accelerate wrapped and torch compiled them, and accelerate's part in it.

    With the passes alone it is a step in full precision, by this process alone.
    """

    generator: Callable[[Tensor, Tensor], Tensor]
    heads: Callable[[list[Tensor], Tensor, Tensor], list[Tensor]]
    project: Callable[[Tensor], list[Tensor]]
    scales: Callable[[Tensor], list[Tensor]]
    autocast: Callable[[], AbstractContextManager] = nullcontext
    backward: Callable[[Tensor], None] = Tensor.backward
    alone: Callable[[Callable], AbstractContextManager] = nullcontext  # keeps a module's gradients in this process
    mean: Callable[[Tensor], Tensor] = torch.clone  # over all processes
    stage: Callable[[str], AbstractContextManager] = no_stage  # a stopwatch, when a benchmark looks on

    def exchange(self, module: Callable, now: bool) -> AbstractContextManager:
        """Whether the processes exchange this module's gradients: with the last part of a batch, once."""
        return nullcontext() if now else self.alone(module)


@dataclass
class StepResult:
    """What a step leaves for the log; tensors, so that nothing waits for the device. None: not looked at."""

    perceptual_distance: Tensor  # of the paintings from the pictures that their latents stand for
    colour_distance: Tensor  # the same by `colour_loss`
    shared_detail: Tensor | None = None  # of the paintings: 0 nothing is the same in all, 1 everything
    discriminator_loss: Tensor | None = None
    generator_loss: Tensor | None = None
    real_logit: Tensor | None = None
    fake_logit: Tensor | None = None
    real_sign: Tensor | None = None  # mean sign of the real logits: near 1, the heads know the training pictures

    def figures(self) -> dict[str, float]:
        """Numbers for the log; this waits for the device."""
        return {name: value.item() for name, value in vars(self).items() if value is not None}


@dataclass
class Part:
    """As many pictures of a step as are painted at once, and what they are painted from."""

    real: Tensor  # [N, 3, H, W]
    style: Tensor  # [N, styles]
    z: Tensor  # [N, latent_dim]
    changes: Tensor  # [N, CHANGES] random numbers: the same augmentation for a picture and its painting
    losses: dict[str, Tensor] = field(default_factory=dict)  # for the log


@dataclass
class Painting:
    """What a part was painted to."""

    fake: Tensor  # [N, 3, H, W], with its graph back into the generator
    seen: Tensor  # the same, where the gradients of all that look at it are gathered
    maps: list[Tensor]  # what the heads see of it, changed as its picture is; none where no heads are heard


def training_step(
    nets: Networks,
    passes: Passes,
    config: TrainConfig,
    batch: Batch,
    augment: float = 1.0,
    judged: bool = True,
) -> StepResult:
    """One update of the heads and one of the generator, on a batch that lies on their device.

    The generator learns to paint each picture again from its latent, which was blurred so that what lies between
    latents is painted too, and, if it is `judged`, to have each place of the painting taken for real by the heads; the
    lengths of the two gradients, as they were in the steps before, are balanced. `augment` is the share of pictures
    that the heads see changed. Nothing waits for the device.

    The batch is taken in `config.accumulate` parts whose gradients add up. A single part is painted once for both
    updates; several are painted again for the second, so that no more than one part's graph is ever held.
    """
    real = levels_to_pictures(batch.levels)
    size = len(real) // config.accumulate
    split = zip(*(each.split(size) for each in (real, batch.style, batch.z, batch.changes)), strict=True)
    parts = [Part(*each) for each in split]

    def look_at(pictures: Tensor, part: Part) -> list[Tensor]:
        with passes.stage("features"), passes.autocast():
            return passes.project(change(pictures, part.changes, config.zoom, augment))

    def paint(part: Part) -> Painting:
        with passes.stage("generator"):
            fake = passes.generator(part.z, part.style).float()
        seen = fake.detach().requires_grad_()
        return Painting(fake, seen, look_at(seen, part) if judged else [])

    painting = None
    if judged:
        nets.heads_optimizer.zero_grad()
        for number, part in enumerate(parts, start=1):
            with torch.set_grad_enabled(len(parts) == 1):
                painting = paint(part)
            with torch.no_grad():
                real_maps = look_at(part.real, part)
            with passes.stage("heads' update"), passes.exchange(passes.heads, now=number == len(parts)):
                passes.backward(_tell_apart(passes, part, real_maps, painting.maps) / len(parts))
        with passes.stage("heads' update"):
            nets.heads_optimizer.step()

    # The generator learns through the updated heads, which themselves get no gradient.
    nets.heads.requires_grad_(False)
    nets.generator_optimizer.zero_grad()
    factor, squares = balancing_factor(nets.squares, config.adversarial_share), torch.zeros_like(nets.squares)
    for number, part in enumerate(parts, start=1):
        with passes.exchange(passes.generator, now=number == len(parts)):
            if painting is None or len(parts) > 1:
                painting = paint(part)
            gradient = _reconstruct(passes, part, painting.seen, config.detail_weight)
            if judged:
                realistic = _please(nets, passes, part, painting)
                squares += torch.stack([gradient.square().sum(), realistic.square().sum()])
                gradient = gradient + factor * realistic
            with passes.stage("generator's update"):
                passes.backward((painting.fake * gradient).sum() / len(parts))  # whose gradient at the painting it is
    with passes.stage("generator's update"):
        nets.generator_optimizer.step()
    nets.heads.requires_grad_(True)
    if judged:
        nets.squares.lerp_(passes.mean(squares / len(parts) ** 2), SQUARES_NEWEST)  # losses are means over parts
    return StepResult(**{name: torch.stack([part.losses[name] for part in parts]).mean() for name in parts[0].losses})


def _tell_apart(passes: Passes, part: Part, real_maps: list[Tensor], fake_maps: list[Tensor]) -> Tensor:
    """The heads' loss, real and painted in one forward."""
    both = [torch.cat([real, fake.detach()]) for real, fake in zip(real_maps, fake_maps, strict=True)]
    logits = passes.heads(both, torch.cat([part.style, part.style]), torch.cat([part.z, part.z]))
    real_logits, fake_logits = zip(*(each.chunk(2) for each in logits), strict=True)
    loss = discriminator_loss(real_logits, fake_logits)
    part.losses |= {
        "discriminator_loss": loss.detach(),
        "real_logit": torch.stack([head.detach().mean() for head in real_logits]).mean(),
        "fake_logit": torch.stack([head.detach().mean() for head in fake_logits]).mean(),
        "real_sign": torch.stack([head.detach().sign().mean() for head in real_logits]).mean(),
    }
    return loss


def _reconstruct(passes: Passes, part: Part, seen: Tensor, detail_weight: float) -> Tensor:
    """The gradient at the paintings, `[N, 3, H, W]`, by which they come nearer to their pictures.

    The first two losses look at each painting by itself, so they let pass a texture that is the same in all of them,
    which a network that knows its places finds the easiest to paint. The third compares: paintings are to have no more
    fine detail in common than pictures have.
    """
    with passes.stage("reconstruction"):
        with torch.no_grad(), passes.autocast():
            wanted = unit_maps(passes.scales, part.real)
        with passes.autocast():
            own = unit_maps(passes.scales, seen)
        perceptual = perceptual_distances(own, wanted).mean()
        colours = colour_loss(seen, part.real)
        part.losses |= {"perceptual_distance": perceptual.detach(), "colour_distance": colours.detach()}
        loss = perceptual + colours
        if detail_weight:
            common = shared_detail(seen)
            part.losses["shared_detail"] = common.detach()
            loss = loss + detail_weight * F.relu(common - shared_detail(part.real))
        return torch.autograd.grad(loss, seen)[0]


def _please(nets: Networks, passes: Passes, part: Part, painting: Painting) -> Tensor:
    """The gradient at the paintings, `[N, 3, H, W]`, by which the heads take them for real."""
    with passes.stage("heads' verdict"):
        with passes.autocast():
            verdict = nets.heads(painting.maps, part.style, part.z)
        loss = generator_loss([each.float() for each in verdict])
        part.losses["generator_loss"] = loss.detach()
        return torch.autograd.grad(loss, painting.seen)[0]


def set_learning_rates(nets: Networks, config: TrainConfig, images: int) -> None:
    """Both rates as they are after so many images.

    They are constant, then, with `decay_after`, they fall with the root (arXiv:2312.02696), and with `finish` evenly to
    nothing at the end of the budget (arXiv:2405.18392): weights that stop wandering paint what they have learned.
    """
    factor = math.sqrt(config.decay_after / max(images, config.decay_after)) if config.decay_after else 1.0
    if config.finish:
        factor *= min(max(config.images - images, 0) / config.finish, 1.0)
    for optimizer, rate in (
        (nets.generator_optimizer, config.learning_rate),
        (nets.heads_optimizer, config.heads_learning_rate),
    ):
        group = optimizer.param_groups[0]
        if isinstance(group["lr"], Tensor):  # where it is, a recorded step reads it
            group["lr"].fill_(rate * factor)
        else:
            group["lr"] = rate * factor


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
