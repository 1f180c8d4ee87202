"""Who asks, whether anybody listens, and whose turn it is."""

import asyncio
import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import httpx
import pytest
from gradio.queueing import Event, EventQueue, Queue
from gradio.ranged_response import OpenRange, RangedFileResponse
from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.routing import Route, Router

from artmodels.studio import visitors
from artmodels.studio.blocks import LeanSession, LeanSessions
from artmodels.studio.served_files import HOUSE, FileStore
from artmodels.studio.traffic import API, MOST_UNHEARD, FairQueue, Gate, session_of
from artmodels.studio.visitors import Audience, address_of


@pytest.mark.parametrize(
    ("client", "forwarded", "expected"),
    [
        (("8.8.8.8", 1), "", "8.8.8.8"),
        (("8.8.8.8", 1), "9.9.9.9", "8.8.8.8"),  # whoever comes directly is believed in nothing else
        (("10.0.0.7", 1), "9.9.9.9", "9.9.9.9"),
        (("10.0.0.7", 1), "1.1.1.1, 9.9.9.9", "9.9.9.9"),  # the front may be forged
        (("10.0.0.7", 1), "9.9.9.9, 10.0.0.3, 192.168.1.1", "9.9.9.9"),
        (("10.0.0.7", 1), "2001:4860:4860::8888", "2001:4860:4860::8888"),
        (("10.0.0.7", 1), "x, <script>, ", "10.0.0.7"),
        (("192.168.1.4", 1), "", "192.168.1.4"),
        (None, "", ""),
    ],
)
def test_the_nearest_public_address_is_the_visitors(client, forwarded, expected):
    assert address_of(client, {"x-forwarded-for": forwarded} if forwarded else {}) == expected


def test_nobody_listens_from_the_last_goodbye_on(monkeypatch):
    now = 100.0
    monkeypatch.setattr(visitors.time, "monotonic", lambda: now)
    audience = Audience()
    with audience.listening("ann"):
        with audience.listening("ann"):
            now += 50
        assert audience.silence("ann") == 0  # one of two connections is left
        now += 7
    now += 3
    assert audience.silence("ann") == 3
    assert audience.silence("bob") == 0  # never seen: counted from the first question on
    now += 9
    assert audience.silence("bob") == 9 and audience.silence(HOUSE) == 0
    with audience.listening("bob"):
        assert audience.silence("bob") == 0


def test_what_is_remembered_of_visitors_is_bounded(monkeypatch):
    monkeypatch.setattr(visitors, "REMEMBERED", 10)
    audience = Audience()
    for number in range(100):
        with audience.listening(f"{number}"):
            pass
        audience.silence(f"never heard {number}")
    assert len(audience.heard) == 10 and not audience.present


def test_which_session_a_request_listens_to():
    assert session_of("/gradio_api/queue/data", b"session_hash=abc&x=1") == "abc"
    assert session_of("/gradio_api/call/film/event7", b"") == "event7"
    for path in ("/gradio_api/queue/data", "/gradio_api/call/film", "/gradio_api/call/film/a/b", "/", "/config"):
        assert session_of(path, b"") is None


def turns(waiting: list[str], at_work: list[str], limit: int = 24) -> list[str]:
    """The addresses whose events begin one after the other, until none may, while none ends."""

    async def begin() -> list[str]:
        queue: Any = Queue(False, 40, 1.0, None, SimpleNamespace())  # type: ignore[arg-type]
        FairQueue.fair(queue)
        queue.active_jobs = []
        kind = queue.event_queue_per_concurrency_id["painting"] = EventQueue("painting", limit)
        fn = SimpleNamespace(concurrency_id="painting")
        for address in waiting + at_work:
            event = Event(None, fn, None, None)  # type: ignore[arg-type]
            queue.addresses[event] = address
            kind.queue.append(event)
        while at_work and len(kind.queue) > len(waiting):
            queue.active_jobs.append([kind.queue.pop()])
        kind.current_concurrency = len(at_work)
        begun = []
        while found := queue.get_events():
            (event,), _, _ = found
            queue.active_jobs.append([event])
            kind.current_concurrency += 1
            begun.append(queue.addresses[event])
        return begun

    return asyncio.run(begin())


def test_a_session_cannot_pass_for_the_studio_or_be_anything(tmp_path):
    """What is the studio's stays for ever; what is kept of a session is small."""
    refused = [HOUSE, "files from 1.2.3.4", "a" * 65, "", "ä", "a/b"]

    async def ask() -> None:
        queue: Any = Queue(False, 40, 1.0, None, SimpleNamespace(fns={}))  # type: ignore[arg-type]
        FairQueue.fair(queue)
        request: Any = SimpleNamespace(client=("8.8.8.8", 1), headers={})
        for session in refused:
            body = SimpleNamespace(session_hash=session, fn_index=0)
            assert await queue.push(body, request, None) == (False, refusal, "error")

    refusal = "a session is named by up to 64 letters, digits, _ and -"
    asyncio.run(ask())


def test_a_page_that_asks_for_news_is_there_and_one_of_two_may_close():
    """A page whose own connection broke never opens another, but it goes on asking for its events' news."""
    told: list[tuple[str, str]] = []
    store: Any = SimpleNamespace(
        come=lambda who: told.append(("come", who)), leave=lambda who: told.append(("leave", who))
    )

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()

    async def ask() -> None:
        gate = Gate(app, store, Audience())

        def get(path: str, closed: asyncio.Event, query: bytes = b"") -> Any:
            async def receive() -> dict[str, Any]:
                await closed.wait()
                return {"type": "http.disconnect"}

            async def send(message: Any) -> None:
                pass

            scope = {"type": "http", "method": "GET", "path": f"{API}/{path}", "query_string": query, "headers": []}
            return asyncio.ensure_future(gate(scope, receive, send))

        closed = [asyncio.Event() for _ in range(3)]
        pages = [get("heartbeat/ann", each) for each in closed[:2]]
        await asyncio.sleep(0)
        closed[0].set()
        await pages[0]
        assert told == [("come", "ann")] * 2
        closed[1].set()
        await pages[1]
        assert told[-1] == ("leave", "ann")
        news = get("queue/data", closed[2], b"session_hash=ann")
        closed[2].set()
        await news
        assert told[-1] == ("come", "ann")

    asyncio.run(ask())


