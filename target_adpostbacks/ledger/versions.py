"""The ledger's versions: what each one adds to the tables of the one before.

To add a column, a table or an index, declare it in ``tables``, and name it in a new last entry of ADDED. A column is
nullable or has a ``default``, since rows that are there already get it too. A function does whatever else is to be
done once, and must bear to be called again. Whoever opens an older ledger to write adds what it lacks, and whoever
reads one sees NULL or the default (``as_of``).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import chain
from typing import NamedTuple

from target_adpostbacks.ledger.connections import Connection, Connections, UnusableLedger
from target_adpostbacks.ledger.definition import Column, Dialect, Layout, Table
from target_adpostbacks.ledger.history import keep_history
from target_adpostbacks.ledger.tables import (
    ACCEPTED_KEYS,
    AD_PERFORMANCE,
    ATTEMPTS,
    DELIVERIES,
    ERASURE,
    ERASURE_INDEX,
    ERASURE_SUPPRESSIONS,
    HISTORY,
    RUNS,
    SEQUENCE,
)


class Of(NamedTuple):
    """A column of a table."""

    table: Table
    column: str


class Index(NamedTuple):
    """The index of a column that is older."""

    table: Table
    column: str


Addition = Of | Table | Index | Callable[[Connection], None]
Added = Sequence[Sequence[Addition]]

OF_ERASURE = (ERASURE, ERASURE_SUPPRESSIONS, ERASURE_INDEX)

ADDED: Added = (
    [Of(SEQUENCE, "version")],  # 2
    [Of(DELIVERIES, "adjustment_time")],  # 3
    [HISTORY, keep_history],  # 4
    [Of(DELIVERIES, "deadline")],  # 5
    [Of(ATTEMPTS, name) for name in ("processing", "counted", "not_counted", "checked_at")],  # 6
    [Of(DELIVERIES, "click_time")],  # 7
    [AD_PERFORMANCE],  # 8
    OF_ERASURE,  # 9
    [Of(DELIVERIES, name) for name in ("stitched_by", "click_row")],  # 10
    [Of(SEQUENCE, "layout")],  # 11
)
"""What version 2 added, what version 3 did, and so on. A ledger in which no version is written is of version 1."""

VERSION = 1 + len(ADDED)
"""Of a ledger that this program makes."""

OURS = {table.name: table for table in (DELIVERIES, ATTEMPTS, RUNS, HISTORY, AD_PERFORMANCE, *OF_ERASURE, SEQUENCE)}
COLUMNS_OF = {
    "sqlite": """
        SELECT lower(tables.name), columns.name
        FROM sqlite_master AS tables, pragma_table_info(tables.name) AS columns
        WHERE tables.type IN ('table', 'view') AND lower(tables.name) IN ({names})
    """,
    "postgresql": """
        SELECT relname, attname FROM pg_class JOIN pg_attribute ON attrelid = pg_class.oid
        WHERE relkind IN ('r', 'p', 'v', 'm', 'f') AND pg_table_is_visible(pg_class.oid) AND attnum > 0
        AND NOT attisdropped AND relname IN ({names})
    """,
}
"""The columns of tables, whatever the rights of the one who asks."""


def version_of(database: Connection | Connections) -> tuple[int | None, Layout]:
    """The version of the ledger, and its layout; None where there is no ledger yet.

    ValueError: this program cannot use it.
    """
    version, counting = None, _columns_there(database, [SEQUENCE.name]).get(SEQUENCE.name, set())
    layout: Layout = "full"
    if counting >= {"id", "value"}:
        columns = [
            name if name in counting else f"'{default}'" for name, default in (("version", 1), ("layout", layout))
        ]
        if rows := database.read(f"SELECT {', '.join(columns)} FROM {SEQUENCE.name}"):
            version, layout = int(rows[0][0]), rows[0][1]
    if version is not None and version > VERSION:
        raise ValueError(
            f"it was written by a newer target-adpostbacks (version {version} of the ledger, this program knows"
            f" {VERSION}); update target-adpostbacks"
        )
    # After the version: whoever brings it up to date meanwhile only adds columns.
    for name, present in _columns_there(database, OURS).items():
        table = OURS[name]
        ours = _names(table, version or 1, ADDED) or {*table.names}  # one that is there too early is to be ours too
        if not present >= ours:
            raise ValueError(f"the table `{name}` belongs to another program; choose another ledger_url")
    return version, layout


def has(connection: Connection, table: Table) -> bool:
    """Whether the table is there, and ours."""
    return _columns_there(connection, [table.name]).get(table.name, set()) >= {*table.names}


def make(connection: Connection, tables: Iterable[Table]) -> None:
    """Make tables that few ledgers need, where they are not there. UnusableLedger: one is another program's."""
    for table in tables:
        if table.name in _columns_there(connection, [table.name]) and not has(connection, table):
            raise UnusableLedger(f"the table `{table.name}` belongs to another program; choose another ledger_url")
        _create(connection, table)


