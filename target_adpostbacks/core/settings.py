"""The settings that all networks share, and how a setting describes itself."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from functools import cache
from typing import TYPE_CHECKING, Annotated, Any, Literal
from urllib.parse import urlsplit

import msgspec
from msgspec.structs import FieldInfo, fields

from target_adpostbacks.core.phones import calling_codes

if TYPE_CHECKING:
    from typing_extensions import Self


def doc(
    description: str,
    *,
    where: str = "",
    example: Any = None,
    secret: bool = False,
    multiline: bool = False,
    anywhere: bool = False,
    ge: float | None = None,
    le: float | None = None,
) -> msgspec.Meta:
    """A setting as ``--about``, meltano.yml and the documents describe it.

    ``where``: the place where a person finds its value; ``example``: a value of the right form, for a setting that an
    ordinary section has; ``anywhere``: it may also stand at the top of the config, for every network.
    ``multiline``: a secret that is a document, which no header holds as it is.
    """
    extra: dict[str, Any] = {"secret": True, "writeOnly": True} if secret else {}
    if multiline:
        extra["multiline"] = True
    if where:
        extra["where"] = where
    if example is not None:
        extra["examples"] = [example]
    text = f"{description} {where}." if where else description
    return msgspec.Meta(description=text, ge=ge, le=le, extra_json_schema=extra or None, extra={"anywhere": anywhere})


@cache  # half a millisecond each, asked for again and again
def extras(settings: type[msgspec.Struct]) -> dict[str, Mapping[str, Any]]:
    """Each setting to what ``doc`` says of it beside its description: ``secret``, ``where``, ``examples``."""
    return {
        field.name: meta.extra_json_schema or {}
        for field in fields(settings)
        for meta in getattr(field.type, "__metadata__", ())
        if isinstance(meta, msgspec.Meta)
    }


def examples(settings: type[msgspec.Struct]) -> dict[str, Any]:
    """An ordinary section: every setting that has an example, with it."""
    return {name: extra["examples"][0] for name, extra in extras(settings).items() if "examples" in extra}


def secrets(settings: type[msgspec.Struct]) -> set[str]:
    """The settings that hold secrets."""
    return {name for name, extra in extras(settings).items() if extra.get("secret")}


Days = Annotated[int, msgspec.Meta(ge=1, le=3650)]
Percentage = Annotated[float, msgspec.Meta(ge=0, le=100)]

Preset = Annotated[
    str | None,
    doc(
        "A mapping by name for a program that records come from. docs/rules.md lists them. Your own settings win over"
        " it.",
        anywhere=True,
    ),
]
Defaults = Annotated[
    Mapping[str, Any],
    doc('Values for columns that a record lacks: `{"currency": "EUR", "content_type": "product"}`.', anywhere=True),
]


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """A network's section of the config; the fields are its schema. Texts are trimmed, empty ones are missing."""

    enabled: Annotated[
        bool,
        doc(
            "false: nothing is sent. Conversions whose `network` names it are skipped, `disabled`; its click id alone"
            " attributes to nobody, `not_attributed`."
        ),
    ] = True
    base_url: Annotated[
        str | None,
        doc(
            "URL in place of the API's scheme and host, for tests and proxies. Plain http only to loopback. What is"
            " sent to loopback is a trial: accepted there, it is still sent to the network."
        ),
    ] = None
    proxy: Annotated[
        bool,
        doc("true: a `base_url` at loopback leads to the network: what it accepts, the network has. Default: no."),
    ] = False
    event_map: Annotated[
        Mapping[str, str | None],
        doc(
            "Maps your event names to the network's. A name that the network does not have becomes a custom event; null"
            " switches the event off."
        ),
    ] = {}
    send: Annotated[
        Literal["attributed", "all"],
        doc(
            "Which conversions without a `network` are sent to it. `attributed`: those with its click id; `all`: every"
            " one."
        ),
    ] = "attributed"
    preset: Preset = None
    defaults: Defaults = {}
    rules: Annotated[
        Sequence[Any],
        doc(
            "Your own rules: what is not sent, or sent under another name, to other accounts or with other values."
            " docs/rules.md says how to write them.",
            anywhere=True,
        ),
    ] = ()
    allow_same_asset: Annotated[
        bool,
        doc(
            "true: an account may send to the same pixel, app or event set as another one of its section. A conversion"
            " for both is sent by one of them alone. Default: no.",
            anywhere=True,
        ),
    ] = False
    trigger_events: Annotated[
        Sequence[str] | None,
        doc(
            'Only these events are sent, all others are skipped, `event_off`: `["purchase", "game_launch"]`. It also'
            " switches on what a network's table has off. Default: every event that the table has.",
            anywhere=True,
        ),
    ] = None
    max_event_age_days: Annotated[
        int | None, doc("Conversions that are older are skipped, `too_old`. Default: the network's own limit.")
    ] = None
    consent_required: Annotated[
        bool,
        doc(
            "true: only conversions with `consent` are sent, and to networks that take consent signals those with"
            " `ad_user_data`; the others are skipped, `no_consent`. Default: what has no denial is sent.",
            anywhere=True,
        ),
    ] = False
    match_keys: Annotated[
        Sequence[str] | None,
        doc(
            'Only these columns of a person may leave, hashed or not: `["email", "ttclid"]`. The nearest list holds.'
            " Default: all.",
            anywhere=True,
        ),
    ] = None
    ip_address: Annotated[
        Literal["send", "truncate", "drop"],
        doc(
            "What leaves of `ip_address`: all of it, the first 24 bits (of IPv6 48), or nothing.",
            anywhere=True,
        ),
    ] = "send"
    attribution_window_days: Annotated[
        Days | None,
        doc("Conversions longer after their `click_time` are skipped, `outside_window`. Default: all.", anywhere=True),
    ] = None
    view_window_days: Annotated[
        Days | None,
        doc("The same for conversions without a `click_time`, after their `view_time`. Default: all.", anywhere=True),
    ] = None
    click_time_tolerance_seconds: Annotated[
        int,
        doc(
            "With a window, a conversion that happened longer than this before its click or view is skipped,"
            " `before_click`.",
            anywhere=True,
            ge=0,
            le=86_400,
        ),
    ] = 60
    concurrency: Annotated[int, doc("Parallel requests, for each account.", anywhere=True, ge=1, le=32)] = 4
    max_attempts: Annotated[
        int, doc("How often a request is tried before its conversions stay open.", anywhere=True, ge=1, le=1000)
    ] = 6
    max_retry_seconds: Annotated[
        int, doc("How long a request is tried before its conversions stay open.", anywhere=True, ge=0, le=86_400)
    ] = 300
    request_timeout_seconds: Annotated[
        int, doc("Time for one request, from connecting to the last byte of its answer.", anywhere=True, ge=1, le=3600)
    ] = 30
    token_created_at: Annotated[
        str | None,
        doc(
            "When the account's token was made, as a date: `2026-05-01`. `adpostbacks health` tells when it is too old."
        ),
    ] = None
    token_max_age_days: Annotated[
        int, doc("From this age on, `adpostbacks health` asks for a new token.", anywhere=True, ge=1, le=36_500)
    ] = 365
    health: Annotated[
        Mapping[str, float],
        doc(
            "When `adpostbacks health` calls an account degraded: more than `rejected_percent` (10) of `rejected_of`"
            " (20) or more were refused in 24 hours, or something has been open for longer than `open_hours` (6). After"
            " `quiet_hours` (24) without an answer it has no recent activity.",
            anywhere=True,
        ),
    ] = {}
    requests_per_second: Annotated[
        float, doc("Ceiling for all accounts of the section together; 0: none.", anywhere=True, ge=0)
    ] = 0

    @property
    def trial_at(self) -> str:
        """Where deliveries are a trial: ``"http://127.0.0.1:8765"``; empty: they reach the network."""
        base = urlsplit(self.base_url or "")
        return f"{base.scheme}://{base.netloc}" if is_loopback(base.hostname or "") and not self.proxy else ""

    @property
    def record_defaults(self) -> Mapping[str, Any]:
        """Values for columns that a record lacks."""
        return {column: value for column, value in self.defaults.items() if value is not None}

    def without_secrets(self) -> Self:
        """The same for a process that makes no requests: payloads come out alike, secrets are empty."""
        empty = {
            field.name: "" if field.required else _default(field)
            for field in fields(type(self))
            if field.name in secrets(type(self))
        }
        return msgspec.structs.replace(self, **empty, base_url=self.trial_at or None)

    def kept_secrets(self) -> Mapping[str, str]:
        """Each secret that is set, by its path: ``"access_token"``, or ``"secrets.key"`` within an object."""
        values = ((name, getattr(self, name)) for name in sorted(secrets(type(self))))
        return {name: value for name, value in values if value and isinstance(value, str)}

    def hidden(self) -> tuple[str, ...]:
        """What no message may repeat: secrets; of a document, whatever in it is as long as a key."""
        known = extras(type(self))
        texts = [(known[path.partition(".")[0]], text) for path, text in self.kept_secrets().items()]
        several = [_KEY.findall(text) if extra.get("multiline") else [text] for extra, text in texts]
        return tuple(text for each in several for text in each)

    def problems(self) -> Iterable[str]:
        """What is wrong with the settings' form: ``"pixel_code: looks like a name; …"``. Never a value."""
        return ()

    def hints(self) -> Iterable[str]:
        """What is unusual about the settings, though it may work."""
        return ()

    def expiring(self, now: datetime) -> Iterable[str]:
        """What of the settings, a version of the API for example, will soon no longer be good."""
        return ()


