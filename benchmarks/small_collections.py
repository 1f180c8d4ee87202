"""How far a few pictures go: the preset on 50 and 500 pictures of a collection, drawn by lot in proportion.

python benchmarks/small_collections.py --data train.zip --test-data test.zip --minutes 30 --work /tmp/small

Each run measures itself with --test-data as it goes, so it warns when it memorises, and `model/` is its best average.
That model then paints for the judge of the whole collection: the floor is that of the whole collection, too. A run
that has been measured is not repeated. `--trainer` names the train.py of another version, for a comparison; one that
knows no --minutes is given --images.

Written to --results: a JSON file for each run, and `table.md`.
"""

import argparse
import math
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import numpy as np
from ablations import draw_lots
from compare_models import number

from artmodels.cli.arguments import OneLineParser, natural
from artmodels.data.dataset import ArtDataset, load_dataset
from artmodels.hub.load import METRICS_NAME, load_model
from artmodels.io.device import describe_machine
from artmodels.io.errors import main_with_clear_errors
from artmodels.io.files import write_json
from artmodels.io.safetensors_io import read_json
from artmodels.metrics.distances import mean_pairwise_distance
from artmodels.metrics.evaluate import RealPictures, evaluate, look_at_real
from artmodels.training.config import PRESETS
from artmodels.training.monitor import summary
from artmodels.training.run_log import read_history

ROOT = Path(__file__).resolve().parent.parent
SIZES = (50, 500)


def measure_all(chosen: argparse.Namespace) -> None:
    resolution = PRESETS[chosen.preset]().resolution
    chosen.results.mkdir(parents=True, exist_ok=True)
    real = None
    for size in chosen.sizes:
        path = chosen.results / f"{chosen.name}-{size}.json"
        if not path.exists():
            run = train(size, chosen)
            train_set, test_set = (load_dataset(each, resolution) for each in (chosen.data, chosen.test_data))
            real = real or look_at_real(train_set, test_set, chosen.samples)
            drawn = variety_of_draws(load_dataset(chosen.work / f"{size}-pictures", resolution), real)
            write_json(path, {**figures_of(run, real, chosen), "variety_of_draws": drawn})
    write_table(chosen)


def train(size: int, chosen: argparse.Namespace) -> Path:
    """The folder of a run on so many pictures, trained to its end.

    Raises:
        OSError: the training failed.
    """
    chosen.work.mkdir(parents=True, exist_ok=True)
    data, run = chosen.work / f"{size}-pictures", chosen.work / f"{chosen.name}-{size}"
    if not data.exists():
        draw_lots(Path(chosen.data), size, data)
    shutil.rmtree(run, ignore_errors=True)
    budget = ["--images", str(chosen.images)] if chosen.images else ["--minutes", str(chosen.minutes)]
    flags = ["--data", str(data.resolve()), "--test-data", str(Path(chosen.test_data).resolve())]
    flags += ["--preset", chosen.preset, "--output", str(run.resolve())]
    command = [sys.executable, str(chosen.trainer), *flags, *budget, *shlex.split(chosen.flags)]
    with run.with_suffix(".txt").open("wb") as log:
        code = subprocess.run(command, cwd=chosen.trainer.parent, stdout=log, stderr=log, check=False).returncode
    if code:
        raise OSError(f"the run {run.name} ended with {code}: see {run.with_suffix('.txt')}")
    return run


def figures_of(run: Path, real: RealPictures, chosen: argparse.Namespace) -> dict[str, Any]:
    """What a finished run cost, how its best average paints, and what it warned of."""
    history, told = read_history(run), read_json(run / "model" / METRICS_NAME)
    judged = {record["images"]: record["evaluation"] for record in history if "evaluation" in record}
    best = judged.get(told["training"]["images"], {})
    return {
        "name": chosen.name,
        "pictures": told["training"]["pictures"],
        "images": history[-1]["images"],
        "minutes": round(history[-1]["seconds"] / 60, 1),
        "best_images": told["training"]["images"],
        "machine": describe_machine(),
        "samples": chosen.samples,
        "warnings": sorted({warning for record in history for warning in record.get("warnings", ())}),
        "memorisation": best.get("memorisation_ratio"),
        **summary(evaluate(load_model(run / "model").generator, real, chosen.samples)),
    }


