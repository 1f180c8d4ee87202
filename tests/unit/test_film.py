"""Films: the walk by its closed forms, the files by decoding them again, the verb as a user types it."""

import json
import math
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import av
import numpy as np
import pytest
import torch
from helpers import assert_one_clear_line, frame_count, image_array, run_here
from PIL import Image
from torch import Tensor

from artmodels.cli.main import main
from artmodels.generate.film import (
    FilmSpec,
    check_film,
    film_rows,
    great_circle,
    paint_film,
    write_film,
    write_video,
    write_webp,
)
from artmodels.generate.recipe import read_recipes
from artmodels.generate.sampling import paint_rows, rows_of, to_images
from artmodels.generate.save import paint_to_folder
from artmodels.models.layers import normalise_latents

DIM = 64
RATE, COUNT = 12, 18


def keyframes(count: int) -> Tensor:
    """Rows of `w` `[count, 4, DIM]` as a generator makes them: row 0 on the sphere of radius sqrt(DIM)."""
    w = torch.randn(count, 4, DIM, generator=torch.Generator().manual_seed(count))
    w[:, 0] = normalise_latents(w[:, 0])
    return w


def steps(latents: Tensor) -> Tensor:
    """Angles in radians between consecutive latents `[N, D]`."""
    unit = torch.nn.functional.normalize(latents.double(), dim=1)
    return (unit[1:] * unit[:-1]).sum(dim=1).clamp(-1, 1).acos()


def test_the_latent_keeps_its_radius_all_the_way():
    for loop in (True, False):
        radii = film_rows(keyframes(5), 97, loop, "smooth")[:, 0].norm(dim=1)
        assert torch.allclose(radii, torch.tensor(math.sqrt(DIM)), rtol=1e-5)


@pytest.mark.parametrize("easing", ["even", "smooth"])
def test_the_walk_passes_through_the_pictures(easing):
    w = keyframes(4)
    there = film_rows(w, 31, loop=False, easing=easing)
    assert there.shape == (31, 4, DIM) and there.dtype == w.dtype
    assert torch.allclose(there[[0, 10, 20, 30]], w, atol=1e-5)
    round_trip = film_rows(w, 40, loop=True, easing=easing)
    assert torch.allclose(round_trip[[0, 10, 20, 30]], w, atol=1e-5)


def test_an_even_walk_has_one_speed():
    w = keyframes(2)
    rows = film_rows(w, 25, loop=False, easing="even")
    angles = steps(rows[:, 0])
    assert torch.allclose(angles, steps(w[:, 0]) / 24, rtol=1e-3)
    assert torch.allclose(rows[6, 1:], 0.75 * w[0, 1:] + 0.25 * w[1, 1:], atol=1e-5)


def test_a_smooth_walk_rests_at_each_picture():
    w = keyframes(3)
    even, smooth = (film_rows(w, 41, loop=False, easing=easing) for easing in ("even", "smooth"))
    angles = steps(smooth[:, 0])
    for beside_a_picture in (0, 19, 20, 39):
        assert angles[beside_a_picture] < 0.1 * angles.max()
    assert torch.allclose(smooth[[10, 30]], even[[10, 30]], atol=1e-5)  # half way between two
    for stretch in angles.split(20):
        assert torch.allclose(stretch, stretch.flip(0), rtol=0.05)


def test_a_loop_closes_and_does_not_show_the_first_frame_twice():
    rows = film_rows(keyframes(3), 60, loop=True, easing="even")
    around = steps(torch.cat([rows[:, 0], rows[:1, 0]]))
    assert len(around) == 60 and around.min() > 0.01
    assert torch.allclose(around[40:], around[40], rtol=1e-3)  # the step over the seam is like those before it


def test_a_great_circle_between_equal_and_opposite_points():
    start, share = keyframes(1)[0, :1].double().expand(9, -1), torch.linspace(0, 1, 9).double()
    assert torch.allclose(great_circle(start, start, share), start)
    opposite = great_circle(start, -start, share)
    assert torch.allclose(opposite[[0, -1]], torch.stack([start[0], -start[0]]), atol=1e-9)
    assert torch.allclose(opposite.norm(dim=1), start.norm(dim=1))
    assert torch.allclose(steps(opposite), torch.tensor(math.pi / 8, dtype=torch.float64))


def test_radii_that_differ_change_evenly():
    start, end = torch.eye(2, dtype=torch.float64)[:1], 3 * torch.eye(2, dtype=torch.float64)[1:]
    (half,) = great_circle(start, end, torch.tensor([0.5], dtype=torch.float64))
    assert torch.allclose(half, torch.tensor([math.sqrt(2), math.sqrt(2)], dtype=torch.float64))


@pytest.mark.parametrize(("count", "frames", "easing"), [(1, 9, "even"), (3, 1, "even"), (3, 9, "bouncy")])
def test_a_walk_that_is_none(count, frames, easing):
    with pytest.raises(ValueError, match=r"at least, found|one of even, smooth, found 'bouncy'"):
        film_rows(keyframes(count), frames, easing=easing)


