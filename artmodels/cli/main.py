"""The verbs: `python -m artmodels generate|evaluate|recipe|film|...`; those that descend are in `editing_verbs.py`."""

import argparse
import sys
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from artmodels.cli.arguments import (
    OneLineParser,
    add_statement_flags,
    add_verb,
    check_out,
    main_with_clear_errors,
    natural,
    read_statement,
)
from artmodels.cli.optimize import add_editing_verbs


def main(arguments: list[str] | None = None) -> int:
    parser = OneLineParser(prog="python -m artmodels", description="Paint, measure, rebuild, publish.")
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
    _add_generate(verbs)
    _add_evaluate(verbs)
    _add_recipe(verbs)
    _add_film(verbs)
    add_editing_verbs(verbs)
    _add_publish(verbs)
    _add_space(verbs)
    _add_benchmark(verbs)
    chosen = parser.parse_args(arguments)
    return main_with_clear_errors(lambda: chosen.run(chosen))


def _add_generate(verbs: argparse._SubParsersAction) -> None:
    example = (
        "python -m artmodels generate --model checkpoints/masters --style ukiyo-e --seeds 0-15 "
        "--truncation 0.8 --out pictures/ --grid"
    )
    parser = add_verb(verbs, "generate", _generate, "Paint pictures, each a PNG that carries its recipe.", example)
    parser.add_argument("--model", required=True, help="a model folder or a Hub id")
    parser.add_argument("--style", help="one of the model's styles; without it, each of them in turn")
    parser.add_argument("--prompt", metavar="PHRASE", help='what to paint, like "a stormy sea at night, romanticism"')
    parser.add_argument("--seeds", default="0-7", help="like 7, 0-15 or 1,4,10-12 (default: 0-7)")
    parser.add_argument("--truncation", type=float, default=0.8, help="0 (the typical) to 1.5 (the wild); default 0.8")
    parser.add_argument("--out", type=Path, default=Path("pictures"), help="folder for the PNGs (default: pictures)")
    parser.add_argument("--grid", action="store_true", help="also a contact sheet, grid.png")
    parser.add_argument(
        "--enlarge", type=int, choices=(1, 2, 4), default=1, help="1, 2 or 4 times as large (default: 1)"
    )
    parser.add_argument("--device", default="cpu", help="cpu, cuda, cuda:1, mps (default: cpu)")


def _generate(chosen: argparse.Namespace) -> None:
    from artmodels.generate.sampling import check_truncation, parse_seeds

    seeds = parse_seeds(chosen.seeds)
    check_truncation(chosen.truncation)
    if chosen.out.exists() and not chosen.out.is_dir():
        raise ValueError(f"--out {chosen.out} is a file: name a folder")
    if chosen.prompt is not None and chosen.style is not None:
        raise ValueError("--prompt and --style do not go together: name the style in the phrase")

    from artmodels.generate.save import paint_phrase_to_folder, paint_to_folder, pick_device
    from artmodels.hub.load import load_model

    model = load_model(chosen.model, pick_device(chosen.device))
    if chosen.prompt is not None:
        print(
            paint_phrase_to_folder(
                model, chosen.prompt, seeds, chosen.truncation, chosen.out, chosen.grid, chosen.enlarge
            )
        )
        return
    count = paint_to_folder(model, chosen.style, seeds, chosen.truncation, chosen.out, chosen.grid, chosen.enlarge)
    print(f"{count} pictures in {chosen.out}")


def _add_evaluate(verbs: argparse._SubParsersAction) -> None:
    example = "python -m artmodels evaluate --model runs/mine/model --data paintings.zip --test-data held_out.zip"
    parser = add_verb(verbs, "evaluate", _evaluate, "Measure a model against held-out pictures.", example)
    parser.add_argument("--model", required=True, help="a model folder or a Hub id")
    parser.add_argument("--data", help="training pictures, for floor and variety; without it, the small drawn set")
    parser.add_argument("--test-data", help="held-out pictures; without it, those of --data that training held out")
    parser.add_argument(
        "--samples", type=natural, help="pictures to paint (default: as many as training pictures, 2,000 to 10,000)"
    )
    parser.add_argument("--truncation", type=float, default=1.0, help="0 to 1.5 (default: 1)")
    parser.add_argument(
        "--classifier", type=Path, metavar="FOLDER", help="whose eye sees it (default: the model's own)"
    )
    parser.add_argument("--out", type=Path, help="where to write the figures as JSON too")
    parser.add_argument(
        "--write-card", action="store_true", help="put figures and directions on the model folder's card"
    )
    parser.add_argument(
        "--neighbours",
        action="store_true",
        help="keep what finds the training pictures nearest to a painting beside it",
    )
    parser.add_argument(
        "--thumbnails", action="store_true", help="and small pictures of them, for all to see: if you may show them"
    )


