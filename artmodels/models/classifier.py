"""The eye: a residual convolutional network that tells styles apart and shows where it sees them; a model's companion.

Its head is linear on the mean of the last feature map, so that the same head on each place of that map is an exact
class-activation map (arXiv:1512.04150).
"""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from artmodels.io.safetensors_io import (
    MEASURED_BY,
    NoInitialValues,
    check_config_types,
    check_style_names,
    load_weights,
    parse_told,
    read_header,
    save_companion,
    to_config,
)
from artmodels.models.generator import CLASSIFIER_NAME, find_companion

MAX_TOLD = 200_000  # characters of JSON
STRIDE = 8  # px of the picture for each place of the last feature map
AGAIN = "train the eye anew, or delete the file"
COLDEST, HOTTEST = 0.05, 20.0  # temperatures that a file may hold


@dataclass(frozen=True)
class ClassifierConfig:
    """What an eye is built from.

    Raises:
        ValueError: a value is of the wrong type or out of range.
    """

    resolution: int  # px at which it looks
    styles: tuple[str, ...]
    width: int = 48  # channels of the first stage; each of the two further ones has twice as many
    blocks: int = 2  # residual blocks of a stage
    dropout: float = 0.0  # share of the pooled features hidden while training

    def __post_init__(self):
        check_config_types(self)
        object.__setattr__(self, "styles", tuple(self.styles))
        check_style_names(self.styles)
        if self.resolution % STRIDE or not 16 <= self.resolution <= 256:
            raise ValueError(f"resolution must be a multiple of {STRIDE} from 16 to 256, found {self.resolution}")
        if not 4 <= self.width <= 96:
            raise ValueError(f"width must be between 4 and 96, found {self.width}: try 48")
        if not 1 <= self.blocks <= 4:
            raise ValueError(f"blocks must be between 1 and 4, found {self.blocks}: try 2")
        if not 0 <= self.dropout < 1:
            raise ValueError(f"dropout must be at least 0 and below 1, found {self.dropout}: try 0.2")


class ResidualBlock(nn.Module):
    """Two 3x3 convolutions with batch norm beside a short cut (ResNet, arXiv:1512.03385)."""

    def __init__(self, in_channels: int, channels: int, stride: int):
        super().__init__()
        self.conv1 = nn.Conv2d(in_channels, channels, 3, stride, 1, bias=False)
        self.norm1 = nn.BatchNorm2d(channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, 1, 1, bias=False)
        self.norm2 = nn.BatchNorm2d(channels)
        self.short_cut = nn.Identity()
        if stride > 1 or in_channels != channels:
            self.short_cut = nn.Sequential(
                nn.AvgPool2d(stride) if stride > 1 else nn.Identity(),  # a strided 1x1 would drop three pixels of four
                nn.Conv2d(in_channels, channels, 1, bias=False),
                nn.BatchNorm2d(channels),
            )
        nn.init.zeros_(self.norm2.weight)  # a block begins as its short cut (arXiv:1706.02677)

    def forward(self, x: Tensor) -> Tensor:
        hidden = F.relu(self.norm1(self.conv1(x)))
        return F.relu(self.norm2(self.conv2(hidden)) + self.short_cut(x))


class StyleClassifier(nn.Module):
    """Pictures `[N, 3, H, W]` in [-1, 1], of any size, to logits `[N, styles]`; differentiable to the picture."""

    def __init__(self, config: ClassifierConfig):
        super().__init__()
        self.config = config
        self.figures: dict[str, Any] = {}  # what it was measured to do; see `recognition.recognition_figures`
        width = config.width
        self.stem = nn.Sequential(
            nn.Conv2d(3, width, 3, 2, 1, bias=False),
            nn.BatchNorm2d(width),
            nn.ReLU(),
            nn.Conv2d(width, width, 3, 2, 1, bias=False),
            nn.BatchNorm2d(width),
            nn.ReLU(),
        )
        self.stages = nn.Sequential()
        channels = width
        for stage in range(3):
            for block in range(config.blocks):
                stride = 2 if stage == 1 and not block else 1  # the last stage keeps its places, for finer maps
                self.stages.append(ResidualBlock(channels, width << stage, stride))
                channels = width << stage
        self.head = nn.Linear(channels, len(config.styles))
        self.register_buffer("temperature", torch.ones(()))

    def features(self, pictures: Tensor) -> Tensor:
        """The last feature map `[N, 4 * width, resolution / 8, resolution / 8]`, at least 0."""
        side = self.config.resolution
        if pictures.shape[2:] != (side, side):
            pictures = F.interpolate(pictures, size=(side, side), mode="bicubic", antialias=True)
        pictures = pictures.contiguous(memory_format=torch.channels_last)
        return self.stages(self.stem(pictures))

    def forward(self, pictures: Tensor) -> Tensor:
        pooled = self.features(pictures).mean(dim=(2, 3))
        return self.head(F.dropout(pooled, self.config.dropout, self.training))

    def probabilities(self, pictures: Tensor) -> Tensor:
        """Calibrated: `[N, styles]`, each row sums to 1 (temperature scaling, arXiv:1706.04599)."""
        return (self(pictures) / self.temperature).softmax(dim=1)

    def activation_maps(self, pictures: Tensor) -> Tensor:
        """How much each place speaks for each style: `[N, styles, h, w]`, whose mean over the places are the logits."""
        return F.conv2d(self.features(pictures), self.head.weight[:, :, None, None], self.head.bias)

    @property
    def parameter_count(self) -> int:
        return sum(parameter.numel() for parameter in self.parameters())


