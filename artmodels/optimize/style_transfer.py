"""Style transfer: a picture repainted in the style of another, or of one of a model's styles, by gradient descent.

After Gatys et al., arXiv:1508.06576, with a small network's features. Those of mobile networks carry style worse
than VGG's under Gram matrices, whose few large entries they overfit; compared as distributions along many directions
(sliced Wasserstein, arXiv:2006.07229), which outliers cannot rule, they carry it well.
"""

from collections.abc import Generator, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor
from tqdm import tqdm

from artmodels.data.dataset import ArtDataset
from artmodels.data.decode import resized
from artmodels.generate.recipe import is_number
from artmodels.hub.companions.style_statistics import (
    DIRECTIONS,
    PALETTE_DIRECTIONS,
    QUANTILES,
    SIZES,
    StyleRepresentation,
)
from artmodels.models.efficientnet import EfficientNetLite
from artmodels.optimize.descent import Descent, DescentStep, Pyramid, check_size, total_variation

STYLE, CONTENT, PALETTE = 3.0, 1.5, 30.0  # weights of the losses
SMOOTH, SMOOTH_COLOURS = 0.2, 2.0  # of total variation, of all and of the colours beside grey
OVERFLOW = 10.0  # of what lies outside [-1, 1]
RATE = 0.02
LEVELS = 3  # of the picture's pyramid
COARSE_SHARE = 0.55  # of the steps, at half the size
STEP_PIXELS = 32_000  # that would take as long as what any step does besides, measured at 256 and 512 px
JITTER = 8  # px by which the picture is shifted at random, so that no grid of the network shows
MOST_POSITIONS = 4096  # of a layer's map that are compared, or so
FAINT = 0.02  # scale of a feature that hardly varies
BATCH = 32  # paintings looked at at once
STEPS_A_LEVEL = 4  # of 255, to tell one colour from another
COLOUR_KEY = torch.tensor([1, 2**12, 2**24])  # of its steps, to one number
TYPICAL = 4  # paintings of a style that its representation is taken from


@dataclass(frozen=True)
class TransferSettings:
    """How a transfer is done.

    Raises:
        ValueError: a value is out of bounds.
    """

    size: int = 256  # px of the longer side
    steps: int = 130
    strength: float = 1.0  # of the style, against the content
    seed: int = 0

    def __post_init__(self):
        check_size(self.size)
        if not 2 <= self.steps <= 2000:
            raise ValueError(f"steps must be 2 to 2000, found {self.steps}: try 130")
        if not (is_number(self.strength) and 0 < self.strength <= 10):
            raise ValueError(f"strength must be above 0 and at most 10, found {self.strength}: try 1")
        if not 0 <= self.seed < 2**32:
            raise ValueError(f"seed must be at least 0 and below 2**32, found {self.seed}")


