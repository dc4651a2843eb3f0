"""Birth dates in every form that people and programs write them in."""

from __future__ import annotations

from datetime import date
from functools import lru_cache


@lru_cache(maxsize=20_000)
def date_of_birth(raw: str) -> str | None:
    """``'1997-02-16'``, ``'2/16/1997'`` (month first), ``'19970216'`` -> ``'19970216'``; None if it is no such date."""
    text = raw.strip()
    if "/" in text:
        month, day, year = text.split("/") if text.count("/") == 2 else ("", "", "")
        month, day = month.zfill(2), day.zfill(2)
    elif len(text) == 8:
        year, month, day = text[:4], text[4:6], text[6:]
    else:
        year, month, day = text[:4], text[5:7], text[8:10]
        if text[4:8:3] != "--" or text[10:11] not in ("", "T", " "):
            return None
    written = f"{year}{month}{day}"
    if len(written) != 8 or not (written.isascii() and written.isdecimal()):
        return None
    try:
        return written if date(int(year), int(month), int(day)) else None
    except ValueError:
        return None
