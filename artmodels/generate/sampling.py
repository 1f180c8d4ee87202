"""Seeds -> latents -> pictures, and sheets of them."""

import math
import re
import zlib
from collections.abc import Mapping, Sequence

import torch
from PIL import Image
from torch import Tensor

from artmodels.generate.recipe import SEED_LIMIT, Latent, LayerMix, Recipe, unpack_rows
from artmodels.hub.companions.directions import Directions
from artmodels.hub.pretrained import ArtGenerator
from artmodels.io.memory import LARGEST_KEPT
from artmodels.models.generator import MAX_TRUNCATION

MAX_SEEDS = 1_000_000
BATCH = 16  # pictures painted at once, or fewer where they are large
WORKING_MEMORY = 500_000_000  # bytes
CPU_BATCH = 8
CPU_WORKING_MEMORY = 2 * LARGEST_KEPT  # the largest feature map is half of it


def parse_seeds(text: str) -> list[int]:
    """`"7"`, `"0-15"` or `"1,4,10-12"` to a list of seeds, each 0 <= seed < 2**32.

    Raises:
        ValueError: not of that form, an empty range, or a seed out of bounds.
    """
    seeds: list[int] = []
    for part in text.split(","):
        match = re.fullmatch(r"\s*(\d{1,20})\s*(?:-\s*(\d{1,20})\s*)?", part, re.ASCII)
        if not match:
            raise ValueError(
                f"seeds should look like 7, 0-15 or 1,4,10-12; found {part.strip()[:40]!r} in {text[:80]!r}"
            )
        first = int(match[1])
        last = int(match[2] or first)
        if last < first:
            raise ValueError(f"seeds {part.strip()}: the range runs backwards; try {last}-{first}")
        if last >= SEED_LIMIT:
            raise ValueError(f"seeds must be below 2**32 = {SEED_LIMIT}, found {last}")
        if len(seeds) + last - first >= MAX_SEEDS:
            raise ValueError(f"{text[:80]} asks for more than {MAX_SEEDS} pictures: paint them in parts")
        seeds.extend(range(first, last + 1))
    return seeds


def check_truncation(truncation: float) -> None:
    """Raises:
    ValueError: the truncation is not between 0 and 1.5.
    """
    if not 0 <= truncation <= MAX_TRUNCATION:
        raise ValueError(f"truncation must be between 0 and {MAX_TRUNCATION}, found {truncation:g}: try 0.8")


def seed_recipe(
    model: str,
    weights_sha256: str,
    style: str,
    seed: int,
    truncation: float,
    revision: str | None = None,
    shared: bool = False,
) -> Recipe:
    """The recipe of one seed painted in one style; `shared`: with the layout that the seed has in all styles."""
    latent = Latent(seed, of=None if shared else style)
    return Recipe(model, weights_sha256, (latent,), {style: 1.0}, truncation, revision=revision)


def draw_latents(seeds: Sequence[int], latent_dim: int, of: str | None = None) -> Tensor:
    """Latents `[len(seeds), latent_dim]` from a standard normal, on the CPU, each from a generator of its own.

    With the name of a style, those that the seeds have in this style alone: the generators' seeds are then further on,
    by the name's CRC-32 modulo 2**32.
    """
    rows, further = [], zlib.crc32(of.encode()) if of is not None else 0
    for seed in seeds:
        if not 0 <= seed < SEED_LIMIT:
            raise ValueError(f"a seed must be at least 0 and below 2**32 = {SEED_LIMIT}, found {seed}")
        generator = torch.Generator().manual_seed((seed + further) % SEED_LIMIT)
        rows.append(torch.randn(latent_dim, generator=generator))
    return torch.stack(rows)


def one_hot(styles: Sequence[str], chosen: str) -> Tensor:
    """The style weights `[1, len(styles)]` of one style.

    Raises:
        ValueError: the model has no such style; the message lists the styles it has.
    """
    return blend(styles, {chosen: 1.0})


def blend(styles: Sequence[str], weights: Mapping[str, float]) -> Tensor:
    """Style weights `[1, len(styles)]` from names and shares.

    Raises:
        ValueError: the model has no such style; the message lists the styles it has.
    """
    row = torch.zeros(1, len(styles))
    for name, weight in weights.items():
        if name not in styles:
            raise ValueError(f"no style {str(name)[:80]!r} in this model; it paints: {', '.join(styles)}")
        row[0, styles.index(name)] = weight
    return row


def mix_latents(latents: Sequence[Latent], latent_dim: int) -> Tensor:
    """The latent `[1, latent_dim]` of a recipe: the weighted sum of its seeds' latents, back at unit variance.

    Raises:
        ValueError: a latent that was found for a picture is one of another model.
    """
    z = torch.cat([_own_latent(latent, latent_dim) for latent in latents])
    weights = torch.tensor([[latent.weight for latent in latents]], dtype=torch.float32)
    return weights @ z / weights.norm()


def _own_latent(latent: Latent, latent_dim: int) -> Tensor:
    if latent.rows is None:
        return draw_latents([latent.seed], latent_dim, latent.of)
    return _found_rows(latent.rows, latent_dim)[:1]


def _found_rows(rows: str, latent_dim: int) -> Tensor:
    """`[1 or layers + 1, latent_dim]`"""
    numbers = unpack_rows(rows)
    if len(numbers) % latent_dim:
        raise ValueError(f"the recipe's latent was found with another model: its rows are not of {latent_dim} numbers")
    return numbers.view(-1, latent_dim)


