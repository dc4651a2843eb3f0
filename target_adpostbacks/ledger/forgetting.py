"""Forgets what a ledger has kept long enough, a part of a table at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from typing import Any, NamedTuple

from target_adpostbacks.ledger.connections import Connection
from target_adpostbacks.ledger.database import Database
from target_adpostbacks.ledger.tables import FORGOTTEN

EXPIRED_ROWS = 5000
"""Rows of a table that are looked at together, and changed in one transaction."""

Writing = Callable[[int], AbstractContextManager[tuple[Connection, Iterator[int]]]]


class Aging(NamedTuple):
    """Rows that are forgotten once their time is over: what becomes of those of a table that a condition is true of.

    A table is read once, in the order of its key: there is no index of times. ``first`` is below every key; ``until``
    leaves out what can't be old.
    """

    table: str
    condition: str
    change: str
    key: str
    first: int | str = 0
    until: str = ""

    @property
    def part(self) -> str:
        """The last key of the next part of the table, None at its end, and whether something there is old."""
        return f"""
            SELECT max(reached) AS last, max(is_old) AS is_any FROM (
                SELECT {self.key} AS reached, CASE WHEN {self.condition} THEN 1 ELSE 0 END AS is_old
                FROM {self.table} WHERE {self.key} > :after{self.until} ORDER BY {self.key} LIMIT {EXPIRED_ROWS}
            ) AS part
        """

    @property
    def forget(self) -> str:
        """Forget what is old in the part up to ``last``."""
        return f"{self.change} WHERE {self.key} > :after AND {self.key} <= :last AND {self.condition}"


def _literal(value: Any) -> str:
    return "NULL" if value is None else f"'{value}'" if isinstance(value, str) else str(value)


SETTLED = "deliveries.updated_at < :before AND deliveries.status <> 'open'"
OF_SETTLED = "EXISTS (SELECT 1 FROM deliveries WHERE deliveries.delivery_id = {table}.delivery_id AND " + SETTLED + ")"
OF_EARLIER_RUNS = " AND delivery_id <= :newest_before"
PEOPLE = (
    Aging("erasure_index", OF_SETTLED.format(table="erasure_index"), "DELETE FROM erasure_index", "delivery_id"),
    Aging("erasure", "indexed_since < :before", "UPDATE erasure SET indexed_since = :before", "id"),
)
DELIVERIES = (
    *PEOPLE,
    Aging(
        "history",
        f"history.updated_at < :before AND {OF_SETTLED.format(table='history')}",
        "DELETE FROM history",
        "seq",
    ),
    Aging("deliveries", SETTLED, "DELETE FROM deliveries", "delivery_id", until=OF_EARLIER_RUNS),
)
"""Of deliveries that were settled before a time: everything."""
DETAILS = (
    *PEOPLE,
    Aging(
        "deliveries",
        f"{SETTLED} AND line > 0",
        f"UPDATE deliveries SET {', '.join(f'{name} = {_literal(value)}' for name, value in FORGOTTEN.items())}",
        "delivery_id",
        until=OF_EARLIER_RUNS,
    ),
    Aging("attempts", "started_at < :before", "DELETE FROM attempts", "attempt_id", ""),
    Aging("history", "updated_at < :before", "DELETE FROM history", "seq"),
    Aging("runs", "started_at < :before AND run_id <> :run_id", "DELETE FROM runs", "run_id", ""),
)
"""Of all that is older than a time: what is not needed to send nothing twice."""


def forget(database: Database, writing: Writing, aging: tuple[Aging, ...], values: Mapping[str, Any]) -> None:
    """Forget what is old, each part in a transaction of its own: other runs get their turns between them.

    ``writing``: as Ledger has it. ``values``: ``before``, ``run_id`` and ``newest_before``, the highest delivery_id
    when the run began. Raises UnusableLedger.
    """
    for rows in aging:
        after = rows.first
        while True:
            ((last, is_any),) = database.read(rows.part, {**values, "after": after})
            if last is None:
                break
            if is_any:
                with writing(0) as (connection, _):
                    connection.run(rows.forget, {**values, "after": after, "last": last})
            after = last
