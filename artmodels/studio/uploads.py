"""What visitors upload: taken from the store of files, decoded a few at a time, and deleted."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from PIL import Image
from torch import Tensor

from artmodels.data.decode import decode_picture
from artmodels.generate.recipe import NoRecipe, Recipe, read_recipes
from artmodels.studio.computing import computed
from artmodels.studio.i18n import Complaint
from artmodels.studio.served_files import FileStore

if TYPE_CHECKING:
    from artmodels.optimize.descent import Input

MAX_PIXELS = 40_000_000
TAKEN_SIDE = 256  # px to which a visitor's picture is brought
AT_ONCE = 2  # uploads that are decoded together: each may need some hundred megabytes meanwhile

_decoding = threading.BoundedSemaphore(AT_ONCE)


@contextmanager
def opened(store: FileStore, path: str | None, *, keep: bool = False) -> Iterator[Path]:
    """The file of an upload while it is decoded; then it is deleted, unless it is needed again.

    What is said of the file within does not tell where it lies.

    Raises:
        ValueError: nothing was uploaded, or not here, or it has been deleted since.
    """
    if not path:
        raise Complaint("no-file")
    file = store.claim(path)
    if file is None:
        raise Complaint("no-upload", name=Path(path).name[:60])
    try:
        with _decoding:
            yield file
    except ValueError as error:
        if str(file) not in str(error):
            raise
        raise ValueError(str(error).replace(str(file), file.name[:60])) from error
    finally:
        if not keep:
            store.drop(file)


@contextmanager
def released(store: FileStore, path: str | None) -> Iterator[None]:
    """Whatever becomes of the work on an upload, it is deleted afterwards."""
    try:
        yield
    finally:
        file = store.claim(path) if path else None
        if file:
            store.drop(file)


def take_picture(store: FileStore, path: str | None) -> tuple[Image.Image, str]:
    """The middle square of a picture that a visitor uploaded, 256 px wide, and its name; the file is deleted.

    Raises:
        ValueError: no picture, or one that is too small or too large.
    """
    if not path:
        raise Complaint("no-picture-file")
    with opened(store, path) as file:
        name = file.name[:60]
        try:
            return Image.fromarray(decode_picture(file.read_bytes(), TAKEN_SIDE, MAX_PIXELS)), name
        except ValueError as error:
            raise Complaint("not-a-picture", name=name, why=error) from error


def input_of(store: FileStore, path: str) -> "Input":
    """A picture that a visitor uploaded, to be worked on; it stays for the next try.

    Raises:
        ValueError: it cannot be read, or has been deleted since.
    """
    from artmodels.optimize.descent import read_input

    with opened(store, path, keep=True) as file:
        return read_input(file, MAX_PIXELS)


def decoded(picture: "Input", longest: int) -> Tensor:
    """All of a picture, the longer side `longest` px, `[1, 3, H, W]` in [-1, 1]; a few are decoded at a time.

    Raises:
        ValueError: it is no picture, or too small or too large.
    """
    with _decoding:
        return computed(picture.whole, longest)


def take_recipe(store: FileStore, path: str | None) -> Recipe:
    """The recipe in a file that a visitor uploaded; the file is deleted, whatever it was.

    Raises:
        ValueError: no PNG of ours; the message says what it is instead.
    """
    with opened(store, path) as file:
        name = file.name[:60]
        with file.open("rb") as content:
            head = content.read(64)
        if not head.startswith(b"\x89PNG\r\n\x1a\n"):
            raise Complaint("no-png", name=name)
        width, height = (int.from_bytes(head[start : start + 4], "big") for start in (16, 20))
        if width * height > MAX_PIXELS:
            raise Complaint("too-many-pixels", width=width, height=height, most=MAX_PIXELS // 10**6)
        try:
            return read_recipes(file)[0]
        except NoRecipe as error:
            raise Complaint("no-recipe", name=name) from error
