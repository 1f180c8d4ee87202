"""The prompt model: a recurrent network over the words of a prompt, beside a view of pictures.

Prompt and picture become unit vectors in one space, near where they belong together (CLIP, arXiv:2103.00020). A picture
is seen through the frozen EfficientNet-Lite0 and through closed-form statistics of its colours, both differentiable, so
that a picture can be moved towards a prompt.
"""

import copy
import re
import unicodedata
from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from artmodels.io.safetensors_io import check_config_types
from artmodels.models.efficientnet import POOLED_DIM, SCALE_STAGES, VARIANTS, EfficientNetLite, load_efficientnet
from artmodels.models.image_statistics import COLOUR_STATISTICS, colour_statistics

FORMAT_VERSION = 1
MAX_VOCABULARY, MAX_WORD = 8192, 40  # words, and characters of one
MAX_DIM = 1024  # of every layer
MAX_PROMPT, MAX_PROMPT_WORDS = 300, 40
FEATURE_VARIANT = 0  # of EfficientNet-Lite
SCALES = (1, 2, 3)  # of its feature maps, whose means say more of texture than the last layer does
FEATURES = sum(VARIANTS[FEATURE_VARIANT][SCALE_STAGES[scale]][0] for scale in SCALES) + POOLED_DIM + COLOUR_STATISTICS
LARGEST_SCALE = 100.0  # by which cosines are multiplied, as in CLIP

ENDINGS = ("s", "es", "y", "ed", "ing")
SOME_PHRASES = 6

# A letter of scripts that put no space between words is a word by itself.
_WORD = re.compile(r"[぀-ヿ㐀-鿿]|(?:(?![぀-ヿ㐀-鿿])[^\W\d_]){2,}")


def split_words(text: str) -> list[str]:
    """The words of a text in lower case without accents, numbers and single letters; `"Vétheuil 1901"` is one word."""
    apart = unicodedata.normalize("NFKD", text.lower()).lower()  # № is No when it is taken apart
    plain = "".join(letter for letter in apart if not unicodedata.combining(letter))
    return [word for word in _WORD.findall(plain) if len(word) <= MAX_WORD]


@dataclass(frozen=True)
class PromptConfig:
    """What a prompt model is built from.

    Raises:
        ValueError: a field is of the wrong type or out of its range.
    """

    words: tuple[str, ...]  # the vocabulary, as `split_words` gives them
    styles: tuple[str, ...]  # the model's, in its order
    embedding_dim: int = 96  # of a word
    hidden_dim: int = 192  # of the recurrent network
    sight_dim: int = 256  # of the hidden layer that a picture's features pass
    joint_dim: int = 96  # of the space where prompts and pictures meet
    resolution: int = 128  # px, to which pictures are enlarged before the feature network
    format_version: int = FORMAT_VERSION

    def __post_init__(self):
        check_config_types(self)
        for name in ("words", "styles"):
            object.__setattr__(self, name, tuple(getattr(self, name)))
        if self.format_version != FORMAT_VERSION:
            raise ValueError(f"format {self.format_version} is not the one this artmodels reads ({FORMAT_VERSION})")
        if not 1 <= len(self.words) <= MAX_VOCABULARY:
            raise ValueError(f"a vocabulary has 1 to {MAX_VOCABULARY} words, found {len(self.words)}")
        if len(set(self.words)) < len(self.words) or any(split_words(word) != [word] for word in self.words):
            raise ValueError(f"words must differ and be letters in lower case, at most {MAX_WORD}")
        if not 1 <= len(self.styles) <= 1000 or len(set(self.styles)) < len(self.styles):
            raise ValueError(f"expected 1 to 1000 styles that differ, found {len(self.styles)}")
        for name in ("embedding_dim", "hidden_dim", "sight_dim", "joint_dim"):
            if not 1 <= getattr(self, name) <= MAX_DIM:
                raise ValueError(f"{name} must be 1 to {MAX_DIM}, found {getattr(self, name)}")
        if not 32 <= self.resolution <= 256:
            raise ValueError(f"resolution must be 32 to 256, found {self.resolution}")


