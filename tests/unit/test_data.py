"""Reading folders and zips: what becomes of each kind of file, and what of bad ones."""

import io
import json
import os
import struct
import subprocess
import sys
import zipfile
import zlib
from pathlib import Path

import numpy as np
import pytest
import torch
from helpers import ROOT, STYLES, assert_one_clear_line, draw_pictures, run
from PIL import Image, ImageOps

from artmodels.data import procedural
from artmodels.data.dataset import load_dataset, open_collection
from artmodels.data.decode import MAX_PIXELS, decode_picture, to_tensor


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
    assert dataset.skipped == (("metadata.jsonl", "1 of its lines name no picture here, like a/gone.png"),)


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
    assert len(load_dataset(linked, 32)) == 6


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


def test_metadata_that_is_no_json_is_named_by_line(tmp_path):
    archive = zip_of(tmp_path / "m.zip", {"1.png": PNG, "metadata.jsonl": b'{"file_name": "1.png"}\nnonsense\n'})
    with pytest.raises(ValueError, match="line 2"):
        load_dataset(archive, 32)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_honoured(orientation):
    """Against Pillow's own way of setting a picture upright."""
    stored = Image.fromarray(procedural.draw("stained-glass", 3, 64))
    exif = Image.Exif()
    exif[0x0112] = orientation
    content = encode(stored, exif=exif)
    with Image.open(io.BytesIO(content)) as picture:
        expected = np.asarray(ImageOps.exif_transpose(picture))
    assert np.array_equal(decode_picture(content, 64), expected)


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
    assert list((tmp_path / "cache").iterdir()) == []


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


@pytest.mark.slow
def test_a_full_disk_is_one_clear_error_and_leaves_nothing(tmp_path, pictures):
    """A limit on the size of files stands in for the disk."""
    script = (
        "import resource, sys; from pathlib import Path; from artmodels.data.dataset import load_dataset\n"
        "from artmodels.io.errors import main_with_clear_errors\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, 10_000))\n"
        f"load = lambda: load_dataset({str(pictures)!r}, 64, Path({str(tmp_path / 'cache')!r}))\n"
        "sys.exit(main_with_clear_errors(load))"
    )
    assert_one_clear_line(run("-c", script), "File too large")
    assert list((tmp_path / "cache").iterdir()) == []


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
    answers = [process.communicate(timeout=120) for process in started]
    assert [answer.strip() for answer, _ in answers] == [b"18"] * 3
    assert sum(b"decoding pictures" in progress for _, progress in answers) == 1
