"""The database that says what became of each postback: SQLite by default, PostgreSQL by URL."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import Any

import msgspec
import sqlalchemy as sa

from target_adpostbacks.ledger import log
from target_adpostbacks.ledger.database import (
    CHUNKS,
    CREATION,
    NoLedger,
    UnusableLedger,
    among,
    default_url,
    engine,
    explained,
    is_prepared,
    parsed,
    storable,
    upsert_of_json,
    upserts_of_rows,
    write_json,
    write_rows,
)
from target_adpostbacks.ledger.locks import AdvisoryLocks, FileLocks, Locks
from target_adpostbacks.ledger.log import RETRIED, STATUSES, Line
from target_adpostbacks.ledger.tables import (
    ATTEMPTS,
    DELIVERIES,
    FORGOTTEN,
    IDENTITY,
    METADATA,
    NO_REQUEST,
    RUNS,
    SEQUENCE,
    TABLES,
    Delivered,
    Earlier,
    Sent,
    Status,
    key,
    schema,
)

__all__ = [
    "CHUNKS",
    "EXPIRED_ROWS",
    "IDENTITY",
    "NO_REQUEST",
    "READ_ROWS",
    "RETRIED",
    "STATUSES",
    "TABLES",
    "Delivered",
    "Earlier",
    "Ledger",
    "Line",
    "NoLedger",
    "Sent",
    "Status",
    "UnusableLedger",
    "default_url",
    "key",
    "schema",
]

READ_ROWS = 1000
EXPIRED_ROWS = 5000


class Ledger:
    """One run's view of the ledger. Safe to use from several threads; every write is committed when it returns.

    ``create``: False for those who only read. They get NoLedger where there is none; in PostgreSQL they need no right
    to write.
    """

    def __init__(self, url: str, run_id: str = "", *, create: bool = True) -> None:
        self.run_id = run_id
        self._lock = threading.Lock()
        self._locks: Locks | None = None
        self._locks_lock = threading.Lock()
        self.started_at_seq = 0  # the seq of the run's own beginning
        try:
            address = parsed(url)
            self.location = address.set(query={}).render_as_string(hide_password=True)
            self._engine = engine(address, create)
            try:
                self._prepare(create)
            except BaseException:
                self.close()
                raise
        except (sa.exc.SQLAlchemyError, ImportError, OSError, ValueError) as error:
            raise UnusableLedger(explained(error)) from None
        if self._engine.dialect.name == "postgresql":
            self._locks = AdvisoryLocks(self._engine)
            insert = upsert_of_json(self._engine.dialect)
            self._upsert: Callable[[sa.Connection, list[tuple[Any, ...]]], None] = lambda connection, rows: write_json(
                connection, insert, rows
            )
        else:
            self._locks = FileLocks(str(address.database))
            inserts = upserts_of_rows()
            self._upsert = lambda connection, rows: write_rows(connection, inserts, rows)

    def _prepare(self, create: bool) -> None:
        with self._engine.connect() as connection:
            if is_prepared(connection):
                return
        if not create:
            raise NoLedger(f"ledger: there is none at {self.location} yet; target-adpostbacks makes it")
        with self._engine.begin() as connection:
            # Several may begin at once: one creates, the others wait for it.
            is_sqlite = connection.dialect.name == "sqlite"
            connection.exec_driver_sql("BEGIN IMMEDIATE" if is_sqlite else f"SELECT pg_advisory_xact_lock({CREATION})")
            if not is_prepared(connection):
                METADATA.create_all(connection)
                connection.execute(SEQUENCE.insert().values(id=1, value=0))

    @contextmanager
    def _writing(self, changes: int) -> Iterator[tuple[sa.Connection, Iterator[int]]]:
        """A transaction, and the seqs of so many changes; committed at the end."""
        try:
            with self._lock, self._engine.begin() as connection:
                connection.execute(SEQUENCE.update().values(value=SEQUENCE.c.value + changes))
                newest = connection.execute(sa.select(SEQUENCE.c.value)).scalar_one()
                yield connection, iter(range(newest - changes + 1, newest + 1))
        except sa.exc.SQLAlchemyError as error:
            raise UnusableLedger(explained(error)) from None

    def claim(self, network: str, asset: str) -> bool:
        """Whether this run alone sends to the asset, until it ends. False: another run on this ledger does."""
        try:
            with self._locks_lock:
                assert self._locks is not None  # noqa: S101 - only where opening failed
                return self._locks.take(f"{network} {asset}")
        except (OSError, sa.exc.SQLAlchemyError) as error:
            raise UnusableLedger(explained(error)) from None

    def earlier(self, keys: Sequence[tuple[str, str, str, str, str, bool]]) -> dict[tuple[Any, ...], Earlier]:
        """Those of ``keys`` (IDENTITY) that were accepted or rejected before, or sent without an answer."""
        by_asset: dict[tuple[str, str], list[str]] = {}
        for network, asset, _, event_id, _, _ in keys:
            by_asset.setdefault((network, asset), []).append(event_id)
        found: dict[tuple[Any, ...], Earlier] = {}
        table = DELIVERIES.c
        for (network, asset), event_ids in by_asset.items():
            query = sa.select(*(table[name] for name in (*IDENTITY, *Earlier._fields))).where(
                table.network == network,
                table.asset == asset,
                table.event_id.in_(among(self._engine.dialect, event_ids)),
                sa.or_(table.status.in_(("accepted", "rejected")), table.reason == "no_answer"),
            )
            found.update((tuple(row[: len(IDENTITY)]), Earlier(*row[len(IDENTITY) :])) for row in self._read(query))
        asked = set(keys)
        return {known: earlier for known, earlier in found.items() if known in asked}

    def write(self, now: str, rows: Iterable[Delivered], attempts: Sequence[Mapping[str, Any]] = ()) -> None:
        """Store what became of postbacks, and the requests that said so.

        Accepted rows are never changed; a repeated skip changes nothing either, so that reading a source once more
        leaves the ledger as it is.
        """
        last = {row.key: row for row in rows}  # one identity, one row
        with self._writing(len(last) + len(attempts)) as (connection, seqs):
            if last:
                common = (self.run_id, now)
                self._upsert(
                    connection, [(seq, *common, *row.flat()) for row, seq in zip(last.values(), seqs, strict=False)]
                )
            if attempts:
                own = [
                    {
                        **{name: storable(value) for name, value in attempt.items()},
                        "run_id": self.run_id,
                        "seq": seq,
                    }
                    for seq, attempt in zip(seqs, attempts, strict=True)
                ]
                connection.execute(ATTEMPTS.insert(), own)

    def resolve(self, event_id: str, verdict: str, now: str, **equal: str) -> Sequence[sa.Row[Any]]:
        """Settle what was sent without an answer: ``accepted``, or ``resend`` for the next run. The rows, if any.

        ``equal``: only rows with these values. Raises UnusableLedger while a run is sending there.
        """
        table = DELIVERIES.c
        unanswered = sa.and_(table.event_id == event_id, table.status == "open", table.reason == "no_answer")
        query = sa.select(table.delivery_id, table.network, table.account, table.asset, table.event_name).where(
            unanswered, *(table[name] == value for name, value in equal.items())
        )
        found = self._read(query)
        for row in found:
            if not self.claim(row.network, row.asset):
                raise UnusableLedger(f"a run is sending to {row.network}.{row.account}; try again when it has ended")
        settled = {"status": "accepted", "reason": ""} if verdict == "accepted" else {"reason": verdict}
        with self._writing(len(found)) as (connection, seqs):
            for row, seq in zip(found, seqs, strict=True):
                changed = {**settled, "seq": seq, "code": "", "message": "resolved by hand", "updated_at": now}
                connection.execute(
                    DELIVERIES.update().where(table.delivery_id == row.delivery_id, unanswered).values(**changed)
                )
        return found

    def start_run(self, started_at: str, version: str) -> None:
        """Announce the run."""
        with self._writing(1) as (connection, seqs):
            started = {"run_id": self.run_id, "started_at": started_at, "version": version, "counts": "{}"}
            self.started_at_seq = next(seqs)
            connection.execute(RUNS.insert().values(seq=self.started_at_seq, **started))

    def end_run(self, ended_at: str, exit_code: int, counts: Mapping[str, Any]) -> None:
        """Store how the run ended, and its counts."""
        ended = {"ended_at": ended_at, "exit_code": exit_code, "counts": msgspec.json.encode(counts).decode()}
        with self._writing(1) as (connection, seqs):
            connection.execute(RUNS.update().where(RUNS.c.run_id == self.run_id).values(seq=next(seqs), **ended))

    def expire(self, before: str) -> None:
        """Forget requests, runs and the details of deliveries from before that time; identities and statuses stay.

        Their seq stays too: whoever has loaded them keeps what is forgotten here. What is open keeps everything.
        """
        table = DELIVERIES.c
        old = sa.and_(table.updated_at < before, table.status != "open", table.line > 0)
        some = sa.select(table.delivery_id).where(old).limit(EXPIRED_ROWS)
        self._repeated(DELIVERIES.update().where(table.delivery_id.in_(some)).values(FORGOTTEN))
        some = sa.select(ATTEMPTS.c.attempt_id).where(ATTEMPTS.c.started_at < before).limit(EXPIRED_ROWS)
        self._repeated(ATTEMPTS.delete().where(ATTEMPTS.c.attempt_id.in_(some)))
        self._repeated(RUNS.delete().where(RUNS.c.started_at < before, RUNS.c.run_id != self.run_id))

    def _repeated(self, statement: sa.Update | sa.Delete) -> None:
        """In transactions of a bounded size, until nothing is left: other runs get their turns between them."""
        changed = 1
        while changed:
            with self._writing(0) as (connection, _):
                changed = connection.execute(statement).rowcount

    def has_run_since(self, time: str) -> bool:
        """Whether another run began after that time and came to its end."""
        ended = sa.select(sa.literal(1)).where(
            RUNS.c.started_at >= time, RUNS.c.run_id != self.run_id, RUNS.c.ended_at.is_not(None)
        )
        return bool(self._read(ended.limit(1)))

    def changes(self, table: str, after: int = 0, **equal: Any) -> Iterator[dict[str, Any]]:
        """The rows of a table that were changed after that seq, in its order, up to what is committed now.

        ``equal``: only rows with these values. What changes meanwhile has a seq past the end, and waits for the next
        reading: one that goes on as long as others write would never end.
        """
        source = TABLES[table]
        names = [str(column.name) for column in source.columns]
        query = sa.select(source).where(*(source.c[name] == value for name, value in equal.items()))
        for page in self._pages(query, source.c.seq, after):
            yield from (dict(zip(names, row, strict=True)) for row in page)

    def changes_of_run(self) -> Iterator[dict[str, Any]]:
        """The rows of deliveries that this run wrote, as they are now."""
        return self.changes("deliveries", self.started_at_seq, run_id=self.run_id)

    def lines(self, since: str = "", status: str | None = None, **equal: str) -> Iterator[Line]:
        """The delivery log: one line for each request that a conversion was in, or one if it was in none.

        ``since``: lines from that time on, as the ledger writes it; ``status``: RETRIED or one of STATUSES; ``equal``:
        columns of deliveries.
        """
        return log.lines(self._read, self._pages, since, status, equal)

    def _pages(self, query: sa.Select[Any], seq: sa.Column[Any], after: int) -> Iterator[Sequence[sa.Row[Any]]]:
        """A thousand rows at a time, each time in a transaction of its own: no writer waits, memory stays flat."""
        ((last,),) = self._read(sa.select(SEQUENCE.c.value))
        query = query.where(seq > sa.bindparam("after"), seq <= last).order_by(seq).limit(READ_ROWS)
        while True:
            rows = self._read(query, {"after": after})
            if rows:
                yield rows
            if len(rows) < READ_ROWS:
                return
            after = rows[-1].seq

    def _read(self, query: sa.Select[Any], values: Mapping[str, Any] | None = None) -> Sequence[sa.Row[Any]]:
        try:
            with self._engine.connect() as connection:
                return connection.execute(query, values or {}).all()
        except sa.exc.SQLAlchemyError as error:
            raise UnusableLedger(explained(error)) from None

    def close(self) -> None:
        """Give back every connection and every asset."""
        if self._locks is not None:
            with suppress(OSError, sa.exc.SQLAlchemyError):
                self._locks.close()
        self._engine.dispose()
