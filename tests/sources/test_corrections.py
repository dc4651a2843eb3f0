"""What a source's rows correct is sent only if the ledger has what they correct accepted."""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from conftest import NOW, SETTINGS
from sourced import stream_of

from target_adpostbacks.config import read
from target_adpostbacks.run import Run
from target_adpostbacks.sandbox import Sandbox

Rows = list[tuple[str, str, str, str]]


@pytest.fixture
def google() -> Iterator[Sandbox]:
    with Sandbox(now=lambda: NOW) as sandbox:
        yield sandbox


def order(number: int, status: str = "paid", **changes: Any) -> dict[str, Any]:
    return {
        "id": number,
        "processed_at": "2026-11-20T09:00:00Z",
        "total_price": 59.9,
        "currency": "USD",
        "financial_status": status,
        "email": "ada@example.com",
        "landing_site": "/p?gclid=EAIaIQob",
        **changes,
    }


PART = {"current_total_price": "49.90", "refunds": [{"created_at": "2026-11-20T11:00:00Z"}]}


def delivered(
    google: Sandbox,
    place: Path,
    *orders: dict[str, Any],
    source: str = "shopify_orders",
    owner: str | None = None,
    **settings: Any,
) -> Rows:
    """What the ledger has after a run with these orders: id, adjustment, status, reason."""
    section = {**SETTINGS["google_ads"], "api": "google_ads", "send": "all", "base_url": google.url}
    config = {"source": source, "google_ads": section, "ledger_url": f"sqlite:///{place}/ledger.db"}
    run = Run(*read(config | settings), log=logging.getLogger("sourced"), clock=lambda: NOW, owner=owner)
    run.begin()
    for each in orders:
        run.add(each, stream=stream_of(source), key=("id",))
    run.settle()
    assert run.close() == 0
    with closing(sqlite3.connect(place / "ledger.db")) as connection:
        return connection.execute(
            "SELECT event_id, adjustment, status, reason FROM deliveries ORDER BY event_id, adjustment"
        ).fetchall()


def test_a_refund_retracts_what_an_earlier_run_sent_and_nothing_else(google: Sandbox, tmp_path: Path) -> None:
    delivered(google, tmp_path, order(1))
    assert delivered(google, tmp_path, order(1, "refunded"), order(2, "refunded")) == [
        ("1", "", "accepted", ""),
        ("1", "retract", "accepted", ""),
        ("2", "retract", "skipped", "by_rule"),
    ]


def test_an_order_that_is_new_and_refunded_in_part_is_sent_and_restated(google: Sandbox, tmp_path: Path) -> None:
    assert delivered(google, tmp_path, order(1, "partially_refunded", **PART)) == [
        ("1", "", "accepted", ""),
        ("1", "restate:49.9 USD", "accepted", ""),
    ]


def test_a_rule_that_changes_columns_sends_no_refund_of_what_was_not_sent(google: Sandbox, tmp_path: Path) -> None:
    rules = [{"name": "shop", "set": {"description": "shop"}}]
    assert delivered(google, tmp_path, order(2, "refunded"), rules=rules) == [("2", "retract", "skipped", "by_rule")]


def test_a_correction_that_a_record_asks_for_itself_is_sent(google: Sandbox, tmp_path: Path) -> None:
    rows = [{"name": "orders", "event": "purchase"}]
    fields = {"adjustment": "correction"}
    taken = delivered(google, tmp_path, order(3, correction="retract"), rows=rows, fields=fields)
    assert taken == [("3", "retract", "accepted", "")]


def opportunity(amount: float | None, hour: int, *, is_won: bool = True) -> dict[str, Any]:
    """One as it was at that hour."""
    return {
        "Id": "006A",
        "IsWon": is_won,
        "Amount": amount,
        "CurrencyIsoCode": "USD",
        "LastStageChangeDate": "2026-11-20T09:00:00Z",
        "SystemModstamp": f"2026-11-20T{hour:02}:00:00Z",
        "gclid__c": "EAIaIQob",
    }


def test_an_opportunity_is_restated_when_its_amount_changes(google: Sandbox, tmp_path: Path) -> None:
    def after(*rows: dict[str, Any]) -> list[str]:
        taken = delivered(google, tmp_path, *rows, source="salesforce_opportunities")
        return [f"{adjustment} {status}".strip() for event_id, adjustment, status, _ in taken if event_id == "006A-won"]

    changed = ["accepted", "restate:1200 USD accepted"]
    back = [*changed, "restate:1500 USD accepted"]
    assert after(opportunity(1500, 9), opportunity(1500.0, 9)) == ["accepted"]
    assert after(opportunity(1500, 10), opportunity(None, 10)) == ["accepted"]
    assert after(opportunity(1500, 9), opportunity(1200, 11)) == changed
    assert after(opportunity(1500, 9), opportunity(1200, 11)) == changed
    assert after(opportunity(1500, 12)) == back
    assert after(opportunity(1500, 9), opportunity(1200, 11), opportunity(1500, 12)) == back
    assert sorted(after(opportunity(1500, 12, is_won=False))) == sorted([*back, "retract accepted"])


def ga4(name: str, minute: int, **changes: Any) -> dict[str, Any]:
    return {
        "event_name": name,
        "event_timestamp": 1795161600000000 + minute * 60_000_000,
        "ecommerce": {"transaction_id": "T-1"},
        "event_params": [
            {"key": "value", "value": {"int_value": 60}},
            {"key": "currency", "value": {"string_value": "EUR"}},
        ],
        "collected_traffic_source": {"gclid": "EAIaIQob"},
        **changes,
    }


@pytest.mark.parametrize("owner", [None, "task-1"])
def test_a_refund_that_comes_before_its_sale_in_the_input_is_sent_after_it(
    google: Sandbox, tmp_path: Path, owner: str | None
) -> None:
    rows = [ga4("refund", 9), ga4("refund", 9, ecommerce={"transaction_id": "T-2"}), ga4("purchase", 0)]
    for _ in range(2):
        assert delivered(google, tmp_path, *rows, source="ga4_bigquery", owner=owner) == [
            ("T-1", "", "accepted", ""),
            ("T-1", "retract", "accepted", ""),
            ("T-2", "retract", "skipped", "by_rule"),
        ]
