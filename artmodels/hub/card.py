"""The card of a published model, `README.md` of its folder: only what is known, measured, or said by its publisher."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path
from typing import Any

from huggingface_hub import EvalResult, ModelCard, ModelCardData, constants, hf_hub_url
from jinja2 import UndefinedError

from artmodels import __version__
from artmodels.hub.companions import COMPANIONS, load_beside
from artmodels.hub.load import read_metrics
from artmodels.hub.model_files import CARD_DATA, CARD_NAME, METRICS_NAME, escape_markdown
from artmodels.hub.pretrained import ArtGenerator, load_generator
from artmodels.hub.statement import Statement
from artmodels.io.files import LOCK_NAME, in_turn, only_one, write_atomically, write_json
from artmodels.io.safetensors_io import read_json

TEMPLATE = Path(__file__).parent / "card.md.jinja"
SHEET_SEEDS = range(16)
SHEET_TRUNCATION = 0.8


def model_card(
    generator: ArtGenerator,
    training: dict[str, Any],
    metrics: dict[str, Any] | None,
    statement: Statement,
    wheel: str | None = None,
    companions: Mapping[str, Any] | None = None,
    descents: dict[str, Any] | None = None,
) -> str:
    """The card as Markdown, with the front matter that the Hub indexes.

    `training` is what the run says of itself (see `training.export.publish_model`), `metrics` what `evaluate` measured,
    `wheel` the name of an artmodels wheel that lies beside the card, `companions` what else lies there, by name;
    `descents` is what `benchmarks/` measured of gradient descent on pictures with it.
    """
    config, beside = generator.config, companions or {}
    counts, known = training["style_counts"], ("images", "pictures", "seconds", "machine", "preset")
    init = training.get("init")
    of_styles = {escape_markdown(style): figures for style, figures in (metrics or {"styles": {}})["styles"].items()}
    by_distance = sorted(of_styles, key=lambda style: of_styles[style]["kernel_distance"])
    try:
        card = ModelCard.from_template(
            _card_data(metrics, statement),
            template_path=str(TEMPLATE),
            styles=[escape_markdown(style) for style in config.styles],
            seeds=SHEET_SEEDS,
            sheet_truncation=SHEET_TRUNCATION,
            counts={escape_markdown(style): counts.get(style, sum(counts.values())) for style in config.styles},
            side=config.resolution,
            parameters=generator.parameter_count,
            training={name: training[name] for name in known},
            version=__version__,
            init={**init, "name": escape_markdown(init["model"])} if init else None,
            lasting=_lasting,
            said=_said(training, statement),
            install=hf_hub_url(statement.repo_id, wheel) if statement.repo_id and wheel else None,
            source=json.dumps(statement.repo_id or "path/to/this/folder"),
            chosen=json.dumps(config.styles[0], ensure_ascii=False),
            metrics=metrics,
            of_styles=of_styles,
            farthest=by_distance[-1] if by_distance else None,
            nearest=by_distance[0] if by_distance else None,
            sections="".join(each.section(beside.get(each.name), config, metrics or {}) for each in COMPANIONS)
            + _descents(descents),
            reads=bool(beside.get("prompt")),
        )
    except UndefinedError as error:
        raise LookupError(str(error)) from error
    return str(card).rstrip() + "\n"


def _lasting(seconds: float) -> str:
    return f"{seconds / 3600:.2f} hours" if seconds >= 3600 else f"{seconds / 60:.2g} minutes"


def _card_data(metrics: dict[str, Any] | None, statement: Statement) -> ModelCardData:
    """What the Hub indexes: licence, library, task, data set, and the figures as a model index."""
    facts: dict[str, Any] = {**CARD_DATA, "license": statement.license}
    if statement.dataset:
        facts["datasets"] = [statement.dataset]
    if metrics:
        overall = metrics["overall"]
        named = {
            "frechet-distance": ("Fréchet distance (EfficientNet-Lite2)", overall["frechet_distance"]),
            "kernel-distance": ("kernel distance (EfficientNet-Lite2)", overall["kernel_distance"]),
            "precision": (f"precision (k = {metrics['neighbours']})", overall["precision"]),
            "recall": (f"recall (k = {metrics['neighbours']})", overall["recall"]),
        }
        facts["model_name"] = statement.repo_id.partition("/")[2] if statement.repo_id else "painter"
        facts["eval_results"] = [
            EvalResult(
                task_type=CARD_DATA["pipeline_tag"],
                dataset_type=statement.dataset or "held-out-pictures",
                dataset_name=f"{overall['test_pictures']} held-out pictures, {overall['samples']} samples",
                metric_type=kind,
                metric_name=name,
                metric_value=round(value, 5),
            )
            for kind, (name, value) in named.items()
            if value is not None
        ]
    return ModelCardData(**facts)


def _said(training: dict[str, Any], statement: Statement) -> dict[str, str]:
    """What the publisher says, and where the publisher is silent, that."""
    silent = "not stated by the publisher"
    dataset = f" ([{statement.dataset}]({constants.ENDPOINT}/datasets/{statement.dataset}))"
    lines = {
        "Training pictures": (statement.provenance or silent) + (dataset if statement.dataset else ""),
        "Their rights": statement.data_license or silent,
        "Licence of the weights": f"`{statement.license}`" if statement.license else silent,
        "Licence of the code": "Apache-2.0",
        "About the run": training.get("note"),
    }
    return {title: text for title, text in lines.items() if text}


def _descents(descents: dict[str, Any] | None) -> str:
    """The section on gradient descent from pictures that a visitor brings, as far as it was measured."""
    tell = {"project": _projected, "transfer": _transferred, "dream": _dreamt}
    text = "".join(
        f"""
{say(found)}
{found["steps"]} steps, {found["seconds"]:.0f} s each on {found["machine"]}. Measured by `{found["command"]}`.
"""
        for verb, say in tell.items()
        if (found := (descents or {}).get(verb))
    )
    return f"\n## From a picture of your own\n{text}" if text else ""


def _projected(found: dict[str, Any]) -> str:
    middle, mean, worst = (f"{found[name]:.3f}" for name in ("median", "mean", "worst"))
    paintings = f"{found['pictures']} paintings of this model (truncation {found['truncation']:g})"
    return f"""`project`: of {paintings} it finds latents
