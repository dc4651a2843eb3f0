"""The delivery log: every request that a conversion was in, found from the one that gave its verdict."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import sqlalchemy as sa

from target_adpostbacks.ledger.database import Database
from target_adpostbacks.ledger.tables import ATTEMPTS, DELIVERIES

LONGEST_CHAIN = 100
"""Requests that are walked back from a verdict; a batch takes far fewer."""

STATUSES = {"accepted": "Success", "rejected": "Failed", "skipped": "Skipped", "open": "Open"}
"""A verdict as the log shows it."""
RETRIED = "Retried"
"""A request that gave no verdict on the conversion: it was in another one."""

SHOWN = (
    *("seq", "attempt_id", "event_name", "status", "http_status", "latency_ms", "network", "account", "event_id"),
    *("reason", "code", "message", "sent_at", "updated_at"),
)
"""Columns of deliveries that the log is made of."""


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


def lines(database: Database, since: str, status: str | None, equal: Mapping[str, str]) -> Iterator[Line]:
    """One line for each request that a conversion was in, or one for a conversion that was in none.

    In the order in which conversions got their newest verdict, each one's own requests together. ``since``: lines
    from that time on, as the ledger writes it; ``status``: one of STATUSES; ``equal``: columns of deliveries.
    """
    table, requests = database.table(DELIVERIES).c, database.table(ATTEMPTS).c
    query = sa.select(*(table[name] for name in SHOWN)).where(*(table[name] == value for name, value in equal.items()))
    if since:
        query = query.where(table.updated_at >= since)  # later than any request it tells of
    if status == RETRIED:
        again = sa.select(requests.attempt_id).where(requests.parent_id.is_not(None))
        query = query.where(table.attempt_id.in_(again))
    elif status:
        query = query.where(table.status == next(name for name, shown in STATUSES.items() if shown == status))
    earlier: dict[str, list[Any]] = {}
    for page in database.pages(query, table.seq, 0):
        wanted = {row.attempt_id for row in page if row.attempt_id}
        if not wanted <= earlier.keys():
            earlier = _earlier(database, wanted)
        for row in page:
            lines = _lines(row, earlier.get(row.attempt_id, []))
            yield from (line for line in lines if line.time >= since and status in (None, line.status))


def _earlier(database: Database, attempt_ids: Iterable[str]) -> dict[str, list[Any]]:
    """Each of these requests to those before it that it repeats, or is a half of; the first one first."""
    requests = database.table(ATTEMPTS)
    step = sa.select(requests.c.attempt_id.label("last"), requests.c.parent_id, sa.literal(0).label("depth")).where(
        requests.c.attempt_id.in_(attempt_ids)
    )
    walk = step.cte("walk", recursive=True)
    further = sa.select(walk.c.last, requests.c.parent_id, walk.c.depth + 1).where(
        requests.c.attempt_id == walk.c.parent_id, walk.c.depth < LONGEST_CHAIN
    )
    walk = walk.union_all(further)
    query = (
        sa.select(walk.c.last, walk.c.depth, requests)
        .where(requests.c.attempt_id == walk.c.parent_id)
        .order_by(walk.c.depth.desc())
    )
    earlier: dict[str, list[Any]] = {attempt_id: [] for attempt_id in attempt_ids}
    for row in database.read(query):
        earlier[row.last].append(row)
    return earlier


def _lines(row: sa.Row[Any], earlier: Sequence[Any]) -> Iterator[Line]:
    """The lines of a row of deliveries, given the requests before the one that gave the verdict."""
    identity = (row.network, row.account, row.event_id)
    for number, attempt in enumerate(earlier, 1):
        request = (attempt.http_status, attempt.latency_ms, number)
        yield Line(attempt.started_at, row.event_name, RETRIED, *request, *identity, "", attempt.code, attempt.message)
    number_ = len(earlier) + 1 if row.attempt_id else None
    yield Line(
        row.sent_at or row.updated_at,
        row.event_name,
        STATUSES[row.status],
        row.http_status,
        row.latency_ms,
        number_,
        *identity,
        row.reason,
        row.code,
        row.message,
    )
