"""Models from the Hub: the real client, a Hub of the tests' own, and all that can go wrong on the way."""

import json
import pickle
import struct
import time

import pytest
import torch
from helpers import STYLES, folder_files
from hub_server import READ_TOKEN
from huggingface_hub import constants
from sample_models import make_generator

from artmodels import ArtGenerator, paint_seeds
from artmodels.hub.download import Unreachable, parse_hub_id
from artmodels.hub.load import load_hub_model, load_model

MODEL = "user/sketcher"
pytestmark = pytest.mark.filterwarnings("ignore:Use 'content=<...>':DeprecationWarning")  # the client's own, of uploads


@pytest.fixture
def published(hub, model_folder):
    hub.commit = hub.add(MODEL, {**folder_files(model_folder), "metrics.json": b'{"training": {"images": 5}}'})
    return hub


def blobs(hub) -> list[str]:
    """What the cache holds of the contents of files, half ones included."""
    return sorted(path.name for path in hub.cache.rglob("blobs/*"))


def test_a_model_comes_by_id_and_paints_as_at_home(published, generator):
    fetched = ArtGenerator.from_pretrained(MODEL)
    assert fetched.config.styles == STYLES and not fetched.training
    ours, theirs = (paint_seeds(each, "mosaic", [7])[0] for each in (generator, fetched))
    assert max(abs(a - b) for a, b in zip(ours.tobytes(), theirs.tobytes(), strict=True)) <= 6  # stored as float16
    model = load_model(MODEL)
    assert (model.name, model.revision) == (MODEL, published.commit)
    assert (model.folder / "metrics.json").is_file()


def test_a_revision_is_a_tag_a_branch_or_a_commit(published, tmp_path):
    first = published.commit
    published.repositories["models", MODEL].tags["v1"] = first
    make_generator(seed=5).save_pretrained(tmp_path / "other")
    second = published.add(MODEL, folder_files(tmp_path / "other"))
    weights = {name: ArtGenerator.from_pretrained(MODEL, revision=name).map_in.weight for name in ("v1", "main", first)}
    assert torch.equal(weights["v1"], weights[first]) and not torch.equal(weights["v1"], weights["main"])
    assert load_model(f"{MODEL}@v1").revision == first and load_model(MODEL).revision == second
    assert torch.equal(ArtGenerator.from_pretrained(f"{MODEL}@v1").map_in.weight, weights["v1"])


def test_what_is_cached_needs_no_hub(published, monkeypatch):
    load_model(MODEL), load_model(f"{MODEL}@{published.commit}")
    seen = len(published.requests)
    load_model(f"{MODEL}@{published.commit}")
    assert len(published.requests) == seen  # a commit never changes, so nobody is asked
    published.close()
    seen, started = len(published.requests), time.monotonic()
    assert load_model(MODEL).revision == published.commit
    assert ArtGenerator.from_pretrained(MODEL).config.styles == STYLES
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    assert load_model(MODEL).revision == published.commit
    assert ArtGenerator.from_pretrained(MODEL, local_files_only=True).config.styles == STYLES
    assert time.monotonic() - started < 30 and len(published.requests) == seen
    with pytest.raises(Unreachable, match=r"user/other is not in the cache, and this machine is offline"):
        load_model("user/other")


def test_a_hub_that_is_down_and_nothing_cached(hub):
    hub.close()
    with pytest.raises(Unreachable, match="the Hub cannot be reached: try again later"):
        load_model(MODEL)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("user/missing", "the Hub shows no user/missing: check the spelling"),
        (f"{MODEL}@v9", "there is no such revision"),
        ("user/gated", "user/gated is gated"),
        ("user/empty", r"user/empty holds no config\.json: it is not a model that artmodels published"),
        ("user/half", r"user/half@[0-9a-f]{40} holds no model\.safetensors"),
    ],
)
def test_what_the_hub_refuses_is_said_in_one_line(published, model_folder, monkeypatch, name, expected):
    published.add("user/gated", folder_files(model_folder), gated=True)
    published.add("user/empty", {"README.md": b"# nothing"})
    published.add("user/half", {"config.json": (model_folder / "config.json").read_bytes()})

    if name == "user/gated":
        monkeypatch.setenv("HF_TOKEN", READ_TOKEN)
    with pytest.raises(OSError, match=expected) as caught:
        load_model(name)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "name",
    [
        "a b/c",
        "user/..",
        "user/x@../y",
        "user/x@",
        "user/x@/etc/passwd",
        "user/x@a/../b",
        "@v1",
        "../../etc/passwd",
        "user//x",
        "",
    ],
)
def test_what_is_no_hub_id_is_never_asked_for(hub, name):
    with pytest.raises(ValueError, match="is no Hub id"):
        parse_hub_id(name)
    with pytest.raises(FileNotFoundError, match="no model folder"):
        load_model(name or "nothing here")
    assert not hub.requests


