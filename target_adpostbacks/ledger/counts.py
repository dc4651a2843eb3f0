"""Counts of a run, and what networks made of requests afterwards: which to ask about, what is shown of the answers."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, NamedTuple

import msgspec

from target_adpostbacks.ledger.database import Database
from target_adpostbacks.ledger.tables import DELIVERIES

UNKNOWN = "unknown"
"""``processing`` of a request that its network no longer knows."""
ASKED_FOR = timedelta(hours=24)
"""How long after a request the network is asked again while it says that it is processing it."""


class Accepted(NamedTuple):
    """A request that a network has accepted."""

    attempt_id: str
    started_at: str
    events: int
    network_request_id: str


class Written(NamedTuple):
    """Deliveries that a run wrote and that are alike in all of this."""

    network: str
    account: str
    status: str
    reason: str
    code: str
    rows: int


def written(database: Database, run_id: str, after: int) -> list[Written]:
    """The deliveries of a run as they are now, the most first; tests aside. ``after``: the seq at its start."""
    group = ", ".join(Written._fields[:-1])
    query = f"""
        SELECT {group}, COUNT(*) AS rows FROM {database.table(DELIVERIES)}
        WHERE seq > :after AND run_id = :run_id AND NOT test GROUP BY {group} ORDER BY COUNT(*) DESC, {group}
    """
    return [Written(*row) for row in database.read(query, {"after": after, "run_id": run_id})]


def uncounted(database: Database, network: str, asset: str, before: str) -> list[Accepted]:
    """The accepted requests until that time of which nobody knows what became of them, the oldest first.

    Without tests, of which a network remembers nothing.
    """
    query = f"""
        SELECT {", ".join(Accepted._fields)}, checked_at FROM attempts
        WHERE network = :network AND asset = :asset AND status = 'Success' AND network_request_id <> ''
        AND started_at <= :before AND (processing IS NULL OR processing = 'processing')
        AND attempt_id NOT IN (SELECT attempt_id FROM deliveries WHERE test AND attempt_id IS NOT NULL)
        ORDER BY started_at
    """
    rows = database.read(query, {"network": network, "asset": asset, "before": before})
    return [Accepted(*row[:-1]) for row in rows if not _is_late(row.started_at, row.checked_at)]


def _is_late(started_at: str, checked_at: str | None) -> bool:
    if not checked_at:
        return False
    return datetime.fromisoformat(checked_at) - datetime.fromisoformat(started_at) >= ASKED_FOR


def told(row: Any) -> str:
    """``"1998 of the request's 2000 counted: INVALID_GCLID 2"``; empty where the network was not asked."""
    if not row.processing:
        return ""
    if row.processing in ("processing", UNKNOWN):
        return "the network is still processing it" if row.processing != UNKNOWN else "the network does not know it"
    reasons = ", ".join(f"{reason} {count}" for reason, count in msgspec.json.decode(row.not_counted or "{}").items())
    return f"{row.counted or 0} of the request's {row.events} counted{': ' if reasons else ''}{reasons}"
