"""Short runs that differ from the preset in one hyperparameter each, measured alike: what the presets stand on.

python benchmarks/ablations.py --data train.zip --test-data test.zip --images 8000 --work /tmp/ablations

Every run starts from the same seed and is trained on all of --data for the same number of images; then its last average
paints for the same judge. A run that has been measured on these terms is not repeated: the figures of each lie in
--results as a file of their own, so the work may be stopped and continued; `--only` runs some alone. Images/s are the
median over the intervals of a run's log: a pause does not change them, but another job beside it does.

Written to --results: a JSON file for each run, and `table.md`.
"""

import argparse
import json
import math
import shutil
import subprocess
import sys
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from compare_models import number

from artmodels.cli.arguments import OneLineParser, natural
from artmodels.data.collection import Entry
from artmodels.data.dataset import load_dataset, open_collection
from artmodels.hub.load import METRICS_NAME, load_model
from artmodels.io.device import describe_machine
from artmodels.io.errors import main_with_clear_errors
from artmodels.io.files import write_json
from artmodels.io.safetensors_io import read_json
from artmodels.metrics.evaluate import RealPictures, evaluate, look_at_real
from artmodels.training.config import PRESETS
from artmodels.training.monitor import summary
from artmodels.training.run_log import read_history

ROOT = Path(__file__).resolve().parent.parent


@dataclass(frozen=True)
class Ablation:
    """One hyperparameter, and what is asked by changing it."""

    question: str
    flags: tuple[str, ...] = ()
    pictures: int | None = None  # so many of the collection, drawn by lot; None: all


ABLATIONS = {
    "preset": Ablation("the preset itself"),
    "second-seed": Ablation("how much chance alone changes", ("--seed", "1")),
    "third-seed": Ablation("how much chance alone changes", ("--seed", "2")),
    "features-enlarged": Ablation("feature resolution", ("--feature-resolution", "128")),
    "lite1": Ablation("feature network", ("--feature-network", "1")),
    "lite1-narrow": Ablation("the best together", ("--feature-network", "1", "--width", "16")),
    "lite1-batch-16": Ablation("the best together", ("--feature-network", "1", "--batch-size", "16")),
    "lite1-narrow-batch-16": Ablation(
        "the best together", ("--feature-network", "1", "--width", "16", "--batch-size", "16")
    ),
    "narrow": Ablation("width", ("--width", "16")),
    "wide": Ablation("width", ("--width", "64")),
    "augment-none": Ablation("augmentation", ("--augment", "0")),
    "augment-half": Ablation("augmentation", ("--augment", "0.5")),
    "augment-adaptive": Ablation("augmentation", ("--augment", "0.5", "--augment-target", "0.6")),
    "zoomed": Ablation("augmentation", ("--zoom", "0.5")),
    "rates-halved": Ablation("learning rates", ("--learning-rate", "0.0001", "--heads-learning-rate", "0.0002")),
    "rates-doubled": Ablation("learning rates", ("--learning-rate", "0.0004", "--heads-learning-rate", "0.0008")),
    "rates-equal": Ablation("learning rates", ("--heads-learning-rate", "0.0002")),
    "rates-falling": Ablation("learning rates", ("--decay-after", "2000")),
    "batch-16": Ablation("batch size", ("--batch-size", "16")),
    "batch-64": Ablation("batch size", ("--batch-size", "64")),
    "unconditional": Ablation("conditioning", ("--unconditional",)),
    "no-heads": Ablation("share of the heads", ("--adversarial-share", "0")),
    "heads-halved": Ablation("share of the heads", ("--adversarial-share", "0.35")),
    "heads-doubled": Ablation("share of the heads", ("--adversarial-share", "1.4")),
    "no-jitter": Ablation("how far latents wander", ("--latent-jitter", "0")),
    "much-jitter": Ablation("how far latents wander", ("--latent-jitter", "0.5")),
    "balanced": Ablation("balance of styles", ("--balance", "0.5")),
    "pictures-50": Ablation("size of the collection", pictures=50),
    "pictures-500": Ablation("size of the collection", pictures=500),
    "pictures-5000": Ablation("size of the collection", pictures=5000),
}


def ablate(chosen: argparse.Namespace) -> None:
    resolution = PRESETS[chosen.preset]().resolution
    train, test = (load_dataset(path, resolution) for path in (chosen.data, chosen.test_data))
    terms = {"preset": chosen.preset, "images": chosen.images, "samples": chosen.samples}
    terms |= {"data_sha256": train.digest, "test_sha256": test.digest}
    chosen.results.mkdir(parents=True, exist_ok=True)
    real = None
    for name in chosen.only or ABLATIONS:
        path = chosen.results / f"{name}.json"
        if path.exists() and read_json(path)["terms"] == terms:
            print(f"{name}: measured already in {path}")
            continue
        run = train_one(name, chosen)
        real = real or look_at_real(train, test, chosen.samples)
        write_json(path, {"terms": terms, **figures_of(run, ABLATIONS[name], real, chosen.samples)})
        write_table(chosen, terms)
        if not chosen.keep:
            shutil.rmtree(run)
    write_table(chosen, terms)


