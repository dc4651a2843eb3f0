"""Connections to the ledger's database, by its own driver: sqlite3, or psycopg for PostgreSQL.

SQL is written once for both. It names its values ``:name``, as SQLite does.
"""

from __future__ import annotations

import os
import re
import sqlite3
import time
from collections import namedtuple
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal, TypeVar

from target_adpostbacks.ledger.address import Address
from target_adpostbacks.ledger.definition import Dialect

Purpose = Literal["read", "write", "create"]
T = TypeVar("T")
Values = Mapping[str, Any] | Sequence[Any]
"""By the names in the SQL; or in order, for SQL with the placeholders of the driver."""

CHECKPOINT_PAGES = 8_000
"""Pages of 4 KiB that SQLite writes to its -wal file before it copies them to the database: a page of an index changes
with many commits, and is copied once."""
SQLITE_WAIT = 60
"""Seconds that a connection waits while another one has the file locked."""
STATEMENTS = 32
"""Statements that a SQLite connection keeps, half a megabyte each where they write 250 rows."""
IDLE_CONNECTIONS = 5
"""Connections that are kept for the next use, at most."""
POSTGRES_WAITS = {"connect_timeout": 30, "tcp_user_timeout": 60_000}
"""Seconds for a connection, and milliseconds for what goes over it to arrive, where ledger_url says nothing else."""

CHECK_URL = "check ledger_url, and that its file or database can be written to"


class UnusableLedger(Exception):
    """The ledger can't be opened or written. The message says why and what to do, without the password."""


class NoLedger(UnusableLedger):
    """There is no ledger at that place: nothing was sent yet, or it is the wrong place."""


class Connection:
    """A connection of one driver; whatever is outside a transaction is committed at once.

    Raises the driver's errors.
    """

    def __init__(self, driver: Any, dialect: Dialect) -> None:
        self.dialect = dialect
        self._driver = driver

    def run(self, sql: str, values: Values = ()) -> int:
        """How many rows a statement has changed."""
        changed: int = self._execute(sql, values).rowcount
        return changed

    def read(self, sql: str, values: Values = ()) -> list[Any]:
        """All rows of a query, as named tuples."""
        cursor = self._execute(sql, values)
        row = _row(tuple(column[0] for column in cursor.description))
        return [*map(row._make, cursor.fetchall())]

    def value(self, sql: str, values: Values = ()) -> Any:
        """The first column of the first row; None where there is no row."""
        row = self._execute(sql, values).fetchone()
        return row and row[0]

    def _execute(self, sql: str, values: Values) -> Any:
        if not values:
            return self._driver.execute(sql)
        if self.dialect == "postgresql" and isinstance(values, Mapping):
            sql = _for_psycopg(sql)
        return self._driver.execute(sql, values)

    @property
    def is_lost(self) -> bool:
        """Whether the server has ended it."""
        return self.dialect == "postgresql" and bool(self._driver.closed)

    def close(self) -> None:
        """End it, and a transaction that is not committed."""
        self._driver.close()


@lru_cache(maxsize=256)
def _for_psycopg(sql: str) -> str:
    return re.sub(r"(?<!:):(\w+)", r"%(\1)s", sql.replace("%", "%%"))


@lru_cache(maxsize=256)
def _row(names: tuple[str, ...]) -> Any:
    """The type of rows with these columns; what has no name of its own is read by its place."""
    return namedtuple("Row", names, rename=True)


