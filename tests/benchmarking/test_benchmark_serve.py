"""`benchmark app`: what counts as served, and what it refuses."""

import asyncio
import json
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from helpers import STYLES, assert_one_clear_line, run_here

from artmodels.benchmarking.serve import PNG_BEGIN, PNG_END, Refused, Visit, _ask, percentile
from artmodels.cli.main import main


def test_percentiles_are_values_that_occurred():
    ordered = [float(value) for value in range(1, 21)]
    assert [percentile(ordered, share) for share in (0.5, 0.95, 1)] == [10, 19, 20]
    assert percentile([3.0], 0.95) == 3 and percentile([], 0.5) is None


PARAMETERS: list[dict[str, Any]] = [
    {"parameter_name": "style", "parameter_default": STYLES[0]},
    {"parameter_name": "seed", "parameter_default": 1},
    {"parameter_name": "count", "parameter_default": 24},
]
WALL = [{"image": {"url": f"http://app/{name}.png"}, "caption": name} for name in ("one", "two")]


def ask(answer: Callable[[httpx.Request], httpx.Response], download: bool = True) -> None:
    async def ask_once() -> None:
        async with httpx.AsyncClient(transport=httpx.MockTransport(answer), base_url="http://app") as browser:
            await _ask(browser, "one", PARAMETERS, 7, Visit(pictures=2, download=download))

    asyncio.run(ask_once())


def app_that_answers(events: str, png: bytes = PNG_BEGIN + PNG_END, joins: int = 200) -> Callable:
    def answer(request: httpx.Request) -> httpx.Response:
        if request.method == "POST":
            assert json.loads(request.content) == {"data": [STYLES[0], 7, 2], "session_hash": "one"}
            refusal = {"detail": "Queue is full. Max size is 1."}
            return httpx.Response(joins, json={"event_id": "e"} if joins == 200 else refusal)
        if request.url.path.endswith("/generate/e"):
            return httpx.Response(200, text=events)
        return httpx.Response(200, content=png)

    return answer


COMPLETE = f"event: heartbeat\ndata: null\n\nevent: complete\ndata: {json.dumps([WALL])}\n\n"


def test_whole_pictures_are_served():
    ask(app_that_answers(COMPLETE))


def test_pictures_are_fetched_only_where_that_is_asked_for():
    ask(app_that_answers(COMPLETE, png=b"nothing"), download=False)


@pytest.mark.parametrize(
    ("app", "expected"),
    [
        (app_that_answers(COMPLETE, joins=503), "Queue is full"),
        (app_that_answers('event: error\ndata: {"error": "busy: try again"}\n\n'), "busy: try again"),
        (app_that_answers('event: error\ndata: "stopped"\n\n'), "stopped"),
        (app_that_answers("event: error\ndata: null\n\n"), "without a message"),
        (app_that_answers("event: heartbeat\ndata: null\n\n"), "broke off"),
        (app_that_answers(f"event: complete\ndata: {json.dumps([WALL[:1]])}\n\n"), "1 pictures instead of 2"),
        (app_that_answers(COMPLETE, png=PNG_BEGIN), "no whole PNG"),
    ],
)
def test_anything_else_is_a_refusal(app, expected):
    with pytest.raises(Refused, match=expected):
        ask(app)


@pytest.mark.parametrize(
    ("flags", "expected"),
    [
        (["app", "--visitors", "0"], "--visitors must be between 1 and 1000, found 0"),
        (["app", "--pictures", "37"], "--pictures must be between 1 and 36"),
        (["app", "--seconds", "nan"], "--seconds must be between 1 and 3600"),
        (["app", "--pause", "-1"], "--pause must be between 0 and 600"),
        (["app", "--out", "no/figures.json"], "there is no folder"),
        (["app", "--preset", "cpu"], "unrecognized arguments: --preset"),
        (["train", "--visitors", "3"], "unrecognized arguments: --visitors"),
        (["piano"], "invalid choice: 'piano'"),
    ],
)
def test_wrong_flags_get_one_line(flags, expected):
    assert_one_clear_line(run_here(lambda: main(["benchmark", *flags])), expected)
