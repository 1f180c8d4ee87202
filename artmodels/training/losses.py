"""The hinge loss of adversarial training (arXiv:1705.02894) over several heads, and the losses of a reconstruction."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

POOLED = (1, 4, 16)  # px of the picture that one colour stands for


def discriminator_loss(real_logits: Sequence[Tensor], fake_logits: Sequence[Tensor]) -> Tensor:
    """Sum over heads of mean(max(0, 1 - real)) + mean(max(0, 1 + fake)); 2 per head when nothing is told apart."""
    pairs = zip(real_logits, fake_logits, strict=True)
    each = (F.relu(1 - real).mean() + F.relu(1 + fake).mean() for real, fake in pairs)
    return sum(each, start=real_logits[0].new_zeros(()))


def generator_loss(fake_logits: Sequence[Tensor]) -> Tensor:
    """Sum over heads of -mean(fake)."""
    return -sum((fake.mean() for fake in fake_logits), start=fake_logits[0].new_zeros(()))


def colour_loss(painted: Tensor, wanted: Tensor) -> Tensor:
    """Mean absolute difference of pictures `[N, 3, H, W]`, as they are and of means over 4 px and 16 px squared, added.

    A difference of single pixels alone says little where brushwork cannot be predicted; large areas can.
    """
    difference = painted - wanted
    each = (F.avg_pool2d(difference, side).abs().mean() for side in POOLED if side <= painted.shape[-1])
    return sum(each, start=painted.new_zeros(()))


def balancing_factor(squares: Tensor, share: float) -> Tensor:
    """What the second of two gradients is to be multiplied by to be as long as `share` of the first.

    `squares` `[2]` are the squared lengths of both. So neither loss drowns the other, whatever its scale and however a
    run goes on: the adaptive weight of VQGAN (arXiv:2012.09841, equation 7). 0 where the second is not known yet.
    """
    factor = share * (squares[0] / squares[1].clamp(min=1e-24)).sqrt()
    return torch.where(squares[1] > 0, factor, 0.0)
