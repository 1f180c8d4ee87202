"""Training pictures from the Hub, by the real `datasets` library and the tests' own Hub, in a process of their own."""

import io
import json
import os
import subprocess
import zipfile

import pytest
from helpers import ROOT, STYLES, assert_one_clear_line, hub_environment, run
from PIL import Image

from artmodels.data import procedural
from artmodels.data.hub_dataset import HubSource, _content, parse_source
from artmodels.training.checkpoint import list_checkpoints


def png(style: str, index: int) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(procedural.draw(style, index, 40)).save(buffer, "PNG")
    return buffer.getvalue()


def parquet(records: dict, features=None) -> bytes:
    """A parquet file as the `datasets` library writes it, made in a process of its own."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = pa.table(records)
    if features:
        table = table.replace_schema_metadata({"huggingface": json.dumps({"info": {"features": features}})})
    buffer = io.BytesIO()
    pq.write_table(table, buffer)
    return buffer.getvalue()


@pytest.fixture
def paintings(hub) -> None:
    """Thirty pictures in parquet: an image column, styles as class labels, titles."""
    count = 10
    rows = [(label, index) for label in range(3) for index in range(count)]
    records = {
        "painting": [{"bytes": png(STYLES[label], index), "path": f"{index}.png"} for label, index in rows],
        "genre": [label for label, _ in rows],
        "title": [f"number {index}" for _, index in rows],
        "artist": ["nobody"] * len(rows),
    }
    features = {
        "painting": {"_type": "Image"},
        "genre": {"_type": "ClassLabel", "names": list(STYLES)},
        "title": {"dtype": "string", "_type": "Value"},
        "artist": {"dtype": "string", "_type": "Value"},
    }
    hub.add("user/paintings", {"data/train-00000-of-00001.parquet": parquet(records, features)}, "datasets")


CODE = """
import json, sys
from artmodels.data.dataset import load_dataset
for source in sys.argv[1:]:
    try:
        found = load_dataset(source, 32)
        print("FOUND", json.dumps([found.style_counts(), found.captions[:2], found.digest, list(found.skipped)]))
    except (ValueError, OSError) as error:
        print("FOUND", json.dumps(str(error)))
"""


TRAINING_CODE = """
import json, sys
from pathlib import Path
from training_runs import train
output = Path(sys.argv[1])
for flags in json.loads(sys.argv[2]):
    ended, config = train(output, *flags), output / "config.json"
    source = json.loads(config.read_text())["data"]["source"] if config.exists() else None
    print("ENDED", json.dumps([ended.returncode, ended.stderr, output.exists(), source]))
