"""One step of training: what its parts add up to, and which gradients flow where."""

from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import replace

import pytest
import torch

from artmodels.io.random import seeded_generator
from artmodels.models.image_statistics import shared_detail
from artmodels.training.augment import CHANGES
from artmodels.training.batches import Batch
from artmodels.training.config import TrainConfig, tiny
from artmodels.training.gan_step import (
    Networks,
    Passes,
    StepResult,
    build_networks,
    no_stage,
    set_learning_rates,
    training_step,
)

STYLES = ("a", "b")


def step(config: TrainConfig, frozen: bool = False, stages: list[str] | None = None, **dials) -> Networks:
    """The networks after one step on eight fixed pictures; `frozen` norms depend on no other picture of the batch."""
    nets = build_networks(config, STYLES, torch.device("cpu"))
    nets.squares.fill_(1.0)  # as long as each other, so that the heads are heard at once
    if frozen:
        nets.generator.eval()
        nets.heads.eval()

    def stage(title: str):
        if stages is not None:
            stages.append(title)
        return nullcontext()

    take_step(nets, config, stage, **dials)
    return nets


def take_step(nets: Networks, config: TrainConfig, stage: Callable = no_stage, **dials) -> StepResult:
    passes = Passes(nets.generator, nets.heads, nets.projector, nets.projector.scales, stage=stage)
    batch = Batch(
        levels=torch.randint(0, 256, (8, 32, 32, 3), dtype=torch.uint8, generator=seeded_generator(1)),
        style=torch.eye(2)[torch.tensor([0, 1, 0, 1, 0, 1, 0, 1])],
        z=torch.randn(8, config.latent_dim, generator=seeded_generator(1)),
        changes=torch.rand(8, CHANGES, generator=seeded_generator(0)),
    )
    return training_step(nets, passes, config, batch, **dials)


def gradients(module: torch.nn.Module) -> torch.Tensor:
    return torch.cat([p.grad.flatten() for p in module.parameters() if p.grad is not None])


def test_frozen_blocks_stay_and_those_above_them_learn():
    config = replace(tiny(), batch_size=8, freeze=16)
    before, after = build_networks(config, STYLES, torch.device("cpu")).generator, step(config).generator
    moved = {name for name, weight in after.named_parameters() if not torch.equal(weight, before.get_parameter(name))}
    above = {name for name in dict(after.named_parameters()) if name.startswith(("blocks.2.", "excitations.32", "to_"))}
    assert moved == above
    assert {name for name, weight in after.named_parameters() if weight.requires_grad} == above


def test_a_zoom_changes_what_the_heads_are_shown():
    config = replace(tiny(), batch_size=8)
    whole, quarters = (gradients(step(replace(config, zoom=zoom), augment=0.0).heads) for zoom in (0.0, 1.0))
    assert (whole - quarters).norm() > 0.05 * whole.norm()


@pytest.mark.parametrize("parts", [2, 4])
def test_the_gradients_of_parts_add_up_to_those_of_the_whole(parts):
    config = replace(tiny(), batch_size=8)
    whole = step(config, frozen=True, augment=0.0)
    divided = step(replace(config, accumulate=parts), frozen=True, augment=0.0)
    for one, other in ((whole.heads, divided.heads), (whole.generator, divided.generator)):
        expected, found = gradients(one), gradients(other)
        assert expected.abs().max() > 1e-4
        assert (found - expected).norm() < 1e-3 * expected.norm()


def test_each_update_moves_its_own_network_and_no_other():
    config = replace(tiny(), batch_size=8)
    before, after = build_networks(config, STYLES, torch.device("cpu")), step(config)
    for name, moved in (("generator", True), ("heads", True), ("projector", False)):
        pairs = zip(getattr(before, name).parameters(), getattr(after, name).parameters(), strict=True)
        assert any(not torch.equal(one, other) for one, other in pairs) == moved, name
    assert all(parameter.requires_grad for parameter in after.heads.parameters())
    assert all(parameter.grad is None for parameter in after.projector.parameters())


def test_the_stages_of_a_step_are_announced_for_a_stopwatch():
    stages: list[str] = []
    step(replace(tiny(), batch_size=8), stages=stages)
    assert set(stages) == {
        "features",
        "generator",
        "heads' update",
        "heads' verdict",
        "reconstruction",
        "generator's update",
    }


