"""Compare models of one resolution in one run: distances to the same test pictures, and the least varied style.

python benchmarks/compare_models.py --data train.zip --test-data test.zip runs/a/model runs/b/model
"""

import argparse
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from artmodels.cli.arguments import OneLineParser, natural
from artmodels.data.dataset import load_dataset
from artmodels.hub.load import load_model, read_metrics
from artmodels.io.errors import main_with_clear_errors
from artmodels.metrics.evaluate import evaluate, look_at_real


def compare(chosen: argparse.Namespace) -> None:
    models = [load_model(folder) for folder in chosen.models]
    resolution, *others = sorted({model.generator.config.resolution for model in models})
    if others:
        raise ValueError(f"the models paint at {[resolution, *others]} px: compare models of one resolution")
    train, test = (load_dataset(path, resolution) for path in (chosen.data, chosen.test_data))
    real = look_at_real(train, test, chosen.samples)
    print(
        "| model | images | Fréchet distance | kernel distance x 1000 | precision | recall "
        "| mean variety | least varied style | Fréchet distance, from outside |"
    )
    print("| --- | ---: | ---: | ---: | ---: | ---: | ---: | --- | ---: |")
    for folder, model in zip(chosen.models, models, strict=True):
        figures = evaluate(model.generator, real, chosen.samples, chosen.truncation)
        overall, styles = figures["overall"], figures["styles"]
        images = read_metrics(model.folder).get("training", {}).get("images", 0)  # none: it was not trained
        least = min(styles, key=lambda style: styles[style]["variety"])
        mean = sum(style["variety"] for style in styles.values()) / len(styles)
        print(
            f"| {folder} | {images:,} | {overall['frechet_distance']:.1f} | {overall['kernel_distance'] * 1000:.2f} "
            f"| {number(overall['precision'])} | {number(overall['recall'])} "
            f"| {mean:.2f} | {styles[least]['variety']:.2f} {least} | {from_outside(figures, 'frechet_distance')} |",
            flush=True,
        )
    print(
        f"| real pictures (the floor) | | {overall['frechet_floor']:.1f} | {overall['kernel_floor'] * 1000:.2f} "
        f"| {number(overall['precision_floor'])} | {number(overall['recall_floor'])} | 1 | "
        f"| {from_outside(figures, 'frechet_floor')} |"
    )


def from_outside(figures: dict[str, Any], name: str) -> str:
    """A figure of the judge from outside, where it is installed."""
    return f"{figures['outside'][name]:.3f}" if figures["outside"] else ""


def number(value: float | None) -> str:
    return "" if value is None else f"{value:.2f}"


def parse_arguments() -> argparse.Namespace:
    parser = OneLineParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="+", help="model folders, or Hub ids")
    parser.add_argument("--data", required=True)
    parser.add_argument("--test-data", required=True)
    parser.add_argument("--samples", type=natural, default=1000)
    parser.add_argument("--truncation", type=float, default=1.0)
    return parser.parse_args()


def main() -> int:
    chosen = parse_arguments()
    return main_with_clear_errors(lambda: compare(chosen))


if __name__ == "__main__":
    sys.exit(main())
