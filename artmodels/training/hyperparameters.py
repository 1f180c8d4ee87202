"""A hyperparameter is written once: the field of a config holds its flag's help, its limits, and what a resume may do.

A config is a frozen dataclass with keyword-only fields; `check` refuses values out of range, `resumable` names what
`--resume` may change, and `cli.hyperparameters` makes the flags of a command line.
"""

from collections.abc import Sequence
from dataclasses import MISSING, Field, dataclass, field, fields
from typing import Any

from artmodels.io.safetensors_io import check_config_types

ABOUT = "hyperparameter"  # under which a field's metadata has the rest


@dataclass(frozen=True)
class Hyperparameter:
    """What a field's metadata tells of it; see `hyperparameter`."""

    help: str
    metavar: str | None
    least: float | None
    most: float | None
    above: float | None
    below: float | None
    multiple_of: int | None
    choices: Sequence[Any] | None
    remedy: str
    resumable: bool

    def limits(self) -> str:
        """The range in words."""
        if self.choices:
            return "one of " + ", ".join(map(str, self.choices))
        if self.multiple_of:
            return f"a multiple of {self.multiple_of}" + (f", at least {self.least}" if self.least else "")
        if self.least is not None and self.most is not None:
            return f"between {self.least} and {self.most}"
        parts = [
            f"{words} {limit}"
            for words, limit in (
                ("at least", self.least),
                ("above", self.above),
                ("at most", self.most),
                ("below", self.below),
            )
            if limit is not None
        ]
        return " and ".join(parts)

    def holds(self, value: Any) -> bool:
        """Whether a value of the right type is in the range."""
        if self.choices:
            return value in self.choices
        return (
            (self.least is None or value >= self.least)
            and (self.above is None or value > self.above)
            and (self.most is None or value <= self.most)
            and (self.below is None or value < self.below)
            and (self.multiple_of is None or value % self.multiple_of == 0)
        )


def hyperparameter(
    help: str = "",
    metavar: str | None = None,
    *,
    least: float | None = None,
    most: float | None = None,
    above: float | None = None,
    below: float | None = None,
    multiple_of: int | None = None,
    choices: Sequence[Any] | None = None,
    remedy: str = "",
    resumable: bool = False,
    default: Any = MISSING,
) -> Any:
    """A field of a config.

    `help` is its flag's line in `--help`, which stands on its own; without it, there is no flag, and a comment beside
    the field says what it is. `least` and `most` may be reached, `above` and `below` may not; `remedy` ends the message
    of what is out of range, like "try 0.1". `resumable`: `--resume` may change it.
    """
    about = Hyperparameter(help, metavar, least, most, above, below, multiple_of, choices, remedy, resumable)
    return field(default=default, metadata={ABOUT: about})


def flag_of(name: str) -> str:
    """The flag of a hyperparameter, or of anything else that a command line calls by a Python name."""
    return "--" + name.replace("_", "-")


def about(of: Field) -> Hyperparameter | None:
    return of.metadata.get(ABOUT)


def check(config: Any) -> None:
    """Compare each field of a config with its annotation and its limits.

    Raises:
        ValueError: a value is of the wrong type or out of range.
    """
    check_config_types(config)
    for each in fields(config):
        told, value = about(each), getattr(config, each.name)
        if told and not told.holds(value):
            remedy = f": {told.remedy}" if told.remedy else ""
            raise ValueError(f"{each.name} must be {told.limits()}, found {value!r:.80}{remedy}")


def resumable(config_type: type) -> frozenset[str]:
    """The names of the fields that `--resume` may change."""
    return frozenset(each.name for each in fields(config_type) if (told := about(each)) and told.resumable)
