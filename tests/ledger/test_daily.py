"""The days of a ledger: what each adds up to, and which of them come again."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import ledger_rows
import pytest
from ledger_rows import NOW, a_row, an_attempt

from target_adpostbacks.core.reasons import STATUSES
from target_adpostbacks.ledger import Delivered, Ledger, LedgerReader

TRIAL = "PIXEL@http://127.0.0.1:8765"


def fill(url: str, *rows: Delivered, at: str = NOW, attempts: Sequence[dict[str, Any]] = ()) -> None:
    with closing(Ledger(url, "run-1")) as ledger:
        ledger.write(at, rows, attempts)


def read(url: str, after: int = 0) -> list[dict[str, Any]]:
    with LedgerReader(url) as reader:
        return [*reader.daily(after)]


def at(day: int, time: str = "12:00:00.000") -> str:
    return f"2026-11-{day}T{time}+00:00"


def test_a_row_counts_what_became_of_an_accounts_event_on_a_day_in_a_currency(ledger_url: str) -> None:
    fill(
        ledger_url,
        a_row("1", value=10.0),
        a_row("2", value=0.1),
        a_row("3", value=0.2, attempt_id="a2", latency_ms=300),
        a_row("4", "rejected", value=7.0, attempt_id="a3", latency_ms=20),
        a_row("5", "open", reason="transient", value=None, attempt_id=None, latency_ms=None),
        a_row("6", "skipped", reason="too_old", value=1.0, attempt_id=None, latency_ms=None),
    )
    assert read(ledger_url) == [
        {
            "network": "tiktok",
            "account": "default",
            "event": "purchase",
            "day": "2026-11-20",
            "currency": "USD",
            "accepted": 3,
            "rejected": 1,
            "skipped": 1,
            "open": 1,
            "accepted_value": 10.3,
            "rejected_value": 7.0,
            "skipped_value": 1.0,
            "open_value": None,
            "requests": 3,
            "p50_ms": 20,
            "p95_ms": 300,
            "seq": 6,
        }
    ]


def test_whatever_differs_in_network_account_event_day_or_currency_is_a_row_of_its_own(ledger_url: str) -> None:
    fill(
        ledger_url,
        a_row("1"),
        a_row("2", network="reddit"),
        a_row("3", account="eu"),
        a_row("4", event_name="install"),
        a_row("5", event_time=at(19, "23:59:59.999")),
        a_row("6", currency="JPY", value=1000.0),
        a_row("7", currency=None, value=None),
        a_row("8", network="", account="", asset="", status="skipped", reason="organic"),
    )
    rows = read(ledger_url)
    assert [row["seq"] for row in rows] == [1, 2, 3, 4, 5, 6, 7, 8]
    assert [(row["network"], row["account"], row["event"], row["day"][-2:], row["currency"]) for row in rows] == [
        ("tiktok", "default", "purchase", "20", "USD"),
        ("reddit", "default", "purchase", "20", "USD"),
        ("tiktok", "eu", "purchase", "20", "USD"),
        ("tiktok", "default", "install", "20", "USD"),
        ("tiktok", "default", "purchase", "19", "USD"),
        ("tiktok", "default", "purchase", "20", "JPY"),
        ("tiktok", "default", "purchase", "20", ""),
        ("", "", "purchase", "20", "USD"),
    ]
    assert [row["accepted_value"] for row in rows] == [19.99, 19.99, 19.99, 19.99, 19.99, 1000, None, None]


def test_money_is_without_corrections_and_never_without_its_currency(ledger_url: str) -> None:
    fill(ledger_url, a_row("1", value=10.0), a_row("1", value=4.0, adjustment="restate:4 USD"))
    fill(ledger_url, a_row("2", value=5.0, currency=None))
    rows = {row["currency"]: row for row in read(ledger_url)}
    assert (rows["USD"]["accepted"], rows["USD"]["accepted_value"]) == (2, 10.0)
    assert (rows[""]["accepted"], rows[""]["accepted_value"]) == (1, None)


def test_a_request_counts_once_however_many_conversions_it_had(ledger_url: str) -> None:
    fill(
        ledger_url,
        *(a_row(f"a-{number}", attempt_id="fast", latency_ms=10) for number in range(50)),
        a_row("b", attempt_id="slow", latency_ms=500),
        a_row("c", attempt_id="as slow", latency_ms=500),
    )
    (row,) = read(ledger_url)
    assert (row["requests"], row["p50_ms"], row["p95_ms"]) == (3, 500, 500)


def test_a_day_on_which_nothing_was_sent_has_no_times(ledger_url: str) -> None:
    fill(ledger_url, a_row(status="skipped", reason="organic", attempt_id=None, latency_ms=None))
    (row,) = read(ledger_url)
    assert (row["requests"], row["p50_ms"], row["p95_ms"]) == (0, None, None)


def test_tests_and_trials_of_what_is_live_count_nowhere(ledger_url: str) -> None:
    fill(ledger_url, a_row("1"), a_row("1", asset=TRIAL), a_row("2", asset=TRIAL), a_row("3", test=True))
    assert [row["accepted"] for row in read(ledger_url)] == [2]


def test_what_has_no_time_counts_on_the_day_it_was_written(ledger_url: str) -> None:
    fill(ledger_url, a_row(event_time=None, status="skipped", reason="invalid"), at=at(21))
    assert [row["day"] for row in read(ledger_url)] == ["2026-11-21"]


def test_a_day_that_changed_comes_again_whole_and_no_other(ledger_url: str) -> None:
    fill(ledger_url, a_row("1", "open", value=2.0), a_row("2", event_time=at(19)), a_row("3"))
    fill(ledger_url, a_row("other", event_name="install"))
    first = read(ledger_url)
    assert read(ledger_url, first[-1]["seq"]) == []
    fill(ledger_url, a_row("1", value=2.0))
    (again,) = read(ledger_url, first[-1]["seq"])
    assert (again["day"], again["accepted"], again["open"], again["seq"]) == ("2026-11-20", 2, 0, 5)
    assert again["accepted_value"] == 21.99


def test_a_day_of_which_something_is_forgotten_does_not_come_with_less(ledger_url: str) -> None:
    fill(ledger_url, a_row("1", event_time=at(10)), a_row("2", event_time=at(10), status="open"), at=at(10))
    fill(ledger_url, a_row("3", event_time=at(12)), at=at(12))
    with closing(Ledger(ledger_url, "run-2")) as ledger:
        ledger.expire(at(11))
        ledger.write(at(12), [a_row("2", event_time=at(10))])
    assert [(row["day"], row["accepted"]) for row in read(ledger_url)] == [("2026-11-12", 1)]


def test_a_forgotten_conversion_that_is_sent_again_hides_no_day(ledger_url: str) -> None:
    fill(ledger_url, a_row("1", event_time=at(10)), at=at(10))
    fill(ledger_url, a_row("2", event_time=at(12)), at=at(12))
    with closing(Ledger(ledger_url, "run-2")) as ledger:
        ledger.expire(at(11))
        ledger.resolve("1", "resend", at(20))
    assert ("2026-11-12", 1) in [(row["day"], row["accepted"]) for row in read(ledger_url)]


def test_a_ledger_without_deliveries_has_no_days(ledger_url: str) -> None:
    fill(ledger_url, attempts=[an_attempt()])
    assert read(ledger_url) == []


def test_a_ledger_of_the_first_version_is_read_as_it_is(tmp_path: Path) -> None:
    copy = shutil.copy(Path(__file__).parent / "version_1" / "adpostbacks.db", tmp_path)
    rows = read(f"sqlite:///{copy}")
    assert sum(row[status] for row in rows for status in STATUSES) == len(
        {*ledger_rows.rows(f"sqlite:///{copy}", "delivery_id", "deliveries WHERE NOT test")}
    )


@pytest.mark.parametrize("name", ["Ünïcode 😀 ' \\ %s :seq", "", "\x1f", "a" * 300])
def test_names_of_any_kind_stay_as_they_are(ledger_url: str, name: str) -> None:
    fill(ledger_url, a_row("1", event_name=name, account=name, currency=name or None))
    (row,) = read(ledger_url)
    assert (row["event"], row["account"], row["currency"], row["requests"]) == (name, name, name, 1)
