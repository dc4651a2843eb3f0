"""Adjustments never overtake what they adjust, nor does what a network takes for the same overtake one another."""

from __future__ import annotations

import itertools
import logging
import sqlite3
import threading
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import msgspec
import pytest
from conftest import SETTINGS, a_record
from patience import PATIENCE

from target_adpostbacks.config import read
from target_adpostbacks.core.answers import Request, Response
from target_adpostbacks.core.digests import digests, fingerprint
from target_adpostbacks.core.prepared import Prepared
from target_adpostbacks.delivery.in_turn import MOST_WAITING
from target_adpostbacks.delivery.transport import Unreachable
from target_adpostbacks.ledger import Ledger
from target_adpostbacks.run import Run

NOW = datetime(2026, 11, 20, 13, tzinfo=timezone.utc)
DOWN = Response(status=503)
APIS = ("data_manager", "google_ads")


class Google:
    """Takes all but what ``refuses`` answers; ``taken``: order ids and values, in the order of the requests."""

    def __init__(self, refuses: Callable[[list[tuple[str, Any]]], Response | None] = lambda _: None) -> None:
        self.taken: list[tuple[str, Any]] = []
        self.requests: list[list[tuple[str, Any]]] = []
        self._refuses = refuses
        self._lock = threading.Lock()

    def __call__(self, request: Request, timeout_seconds: float) -> Response:
        if request.url.endswith("/token"):
            return Response(status=200, body={"access_token": "ya29.x", "expires_in": 3599, "token_type": "Bearer"})
        events = [sent(event) for event in rows_of(request.body)]
        with self._lock:
            self.requests.append(events)
            if (refusal := self._refuses(events)) is not None:
                return refusal
            self.taken += events
        return Response(status=200, body={"requestId": "r-1", "results": [{"orderId": each} for each, _ in events]})


def rows_of(body: Any) -> list[Any]:
    read_back = msgspec.json.decode(msgspec.json.encode(body))
    return next(read_back[name] for name in ("events", "conversions", "conversionAdjustments") if name in read_back)


def sent(event: Any) -> tuple[str, Any]:
    restated = event.get("restatementValue", {}).get("adjustedValue")
    return event.get("transactionId") or event["orderId"], restated or event.get("conversionValue")


def a_run(
    tmp_path: Path,
    google: Google,
    *,
    kind: type[Run] = Run,
    batch: int = 10,
    most: int = MOST_WAITING,
    age: int = 5,
    ledger_url: str = "",
    erasure_key: str | None = None,
    **settings: Any,
) -> Run:
    section = {**SETTINGS["google_ads"], "max_attempts": 2, **settings}
    ledger_url = ledger_url or f"sqlite:///{tmp_path}/ledger.db"
    shared = {"ledger_url": ledger_url, "max_batch_age_seconds": age, "erasure_key": erasure_key}
    general, accounts = read({"google_ads": section, **shared})
    run = kind(
        general,
        accounts,
        log=logging.getLogger("test"),
        transport=google,
        clock=lambda: NOW,
        pauses=lambda: itertools.repeat(0.05),
        max_batch_rows=batch,
    )
    run.outgoing.most_waiting = most
    run.begin()
    return run


def purchase(number: int, value: float, **changes: Any) -> dict[str, Any]:
    return a_record(
        event_id=f"evt-{number}",
        network="google_ads",
        gclid="EAIaIQob",
        ttclid=None,
        value=value,
        currency="USD",
        **changes,
    )


def restated(number: int, value: float, **changes: Any) -> dict[str, Any]:
    return purchase(number, value, adjustment="restate", **changes)


def finished(run: Run, *records: dict[str, Any]) -> Run:
    for record in records:
        run.add(record)
    run.settle()
    assert run.close() in (0, 1)
    return run


def values(google: Google, number: int) -> list[Any]:
    return [value for order_id, value in google.taken if order_id == f"evt-{number}"]


def once_down() -> Callable[[list[tuple[str, Any]]], Response | None]:
    """The first request of every set of events is refused: what comes later has time to overtake it."""
    seen: Counter[str] = Counter()

    def refuses(events: list[tuple[str, Any]]) -> Response | None:
        seen[str(events)] += 1
        return DOWN if seen[str(events)] == 1 else None

    return refuses


@pytest.mark.parametrize("api", APIS)
@pytest.mark.parametrize("most", [2_000, 7])
def test_restatements_are_sent_after_their_conversions_and_in_order(tmp_path: Path, api: str, most: int) -> None:
    google = Google(once_down())
    run = finished(
        a_run(tmp_path, google, most=most, api=api),
        *(purchase(number, 5) for number in range(30)),
        *(restated(number, value) for value in (6, 7) for number in range(30)),
    )
    assert [values(google, number) for number in range(30)] == [[5, 6, 7]] * 30
    assert (run.tally.accepted, run.tally.open) == (90, {})


