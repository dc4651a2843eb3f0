"""Opens the ledger's database, and reads it a page at a time. No message shows its password."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import backoff
import msgspec
import sqlalchemy as sa

from target_adpostbacks.ledger.tables import METADATA, SEQUENCE
from target_adpostbacks.ledger.versions import VERSION, as_of, bring_up_to_date, version_of

Purpose = Literal["read", "write", "create"]

READ_ROWS = 1000
CHECKPOINT_PAGES = 8_000
"""Pages of 4 KiB that SQLite writes to its -wal file before it copies them to the database: a page of an index changes
with many commits, and is copied once."""
SQLITE_WAIT = 60
"""Seconds that a connection waits while another one has the file locked."""
CREATION = 4_115_003
"""Names the lock under which a PostgreSQL ledger's tables are created and changed: any number, ours."""


POSTGRES_WAITS = {"connect_timeout": 30, "tcp_user_timeout": 60_000}
"""Seconds for a connection, and milliseconds for what goes over it to arrive, where ledger_url says nothing else."""

CHECK_URL = "check ledger_url, and that its file or database can be written to"


class UnusableLedger(Exception):
    """The ledger can't be opened or written. The message says why and what to do, without the password."""


class NoLedger(UnusableLedger):
    """There is no ledger at that place: nothing was sent yet, or it is the wrong place."""


class Database:
    """A ledger's database, opened. Safe to use from several threads.

    ``purpose``: what the caller may do. Only "create" makes a ledger where there is none; the others get NoLedger.
    """

    def __init__(self, url: str, purpose: Purpose) -> None:
        try:
            address = parsed(url)
            self.location = address.set(query={}).render_as_string(hide_password=True)
            self.file = address.database
            self.engine = engine(address, purpose)
            try:
                version = self._prepared(purpose)
            except BaseException:
                self.close()
                raise
        except (sa.exc.SQLAlchemyError, ImportError, OSError, ValueError) as error:
            raise UnusableLedger(explained(error)) from None
        self._tables = {table: as_of(table, version) for table in METADATA.sorted_tables}

    @property
    def is_sqlite(self) -> bool:
        """Whether it is a file; else it is PostgreSQL."""
        return self.engine.dialect.name == "sqlite"

    def _prepared(self, purpose: Purpose) -> int:
        """The version of the ledger, once it is there and, for those who write, up to date."""
        with self.engine.connect() as connection:
            version = version_of(connection)
        if version is None and purpose != "create":
            raise NoLedger(f"no ledger at {self.location} yet; the first run creates it")
        if version == VERSION or purpose == "read":
            return version or VERSION
        with self.engine.begin() as connection:
            # Several may begin at once: one changes the tables, the others wait for it.
            lock = "BEGIN IMMEDIATE" if self.is_sqlite else f"SELECT pg_advisory_xact_lock({CREATION})"
            connection.exec_driver_sql(lock)
            version = version_of(connection)
            if version != VERSION:
                bring_up_to_date(connection, version)
        return VERSION

    def table(self, table: sa.Table) -> sa.FromClause:
        """What to read from: the table with every column that it has today, whatever the ledger's version."""
        return self._tables[table]

    @contextmanager
    def begin(self) -> Iterator[sa.Connection]:
        """A transaction, committed at the end."""
        with _explaining(), self.engine.begin() as connection:
            yield connection

    def read(self, query: sa.Select[Any], values: Mapping[str, Any] | None = None) -> Sequence[sa.Row[Any]]:
        """All rows of a query."""
        with _explaining(), self.engine.connect() as connection:
            return connection.execute(query, values or {}).all()

    def pages(
        self, query: sa.Select[Any], seq: sa.ColumnElement[Any], after: int, *, newest_first: bool = False
    ) -> Iterator[Sequence[sa.Row[Any]]]:
        """A thousand rows at a time, in a transaction each, so that no writer waits and memory stays flat.

        In the order of ``seq``, after that one, up to what is committed now.
        """
        ((last,),) = self.read(sa.select(SEQUENCE.c.value))
        reached: sa.BindParameter[int] = sa.bindparam("reached")
        order, further = (seq.desc(), seq < reached) if newest_first else (seq, seq > reached)
        query = query.where(seq > after, seq <= last, further).order_by(order).limit(READ_ROWS)
        at = last + 1 if newest_first else after
        while True:
            rows = self.read(query, {"reached": at})
            if rows:
                yield rows
            if len(rows) < READ_ROWS:
                return
            at = rows[-1].seq

    def close(self) -> None:
        """Give back every connection."""
        self.engine.dispose()


@contextmanager
def _explaining() -> Iterator[None]:
    """Errors of the database become UnusableLedger."""
    try:
        yield
    except sa.exc.SQLAlchemyError as error:
        raise UnusableLedger(explained(error)) from None


def parsed(url: str) -> sa.URL:
    """The URL; raises ValueError without its text, which may hold a piece of the password."""
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


def engine(url: sa.URL, purpose: Purpose) -> sa.Engine:
    if url.get_backend_name() == "postgresql":
        waits = {name: wait for name, wait in POSTGRES_WAITS.items() if name not in url.query}
        return sa.create_engine(url, paramstyle="format", pool_pre_ping=True, connect_args=waits)
    file = url.database
    if not file or file == ":memory:" or url.host:
        raise ValueError("ledger_url: a file expected, sqlite:///folder/adpostbacks.db (four slashes: from the root)")
    if url.get_driver_name() != "pysqlite":
        raise ValueError("ledger_url: for SQLite write sqlite:///, without a driver")
    if not Path(file).exists():
        if purpose != "create":
            raise NoLedger(f"no ledger at {file} yet; the first run creates it")
        _create_private(file)
    engine = sa.create_engine(url, connect_args={"timeout": SQLITE_WAIT})
    sa.event.listen(engine, "connect", _only_reading if purpose == "read" else _writing)
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


def _writing(connection: sqlite3.Connection, _: Any) -> None:
    cursor = connection.cursor()
    _write_ahead(cursor)
    cursor.execute("PRAGMA synchronous=FULL")  # what is committed survives a power cut: it must never be sent again
    cursor.execute(f"PRAGMA wal_autocheckpoint={CHECKPOINT_PAGES}")
    cursor.close()


def _only_reading(connection: sqlite3.Connection, _: Any) -> None:
    connection.execute("PRAGMA query_only=ON").close()


def explained(error: BaseException) -> str:
    """What is wrong with the ledger, without statements and their parameters."""
    cause = getattr(error, "orig", None) or error
    if isinstance(error, ImportError):
        return "ledger: PostgreSQL needs a driver; pip install 'target-adpostbacks[postgres]'"
    if isinstance(error, OSError):
        place = f"{error.filename}: " if error.filename else ""
        return f"ledger: {place}{error.strerror or type(error).__name__}; {CHECK_URL}"
    text = str(cause).splitlines()[0] if str(cause) else type(cause).__name__
    if isinstance(error, ValueError):
        return f"ledger: {text}"
    if text.startswith("must be owner"):
        return f"ledger: {text} to bring it up to date; let target-adpostbacks run once as that role"
    return f"ledger: {text}; {CHECK_URL}"


def among(dialect: sa.Dialect, texts: Sequence[str]) -> Any:
    """What ``column.in_`` takes for these texts: in SQLite one value, in place of a thousand to be bound in Python."""
    encoded = msgspec.json.encode(texts).decode()
    if dialect.name != "sqlite" or r"\u0000" in encoded:
        return texts
    return sa.select(sa.func.json_each(encoded).table_valued("value").c.value)
