"""What gradient descent on pictures and latents shares: the loop, its curve, and the pictures that strangers bring."""

import hashlib
import io
import math
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image, ImageDraw
from torch import Tensor

from artmodels.data.collection import MAX_FILE_BYTES
from artmodels.data.decode import FORMATS, LONGEST_SHAPE, MAX_PIXELS, decode_picture, decode_whole, to_tensor
from artmodels.data.sources import read_file

STEPS_WITHOUT_PROGRESS = 60  # steps without progress after which a descent ends
LEAST_PROGRESS = 1e-3  # share of the loss that counts as progress
BETAS = (0.9, 0.99)
HISTORY = 30  # steps that L-BFGS remembers
LINE_SEARCH = 20  # times that it may look along one of its directions
LAST_RATE = 0.1  # share of the learning rate that is left at the end of a descent
CURVE_SIZE = (480, 240)

Result = TypeVar("Result")


@dataclass(frozen=True)
class DescentStep:
    """A descent after a step: whoever asks for no picture pays for none, and may close the generator at any step."""

    step: int  # from 1
    steps: int  # that it takes if nothing stops it
    curve: Sequence[float]  # the loss at each step so far
    picture: Callable[[], Tensor]  # [1, 3, H, W] in [-1, 1], of now
    found: Callable[[], Any]  # what the descent would return now; to keep where somebody stops it
    stopped: str | None = None  # why it ended before its last step

    @property
    def loss(self) -> float:
        return self.curve[-1]


@dataclass
class Descent:
    """How far a descent is that may go through several stages, each with a loss and parameters of its own."""

    steps: int  # of all stages
    curve: list[float]
    planned: int = 0  # steps of the stages so far
    stopped: str | None = None  # why its last stage, or all of it, ended early
    broken: bool = False  # by a loss that was no number

    @classmethod
    def of(cls, steps: int) -> "Descent":
        """One that has not begun.

        Raises:
            ValueError: no step to take.
        """
        if not 1 <= steps <= 100_000:
            raise ValueError(f"steps must be 1 to 100,000, found {steps}")
        return cls(steps, [])

    def run(
        self,
        parameters: Sequence[Tensor],
        loss_of: Callable[[], Tensor],
        picture: Callable[[], Tensor],
        steps: int,
        rate: float | None,
        found: Callable[[], Any] | None = None,
    ) -> Generator[DescentStep, None, None]:
        """One stage: so many steps on `parameters`; yields after each.

        By Adam (arXiv:1412.6980) with a rate that falls as a cosine; without a rate by L-BFGS with a line search
        (Nocedal and Wright, 2006, algorithms 7.5 and 3.5), for losses that are smooth and always the same.

        Ends early where no step of the last `STEPS_WITHOUT_PROGRESS` made progress, and the whole descent where the
        loss or a gradient is no number: the parameters are then those before that step. `found` is what the whole
        descent would return now, if that is not the picture.
        """
        if self.broken:
            return
        self.planned += steps
        if rate is None:
            options: dict[str, Any] = {
                "lr": 1.0,
                "max_iter": 1,
                "max_eval": LINE_SEARCH,
                "history_size": HISTORY,
                "line_search_fn": "strong_wolfe",
            }
            optimizer: torch.optim.Optimizer = torch.optim.LBFGS(parameters, **options)
        else:
            optimizer = torch.optim.Adam(parameters, lr=rate, betas=BETAS)
        evaluate = _Evaluation(parameters, loss_of, remember=rate is None)
        best, best_at = math.inf, 0
        for step in range(steps):
            if rate is not None:
                share = (1 + math.cos(math.pi * step / steps)) / 2
                optimizer.param_groups[0]["lr"] = rate * (LAST_RATE + (1 - LAST_RATE) * share)
            value = _take(optimizer, evaluate)
            if value is None:
                self.broken = True
                self.stopped = f"the loss was no number at step {len(self.curve) + 1}: what was reached before is kept"
                if self.curve:
                    yield self._now(picture, found)
                return
            self.curve.append(value)
            if step == 0 or value < best - LEAST_PROGRESS * abs(best):
                best, best_at = value, step
            elif step - best_at >= STEPS_WITHOUT_PROGRESS:
                if self.planned >= self.steps:
                    self.stopped = f"no progress in the {STEPS_WITHOUT_PROGRESS} steps before step {len(self.curve)}"
                yield self._now(picture, found)
                return
            yield self._now(picture, found)

    def _now(self, picture: Callable[[], Tensor], found: Callable[[], Any] | None) -> DescentStep:
        return DescentStep(len(self.curve), self.steps, self.curve, picture, found or picture, self.stopped)


