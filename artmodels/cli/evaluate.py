"""`evaluate`: measure a model against held-out pictures."""

import argparse
from contextlib import nullcontext
from pathlib import Path

from artmodels.cli.arguments import add_verb, check_out, natural


def add_evaluate(verbs: argparse._SubParsersAction) -> None:
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
        "--classifier", type=Path, metavar="FOLDER", help="whose classifier sees it (default: the model's own)"
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
    parser.add_argument(
        "--curate",
        action="store_true",
        help="choose, of 256 seeds of each style, those that look most real: the studio opens on them",
    )


def _evaluate(chosen: argparse.Namespace) -> None:
    from artmodels.generate.sampling import check_truncation

    check_truncation(chosen.truncation)
    check_out(chosen.out)

    from artmodels.hub.card import at_rest, check_card_target

    if chosen.thumbnails and not chosen.neighbours:
        raise ValueError("--thumbnails are of the pictures that --neighbours keeps: add it")
    writing = [flag for flag in ("write_card", "neighbours", "curate") if getattr(chosen, flag)]
    if writing:
        check_card_target(chosen.model, f"--{writing[0].replace('_', '-')}")
    with at_rest(Path(chosen.model)) if writing else nullcontext():
        _measure(chosen)


def _measure(chosen: argparse.Namespace) -> None:
    import json

    from artmodels.data.dataset import divided, load_dataset
    from artmodels.data.split import fingerprint, split
    from artmodels.generate.find_directions import add_directions
    from artmodels.hub.card import rewrite_card
    from artmodels.hub.companions.classifier import CLASSIFIER_NAME, load_classifier
    from artmodels.hub.companions.curated import save_curated
    from artmodels.hub.companions.neighbours import save_neighbours
    from artmodels.hub.load import load_model, read_hold_out
    from artmodels.io.files import write_json
    from artmodels.metrics.classification import ADHERENCE_SEEDS, adherence
    from artmodels.metrics.curate import curate
    from artmodels.metrics.evaluate import (
        FEWEST_SAMPLES,
        MAX_TRAINING_FEATURES,
        evaluate,
        keep_neighbours,
        look_at_real,
    )
    from artmodels.training.monitor import measuring_command

    model = load_model(chosen.model)
    classifier = load_classifier(chosen.classifier or model.folder)
    if chosen.classifier and not classifier:
        raise ValueError(
            f"--classifier {chosen.classifier} holds no {CLASSIFIER_NAME}: train.py --task classifier makes one"
        )
    resolution = model.generator.config.resolution
    train, test = divided(load_dataset(chosen.data, resolution))
    if chosen.test_data:
        test = load_dataset(chosen.test_data, resolution)
    elif test is None:
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
    if classifier:
        seeds = min(samples, ADHERENCE_SEEDS)
        figures["adherence"] = adherence(model.generator, classifier, test, seeds, chosen.truncation)
    directions = add_directions(model.folder) if chosen.write_card else model.directions
    report = {**figures, "directions": directions.figures} if directions else figures
    print(json.dumps(report, indent=2))
    if chosen.out:
        write_json(chosen.out, report)
    if chosen.neighbours:
        save_neighbours(model.folder, keep_neighbours(real, train, chosen.thumbnails))
    if chosen.curate:
        save_curated(model.folder, curate(model.generator, real))
    if chosen.write_card or chosen.curate:
        rewrite_card(model.folder, model.generator, {"evaluation": figures} if chosen.write_card else {})