def test_frames_are_painted_as_they_are_asked_for(generator):
    asked = []

    def paint(w: Tensor) -> Tensor:
        asked.append(len(w))
        return paint_rows(generator, w)

    rows = generator.mapping(torch.randn(20, 16), torch.eye(3)[:1].expand(20, -1))
    frames = paint_film(paint, rows, 48, chunk=8)
    assert asked == []
    first = next(frames)
    assert asked == [8] and first.size == (48, 48)
    alone = to_images(paint_rows(generator, rows[:1]))[0].resize((48, 48), Image.Resampling.LANCZOS)
    assert np.abs(np.asarray(first).astype(int) - np.asarray(alone)).max() <= 1
    assert len(list(frames)) == 19 and asked == [8, 8, 4]


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"seconds": 0.5}, "lasts 1 to 30 seconds, found 0.5"),
        ({"seconds": 31}, "lasts 1 to 30 seconds"),
        ({"seconds": math.nan}, "lasts 1 to 30 seconds"),
        ({"seconds": "10"}, "lasts 1 to 30 seconds"),
        ({"frames_per_second": 7}, "8 to 30 whole frames"),
        ({"frames_per_second": 23.9}, "8 to 30 whole frames"),
        ({"size": 65}, "an even number of pixels from 32 to 512, found 65"),
        ({"size": 1024}, "an even number of pixels"),
        ({"easing": "bouncy"}, "one of even, smooth, found 'bouncy'"),
    ],
)
def test_a_film_out_of_bounds_says_what_is_possible(change, expected):
    with pytest.raises(ValueError, match=expected):
        FilmSpec(**change)


def test_a_film_that_could_not_be_made_is_refused_beforehand(monkeypatch):
    spec = FilmSpec()
    check_film(2, Path("film.MP4"), spec)
    check_film(12, Path("film.webp"), spec)
    with pytest.raises(ValueError, match="2 to 12 pictures, found 13"):
        check_film(13, Path("film.mp4"), spec)
    with pytest.raises(ValueError, match=r"an .mp4 or a .webp, found 'film.gif'"):
        check_film(2, Path("film.gif"), spec)
    with pytest.raises(ValueError, match="too much for a WebP"):
        check_film(2, Path("film.webp"), FilmSpec(30, 30, 512))
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(ValueError, match="pip install av"):
        check_film(2, Path("film.mp4"), spec)


def a_film(count: int = COUNT, size: int = 64) -> Iterator[Image.Image]:
    """Soft colours that wander."""
    y, x = np.mgrid[:size, :size] / size
    for number in range(count):
        waves = [np.sin(2 * math.pi * (x + number / count)), np.cos(math.pi * y), np.sin(math.pi * (x + y))]
        yield Image.fromarray((127.5 + 100 * np.stack(waves, axis=-1)).round().astype(np.uint8))


def difference(one: Image.Image, other: Image.Image) -> float:
    """Mean absolute difference of two images' levels, of 255."""
    return np.abs(np.asarray(one.convert("RGB")).astype(int) - np.asarray(other.convert("RGB"))).mean()


def decode(path: Path) -> list[Image.Image]:
    with av.open(str(path)) as container:
        return [frame.to_image() for frame in container.decode(video=0)]


def test_an_mp4_is_what_browsers_play(tmp_path):
    path = tmp_path / "film.mp4"
    write_video(a_film(), path, RATE, text='{"seed": 7}')
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        assert (stream.codec_context.name, stream.pix_fmt) == ("h264", "yuv420p")
        assert (stream.width, stream.height) == (64, 64) and stream.average_rate == RATE
        assert container.duration / av.time_base == pytest.approx(COUNT / RATE, abs=0.01)
        assert container.metadata["comment"] == '{"seed": 7}'
    frames = decode(path)
    assert len(frames) == COUNT
    assert max(difference(one, other) for one, other in zip(frames, a_film(), strict=True)) < 4
    content = path.read_bytes()
    assert content.index(b"moov") < content.index(b"mdat")  # plays before all of it is there


def test_a_webp_moves_for_ever_or_once(tmp_path):
    path = tmp_path / "film.webp"
    write_webp(a_film(), path, RATE, loop=True, text='{"seed": 7}')
    with Image.open(path) as film:
        assert (frame_count(film), film.size, film.info["loop"]) == (COUNT, (64, 64), 0)
        assert film.getexif()[0x010E] == '{"seed": 7}'
        lasted, worst = 0, 0.0
        for number, original in enumerate(a_film()):
            film.seek(number)
            film.load()
            lasted += film.info["duration"]
            worst = max(worst, difference(film, original))
    assert lasted == pytest.approx(1000 * COUNT / RATE, abs=1) and worst < 4
    write_webp(a_film(), path, RATE, loop=False)
    with Image.open(path) as film:
        assert film.info["loop"] == 1


