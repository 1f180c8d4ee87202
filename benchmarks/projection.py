"""Project generated pictures and say how near what was found comes, and how long it takes.

python benchmarks/projection.py checkpoints/masters --seeds 0-19 --sheet /tmp/projections.png
"""

import argparse
import statistics
import sys
import time
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from commands import changed

from artmodels.cli.arguments import OneLineParser, check_out, natural
from artmodels.generate.recipe import Projection, chunk_png
from artmodels.generate.sampling import (
    contact_sheet,
    draw_latents,
    one_hot,
    paint,
    paint_rows,
    parse_seeds,
    rows_of,
    to_images,
)
from artmodels.hub.card import check_card_target, rewrite_card
from artmodels.hub.load import load_model
from artmodels.io.device import describe_machine
from artmodels.io.errors import main_with_clear_errors
from artmodels.io.files import write_atomically
from artmodels.metrics.distances import extract_features, mean_pairwise_distance
from artmodels.models.efficientnet import load_efficientnet
from artmodels.optimize.descent import finish
from artmodels.optimize.projection import ProjectionSettings, project

RESOLUTION = 128  # px at which features are compared
OTHERS = 8  # pictures of each style that random pairs are drawn from
TRUNCATION = 0.8
SHARE = 0.1  # of the distance of random pairs that a projection should reach


def measure(chosen: argparse.Namespace) -> None:
    check_out(chosen.sheet, "--sheet", ".png")
    if chosen.card:
        check_card_target(chosen.model, "--card")
    model = load_model(chosen.model)
    generator, settings = model.generator, ProjectionSettings(chosen.steps, 0)
    networks = {"Lite0, descended through": load_efficientnet(0), "Lite2, the judge": load_efficientnet(2)}
    styles, dim = generator.config.styles, generator.config.latent_dim

    def painted(seed: int, style: str) -> torch.Tensor:
        return paint(generator, draw_latents([seed], dim), one_hot(styles, style), chosen.truncation)

    others = torch.cat(
        [painted(10_000 + number, styles[number % len(styles)]) for number in range(OTHERS * len(styles))]
    )
    pairs = {
        name: float(mean_pairwise_distance(extract_features(network, others, RESOLUTION)))
        for name, network in networks.items()
    }
    shares: dict[str, list[float]] = {name: [] for name in networks}
    seconds, pictures = [], []
    print("| seed | style | seconds | " + " | ".join(networks) + " |")
    print("| ---: | --- | ---: | " + " | ".join("---:" for _ in networks) + " |")
    for seed in parse_seeds(chosen.seeds):
        style = styles[seed % len(styles)]
        wanted = painted(seed, style)
        started = time.perf_counter()
        found = finish(project(generator, networks["Lite0, descended through"], wanted.clone(), settings))
        seconds.append(time.perf_counter() - started)
        recipe = found.recipe(model.name, model.weights_sha256, model.revision, Projection("0" * 64, 0, settings.steps))
        again = paint_rows(generator, rows_of(generator, recipe))
        for name, network in networks.items():
            own, other = (extract_features(network, picture, RESOLUTION) for picture in (wanted, again))
            shares[name].append(float((own - other).norm()) / pairs[name])
        told = " | ".join(f"{shares[name][-1]:.3f}" for name in networks)
        print(f"| {seed} | {style} | {seconds[-1]:.1f} | {told} |", flush=True)
        pictures += [wanted, again]
    for name, of_network in shares.items():
        good = sum(share <= SHARE for share in of_network)
        print(
            f"{name}: of the distance of random pairs {statistics.median(of_network):.3f} in the median, "
            f"{statistics.mean(of_network):.3f} in the mean, {max(of_network):.3f} at worst; "
            f"{good} of {len(of_network)} within {SHARE}"
        )
    print(f"{statistics.median(seconds):.1f} s each on {torch.get_num_threads()} threads, {settings.steps} steps")
    if chosen.card:
        judged = shares["Lite2, the judge"]
        figures = {
            "pictures": len(judged),
            "truncation": chosen.truncation,
            "median": statistics.median(judged),
            "mean": statistics.mean(judged),
            "worst": max(judged),
            "near": sum(share <= SHARE for share in judged),
            "judge": "EfficientNet-Lite2",
            "steps": settings.steps,
            "seconds": statistics.median(seconds),
            "machine": describe_machine(),
            "command": f"python benchmarks/projection.py {chosen.model} --seeds {chosen.seeds}"
            + changed(chosen, steps=ProjectionSettings.steps, truncation=TRUNCATION),
        }
        rewrite_card(model.folder, generator, {"descents": {"project": figures}})
    if chosen.sheet:
        write_atomically(chosen.sheet, chunk_png(contact_sheet(to_images(torch.cat(pictures)), 8), ""))


def parse_arguments() -> argparse.Namespace:
    parser = OneLineParser(description="How near a projection of a generated picture comes.")
    parser.add_argument("model", help="a model folder or a Hub id")
    parser.add_argument("--seeds", default="0-19", help="of the pictures, in all styles in turn (default: 0-19)")
    parser.add_argument("--steps", type=natural, default=ProjectionSettings.steps, help="of each projection")
    parser.add_argument("--truncation", type=float, default=TRUNCATION, help=f"of the pictures (default: {TRUNCATION})")
    parser.add_argument("--sheet", type=Path, help="write wanted and found pictures side by side into this PNG")
    parser.add_argument("--card", action="store_true", help="put the figures on the model's card")
    return parser.parse_args()


def main() -> int:
    chosen = parse_arguments()
    return main_with_clear_errors(lambda: measure(chosen))


if __name__ == "__main__":
    sys.exit(main())