def test_private_models_are_for_those_who_may_see_them(published):
    published.repositories["models", MODEL].private = True
    assert load_hub_model(MODEL).name == MODEL
    with pytest.raises(OSError, match="the Hub shows no user/sketcher"):
        load_hub_model(MODEL, token=False, cache_dir=published.cache / "elsewhere")


@pytest.mark.parametrize(
    ("fragment", "fault", "times", "expected"),
    [
        ("HEAD /user/sketcher/resolve", 500, 99, "fault of its own"),
        ("HEAD /user/sketcher/resolve", 429, 99, "asks for patience"),
        ("HEAD /user/sketcher/resolve", 403, 99, "this token may not do that"),
        ("GET /lfs/", "cut", 99, "cannot be reached"),
        pytest.param("GET /lfs/", "stall", 99, "cannot be reached", marks=pytest.mark.slow),
        ("GET /lfs/", "corrupt", 1, "checksum is wrong"),
        ("GET /lfs/", 500, 1, "fault of its own"),
    ],
)
def test_after_a_fault_nothing_is_half_cached_and_a_retry_succeeds(published, fragment, fault, times, expected):
    published.fail(fragment, fault, times)
    with pytest.raises(OSError, match=expected) as caught:
        load_model(MODEL)
    assert "\n" not in str(caught.value)
    assert not [name for name in blobs(published) if "incomplete" in name or len(name) == 64]
    published.faults.clear()
    assert load_model(MODEL).revision == published.commit


def test_a_short_interruption_is_not_even_noticed(published):
    published.fail("GET /lfs/", "cut", 2)
    assert load_model(MODEL).revision == published.commit


def test_sizes_are_read_before_anything_is_fetched(published, model_folder):
    files = folder_files(model_folder)
    published.add(MODEL, {**files, "model.safetensors": files["model.safetensors"] + bytes(5_000_000)})
    with pytest.raises(
        ValueError, match=r"model\.safetensors has .* MB, at most .* MB can be right: it was not fetched"
    ):
        load_model(MODEL)
    assert not [request for request in published.requests if "GET /lfs/" in request]
    published.requests.clear()
    published.add(MODEL, {**files, "config.json": b" " * 5_000_000})
    with pytest.raises(ValueError, match=r"config\.json has 5\.0 MB"):
        load_model(MODEL)
    assert not [request for request in published.requests if "GET /user" in request]


def test_a_model_larger_than_allowed_is_not_fetched(published):
    with pytest.raises(ValueError, match=r"needs .* MB of memory, and .* MB is the limit here: it was not fetched"):
        load_hub_model(MODEL, largest=1000)
    assert not [request for request in published.requests if "GET /lfs/" in request]


def test_repositories_that_attack(published, model_folder, tmp_path):
    class Evil:
        def __reduce__(self):
            return (open, (str(tmp_path / "ran"), "w"))

    files = folder_files(model_folder)
    config = json.loads(files["config.json"])

    def refused(expected: str, **change: bytes) -> None:
        published.add("user/evil", {**files, **{name.replace("_", "."): content for name, content in change.items()}})
        with pytest.raises(ValueError, match=expected):
            load_model("user/evil")

    refused("never pickles", model_safetensors=pickle.dumps(Evil()))
    refused("not a safetensors file", model_safetensors=struct.pack("<Q", 100 * 2**30) + b"{}")
    refused("width must be 1 to 512", config_json=json.dumps({**config, "width": 10**9}).encode())
    refused("does not fit", config_json=json.dumps({**config, "width": 16}).encode())
    refused("not valid JSON", config_json=b"\x80\x04")
    for path in ("../../escaped.txt", "/tmp/escaped.txt", "a\\..\\..\\escaped.txt", "C:escaped.txt"):
        published.requests.clear()
        published.add("user/evil", {**files, path: b"out"})
        with pytest.raises(ValueError, match="whose path leads out of it"):
            load_model("user/evil")
        assert not [request for request in published.requests if "resolve" in request]
    assert not (tmp_path / "ran").exists()


def test_a_newer_format_names_the_version_to_install(published, model_folder):
    files = folder_files(model_folder)
    config = json.loads(files["config.json"]) | {"format_version": 2, "artmodels_version": "3.1.0", "novelty": 1}
    published.add(MODEL, {**files, "config.json": json.dumps(config).encode()})
    with pytest.raises(ValueError, match=r"model format 2 is newer than .* reads \(1\): install artmodels 3\.1\.0"):
        ArtGenerator.from_pretrained(MODEL)


def test_pushing_by_the_mixins_conventions(hub, generator):
    """`save_pretrained` and `push_to_hub` as any Hugging Face user knows them."""
    generator.push_to_hub("user/pushed", private=True, commit_message="by hand")
    repository = hub.repositories["models", "user/pushed"]
    assert repository.private and {"config.json", "model.safetensors", "README.md"} <= repository.head.keys()
    assert b"library_name: artmodels" in repository.head["README.md"]
    assert ArtGenerator.from_pretrained("user/pushed").config == generator.config
