"""Images/s of training steps: this version beside another one's, on the same machine.

python benchmarks/training_speed.py --other /path/to/its/checkout --data paintings.zip

Both train the same generator on the same pictures: `--preset` of this version says how wide it is and how large the
batch; all that is not asked for is each version's own. Every measurement is a process of its own. All compile at once,
and are timed one after the other when the last one is ready. The figures go to --out as JSON.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from artmodels.benchmarking.train import describe
from artmodels.cli.arguments import OneLineParser, natural
from artmodels.io.device import best_precision, can_compile
from artmodels.io.errors import main_with_clear_errors
from artmodels.io.files import write_json
from artmodels.training.config import PRESETS

ROOT = Path(__file__).resolve().parent.parent
SHARED = ("resolution", "batch_size", "width", "min_channels", "max_channels", "convs_per_block", "latent_dim")
MEASURE = """
import json, sys
from dataclasses import replace
from artmodels.benchmarking.train import Stopwatch, benchmark_training
from artmodels.training.config import PRESETS

def wait_for_turn(watch):  # the first look at the watch comes when all is compiled
    Stopwatch.now = now
    print("ready", flush=True)
    sys.stdin.readline()
    return now(watch)

now, Stopwatch.now = Stopwatch.now, wait_for_turn
preset, data, steps, settings = json.loads(sys.argv[1])
print(json.dumps(benchmark_training(replace(PRESETS[preset](), **settings), data, steps)))
"""


def measure_all(chosen: argparse.Namespace) -> None:
    preset = PRESETS[chosen.preset]()
    settings = {name: getattr(preset, name) for name in SHARED}
    settings |= {name: value for name in SHARED if (value := getattr(chosen, name)) is not None}
    settings |= {"precision": best_precision(), "compile": can_compile()}
    versions = {"this": ROOT} | ({"other": chosen.other} if chosen.other else {})
    sizes = chosen.feature_resolutions or [preset.feature_resolution]
    found: dict[tuple[str, int], list[dict[str, Any]]] = {(name, size): [] for name in versions for size in sizes}
    with TemporaryDirectory() as caches:
        started = {
            (name, size, number): start(
                folder, chosen, settings | {"feature_resolution": size}, f"{caches}/{name}-{size}-{number}"
            )
            for number in range(chosen.rounds)
            for size in sizes
            for name, folder in versions.items()
        }
        for (name, *_), process in started.items():
            assert process.stdout
            if process.stdout.readline().strip() != "ready":
                fail(versions[name], process)
        for (name, size, _), process in started.items():
            printed, _ = process.communicate("go\n")
            if process.returncode:
                fail(versions[name], process)
            found[name, size].append(json.loads(printed.strip().splitlines()[-1]))
    rates = {key: statistics.median(each["images_per_second"] for each in measured) for key, measured in found.items()}
    print(f"settings  {settings}")
    for size in sizes:
        print(f"\nfeatures at {size} px\n{describe(found['this', size][-1])}")
        for name in versions:
            every = ", ".join(f"{each['images_per_second']:,.1f}" for each in found[name, size])
            print(f"{name:6} {rates[name, size]:10,.1f} images/s   ({every})")
        if chosen.other:
            print(f"this is {rates['this', size] / rates['other', size]:.2f} times as fast as the other")
    listed = [{"version": name, "feature_resolution": size, "measured": each} for (name, size), each in found.items()]
    write_json(chosen.out, {"settings": settings, "versions": listed})


def start(folder: Path, chosen: argparse.Namespace, settings: dict[str, Any], cache: str) -> subprocess.Popen[str]:
    """A process that measures a version, and waits for a line before it does; its pictures are decoded for it alone."""
    asked = json.dumps([chosen.preset, str(chosen.data.resolve()), chosen.steps, settings])
    path = os.pathsep.join([str(folder), os.environ.get("PYTHONPATH", "")])
    environment = {**os.environ, "PYTHONPATH": path, "ARTMODELS_CACHE": cache}
    return subprocess.Popen(
        [sys.executable, "-c", MEASURE, asked],
        cwd=folder,
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def fail(folder: Path, process: subprocess.Popen[str]) -> None:
    """Tell that a measurement failed; why is on stderr, where it said it."""
    raise OSError(f"the benchmark of {folder} failed with code {process.wait()}: see above")


def parse_arguments() -> argparse.Namespace:
    parser = OneLineParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--other", type=Path, metavar="FOLDER", help="a checkout of another version")
    parser.add_argument("--data", type=Path, required=True, help="training pictures")
    parser.add_argument("--preset", choices=PRESETS, default="small", help="whose sizes both take (default: small)")
    parser.add_argument(
        "--feature-resolutions", type=natural, nargs="+", metavar="PX", help="at which the frozen network looks"
    )
    for name in SHARED:
        parser.add_argument(f"--{name.replace('_', '-')}", type=natural, help="in place of the preset's")
    parser.add_argument("--steps", type=natural, default=20, help="timed in each measurement (default: 20)")
    parser.add_argument("--rounds", type=natural, default=1, help="measurements of each (default: 1)")
    parser.add_argument("--out", type=Path, default=Path("training_speed.json"), help="where the figures go")
    return parser.parse_args()


def main() -> int:
    chosen = parse_arguments()
    return main_with_clear_errors(lambda: measure_all(chosen))


if __name__ == "__main__":
    sys.exit(main())
