"""How long requests took, as every report and stream tells it."""

from __future__ import annotations

from collections import Counter
from itertools import accumulate


def percentile(times: Counter[int], percent: int) -> int:
    """The least time that so many percent of the requests do not exceed. ``times``: milliseconds → requests.

    >>> percentile(Counter({100: 19, 3000: 1}), 95), percentile(Counter({100: 18, 3000: 2}), 95)
    (100, 3000)
    """
    ordered = sorted(times)
    passed = accumulate(times[time] for time in ordered)
    return next(time for time, count in zip(ordered, passed, strict=True) if 100 * count >= percent * times.total())
