"""Has the C library give back what a long run frees: texts of a megabyte, on many threads."""

from __future__ import annotations

import os

MAPPED_FROM = 512 * 1024
"""Bytes of what is given back at once: a request's body, for example."""
POOLS = 2
"""Of the C library's pools, which share no free memory. It would have one for each thread, up to eight for a core."""
_MMAP_THRESHOLD, _ARENA_MAX = -3, -8  # of glibc's malloc.h
_USERS_OWN = ("MALLOC_", "GLIBC_TUNABLES")


def give_back() -> None:
    """Set the pools and the size, for this whole process. With another library than glibc nothing is done.

    Nor where the environment has settings of its own for it.
    """
    if any(name.startswith(_USERS_OWN) for name in os.environ):
        return
    import ctypes

    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):
        return
    mallopt(_MMAP_THRESHOLD, MAPPED_FROM)
    mallopt(_ARENA_MAX, POOLS)
