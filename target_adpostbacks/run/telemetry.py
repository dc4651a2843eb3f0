"""Spans and metrics of a run for OpenTelemetry. Imported only where somebody wants them, see ``observers``."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from opentelemetry import metrics, trace
from opentelemetry.context import Context

from target_adpostbacks.core.accounts import Account
from target_adpostbacks.core.answers import Outcome, Request, Response, Verdict
from target_adpostbacks.delivery.observing import Answered, Observer
from target_adpostbacks.delivery.transport import Transport, Unreachable

RUN = "adpostbacks run"
BOUNDS = (0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10)
"""Of latencies in seconds, as the semantic conventions advise."""


class Attribute(NamedTuple):
    """An attribute, and what it says."""

    name: str
    what: str


METHOD = Attribute("http.request.method", "`POST`")
ADDRESS = Attribute("server.address", "the host")
PORT = Attribute("server.port", "its port")
STATUS = Attribute("http.response.status_code", "left out where no answer came")
ERROR = Attribute(
    "error.type",
    "the status from 400 up; `timeout`, `no_answer`, `unreachable`; or the verdict, where another status is no success",
)
NETWORK = Attribute("adpostbacks.network", "the network's section in the config")
ACCOUNT = Attribute("adpostbacks.account", "the section and the account's name, with a dot between")
TEMPLATE = Attribute(
    "url.template", "the path, without a query; of a postback URL its template, in which no macro is filled in"
)
RESENT = Attribute("http.request.resend_count", "how many times the batch was sent before, if it was")
EVENTS = Attribute("adpostbacks.events", "conversions in the request")
VERDICT = Attribute("adpostbacks.verdict", "`accepted`, `rejected`, `throttled`, …; `mixed` where they differ")
CODE = Attribute("adpostbacks.code", "the network's code, where it refuses something and gives one")
RUN_ID = Attribute("adpostbacks.run_id", "as in the ledger")
EXIT_CODE = Attribute("adpostbacks.exit_code", "how it ended")
ENDED = Attribute("adpostbacks.status", "`accepted`, `already_accepted`, `rejected`, `skipped` or `open`")
REASON = Attribute("adpostbacks.reason", "of what is skipped or open, as in the ledger")

SPANS: Mapping[str, Sequence[Attribute]] = {
    RUN: (RUN_ID, EXIT_CODE),
    "POST /path": (
        *(METHOD, ADDRESS, PORT, TEMPLATE, STATUS, ERROR, RESENT),
        *(NETWORK, ACCOUNT, EVENTS, VERDICT, CODE),
    ),
}
"""Each span to its attributes."""


class Metric(NamedTuple):
    """An instrument."""

    kind: str
    unit: str
    what: str
    attributes: Sequence[Attribute]


CONVERSIONS, DURATION, QUEUE = "adpostbacks.conversions", "http.client.request.duration", "adpostbacks.queue"
METRICS: Mapping[str, Metric] = {
    CONVERSIONS: Metric(
        "counter", "{conversion}", "Conversions by what became of them.", (NETWORK, ACCOUNT, ENDED, REASON)
    ),
    DURATION: Metric(
        "histogram",
        "s",
        "Duration of requests.",
        (METHOD, ADDRESS, PORT, STATUS, ERROR, NETWORK, ACCOUNT),
    ),
    QUEUE: Metric(
        "up-down counter",
        "{conversion}",
        "Conversions that wait for their verdict.",
        (NETWORK, ACCOUNT),
    ),
}


class Seen(NamedTuple):
    """A request that is over. Times are nanoseconds since 1970."""

    request: Request
    began: int
    ended: int
    status: int | None
    error: str  # why no answer came


class Telemetry(Observer):
    """Makes a span of each request, within one of the run, and counts conversions.

    ``tracer``, ``meter``: of whoever exports them; ``parent``: what the run is a part of; ``flush``: hands over what is
    left, and returns what went wrong; in ``most_seconds`` at most.
    """

    def __init__(
        self,
        run_id: str,
        tracer: trace.Tracer,
        meter: metrics.Meter,
        parent: Context | None = None,
        flush: Callable[[], str] = lambda: "",
        most_seconds: float = 10,
    ) -> None:
        self._tracer = tracer
        self._run = tracer.start_span(RUN, parent, attributes={RUN_ID.name: run_id})
        self._within = trace.set_span_in_context(self._run)
        self._flush, self._most_seconds = flush, most_seconds
        self._flushing: threading.Thread | None = None
        self._said = ""
        self._thread = threading.local()
        made = {name: METRICS[name] for name in (CONVERSIONS, DURATION, QUEUE)}
        self._conversions = meter.create_counter(CONVERSIONS, made[CONVERSIONS].unit, made[CONVERSIONS].what)
        self._queue = meter.create_up_down_counter(QUEUE, made[QUEUE].unit, made[QUEUE].what)
        self._duration = meter.create_histogram(
            DURATION, made[DURATION].unit, made[DURATION].what, explicit_bucket_boundaries_advisory=BOUNDS
        )

    def watching(self, transport: Transport) -> Transport:
        def watched(request: Request, timeout_seconds: float) -> Response:
            began = time.time_ns()
            status, error = None, type(Exception).__name__
            try:
                response = transport(request, timeout_seconds)
                status, error = response.status, ""
            except Unreachable as unreachable:
                error = _kind(unreachable)
                raise
            finally:
                self._saw(Seen(request, began, time.time_ns(), status, error))
            return response

        return watched

    def _saw(self, seen: Seen) -> None:
        waiting: list[Seen] | None = getattr(self._thread, "seen", None)
        if waiting is None:
            self._tell(seen, {})
        else:
            waiting.append(seen)

    @contextmanager
    def exchange(self, account: Account, events: int, attempt: int) -> Iterator[Answered]:
        seen: list[Seen] = []
        self._thread.seen = seen
        own: dict[str, Any] = {NETWORK.name: account.section, ACCOUNT.name: account.label}
        batch: dict[str, Any] = {EVENTS.name: events}
        if attempt > 1:
            batch[RESENT.name] = attempt - 1
        try:
            yield lambda outcomes: batch.update(_told(outcomes))
        finally:
            self._thread.seen = None
            for each in seen[:-1]:  # signing in, and what came to nothing before
                self._tell(each, own)
            if seen:
                self._tell(seen[-1], own, batch)

    def _tell(self, seen: Seen, account: Mapping[str, Any], batch: Mapping[str, Any] | None = None) -> None:
        """``account``: whose request it is, where that is known; ``batch``: what only the span has."""
        parts = urlsplit(seen.request.url)
        of_server = {
            METHOD.name: seen.request.method,
            ADDRESS.name: parts.hostname or "",
            PORT.name: parts.port or (443 if parts.scheme == "https" else 80),
        }
        of_answer: dict[str, Any] = {} if seen.status is None else {STATUS.name: seen.status}
        verdict = (batch or {}).get(VERDICT.name, Verdict.ACCEPTED.value)
        error = seen.error or (str(seen.status) if seen.status is not None and seen.status >= 400 else "")
        if error := error or ("" if verdict in (Verdict.ACCEPTED.value, MIXED) else verdict):
            of_answer[ERROR.name] = error
        both = {**of_server, **of_answer, **account}
        span = self._tracer.start_span(
            f"{seen.request.method} {parts.path}",
            self._within,
            trace.SpanKind.CLIENT,
            {**both, TEMPLATE.name: parts.path, **(batch or {})},
            start_time=seen.began,
        )
        if error:
            span.set_status(trace.StatusCode.ERROR)
        span.end(seen.ended)
        self._duration.record((seen.ended - seen.began) / 1e9, both)

    def queued(self, account: str, count: int) -> None:
        self._queue.add(count, _of(account))

    def ended(self, account: str, status: str, count: int) -> None:
        if count:
            name, _, reason = (status.replace("already accepted", "already_accepted")).partition(" ")
            self._conversions.add(
                count, {**_of(account), ENDED.name: name, **({REASON.name: reason} if reason else {})}
            )

    def close(self, exit_code: int) -> None:
        self._run.set_attribute(EXIT_CODE.name, exit_code)
        if exit_code:
            self._run.set_status(trace.StatusCode.ERROR)
        self._run.end()
        self._said = "not all of it was handed over in time"
        self._flushing = threading.Thread(target=self._hand_over, name="telemetry", daemon=True)
        self._flushing.start()

    def _hand_over(self) -> None:
        self._said = self._flush()

    def wait(self, seconds: float) -> str:
        if self._flushing:
            self._flushing.join(min(seconds, self._most_seconds))
        return self._said


MIXED = "mixed"


def _told(outcomes: Sequence[Outcome]) -> dict[str, str]:
    verdicts = {outcome.verdict.value for outcome in outcomes}
    told = {VERDICT.name: next(iter(verdicts)) if len(verdicts) == 1 else MIXED}
    code = next((outcome.code for outcome in outcomes if outcome.verdict is not Verdict.ACCEPTED), "")
    return told | ({CODE.name: code} if code else {})


def _of(account: str) -> dict[str, str]:
    network, _, name = account.partition(".")
    return {NETWORK.name: network, ACCOUNT.name: account if name else ""}


def _kind(unreachable: Unreachable) -> str:
    if unreachable.cause == "timed out":
        return "timeout"
    return "no_answer" if unreachable.sent else "unreachable"