def transfer(
    network: EfficientNetLite, photo: Tensor, representations: Sequence[StyleRepresentation], settings: TransferSettings
) -> Generator[DescentStep, None, Tensor]:
    """Repaint `photo: [1, 3, H, W]` in a style; yields each step, and returns the picture, of the same size.

    `representations` holds the style at half the size and at the full size (see `style_representations`), or one for
    both. The descent goes over the bands of the picture itself, first at half its size, from the photo in the colours
    of the style.
    """
    descent = Descent.of(settings.steps)
    generator = torch.Generator().manual_seed(settings.seed)
    coarse = max(1, round(settings.steps * COARSE_SHARE))
    height, width = photo.shape[2:]
    picture: Tensor | None = None
    for representation, side, steps in (
        (representations[0], (height // 2, width // 2), coarse),
        (representations[-1], (height, width), settings.steps - coarse),
    ):
        content = resized(photo, *side).clamp(-1, 1)
        picture = recolour(content, representation) if picture is None else resized(picture, *side)
        pyramid = Pyramid(picture, LEVELS)
        stage = _Loss(network, content, representation, settings.strength, generator)

        def loss(stage: _Loss = stage, pyramid: Pyramid = pyramid) -> Tensor:
            return stage(pyramid.picture())

        def current(pyramid: Pyramid = pyramid) -> Tensor:
            with torch.no_grad():
                return resized(pyramid.picture(), height, width).clamp(-1, 1)

        yield from descent.run(pyramid.bands, loss, current, steps, RATE)
        with torch.no_grad():
            picture = pyramid.picture().clamp(-1, 1)
    assert picture is not None
    return resized(picture, height, width).clamp(-1, 1)


def share_of_time(share: float, pixels: int) -> float:
    """Of the time of a transfer to so many pixels, what has passed after a share of its steps, both 0 to 1."""
    coarse_time = (STEP_PIXELS + pixels / 4) / (STEP_PIXELS + pixels)  # of a step at half the size
    coarse = coarse_time * min(share, COARSE_SHARE)
    whole = coarse_time * COARSE_SHARE + 1 - COARSE_SHARE
    return (coarse + max(share - COARSE_SHARE, 0.0)) / whole


class _Loss:
    """What a stage of a transfer descends."""

    def __init__(
        self,
        network: EfficientNetLite,
        content: Tensor,
        representation: StyleRepresentation,
        strength: float,
        generator: torch.Generator,
    ):
        self.network, self.representation, self.strength, self.generator = network, representation, strength, generator
        self.photo = content
        self.contents: dict[tuple[int, int], Tensor] = {}  # of the photo, by how it is shifted
        self.content_scale = self._content((0, 0)).var().clamp(min=FAINT)

    def __call__(self, picture: Tensor) -> Tensor:
        inside = picture.clamp(-1, 1)
        overflow = (picture - inside).square().mean()
        down, right = torch.randint(JITTER, (2,), generator=self.generator).tolist()
        maps, content = self.network.textures(inside.roll((down, right), (2, 3)).contiguous())
        content_loss = (content - self._content((down, right))).square().mean() / self.content_scale
        colours = inside - inside.mean(dim=1, keepdim=True)
        return (
            STYLE * self.strength * self._distance(maps)
            + CONTENT * content_loss
            + PALETTE * self.strength * _between(_palette(inside), self.representation.palette)
            + SMOOTH * total_variation(inside)
            + SMOOTH_COLOURS * total_variation(colours)
            + OVERFLOW * overflow
        )

    @torch.no_grad()
    def _content(self, shift: tuple[int, int]) -> Tensor:
        """The photo's content under a shift, which is looked at once: it changes as the picture's does."""
        if shift not in self.contents:
            self.contents[shift] = self.network.textures(self.photo.roll(shift, (2, 3)).contiguous())[1]
        return self.contents[shift]

    def _distance(self, maps: Sequence[Tensor]) -> Tensor:
        total = torch.zeros(())
        for layer, features in enumerate(maps):
            start = torch.randint(2, (2,), generator=self.generator).tolist()
            if features.shape[2] * features.shape[3] > MOST_POSITIONS:
                features = features[:, :, start[0] :: 2, start[1] :: 2]
            mean, scale = self.representation.means[layer], self.representation.scales[layer]
            total = total + _between(_along(features[0], mean, scale), self.representation.quantiles[layer])
        return total


# --- styles ---------------------------------------------------------------------------------------------------------


@torch.no_grad()
def style_representation(network: EfficientNetLite, pictures: Tensor) -> StyleRepresentation:
    """The style of pictures `[N, 3, H, W]` in [-1, 1]; of several, the mean of each quantile."""
    maps = [network.textures(picture[None])[0] for picture in pictures]
    means, scales, quantiles = [], [], []
    for of_layer in zip(*maps, strict=True):
        features = torch.cat([features[0].flatten(1) for features in of_layer], dim=1)  # [C, positions]
        variance = features.var(dim=1, correction=0)
        means.append(features.mean(dim=1))
        scales.append((variance + variance.mean() / 2).sqrt().clamp(min=FAINT))  # faint features count less
        along = [_along(features[0], means[-1], scales[-1]) for features in of_layer]
        quantiles.append(torch.stack(along).mean(dim=0))
    palette = torch.stack([_palette(picture[None]) for picture in pictures]).mean(dim=0)
    return StyleRepresentation(tuple(means), tuple(scales), tuple(quantiles), palette)


def style_representations(network: EfficientNetLite, small: Tensor, large: Tensor) -> list[StyleRepresentation]:
    """The style of one picture at half the size of a transfer, and at its full size."""
    return [style_representation(network, small), style_representation(network, large)]


def style_distance(network: EfficientNetLite, picture: Tensor, representation: StyleRepresentation) -> float:
    """How far the textures of `[1, 3, H, W]` are from a style: 0 the same, about 1 a layer from another painter's."""
    with torch.no_grad():
        own = [
            _along(features[0], representation.means[layer], representation.scales[layer])
            for layer, features in enumerate(network.textures(picture)[0])
        ]
        distances = [_between(found, wanted) for found, wanted in zip(own, representation.quantiles, strict=True)]
    return float(torch.stack(distances).mean())


def content_distance(network: EfficientNetLite, picture: Tensor, photo: Tensor) -> float:
    """How far the content of `[1, 3, H, W]` is from a photo's: 0 the same, about 2 for another photo's."""
    with torch.no_grad():
        own, wanted = network.textures(picture)[1], network.textures(photo)[1]
    return float((own - wanted).square().mean() / wanted.var().clamp(min=FAINT))


def typical_paintings(data: ArtDataset, features: Tensor, count: int = TYPICAL) -> list[list[int]]:
    """For each style of a data set, the `count` paintings that are most of all like it and unlike the other styles.

    `features [N, D]` are pooled ones. A painting's place is the difference of its distances from the mean of all and
    from that of its style, in units of how features vary within styles (linear discriminant, Fisher 1936, with a
    diagonal covariance).
    """
    labels = torch.from_numpy(data.labels)
    means = torch.stack([features[labels == label].mean(dim=0) for label in range(len(data.styles))])
    within = (features - means[labels]).var(dim=0).clamp(min=1e-6)
    overall = features.mean(dim=0)
    chosen = []
    for label in range(len(data.styles)):
        own = (labels == label).nonzero()[:, 0]
        direction = (means[label] - overall) / within
        order = ((features[own] - overall) @ direction).argsort(descending=True, stable=True)
        chosen.append(own[order[:count]].tolist())
    return chosen


def find_style_representations(
    network: EfficientNetLite, data: ArtDataset, styles: Sequence[str]
) -> list[list[StyleRepresentation]]:
    """The representation of each of a model's styles at each of `SIZES`, from its most typical paintings in a data set.

    Of a few, since the mean of many is nobody's.

    Raises:
        ValueError: the data set has no pictures of a style.
    """
    if missing := [style for style in styles if style not in data.styles]:
        raise ValueError(
            f"no pictures of {missing[0]!r} in the data, which has: {', '.join(data.styles)[:300]}; "
            "give the pictures that the model was trained on"
        )
    batches = [np.arange(start, min(start + BATCH, len(data))) for start in range(0, len(data), BATCH)]
    with torch.no_grad():
        features = torch.cat([network(data.batch(batch)) for batch in tqdm(batches, desc="looking", unit=" batches")])
    chosen = typical_paintings(data, features)
    paintings = [data.batch(np.array(chosen[data.styles.index(style)])) for style in styles]
    return [
        [style_representation(network, resized(batch, side, side).clamp(-1, 1)) for side in SIZES]
        for batch in paintings
    ]


@cache
def _directions(count: int, dim: int) -> Tensor:
    """Unit vectors `[count, dim]`, always the same."""
    drawn = torch.randn(count, dim, generator=torch.Generator().manual_seed(1000 * count + dim))
    return F.normalize(drawn, dim=1)


def _along(features: Tensor, mean: Tensor, scale: Tensor) -> Tensor:
    """Quantiles `[DIRECTIONS, QUANTILES]` of features `[C, H, W]`, brought to a mean and a scale `[C]`."""
    values = (features.flatten(1) - mean[:, None]) / scale[:, None]
    return _quantiles(_directions(DIRECTIONS, len(values)) @ values)


def _palette(picture: Tensor) -> Tensor:
    """Quantiles `[PALETTE_DIRECTIONS, QUANTILES]` of the colours of `[1, 3, H, W]`."""
    thinned = F.avg_pool2d(picture, 2) if picture.shape[2] * picture.shape[3] > 4 * MOST_POSITIONS else picture
    return _quantiles(_directions(PALETTE_DIRECTIONS, 3) @ thinned[0].flatten(1))


def _quantiles(values: Tensor) -> Tensor:
    """`[D, N]` to `[D, QUANTILES]`: means of equal shares of the sorted values."""
    ordered = values.sort(dim=1).values[None]
    if ordered.shape[2] < QUANTILES:
        return F.interpolate(ordered, size=QUANTILES, mode="linear", align_corners=False)[0]
    return F.adaptive_avg_pool1d(ordered, QUANTILES)[0]


def _between(own: Tensor, wanted: Tensor) -> Tensor:
    """Mean squared difference of quantiles: the squared sliced Wasserstein distance of order 2."""
    return (own - wanted).square().mean()


def recolour(picture: Tensor, representation: StyleRepresentation, rounds: int = 8) -> Tensor:
    """A picture `[1, 3, H, W]` in the palette of a style: its colours moved along each direction in turn.

    Iterative distribution transfer (Pitié et al., 2007), which leaves the order of the values along a direction alone.
    Pixels of one colour keep one: their rank is the mean of their ranks, so that a plain ground stays plain.
    """
    start = picture[0].flatten(1)  # [3, pixels]
    steps = ((start + 1) * 127.5 * STEPS_A_LEVEL).round().long()
    _, which, counts = torch.unique(steps.T @ COLOUR_KEY, return_inverse=True, return_counts=True)
    palette = torch.zeros(3, len(counts)).index_add(1, which, start) / counts  # [3, colours]
    colours = palette.clone()
    directions = _directions(PALETTE_DIRECTIONS, 3)
    for _ in range(rounds):
        moves = torch.zeros_like(colours)
        for direction, wanted in zip(directions, representation.palette, strict=True):
            along = direction @ colours
            order = along.argsort(stable=True)
            rank = torch.empty_like(along)
            rank[order] = (counts[order].cumsum(0) - counts[order] / 2) / counts.sum()
            moves += direction[:, None] * (_at_rank(rank, wanted) - along)[None]
        colours += 3 * moves / len(directions)  # in three dimensions, a third of a move shows along any one direction
    return (start + (colours - palette)[:, which]).view_as(picture).clamp(-1, 1)


def _at_rank(rank: Tensor, quantiles: Tensor) -> Tensor:
    """The values at ranks in [0, 1] between the means of equal shares, each of which stands at its share's middle."""
    place = rank * len(quantiles) - 0.5
    low = place.floor().long().clamp(0, len(quantiles) - 2)
    return torch.lerp(quantiles[low], quantiles[low + 1], place - low)
