"""JSON that a stranger wrote, compared with a schema; what is wrong is said in one line."""

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import fields
from functools import wraps
from typing import Annotated, Any, TypeVar, dataclass_transform

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass

LONGEST_FOUND = 80  # characters of a wrong value that are shown


def printable(text: str) -> str:
    """The check of a text without line breaks and control characters."""
    if not text.isprintable():
        raise ValueError("should be printable")
    return text


def hexadecimal(digits: int) -> AfterValidator:
    """The check of a text of so many hexadecimal digits, in lower case."""

    def check(text: str) -> str:
        if not re.fullmatch(f"[0-9a-f]{{{digits}}}", text):
            raise ValueError(f"should be {digits} hexadecimal digits")
        return text

    return AfterValidator(check)


Share = Annotated[float, Field(ge=0, le=1)]
Count = Annotated[int, Field(ge=0, lt=10**9)]
Number = Annotated[float, Field(gt=-1e9, lt=1e9)]
Name = Annotated[str, Field(min_length=1, max_length=100), AfterValidator(printable)]
LongName = Annotated[str, Field(min_length=1, max_length=200), AfterValidator(printable)]
Digest = Annotated[str, hexadecimal(64)]  # SHA-256


class Schema(BaseModel):
    """An object whose fields are of the very types, numbers finite; what else it holds is left alone."""

    model_config = ConfigDict(strict=True, extra="ignore", allow_inf_nan=False, frozen=True)


Class = TypeVar("Class")


@dataclass_transform(frozen_default=True)
def checked(what: str) -> Callable[[type[Class]], type[Class]]:
    """A frozen dataclass whose fields are checked whenever one is made, by our own code or by `parse`.

    Its fields are of the very types, numbers finite, and there are no others; `what` names it in messages. Making one
    of wrong values raises the ValueError of `parse`.
    """

    def check(plain: type[Class]) -> type[Class]:
        config = ConfigDict(strict=True, extra="forbid", allow_inf_nan=False)
        made: Any = dataclass(plain, frozen=True, config=config)
        initialise, names = made.__init__, [field.name for field in fields(made)]

        @wraps(initialise)
        def in_one_line(self, *values: Any, **named: Any) -> None:
            try:
                initialise(self, *values, **named)
            except ValidationError as error:
                raise ValueError(_first_fault(error, what, names)) from error

        made.__init__ = in_one_line
        return made

    return check


def parse(schema: type[Class], value: Any, what: str) -> Class:
    """A value read from JSON, as an object of a `Schema` or a `checked` class; `what` names it in the message.

    Raises:
        ValueError: it does not fit: the first place where, what should be there, and what is.
    """
    try:
        return TypeAdapter(schema).validate_json(json.dumps(value))  # where a list may be a tuple
    except RecursionError as error:
        raise ValueError(f"{what} is nested too deeply") from error
    except ValidationError as error:
        raise ValueError(_first_fault(error, what)) from error


def _first_fault(error: ValidationError, what: str, names: Sequence[str] = ()) -> str:
    """One printable line; `names` are those of the values that were given by their places."""
    first = error.errors(include_url=False)[0]
    where = list(first["loc"])
    if where and isinstance(where[0], int) and names:
        where[0] = names[where[0]]
    place = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in where)
    told = f"{what}{place if place.isprintable() else ''}"[:200]
    found = f"found {first['input']!r:.{LONGEST_FOUND}}"
    if first["type"] in ("missing", "missing_argument"):
        return f"{told} is missing"
    if first["type"] in ("unexpected_keyword_argument", "extra_forbidden"):
        return f"{told} is unknown to this artmodels: update it"
    if first["type"] in ("model_type", "dict_type", "dataclass_type", "dataclass_exact_type", "model_attributes_type"):
        return f"{told} should be an object, {found}"
    if first["type"].startswith("union_tag"):
        return f"{told} should be an object of a kind that this artmodels knows, {found}: update it"
    message = re.sub(r"^(Value error,|Input|Value|String|List|Tuple|Dictionary) ", "", first["msg"])
    return f"{told} {message}, {found}"