def save_classifier(folder: Path, network: StyleClassifier, figures: dict[str, Any]) -> None:
    """Write `classifier.safetensors` into a folder, whole or not at all: weights in half precision, config, figures.

    Raises:
        OSError: the disk is full or not writable, or there is no such folder.
    """
    save_companion(
        folder, CLASSIFIER_NAME, network.state_dict(), {"config": asdict(network.config), "figures": figures}
    )


def load_classifier(folder: Path) -> StyleClassifier | None:
    """The eye that lies beside a model, in evaluation mode, with its `figures`; None if there is none.

    It may be a stranger's: sizes, config and figures are checked before anything is allocated.

    Raises:
        ValueError: too large, damaged, or of another kind.
    """
    path = find_companion(folder, CLASSIFIER_NAME)
    if path is None:
        return None
    _, metadata = read_header(path)
    config = to_config(_read_told(path, metadata, "config"), ClassifierConfig, path)
    figures = _read_told(path, metadata, "figures")
    try:
        check_figures(figures, config.styles)
    except ValueError as error:
        raise ValueError(f"{path}: {error}: {AGAIN}") from error
    with torch.device("meta"), NoInitialValues():
        network = StyleClassifier(config)
    network.load_state_dict(load_weights(path, expected=network.state_dict()), strict=True, assign=True)
    if not COLDEST <= network.temperature <= HOTTEST:
        raise ValueError(f"{path}: temperature should be from {COLDEST} to {HOTTEST}: {AGAIN}")
    if not all((norm.running_var >= 0).all() for norm in network.modules() if isinstance(norm, nn.BatchNorm2d)):
        raise ValueError(f"{path}: a variance is below 0: {AGAIN}")
    network.figures = figures
    return network.requires_grad_(False).to(memory_format=torch.channels_last).eval()


def _read_told(path: Path, metadata: Any, name: str) -> Any:
    """What the file's metadata says under a name, from JSON."""
    try:
        return parse_told(metadata.get(name) if isinstance(metadata, dict) else None, MAX_TOLD, name)
    except ValueError as error:
        raise ValueError(f"{path}: {error}: {AGAIN}") from error


def check_figures(figures: Any, styles: tuple[str, ...]) -> None:
    """Refuse figures that are not of the form that `recognition.recognition_figures` gives; none at all are in order.

    Raises:
        ValueError: see above; what should be there.
    """
    if figures == {}:
        return
    if not isinstance(figures, dict) or figures.get("measured_by") not in MEASURED_BY:
        raise ValueError(f"figures should be an object with measured_by, one of {', '.join(MEASURED_BY)}")
    if not _is_count(figures.get("pictures")):
        raise ValueError("the figures' pictures should be a whole number")
    reference = figures.get("reference")
    if reference is not None and not isinstance(reference, dict):
        raise ValueError("the figures' reference should be an object, or null")
    if reference and not (isinstance(name := reference.get("name"), str) and len(name) <= 200 and name.isprintable()):
        raise ValueError("the reference should have a name of at most 200 printable characters")
    for found in (figures, *([reference] if reference else [])):
        low_high = found.get("accuracy_interval")
        numbers = [found.get(name) for name in ("accuracy", "balanced_accuracy", "calibration_error")]
        if not all(_is_share(number) for number in numbers):
            raise ValueError("accuracy, balanced_accuracy and calibration_error should be from 0 to 1")
        if not isinstance(low_high, list) or len(low_high) != 2 or not all(_is_share(end) for end in low_high):
            raise ValueError("accuracy_interval should be two numbers from 0 to 1")
    confusion = figures.get("confusion")
    if not isinstance(confusion, list) or len(confusion) != len(styles):
        raise ValueError("confusion should have a row for each style")
    for row in confusion:
        if not isinstance(row, list) or len(row) != len(styles) or not all(_is_count(count) for count in row):
            raise ValueError("confusion should hold a whole number for each pair of styles")
    of_each = figures.get("styles")
    if not isinstance(of_each, dict) or set(of_each) != set(styles):
        raise ValueError("the figures should tell of each style, and of no other")
    for style, found in of_each.items():
        if not isinstance(found, dict) or not _is_count(found.get("pictures")):
            raise ValueError(f"the figures of {style} should tell its pictures")
        if not all(found.get(name) is None or _is_share(found[name]) for name in ("precision", "recall")):
            raise ValueError(f"precision and recall of {style} should be from 0 to 1, or null")


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 10**9


def _is_share(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= 1
