"""Requests of several visitors in one forward pass."""

import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future

import torch
from torch import Tensor

from artmodels.generate.sampling import batch_size
from artmodels.hub.pretrained import ArtGenerator

PaintBatch = Callable[[ArtGenerator, Tensor], Tensor]
Request = tuple[tuple[PaintBatch, ArtGenerator], Tensor, Future[Tensor]]


class MicroBatcher:
    """Paints for many threads at once: what waits for the same generator, to be painted alike, is painted together.

    Nobody waits for a batch to fill: it takes what is there when the one before is done. First come, first served; what
    is patient comes when nothing else waits.
    """

    def __init__(self) -> None:
        self.waiting: deque[Request] = deque()
        self.patient: deque[Request] = deque()
        self.something_waits = threading.Condition()
        threading.Thread(target=self._work, name="painter", daemon=True).start()

    def __call__(self, paint: PaintBatch, generator: ArtGenerator, w: Tensor, patient: bool = False) -> Tensor:
        """Pictures `[N, 3, H, W]` of `w: [N, layers + 1, latent_dim]`; raises what `paint` raises."""
        coming: Future[Tensor] = Future()
        with self.something_waits:
            (self.patient if patient else self.waiting).append(((paint, generator), w, coming))
            self.something_waits.notify()
        return coming.result()

    def _work(self) -> None:
        while True:
            with self.something_waits:
                self.something_waits.wait_for(lambda: self.waiting or self.patient)
                batch = self._take() if self.waiting else [self.patient.popleft()]
            paint, generator = batch[0][0]
            try:
                pictures = paint(generator, torch.cat([w for _, w, _ in batch]))
            except BaseException as error:  # whoever waits must hear of it
                for _, _, coming in batch:
                    coming.set_exception(error)
                continue
            for (_, _, coming), part in zip(batch, pictures.split([len(w) for _, w, _ in batch]), strict=True):
                coming.set_result(part)

    def _take(self) -> list[Request]:
        """The first that waits, with those of its kind that fit beside it."""
        batch = [self.waiting.popleft()]
        kind = batch[0][0]
        room = batch_size(kind[1]) - len(batch[0][1])
        others: deque[Request] = deque()
        while self.waiting:
            request = self.waiting.popleft()
            if request[0] == kind and len(request[1]) <= room:
                batch.append(request)
                room -= len(request[1])
            else:
                others.append(request)
        self.waiting = others
        return batch
