"""ZeroGPU, where a function has a GPU only while it runs; anywhere else, nothing of the kind."""

import copy
import os

import torch
from torch import Tensor

from artmodels.generate.sampling import paint_rows
from artmodels.hub.pretrained import ArtGenerator

try:
    from spaces import GPU as on_gpu
except ImportError:

    def on_gpu(function):
        """The function itself: this is no Space."""
        return function


ON_ZERO_GPU = os.environ.get("SPACES_ZERO_GPU", "").lower() in ("1", "true", "t", "yes", "y")


def paint_where_the_gpu_is(generator: ArtGenerator, w: Tensor) -> Tensor:
    """`paint_rows`, with a generator that waits in main memory moved to the GPU for this call."""
    if torch.cuda.is_available() and generator.mean_w.device.type == "cpu":
        generator = copy.deepcopy(generator).to("cuda")
    return paint_rows(generator, w)
