"""The descent that all share: it ends where it should, says why, and leaves its caller alone."""

import io
import itertools

import numpy as np
import pytest
import torch
from helpers import draw_pictures
from PIL import Image

from artmodels.optimize.descent import (
    STEPS_WITHOUT_PROGRESS,
    Descent,
    DescentStep,
    Pyramid,
    draw_curve,
    finish,
    read_input,
    total_variation,
)


def run_stage(loss_of, parameters, steps=200, rate=0.1):
    """Each step's progress, and the descent."""
    descent = Descent.of(steps)
    picture = torch.zeros(1, 3, 8, 8)
    return list(descent.run(parameters, loss_of, lambda: picture, steps, rate)), descent


@pytest.mark.parametrize("rate", [0.1, None])
def test_both_ways_down_reach_the_bottom_of_a_bowl(rate):
    place = torch.tensor([3.0, -2.0], requires_grad=True)
    stretch = torch.tensor([1.0, 25.0])
    seen, _ = run_stage(lambda: (stretch * (place - 1).square()).sum(), [place], rate=rate)
    assert torch.allclose(place, torch.ones(2), atol=0.05)
    assert [progress.step for progress in seen] == list(range(1, len(seen) + 1))
    assert seen[-1].curve[0] == pytest.approx(4 + 25 * 9) and seen[-1].loss < 0.1


def test_l_bfgs_asks_for_no_loss_twice_at_one_point():
    place, points = torch.tensor([-1.2, 1.0], requires_grad=True), []

    def rosenbrock():
        points.append(tuple(place.tolist()))
        return (1 - place[0]).square() + 100 * (place[1] - place[0].square()).square()

    run_stage(rosenbrock, [place], 40, None)
    assert torch.allclose(place, torch.ones(2), atol=1e-3)
    assert all(one != other for one, other in itertools.pairwise(points))


def test_no_progress_ends_it_and_is_said():
    place = torch.ones(1, requires_grad=True)
    seen, _ = run_stage(lambda: 5 + 0 * place.sum(), [place], 1000)
    assert len(seen) == STEPS_WITHOUT_PROGRESS + 1 and "no progress" in seen[-1].stopped
    assert all(progress.stopped is None for progress in seen[:-1])


def test_a_first_stage_without_progress_leads_on_to_the_next():
    place, descent = torch.ones(1, requires_grad=True), Descent.of(300)
    flat = list(descent.run([place], lambda: 5 + 0 * place.sum(), place.clone, 200, 0.1))
    assert len(flat) < 200 and flat[-1].stopped is None
    assert len(list(descent.run([place], lambda: place.square().sum(), place.clone, 100, 0.1))) == 100


@pytest.mark.parametrize("rate", [0.1, None])
def test_a_loss_that_is_no_number_ends_all_and_keeps_what_was_reached(rate):
    place, calls = torch.full((1,), 4.0, requires_grad=True), []

    def loss():
        calls.append(place.detach().clone())
        return place.pow(4).sum() * (torch.nan if len(calls) > 5 else 1)

    seen, descent = run_stage(loss, [place], 50, rate)
    assert "no number" in seen[-1].stopped and place.isfinite().all() and abs(place.item()) < 4
    assert all(np.isfinite(seen[-1].curve))
    assert list(descent.run([place], loss, place.clone, 10, rate)) == []


def test_the_callers_gradient_mode_stays_as_it_was_and_closing_ends_it():
    place, descent = torch.ones(1, requires_grad=True), Descent.of(10)
    with torch.no_grad():
        steps = descent.run([place], lambda: place.square().sum(), place.clone, 10, 0.1)
        next(steps)
        assert not torch.is_grad_enabled()
        next(steps)
        steps.close()
    assert torch.is_grad_enabled() and len(descent.curve) == 2
    with pytest.raises(StopIteration):
        next(steps)


