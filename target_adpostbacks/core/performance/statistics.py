"""A record of a stream of statistics → what an ad cost and brought on one day."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import msgspec

from target_adpostbacks.core.countries import currencies
from target_adpostbacks.core.fields import members
from target_adpostbacks.core.performance.days import day_of, zone
from target_adpostbacks.core.performance.figures import MICROS, PER_UNIT, of_actions, total
from target_adpostbacks.core.placeholders import is_placeholder

MOST_BYTES = 2_000
"""Of a row's key: more fits into no index of PostgreSQL."""
MOST_LETTERS = 500
"""Of a name."""
IDS = ("account_id", "campaign_id", "ad_group_id", "ad_id")
NAMES = ("campaign_name", "ad_group_name", "ad_name")
FIGURES = ("spend", "impressions", "clicks")
COLUMNS = ("day", *IDS, *NAMES, "currency", "time_zone", *FIGURES, "conversions", "value")
"""Ours, as the setting ``columns`` names them."""

Find = Callable[[Mapping[str, Any]], Any]
_encode = msgspec.json.Encoder(order="deterministic").encode


class Performance(NamedTuple):
    """A row of ``ad_performance``, but for its seq. Money and conversions are in millionths; None: not said."""

    stream: str
    network: str
    account_id: str
    day: str
    campaign_id: str
    ad_group_id: str
    ad_id: str
    segment: str
    campaign_name: str | None
    ad_group_name: str | None
    ad_name: str | None
    currency: str
    time_zone: str  # empty: nobody said, UTC is assumed
    spend_micros: int
    impressions: int | None
    clicks: int | None
    conversions_micros: int | None
    value_micros: int | None
    extracted_at: str

    @property
    def key(self) -> tuple[str, ...]:
        """What makes the row one row."""
        return self[:8]


class LeftOut(Exception):
    """A record that is no row. ``reason``: ``"currency_missing"``; the message says what to do, and holds no value."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


class Spec(msgspec.Struct, frozen=True, kw_only=True):
    """How the records of one stream are read: what the config says, over what its preset does."""

    stream: str
    network: str = ""  # by its own name; empty: a column says it
    networks: Mapping[str, str] = {}  # what that column says, in lower case → the network's own name
    account: str = ""
    currency: str = ""
    time_zone: str = ""
    unit: str = "major"
    value_unit: str = "major"
    columns: Mapping[str, Sequence[str]] = {}
    segments: Sequence[str] = ()
    conversions: Sequence[Sequence[str]] = ()  # alternatives, the first that is there counts; each is added up
    values: Sequence[Sequence[str]] = ()
    actions: Mapping[str, str] = {}  # conversions, values → a list of {action_type, value}


def parse(record: Mapping[str, Any], spec: Spec, extracted_at: str) -> Performance:
    """The row of a record. Raises LeftOut."""
    columns = spec.columns

    def text(name: str) -> str:
        return _text(_first(record, columns.get(name, ())))

    def added(name: str, factor: int) -> int | None:
        return total([found(record, column) for column in columns.get(name, ())], factor)

    network = spec.network or _network(text("network"), spec.networks)
    if not network:
        raise LeftOut("network_missing", "no network; set `network`")
    row_zone = text("time_zone")
    zone_name = row_zone if row_zone and zone(row_zone) else spec.time_zone
    day = day_of(_first(record, columns.get("day", ())), zone_name)
    if day is None:
        raise LeftOut("day_missing", "no day, or not in a form that can be read; map it with `columns.day`")
    money = PER_UNIT[spec.unit]
    spend = added("spend", money)
    if spend is None:
        raise LeftOut("spend_missing", "no spend, or not a number; map it with `columns.spend`")
    currency = text("currency").upper() or spec.currency
    if not currency or (currency != spec.currency and currency not in currencies()):
        raise LeftOut("currency_missing", "no currency; set `currency` to that of the ad account")
    account, campaign, ad_group, ad = (_id(text(name)) for name in IDS)
    campaign_name, ad_group_name, ad_name = (text(name)[:MOST_LETTERS] or None for name in NAMES)
    row = Performance(
        spec.stream,
        network,
        account or spec.account,
        day,
        campaign,
        ad_group,
        ad,
        _segment(record, spec.segments),
        campaign_name,
        ad_group_name,
        ad_name,
        currency,
        zone_name,
        spend,
        added("impressions", 1),
        added("clicks", 1),
        _reported(record, spec, "conversions", MICROS),
        _reported(record, spec, "values", PER_UNIT[spec.value_unit]),
        extracted_at,
    )
    if sum(map(_bytes, row.key)) > MOST_BYTES:
        raise LeftOut("too_long", "ids and segments that are too long together")
    return row


def found(record: Mapping[str, Any], column: str) -> Any:
    """What is in a column, or at a path into objects: ``metrics.SPEND``."""
    value = record.get(column)
    if value is None and "." in column:
        value = record
        for name in column.split("."):
            value = members(value).get(name)
    return value


def _first(record: Mapping[str, Any], columns: Sequence[str]) -> Any:
    for column in columns:
        value = found(record, column)
        if value is not None and value != "":
            return value
    return None


def _text(value: Any) -> str:
    """A text or a number as text, without what no database keeps."""
    if value.__class__ is float and value.is_integer():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, (str, int, float)):
        return ""
    text = value.strip() if isinstance(value, str) else str(value)
    if text.isascii() and "\0" not in text:
        return text
    return text.replace("\0", "").encode("utf-8", "ignore").decode()


def _id(text: str) -> str:
    return "" if is_placeholder(text) else text


def _bytes(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode())


def _network(text: str, networks: Mapping[str, str]) -> str:
    return networks.get(text.lower(), text)


def _segment(record: Mapping[str, Any], columns: Sequence[str]) -> str:
    split = {column: value for column in columns if (value := _text(found(record, column)))}
    return _encode(split).decode() if split else ""


def _reported(record: Mapping[str, Any], spec: Spec, name: str, factor: int) -> int | None:
    """What the network says of conversions, or of their value."""
    for columns in getattr(spec, name):
        if name in spec.actions:
            reported = of_actions(found(record, spec.actions[name]), columns, factor)
        else:
            reported = total([found(record, column) for column in columns], factor)
        if reported is not None:
            return reported
    return None
