"""Distances between sets of pictures, as pure functions on features `[N, D]`; the extractor is passed in."""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor


def frechet_distance(first: Tensor, second: Tensor) -> float:
    """Fréchet distance between normal distributions fitted to two sets of features (arXiv:1706.08500).

    |m1 - m2|^2 + tr(C1 + C2 - 2 (C1 C2)^(1/2)), where the last trace is the sum of the singular values of
    X1 X2' / sqrt((n1 - 1)(n2 - 1)) for the centred features X: exact also with fewer pictures than dimensions.
    """
    x1, x2 = first.double(), second.double()
    shift = x1.mean(dim=0) - x2.mean(dim=0)
    x1, x2 = x1 - x1.mean(dim=0), x2 - x2.mean(dim=0)
    n1, n2 = len(x1) - 1, len(x2) - 1
    cross = torch.linalg.svdvals(_shorter(x1) @ _shorter(x2).T).sum() / (n1 * n2) ** 0.5
    return (shift.square().sum() + x1.square().sum() / n1 + x2.square().sum() / n2 - 2 * cross).item()


def _shorter(centred: Tensor) -> Tensor:
    """A matrix with the same X'X and at most D rows (its R factor), so that the singular values stay cheap."""
    return torch.linalg.qr(centred, mode="r").R if len(centred) > centred.shape[1] else centred


def kernel_distance(first: Tensor, second: Tensor) -> float:
    """Unbiased squared maximum mean discrepancy under the kernel (x.y / D + 1)^3 (KID, arXiv:1801.01401)."""
    x, y = first.double(), second.double()

    def kernel(a: Tensor, b: Tensor) -> Tensor:
        return (a @ b.T / a.shape[1] + 1) ** 3

    def mean_off_diagonal(square: Tensor) -> Tensor:
        return (square.sum() - square.diagonal().sum()) / (len(square) * (len(square) - 1))

    within = mean_off_diagonal(kernel(x, x)) + mean_off_diagonal(kernel(y, y))
    return (within - 2 * kernel(x, y).mean()).item()


def mean_pairwise_distance(features: Tensor) -> Tensor:
    """Mean Euclidean distance over all pairs of different rows."""
    return torch.pdist(features.float()).mean()


@torch.inference_mode()
def extract_features(
    extractor: Callable[[Tensor], Tensor], pictures: Tensor, resolution: int, batch_size: int = 32
) -> Tensor:
    """Features `[N, D]` of pictures `[N, 3, H, W]` in [-1, 1], resized to `resolution` first (bicubic, antialiased)."""
    rows = []
    for batch in pictures.split(batch_size):
        if batch.shape[-1] != resolution:
            batch = F.interpolate(batch, size=resolution, mode="bicubic", antialias=True).clamp(-1, 1)
        rows.append(extractor(batch))
    return torch.cat(rows)
