"""What pictures have in common in their fine detail."""

import pytest
import torch

from artmodels.models.image_statistics import shared_detail


def noise(count: int, seed: int) -> torch.Tensor:
    return torch.rand(count, 3, 32, 32, generator=torch.Generator().manual_seed(seed)) * 2 - 1


def test_the_same_detail_is_shared_wholly_and_different_detail_not_at_all():
    assert shared_detail(noise(1, 0).expand(5, -1, -1, -1)).item() == pytest.approx(1, abs=1e-3)
    assert shared_detail(noise(64, 1)).item() < 0.03  # as two random directions of 3,072 dimensions
    opposite = torch.cat([noise(1, 2), -noise(1, 2)])
    assert shared_detail(opposite).item() == pytest.approx(1, abs=1e-3)


def test_few_pictures_share_what_many_do():
    """A texture of half the variance in all of them: a cosine of a half, by pairs as by all at once."""
    many = noise(32, 3) + noise(1, 4)
    pairs = torch.stack([shared_detail(pair) for pair in many.split(2)])
    assert shared_detail(many).item() == pytest.approx(0.5, abs=0.05)
    assert pairs.mean().item() == pytest.approx(shared_detail(many).item(), abs=0.02)


def test_faint_detail_on_even_ground_counts_and_composition_does_not():
    woven = noise(1, 5)[..., :16] / 8  # on the left; on the right each picture has strong detail of its own
    pictures = torch.cat([woven.expand(16, -1, -1, -1), noise(16, 6)[..., 16:]], dim=3)
    assert 0.35 < shared_detail(pictures).item() < 0.5  # by strength alone it would be a sixtieth
    slope = torch.linspace(-1, 1, 32).expand(1, 3, 32, 32)
    assert shared_detail(slope + noise(16, 7) / 2).item() < 0.04


def test_descent_rids_pictures_of_what_they_share():
    pictures = (noise(8, 8) + noise(1, 9)).requires_grad_()
    before = shared_detail(pictures)
    (slope,) = torch.autograd.grad(before, pictures)
    assert slope.isfinite().all()
    assert shared_detail(pictures - 0.3 * slope / slope.std()).item() < 0.8 * before.item()
    even = torch.zeros(4, 3, 32, 32, requires_grad=True)
    (nothing,) = torch.autograd.grad(shared_detail(even), even)
    assert nothing.isfinite().all()
