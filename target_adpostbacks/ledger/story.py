"""The whole story of a conversion: what came in, every request that it was in, and every verdict that it got."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from target_adpostbacks.ledger import counts, log
from target_adpostbacks.ledger.database import Database
from target_adpostbacks.ledger.tables import ATTEMPTS, DELIVERIES


class Request(NamedTuple):
    """A request that the conversion was in. Each field but ``counted`` is a column of attempts."""

    started_at: str
    http_status: int | None
    latency_ms: int
    events: int  # conversions that were in it
    status: str  # Success, Failed, Retried
    code: str
    message: str
    network_request_id: str
    run_id: str
    counted: str  # what the network made of it afterwards, as ``adpostbacks check`` learned it; empty: nobody asked


class Verdict(NamedTuple):
    """A verdict that another one replaced. Each field but ``at`` is a column of history."""

    at: str
    status: str
    reason: str
    code: str
    message: str


class Story(NamedTuple):
    """What the ledger knows of a conversion for one account. ``delivery``: its row, by the names of its columns."""

    delivery: Mapping[str, Any]
    verdicts: list[Verdict]  # earlier ones, the first one first
    requests: list[Request]  # the first one first


def stories(database: Database, event_id: str) -> list[Story]:
    """The stories of every account and event with this id, in the order in which they changed last."""
    source = database.table(DELIVERIES)
    ids = "SELECT delivery_id FROM deliveries WHERE event_id = :event_id"  # from the index alone
    query = f"""
        SELECT {", ".join(DELIVERIES.names)} FROM {source}
        WHERE deliveries.delivery_id IN ({ids}) ORDER BY deliveries.seq
    """
    rows = database.read(query, {"event_id": event_id})
    replaced = log.replaced_verdicts(database, rows)
    wanted = {row.attempt_id for each in (rows, *replaced.values()) for row in each if row.attempt_id}
    earlier, last = log.earlier_requests(database, wanted), _requests(database, wanted)
    return [
        Story(
            DELIVERIES.row(row),
            [
                Verdict(each.updated_at, *(getattr(each, name) for name in WORDS))
                for each in replaced.get(row.delivery_id, ())
            ],
            [*_chain((*replaced.get(row.delivery_id, ()), row), earlier, last)],
        )
        for row in rows
    ]


WORDS = Verdict._fields[1:]
COLUMNS = Request._fields[:-1]


def _requests(database: Database, attempt_ids: Iterable[str]) -> dict[str, Any]:
    is_asked, values = database.among("attempts.attempt_id", "ids", sorted(attempt_ids))
    rows = database.read(f"SELECT * FROM {database.table(ATTEMPTS)} WHERE {is_asked}", values)
    return {row.attempt_id: row for row in rows}


def _chain(verdicts: Iterable[Any], earlier: Mapping[str, Iterable[Any]], last: Mapping[str, Any]) -> Iterator[Request]:
    """For each verdict the requests before the one that gave it, and that; each request once."""
    seen = set[str]()
    for verdict in verdicts:
        final = last.get(verdict.attempt_id)
        for row in (*earlier.get(verdict.attempt_id, ()), *([final] if final else ())):
            if row.attempt_id not in seen:
                seen.add(row.attempt_id)
                yield Request(**{name: getattr(row, name) for name in COLUMNS}, counted=counts.told(row))
