"""Writes rows of deliveries: what they share is bound once, everything else for each of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import chain
from typing import Any

import msgspec

from target_adpostbacks.core.postback import Facts, Key
from target_adpostbacks.ledger.connections import Connection
from target_adpostbacks.ledger.statements import upsert_of_json, upsert_of_rows
from target_adpostbacks.ledger.tables import Delivered, Sent, Status

CHUNKS = (250, 25, 1)
"""Rows of one INSERT into SQLite: a statement of many rows lets other threads run while the database works."""
FEW = CHUNKS[1]
"""With fewer rows than these nothing is bound once: there would be as many statements as ways in which they differ."""


def upsert(connection: Connection, beside: Mapping[str, Sequence[Any]], rows: Sequence[Delivered]) -> None:
    """Write rows. ``beside``: what each has beside itself, ``seq``, ``run_id`` and ``updated_at``."""
    alike, each = _parted({**beside}, rows)
    if connection.dialect == "postgresql":
        write_json(connection, each, alike)
        return
    done = 0
    for size in CHUNKS:
        if size < FEW:
            each |= {name: [value] * len(rows) for name, value in alike.items()}
            alike = {}
        while len(rows) - done >= size:
            values = chain.from_iterable(zip(*(column[done : done + size] for column in each.values()), strict=True))
            connection.run(upsert_of_rows((*alike,), (*each,), size), [*alike.values(), *values])
            done += size


def _parted(
    each: dict[str, Sequence[Any]], rows: Sequence[Delivered]
) -> tuple[dict[str, Any], dict[str, Sequence[Any]]]:
    """The columns that have one value in all rows, to that, and the others, to the values; few rows share nothing.

    What all of them lack is left out: it is NULL by itself.
    """
    keys, accounts, statuses, sent, facts, deadlines = zip(*rows, strict=True)
    each |= {"account": accounts, "deadline": deadlines}
    alike: dict[str, Any] = {}
    for kind, group in ((Key, keys), (Status, statuses), (Sent, sent), (Facts, facts)):
        if len(rows) >= FEW and _is_alike(group):
            alike.update(zip(kind._fields, group[0], strict=True))
        else:
            each.update(zip(kind._fields, zip(*group, strict=True), strict=True))
    for name in [name for name, column in each.items() if len(rows) >= FEW and name != "seq" and _is_alike(column)]:
        alike[name] = each.pop(name)[0]
    return {name: value for name, value in alike.items() if value is not None}, each


def _is_alike(column: Sequence[Any]) -> bool:
    return bool(column[0] == column[-1]) and column.count(column[0]) == len(column)


def write_json(connection: Connection, each: Mapping[str, Sequence[Any]], shared: Mapping[str, Any]) -> None:
    """The same in PostgreSQL: JSON is five times as fast as a parameter for each value."""
    rows = [dict(zip(each, row, strict=True)) for row in zip(*each.values(), strict=True)]
    texts = [_json(shared), _json(rows)]
    if any(r"\u0000" in text for text in texts):
        texts = [_json(_storable(shared)), _json([*map(_storable, rows)])]
    connection.run(upsert_of_json((*shared,), (*each,)), dict(zip(("alike", "each"), texts, strict=True)))


def _storable(row: Mapping[str, Any]) -> dict[str, Any]:
    return {name: storable(value) for name, value in row.items()}


def _json(value: Any) -> str:
    return msgspec.json.encode(value).decode()


def storable(value: Any) -> Any:
    """A value without NUL, which PostgreSQL has no text with."""
    return value.replace("\0", "") if isinstance(value, str) else value
