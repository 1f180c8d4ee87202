"""How long a visitor of the page without a server waits: Chromium on this machine, on one thread and on several.

python benchmarks/web.py --model checkpoints/masters
"""

import argparse
import os
import shutil
import statistics
import sys
import tempfile
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from commands import changed

from artmodels.cli.arguments import OneLineParser, natural
from artmodels.hub.space import write_space
from artmodels.io.errors import main_with_clear_errors
from artmodels.io.files import write_atomically, write_json
from artmodels.web.serve import serving_folder
from artmodels.web.static_space import web_files

MODEL, VISITS, RESULTS = "checkpoints/masters", 3, Path("benchmarks/results/web")
HEADINGS = (
    "threads",
    "first picture, s",
    "wall of 24, s",
    "one picture, ms",
    "page answers within, ms",
    "at most, ms",
)
WHOLE = "document.querySelectorAll('#wall .frame').length === 24 && !document.querySelector('#wall .frame[aria-busy]')"
FIRST = "document.querySelector('#wall .frame img[src]')"
WATCH = """
(() => {
  const delays = [];
  let asked = performance.now();
  const channel = new MessageChannel();
  channel.port1.onmessage = () => { delays.push(performance.now() - asked); setTimeout(ask, 5); };
  const ask = () => { asked = performance.now(); channel.port2.postMessage(0); };
  const seen = {};
  const look = () => {
    if (!seen.first && FIRST) seen.first = performance.now();
    if (!seen.wall && WHOLE) seen.wall = performance.now();
    if (!seen.wall) setTimeout(look, 5);
  };
  self.measured = { delays, seen };
  addEventListener('DOMContentLoaded', () => { ask(); look(); });
})();
""".replace("FIRST", FIRST).replace("WHOLE", WHOLE)


def main() -> None:
    chosen = parse_arguments()
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else None
    from playwright.sync_api import sync_playwright

    with tempfile.TemporaryDirectory() as temporary, sync_playwright() as playwright:
        folder = Path(temporary) / "page"
        write_space(folder, web_files(chosen.model))
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        version = browser.version
        visits = [visit(browser, folder, isolated) for isolated in (False, True) for _ in range(chosen.visits)]
        browser.close()
    command = "python benchmarks/web.py" + changed(chosen, model=MODEL, visits=VISITS, results=RESULTS)
    table = table_of(visits, version, command, load)
    print(table)
    chosen.results.mkdir(parents=True, exist_ok=True)
    write_json(
        chosen.results / "page.json", {"command": command, "chromium": version, "load_before": load, "visits": visits}
    )
    write_atomically(chosen.results / "table.md", table.encode())


def parse_arguments() -> argparse.Namespace:
    parser = OneLineParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--model", default=MODEL, help=f"a model folder, or a Hub id (default: {MODEL})")
    parser.add_argument("--visits", type=natural, default=VISITS, help=f"new visitors, each way (default: {VISITS})")
    parser.add_argument("--results", type=Path, default=RESULTS, help=f"a folder for the table (default: {RESULTS})")
    return parser.parse_args()


def visit(browser: Any, folder: Path, isolated: bool) -> dict[str, float]:
    """What a visitor who was never here waits for; the page comes from this machine, so no network is in it."""
    with serving_folder(folder, isolated) as address:
        context = browser.new_context(viewport={"width": 1440, "height": 900})
        page = context.new_page()
        page.add_init_script(WATCH)
        page.goto(address)
        page.wait_for_function("() => measured.seen.wall", timeout=300_000)
        measured, times = page.evaluate("[measured, artmodels.painter.times]")
        threads = page.evaluate("import('./page/painter.js').then(({ threads }) => threads())")
        context.close()
    delays = sorted(measured["delays"])
    return {
        "threads": threads,
        "first_picture": measured["seen"]["first"] / 1000,
        "wall": measured["seen"]["wall"] / 1000,
        "picture": statistics.median(times),
        "answers_95": delays[int(0.95 * (len(delays) - 1))],
        "answers_slowest": delays[-1],
    }


def table_of(visits: list[dict[str, float]], version: str, command: str, load: float | None) -> str:
    """The medians of the visits with as many threads, in Markdown."""
    rows = []
    for threads in sorted({visit["threads"] for visit in visits}):
        own = [visit for visit in visits if visit["threads"] == threads]
        first, wall, picture, answers, slowest = (
            statistics.median(visit[key] for visit in own)
            for key in ("first_picture", "wall", "picture", "answers_95", "answers_slowest")
        )
        rows.append(f"| {threads:g} | {first:.2f} | {wall:.2f} | {picture:.0f} | {answers:.1f} | {slowest:.0f} |\n")
    head = f"| {' | '.join(HEADINGS)} |\n|{' ---: |' * len(HEADINGS)}\n"
    others = "" if load is None else f", on which other work was a load of {load:.1f}"
    told = (
        f"Medians of visits by somebody who was never here, in Chromium {version}, from its first byte. The page\n"
        "answers within: 95 % of its turns until the wall is painted; at most: the slowest of them.\n"
        f"{os.cpu_count()} cores{others}."
    )
    return f"{head}{''.join(rows)}\n{told}\n\n    {command}\n"


if __name__ == "__main__":
    raise SystemExit(main_with_clear_errors(main))
