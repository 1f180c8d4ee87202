"""A prompt to pictures: the best of a batch of latents by how well they match, then a few steps of gradient descent.

Only what a recipe can say is moved: the weights of its seeds, of its styles, and the amounts of the model's directions.
So a picture painted from a prompt is one like any other, and needs no prompt model to be painted again.
"""

import hashlib
import random
from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from artmodels.generate.mixing import DIGITS, collect, convex
from artmodels.generate.recipe import SEED_LIMIT, Latent, Recipe, Shift
from artmodels.generate.sampling import batch_size, check_truncation, draw_latents, paint_rows, rows_of
from artmodels.hub.load import LoadedModel
from artmodels.models.prompt import EncodedPrompt, PromptModel

CANDIDATES = 16  # latents among which each picture is chosen
MIXED = 6  # of them, the best, that the refined latent is mixed of
STEPS = 4  # of gradient descent
WEIGHT_STEP, LOGIT_STEP, AMOUNT_STEP = 0.35, 1.0, 0.5  # the first step's length; the others are shorter
LARGEST_AMOUNT = 1.5  # of all directions together, in standard deviations: more would be ugly
AMOUNT_COST = 0.03  # of a direction's squared amount, against the cosine
LOOSE_SHARE = 0.3  # of the style weights that may go to other styles than the drawn one
SHARPNESS = 2.0  # exponent of the style weights by which a picture's style is drawn
REFERENCE_PICTURES = 512
REFERENCE_SEED = 3_000_000
REFERENCE_TRUNCATION = 0.8
KEPT_REFERENCES = 8  # of prompt models that came without one of their model, half a megabyte each at most

_references: dict[tuple[str, str], Tensor] = {}


@dataclass(frozen=True)
class PromptPictures:
    """What was painted of a prompt, one picture per seed."""

    encoded: EncodedPrompt  # the words that were known and those that were not, and P(style | prompt)
    recipes: tuple[Recipe, ...]
    pictures: Tensor  # [N, 3, H, W] in [-1, 1]
    matches: tuple[float, ...]  # the share of the model's random pictures that match the prompt less well


def paint_prompt(
    model: LoadedModel,
    prompt_model: PromptModel,
    prompt: str,
    seeds: Sequence[int],
    truncation: float = 0.8,
    candidates: int = CANDIDATES,
    steps: int = STEPS,
) -> PromptPictures:
    """Paint one picture of a prompt per seed; but for rounding, none depends on the other seeds.

    Each picture's style is drawn, by its seed, from the squares of the prompt's style weights: a prompt that names a
    style gets that style, one that says nothing of style gets a wall of several, and none is a mush of all. Then the
    seed's candidates are painted in that style, the best are mixed, and the mixture is refined.

    Raises:
        ValueError: the prompt is empty, too long or wholly unknown; a seed or the truncation is out of bounds.
    """
    check_truncation(truncation)
    prompt_model = prompt_model.to(model.generator.mean_w.device)
    encoded = prompt_model.read(prompt)
    prompt_model = with_reference(model, prompt_model)
    recipes = []
    for start in range(0, len(seeds), batch_size(model.generator)):
        part = seeds[start : start + batch_size(model.generator)]
        recipes += _recipes(model, prompt_model, encoded, part, truncation, candidates, steps)
    rows = torch.cat([rows_of(model.generator, recipe, model.directions) for recipe in recipes])
    pictures = paint_rows(model.generator, rows)
    with torch.no_grad():
        scores = prompt_model.see(pictures.to(prompt_model.device)) @ encoded.vector
    matches = (prompt_model.reference @ encoded.vector < scores[:, None]).double().mean(dim=1)
    return PromptPictures(encoded, tuple(recipes), pictures, tuple(matches.tolist()))


def with_reference(model: LoadedModel, prompt_model: PromptModel) -> PromptModel:
    """The prompt model with random pictures of this very model to compare a match with.

    If it has none of it they are painted now, and kept for the next prompt.
    """
    if prompt_model.reference_sha256 == model.weights_sha256 and len(prompt_model.reference):
        return prompt_model
    key = model.weights_sha256, _fingerprint(prompt_model)
    if key not in _references:
        while len(_references) >= KEPT_REFERENCES:
            _references.pop(next(iter(_references)), None)
        _references[key] = _paint_reference(model, prompt_model).cpu()
    reference = _references[key].to(prompt_model.device)
    return replace(prompt_model, reference=reference, reference_sha256=model.weights_sha256)


def _fingerprint(prompt_model: PromptModel) -> str:
    tensors = prompt_model.network.state_dict().values()
    return hashlib.sha256(b"".join(tensor.cpu().contiguous().numpy().tobytes() for tensor in tensors)).hexdigest()


def _paint_reference(model: LoadedModel, prompt_model: PromptModel) -> Tensor:
    generator, styles = model.generator, len(model.generator.config.styles)
    z = draw_latents(range(REFERENCE_SEED, REFERENCE_SEED + REFERENCE_PICTURES), generator.config.latent_dim)
    style = torch.eye(styles)[torch.arange(len(z)) % styles]
    seen = [
        _paint_and_see(model, prompt_model, *part, REFERENCE_TRUNCATION)
        for part in zip(z.split(batch_size(generator)), style.split(batch_size(generator)), strict=True)
    ]
    return torch.cat(seen)


@torch.no_grad()
def _paint_and_see(
    model: LoadedModel, prompt_model: PromptModel, z: Tensor, style: Tensor, truncation: float
) -> Tensor:
    """Latents `[N, latent_dim]` and style weights `[N, styles]` to encoded pictures, `[N, joint_dim]`."""
    generator, z, style = model.generator, z.to(prompt_model.device), style.to(prompt_model.device)
    w = generator.truncate(generator.mapping(z, style), style, truncation)
    return prompt_model.see(generator.synthesis(w).float())


