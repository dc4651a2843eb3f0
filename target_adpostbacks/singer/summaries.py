"""What the ledger comes to, as Singer streams: each day added up, and how each account does."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime, timezone
from typing import Any, ClassVar

from singer_sdk import Stream, Tap
from singer_sdk.helpers.conform import TypeConformanceLevel

from target_adpostbacks.core.health import THRESHOLDS, advice_on, judged
from target_adpostbacks.core.reasons import STATUSES
from target_adpostbacks.ledger import LedgerReader

Opened = Callable[[], LedgerReader | None]
"""Gives the ledger, opened for the first row; None if nothing was sent yet."""

TEXT: Mapping[str, Any] = {"type": ["string"]}
COUNT: Mapping[str, Any] = {"type": ["integer"]}
MONEY: Mapping[str, Any] = {"type": ["number", "null"]}
MILLISECONDS: Mapping[str, Any] = {"type": ["integer", "null"]}
TIME: Mapping[str, Any] = {"type": ["string", "null"], "format": "date-time"}


def _object(key: list[str], **properties: Mapping[str, Any]) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": key}


class DailyStream(Stream):
    """A row for each network, account, event, day and currency. Incremental by ``seq``: what changed comes again.

    A currency is a row of its own, so that money is a number and a sum is the same SQL in every warehouse.
    """

    TYPE_CONFORMANCE_LEVEL = TypeConformanceLevel.NONE
    name = "daily"
    primary_keys: ClassVar[list[str]] = ["network", "account", "event", "day", "currency"]
    replication_key = "seq"
    is_sorted = True
    schema: ClassVar[dict[str, Any]] = _object(
        primary_keys,
        network=TEXT,
        account=TEXT,
        event=TEXT,
        day={"type": ["string"], "format": "date"},
        currency=TEXT,
        **dict.fromkeys(STATUSES, COUNT),
        **{f"{status}_value": MONEY for status in STATUSES},
        requests=COUNT,
        p50_ms=MILLISECONDS,
        p95_ms=MILLISECONDS,
        seq=COUNT,
    )

    def __init__(self, tap: Tap, ledger: Opened) -> None:
        self._ledger = ledger
        super().__init__(tap=tap)

    def get_records(self, context: Any) -> Iterable[dict[str, Any]]:
        """Rows of which something changed since the state."""
        ledger = self._ledger()
        after = self.get_starting_replication_key_value(context)
        return ledger.daily(int(after or 0)) if ledger and ledger.layout == "full" else ()


class HealthStream(Stream):
    """The rows of ``adpostbacks health --format json`` without a config, and when they were judged. Whole each time."""

    TYPE_CONFORMANCE_LEVEL = TypeConformanceLevel.NONE
    name = "health"
    primary_keys: ClassVar[list[str]] = ["account"]
    schema: ClassVar[dict[str, Any]] = _object(
        primary_keys,
        account=TEXT,
        state=TEXT,
        since=TIME,
        last_accepted_at=TIME,
        last_24h=_object(["accepted", "rejected", "open"], accepted=COUNT, rejected=COUNT, open=COUNT),
        open_money={"type": ["object"], "additionalProperties": {"type": "number"}},
        advice=TEXT,
        checked_at={"type": ["string"], "format": "date-time"},
    )

    def __init__(self, tap: Tap, ledger: Opened) -> None:
        self._ledger = ledger
        super().__init__(tap=tap)

    def get_records(self, context: Any) -> Iterable[dict[str, Any]]:
        """Each account that the ledger knows."""
        ledger = self._ledger()
        return health_rows(ledger) if ledger and ledger.layout == "full" else ()


def health_rows(ledger: LedgerReader) -> Iterator[dict[str, Any]]:
    """The rows of HealthStream."""
    from target_adpostbacks.ledger.healths import row
    from target_adpostbacks.networks import NETWORKS  # takes a while to import

    now = datetime.now(timezone.utc)
    for activity in ledger.activities(now, THRESHOLDS["quiet_hours"]):
        health = judged(activity, now, advice_on(NETWORKS.get(activity.network)))
        yield {**row(health, now), "checked_at": now.isoformat(timespec="milliseconds")}


SCHEMAS: Mapping[str, Mapping[str, Any]] = {stream.name: stream.schema for stream in (DailyStream, HealthStream)}
