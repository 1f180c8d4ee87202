"""Reading folders and zips: what becomes of each kind of file, and what of bad ones."""

import hashlib
import io
import json
import os
import resource
import struct
import subprocess
import sys
import threading
import time
import tracemalloc
import unicodedata
import zipfile
import zlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from helpers import ROOT, STYLES, assert_one_clear_line, draw_pictures, run
from PIL import Image, ImageCms, ImageOps

from artmodels.data import dataset as dataset_module
from artmodels.data import procedural
from artmodels.data.collection import Collection, Entry, open_files
from artmodels.data.dataset import divided, load_dataset, open_collection
from artmodels.data.decode import AT_ONCE, MAX_PIXELS, PixelBudget, decode_picture, to_tensor
from artmodels.data.metadata import READERS
from artmodels.io.files import LOCK_NAME, in_turn


def encode(image: Image.Image, format: str = "PNG", **options) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, format, **options)
    return buffer.getvalue()


def zip_of(path: Path, files: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return path


PNG = encode(Image.fromarray(procedural.draw("mosaic", 0, 32)))


def test_a_folder_with_a_sub_folder_per_style(pictures):
    dataset = load_dataset(pictures, 32)
    assert dataset.styles == tuple(sorted(STYLES))
    assert dataset.pictures.shape == (18, 32, 32, 3) and dataset.pictures.dtype == np.uint8
    assert dataset.style_counts() == dict.fromkeys(sorted(STYLES), 6)
    assert isinstance(dataset.pictures.base, np.memmap)


def test_a_flat_folder_is_one_style_named_after_it(tmp_path):
    folder = tmp_path / "seascapes"
    folder.mkdir()
    for index in range(3):
        (folder / f"{index}.png").write_bytes(PNG)
    assert load_dataset(folder, 32).styles == ("seascapes",)


@pytest.mark.parametrize(
    ("names", "styles"),
    [
        (["a/1.png", "b/2.png"], ("a", "b")),
        (["top/a/1.png", "top/b/2.png"], ("a", "b")),  # zipped with the folder around it
        (["1.png", "2.png"], ("art",)),
        (["works/1.png", "works/2.png"], ("works",)),
        (["__MACOSX/a/._1.png", ".hidden/3.png", "a/1.png", "b/2.png"], ("a", "b")),
    ],
)
def test_styles_of_a_zip(tmp_path, names, styles):
    dataset = load_dataset(zip_of(tmp_path / "art.zip", dict.fromkeys(names, PNG)), 32)
    assert dataset.styles == styles


def test_a_zip_and_its_folder_give_the_same_pictures(tmp_path, pictures):
    files = {path.relative_to(pictures).as_posix(): path.read_bytes() for path in sorted(pictures.rglob("*.png"))}
    from_zip = load_dataset(zip_of(tmp_path / "z.zip", files), 32)
    from_folder = load_dataset(pictures, 32)
    assert from_zip.names == from_folder.names
    assert np.array_equal(from_zip.pictures, from_folder.pictures)


@pytest.mark.parametrize("key", ["style", "label"])
def test_metadata_gives_styles_and_captions(tmp_path, key):
    records = [
        {"file_name": "1.png", "text": "a storm", key: "marine"},
        {"file_name": "2.png", "text": "a vase", key: "still life"},
    ]
    lines = "\n".join(json.dumps(record) for record in records).encode()
    files = {"1.png": PNG, "2.png": PNG, "metadata.jsonl": lines}
    dataset = load_dataset(zip_of(tmp_path / "m.zip", files), 32)
    assert dataset.styles == ("marine", "still life")
    assert dataset.captions == ("a storm", "a vase")


def test_metadata_as_editors_and_exporters_leave_it(tmp_path):
    lines = [
        {"file_name": "1.png", "text": "line\u2028separator", "style": None, "label": 3},
        {"file_name": "gone.png", "text": "x"},
    ]
    content = "\ufeff" + "\r\n".join(json.dumps(line, ensure_ascii=False) for line in lines)
    files = {"a/1.png": PNG, "a/metadata.jsonl": content.encode(), "b/2.png": PNG}
    files["b/metadata.jsonl"] = b'{"file_name": "2.png", "text": "two"}'
    dataset = load_dataset(zip_of(tmp_path / "m.zip", files), 32)
    assert dataset.styles == ("3", "b") and dataset.captions == ("line\u2028separator", "two")
    assert dataset.skipped == (("a/metadata.jsonl", "1 of its lines name no picture here, like gone.png"),)


def test_damaged_metadata_in_a_zip_is_named(tmp_path):
    path = zip_of(tmp_path / "m.zip", {"1.png": PNG, "metadata.jsonl": b'{"file_name": "1.png"}'})
    content = bytearray(path.read_bytes())
    content[content.find(b'{"file_name"') + 3] ^= 1
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"metadata\.jsonl is damaged in the zip"):
        load_dataset(path, 32)


def test_colons_links_and_dots_in_names_are_no_trouble(tmp_path, pictures):
    folder = tmp_path / "St. Ives"
    folder.mkdir()
    (folder / "Turner: Study.png").write_bytes(PNG)
    dataset = load_dataset(folder, 32)
    assert dataset.styles == ("St. Ives",) and dataset.names == ("Turner: Study.png",)
    linked = tmp_path / "linked"
    linked.mkdir()
    (linked / "mosaic").symlink_to(pictures / "mosaic")
    (linked / "round").symlink_to(linked)
    (linked / "twin").symlink_to(linked / "mosaic")
    assert len(load_dataset(linked, 32)) == 6


def test_a_division_by_folders_holds_where_metadata_name_the_styles(tmp_path):
    for split, first, count in (("train", 0, 4), ("test", 9, 2)):
        (tmp_path / "art" / split).mkdir(parents=True)
        lines = []
        for index in range(first, first + count):
            Image.fromarray(procedural.draw("mosaic", index, 32)).save(tmp_path / "art" / split / f"{index}.png")
            lines.append(json.dumps({"file_name": f"{index}.png", "style": "odd" if index % 2 else "even"}))
        (tmp_path / "art" / split / "metadata.jsonl").write_text("\n".join(lines))
    train, test = divided(load_dataset(tmp_path / "art", 32))
    assert test and (len(train), len(test)) == (4, 2) and train.styles == ("even", "odd")


