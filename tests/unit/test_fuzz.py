"""Anything at all, thrown at what reads strangers' files: taken, or refused in words. A failure prints its seed."""

import asyncio
import copy
import io
import json
import struct
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import asdict
from typing import Any

import gradio as gr
import pytest
from gradio.state_holder import SessionState
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from artmodels.data.collection import open_files
from artmodels.data.decode import decode_picture
from artmodels.data.layout import drop_doubles, one_spelling, styles_and_splits
from artmodels.data.metadata import METADATA_NAMES, read_metadata
from artmodels.generate.recipe import (
    Latent,
    LayerMix,
    Recipe,
    Shift,
    from_link,
    parse_recipe_data,
    parse_recipes,
)
from artmodels.hub.companion import MOST_TOLD
from artmodels.hub.companions import classifier, directions, prompt, upscaler
from artmodels.hub.download import leads_out, parse_hub_id
from artmodels.hub.load import load_model
from artmodels.hub.model_cache import ModelCache
from artmodels.hub.pretrained import read_config
from artmodels.io.safetensors_io import parse_metadata
from artmodels.models.generator import GeneratorConfig
from artmodels.optimize.provenance import parse_provenance
from artmodels.studio import handlers
from artmodels.studio.layout import build_studio
from artmodels.training.config import TrainConfig, tiny

MANY = settings(
    max_examples=120,
    deadline=None,
    database=None,
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
HUGE = st.sampled_from((10**400, "x" * 4000))
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=20)
    | st.just(10**400)
    | st.just("x" * 9000),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=8,
)
NAMES = st.text(st.characters(codec="utf-8") | st.sampled_from("/\\.:~ \n\0"), min_size=1, max_size=30)

RECIPE = json.loads(
    Recipe(
        "masters",
        "0" * 64,
        (Latent(3), Latent(4, 0.5)),
        {"mosaic": 0.5, "op-art": 0.5},
        0.8,
        edits=(Shift("warmth", 1.0, "1" * 64), LayerMix(3, (Latent(5),), {"mosaic": 1.0})),
    ).to_json()
)


@st.composite
def changed(draw: Callable, good: Any) -> Any:
    """A good object of JSON in which one to three values, anywhere, are something else or gone."""
    value = copy.deepcopy(good)
    for _ in range(draw(st.integers(1, 3))):
        node, parent, key = value, None, None
        while isinstance(node, dict | list) and node and draw(st.booleans() if parent is not None else st.just(True)):
            parent, key = node, draw(st.sampled_from(sorted(node) if isinstance(node, dict) else range(len(node))))
            node = parent[key]
        if parent is None:
            continue
        if draw(st.integers(0, 4)):
            parent[key] = draw(VALUES)
        else:
            del parent[key]
    return value


def survives(read: Callable[[Any], Any], value: Any) -> Any:
    """What was read; None if it was refused in words that are no page."""
    try:
        return read(value)
    except (ValueError, OSError) as error:
        length = len(str(error))
        assert 0 < length < 1500, str(error)[:200]
        return None


def as_json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


@MANY
@given(changed(RECIPE) | VALUES)
def test_recipes(data):
    assert parse_recipe_data(copy.deepcopy(RECIPE)).to_json()
    found = survives(parse_recipe_data, data)
    if isinstance(found, Recipe):
        assert parse_recipe_data(json.loads(found.to_json())) == found  # what is taken can be written and read again
    survives(parse_recipes, as_json(data))
    survives(parse_provenance, as_json(data))


ARGUMENTS = {
    "generate": ["mosaic", 7, 1, 0.8, "sketcher"],
    "blend": [{"mosaic": 1, "op-art": 0.5}, 7, 1, 0.8, "sketcher"],
    "phrase": ["blue sea", 7, 1, 0.8, "sketcher"],
    "film": [[1, RECIPE], {"mosaic": 1}, 1, 8, 32, True, 0.8, "sketcher"],
    "recipe": [as_json(RECIPE), None],
}


@pytest.fixture(scope="module")
def studio(steered_folder) -> Iterator[Any]:
    model = load_model(steered_folder)
    wall = handlers.paint_images(model, handlers.first_recipes(model))

    async def build() -> Any:  # within a loop that runs: else Gradio makes some, and leaves them open
        return build_studio(ModelCache([model]), wall)

    with asyncio.Runner() as runner:
        yield runner, runner.run(build())


CALLS = st.one_of(
    *(st.tuples(st.just(name), changed(good) | st.lists(VALUES, max_size=9)) for name, good in ARGUMENTS.items())
)


@settings(MANY, max_examples=200)
@given(CALLS)
def test_arguments_of_programs(studio, sent):
    """All of Gradio's own reading is done, too; what is refused is refused in a line of plain text."""
    name, values = sent
    runner, blocks = studio
    (called,) = (fn for fn in blocks.fns.values() if fn.api_name == name and fn.api_visibility == "public")

    async def call(values: list[Any]) -> Any:
        return await blocks.process_api(called, values, state=SessionState(blocks))

    try:
        assert runner.run(call(values))["data"]
    except gr.Error as error:
        assert not error.print_exception and 0 < len(error.message) <= 300 and "\n" not in error.message, error.message


