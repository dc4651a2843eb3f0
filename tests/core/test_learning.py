"""How many conversions in a row of days a network has learned from."""

from __future__ import annotations

import pytest

from target_adpostbacks.core.learning import most_in


@pytest.mark.parametrize(
    ("counts", "days", "most"),
    [
        ([], 7, 0),
        ([3], 7, 3),
        ([5, 0, 0, 0, 0, 0, 5], 7, 10),
        ([5, 0, 0, 0, 0, 0, 0, 5], 7, 5),
        ([1, 9, 9, 1], 2, 18),
    ],
)
def test_the_most_counts_wherever_the_days_begin(counts: list[int], days: int, most: int) -> None:
    assert most_in(counts, days) == most
