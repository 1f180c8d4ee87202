"""The models that an app has at hand: budgets, strangers, and many visitors at once."""

import itertools
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from helpers import folder_files
from sample_models import make_generator

from artmodels.hub import model_cache as cache_module
from artmodels.hub.load import load_model
from artmodels.hub.model_cache import ModelCache, budget_from_environment


@pytest.fixture
def cache(hub, model, tmp_path):
    return ModelCache([model], cache_dir=tmp_path / "visitors")


@pytest.fixture
def several(hub, tmp_path):
    """Five public models that differ."""
    for seed in range(5):
        folder = tmp_path / f"model-{seed}"
        make_generator(seed=seed).save_pretrained(folder)
        hub.add(f"user/m{seed}", folder_files(folder))
    return [f"user/m{seed}" for seed in range(5)]


def test_a_visitors_model_comes_and_is_kept(cache, hub, several, model):
    told: list[float] = []
    found = cache.load(several[0], told.append)
    assert told and told[-1] == 1.0 and all(a <= b for a, b in itertools.pairwise(told))
    assert found.label == f"user/m0@{found.revision}" and cache.get(found.label) is found
    assert cache.load(several[0]) is found  # the same commit: not loaded twice
    assert cache.get(model.name) is model and cache.names == [model.name]


def test_a_new_version_is_another_model(cache, hub, several, tmp_path):
    first = cache.load(several[0])
    hub.add(several[0], folder_files(tmp_path / "model-1"))
    second = cache.load(several[0])
    assert first.revision != second.revision and first.weights_sha256 != second.weights_sha256


def test_memory_stays_within_its_budget(hub, model, several, tmp_path):
    room = int(2.5 * model.memory)
    cache = ModelCache([model], memory=room, disk=10**9, largest=room, cache_dir=tmp_path / "visitors")
    for name in several:
        cache.load(name)
        assert sum(kept.memory for kept in cache.visiting.values()) <= room
    assert [kept.name for kept in cache.visiting.values()] == several[-2:]
    seen = len(hub.requests)
    assert cache.get(f"{several[0]}@{hub.repositories['models', several[0]].branches['main']}").name == several[0]
    assert len(hub.requests) == seen  # gone from memory, still on the disk


def test_the_disk_stays_within_its_budget(hub, model, several, tmp_path):
    size = (tmp_path / "model-0" / "model.safetensors").stat().st_size
    largest, folder = 2 * model.memory, tmp_path / "visitors"
    cache = ModelCache([model], disk=largest + 2 * size, largest=largest, cache_dir=folder)
    for name in several:
        cache.load(name)
        time.sleep(0.01)  # access times tell which was used longest ago
        stored = sum(path.stat().st_size for path in folder.rglob("blobs/*"))
        assert stored <= cache.disk
    assert len(list(folder.rglob("model.safetensors"))) < len(several)


def test_private_and_local_models_are_not_for_visitors(cache, hub, several, tmp_path, monkeypatch):
    hub.repositories["models", several[0]].private = True
    with pytest.raises(OSError, match="the Hub shows no user/m0"):
        cache.load(several[0])
    monkeypatch.chdir(tmp_path)
    make_generator().save_pretrained(tmp_path / "runs" / "secret")
    assert load_model("runs/secret").name == "secret"  # its owner may
    with pytest.raises(OSError, match="the Hub shows no runs/secret"):
        cache.load("runs/secret")
    for name in (str(tmp_path / "runs" / "secret"), "../runs/secret", "file:///etc/passwd", "a/b/c"):
        with pytest.raises(ValueError, match="is no Hub id"):
            cache.get(name)


def test_a_model_that_never_arrives_is_given_up(cache, hub, several, monkeypatch):
    monkeypatch.setattr(cache_module, "ARRIVAL_TIMEOUT", -1)
    with pytest.raises(OSError, match="did not arrive within"):
        cache.load(several[0])
    monkeypatch.undo()


def test_too_large_for_visitors(hub, model, several, tmp_path):
    cache = ModelCache([model], largest=1000, cache_dir=tmp_path / "visitors")
    with pytest.raises(ValueError, match="is the limit here"):
        cache.load(several[0])


def test_files_beside_a_model_count_as_it_does(hub, model, several, tmp_path, capsys):
    story = {"history.json": b"[" + b" " * 10**6 + b"]"}
    hub.add(several[0], {**folder_files(tmp_path / "model-0"), **story})
    needed = model.memory + model.generator.config.working_memory
    for largest, there in ((needed + 10**5, False), (needed + 2 * 10**6, True)):
        cache = ModelCache([model], largest=largest, cache_dir=tmp_path / str(there))
        assert (cache.load(several[0]).folder / "history.json").exists() == there
        assert ("history.json has 1.0 MB" in capsys.readouterr().err) != there


def test_two_studios_that_share_a_cache_let_models_in_one_at_a_time(hub, model, several, tmp_path, monkeypatch):
    size = (tmp_path / "model-0" / "model.safetensors").stat().st_size
    budgets: dict[str, Any] = {"disk": 2 * model.memory + 2 * size, "largest": 2 * model.memory}
    studios = [ModelCache([model], **budgets, cache_dir=tmp_path / "visitors") for _ in range(2)]
    with ThreadPoolExecutor(2) as pool:
        rounds = [pool.submit(lambda own: [own.load(name) for name in several * 3], studio) for studio in studios]
        assert all(len(found.result()) == 3 * len(several) for found in rounds)
    assert cache_module._size_on_disk(tmp_path / "visitors") <= budgets["disk"]
    monkeypatch.setattr(cache_module, "ARRIVAL_TIMEOUT", 0.1)
    with studios[0]._door(), pytest.raises(OSError, match="other models are coming in"):
        studios[1].load(several[0])


def test_a_folder_that_somebody_has_deleted_takes_no_room(tmp_path):
    assert cache_module._size_on_disk(tmp_path / "gone") == cache_module._last_used(tmp_path / "gone") == 0


def test_many_visitors_at_once(cache, several):
    before = threading.active_count()
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(cache.load, several * 4))
    assert len({id(model) for model in found}) == len(several)
    assert threading.active_count() < before + 30


def test_two_models_of_one_name_are_refused(model):
    with pytest.raises(ValueError, match="have the same name"):
        ModelCache([model, model])


@pytest.mark.parametrize("text", ["-1", "0", "many", "1e9", "9" * 30])
def test_budgets_are_numbers(monkeypatch, text):
    monkeypatch.setenv("ARTMODELS_DISK_MB", text)
    with pytest.raises(ValueError, match="ARTMODELS_DISK_MB must be a number of megabytes"):
        budget_from_environment("ARTMODELS_DISK_MB", 1)
    monkeypatch.setenv("ARTMODELS_DISK_MB", "12")
    assert budget_from_environment("ARTMODELS_DISK_MB", 1) == 12_000_000