@MANY
@given(st.text(max_size=300) | st.text("abcdefghijklmnopqrstuvwxyzABCDEFG0123456789-_=", max_size=300))
def test_links_and_names(text):
    survives(from_link, text)
    survives(parse_hub_id, text)
    leads_out(text)


@MANY
@given(changed(asdict(GeneratorConfig(32, ("a", "b"), latent_dim=16, width=4, max_channels=16))))
def test_configs_of_models(tmp_path, data):
    path = tmp_path / "config.json"
    path.write_text(as_json(data), "utf-8", "surrogatepass")
    survives(read_config, path)


@MANY
@given(changed(tiny().to_json()))
def test_configs_of_runs(data):
    def read(data: Any) -> TrainConfig | None:
        try:
            return TrainConfig(**data)
        except TypeError:  # a field that is missing, or surplus: `read_run` says so
            return None

    if isinstance(data, dict):
        survives(read, data)


SHARES = {"accuracy": 0.5, "accuracy_interval": [0.4, 0.6], "balanced_accuracy": 0.5, "calibration_error": 0.1}
OF_STYLE = {"pictures": 3, "precision": 0.5, "recall": None}
CLASSIFIER = {
    **SHARES,
    "measured_by": "test pictures",
    "pictures": 6,
    "confusion": [[1, 2], [0, 3]],
    "styles": {"a": OF_STYLE, "b": OF_STYLE},
    "reference": {**SHARES, "name": "another"},
}
METHODS = {"upscaler": 1.0, "lanczos": 2.0}
UPSCALER = {
    "measured_by": "test pictures",
    "pictures": 3,
    "resolution": 64,
    "psnr": METHODS,
    "perceptual_distance": METHODS,
}
DIRECTIONS = {
    "names": ["warmth"],
    "figures": {
        "pictures": 5,
        "truncation": 0.8,
        "directions": {
            "warmth": {"found_by": "classifier", "effect": 1.0, "largest_other": "x", "largest_other_effect": 0.1}
        },
    },
}


@MANY
@given(changed(CLASSIFIER), changed(UPSCALER), changed(DIRECTIONS), VALUES)
def test_figures_of_companions(of_classifier, of_upscaler, of_directions, anything):
    classifier.check_figures(CLASSIFIER, ("a", "b"))
    upscaler.check_figures(UPSCALER)
    assert directions._read_told(DIRECTIONS, 1)
    for value in (of_classifier, anything):
        survives(lambda value: classifier.check_figures(value, ("a", "b")), value)
    for value in (of_upscaler, anything):
        survives(upscaler.check_figures, value)
    for value in (of_directions, anything):
        survives(lambda value: directions._read_told(parse_metadata(as_json(value), MOST_TOLD, "it"), 1), value)
        survives(lambda value: prompt._read_told(parse_metadata(as_json(value), MOST_TOLD, "it")), value)


@MANY
@given(st.sampled_from(METADATA_NAMES), st.lists(NAMES, min_size=1, max_size=5), VALUES, st.binary(max_size=200))
def test_metadata(tmp_path, name, pictures, value, raw):
    names = [picture.replace("\0", "") + ".png" for picture in pictures]
    line = as_json({"file_name": pictures[0], "style": value, "text": value})
    for content in (line.encode("utf-8", "replace"), as_json(value).encode("utf-8", "replace"), raw):
        survives(lambda content: read_metadata(tmp_path, [(name, content)], names), content)


@MANY
@given(st.lists(NAMES, max_size=8))
def test_names_of_folders(names):
    kept, refused = drop_doubles(names)
    assert len(kept) + len(refused) == len(names)
    styles, splits = styles_and_splits(kept, "art")
    spelled, _ = one_spelling(styles)
    assert len(styles) == len(splits) == len(spelled) == len(kept) and all(spelled)
    assert one_spelling(spelled)[0] == spelled  # once is enough


@MANY
@given(st.lists(NAMES, min_size=1, max_size=4, unique=True), st.integers(0, 2**32), st.binary(min_size=1, max_size=4))
def test_listings_of_zips(tmp_path, names, place, noise):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name in names:
            archive.writestr(zipfile.ZipInfo(name + ".png"), b"no picture")
    content = bytearray(buffer.getvalue())
    place %= len(content)
    content[place : place + len(noise)] = noise
    path = tmp_path / "art.zip"
    path.write_bytes(content)
    collection = survives(open_files, path)
    if collection:
        for name, found in collection.read([entry.name for entry in collection.entries]):
            assert isinstance(found, bytes | str) and not leads_out(name)


@pytest.mark.filterwarnings("ignore::UserWarning", "ignore::PIL.Image.DecompressionBombWarning")
@MANY
@given(
    st.sampled_from([b"\x89PNG\r\n\x1a\n", b"GIF89a", b"BM", b"RIFF\0\0\0\0WEBP", b"II*\0", b"\xff\xd8\xff\xe0", b""]),
    st.binary(max_size=300),
    st.integers(0, 2**16),
)
def test_pictures(head, body, side):
    survives(lambda content: decode_picture(content, 32), head + body)
    survives(lambda content: decode_picture(content, 32), head + struct.pack("<II", side, side) + body)
