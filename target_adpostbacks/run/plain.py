"""Rows of pandas, NumPy and their like as Python's own types, for a caller may hand over what its library has."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime
from decimal import Decimal
from operator import ne
from typing import Any

OWN = frozenset({str, int, float, bool, type(None), datetime, date, Decimal})
"""Types of columns that are read as they are."""
HOLDERS = frozenset({dict, list})


def plain(record: Mapping[str, Any]) -> dict[str, Any]:
    """A copy, whose values are Python's own: the caller may change the record. NaN is None."""
    kinds = {*map(type, record.values())}
    if not OWN.issuperset(kinds - HOLDERS) or (float in kinds and any(map(ne, record.values(), record.values()))):
        return {name: _copied(value) for name, value in record.items()}
    copy = {**record}
    if not HOLDERS.isdisjoint(kinds):
        for name, value in copy.items():
            if type(value) in HOLDERS:
                copy[name] = _copied(value)
    return copy


def _copied(value: Any) -> Any:
    try:
        return _plain(value)
    except RecursionError:  # whoever reads it says so
        return value


def _plain(value: Any) -> Any:
    """What is missing in another library's words (NaT, NA) is None."""
    kind = type(value)
    if kind in HOLDERS:
        return {name: _plain(each) for name, each in value.items()} if kind is dict else [*map(_plain, value)]
    if kind in OWN:
        return value if value == value else None
    if isinstance(value, dict):  # an OrderedDict, for example
        return {name: _plain(each) for name, each in value.items()}
    if isinstance(value, (list, tuple)):
        return (tuple if isinstance(value, tuple) else list)(map(_plain, value))
    if callable(to_list := getattr(value, "tolist", None)):  # an array, or one of its numbers
        return _plain_of_library(value, to_list)
    if _is_missing(value):
        return None
    if isinstance(value, datetime):
        at = datetime.combine(date(value.year, value.month, value.day), value.time(), value.tzinfo)
        return at.replace(fold=value.fold)
    for own in (str, int, float):
        if isinstance(value, own):
            return own.__add__(value, own())  # type: ignore[operator]
    return value


def _plain_of_library(value: Any, to_list: Any) -> Any:
    made = to_list()
    return _plain(made) if type(made) is not type(value) else value


def _is_missing(value: Any) -> bool:
    """Whether it is like nothing, itself included; asking may be a mistake."""
    try:
        return bool(value != value)
    except (TypeError, ValueError):
        return True
