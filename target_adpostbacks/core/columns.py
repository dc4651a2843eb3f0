"""Reads the raw value of each column: trims, converts and checks it. Messages name columns, never values."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from typing import Any, cast

import msgspec

from target_adpostbacks.core.conversion import Conversion, EventSource, InvalidConversion, Item
from target_adpostbacks.core.countries import CURRENCIES, alpha2, currencies
from target_adpostbacks.core.match_keys import digest_of, visible
from target_adpostbacks.core.placeholders import AS_PROGRAMS_WRITE_THEM, HASHES, NOTHING, is_macro, is_placeholder
from target_adpostbacks.core.times import moment

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

DELIVERY_CATEGORIES = frozenset({"in_store", "curbside", "home_delivery"})

# A reader takes a column's raw value: it returns the clean one, None for a missing one, or raises Unusable (left out,
# the conversion stays) or InvalidConversion (a mistake in the mapping that somebody should mend).


class Unusable(Exception):
    """Why an optional value can't be used."""


Reader = Callable[[str, Any], Any]


def read_text(field: str, value: Any) -> str | None:
    if isinstance(value, str):
        return value.strip() or None
    if isinstance(value, bool) or not isinstance(value, (int, float)) or value - value != 0:  # infinite, not a number
        raise InvalidConversion(field, "text expected")
    if isinstance(value, float) and value.is_integer() and abs(value) < 2**53:
        return str(int(value))  # 1001.0 is how some sources write 1001
    return str(value)


def read_key(field: str, value: Any) -> str | None:
    """What identifies a person or a click: without invisible characters; None for what stands for nothing."""
    text = visible(read_text(field, value) or "")
    return None if not text or is_placeholder(text) or text[:64].lower() in HASHES else text


def read_exactly(field: str, value: Any) -> str | None:
    """A key byte for byte, with the white space around it; None for what stands for nothing."""
    text = value if value.__class__ is str else read_text(field, value)
    return text if text and read_key(field, text) else None


def read_name(field: str, value: Any) -> str | None:
    """A person's or a place's name: joiners stay within it, which some scripts need."""
    text = visible(read_text(field, value) or "", keep=JOINERS).strip(JOINERS)
    return None if not text or text in AS_PROGRAMS_WRITE_THEM or text[:64].lower() in HASHES else text


JOINERS = "\u200c\u200d"
TEXT_READERS = frozenset({read_text, read_key, read_name})


def _identifier(field: str, value: Any) -> str | None:
    text = value.strip() or None if value.__class__ is str else read_text(field, value)
    if text is not None and not text.isprintable():
        raise InvalidConversion(field, "contains a control character")
    return None if text is None or is_placeholder(text) else text


def _url(field: str, value: Any) -> str | None:
    url = value.strip() if value.__class__ is str else read_text(field, value)
    if not url:
        return None
    if not _WEB_URL(url):
        raise Unusable("not an http or https URL")
    if "@" in url:
        url = _USER.sub(r"\1", url)  # who signs in to a page, and with what, is nobody's business
    return url if url.startswith("http") else url[:5].lower() + url[5:]


def _landing_url(field: str, value: Any) -> str | None:
    """It is only read, so that what a shop keeps without its own host will do: ``/p?ttclid=…``, ``?ttclid=…``."""
    if value.__class__ is str and _RELATIVE(url := value.strip()):
        return url
    return _url(field, value)


def _language(field: str, value: Any) -> str | None:
    tag = read_text(field, value)
    if tag is not None and not _LANGUAGE(tag):
        raise Unusable("not a language tag, for example en-US")
    return tag


_USER = re.compile(r"^(https?://)[^/?#]*@", re.IGNORECASE)
_WEB_URL = re.compile(r"https?://[^\s/]+\S*", re.IGNORECASE).fullmatch
TRIMMED_URLS = re.compile(r"(?:https?://[!-.0-?A-~][!-?A-~]*\n)+").fullmatch
"""Lines, each of them a URL that is taken as it is, of ASCII."""
_RELATIVE = re.compile(r"[/?]\S*").fullmatch
_LANGUAGE = re.compile(r"[A-Za-z]{2,3}(?:[-_][A-Za-z0-9]{1,8})*").fullmatch


def _label(field: str, value: Any) -> str | None:
    """Text that the ledger keeps: what is no printable character is a space there."""
    label = read_text(field, value)
    if label is None or label.isprintable():
        return label
    return " ".join("".join(char if char.isprintable() else " " for char in label).split()) or None


def _lower(field: str, value: Any) -> str | None:
    text = value.strip() if value.__class__ is str else read_text(field, value)
    return text.lower() if text and not (text[0] in "{$%_" and is_macro(text)) else None


