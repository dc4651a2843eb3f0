"""Writes each outcome to the ledger, counts it, and then lets state be written."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from target_adpostbacks.core import reasons
from target_adpostbacks.core.answers import Outcome, Verdict
from target_adpostbacks.core.money import TO_THE_MINUTE, Amount, Stake, stakes
from target_adpostbacks.core.postback import Key, milliseconds
from target_adpostbacks.delivery.in_turn import LeftOpen
from target_adpostbacks.delivery.observing import NOBODY, Observer
from target_adpostbacks.delivery.people import SUPPRESSED, People
from target_adpostbacks.delivery.queued import Group, Queued, Skipped, WhyOpen, deadline
from target_adpostbacks.delivery.rows import as_known, erased_row, one_by_one, rows_of, with_doubt
from target_adpostbacks.delivery.under_way import UnderWay
from target_adpostbacks.ledger import NO_REQUEST, NOTED, Delivered, Ledger, Sent, Status, UnusableLedger

if TYPE_CHECKING:
    from target_adpostbacks.delivery.claims import Claims
    from target_adpostbacks.ledger.connections import Connection

NOBODYS: Mapping[Key, Iterable[str]] = {}
CUT_SHORT = Outcome(Verdict.NO_ANSWER, message="the run ended before the answer came")
STOPPED = Outcome(Verdict.NO_ANSWER, message=NOTED)
ERASED = Outcome(Verdict.NO_ANSWER, message=reasons.ERASED)
TOO_LATE = Outcome(Verdict.NO_ANSWER, message="no answer came before it was too old to be sent again")
NEVER_SENT = Outcome(Verdict.TRANSIENT, message="the run ended before it was sent")


class Verdicts:
    """The run's books. Safe to use from several threads.

    ``counts``: accepted, already accepted, rejected, "skipped …" and "open …" by reason; one for each postback and
    row that was handed in, once the run is over. ``stopping``: set, nothing new is sent. ``claims``: of a task that
    sends beside others.
    """

    def __init__(
        self,
        ledger: Ledger,
        clock: Callable[[], datetime],
        under_way: UnderWay,
        people: People | None = None,
        observer: Observer = NOBODY,
        claims: Claims | None = None,
    ) -> None:
        self.counts: Counter[str] = Counter()
        self.why_open: Counter[WhyOpen] = Counter()
        self.stopping = threading.Event()
        self.left_open = LeftOpen()
        self.came_together: Callable[[Sequence[Queued]], None] = lambda _same: None  # of one key; the first was sent
        self.put_aside: Callable[[Sequence[Queued]], None] = lambda _lost: None  # another task has claimed them
        self._ledger = ledger
        self._open: dict[tuple[str, str, str], Amount] = {}  # account, currency, minute of the deadline
        self._clock = clock
        self._under_way = under_way
        self._people = people
        self._observer = observer
        self._claims = claims
        self._lock = threading.Lock()
        self._writing = threading.Lock()  # a verdict and what is noted of it come one after the other
        self._noted: set[Key] = set()
        self._is_abandoned = False
        self._unwritten_skips = 0

    def now(self) -> str:
        """The clock as the ledger writes it."""
        return self._clock().isoformat(timespec="milliseconds")

    def is_ours(self, batch: Sequence[Queued]) -> bool:
        """Whether this run alone sends to the batch's asset, or with none but others that claim what they send."""
        key = batch[0].postback.key
        return self._ledger.claim(key.network, key.asset, shared=self._claims is not None)

    def ensure_asset(self, batch: Sequence[Queued]) -> None:
        """Raises UnusableLedger if another run may be sending to the asset: time has passed since it was claimed."""
        if not self.is_ours(batch):
            raise UnusableLedger("ledger: this run lost its lock on an asset to another run; run it again")

    def store(
        self,
        groups: Sequence[Group],
        sent: Sent | None,
        attempt: Mapping[str, Any] | None = None,
        asked: Sequence[Queued] = (),
    ) -> None:
        """Commit outcomes and the request that gave them, then let state be written.

        ``asked``: all that were in that request.
        """
        groups = [group for each in groups for group in with_doubt(each)]
        rows = [row for outcome, batch in groups for row in rows_of(batch, outcome, sent)]
        also = self._settling((queued for _, batch in groups for queued in batch), asked)
        with self._writing:
            self.write(rows, (queued for _, batch in groups for queued in batch), [attempt] if attempt else [], also)
            for outcome, batch in groups:
                if outcome.verdict.final:
                    self._release(batch, outcome.verdict.value)
                else:
                    self._leave_open(batch, outcome, sent and sent.http_status)

    def skip(self, batch: Sequence[Queued], reason: str, message: str, sent: Sent | None = None) -> None:
        """These are not sent, or not again. ``sent``: the newest request that they were in."""
        status, request = Status("skipped", reason, "", message), sent or NO_REQUEST
        rows = [
            Delivered(queued.postback.key, queued.postback.account_name, status, request, queued.postback.facts)
            for queued in batch
        ]
        with self._writing:
            self.write(rows, batch if sent else (), also=self._settling(batch))
            self._release(batch, f"skipped {reason}")

    def write(
        self,
        rows: Sequence[Delivered],
        batch: Iterable[Queued],
        attempts: Sequence[Mapping[str, Any]] = (),
        also: Callable[[Connection], None] | None = None,
    ) -> None:
        """Write rows, and whose those of a batch are where the ledger is to know; ``also``: as ``Ledger.write``."""
        whose = self._people.whose(batch) if self._people and self._people.has_index else NOBODYS
        self._ledger.write(self.now(), rows, attempts, whose, also)

    def _settling(self, batch: Iterable[Queued], asked: Sequence[Queued] = ()) -> Callable[[Connection], None] | None:
        return self._claims.settling([*batch], asked) if self._claims is not None else None

    def to_send(self, batch: list[Queued]) -> list[Queued]:
        """Those of a batch that may be sent now. What another task has claimed meanwhile is put aside."""
        if self._claims is None or not batch:
            return batch
        ours = self._claims.request(batch)
        if len(ours) < len(batch):
            ids = {id(queued) for queued in ours}
            self.put_aside([queued for queued in batch if id(queued) not in ids])
        return ours

    def without_erased(self, batch: list[Queued], sent: Sent | None = None) -> list[Queued]:
        """Those of a batch that may be sent. The others are about people who are erased by now: they hold nothing back.

        What the network may have stays unanswered. Whatever the ledger knows as that keeps its row. ``sent``: the
        newest request that they were in.
        """
        if self._people is None:
            return batch
        left, erased = self._people.parted(batch)
        if erased:
            doubted = [queued for queued in erased if queued.in_doubt_since and queued.earlier is None]
            rows = [erased_row(queued.postback, sent) for queued in erased if not queued.in_doubt_since]
            rows += rows_of(doubted, ERASED, sent) if doubted else ()
            with self._writing:
                self.write(rows, erased, also=self._settling(erased))
                self._release(erased, f"skipped {SUPPRESSED}")
        return left

    def in_time(self, batch: list[Queued], advice: str = "", sent: Sent | None = None) -> list[Queued]:
        """Those of a batch that are not too old by now. What the network may have stays unanswered.

        ``sent``: the newest request that they were in.
        """
        now = self._clock()
        if deadline(batch) >= now:
            return batch
        late = [queued for queued in batch if queued.postback.deadline < now]
        doubted = [queued for queued in late if queued.in_doubt_since]
        if doubted:
            self.store([(TOO_LATE, doubted)], None)
        if unsent := [queued for queued in late if not queued.in_doubt_since]:
            self.skip(unsent, "too_old", advice, sent)
        return [queued for queued in batch if queued.postback.deadline >= now]

    def keep(self, batch: Sequence[Queued], why: Outcome) -> None:
        """The ledger's refusal of these stands; what ``note_unanswered`` has overwritten stays open."""
        noted = [queued for queued in batch if queued.postback.key in self._noted]
        self.release([queued for queued in batch if queued.postback.key not in self._noted], "rejected")
        if noted:
            self.store([(why, noted)], None)

    def note_unanswered(self) -> int:
        """Write at once what is under way as ``no_answer``, before a kill may come; an answer overwrites it.

        How many. Raises UnusableLedger.
        """
        with self._writing:
            waiting = [same[0] for same in self._under_way.all() if same[0].in_doubt_since]
            self._noted.update(queued.postback.key for queued in waiting)
            rows = [row for queued in waiting for row in rows_of([queued], STOPPED, None)]
            self.write(rows, waiting)
        return len(waiting)

    def leave_open(self, batch: Sequence[Queued], outcome: Outcome) -> None:
        """These stay open, and the ledger has known it before."""
        if batch:
            self._free(batch)
            self._leave_open(batch, outcome)

    def release(self, batch: Sequence[Queued], count_as: str) -> None:
        """What became of it the ledger has known before: state may be written, and the keys may come again."""
        if batch:
            self._free(batch)
            self._release(batch, count_as)

    def _free(self, batch: Sequence[Queued]) -> None:
        if self._claims is not None:
            self._claims.free(batch)

    def _leave_open(self, batch: Sequence[Queued], outcome: Outcome, http_status: int | None = None) -> None:
        if batch:
            self._release(batch, _opened(outcome), WhyOpen(batch[0].postback.account, outcome, http_status))

    def _release(self, batch: Sequence[Queued], count_as: str, why_open: WhyOpen | None = None) -> None:
        """What became of it is in the ledger."""
        with self._lock:
            if self._is_abandoned or not batch:
                return
            marks = Counter([queued.mark for queued in batch])
            for same in self._under_way.release(batch):
                self.came_together(same)
                marks.update(queued.mark for queued in same[1:])
            total = marks.total()
            account = batch[0].postback.account
            self._count(account, count_as, len(batch))
            if total > len(batch):
                self._count(account, "already accepted" if count_as == "accepted" else count_as, total - len(batch))
            self._observer.queued(account, -total)
            if why_open:
                self.why_open[why_open] += total
            is_open = count_as.startswith("open ")
            if is_open:
                self._count_money(batch)
                self.left_open.add(batch)
        for mark, count in marks.items():
            if count_as == "rejected":
                mark.flag(count_as)
            (mark.hold if is_open else mark.settle)(count)

    def _count(self, account: str, count_as: str, count: int) -> None:
        self.counts[count_as] += count
        self._observer.ended(account, count_as, count)

    def _count_money(self, batch: Iterable[Queued]) -> None:
        for queued in batch:
            postback, facts = queued.postback, queued.postback.facts
            if facts.value is None or facts.currency is None or postback.key.test:
                continue
            until = milliseconds(postback.deadline)
            minute = (postback.account, facts.currency, until[:TO_THE_MINUTE])
            *_, first, value = self._open.get(minute, ("", "", until, 0.0))
            self._open[minute] = Amount(*minute[:2], min(until, first or ""), value + facts.value)

    def at_stake(self) -> list[Stake]:
        """The value of what stayed open, tests aside."""
        with self._lock:
            return stakes(self._open.values(), self.now())

    def unwritten(self, batch: Sequence[Queued]) -> None:
        """Keep open what could not be written to the ledger; a part of the batch may have been settled before."""
        self._release(self._under_way.still(batch), "open unwritten")

    def expect_skipped(self, count: int) -> None:
        """``count`` rows will be handed to ``store_skipped`` or to ``skips_unwritten``."""
        with self._lock:
            self._unwritten_skips += count

    def store_skipped(self, rows: Sequence[Skipped]) -> None:
        """Commit what no request is made for."""
        earlier = self._ledger.earlier([key for skipped in rows for key in skipped.other_keys])
        for each in one_by_one(as_known(skipped, earlier) for skipped in rows):
            self._ledger.write(self.now(), each)
        with self._lock:
            if self._is_abandoned:
                return
            self._unwritten_skips -= len(rows)
            alike = Counter((row.key.network, row.account, *row.status[:2]) for row, *_ in rows)
            for (network, account, status, reason), count in alike.items():
                self._count(f"{network}.{account}", f"skipped {reason}" if status == "skipped" else status, count)
        for skipped in rows:
            known_as = skipped.row.status
            if known_as.reason == "invalid" or known_as.status == "rejected":
                skipped.mark.flag("invalid" if known_as.reason == "invalid" else "rejected")
        for mark, count in Counter(skipped.mark for skipped in rows).items():
            mark.settle(count)

    def skips_unwritten(self, rows: Sequence[Skipped]) -> None:
        """Keep open what could not be written to the ledger."""
        with self._lock:
            self._unwritten_skips -= len(rows)
            self._count("", "open unwritten", len(rows))
        for skipped in rows:
            skipped.mark.hold(1)

    def abandon(self) -> Callable[[], None]:
        """Count what is under way as open, and listen to nothing more; the function that writes the ledger's rows."""
        with self._lock:
            self._is_abandoned = True
            self._count("", "open unwritten", self._unwritten_skips)
        rows: list[Delivered] = []
        abandoned: list[Queued] = []
        for first, *later in self._under_way.all():
            outcome = CUT_SHORT if first.in_doubt_since else NEVER_SENT
            account = first.postback.account
            self._count(account, _opened(outcome), 1 + len(later))
            self._observer.queued(account, -1 - len(later))
            self.why_open[WhyOpen(account, outcome)] += 1 + len(later)
            self._count_money([first])
            rows += rows_of([first], outcome, None)
            abandoned.append(first)
        return lambda: self.write(rows, abandoned)


def _opened(outcome: Outcome) -> str:
    return f"open {outcome.verdict.value}"
