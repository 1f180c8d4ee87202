"""The mean of the averaged weights at a run's checkpoints, as a model: it often paints better than each of them.

python benchmarks/average_checkpoints.py runs/mine --data train.zip --out runs/mine/mean
python benchmarks/average_checkpoints.py runs/mine --data train.zip --out runs/mine/between --init MODEL --share 0.4

A run at constant rates wanders around what it has learned; a mean over much of its way lies nearer to the middle
(arXiv:1803.05407). All checkpoints that the run has kept take part; batch norm is measured anew. What lies beside
`runs/mine/model` comes along, but for what belongs to its weights; `evaluate --write-card` then measures the new one.

A run that went on from a model may gain one thing and lose another. With the `--init` of the run, the new model's
weights lie between: `--share` of the way from that model's to the mean (arXiv:2109.01903).
"""

import argparse
import shutil
import sys
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from artmodels.cli.arguments import OneLineParser
from artmodels.data.dataset import load_dataset
from artmodels.hub.companions.directions import DIRECTIONS_NAME
from artmodels.hub.load import load_model
from artmodels.hub.model_files import METRICS_NAME
from artmodels.hub.pretrained import ArtGenerator
from artmodels.io.errors import main_with_clear_errors
from artmodels.io.safetensors_io import load_tensors, read_json
from artmodels.training.checkpoint import list_checkpoints
from artmodels.training.config import RUN_CONFIG_NAME, TrainConfig
from artmodels.training.export import export_generator, write_model_folder
from artmodels.training.run_log import read_history


def average(chosen: argparse.Namespace) -> None:
    folders = list_checkpoints(chosen.run)
    if len(folders) < 2:
        raise ValueError(f"{chosen.run} holds {len(folders)} checkpoints: a mean needs at least 2")
    if chosen.out.exists():
        raise ValueError(f"--out {chosen.out} exists: name a new folder")
    if not 0 <= chosen.share <= 1:
        raise ValueError(f"--share is {chosen.share}: expected 0, the --init model, to 1, the run")
    config = TrainConfig(**read_json(chosen.run / RUN_CONFIG_NAME)["train"])
    generator = ArtGenerator.from_pretrained(str(chosen.run / "model"))
    state = mean([load_tensors(folder / "ema.safetensors") for folder in folders])
    told = read_json(chosen.run / "model" / METRICS_NAME)["training"]
    if chosen.init:
        state = between(initial_state(chosen.init, generator, told), state, chosen.share)
    generator.load_state_dict(state)
    dataset = load_dataset(chosen.data, config.resolution)
    labels = torch.from_numpy(dataset.labels) * (not config.unconditional)
    seen = [int(folder.name.removeprefix("images-")) for folder in folders]
    shutil.copytree(chosen.run / "model", chosen.out)
    (chosen.out / DIRECTIONS_NAME).unlink(missing_ok=True)
    after = ", ".join(f"{images:,}" for images in seen)
    note = f"the mean of the averages after {after} images"
    if chosen.init:
        note = f"{chosen.share:.0%} of the way from those of the model that it began from to {note}"
    told |= {"images": seen[-1], "note": f"the weights are {note}"}
    told["seconds"] = next(record["seconds"] for record in read_history(chosen.run)[::-1])
    write_model_folder(chosen.out, export_generator(generator, config, labels), told, read_history(chosen.run))
    print(f"the mean of {len(folders)} checkpoints is in {chosen.out}")


def initial_state(name: str, generator: ArtGenerator, told: dict[str, Any]) -> dict[str, Tensor]:
    """The state of the model that a run began from.

    Raises:
        ValueError: the run did not begin from it, or made another network of it.
    """
    model = load_model(name)
    if model.weights_sha256 != (told.get("init") or {}).get("weights_sha256"):
        raise ValueError(f"the run did not begin from {name}: give --init the model that train.py was given")
    if model.generator.config != generator.config:
        raise ValueError(f"the run made another network of {name}, so nothing lies between the two")
    return model.generator.state_dict()


def between(start: dict[str, Tensor], end: dict[str, Tensor], share: float) -> dict[str, Tensor]:
    """`share` of the way from one state of a network to another; what is no floating-point number is the latter's."""
    return {
        name: torch.lerp(start[name].float(), last.float(), share) if last.is_floating_point() else last
        for name, last in end.items()
    }


def mean(states: list[dict[str, Tensor]]) -> dict[str, Tensor]:
    """The mean of several states of one network; what is no floating-point number is the last one's."""
    return {
        name: torch.stack([state[name].float() for state in states]).mean(dim=0) if last.is_floating_point() else last
        for name, last in states[-1].items()
    }


def parse_arguments() -> argparse.Namespace:
    parser = OneLineParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path, help="the folder of a run")
    parser.add_argument("--data", required=True, metavar="PATH", help="the training pictures, whose styles are counted")
    parser.add_argument("--out", required=True, type=Path, metavar="FOLDER", help="where the model goes")
    parser.add_argument("--init", metavar="MODEL", help="what the run began from: go --share of the way from it")
    parser.add_argument("--share", type=float, default=0.5, metavar="SHARE", help="of the way, 0 to 1 (default: 0.5)")
    return parser.parse_args()


def main() -> int:
    chosen = parse_arguments()
    return main_with_clear_errors(lambda: average(chosen))


if __name__ == "__main__":
    sys.exit(main())
