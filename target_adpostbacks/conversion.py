"""The canonical conversion: what happened, in one shape for every network, read from whatever a tap calls a record."""

from __future__ import annotations

import hashlib
import math
import sys
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from datetime import date, datetime, time, timedelta, timezone, tzinfo
from functools import lru_cache
from typing import Any, Literal, cast
from urllib.parse import unquote, unquote_plus, urlsplit

import msgspec
import pycountry

if sys.version_info >= (3, 11):
    from_iso = datetime.fromisoformat
else:  # 3.10 reads only what it writes itself
    from backports.datetime_fromisoformat import datetime_fromisoformat as from_iso

EventSource = Literal["web", "app", "offline", "crm"]
Adjustment = Literal["retract", "restate"]
EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)


class InvalidConversion(ValueError):  # noqa: N818 - the design's word
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


class Conversion(msgspec.Struct, frozen=True, kw_only=True):
    """One attributed conversion. Holds raw personal data: never queue, log or store it.

    Text is trimmed and never empty. ``value`` (major units) and ``currency`` come together or not at all.
    """

    event_name: str
    given_name: str  # the event's name as the record spells it: a network's own name wins over an alias
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
    country: str | None = None  # ISO 3166 alpha-2, upper case
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
    anonymous_id: str | None = None
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
    adjustment: Adjustment | None = None
    properties: Mapping[str, Any] = {}
    ids: Mapping[str, str] = {}  # click ids and cookies by native name: ttclid, rdt_cid, …
    unusable: tuple[str, ...] = ()  # "value: not a number": left out, the conversion stays


# --- Names -----------------------------------------------------------------------------------------------------------

ALIASES = {
    "purchase": "completepayment ordercompleted orderplaced placedorder completedorder transaction sale",
    "game_launch": "gamelaunch launchapp",
    "install": "appinstall installapp",
    "session_start": "sessionstart appopen openapp",
    "sign_up": "signup register registration completeregistration",
    "lead": "generatelead submitform",
    "email_acquired": "emailacquired emailcaptured",
    "add_to_cart": "addtocart addedtocart productadded",
    "wishlist_add": "wishlistadd addtowishlist",
    "wishlist_remove": "wishlistremove removefromwishlist",
    "begin_checkout": "begincheckout initiatecheckout initiatedcheckout checkoutstarted startcheckout",
    "add_payment_info": "addpaymentinfo addedpaymentinfo addbilling",
    "view_content": "viewcontent viewitem productviewed",
    "search": "productssearched",
    "start_trial": "starttrial trialstarted",
    "subscribe": "subscription",
    "contact": "",
    "download": "",
    "schedule": "",
    "submit_application": "submitapplication",
    "level_achieved": "levelachieved achievelevel levelup",
    "tutorial_complete": "tutorialcomplete completetutorial tutorialcompleted",
    "ad_click": "adclick inappadclick",
    "ad_impression": "adimpression inappadimpr",
    "page_view": "pageview pagevisit",
}
"""Canonical event names, each with its aliases written without case, spaces and punctuation."""

CANONICAL = {alias: name for name, aliases in ALIASES.items() for alias in (name, *aliases.split())}

EVENT_SOURCES: dict[str, EventSource] = {
    "web": "web",
    "website": "web",
    "app": "app",
    "mobile": "app",
    "mobile_app": "app",
    "in_app": "app",
    "offline": "offline",
    "store": "offline",
    "physical_store": "offline",
    "crm": "crm",
}


@lru_cache(maxsize=10_000)
def canonical_event(name: str) -> str:
    """``'Add To Cart'`` -> ``'add_to_cart'``; a name that is no alias is a custom event and keeps its spelling."""
    folded = name.lower()
    return CANONICAL.get(folded) or CANONICAL.get("".join(filter(str.isalnum, folded)), name)


@lru_cache(maxsize=2_000)
def alpha2(country: str) -> str | None:
    """``'USA'``, ``'us'``, ``'United States'`` -> ``'US'``; None for no country."""
    name = {"uk": "GB", "turkey": "TR", "russia": "RU", "ivory coast": "CI"}.get(country.lower(), country)
    try:
        found: str = pycountry.countries.lookup(name).alpha_2
    except LookupError:
        return None
    return found


