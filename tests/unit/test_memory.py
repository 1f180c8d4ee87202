"""Memory is kept from one picture to the next, and starting up imports nothing that takes a second for nothing."""

import platform
import subprocess
import sys

import pytest
import torch
from helpers import ROOT

from artmodels.generate.sampling import CPU_WORKING_MEMORY, batch_size
from artmodels.hub.pretrained import ArtGenerator
from artmodels.io.memory import LARGEST_KEPT
from artmodels.io.safetensors_io import shapes_only
from artmodels.models.generator import GeneratorConfig

MASTERS = ROOT / "checkpoints" / "masters"
PAINT = """
import resource, sys, torch
from artmodels.hub.pretrained import ArtGenerator
from artmodels.io.memory import keep_memory
if sys.argv[2] == "kept":
    keep_memory()
torch.set_num_threads(1)
generator = ArtGenerator.from_pretrained(sys.argv[1])
with torch.inference_mode():
    w = generator.mapping(torch.randn(8, 128), torch.eye(9)[:8])
    counts = []
    for _ in range(9):
        generator.synthesis(w)
        counts.append(resource.getrusage(resource.RUSAGE_SELF).ru_minflt)
rounds = sorted(after - before for before, after in zip(counts[1:], counts[2:]))
print(rounds[len(rounds) // 2] / 8)  # the median round: in some the pool itself still grows by a block
"""
LOAD = """
import sys
from artmodels.hub.load import load_model
model = load_model(sys.argv[1])
assert model.prompt and model.upscaler and model.classifier and model.directions
print(*(name for name in sys.modules if name.startswith("torch._dynamo") or name == "torch._inductor"))
"""


def run(program: str, *arguments: object) -> str:
    command = [sys.executable, "-c", program, *map(str, arguments)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.strip()


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc gives memory back after each layer")
def test_a_picture_is_painted_in_the_memory_of_the_one_before():
    fresh = {how: float(run(PAINT, MASTERS, how)) for how in ("kept", "given back")}  # pages a picture
    assert fresh["kept"] < 20 and fresh["given back"] > 1000


def test_loading_a_model_does_not_import_the_compiler():
    assert run(LOAD, MASTERS) == ""


@pytest.mark.parametrize(("resolution", "width", "expected"), [(64, 32, 8), (128, 24, 8), (256, 32, 2), (512, 32, 1)])
def test_no_feature_map_of_a_batch_outgrows_what_is_kept(resolution, width, expected):
    config = GeneratorConfig(resolution=resolution, styles=("one",), width=width, max_channels=256)
    with shapes_only():
        generator = ArtGenerator(config)
    generator.mean_w = torch.zeros(1, config.latent_dim)
    size = batch_size(generator)
    largest = max(4 * 2 * config.channels(res) * res**2 for res in config.resolutions)  # before the gated linear unit
    assert size == expected
    assert size * largest <= LARGEST_KEPT or size == 1
    assert CPU_WORKING_MEMORY // config.working_memory < size + 1 or size == 8
