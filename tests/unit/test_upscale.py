"""Larger pictures, and their size on paper."""

import numpy as np
import pytest
from PIL import Image

from artmodels.generate.recipe import Latent, Recipe, png_bytes, read_recipes
from artmodels.generate.upscale import PRINT_DOTS_PER_INCH, enlarge

RECIPE = Recipe("user/model", "0" * 64, (Latent(7),), {"ukiyo-e": 1.0}, 0.8)


@pytest.mark.parametrize("factor", [1, 2, 4])
def test_a_picture_grows_both_ways_and_keeps_its_colours(factor):
    ramp = np.linspace(20, 230, 32).round().astype(np.uint8)
    image = Image.fromarray(np.stack([np.tile(ramp, (24, 1))] * 3, axis=-1))
    large = enlarge(image, factor)
    assert large.size == (32 * factor, 24 * factor) and large.mode == "RGB"
    small = large.resize(image.size, Image.Resampling.BOX)
    assert np.abs(np.asarray(small).astype(int) - np.asarray(image)).max() <= 2


@pytest.mark.parametrize("factor", [0, 3, 8, -2, None])
def test_other_factors_are_refused(factor):
    with pytest.raises(ValueError, match=f"1, 2 or 4 times, found {factor}"):
        enlarge(Image.new("RGB", (4, 4)), factor)


def test_a_download_tells_the_printer_its_size_and_keeps_its_recipe(tmp_path):
    path, image = tmp_path / "picture.png", Image.new("RGB", (8, 8), "red")
    path.write_bytes(png_bytes(image, [RECIPE], PRINT_DOTS_PER_INCH))
    with Image.open(path) as picture:
        assert picture.info["dpi"] == pytest.approx((300, 300), abs=0.01)
    assert read_recipes(path) == [RECIPE]
    path.write_bytes(png_bytes(image, [RECIPE]))
    with Image.open(path) as picture:
        assert "dpi" not in picture.info
