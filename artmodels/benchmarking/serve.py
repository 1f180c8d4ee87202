"""How the studio serves many visitors at once: `python -m artmodels benchmark app`.

The app runs as a process of its own; the visitors are simulated here, on the same machine, and take their share of it.
"""

import asyncio
import contextlib
import json
import math
import os
import random
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import httpx

from artmodels.generate.recipe import SEED_LIMIT, is_number
from artmodels.io.device import describe_machine

APP = "import sys; from artmodels.studio.app import main; sys.exit(main())"
IMPORTS = "import torch, gradio"
START_TIMEOUT, ANSWER_TIMEOUT = 120, 120  # seconds
LOOK_EVERY = 0.02  # seconds, for the first answer
MEMORY_EVERY = 0.2
CONNECTIONS = 6  # at once to one server, as in a browser
IDLE = 4.0  # seconds after which a connection is let go: the app closes it after five, perhaps while it is used again
AFTER_A_REFUSAL = 0.5  # seconds at least
MAX_PICTURES = 36  # what the app gives at a time
FILMS: dict[str, list[Any]] = {"film": [[1, 2, 3]], "music": [], "dance": []}  # endpoints, and what they are given
PNG_BEGIN, PNG_END = b"\x89PNG\r\n\x1a\n", b"IEND\xaeB`\x82"


@dataclass(frozen=True)
class Visit:
    """What the visitors do: look for a while drawn evenly from 0 to twice `pause`, ask, and so on.

    Raises:
        ValueError: a value is out of bounds.
    """

    visitors: int = 50
    seconds: float = 30.0  # after which nobody asks any more
    pictures: int = 4  # that a visitor asks for at a time, of a random seed
    pause: float = 1.0  # seconds
    films: int = 0  # people who have films made meanwhile, one after the other
    film: str = "film"  # the endpoint that makes them
    download: bool = True  # the pictures, too; else only where they are is waited for

    def __post_init__(self):
        if self.film not in FILMS:
            raise ValueError(f"--film must be one of {', '.join(FILMS)}, found {self.film[:40]!r}")
        for name, lowest, highest in (("visitors", 1, 1000), ("pictures", 1, MAX_PICTURES), ("films", 0, 10)):
            if not lowest <= getattr(self, name) <= highest:
                raise ValueError(f"--{name} must be between {lowest} and {highest}, found {getattr(self, name)}")
        for name, lowest, highest in (("seconds", 1, 3600), ("pause", 0, 600)):
            if not (is_number(getattr(self, name)) and lowest <= getattr(self, name) <= highest):
                raise ValueError(f"--{name} must be between {lowest} and {highest}, found {getattr(self, name)}")


@dataclass
class Tally:
    """What the visitors met with."""

    latencies: list[float] = field(default_factory=list)  # seconds from asking to the last byte of the last picture
    films: int = 0  # that were made
    busy: int = 0  # times that the app turned somebody away because it has enough to do
    errors: Counter[str] = field(default_factory=Counter)


class Refused(Exception):
    """The app's answer is a message instead of pictures."""


def benchmark_app(visit: Visit, model: str | None = None) -> dict[str, Any]:
    """Start the app, let visitors come, and stop it; the figures of `describe`, in seconds and bytes.

    `model` is a folder or a Hub id; without it, the app's own.

    Raises:
        ValueError: psutil is not installed, which reads the memory of a process.
        OSError: the app does not start.
    """
    try:
        import psutil  # noqa: F401
    except ModuleNotFoundError as error:
        raise ValueError("to read the app's memory, pip install psutil (requirements-train.txt brings it)") from error
    environment = app_environment(model)
    import_seconds = min(_time_imports(environment) for _ in range(2))  # the first fills the disk's cache
    with (
        tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder,
        serving(environment, Path(folder)) as (process, address, ready_seconds),
        _watched(process.pid) as memory,
    ):
        tally, elapsed = asyncio.run(_receive(address, visit, memory))
    answered, latencies = len(tally.latencies), sorted(tally.latencies)
    return {
        "machine": describe_machine(),
        **asdict(visit),
        "elapsed": elapsed,  # until the last answer
        "requests": answered,
        "requests_per_second": answered / elapsed,
        "pictures_per_second": answered * visit.pictures / elapsed,
        "latency": {
            "p50": percentile(latencies, 0.5),
            "p95": percentile(latencies, 0.95),
            "max": percentile(latencies, 1),
        },
        "films_made": tally.films,
        "busy": tally.busy,
        "errors": dict(tally.errors.most_common()),
        "memory": memory.figures(),
        "ready_seconds": ready_seconds,
        "import_seconds": import_seconds,
        "ready_ratio": ready_seconds / import_seconds,
    }


