"""What a step is made from: pictures, and every number that is drawn by lot, made ready on the CPU one step ahead."""

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from artmodels.data.dataset import ArtDataset
from artmodels.data.sampler import PictureSampler
from artmodels.io.random import seeded_generator
from artmodels.training.augment import CHANGES, half_of
from artmodels.training.config import TrainConfig
from artmodels.training.latents import PictureLatents


@dataclass(frozen=True)
class Batch:
    """One process's share of a step's pictures, and what is drawn for them."""

    levels: Tensor  # uint8 [N, H, W, 3], as they lie on disk: they travel to the device as bytes
    style: Tensor  # [N, styles]
    z: Tensor  # [N, latent_dim], the pictures' latents, blurred
    changes: Tensor  # [N, CHANGES] random numbers: the same augmentation for a picture and its painting

    def each(self, function: Callable[[Tensor], Tensor]) -> "Batch":
        return Batch(*(function(tensor) for tensor in vars(self).values()))

    def to(self, device: torch.device) -> "Batch":
        """On the device, when it gets there: the host does not wait, if the batch lies in pinned memory."""
        return self.each(lambda tensor: tensor.to(device, non_blocking=True))

    def pin(self) -> "Batch":
        return self.each(Tensor.pin_memory)


class BatchSource:
    """The batches of one process of a run, by the images seen before each; a context manager.

    A batch depends on the seed, those images and the rank alone, so a run that resumes goes on with the very numbers.
    While the device works on one, a thread draws the next.
    """

    def __init__(
        self,
        config: TrainConfig,
        dataset: ArtDataset,
        labels: Tensor,
        latents: PictureLatents,
        device: torch.device,
        rank: int = 0,
        processes: int = 1,
    ):
        self.config, self.dataset, self.labels, self.latents, self.device = config, dataset, labels, latents, device
        self.rank, self.size = rank, config.batch_size // processes
        self.one_hot = torch.eye(int(labels.max()) + 1 if config.unconditional else len(dataset.styles))
        self.sampler = PictureSampler(dataset.labels, config.seed, config.balance)
        self.thread = ThreadPoolExecutor(1, "batches")
        self.ahead: tuple[int, Future[Batch]] | None = None

    def __enter__(self) -> "BatchSource":
        return self

    def __exit__(self, *_: object) -> None:
        self.thread.shutdown(cancel_futures=True)

    def take(self, images: int) -> Batch:
        """The batch after so many images, on its way to the device."""
        if self.ahead is None or self.ahead[0] != images:
            self.ahead = (images, self.thread.submit(self.draw, images))
        batch = self.ahead[1].result()
        following = images + self.config.batch_size
        self.ahead = (following, self.thread.submit(self.draw, following))
        return batch.to(self.device)

    def draw(self, images: int) -> Batch:
        """The batch after so many images, in the host's memory; pinned, where there is a GPU to copy it."""
        random = seeded_generator(self.config.seed, images, self.rank)
        indices = self.sampler.take(images + self.rank * self.size, self.size)
        levels = self.dataset.pictures[self.dataset.rows[indices]]
        mirrored = half_of(self.size, random) if self.config.flip else None
        if mirrored is not None:
            levels[mirrored.numpy()] = levels[mirrored.numpy()][:, :, ::-1]
        z = self.latents.take(indices, self.config.latent_dim, random, mirrored)
        z = blur(z, self.config.latent_jitter, random)
        changes = torch.rand(self.size, CHANGES, generator=random)
        style = self.one_hot[self.labels[indices]]
        batch = Batch(torch.from_numpy(np.ascontiguousarray(levels)), style, z, changes)
        return batch.pin() if self.device.type == "cuda" else batch


def blur(latents: Tensor, most: float, random: torch.Generator) -> Tensor:
    """Latents `[N, D]` moved towards random ones, each by a share drawn from 0 to `most`, at the same variance."""
    share = most * torch.rand(len(latents), 1, generator=random)
    return (1 - share**2).sqrt() * latents + share * torch.randn(latents.shape, generator=random)