def _texts(field: str, value: Any) -> tuple[str, ...] | None:
    """E-mails or phones; what is none, a macro for example, their normalizing leaves out."""
    if value.__class__ is str and (text := value.strip()) and text[0] != "[" and text.isascii() and text not in NOTHING:
        return (text,)
    members = value if isinstance(value, (list, tuple)) else [value]
    try:
        texts = tuple(map(str.strip, members))
    except TypeError:
        return _keys(field, members)
    if NOTHING.isdisjoint(texts) and "".join(texts).isascii() and (value.__class__ is list or texts[0][0] != "["):
        return texts or None
    return _keys(field, _listed(texts[0]) if value.__class__ is str else texts)


def _ids(field: str, value: Any) -> tuple[str, ...] | None:
    texts = _texts(field, value)
    for text in texts or ():
        if text[0] in "{$%_[" or len(text) >= 64:
            return _keys(field, texts or ())
    return texts


def _keys(field: str, members: Iterable[Any]) -> tuple[str, ...] | None:
    return tuple([text for member in members if member is not None and (text := read_key(field, member))]) or None


def _listed(text: str) -> Sequence[Any]:
    """The members of a list of texts and numbers that is written as JSON; else the text as the only member."""
    if text.startswith("[") and text.endswith("]"):
        with suppress(msgspec.MsgspecError, ValueError, RecursionError):
            return msgspec.json.decode(text, type=list[str | int | float | None])
    return [text]


def _number(field: str, value: Any) -> int | float | None:
    if value.__class__ is float and 0 <= value <= 1e15:  # nearly every one
        return value
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
        raise Unusable("not a number from 0 to 10^15")
    return cast("int | float", value)


def _float(text: str) -> float:
    if "_" in text:  # Python's own way to write thousands
        raise ValueError
    return float(text)


def _whole(field: str, value: Any) -> int | None:
    number = _number(field, value)
    if number is not None and number != int(number):
        raise Unusable("not a whole number")
    if number is not None and number > 2**31 - 1:
        raise Unusable("larger than 2^31")
    return None if number is None else int(number)


TRUTHS = {
    **dict.fromkeys(("true", "t", "yes", "y", "1", "on", "granted"), True),
    **dict.fromkeys(("false", "f", "no", "n", "0", "off", "denied"), False),
}


def read_truth(field: str, value: Any) -> bool | None:
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
    if code in CURRENCIES or (code and code in currencies()):
        return code
    raise Unusable("not an ISO 4217 code")


def _country(field: str, value: Any) -> str | None:
    text = value.strip() if value.__class__ is str else read_text(field, value)
    if text and len(text) >= 64 and (digest := digest_of(text)):
        return None if digest in HASHES else digest + text[64:]
    if text and not text.isascii():
        text = visible(text)
    code = alpha2(text) if text else None
    if text and not code:
        raise Unusable("not an ISO 3166 country")
    return code


def _att_status(field: str, value: Any) -> str | None:
    return str(value).lower() if isinstance(value, bool) else read_text(field, value)


def _event_source(field: str, value: Any) -> str | None:
    name = _lower(field, value)
    source = EVENT_SOURCES.get(name.replace(" ", "_").replace("-", "_")) if name else None
    if name and not source:
        raise InvalidConversion(field, "web, app, offline or crm expected")
    return source


def _delivery_category(field: str, value: Any) -> str | None:
    name = _lower(field, value)
    if not name:
        return None
    if (category := name.replace(" ", "_").replace("-", "_")) not in DELIVERY_CATEGORIES:
        raise Unusable("not in_store, curbside or home_delivery")
    return category


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
        return {
            key if key.__class__ is str else str(key): clean  # of a caller in Python
            for key, member in value.items()
            if not _empty(clean := _filled(member))
        }
    if isinstance(value, (list, tuple)):
        return [clean for member in value if not _empty(clean := _filled(member))]
    if isinstance(value, str):
        text = value.strip()
        return "" if is_macro(text) else text
    return value


def _empty(value: Any) -> bool:
    return value is None or (isinstance(value, float) and not math.isfinite(value)) or value in ("", [], {})


def _contents(field: str, value: Any) -> list[dict[str, Any]] | None:
    if isinstance(value, str):
        try:
            value = _decoded(field, value)
        except InvalidConversion as error:
            raise Unusable(error.rule) from None
    if value is None:
        return None
    if not isinstance(value, list):
        value = [value]  # an object is a list of one
    for line in value:
        if not isinstance(line, dict):
            raise Unusable("a list of objects expected")
    if any(not ITEM_ALIASES.keys().isdisjoint(line) for line in value):
        return [_canonical(line) for line in value]
    return cast("list[dict[str, Any]]", value)


