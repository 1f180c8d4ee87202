"""The modules that people were told to import and that have moved: their old names work, and say where they are now."""

import importlib
import re
from pathlib import Path

import pytest
import torch
from PIL import Image

import artmodels

OLD_NAMES = {
    "artmodels.editing": "Descent Input PATIENCE Progress Pyramid check_size draw_curve finish read_input resized "
    "total_variation",
    "artmodels.transfer": "Manner TransferSettings content_distance find_manners manner_of manners_of recolour "
    "style_distance transfer typical_paintings",
    "artmodels.models.features": "EfficientNetLite POOLED_DIM SCALE_STAGES VARIANTS load_efficientnet texture_channels "
    "weights_file",
    "artmodels.models.classifier": "check_figures load_classifier save_classifier",
}


@pytest.mark.parametrize(
    ("module", "name"), [(module, name) for module in OLD_NAMES for name in OLD_NAMES[module].split()]
)
def test_an_old_name_is_the_thing_itself_and_warns_with_the_new_one(module, name):
    old = importlib.import_module(module)
    with pytest.warns(DeprecationWarning, match=rf"{module}\.{name} is now artmodels\.\S+; .* until") as told:
        found = getattr(old, name)
    now = str(told[0].message).split(" is now ")[1].split(";")[0]
    home, _, current = now.rpartition(".")
    assert home != module and found is getattr(importlib.import_module(home), current)
    assert told[0].filename == __file__  # it points at whoever asked
    until = re.search(r"until artmodels (\d+)\.(\d+)$", str(told[0].message))
    assert until and tuple(map(int, until.groups())) > tuple(map(int, artmodels.__version__.split(".")[:2]))


@pytest.mark.parametrize("module", OLD_NAMES)
def test_a_name_that_never_was_is_missing_as_anywhere_else(module):
    with pytest.raises(AttributeError, match=rf"module '{module}' has no attribute 'nonsense'"):
        _ = importlib.import_module(module).nonsense


def test_what_the_readme_said_before_still_transfers_a_style(tmp_path):
    for name, colour in (("painting", "navy"), ("photo", "orange")):
        Image.new("RGB", (48, 48), colour).save(tmp_path / f"{name}.png")
    with pytest.warns(DeprecationWarning):
        from artmodels.editing import finish, read_input
        from artmodels.models.features import load_efficientnet
        from artmodels.transfer import TransferSettings, manners_of, transfer

    network, painting = load_efficientnet(0), read_input(Path(tmp_path / "painting.png"))
    manners = manners_of(network, painting.whole(32), painting.whole(48))
    steps = transfer(network, read_input(tmp_path / "photo.png").whole(32), manners, TransferSettings(steps=2))
    losses: list[float] = []
    picture = finish(steps, lambda progress: losses.append(progress.loss))
    assert picture.shape == (1, 3, 32, 32) and torch.isfinite(picture).all() and len(losses) >= 2


def test_what_the_readme_said_before_still_loads_a_classifier(tmp_path):
    with pytest.warns(DeprecationWarning):
        from artmodels.models.classifier import load_classifier
    assert load_classifier(tmp_path) is None
