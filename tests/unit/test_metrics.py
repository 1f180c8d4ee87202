"""Distances between sets of pictures: against closed forms, brute force and torchmetrics."""

import math
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor
from torchmetrics import Metric
from torchmetrics.image.fid import FrechetInceptionDistance
from torchmetrics.image.kid import KernelInceptionDistance

from artmodels.metrics.curate import unlike
from artmodels.metrics.distances import (
    extract_features,
    frechet_distance,
    kernel_distance,
    kernel_distance_interval,
    mean_pairwise_distance,
    memorisation,
    nearest_distances,
    precision_recall,
    realism,
)
from artmodels.metrics.sliced_wasserstein import (
    downscale,
    laplacian_pyramid,
    projected_distance,
    sliced_wasserstein,
    take_descriptors,
    upscale,
)


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def normal(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, dtype=torch.double, generator=generator(seed))


def all_distances(queries: Tensor, references: Tensor) -> Tensor:
    return (queries[:, None] - references[None]).square().sum(dim=2).sqrt()


class AsIs(torch.nn.Identity):
    """Hands features to a metric that wants a network."""

    num_features = 20


def reference(metric: Metric, first: Tensor, second: Tensor) -> Any:
    metric.update(first, real=True)
    metric.update(second, real=False)
    return metric.compute()


def test_features_are_taken_at_the_asked_resolution():
    sizes = []

    def extractor(pictures: torch.Tensor) -> torch.Tensor:
        sizes.append(tuple(pictures.shape))
        return pictures.mean(dim=(2, 3))

    features = extract_features(extractor, torch.zeros(5, 3, 16, 16), resolution=32, batch_size=2)
    assert features.shape == (5, 3) and sizes == [(2, 3, 32, 32), (2, 3, 32, 32), (1, 3, 32, 32)]


# Fréchet distance


@pytest.mark.parametrize("counts", [(300, 400), (20, 30), (20, 300)])
def test_frechet_distance_is_that_of_the_fitted_normals(counts):
    dim = 50
    x = normal(counts[0], dim, seed=1) @ normal(dim, dim, seed=3)
    y = normal(counts[1], dim, seed=2) * 2 + 1
    # the textbook form, by the eigenvalues of C1 C2
    c1, c2 = torch.cov(x.T), torch.cov(y.T)
    roots = torch.linalg.eigvals(c1 @ c2).real.clamp(min=0).sqrt().sum()
    expected = (x.mean(0) - y.mean(0)).square().sum() + c1.trace() + c2.trace() - 2 * roots
    assert math.isclose(frechet_distance(x, y), expected.item(), rel_tol=1e-4)


def test_frechet_distance_is_that_of_torchmetrics():
    x, y = normal(300, 20, seed=1) @ normal(20, 20, seed=3), normal(200, 20, seed=2) + 1
    expected = reference(FrechetInceptionDistance(feature=AsIs()), x, y)
    assert math.isclose(frechet_distance(x, y), expected.item(), rel_tol=1e-6)


def test_frechet_distance_of_a_shift_is_its_square():
    x = torch.randn(100, 8)
    assert abs(frechet_distance(x, x)) < 1e-8
    assert math.isclose(frechet_distance(x, x + 3), 8 * 9, rel_tol=1e-5)


# kernel distance


def test_kernel_distance_is_unbiased_and_grows():
    values = [
        kernel_distance(torch.randn(60, 16, generator=generator(i)), torch.randn(60, 16, generator=generator(100 + i)))
        for i in range(60)
    ]
    mean, error = torch.tensor(values).mean(), torch.tensor(values).std() / 60**0.5
    assert abs(mean) < 3 * error
    near, far = (kernel_distance(torch.randn(60, 16), torch.randn(60, 16) + shift) for shift in (0.5, 2.0))
    assert mean < near < far


