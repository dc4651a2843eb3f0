"""The delivery log: every request that a conversion was in, found from the one that gave its verdict."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from target_adpostbacks.ledger.counts import told
from target_adpostbacks.ledger.database import Database
from target_adpostbacks.ledger.filters import Only
from target_adpostbacks.ledger.tables import ATTEMPTS, DELIVERIES, HISTORY

LONGEST_CHAIN = 100
"""Requests that are walked back from a verdict; a batch takes far fewer."""

STATUSES = {"accepted": "Success", "rejected": "Failed", "skipped": "Skipped", "open": "Open"}
"""A verdict as the log shows it."""
RETRIED = "Retried"
"""A request that gave no verdict on the conversion: it was in another one."""

SHOWN = (
    *("seq", "delivery_id", "attempt_id", "event_name", "status", "http_status", "latency_ms", "network", "account"),
    *("event_id", "reason", "code", "message", "sent_at", "updated_at"),
)
"""Columns of deliveries that the log is made of."""


COUNTS = ("processing", "events", "counted", "not_counted")
"""Columns of attempts that say what the network made of the request."""
NO_REQUEST = (None, None, None)
"""The HTTP status, latency and number of none."""


class Line(NamedTuple):
    """A request that a conversion was in, or why it was in none."""

    time: str
    event: str
    status: str  # RETRIED or one of STATUSES
    http_status: int | None
    latency_ms: int | None
    attempt: int | None  # which request of the conversion's it was, from 1; None: no request
    network: str
    account: str
    event_id: str
    reason: str
    code: str
    message: str
    counted: str = ""  # what the network made of the request afterwards


class Newest(NamedTuple):
    """The end of the log."""

    lines: list[Line]
    conversions: int | None  # how many there are, where there are more lines than these


def lines(database: Database, since: str, status: str | None, only: Only) -> Iterator[Line]:
    """One line for each request that a conversion was in, or one for a conversion that was in none.

    In the order in which conversions got their newest verdict, each one's own requests together. ``since``: lines
    from that time on, as the ledger writes it; ``status``: one of STATUSES, for verdicts that no other has replaced.
    """
    for group in _groups(database, since, status, only):
        yield from group


def newest(
    database: Database, limit: int, since: str, status: str | None, only: Only, *, by_id: bool = False
) -> Newest:
    """The last so many of ``lines``; ``by_id``: those of the last so many event ids."""
    groups: list[list[Line]] = []
    event_ids: set[str] = set()
    count = 0
    for group in _groups(database, since, status, only, newest_first=True):
        event_ids.update(line.event_id for line in group)
        count = len(event_ids) if by_id else count + len(group)
        if not by_id or count <= limit:
            groups.append(group)
        if count > limit:
            break
    shown = [line for group in reversed(groups) for line in group]
    if count <= limit:
        return Newest(shown, None)
    where, values = _where(database, since, status, only)
    ((conversions,),) = database.read(f"SELECT count(*) FROM {database.table(DELIVERIES)} {where}", values)
    return Newest(shown if by_id else shown[-limit:], conversions)


def _groups(
    database: Database, since: str, status: str | None, only: Only, *, newest_first: bool = False
) -> Iterator[list[Line]]:
    """The lines of each conversion."""
    where, values = _where(database, since, status, only)
    query = f"""
        SELECT {", ".join(f"deliveries.{name}" for name in SHOWN)}, {", ".join(f"attempts.{name}" for name in COUNTS)}
        FROM {database.table(DELIVERIES)}
        LEFT JOIN {database.table(ATTEMPTS)} ON attempts.attempt_id = deliveries.attempt_id
        {where}
    """
    earlier: dict[str, list[Any]] = {}
    for page in database.pages(query, values, "deliveries.seq", 0, newest_first=newest_first):
        replaced = replaced_verdicts(database, page) if status in (None, RETRIED) else {}
        wanted = {row.attempt_id for rows in (page, *replaced.values()) for row in rows if row.attempt_id}
        if not wanted <= earlier.keys():
            earlier = earlier_requests(database, wanted)
        for row in page:
            lines = _lines(row, (*replaced.get(row.delivery_id, ()), row), earlier)
            yield [line for line in lines if line.time >= since and status in (None, line.status)]


def _where(database: Database, since: str, status: str | None, only: Only) -> tuple[str, dict[str, Any]]:
    """The WHERE of a query of deliveries, and the values that it names."""
    conditions, named = only.conditions()
    values: dict[str, Any] = {**named, "since": since}
    if since:
        conditions.append("deliveries.updated_at >= :since")  # later than any request it tells of
    if status == RETRIED:
        conditions.append(_has_retried(database))
    elif status:
        conditions.append("deliveries.status = :status")
        values["status"] = next(name for name, shown in STATUSES.items() if shown == status)
    return f"WHERE {' AND '.join(conditions or ['true'])}", values


def _has_retried(database: Database) -> str:
    """The condition that a delivery was in a request that another one repeated."""
    again = f"SELECT attempts.attempt_id FROM {database.table(ATTEMPTS)} WHERE attempts.parent_id IS NOT NULL"
    before = f"SELECT history.delivery_id FROM {database.table(HISTORY)} WHERE history.attempt_id IN ({again})"
    return f"(deliveries.attempt_id IN ({again}) OR deliveries.delivery_id IN ({before}))"


def replaced_verdicts(database: Database, page: Sequence[Any]) -> dict[int, list[Any]]:
    """The verdicts that those of these deliveries have replaced, the first one first."""
    is_asked, values = database.among("history.delivery_id", "ids", [row.delivery_id for row in page])
    query = f"""
        SELECT history.*, attempts.started_at AS sent_at, attempts.http_status, attempts.latency_ms
        FROM {database.table(HISTORY)}
        LEFT JOIN {database.table(ATTEMPTS)} ON attempts.attempt_id = history.attempt_id
        WHERE {is_asked} ORDER BY history.seq
    """
    replaced: dict[int, list[Any]] = {}
    for row in database.read(query, values):
        replaced.setdefault(row.delivery_id, []).append(row)
    return replaced


def earlier_requests(database: Database, attempt_ids: Iterable[str]) -> dict[str, list[Any]]:
    """Each of these requests to those before it that it repeats, or is a half of; the first one first."""
    attempts = database.table(ATTEMPTS)
    is_asked, values = database.among("attempts.attempt_id", "ids", sorted(attempt_ids))
    query = f"""
        WITH RECURSIVE walk (last, parent_id, depth) AS (
            SELECT attempts.attempt_id, attempts.parent_id, 0 FROM {attempts} WHERE {is_asked}
            UNION ALL
            SELECT walk.last, attempts.parent_id, walk.depth + 1
            FROM walk JOIN {attempts} ON attempts.attempt_id = walk.parent_id WHERE walk.depth < {LONGEST_CHAIN}
        )
        SELECT walk.last, walk.depth, {", ".join(f"attempts.{name}" for name in ATTEMPTS.names)}
        FROM walk JOIN {attempts} ON attempts.attempt_id = walk.parent_id ORDER BY walk.depth DESC
    """
    earlier: dict[str, list[Any]] = {attempt_id: [] for attempt_id in attempt_ids}
    for row in database.read(query, values):
        earlier[row.last].append(row)
    return earlier


def _lines(row: Any, verdicts: Sequence[Any], earlier: Mapping[str, Sequence[Any]]) -> Iterator[Line]:
    """The lines of a row of deliveries: for each of its verdicts the requests before the one that gave it, and that."""
    number, last = 0, None
    for verdict in verdicts:
        why = (STATUSES[verdict.status], verdict.reason, verdict.code, verdict.message)
        if verdict.attempt_id and verdict.attempt_id == last:  # by ``adpostbacks resolve``: of no request of its own
            yield _line(row, verdict.updated_at, why)
            continue
        last = verdict.attempt_id
        for attempt in earlier.get(last, ()):
            number += 1
            retried = (RETRIED, "", attempt.code, attempt.message)
            yield _line(row, attempt.started_at, retried, (attempt.http_status, attempt.latency_ms, number))
        number += last is not None
        request = (verdict.http_status, verdict.latency_ms, number if last else None)
        line = _line(row, verdict.sent_at or verdict.updated_at, why, request)
        yield line._replace(counted=told(row)) if verdict is row and row.processing else line


def _line(
    row: Any, time: str, why: tuple[str, str, str, str], request: tuple[int | None, int | None, int | None] = NO_REQUEST
) -> Line:
    status, *words = why
    return Line(time, row.event_name, status, *request, row.network, row.account, row.event_id, *words)