def percentile(ordered: list[float], share: float) -> float | None:
    """The smallest of some ordered values that this share of them does not exceed; None of none."""
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)] if ordered else None


# The app, in a process of its own


def app_environment(model: str | None) -> dict[str, str]:
    package = str(Path(__file__).resolve().parent.parent.parent)
    paths = [package, *filter(None, [os.environ.get("PYTHONPATH")])]  # the app is this very artmodels
    ours = {"GRADIO_ANALYTICS_ENABLED": "False", "PYTHONPATH": os.pathsep.join(paths)}
    return {**os.environ, **ours, **({"ARTMODELS_MODELS": model} if model else {})}


def _time_imports(environment: dict[str, str]) -> float:
    began = time.perf_counter()
    subprocess.run([sys.executable, "-c", IMPORTS], env=environment, check=True)
    return time.perf_counter() - began


@contextlib.contextmanager
def serving(environment: dict[str, str], temporary: Path) -> Iterator[tuple[subprocess.Popen, str, float]]:
    """The app on a free port, its address, and the seconds until it first answered; it writes to `temporary`."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    address = f"http://127.0.0.1:{port}"
    ours = {"GRADIO_SERVER_NAME": "127.0.0.1", "GRADIO_SERVER_PORT": str(port), "GRADIO_TEMP_DIR": str(temporary)}
    log = temporary / "log"
    with log.open("wb") as output:
        began = time.perf_counter()
        process = subprocess.Popen(
            [sys.executable, "-c", APP], env={**environment, **ours}, stdout=output, stderr=output
        )
    try:
        _wait_for_answer(process, address, log)
        yield process, address, time.perf_counter() - began
    finally:
        process.terminate()
        try:
            process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait_for_answer(process: subprocess.Popen, address: str, log: Path) -> None:
    deadline = time.monotonic() + START_TIMEOUT
    with httpx.Client(trust_env=False, verify=ssl.create_default_context(), timeout=ANSWER_TIMEOUT) as client:
        while time.monotonic() < deadline:
            if process.poll() is not None:
                lines = log.read_text("utf-8", "replace").strip().splitlines() or ["without a word"]
                raise OSError(f"the app ended before it answered: {lines[-1][:300]}")
            with contextlib.suppress(httpx.TransportError):
                if client.get(address).status_code == 200:
                    return
            time.sleep(LOOK_EVERY)
    raise OSError(f"the app did not answer within {START_TIMEOUT} seconds")


class Memory:
    """The resident bytes of a process and its children, seen now and then by a thread."""

    def __init__(self, pid: int):
        import psutil

        self.process, self.gone = psutil.Process(pid), psutil.Error
        self.seen: list[tuple[float, int]] = []  # when, bytes

    def look(self) -> None:
        with contextlib.suppress(self.gone):
            family = [self.process, *self.process.children(recursive=True)]
            self.seen.append((time.monotonic(), sum(each.memory_info().rss for each in family)))

    def figures(self) -> dict[str, int]:
        """Bytes at the start (after the first pictures), half way, at the end, and at most."""
        (first, start), (last, end) = self.seen[0], self.seen[-1]
        middle = min(self.seen, key=lambda sight: abs(sight[0] - (first + last) / 2))[1]
        return {"start": start, "middle": middle, "end": end, "peak": max(size for _, size in self.seen)}


@contextlib.contextmanager
def _watched(pid: int) -> Iterator[Memory]:
    """A process whose memory is looked at; the first sight is to be taken by whoever knows when."""
    memory, over = Memory(pid), threading.Event()

    def watch() -> None:
        while not over.wait(MEMORY_EVERY):
            if memory.seen:
                memory.look()

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield memory
    finally:
        over.set()
        thread.join()


# The visitors


async def _receive(address: str, visit: Visit, memory: Memory) -> tuple[Tally, float]:
    """Let one visitor come alone, then all at once; what they met with, and the seconds until the last was served."""
    context = ssl.create_default_context()  # slow to make, and of no use here: one for all
    tally = Tally()
    async with browse(address, context) as browser:
        information = await browser.get("/gradio_api/info")
        parameters = information.raise_for_status().json()["named_endpoints"]["/generate"]["parameters"]
        try:
            await _ask(browser, "first", parameters, 0, visit)
        except (Refused, httpx.HTTPError) as error:
            raise OSError(f"the app paints nothing: {error or type(error).__name__}") from error
    memory.look()
    began = time.monotonic()
    comers = [
        _visitor(number, address, context, parameters, visit, began + visit.seconds, tally)
        for number in range(visit.visitors)
    ]
    comers += [_filmer(address, context, began + visit.seconds, visit.film, tally) for _ in range(visit.films)]
    await asyncio.gather(*comers)
    elapsed = time.monotonic() - began
    memory.look()
    return tally, elapsed


def browse(address: str, context: ssl.SSLContext) -> httpx.AsyncClient:
    return httpx.AsyncClient(
        base_url=address,
        verify=context,
        trust_env=False,
        timeout=httpx.Timeout(ANSWER_TIMEOUT, pool=None),
        limits=httpx.Limits(max_connections=CONNECTIONS, keepalive_expiry=IDLE),
    )


async def _visitor(
    number: int,
    address: str,
    context: ssl.SSLContext,
    parameters: list[dict[str, Any]],
    visit: Visit,
    until: float,
    tally: Tally,
) -> None:
    chance = random.Random(number)
    await asyncio.sleep(chance.uniform(0, 2 * visit.pause))  # at the wall that is there on arrival
    async with browse(address, context) as browser:
        while time.monotonic() < until:
            began, rest = time.monotonic(), chance.uniform(0, 2 * visit.pause)
            try:
                async with asyncio.timeout(ANSWER_TIMEOUT):
                    await _ask(browser, f"visitor-{number}", parameters, chance.randrange(SEED_LIMIT), visit)
                tally.latencies.append(time.monotonic() - began)
            except (Refused, httpx.HTTPError, TimeoutError) as error:
                message = str(error) or type(error).__name__
                if "busy" in message.lower() or "queue is full" in message.lower():
                    tally.busy += 1
                else:
                    tally.errors[message[:200]] += 1
                rest = max(rest, AFTER_A_REFUSAL)
            await asyncio.sleep(max(0, min(rest, until - time.monotonic())))


async def _filmer(address: str, context: ssl.SSLContext, until: float, kind: str, tally: Tally) -> None:
    """Have one film after the other made; what is not done in time is left, as people leave."""
    async with browse(address, context) as browser:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(max(0.0, until - time.monotonic())):
                while True:
                    try:
                        await call(browser, kind, FILMS[kind])
                        tally.films += 1
                    except (Refused, httpx.HTTPError) as error:
                        tally.errors[f"{kind}: {error or type(error).__name__}"[:200]] += 1
                        await asyncio.sleep(AFTER_A_REFUSAL)


async def call(browser: httpx.AsyncClient, name: str, data: list[Any], session: str | None = None) -> list[Any]:
    """What an endpoint answers.

    Raises:
        Refused: a message instead.
        httpx.HTTPError: the connection failed.
    """
    body = {"data": data} | ({"session_hash": session} if session else {})
    joined = await browser.post(f"/gradio_api/call/{name}", json=body)
    if joined.status_code != 200:
        raise Refused(_message(joined.text) or f"status {joined.status_code}")
    return await _answer(browser, name, joined.json()["event_id"])


async def _ask(
    browser: httpx.AsyncClient, session: str, parameters: list[dict[str, Any]], seed: int, visit: Visit
) -> None:
    """Ask for pictures as the app's documented API says, and download them all, where the visit says so.

    Raises:
        Refused: it sent a message instead, or no whole PNG.
        httpx.HTTPError: the connection failed.
    """
    wanted = {"seed": seed, "count": visit.pictures}
    data = [wanted.get(each["parameter_name"], each.get("parameter_default")) for each in parameters]
    (wall,) = await call(browser, "generate", data, session)
    if len(wall) != visit.pictures:
        raise Refused(f"{len(wall)} pictures instead of {visit.pictures}")
    if visit.download:
        await asyncio.gather(*(_download(browser, picture["image"]["url"]) for picture in wall))


async def _answer(browser: httpx.AsyncClient, name: str, event_id: str) -> list[Any]:
    """What the app's server-sent events end with."""
    event = ""
    async with browser.stream("GET", f"/gradio_api/call/{name}/{event_id}") as events:
        async for line in events.aiter_lines():
            key, _, value = line.partition(": ")
            if key == "event":
                event = value
            elif key == "data" and event == "complete":
                return json.loads(value)
            elif key == "data" and event == "error":
                raise Refused(_message(value) or "an error without a message")
    raise Refused(f"the answer broke off (status {events.status_code})")


