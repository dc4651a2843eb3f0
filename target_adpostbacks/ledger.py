"""The database that says what became of each postback: SQLite by default, PostgreSQL by URL."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
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

SEQUENCE = sa.Table(
    "sequence",
    METADATA,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),  # 1
    sa.Column("value", _Seq, nullable=False),
)
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
"""Rows of one INSERT into SQLite: a statement of many rows lets other threads run while the database works."""
LONGEST_CHAIN = 100
"""Requests that are walked back from a verdict; a batch takes far fewer."""
CREATION = 4_115_003
"""Names the lock under which a PostgreSQL ledger's tables are created: any number, ours."""

TABLES: Mapping[str, sa.Table] = {str(table.name): table for table in (DELIVERIES, ATTEMPTS, RUNS)}
"""What others read."""
TIMES = frozenset({"event_time", "sent_at", "updated_at", "started_at", "ended_at"})


class UnusableLedger(Exception):  # noqa: N818
    """The ledger can't be opened or written: says which and what to do, without the URL's password."""


class NoLedger(UnusableLedger):
    """There is none at that place yet: nothing was ever sent, or the place is another one."""


STATUSES = {"accepted": "Success", "rejected": "Failed", "skipped": "Skipped", "open": "Open"}
"""A verdict as the log shows it."""
RETRIED = "Retried"
"""A request that gave no verdict on the conversion: it was in another one."""

SHOWN = (
    *("seq", "attempt_id", "event_name", "status", "http_status", "latency_ms", "network", "account", "event_id"),
    *("reason", "code", "message", "sent_at", "updated_at"),
)
"""Columns of deliveries that the log is made of."""


class Line(NamedTuple):
    """A request that a conversion was in, or why it was in none."""

    time: str
    event: str
    status: str  # RETRIED or one of STATUSES
    http_status: int | None
    latency_ms: int | None
    attempt: int | None  # which request of the conversion's it was, from 1; None: no request
    network: str
    account: str
    event_id: str
    reason: str
    code: str
    message: str


class Ledger:
    """One run's view of the ledger. Safe to use from several threads; every write is committed when it returns.

    ``create``: False for those who only read. They get NoLedger where there is none, and need no right to write.
    """

    def __init__(self, url: str, run_id: str = "", *, create: bool = True) -> None:
        self.run_id = run_id
        self._lock = threading.Lock()
        self.started_at_seq = 0  # the seq of the run's own beginning
        try:
            parsed = _parsed(url)
            self.location = parsed.set(query={}).render_as_string(hide_password=True)
            self._engine = _engine(parsed, create)
            try:
                self._prepare(create)
            except BaseException:
                self.close()
                raise
        except (sa.exc.SQLAlchemyError, ImportError, OSError, ValueError) as error:
            raise UnusableLedger(_explained(error)) from None
        if self._engine.dialect.name == "postgresql":
            insert = _upsert_of_json(self._engine.dialect)
            self._upsert: Callable[[sa.Connection, list[tuple[Any, ...]]], None] = lambda connection, rows: _write_json(
                connection, insert, rows
            )
        else:
            inserts = {rows: _upsert_of_rows(self._engine.dialect, rows) for rows in CHUNKS}
            self._upsert = lambda connection, rows: _write_rows(connection, inserts, rows)

    def _prepare(self, create: bool) -> None:
        with self._engine.connect() as connection:
            if _is_prepared(connection):
                return
        if not create:
            raise NoLedger(f"ledger: there is none at {self.location} yet; target-adpostbacks makes it")
        with self._engine.begin() as connection:
            # Several may begin at once: one creates, the others wait for it.
            is_sqlite = connection.dialect.name == "sqlite"
            connection.exec_driver_sql("BEGIN IMMEDIATE" if is_sqlite else f"SELECT pg_advisory_xact_lock({CREATION})")
            if not _is_prepared(connection):
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
                    {
                        **{name: _storable(value) for name, value in attempt.items()},
                        "run_id": self.run_id,
                        "seq": seq,
                    }
                    for seq, attempt in zip(seqs, attempts, strict=True)
                ]
                connection.execute(ATTEMPTS.insert(), own)

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
        """One line for each request that a conversion was in, or one for a conversion that was in none.

        In the order in which conversions got their newest verdict, each one's own requests together. ``since``: lines
        from that time on, as the ledger writes it; ``status``: one of STATUSES; ``equal``: columns of deliveries.
        """
        table = DELIVERIES.c
        query = sa.select(*(table[name] for name in SHOWN)).where(
            *(table[name] == value for name, value in equal.items())
        )
        if since:
            query = query.where(table.updated_at >= since)  # later than any request it tells of
        if status == RETRIED:
            again = sa.select(ATTEMPTS.c.attempt_id).where(ATTEMPTS.c.parent_id.is_not(None))
            query = query.where(table.attempt_id.in_(again))
        elif status:
            query = query.where(table.status == next(own for own, shown in STATUSES.items() if shown == status))
        earlier: dict[str, list[Any]] = {}
        for page in self._pages(query, table.seq, 0):
            wanted = {row.attempt_id for row in page if row.attempt_id}
            if not wanted <= earlier.keys():
                earlier = self._earlier(wanted)
            for row in page:
                lines = _lines(row, earlier.get(row.attempt_id, []))
                yield from (line for line in lines if line.time >= since and status in (None, line.status))

    def _earlier(self, attempt_ids: Iterable[str]) -> dict[str, list[Any]]:
        """Each of these requests to those before it that it repeats, or is a half of; the first one first."""
        step = sa.select(ATTEMPTS.c.attempt_id.label("last"), ATTEMPTS.c.parent_id, sa.literal(0).label("depth")).where(
            ATTEMPTS.c.attempt_id.in_(attempt_ids)
        )
        walk = step.cte("walk", recursive=True)
        further = sa.select(walk.c.last, ATTEMPTS.c.parent_id, walk.c.depth + 1).where(
            ATTEMPTS.c.attempt_id == walk.c.parent_id, walk.c.depth < LONGEST_CHAIN
        )
        walk = walk.union_all(further)
        query = (
            sa.select(walk.c.last, walk.c.depth, ATTEMPTS)
            .where(ATTEMPTS.c.attempt_id == walk.c.parent_id)
            .order_by(walk.c.depth.desc())
        )
        found: dict[str, list[Any]] = {attempt_id: [] for attempt_id in attempt_ids}
        for row in self._read(query):
            found[row.last].append(row)
        return found

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
            raise UnusableLedger(_explained(error)) from None

    def close(self) -> None:
        """Give back every connection."""
        self._engine.dispose()


