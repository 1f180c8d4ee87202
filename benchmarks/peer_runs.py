"""What the drivers of the peers share: the order they get, the training clock, the snapshots they leave.

python benchmarks/peer_NAME.py --pictures pictures.npy --folder work/NAME --seconds 1800 --samples 512

Runs in the peers' own virtual environment: imports nothing of artmodels.
"""

import argparse
import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import numpy as np
from tqdm import tqdm

AT_ONCE = 16  # pictures that a sampler paints at a time; the fastest such part tells its speed
HALVINGS = 5  # snapshots at the budget, half of it, a quarter, ... down to 1/32
FINISHED_NAME = "driver.json"  # there when a driver has done all of its work


@dataclass(frozen=True)
class Order:
    """What a driver is to do."""

    pictures: np.ndarray  # uint8 [N, 64, 64, 3]
    folder: Path  # where everything goes
    seconds: float  # of training, sampling not counted
    samples: int  # pictures a snapshot


def read_order(description: str) -> Order:
    """The order from the command line."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pictures", type=Path, required=True, help="an .npy of uint8 [N, 64, 64, 3]")
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--seconds", type=float, required=True)
    parser.add_argument("--samples", type=int, required=True)
    chosen = parser.parse_args()
    return Order(np.load(chosen.pictures, mmap_mode="r"), chosen.folder, chosen.seconds, chosen.samples)


def shuffled_batches(pictures: np.ndarray, size: int, seed: int) -> Iterator[np.ndarray]:
    """Endless batches, shuffled anew each epoch; what does not fill a batch is left for another epoch."""
    random = np.random.default_rng(seed)
    while True:
        order = random.permutation(len(pictures))
        for start in range(0, len(order) - size + 1, size):
            yield pictures[np.sort(order[start : start + size])]


class TrainingClock:
    """Seconds of training; it stands still while paused."""

    def __init__(self):
        self.started = time.monotonic()

    @property
    def seconds(self) -> float:
        return time.monotonic() - self.started

    @contextmanager
    def paused(self) -> Iterator[None]:
        stopped_at = time.monotonic()
        yield
        self.started += time.monotonic() - stopped_at


def paint_in_parts(sample: Callable[[int, int], np.ndarray], count: int) -> tuple[np.ndarray, float]:
    """`count` pictures, 16 at a time, and the seconds a picture of the fastest part."""
    parts, times = [], []
    for first in tqdm(range(0, count, AT_ONCE), desc="painting", unit=" parts", leave=False):
        began = time.perf_counter()
        parts.append(sample(first, min(AT_ONCE, count - first)))
        times.append((time.perf_counter() - began) / len(parts[-1]))
    return np.concatenate(parts), min(times)


def drive(
    order: Order,
    step: Callable[[], int],
    sample: Callable[[int, int], np.ndarray],
    early_snapshots: bool,
    settings: str,
    packages: tuple[str, ...],
) -> None:
    """Train to the budget, leaving a snapshot there and, on demand, at halves, quarters and so on of it.

    `step()` makes one update, waits for the device and tells how many real images it showed; `sample(first, n)` paints
    the pictures from number `first` on, `uint8 [n, H, W, 3]`. `settings` is for readers of the report, `packages` are
    those whose versions it names.
    """
    snapshots = order.folder / "snapshots"
    snapshots.mkdir(parents=True, exist_ok=True)
    due_times = [order.seconds / 2**halvings for halvings in range(HALVINGS if early_snapshots else 0, -1, -1)]
    images, painted_at, clock = 0, 0, TrainingClock()
    with tqdm(total=round(order.seconds), unit="s", bar_format="{l_bar}{bar}| {n:.0f}/{total} s{postfix}") as bar:
        for due in due_times:
            while clock.seconds < due or not images:
                images += step()
                bar.n = min(clock.seconds, bar.total)
                bar.set_postfix(images=images)
            if images == painted_at:  # one slow step took several due times at once
                continue
            painted_at = images
            with clock.paused():
                seconds = clock.seconds
                pictures, seconds_a_picture = paint_in_parts(sample, order.samples)
                np.save(snapshots / f"images-{images:08d}.npy", pictures)
                figures = {"images": images, "seconds": round(seconds, 2), "seconds_a_picture": seconds_a_picture}
                (snapshots / f"images-{images:08d}.json").write_text(json.dumps(figures))
    versions = {package: version(package) for package in packages}
    finished = {"settings": settings, "versions": versions, "early_snapshots": early_snapshots}
    (order.folder / FINISHED_NAME).write_text(json.dumps(finished))
