"""`benchmark train|paint|app`: measure how fast this machine is."""

import argparse
from pathlib import Path
from typing import Any

from artmodels.cli.arguments import add_verb, check_out, natural


def add_benchmark(verbs: argparse._SubParsersAction) -> None:
    train_example = "python -m artmodels benchmark train --preset cpu --data paintings.zip"
    app_example = "python -m artmodels benchmark app --visitors 50 --seconds 30"
    paint_example = "python -m artmodels benchmark paint --model checkpoints/masters"
    examples = f"{train_example}\n  {paint_example}\n  {app_example}"
    parser = add_verb(verbs, "benchmark", None, "Measure how fast this machine is.", examples)
    kinds = parser.add_subparsers(dest="what", required=True, metavar="WHAT")

    train = add_verb(kinds, "train", _benchmark_train, "Images/s, and how the time of a step divides.", train_example)
    train.add_argument("--preset", default="cpu", help="whose networks and batch (default: cpu)")
    train.add_argument("--data", help="training pictures; without it, the small drawn set")
    train.add_argument("--steps", type=natural, default=10, help="timed, after 3 to warm up (default: 10)")
    train.add_argument("--batch-size", type=natural, help="images a step")
    train.add_argument("--precision", help="fp32 or bf16 (default: as train.py would)")
    train.add_argument("--compile", action=argparse.BooleanOptionalAction, help="torch.compile (default: likewise)")

    summary = "Milliseconds a picture, beside those of its convolutions."
    paint = add_verb(kinds, "paint", _benchmark_paint, summary, paint_example)
    paint.add_argument("--model", required=True, help="a model folder or a Hub id")
    paint.add_argument("--seconds", type=float, default=6, help="for which each is timed (default: 6)")
    paint.add_argument("--device", default="cpu", help="cpu, cuda, cuda:1, mps (default: cpu)")

    app = add_verb(kinds, "app", _benchmark_app, "How the studio serves many visitors at once.", app_example)
    app.add_argument("--visitors", type=natural, default=50, help="at once (default: 50)")
    app.add_argument("--seconds", type=float, default=30, help="for which they ask (default: 30)")
    app.add_argument("--pictures", type=natural, default=4, help="that each asks for at a time (default: 4)")
    app.add_argument("--films", type=int, help="people who have films made meanwhile (default: 0, or 1 with --film)")
    app.add_argument("--film", help="the kind of those films: film, music or dance (default: film)")
    app.add_argument("--no-download", action="store_true", help="ask for pictures without fetching them")
    app.add_argument("--pause", type=float, default=1, help="mean seconds of looking at them (default: 1)")
    app.add_argument("--model", help="a model folder or a Hub id (default: the app's own)")

    for kind in (train, paint, app):
        kind.add_argument("--out", type=Path, help="where to write the figures as JSON too")


def _benchmark_train(chosen: argparse.Namespace) -> None:
    if chosen.steps < 1:
        raise ValueError("--steps must be at least 1")
    check_out(chosen.out)
    from artmodels.benchmarking.train import benchmark_training, describe
    from artmodels.training.config import PRESETS
    from artmodels.training.plan import resolve_plan

    if chosen.preset not in PRESETS:
        raise ValueError(f"--preset must be one of {', '.join(PRESETS)}, found {chosen.preset!r}")
    hyperparameters = ("preset", "batch_size", "precision", "compile")
    given = {name: getattr(chosen, name) for name in hyperparameters if getattr(chosen, name) is not None}
    plan = resolve_plan(given, chosen.data, Path(), resume=False)
    found = benchmark_training(plan.config, plan.data, chosen.steps)
    _tell(describe(found), found, chosen.out)


def _benchmark_paint(chosen: argparse.Namespace) -> None:
    if not 0 < chosen.seconds <= 3600:
        raise ValueError(f"--seconds must be above 0 and at most 3600, found {chosen.seconds:g}")
    check_out(chosen.out)
    from artmodels.benchmarking.generate import benchmark_painting, describe
    from artmodels.hub.load import load_model
    from artmodels.io.device import pick_device

    found = benchmark_painting(load_model(chosen.model, pick_device(chosen.device)), chosen.seconds)
    _tell(describe(found), found, chosen.out)


def _benchmark_app(chosen: argparse.Namespace) -> None:
    check_out(chosen.out)
    from artmodels.benchmarking.serve import Visit, benchmark_app, describe

    visit = Visit(
        chosen.visitors,
        chosen.seconds,
        chosen.pictures,
        chosen.pause,
        int(chosen.film is not None) if chosen.films is None else chosen.films,
        chosen.film or "film",
        not chosen.no_download,
    )
    found = benchmark_app(visit, chosen.model)
    _tell(describe(found), found, chosen.out)


def _tell(text: str, found: dict[str, Any], out: Path | None) -> None:
    """Figures for people, and for programs where `--out` names a file."""
    print(text)
    if out:
        from artmodels.io.files import write_json

        write_json(out, found)
