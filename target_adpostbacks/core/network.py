"""The contract that every network implements: settings, payload, request, and what an answer means."""

from __future__ import annotations

import enum
import re
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta
from typing import Annotated, Any, ClassVar, Generic, Literal, NamedTuple, TypeVar
from urllib.parse import urlsplit, urlunsplit

import msgspec

from target_adpostbacks.core.conversion import Conversion, query_value, same_host

JSON = Any  # what msgspec.json encodes: dict, list, str, int, float, bool, None, msgspec.Raw


class Verdict(enum.Enum):
    """What an answer means for one postback."""

    ACCEPTED = "accepted"
    REJECTED = "rejected"
    SKIPPED = "skipped"
    THROTTLED = "throttled"
    TRANSIENT = "transient"
    NO_ANSWER = "no_answer"
    CREDENTIALS = "credentials"
    BUSY = "busy"  # nobody was asked: another run is sending there

    @property
    def final(self) -> bool:
        """Whether nothing more will be tried; otherwise the postback is open and its state waits."""
        return self in (Verdict.ACCEPTED, Verdict.REJECTED, Verdict.SKIPPED)


class Outcome(NamedTuple):
    """A verdict with what the network said, nothing if it is an ordinary success. ``shared``: of the whole request."""

    verdict: Verdict
    code: str = ""
    detail: str = ""
    shared: bool = False
    reason: str = ""  # "unconfirmed", "too_large": for rejected postbacks whose code alone does not say it

    @property
    def said(self) -> str:
        """``'throttled: 40100: Too many requests'``."""
        return ": ".join(filter(None, (self.verdict.value, self.code, self.detail)))


class Skip(Exception):
    """Why a conversion is not sent: a reason of the record's list, and what to do about it."""

    def __init__(self, reason: str, detail: str = "") -> None:
        super().__init__(reason)
        self.reason = reason
        self.detail = detail


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """One HTTP request. ``url`` is safe to log; query, headers and body may hold secrets or personal data."""

    url: str
    method: str = "POST"
    query: Mapping[str, str] = {}
    headers: Mapping[str, str] = {}
    body: JSON = None


class Response(msgspec.Struct, frozen=True, kw_only=True):
    """``body``: decoded JSON, the text of a short answer that is none, or None. Header names in lower case."""

    status: int
    body: Any = None
    headers: Mapping[str, str] = {}
    latency_ms: int = 0


def doc(description: str, *, secret: bool = False, ge: float | None = None, le: float | None = None) -> msgspec.Meta:
    """How a setting is described in ``--about``, meltano.yml and the README."""
    extra = {"secret": True, "writeOnly": True} if secret else None
    return msgspec.Meta(description=description, ge=ge, le=le, extra_json_schema=extra)


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """A network's section of the config; the fields are its schema. Texts are trimmed, empty ones are missing."""

    enabled: Annotated[bool, doc("false: conversions for it are skipped, `disabled`.")] = True
    base_url: Annotated[
        str | None, doc("Replaces scheme and host of the API, for tests and proxies; plain http to loopback only.")
    ] = None
    event_map: Annotated[
        Mapping[str, str | None], doc("Your event names to the network's (any other name: a custom event); null: off.")
    ] = {}
    send: Annotated[
        Literal["attributed", "all"],
        doc("Conversions that name no network: `attributed`: only those with its click id; `all`: every one."),
    ] = "attributed"
    max_event_age_days: Annotated[
        int | None, doc("Conversions older than this are not sent; without it the network's own limit holds.")
    ] = None
    concurrency: Annotated[int, doc("Requests under way at once, for each account.", ge=1, le=32)] = 4
    max_attempts: Annotated[
        int, doc("How often a request is tried before its conversions stay open.", ge=1, le=1000)
    ] = 6
    max_retry_seconds: Annotated[
        int, doc("How long a request is tried before its conversions stay open.", ge=0, le=86_400)
    ] = 300
    request_timeout_seconds: Annotated[
        int, doc("Time for one request, from connecting to the last byte.", ge=1, le=3600)
    ] = 30
    requests_per_second: Annotated[
        float, doc("At most so many requests, all accounts of the section together; 0: no ceiling.", ge=0)
    ] = 0

    def problems(self) -> Iterable[str]:
        """What is wrong with the settings' form: ``"pixel_code: looks like a name; …"``. Never a value."""
        return ()

    def hints(self) -> Iterable[str]:
        """What is unusual about the settings, though it may work."""
        return ()


def country_code_problems(country_code: str | None) -> Iterable[str]:
    """What is wrong with ``default_phone_country_code``, a setting of the networks that take national numbers."""
    if country_code and not re.fullmatch(r"[1-9][0-9]{0,2}", country_code):
        yield "default_phone_country_code: one to three digits without plus or leading 0 expected, `33`"


