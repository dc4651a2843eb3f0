"""Every request that one batch takes: sends, retries politely, and finds the bad postback in a batch refused whole."""

from __future__ import annotations

import re
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from itertools import islice
from random import Random
from typing import Any, NamedTuple, Protocol

import msgspec

from target_adpostbacks.core.answers import Outcome, Verdict
from target_adpostbacks.core.postback import Postback
from target_adpostbacks.delivery.lane import Way, seconds
from target_adpostbacks.delivery.scrub import scrubbed, texts_of
from target_adpostbacks.delivery.transport import Transport, Unreachable

MAX_REQUESTS = 64
"""For one batch, retries and halves together; what is left then stays open."""
PROBED = 4
"""Conversions of a batch, from which on it may be the account that is refused, and"""
PROBES = 3
"""those that are sent alone to find that out."""

MAX_WORDS = 20
"""Different messages of one answer that are kept: what they echo has to be looked for in each."""
TOO_MANY_WORDS = "said in other words for each; see the first ones"

_REQUEST_ID = re.compile(r"[A-Za-z0-9_-]{1,64}").fullmatch
"""What a network's id of a request looks like; anything else may be an echo of ours."""


class Entry(Protocol):
    """What a batch is made of."""

    in_doubt: bool  # a request is out, or went unanswered: the network may have it

    @property
    def postback(self) -> Postback: ...


class Sent(NamedTuple):
    """The newest request of a batch: what a row of deliveries tells of it."""

    attempt_id: str
    started_at: str
    http_status: int | None
    latency_ms: int
    requests: int  # of this batch so far
    request_id: str


Group = tuple[Outcome, list[Any]]
"""An outcome and the entries of the batch that it is for."""


TOO_LARGE = 413
SILENCE = Outcome(Verdict.NO_ANSWER)


class Part(NamedTuple):
    """A batch, or a piece of one that was refused whole."""

    batch: Sequence[Any]
    wider: Sent | None = None  # the request that was refused, and
    said: Outcome = SILENCE  # in which words
    last: Outcome | None = None  # why it stays open if nothing more comes: what was said before that
    probe: bool = False  # sent alone to learn whether it is refused too: that is no verdict yet
    suspect: bool = False  # one after the other was refused by name: what is left is to be probed

    @property
    def refused(self) -> tuple[str, int | None]:
        """What is alike when everything is refused for one reason."""
        return self.said.code, self.wider and self.wider.http_status


class Run(Protocol):
    """What an attempt needs of the run that it belongs to."""

    transport: Transport
    stopping: threading.Event
    log: Callable[[str], None]
    clock: Callable[[], datetime]
    random: Random
    pauses: Callable[[], Iterator[float]]

    def now(self) -> str: ...
    def keep(self, batch: Sequence[Any]) -> None: ...
    def ensure_asset(self, batch: Sequence[Any]) -> None: ...
    def store(self, verdicts: Sequence[Group], sent: Sent | None, attempt: Mapping[str, Any] | None = None) -> None: ...


