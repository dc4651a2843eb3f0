"""Questions that are put together with SQLAlchemy. It takes a while to import: nothing else of the ledger does."""

from __future__ import annotations

from functools import cache
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from target_adpostbacks.ledger.database import Database
from target_adpostbacks.ledger.definition import BOOLEAN, DOUBLE, INTEGER, LARGE, NUMBERED, TEXT, Table

KINDS: dict[Any, Any] = {
    TEXT: sa.Text,
    DOUBLE: sa.Double,
    BOOLEAN: sa.Boolean,
    **dict.fromkeys((INTEGER, LARGE, NUMBERED), sa.BigInteger),
}


@cache
def plain(table: Table) -> sa.TableClause:
    """The table itself, which an older ledger may have without some of its columns; the same object each time."""
    return sa.table(table.name, *_columns(table))


def source(database: Database, table: Table) -> sa.FromClause:
    """What to read from: the table with every column that it has today, whatever the ledger's version."""
    shown = database.table(table)
    return plain(table) if shown == table.name else _older(table, shown)


@cache
def _older(table: Table, shown: str) -> sa.FromClause:
    query = shown.removesuffix(f" AS {table.name}")[1:-1]
    return sa.text(query).columns(*_columns(table)).subquery(table.name)


def _columns(table: Table) -> list[sa.ColumnClause[Any]]:
    return [sa.column(column.name, KINDS[column.kind]) for column in table.columns]


def read(database: Database, query: sa.Select[Any]) -> list[Any]:
    """All rows of a query, as named tuples."""
    dialect = (sqlite if database.is_sqlite else postgresql).dialect(paramstyle="named")
    compiled = query.compile(dialect=dialect, compile_kwargs={"render_postcompile": True})
    return database.read(str(compiled), compiled.params)
