"""A day of visitors in twenty minutes: people who paint, film, upload, transfer a style, and leave in the middle.

python benchmarks/soak.py --minutes 20

The studio runs as a process of its own, which deletes files after --keep minutes, so that its disk has a level to keep.
Visitors come at a steady pace, whatever the machine: the level would follow its speed otherwise.
Memory is the resident memory of that process and its children, disk what lies in its temporary folder. Both should be
as high in the last quarter as in the second: in the first, everything is still being loaded.

Written to --results: `soak.json` with all that was seen, and `table.md`.
"""

import argparse
import asyncio
import io
import os
import random
import ssl
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import date
from pathlib import Path
from statistics import mean
from typing import Any

import httpx
import numpy as np
from PIL import Image

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from artmodels.benchmarking.serve import Memory, Refused, app_environment, browse, call, serving
from artmodels.cli.arguments import OneLineParser
from artmodels.io.device import describe_machine
from artmodels.io.errors import main_with_clear_errors
from artmodels.io.files import write_json

ROOT = Path(__file__).resolve().parent.parent
LOOK_EVERY = 5.0  # seconds
FLAT = 0.05  # of the second quarter, by which the last may differ
QUARTERS = 4
CROWD = {"paint": 4, "film": 1, "open": 2, "look": 1, "transfer": 1, "leave": 2}
PACE = {"paint": 4, "film": 60, "open": 4, "look": 4, "transfer": 60, "leave": 8}  # seconds from one visit to the next
SIZE = 400  # px of the pictures that are uploaded


class Visitor:
    """Somebody who does one kind of thing over and over, a little differently each time."""

    def __init__(self, kind: str, number: int, page: dict[str, Any], browser: httpx.AsyncClient):
        self.kind, self.page, self.browser = kind, page, browser
        self.chance = random.Random(f"{kind} {number}")
        self.session = f"{kind}-{number}"
        self.visits = 0

    async def act(self) -> None:
        """Do it once.

        Raises:
            Refused, httpx.HTTPError: it did not work.
        """
        acts: dict[str, Callable[[], Awaitable[Any]]] = {
            "paint": self.paint,
            "film": self.film,
            "open": self.open,
            "look": self.look,
            "transfer": self.transfer,
            "leave": self.leave,
        }
        self.visits += 1
        await acts[self.kind]()

    async def paint(self) -> None:
        (wall,) = await call(self.browser, "generate", ["all styles", self.chance.randrange(2**32), 8])
        await self.download(wall[0]["image"]["path"])

    async def film(self) -> None:
        (film,) = await call(self.browser, "film", [[self.chance.randrange(2**32) for _ in range(3)]])
        await self.download(film["path"])

    async def open(self) -> None:
        """Paint a picture, and bring it back as one's own file."""
        (wall,) = await call(self.browser, "generate", ["all styles", self.chance.randrange(2**32), 1])
        content = await self.download(wall[0]["image"]["path"])
        await call(self.browser, "recipe", ["", await self.upload(content)])

    async def look(self) -> None:
        """Have a photo of one's own explained."""
        await self.press("look-at-file", "upload", {"look-at-file": await self.upload(self.photo())})

    async def transfer(self) -> None:
        """Have a photo of one's own repainted."""
        await self.press("begin", "click", {"rework-file": await self.upload(self.photo())})

    async def leave(self) -> None:
        """Ask for much, and do not wait for it."""
        with suppress(TimeoutError):
            async with asyncio.timeout(self.chance.uniform(0.2, 2)):
                if self.chance.random() < 0.5:
                    await call(self.browser, "film", [[1, 2, 3]])
                else:
                    await call(self.browser, "generate", ["all styles", self.chance.randrange(2**32), 36])

    async def download(self, path: str) -> bytes:
        return (await self.browser.get(f"/gradio_api/file={path}")).raise_for_status().content

    async def upload(self, content: bytes) -> dict[str, Any]:
        answer = await self.browser.post("/gradio_api/upload", files={"files": ("picture.png", content)})
        return {"path": answer.raise_for_status().json()[0], "meta": {"_type": "gradio.FileData"}}

    def photo(self) -> bytes:
        noise = np.random.default_rng(self.chance.randrange(2**32)).integers(0, 256, (8, 8, 3), dtype=np.uint8)
        content = io.BytesIO()
        Image.fromarray(noise).resize((SIZE, SIZE), Image.Resampling.BICUBIC).save(content, "PNG")
        return content.getvalue()

    async def press(self, elem_id: str, kind: str, values: dict[str, Any]) -> None:
        """What the page does on an event of a component, to the end of its news; the other inputs stand as they came.

        Raises:
            Refused: the page shows an error.
        """
        names = {part["id"]: part["props"].get("elem_id") for part in self.page["components"]}
        stand = {part["id"]: part["props"].get("value") for part in self.page["components"]}
        target = next(number for number, name in names.items() if name == elem_id)
        chosen = next(one for one in self.page["dependencies"] if [target, kind] in one["targets"])
        data = [values.get(str(names[number]), stand[number]) for number in chosen["inputs"]]
        session = f"{self.session}-{self.visits}"
        body = {"data": data, "fn_index": chosen["id"], "session_hash": session}
        (await self.browser.post("/gradio_api/queue/join", json=body)).raise_for_status()
        async with self.browser.stream("GET", f"/gradio_api/queue/data?session_hash={session}") as news:
            async for line in news.aiter_lines():
                if '"process_completed"' in line and '"success":false' in line:
                    raise Refused(line[:200])