class Attempts:
    """The requests of one batch, until each of its postbacks has a verdict or stays open.

    ``refused_before``: what is not reached keeps the refusal of an earlier run instead of staying open, or a batch with
    many bad ones would be begun anew by every run.
    """

    def __init__(self, way: Way, run: Run, *, refused_before: bool = False) -> None:
        self._refused_before = refused_before
        self._way = way
        self._network = way.network
        self._run = run
        self._requests = 0

    def run(self, batch: Sequence[Any]) -> None:
        """Send, and send again, until nothing is left to try: what is refused whole in halves, down to a single one."""
        left = self._settle(Part(batch))
        if len(left) == 2 and len(batch) >= PROBED:
            quarters = [self._settle(half) for half in left]
            left = [quarter for both in quarters for quarter in both]
            if all(quarters) and len({part.refused for part in left}) == 1 and not self._way.answered:
                left = self._probed(left)
        left.reverse()
        while left:
            part = left.pop()
            left += reversed(self._probed([part]) if part.suspect else self._settle(part))

    def _probed(self, parts: list[Part]) -> list[Part]:
        """Everything was refused alike: what is left to do once a few conversions were sent alone, whichever they are.

        If they are refused too, it is for the account and not for themselves: it is closed, and all of them stay open.
        """
        tried: list[Part] = []
        alike = parts[0].refused
        while len(tried) < PROBES:
            parts, single = self._picked(parts)
            probe = self._settle(single)
            tried += probe
            if not probe and (closed := self._closed()):  # by another batch, or it is the end of the run
                self._leave([*parts, *tried], closed)
                return []
            if not probe or probe[0].refused != alike:
                for part in tried:  # refused alone, and the account is not to blame
                    self._run.store([(part.said, list(part.batch))], part.wider)
                return parts
        last = tried[-1]
        count = sum(len(part.batch) for part in (*parts, *tried))
        told = f"{count} conversions, and {PROBES} of them each alone, were all refused in the same way"
        refused = Outcome(Verdict.CREDENTIALS, last.said.code, ": ".join(filter(None, (told, last.said.detail))))
        self._leave([*parts, *tried], refused)
        if not self._refused_before:
            self._close_refused(refused, last.wider)
        return []

    def _leave(self, parts: list[Part], why: Outcome) -> None:
        """These stay open, or keep the refusal that they had."""
        if self._refused_before:
            self._run.keep([entry for part in parts for entry in part.batch])
        else:
            left = [(_doubt(part.last, []) or why, list(part.batch)) for part in parts]
            self._run.store(left, parts[-1].wider)

    def _picked(self, parts: list[Part]) -> tuple[list[Part], Part]:
        """All but one conversion, and that one. By chance: the next run is to try others."""
        part = self._run.random.choice(parts)
        batch = list(part.batch)
        single = batch.pop(self._run.random.randrange(len(batch)))
        left = [each._replace(batch=batch if each is part else each.batch, suspect=False) for each in parts]
        return [each for each in left if each.batch], part._replace(batch=[single], probe=True, suspect=False)

    def _settle(self, part: Part) -> list[Part]:
        """Send until each one has a verdict or stays open; or the two halves of what was refused whole."""
        batch, sent, last = part.batch, part.wider, part.last
        settings = self._network.settings
        started = time.monotonic()
        until = started + settings.max_retry_seconds
        pauses = self._run.pauses()
        attempt = named = 0
        while batch:
            paced, closed = self._let_go(batch, until)
            until += paced
            if closed:
                _mark(batch, _doubt(last, []) is not None)
                self._leave([Part(batch, sent, last=last)], last or closed)
                return []
            attempt += 1
            sent, outcomes, wait, row = self._attempt(batch, attempt, sent.attempt_id if sent else None)
            if (len(batch) > 1 and _refused_whole(outcomes)) or (
                part.probe and outcomes[0].verdict is Verdict.REJECTED
            ):
                self._run.store([], sent, {**row, "status": "Retried"})
                _mark(batch, _doubt(last, []) is not None)
                if part.probe:
                    return [part._replace(wider=sent, said=outcomes[0], last=_doubt(last, []))]
                half = len(batch) // 2  # one bad postback can sink its whole batch: find it
                return [Part(each, sent, outcomes[0], last) for each in (batch[:half], batch[half:])]
            done, again = self._parted(batch, outcomes)
            if wait and again:
                self._way.hold_off(wait, _to_others(again[0][0]))
            last = _doubt(last, [] if done else again)  # what was said of others is no reason for these
            pause = max(next(pauses), wait)
            spent = attempt >= settings.max_attempts or time.monotonic() + pause > until
            given_up = [(last or outcome, entries) for outcome, entries in again] if spent and not done else []
            settled = [(outcome if outcome.verdict.final else last or outcome, entries) for outcome, entries in done]
            self._run.store(settled + given_up, sent, {**row, "status": _status(outcomes[0], again, given_up)})
            refused = next((outcome for outcome in outcomes if outcome.verdict is Verdict.CREDENTIALS), None)
            if refused:
                self._close_refused(refused, sent)
            if given_up:
                self._give_up(started, again[0][0], sent)
                return []
            batch = [entry for _, entries in again for entry in entries]
            _mark(batch, last is not None and last.verdict is Verdict.NO_ANSWER)
            if done:  # the others were only kept from their verdict: start afresh, at once
                attempt, until = 0, time.monotonic() + settings.max_retry_seconds
                named = named + 1 if all(outcome.verdict is Verdict.REJECTED for outcome, _ in done) else 0
                if named >= PROBES and len(batch) >= PROBED and not self._way.answered:
                    return [Part(batch, sent, done[0][0], last, suspect=True)]
            elif batch:
                self._run.stopping.wait(pause)
        return []

    def _let_go(self, batch: Sequence[Entry], until: float) -> tuple[float, Outcome | None]:
        """Wait until the batch may be sent: the seconds that its turn took, and why not, if it may not be sent."""
        if closed := self._closed():
            return 0.0, closed
        paced, closed = self._way.wait(until, self._run.stopping)
        if closed := closed or self._closed():
            return paced, closed
        self._run.ensure_asset(batch)
        _mark(batch, True)
        return paced, self._closed()  # looked at after the mark: who cuts the run short stops it first

    def _parted(self, batch: Sequence[Any], outcomes: list[Outcome]) -> tuple[list[Group], list[Group]]:
        """What is settled, or open for this run; and what to try again."""
        groups: list[Group] = []
        if outcomes.count(outcomes[0]) == len(outcomes):
            groups.append((outcomes[0], list(batch)))
        else:
            by_outcome: dict[Outcome, list[Any]] = {}
            for entry, outcome in zip(batch, outcomes, strict=True):
                by_outcome.setdefault(outcome, []).append(entry)
            groups.extend(by_outcome.items())
        done: list[Group] = []
        again: list[Group] = []
        for outcome, entries in groups:
            if outcome.verdict is Verdict.NO_ANSWER:
                # Where the network does not deduplicate, a resend could count twice.
                done.append((outcome, [entry for entry in entries if entry.postback.resend_seconds is None]))
                again.append((outcome, [entry for entry in entries if entry.postback.resend_seconds is not None]))
            else:
                (done if outcome.verdict.final or outcome.verdict is Verdict.CREDENTIALS else again).append(
                    (outcome, entries)
                )
        return [group for group in done if group[1]], [group for group in again if group[1]]

    def _closed(self) -> Outcome | None:
        if self._way.closed:
            return self._way.closed
        if self._run.stopping.is_set():
            return Outcome(Verdict.TRANSIENT, detail="the run was stopped before it was sent")
        if self._requests >= MAX_REQUESTS:
            return Outcome(Verdict.TRANSIENT, detail=f"{MAX_REQUESTS} requests for one batch were not enough")
        return None

    def _attempt(
        self, batch: Sequence[Entry], attempt: int, parent: str | None
    ) -> tuple[Sent, list[Outcome], float, dict[str, Any]]:
        """One request: what was sent, its outcomes, the seconds that the network asks to wait, the row of attempts."""
        network, account = self._network, self._way.account
        self._requests += 1
        payloads = [msgspec.Raw(entry.postback.payload) for entry in batch]
        request = network.request(batch[0].postback.envelope, payloads)
        started_at = self._run.now()
        try:
            response = self._run.transport(request, network.settings.request_timeout_seconds)
        except Unreachable as silence:
            verdict = Verdict.NO_ANSWER if silence.sent else Verdict.TRANSIENT
            outcomes = [Outcome(verdict, detail=silence.why, shared=True)] * len(batch)
            sent = Sent(uuid.uuid4().hex, started_at, None, silence.latency_ms, self._requests, "")
            wait = 0.0
        else:
            outcomes = self._scrubbed(network.outcomes(response, len(batch)), batch)
            if response.status == TOO_LARGE:
                outcomes = [_too_large(outcome) for outcome in outcomes]
            request_id = network.request_id(response)
            request_id = request_id if _REQUEST_ID(request_id) and request_id not in account.secrets else ""
            sent = Sent(uuid.uuid4().hex, started_at, response.status, response.latency_ms, self._requests, request_id)
            wait = seconds(network.retry_after(response), self._run.clock())
            if not wait and any(outcome.verdict is Verdict.THROTTLED for outcome in outcomes):
                wait = network.throttled_seconds * (1 + self._run.random.random() / 4)  # not all runs at one time
            if warning := network.warning(response):
                self._way.warn(scrubbed(warning, account.secrets, _texts(batch)), self._run.log)
            if any(outcome.verdict is Verdict.ACCEPTED for outcome in outcomes):
                self._way.answered = time.monotonic()
        row = {
            "attempt_id": sent.attempt_id,
            "parent_id": parent,
            "network": account.section,
            "account": account.name,
            "asset": batch[0].postback.key.asset,
            "started_at": started_at,
            "latency_ms": sent.latency_ms,
            "http_status": sent.http_status,
            "attempt": attempt,
            "events": len(batch),
            "code": outcomes[0].code,
            "message": outcomes[0].detail,
            "network_request_id": sent.request_id,
        }
        return sent, outcomes, wait, row

    def _scrubbed(self, outcomes: list[Outcome], batch: Sequence[Entry]) -> list[Outcome]:
        secrets = self._way.account.secrets
        told = dict.fromkeys(outcome.detail for outcome in outcomes if outcome.detail)
        texts = _texts(batch) if told else frozenset()
        words = {detail: scrubbed(detail, secrets, texts) for detail in islice(told, MAX_WORDS)}
        clean: dict[int, Outcome] = {}  # a request has one outcome or two, many times over
        for outcome in outcomes:
            if id(outcome) not in clean:
                code = scrubbed(outcome.code, secrets, keep_ids=True)[:100]
                detail = outcome.detail and words.get(outcome.detail, TOO_MANY_WORDS)
                clean[id(outcome)] = outcome._replace(code=code, detail=detail)
        return [clean[id(outcome)] for outcome in outcomes]

    def _close_refused(self, refused: Outcome, sent: Sent | None) -> None:
        if not self._way.closed:
            self._way.closed = refused
            told = f"{_told(refused, sent)}. The network refuses us; nothing more is sent to it."
            self._run.log(f"{self._way.account.label}: {told}")

    def _give_up(self, started: float, last: Outcome, sent: Sent) -> None:
        """Past its limits, and nothing went through meanwhile: the account's other input waits for the next run too."""
        if not self._way.closed and self._way.answered < started:
            self._way.closed = _to_others(last)
            self._run.log(f"{self._way.account.label}: given up for this run ({_told(last, sent)}).")


