"""Films in the making: frames are painted and encoded in threads of their own while a page tells how far it is."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import suppress
from pathlib import Path
from queue import Empty, SimpleQueue
from threading import Event

from PIL import Image

from artmodels.studio.context import StudioContext
from artmodels.studio.i18n import Complaint
from artmodels.studio.visitors import AUDIENCE, visitor

TOGETHER = 4  # frames painted at once: nobody waits for more of them
TELL_EVERY = 0.4  # seconds
PATIENCE = 5.0  # seconds for which a film is made though nobody listens

Write = Callable[[Iterator[Image.Image], Path], None]  # frames into a file

_encoders = ThreadPoolExecutor(2, "film")


def filmed(
    context: StudioContext, frames: Iterator[Image.Image], count: int, name: str, write: Write, owner: str | None = None
) -> Iterator[float | Path]:
    """How far a film of `count` frames is, from 0 to 1, again and again; at last its path.

    Closed before, or when nobody listens any more, it leaves no file. It is the visitor's, unless an owner is named.

    Raises:
        ValueError, OSError: what painting or writing raise.
    """
    listener = visitor()
    owner = listener if owner is None else owner
    path, progress, stopped = context.files.place(name), SimpleQueue[float](), Event()

    def watched() -> Iterator[Image.Image]:
        for number, frame in enumerate(frames):
            if stopped.is_set():
                raise _Stopped
            progress.put(number / count)
            yield frame

    coming = _encoders.submit(write, watched(), path)
    try:
        while not coming.done():
            if AUDIENCE.silence(listener) > PATIENCE:
                raise Complaint("nobody-listens")
            with suppress(Empty):
                yield progress.get(timeout=TELL_EVERY)
        coming.result()
    except BaseException:
        stopped.set()
        wait([coming])
        context.files.drop(path)
        raise
    yield context.files.keep(path, owner)


class _Stopped(Exception):
    """Nobody waits for the film any more."""
