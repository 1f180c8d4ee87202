"""What tests in every folder use: commands run here or in a process of their own, drawn pictures, files read again."""

import contextlib
import io
import json
import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from hub_server import TOKEN, Hub
from PIL import Image
from safetensors.torch import load_file, save_file

from artmodels.data import procedural
from artmodels.io.safetensors_io import read_header

ROOT = Path(__file__).resolve().parent.parent
FIXTURES = ROOT / "tests" / "fixtures"
STYLES = ("flow-field", "mosaic", "op-art")


def run(*command: str, cwd: Path = ROOT, **options) -> subprocess.CompletedProcess[str]:
    """A command of ours in a process of its own, with this interpreter."""
    return subprocess.run([sys.executable, *command], cwd=cwd, capture_output=True, text=True, timeout=900, **options)


def run_here(command: Callable[[], object]) -> subprocess.CompletedProcess[str]:
    """A command of ours in this process, which is quicker by the imports of another; its code is as Python's exit."""
    output, errors = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(output), contextlib.redirect_stderr(errors):
        try:
            code = command()
        except SystemExit as ended:
            code = ended.code
    status = code if isinstance(code, int) else int(isinstance(code, str))  # a text is an error, as in sys.exit
    return subprocess.CompletedProcess([], status, output.getvalue(), errors.getvalue())


def assert_one_clear_line(result: subprocess.CompletedProcess[str], *expected: str) -> None:
    """Exit code 2, one line on standard error, no traceback, and these words in it."""
    assert result.returncode == 2, result.stderr
    lines = [line for line in result.stderr.splitlines() if line.startswith("error: ")]
    assert len(lines) == 1 and "Traceback" not in result.stderr, result.stderr
    for words in expected:
        assert words in lines[0], lines[0]


@contextlib.contextmanager
def serving(command: list[str], log: Path, environment: dict[str, str], cwd: Path = ROOT) -> Iterator[str]:
    """An app in a process of its own, on a free port; its address, once it answers."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    environment = {**environment, "GRADIO_SERVER_PORT": str(port)}
    with log.open("w") as output:
        process = subprocess.Popen([sys.executable, *command], cwd=cwd, env=environment, stdout=output, stderr=output)
    address = f"http://127.0.0.1:{port}/"
    try:
        deadline = time.monotonic() + 600
        while True:
            assert time.monotonic() < deadline, log.read_text()
            try:
                with urllib.request.urlopen(address) as response:
                    assert response.status == 200
                    break
            except OSError:
                assert process.poll() is None, log.read_text()
                time.sleep(0.2)
        yield address
    finally:
        process.terminate()
        process.wait(timeout=30)


def hub_environment(hub: Hub, home: Path, **more: str) -> dict[str, str]:
    """The environment of a process that speaks with that Hub."""
    ours = {"HF_ENDPOINT": hub.address, "HF_HUB_OFFLINE": "0", "HF_HOME": str(home), "HF_TOKEN": TOKEN}
    return {**os.environ, **ours, **more}


def folder_files(folder: Path) -> dict[str, bytes]:
    """A folder as a commit's files."""
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def draw_pictures(folder: Path, per_style: int = 6, side: int = 48) -> Path:
    """A folder with one sub-folder of drawn PNGs per style."""
    for style in STYLES:
        (folder / style).mkdir(parents=True)
        for index in range(per_style):
            Image.fromarray(procedural.draw(style, index, side)).save(folder / style / f"{index}.png")
    return folder


def rewrite_companion(path: Path, change: Callable[[dict], object] | None = None, tensors=None, **texts: str) -> None:
    """Another companion of a model: what its JSON tells changed, or replaced by texts; its tensors replaced."""
    _, metadata = read_header(path)
    told = {name: json.loads(text) for name, text in metadata.items()}
    if change:
        change(told)
    save_file(tensors or load_file(path), path, {**{name: json.dumps(value) for name, value in told.items()}, **texts})


def image_array(path: Path) -> np.ndarray:
    with Image.open(path) as picture:
        return np.asarray(picture.convert("RGB")).astype(int)


def frame_count(film: Image.Image) -> int:
    """Of an animated picture."""
    return getattr(film, "n_frames", 1)


def read_jsonl(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


def slowness() -> float:
    """How many times longer things may take, while so much else runs on this machine: 1 where its cores are free."""
    began, spent = time.perf_counter(), time.process_time()
    sum(range(3_000_000))
    waited = (time.perf_counter() - began) / max(time.process_time() - spent, 1e-3)  # for a core, at this moment
    return max(1.0, waited, os.getloadavg()[0] / (os.cpu_count() or 1))