def _evaluate(chosen: argparse.Namespace) -> None:
    from artmodels.generate.sampling import check_truncation

    check_truncation(chosen.truncation)
    check_out(chosen.out)

    import json

    from artmodels.data.dataset import load_dataset
    from artmodels.data.split import fingerprint, split
    from artmodels.hub.companions.neighbours import save_neighbours
    from artmodels.hub.load import add_directions, check_card_target, load_model, read_hold_out, rewrite_card
    from artmodels.io.files import write_json
    from artmodels.metrics.classification import ADHERENCE_SEEDS, adherence
    from artmodels.metrics.evaluate import (
        FEWEST_SAMPLES,
        MAX_TRAINING_FEATURES,
        evaluate,
        keep_neighbours,
        look_at_real,
    )
    from artmodels.models.classifier import load_classifier
    from artmodels.models.generator import CLASSIFIER_NAME
    from artmodels.training.monitor import measuring_command

    if chosen.thumbnails and not chosen.neighbours:
        raise ValueError("--thumbnails are of the pictures that --neighbours keeps: add it")
    if chosen.write_card or chosen.neighbours:
        check_card_target(chosen.model, "--write-card" if chosen.write_card else "--neighbours")
    model = load_model(chosen.model)
    eye = load_classifier(chosen.classifier or model.folder)
    if chosen.classifier and not eye:
        raise ValueError(
            f"--classifier {chosen.classifier} holds no {CLASSIFIER_NAME}: train.py --task classifier makes one"
        )
    resolution = model.generator.config.resolution
    train = load_dataset(chosen.data, resolution)
    if chosen.test_data:
        test = load_dataset(chosen.test_data, resolution)
    else:
        share, expected = read_hold_out(model)
        train, test = split(train, share)
        if fingerprint(test) != expected:
            raise ValueError(
                f"{chosen.data or 'the drawn set'} is not the collection that {model.name} was trained on, so what "
                "its training held out is not known here: name pictures with --test-data"
            )
    samples = min(max(len(train), FEWEST_SAMPLES), MAX_TRAINING_FEATURES) if chosen.samples is None else chosen.samples
    real = look_at_real(train, test, samples)
    figures = evaluate(model.generator, real, samples, chosen.truncation)
    command = measuring_command(chosen.data, chosen.test_data, chosen.samples, chosen.model)
    figures["command"] = f"{command} --truncation {chosen.truncation:g}"
    if eye:
        seeds = min(samples, ADHERENCE_SEEDS)
        figures["adherence"] = adherence(model.generator, eye, test, seeds, chosen.truncation)
    directions = add_directions(model.folder) if chosen.write_card else model.directions
    told = {**figures, "directions": directions.figures} if directions else figures
    print(json.dumps(told, indent=2))
    if chosen.out:
        write_json(chosen.out, told)
    if chosen.neighbours:
        save_neighbours(model.folder, keep_neighbours(real, train, chosen.thumbnails))
    if chosen.write_card:
        rewrite_card(model.folder, model.generator, {"evaluation": figures})


def _add_recipe(verbs: argparse._SubParsersAction) -> None:
    example = "python -m artmodels recipe picture.png --repaint again.png --model checkpoints/masters"
    parser = add_verb(verbs, "recipe", _recipe, "Print the recipe of a picture, and paint it again.", example)
    parser.add_argument("picture", type=Path, help="a PNG that artmodels painted")
    parser.add_argument("--repaint", type=Path, metavar="PNG", help="paint it again into this file")
    parser.add_argument("--model", help="the model to repaint with (default: the bundled one that the recipe names)")
    parser.add_argument("--anyway", action="store_true", help="repaint although the model's weights have changed since")


