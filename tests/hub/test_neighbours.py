"""The training pictures nearest to a picture: found exactly, kept beside a model, and a stranger's file refused."""

import json

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from sample_models import make_generator

from artmodels.hub.companions.neighbours import (
    MAX_PICTURES,
    NEIGHBOURS_NAME,
    Neighbours,
    find_neighbours,
    load_neighbours,
    save_neighbours,
)
from artmodels.hub.load import load_model


def features(count: int, seed: int = 0) -> torch.Tensor:
    """Features that lie on a plane of 20 dimensions, so that 128 axes lose nothing."""
    random = torch.Generator().manual_seed(seed)
    plane = torch.randn(20, 1280, generator=torch.Generator().manual_seed(9))
    return torch.randn(count, 20, generator=random) @ plane


@pytest.fixture(scope="module")
def found() -> Neighbours:
    pictures = np.random.default_rng(0).integers(0, 255, (300, 64, 64, 3), dtype=np.uint8)
    return find_neighbours(
        features(300), features(40, seed=1), tuple(f"picture {i}" for i in range(300)), 2, 128, pictures
    )


def test_distances_are_those_of_the_features(found):
    queries = features(7, seed=2)
    distances, places = found.nearest(queries, 5)
    expected = torch.cdist(queries, features(300)).topk(5, largest=False)
    assert torch.allclose(distances, expected.values, rtol=1e-2)
    assert (places[:, 0] == expected.indices[:, 0]).all()


def test_a_copy_is_no_original_and_an_unseen_picture_is(found):
    (distance,), _ = found.nearest(features(300)[5:6], 1)
    ratio, nearer = found.originality(distance.item())
    assert ratio < 0.02 and nearer == 0
    median = found.held_out.median().item()
    ratio, nearer = found.originality(median)
    assert ratio == pytest.approx(1) and 0.4 < nearer < 0.6
    assert found.originality(100 * median)[1] == 1


def test_of_a_large_collection_an_even_part_is_kept():
    count = MAX_PICTURES + 500
    kept = find_neighbours(torch.randn(count, 4), torch.randn(5, 4), tuple(map(str, range(count))), 2, 128)
    assert len(kept.labels) == len(kept.points) == MAX_PICTURES
    assert kept.labels[0] == "0" and int(kept.labels[-1]) >= count - 2


@pytest.fixture
def folder(found, tmp_path):
    make_generator().save_pretrained(tmp_path)
    save_neighbours(tmp_path, found)
    return tmp_path


def test_kept_beside_a_model_and_loaded_with_it(found, folder):
    loaded = load_model(folder).neighbours
    queries = features(3, seed=4)
    for before, after in zip(found.nearest(queries, 3), loaded.nearest(queries, 3), strict=True):
        assert torch.allclose(before, after, rtol=1e-3)
    assert loaded.labels == found.labels and loaded.thumbnails == found.thumbnails
    assert loaded.thumbnail(0).size == (48, 48)


def test_small_pictures_are_kept_only_where_allowed(tmp_path):
    save_neighbours(tmp_path, find_neighbours(features(20), features(5), tuple("abcdefghijklmnopqrst"), 2, 128))
    loaded = load_neighbours(tmp_path)
    assert loaded.thumbnails is None and loaded.thumbnail(0) is None
    assert load_neighbours(tmp_path / "elsewhere") is None


TOLD = {"labels": [f"picture {i}" for i in range(300)], "judge": 2, "judge_resolution": 128}


@pytest.mark.parametrize(
    ("state", "told"),
    [
        ({"points": torch.full((300, 20), torch.nan)}, TOLD),
        ({"points": torch.zeros(299, 20)}, TOLD),
        ({"axes": torch.zeros(1280, 5000)}, TOLD),
        ({"axes": torch.zeros(64, 20), "mean": torch.zeros(64)}, TOLD),
        ({"mean": torch.zeros(1)}, TOLD),
        ({"held_out": torch.zeros(0)}, TOLD),
        ({"surplus": torch.zeros(1)}, TOLD),
        ({"thumbnail_ends": torch.full((300,), 2**40)}, TOLD),
        ({"thumbnail_ends": torch.arange(300, 0, -1)}, TOLD),
        ({}, {**TOLD, "labels": ["a\nb"] * 300}),
        ({}, {**TOLD, "labels": ["a" * 1000] * 300}),
        ({}, {**TOLD, "labels": []}),
        ({}, {**TOLD, "judge": 7}),
        ({}, {**TOLD, "judge_resolution": 10**9}),
        ({}, []),
    ],
)
def test_a_strangers_file_is_refused_in_one_line(folder, state, told):
    path = folder / NEIGHBOURS_NAME
    save_file({**load_file(path), **state}, path, {"neighbours": json.dumps(told)})
    with pytest.raises(ValueError) as caught:
        load_model(folder)
    assert "\n" not in str(caught.value) and NEIGHBOURS_NAME in str(caught.value)


def test_a_small_picture_that_is_none_is_passed_over(found, folder):
    content = torch.zeros(300 * 10, dtype=torch.uint8)
    path = folder / NEIGHBOURS_NAME
    state = {**load_file(path), "thumbnails": content, "thumbnail_ends": torch.arange(1, 301) * 10}
    save_file(state, path, {"neighbours": json.dumps(TOLD)})
    assert load_neighbours(folder).thumbnail(3) is None
