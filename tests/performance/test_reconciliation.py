"""Differences between what we recorded and what a network reports: explained by counts that add up."""

from __future__ import annotations

from datetime import date, datetime, timezone
from typing import Any, NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from target_adpostbacks.core.performance.counting import Counting, Window
from target_adpostbacks.core.reconciliation import Ours, Row, Sum, reconciled, summed

NOW = datetime(2026, 12, 31, tzinfo=timezone.utc)
DAYS = Window(date(2026, 11, 1), date(2026, 11, 2))
COUNTING = Counting(conversions=("install", "sign_up"))
LA = "America/Los_Angeles"


class Theirs(NamedTuple):
    stream: str = "ads"
    network: str = "tiktok"
    account_id: str = "1"
    day: str = "2026-11-01"
    campaign_id: str = "111"
    time_zone: str = LA
    seq: int = 1
    conversions: int | None = 7_000_000
    extracted_at: str = "2026-12-30T00:00:00+00:00"


def ours(status: str = "accepted", why: str = "", conversions: int = 1, **changes: Any) -> Ours:
    values: dict[str, Any] = {
        "network": "tiktok",
        "campaign_id": "111",
        "event": "install",
        "hour": "2026-11-01T20",
        "quarter": 0,
        "sent": 0 if status == "skipped" else conversions,
        "without_click_id": 0,
        **changes,
    }
    return Ours(status=status, why=why, conversions=conversions, **values)


def rows(*of_ours: Ours, theirs: list[Theirs] | None = None, now: datetime = NOW, event: str = "") -> list[Row]:
    return reconciled(of_ours, theirs if theirs is not None else [Theirs()], COUNTING, DAYS, "Asia/Tokyo", now, event)


def test_seven_of_forty_two_are_explained() -> None:
    (row,) = rows(
        ours(conversions=36, without_click_id=20),
        ours("skipped", "no_match_key", 2),
        ours("skipped", "no_consent", 1, event="sign_up"),
        ours("rejected", "40002", 1),
        ours("open", "busy", 2),
    )
    assert row == Row(
        network="tiktok",
        event="install+sign_up",
        day="2026-11-01",
        time_zone=LA,
        recorded=42,
        sent=39,
        accepted=36,
        reported=7,
        difference=35,
        not_sent={"no_match_key": 2, "no_consent": 1},
        rejected={"40002": 1},
        open={"busy": 2},
        unexplained=29,
        hints={"no_click_id": 20},
    )


def test_the_days_of_which_a_network_reports_are_added_up() -> None:
    second = {"hour": "2026-11-02T20"}
    found = rows(
        ours(conversions=20, without_click_id=12),
        ours("skipped", "no_consent", 2),
        ours(conversions=16, without_click_id=8, **second),
        ours("skipped", "no_match_key", 3, **second),
        ours("rejected", "40002", 1, **second),
        ours(event="purchase"),
        ours(network="reddit"),
        theirs=[
            Theirs(conversions=6_500_000),
            Theirs(day="2026-11-02", conversions=500_000, extracted_at="2026-11-01"),
        ],
    )
    (total,) = summed(found)
    assert total == Sum(
        network="tiktok",
        event="install+sign_up",
        days=2,
        recorded=42,
        sent=37,
        accepted=36,
        reported=7,
        difference=35,
        not_sent={"no_match_key": 3, "no_consent": 2},
        rejected={"40002": 1},
        open={},
        unexplained=29,
        hints={"no_click_id": 20, "days_open": 1},
    )


def test_a_sum_is_hinted_at_as_its_own_difference_is() -> None:
    second = {"hour": "2026-11-02T20"}
    more, fewer = Theirs(conversions=9_000_000), Theirs(day="2026-11-02", conversions=1_000_000)
    of_both = rows(ours(conversions=5), ours(conversions=3, without_click_id=2, **second), theirs=[more, fewer])
    assert [row.hints for row in of_both] == [{"network_counts_more": None}, {"no_click_id": 2}]
    (below,) = summed(of_both)
    assert (below.unexplained, below.hints) == (-2, {"network_counts_more": None})
    (even,) = summed(rows(ours(conversions=7, **second), ours(conversions=3), theirs=[more, fewer]))
    assert (even.unexplained, even.hints) == (0, {})
    assert summed(rows(ours(), theirs=[])) == []


