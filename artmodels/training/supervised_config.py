"""What the supervised trainings are made from: the hyperparameters that they share, and those of each task."""

from collections.abc import Sequence
from dataclasses import dataclass

from artmodels.models.classifier import ClassifierConfig
from artmodels.models.prompt import PromptConfig
from artmodels.models.upscaler import UpscalerConfig
from artmodels.training.config import RunConfig
from artmodels.training.hyperparameters import hyperparameter


@dataclass(frozen=True, kw_only=True)
class SupervisedConfig(RunConfig):
    """The hyperparameters that all supervised runs share.

    Raises:
        ValueError: a value is of the wrong type or out of range.
    """

    learning_rate: float = hyperparameter(
        "AdamW's, at its highest", above=0, most=1, remedy="try 0.001", resumable=True
    )
    weight_decay: float = hyperparameter(
        "with --task: weight decay (AdamW) of matrices and kernels; biases and norms have none",
        least=0,
        most=10,
        remedy="try 0.05",
    )
    warm_up: int = hyperparameter(
        "with --task: images over which the learning rate rises before its cosine decay; at most a tenth of the budget",
        least=0,
    )
    hold_out: float = hyperparameter(
        "share of --data kept from training, by which the best is chosen", above=0, most=0.5, remedy="try 0.1"
    )


@dataclass(frozen=True, kw_only=True)
class ClassifierTrainConfig(SupervisedConfig):
    """All hyperparameters of a classifier's training.

    Raises:
        ValueError: a value is of the wrong type or out of range.
    """

    width: int = hyperparameter("channels of the first stage")
    blocks: int = hyperparameter("with --task: residual blocks, per stage (classifier) or in total (upscaler)")
    dropout: float = hyperparameter("with --task classifier: share of the pooled features hidden while training")
    smoothing: float = hyperparameter(  # arXiv:1512.00567
        "with --task classifier: share of a label that is spread over all styles", least=0, below=1, remedy="try 0.1"
    )

    def __post_init__(self):
        super().__post_init__()
        self.classifier_config(("any",))  # refuses what no classifier can be built from

    def classifier_config(self, styles: tuple[str, ...]) -> ClassifierConfig:
        return ClassifierConfig(self.resolution, styles, self.width, self.blocks, self.dropout)


@dataclass(frozen=True, kw_only=True)
class PromptTrainConfig(SupervisedConfig):
    """All hyperparameters of a prompt model's training; see `PromptConfig` for the dimensions.

    Raises:
        ValueError: a value is of the wrong type or out of range.
    """

    feature_resolution: int = hyperparameter("pixels at which the frozen network looks", "PX")
    embedding_dim: int = hyperparameter("with --task prompt: numbers that stand for a word")
    hidden_dim: int = hyperparameter("with --task prompt: numbers that the recurrent network remembers")
    sight_dim: int = hyperparameter("with --task prompt: size of the hidden layer that encodes a picture")
    joint_dim: int = hyperparameter("with --task prompt: size of the space that words and pictures share")

    def __post_init__(self):
        super().__post_init__()
        self.check_styles(("any",))  # refuses what no prompt model can be built from

    def check_styles(self, styles: tuple[str, ...]) -> None:
        """Raises:
        ValueError: names that no prompt model can carry.
        """
        self.prompt_config(("any",), styles)

    def prompt_config(self, words: Sequence[str], styles: Sequence[str]) -> PromptConfig:
        dims = (self.embedding_dim, self.hidden_dim, self.sight_dim, self.joint_dim)
        return PromptConfig(tuple(words), tuple(styles), *dims, self.feature_resolution)


@dataclass(frozen=True, kw_only=True)
class UpscalerTrainConfig(SupervisedConfig):
    """All hyperparameters of an upscaler's training.

    Raises:
        ValueError: a value is of the wrong type, out of range, or does not go with another one.
    """

    resolution: int = hyperparameter("side of a picture in pixels", choices=(32, 64, 128, 256, 512), remedy="try 128")
    width: int = hyperparameter("channels")
    blocks: int = hyperparameter("residual blocks")
    pixels_only: float = hyperparameter(
        "with --task upscaler: share of the budget in which no discriminator looks",
        least=0,
        most=1,
        remedy="try 0.5",
    )
    adversarial_weight: float = hyperparameter(
        "with --task upscaler: weight of the discriminator's loss, against a mean absolute error of 1",
        least=0,
        most=1,
        remedy="try 0.0001",
    )

    def __post_init__(self):
        super().__post_init__()
        self.upscaler_config()  # refuses what no upscaler can be built from

    @property
    def ignores_styles(self) -> bool:
        return True

    def upscaler_config(self) -> UpscalerConfig:
        return UpscalerConfig(self.width, self.blocks)


def classifier_train_config(precision: str = "fp32") -> ClassifierTrainConfig:
    """The hyperparameters of `train.py --task classifier`: 64 px, half an hour on two cores that compute in bf16."""
    return ClassifierTrainConfig(
        images=120_000,
        batch_size=64,
        learning_rate=2e-3,
        weight_decay=0.05,
        warm_up=6_400,
        balance=0.5,
        hold_out=0.1,
        checkpoint_every=7_680,
        log_every=1_280,
        keep_checkpoints=2,
        precision=precision,
        seed=0,
        resolution=64,
        width=48,
        blocks=2,
        dropout=0.2,
        smoothing=0.1,
    )


def prompt_train_config(_: str = "fp32") -> PromptTrainConfig:
    """Of `train.py --task prompt`: 7,000 pictures, looked at in two minutes and learned in three on two cores.

    In fp32, whatever the machine would rather compute in: it is a small network, whose cosines bf16 would blur.
    """
    return PromptTrainConfig(
        images=204_800,
        batch_size=256,
        learning_rate=2e-3,
        weight_decay=0.05,
        warm_up=15_360,
        balance=0.5,
        hold_out=0.1,
        checkpoint_every=25_600,
        log_every=2_560,
        keep_checkpoints=2,
        precision="fp32",
        seed=0,
        resolution=64,
        feature_resolution=128,
        embedding_dim=96,
        hidden_dim=192,
        sight_dim=256,
        joint_dim=96,
    )


def upscaler_train_config(precision: str = "fp32") -> UpscalerTrainConfig:
    """The hyperparameters of `train.py --task upscaler`: 64 to 128 px, 25 minutes on two cores."""
    return UpscalerTrainConfig(
        images=32_000,
        batch_size=32,
        learning_rate=1e-3,
        weight_decay=0.0,
        warm_up=640,
        balance=0.0,
        hold_out=0.1,
        checkpoint_every=3_200,
        log_every=640,
        keep_checkpoints=2,
        precision=precision,
        seed=0,
        resolution=128,
        width=32,
        blocks=6,
        pixels_only=0.5,
        adversarial_weight=1e-4,
    )
