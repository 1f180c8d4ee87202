"""From what was heard to a score: which picture when, and what pushes it. Nothing is painted here.

*walk*: each bar another picture, near the one before or far. *pulse*: a slow walk; what begins in the sound pushes the
picture and lets it go, low sounds its composition, high ones its finest layers. *styles*: one composition, and each
bar's strongest pitch chooses its style. In all of them a new section brings another composition and style, and the
brightness and loudness of the sound set the picture's, as far as the model has directions of these names.
"""

import math
import random
from collections.abc import Sequence

import numpy as np

from artmodels.generate.recipe import SEED_LIMIT
from artmodels.generate.score import (
    DIGITS,
    MAX_KEYFRAMES,
    MAX_PULSES,
    Keyframe,
    Pulse,
    Score,
    ScoreLatent,
    written_time,
)
from artmodels.hub.load import LoadedModel
from artmodels.signals.listening import FRAMES_PER_SECOND, Hearing, pick_onsets

MODES = ("walk", "pulse", "styles")
SLIDERS = ("strength", "smoothness", "palette")  # each from 0 to 1
SLOW_STEP, CALM_STEP = 4.0, 8.0  # seconds between pictures where there are no bars, and where there is silence
LEAST_APART = 0.1  # seconds of the first and last changes from the ends
DRIFT_BARS = 4  # of a pulsing picture, until it is another
DRIFT = 0.5  # share of the quarter turn that it goes meanwhile
RELAX = (0.06, 0.5)  # seconds in which a push relaxes, by smoothness
FOLLOWS = {"brightness": "centroid", "saturation": "loudness"}  # directions and what of the sound moves them
FOLLOWED = 1.5  # standard deviations of a direction, at most


def compose(
    hearing: Hearing,
    model: LoadedModel,
    mode: str = "pulse",
    strength: float = 0.5,
    smoothness: float = 0.5,
    palette: float = 0.5,
    seed: int = 1,
    style: str | None = None,
    frames_per_second: int = 24,
    size: int = 256,
) -> Score:
    """A score for a sound; the same values give the same one.

    `strength` is how far the sound moves the picture, `smoothness` how gently, `palette` how many of the model's styles
    and how much of its colours take part; each from 0 to 1. `style` is the first of the styles, else the seed's.

    Raises:
        ValueError: an unknown mode or style, or a value out of bounds.
    """
    check_choices(mode, {"strength": strength, "smoothness": smoothness, "palette": palette}, seed)
    composer = _Composer(hearing, model, strength, smoothness, palette, seed, style)
    keyframes, pulses = composer.walk(), []
    if mode == "styles":
        keyframes = composer.styled()
    elif mode == "pulse":
        keyframes, pulses = composer.drift(), composer.pulses()
    return Score(
        model=model.name,
        weights_sha256=model.weights_sha256,
        source_sha256=hearing.sha256,
        seconds=hearing.seconds,
        frames_per_second=frames_per_second,
        size=size,
        keyframes=tuple(keyframes),
        pulses=tuple(pulses),
    )


def check_choices(mode: str, sliders: dict[str, float], seed: int) -> None:
    """Raises:
    ValueError: an unknown mode, a slider that is not from 0 to 1, or a seed out of bounds.
    """
    if mode not in MODES:
        raise ValueError(f"a mode is one of {', '.join(MODES)}, found {str(mode)[:40]!r}")
    for name, value in sliders.items():
        if not 0 <= value <= 1:
            raise ValueError(f"{name} must be between 0 and 1, found {value:g}: try 0.5")
    if not 0 <= seed < SEED_LIMIT:
        raise ValueError(f"a seed must be at least 0 and below 2**32 = {SEED_LIMIT}, found {seed}")


def styles_in_play(styles: Sequence[str], palette: float, seed: int, first: str | None = None) -> list[str]:
    """The styles that a palette of 0 (one) to 1 (all) lets take part, in an order by lot, `first` at its head.

    Raises:
        ValueError: the model has no style of that name.
    """
    if first is not None and first not in styles:
        raise ValueError(f"no style {str(first)[:80]!r} in this model; it paints: {', '.join(styles)}")
    order = list(styles)
    random.Random(seed).shuffle(order)
    if first is not None:
        order.sort(key=lambda style: style != first)
    return order[: 1 + round(palette * (len(order) - 1))]


