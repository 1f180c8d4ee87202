"""From a run to the Hub and back: what is pushed, what the card says, and what happens when the Hub fails."""

import json
import shutil
import subprocess
import sys
import tempfile

import pytest
import torch
from helpers import ROOT, STYLES, assert_one_clear_line, folder_files, hub_environment, image_array, run, run_here
from hub_server import READ_TOKEN
from sample_models import FIGURES, TRAINING, make_generator

from artmodels import ArtGenerator
from artmodels.cli.main import main
from artmodels.hub import download as remote
from artmodels.hub import publish as publishing
from artmodels.hub.load import load_model
from artmodels.hub.onnx_files import onnx_names
from artmodels.hub.publish import RunPublisher, check_push_target, find_model_folder, publish, snapshot
from artmodels.hub.statement import Statement
from artmodels.hub.wheel import WHEEL_NAME
from artmodels.io.files import replacing
from artmodels.training.export import write_model_folder
from artmodels.web.export_onnx import add_onnx

REPO = "user/painter"
pytestmark = pytest.mark.filterwarnings("ignore:Use 'content=<...>':DeprecationWarning")  # the client's own, of uploads
SAID = Statement(None, "cc-by-4.0", "my own drawings", "mine, all rights kept", "user/drawings")


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / "runs" / "mine" / "model"
    folder.mkdir(parents=True)
    write_model_folder(folder, make_generator(), TRAINING, [{"images": 10}], FIGURES)
    return folder


def pushed(hub) -> dict[str, bytes]:
    return hub.repositories["models", REPO].head


def test_what_is_pushed_loads_again_and_nothing_else_is(hub, folder):
    (folder / "notes.txt").write_text("private")
    (folder / "optimizer.pkl").write_bytes(b"\x80\x04")
    assert publish(folder.parent, REPO, SAID, tag="v1") == f"{hub.address}/{REPO}/tree/v1"
    ours = {"config.json", "model.safetensors", "metrics.json", "samples.png", "history.json", "README.md", WHEEL_NAME}
    assert pushed(hub).keys() - {".gitattributes"} == ours
    model = load_model(f"{REPO}@v1")
    assert model.weights_sha256 == load_model(folder).weights_sha256
    assert model.statement == Statement(REPO, *list(vars(SAID).values())[1:])


def test_the_onnx_files_are_pushed_with_the_weights_that_they_are_of_and_taken_away_with_them(hub, folder):
    publish(folder, REPO, SAID, prepare=lambda copy: add_onnx(copy, REPO))
    assert pushed(hub).keys() >= set(onnx_names()) and not (folder / "onnx").exists()
    told = json.loads(pushed(hub)["onnx/manifest.json"])
    assert told["model"] == REPO
    assert told["weights_sha256"] == load_model(f"{REPO}@main").weights_sha256
    publish(folder, REPO, SAID)
    assert not pushed(hub).keys() & set(onnx_names())


def test_the_card_is_complete_and_its_front_matter_is_what_the_hub_indexes(hub, folder):
    from huggingface_hub import ModelCard

    publish(folder, REPO, SAID)
    card = ModelCard(pushed(hub)["README.md"].decode())
    data = card.data
    assert (data.get("license"), data.get("library_name"), data.get("datasets")) == (
        "cc-by-4.0",
        "artmodels",
        ["user/drawings"],
    )
    assert data.get("pipeline_tag") == "unconditional-image-generation" and "art" in data.get("tags")
    figures = {result.metric_type: result.metric_value for result in data.get("eval_results")}
    assert figures == {"frechet-distance": 123.456, "kernel-distance": 0.0123, "precision": 0.51}
    assert data.get("model_name") == "painter"
    for words in (
        "![Samples",
        "| mosaic | 31 |",
        "Training pictures: my own drawings",
        "Their rights: mine, all rights kept",
        "Licence of the weights: `cc-by-4.0`",
        "1.50 hours on 2 CPU threads",
        "| Fréchet distance, 500 against 80 | 123.46 | 45.60 |",
        "## Limits",
        "7.77 in the median",
        f'ArtGenerator.from_pretrained("{REPO}")',
        f"pip install {hub.address}/{REPO}/resolve/main/{WHEEL_NAME}",
    ):
        assert words in card.text, words


def test_what_was_not_said_is_not_invented(hub, folder):
    publish(folder, REPO, Statement())
    card = pushed(hub)["README.md"].decode()
    assert "license:" not in card.split("---")[1]
    assert card.count("not stated by the publisher") == 3


