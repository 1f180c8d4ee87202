"""The generator: a light skip-excitation network in the FastGAN family, steered by a mapping network.

A picture is a pure function of `w`, which has two kinds of rows. Row 0 is the normalised latent itself and feeds the
4 px layer straight, which keeps seeds apart; rows 1 and up modulate one block each, which is what blends of styles,
layer mixing and directions act on.
"""

from dataclasses import asdict, dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from artmodels.io.safetensors_io import (
    check_config_types,
    check_style_names,
)
from artmodels.models.layers import ModulatedConv, SkipExcitation, UpBlock, normalise_latents

FORMAT_VERSION = 1
MAX_TRUNCATION = 1.5


@dataclass(frozen=True)
class GeneratorConfig:
    """What a generator is built from; `config.json` holds just this.

    Raises:
        ValueError: a field is of the wrong type or out of its range.
    """

    resolution: int  # height and width of a picture, a power of two
    styles: tuple[str, ...]  # the names, in label order
    latent_dim: int = 128  # size of z, of the style embedding and of a row of w
    width: int = 32  # channels at the full resolution, doubling downwards
    max_channels: int = 512  # where the doubling stops
    convs_per_block: int = 1  # modulated convolutions at each resolution
    min_channels: int = 1  # of any block, however few `width` leaves it
    late_doubling: int = 0  # px from which on blocks double the resolution after their first convolution; 0: none does
    format_version: int = FORMAT_VERSION

    def __post_init__(self):
        check_config_types(self)
        object.__setattr__(self, "styles", tuple(self.styles))
        if self.format_version != FORMAT_VERSION:
            raise ValueError(
                f"model format {self.format_version} is not the one this artmodels reads ({FORMAT_VERSION}): "
                "install the version of artmodels that wrote the model"
            )
        _require(self.resolution in (16, 32, 64, 128, 256, 512), "resolution", self.resolution, "16, 32, ... or 512")
        _require(1 <= self.latent_dim <= 2048, "latent_dim", self.latent_dim, "1 to 2048")
        _require(1 <= self.width <= 512, "width", self.width, "1 to 512")
        _require(self.width <= self.max_channels <= 2048, "max_channels", self.max_channels, "width to 2048")
        _require(1 <= self.convs_per_block <= 4, "convs_per_block", self.convs_per_block, "1 to 4")
        _require(1 <= self.min_channels <= self.max_channels, "min_channels", self.min_channels, "1 to max_channels")
        sizes = [0, *self.resolutions[1:]]
        _require(self.late_doubling in sizes, "late_doubling", self.late_doubling, ", ".join(map(str, sizes)))
        if self.late_doubling:
            _require(self.convs_per_block > 1, "convs_per_block", self.convs_per_block, "2 to 4 with late_doubling")
        check_style_names(self.styles)

    @property
    def resolutions(self) -> list[int]:
        """4, 8, ... up to the full resolution: one block each."""
        return [2**level for level in range(2, self.resolution.bit_length())]

    @property
    def layers(self) -> int:
        """Number of modulated blocks; `w` has one row more."""
        return len(self.resolutions)

    def channels(self, resolution: int) -> int:
        """Feature channels of the block at a resolution."""
        return max(min(self.width * self.resolution // resolution, self.max_channels), self.min_channels)

    def doubles_late(self, resolution: int) -> bool:
        """Whether the block at a resolution doubles after its first convolution instead of before."""
        return 0 < self.late_doubling <= resolution

    @property
    def working_memory(self) -> int:
        """Bytes that painting one picture takes besides the weights: the widest block in float32, before its gate."""
        return max(4 * 4 * self.channels(resolution) * resolution**2 for resolution in self.resolutions)

    def to_json(self) -> dict[str, Any]:
        """Plain JSON types; `GeneratorConfig(**config.to_json()) == config`."""
        return {**asdict(self), "styles": list(self.styles)}


def _require(condition: bool, field: str, found: object, expected: str) -> None:
    if not condition:
        raise ValueError(f"generator config: {field} must be {expected}, found {found!s:.80}")


class GeneratorNetwork(nn.Module):
    """Latents and style weights to pictures `[N, 3, H, W]` in [-1, 1].

    `mapping(z, style_weights) -> w`, then `synthesis(w) -> picture`; both are differentiable and free of noise.
    """

    mean_w: Tensor  # [styles, latent_dim], the mean modulation of each style

    def __init__(self, config: GeneratorConfig):
        super().__init__()
        self.config = config
        dim = config.latent_dim
        self.style_embedding = nn.Parameter(torch.empty(len(config.styles), dim).normal_())
        self.map_in = nn.Linear(2 * dim, dim)
        self.map_out = nn.Linear(dim, dim)
        self.register_buffer("mean_w", torch.zeros(len(config.styles), dim))

        first, *others = config.resolutions
        self.first = nn.Linear(dim, config.channels(first) * 4 * 4)
        self.first_conv = ModulatedConv(config.channels(first), config.channels(first), dim)
        self.blocks = nn.ModuleList(
            UpBlock(
                config.channels(res // 2), config.channels(res), dim, config.convs_per_block, config.doubles_late(res)
            )
            for res in others
        )
        # An excitation reaches over three doublings: 4 px gates 32 px, 8 px gates 64 px, and so on.
        self.excitations = nn.ModuleDict(
            {str(res): SkipExcitation(config.channels(res // 8), config.channels(res)) for res in others if res >= 32}
        )
        self.to_rgb = nn.Conv2d(config.channels(config.resolution), 3, 3, padding=1)

    def mapping(self, z: Tensor, style_weights: Tensor) -> Tensor:
        """Latents `[N, latent_dim]`, style weights `[N, styles]` (of sum 1) to `w: [N, layers + 1, latent_dim]`."""
        z = normalise_latents(z)
        style = normalise_latents(style_weights @ self.style_embedding)
        hidden = F.leaky_relu(self.map_in(torch.cat([z, style], dim=1)), 0.2)
        modulation = normalise_latents(self.map_out(hidden))
        return torch.cat([z[:, None], modulation[:, None].expand(-1, self.config.layers, -1)], dim=1)

    def synthesis(self, w: Tensor) -> Tensor:
        """`w: [N, layers + 1, latent_dim]` to pictures `[N, 3, H, W]` in [-1, 1]."""
        return torch.tanh(self.to_rgb(self.features(w)[self.config.resolution]))

    def features(self, w: Tensor) -> dict[int, Tensor]:
        """`w: [N, layers + 1, latent_dim]` to what each block gives: `[N, channels, R, R]` at its resolution R."""
        x = self.first(w[:, 0]).unflatten(1, (-1, 4, 4))  # by no number of pictures: an exported network takes any
        x = x.contiguous(memory_format=torch.channels_last)
        features = {4: self.first_conv(x, w[:, 1])}
        for place, (block, res) in enumerate(zip(self.blocks, self.config.resolutions[1:], strict=True), start=2):
            x = block(features[res // 2], w[:, place])
            if str(res) in self.excitations:
                x = self.excitations[str(res)](features[res // 8], x)
            features[res] = x
        return features

    def forward(self, z: Tensor, style_weights: Tensor) -> Tensor:
        """Pictures without truncation, as the discriminator sees them."""
        return self.synthesis(self.mapping(z, style_weights))

    def truncate(self, w: Tensor, style_weights: Tensor, truncation: float) -> Tensor:
        """Pull the modulations towards the mean of their style: `mean_w + truncation * (w - mean_w)` for rows 1 and up.

        Row 0 stays whole: it holds the composition, and shrinking it fades the picture instead of calming it.
        """
        if truncation == 1:
            return w
        mean = (style_weights @ self.mean_w)[:, None]
        return torch.cat([w[:, :1], mean + truncation * (w[:, 1:] - mean)], dim=1)

    @torch.no_grad()
    def update_mean_w(self, z: Tensor) -> None:
        """Set `mean_w` from latents `z: [N, latent_dim]`: for each style, the mean modulation over all of them."""
        for label, weights in enumerate(torch.eye(len(self.config.styles), device=z.device)):
            self.mean_w[label] = self.mapping(z, weights.expand(len(z), -1))[:, 1].mean(dim=0)

    def freeze(self, resolution: int) -> None:
        """Let the mapping and the blocks up to `resolution` px stay as they are while what lies above learns."""
        known = [self.style_embedding, *self.map_in.parameters(), *self.map_out.parameters()]
        known += [*self.first.parameters(), *self.first_conv.parameters()]
        for block, res in zip(self.blocks, self.config.resolutions[1:], strict=True):
            if res <= resolution:
                known += block.parameters()
                known += self.excitations[str(res)].parameters() if str(res) in self.excitations else []
        for parameter in known:
            parameter.requires_grad_(False)

    @property
    def parameter_count(self) -> int:
        return sum(parameter.numel() for parameter in self.parameters())