def test_a_picture_right_in_a_part_does_not_undo_the_division(tmp_path):
    draw_pictures(tmp_path / "art" / "train", 3)
    (tmp_path / "art" / "test" / "mosaic").mkdir(parents=True)
    Image.fromarray(procedural.draw("mosaic", 99, 32)).save(tmp_path / "art" / "test" / "mosaic" / "99.png")
    Image.fromarray(procedural.draw("op-art", 98, 32)).save(tmp_path / "art" / "train" / "cover.png")
    train, test = divided(load_dataset(tmp_path / "art", 32))
    assert test and (len(train), len(test)) == (9, 1) and "train" not in train.styles


def test_a_name_that_is_no_unicode_does_not_stop_the_decoding(tmp_path):
    folder = tmp_path / "art"
    os.mkdir(os.fsencode(folder))
    os.mkdir(os.fsencode(folder) + b"/caf\xe9")
    with open(os.fsencode(folder) + b"/caf\xe9/1.png", "wb") as file:
        file.write(PNG)
    assert load_dataset(folder, 32).styles == ("caf?",)


def test_a_name_that_stands_twice_in_a_zip_counts_once(tmp_path):
    with pytest.warns(UserWarning, match="Duplicate name"), zipfile.ZipFile(tmp_path / "d.zip", "w") as archive:
        for _ in range(2):
            archive.writestr("a/1.png", PNG)
    assert len(load_dataset(tmp_path / "d.zip", 32)) == 1


def test_the_digest_is_that_of_the_pictures_wherever_they_lie(tmp_path, pictures):
    before = load_dataset(pictures, 32).digest
    moved = pictures.rename(tmp_path / "moved")
    assert load_dataset(moved, 32).digest == before
    (moved / "mosaic" / "0.png").write_bytes((moved / "mosaic" / "1.png").read_bytes())
    assert load_dataset(moved, 32).digest != before


def test_a_picture_that_was_left_out_can_be_taken_away_without_changing_the_digest(pictures):
    (pictures / "mosaic" / "broken.png").write_bytes(b"no")
    with_it = load_dataset(pictures, 32)
    (pictures / "mosaic" / "broken.png").unlink()
    without = load_dataset(pictures, 32)
    assert [name for name, _ in with_it.skipped] == ["mosaic/broken.png"] and with_it.folder != without.folder
    assert with_it.digest == without.digest == without.former_digest
    assert [(each.folder / "pictures.npy").stat().st_size for each in (with_it, without)] == [
        128 + 18 * 32 * 32 * 3
    ] * 2
    assert np.array_equal(with_it.pictures, without.pictures)

    file = io.BytesIO()  # as older versions wrote it, and knew it by
    np.save(file, np.concatenate([without.pictures, np.zeros((1, 32, 32, 3), np.uint8)]))
    told = [hashlib.sha256(file.getvalue()).hexdigest(), without.labels.tolist(), list(without.styles)]
    assert with_it.former_digest == hashlib.sha256(repr(told).encode()).hexdigest()


def test_metadata_of_millions_of_empty_lines_take_no_memory_for_each():
    text = "\n" * 5_000_000 + '{"file_name": "1.png"}'
    tracemalloc.start()
    try:
        assert [name for name, _ in READERS["metadata.jsonl"]("art: metadata.jsonl", text)] == ["1.png"]
        assert tracemalloc.get_traced_memory()[1] < 1_000_000
    finally:
        tracemalloc.stop()
    with pytest.raises(ValueError, match="line 5000001 of"):
        list(READERS["metadata.jsonl"]("art: metadata.jsonl", text[:-1]))


def test_metadata_may_be_larger_where_there_are_more_pictures(tmp_path, monkeypatch):
    monkeypatch.setattr("artmodels.data.collection.MAX_METADATA_BYTES", 100)
    monkeypatch.setattr("artmodels.data.collection.MORE_METADATA_BYTES", 200)
    line = json.dumps({"file_name": "1.png", "text": "x" * 250}).encode()
    with pytest.raises(ValueError, match=r"metadata\.jsonl is larger than 300 bytes; mend it or take it away"):
        opened(tmp_path, {"1.png": PNG, "metadata.jsonl": line + b" " * 50})
    assert len(opened(tmp_path, {"2.png": PNG}).entries) == 2


def test_metadata_that_is_no_json_is_named_by_line(tmp_path):
    archive = zip_of(tmp_path / "m.zip", {"1.png": PNG, "metadata.jsonl": b'{"file_name": "1.png"}\nnonsense\n'})
    with pytest.raises(ValueError, match="line 2"):
        load_dataset(archive, 32)


# --- what is taken for a style ---------------------------------------------------------------------------------------


def opened(tmp_path: Path, files: dict[str, bytes] | list[str]) -> Collection:
    """A folder with these files, opened but not decoded."""
    folder = tmp_path / "art"
    for name, content in files.items() if isinstance(files, dict) else dict.fromkeys(files, PNG).items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return open_collection(folder)


def styles_of(collection: Collection) -> list[str]:
    return [entry.style for entry in collection.entries]


@pytest.mark.parametrize("wrapping", ["", "export/"])
def test_folders_that_divide_are_no_styles(tmp_path, wrapping):
    names = [f"{wrapping}{split}/{style}/{i}.png" for split in ("train", "val", "test") for style in "ab" for i in "12"]
    collection = opened(tmp_path, names)
    assert set(styles_of(collection)) == {"a", "b"}
    assert {entry.name: entry.split for entry in collection.entries} == {
        name: name.removeprefix("export/").split("/")[0] for name in names
    }
    assert "4 in test, 4 in train, 4 in val" in collection.notes[0]
    dataset = load_dataset(tmp_path / "art", 32)
    trained_on, measured_by = divided(dataset)
    assert [len(trained_on), len(measured_by)] == [4, 4]
    assert {name.removeprefix("export/").split("/")[0] for name in measured_by.names} == {"test"}


