"""A score: what a film shows when, as plain JSON that a person can read, edit and render again; and its rows of `w`.

```json
{
  "schema": 1, "model": "masters", "weights_sha256": "...", "source_sha256": "...",
  "seconds": 24.0, "frames_per_second": 24, "size": 256, "truncation": 0.8,
  "keyframes": [
    {"time": 0.0, "latents": [{"seed": 7}], "styles": {"ukiyo-e": 1.0}},
    {"time": 2.308, "glide": 0.9, "latents": [{"seed": 7, "weight": 0.5}, {"seed": 8, "weight": 0.87}],
     "styles": {"baroque": 1.0}, "directions": {"warmth": 0.8}, "layers": {"first": 4, "seed": 9}}
  ],
  "pulses": [{"time": 2.308, "amount": 0.6, "relax": 0.25, "seed": 21, "rows": [0, 2]}]
}
```

From its time on, a keyframe draws the picture towards itself and has it after `glide` seconds (0: at once); `easing` is
"leap" (fast at first), "smooth" or "even". A pulse pushes some rows of `w` (row 0 is the composition, the last one the
finest layer) a part of the way towards another seed's picture in the styles of that moment, and lets go again.
"""

import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import torch
from PIL import Image
from pydantic import Field
from torch import Tensor

from artmodels.generate.film import FilmSpec, Paint, great_circle, paint_film
from artmodels.generate.mixing import convex
from artmodels.generate.recipe import MAX_AMOUNT, MAX_EDITS, MAX_NAME, Edit, Latent, LayerMix, Recipe, Seed, Shift
from artmodels.generate.sampling import BATCH, rows_of
from artmodels.hub.load import LoadedModel
from artmodels.io.files import json_bytes, write_atomically
from artmodels.io.schema import Digest, LongName, Name, Schema, parse
from artmodels.models.generator import MAX_TRUNCATION

SCHEMA = 1
MIN_SECONDS, MAX_SECONDS = 1, 300
MAX_KEYFRAMES, MAX_PULSES, MAX_VOICES = 1000, 6000, 12
MAX_SCORE_BYTES = 2_000_000
MAX_RELAX = 10.0  # seconds
LITTLE = 1e-6  # seconds, by which a time may be missed in floating point
FORGOTTEN = 8.0  # relaxation times after which a pulse is over
DIGITS = 3  # of times and amounts in a score

Time = Annotated[float, Field(ge=0, le=MAX_SECONDS)]
Row = Annotated[int, Field(ge=0, le=16)]
StyleName = Annotated[str, Field(max_length=MAX_NAME)]
Styles = Annotated[dict[StyleName, Annotated[float, Field(ge=0, le=1e6)]], Field(max_length=100)]
Amount = Annotated[float, Field(ge=-MAX_AMOUNT, le=MAX_AMOUNT)]


class ScoreLatent(Schema):
    """A seed and its share in a picture's latent."""

    seed: Seed
    weight: Annotated[float, Field(ge=-100, le=100)] = 1.0


class ScoreLayers(Schema):
    """From row `first` of `w` on, the picture of another seed, and of other styles if they are named."""

    first: Annotated[int, Field(ge=1, le=16)]
    seed: Seed
    styles: Styles = Field(default_factory=dict)


class Keyframe(Schema):
    """A picture, and when the film begins to turn into it."""

    time: Time
    latents: Annotated[tuple[ScoreLatent, ...], Field(min_length=1, max_length=8)]
    styles: Annotated[Styles, Field(min_length=1)]
    directions: Annotated[dict[Name, Amount], Field(max_length=MAX_EDITS - 1)] = Field(default_factory=dict)
    layers: ScoreLayers | None = None
    glide: Time = 0.0
    easing: Literal["leap", "smooth", "even"] = "leap"


class Pulse(Schema):
    """A push towards the picture of a seed, in some rows of `w`, which relaxes by 1/e each `relax` seconds."""

    time: Time
    amount: Annotated[float, Field(ge=0, le=1)]
    seed: Seed
    relax: Annotated[float, Field(ge=0.02, le=MAX_RELAX)] = 0.25
    rows: tuple[Row, Row]  # the first and the last that are pushed


