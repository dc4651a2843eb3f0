"""``--since`` and ``--until`` of commands that count whole days, of whatever zone an ad account has."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import date, datetime, timedelta
from typing import Any, TypeVar

import click

from target_adpostbacks.core.performance.counting import Window

Command = TypeVar("Command", bound=Callable[..., Any])

_days_back = re.compile(r"([1-9]\d{0,3})d", re.ASCII).fullmatch


def options(command: Command) -> Command:
    """The command gets both as texts, for ``window``; empty where nothing is said."""
    until = click.option("--until", metavar="DAY", default="", help="The last day: 2026-11-30. Default: today.")
    since = click.option(
        "--since",
        metavar="DAYS",
        default="",
        help="The first day, 2026-11-01, or how many: 30d, today with it. Default: `report.window` of the config, 30d.",
    )
    return since(until(command))


def window(since: str, until: str, days: int, now: datetime) -> Window:
    """The days that these texts ask for, both ends in; ``days``: how many where ``since`` is empty.

    ``now``: in the zone whose today it is. Raises BadParameter.
    """
    today = now.date()
    last = _day("--until", until, today) if until else today
    first = _day("--since", since or f"{days}d", last)
    if first > last:
        raise click.BadParameter(f"the first day, {first}, is after the last, {last}", param_hint="--since")
    return Window(first, last)


def _day(option: str, text: str, last: date) -> date:
    try:
        if back := _days_back(text.strip()):
            return last - timedelta(days=int(back[1]) - 1)
        return date.fromisoformat(text.strip())
    except (ValueError, OverflowError):
        raise click.BadParameter("30d or a day, 2026-11-01, expected", param_hint=option) from None


def forgotten(retention_days: int, window: Window, now: datetime) -> str:
    """The last of these days of which a ledger may know no conversions any more; empty where it knows all.

    ``retention_days``: how long it keeps details; 0: for good.
    """
    if not retention_days:
        return ""
    last = (now - timedelta(days=retention_days)).date().isoformat()
    return last if last >= window.since.isoformat() else ""
