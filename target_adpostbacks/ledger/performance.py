"""Statistics of ads in the ledger: written a thousand rows at a time, and added up beside our own conversions."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from functools import lru_cache
from itertools import chain
from typing import Any

import msgspec

from target_adpostbacks.core.performance.counting import Counting, Own, Spend, Window
from target_adpostbacks.core.performance.statistics import Performance
from target_adpostbacks.ledger.connections import Connection
from target_adpostbacks.ledger.database import Database
from target_adpostbacks.ledger.tables import AD_PERFORMANCE, DELIVERIES

COLUMNS = ("seq", *Performance._fields)
CHUNKS = (250, 25, 1)
"""Rows of one INSERT into SQLite."""
KINDS = {column.name: column.kind for column in AD_PERFORMANCE.columns}
MICROS = 1_000_000

NOT_COUNTED = (
    *("invalid", "organic", "not_attributed", "other_network", "deleted", "no_consent", "suppressed", "by_rule"),
    *("before_click", "outside_window"),
)
"""Reasons of conversions that are nobody's, or that nobody was to count."""
IS_TRIAL = "CASE WHEN asset LIKE '%@http://%' OR asset LIKE '%@https://%' THEN 1 ELSE 0 END"
"""1 where a delivery went to a server that is not the network's own: its asset names that."""
MOST_VALUE = 10**12
"""Values that are larger are no money; sums of them would be more than a database adds up."""


def write(connection: Connection, seqs: Iterator[int], rows: Collection[Performance]) -> None:
    """Store rows, each in place of the one with its key. No two of them have the same."""
    numbered = [(next(seqs), *row) for row in rows]
    if connection.dialect == "postgresql":
        objects = [dict(zip(COLUMNS, row, strict=True)) for row in numbered]
        connection.run(_upsert_of_json(), {"rows": msgspec.json.encode(objects).decode()})
        return
    done = 0
    for size in CHUNKS:
        while len(numbered) - done >= size:
            connection.run(_upsert_of_rows(size), [*chain.from_iterable(numbered[done : done + size])])
            done += size


@lru_cache(maxsize=8)
def _upsert_of_rows(rows: int) -> str:
    values = ", ".join([f"({', '.join('?' * len(COLUMNS))})"] * rows)
    return f"INSERT INTO ad_performance ({', '.join(COLUMNS)}) VALUES {values} {_conflict()}"


@lru_cache(maxsize=1)
def _upsert_of_json() -> str:
    typed = ", ".join(f"{name} {KINDS[name].postgresql}" for name in COLUMNS)
    names = ", ".join(COLUMNS)
    return f"""
        INSERT INTO ad_performance ({names}) SELECT {names} FROM json_to_recordset(:rows) AS each ({typed})
        WHERE true {_conflict()}
    """


def _conflict() -> str:
    changed = (name for name in COLUMNS if name not in AD_PERFORMANCE.keys)
    newer = ", ".join(f"{name} = excluded.{name}" for name in changed)
    return f"ON CONFLICT ({', '.join(AD_PERFORMANCE.keys)}) DO UPDATE SET {newer}"


FORGET_OTHERS = "DELETE FROM ad_performance WHERE stream = :stream AND day >= :day AND seq <= :before"
"""What a stream had of these days before a run that has brought all of them anew."""


def spend(database: Database, window: Window, network: str = "") -> list[Spend]:
    """What the streams say of these days, added up by campaign and day. ``network``: only of this one."""
    names = "stream, network, account_id, day, campaign_id, campaign_name, currency, time_zone"
    sums = ("spend_micros", "impressions", "clicks", "conversions_micros", "value_micros")
    query = f"""
        SELECT {names}, {", ".join(map(_summed, sums))}, MAX(extracted_at), MAX(seq)
        FROM {database.table(AD_PERFORMANCE)} WHERE day >= :since AND day <= :until
        {"AND network = :network" if network else ""} GROUP BY {names}
    """
    values = {"since": window.since.isoformat(), "until": window.until.isoformat()}
    rows = database.read(query, values | ({"network": network} if network else {}))
    return [Spend(*row[:8], *_joined(row[8:18]), *row[18:]) for row in rows]


def _summed(column: str) -> str:
    """The sum of a column in two parts: no sum of large numbers is more than a database adds up."""
    return f"SUM({column} / {MICROS}), SUM({column} % {MICROS})"


