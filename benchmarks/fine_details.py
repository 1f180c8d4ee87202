"""At which size of detail a model's pictures differ from real ones: by the judge's distance and by power spectrum.

python benchmarks/fine_details.py --data train.zip --test-data test.zip checkpoints/masters

The first table brings real and painted pictures alike down to a size and enlarges them again before the judge looks:
what the excess over real training pictures falls by lay in the details that are lost. The second compares the power of
the painted pictures with that of the real ones, band by band of spatial frequency, for brightness and for colour.
"""

import argparse
import sys
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from compare_models import paint_like

from artmodels.cli.arguments import OneLineParser, natural
from artmodels.data.dataset import load_dataset
from artmodels.data.decode import resized
from artmodels.hub.load import load_model
from artmodels.io.errors import main_with_clear_errors
from artmodels.metrics.distances import frechet_distance
from artmodels.metrics.evaluate import JUDGE_RESOLUTION, JUDGE_VARIANT, look
from artmodels.models.efficientnet import load_efficientnet
from artmodels.models.image_statistics import luma

SHARES = (1, 0.75, 0.5, 0.25)  # of the full size, to which pictures are brought down
BANDS = (0, 1 / 32, 1 / 16, 1 / 8, 1 / 4, 3 / 8, 1 / 2)  # cycles a pixel


def compare(chosen: argparse.Namespace) -> None:
    model = load_model(chosen.model)
    size = model.generator.config.resolution
    train, test = (load_dataset(path, size) for path in (chosen.data, chosen.test_data))
    places = np.sort(np.random.default_rng(0).permutation(len(train))[: chosen.samples])
    painted = paint_like(model, test, chosen.samples)
    real, held_out = train.batch(places), test.batch(np.arange(len(test)))

    judge = load_efficientnet(JUDGE_VARIANT)
    print("| details down to | Fréchet distance | of real training pictures | excess |")
    print("| --- | ---: | ---: | ---: |")
    for share in SHARES:
        at = round(size * share)
        ours, theirs, wanted = (
            look(judge, without_details(pictures, at), max(JUDGE_RESOLUTION, size))
            for pictures in (painted, real, held_out)
        )
        distance, floor = frechet_distance(ours, wanted), frechet_distance(theirs, wanted)
        print(f"| {at} px | {distance:.1f} | {floor:.1f} | {distance - floor:.1f} |", flush=True)

    print("\n| cycles a pixel | power of brightness, painted over real | of red above it | of blue above it |")
    print("| --- | ---: | ---: | ---: |")
    ours, theirs = (power(pictures) for pictures in (painted, held_out))
    for (low, high), ratios in zip(pairwise(BANDS), (ours / theirs).tolist(), strict=True):
        print(f"| {low:.3f} to {high:.3f} | " + " | ".join(f"{ratio:.2f}" for ratio in ratios) + " |")


def without_details(pictures: Tensor, size: int) -> Tensor:
    """Pictures `[N, 3, H, W]` in [-1, 1], brought down to `size` px and enlarged again."""
    return F.interpolate(resized(pictures, size, size), size=pictures.shape[-1], mode="bicubic").clamp(-1, 1)


def power(pictures: Tensor) -> Tensor:
    """Mean power `[bands, 3]` of luma, red - luma and blue - luma in each of `BANDS`, under a Hann window."""
    light, (red, _, blue) = luma(pictures), ((pictures + 1) / 2).unbind(dim=1)
    planes = torch.stack([light, red - light, blue - light], dim=1)
    size = pictures.shape[-1]
    window = torch.hann_window(size)
    centred = planes - planes.mean(dim=(2, 3), keepdim=True)
    spectrum = torch.fft.fft2(centred * window * window[:, None]).abs().square().mean(dim=0)  # [3, H, W]
    frequency = torch.fft.fftfreq(size)
    radius = (frequency.square() + frequency[:, None].square()).sqrt()
    bands = [(radius >= low) & (radius < high) for low, high in pairwise(BANDS)]
    return torch.stack([spectrum[:, band].mean(dim=1) for band in bands])


def parse_arguments() -> argparse.Namespace:
    parser = OneLineParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", help="a model folder, or a Hub id")
    parser.add_argument("--data", required=True)
    parser.add_argument("--test-data", required=True)
    parser.add_argument("--samples", type=natural, default=1000)
    return parser.parse_args()


def main() -> int:
    chosen = parse_arguments()
    return main_with_clear_errors(lambda: compare(chosen))


if __name__ == "__main__":
    sys.exit(main())