class PromptNetwork(nn.Module):
    """Words to a unit vector and style logits, features of pictures to a unit vector."""

    feature_mean: Tensor  # [FEATURES], of the pictures that it was trained on
    feature_deviation: Tensor  # [FEATURES]

    def __init__(self, config: PromptConfig):
        super().__init__()
        self.config = config
        self.embedding = nn.Embedding(len(config.words) + 1, config.embedding_dim)  # row 0: no word
        self.gru = nn.GRU(config.embedding_dim, config.hidden_dim, batch_first=True)
        self.text_out = nn.Linear(config.hidden_dim, config.joint_dim)
        self.style_out = nn.Linear(config.hidden_dim, len(config.styles))
        self.register_buffer("feature_mean", torch.zeros(FEATURES))
        self.register_buffer("feature_deviation", torch.ones(FEATURES))
        self.sight_in = nn.Linear(FEATURES, config.sight_dim)
        self.sight_out = nn.Linear(config.sight_dim, config.joint_dim)
        self.log_scale = nn.Parameter(torch.tensor(2.0))

    def read(self, words: Tensor) -> tuple[Tensor, Tensor]:
        """Word numbers `[N, L]`, 0 behind the last, to unit vectors `[N, joint_dim]` and style logits `[N, styles]`."""
        states, _ = self.gru(self.embedding(words))
        there = (words > 0).unsqueeze(2).to(states.dtype)
        hidden = (states * there).sum(dim=1) / there.sum(dim=1).clamp(min=1)
        return F.normalize(self.text_out(hidden), dim=1), self.style_out(hidden)

    def see(self, features: Tensor) -> Tensor:
        """Features `[N, FEATURES]` of `picture_features` to unit vectors `[N, joint_dim]`."""
        standard = ((features - self.feature_mean) / self.feature_deviation).clamp(-5, 5)
        return F.normalize(self.sight_out(F.gelu(self.sight_in(standard))), dim=1)

    def forward(self, words: Tensor, features: Tensor) -> tuple[Tensor, Tensor]:
        """How well N prompts fit N pictures, logits `[N, N]`, and the prompts' style logits `[N, styles]`."""
        vectors, style_logits = self.read(words)
        return self.scale * vectors @ self.see(features).T, style_logits

    @property
    def scale(self) -> Tensor:
        """What cosines are multiplied by, to be logits."""
        return self.log_scale.exp().clamp(max=LARGEST_SCALE)


def picture_features(sight: EfficientNetLite, pictures: Tensor, resolution: int) -> Tensor:
    """What a prompt model sees of pictures `[N, 3, H, W]` in [-1, 1]: `[N, FEATURES]`, differentiable."""
    enlarged = pictures
    if pictures.shape[-1] != resolution:
        enlarged = F.interpolate(pictures, size=resolution, mode="bicubic", antialias=True).clamp(-1, 1)
    maps = sight.scales(enlarged)
    seen = [*(maps[scale] for scale in SCALES), F.relu6(sight.head(maps[-1]))]
    return torch.cat([*(part.mean(dim=(2, 3)) for part in seen), colour_statistics(pictures)], dim=1)


@dataclass(frozen=True)
class EncodedPrompt:
    """What a prompt model makes of a prompt."""

    known: tuple[str, ...]  # in the form in which they were learned
    unknown: tuple[str, ...]
    vector: Tensor  # [joint_dim], of length 1
    style_weights: dict[str, float]  # P(style | prompt)


class NothingToRead(ValueError):
    """A prompt of which a model knows no word; `unknown` are those that it holds, `offered` some that would do."""

    def __init__(self, unknown: Sequence[str], offered: str):
        found = f"this model never read {', '.join(unknown)[:200]}" if unknown else "the prompt holds no word"
        super().__init__(f"{found}; it knows, for example: {offered}")
        self.unknown, self.offered = tuple(unknown), offered


