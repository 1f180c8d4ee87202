"""How alike two sets of pictures are in their small patches, band by band, without any network."""

import torch
import torch.nn.functional as F
from torch import Tensor

COARSEST = 16  # px, the smallest level of the pyramid
PATCH = 7  # px
FLAT = 1e-4  # a band whose standard deviation is less holds nothing but rounding: 8-bit colour steps by 8e-3


@torch.inference_mode()
def sliced_wasserstein(
    first: Tensor, second: Tensor, seed: int = 0, patches: int = 16384, projections: int = 512
) -> dict[int, float]:
    """Sliced Wasserstein distance x 1000 between 7 x 7 patches, by level of a Laplacian pyramid in px, finest first.

    For pictures `[N, 3, H, H]` and `[M, 3, H, H]` in [-1, 1] (arXiv:1710.10196, section 5, scaled as in its tables).
    Fine levels compare edges and texture, the 16 px level composition and palette. Channels of a level are normalised
    over each set, as in the paper, so a change of brightness or contrast common to all pictures is not seen.

    `patches` descriptors are drawn in all on each side, from all pictures alike, so N and M may differ. Positions
    depend on `seed` alone: a set has distance 0 to itself. Few pictures and few patches raise the distance between
    two draws of one distribution: read it beside that of real pictures to real pictures.

    Raises:
        ValueError: not square RGB pictures of one side, a power of two from 16 up, or a set without pictures.
    """
    side = first.shape[-1]
    for pictures in (first, second):
        if len(pictures) == 0 or pictures.shape[1:] != (3, side, side) or side < COARSEST or side & (side - 1):
            raise ValueError(
                f"expected pictures [N, 3, H, H] of one side H, a power of two from {COARSEST} up, "
                f"found {list(first.shape)} and {list(second.shape)}: resize them to one such side"
            )
    generator = torch.Generator().manual_seed(seed)
    directions = F.normalize(torch.randn(projections, 3 * PATCH**2, generator=generator), dim=1).to(first.device)
    distances = {}
    for own, other in zip(laplacian_pyramid(first), laplacian_pyramid(second), strict=True):
        level = own.shape[-1]
        corners = torch.randint(level - PATCH + 1, (2, patches), generator=generator)
        first_taken, second_taken = (take_descriptors(band, corners) for band in (own, other))
        distances[level] = 1000 * projected_distance(first_taken, second_taken, directions).item()
    return distances


def projected_distance(first: Tensor, second: Tensor, directions: Tensor) -> Tensor:
    """Mean over unit directions `[P, D]` of the 1-D Wasserstein distance between two sets `[N, D]`, projected.

    In one dimension optimal transport pairs the two sets in sorted order.
    """
    own, other = (directions @ rows.T for rows in (first, second))  # [P, N]
    return (own.sort(dim=1).values - other.sort(dim=1).values).abs().mean()


def take_descriptors(band: Tensor, corners: Tensor) -> Tensor:
    """Patches `[P, 147]` of a band `[N, 3, H, H]` from rows and columns `[2, P]` on, the pictures in turn.

    Each colour channel is brought to mean 0 and standard deviation 1 over all patches.
    """
    picture, (row, column) = torch.arange(corners.shape[1]) % len(band), corners
    taken = band.unfold(2, PATCH, 1).unfold(3, PATCH, 1)[picture, :, row, column]  # [P, 3, 7, 7]
    deviation, mean = torch.std_mean(taken, dim=(0, 2, 3), keepdim=True)
    return ((taken - mean) / deviation.clamp(min=FLAT)).flatten(1)


def laplacian_pyramid(pictures: Tensor) -> list[Tensor]:
    """Bands of pictures `[N, 3, H, H]` from full resolution to 16 px: what each coarser level lacks, then the last.

    After Burt and Adelson, 1983: `band + upscale(coarser)` restores a level.
    """
    bands = []
    while pictures.shape[-1] > COARSEST:
        coarser = downscale(pictures)
        bands.append(pictures - upscale(coarser))
        pictures = coarser
    return [*bands, pictures]


def downscale(pictures: Tensor) -> Tensor:
    """Half the side, after a binomial blur that is mirrored at the edges."""
    return _blur(pictures, stride=2)


def upscale(pictures: Tensor) -> Tensor:
    """Twice the side: zeros between the pixels, and the same blur times 4."""
    spread = pictures.new_zeros(*pictures.shape[:2], 2 * pictures.shape[2], 2 * pictures.shape[3])
    spread[..., ::2, ::2] = pictures
    return 4 * _blur(spread)


def _blur(pictures: Tensor, stride: int = 1) -> Tensor:
    row = torch.tensor([1, 4, 6, 4, 1], dtype=pictures.dtype, device=pictures.device) / 16
    kernel = torch.outer(row, row).expand(pictures.shape[1], 1, 5, 5)
    padded = F.pad(pictures, (2, 2, 2, 2), mode="reflect")
    return F.conv2d(padded, kernel, stride=stride, groups=pictures.shape[1])
