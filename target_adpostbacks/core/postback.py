"""Makes a postback of a conversion for one account, or says why not."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from functools import partial
from itertools import repeat
from typing import Any, NamedTuple

import msgspec

from target_adpostbacks.core.accounts import Account
from target_adpostbacks.core.answers import JSON, Skip, or_skip
from target_adpostbacks.core.consent import consented
from target_adpostbacks.core.conversion import DERIVED_DIGITS, Conversion
from target_adpostbacks.core.network import MAX_NAMES, Network
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

    def __init__(self, postback: Postback) -> None:
        super().__init__("too_large")
        self.not_sent = NotSent(
            postback.key,
            postback.account_name,
            postback.facts,
            "too_large",
            "larger than the network accepts in a request",
            "rejected",
            postback.other_keys,
            postback.rule,
        )


def prepare(account: Account, conversion: Conversion, now: datetime, stream: str = "", line: int = 0) -> Postback:
    """One conversion made ready for one account. Everything personal is hashed here; raises Skip and TooLarge."""
    (made,) = prepare_all(account, (conversion,), now, stream, (line,))
    if isinstance(made, Exception):
        raise made
    return made


def prepare_all(
    account: Account, conversions: Sequence[Conversion], now: datetime, stream: str, lines: Sequence[int]
) -> list[Postback | Exception]:
    """Each of several conversions made ready for one account, or what ``prepare`` would raise, in their order.

    All take a step before any takes the next: a processor is quicker at what it has just done, and what many have is
    made of them together.
    """
    network = account.network
    if network is None:
        return [Skip("disabled", "enabled: false") for _ in conversions]
    try:
        written = _unless_skipped(partial(_written, network, now), _all_begun(network, conversions, lines, now))
        return _unless_skipped(partial(_finished, account, network, stream), written)
    except Exception as error:  # noqa: BLE001 - a mistake of ours about one of them
        if len(conversions) == 1:
            return [error]
    alone = [((c,), (line,)) for c, line in zip(conversions, lines, strict=True)]
    return [made for c, line in alone for made in prepare_all(account, c, now, stream, line)]


def _unless_skipped(step: Callable[[Sequence[Any]], list[Any]], each: Sequence[Any]) -> list[Any]:
    """What a step makes of all that no Skip keeps back; a Skip stays in its place."""
    going = [one for one in each if not isinstance(one, Skip)]
    made = step(going) if going else []
    if len(going) == len(each):
        return made
    rest = iter(made)
    return [one if isinstance(one, Skip) else next(rest) for one in each]


_Begun = tuple[Conversion, int, Kind, dict[str, JSON], datetime, bool, str]
"""Before its payload is made: a conversion as it is sent, its line, kind, envelope and deadline, whether it is dated
now, and what is dropped of it."""


def _all_begun(
    network: Network[Any], conversions: Sequence[Conversion], lines: Sequence[int], now: datetime
) -> list[_Begun | Skip]:
    """``_begun`` of each, or the Skip that it raises: at once of those that are sent as they are, and in time."""
    begun: list[_Begun | Skip] = []
    kinds: dict[tuple[Any, ...], Kind | None] = {}
    latest = now + network.max_ahead
    alike: tuple[Any, ...] = ()
    kind: Kind | None = None
    for c, line, decisive in zip(conversions, lines, _decisive(conversions), strict=True):
        if decisive != alike:
            alike = decisive
            if alike not in kinds:
                kinds[alike] = _usual_kind(network, c)
            kind = kinds[alike]
        if kind and kind.envelope is not None and c.event_time <= latest and (c.value is None) is (c.currency is None):
            deadline = c.event_time + kind.max_age
            if now <= deadline:
                begun.append((c, line, kind, kind.envelope, deadline, False, ""))
                continue
        begun.append(or_skip(_begun, network, c, line, now))
    return begun


def _decisive(conversions: Iterable[Conversion]) -> list[tuple[Any, ...]]:
    """By what each is sent or refused, but for its time, and for a value that stands without its currency."""
    return [
        (
            c.event_spelling,
            c.event_source,
            c.is_renamed,
            c.test,
            c.adjustment,
            c.currency,
            c.consent,
            c.ad_user_data,
            c.ad_personalization,
            c.ad_storage,
            c.limited_data_use,
            c.opt_out,
            c.gpc,
        )
        for c in conversions
    ]


def _usual_kind(network: Network[Any], c: Conversion) -> Kind | None:
    """The kind of all conversions that are like this one in what is ``_decisive``; None: each has its own look."""
    is_taken = network.currencies is None or c.currency is None or c.currency in network.currencies
    if c.adjustment or network.has_window or network.has_own("priced") or not is_taken:
        return None
    with suppress(Skip):
        if consented(c, network) is c:
            return kind_of(network, c)
    return None


def _begun(network: Network[Any], conversion: Conversion, line: int, now: datetime) -> _Begun:
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
    return conversion, line, kind, envelope, deadline, dated_now, dropped


_Written = tuple[_Begun, JSON, bytes]
"""And its payload, which is encoded."""


def _written(network: Network[Any], now: datetime, begun: Sequence[_Begun]) -> list[_Written | Skip]:
    try:
        payloads = network.payloads([each[0] for each in begun], now)
        return [
            payload if isinstance(payload, Skip) else (each, payload, _encode(payload))
            for each, payload in zip(begun, payloads, strict=True)
        ]
    except (RecursionError, msgspec.MsgspecError, UnicodeEncodeError):
        if len(begun) > 1:
            raise
        return [Skip("invalid", "properties: can't be written as JSON")]


def _finished(
    account: Account, network: Network[Any], stream: str, written: Sequence[_Written]
) -> list[Postback | TooLarge]:
    begun, payloads, encoded = zip(*written, strict=True)
    conversions, lines, kinds, envelopes, deadlines, dated_now, dropped = zip(*begun, strict=True)
    match_keys = _all_joined(map(network.match_keys, payloads))
    keys = _keys(account.section, [kind.receiver for kind in kinds], conversions)
    postbacks = map(
        Postback,
        repeat(account.label),
        keys,
        envelopes,
        encoded,
        all_facts(conversions, stream, lines, [kind.event for kind in kinds], match_keys),
        _resend_seconds(network, conversions),
        deadlines,
        _notes(network, payloads, dropped),
        [
            _other_keys(key, kind, c, network.trial_at) if c.derived_ids or network.trial_at else ()
            for key, kind, c in zip(keys, kinds, conversions, strict=True)
        ],
        dated_now,
        [c.applied_rule for c in conversions],
        map(network.once, payloads) if network.has_own("once") else repeat(""),
        [len(payload) if payload.__class__ is list else 1 for payload in payloads],
        [c.awaits_original for c in conversions],
    )
    return [
        TooLarge(postback) if len(postback.payload) >= kind.most_bytes else postback
        for postback, kind in zip(postbacks, kinds, strict=True)
    ]


def _resend_seconds(network: Network[Any], conversions: Sequence[Conversion]) -> Iterable[float | None]:
    if network.has_own("resend_window"):
        windows = map(network.resend_window, conversions)
        return [None if window is None else window.total_seconds() for window in windows]
    return repeat(None if network.dedup_window is None else network.dedup_window.total_seconds())


def _notes(network: Network[Any], payloads: Sequence[JSON], dropped: Sequence[str]) -> Iterable[str]:
    """What there is to say of each: first what was dropped of it, then what the network wants."""
    if not network.has_own("note"):
        return dropped
    notes = map(network.note, payloads)
    return ["; ".join(filter(None, both)) for both in zip(dropped, notes, strict=True)] if any(dropped) else notes


def _all_joined(each: Iterable[Iterable[str]]) -> list[str]:
    """Each one's match keys as one text: the same for one behind the other where they are the same."""
    texts: list[str] = []
    before: tuple[str, ...] = ()
    text = ""
    for match_keys in map(tuple, each):
        if match_keys != before:
            before, text = match_keys, ",".join(match_keys)
        texts.append(text)
    return texts


