"""Faults that one sees in painted pictures, as numbers, beside the same numbers of real pictures.

python benchmarks/artefacts.py --data train.zip --test-data test.zip checkpoints/masters runs/mine/model

- relief: pictures that look embossed are lit from one side. Length of the skewness of brightness's slopes across and
  down, in the mean of all pictures: a slope that rises fast and falls slowly everywhere.
- plaid: share of the power of brightness, from 8 cycles a picture on, that lies on the two axes of the spectrum.
- glare: saturated white spots within darker surroundings, per mille of all pixels.
- frame: mean step of brightness from the outermost pixels to those 4 px further in; corners: the same in the corners.
- weave: how much of the fine detail of different pictures is the same at the same places, a root mean square of
  cosines in per mille: what a network paints into every picture, because it knows its places and has nothing else to
  draw a texture from.
- layouts: how far pictures of one seed differ between styles, over how far those of one style differ between seeds, at
  16 px, without brightness and contrast. 1: a style has compositions of its own; 0: they are the seed's. As pictures
  are painted, and with shared layouts.

All but the last are to be read beside the line of real pictures.
"""

import argparse
import sys
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from compare_models import load_alike, paint_like

from artmodels.cli.arguments import OneLineParser, natural
from artmodels.data.dataset import load_dataset
from artmodels.generate.sampling import draw_latents, paint
from artmodels.hub.load import LoadedModel
from artmodels.io.errors import main_with_clear_errors
from artmodels.models.image_statistics import luma, shared_detail

LEAST_CYCLES = 8  # a picture; what is coarser is composition
WHITE, DARKER = 0.96, 0.7  # brightness of a spot, and of what lies around it at most, 0 to 1
SPOT, AROUND = 3, 25  # px: sides of the squares that a spot fills, and that its surroundings fill
EDGE = 2  # px: width of a frame
INSIDE = 4  # px: how far further in it is compared
LAYOUT = 16  # px at which compositions are compared
SEEDS = range(16)  # whose compositions are compared


def compare(chosen: argparse.Namespace) -> None:
    models, resolution = load_alike(chosen.models)
    train, test = (load_dataset(path, resolution) for path in (chosen.data, chosen.test_data))
    some = np.sort(np.random.default_rng(0).permutation(len(train))[: chosen.samples])
    print("| pictures | relief | plaid | glare | frame | corners | weave | layouts | shared layouts |")
    print("| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |")
    print(line("real, of training", train.batch(some)))
    print(line("real, held out", test.batch(np.arange(min(len(test), chosen.samples)))))
    for folder, model in zip(chosen.models, models, strict=True):
        painted = paint_like(model, test, chosen.samples)
        print(line(str(folder), painted, layouts_of(model, own=True), layouts_of(model, own=False)), flush=True)


def line(name: str, pictures: Tensor, *layouts: float | None) -> str:
    """A line of the table, of pictures `[N, 3, H, W]` in [-1, 1]."""
    light = luma(pictures)
    cells = [
        f"{relief(light):.3f}",
        f"{plaid(light):.3f}",
        f"{1000 * glare(light):.2f}",
        *(f"{step:.3f}" for step in frame(light)),
        f"{1000 * shared_detail(pictures):.1f}",
        *("" if ratio is None else f"{ratio:.2f}" for ratio in layouts or (None, None)),
    ]
    return f"| {name} | " + " | ".join(cells) + " |"


def relief(light: Tensor) -> float:
    """Length of the mean skewness of the slopes of brightness `[N, H, W]` across and down."""
    slopes = light[:, :-1, 1:] - light[:, :-1, :-1], light[:, 1:, :-1] - light[:, :-1, :-1]
    skewness = [_skewness(slope.flatten(1)).mean() for slope in slopes]
    return torch.stack(skewness).norm().item()


def _skewness(values: Tensor) -> Tensor:
    """Of each row of `[N, D]`, `[N]`."""
    centred = values - values.mean(dim=1, keepdim=True)
    return (centred**3).mean(dim=1) / centred.square().mean(dim=1).clamp(min=1e-8) ** 1.5


