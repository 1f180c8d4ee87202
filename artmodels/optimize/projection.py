"""Projection: the latent of an uploaded picture, found by gradient descent through the generator.

After Abdal et al., arXiv:1904.03189, and the projector of StyleGAN2, arXiv:1912.04958. A generated picture has a
latent that gives it back; any other picture gets the nearest that the model can paint.
"""

import hashlib
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from itertools import islice

import torch
import torch.nn.functional as F
from torch import Tensor

from artmodels.generate.mixing import convex
from artmodels.generate.recipe import SEED_LIMIT, Latent, Projection, Recipe, pack_rows
from artmodels.generate.sampling import batch_size, blend, draw_latents, mix_latents, mix_offsets
from artmodels.hub.pretrained import ArtGenerator
from artmodels.metrics.distances import perceptual_distances, unit_maps
from artmodels.models.efficientnet import EfficientNetLite
from artmodels.models.generator import MAX_TRUNCATION
from artmodels.models.layers import normalise_latents
from artmodels.optimize.descent import Descent, DescentStep

CANDIDATES = 288  # pictures that are looked at before the descent
STARTS = 4  # of them, from which it goes
CANDIDATE_TRUNCATION = 0.8
STARTS_SHARE = 1 / 10  # of the steps: for all starts together; the others free the rows of one
TURN_SHARE = 1 / 10  # of the steps: for each start, before half of them go on
NEAR = 0.05  # of the median candidate's distance: a start that comes so near goes on alone
LATENT_RATE = 0.1
HEAD_START = 3.0  # of a start's own style, before the softmax
FREEDOM = 0.002  # weight of the mean square of what is added to the modulations
PIXELS = 3.0  # weight of the pixels against the features
SMALLEST = 128  # px at which features are compared: smaller pictures are enlarged, for the network to see more


@dataclass(frozen=True)
class ProjectionSettings:
    """How a projection is done.

    Raises:
        ValueError: a value is out of bounds.
    """

    steps: int = 600
    seed: int = 0

    def __post_init__(self):
        if not 10 <= self.steps <= 5000:
            raise ValueError(f"steps must be 10 to 5000, found {self.steps}: try 600")
        if not 0 <= self.seed < SEED_LIMIT:
            raise ValueError(f"seed must be at least 0 and below 2**32, found {self.seed}")


@dataclass(frozen=True)
class Projected:
    """What was found for a picture."""

    latent: Latent
    style_weights: dict[str, float]
    truncation: float
    distance: float  # of its picture from the wanted one, in pixels and features

    def recipe(self, model: str, weights_sha256: str, revision: str | None, projection: Projection) -> Recipe:
        """The recipe that paints it."""
        return Recipe(
            model,
            weights_sha256,
            (self.latent,),
            self.style_weights,
            self.truncation,
            revision=revision,
            projection=projection,
        )


class _Search:
    """Latents `[N, D]`, styles `[N, styles]` before a softmax, truncations `[N, 1]` before a sigmoid, offsets."""

    def __init__(self, generator: ArtGenerator, z: Tensor, logits: Tensor, amount: Tensor):
        self.generator = generator
        self.z, self.logits, self.amount = (tensor.detach().clone().requires_grad_() for tensor in (z, logits, amount))
        shape = len(z), generator.config.layers, generator.config.latent_dim
        self.offset = torch.zeros(shape, device=z.device)

    def rows(self) -> Tensor:
        """`w: [N, layers + 1, latent_dim]`"""
        style, generator = self.logits.softmax(dim=1), self.generator
        w = generator.mapping(self.z, style)
        mean, truncation = (style @ generator.mean_w)[:, None], (MAX_TRUNCATION * self.amount.sigmoid())[:, None]
        return torch.cat([w[:, :1], mean + truncation * (w[:, 1:] - mean) + self.offset], dim=1)

    @torch.no_grad()
    def by_distance(self, target: "Target") -> list[int]:
        """The places, that of the picture nearest to the target first."""
        if len(self.z) == 1:
            return [0]
        return target.distances(self.generator.synthesis(self.rows())).argsort(stable=True).tolist()

    @torch.no_grad()
    def distance(self, target: "Target") -> float:
        """Of the only one's picture."""
        return float(target.distances(self.generator.synthesis(self.rows())))

    def only(self, place: int) -> "_Search":
        span = slice(place, place + 1)
        return _Search(self.generator, self.z[span], self.logits[span], self.amount[span])


class Target:
    """A picture `[1, 3, R, R]` that others are compared with: by their pixels at several sizes, and by features."""

    def __init__(self, network: EfficientNetLite, picture: Tensor):
        self.network = network
        with torch.no_grad():
            self.pixels, self.features = self._look(picture)

    def distances(self, pictures: Tensor) -> Tensor:
        """Of `[N, 3, R, R]`, `[N]`: 0 for the same picture."""
        pixels, features = self._look(pictures)
        pairs = zip(pixels, self.pixels, strict=True)
        total = PIXELS * sum((own - wanted).square().mean(dim=(1, 2, 3)) for own, wanted in pairs)
        return total + perceptual_distances(features, self.features)

    def _look(self, pictures: Tensor) -> tuple[list[Tensor], list[Tensor]]:
        pixels = [pictures]
        while pixels[-1].shape[-1] > 8:
            pixels.append(F.avg_pool2d(pixels[-1], 2))
        side = max(SMALLEST, pictures.shape[-1])
        larger = F.interpolate(pictures, size=(side, side), mode="bilinear", align_corners=False)
        return pixels, unit_maps(self.network.scales, larger)


