"""Reads records of the same columns together: a pass over each column, in place of a look at each value.

What is odd about a record leaves it to ``record.parse``. Both read a clean record alike.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from datetime import datetime, timezone
from functools import partial
from itertools import repeat
from operator import attrgetter, itemgetter
from typing import Any

import msgspec

from target_adpostbacks.core.columns import TIMES, TRIMMED_URLS, Unusable, read_text
from target_adpostbacks.core.conversion import MAX_EVENT_ID, MAX_EVENT_NAME, Conversion, Item
from target_adpostbacks.core.events import canonical_event
from target_adpostbacks.core.landing import PARAMETERS, URLS, Landing
from target_adpostbacks.core.layout import Columns
from target_adpostbacks.core.nested import object_of
from target_adpostbacks.core.placeholders import HASHES, has_placeholder, is_placeholder
from target_adpostbacks.core.properties import impersonal
from target_adpostbacks.core.record import is_clean
from target_adpostbacks.core.times import LEAST_MILLISECONDS

LEAST = 4
"""Fewer records of the same columns are read one by one: a pass over a column has a price of its own."""

Values = Sequence[Any]
Quick = Callable[[Values], Values | None]
"""Reads a whole column, in which nothing is missing; None or a TypeError where its values need a look at each."""


def read_block(records: Sequence[Mapping[str, Any]], columns: Columns) -> Sequence[Conversion | None]:
    """The conversion of each record that is clean; None for one that ``record.parse`` has to read."""
    read: list[Conversion | None] = [None] * len(records)
    if len(records) < LEAST or columns.completes or columns.minor_digits is not None:
        return read
    with suppress(RecursionError):
        records = [*map(columns.mapped, records)] if columns.fields else records
        for places, rows in _alike(records):
            if len(rows) >= LEAST:
                for at, conversion in zip(places, _read(records[places[0]], rows, columns), strict=True):
                    read[at] = conversion
    return read


def _alike(records: Sequence[Mapping[str, Any]]) -> Iterable[tuple[Sequence[int], Sequence[Values]]]:
    """The places of records that have the same columns, and their values in the order of the first one's columns."""
    first = records[0]
    if len(first) > 1 and {*map(len, records)} == {len(first)}:
        with suppress(KeyError):
            return ((range(len(records)), [*map(itemgetter(*first), records)]),)
    places: dict[tuple[str, ...], list[int]] = {}
    for at, names in enumerate(map(tuple, records)):
        places.setdefault(names, []).append(at)
    return [(alike, [tuple(records[at].values()) for at in alike]) for alike in places.values()]


def _read(names: Iterable[str], rows: Sequence[Values], columns: Columns) -> Sequence[Conversion | None]:
    by_name: dict[str, Values] = {
        name: values
        for name, values in zip(names, zip(*rows, strict=True), strict=True)
        if any(values) or values.count("") + values.count(None) < len(values)
    }
    shape = columns.shape(by_name)
    if shape is None or any(map(columns.is_respelled, shape.unknown)):
        return [None] * len(rows)
    odd = set[int]()
    for name in shape.unknown:
        if not _CONTAINERS.isdisjoint(map(type, by_name[name])):
            odd.update(at for at, value in enumerate(by_name[name]) if object_of(value))
    if len(odd) > len(rows) / 2:
        return [None] * len(rows)
    out = {
        name: _column(by_name[name], _text, _repeated if name in _REPEATED else _texts, None, odd)
        for name in shape.text_columns
    }
    for name, field, read in shape.others:
        read = partial(_items, read) if field == "contents" else read
        out[field] = _column(by_name[name], read, _QUICK.get(field), _DEFAULTS.get(field), odd)
    _complete(out, columns, shape.ids, odd)
    made: list[Conversion | None] = [
        *map(Conversion, *[out.get(field) or repeat(default) for field, default in _DEFAULTS.items()])
    ]
    for at in odd:
        made[at] = None
    if "properties" in out:
        for c in filter(None, made):
            if c.properties:
                msgspec.structs.force_setattr(c, "properties", impersonal(c))
    return made


_CONTAINERS = frozenset({dict, list})
_DEFAULTS: Mapping[str, Any] = {
    field.name: None
    if field.required
    else field.default
    if field.default_factory is msgspec.NODEFAULT
    else field.default_factory()
    for field in msgspec.structs.fields(Conversion)
}


def _is_empty(value: Any) -> bool:
    return value is None or value == ""


def _column(values: Values, read: Callable[[Any], Any], quick: Quick | None, default: Any, odd: set[int]) -> Values:
    """A column as the conversions have it; ``odd`` gets the places of values that need more than their reader."""
    present = values if all(values) else [value for value in values if not _is_empty(value)]
    clean = _attempted(quick, present) if quick else None
    if clean is None:
        clean = _attempted(lambda values: [*map(read, values)], present)
        if clean is None or None in clean:
            return _with_care(values, read, default, odd)
    if present is values:
        return clean
    rest = iter(clean)
    return [default if _is_empty(value) else next(rest) for value in values]


def _attempted(read: Quick, values: Values) -> Values | None:
    try:
        return read(values)
    except _NOT_CLEAN:
        return None


_NOT_CLEAN = (TypeError, ValueError, Unusable, msgspec.ValidationError)


