"""The prompt model's file beside a model: weights, vocabulary, figures, and how the model's own pictures look to it."""

import re
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import torch
from pydantic import Field

from artmodels.hub.companion import Companion
from artmodels.hub.model_files import escape_markdown
from artmodels.io.safetensors_io import load_weights, shapes_only
from artmodels.io.schema import Count, Name, Schema, Share, parse
from artmodels.models.generator import GeneratorConfig
from artmodels.models.prompt import PromptConfig, PromptModel, PromptNetwork

PROMPT_NAME = "prompt.safetensors"
MAX_REFERENCE = 4096  # pictures that a match is compared with
MAX_PHRASES = 40
REFERENCE, METADATA_KEY = "reference", "prompt"  # the tensor's name, and that of the JSON beside the tensors
REMEDY = "train the prompt model anew (train.py --task prompt), or delete the file"


def save_prompt(folder: Path, prompt_model: PromptModel) -> None:
    """Write `prompt.safetensors`: the weights in half precision, and as JSON the config, vocabulary and figures.

    The feature network is not in it: it comes with its own package.

    Raises:
        ValueError, OSError: those of `Companion.save`.
    """
    content = {
        "config": asdict(prompt_model.config),
        "figures": prompt_model.figures,
        "reference_sha256": prompt_model.reference_sha256,
    }
    tensors = {**prompt_model.network.state_dict(), REFERENCE: prompt_model.reference}
    COMPANION.save(folder, tensors, {METADATA_KEY: content})


def load_prompt(folder: Path, styles: Sequence[str]) -> PromptModel | None:
    """The prompt model that lies beside a model which paints `styles`; None if there is none. It may be a stranger's.

    Raises:
        ValueError: too large, damaged, or of other styles.
    """
    path = COMPANION.find(folder)
    if path is None:
        return None
    header, (told,) = COMPANION.read(path, METADATA_KEY)
    try:
        config, figures, sha256 = _read_told(told)
    except ValueError as error:
        raise ValueError(f"{path}: {error}: {REMEDY}") from error
    if config.styles != tuple(styles):
        raise ValueError(f"{path} knows the styles {', '.join(config.styles)[:200]}, not those of the model: {REMEDY}")
    shape = header.get(REFERENCE, {}).get("shape")  # the rest of the header is compared below
    count = shape[0] if isinstance(shape, list) and shape else None
    if not isinstance(count, int) or isinstance(count, bool) or not 0 <= count <= MAX_REFERENCE:
        raise ValueError(f"{path} should hold 0 to {MAX_REFERENCE} rows of {REFERENCE}, found {shape!r:.80}: {REMEDY}")
    with shapes_only():
        network = PromptNetwork(config)
        expected = {**network.state_dict(), REFERENCE: torch.empty(count, config.joint_dim)}
    weights = load_weights(path, expected)
    reference = weights.pop(REFERENCE)
    network.load_state_dict(weights, assign=True)
    return PromptModel(network.requires_grad_(False).eval(), figures, reference, sha256)


class Figures(Schema):
    """What `training.prompt.measure_prompt_model` gives: among 100, the share found first, in the first 5 and 10."""

    pictures: Count
    recall: Annotated[dict[Name, tuple[Share, Share, Share]], Field(max_length=10)]
    phrases: Annotated[tuple[Name, ...], Field(max_length=MAX_PHRASES)] = ()  # that were seen to move pictures


def _read_told(content: Any) -> tuple[PromptConfig, dict[str, Any], str]:
    """Config, figures, and the checksum of the reference's model, from what is told beside the tensors.

    Raises:
        ValueError: not of the form that `save_prompt` gives.
    """
    if not isinstance(content, dict) or content.keys() != {"config", "figures", "reference_sha256"}:
        raise ValueError("what is said of the prompt model should be config, figures and reference_sha256")
    config, figures, sha256 = content["config"], content["figures"], content["reference_sha256"]
    if not isinstance(config, dict) or config.keys() - set(PromptConfig.__dataclass_fields__):
        raise ValueError("its config has unknown fields, or is no object")
    if not isinstance(sha256, str) or not re.fullmatch(r"[0-9a-f]{64}|", sha256):
        raise ValueError("reference_sha256 should be 64 hexadecimal digits")
    parse(Figures, figures, "figures")
    try:
        return PromptConfig(**config), figures, sha256
    except TypeError as error:
        raise ValueError(f"its config is not whole ({error})") from error


def _section(prompt_model: PromptModel | None, config: GeneratorConfig, evaluation: dict[str, Any]) -> str:
    """The card's section on the prompt model, if the model has one."""
    if prompt_model is None:
        return ""
    figures, words = prompt_model.figures, len(prompt_model.config.words)
    rows = "\n".join(
        f"| {escape_markdown(kind)} | {' | '.join(f'{100 * share:.0f} %' for share in shares)} |"
        for kind, shares in sorted(figures["recall"].items(), key=lambda item: -item[1][-1])
    )
    table = f"""
Of {figures["pictures"]:,} pictures that were not trained on, how often what is said of one finds it among 100:
as the first, among the first 5, among the first 10; by chance 1 %, 5 % and 10 %:

| words | 1 | 5 | 10 |
| --- | ---: | ---: | ---: |
{rows}

Measured by `train.py --task prompt`.
"""
    return f"""
## Prompts

A recurrent network reads {words:,} words, of captions and of colours measured from the pictures, and
finds latents whose pictures match: `python -m artmodels generate --prompt "..."`. Words that it never read are named.
{table if rows else ""}"""


COMPANION = Companion(
    "prompt",
    PROMPT_NAME,
    52 * 1024**2,
    lambda folder, config: load_prompt(folder, config.styles),
    section=_section,
    tensors=lambda found: [*found.network.state_dict().values(), found.reference],
    remedy=REMEDY,
)