def test_what_was_said_once_is_kept(hub, folder):
    publish(folder, REPO, SAID)
    publish(folder, REPO, Statement(license="cc0-1.0"))
    card = pushed(hub)["README.md"].decode()
    assert "license: cc0-1.0" in card and "my own drawings" in card
    assert (folder / "README.md").read_bytes() == pushed(hub)["README.md"]
    assert (folder / "metrics.json").read_bytes() == pushed(hub)["metrics.json"]


def test_what_a_run_replaces_at_the_moment_is_copied_of_one_average(folder, tmp_path, monkeypatch):
    """The folder is replaced in the middle of the first copying: no figures go with another average's weights."""
    better = shutil.copytree(folder, tmp_path / "better")
    for name in ("model.safetensors", "metrics.json"):
        (better / name).write_bytes(b"of the better one")
    copying, seen = shutil.copy2, []

    def copy(source, target, **options):
        seen.append(source)
        if len(seen) == 4:
            with replacing(folder) as newer:
                shutil.copytree(better, newer, dirs_exist_ok=True, copy_function=copying)
        return copying(source, target, **options)

    monkeypatch.setattr(shutil.copytree, "__defaults__", (False, None, copy, False, False))
    assert folder_files(snapshot(folder, tmp_path / "copy")) == folder_files(better)
    assert len(seen) > 4


def test_what_cannot_be_copied_leaves_nothing_behind(folder, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    (tmp_path / "temporary").mkdir()
    (folder / "dangling").symlink_to(tmp_path / "nowhere")
    RunPublisher(REPO, SAID, private=True, every=100).offer(folder, 100)
    assert "warning: not pushed" in capsys.readouterr().err and not list((tmp_path / "temporary").iterdir())


def test_a_data_set_is_named_as_its_page_is():
    assert Statement(dataset=" user/paintings ").dataset == "user/paintings"
    with pytest.raises(ValueError, match="leave out @v1"):
        Statement(dataset="user/paintings@v1")
    before = {"publication": {"license": "cc-by-4.0", "dataset": " user/paintings@v1 "}}
    assert Statement.of(before) == Statement(license="cc-by-4.0", dataset="user/paintings")


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ({"license": "All rights reserved!"}, "is no identifier of a licence"),
        ({"dataset": "not an id"}, "is no Hub id"),
        ({"provenance": "x" * 6000}, "text of 1 to 5000 characters"),
    ],
)
def test_statements_that_cannot_be(said, expected):
    with pytest.raises(ValueError, match=expected):
        Statement(**said)


def test_a_strangers_statement_is_text_or_nothing():
    assert Statement.of({"publication": {"license": ["x"], "surprise": 1}}) == Statement()
    assert Statement.of({"publication": "no", "training": []}) == Statement()
    assert Statement.of({"training": {"provenance": "drawers"}}).provenance == "drawers"


def test_only_our_own_stale_files_are_taken_away(hub, folder):
    hub.add(REPO, {"history.json": b"[]", "artmodels-0.0.1-py3-none-any.whl": b"old", "essay.md": b"theirs"})
    (folder / "history.json").unlink()
    publish(folder, REPO, SAID)
    assert "history.json" not in pushed(hub) and "artmodels-0.0.1-py3-none-any.whl" not in pushed(hub)
    assert pushed(hub)["essay.md"] == b"theirs"


def test_a_tag_stays_where_it_is(hub, folder):
    publish(folder, REPO, SAID, tag="v1")
    before = hub.repositories["models", REPO].branches["main"]
    with pytest.raises(ValueError, match="has a tag v1 already"):
        publish(folder, REPO, Statement(license="cc0-1.0"), tag="v1")
    assert hub.repositories["models", REPO].branches["main"] == before


@pytest.mark.parametrize(
    ("fragment", "fault", "times", "expected"),
    [
        ("POST /api/repos/create", 401, 1, "does not know this token"),
        ("POST /api/repos/create", 403, 9, "the Hub shows no|may not do that"),
        ("GET /api/models/user/painter/refs", 500, 9, "fault of its own"),
        ("preupload", 429, 99, "asks for patience"),
        ("PUT /lfs", 500, 99, "fault of its own|cannot be reached"),
        ("/commit/main", 412, 1, "somebody else has changed it"),
        ("/commit/main", 500, 1, "fault of its own"),
        pytest.param("/commit/main", "stall", 1, "cannot be reached", marks=pytest.mark.slow),
        ("/api/validate-yaml", 400, 1, "."),
    ],
)
def test_after_a_fault_nothing_is_half_published_and_a_retry_succeeds(hub, folder, fragment, fault, times, expected):
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    hub.fail(fragment, fault, times)
    with pytest.raises((OSError, ValueError), match=expected):
        publish(folder, REPO, SAID, tag="v1")
    repository = hub.repositories.get(("models", REPO))
    assert repository is None or (repository.head.keys() <= {".gitattributes"} and not repository.tags)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
    hub.faults.clear()
    publish(folder, REPO, SAID, tag="v1")
    assert load_model(f"{REPO}@v1").statement.license == "cc-by-4.0"