def _other_keys(key: Key, kind: Kind, conversion: Conversion, trial_at: str) -> tuple[Key, ...]:
    """Under which the ledger may know it from before."""
    older = older_keys(key, conversion)
    if trial_at:  # an earlier version gave a trial the asset alone, and it may have been a proxy
        older += tuple(each._replace(asset=kind.asset) for each in (key, *older))
    return older


NOT_TAKEN = "the network takes no events of this event_source"
_new = tuple.__new__  # a NamedTuple's own call takes twice as long
_encode = msgspec.json.Encoder().encode


def admit(network: Network[Any], conversion: Conversion, now: datetime) -> tuple[Kind, datetime]:
    """What the network makes of all conversions of this kind, and until when this one can be sent.

    Raises Skip for what no payload has to be built for: adjustment, event, asset, windows, age.
    """
    c = conversion
    kind = kind_of(network, c)
    if network.has_window:
        within_window(c, network.settings)
    if c.event_time - now > network.max_ahead:
        raise Skip("in_future", "event_time is ahead of the clock; is its time zone right?")
    deadline = c.event_time + kind.max_age
    if now > deadline:
        raise Skip("too_old", network.too_old)
    return kind, deadline


def kind_of(network: Network[Any], c: Conversion) -> Kind:
    """The kind of a conversion; raises Skip where the network takes none of that kind."""
    named = (c.event_spelling, c.event_source, c.is_renamed, c.test, c.adjustment)
    kind: Kind | None = network.kinds.get(named)
    if kind is None:
        kind = _kind(network, c)
        if len(network.kinds) < MAX_NAMES:
            network.kinds[named] = kind
    return kind


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
    asset = receiver(network.asset(conversion), network.trial_at) if network else ""
    (its_key,) = _keys(account.section, (asset,), (conversion,))
    return its_key


