"""The generator: a light skip-excitation network in the FastGAN family, steered by a mapping network.

A picture is a pure function of `w`, which has two kinds of rows. Row 0 is the normalised latent itself and feeds the
4 px layer straight, which keeps seeds apart; rows 1 and up modulate one block each, which is what blends of styles,
layer mixing and directions act on.
"""

import copy
import json
import re
import sys
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from huggingface_hub import ModelCard, ModelCardData, PyTorchModelHubMixin, try_to_load_from_cache
from torch import Tensor, nn

from artmodels import __version__
from artmodels.hub.download import Unreachable, check_listing, parse_hub_id, pull
from artmodels.io.safetensors_io import (
    MAX_HEADER_BYTES,
    MAX_JSON_BYTES,
    NoInitialValues,
    check_config_types,
    check_style_names,
    load_weights,
    read_json,
    save_weights,
    to_config,
)
from artmodels.models.layers import ModulatedConv, SkipExcitation, UpBlock, normalise_latents

FORMAT_VERSION = 1
VERSION_KEY = "artmodels_version"
MAX_TRUNCATION = 1.5
WEIGHTS_NAME = "model.safetensors"
CONFIG_NAME = "config.json"
METRICS_NAME = "metrics.json"
HISTORY_NAME = "history.json"
PROGRESS_NAME = "progress.webp"
DIRECTIONS_NAME = "directions.safetensors"
CLASSIFIER_NAME = "classifier.safetensors"
PROMPT_NAME = "prompt.safetensors"
NEIGHBOURS_NAME = "neighbours.safetensors"
STATISTICS_NAME = "style_statistics.safetensors"
UPSCALER_NAME = "upscaler.safetensors"
MAX_DIRECTIONS_BYTES = 4 * 1024**2
MAX_CLASSIFIER_BYTES = 8 * 1024**2
MAX_PROMPT_BYTES = 6 * 1024**2
MAX_STATISTICS_BYTES = 16 * 1024**2
MAX_UPSCALER_BYTES = 4 * 1024**2
MAX_NEIGHBOURS_BYTES = 32 * 1024**2
MAX_PROGRESS_BYTES = 4 * 1024**2
COMPANIONS = {  # what may lie beside a model, and the largest sizes
    METRICS_NAME: MAX_JSON_BYTES,
    HISTORY_NAME: MAX_JSON_BYTES,
    PROGRESS_NAME: MAX_PROGRESS_BYTES,
    DIRECTIONS_NAME: MAX_DIRECTIONS_BYTES,
    CLASSIFIER_NAME: MAX_CLASSIFIER_BYTES,
    PROMPT_NAME: MAX_PROMPT_BYTES,
    NEIGHBOURS_NAME: MAX_NEIGHBOURS_BYTES,
    STATISTICS_NAME: MAX_STATISTICS_BYTES,
    UPSCALER_NAME: MAX_UPSCALER_BYTES,
}
CARD_DATA = {
    "library_name": "artmodels",
    "pipeline_tag": "unconditional-image-generation",
    "tags": ["art", "gan", "image-generation"],
}


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

    @property
    def working_memory(self) -> int:
        """Bytes that painting one picture takes besides the weights: the widest block in float32, before its gate."""
        return max(4 * 4 * self.channels(resolution) * resolution**2 for resolution in self.resolutions)

    def to_json(self) -> dict[str, Any]:
        """Plain JSON types; `GeneratorConfig(**config.to_json()) == config`."""
        return {**asdict(self), "styles": list(self.styles)}


def _require(condition: bool, field: str, found: object, expected: str) -> None:
    if not condition:
        raise ValueError(f"generator config: {field} must be {expected}, found {found}")


