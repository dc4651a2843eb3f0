"""A ledger that knows conversions under event ids that an earlier version derived from the stream's key."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from conftest import SETTINGS, a_record
from ledger_rows import a_row, rows

from target_adpostbacks import deliver
from target_adpostbacks.core.layout import Columns
from target_adpostbacks.core.record import parse
from target_adpostbacks.ledger import Ledger
from target_adpostbacks.sandbox import Sandbox

pytestmark = pytest.mark.machine_clock

KEY = ("shop", "row")
STREAM = "orders"
NOW = datetime.now(timezone.utc)


@pytest.fixture
def config(sandbox: Sandbox, tmp_path: Path) -> dict[str, Any]:
    sandbox.reset()
    tiktok = {**SETTINGS["tiktok"], "base_url": sandbox.url, "proxy": True}
    return {"tiktok": tiktok, "ledger_url": f"sqlite:///{tmp_path}/ledger.db"}


def a_sale(**changes: Any) -> dict[str, Any]:
    return a_record(
        **{"event_id": None, "order_id": None, "event_time": NOW.isoformat(), "shop": "a", "row": 7, **changes}
    )


def event_ids(record: dict[str, Any]) -> tuple[str, str]:
    """Today's and the one of before."""
    today, before, *_ = parse(record, Columns(), KEY, STREAM).derived_ids
    return today, before


def known(config: dict[str, Any], event_id: str, status: str, **changes: Any) -> None:
    ledger = Ledger(config["ledger_url"], "before")
    now = NOW.isoformat(timespec="milliseconds")
    row = a_row(event_id, status, asset=SETTINGS["tiktok"]["pixel_code"], **{"sent_at": now, **changes})
    ledger.write(now, [row])
    ledger.close()


def test_what_was_accepted_under_the_older_id_is_not_sent(config: dict[str, Any], sandbox: Sandbox) -> None:
    _, older = event_ids(a_sale())
    known(config, older, "accepted")
    tally = deliver([a_sale()], config, stream=STREAM, key=KEY)
    assert (tally.already_accepted, sandbox.received) == (1, [])


@pytest.mark.parametrize(
    ("status", "reason"), [("open", "no_answer"), ("open", "throttled"), ("open", "resend"), ("rejected", "refused")]
)
def test_what_is_open_or_refused_under_the_older_id_is_sent_under_it(
    config: dict[str, Any], sandbox: Sandbox, status: str, reason: str
) -> None:
    _, older = event_ids(a_sale())
    known(config, older, status, reason=reason)
    tally = deliver([a_sale(), a_sale()], config, stream=STREAM, key=KEY)
    assert [event["event_id"] for event in sandbox.received] == [older]
    assert rows(config["ledger_url"]) == [(older, "accepted")]
    assert (tally.accepted, tally.already_accepted) == (1, 1)


def test_what_is_not_sent_today_leaves_what_was_accepted_under_the_older_id(config: dict[str, Any]) -> None:
    record = a_sale(event_time=(NOW - timedelta(days=60)).isoformat())
    _, older = event_ids(record)
    known(config, older, "accepted")
    assert deliver([record], config, stream=STREAM, key=KEY).skipped == {"too_old": 1}
    assert rows(config["ledger_url"]) == [(older, "accepted")]


def test_what_was_not_sent_under_the_older_id_goes_to_no_second_row(config: dict[str, Any]) -> None:
    organic = a_sale(network="organic")
    _, older = event_ids(organic)
    known(config, older, "skipped", reason="organic", network="", account="")
    with closing(sqlite3.connect(config["ledger_url"].removeprefix("sqlite:///"))) as connection, connection:
        connection.execute("UPDATE deliveries SET asset = ''")
    deliver([organic], config, stream=STREAM, key=KEY)
    assert rows(config["ledger_url"]) == [(older, "skipped")]


def test_without_a_ledger_of_before_the_id_of_today_is_sent(config: dict[str, Any], sandbox: Sandbox) -> None:
    today, _ = event_ids(a_sale())
    deliver([a_sale()], config, stream=STREAM, key=KEY)
    deliver([a_sale(row="7")], config, stream=STREAM, key=KEY[::-1])
    assert [event["event_id"] for event in sandbox.received] == [today]
