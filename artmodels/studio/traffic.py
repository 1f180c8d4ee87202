"""What comes in: how large it may be, how much of it one visitor may have waiting, and whose turn is next."""

import asyncio
import json
import math
import random
from collections import Counter, OrderedDict
from contextlib import suppress
from pathlib import Path
from typing import Any, cast
from urllib.parse import parse_qs
from weakref import WeakKeyDictionary

from gradio.queueing import Event, Queue
from starlette.datastructures import Headers
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from artmodels.studio.served_files import FileStore
from artmodels.studio.visitors import AUDIENCE, SESSION, Audience, address_of

API = "/gradio_api"
MAX_BODY = 8 * 10**6  # bytes of a request that is no upload: sixty kept pictures and their family are far below
MAX_UPLOADED = 64 * 10**6  # bytes of one upload, which may be several files
UPLOADS_AT_ONCE, UPLOADS_EACH = 40, 6  # of all addresses, and of one
LONGEST_UPLOAD = 600.0  # seconds
MAX_WAITING_EACH = 100  # requests of one address in the queue
MAX_SLOW_EACH = 3  # of those that take long, of which there is one queue for each kind
SLOW = ("filming", "descents")
MOST_UNHEARD = 30  # sessions of one address whose results wait for somebody to listen
MAX_SHARE = 2 / 3  # of the slots that one address may take while others wait


