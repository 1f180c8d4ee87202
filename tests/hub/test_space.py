"""A Space: the folder that is pushed, and that it runs."""

import importlib.metadata

import pytest
import yaml
from helpers import ROOT, assert_one_clear_line, folder_files, hub_environment, run_here, serving

from artmodels.cli.main import main
from artmodels.hub.space import push_space, space_files

MODEL = "user/sketcher"
pytestmark = pytest.mark.filterwarnings("ignore:Use 'content=<...>':DeprecationWarning")  # the client's own, of uploads


@pytest.fixture
def commit(hub, model_folder) -> str:
    commit = hub.add(MODEL, folder_files(model_folder))
    hub.repositories["models", MODEL].tags["v1"] = commit
    return commit


def test_the_folder_is_a_space_that_pins_model_and_packages(hub, commit):
    files = space_files(f"{MODEL}@v1", "zero-a10g")
    front = yaml.safe_load(files["README.md"].decode().split("---")[1])
    assert front["sdk"] == "gradio" and front["app_file"] == "app.py" and front["python_version"] == "3.12"
    assert front["sdk_version"] == importlib.metadata.version("gradio")
    assert front["models"] == [MODEL] and front["suggested_hardware"] == "zero-a10g"
    assert front["preload_from_hub"] == [f"{MODEL} config.json,model.safetensors {commit}"]
    assert f'"{MODEL}@{commit}"' in files["app.py"].decode()
    requirements = files["requirements.txt"].decode().split()
    assert [line for line in requirements if "==" not in line] == ["torch>=2.8,<=2.13.0"]
    assert "artmodels/studio/studio.css" in files and b"Apache License" in files["LICENSE"]
    assert not any(name.startswith(("tests/", "checkpoints/")) or "__pycache__" in name for name in files)


def test_a_private_model_needs_a_secret(hub, commit):
    hub.repositories["models", MODEL].private = True
    readme = space_files(MODEL)["README.md"].decode()
    assert "HF_TOKEN" in readme and "preload_from_hub" not in readme


def test_pushing_makes_and_updates_a_space(hub, commit):
    result = run_here(lambda: main(["space", "user/studio", "--model", MODEL, "--hardware", "cpu-basic"]))
    assert result.returncode == 0 and f"{hub.address}/spaces/user/studio" in result.stdout
    repository = hub.repositories["spaces", "user/studio"]
    assert repository.hardware == "cpu-basic" and "artmodels/hub/load.py" in repository.head
    hub.add("user/studio", {**repository.head, "artmodels/gone.py": b"", "mine.txt": b""}, "spaces")
    push_space("user/studio", space_files(MODEL))
    assert "artmodels/gone.py" not in repository.head and "mine.txt" in repository.head


def test_a_space_without_its_hardware_says_so(hub, commit):
    hub.fail("/hardware", 402)
    with pytest.raises(OSError, match=r"is pushed, but it does not get zero-a10g: .*402"):
        push_space("user/studio", space_files(MODEL), hardware="zero-a10g")


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["space", "nonsense", "--model", MODEL], "is no Hub id"),
        (["space", "user/s", "--model", "user/none"], "the Hub shows no user/none"),
        (["space", "user/s", "--model", MODEL, "--hardware", "abacus"], "--hardware must be one of"),
        (["space", "user/s", "--model", MODEL, "--dry-run", str(ROOT)], "is not an empty folder"),
    ],
)
def test_what_cannot_be_a_space(hub, commit, arguments, expected):
    assert_one_clear_line(run_here(lambda: main(arguments)), expected)


@pytest.mark.slow
def test_the_dry_run_folder_runs_by_itself(hub, commit, tmp_path):
    """Far from the repository, with the packages that are here; it pulls the model itself."""
    folder = tmp_path / "space"
    result = run_here(lambda: main(["space", "user/s", "--model", f"{MODEL}@v1", "--dry-run", str(folder)]))
    assert result.returncode == 0, result.stderr
    environment = hub_environment(hub, tmp_path / "home", ARTMODELS_CACHE=str(tmp_path))
    environment.pop("HF_TOKEN")
    with serving(["app.py"], tmp_path / "log", environment, cwd=folder) as address:
        from gradio_client import Client

        client = Client(address, verbose=False, download_files=str(tmp_path))
        wall = client.predict("mosaic", 7, 2, 0.8, api_name="/generate")
        client.close()
    assert [picture["caption"] for picture in wall] == ["Mosaic No. 7", "Mosaic No. 8"]