def variety_of_draws(few: ArtDataset, real: RealPictures) -> dict[str, float]:
    """The variety of each style of a small collection when its own pictures are drawn at random, with repetition.

    Whoever paints nothing but what was shown gets no more from any number of seeds: of n pictures, two draws are the
    same with probability 1 / n.
    """
    found = {}
    for label, style in enumerate(few.styles):
        own = real.look(few.batch(np.flatnonzero(few.labels == label)))
        if len(own) > 1 and style in real.of_style:
            whole = mean_pairwise_distance(real.train[real.of_style[style]])
            found[style] = ((1 - 1 / len(own)) * mean_pairwise_distance(own) / whole).item()
    return found


def write_table(chosen: argparse.Namespace) -> None:
    """All runs that have been measured, those of the same size together."""
    rows = sorted((read_json(path) for path in chosen.results.glob("*-*.json")), key=lambda row: row["pictures"])
    floor = rows[0].get("frechet_floor", math.nan)
    lines = [
        "# Few pictures",
        "",
        f"Preset `{chosen.preset}`; {rows[0]['samples']} samples of each run's best average against all test pictures, "
        "truncation 1, judge EfficientNet-Lite2. Real pictures of the whole collection score "
        f"{floor:.1f} (Fréchet). Variety: of the least varied style, 1 as real pictures of the "
        "whole collection; beside it, that of the run's own pictures, drawn at random. Memorisation: the "
        "median distance of paintings to the nearest picture that was trained on, "
        "over that of unseen real pictures.",
        "",
        "| run | pictures | images shown | minutes | Fréchet distance | excess | precision | recall | least variety "
        "| its own pictures drawn | memorisation | warnings |",
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    for row in rows:
        least = min(style["variety"] for style in row["styles"].values())
        lines.append(
            f"| {row['name']} | {row['pictures']:,} | {row['images']:,} | {row['minutes']} "
            f"| {row['frechet_distance']:.1f} | {row['frechet_distance'] - row.get('frechet_floor', math.nan):.1f} "
            f"| {number(row.get('precision'))} | {number(row.get('recall'))} | {least:.2f} "
            f"| {number(min(row['variety_of_draws'].values(), default=None))} "
            f"| {number(row['memorisation'])} | {len(row['warnings'])} |"
        )
    for row in rows:
        lines += ["", *(f"- {row['name']}, {row['pictures']:,} pictures: {warning}" for warning in row["warnings"])]
    budget = f"--images {chosen.images}" if chosen.images else f"--minutes {chosen.minutes:g}"
    lines += [
        "",
        f"`python benchmarks/small_collections.py --data train.zip --test-data test.zip {budget} --work FOLDER`",
    ]
    (chosen.results / "table.md").write_text("\n".join(lines) + "\n", "utf-8")
    print("\n".join(lines), flush=True)


def parse_arguments() -> argparse.Namespace:
    parser = OneLineParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("--data", required=True, metavar="PATH", help="training pictures: a folder or zip")
    add("--test-data", required=True, metavar="PATH", help="held-out pictures")
    add("--work", required=True, type=Path, metavar="FOLDER", help="where the runs train")
    add("--preset", choices=PRESETS, default="cpu")
    add("--minutes", type=float, default=30, help="of each run")
    add("--images", type=natural, metavar="N", help="of each run, instead of --minutes")
    add("--sizes", type=natural, nargs="+", default=SIZES, metavar="N", help="pictures of the collections")
    add("--samples", type=natural, default=1000, metavar="N", help="pictures that each run is judged by")
    add("--trainer", type=Path, default=ROOT / "train.py", metavar="PATH", help="another version's train.py")
    add("--flags", default="", metavar="FLAGS", help="of train.py besides, like '--seed 1'")
    add("--name", default="preset", metavar="NAME", help="of these runs in the table")
    add("--results", type=Path, default=ROOT / "benchmarks" / "results" / "small-collections", metavar="FOLDER")
    return parser.parse_args()


def main() -> int:
    chosen = parse_arguments()
    return main_with_clear_errors(lambda: measure_all(chosen))


if __name__ == "__main__":
    sys.exit(main())