def test_another_feature_network_sees_otherwise():
    maps = []
    for variant in (0, 1):
        nets = build_networks(replace(tiny(), feature_network=variant), STYLES, torch.device("cpu"))
        maps.append(nets.projector(torch.zeros(1, 3, 32, 32)))
    assert len(maps[0]) == len(tiny().head_channels)
    assert all(one.shape == other.shape and not torch.allclose(one, other) for one, other in zip(*maps, strict=True))


def test_learning_rates_stay_and_then_fall_with_the_root():
    config = replace(tiny(), decay_after=1000)
    nets = build_networks(config, STYLES, torch.device("cpu"))
    for images, factor in ((0, 1), (1000, 1), (4000, 0.5), (100_000, 0.1)):
        set_learning_rates(nets, config, images)
        assert nets.generator_optimizer.param_groups[0]["lr"] == pytest.approx(factor * config.learning_rate)
        assert nets.heads_optimizer.param_groups[0]["lr"] == pytest.approx(factor * config.heads_learning_rate)
    ending = replace(tiny(), images=2000, finish=500)
    for images, factor in ((0, 1), (1500, 1), (1750, 0.5), (1984, 16 / 500), (2000, 0)):
        set_learning_rates(nets, ending, images)
        assert nets.generator_optimizer.param_groups[0]["lr"] == pytest.approx(factor * ending.learning_rate)
        assert nets.heads_optimizer.param_groups[0]["lr"] == pytest.approx(factor * ending.heads_learning_rate)
    with pytest.raises(ValueError, match=r"finish \(2001\) must be at most the budget of 2000 images"):
        replace(ending, finish=2001)
    set_learning_rates(nets, tiny(), 10**9)
    assert nets.generator_optimizer.param_groups[0]["lr"] == tiny().learning_rate


def test_before_the_heads_are_heard_the_generator_learns_from_the_pictures_alone():
    config = replace(tiny(), batch_size=8)
    before = build_networks(config, STYLES, torch.device("cpu"))
    alone = step(config, frozen=True, judged=False)
    other = step(replace(config, heads_learning_rate=0.1), frozen=True, judged=False)
    assert torch.equal(gradients(alone.generator), gradients(other.generator))
    pairs = zip(before.heads.parameters(), alone.heads.parameters(), strict=True)
    assert all(torch.equal(one, other) for one, other in pairs)
    divided = step(replace(config, accumulate=2), frozen=True, judged=False)
    assert torch.allclose(gradients(divided.generator), gradients(alone.generator), atol=1e-4)


def test_the_share_of_the_heads_is_what_it_says():
    """Without the heads the generator follows the pictures alone, so what they look like decides nothing."""
    config = replace(tiny(), batch_size=8)
    alone = step(replace(config, adversarial_share=0.0), frozen=True, augment=0.0)
    other = step(replace(config, adversarial_share=0.0, heads_learning_rate=0.1), frozen=True, augment=0.0)
    judged = step(config, frozen=True, augment=0.0)
    assert torch.equal(gradients(alone.generator), gradients(other.generator))
    assert (gradients(judged.generator) - gradients(alone.generator)).norm() > 0.1 * gradients(alone.generator).norm()


def test_a_step_keeps_how_long_both_gradients_were():
    config = replace(tiny(), batch_size=8)
    whole, divided = (step(replace(config, accumulate=parts), frozen=True, augment=0.0) for parts in (1, 2))
    assert (whole.squares > 0).all() and (whole.squares != 1).all()
    assert torch.allclose(whole.squares, divided.squares, rtol=1e-2)
    assert torch.equal(step(config, judged=False).squares, torch.ones(2))


def test_paintings_learn_to_share_no_detail():
    """Steps on one batch, with nothing else to gain, leave the paintings less alike than those without."""

    def learn(weight: float) -> float:
        config = replace(tiny(), batch_size=8, adversarial_share=0.0, learning_rate=0.002, detail_weight=weight)
        nets = build_networks(config, STYLES, torch.device("cpu"))
        results = [take_step(nets, config) for _ in range(20)]
        assert all((result.shared_detail is None) == (weight == 0) for result in results)
        z = torch.randn(8, config.latent_dim, generator=seeded_generator(1))
        paintings = nets.generator(z, torch.eye(2)[[0, 1] * 4])
        return shared_detail(paintings).item()

    assert learn(100.0) < learn(0.0) - 0.02
