"""The database that says what became of each postback: SQLite by default, PostgreSQL by URL."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

METADATA = sa.MetaData()
_Seq = sa.BigInteger().with_variant(sa.Integer, "sqlite")

DELIVERIES = sa.Table(
    "deliveries",
    METADATA,
    sa.Column("delivery_id", _Seq, primary_key=True, autoincrement=True),
    sa.Column("seq", _Seq, nullable=False, index=True),
    sa.Column("run_id", sa.Text, nullable=False),
    sa.Column("stream", sa.Text, nullable=False),
    sa.Column("line", _Seq, nullable=False),
    sa.Column("network", sa.Text, nullable=False),
    sa.Column("account", sa.Text, nullable=False),
    sa.Column("asset", sa.Text, nullable=False),
    sa.Column("event_id", sa.Text, nullable=False),
    sa.Column("event_name", sa.Text, nullable=False),
    sa.Column("network_event", sa.Text, nullable=False),
    sa.Column("event_time", sa.Text),
    sa.Column("adjustment", sa.Text, nullable=False),
    sa.Column("status", sa.Text, nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("code", sa.Text, nullable=False),
    sa.Column("message", sa.Text, nullable=False),
    sa.Column("http_status", sa.Integer),
    sa.Column("latency_ms", sa.Integer),
    sa.Column("attempts", sa.Integer, nullable=False),
    sa.Column("attempt_id", sa.Text),
    sa.Column("network_request_id", sa.Text, nullable=False),
    sa.Column("match_keys", sa.Text, nullable=False),
    sa.Column("campaign_id", sa.Text),
    sa.Column("campaign_name", sa.Text),
    sa.Column("ad_group_id", sa.Text),
    sa.Column("ad_id", sa.Text),
    sa.Column("creative_id", sa.Text),
    sa.Column("placement", sa.Text),
    sa.Column("test", sa.Boolean, nullable=False),
    sa.Column("value", sa.Double),
    sa.Column("currency", sa.Text),
    sa.Column("sent_at", sa.Text),
    sa.Column("updated_at", sa.Text, nullable=False),
    # event_id early: deduplication looks up a batch's ids within one asset
    sa.UniqueConstraint("network", "asset", "event_id", "event_name", "adjustment", "test", name="identity"),
)

ATTEMPTS = sa.Table(
    "attempts",
    METADATA,
    sa.Column("attempt_id", sa.Text, primary_key=True),
    sa.Column("seq", _Seq, nullable=False, index=True),
    sa.Column("parent_id", sa.Text),
    sa.Column("run_id", sa.Text, nullable=False, index=True),
    sa.Column("network", sa.Text, nullable=False),
    sa.Column("account", sa.Text, nullable=False),
    sa.Column("asset", sa.Text, nullable=False),
    sa.Column("started_at", sa.Text, nullable=False),
    sa.Column("latency_ms", sa.Integer, nullable=False),
    sa.Column("http_status", sa.Integer),
    sa.Column("attempt", sa.Integer, nullable=False),
    sa.Column("events", sa.Integer, nullable=False),
    sa.Column("status", sa.Text, nullable=False),
    sa.Column("code", sa.Text, nullable=False),
    sa.Column("message", sa.Text, nullable=False),
    sa.Column("network_request_id", sa.Text, nullable=False),
)

RUNS = sa.Table(
    "runs",
    METADATA,
    sa.Column("run_id", sa.Text, primary_key=True),
    sa.Column("seq", _Seq, nullable=False, index=True),
    sa.Column("started_at", sa.Text, nullable=False),
    sa.Column("ended_at", sa.Text),
    sa.Column("exit_code", sa.Integer),
    sa.Column("version", sa.Text, nullable=False),
    sa.Column("counts", sa.Text, nullable=False),  # JSON
)

SEQUENCE = sa.Table("sequence", METADATA, sa.Column("value", _Seq, nullable=False))
"""One row: the highest seq handed out, in any table. Raising it locks it to the transaction's end, so that seqs appear
in order: whoever has read up to one misses nothing before it."""


class Delivered(NamedTuple):
    """A row of deliveries as it is written, but for seq, run_id and updated_at."""

    network: str
    asset: str
    event_name: str
    event_id: str
    adjustment: str
    test: bool
    account: str
    status: str
    reason: str
    code: str
    message: str
    http_status: int | None
    latency_ms: int | None
    attempts: int
    attempt_id: str | None
    network_request_id: str
    sent_at: str | None
    stream: str
    line: int
    event_time: str | None
    network_event: str
    match_keys: str
    campaign_id: str | None
    campaign_name: str | None
    ad_group_id: str | None
    ad_id: str | None
    creative_id: str | None
    placement: str | None
    value: float | None
    currency: str | None


COLUMNS = ("seq", "run_id", "updated_at", *Delivered._fields)
IDENTITY = ("network", "asset", "event_name", "event_id", "adjustment", "test")
READ_ROWS = 1000
CHUNKS = (250, 25, 1)
"""Rows of one INSERT: a statement of many rows lets other threads run while the database works."""


TABLES: Mapping[str, sa.Table] = {table.name: table for table in (DELIVERIES, ATTEMPTS, RUNS)}
"""What others read."""


class UnusableLedger(Exception):  # noqa: N818
    """The ledger can't be opened or written: says which and what to do, without the URL's password."""


class Ledger:
    """One run's view of the ledger. Safe to use from several threads; every write is committed when it returns."""

    def __init__(self, url: str, run_id: str = "") -> None:
        self.run_id = run_id
        self._lock = threading.Lock()
        try:
            self._engine = _engine(url)
            self.location = self._engine.url.render_as_string(hide_password=True)
            self._prepare()
        except (sa.exc.SQLAlchemyError, ImportError, OSError, ValueError) as error:
            raise UnusableLedger(_explained(error)) from None
        self._upserts = {rows: _upsert(self._engine.dialect, rows) for rows in CHUNKS}

    def _prepare(self) -> None:
        METADATA.create_all(self._engine)
        with self._engine.begin() as connection:
            if connection.execute(sa.select(SEQUENCE.c.value)).first() is None:
                connection.execute(SEQUENCE.insert().values(value=0))

    @contextmanager
    def _writing(self, changes: int) -> Iterator[tuple[sa.Connection, Iterator[int]]]:
        """A transaction, and the seqs of so many changes; committed at the end."""
        try:
            with self._lock, self._engine.begin() as connection:
                connection.execute(SEQUENCE.update().values(value=SEQUENCE.c.value + changes))
                newest = connection.execute(sa.select(SEQUENCE.c.value)).scalar_one()
                yield connection, iter(range(newest - changes + 1, newest + 1))
        except sa.exc.SQLAlchemyError as error:
            raise UnusableLedger(_explained(error)) from None

    def accepted(self, keys: Sequence[tuple[str, str, str, str, str, bool]]) -> set[tuple[Any, ...]]:
        """Those of ``keys`` (network, asset, event_name, event_id, adjustment, test) that were accepted before."""
        by_asset: dict[tuple[str, str], list[str]] = {}
        for network, asset, _, event_id, _, _ in keys:
            by_asset.setdefault((network, asset), []).append(event_id)
        found: set[tuple[Any, ...]] = set()
        table = DELIVERIES.c
        try:
            with self._engine.connect() as connection:
                for (network, asset), event_ids in by_asset.items():
                    query = sa.select(*(table[name] for name in IDENTITY)).where(
                        table.network == network,
                        table.asset == asset,
                        table.event_id.in_(event_ids),
                        table.status == "accepted",
                    )
                    found.update(tuple(row) for row in connection.execute(query))
        except sa.exc.SQLAlchemyError as error:
            raise UnusableLedger(_explained(error)) from None
        return found & set(keys)

    def write(self, rows: Iterable[tuple[Any, ...]], attempts: Sequence[Mapping[str, Any]] = (), now: str = "") -> None:
        """Store what became of postbacks (each a Delivered), and the requests that said so.

        Accepted rows are never changed; a repeated skip changes nothing either, so that reading a source once more
        leaves the ledger as it is.
        """
        last = {row[:6]: row for row in rows}  # one identity, one row
        with self._writing(len(last) + len(attempts)) as (connection, seqs):
            if last:
                common = (self.run_id, now)
                self._upsert(connection, [(next(seqs), *common, *row) for row in last.values()])
            if attempts:
                own = [
                    {**attempt, "run_id": self.run_id, "seq": seq} for seq, attempt in zip(seqs, attempts, strict=True)
                ]
                connection.execute(ATTEMPTS.insert(), own)

    def _upsert(self, connection: sa.Connection, rows: list[tuple[Any, ...]]) -> None:
        done = 0
        for size in CHUNKS:
            while len(rows) - done >= size:
                parameters = tuple(chain.from_iterable(rows[done : done + size]))
                connection.exec_driver_sql(self._upserts[size], parameters)
                done += size

    def start_run(self, started_at: str, version: str) -> None:
        """Announce the run."""
        with self._writing(1) as (connection, seqs):
            started = {"run_id": self.run_id, "started_at": started_at, "version": version, "counts": "{}"}
            connection.execute(RUNS.insert().values(seq=next(seqs), **started))

    def end_run(self, ended_at: str, exit_code: int, counts: Mapping[str, Any]) -> None:
        """Store how the run ended, and its counts."""
        ended = {"ended_at": ended_at, "exit_code": exit_code, "counts": msgspec.json.encode(counts).decode()}
        with self._writing(1) as (connection, seqs):
            connection.execute(RUNS.update().where(RUNS.c.run_id == self.run_id).values(seq=next(seqs), **ended))

    def changes(self, table: str, after: int = 0) -> Iterator[dict[str, Any]]:
        """The rows of a table that were changed after that seq, in its order, a thousand at a time."""
        source = TABLES[table]
        query = sa.select(source).order_by(source.c.seq).limit(READ_ROWS)
        while True:
            try:
                with self._engine.connect() as connection:
                    rows = connection.execute(query.where(source.c.seq > after)).all()
            except sa.exc.SQLAlchemyError as error:
                raise UnusableLedger(_explained(error)) from None
            yield from (dict(row._mapping) for row in rows)
            if len(rows) < READ_ROWS:
                return
            after = rows[-1].seq

    def close(self) -> None:
        """Give back every connection."""
        self._engine.dispose()


