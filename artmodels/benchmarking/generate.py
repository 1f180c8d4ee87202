"""How fast a model paints on this machine, beside its bare convolutions: `python -m artmodels benchmark paint`."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.benchmark import Timer

from artmodels.generate.sampling import batch_size, draw_latents, paint_rows
from artmodels.hub.load import LoadedModel
from artmodels.hub.pretrained import ArtGenerator
from artmodels.io.device import describe_machine

ROUNDS = 3  # in which painting and convolving take turns, so that a busy moment strikes both


@torch.inference_mode()
def benchmark_painting(model: LoadedModel, seconds: float) -> dict[str, Any]:
    """Seconds a picture, alone and in batches, and of its convolutions alone, on the very same inputs.

    Each is timed for `seconds` in all, after a warm-up; figures are medians. The gap between the two is what
    modulating, gating, enlarging and the copy to main memory cost.
    """
    generator = model.generator
    styles = torch.eye(len(generator.config.styles), device=generator.mean_w.device)
    latents = draw_latents(range(batch_size(generator)), generator.config.latent_dim).to(styles.device)
    rows = generator.mapping(latents, styles[torch.arange(len(latents)) % len(styles)])
    sizes = sorted({1, min(4, batch_size(generator)), batch_size(generator)})
    levels = dict.fromkeys(generator.config.resolutions, 0.0)
    for conv, x in convolutions_of(generator, rows[:1]):
        levels[max(x.shape[-1], 4)] += multiplications(conv, x) / 1e9  # gates see all maps at 4 px, and less
    found: dict[str, Any] = {
        "machine": describe_machine(),
        "device": str(generator.mean_w.device),
        "model": model.name,
        "resolution": generator.config.resolution,
        "parameters": generator.parameter_count,
        "gigamacs": sum(levels.values()),
        "gigamacs_of_levels": levels,  # by the side of their maps in pixels
        "batches": {},
    }
    for size in sizes:
        w = rows[:size]
        painting, convolving = time_in_turns(
            partial(paint_rows, generator, w), partial(_convolve, convolutions_of(generator, w)), seconds
        )
        found["batches"][size] = {"seconds": painting / size, "convolution_seconds": convolving / size}
    return found


def convolutions_of(generator: ArtGenerator, w: Tensor) -> list[tuple[nn.Conv2d, Tensor]]:
    """Every convolution that painting `w: [N, layers + 1, latent_dim]` calls, with its input."""
    calls: list[tuple[nn.Conv2d, Tensor]] = []
    hooks = [
        module.register_forward_pre_hook(lambda module, inputs: calls.append((module, inputs[0])))
        for module in generator.modules()
        if isinstance(module, nn.Conv2d)
    ]
    try:
        generator.synthesis(w)
    finally:
        for hook in hooks:
            hook.remove()
    return calls


def _convolve(calls: Sequence[tuple[nn.Conv2d, Tensor]]) -> None:
    for conv, x in calls:
        conv(x)


def multiplications(conv: nn.Conv2d, x: Tensor) -> int:
    """Multiply-adds of an ungrouped convolution of `x: [N, C, H, W]`."""
    return conv(x)[:, 0].numel() * conv.weight.numel()


def time_in_turns(first: Callable[[], object], second: Callable[[], object], seconds: float) -> tuple[float, float]:
    """Median seconds of a call of each."""
    threads = torch.get_num_threads()  # of its own accord a timer takes one
    timers = [Timer("call()", globals={"call": call}, num_threads=threads) for call in (first, second)]
    rounds = [[timer.blocked_autorange(min_run_time=seconds / ROUNDS) for timer in timers] for _ in range(ROUNDS)]
    medians = [sorted(turn[place].median for turn in rounds)[ROUNDS // 2] for place in (0, 1)]
    return medians[0], medians[1]


def describe(found: dict[str, Any]) -> str:
    """The figures of `benchmark_painting` for people."""
    lines = [
        f"machine   {found['machine']}, on the device {found['device']}",
        f"model     {found['model']}: {found['resolution']} px, {found['parameters'] / 1e6:.2f} million parameters, "
        f"{found['gigamacs']:.2f} billion multiply-adds a picture",
        "by side   "
        + ", ".join(
            f"{side} px {share / found['gigamacs']:.0%}" for side, share in found["gigamacs_of_levels"].items()
        ),
        "",
        "at once   ms a picture   pictures/s   its convolutions alone",
    ]
    for size, times in found["batches"].items():
        whole, bare = times["seconds"], times["convolution_seconds"]
        rate = 2 * found["gigamacs"] / bare
        lines.append(
            f"{size:7}   {1000 * whole:12.1f}   {1 / whole:10.1f}   {1000 * bare:.1f} ms, {bare / whole:.0%} of it, "
            f"{rate:,.0f} GFLOP/s"
        )
    return "\n".join(lines)
