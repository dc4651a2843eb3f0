"""What networks made of requests afterwards: which are to be asked about, and what is shown of the answers."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, NamedTuple

import msgspec
import sqlalchemy as sa

from target_adpostbacks.ledger.database import Database
from target_adpostbacks.ledger.tables import ATTEMPTS, DELIVERIES

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


def uncounted(database: Database, network: str, asset: str, before: str) -> list[Accepted]:
    """The accepted requests until that time of which nobody knows what became of them, the oldest first.

    Without tests, of which a network remembers nothing.
    """
    table, deliveries = ATTEMPTS.c, DELIVERIES.c
    tests = sa.select(deliveries.attempt_id).where(deliveries.test, deliveries.attempt_id.is_not(None))
    query = (
        sa.select(*(table[name] for name in Accepted._fields), table.checked_at)
        .where(
            table.network == network,
            table.asset == asset,
            table.status == "Success",
            table.network_request_id != "",
            table.started_at <= before,
            sa.or_(table.processing.is_(None), table.processing == "processing"),
            table.attempt_id.not_in(tests),
        )
        .order_by(table.started_at)
    )
    return [Accepted(*row[:-1]) for row in database.read(query) if not _is_late(row.started_at, row.checked_at)]


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
