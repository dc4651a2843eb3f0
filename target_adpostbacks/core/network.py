"""The contract that every network implements: settings, payload, request, and what an answer means."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, Generic, NamedTuple, TypeVar

from target_adpostbacks.core import match_keys, phones
from target_adpostbacks.core.answers import (
    JSON,
    Access,
    Counted,
    Flow,
    NoAccess,
    Outcome,
    Request,
    Response,
    Send,
    Skip,
    Verdict,
    or_skip,
)
from target_adpostbacks.core.connection import Connection
from target_adpostbacks.core.conversion import Conversion
from target_adpostbacks.core.event_names import EventNames
from target_adpostbacks.core.events import EventTable
from target_adpostbacks.core.learning import Milestone
from target_adpostbacks.core.left_out import left_out
from target_adpostbacks.core.own_presets import OwnPreset
from target_adpostbacks.core.revenue import paired
from target_adpostbacks.core.settings import PhoneSettings, Settings
from target_adpostbacks.core.urls import at_base, click_urls, query_value
from target_adpostbacks.core.windows import has_window

if TYPE_CHECKING:
    from typing_extensions import Self

S = TypeVar("S", bound=Settings)


UNAUTHORIZED = 401
IN_STEP = 50
"""Records that take each step together. More of them are not done in less time."""
MAX_NAMES = 10_000
"""Names of events that are remembered: they come from the data."""
ENVELOPE_BYTES = 4096
"""Of a request's size that are kept for its envelope."""


class Limits(NamedTuple):
    """What one request holds at most."""

    events: int
    bytes: int = 1_000_000

    @property
    def payload_bytes(self) -> int:
        """For the payloads together; the rest is for the envelope."""
        return self.bytes - ENVELOPE_BYTES


