"""Dreaming: a picture pushed towards a style by the gradient of a classifier that tells styles apart.

After DeepDream (Mordvintsev et al., 2015): small sizes first (octaves), the picture shifted at random at each step
(jitter). Beside the score, total variation and a bound on the change keep it a picture; views of several shifts and
sizes keep it from being noise that only this one classifier takes for the style.
"""

from collections.abc import Callable, Generator
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from artmodels.data.decode import resized
from artmodels.generate.recipe import SEED_LIMIT, is_number
from artmodels.optimize.descent import Descent, DescentStep, Pyramid, check_size, total_variation

RATE = 0.03
LEVELS = 4  # of the picture's pyramid
OCTAVES = (0.5, 0.75, 1.0)  # of the size, one after the other
VIEWS = 4  # of the picture at each step
ZOOM = 0.25  # by which a view is enlarged at most
SMOOTH, SMOOTH_COLOURS = 3.0, 10.0  # of total variation, of all and of the colours beside grey
FAITHFUL = 4.0  # weight of the mean square of the change, its fine detail not counted
LARGEST_CHANGE = 0.6  # of any pixel, at strength 1
CERTAIN = 0.02  # cross-entropy below which the classifier is sure: there is nothing left to climb
OVERFLOW = 10.0

Score = Callable[[Tensor], Tensor]  # pictures [N, 3, side, side] in [-1, 1] -> logits [N, styles]


@dataclass(frozen=True)
class DreamSettings:
    """How a dream is dreamt.

    Raises:
        ValueError: a value is out of bounds.
    """

    size: int = 256  # px of the longer side
    steps: int = 120
    strength: float = 1.0  # how far the picture may go
    seed: int = 0

    def __post_init__(self):
        check_size(self.size)
        if not len(OCTAVES) <= self.steps <= 2000:
            raise ValueError(f"steps must be {len(OCTAVES)} to 2000, found {self.steps}: try 120")
        if not (is_number(self.strength) and 0 < self.strength <= 4):
            raise ValueError(f"strength must be above 0 and at most 4, found {self.strength}: try 1")
        if not 0 <= self.seed < SEED_LIMIT:
            raise ValueError(f"seed must be at least 0 and below 2**32, found {self.seed}")


def dream(
    picture: Tensor, score: Score, side: int, label: int, settings: DreamSettings
) -> Generator[DescentStep, None, Tensor]:
    """Push `picture: [1, 3, H, W]` towards the style of a label; yields each step, and returns the picture.

    `score` gives the logits of pictures of `side` px.

    Raises:
        ValueError: there is no such label.
    """
    with torch.no_grad():
        styles = score(resized(picture, side, side).clamp(-1, 1)).shape[1]
    if not 0 <= label < styles:
        raise ValueError(f"the classifier tells {styles} styles apart, so there is no style number {label}")
    descent = Descent.of(settings.steps)
    generator = torch.Generator().manual_seed(settings.seed)
    height, width = picture.shape[2:]
    change = torch.zeros_like(picture)
    done = 0
    for number, octave in enumerate(OCTAVES, start=1):
        steps = round(settings.steps * number / len(OCTAVES)) - done
        done += steps
        size = (_even(height * octave), _even(width * octave)) if octave < 1 else (height, width)
        here = resized(picture, *size).clamp(-1, 1)
        pyramid = Pyramid(resized(change, size[0] // 2, size[1] // 2), LEVELS)
        dreamt = _Dream(here, pyramid, settings.strength)

        def loss(dreamt: _Dream = dreamt) -> Tensor:
            views = _views(dreamt.picture(), side, generator)
            wanted = torch.full((len(views),), label)
            return F.cross_entropy(score(views), wanted).clamp(min=CERTAIN) + dreamt.cost()

        def current(dreamt: _Dream = dreamt) -> Tensor:
            with torch.no_grad():
                return (picture + resized(dreamt.change(), height, width)).clamp(-1, 1)

        yield from descent.run(pyramid.bands, loss, current, steps, RATE)
        with torch.no_grad():
            change = dreamt.change()
    return (picture + resized(change, height, width)).clamp(-1, 1)


class _Dream:
    """A picture, and a change of it that is bounded, and half as fine: the finest detail is where noise would hide."""

    def __init__(self, original: Tensor, pyramid: Pyramid, strength: float):
        self.original, self.pyramid, self.strength = original, pyramid, strength

    def change(self) -> Tensor:
        bound = LARGEST_CHANGE * self.strength
        change = resized(self.pyramid.picture(), *self.original.shape[2:])
        return bound * torch.tanh(change / bound)

    def picture(self) -> Tensor:
        return self.original + self.change()

    def cost(self) -> Tensor:
        """What a change costs: away from the original's shapes, into noise, out of [-1, 1]."""
        change = self.change()
        picture = self.original + change
        colours = picture - picture.mean(dim=1, keepdim=True)
        # the original's own variation is free
        noise = F.relu(total_variation(picture) - total_variation(self.original))
        motley = F.relu(total_variation(colours) - total_variation(self.original - self.original.mean(1, keepdim=True)))
        coarse = F.avg_pool2d(change, 4, ceil_mode=True).square().mean()
        overflow = (picture - picture.clamp(-1, 1)).square().mean()
        return SMOOTH * noise + SMOOTH_COLOURS * motley + FAITHFUL / self.strength * coarse + OVERFLOW * overflow


def _views(picture: Tensor, side: int, generator: torch.Generator) -> Tensor:
    """The picture as the classifier sees it, a little nearer and beside each time: `[VIEWS, 3, side, side]`."""
    height, width = picture.shape[2:]
    views = []
    for _ in range(VIEWS):
        near, down, right, mirror = torch.rand(4, generator=generator).tolist()
        share = 1 / (1 + ZOOM * near)
        rows, columns = max(8, round(height * share)), max(8, round(width * share))
        top, left = round((height - rows) * down), round((width - columns) * right)
        view = resized(picture[:, :, top : top + rows, left : left + columns], side, side)
        views.append(view.flip(3) if mirror < 0.5 else view)
    return torch.cat(views).clamp(-1, 1)


def _even(length: float) -> int:
    return max(8, 8 * round(length / 8))
