"""A small generator and all that may lie beside it, made without training."""

import json
from pathlib import Path
from typing import Any

import torch
from helpers import STYLES
from PIL import Image

from artmodels.hub.companions.classifier import save_classifier
from artmodels.hub.companions.neighbours import find_neighbours, save_neighbours
from artmodels.hub.companions.prompt import save_prompt
from artmodels.hub.companions.style_statistics import save_style_statistics
from artmodels.hub.companions.upscaler import save_upscaler
from artmodels.hub.pretrained import ArtGenerator
from artmodels.io.files import sha256
from artmodels.models.classifier import ClassifierConfig, StyleClassifier
from artmodels.models.efficientnet import load_efficientnet
from artmodels.models.generator import GeneratorConfig
from artmodels.models.prompt import PromptConfig, PromptModel, PromptNetwork
from artmodels.models.upscaler import Upscaler, UpscalerConfig
from artmodels.optimize.style_transfer import style_representation

TRAINING: dict[str, Any] = {
    "preset": "tiny",
    "images": 12_345,
    "seconds": 5400.0,
    "machine": "2 CPU threads",
    "pictures": 100,
    "style_counts": {style: 30 + place for place, style in enumerate(STYLES)},
}
FIGURES: dict[str, Any] = {
    "judge": "EfficientNet-Lite2",
    "judge_resolution": 128,
    "picture_resolution": 32,
    "truncation": 1.0,
    "variety_seeds": 64,
    "neighbours": 5,
    "overall": {
        "samples": 500,
        "test_pictures": 80,
        "frechet_distance": 123.456,
        "frechet_floor": 45.6,
        "floor_pictures": 500,
        "kernel_distance": 0.0123,
        "kernel_floor": 0.0001,
        "precision": 0.51,
        "precision_floor": 0.62,
        "recall": None,
        "recall_floor": None,
        "sliced_wasserstein": {"32": 21.23, "16": 34.5},
        "sliced_wasserstein_floor": {"32": 5.1, "16": 6.1},
        "memorisation": {
            "samples_median": 7.77,
            "samples_first_percentile": 5.55,
            "held_out_median": 7.0,
            "held_out_first_percentile": 5.0,
            "ratio": 1.11,
        },
    },
    "styles": {
        style: {
            "test_pictures": 20,
            "kernel_distance": 0.02,
            "kernel_interval": [-0.001, 0.04],
            "kernel_floor": 0.001,
            "variety": 0.87,
        }
        for style in STYLES
    },
    "command": "python -m artmodels evaluate --model sketcher ...",
}


def make_generator(styles: tuple[str, ...] = STYLES, resolution: int = 32, seed: int = 0) -> ArtGenerator:
    """A generator whose random weights make pictures that differ: statistics and means as after training."""
    torch.manual_seed(seed)
    config = GeneratorConfig(resolution, styles, latent_dim=16, width=4, max_channels=16)
    generator = ArtGenerator(config)
    generator.train()
    with torch.no_grad():
        for _ in range(20):
            generator(torch.randn(16, 16), torch.eye(len(styles))[torch.randint(len(styles), (16,))])
    generator.update_mean_w(torch.randn(256, 16))
    return generator.requires_grad_(False).eval()


def make_upscaler() -> Upscaler:
    """One that never learned, and leaves its marks."""
    torch.manual_seed(4)
    network = Upscaler(UpscalerConfig(8, 1))
    torch.nn.init.normal_(network.last.weight, std=0.1)
    return network.requires_grad_(False).eval()


def add_companions(folder: Path, generator: ArtGenerator) -> None:
    """What a published folder may hold besides: companions that never learned, and the story of a training."""
    torch.manual_seed(2)
    classifier = StyleClassifier(ClassifierConfig(resolution=32, styles=generator.config.styles, width=8))
    shares = {"accuracy": 0.5, "accuracy_interval": [0.4, 0.6], "balanced_accuracy": 0.5, "calibration_error": 0.03}
    of_each = {key: {"pictures": 10, "precision": 0.5, "recall": None} for key in generator.config.styles}
    table = [[5, 3, 2]] * 3
    told = {"measured_by": "test pictures", "pictures": 30, "reference": None, "confusion": table, "styles": of_each}
    save_classifier(folder, classifier, {**shares, **told})
    words = ("blue", "dark", "mosaic", "sea")
    network = PromptNetwork(PromptConfig(words, generator.config.styles, 4, 4, 4, 4, 32)).requires_grad_(False).eval()
    reference, unmeasured = torch.randn(20, 4), {"pictures": 0, "recall": {}}
    save_prompt(folder, PromptModel(network, unmeasured, reference, sha256(folder / "model.safetensors")))
    sight, looks = load_efficientnet(0), torch.rand(3, 2, 3, 64, 64) * 2 - 1
    representations = [
        [style_representation(sight, pictures), style_representation(sight, pictures)] for pictures in looks
    ]
    save_style_statistics(folder, generator.config.styles, representations)
    features = torch.randn(30, 1280, generator=torch.Generator().manual_seed(6))
    labels = tuple(f"<i>drawing</i> {place}, by nobody" for place in range(24))
    save_neighbours(folder, find_neighbours(features[:24], features[24:], labels, 2, 128))
    measured = {"psnr": {"upscaler": 25.0, "lanczos": 24.0}, "perceptual_distance": {"upscaler": 0.5, "lanczos": 0.9}}
    figures = {"measured_by": "test pictures", "pictures": 30, "resolution": 64, **measured}
    save_upscaler(folder, make_upscaler(), figures)
    history = [
        {"images": images, "generator_loss": 1 / images, "discriminator_loss": 2.0, "variety": 0.5}
        for images in range(100, 1100, 100)
    ]
    (folder / "history.json").write_text(json.dumps(history))
    (folder / "metrics.json").write_text(json.dumps({"training": {"progress": [100, 500, 1000]}}))
    Image.new("RGB", (3 * 34 - 2, 3 * 34 - 2), "teal").save(folder / "progress.webp")