class _Evaluation:
    """A loss and its gradients; where it is always the same, it is not computed twice in a row at one point.

    L-BFGS asks again at the beginning of a step for what its line search ended with.
    """

    def __init__(self, parameters: Sequence[Tensor], loss_of: Callable[[], Tensor], remember: bool):
        self.parameters, self.loss_of, self.remember = parameters, loss_of, remember
        self.point: list[Tensor] = []

    def __call__(self) -> float:
        if not (self.point and all(map(torch.equal, self.point, self.parameters))):
            self.loss = self.loss_of()
            self.gradients = torch.autograd.grad(self.loss, self.parameters)
            self.point = self.copy() if self.remember else []
        for parameter, gradient in zip(self.parameters, self.gradients, strict=True):
            parameter.grad = gradient.clone()
        return float(self.loss.detach())

    def copy(self) -> list[Tensor]:
        return [parameter.detach().clone() for parameter in self.parameters]


def _take(optimizer: torch.optim.Optimizer, evaluate: _Evaluation) -> float | None:
    """One step: the loss before it; None, and nothing changed, where that or what comes of it is no number."""
    before = evaluate.copy()
    with torch.enable_grad():  # never around a yield: the caller's mode would change with it
        value = float(optimizer.step(evaluate))
    reached = [evaluate.loss, *evaluate.parameters]
    if math.isfinite(value) and all(tensor.isfinite().all() for tensor in reached):
        return value
    with torch.no_grad():
        for parameter, kept in zip(evaluate.parameters, before, strict=True):
            parameter.copy_(kept)
    return None


def finish(steps: Generator[DescentStep, None, Result], show: Callable[[DescentStep], object] | None = None) -> Result:
    """Run a descent to its end, showing each step, and return what it found."""
    while True:
        try:
            progress = next(steps)
        except StopIteration as ended:
            return ended.value
        if show:
            show(progress)


# --- pictures to begin with ------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Input:
    """A picture file that was read: its pixels go into the work, its digest into the recipe."""

    content: bytes
    sha256: str
    name: str  # for messages
    most: int = MAX_PIXELS  # that it may have

    def square(self, side: int) -> Tensor:
        """The centred square `[1, 3, side, side]` in [-1, 1].

        Raises:
            ValueError: it is no picture, or too small or too large.
        """
        return self._tensor(lambda: decode_picture(self.content, side, self.most))

    def whole(self, longest: int) -> Tensor:
        """All of it, `[1, 3, H, W]` in [-1, 1], the longer side `longest` px, at most twice the shorter.

        Raises:
            ValueError: it is no picture, or too small or too large.
        """
        return self._tensor(lambda: decode_whole(self.content, longest, most=self.most))

    def cut_off(self) -> float:
        """The share of its longer side, 0 to 1, that `whole` leaves out.

        Raises:
            ValueError: it is no picture.
        """
        try:
            with Image.open(io.BytesIO(self.content), formats=FORMATS) as opened:
                shorter, longer = sorted(opened.size)
        except (OSError, ValueError, SyntaxError) as error:
            raise ValueError(f"{self.name}: not a readable picture") from error
        return max(0.0, 1 - LONGEST_SHAPE * shorter / longer)

    def _tensor(self, decode: Callable[[], np.ndarray]) -> Tensor:
        try:
            levels = decode()
        except ValueError as error:
            raise ValueError(f"{self.name}: {error}; expected a JPEG, PNG, WebP, AVIF, BMP, TIFF or GIF") from error
        return to_tensor(levels[None].copy())