def train_one(name: str, chosen: argparse.Namespace) -> Path:
    """The run folder of one ablation, trained to the end.

    Raises:
        OSError: the training failed.
    """
    run, count = chosen.work / name, ABLATIONS[name].pictures
    data = (
        Path(chosen.data) if count is None else draw_lots(Path(chosen.data), count, chosen.work / f"{count}-pictures")
    )
    shutil.rmtree(run, ignore_errors=True)
    chosen.work.mkdir(parents=True, exist_ok=True)
    every = ["--checkpoint-every", str(chosen.images), "--sample-every", str(chosen.images), "--hold-out", "0"]
    flags = ["--preset", chosen.preset, "--data", str(data), "--output", str(run), "--images", str(chosen.images)]
    with (chosen.work / f"{name}.txt").open("wb") as log:
        command = [sys.executable, str(ROOT / "train.py"), *flags, *every, *ABLATIONS[name].flags]
        code = subprocess.run(command, stdout=log, stderr=subprocess.STDOUT, check=False).returncode
    if code:
        raise OSError(f"the run {name} ended with {code}: see {chosen.work / name}.txt")
    return run


def draw_lots(collection: Path, count: int, folder: Path) -> Path:
    """A folder with about `count` pictures of a collection, drawn by lot in proportion, some of each style."""
    found, random = open_collection(collection), np.random.default_rng(0)
    by_style: dict[str, list[Entry]] = {}
    for entry in found.entries:
        by_style.setdefault(entry.style, []).append(entry)
    chosen: dict[str, Entry] = {}
    for entries in by_style.values():
        share = max(1, round(len(entries) * count / len(found.entries)))
        chosen |= {entries[place].name: entries[place] for place in random.permutation(len(entries))[:share]}
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    lines = []
    for place, (name, content) in enumerate(found.read(list(chosen))):
        if isinstance(content, bytes):
            file_name = f"{place:05d}{Path(name).suffix}"
            (folder / file_name).write_bytes(content)
            lines.append(json.dumps({"file_name": file_name, "style": chosen[name].style}))
    (folder / "metadata.jsonl").write_text("\n".join(lines) + "\n", "utf-8")
    return folder


def figures_of(run: Path, ablation: Ablation, real: RealPictures, samples: int) -> dict[str, Any]:
    """What a finished run cost and how it paints."""
    history = read_history(run)
    model = load_model(run / "model")
    return {
        "question": ablation.question,
        "flags": " ".join(ablation.flags),
        "pictures": read_json(run / "model" / METRICS_NAME)["training"]["pictures"],
        "images": history[-1]["images"],
        "images_per_second": round(median(rates(history)), 2),
        "parameters": model.generator.parameter_count,
        "machine": describe_machine(),
        **summary(evaluate(model.generator, real, samples)),
    }


def rates(history: list[dict[str, Any]]) -> list[float]:
    """Images per second from each record of a run's log to the next."""
    return [
        (after["images"] - before["images"]) / max(after["seconds"] - before["seconds"], 0.01)
        for before, after in pairwise(history)
    ]


def write_table(chosen: argparse.Namespace, terms: dict[str, Any]) -> None:
    """All rows measured on these terms, in the order of the list above."""
    rows = {}
    for name in ABLATIONS:
        path = chosen.results / f"{name}.json"
        if path.exists() and (row := read_json(path))["terms"] == terms:
            rows[name] = row
    some = next(iter(rows.values()))
    lines = [
        "# One hyperparameter at a time",
        "",
        f"Preset `{terms['preset']}` for {terms['images']:,} images, {some['machine']}; {terms['samples']} samples of "
        "the last average against all test pictures, truncation 1, judge EfficientNet-Lite2. Real training pictures "
        f"score {some.get('frechet_floor', math.nan):.1f} (Fréchet), {some['kernel_floor'] * 1000:.2f} (kernel), "
        f"{number(some.get('recall_floor'))} (recall). Variety: of the least varied style, 1 as real pictures. "
        "Differences within that of the seeds are chance, at least.",
        "",
        "| run | asks for | flags | pictures | images/s | Fréchet distance | kernel distance x 1000 | precision "
        "| recall | sliced Wasserstein | variety |",
        "| --- | --- | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    for name, row in rows.items():
        flags = f"`{row['flags']}`" if row["flags"] else ""
        least = min((style["variety"] for style in row["styles"].values()), default=float("nan"))
        lines.append(
            f"| {name} | {row['question']} | {flags} | {row['pictures']:,} "
            f"| {row['images_per_second']} | {row['frechet_distance']:.1f} | {row['kernel_distance'] * 1000:.1f} "
            f"| {number(row.get('precision'))} | {number(row.get('recall'))} | {row['sliced_wasserstein']:.1f} "
            f"| {least:.2f} |"
        )
    command = (
        f"python benchmarks/ablations.py --data {Path(chosen.data).name} --test-data {Path(chosen.test_data).name}"
    )
    lines += ["", f"`{command} --preset {terms['preset']} --images {terms['images']} --work FOLDER`"]
    (chosen.results / "table.md").write_text("\n".join(lines) + "\n", "utf-8")
    print("\n".join(lines), flush=True)


def parse_arguments() -> argparse.Namespace:
    parser = OneLineParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("--data", required=True, metavar="PATH", help="training pictures: a folder or zip")
    add("--test-data", required=True, metavar="PATH", help="held-out pictures")
    add("--work", required=True, type=Path, metavar="FOLDER", help="where the runs train")
    add("--preset", choices=PRESETS, default="cpu")
    add("--images", type=natural, default=8000, metavar="N", help="of each run")
    add("--samples", type=natural, default=1000, metavar="N", help="pictures that each run is judged by")
    add("--only", nargs="+", choices=ABLATIONS, metavar="NAME", help=f"of {', '.join(ABLATIONS)}")
    add("--keep", action="store_true", help="do not delete the run folders")
    add("--results", type=Path, default=ROOT / "benchmarks" / "results" / "ablations", metavar="FOLDER")
    return parser.parse_args()


def main() -> int:
    chosen = parse_arguments()
    return main_with_clear_errors(lambda: ablate(chosen))


if __name__ == "__main__":
    sys.exit(main())
