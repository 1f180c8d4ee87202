"""Directions of `w` that change one thing that has a name, found on a generator's own paintings.

First the closed form: the eigenvectors of A^T A, where A stacks the weights by which `w` modulates the blocks (SeFa,
arXiv:2007.06600). They come without names, so what each does is measured. Where none moves an attribute alone, least
squares: the direction along which the attribute rises and the others stay, in the mean of many paintings, and which
varies least from painting to painting.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor, nn
from tqdm import tqdm

from artmodels.generate.sampling import batch_size, draw_latents
from artmodels.hub.companions.directions import Directions, load_directions, save_directions
from artmodels.hub.pretrained import ArtGenerator, load_generator
from artmodels.models.image_statistics import ATTRIBUTES, measure
from artmodels.models.layers import ModulatedConv, UpBlock

AMOUNTS = (-2.0, -1.0, 0.0, 1.0, 2.0)  # of a slider, at which an effect is measured
ENDS = (-2.0, 0.0, 2.0)  # where effects on others are undone
TRUNCATION = 0.8  # as the studio paints
FIRST_SEED_TO_FIND, FIRST_SEED_TO_MEASURE = 1_000_000, 2_000_000
PICTURES = 32  # by which slopes and effects are measured
LEAST_EFFECT = 1.0  # standard deviations that a direction moves its own attribute by, over its slider's range
LARGEST_SHARE = 0.5  # of that, by which it may move another one
SAFE_SHARE = 0.35  # where a direction is made shorter
SHORTEST = 0.6  # by which factor at most
SURE = 1.25  # how much better than that an eigenvector must be when it is chosen, to hold on other paintings
STRONGEST = 32  # eigenvectors that are looked at
RIDGE = 0.3  # weight of a direction's length, against how much its slopes vary
ROUNDS = 3  # of measuring directions and correcting them
DAMPING = 0.7  # share of a correction that is made: effects bend, and whole steps may overshoot
LONGEST_STEP = 1.5  # factor by which a correction may lengthen a direction
LEAST_DEVIATION = 1e-4  # of an attribute that differs between paintings at all


def find_directions(
    generator: ArtGenerator, pictures: int = PICTURES
) -> tuple[tuple[str, ...], Tensor, dict[str, Any]]:
    """Names, vectors `[K, layers + 1, latent_dim]` on the CPU, and what they were measured to do.

    An amount of 1 moves the named attribute by one standard deviation of the model's own paintings, or somewhat less
    where that would move others too much. Only those are kept that move their own attribute by at least 1 standard
    deviation over the slider's range, -2 to 2, and every other by less than half as much of its own, on paintings that
    were not used to find them; K may be 0. The figures tell the effects of each, and of those left out. The same
    generator on the same device gives the same directions.
    """
    names = tuple(ATTRIBUTES)
    with tqdm(total=5, desc="finding directions", unit=" steps", leave=False) as bar:
        w = draw_rows(generator, FIRST_SEED_TO_FIND, 4 * pictures)
        deviations = measure_rows(generator, w).std(dim=0)
        deviations[~(deviations > LEAST_DEVIATION)] = torch.inf  # what never changes, or is no number, cannot be moved
        bar.update()
        slopes = (measure_slopes(generator, w[::4]) / deviations[:, None, None]).nan_to_num(0, 0, 0)
        slopes[:, :, 0] = 0  # row 0 is the composition: it would help hardly at all, and paint another picture
        bar.update()
        few = w[1::8]
        vectors = refine(generator, least_squares(slopes), few, deviations)
        vectors = scale(vectors, measure_effects(generator, few, vectors, deviations))
        bar.update()
        found_by = ["least squares"] * len(names)
        for place, vector in factorised(generator, slopes.mean(dim=0), few, deviations).items():
            vectors[place], found_by[place] = vector, "factorised"
        bar.update()
        others = draw_rows(generator, FIRST_SEED_TO_MEASURE, pictures)
        curves = measure_effects(generator, others, vectors, deviations)
        bar.update()
    described = {name: describe(curves[place], place) for place, name in enumerate(names)}
    kept = [place for place, name in enumerate(names) if meets(described[name])]
    figures = {
        "range": [AMOUNTS[0], AMOUNTS[-1]],
        "truncation": TRUNCATION,
        "pictures": len(others),
        "directions": {names[place]: {"found_by": found_by[place], **described[names[place]]} for place in kept},
        "left_out": {name: described[name] for place, name in enumerate(names) if place not in kept},
    }
    return tuple(names[place] for place in kept), vectors[kept].float(), figures


@torch.no_grad()
def draw_rows(generator: ArtGenerator, first_seed: int, count: int) -> Tensor:
    """`w: [count, layers + 1, latent_dim]` of as many seeds, the styles evenly among them."""
    device, styles = generator.mean_w.device, len(generator.config.styles)
    z = draw_latents(range(first_seed, first_seed + count), generator.config.latent_dim).to(device)
    order = torch.randperm(count, generator=torch.Generator().manual_seed(first_seed))  # any part has all styles too
    style = torch.eye(styles)[(torch.arange(count) * styles // count)[order]].to(device)
    return generator.truncate(generator.mapping(z, style), style, TRUNCATION)


@torch.no_grad()
def measure_rows(generator: ArtGenerator, w: Tensor) -> Tensor:
    """The attributes `[N, attributes]` of what `w: [N, layers + 1, latent_dim]` paints, on the CPU."""
    parts = w.split(batch_size(generator))
    return torch.cat([measure(generator.synthesis(part).float()).cpu() for part in parts])


def measure_slopes(generator: ArtGenerator, w: Tensor) -> Tensor:
    """How fast each attribute of each painting changes with its `w`: `[N, attributes, layers + 1, latent_dim]`."""
    slopes = []
    with torch.enable_grad():
        for part in w.split(batch_size(generator)):
            part = part.detach().requires_grad_()
            measured = measure(generator.synthesis(part).float()).sum(dim=0)
            rows = [torch.autograd.grad(attribute, part, retain_graph=True)[0] for attribute in measured]
            slopes.append(torch.stack(rows, dim=1).cpu())
    return torch.cat(slopes)


def measure_effects(
    generator: ArtGenerator, w: Tensor, vectors: Tensor, deviations: Tensor, amounts: Sequence[float] = AMOUNTS
) -> Tensor:
    """Attributes `[K, amounts, N, attributes]` of paintings `w: [N, ...]` moved along `vectors: [K, ...]`.

    Against those of the paintings unmoved, in standard deviations.
    """
    before = measure_rows(generator, w)
    curves = [
        torch.stack([measure_rows(generator, w + amount * vector) if amount else before for amount in amounts])
        for vector in vectors.to(w)
    ]
    return (torch.stack(curves) - before) / deviations


def least_squares(slopes: Tensor) -> Tensor:
    """One direction per attribute, `[attributes, layers + 1, latent_dim]`, from the slopes of N paintings.

    Of all directions v with J v = e, J the mean slopes and e 1 for the own attribute and 0 for the others, the one with
    the least v^T C v, which is v = C^-1 J^T (J C^-1 J^T)^-1 e. C is the covariance of the slopes plus a ridge: what
    works in some paintings only is avoided. With the ridge alone it would be the shortest direction.
    """
    count, attributes, *shape = slopes.shape
    slopes = slopes.double().flatten(2)  # [N, attributes, D]
    mean = slopes.mean(dim=0)
    spread = (slopes - mean).flatten(0, 1) / count**0.5  # [N * attributes, D]
    ridge = RIDGE * spread.square().sum() / spread.shape[1] + 1e-12
    # C = ridge + spread^T spread may be large; by the Woodbury identity only N * attributes rows are inverted.
    inner = ridge * torch.eye(len(spread), dtype=spread.dtype) + spread @ spread.T
    whitened = (mean - torch.linalg.solve(inner, spread @ mean.T).T @ spread) / ridge  # J C^-1
    return (torch.linalg.pinv(whitened @ mean.T, rtol=1e-4) @ whitened).view(attributes, *shape)


def refine(generator: ArtGenerator, vectors: Tensor, w: Tensor, deviations: Tensor) -> Tensor:
    """Paint, measure and correct directions some rounds; of each attribute the version that moved the least besides."""
    best, purity = vectors.clone(), [0.0] * len(vectors)
    for _ in range(ROUNDS):
        curves = measure_effects(generator, w, vectors, deviations, ENDS)
        for place in range(len(vectors)):
            described = describe(curves[place], place)
            found = described["effect"] / (abs(described["largest_other_effect"]) + 0.1)
            if described["effect"] >= LEAST_EFFECT and found > purity[place]:
                best[place], purity[place] = vectors[place], found
        vectors = correct(vectors, curves)
    return best


def correct(vectors: Tensor, curves: Tensor) -> Tensor:
    """Mix directions so that their effects, as measured by painting, come near 1 a unit for the own, 0 for the others.

    Directions that hardly move their own attribute stay as they are, and are mixed into none.
    """
    effects = curves.mean(dim=2).double()
    per_unit = (effects[:, -1] - effects[:, 0]) / (ENDS[-1] - ENDS[0])  # [K, attributes]
    working = per_unit.diagonal() > 0.25
    wanted = torch.eye(len(vectors), dtype=per_unit.dtype)[working]
    mixture = DAMPING * wanted @ torch.linalg.pinv(per_unit[working], rtol=1e-2)
    mixture += (1 - DAMPING) * torch.eye(len(mixture), dtype=mixture.dtype)
    mixed = torch.einsum("kj,jrd->krd", mixture, vectors[working])
    length = mixed.flatten(1).norm(dim=1) / vectors[working].flatten(1).norm(dim=1)
    corrected = vectors.clone()
    corrected[working] = mixed / (length / LONGEST_STEP).clamp(min=1)[:, None, None]
    return corrected


def scale(vectors: Tensor, curves: Tensor) -> Tensor:
    """Directions of such lengths that an amount of 1 moves the own attribute by one standard deviation.

    Some stay shorter: those that have little to give, and those that at their ends move another attribute too much,
    there and back, which grows with the square of the length (what is very bright or very dark has little contrast).
    """
    scaled = vectors.clone()
    for place in range(len(vectors)):
        curve, described = curves[place].mean(dim=1)[:, place], describe(curves[place], place)
        own = float(curve[AMOUNTS.index(1)] - curve[AMOUNTS.index(-1)]) / 2
        factor = 1 / max(own, 1 / LONGEST_STEP)
        share = abs(described["largest_other_effect"]) / max(described["effect"], 0.1)
        scaled[place] *= factor * min(1.0, max(SHORTEST, SAFE_SHARE / max(share * factor, 0.01)))
    return scaled


def factorised(generator: ArtGenerator, slopes: Tensor, w: Tensor, deviations: Tensor) -> dict[int, Tensor]:
    """Eigenvectors that move one attribute alone, by the attribute's place, scaled to an effect of 1 per unit.

    Those of all rows, of the coarse and of the fine ones; the mean slopes `[attributes, layers + 1, latent_dim]` say
    which to try, painting `w` says whether it does.
    """
    layers = generator.config.layers
    half = (layers + 1) // 2
    spans = {(1, layers), (1, half), (half + 1, layers)} if layers > 1 else {(1, 1)}
    vectors = []
    for first, last in sorted(spans):
        found = eigenvectors(generator, first, last)[:STRONGEST]
        rows = torch.zeros(len(found), layers + 1, found.shape[1], dtype=found.dtype)
        rows[:, first : last + 1] = found[:, None]
        vectors.append(rows)
    candidates = torch.cat(vectors)
    effects = torch.einsum("crd,ard->ca", candidates, slopes.double())
    chosen = {}
    for place in range(effects.shape[1]):
        own = effects[:, place]
        others = effects.abs().index_fill(1, torch.tensor(place), 0).amax(dim=1)
        best = int((own.abs() / (others + 1e-12)).argmax())
        if own[best].abs() * LARGEST_SHARE > others[best]:
            vector = candidates[best] / own[best]
            (curve,) = measure_effects(generator, w, vector[None], deviations)
            if meets(describe(curve, place), SURE):
                chosen[place] = vector
    return chosen


def eigenvectors(generator: ArtGenerator, first: int, last: int) -> Tensor:
    """Of A^T A, strongest first, `[latent_dim, latent_dim]`; A stacks the modulation weights of rows first to last."""
    rows: list[list[nn.Module]] = [[generator.first_conv]]
    rows += [list(cast(UpBlock, block).convs) for block in generator.blocks]
    convs = [cast(ModulatedConv, conv) for row in rows[first - 1 : last] for conv in row]
    weights = [conv.modulation.affine.weight for conv in convs]
    stacked = torch.cat([weight.detach().cpu().double() for weight in weights])
    return torch.linalg.eigh(stacked.T @ stacked).eigenvectors.T.flip(0)


def describe(curves: Tensor, place: int) -> dict[str, Any]:
    """What one direction does, from `[amounts, N, attributes]`: its effects over the slider's range.

    In standard deviations of each attribute. Its own, that of the attribute at `place`, is that from end to end;
    another's is the widest way that its mean goes, also there and back.
    """
    names = list(ATTRIBUTES)
    curve = curves.mean(dim=1)  # [amounts, attributes]
    ends = curve[-1] - curve[0]
    effects = (curve.amax(dim=0) - curve.amin(dim=0)).copysign(ends)
    effects[place] = ends[place]
    others = effects.abs().index_fill(0, torch.tensor(place), -1)
    largest = int(others.argmax())
    rising = (curves[-1, :, place] > curves[0, :, place]).double().mean()
    return {
        "effect": round(float(effects[place]), 3),
        "largest_other": names[largest],
        "largest_other_effect": round(float(effects[largest]), 3),
        "rising": round(float(rising), 3),  # the share of paintings in which its own attribute goes up
        "effects": {name: round(float(effect), 3) for name, effect in zip(names, effects, strict=True)},
    }


def meets(described: dict[str, Any], factor: float = 1.0) -> bool:
    """Whether a direction moves what it names, and little else, `factor` times as clearly as it must."""
    effect = described["effect"]
    return effect >= LEAST_EFFECT * factor and abs(described["largest_other_effect"]) * factor < LARGEST_SHARE * effect


def add_directions(folder: Path, device: torch.device | str = "cpu", pictures: int = PICTURES) -> Directions | None:
    """The directions of a published folder's model, from its file, or else found now and written there.

    The card does not tell of them before `rewrite_card`. None if none could be found that does what it must.

    Raises:
        FileNotFoundError, ValueError: the model, or the file of directions, is not whole.
        OSError: the folder cannot be written.
    """
    generator = load_generator(folder).to(device)
    if (directions := load_directions(folder, generator.config)) is not None:
        return directions
    names, vectors, figures = find_directions(generator, pictures)
    if names:
        save_directions(folder, names, vectors, figures)
    return load_directions(folder, generator.config)