def default_url(environ: Mapping[str, str]) -> str:
    """The SQLite file in the Meltano project, else in the current directory."""
    return f"sqlite:///{Path(environ.get('MELTANO_PROJECT_ROOT') or Path.cwd()) / 'adpostbacks.db'}"


def _is_prepared(connection: sa.Connection) -> bool:
    if not sa.inspect(connection).has_table(SEQUENCE.name):
        return False
    return connection.execute(sa.select(SEQUENCE.c.value)).first() is not None


def schema(table: str) -> dict[str, Any]:
    """JSON Schema of a table's rows, as Singer streams announce it."""
    return {
        "type": "object",
        "properties": {column.name: _property(column) for column in TABLES[table].columns},
        "required": key(table),
    }


def key(table: str) -> list[str]:
    """The columns that make a row one row."""
    return [str(column.name) for column in TABLES[table].primary_key]


def _property(column: sa.Column[Any]) -> dict[str, Any]:
    kinds = {str: "string", int: "integer", float: "number", bool: "boolean"}
    type_ = kinds[column.type.python_type]
    described: dict[str, Any] = {"type": [type_, "null"] if column.nullable else [type_]}
    return described | ({"format": "date-time"} if column.name in TIMES else {})


def _lines(row: sa.Row[Any], earlier: Sequence[Any]) -> Iterator[Line]:
    """The lines of a row of deliveries, given the requests before the one that gave the verdict."""
    own = (row.network, row.account, row.event_id)
    for number, attempt in enumerate(earlier, 1):
        request = (attempt.http_status, attempt.latency_ms, number)
        yield Line(attempt.started_at, row.event_name, RETRIED, *request, *own, "", attempt.code, attempt.message)
    number_ = len(earlier) + 1 if row.attempt_id else None
    yield Line(
        row.sent_at or row.updated_at,
        row.event_name,
        STATUSES[row.status],
        row.http_status,
        row.latency_ms,
        number_,
        *own,
        row.reason,
        row.code,
        row.message,
    )


def _parsed(url: str) -> sa.URL:
    """The URL, or ValueError without a word of it: what is not understood may be a piece of the password."""
    try:
        parsed = sa.make_url(url)
    except (sa.exc.ArgumentError, ValueError):
        parsed = None
    if parsed is None or "@" in (parsed.host or "") + (parsed.database or ""):
        raise ValueError("ledger_url: not a URL; in a password, write %40 for @, %3A for :, %2F for /")
    if parsed.drivername in ("postgres", "postgresql"):
        return parsed.set(drivername="postgresql+psycopg")
    if parsed.get_backend_name() not in ("sqlite", "postgresql"):
        raise ValueError("ledger_url: sqlite or postgresql expected")
    return parsed


