"""Every request that one batch takes: sends, retries politely, and finds the bad postback in a batch refused whole."""

from __future__ import annotations

import email.utils
import re
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple, Protocol

import msgspec

from target_adpostbacks.network import Account, Outcome, Verdict
from target_adpostbacks.postback import Postback, scrubbed
from target_adpostbacks.transport import Transport, Unreachable

MAX_REQUESTS = 64
"""For one batch, retries and halves together; what is left then stays open."""


_REQUEST_ID = re.compile(r"[A-Za-z0-9-]{1,64}").fullmatch
"""What a network's id of a request looks like; anything else may be an echo of ours."""


class Entry(Protocol):
    """What a batch is made of."""

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


class Run(Protocol):
    """What an attempt needs of the run that it belongs to."""

    transport: Transport
    stopping: threading.Event
    log: Callable[[str], None]
    clock: Callable[[], datetime]
    pauses: Callable[[], Iterator[float]]

    def now(self) -> str: ...
    def keep(self, batch: Sequence[Any]) -> None: ...
    def store(self, verdicts: Sequence[Group], sent: Sent | None, attempt: Mapping[str, Any] | None = None) -> None: ...


class Way:
    """What all requests of an account share: whether it is closed for this run, and how long it is to wait."""

    def __init__(self, account: Account) -> None:
        assert account.network is not None  # noqa: S101 - disabled accounts get no postbacks
        self.account = account
        self.network = account.network
        self.closed: Outcome | None = None
        self.answered = 0.0  # monotonic: when the network last accepted something
        self._not_before = 0.0  # monotonic
        self._told: Outcome | None = None

    def hold_off(self, wait_seconds: float, told: Outcome) -> None:
        """No request of the account goes out before the time is over that the network asked for."""
        self._not_before, self._told = max(self._not_before, time.monotonic() + wait_seconds), told

    def wait(self, until: float, stopping: threading.Event) -> Outcome | None:
        """Wait for that time; or say what is to wait for, if it comes after ``until``."""
        pause = self._not_before - time.monotonic()
        if pause <= 0:
            return None
        if self._not_before > until:
            return self._told
        stopping.wait(pause)
        return None


class Attempts:
    """The requests of one batch, until each of its postbacks has a verdict or stays open.

    ``refused_before``: what the budget does not reach keeps the refusal of an earlier run instead of staying open, or
    a batch with many bad ones would be begun anew by every run.
    """

    def __init__(self, way: Way, run: Run, *, refused_before: bool = False) -> None:
        self._refused_before = refused_before
        self._way = way
        self._network = way.network
        self._run = run
        self._requests = 0

    def run(self, batch: Sequence[Any], wider: Sent | None = None, last: Outcome | None = None) -> None:
        """Send, and send again, until nothing is left to try. ``wider``, ``last``: a request refused whole before."""
        settings = self._network.settings
        started = time.monotonic()
        until = started + settings.max_retry_seconds
        pauses = self._run.pauses()
        attempt = 0
        sent = wider
        while batch:
            if self._refused_before and self._requests >= MAX_REQUESTS:
                self._run.keep(batch)
                return
            if closed := self._closed() or self._way.wait(until, self._run.stopping) or self._closed():
                self._run.store([(last or closed, list(batch))], sent)
                return
            attempt += 1
            sent, outcomes, wait, row = self._attempt(batch, attempt, sent.attempt_id if sent else None)
            if len(batch) > 1 and _refused_whole(outcomes):
                self._run.store([], sent, {**row, "status": "Retried"})
                half = len(batch) // 2  # one bad postback can sink its whole batch: find it
                self.run(batch[:half], sent, last)
                self.run(batch[half:], sent, last)
                return
            done, again = self._parted(batch, outcomes)
            last = _doubt(last, [] if done else again)  # what was said of others is no reason for these
            pause = max(next(pauses), wait)
            spent = attempt >= settings.max_attempts or time.monotonic() + pause > until
            given_up = [(last or outcome, entries) for outcome, entries in again] if spent and not done else []
            self._run.store(done + given_up, sent, {**row, "status": _status(outcomes[0], again, given_up)})
            self._close_refused(outcomes, sent)
            if given_up:
                self._give_up(started, again[0][0])
                return
            batch = [entry for _, entries in again for entry in entries]
            if done:  # the others were only kept from their verdict: start afresh, at once
                attempt, until = 0, time.monotonic() + settings.max_retry_seconds
            elif batch:
                self._way.hold_off(wait, again[0][0])
                self._run.stopping.wait(pause)

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
            request_id = network.request_id(response)
            request_id = request_id if _REQUEST_ID(request_id) and request_id not in account.secrets else ""
            sent = Sent(uuid.uuid4().hex, started_at, response.status, response.latency_ms, self._requests, request_id)
            wait = seconds(network.retry_after(response), self._run.clock())
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
        clean: dict[int, Outcome] = {}  # a request has one outcome or two, many times over
        for outcome in outcomes:
            if id(outcome) not in clean:
                payloads = [] if outcome.verdict is Verdict.ACCEPTED else [entry.postback.payload for entry in batch]
                code = scrubbed(outcome.code, secrets, keep_ids=True)[:100]
                detail = scrubbed(outcome.detail, secrets, payloads)
                clean[id(outcome)] = outcome._replace(code=code, detail=detail)
        return [clean[id(outcome)] for outcome in outcomes]

    def _close_refused(self, outcomes: list[Outcome], sent: Sent) -> None:
        refused = next((outcome for outcome in outcomes if outcome.verdict is Verdict.CREDENTIALS), None)
        if refused and not self._way.closed:
            self._way.closed = refused
            said = refused.said if refused.code else f"HTTP {sent.http_status}, {refused.said}"
            self._run.log(f"{self._way.account.label}: {said}. The network refuses us; nothing more is sent to it.")

    def _give_up(self, started: float, last: Outcome) -> None:
        """Past its limits, and nothing went through meanwhile: the account's other input waits for the next run too."""
        if not self._way.closed and self._way.answered < started:
            self._way.closed = last
            self._run.log(f"{self._way.account.label}: given up for this run ({last.said}).")


def _refused_whole(outcomes: Sequence[Outcome]) -> bool:
    first = outcomes[0]
    return first.verdict is Verdict.REJECTED and first.shared and outcomes.count(first) == len(outcomes)


def _doubt(last: Outcome | None, again: Sequence[Group]) -> Outcome | None:
    """Once a request went unanswered the network may have taken it, whatever a later one says."""
    if last and last.verdict is Verdict.NO_ANSWER:
        return last
    return again[0][0] if again else None


def _status(first: Outcome, again: Sequence[Any], given_up: Sequence[Any]) -> str:
    if first.verdict is Verdict.ACCEPTED:
        return "Success"
    return "Failed" if given_up or not again else "Retried"


def seconds(retry_after: str, now: datetime) -> float:
    """``'30'`` or an HTTP date as seconds from now; 0 for what is neither or lies in the past."""
    text = retry_after.strip()
    if text.isdecimal():
        return float(text[:12])
    try:
        when = email.utils.parsedate_to_datetime(text)
    except (TypeError, ValueError):
        return 0.0
    if when.tzinfo is None:
        when = when.replace(tzinfo=now.tzinfo)
    return max(0.0, (when - now).total_seconds())
