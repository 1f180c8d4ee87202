"""How soon a sound moves the page Live: from Chromium's fake microphone to a changed canvas, on one thread.

python benchmarks/web_live.py --model checkpoints/masters
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

import numpy as np
from commands import changed

from artmodels.cli.arguments import OneLineParser, natural
from artmodels.hub.space import write_space
from artmodels.io.errors import main_with_clear_errors
from artmodels.io.files import write_atomically, write_json
from artmodels.signals.audio_file import write_sound
from artmodels.signals.synthesis import click, hiss, kick, place
from artmodels.web.serve import serving_folder
from artmodels.web.static_space import web_files

MODEL, HITS, RESULTS = "checkpoints/masters", 40, Path("benchmarks/results/web")
MISSED = 500.0  # milliseconds after which a hit that has moved nothing is missed
STIRRED, LEAST = (
    4,
    1.0,
)  # times what changes just before a hit, and levels of 255: from there on it has moved the canvas
FAKE = ("--no-sandbox", "--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream")
LISTENS = "artmodels.livePage.session?.microphone?.source && artmodels.livePage.stage.to"

# Hits are found in what the device delivers, by the times at which it does so: in a copy of its track, beside all that
# the page does with the sound. The clock of these times is that of the page as far as the fastest delivery tells. The
# canvas is read back at each frame; its change is the mean difference of levels, of 255, from the frame before.
WATCH = """
async (hits) => {
  const [track] = artmodels.livePage.session.microphone.stream.getAudioTracks(), copy = track.clone();
  const reader = new MediaStreamTrackProcessor({ track: copy }).readable.getReader();
  const small = new OffscreenCanvas(32, 32).getContext('2d', { willReadFrequently: true });
  const heard = [], frames = [];
  let before = null, clock = Infinity, ended = false;
  const look = () => {
    small.drawImage(document.querySelector('#live'), 0, 0, 32, 32);
    const { data } = small.getImageData(0, 0, 32, 32);
    const change = before ? data.reduce((sum, level, at) => sum + Math.abs(level - before[at]), 0) / (32 * 32 * 3) : 0;
    frames.push([performance.now(), change]);
    before = data;
    if (!ended) requestAnimationFrame(look);
  };
  requestAnimationFrame(look);
  while (heard.length < hits + 2) { // the first may have begun before, and the last one is not answered yet
    const { value } = await reader.read();
    const samples = new Float32Array(value.numberOfFrames), delivered = value.timestamp / 1000;
    value.copyTo(samples, { planeIndex: 0, format: 'f32-planar' });
    clock = Math.min(clock, performance.now() - delivered);
    const first = samples.findIndex((sample) => Math.abs(sample) > 0.03);
    const time = delivered - (1000 * (samples.length - first)) / value.sampleRate;
    if (first >= 0 && time - (heard.at(-1)?.last ?? -1e9) > 300) heard.push({ time, last: time });
    else if (first >= 0) heard.at(-1).last = time;
    value.close();
  }
  ended = true;
  copy.stop();
  return { heard: heard.slice(1, hits + 1).map(({ time }) => time + clock), frames };
}
"""


def main() -> None:
    chosen = parse_arguments()
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else None
    from playwright.sync_api import sync_playwright

    with tempfile.TemporaryDirectory() as temporary, sync_playwright() as playwright:
        folder, sound = Path(temporary) / "page", Path(temporary) / "hits.wav"
        write_space(folder, web_files(chosen.model))
        write_sound(hits(), sound)
        browser = with_microphone(playwright, sound)
        version = browser.version
        found = latencies(browser, folder, chosen.hits)
        browser.close()
    command = "python benchmarks/web_live.py" + changed(chosen, model=MODEL, hits=HITS, results=RESULTS)
    table = table_of(found, version, command, load)
    print(table)
    chosen.results.mkdir(parents=True, exist_ok=True)
    report = {"command": command, "chromium": version, "load_before": load, "milliseconds": found}
    write_json(chosen.results / "live.json", report)
    write_atomically(chosen.results / "live.md", table.encode())


def parse_arguments() -> argparse.Namespace:
    parser = OneLineParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--model", default=MODEL, help=f"a model folder, or a Hub id (default: {MODEL})")
    parser.add_argument("--hits", type=natural, default=HITS, help=f"sounds that are waited for (default: {HITS})")
    parser.add_argument("--results", type=Path, default=RESULTS, help=f"a folder for the table (default: {RESULTS})")
    return parser.parse_args()


def hits(count: int = 9, seed: int = 1) -> np.ndarray:
    """Samples: a bass drum, a click and a hi-hat in turn, at uneven times."""
    times = np.cumsum(np.random.default_rng(seed).uniform(0.7, 1.1, count))
    sounds = (kick(), click(), hiss(0.2, 0.05, seed))
    parts = [place(times[-1] + 0.5, times[turn::3], each / np.abs(each).max(), 0.7) for turn, each in enumerate(sounds)]
    return np.sum(parts, axis=0)


def with_microphone(playwright: Any, sound: Path) -> Any:
    """A Chromium whose microphone hears this file over and over."""
    heard = f"--use-file-for-fake-audio-capture={sound}"
    return playwright.chromium.launch(executable_path=shutil.which("chromium"), args=[*FAKE, heard])


def latencies(browser: Any, folder: Path, count: int) -> list[float]:
    """Milliseconds from each of so many hits to the canvas that it has moved; the page has one thread."""
    with serving_folder(folder, isolated=False) as address:
        context = browser.new_context(viewport={"width": 1440, "height": 900}, reduced_motion="no-preference")
        page = context.new_page()
        page.goto(address)
        page.wait_for_function("() => document.body.dataset.state === 'painted'", timeout=120_000)
        page.evaluate("artmodels.go('live')")
        page.locator("#live-start").click()
        page.wait_for_function(f"() => {LISTENS}", timeout=60_000)
        watched = page.evaluate(WATCH, count)
        context.close()
    times, changes = np.array(watched["frames"]).T
    return [latency(hit, times, changes) for hit in watched["heard"]]


def latency(hit: float, times: np.ndarray, changes: np.ndarray) -> float:
    """Milliseconds from a hit until the frame that changes more than drifting does; `MISSED` if none comes."""
    before = changes[(times > hit - 200) & (times < hit)]
    moved = changes > max(STIRRED * float(np.median(before)) if len(before) else 0, LEAST)
    after = times[moved & (times > hit) & (times < hit + MISSED)]
    return float(after[0] - hit) if len(after) else MISSED


def table_of(found: list[float], version: str, command: str, load: float | None) -> str:
    """What was measured, in Markdown."""
    worst = np.percentile(found, 95)
    others = "" if load is None else f", on which other work was a load of {load:.1f}"
    return (
        "| sounds | median, ms | 95 % within, ms | slowest, ms |\n| ---: | ---: | ---: | ---: |\n"
        f"| {len(found)} | {statistics.median(found):.0f} | {worst:.0f} | {max(found):.0f} |\n\n"
        f"From what Chromium {version}'s fake microphone delivers to the frame of the canvas that it moves, on one\n"
        f"thread, while the worker paints ahead; what a real device and a screen take comes on top.\n"
        f"{os.cpu_count()} cores{others}.\n\n    {command}\n"
    )


if __name__ == "__main__":
    raise SystemExit(main_with_clear_errors(main))
