"""Batches in, verdicts out: deduplicates, sends in the background, and lets state pass once it is written down."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from datetime import datetime, timezone
from random import Random
from typing import Any, NamedTuple, Protocol

import backoff
import msgspec

from target_adpostbacks.core.accounts import Account
from target_adpostbacks.core.answers import Outcome, Verdict
from target_adpostbacks.core.postback import Facts, Key, Postback
from target_adpostbacks.delivery.attempts import Attempts, Group, Sent
from target_adpostbacks.delivery.lane import Pace, Way
from target_adpostbacks.delivery.repeats import UNRECOGNIZED, Repeats
from target_adpostbacks.delivery.transport import Transport
from target_adpostbacks.ledger import Delivered, Ledger, UnusableLedger

QUEUED = 2
"""Batches of an account that wait for each one under way, before the reader waits too."""
CUT_SHORT = Outcome(Verdict.NO_ANSWER, detail="the run was ended before the answer came")
NOT_SENT = Outcome(Verdict.TRANSIENT, detail="the run was ended before it was sent")
ABANDON_SECONDS = 2
"""For writing down what is left without an answer."""


class Mark(Protocol):
    """A place in the input: how state learns what became of the postbacks before it."""

    def settle(self, count: int) -> None:
        """So many have a final verdict."""

    def hold(self, count: int) -> None:
        """So many stay open."""


class Queued(msgspec.Struct, gc=False):
    """A postback and its place in the input."""

    postback: Postback
    mark: Mark
    in_doubt: bool = False  # the network may have it, though nothing says so


class Skipped(NamedTuple):
    """A row for what no request is made for, with its place in the input."""

    row: Delivered
    mark: Mark


def skipped(key: Key, account: str, facts: Facts, reason: str, message: str = "", status: str = "skipped") -> Delivered:
    """The row of a postback that no request is made for."""
    return Delivered._make((*key, account, status, reason, "", message, None, None, 0, None, "", None, *facts))


def pauses() -> Iterator[float]:
    """Seconds between attempts: full jitter, up to 1, 2, 4 … 60."""
    growing = backoff.expo(base=2, factor=1, max_value=60)
    next(growing)  # python-backoff's generators are primed with one step
    for longest in growing:
        yield backoff.full_jitter(longest)


class Delivery:
    """One run's sending. ``submit``, ``skip`` and ``settle`` belong to one thread; the rest happens on others.

    ``counts``: accepted, already accepted, rejected, "skipped …" and "open …" by reason; one for each postback and
    row that was handed in, once the run is over.
    """

    def __init__(
        self,
        ledger: Ledger,
        transport: Transport,
        *,
        log: Callable[[str], None] = lambda _: None,
        clock: Callable[[], datetime] = lambda: datetime.now(timezone.utc),
        pauses: Callable[[], Iterator[float]] = pauses,
        random: Random | None = None,
    ) -> None:
        self.counts: Counter[str] = Counter()
        self.stopping = threading.Event()  # ends waits; nothing new is sent
        self.failed: BaseException | None = None  # the ledger could not be written, or our own mistake
        self.transport = transport
        self.log = log
        self.clock = clock
        self.pauses = pauses
        self.idle: Callable[[], None] = lambda: None  # called now and then while ``submit`` waits
        self.random = random or Random()  # noqa: S311 - no secret
        self._ledger = ledger
        self._lanes: dict[str, Lane] = {}
        self._paces: dict[tuple[str, float], Pace] = {}
        self._lock = threading.Lock()
        self._under_way: dict[Key, list[Queued]] = {}  # with those that have the same key and came later
        self._abandoned = False
        self._why_open: Counter[str] = Counter()
        self._writer = ThreadPoolExecutor(1, thread_name_prefix="ledger")
        self._writing: list[Future[None]] = []
        self._unwritten_skips = 0
        self._repeats = Repeats(ledger, clock)

    # --- For the thread that reads -----------------------------------------------------------------------------------

    def submit(self, account: Account, batch: Sequence[Queued]) -> None:
        """Send a batch (one account, one envelope) in the background; waits while too many are under way."""
        fresh = self._claimed(batch)
        if fresh:
            lane = self._lanes.get(account.label) or self._lane(account)
            lane.submit(
                lambda: self._guarded(lambda: self._deliver(lane, fresh), self._unwritten, fresh), self._waiting
            )

    def has_room(self, account: Account) -> bool:
        """Whether ``submit`` would return at once."""
        lane = self._lanes.get(account.label)
        return lane is None or lane.has_room()

    def _waiting(self) -> bool:
        """Whether to wait on: once stopped, nothing is sent any more, and the work only says what stays open."""
        self.idle()
        return not self.stopping.is_set()

    def _lane(self, account: Account) -> Lane:
        per_second = account.network.settings.requests_per_second if account.network else 0
        pace = None
        if per_second:  # accounts of a section share it, but one with a number of its own
            pace = self._paces.setdefault((account.section, per_second), Pace(per_second))
        return self._lanes.setdefault(account.label, Lane(account, pace))

    def skip(self, rows: Sequence[Skipped]) -> None:
        """Store what no request is made for."""
        self._writing = [future for future in self._writing if not future.done()]
        if len(self._writing) > QUEUED:
            self._writing[0].result()
        with self._lock:
            self._unwritten_skips += len(rows)
        self._writing.append(
            self._writer.submit(lambda: self._guarded(lambda: self._store_skipped(rows), self._unwritten_rows, rows))
        )

    def settle(self, hurried: Callable[[], bool] = lambda: False) -> bool:
        """Wait until every verdict is written; False if ``hurried`` ended the wait before."""
        futures = [*self._writing, *(future for lane in self._lanes.values() for future in list(lane.futures))]
        while futures:
            futures = list(wait(futures, timeout=0.2).not_done)
            if futures and hurried():
                return False
        return True

    def abandon(self) -> None:
        """Wait no longer: the network may have taken what is under way, but nobody hears its answer any more."""
        with self._lock:
            self._abandoned = True
            under_way = list(self._under_way.values())
            self.counts["open unwritten"] += self._unwritten_skips
            now = self.now()
            for same in under_way:
                if same[0].in_doubt:
                    self._repeats.unanswered.setdefault(same[0].postback.key, now)
        rows = []
        for outcome, is_in_doubt in ((CUT_SHORT, True), (NOT_SENT, False)):
            found = [same for same in under_way if (same[0].postback.key in self._repeats.unanswered) is is_in_doubt]
            if found:
                self.counts[_opened(outcome)] += sum(map(len, found))
                self._why_open.update(
                    f"{queued.postback.account.label}: {outcome.said}" for same in found for queued in same
                )
                rows += [row for same in found for row in self._rows(same[:1], outcome, None)]
        wait([self._writer.submit(self._ledger.write, self.now(), rows)], timeout=ABANDON_SECONDS)

    def stop(self) -> None:
        """End waits; requests under way finish and are written down, everything else stays open."""
        self.stopping.set()

    @property
    def differences(self) -> Mapping[str, int]:
        """``"tiktok.default: value"`` to how many of what came again differ in it."""
        return self._repeats.differences

    @property
    def why_open(self) -> list[tuple[str, int]]:
        """``"tiktok.default: throttled: …"`` and how many, the most first."""
        return self._why_open.most_common()

    # --- Deduplication -----------------------------------------------------------------------------------------------

    def _claimed(self, batch: Sequence[Queued]) -> list[Queued]:
        """Those whose key is not under way; the others follow the first one's verdict."""
        fresh = []
        with self._lock:
            for queued in batch:
                key = queued.postback.key
                same = self._under_way.get(key)
                if same is None:
                    self._under_way[key] = [queued]
                    fresh.append(queued)
                else:
                    same.append(queued)
                    self._repeats.compare(queued.postback, same[0].postback.facts)
        return fresh

    # --- In the background -------------------------------------------------------------------------------------------

    def _guarded(self, work: Callable[[], None], otherwise: Callable[[Any], None], entries: Sequence[Any]) -> None:
        """What goes wrong in the background keeps state back and ends the run, without a word of the data."""
        try:
            work()
        except Exception as error:  # noqa: BLE001 - reported by the main thread
            self.failed = self.failed or error
            self.stopping.set()
            otherwise(entries)

    def _deliver(self, lane: Lane, batch: list[Queued]) -> None:
        if not self._is_ours(batch):
            self.store([(Outcome(Verdict.BUSY, detail="another run on this ledger is sending there"), batch)], None)
            return
        found = self._repeats.sort(batch)
        self._release(found.accepted, "already accepted")
        if found.unanswered:
            unrecognized = Outcome(Verdict.NO_ANSWER, detail=UNRECOGNIZED)
            self._release(found.unanswered, _opened(unrecognized), unrecognized.said)
        if found.new:
            Attempts(lane, self).run(found.new)
        if found.refused:
            Attempts(lane, self, refused_before=True).run(found.refused)

    def _is_ours(self, batch: Sequence[Queued]) -> bool:
        key = batch[0].postback.key
        return self._ledger.claim(key.network, key.asset)

    def _unwritten(self, batch: Iterable[Queued]) -> None:
        """What the ledger could not be told of stays open; a part of the batch may have been settled before."""
        with self._lock:
            left = [queued for queued in batch if self._is_under_way(queued)]
        self._release(left, "open unwritten")

    def _is_under_way(self, queued: Queued) -> bool:
        return any(same is queued for same in self._under_way.get(queued.postback.key, ()))

    def _unwritten_rows(self, rows: Sequence[Skipped]) -> None:
        with self._lock:
            self._unwritten_skips -= len(rows)
            self.counts["open unwritten"] += len(rows)
        for skipped in rows:
            skipped.mark.hold(1)

    def _store_skipped(self, rows: Sequence[Skipped]) -> None:
        self._ledger.write(self.now(), [skipped.row for skipped in rows])
        with self._lock:
            if self._abandoned:
                return
            self._unwritten_skips -= len(rows)
            for skipped in rows:
                row = skipped.row
                self.counts[f"skipped {row.reason}" if row.status == "skipped" else row.status] += 1
        for mark, count in Counter(skipped.mark for skipped in rows).items():
            mark.settle(count)

    def _release(self, batch: Iterable[Queued], outcome: str, why: str = "") -> None:
        """What became of it is in the ledger: state may be written, and the keys may come again."""
        batch = list(batch)
        marks = Counter([queued.mark for queued in batch])
        with self._lock:
            if self._abandoned:
                return
            if batch:
                self.counts[outcome] += len(batch)
            for queued in batch:
                same = self._under_way.pop(queued.postback.key)
                if why:
                    self._why_open[f"{queued.postback.account.label}: {why}"] += len(same)
                if len(same) > 1:
                    marks.update(later.mark for later in same[1:])
                    self.counts["already accepted" if outcome == "accepted" else outcome] += len(same) - 1
        final = not outcome.startswith("open ")
        for mark, count in marks.items():
            (mark.settle if final else mark.hold)(count)

    # --- What an attempt needs ---------------------------------------------------------------------------------------

    def now(self) -> str:
        """The clock as the ledger writes it."""
        return self.clock().isoformat(timespec="milliseconds")

    def ensure_asset(self, batch: Sequence[Queued]) -> None:
        """Raises UnusableLedger if another run may be sending to the asset: time has passed since it was claimed."""
        if not self._is_ours(batch):
            raise UnusableLedger("ledger: an asset was lost to another run")

    def keep(self, batch: Sequence[Queued]) -> None:
        """What the ledger says of these stands."""
        self._release(batch, "rejected")

    def store(self, verdicts: Sequence[Group], sent: Sent | None, attempt: Mapping[str, Any] | None = None) -> None:
        """Commit verdicts and the attempt that gave them, then let state be written."""
        if self._repeats.unanswered:
            verdicts = [group for each in verdicts for group in self._repeats.doubted(each)]
        rows = [row for outcome, batch in verdicts for row in self._rows(batch, outcome, sent)]
        self._ledger.write(self.now(), rows, [attempt] if attempt else [])
        for outcome, batch in verdicts:
            if outcome.verdict.final:
                self._release(batch, outcome.verdict.value)
            else:
                self._release(batch, _opened(outcome), outcome.said)

    def _rows(self, batch: Sequence[Queued], outcome: Outcome, sent: Sent | None) -> Iterator[tuple[Any, ...]]:
        """The rows of postbacks that share an outcome, in the order of Delivered."""
        verdict = outcome.verdict
        status, reason = (verdict.value, outcome.reason) if verdict.final else ("open", verdict.value)
        request: tuple[Any, ...] = (None, None, 0, None, "")
        sent_at = None
        if sent:
            request = (sent.http_status, sent.latency_ms, sent.requests, sent.attempt_id, sent.request_id)
            sent_at = sent.started_at
        account = batch[0].postback.account.name
        first_sent = self._repeats.unanswered if verdict is Verdict.NO_ANSWER else {}
        for queued in batch:
            postback = queued.postback
            message = outcome.detail
            if postback.note and verdict is Verdict.ACCEPTED:
                message = f"{message}; {postback.note}" if message else postback.note
            judged = (account, status, reason, outcome.code, message)
            at = first_sent.get(postback.key) or sent_at if first_sent else sent_at
            yield (*postback.key, *judged, *request, at, *postback.facts)


class Lane(Way):
    """One account's way out: its threads, and what waits for them."""

    def __init__(self, account: Account, pace: Pace | None = None) -> None:
        super().__init__(account, pace)
        concurrency = self.network.settings.concurrency
        self.futures: set[Future[None]] = set()
        self._pool = ThreadPoolExecutor(concurrency, thread_name_prefix=account.label)
        self._slots = threading.Semaphore(concurrency * (1 + QUEUED))

    def has_room(self) -> bool:
        """Whether there is a free slot."""
        if free := self._slots.acquire(blocking=False):
            self._slots.release()
        return free

    def submit(self, work: Callable[[], None], waiting: Callable[[], bool]) -> None:
        """Do it on a thread, after waiting for a free slot as long as ``waiting`` says so."""
        while not self._slots.acquire(timeout=0.2) and waiting():
            pass
        future = self._pool.submit(work)
        self.futures.add(future)
        future.add_done_callback(self._finished)

    def _finished(self, future: Future[None]) -> None:
        self.futures.discard(future)
        self._slots.release()


def _opened(outcome: Outcome) -> str:
    return f"open {outcome.verdict.value}"
