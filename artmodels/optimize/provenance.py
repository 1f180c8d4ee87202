"""Recipes of pictures that were made from pictures: what was done with which files, by their digests."""

import json
import shlex
from dataclasses import asdict, dataclass
from typing import Any

from artmodels.generate.recipe import MADE_BY, MAX_RECIPE_BYTES, is_number

SCHEMA = 1
INPUTS = ("picture", "manner")  # what a file is needed for
SETTINGS = ("size", "steps", "strength", "seed")


@dataclass(frozen=True)
class Provenance:
    """Everything that makes such a picture again, beside the files themselves, which are never in it.

    The same files, settings, version and number of threads make the same picture on the same machine, bit for bit;
    elsewhere rounding differs, and a long descent with it.

    Raises:
        ValueError: a value is of the wrong type or out of range.
    """

    made_by: str  # one of MADE_BY
    inputs: dict[str, str]  # from one of INPUTS to the SHA-256 of the file
    settings: dict[str, float]
    version: str  # of artmodels
    threads: int  # of the CPU that it was computed with
    model: str | None = None  # whose style it is
    style: str | None = None
    companion_sha256: str | None = None  # of the model's file that knows the style
    stopped_after: int | None = None  # steps, where somebody stopped it before its end
    schema: int = SCHEMA

    def __post_init__(self):
        inputs, settings = self.inputs, self.settings
        if self.schema != SCHEMA:
            raise ValueError(
                f"recipe schema {self.schema!r:.40} is not {SCHEMA}, which this artmodels knows: update it"
            )
        _require(isinstance(self.made_by, str) and self.made_by in MADE_BY, "made_by", f"one of {', '.join(MADE_BY)}")
        _require(isinstance(inputs, dict) and "picture" in inputs and inputs.keys() <= set(INPUTS), "inputs", "files")
        digests = [*inputs.values(), *([] if self.companion_sha256 is None else [self.companion_sha256])]
        _require(all(_is_digest(digest) for digest in digests), "each digest", "64 hexadecimal digits")
        _require(isinstance(settings, dict) and settings.keys() == set(SETTINGS), "settings", ", ".join(SETTINGS))
        _require(all(is_number(value) for value in settings.values()), "settings", "numbers")
        texts = [self.version, *(text for text in (self.model, self.style) if text is not None)]
        _require(all(_is_name(text) for text in texts), "each name", "1 to 200 printable characters")
        _require(
            self.stopped_after is None or (type(self.stopped_after) is int and 0 < self.stopped_after <= 100_000),
            "stopped_after",
            "a number of steps, or null",
        )
        _require(type(self.threads) is int and 0 < self.threads <= 4096, "threads", "1 to 4096")

    def to_json(self) -> str:
        return json.dumps(asdict(self), ensure_ascii=False, sort_keys=True)

    def command(self) -> str:
        """What to type, with the files it needs, to make the picture again; quoted, as it may be a stranger's words."""
        named = ["--model", str(self.model), "--style", str(self.style)]
        style = "--manner MANNER" if "manner" in self.inputs else shlex.join(named)
        settings = " ".join(f"--{name} {self.settings[name]:g}" for name in SETTINGS if name != "seed")
        seed = int(self.settings["seed"])
        settings += f" --stop-after {self.stopped_after}" if self.stopped_after else ""
        threads = f"OMP_NUM_THREADS={self.threads} "
        return f"{threads}python -m artmodels {self.made_by} PICTURE {style} {settings} --seed {seed} --out again.png"

    def needs(self) -> str:
        """The files that it needs, one a line."""
        files = [f"{role.upper()}: the file with SHA-256 {digest}" for role, digest in self.inputs.items()]
        if self.companion_sha256:
            files.append(f"the model {self.model}, whose file of styles has SHA-256 {self.companion_sha256}")
        return "\n".join(files)


def parse_provenance(text: str) -> Provenance | None:
    """The recipe in a JSON text; None if it is a recipe of another kind.

    Raises:
        ValueError: of this kind, but damaged.
    """
    if len(text) > MAX_RECIPE_BYTES:
        return None
    try:
        data: Any = json.loads(text)
    except (ValueError, RecursionError):
        return None
    if not isinstance(data, dict) or "made_by" not in data:
        return None
    try:
        return Provenance(**data)
    except TypeError as error:
        raise ValueError("recipe: not whole, or with fields that this artmodels does not know: update it") from error


def _is_digest(value: Any) -> bool:
    return isinstance(value, str) and len(value) == 64 and set(value) <= set("0123456789abcdef")


def _is_name(value: Any) -> bool:
    return isinstance(value, str) and 0 < len(value) <= 200 and value.isprintable()


def _require(condition: object, field: str, expected: str) -> None:
    if not condition:
        raise ValueError(f"recipe: {field} must be {expected}")