def _texts(batch: Sequence[Entry]) -> frozenset[str]:
    return texts_of(entry.postback.payload for entry in batch)


def _mark(batch: Sequence[Entry], in_doubt: bool) -> None:
    for entry in batch:
        entry.in_doubt = in_doubt


def _told(outcome: Outcome, sent: Sent | None) -> str:
    """What was said; with the HTTP status, where the network gave no code of its own."""
    status = sent and sent.http_status
    return f"HTTP {status}, {outcome.said}" if status and not outcome.code else outcome.said


def _refused_whole(outcomes: Sequence[Outcome]) -> bool:
    first = outcomes[0]
    return first.verdict is Verdict.REJECTED and first.shared and outcomes.count(first) == len(outcomes)


def _too_large(outcome: Outcome) -> Outcome:
    silent = outcome.verdict is Verdict.REJECTED and not outcome.reason
    return outcome._replace(reason="too_large") if silent else outcome


def _doubt(last: Outcome | None, again: Sequence[Group]) -> Outcome | None:
    """Once a request went unanswered the network may have taken it, whatever a later one says."""
    if last and last.verdict is Verdict.NO_ANSWER:
        return last
    return again[0][0] if again else None


def _to_others(said: Outcome) -> Outcome:
    """What was said to one batch, as the reason why others were not sent: nobody owes them an answer."""
    return said._replace(verdict=Verdict.TRANSIENT) if said.verdict is Verdict.NO_ANSWER else said


def _status(first: Outcome, again: Sequence[Any], given_up: Sequence[Any]) -> str:
    if first.verdict is Verdict.ACCEPTED:
        return "Success"
    return "Failed" if given_up or not again else "Retried"