whose pictures are {middle} in the median, {mean} in the mean and {worst} at worst away from them, in
distances of random pairs ({found["judge"]} features); {found["near"]} are within a tenth."""


def _transferred(found: dict[str, Any]) -> str:
    (least, most), (nearest, farthest) = found["style_left"], found["content"]
    pictures = f"{found['pictures']} pictures of {found['size']} px"
    return f"""`transfer`: over {pictures} the distance of textures from the wanted style falls
to {least:.0%} to {most:.0%} of what it was; content
ends {nearest:.1f} to {farthest:.1f} away from the picture's."""


def _dreamt(found: dict[str, Any]) -> str:
    own, judge = (f"from {before:.0%} to {after:.0%}" for before, after in (found["own"], found["judge"]))
    pictures = f"{found['pictures']} test paintings of {found['size']} px"
    return f"""`dream`: over {pictures}, pushed towards another style, the probability
of that style goes {own} by the classifier that is climbed, and {judge}
by a classifier that is not ({found["judged_by"]}); by this one it rises in {found["risen"]} of them."""


def check_card_target(name: str, flag: str) -> None:
    """Refuse, for a flag, what is no model folder of one's own whose card can be written anew.

    Raises:
        ValueError: see above; or the model, or what lies beside it, is damaged.
    """
    folder = Path(name)
    if not (folder / METRICS_NAME).is_file():
        raise ValueError(f"{flag} needs a model folder that training wrote, with {METRICS_NAME}; found {name}")
    try:
        checked_card(folder, Statement.of(read_metrics(folder)))
    except (FileNotFoundError, ValueError) as error:
        raise ValueError(f"{flag}: {error}") from error


def checked_card(folder: Path, statement: Statement, wheel: str | None = None) -> str:
    """The card of a model folder, for which it is loaded as strictly as anybody will load it.

    Raises:
        FileNotFoundError, ValueError: the model, what lies beside it, or its `metrics.json`, is not whole.
    """
    generator = load_generator(folder)
    beside = load_beside(folder, generator.config)
    try:
        return card_of(generator, read_metrics(folder), statement, beside, wheel)
    except (LookupError, TypeError, AttributeError) as error:
        raise ValueError(
            f"{folder / METRICS_NAME} does not tell what the card needs ({type(error).__name__}: {error}): "
            "restore the folder as training wrote it"
        ) from error


@contextmanager
def at_rest(model: Path) -> Iterator[None]:
    """Hold a model folder, and the run that it belongs to if it does: no other process writes there meanwhile.

    One that does is waited for, unless it is a run that is training. The lock lies beside the folder, and goes when it
    is let go, since filelock holds none that is gone.

    Raises:
        OSError: the run is training, or the folder that the model lies in cannot be written.
    """
    model = model.resolve()
    run, lock = model.parent, model.with_name(f".{model.name}.lock")
    with in_turn(lock, f"waiting for another process that writes into {model}"):
        try:
            with only_one(run) if (run / LOCK_NAME).is_file() else nullcontext():
                yield
        finally:
            with suppress(OSError):  # Windows removes no file that is open
                lock.unlink()


def rewrite_card(folder: Path, generator: ArtGenerator, additions: dict[str, Any], place: Path | None = None) -> None:
    """Add to `metrics.json` (`evaluation`, or more of `training` or `descents`) and write the card anew.

    What lies beside the model and does not load is not on the card: a warning says so, of the folder as it is known,
    which is `place` where this one is to take its place.
    """
    path = folder / METRICS_NAME
    metrics = read_json(path)
    for key, value in additions.items():
        metrics[key] = {**metrics.get(key, {}), **value} if key in ("training", "descents") else value
    beside = load_beside(folder, generator.config, bearable=place or folder)
    card = card_of(generator, metrics, Statement.of(metrics), beside)
    write_json(path, metrics)
    write_atomically(folder / CARD_NAME, card.encode())


def card_of(
    generator: ArtGenerator,
    metrics: dict[str, Any],
    statement: Statement,
    companions: Mapping[str, Any],
    wheel: str | None = None,
) -> str:
    """The card of a folder with these `metrics.json`; see `card.model_card`.

    Raises:
        LookupError, TypeError, AttributeError: `metrics` are not those that training wrote.
    """
    return model_card(
        generator,
        metrics["training"],
        metrics.get("evaluation"),
        statement,
        wheel,
        companions,
        descents=metrics.get("descents"),
    )