class Score(Schema):
    """Everything that makes a film but the sound or the clip that it moves with, of which it has the digest."""

    format: Annotated[int, Field(alias="schema")] = SCHEMA
    model: LongName
    weights_sha256: Digest
    source_sha256: Digest | None = None
    seconds: Annotated[float, Field(ge=MIN_SECONDS, le=MAX_SECONDS)]
    frames_per_second: int = 24
    size: int = 256
    truncation: Annotated[float, Field(ge=0, le=MAX_TRUNCATION)] = 0.8
    keyframes: Annotated[tuple[Keyframe, ...], Field(min_length=1, max_length=MAX_KEYFRAMES)]
    pulses: Annotated[tuple[Pulse, ...], Field(max_length=MAX_PULSES)] = ()

    @property
    def frames(self) -> int:
        """Frames that last at least as long as the sound."""
        return math.ceil(self.seconds * self.frames_per_second - 1e-6)

    def to_data(self) -> dict[str, Any]:
        """Plain objects and lists, without what is left at its default."""
        return {"schema": SCHEMA, **self.model_dump(mode="json", exclude_defaults=True)}

    def to_json(self) -> str:
        """In one line, as a film carries it."""
        return json.dumps(self.to_data(), ensure_ascii=True)


def parse_score(text: str | bytes, what: str = "the score") -> Score:
    """A score from JSON that may be a stranger's.

    Raises:
        ValueError: too long, no JSON, another schema, or out of bounds: in one line, that says where.
    """
    if len(text) > MAX_SCORE_BYTES:
        raise ValueError(f"{what} has more than {MAX_SCORE_BYTES // 10**6} MB, so it is none of ours")
    try:
        data = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{what} is no JSON: {str(error)[:100]}") from error
    found = data.get("schema") if isinstance(data, dict) else None
    if isinstance(data, dict) and found != SCHEMA:
        raise ValueError(f"{what} has schema {str(found)[:40]!r} (this artmodels knows {SCHEMA}): update artmodels")
    score = parse(Score, data, what)
    FilmSpec(frames_per_second=score.frames_per_second, size=score.size)
    times = [keyframe.time for keyframe in score.keyframes]
    if times[0] != 0 or any(later <= earlier for earlier, later in pairwise(times)):
        raise ValueError(f"{what}: keyframes must begin at time 0 and each come after the one before")
    if times[-1] > score.seconds:
        raise ValueError(f"{what}: a keyframe at {times[-1]:g} s lies after the end at {score.seconds:g} s")
    if len(voices_of(score.pulses)) > MAX_VOICES:
        raise ValueError(f"{what}: pulses push to more than {MAX_VOICES} different seeds and rows: use fewer")
    return score


def read_score(path: Path) -> Score:
    """The score in a file.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: see `parse_score`.
    """
    if not path.is_file():
        raise FileNotFoundError(f"no file {path}: expected a score, as `music --score` writes it")
    if path.stat().st_size > MAX_SCORE_BYTES:
        raise ValueError(f"{path} has more than {MAX_SCORE_BYTES // 10**6} MB, so it is no score of ours")
    return parse_score(path.read_bytes(), str(path))


def write_score(score: Score, path: Path) -> None:
    """JSON for people to read, a keyframe and a pulse a line.

    Raises:
        OSError: it cannot be written.
    """
    write_atomically(path, score_bytes(score))


def score_bytes(score: Score) -> bytes:
    """See `write_score`."""
    data = score.to_data()
    lists = {name: data.pop(name) for name in ("keyframes", "pulses") if name in data}
    head = json_bytes(data).decode().rstrip("}\n").rstrip()
    bodies = [
        f'  "{name}": [\n' + ",\n".join(f"    {json.dumps(item, ensure_ascii=False)}" for item in items) + "\n  ]"
        for name, items in lists.items()
    ]
    return (",\n".join([head, *bodies]) + "\n}\n").encode()


