"""What the tests share: a small generator, folders of drawn pictures, and a data cache of their own."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"  # these two are read when the libraries are imported
os.environ["HF_HUB_OFFLINE"] = "1"

import numpy as np
import pytest
import torch
from PIL import Image

from artmodels import procedural
from artmodels.hub import LoadedModel, load_model
from artmodels.models.generator import ArtGenerator, GeneratorConfig

ROOT = Path(__file__).resolve().parent.parent
STYLES = ("flow-field", "mosaic", "op-art")


@pytest.fixture(autouse=True, scope="session")
def data_cache(tmp_path_factory) -> Path:
    """No test reads or writes the user's own cache."""
    folder = tmp_path_factory.mktemp("cache")
    os.environ["ARTMODELS_CACHE"] = str(folder)
    return folder


def make_generator(styles: tuple[str, ...] = STYLES, resolution: int = 32, seed: int = 0) -> ArtGenerator:
    """A generator whose random weights make pictures that differ: statistics and means as after training."""
    torch.manual_seed(seed)
    config = GeneratorConfig(resolution, styles, latent_dim=16, width=4, max_channels=16)
    generator = ArtGenerator(config)
    generator.train()
    with torch.no_grad():
        for _ in range(20):
            generator(torch.randn(16, 16), torch.eye(len(styles))[torch.randint(len(styles), (16,))])
    generator.update_mean_w(torch.randn(256, 16))
    return generator.requires_grad_(False).eval()


@pytest.fixture(scope="session")
def generator() -> ArtGenerator:
    return make_generator()


@pytest.fixture(scope="session")
def model_folder(tmp_path_factory, generator) -> Path:
    folder = tmp_path_factory.mktemp("models") / "sketcher"
    generator.save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def model(model_folder) -> LoadedModel:
    return load_model(model_folder)


def draw_pictures(folder: Path, per_style: int = 6, side: int = 48) -> Path:
    """A folder with one sub-folder of drawn PNGs per style."""
    for style in STYLES:
        (folder / style).mkdir(parents=True)
        for index in range(per_style):
            Image.fromarray(procedural.draw(style, index, side)).save(folder / style / f"{index}.png")
    return folder


@pytest.fixture
def pictures(tmp_path) -> Path:
    return draw_pictures(tmp_path / "paintings")


def run(*command: str, cwd: Path = ROOT, **options) -> subprocess.CompletedProcess[str]:
    """A command of ours in a process of its own, with this interpreter."""
    return subprocess.run([sys.executable, *command], cwd=cwd, capture_output=True, text=True, timeout=240, **options)


def run_here(command: Callable[[], int], capsys: pytest.CaptureFixture[str]) -> subprocess.CompletedProcess[str]:
    """A command of ours in this process, which is quicker by the imports of another."""
    capsys.readouterr()
    try:
        code = command()
    except SystemExit as ended:
        code = ended.code
    captured = capsys.readouterr()
    return subprocess.CompletedProcess([], code, captured.out, captured.err)


def assert_one_clear_line(result: subprocess.CompletedProcess[str], *expected: str) -> None:
    """Exit code 2, one line on standard error, no traceback, and these words in it."""
    assert result.returncode == 2, result.stderr
    lines = [line for line in result.stderr.splitlines() if line.startswith("error: ")]
    assert len(lines) == 1 and "Traceback" not in result.stderr, result.stderr
    for words in expected:
        assert words in lines[0], lines[0]


def image_array(path: Path) -> np.ndarray:
    with Image.open(path) as picture:
        return np.asarray(picture.convert("RGB")).astype(int)


def read_jsonl(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]