def project(
    generator: ArtGenerator, network: EfficientNetLite, picture: Tensor, settings: ProjectionSettings
) -> Generator[DescentStep, None, Projected]:
    """Find what paints `picture: [1, 3, R, R]`, R the generator's resolution; yields each step, and what it found.

    From the best of many seeds in all styles: latents, style weights and truncation first, through the mapping; then
    all rows of `w`. A descent may end in a valley that is not the deepest, and the first steps do not tell: each start
    has a turn, the nearer half of them another, and so on (successive halving, arXiv:1502.07943).

    Raises:
        ValueError: the picture is not of the generator's resolution.
    """
    side = generator.config.resolution
    if picture.shape != (1, 3, side, side):
        raise ValueError(f"expected a picture [1, 3, {side}, {side}], found {list(picture.shape)}")
    descent = Descent.of(settings.steps)
    target = Target(network, picture)
    first, turn = (max(1, round(settings.steps * share)) for share in (STARTS_SHARE, TURN_SHARE))
    starts, near = _candidates(generator, target, settings.seed)
    yield from _climb(descent, starts, target, first, LATENT_RATE)
    left = settings.steps - first
    searches = [_rounded(starts.only(place)) for place in starts.by_distance(target)]
    for search in searches:
        search.offset.requires_grad_()
    climbs = {search: _climb(descent, search, target, left, None) for search in searches}
    while len(searches) > 1 and left > turn * len(searches):
        for search in searches:
            yield from islice(climbs[search], turn)
            descent.stopped = None  # that was one of several
            left -= turn
            if search.distance(target) <= near:
                searches = [search]
                break
        searches = sorted(searches, key=lambda search: search.distance(target))[: -(-len(searches) // 2)]
    yield from islice(climbs[searches[0]], left)
    return _found(searches[0], target)


def _climb(descent: Descent, search: _Search, target: Target, steps: int, rate: float | None) -> Iterator[DescentStep]:
    """One stage: the latents and, until the offsets are free, the styles and truncations."""
    generator, free = search.generator, search.offset.requires_grad
    parameters = [search.z, search.offset] if free else [search.z, search.logits, search.amount]

    def loss() -> Tensor:
        total = target.distances(generator.synthesis(search.rows())).sum()
        return total + FREEDOM * search.offset.square().mean()

    def current() -> Tensor:
        with torch.no_grad():
            place = search.by_distance(target)[0]
            return generator.synthesis(search.rows()[place : place + 1])

    def found() -> Projected:
        return _found(search if free else search.only(search.by_distance(target)[0]), target)

    yield from descent.run(parameters, loss, current, steps, rate, found)


def _candidates(generator: ArtGenerator, target: Target, seed: int) -> tuple[_Search, float]:
    """The best of many seeds in all styles in turn, and the distance below which one is near."""
    rng = torch.Generator().manual_seed(seed)
    seeds = torch.randint(SEED_LIMIT, (CANDIDATES,), generator=rng).tolist()
    z = draw_latents(seeds, generator.config.latent_dim)
    styles = len(generator.config.styles)
    labels = torch.arange(CANDIDATES) % styles
    distances = []
    with torch.no_grad():
        size = batch_size(generator)
        for latents, chosen in zip(z.split(size), labels.split(size), strict=True):
            weights = torch.eye(styles)[chosen]
            w = generator.truncate(generator.mapping(latents, weights), weights, CANDIDATE_TRUNCATION)
            distances.append(target.distances(generator.synthesis(w)))
    found = torch.cat(distances)
    nearest = found.argsort(stable=True)[:STARTS]
    amount = torch.full((STARTS, 1), CANDIDATE_TRUNCATION / MAX_TRUNCATION).logit()
    logits = HEAD_START * torch.eye(styles)[labels[nearest]]
    return _Search(generator, normalise_latents(z[nearest]), logits, amount), NEAR * float(found.median())


def _rounded(search: _Search) -> _Search:
    """One search whose style weights and truncation are those that its recipe can say."""
    generator = search.generator
    weights = blend(generator.config.styles, _style_weights(search))
    amount = torch.tensor([[min(max(_truncation(search) / MAX_TRUNCATION, 1e-4), 1 - 1e-4)]]).logit()
    return _Search(generator, normalise_latents(search.z.detach()), weights.clamp(min=1e-12).log(), amount)


def _style_weights(search: _Search) -> dict[str, float]:
    shares = search.logits[0].detach().softmax(dim=0).tolist()
    return convex(dict(zip(search.generator.config.styles, shares, strict=True)))


def _truncation(search: _Search) -> float:
    return round(float(MAX_TRUNCATION * search.amount[0, 0].detach().sigmoid()), 4)


def _found(search: _Search, target: Target) -> Projected:
    """What a recipe says of one search, and how far the picture is that the recipe paints."""
    generator = search.generator
    z, offset = normalise_latents(search.z.detach()), search.offset.detach()[0]
    text = pack_rows(torch.cat([z, offset]) if offset.any() else z)
    seed = int(hashlib.sha256(text.encode()).hexdigest()[:8], 16)
    latent, weights, truncation = Latent(seed, rows=text), _style_weights(search), _truncation(search)
    with torch.no_grad():
        style = blend(generator.config.styles, weights)
        w = generator.mapping(mix_latents([latent], z.shape[1]), style)
        w = generator.truncate(w, style, truncation)
        w[:, 1:] += mix_offsets([latent], *offset.shape)
        distance = float(target.distances(generator.synthesis(w)))
    return Projected(latent, weights, truncation, distance)
