"""Conversion × account → Postback, or Skip: whom a conversion is for, and what each of them gets."""

from __future__ import annotations

from datetime import datetime
from typing import Any, NamedTuple

import msgspec

from target_adpostbacks.core.accounts import Account
from target_adpostbacks.core.answers import JSON, Skip
from target_adpostbacks.core.conversion import Conversion
from target_adpostbacks.core.network import Network


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
    window = network.dedup_window
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
    if False in (c.ad_user_data, c.ad_personalization, c.ad_storage):
        raise Skip("no_consent", "an ad consent signal is denied")
    if c.adjustment:
        raise Skip("no_adjustments", "the network takes no corrections")
    network_event = network.event(c)
    asset = network.asset(c)
    if not asset:
        raise Skip("unsupported", f"no id is configured for {c.event_source} events")
    age = now - c.event_time
    own_limit = network.settings.max_event_age_days
    if age > network.age_limit(c) or (own_limit and age.total_seconds() > own_limit * 86_400):
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