def test_a_stray_picture_beside_divisions_is_left_out(tmp_path):
    opened(tmp_path, ["cover.png", "train/a/1.png", "test/a/2.png"])
    trained_on, measured_by = divided(load_dataset(tmp_path / "art", 32))
    assert (trained_on.names, measured_by.names) == (("train/a/1.png",), ("test/a/2.png",))


def test_validation_pictures_measure_where_there_are_no_test_pictures(tmp_path):
    opened(tmp_path, ["Training/a/1.png", "Training/a/2.png", "valid/a/3.png"])
    trained_on, measured_by = divided(load_dataset(tmp_path / "art", 32))
    assert (trained_on.names, measured_by.names) == (("Training/a/1.png", "Training/a/2.png"), ("valid/a/3.png",))


@pytest.mark.parametrize(
    "names",
    [
        ["train/1.png", "test/2.png"],  # they hold no folders: a style may be called so
        ["train/a/1.png", "seascapes/b/2.png"],
        ["train/a/1.png", "train/b/2.png"],
    ],
)
def test_folders_that_may_be_styles_are_left_as_they_are(tmp_path, names):
    collection = opened(tmp_path, names)
    assert not any(entry.split for entry in collection.entries)
    assert divided(load_dataset(tmp_path / "art", 32))[1] is None


def test_chunks_of_the_stylegan_tools_are_no_styles_and_their_labels_are(tmp_path):
    names = [f"0000{i // 2}/img0000000{i}.png" for i in range(4)]
    assert styles_of(opened(tmp_path, names)) == ["art"] * 4
    labels = json.dumps({"labels": [[name, place % 2] for place, name in enumerate(names)]})
    collection = opened(tmp_path, {**dict.fromkeys(names, PNG), "dataset.json": labels.encode()})
    assert styles_of(collection) == ["label 0", "label 1"] * 2
    assert (
        styles_of(opened(tmp_path, {**dict.fromkeys(names, PNG), "dataset.json": b'{"labels": null}'})) == ["art"] * 4
    )


def test_an_export_that_holds_everything_twice_counts_it_once(tmp_path):
    names = [f"images/images/{artist}/{artist}_{i}.png" for artist in ("Monet", "Goya") for i in range(3)]
    copies = [f"resized/resized/{artist}_{i}.png" for artist in ("Monet", "Goya") for i in range(3)]
    collection = opened(tmp_path, [*names, *copies])
    assert sorted(set(styles_of(collection))) == ["Goya", "Monet"] and len(collection.entries) == 6
    assert {name for name, _ in collection.refused} == set(copies)


def test_styles_of_numbered_pictures_are_no_copies_of_each_other(tmp_path):
    names = [f"Monet/{i:03}.png" for i in range(4)] + [f"Goya/late/{i:03}.png" for i in range(5)]
    names += [f"Rubens/early/{i:03}.png" for i in range(3)]
    collection = opened(tmp_path, names)
    assert len(collection.entries) == 12 and set(styles_of(collection)) == {"Monet", "Goya", "Rubens"}
    collection = opened(tmp_path / "two", names[:9])
    assert len(collection.entries) == 9


def test_folders_that_wrap_within_a_division_are_no_styles(tmp_path):
    names = [f"{split}/images/{style}/1.png" for split in ("train", "test") for style in ("Monet", "Dali")]
    assert sorted(set(styles_of(opened(tmp_path, names)))) == ["Dali", "Monet"]


def test_a_style_that_only_measures_is_none(tmp_path):
    opened(tmp_path, ["train/b/1.png", "train/c/2.png", "test/a/3.png", "test/c/4.png"])
    trained_on, measured_by = divided(load_dataset(tmp_path / "art", 32))
    assert trained_on.styles == measured_by.styles == ("b", "c")
    assert trained_on.labels.tolist() == [0, 1] and measured_by.labels.tolist() == [1]
    assert measured_by.names == ("test/c/4.png",)


def test_what_one_metadata_file_says_another_does_not_erase(tmp_path):
    files = {"1.png": PNG, "metadata.csv": b"file_name,style,text\n1.png,etching,a\n"}
    collection = opened(tmp_path, {**files, "metadata.jsonl": b'{"file_name": "1.png", "text": "b"}'})
    (entry,) = collection.entries
    assert entry.style == "etching" and entry.caption in ("a", "b")


def test_system_folders_are_hidden_and_spellings_are_joined(tmp_path):
    composed, decomposed = unicodedata.normalize("NFC", "Écorché"), unicodedata.normalize("NFD", "Écorché")
    names = ["@eaDir/a/1.png", "$RECYCLE.BIN/1.png", "System Volume Information/1.png", ".thumbs/1.png"]
    names += ["Ukiyo-e/1.png", "Ukiyo-e/2.png", "ukiyo-e/3.png", "Ukiyo-e /4.png"]
    names += [f"{composed}/1.png", f"{decomposed}/2.png"]
    collection = opened(tmp_path, names)
    assert sorted(set(styles_of(collection))) == sorted(["Ukiyo-e", composed])
    assert collection.notes == ("styles Ukiyo-e, ukiyo-e are one: Ukiyo-e",)


@pytest.mark.parametrize("zipped", [False, True])
def test_a_folder_that_a_dot_hides_is_counted_if_it_holds_pictures(tmp_path, zipped):
    names = ["a/1.png", "...and others/1.png", "...and others/b/2.png", "a/.x/3.png", "a/._1.png", ".git/config"]
    names += ["__MACOSX/.x/1.png", "@eaDir/1.png"]
    collection = opened(tmp_path, names)
    if zipped:
        collection = open_collection(zip_of(tmp_path / "art.zip", dict.fromkeys(names, PNG)))
    assert [entry.name for entry in collection.entries] == ["a/1.png"]
    assert dict(collection.refused) == {
        "...and others": "its name begins with a dot, which hides it: its pictures (2) are left out",
        "a/.x": "its name begins with a dot, which hides it: its pictures (1) are left out",
    }