@pytest.mark.parametrize("name", ["film.mp4", "film.webp"])
def test_a_film_that_is_stopped_leaves_nothing(tmp_path, name):
    class Stopped(Exception):
        pass

    def stopping() -> Iterator[Image.Image]:
        yield from a_film(12)
        raise Stopped

    path = tmp_path / name
    with pytest.raises(Stopped):
        write_film(stopping(), path, FilmSpec())
    assert list(tmp_path.iterdir()) == []
    path.write_text("the film before")
    with pytest.raises(Stopped):
        write_film(stopping(), path, FilmSpec())
    assert path.read_text() == "the film before" and len(list(tmp_path.iterdir())) == 1


@pytest.fixture
def painted(model, tmp_path) -> list[Path]:
    folder = tmp_path / "painted"
    paint_to_folder(model, "mosaic", [3, 5, 8], 0.8, folder, grid=True)
    return sorted(folder.glob("mosaic-*.png"))


def shown(film: Image.Image, milliseconds: float) -> list[Image.Image]:
    """Frames as a viewer sees them: WebP keeps equal ones as one that lasts longer."""
    frames = []
    for place in range(frame_count(film)):
        film.seek(place)
        film.load()
        frames += [film.convert("RGB")] * round(film.info["duration"] / milliseconds)
    return frames


@pytest.mark.parametrize("name", ["film.mp4", "film.webp"])
def test_the_verb_films_a_walk_through_pictures(model_folder, painted, tmp_path, name):
    out = tmp_path / name
    flags = ["--seconds", "1", "--fps", "9", "--size", "64", "--easing", "even", "--model", str(model_folder)]
    result = run_here(lambda: main(["film", *map(str, painted), "--out", str(out), *flags]))
    assert result.returncode == 0, result.stderr
    assert "9 frames of 64 px" in result.stdout
    if name == "film.mp4":
        frames = decode(out)
        with av.open(str(out)) as container:
            text = container.metadata["comment"]
    else:
        with Image.open(out) as film:
            frames = shown(film, 1000 / 9)
            text = film.getexif()[0x010E]
    assert len(frames) == 9
    for place, picture in zip((0, 3, 6), painted, strict=True):
        original = Image.fromarray(image_array(picture).astype(np.uint8)).resize((64, 64), Image.Resampling.LANCZOS)
        assert difference(frames[place], original) < 12  # of a film's halved colours
    told = json.loads(text)
    assert [recipe["latents"][0]["seed"] for recipe in told["recipes"]] == [3, 5, 8]
    assert told["film"]["frames_per_second"] == 9 and told["film"]["loop"] is True


def test_a_sheet_is_filmed_picture_by_picture(model, painted, model_folder, tmp_path):
    out = tmp_path / "film.mp4"
    command = ["film", str(painted[0].parent / "grid.png"), "--out", str(out), "--model", str(model_folder)]
    flags = ["--seconds", "1", "--fps", "9", "--size", "32", "--no-loop"]
    assert run_here(lambda: main([*command, *flags])).returncode == 0
    recipes = [recipe for picture in painted for recipe in read_recipes(picture)]
    w = torch.cat([rows_of(model.generator, recipe) for recipe in recipes])
    frames = list(paint_film(partial(paint_rows, model.generator), w, 32))
    shown = decode(out)
    assert len(shown) == 9
    assert max(difference(shown[place], frame) for place, frame in zip((0, 4, 8), frames, strict=True)) < 12


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"--out": "film.gif"}, ("an .mp4 or a .webp", "film.gif")),
        ({"--out": "no/film.mp4"}, ("there is no folder",)),
        ({"--seconds": "99"}, ("lasts 1 to 30 seconds", "99")),
        ({"--fps": "60"}, ("8 to 30 whole frames",)),
        ({"--size": "33"}, ("an even number of pixels",)),
        ({"--easing": "bouncy"}, ("even, smooth",)),
        ({"--model": "missing"}, ("no model folder missing",)),
        ({"pictures": 1}, ("2 to 12 pictures, found 1",)),
        ({"pictures": 0}, ("missing.png",)),
        ({"--model": None}, ("'sketcher' does not come with artmodels", "--model")),
    ],
)
def test_a_film_that_cannot_be_made_gets_one_line(model_folder, painted, tmp_path, change, expected):
    flags = {"--out": "film.mp4", "--model": str(model_folder), "pictures": 3, **change}
    pictures = painted[: flags.pop("pictures")] or ["missing.png"]
    flags["--out"] = str(tmp_path / flags["--out"])
    given = [part for flag, value in flags.items() if value is not None for part in (flag, value)]
    result = run_here(lambda: main(["film", *map(str, pictures), *given]))
    assert_one_clear_line(result, *expected)
    assert [path.name for path in tmp_path.iterdir()] == ["painted"]
