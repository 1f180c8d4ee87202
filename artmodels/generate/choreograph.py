"""From what moves in a clip to a score, the counterpart of `compose`. Nothing is painted here.

The energy of the motion is the speed at which the picture turns into others; its direction sets warmth and brightness,
as far as the model has directions of these names; where it is draws the composition to one of two pictures; and each
accent pushes the picture: the composition where all of the frame moves, the finest layers where little of it does.
"""

import math

import numpy as np

from artmodels.generate.compose import check_choices, styles_in_play
from artmodels.generate.recipe import SEED_LIMIT
from artmodels.generate.score import DIGITS, Keyframe, Pulse, Score, ScoreLatent, written_time
from artmodels.hub.load import LoadedModel
from artmodels.signals.motion import STILL, Motion, smoothed
from artmodels.signals.video_file import RATE

STEP = 2  # frames of the clip from one keyframe to the next
SPEED = 3.0  # pictures a second, of lively motion with a strength of 1
LIVELY = 95  # percentile of the energy of what moves
SMOOTHING = 0.3  # seconds, by a smoothness of 1
DRAWN = 0.5  # weight of the pictures at the sides, by a strength of 1
STEERED = {"warmth": (0, 1.0), "brightness": (1, -1.0)}  # direction -> which part of the motion's, and its sign
FLOW, STEER = 0.6, 1.5  # frame sizes a second that count as much, and the standard deviations that they steer
ACCENT, ACCENTS_APART, ACCENT_RELAX = 0.25, 6, 0.25  # amount by a strength of 1, frames, seconds
PICTURES_A_STYLE = 3
LEFT, RIGHT, ACCENT_SEED = 201, 202, 203


def choreograph(
    motion: Motion,
    model: LoadedModel,
    strength: float = 0.5,
    smoothness: float = 0.5,
    palette: float = 0.5,
    seed: int = 1,
    style: str | None = None,
    frames_per_second: int = RATE,
    size: int = 256,
) -> Score:
    """A score for the raw motion of a clip; the same values give the same one. The sliders are those of `compose`.

    Raises:
        ValueError: a value out of bounds, or an unknown style.
    """
    check_choices("pulse", {"strength": strength, "smoothness": smoothness, "palette": palette}, seed)
    styles = styles_in_play(model.generator.config.styles, palette, seed, style)
    names = model.directions.names if model.directions else ()
    steered = {name: part for name, part in STEERED.items() if name in names}
    delay = max(SMOOTHING * smoothness, 1e-3)
    liveliness = lively(motion)
    turned = np.cumsum(smoothed(liveliness, delay)) * SPEED * strength / RATE  # pictures since the beginning
    direction = smoothed(np.clip(motion.direction / FLOW, -1, 1) * liveliness[:, None].clip(0, 1), delay)
    centroid = smoothed(motion.centroid * liveliness[:, None].clip(0, 1), delay)
    keyframes = []
    for frame in range(0, len(turned), STEP):
        reached = min(frame + STEP, len(turned)) - 1
        amounts = {
            name: round(float(sign * direction[reached, part] * STEER * strength * 2 * palette), 2)
            for name, (part, sign) in steered.items()
        }
        keyframes.append(
            Keyframe(
                time=written_time(frame / RATE),
                latents=tuple(_latents(turned[reached], DRAWN * strength * centroid[reached, 0], seed)),
                styles=_styles(turned[reached], styles),
                directions={name: amount for name, amount in amounts.items() if amount},
                glide=STEP / RATE,
                easing="even",
            )
        )
    return Score(
        model=model.name,
        weights_sha256=model.weights_sha256,
        source_sha256=motion.sha256,
        seconds=motion.seconds,
        frames_per_second=frames_per_second,
        size=size,
        keyframes=tuple(keyframes),
        pulses=tuple(_accents(liveliness, motion.spread, strength, seed, model.generator.config.layers)),
    )


def lively(motion: Motion) -> np.ndarray:
    """The energy `[N]`, where lively motion has 1, by the frames in which something moves; 0 in all others."""
    if motion.is_still:
        return np.zeros_like(motion.energy)
    moves = motion.energy >= STILL
    return np.where(moves, motion.energy / np.percentile(motion.energy[moves], LIVELY), 0).clip(0, 1.5)


def _latents(turned: float, drawn: float, seed: int) -> list[ScoreLatent]:
    """Between two pictures of the way, and drawn by so much to the left one (below 0) or the right one."""
    place, share = divmod(turned, 1.0)
    angle = share * math.pi / 2
    side = LEFT if drawn < 0 else RIGHT
    weights = {
        int(place): math.cos(angle),
        int(place) + 1: math.sin(angle),
        1009 * side: abs(drawn),
    }
    return [
        ScoreLatent(seed=(seed + number) % SEED_LIMIT, weight=round(weight, DIGITS))
        for number, weight in weights.items()
        if weight >= 0.5 / 10**DIGITS
    ]


def _styles(turned: float, styles: list[str]) -> dict[str, float]:
    """The style of that part of the way; the next comes in with the last picture of this one."""
    place, share = divmod(turned, 1.0)
    here, there = (styles[int(number) // PICTURES_A_STYLE % len(styles)] for number in (place, place + 1))
    share = round(share, DIGITS)
    if here == there or not share:
        return {here: 1.0}
    return {here: round(1 - share, DIGITS), there: share}


def _accents(liveliness: np.ndarray, spread: np.ndarray, strength: float, seed: int, layers: int) -> list[Pulse]:
    """A pulse at each maximum of the energy that stands out; the wider the motion, the coarser its rows."""
    third = max(1, layers // 3)
    rows = [(0, third), (min(third + 1, layers), min(2 * third, layers)), (min(2 * third + 1, layers), layers)]
    pulses: list[Pulse] = []
    for frame in range(1, len(liveliness) - 1):
        near = liveliness[max(0, frame - ACCENTS_APART) : frame + ACCENTS_APART + 1]
        if liveliness[frame] < near.max() or liveliness[frame] < 0.3 or liveliness[frame] < 1.3 * near.mean():
            continue
        if pulses and frame / RATE - pulses[-1].time < ACCENTS_APART / RATE:
            continue
        width = min(2, int(3 * (1 - min(1.0, spread[frame] / 0.6))))
        pulses.append(
            Pulse(
                time=written_time(frame / RATE),
                amount=round(min(1.0, ACCENT * strength * float(liveliness[frame])), DIGITS),
                relax=ACCENT_RELAX,
                seed=(seed + 1009 * ACCENT_SEED) % SEED_LIMIT,
                rows=rows[width],
            )
        )
    return pulses