def _recipe(chosen: argparse.Namespace) -> None:
    from artmodels.generate.recipe import parse_recipes, read_chunk
    from artmodels.optimize.provenance import parse_derived

    text = read_chunk(chosen.picture)
    if derived := parse_derived(text):
        print(derived.to_json())
        print(f"needs\n{derived.needs()}\nthen, on this machine the very same picture:\n  {derived.command()}")
        if chosen.repaint:
            raise ValueError("--repaint paints what a model painted; this picture needs files: type the command above")
        return
    recipes = parse_recipes(text)
    for recipe in recipes:
        print(recipe.to_json())
    if chosen.repaint:
        from artmodels.generate.save import repaint

        repaint(recipes, chosen.repaint, chosen.model, chosen.anyway)


def _add_film(verbs: argparse._SubParsersAction) -> None:
    example = "python -m artmodels film one.png two.png three.png --out film.mp4 --seconds 10 --size 256"
    parser = add_verb(verbs, "film", _film, "Paint a smooth walk through pictures, as an MP4 or a WebP.", example)
    parser.add_argument("pictures", type=Path, nargs="+", help="2 to 12 PNGs that artmodels painted, in order")
    parser.add_argument("--out", type=Path, required=True, help="the film: a name that ends in .mp4 or .webp")
    parser.add_argument("--seconds", type=float, default=10, help="1 to 30 (default: 10)")
    parser.add_argument("--fps", type=natural, default=24, help="frames per second, 8 to 30 (default: 24)")
    parser.add_argument("--size", type=natural, default=256, help="px, an even number up to 512 (default: 256)")
    parser.add_argument(
        "--loop", action=argparse.BooleanOptionalAction, default=True, help="end where it began (default: yes)"
    )
    parser.add_argument("--easing", default="smooth", help="smooth: slow at each picture; even (default: smooth)")
    parser.add_argument("--model", help="the model to paint with (default: the bundled one that the recipes name)")
    parser.add_argument("--anyway", action="store_true", help="paint although the model's weights have changed since")


def _film(chosen: argparse.Namespace) -> None:
    check_out(chosen.out)
    from artmodels.generate.film import FilmSpec
    from artmodels.generate.recipe import read_recipes
    from artmodels.generate.save import repaint_as_film

    spec = FilmSpec(chosen.seconds, chosen.fps, chosen.size, chosen.loop, chosen.easing)
    recipes = [recipe for picture in chosen.pictures for recipe in read_recipes(picture)]
    repaint_as_film(recipes, chosen.out, spec, chosen.model, chosen.anyway)
    print(f"{spec.frames} frames of {spec.size} px in {chosen.out}")


def _add_publish(verbs: argparse._SubParsersAction) -> None:
    example = (
        "python -m artmodels publish runs/mine user/my-painter --license cc-by-4.0 --tag v1 "
        '--provenance "my own drawings, 2019 to 2026"'
    )
    parser = add_verb(verbs, "publish", _publish, "Push a run's best model to the Hugging Face Hub.", example)
    parser.add_argument("path", type=Path, help="a run folder, or a model folder")
    parser.add_argument("repo_id", help="where to, like user/my-painter")
    parser.add_argument("--private", action="store_true", default=None, help="a new repository is private")
    parser.add_argument("--tag", help="also name this version, like v1")
    parser.add_argument("--dry-run", action="store_true", help="print the card and what would be pushed; push nothing")
    add_statement_flags(parser)