def _columns_there(database: Connection | Connections, tables: Iterable[str]) -> dict[str, set[str]]:
    """The tables that are there to the names of their columns."""
    there: dict[str, set[str]] = {}
    names = ", ".join(f"'{name}'" for name in tables)
    for table, column in database.read(COLUMNS_OF[database.dialect].format(names=names)):
        there.setdefault(table, set()).add(column)
    return there


def bring_up_to_date(
    connection: Connection, version: int | None, added: Added = ADDED, layout: Layout = "full"
) -> None:
    """Make a ledger (None) of this layout, or add what one of that version lacks.

    The caller has locked it, and commits.
    """
    if version is None:
        for table in OURS.values():
            _create(connection, table)
    elif connection.dialect == "postgresql":
        # ALTER TABLE waits for the transactions of runs, and those wait for this row: none may be half-way.
        connection.run(f"LOCK TABLE {SEQUENCE.name} IN ACCESS EXCLUSIVE MODE")
    for item in chain(*added[(version or 1) - 1 :]):
        _add(connection, item)
    newest = 1 + len(added)
    if version is None:
        connection.run(f"INSERT INTO {SEQUENCE.name} (id, value, version, layout) VALUES (1, 0, {newest}, '{layout}')")
        if layout == "compact":
            for statement in ACCEPTED_KEYS[connection.dialect]:
                connection.run(statement)
    else:
        connection.run(f"UPDATE {SEQUENCE.name} SET version = {newest}")


def _create(connection: Connection, table: Table) -> None:
    for statement in table.created(connection.dialect):
        connection.run(statement)


def _add(connection: Connection, item: Addition) -> None:
    """Add it where it is not there: a table that is created has the columns of later versions too."""
    if isinstance(item, Table):
        _create(connection, item)
    elif isinstance(item, Index):
        connection.run(item.table.index_of(item.column))
    elif not isinstance(item, Of):
        item(connection)
    elif item.column not in _columns_there(connection, [item.table.name])[item.table.name]:
        column = _column(item)
        connection.run(f"ALTER TABLE {item.table.name} ADD COLUMN {column.defined(connection.dialect)}")
        if column.indexed:
            connection.run(item.table.index_of(column.name))


def _column(of: Of) -> Column:
    return next(column for column in of.table.columns if column.name == of.column)


def as_of(table: Table, version: int, dialect: Dialect, added: Added = ADDED) -> str:
    """The table as a ledger of that version shows it: columns that came later are NULL, or their default."""
    there = _names(table, version, added)
    if len(there) == len(table.columns):
        return table.name
    shown = [column.name if column.name in there else column.absent(dialect) for column in table.columns]
    source = f"FROM {table.name}" if there else "WHERE false"
    return f"(SELECT {', '.join(shown)} {source}) AS {table.name}"


def _names(table: Table, version: int, added: Added) -> set[str]:
    """The columns that a ledger of that version has."""
    later = [*chain(*added[version - 1 :])]
    if table in later:
        return set()
    return {*table.names} - {item.column for item in later if isinstance(item, Of) and item.table.name == table.name}