def default_url(environ: Mapping[str, str]) -> str:
    """The SQLite file in the Meltano project, else in the current directory."""
    return f"sqlite:///{Path(environ.get('MELTANO_PROJECT_ROOT') or Path.cwd()) / 'adpostbacks.db'}"


def _engine(url: str) -> sa.Engine:
    parsed = sa.make_url(url)
    if parsed.get_backend_name() == "sqlite":
        _create_private(parsed.database)
        engine = sa.create_engine(parsed, connect_args={"timeout": 60})
        sa.event.listen(engine, "connect", _configure_sqlite)
        return engine
    if parsed.get_backend_name() != "postgresql":
        raise ValueError("ledger_url: sqlite or postgresql expected")
    return sa.create_engine(parsed, paramstyle="format", pool_pre_ping=True)


def _create_private(database: str | None) -> None:
    """Create the file so that only its owner can read it; SQLite gives its -wal and -shm the same mode."""
    if database and database != ":memory:" and not Path(database).exists():
        os.close(os.open(database, os.O_CREAT | os.O_WRONLY, 0o600))


def _configure_sqlite(connection: Any, _: Any) -> None:
    cursor = connection.cursor()
    cursor.execute("PRAGMA journal_mode=WAL")  # readers don't wait for the writer
    cursor.execute("PRAGMA synchronous=FULL")  # what is committed survives a power cut: it must never be sent again
    cursor.close()


def _upsert(dialect: sa.Dialect, rows: int) -> str:
    """INSERT of so many rows in the order of COLUMNS, as text: SQLAlchemy would bind each value in Python."""
    insert = postgresql.insert if dialect.name == "postgresql" else sqlite.insert
    table = sa.table(DELIVERIES.name, *(sa.column(name) for name in COLUMNS))
    statement = insert(table).values([dict.fromkeys(COLUMNS)] * rows)
    new = statement.excluded
    skipped: sa.ColumnElement[str] = sa.literal_column("'skipped'")
    statement = statement.on_conflict_do_update(
        index_elements=[table.c[name] for name in IDENTITY],
        set_={name: new[name] for name in COLUMNS if name not in IDENTITY},
        where=sa.and_(
            table.c.status != sa.literal_column("'accepted'"),
            sa.or_(new.status != skipped, table.c.status != new.status, table.c.reason != new.reason),
        ),
    )
    return str(statement.compile(dialect=dialect))


def _explained(error: BaseException) -> str:
    """What is wrong with the ledger, without statements and their parameters."""
    cause = getattr(error, "orig", None) or error
    text = str(cause).splitlines()[0] if str(cause) else type(cause).__name__
    return f"ledger: {text}; check ledger_url and that its place can be written"