def mix_offsets(latents: Sequence[Latent], layers: int, latent_dim: int) -> Tensor:
    """What found latents add to the modulations, `[1, layers, latent_dim]`, weighted as the latents are.

    Raises:
        ValueError: a latent was found with another model.
    """
    offset = torch.zeros(1, layers, latent_dim)
    length = math.sqrt(sum(latent.weight**2 for latent in latents))
    for latent in latents:
        if latent.rows is None:
            continue
        rows = _found_rows(latent.rows, latent_dim)
        if len(rows) not in (1, layers + 1):
            raise ValueError(
                f"the recipe's latent was found with another model: {len(rows)} rows, expected 1 or {layers + 1}"
            )
        if len(rows) > 1:
            offset += latent.weight / length * rows[1:]
    return offset


@torch.inference_mode()
def rows_of(generator: ArtGenerator, recipe: Recipe, directions: Directions | None = None) -> Tensor:
    """The `w: [1, layers + 1, latent_dim]` of a recipe on the generator's device; `synthesis` paints it.

    Raises:
        ValueError: the model has no such style, block or direction.
    """
    w = _rows(generator, recipe.latents, recipe.style_weights, recipe.truncation)
    for edit in recipe.edits:
        if isinstance(edit, LayerMix):
            if edit.first > generator.config.layers:
                raise ValueError(f"this model has {generator.config.layers} blocks, so no block {edit.first} to mix")
            fine = _rows(generator, edit.latents, edit.style_weights, recipe.truncation)
            w = torch.cat([w[:, : edit.first], fine[:, edit.first :]], dim=1)
        else:
            if directions is None:
                raise ValueError(f"this model has no directions, so none named {edit.name[:80]!r}")
            w = w + edit.amount * directions.vector(edit.name, edit.sha256).to(w)
    return w


def _rows(
    generator: ArtGenerator, latents: Sequence[Latent], style_weights: Mapping[str, float], truncation: float
) -> Tensor:
    device = generator.mean_w.device
    z = mix_latents(latents, generator.config.latent_dim).to(device)
    style = blend(generator.config.styles, style_weights).to(device)
    w = generator.truncate(generator.mapping(z, style), style, truncation)
    if any(latent.rows is not None for latent in latents):
        w[:, 1:] += mix_offsets(latents, generator.config.layers, generator.config.latent_dim).to(w)
    return w


@torch.inference_mode()
def paint_rows(generator: ArtGenerator, w: Tensor) -> Tensor:
    """One picture per `w: [N, layers + 1, latent_dim]`, `[N, 3, H, W]` in [-1, 1] on the CPU."""
    size = batch_size(generator)
    device = generator.mean_w.device
    return torch.cat([generator.synthesis(part).float().cpu() for part in w.to(device).split(size)])


def batch_size(generator: ArtGenerator) -> int:
    """Pictures that are painted at once, within the working memory.

    On a CPU fewer are faster: their feature maps stay near the processor, and none outgrows the memory that is kept.
    """
    on_cpu = generator.mean_w.device.type == "cpu"
    most, memory = (CPU_BATCH, CPU_WORKING_MEMORY) if on_cpu else (BATCH, WORKING_MEMORY)
    return max(1, min(most, memory // generator.config.working_memory))


def paint(generator: ArtGenerator, latents: Tensor, weights: Tensor, truncation: float = 1.0) -> Tensor:
    """One picture per latent, `[N, 3, H, W]` in [-1, 1] on the CPU.

    `latents` is `[N, latent_dim]`, `weights` (of the styles) is `[1 or N, styles]`.

    Raises:
        ValueError: the truncation is out of bounds.
    """
    check_truncation(truncation)
    device = generator.mean_w.device
    with torch.inference_mode():
        z, style = latents.to(device), weights.to(device).expand(len(latents), -1)
        return paint_rows(generator, generator.truncate(generator.mapping(z, style), style, truncation))


def paint_seeds(
    generator: ArtGenerator, style: str, seeds: Sequence[int], truncation: float = 0.8
) -> list[Image.Image]:
    """One Pillow image per seed, in one style, each with a layout of this style's own: as on a model's card.

    Raises:
        ValueError: no such style, or a seed or the truncation out of bounds; the message says what to do.
    """
    check_truncation(truncation)
    weights = one_hot(generator.config.styles, style)
    return to_images(paint(generator, draw_latents(seeds, generator.config.latent_dim, style), weights, truncation))


def to_levels(pictures: Tensor) -> Tensor:
    """Picture tensor `[N, 3, H, W]` in [-1, 1] to levels from 0 to 255, uint8 `[N, H, W, 3]` on the CPU."""
    levels = pictures.detach().cpu().add(1).mul(127.5).round().clamp(0, 255).to(torch.uint8)
    return levels.permute(0, 2, 3, 1).contiguous()


def to_images(pictures: Tensor) -> list[Image.Image]:
    """Picture tensor `[N, 3, H, W]` in [-1, 1] to Pillow images."""
    return [Image.fromarray(picture) for picture in to_levels(pictures).numpy()]


def contact_sheet(images: Sequence[Image.Image], columns: int, gap: int = 2) -> Image.Image:
    """Images of one size side by side in rows of `columns`, on white."""
    width, height = images[0].size
    rows = -(-len(images) // columns)
    sheet = Image.new("RGB", (columns * (width + gap) - gap, rows * (height + gap) - gap), "white")
    for place, image in enumerate(images):
        sheet.paste(image, ((place % columns) * (width + gap), (place // columns) * (height + gap)))
    return sheet


def style_sheet(generator: ArtGenerator, seeds: Sequence[int], truncation: float = 1.0) -> Image.Image:
    """A contact sheet with one row per style, in label order, and one column per seed, as `paint_seeds` paints them."""
    rows = [image for style in generator.config.styles for image in paint_seeds(generator, style, seeds, truncation)]
    return contact_sheet(rows, columns=len(seeds))