def _engine(url: sa.URL, create: bool) -> sa.Engine:
    if url.get_backend_name() == "postgresql":
        return sa.create_engine(url, paramstyle="format", pool_pre_ping=True)
    file = url.database if url.database and url.database != ":memory:" else None
    if file and not Path(file).exists():
        if not create:
            raise NoLedger(f"ledger: there is none at {file} yet; target-adpostbacks makes it")
        _create_private(file)
    engine = sa.create_engine(url, connect_args={"timeout": 60})
    sa.event.listen(engine, "connect", _configure_sqlite)
    return engine


def _create_private(file: str) -> None:
    """Create the file so that only its owner can read it; SQLite gives its -wal and -shm the same mode."""
    os.close(os.open(file, os.O_CREAT | os.O_WRONLY, 0o600))


def _configure_sqlite(connection: Any, _: Any) -> None:
    cursor = connection.cursor()
    cursor.execute("PRAGMA journal_mode=WAL")  # readers don't wait for the writer
    cursor.execute("PRAGMA synchronous=FULL")  # what is committed survives a power cut: it must never be sent again
    cursor.close()


# --- Writing deliveries ----------------------------------------------------------------------------------------------
# The statements are text, made once: SQLAlchemy would bind each of a row's thirty values in Python.


def _write_rows(connection: sa.Connection, inserts: Mapping[int, str], rows: list[tuple[Any, ...]]) -> None:
    done = 0
    for size in CHUNKS:
        while len(rows) - done >= size:
            connection.exec_driver_sql(inserts[size], tuple(chain.from_iterable(rows[done : done + size])))
            done += size


def _upsert_of_rows(dialect: sa.Dialect, rows: int) -> str:
    """INSERT of so many rows in the order of COLUMNS."""
    insert = sqlite.insert(_WRITTEN).values([dict.fromkeys(COLUMNS)] * rows)
    return _on_conflict(insert, dialect)


def _write_json(connection: sa.Connection, insert: str, rows: list[tuple[Any, ...]]) -> None:
    encoded = msgspec.json.encode([dict(zip(COLUMNS, row, strict=True)) for row in rows]).decode()
    if r"\u0000" in encoded:
        encoded = msgspec.json.encode([dict(zip(COLUMNS, map(_storable, row), strict=True)) for row in rows]).decode()
    connection.exec_driver_sql(insert, (encoded,))


def _upsert_of_json(dialect: sa.Dialect) -> str:
    """INSERT of a JSON array of rows, its one parameter: five times as fast as a parameter for each value."""
    typed = [f"{name} {DELIVERIES.c[name].type.compile(dialect)}" for name in COLUMNS]
    rows = sa.text(f"SELECT {', '.join(COLUMNS)} FROM json_to_recordset(:rows) AS new ({', '.join(typed)})")  # noqa: S608
    insert = postgresql.insert(_WRITTEN).from_select(COLUMNS, rows.columns(*(sa.column(name) for name in COLUMNS)))
    return _on_conflict(insert, dialect)


def _on_conflict(insert: Any, dialect: sa.Dialect) -> str:
    """The statement's text: what was accepted stays, a repeated skip changes nothing."""
    old, new = _WRITTEN.c, insert.excluded
    skipped: sa.ColumnElement[str] = sa.literal_column("'skipped'")
    statement = insert.on_conflict_do_update(
        index_elements=[old[name] for name in IDENTITY],
        set_={name: new[name] for name in COLUMNS if name not in IDENTITY},
        where=sa.and_(
            old.status != sa.literal_column("'accepted'"),
            sa.or_(new.status != skipped, old.status != new.status, old.reason != new.reason),
        ),
    )
    return str(statement.compile(dialect=dialect))


_WRITTEN = sa.table(str(DELIVERIES.name), *(sa.column(name) for name in COLUMNS))
"""Deliveries without types and delivery_id."""


def _storable(value: Any) -> Any:
    """A value without NUL, which PostgreSQL has no text with."""
    return value.replace("\0", "") if isinstance(value, str) else value


def _explained(error: BaseException) -> str:
    """What is wrong with the ledger, without statements and their parameters."""
    cause = getattr(error, "orig", None) or error
    if isinstance(error, ImportError):
        return "ledger: PostgreSQL needs a driver; pip install 'target-adpostbacks[postgres]'"
    text = str(cause).splitlines()[0] if str(cause) else type(cause).__name__
    if isinstance(error, ValueError):
        return f"ledger: {text}"
    return f"ledger: {text}; check ledger_url and that its place can be written"
