"""Conversion × account → Postback, or Skip: whom a conversion is for, and what each of them gets."""

from __future__ import annotations

import html
import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from functools import lru_cache
from typing import Any, NamedTuple

import msgspec

from target_adpostbacks.core.conversion import Conversion
from target_adpostbacks.core.network import JSON, Account, Network, Skip

NOBODY = frozenset(
    {
        *("organic", "organic search", "organic_search", "direct", "none", "(none)", "unattributed", "unassigned"),
        *("(not set)", "not set", "not_set", "unknown", "untracked", "null", "n/a"),
    }
)
"""Values of ``network`` that name nobody."""


class Key(NamedTuple):
    """What makes a delivery one delivery."""

    network: str
    asset: str
    event_name: str
    event_id: str
    adjustment: str
    test: bool


class Facts(NamedTuple):
    """What the ledger keeps of a conversion: nothing personal. In the order of the ledger's columns."""

    stream: str
    line: int
    event_time: str | None
    network_event: str = ""
    match_keys: str = ""
    campaign_id: str | None = None
    campaign_name: str | None = None
    ad_group_id: str | None = None
    ad_id: str | None = None
    creative_id: str | None = None
    placement: str | None = None
    value: float | None = None
    currency: str | None = None


class Postback(msgspec.Struct, frozen=True, gc=False):
    """One conversion made ready for one account: hashed, encoded, nothing raw in it."""

    account: Account
    key: Key
    envelope: dict[str, JSON]
    payload: bytes  # JSON
    facts: Facts
    resend_seconds: float | None  # how long a resend with the same id is harmless; None: never
    note: str = ""


def route(conversion: Conversion, accounts: Mapping[str, Sequence[Account]], names: Mapping[str, str]) -> list[Account]:
    """The accounts that a conversion is for; raises Skip where it is for none.

    ``accounts``: section → its accounts; ``names``: every name and alias of a network → its section or own name.
    """
    name = conversion.network
    if name is None:
        found = [account for section in accounts.values() for account in section if _wants(account, conversion)]
        if not found:
            raise Skip("not_attributed", "no network and no click id of a configured one; send: all asks for neither")
    elif name in NOBODY:
        raise Skip("organic")
    else:
        found = list(accounts.get(names.get(name, ""), ()))
        if not found:
            raise Skip("other_network", "no section of the config is for this network")
    if conversion.account is not None:
        found = [account for account in found if account.name == conversion.account]
        if not found:
            raise Skip("other_network", "account: no account of that name in the network's section")
    return found


def _wants(account: Account, conversion: Conversion) -> bool:
    network = account.network
    return network is not None and (network.settings.send == "all" or network.click_id(conversion) is not None)


def prepare(account: Account, conversion: Conversion, now: datetime, stream: str = "", line: int = 0) -> Postback:
    """One conversion made ready for one account. Everything personal is hashed here; raises Skip."""
    network = account.network
    if network is None:
        raise Skip("disabled", "enabled: false")
    network_event, asset = check(network, conversion, now)
    dropped = ""
    if network.currencies is not None and conversion.currency and conversion.currency not in network.currencies:
        conversion = msgspec.structs.replace(conversion, value=None, currency=None)
        dropped = "currency not taken by the network: sent without value and currency"
    envelope = network.envelope(conversion)
    try:
        payload = network.payload(conversion)
        encoded = _encode(payload)
    except (RecursionError, msgspec.MsgspecError, UnicodeEncodeError):
        raise Skip("invalid", "properties: can't be written as JSON") from None
    note = network.note(payload)
    window = network.dedup_window(conversion)
    return Postback(
        account,
        _key(account.section, asset, conversion),
        envelope,
        encoded,
        facts(conversion, stream, line, network_event, ",".join(network.match_keys(payload))),
        None if window is None else window.total_seconds(),
        f"{dropped}; {note}" if dropped and note else dropped or note,
    )


_new = tuple.__new__  # a NamedTuple's own call takes twice as long
_encode = msgspec.json.Encoder().encode


def check(network: Network[Any], conversion: Conversion, now: datetime) -> tuple[str, str]:
    """The network's name of the event and the asset that receives it.

    Raises Skip for what no payload has to be built for: consent, adjustment, event, asset, age.
    """
    c = conversion
    if c.consent is False:
        raise Skip("no_consent")
    if not network.consent_signals and False in (c.ad_user_data, c.ad_personalization, c.ad_storage):
        raise Skip("no_consent", "an ad consent signal is denied")
    if c.adjustment and c.adjustment not in network.adjustments:
        raise Skip("no_adjustments", "the network takes no corrections")
    network_event = network.event(c)
    asset = network.asset(c)
    if not asset:
        raise Skip("unsupported", f"no id is configured for {c.event_source} events")
    age = now - c.event_time
    own_limit = network.settings.max_event_age_days
    if age > network.max_age(c) or (own_limit and age.total_seconds() > own_limit * 86_400):
        raise Skip("too_old")
    if -age > network.max_ahead:
        raise Skip("in_future", "event_time is ahead of the clock; is its time zone right?")
    return network_event, asset