DELIVERY_SETTINGS = (
    *("concurrency", "max_attempts", "max_retry_seconds", "request_timeout_seconds", "requests_per_second"),
)
"""Settings that may also stand at the top of the config, for every network."""

S = TypeVar("S", bound=Settings)

STATUSES: Mapping[int, Verdict] = {
    401: Verdict.CREDENTIALS,
    403: Verdict.CREDENTIALS,
    408: Verdict.TRANSIENT,
    425: Verdict.TRANSIENT,
    429: Verdict.THROTTLED,
}
"""What an HTTP status means unless a network says otherwise; 2xx without a code: ACCEPTED; 3xx, 5xx: TRANSIENT."""


class Network(ABC, Generic[S]):
    """One network's conversion API, for one account's settings. Everything is pure: no clock, no socket, no log."""

    name: ClassVar[str]
    docs: ClassVar[str]
    aliases: ClassVar[tuple[str, ...]] = ()  # what a record's `network` may call it
    settings_type: ClassVar[type[Settings]]
    events: ClassVar[Mapping[str, str | None]]  # canonical → native; None: off unless event_map switches it on
    click_ids: ClassVar[tuple[str, ...]]  # what its ads put on the landing URL, the usual one first
    ids: ClassVar[tuple[str, ...]]  # every identifier that it wants kept from the record, click ids too
    batch_size: ClassVar[int]
    batch_bytes: ClassVar[int] = 1_000_000
    max_ahead: ClassVar[timedelta]
    throttled_seconds: ClassVar[float] = 0  # least wait after an answer that throttles and does not say how long
    codes: ClassVar[Mapping[str, Verdict]] = {}
    statuses: ClassVar[Mapping[int, Verdict]] = {}
    currencies: ClassVar[frozenset[str] | None] = None  # that it takes; None: all
    adjustments: ClassVar[frozenset[str]] = frozenset()  # that it takes: retract, restate
    consent_signals: ClassVar[bool] = False  # takes ad_user_data etc. itself; otherwise a denied one means: not sent

    def __init__(self, settings: S) -> None:
        self.settings = settings
        self._events: dict[tuple[str, str], tuple[str, Skip | None]] = {}

    @abstractmethod
    def asset(self, conversion: Conversion) -> str:
        """What receives it at the network (pixel, data set, app …), part of the identity; empty: none is configured."""

    @abstractmethod
    def max_age(self, conversion: Conversion) -> timedelta:
        """Older conversions are not sent."""

    def dedup_window(self, conversion: Conversion) -> timedelta | None:
        """While it lasts, a resend with the same event id is harmless; None: never."""
        return None

    @abstractmethod
    def native_events(self, conversion: Conversion) -> frozenset[str]:
        """The network's own event names, which pass unchanged."""

    def custom_event(self, name: str, conversion: Conversion) -> str:
        """A name that is no standard event, as the network takes it; raises Skip("unsupported")."""
        return name

    def canonical_events(self, conversion: Conversion) -> Mapping[str, str | None]:
        """The event table for this conversion's kind of source."""
        return self.events

    @abstractmethod
    def payload(self, conversion: Conversion) -> JSON:
        """One event as the network wants it, hashed; may raise Skip."""

    @abstractmethod
    def envelope(self, conversion: Conversion) -> dict[str, JSON]:
        """What is said once per request; conversions of one envelope share requests. May raise Skip."""

    @abstractmethod
    def request(self, envelope: Mapping[str, JSON], payloads: Sequence[JSON]) -> Request:
        """The request that sends these payloads."""

    def match_keys(self, payload: Mapping[str, JSON]) -> Iterable[str]:
        """The names (never values) of what identifies the person in a payload."""
        user = payload.get("user")
        return user if user.__class__ is dict else ()

    def note(self, payload: Mapping[str, JSON]) -> str:
        """What a payload lacks that the network wants, though it takes it without: kept with the verdict."""
        return ""

    def error(self, body: Any) -> tuple[str, str]:
        """(code, message) in an answer's body; empty where there is none."""
        return "", ""

    def request_id(self, response: Response) -> str:
        """The network's own id of the request, for its support."""
        return ""

    def retry_after(self, response: Response) -> str:
        """What the answer says about when to try again: seconds or an HTTP date; empty: nothing."""
        return response.headers.get("retry-after", "")

    def warning(self, response: Response) -> str:
        """What an answer warns of beside its verdict, an API version near its end for example: logged once a run."""
        return ""

    # What follows has one answer for most networks.

    def event(self, conversion: Conversion) -> str:
        """The network's name of the event; raises Skip("event_off") or Skip("unsupported").

        First ``event_map``, then the network's own exact names, then the canonical table, then a custom event.
        """
        key = (conversion.given_name, conversion.event_source)
        known = self._events.get(key)
        if known is None:
            try:
                known = self._event(conversion), None
            except Skip as skip:
                known = "", Skip(skip.reason, skip.detail)  # without a traceback, which would hold the conversion
            if len(self._events) < 10_000:  # names come from the data
                self._events[key] = known
        name, refused = known
        if refused is not None:
            raise Skip(refused.reason, refused.detail)
        return name

    def _event(self, conversion: Conversion) -> str:
        native = self.native_events(conversion)
        mapped = self.settings.event_map
        table = self.canonical_events(conversion)
        for name in (conversion.given_name, conversion.event_name):
            if name in mapped:
                found = mapped[name]
                break
        else:
            if conversion.given_name in native:
                return conversion.given_name
            found = table.get(conversion.event_name, conversion.given_name)
        if found is None:
            raise Skip("event_off", "switch it on with event_map")
        return found if found in native else self.custom_event(found, conversion)

    def click_id(self, conversion: Conversion) -> str | None:
        """The network's click id: its column, ``click_id`` where the conversion is attributed to it, or a URL's query.

        URLs are the landing page, the event's page, then a referrer of the same host.
        """
        for name in self.click_ids:
            if found := conversion.ids.get(name):
                return found
        if conversion.click_id and conversion.network in (self.name, *self.aliases):
            return conversion.click_id
        for url in _click_urls(conversion):
            for name in self.click_ids:
                if found := query_value(url, name):
                    return found
        return None

    def outcomes(self, response: Response, count: int) -> list[Outcome]:
        """A verdict for each of ``count`` postbacks, in order; override for answers that name single events."""
        return [self.classify(response)] * count

    def classify(self, response: Response) -> Outcome:
        """The verdict on the request as a whole: by the network's code, then by the HTTP status."""
        code, message = self.error(response.body)
        verdict = self.codes.get(code)
        if verdict is None:
            verdict = self.status_verdict(response.status)
            if verdict is Verdict.ACCEPTED and code:
                verdict = Verdict.REJECTED  # a code that nobody knows is never taken for success
        return Outcome(verdict, code, message, shared=True)

    def status_verdict(self, status: int) -> Verdict:
        """What the HTTP status alone means."""
        if (listed := self.statuses.get(status, STATUSES.get(status))) is not None:
            return listed
        if 200 <= status < 300:
            return Verdict.ACCEPTED
        # A redirect is a portal's or a proxy's word, never the API's: nobody has judged the conversions.
        return Verdict.TRANSIENT if status >= 500 or status < 400 else Verdict.REJECTED

    def url(self, default: str) -> str:
        """``default`` with scheme and host from the ``base_url`` setting, if there is one."""
        if not self.settings.base_url:
            return default
        base, parts = urlsplit(self.settings.base_url), urlsplit(default)
        return urlunsplit((base.scheme, base.netloc, base.path.rstrip("/") + parts.path, parts.query, ""))


