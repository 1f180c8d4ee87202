"""Run every command of README, CONTRIBUTING and docs/ as it is printed, in a fresh clone with its own environment.

python docs/run_commands.py --clone /tmp/artmodels --data train.zip --test-data test.zip

The Hub that they speak with is the one of the tests, on 127.0.0.1. What the papers take for granted is put there first:
pictures in `my_paintings/`, the two collections, a photo, a song, a clip. A command that takes longer than `--limit`
gets what Ctrl-C sends; a model that a stopped run did not get to is the one it began with, or that of the tiny run. A
table of how each one ended goes to standard output, as Markdown.
"""

import argparse
import contextlib
import os
import re
import shutil
import signal
import subprocess
import sys
import time
import urllib.request
import zipfile
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))

import numpy as np
from hub_server import Hub
from PIL import Image
from sounds import write_clip, write_encoded

from artmodels.cli.arguments import OneLineParser
from artmodels.io.errors import main_with_clear_errors
from artmodels.signals.synthesis import moving_disc, our_song

ROOT = Path(__file__).resolve().parent.parent
PAINTINGS = 300  # in my_paintings/
STUDIO = "http://127.0.0.1:7860/"
GRACE = 90.0  # seconds that a stopped command has to write what it must not lose
PLACEHOLDERS = {"MODEL": "checkpoints/masters"}


def printed_commands() -> list[tuple[str, str]]:
    """Every command in a fenced block of shell, with the paper that prints it; continued lines are one."""
    found = []
    for paper in [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]:
        for block in re.findall(r"^```sh\n(.*?)^```", paper.read_text("utf-8"), re.DOTALL | re.MULTILINE):
            for line in block.replace("\\\n", " ").splitlines():
                for command in re.sub(r"(^|\s)#.*", "", line).split("&&"):
                    found += [(str(paper.relative_to(ROOT)), command.strip())] if command.strip() else []
    return found


@dataclass
class Outcome:
    """How a command ended."""

    how: str
    seconds: float
    said: str  # the last line


class Clone:
    """A fresh clone, in which commands run as in a shell of a visitor of the papers."""

    def __init__(self, folder: Path, hub: Hub, limit: float):
        self.folder, self.limit = folder, limit
        own = folder.parent / f"{folder.name}-venv"
        subprocess.run(["git", "clone", "-q", str(ROOT), str(folder)], check=True)
        subprocess.run([sys.executable, "-m", "venv", str(own)], check=True)
        self.environment = {
            **{name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "VIRTUAL_ENV")},
            "PATH": f"{own / 'bin'}:{os.environ['PATH']}",
            "HF_ENDPOINT": hub.address,
            "HF_HOME": str(folder.parent / f"{folder.name}-home"),
            "HF_TOKEN": "hf_writes",
            "HF_HUB_DISABLE_XET": "1",
            "GRADIO_ANALYTICS_ENABLED": "False",
        }
        self.studio: subprocess.Popen | None = None
        self.event = ""  # what the studio's API said that its answer is called
        self.began_with: dict[str, Path] = {}  # the model of each run that was started from one

    def run(self, command: str) -> Outcome:
        """Run one printed command, after what the papers take for granted was put there."""
        for word, meant in PLACEHOLDERS.items():
            command = re.sub(rf"\b{word}\b", meant, command)
        if command.startswith(("git clone", "cd artmodels")):
            return Outcome("done at the start", 0.0, "")
        if command.startswith("hf auth login"):
            return Outcome("left out: it asks for a token", 0.0, "")
        if missing := self.make_room(command):
            return Outcome(f"left out: {missing}", 0.0, "")
        if command.endswith("python app.py"):
            return self.open_studio(command)
        began, log = time.monotonic(), self.folder.parent / f"{self.folder.name}.log"
        with log.open("wb") as output:
            process = self.start(command.replace("EVENT_ID", self.event), output)
            try:
                how = f"exit {process.wait(self.limit)}"
            except subprocess.TimeoutExpired:
                how = self.stop(process)
        said = [line.strip() for line in log.read_text("utf-8", errors="replace").splitlines() if line.strip()]
        if told := re.search(r'"event_id": *"(\w+)"', log.read_text("utf-8", errors="replace")):
            self.event = told[1]
        return Outcome(how, time.monotonic() - began, said[-1] if said else "")

    def start(self, command: str, output) -> subprocess.Popen:
        return subprocess.Popen(
            ["bash", "-c", command],
            cwd=self.folder,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )

    def stop(self, process: subprocess.Popen) -> str:
        """End a command as Ctrl-C in its terminal would, and wait for all that it started."""
        os.killpg(process.pid, signal.SIGINT)
        until = time.monotonic() + GRACE
        with contextlib.suppress(ProcessLookupError):  # nobody of the group is left
            while time.monotonic() < until:
                process.poll()
                os.killpg(process.pid, 0)
                time.sleep(0.2)
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            return f"did not stop within {GRACE:.0f} s after {self.limit:.0f}"
        return f"stopped after {self.limit:.0f} s"

    def make_room(self, command: str) -> str:
        """Remove the run that a command begins anew, and lay a model where it reads one that no run got to.

        What it says stands in the command's way, if anything does.
        """
        begun = re.search(r"--output (runs/\w+)", command)
        for run in set(re.findall(r"runs/\w+", command)) - ({begun[1]} if begun else set()):
            model = self.began_with.get(run, self.folder.parent / f"{self.folder.name}-tiny")
            if not (self.folder / run / "model").exists() and model.exists():
                shutil.copytree(model, self.folder / run / "model")
        if begun and "--resume" in command:
            return "" if (self.folder / begun[1]).exists() else "no command before it began this run"
        if begun:
            shutil.rmtree(self.folder / begun[1], ignore_errors=True)
            self.began_with.pop(begun[1], None)
            if started := re.search(r"--init (\S+)", command):
                self.began_with[begun[1]] = self.folder / started[1]
        return ""

    def keep_tiny(self) -> None:
        """The model of the tiny run stands in for those of longer ones, from now on."""
        tiny = self.folder.parent / f"{self.folder.name}-tiny"
        if not tiny.exists() and (self.folder / "runs/first/model").exists():
            shutil.copytree(self.folder / "runs/first/model", tiny)

    def open_studio(self, command: str) -> Outcome:
        """Start the studio, which stays until the paper ends."""
        self.close_studio()
        began = time.monotonic()
        with (self.folder.parent / f"{self.folder.name}-studio.log").open("wb") as output:
            self.studio = self.start(command, output)
        while time.monotonic() < began + 180:
            try:
                with urllib.request.urlopen(STUDIO) as answer:
                    return Outcome(f"answers {answer.status}", time.monotonic() - began, "")
            except OSError:
                if self.studio.poll() is not None:
                    return Outcome(f"exit {self.studio.poll()}", time.monotonic() - began, "")
                time.sleep(0.2)
        return Outcome("never answers", time.monotonic() - began, "")

    def close_studio(self) -> None:
        if self.studio:
            with contextlib.suppress(ProcessLookupError):  # it ended by itself
                os.killpg(self.studio.pid, signal.SIGTERM)
            self.studio.wait()
            self.studio = None