def key(account: Account, conversion: Conversion) -> Key:
    """The identity of a delivery."""
    return _key(account.section, account.network.asset(conversion) if account.network else "", conversion)


def _key(section: str, asset: str, c: Conversion) -> Key:
    return _new(Key, (section, asset, c.event_name, c.event_id, c.adjustment or "", c.test))


def facts(conversion: Conversion, stream: str, line: int, network_event: str = "", match_keys: str = "") -> Facts:
    """What the ledger keeps of a conversion."""
    c = conversion
    return _new(
        Facts,
        (
            stream,
            line,
            _milliseconds(c.event_time),
            network_event,
            match_keys,
            c.campaign_id,
            c.campaign_name,
            c.ad_group_id,
            c.ad_id,
            c.creative_id,
            c.placement,
            c.value,
            c.currency,
        ),
    )


def _milliseconds(utc: datetime) -> str:
    """``utc.isoformat(timespec="milliseconds")``, in a third of the time."""
    text = _encode(utc).decode()  # "2026-11-20T12:05:00.123456Z", with the quotes
    return f"{text[1:24]}+00:00" if utc.microsecond else f"{text[1:20]}.000+00:00"


def scrubbed(text: str, secrets: Iterable[str], texts: Iterable[str] = (), *, keep_ids: bool = False) -> str:
    """What a network said, on one line, at most 500 characters, without secrets and without what it echoes of us.

    ``texts``: what was sent, as ``texts_of`` gives it. ``keep_ids``: for codes and request ids, which look like hashes
    and numbers.
    """
    text = text[:20_000]
    for secret in secrets:
        text = _without_pieces(_written(secret).sub("***", text), secret)
    text = "".join(char if char.isprintable() else " " for char in text[:4000])
    lowered = text.lower()
    for value in sorted((value for value in texts if value.lower() in lowered), key=len, reverse=True):
        text = re.sub(re.escape(value), "***", text, flags=re.IGNORECASE)
    for pattern in _PERSONAL[:1] if keep_ids else _PERSONAL:
        text = pattern.sub("***", text)
    return " ".join(text.split())[:500]


_PERSONAL = [
    re.compile(r"[^\s@\"'<>(),;:=]+@[^\s@\"'<>(),;]+"),  # an e-mail address
    re.compile(r"\b[0-9a-fA-F]{32,}\b"),  # a hash
    re.compile(r"\b\d{1,3}(?:\.\d{1,3}){3}\b"),  # IPv4
    re.compile(r"\b(?:[0-9a-fA-F]{0,4}:){3,7}[0-9a-fA-F]{0,4}\b"),  # IPv6
    re.compile(r"(?<![\w:])(?:[0-9a-fA-F]{1,4}(?::[0-9a-fA-F]{1,4})*)?::[0-9a-fA-F:]*(?!\w)"),  # IPv6, shortened: ::1
    re.compile(r"\+?\d[\d ().-]{6,}\d"),  # a phone number, a click id
]


@lru_cache(maxsize=100)
def _written(secret: str) -> re.Pattern[str]:
    """A secret as it is, and as a URL, JSON or HTML would write any of its characters."""
    return re.compile("".join(f"(?:{'|'.join(_spellings(char))})" for char in secret), re.IGNORECASE)


def _spellings(char: str) -> Iterable[str]:
    yield rf"\\*{re.escape(char)}"
    yield "".join(f"%(?:25)*{byte:02x}" for byte in char.encode())  # twice encoded: %252F
    yield rf"\\+u{ord(char):04x}"
    yield f"&#(?:{ord(char)}|x{ord(char):x});"
    if (entity := html.escape(char)) != char:
        yield re.escape(entity)


PIECE = 16
"""So many characters of a secret in a row are its own, and no coincidence."""


def _without_pieces(text: str, secret: str) -> str:
    """Without what is left of a secret that was told in part, or cut off."""
    pieces = {secret[at : at + PIECE] for at in range(len(secret) - PIECE + 1)}
    starts = [at for at in range(len(text) - PIECE + 1) if text[at : at + PIECE] in pieces]
    for at in starts:
        text = text[:at] + "\0" * PIECE + text[at + PIECE :]
    return re.sub("\0+", "***", text) if starts else text


def texts_of(payloads: Iterable[bytes]) -> frozenset[str]:
    """Every text in what was sent that is long enough to be known again."""
    return frozenset(value for payload in payloads for value in _texts(msgspec.json.decode(payload)) if len(value) > 3)


def _texts(value: JSON) -> Iterable[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for member in value.values():
            yield from _texts(member)
    elif isinstance(value, list):
        for member in value:
            yield from _texts(member)
