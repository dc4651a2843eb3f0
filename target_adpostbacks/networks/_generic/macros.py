"""What the macros of a template stand for: columns of the record, and what is made of them."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import datetime
from functools import partial
from hashlib import sha256
from typing import Any, NamedTuple

from target_adpostbacks.core.columns import DERIVED
from target_adpostbacks.core.conversion import Conversion
from target_adpostbacks.core.match_keys import gaid, idfa
from target_adpostbacks.core.payloads import decimal_text

IDS = tuple(
    "ttclid ttp rdt_cid rdt_uuid fbclid fbc fbp gclid gbraid wbraid dclid sc_click_id sc_cookie1 epik li_fat_id twclid"
    " msclkid oppref obref qclid ndclid yclid aleid alart axwrt tblci dicbo ldtag_cl aref anonymous_id".split()
)
"""Click ids and cookies that a template may ask for."""


class View(NamedTuple):
    """What macros are read from."""

    conversion: Conversion
    event: str  # after event_map
    now: datetime


Read = Callable[[View], Any]
"""The value of a macro: text, a number, a flag, a time, a list or an object; None: it is missing."""

_OWN = DERIVED | {"event_id", "event_name", "properties", "contents", "num_items"}


def _column(name: str, view: View) -> Any:
    return getattr(view.conversion, name)


def _id(name: str, view: View) -> str | None:
    return view.conversion.ids.get(name)


def _seconds(column: str, factor: int, view: View) -> int | None:
    moment = getattr(view.conversion, column)
    return None if moment is None else int(moment.timestamp() * factor // 1)


def _advertising_id(own: str, platform: str, spelled: Callable[[str], str | None], view: View) -> str | None:
    c = view.conversion
    written = getattr(c, own) or (c.advertising_id if c.platform == platform else None)
    return spelled(written) if written else None


def _content_ids(view: View) -> str | None:
    return ",".join(item.id for item in view.conversion.contents if item.id) or None


def _num_items(view: View) -> int | None:
    c = view.conversion
    return c.num_items if c.num_items is not None else len(c.contents) or None


def _contents(view: View) -> list[Any] | None:
    return [_item(item) for item in view.conversion.contents] or None


def _item(item: Any) -> dict[str, Any]:
    return {name: value for name in item.__struct_fields__ if (value := getattr(item, name)) is not None}


def _currency_value(view: View) -> str | None:
    """``EUR19.9``; None without either."""
    c = view.conversion
    return None if c.value is None or c.currency is None else f"{c.currency}{decimal_text(c.value)}"


def _digits(view: View) -> str:
    """Sixteen of them, the same each time that the event is sent."""
    return f"{int(sha256(view.conversion.event_id.encode()).hexdigest(), 16) % 10**16:016d}"


_VALUE = partial(_column, "value")

MACROS: Mapping[str, Read] = {
    **{name: partial(_column, name) for name in Conversion.__struct_fields__ if name not in _OWN},
    **{name: partial(_id, name) for name in IDS},
    "event_name": lambda view: view.event,
    "event_name_raw": lambda view: view.conversion.event_name,
    "event_id": lambda view: view.conversion.event_id,
    "transaction_id": lambda view: view.conversion.order_id or view.conversion.event_id,
    **dict.fromkeys(("value", "payout", "revenue", "amount"), _VALUE),
    "currency_value": _currency_value,
    "timestamp": partial(_seconds, "event_time", 1),
    "timestamp_ms": partial(_seconds, "event_time", 1000),
    "click_timestamp": partial(_seconds, "click_time", 1),
    "ip": partial(_column, "ip_address"),
    "gaid": partial(_advertising_id, "gaid", "android", gaid),
    "idfa": partial(_advertising_id, "idfa", "ios", idfa),
    "contents": _contents,
    "content_ids": _content_ids,
    "num_items": _num_items,
    "properties": lambda view: {**view.conversion.properties} or None,
    "random": _digits,
    "now": lambda view: int(view.now.timestamp()),
    "now_ms": lambda view: int(view.now.timestamp() * 1000),
}

_BELOW = re.compile(r"(properties|contents)\.(.+)").fullmatch


def is_macro(name: str) -> bool:
    """Whether there is a macro of that name; below ``properties.`` and ``contents.`` there is every one."""
    return name in MACROS or _BELOW(name) is not None


def reader(name: str) -> Read:
    """How a macro is read; the name is one that ``is_macro`` knows."""
    below = _BELOW(name)
    return partial(_member, below[1], below[2].split(".")) if below else MACROS[name]


def _member(root: str, path: list[str], view: View) -> Any:
    value: Any = MACROS[root](view)
    for key in path:
        if isinstance(value, Mapping):
            value = value.get(key)
        elif isinstance(value, list) and key.isdecimal() and int(key) < len(value):
            value = value[int(key)]
        else:
            return None
    return value
