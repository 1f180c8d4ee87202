"""The hinge loss of adversarial training (arXiv:1705.02894) over several heads, and losses for variety and style."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor


def discriminator_loss(real_logits: Sequence[Tensor], fake_logits: Sequence[Tensor]) -> Tensor:
    """Sum over heads of mean(max(0, 1 - real)) + mean(max(0, 1 + fake)); 2 per head when nothing is told apart."""
    pairs = zip(real_logits, fake_logits, strict=True)
    each = (F.relu(1 - real).mean() + F.relu(1 + fake).mean() for real, fake in pairs)
    return sum(each, start=real_logits[0].new_zeros(()))


def generator_loss(fake_logits: Sequence[Tensor]) -> Tensor:
    """Sum over heads of -mean(fake)."""
    return -sum((fake.mean() for fake in fake_logits), start=fake_logits[0].new_zeros(()))


def variety_loss(real_features: Tensor, fake_features: Tensor, style: Tensor) -> Tensor:
    """How much nearer to each other the fakes of a style are than its real pictures: 0 (as varied) to 1 (all the same).

    After mode seeking (arXiv:1903.05628), with the variety of the real pictures as the goal: per style,
    max(0, 1 - d_fake / d_real) for the mean distances over pairs within the batch, averaged over the styles of which
    the batch has a pair; 0 where it has none. Features are `[N, D]`, `style` is `[N, S]`, one-hot, the same for both.
    """
    pairs = style.sum(dim=0) * (style.sum(dim=0) - 1)  # [S] ordered pairs of each style

    def mean_distances(features: Tensor) -> Tensor:
        squares = features.square().sum(dim=1)
        squared = squares[:, None] + squares[None, :] - 2 * features @ features.T
        distances = torch.sqrt(squared.clamp(min=0) + 1e-4)  # a root at 0 has no gradient
        within = torch.einsum("ns,nm,ms->s", style, distances * (1 - torch.eye(len(style), device=style.device)), style)
        return within / pairs.clamp(min=1)

    real, fake = mean_distances(real_features.float()).detach(), mean_distances(fake_features.float())
    shortfall = F.relu(1 - fake / real.clamp(min=1e-6)) * (pairs > 0)
    return shortfall.sum() / (pairs > 0).sum().clamp(min=1)


def style_loss(real_logits: Tensor, fake_logits: Tensor, style: Tensor) -> Tensor:
    """How much worse the probe reads the style of the fakes than that of the real pictures, in nats; at least 0.

    Classifier guidance (StyleGAN-XL, arXiv:2202.00273) with the real pictures as the goal: max(0, CE_fake - CE_real),
    so that the fakes become as typical of their style as real pictures are and no caricature of it. Logits are
    `[N, S]`, `style` is `[N, S]`, rows of sum 1, the same for both.
    """
    goal = F.cross_entropy(real_logits.float(), style).detach()
    return F.relu(F.cross_entropy(fake_logits.float(), style) - goal)