def test_finish_returns_what_the_descent_found_and_shows_each_step():
    def steps():
        yield from both
        return "found"

    both = [DescentStep(number, 2, [1.0], torch.zeros(0).clone, list) for number in (1, 2)]
    shown: list[DescentStep] = []
    assert finish(steps(), shown.append) == "found" and shown == both


@pytest.mark.parametrize("size", [(32, 32), (24, 40), (30, 18)])
def test_the_bands_of_a_pyramid_are_the_picture(size):
    picture = torch.rand(1, 3, *size) * 2 - 1
    assert torch.allclose(Pyramid(picture, 4).picture(), picture, atol=1e-5)


def test_total_variation_is_the_mean_step_between_pixels():
    ramp = torch.arange(5.0).expand(1, 3, 5, 5)
    assert total_variation(ramp) == pytest.approx(1) and total_variation(torch.ones(1, 3, 4, 4)) == 0


def test_a_curve_goes_down_where_the_loss_does():
    image = np.asarray(draw_curve([float(value) for value in range(100, 0, -1)]).convert("RGB")).astype(int)
    rows, columns = np.nonzero((image[..., 2] - image[..., 0]) > 100)  # the blue line
    assert np.corrcoef(rows, columns)[0, 1] > 0.99
    draw_curve([1.0])


def saved(picture: Image.Image, format: str, **options) -> bytes:
    content = io.BytesIO()
    picture.save(content, format, **options)
    return content.getvalue()


def test_inputs_of_all_kinds_become_upright_rgb_in_their_own_shape(tmp_path):
    tall = np.zeros((60, 40, 3), np.uint8)
    tall[:20] = 255  # light above
    exif = Image.Exif()
    exif[0x0112] = 6  # turned to the right when taken
    turned = Image.fromarray(np.rot90(tall).copy())
    kinds = {
        "jpeg.jpg": saved(turned, "JPEG", exif=exif, quality=95),
        "alpha.png": saved(Image.fromarray(np.dstack([tall, np.full((60, 40), 255, np.uint8)])), "PNG"),
        "grey.png": saved(Image.fromarray(tall[..., 0]), "PNG"),
        "deep.png": saved(Image.fromarray(tall[..., 0].astype(np.uint16) * 257), "PNG"),
        "moving.gif": saved(
            Image.fromarray(tall), "GIF", save_all=True, append_images=[Image.fromarray(255 - tall)], duration=100
        ),
    }
    for name, content in kinds.items():
        (tmp_path / name).write_bytes(content)
        file = read_input(tmp_path / name)
        picture = file.whole(96)
        assert picture.shape == (1, 3, 96, 64), name
        assert picture[0, :, :24].mean() > 0.9 and picture[0, :, 48:].mean() < -0.9, name
        assert file.square(64).shape == (1, 3, 64, 64)


def test_a_long_picture_is_cropped_to_twice_its_width(tmp_path):
    (tmp_path / "long.png").write_bytes(saved(Image.new("RGB", (600, 40)), "PNG"))
    long = read_input(tmp_path / "long.png")
    assert long.whole(128).shape == (1, 3, 64, 128)
    with Image.open(tmp_path / "long.png") as picture:
        kept = 2 * picture.height / picture.width
    assert long.cut_off() == pytest.approx(1 - kept) and kept < 1


def test_what_is_no_picture_is_said(tmp_path):
    (tmp_path / "a.jpg").write_bytes(b"<svg xmlns='http://www.w3.org/2000/svg'/>")
    (tmp_path / "b.png").write_bytes(saved(Image.new("RGB", (8, 8)), "PNG"))
    with pytest.raises(ValueError, match=r"a\.jpg: not a readable picture.*expected a JPEG, PNG"):
        read_input(tmp_path / "a.jpg").whole(64)
    with pytest.raises(ValueError, match="too small"):
        read_input(tmp_path / "b.png").square(64)
    with pytest.raises(FileNotFoundError, match="expected a picture"):
        read_input(draw_pictures(tmp_path / "p", 1) / "mosaic")
