"""Generators in and out of published folders and the Hub: config first, sizes next, weights last."""

import copy
import json
import re
import sys
from contextlib import suppress
from pathlib import Path

import torch
from huggingface_hub import ModelCard, ModelCardData, PyTorchModelHubMixin, try_to_load_from_cache

from artmodels import __version__
from artmodels.hub.companions import files_beside
from artmodels.hub.download import Unreachable, check_listing, parse_hub_id, pull
from artmodels.hub.model_files import CARD_DATA, CONFIG_NAME, WEIGHTS_NAME, escape_markdown
from artmodels.io.safetensors_io import (
    MAX_HEADER_BYTES,
    MAX_JSON_BYTES,
    load_weights,
    read_json,
    save_weights,
    shapes_only,
    to_config,
)
from artmodels.models.generator import FORMAT_VERSION, GeneratorConfig, GeneratorNetwork
from artmodels.models.layers import channels_last

VERSION_KEY = "artmodels_version"


class ArtGenerator(GeneratorNetwork, PyTorchModelHubMixin, **copy.deepcopy(CARD_DATA)):  # which it adds to
    """The generator as people load, save and push it; see `GeneratorNetwork` for what it computes."""

    def _save_pretrained(self, save_directory: Path) -> None:
        save_weights(self.state_dict(), save_directory / WEIGHTS_NAME, dtype=torch.float16)
        write_config(self.config, save_directory)

    @classmethod
    def from_pretrained(  # type: ignore[override]  # the mixin's own arguments, but for those that it passes on
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
    `largest` bytes of memory. What `files_beside` lists comes too, if it is there and `largest` leaves room; what
    cannot be had costs a warning. `options` are those of `pull`.

    Raises:
        FileNotFoundError: the repository holds no such model.
        ValueError: a damaged or too large model.
        OSError: the Hub does not give it, or cannot be reached.
    """
    known = revision and try_to_load_from_cache(repo_id, CONFIG_NAME, cache_dir, revision)  # a commit, fetched before
    reached = False
    if not isinstance(known, str) and not options.get("local_files_only"):
        with suppress(Unreachable):  # it may still be in the cache
            check_listing(repo_id, revision, options.get("token"))
            reached = True
    options["cache_dir"] = cache_dir
    config_path = pull(repo_id, CONFIG_NAME, MAX_JSON_BYTES, revision=revision, **options)
    config = read_config(config_path)
    generator = _empty_generator(config)
    memory = sum(tensor.numel() * tensor.element_size() for tensor in generator.state_dict().values())
    room = (largest or sys.maxsize) - memory - config.working_memory
    if largest and room < 0:
        raise ValueError(
            f"{repo_id} needs {(largest - room) / 1e6:,.0f} MB of memory, and {largest / 1e6:,.0f} MB is the limit "
            "here: it was not fetched"
        )
    commit = config_path.parent.name
    for name, limit in files_beside().items():
        found = try_to_load_from_cache(repo_id, name, cache_dir, commit)
        if found is None:  # neither there nor known to be missing
            try:
                found = str(pull(repo_id, name, max(0, min(limit, room)), revision=commit, **options))
            except FileNotFoundError:  # a model paints without what is said of it
                continue
            except (OSError, ValueError) as error:
                if isinstance(error, Unreachable) and not reached:
                    continue  # it is known that there is no Hub
                print(f"warning: {error}", file=sys.stderr)
        if isinstance(found, str):
            room -= Path(found).stat().st_size
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
    return channels_last(generator.requires_grad_(False)).eval()


def _empty_generator(config: GeneratorConfig) -> ArtGenerator:
    """Shapes only: nothing is allocated before a file is known to fit."""
    with shapes_only():
        return ArtGenerator(config)
