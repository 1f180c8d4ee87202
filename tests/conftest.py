"""What the tests share: a small generator, folders of drawn pictures, and a data cache of their own."""

import contextlib
import json
import os
import pickle
import socket
import subprocess
import sys
import time
import types
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

os.environ |= {  # read when the libraries are imported
    "GRADIO_ANALYTICS_ENABLED": "False",
    "HF_HUB_OFFLINE": "1",  # but for tests with a Hub of their own
    "HF_HUB_DISABLE_XET": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "HF_HUB_DISABLE_PROGRESS_BARS": "1",
    "HF_HUB_ETAG_TIMEOUT": "2",
    "HF_HUB_DOWNLOAD_TIMEOUT": "1",
    # The workers of the tests share the cores, and so do the processes that they start.
    "OMP_NUM_THREADS": str(max(1, (os.cpu_count() or 1) // int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1")))),
}
os.environ.pop("HF_TOKEN", None)

import numpy as np
import pytest
import torch
from hub_server import TOKEN, Hub
from huggingface_hub import constants
from PIL import Image
from safetensors.torch import load_file, save_file

from artmodels.cli.main import main
from artmodels.data import procedural
from artmodels.hub.companions.classifier import save_classifier
from artmodels.hub.companions.directions import save_directions
from artmodels.hub.companions.neighbours import find_neighbours, save_neighbours
from artmodels.hub.companions.prompt import save_prompt
from artmodels.hub.companions.style_statistics import save_style_statistics
from artmodels.hub.companions.upscaler import save_upscaler
from artmodels.hub.load import LoadedModel, load_model
from artmodels.hub.pretrained import ArtGenerator
from artmodels.io.files import sha256
from artmodels.io.safetensors_io import read_header
from artmodels.models.classifier import ClassifierConfig, StyleClassifier
from artmodels.models.efficientnet import load_efficientnet
from artmodels.models.generator import GeneratorConfig
from artmodels.models.prompt import PromptConfig, PromptModel, PromptNetwork
from artmodels.models.upscaler import Upscaler, UpscalerConfig
from artmodels.optimize.style_transfer import style_representation

ROOT = Path(__file__).resolve().parent.parent
LONGEST = ("test_training.py", "test_resume.py", "test_studio_pages.py")
# Of train.py: the shortest run with two checkpoints and a rest, not measured or as a test wants it.
UNMEASURED = ("--hold-out", "0")
SHORT = ("--preset", "tiny", *UNMEASURED, "--images", "256", "--checkpoint-every", "96", "--sample-every", "128")
STYLES = ("flow-field", "mosaic", "op-art")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The longest files come first, so that no worker is left alone with one at the end."""
    items.sort(key=lambda item: item.path.name not in LONGEST)


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


@pytest.fixture
def artmodels(capsys):
    """The command, in this process."""
    return lambda *arguments: run_here(lambda: main([*map(str, arguments)]), capsys)


@pytest.fixture(scope="session")
def finished(tmp_path_factory) -> Path:
    """One short run from start to end, launched as the README says."""
    output = tmp_path_factory.mktemp("runs") / "short"
    command = [str(Path(sys.executable).parent / "accelerate"), "launch", "train.py", "--output", str(output), *SHORT]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=240)
    assert result.returncode == 0, result.stderr
    assert "pictures/s" in result.stderr and "variety=" in result.stderr
    return output


@pytest.fixture(scope="session")
def visited_hub(tmp_path_factory) -> Iterator[Hub]:
    """A Hub with models that visitors may name, and some that they may not."""
    hub = Hub()
    folder = tmp_path_factory.mktemp("inks")
    make_generator(("indigo", "sepia"), seed=3).save_pretrained(folder)
    said = {"publication": {"license": "cc-by-4.0", "provenance": "<b>my</b> drawings"}}
    hub.add("user/inks", {**folder_files(folder), "metrics.json": json.dumps(said).encode()})
    hub.add("user/gated", folder_files(folder), gated=True)
    hub.add("user/secret", folder_files(folder), private=True)
    hub.add("user/pickle", {**folder_files(folder), "model.safetensors": pickle.dumps([1])})
    yield hub
    hub.close()


@pytest.fixture(scope="session")
def steered_folder(tmp_path_factory, generator) -> Path:
    """The model of the tests with two directions, which were never measured to be what they are called."""
    folder = tmp_path_factory.mktemp("steered") / "sketcher"
    generator.save_pretrained(folder)
    rows, dim = generator.config.layers + 1, generator.config.latent_dim
    vectors = torch.randn(2, rows, dim, generator=torch.Generator().manual_seed(5))
    told = {"found_by": "least squares", "effect": 3.0, "largest_other": "tint", "largest_other_effect": -0.5}
    names = ("brightness", "<b>glow</b>")
    figures = {"pictures": 64, "truncation": 0.8, "directions": dict.fromkeys(names, told)}
    save_directions(folder, names, vectors, figures)
    add_companions(folder, generator)
    return folder


def add_companions(folder: Path, generator: ArtGenerator) -> None:
    """What a published folder may hold besides: an eye that never learned, neighbours, and the story of a training."""
    torch.manual_seed(2)
    classifier = StyleClassifier(ClassifierConfig(resolution=32, styles=generator.config.styles, width=8))
    shares = {"accuracy": 0.5, "accuracy_interval": [0.4, 0.6], "balanced_accuracy": 0.5, "calibration_error": 0.03}
    of_each = {key: {"pictures": 10, "precision": 0.5, "recall": None} for key in generator.config.styles}
    table = [[5, 3, 2]] * 3
    told = {"measured_by": "test pictures", "pictures": 30, "reference": None, "confusion": table, "styles": of_each}
    save_classifier(folder, classifier, {**shares, **told})
    words = ("blue", "dark", "mosaic", "sea")
    network = PromptNetwork(PromptConfig(words, generator.config.styles, 4, 4, 4, 4, 32)).requires_grad_(False).eval()
    reference, unmeasured = torch.randn(20, 4), {"pictures": 0, "recall": {}}
    save_prompt(folder, PromptModel(network, unmeasured, reference, sha256(folder / "model.safetensors")))
    sight, looks = load_efficientnet(0), torch.rand(3, 2, 3, 64, 64) * 2 - 1
    representations = [
        [style_representation(sight, pictures), style_representation(sight, pictures)] for pictures in looks
    ]
    save_style_statistics(folder, generator.config.styles, representations)
    features = torch.randn(30, 1280, generator=torch.Generator().manual_seed(6))
    labels = tuple(f"<i>drawing</i> {place}, by nobody" for place in range(24))
    save_neighbours(folder, find_neighbours(features[:24], features[24:], labels, 2, 128))
    measured = {"psnr": {"upscaler": 25.0, "lanczos": 24.0}, "perceptual_distance": {"upscaler": 0.5, "lanczos": 0.9}}
    figures = {"measured_by": "test pictures", "pictures": 30, "resolution": 64, **measured}
    save_upscaler(folder, make_upscaler(), figures)
    history = [
        {"images": images, "generator_loss": 1 / images, "discriminator_loss": 2.0, "variety": 0.5}
        for images in range(100, 1100, 100)
    ]
    (folder / "history.json").write_text(json.dumps(history))
    (folder / "metrics.json").write_text(json.dumps({"training": {"progress": [100, 500, 1000]}}))
    Image.new("RGB", (3 * 34 - 2, 3 * 34 - 2), "teal").save(folder / "progress.webp")


def make_upscaler() -> Upscaler:
    """One that never learned, and leaves its marks."""
    torch.manual_seed(4)
    network = Upscaler(UpscalerConfig(8, 1))
    torch.nn.init.normal_(network.last.weight, std=0.1)
    return network.requires_grad_(False).eval()


@pytest.fixture(scope="session")
def server(steered_folder, visited_hub, tmp_path_factory) -> Iterator[str]:
    """`python app.py` in a process of its own, on a free port; the only network is the test's own Hub."""
    log, home = tmp_path_factory.mktemp("server") / "log", tmp_path_factory.mktemp("home")
    gradio_folder = str(tmp_path_factory.mktemp("gradio"))
    ours = {"ARTMODELS_MODELS": str(steered_folder), "GRADIO_TEMP_DIR": gradio_folder, "ARTMODELS_CACHE": str(home)}
    with serving(["app.py"], log, hub_environment(visited_hub, home, **ours)) as address:
        yield address
    text = log.read_text()  # Gradio logs its own refusals of slider bounds; nothing else may have gone wrong
    assert text.count("Traceback") == text.count("gradio.exceptions.Error"), text


@pytest.fixture
def hub(tmp_path, monkeypatch):
    """A Hub of the test's own that the real client speaks with, with an empty cache, as somebody who may write."""
    server = Hub()
    cache = tmp_path / "hub-cache"
    for name, value in {
        "ENDPOINT": server.address,
        "HUGGINGFACE_CO_URL_TEMPLATE": server.address + "/{repo_id}/resolve/{revision}/{filename}",
        "HF_HUB_OFFLINE": False,
        "HF_HUB_CACHE": str(cache),
        "HF_TOKEN_PATH": str(tmp_path / "no-token"),
    }.items():
        monkeypatch.setattr(constants, name, value)
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    hasty = types.SimpleNamespace(**{**vars(time), "sleep": lambda seconds: None})  # between the client's attempts
    for module in ("utils._http", "file_download"):
        monkeypatch.setattr(f"huggingface_hub.{module}.time", hasty)
    server.cache = cache
    yield server
    server.close()


def hub_environment(hub: Hub, home: Path, **more: str) -> dict[str, str]:
    """The environment of a process that speaks with that Hub."""
    ours = {"HF_ENDPOINT": hub.address, "HF_HUB_OFFLINE": "0", "HF_HOME": str(home), "HF_TOKEN": TOKEN}
    return {**os.environ, **ours, **more}


def folder_files(folder: Path) -> dict[str, bytes]:
    """A folder as a commit's files."""
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


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
        deadline = time.monotonic() + 120
        while time.monotonic() < deadline:
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
