"""Which pictures a step shows: an endless, shuffled, optionally balanced reading that depends on the seed alone."""

import numpy as np


class PictureSampler:
    """Places of an endless reading of `len(labels)` pictures, each epoch shuffled anew from (seed, epoch).

    The order depends on nothing else, so a run that resumes at an image sees what it would have seen. With `balance` b,
    an epoch shows a picture of a style of n pictures in proportion to n**-b: at 0 each picture once, at 1 each style
    equally often, whole repetitions first and the remainder by lot (systematic resampling).
    """

    def __init__(self, labels: np.ndarray, seed: int, balance: float = 0.0):
        shares = np.bincount(labels)[labels].astype(np.float64) ** -balance
        self.bounds = np.cumsum(shares / shares.mean())  # picture i takes the slots from bounds[i - 1] to bounds[i]
        self.seed = seed
        self.known: dict[int, np.ndarray] = {}

    def take(self, start: int, size: int) -> np.ndarray:
        """Indices `int64 [size]` of the pictures at the places from `start` on."""
        places = np.arange(start, start + size)
        epochs, offsets = np.divmod(places, len(self.bounds))
        indices = np.empty(size, dtype=np.int64)
        for epoch in np.unique(epochs).tolist():
            here = epochs == epoch
            indices[here] = self.epoch(epoch)[offsets[here]]
        return indices

    def epoch(self, epoch: int) -> np.ndarray:
        """The order of a whole epoch; the last two are kept."""
        if epoch not in self.known:
            random = np.random.default_rng((self.seed, epoch))
            slots = np.arange(len(self.bounds)) + random.random()
            shown = np.searchsorted(self.bounds, slots, side="right").clip(max=len(self.bounds) - 1)
            self.known = {known: self.known[known] for known in self.known if known == epoch - 1}
            self.known[epoch] = random.permutation(shown)
        return self.known[epoch]
