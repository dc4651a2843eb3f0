"""Writes each outcome to the ledger, counts it, and then lets state be written."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from target_adpostbacks.core import reasons
from target_adpostbacks.core.answers import Outcome, Verdict
from target_adpostbacks.core.money import TO_THE_MINUTE, Amount, Stake, stakes
from target_adpostbacks.core.postback import Key, NotSent, Postback, milliseconds
from target_adpostbacks.delivery.in_turn import LeftOpen
from target_adpostbacks.delivery.observing import NOBODY, Observer
from target_adpostbacks.delivery.people import SUPPRESSED, People, not_sent
from target_adpostbacks.delivery.queued import Group, Queued, Skipped, WhyOpen, deadline
from target_adpostbacks.delivery.under_way import UnderWay
from target_adpostbacks.ledger import NO_REQUEST, NOTED, Delivered, Earlier, Ledger, Sent, Status, UnusableLedger

CUT_SHORT = Outcome(Verdict.NO_ANSWER, message="the run ended before the answer came")
STOPPED = Outcome(Verdict.NO_ANSWER, message=NOTED)
ERASED = Outcome(Verdict.NO_ANSWER, message=reasons.ERASED)
TOO_LATE = Outcome(Verdict.NO_ANSWER, message="no answer came before it was too old to be sent again")
NEVER_SENT = Outcome(Verdict.TRANSIENT, message="the run ended before it was sent")


def row_of(not_sent: NotSent) -> Delivered:
    """The row of a postback that no request is made for."""
    status = Status(not_sent.status, not_sent.reason, "", not_sent.message)
    return Delivered(not_sent.key, not_sent.account, status, NO_REQUEST, not_sent.facts)


class Verdicts:
    """The run's books. Safe to use from several threads.

    ``counts``: accepted, already accepted, rejected, "skipped …" and "open …" by reason; one for each postback and
    row that was handed in, once the run is over. ``stopping``: set, nothing new is sent.
    """

    def __init__(
        self,
        ledger: Ledger,
        clock: Callable[[], datetime],
        under_way: UnderWay,
        people: People | None = None,
        observer: Observer = NOBODY,
    ) -> None:
        self.counts: Counter[str] = Counter()
        self.why_open: Counter[WhyOpen] = Counter()
        self.stopping = threading.Event()
        self.left_open = LeftOpen()
        self.came_together: Callable[[Sequence[Queued]], None] = lambda _same: None  # of one key; the first was sent
        self._ledger = ledger
        self._open: dict[tuple[str, str, str], Amount] = {}  # account, currency, minute of the deadline
        self._clock = clock
        self._under_way = under_way
        self._people = people
        self._observer = observer
        self._lock = threading.Lock()
        self._writing = threading.Lock()  # a verdict and what is noted of it come one after the other
        self._noted: set[Key] = set()
        self._is_abandoned = False
        self._unwritten_skips = 0

    def now(self) -> str:
        """The clock as the ledger writes it."""
        return self._clock().isoformat(timespec="milliseconds")

    def is_ours(self, batch: Sequence[Queued]) -> bool:
        """Whether this run alone sends to the batch's asset."""
        key = batch[0].postback.key
        return self._ledger.claim(key.network, key.asset)

    def ensure_asset(self, batch: Sequence[Queued]) -> None:
        """Raises UnusableLedger if another run may be sending to the asset: time has passed since it was claimed."""
        if not self.is_ours(batch):
            raise UnusableLedger("ledger: this run lost its lock on an asset to another run; run it again")

    def store(self, groups: Sequence[Group], sent: Sent | None, attempt: Mapping[str, Any] | None = None) -> None:
        """Commit outcomes and the request that gave them, then let state be written."""
        groups = [group for each in groups for group in _with_doubt(each)]
        rows = [row for outcome, batch in groups for row in _rows(batch, outcome, sent)]
        with self._writing:
            self._write(rows, (queued for _, batch in groups for queued in batch), [attempt] if attempt else [])
            for outcome, batch in groups:
                if outcome.verdict.final:
                    self.release(batch, outcome.verdict.value)
                else:
                    self.leave_open(batch, outcome, sent and sent.http_status)

    def skip(self, batch: Sequence[Queued], reason: str, message: str, sent: Sent | None = None) -> None:
        """These are not sent, or not again. ``sent``: the newest request that they were in."""
        status, request = Status("skipped", reason, "", message), sent or NO_REQUEST
        rows = [
            Delivered(queued.postback.key, queued.postback.account_name, status, request, queued.postback.facts)
            for queued in batch
        ]
        with self._writing:
            self._write(rows, batch if sent else ())
            self.release(batch, f"skipped {reason}")

    def _write(
        self, rows: Sequence[Delivered], batch: Iterable[Queued], attempts: Sequence[Mapping[str, Any]] = ()
    ) -> None:
        """Write rows, and whose those of a batch are where the ledger is to know."""
        if self._people and self._people.has_index:
            whose = self._people.whose(batch)
            self._ledger.write(self.now(), rows, attempts, whose)
        else:
            self._ledger.write(self.now(), rows, attempts)

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
            rows = [_erased(queued.postback, sent) for queued in erased if not queued.in_doubt_since]
            rows += _rows(doubted, ERASED, sent) if doubted else ()
            with self._writing:
                self._write(rows, erased)
                self.release(erased, f"skipped {SUPPRESSED}")
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
            rows = [row for queued in waiting for row in _rows([queued], STOPPED, None)]
            self._write(rows, waiting)
        return len(waiting)

    def leave_open(self, batch: Sequence[Queued], outcome: Outcome, http_status: int | None = None) -> None:
        """These stay open, and the ledger knows it."""
        if batch:
            self.release(batch, _opened(outcome), WhyOpen(batch[0].postback.account, outcome, http_status))

    def release(self, batch: Sequence[Queued], count_as: str, why_open: WhyOpen | None = None) -> None:
        """What became of it is in the ledger: state may be written, and the keys may come again."""
        with self._lock:
            if self._is_abandoned or not batch:
                return
            released = self._under_way.release(batch)
            for same in released:
                if len(same) > 1:
                    self.came_together(same)
            marks = Counter([queued.mark for same in released for queued in same])
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
        self.release(self._under_way.still(batch), "open unwritten")

    def expect_skipped(self, count: int) -> None:
        """``count`` rows will be handed to ``store_skipped`` or to ``skips_unwritten``."""
        with self._lock:
            self._unwritten_skips += count

    def store_skipped(self, rows: Sequence[Skipped]) -> None:
        """Commit what no request is made for."""
        earlier = self._ledger.earlier([key for skipped in rows for key in skipped.other_keys])
        for each in _one_by_one(_as_known(skipped, earlier) for skipped in rows):
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
            rows += _rows([first], outcome, None)
            abandoned.append(first)
        return lambda: self._write(rows, abandoned)


