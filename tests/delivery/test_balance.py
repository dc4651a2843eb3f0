"""What became of a run's records, and whether it adds up."""

from __future__ import annotations

import pytest

from target_adpostbacks.delivery.balance import Share, Tally, added, counted, summary, unbalanced

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
    ("bad", "total", "limit", "is_too_large"),
    [
        *((0, 0, 0, False), (0, 5, 0, False), (1, 5, 0, True)),
        *((1, 4, 25, False), (1, 4, 24.9, True)),
        *((4, 5, 100, False), (5, 5, 100, True), (5, 5, None, False)),
    ],
)
def test_a_share_is_too_large_above_its_limit_or_if_all_were_bad(
    bad: int, total: int, limit: float | None, is_too_large: bool
) -> None:
    assert Share(bad, total, limit).is_too_large == is_too_large


def test_fewer_than_five_tell_nothing() -> None:
    assert [total for total in range(7) if Share(total, total, 100).is_enough] == [5, 6]


def test_tallies_are_added() -> None:
    first = Tally(read=3, outcomes=4, accepted=1, skipped={"organic": 1}, open={"busy": 2})
    second = Tally(read=1, outcomes=1, open={"busy": 1, "no_answer": 0}, conversions=2)
    both = Tally(read=4, outcomes=5, accepted=1, skipped={"organic": 1}, open={"busy": 3}, conversions=5)
    assert added([first, second]) == both
    assert added([]) == Tally()
