"""Writes rows of deliveries: what they share is bound once, everything else for each of them."""

from __future__ import annotations

from itertools import chain
from typing import Any

import msgspec

from target_adpostbacks.ledger.connections import Connection
from target_adpostbacks.ledger.statements import SHARED, upsert_of_json, upsert_of_rows
from target_adpostbacks.ledger.tables import COLUMNS

CHUNKS = (250, 25, 1)
"""Rows of one INSERT into SQLite: a statement of many rows lets other threads run while the database works."""
PLACES = {name: COLUMNS.index(name) for name in SHARED}


def upsert(connection: Connection, rows: list[tuple[Any, ...]]) -> None:
    """Write rows in the order of COLUMNS."""
    columns = [*zip(*rows, strict=True)]
    alike = tuple(name for name, place in PLACES.items() if columns[place].count(columns[place][0]) == len(rows))
    each = tuple(name for name in COLUMNS if name not in alike)
    shared = [columns[PLACES[name]][0] for name in alike]
    single = [column for name, column in zip(COLUMNS, columns, strict=True) if name not in alike]
    if connection.dialect == "postgresql":
        write_json(connection, alike, each, shared, single)
        return
    done = 0
    for size in CHUNKS:
        while len(rows) - done >= size:
            values = chain.from_iterable(zip(*(column[done : done + size] for column in single), strict=True))
            connection.run(upsert_of_rows(alike, each, size), [*shared, *values])
            done += size


def write_json(
    connection: Connection,
    alike: tuple[str, ...],
    each: tuple[str, ...],
    shared: list[Any],
    single: list[tuple[Any, ...]],
) -> None:
    """The same in PostgreSQL: JSON is five times as fast as a parameter for each value."""
    rows = [dict(zip(each, row, strict=True)) for row in zip(*single, strict=True)]
    texts = [_json(dict(zip(alike, shared, strict=True))), _json(rows)]
    if any(r"\u0000" in text for text in texts):
        rows = [{name: storable(value) for name, value in row.items()} for row in rows]
        texts = [_json(dict(zip(alike, map(storable, shared), strict=True))), _json(rows)]
    connection.run(upsert_of_json(alike, each), dict(zip(("alike", "each"), texts, strict=True)))


def _json(value: Any) -> str:
    return msgspec.json.encode(value).decode()


def storable(value: Any) -> Any:
    """A value without NUL, which PostgreSQL has no text with."""
    return value.replace("\0", "") if isinstance(value, str) else value