"""


@pytest.fixture
def load(hub, tmp_path):
    """What `load_dataset` makes of sources with that Hub: counts, captions, digest, what was skipped; or its error."""
    environment = hub_environment(hub, tmp_path / "home", ARTMODELS_CACHE=str(tmp_path / "cache"))

    def load(*sources: str, **more: str) -> list[list | str]:
        result = run("-c", CODE, *sources, env={**environment, **more})
        assert result.returncode == 0, result.stderr
        return [json.loads(line[6:]) for line in result.stdout.splitlines() if line.startswith("FOUND ")]

    return load


def test_a_source_names_revision_split_and_columns():
    assert parse_source("user/a") == HubSource("user/a", None)
    assert parse_source("user/a@v1?split=test&style=artist") == HubSource("user/a", "v1", "test", style="artist")
    for wrong in ("user/a?colour=red", "a b/c", "user/a@"):
        with pytest.raises(ValueError, match=r"is not among|is no Hub id"):
            parse_source(wrong)


@pytest.mark.slow
def test_parquet_with_columns_found_and_named(paintings, load, hub):
    found, by_artist = load("user/paintings", "user/paintings?style=artist&caption=title")
    counts, captions, digest, skipped = found
    assert counts == dict.fromkeys(sorted(STYLES), 10) and captions == ["number 0", "number 1"] and not skipped
    assert by_artist[0] == {"nobody": 30}
    hub.close()
    (again,) = load("user/paintings", HF_HUB_OFFLINE="1")
    assert again[2] == digest


@pytest.mark.slow
def test_image_folders_plain_and_in_a_zip(hub, load):
    files = {f"train/{style}/{index}.png": png(style, index) for style in STYLES for index in range(4)}
    hub.add("user/folder", files, "datasets")
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        lines = [json.dumps({"file_name": f"{style}.png", "style": style}) for style in STYLES]
        archive.writestr("metadata.jsonl", "\n".join(lines))
        for style in STYLES:
            archive.writestr(f"{style}.png", png(style, 0))
    hub.add("user/zipped", {"train.zip": buffer.getvalue()}, "datasets")
    folder, zipped = load("user/folder", "user/zipped")
    assert folder[0] == dict.fromkeys(sorted(STYLES), 4)
    assert zipped[0] == dict.fromkeys(sorted(STYLES), 1) and not zipped[3]


@pytest.mark.slow
def test_a_pinned_revision_is_that_revision_or_none(paintings, load, hub):
    repository = hub.repositories["datasets", "user/paintings"]
    repository.tags["v1"] = older = repository.branches["main"]
    (first,) = load("user/paintings@v1")
    records = {"painting": [{"bytes": png("mosaic", 99), "path": "a.png"}]}
    newest = hub.add(
        "user/paintings",
        {"data/train-00000-of-00001.parquet": parquet(records, {"painting": {"_type": "Image"}})},
        "datasets",
    )
    now, before = load("user/paintings", "user/paintings@v1")
    assert now[0] == {"paintings": 1} and before[2] == first[2]
    hub.close()
    sources = [f"user/paintings@{revision}" for revision in (newest, "v1", older)]
    offline = load(*sources, HF_HUB_OFFLINE="1")
    assert offline[0] == now
    assert all("cannot be reached" in refused for refused in offline[1:])  # the library would take the newest instead


@pytest.mark.slow
def test_a_table_that_points_at_somebodys_files_reads_none_of_them(hub, load, tmp_path):
    private = tmp_path / "private.png"
    private.write_bytes(png("mosaic", 0))
    records = {"image": [{"bytes": None, "path": str(private)}, {"bytes": png("mosaic", 1), "path": str(private)}]}
    table = parquet(records, {"image": {"_type": "Image"}})
    hub.add("user/thief", {"data/train-00000-of-00001.parquet": table}, "datasets")
    ((counts, _, _, skipped),) = load("user/thief")
    assert counts == {"thief": 1} and "only a path of somebody's machine" in skipped[0][1]


def test_a_file_of_the_cache_that_is_damaged_or_gone_is_a_reason(tmp_path, monkeypatch):
    pytest.importorskip("datasets")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    (tmp_path / "torn.zip").write_bytes(b"PK\3\4 and no more")
    (tmp_path / "folder").mkdir()
    found = {
        path: _content({"bytes": None, "path": path.format(tmp_path)})
        for path in ("zip://a.png::{}/torn.zip", "zip://a.png::{}/gone.zip", "{}/gone.png", "{}/folder")
    }
    assert [found.pop("zip://a.png::{}/torn.zip"), *set(found.values())] == [
        "its zip in the cache is damaged: File is not a zip file",
        "its bytes are not in the data set, and its file is not in the cache",
    ]


@pytest.mark.slow
def test_what_is_no_set_of_pictures(paintings, hub, load):
    hub.add("user/words", {"data/train-00000-of-00001.parquet": parquet({"text": ["a", "b"]})}, "datasets")
    expected = {
        "user/nothing": "there is no folder user/nothing, and the Hub shows no such data set",
        "user/paintings?style=period": "has no column 'period'; it has painting, genre, title, artist",
        "user/paintings?split=test": "has no split 'test'; it has train",
        "user/paintings@v9": "there is no such revision",
        "user/words": "has no column with pictures",
    }
    for words, said in zip(expected.values(), load(*expected), strict=True):
        assert words in said and "\n" not in said


@pytest.mark.slow
def test_a_run_trains_on_it_and_resumes(paintings, hub, tmp_path):
    """In one process that speaks with that Hub: a run is refused, one is trained, and that one is resumed."""
    path = os.pathsep.join(map(str, (ROOT, ROOT / "tests")))
    ours = {"ARTMODELS_CACHE": str(tmp_path / "cache"), "PYTHONPATH": path}
    output = tmp_path / "run"
    flags = ["--preset", "tiny", "--images", "64", "--checkpoint-every", "32", "--evaluate-samples", "16"]
    runs = [
        ["--data", "user/nothing", *flags],
        ["--data", "user/paintings", *flags],
        ["--resume", "--images", "96"],
    ]
    whole = run("-c", TRAINING_CODE, str(output), json.dumps(runs), env=hub_environment(hub, tmp_path / "home", **ours))
    assert whole.returncode == 0, whole.stderr
    told = [json.loads(line[6:]) for line in whole.stdout.splitlines() if line.startswith("ENDED ")]
    refused, trained, longer = (subprocess.CompletedProcess([], code, "", errors) for code, errors, _, _ in told)
    existed, sources = ([each[place] for each in told] for place in (2, 3))
    assert_one_clear_line(refused, "the Hub shows no such data set")
    assert not existed[0]
    assert trained.returncode == 0, trained.stderr
    assert sources[1] == "user/paintings"
    assert longer.returncode == 0, longer.stderr
    assert [folder.name for folder in list_checkpoints(output)] == [
        "images-00000032",
        "images-00000064",
        "images-00000096",
    ]
