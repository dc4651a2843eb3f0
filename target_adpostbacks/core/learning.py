"""What a network learns from conversions: how many of them, in how many days, unlock something."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple


class Milestone(NamedTuple):
    """So many conversions in so many days in a row, counted for an asset and for each ad group."""

    conversions: int
    days: int
    unlocks: str  # "value-based bidding"
    events: frozenset[str] = frozenset()  # the network's names of those that count together; none: each event by itself


def most_in(counts: Sequence[int], days: int) -> int:
    """The most in so many days in a row. ``counts``: of each day.

    >>> most_in([9, 0, 0, 4, 4, 4], 3)
    12
    """
    return max((sum(counts[start : start + days]) for start in range(max(1, len(counts) - days + 1))), default=0)
