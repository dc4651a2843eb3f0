"""Reads times in every form in which warehouses write them."""

from __future__ import annotations

import re
import sys
from datetime import date, datetime, time, timedelta, timezone, tzinfo
from typing import Any

import msgspec

from target_adpostbacks.core.conversion import InvalidConversion

if sys.version_info >= (3, 11):
    from_iso = datetime.fromisoformat
else:  # 3.10 reads only what it writes itself
    from backports.datetime_fromisoformat import datetime_fromisoformat as from_iso

EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
LEAST_MILLISECONDS = 100_000_000_000
"""From this number on, what is since the epoch are no seconds."""


def moment(field: str, value: Any, zone: tzinfo = timezone.utc) -> datetime | None:
    """An aware UTC datetime from ISO 8601, a date, or epoch seconds, milliseconds or microseconds (by size).

    A time without an offset is in ``zone``. Raises InvalidConversion.
    """
    if value.__class__ is int and 0 <= value < LEAST_MILLISECONDS:
        return EPOCH + timedelta(0, value)
    if isinstance(value, str):
        value = value.strip()
        if not value:
            return None
        try:
            instant = msgspec.convert(value, datetime)  # RFC 3339: the quick way for nearly every record
        except (msgspec.ValidationError, ValueError):
            instant = _other_moment(field, value)
    elif isinstance(value, datetime):
        instant = value
    elif isinstance(value, date):
        instant = datetime.combine(value, time())
    elif isinstance(value, bool) or not isinstance(value, (int, float)):
        raise InvalidConversion(field, "not a time (ISO 8601 or epoch seconds expected)")
    else:
        instant = _epoch(field, value)
    if instant.tzinfo is timezone.utc:
        return instant
    try:
        return (instant if instant.tzinfo else instant.replace(tzinfo=zone)).astimezone(timezone.utc)
    except (OverflowError, ValueError):
        raise InvalidConversion(field, "time out of range") from None


def _other_moment(field: str, text: str) -> datetime:
    if _is_basic_date(text):
        text = f"{text[:4]}-{text[4:6]}-{text[6:]}"
    try:
        number = float(text.replace("_", " "))  # 1_000 is Python's own way to write thousands
    except ValueError:
        try:
            iso = text.removesuffix(" UTC") + "+00:00" if text.endswith(" UTC") else text  # BigQuery's form
            iso = _SPACE_BEFORE_OFFSET("", iso)
            instant: datetime = from_iso(iso)
            return instant
        except ValueError:
            raise InvalidConversion(field, "not a time (ISO 8601 or epoch seconds expected)") from None
    return _epoch(field, int(text) if text.isdecimal() and len(text) < 20 else number)


_SPACE_BEFORE_OFFSET = re.compile(r"\s+(?=(?:[+-]\d\d(?::?\d\d)?|[Zz])$)", re.ASCII).sub
"""``2026-11-28 06:05:23.000 -0800``: Snowflake's default."""

_is_basic_date = re.compile(r"(19|20)\d\d(0[1-9]|1[0-2])(0[1-9]|[12]\d|3[01])", re.ASCII).fullmatch
"""``20261120``, as Google Analytics exports dates; as epoch seconds it would be in the year 1970."""


def _epoch(field: str, number: float) -> datetime:
    if not abs(number) < 1e17:  # not a number is not less either
        raise InvalidConversion(field, "time out of range")
    per_second = 1 if abs(number) < LEAST_MILLISECONDS else 1_000 if abs(number) < 1e14 else 1_000_000
    try:
        if isinstance(number, int):
            return EPOCH + timedelta(microseconds=number * (1_000_000 // per_second))
        return EPOCH + timedelta(seconds=number / per_second)
    except OverflowError:
        raise InvalidConversion(field, "time out of range") from None
