"""--init: a run that starts from a published model."""

import json
import shutil
from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from helpers import assert_one_clear_line
from training_runs import train, train_here, weights

from artmodels.generate.sampling import draw_latents, one_hot, paint
from artmodels.hub.load import load_model
from artmodels.hub.pretrained import ArtGenerator
from artmodels.metrics.distances import signal_to_noise
from artmodels.models.generator import GeneratorConfig
from artmodels.models.layers import UpBlock
from artmodels.training.config import PRESETS
from artmodels.training.init_from import BEFORE_DOUBLING, load_initial_model, shape_after, start_from

CONFIG = GeneratorConfig(resolution=32, styles=("mosaic", "op-art"), latent_dim=16, width=8, max_channels=32)


def test_what_both_have_is_copied_and_a_known_style_paints_as_before():
    model = ArtGenerator(CONFIG).eval()
    generator = ArtGenerator(replace(CONFIG, styles=("op-art", "portraits"))).eval()
    start_from(generator, model)
    latents = draw_latents(range(3), 16)
    before, after = (paint(each, latents, one_hot(each.config.styles, "op-art")) for each in (model, generator))
    assert torch.equal(before, after)
    mean = model.style_embedding.mean(dim=0)
    assert torch.linalg.norm(generator.style_embedding[1] - mean) < 0.3 * torch.linalg.norm(model.style_embedding[0])
    assert not torch.equal(generator.style_embedding[1], mean)


def test_a_grown_generator_keeps_every_block_below():
    model = ArtGenerator(CONFIG)
    config = shape_after(PRESETS["tiny"](), model, resolution=64)
    assert (config.resolution, config.width, config.feature_resolution) == (64, 4, 64)
    grown = ArtGenerator(config.generator_config(CONFIG.styles))
    start_from(grown, model)
    w = model.mapping(draw_latents([1], 16), torch.eye(2)[:1])
    assert torch.equal(w[:, 1], grown.mapping(draw_latents([1], 16), torch.eye(2)[:1])[:, 1])
    for name in ("first.weight", "blocks.0.convs.0.conv.weight", "blocks.2.convs.0.conv.weight"):
        assert torch.equal(model.get_parameter(name), grown.get_parameter(name))


@pytest.mark.parametrize(
    "metrics",
    [
        "[]",
        "no JSON",
        '{"training": null}',
        '{"training": [1]}',
        f'{{"training": {{"images": 5, "seconds": 1{"0" * 400}}}}}',
        '{"training": {"images": 5, "seconds": NaN}}',
        '{"training": {"images": -5, "seconds": 1}}',
    ],
)
def test_what_a_stranger_says_that_a_model_cost_is_doubted(tmp_path, metrics):
    ArtGenerator(CONFIG).save_pretrained(tmp_path)
    (tmp_path / "metrics.json").write_text(metrics)
    assert load_initial_model(str(tmp_path)).describe().keys() == {"model", "source", "weights_sha256"}
    (tmp_path / "metrics.json").write_text('{"training": {"images": 5, "seconds": 1.5}}')
    assert load_initial_model(str(tmp_path)).describe()["seconds"] == 1.5


