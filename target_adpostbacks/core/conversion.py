"""The conversion: what happened, in one form for every network."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Literal, get_args

import msgspec

MAX_EVENT_ID, MAX_EVENT_NAME = 500, 100
"""Characters. With both of them, and four bytes each, a delivery's identity still fits into an index of PostgreSQL."""
DERIVED_DIGITS = 32
"""Hex digits at the end of a derived event id."""

EventSource = Literal["web", "app", "offline", "crm"]
EVENT_SOURCES: tuple[EventSource, ...] = get_args(EventSource)
Adjustment = Literal["retract", "restate"]


class InvalidConversion(ValueError):
    """A record that is no conversion: names the field and the rule, never the value."""

    def __init__(self, field: str, rule: str) -> None:
        super().__init__(f"{field}: {rule}")
        self.field = field
        self.rule = rule


class Item(msgspec.Struct, frozen=True, kw_only=True):
    """One line of ``contents``; ``price`` is the unit price in major units."""

    id: str | None = None
    name: str | None = None
    category: str | None = None
    brand: str | None = None
    quantity: int | None = None
    price: int | float | None = None
    group_id: str | None = None
    delivery_category: Literal["in_store", "curbside", "home_delivery"] | None = None


class Conversion(msgspec.Struct, frozen=True):
    """One attributed conversion. Holds raw personal data: never queue, log or store it.

    Text is trimmed and never empty. ``value`` (major units) and ``currency`` are as the record has them, one
    without the other too: ``Network.priced`` says what of them is sent.
    """

    event_name: str
    event_spelling: str  # the event's name as the record spells it: a network's own name wins over an alias
    event_id: str
    event_time: datetime  # aware, UTC
    event_source: EventSource = "web"
    event_source_url: str | None = None
    referrer_url: str | None = None
    network: str | None = None
    account: str | None = None
    click_id: str | None = None
    click_time: datetime | None = None
    view_time: datetime | None = None
    email: tuple[str, ...] = ()
    phone: tuple[str, ...] = ()
    external_id: tuple[str, ...] = ()
    first_name: str | None = None
    last_name: str | None = None
    gender: str | None = None
    date_of_birth: str | None = None
    city: str | None = None
    state: str | None = None
    postal_code: str | None = None
    country: str | None = None  # ISO 3166 alpha-2, upper case; or the SHA-256 of its lower case
    ip_address: str | None = None
    user_agent: str | None = None
    language: str | None = None
    advertising_id: str | None = None
    idfa: str | None = None
    gaid: str | None = None
    idfv: str | None = None
    platform: str | None = None  # lower case
    app_id: str | None = None
    app_name: str | None = None
    app_version: str | None = None
    os_version: str | None = None
    device_model: str | None = None
    device_brand: str | None = None
    carrier: str | None = None
    timezone: str | None = None
    screen_width: int | None = None
    screen_height: int | None = None
    att_status: str | None = None
    campaign_id: str | None = None
    campaign_name: str | None = None
    ad_group_id: str | None = None
    ad_id: str | None = None
    creative_id: str | None = None
    placement: str | None = None
    landing_url: str | None = None
    lead_id: str | None = None
    value: int | float | None = None
    currency: str | None = None
    order_id: str | None = None
    contents: tuple[Item, ...] = ()
    content_type: str | None = None
    num_items: int | None = None
    search_query: str | None = None
    description: str | None = None
    test: bool = False
    consent: bool | None = None
    ad_user_data: bool | None = None
    ad_personalization: bool | None = None
    ad_storage: bool | None = None
    limited_data_use: bool | None = None
    opt_out: bool | None = None
    gpc: bool | None = None
    adjustment: Adjustment | None = None
    adjustment_time: datetime | None = None  # of a correction: when it was made; else nothing
    properties: Mapping[str, Any] = {}
    ids: Mapping[str, str] = {}  # click ids and cookies by native name: ttclid, rdt_cid, …
    derived_ids: tuple[str, ...] = ()  # an event id made of the stream's key, and what earlier versions made of it
    unusable: tuple[str, ...] = ()  # "value: not a number": left out, the conversion stays
    nested_columns: tuple[str, ...] = ()  # "user.email": read from an object within the record
    applied_rule: str = ""  # the name of the user's rule that applied
    ruled_columns: Mapping[str, str] = {}  # those that the rule gave: "rule mine, compute.value"
    is_renamed: bool = False  # the rule named the event
    awaits_original: bool = False  # a correction that a source's rows make: sent only where what it corrects was


msgspec.json.Decoder(Conversion)  # its annotations are read now: two threads that did it at once would end the process