def _erased(postback: Postback, sent: Sent | None) -> Delivered:
    """The row of a postback about an erased person; with the request that the network did not take it in."""
    row = row_of(not_sent(postback))
    return row._replace(sent=sent, facts=postback.facts) if sent else row


def _as_known(skipped: Skipped, known: Mapping[tuple[Any, ...], Earlier]) -> Delivered:
    """The row under the identity by which the ledger knows it from before, if it does."""
    key = next((key for key in skipped.other_keys if key in known), skipped.row.key)
    return skipped.row._replace(key=key)


def _one_by_one(rows: Iterable[Delivered]) -> Iterator[list[Delivered]]:
    """Rows that may be written together, so that the ledger has what it would have of each by itself.

    Of one identity the first skip stands, until one comes with another reason.
    """
    together: dict[tuple[Any, ...], Delivered] = {}
    for row in rows:
        before = together.get(row.key)
        if before is not None and before.status[:2] != row.status[:2]:
            yield [*together.values()]
            before, together = None, {}
        if before is None or row.status.status != "skipped":
            together[row.key] = row
    yield [*together.values()]


def _with_doubt(group: Group) -> Iterator[Group]:
    """The network may have what went unanswered, whatever a later answer says that is no verdict."""
    outcome, batch = group
    is_clear = outcome.verdict.final or outcome.verdict is Verdict.NO_ANSWER
    doubted = [] if is_clear else [queued for queued in batch if queued.unanswered_since]
    if not doubted:
        yield group
        return
    yield Outcome(Verdict.NO_ANSWER, message=f"no answer to an earlier request; now {outcome.summary}"), doubted
    if others := [queued for queued in batch if not queued.unanswered_since]:
        yield outcome, others


def _rows(batch: Sequence[Queued], outcome: Outcome, sent: Sent | None) -> Iterator[Delivered]:
    """The rows of postbacks that share an outcome."""
    verdict = outcome.verdict
    is_final, is_accepted, is_unanswered = verdict.final, verdict is Verdict.ACCEPTED, verdict is Verdict.NO_ANSWER
    status, reason = (verdict.value, outcome.reason) if is_final else ("open", verdict.value)
    shared = Status(status, reason, outcome.code, outcome.message)
    request = sent or NO_REQUEST
    account = batch[0].postback.account_name
    for queued in batch:
        postback = queued.postback
        row_status, row_request = shared, request
        if is_accepted and postback.note:
            message = f"{shared.message}; {postback.note}" if shared.message else postback.note
            row_status = shared._replace(message=message)
        if is_unanswered and queued.in_doubt_since:
            row_request = request._replace(sent_at=queued.in_doubt_since)
        until = None if is_final else milliseconds(postback.deadline)
        yield _new(Delivered, (postback.key, account, row_status, row_request, postback.facts, until))


_new = tuple.__new__  # a NamedTuple's own call takes twice as long


def _opened(outcome: Outcome) -> str:
    return f"open {outcome.verdict.value}"
