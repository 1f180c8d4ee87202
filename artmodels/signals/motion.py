"""What moves in a clip: how much, where, how spread out, and which way. Pure functions on grey frames."""

from dataclasses import dataclass

import numpy as np

from artmodels.signals.video_file import RATE, Clip

NOISE = 0.02  # change of a pixel's grey, of 1, that is a camera's noise
STILL = 1e-4  # energy below which nothing is said to move


@dataclass(frozen=True)
class Motion:
    """Curves `[N]` of one value a frame, `RATE` a second; that of the first frame is the second's.

    `energy` is the mean change of the grey, 0 to 1. `centroid` `[N, 2]` is where the change is, x and y from -1 (left,
    top) to 1. `spread` is how far from there it reaches, 0 to 1. `direction` `[N, 2]` is the flow as the least squares
    have it, in frame widths and heights a second, right and down positive.
    """

    energy: np.ndarray
    centroid: np.ndarray
    spread: np.ndarray
    direction: np.ndarray
    sha256: str
    seconds: float

    @property
    def is_still(self) -> bool:
        return bool(self.energy.max() < STILL)


def watch(clip: Clip) -> Motion:
    """The raw motion, which a reversed clip has reversed; `smoothed` makes any of its curves calmer."""
    grey = clip.frames.astype(np.float32) / 255
    change = np.abs(np.diff(grey, axis=0))
    change = np.where(change > NOISE, change, 0)
    centroid, spread = where(change)
    energy, centroid, spread, direction = (
        np.concatenate([curve[:1], curve]) for curve in (change.mean(axis=(1, 2)), centroid, spread, flow(grey))
    )
    return Motion(energy, centroid, spread, direction, clip.sha256, clip.seconds)


def where(change: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The centre `[N, 2]` of changes `[N, H, W]` and the standard deviation around it `[N]`, in half frames."""
    height, width = change.shape[1:]
    x, y = np.linspace(-1, 1, width), np.linspace(-1, 1, height)
    total = change.sum(axis=(1, 2))
    weight = np.maximum(total, 1e-9)
    columns, rows = change.sum(axis=1), change.sum(axis=2)
    centre = np.stack([columns @ x, rows @ y], axis=1) / weight[:, None]
    variance = (columns @ x**2 + rows @ y**2) / weight - (centre**2).sum(axis=1)
    moving = total > STILL * height * width
    return np.where(moving[:, None], centre, 0), np.where(moving, np.sqrt(variance.clip(0, 2) / 2), 0)


def flow(grey: np.ndarray) -> np.ndarray:
    """The one shift `[N - 1, 2]` that best explains each frame by the one before (Lucas and Kanade 1981).

    Least squares over all pixels, on the mean of both frames' gradients; in frame widths and heights a second.
    """
    both = (grey[1:] + grey[:-1]) / 2
    down, right = np.gradient(both, axis=1), np.gradient(both, axis=2)
    later = grey[1:] - grey[:-1]
    xx, xy, yy = ((a * b).sum(axis=(1, 2)) for a, b in ((right, right), (right, down), (down, down)))
    xt, yt = ((a * later).sum(axis=(1, 2)) for a in (right, down))
    ridge = 1e-3 * (xx + yy) + 1e-6
    xx, yy = xx + ridge, yy + ridge
    solved = np.stack([xy * yt - yy * xt, xy * xt - xx * yt], axis=1) / (xx * yy - xy**2)[:, None]
    height, width = grey.shape[1:]
    return solved / (width, height) * RATE


def smoothed(curve: np.ndarray, seconds: float) -> np.ndarray:
    """A curve `[N, ...]` that follows with a delay: each value mixed into the mean of those before, never after it."""
    share = 1 - np.exp(-1 / (seconds * RATE))
    followed = curve.astype(np.float64)
    for place in range(1, len(followed)):
        followed[place] = followed[place - 1] + share * (followed[place] - followed[place - 1])
    return followed