def _joined(parts: Sequence[Any]) -> list[Any]:
    pairs = zip(parts[::2], parts[1::2], strict=True)
    return [None if whole is None else int(whole) * MICROS + int(rest) for whole, rest in pairs]


def own(
    database: Database,
    counting: Counting,
    window: Window,
    named_by_account: Collection[str] = (),
    network: str = "",
) -> list[Own]:
    """Our own conversions around these days, whatever became of their deliveries, each counted once for a network.

    ``named_by_account``: sections whose accounts are networks; ``network``: only of this one. Days of zones are cut of
    it afterwards, so a day before and after is in it.
    """
    time = "event_time" if counting.by == "conversion" else "COALESCE(click_time, event_time)"
    source, values = counted(database, counting.events, named_by_account)
    values |= dict(zip(("since", "until"), window.around, strict=True)) | {"asked_network": network}
    query = f"""
        SELECT network, campaign_id, event_name, currency, hour, quarter, COUNT(*), SUM(delivered),
        {_summed("micros")}, {_summed("CASE WHEN delivered = 1 THEN micros END")}, SUM(unclicked)
        FROM (
            SELECT network, COALESCE(campaign_id, '') AS campaign_id, event_name, currency, delivered,
            CAST(ROUND(CASE WHEN ABS(value) < {MOST_VALUE} THEN value END * {MICROS}) AS BIGINT) AS micros,
            SUBSTR({time}, 1, 13) AS hour, CAST(SUBSTR({time}, 15, 2) AS INTEGER) / 15 AS quarter,
            CASE WHEN click_time IS NULL THEN 1 ELSE 0 END AS unclicked
            FROM ({source}) AS counted WHERE {time} >= :since AND {time} < :until
        ) AS conversions
        {"WHERE network = :asked_network" if network else ""}
        GROUP BY network, campaign_id, event_name, currency, hour, quarter
    """
    return [_own(row, counting) for row in database.read(query, values)]


def _own(row: Any, counting: Counting) -> Own:
    value, value_delivered = (each or 0 for each in _joined(row[8:12]))
    unclicked = int(row[12]) if counting.by == "click" else 0
    network, campaign, event, currency, hour, quarter, count, delivered = row[:8]
    known = (network, campaign, event, currency, hour, quarter, count, int(delivered))
    return Own(*known, value, value_delivered, unclicked)


def counted(
    database: Database, events: Collection[str], named_by_account: Collection[str] = ()
) -> tuple[str, dict[str, Any]]:
    """A query of our own conversions, and the values that it names: one row for each network, event and event id.

    Its columns: network, event_name, event_id, event_time, click_time, campaign_id, currency, value, delivered (1 or
    0). Tests, corrections and what NOT_COUNTED names are not in it. What a trial accepted is delivered only where the
    conversion has no live delivery.
    """
    by_account, values = database.among("network", "sections", [*named_by_account])
    is_asked, of_events = database.among("event_name", "events", [*events])
    is_not, of_reasons = database.among("reason", "reasons", NOT_COUNTED)
    same = "PARTITION BY name, event_name, event_id"
    query = f"""
        SELECT name AS network, event_name, event_id, event_time, click_time, campaign_id, currency, value,
        CASE WHEN has_live = 1 THEN taken_live ELSE taken END AS delivered
        FROM (
            SELECT each.*, ROW_NUMBER() OVER ({same} ORDER BY is_trial, delivery_id) AS place,
            MAX(1 - is_trial) OVER ({same}) AS has_live, MAX(is_taken) OVER ({same}) AS taken,
            MAX(is_taken * (1 - is_trial)) OVER ({same}) AS taken_live
            FROM (
                SELECT CASE WHEN {by_account} THEN account ELSE network END AS name,
                {IS_TRIAL} AS is_trial,
                CASE WHEN status = 'accepted' THEN 1 ELSE 0 END AS is_taken,
                delivery_id, event_name, event_id, event_time, click_time, campaign_id, currency, value
                FROM {database.table(DELIVERIES)}
                WHERE network <> '' AND NOT test AND adjustment = '' AND event_time IS NOT NULL AND {is_asked}
                AND NOT ({is_not})
            ) AS each
        ) AS first WHERE place = 1
    """
    return query, {**values, **of_events, **of_reasons}


def networks_with_deliveries(database: Database, named_by_account: Collection[str] = ()) -> set[str]:
    """The networks that deliveries were made for."""
    rows = database.read("SELECT DISTINCT network, account FROM deliveries WHERE network <> ''")
    return {row.account if row.network in named_by_account else row.network for row in rows}