def test_when_too_many_wait_they_are_sent_before_more_is_read(tmp_path: Path) -> None:
    restated_at_google = threading.Event()
    google = Google(lambda events: restated_at_google.set() if ("evt-1", 6) in events else None)
    run = a_run(tmp_path, google, most=2)
    for record in (purchase(1, 5), restated(1, 6), restated(2, 6)):
        assert not restated_at_google.is_set()
        run.add(record)
    assert restated_at_google.wait(PATIENCE)
    finished(run)


def test_an_adjustment_waits_for_no_longer_than_a_batch_does(tmp_path: Path) -> None:
    restated_at_google = threading.Event()
    google = Google(lambda events: restated_at_google.set() if ("evt-1", 6) in events else None)
    run = a_run(tmp_path, google, age=0)
    run.add(purchase(1, 5))
    run.add(restated(1, 6))
    run.tick()
    assert restated_at_google.wait(PATIENCE)
    finished(run)
    assert values(google, 1) == [5, 6]


@pytest.mark.parametrize("api", APIS)
def test_what_adjusts_an_open_conversion_stays_open_also_in_a_later_run(tmp_path: Path, api: str) -> None:
    down = Google(lambda events: DOWN if ("evt-1", 5) in events else None)
    first = finished(a_run(tmp_path, down, api=api), purchase(1, 5), restated(1, 6))
    assert (down.taken, first.tally.open) == ([], {"transient": 2})
    still = Google()
    assert finished(a_run(tmp_path, still, api=api), restated(1, 6)).tally.open == {"transient": 1}
    assert still.taken == []
    up = Google()
    assert finished(a_run(tmp_path, up, api=api), purchase(1, 5), restated(1, 6)).tally.accepted == 2
    assert values(up, 1) == [5, 6]


def test_an_adjustment_after_an_open_one_stays_open_too(tmp_path: Path) -> None:
    google = Google(lambda events: Response(status=200, body={}) if ("evt-1", 6) in events else None)
    run = finished(a_run(tmp_path, google, max_attempts=1), purchase(1, 5), restated(1, 6), restated(1, 7))
    assert values(google, 1) == [5]
    assert (run.tally.accepted, run.tally.open) == (1, {"transient": 2})


def test_an_adjustment_of_what_the_ledger_does_not_know_is_sent(tmp_path: Path) -> None:
    google = Google()
    finished(a_run(tmp_path, google), restated(1, 6))
    assert values(google, 1) == [6]


def test_a_stopped_run_keeps_waiting_adjustments_open(tmp_path: Path) -> None:
    google = Google()
    run = a_run(tmp_path, google)
    for number in (1, 2):
        run.add(purchase(number, 5))
        run.add(restated(number, 6))
        run.add(restated(number, 7))
    run.stop()
    finished(run)
    assert (google.taken, run.tally.open) == ([], {"transient": 6})


def of_one_order(number: int, value: float) -> dict[str, Any]:
    """Another event each, but one order: Google takes them for one conversion."""
    return {**purchase(number, value), "event_id": f"evt-{number}-{value:g}", "order_id": f"evt-{number}"}


@pytest.mark.parametrize("api", APIS)
@pytest.mark.parametrize("most", [2_000, 7])
def test_what_the_network_takes_for_the_same_goes_one_after_the_other(tmp_path: Path, api: str, most: int) -> None:
    google = Google(once_down())
    run = finished(
        a_run(tmp_path, google, most=most, api=api, concurrency=4),
        *(of_one_order(number, value) for value in (5, 6, 7) for number in range(30)),
        *(of_one_order(number, value) for number in range(30, 60) for value in (5, 5, 6, 5, 7)),
    )
    assert [values(google, number) for number in range(60)] == [[5, 6, 7]] * 60
    assert run.tally.open == {}
    assert all(len({order_id for order_id, _ in request}) == len(request) for request in google.requests)


def test_what_follows_an_open_one_stays_open_until_that_has_its_verdict(tmp_path: Path) -> None:
    records = [
        of_one_order(1, 5),
        of_one_order(1, 6),
        of_one_order(2, 5),
        {**of_one_order(1, 6), "adjustment": "restate"},
    ]
    down = Google(lambda events: DOWN if ("evt-1", 5) in events else None)
    first = finished(a_run(tmp_path, down, batch=1), *records)
    assert (down.taken, first.tally.open) == ([("evt-2", 5)], {"transient": 3})
    up = Google()
    assert finished(a_run(tmp_path, up), *records).tally.accepted == 3
    assert up.taken == [("evt-1", 5), ("evt-1", 6), ("evt-1", 6)]


