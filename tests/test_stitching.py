"""Clicks without Singer: `deliver` looks them up, and what can't be looked up stays open."""

from __future__ import annotations

import logging
import sqlite3
from contextlib import closing
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from conftest import SETTINGS, a_record
from counted_mark import Counted

from target_adpostbacks import deliver
from target_adpostbacks.config import InvalidConfig, read
from target_adpostbacks.ledger import UnusableLedger
from target_adpostbacks.run import Run
from target_adpostbacks.sandbox import Sandbox

pytestmark = pytest.mark.machine_clock

NOW = datetime.now(timezone.utc)
KEY = "a key of the tests, thirty-two characters"
CLICK = {"email": "user@example.com", "ttclid": "E.C.P.xyz", "click_time": (NOW - timedelta(days=1)).isoformat()}
ORDER = a_record(network=None, ttclid=None, email="user@example.com", event_time=NOW.isoformat())


@pytest.fixture
def config(sandbox: Sandbox, tmp_path: Path) -> dict[str, Any]:
    tiktok = {**SETTINGS["tiktok"], "base_url": sandbox.url}
    clicks = {"clicks": {"stream": "ad_clicks"}, "erasure_key": KEY}
    return {"tiktok": tiktok, "ledger_url": f"sqlite:///{tmp_path}/ledger.db", **clicks}


def a_run(config: dict[str, Any]) -> Run:
    run = Run(*read(config), log=logging.getLogger("test"))
    run.begin()
    return run


def keep(config: dict[str, Any], *rows: dict[str, Any]) -> Counted:
    """The mark of clicks that a run has kept."""
    run, mark = a_run(config), Counted()
    for line, row in enumerate(rows, 1):
        assert run.clicks
        run.clicks.keep(row, mark, line)
    assert mark.settled == 0
    run.settle()
    assert run.close() == 0
    return mark


def test_deliver_finds_the_clicks_that_a_run_has_kept(
    config: dict[str, Any], sandbox: Sandbox, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    mark = keep(config, CLICK, {**CLICK, "ttclid": None, "email": None})
    assert (mark.expected, mark.settled, mark.held) == (1, 1, 0)
    assert "clicks: 1 row, 1 left out (nothing_to_keep 1), 0 conversions got one" in caplog.messages
    assert [message for message in caplog.messages if "(stream ad_clicks). Left out" in message]
    tally = deliver([ORDER, {**ORDER, "event_id": "2", "email": "another@example.com"}], config)
    assert (tally.read, tally.accepted, tally.skipped) == (2, 1, {"not_attributed": 1})
    assert [event["payload"]["user"]["ttclid"] for event in sandbox.received] == ["E.C.P.xyz"]


def test_what_waits_is_taken_when_it_has_waited_long_enough(config: dict[str, Any]) -> None:
    run, mark = a_run({**config, "max_batch_age_seconds": 0}), Counted()
    run.add({**ORDER, "network": "organic"}, mark)
    assert (run.read, mark.expected, mark.settled) == (0, 1, 0)
    run.tick()
    assert (run.read, mark.expected) == (1, 2)
    run.settle()
    assert (mark.settled, mark.held) == (2, 0)
    assert run.close() == 0


def test_where_clicks_cannot_be_looked_up_nothing_is_sent_and_all_stays_open(
    config: dict[str, Any], sandbox: Sandbox
) -> None:
    run, mark = a_run(config), Counted()
    path = config["ledger_url"].removeprefix("sqlite:///")
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("DROP TABLE identity_links")
    run.add({**ORDER, "ttclid": "own"}, mark)
    run.settle()
    assert isinstance(run.failed, UnusableLedger)
    assert (run.read, mark.settled, mark.held) == (0, 0, 1)
    assert sandbox.received == []
    assert run.close() == 1


def test_another_key_than_that_of_the_ledgers_digests_is_a_mistake(config: dict[str, Any]) -> None:
    keep(config, CLICK)
    with pytest.raises(InvalidConfig, match="erasure_key: not the one"):
        a_run({**config, "erasure_key": "another key of the tests, as long as it"})
