"""A ledger as a run writes it, and as ``adpostbacks resolve`` does."""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from itertools import islice
from typing import TYPE_CHECKING, Any

import msgspec

from target_adpostbacks.core.answers import Counted
from target_adpostbacks.core.postback import Key
from target_adpostbacks.ledger import erasure, statements
from target_adpostbacks.ledger.checkpoints import Checkpoints
from target_adpostbacks.ledger.connections import Connection, UnusableLedger
from target_adpostbacks.ledger.counts import Accepted, uncounted
from target_adpostbacks.ledger.database import Database, explained
from target_adpostbacks.ledger.filters import ALL, Only, known
from target_adpostbacks.ledger.locks import AdvisoryLocks, FileLocks, Locks
from target_adpostbacks.ledger.reading import changes
from target_adpostbacks.ledger.tables import COLUMNS, IDENTITY, Delivered, Earlier, columns_of
from target_adpostbacks.ledger.upserts import storable, upsert

NOBODY: Mapping[Key, Iterable[str]] = {}

if TYPE_CHECKING:
    from target_adpostbacks.core.performance.statistics import Performance
    from target_adpostbacks.ledger.claims import Claims
    from target_adpostbacks.ledger.clicks import Clicks
    from target_adpostbacks.ledger.compact import Compact
    from target_adpostbacks.ledger.definition import Layout


