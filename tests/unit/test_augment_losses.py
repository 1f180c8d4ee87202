"""Pure functions on tensors, against closed forms."""

import json

import pytest
import torch

from artmodels.training.augment import (
    ADAPTING_IMAGES,
    CHANGES,
    AugmentShare,
    change,
    cut_out,
    diff_augment,
    jitter_colour,
    mirror_half,
    translate,
    zoom_in,
)
from artmodels.training.losses import balancing_factor, colour_loss, discriminator_loss, generator_loss


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def numbers(count: int, seed: int = 0) -> torch.Tensor:
    return torch.rand(count, CHANGES, generator=generator(seed))


def test_augmentation_depends_on_the_numbers_alone():
    pictures = torch.rand(4, 3, 16, 16)
    first, again, other = (change(pictures, numbers(4, seed), 0.5, 1.0) for seed in (1, 1, 2))
    assert first.shape == pictures.shape
    assert torch.equal(first, again) and not torch.equal(first, other)


def test_a_picture_and_its_painting_are_changed_alike():
    places = torch.arange(256.0).view(1, 1, 16, 16).expand(8, 3, 16, 16) / 256
    drawn = numbers(8)
    drawn[:, 3:6] = 0.5  # neutral colour, so that what moves and what is hidden can be compared
    first, second = change(places, drawn, 0.5, 1.0), change(places - 4, drawn, 0.5, 1.0)
    seen = (first != 0) & (second != 0)
    assert torch.equal(first != 0, (second != 0) & (first != 0)) and seen.float().mean() > 0.3
    assert torch.allclose((first - second)[seen], torch.tensor(4.0), atol=1e-5)


def test_augmentation_passes_gradients():
    pictures = torch.rand(4, 3, 16, 16, requires_grad=True)
    diff_augment(pictures, numbers(4)[:, 3:]).sum().backward()
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


def test_colours_are_compared_at_three_sizes():
    wanted = torch.zeros(2, 3, 16, 16)
    assert colour_loss(wanted, wanted) == 0
    assert colour_loss(wanted + 0.5, wanted) == pytest.approx(1.5)  # as far in each size
    checks = torch.ones(16, 16)
    checks[::2, ::2] = checks[1::2, 1::2] = -1
    assert colour_loss(wanted + checks, wanted) == pytest.approx(1.0)  # grey from afar
    small = torch.ones(1, 3, 8, 8)
    assert colour_loss(small, 0 * small) == pytest.approx(2.0)  # too small for means over 16 px


def test_a_balancing_factor_brings_the_second_gradient_to_its_share():
    for first, second in ((4.0, 1.0), (1e-8, 1e8), (9.0, 9.0)):
        factor = balancing_factor(torch.tensor([first, second]), 0.7).item()
        assert factor * second**0.5 == pytest.approx(0.7 * first**0.5, rel=1e-4)
    assert balancing_factor(torch.tensor([4.0, 0.0]), 0.7) == 0  # not known yet, or heads that say nothing
    assert balancing_factor(torch.tensor([4.0, 1.0]), 0.0) == 0


def test_a_share_of_the_pictures_is_changed():
    pictures = torch.rand(2000, 3, 16, 16, generator=generator()) * 2 - 1
    assert torch.equal(diff_augment(pictures, numbers(2000)[:, 3:], share=0.0), pictures)
    changed = diff_augment(pictures, numbers(2000)[:, 3:], share=0.3)
    untouched = (changed == pictures).flatten(1).all(dim=1).float().mean().item()
    assert abs(untouched - 0.7**3) < 0.04  # three changes by three lots
    whole = diff_augment(pictures, numbers(2000)[:, 3:], share=1.0)
    assert not (whole == pictures).flatten(1).all(dim=1).any()


def test_zooming_shows_a_quarter_at_twice_its_size():
    ramp = torch.linspace(-1, 1, 32)  # whose slope is halved where it is enlarged
    pictures = torch.stack([ramp.expand(32, 32), ramp[:, None].expand(32, 32)]).expand(500, 2, 32, 32)
    zoomed = zoom_in(pictures, numbers(500)[:, :3], share=1.0)
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
    zoomed = zoom_in(pictures, numbers(1000)[:, :3], share=0.3)
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
