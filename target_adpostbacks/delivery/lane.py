"""What all requests of an account share: its threads, its pace, and whether it is halted."""

from __future__ import annotations

import email.utils
import heapq
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import datetime
from itertools import count

from target_adpostbacks.core.accounts import Account
from target_adpostbacks.core.answers import Outcome, Verdict
from target_adpostbacks.delivery.access import SignedIn
from target_adpostbacks.delivery.put_off import PutOff

WAITING_BATCHES = 2
"""Batches of an account that wait for each one under way, before the reader waits too."""
WAITING_EVENTS = 2_000
"""Conversions that may wait so where batches are large, since they are held in memory. One batch may in any case."""

Wait = Callable[[float], bool]
"""Waits for this many seconds, or until the run is stopped; returns whether it is stopped."""


class Pace:
    """A ceiling of requests per second. Each request takes the next slot."""

    def __init__(self, per_second: float) -> None:
        self._apart = 1 / per_second
        self._next = 0.0  # monotonic
        self._lock = threading.Lock()

    def turn(self) -> float:
        """Take the next slot; the seconds until it."""
        with self._lock:
            now = time.monotonic()
            turn = max(now, self._next)
            self._next = turn + self._apart
            return turn - now


class Lane:
    """What all requests of an account share."""

    def __init__(
        self,
        account: Account,
        wait: Wait,
        log: Callable[[str], None],
        pace: Pace | None = None,
        signed_in: SignedIn | None = None,
    ) -> None:
        assert account.network is not None  # noqa: S101 - disabled accounts get no postbacks
        self.account = account
        self.network = account.network
        self.wait = wait
        self.log = log
        self.signed_in = signed_in
        self.halted: Outcome | None = None  # why nothing more is sent to the account in this run
        self.accepted_at = 0.0  # monotonic: when the network last accepted something; 0: not in this run
        self.futures: set[Future[None]] = set()
        self.put_off = PutOff()
        concurrency = self.network.settings.concurrency
        self._pool = ThreadPoolExecutor(concurrency, thread_name_prefix=account.label)
        waiting = min(concurrency * WAITING_BATCHES, WAITING_EVENTS // self.network.request_limits.events)
        self._slots = threading.Semaphore(concurrency + max(waiting, 1))
        self._queue: list[tuple[datetime, int, Callable[[], None]]] = []  # a heap
        self._queue_lock = threading.Lock()
        self._numbers = count()
        self._not_before = 0.0  # monotonic
        self._asked: Outcome | None = None  # the answer that asked to wait until then
        self._pace = pace
        self._warned: set[str] = set()

    @property
    def secrets(self) -> tuple[str, ...]:
        """What no message of the network may repeat."""
        return (*self.account.secrets, *self.signed_in.secrets) if self.signed_in else self.account.secrets

    def has_room(self) -> bool:
        """Whether there is a free slot."""
        if free := self._slots.acquire(blocking=False):
            self._slots.release()
        return free

    def submit(self, work: Callable[[], None], deadline: datetime, waiting: Callable[[], bool]) -> None:
        """Do it on a thread, after waiting for a free slot as long as ``waiting`` says so.

        Of all that waits for a thread, the work with the earliest deadline is done first.
        """
        while not self._slots.acquire(timeout=0.2) and waiting():
            pass
        with self._queue_lock:
            heapq.heappush(self._queue, (deadline, next(self._numbers), work))
        future = self._pool.submit(self._do_most_urgent)
        self.futures.add(future)
        future.add_done_callback(self._finished)

    def _do_most_urgent(self) -> None:
        with self._queue_lock:
            *_, work = heapq.heappop(self._queue)
        work()

    def _finished(self, future: Future[None]) -> None:
        self.futures.discard(future)
        self._slots.release()

    def close(self) -> None:
        """Let the threads end once their work is done."""
        self._pool.shutdown(wait=False)

    def warn(self, warning: str) -> None:
        """Log a warning once."""
        if warning not in self._warned:
            self._warned.add(warning)
            self.log(f"{self.account.label}: {warning}")

    def halt(self, why: Outcome, explanation: str) -> None:
        """Send nothing more to the account in this run; what was meant for it stays open."""
        if not self.halted:
            self.halted = why
            self.log(f"{self.account.label}: {explanation}")

    def hold_off(self, seconds: float, asked: Outcome) -> None:
        """Send no request of the account before the time is over that the network asked for."""
        self._not_before, self._asked = max(self._not_before, time.monotonic() + seconds), others(asked)

    def await_turn(self, until: float) -> tuple[float, Outcome | None]:
        """Wait until a request may be sent: as long as the network asked for, then for its slot.

        Returns the seconds that the slot took, which do not count for ``until`` (monotonic), and the answer that asked
        to wait beyond it, if one did.
        """
        paced = 0.0
        while True:
            if asked := self._await_hold_off(until + paced):
                return paced, asked
            before = self._not_before
            paced += self._take_turn()
            if self._not_before == before:  # nothing was asked meanwhile
                return paced, None

    def _take_turn(self) -> float:
        pause = self._pace.turn() if self._pace and not self.halted else 0.0
        if pause > 0:
            self.wait(pause)
        return pause

    def _await_hold_off(self, until: float) -> Outcome | None:
        waited_for = 0.0
        while self._not_before > max(waited_for, time.monotonic()):
            if self._not_before > until:
                return self._asked
            waited_for = self._not_before
            self.wait(waited_for - time.monotonic())
        return None


def others(answer: Outcome) -> Outcome:
    """The answer to one batch as the reason why other batches, which were not sent, stay open."""
    return answer._replace(verdict=Verdict.TRANSIENT) if answer.verdict is Verdict.NO_ANSWER else answer


def seconds(retry_after: str, now: datetime) -> float:
    """``'30'`` or an HTTP date as seconds from now; 0 for what is neither or lies in the past."""
    text = retry_after.strip()
    if not text:
        return 0.0
    if text.isdecimal():
        return float(text[:12])
    try:
        when = email.utils.parsedate_to_datetime(text)
    except (TypeError, ValueError, OverflowError):
        return 0.0
    if when.tzinfo is None:
        when = when.replace(tzinfo=now.tzinfo)
    return max(0.0, (when - now).total_seconds())
