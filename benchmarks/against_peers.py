"""Train ours, lightweight-gan and diffusers' UNet on the same pictures for the same time, and measure what they paint.

python benchmarks/against_peers.py --data train.zip --test-data test.zip --minutes 30 --work /tmp/against \
    --peers-venv /tmp/peers

The contenders run one after another, each on the whole machine, so leave the machine alone meanwhile. A contender that
has been trained in --work is not trained again unless --again says so; the figures of a snapshot are kept beside it
(delete `figures.json` to have them measured anew). The peers live in a virtual environment of their own, made on
request from peers-requirements.txt. With 30 minutes each and 512 samples, two cores need about three hours: most of
the rest is DDIM's 50 passes a picture.

`--only ours --name NAME` adds a run of ours, with other flags or by the train.py of another version:

python benchmarks/against_peers.py --data train.zip --test-data test.zip --minutes 30 --work /tmp/against \
    --only ours --name seed-1 --ours-flags="--seed 1"

Written to --results: `table.md`, `curves.json`, and a sheet of 8 x 8 pictures, not picked, for each contender. What the
results hold of contenders that are not in --work stays, if it was found on the same terms.
"""

import argparse
import os
import platform
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from datetime import date
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from tqdm import tqdm

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from compare_models import number
from peer_runs import paint_in_parts

from artmodels import __version__
from artmodels.cli.arguments import OneLineParser, natural
from artmodels.data.dataset import ArtDataset, load_dataset
from artmodels.data.decode import to_tensor
from artmodels.generate.sampling import contact_sheet, draw_latents, paint, to_images
from artmodels.hub.load import load_model
from artmodels.hub.pretrained import ArtGenerator
from artmodels.io.device import describe_machine
from artmodels.io.errors import main_with_clear_errors
from artmodels.io.files import write_json
from artmodels.io.safetensors_io import read_json
from artmodels.metrics.distances import extract_features, mean_pairwise_distance
from artmodels.metrics.evaluate import JUDGE_RESOLUTION, JUDGE_VARIANT, NEIGHBOURS, VARIETY_SEEDS, compare
from artmodels.models.efficientnet import EfficientNetLite, load_efficientnet
from artmodels.training.config import PRESETS

ROOT = Path(__file__).resolve().parent.parent
OURS = "ours"
PEERS = {"lightweight-gan": "peer_lightweight_gan.py", "diffusers": "peer_diffusers.py"}
CONTENDERS = (OURS, *PEERS)
PRESET = "cpu"
OURS_SETTINGS = (
    f"`train.py --preset {PRESET} --hold-out 0` with {{budget}}, so that all pictures are trained on and the last "
    "average is taken; "
    "class-conditional, styles painted in the proportions of the training pictures; truncation 1; "
    "the clock runs through compilation, sample sheets and checkpoints"
)
LOOK_EVERY = 0.5  # seconds
SHEET_SIDE = 8
MOST_OF_A_STYLE = 128  # training pictures by which a style's own variety is told
TRAINED_NAME, DRIVER_NAME, FIGURES_NAME = "trained.json", "driver.json", "figures.json"
SNAPSHOTS, MODELS = "snapshots", "models"
# glibc gives large blocks back to the system at once and has them zeroed again when they are next needed; kept instead,
# a step of lightweight-gan took little more than half the time here. Ours is started as a user starts it.
KEEP_MEMORY = {"MALLOC_MMAP_MAX_": "0", "MALLOC_TRIM_THRESHOLD_": str(2**34)}


def compete(chosen: argparse.Namespace) -> None:
    resolution = PRESETS[PRESET]().resolution
    train, test = (load_dataset(path, resolution) for path in (chosen.data, chosen.test_data))
    chosen.work.mkdir(parents=True, exist_ok=True)
    terms = {"minutes": chosen.minutes, "samples": chosen.samples, "pictures": len(train), "data_sha256": train.digest}
    terms["machine"] = describe_hardware()
    for contender in [chosen.only] if chosen.only else CONTENDERS:
        train_contender(chosen.name if contender == OURS else contender, train, chosen, terms)
    report(train, test, chosen, terms)


