"""Everything that a training run is made from: one frozen dataclass and its presets."""

from dataclasses import asdict, dataclass, replace
from typing import Any

from artmodels.generate.recipe import SEED_LIMIT
from artmodels.io.safetensors_io import check_config_types
from artmodels.models.generator import GeneratorConfig

SHORTEST_COMPILED = 3.0  # minutes of a run; compiling alone takes about one
TASKS = ("generator", "classifier", "prompt", "upscaler")  # what train.py trains
PRECISIONS = ("fp32", "bf16")
FEATURE_NETWORKS = (0, 1)
RUN_CONFIG_NAME = "config.json"  # in the run folder
TRACKERS = ("tensorboard", "trackio", "wandb")


@dataclass(frozen=True)
class TrainConfig:
    """All hyperparameters of a run. Amounts are counted in real images that the discriminator saw, over all processes.

    Raises:
        ValueError: a value is of the wrong type, out of range, or does not go with another one.
    """

    preset: str
    resolution: int  # px
    images: int  # budget of the whole run
    batch_size: int  # over all processes
    accumulate: int  # parts in which a process takes its share of the batch, one after the other, to save memory
    width: int  # generator channels at full resolution
    max_channels: int  # generator channels at most
    convs_per_block: int  # generator depth
    latent_dim: int
    feature_network: int  # EfficientNet-Lite0 or -Lite1
    feature_resolution: int  # px at which the frozen network looks
    head_channels: tuple[int, ...]  # of the maps that heads judge, at strides 4, 8, ...: one to four of them
    head_hidden: int  # channels inside a discriminator head
    learning_rate: float  # Adam, of the generator
    heads_learning_rate: float  # Adam, of the discriminator heads
    decay_after: int  # images, after which both rates fall with the root of the images seen; 0: never
    finish: int  # images at the end of the budget, over which both rates fall to nothing
    adversarial_share: float  # of the gradient that the heads give a painting, beside 1 of the reconstruction
    heads_after: int  # images, before which the generator learns from the pictures alone and the heads wait
    latent_jitter: float  # how far a picture's latent may move towards a random one: 0 to 1
    beta1: float  # Adam, of the generator; the heads learn without momentum
    beta2: float  # Adam
    ema_half_life: int  # images after which a weight's share in the average has halved
    ema_ramp_up: float  # the half-life is at most this share of the images seen so far
    checkpoint_every: int  # images
    sample_every: int  # images
    log_every: int  # images
    keep_checkpoints: int  # the last few
    precision: str  # "fp32" or "bf16" (autocast)
    compile: bool  # torch.compile: a minute at the start, faster steps
    unconditional: bool  # all styles as one
    balance: float  # 0: each picture as often; 1: each style as often, however few its pictures
    flip: bool  # show half of the pictures mirrored
    augment: float  # share of pictures that the discriminator sees changed, of real and painted alike
    augment_target: float  # 0: the share stays; else it adapts until this share of training pictures is known as real
    hold_out: float  # share of the collection kept from training, to measure by; 0 where test pictures are given
    evaluate_samples: int  # pictures painted for the figures of each checkpoint
    seed: int
    min_channels: int = 1  # generator channels at least
    freeze: int = 0  # px: the generator's blocks up to this size stay as --init gave them; 0: all learn
    variety_every: int = 1_920  # images between looks at how varied one style's seeds are
    minutes: float = 0.0  # a budget in time instead of images; 0: none
    planned_at: int = 0  # images after which it was planned, and `images` and what hangs on it set; 0: not yet
    zoom: float = 0.0  # share of pictures of which the discriminator sees a random quarter, enlarged, instead

    def __post_init__(self):
        check_config_types(self)
        object.__setattr__(self, "head_channels", tuple(self.head_channels))
        counts = (
            "images",
            "batch_size",
            "checkpoint_every",
            "sample_every",
            "log_every",
            "variety_every",
            "keep_checkpoints",
        )
        for name in (*counts, "head_hidden", "ema_half_life", "accumulate"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, found {getattr(self, name)}")
        if self.batch_size < 2:
            raise ValueError("batch_size must be at least 2: batch norm needs pictures to compare")
        if self.images < self.batch_size:
            raise ValueError(f"images ({self.images}) must be at least one batch ({self.batch_size})")
        if self.minutes and self.compile and self.minutes < SHORTEST_COMPILED:
            raise ValueError(
                f"minutes ({self.minutes:g}) is little more than compiling takes: give at least {SHORTEST_COMPILED:g}, "
                "or add --no-compile"
            )
        if self.minutes < 0:
            raise ValueError(f"minutes must be above 0, found {self.minutes:g}")
        if self.finish > self.images:
            raise ValueError(
                f"finish ({self.finish}) must be at most the budget of {self.images} images: try a quarter"
            )
        if self.precision not in PRECISIONS:
            raise ValueError(f"precision must be one of {', '.join(PRECISIONS)}, found {self.precision!r}")
        if not 0 <= self.seed < SEED_LIMIT:
            raise ValueError(f"seed must be between 0 and {SEED_LIMIT - 1}, found {self.seed}")
        for name in ("decay_after", "heads_after", "finish"):
            if getattr(self, name) < 0:
                raise ValueError(f"{name} must be at least 0, found {getattr(self, name)}")
        for name in ("learning_rate", "heads_learning_rate"):
            if not 0 < getattr(self, name) <= 1:
                raise ValueError(f"{name} must be above 0 and at most 1, found {getattr(self, name)}: try 0.0002")
        if not 0 <= self.adversarial_share <= 10:
            raise ValueError(f"adversarial_share must be between 0 and 10, found {self.adversarial_share}: try 0.7")
        if self.batch_size % self.accumulate or self.batch_size // self.accumulate < 2:
            raise ValueError(
                f"a batch of {self.batch_size} does not divide into {self.accumulate} parts of at least 2 pictures: "
                "change --accumulate or --batch-size"
            )
        if self.feature_network not in FEATURE_NETWORKS:
            raise ValueError(
                f"feature_network must be {' or '.join(map(str, FEATURE_NETWORKS))}, found {self.feature_network} "
                "(2 is the judge, which training must never see through)"
            )
        for name in ("augment", "augment_target", "zoom", "latent_jitter"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name} must be between 0 and 1, found {getattr(self, name)}")
        if not 0 <= self.hold_out <= 0.5:
            raise ValueError(f"hold_out must be between 0 and 0.5, found {self.hold_out}: try 0.1")
        if self.evaluate_samples < 16:
            raise ValueError(f"evaluate_samples must be at least 16, found {self.evaluate_samples}: try 1000")
        if not 0 <= self.balance <= 1:
            raise ValueError(f"balance must be between 0 (pictures) and 1 (styles), found {self.balance}: try 0.5")
        if not 1 <= len(self.head_channels) <= 4 or not all(1 <= channels <= 4096 for channels in self.head_channels):
            raise ValueError(f"head_channels must be one to four numbers from 1 to 4096, found {self.head_channels}")
        if not (0 <= self.beta1 < 1 and 0 <= self.beta2 < 1):
            raise ValueError(f"beta1 and beta2 must be at least 0 and below 1, found {self.beta1} and {self.beta2}")
        if not 0 < self.ema_ramp_up <= 1:
            raise ValueError(f"ema_ramp_up must be above 0 and at most 1, found {self.ema_ramp_up}")
        if self.feature_resolution % 32 or self.feature_resolution < 32:
            raise ValueError(f"feature_resolution must be a multiple of 32, found {self.feature_resolution}")
        if not 0 <= self.freeze < self.resolution:
            raise ValueError(
                f"freeze must be 0, or a size below the pictures' {self.resolution} px, found {self.freeze}: "
                "what is above it learns"
            )
        self.generator_config(("any",))  # refuses what the generator cannot be built from

    def generator_config(self, styles: tuple[str, ...]) -> GeneratorConfig:
        return GeneratorConfig(
            resolution=self.resolution,
            styles=styles,
            latent_dim=self.latent_dim,
            width=self.width,
            max_channels=self.max_channels,
            convs_per_block=self.convs_per_block,
            min_channels=self.min_channels,
        )

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def tiny() -> TrainConfig:
    """Every part of training in seconds, at 32 px: for tests and a first look, not for art."""
    return replace(
        cpu(),
        preset="tiny",
        resolution=32,
        feature_resolution=32,
        images=2_048,
        batch_size=16,
        width=8,
        max_channels=64,
        convs_per_block=1,
        latent_dim=32,
        head_channels=(32, 32),
        head_hidden=32,
        checkpoint_every=1_024,
        sample_every=1_024,
        log_every=128,
        variety_every=256,
        heads_after=64,
        compile=False,
        evaluate_samples=128,
    )


def cpu() -> TrainConfig:
    """64 px, an evening on two cores."""
    return TrainConfig(
        preset="cpu",
        resolution=64,
        images=400_000,
        batch_size=32,
        accumulate=1,
        width=32,
        max_channels=256,
        convs_per_block=2,
        latent_dim=128,
        feature_network=0,
        feature_resolution=128,
        head_channels=(64, 128),
        head_hidden=64,
        learning_rate=5e-4,
        heads_learning_rate=2e-4,
        decay_after=0,
        finish=0,
        adversarial_share=0.7,
        heads_after=3_000,
        latent_jitter=0.2,
        beta1=0.5,
        beta2=0.99,
        ema_half_life=5_000,
        ema_ramp_up=0.1,
        checkpoint_every=20_000,
        sample_every=10_000,
        log_every=640,
        keep_checkpoints=3,
        precision="fp32",
        compile=True,
        unconditional=False,
        balance=0.0,
        flip=False,
        augment=1.0,
        augment_target=0.0,
        hold_out=0.1,
        evaluate_samples=1_000,
        seed=0,
    )


def small() -> TrainConfig:
    """128 px, for one GPU of any size; on a CPU for the patient. Not measured yet."""
    return replace(
        cpu(),
        preset="small",
        resolution=128,
        feature_resolution=128,
        images=1_000_000,
        batch_size=64,
        max_channels=512,
        head_hidden=128,
        checkpoint_every=50_000,
        sample_every=25_000,
        log_every=1_280,
        variety_every=5_120,
    )


def full() -> TrainConfig:
    """256 px on one large GPU. Not measured yet."""
    return replace(
        small(),
        preset="full",
        resolution=256,
        feature_resolution=256,
        images=3_000_000,
        latent_dim=256,
        checkpoint_every=100_000,
        sample_every=50_000,
    )


PRESETS = {"tiny": tiny, "cpu": cpu, "small": small, "full": full}