class Connections:
    """Connections to one database. Each serves one thread at a time, and then the next one.

    ``errors``: those of the driver. Raises OSError, ValueError, ImportError or NoLedger.
    """

    def __init__(self, address: Address, purpose: Purpose) -> None:
        self.dialect: Dialect = "sqlite" if address.is_sqlite else "postgresql"
        self.errors: tuple[type[Exception], ...] = (sqlite3.Error,)
        self._purpose = purpose
        self._idle: list[Connection] = []
        self._is_closed = False
        if address.is_sqlite:
            self._arguments = {"timeout": SQLITE_WAIT, "cached_statements": STATEMENTS, **address.of_sqlite()}
            self._arguments |= {"isolation_level": None, "check_same_thread": False}
            _ensure_file(address, purpose)
        else:
            import psycopg

            self.errors = (psycopg.Error,)
            self._arguments = {**POSTGRES_WAITS, **address.of_postgresql(), "autocommit": True}

    def new(self) -> Connection:
        """A connection that its caller alone uses, and closes."""
        if self.dialect == "postgresql":
            import psycopg

            return Connection(psycopg.connect(**self._arguments), self.dialect)
        driver = sqlite3.connect(**self._arguments)
        try:
            (_only_reading if self._purpose == "read" else _writing)(driver)
        except BaseException:
            driver.close()
            raise
        return Connection(driver, self.dialect)

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        """A transaction, committed at the end. In SQLite it has the file for itself from its beginning."""
        begin = "BEGIN IMMEDIATE" if self.dialect == "sqlite" else "BEGIN"
        connection, _ = self._first(lambda connection: connection.run(begin))
        try:
            yield connection
            connection.run("COMMIT")
        except BaseException:
            connection.close()
            raise
        self._keep(connection)

    def read(self, sql: str, values: Values = ()) -> list[Any]:
        """All rows of a query, as named tuples."""
        connection, rows = self._first(lambda connection: connection.read(sql, values))
        self._keep(connection)
        return rows

    def _first(self, use: Callable[[Connection], T]) -> tuple[Connection, T]:
        """A connection, and what comes of its first use; one that was lost since its last is replaced."""
        while True:
            kept = self._kept()
            connection = kept or self.new()
            try:
                return connection, use(connection)
            except BaseException:
                is_lost = connection.is_lost
                connection.close()
                if not (kept and is_lost):
                    raise

    def _kept(self) -> Connection | None:
        try:
            return self._idle.pop()
        except IndexError:
            return None

    def _keep(self, connection: Connection) -> None:
        if len(self._idle) >= IDLE_CONNECTIONS:
            connection.close()
            return
        self._idle.append(connection)
        if self._is_closed:
            self.close()

    def close(self) -> None:
        """End all of them; those in use end when they are given back."""
        self._is_closed = True
        while connection := self._kept():
            connection.close()


def _ensure_file(address: Address, purpose: Purpose) -> None:
    file = address.file
    if not file or file == ":memory:" or any((address.user, address.password, address.host, address.port)):
        raise ValueError("ledger_url: a file expected, sqlite:///folder/adpostbacks.db (four slashes: from the root)")
    if Path(file).exists():
        return
    if purpose != "create":
        raise NoLedger(f"no ledger at {file} yet; the first run creates it")
    # Only its owner can read it; SQLite gives its -wal and -shm the same mode.
    os.close(os.open(file, os.O_CREAT | os.O_WRONLY, 0o600))


def _write_ahead(driver: sqlite3.Connection) -> None:
    """Switch a new file to WAL, so that readers do not wait for the writer.

    SQLite's own timeout does not cover the switch. Two connections that switch at once would wait for each other, so
    SQLite refuses one of them immediately. Trying again also helps when another program is the one that writes.
    """
    until = time.monotonic() + SQLITE_WAIT
    while True:
        try:
            driver.execute("PRAGMA journal_mode=WAL").close()
        except sqlite3.OperationalError as error:  # noqa: PERF203 - it waits
            if "lock" not in str(error) or time.monotonic() > until:
                raise
            time.sleep(0.1)
        else:
            return


def _writing(driver: sqlite3.Connection) -> None:
    _write_ahead(driver)
    driver.execute("PRAGMA synchronous=FULL")  # what is committed survives a power cut: it must never be sent again
    driver.execute(f"PRAGMA wal_autocheckpoint={CHECKPOINT_PAGES}").close()


def _only_reading(driver: sqlite3.Connection) -> None:
    driver.execute("PRAGMA query_only=ON").close()