def _canonical(line: Mapping[str, Any]) -> dict[str, Any]:
    """A line with our names for Google Analytics' ones, where both are there with ours."""
    renamed = {ITEM_ALIASES.get(field, field): value for field, value in line.items() if value not in (None, "")}
    return {**renamed, **{field: value for field, value in line.items() if field in ITEM_READERS and value is not None}}


def _decoded(field: str, text: str) -> Any:
    if not text.strip():
        return None
    try:
        return msgspec.json.decode(text)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        raise InvalidConversion(field, "not JSON") from None


def _item_id(field: str, value: Any) -> str | None:
    text = read_text(field, value)
    return None if text is None or is_placeholder(text) else text


def read_item(line: Mapping[str, Any], unusable: list[str]) -> dict[str, Any]:
    """One line of ``contents``, read; what can't be used is named in ``unusable``."""
    item = {}
    for field, value in line.items():
        if value is None or (reader := ITEM_READERS.get(field)) is None:
            continue
        if value.__class__ is str and is_macro(value.strip()):
            continue
        try:
            clean = reader(f"contents.{field}", value)
        except Unusable as reason:
            unusable.append(f"contents.{field}: {reason}")
            continue
        except InvalidConversion as error:
            unusable.append(f"contents.{field}: {error.rule}")
            continue
        if clean is not None:
            item[field] = clean
    if not item and any(value not in (None, "") for name, value in line.items() if name not in ITEM_READERS):
        unusable.append("contents: a line with none of id, name, category, brand, quantity and price")
    return item


DERIVED = frozenset(
    {
        *("event_spelling", "derived_ids", "ids", "unusable", "nested_columns"),
        *("applied_rule", "ruled_columns", "is_renamed", "awaits_original"),
    }
)
"""Fields of the conversion that are no columns of a record."""

TIMES = frozenset({"event_time", "click_time", "view_time", "adjustment_time"})

READERS: dict[str, Reader] = {
    **dict.fromkeys((name for name in Conversion.__struct_fields__ if name not in DERIVED), read_text),
    **dict.fromkeys(
        "click_id lead_id advertising_id idfa gaid idfv ip_address user_agent gender date_of_birth postal_code".split(),
        read_key,
    ),
    **dict.fromkeys(("first_name", "last_name", "city", "state"), read_name),
    **dict.fromkeys(("event_name", "event_id", "order_id"), _identifier),
    **dict.fromkeys(TIMES, moment),
    **dict.fromkeys(("network", "platform"), _lower),
    **dict.fromkeys(("event_source_url", "referrer_url"), _url),
    "landing_url": _landing_url,
    "language": _language,
    **dict.fromkeys(
        ("account", "campaign_id", "campaign_name", "ad_group_id", "ad_id", "creative_id", "placement"), _label
    ),
    **dict.fromkeys(("email", "phone"), _texts),
    "external_id": _ids,
    **dict.fromkeys(("screen_width", "screen_height", "num_items"), _whole),
    **dict.fromkeys(
        "test consent ad_user_data ad_personalization ad_storage limited_data_use opt_out gpc".split(),
        read_truth,
    ),
    "att_status": _att_status,
    "event_source": _event_source,
    "adjustment": _adjustment,
    "value": _number,
    "currency": _currency,
    "country": _country,
    "contents": _contents,
    "properties": _properties,
}
"""The columns of the conversion record, but the click ids, which are the networks'. Times are read in UTC here."""

PRINTABLE_READERS = frozenset({_identifier, _label, _att_status})
"""Readers that, as ``read_text`` does, only trim a text, if all its characters are printable."""

CLOSED_READERS = frozenset({_lower, _event_source, _currency, _country})
"""Readers of columns that have few values."""

ITEM_READERS: dict[str, Reader] = {
    **dict.fromkeys(Item.__struct_fields__, read_text),
    **dict.fromkeys(("id", "group_id"), _item_id),
    "quantity": _whole,
    "price": _number,
    "delivery_category": _delivery_category,
}

COLUMN_ALIASES = {
    "mobile": "phone",
    "phone_number": "phone",
    "sha256_phone_number": "phone",
    "email_address": "email",
    "sha256_email_address": "email",
    "sha256_first_name": "first_name",
    "sha256_last_name": "last_name",
}
"""Other names of columns; of two that stand for one column, the first here wins."""

ITEM_ALIASES = {"item_id": "id", "item_name": "name", "item_brand": "brand", "item_category": "category"}
