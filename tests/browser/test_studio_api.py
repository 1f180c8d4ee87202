"""The studio's endpoints: a real server, a real client, and plain HTTP as curl speaks it."""

import importlib.util
import json
import re
import urllib.request
from pathlib import Path

import pytest
from helpers import STYLES
from PIL import Image

from artmodels.generate.recipe import Latent, Recipe, parse_recipe_data, read_recipes
from artmodels.generate.score import read_score

SCORE = ("strength", "smoothness", "palette", "seed", "style", "rate", "size", "model")


@pytest.fixture
def client(server, tmp_path):
    from gradio_client import Client

    client = Client(server, verbose=False, download_files=str(tmp_path))
    yield client
    client.close()


def test_each_endpoint_has_named_arguments_with_defaults_and_says_what_it_does(client):
    endpoints = client.view_api(return_format="dict")["named_endpoints"]
    named = {name: [each["parameter_name"] for each in told["parameters"]] for name, told in endpoints.items()}
    assert named == {
        "/generate": ["style", "seed", "count", "truncation", "model"],
        "/blend": ["styles", "seed", "count", "truncation", "model"],
        "/phrase": ["words", "seed", "count", "truncation", "model"],
        "/film": ["pictures", "styles", "seconds", "rate", "size", "loop", "truncation", "model"],
        "/music": ["sound", "mode", *SCORE],
        "/dance": ["clip", *SCORE],
        "/recipe": ["text", "picture"],
        "/models": [],
    }
    for told in endpoints.values():
        assert told["description"]
        assert all(each["parameter_has_default"] and each["label"] for each in told["parameters"])
    assert len(client.predict(api_name="/generate")) == 24


def test_a_client_gets_pngs_with_recipes(client):
    wall = client.predict("mosaic", 7, 2, 0.5, api_name="/generate")
    assert [item["caption"] for item in wall] == ["Mosaic No. 7", "Mosaic No. 8"]
    (recipe,) = read_recipes(Path(wall[0]["image"]))
    assert (recipe.latents[0].seed, recipe.truncation) == (7, 0.5)


def test_a_client_blends_styles(client):
    wall = client.predict({"mosaic": 3, "op-art": 1}, 7, 2, 0.5, api_name="/blend")
    (recipe,) = read_recipes(Path(wall[0]["image"]))
    assert recipe.style_weights == {"mosaic": 0.75, "op-art": 0.25}


def test_a_client_says_what_it_wants_to_see(client):
    wall = client.predict("a dark blue sea", 7, 2, 0.5, api_name="/phrase")
    assert len(wall) == 2 and all(re.search(" · [0-9]+%$", item["caption"]) for item in wall)
    (recipe,) = read_recipes(Path(wall[0]["image"]))
    assert recipe.truncation == 0.5 and len(recipe.latents) > 1
    (again,) = client.predict("a dark blue sea", 7, 1, 0.5, api_name="/phrase")
    (alone,) = read_recipes(Path(again["image"]))  # the same within rounding, which a batch has of its own
    assert [latent.seed for latent in alone.latents] == [latent.seed for latent in recipe.latents]


def test_a_client_films_seeds_and_recipes(client):
    import av

    wall = client.predict("mosaic", 7, 1, 0.5, api_name="/generate")
    recipe = json.loads(read_recipes(Path(wall[0]["image"]))[0].to_json())
    path = client.predict([1, 2, recipe], {"mosaic": 1}, 1, 8, 64, api_name="/film")
    with av.open(path) as film:
        frames = [frame.to_image() for frame in film.decode(video=0)]
    assert len(frames) == 8 and frames[0].size == (64, 64)


def test_a_client_films_a_sound_and_its_own_is_deleted(client, tmp_path):
    import av
    from gradio_client import handle_file
    from sounds import click_track, decoded_sound, write_encoded

    sound = write_encoded(click_track(120, 3)[0], tmp_path / "clicks.mp3")
    path, score = client.predict(handle_file(sound), "pulse", size=64, rate=8, api_name="/music")
    with av.open(path) as film:
        frames = [frame.to_image() for frame in film.decode(video=0)]
        assert film.metadata["comment"] == read_score(Path(score)).to_json()
    assert len(frames) == 24 and frames[0].size == (64, 64) and decoded_sound(Path(path)).max() > 0.1
    assert "clicks" not in Path(score).read_text()
    (tmp_path / "text.mp3").write_text("la la la")
    with pytest.raises(Exception, match=r"text.mp3 is no sound or clip that can be read") as caught:
        client.predict(handle_file(tmp_path / "text.mp3"), api_name="/music")
    assert "/tmp" not in str(caught.value)


def test_a_client_films_a_clip(client, tmp_path):
    import av
    import numpy as np
    from gradio_client import handle_file
    from sounds import write_clip

    from artmodels.signals.synthesis import moving_disc

    clip = write_clip(moving_disc(np.full(36, 3.0)), tmp_path / "disc.webm")
    path, score = client.predict(handle_file(clip), size=64, rate=12, api_name="/dance")
    with av.open(path) as film:
        frames = [frame.to_image() for frame in film.decode(video=0)]
    assert len(frames) == 18 and frames[0].size == (128, 64) and read_score(Path(score)).seconds == 1.5
    one = write_clip(moving_disc(np.zeros(1)), tmp_path / "one.mp4")
    with pytest.raises(Exception, match=r"one.mp4 lasts 0.04 seconds"):
        client.predict(handle_file(one), api_name="/dance")


