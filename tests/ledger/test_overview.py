"""A period of the ledger, added up: whose days, what counts, and what never."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from typing import Any

import pytest
from ledger_rows import NOW, a_row, an_attempt

from target_adpostbacks.ledger import Delivered, Ledger, LedgerReader
from target_adpostbacks.ledger.overview import MOST_GROUPS, Event, Learned, Matched, Overview, Requests, Why

DAYS = [f"2026-11-{day}T00:00:00.000+00:00" for day in (18, 19, 20)]
END = "2026-11-21T00:00:00.000+00:00"
TRIAL = "PIXEL@http://127.0.0.1:8765"


def fill(url: str, *rows: Delivered, attempts: Sequence[dict[str, Any]] = ()) -> None:
    with closing(Ledger(url, "run-1")) as ledger:
        ledger.write(NOW, rows, attempts)


def read(url: str, starts: Sequence[str] = DAYS, end: str = END) -> Overview:
    with LedgerReader(url) as reader:
        return reader.overview(starts, end)


def learned(url: str, *networks: str) -> list[Learned]:
    with LedgerReader(url) as reader:
        return reader.learned(networks, DAYS, END)


def at(day: int, time: str = "12:00:00.000") -> str:
    return f"2026-11-{day}T{time}+00:00"


def days(url: str, starts: Sequence[str] = DAYS) -> dict[int, int]:
    return {each.day: each.conversions for each in read(url, starts).outcomes}


def test_each_conversion_counts_on_the_day_on_which_it_happened(ledger_url: str) -> None:
    fill(
        ledger_url,
        a_row("before", event_time=at(17, "23:59:59.999")),
        a_row("first", event_time=at(18, "00:00:00.000")),
        a_row("last", event_time=at(18, "23:59:59.999")),
        a_row("today", event_time=at(20)),
        a_row("after today", event_time=at(21, "00:00:00.000")),
    )
    assert days(ledger_url) == {0: 2, 2: 1, 3: 1}


@pytest.mark.parametrize("count", [1, 2, 3, 7, 400])
def test_any_number_of_days_finds_the_right_one(ledger_url: str, count: int) -> None:
    fill(ledger_url, a_row(event_time=at(20)))
    earlier = [f"2025-{1 + number // 28:02}-{1 + number % 28:02}" for number in range(336)]
    more = [f"{day}T00:00:00.000+00:00" for day in (*earlier, *(f"2026-01-{day:02}" for day in range(1, 29)))]
    starts = [*(more * 2)[: max(0, count - 3)], *DAYS][-count:]
    assert days(ledger_url, sorted({*starts})) == {len({*starts}) - 1: 1}


def test_what_has_no_time_counts_when_it_was_written(ledger_url: str) -> None:
    fill(ledger_url, a_row(event_time=None, status="skipped", reason="invalid"))
    assert days(ledger_url) == {2: 1}


def test_money_is_added_by_status_and_currency_and_a_correction_adds_none(ledger_url: str) -> None:
    fill(
        ledger_url,
        a_row("1", value=10.0),
        a_row("2", value=5.5),
        a_row("2", value=4.0, adjustment="restate"),
        a_row("3", value=7.0, currency="EUR"),
        a_row("4", "open", value=2.0),
        a_row("5", value=None, currency=None),
    )
    assert {(each.status, each.currency, each.conversions, each.value) for each in read(ledger_url).outcomes} == {
        ("accepted", "USD", 3, 15.5),
        ("accepted", "EUR", 1, 7.0),
        ("open", "USD", 1, 2.0),
        ("accepted", None, 1, None),
    }


def test_tests_count_nowhere_and_a_trial_only_where_nothing_is_live(ledger_url: str) -> None:
    fill(
        ledger_url,
        a_row("a test", test=True),
        a_row("both", asset=TRIAL),
        a_row("both"),
        a_row("tried", asset=TRIAL, status="rejected"),
    )
    whole = read(ledger_url)
    assert [(each.status, each.is_trial, each.conversions) for each in sorted(whole.outcomes)] == [
        ("accepted", False, 1),
        ("rejected", True, 1),
    ]
    assert whole.events == [Event("tiktok", "purchase", 1, 1, 0, 0)]
    assert sum(each.conversions for each in whole.match_keys) == 2


def test_reasons_come_with_the_words_of_the_newest(ledger_url: str) -> None:
    refused: dict[str, Any] = {"status": "rejected", "code": "40002", "http_status": 400}
    fill(ledger_url, a_row("1", **refused, message="an earlier word"), a_row("2", **refused, message="the last word"))
    fill(ledger_url, a_row("3", "skipped", reason="organic", network="", code="", currency=None, value=None))
    assert read(ledger_url).reasons == [
        Why("tiktok", "rejected", "", "40002", "USD", 2, 39.98, "the last word", 400),
        Why("", "skipped", "organic", "", None, 1, None, "", 200),
    ]


def test_match_keys_are_those_of_what_was_answered(ledger_url: str) -> None:
    fill(ledger_url, a_row("1"), a_row("2", "rejected"), a_row("3", "open"), a_row("4", "skipped", match_keys=""))
    assert read(ledger_url).match_keys == [Matched("tiktok", "ttclid,email", 2)]


def test_requests_are_counted_by_how_long_they_took(ledger_url: str) -> None:
    times = [("1", 5, DAYS[0]), ("2", 5, DAYS[0]), ("3", 90, DAYS[1]), ("too old", 5, at(17))]
    attempts = [an_attempt(name, latency_ms=latency, started_at=started) for name, latency, started in times]
    fill(ledger_url, attempts=attempts)
    assert read(ledger_url).requests == [Requests("tiktok", "Success", 5, 2), Requests("tiktok", "Success", 90, 1)]


def test_what_is_learned_counts_for_an_asset_and_for_its_ad_groups(ledger_url: str) -> None:
    fill(
        ledger_url,
        a_row("1", ad_group_id="17"),
        a_row("2", ad_group_id="", event_time=at(18)),
        a_row("2", adjustment="restate"),
        a_row("3", "open"),
        a_row("4", network="reddit"),
    )
    assert {*learned(ledger_url, "tiktok")} == {
        Learned(2, "tiktok", "PIXEL", None, "Purchase", 1),
        Learned(0, "tiktok", "PIXEL", None, "Purchase", 1),
        Learned(2, "tiktok", "PIXEL", "17", "Purchase", 1),
    }


def test_of_names_that_records_bring_the_most_frequent_are_told(ledger_url: str) -> None:
    names = ["often", "often", *(f"once-{number}" for number in range(MOST_GROUPS))]
    rows = [a_row(str(number), event_name=name, ad_group_id=name) for number, name in enumerate(names)]
    fill(ledger_url, *rows)
    events = [each.event for each in read(ledger_url).events]
    assert events[0] == "often"
    assert len(events) == MOST_GROUPS
    assert len({each.ad_group for each in learned(ledger_url, "tiktok")} - {None}) == MOST_GROUPS


def test_an_empty_period_has_nothing(ledger_url: str) -> None:
    fill(ledger_url)
    assert read(ledger_url) == Overview([], [], [], [], [])
    assert learned(ledger_url, "tiktok") == []