def test_kernel_distance_by_hand():
    x, y = torch.tensor([[1.0], [2.0]]), torch.tensor([[0.0], [1.0]])
    within = (1 * 2 + 1) ** 3 + (0 * 1 + 1) ** 3
    between = ((1 + 0) ** 3 + (1 + 1) ** 3 + (1 + 0) ** 3 + (2 + 1) ** 3) / 4
    assert math.isclose(kernel_distance(x, y), within - 2 * between)


@pytest.mark.filterwarnings("ignore:Metric `Kernel Inception Distance` will save all extracted features:UserWarning")
def test_kernel_distance_is_that_of_torchmetrics():
    """With more rows than are compared at once."""
    x, y = normal(600, 20, seed=1) * 2, normal(600, 20, seed=2) + 0.5
    expected, _ = reference(KernelInceptionDistance(feature=AsIs(), subsets=1, subset_size=600), x, y)
    assert math.isclose(kernel_distance(x, y), expected.item(), rel_tol=1e-9)


@pytest.mark.parametrize(("rows", "quantile", "near"), [(36, 2.0301, 1e-4), (4, 3.1824, 0.002), (3, 4.3027, 0.01)])
def test_interval_of_the_kernel_distance_is_the_jackknifes(rows, quantile, near):
    """Leaving out each row in turn for real gives the same variance; Student's quantile is that of the tables."""
    x, y = normal(rows, 5, seed=1) + 1, normal(50, 5, seed=2)
    without_x = torch.tensor([kernel_distance(torch.cat((x[:i], x[i + 1 :])), y) for i in range(rows)])
    without_y = torch.tensor([kernel_distance(x, torch.cat((y[:i], y[i + 1 :]))) for i in range(50)])
    variance = sum((len(w) - 1) * w.var(correction=0).item() for w in (without_x, without_y))
    low, high = kernel_distance_interval(x, y)
    assert math.isclose((low + high) / 2, kernel_distance(x, y))
    assert math.isclose((high - low) / 2, quantile * variance**0.5, rel_tol=near)


@pytest.mark.parametrize("shift", [0.0, 0.3, 1.0], ids="shifted by {}".format)
def test_interval_covers_the_true_kernel_distance(shift):
    """Drawn with replacement from finite populations, whose distance is known exactly."""
    populations = normal(400, 6, seed=1).relu(), normal(400, 6, seed=1).relu() * (1 + shift) + shift
    kernel = [((a @ b.T / 6 + 1) ** 3).mean() for a in populations for b in populations]
    truth = (kernel[0] + kernel[3] - 2 * kernel[1]).item()
    random, repeats, covered = generator(2), 200, 0
    for _ in range(repeats):
        draws = (
            rows[torch.randint(400, (count,), generator=random)]
            for rows, count in zip(populations, (36, 60), strict=True)
        )
        low, high = kernel_distance_interval(*draws)
        covered += low <= truth <= high
    assert 0.9 <= covered / repeats <= 0.995


def test_interval_of_the_kernel_distance_shrinks_with_the_root_of_the_count():
    widths = []
    for count in (100, 1600):
        low, high = kernel_distance_interval(normal(count, 4, seed=1) + 1, normal(count, 4, seed=2))
        widths.append(high - low)
    assert 3 < widths[0] / widths[1] < 5.5


# precision and recall


def test_precision_and_recall_are_those_of_brute_force():
    """With more rows than are compared at once."""
    real, fake = normal(700, 6, seed=1), normal(600, 6, seed=2) * 0.8 + 0.5
    expected = []
    for points, centres in ((fake, real), (real, fake)):
        radii = all_distances(centres, centres).sort(dim=1).values[:, 3]
        expected.append((all_distances(points, centres) <= radii).any(dim=1).double().mean().item())
    assert precision_recall(real, fake, k=3) == tuple(expected)
    assert precision_recall(fake, real, k=3) == tuple(reversed(expected))


def test_precision_and_recall_in_closed_cases():
    real = normal(100, 4)
    assert precision_recall(real, real) == (1, 1)
    assert precision_recall(real, real + 1000) == (0, 0)
    line = torch.arange(10.0)[:, None]
    assert precision_recall(line, line[:3] + 0.5, k=1) == (1.0, 0.4)  # the fakes' balls reach from -0.5 to 3.5


