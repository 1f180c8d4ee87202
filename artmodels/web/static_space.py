"""A static Space that paints with one model in the visitor's browser: its folder, and pushing that."""

import hashlib
import json
import tempfile
import tomllib
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from huggingface_hub import HfApi, constants

from artmodels import __version__
from artmodels.hub.companions.directions import DIRECTIONS_NAME
from artmodels.hub.download import Unreachable, clear_hub_errors, parse_hub_id, pull
from artmodels.hub.load import LoadedModel, load_model
from artmodels.hub.model_files import escape_markdown
from artmodels.hub.onnx_files import MANIFEST_NAME, MAX_ONNX_BYTES, ONNX_FOLDER, Manifest, onnx_names, read_manifest
from artmodels.hub.space import commit_to_space, make_repository, space_named
from artmodels.hub.wheel import licence
from artmodels.io.files import json_bytes
from artmodels.studio.i18n import LANGUAGES, WORDS
from artmodels.web.engine import FOR_GRAPHICS, NOTICE, engine_files
from artmodels.web.export_onnx import check_packages, write_onnx

HERE = Path(__file__).resolve().parent
ROOT_FILES = ("index.html", "style.css")  # of the page; its modules lie in page/
ISOLATION = {  # with these headers a page may use several cores
    "cross-origin-embedder-policy": "require-corp",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "cross-origin",
}
OURS = ("page/", "words/", "runtime/", "model/")  # folders in which a later push takes away what is gone


def web_files(name: str, studio: str | None = None) -> dict[str, bytes]:
    """The files of a static Space, as path -> content: the page, the engine, and a model from a folder or the Hub.

    `studio` is the address of a studio with the same model, for what a page without a server cannot do.

    Raises:
        FileNotFoundError, ValueError: no such model, or one that cannot be exported.
        OSError: the Hub does not give it, or the engine cannot be fetched.
    """
    engine = engine_files()  # first: it is what an offline machine lacks
    model = load_model(name)
    files = {f"runtime/{path}": content for path, content in engine.items()}
    files |= {f"model/{path}": content for path, content in model_files(model).items()}
    files |= page_files()
    files["runtime/NOTICE.txt"] = f"{NOTICE}\n".encode()
    files["LICENSE"] = licence()
    files["README.md"] = readme(model).encode()
    files["site.json"] = json_bytes(
        {
            "model": model.name,
            "revision": model.revision,
            "hub": constants.ENDPOINT,
            "studio": studio_address(studio),
            "directions": model.directions is not None,
            "curated": model.curated.model_dump(include={"seeds", "drawn"}) if model.curated else None,
        }
    )
    files["sw.js"] = service_worker(files)
    return files


def page_files() -> dict[str, bytes]:
    """The page itself, and what it says in each language."""
    sources = {path.name: path.read_bytes() for path in sorted((HERE / "page").iterdir()) if path.is_file()}
    del sources["sw.js"]
    files = {(name if name in ROOT_FILES else f"page/{name}"): content for name, content in sources.items()}
    files["favicon.svg"] = (HERE.parent / "studio" / "favicon.svg").read_bytes()
    return files | {f"words/{code}.json": json_bytes(page_words(code)) for code in LANGUAGES}


def page_words(language: str) -> dict[str, str]:
    """What the page says: the studio's words, and its own besides or instead."""
    own = tomllib.loads((HERE / "words" / f"{language}.toml").read_text("utf-8"))
    return {**WORDS[language], **own}


def model_files(model: LoadedModel) -> dict[str, bytes]:
    """A model's ONNX files, as it was published with them or else exported now, and its directions.

    Raises:
        ValueError: it was published without, and cannot be exported here.
    """
    with tempfile.TemporaryDirectory(prefix="artmodels-") as temporary:
        folder = published_onnx(model)
        if folder is None:
            check_packages()
            folder = Path(temporary) / ONNX_FOLDER
            write_onnx(model, folder)
        names = {MANIFEST_NAME, *(file.name for file in read_manifest(folder).files.values())}
        files = {name: (folder / name).read_bytes() for name in sorted(names)}
    if model.directions is not None:
        files[DIRECTIONS_NAME] = (model.folder / DIRECTIONS_NAME).read_bytes()
    return files


