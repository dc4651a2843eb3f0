"""Reads a record, whatever its columns are called, into a conversion."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from decimal import Decimal
from functools import partial
from itertools import product
from math import isfinite
from operator import itemgetter
from typing import Any

import msgspec

from target_adpostbacks.core.columns import (
    COLUMN_ALIASES,
    Unusable,
    read_item,
    read_key,
    read_text,
    read_truth,
)
from target_adpostbacks.core.conversion import (
    DERIVED_DIGITS,
    MAX_EVENT_ID,
    MAX_EVENT_NAME,
    Conversion,
    InvalidConversion,
    Item,
)
from target_adpostbacks.core.events import canonical_event
from target_adpostbacks.core.layout import Columns
from target_adpostbacks.core.nested import Holder, holder_called, object_of, within
from target_adpostbacks.core.placeholders import FIRST, HASHES, is_macro, is_placeholder
from target_adpostbacks.core.properties import impersonal
from target_adpostbacks.core.rows import Row, in_major_units, raw_of

NO_EVENT_ID = "missing, or a word for nothing such as null; map event_id or order_id, or give the stream a key property"
MOST_VARIED = 3
"""Values of a key whose types may have changed since an earlier version derived an id from them."""

DEPTH = 8
"""How deep objects are searched for columns."""


NO_CONSTANTS: Mapping[str, Any] = {}


def parse(
    record: Mapping[str, Any],
    columns: Columns,
    key: Sequence[str] = (),
    stream: str = "",
    over: Mapping[str, Any] = NO_CONSTANTS,
) -> Conversion:
    """The conversion of a record. Raises InvalidConversion, which names the field and never the value.

    A missing ``event_id`` becomes the ``order_id``, else an id derived from ``key``; the record is invalid without one.
    ``over``: constants over those that ``columns`` have.
    """
    if columns.fields:
        record = columns.mapped(record)
    row = record
    if not all(record.values()):
        record = {name: value for name, value in record.items() if value or (value is not None and value != "")}
    is_completed = over or columns.completes
    c = None if is_completed else _at_once(record, columns)
    if c is None:
        spelled, constants = columns.spelled(record), {**columns.constants, **over}
        c = _completed(spelled, columns, constants) if is_completed or spelled is not record else None
        c = c or _with_care(spelled, columns, partial(_derived_ids, row, key, stream), constants)
    if c.network in columns.exact_click_ids and c.click_id and c.click_id != record.get("click_id"):
        _keep_exactly(c, columns.spelled(record), columns, over)
    if columns.minor_digits is not None:
        c = in_major_units(c, record, columns, over)
    if columns.default_properties and "properties" not in over and "properties" not in columns.constants:
        msgspec.structs.force_setattr(c, "properties", {**columns.default_properties, **c.properties})
    if c.properties:
        msgspec.structs.force_setattr(c, "properties", impersonal(c))
    if len(c.event_id) > MAX_EVENT_ID:
        raise InvalidConversion("event_id", f"longer than {MAX_EVENT_ID} characters")
    if len(c.event_spelling) > MAX_EVENT_NAME:
        raise InvalidConversion("event_name", f"longer than {MAX_EVENT_NAME} characters")
    return c


def _keep_exactly(c: Conversion, record: Mapping[str, Any], columns: Columns, over: Mapping[str, Any]) -> None:
    """Keep a click id byte for byte under its network's name for it."""
    raw = {**record, **columns.constants, **over}.get("click_id")
    if raw.__class__ is str and raw != c.click_id and read_key("click_id", raw) == c.click_id:
        name = columns.exact_click_ids[c.network or ""]
        msgspec.structs.force_setattr(c, "ids", {name: raw, **c.ids})


def _at_once(record: Mapping[str, Any], columns: Columns) -> Conversion | None:
    """The conversion, where every column can be used; None where one needs a look, or has to be refused.

    Types are checked in one call, and texts all together: in half the time of a look at each column.
    """
    shape = columns.shape(record)
    if shape is None:
        return None
    text_values, text_columns, printable, others, unknown, ids = shape
    if unknown and any(record[name].__class__ in _CONTAINERS and object_of(record[name]) for name in unknown):
        return None
    try:
        texts = text_values(record)
        try:
            trimmed = tuple(map(_strip, texts))
        except TypeError:  # an id that is a number
            trimmed = tuple([read_text("", value) or "" for value in texts])
        if not all(trimmed) or not "".join(trimmed[:printable]).isprintable():
            return None
        if not (joined := "".join(trimmed)).isascii() and not joined.isprintable():  # invisible characters, perhaps
            return None
        if not FIRST.isdisjoint(map(_first, trimmed)) and any(map(is_placeholder, trimmed)):
            return None
        if not HASHES.isdisjoint(trimmed):
            return None
        out = {**record}
        if trimmed != texts:
            out.update(zip(text_columns, trimmed, strict=True))
        spelling = out["event_spelling"] = out["event_name"]
        out["event_name"] = canonical_event(spelling)
        for column, field, read in others:
            out[field] = read(record[column])
        if ids:
            out["ids"] = {name: out[name] for name in ids}
        columns.landing.read(out)
        c = msgspec.convert(out, Conversion)
    except (TypeError, ValueError, Unusable, msgspec.ValidationError):
        return None
    return c if all(map(is_clean, c.contents)) else None


