"""What only the publisher can say of a model: licence, provenance, rights."""

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from artmodels.hub.download import parse_hub_id

MAX_STATEMENT = 5000  # characters


@dataclass(frozen=True)
class Statement:
    """What only the publisher can say of a model; None where nothing was said.

    Raises:
        ValueError: a licence that is no identifier, a data set that is no Hub id, or too long a text.
    """

    repo_id: str | None = None  # where it is published
    license: str | None = None  # of the weights: an identifier of the Hub's, like cc-by-4.0, or other
    provenance: str | None = None  # where the training pictures come from
    data_license: str | None = None  # what is known of their rights
    dataset: str | None = None  # the Hub id of the training pictures

    def __post_init__(self):
        for name, value in asdict(self).items():
            if value is not None and (not isinstance(value, str) or not 0 < len(value) <= MAX_STATEMENT):
                raise ValueError(f"{name} must be a text of 1 to {MAX_STATEMENT} characters, found {str(value)[:80]!r}")
        if self.license and not re.fullmatch(r"[a-z0-9][a-z0-9.+-]{1,60}", self.license):
            raise ValueError(
                f"--license {self.license[:80]} is no identifier of a licence: try cc0-1.0, cc-by-4.0, "
                "cc-by-nc-4.0, apache-2.0, or other"
            )
        if self.dataset:
            dataset, revision = parse_hub_id(self.dataset)
            if revision:
                raise ValueError(f"--dataset {dataset}@{revision}: the card links to its page, leave out @{revision}")
            object.__setattr__(self, "dataset", dataset)

    @classmethod
    def of(cls, metrics: Mapping[str, Any]) -> "Statement":
        """What `metrics.json` of a published folder keeps of it; a stranger's file may say anything, or nothing."""
        said = metrics.get("publication")
        found = {name: said.get(name) for name in cls.__dataclass_fields__} if isinstance(said, dict) else {}
        if isinstance(training := metrics.get("training"), dict):
            found["provenance"] = found.get("provenance") or training.get("provenance")
        if isinstance(dataset := found.get("dataset"), str):
            found["dataset"] = dataset.partition("@")[0] or None  # what was once published may have a revision
        try:
            return cls(**found)
        except ValueError:
            return cls()

    def over(self, before: "Statement") -> "Statement":
        """This statement, and where it is silent the one before it."""
        said = {name: value for name, value in asdict(self).items() if value is not None}
        return Statement(**{**asdict(before), **said})