@lru_cache(maxsize=1)
def currencies() -> frozenset[str]:
    """Every ISO 4217 code."""
    return frozenset(currency.alpha_3 for currency in pycountry.currencies)


# --- Values ----------------------------------------------------------------------------------------------------------
# A reader takes a column's raw value: it returns the clean one, None for a missing one, or raises Unusable (left out,
# the conversion stays) or InvalidConversion (a mistake in the mapping that somebody should mend).


class Unusable(Exception):  # noqa: N818 - no error: the value is left out
    """Why an optional value can't be used."""


Reader = Callable[[str, Any], Any]


def _text(field: str, value: Any) -> str | None:
    if isinstance(value, str):
        return value.strip() or None
    if isinstance(value, bool) or not isinstance(value, (int, float)) or value - value != 0:  # infinite, not a number
        raise InvalidConversion(field, "text expected")
    if isinstance(value, float) and value.is_integer() and abs(value) < 2**53:
        return str(int(value))  # 1001.0 is how some sources write 1001
    return str(value)


def _identifier(field: str, value: Any) -> str | None:
    text = value.strip() or None if value.__class__ is str else _text(field, value)
    if text is not None and not text.isprintable():
        raise InvalidConversion(field, "holds a control character")
    return text


def _lower(field: str, value: Any) -> str | None:
    text = _text(field, value)
    return text and text.lower()


def _texts(field: str, value: Any) -> tuple[str, ...] | None:
    if value.__class__ is str:  # by far the most records
        value = value.strip()
        return (value,) if value else None
    members = value if isinstance(value, (list, tuple)) else [value]
    return tuple([text for member in members if member is not None and (text := _text(field, member))]) or None


def _number(field: str, value: Any) -> int | float | None:
    if isinstance(value, str):
        value = value.strip()
        if not value:
            return None
        try:
            value = int(value) if value.isdecimal() else _float(value)
        except ValueError:
            raise Unusable("not a number") from None
    elif isinstance(value, bool) or not isinstance(value, (int, float)):
        try:
            value = float(value) if not isinstance(value, (bool, list, dict)) else None  # a stream map's Decimal
        except (TypeError, ValueError):
            value = None
        if value is None:
            raise InvalidConversion(field, "a number expected")
    if not 0 <= value <= 1e15:
        raise Unusable("not a number from 0 up")
    return cast("int | float", value)


def _float(text: str) -> float:
    if "_" in text:  # Python's own way to write thousands
        raise ValueError
    return float(text)


def _whole(field: str, value: Any) -> int | None:
    number = _number(field, value)
    if number is not None and number != int(number):
        raise Unusable("not a whole number")
    return None if number is None else int(number)


TRUTHS = {
    **dict.fromkeys(("true", "t", "yes", "y", "1", "on", "granted"), True),
    **dict.fromkeys(("false", "f", "no", "n", "0", "off", "denied"), False),
}


def _truth(field: str, value: Any) -> bool | None:
    if isinstance(value, bool):
        return value
    if isinstance(value, str):
        text = value.strip().lower()
        if not text:
            return None
        truth = TRUTHS.get(text)
    else:
        truth = bool(value) if isinstance(value, (int, float)) and value in (0, 1) else None
    if truth is None:
        raise InvalidConversion(field, "true or false expected")  # guessing could send what must not leave
    return truth


def _currency(_: str, value: Any) -> str | None:
    code = value.strip().upper() if isinstance(value, str) else None
    if code == "":
        return None
    if code not in currencies():
        raise Unusable("no ISO 4217 code")
    return code


def _country(field: str, value: Any) -> str | None:
    text = _text(field, value)
    code = alpha2(text) if text else None
    if text and not code:
        raise Unusable("no ISO 3166 country")
    return code


