"""Who asks: the visitor of an event, whether anybody still listens, and the address that a request comes from."""

import ipaddress
import re
import threading
import time
from collections import Counter, OrderedDict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from gradio.context import LocalContext

from artmodels.studio.served_files import HOUSE

REMEMBERED = 10_000  # visitors of whom it is known when they were heard last, and what they wished for
NOBODY = "nobody"  # the session of a request that names none
SESSION = re.compile(r"[\w-]{1,64}", re.ASCII)  # as pages and Gradio's clients name theirs


def visitor() -> str:
    """The session of the event that this thread works for; the studio itself outside of events."""
    request = LocalContext.request.get(None)
    return (request.session_hash or NOBODY) if request else HOUSE


def address_of(client: Sequence[Any] | None, headers: Mapping[str, str]) -> str:
    """The address of whoever sent a request, where `client` is (host, port): the nearest one that is not private.

    Behind the proxy of a Space all come from an address of its own network. A sender can write what they like at the
    front of `X-Forwarded-For`, but not behind what the proxy adds.
    """
    nearest = str(client[0]) if client else ""
    if _is_public(nearest):
        return nearest
    for hop in reversed(headers.get("x-forwarded-for", "").split(",")):
        if _is_public(hop.strip()):
            return hop.strip()
    return nearest


def _is_public(address: str) -> bool:
    try:
        return ipaddress.ip_address(address).is_global
    except ValueError:
        return False


class Audience:
    """Which sessions have a connection open on which they hear of their events."""

    def __init__(self) -> None:
        self.present: Counter[str] = Counter()
        self.heard: OrderedDict[str, float] = OrderedDict()  # when each was present last, or first asked after
        self.lock = threading.Lock()

    @contextmanager
    def listening(self, session: str) -> Iterator[None]:
        with self.lock:
            self.present[session] += 1
        try:
            yield
        finally:
            with self.lock:
                self.present[session] -= 1
                if not self.present[session]:
                    del self.present[session]
                self._remember(session)

    def hears(self, session: str) -> bool:
        with self.lock:
            return bool(self.present[session])

    def silence(self, session: str) -> float:
        """For how many seconds nobody has listened; from the first question on, where nobody ever has."""
        with self.lock:
            if session == HOUSE or self.present[session]:
                return 0.0
            if session not in self.heard:
                self._remember(session)
            return time.monotonic() - self.heard[session]

    def _remember(self, session: str) -> None:
        self.heard[session] = time.monotonic()
        self.heard.move_to_end(session)
        while len(self.heard) > REMEMBERED:
            self.heard.popitem(last=False)


class Wishes:
    """What each visitor of a page asked for last: whatever was begun for an earlier wish ends."""

    def __init__(self) -> None:
        self.latest: Counter[str | None] = Counter()  # the number of each visitor's last wish; below 0: it is stopped

    def one_more(self, who: str | None) -> int:
        """One more wish of a visitor: its number."""
        number = abs(self.latest.pop(who, 0)) + 1  # so that the oldest come first
        self.latest[who] = number
        while len(self.latest) > REMEMBERED:
            del self.latest[next(iter(self.latest))]
        return number

    def begin(self, who: str | None) -> Callable[[], bool]:
        """One more wish of a visitor; what tells whether it is over."""
        number = self.one_more(who)
        return lambda: self.is_over(who, number)

    def stop(self, who: str | None) -> None:
        self.latest[who] = -abs(self.latest[who])

    def is_over(self, who: str | None, number: float) -> bool:
        """Whether a wish was stopped, or another has come since."""
        return self.latest[who] != number

    def is_stopped(self, who: str | None, number: float) -> bool:
        return self.latest[who] == -number


AUDIENCE = Audience()  # of this process