# --- metadata --------------------------------------------------------------------------------------------------------


def test_a_table_beside_pictures_speaks_like_json_lines(tmp_path):
    table = 'file_name,title,artist\n1.png,"a storm, at night",Turner\n2.png,a vase,Redon\n'
    collection = opened(tmp_path, {"1.png": PNG, "2.png": PNG, "metadata.csv": table.encode()})
    assert [(entry.style, entry.caption) for entry in collection.entries] == [
        ("Turner", "a storm, at night"),
        ("Redon", "a vase"),
    ]


@pytest.mark.parametrize(
    ("stored", "written"),
    [
        ("a/1.png", "a\\1.png"),
        ("a/1.png", "./a/1.png"),
        ("a/1.png", "A/1.PNG"),
        ("a/1.png", "a/1"),
        ("a/1.png", "/home/me/paintings/a/1.png"),
        ("a/1.png", "C:\\paintings\\a\\1.png"),
        (unicodedata.normalize("NFD", "a/Écorché.png"), unicodedata.normalize("NFC", "a/Écorché.png")),
    ],
)
def test_names_are_matched_where_only_one_picture_can_be_meant(tmp_path, stored, written):
    line = json.dumps({"file_name": written, "caption": "found", "style": "etching"})
    collection = opened(tmp_path, {stored: PNG, "b/2.png": PNG, "metadata.jsonl": line.encode()})
    told = {entry.name: (entry.style, entry.caption) for entry in collection.entries}
    assert told == {stored: ("etching", "found"), "b/2.png": ("b", "")}


def test_a_name_that_two_pictures_can_bear_matches_neither(tmp_path):
    lines = [{"file_name": "a/1", "style": "x"}, {"file_name": "b/2.png", "style": "y"}]
    content = "\n".join(map(json.dumps, lines)).encode()
    collection = opened(tmp_path, {"a/1.png": PNG, "a/1.jpg": PNG, "b/2.png": PNG, "metadata.jsonl": content})
    assert sorted(styles_of(collection)) == ["a", "a", "y"]
    assert collection.refused == (("metadata.jsonl", "1 of its lines name no picture here, like a/1"),)


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        (
            "metadata.jsonl",
            b'{"file_name": "no.png"}',
            r"1 of the 1 lines of .* name no picture.*'1\.png'",
        ),
        ("metadata.jsonl", '{"file_name": "1.png"}'.encode("utf-16"), r"is UTF-16: save it as UTF-8"),
        ("metadata.csv", "file_name,text\n1.png,Écorché\n".encode("latin-1"), r"is not UTF-8 \(line 2"),
        ("metadata.csv", b"name,text\n1.png,a\n", r"one of them file_name"),
        ("metadata.csv", b"", r"one of them file_name"),
        ("metadata.jsonl", b'{"text": "a"}', r"line 1 of metadata\.jsonl should be JSON like"),
        ("dataset.json", b'{"labels": [["1.png"]]}', r"should be like"),
        ("dataset.json", b"[", r"should be like"),
    ],
)
def test_metadata_that_says_nothing_stops_with_one_line(tmp_path, name, content, expected):
    with pytest.raises(ValueError, match=expected) as caught:
        opened(tmp_path, {"1.png": PNG, name: content})
    assert "\0" not in str(caught.value) and "\n" not in str(caught.value)


def test_a_style_that_is_no_number_is_no_style(tmp_path):
    line = b'{"file_name": "1.png", "style": NaN, "label": null, "artist": "Goya"}'
    assert styles_of(opened(tmp_path, {"1.png": PNG, "metadata.jsonl": line})) == ["Goya"]


# --- zips ------------------------------------------------------------------------------------------------------------


def zip_with_raw_names(path: Path, names: list[bytes]) -> Path:
    """As Info-ZIP and the Finder write them: names in some code page, and no word of which."""
    zip_of(path, {"x" * len(name): PNG for name in {len(name): name for name in names}.values()})
    content = path.read_bytes()
    for name in names:
        content = content.replace(b"x" * len(name), name)
    path.write_bytes(content)
    return path


def test_names_of_zips_that_are_utf8_without_saying_so(tmp_path):
    path = zip_with_raw_names(tmp_path / "z.zip", ["水墨画/1.png".encode(), "油画/2.png".encode()])
    dataset = load_dataset(path, 32)
    assert dataset.styles == ("水墨画", "油画") and dataset.names == ("水墨画/1.png", "油画/2.png")


@pytest.mark.parametrize("code_page", ["gbk", "shift-jis"])
def test_names_of_an_unknown_code_page_are_said(tmp_path, code_page):
    path = zip_with_raw_names(tmp_path / "z.zip", ["国画/1.png".encode(code_page)])
    with pytest.raises(ValueError, match=r"names of an unknown code page.*unpack it and give the folder"):
        open_collection(path)


def test_backslashes_in_a_zip_are_folders(tmp_path):
    dataset = load_dataset(zip_of(tmp_path / "z.zip", {"art\\a\\1.png": PNG, "art\\b\\2.png": PNG}), 32)
    assert dataset.styles == ("a", "b") and len(dataset) == 2


@pytest.mark.parametrize(
    ("method", "flags", "expected"),
    [
        (9, 0, "Deflate64"),
        (12, 0, "bzip2"),
        (14, 0, "LZMA"),
        (93, 0, "Zstandard"),
        (99, 1, "encrypted"),
        (8, 1, "encrypted"),
        (77, 0, "not read"),
    ],
)
def test_what_a_zip_is_compressed_by_is_named(tmp_path, method, flags, expected):
    path = zip_of(tmp_path / "z.zip", {"a/1.png": PNG, "b/2.png": PNG})
    content = bytearray(path.read_bytes())
    local, central = content.find(b"PK\3\4"), content.find(b"PK\1\2")
    for start, offset in ((local, 6), (central, 8)):
        content[start + offset : start + offset + 4] = struct.pack("<HH", flags, method)
    path.write_bytes(content)
    ((name, reason),) = load_dataset(path, 32).skipped
    assert name == "a/1.png" and expected in reason


