"""What a verdict replaces stays in the ledger and in the log, and nothing else does."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest
import sqlalchemy as sa
from ledger_rows import NOW, a_row, an_attempt, changes, rows

from target_adpostbacks.ledger import NOTED, Ledger, LedgerReader, UnusableLedger
from target_adpostbacks.ledger.forgetting import EXPIRED_ROWS

LATER = "2026-11-20T18:00:00.000+00:00"
REFUSED: dict[str, Any] = {"status": "rejected", "attempt_id": "a2", "code": "40002", "message": "Invalid value."}
LOST: dict[str, Any] = {"attempt_id": None, "sent_at": None, "http_status": None, "latency_ms": None}


@pytest.fixture
def ledger(ledger_url: str) -> Iterator[Ledger]:
    with closing(Ledger(ledger_url, "run-1")) as ledger:
        yield ledger


def then(ledger_url: str, *rows: Any, attempts: Any = (), run_id: str = "run-2") -> None:
    """What another run writes later."""
    with closing(Ledger(ledger_url, run_id)) as ledger:
        ledger.write(LATER, rows, attempts)


def log(ledger_url: str, status: str | None = None) -> list[tuple[Any, ...]]:
    with LedgerReader(ledger_url) as reader:
        return [(line.status, line.attempt, line.http_status, line.message) for line in reader.lines(status=status)]


def test_a_refused_conversion_that_is_tried_again_keeps_its_earlier_lines(ledger: Ledger, ledger_url: str) -> None:
    down: dict[str, Any] = {"status": "Retried", "http_status": 503, "message": "down"}
    ledger.write(NOW, [a_row(**REFUSED)], [an_attempt("a1", **down), an_attempt("a2", "a1")])
    then(ledger_url, a_row(attempt_id="b2"), attempts=[an_attempt("b1", **down), an_attempt("b2", "b1")])
    assert log(ledger_url) == [
        ("Retried", 1, 503, "down"),
        ("Failed", 2, 200, "Invalid value."),
        ("Retried", 3, 503, "down"),
        ("Success", 4, 200, ""),
    ]
    assert log(ledger_url, "Retried") == [("Retried", 1, 503, "down"), ("Retried", 3, 503, "down")]


def test_a_status_is_asked_of_verdicts_that_stand(ledger: Ledger, ledger_url: str) -> None:
    ledger.write(NOW, [a_row(**REFUSED)], [an_attempt("a2")])
    then(ledger_url, a_row())
    assert log(ledger_url, "Failed") == []
    assert [status for status, *_ in log(ledger_url, "Success")] == ["Success"]


def test_what_was_replaced_has_the_number_of_the_change_that_replaced_it(ledger: Ledger, ledger_url: str) -> None:
    ledger.write(NOW, [a_row("other"), a_row(**REFUSED)])
    then(ledger_url, a_row())
    (kept,) = changes(ledger_url, "history")
    (delivery,) = [row for row in changes(ledger_url) if row["event_id"] == "evt-1"]
    assert kept == {
        **{name: delivery[name] for name in ("seq", "delivery_id")},
        **REFUSED,
        "reason": "",
        "updated_at": NOW,
    }


@pytest.mark.parametrize(
    ("before", "after", "kept"),
    [
        ({"status": "open", "reason": "throttled"}, {"status": "accepted"}, ["throttled"]),
        ({"status": "open", "reason": "throttled"}, {"status": "open", "reason": "credentials"}, ["throttled"]),
        ({"status": "open", "reason": "throttled"}, {"status": "open", "reason": "throttled"}, []),
        ({"status": "open", "reason": "throttled"}, {"status": "skipped", "reason": "too_old"}, ["throttled"]),
        ({"status": "open", "reason": "no_answer"}, {"status": "open", "reason": "transient"}, []),
        ({"status": "rejected"}, {"status": "rejected"}, [""]),
        ({"status": "skipped", "reason": "event_off"}, {"status": "accepted"}, ["event_off"]),
        ({"status": "skipped", "reason": "event_off"}, {"status": "skipped", "reason": "event_off"}, []),
        ({"status": "accepted"}, {"status": "rejected"}, []),
    ],
)
def test_only_what_another_verdict_or_reason_replaces_is_kept(
    ledger: Ledger, ledger_url: str, before: dict[str, Any], after: dict[str, Any], kept: list[str]
) -> None:
    ledger.write(NOW, [a_row(**before)])
    then(ledger_url, a_row(**after))
    assert [reason for (reason,) in rows(ledger_url, "reason", "history")] == kept


def test_any_number_of_verdicts_is_kept_with_their_change(ledger: Ledger, ledger_url: str) -> None:
    ids = [f"evt-{number}" for number in range(777)]
    ledger.write(NOW, [a_row(event_id, "open", reason="transient") for event_id in ids])
    assert rows(ledger_url, "seq", "history") == []
    then(ledger_url, *(a_row(event_id) for event_id in ids))
    assert rows(ledger_url, "count(*), count(DISTINCT delivery_id)", "history") == [(777, 777)]
    assert len(log(ledger_url)) == 2 * 777


def test_a_change_that_fails_keeps_nothing(ledger: Ledger, ledger_url: str) -> None:
    ledger.write(NOW, [a_row(**REFUSED)], [an_attempt("a2")])
    with pytest.raises(UnusableLedger):
        then(ledger_url, a_row(), attempts=[an_attempt("a2")])  # a request is written once
    assert rows(ledger_url, "seq", "history") == []


def test_what_a_run_notes_of_itself_when_it_is_stopped_is_no_verdict(ledger: Ledger, ledger_url: str) -> None:
    noted: dict[str, Any] = {"status": "open", "reason": "no_answer", "message": NOTED, **LOST}
    ledger.write(NOW, [a_row(**noted), a_row("evt-2", **noted)])
    ledger.write(NOW, [a_row()])
    assert rows(ledger_url, "seq", "history") == []
    then(ledger_url, a_row("evt-2"))  # the run was killed before it knew more
    assert rows(ledger_url, "message", "history") == [(NOTED,)]


def test_what_was_resolved_shows_its_request_once(ledger: Ledger, ledger_url: str) -> None:
    silent: dict[str, Any] = {"status": "open", "reason": "no_answer", "http_status": None, "message": "timed out"}
    ledger.write(NOW, [a_row(**silent)], [an_attempt("a1", http_status=None)])
    ledger.resolve("evt-1", "accepted", LATER)
    assert log(ledger_url) == [("Open", 1, None, "timed out"), ("Success", None, None, "resolved by hand")]


def test_history_is_forgotten_with_the_rest(ledger: Ledger, ledger_url: str) -> None:
    ledger.write(NOW, [a_row(f"evt-{number}", "rejected") for number in range(EXPIRED_ROWS + 1)])
    then(ledger_url, *(a_row(f"evt-{number}", "rejected") for number in range(EXPIRED_ROWS + 1)))
    with closing(Ledger(ledger_url, "run-3")) as third:
        third.write(LATER, [a_row("evt-0")])
        third.expire(LATER)
    assert rows(ledger_url, "updated_at", "history") == [(LATER,)]


@pytest.mark.parametrize("version", [None, 3])
def test_another_programs_history_is_left_alone(ledger_url: str, version: int | None) -> None:
    if version:
        Ledger(ledger_url, "run-1").close()
    engine = sa.create_engine(ledger_url)
    with engine.begin() as connection:
        if version:
            connection.exec_driver_sql("DROP TABLE history")
            connection.exec_driver_sql(f"UPDATE sequence SET version = {version}")
        connection.exec_driver_sql("CREATE TABLE history (id INTEGER, page TEXT)")
    engine.dispose()
    with pytest.raises(UnusableLedger, match="the table `history` belongs to another program"):
        Ledger(ledger_url, "run-1")
