"""Everything that a training run is made from: one frozen dataclass and its presets."""

from dataclasses import asdict, dataclass, replace
from typing import Any

from artmodels.generate.recipe import SEED_LIMIT
from artmodels.io.device import can_compile
from artmodels.models.generator import GeneratorConfig
from artmodels.training.hyperparameters import check, hyperparameter

UNPLANNED = 10**9  # images of a run that has minutes instead, until its speed is known
SHORTEST_COMPILED = 3.0  # minutes of a run; compiling alone takes about one
GENERATOR = "generator"
TASK_NAMES = (GENERATOR, "classifier", "prompt", "upscaler")  # what train.py trains
PRECISIONS = ("fp32", "bf16")
RUN_CONFIG_NAME = "config.json"  # in the run folder
TRACKERS = ("tensorboard", "trackio", "wandb")
RATE = "try 0.0002"


@dataclass(frozen=True, kw_only=True)
class RunConfig:
    """The hyperparameters that all runs share. Amounts are counted in images shown, over all processes.

    Raises:
        ValueError: a value is of the wrong type, out of range, or does not go with another one.
    """

    resolution: int = hyperparameter("side of a picture in pixels; a larger one than the --init model's grows it", "PX")
    images: int = hyperparameter(
        "budget of the run: how many images it is shown, repetitions counted", least=1, resumable=True
    )
    batch_size: int = hyperparameter("images per step, summed over all processes", least=2, remedy="try 32")
    checkpoint_every: int = hyperparameter("images between checkpoints", least=1)
    log_every: int = hyperparameter("images between lines of the log", least=1)
    keep_checkpoints: int = hyperparameter("checkpoints that are kept, the last ones", least=1)
    precision: str = hyperparameter(
        "number format: bf16 is faster on GPUs since Ampere and on CPUs with AMX or AVX512_BF16", choices=PRECISIONS
    )
    balance: float = hyperparameter(
        "0: all pictures are shown equally often; 1: all styles are, however few pictures they have",
        least=0,
        most=1,
        remedy="try 0.5",
    )
    seed: int = hyperparameter("random seed for everything drawn at random", least=0, most=SEED_LIMIT - 1)

    def __post_init__(self):
        check(self)
        if self.images < self.batch_size:
            raise ValueError(f"images ({self.images}) must be at least one batch ({self.batch_size})")

    @property
    def ignores_styles(self) -> bool:
        """Whether all pictures are taken for one style."""
        return False

    def check_machine(self, processes: int) -> None:
        """Refuse what cannot be done here, by so many processes.

        Raises:
            ValueError: see above.
        """

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True, kw_only=True)
class TrainConfig(RunConfig):
    """All hyperparameters of a generator's run. Amounts are counted in real images that it is shown.

    Raises:
        ValueError: a value is of the wrong type, out of range, or does not go with another one.
    """

    preset: str
    minutes: float = hyperparameter(
        "budget in minutes instead of images, which are planned by the measured speed", "M", least=0, default=0.0
    )
    planned_at: int = 0  # images after which that was planned, and `images` and what hangs on it set; 0: not yet
    accumulate: int = hyperparameter(
        "parts in which a process takes its share of the batch, one after the other, to save memory",
        least=1,
        resumable=True,
    )
    width: int = hyperparameter("generator channels at full resolution")
    max_channels: int = hyperparameter("generator channels at most")
    min_channels: int = hyperparameter("generator channels at least, however large the picture", default=1)
    convs_per_block: int = hyperparameter("convolutions in each of the generator's blocks")
    late_doubling: int = hyperparameter(
        "size from which on blocks double after their first convolution, which saves work; 0: all double before it",
        "PX",
        least=0,
        default=0,
    )
    latent_dim: int = hyperparameter("numbers that a picture is painted from")
    feature_network: int = hyperparameter(
        "EfficientNet-Lite 0 or 1, through which the discriminator looks",
        choices=(0, 1),
        remedy="2 is the judge, which training must never see through",
    )
    feature_resolution: int = hyperparameter(
        "pixels at which the discriminator's frozen network looks", "PX", multiple_of=32, least=32
    )
    head_channels: tuple[int, ...]  # of the maps that heads judge, at strides 4, 8, ...: one to four of them
    head_hidden: int = hyperparameter("channels inside a discriminator head", least=1)
    learning_rate: float = hyperparameter(
        "of the generator (Adam), or of the --task network (AdamW)", above=0, most=1, remedy=RATE, resumable=True
    )
    heads_learning_rate: float = hyperparameter(
        "of the discriminator heads (Adam)", above=0, most=1, remedy=RATE, resumable=True
    )
    decay_after: int = hyperparameter(
        "images after which both learning rates fall with the root of the images seen; 0: never",
        least=0,
        resumable=True,
    )
    finish: int = hyperparameter(
        "images at the end of the budget, over which both learning rates fall to nothing", least=0, resumable=True
    )
    adversarial_share: float = hyperparameter(
        "weight of the discriminator, where likeness to the pictures has weight 1",
        least=0,
        most=10,
        remedy="try 0.7",
        resumable=True,
    )
    detail_weight: float = hyperparameter(
        "how strongly paintings are kept from having more fine detail in common than pictures have",
        least=0,
        most=1000,
        remedy="try 5",
        default=0.0,
        resumable=True,
    )
    heads_after: int = hyperparameter(
        "images before which the generator learns from the pictures alone and the discriminator waits", least=0
    )
    components: int = hyperparameter(
        "numbers of a latent that tell of its picture, the others are random; 0: by the pictures in a style",
        "N",
        least=0,
        default=0,
    )
    latent_jitter: float = hyperparameter(
        "how far a picture's latent may move towards a random one, 0 to 1", least=0, most=1, resumable=True
    )
    beta1: float = hyperparameter("Adam's beta1 for the generator; the heads use 0", least=0, below=1)
    beta2: float = hyperparameter("Adam's beta2", least=0, below=1)
    ema_half_life: int = hyperparameter(
        "images after which a weight's share in the published average has halved", least=1, resumable=True
    )
    ema_ramp_up: float = hyperparameter(
        "that half-life is at most this share of the images seen so far", above=0, most=1, resumable=True
    )
    sample_every: int = hyperparameter("images between sample sheets", least=1)
    variety_every: int = hyperparameter(
        "images between looks at how varied one style's seeds are", least=1, default=1_920
    )
    compile: bool = hyperparameter(
        "torch.compile the networks: a minute at the start, faster steps; needs a C++ compiler", resumable=True
    )
    unconditional: bool = hyperparameter("ignore styles: treat all pictures as one style")
    flip: bool = hyperparameter("show half of the pictures mirrored")
    augment: float = hyperparameter("share of pictures that the discriminator sees changed, 0 to 1", least=0, most=1)
    augment_target: float = hyperparameter(
        "adapt --augment until the mean sign of real logits is this: 0.6 where 4 of 5 pass as real; 0: leave it",
        least=0,
        most=1,
    )
    zoom: float = hyperparameter(
        "share of pictures of which the discriminator sees a random quarter, enlarged, instead",
        least=0,
        most=1,
        default=0.0,
        resumable=True,
    )
    hold_out: float = hyperparameter(
        "share of --data kept from training, to measure by; 0 where --test-data is given",
        least=0,
        most=0.5,
        remedy="try 0.1",
    )
    evaluate_samples: int = hyperparameter(
        "pictures painted for the figures of each checkpoint", least=16, remedy="try 1000"
    )
    freeze: int = hyperparameter(
        "do not train the blocks up to this size of a model that was started with --init; 0: train all",
        "PX",
        least=0,
        default=0,
        resumable=True,
    )

    def __post_init__(self):
        super().__post_init__()
        object.__setattr__(self, "head_channels", tuple(self.head_channels))
        if self.minutes and self.compile and self.minutes < SHORTEST_COMPILED:
            raise ValueError(
                f"minutes ({self.minutes:g}) is little more than compiling takes: give at least {SHORTEST_COMPILED:g}, "
                "or add --no-compile"
            )
        if self.finish > self.images:
            raise ValueError(
                f"finish ({self.finish}) must be at most the budget of {self.images} images: try a quarter"
            )
        if self.batch_size % self.accumulate or self.batch_size // self.accumulate < 2:
            raise ValueError(
                f"a batch of {self.batch_size} does not divide into {self.accumulate} parts of at least 2 pictures: "
                "change --accumulate or --batch-size"
            )
        if self.components > self.latent_dim:
            raise ValueError(f"components ({self.components}) must be at most latent_dim ({self.latent_dim})")
        if not 1 <= len(self.head_channels) <= 4 or not all(1 <= channels <= 4096 for channels in self.head_channels):
            raise ValueError(f"head_channels must be one to four numbers from 1 to 4096, found {self.head_channels}")
        if not 0 <= self.freeze < self.resolution:
            raise ValueError(
                f"freeze must be 0, or a size below the pictures' {self.resolution} px, found {self.freeze}: "
                "what is above it learns"
            )
        self.generator_config(("any",))  # refuses what the generator cannot be built from

    @property
    def ignores_styles(self) -> bool:
        return self.unconditional

    def check_machine(self, processes: int) -> None:
        share = self.batch_size // processes
        if share % self.accumulate or share < 2 * self.accumulate:
            raise ValueError(
                f"a process's {share} pictures of a batch do not divide into {self.accumulate} parts of at least 2: "
                "change --accumulate or --batch-size"
            )
        if self.compile and not can_compile():
            raise ValueError("compiling needs a C++ compiler, and none was found: install g++, or add --no-compile")

    def generator_config(self, styles: tuple[str, ...]) -> GeneratorConfig:
        return GeneratorConfig(
            resolution=self.resolution,
            styles=styles,
            latent_dim=self.latent_dim,
            width=self.width,
            max_channels=self.max_channels,
            convs_per_block=self.convs_per_block,
            min_channels=self.min_channels,
            late_doubling=self.late_doubling,
        )


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
        heads_learning_rate=1e-3,
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
    """128 px, for one GPU with 12 GB; on a CPU for the patient. Measured on an H200, see benchmarks/results/gpu.

    There the best average came after 270,000 images; what a run shows beyond makes new pictures no better.
    """
    return replace(
        cpu(),
        preset="small",
        resolution=128,
        feature_resolution=256,
        images=400_000,
        batch_size=128,
        width=16,
        min_channels=24,
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
        images=3_000_000,
        width=32,
        min_channels=1,
        max_channels=512,
        latent_dim=256,
        checkpoint_every=100_000,
        sample_every=50_000,
    )


PRESETS = {"tiny": tiny, "cpu": cpu, "small": small, "full": full}
