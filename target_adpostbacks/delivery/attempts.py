"""Sends a part of a batch, with retries, until each postback has a verdict or stays open."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import backoff

from target_adpostbacks.core.answers import Outcome, Verdict
from target_adpostbacks.core.settings import Settings
from target_adpostbacks.delivery.exchange import Answer, Exchange
from target_adpostbacks.delivery.lane import Lane, others
from target_adpostbacks.delivery.queued import Group, Part, Queued
from target_adpostbacks.delivery.verdicts import Verdicts
from target_adpostbacks.ledger import Sent

MAX_REQUESTS = 64
"""For one batch, retries and halves together; what is left then stays open."""
PROBED = 4
"""Conversions of a batch from which on the account may be what is refused."""
PROBES = 3
"""Conversions that are sent alone to find that out; and refusals by name, one after the other, that raise the doubt."""


def pauses() -> Iterator[float]:
    """Seconds between attempts: full jitter, up to 1, 2, 4 … 60."""
    growing = backoff.expo(base=2, factor=1, max_value=60)
    next(growing)  # python-backoff's generators are primed with one step
    for longest in growing:
        yield backoff.full_jitter(longest)


class Tries(NamedTuple):
    """How far the sending of a part is. Times are monotonic seconds."""

    until: float  # when it is given up
    attempt: int = 0  # requests since the beginning, or since one that settled something
    named: int = 0  # requests, one after the other, that settled nothing but refusals by name


class Done(NamedTuple):
    """Each postback has a verdict, or stays open for this run."""

    settled: list[Group]
    given_up: Outcome | None = None  # the newest answer, where the limits of retrying are reached


class Again(NamedTuple):
    """The rest of the part is sent once more after ``pause`` seconds."""

    settled: list[Group]
    part: Part
    pause: float
    tries: Tries


class Halves(NamedTuple):
    """The part was refused whole, though one bad postback may be the cause: its halves, or the probe itself."""

    parts: list[Part]
    settled: Sequence[Group] = ()


class Suspect(NamedTuple):
    """Postbacks were refused by name, one by one: the account may be the cause, so the rest is to be probed."""

    settled: list[Group]
    part: Part


Decision = Done | Again | Halves | Suspect


def decide(
    part: Part, answer: Answer, tries: Tries, *, settings: Settings, pause: float, now: float, trusted: bool
) -> Decision:
    """What an answer means for the part that was sent. Pure.

    ``pause``: seconds before a further attempt, if the network asks for no more; ``now``: monotonic; ``trusted``: the
    network has accepted something of this account in this run.
    """
    part = part._replace(sent=answer.sent)
    first = answer.outcomes[0]
    if part.is_probe and first.verdict is Verdict.REJECTED:
        return Halves([part._replace(refusal=first)])
    if len(part.batch) > 1 and _is_refused_whole(answer.outcomes):
        half = len(part.batch) // 2
        return Halves([part._replace(batch=each, refusal=first) for each in (part.batch[:half], part.batch[half:])])
    settled, again = _parted(part.batch, answer.outcomes)
    if not again:
        return Done(settled)
    left = part._replace(batch=[queued for _, batch in again for queued in batch])
    if settled:  # the others were only kept from their verdict: start afresh, at once
        by_name = all(outcome.verdict is Verdict.REJECTED for outcome, _ in settled)
        named = tries.named + 1 if by_name else 0
        if named >= PROBES and len(left.batch) >= PROBED and not trusted:
            return Suspect(settled, left._replace(refusal=settled[0][0], last=None, is_suspect=True))
        return Again(settled, left._replace(last=None), 0, Tries(now + settings.max_retry_seconds, named=named))
    pause = max(pause, answer.wait_seconds)
    if tries.attempt >= settings.max_attempts or now + pause > tries.until:
        return Done(again, given_up=again[0][0])
    return Again([], left._replace(last=again[0][0]), pause, tries)


def _is_refused_whole(outcomes: Sequence[Outcome]) -> bool:
    first = outcomes[0]
    return first.verdict is Verdict.REJECTED and first.shared and outcomes.count(first) == len(outcomes)


def _parted(batch: Sequence[Queued], outcomes: Sequence[Outcome]) -> tuple[list[Group], list[Group]]:
    """What is settled, or open for this run; and what to try again."""
    settled: list[Group] = []
    again: list[Group] = []
    for outcome, queued in _by_outcome(batch, outcomes):
        if outcome.verdict is Verdict.NO_ANSWER:
            # Where the network does not deduplicate, a resend could count twice.
            settled.append((outcome, [each for each in queued if each.postback.resend_seconds is None]))
            again.append((outcome, [each for each in queued if each.postback.resend_seconds is not None]))
        elif outcome.verdict.final or outcome.verdict is Verdict.CREDENTIALS or outcome.later:
            settled.append((outcome, queued))
        else:
            again.append((outcome, queued))
    return [group for group in settled if group[1]], [group for group in again if group[1]]


def _by_outcome(batch: Sequence[Queued], outcomes: Sequence[Outcome]) -> list[Group]:
    if outcomes.count(outcomes[0]) == len(outcomes):
        return [(outcomes[0], list(batch))]
    groups: dict[Outcome, list[Queued]] = {}
    for queued, outcome in zip(batch, outcomes, strict=True):
        groups.setdefault(outcome, []).append(queued)
    return [*groups.items()]


class Attempts:
    """The requests of one batch and what they come to.

    ``refused_before``: what is not reached keeps the refusal of an earlier run instead of staying open, or a batch with
    many bad ones would be begun anew by every run.
    """

    def __init__(
        self,
        lane: Lane,
        exchange: Exchange,
        verdicts: Verdicts,
        pauses: Callable[[], Iterator[float]] = pauses,
        *,
        refused_before: bool = False,
    ) -> None:
        self.lane = lane
        self.verdicts = verdicts
        self.refused_before = refused_before
        self._exchange = exchange
        self._pauses = pauses

    def settle(self, part: Part) -> list[Part]:
        """Send until each one has a verdict or stays open; what remains are parts to be searched."""
        settings = self.lane.network.settings
        pauses = self._pauses()
        started = time.monotonic()
        tries = Tries(started + settings.max_retry_seconds)
        while True:
            tries, why = self._await_turn(tries)
            if why is None and len(left := self._to_send(part)) < len(part.batch):
                if not left:
                    return []
                part = part._replace(batch=left)
            if why is None:
                started_at = self._note_request(part.batch)
                why = self.why_not()  # after the note: who cuts a run short stops it first
            if why is not None:
                _forget_request(part.batch)
                self.leave_open([part], part.last or why)
                return []
            answer = self._exchange.send(part.batch, started_at, tries.attempt, part.sent)
            _note_silence(part.batch, answer)
            trusted = bool(self.lane.accepted_at)
            now, pause = time.monotonic(), next(pauses)
            decision = decide(part, answer, tries, settings=settings, pause=pause, now=now, trusted=trusted)
            self._hold_off(answer)
            attempt = {**answer.attempt, "status": _status(answer, decision)}
            self.verdicts.store(decision.settled, answer.sent, attempt, part.batch)
            _forget_request(part.batch)  # the ledger knows what came of it
            self._halt_refused(answer)
            if isinstance(decision, Done):
                if decision.given_up:
                    self._give_up(started, decision.given_up, answer.sent)
                return []
            if isinstance(decision, Halves):
                return decision.parts
            if isinstance(decision, Suspect):
                return [decision.part]
            part, tries = decision.part, decision.tries
            if decision.pause:
                self.lane.wait(decision.pause)

    def _to_send(self, part: Part) -> list[Queued]:
        """Those of a part that may be sent now: of persons who are not erased, and none that has grown too old."""
        left = self.verdicts.without_erased(part.batch, part.sent)
        left = self.verdicts.in_time(left, self.lane.network.too_old, part.sent) if left else left
        return self.verdicts.to_send(left)

    def why_not(self) -> Outcome | None:
        """Why nothing more is sent of this batch; None: it may go on."""
        if self.lane.halted:
            return self.lane.halted
        if self.verdicts.stopping.is_set():
            return Outcome(Verdict.TRANSIENT, message="the run was stopped before it was sent")
        if self._exchange.requests >= MAX_REQUESTS:
            return Outcome(Verdict.TRANSIENT, message=f"not settled within {MAX_REQUESTS} requests for its batch")
        return None

    def leave_open(self, parts: Sequence[Part], why: Outcome) -> None:
        """These stay open, or keep the refusal that they had."""
        if self.refused_before:
            self.verdicts.keep([queued for part in parts for queued in part.batch], why)
        else:
            self.verdicts.store([(why, list(part.batch)) for part in parts], parts[-1].sent)

    def _await_turn(self, tries: Tries) -> tuple[Tries, Outcome | None]:
        """Wait until a request may go out; or why none may."""
        if (why := self.why_not()) is not None:
            return tries, why
        paced, why = self.lane.await_turn(tries.until)
        return tries._replace(until=tries.until + paced, attempt=tries.attempt + 1), why or self.why_not()

    def _note_request(self, batch: Sequence[Queued]) -> str:
        """Note that the network may have them from now on; the time."""
        self.verdicts.ensure_asset(batch)
        now = self.verdicts.now()
        for queued in batch:
            queued.requested_at = now
        return now

    def _hold_off(self, answer: Answer) -> None:
        """The next request of the account waits as long as the network asks, where there is something to try again."""
        if not answer.wait_seconds:
            return
        again = (each for each in answer.outcomes if each.verdict in (Verdict.THROTTLED, Verdict.TRANSIENT))
        if asked := next(again, None):
            self.lane.hold_off(answer.wait_seconds, asked)

    def _halt_refused(self, answer: Answer) -> None:
        refusal = next((outcome for outcome in answer.different if outcome.verdict is Verdict.CREDENTIALS), None)
        if refusal:
            self.halt(refusal, answer.sent)

    def halt(self, refusal: Outcome, sent: Sent | None) -> None:
        """The network takes nothing from this account: nothing more is sent in this run."""
        words = ": ".join(filter(None, (refusal.code, refusal.message))) or f"HTTP {sent and sent.http_status}"
        self.lane.halt(refusal, f"credentials refused ({words}): sending to this account stops for this run")

    def _give_up(self, started: float, last: Outcome, sent: Sent) -> None:
        """Nothing went through meanwhile: the account's other input waits for the next run too."""
        if self.lane.accepted_at < started:
            self.lane.halt(
                others(last), f"gave up; sending to this account stops for this run ({described(last, sent)})"
            )


def _note_silence(batch: Sequence[Queued], answer: Answer) -> None:
    if all(outcome.verdict is not Verdict.NO_ANSWER for outcome in answer.different):
        return
    for queued, outcome in zip(batch, answer.outcomes, strict=True):
        if outcome.verdict is Verdict.NO_ANSWER and queued.unanswered_since is None:
            queued.unanswered_since = queued.requested_at


def _forget_request(batch: Sequence[Queued]) -> None:
    for queued in batch:
        queued.requested_at = None


def _status(answer: Answer, decision: Decision) -> str:
    if answer.outcomes[0].verdict is Verdict.ACCEPTED:
        return "Success"
    return "Failed" if isinstance(decision, Done) else "Retried"


def described(outcome: Outcome, sent: Sent | None) -> str:
    """``'throttled: 40100: Too many requests'``; with the HTTP status, where the network gave no code of its own."""
    status = sent and sent.http_status
    return f"HTTP {status}, {outcome.summary}" if status and not outcome.code else outcome.summary
