"""A static Space: the folder that is pushed, where its model and its engine come from, and what is refused."""

import hashlib
import json
import re

import pytest
import yaml
from helpers import ROOT, assert_one_clear_line, folder_files, run_here

from artmodels.cli.main import main
from artmodels.hub.load import load_model
from artmodels.studio.i18n import LANGUAGES
from artmodels.web import engine, static_space
from artmodels.web.export_onnx import add_onnx
from artmodels.web.static_space import model_files, page_files, page_words, push_web, web_files

MODEL = "user/sketcher"
pytestmark = pytest.mark.filterwarnings("ignore:Use 'content=<...>':DeprecationWarning")  # the client's own, of uploads
SOURCES = sorted((ROOT / "artmodels" / "web" / "page").iterdir())


@pytest.fixture
def commit(hub, model_folder) -> str:
    return hub.add(MODEL, folder_files(model_folder))


def test_the_folder_is_a_static_space_whose_pages_may_use_several_cores(hub, commit, page_engine):
    files = web_files(MODEL, "user/studio")
    front = yaml.safe_load(files["README.md"].decode().split("---")[1])
    assert front["sdk"] == "static" and front["app_file"] == "index.html" and front["models"] == [MODEL]
    assert front["custom_headers"]["cross-origin-embedder-policy"] == "require-corp"
    site = json.loads(files["site.json"])
    assert site["model"] == MODEL and site["revision"] == commit and site["directions"] is False
    assert site["studio"] == f"{hub.address}/spaces/user/studio"
    manifest = json.loads(files["model/manifest.json"])
    assert manifest["weights_sha256"] == load_model(f"{MODEL}@{commit}").weights_sha256
    shell = json.loads(files["sw.js"].split(b"\n")[0].removeprefix(b"const SHELL = ").rstrip(b";"))
    assert set(shell["files"]) < set(files) and {"index.html", "model/synthesis.onnx"} <= set(shell["files"])
    assert not any("webgpu" in name or "asyncify" in name for name in shell["files"])
    assert b"Apache License" in files["LICENSE"] and b"MIT" in files["runtime/NOTICE.txt"]
    assert not any(name.endswith((".py", ".mjs")) for name in files)


def test_pushing_makes_and_updates_a_space(hub, commit, page_engine):
    result = run_here(lambda: main(["web", "user/page", "--model", MODEL]))
    assert result.returncode == 0 and f"{hub.address}/spaces/user/page" in result.stdout, result.stderr
    repository = hub.repositories["spaces", "user/page"]
    small = {name: content for name, content in repository.head.items() if not name.startswith("runtime/")}
    hub.add("user/page", {**small, "page/gone.js": b"", "mine.txt": b""}, "spaces")
    push_web("user/page", small)
    assert "page/gone.js" not in repository.head and "mine.txt" in repository.head


def test_weights_that_not_everybody_may_read_are_not_put_where_everybody_can(hub, commit):
    hub.repositories["models", MODEL].private = True
    files = {"index.html": b"", "model/synthesis.onnx": b"secret"}
    with pytest.raises(ValueError, match=r"not everybody may read user/sketcher, .*: add --private"):
        push_web("user/page", files, model=MODEL)
    assert ("spaces", "user/page") not in hub.repositories
    hub.add("user/open", {"README.md": b""}, "spaces")
    with pytest.raises(ValueError, match=r"user/open is there already, for everybody"):
        push_web("user/open", files, model=MODEL, private=True)
    assert hub.repositories["spaces", "user/open"].head.keys() == {"README.md"}
    hub.add("user/closed", {"README.md": b""}, "spaces", private=True)
    push_web("user/closed", files, model=MODEL, private=True)
    assert "index.html" in hub.repositories["spaces", "user/closed"].head


