"""Train diffusers' unconditional UNet as its example does, for a given time.

python benchmarks/peer_diffusers.py --pictures pictures.npy --folder work/diffusers --seconds 1800 --samples 512

Network, noise, optimizer, schedule and average are those of diffusers' examples/unconditional_image_generation and of
the command in its README (batch 16, --random_flip, --use_ema). Samples: 50 steps of DDIM from the average. On a CPU a
picture takes seconds, so there only the last snapshot is painted.
"""

import numpy as np
import torch
import torch.nn.functional as F
from diffusers import DDIMPipeline, DDIMScheduler, DDPMScheduler, UNet2DModel
from diffusers.optimization import get_scheduler
from diffusers.training_utils import EMAModel
from peer_runs import Order, drive, read_order, shuffled_batches

SEED = 0
BATCH = 16
EPOCHS = 100  # of the learning rate's cosine
WARMUP_STEPS = 500
DDIM_STEPS = 50
SETTINGS = (
    "UNet2DModel (128, 128, 256, 256, 512, 512), attention in the fifth level, DDPM of 1000 steps, AdamW 1e-4 with "
    "500 steps of warm-up, batch 16, random flips, EMA as in its example; samples by 50 steps of DDIM; unconditional"
)


def build_unet(resolution: int) -> UNet2DModel:
    """The network of diffusers' example."""
    return UNet2DModel(
        sample_size=resolution,
        in_channels=3,
        out_channels=3,
        layers_per_block=2,
        block_out_channels=(128, 128, 256, 256, 512, 512),
        down_block_types=(*["DownBlock2D"] * 4, "AttnDownBlock2D", "DownBlock2D"),
        up_block_types=("UpBlock2D", "AttnUpBlock2D", *["UpBlock2D"] * 4),
    )


def main(order: Order) -> None:
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    torch.manual_seed(SEED)
    unet = build_unet(order.pictures.shape[1]).to(device)
    noise_scheduler = DDPMScheduler(num_train_timesteps=1000)
    optimizer = torch.optim.AdamW(unet.parameters(), lr=1e-4, betas=(0.95, 0.999), weight_decay=1e-6, eps=1e-8)
    steps = -(-len(order.pictures) // BATCH) * EPOCHS
    schedule = get_scheduler("cosine", optimizer, num_warmup_steps=WARMUP_STEPS, num_training_steps=steps)
    ema = EMAModel(unet.parameters(), decay=0.9999, use_ema_warmup=True, inv_gamma=1.0, power=3 / 4)
    batches = shuffled_batches(order.pictures, BATCH, SEED)

    def step() -> int:
        clean = torch.from_numpy(next(batches)).permute(0, 3, 1, 2).float().div_(127.5).sub_(1).contiguous()
        flipped = torch.rand(len(clean), 1, 1, 1) < 0.5
        clean = torch.where(flipped, clean.flip(3), clean).to(device)
        noise = torch.randn(clean.shape).to(device)
        timesteps = torch.randint(noise_scheduler.config.num_train_timesteps, (len(clean),), device=device)
        predicted = unet(noise_scheduler.add_noise(clean, noise, timesteps), timesteps).sample
        loss = F.mse_loss(predicted, noise)
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(unet.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        ema.step(unet.parameters())
        loss.item()  # its example logs each step, which waits for the device
        return BATCH

    def sample(first: int, count: int) -> np.ndarray:
        ema.store(unet.parameters())
        ema.copy_to(unet.parameters())
        pipeline = DDIMPipeline(unet, DDIMScheduler.from_config(noise_scheduler.config))
        pipeline.set_progress_bar_config(disable=True)
        painted = pipeline(
            batch_size=count,
            generator=torch.Generator(device).manual_seed(first),
            num_inference_steps=DDIM_STEPS,
            output_type="np",
        ).images  # [N, H, W, 3] in [0, 1]
        ema.restore(unet.parameters())
        return (painted * 255).round().astype(np.uint8)

    drive(order, step, sample, device.type == "cuda", SETTINGS, ("diffusers", "torch"))


if __name__ == "__main__":
    main(read_order(__doc__))