def test_a_single_mode_has_precision_but_no_recall():
    modes = normal(400, 2, seed=1) + torch.tensor([[0.0, 0.0], [100.0, 0.0]]).repeat(200, 1)
    precision, recall = precision_recall(modes, normal(400, 2, seed=2))
    assert precision > 0.95 and 0.45 < recall <= 0.5
    assert precision_recall(modes, modes[:1].repeat(400, 1) + 1e-3) == (1, 0)


def test_realism_is_that_of_brute_force():
    """With more rows than are compared at once."""
    real, points = normal(600, 6, seed=1), normal(700, 6, seed=2) * 1.3
    radii = all_distances(real, real).sort(dim=1).values[:, 3]
    small = radii <= radii.median()
    expected = (radii[small] / all_distances(points, real[small])).amax(dim=1)
    assert torch.allclose(realism(points, real, k=3), expected, rtol=1e-9)


def test_realism_in_closed_cases():
    line = torch.arange(11.0)[:, None]  # balls of radius 1, but for those at the ends with k = 2: they are left out
    scores = realism(torch.tensor([[5.5], [12.0], [19.0]]), line, k=2)
    assert scores.tolist() == pytest.approx([2, 1 / 3, 1 / 10])
    assert realism(line[5:6], line, k=2) > 1e9  # a copy
    with pytest.raises(ValueError, match="at least 4 real pictures"):
        realism(line, line[:3], k=3)


def test_what_is_curated_differs():
    points = torch.tensor([[0.0], [1.0], [10.0], [4.0], [9.0]])
    assert unlike(points, 3).tolist() == [0, 2, 3]
    assert sorted(unlike(points, 5).tolist()) == [0, 1, 2, 3, 4]


# nearest pictures and memorisation


def test_nearest_distances_are_those_of_brute_force():
    """With more rows than are compared at once, of which none finds itself."""
    queries, references = normal(700, 5, seed=1), normal(600, 5, seed=2)
    expected = all_distances(queries, references).amin(dim=1)
    assert torch.allclose(nearest_distances(queries, references), expected, rtol=1e-12)
    itself = all_distances(queries, queries).fill_diagonal_(torch.inf).amin(dim=1)
    assert torch.allclose(nearest_distances(queries, queries, exclude_self=True), itself, rtol=1e-12)
    assert (nearest_distances(queries.float() + 100, queries.float() + 100) == 0).all()


def test_copies_of_training_pictures_are_memorised():
    training, held_out = normal(500, 8, seed=1), normal(100, 8, seed=2)
    found = memorisation(training[:200], held_out, training)
    assert found["samples_median"] == found["samples_first_percentile"] == found["ratio"] == 0
    unseen = nearest_distances(held_out, training)
    assert math.isclose(found["held_out_median"], unseen.quantile(0.5).item())
    assert math.isclose(found["held_out_first_percentile"], unseen.quantile(0.01).item())


@pytest.mark.parametrize("count", [3, 16, 40, 400])
def test_few_unseen_pictures_seem_no_farther_than_many_paintings(count):
    training, fresh = normal(300, 8, seed=1), normal(600, 8, seed=3)
    ratios = []
    for seed in range(40):
        found = memorisation(fresh, normal(count, 8, seed=10 + seed), training)
        if count < 16:
            assert found["samples_first_percentile"] is found["held_out_first_percentile"] is None
        else:
            ratios.append(found["samples_first_percentile"] / found["held_out_first_percentile"])
    assert not ratios or sum(ratios) / len(ratios) == pytest.approx(1, abs=0.09)
    assert found["nearest_share"] == max(0.01, 1 / (count + 1))


def test_fresh_draws_are_not_memorised_and_near_copies_are():
    training, held_out, fresh = normal(500, 8, seed=1), normal(400, 8, seed=2), normal(400, 8, seed=3)
    assert math.isclose(memorisation(fresh, held_out, training)["ratio"], 1, abs_tol=0.05)
    assert memorisation(training[:400] + fresh / 10, held_out, training)["ratio"] < 0.3