# --- training --------------------------------------------------------------------------------------------------------


def train_contender(contender: str, train: ArtDataset, chosen: argparse.Namespace, terms: dict[str, Any]) -> None:
    """Train one contender in its folder of the work folder, unless that has been done.

    Raises:
        ValueError: it has been done, but on other terms.
        OSError: the training failed.
    """
    folder = chosen.work / contender
    if not chosen.again and read_run(folder, terms):
        print(f"{contender}: trained already in {folder}")
        return
    print(f"{contender}: training for {chosen.minutes:g} minutes in {folder}", flush=True)
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    trainer = train_ours if contender == chosen.name else partial(train_peer, contender)
    driver = trainer(folder, train, chosen)
    write_json(
        folder / TRAINED_NAME,
        {
            "terms": terms,
            **driver,
            "date": date.today().isoformat(),
            "command": shlex.join(["python", *sys.argv]),
        },
    )


def read_run(folder: Path, terms: dict[str, Any]) -> dict[str, Any] | None:
    """What is known of a contender's training; None if it has not been trained to the end.

    Raises:
        ValueError: it has been trained on other terms: pictures, minutes, samples or machine.
    """
    if not (folder / TRAINED_NAME).exists():
        return None
    run = read_json(folder / TRAINED_NAME)
    if run["terms"] != terms:
        raise ValueError(f"{folder} was trained under {run['terms']}, not {terms}: add --again or name another --work")
    return run