def _event_source(field: str, value: Any) -> str | None:
    name = _lower(field, value)
    source = EVENT_SOURCES.get(name.replace(" ", "_").replace("-", "_")) if name else None
    if name and not source:
        raise InvalidConversion(field, "web, app, offline or crm expected")
    return source


def _adjustment(field: str, value: Any) -> str | None:
    name = _lower(field, value)
    if name not in (None, "", "retract", "restate"):
        raise InvalidConversion(field, "retract or restate expected")
    return name or None


def _properties(field: str, value: Any) -> Mapping[str, Any] | None:
    if isinstance(value, str):
        value = _decoded(field, value)
    if value is None:
        return None
    if not isinstance(value, dict):
        raise InvalidConversion(field, "an object expected")
    try:
        return cast("dict[str, Any]", _filled(value))
    except RecursionError:
        raise InvalidConversion(field, "nested too deeply") from None


def _filled(value: Any) -> Any:
    """Without None, NaN, empty text, lists and objects, at any depth: no network wants them; 0 and False stay."""
    if isinstance(value, dict):
        return {key: clean for key, member in value.items() if not _empty(clean := _filled(member))}
    if isinstance(value, (list, tuple)):
        return [clean for member in value if not _empty(clean := _filled(member))]
    return value.strip() if isinstance(value, str) else value


def _empty(value: Any) -> bool:
    return value is None or (isinstance(value, float) and not math.isfinite(value)) or value in ("", [], {})


def _contents(field: str, value: Any) -> list[dict[str, Any]] | None:
    if isinstance(value, str):
        value = _decoded(field, value)
    if value is None:
        return None
    if not isinstance(value, list) or not all(isinstance(line, dict) for line in value):
        raise InvalidConversion(field, "a list of objects expected")
    return value


def _decoded(field: str, text: str) -> Any:
    if not text.strip():
        return None
    try:
        return msgspec.json.decode(text)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        raise InvalidConversion(field, "no JSON") from None


def _item(line: Mapping[str, Any], unusable: list[str]) -> dict[str, Any]:
    """One line of ``contents``, read; what can't be used is named in ``unusable``."""
    item = {}
    for field, value in line.items():
        if value is None or (reader := ITEM_READERS.get(field)) is None:
            continue
        try:
            clean = reader(f"contents.{field}", value)
        except Unusable as reason:
            unusable.append(f"contents.{field}: {reason}")
            continue
        if clean is not None:
            item[field] = clean
    return item


# --- Times -----------------------------------------------------------------------------------------------------------


def moment(field: str, value: Any, zone: tzinfo = timezone.utc) -> datetime | None:
    """An aware UTC datetime from ISO 8601, a date, or epoch seconds, milliseconds or microseconds (told by size).

    A time without a zone is in ``zone``. Raises InvalidConversion.
    """
    if isinstance(value, str):
        value = value.strip()
        if not value:
            return None
        try:
            found = msgspec.convert(value, datetime)  # RFC 3339: the quick way for nearly every record
        except (msgspec.ValidationError, ValueError):
            found = _other_moment(field, value)
    elif isinstance(value, datetime):
        found = value
    elif isinstance(value, date):
        found = datetime.combine(value, time())
    elif isinstance(value, bool) or not isinstance(value, (int, float)):
        raise InvalidConversion(field, "a time expected")
    else:
        found = _epoch(field, value)
    try:
        return (found if found.tzinfo else found.replace(tzinfo=zone)).astimezone(timezone.utc)
    except (OverflowError, ValueError):
        raise InvalidConversion(field, "time out of range") from None


def _other_moment(field: str, text: str) -> datetime:
    try:
        number = _float(text)
    except ValueError:
        try:
            return from_iso(text)
        except ValueError:
            raise InvalidConversion(field, "no time; ISO 8601 or epoch seconds expected") from None
    return _epoch(field, int(text) if text.isdecimal() and len(text) < 20 else number)


