"""A ledger as a run writes it, and as ``adpostbacks resolve`` does."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import Any

import msgspec
import sqlalchemy as sa

from target_adpostbacks.core.answers import Counted
from target_adpostbacks.ledger.counts import Accepted, uncounted
from target_adpostbacks.ledger.database import Database, UnusableLedger, among, explained
from target_adpostbacks.ledger.filters import ALL, Only, known
from target_adpostbacks.ledger.locks import AdvisoryLocks, FileLocks, Locks
from target_adpostbacks.ledger.reading import changes
from target_adpostbacks.ledger.tables import (
    ATTEMPTS,
    DELIVERIES,
    FORGOTTEN,
    HISTORY,
    IDENTITY,
    RUNS,
    SEQUENCE,
    Delivered,
    Earlier,
)
from target_adpostbacks.ledger.upserts import storable, upsert

EXPIRED_ROWS = 5000


class Ledger:
    """What one run writes. Safe to use from several threads; every write is committed when it returns.

    ``create``: False raises NoLedger where there is no ledger yet.
    """

    def __init__(self, url: str, run_id: str = "", *, create: bool = True) -> None:
        self.run_id = run_id
        self.started_at_seq = 0  # the seq of the run's own beginning
        self._lock = threading.Lock()
        self._locks_lock = threading.Lock()
        self._database = Database(url, "create" if create else "write")
        self.location = self._database.location
        self._upsert = upsert(self._database.engine.dialect)
        try:
            self._locks = self._new_locks()
        except UnusableLedger:
            self._database.close()
            raise

    def _new_locks(self) -> Locks:
        if self._database.is_sqlite:
            return FileLocks(str(self._database.file))
        return AdvisoryLocks(self._database.engine)

    @contextmanager
    def _writing(self, changes: int) -> Iterator[tuple[sa.Connection, Iterator[int]]]:
        """A transaction with a seq for each of so many changes; committed at the end."""
        with self._lock, self._database.begin() as connection:
            connection.execute(SEQUENCE.update().values(value=SEQUENCE.c.value + changes))
            newest = connection.execute(sa.select(SEQUENCE.c.value)).scalar_one()
            yield connection, iter(range(newest - changes + 1, newest + 1))

    def claim(self, network: str, asset: str) -> bool:
        """Whether this run alone sends to the asset, until it ends. False: another run on this ledger does."""
        try:
            with self._locks_lock:
                return self._locks.take(f"{network} {asset}")
        except (OSError, sa.exc.SQLAlchemyError) as error:
            raise UnusableLedger(explained(error)) from None

    def earlier(self, keys: Sequence[tuple[str, str, str, str, str, bool]]) -> dict[tuple[Any, ...], Earlier]:
        """What the ledger has of ``keys`` (IDENTITY)."""
        by_asset: dict[tuple[str, str], list[str]] = {}
        for network, asset, _, event_id, _, _ in keys:
            by_asset.setdefault((network, asset), []).append(event_id)
        by_key: dict[tuple[Any, ...], Earlier] = {}
        table = DELIVERIES.c
        for (network, asset), event_ids in by_asset.items():
            query = sa.select(*(table[name] for name in (*IDENTITY, *Earlier._fields))).where(
                table.network == network,
                table.asset == asset,
                table.event_id.in_(among(self._database.engine.dialect, event_ids)),
            )
            by_key.update(
                (tuple(row[: len(IDENTITY)]), Earlier(*row[len(IDENTITY) :])) for row in self._database.read(query)
            )
        asked = set(keys)
        return {identity: earlier for identity, earlier in by_key.items() if identity in asked}

    def write(self, now: str, rows: Iterable[Delivered], attempts: Sequence[Mapping[str, Any]] = ()) -> None:
        """Store what became of postbacks, and the requests that they were in.

        Accepted rows are never changed; a repeated skip changes nothing either, so that reading a source once more
        leaves the ledger as it is.
        """
        last = {row.key: row for row in rows}  # one identity, one row
        with self._writing(len(last) + len(attempts)) as (connection, seqs):
            if last:
                common = (self.run_id, now)
                written = zip(last.values(), seqs, strict=False)
                self._upsert(connection, [(seq, *common, *row.flat()) for row, seq in written])
            if attempts:
                attempt_rows = [
                    {
                        **{name: storable(value) for name, value in attempt.items()},
                        "run_id": self.run_id,
                        "seq": seq,
                    }
                    for seq, attempt in zip(seqs, attempts, strict=True)
                ]
                connection.execute(ATTEMPTS.insert(), attempt_rows)

    def known(self, column: str) -> list[str]:
        """The values that deliveries have in a column, sorted."""
        return known(self._database, column)

    def resolve(self, event_id: str, verdict: str, now: str, only: Only = ALL) -> Sequence[sa.Row[Any]]:
        """Settle what was sent without an answer: ``accepted``, or ``resend`` for the next run. The rows, if any.

        Where nothing of that id is unanswered, ``resend`` takes what was accepted. Raises UnusableLedger while a run is
        sending there.
        """
        table = DELIVERIES.c
        chosen = sa.and_(table.event_id == event_id, *only.conditions(DELIVERIES))
        columns = sa.select(table.delivery_id, table.network, table.account, table.asset, table.event_name)
        state = sa.and_(table.status == "open", table.reason == "no_answer")
        rows = self._database.read(columns.where(chosen, state))
        if not rows and verdict == "resend":
            state = table.status == "accepted"
            rows = self._database.read(columns.where(chosen, state))
        for row in rows:
            if not self.claim(row.network, row.asset):
                raise UnusableLedger(f"a run is sending to {row.network}.{row.account}; try again when it has ended")
        status, reason = ("accepted", "") if verdict == "accepted" else ("open", verdict)
        with self._writing(len(rows)) as (connection, seqs):
            changed: dict[str, str | None] = {
                "status": status,
                "reason": reason,
                "code": "",
                "message": "resolved by hand",
            }
            changed |= {"deadline": None} if status == "accepted" else {}
            for row, seq in zip(rows, seqs, strict=True):
                connection.execute(
                    DELIVERIES.update()
                    .where(table.delivery_id == row.delivery_id, state)
                    .values(**changed, seq=seq, updated_at=now)
                )
        return rows

    def uncounted(self, network: str, asset: str, before: str) -> list[Accepted]:
        """See ``counts.uncounted``."""
        return uncounted(self._database, network, asset, before)

    def write_count(self, attempt_id: str, counted: Counted, now: str) -> None:
        """Store what a network made of a request that it had accepted; deliveries stay as they are."""
        said = {
            "processing": counted.status,
            "counted": counted.counted,
            "not_counted": msgspec.json.encode(counted.not_counted).decode(),
            "checked_at": now,
        }
        with self._writing(1) as (connection, seqs):
            connection.execute(
                ATTEMPTS.update().where(ATTEMPTS.c.attempt_id == attempt_id).values(seq=next(seqs), **said)
            )

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
        """Forget requests, runs, history and details of deliveries from before that time; identities and statuses stay.

        Their seq stays too: whoever has loaded them keeps what is forgotten here. What is open keeps everything.
        """
        table = DELIVERIES.c
        old = sa.and_(table.updated_at < before, table.status != "open", table.line > 0)
        some = sa.select(table.delivery_id).where(old).limit(EXPIRED_ROWS)
        self._repeated(DELIVERIES.update().where(table.delivery_id.in_(some)).values(FORGOTTEN))
        some = sa.select(ATTEMPTS.c.attempt_id).where(ATTEMPTS.c.started_at < before).limit(EXPIRED_ROWS)
        self._repeated(ATTEMPTS.delete().where(ATTEMPTS.c.attempt_id.in_(some)))
        some = sa.select(HISTORY.c.seq).where(HISTORY.c.updated_at < before).limit(EXPIRED_ROWS)
        self._repeated(HISTORY.delete().where(HISTORY.c.seq.in_(some)))
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
        return bool(self._database.read(ended.limit(1)))

    def changes_of_run(self) -> Iterator[dict[str, Any]]:
        """The rows of deliveries that this run wrote, as they are now."""
        return changes(self._database, "deliveries", self.started_at_seq, run_id=self.run_id)

    def close(self) -> None:
        """Give back every connection and every asset."""
        with suppress(OSError, sa.exc.SQLAlchemyError):
            self._locks.close()
        self._database.close()