def published_onnx(model: LoadedModel) -> Path | None:
    """The folder of a model's ONNX files, from its folder or the Hub, if they are of the very weights."""
    folder = model.folder / ONNX_FOLDER
    if model.revision is not None:
        with suppress(FileNotFoundError, ValueError, Unreachable):  # it is exported here then
            folders = {pull(model.name, name, MAX_ONNX_BYTES, revision=model.revision).parent for name in onnx_names()}
            (folder,) = folders
    with suppress(FileNotFoundError, ValueError):
        manifest: Manifest = read_manifest(folder)
        if manifest.weights_sha256 == model.weights_sha256:
            return folder
    return None


def studio_address(studio: str | None) -> str | None:
    """Where a studio answers: an address as it is, or that of a Space by its id.

    Raises:
        ValueError: neither.
    """
    if studio is None:
        return None
    if studio.startswith(("https://", "http://127.0.0.1", "http://localhost")):
        return studio
    repo_id, revision = parse_hub_id(studio)
    if revision:
        raise ValueError(f"--studio {studio}: a Space shows its main branch, leave out @{revision}")
    return f"{constants.ENDPOINT}/spaces/{repo_id}"


def service_worker(files: Mapping[str, bytes]) -> bytes:
    """The script that keeps the page for days without a network: all of it but what only some machines use."""
    spared = {"README.md", "LICENSE", *(f"runtime/{name}" for name in FOR_GRAPHICS)}
    kept = sorted(set(files) - spared)
    digest = hashlib.sha256()
    for name in kept:
        digest.update(f"{name}\0".encode() + files[name])
    source = (HERE / "page" / "sw.js").read_text("utf-8")
    shell = {"version": f"artmodels-{digest.hexdigest()[:16]}", "files": kept}
    return f"const SHELL = {json.dumps(shell)};\n\n{source}".encode()


def readme(model: LoadedModel) -> str:
    """The Space's card: what the Hub reads before it serves the folder."""
    title = model.name.rpartition("/")[2].replace("-", " ").replace("_", " ").strip()[:40] or "A painter"
    front: dict[str, Any] = {
        "title": title,
        "emoji": "🎨",
        "colorFrom": "yellow",
        "colorTo": "gray",
        "sdk": "static",
        "app_file": "index.html",
        "short_description": "A small neural network that paints in your browser",
        "license": model.statement.license or "other",  # of the weights: the code's is Apache-2.0
        "pinned": False,
        "custom_headers": ISOLATION,
    }
    if model.revision is not None:
        front["models"] = [model.name]
    lines = "\n".join(f"{key}: {json.dumps(value, ensure_ascii=False)}" for key, value in front.items())  # YAML too
    where = f"[{model.name}]({constants.ENDPOINT}/{model.name}) at commit `{model.revision}`"
    rights = model.statement.license or "not stated"
    return f"""---
{lines}
---
# {escape_markdown(title)}

Paints {escape_markdown(", ".join(model.generator.config.styles))} in the visitor's browser, with
{where if model.revision else f"`{escape_markdown(model.name)}`"}, by artmodels {__version__}: no server is needed,
and after the first visit no network.

The page's code is Apache-2.0. The weights in `model/` have a licence of their own: {escape_markdown(rights)}.
`runtime/` holds {NOTICE}.

To try it anywhere: `python -m http.server`, in this folder
"""


def push_web(
    repo_id: str,
    files: Mapping[str, bytes],
    *,
    model: str | None = None,
    private: bool | None = None,
    token: str | None = None,
) -> str:
    """Push the files to a static Space in one commit, make it if there is none; returns its address.

    Of an older push, files that are gone are taken away; what else lies there stays. `model` is the Hub id that the
    weights among the files come from.

    Raises:
        ValueError: no Hub id; or not everybody may read the model, but the Space.
        OSError: the Hub refuses, or cannot be reached; nothing is half pushed.
    """
    repo_id = space_named(repo_id)
    api = HfApi(token=token)
    with clear_hub_errors(repo_id):
        closed = model is not None and not_for_everybody(api, model)
        if closed and not private:
            raise ValueError(
                f"not everybody may read {model}, but anybody could take its weights from the page: "
                "add --private, or publish the model for everybody first"
            )
        make_repository(api, repo_id, private, space_sdk="static")
        commit_to_space(api, repo_id, files, OURS, "A page that paints, on one model")
    return f"{api.endpoint}/spaces/{repo_id}"


def not_for_everybody(api: HfApi, model: str) -> bool:
    """Whether a model on the Hub is private, or gated."""
    found = api.model_info(model)
    return bool(found.private or found.gated)
