"""The claims of a task that sends beside others: it sends nothing but what it has claimed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from threading import Event, Lock, Thread
from typing import NamedTuple

from target_adpostbacks.core.answers import Outcome, Verdict
from target_adpostbacks.core.postback import Key
from target_adpostbacks.delivery.aside import Aside
from target_adpostbacks.delivery.queued import Queued
from target_adpostbacks.delivery.repeats import adjusted_by, keys_of
from target_adpostbacks.delivery.rows import rows_of
from target_adpostbacks.ledger import Delivered, Ledger, UnusableLedger
from target_adpostbacks.ledger.claims import DIED
from target_adpostbacks.ledger.connections import Connection

LEASE_MARGIN = 15
"""Seconds for which claims should outlive the deadline of a request."""
UNHEARD = Outcome(Verdict.NO_ANSWER, message=DIED)

Write = Callable[[Sequence[Delivered], Sequence[Queued]], object]


class Taken(NamedTuple):
    """A batch, by who sends it."""

    ours: list[Queued]
    others: list[Queued]  # or behind what others send, so that it would overtake that


class Claims:
    """The claims of one run. Safe to use from several threads. While the run lives, its claims do.

    ``owner``: the task's name; ``lease_seconds``: how long claims outlive a task that has died, more than any request
    takes; ``wait_seconds``: how long others are waited for, at the end of the input; ``max_rows``: as in Batches;
    ``clock``: an aware time.
    """

    def __init__(
        self,
        ledger: Ledger,
        owner: str,
        clock: Callable[[], datetime],
        *,
        lease_seconds: float,
        wait_seconds: float,
        max_rows: int | None = None,
    ) -> None:
        self.aside = Aside(max_rows)
        self._lease_seconds = lease_seconds
        # At least as long as a task that has died may seem to live.
        self.wait_seconds = max(wait_seconds, self._lease_seconds + 1) if wait_seconds else 0
        self._ledger = ledger
        self._claims = ledger.claims(owner, lease_seconds)
        self._clock = clock
        self._lock = Lock()
        self._renewing: Thread | None = None
        self._ended = Event()

    def take(self, batch: Sequence[Queued], write: Write) -> Taken:
        """Claim a batch of one asset, but for what would overtake what waits.

        ``write``: commits rows of these.
        """
        self._begin()
        waiting = {id(queued) for queued in self.aside.behind(batch)}
        adjusted = {id(queued): adjusted_by(queued.postback) for queued in batch if queued.postback.key.adjustment}
        if adjusted:
            sent_by_others = self._claims.of_others([key for keys in adjusted.values() for key in keys])
            waiting |= {number for number, keys in adjusted.items() if not sent_by_others.isdisjoint(keys)}
        wanted = [queued for queued in batch if id(queued) not in waiting]
        claimed = self._claims.take(_keys(wanted), batch[0].postback.account_name) if wanted else {}
        taken = Taken([], [])
        doubted = []
        for queued in batch:
            if id(queued) in waiting or _key(queued) not in claimed:
                taken.others.append(queued)
                continue
            taken.ours.append(queued)
            if (silent_for := claimed[_key(queued)]) is not None:
                queued.unanswered_since = _written(self._clock() - timedelta(seconds=silent_for))
                doubted.append(queued)
        if doubted:
            self._note(doubted, write)
        return taken

    def _begin(self) -> None:
        with self._lock:
            if self._renewing is None:
                self._claims.begin()
                self._renewing = Thread(target=self._renew, name="claims", daemon=True)
                self._renewing.start()

    def _renew(self) -> None:
        while not self._ended.wait(self._lease_seconds / 3):
            try:
                self._claims.renew()
            except UnusableLedger:  # noqa: PERF203 - whatever is lost by it, the next request finds out
                continue

    def _note(self, batch: Sequence[Queued], write: Write) -> None:
        """Write what a task that has died may have sent as unanswered, unless the ledger has more than that of it."""
        earlier = self._ledger.earlier([key for queued in batch for key in keys_of(queued.postback)])
        rows = []
        for queued in batch:
            known = [key for key in keys_of(queued.postback) if key in earlier]
            if not any(earlier[key].outweighs_silence for key in known):
                (row,) = rows_of([queued], UNHEARD, None)
                rows.append(row._replace(key=known[0]) if known else row)
        if rows:
            write(rows, batch)

    def request(self, batch: list[Queued]) -> list[Queued]:
        """Note that these are about to be sent; those that may be: time has passed since they were claimed."""
        ours = self._claims.request(_keys(batch))
        if len(ours) == len(batch):
            return batch
        ours = {*ours}
        return [queued for queued in batch if _key(queued) in ours]

    def free(self, batch: Sequence[Queued]) -> None:
        """Give up claims whose outcome the ledger has."""
        if self._renewing is not None:
            self._claims.free(_keys(batch))

    def settling(self, freed: Sequence[Queued], asked: Sequence[Queued] = ()) -> Callable[[Connection], None] | None:
        """What the transaction of a verdict does too: gives up claims. None: there are none.

        And of the others that were in its request, ``asked``, those that were answered are no longer in doubt.
        """
        if self._renewing is None:
            return None
        heard: list[Queued] = []
        if len(freed) < len(asked):
            ids = {id(queued) for queued in freed}
            heard = [queued for queued in asked if id(queued) not in ids and not queued.unanswered_since]
        return lambda connection: self._claims.settle(connection, _keys(freed), _keys(heard))

    def end(self) -> None:
        """Let other tasks have what is left. Raises UnusableLedger."""
        self._ended.set()
        if self._renewing is not None:
            self._renewing.join()
            self._claims.end()

    def put_away(self) -> None:
        """Write what tasks have sent that died long ago as unanswered, and forget what they claimed."""
        if self._renewing is not None:
            now = self._clock()
            self._claims.put_away(
                _written(now), lambda ago: _written(now - timedelta(seconds=ago)), self._ledger.earlier
            )


def _written(time: datetime) -> str:
    """As the ledger writes it."""
    return time.isoformat(timespec="milliseconds")


def _keys(batch: Sequence[Queued]) -> list[Key]:
    return [_key(queued) for queued in batch]


def _key(queued: Queued) -> Key:
    """The identity under which it came: it may go on under an older one."""
    return queued.claimed or queued.postback.key
