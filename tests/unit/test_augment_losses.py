"""Pure functions on tensors, against closed forms."""

import json
import math

import pytest
import torch

from artmodels.training.augment import (
    ADAPTING_IMAGES,
    AugmentShare,
    cut_out,
    diff_augment,
    jitter_colour,
    mirror_half,
    translate,
    zoom_in,
)
from artmodels.training.losses import discriminator_loss, generator_loss, style_loss, variety_loss


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_augmentation_depends_on_the_generator_alone():
    pictures = torch.rand(4, 3, 16, 16)
    first, again, other = (diff_augment(pictures, generator(seed)) for seed in (1, 1, 2))
    assert first.shape == pictures.shape
    assert torch.equal(first, again) and not torch.equal(first, other)


def test_augmentation_passes_gradients():
    pictures = torch.rand(4, 3, 16, 16, requires_grad=True)
    diff_augment(pictures, generator()).sum().backward()
    assert (pictures.grad != 0).any(dim=3).any(dim=2).any(dim=1).all()


def test_half_of_the_pictures_are_mirrored():
    pictures = torch.rand(400, 1, 2, 4)
    mirrored = mirror_half(pictures, generator())
    same = (mirrored == pictures).flatten(1).all(dim=1)
    assert torch.equal(mirrored[~same], pictures[~same].flip(3))
    assert 150 < same.sum() < 250


def test_neutral_colour_changes_nothing():
    pictures = torch.rand(2, 3, 8, 8)
    half = torch.full((2,), 0.5)
    assert torch.allclose(jitter_colour(pictures, half, half, half), pictures, atol=1e-6)


def test_brightness_saturation_and_contrast_by_hand():
    pictures = torch.rand(1, 3, 8, 8)
    half, zero = torch.full((1,), 0.5), torch.zeros(1)
    assert torch.allclose(jitter_colour(pictures, zero, half, half), pictures - 0.5, atol=1e-6)
    grey = jitter_colour(pictures, half, zero, half)
    assert torch.allclose(grey, pictures.mean(dim=1, keepdim=True).expand(-1, 3, -1, -1), atol=1e-6)
    flat = jitter_colour(pictures, half, half, zero)
    assert torch.allclose(flat - pictures.mean(), (pictures - pictures.mean()) * 0.5, atol=1e-6)


def test_translation_moves_whole_pixels_and_lets_grey_in():
    pictures = torch.arange(64.0).view(1, 1, 8, 8).expand(1, 3, 8, 8) + 1
    centre, far = torch.full((1,), 0.5), torch.full((1,), 0.999)
    assert torch.equal(translate(pictures, centre, centre), pictures)
    moved = translate(pictures, far, centre)
    assert torch.equal(moved[:, :, :-1], pictures[:, :, 1:]) and (moved[:, :, -1] == 0).all()
    moved = translate(pictures, centre, torch.zeros(1))
    assert torch.equal(moved[..., 1:], pictures[..., :-1]) and (moved[..., 0] == 0).all()


def test_cutout_hides_a_square_of_half_the_side():
    hidden = cut_out(torch.ones(1, 3, 16, 16), torch.tensor([0.5]), torch.tensor([0.5]))
    assert (hidden[:, :, 4:12, 4:12] == 0).all() and hidden.sum() == 3 * (256 - 64)
    corner = cut_out(torch.ones(1, 3, 16, 16), torch.zeros(1), torch.zeros(1))
    assert corner.sum() == 3 * (256 - 16)


def test_hinge_losses_by_hand():
    real, fake = [torch.tensor([2.0, 0.0])], [torch.tensor([-2.0, 0.0])]
    assert discriminator_loss(real, fake) == 1.0  # (0 + 1) / 2 twice
    assert discriminator_loss(real * 2, fake * 2) == 2.0
    assert generator_loss(fake * 3) == 3.0
    nothing = [torch.zeros(4)]
    assert discriminator_loss(nothing, nothing) == 2.0


def test_hinge_gives_no_gradient_beyond_the_margin():
    real, fake = torch.tensor([3.0], requires_grad=True), torch.tensor([-3.0], requires_grad=True)
    discriminator_loss([real], [fake]).backward()
    assert real.grad == 0 and fake.grad == 0


def test_variety_loss_compares_within_styles():
    style = torch.eye(2)[[0, 0, 1, 1, 1]]
    real = torch.tensor([[0.0], [4.0], [0.0], [3.0], [6.0]])  # mean distances: 4 and 4
    assert variety_loss(real, real * 2, style) == 0  # more varied than real costs nothing
    same = torch.ones(5, 1)
    assert variety_loss(real, same, style) > 0.99
    half = torch.tensor([[0.0], [2.0], [0.0], [3.0], [6.0]])  # half as far in the first style, as far in the second
    assert math.isclose(variety_loss(real, half, style).item(), 0.25, abs_tol=1e-3)


def test_variety_loss_pushes_same_pictures_apart_and_never_breaks():
    style = torch.eye(2)[[0, 0, 1]]
    fake = (torch.ones(3, 4) + 1e-3 * torch.randn(3, 4, generator=generator())).requires_grad_()
    variety_loss(torch.randn(3, 4), fake, style).backward()
    assert torch.isfinite(fake.grad).all() and fake.grad[:2].abs().sum() > 0
    assert (fake.grad[2] == 0).all()  # alone in its style
    alone = torch.randn(2, 4, requires_grad=True)
    loss = variety_loss(torch.randn(2, 4), alone, torch.eye(2))
    loss.backward()
    assert loss == 0 and (alone.grad == 0).all()
    equal = torch.ones(4, 3, requires_grad=True)
    variety_loss(torch.randn(4, 3), equal, torch.ones(4, 1)).backward()
    assert torch.isfinite(equal.grad).all()