def plaid(light: Tensor) -> float:
    """Mean share of the power of brightness `[N, H, H]`, under a Hann window, that is on the axes of the spectrum."""
    size = light.shape[-1]
    window = torch.hann_window(size)
    centred = light - light.mean(dim=(1, 2), keepdim=True)
    power = torch.fft.fft2(centred * window * window[:, None]).abs().square()
    cycles = torch.fft.fftfreq(size, 1 / size).abs()
    fine = torch.maximum(cycles[:, None], cycles[None, :]) >= LEAST_CYCLES
    on_axes = fine & (torch.minimum(cycles[:, None], cycles[None, :]) <= 1)  # a window spreads lines to neighbours
    return (power[:, on_axes].sum(dim=1) / power[:, fine].sum(dim=1).clamp(min=1e-8)).mean().item()


def glare(light: Tensor) -> float:
    """Share of the pixels of brightness `[N, H, W]` that are part of a white spot within darker surroundings."""
    planes = light[:, None]
    filled = -F.max_pool2d(-planes, SPOT, 1, SPOT // 2)  # the darkest pixel near by
    white = F.max_pool2d((filled > WHITE).float(), SPOT, 1, SPOT // 2) > 0
    around = F.avg_pool2d(planes, AROUND, 1, AROUND // 2, count_include_pad=False)
    return (white & (around < DARKER)).float().mean().item()


def frame(light: Tensor) -> tuple[float, float]:
    """Mean absolute step of brightness `[N, H, W]` from the edges to `INSIDE` px further in; and in the corners."""
    turned = [light, light.flip(1), light.transpose(1, 2), light.transpose(1, 2).flip(1)]
    edges = [side[:, :EDGE].mean(dim=1) - side[:, INSIDE : INSIDE + EDGE].mean(dim=1) for side in turned]
    corners = []
    for flipped in (light, light.flip(1), light.flip(2), light.flip(1, 2)):
        corner = flipped[:, :INSIDE, :INSIDE].mean(dim=(1, 2))
        corners.append(corner - flipped[:, : 3 * INSIDE, : 3 * INSIDE].mean(dim=(1, 2)))
    return torch.stack(edges).mean(dim=2).abs().mean().item(), torch.stack(corners).abs().mean().item()


def layouts_of(model: LoadedModel, own: bool) -> float | None:
    """Distance of one seed's compositions between styles over that of one style's between seeds; None for one style.

    `own`: a seed has a layout of its own in each style.
    """
    styles = model.generator.config.styles
    if len(styles) < 2:
        return None
    dim = model.generator.config.latent_dim
    layouts = [
        layout(luma(paint(model.generator, draw_latents(SEEDS, dim, style if own else None), weights[None])))
        for style, weights in zip(styles, torch.eye(len(styles)), strict=True)
    ]
    by_style = torch.stack(layouts)  # [styles, seeds, D]
    between_styles = torch.cat([torch.pdist(by_style[:, place]) for place in range(len(SEEDS))])
    between_seeds = torch.cat([torch.pdist(of_style) for of_style in by_style])
    return (between_styles.mean() / between_seeds.mean()).item()


def layout(light: Tensor) -> Tensor:
    """Brightness `[N, H, H]` at 16 px, of mean 0 and length 1: `[N, 256]`."""
    small = F.adaptive_avg_pool2d(light[:, None], LAYOUT).flatten(1)
    return F.normalize(small - small.mean(dim=1, keepdim=True), dim=1)


def parse_arguments() -> argparse.Namespace:
    parser = OneLineParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="+", metavar="MODEL", help="folders of models of one resolution")
    parser.add_argument("--data", required=True, metavar="PATH", help="training pictures: a folder or zip")
    parser.add_argument("--test-data", required=True, metavar="PATH", help="held-out pictures")
    parser.add_argument("--samples", type=natural, default=1000, metavar="N", help="pictures of each kind")
    return parser.parse_args()


def main() -> int:
    chosen = parse_arguments()
    return main_with_clear_errors(lambda: compare(chosen))


if __name__ == "__main__":
    sys.exit(main())