class _Composer:
    """What the modes share."""

    def __init__(
        self,
        hearing: Hearing,
        model: LoadedModel,
        strength: float,
        smoothness: float,
        palette: float,
        seed: int,
        style: str | None,
    ):
        self.hearing, self.seed = hearing, seed
        self.strength, self.smoothness, self.palette = strength, smoothness, palette
        self.layers = model.generator.config.layers
        self.styles = styles_in_play(model.generator.config.styles, palette, seed, style)
        names = model.directions.names if model.directions else ()
        self.curves = {name: getattr(hearing, curve) for name, curve in FOLLOWS.items() if name in names}
        self.has_bars = len(hearing.bars) > 1
        self.moments = self._moments()

    def _moments(self) -> np.ndarray:
        """When the picture may change: at the bars, or now and then where there are none."""
        hearing = self.hearing
        step = CALM_STEP if hearing.is_silent else SLOW_STEP
        times = hearing.bars if self.has_bars else np.arange(0, hearing.seconds, step)
        times = times[(times > LEAST_APART) & (times < hearing.seconds - LEAST_APART)]
        times = np.array([0.0, *map(written_time, times)])
        return times[:: -(-len(times) // MAX_KEYFRAMES)]

    def walk(self) -> list[Keyframe]:
        return [
            self._keyframe(place, self._turned(place, self.strength), self._section_style(place), self.smoothness)
            for place in range(len(self.moments))
        ]

    def styled(self) -> list[Keyframe]:
        return [
            self._keyframe(place, [ScoreLatent(seed=self._seed(self._section(place)))], style, self.smoothness)
            for place, style in enumerate(self._styles_by_pitch())
        ]

    def drift(self) -> list[Keyframe]:
        """So slow that what is seen to move are the pulses."""
        rare = self.moments[:: DRIFT_BARS if self.has_bars else 1]
        times = np.unique([*rare, *map(written_time, self.hearing.sections)])
        self.moments = np.append([0.0, LEAST_APART], times[times > LEAST_APART])  # under way from the beginning on
        return [
            self._keyframe(place, self._turned(place, DRIFT), self._section_style(place), 1.0, "even")
            for place in range(len(self.moments))
        ]

    def pulses(self) -> list[Pulse]:
        """One for each onset of each band: the lower the sound, the coarser the rows that it pushes."""
        relax = round(RELAX[0] + (RELAX[1] - RELAX[0]) * self.smoothness, DIGITS)
        pulses = []
        for band, rows in enumerate(self._rows_of_bands()):
            strength = self.hearing.onsets[band]
            for frame in pick_onsets(strength):
                amount = round(float(self.strength * strength[frame]), DIGITS)
                time = written_time(frame / FRAMES_PER_SECOND)
                if time < self.hearing.seconds:
                    pulses.append(Pulse(time=time, amount=amount, relax=relax, seed=self._seed(100 + band), rows=rows))
        strongest = sorted(pulses, key=lambda pulse: -pulse.amount)[:MAX_PULSES]
        return sorted(strongest, key=lambda pulse: (pulse.time, pulse.rows))

    def _rows_of_bands(self) -> list[tuple[int, int]]:
        """Rows of `w` for low, mid and high: composition and coarse layers, the middle ones, the finest."""
        first, second = max(1, self.layers // 3), max(1, 2 * self.layers // 3)
        last = self.layers
        return [(0, first), (min(1, last), second), (min(first + 1, last), last)]

    def _keyframe(
        self, place: int, latents: Sequence[ScoreLatent], style: str, smoothness: float, easing: str = "leap"
    ) -> Keyframe:
        time, end = self._span(place)
        if not self.has_bars:
            smoothness, easing = 1.0, "even"
        return Keyframe(
            time=time,
            latents=tuple(latents),
            styles={style: 1.0},
            directions=self._directions(time, end),
            glide=round(smoothness * (end - time), DIGITS),
            easing=easing,  # type: ignore[arg-type]  # one of its three
        )

    def _span(self, place: int) -> tuple[float, float]:
        ends = np.append(self.moments[1:], self.hearing.seconds)
        return float(self.moments[place]), float(ends[place])

    def _section(self, place: int) -> int:
        return int(np.searchsorted(self.hearing.sections, self.moments[place] + 0.01, side="right"))

    def _section_style(self, place: int) -> str:
        return self.styles[(self._section(place) - 1) % len(self.styles)]

    def _seed(self, number: int) -> int:
        """A seed of its own for each number; 0 is the visitor's."""
        return (self.seed + 1009 * number) % SEED_LIMIT

    def _turned(self, place: int, share: float) -> list[ScoreLatent]:
        """The section's picture, turned by a share of a quarter turn towards one of this moment's own."""
        home, other = self._seed(self._section(place)), (self._seed(0) + place) % SEED_LIMIT
        angle = share * math.pi / 2
        near, far = round(math.cos(angle), DIGITS), round(math.sin(angle), DIGITS)
        return [ScoreLatent(seed=seed, weight=weight) for seed, weight in ((home, near), (other, far)) if weight]

    def _styles_by_pitch(self) -> list[str]:
        """Each moment's strongest pitch class chooses; those heard most often come first among the styles."""
        chroma = self.hearing.chroma
        heard = []
        for place in range(len(self.moments)):
            start, end = (round(time * FRAMES_PER_SECOND) for time in self._span(place))
            heard.append(int(chroma[start : max(end, start + 1)].sum(axis=0).argmax()))
        order = sorted(set(heard), key=lambda pitch: (-heard.count(pitch), pitch))
        return [self.styles[order.index(pitch) % len(self.styles)] for pitch in heard]

    def _directions(self, start: float, end: float) -> dict[str, float]:
        amounts = {}
        for name, curve in self.curves.items():
            low, middle, high = np.percentile(curve, [10, 50, 90])
            first = round(start * FRAMES_PER_SECOND)
            here = curve[first : max(round(end * FRAMES_PER_SECOND), first + 1)].mean()
            amount = np.clip((here - middle) / max(high - low, 1e-6), -1, 1) * FOLLOWED * self.palette
            if abs(amount) >= 0.01:
                amounts[name] = round(float(amount), 2)
        return amounts
