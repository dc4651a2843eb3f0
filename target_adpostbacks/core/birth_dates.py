"""Birth dates in every form that people and programs write them in."""

from __future__ import annotations

import re
from datetime import date
from functools import lru_cache

from target_adpostbacks.core.memo import remembered

_SEPARATOR = r"[\W_年月년월]{1,4}"
_TIME = r"(?:[.\s]*[日일.]|\.0+)?\s*(?:(?:T|[\s,]+)\d.*|Z|[+-]\d\d:?\d\d)?"  # behind a date; says nothing of the day
_YEAR_FIRST = re.compile(rf"(?is)(\d{{4}}){_SEPARATOR}(\d\d?){_SEPARATOR}(\d\d?){_TIME}").fullmatch
_YEAR_LAST = re.compile(rf"(?is)(\d\d?)({_SEPARATOR})(\d\d?){_SEPARATOR}(\d{{4}}){_TIME}").fullmatch
_DIGITS = re.compile(rf"(?is)(\d{{4}})(\d\d)(\d\d){_TIME}").fullmatch
_LONGEST = 60  # characters of a date with its time


@remembered(maxsize=20_000)
def date_of_birth(raw: str, latest_year: int) -> str | None:
    """``'1997-2-16'``, ``'16.02.1997'``, ``'2/16/1997 0:00'`` -> ``'19970216'``; None if it is no such date.

    ``latest_year`` is the event's: nobody is born after it, nor before 1900. A part above 12 is the day; where both
    could be, slashes mean that the month comes first, dots that the day does, and anything else is left out.
    """
    if len(raw) > _LONGEST:
        return None
    text = raw.strip()
    if parts := _YEAR_FIRST(text):
        year, month, day = map(int, parts.groups())
        if month > 12:
            month, day = day, month
    elif parts := _YEAR_LAST(text):
        first, second, year = int(parts[1]), int(parts[3]), int(parts[4])
        day_first = _day_first(first, second, parts[2])
        if day_first is None:
            return None
        day, month = (first, second) if day_first else (second, first)
    elif parts := _DIGITS(text):
        year, month, day = map(int, parts.groups())
    else:
        return None
    try:
        born = date(year, month, day)
    except ValueError:
        return None
    return born.strftime("%Y%m%d") if 1900 <= year <= latest_year else None


@lru_cache(maxsize=20_000)
def orders(born: str) -> tuple[str, ...]:
    """``'19970216'`` -> the digits of that date with year, day or month first, with and without zeros."""
    year, month, day = born[:4], born[4:6], born[6:]
    forms = [(year, month, day), (day, month, year), (month, day, year)]
    return tuple(
        dict.fromkeys("".join(form) for parts in forms for form in (parts, [part.lstrip("0") for part in parts]))
    )


def _day_first(first: int, second: int, separator: str) -> bool | None:
    """Whether the day stands before the month; None where nothing tells."""
    if first > 12 or second > 12 or first == second:
        return first > 12
    return {".": True, "/": False}.get(separator.strip())
