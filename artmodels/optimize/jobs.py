"""Work on a picture as studio and verbs ask for it: a descent to watch, and at its end a PNG with its recipe."""

import hashlib
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from typing import Any

import torch
from torch import Tensor

from artmodels import __version__
from artmodels.generate.recipe import Projection, Recipe, chunk_png, png_bytes
from artmodels.generate.sampling import paint_rows, rows_of, to_images
from artmodels.hub.companions.classifier import CLASSIFIER_NAME
from artmodels.hub.companions.style_statistics import STATISTICS_NAME, StyleRepresentation
from artmodels.hub.load import LoadedModel, on_cpu
from artmodels.io.files import sha256
from artmodels.models.efficientnet import load_efficientnet
from artmodels.optimize.deep_dream import DreamSettings, dream
from artmodels.optimize.descent import DescentStep, Input
from artmodels.optimize.projection import Projected, ProjectionSettings, project
from artmodels.optimize.provenance import Kind, Provenance, Role
from artmodels.optimize.style_transfer import TransferSettings, share_of_time, style_representations, transfer


@dataclass(frozen=True)
class JobResult:
    """What a piece of work left."""

    png: bytes  # carries its recipe
    recipe: Recipe | None = None  # of a picture that a model paints


@dataclass
class Job:
    """A descent that is watched step by step, then finished; or left at any step."""

    descent: Generator[DescentStep, None, Any]
    write: Callable[[Any, int | None], JobResult]  # of what was found, and of the step at which somebody stopped it
    share_done: Callable[[float], float] = float  # of the time, after a share of the steps
    result: Any = None
    stopped_after: int | None = None

    def steps(self) -> Iterator[DescentStep]:
        self.result = yield from self.descent

    def leave(self, last: DescentStep) -> None:
        """Stop after this step, and take what was found so far."""
        self.result, self.stopped_after = last.found(), last.step
        self.descent.close()

    def finish(self) -> JobResult:
        """After the last step, or the one that it was left at.

        Raises:
            ValueError: not one step was taken.
        """
        if self.result is None:
            raise ValueError("the loss is no number from the first step on: try another picture, or other settings")
        return self.write(self.result, self.stopped_after)


def input_from_bytes(content: bytes, name: str) -> Input:
    """A picture that is at hand already."""
    return Input(content, hashlib.sha256(content).hexdigest(), name)


def transfer_job(
    picture: Input,
    style_picture: Input | None,
    model: LoadedModel | None,
    style: str | None,
    settings: TransferSettings,
) -> Job:
    """A picture in the style of another one, or else of a model's style.

    Raises:
        ValueError: no picture; or a model without statistics of this style.
    """
    photo, network = picture.whole(settings.size), load_efficientnet(0)
    if style_picture:
        representations: Sequence[StyleRepresentation] = style_representations(
            network, style_picture.whole(settings.size // 2), style_picture.whole(settings.size)
        )
        recipe = _derived("transfer", {"picture": picture, "manner": style_picture}, settings)
    else:
        if model is None or model.style_statistics is None or style is None:
            raise ValueError(
                f"{model.name if model else 'no model'} has no {STATISTICS_NAME}: `python -m artmodels styles` makes "
                "it from training pictures, or name a picture whose style it shall be"
            )
        representations = model.style_statistics.representation(style)
        recipe = _derived("transfer", {"picture": picture}, settings, model, style, model.style_statistics.sha256)
    done = partial(share_of_time, pixels=photo.shape[2] * photo.shape[3])
    return Job(transfer(network, photo, representations, settings), _writer(recipe), done)


def dream_job(picture: Input, model: LoadedModel, style: str, settings: DreamSettings) -> Job:
    """A picture pushed towards what a model's classifier takes for a style.

    Raises:
        ValueError: no picture, no classifier beside the model, or a style that it does not know.
    """
    classifier = model.classifier
    if classifier is None:
        raise ValueError(f"{model.name} has no classifier, {CLASSIFIER_NAME}: `train.py --task classifier` trains one")
    styles = classifier.config.styles
    if style not in styles:
        raise ValueError(f"no style {str(style)[:80]!r} that this classifier knows; it knows: {', '.join(styles)}")
    steps = dream(picture.whole(settings.size), classifier, classifier.config.resolution, styles.index(style), settings)
    digest = sha256(model.folder / CLASSIFIER_NAME)
    recipe = _derived("dream", {"picture": picture}, settings, model, style, digest)
    return Job(steps, _writer(recipe))


def projection_job(picture: Input, model: LoadedModel, settings: ProjectionSettings) -> Job:
    """What a model paints most like a picture, as a recipe to go on from.

    Raises:
        ValueError: no picture.
    """
    model = on_cpu(model)
    generator = model.generator
    wanted = picture.square(generator.config.resolution)

    def write(found: Projected, stopped_after: int | None) -> JobResult:
        origin = Projection(picture.sha256, settings.seed, settings.steps)
        recipe = found.recipe(model.name, model.weights_sha256, model.revision, origin)
        (image,) = to_images(paint_rows(generator, rows_of(generator, recipe)))
        return JobResult(png_bytes(image, [recipe]), recipe)

    return Job(project(generator, load_efficientnet(0), wanted, settings), write)


def _derived(
    made_by: Kind,
    inputs: dict[Role, Input],
    settings: Any,
    model: LoadedModel | None = None,
    style: str | None = None,
    companion: str | None = None,
) -> Provenance:
    digests = {role: file.sha256 for role, file in inputs.items()}
    named = model.label if model else None
    threads = torch.get_num_threads()
    return Provenance(made_by, digests, asdict(settings), __version__, threads, named, style, companion)


def _writer(recipe: Provenance) -> Callable[[Tensor, int | None], JobResult]:
    def write(picture: Tensor, stopped_after: int | None) -> JobResult:
        finished = replace(recipe, stopped_after=stopped_after)
        return JobResult(chunk_png(to_images(picture)[0], finished.to_json()))

    return write
