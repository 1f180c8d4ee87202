"""A hyperparameter is written once: one made up here has its flag, its limits and its place in a run by its field."""

import argparse
import json
from dataclasses import dataclass, fields, replace
from typing import Any

import pytest

from artmodels.cli.hyperparameters import add_flags
from artmodels.io.safetensors_io import check_config_types
from artmodels.training.config import PRESETS, TrainConfig
from artmodels.training.hyperparameters import about, flag_of, hyperparameter, resumable
from artmodels.training.run_config import lay_over, note_changes
from artmodels.training.supervised_config import (
    ClassifierTrainConfig,
    PromptTrainConfig,
    SupervisedConfig,
    UpscalerTrainConfig,
    classifier_train_config,
    prompt_train_config,
    upscaler_train_config,
)

CONFIGS = (TrainConfig, ClassifierTrainConfig, PromptTrainConfig, UpscalerTrainConfig)


@dataclass(frozen=True, kw_only=True)
class Made(TrainConfig):
    """A config with one more hyperparameter, and one that a resume may not change."""

    glaze: float = hyperparameter(
        "how thick the glaze is", least=0, below=2, remedy="try 0.5", default=0.5, resumable=True
    )
    varnish: int = hyperparameter("layers of varnish", least=1, default=1)


def made(**changes) -> Made:
    return Made(**{**PRESETS["tiny"]().to_json(), **changes})


def flags_of(*config_types: type) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser()
    add_flags(parser, *config_types)
    return parser


def test_a_made_up_hyperparameter_is_its_field_alone(tmp_path):
    given = vars(flags_of(Made).parse_args(["--glaze", "1.5", "--varnish", "2", "--no-flip"]))
    assert {name: value for name, value in given.items() if value is not None} == {
        "glaze": 1.5,
        "varnish": 2,
        "flip": False,
    }
    assert "how thick the glaze is" in flags_of(Made).format_help()
    with pytest.raises(ValueError, match=r"glaze must be at least 0 and below 2, found 2.0: try 0.5"):
        made(glaze=2.0)
    with pytest.raises(ValueError, match="glaze must be <class 'float'>"):
        made(glaze="thick")
    config = made()
    assert lay_over(config, {"glaze": 1.0}, tmp_path).glaze == 1.0
    with pytest.raises(ValueError, match="--varnish 2 differs from the run"):
        lay_over(config, {"varnish": 2}, tmp_path)
    saved = json.loads(json.dumps({"train": config.to_json()}))
    assert note_changes(saved, replace(config, glaze=1.0), tmp_path) == [
        {"images": 0, "field": "glaze", "from": 0.5, "to": 1.0}
    ]


@pytest.mark.parametrize(
    ("field", "words", "good", "bad"),
    [
        (hyperparameter(least=1), "at least 1", (1, 9), (0,)),
        (hyperparameter(least=0, most=1), "between 0 and 1", (0, 1), (-0.1, 1.1, float("nan"))),
        (hyperparameter(above=0, most=1), "above 0 and at most 1", (0.5, 1), (0, 2)),
        (hyperparameter(least=0, below=1), "at least 0 and below 1", (0, 0.9), (1,)),
        (hyperparameter(multiple_of=32, least=32), "a multiple of 32, at least 32", (32, 64), (0, 33)),
        (hyperparameter(choices=("a", "b")), "one of a, b", ("a",), ("c",)),
    ],
)
def test_limits_are_said_as_they_are_kept(field, words, good, bad):
    told = about(field)
    assert told.limits() == words
    assert all(told.holds(value) for value in good) and not any(told.holds(value) for value in bad)


@pytest.mark.parametrize("config_type", [*CONFIGS, SupervisedConfig])
def test_every_flag_says_what_it_is_by_itself(config_type):
    for field in fields(config_type):
        told = about(field)
        if told:
            assert told.help and told.help[-1] not in ".:" and len(told.help) < 120, field.name


def test_the_presets_hold_to_their_own_limits():
    of_tasks = (classifier_train_config(), prompt_train_config(), upscaler_train_config())
    configs: list[Any] = [*(preset() for preset in PRESETS.values()), *of_tasks]
    for config in configs:
        check_config_types(config)
        assert type(config)(**json.loads(json.dumps(config.to_json()))) == config
        assert "images" in resumable(type(config)) and "seed" not in resumable(type(config))


def test_flags_of_several_configs_are_one_each():
    parser = flags_of(*CONFIGS)
    flags = [flag for action in parser._actions for flag in action.option_strings]
    assert len(flags) == len(set(flags))
    everything = {field.name for config in CONFIGS for field in fields(config) if about(field)}
    assert {flag for flag in flags if not flag.startswith("--no-")} - {"-h", "--help"} == {
        flag_of(name) for name in everything
    }
