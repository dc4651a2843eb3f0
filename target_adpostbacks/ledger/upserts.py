"""The INSERT of deliveries as text, made once. SQLAlchemy would bind each of a row's thirty values in Python."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

import msgspec
import sqlalchemy as sa
from sqlalchemy.dialects import sqlite

from target_adpostbacks.ledger.tables import COLUMNS, DELIVERIES, IDENTITY, NOTED

CHUNKS = (250, 25, 1)
"""Rows of one INSERT into SQLite: a statement of many rows lets other threads run while the database works."""

Upsert = Callable[[sa.Connection, list[tuple[Any, ...]]], None]


def upsert(dialect: sa.Dialect) -> Upsert:
    """Writes rows in the order of COLUMNS, on a connection of that dialect."""
    if dialect.name == "sqlite":
        return write_rows
    insert = upsert_of_json(dialect)
    return lambda connection, rows: write_json(connection, insert, rows)


def write_rows(connection: sa.Connection, rows: list[tuple[Any, ...]]) -> None:
    inserts = upserts_of_rows()
    done = 0
    for size in CHUNKS:
        while len(rows) - done >= size:
            values: list[Any] = []
            for row in rows[done : done + size]:
                values += row  # many times as fast as a chain of iterators
            connection.exec_driver_sql(inserts[size], tuple(values))
            done += size


@cache
def upserts_of_rows() -> Mapping[int, str]:
    """How many rows to their INSERT into SQLite, in the order of COLUMNS."""
    return {rows: repeated(compiled_upsert(1), rows) for rows in CHUNKS}


def compiled_upsert(rows: int) -> str:
    insert = sqlite.insert(_WRITTEN).values([dict.fromkeys(COLUMNS)] * rows)
    return _on_conflict(insert, sqlite.dialect(paramstyle="qmark"))


def repeated(insert: str, rows: int) -> str:
    """An INSERT of one row as one of many: to compile 250 rows takes SQLAlchemy longer than all else at the start."""
    values = f"({', '.join('?' * len(COLUMNS))})"
    head, _, tail = insert.partition(values)
    return head + ", ".join([values] * rows) + tail


def write_json(connection: sa.Connection, insert: str, rows: list[tuple[Any, ...]]) -> None:
    encoded = msgspec.json.encode([dict(zip(COLUMNS, row, strict=True)) for row in rows]).decode()
    if r"\u0000" in encoded:
        encoded = msgspec.json.encode([dict(zip(COLUMNS, map(storable, row), strict=True)) for row in rows]).decode()
    connection.exec_driver_sql(insert, (encoded,))


def upsert_of_json(dialect: sa.Dialect) -> str:
    """INSERT of a JSON array of rows, its one parameter: five times as fast as a parameter for each value."""
    from sqlalchemy.dialects import postgresql  # takes a while to import

    typed = [f"{name} {DELIVERIES.c[name].type.compile(dialect)}" for name in COLUMNS]
    rows = sa.text(f"SELECT {', '.join(COLUMNS)} FROM json_to_recordset(:rows) AS new ({', '.join(typed)})")  # noqa: S608 - names of ours
    insert = postgresql.insert(_WRITTEN).from_select(COLUMNS, rows.columns(*(sa.column(name) for name in COLUMNS)))
    return _on_conflict(insert, dialect)


def _on_conflict(insert: Any, dialect: sa.Dialect) -> str:
    """The statement's text: what was accepted stays; a repeated skip or another run's turn changes nothing.

    Nor does anything but a verdict on a request, where one went unanswered: the network may have it, and only it or
    ``resolve`` can tell.
    """
    old, new = _WRITTEN.c, insert.excluded
    skipped, unanswered = _text("skipped"), _text("no_answer")
    is_verdict = sa.and_(new.attempt_id.is_not(None), new.status != _text("open"))
    # Noted by this run when it was stopped; what is in doubt even then would say so again.
    is_own_answer = sa.and_(old.message == _text(NOTED), old.run_id == new.run_id, new.status == _text("open"))
    statement = insert.on_conflict_do_update(
        index_elements=[old[name] for name in IDENTITY],
        set_={name: new[name] for name in COLUMNS if name not in IDENTITY},
        where=sa.and_(
            old.status != _text("accepted"),
            sa.or_(new.status != skipped, old.status != new.status, old.reason != new.reason),
            sa.or_(old.reason != unanswered, new.reason == unanswered, is_verdict, is_own_answer),
            sa.or_(new.reason != _text("busy"), old.status == skipped),
        ),
    )
    return str(statement.compile(dialect=dialect))


def _text(constant: str) -> sa.ColumnElement[str]:
    return sa.literal_column(f"'{constant}'")


_WRITTEN = sa.table(str(DELIVERIES.name), *(sa.column(name) for name in COLUMNS))
"""Deliveries without types and delivery_id."""


def storable(value: Any) -> Any:
    """A value without NUL, which PostgreSQL has no text with."""
    return value.replace("\0", "") if isinstance(value, str) else value
