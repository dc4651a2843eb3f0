"""The days that a report is about, as a time zone has them."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta, timezone, tzinfo
from typing import NamedTuple

MOST_DAYS = 400


class Period(NamedTuple):
    """Whole days, the last one today. Times are as the ledger writes them."""

    days: tuple[date, ...]
    starts: tuple[str, ...]  # when each day begins
    end: str  # when the last one ends
    zone: tzinfo


def period(since: datetime, now: datetime, zone: tzinfo) -> Period:
    """From the day of ``since`` to that of ``now``; raises ValueError where these are more than MOST_DAYS."""
    today = now.astimezone(zone).date()
    count = (today - since.astimezone(zone).date()).days + 1
    if not 1 <= count <= MOST_DAYS:
        raise ValueError(f"at most {MOST_DAYS} days until today")
    days = tuple(today - timedelta(days=back) for back in reversed(range(count)))
    starts = tuple(_start(day, zone) for day in days)
    return Period(days, starts, _start(today + timedelta(days=1), zone), zone)


def _start(day: date, zone: tzinfo) -> str:
    return datetime.combine(day, time(), zone).astimezone(timezone.utc).isoformat(timespec="milliseconds")