def test_a_hub_that_says_nothing_is_not_waited_for_for_ever(hub, folder, monkeypatch):
    monkeypatch.setattr(remote, "HUB_TIMEOUT", 0.3)
    hub.fail("POST /api/repos/create", "stall", 9)
    with pytest.raises(remote.Unreachable, match=r"cannot be reached \(ReadTimeout\)"):
        publish(folder, REPO, SAID)


def test_pushed_but_not_tagged_is_said(hub, folder):
    hub.fail("/tag/", 500)
    with pytest.raises(OSError, match=r"user/painter is pushed \([0-9a-f]{12}\), but not tagged v1"):
        publish(folder, REPO, SAID, tag="v1")
    assert "model.safetensors" in pushed(hub)


def test_a_token_that_may_only_read(hub, folder, monkeypatch):
    hub.add(REPO, {"README.md": b"# mine"})
    monkeypatch.setenv("HF_TOKEN", READ_TOKEN)
    with pytest.raises(OSError, match="this token may not do that"):
        publish(folder, REPO, SAID)


def test_nobody_logged_in(hub, folder, monkeypatch):
    monkeypatch.delenv("HF_TOKEN")
    with pytest.raises(OSError, match="hf auth login"):
        publish(folder, REPO, SAID)


def test_a_model_that_is_not_whole_is_not_pushed(hub, folder, tmp_path):
    with pytest.raises(FileNotFoundError, match="holds no model to publish"):
        find_model_folder(tmp_path)
    (folder / "model.safetensors").write_bytes(b"torn")
    with pytest.raises(ValueError, match="not a safetensors file"):
        publish(folder, REPO, SAID)
    assert not hub.requests


@pytest.mark.parametrize("name", ["samples.png", "metrics.json", "classifier.safetensors", "progress.webp"])
def test_only_regular_files_of_the_folder_are_pushed(hub, folder, tmp_path, name):
    """A link, planted in a folder that somebody was given, would carry out what it points to."""
    secret = tmp_path / "secret"
    secret.write_bytes((folder / name).read_bytes() if (folder / name).exists() else b"secret")
    (folder / name).unlink(missing_ok=True)
    (folder / name).symlink_to(secret)
    with pytest.raises(ValueError):  # a companion that is no companion is refused before
        publish(folder, REPO, SAID)
    assert not hub.requests


@pytest.mark.slow
def test_the_verb_shows_what_it_would_push(hub, folder):
    result = run_here(lambda: main(["publish", str(folder.parent), REPO, "--dry-run", "--license", "cc-by-4.0"]))
    assert result.returncode == 0 and "license: cc-by-4.0" in result.stdout
    assert "model.safetensors" in result.stdout and "nothing was pushed" in result.stdout
    assert not hub.requests
    result = run_here(lambda: main(["publish", str(folder), "not an id"]))
    assert_one_clear_line(result, "is no Hub id")
    result = run_here(lambda: main(["publish", str(folder), REPO]))
    assert result.returncode == 0 and f"{hub.address}/{REPO}" in result.stdout
    assert "no licence is stated" in result.stderr


def test_what_is_to_be_private_is_not_pushed_where_everybody_reads(hub, folder):
    publish(folder, REPO, SAID)
    before = len(hub.repositories["models", REPO].commits)
    with pytest.raises(ValueError, match="there already, for everybody"):
        publish(folder, REPO, SAID, private=True)
    assert len(hub.repositories["models", REPO].commits) == before
    publish(folder, "user/mine", SAID, private=True)
    publish(folder, "user/mine", SAID, private=True)
    assert hub.repositories["models", "user/mine"].private


def test_without_onnx_none_goes_along_though_it_lies_there(hub, folder):
    add_onnx(folder, REPO)
    publish(folder, REPO, SAID, onnx=False)
    assert not any(name.startswith("onnx/") for name in pushed(hub))
    publish(folder, REPO, SAID)
    assert set(onnx_names()) <= pushed(hub).keys()


def test_a_run_pushes_on_the_way_and_at_the_end(hub, folder, capsys):
    publisher = RunPublisher(REPO, SAID, private=True, every=100)
    publisher.offer(folder, 50)
    assert publisher.thread is None
    publisher.offer(folder, 100)
    assert publisher.thread is not None
    publisher.thread.join()
    repository = hub.repositories["models", REPO]
    assert repository.private and len(repository.commits) == 2
    publisher.finish(folder.parent)  # the same average: nothing to do
    assert len(repository.commits) == 2
    metrics = json.loads((folder / "metrics.json").read_text())
    metrics["training"]["images"] += 1
    (folder / "metrics.json").write_text(json.dumps(metrics))
    publisher.finish(folder.parent)
    assert len(repository.commits) == 3 and capsys.readouterr().err.count("pushed to") == 2


