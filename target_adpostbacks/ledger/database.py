"""The ledger's database: opened without telling its password, written a batch of rows at a time."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import backoff
import msgspec
import sqlalchemy as sa
from sqlalchemy.dialects import sqlite

from target_adpostbacks.ledger.tables import COLUMNS, DELIVERIES, IDENTITY, METADATA, SEQUENCE

CHUNKS = (250, 25, 1)
"""Rows of one INSERT into SQLite: a statement of many rows lets other threads run while the database works."""
CHECKPOINT_PAGES = 8_000
"""Pages of 4 KiB that SQLite writes to its -wal file before it copies them to the database: a page of an index changes
with many commits, and is copied once."""
SQLITE_WAIT = 60
"""Seconds that a connection waits while another one has the file locked."""
CREATION = 4_115_003
"""Names the lock under which a PostgreSQL ledger's tables are created: any number, ours."""


POSTGRES_WAITS = {"connect_timeout": 30, "tcp_user_timeout": 60_000}
"""Seconds for a connection, and milliseconds for what goes over it to arrive, where ledger_url says nothing else."""


class UnusableLedger(Exception):
    """The ledger can't be opened or written: says which and what to do, without the URL's password."""


class NoLedger(UnusableLedger):
    """There is none at that place yet: nothing was ever sent, or the place is another one."""


def default_url(environ: Mapping[str, str]) -> str:
    """The SQLite file in the Meltano project, else in the current directory. Raises UnusableLedger."""
    try:
        folder = Path(environ.get("MELTANO_PROJECT_ROOT") or Path.cwd())
    except FileNotFoundError:
        raise UnusableLedger("ledger: the current directory is gone; set ledger_url") from None
    if "?" in str(folder):
        raise UnusableLedger("ledger: its folder has a `?` in its name, and no URL can say that; set ledger_url")
    return f"sqlite:///{folder / 'adpostbacks.db'}"


def is_prepared(connection: sa.Connection) -> bool:
    inspector = sa.inspect(connection)
    for table in METADATA.tables.values():
        if not inspector.has_table(table.name):
            if table is SEQUENCE:
                return False
            continue
        if not {column["name"] for column in inspector.get_columns(table.name)} >= {*table.columns.keys()}:
            raise UnusableLedger(f"ledger: there is another program's table `{table.name}`; choose another ledger_url")
    return connection.execute(sa.select(SEQUENCE.c.value)).first() is not None


def parsed(url: str) -> sa.URL:
    """The URL, or ValueError without a word of it: what is not understood may be a piece of the password."""
    try:
        address = sa.make_url(url)
    except (sa.exc.ArgumentError, ValueError):
        address = None
    if address is None or (address.host and "@" in address.host + (address.database or "")):
        raise ValueError("ledger_url: not a URL; in a password, write %40 for @, %3A for :, %2F for /")
    if address.drivername in ("postgres", "postgresql"):
        return address.set(drivername="postgresql+psycopg")
    if address.get_backend_name() not in ("sqlite", "postgresql"):
        raise ValueError("ledger_url: sqlite or postgresql expected")
    return address


def engine(url: sa.URL, create: bool) -> sa.Engine:
    if url.get_backend_name() == "postgresql":
        waits = {name: wait for name, wait in POSTGRES_WAITS.items() if name not in url.query}
        return sa.create_engine(url, paramstyle="format", pool_pre_ping=True, connect_args=waits)
    file = url.database
    if not file or file == ":memory:" or url.host:
        raise ValueError("ledger_url: a file expected, sqlite:///folder/adpostbacks.db (four slashes: from the root)")
    if url.get_driver_name() != "pysqlite":
        raise ValueError("ledger_url: for SQLite write sqlite:///, without a driver")
    if not Path(file).exists():
        if not create:
            raise NoLedger(f"ledger: there is none at {file} yet; target-adpostbacks makes it")
        _create_private(file)
    engine = sa.create_engine(url, connect_args={"timeout": SQLITE_WAIT})
    sa.event.listen(engine, "connect", _configure_sqlite)
    return engine


def _create_private(file: str) -> None:
    """Create the file so that only its owner can read it; SQLite gives its -wal and -shm the same mode."""
    os.close(os.open(file, os.O_CREAT | os.O_WRONLY, 0o600))


@backoff.on_exception(
    backoff.constant,
    sqlite3.OperationalError,
    interval=0.1,
    max_time=SQLITE_WAIT,
    giveup=lambda error: "lock" not in str(error),
    logger=None,
)
def _write_ahead(cursor: sqlite3.Cursor) -> None:
    """Switch a new file to WAL, so that readers do not wait for the writer.

    SQLite's own timeout does not cover the switch. Two connections that switch at once would wait for each other, so
    SQLite refuses one of them immediately. Trying again also helps when another program is the one that writes.
    """
    cursor.execute("PRAGMA journal_mode=WAL")


def _configure_sqlite(connection: Any, _: Any) -> None:
    cursor = connection.cursor()
    _write_ahead(cursor)
    cursor.execute("PRAGMA synchronous=FULL")  # what is committed survives a power cut: it must never be sent again
    cursor.execute(f"PRAGMA wal_autocheckpoint={CHECKPOINT_PAGES}")
    cursor.close()


def explained(error: BaseException) -> str:
    """What is wrong with the ledger, without statements and their parameters."""
    cause = getattr(error, "orig", None) or error
    if isinstance(error, ImportError):
        return "ledger: PostgreSQL needs a driver; pip install 'target-adpostbacks[postgres]'"
    if isinstance(error, OSError):
        return f"ledger: {error.strerror or type(error).__name__}; check ledger_url and that its place can be written"
    text = str(cause).splitlines()[0] if str(cause) else type(cause).__name__
    if isinstance(error, ValueError):
        return f"ledger: {text}"
    return f"ledger: {text}; check ledger_url and that its place can be written"


def among(dialect: sa.Dialect, texts: Sequence[str]) -> Any:
    """What ``column.in_`` takes for these texts: in SQLite one value, in place of a thousand to be bound in Python."""
    encoded = msgspec.json.encode(texts).decode()
    if dialect.name != "sqlite" or r"\u0000" in encoded:
        return texts
    return sa.select(sa.func.json_each(encoded).table_valued("value").c.value)


# --- Writing deliveries ----------------------------------------------------------------------------------------------
# The statements are text, made once: SQLAlchemy would bind each of a row's thirty values in Python.


def write_rows(connection: sa.Connection, inserts: Mapping[int, str], rows: list[tuple[Any, ...]]) -> None:
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
    statement = insert.on_conflict_do_update(
        index_elements=[old[name] for name in IDENTITY],
        set_={name: new[name] for name in COLUMNS if name not in IDENTITY},
        where=sa.and_(
            old.status != _text("accepted"),
            sa.or_(new.status != skipped, old.status != new.status, old.reason != new.reason),
            sa.or_(old.reason != unanswered, new.reason == unanswered, is_verdict),
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