def test_a_network_that_counts_more_is_below_zero() -> None:
    (row,) = rows(ours(conversions=5, without_click_id=1))
    assert (row.difference, row.unexplained, row.hints) == (-2, -2, {"network_counts_more": None})
    (equal,) = rows(ours(conversions=7, without_click_id=7))
    assert (equal.difference, equal.unexplained, equal.hints) == (0, 0, {})


@pytest.mark.parametrize(
    ("now", "extracted_at", "is_open"),
    [
        (datetime(2026, 11, 29, 7, 59, tzinfo=timezone.utc), "2026-11-20T00:00:00+00:00", True),  # 28th of LA
        (datetime(2026, 11, 29, 8, 0, tzinfo=timezone.utc), "2026-11-20T00:00:00+00:00", False),
        (NOW, "2026-11-02T07:59:00+00:00", True),  # the day has not ended there
        (NOW, "2026-11-02T08:00:00Z", False),
        (NOW, "2026-11-02 08:00:00 UTC", False),
        (NOW, "no time", False),
        (NOW, "", False),
    ],
)
def test_a_day_is_open_until_it_is_28_days_old_and_was_read_after_its_end(
    now: datetime, extracted_at: str, is_open: bool
) -> None:
    (row,) = rows(ours(), theirs=[Theirs(extracted_at=extracted_at)], now=now)
    assert ("day_open" in row.hints) is is_open


def test_our_conversions_are_cut_into_the_days_of_the_ad_account() -> None:
    before, first, last, after = (
        ours(hour=hour, quarter=quarter)
        for hour, quarter in [
            ("2026-11-01T06", 3),  # 23:45 of the day before, in summer time
            ("2026-11-01T07", 0),
            ("2026-11-03T07", 3),  # 23:45, the clocks have gone back
            ("2026-11-03T08", 0),
        ]
    )
    found = rows(before, first, last, after, theirs=[Theirs(), Theirs(day="2026-11-02")])
    assert [(row.day, row.recorded) for row in found] == [("2026-11-01", 1), ("2026-11-02", 1)]


def test_a_day_that_one_side_alone_knows_has_a_row() -> None:
    (theirs,) = rows()
    assert (theirs.event, theirs.recorded, theirs.accepted, theirs.reported) == ("install+sign_up", 0, 0, 7)
    assert (theirs.difference, theirs.unexplained, theirs.hints) == (-7, -7, {"network_counts_more": None})
    (silent,) = rows(ours(conversions=2), theirs=[Theirs(conversions=None)])
    assert (silent.time_zone, silent.recorded, silent.reported) == (LA, 2, None)
    assert (silent.difference, silent.unexplained, silent.hints) == (None, None, {})
    (alone,) = rows(ours(conversions=2), theirs=[])
    assert (alone.time_zone, alone.recorded, alone.reported) == ("Asia/Tokyo", 2, None)
    assert rows(theirs=[Theirs(conversions=None)]) == []
    assert rows(theirs=[Theirs(day="2026-11-03"), Theirs(day="2026-10-31")]) == []


def test_other_events_are_explained_up_to_what_was_accepted() -> None:
    other, together = rows(ours(event="purchase", conversions=3), ours("skipped", "too_old", event="purchase"), ours())[
        ::-1
    ]
    assert (other.event, other.recorded, other.accepted, other.reported) == ("purchase", 4, 3, None)
    assert (other.not_sent, other.difference, other.unexplained) == ({"too_old": 1}, None, None)
    assert (together.event, together.recorded, together.reported) == ("install+sign_up", 1, 7)