def test_what_is_refused_lets_the_next_one_of_its_order_go(tmp_path: Path) -> None:
    refusal = Response(status=400, body={"error": {"code": 400, "status": "INVALID_ARGUMENT"}})
    google = Google(lambda events: refusal if ("evt-1", 5) in events else None)
    run = finished(a_run(tmp_path, google, batch=1), purchase(2, 5), of_one_order(1, 5), of_one_order(1, 6))
    assert values(google, 1) == [6]
    assert (run.tally.accepted, run.tally.rejected) == (2, 1)


def test_a_conversion_is_not_kept_back_by_its_own_adjustment(tmp_path: Path) -> None:
    down = Google(lambda events: DOWN if ("evt-1", 5) in events else None)
    finished(a_run(tmp_path, down), purchase(1, 5))
    google = Google()
    run = finished(a_run(tmp_path, google), restated(1, 6), purchase(1, 5))
    assert values(google, 1)[0] == 5
    assert run.tally.rejected == 0


class OfASource(Run):
    """As if a source's row had made each adjustment."""

    def take(self, prepared: Prepared, *args: Any) -> int:
        prepared.postbacks = [msgspec.structs.replace(each, awaits_original=True) for each in prepared.postbacks]
        return super().take(prepared, *args)


def skipped(tmp_path: Path) -> list[tuple[str, ...]]:
    with closing(sqlite3.connect(tmp_path / "ledger.db")) as connection:
        return connection.execute(
            "SELECT event_id, adjustment, reason, message FROM deliveries WHERE status = 'skipped' ORDER BY event_id"
        ).fetchall()


@pytest.mark.parametrize("api", APIS)
def test_an_adjustment_of_a_source_leaves_only_if_its_original_was_accepted(tmp_path: Path, api: str) -> None:
    google = Google(once_down())
    run = finished(a_run(tmp_path, google, kind=OfASource, api=api), purchase(1, 5), restated(1, 6), restated(2, 6))
    assert google.taken == [("evt-1", 5), ("evt-1", 6)]
    assert (run.tally.accepted, run.tally.skipped, run.tally.open) == (2, {"by_rule": 1}, {})
    said = ("evt-2", "restate:6 USD", "by_rule", "it corrects what the network has not accepted from this ledger")
    assert skipped(tmp_path) == [said]
    later = Google()
    run = finished(a_run(tmp_path, later, kind=OfASource, api=api), restated(1, 7), restated(2, 6), restated(2, 6))
    assert (later.taken, run.tally.skipped) == ([("evt-1", 7)], {"by_rule": 2})
    assert skipped(tmp_path) == [said]
    after = Google()
    run = finished(a_run(tmp_path, after, kind=OfASource, api=api), purchase(2, 5), restated(2, 6))
    assert (values(after, 2), run.tally.accepted) == ([5, 6], 2)


@pytest.mark.parametrize("api", APIS)
def test_a_restatement_of_a_source_leaves_only_with_another_value_than_was_accepted(
    tmp_path: Path, api: str, ledger_url: str
) -> None:
    def taken(*values: float) -> tuple[list[tuple[str, Any]], int]:
        """What the network gets of a purchase that comes with each value in turn, and what it has already."""
        google = Google()
        records = [each for value in values for each in (purchase(1, value), restated(1, value))]
        run = finished(a_run(tmp_path, google, kind=OfASource, api=api, ledger_url=ledger_url), *records)
        assert (run.tally.skipped, run.tally.open, run.tally.rejected) == ({}, {}, 0)
        return google.taken, run.tally.already_accepted

    assert taken(5) == ([("evt-1", 5)], 1)
    assert taken(5.0) == ([], 2)
    assert taken(6, 6) == ([("evt-1", 6)], 3)
    assert taken(5) == ([], 2)  # a record from before that is read again
    assert taken(6) == ([], 2)


def test_a_restatement_to_the_first_value_leaves_only_if_it_is_newer_than_what_was_restated(
    tmp_path: Path, ledger_url: str
) -> None:
    def taken(value: float, hour: int) -> list[tuple[str, Any]]:
        google = Google()
        again = {**restated(1, value), "adjustment_time": f"2026-11-20T{hour:02}:00:00Z"}
        finished(a_run(tmp_path, google, kind=OfASource, ledger_url=ledger_url), purchase(1, value), again)
        return google.taken

    assert taken(5, 9) == [("evt-1", 5)]
    assert taken(6, 10) == [("evt-1", 6)]
    assert taken(5, 9) == []
    assert taken(5, 11) == [("evt-1", 5)]
    assert taken(5, 12) == []


