"""The section ``generic`` of the config."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any, Literal
from urllib.parse import urlsplit

import msgspec

from target_adpostbacks.core.disclosure import MATCH_KEYS
from target_adpostbacks.core.settings import PhoneSettings, doc, is_loopback
from target_adpostbacks.networks._generic.call import Call, Value, basic
from target_adpostbacks.networks._generic.filters import text_of
from target_adpostbacks.networks._generic.macros import IDS
from target_adpostbacks.networks._generic.presets import PRESETS
from target_adpostbacks.networks._generic.templates import Macro

if TYPE_CHECKING:
    from typing_extensions import Self

PERSONAL = frozenset({*MATCH_KEYS, *IDS, "click_id", "ip"})
"""The macros that identify a person or a click."""
IDENTIFYING = frozenset(
    "email phone first_name last_name date_of_birth gender city state postal_code external_id".split()
)
"""Those that partners take hashed; IP addresses, user agents and ids of devices and clicks they take as they are."""

SUCCESS = {"status": "a list", "body_contains": "a text", "body_regex": "a text", "body_not_regex": "a text"}
KEYS = ("token", "password", "secret")
"""What is secret in ``auth``."""
NOT_PRINTABLE = "contains a line break or another control character; copy it again"
SCHEMES = frozenset({"bearer", "basic", "token", "key", "apikey", "digest"})
"""Words of a header that are no key."""
AUTH = {"bearer": ("token",), "basic": ("username", "password"), "hmac_sha256": ("secret", "header", "over")}

_MACRO = re.compile(r"\{[^{}]*\}|\[[^\[\]]*\]")
OPEN_HEADERS = frozenset({"content-type", "accept", "accept-language", "user-agent"})
"""Those whose values are no secret, whatever they are."""
_STATUS = re.compile(r"([1-5][0-9]{2})(?:\s*-\s*([1-5][0-9]{2}))?").fullmatch


class GenericSettings(PhoneSettings, frozen=True, kw_only=True):
    url: Annotated[
        str | None,
        doc(
            "The postback URL as your partner gave it, with macros: docs/networks/generic.md lists them. None in scheme"
            " and host. A preset brings its own.",
            where="your tracker's or network's page about server-to-server postbacks",
            example="https://tracker.example.com/postback?cid={click_id}&payout={value}&txid={order_id}&eid={event_id}&key={key}",
        ),
    ] = None
    host: Annotated[str | None, doc("With a preset whose host is your own: that host, `trk.example.com`.")] = None
    method: Annotated[Literal["GET", "POST", "PUT"], doc("How the URL is called.")] = "GET"
    params: Annotated[
        Mapping[str, Value], doc('More of the URL\'s query, name to template: `{"cur": "{currency}"}`.')
    ] = {}
    headers: Annotated[Mapping[str, str], doc("Headers, name to template. Their values are secret.", secret=True)] = {}
    json: Annotated[
        Mapping[str, Any] | None,
        doc("The body as JSON, each text in it a template. A text that is one macro keeps the value's type."),
    ] = None
    form: Annotated[Mapping[str, Value] | None, doc("The body as a form, name to template.")] = None
    raw: Annotated[
        str | None,
        doc("The body as a template. Values are escaped where the header Content-Type says JSON or XML."),
    ] = None
    wrap_in_array: Annotated[bool, doc("true: the JSON body is put into a list.")] = False
    only_mapped: Annotated[
        bool | None,
        doc("Whether events outside `event_map` are off. Default: true where there is an `event_map`."),
    ] = None
    constants: Annotated[
        Mapping[str, Value], doc('Macros of your own, name to text or number: `{"nid": "1234"}`.')
    ] = {}
    secrets: Annotated[
        Mapping[str, Value],
        doc(
            "As `constants`, but secret: a key in the URL for example.",
            where="where your partner shows the postback URL",
            example={"key": "example-key"},
            secret=True,
        ),
    ] = {}
    required: Annotated[
        Sequence[str],
        doc(
            "Macros without which a conversion is skipped, `no_match_key`; `idfa|gaid`: one of them. Default:"
            ' `["click_id"]`.'
        ),
    ] = ("click_id",)
    missing: Annotated[
        Literal["drop", "empty"],
        doc("What becomes of a pair or a JSON key whose macro is missing: it is left out, or sent empty."),
    ] = "drop"
    bracket_macros: Annotated[bool, doc("true: `[name]` is a macro, too.")] = False
    success: Annotated[
        Mapping[str, Any],
        doc(
            'What an answer of success looks like: `status` (default `["200-299"]`), `body_contains`, `body_regex`,'
            " `body_not_regex`. What is left out is not asked."
        ),
    ] = {}
    retry_status: Annotated[
        Sequence[int | str], doc('HTTP statuses that are tried again. Default: `[408, 425, 429, "500-599"]`.')
    ] = (408, 425, 429, "500-599")
    dedup_hours: Annotated[
        float,
        doc(
            "How long the partner knows an event again by its id: so long a request without an answer is sent again.",
            ge=0,
            le=87_600,
        ),
    ] = 0
    auth: Annotated[
        Mapping[str, str] | None,
        doc(
            'How requests are signed: `{"type": "bearer", "token": …}`, `{"type": "basic", "username": …, "password":'
            ' …}` or `{"type": "hmac_sha256", "secret": …, "header": "X-Signature", "over": "url"}`, over the `url` or'
            " the `body`.",
            secret=True,
        ),
    ] = None
    requests_per_second: Annotated[
        float, doc("Ceiling for all accounts of the section together; 0: none.", anywhere=True, ge=0)
    ] = 20
    allow_http: Annotated[bool, doc("true: the URL may be plain http.")] = False
    allow_private_hosts: Annotated[
        bool, doc("true: the host may be one of your own network, at a private or loopback address.")
    ] = False
    send_test: Annotated[
        bool,
        doc("true: conversions with `test: true` are sent; `{test}` tells the partner. Default: `test_without_code`."),
    ] = False

    def without_secrets(self) -> Self:
        emptied = {name: "".join(_MACRO.findall(text)) for name, text in self.headers.items()}
        kept = {"headers": emptied, "secrets": dict.fromkeys(self.secrets, "")}
        return msgspec.structs.replace(super().without_secrets(), **kept)

    def kept_secrets(self) -> Mapping[str, str]:
        auth = self.auth or {}
        return {
            **super().kept_secrets(),
            **{f"secrets.{name}": text_of(value) for name, value in self.secrets.items()},
            **{f"auth.{name}": auth[name] for name in KEYS if name in auth},
        }

    def hidden(self) -> tuple[str, ...]:
        auth = self.auth or {}
        keys = []
        if "username" in auth and "password" in auth:
            keys.append(basic(auth["username"], auth["password"]).partition(" ")[2])
        headers = (_MACRO.sub(" ", text) for name, text in self.headers.items() if name.lower() not in OPEN_HEADERS)
        words = [word for text in headers for word in text.split() if word.lower() not in SCHEMES]
        return (*super().hidden(), *keys, *words)

    def problems(self) -> Iterable[str]:
        yield from super().problems()
        lacking = [path for path in self._of_preset() if not self._has(path)]
        yield from (f"{path}: missing; your partner gives it to you, and the preset needs it" for path in lacking)
        if not lacking:
            yield from dict.fromkeys(Call(self).mistakes)
        unfit = (name for name, value in self.secrets.items() if not text_of(value).isprintable())
        yield from (f"secrets.{name}: {NOT_PRINTABLE}" for name in unfit)
        if not self.allow_private_hosts and not self.trial_at and _is_own(urlsplit(Call(self).origin).hostname or ""):
            setting = "host" if self.host else "url"
            yield f"{setting}: an address of your own network or machine; set allow_private_hosts: true if it is meant"
        yield from self._success_problems()
        yield from (
            f"retry_status[{n}]: a status or a range expected, 429 or `500-599`"
            for n, each in enumerate(self.retry_status)
            if _range(each) is None
        )
        yield from self._auth_problems()

    def _of_preset(self) -> Sequence[str]:
        """The settings that only the user knows, `constants.nid` for example."""
        described = PRESETS.get(self.preset or "")
        return described.yours if described else ()

    def _has(self, path: str) -> bool:
        setting, _, name = path.partition(".")
        value = getattr(self, setting)
        return (value.get(name) if name else value) not in (None, "")

    def _success_problems(self) -> Iterable[str]:
        for name, value in self.success.items():
            if name not in SUCCESS:
                yield f"success.{name}: no such test; one of {', '.join(SUCCESS)} expected"
            elif name == "status":
                listed = value if isinstance(value, list) else [value]
                if not listed or any(_range(each) is None for each in listed):
                    yield 'success.status: a list of statuses and ranges expected: `[200, "202-204"]`'
            elif not isinstance(value, str) or not value:
                yield f"success.{name}: {SUCCESS[name]} expected"
            elif name != "body_contains":
                try:
                    re.compile(value)
                except re.error:
                    yield f"success.{name}: not a regular expression"

    def _auth_problems(self) -> Iterable[str]:
        if not self.auth:
            return
        kind = self.auth.get("type", "")
        own = self.auth.get("header", "") if kind == "hmac_sha256" else "Authorization"
        twice = (name for name in self.headers if name.lower() == own.lower())
        yield from (f"headers.{name}: auth sets this header; leave one of the two out" for name in twice)
        if kind not in AUTH:
            yield f"auth.type: one of {', '.join(AUTH)} expected"
            return
        yield from (
            f"auth.{name}: missing; {kind} needs {' and '.join(AUTH[kind])}"
            for name in AUTH[kind]
            if not self.auth.get(name)
        )
        unfit = [name for name in AUTH[kind] if not self.auth.get(name, "").isprintable()]
        yield from (f"auth.{name}: {NOT_PRINTABLE}" for name in unfit)
        yield from (f"auth.{name}: {kind} has no such key" for name in self.auth if name not in ("type", *AUTH[kind]))
        if kind == "hmac_sha256" and self.auth.get("over") not in (None, "url", "body"):
            yield "auth.over: url or body expected"
        if kind == "hmac_sha256" and not re.fullmatch(r"[A-Za-z0-9-]+", self.auth.get("header", "x")):
            yield "auth.header: not a header's name"

    def hints(self) -> Iterable[str]:
        for macro in Call(self).macros:
            if macro.name in IDENTIFYING and not macro.is_hashed:
                macro_of = f"{self._place(macro)}: {{{macro.expression}}}"
                yield f"{macro_of} goes out unhashed; if your partner does not take it so, add a filter"

    def _place(self, macro: Macro) -> str:
        """The setting that has it."""
        kinds = ("url", "params", "headers", "json", "form", "raw")
        return next((kind for kind in kinds if macro.expression in str(getattr(self, kind))), "url")

    @property
    def successes(self) -> frozenset[int]:
        """The HTTP statuses of success."""
        listed = self.success.get("status", ["200-299"])
        return statuses(listed if isinstance(listed, list) else [listed])


def _is_own(host: str) -> bool:
    """Whether a literal address is none of the internet, or a name is this machine's."""
    try:
        return not ipaddress.ip_address(host).is_global
    except ValueError:
        return is_loopback(host)


def statuses(listed: Iterable[Any]) -> frozenset[int]:
    """``[200, "202-204"]`` -> 200, 202, 203, 204; what is none is left out."""
    return frozenset(status for each in listed for status in _range(each) or ())


def _range(listed: Any) -> range | None:
    match = _STATUS(str(listed).strip()) if not isinstance(listed, bool) else None
    if match is None:
        return None
    first, last = int(match[1]), int(match[2] or match[1])
    return range(first, last + 1) if first <= last else None