_CONTAINERS = frozenset({dict, list})
_strip = str.strip
_first = itemgetter(0)


def is_clean(item: Item) -> bool:
    """Whether an item can be used as it is."""
    for text in (item.id, item.name, item.category, item.brand, item.group_id):
        if text is not None and (not text or text.strip() != text or (text[0] in FIRST and is_placeholder(text))):
            return False
    quantity, price = item.quantity, item.price
    in_range = (quantity is None or 0 <= quantity < 2**31) and (price is None or 0 <= price <= 1e15)
    return in_range and item != _NO_ITEM


_NO_ITEM = Item()


Identity = Callable[[str], tuple[str, ...]]
"""The event ids, by all versions, of a record that has none, from the event's name."""


def _completed(record: Mapping[str, Any], columns: Columns, constants: Mapping[str, Any]) -> Conversion | None:
    """``_at_once`` with constants over the record's columns, and with defaults for those that it lacks."""
    whole = {**columns.defaults, **record, **constants}
    if missing := {name for name, value in constants.items() if value is None}:
        whole = {name: value for name, value in whole.items() if COLUMN_ALIASES.get(name, name) not in missing}
    c = _at_once(whole, columns)
    return None if c and any(getattr(c, name, c) is None for name in columns.defaults) else c  # blank in the record


def _with_care(
    record: Mapping[str, Any], columns: Columns, identity: Identity, constants: Mapping[str, Any] = NO_CONSTANTS
) -> Conversion:
    unusable: list[str] = []
    hidden = columns.mapped_columns
    if constants:
        hidden = hidden.union(constants)
        record = {name: value for name, value in record.items() if COLUMN_ALIASES.get(name, name) not in constants}
    places: dict[str, str] = {}
    out = _flat(record, columns, unusable, places, hidden)
    for alias, column in COLUMN_ALIASES.items():
        if alias in out:
            value, place = out.pop(alias), places.pop(alias, "")
            if out.setdefault(column, value) is value and place:
                places[column] = place
    if places:
        out["nested_columns"] = tuple(places.values())
    if columns.defaults:
        refused = {column.partition(":")[0] for column in unusable}
        lacking = {name: value for name, value in columns.defaults.items() if name not in out and name not in refused}
        out |= _flat({name: value for name, value in lacking.items() if name not in constants}, columns, unusable, {})
    if constants:
        out |= _flat(constants, columns, unusable, {})
    spelling = out.get("event_name")
    if spelling is None:
        raise InvalidConversion("event_name", "missing; map the column that names the event")
    out["event_spelling"] = spelling
    out["event_name"] = canonical_event(spelling)
    if "event_time" not in out:
        raise InvalidConversion("event_time", "missing; map the column that says when it happened")
    if "event_id" not in out:
        out["event_id"] = out.get("order_id")
        if not out["event_id"]:
            out["derived_ids"] = identity(spelling)
            out["event_id"] = out["derived_ids"][0]
    if "contents" in out:
        out["contents"] = [line for raw in out["contents"] if (line := read_item(raw, unusable))]
    columns.landing.read(out)
    ids = columns.ids & out.keys()
    if ids:
        out["ids"] = {name: out[name] for name in ids}
    if unusable:
        out["unusable"] = tuple(unusable)
    return msgspec.convert(out, Conversion)


def _flat(
    record: Mapping[str, Any],
    columns: Columns,
    unusable: list[str],
    places: dict[str, str],
    hidden: Collection[str] = (),
    holder: Holder | None = None,
    depth: int = DEPTH,
) -> dict[str, Any]:
    """The record's columns, read; those of nested objects (``{"user": {"email": …}}``) fill what the top lacks.

    ``places``: gets the place of each that was nested; ``hidden``: columns that are not looked for in nested objects;
    ``holder``: such an object, which says what is read from it.
    """
    out: dict[str, Any] = {}
    nested: list[tuple[Holder, Mapping[str, Any]]] = []
    get = columns.readers.get
    for field, value in record.items():
        reader = get(field)
        if holder:
            column = COLUMN_ALIASES.get(field, field)
            if column in hidden:
                continue  # it is where the setting says
            if column in holder.refused:
                reader = None
        if field == "ip_address" and value.__class__ is list:
            value = ", ".join(map(str, value))  # as a proxy writes it
        if reader is read_text and value.__class__ is str:  # most columns, without a call
            value = value.strip()
            if value and not is_macro(value):
                out[field] = value
        elif value is None:
            continue
        elif reader is None:
            if depth and (inner := within(field, value)) is not None:
                nested.append((holder_called(field), inner))
        elif value.__class__ is str and reader is not read_truth and is_macro(value.strip()):
            continue  # but a flag: what nobody knows is no consent
        else:
            try:
                clean = reader(field, value)
            except Unusable as reason:
                unusable.append(f"{field}: {reason}")
                continue
            if clean is not None:
                out[field] = clean
    if holder:
        places |= {field: f"{holder.name}.{field}" for field in out}
    for holder, inner in nested:
        found = dict[str, str]()
        for field, value in _flat(columns.spelled(inner), columns, unusable, found, hidden, holder, depth - 1).items():
            if field not in out:
                out[field], places[field] = value, found[field]
    return out