def test_mean_pairwise_distance_by_hand():
    assert math.isclose(
        mean_pairwise_distance(torch.tensor([[0.0], [3.0], [4.0]])).item(), (3 + 4 + 1) / 3, rel_tol=1e-6
    )


def test_too_few_rows_are_refused():
    rows = torch.zeros(5, 3)
    for refused, words in (
        (lambda: precision_recall(rows, torch.zeros(9, 3)), "at least 6 rows in each set, not 5"),
        (lambda: kernel_distance_interval(rows, rows[:2]), "at least 3 rows in each set, not 2"),
        (lambda: nearest_distances(rows, rows[:0]), "at least 1 references, not 0"),
        (lambda: nearest_distances(rows[:1], rows[:1], exclude_self=True), "at least 2 references, not 1"),
        (lambda: nearest_distances(rows, rows[:4], exclude_self=True), "not 5 and 4 rows"),
        (lambda: memorisation(rows, rows, rows), "hold out others"),
    ):
        with pytest.raises(ValueError, match=words):
            refused()


# sliced Wasserstein distance of patches


def noise(count: int, side: int = 64, seed: int = 0) -> Tensor:
    return torch.rand(count, 3, side, side, generator=generator(seed)) * 1.6 - 0.8


def mean_cosine(dim: int) -> float:
    """Mean length of a unit vector along a random direction."""
    return math.exp(math.lgamma(dim / 2) - math.lgamma((dim + 1) / 2)) / math.pi**0.5


def test_projected_distance_in_closed_form():
    x = normal(50, 1, seed=1)
    assert math.isclose(projected_distance(x, x[torch.randperm(50)] + 3, torch.ones(1, 1).double()).item(), 3)
    # uniform quantiles on [0, 1] and on [0, 2]: the integral of |2u - u|
    steps = (torch.arange(1000.0)[:, None] + 0.5) / 1000
    assert math.isclose(projected_distance(steps, 2 * steps, torch.ones(1, 1)).item(), 0.5, rel_tol=1e-5)
    # a shift in many dimensions: its mean length along a random direction
    dim, shift = 12, 2.0
    directions = F.normalize(normal(200_000, dim), dim=1)
    x, moved = normal(3, dim, seed=1) * 1e-9, normal(3, dim, seed=1) * 1e-9
    moved[:, 0] += shift
    assert math.isclose(projected_distance(x, moved, directions).item(), shift * mean_cosine(dim), rel_tol=0.01)


def test_the_pyramid_splits_and_restores():
    pictures = noise(2, 128)
    bands = laplacian_pyramid(pictures)
    assert [band.shape[-1] for band in bands] == [128, 64, 32, 16]
    restored = bands[-1]
    for band in reversed(bands[:-1]):
        restored = band + upscale(restored)
    assert torch.allclose(restored, pictures, atol=1e-6)
    *fine, coarse = laplacian_pyramid(torch.full((1, 3, 64, 64), 0.3))
    assert all(band.abs().max() < 1e-6 for band in fine) and torch.allclose(coarse, torch.tensor(0.3))


def test_downscaling_is_a_binomial_blur():
    dot = torch.zeros(1, 3, 16, 16)
    dot[:, 0, 8, 8] = 256
    blurred = downscale(dot)
    assert (blurred[0, 0, 3:6, 3:6] == torch.tensor([[1.0, 6, 1], [6, 36, 6], [1, 6, 1]])).all()
    assert blurred.sum() == 64 and (blurred[0, 1:] == 0).all()


def test_descriptors_are_normalised_patches():
    band = noise(3, 16)
    corners = torch.randint(10, (2, 90), generator=generator())
    descriptors = take_descriptors(band, corners)
    assert descriptors.shape == (90, 147)
    deviation, mean = torch.std_mean(descriptors.view(90, 3, 49), dim=(0, 2))
    assert torch.allclose(mean, torch.zeros(3), atol=1e-5) and torch.allclose(deviation, torch.ones(3), atol=1e-4)
    row, column = corners[:, 4]
    patch = band[1, :, row : row + 7, column : column + 7].flatten(1)  # the fifth patch is of the second picture
    correlation = torch.corrcoef(torch.stack((patch[2], descriptors[4].view(3, 49)[2])))[0, 1]
    assert math.isclose(correlation.item(), 1, rel_tol=1e-5)


