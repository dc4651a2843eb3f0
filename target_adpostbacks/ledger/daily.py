"""Each day added up for each account, event and currency: verdicts, money, and how long requests took."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import date, timedelta
from itertools import groupby
from operator import attrgetter
from typing import Any

import sqlalchemy as sa

from target_adpostbacks.core.latency import percentile
from target_adpostbacks.core.money import decimals
from target_adpostbacks.core.reasons import STATUSES
from target_adpostbacks.ledger import composed
from target_adpostbacks.ledger.database import Database
from target_adpostbacks.ledger.overview import counted_deliveries, value_of
from target_adpostbacks.ledger.tables import DELIVERIES

KEY = ("network", "account", "event", "day", "currency")
TO_THE_DAY = 10
"""How much of a time names its day: ``2026-11-20``."""


def daily(database: Database, after: int = 0) -> Iterator[dict[str, Any]]:
    """A row for each network, account, event, day (UTC) and currency of which a delivery has changed after that seq.

    In the order of ``seq``, the newest change of the row's deliveries. ``accepted``, …: conversions, corrections too;
    ``accepted_value``, …: their money in major units, corrections aside, None where none has any; ``currency`` is empty
    for those without. ``requests`` is how many requests gave the verdicts, ``p50_ms`` and ``p95_ms`` how long they
    took. A day comes as long as the ledger remembers all of it.
    """
    table, counted, happened = counted_deliveries(database)
    day = sa.func.substr(happened, 1, TO_THE_DAY)
    changed = composed.read(database, sa.select(sa.func.min(day)).where(counted, table.c.seq > after))
    earliest = max(filter(None, (changed[0][0], _first_whole_day(database))), default=None)
    if changed[0][0] is None or earliest is None:
        return
    key = (table.c.network, table.c.account, table.c.event_name, day, sa.func.coalesce(table.c.currency, ""))
    deliveries = (
        sa.select(
            *(column.label(f"of_{name}") for column, name in zip(key, KEY, strict=True)),
            *(table.c[name] for name in ("seq", "status", "adjustment", "value", "latency_ms", "attempt_id")),
        )
        .where(counted, happened >= earliest)
        .cte("counted")
    )
    for _, rows in groupby(composed.read(database, _question(deliveries, after)), attrgetter("newest")):
        yield _row([*rows])


def _first_whole_day(database: Database) -> str | None:
    """The day after the last one of which details may be forgotten; None: nothing is forgotten yet."""
    table = composed.source(database, DELIVERIES)
    is_forgotten = sa.and_(table.c.line == 0, table.c.status != "open")
    ((last,),) = composed.read(database, sa.select(sa.func.max(table.c.updated_at)).where(is_forgotten))
    return last and (date.fromisoformat(last[:TO_THE_DAY]) + timedelta(days=1)).isoformat()


def _question(deliveries: sa.CTE, after: int) -> sa.Select[Any]:
    """The rows as the database has them: once for each time that one of their requests took."""
    key = [deliveries.c[f"of_{name}"] for name in KEY]
    sums = (
        sa.select(
            *key,
            sa.func.max(deliveries.c.seq).label("newest"),
            *(
                part
                for status in STATUSES
                for part in (
                    sa.func.sum(sa.case((deliveries.c.status == status, 1), else_=0)).label(status),
                    value_of(deliveries, deliveries.c.status == status).label(f"{status}_value"),
                )
            ),
        )
        .group_by(*key)
        .having(sa.func.max(deliveries.c.seq) > after)
        .subquery("sums")
    )
    times = (
        sa.select(
            *key,
            deliveries.c.latency_ms,
            sa.func.count(sa.distinct(deliveries.c.attempt_id)).label("requests"),
        )
        .where(deliveries.c.latency_ms.is_not(None))
        .group_by(*key, deliveries.c.latency_ms)
        .subquery("times")
    )
    same = sa.and_(*(sums.c[column.name] == times.c[column.name] for column in key))
    query = sa.select(*sums.c, times.c.latency_ms, times.c.requests).select_from(sums.outerjoin(times, same))
    return query.order_by(sums.c.newest)


def _row(parts: list[Any]) -> dict[str, Any]:
    first = parts[0]
    times = Counter({part.latency_ms: part.requests for part in parts if part.requests})
    currency = first.of_currency
    return {
        **{name: getattr(first, f"of_{name}") for name in KEY},
        **{status: getattr(first, status) for status in STATUSES},
        **{f"{status}_value": _money(getattr(first, f"{status}_value"), currency) for status in STATUSES},
        "requests": times.total(),
        **{f"p{percent}_ms": percentile(times, percent) if times else None for percent in (50, 95)},
        "seq": first.newest,
    }


def _money(value: float | None, currency: str) -> float | None:
    return None if value is None or not currency else round(value, decimals(currency) or None)