async def visit(address: str, minutes: float, crowd: dict[str, int], look: Callable[[], None]) -> dict[str, Any]:
    """Let everybody come; what they did, how often, and what went wrong."""
    context, until = ssl.create_default_context(), time.monotonic() + 60 * minutes
    done: Counter[str] = Counter()
    wrong: Counter[str] = Counter()
    async with browse(address, context) as browser:
        page = (await browser.get("/config")).raise_for_status().json()

    async def stay(kind: str, number: int) -> None:
        async with browse(address, context) as browser:
            visitor = Visitor(kind, number, page, browser)
            due = time.monotonic() + PACE[kind] * number / crowd[kind]
            while due < until:
                await asyncio.sleep(max(0, due - time.monotonic()))
                due = max(due, time.monotonic()) + PACE[kind]
                try:
                    await visitor.act()
                    done[kind] += 1
                except (Refused, httpx.HTTPError) as error:
                    wrong[f"{kind}: {error or type(error).__name__}"[:160]] += 1

    async def watch() -> None:
        while time.monotonic() < until:
            look()
            await asyncio.sleep(LOOK_EVERY)

    await asyncio.gather(watch(), *(stay(kind, number) for kind, count in crowd.items() for number in range(count)))
    return {"done": dict(done), "wrong": dict(wrong)}


def soak(chosen: argparse.Namespace) -> None:
    crowd = {kind: count for kind, count in CROWD.items() if not chosen.only or kind in chosen.only}
    environment = app_environment(chosen.model) | {"ARTMODELS_FILES_MINUTES": str(chosen.keep)}
    seen: list[dict[str, float]] = []
    with tempfile.TemporaryDirectory() as folder, serving(environment, Path(folder)) as (process, address, _):
        memory, began = Memory(process.pid), time.monotonic()

        def look() -> None:
            memory.look()
            size = size_of(Path(folder))
            seen.append({"seconds": time.monotonic() - began, "memory": memory.seen[-1][1], "disk": size})

        met = asyncio.run(visit(address, chosen.minutes, crowd, look))
    found: dict[str, Any] = {
        "date": date.today().isoformat(),
        "machine": describe_machine(),
        "cores": os.cpu_count(),
        "crowd": crowd,
    }
    found |= {"minutes": chosen.minutes, "keep": chosen.keep, **met, "seen": seen}
    chosen.results.mkdir(parents=True, exist_ok=True)
    write_json(chosen.results / "soak.json", found)
    text = table(found)
    (chosen.results / "table.md").write_text(text, "utf-8")
    print(text)


def size_of(folder: Path) -> int:
    """Bytes of all files below a folder, in which others write and delete meanwhile."""
    total = 0
    for place, _, names in os.walk(folder):
        for name in names:
            with suppress(OSError):
                total += os.lstat(os.path.join(place, name)).st_size
    return total


def quarters(seen: list[dict[str, float]], name: str, seconds: float) -> list[float]:
    """The mean of what was seen in each quarter of so many seconds."""
    parts: list[list[float]] = [[] for _ in range(QUARTERS)]
    for sight in seen:
        parts[min(int(QUARTERS * sight["seconds"] / seconds), QUARTERS - 1)].append(sight[name])
    return [mean(part) if part else float("nan") for part in parts]


def table(found: dict[str, Any]) -> str:
    people = ", ".join(f"{count} who {kind}" for kind, count in found["crowd"].items())
    lines = [
        "# The studio in the long run",
        "",
        f"{found['minutes']:g} minutes of {people}, on {found['machine']} ({found['cores']} cores), {found['date']}; "
        f"files are deleted after {found['keep']:g} min. Means of each quarter; flat is a last quarter within "
        f"{FLAT:.0%} of the second.",
        "",
        "| | first quarter | second | third | last | last over second | |",
        "| --- | ---: | ---: | ---: | ---: | ---: | --- |",
    ]
    for name in ("memory", "disk"):
        means = quarters(found["seen"], name, 60 * found["minutes"])
        ratio = means[-1] / means[1] if means[1] else float("nan")
        verdict = "flat" if abs(ratio - 1) <= FLAT else "grows" if ratio > 1 else "falls"
        lines.append(
            f"| {name} | " + " | ".join(f"{size / 1e6:,.1f} MB" for size in means) + f" | {ratio:.3f} | {verdict} |"
        )
    lines += ["", "| what they did | times |", "| --- | ---: |"]
    lines += [f"| {kind} | {count} |" for kind, count in sorted(found["done"].items())]
    wrong = [f"- went wrong {count} times: {words}" for words, count in found["wrong"].items()]
    lines += ["", *(wrong or ["Nothing went wrong."])]
    lines += ["", f"`python benchmarks/soak.py --minutes {found['minutes']:g}`"]
    return "\n".join(lines) + "\n"


def parse_arguments() -> argparse.Namespace:
    parser = OneLineParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("--minutes", type=float, default=20)
    add("--keep", type=float, default=1, metavar="MINUTES", help="after which the studio deletes a file")
    add("--only", nargs="+", choices=CROWD, metavar="KIND", help=f"visitors of some kinds alone, of {', '.join(CROWD)}")
    add("--model", help="a folder or Hub id; the app's own without it")
    add("--results", type=Path, default=ROOT / "benchmarks" / "results" / "soak", metavar="FOLDER")
    chosen = parser.parse_args()
    if not (chosen.minutes > 0 and chosen.keep > 0):
        parser.error("--minutes and --keep must be above 0")
    return chosen


def main() -> int:
    chosen = parse_arguments()
    return main_with_clear_errors(lambda: soak(chosen))


if __name__ == "__main__":
    sys.exit(main())