def test_a_hub_that_is_away_costs_a_warning(hub, folder, capsys, monkeypatch):
    monkeypatch.setattr(publishing, "WAITS", (0, 0))
    hub.close()
    check_push_target(REPO)
    publisher = RunPublisher(REPO, SAID, private=False, every=100)
    publisher.offer(folder, 100)
    assert publisher.thread is not None
    publisher.thread.join()
    publisher.finish(folder.parent)
    said = capsys.readouterr().err
    assert "the run will try again" in said and "training goes on" in said
    assert f"python -m artmodels publish {folder.parent} {REPO} --license cc-by-4.0 --provenance 'my own dr" in said


def test_a_wrong_target_is_refused_before_the_run(hub, monkeypatch):
    check_push_target(REPO)
    with pytest.raises(ValueError, match="leave out @v1"):
        check_push_target(f"{REPO}@v1")
    monkeypatch.setenv("HF_TOKEN", "hf_unknown")
    with pytest.raises(ValueError, match="does not know this token"):
        check_push_target(REPO)
    monkeypatch.delenv("HF_TOKEN")
    with pytest.raises(ValueError, match="nobody is logged in"):
        check_push_target(REPO)


@pytest.mark.slow
def test_train_publish_pull_and_paint_the_same(hub, tmp_path, artmodels):
    """The mission's middle, by the commands that a user types."""
    environment = hub_environment(hub, tmp_path / "home", ARTMODELS_CACHE=str(tmp_path / "cache"))
    output = tmp_path / "mine"
    flags = ["--preset", "tiny", "--images", "160", "--checkpoint-every", "80", "--evaluate-samples", "32"]
    push = ["--push-to-hub", REPO, "--push-every", "80", "--license", "cc0-1.0", "--provenance", "drawn by a program"]
    trained = run("train.py", "--output", str(output), *flags, *push, env=environment)
    assert trained.returncode == 0, trained.stderr
    assert f"pushed to {hub.address}/{REPO}" in trained.stderr
    tagged = run("-m", "artmodels", "publish", str(output), REPO, "--tag", "v1", env=environment)
    assert tagged.returncode == 0, tagged.stderr
    hub.add(REPO, {"README.md": b"# replaced since"})
    seven = ["--style", "op-art", "--seeds", "7", "--out"]
    there = run(
        "-m", "artmodels", "generate", "--model", f"{REPO}@v1", *seven, str(tmp_path / "there"), env=environment
    )
    here = artmodels("generate", "--model", output / "model", *seven, tmp_path / "here")
    for painted in (there, here):
        assert painted.returncode == 0, painted.stderr
    pictures = [image_array(tmp_path / out / "op-art-00007.png") for out in ("there", "here")]
    assert (pictures[0] == pictures[1]).all()
    assert (
        b"drawn by a program"
        in hub.repositories["models", REPO].commits[hub.repositories["models", REPO].tags["v1"]]["README.md"]
    )


@pytest.mark.slow
def test_the_cards_lines_work_with_the_wheel_alone(hub, folder, tmp_path):
    """`pip install` of the wheel that lies beside the weights, then the card's Python, far from the repository."""
    publish(folder, REPO, SAID)
    target = tmp_path / "site"
    install = [sys.executable, "-m", "pip", "install", "--no-deps", "--quiet", "--target", str(target)]
    wheel = f"{hub.address}/{REPO}/resolve/main/{WHEEL_NAME}"
    subprocess.run([*install, wheel], check=True, cwd=tmp_path, capture_output=True)
    assert (target / "artmodels" / "studio" / "studio.css").is_file()
    code = pushed(hub)["README.md"].decode().split("```python\n")[1].split("```")[0]
    environment = hub_environment(hub, tmp_path / "home", PYTHONPATH=str(target))
    here = subprocess.run(
        [sys.executable, "-c", f"{code}\nimport artmodels\nprint(artmodels.__file__)"],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
    )
    assert here.returncode == 0, here.stderr
    assert str(target) in here.stdout and str(ROOT) not in here.stdout
    assert (tmp_path / "picture.png").stat().st_size > 100
    torch.testing.assert_close(
        ArtGenerator.from_pretrained(REPO).map_in.weight, ArtGenerator.from_pretrained(folder).map_in.weight
    )
    assert ArtGenerator.from_pretrained(REPO).config.styles == STYLES