class Ledger:
    """What one run writes. Safe to use from several threads; every write is committed when it returns.

    ``create``: False raises NoLedger where there is no ledger yet. ``layout``: which it is made with and has to have;
    None: any. ``tell``: is called in a compact ledger with the rows of deliveries that it does not keep, right before
    it commits their keys.
    """

    def __init__(self, url: str, run_id: str = "", *, create: bool = True, layout: Layout | None = None) -> None:
        self.run_id = run_id
        self.started_at_seq = 0  # the seq of the run's own beginning
        self._newest_before = 2**63 - 1  # the highest delivery_id then
        self._lock = threading.Lock()
        self._locks_lock = threading.Lock()
        self.tell: Callable[[Iterable[Mapping[str, Any]]], object] | None = None
        self._database = Database(url, "create" if create else "write", layout)
        self._compact: Compact | None = None
        if self._database.layout == "compact":
            from target_adpostbacks.ledger.compact import Compact  # few are

            self._compact = Compact(self._database)
        self._checkpoints = Checkpoints(self._database) if self._database.is_sqlite else None
        self._failures: tuple[type[Exception], ...] = (OSError, *self._database.errors)
        self.location = self._database.location
        self.erasure = erasure.Erasure(self._database, self._writing)
        try:
            self._locks = self._new_locks()
        except UnusableLedger:
            self._database.close()
            raise

    def _new_locks(self) -> Locks:
        return FileLocks(self._database.file) if self._database.is_sqlite else AdvisoryLocks(self._database)

    @contextmanager
    def _writing(self, changes: int) -> Iterator[tuple[Connection, Iterator[int]]]:
        """A transaction with a seq for each of so many changes; committed at the end."""
        with self._lock, self._database.begin() as connection:
            connection.run(statements.RAISE, {"changes": changes})
            newest = connection.value(statements.NEWEST)
            yield connection, iter(range(newest - changes + 1, newest + 1))
        if self._checkpoints:
            self._checkpoints.written(changes)

    def claim(self, network: str, asset: str, *, shared: bool = False) -> bool:
        """Whether this run alone sends to the asset, until it ends. False: another run on this ledger does.

        ``shared``: together with others that claim what they send, conversion by conversion.
        """
        try:
            with self._locks_lock:
                return self._locks.take(f"{network} {asset}", shared=shared)
        except self._failures as error:
            raise UnusableLedger(explained(error)) from None

    def earlier(
        self, keys: Sequence[tuple[str, str, str, str, str, bool]], *, corrections: bool = False
    ) -> dict[tuple[Any, ...], Earlier]:
        """What the ledger has of ``keys`` (IDENTITY). ``corrections``: also those of the conversions among them."""
        by_asset: dict[tuple[str, str], list[str]] = defaultdict(list)
        for network, asset, _, event_id, _, _ in keys:
            by_asset[network, asset].append(event_id)
        by_key: dict[tuple[Any, ...], Earlier] = {}
        for (network, asset), event_ids in by_asset.items():
            is_asked, ids = self._database.among("event_id", "ids", event_ids)
            is_json = self._database.is_sqlite and "ids" in ids
            query = statements.EARLIER_OF_JSON if is_json else statements.EARLIER + is_asked
            rows = self._database.read(query, {"network": network, "asset": asset, **ids})
            by_key.update((row[: len(IDENTITY)], Earlier(*row[len(IDENTITY) :])) for row in rows)
        if self._compact:
            from target_adpostbacks.ledger.compact import ACCEPTED

            by_key.update(dict.fromkeys(self._compact.known(keys), ACCEPTED))
        if not by_key:
            return by_key
        asked = set(keys)
        return {
            identity: earlier
            for identity, earlier in by_key.items()
            if identity in asked or (corrections and (*identity[:4], "", identity[5]) in asked)
        }

    def write(
        self,
        now: str,
        rows: Iterable[Delivered],
        attempts: Sequence[Mapping[str, Any]] = (),
        people: Mapping[Key, Iterable[str]] = NOBODY,
        also: Callable[[Connection], object] | None = None,
    ) -> None:
        """Store what became of postbacks, and the requests that they were in.

        Accepted rows are never changed; a repeated skip changes nothing either, so that reading a source once more
        leaves the ledger as it is. ``people``: the digests under which the index is to find them. ``also``: what else
        the transaction does.
        """
        last = {row.key: row for row in rows}  # one identity, one row
        with self._writing(len(last) + len(attempts)) as (connection, seqs):
            numbers = [*islice(seqs, len(last))]
            if self._compact:
                last, accepted = self._compact.part(connection, last, now)
                if self.tell and accepted:
                    self.tell(self._told(numbers[: len(accepted)], now, accepted))
                numbers = numbers[len(accepted) :][: len(last)]
            if last:
                count = len(last)
                beside: dict[str, Sequence[Any]] = {
                    "seq": numbers,
                    "run_id": [self.run_id] * count,
                    "updated_at": [now] * count,
                }
                upsert(connection, beside, [*last.values()])
                if people:
                    erasure.index(connection, dict(zip(last, numbers, strict=True)), people)
            for seq, attempt in zip(seqs, attempts, strict=True):
                stored = {name: storable(value) for name, value in attempt.items()}
                stored |= {"run_id": self.run_id, "seq": seq}
                connection.run(statements.insert_attempt(*stored), stored)
            if also is not None:
                also(connection)

    def _told(self, seqs: Sequence[int], now: str, rows: Sequence[Delivered]) -> Iterator[Mapping[str, Any]]:
        count = len(rows)
        for values in zip(seqs, [self.run_id] * count, [now] * count, *columns_of(rows), strict=True):
            yield dict(zip(COLUMNS, values, strict=True))

    def write_performance(self, rows: Collection[Performance]) -> None:
        """Store statistics of ads, each row in place of the one with its key; no two of them have the same."""
        from target_adpostbacks.ledger import performance  # few runs have any

        with self._writing(len(rows)) as (connection, seqs):
            performance.write(connection, seqs, rows)

    def forget_performance(self, stream: str, day: str) -> int:
        """Delete what a stream of statistics had before this run, from that day on; how many rows."""
        from target_adpostbacks.ledger.performance import FORGET_OTHERS

        with self._writing(0) as (connection, _):
            return connection.run(FORGET_OTHERS, {"stream": stream, "day": day, "before": self.started_at_seq})

    @property
    def layout(self) -> Layout:
        """Whether it has rows of what was accepted, or keys alone."""
        return self._database.layout

    @property
    def clicks(self) -> Clicks:
        """The part that keeps clicks."""
        from target_adpostbacks.ledger.clicks import Clicks  # few runs keep any

        return Clicks(self._database, self._writing)

    def claims(self, owner: str, lease_seconds: float) -> Claims:
        """The part that keeps claims, for a task of that name."""
        from target_adpostbacks.ledger.claims import Claims  # few runs have any

        return Claims(self._database, self._writing, self.run_id, owner, lease_seconds)

    def known(self, column: str) -> list[str]:
        """The values that deliveries have in a column, sorted."""
        return known(self._database, column)

    def resolve(self, event_id: str, verdict: str, now: str, only: Only = ALL) -> Sequence[Any]:
        """Settle what was sent without an answer: ``accepted``, or ``resend`` for the next run. The rows, if any.

        Where nothing of that id is unanswered, ``resend`` takes what was accepted. Raises UnusableLedger while a run is
        sending there.
        """
        conditions, values = only.conditions()
        query = statements.OF_EVENT_ID + "".join(f" AND {condition}" for condition in conditions)
        state = statements.UNANSWERED
        rows = self._database.read(f"{query} AND {state}", {**values, "event_id": event_id})
        if not rows and verdict == "resend":
            state = statements.ACCEPTED
            rows = self._database.read(f"{query} AND {state}", {**values, "event_id": event_id})
        for row in rows:
            if not self.claim(row.network, row.asset):
                raise UnusableLedger(f"a run is sending to {row.network}.{row.account}; try again when it has ended")
        status, reason = ("accepted", "") if verdict == "accepted" else ("open", verdict)
        from target_adpostbacks.ledger.claims import forget_dead

        with self._writing(len(rows)) as (connection, seqs):
            forget_dead(connection, rows, event_id)
            for row, seq in zip(rows, seqs, strict=True):
                changed = {"seq": seq, "status": status, "reason": reason, "now": now, "delivery_id": row.delivery_id}
                connection.run(f"{statements.RESOLVE} AND {state}", changed)
        return rows

    def uncounted(self, network: str, asset: str, before: str) -> list[Accepted]:
        """See ``counts.uncounted``."""
        return uncounted(self._database, network, asset, before)

    def write_count(self, attempt_id: str, counted: Counted, now: str) -> None:
        """Store what a network made of a request that it had accepted; deliveries stay as they are."""
        said = {
            "attempt_id": attempt_id,
            "processing": counted.status,
            "counted": counted.counted,
            "not_counted": msgspec.json.encode(counted.not_counted).decode(),
            "checked_at": now,
        }
        with self._writing(1) as (connection, seqs):
            connection.run(statements.WRITE_COUNT, {**said, "seq": next(seqs)})

    def start_run(self, started_at: str, version: str) -> None:
        """Announce the run."""
        with self._writing(1) as (connection, seqs):
            self.started_at_seq = next(seqs)
            started = {"run_id": self.run_id, "seq": self.started_at_seq, "started_at": started_at, "version": version}
            connection.run(statements.START_RUN, started)
            self._newest_before = connection.value("SELECT max(delivery_id) FROM deliveries") or 0

    def end_run(self, ended_at: str, exit_code: int, counts: Mapping[str, Any]) -> None:
        """Store how the run ended, and its counts."""
        ended = {"ended_at": ended_at, "exit_code": exit_code, "counts": msgspec.json.encode(counts).decode()}
        with self._writing(1) as (connection, seqs):
            connection.run(statements.END_RUN, {**ended, "run_id": self.run_id, "seq": next(seqs)})

    def expire(self, before: str | None, settled_before: str | None = None) -> None:
        """Forget requests, runs, history and details of deliveries from before that time; identities and statuses stay.

        Their seq stays too: whoever has loaded them keeps what is forgotten here. What is open keeps everything.
        ``settled_before``: deliveries that were settled before that time go whole. None: nothing goes.
        """
        from target_adpostbacks.ledger.forgetting import DELIVERIES, DETAILS, forget  # the first run of a day does

        if self._compact and settled_before:
            self._compact.expire(settled_before)
        for time, what in ((settled_before, DELIVERIES), (before, DETAILS)):
            if time:
                values = {"before": time, "run_id": self.run_id, "newest_before": self._newest_before}
                forget(self._database, self._writing, what, values)

    def has_run_since(self, time: str) -> bool:
        """Whether another run began after that time and came to its end."""
        return bool(self._database.read(statements.HAS_RUN_SINCE, {"time": time, "run_id": self.run_id}))

    def changes_of_run(self) -> Iterator[dict[str, Any]]:
        """The rows of deliveries that this run wrote, as they are now."""
        return changes(self._database, "deliveries", self.started_at_seq, run_id=self.run_id)

    def close(self) -> None:
        """Give back every connection and every asset."""
        with suppress(*self._failures):
            self._locks.close()
        if self._checkpoints:
            self._checkpoints.wait()
        self._database.close()
