"""What is said of a picture in words: its caption in segments, its style, and words for colours that are measured."""

import random
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from artmodels.data.dataset import ArtDataset
from artmodels.models.image_statistics import luma
from artmodels.models.prompt import MAX_VOCABULARY, split_words

FEWEST = 3  # captions that a word must stand in to be learned
MOST_MEASURED = 3  # words for colours in one training text
LONGEST = 24  # words of a training text
OFTEN = 0.85  # quantile of the collection from which on a picture has much of a colour for it
CHUNK = 512  # pictures measured at once


@dataclass(frozen=True)
class Tone:
    """A word for something that can be measured.

    It is said of a picture that has more of it than 85 % of the collection and at least `least`, and of any that has
    `surely` or more.
    """

    words: tuple[str, ...]  # that mean the same
    least: float
    surely: float


# What `measure_tones` measures, in its order. The hues: shares of the picture's pixels; the others as named.
TONES = (
    Tone(("red",), 0.08, 0.35),
    Tone(("pink",), 0.08, 0.35),
    Tone(("orange",), 0.10, 0.45),
    Tone(("brown",), 0.25, 0.70),
    Tone(("yellow",), 0.10, 0.45),
    Tone(("green",), 0.12, 0.40),
    Tone(("blue",), 0.10, 0.35),
    Tone(("violet", "purple"), 0.06, 0.30),
    Tone(("grey", "gray"), 0.40, 0.75),
    Tone(("black",), 0.35, 0.60),
    Tone(("white",), 0.20, 0.50),
    Tone(("black and white", "monochrome"), 0.97, 0.995),  # share of pixels without colour
    Tone(("dark",), 0.62, 0.75),  # 1 - mean light
    Tone(("bright", "light"), 0.58, 0.75),  # mean light
    Tone(("pale",), 0.50, 0.70),  # mean light, less five times the mean colourfulness over 0.1
    Tone(("vivid", "colourful", "colorful"), 0.25, 0.45),  # mean colourfulness
    Tone(("muted",), 0.65, 0.85),  # 1 - mean colourfulness over mean light, where there is some colour
    Tone(("warm",), 0.12, 0.30),  # mean red minus mean blue
    Tone(("cold", "cool"), 0.02, 0.12),  # mean blue minus mean red
)
TONE_WORDS = tuple(word for tone in TONES for name in tone.words for word in split_words(name))


@torch.no_grad()
def measure_tones(pictures: Tensor) -> Tensor:
    """Pictures `[N, 3, H, W]` in [-1, 1] to how much they have of each of `TONES`, `[N, len(TONES)]`."""
    rgb = (pictures.float() + 1) / 2
    value, low = rgb.amax(dim=1), rgb.amin(dim=1)
    chroma, light = value - low, luma(pictures)
    red, green, blue = rgb.unbind(1)
    # Hue in degrees, as in HSV.
    step = torch.where(
        value == red,
        ((green - blue) / (chroma + 1e-6)) % 6,
        torch.where(value == green, (blue - red) / (chroma + 1e-6) + 2, (red - green) / (chroma + 1e-6) + 4),
    )
    hue = 60 * step
    reddish = (hue < 14) | (hue >= 340)
    rosy = ((hue < 20) | (hue >= 300)) & (value > 0.7) & (chroma > 0.12) & (chroma < 0.5)
    shares = [
        reddish & (chroma > 0.3),
        rosy,
        (hue >= 14) & (hue < 42) & (chroma > 0.3) & (value > 0.55),
        (hue < 45) & (chroma > 0.1) & (value < 0.6) & (value > 0.15) & ~(reddish & (chroma > 0.3)),
        (hue >= 42) & (hue < 68) & (chroma > 0.25),
        (hue >= 68) & (hue < 168) & (chroma > 0.08),
        (hue >= 175) & (hue < 258) & (chroma > 0.08),
        (hue >= 258) & (hue < 330) & (chroma > 0.08),
        (chroma < 0.08) & (light > 0.2) & (light < 0.8),
        light < 0.15,
        (light > 0.85) & (chroma < 0.15),
        chroma < 0.06,
    ]
    brightness, colour = light.mean(dim=(1, 2)), chroma.mean(dim=(1, 2))
    tilt = (red - blue).mean(dim=(1, 2))
    numbers = [
        *(share.float().mean(dim=(1, 2)) for share in shares),
        1 - brightness,
        brightness,
        brightness - 5 * (colour - 0.1).clamp(min=0),
        colour,
        torch.where(colour > 0.04, 1 - colour / (brightness + 0.05), 0.0),
        tilt,
        -tilt,
    ]
    return torch.stack(numbers, dim=1)


