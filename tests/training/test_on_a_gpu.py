"""What only a GPU shows: a step for which the host never waits, and a step recorded once and played again."""

import copy
import warnings
from dataclasses import replace

import pytest
import torch
from helpers import draw_pictures
from training_runs import as_if_alone

from artmodels.data.dataset import load_dataset
from artmodels.hub.pretrained import ArtGenerator
from artmodels.metrics.classification import adherence
from artmodels.models.classifier import ClassifierConfig, StyleClassifier
from artmodels.models.generator import GeneratorConfig
from artmodels.training.batches import BatchSource
from artmodels.training.captured_step import ALIKE, WARM_UP, CapturedStep, check_alike, restore, snapshot
from artmodels.training.config import tiny
from artmodels.training.distributed import make_accelerator
from artmodels.training.gan_step import Passes, StepResult, build_networks, set_learning_rates, training_step
from artmodels.training.gan_training import prepare_passes
from artmodels.training.init_from import start_from
from artmodels.training.latents import PictureLatents

needs_gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU that PyTorch computes on")


@pytest.fixture(autouse=True)
def accelerate_of_its_own():
    """Each test has its own precision; accelerate would keep the first one's for all."""
    with as_if_alone():
        yield


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    folder = tmp_path_factory.mktemp("gpu")
    return load_dataset(draw_pictures(folder / "pictures", 8), 32, folder / "cache")


class Setting:
    """A tiny run's networks, batches and steps on a device."""

    def __init__(self, dataset, device: str, **settings):
        self.config = replace(tiny(), **settings)
        self.device = torch.device(device)
        self.nets = nets = build_networks(self.config, dataset.styles, self.device)
        self.passes = Passes(nets.generator, nets.heads, nets.projector, nets.projector.scales)
        if device == "cuda":
            self.passes = prepare_passes(make_accelerator(self.config.precision), nets, compiled=False)
        latents = PictureLatents(torch.randn(len(dataset), self.config.latent_dim))
        labels = torch.from_numpy(dataset.labels)
        self.source = BatchSource(self.config, dataset, labels, latents, self.device)

    def step(self, batch, judged=True) -> StepResult:
        return training_step(self.nets, self.passes, self.config, batch, 1.0, judged)


def test_steps_that_move_networks_otherwise_are_told_apart():
    random = torch.Generator().manual_seed(0)
    moved = {f"{name}.{place}": torch.randn(50, generator=random) for name in ("generator", "heads") for place in "ab"}
    check_alike({name: tensor * 1.01 for name, tensor in moved.items()}, moved)
    still = {name: torch.zeros_like(tensor) for name, tensor in moved.items()}
    check_alike(still, still)
    blurred = {name: tensor + 0.2 * torch.randn(50, generator=random) for name, tensor in moved.items()}
    check_alike(blurred, moved)
    for wrong in (
        still,
        {name: -tensor for name, tensor in moved.items()},
        {name: tensor * 3 for name, tensor in moved.items()},
        {**moved, "heads.a": torch.randn(50, generator=random), "heads.b": torch.randn(50, generator=random)},
        {name: tensor * torch.nan for name, tensor in moved.items()},
    ):
        with pytest.raises(RuntimeError, match="otherwise"):
            check_alike(wrong, moved)
    assert ALIKE > 0.5


@pytest.mark.slow
def test_a_step_can_be_taken_back(dataset):
    """What a recording is compared by: after a step and its undoing, the next step is the same again."""
    setting = Setting(dataset, "cpu")
    with setting.source as source:
        setting.step(source.take(0))
        before = snapshot(setting.nets)
        batch, ends = source.take(16), []
        for _ in range(2):
            setting.step(batch)
            ends.append(snapshot(setting.nets))
            restore(setting.nets, before)
    assert all(torch.equal(ends[0][name], ends[1][name]) for name in ends[0])
    assert any(not torch.equal(ends[0][name], before[name]) for name in before)
    assert {name.partition(".")[0] for name in before} == set(setting.nets.tensors()) - {"ema"}