def test_what_was_published_is_not_exported_again(hub, model_folder, tmp_path, monkeypatch):
    folder = tmp_path / "sketcher"
    folder.mkdir()
    for name, content in folder_files(model_folder).items():
        (folder / name).write_bytes(content)
    add_onnx(folder, MODEL)
    hub.add(MODEL, folder_files(folder))
    with monkeypatch.context() as patch:
        patch.setattr(static_space, "check_packages", lambda: pytest.fail("it is exported again"))
        found = model_files(load_model(MODEL))
    assert found["synthesis.onnx"] == (folder / "onnx" / "synthesis.onnx").read_bytes()
    hub.add(MODEL, {**folder_files(folder), "onnx/synthesis.onnx": b"another"})
    assert model_files(load_model(MODEL)) == found  # what does not fit its manifest is exported anew


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["web", "nonsense", "--model", MODEL], "is no Hub id"),
        (["web", "user/p", "--model", MODEL, "--studio", "nonsense"], "is no Hub id"),
        (["web", "user/p", "--model", MODEL, "--dry-run", str(ROOT)], "is not an empty folder"),
    ],
)
def test_what_cannot_be_a_page(hub, commit, arguments, expected):
    assert_one_clear_line(run_here(lambda: main(arguments)), expected)


def test_a_model_that_is_not_there_is_told(hub, page_engine):
    assert_one_clear_line(
        run_here(lambda: main(["web", "user/p", "--model", "user/none"])), "the Hub shows no user/none"
    )


def test_without_a_network_the_engine_is_asked_for_in_one_line(hub, commit, monkeypatch, tmp_path):
    monkeypatch.setenv("ARTMODELS_CACHE", str(tmp_path))
    monkeypatch.setenv("NPM_CONFIG_REGISTRY", "http://127.0.0.1:9")
    result = run_here(lambda: main(["web", "user/p", "--model", MODEL, "--dry-run", str(tmp_path / "page")]))
    assert_one_clear_line(result, f"the page needs onnxruntime-web {engine.VERSION}, which could not be fetched")
    assert list(tmp_path.iterdir()) == []


def test_another_package_is_refused_and_a_damaged_one_fetched_again(hub, monkeypatch, tmp_path):
    monkeypatch.setenv("ARTMODELS_CACHE", str(tmp_path))
    name = engine.PACKAGE_NAME
    hub.add("onnxruntime-web/-", {name: b"another"})
    monkeypatch.setattr(engine, "address", lambda: f"{hub.address}/onnxruntime-web/-/resolve/main/{name}")
    monkeypatch.setattr(hub.repositories["models", "onnxruntime-web/-"], "private", False)
    with pytest.raises(ValueError, match=r"has the SHA-256 \w+…, expected .*changed on the way"):
        engine.package()
    assert not (tmp_path / name).exists()
    (tmp_path / name).write_bytes(b"cut")
    monkeypatch.setattr(engine, "SHA256", hashlib.sha256(b"another").hexdigest())
    assert engine.package() == b"another" == (tmp_path / name).read_bytes()


def test_every_word_of_the_page_is_said_in_every_language():
    text = "".join(path.read_text("utf-8") for path in SOURCES)
    used = set(re.findall(r"data-(?:word|html|label|placeholder)=\"([\w-]+)\"", text))
    used |= set(re.findall(r"(?:\bsay|new Complaint)\('([\w-]+)'", text))
    used |= {f"page-{name}" for name in ("paint", "blend", "breed", "steer", "film")}
    used |= {"engine-webgpu", "engine-threads", "engine-thread", "offer-replaced", "offer-none", "masthead"}
    for language in LANGUAGES:
        words = page_words(language)
        assert used <= words.keys(), used - words.keys()
    own = [set(page_words(language)) for language in LANGUAGES]
    assert own[0] == own[1] and len(used) > 80
    gaps = [{key: set(re.findall(r"{(\w+)}", word)) for key, word in page_words(each).items()} for each in LANGUAGES]
    assert {key for key in used if gaps[0][key] != gaps[1][key]} <= {"photo-or"}


def test_every_module_of_the_page_imports_what_is_there():
    names = {path.name for path in SOURCES}
    for path in SOURCES:
        for module in re.findall(r"from '\./([\w.]+)'", path.read_text("utf-8")):
            assert module in names, f"{path.name} imports {module}"
    assert {"index.html", "style.css", "page/main.js", "page/worker.js", "favicon.svg"} <= page_files().keys()