def test_style_loss_is_what_fakes_are_read_worse_than_real():
    style = torch.eye(2)
    sure, guess, wrong = torch.tensor([[9.0, 0.0], [0.0, 9.0]]), torch.zeros(2, 2), torch.tensor([[0.0, 9.0], [9.0, 0]])
    assert style_loss(guess, sure, style) == 0  # more typical than the real is good enough
    assert abs(style_loss(sure, guess, style) - (math.log(2) - math.log(1 + math.exp(-9)))) < 1e-6
    assert abs(style_loss(guess, wrong, style) - (9 + math.log(1 + math.exp(-9)) - math.log(2))) < 1e-5


def test_style_loss_moves_the_fakes_alone():
    real, fake = torch.zeros(2, 3, requires_grad=True), torch.ones(2, 3, requires_grad=True)
    style_loss(real + torch.eye(3)[:2], fake, torch.eye(3)[:2]).backward()
    assert real.grad is None and (fake.grad[torch.arange(2), torch.arange(2)] < 0).all()


def test_a_share_of_the_pictures_is_changed():
    pictures = torch.rand(2000, 3, 16, 16, generator=generator()) * 2 - 1
    assert torch.equal(diff_augment(pictures, generator(1), share=0.0), pictures)
    changed = diff_augment(pictures, generator(1), share=0.3)
    untouched = (changed == pictures).flatten(1).all(dim=1).float().mean().item()
    assert abs(untouched - 0.7**3) < 0.04  # three changes by three lots
    whole = diff_augment(pictures, generator(1), share=1.0)
    assert not (whole == pictures).flatten(1).all(dim=1).any()


def test_zooming_shows_a_quarter_at_twice_its_size():
    ramp = torch.linspace(-1, 1, 32)  # whose slope is halved where it is enlarged
    pictures = torch.stack([ramp.expand(32, 32), ramp[:, None].expand(32, 32)]).expand(500, 2, 32, 32)
    zoomed = zoom_in(pictures, generator(), share=1.0)
    assert zoomed.shape == pictures.shape
    steps = zoomed[:, 0].diff(dim=2)[:, :, 2:-2], zoomed[:, 1].diff(dim=1)[:, 2:-2]
    for step in steps:
        assert torch.allclose(step, torch.tensor((ramp[1] - ramp[0]).item() / 2), atol=1e-6)
    for rows in (zoomed[:, 0].mean(dim=(1, 2)), zoomed[:, 1].mean(dim=(1, 2))):  # anywhere, up to both edges
        assert len(rows.mul(1000).round().unique()) == 17
        assert rows.min().item() == pytest.approx(ramp[:16].mean().item(), abs=1e-5)
        assert rows.max().item() == pytest.approx(ramp[16:].mean().item(), abs=1e-5)


def test_a_share_of_the_pictures_is_zoomed_with_gradients():
    pictures = torch.rand(1000, 1, 8, 8, generator=generator()).requires_grad_()
    zoomed = zoom_in(pictures, generator(1), share=0.3)
    same = (zoomed == pictures).flatten(1).all(dim=1)
    assert 620 < same.sum() < 780
    zoomed.sum().backward()
    assert (pictures.grad[same] == 1).all()
    touched = (pictures.grad[~same] != 0).float().mean(dim=(1, 2, 3))
    assert touched.min() == touched.max() == 0.25  # each a quarter


def test_the_share_follows_how_sure_the_discriminator_is():
    sure, unsure = (AugmentShare(0.5, target=0.6) for _ in range(2))
    for _ in range(3):
        sure.see(torch.tensor(0.9))
        unsure.see(torch.tensor(0.2))
    assert float(sure.signs) / sure.steps == pytest.approx(0.9)
    sure.adapt(0.9, images=1000)
    unsure.adapt(0.2, images=1000)
    assert sure.share == pytest.approx(0.5 + 1000 / ADAPTING_IMAGES) and sure.steps == 0
    assert unsure.share == pytest.approx(0.5 - 1000 / ADAPTING_IMAGES)
    sure.adapt(0.9, images=10 * ADAPTING_IMAGES)
    unsure.adapt(0.2, images=10 * ADAPTING_IMAGES)
    assert (sure.share, unsure.share) == (1.0, 0.0)
    fixed = AugmentShare(0.5, target=0.0)
    fixed.see(torch.tensor(1.0))
    assert fixed.to_json() == {"share": 0.5, "signs": 0.0, "steps": 0}


def test_the_share_survives_json_to_the_last_bit():
    share = AugmentShare(0.5, 0.6)
    for value in (0.1, 0.7, 1 / 3):
        share.see(torch.tensor(value))
    again = AugmentShare(**json.loads(json.dumps(share.to_json())), target=0.6)
    share.see(torch.tensor(0.3))
    again.see(torch.tensor(0.3))
    assert float(again.signs) == float(share.signs) and again.steps == share.steps
