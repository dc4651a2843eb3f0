"""A ledger's database, opened: of which version it is, and what it holds, read a page at a time."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import msgspec

from target_adpostbacks.ledger.address import parsed
from target_adpostbacks.ledger.connections import (
    CHECK_URL,
    Connection,
    Connections,
    NoLedger,
    Purpose,
    UnusableLedger,
    Values,
)
from target_adpostbacks.ledger.definition import Layout, Table
from target_adpostbacks.ledger.versions import VERSION, as_of, bring_up_to_date, version_of

READ_ROWS = 1000
OTHER_LAYOUT = (
    "it was made with ledger_layout: {there}, and the config has {wanted}; set ledger_layout: {there}, or let"
    " ledger_url name a new ledger, which knows nothing of what this one has accepted"
)
CREATION = 4_115_003
"""Names the lock under which a PostgreSQL ledger's tables are created and changed: any number, ours."""


class Database:
    """A ledger's database, opened. Safe to use from several threads.

    ``purpose``: what the caller may do. Only "create" makes a ledger where there is none; the others get NoLedger.
    ``layout``: which the ledger is made with, or has to have; None: any will do.
    """

    def __init__(self, url: str, purpose: Purpose, layout: Layout | None = None) -> None:
        try:
            address = parsed(url)
            self.location = address.location
            self.file = address.file
            self._connections = Connections(address, purpose)
        except (ImportError, OSError, ValueError) as error:
            raise UnusableLedger(explained(error)) from None
        self.dialect = self._connections.dialect
        self.is_sqlite = address.is_sqlite
        try:
            self._version, self.layout = self._prepared(purpose, layout)
            if layout and layout != self.layout:
                raise ValueError(OTHER_LAYOUT.format(there=self.layout, wanted=layout))
        except BaseException as error:
            self.close()
            if isinstance(error, (*self.errors, OSError, ValueError)):
                raise UnusableLedger(explained(error)) from None
            raise

    def _prepared(self, purpose: Purpose, wanted: Layout | None) -> tuple[int, Layout]:
        """The version and the layout of the ledger, once it is there and, for those who write, up to date."""
        version, layout = version_of(self._connections)
        if version is None and purpose != "create":
            raise NoLedger(f"no ledger at {self.location} yet; the first run creates it")
        if version == VERSION or purpose == "read":
            return version or VERSION, layout
        # Several may begin at once: one changes the tables, the others wait for it.
        with self._connections.transaction() as connection:
            if not self.is_sqlite:
                connection.value(f"SELECT pg_advisory_xact_lock({CREATION})")
            version, layout = version_of(connection)
            if version is None:
                layout = wanted or "full"
            if version != VERSION:
                bring_up_to_date(connection, version, layout=layout)
        return VERSION, layout

    def table(self, table: Table) -> str:
        """What to read from: the table with every column that it has today, whatever the ledger's version."""
        return as_of(table, self._version, self.dialect)

    @contextmanager
    def begin(self) -> Iterator[Connection]:
        """A transaction, committed at the end."""
        with self.explaining(), self._connections.transaction() as connection:
            yield connection

    def session(self) -> Connection:
        """A connection that its caller alone uses, and closes; it raises the driver's errors, which are ``errors``."""
        return self._connections.new()

    @property
    def errors(self) -> tuple[type[Exception], ...]:
        """Those of the driver."""
        return self._connections.errors

    def read(self, query: str, values: Values = ()) -> list[Any]:
        """All rows of a query, as named tuples."""
        with self.explaining():
            return self._connections.read(query, values)

    @property
    def last_seq(self) -> int:
        """The highest seq that is handed out and committed."""
        ((last,),) = self.read("SELECT value FROM sequence")
        return int(last)

    def pages(
        self,
        query: str,
        values: Mapping[str, Any],
        seq: str,
        after: int,
        until: int | None = None,
        *,
        newest_first: bool = False,
    ) -> Iterator[Sequence[Any]]:
        """A thousand rows at a time, in a transaction each, so that no writer waits and memory stays flat.

        In the order of the column ``seq``, after that one, up to what is committed now, or to ``until``, which was
        before. ``query`` ends with a WHERE.
        """
        last = self.last_seq if until is None else until
        order, further = ("DESC", "<") if newest_first else ("ASC", ">")
        query += f" AND {seq} > :after AND {seq} <= :last AND {seq} {further} :reached"
        query += f" ORDER BY {seq} {order} LIMIT {READ_ROWS}"
        reached = last + 1 if newest_first else after
        while True:
            rows = self.read(query, {**values, "after": after, "last": last, "reached": reached})
            if rows:
                yield rows
            if len(rows) < READ_ROWS:
                return
            reached = rows[-1].seq

    def among(self, column: str, name: str, values: Sequence[Any]) -> tuple[str, dict[str, Any]]:
        """A condition, that the column has one of these values, and what it binds under that name.

        In SQLite that is one value, in place of a thousand to be bound in Python.
        """
        if not self.is_sqlite:
            return f"{column} = ANY(:{name})", {name: [*values]}
        encoded = msgspec.json.encode(values).decode()
        if r"\u0000" not in encoded:
            return f"{column} IN (SELECT value FROM json_each(:{name}))", {name: encoded}
        each = {f"{name}_{number}": value for number, value in enumerate(values)}
        return f"{column} IN ({', '.join(f':{place}' for place in each)})", each

    def close(self) -> None:
        """Give back every connection."""
        self._connections.close()

    @contextmanager
    def explaining(self) -> Iterator[None]:
        """Errors of the database become UnusableLedger."""
        try:
            yield
        except self.errors as error:
            raise UnusableLedger(explained(error)) from None


def explained(error: BaseException) -> str:
    """What is wrong with the ledger, without statements and their parameters."""
    if isinstance(error, ImportError):
        return "ledger: PostgreSQL needs a driver; pip install 'target-adpostbacks[postgres]'"
    if isinstance(error, OSError):
        place = f"{error.filename}: " if error.filename else ""
        return f"ledger: {place}{error.strerror or type(error).__name__}; {CHECK_URL}"
    text = str(error).splitlines()[0] if str(error) else type(error).__name__
    if isinstance(error, ValueError):
        return f"ledger: {text}"
    if text.startswith("must be owner"):
        return f"ledger: {text} to bring it up to date; let target-adpostbacks run once as that role"
    return f"ledger: {text}; {CHECK_URL}"
