"""How the C library deals with the memory of a program that paints or trains."""

import ctypes

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD, M_ARENA_MAX = -1, -3, -8  # as glibc numbers them, see mallopt(3)
LARGEST_KEPT = 32 * 2**20  # bytes of one block; glibc takes no larger value
MOST_KEPT = 256 * 2**20  # bytes that are free at the end of a pool
POOLS = 1


def keep_memory() -> None:
    """Let freed memory be used again instead of giving it back to the system after each layer of a network.

    The feature maps of 128 px are a few megabytes each. By itself glibc maps such blocks one by one and unmaps them
    when they are freed, so that every layer waits for fresh pages that the system fills with zeros first: a third of
    the time that a picture takes on a CPU. Elsewhere than on glibc nothing is done.
    """
    _set({M_MMAP_THRESHOLD: LARGEST_KEPT, M_TRIM_THRESHOLD: MOST_KEPT})


def share_memory_between_threads() -> None:
    """Let glibc keep one pool of memory for all threads, instead of eight for each core, none of which shrinks."""
    _set({M_ARENA_MAX: POOLS})


def _set(options: dict[int, int]) -> None:
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError, TypeError):  # no glibc
        return
    for option, value in options.items():
        mallopt(option, value)