def written_time(seconds: float) -> float:
    """In the digits that a score has, and never later than it is, so that its frame is the same."""
    return math.floor((seconds + LITTLE) * 10**DIGITS) / 10**DIGITS


# Rows of `w`


@dataclass(frozen=True)
class Voice:
    """The pulses that push the same rows towards the same seed."""

    seed: int
    first: int
    last: int
    pulses: tuple[Pulse, ...]

    def push(self, times: np.ndarray) -> np.ndarray:
        """How far it pushes at these times `[N]`, 0 to 1: the strongest of its pulses."""
        pushed = np.zeros(len(times))
        for pulse in self.pulses:
            if times[-1] < pulse.time - LITTLE or times[0] > pulse.time + FORGOTTEN * pulse.relax:
                continue
            since = times - pulse.time + LITTLE
            decayed = pulse.amount * np.exp(-np.maximum(since, 0) / pulse.relax)
            pushed = np.maximum(pushed, np.where(since >= 0, decayed, 0))
        return pushed


def voices_of(pulses: Sequence[Pulse]) -> list[Voice]:
    """Pulses by what they push and where to, in a fixed order."""
    found: dict[tuple[tuple[int, int], int], list[Pulse]] = {}
    for pulse in pulses:
        found.setdefault((pulse.rows, pulse.seed), []).append(pulse)
    return [Voice(seed, *rows, tuple(found[rows, seed])) for rows, seed in sorted(found)]


class ScoreRows:
    """The rows of `w` of a score's frames, for a model; any part of them at a time, so that memory stays flat.

    Raises:
        ValueError: the model has no such style, layer or direction.
    """

    def __init__(self, model: LoadedModel, score: Score):
        self.score = score
        # The first frame at or after a keyframe's time shows a whole frame of its glide already.
        frames = np.array([keyframe.time for keyframe in score.keyframes]) * score.frames_per_second
        self.times = (np.ceil(frames - LITTLE) - 1) / score.frames_per_second
        ends = np.append(self.times[1:], math.inf)
        self.glides = np.array([keyframe.glide for keyframe in score.keyframes])
        self.glides = np.minimum(self.glides, ends - self.times)  # each is reached before the next begins
        self.easings = [keyframe.easing for keyframe in score.keyframes]
        self.voices = voices_of(score.pulses)
        painted = _Painted(model, score)
        self.keys = torch.stack([painted.keyframe(keyframe) for keyframe in score.keyframes])
        layers = self.keys.shape[1] - 1
        for voice in self.voices:
            if not voice.first <= voice.last <= layers:
                raise ValueError(
                    f"the score pushes rows {voice.first} to {voice.last} of w, and this model has {layers}"
                )
        self.targets = [
            torch.stack([painted.seed(voice.seed, keyframe.styles) for keyframe in score.keyframes])
            for voice in self.voices
        ]

    def __len__(self) -> int:
        return self.score.frames

    def rows(self, start: int, stop: int) -> Tensor:
        """Those of the frames from `start` to before `stop`: `[stop - start, layers + 1, D]`, float32 on the CPU.

        Frame n shows the time n / frames a second.
        """
        times = np.arange(start, stop) / self.score.frames_per_second
        place, share = self._gliding(times)
        rows = _between(self.keys, place, share)
        for voice, target in zip(self.voices, self.targets, strict=True):
            pushed = torch.from_numpy(voice.push(times))
            if pushed.any():
                part = slice(voice.first, voice.last + 1)
                aim = _between(target, place, share)
                rows[:, part] = _towards(rows[:, part], aim[:, part], pushed, voice.first == 0)
        return rows.float()

    def parts(self, size: int, start: int = 0, stop: int | None = None) -> Iterator[Tensor]:
        """All of them, or some, `size` frames at a time."""
        stop = len(self) if stop is None else min(stop, len(self))
        for first in range(start, stop, size):
            yield self.rows(first, min(first + size, stop))

    def _gliding(self, times: np.ndarray) -> tuple[Tensor, Tensor]:
        """Which keyframe is reached for at each time, and what share of the way to it is done."""
        place = np.searchsorted(self.times, times - LITTLE, side="right") - 1
        glide = self.glides[place]
        done = ((times - self.times[place]) / np.maximum(glide, 1e-9)).clip(0, 1)
        share = np.array([eased(part, self.easings[index]) for part, index in zip(done, place, strict=True)])
        share[place == 0] = 1  # the first picture is there at once
        return torch.from_numpy(place), torch.from_numpy(share)