def train_ours(folder: Path, train: ArtDataset, chosen: argparse.Namespace) -> dict[str, Any]:
    """Run train.py to the end of the time, keep each model that it publishes, then paint with all of them."""
    run, models = folder / "run", folder / MODELS
    models.mkdir()
    launch = [sys.executable, "-m", "accelerate.commands.launch", "--num_processes", "1"]
    flags = ["--data", chosen.data, "--preset", PRESET, "--output", str(run.resolve())]
    flags += shlex.split(chosen.ours_flags)
    budget = ["--images", str(chosen.images)] if chosen.images else ["--minutes", str(chosen.minutes)]
    flags += [*budget, "--checkpoint-every", str(chosen.snapshot_every), "--hold-out", "0"]
    environment = os.environ | {"TORCHINDUCTOR_CACHE_DIR": str((folder / "inductor").resolve())}  # compiles anew
    with (folder / "log.txt").open("wb") as log:
        process = subprocess.Popen(
            [*launch, str(chosen.trainer.resolve()), *flags],
            env=environment,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            while process.poll() is None:
                time.sleep(LOOK_EVERY)
                keep_model(run / "model", models)
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
    keep_model(run / "model", models)
    if process.returncode:
        raise OSError(f"train.py ended with {process.returncode}: see {folder / 'log.txt'}")

    labels = labels_in_proportion(train, chosen.samples)
    (folder / SNAPSHOTS).mkdir()
    for model in tqdm(sorted(models.iterdir()), desc="painting", unit=" snapshots"):
        generator = load_model(model).generator
        weights = torch.eye(len(generator.config.styles))[labels]
        latents = draw_latents(range(len(labels)), generator.config.latent_dim)

        def sample(first: int, count: int, generator=generator, latents=latents, weights=weights) -> np.ndarray:
            chosen = slice(first, first + count)
            return paint_array(generator, latents[chosen], weights[chosen])

        pictures, seconds_a_picture = paint_in_parts(sample, len(labels))
        training = read_json(model / "metrics.json")["training"]
        np.save(folder / SNAPSHOTS / f"{model.name}.npy", pictures)
        figures = {name: training[name] for name in ("images", "seconds")} | {"seconds_a_picture": seconds_a_picture}
        write_json(folder / SNAPSHOTS / f"{model.name}.json", figures)
    versions = {"artmodels": __version__, "torch": torch.__version__}
    settings = OURS_SETTINGS.format(budget=f"`{shlex.join(budget)}`")
    settings += f"; besides `{chosen.ours_flags}`" if chosen.ours_flags else ""
    settings += "; trained by another version" if chosen.trainer.resolve() != ROOT / "train.py" else ""
    return {"settings": settings, "versions": versions, "early_snapshots": True}


def paint_array(generator: ArtGenerator, latents: Tensor, weights: Tensor) -> np.ndarray:
    """Pictures `uint8 [N, H, W, 3]` from latents `[N, D]` and style weights `[N, S]` or `[1, S]`."""
    return np.stack([np.asarray(image) for image in to_images(paint(generator, latents, weights))])


def keep_model(model: Path, kept: Path) -> None:
    """Copy a run's published model, unless that one is kept already or is being replaced this very moment."""
    try:
        images = read_json(model / "metrics.json")["training"]["images"]
        target = kept / f"images-{images:08d}"
        if target.exists():
            return
        copying = kept / ".copying"
        shutil.rmtree(copying, ignore_errors=True)
        shutil.copytree(model, copying)
        if read_json(model / "metrics.json")["training"]["images"] == images:
            copying.rename(target)
    except (FileNotFoundError, shutil.Error):
        return


def labels_in_proportion(train: ArtDataset, samples: int) -> Tensor:
    """Style labels `[samples]` in the proportions of the training pictures, shuffled."""
    labels = np.sort(train.labels)[np.arange(samples) * len(train) // samples]
    return torch.from_numpy(np.random.default_rng(0).permutation(labels))


def train_peer(contender: str, folder: Path, train: ArtDataset, chosen: argparse.Namespace) -> dict[str, Any]:
    """Run a peer's driver in the peers' environment; it leaves its snapshots painted."""
    if not chosen.peers_venv:
        raise ValueError(f"{contender} needs --peers-venv PATH: an environment is made there if there is none")
    python = peers_python(chosen.peers_venv)
    pictures = chosen.work / "pictures.npy"
    np.save(pictures, train.pictures)
    order = ["--pictures", str(pictures), "--folder", str(folder)]
    order += ["--seconds", str(60 * chosen.minutes), "--samples", str(chosen.samples)]
    driver = Path(__file__).parent / PEERS[contender]
    code = subprocess.run([python, driver, *order], env=os.environ | KEEP_MEMORY, check=False).returncode
    if code:
        raise OSError(f"{driver.name} ended with {code}: its last words are above")
    return read_json(folder / DRIVER_NAME)


def peers_python(environment: Path) -> Path:
    """The interpreter of the peers' environment, which is made where there is none.

    Raises:
        OSError: it cannot be made.
    """
    python = environment / "bin" / "python"
    if not python.exists():
        print(f"making the peers' environment in {environment}", flush=True)
        requirements = Path(__file__).parent / "peers-requirements.txt"
        make = [sys.executable, "-m", "venv", str(environment)]
        install = [str(python), "-m", "pip", "install", "-r", str(requirements)]
        for command in (make, install):
            if subprocess.run(command, check=False).returncode:
                shutil.rmtree(environment, ignore_errors=True)
                raise OSError(f"{shlex.join(command)} failed: its last words are above")
    return python


def describe_hardware() -> str:
    """Processor, cores and memory, and the GPU if there is one."""
    cpu, memory = platform.processor() or platform.machine(), 0.0
    if Path("/proc/cpuinfo").exists():
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        cpu = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), cpu)
        memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return f"{cpu}, {os.cpu_count()} cores, {memory:.0f} GiB; PyTorch computes on {describe_machine()}"