def test_a_member_that_unpacks_to_more_than_it_says_is_never_unpacked_whole(tmp_path):
    path = tmp_path / "bomb.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a/1.png", bytes(50_000_000))
    content = bytearray(path.read_bytes())
    local, central = content.find(b"PK\3\4"), content.find(b"PK\1\2")
    for place in (local + 22, central + 24):
        content[place : place + 4] = struct.pack("<I", 100)
    path.write_bytes(content)
    (read,) = open_files(path).read(["a/1.png"])
    assert isinstance(read[1], str) and "damaged" in read[1]


# --- colours, and pictures that are none -----------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "TIFF", "WEBP"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_honoured(orientation, kind):
    """Against Pillow's own way of setting a picture upright."""
    stored = Image.fromarray(procedural.draw("stained-glass", 3, 64))
    exif = Image.Exif()
    exif[0x0112] = orientation
    content = encode(stored, kind, exif=exif, quality=100)
    with Image.open(io.BytesIO(content)) as picture:
        expected = np.asarray(ImageOps.exif_transpose(picture))
    assert np.array_equal(decode_picture(content, 64), expected)
    upright = ImageOps.exif_transpose(Image.open(io.BytesIO(encode(stored, exif=exif))))
    assert np.abs(np.asarray(upright).astype(int) - expected).mean() < 12  # whatever the kind, the same way up


def test_odd_exif_is_no_reason_to_stop():
    exif = Image.Exif()
    exif[0x0112] = 6
    exif[0x9999] = "a string where a number belongs"
    written = exif.tobytes()
    forged = written.replace(b"\x99\x99", b"\x02\x01" if b"MM" in written[:10] else b"\x01\x02")
    content = encode(Image.fromarray(procedural.draw("mosaic", 3, 64)), "JPEG", exif=forged)
    with Image.open(io.BytesIO(content)) as picture, pytest.raises(struct.error):
        ImageOps.exif_transpose(picture)  # what Pillow's own way of turning it makes of such a file
    assert decode_picture(content, 32).shape == (32, 32, 3)


def test_a_huge_picture_is_reduced_first_and_looks_the_same():
    small = Image.fromarray(procedural.draw("mosaic", 3, 64))
    large = small.resize((2048, 2048), Image.Resampling.NEAREST)
    difference = decode_picture(encode(large), 32).astype(int) - decode_picture(encode(small), 32).astype(int)
    assert np.abs(difference).mean() < 3


def test_alpha_is_laid_over_white():
    assert decode_picture(encode(Image.new("RGBA", (32, 32), (0, 0, 0, 0))), 16).min() == 255
    half = decode_picture(encode(Image.new("RGBA", (32, 32), (0, 0, 0, 128))), 16)
    assert abs(int(half[8, 8, 0]) - 127) <= 1


@pytest.mark.parametrize(
    ("image", "format", "expected"),
    [
        (Image.new("L", (32, 32), 100), "PNG", (100, 100, 100)),
        (Image.new("RGB", (32, 32), (200, 30, 60)).quantize(4), "PNG", (200, 30, 60)),
        (Image.new("CMYK", (32, 32), (0, 255, 255, 0)), "JPEG", (255, 0, 0)),
        (Image.fromarray(np.full((32, 32), 51400, np.uint16)), "PNG", (200, 200, 200)),
        (Image.fromarray(np.full((32, 32), 0.5, np.float32)), "TIFF", (128, 128, 128)),
        (Image.new("1", (32, 32), 1), "PNG", (255, 255, 255)),
        (Image.new("LA", (32, 32), (0, 0)), "PNG", (255, 255, 255)),
    ],
)
def test_every_mode_becomes_rgb(image, format, expected):
    decoded = decode_picture(encode(image, format), 16)
    assert decoded.shape == (16, 16, 3)
    assert np.abs(decoded.astype(int) - expected).max() <= 3


def wide_gamut_profile() -> bytes:
    """littleCMS's profile of sRGB with the primaries of ProPhoto RGB instead of its own."""
    profile = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    tags = {bytes(profile[i : i + 4]): i for i in range(132, 132 + 12 * struct.unpack(">I", profile[128:132])[0], 12)}
    for tag, xyz in (
        (b"rXYZ", (0.7977, 0.2880, 0.0)),
        (b"gXYZ", (0.1352, 0.7119, 0.0)),
        (b"bXYZ", (0.0313, 0.0001, 0.8249)),
    ):
        offset = struct.unpack(">I", profile[tags[tag] + 4 : tags[tag] + 8])[0]
        profile[offset + 8 : offset + 20] = struct.pack(">iii", *(round(value * 65536) for value in xyz))
    called, otherwise = "sRGB built-in".encode("utf-16-be"), "a wide gamut ".encode("utf-16-be")
    return bytes(profile).replace(called, otherwise).replace(b"sRGB", b"wide")


def chroma(picture: np.ndarray) -> float:
    return float((picture.max(axis=2).astype(int) - picture.min(axis=2)).mean())


