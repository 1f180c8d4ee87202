"""A Space on the Hub that paints with one model: its folder, and pushing that."""

import importlib.metadata
import json
import re
from collections.abc import Mapping
from pathlib import Path

from huggingface_hub import CommitOperationAdd, CommitOperationDelete, HfApi, SpaceHardware, constants

from artmodels import __version__
from artmodels.hub.download import clear_hub_errors, parse_hub_id
from artmodels.hub.model_files import CONFIG_NAME, METRICS_NAME, WEIGHTS_NAME, escape_markdown
from artmodels.hub.pretrained import fetch_generator, read_config
from artmodels.hub.wheel import PACKAGE, licence, requirements, source_files
from artmodels.io.files import check_new, replacing

PYTHON_VERSION = "3.12"  # the newest that ZeroGPU offers
HARDWARE = tuple(hardware.value for hardware in SpaceHardware)
APP = '''"""The Space's entry: the studio on one model, at one revision of it."""

import os
import sys

os.environ.setdefault("ARTMODELS_MODELS", {model})

from artmodels.studio.app import main

if __name__ == "__main__":
    sys.exit(main())
'''


def space_files(model: str, hardware: str | None = None, token: str | None = None) -> dict[str, bytes]:
    """The files of a Space that pulls a model by id and commit, as path -> content.

    Artmodels itself is among them, so a later version of it changes nothing. The model is fetched and checked here, as
    the Space will do it.

    Raises:
        FileNotFoundError, ValueError: no Hub id, or no whole model there.
        OSError: the Hub does not give it, or cannot be reached.
    """
    repo_id, revision = parse_hub_id(model)
    folder = fetch_generator(repo_id, revision=revision, token=token)
    commit, config = folder.name, read_config(folder / CONFIG_NAME)
    with clear_hub_errors(model):
        private = bool(HfApi(token=token).model_info(repo_id, revision=commit).private)
    files = {f"artmodels/{path.as_posix()}": (PACKAGE / path).read_bytes() for path in source_files()}
    files["app.py"] = APP.format(model=json.dumps(f"{repo_id}@{commit}")).encode()
    files["requirements.txt"] = ("\n".join(pinned_requirements()) + "\n").encode()
    files["README.md"] = _readme(repo_id, revision, folder, config.styles, hardware, private).encode()
    files["LICENSE"] = licence()
    return files


def pinned_requirements() -> list[str]:
    """What the Space installs: the very versions that run here, but for torch, whose own ZeroGPU brings along."""
    pinned = []
    for line in requirements():
        name = re.split(r"[^A-Za-z0-9_.-]", line, maxsplit=1)[0]
        pinned.append(line if name == "torch" else f"{name}=={importlib.metadata.version(name)}")
    return pinned


def _readme(
    repo_id: str, revision: str | None, folder: Path, styles: tuple[str, ...], hardware: str | None, private: bool
) -> str:
    commit = folder.name  # of the cached snapshot
    title = repo_id.partition("/")[2].replace("-", " ").replace("_", " ").strip()[:40] or "A painter"
    gradio = importlib.metadata.version("gradio")
    front = {
        "title": title,
        "emoji": "🎨",
        "colorFrom": "yellow",
        "colorTo": "gray",
        "sdk": "gradio",
        "sdk_version": gradio,
        "python_version": PYTHON_VERSION,
        "app_file": "app.py",
        "short_description": "A small neural network that paints, at once",
        "models": [repo_id],
        "license": "apache-2.0",
        "pinned": False,
    }
    if hardware:
        front["suggested_hardware"] = hardware
    if not private:  # the Hub fetches only public files before the Space starts
        preloaded = ",".join(name for name in (CONFIG_NAME, WEIGHTS_NAME, METRICS_NAME) if (folder / name).is_file())
        front["preload_from_hub"] = [f"{repo_id} {preloaded} {commit}"]
    lines = "\n".join(f"{key}: {json.dumps(value, ensure_ascii=False)}" for key, value in front.items())  # YAML too
    version = f"`{revision}`, commit `{commit}`" if revision else f"commit `{commit}`"
    secret = "\nThe model is private: the Space needs a secret HF_TOKEN that may read it.\n" if private else ""
    return f"""---
{lines}
---
# {escape_markdown(title)}

Paints {escape_markdown(", ".join(styles))} with [{repo_id}]({constants.ENDPOINT}/{repo_id}) at {version}, by artmodels
{__version__}, whose code lies here (Apache-2.0). The licence of the model and what is known of its training pictures
are on the model's card.
{secret}
To run it anywhere: `pip install -r requirements.txt && python app.py`
"""


def write_space(folder: Path, files: dict[str, bytes]) -> None:
    """Write the files into a new or empty folder.

    Raises:
        ValueError: it holds something already.
        OSError: it cannot be written.
    """
    check_new(folder)
    with replacing(folder) as building:
        for name, content in files.items():
            path = building / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)


def space_named(repo_id: str) -> str:
    """The Hub id of a Space to push to.

    Raises:
        ValueError: no Hub id, or one with a revision.
    """
    repo_id, revision = parse_hub_id(repo_id)
    if revision:
        raise ValueError(f"push to {repo_id}, without @{revision}: a Space shows its main branch")
    return repo_id


def commit_to_space(
    api: HfApi, repo_id: str, files: Mapping[str, bytes], ours: str | tuple[str, ...], message: str
) -> None:
    """One commit of the files to a Space, which takes away those of an older push whose names begin with `ours`."""
    there = api.list_repo_files(repo_id, repo_type="space")
    stale = sorted(name for name in there if name.startswith(ours) and name not in files)
    operations: list[CommitOperationAdd | CommitOperationDelete] = [
        CommitOperationAdd(name, content) for name, content in files.items()
    ]
    operations += [CommitOperationDelete(name) for name in stale]
    api.create_commit(repo_id, operations, repo_type="space", commit_message=message)


def make_repository(api: HfApi, repo_id: str, private: bool | None, space_sdk: str | None = None) -> None:
    """A model, or with an SDK a Space, on the Hub that is to be pushed to, made if there is none.

    Raises:
        ValueError: it is to be private, but is there already, for everybody.
    """
    kind = "space" if space_sdk else "model"
    api.create_repo(repo_id, repo_type=kind, space_sdk=space_sdk, private=private, exist_ok=True)
    if private and not api.repo_info(repo_id, repo_type=kind).private:
        raise ValueError(
            f"{repo_id} is there already, for everybody: name another, make it private on the Hub, or leave --private "
            "away"
        )


def push_space(
    repo_id: str,
    files: dict[str, bytes],
    *,
    hardware: str | None = None,
    private: bool | None = None,
    token: str | None = None,
) -> str:
    """Push the files to a Space in one commit, make it if there is none; returns its address.

    Of an older artmodels there, files that are gone are taken away; what else lies there stays.

    Raises:
        ValueError: no Hub id; or a Space that is to be private is there already, for everybody.
        OSError: the Hub refuses, or cannot be reached; nothing is half pushed.
    """
    repo_id = space_named(repo_id)
    api = HfApi(token=token)
    with clear_hub_errors(repo_id):
        make_repository(api, repo_id, private, space_sdk="gradio")
        commit_to_space(api, repo_id, files, "artmodels/", "The studio, on one model")
    address = f"{api.endpoint}/spaces/{repo_id}"
    if hardware:
        try:
            with clear_hub_errors(repo_id):
                api.request_space_hardware(repo_id, SpaceHardware(hardware))
        except OSError as error:
            raise OSError(f"{address} is pushed, but it does not get {hardware}: {error}") from error
    return address