def identified(
    c: Conversion, record: Mapping[str, Any], columns: Columns, key: Sequence[str], stream: str, event_spelling: str
) -> Conversion:
    """A conversion without an event id, with its order id, else with the id derived from the record's key.

    ``event_spelling``: the record's own name of the event. Raises InvalidConversion.
    """
    if c.order_id:
        return msgspec.structs.replace(c, event_id=c.order_id)
    derived = c.derived_ids or _derived_ids(columns.mapped(record), key, stream, event_spelling)
    return msgspec.structs.replace(c, event_id=derived[0], derived_ids=derived)


def _derived_ids(record: Mapping[str, Any], key: Sequence[str], stream: str, event_name: str) -> tuple[str, ...]:
    """The stream's name, a dash and the first 32 hex digits of SHA-256 over the key's values and the event's name.

    Neither the order in which a tap lists its key nor the type of a whole number changes it. The ids that earlier
    versions derived otherwise come behind it: a ledger may have them.
    """
    if isinstance(record, Row) and record.identity:
        name, values = record.identity
        return (_id_of_source(name or stream, values, event_name),)
    record = raw_of(record)
    values = [record.get(name) for name in key]
    if not values or any(value is None or (isinstance(value, str) and not value.strip()) for value in values):
        raise InvalidConversion("event_id", NO_EVENT_ID)
    try:
        in_order = [_as_whole(record[name]) for name in sorted(key)]
        # Two values stand in a list of their own: in the old form (1, 2) may be the (2, 1) of another record.
        forms = [[in_order, event_name] if len(key) > 1 else [*in_order, event_name], [*values, event_name]]
        if len(key) <= MOST_VARIED:
            forms += [[*each, event_name] for each in _once_typed(values)]
        encoded = [msgspec.json.encode(form) for form in forms]
    except (msgspec.MsgspecError, TypeError, ValueError, RecursionError):
        raise InvalidConversion("event_id", "missing; the stream's key can't be written as JSON") from None
    digests = (hashlib.sha256(form).hexdigest() for form in encoded)
    return tuple(dict.fromkeys(f"{stream}-{digest[:DERIVED_DIGITS]}" for digest in digests))


def _id_of_source(name: str, values: Sequence[Any], event_name: str) -> str:
    """The name of a source, a dash and a digest as above of the values of its own columns, in their order."""
    told = [None if isinstance(value, str) and not value.strip() else _as_whole(value) for value in values]
    if all(value is None for value in told):
        raise InvalidConversion("event_id", "missing, and all of id_columns are empty; map event_id or order_id")
    try:
        encoded = msgspec.json.encode([told, event_name])
    except (msgspec.MsgspecError, TypeError, ValueError, RecursionError):
        raise InvalidConversion("event_id", "missing; what id_columns lead to can't be written as JSON") from None
    return f"{name}-{hashlib.sha256(encoded).hexdigest()[:DERIVED_DIGITS]}"


def _once_typed(values: Sequence[Any]) -> Iterator[tuple[Any, ...]]:
    """A key's values as an earlier version may have had them: whole numbers as numbers or as text.

    In the order of today: in another one they may be the values of another record.
    """
    wholes = map(_as_whole, values)
    yield from product(*((value, str(value)) if value.__class__ is int else (value,) for value in wholes))


_is_whole = re.compile("0|-?[1-9][0-9]{0,38}").fullmatch


def _as_whole(value: Any) -> Any:
    """A whole number as an int, whether it is a number or text (but ``007``); anything else as it is."""
    if isinstance(value, str):
        return int(value) if _is_whole(value) else value
    if isinstance(value, (float, Decimal)) and isfinite(value) and value == int(value):
        return int(value)
    return value


def is_deleted(record: Mapping[str, Any]) -> bool:
    """Whether the source has deleted the row: it is not sent."""
    return bool(record.get("_sdc_deleted_at") or record.get("_SDC_DELETED_AT"))
