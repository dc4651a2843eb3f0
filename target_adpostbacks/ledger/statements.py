"""What a run asks of the ledger and writes to it, as SQL for both databases. Values are named ``:name``."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache

from target_adpostbacks.ledger.tables import COLUMNS, DELIVERIES, IDENTITY, NOTED, Earlier

RAISE = "UPDATE sequence SET value = value + :changes"
NEWEST = "SELECT value FROM sequence"

_earlier = ", ".join(f"deliveries.{name}" for name in (*IDENTITY, *Earlier._fields))
EARLIER = f"SELECT {_earlier} FROM deliveries WHERE network = :network AND asset = :asset AND "
"""A condition on ``event_id`` follows."""
EARLIER_OF_JSON = f"""
    SELECT {_earlier} FROM json_each(:ids) AS asked CROSS JOIN deliveries
    WHERE network = :network AND asset = :asset AND event_id = asked.value
"""
"""The same in SQLite for a JSON array: each is looked up at once, and not collected and sorted first."""

CONFLICT = f"""
ON CONFLICT ({", ".join(IDENTITY)}) DO UPDATE
SET {", ".join(f"{name} = excluded.{name}" for name in COLUMNS if name not in IDENTITY)}
WHERE deliveries.status <> 'accepted'
AND (excluded.status <> 'skipped' OR deliveries.status <> excluded.status OR deliveries.reason <> excluded.reason)
AND (
    deliveries.reason <> 'no_answer' OR excluded.reason = 'no_answer'
    OR (excluded.attempt_id IS NOT NULL AND excluded.status <> 'open')
    OR (deliveries.message = '{NOTED}' AND deliveries.run_id = excluded.run_id AND excluded.status = 'open')
)
AND (excluded.reason <> 'busy' OR deliveries.status = 'skipped')
"""
"""What was accepted stays; a repeated skip or another run's turn changes nothing.

Nor does anything but a verdict on a request, where one went unanswered: the network may have it, and only it or
``resolve`` can tell. What this run noted when it was stopped is an exception: what is in doubt even then would say so
again.
"""


@lru_cache(maxsize=64)
def upsert_of_rows(alike: tuple[str, ...], each: tuple[str, ...], rows: int) -> str:
    """The INSERT of so many rows into SQLite: binds once what is alike in all of them, then the columns of each."""
    numbered = [f"column{number}" for number in range(1, len(each) + 1)]
    values = ", ".join([f"({', '.join('?' * len(each))})"] * rows)
    return f"""
        INSERT INTO deliveries ({", ".join((*alike, *each))})
        SELECT {", ".join([*("?" * len(alike)), *numbered])} FROM (VALUES {values}) WHERE true {CONFLICT}
    """


@lru_cache(maxsize=64)
def upsert_of_json(alike: tuple[str, ...], each: tuple[str, ...]) -> str:
    """The same for PostgreSQL: binds what is alike as a JSON object, and the rows as an array of them."""
    record = f"json_to_record(:alike) AS alike ({_typed(alike)}), " if alike else ""
    return f"""
        INSERT INTO deliveries ({", ".join((*alike, *each))})
        SELECT {", ".join([*(f"alike.{name}" for name in alike), *(f"each.{name}" for name in each)])}
        FROM {record}json_to_recordset(:each) AS each ({_typed(each)})
        WHERE true {CONFLICT}
    """


def _typed(names: Iterable[str]) -> str:
    kinds = {column.name: column.kind.postgresql for column in DELIVERIES.columns}
    return ", ".join(f"{name} {kinds[name]}" for name in names)


@lru_cache(maxsize=8)
def insert_attempt(*columns: str) -> str:
    """The INSERT of a request, of which these columns are known."""
    return f"INSERT INTO attempts ({', '.join(columns)}) VALUES ({', '.join(f':{name}' for name in columns)})"


WRITE_COUNT = """
    UPDATE attempts SET seq = :seq, processing = :processing, counted = :counted, not_counted = :not_counted,
    checked_at = :checked_at WHERE attempt_id = :attempt_id
"""
OF_EVENT_ID = "SELECT delivery_id, network, account, asset, event_name FROM deliveries WHERE event_id = :event_id"
UNANSWERED = "status = 'open' AND reason = 'no_answer'"
ACCEPTED = "status = 'accepted'"
RESOLVE = """
    UPDATE deliveries SET seq = :seq, status = :status, reason = :reason, code = '', message = 'resolved by hand',
    updated_at = :now, deadline = CASE WHEN :status = 'accepted' THEN NULL ELSE deadline END
    WHERE delivery_id = :delivery_id
"""
"""UNANSWERED or ACCEPTED follows: it may have changed meanwhile."""

START_RUN = """
    INSERT INTO runs (run_id, seq, started_at, version, counts) VALUES (:run_id, :seq, :started_at, :version, '{}')
"""
END_RUN = """
    UPDATE runs SET seq = :seq, ended_at = :ended_at, exit_code = :exit_code, counts = :counts WHERE run_id = :run_id
"""
HAS_RUN_SINCE = """
    SELECT 1 FROM runs WHERE started_at >= :time AND run_id <> :run_id AND ended_at IS NOT NULL LIMIT 1
"""