def _with_care(values: Values, read: Callable[[Any], Any], default: Any, odd: set[int]) -> Values:
    column = []
    for at, value in enumerate(values):
        clean = None
        if not _is_empty(value):
            try:
                clean = read(value)
            except _NOT_CLEAN:
                odd.add(at)
        column.append(default if clean is None else clean)
    return column


def _text(value: Any) -> str:
    text = read_text("", value)
    if not text or not text.isprintable() or is_placeholder(text) or text in HASHES:
        raise ValueError
    return text


def _texts(values: Values) -> Values | None:
    """Texts as they are, if all of them are printable, trimmed, and none is a word for nothing."""
    joined = "".join(values)
    is_trimmed = " " not in joined or [*map(str.strip, values)] == [*values]  # no other white space is printable
    is_clean = is_trimmed and _is_printable(joined) and HASHES.isdisjoint(values)
    return values if is_clean and not has_placeholder(values) else None


def _repeated(values: Values) -> Values | None:
    """``_texts`` that come again and again."""
    return values if _texts([*{*values}]) else None


_REPEATED = frozenset(
    "event_name first_name last_name gender date_of_birth city state user_agent language campaign_name".split()
)
"""Columns of which a block has fewer different values than records."""


def _is_printable(text: str) -> bool:
    """``text.isprintable()``, in a third of the time where it is ASCII."""
    return (text.isascii() and not text.encode().translate(None, _PRINTABLE)) or text.isprintable()


_PRINTABLE = bytes(range(ord(" "), ord("~") + 1))


def _lists(values: Values) -> Values | None:
    """Each text as the only one of its list."""
    return [*zip(values, strict=True)] if "[" not in "".join(values) and _texts(values) else None


def _ids(values: Values) -> Values | None:
    lists = _lists(values)
    return lists if lists and max(map(len, values)) < 64 else None  # none is a hash


def _numbers(values: Values) -> Values | None:
    """Numbers as they are, if none is out of range: not a number would show in their sum."""
    in_range = {*map(type, values)} <= _NUMBERS and min(values) >= 0 and max(values) <= 1e15
    return values if in_range and sum(values) >= 0 else None


_NUMBERS = frozenset({int, float})


def _times(values: Values) -> Values | None:
    kinds = {*map(type, values)}
    if kinds == {int} and min(values) >= 0 and max(values) < LEAST_MILLISECONDS:
        return msgspec.convert(values, list[datetime], strict=False)
    if kinds != {str}:
        return None
    moments = msgspec.convert(values, list[datetime])
    return moments if {*map(_zone, moments)} == {timezone.utc} else None


_zone = attrgetter("tzinfo")


def _urls(values: Values) -> Values | None:
    lines = "\n".join(values) + "\n"
    return values if lines.count("\n") == len(values) and TRIMMED_URLS(lines) else None


_QUICK: Mapping[str, Quick] = {
    **dict.fromkeys(("email", "phone"), _lists),
    "external_id": _ids,
    "value": _numbers,
    **dict.fromkeys(TIMES, _times),
    **dict.fromkeys(("event_source_url", "referrer_url", "landing_url"), _urls),
}


def _items(read: Callable[[Any], Any], value: Any) -> Any:
    items = msgspec.convert(read(value) or (), tuple[Item, ...])
    if not all(map(is_clean, items)):
        raise ValueError
    return items


def _complete(out: dict[str, Values], columns: Columns, ids: Sequence[str], odd: set[int]) -> None:
    """Add what is made of several columns, or of one that is a column already."""
    for name, longest in (("event_name", MAX_EVENT_NAME), ("event_id", MAX_EVENT_ID), ("event_time", None)):
        if not all(out[name]) or (longest and max(map(len, out[name])) > longest):
            odd.update(at for at, value in enumerate(out[name]) if not value or (longest and len(value) > longest))
    out["event_spelling"] = spellings = out["event_name"]
    canonical = {name: canonical_event(name) for name in {*spellings} if name}
    out["event_name"] = [*map(canonical.get, spellings)]
    if ids:
        first, *others = ids
        out["ids"] = kept = [{first: value} if value else {} for value in out[first]]
        for name in others:
            for each, value in zip(kept, out[name], strict=True):
                if value:
                    each[name] = value
    if columns.exact_click_ids and "click_id" in out and "network" in out:
        clicked = enumerate(zip(out["click_id"], out["network"], strict=True))
        odd.update(at for at, (click_id, network) in clicked if click_id and network in columns.exact_click_ids)
    _tell_of_ads(out, columns.landing)


def _tell_of_ads(out: dict[str, Values], landing: Landing) -> None:
    """Fill in what the URLs say of an ad."""
    urls = [out[name] for name in URLS if name in out and "?" in "".join(filter(None, out[name]))]
    places = {at for column in urls for at, url in enumerate(column) if url and landing.may_tell(url)}
    if not places:
        return
    told = [name for name in out if name in URLS or name in PARAMETERS or name in landing.click_ids]
    told += ["network"] if "network" in out else []
    filled: dict[str, list[Any]] = {}
    for at in places:
        row = {name: out[name][at] for name in told if out[name][at] is not None}
        known = {*row}
        landing.read(row)
        for name in row.keys() - known:
            if name not in filled:
                filled[name] = [*out.get(name, [None] * len(out["event_id"]))]
            filled[name][at] = row[name]
    out |= filled
