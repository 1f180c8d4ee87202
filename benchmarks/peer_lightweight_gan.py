"""Drive lightweight-gan's own Trainer, with the defaults of its command line, for a given time.

python benchmarks/peer_lightweight_gan.py --pictures pictures.npy --folder work/lightweight-gan --seconds 1800 \
    --samples 512

The package refuses to start without CUDA, though nothing in its networks needs it: on a machine without a GPU this
process answers its question with yes and keeps every tensor where it is. Its sheets of samples are not painted, and
pictures come from memory instead of files, so all of its time goes into training.
"""

import random
from collections.abc import Iterator
from types import ModuleType

import numpy as np
import torch
from peer_runs import Order, drive, read_order, shuffled_batches
from torch import Tensor, nn

SEED = 42  # its command line's
COMMAND_LINE_DEFAULTS = {
    "batch_size": 10,
    "gradient_accumulate_every": 4,
    "attn_res_layers": [32],
    "disc_output_size": 1,
    "aug_types": ["cutout", "translation"],
    "use_aim": False,
}
SMALL_SET, AUGMENTATION_SLOPE, MAX_AUGMENTATION = 1e5, 3e-6, 0.5  # Trainer.set_data_src
EMA_STARTS_AFTER = 20_000  # steps; Trainer.train updates the average only from there on
SETTINGS = (
    "its Trainer with the defaults of its command line: batch 10, 4 batches accumulated, Adam 2e-4, attention at "
    "32 px, DiffAugment (translation, cutout) with the probability it sets itself for a set of this size; samples from "
    "its moving average, which its Trainer starts after 20,000 steps, before that from the generator itself; "
    "unconditional"
)


class TorchOnCpu:
    """The torch module, save that every device is the CPU."""

    def __getattr__(self, name: str):
        return getattr(torch, name)

    def device(self, *_: object) -> torch.device:
        return torch.device("cpu")


def import_package() -> ModuleType:
    """lightweight_gan's module, on a GPU as it is, without one persuaded to compute on the CPU."""
    if torch.cuda.is_available():
        from lightweight_gan import lightweight_gan

        return lightweight_gan
    ask_for_cuda = torch.cuda.is_available
    torch.cuda.is_available = lambda: True  # asserted at import
    try:
        from lightweight_gan import lightweight_gan
    finally:
        torch.cuda.is_available = ask_for_cuda
    lightweight_gan.torch = TorchOnCpu()
    for owner, name in ((nn.Module, "cuda"), (Tensor, "cuda")):
        setattr(owner, name, lambda self, *_, **__: self)
    return lightweight_gan


def floats(batches: Iterator[np.ndarray]) -> Iterator[Tensor]:
    """`uint8 [N, H, W, 3]` to float `[N, 3, H, W]` in [0, 1], as its data set gives them."""
    for batch in batches:
        yield torch.from_numpy(batch).permute(0, 3, 1, 2).float().div_(255).contiguous()


def main(order: Order) -> None:
    package = import_package()
    from retry.api import retry_call

    random.seed(SEED)
    torch.manual_seed(SEED)
    trainer = package.Trainer(
        name="run", base_dir=order.folder, image_size=order.pictures.shape[1], **COMMAND_LINE_DEFAULTS
    )
    trainer.init_GAN()
    trainer.loader = floats(shuffled_batches(order.pictures, trainer.batch_size, SEED))
    trainer.aug_prob = min(MAX_AUGMENTATION, max(0, SMALL_SET - len(order.pictures)) * AUGMENTATION_SLOPE)
    trainer.evaluate = lambda *_, **__: None

    def step() -> int:
        retry_call(trainer.train, tries=3, exceptions=package.NanException)
        return trainer.batch_size * trainer.gradient_accumulate_every

    def sample(first: int, count: int) -> np.ndarray:
        trainer.GAN.eval()
        generator = trainer.GAN.GE if trainer.steps > EMA_STARTS_AFTER else trainer.GAN.G
        latents = torch.randn(count, trainer.latent_dim, generator=torch.Generator().manual_seed(first))
        painted = trainer.generate_(generator, latents.cuda())  # [N, 3, H, W] in [0, 1]
        return painted.mul(255).round().to(torch.uint8).permute(0, 2, 3, 1).cpu().numpy()

    drive(order, step, sample, True, SETTINGS, ("lightweight-gan", "torch"))


if __name__ == "__main__":
    main(read_order(__doc__))
