"""What tests in every folder begin with: an environment without a network, a small generator, a cache of their own."""

import os
import shutil
from pathlib import Path

os.environ |= {  # read when the libraries are imported
    "GRADIO_ANALYTICS_ENABLED": "False",
    "HF_HUB_OFFLINE": "1",  # but for tests with a Hub of their own
    "HF_HUB_DISABLE_XET": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "HF_HUB_DISABLE_PROGRESS_BARS": "1",
    "HF_HUB_ETAG_TIMEOUT": "10",
    "HF_HUB_DOWNLOAD_TIMEOUT": "1",
    # Every process of the tests computes in one thread: they share the cores, and threads that wait for each other on a
    # busy machine take twenty times as long. The second name is what training divides the cores by.
    "OMP_NUM_THREADS": "1",
    "LOCAL_WORLD_SIZE": str(os.cpu_count() or 1),
}
os.environ.pop("HF_TOKEN", None)

import pytest
import torch
from helpers import draw_pictures, run_here
from sample_models import add_companions, make_generator

from artmodels.cli.main import main
from artmodels.hub.companions.directions import save_directions
from artmodels.hub.load import LoadedModel, load_model
from artmodels.hub.pretrained import ArtGenerator
from artmodels.io.device import usable_cores
from artmodels.io.files import default_cache
from artmodels.web.engine import PACKAGE_NAME

LONGEST = (
    "test_resume.py",
    "test_studio_pages.py",
    "test_studio_paint.py",
    "test_web_page.py",
    "test_training.py",
    "test_hub_dataset.py",
    "test_publish.py",
    "test_directions.py",
    "test_cli.py",
    "test_init_from.py",
    "test_visitors_at_once.py",
    "test_classifier.py",
)


def pytest_xdist_auto_num_workers() -> int:
    """One worker more than cores: tests of servers and pages wait for half of their time."""
    return usable_cores(environment={}) + 1


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The longest files come first, so that no worker is left alone with one at the end."""
    items.sort(key=lambda item: (*LONGEST, item.path.name).index(item.path.name))


@pytest.fixture(autouse=True, scope="session")
def data_cache(tmp_path_factory) -> Path:
    """No test writes the user's own cache, or reads more of it than the package that the static page needs."""
    folder, package = tmp_path_factory.mktemp("cache"), default_cache() / PACKAGE_NAME
    if package.is_file():
        shutil.copyfile(package, folder / PACKAGE_NAME)
    os.environ["ARTMODELS_CACHE"] = str(folder)
    return folder


@pytest.fixture(autouse=True)
def same_chance() -> None:
    """What a test draws does not depend on which tests ran before it in its process."""
    torch.manual_seed(0)


@pytest.fixture(scope="session")
def page_engine(data_cache) -> None:
    """The package that the static page needs is here: no test fetches it."""
    if not (data_cache / PACKAGE_NAME).is_file():
        pytest.skip(f"{PACKAGE_NAME} is not in the cache: python -m artmodels web ... --dry-run fetches it")


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
def artmodels():
    """The command, in this process."""
    return lambda *arguments: run_here(lambda: main([*map(str, arguments)]))


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


@pytest.fixture
def pictures(tmp_path) -> Path:
    return draw_pictures(tmp_path / "paintings")
