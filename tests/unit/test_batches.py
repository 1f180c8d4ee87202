"""What a step is made from: the same numbers whoever asks and whenever, and each picture with what belongs to it."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from helpers import draw_pictures

from artmodels.data.dataset import load_dataset
from artmodels.data.decode import levels_to_pictures
from artmodels.io.random import seeded_generator
from artmodels.training.batches import Batch, BatchSource, blur
from artmodels.training.config import tiny
from artmodels.training.latents import PictureLatents

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    folder = tmp_path_factory.mktemp("batches")
    return load_dataset(draw_pictures(folder / "pictures", 8), 32, folder / "cache")


def source_of(dataset, rank: int = 0, processes: int = 1, **settings) -> BatchSource:
    """Latents name their picture: all of picture i's are i, mirrored ones -i - 1."""
    config = replace(tiny(), batch_size=8, **{"latent_jitter": 0.0, **settings})
    named = torch.arange(float(len(dataset)))[:, None].expand(-1, config.latent_dim)
    latents = PictureLatents(named, -named - 1 if config.flip else None)
    labels = torch.from_numpy(dataset.labels) * (not config.unconditional)
    return BatchSource(config, dataset, labels, latents, CPU, rank, processes)


def same(one: Batch, other: Batch) -> bool:
    return all(torch.equal(a, b) for a, b in zip(vars(one).values(), vars(other).values(), strict=True))


def test_a_batch_depends_on_the_images_before_it_alone(dataset):
    settings: dict[str, Any] = {"latent_jitter": 0.3, "flip": True}
    with source_of(dataset, **settings) as one, source_of(dataset, **settings) as other:
        in_order = [one.take(images) for images in range(0, 64, 8)]
        resumed = [other.take(images) for images in (32, 40, 0, 56)]
    assert same(in_order[4], resumed[0]) and same(in_order[5], resumed[1])
    assert same(in_order[0], resumed[2]) and same(in_order[7], resumed[3])
    assert not same(in_order[0], in_order[1])
    with source_of(dataset, **settings, seed=1) as seeded:
        assert not same(seeded.take(0), in_order[0])


@pytest.mark.parametrize("flip", [False, True])
def test_each_picture_comes_with_its_own_latent_and_style(dataset, flip):
    with source_of(dataset, flip=flip) as source:
        batches = [source.take(images) for images in range(0, 48, 8)]
    turned = 0
    for batch in batches:
        for levels, style, z in zip(batch.levels, batch.style, batch.z, strict=True):
            mirrored = bool(z[0] < 0)
            index = int(-z[0] - 1 if mirrored else z[0])
            picture = dataset.pictures[dataset.rows[index]]
            assert np.array_equal(levels.numpy(), picture[:, ::-1] if mirrored else picture)
            assert style.argmax() == dataset.labels[index] and style.sum() == 1
            turned += mirrored
    assert (0 < turned < 48) if flip else not turned


def test_processes_share_the_pictures_of_a_step_and_draw_for_themselves(dataset):
    with source_of(dataset) as whole, source_of(dataset, 0, 2) as first, source_of(dataset, 1, 2) as second:
        together, one, other = (source.take(16) for source in (whole, first, second))
    assert torch.equal(torch.cat([one.levels, other.levels]), together.levels)
    assert torch.equal(torch.cat([one.style, other.style]), together.style)
    assert len(one.changes) == 4 and not torch.equal(one.changes, other.changes)


def test_all_styles_can_be_one(dataset):
    with source_of(dataset, unconditional=True) as source:
        assert torch.equal(source.take(0).style, torch.ones(8, 1))


def test_a_collection_is_left_as_it_was(dataset):
    before = dataset.pictures.copy()
    with source_of(dataset, flip=True) as source:
        for images in range(0, 80, 8):
            levels_to_pictures(source.take(images).levels).mul_(0)
    assert np.array_equal(before, dataset.pictures)


def test_what_goes_wrong_in_the_thread_is_heard(dataset):
    broken = replace(dataset, pictures=dataset.pictures[:3])
    with source_of(broken) as source, pytest.raises(IndexError):
        source.take(0)


def test_blurred_latents_keep_their_variance_and_stay_near():
    latents = torch.randn(2000, 32, generator=seeded_generator(0))
    assert torch.equal(blur(latents, 0.0, seeded_generator(1)), latents)
    blurred = blur(latents, 0.5, seeded_generator(1))
    assert blurred.var().item() == pytest.approx(1, abs=0.02)
    kept = torch.cosine_similarity(blurred, latents)
    assert kept.min() > 0.6 and kept.max() > 0.999 and not torch.equal(blurred, blur(latents, 0.5, seeded_generator(2)))