def test_a_client_reads_and_repaints_a_picture_by_file_text_and_link(client):
    from gradio_client import handle_file

    wall = client.predict("mosaic", 7, 1, 0.5, api_name="/generate")
    (recipe,) = read_recipes(Path(wall[0]["image"]))
    for arguments in (
        {"picture": handle_file(wall[0]["image"])},
        {"text": recipe.to_json()},
        {"text": "http://anywhere/?recipe=" + recipe.to_link()},
    ):
        found, again = client.predict(**arguments, api_name="/recipe")
        assert parse_recipe_data(found) == recipe
        with Image.open(wall[0]["image"]) as before, Image.open(again) as after:
            assert list(before.get_flattened_data()) == list(after.get_flattened_data())


def test_a_client_lists_the_models(client):
    (told,) = client.predict(api_name="/models")
    assert told["name"] == "sketcher" and told["styles"] == list(STYLES) and told["resolution"] == 32
    assert told["directions"] == ["brightness", "<b>glow</b>"]


def forged(**changes) -> dict:
    recipe = Recipe("sketcher", "0" * 64, (Latent(1),), {"mosaic": 1.0}, 0.8)
    return {**json.loads(recipe.to_json()), **changes}


@pytest.mark.parametrize(
    ("name", "arguments", "expected"),
    [
        ("/generate", ("cubism", 1, 1, 1), "cubism"),
        ("/generate", ("mosaic", -5, 1, 1), "seed must be a whole number between 0 and 4294967295, found -5"),
        (
            "/generate",
            ("mosaic", 2**32, 1, 1),
            "seed must be a whole number between 0 and 4294967295, found 4294967296",
        ),
        ("/generate", ("mosaic", 2**60, 1, 1), "seed must be a whole number between 0 and 4294967295"),
        ("/generate", ("mosaic", 1, 99, 1), "count must be a whole number between 1 and 36, found 99"),
        ("/generate", ("mosaic", 1, 1, 9), "truncation must be between 0 and 1.5, found 9"),
        ("/generate", ("<script>alert(1)</script>", 1, 1, 1), "<script>alert(1)</script>"),
        ("/generate", ("all styles", 1, 1, 1, "../secret"), "is no Hub id"),
        ("/generate", ("mosaic", "7", 1, 1), "seed must be a number, found '7'"),
        ("/generate", ("mosaic", 7.5, 1, 1), "seed must be a whole number between 0 and 4294967295, found 7.5"),
        ("/generate", ("mosaic", 1, None, 1), "count is empty: give a number"),
        ("/generate", ("mosaic", 1, 1, 1, None), "model must be text, found 'None'"),
        ("/generate", (["mosaic"], 1, 1, 1), "no style \"['mosaic']\""),
        ("/phrase", (None, 1, 1, 1), "words must be text"),
        ("/blend", ({"mosaic": "much"}, 1, 1, 1), "mosaic must be a number"),
        ("/blend", ({"mosaic": -1}, 1, 1, 1), "mosaic must be between 0"),
        ("/blend", ([1, 2], 1, 1, 1), "styles must be an object"),
        ("/film", ([1],), "walks through 2 to 12 pictures, found 1"),
        ("/film", (list(range(40)),), "walks through 2 to 12 pictures"),
        ("/film", ({"a": 1},), "pictures must be a list"),
        ("/film", ([1, 2], {"mosaic": 1}, 500), "a film lasts 1 to 30 seconds, found 500"),
        ("/film", ([1, 2], {"mosaic": 1}, 2, 8, 33), "even number of pixels"),
        ("/film", ([forged(), forged()],), "earlier version of sketcher"),
        ("/film", ([forged(truncation="x"), 1],), "truncation"),
        ("/music", (None, "jump"), "one of walk, pulse, styles, found 'jump'"),
        ("/music", (None, "pulse", 2), "strength must be between 0 and 1, found 2"),
        ("/music", (None, "pulse", 0.5, 0.5, 0.5, 1, "cubism"), "no style 'cubism'"),
        ("/music", (None, "pulse", 0.5, 0.5, 0.5, 1, "", 24, 33), "even number of pixels"),
        ("/recipe", ("",), "paste a link"),
        ("/recipe", ("https://example.com/?recipe=AAAA",), "link is damaged"),
        ("/recipe", (json.dumps(forged(model="user/nobody", revision="0" * 40)),), "the Hub shows no user/nobody"),
    ],
)
def test_a_client_gets_a_message_and_no_traceback(client, name, arguments, expected):
    with pytest.raises(Exception) as caught:
        client.predict(*arguments, api_name=name)
    told = str(caught.value)
    assert expected in told and "\n" not in told and "&" not in told and "Traceback" not in told


def test_a_client_names_a_model(client):
    wall = client.predict("sepia", 3, 2, 1.0, "user/inks", api_name="/generate")
    assert [item["caption"] for item in wall] == ["Sepia No. 3", "Sepia No. 4"]


def call(server: str, name: str, data: list) -> str:
    """What the events of a call by plain HTTP say."""
    body = json.dumps({"data": data}).encode()
    request = urllib.request.Request(f"{server}gradio_api/call/{name}", body, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request) as response:
        event = json.load(response)["event_id"]
    with urllib.request.urlopen(f"{server}gradio_api/call/{name}/{event}") as stream:
        return stream.read().decode()


def test_curl_generates_too(server):
    told = call(server, "generate", ["mosaic", 7, 1, 0.8, "sketcher"])
    assert "event: complete" in told and "mosaic-7.png" in told
    assert "mosaic-7.png" in call(server, "generate", ["mosaic", 7, 1])  # what is left out has its default
    assert "event: error" in call(server, "blend", [{"mosaic": "NaN"}, 1, 1, 0.8, "sketcher"])


def test_mcp_is_there_or_its_absence_is_told(server):
    with urllib.request.urlopen(server) as response:
        page = response.read().decode()
    there = importlib.util.find_spec("mcp") is not None
    assert ("gradio_api/mcp" in page) == there and ("MCP for AI agents is off" in page) != there
