"""Sends one request of a batch and reads its answer: an outcome for each postback, and a row of attempts."""

from __future__ import annotations

import re
import time
import uuid
from collections.abc import Callable, Sequence
from datetime import datetime
from itertools import islice
from random import Random
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from target_adpostbacks.core.answers import NoAccess, Outcome, Response, Verdict
from target_adpostbacks.delivery.lane import Lane, seconds
from target_adpostbacks.delivery.observing import NOBODY, Observer
from target_adpostbacks.delivery.queued import Queued
from target_adpostbacks.delivery.scrub import scrubbed, scrubbed_code, texts_of
from target_adpostbacks.delivery.transport import Transport, Unreachable
from target_adpostbacks.ledger import Sent

MAX_MESSAGES = 20
"""Different messages of one answer that are kept: what they echo has to be looked for in each."""
TOO_MANY_MESSAGES = "the network gave a different message for each conversion; see the first ones"
TOO_LARGE = 413
SIGN_IN_TO_NETWORK = 511
LENGTHS = ((86_400, "days"), (3600, "h"), (60, "min"), (1, "s"))

_REQUEST_ID = re.compile(r"[A-Za-z0-9_-]{1,64}").fullmatch
"""What a network's id of a request looks like; anything else may be an echo of ours."""


class Answer(NamedTuple):
    """What came of a request."""

    sent: Sent
    outcomes: list[Outcome]  # one for each postback, in order
    wait_seconds: float  # that the network asks for before the next request
    attempt: dict[str, Any]  # its row of attempts, but for the status

    @property
    def different(self) -> Sequence[Outcome]:
        """Each outcome once, in order; most requests have one for all."""
        return different(self.outcomes)


class Exchange:
    """Sends the requests of one batch and counts them."""

    def __init__(
        self,
        lane: Lane,
        transport: Transport,
        clock: Callable[[], datetime],
        random: Random | None = None,
        observer: Observer = NOBODY,
    ) -> None:
        self.requests = 0
        self._lane = lane
        self._network = lane.network
        self._transport = transport
        self._clock = clock
        self._random = random or Random()  # noqa: S311 - no secret
        self._observer = observer

    def send(self, batch: Sequence[Queued], started_at: str, attempt: int, parent: Sent | None) -> Answer:
        """One request. ``started_at``: the clock as the ledger writes it; ``parent``: the request that it repeats."""
        with self._observer.exchange(self._lane.account, len(batch), attempt) as answered:
            answer = self._send(batch, started_at, attempt, parent)
            answered(answer.outcomes)
        return answer

    def _send(self, batch: Sequence[Queued], started_at: str, attempt: int, parent: Sent | None) -> Answer:
        self.requests += 1
        network = self._network
        payloads = [queued.postback.spliced for queued in batch]
        request = network.request(batch[0].postback.envelope, payloads)
        signed = network.signed(request, self._clock(), uuid.uuid4().hex)
        try:
            response = self._transport(signed, network.settings.request_timeout_seconds)
        except Unreachable as unreachable:
            verdict = Verdict.NO_ANSWER if unreachable.sent else Verdict.TRANSIENT
            outcomes = [Outcome(verdict, message=unreachable.why, shared=True)] * len(batch)
            sent = self._sent(started_at, None, unreachable.latency_ms)
            wait_seconds = 0.0
        except NoAccess as no_access:
            outcomes = self._scrubbed([no_access.outcome] * len(batch), batch)
            sent = self._sent(started_at, no_access.http_status, 0)
            wait_seconds = self._asked(no_access.retry_after, outcomes)
        else:
            outcomes = self._outcomes(response, batch, request.url)
            sent = self._sent(started_at, response.status, response.latency_ms, self._request_id(response))
            wait_seconds = self._asked(network.retry_after(response), outcomes)
            self._notice(response, outcomes, batch)
        return Answer(sent, outcomes, wait_seconds, self._attempt(sent, outcomes, batch, attempt, parent))

    def _sent(self, started_at: str, http_status: int | None, latency_ms: int, request_id: str = "") -> Sent:
        return Sent(http_status, latency_ms, self.requests, uuid.uuid4().hex, request_id, started_at)

    def _outcomes(self, response: Response, batch: Sequence[Queued], url: str) -> list[Outcome]:
        network = self._network
        read = network.outcomes_of_test if batch[0].postback.key.test else network.outcomes
        events = [queued.postback.events for queued in batch]
        outcomes = self._scrubbed(_of_conversions(read(response, sum(events)), events), batch)
        if strange := not_the_networks(response, url):
            is_verdict = response.status == TOO_LARGE  # what is too large never reaches the network
            outcomes = [
                outcome if outcome.code or is_verdict else _not_judged(outcome, strange) for outcome in outcomes
            ]
        asked = seconds(self._network.retry_after(response), self._clock())
        if asked > self._network.settings.max_retry_seconds:
            outcomes = [_asked_to_wait(outcome, asked) for outcome in outcomes]
        return [*map(_too_large, outcomes)] if response.status == TOO_LARGE else outcomes

    def _request_id(self, response: Response) -> str:
        request_id = self._network.request_id(response)
        return request_id if _REQUEST_ID(request_id) and request_id not in self._lane.secrets else ""

    def _asked(self, retry_after: str, outcomes: Sequence[Outcome]) -> float:
        """Seconds that the network asks for before the next request."""
        wait_seconds = seconds(retry_after, self._clock())
        if not wait_seconds and any(outcome.verdict is Verdict.THROTTLED for outcome in different(outcomes)):
            # Not all runs are to come back at one time.
            wait_seconds = self._network.throttled_seconds * (1 + self._random.random() / 4)
        return wait_seconds

    def _notice(self, response: Response, outcomes: Sequence[Outcome], batch: Sequence[Queued]) -> None:
        if warning := self._network.warning(response):
            self._lane.warn(f"the network warns: {scrubbed(warning, self._lane.secrets, _texts(batch))}")
        if response.warning:
            self._lane.warn(response.warning)
        if any(outcome.verdict is Verdict.ACCEPTED for outcome in outcomes):
            self._lane.accepted_at = time.monotonic()

    def _attempt(
        self, sent: Sent, outcomes: Sequence[Outcome], batch: Sequence[Queued], attempt: int, parent: Sent | None
    ) -> dict[str, Any]:
        return {
            "attempt_id": sent.attempt_id,
            "parent_id": parent and parent.attempt_id,
            "network": self._lane.account.section,
            "account": self._lane.account.name,
            "asset": batch[0].postback.key.asset,
            "started_at": sent.sent_at,
            "latency_ms": sent.latency_ms,
            "http_status": sent.http_status,
            "attempt": attempt,
            "events": len(batch),
            "code": outcomes[0].code,
            "message": outcomes[0].message,
            "network_request_id": sent.network_request_id,
        }

    def _scrubbed(self, outcomes: list[Outcome], batch: Sequence[Queued]) -> list[Outcome]:
        seen = different(outcomes)
        if not any(outcome.code or outcome.message for outcome in seen):
            return outcomes
        secrets, texts = self._lane.secrets, _texts(batch)
        originals = dict.fromkeys(outcome.message for outcome in seen if outcome.message)
        messages = {original: scrubbed(original, secrets, texts) for original in islice(originals, MAX_MESSAGES)}
        clean: dict[Outcome, Outcome] = {}
        for outcome in seen:
            code = scrubbed_code(outcome.code, secrets, texts)
            message = outcome.message and messages.get(outcome.message, TOO_MANY_MESSAGES)
            clean[outcome] = outcome._replace(code=code, message=message)
        return [clean[seen[0]]] * len(outcomes) if len(seen) == 1 else [clean[outcome] for outcome in outcomes]


