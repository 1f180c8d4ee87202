"""Starting a run from a published model: `train.py --init user/model --data my_paintings/`."""

import copy
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

import torch

from artmodels.hub.load import LoadedModel, load_model, read_metrics
from artmodels.hub.pretrained import ArtGenerator
from artmodels.models.layers import ModulatedConv, UpBlock
from artmodels.training.config import TrainConfig
from artmodels.training.growing import carry_picture

MOST_COST = 1e15  # images or seconds that a model may say it had cost
NEW_STYLE_SPREAD = 0.1  # how far, of its random start, a new style begins from the mean of the model's styles
# A 3-tap kernel on bilinearly doubled features is one kernel on the features themselves at their even places, and
# another at their odd ones; this takes it to the mean of the two.
BEFORE_DOUBLING = torch.tensor([[0.5, 0.125, 0.0], [0.5, 0.75, 0.5], [0.0, 0.125, 0.5]])


@dataclass(frozen=True)
class InitialModel:
    """The model that a run starts from, and what the run's config and card keep of it."""

    source: str  # a Hub id, or the folder's whole path: where to find it again
    model: LoadedModel

    @property
    def generator(self) -> ArtGenerator:
        return self.model.generator

    def describe(self) -> dict[str, Any]:
        """Plain JSON: the name, the weights' checksum, and what the model itself had cost."""
        training = read_metrics(self.model.folder).get("training")
        cost = {key: training.get(key) for key in ("images", "seconds")} if isinstance(training, dict) else {}
        known = all(isinstance(value, int | float) and 0 <= value < MOST_COST for value in cost.values())
        named: dict[str, Any] = {
            "model": self.model.name,
            "source": self.source,
            "weights_sha256": self.model.weights_sha256,
        }
        return {**named, **(cost if known else {})}


def load_initial_model(name: str) -> InitialModel:
    """The model behind `--init`: a folder, or a Hub id with optional `@revision`. Raises as `load_model` does."""
    source = str(Path(name).resolve()) if Path(name).is_dir() else name
    return InitialModel(source, load_model(name))


def shape_after(
    config: TrainConfig, generator: ArtGenerator, resolution: int | None, min_channels: int | None = None
) -> TrainConfig:
    """The config with the generator's architecture; at twice its resolution, say, with half its width.

    Channels double downwards, so a larger picture at the same channels below keeps every block that the model has. New
    blocks have half the channels of the one below each, but at least `min_channels`.

    Raises:
        ValueError: the resolution is smaller than the model's, or too large for its width; or `min_channels` would
            change the blocks that it has.
    """
    found = generator.config
    min_channels = min_channels or found.min_channels
    most = found.channels(found.resolution) if resolution and resolution > found.resolution else found.min_channels
    if not found.min_channels <= min_channels <= most:
        raise ValueError(
            f"--min-channels {min_channels} would change blocks that the --init model has: "
            f"{found.min_channels} to {most} is possible"
        )
    resolution = resolution or found.resolution
    if resolution < found.resolution:
        raise ValueError(f"--resolution {resolution} is smaller than that of the --init model ({found.resolution})")
    width = found.width * found.resolution // resolution
    if width < 1:
        raise ValueError(f"--resolution {resolution} is too large to grow the --init model ({found.resolution} px) to")
    return replace(
        config,
        resolution=resolution,
        width=width,
        max_channels=found.max_channels,
        convs_per_block=found.convs_per_block,
        min_channels=min_channels,
        late_doubling=found.late_doubling,
        latent_dim=found.latent_dim,
        feature_resolution=max(config.feature_resolution, resolution),
    )


@torch.no_grad()
def start_from(generator: ArtGenerator, model: ArtGenerator) -> None:
    """Copy every weight that both have; styles by name, a new one beginning near the mean of those of the model.

    A grown generator paints the model's pictures, enlarged (`growing.carry_picture`). Where it doubles the resolution
    later than the model, the kernels become what they were in the mean over the places of the doubled features.
    The two may be on different devices: it is worked out on the CPU.
    """
    start, model = (copy.deepcopy(each).cpu() for each in (generator, model))
    known = model.state_dict()
    mine = start.state_dict()
    by_style = {"style_embedding", "mean_w"}
    start.load_state_dict(
        {name: known[name] if name not in by_style and _fits(known, name, mine[name]) else mine[name] for name in mine}
    )
    mean = model.style_embedding.mean(dim=0)
    for label, style in enumerate(start.config.styles):
        if style in model.config.styles:
            start.style_embedding[label] = model.style_embedding[model.config.styles.index(style)]
        else:
            start.style_embedding[label] = mean + NEW_STYLE_SPREAD * start.style_embedding[label]
    for layer in _later(start, model):
        layer.conv.weight.copy_(BEFORE_DOUBLING @ layer.conv.weight @ BEFORE_DOUBLING.T)
    carry_picture(start, model)
    generator.load_state_dict(start.state_dict())


def _later(generator: ArtGenerator, model: ArtGenerator) -> list[ModulatedConv]:
    """The layers that work at half the resolution that they have in the model."""
    blocks = zip(model.config.resolutions[1:], generator.blocks, strict=False)
    later = [
        block for res, block in blocks if generator.config.doubles_late(res) and not model.config.doubles_late(res)
    ]
    return [cast(ModulatedConv, cast(UpBlock, block).convs[0]) for block in later]


def _fits(known: dict[str, torch.Tensor], name: str, wanted: torch.Tensor) -> bool:
    return name in known and known[name].shape == wanted.shape
