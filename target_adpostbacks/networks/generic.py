"""Postback URLs with macros, for trackers and networks without a module of their own. A request for each conversion."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, ClassVar
from urllib.parse import urlsplit

import msgspec

from target_adpostbacks.core.answers import JSON, Outcome, Request, Response, Skip, Verdict
from target_adpostbacks.core.consent import CONSENT_SIGNALS
from target_adpostbacks.core.conversion import EVENT_SOURCES, Conversion
from target_adpostbacks.core.events import ALIASES, EventTable
from target_adpostbacks.core.network import Limits, Network
from target_adpostbacks.core.urls import at_base
from target_adpostbacks.networks._generic.call import Call, basic, signed
from target_adpostbacks.networks._generic.filters import Around, applied, one_of, text_of
from target_adpostbacks.networks._generic.macros import IDS, View, reader
from target_adpostbacks.networks._generic.presets import PRESETS
from target_adpostbacks.networks._generic.settings import PERSONAL, GenericSettings, statuses

NO_LIMIT = timedelta(days=36_500)
MOST_OF_AN_ANSWER = 64 * 1024
"""Bytes that are read."""
MOST_OF_A_MESSAGE = 4000
"""Characters of an answer's text that are looked at: what is kept of it is cut once nothing personal is in it."""
EXACT = 1 << 53
"""Whole numbers below are exact, however JSON is read."""
CREDENTIALS = frozenset({401, 403, 407})
REDIRECTS = (301, 302, 303, 307, 308)
FLAGS = ("limited_data_use", "opt_out")
READABLE = ("email", "phone")
"""Columns that a filter may find unusable."""
ADVICE = {
    **{str(status): "The partner's URL has moved: ask for the new one, and set `url`." for status in REDIRECTS},
    "401": "Look at `auth`, `headers` and `secrets`: the partner does not know the key.",
    "403": "Look at `auth`, `headers` and `secrets`, and ask the partner whether your address is allowed.",
    "404": "Look at `url`: the partner has nothing there.",
    "405": "Look at `method`.",
}