# --- measuring -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Real:
    """Held-out pictures, and what the judge sees in them."""

    judge: EfficientNetLite
    pictures: Tensor  # [M, 3, H, W]
    features: Tensor  # [M, D]
    spread: list[float]  # mean distance between training pictures of each style

    def figures(self, pictures: np.ndarray) -> dict[str, Any]:
        """All our figures of pictures `uint8 [N, H, W, 3]` against the held-out ones."""
        painted = to_tensor(pictures)
        figures = compare(look(self.judge, painted), painted, self.features, self.pictures, "cpu")
        patches = figures["sliced_wasserstein"]
        mean = sum(patches.values()) / len(patches)
        return {**figures, "samples": len(pictures), "sliced_wasserstein": mean, "sliced_wasserstein_levels": patches}

    def variety(self, model: Path) -> list[float]:
        """Of each style that a model paints: mean distance between 64 seeds over that between training pictures."""
        generator = load_model(model).generator
        latents = draw_latents(range(VARIETY_SEEDS), generator.config.latent_dim)
        found = []
        for style, spread in zip(torch.eye(len(generator.config.styles)), self.spread, strict=True):
            painted = to_tensor(paint_array(generator, latents, style[None]))
            found.append((mean_pairwise_distance(look(self.judge, painted)) / spread).item())
        return found


def look(judge: EfficientNetLite, pictures: Tensor) -> Tensor:
    return extract_features(judge, pictures, JUDGE_RESOLUTION)


def spread_of_styles(judge: EfficientNetLite, train: ArtDataset) -> list[float]:
    """Mean distance between at most 128 training pictures of each style, which the judge sees."""
    found = []
    for label in range(len(train.styles)):
        places = np.random.default_rng(label).permutation(np.flatnonzero(train.labels == label))[:MOST_OF_A_STYLE]
        found.append(mean_pairwise_distance(look(judge, train.batch(np.sort(places)))).item())
    return found


def measure(contender: str, folder: Path, real: Real) -> list[dict[str, Any]]:
    """Images, seconds and figures of each snapshot of a contender, the earliest first."""
    cache = folder / FIGURES_NAME
    known = read_json(cache) if cache.exists() else {}
    snapshots = sorted((folder / SNAPSHOTS).glob("*.json"))
    for snapshot in tqdm(snapshots, desc=f"measuring {contender}", unit=" snapshots"):
        if snapshot.stem not in known:
            known[snapshot.stem] = read_json(snapshot) | real.figures(np.load(snapshot.with_suffix(".npy")))
            if (folder / MODELS).exists():
                known[snapshot.stem]["variety"] = real.variety(folder / MODELS / snapshot.stem)
            write_json(cache, known)
    return [known[snapshot.stem] for snapshot in snapshots]


# --- reporting -------------------------------------------------------------------------------------------------------


def report(train: ArtDataset, test: ArtDataset, chosen: argparse.Namespace, terms: dict[str, Any]) -> None:
    """Measure what has been trained, and write the table, the curves and the sheets.

    Raises:
        ValueError: the contenders of the work folder were not trained on the same terms.
    """
    chosen.results.mkdir(parents=True, exist_ok=True)
    curves = chosen.results / "curves.json"
    known = read_json(curves)["contenders"] if curves.exists() else {}
    found = {contender: run for contender, run in known.items() if run["terms"] == terms}
    for contender in known.keys() - found.keys():
        print(f"{contender}: what {curves} holds was found under {known[contender]['terms']}, so it is left out")
    judge = load_efficientnet(JUDGE_VARIANT)
    held_out = test.batch(np.arange(len(test)))
    real = Real(judge, held_out, look(judge, held_out), spread_of_styles(judge, train))
    random = np.random.default_rng(0)
    floor = real.figures(train.pictures[np.sort(random.permutation(len(train))[: chosen.samples])])

    for folder in sorted(path.parent for path in chosen.work.glob(f"*/{TRAINED_NAME}")):
        contender = folder.name
        if run := read_run(folder, terms):
            found[contender] = run | {"snapshots": measure(contender, folder, real)}
            last = np.load(max((folder / SNAPSHOTS).glob("*.npy")), mmap_mode="r")
            images = [Image.fromarray(picture) for picture in last[: SHEET_SIDE**2]]
            contact_sheet(images, SHEET_SIDE).save(chosen.results / f"{contender}.png")
    order = [OURS, *sorted(found.keys() - set(CONTENDERS)), *PEERS]
    runs = {contender: found[contender] for contender in order if contender in found}
    write_json(curves, {"floor": floor, "test_pictures": len(test), "contenders": runs})
    text = table(runs, floor, len(test))
    (chosen.results / "table.md").write_text(text, "utf-8")
    print(text)


