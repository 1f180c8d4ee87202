"""New recipes from old ones: neighbours, children, mixed layers, steered pictures."""

import math
import random
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from artmodels.generate.recipe import MAX_EDITS, SEED_LIMIT, Edit, Latent, LayerMix, Recipe, Shift
from artmodels.hub.companions.directions import Directions

MIN_PARENTS, MAX_PARENTS = 2, 4
MAX_ANCESTORS = 24  # seeds in one latent: those of the smallest weights are forgotten
MAX_FOUND = 4  # of them, latents that were found for pictures: each is some thousand characters long
SMALLEST_WEIGHT, SMALLEST_SHARE = 0.01, 0.005
DIGITS = 4  # of weights and shares, so that links stay short


def neighbours(recipe: Recipe, distance: float, seeds: Sequence[int]) -> list[Recipe]:
    """Pictures near one, each in a direction of its own: `distance` 0 is the picture itself, 1 shares only its style.

    The latent goes `distance` of a quarter turn on the great circle towards each seed's.

    Raises:
        ValueError: the distance is not between 0 and 1.
    """
    if not 0 <= distance <= 1:
        raise ValueError(f"distance must be between 0 (the same) and 1 (any other), found {distance:g}")
    near, far = math.cos(distance * math.pi / 2), math.sin(distance * math.pi / 2)
    old = [replace(latent, weight=latent.weight * near) for latent in normalised(recipe.latents)]
    return [replace(recipe, latents=collect([*old, Latent(seed, far)]), projection=None) for seed in seeds]


def children(parents: Sequence[Recipe], count: int, seed: int, mutation: float) -> list[Recipe]:
    """Children of two to four pictures: shares of their latents and styles by lot, and `mutation` of something new.

    The same seed gives the same children. Shifts are inherited by share, layers of others from one parent.

    Raises:
        ValueError: not two to four parents, parents of different models, or a mutation outside 0 to 1.
    """
    if not MIN_PARENTS <= len(parents) <= MAX_PARENTS:
        raise ValueError(f"a family needs {MIN_PARENTS} to {MAX_PARENTS} parents, found {len(parents)}")
    if len({parent.weights_sha256 for parent in parents}) > 1:
        raise ValueError("these parents were painted by different models: choose pictures of one")
    if not 0 <= mutation <= 1:
        raise ValueError(f"mutation must be between 0 and 1, found {mutation:g}")
    rng = random.Random(seed)
    return [_child(parents, rng, mutation) for _ in range(count)]


def _child(parents: Sequence[Recipe], rng: random.Random, mutation: float) -> Recipe:
    drawn = [rng.expovariate(1) for _ in parents]  # evenly from all shares that sum to 1
    shares = [part / sum(drawn) for part in drawn]
    near, far = math.cos(mutation * math.pi / 2), math.sin(mutation * math.pi / 2)
    mixed = [
        replace(latent, weight=latent.weight * share)
        for parent, share in zip(parents, shares, strict=True)
        for latent in normalised(parent.latents)
    ]
    latents = [replace(latent, weight=latent.weight * near) for latent in normalised(collect(mixed) or mixed[:1])]
    styles: dict[str, float] = defaultdict(float)
    for parent, share in zip(parents, shares, strict=True):
        for style, weight in parent.style_weights.items():
            styles[style] += share * weight
    return replace(
        rng.choices(parents, shares)[0],
        latents=collect([*latents, Latent(rng.randrange(SEED_LIMIT), far)]),
        style_weights=convex(styles),
        truncation=round(sum(share * parent.truncation for parent, share in zip(parents, shares, strict=True)), DIGITS),
        edits=_inherited_edits(parents, shares, rng),
        projection=None,
    )


def _inherited_edits(parents: Sequence[Recipe], shares: Sequence[float], rng: random.Random) -> tuple[Edit, ...]:
    amounts: dict[tuple[str, str], float] = defaultdict(float)
    for parent, share in zip(parents, shares, strict=True):
        for edit in parent.edits:
            if isinstance(edit, Shift):
                amounts[edit.name, edit.sha256] += share * edit.amount
    (chosen,) = rng.choices(parents, shares)
    layers = [edit for edit in chosen.edits if isinstance(edit, LayerMix)]
    shifts = [Shift(name, round(amount, DIGITS), sha256) for (name, sha256), amount in amounts.items()]
    edits: list[Edit] = [*layers, *shifts]
    return tuple(edits[:MAX_EDITS])


def mix_layers(coarse: Recipe, fine: Recipe, first: int) -> Recipe:
    """The picture `coarse` with the latents and styles of `fine` from row `first` of `w` on.

    Raises:
        ValueError: they were painted by different models.
    """
    if coarse.weights_sha256 != fine.weights_sha256:
        raise ValueError("these two pictures were painted by different models: choose two of one")
    kept = [edit for edit in coarse.edits if not isinstance(edit, LayerMix)]
    edits: list[Edit] = [LayerMix(first, fine.latents, dict(fine.style_weights)), *kept]
    return replace(coarse, edits=tuple(edits[:MAX_EDITS]))


def steer(recipe: Recipe, amounts: Mapping[str, float], directions: Directions) -> Recipe:
    """The picture moved along named directions, instead of whatever it was moved along before.

    Raises:
        ValueError: an amount is out of bounds.
    """
    layers = [edit for edit in recipe.edits if isinstance(edit, LayerMix)]
    shifts = [Shift(name, round(amount, DIGITS), directions.sha256) for name, amount in amounts.items() if amount]
    return replace(recipe, edits=(*layers, *shifts))


def normalised(latents: Sequence[Latent]) -> list[Latent]:
    """The same latent with weights whose squares sum to 1, as `mix_latents` takes them."""
    length = math.sqrt(sum(latent.weight**2 for latent in latents))
    return [replace(latent, weight=latent.weight / length) for latent in latents]


def collect(latents: Iterable[Latent]) -> tuple[Latent, ...]:
    """Each seed and each found latent once, the heaviest first, without those that hardly count."""
    weights: dict[Latent, float] = defaultdict(float)
    for latent in latents:
        weights[replace(latent, weight=1.0)] += latent.weight
    heaviest = sorted(weights.items(), key=lambda item: -abs(item[1]))
    found = [latent for latent, _ in heaviest if latent.rows is not None][MAX_FOUND:]
    heaviest = [item for item in heaviest if item[0] not in found][:MAX_ANCESTORS]
    return tuple(
        replace(latent, weight=round(weight, DIGITS)) for latent, weight in heaviest if abs(weight) >= SMALLEST_WEIGHT
    )


def convex(weights: Mapping[str, float]) -> dict[str, float]:
    """Style weights that sum to 1, without those that hardly count.

    Raises:
        ValueError: none is above 0, or one is no finite number above or at 0.
    """
    if any(not (isinstance(weight, int | float) and 0 <= weight < 1e9) for weight in weights.values()):
        raise ValueError("style weights must be numbers from 0 up")
    total = sum(weights.values())
    if total < 1e-9:
        raise ValueError("all styles are at 0: give one of them a share")
    shares = {style: weight / total for style, weight in weights.items()}
    shares = {style: share for style, share in shares.items() if share >= SMALLEST_SHARE} or shares
    total = sum(shares.values())
    rounded = {style: round(share / total, DIGITS) for style, share in shares.items()}
    largest = max(rounded, key=lambda style: rounded[style])
    rounded[largest] = round(rounded[largest] + 1 - sum(rounded.values()), DIGITS)
    return rounded
