"""Recipes from recipes: how near neighbours are, what children inherit, what mixing and steering leave alone."""

import math
import random
from dataclasses import replace

import pytest
import torch

from artmodels.generate.mixing import MAX_ANCESTORS, children, collect, convex, mix_layers, neighbours, steer
from artmodels.generate.recipe import Latent, LayerMix, Recipe, Shift
from artmodels.generate.sampling import mix_latents, paint_rows, rows_of
from artmodels.hub.companions.directions import Directions

DIM = 4096
ONE = Recipe("m", "0" * 64, (Latent(7),), {"mosaic": 1.0}, 0.8)
TWO = Recipe("m", "0" * 64, (Latent(8), Latent(9, 0.5)), {"mosaic": 0.25, "op-art": 0.75}, 1.2)


def cosine(a: Recipe, b: Recipe) -> float:
    return float(torch.cosine_similarity(mix_latents(a.latents, DIM), mix_latents(b.latents, DIM)))


@pytest.mark.parametrize("recipe", [ONE, TWO])
@pytest.mark.parametrize("distance", [0.0, 0.2, 0.5, 0.9, 1.0])
def test_a_neighbour_lies_that_share_of_a_quarter_turn_away(recipe, distance):
    for near in neighbours(recipe, distance, [100, 101]):
        assert cosine(recipe, near) == pytest.approx(math.cos(distance * math.pi / 2), abs=0.06)
        assert (near.style_weights, near.truncation) == (recipe.style_weights, recipe.truncation)


def test_at_distance_0_a_neighbour_is_the_picture_itself(generator):
    (same,) = neighbours(TWO, 0, [100])
    assert torch.allclose(rows_of(generator, same), rows_of(generator, TWO), atol=1e-3)


@pytest.mark.parametrize("distance", [-0.1, 1.1, math.nan])
def test_a_distance_out_of_bounds_is_refused(distance):
    with pytest.raises(ValueError, match="distance must be between 0"):
        neighbours(ONE, distance, [1])


def test_children_are_the_same_for_the_same_seed_and_differ_among_themselves():
    litter = children([ONE, TWO], 6, 3, 0.25)
    assert litter == children([ONE, TWO], 6, 3, 0.25)
    assert litter != children([ONE, TWO], 6, 4, 0.25)
    assert len({child.latents for child in litter}) == 6


def test_children_without_anything_new_lie_between_their_parents():
    for child in children([ONE, TWO], 20, 5, 0.0):
        assert {latent.seed for latent in child.latents} <= {7, 8, 9}
        assert sum(child.style_weights.values()) == pytest.approx(1, abs=1e-6)
        assert 0.8 <= child.truncation <= 1.2
        assert cosine(child, ONE) > -0.06 and cosine(child, TWO) > -0.06
        assert cosine(child, ONE) ** 2 + cosine(child, TWO) ** 2 == pytest.approx(1, abs=0.12)


def test_mutation_turns_children_away_by_as_much():
    for child in children([ONE, TWO], 20, 5, 0.5):
        assert cosine(child, ONE) ** 2 + cosine(child, TWO) ** 2 == pytest.approx(0.5, abs=0.15)


def test_many_generations_stay_recipes_of_bounded_length():
    random_parents = random.Random(0)
    family = [ONE, TWO, replace(ONE, latents=(Latent(20),)), replace(TWO, latents=(Latent(21),))]
    for generation in range(30):
        family = children(random_parents.sample(family, 4), 8, generation, 0.4)
    assert max(len(child.latents) for child in family) <= MAX_ANCESTORS
    assert all(len(child.to_link()) < 1500 for child in family)


def test_children_inherit_shifts_by_share_and_layers_from_one_parent():
    layers = LayerMix(2, (Latent(50),), {"mosaic": 1.0})
    steered = replace(ONE, edits=(layers, Shift("warmth", 2.0, "1" * 64)))
    litter = children([steered, TWO], 30, 1, 0.1)
    amounts = [edit.amount for child in litter for edit in child.edits if isinstance(edit, Shift)]
    assert len(amounts) == 30 and min(amounts) > 0 and max(amounts) < 2
    mixed = [child for child in litter if layers in child.edits]
    assert 5 <= len(mixed) <= 25