def _epoch(field: str, number: float) -> datetime:
    if not abs(number) < 1e17:  # not a number is not less either
        raise InvalidConversion(field, "time out of range")
    per_second = 1 if abs(number) < 1e11 else 1_000 if abs(number) < 1e14 else 1_000_000
    try:
        if isinstance(number, int):
            return EPOCH + timedelta(microseconds=number * (1_000_000 // per_second))
        return EPOCH + timedelta(seconds=number / per_second)
    except OverflowError:
        raise InvalidConversion(field, "time out of range") from None


# --- Click ids in URLs -----------------------------------------------------------------------------------------------


def query_value(url: str | None, name: str, decode: Callable[[str], str] = unquote) -> str | None:
    """The value of a URL's query parameter, decoded once; None if it is not there or empty. A plus stays a plus."""
    if not url or f"{name}=" not in url:
        return None
    for pair in url.partition("#")[0].partition("?")[2].split("&"):
        key, _, value = pair.partition("=")
        if key == name:
            return decode(value).strip() or None
    return None


def same_host(url: str | None, other: str | None) -> bool:
    """Whether two URLs name the same host."""
    try:
        return bool(url and other) and urlsplit(url).netloc.lower() == urlsplit(other).netloc.lower()
    except ValueError:
        return False


LANDING_PARAMETERS = {
    "campaign_id": ("campaign_id", "utm_id"),
    "campaign_name": ("campaign_name", "utm_campaign"),
    "ad_group_id": ("ad_group_id", "adgroup_id"),
    "ad_id": ("ad_id",),
    "creative_id": ("creative_id",),
    "placement": ("placement",),
}


# --- Columns ---------------------------------------------------------------------------------------------------------

READERS: dict[str, Reader] = {
    **dict.fromkeys(Conversion.__struct_fields__, _text),
    **dict.fromkeys(("event_id", "order_id"), _identifier),
    **dict.fromkeys(("network", "platform"), _lower),
    **dict.fromkeys(("email", "phone", "external_id"), _texts),
    **dict.fromkeys(("screen_width", "screen_height", "num_items"), _whole),
    **dict.fromkeys(
        ("test", "consent", "ad_user_data", "ad_personalization", "ad_storage", "limited_data_use", "opt_out"), _truth
    ),
    "given_name": _identifier,
    "event_source": _event_source,
    "adjustment": _adjustment,
    "value": _number,
    "currency": _currency,
    "country": _country,
    "contents": _contents,
    "properties": _properties,
}
for _field in ("event_name", "event_time", "click_time", "view_time", "ids", "unusable"):
    del READERS[_field]  # read by Columns itself

ITEM_READERS: dict[str, Reader] = {
    **dict.fromkeys(Item.__struct_fields__, _text),
    "quantity": _whole,
    "price": _number,
}

COLUMN_ALIASES = {"event_name": "given_name", "mobile": "phone", "phone_number": "phone"}
TIMES = frozenset({"event_time", "click_time", "view_time"})


class Columns:
    """How records are read: the user's own column names, the zone of naive times, the identifiers to keep.

    ``fields`` maps a column to where it is found, dots reaching into objects: ``{"email": "customer.email"}``.
    """

    def __init__(
        self, ids: Iterable[str] = (), fields: Mapping[str, str] | None = None, zone: tzinfo = timezone.utc
    ) -> None:
        self.ids = frozenset(ids)
        self.fields = [(column, path.split(".")) for column, path in (fields or {}).items()]
        self.zone = zone
        self.readers: dict[str, Reader] = {**dict.fromkeys(self.ids, _text), **READERS}
        for field in TIMES:
            self.readers[field] = lambda field, value: moment(field, value, zone)
        for alias, column in COLUMN_ALIASES.items():
            self.readers[alias] = self.readers[column]
        del self.readers["given_name"]  # a record's own column of that name is a person's

    def mapped(self, record: Mapping[str, Any]) -> Mapping[str, Any]:
        """The record with the ``fields`` setting applied."""
        if not self.fields:
            return record
        found = {column: value for column, path in self.fields if (value := _dig(record, path)) is not None}
        return {**record, **found}


def _dig(record: Any, path: Sequence[str]) -> Any:
    for key in path:
        record = record.get(key) if isinstance(record, Mapping) else None
    return record


def parse(record: Mapping[str, Any], columns: Columns, key: Sequence[str] = (), stream: str = "") -> Conversion:
    """The conversion that a record tells of. Raises InvalidConversion, which names the field and never the value.

    A missing ``event_id`` becomes the ``order_id``; else the stream's name, a dash and the first 32 hex digits of
    SHA-256 over the values of ``key`` and the event's name; without a key the record is invalid.
    """
    record = columns.mapped(record)
    unusable: list[str] = []
    out = _flat(record, columns.readers, unusable)
    for alias, column in COLUMN_ALIASES.items():
        if alias in out:
            out.setdefault(column, out.pop(alias))
    given = out.get("given_name")
    if given is None:
        raise InvalidConversion("event_name", "missing; map the column that names the event")
    if not given.isprintable():
        raise InvalidConversion("event_name", "holds a control character")
    out["event_name"] = canonical_event(given)
    if "event_time" not in out:
        raise InvalidConversion("event_time", "missing; map the column that says when it happened")
    if "event_id" not in out:
        out["event_id"] = out.get("order_id") or _derived_id(record, key, stream, given)
    if "value" not in out or "currency" not in out:  # one without the other means nothing
        out.pop("value", None)
        out.pop("currency", None)
    if "contents" in out:
        out["contents"] = [item for line in out["contents"] if (item := _item(line, unusable))]
    if "landing_url" in out:
        _read_landing_url(out)
    ids = columns.ids & out.keys()
    if ids:
        out["ids"] = {name: out[name] for name in ids}
    if unusable:
        out["unusable"] = tuple(unusable)
    return msgspec.convert(out, Conversion)


def _flat(
    record: Mapping[str, Any], readers: Mapping[str, Reader], unusable: list[str], depth: int = 8
) -> dict[str, Any]:
    """The record's columns, read; those of nested objects (``{"user": {"email": …}}``) fill what the top lacks."""
    out: dict[str, Any] = {}
    nested: list[Mapping[str, Any]] = []
    get = readers.get
    for field, value in record.items():
        reader = get(field)
        if reader is _text and value.__class__ is str:  # most columns, without a call
            value = value.strip()
            if value:
                out[field] = value
        elif value is None:
            continue
        elif reader is None:
            if value.__class__ is dict and depth:
                nested.append(value)
        else:
            try:
                clean = reader(field, value)
            except Unusable as reason:
                unusable.append(f"{field}: {reason}")
                continue
            if clean is not None:
                out[field] = clean
    for columns in nested:
        for field, value in _flat(columns, readers, unusable, depth - 1).items():
            out.setdefault(field, value)
    return out


def _derived_id(record: Mapping[str, Any], key: Sequence[str], stream: str, event_name: str) -> str:
    values = [record.get(name) for name in key]
    if not values or any(value is None or (isinstance(value, str) and not value.strip()) for value in values):
        raise InvalidConversion("event_id", "missing; map event_id or order_id, or give the stream a key property")
    try:
        encoded = msgspec.json.encode([*values, event_name])
    except (msgspec.MsgspecError, TypeError, ValueError, RecursionError):
        raise InvalidConversion("event_id", "missing; the stream's key can't be written as JSON") from None
    return f"{stream}-{hashlib.sha256(encoded).hexdigest()[:32]}"


def _read_landing_url(out: dict[str, Any]) -> None:
    for column, parameters in LANDING_PARAMETERS.items():
        if column not in out:
            values = (query_value(out["landing_url"], name, unquote_plus) for name in parameters)
            if value := next(filter(None, values), None):
                out[column] = value


def is_deleted(record: Mapping[str, Any]) -> bool:
    """Whether the source has deleted the row: it is not sent."""
    return bool(record.get("_sdc_deleted_at"))


def known_columns() -> Collection[str]:
    """Every column of the conversion record but the click ids, which are the networks'."""
    return (READERS.keys() - {"given_name"}) | TIMES | {"event_name"}
