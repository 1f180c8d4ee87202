"""Random numbers that depend on a key alone."""

import hashlib

import torch


def seeded_generator(*key: int) -> torch.Generator:
    """A CPU random generator that depends on the key alone: (seed, images seen, rank) for a training step."""
    digest = hashlib.sha256(repr(key).encode()).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest[:8], "little"))