class Gate:
    """ASGI middleware: refuses what is too large, gives uploads to the store, and knows who listens."""

    def __init__(self, app: ASGIApp, store: FileStore, audience: Audience):
        self.app, self.store, self.audience = app, store, audience
        self.uploading = Counter[str]()  # of each address
        self.open = Counter[str]()  # pages of each session

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = scope.get("path", "").removeprefix(scope.get("root_path", "")).rstrip("/")
        method = scope.get("method")
        if method == "POST" and path == f"{API}/upload":
            await self._upload(scope, receive, send)
        elif method == "POST":
            await self._limited(scope, receive, send, MAX_BODY)
        elif method == "GET" and path.startswith(f"{API}/heartbeat/"):
            await self._present(path.rpartition("/")[2], scope, receive, send)
        elif method == "GET" and (session := session_of(path, scope["query_string"])):
            self.store.come(session)  # a page whose own connection broke never opens another
            with self.audience.listening(session):
                await self.app(scope, receive, send)
        elif path.startswith(f"{API}/file="):
            await self._file(scope, receive, send)
        else:
            await self.app(scope, receive, send)

    async def _file(self, scope: Scope, receive: Receive, send: Send) -> None:
        """A file, or the answer that there is none: it may be deleted while Gradio is about to open it."""
        first: Message | None = None
        begun = False

        async def hold_back(message: Message) -> None:
            nonlocal first, begun
            if message["type"] == "http.response.start":  # which Starlette sends before it opens the file
                first = message
                return
            if first is not None and not begun:
                begun = True
                await send(first)
            await send(message)

        try:
            await self.app(scope, receive, hold_back)
        except (FileNotFoundError, RuntimeError) as error:  # the latter is Starlette's, with the path in its words
            if begun or not (isinstance(error, FileNotFoundError) or "does not exist" in str(error)):
                raise
            await refuse(403, "that file is here no longer")(scope, receive, send)

    async def _present(self, session: str, scope: Scope, receive: Receive, send: Send) -> None:
        """The connection that a page holds while it is open: what is its visitor's goes soon after it ends."""

        async def ends() -> Message:
            while (message := await receive())["type"] != "http.disconnect":
                pass
            return message

        if not SESSION.fullmatch(session):
            await refuse(404, "no such session")(scope, receive, send)
            return
        self.store.come(session)
        self.open[session] += 1
        end = asyncio.ensure_future(ends())
        work = asyncio.ensure_future(self.app(scope, lambda: asyncio.shield(end), send))
        try:
            await asyncio.wait({end, work}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (end, work):
                task.cancel()
            await asyncio.gather(end, work, return_exceptions=True)
            self.open[session] -= 1
            if not self.open[session]:
                del self.open[session]
                self.store.leave(session)

    async def _limited(self, scope: Scope, receive: Receive, send: Send, most: int) -> None:
        """Pass on at most so many bytes of a request."""
        length, seen = Headers(scope=scope).get("content-length", ""), 0

        async def counted() -> Message:
            nonlocal seen
            message = await receive()
            seen += len(message.get("body", b""))
            if seen > most:
                raise TooLarge
            return message

        async def noted(message: Message) -> None:
            if seen <= most:  # else the app answers that it could not read on
                await send(message)

        too_large = length.isdigit() and int(length) > most
        if not too_large:
            with suppress(TooLarge):
                await self.app(scope, counted, noted)
        if too_large or seen > most:
            refusal = refuse(413, f"a request here has at most {most // 10**6} MB: send less at once")
            await refusal(scope, receive, send)

    async def _upload(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Gradio's own upload, whose files then get names that only their sender knows."""
        address = address_of(scope["client"], Headers(scope=scope))
        if self.uploading.total() >= UPLOADS_AT_ONCE or self.uploading[address] >= UPLOADS_EACH:
            answer: Response = refuse(503, "too many files are coming in at this moment: try again in a minute")
            await answer(scope, receive, send)
            return
        messages: list[Message] = []

        async def collect(message: Message) -> None:
            messages.append(message)

        self.uploading[address] += 1
        try:
            async with asyncio.timeout(LONGEST_UPLOAD):
                await self._limited(scope, receive, collect, MAX_UPLOADED)
        except ClientDisconnect:  # whoever sent it has gone
            return
        except TimeoutError:
            await refuse(408, "the file came too slowly: try again")(scope, receive, send)
            return
        finally:
            self.uploading[address] -= 1
            if not self.uploading[address]:
                del self.uploading[address]
        if not messages or messages[0]["status"] != 200:
            for message in messages:
                await send(message)
            return
        owner = f"files from {address}"
        paths = json.loads(b"".join(message.get("body", b"") for message in messages[1:]))
        try:
            received = [await asyncio.to_thread(self.store.receive, Path(path), owner) for path in paths]
            answer = JSONResponse([str(path) for path in received])
        except OSError as error:
            answer = refuse(507, f"the file could not be kept: {error.strerror}; try again later")
        await answer(scope, receive, send)


class TooLarge(Exception):
    """A request went on beyond its limit."""


def refuse(status: int, words: str) -> JSONResponse:
    return JSONResponse({"detail": words, "error": words}, status)


def session_of(path: str, query: bytes) -> str | None:
    """The session, or the event of a program, whose news a GET request asks for."""
    if path == f"{API}/queue/data":
        return parse_qs(query.decode("latin-1")).get("session_hash", [None])[0]
    parts = path.removeprefix(f"{API}/call/").split("/")
    return parts[1] if path.startswith(f"{API}/call/") and len(parts) == 2 else None


class FairQueue(Queue):
    """Gradio's queue, in which addresses take turns, and which none of them can fill.

    `Blocks.queue` makes a queue of Gradio's class; `fair` gives it this one.
    """

    addresses: WeakKeyDictionary[Event, str]
    senders: OrderedDict[str, str]  # the address of each session

    @staticmethod
    def fair(queue: Queue) -> None:
        queue.__class__ = FairQueue
        cast(FairQueue, queue).addresses = WeakKeyDictionary()
        cast(FairQueue, queue).senders = OrderedDict()

    async def push(self, body: Any, request: Request, username: str | None) -> Any:
        if body.session_hash is not None and not SESSION.fullmatch(str(body.session_hash)):
            return False, "a session is named by up to 64 letters, digits, _ and -", "error"
        fn = self.blocks.fns.get(body.fn_index)
        address = address_of(request.client, request.headers)
        mine = [
            waiting.concurrency_id
            for waiting in self.event_queue_per_concurrency_id.values()
            for event in waiting.queue
            if self.addresses.get(event) == address
        ]
        if len(mine) >= MAX_WAITING_EACH:
            return False, f"{len(mine)} requests of yours are waiting already: let some of them end first", "queue_full"
        if fn is not None and fn.concurrency_id in SLOW and mine.count(fn.concurrency_id) >= MAX_SLOW_EACH:
            return False, f"{MAX_SLOW_EACH} of yours are waiting already: let one of them end first", "queue_full"
        pushed = await super().push(body, request, username)
        if pushed[0]:
            if event := self.event_ids_to_events.get(str(pushed[1])):
                self.addresses[event] = address
            self._forget_unheard(body.session_hash, address)
        return pushed

    def _forget_unheard(self, session: str, address: str) -> None:
        """Let go of what was done for those sessions of an address that nobody listens to, but for the last few."""
        self.senders[session] = address
        self.senders.move_to_end(session)
        results, known = self.pending_messages_per_session, self.pending_event_ids_session
        for gone in [each for each in self.senders if each not in results]:  # Gradio itself forgets those who listened
            known.pop(gone, None)
            del self.senders[gone]
        unheard = [
            each
            for each, sender in self.senders.items()
            if sender == address
            and not AUDIENCE.hears(each)
            and not known.get(each, set()) & self.event_ids_to_events.keys()  # what is at work still tells its end
        ]
        for each in unheard[:-MOST_UNHEARD]:
            results.pop(each, None)
            known.pop(each, None)
            del self.senders[each]

    def get_events(self) -> tuple[list[Event], bool, str] | None:
        """The next event of a kind that has a slot free: of the address with the fewest at work, the oldest."""
        at_work = Counter(
            (event.concurrency_id, self.addresses.get(event)) for job in self.active_jobs for event in job or ()
        )
        kinds = list(self.event_queue_per_concurrency_id.values())
        random.shuffle(kinds)
        for kind in kinds:
            limit = math.inf if kind.concurrency_limit is None else kind.concurrency_limit
            if not kind.queue or kind.current_concurrency >= limit:
                continue
            busy, place = min(
                (at_work[kind.concurrency_id, self.addresses.get(event)], place)
                for place, event in enumerate(kind.queue)
            )
            if busy == 0 or busy < MAX_SHARE * limit:
                return [kind.queue.pop(place)], False, kind.concurrency_id
        return None