class Anything:
    pass


def test_results_that_nobody_fetches_are_let_go_but_for_the_last_few(monkeypatch):
    async def ask() -> tuple[set[str], set[str]]:
        queue: Any = Queue(False, 40, 1.0, None, SimpleNamespace(fns={}))  # type: ignore[arg-type]
        FairQueue.fair(queue)

        async def push(self: Queue, body: Any, request: Any, username: str | None) -> tuple[bool, str, str]:
            event = f"event-{body.session_hash}"
            self.pending_messages_per_session[body.session_hash] = asyncio.Queue()
            self.pending_event_ids_session[body.session_hash] = {event}
            if body.session_hash == "at-work":
                self.event_ids_to_events[event] = cast(Any, Anything())
            return True, event, "success"

        monkeypatch.setattr(Queue, "push", push)
        for address, sessions in (("9.9.9.9", ["other"]), ("8.8.8.8", ["at-work", "heard", *map(str, range(300))])):
            for session in sessions:
                request: Any = SimpleNamespace(client=(address, 1), headers={})
                await queue.push(SimpleNamespace(session_hash=session, fn_index=0), request, None)
        return set(queue.pending_messages_per_session), set(queue.pending_event_ids_session)

    with visitors.AUDIENCE.listening("heard"):
        results, known = asyncio.run(ask())
    assert results == known == {"other", "at-work", "heard", *map(str, range(300 - MOST_UNHEARD, 300))}


def test_what_visitors_wish_for_is_bounded(monkeypatch):
    monkeypatch.setattr(visitors, "REMEMBERED", 10)
    wishes = visitors.Wishes()
    first = wishes.begin("ann")
    second = wishes.begin("ann")
    assert first() and not second()
    for number in range(100):
        wishes.begin(f"{number}")
    assert len(wishes.latest) == 10 and second()


def whole(path: Path, request: Request) -> Response:
    return FileResponse(path)


def already_measured(path: Path, request: Request) -> Response:
    return FileResponse(path, stat_result=os.stat(path))


def a_range(path: Path, request: Request) -> Response:
    return RangedFileResponse(path, OpenRange(0, 2), dict(request.headers), stat_result=os.stat(path))


@pytest.mark.parametrize("response", [whole, already_measured, a_range])
@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("deleted", [False, True])
def test_a_file_deleted_while_it_is_about_to_be_sent_is_refused(tmp_path, response, method, deleted):
    """Gradio looks whether a file is there, Starlette opens it a moment later: the store may delete it in between."""
    picture = tmp_path / "picture.png"
    picture.write_bytes(b"pixels")

    async def file(request: Request) -> Response:
        answer = response(picture, request)
        if deleted:
            picture.unlink()
        return answer

    files = Router([Route(f"{API}/file=x", file, methods=["GET", "HEAD"])])
    gate = Gate(files, FileStore(tmp_path), Audience())

    async def ask() -> httpx.Response:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(gate), base_url="http://studio") as client:
            return await client.request(method, f"{API}/file=x")

    answer = asyncio.run(ask())
    if not deleted:
        assert answer.status_code in (200, 206) and (method == "HEAD" or answer.content[:2] == b"pi")
    elif (method, response) != ("HEAD", already_measured):  # there nothing is opened, and nothing missed
        assert answer.status_code == 403 and (method == "HEAD" or answer.json()["detail"])


def test_addresses_take_turns_whoever_came_first():
    assert turns(["a"] * 5 + ["b", "c"], []) == ["a", "b", "c", "a", "a", "a", "a"]
    assert turns(["a", "a", "b"], ["a", "b", "b"]) == ["a", "a", "b"]


def test_one_address_leaves_a_third_of_the_slots_to_others():
    assert turns(["a"] * 40, []) == ["a"] * 16
    assert turns(["a"] * 40 + ["b"] * 40, []).count("b") == 12
    assert turns(["a"] * 5, [], limit=1) == ["a"]  # of a single slot there is no third
    assert turns(["a"], ["b"], limit=1) == []


def test_a_session_is_lean_and_keeps_what_is_its_own():
    block = SimpleNamespace(stateful=False)

    class Config:
        def __init__(self) -> None:
            self.blocks = {1: block}

        def __copy__(self) -> "Config":
            own = Config()
            own.blocks = dict(self.blocks)
            return own

        def config_for_block(self, *_: object) -> dict:
            raise AssertionError("the properties of all components were copied")

    blocks = SimpleNamespace(default_config=Config(), blocks={1: block}, state_session_capacity=3)
    sessions = LeanSessions()
    sessions.set_blocks(blocks)  # type: ignore[arg-type]
    first: Any = sessions["ann"]
    second: Any = sessions["bob"]
    assert isinstance(first, LeanSession) and first is sessions["ann"] and first.config_values == {}
    mine: Any = SimpleNamespace(stateful=False)
    first.blocks_config.blocks[1] = mine
    assert second[1] is block is not first[1]
    first._update_value_in_config(1, "a value")
    sessions.forget("ann")
    sessions.forget("nobody")
    assert "ann" not in sessions and "bob" in sessions
    for number in range(9):
        sessions[f"{number}"]
    assert len(sessions.session_data) == 3
