"""What was accepted stays accepted, every change has a number, and nothing secret is in an error."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from target_adpostbacks.ledger import CHUNKS, Delivered, Ledger, UnusableLedger, default_url


def a_row(event_id: str = "evt-1", status: str = "accepted", **changes: Any) -> Delivered:
    return Delivered(
        network="tiktok",
        asset="PIXEL",
        event_name="purchase",
        event_id=event_id,
        adjustment="",
        test=False,
        account="default",
        status=status,
        reason="",
        code="0",
        message="",
        http_status=200,
        latency_ms=12,
        attempts=1,
        attempt_id="a1",
        network_request_id="r1",
        sent_at="2026-11-20T12:05:00.000+00:00",
        stream="conversions",
        line=7,
        event_time="2026-11-20T12:00:00.000+00:00",
        network_event="Purchase",
        match_keys="ttclid,email",
        campaign_id=None,
        campaign_name=None,
        ad_group_id=None,
        ad_id=None,
        creative_id=None,
        placement=None,
        value=19.99,
        currency="USD",
    )._replace(**changes)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "ledger.db"


@pytest.fixture
def ledger(path: Path) -> Iterator[Ledger]:
    ledger = Ledger(f"sqlite:///{path}", "run-1")
    yield ledger
    ledger.close()


def rows(path: Path, columns: str = "event_id, status", table: str = "deliveries") -> list[Any]:
    connection = sqlite3.connect(path)
    try:
        return connection.execute(f"SELECT {columns} FROM {table} ORDER BY 1").fetchall()
    finally:
        connection.close()


def test_only_its_owner_can_read_the_file(ledger: Ledger, path: Path) -> None:
    ledger.write([a_row()])
    modes = {file.name: file.stat().st_mode & 0o777 for file in path.parent.iterdir()}
    assert modes == {"ledger.db": 0o600, "ledger.db-wal": 0o600, "ledger.db-shm": 0o600}


def test_every_column_of_a_row_is_stored_under_its_name(ledger: Ledger, path: Path) -> None:
    ledger.write([a_row()], now="2026-11-20T12:06:00.000+00:00")
    names = ("updated_at", *Delivered._fields)
    stored = dict(zip(names, rows(path, ", ".join(names))[0], strict=True))
    assert stored == {**a_row()._asdict(), "updated_at": "2026-11-20T12:06:00.000+00:00"}


@pytest.mark.parametrize("count", [1, CHUNKS[0] - 1, CHUNKS[0], 2 * CHUNKS[0] + CHUNKS[1] + 3])
def test_any_number_of_rows_is_written_once(ledger: Ledger, path: Path, count: int) -> None:
    ledger.write([a_row(f"evt-{number}") for number in range(count)])
    assert rows(path, "count(*), count(DISTINCT event_id), min(seq), max(seq)") == [(count, count, 1, count)]


@pytest.mark.parametrize("later", ["rejected", "skipped", "open"])
def test_what_was_accepted_stays_accepted(ledger: Ledger, path: Path, later: str) -> None:
    ledger.write([a_row()])
    ledger.write([a_row(status=later)])
    assert rows(path, "status, seq") == [("accepted", 1)]


def test_what_was_open_or_refused_takes_its_new_verdict_and_a_new_number(ledger: Ledger, path: Path) -> None:
    ledger.write([a_row("a", "open"), a_row("b", "rejected")])
    ledger.write([a_row("a"), a_row("b")])
    assert rows(path, "event_id, delivery_id, seq, status") == [("a", 1, 3, "accepted"), ("b", 2, 4, "accepted")]


def test_the_same_skip_once_more_changes_nothing(ledger: Ledger, path: Path) -> None:
    ledger.write([a_row(status="skipped", reason="too_old")])
    ledger.write([a_row(status="skipped", reason="too_old")])
    assert rows(path, "seq, reason") == [(1, "too_old")]
    ledger.write([a_row(status="skipped", reason="no_consent")])
    assert rows(path, "reason") == [("no_consent",)]


def test_one_identity_twice_in_one_write_is_one_row(ledger: Ledger, path: Path) -> None:
    ledger.write([a_row(status="open"), a_row()])
    assert rows(path) == [("evt-1", "accepted")]


@pytest.mark.parametrize(
    "change",
    [
        {"network": "reddit"},
        {"asset": "OTHER"},
        {"event_name": "lead"},
        {"event_id": "evt-2"},
        {"adjustment": "retract"},
        {"test": True},
    ],
)
def test_each_part_of_the_identity_makes_another_delivery(ledger: Ledger, change: dict[str, Any]) -> None:
    ledger.write([a_row()])
    other = a_row()._replace(**change)
    assert ledger.accepted([tuple(other[:6])]) == set()  # type: ignore[list-item]
    assert ledger.accepted([tuple(a_row()[:6])]) == {tuple(a_row()[:6])}  # type: ignore[list-item]


def test_a_new_account_name_or_token_is_no_new_delivery(ledger: Ledger, path: Path) -> None:
    ledger.write([a_row()])
    ledger.write([a_row(account="renamed")])
    assert rows(path, "account") == [("default",)]


@pytest.mark.parametrize("status", ["rejected", "skipped", "open"])
def test_only_what_was_accepted_suppresses(ledger: Ledger, status: str) -> None:
    ledger.write([a_row(status=status)])
    assert ledger.accepted([tuple(a_row()[:6])]) == set()  # type: ignore[list-item]


def test_numbers_rise_in_the_order_of_commits_whoever_writes(path: Path) -> None:
    ledgers = [Ledger(f"sqlite:///{path}", f"run-{number}") for number in range(3)]

    def write(ledger: Ledger, name: str) -> None:
        for number in range(20):
            ledger.write([a_row(f"{name}-{number}-{each}") for each in range(3)])

    threads = [threading.Thread(target=write, args=(ledger, ledger.run_id)) for ledger in ledgers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for ledger in ledgers:
        ledger.close()
    assert rows(path, "count(*), count(DISTINCT seq), max(seq)") == [(180, 180, 180)]


def test_a_run_is_announced_and_ended(ledger: Ledger, path: Path) -> None:
    ledger.start_run("2026-11-20T12:05:00.000+00:00", "0.1.0")
    assert rows(path, "run_id, exit_code, counts", "runs") == [("run-1", None, "{}")]
    ledger.end_run("2026-11-20T12:06:00.000+00:00", 0, {"read": 3})
    assert rows(path, "run_id, exit_code, counts", "runs") == [("run-1", 0, '{"read":3}')]


def test_an_attempt_is_stored_with_its_run(ledger: Ledger, path: Path) -> None:
    attempt = {
        "attempt_id": "a1",
        "parent_id": None,
        "network": "tiktok",
        "account": "default",
        "asset": "PIXEL",
        "started_at": "2026-11-20T12:05:00.000+00:00",
        "latency_ms": 5,
        "http_status": 200,
        "attempt": 1,
        "events": 2,
        "status": "Success",
        "code": "0",
        "message": "OK",
        "network_request_id": "r1",
    }
    ledger.write([], [attempt])
    assert rows(path, "attempt_id, run_id, status", "attempts") == [("a1", "run-1", "Success")]


def test_a_ledger_that_cannot_be_written_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(UnusableLedger, match="check ledger_url"):
        Ledger(f"sqlite:///{tmp_path}/missing/ledger.db", "run-1")


def test_a_file_that_is_no_database_is_refused(path: Path) -> None:
    path.write_bytes(b"this is no database, and long enough to be seen as one" * 100)
    with pytest.raises(UnusableLedger, match="not a database"):
        Ledger(f"sqlite:///{path}", "run-1")


def test_the_password_of_the_url_is_in_no_error() -> None:
    with pytest.raises(UnusableLedger) as refused:
        Ledger("postgresql+psycopg://ada:hush-hush@127.0.0.1:1/ledger", "run-1")
    assert "hush-hush" not in str(refused.value)
    assert refused.value.__cause__ is None


@pytest.mark.parametrize("url", ["mysql://x/y", "nonsense", "oracle+x://h"])
def test_another_database_is_refused_in_one_line(url: str) -> None:
    with pytest.raises(UnusableLedger) as refused:
        Ledger(url, "run-1")
    assert "\n" not in str(refused.value)


def test_the_default_is_a_file_in_the_meltano_project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert default_url({}) == f"sqlite:///{tmp_path}/adpostbacks.db"
    assert default_url({"MELTANO_PROJECT_ROOT": "/project"}) == "sqlite:////project/adpostbacks.db"
