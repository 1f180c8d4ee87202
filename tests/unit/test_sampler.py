"""The sampler of pictures: each as often as asked for, from any start the same."""

import numpy as np
import pytest

from artmodels.data.sampler import PictureSampler

LABELS = np.repeat([0, 1, 2], [20, 5, 5])


def take(start: int, size: int, labels: np.ndarray = LABELS, seed: int = 3, balance: float = 0.0) -> np.ndarray:
    return PictureSampler(labels, seed, balance).take(start, size)


def test_each_epoch_shows_each_picture_once_and_any_start_gives_the_same_order():
    whole = take(0, 120)
    epochs = whole.reshape(4, 30)
    assert all(sorted(epoch) == list(range(30)) for epoch in epochs)
    assert len({tuple(epoch) for epoch in epochs}) == 4
    assert np.array_equal(take(17, 29), whole[17:46])
    assert not np.array_equal(take(0, 120, seed=4), whole)
    sampler = PictureSampler(LABELS, 3)
    parts = [sampler.take(start, 7) for start in range(0, 119, 7)]
    assert np.array_equal(np.concatenate(parts)[:119], whole[:119])


@pytest.mark.parametrize("balance", [0.0, 0.5, 1.0])
def test_a_style_is_shown_in_proportion_to_its_size_to_the_power_of_one_minus_balance(balance):
    sizes = np.bincount(LABELS)
    expected = sizes ** (1 - balance) / (sizes ** (1 - balance)).sum()
    shown = np.bincount(LABELS[take(0, 30 * 200, balance=balance)]) / (30 * 200)
    assert np.allclose(shown, expected, atol=0.01)


def test_pictures_of_one_style_are_shown_alike_in_each_balanced_epoch():
    for epoch in take(0, 300, balance=1.0).reshape(10, 30):
        often = np.bincount(epoch, minlength=30)
        assert often[LABELS == 0].max() <= 1 and often[LABELS == 1].min() >= 1  # 10 slots for 20, 10 for 5 pictures
        assert often[LABELS == 1].sum() in (9, 10, 11)


def test_a_large_collection_loses_no_picture_to_rounding():
    labels = np.random.default_rng(0).integers(0, 7, 100_003)
    assert np.array_equal(np.sort(take(0, len(labels), labels)), np.arange(len(labels)))