def different(outcomes: Sequence[Outcome]) -> Sequence[Outcome]:
    """Each of them once, in order."""
    first = outcomes[:1]
    return first if outcomes.count(*first) == len(outcomes) else [*dict.fromkeys(outcomes)]


def _texts(batch: Sequence[Queued]) -> frozenset[str]:
    return texts_of(queued.postback.payload for queued in batch)


def not_the_networks(response: Response, url: str) -> str:
    """What answered in a network's place, and what to do; empty for an answer that may be its own.

    A page with a status from 500 up may come from the network's own servers.
    """
    is_redirect = 300 <= response.status < 400
    is_page = isinstance(response.body, str) and response.body.lstrip().startswith("<")
    if not is_redirect and not (is_page and (response.status < 500 or response.status == SIGN_IN_TO_NETWORK)):
        return ""
    came = "a redirect" if is_redirect else "a web page"
    return (
        f"{came} came instead of the network's answer: a captive portal, a proxy or a firewall is in between."
        f" Sign in there, or have requests to {urlsplit(url).hostname} let through"
    )


def _not_judged(outcome: Outcome, why: str) -> Outcome:
    """The outcome as one that the network has no part in: nothing was refused for good."""
    if outcome.verdict is Verdict.REJECTED:
        return Outcome(Verdict.TRANSIENT, message=why, shared=True)
    is_open = outcome.verdict in (Verdict.TRANSIENT, Verdict.CREDENTIALS)
    return outcome._replace(message=why) if is_open else outcome


def _asked_to_wait(outcome: Outcome, wait_seconds: float) -> Outcome:
    """The outcome, with a wait that is longer than a run's."""
    if outcome.verdict not in (Verdict.THROTTLED, Verdict.TRANSIENT):
        return outcome
    size, unit = next((size, unit) for size, unit in LENGTHS if wait_seconds >= 2 * size or size == 1)
    asked = f"the network asks to wait {wait_seconds / size:.0f} {unit}"
    return outcome._replace(message="; ".join(filter(None, (outcome.message, asked))))


def _of_conversions(outcomes: list[Outcome], events: Sequence[int]) -> list[Outcome]:
    """Of each conversion's events the worst outcome: one that is refused refuses it, and all have to be accepted.

    ``events``: of each conversion, how many.
    """
    if len(outcomes) == len(events):
        return outcomes
    each = iter(outcomes)
    return [max(islice(each, count), key=_badness) for count in events]


def _badness(outcome: Outcome) -> int:
    if outcome.verdict.final:
        return 2 if outcome.verdict is Verdict.REJECTED else 0
    return 1


def _too_large(outcome: Outcome) -> Outcome:
    silent = outcome.verdict is Verdict.REJECTED and not outcome.reason
    return outcome._replace(reason="too_large") if silent else outcome
