"""A latent for each training picture: what it shows and how it is laid out, as whitened components of frozen features.

A generator that learns to paint each picture from its own latent cannot lose any of them, and because these latents are
spread like the random ones that paint later, what lies between them is painted too. The idea of instance-conditioned
GAN (arXiv:2109.05070) and of representation-conditioned generation (arXiv:2312.03701), with principal components as
the representation, so that nothing has to learn how it is distributed.
"""

from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from safetensors import SafetensorError, safe_open
from torch import Tensor
from tqdm import tqdm

from artmodels.data.dataset import ArtDataset
from artmodels.io.safetensors_io import save_weights
from artmodels.models.discriminator import FeatureProjector

LATENTS_NAME = "latents.safetensors"
MOST_FITTED = 10_000  # pictures that the components are found from
SURPLUS = 16  # components more than are kept, by which a randomised decomposition is exact enough
FEW = 8  # pictures of a style, by which the size of its variance is half believed
BATCH = 64


@torch.no_grad()
def look(projector: FeatureProjector, pictures: Tensor) -> list[Tensor]:
    """What latents are made from, `[N, D]` for each kind: content, layout in two sizes, colours. On the CPU."""
    maps = projector.scales(pictures)
    groups = (
        projector.network.pool(maps[-1]),
        F.adaptive_avg_pool2d(maps[-1], 2),
        F.adaptive_avg_pool2d(maps[-2], 4),
        F.adaptive_avg_pool2d(pictures, 8),
    )
    return [group.flatten(1).float().cpu() for group in groups]


@dataclass(frozen=True)
class PictureEncoder:
    """What `look` saw of pictures, and their styles, to latents of zero mean and unit covariance in each style."""

    means: list[Tensor]  # [styles, D] of each kind of features
    scales: list[float]  # by which each kind is divided: its total variance is then 1
    components: Tensor  # [sum of D, K]
    whitening: Tensor  # [styles, K, K], the inverse Cholesky factors of the components' covariances

    def encode(self, features: list[Tensor], labels: Tensor) -> Tensor:
        """What `look` sees `[N, D]` and style labels `[N]` to latents `[N, K]`."""
        centred = [
            (own - mean[labels]) / scale for own, mean, scale in zip(features, self.means, self.scales, strict=True)
        ]
        found = torch.cat(centred, dim=1) @ self.components
        for label in labels.unique().tolist():
            found[labels == label] = found[labels == label] @ self.whitening[label].T
        return found


def fit_encoder(features: list[Tensor], labels: Tensor, most: int, styles: int) -> PictureEncoder:
    """An encoder to at most `most` components of what `look` saw of a collection, `[N, D]`, with style labels `[N]`.

    There are `styles` styles, of each of which there is a picture.

    Features are centred within each style. A style's covariance is mixed with that of all styles, which weighs the more
    the fewer pictures the style has; its latents are then brought to a variance of 1 in the mean.
    """
    count = len(labels)
    of_style = torch.eye(styles)[labels]  # [N, styles]
    pictures = of_style.sum(dim=0).clamp(min=1)
    means = [of_style.T @ own / pictures[:, None] for own in features]
    centred = [own - mean[labels] for own, mean in zip(features, means, strict=True)]
    scales = [max(own.square().sum(dim=1).mean().sqrt().item(), 1e-6) for own in centred]
    together = torch.cat([own / scale for own, scale in zip(centred, scales, strict=True)], dim=1)
    rank = max(1, min(most, count - styles, together.shape[1]))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        components = torch.svd_lowrank(together, q=min(rank + SURPLUS, *together.shape), niter=4)[2][:, :rank]
    found = together @ components
    pooled = found.T @ found / count
    whitening = []
    for label in range(styles):
        own = found[labels == label]
        share = len(own) / (len(own) + 2 * rank)
        covariance = share * own.T @ own / max(len(own), 1) + (1 - share) * pooled
        least = max(1e-6 * covariance.diagonal().mean().item(), 1e-12)  # where each style has one picture, all are 0
        factor = torch.linalg.cholesky(covariance + least * torch.eye(rank))
        inverse = torch.linalg.solve_triangular(factor, torch.eye(rank), upper=False)
        variance = (own @ inverse.T).square().sum() / rank  # times the number of pictures
        whitening.append(inverse / ((variance + FEW) / (len(own) + FEW)).sqrt())
    return PictureEncoder(means, scales, components, torch.stack(whitening))