def test_a_restatement_in_another_currency_leaves(tmp_path: Path) -> None:
    google = Google()
    euros = {**restated(1, 5), "currency": "EUR"}
    run = finished(a_run(tmp_path, google, kind=OfASource), purchase(1, 5), restated(1, 5), euros)
    assert (google.taken, run.tally.accepted) == ([("evt-1", 5), ("evt-1", 5)], 2)


def test_an_adjustment_of_a_source_stays_open_while_its_original_is(tmp_path: Path) -> None:
    down = Google(lambda events: DOWN if ("evt-1", 5) in events else None)
    first = finished(a_run(tmp_path, down, kind=OfASource), purchase(1, 5), restated(1, 6))
    assert (down.taken, first.tally.open) == ([], {"transient": 2})
    assert finished(a_run(tmp_path, Google(), kind=OfASource), restated(1, 6)).tally.open == {"transient": 1}
    up = Google()
    assert finished(a_run(tmp_path, up, kind=OfASource), purchase(1, 5), restated(1, 6)).tally.accepted == 2
    assert values(up, 1) == [5, 6]


def test_an_adjustment_of_a_source_is_not_sent_where_its_original_was_refused(tmp_path: Path) -> None:
    refusal = Response(status=400, body={"error": {"code": 400, "status": "INVALID_ARGUMENT"}})
    google = Google(lambda events: refusal if ("evt-1", 5) in events else None)
    run = finished(a_run(tmp_path, google, kind=OfASource, batch=1), purchase(2, 5), purchase(1, 5), restated(1, 6))
    assert (values(google, 1), run.tally.rejected, run.tally.skipped) == ([], 1, {"by_rule": 1})


def test_an_adjustment_of_a_source_that_the_network_may_have_goes_on(tmp_path: Path) -> None:
    def silent(_: list[tuple[str, Any]]) -> Response | None:
        raise Unreachable("connection reset", sent=True)

    first = finished(a_run(tmp_path, Google(silent), max_attempts=1), restated(1, 6))
    assert first.tally.open == {"no_answer": 1}
    google = Google()
    run = finished(a_run(tmp_path, google, kind=OfASource), restated(1, 6))
    assert (google.taken, run.tally.accepted) == ([("evt-1", 6)], 1)


KEY = "0123456789abcdef0123456789abcdef"
ADA = "ada@example.com"


def erase(folder: Path) -> None:
    with closing(Ledger(f"sqlite:///{folder}/ledger.db")) as ledger:
        ledger.erasure.erase(digests("email", ADA, KEY), fingerprint(KEY), NOW.isoformat())


@pytest.mark.parametrize("api", APIS)
def test_an_adjustment_about_whoever_is_erased_meanwhile_is_not_sent(tmp_path: Path, api: str) -> None:
    google = Google(lambda events: erase(tmp_path) if ("evt-1", 5) in events else None)
    run = finished(
        a_run(tmp_path, google, api=api, erasure_key=KEY),
        *(purchase(1, 5, email=ADA), purchase(2, 5), restated(1, 6, email=ADA), restated(2, 6)),
    )
    assert [values(google, number) for number in (1, 2)] == [[5], [5, 6]]
    assert (run.tally.accepted, run.tally.skipped, run.tally.open) == (3, {"suppressed": 1}, {})


def test_what_was_refused_with_anothers_event_is_not_sent_again_about_whoever_is_erased_meanwhile(
    tmp_path: Path,
) -> None:
    def refuses(events: list[tuple[str, Any]]) -> Response | None:
        if len(events) < 3:
            return None
        erase(tmp_path)
        violation = {"field": "events.events[0].transaction_id", "reason": "INVALID"}
        error = {"status": "INVALID_ARGUMENT", "details": [{"fieldViolations": [violation]}]}
        return Response(status=400, body={"error": error})

    google = Google(refuses)
    run = finished(
        a_run(tmp_path, google, api="data_manager", erasure_key=KEY),
        *(purchase(1, 5), purchase(2, 5, email=ADA), purchase(3, 5)),
    )
    assert google.requests == [[("evt-1", 5), ("evt-2", 5), ("evt-3", 5)], [("evt-3", 5)]]
    assert (run.tally.rejected, run.tally.skipped, run.tally.accepted) == (1, {"suppressed": 1}, 1)