class Network(ABC, Generic[S]):
    """One network's conversion API, for one account's settings. Everything is pure: no clock, no socket, no log."""

    # Who it is.
    name: ClassVar[str]
    title: ClassVar[str]  # its name as people write it
    docs: ClassVar[str]
    deletion: ClassVar[str] = ""  # where it deletes what it was told of a person; empty: whoever asks has its docs
    aliases: ClassVar[tuple[str, ...]] = ()  # what a record's `network` may call it
    own_presets: ClassVar[Mapping[str, OwnPreset]] = {}  # what a setting `preset` of its accounts may name, too
    accounts_are_networks: ClassVar[bool] = False  # a record's `network` may be an account's name, and is that one
    settings_type: ClassVar[type[Settings]]

    # Whom and what it takes.
    click_ids: ClassVar[tuple[str, ...]]  # what its ads put on the landing URL, the usual one first
    click_id_example: ClassVar[str]
    click_match_keys: ClassVar[tuple[str, ...]] = ()  # what ``match_keys`` calls them, where not by these names
    links: ClassVar[Mapping[str, str]] = {}  # column of the ad, as a landing URL's parameter → the macro that fills it
    link_field: ClassVar[str] = ""  # where its landing URLs are pasted; "": none is made for it
    link_is_query: ClassVar[bool] = False  # that field takes a URL's parameters alone
    own_parameters: ClassVar[Mapping[str, str]] = {}  # a parameter that means an ad's column in its links alone → that
    click_id_form: ClassVar[str] = ""  # a pattern of how they begin, and no other network's do; "": they have no form
    ids: ClassVar[tuple[str, ...]]  # every identifier that it wants kept from the record, click ids too
    exact_ids: ClassVar[frozenset[str]] = frozenset()  # those that it takes byte for byte, white space too
    assets: ClassVar[Mapping[str, str]]  # event_source → the setting that names what receives it; others: not taken
    match_rules: ClassVar[Mapping[str, str]]  # event_source → the columns of which it asks for one
    match_columns: ClassVar[Mapping[str, str]] = {}  # column of ``left_out.READINGS`` → the match key made of it
    match_properties: ClassVar[tuple[str, ...]] = ()  # members of ``properties`` that are match keys
    events: ClassVar[Mapping[str, str | None]]  # canonical → native; None: off unless event_map switches it on
    standard_events: ClassVar[frozenset[str]]  # its own names, which pass unchanged
    event_kind: ClassVar[str] = "its event"  # what the names in ``events`` are, where none passes unchanged
    only_mapped: bool = False  # events that neither event_map nor trigger_events names are off
    connection: ClassVar[Connection | None] = None  # where a token may come from OAuth
    refresh_token_path: str | None = None  # the file that keeps the setting `refresh_token` where each use replaces it
    currencies: ClassVar[frozenset[str] | None] = None  # None: all
    consent_signals: frozenset[str] = frozenset()  # columns of consent signals that it is told
    takes_denied: frozenset[str] = frozenset()  # those that it is told even where they are denied
    denials: tuple[str, ...] = ()  # flags that it has no field for: where they are true, nothing is sent
    test_setting: ClassVar[str | None] = None  # the setting with the code of its test tool
    tests_by_event: ClassVar[bool] = False  # that setting maps events to what receives their tests alone
    tests_without_code: ClassVar[bool] = False  # its test tool takes tests without a code
    counts_tests: ClassVar[bool] = False  # it stores test events and uses them as if they were live

    # How much, and when.
    request_limits: ClassVar[Limits]
    max_age: ClassVar[timedelta]
    max_ahead: ClassVar[timedelta]
    too_old: str = ""  # what would take a conversion that is
    dedup_window: ClassVar[timedelta | None] = None  # while it lasts, the same event id counts once
    counts_within: ClassVar[str] = "–"  # how long after a click or a view it counts a conversion itself
    milestones: ClassVar[tuple[Milestone, ...]] = ()  # how many conversions unlock something there

    # What it answers.
    codes: ClassVar[Mapping[str, Verdict]] = {}
    statuses: ClassVar[Mapping[int, Verdict]] = {}
    advice: ClassVar[Mapping[str, str]] = {}  # code, or HTTP status where there is none → what to do next
    advice_by_words: ClassVar[Mapping[str, str]] = {}  # part of a message in small letters → the same; it goes first
    throttled_seconds: float = 0  # least wait after an answer that throttles and does not say how long
    counted_after: ClassVar[timedelta | None] = None  # when ``counted`` may ask about a request

    def __init__(self, settings: S, preset: EventTable | None = None, account: str = "default") -> None:
        self.settings = settings
        self._preset = preset
        self._names = EventNames(settings, preset)
        self.account = account
        self.trial_at = settings.trial_at
        self.has_window = has_window(settings)
        self._readings = {"phone": self._read_phone, "ip_address": self._read_ip_address}
        self._events: dict[tuple[str, str, bool, bool], tuple[str, Skip | None]] = {}
        self.kinds: dict[tuple[Any, ...], Any] = {}
        """What ``postback.admit`` knows of its events."""
        self._clicked: dict[int, tuple[Conversion, str | None]] = {}

    def of(self, settings: S) -> Self:
        """The same with other settings."""
        return type(self)(settings, self._preset, self.account)

    def __reduce__(self) -> tuple[type[Self], tuple[S, EventTable | None, str]]:
        return type(self), (self.settings, self._preset, self.account)

    @classmethod
    def has_own(cls, method: str) -> bool:
        """Whether it says something by a method of its own that others have from here."""
        return getattr(cls, method) is not getattr(Network, method)

    # What every network says for itself.

    @abstractmethod
    def payload(self, conversion: Conversion) -> JSON:
        """One event as the network wants it, hashed; a list where a conversion is several of its events.

        May raise Skip.
        """

    @abstractmethod
    def envelope(self, conversion: Conversion) -> dict[str, JSON]:
        """What a request contains once; conversions of one envelope share requests. May raise Skip.

        As what comes before it (``asset``, ``age_limit``, ``adjusts``, ``event``), it depends on nothing but the
        event, its source, whether it is a test, and the kind of correction: ``postback.Kind`` is made once for these.
        """

    @abstractmethod
    def request(self, envelope: Mapping[str, JSON], payloads: Sequence[JSON]) -> Request:
        """The request that sends these payloads, in one JSON list: each may stand for several events of it."""

    @abstractmethod
    def match_keys(self, payload: Mapping[str, JSON]) -> Iterable[str]:
        """The names (never values) of what identifies the person in a payload."""

    @abstractmethod
    def outcomes(self, response: Response, count: int) -> list[Outcome]:
        """A verdict for each of ``count`` events, in order."""

    def outcomes_of_test(self, response: Response, count: int) -> list[Outcome]:
        """``outcomes``, where the request was a test."""
        return self.outcomes(response, count)

    # What depends on the conversion, the envelope or the answer for some networks.

    def payload_at(self, conversion: Conversion, now: datetime) -> JSON:
        """``payload``, where it depends on when it is made."""
        return self.payload(conversion)

    def payloads(self, conversions: Sequence[Conversion], now: datetime) -> list[JSON | Skip]:
        """``payload_at`` of each, or the Skip that it raises. What many of them have can be made of all at once."""
        return [or_skip(self.payload_at, c, now) for c in conversions]

    def asset(self, conversion: Conversion) -> str:
        """What receives it at the network (pixel, data set, app …), part of the identity; empty: nothing does."""
        return self.asset_of(conversion.event_source)

    def asset_of(self, event_source: str) -> str:
        """What receives conversions of this source; empty: nothing does."""
        setting = self.assets.get(event_source)
        return (getattr(self.settings, setting) or "") if setting else ""

    @classmethod
    def receivers(cls, settings: Mapping[str, Any]) -> Mapping[str, str]:
        """Setting → asset, of everything that an account with these settings sends to; no other account should."""
        return {name: settings[name] for name in dict.fromkeys(cls.assets.values()) if settings.get(name)}

    def age_limit(self, conversion: Conversion) -> timedelta:
        """Older conversions are not sent."""
        return self.max_age

    @property
    def longest_age(self) -> timedelta:
        """The most that ``age_limit`` is for any conversion."""
        return self.max_age

    @property
    def longest_dedup(self) -> timedelta | None:
        """The most that ``resend_window`` is for any conversion."""
        return self.dedup_window

    def resend_window(self, conversion: Conversion) -> timedelta | None:
        """While it lasts, the network knows a resend by its event id; None: it would count twice."""
        return self.dedup_window

    def native_events(self, conversion: Conversion) -> frozenset[str]:
        """The network's own event names for this conversion's kind of source."""
        return self.standard_events

    def canonical_events(self, conversion: Conversion) -> Mapping[str, str | None]:
        """The event table for this conversion's kind of source."""
        return self.events

    def limits_data_use(self, conversion: Conversion) -> bool:
        """Whether it takes ``limited_data_use`` of a conversion of this kind."""
        return False

    def adjusts(self, conversion: Conversion) -> bool:
        """Whether it takes a correction of this kind (``conversion.adjustment``)."""
        return False

    def priced(self, conversion: Conversion) -> Conversion:
        """The conversion with the money that is sent of it: value and currency, or neither. The ledger keeps pairs.

        ``revenue.completed`` adds a default currency and the sum of the contents. What a payload needs alone, the
        currency for the prices of its contents for example, may stay: the ledger leaves it out.
        """
        return paired(conversion)

    def redated(self, payload: bytes, adjusted_at: datetime) -> bytes:
        """The payload of a correction, with the time at which an earlier run read it first."""
        return payload

    def custom_event(self, name: str, conversion: Conversion) -> str:
        """A name that is no standard event, as the network takes it; raises Skip("unsupported")."""
        return name

    def limits(self, envelope: Mapping[str, JSON]) -> Limits:
        """How much a request of this envelope holds."""
        return self.request_limits

    def note(self, payload: Mapping[str, JSON]) -> str:
        """What a payload lacks that the network wants, though it takes it without: kept with the verdict."""
        return ""

    def once(self, payload: Mapping[str, JSON]) -> str:
        """What makes two conversions one to the network, such as an order id: they go one by one. Empty: nothing."""
        return ""

    def unusable(self, conversion: Conversion, sent: Collection[str]) -> Iterable[str]:
        """``'email: not an e-mail address'``: columns that are not among the match keys ``sent``, and why."""
        if self._made_of_columns.issubset(sent) and len(conversion.email) < 2 and len(conversion.phone) < 2:
            return ()  # no value is missing
        return left_out(conversion, self.match_columns, sent, self._readings)

    def uses_all(self, conversions: Sequence[Conversion], sent: Collection[str]) -> bool:
        """Whether ``unusable`` says nothing of any of these, as far as that shows at once; all have these match keys.

        A network with an ``unusable`` of its own has one of these, too, or each conversion is looked at.
        """
        return not self.has_own("unusable") and self.uses_columns(conversions, sent)

    def uses_columns(self, conversions: Sequence[Conversion], sent: Collection[str]) -> bool:
        """Whether none of ``match_columns`` has a value that is not among these match keys, or more than one."""
        if any(len(c.email) > 1 or len(c.phone) > 1 for c in conversions):
            return False
        missing = [column for column, match_key in self.match_columns.items() if match_key not in sent]
        return not any(getattr(c, column) for column in missing for c in conversions)

    @cached_property
    def _made_of_columns(self) -> frozenset[str]:
        return frozenset(self.match_columns.values())

    def phone(self, raw: str, country_codes: tuple[str, ...]) -> str | None:
        """A phone number as the network reads it; None where it can't be used."""
        return phones.e164(raw, country_codes)

    def ip_address(self, raw: str) -> str | None:
        """An IP address as the network reads it; None where it can't be used."""
        return match_keys.public_ip(raw)

    def _read_ip_address(self, raw: str, _: Conversion) -> str | None:
        return self.ip_address(raw)

    def _read_phone(self, raw: str, conversion: Conversion) -> str | None:
        settings = self.settings
        if phones.is_e164(raw) or not isinstance(settings, PhoneSettings):
            return self.phone(raw, ())
        return self.phone(raw, settings.country_codes(conversion.country))

    def request_id(self, response: Response) -> str:
        """The network's own id of the request, for its support."""
        return ""

    def retry_after(self, response: Response) -> str:
        """What the answer says about when to try again: seconds or an HTTP date; empty: nothing."""
        return response.headers.get("retry-after", "")

    def warning(self, response: Response) -> str:
        """What an answer warns of beside its verdict, an API version near its end for example: logged once a run."""
        return ""

    def signed(self, request: Request, at: datetime, nonce: str) -> Request:
        """The request as one try of it is sent. ``nonce``: letters and digits that no other try has."""
        return request

    def credentials(self) -> tuple[str, ...]:
        """What ``sign_in`` is done with: accounts that have the same share their access. Empty: nobody signs in."""
        return ()

    def access(self) -> Access | None:
        """Access that the settings hold: it is signed in for only once that has ended. None: they hold none."""
        return None

    def ended(self, response: Response) -> bool:
        """Whether an answer says that the access has ended, and signing in anew may help."""
        return response.status == UNAUTHORIZED

    def sign_in(self, send: Send) -> Access:
        """Access for a while, which ``request`` knows nothing of. Raises NoAccess, and what ``send`` raises."""
        raise NoAccess(Outcome(Verdict.CREDENTIALS, message="nobody signs in at this network", shared=True))

    def check(self) -> Flow[Outcome] | None:
        """Asks whether the credentials are good, and counts nothing; ``TRANSIENT``: nobody can tell.

        None: the verdict on a synthetic test event says it.
        """
        return None

    def counted(self, request_id: str) -> Flow[Counted | Outcome] | None:
        """Asks what became of an accepted request; an Outcome: the network did not say, and why.

        None: it tells nothing beyond its verdicts.
        """
        return None

    # What follows has one answer for most networks.

    def event(self, conversion: Conversion) -> str:
        """The network's name of the event, see ``event_names``; raises Skip("event_off") or Skip("unsupported")."""
        key = (conversion.event_spelling, conversion.event_source, conversion.is_renamed, conversion.test)
        cached = self._events.get(key)
        if cached is None:
            try:
                cached = self._names.name(conversion, self), None
            except Skip as skip:
                cached = "", Skip(skip.reason, skip.message)  # without a traceback, which would hold the conversion
            if len(self._events) < MAX_NAMES:
                self._events[key] = cached
        name, refused = cached
        if refused is not None:
            raise Skip(refused.reason, refused.message)
        return name

    def click(self, conversion: Conversion) -> tuple[str, str] | None:
        """The name of the network's click id, one of ``click_ids``, and the click id itself; None without one.

        It is in its column, in ``click_id`` where the conversion is attributed to the network, or in a URL's query: of
        the landing page, the event's page, then a referrer of the same host.
        """
        for name in self.click_ids:
            if click_id := conversion.ids.get(name):
                return name, click_id
        if conversion.click_id and conversion.network in (self.name, *self.aliases):
            return self.click_ids[0], conversion.click_id
        for url in click_urls(conversion):
            for name in self.click_ids:
                if click_id := query_value(url, name, exact=name in self.exact_ids):
                    return name, click_id
        return None

    def click_id(self, conversion: Conversion) -> str | None:
        """The network's click id, wherever the conversion has it."""
        known = self._clicked.get(id(conversion))
        if known is None:  # it is asked for again when the payload is built
            click = self.click(conversion)
            if len(self._clicked) >= IN_STEP:
                self._clicked.clear()
            known = self._clicked[id(conversion)] = (conversion, click[1] if click else None)
        return known[1]

    def click_ids_of(self, conversions: Sequence[Conversion]) -> Sequence[str | None]:
        """``click_id`` of each of those that take each step together."""
        return [*map(self.click_id, conversions)]

    def remember_click_ids(self, conversions: Sequence[Conversion], click_ids: Sequence[str | None]) -> None:
        """What ``click_id`` says of these until it is asked for others."""
        if len(conversions) <= IN_STEP:
            known = zip(conversions, click_ids, strict=True)
            self._clicked = dict(zip(map(id, conversions), known, strict=True))

    def test_code(self, conversion: Conversion) -> str | None:
        """The code of the network's test tool for a test, else None; raises Skip("test_without_code")."""
        if not conversion.test:
            return None
        if self.test_setting is None:
            raise Skip("test_without_code", "the network has no test tool")
        code: str | None = getattr(self.settings, self.test_setting)
        if not code:
            raise Skip("test_without_code", f"set {self.test_setting}")
        return code

    @classmethod
    def takes_tests(cls) -> bool:
        """Whether it has a test tool."""
        return cls.tests_without_code or cls.test_setting is not None

    @classmethod
    def with_test_code(cls, code: str) -> Mapping[str, Any]:
        """The setting that has a code of its test tool, for whatever event is tested."""
        if cls.test_setting is None:
            return {}
        return {cls.test_setting: dict.fromkeys(cls.events, code) if cls.tests_by_event else code}

    @classmethod
    def advice_on(cls, code: str, http_status: int | None, message: str = "") -> str:
        """What to do about an answer, by its words, its code or its HTTP status; empty: nothing is known."""
        spoken = message.lower()
        by_words = next((advice for words, advice in cls.advice_by_words.items() if words in spoken), "")
        by_code = cls.advice.get(code) or cls.advice.get(code.partition("/")[0])
        by_status = cls.advice.get(str(http_status)) if (http_status or 0) >= 400 else None  # a code may be 200
        return by_words or by_code or by_status or ""

    def url(self, default: str) -> str:
        """``default`` with scheme and host from the ``base_url`` setting, if there is one."""
        return at_base(self.settings.base_url, default)
