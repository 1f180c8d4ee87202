"""Recipes of pictures that were made from pictures: what was done with which files, by their digests."""

import json
import shlex
from dataclasses import asdict
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field

from artmodels.generate.recipe import MAX_RECIPE_BYTES
from artmodels.io.schema import Digest, LongName, Name, checked, parse

SCHEMA = 1
SETTINGS = ("size", "steps", "strength", "seed")
Kind = Literal["transfer", "dream"]
Role = Literal["picture", "manner"]  # what a file is needed for


def _with_a_picture(inputs: dict[Role, str]) -> dict[Role, str]:
    if "picture" not in inputs:
        raise ValueError("should name the picture")
    return inputs


def _all_settings(settings: dict[str, float]) -> dict[str, float]:
    if settings.keys() != set(SETTINGS):
        raise ValueError(f"should be {', '.join(SETTINGS)}")
    return settings


@checked("recipe")
class Provenance:
    """Everything that makes such a picture again, beside the files themselves, which are never in it.

    The same files, settings, version and number of threads make the same picture on the same machine, bit for bit;
    elsewhere rounding differs, and a long descent with it.

    Raises:
        ValueError: a value is of the wrong type or out of range.
    """

    made_by: Kind
    inputs: Annotated[dict[Role, Digest], AfterValidator(_with_a_picture)]
    settings: Annotated[dict[str, float], AfterValidator(_all_settings)]
    version: Name  # of artmodels
    threads: Annotated[int, Field(gt=0, le=4096)]  # of the CPU that it was computed with
    model: LongName | None = None  # whose style it is
    style: LongName | None = None
    companion_sha256: Digest | None = None  # of the model's file that knows the style
    stopped_after: Annotated[int, Field(gt=0, le=100_000)] | None = None  # steps, where somebody stopped it
    schema: Literal[1] = 1

    def to_json(self) -> str:
        return json.dumps(asdict(self), ensure_ascii=False, sort_keys=True)

    def command(self) -> str:
        """What to type, with the files it needs, to make the picture again; quoted, as it may be a stranger's words."""
        named = ["--model", str(self.model), "--style", str(self.style)]
        style = "--manner MANNER" if "manner" in self.inputs else shlex.join(named)
        settings = " ".join(f"--{name} {_exactly(self.settings[name])}" for name in SETTINGS if name != "seed")
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
    if data.get("schema", SCHEMA) != SCHEMA:
        raise ValueError(f"recipe schema {data['schema']!r:.40} is not {SCHEMA}, which this artmodels knows: update it")
    return parse(Provenance, data, "recipe")


def _exactly(value: float) -> str:
    """A setting as a flag takes it, so that it is the same number again."""
    return str(int(value)) if value == int(value) else repr(value)
