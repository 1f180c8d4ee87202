"""train_prompt_model(): a recurrent network learns which words belong to which picture."""

import random
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from tqdm import tqdm

from artmodels.data.dataset import ArtDataset
from artmodels.data.sampler import PictureSampler
from artmodels.generate.prompt import with_reference
from artmodels.hub.companions.prompt import PROMPT_NAME, load_prompt, save_prompt
from artmodels.hub.load import load_model
from artmodels.models.efficientnet import EfficientNetLite, load_efficientnet
from artmodels.models.prompt import (
    FEATURE_VARIANT,
    FEATURES,
    PromptModel,
    PromptNetwork,
    pad_words,
    picture_features,
    word_numbers,
)
from artmodels.training.captions import (
    PictureWords,
    choose_vocabulary,
    measure_dataset,
    picture_words,
    tone_thresholds,
    training_text,
)
from artmodels.training.supervised import keep_best, train_supervised
from artmodels.training.supervised_config import PromptTrainConfig

NOISE = 0.5  # on standardised features while training
BLIND = 0.4  # share of features that are hidden while training
STYLE_WEIGHT = 0.3  # of the loss by which the style is read
NOT_MEASURED = {"pictures": 0, "recall": {}}
AMONG = 100  # pictures among which a prompt has to find its own
DRAWS = 50  # random hundreds that the recall is the mean of
TOP = (1, 5, 10)
CHUNK = 64  # pictures looked at at once
# Kinds of words that captions are measured by.
ALL, COLOURS_AND_TITLE, TITLE = "all words", "without style, subject and artist", "title alone"


@dataclass(frozen=True)
class PromptExamples:
    """Pictures as the prompt model sees them, with what may be said of each."""

    features: Tensor  # float16 [views, N, FEATURES]: as they are, and mirrored where there are two views
    words: list[PictureWords]
    labels: Tensor  # int64 [N]


def train_prompt_model(
    config: PromptTrainConfig,
    train: ArtDataset,
    held_out: ArtDataset,
    test: ArtDataset | None,
    output: Path,
    resume: bool = False,
    tracker: str | None = None,
) -> bool:
    """Train a prompt model in a run folder whose `model/prompt.safetensors` is the best one by `held_out`.

    At the end of the budget it is measured on `test`, or without it on `held_out` too. True if the budget is used up.

    Raises:
        ValueError: one of those of `train_supervised`.
        OSError: the feature network is not installed; or one of those of `train_supervised`.
    """
    styles = train.styles
    sight = load_efficientnet(FEATURE_VARIANT)
    measured = measure_dataset(train)
    thresholds = tone_thresholds(measured)
    examples = prepare(train, styles, sight, config.feature_resolution, thresholds, views=2)
    held_out_examples = prepare(held_out, styles, sight, config.feature_resolution, thresholds)

    torch.manual_seed(config.seed)
    network = PromptNetwork(config.prompt_config(choose_vocabulary(examples.words, styles), styles))
    deviation, mean = torch.std_mean(examples.features[0].float(), dim=0)
    network.feature_mean.copy_(mean)
    network.feature_deviation.copy_(deviation + 1e-3)
    numbers = word_numbers(network.config.words)
    model = output / "model"

    def loss(network: nn.Module, indices: np.ndarray, generator: torch.Generator, done: float) -> Tensor:
        device = next(network.parameters()).device
        rng = random.Random(int(torch.randint(2**62, (), generator=generator)))
        words = pad_words([training_text(examples.words[index], rng) for index in indices], numbers)
        pictures = torch.from_numpy(indices)
        views = torch.randint(len(examples.features), (len(indices),), generator=generator)
        features = blur(examples.features[views, pictures].float(), mean, deviation, generator)
        logits, style_logits = network(words.to(device), features.to(device))
        return contrastive_loss(
            logits, style_logits, examples.labels[pictures].to(device), same_pairs(words, pictures).to(device)
        )

    def measure(network: PromptNetwork) -> dict[str, float]:
        ranks = rank_captions(network, held_out_examples)
        found = {kind: (1 / (rank + 1)).mean().item() for kind, rank in ranks.items() if kind != TITLE}
        return {"score": sum(found.values()) / max(1, len(found)), **found}

    def keep(network: PromptNetwork, figures: dict[str, float]) -> None:
        best = PromptModel(network, NOT_MEASURED, torch.zeros(0, config.joint_dim), "")

        def load() -> PromptNetwork | None:
            found = load_prompt(model, styles)
            return found.network if found else None

        keep_best(output, network, load, lambda: save_prompt(model, best))

    sampler = PictureSampler(train.labels, config.seed, config.balance)
    finished = train_supervised(network, loss, measure, keep, sampler, config, output, resume, tracker)
    if finished and (model / PROMPT_NAME).is_file():
        prompt_model = load_prompt(model, styles)
        assert prompt_model is not None  # it was kept
        final = prepare(test, styles, sight, config.feature_resolution, thresholds) if test else held_out_examples
        save_prompt(model, replace(prompt_model, figures=measure_prompt_model(prompt_model.network, final)))
    return finished


