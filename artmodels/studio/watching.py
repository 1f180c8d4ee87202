"""Work on a picture as a visitor watches it: a look now and then, the seconds that are left, and a way to stop it."""

import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from PIL import Image

from artmodels.studio.computing import computed
from artmodels.studio.context import progress_words
from artmodels.studio.i18n import translate

if TYPE_CHECKING:
    from artmodels.optimize.descent import DescentStep
    from artmodels.optimize.jobs import Job, JobResult

LOOK_EVERY = 0.8  # seconds between two looks at a picture that is being worked on


@dataclass(frozen=True)
class Look:
    """At a picture that is being worked on."""

    image: Image.Image
    step: "DescentStep"
    share: float  # of the work that is done
    seconds: float  # that are left, by what was done so far

    def words(self, language: str) -> str:
        return progress_words(translate(language, "reworking-left", seconds=max(1, round(self.seconds))), self.share)


@dataclass
class Watched:
    """A job with its looks; to be iterated, then `ended` tells how it came out."""

    job: "Job"
    visitor: str | None
    stopping: set[str | None]  # visitors who said stop
    last: "DescentStep | None" = field(default=None, init=False)
    stopped: bool = field(default=False, init=False)  # by the visitor

    def __iter__(self) -> Iterator[Look]:
        from artmodels.generate.sampling import to_images

        self.stopping.discard(self.visitor)
        began = seen = time.monotonic()
        steps = self.job.steps()
        while step := computed(next, steps, None):
            self.last = step
            if self.visitor in self.stopping:
                self.stopping.discard(self.visitor)
                self.stopped = True
                self.job.leave(step)
                return
            if time.monotonic() - seen > LOOK_EVERY:
                seen = time.monotonic()
                share = self.job.share_done(step.step / step.steps)
                (image,) = computed(lambda: to_images(self.last.picture()))  # type: ignore[union-attr]
                yield Look(image, step, share, (seen - began) * (1 - share) / share)

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
