"""Which of a collection's folders are styles: not those that wrap all, divide for training, or number chunks."""

import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Sequence
from pathlib import PurePosixPath

from artmodels.data.sources import Refusals

TRAIN, VAL, TEST = "train", "val", "test"
SPLITS = {
    **dict.fromkeys(("train", "training"), TRAIN),
    **dict.fromkeys(("val", "valid", "validation", "dev"), VAL),
    **dict.fromkeys(("test", "testing"), TEST),
}
CHUNK = re.compile(r"\d{5}")  # folders of the StyleGAN tools
MOST_TWICE = 0.9  # share of a flat folder's names that another folder has too, from which on it holds copies

Parts = tuple[str, ...]


def drop_doubles(names: Sequence[str]) -> tuple[list[str], Refusals]:
    """Without what an export of a data set site holds twice: a flat folder of the pictures of another, resized.

    It is taken for that where there are two top folders, one with sub-folders for styles and one flat, and nearly every
    name of the flat one is that of exactly one picture in several folders of the other. Names that are mere numbers
    prove nothing.
    """
    tops: dict[str, list[PurePosixPath]] = defaultdict(list)
    for name in names:
        path = PurePosixPath(name)
        tops[path.parts[0] if len(path.parts) > 1 else ""].append(path)
    if len(tops) != 2 or "" in tops:
        return list(names), []
    (flat, copies), (_, originals) = sorted(tops.items(), key=lambda top: max(map(_depth, top[1])))
    of_stem: dict[str, list[PurePosixPath]] = defaultdict(list)
    for path in originals:
        of_stem[path.stem].append(path)
    twins = [of_stem[path.stem][0] for path in copies if len(of_stem[path.stem]) == 1 and not path.stem.isdigit()]
    divided = min(map(_depth, originals)) > 1 and len({twin.parent for twin in twins}) > 1
    if max(map(_depth, copies)) > 1 or not divided or len(twins) < MOST_TWICE * len(copies):
        return list(names), []
    refused = [(path.as_posix(), "the same picture is in another folder") for path in copies]
    return [name for name in names if PurePosixPath(name).parts[0] != flat], refused


def _depth(path: PurePosixPath) -> int:
    return len(_without_doubling(path.parent.parts))


def _without_doubling(parts: Parts) -> Parts:
    """`images/images/Monet` as `images/Monet`."""
    return parts[1:] if len(parts) > 1 and parts[0] == parts[1] else parts


def styles_and_splits(names: Sequence[str], collection_name: str, styled: bool = False) -> tuple[list[str], list[str]]:
    """The style of each picture by its folders, and the part that it belongs to ("" where a collection is undivided).

    A style is the first folder below those that wrap all. Where all of these bear names like train, val and test and
    hold folders, they divide, and the next folder is the style; they need hold none where the styles are told
    otherwise (`styled`). Folders that number chunks are none.
    """
    parents = [_without_doubling(PurePosixPath(name).parent.parts) for name in names]
    parents, wrapping = _unwrapped(parents)
    tops = {parts[0] for parts in parents if parts}
    splits = [""] * len(parents)
    inside = [parts for parts in parents if len(parts) > 1 or (parts and styled)]  # a cover beside them is of none
    if len(tops) > 1 and tops == {parts[0] for parts in inside} and all(top.casefold() in SPLITS for top in tops):
        splits = [SPLITS[parts[0].casefold()] if len(parts) > 1 or (parts and styled) else "" for parts in parents]
        unwrapped, _ = _unwrapped([parts[1:] for parts in inside])
        below = iter(unwrapped)
        parents = [next(below) if split else parts for parts, split in zip(parents, splits, strict=True)]
    elif parents and all(parts and CHUNK.fullmatch(parts[0]) for parts in parents):
        parents = [parts[1:] for parts in parents]
    flat = wrapping or collection_name
    return [parts[0] if parts else flat for parts in parents], splits


def _unwrapped(parents: list[Parts]) -> tuple[list[Parts], str]:
    """Without the folders that all pictures share; and the last of them, of which a picture right in it is."""
    last = ""
    while all(parents) and len({parts[0] for parts in parents}) == 1 and not CHUNK.fullmatch(parents[0][0]):
        last = parents[0][0]
        parents = [parts[1:] for parts in parents]
    return parents, last


def one_spelling(styles: Sequence[str]) -> tuple[list[str], list[str]]:
    """Styles as people mean them: composed letters, no spaces around, one spelling where only the case differs.

    With them, what was joined, in words.
    """
    cleaned = [" ".join(unicodedata.normalize("NFC", style).split()) or "unnamed" for style in styles]
    counts = Counter(cleaned)
    spellings: dict[str, list[str]] = defaultdict(list)
    for style in counts:
        spellings[style.casefold()].append(style)
    best = {key: max(found, key=lambda style: (counts[style], style)) for key, found in spellings.items()}
    notes = [
        f"styles {', '.join(sorted(found))} are one: {best[key]}" for key, found in spellings.items() if len(found) > 1
    ]
    return [best[style.casefold()] for style in cleaned], notes
