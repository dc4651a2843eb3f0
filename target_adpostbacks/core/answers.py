"""Requests to a network, its answers, and what an answer means for each postback."""

from __future__ import annotations

import enum
from collections.abc import Callable, Generator, Iterable, Mapping
from typing import Any, NamedTuple, TypeVar

import msgspec

JSON = Any  # what msgspec.json encodes: dict, list, str, int, float, bool, None, msgspec.Raw


class Verdict(enum.Enum):
    """What an answer means for one postback."""

    ACCEPTED = "accepted"
    REJECTED = "rejected"
    THROTTLED = "throttled"
    TRANSIENT = "transient"
    NO_ANSWER = "no_answer"
    CREDENTIALS = "credentials"
    BUSY = "busy"  # not sent: another run is sending to the asset

    @property
    def final(self) -> bool:
        """Whether nothing more will be tried; otherwise the postback is open and its state waits."""
        return self in (Verdict.ACCEPTED, Verdict.REJECTED)


class Outcome(NamedTuple):
    """A verdict with the network's message, none if it is an ordinary success. ``shared``: of the whole request."""

    verdict: Verdict
    code: str = ""
    message: str = ""
    shared: bool = False
    reason: str = ""  # "unconfirmed", "too_large": for rejected postbacks whose code alone does not say it
    later: bool = False  # open until the next run: this one is too soon to try again

    @property
    def summary(self) -> str:
        """``'throttled: 40100: Too many requests'``."""
        return ": ".join(filter(None, (self.verdict.value, self.code, self.message)))


class Skip(Exception):
    """Why a conversion is not sent: one of ``reasons.REASONS``, and what to do about it; ``rule``: whose word it is."""

    def __init__(self, reason: str, message: str = "", rule: str = "") -> None:
        super().__init__(reason)
        self.reason = reason
        self.message = message
        self.rule = rule


class Elsewhere(Skip):
    """Why a rule keeps a conversion from an account: there is a row only if no account of its section gets it."""


def or_skip(step: Callable[..., T], *given: Any) -> T | Skip:
    """What a step makes of what it is given, or the Skip that it raises."""
    try:
        return step(*given)
    except Skip as skip:
        return _alone(skip)


def each_or_skip(step: Callable[..., T], rows: Iterable[Iterable[Any]]) -> list[T | Skip]:
    """``or_skip`` of each row of what the step is given."""
    made: list[T | Skip] = []
    for given in rows:
        try:
            made.append(step(*given))
        except Skip as skip:  # noqa: PERF203 - a call for each would cost more
            made.append(_alone(skip))
    return made


def _alone(skip: Skip) -> Skip:
    skip.__traceback__ = skip.__context__ = skip.__cause__ = None  # their frames hold the conversion
    return skip


class Counted(NamedTuple):
    """What a network made of a request that it had accepted, as far as it tells yet."""

    status: str  # processing, success, partial_success or failed
    counted: int  # events
    not_counted: Mapping[str, int]  # the network's reason → events
    is_final: bool


class Access(NamedTuple):
    """What a network lets requests in by: their headers, for so many seconds; ``token`` is the secret in them.

    ``refresh_token``: what to sign in with from now on; empty: with the same as before.
    """

    headers: Mapping[str, str]
    seconds: float
    token: str
    refresh_token: str = ""


class NoAccess(Exception):
    """Why a network does not sign an account in: the outcome of whatever needed access."""

    def __init__(self, outcome: Outcome, http_status: int | None = None, retry_after: str = "") -> None:
        super().__init__(outcome.summary)
        self.outcome = outcome
        self.http_status = http_status
        self.retry_after = retry_after  # as in Network.retry_after


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """One HTTP request. ``url`` is safe to log; target, query, headers and body may hold secrets or personal data.

    ``target``: path and query in ASCII, sent as they are in place of the URL's own. ``body``: bytes are sent as they
    are, anything else as JSON. ``public_only``: to no host at a private or loopback address. ``text_bytes``: the answer
    is read so far, and its text is the response's body; None: it is read whole, and decoded.
    """

    url: str
    target: str = ""
    method: str = "POST"
    query: Mapping[str, str] = {}
    headers: Mapping[str, str] = {}
    body: JSON = None
    public_only: bool = False
    text_bytes: int | None = None


class Response(msgspec.Struct, frozen=True, kw_only=True):
    """``body``: decoded JSON, the text of a short answer that is none, or None. Header names in lower case.

    ``warning``: what there is to say of the way that the request took.
    """

    status: int
    body: Any = None
    headers: Mapping[str, str] = {}
    latency_ms: int = 0
    warning: str = ""


Send = Callable[[Request], Response]
"""Sends a request at once and returns its answer; what it raises passes through whoever calls it."""

T = TypeVar("T")
Flow = Generator[Request, Response, T]
"""Requests that build on one another: yields each, is sent its answer, and returns what came of them all."""


STATUSES: Mapping[int, Verdict] = {
    401: Verdict.CREDENTIALS,
    403: Verdict.CREDENTIALS,
    408: Verdict.TRANSIENT,
    425: Verdict.TRANSIENT,
    429: Verdict.THROTTLED,
}
"""What an HTTP status means unless a network says otherwise; 2xx without a code: ACCEPTED; 3xx, 5xx: TRANSIENT."""


def by_status(status: int, statuses: Mapping[int, Verdict] = STATUSES) -> Verdict:
    """What an HTTP status means; ``statuses``: what a network says of some."""
    if (listed := statuses.get(status, STATUSES.get(status))) is not None:
        return listed
    if 200 <= status < 300:
        return Verdict.ACCEPTED
    # A redirect comes from a captive portal or a proxy, never from the API: the conversions were not judged.
    return Verdict.TRANSIENT if status >= 500 or status < 400 else Verdict.REJECTED


def by_code(code: str, status: int, codes: Mapping[str, Verdict]) -> Verdict:
    """What a network's code means, or the HTTP status where the code is in no list; never a success by that."""
    if (listed := codes.get(code)) is not None:
        return listed
    verdict = by_status(status)
    return Verdict.REJECTED if verdict is Verdict.ACCEPTED and code else verdict