def _publish(chosen: argparse.Namespace) -> None:
    from artmodels.hub.publish import find_model_folder, publication, publish, statement_for
    from artmodels.models.generator import DIRECTIONS_NAME

    folder = find_model_folder(chosen.path)
    statement = statement_for(folder, chosen.repo_id, read_statement(chosen))
    statement = replace(
        statement,
        license=statement.license or _ask("Licence of the weights, like cc-by-4.0 or other (empty: not stated): "),
        provenance=statement.provenance or _ask("Where do the training pictures come from (empty: not stated)? "),
    )
    if chosen.dry_run:
        files = publication(folder, statement)
        print(files["README.md"].decode())
        for name, content in files.items():
            size = content.stat().st_size if isinstance(content, Path) else len(content)
            print(f"{size:>12,}  {name}")
        if DIRECTIONS_NAME not in files:
            print(f"  found first  {DIRECTIONS_NAME}, if there are directions to be found")
        print(f"nothing was pushed: leave --dry-run away to push this to {chosen.repo_id}")
        return
    if not statement.license:
        print("the card will say that no licence is stated: --license says one", file=sys.stderr)
    print(publish(folder, chosen.repo_id, statement, private=chosen.private, tag=chosen.tag, steer=True))


def _ask(question: str) -> str | None:
    """What somebody at a terminal answers; nobody is there in a script."""
    with suppress(EOFError):
        return (input(question).strip() if sys.stdin.isatty() else "") or None
    return None


def _add_space(verbs: argparse._SubParsersAction) -> None:
    example = "python -m artmodels space user/my-space --model user/my-painter@v1 --hardware zero-a10g"
    parser = add_verb(verbs, "space", _space, "Push a Space that paints with a model from the Hub.", example)
    parser.add_argument("repo_id", help="the Space, like user/my-space")
    parser.add_argument("--model", required=True, help="a Hub id with optional @revision; its commit is pinned")
    parser.add_argument("--hardware", help="like zero-a10g or cpu-basic (default: what the Hub gives)")
    parser.add_argument("--private", action="store_true", default=None, help="a new Space is private")
    parser.add_argument("--dry-run", type=Path, metavar="DIR", help="write the Space's folder there; push nothing")


def _space(chosen: argparse.Namespace) -> None:
    from artmodels.hub.download import parse_hub_id
    from artmodels.hub.space import HARDWARE, push_space, space_files, write_space

    parse_hub_id(chosen.repo_id)
    if chosen.hardware and chosen.hardware not in HARDWARE:
        raise ValueError(f"--hardware must be one of {', '.join(HARDWARE)}, found {chosen.hardware[:40]!r}")
    files = space_files(chosen.model, chosen.hardware)
    if chosen.dry_run:
        write_space(chosen.dry_run, files)
        print(f"cd {chosen.dry_run} && pip install -r requirements.txt && python app.py")
        return
    print(push_space(chosen.repo_id, files, hardware=chosen.hardware, private=chosen.private))


def _add_benchmark(verbs: argparse._SubParsersAction) -> None:
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
    from artmodels.training.launch import resolve_plan

    if chosen.preset not in PRESETS:
        raise ValueError(f"--preset must be one of {', '.join(PRESETS)}, found {chosen.preset!r}")
    dials = ("preset", "batch_size", "precision", "compile")
    given = {name: getattr(chosen, name) for name in dials if getattr(chosen, name) is not None}
    plan = resolve_plan(given, chosen.data, Path(), resume=False)
    found = benchmark_training(plan.config, plan.data, chosen.steps)
    _tell(describe(found), found, chosen.out)


def _benchmark_paint(chosen: argparse.Namespace) -> None:
    if not 0 < chosen.seconds <= 3600:
        raise ValueError(f"--seconds must be above 0 and at most 3600, found {chosen.seconds:g}")
    check_out(chosen.out)
    from artmodels.benchmarking.generate import benchmark_painting, describe
    from artmodels.generate.save import pick_device
    from artmodels.hub.load import load_model

    found = benchmark_painting(load_model(chosen.model, pick_device(chosen.device)), chosen.seconds)
    _tell(describe(found), found, chosen.out)


def _benchmark_app(chosen: argparse.Namespace) -> None:
    check_out(chosen.out)
    from artmodels.benchmarking.serve import Visit, benchmark_app, describe

    visit = Visit(chosen.visitors, chosen.seconds, chosen.pictures, chosen.pause)
    found = benchmark_app(visit, chosen.model)
    _tell(describe(found), found, chosen.out)


def _tell(text: str, found: dict[str, Any], out: Path | None) -> None:
    """Figures for people, and for programs where `--out` names a file."""
    print(text)
    if out:
        from artmodels.io.files import write_json

        write_json(out, found)
