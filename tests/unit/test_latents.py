"""A latent for each picture: what it tells of it, how it is spread, and that a run keeps it."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from artmodels.data.dataset import ArtDataset, load_dataset
from artmodels.models.discriminator import FeatureProjector
from artmodels.training.latents import (
    LATENTS_NAME,
    PictureLatents,
    chosen_to_fit,
    components_for,
    fit_encoder,
    keep_latents,
    latents_of,
    look,
)

DIM = 32


@pytest.fixture(scope="module")
def projector() -> FeatureProjector:
    return FeatureProjector((8,), 32, 0)


@pytest.fixture(scope="module")
def drawn() -> ArtDataset:
    return load_dataset(None, 32)


@pytest.fixture(scope="module")
def latents(projector, drawn) -> torch.Tensor:
    return latents_of(projector, drawn, torch.from_numpy(drawn.labels), DIM, flip=False).latents


def test_latents_of_each_style_are_spread_like_random_ones(latents, drawn):
    assert latents.shape == (len(drawn), DIM)
    for label in range(len(drawn.styles)):
        own = latents[torch.from_numpy(drawn.labels) == label]
        assert own.mean(dim=0).abs().max() < 1e-3
        assert own.var(dim=0).mean().item() == pytest.approx(1, abs=0.25)
    together = torch.corrcoef(latents.T) - torch.eye(DIM)
    assert together.square().mean().sqrt() < 0.1


def test_like_pictures_have_like_latents(projector, drawn, latents):
    """A picture made a little brighter finds its own latent again, among those of all pictures of its style."""
    labels = torch.from_numpy(drawn.labels)
    features = [
        torch.cat(group)
        for group in zip(*(look(projector, part) for part in drawn.batch(range(len(drawn))).split(64)), strict=True)
    ]
    encoder = fit_encoder(features, labels, DIM, styles=int(labels.max()) + 1)
    assert torch.allclose(encoder.encode(features, labels), latents, atol=1e-3)
    some = np.arange(0, len(drawn), 7)
    brighter = encoder.encode(look(projector, drawn.batch(some) + 0.05), labels[some])
    found = torch.cdist(brighter, latents).argmin(dim=1)
    assert (found == torch.from_numpy(some)).float().mean() > 0.9


def test_a_few_pictures_differ_in_few_ways(projector, drawn):
    few = drawn.select(np.arange(0, len(drawn), len(drawn) // 12))
    labels = torch.from_numpy(few.labels)
    found = latents_of(projector, few, labels, DIM, flip=False).latents
    assert found.shape == (len(few), len(few) - len(drawn.styles)) and torch.isfinite(found).all()
    assert torch.pdist(found).min() > 1
    alone = latents_of(projector, few, torch.zeros_like(labels), DIM, flip=False).latents
    assert alone.shape == (len(few), len(few) - 1)


def test_what_is_not_told_of_a_picture_is_another_chance_each_time(latents):
    random, places = torch.Generator().manual_seed(0), np.array([4, 5])
    told = PictureLatents(latents[:, :3])
    first, second = (told.take(places, DIM, random, None) for _ in range(2))
    assert torch.equal(first[:, :3], latents[places, :3]) and torch.equal(second[:, :3], latents[places, :3])
    assert first.shape == (2, DIM) and not torch.isclose(first[:, 3:], second[:, 3:]).any()


@pytest.mark.parametrize(("pictures", "styles", "expected"), [(51, 9, 5), (500, 9, 55), (7694, 9, 128), (3, 3, 1)])
def test_more_is_told_where_there_are_more_pictures(pictures, styles, expected):
    labels = torch.arange(pictures) % styles
    assert components_for(labels, 128) == expected
    assert components_for(labels, 4) == min(expected, 4)


def test_mirrored_pictures_have_latents_of_their_own(projector, drawn):
    labels = torch.from_numpy(drawn.labels)
    found = latents_of(projector, drawn, labels, DIM, flip=True)
    assert found.mirrored is not None and not torch.allclose(found.latents, found.mirrored)
    turned = replace(drawn, pictures=np.ascontiguousarray(drawn.pictures[:, :, ::-1]))
    again = latents_of(projector, turned, labels, DIM, flip=True)
    assert again.mirrored is not None
    assert torch.allclose(
        look(projector, drawn.batch([3]).flip(3))[0], look(projector, turned.batch([3]))[0], atol=1e-5
    )
    chosen = torch.tensor([True, False, True])
    taken = found.take(np.array([4, 5, 6]), found.latents.shape[1], torch.Generator(), chosen)
    assert torch.equal(taken, torch.stack([found.mirrored[4], found.latents[5], found.mirrored[6]]))


def test_a_run_keeps_its_latents_until_the_collection_is_another(projector, drawn, tmp_path):
    labels = torch.from_numpy(drawn.labels)

    def keep(dataset: ArtDataset, flip: bool = False) -> torch.Tensor:
        return keep_latents(
            tmp_path, projector, dataset, torch.from_numpy(dataset.labels), DIM, flip, quiet=True
        ).latents

    first = keep(drawn)
    written = (tmp_path / LATENTS_NAME).read_bytes()
    again, mapped = keep(drawn), Path("/proc/self/maps")
    assert torch.equal(again, first) and (tmp_path / LATENTS_NAME).read_bytes() == written
    assert not mapped.exists() or LATENTS_NAME not in mapped.read_text()  # a file that is torn would take it along
    (tmp_path / LATENTS_NAME).write_bytes(written[:200])  # torn
    assert torch.equal(keep(drawn), first) and (tmp_path / LATENTS_NAME).read_bytes() == written
    half = drawn.select(np.arange(0, len(drawn), 2))
    assert len(keep(half)) == len(half)
    assert len(labels) == len(keep(drawn, flip=True))


def test_a_rare_style_is_among_those_that_components_are_found_from(monkeypatch):
    monkeypatch.setattr("artmodels.training.latents.MOST_FITTED", 10)
    labels = torch.zeros(100, dtype=torch.long)
    labels[[33, 77]] = 2
    labels[55:57] = 1
    chosen = chosen_to_fit(labels)
    assert {33, 77, 55, 56} <= set(chosen.tolist()) and len(chosen) < 30 and len(set(chosen.tolist())) == len(chosen)
    assert np.array_equal(chosen_to_fit(labels[:9]), np.arange(9))


def test_a_picture_of_each_style_and_no_more_is_told_by_its_style_alone():
    features, labels = [torch.randn(12, 20), torch.randn(12, 7)], torch.arange(12)
    latents = fit_encoder(features, labels, 1, styles=12).encode(features, labels)
    assert latents.shape == (12, 1) and torch.isfinite(latents).all() and latents.abs().max() < 1e-3