def test_a_set_has_no_sliced_wasserstein_distance_to_itself():
    first, second = noise(6), F.avg_pool2d(noise(9, seed=1), 3, 1, 1)
    assert sliced_wasserstein(first, first, patches=500) == {64: 0, 32: 0, 16: 0}
    there, back = sliced_wasserstein(first, second, patches=500), sliced_wasserstein(second, first, patches=500)
    assert there == back == sliced_wasserstein(first, second, patches=500)
    other = sliced_wasserstein(first, second, seed=1, patches=500)
    assert other != there and math.isclose(other[64], there[64], rel_tol=0.2)


def test_brightness_and_contrast_common_to_all_pictures_are_not_seen():
    pictures = noise(4)
    gain, shift = torch.tensor([0.5, 0.7, 0.9]).view(3, 1, 1), torch.tensor([0.2, -0.1, 0.0]).view(3, 1, 1)
    assert all(
        distance < 0.01 for distance in sliced_wasserstein(pictures, pictures * gain + shift, patches=500).values()
    )


def test_colours_that_differ_between_pictures_are_seen_at_the_coarsest_level_alone():
    pictures = noise(40)
    tinted = pictures + torch.rand(40, 3, 1, 1, generator=generator(1)) - 0.5
    seen = sliced_wasserstein(pictures, tinted, patches=2000)
    assert seen[64] < 0.01 and seen[32] < 0.01 and seen[16] > 100


def test_blur_is_seen_at_the_finest_level_most():
    sharp = noise(20)
    seen = sliced_wasserstein(F.avg_pool2d(sharp, 3, 1, 1), sharp, patches=4000)
    assert seen[64] > 2 * seen[32] > 2 * seen[16] > 0


def test_sliced_wasserstein_distance_of_flat_pictures_in_closed_form():
    """Two greys against three: each patch is a normalised grey times a vector of ones."""
    two, three = torch.tensor([-0.5, 0.5] * 3), torch.tensor([-0.5, 0.0, 0.5] * 2)
    flat_two, flat_three = (greys.view(6, 1, 1, 1).expand(6, 3, 32, 32) for greys in (two, three))
    seen = sliced_wasserstein(flat_two, flat_three, patches=600)
    between_greys = 2 * ((1.5**0.5 - 1) / 3 + 1 / 6)  # of -1, 1 and of -sqrt(1.5), 0, sqrt(1.5)
    assert seen[32] < 0.01
    assert math.isclose(seen[16], 1000 * between_greys * 147**0.5 * mean_cosine(147), rel_tol=0.1)


@pytest.mark.slow
def test_order_and_number_of_pictures_matter_little_beside_their_kind():
    sharp, blurred = noise(30, seed=1), F.avg_pool2d(noise(30, seed=2), 3, 1, 1)
    whole = sliced_wasserstein(sharp, blurred, patches=4000)
    for same in (sharp.flip(0), sharp[:17]):
        assert math.isclose(sliced_wasserstein(same, blurred, patches=4000)[64], whole[64], rel_tol=0.05)


def test_pictures_without_a_pyramid_are_refused():
    good = torch.zeros(2, 3, 32, 32)
    for bad in (
        torch.zeros(2, 3, 48, 48),
        torch.zeros(2, 3, 8, 8),
        torch.zeros(2, 1, 32, 32),
        torch.zeros(2, 3, 32, 64),
        torch.zeros(2, 3, 64, 64),
        torch.zeros(0, 3, 32, 32),
    ):
        with pytest.raises(ValueError, match="a power of two from 16 up"):
            sliced_wasserstein(good, bad)
        with pytest.raises(ValueError, match="resize them to one such side"):
            sliced_wasserstein(bad, good)
