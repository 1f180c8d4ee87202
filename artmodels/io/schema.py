"""JSON that a stranger wrote, compared with a schema; what is wrong is said in one line."""

import json
import re
from typing import Annotated, Any, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

LONGEST_FOUND = 80  # characters of a wrong value that are shown


def _printable(text: str) -> str:
    if not text.isprintable():
        raise ValueError("should be printable")
    return text


Share = Annotated[float, Field(ge=0, le=1)]
Count = Annotated[int, Field(ge=0, lt=10**9)]
Number = Annotated[float, Field(gt=-1e9, lt=1e9)]
Name = Annotated[str, Field(min_length=1, max_length=100), AfterValidator(_printable)]


class Schema(BaseModel):
    """An object whose fields are of the very types, numbers finite; what else it holds is left alone."""

    model_config = ConfigDict(strict=True, extra="ignore", allow_inf_nan=False, frozen=True)


AnySchema = TypeVar("AnySchema", bound=Schema)


def parse(schema: type[AnySchema], value: Any, what: str) -> AnySchema:
    """A value read from JSON, as an object of a schema; `what` names it in the message.

    Raises:
        ValueError: it does not fit: the first place where, what should be there, and what is.
    """
    try:
        return schema.model_validate_json(json.dumps(value))  # where a list may be a tuple
    except RecursionError as error:
        raise ValueError(f"{what} is nested too deeply") from error
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
    place = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in first["loc"])
    told = f"{what}{place if place.isprintable() else ''}"[:200]
    if first["type"] == "missing":
        raise ValueError(f"{told} is missing")
    if first["type"] in ("model_type", "dict_type"):
        raise ValueError(f"{told} should be an object, found {first['input']!r:.{LONGEST_FOUND}}")
    message = re.sub(r"^(Value error,|Input|Value|String|List|Tuple|Dictionary) ", "", first["msg"])
    raise ValueError(f"{told} {message}, found {first['input']!r:.{LONGEST_FOUND}}")