def score_frames(rows: ScoreRows, paint: Paint, chunk: int = BATCH, stop: int | None = None) -> Iterator[Image.Image]:
    """The frames of a score, or the first `stop` of them, painted `chunk` at a time as they are asked for."""
    for part in rows.parts(chunk, stop=stop):
        yield from paint_film(paint, part, rows.score.size, chunk)


def eased(done: float, easing: str) -> float:
    """What share of the way is gone when so much of the time is: "leap" is fastest at first, with the fifth power."""
    if easing == "leap":
        return 1 - (1 - done) ** 5
    return (1 - math.cos(math.pi * done)) / 2 if easing == "smooth" else done


class _Painted:
    """Rows of `w` by what makes them, each computed once."""

    def __init__(self, model: LoadedModel, score: Score):
        self.model, self.score = model, score
        self.seeds: dict[tuple[int, str], Tensor] = {}

    def keyframe(self, keyframe: Keyframe) -> Tensor:
        """`[layers + 1, D]`"""
        edits: list[Edit] = []
        if keyframe.layers:
            styles = convex(keyframe.layers.styles or keyframe.styles)
            edits.append(LayerMix(keyframe.layers.first, (Latent(keyframe.layers.seed),), styles))
        digest = self.model.directions.sha256 if self.model.directions else "0" * 64
        edits += [Shift(name, amount, digest) for name, amount in keyframe.directions.items()]
        latents = tuple(Latent(latent.seed, latent.weight) for latent in keyframe.latents)
        return self._rows(latents, keyframe.styles, tuple(edits))

    def seed(self, seed: int, styles: dict[str, float]) -> Tensor:
        """`[layers + 1, D]`"""
        key = seed, json.dumps(styles, sort_keys=True)
        if key not in self.seeds:
            self.seeds[key] = self._rows((Latent(seed),), styles, ())
        return self.seeds[key]

    def _rows(self, latents: tuple[Latent, ...], styles: dict[str, float], edits: tuple[Edit, ...]) -> Tensor:
        model = self.model
        recipe = Recipe(model.name, model.weights_sha256, latents, convex(styles), self.score.truncation, edits)
        return rows_of(model.generator, recipe, model.directions)[0].cpu().double()


def _between(keys: Tensor, place: Tensor, share: Tensor) -> Tensor:
    """Rows on the way from the keyframe before `place` to it, `[N, layers + 1, D]` in float64."""
    return _towards(keys[(place - 1).clamp(min=0)], keys[place], share, True)


def _towards(start: Tensor, end: Tensor, share: Tensor, has_latent: bool) -> Tensor:
    """`share: [N]` of the way; row 0 along great circles where it is the latent, the others straight."""
    rows = torch.lerp(start, end, share[:, None, None])
    if has_latent:
        rows[:, 0] = great_circle(start[:, 0], end[:, 0], share)
    return rows


def check_score(score: Score, model: LoadedModel, source_sha256: str, anyway: bool = False) -> None:
    """Raises:
    ValueError: the score was composed for other weights, or another sound or clip, and `anyway` is not set.
    """
    if anyway:
        return
    if score.weights_sha256 != model.weights_sha256:
        raise ValueError(
            f"the score was composed for {score.model} with weights {score.weights_sha256[:12]}, "
            f"but {model.name} has {model.weights_sha256[:12]}: add --anyway to render it all the same"
        )
    if score.source_sha256 and score.source_sha256 != source_sha256:
        raise ValueError(
            f"the score was composed for another sound or clip ({score.source_sha256[:12]}, found "
            f"{source_sha256[:12]}): add --anyway to render it all the same"
        )
