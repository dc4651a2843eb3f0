"""Makes a postback of a conversion for one account, or says why not."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import suppress
from datetime import datetime, timedelta
from operator import attrgetter
from typing import Any, NamedTuple

import msgspec

from target_adpostbacks.core.accounts import Account
from target_adpostbacks.core.answers import JSON, Skip
from target_adpostbacks.core.consent import consented
from target_adpostbacks.core.conversion import DERIVED_DIGITS, Conversion
from target_adpostbacks.core.network import MAX_NAMES, Network
from target_adpostbacks.core.revenue import paired
from target_adpostbacks.core.windows import within_window


class Key(NamedTuple):
    """What makes a delivery one delivery."""

    network: str
    asset: str
    event_name: str
    event_id: str
    adjustment: str
    test: bool


class Facts(NamedTuple):
    """What the ledger keeps of a conversion: nothing personal. Each field is a column of deliveries."""

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
    value: int | float | None = None
    currency: str | None = None
    adjustment_time: str | None = None  # of a correction: when it was made, else when it was read first
    click_time: str | None = None
    stitched_by: str | None = None  # the column that led to a click of the person's; None: to none
    click_row: int | None = None  # that click's id in the ledger


class Postback(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One conversion made ready for one account: hashed, encoded, nothing raw in it."""

    account: str  # the account's label
    key: Key
    envelope: dict[str, JSON]
    payload: bytes  # JSON: an event of the network's, or a list of them
    facts: Facts
    resend_seconds: float | None  # how long a resend with the same id is harmless; None: never
    deadline: datetime  # later it is too old to be sent
    note: str = ""
    other_keys: tuple[Key, ...] = ()  # under which the ledger may know it from before
    dated_now: bool = False  # a correction whose record does not say when it was made
    rule: str = ""  # the name of the user's rule that applied
    once: str = ""  # what the network takes for the same conversion, whatever its event id
    events: int = 1  # that the network counts it for
    awaits_original: bool = False  # a correction that is only sent where the ledger has its original accepted

    @property
    def spliced(self) -> msgspec.Raw:
        """The payload as it stands in a request's list of events; of several, one behind the other."""
        return msgspec.Raw(self.payload[1:-1] if self.payload[:1] == b"[" else self.payload)

    def under(self, event_id: str) -> Postback:
        """The same under the event id that an earlier version derived for it."""
        now, then = (each[-DERIVED_DIGITS:] for each in (self.key.event_id, event_id))
        key, payload = self.key._replace(event_id=event_id), self.payload.replace(now.encode(), then.encode())
        return msgspec.structs.replace(self, key=key, payload=payload, once=self.once.replace(now, then))

    @property
    def turn(self) -> tuple[str, bool, str] | None:
        """What it shares with those that it must not overtake, nor be in a request with; None: with nobody."""
        return (self.account, self.key.test, self.once) if self.once else None

    @property
    def account_name(self) -> str:
        """The account's own name in its section."""
        return self.account.partition(".")[2]


class NotSent(NamedTuple):
    """What no request is made for, and why."""

    key: Key
    account: str  # its own name in its section; empty: it is for none
    facts: Facts
    reason: str
    message: str = ""
    status: str = "skipped"  # or rejected
    other_keys: tuple[Key, ...] = ()  # under which the ledger may know it from before
    rule: str = ""  # the name of the user's rule that applied


class Kind(NamedTuple):
    """What an account's network makes of all conversions of one event, source, test and adjustment."""

    event: str  # the network's name of it
    asset: str
    receiver: str  # the asset as the ledger has it
    max_age: timedelta
    envelope: dict[str, JSON] | None  # None: it is refused
    most_bytes: int  # of a payload


class TooLarge(Exception):
    """A postback that is larger than the network takes in a request."""

    def __init__(self, not_sent: NotSent) -> None:
        super().__init__(not_sent.reason)
        self.not_sent = not_sent


def prepare(account: Account, conversion: Conversion, now: datetime, stream: str = "", line: int = 0) -> Postback:
    """One conversion made ready for one account. Everything personal is hashed here; raises Skip and TooLarge."""
    steps = making(account, conversion, now, stream, line)
    try:
        while True:
            next(steps)
    except StopIteration as end:
        postback: Postback = end.value
        return postback


def making(
    account: Account, conversion: Conversion, now: datetime, stream: str, line: int
) -> Generator[bool, None, Postback]:
    """``prepare``, step by step, so that several conversions can take each step together."""
    network = account.network
    if network is None:
        raise Skip("disabled", "enabled: false")
    conversion = network.priced(consented(conversion, network))
    kind, deadline = admit(network, conversion, now)
    dated_now = conversion.adjustment is not None and conversion.adjustment_time is None
    if dated_now:
        conversion = msgspec.structs.replace(conversion, adjustment_time=now)
    dropped = ""
    if network.currencies is not None and conversion.currency and conversion.currency not in network.currencies:
        conversion = msgspec.structs.replace(conversion, value=None, currency=None)
        dropped = "the network does not accept the currency: sent without value and currency"
    envelope = network.envelope(conversion) if kind.envelope is None else kind.envelope
    network.expect(conversion)
    yield True
    try:
        payload = network.payload_at(conversion, now)
        yield True
        encoded = _encode(payload)
    except (RecursionError, msgspec.MsgspecError, UnicodeEncodeError):
        raise Skip("invalid", "properties: can't be written as JSON") from None
    yield True
    note = network.note(payload)
    window = network.resend_window(conversion)
    kept = facts(conversion, stream, line, kind.event, ",".join(network.match_keys(payload)))
    identity = _key(account.section, kind.receiver, conversion)
    yield True
    other_keys = older_keys(identity, conversion) if conversion.derived_ids else ()
    if network.trial_at:  # an earlier version gave a trial the asset alone, and it may have been a proxy
        other_keys += tuple(each._replace(asset=kind.asset) for each in (identity, *other_keys))
    if len(encoded) >= kind.most_bytes:
        message = "larger than the network accepts in a request"
        raise TooLarge(
            NotSent(identity, account.name, kept, "too_large", message, "rejected", other_keys, conversion.applied_rule)
        )
    return Postback(
        account.label,
        identity,
        envelope,
        encoded,
        kept,
        None if window is None else window.total_seconds(),
        deadline,
        f"{dropped}; {note}" if dropped and note else dropped or note,
        other_keys,
        dated_now,
        conversion.applied_rule,
        network.once(payload),
        len(payload) if payload.__class__ is list else 1,
        conversion.awaits_original,
    )