@dataclass(frozen=True)
class PromptModel:
    """A trained prompt model, and how its model's pictures look to it in general."""

    network: PromptNetwork
    figures: dict[str, Any]  # what was measured of it
    reference: Tensor  # [R, joint_dim], random pictures of the model whose weights have this checksum
    reference_sha256: str

    @property
    def config(self) -> PromptConfig:
        return self.network.config

    @property
    def device(self) -> torch.device:
        return self.network.feature_mean.device

    def see(self, pictures: Tensor) -> Tensor:
        """Pictures `[N, 3, H, W]` in [-1, 1] to unit vectors `[N, joint_dim]`, differentiable."""
        return self.network.see(picture_features(_feature_network(self.device), pictures, self.config.resolution))

    def to(self, device: torch.device | str) -> "PromptModel":
        """The same prompt model on a device."""
        if self.device == torch.device(device):
            return self
        return replace(self, network=copy.deepcopy(self.network).to(device), reference=self.reference.to(device))

    @torch.no_grad()
    def read(self, prompt: str) -> EncodedPrompt:
        """Read a prompt.

        Raises:
            ValueError: it is empty or too long, or none of its words is known; the message offers some that are.
        """
        if len(prompt) > MAX_PROMPT:
            raise ValueError(f"a prompt has at most {MAX_PROMPT} characters, found {len(prompt)}: say it shorter")
        words = split_words(prompt)
        if not words:
            raise NothingToRead((), self.some_words)
        if len(words) > MAX_PROMPT_WORDS:
            raise ValueError(f"a prompt has at most {MAX_PROMPT_WORDS} words, found {len(words)}: say it shorter")
        numbers = word_numbers(self.config.words)
        forms = {word: known_form(word, numbers) for word in words}
        known = [form for word in words if (form := forms[word])]
        unknown = tuple(word for word, form in forms.items() if not form)
        if not known:
            raise NothingToRead(unknown, self.some_words)
        vectors, logits = self.network.read(pad_words([known], numbers).to(self.device))
        shares = logits[0].double().softmax(dim=0).tolist()
        weights = dict(zip(self.config.styles, shares, strict=True))
        return EncodedPrompt(tuple(dict.fromkeys(known)), unknown, vectors[0], weights)

    @property
    def phrases(self) -> tuple[str, ...]:
        """Phrases that were measured to move pictures towards what they say, the strongest first."""
        return tuple(self.figures.get("phrases", ()))

    @property
    def some_words(self) -> str:
        """Phrases that move its pictures, else words that it knows: of styles, of colours, usual ones of captions."""
        if self.phrases:
            return ", ".join(self.phrases[:SOME_PHRASES])
        telling = [word for word in self.config.words if len(word) > 3][:60] or self.config.words
        return ", ".join(telling[:: -(-len(telling) // 12)])


def known_form(word: str, known: Container[str]) -> str | None:
    """The word itself, or where it is not known its English singular, plural or stem: storm for stormy or storms."""
    stems = (word.removesuffix(ending) for ending in ENDINGS if word.endswith(ending) and len(word) > len(ending) + 2)
    return next((form for form in (word, *stems, word + "s") if form in known), None)


def word_numbers(vocabulary: Sequence[str]) -> dict[str, int]:
    """The number of each word, from 1; 0 is no word."""
    return {word: number for number, word in enumerate(vocabulary, start=1)}


def pad_words(texts: Sequence[Sequence[str]], numbers: Mapping[str, int]) -> Tensor:
    """Texts as word numbers `[N, longest]`, without the words that have none, filled with 0."""
    rows = [[numbers[word] for word in text if word in numbers] for text in texts]
    longest = max([1, *map(len, rows)])
    return torch.tensor([row + [0] * (longest - len(row)) for row in rows])


@cache
def _feature_network(device: torch.device) -> EfficientNetLite:
    """What prompt models see pictures through, loaded when the first one looks."""
    return load_efficientnet(FEATURE_VARIANT).to(device)
