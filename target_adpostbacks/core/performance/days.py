"""Days of statistics and of conversions, as the clocks of an ad account's time zone have them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date, datetime, timedelta, timezone, tzinfo
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo

from target_adpostbacks.core.conversion import InvalidConversion
from target_adpostbacks.core.times import from_iso, moment

IS_AWARE = re.compile(r"(?:[Zz]|UTC|[+-]\d\d(?::?\d\d)?)\s*$", re.ASCII).search
PLAIN = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII).fullmatch


@lru_cache(maxsize=1_000)
def zone(name: str) -> tzinfo | None:
    """The time zone of that name; UTC for none at all, None where there is no such zone."""
    if name in ("", "UTC"):
        return timezone.utc
    try:
        return ZoneInfo(name)
    except (KeyError, OSError, ValueError):
        return None


def day_of(value: Any, zone_name: str) -> str | None:
    """``'2026-11-02'``: the day of a row in that zone; None for what is no time.

    A date, or a time without a zone, is taken as it is written. A time with a zone is moved first. One that is midnight
    in UTC, and not in the zone, is a date that its tap has written in UTC, as Singer's own library does.
    """
    if isinstance(value, Mapping):
        return _of_parts(value)
    if isinstance(value, datetime):
        value = value.isoformat()
    elif isinstance(value, (date, int)) and not isinstance(value, bool):
        value = str(value)
    return _of_text(value, zone_name) if isinstance(value, str) and len(value) < 60 else None


@lru_cache(maxsize=10_000)
def _of_text(text: str, zone_name: str) -> str | None:
    text = text.strip()
    try:
        if PLAIN(text):
            return date.fromisoformat(text).isoformat()
        if not IS_AWARE(text[10:]):
            return from_iso(text).date().isoformat()
        instant = moment("day", text)
        local = instant and instant.astimezone(zone(zone_name) or timezone.utc)
    except (InvalidConversion, ValueError, OverflowError):
        return None
    if instant is None or local is None:
        return None
    is_date = _is_midnight(instant) and not _is_midnight(local)
    return (instant if is_date else local).date().isoformat()


def _is_midnight(time: datetime) -> bool:
    return (time.hour, time.minute, time.second, time.microsecond) == (0, 0, 0, 0)


def _of_parts(parts: Mapping[str, Any]) -> str | None:
    """``{"year": 2026, "month": 11, "day": 2}``."""
    try:
        return date(*(int(parts[name]) for name in ("year", "month", "day"))).isoformat()
    except (KeyError, TypeError, ValueError, OverflowError):
        return None


@lru_cache(maxsize=100_000)
def day_of_quarter(hour: str, quarter: int, zone_name: str) -> str:
    """The zone's day of a quarter of an hour in UTC: ``("2026-11-01T20", 0, "America/Los_Angeles")``.

    Each zone's distance from UTC is a multiple of a quarter of an hour.
    """
    begun = datetime.fromisoformat(f"{hour}:00:00+00:00") + timedelta(minutes=15 * quarter)
    return begun.astimezone(zone(zone_name) or timezone.utc).date().isoformat()