@pytest.mark.slow
def test_without_a_gpu_every_step_is_taken_as_it_is(dataset):
    setting = Setting(dataset, "cpu")
    taken: list[bool] = []

    def step(batch, judged):
        taken.append(judged)
        return setting.step(batch, judged)

    take = CapturedStep(step, setting.nets, setting.device, wanted=True)
    with setting.source as source:
        for number in range(2 * WARM_UP):
            assert take(source.take(16 * number), judged=number > 1).figures()["perceptual_distance"] > 0
    assert taken == [number > 1 for number in range(2 * WARM_UP)]


@needs_gpu
@pytest.mark.filterwarnings("ignore:Synchronization debug mode is a prototype")
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_the_host_never_waits_in_a_step(dataset, precision):
    setting = Setting(dataset, "cuda", precision=precision)
    with setting.source as source:
        for number in range(3):
            setting.step(source.take(16 * number))
        torch.cuda.synchronize()
        torch.cuda.set_sync_debug_mode("error")
        try:
            for number in range(3, 6):
                set_learning_rates(setting.nets, setting.config, 16 * number)
                setting.step(source.take(16 * number))
        finally:
            torch.cuda.set_sync_debug_mode("default")


@needs_gpu
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize("accumulate", [1, 2])
def test_a_played_step_is_the_step(dataset, precision, accumulate):
    setting = Setting(dataset, "cuda", precision=precision, accumulate=accumulate)
    take = CapturedStep(setting.step, setting.nets, setting.device, wanted=True)
    with setting.source as source, warnings.catch_warnings():
        for number in range(WARM_UP + 1):
            take(source.take(16 * number), judged=False)
        assert take.recorded.keys() == {False}
        for number in range(WARM_UP + 1, 3 * WARM_UP):
            take(source.take(16 * number), judged=True)
        assert take.recorded.keys() == {True}, "a step cannot be recorded here"
        start, batches = snapshot(setting.nets), [source.take(16 * number) for number in range(20, 24)]
        ends = []
        for one_by_one in (False, True):
            for batch in batches:
                result = setting.step(batch) if one_by_one else take(batch, judged=True)
            ends.append((snapshot(setting.nets), copy.deepcopy(result.figures())))
            restore(setting.nets, start)
    (played, played_figures), (taken, taken_figures) = ends
    check_alike(*({name: end[name] - start[name] for name in start} for end in (played, taken)))
    assert played_figures == pytest.approx(taken_figures, rel=0.1, abs=0.1)


@needs_gpu
def test_a_played_step_follows_the_learning_rate(dataset):
    setting = Setting(dataset, "cuda", images=2048, finish=1024)
    take = CapturedStep(setting.step, setting.nets, setting.device, wanted=True)
    with setting.source as source:
        for number in range(WARM_UP + 2):
            take(source.take(16 * number), judged=True)
        set_learning_rates(setting.nets, setting.config, 2048)
        before = {name: weight.clone() for name, weight in setting.nets.generator.named_parameters()}
        take(source.take(16 * 50), judged=True)
        assert all(torch.equal(weight, before[name]) for name, weight in setting.nets.generator.named_parameters())


@needs_gpu
def test_a_run_on_a_gpu_starts_from_a_model_on_the_cpu():
    """With a style of its own, a later doubling, and a block more: as it would start on the CPU."""
    torch.manual_seed(0)
    config = GeneratorConfig(resolution=32, styles=("mosaic", "op-art"), latent_dim=16, width=16, max_channels=64)
    model = ArtGenerator(config)
    grown = ArtGenerator(replace(config, resolution=64, width=8, styles=("op-art", "portraits"), late_doubling=32))
    on_the_gpu = copy.deepcopy(grown).to("cuda")
    for generator in (grown, on_the_gpu):
        start_from(generator, model)
    for name, tensor in on_the_gpu.state_dict().items():
        assert tensor.device.type == "cuda" and torch.equal(tensor.cpu(), grown.state_dict()[name]), name


@needs_gpu
def test_a_classifier_on_the_cpu_judges_a_generator_on_a_gpu(dataset):
    torch.manual_seed(0)
    config = GeneratorConfig(resolution=32, styles=dataset.styles, latent_dim=16, width=16, max_channels=64)
    classifier = StyleClassifier(ClassifierConfig(32, dataset.styles))
    found = adherence(ArtGenerator(config).to("cuda"), classifier, dataset, seeds=4)
    assert found and set(found["styles"]) == set(dataset.styles) and classifier.temperature.device.type == "cpu"
