"""What became of a run's records, and whether it adds up."""

from __future__ import annotations

import pytest

from target_adpostbacks.delivery.balance import Tally, counted, summary, too_many_rejected, unbalanced

DELIVERED = {"accepted": 4, "already accepted": 2, "rejected": 1, "skipped organic": 1, "open busy": 3}


def test_each_outcome_is_counted_once_under_its_name() -> None:
    assert counted(12, 11, 1, DELIVERED) == Tally(
        read=12,
        outcomes=11,
        accepted=4,
        already_accepted=2,
        rejected=1,
        skipped={"organic": 1},
        open={"busy": 3},
        filtered=1,
    )


def test_the_summary_says_only_what_is_worth_a_word() -> None:
    told = "accepted 4, already accepted 2, rejected 1, skipped 1 (organic 1), open 3 (busy 3)"
    assert summary(counted(12, 11, 1, DELIVERED)) == f"read 12, outcomes 11, {told}, filtered 1"
    assert summary(counted(11, 11, 0, {**DELIVERED, "open late": 0})) == f"read 11, {told}"


@pytest.mark.parametrize(("owed", "without", "wrong"), [(11, 0, False), (10, 0, True), (12, 0, True), (11, 1, True)])
def test_a_run_balances_if_every_outcome_that_is_owed_was_counted(owed: int, without: int, wrong: bool) -> None:
    assert bool(unbalanced(counted(12, owed, 1, DELIVERED), without)) == wrong


@pytest.mark.parametrize(
    ("accepted", "rejected", "limit", "wrong"),
    [(0, 0, 0, False), (1, 0, 0, False), (0, 1, 100, False), (3, 1, 25, False), (3, 1, 24.9, True), (0, 1, 99, True)],
)
def test_rejections_are_measured_against_what_was_judged(
    accepted: int, rejected: int, limit: float, wrong: bool
) -> None:
    counts = counted(9, 9, 0, {"accepted": accepted, "rejected": rejected, "skipped organic": 5})
    assert bool(too_many_rejected(counts, limit)) == wrong
