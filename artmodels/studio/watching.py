"""Work on a picture as a visitor watches it: a look now and then, the seconds that are left, and a way to stop it."""

import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from PIL import Image

from artmodels.studio.computing import computed
from artmodels.studio.context import StudioContext, progress_words
from artmodels.studio.i18n import translate

if TYPE_CHECKING:
    from artmodels.optimize.descent import DescentStep
    from artmodels.optimize.jobs import Job, JobResult

LOOK_EVERY = 0.8  # seconds between two looks at a picture that is being worked on
LOOKS_KEPT = 12  # of each kind: what the page shows, and what a slow one may still be fetching
WATCHED_FOR = 3.0  # seconds after the first look, before which nobody can tell how long it takes


@dataclass(frozen=True)
class Look:
    """At a picture that is being worked on."""

    image: Image.Image
    step: "DescentStep"
    share: float  # of the work that is done
    seconds: float | None  # that are left, by what was done since the first look; None before that tells anything

    def words(self, language: str) -> str:
        if self.seconds is None:
            return progress_words(translate(language, "reworking"), self.share)
        return progress_words(translate(language, "reworking-left", seconds=max(1, round(self.seconds))), self.share)


@dataclass
class Watched:
    """A job with its looks; to be iterated, then `ended` tells how it came out."""

    job: "Job"
    unwanted: Callable[[], bool]  # whether it is to stop
    last: "DescentStep | None" = field(default=None, init=False)
    stopped: bool = field(default=False, init=False)  # since it was unwanted

    def __iter__(self) -> Iterator[Look]:
        from artmodels.generate.sampling import to_images

        seen, first, steps = time.monotonic(), None, self.job.steps()
        while step := computed(next, steps, None):
            self.last = step
            if self.unwanted():
                self.stopped = True
                self.job.leave(step)
                return
            if time.monotonic() - seen > LOOK_EVERY:
                seen = time.monotonic()
                share = self.job.share_done(step.step / step.steps)
                (image,) = computed(lambda: to_images(self.last.picture()))  # type: ignore[union-attr]
                first = first or (seen, share)
                yield Look(image, step, share, seconds_left(*first, seen, share))

    def finish(self) -> "JobResult":
        """The result of the last step, or of the one that it was left at.

        Raises:
            ValueError: not one step could be taken.
        """
        return computed(self.job.finish)

    def ended(self, language: str) -> str:
        """Why it ended before its last step, in words; empty if it did not."""
        assert self.last is not None  # a job that took no step cannot be finished
        if self.stopped:
            return translate(language, "stopped-here", done=self.last.step, all=self.last.steps)
        return translate(language, "stopped-early", why=self.last.stopped) if self.last.stopped else ""


def seconds_left(began: float, share_then: float, now: float, share: float) -> float | None:
    """What is left of work of which `share`, 0 to 1, is done at `now` and `share_then` was at `began`, in seconds.

    The first steps are left out, since they take longer than the others; None while too few were seen.
    """
    if now - began < WATCHED_FOR or share <= share_then:
        return None
    return (now - began) * (1 - share) / (share - share_then)


class Passing:
    """Served pictures of which only the newest stay, so that an hour of looks does not fill a visitor's share."""

    def __init__(self, context: StudioContext):
        self.context = context
        self.shown: deque[str] = deque()

    def save(self, image: Image.Image) -> str:
        path = self.context.save_image(image)
        self.shown.append(path)
        while len(self.shown) > LOOKS_KEPT:
            self.context.files.drop(Path(self.shown.popleft()))
        return path