def older_keys(key: Key, conversion: Conversion) -> tuple[Key, ...]:
    """The identities that a delivery had when its event id was derived otherwise."""
    now, *then = conversion.derived_ids or (None,)
    return tuple(key._replace(event_id=event_id) for event_id in then) if now == key.event_id else ()


def _keys(section: str, assets: Iterable[str], conversions: Iterable[Conversion]) -> list[Key]:
    return [
        _new(Key, (section, asset, c.event_name, c.event_id, adjustment(c) if c.adjustment else "", c.test))
        for asset, c in zip(assets, conversions, strict=True)
    ]


def receiver(asset: str, trial_at: str) -> str:
    """The asset as the ledger has it: what a trial accepts, the network does not have."""
    return f"{asset}@{trial_at}" if asset and trial_at else asset


def adjustment(c: Conversion) -> str:
    """``'retract'``, ``'restate:24.5 USD'``: another value is another correction."""
    if c.adjustment != "restate" or c.value is None or c.currency is None:
        return c.adjustment or ""
    value = int(c.value) if abs(c.value) < 1 << 53 and c.value == int(c.value) else c.value
    return f"restate:{value} {c.currency}"


def facts(conversion: Conversion, stream: str, line: int) -> Facts:
    """What the ledger keeps of a conversion that is not sent."""
    (kept,) = all_facts((conversion,), stream, (line,), ("",), ("",))
    return kept


def all_facts(
    conversions: Sequence[Conversion],
    stream: str,
    lines: Iterable[int],
    network_events: Iterable[str],
    match_keys: Iterable[str],
) -> list[Facts]:
    """What the ledger keeps of conversions: of value and currency both or neither."""
    return [
        _new(
            Facts,
            (
                stream,
                line,
                time,
                event,
                names,
                c.campaign_id,
                c.campaign_name,
                c.ad_group_id,
                c.ad_id,
                c.creative_id,
                c.placement,
                None if c.currency is None else c.value,
                None if c.value is None else c.currency,
                c.adjustment_time and milliseconds(c.adjustment_time),
                c.click_time and milliseconds(c.click_time),
                None,
                None,
            ),
        )
        for c, line, time, event, names in zip(
            conversions,
            lines,
            _all_milliseconds([c.event_time for c in conversions]),
            network_events,
            match_keys,
            strict=True,
        )
    ]


def _all_milliseconds(utc: Sequence[datetime]) -> list[str]:
    """``milliseconds`` of each."""
    texts = _encode(utc)[2:-2].decode()
    if "." not in texts:
        return texts.replace("Z", ".000+00:00").split('","')
    return [*map(_milliseconds, texts.split('","'))]


def milliseconds(utc: datetime) -> str:
    """``utc.isoformat(timespec="milliseconds")``, in a third of the time."""
    return _milliseconds(_encode(utc)[1:-1].decode())


def _milliseconds(text: str) -> str:
    """``2026-11-20T12:05:00.123456Z`` without what is below a millisecond; where nothing is, the text has no point."""
    return f"{text[:19]}.000+00:00" if len(text) == 20 else f"{text[:23]}+00:00"
