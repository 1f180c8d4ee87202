"""What is held out of training: never a picture that is trained on, nor a copy of one, and always the same."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from helpers import STYLES, draw_pictures
from PIL import Image, ImageDraw, ImageOps

from artmodels.data import procedural
from artmodels.data.dataset import load_dataset
from artmodels.data.split import copies, keep_split, near_copies_between, share_held_out, split


def names(dataset) -> set[str]:
    return set(dataset.names)


@pytest.fixture
def collection(tmp_path) -> Path:
    return draw_pictures(tmp_path / "paintings", per_style=20)


def test_a_share_is_held_out_and_nothing_is_on_both_sides(collection):
    dataset = load_dataset(collection, 32)
    train, test = split(dataset, 0.3)
    assert 9 <= len(test) <= 27 and len(train) + len(test) == 60
    assert names(train) | names(test) == names(dataset) and not names(train) & names(test)
    assert not set(train.file_digests) & set(test.file_digests)
    whole = dataset.batch(np.arange(len(dataset)))
    for side in (train, test):  # a picture keeps its pixels, its label and its caption
        rows = [dataset.names.index(name) for name in side.names]
        assert (side.batch(np.arange(len(side))) == whole[rows]).all()
        assert np.array_equal(side.labels, dataset.labels[rows])


@pytest.mark.parametrize(
    ("pictures", "share", "expected"),
    [
        (8500, 0.1, 850),
        (50_000, 0.1, 1000),
        (500, 0.1, 50),
        (100, 0.1, 16),
        (50, 0.1, 12.5),
        (10, 0.1, 2.5),
        (50, 0, 0),
    ],
)
def test_small_collections_hold_out_enough_to_measure_and_no_more_than_a_quarter(pictures, share, expected):
    assert share_held_out(pictures, share) * pictures == pytest.approx(expected)


def test_a_collection_that_grows_holds_out_nothing_that_was_trained_on(tmp_path):
    folder = draw_pictures(tmp_path / "paintings", per_style=10)
    before, _ = split(load_dataset(folder, 32), 0.1)
    for style in STYLES:
        for index in range(1000, 1030):
            Image.fromarray(procedural.draw(style, index, 48)).save(folder / style / f"{index}.png")
    _, after = split(load_dataset(folder, 32), 0.1)
    assert len(after) >= 3 and not set(after.file_digests) & set(before.file_digests)


def test_the_split_follows_the_files_wherever_they_lie(collection, tmp_path):
    _, test = split(load_dataset(collection, 32), 0.2)
    renamed = tmp_path / "renamed"
    for style in STYLES:
        (renamed / style).mkdir(parents=True)
        for path in (collection / style).iterdir():
            shutil.copy(path, renamed / style / f"{style}-{path.stem}-by-me.png")
    zipped = Path(shutil.make_archive(str(tmp_path / "zipped"), "zip", renamed))
    for other in (renamed, zipped):
        assert set(split(load_dataset(other, 32), 0.2)[1].file_digests) == set(test.file_digests)
    assert names(split(load_dataset(collection, 64), 0.2)[1]) == names(test)


def test_copies_stay_on_one_side_however_they_were_made(tmp_path):
    """The same file twice, saved anew as a small JPEG, brightened, and mirrored: none may betray a held-out picture."""
    folder = draw_pictures(tmp_path / "paintings", per_style=12)
    originals = sorted((folder / "flow-field").iterdir())
    for path in originals:
        picture = Image.open(path).convert("RGB")
        shutil.copy(path, folder / "mosaic" / f"same-{path.name}")
        picture.resize((40, 40)).save(path.with_name(f"{path.stem}-small.jpg"), quality=80)
        picture.point(lambda level: min(255, int(level * 1.1))).save(path.with_name(f"{path.stem}-bright.png"))
        ImageOps.mirror(picture).save(path.with_name(f"{path.stem}-mirrored.png"))
    dataset = load_dataset(folder, 32)
    groups = dict(zip(dataset.names, copies(dataset), strict=True))
    for path in originals:
        family = [f"flow-field/{path.stem}{ending}" for ending in ("-small.jpg", "-bright.png", "-mirrored.png")]
        family.append(f"mosaic/same-{path.name}")
        assert {groups[name] for name in family} == {groups[f"flow-field/{path.name}"]}
    train, test = split(dataset, 0.5)
    assert len(test) > 10
    assert not {groups[name] for name in train.names} & {groups[name] for name in test.names}


def test_different_pictures_are_not_taken_for_copies(collection):
    dataset = load_dataset(collection, 32)
    of_style = [copies(dataset)[dataset.labels == label] for label in range(len(STYLES))]
    assert all(len(set(groups)) > 15 for groups in of_style)


def test_drawings_on_a_plain_ground_are_no_copies_of_each_other(tmp_path):
    rng = np.random.default_rng(0)
    for index in range(300):
        drawing = Image.new("RGB", (64, 64), "white")
        corners = [tuple(corner) for corner in rng.integers(18, 46, (8, 2)).tolist()]
        ImageDraw.Draw(drawing).line(corners, "black", 2)
        drawing.save(tmp_path / f"{index:03d}.png")
        if index % 10 == 0:
            drawing.save(tmp_path / f"{index:03d}.jpg", quality=70)
    dataset = load_dataset(tmp_path, 64)
    groups = copies(dataset)
    assert 285 <= len(set(groups.tolist())) <= 300
    for jpeg in (index for index, name in enumerate(dataset.names) if name.endswith(".jpg")):
        assert groups[jpeg] == groups[jpeg + 1]
    _, test = split(dataset, 0.1)
    assert 0.05 <= len(test) / len(dataset) <= 0.2


def test_what_is_mostly_one_picture_is_trained_on(tmp_path):
    """Frames of a film, say: held out, they would leave nothing to train on."""
    frame = Image.fromarray(procedural.draw("mosaic", 0, 64))
    for index in range(60):
        frame.point(lambda level, by=index: max(level - by, 0)).save(tmp_path / f"frame-{index}.png")
    for index in range(40):
        Image.fromarray(procedural.draw("mosaic", 100 + index, 64)).save(tmp_path / f"other-{index}.png")
    for resolution in (32, 64):
        train, test = split(load_dataset(tmp_path, resolution), 0.1)
        assert sum(name.startswith("frame") for name in names(train)) == 60 and len(test) >= 3


def test_no_style_is_held_out_whole_and_too_few_are_not_held_out_at_all(tmp_path):
    folder = draw_pictures(tmp_path / "paintings", per_style=30)
    for path in sorted((folder / "mosaic").iterdir())[1:]:
        path.unlink()
    train, test = split(load_dataset(folder, 32), 0.5)
    assert train.style_counts()["mosaic"] == 1 and len(test) > 10
    few = draw_pictures(tmp_path / "few", per_style=1)
    train, test = split(load_dataset(few, 32), 0.5)
    assert len(train) == 3 and len(test) == 0


@pytest.mark.parametrize("seed", range(4))
def test_many_copies_of_a_picture_are_held_out_no_more_often_than_one(tmp_path, seed):
    """Of eight variants each, the least checksum would nearly always be among the lowest."""
    folder = tmp_path / "paintings" / "one"
    folder.mkdir(parents=True)
    for index in range(40):
        picture = Image.fromarray(procedural.draw("op-art", 1000 * seed + index, 48))
        for variant in range(8):
            picture.point(lambda level, v=variant: max(0, level - v)).save(folder / f"{index}-{variant}.png")
    _, test = split(load_dataset(folder.parent, 32), 0.1)
    assert len(test) <= 8 * 12  # of 40 families about 4: 12 by chance once in 2,000, and 23 by the least of eight


def test_where_chance_holds_out_too_few_the_lowest_lots_are_added(tmp_path):
    for count in (4, 5, 6, 8, 10):  # pictures of each of three styles
        dataset = load_dataset(draw_pictures(tmp_path / f"of-{count}", per_style=count), 32)
        train, test = split(dataset, 0.1)
        assert 3 <= len(test) <= len(dataset) / 2 and min(train.style_counts().values()) >= 1


def test_near_copies_between_two_sets_are_found(tmp_path):
    train = draw_pictures(tmp_path / "train", per_style=6)
    test = draw_pictures(tmp_path / "test", per_style=1)
    for style in STYLES:
        Image.fromarray(procedural.draw(style, 777, 48)).save(test / style / "new.png")
    ImageOps.mirror(Image.open(test / "op-art" / "0.png")).save(test / "op-art" / "mirrored.png")
    dataset = load_dataset(test, 32)
    found = near_copies_between(dataset, load_dataset(train, 32))
    assert {dataset.names[place] for place in found} == {*(f"{style}/0.png" for style in STYLES), "op-art/mirrored.png"}


def test_a_runs_split_is_kept_though_the_rule_may_change(collection, tmp_path, monkeypatch):
    dataset = load_dataset(collection, 32)
    _, test = keep_split(tmp_path, dataset, 0.2, write=True)
    monkeypatch.setattr("artmodels.data.split.held_out", lambda *_: np.zeros(len(dataset), dtype=bool))
    assert keep_split(tmp_path, dataset, 0.2, write=True)[1].names == test.names
    kept = json.loads((tmp_path / "split.json").read_text())["held_out"]
    assert kept == dict(zip(test.names, test.file_digests, strict=True)) and len(kept) > 3
    for path in sorted((collection / "mosaic").iterdir()):
        path.rename(path.with_name(f"my-{path.name}"))
    assert set(keep_split(tmp_path, load_dataset(collection, 32), 0.2, write=True)[1].file_digests) == set(
        kept.values()
    )


@pytest.mark.parametrize("damage", ["{", "[]", '{"held_out": {"a.png": "0123456789abcdef"}}', '{"held_out": 3}'])
def test_a_damaged_split_is_refused(collection, tmp_path, damage):
    (tmp_path / "split.json").write_text(damage)
    with pytest.raises(ValueError, match=r"split.json .*start a new run"):
        keep_split(tmp_path, load_dataset(collection, 32), 0.2, write=True)


def test_every_process_finds_the_same_split(collection, tmp_path):
    dataset = load_dataset(collection, 32)
    alone = keep_split(tmp_path, dataset, 0.2, write=False)
    assert not (tmp_path / "split.json").exists()
    first = keep_split(tmp_path, dataset, 0.2, write=True)
    assert [side.names for side in alone] == [side.names for side in first]
    assert alone[0].digest == first[0].digest != first[1].digest