def read_input(path: Path, most: int = MAX_PIXELS) -> Input:
    """A picture file that somebody brings, of at most so many pixels. What is in it is checked when it is decoded.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it cannot be read, or is too large.
    """
    if not path.is_file():
        raise FileNotFoundError(f"no file {path}: expected a picture")
    try:
        content = read_file(path, MAX_FILE_BYTES)
    except OSError as error:
        raise ValueError(f"{path} cannot be read ({error.strerror})") from error
    if isinstance(content, str):
        raise ValueError(f"{path} is {content}")
    return Input(content, hashlib.sha256(content).hexdigest(), path.name[:100], most)


def check_size(size: int, largest: int = 512) -> None:
    """Raises:
    ValueError: a picture's longer side is out of bounds, or no multiple of 8.
    """
    if not 64 <= size <= largest or size % 8:
        raise ValueError(f"size must be a multiple of 8 from 64 to {largest} px, found {size}: try 256")


# --- pieces of pictures and losses -----------------------------------------------------------------------------------


class Pyramid:
    """A picture as bands of detail, so that one rate of descent moves coarse shapes and fine lines alike.

    After the Laplacian pyramid of Burt and Adelson, 1983, with the mean of 2 x 2 pixels as its filter.
    """

    def __init__(self, picture: Tensor, levels: int):
        self.bands = []
        for _ in range(levels):
            if picture.shape[2] % 2 or picture.shape[3] % 2:
                break
            coarser = F.avg_pool2d(picture, 2)
            self.bands.append(picture - _doubled(coarser))
            picture = coarser
        self.bands.append(picture)
        self.bands = [band.detach().clone().requires_grad_() for band in self.bands]

    def picture(self) -> Tensor:
        """`[1, 3, H, W]`, not yet held within [-1, 1]."""
        picture = self.bands[-1]
        for band in reversed(self.bands[:-1]):
            picture = _doubled(picture) + band
        return picture


def _doubled(pictures: Tensor) -> Tensor:
    return F.interpolate(pictures, scale_factor=2.0, mode="bilinear", align_corners=False)


def total_variation(pictures: Tensor) -> Tensor:
    """Mean absolute difference of neighbouring pixels (Rudin, Osher and Fatemi, 1992)."""
    across, down = pictures[..., 1:] - pictures[..., :-1], pictures[..., 1:, :] - pictures[..., :-1, :]
    return across.abs().mean() + down.abs().mean()


# --- the curve -------------------------------------------------------------------------------------------------------


def draw_curve(curve: Sequence[float]) -> Image.Image:
    """The loss at each step as a small picture, with its first, smallest and last value."""
    width, height = CURVE_SIZE
    image = Image.new("RGB", CURVE_SIZE, "white")
    pen = ImageDraw.Draw(image)
    left, top, right, bottom = 12, 24, width - 12, height - 24
    low, high = min(curve), max(curve)
    pen.rectangle((left, top, right, bottom), outline="#cccccc")
    span = max(high - low, 1e-12)
    points = [
        (left + (right - left) * place / max(len(curve) - 1, 1), bottom - (bottom - top) * (value - low) / span)
        for place, value in enumerate(curve)
    ]
    if len(points) > 1:
        pen.line(points, fill="#1f5fa8", width=2)
    else:
        pen.point(points, fill="#1f5fa8")
    pen.text((left, 6), f"loss: first {curve[0]:.4g}, smallest {low:.4g}, last {curve[-1]:.4g}", fill="black")
    pen.text((left, bottom + 6), "step 1", fill="black")
    pen.text((right, bottom + 6), str(len(curve)), fill="black", anchor="ra")
    return image