def _message(text: str) -> str:
    """What a refusal says: plain, or in JSON as a string, as `error` or as `detail`."""
    with contextlib.suppress(ValueError):
        said = json.loads(text)
        if isinstance(said, dict):
            said = said.get("error") or said.get("detail")
        return str(said or "")
    return text.strip()


async def _download(browser: httpx.AsyncClient, url: str) -> None:
    answer = await browser.get(url)
    if answer.status_code != 200 or not (answer.content.startswith(PNG_BEGIN) and answer.content.endswith(PNG_END)):
        raise Refused(f"no whole PNG (status {answer.status_code})")


def describe(found: dict[str, Any]) -> str:
    """The figures of `benchmark_app` for people."""
    latency, memory = found["latency"], {name: f"{size / 1e6:,.0f} MB" for name, size in found["memory"].items()}
    lines = [
        f"machine     {found['machine']}; the visitors are simulated on it too",
        f"visitors    {found['visitors']} at once, {found['pictures']} pictures at a time, "
        f"{found['pause']:g} s of looking on average, for {found['seconds']:g} s"
        + ("" if found["download"] else "; nothing is downloaded"),
        f"served      {found['requests']} requests, {found['requests_per_second']:.1f} requests/s, "
        f"{found['pictures_per_second']:.1f} pictures/s",
        "latency     "
        + ", ".join(f"{name} {'-' if value is None else f'{value:.2f} s'}" for name, value in latency.items())
        + (" (to the last byte of the last picture)" if found["download"] else " (to the answer)"),
        *([f"films       {found['films_made']} were made meanwhile"] if found["films"] else []),
        f"turned away {found['busy']} as busy, {sum(found['errors'].values())} with an error",
        *(f"            {count} x {message}" for message, count in found["errors"].items()),
        f"memory      {memory['start']} at first, {memory['middle']} half way, {memory['end']} at the end, "
        f"{memory['peak']} at most",
        f"ready       {found['ready_seconds']:.1f} s after its start, {found['ready_ratio']:.2f} times a bare "
        f"`{IMPORTS}` ({found['import_seconds']:.1f} s)",
    ]
    return "\n".join(lines)