def lay_out(folder: Path, data: Path, test_data: Path) -> None:
    """What the papers take for granted: pictures, collections, a photo, a painting, a song, a clip."""
    for path, name in ((data, "train.zip"), (test_data, "test.zip")):
        shutil.copyfile(path, folder / name)
    (folder / "my_paintings").mkdir()
    with zipfile.ZipFile(test_data) as collection:
        pictures = [name for name in collection.namelist() if name.endswith((".jpg", ".png"))]
        for name in pictures[:: max(1, len(pictures) // PAINTINGS)]:
            collection.extract(name, folder / "my_paintings")
        with collection.open(pictures[0]) as painting:
            Image.open(painting).convert("RGB").save(folder / "painting.jpg")
    shutil.copyfile(sorted((ROOT / "artmodels/studio/photos").glob("*.jpg"))[0], folder / "photo.jpg")
    write_encoded(our_song(), folder / "song.mp3")
    write_clip(moving_disc(4 * np.sin(np.arange(240) / 12) ** 2), folder / "clip.mp4")


def run_all(chosen: argparse.Namespace) -> None:
    if chosen.clone.exists():
        raise ValueError(f"--clone {chosen.clone} exists: name a new folder")
    signal.signal(signal.SIGINT, signal.default_int_handler)  # also where this runs in the background of a shell
    hub = Hub()
    try:
        clone = Clone(chosen.clone.resolve(), hub, chosen.limit)
        lay_out(clone.folder, chosen.data, chosen.test_data)
        print("| paper | command | how it ended | seconds | its last line |\n| --- | --- | --- | ---: | --- |")
        paper_before = ""
        for paper, command in printed_commands():
            if paper != paper_before:
                clone.close_studio()
            paper_before = paper
            if chosen.only and not any(part in f"{paper} {command}" for part in chosen.only):
                continue
            outcome = clone.run(command)
            clone.keep_tiny()
            said = outcome.said.replace("|", "/")[:100]
            print(f"| {paper} | `{command}` | {outcome.how} | {outcome.seconds:.0f} | {said} |", flush=True)
        clone.close_studio()
    finally:
        hub.close()


def parse_arguments() -> argparse.Namespace:
    parser = OneLineParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clone", required=True, type=Path, metavar="FOLDER", help="where the fresh clone goes")
    parser.add_argument("--data", required=True, type=Path, metavar="ZIP", help="what the papers call train.zip")
    parser.add_argument("--test-data", required=True, type=Path, metavar="ZIP", help="what they call test.zip")
    parser.add_argument("--limit", type=float, default=120, metavar="S", help="seconds for a command (default: 120)")
    parser.add_argument("--only", nargs="+", metavar="TEXT", help="papers or commands that hold one of these")
    return parser.parse_args()


def main() -> int:
    chosen = parse_arguments()
    return main_with_clear_errors(lambda: run_all(chosen))


if __name__ == "__main__":
    sys.exit(main())
