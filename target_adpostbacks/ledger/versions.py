"""The ledger's versions: what each one adds to the tables of the one before.

To add a column, a table or an index, declare it in ``tables``, and name it in a new last entry of ADDED. A column is
nullable or has a ``server_default``, since rows that are there already get it too. A function does whatever else is to
be done once, and must bear to be called again. Whoever opens an older ledger to write adds what it lacks, and whoever
reads one sees NULL or the default (``as_of``).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import chain
from typing import Any

import sqlalchemy as sa

from target_adpostbacks.ledger.history import keep_history
from target_adpostbacks.ledger.tables import ATTEMPTS, DELIVERIES, HISTORY, METADATA, SEQUENCE

Addition = sa.Column[Any] | sa.Table | sa.Index | Callable[[sa.Connection], None]
Added = Sequence[Sequence[Addition]]

ADDED: Added = (
    [SEQUENCE.c.version],  # 2
    [DELIVERIES.c.adjustment_time],  # 3
    [HISTORY, keep_history],  # 4
    [DELIVERIES.c.deadline],  # 5
    [ATTEMPTS.c.processing, ATTEMPTS.c.counted, ATTEMPTS.c.not_counted, ATTEMPTS.c.checked_at],  # 6
)
"""What version 2 added, what version 3 did, and so on. A ledger in which no version is written is of version 1."""

VERSION = 1 + len(ADDED)
"""Of a ledger that this program makes."""


def version_of(connection: sa.Connection) -> int | None:
    """The version of the ledger; None where there is no ledger yet. ValueError: this program cannot use it."""
    inspector = sa.inspect(connection)
    version, counting = None, _names(inspector, SEQUENCE.name)
    if counting >= {"id", "value"}:
        written = SEQUENCE.c.version if "version" in counting else sa.literal(1)
        version = connection.execute(sa.select(written).select_from(SEQUENCE)).scalar()
    # After the version: whoever brings it up to date meanwhile only adds columns.
    columns = {name: _names(inspector, name) for name in METADATA.tables if inspector.has_table(name)}
    if version is not None and version > VERSION:
        raise ValueError(
            f"it was written by a newer target-adpostbacks (version {version} of the ledger, this program knows"
            f" {VERSION}); update target-adpostbacks"
        )
    for name, present in columns.items():
        table = METADATA.tables[name]
        ours = _columns(table, version or 1, ADDED) or table.columns  # one that is there too early is to be ours too
        if not present >= {column.name for column in ours}:
            raise ValueError(f"the table `{name}` belongs to another program; choose another ledger_url")
    return version


def _names(inspector: sa.Inspector, table: str) -> set[str]:
    """A table's columns; none where there is no such table."""
    return {column["name"] for column in inspector.get_columns(table)} if inspector.has_table(table) else set()


def bring_up_to_date(connection: sa.Connection, version: int | None, added: Added = ADDED) -> None:
    """Make a ledger (None), or add what one of that version lacks. The caller has locked it, and commits."""
    if version is None:
        METADATA.create_all(connection)
    elif connection.dialect.name == "postgresql":
        # ALTER TABLE waits for the transactions of runs, and those wait for this row: none may be half-way.
        connection.exec_driver_sql(f"LOCK TABLE {SEQUENCE.name} IN ACCESS EXCLUSIVE MODE")
    for item in chain(*added[(version or 1) - 1 :]):
        _add(connection, item)
    newest = 1 + len(added)
    if version is None:
        connection.execute(SEQUENCE.insert().values(id=1, value=0, version=newest))
    else:
        connection.execute(SEQUENCE.update().values(version=newest))


def _add(connection: sa.Connection, item: Addition) -> None:
    """Add it where it is not there: a table that is created has the columns of later versions too."""
    if isinstance(item, sa.Table | sa.Index):
        item.create(connection, checkfirst=True)
        return
    if not isinstance(item, sa.Column):
        item(connection)
        return
    table = item.table.name
    if item.name not in {column["name"] for column in sa.inspect(connection).get_columns(table)}:
        column = sa.schema.CreateColumn(item).compile(dialect=connection.dialect)
        connection.exec_driver_sql(f"ALTER TABLE {table} ADD COLUMN {column}")


def as_of(table: sa.Table, version: int, added: Added = ADDED) -> sa.FromClause:
    """The table as a ledger of that version shows it: columns that came later are NULL, or their default."""
    there = _columns(table, version, added)
    if len(there) == len(table.columns):
        return table
    shown = [column if column in there else _default(column).label(column.name) for column in table.columns]
    query = sa.select(*shown)
    return (query if there else query.where(sa.false())).subquery(table.name)


def _columns(table: sa.Table, version: int, added: Added) -> set[sa.Column[Any]]:
    """Those that a ledger of that version has."""
    later = {*chain(*added[version - 1 :])}
    return set() if table in later else {column for column in table.columns if column not in later}


def _default(column: sa.Column[Any]) -> sa.ColumnElement[Any]:
    default = getattr(column.server_default, "arg", None)
    return sa.cast(sa.null() if default is None else default, column.type)