@pytest.mark.parametrize(
    ("parents", "mutation", "expected"),
    [
        ([ONE], 0.1, "2 to 4 parents, found 1"),
        ([ONE] * 5, 0.1, "2 to 4 parents, found 5"),
        ([ONE, replace(TWO, weights_sha256="1" * 64)], 0.1, "different models"),
        ([ONE, TWO], 1.5, "mutation"),
        ([ONE, TWO], math.nan, "mutation"),
    ],
)
def test_families_that_cannot_be_are_refused(parents, mutation, expected):
    with pytest.raises(ValueError, match=expected):
        children(parents, 1, 0, mutation)


def test_parents_that_cancel_each_other_still_have_children(generator):
    opposite = replace(ONE, latents=(Latent(7, -1.0),))
    for child in children([ONE, opposite], 20, 0, 0.0):
        assert torch.isfinite(rows_of(generator, child)).all()


def test_mixed_layers_are_the_rows_of_both(generator):
    mixed = rows_of(generator, mix_layers(ONE, replace(TWO, truncation=0.8), 2))
    coarse, fine = rows_of(generator, ONE), rows_of(generator, replace(TWO, truncation=0.8))
    assert torch.equal(mixed[:, :2], coarse[:, :2]) and torch.equal(mixed[:, 2:], fine[:, 2:])
    again = mix_layers(mix_layers(ONE, TWO, 2), TWO, 3)
    assert [edit.first for edit in again.edits if isinstance(edit, LayerMix)] == [3] and len(again.edits) == 1
    with pytest.raises(ValueError, match="different models"):
        mix_layers(ONE, replace(TWO, weights_sha256="1" * 64), 2)
    with pytest.raises(ValueError, match="no block 9"):
        rows_of(generator, mix_layers(ONE, TWO, 9))


def test_steering_replaces_what_was_steered_before_and_moves_w_along_the_direction(generator):
    rows = generator.config.layers + 1
    directions = Directions(("warmth",), torch.randn(1, rows, generator.config.latent_dim), "2" * 64, {})
    steered = steer(steer(ONE, {"warmth": 2.0}, directions), {"warmth": -0.5}, directions)
    assert steered.edits == (Shift("warmth", -0.5, "2" * 64),)
    moved = rows_of(generator, steered, directions) - rows_of(generator, ONE)
    assert torch.allclose(moved, -0.5 * directions.vectors, atol=1e-5)
    assert steer(steered, {"warmth": 0.0}, directions) == ONE
    assert paint_rows(generator, rows_of(generator, steered, directions)).shape == (1, 3, 32, 32)
    with pytest.raises(ValueError, match="no directions"):
        rows_of(generator, steered)
    with pytest.raises(ValueError, match="found anew"):
        rows_of(generator, replace(ONE, edits=(Shift("warmth", 1.0, "3" * 64),)), directions)
    with pytest.raises(ValueError, match="no direction 'cold'"):
        rows_of(generator, replace(ONE, edits=(Shift("cold", 1.0, "2" * 64),)), directions)


def test_collected_seeds_are_summed_and_the_lightest_forgotten():
    assert collect([Latent(1, 0.5), Latent(2, 0.9), Latent(1, 0.25), Latent(3, 0.001)]) == (
        Latent(2, 0.9),
        Latent(1, 0.75),
    )


@pytest.mark.parametrize("count", [1, 2, 9, 1000])
def test_convex_weights_sum_to_1(count):
    random_shares = random.Random(count)
    for _ in range(20):
        weights = convex({f"style {place}": random_shares.random() for place in range(count)})
        assert sum(weights.values()) == pytest.approx(1, abs=1e-3) and min(weights.values()) >= 0
        Recipe("m", "0" * 64, (Latent(1),), weights, 1.0)


@pytest.mark.parametrize("weights", [{"a": 0.0}, {"a": -1.0, "b": 2.0}, {"a": math.nan}, {"a": math.inf}, {"a": "1"}])
def test_weights_that_are_no_shares_are_refused(weights):
    with pytest.raises(ValueError, match="style"):
        convex(weights)
