"""Pictures held out of training to measure by: never one that training sees, nor a copy or near copy of one."""

import hashlib
from collections.abc import Hashable, Iterator, Sequence
from pathlib import Path

import numpy as np

from artmodels.data.dataset import ArtDataset
from artmodels.io.files import write_json
from artmodels.io.safetensors_io import read_json

SPLIT_NAME = "split.json"
MAX_HELD_OUT = 1000  # more would measure no better
ENOUGH, SMALL_SHARE = 16, 0.25  # of a small collection that many are held out, but no more than a quarter
FEWEST = 3  # with fewer nothing can be measured, so that none are held out
GRID = 8  # cells a side of the grey thumbnail whose gradients tell pictures apart
NEAR = 6  # differing signs, of 112, up to which two pictures may be copies of each other
SAME = 0.95  # least cosine of their differences: on a plain ground, signs alone are the ground's
MAX_COMPARED = 50_000  # pictures of which every pair is compared, a matter of seconds
CHUNK = 1024


def share_held_out(pictures: int, share: float) -> float:
    """The share of a collection that is held out: as asked, more of a small one, less of a very large one.

    It comes to about 16 pictures at least (but to no more than a quarter), and to 1,000 at most.
    """
    if share == 0 or pictures == 0:
        return 0.0
    return min(max(share, min(ENOUGH / pictures, SMALL_SHARE)), MAX_HELD_OUT / pictures)


def split(dataset: ArtDataset, share: float) -> tuple[ArtDataset, ArtDataset]:
    """What is trained on, and what is held out: about `share` of the pictures.

    Pictures that are alike (see `copies`) stay on one side. Each group of them is held out or not by the checksum of
    its files alone, so a collection that is renamed, zipped or trained anew keeps its split, and one that grows keeps
    training pictures in training, but for a few: where a style or the whole was so small that the rule above bent, or
    where a new picture is a near copy of an old one. At another resolution other near copies may be found, too.
    """
    return divide(dataset, held_out(dataset, share))


def divide(dataset: ArtDataset, chosen: np.ndarray) -> tuple[ArtDataset, ArtDataset]:
    """The pictures that are not chosen, and those that are."""
    return dataset.select(np.flatnonzero(~chosen)), dataset.select(np.flatnonzero(chosen))


def held_out(dataset: ArtDataset, share: float) -> np.ndarray:
    """Which pictures `split` holds out: `bool [N]`. At least 3, or none if `share` is less; never all of a style."""
    share = share_held_out(len(dataset), share)
    if share == 0:
        return np.zeros(len(dataset), dtype=bool)
    lots = _lots(dataset, largest=max(2 * share * len(dataset), FEWEST))
    chosen = lots < share
    for label in np.unique(dataset.labels):
        of_style = dataset.labels == label
        if chosen[of_style].all():
            chosen[lots == lots[of_style].max()] = False
    if share * len(dataset) < FEWEST - 0.5:
        return np.zeros(len(dataset), dtype=bool)
    for lot in np.unique(lots[lots < 1]):  # the lowest first, where chance has chosen too few
        if chosen.sum() >= FEWEST:
            break
        more = chosen | (lots == lot)
        if not any(more[dataset.labels == label].all() for label in np.unique(dataset.labels)):
            chosen = more
    return chosen if chosen.sum() >= FEWEST else np.zeros(len(dataset), dtype=bool)


def _lots(dataset: ArtDataset, largest: float) -> np.ndarray:
    """A number of chance for each picture, `float64 [N]`, 0 to 1, the same for pictures that are alike.

    It is 1 for those of which more than `largest` are alike: held out, they would be missed in training.
    """
    groups = copies(dataset)
    least: dict[int, str] = {}
    for group, digest in zip(groups.tolist(), dataset.file_digests, strict=True):
        least[group] = min(least.get(group, digest), digest)
    members = np.bincount(groups, minlength=len(dataset))
    lots = {}
    for group, digest in least.items():  # the least of several would be low by itself: it is drawn again
        drawn = digest if members[group] == 1 else hashlib.sha256(digest.encode()).hexdigest()
        lots[group] = int(drawn, 16) / 16 ** len(drawn) if members[group] <= largest else 1.0
    return np.array([lots[group] for group in groups.tolist()])


def fingerprint(dataset: ArtDataset) -> str:
    """What a set of files is known by again, whatever their names and order."""
    return hashlib.sha256(" ".join(sorted(dataset.file_digests)).encode()).hexdigest()


# --- copies ----------------------------------------------------------------------------------------------------------


