"""Writes rows of deliveries: what they share is bound once, everything else for each of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import chain
from typing import Any

import msgspec

from target_adpostbacks.ledger.connections import Connection
from target_adpostbacks.ledger.statements import upsert_of_json, upsert_of_rows
from target_adpostbacks.ledger.tables import COLUMNS

CHUNKS = (250, 25, 1)
"""Rows of one INSERT into SQLite: a statement of many rows lets other threads run while the database works."""
FEW = CHUNKS[1]
"""With fewer rows than these nothing is bound once: there would be as many statements as ways in which they differ."""


def upsert(connection: Connection, columns: Sequence[Sequence[Any]]) -> None:
    """Write rows. ``columns``: the values of each of COLUMNS, in its order."""
    rows = len(columns[0])
    alike = _alike(columns) if rows >= FEW else {}
    if connection.dialect == "postgresql":
        write_json(connection, columns, alike)
        return
    done = 0
    for size in CHUNKS:
        shared = alike if size >= FEW else {}
        each, single = _others(columns, shared)
        while rows - done >= size:
            values = chain.from_iterable(zip(*(column[done : done + size] for column in single), strict=True))
            connection.run(upsert_of_rows((*shared,), each, size), [*shared.values(), *values])
            done += size


def _alike(columns: Sequence[Sequence[Any]]) -> dict[str, Any]:
    """The columns that have one value in all rows, to that; never the first, seq."""
    return {
        name: column[0]
        for name, column in zip(COLUMNS[1:], columns[1:], strict=True)
        if column[0] == column[-1] and column.count(column[0]) == len(column)
    }


def _others(columns: Sequence[Sequence[Any]], shared: Mapping[str, Any]) -> tuple[tuple[str, ...], list[Sequence[Any]]]:
    """The names and the values of the other columns."""
    others = [(name, column) for name, column in zip(COLUMNS, columns, strict=True) if name not in shared]
    return tuple(name for name, _ in others), [column for _, column in others]


def write_json(connection: Connection, columns: Sequence[Sequence[Any]], shared: Mapping[str, Any]) -> None:
    """The same in PostgreSQL: JSON is five times as fast as a parameter for each value."""
    each, single = _others(columns, shared)
    rows = [dict(zip(each, row, strict=True)) for row in zip(*single, strict=True)]
    texts = [_json(shared), _json(rows)]
    if any(r"\u0000" in text for text in texts):
        texts = [_json(_storable(shared)), _json([*map(_storable, rows)])]
    connection.run(upsert_of_json((*shared,), each), dict(zip(("alike", "each"), texts, strict=True)))


def _storable(row: Mapping[str, Any]) -> dict[str, Any]:
    return {name: storable(value) for name, value in row.items()}


def _json(value: Any) -> str:
    return msgspec.json.encode(value).decode()


def storable(value: Any) -> Any:
    """A value without NUL, which PostgreSQL has no text with."""
    return value.replace("\0", "") if isinstance(value, str) else value