def _recipes(
    model: LoadedModel,
    prompt_model: PromptModel,
    encoded: EncodedPrompt,
    seeds: Sequence[int],
    truncation: float,
    candidates: int,
    steps: int,
) -> list[Recipe]:
    """The recipes of a part of the seeds, chosen and refined together."""
    names = model.generator.config.styles
    shares = torch.tensor([encoded.style_weights[name] for name in names])
    chosen_seeds, latents, styles = [], [], []
    for seed in seeds:
        rng = random.Random(seed)
        (drawn,) = rng.choices(range(len(names)), (shares**SHARPNESS).tolist())
        pool = [seed, *(rng.randrange(SEED_LIMIT) for _ in range(candidates - 1))]
        z = draw_latents(pool, model.generator.config.latent_dim)
        style = torch.eye(len(names))[drawn]
        scores = _paint_and_see(model, prompt_model, z, style.expand(len(z), -1), truncation) @ encoded.vector
        best = scores.argsort(descending=True, stable=True)[:MIXED].cpu()
        chosen_seeds.append([pool[place] for place in best])
        latents.append(z[best])
        styles.append(style)
    weights, style_weights, amounts = _refine(
        model, prompt_model, encoded, torch.stack(latents), torch.stack(styles), shares, truncation, steps
    )
    return [
        _recipe(model, truncation, *of_one)
        for of_one in zip(chosen_seeds, weights.tolist(), style_weights.tolist(), amounts.tolist(), strict=True)
    ]


def _refine(
    model: LoadedModel,
    prompt_model: PromptModel,
    encoded: EncodedPrompt,
    latents: Tensor,
    styles: Tensor,
    shares: Tensor,
    truncation: float,
    steps: int,
) -> tuple[Tensor, Tensor, Tensor]:
    """Weights `[N, MIXED]`, style weights `[N, styles]` and amounts `[N, directions]` that match better.

    From the best latent alone, `latents: [N, MIXED, latent_dim]` the best first, in its own style `styles: [N, styles]`
    and unmoved, by gradient steps of falling length on the cosine of prompt and picture, less a little for the amounts.
    What is returned is the best that was met on the way, so never worse than where it began.
    """
    generator, device = model.generator, prompt_model.device
    latents, styles, shares = latents.to(device), styles.to(device), shares.to(device)
    vectors = model.directions.vectors.to(device) if model.directions else generator.mean_w.new_zeros(0, 1, 1)
    count = len(latents)
    weights = torch.eye(latents.shape[1], device=device)[:1].repeat(count, 1)
    logits = (shares + 1e-3).log() + 3 * styles
    amounts = torch.zeros(count, len(vectors), device=device)
    best = torch.full((count,), -torch.inf, device=device)
    found: list[Tensor] = []
    for step in range(steps + 1):
        moved = [part.detach().requires_grad_() for part in (weights, logits, amounts)]
        weights, logits, amounts = moved
        with torch.enable_grad():
            z = torch.einsum("nk,nkd->nd", weights / weights.norm(dim=1, keepdim=True), latents)
            style = (1 - LOOSE_SHARE) * styles + LOOSE_SHARE * logits.softmax(dim=1)
            w = generator.truncate(generator.mapping(z, style), style, truncation)
            w = w + torch.einsum("nk,krd->nrd", amounts, vectors) if len(vectors) else w
            match = prompt_model.see(generator.synthesis(w).float()) @ encoded.vector
            match = match - AMOUNT_COST * amounts.square().sum(dim=1)
            slopes = torch.autograd.grad(match.sum(), moved, allow_unused=True) if step < steps else None
        better = (match.detach() > best)[:, None]
        now = [part.detach() for part in (weights, style, amounts)]
        found = [torch.where(better, *both) for both in zip(now, found, strict=True)] if found else now
        best = torch.maximum(best, match.detach())
        if slopes is None:
            break
        length = 1 - step / steps
        weights = weights + length * WEIGHT_STEP * _unit(slopes[0])
        logits = logits + length * LOGIT_STEP * _unit(slopes[1])
        if len(vectors):
            amounts = amounts + length * AMOUNT_STEP * _unit(slopes[2])
            amounts = amounts * (LARGEST_AMOUNT / amounts.norm(dim=1, keepdim=True).clamp(min=LARGEST_AMOUNT))
    weights, styles, amounts = (part.cpu() for part in found)
    return weights, styles, amounts


def _unit(rows: Tensor) -> Tensor:
    """Rows of length 1."""
    return rows / (rows.norm(dim=1, keepdim=True) + 1e-12)


def _recipe(
    model: LoadedModel,
    truncation: float,
    seeds: Sequence[int],
    weights: Sequence[float],
    style_weights: Sequence[float],
    amounts: Sequence[float],
) -> Recipe:
    """What was found, in the few digits that a recipe keeps."""
    shifts = []
    if model.directions:
        shifts = [
            Shift(name, round(amount, DIGITS), model.directions.sha256)
            for name, amount in zip(model.directions.names, amounts, strict=True)
            if round(amount, DIGITS)
        ]
    return Recipe(
        model.name,
        model.weights_sha256,
        collect(Latent(seed, weight) for seed, weight in zip(seeds, weights, strict=True)),
        convex(dict(zip(model.generator.config.styles, style_weights, strict=True))),
        truncation,
        tuple(shifts),
        revision=model.revision,
    )