def _default(field: FieldInfo) -> Any:
    return field.default if field.default_factory is msgspec.NODEFAULT else field.default_factory()


_KEY = re.compile(r"[A-Za-z0-9+/=_-]{32,}")


def is_loopback(host: str) -> bool:
    """Whether a host's name or address is this machine's."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


class PhoneSettings(Settings, frozen=True, kw_only=True):
    """The section of a network that takes phone numbers."""

    default_phone_country_code: Annotated[
        str | None, doc("Country code for national phone numbers, for example `33` or `+33`.")
    ] = None
    phone_country_from_record: Annotated[
        bool, doc("true: the record's `country` says the code of national phone numbers, before the default does.")
    ] = False

    def problems(self) -> Iterable[str]:
        code = self.default_phone_country_code
        if code and not re.fullmatch(r"\+?[1-9][0-9]{0,2}", code):
            yield "default_phone_country_code: one to three digits without leading 0 expected, `33` or `+33`"

    def country_codes(self, country: str | None) -> tuple[str, ...]:
        """What completes the national phone numbers of a record with this country, the likelier first."""
        return calling_codes(country if self.phone_country_from_record else None, self.default_phone_country_code)


INHERITED = tuple(
    field.name
    for field in fields(Settings)
    for meta in field.type.__metadata__
    if meta.extra and meta.extra["anywhere"]
)
"""Settings that may stand at the top of the config, in a section or in an account: the nearest wins, maps merge."""