def measure_dataset(dataset: ArtDataset) -> Tensor:
    """`measure_tones` of all pictures of a data set."""
    parts = np.array_split(np.arange(len(dataset)), -(-len(dataset) // CHUNK))
    return torch.cat([measure_tones(dataset.batch(part)) for part in parts])


def tone_thresholds(measured: Tensor) -> Tensor:
    """From which amounts `[len(TONES)]` on a word is said of a picture, given a collection's `[N, len(TONES)]`."""
    least, surely = (measured.new_tensor([getattr(tone, name) for tone in TONES]) for name in ("least", "surely"))
    return torch.quantile(measured, OFTEN, dim=0).clamp(least, surely)


@dataclass(frozen=True)
class PictureWords:
    """What may be said of one picture; each part is a tuple of words."""

    title: tuple[str, ...]  # the caption's first segment
    others: tuple[tuple[str, ...], ...]  # its further ones, like a subject or "by the artist", and the style
    tones: tuple[tuple[tuple[str, ...], ...], ...]  # measured, each in all its wordings

    def all(self) -> list[str]:
        """Everything, each measured word in its first wording."""
        return [*self.title, *(word for part in self.others for word in part), *self.measured()]

    def measured(self) -> list[str]:
        return [word for tone in self.tones for word in tone[0]]

    def own_title(self) -> list[str]:
        """The title without what the other segments say too."""
        said = {word for part in self.others for word in part}
        return [word for word in self.title if word not in said]


def picture_words(dataset: ArtDataset, measured: Tensor, thresholds: Tensor) -> list[PictureWords]:
    """The words of each picture of a data set, whose captions may be empty, from its `measured` tones."""
    wordings = [tuple(tuple(split_words(name)) for name in tone.words) for tone in TONES]
    of_style = [tuple(split_words(style)) for style in dataset.styles]
    found = []
    for caption, label, has in zip(dataset.captions, dataset.labels, (measured >= thresholds).tolist(), strict=True):
        segments = [tuple(split_words(segment)) for segment in re.split(r"[,;|\n]", caption)]
        title, *others = segments if caption else [()]
        if of_style[label] not in others and of_style[label]:
            others.append(of_style[label])
        tones = tuple(wording for wording, said in zip(wordings, has, strict=True) if said)
        found.append(PictureWords(title, tuple(part for part in others if part), tones))
    return found


def choose_vocabulary(of_pictures: Sequence[PictureWords], styles: Sequence[str]) -> tuple[str, ...]:
    """The words to learn: of the styles, those for colours, and what stands in at least three captions."""
    counts = Counter(word for words in of_pictures for word in set(words.all()))
    always = dict.fromkeys([*(word for style in styles for word in split_words(style)), *TONE_WORDS])
    often = [word for word, count in sorted(counts.items(), key=lambda item: (-item[1], item[0])) if count >= FEWEST]
    return tuple(dict.fromkeys([*always, *often]))[:MAX_VOCABULARY]


def training_text(words: PictureWords, rng: random.Random) -> list[str]:
    """Some of what may be said of a picture, in any order, so that any part of it comes to be understood."""
    parts = [list(part) for part in words.others if rng.random() < 0.5]
    if words.title and rng.random() < 0.75:
        parts.append([word for word in words.title if rng.random() > 0.15])
    for tone in rng.sample(words.tones, min(len(words.tones), rng.randint(0, MOST_MEASURED))):
        parts.append(list(rng.choice(tone)))
    rng.shuffle(parts)
    text = [word for part in parts for word in part]
    return (text or words.all())[:LONGEST]
