"""What became of our conversions, as the ledger adds it up."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from datetime import date
from typing import Any

import pytest
from ledger_rows import NOW, a_row

from target_adpostbacks.core.performance.counting import By, Window
from target_adpostbacks.core.reconciliation import Ours
from target_adpostbacks.ledger import Delivered, Ledger, LedgerReader

DAYS = Window(date(2026, 11, 20), date(2026, 11, 20))
TRIAL = "PIXEL@http://127.0.0.1:8765"
ACCEPTED = Ours("tiktok", "", "purchase", "2026-11-20T12", 0, "accepted", "", 1, 1, 0)


@pytest.fixture
def ledger(ledger_url: str) -> Iterator[Ledger]:
    with closing(Ledger(ledger_url, "run-1")) as made:
        made.start_run(NOW, "0.2.0")
        yield made


def recorded(url: str, *, by: By = "conversion", network: str | None = None) -> list[Ours]:
    with LedgerReader(url) as reader:
        return sorted(reader.recorded(DAYS, by, ["ttclid", "fbc"], ("generic",), network))


def skipped(event_id: str, reason: str, **changes: Any) -> Delivered:
    unsent = {"sent_at": None, "match_keys": "", "code": "", "attempts": 0, "attempt_id": None}
    return a_row(event_id, "skipped", **{**unsent, "reason": reason, **changes})


def test_conversions_are_grouped_by_what_became_of_them(ledger: Ledger, ledger_url: str) -> None:
    ledger.write(
        NOW,
        [
            a_row("1"),
            a_row("2", match_keys="email,ip"),
            a_row("3", match_keys="xttclid"),
            a_row("4", "rejected", code="40002", reason="refused"),
            a_row("5", "rejected", code="", reason="refused"),
            a_row("6", "open", reason="no_answer"),
            a_row("7", "open", reason="busy", sent_at=None),
            skipped("8", "no_match_key"),
            skipped("9", "no_consent"),
            a_row("10", campaign_id="111", event_time="2026-11-20T12:44:59.999+00:00"),
        ],
    )
    assert recorded(ledger_url) == sorted(
        [
            ACCEPTED._replace(conversions=3, sent=3, without_click_id=2),
            ACCEPTED._replace(campaign_id="111", quarter=2),
            ACCEPTED._replace(status="rejected", why="40002"),
            ACCEPTED._replace(status="rejected", why="refused"),
            ACCEPTED._replace(status="open", why="no_answer"),
            ACCEPTED._replace(status="open", why="busy", sent=0),
            ACCEPTED._replace(status="skipped", why="no_match_key", sent=0),
            ACCEPTED._replace(status="skipped", why="no_consent", sent=0),
        ]
    )


def test_of_several_pixels_the_best_status_is_what_became_of_a_conversion(ledger: Ledger, ledger_url: str) -> None:
    ledger.write(
        NOW,
        [
            skipped("1", "disabled", asset="A"),
            a_row("1", "rejected", asset="B"),
            a_row("1", "open", asset="C", reason="busy"),
            a_row("2", "open", asset="A", reason="busy", sent_at=None),
            a_row("2", "rejected", asset="B"),
            a_row("3", "rejected", asset="A"),
            a_row("3", asset="B"),
            a_row("3", network="reddit", asset="t2"),
            a_row("4", network="reddit", asset="t2"),
            a_row("4", "open", network="reddit", asset="t3", reason="busy"),
        ],
    )
    assert recorded(ledger_url) == sorted(
        [
            ACCEPTED._replace(status="open", why="busy", conversions=2, sent=2),
            ACCEPTED,
            ACCEPTED._replace(network="reddit", conversions=2, sent=2),
        ]
    )


def test_tests_corrections_and_trials_of_what_is_live_are_not_in_it(ledger: Ledger, ledger_url: str) -> None:
    ledger.write(
        NOW,
        [
            a_row("1", test=True),
            a_row("2", adjustment="retract"),
            a_row("3", asset=TRIAL),
            a_row("3", "rejected", code="7"),
            a_row("4", asset=TRIAL),
            a_row("5", asset=TRIAL),
            skipped("5", "disabled"),
        ],
    )
    unsent = ACCEPTED._replace(status="skipped", why="disabled", sent=0)
    assert recorded(ledger_url) == [ACCEPTED, ACCEPTED._replace(status="rejected", why="7"), unsent]


def test_what_was_for_nobody_has_no_network(ledger: Ledger, ledger_url: str) -> None:
    nobody = {"network": "", "asset": "", "account": ""}
    ledger.write(
        NOW,
        [
            skipped("1", "organic", **nobody),
            skipped("2", "invalid", **nobody, event_name="", event_time=None),
            skipped("3", "other_network", **nobody, event_time=None),  # forgotten: nobody knows when it was
            a_row("4", event_time=None),
        ],
    )
    unsent = ACCEPTED._replace(network="", status="skipped", sent=0)
    assert recorded(ledger_url) == [unsent._replace(event="", why="invalid"), unsent._replace(why="organic")]
    assert recorded(ledger_url, network="tiktok") == []
    assert len(recorded(ledger_url, network="")) == 2


def test_an_account_that_is_a_network_stands_by_its_name(ledger: Ledger, ledger_url: str) -> None:
    ledger.write(NOW, [a_row("1", network="generic", account="taboola"), a_row("2")])
    assert recorded(ledger_url, network="taboola") == [ACCEPTED._replace(network="taboola")]


def test_a_conversion_counts_on_its_own_day_or_on_its_clicks(ledger: Ledger, ledger_url: str) -> None:
    ledger.write(
        NOW,
        [
            a_row("1", click_time="2026-11-19T23:30:00.000+00:00"),
            a_row("2", click_time="2026-11-01T12:00:00.000+00:00"),
            a_row("3", event_time="2026-11-25T12:00:00.000+00:00", click_time="2026-11-20T12:15:00.000+00:00"),
        ],
    )
    assert recorded(ledger_url) == [ACCEPTED._replace(conversions=2, sent=2)]
    assert recorded(ledger_url, by="click") == [
        ACCEPTED._replace(hour="2026-11-19T23", quarter=2),
        ACCEPTED._replace(quarter=1),
    ]
