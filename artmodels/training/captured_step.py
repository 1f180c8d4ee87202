"""A step recorded once as a CUDA graph and played again: a GPU need not wait for the host and its thousands of calls.

See https://docs.pytorch.org/docs/stable/notes/cuda.html#cuda-graphs. A recording repeats the very kernels at the very
addresses, so all that changes from step to step must lie in tensors on the device: the batch, and the learning rates.
"""

import sys
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from artmodels.training.batches import Batch
from artmodels.training.gan_step import Networks, StepResult

WARM_UP = 3  # steps taken as they are before one is recorded: kernels are chosen, memory is taken
ALIKE = 0.9  # cosine of what a played step and one taken as it is move; rounding costs far less

Step = Callable[[Batch, bool], StepResult]  # a batch, and whether the heads judge


@dataclass
class Recording:
    graph: torch.cuda.CUDAGraph
    batch: Batch  # which it reads
    result: StepResult  # which it writes

    def play(self, batch: Batch) -> StepResult:
        for own, given in zip(vars(self.batch).values(), vars(batch).values(), strict=True):
            own.copy_(given)
        self.graph.replay()
        return self.result


class CapturedStep:
    """Takes steps; on a GPU by a recording, once that has proved to do what the step does, else one by one.

    With and without the heads, a step is recorded on its own. A step that cannot be recorded, or does otherwise when it
    is played, is said once on stderr and taken as it is from then on.
    """

    def __init__(self, step: Step, nets: Networks, device: torch.device, wanted: bool):
        self.step, self.nets = step, nets
        self.aside = torch.cuda.Stream(device) if wanted and device.type == "cuda" else None
        self.taken: Counter[bool] = Counter()
        self.recorded: dict[bool, Recording] = {}

    def __call__(self, batch: Batch, judged: bool) -> StepResult:
        if self.aside is None:
            return self.step(batch, judged)
        if judged in self.recorded:
            return self.recorded[judged].play(batch)
        if self.taken[judged] < WARM_UP:
            self.taken[judged] += 1
            return self._take_aside(self.aside, batch, judged)
        try:
            self.recorded = {judged: self._record(batch, judged)}
            return self.recorded[judged].play(batch)
        except RuntimeError as error:
            if isinstance(error, torch.cuda.OutOfMemoryError):
                torch.cuda.empty_cache()
            print(f"steps are taken one by one, since they cannot be recorded: {error}", file=sys.stderr)
            self.aside, self.recorded = None, {}
            self.nets.heads.requires_grad_(True)  # in the middle of a step they are not to learn
            return self.step(batch, judged)

    def _take_aside(self, aside: torch.cuda.Stream, batch: Batch, judged: bool) -> StepResult:
        """A step on a stream of its own, as what is to be recorded must have run before."""
        aside.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(aside):
            result = self.step(batch, judged)
        torch.cuda.current_stream().wait_stream(aside)
        return result

    def _record(self, batch: Batch, judged: bool) -> Recording:
        """A recording of a step, which is not taken by that, and has been compared with the step itself.

        Raises:
            RuntimeError: something in it cannot be recorded, or it does otherwise.
        """
        graph, own = torch.cuda.CUDAGraph(), batch.each(torch.clone)
        with torch.cuda.graph(graph, capture_error_mode="thread_local"):  # other threads may pin memory meanwhile
            result = self.step(own, judged)
        recording = Recording(graph, own, result)
        before = snapshot(self.nets)
        moved = []
        for take in (lambda: recording.play(batch), lambda: self.step(batch, judged)):
            try:
                take()
                moved.append({name: tensor - before[name] for name, tensor in snapshot(self.nets).items()})
            finally:
                restore(self.nets, before)
        check_alike(*moved)
        return recording


def snapshot(nets: Networks) -> dict[str, Tensor]:
    """Copies of all floating-point tensors of a checkpoint."""
    return {name: tensor.clone() for name, tensor in _tensors(nets).items()}


def restore(nets: Networks, tensors: dict[str, Tensor]) -> None:
    """Put copies back where they came from, at the same addresses."""
    with torch.no_grad():
        for name, tensor in _tensors(nets).items():
            tensor.copy_(tensors[name])


def _tensors(nets: Networks) -> dict[str, Tensor]:
    return {
        f"{group}.{name}": tensor
        for group, tensors in nets.tensors().items()
        for name, tensor in tensors.items()
        if group != "ema" and tensor.is_floating_point()
    }


def check_alike(played: dict[str, Tensor], taken: dict[str, Tensor]) -> None:
    """Compare what two steps moved, network by network.

    Raises:
        RuntimeError: they moved them in different directions, or by different lengths.
    """
    for network in ("generator.", "heads."):
        names = [name for name in taken if name.startswith(network)]
        one, other = (torch.cat([moved[name].flatten() for name in names]) for moved in (played, taken))
        if other.norm() == 0 and one.norm() == 0:
            continue
        likeness = F.cosine_similarity(one, other, dim=0).item()
        if not likeness >= ALIKE or not 0.5 < (one.norm() / other.norm()).item() < 2:
            raise RuntimeError(f"a played step moves the {network[:-1]} otherwise (cosine {likeness:.3f})")