def copies(dataset: ArtDataset) -> np.ndarray:
    """A group number for each picture, `int64 [N]`: equal for equal files and for pictures that look alike.

    Alike are pictures whose 112 brightness differences between neighbours in an 8 x 8 thumbnail differ in at most 6
    signs (a difference hash) and have a cosine of 0.95, and whatever they are chained to by others; mirrored copies
    count too. Above 50,000 pictures, where comparing all pairs would take long, no sign may differ.
    """
    own, mirrored = thumbnail_differences(dataset)
    same_file = _first_with(dataset.file_digests)
    keys = [min(one.tobytes(), other.tobytes()) for one, other in zip(_signs(own), _signs(mirrored), strict=True)]
    same_signs = _first_with(keys)
    cosines = [np.einsum("nd,nd->n", own, other[same_signs]) for other in (own, mirrored)]
    same_signs = np.where(np.maximum(*cosines) >= SAME, same_signs, np.arange(len(dataset)))
    pairs = [np.stack([np.arange(len(dataset)), first]) for first in (same_file, same_signs)]
    some = np.unique(same_signs)  # the rest are compared through these
    if len(some) <= MAX_COMPARED:
        pairs += [some[found] for found in alike(own[some], own[some], mirrored[some])]
    left, right = np.concatenate(pairs, axis=1)
    groups = np.arange(len(dataset))
    while True:  # the least number among those alike spreads until nothing changes
        least = np.minimum(groups[left], groups[right])
        spread = groups.copy()
        np.minimum.at(spread, left, least)
        np.minimum.at(spread, right, least)
        spread = np.minimum(spread, spread[spread])
        if (spread == groups).all():
            return groups
        groups = spread


def near_copies_between(one: ArtDataset, other: ArtDataset) -> np.ndarray:
    """Which pictures of the first set look like one of the second, as `copies` would find: their indices."""
    found = [pairs[0] for pairs in alike(thumbnail_differences(one)[0], *thumbnail_differences(other))]
    return np.unique(np.concatenate(found)) if found else np.zeros(0, dtype=int)


def alike(differences: np.ndarray, others: np.ndarray, mirrored: np.ndarray) -> Iterator[np.ndarray]:
    """Pairs `int64 [2, P]`, in parts, of near rows of `differences` and of `others` or their mirror images."""
    signs, sides = _signs(differences), [(against, _signs(against)) for against in (others, mirrored)]
    for start in range(0, len(signs), CHUNK):
        for against, their_signs in sides:
            products = signs[start : start + CHUNK] @ their_signs.T  # of +-1: equal signs less differing ones
            rows, columns = np.nonzero(products >= signs.shape[1] - 2 * NEAR)
            near = np.einsum("pd,pd->p", differences[rows + start], against[columns]) >= SAME
            yield np.stack([rows[near] + start, columns[near]])


def thumbnail_differences(dataset: ArtDataset) -> tuple[np.ndarray, np.ndarray]:
    """Brightness differences in pictures' thumbnails, and in their mirror images': unit vectors `float32 [N, 112]`."""
    parts = []
    for start in range(0, len(dataset), CHUNK):
        grey = dataset.pictures[dataset.rows[start : start + CHUNK]].mean(axis=3, dtype=np.float32)
        cell = grey.shape[1] // GRID
        parts.append(grey.reshape(-1, GRID, cell, GRID, cell).mean(axis=(2, 4)))
    thumbnails = np.concatenate(parts)

    def differences(grids: np.ndarray) -> np.ndarray:
        across, down = np.diff(grids, axis=2), np.diff(grids, axis=1)
        both = np.concatenate([across.reshape(len(grids), -1), down.reshape(len(grids), -1)], axis=1)
        return both / np.maximum(np.linalg.norm(both, axis=1, keepdims=True), 1e-6)

    return differences(thumbnails), differences(thumbnails[:, :, ::-1])


def _signs(differences: np.ndarray) -> np.ndarray:
    return np.where(differences >= 0, 1, -1).astype(np.float32)


def _first_with(keys: Sequence[Hashable]) -> np.ndarray:
    """For each key the first place that has it, `int64 [N]`."""
    first: dict[Hashable, int] = {}
    return np.array([first.setdefault(key, index) for index, key in enumerate(keys)], dtype=int)


# --- the split of a run ----------------------------------------------------------------------------------------------


def keep_split(run: Path, dataset: ArtDataset, share: float, write: bool) -> tuple[ArtDataset, ArtDataset]:
    """The split of a run, made when it begins and kept in its folder (by the process that is to `write`) ever after.

    Raises:
        ValueError: the run's `split.json` is damaged, or names files that are not in the collection.
    """
    path = run / SPLIT_NAME
    if not path.exists():
        chosen = held_out(dataset, share)
        if write:
            places = np.flatnonzero(chosen).tolist()
            write_json(path, {"held_out": {dataset.names[place]: dataset.file_digests[place] for place in places}})
    else:
        try:
            digests = set(read_json(path)["held_out"].values())
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise ValueError(f"{path} is damaged ({error}): restore it, or start a new run") from error
        chosen = np.array([digest in digests for digest in dataset.file_digests])
        if not digests <= set(dataset.file_digests):
            raise ValueError(f"{path} names files that are not in the collection: restore them, or start a new run")
    return divide(dataset, chosen)