@dataclass(frozen=True)
class PictureLatents:
    """What is told of a collection's pictures, `[N, K]`, and of the same pictures mirrored, or None."""

    latents: Tensor
    mirrored: Tensor | None = None

    def take(self, indices: np.ndarray, latent_dim: int, random: torch.Generator, mirrored: Tensor | None) -> Tensor:
        """Latents `[B, latent_dim]` of some pictures; `mirrored` `[B]` says which are shown left to right.

        What is told of a picture comes first, the rest is random, and another each time.
        """
        chosen = self.latents[indices]
        if mirrored is not None and self.mirrored is not None:
            chosen = torch.where(mirrored[:, None], self.mirrored[indices], chosen)
        rest = torch.randn(len(chosen), latent_dim - chosen.shape[1], generator=random)
        return torch.cat([chosen, rest], dim=1)


def components_for(labels: Tensor, latent_dim: int) -> int:
    """How many numbers should tell of each picture, where `labels` `[N]` are the styles: one for each in a style.

    A random latent is painted well where it lies near those of pictures. A handful of pictures in a hundred dimensions
    are far from almost everything.
    """
    return min(latent_dim, len(labels) // len(labels.unique()))


def chosen_to_fit(labels: Tensor) -> np.ndarray:
    """Places of the pictures that components are found from: all, or some of each style; `labels` `[N]` are theirs."""
    count = len(labels)
    if count <= MOST_FITTED:
        return np.arange(count)
    spread = np.arange(MOST_FITTED) * count // MOST_FITTED
    first = [np.flatnonzero(labels == label)[:FEW] for label in labels.unique()]
    return np.unique(np.concatenate([spread, *first]))


def latents_of(
    projector: FeatureProjector, dataset: ArtDataset, labels: Tensor, components: int, flip: bool, quiet: bool = True
) -> PictureLatents:
    """Look at a collection, of whose pictures `labels` `[N]` are the styles, and tell of each in so many numbers.

    There are fewer where the pictures do not differ in as many ways.
    """
    device = next(projector.parameters()).device
    count = len(dataset)

    def look_at(indices: np.ndarray, mirrored: bool) -> list[Tensor]:
        pictures = dataset.batch(indices, device)
        return look(projector, pictures.flip(3) if mirrored else pictures)

    def look_at_all(indices: np.ndarray) -> list[Tensor]:
        with tqdm(
            total=len(indices), desc="looking at the pictures", unit=" pictures", leave=False, disable=quiet
        ) as bar:
            seen = []
            for part in np.array_split(indices, max(1, len(indices) // BATCH)):
                seen.append(look_at(part, mirrored=False))
                bar.update(len(part))
        return [torch.cat(group) for group in zip(*seen, strict=True)]

    fitted = chosen_to_fit(labels)
    features = look_at_all(fitted)
    encoder = fit_encoder(features, labels[fitted], components, int(labels.max()) + 1)

    def encode_all(mirrored: bool) -> Tensor:
        if not mirrored and len(fitted) == count:
            return encoder.encode(features, labels)
        parts = np.array_split(np.arange(count), max(1, count // BATCH))
        return torch.cat([encoder.encode(look_at(part, mirrored), labels[part]) for part in parts])

    return PictureLatents(encode_all(mirrored=False), encode_all(mirrored=True) if flip else None)


def keep_latents(
    output: Path,
    projector: FeatureProjector,
    dataset: ArtDataset,
    labels: Tensor,
    components: int,
    flip: bool,
    quiet: bool,
) -> PictureLatents:
    """A run's latents, found once and kept in its folder: every resume goes on with the same numbers.

    Raises:
        OSError: the folder cannot be written.
    """
    path = output / LATENTS_NAME
    of = f"{dataset.digest} {components} {projector.feature_resolution} {labels.max().item()} {flip}"
    with suppress(SafetensorError, OSError, LookupError), safe_open(path, "pt", backend="pread") as file:
        if (file.metadata() or {}).get("of") == of:
            return PictureLatents(**{name: file.get_tensor(name) for name in file.keys()})  # noqa: SIM118
    found = latents_of(projector, dataset, labels, components, flip, quiet)
    tensors = {name: tensor for name, tensor in vars(found).items() if tensor is not None}
    save_weights(tensors, path, metadata={"of": of})
    return found