class Generic(Network[GenericSettings]):
    name = "generic"
    title = "Postback URL"
    aliases = ("postback url", "postback")
    docs = "docs/networks/generic.md"
    deletion = "the partner itself, whose postback URL the account has"
    settings_type = GenericSettings
    own_presets = PRESETS
    accounts_are_networks = True
    events: ClassVar[Mapping[str, str | None]] = {name: name for name in ALIASES}
    standard_events = frozenset(ALIASES)
    click_ids = ("click_id",)  # a tracker has no column of its own
    click_id_example = "click-"
    ids = IDS
    assets: ClassVar[Mapping[str, str]] = dict.fromkeys(EVENT_SOURCES, "url")
    match_rules: ClassVar[Mapping[str, str]] = dict.fromkeys(EVENT_SOURCES, "what `required` names")
    request_limits = Limits(events=1)
    max_age = NO_LIMIT
    max_ahead = timedelta(minutes=10)
    counts_within = "as the partner does"
    statuses: ClassVar[Mapping[int, Verdict]] = dict.fromkeys(REDIRECTS, Verdict.REJECTED)
    advice: ClassVar[Mapping[str, str]] = ADVICE

    def __init__(self, settings: GenericSettings, preset: EventTable | None = None, account: str = "default") -> None:
        super().__init__(settings, preset, account)
        self._call = Call(settings)
        self._macros = [(macro.expression, reader(macro.name), macro.filters) for macro in self._call.macros]
        self._required = [("|".join(names), [reader(name) for name in names]) for names in self._call.required]
        self._used = {macro.name for macro in self._call.macros}
        self.consent_signals = frozenset(self._used.intersection(CONSENT_SIGNALS))
        self.denials = tuple(flag for flag in FLAGS if flag not in self._used)
        hashed = {macro.name for macro in self._call.macros if macro.is_hashed}
        self.match_columns = {column: column for column in READABLE if column in hashed}  # type: ignore[misc]
        self.only_mapped = bool(settings.event_map) if settings.only_mapped is None else settings.only_mapped
        self._successes, self._retried = settings.successes, statuses(settings.retry_status)
        tests = settings.success
        self._contains = tests.get("body_contains")
        self._regex, self._not_regex = (
            re.compile(text) if (text := tests.get(name)) else None for name in ("body_regex", "body_not_regex")
        )

    def asset_of(self, event_source: str) -> str:
        return self.account

    @classmethod
    def receivers(cls, settings: Mapping[str, Any]) -> Mapping[str, str]:
        return {}  # two accounts may share a URL, and differ in its constants

    def priced(self, conversion: Conversion) -> Conversion:
        return conversion  # the template decides

    def click(self, conversion: Conversion) -> tuple[str, str] | None:
        # No landing URL shows that a click came from this partner.
        is_own = conversion.network in (self.name, *self.aliases, self.account)
        return ("click_id", conversion.click_id) if conversion.click_id and is_own else None

    def resend_window(self, conversion: Conversion) -> timedelta | None:
        return self.longest_dedup

    @property
    def longest_dedup(self) -> timedelta | None:
        return timedelta(hours=self.settings.dedup_hours) if self.settings.dedup_hours else None

    def limits_data_use(self, conversion: Conversion) -> bool:
        return "limited_data_use" in self._used

    def envelope(self, conversion: Conversion) -> dict[str, JSON]:
        if not conversion.test:
            return {}
        if not self.settings.send_test:
            raise Skip("test_without_code", "set send_test: true, if the partner can tell a test")
        return {"test": True}

    def payload_at(self, conversion: Conversion, now: datetime) -> JSON:
        """What the macros come to, by expression."""
        c = conversion
        view = View(c, self.event(c), now)
        for names, reads in self._required:
            if not any(one_of(read(view)) is not None for read in reads):
                raise Skip("no_match_key", f"needed: {names}")
        around = Around(c.currency, self.settings.country_codes(c.country))
        values = {expression: applied(read(view), filters, around) for expression, read, filters in self._macros}
        payload = {expression: _json(value) for expression, value in values.items() if value is not None}
        if self._call.unfit_header(payload):
            raise Skip("unsupported", "a value for a header has a control character")
        if self._call.leaves_its_path(payload):
            raise Skip("unsupported", "a value for the URL's path is . or .., which leads elsewhere")
        return payload

    def payload(self, conversion: Conversion) -> JSON:
        return self.payload_at(conversion, conversion.event_time)

    def match_keys(self, payload: Mapping[str, JSON]) -> Iterable[str]:
        names = (expression.partition("|")[0] for expression in payload)
        return dict.fromkeys(name for name in names if name in PERSONAL)

    def request(self, envelope: Mapping[str, JSON], payloads: Sequence[JSON]) -> Request:
        (payload,) = payloads
        given = msgspec.json.decode(payload) if isinstance(payload, msgspec.Raw) else payload
        filled = self._call.filled(given)
        base = urlsplit(self.settings.base_url or self._call.origin)
        target = base.path.rstrip("/") + filled.target
        url = f"{base.scheme}://{base.netloc}{target}"
        return Request(
            url=at_base(self.settings.base_url, self._call.shown),
            target=target,
            method=self.settings.method,
            headers={**filled.headers, **self._authorization(url, filled.body)},
            body=filled.body,
            text_bytes=MOST_OF_AN_ANSWER,
            public_only=not (self.settings.allow_private_hosts or self.trial_at),
        )

    def _authorization(self, url: str, body: bytes | None) -> dict[str, str]:
        auth = self.settings.auth
        if not auth:
            return {}
        if auth["type"] == "bearer":
            return {"Authorization": f"Bearer {auth['token']}"}
        if auth["type"] == "basic":
            return {"Authorization": basic(auth["username"], auth["password"])}
        over = url.encode() if auth["over"] == "url" else body or b""
        return {auth["header"]: signed(auth["secret"], over)}

    def outcomes(self, response: Response, count: int) -> list[Outcome]:
        # The first that fits holds. Each outcome has a code: a page or a redirect may be the partner's own answer.
        status, text = response.status, _text(response.body)
        code = str(status)
        message = " ".join(text.split())[:MOST_OF_A_MESSAGE]
        if status in self._successes:
            if self._is_success(text):
                return [Outcome(Verdict.ACCEPTED)] * count
            return [Outcome(Verdict.REJECTED, code, message)] * count
        if status in CREDENTIALS:
            return [Outcome(Verdict.CREDENTIALS, code, message, shared=True)] * count
        if status == 429:
            return [Outcome(Verdict.THROTTLED, code, message, shared=True)] * count
        if status in self._retried:
            return [Outcome(Verdict.TRANSIENT, code, message, shared=True)] * count
        reason = "unconfirmed" if 200 <= status < 300 else ""
        return [Outcome(Verdict.REJECTED, code, message, reason=reason)] * count

    def _is_success(self, text: str) -> bool:
        if self._not_regex and self._not_regex.search(text):
            return False
        if self._contains and self._contains not in text:
            return False
        return self._regex is None or self._regex.search(text) is not None


def _text(body: Any) -> str:
    """An answer's text, which its body is unless somebody has decoded it."""
    return body if isinstance(body, str) else "" if body is None else msgspec.json.encode(body).decode()


def _json(value: Any) -> JSON:
    """A value as JSON has it."""
    if isinstance(value, datetime):
        return text_of(value)
    if isinstance(value, float) and value.is_integer() and abs(value) < EXACT:
        return int(value)
    return value


NETWORK = Generic