def table(runs: dict[str, dict[str, Any]], floor: dict[str, Any], test_pictures: int) -> str:
    """The report as Markdown."""
    with_peers = bool(runs.keys() & PEERS.keys())
    lines = [
        "# Ours against its peers, at equal time" if with_peers else "# Runs of ours beside each other",
        "",
        f"The same training pictures{', machine and time' if with_peers else ''} for all; {floor['samples']} samples "
        f"of each against {test_pictures} held-out pictures; judge EfficientNet-Lite{JUDGE_VARIANT} at "
        f"{JUDGE_RESOLUTION} px, precision and recall with k = {NEIGHBOURS}. Sampling is not counted as training; its "
        "speed is that of the fastest 16 pictures. The floor is what real training pictures score in the place of "
        "samples; excess is the Fréchet distance above it. Variety is the mean distance between "
        f"{VARIETY_SEEDS} seeds of a style over that between training pictures of it; here of the least varied style, "
        "and only where styles can be asked for.",
        "",
        "| | images seen | training | Fréchet distance | excess | kernel distance x 1000 | precision | recall "
        "| sliced Wasserstein | least variety | seconds a picture |",
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    for contender, run in runs.items():
        last = run["snapshots"][-1]
        lines.append(f"| {contender} {figures_row(last, floor)} {last['seconds_a_picture']:.2g} |")
    lines.append(f"| real pictures (the floor) {figures_row(floor, floor)} |")
    if OURS in runs and with_peers:
        lines += ["", "## At equal images, and the time to each peer's last figure", ""]
        lines += against_curve(runs, floor)
    lines += ["", "## All snapshots", ""]
    lines += [
        "| | images seen | training | Fréchet distance | excess | kernel distance x 1000 | precision | recall "
        "| sliced Wasserstein | least variety |",
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    for contender, run in runs.items():
        lines += [f"| {contender} {figures_row(snapshot, floor)}" for snapshot in run["snapshots"]]
    lines += ["", "## How", ""]
    for contender, run in runs.items():
        versions = ", ".join(f"{package} {found}" for package, found in run["versions"].items())
        lines.append(f"- **{contender}** ({versions}): {run['settings']}.")
        lines.append(f"  {run['date']}, {run['terms']['machine']}: `{run['command']}`")
    for contender, run in runs.items():
        if not run["early_snapshots"]:
            lines.append(f"- {contender} was sampled at its end alone: more would have taken too long on this machine.")
    if with_peers:
        lines.append(
            "- The peers were spared their sample sheets and the decoding of files, and their memory was kept by the "
            "allocator between steps (" + ", ".join(f"`{name}={value}`" for name, value in KEEP_MEMORY.items()) + ")."
        )
    return "\n".join(lines) + "\n"


def figures_row(figures: dict[str, Any], floor: dict[str, Any]) -> str:
    """The cells of one snapshot, or of the floor, from `|` to `|`."""
    seen = "| |" if figures is floor else f"| {figures['images']:,} | {minutes(figures['seconds'])}"
    excess = figures["frechet_distance"] - floor["frechet_distance"]
    variety = min(figures.get("variety", []), default=None)
    return (
        f"{seen} | {figures['frechet_distance']:.1f} | {excess:.1f} | {figures['kernel_distance'] * 1000:.2f} "
        f"| {number(figures['precision'])} | {number(figures['recall'])} | {figures['sliced_wasserstein']:.1f} "
        f"| {number(variety)} |"
    )


def against_curve(runs: dict[str, dict[str, Any]], floor: dict[str, Any]) -> list[str]:
    """For each peer: ours at the same number of images, and when ours reached the peer's last figures."""
    ours = runs[OURS]["snapshots"]
    lines = [
        "| peer | its images | its excess | ours at as many images | ratio of the last excesses, ours to its "
        "| ours reached its Fréchet distance after | and its kernel distance after |",
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    for peer, run in runs.items():
        if peer not in PEERS:
            continue
        last = run["snapshots"][-1]
        seen_no_more = [snapshot for snapshot in ours if snapshot["images"] <= last["images"]]
        equal = seen_no_more[-1] if seen_no_more else ours[0]
        excess, ours_excess, ours_last = (
            figures["frechet_distance"] - floor["frechet_distance"] for figures in (last, equal, ours[-1])
        )
        lines.append(
            f"| {peer} | {last['images']:,} | {excess:.1f} | {ours_excess:.1f} (at {equal['images']:,}) "
            f"| {ours_last / excess:.2f} | {reached(ours, last, 'frechet_distance')} "
            f"| {reached(ours, last, 'kernel_distance')} |"
        )
    return [*lines, "", "The times are those of ours' first snapshot that is as good: it may have been so earlier."]


def reached(ours: list[dict[str, Any]], last: dict[str, Any], figure: str) -> str:
    """When ours was first at least as good as a peer's last snapshot, and as a share of the peer's time."""
    for snapshot in ours:
        if snapshot[figure] <= last[figure]:
            return f"{minutes(snapshot['seconds'])} ({snapshot['seconds'] / last['seconds']:.0%} of its time)"
    return "not yet"


def minutes(seconds: float) -> str:
    return f"{seconds / 60:.1f} min"


def parse_arguments() -> argparse.Namespace:
    parser = OneLineParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("--data", required=True, metavar="PATH", help="training pictures: a folder or zip")
    add("--test-data", required=True, metavar="PATH", help="held-out pictures")
    add("--work", required=True, type=Path, metavar="FOLDER", help="where the contenders train; kept for the next call")
    add("--minutes", type=float, default=30, help="of training, for each contender")
    add("--samples", type=natural, default=512, metavar="N", help="pictures that each snapshot is judged by")
    add("--only", choices=CONTENDERS, help="train this one alone; the report covers all that are there")
    add("--name", default=OURS, metavar="NAME", help="of ours in the table and in --work")
    add("--trainer", type=Path, default=ROOT / "train.py", metavar="PATH", help="ours by another version's train.py")
    add("--images", type=natural, metavar="N", help="of ours, whatever the time, for a version without --minutes")
    add("--ours-flags", default="", metavar="FLAGS", help="of train.py besides, like '--feature-network 1'")
    add("--again", action="store_true", help="train anew what is there already")
    add("--peers-venv", type=Path, metavar="PATH", help="the peers' virtual environment; made if there is none")
    add(
        "--snapshot-every",
        type=natural,
        default=960,
        metavar="N",
        help="images between snapshots of ours; on a GPU 50000",
    )
    add("--results", type=Path, default=ROOT / "benchmarks" / "results" / "peers", metavar="FOLDER")
    chosen = parser.parse_args()
    if chosen.minutes <= 0:
        parser.error(f"--minutes must be above 0, found {chosen.minutes:g}")
    if chosen.name in PEERS or not re.fullmatch("[a-z0-9-]+", chosen.name):
        parser.error(f"--name must be of a-z, 0-9 and hyphens, and no peer's, found {chosen.name}")
    if chosen.samples <= NEIGHBOURS:
        parser.error(f"--samples must be above {NEIGHBOURS}, found {chosen.samples}")
    return chosen


def main() -> int:
    chosen = parse_arguments()
    return main_with_clear_errors(lambda: compete(chosen))


if __name__ == "__main__":
    sys.exit(main())