@pytest.mark.parametrize(("width", "convs", "late"), [(16, 1, 0), (32, 2, 0), (32, 2, 64)])
def test_a_grown_generator_paints_the_pictures_of_its_model_enlarged(width, convs, late):
    """From the start, and all that is new still learns."""
    torch.manual_seed(5)
    model = ArtGenerator(replace(CONFIG, width=width, max_channels=64, convs_per_block=convs))
    with torch.no_grad():
        for _ in range(20):  # batch statistics as after training
            model(torch.randn(16, 16), torch.eye(2).repeat(8, 1))
        model.to_rgb.weight.mul_(4)  # and pictures with contrast
    model.eval()
    config = replace(model.config, resolution=128, width=width // 4, late_doubling=late)
    grown = ArtGenerator(config)
    start_from(grown, model)
    grown.eval()
    latents, styles = draw_latents(range(100, 108), 16), torch.eye(2).repeat(4, 1)
    small, large = model(latents, styles), grown(latents, styles)
    enlarged = F.interpolate(small, size=128, mode="bicubic")
    assert signal_to_noise(large, enlarged).min() > 22
    shuffled = enlarged.roll(1, dims=0)
    assert signal_to_noise(large, enlarged).mean() > signal_to_noise(large, shuffled).mean() + 8
    large.square().mean().backward()
    for name in ("blocks.4.convs.0.conv.weight", "blocks.4.convs.0.modulation.affine.weight", "to_rgb.weight"):
        assert grown.get_parameter(name).grad.abs().sum() > 0


def test_kernels_before_a_doubling_are_the_mean_of_those_behind_it():
    """Away from the edge, what they give is the mean of each four places that the doubled features gave."""
    x, kernel = torch.randn(1, 2, 6, 6), torch.randn(3, 2, 3, 3)
    behind = F.conv2d(UpBlock.double_resolution(x), kernel)  # without a rim of one place
    before = F.conv2d(x, BEFORE_DOUBLING @ kernel @ BEFORE_DOUBLING.T)
    assert torch.allclose(F.avg_pool2d(behind[:, :, 1:-1, 1:-1], 2), before, atol=1e-5)


def test_a_generator_that_doubles_later_starts_near_its_model():
    """With the flag of train.py; what the model has beyond its kernels is taken as it is."""
    torch.manual_seed(2)
    model = ArtGenerator(replace(CONFIG, convs_per_block=2)).eval()
    config = replace(shape_after(PRESETS["tiny"](), model, None), late_doubling=16)
    later = ArtGenerator(config.generator_config(CONFIG.styles)).eval()
    start_from(later, model)
    for name, same in (
        ("first.weight", True),
        ("blocks.0.convs.0.conv.weight", True),
        ("blocks.1.convs.0.conv.weight", False),
        ("blocks.1.convs.1.conv.weight", True),
    ):
        assert torch.equal(later.get_parameter(name), model.get_parameter(name)) is same, name
    assert shape_after(PRESETS["tiny"](), later, None).late_doubling == 16
    again = ArtGenerator(later.config)
    start_from(again, later)
    assert all(torch.equal(mine, its) for mine, its in zip(again.parameters(), later.parameters(), strict=True))


def test_growing_keeps_the_channels_that_are_asked_for():
    model = ArtGenerator(CONFIG)
    grown = shape_after(PRESETS["tiny"](), model, resolution=128, min_channels=8).generator_config(CONFIG.styles)
    assert [grown.channels(res) for res in grown.resolutions] == [32, 32, 16, 8, 8, 8]
    halved = shape_after(PRESETS["tiny"](), model, resolution=128).generator_config(CONFIG.styles)
    assert [halved.channels(res) for res in halved.resolutions] == [32, 32, 16, 8, 4, 2]
    again = shape_after(PRESETS["tiny"](), ArtGenerator(grown), resolution=256).generator_config(CONFIG.styles)
    assert again.channels(256) == 8
    for resolution, channels in ((128, 9), (None, 8)):
        with pytest.raises(ValueError, match=f"--min-channels {channels} would change blocks"):
            shape_after(PRESETS["tiny"](), model, resolution, channels)


def test_sizes_that_cannot_be_reached_are_refused():
    model = ArtGenerator(CONFIG)
    with pytest.raises(ValueError, match="smaller than that of the --init model"):
        shape_after(PRESETS["tiny"](), model, resolution=16)
    with pytest.raises(ValueError, match="too large to grow"):
        shape_after(PRESETS["tiny"](), model, resolution=512)


@pytest.mark.slow
def test_a_run_starts_from_a_model_and_says_so(tmp_path, pictures, model_folder):
    sketcher = load_initial_model(str(model_folder))
    flags = ["--data", str(pictures), "--preset", "tiny", "--images", "32", "--no-compile", "--batch-size", "8"]
    flags += ["--hold-out", "0"]
    output = tmp_path / "run"
    result = train(output, "--init", str(model_folder), *flags)
    assert result.returncode == 0, result.stderr
    config = json.loads((output / "config.json").read_text())
    assert config["init"]["model"] == "sketcher"
    assert config["init"]["weights_sha256"] == sketcher.model.weights_sha256
    assert config["train"]["width"] == sketcher.generator.config.width
    painter = load_model(output / "model").generator
    assert painter.config.styles == ("flow-field", "mosaic", "op-art")
    training = json.loads((output / "model" / "metrics.json").read_text())["training"]
    assert training["init"] == {key: config["init"][key] for key in config["init"] if key != "source"}
    assert "source" in config["init"]
    assert "Started from the model sketcher" in (output / "model" / "README.md").read_text()


@pytest.mark.slow
def test_a_run_that_stopped_before_its_first_checkpoint_starts_from_the_same_model(tmp_path):
    """And from no other: the model's checksum is in the run's config."""
    first, other = tmp_path / "first", tmp_path / "other"
    short = ("--preset", "tiny", "--images", "32", "--hold-out", "0")
    for output, seed in ((first, "0"), (other, "1")):
        assert train(output, *short, "--seed", seed).returncode == 0
    tuned = tmp_path / "tuned"
    assert train(tuned, "--init", str(first / "model"), *short).returncode == 0
    weights = (tuned / "model" / "model.safetensors").read_bytes()
    for folder in [*tuned.glob("images-*"), tuned / "model"]:
        shutil.rmtree(folder)
    assert train(tuned, "--resume").returncode == 0
    assert (tuned / "model" / "model.safetensors").read_bytes() == weights

    for folder in tuned.glob("images-*"):
        shutil.rmtree(folder)
    shutil.rmtree(first / "model")
    shutil.copytree(other / "model", first / "model")
    assert_one_clear_line(train(tuned, "--resume"), "not the model that the run")


@pytest.mark.slow
def test_frozen_blocks_begin_to_learn_on_resume(tmp_path, model_folder):
    model, output = load_model(model_folder).generator, tmp_path / "run"
    grown = ("--init", str(model_folder), "--resolution", "64", "--freeze", "32", "--min-channels", "4")
    result = train(output, *grown, "--images", "32", "--preset", "tiny", "--hold-out", "0")
    assert result.returncode == 0, result.stderr
    frozen = weights(output)
    assert torch.equal(frozen["map_in.weight"], model.map_in.weight)

    result = train(output, "--resume", "--freeze", "0", "--images", "64")
    assert result.returncode == 0, result.stderr
    assert not torch.equal(weights(output)["map_in.weight"], frozen["map_in.weight"])
    changes = json.loads((output / "config.json").read_text())["changes"]
    assert {"images": 32, "field": "freeze", "from": 32, "to": 0} in changes


def test_flags_that_do_not_go_with_it_are_refused(tmp_path):
    base = ("--output", str(tmp_path / "run"))
    assert_one_clear_line(train_here(*base, "--init", "nowhere"), "no model folder nowhere")
    assert_one_clear_line(train_here(*base, "--init", "checkpoints/masters", "--width", "8"), "--width comes from")
    assert_one_clear_line(train_here(*base, "--init", "checkpoints/masters", "--resolution", "32"), "smaller")
    assert_one_clear_line(train_here(*base, "--freeze", "32"), "--freeze keeps what an --init model has")
    assert_one_clear_line(
        train_here(*base, "--init", "checkpoints/masters", "--freeze", "128"),
        "below the pictures' 128 px",
    )
    assert not (tmp_path / "run").exists()