def add_prompt_reference(folder: Path) -> None:
    """Let a model folder's prompt model see that model's own pictures, which matches are compared with.

    Raises:
        FileNotFoundError: there is no prompt model.
        ValueError: it is of other styles than the model, or damaged.
    """
    model = load_model(folder)
    prompt_model = load_prompt(folder, model.generator.config.styles)
    if prompt_model is None:
        raise FileNotFoundError(f"no {folder / PROMPT_NAME}: train one with train.py --task prompt")
    save_prompt(folder, with_reference(model, prompt_model))


def prepare(
    dataset: ArtDataset,
    styles: Sequence[str],
    sight: EfficientNetLite,
    resolution: int,
    thresholds: Tensor,
    views: int = 1,
) -> PromptExamples:
    """Look at all pictures once, with two `views` mirrored too, and measure which words for colours are true of them.

    Raises:
        ValueError: the data set has a style that is none of `styles`.
    """
    if unknown := sorted(set(dataset.styles) - set(styles)):
        raise ValueError(f"no pictures of {', '.join(unknown)[:200]} were trained on, but of {', '.join(styles)[:500]}")
    labels = torch.tensor([styles.index(style) for style in dataset.styles])[torch.from_numpy(dataset.labels)]
    words = picture_words(dataset, measure_dataset(dataset), thresholds)
    parts = np.array_split(np.arange(len(dataset)), -(-len(dataset) // CHUNK))
    features = torch.empty(views, len(dataset), FEATURES, dtype=torch.float16)
    for part in tqdm(parts, desc="looking at pictures", unit=f" x {CHUNK}", leave=False):
        pictures = dataset.batch(part)
        for view in range(views):
            with torch.no_grad():
                features[view, part] = picture_features(
                    sight, pictures.flip(3) if view else pictures, resolution
                ).half()
    return PromptExamples(features, words, labels)


def blur(features: Tensor, mean: Tensor, deviation: Tensor, generator: torch.Generator) -> Tensor:
    """Features `[N, FEATURES]` with noise, some of them hidden: what is learned must rest on many of them."""
    noisy = features + NOISE * deviation * torch.randn(features.shape, generator=generator)
    return torch.where(torch.rand(features.shape, generator=generator) < BLIND, mean, noisy)


def same_pairs(words: Tensor, pictures: Tensor) -> Tensor:
    """Where in a batch another place has the same words `[N, L]` or picture `[N]`: `[N, N]`, without the diagonal."""
    same = (words[:, None] == words[None]).all(dim=2) | (pictures[:, None] == pictures[None])
    return same.fill_diagonal_(False)


def contrastive_loss(logits: Tensor, style_logits: Tensor, labels: Tensor, same: Tensor) -> Tensor:
    """Which prompt belongs to which picture, both ways (CLIP, arXiv:2103.00020), and which style a prompt speaks of.

    `logits: [N, N]`, prompts by pictures; pairs that are the `same` count neither as right nor as wrong.
    """
    logits = logits.masked_fill(same, -1e4)
    own = torch.arange(len(logits), device=logits.device)
    contrast = (F.cross_entropy(logits, own) + F.cross_entropy(logits.T, own)) / 2
    return contrast + STYLE_WEIGHT * F.cross_entropy(style_logits, labels)


@torch.no_grad()
def rank_captions(network: PromptNetwork, examples: PromptExamples) -> dict[str, Tensor]:
    """For each kind of words the ranks, from 0, of captions' own pictures among random hundreds.

    The kinds: all that may be said of a picture; its title and the colours measured of it, without all words that its
    style or the caption's later segments (subject, artist) hold; this title alone. Captions that hold no word of the
    kind are left out, and kinds that no caption has; captions of words that the network never learned count.
    """
    numbers = word_numbers(network.config.words)
    device = network.feature_mean.device
    seen = network.see(examples.features[0].float().to(device))
    kinds = {
        ALL: [words.all() for words in examples.words],
        COLOURS_AND_TITLE: [[*words.own_title(), *words.measured()] for words in examples.words],
        TITLE: [words.own_title() for words in examples.words],
    }
    found = {}
    for kind, texts in kinds.items():
        spoken = torch.tensor([bool(text) for text in texts])
        matches = (network.read(pad_words(texts, numbers).to(device))[0] @ seen.T).cpu()
        draws, ranks = torch.Generator().manual_seed(0), []
        for _ in range(DRAWS):
            chosen = torch.randperm(len(texts), generator=draws)[:AMONG]
            among = matches[chosen][:, chosen]
            ranks.append((among > among.diagonal()[:, None]).sum(dim=1)[spoken[chosen]])
        if len(rank := torch.cat(ranks)):
            found[kind] = rank
    return found


def measure_prompt_model(network: PromptNetwork, examples: PromptExamples) -> dict[str, Any]:
    """Recall at 1, 5 and 10 among 100 of each kind of words; none where there are fewer than 100 pictures."""
    ranks = rank_captions(network, examples) if len(examples.words) >= AMONG else {}
    recall = {kind: [round((rank < top).double().mean().item(), 4) for top in TOP] for kind, rank in ranks.items()}
    return {"pictures": len(examples.words), "recall": recall}