@pytest.mark.parametrize("mode", ["RGB", "RGBA"])
def test_an_embedded_profile_is_brought_to_srgb(mode):
    picture = Image.new(mode, (64, 64), (180, 90, 60, 255)[: len(mode)])
    wide, plain = (decode_picture(encode(picture, icc_profile=profile), 32) for profile in (wide_gamut_profile(), None))
    assert chroma(wide) > 1.3 * chroma(plain)  # what is pale in a wide gamut is not in a narrow one
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    assert np.array_equal(decode_picture(encode(picture, icc_profile=srgb), 32), plain)
    assert np.array_equal(decode_picture(encode(picture, icc_profile=b"no profile at all"), 32), plain)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (np.linspace(0, 1023, 1024).astype(np.uint16), 127),
        (np.linspace(0, 4095, 1024).astype(np.uint16), 127),
        (np.linspace(0, 65535, 1024).astype(np.uint16), 127),
        (np.linspace(0, 255, 1024).astype(np.uint16), 127),
        (np.linspace(0, 1.02, 1024).astype(np.float32), 130),
        (np.linspace(-1, 1, 1024).astype(np.float32), 127),
        (np.linspace(0, 255, 1024).astype(np.float32), 127),
        (np.linspace(-5000, 3000, 1024).astype(np.int32), 127),
        (np.where(np.arange(1024) % 7, np.linspace(0, 1, 1024), np.nan).astype(np.float32), 109),
    ],
)
def test_greys_of_many_bits_are_scaled_by_what_they_span(values, expected):
    picture = Image.fromarray(np.tile(values.reshape(32, 32), (1, 1)))
    assert abs(decode_picture(encode(picture, "TIFF"), 32).mean() - expected) < 3


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["I;16", "F", "P"])
def test_a_large_picture_of_any_mode_takes_little_memory(tmp_path, mode):
    side = 6000
    if mode == "P":
        picture = Image.new("P", (side, side), 1)
        picture.putpalette([0, 0, 0, 200, 100, 50])
    else:
        picture = Image.fromarray(np.full((side, side), 1000, np.uint16 if mode == "I;16" else np.float32))
    path = tmp_path / "large.tif"
    picture.save(path, compression="tiff_deflate")
    script = (
        "import resource; from pathlib import Path; from artmodels.data.decode import decode_picture\n"
        f"content = Path({str(path)!r}).read_bytes(); before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "decode_picture(content, 64); print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)"
    )
    result = run("-c", script)
    assert result.returncode == 0, result.stderr
    assert int(result.stdout) / 1024 < side * side * (4 if mode == "F" else 2) / 2**20 + 250


def test_one_colour_is_no_picture(tmp_path):
    blank = encode(Image.new("RGBA", (40, 40), (255, 255, 255, 0)))
    collection = {"a/1.png": PNG, "a/blank.png": blank}
    dataset = load_dataset(zip_of(tmp_path / "z.zip", collection), 32)
    assert len(dataset) == 1 and dataset.skipped[0][1].startswith("one colour only")


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "git lfs pull"),
        (b"\0\0\0\x18ftypheic" + bytes(40), "HEIC, whatever its name says"),
        (b"", "it is empty"),
        (b"hello", "of no format that is read"),
    ],
)
def test_what_is_no_picture_is_said_so_that_somebody_can_act(content, expected):
    with pytest.raises(ValueError, match=expected) as caught:
        decode_picture(content, 32)
    assert "0x" not in str(caught.value)


def test_the_crop_is_the_centred_square():
    wide = Image.new("RGB", (96, 32), "white")
    wide.paste("blue", (32, 0, 64, 32))
    assert (decode_picture(encode(wide), 32) == (0, 0, 255)).all()


def test_bad_pictures_are_skipped_counted_and_listed(tmp_path, pictures):
    bad = pictures / "mosaic"
    (bad / "truncated.jpg").write_bytes(encode(Image.fromarray(procedural.draw("mosaic", 1, 64)), "JPEG")[:600])
    (bad / "text.png").write_bytes(b"this is no picture")
    (bad / "tiny.png").write_bytes(encode(Image.new("RGB", (4, 4))))
    (bad / "empty.png").write_bytes(b"")
    (bad / "phone.heic").write_bytes(b"a format that is not read")
    (bad / "notes.txt").write_text("not even named like one")
    dataset = load_dataset(pictures, 32)
    assert len(dataset) == 18
    reasons = dict(dataset.skipped)
    assert set(reasons) == {
        f"mosaic/{name}" for name in ("truncated.jpg", "text.png", "tiny.png", "empty.png", "phone.heic")
    }
    assert "too small" in reasons["mosaic/tiny.png"]
    listed = (dataset.folder / "skipped.tsv").read_text()
    assert all(name in listed for name in reasons)


def test_threads_decode_no_more_pixels_at_once_than_the_largest_picture_has():
    budget, guard, taken, most_taken = PixelBudget(100), threading.Lock(), 0, 0

    def take(pixels: int) -> None:
        nonlocal taken, most_taken
        with budget.taking(pixels):
            with guard:
                taken += pixels
                most_taken = max(most_taken, taken)
            time.sleep(0.002)
            with guard:
                taken -= pixels

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(take, [10, 20, 60, 100, 30] * 10))
        with budget.taking(1000):  # more than there ever is: alone
            assert budget.free == 0
        assert 30 < most_taken <= 100 and budget.free == 100
        with AT_ONCE.taking(MAX_PIXELS - 32 * 32):
            assert pool.submit(decode_picture, PNG, 32).result(60).shape == (32, 32, 3)
            waiting = pool.submit(decode_picture, encode(Image.new("RGB", (33, 32))), 32)
            with pytest.raises(TimeoutError):
                waiting.result(0.3)
        assert waiting.result(60).shape == (32, 32, 3)
        with pytest.raises(ValueError, match="not a readable picture"):
            decode_picture(PNG[:100], 32)
    assert AT_ONCE.free == MAX_PIXELS


@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")  # as while decoding a collection
@pytest.mark.parametrize("side", [int(MAX_PIXELS**0.5) + 1, 30_000])  # beyond our limit, and beyond Pillow's own
def test_a_bomb_is_refused_by_its_header(side):
    header = bytearray(encode(Image.new("L", (16, 16))))
    header[16:24] = side.to_bytes(4, "big") * 2  # width and height in the IHDR chunk
    header[29:33] = zlib.crc32(bytes(header[12:29])).to_bytes(4, "big")
    with pytest.raises(ValueError, match="too large"):
        decode_picture(bytes(header), 32)


