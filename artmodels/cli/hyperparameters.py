"""A config's hyperparameters as flags of a command line."""

import argparse
from dataclasses import fields
from typing import Any

from artmodels.cli.arguments import natural
from artmodels.training.hyperparameters import about, flag_of

METAVARS: dict[Any, str] = {int: "N", float: "X"}


def add_flags(parser: argparse._ActionsContainer, *config_types: type) -> None:
    """A flag for each hyperparameter with a help line, once for a name that several configs share.

    Nothing has a default: what is not given is the preset's, or the run's.
    """
    known: set[str] = set()
    for config_type in config_types:
        for each in fields(config_type):
            told = about(each)
            if told is None or not told.help or each.name in known:
                continue
            known.add(each.name)
            flag = flag_of(each.name)
            if each.type is bool:
                parser.add_argument(flag, action=argparse.BooleanOptionalAction, help=told.help)
                continue
            kind: Any = natural if each.type is int else each.type
            choices = told.choices if each.type is str else None  # numbers are refused by `check`, with the remedy
            metavar = None if choices else told.metavar or METAVARS.get(each.type)
            parser.add_argument(flag, type=kind, choices=choices, metavar=metavar, help=told.help)