def test_what_was_for_nobody_stands_last_by_its_own_event_in_the_usual_zone() -> None:
    nobody = ours("skipped", "organic", 5, network="", campaign_id="", hour="2026-11-01T15")
    *_, row = rows(nobody, nobody._replace(event="purchase", conversions=1), ours())[:2]
    assert (row.network, row.event, row.day, row.time_zone) == ("", "install", "2026-11-02", "Asia/Tokyo")
    assert (row.recorded, row.sent, row.accepted, row.not_sent) == (5, 0, 0, {"organic": 5})
    assert (row.reported, row.difference, row.unexplained, row.hints) == (None, None, None, {})


def test_figures_of_campaigns_and_accounts_are_added_up_exactly() -> None:
    parts = [Theirs(conversions=100_000), Theirs(campaign_id="222", conversions=200_000), Theirs(conversions=None)]
    (row,) = rows(ours(), theirs=parts)
    assert (row.reported, row.difference, row.unexplained) == (0.3, 0.7, 0.7)
    (two,) = rows(ours(), theirs=[Theirs(), Theirs(account_id="2", campaign_id="9", time_zone="UTC")])
    assert (two.reported, two.time_zone) == (14, None)
    (assumed,) = rows(ours(), theirs=[Theirs(time_zone="")])
    assert assumed.time_zone == "UTC"


@pytest.mark.parametrize(
    ("event", "found"),
    [
        ("", ["install+sign_up", "purchase"]),
        ("install", ["install+sign_up"]),
        ("sign_up", ["install+sign_up"]),
        ("purchase", ["purchase"]),
        ("lead", []),
    ],
)
def test_one_event_may_be_asked_for(event: str, found: list[str]) -> None:
    asked = rows(ours(), ours(event="sign_up"), ours(event="purchase"), event=event)
    assert [row.event for row in asked] == found
    assert [row.recorded for row in asked] == [2, 1][: len(found)] or event == "purchase"


STATUSES = {
    "accepted": st.just(""),
    "skipped": st.sampled_from(["no_match_key", "too_old", "organic"]),
    "rejected": st.sampled_from(["40002", "400", ""]),
    "open": st.sampled_from(["busy", "no_answer"]),
}
OURS = st.sampled_from([*STATUSES]).flatmap(
    lambda status: st.builds(
        ours,
        st.just(status),
        STATUSES[status],
        st.integers(1, 10**9),
        network=st.sampled_from(["tiktok", "reddit", ""]),
        campaign_id=st.sampled_from(["111", "222", ""]),
        event=st.sampled_from(["install", "sign_up", "purchase"]),
        hour=st.sampled_from(["2026-10-31T23", "2026-11-01T07", "2026-11-02T12", "2026-11-03T23"]),
        quarter=st.integers(0, 3),
    )
)
THEIRS = st.builds(
    Theirs,
    network=st.sampled_from(["tiktok", "reddit"]),
    day=st.sampled_from(["2026-10-31", "2026-11-01", "2026-11-02"]),
    campaign_id=st.sampled_from(["111", "222", ""]),
    time_zone=st.sampled_from([LA, "Europe/Berlin", ""]),
    conversions=st.none() | st.integers(0, 10**9).map(lambda whole: whole * 1_000_000),
)


@given(st.lists(OURS, max_size=12), st.lists(THEIRS, max_size=8))
def test_every_difference_is_explained_by_counts_that_add_up(of_ours: list[Ours], theirs: list[Theirs]) -> None:
    found = rows(*of_ours, theirs=theirs)
    for row in found:
        known = sum(row.not_sent.values()) + sum(row.rejected.values()) + sum(row.open.values())
        assert row.recorded == known + row.accepted
        if row.reported is None:
            assert row.difference is row.unexplained is None
        else:
            assert row.unexplained is not None
            assert row.difference == row.recorded - row.reported == known + row.unexplained
    assert len({(row.network, row.event, row.day) for row in found}) == len(found)
    assert sum(row.recorded for row in found) <= sum(each.conversions for each in of_ours)