def test_formats_that_start_other_programs_are_not_opened():
    with pytest.raises(ValueError, match="not a readable picture"):
        decode_picture(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 32 32\n", 32)


@pytest.mark.parametrize(
    "name", ["../evil.png", "/etc/evil.png", "a/../../evil.png", "C:\\evil.png", "..\\evil.png", "."]
)
def test_a_zip_entry_that_would_leave_its_folder_is_refused(tmp_path, name):
    dataset = load_dataset(zip_of(tmp_path / "evil.zip", {name: PNG, "a/1.png": PNG, "b/2.png": PNG}), 32)
    assert dataset.names == ("a/1.png", "b/2.png")
    assert [skipped for skipped, _ in dataset.skipped] == [name]
    assert not list(tmp_path.parent.rglob("evil.png"))


def test_a_damaged_zip_member_is_skipped(tmp_path):
    path = zip_of(tmp_path / "d.zip", {"a/1.png": PNG, "a/2.png": PNG})
    content = bytearray(path.read_bytes())
    content[content.find(b"a/2.png") + 40] ^= 0xFF  # inside the second picture: its checksum no longer fits
    path.write_bytes(content)
    dataset = load_dataset(path, 32)
    assert dataset.names == ("a/1.png",) and "damaged" in dataset.skipped[0][1]


def test_a_second_start_reuses_the_array_and_a_changed_folder_rebuilds_it(pictures):
    first = load_dataset(pictures, 32)
    stamp = (first.folder / "pictures.npy").stat().st_mtime_ns
    assert load_dataset(pictures, 32).folder == first.folder
    assert (first.folder / "pictures.npy").stat().st_mtime_ns == stamp

    (pictures / "op-art" / "new.png").write_bytes(PNG)
    second = load_dataset(pictures, 32)
    assert second.folder != first.folder and len(second) == len(first) + 1

    os.utime(pictures / "op-art" / "new.png", (1, 1))
    assert load_dataset(pictures, 32).folder != second.folder
    assert load_dataset(pictures, 64).resolution == 64


def test_no_picture_says_what_was_looked_for(tmp_path):
    (tmp_path / "readme.txt").write_text("hello")
    with pytest.raises(ValueError, match=r"holds no picture: looked for .*\.jpg.*found 1 \.txt"):
        open_collection(tmp_path)


def test_only_unusable_pictures_raise_and_leave_nothing_in_the_cache(tmp_path):
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad" / "1.png").write_bytes(b"no")
    with pytest.raises(ValueError, match="none of its 1 pictures"):
        load_dataset(tmp_path / "bad", 32, cache=tmp_path / "cache")
    assert [path.name for path in (tmp_path / "cache").iterdir()] == [".lock"]


def test_neither_folder_nor_zip(tmp_path):
    (tmp_path / "a.zip").write_bytes(b"PK nonsense")
    with pytest.raises(ValueError, match="neither a folder nor a zip"):
        open_collection(tmp_path / "a.zip")
    with pytest.raises(FileNotFoundError, match="no such folder or zip"):
        open_collection(tmp_path / "missing")


def test_the_drawn_set_needs_no_files_and_is_the_same_everywhere():
    dataset = load_dataset(None, 16)
    assert dataset.styles == tuple(sorted(procedural.STYLES))
    assert len(dataset) == procedural.COUNT_PER_STYLE * len(procedural.STYLES)
    again = procedural.draw("op-art", 5, 16)
    assert np.array_equal(dataset.pictures[2 * procedural.COUNT_PER_STYLE + 5], again)


def test_levels_map_to_minus_one_and_one():
    picture = np.array([[[[0, 255, 51]]]], np.uint8)
    assert torch.allclose(to_tensor(picture).flatten(), torch.tensor([-1.0, 1.0, -0.6]))


def test_decoding_a_folder_leaves_it_untouched(tmp_path):
    folder = draw_pictures(tmp_path / "p", per_style=2)
    before = sorted(path.relative_to(folder) for path in folder.rglob("*"))
    load_dataset(folder, 32)
    assert sorted(path.relative_to(folder) for path in folder.rglob("*")) == before


def test_what_is_no_regular_file_is_counted_and_never_read(tmp_path):
    folder = tmp_path / "art"
    folder.mkdir()
    (folder / "1.png").write_bytes(PNG)
    (folder / "zero.png").symlink_to("/dev/zero")
    os.mkfifo(folder / "pipe.png")
    (folder / "gone.png").symlink_to("nowhere.png")
    (folder / "no-suffix").write_bytes(PNG)
    (folder / "old.tga").write_bytes(PNG)
    (folder / "2.jpe").write_bytes(encode(Image.fromarray(procedural.draw("mosaic", 1, 32)), "JPEG"))
    dataset = load_dataset(folder, 32)
    assert dataset.names == ("1.png", "2.jpe")
    assert dict(dataset.skipped) == {
        "zero.png": "no regular file",
        "pipe.png": "no regular file",
        "gone.png": "a link to nowhere",
        "no-suffix": "no suffix: if it is a picture, give it one, like .jpg",
        "old.tga": "this format is not read: save it as PNG or JPEG",
    }


def test_a_fault_of_the_machine_leaves_no_picture_out_for_ever(tmp_path, pictures):
    """Too many open files, in the middle of a collection: nothing is kept, and another time all are read."""
    collection, folder = open_collection(pictures), tmp_path / "cache" / "built"

    def read(names: list[str]) -> Iterator[tuple[str, bytes | str]]:
        few, most = resource.getrlimit(resource.RLIMIT_NOFILE)
        for number, name in enumerate(names):
            resource.setrlimit(resource.RLIMIT_NOFILE, (3 if number == 5 else few, most))
            try:
                yield from collection.read([name])
            finally:
                resource.setrlimit(resource.RLIMIT_NOFILE, (few, most))

    with pytest.raises(OSError, match=r"flow-field/5\.png cannot be read at this moment \(Too many open files\): mend"):
        dataset_module._build(replace(collection, read=read), 32, folder)
    assert not list(folder.parent.iterdir())
    dataset_module._build(collection, 32, folder)
    assert not dataset_module._open_built(folder).skipped


def load_within(limit: str, source: Path, resolution: int, cache: Path) -> subprocess.CompletedProcess[str]:
    """A process that loads a collection as commands do, after lines that limit what the system grants it."""
    script = (
        "import resource, sys; from pathlib import Path; from artmodels.data.dataset import load_dataset\n"
        "from artmodels.io.errors import main_with_clear_errors\n"
        f"{limit}load = lambda: load_dataset({str(source)!r}, {resolution}, Path({str(cache)!r}))\n"
        "sys.exit(main_with_clear_errors(load))"
    )
    return run("-c", script)


@pytest.mark.slow
def test_a_picture_for_which_memory_is_short_is_named_and_nothing_is_kept(tmp_path):
    (tmp_path / "art").mkdir()
    large = Image.new("RGB", (10_000, 10_000))
    large.putpixel((0, 0), (255, 0, 0))
    large.save(tmp_path / "art" / "large.png", compress_level=1)
    limit = (
        "pages = int(Path('/proc/self/statm').read_text().split()[0])\n"
        "resource.setrlimit(resource.RLIMIT_AS, [pages * resource.getpagesize() + 350_000_000] * 2)\n"
    )
    result = load_within(limit, tmp_path / "art", 32, tmp_path / "cache")
    assert_one_clear_line(result, "large.png cannot be read at this moment (out of memory)")
    assert [path.name for path in (tmp_path / "cache").iterdir()] == [".lock"]


@pytest.mark.skipif(os.geteuid() == 0, reason="nothing is forbidden to root")
def test_a_picture_that_may_not_be_read_is_counted_until_it_may(tmp_path):
    opened(tmp_path, ["a/1.png", "b/2.png"])
    (tmp_path / "art" / "b" / "2.png").chmod(0)
    assert load_dataset(tmp_path / "art", 32).skipped == (("b/2.png", "unreadable: permission denied"),)
    (tmp_path / "art" / "b" / "2.png").chmod(0o644)
    assert not load_dataset(tmp_path / "art", 32).skipped


@pytest.mark.skipif(os.geteuid() == 0, reason="nothing is forbidden to root")
def test_a_folder_without_permission_is_counted(tmp_path):
    opened(tmp_path, ["a/1.png", "b/2.png"])
    (tmp_path / "art" / "b").chmod(0)
    try:
        collection = open_collection(tmp_path / "art")
    finally:
        (tmp_path / "art" / "b").chmod(0o755)
    assert collection.refused[0][0] == "b" and "cannot be read" in collection.refused[0][1]


@pytest.mark.parametrize("damage", ["index.json", "pictures.npy"])
def test_a_damaged_cache_is_built_anew_and_leftovers_are_removed(tmp_path, pictures, capsys, damage):
    cache = tmp_path / "cache"
    first = load_dataset(pictures, 32, cache)
    expected = np.array(first.pictures)
    path = first.folder / damage
    path.write_bytes(path.read_bytes()[:100])
    (cache / ".building-killed").mkdir()
    again = load_dataset(pictures, 32, cache)
    assert np.array_equal(again.pictures, expected) and "is damaged: built anew" in capsys.readouterr().err
    assert sorted(path.name for path in cache.iterdir()) == sorted([".lock", again.folder.name])
    assert again.folder.stat().st_mode & 0o055 == 0o055  # for the others who share it


def test_no_more_is_decoded_ahead_than_memory_is_for(tmp_path, monkeypatch):
    """Where the first pictures take long, the others wait as files."""
    first_may_end, asked = threading.Event(), []

    def read(names: list[str]) -> Iterator[tuple[str, bytes | str]]:
        asked.append(names[0])
        if names[0] == "0":
            assert first_may_end.wait(60)
        yield from ((name, PNG) for name in names)

    entries = tuple(Entry(str(number), "art", "") for number in range(64 * 20))
    collection = Collection("a test", "test", entries, (), "0", read)
    monkeypatch.setattr("artmodels.data.dataset.usable_cores", lambda: 2)
    with ThreadPoolExecutor() as pool:
        decoding = pool.submit(dataset_module._decode_all, collection, 32, tmp_path / "pictures.npy")
        deadline = time.monotonic() + 60
        while len(asked) < 4 and time.monotonic() < deadline:
            time.sleep(0.01)
        time.sleep(0.3)
        ahead = len(asked)
        first_may_end.set()
        kept, *_ = decoding.result()
    assert ahead == 4 and [entry.name for entry in kept] == [entry.name for entry in entries]


@pytest.mark.slow
def test_a_full_disk_is_one_clear_error_and_leaves_nothing(tmp_path, pictures):
    """A limit on the size of files stands in for the disk."""
    limit = "resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, 10_000))\n"
    assert_one_clear_line(load_within(limit, pictures, 64, tmp_path / "cache"), "File too large")
    assert [path.name for path in (tmp_path / "cache").iterdir()] == [".lock"]


def test_whoever_waits_for_another_process_to_decode_says_so(tmp_path, pictures, capsys):
    cache = tmp_path / "cache"
    cache.mkdir()
    with ThreadPoolExecutor() as pool:
        with in_turn(cache / LOCK_NAME, "unheard"):
            waiting = pool.submit(load_dataset, pictures, 32, cache)
            said, deadline = "", time.monotonic() + 60
            while "waiting" not in said and time.monotonic() < deadline:
                time.sleep(0.05)
                said += capsys.readouterr().err
            assert said == f"waiting for another process that decodes pictures into {cache}\n"
            assert not waiting.done()
        assert len(waiting.result()) == 18
    load_dataset(pictures, 64, cache)
    assert "waiting" not in capsys.readouterr().err


@pytest.mark.slow
def test_processes_that_start_together_decode_once(tmp_path, pictures):
    script = f"from artmodels.data.dataset import load_dataset; print(len(load_dataset({str(pictures)!r}, 32)))"
    environment = {**os.environ, "ARTMODELS_CACHE": str(tmp_path / "shared")}
    started = [
        subprocess.Popen(
            [sys.executable, "-c", script], cwd=ROOT, env=environment, stderr=subprocess.PIPE, stdout=subprocess.PIPE
        )
        for _ in range(3)
    ]
    answers = [process.communicate(timeout=900) for process in started]
    assert [answer.strip() for answer, _ in answers] == [b"18"] * 3
    assert sum(b"decoding pictures" in progress for _, progress in answers) == 1
