"""Takes batches, deduplicates them and sends them in the background."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from datetime import datetime, timezone
from functools import partial
from random import Random
from threading import Event
from typing import TYPE_CHECKING, Any

from target_adpostbacks.core.accounts import Account
from target_adpostbacks.core.answers import Outcome, Verdict
from target_adpostbacks.core.money import Stake
from target_adpostbacks.core.network import Network
from target_adpostbacks.delivery.access import SignedIn
from target_adpostbacks.delivery.attempts import Attempts, pauses
from target_adpostbacks.delivery.check import check_all
from target_adpostbacks.delivery.exchange import Exchange
from target_adpostbacks.delivery.lane import WAITING_BATCHES, Lane, Pace, Wait
from target_adpostbacks.delivery.observing import NOBODY, Observer
from target_adpostbacks.delivery.other_runs import POLL_SECONDS, OtherRuns
from target_adpostbacks.delivery.people import People
from target_adpostbacks.delivery.queued import Queued, Skipped, WhyOpen, deadline
from target_adpostbacks.delivery.repeats import UNRECOGNIZED, HeldBack, Repeats, Sorted
from target_adpostbacks.delivery.search import Search
from target_adpostbacks.delivery.transport import Transport
from target_adpostbacks.delivery.under_way import UnderWay
from target_adpostbacks.delivery.verdicts import NEVER_SENT, Verdicts
from target_adpostbacks.ledger import Ledger, UnusableLedger

if TYPE_CHECKING:
    from target_adpostbacks.delivery.claims import Claims

ABANDON_SECONDS = 2
"""For writing down what is left without an answer."""
LONGEST_POLL_SECONDS = 2
"""Between two looks at whether other tasks have sent what they claimed."""
BUSY = Outcome(Verdict.BUSY, message="another run with this ledger is sending to this asset")
CLAIMED = Outcome(Verdict.BUSY, message="another task has claimed it, and has not told yet what became of it")

TOO_EARLY = Outcome(
    Verdict.TRANSIENT, message="what goes before it is open: what it adjusts, or what the network takes for the same"
)

NO_ORIGINAL = "it corrects what the network has not accepted from this ledger"


class Delivery:
    """One run's sending. ``submit``, ``skip``, ``settle`` and ``close`` belong to one thread; the rest is on others.

    ``clock``: an aware time; ``wait``: waits so many seconds or until the run is stopped, and returns whether it is;
    ``pauses``: seconds between the attempts of a batch; ``lock_wait_seconds``: how long another run is waited for.
    ``people``: about whom nothing is sent; None: there is nobody. ``claims``: of a task that sends beside others.
    """

    def __init__(
        self,
        ledger: Ledger,
        transport: Transport,
        *,
        log: Callable[[str], None] = lambda _: None,
        inform: Callable[[str], None] = lambda _: None,
        clock: Callable[[], datetime] = lambda: datetime.now(timezone.utc),
        wait: Wait | None = None,
        pauses: Callable[[], Iterator[float]] = pauses,
        random: Random | None = None,
        lock_wait_seconds: float = 0,
        people: People | None = None,
        observer: Observer = NOBODY,
        claims: Claims | None = None,
    ) -> None:
        self.failed: BaseException | None = None  # the ledger could not be written, or our own mistake
        self.idle: Callable[[], None] = lambda: None  # called now and then while ``submit`` waits
        self.delivered: Callable[[str, float], None] = lambda _label, _seconds: None  # a batch has its verdicts
        self._under_way = UnderWay()
        self._verdicts = Verdicts(ledger, clock, self._under_way, people, observer, claims)
        self._verdicts.put_aside = self._put_aside
        self._claims = claims
        self._is_waiting_over = False  # for other tasks
        self._repeats = Repeats(ledger, clock)
        self._verdicts.came_together = self._repeats.compare_later
        self._observer = observer
        self._transport, self._log, self._inform, self._clock = transport, log, inform, clock
        self._wait = wait or self.stopping.wait
        self._other_runs = OtherRuns(self._verdicts.is_ours, self._wait, inform, lock_wait_seconds)
        self._pauses, self._random = pauses, random
        self._lanes: dict[str, Lane] = {}
        self._paces: dict[tuple[str, float], Pace] = {}
        self._signed: dict[tuple[str | None, ...], SignedIn] = {}
        self._writer = ThreadPoolExecutor(1, thread_name_prefix="ledger")
        self._writing: list[Future[None]] = []

    @property
    def stopping(self) -> Event:
        """Set: nothing new is sent."""
        return self._verdicts.stopping

    @property
    def counts(self) -> Counter[str]:
        """What became of what was handed in, as ``Verdicts.counts``."""
        return self._verdicts.counts

    @property
    def differences(self) -> Mapping[str, int]:
        """``"tiktok.default: value"`` to how many of what came again differ in it."""
        return self._repeats.differences

    @property
    def why_open(self) -> list[tuple[WhyOpen, int]]:
        """Each reason and how many, the most first."""
        return self._verdicts.why_open.most_common()

    def validate(self, accounts: Sequence[Account]) -> None:
        """Try the accounts' credentials, side by side; nothing is sent to one that its network refuses."""
        for account, assets in check_all(accounts, self._transport, self._clock, sign_in=self._signed_in):
            failed = next((each for each in assets if each.result == "failed"), None)
            if failed is None:
                self._inform(f"{account.label}: validated, {', '.join(dict.fromkeys(each.result for each in assets))}")
                continue
            words = ": ".join(filter(None, (failed.code, failed.message)))
            lane = self._lanes.get(account.label) or self._lane(account)
            refused = Outcome(Verdict.CREDENTIALS, failed.code, failed.message, shared=True)
            lane.halt(
                refused, f"validation failed ({words}): nothing is sent to this account in this run. {failed.fix}"
            )

    @property
    def at_stake(self) -> list[Stake]:
        """The value of what stayed open, by account and currency."""
        return self._verdicts.at_stake()

    def submit(self, account: Account, batch: Sequence[Queued]) -> None:
        """Send a batch (one account, one envelope) in the background; waits while too many are under way."""
        fresh = self._under_way.claim(batch)
        self._observer.queued(account.label, len(batch))
        if fresh:
            self._begin(self._lanes.get(account.label) or self._lane(account), fresh)

    def _begin(self, lane: Lane, batch: list[Queued], *, waits: bool = True) -> None:
        """``waits``: corrections may wait for more of the input."""
        work = partial(self._deliver_guarded, lane, batch, time.monotonic(), waits=waits)
        lane.submit(work, deadline(batch), self._is_waiting)

    def put_off(self, account: Account, *, is_over: bool) -> list[Queued]:
        """Corrections that came before their original and wait no more, in their order; for ``submit_again``.

        ``is_over``: all that was to be submitted has been, and all of them are. Else only where too many wait, or for
        too long.
        """
        lane = self._lanes.get(account.label)
        if lane is None or not (is_over or lane.put_off.is_due):
            return []
        self.finish(account)  # what comes behind them may be under way
        return lane.put_off.take(is_over=is_over)

    def submit_again(self, account: Account, batch: Sequence[Queued]) -> None:
        """Send what was put off, in the background, or say why it is not sent."""
        self._begin(self._lanes[account.label], [*batch], waits=False)

    def take_turn(self, queued: Queued) -> bool:
        """Whether it may be batched: nothing that its network takes for the same waits in a batch, or is under way.

        If so, what the network takes for the same has to wait until this one is submitted and has its verdict.
        """
        return self._under_way.take_turn(queued)

    def has_room(self, account: Account) -> bool:
        """Whether ``submit`` would return at once."""
        lane = self._lanes.get(account.label)
        return lane is None or lane.has_room()

    def skip(self, rows: Sequence[Skipped]) -> None:
        """Store what no request is made for, in the background."""
        self._writing = [future for future in self._writing if not future.done()]
        if len(self._writing) > WAITING_BATCHES:
            self._writing[0].result()
        self._verdicts.expect_skipped(len(rows))
        self._writing.append(self._writer.submit(self._store_skipped, rows))

    def settle(self, is_hurried: Callable[[], bool] = lambda: False) -> bool:
        """Wait until every verdict is written; False if ``is_hurried`` ended the wait before."""
        is_settled = self._await_all(is_hurried)
        return self._take_up_aside(is_hurried) if is_settled and self._claims else is_settled

    def _await_all(self, is_hurried: Callable[[], bool]) -> bool:
        futures = [*self._writing, *(future for lane in self._lanes.values() for future in list(lane.futures))]
        is_noted = False
        while futures:
            if self.stopping.is_set() and not is_noted:
                is_noted = True
                self._note_unanswered()
            futures = list(wait(futures, timeout=0.2).not_done)
            if futures and is_hurried():
                return False
        return True

    def _take_up_aside(self, is_hurried: Callable[[], bool]) -> bool:
        """Send what other tasks leave of what they had claimed, or know it as delivered; what they keep stays open."""
        assert self._claims is not None  # noqa: S101 - asked before
        until, pause = time.monotonic() + self._claims.wait_seconds, POLL_SECONDS
        while self._claims.aside:
            self._is_waiting_over = time.monotonic() >= until or self.stopping.is_set()
            waiting = self._claims.aside.take()
            for in_turn in waiting:
                lane = self._lanes[in_turn.account.label]
                for batch in in_turn.take():
                    self._begin(lane, batch, waits=False)
            if not self._await_all(is_hurried):
                return False
            for in_turn in waiting:  # behind what still waits of that
                self._claims.aside.add(in_turn.account, in_turn.waiting)
            if self._claims.aside and not self._is_waiting_over:
                self._wait(pause)
                pause = min(1.5 * pause, LONGEST_POLL_SECONDS)
        return True

    def finish(self, account: Account) -> bool:
        """Wait until all that was submitted for an account has its verdict, or stays open; False once stopped."""
        lane = self._lanes.get(account.label)
        while lane and (futures := list(lane.futures)) and self._is_waiting():
            wait(futures, timeout=0.2)
        return not self.stopping.is_set()

    def _note_unanswered(self) -> None:
        try:
            count = self._verdicts.note_unanswered()
        except UnusableLedger as error:
            self._fail(error)
            return
        if count:
            seconds = max(lane.network.settings.request_timeout_seconds for lane in self._lanes.values())
            self._inform(
                f"Stopping: {count} conversions are under way, and their answers are waited for, up to {seconds} s. "
                "A second signal ends the run now."
            )

    def abandon(self) -> None:
        """Wait no longer. The network may have what is under way, but its answers are no longer heard."""
        wait([self._writer.submit(self._verdicts.abandon())], timeout=ABANDON_SECONDS)

    def stop(self) -> None:
        """End waits; requests under way finish and are written down, everything else stays open."""
        self.stopping.set()

    def close(self) -> None:
        """Let every thread end once its work is done."""
        self._writer.shutdown(wait=False)
        for lane in self._lanes.values():
            lane.close()

    def _is_waiting(self) -> bool:
        """Whether to wait on: once stopped, nothing is sent any more, and the work only says what stays open."""
        self.idle()
        return not self.stopping.is_set()

    def _lane(self, account: Account) -> Lane:
        per_second = account.network.settings.requests_per_second if account.network else 0
        pace = None
        if per_second:  # accounts of a section share it, but one with a number of its own
            pace = self._paces.setdefault((account.section, per_second), Pace(per_second))
        return self._lanes.setdefault(
            account.label, Lane(account, self._wait, self._log, pace, self._signed_in(account.network))
        )

    def _signed_in(self, network: Network[Any] | None) -> SignedIn | None:
        """What the network's requests go through where an account has to sign in; None: through the transport alone."""
        credentials = network.credentials() if network else ()
        if network is None or not credentials:
            return None
        key = (network.name, network.settings.base_url, *credentials)
        if key not in self._signed:
            self._signed[key] = SignedIn(
                network, self._transport, tell=lambda what: self._log(f"{network.name}: {what}")
            )
        return self._signed[key]

    def _deliver_guarded(self, lane: Lane, batch: list[Queued], handed_over: float, *, waits: bool) -> None:
        """Deliver a batch; an error holds state back and ends the run. Its text may hold values and is not shown."""
        try:
            self._deliver(lane, batch, waits=waits)
        except Exception as error:  # noqa: BLE001 - reported by the main thread
            self._fail(error)
            self._verdicts.unwritten(batch)
        self.delivered(lane.account.label, time.monotonic() - handed_over)

    def _store_skipped(self, rows: Sequence[Skipped]) -> None:
        try:
            self._verdicts.store_skipped(rows)
        except Exception as error:  # noqa: BLE001 - reported by the main thread
            self._fail(error)
            self._verdicts.skips_unwritten(rows)

    def _fail(self, error: BaseException) -> None:
        self.failed = self.failed or error
        self.stopping.set()

    def _deliver(self, lane: Lane, batch: list[Queued], *, waits: bool) -> None:
        if not self._other_runs.await_end(batch, lane.account.label):
            self._verdicts.store([(BUSY, batch)], None)
            return
        if self._claims is not None and not (batch := self._claimed(self._claims, batch)):
            return
        by_status = self._repeats.sort(batch, lane.network)
        if held_back := self._repeats.held_back([*by_status.new, *by_status.refused], self._verdicts.left_open):
            by_status = self._keep_back(lane, by_status, held_back, waits=waits)
        self._verdicts.release(by_status.accepted, "already accepted")
        unrecognized = by_status.unrecognized and self._verdicts.without_erased(by_status.unrecognized)
        self._verdicts.leave_open(unrecognized, Outcome(Verdict.NO_ANSWER, message=UNRECOGNIZED))
        if by_status.new:
            self._search(lane).run(by_status.new)
        if by_status.refused:
            self._search(lane, refused_before=True).run(by_status.refused)

    def _claimed(self, claims: Claims, batch: list[Queued]) -> list[Queued]:
        """Those of a batch that this task alone sends; the others are put aside."""
        taken = claims.take(batch, self._verdicts.write)
        if taken.others:
            self._put_aside(taken.others)
        return taken.ours

    def _put_aside(self, batch: Sequence[Queued]) -> None:
        """Let these of one account wait for other tasks until the input has ended, or leave them open."""
        assert self._claims is not None  # noqa: S101 - nobody else sends beside others
        if self._is_waiting_over:
            self._verdicts.store([(CLAIMED, [*batch])], None)
        else:
            self._claims.aside.add(self._lanes[batch[0].postback.account].account, batch)

    def _keep_back(self, lane: Lane, by_status: Sorted, held_back: HeldBack, *, waits: bool) -> Sorted:
        """What is left to be sent."""
        put_off: list[Queued] = []
        if waits:
            corrections = [each for each in (*by_status.new, *by_status.refused) if each.postback.key.adjustment]
            put_off = lane.put_off.add(held_back.early, corrections)
            held_back = held_back.without(put_off)
        if held_back.too_early:
            self._verdicts.store([(TOO_EARLY, held_back.too_early)], None)
        if held_back.groundless and self.stopping.is_set():  # the rest of the input may have it
            self._verdicts.store([(NEVER_SENT, held_back.groundless)], None)
        elif held_back.groundless:
            self._verdicts.skip(held_back.groundless, "by_rule", NO_ORIGINAL)
        self._verdicts.release(held_back.needless, "already accepted")
        return by_status.without([*put_off, *held_back.all()])

    def _search(self, lane: Lane, *, refused_before: bool = False) -> Search:
        exchange = Exchange(lane, lane.signed_in or self._transport, self._clock, self._random, self._observer)
        attempts = Attempts(lane, exchange, self._verdicts, self._pauses, refused_before=refused_before)
        return Search(attempts, self._random)