class ArtGenerator(nn.Module, PyTorchModelHubMixin, **copy.deepcopy(CARD_DATA)):  # which it adds to
    """Latents and style weights to pictures `[N, 3, H, W]` in [-1, 1].

    `mapping(z, style_weights) -> w`, then `synthesis(w) -> picture`; both are differentiable and free of noise.
    """

    def __init__(self, config: GeneratorConfig):
        super().__init__()
        self.config = config
        dim = config.latent_dim
        self.style_embedding = nn.Parameter(torch.empty(len(config.styles), dim).normal_())
        self.map_in = nn.Linear(2 * dim, dim)
        self.map_out = nn.Linear(dim, dim)
        self.register_buffer("mean_w", torch.zeros(len(config.styles), dim))  # mean modulation of each style

        first, *others = config.resolutions
        self.first = nn.Linear(dim, config.channels(first) * 4 * 4)
        self.first_conv = ModulatedConv(config.channels(first), config.channels(first), dim)
        self.blocks = nn.ModuleList(
            UpBlock(config.channels(res // 2), config.channels(res), dim, config.convs_per_block) for res in others
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
        x = self.first(w[:, 0]).view(len(w), -1, 4, 4)
        x = x.contiguous(memory_format=torch.channels_last)
        features = {4: self.first_conv(x, w[:, 1])}
        for block, res, row in zip(self.blocks, self.config.resolutions[1:], w.unbind(1)[2:], strict=True):
            x = block(features[res // 2], row)
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

    def _save_pretrained(self, save_directory: Path) -> None:
        save_weights(self.state_dict(), save_directory / WEIGHTS_NAME, dtype=torch.float16)
        write_config(self.config, save_directory)

    @classmethod
    def from_pretrained(
        cls,
        pretrained_model_name_or_path: str | Path,
        *,
        revision: str | None = None,
        token: str | bool | None = None,
        cache_dir: str | Path | None = None,
        local_files_only: bool = False,
        force_download: bool = False,
        map_location: str | torch.device = "cpu",
    ) -> "ArtGenerator":
        """A generator ready to paint, from a folder or by Hub id, with the mixin's own arguments.

        Unlike the mixin, this never accepts missing or surplus tensors, nor fetches or allocates before sizes are known
        to fit the config.

        Raises:
            FileNotFoundError: no such folder, or no model in the repository.
            ValueError: a damaged model, config and weights that do not fit each other, or no Hub id.
            OSError: the Hub does not give it, or cannot be reached.
        """
        name = str(pretrained_model_name_or_path)
        folder = Path(name)
        if not folder.is_dir():
            repo_id, named_revision = expect_hub_id(name)
            folder = fetch_generator(
                repo_id,
                revision=revision or named_revision,
                token=token,
                cache_dir=cache_dir,
                local_files_only=local_files_only,
                force_download=force_download,
            )
        return load_generator(folder).to(map_location)

    def generate_model_card(self, license: str | None = None, **_: object) -> ModelCard:
        """A card for a generator that is pushed without its run; `artmodels publish` writes a fuller one."""
        styles = ", ".join(self.config.styles)
        data = ModelCardData(license=license, **CARD_DATA)
        return ModelCard(f"""---
{data.to_yaml()}
---
# A painter of {escape_markdown(styles)}

{self.config.resolution} x {self.config.resolution} px in one forward pass, {self.parameter_count:,} parameters. Its
training, licence and figures were not stated by whoever pushed it.

```python
from artmodels import ArtGenerator, paint_seeds

generator = ArtGenerator.from_pretrained("user/model")
paint_seeds(generator, {json.dumps(self.config.styles[0], ensure_ascii=False)}, [7])[0].save("picture.png")
```
""")


def escape_markdown(name: str) -> str:
    """A name as Markdown shows it to the letter: no table, link or HTML comes of it."""
    return re.sub(r"([\\`*_{}\[\]()<>#|!])", r"\\\1", name)


def write_config(config: GeneratorConfig, folder: Path) -> None:
    """Write `config.json` of a published folder: the fields, and the version of artmodels that wrote them."""
    text = json.dumps({**config.to_json(), VERSION_KEY: __version__}, indent=2, ensure_ascii=False)
    (folder / CONFIG_NAME).write_text(text + "\n", "utf-8")


def read_config(path: Path) -> GeneratorConfig:
    """The config of a published folder.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: damaged, or of a newer format; the message says which version of artmodels to install.
    """
    data = read_json(path)
    if isinstance(data, dict):
        version = re.sub(r"[^0-9A-Za-z.+-]", "", str(data.pop(VERSION_KEY, "")))[:40]
        found = data.get("format_version")
        if isinstance(found, int) and found > FORMAT_VERSION:
            raise ValueError(
                f"{path}: model format {found} is newer than this artmodels {__version__} reads ({FORMAT_VERSION}): "
                f"install artmodels {version or 'of a later version'}, which wrote it"
            )
    return to_config(data, GeneratorConfig, path)


def fetch_generator(
    repo_id: str,
    *,
    revision: str | None = None,
    largest: int | None = None,
    tqdm_class: type | None = None,
    cache_dir: str | Path | None = None,
    **options,
) -> Path:
    """The cached snapshot folder of a model on the Hub, with config and weights of one and the same commit.

    The config is fetched and checked first; the weights only if their size fits it, and if the generator needs at most
    `largest` bytes of memory. `metrics.json` and `directions.safetensors` come too, if they are there; one that cannot
    be had costs a warning. `options` are those of `pull`.

    Raises:
        FileNotFoundError: the repository holds no such model.
        ValueError: a damaged or too large model.
        OSError: the Hub does not give it, or cannot be reached.
    """
    known = revision and try_to_load_from_cache(repo_id, CONFIG_NAME, cache_dir, revision)  # a commit, fetched before
    if not isinstance(known, str) and not options.get("local_files_only"):
        with suppress(Unreachable):  # it may still be in the cache
            check_listing(repo_id, revision, options.get("token"))
    options["cache_dir"] = cache_dir
    config_path = pull(repo_id, CONFIG_NAME, MAX_JSON_BYTES, revision=revision, **options)
    config = read_config(config_path)
    generator = _empty_generator(config)
    memory = sum(tensor.numel() * tensor.element_size() for tensor in generator.state_dict().values())
    if largest and memory + config.working_memory > largest:
        memory += config.working_memory
        raise ValueError(
            f"{repo_id} needs {memory / 1e6:,.0f} MB of memory, and {largest / 1e6:,.0f} MB is the limit here: "
            "it was not fetched"
        )
    commit = config_path.parent.name
    for name, limit in COMPANIONS.items():
        if try_to_load_from_cache(repo_id, name, cache_dir, commit) is None:  # neither there nor known to be missing
            try:
                pull(repo_id, name, limit, revision=commit, **options)
            except (FileNotFoundError, Unreachable):  # a model paints without what is said of it
                continue
            except (OSError, ValueError) as error:
                print(f"warning: {error}", file=sys.stderr)
    weights_path = pull(
        repo_id,
        WEIGHTS_NAME,
        memory + MAX_HEADER_BYTES,
        revision=commit,
        tqdm_class=tqdm_class,
        **options,
    )
    return weights_path.parent


def expect_hub_id(name: str) -> tuple[str, str | None]:
    """The repository and revision behind a name that is no folder.

    Raises:
        FileNotFoundError: it is no Hub id either.
    """
    try:
        return parse_hub_id(name)
    except ValueError as error:
        raise FileNotFoundError(
            f"no model folder {name[:200]}: give a folder with {CONFIG_NAME}, or a Hub id like user/model"
        ) from error


def find_companion(folder: Path, name: str) -> Path | None:
    """The file of that name beside a model, one of `COMPANIONS`; None if there is none.

    Raises:
        ValueError: it is larger than any that artmodels writes.
    """
    path, largest = folder / name, COMPANIONS[name]
    if not path.is_file():
        return None
    if path.stat().st_size > largest:
        raise ValueError(f"{path} is larger than {largest} bytes: not a file that artmodels wrote")
    return path


def load_generator(folder: str | Path) -> ArtGenerator:
    """A published folder's generator, in evaluation mode, on the CPU, in float32.

    Raises:
        FileNotFoundError: the folder, its config or its weights are not there.
        ValueError: a file is damaged, or config and weights do not fit each other.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise FileNotFoundError(f"no model folder {folder}: expected one with {CONFIG_NAME} and {WEIGHTS_NAME}")
    return _build(folder / CONFIG_NAME, folder / WEIGHTS_NAME)


def _build(config_path: Path, weights_path: Path) -> ArtGenerator:
    generator = _empty_generator(read_config(config_path))
    weights = load_weights(weights_path, expected=generator.state_dict())
    generator.load_state_dict(weights, strict=True, assign=True)
    return generator.requires_grad_(False).to(memory_format=torch.channels_last).eval()


def _empty_generator(config: GeneratorConfig) -> ArtGenerator:
    """Shapes only: nothing is allocated before a file is known to fit."""
    with torch.device("meta"), NoInitialValues():
        return ArtGenerator(config)
