"""The hinge loss of adversarial training (arXiv:1705.02894), over the logits of several discriminator heads."""

import torch.nn.functional as F
from torch import Tensor


def discriminator_loss(real_logits: list[Tensor], fake_logits: list[Tensor]) -> Tensor:
    """Sum over heads of mean(max(0, 1 - real)) + mean(max(0, 1 + fake)); 2 per head when nothing is told apart."""
    return sum(
        F.relu(1 - real).mean() + F.relu(1 + fake).mean() for real, fake in zip(real_logits, fake_logits, strict=True)
    )


def generator_loss(fake_logits: list[Tensor]) -> Tensor:
    """Sum over heads of -mean(fake)."""
    return -sum(fake.mean() for fake in fake_logits)