def _click_urls(conversion: Conversion) -> Iterable[str | None]:
    yield conversion.landing_url
    yield conversion.event_source_url
    if same_host(conversion.referrer_url, conversion.event_source_url):
        yield conversion.referrer_url


class Account(msgspec.Struct, frozen=True, kw_only=True):
    """One of a section's accounts; ``network`` is None where ``enabled: false`` switches it off."""

    section: str
    name: str = "default"
    network: Network[Any] | None
    secrets: tuple[str, ...] = ()

    @property
    def label(self) -> str:
        """``'tiktok.default'``."""
        return f"{self.section}.{self.name}"


def prune(fields: Mapping[str, JSON]) -> dict[str, JSON]:
    """Without what is None, empty text, or an empty list or object; 0 and False stay."""
    return {key: value for key, value in fields.items() if value or (value is not None and value == 0)}


def one_or_many(values: Sequence[str]) -> str | list[str] | None:
    """One value as it is, several as a list, none as None."""
    return values[0] if len(values) == 1 else list(values) or None


def as_text(value: JSON) -> str | None:
    """A property where a text is wanted: ``7`` and ``7.0`` -> ``'7'``; None for flags, lists, objects, empty texts."""
    if isinstance(value, str):
        return value.strip() or None
    number = as_number(value)
    return None if number is None else str(int(number)) if number == int(number) else str(number)


def as_texts(value: JSON) -> list[str] | None:
    """A property where a list of texts is wanted: one text is a list of one."""
    texts = [as_text(member) for member in (value if isinstance(value, list) else [value])]
    return [text for text in texts if text] or None


def as_number(value: JSON) -> int | float | None:
    """A property where a number is wanted: ``'9.5'`` -> ``9.5``; None for what is none, or beyond 64 bits."""
    if isinstance(value, str):
        try:
            value = int(value) if value.strip().isdecimal() else float(value)
        except ValueError:
            return None
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    return value if abs(value) < 1 << 63 else None  # nor infinite, nor not a number


def as_integer(value: JSON) -> int | None:
    """A property where a whole number is wanted: ``'12'``, ``12.0`` -> ``12``."""
    number = as_number(value)
    return int(number) if number is not None and number == int(number) else None
