"""A run's `config.json`: what it trains, by which hyperparameters, on which pictures, and what resumes changed."""

from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

from artmodels.io.safetensors_io import read_json
from artmodels.training.checkpoint import images_of, list_checkpoints
from artmodels.training.config import GENERATOR, RUN_CONFIG_NAME, TASK_NAMES, RunConfig, TrainConfig
from artmodels.training.hyperparameters import flag_of, resumable

AnyConfig = TypeVar("AnyConfig", bound=RunConfig)


def choose_task(asked: str | None, output: Path, resume: bool) -> str:
    """The task that was asked for, or on `resume` the run's.

    Raises:
        ValueError: they differ, or there is no run to resume.
    """
    found = task_of(output) if resume else asked or GENERATOR
    if asked and asked != found:
        raise ValueError(f"--task {asked}: the run in {output} is one of --task {found}; leave out --task")
    return found


def task_of(output: Path) -> str:
    """What the run in a folder trains, one of `TASK_NAMES`.

    Raises:
        ValueError: there is no run, or its config is damaged.
    """
    path = output / RUN_CONFIG_NAME
    if not path.is_file():
        raise ValueError(
            f"--resume: {output} holds no run (no {RUN_CONFIG_NAME}); leave out --resume to start one there"
        )
    saved = read_json(path)
    task = saved.get("task", GENERATOR) if isinstance(saved, dict) else None
    if task not in TASK_NAMES:
        raise ValueError(f"{path} is not a run's config: start a new run in another folder")
    return task


def read_run(
    output: Path, config_type: type[AnyConfig]
) -> tuple[AnyConfig, str | None, str | None, dict[str, str] | None]:
    """A run's config, the sources of its pictures and of its test pictures, and the model that it began with.

    Raises:
        ValueError: there is no run, or its config is damaged or of another kind.
    """
    task_of(output)
    path = output / RUN_CONFIG_NAME
    saved = read_json(path)
    trained = saved.get("train") if isinstance(saved, dict) else None
    if config_type is TrainConfig and isinstance(trained, dict) and "variety_weight" in trained:
        raise ValueError(
            f"{output} was trained by an objective that artmodels no longer has, and cannot go on: start a new run "
            f"from its model with --init {output / 'model'}"
        )
    try:
        source, test, init = saved["data"]["source"], saved["data"].get("test"), saved.get("init")
        if init is not None:
            init = {key: str(init[key]) for key in ("source", "weights_sha256")}
        trained = saved["train"]
        if config_type is TrainConfig:  # before it could be said, all numbers of a latent told of its picture
            trained = {"components": trained["latent_dim"], **trained}
        test_source = None if test is None or test["source"] is None else str(test["source"])
        return config_type(**trained), source if source is None else str(source), test_source, init
    except (TypeError, LookupError, ValueError, AttributeError) as error:
        raise ValueError(f"{path} is not a run's config ({error}): start a new run in another folder") from error


def lay_over(config: AnyConfig, given: dict[str, Any], output: Path) -> AnyConfig:
    """A run's own config with what was given anew; the run's `config.json` notes the changes.

    Raises:
        ValueError: a flag that may not change differs from the run's.
    """
    may_change = resumable(type(config))
    for name, value in given.items():
        if name not in may_change and value != getattr(config, name):
            raise ValueError(
                f"{flag_of(name)} {value} differs from the run in {output}, which has {getattr(config, name)}: "
                "leave out the flag, or start a new run in another folder"
            )
    return replace(config, **{name: value for name, value in given.items() if name in may_change})


def note_changes(saved: dict[str, Any], config: RunConfig, output: Path) -> list[dict[str, Any]]:
    """What earlier resumes changed, and what this one does, with the images seen by then."""
    seen = max((images_of(folder) for folder in list_checkpoints(output)), default=0)
    before, now = type(config)(**saved["train"]).to_json(), config.to_json()
    changed = [name for name in sorted(resumable(type(config))) if before[name] != now[name]]
    return saved.get("changes", []) + [
        {"images": seen, "field": name, "from": before[name], "to": now[name]} for name in changed
    ]