NOT_TAKEN = "the network takes no events of this event_source"
_new = tuple.__new__  # a NamedTuple's own call takes twice as long
_encode = msgspec.json.Encoder().encode


def admit(network: Network[Any], conversion: Conversion, now: datetime) -> tuple[Kind, datetime]:
    """What the network makes of all conversions of this kind, and until when this one can be sent.

    Raises Skip for what no payload has to be built for: adjustment, event, asset, windows, age.
    """
    c = conversion
    named = (c.event_spelling, c.event_source, c.is_renamed, c.test, c.adjustment)
    kind = network.kinds.get(named)
    if kind is None:
        kind = _kind(network, c)
        if len(network.kinds) < MAX_NAMES:
            network.kinds[named] = kind
    if network.has_window:
        within_window(c, network.settings)
    if c.event_time - now > network.max_ahead:
        raise Skip("in_future", "event_time is ahead of the clock; is its time zone right?")
    deadline = c.event_time + kind.max_age
    if now > deadline:
        raise Skip("too_old", network.too_old)
    return kind, deadline


def _kind(network: Network[Any], c: Conversion) -> Kind:
    if c.adjustment and not network.adjusts(c):
        raise Skip("no_adjustments", "the network takes no corrections of this kind")
    event, asset = network.event(c), network.asset(c)
    if not asset:
        is_taken = c.event_source in network.assets
        raise Skip("unsupported", f"no id is configured for {c.event_source} events" if is_taken else NOT_TAKEN)
    max_age, own_limit = network.age_limit(c), network.settings.max_event_age_days
    if own_limit:
        max_age = min(max_age, timedelta(days=own_limit))
    envelope: dict[str, JSON] | None = None
    most_bytes = 0
    with suppress(Skip):  # it comes after those of windows and age
        envelope = network.envelope(c)
        most_bytes = network.limits(envelope).payload_bytes
    return Kind(event, asset, receiver(asset, network.trial_at), max_age, envelope, most_bytes)


def receiver_of_trial(asset: str) -> str | None:
    """What would receive a trial's deliveries if they were live; None: the asset is none of a trial.

    >>> receiver_of_trial("D7VH38JC77U3LFDOLGRG@http://127.0.0.1:8765")
    'D7VH38JC77U3LFDOLGRG'
    """
    receiver, _, address = asset.rpartition("@")
    return receiver if address.startswith(("http://", "https://")) else None


def key(account: Account, conversion: Conversion) -> Key:
    """The identity of a delivery."""
    network = account.network
    return _key(account.section, receiver(network.asset(conversion), network.trial_at) if network else "", conversion)


def older_keys(key: Key, conversion: Conversion) -> tuple[Key, ...]:
    """The identities that a delivery had when its event id was derived otherwise."""
    now, *then = conversion.derived_ids or (None,)
    return tuple(key._replace(event_id=event_id) for event_id in then) if now == key.event_id else ()


def _key(section: str, asset: str, c: Conversion) -> Key:
    return _new(Key, (section, asset, c.event_name, c.event_id, adjustment(c) if c.adjustment else "", c.test))


def receiver(asset: str, trial_at: str) -> str:
    """The asset as the ledger has it: what a trial accepts, the network does not have."""
    return f"{asset}@{trial_at}" if asset and trial_at else asset


def adjustment(c: Conversion) -> str:
    """``'retract'``, ``'restate:24.5 USD'``: another value is another correction."""
    if c.adjustment != "restate" or c.value is None or c.currency is None:
        return c.adjustment or ""
    value = int(c.value) if abs(c.value) < 1 << 53 and c.value == int(c.value) else c.value
    return f"restate:{value} {c.currency}"


def facts(conversion: Conversion, stream: str, line: int, network_event: str = "", match_keys: str = "") -> Facts:
    """What the ledger keeps of a conversion: of value and currency both or neither."""
    conversion = paired(conversion)
    passed_in = (stream, line, milliseconds(conversion.event_time), network_event, match_keys)
    adjusted_at, clicked_at = conversion.adjustment_time, conversion.click_time
    times = (
        None if adjusted_at is None else milliseconds(adjusted_at),
        None if clicked_at is None else milliseconds(clicked_at),
    )
    return _new(Facts, (*passed_in, *_copied(conversion), *times, None, None))


_copied = attrgetter(*Facts._fields[5:-4])
"""The facts that a conversion has under the same names."""


def milliseconds(utc: datetime) -> str:
    """``utc.isoformat(timespec="milliseconds")``, in a third of the time."""
    text = _encode(utc).decode()  # "2026-11-20T12:05:00.123456Z", with the quotes
    return f"{text[1:24]}+00:00" if utc.microsecond else f"{text[1:20]}.000+00:00"
