"""Meta's cookies ``_fbc`` and ``_fbp``: ``fb.1.<milliseconds of the creation>.…``."""

from __future__ import annotations

import re
from collections.abc import Sequence
from math import inf

import msgspec

from target_adpostbacks.core.memo import remembered

DAY = 86_400_000  # milliseconds
MAX_AGE = 90 * DAY
MAX_AHEAD = 60_000  # clocks of browsers and servers differ
_CLICK_ID = r"[A-Za-z0-9_-]+(?:\.(?:[A-Za-z0-9_-]{2}|[A-Za-z0-9_-]{8}))?"  # with what Meta's parameter builder appends
is_click_id = re.compile(_CLICK_ID).fullmatch
_COOKIE = re.compile(rf"fb\.[0-9]+\.([0-9]{{10,13}})\.{_CLICK_ID}").fullmatch
NONE = -1
"""In place of the time of what is no cookie."""
TOO_OLD = "created more than 90 days before the event"
_USUAL = re.compile(rf"(?:fb\.[0-9]\.[1-9][0-9]{{12}}\.{_CLICK_ID}\n)+").fullmatch
_TIME = slice(len("fb.1."), len("fb.1.1795176000000"))


def usable(raw: str | None, happened: float) -> str | None:
    """A cookie of Meta's that may have been there at the event."""
    created = created_at(raw) if raw else NONE
    return raw if created != NONE and created <= happened + MAX_AHEAD else None


def all_usable(raws: Sequence[str], happened: Sequence[float]) -> Sequence[str | None]:
    """``usable`` of each. ``happened``: in seconds."""
    if created := all_created_at(raws):
        return not_ahead(raws, created, happened)
    return [usable(raw, then * 1000) for raw, then in zip(raws, happened, strict=True)]


def not_ahead(
    cookies: Sequence[str], created: Sequence[int], happened: Sequence[float], most_age: float = inf
) -> Sequence[str | None]:
    """The cookies that may have been there at their event; None for each that was made later, or too long before."""
    ages = [then * 1000 - at for at, then in zip(created, happened, strict=True)]
    if min(ages) >= -MAX_AHEAD and max(ages) <= most_age:
        return cookies
    return [cookie if -MAX_AHEAD <= age <= most_age else None for cookie, age in zip(cookies, ages, strict=True)]


def problem(raw: str, happened: float, oldest: float = NONE) -> str:
    """What is wrong with a cookie of an event at ``happened``, in milliseconds; empty: nothing."""
    created = created_at(raw)
    if created == NONE:
        return "not a cookie of Meta's"
    if created > happened + MAX_AHEAD:
        return "created more than a minute after the event"
    return TOO_OLD if created < oldest else ""


def is_old(cookie: str, happened: float) -> bool:
    """Whether it was created too long before the event."""
    return created_at(cookie) < happened - MAX_AGE


@remembered(maxsize=256)  # what a conversion has is asked for up to ten times while it is prepared
def created_at(cookie: str) -> int:
    """The milliseconds of ``fb.1.<milliseconds>.…``, of which older cookies have seconds; or NONE."""
    known = _COOKIE(cookie)
    return int(known[1].ljust(13, "0")) if known else NONE


def all_created_at(cookies: Sequence[str]) -> list[int] | None:
    """``created_at`` of cookies that are all of the usual form, with milliseconds; None where one is not."""
    lines = "\n".join(cookies) + "\n"
    if lines.count("\n") != len(cookies) or not _USUAL(lines):
        return None
    return msgspec.convert([cookie[_TIME] for cookie in cookies], list[int], strict=False)
