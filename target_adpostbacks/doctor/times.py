"""Times that say too little, or that can't be."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import date, datetime, timedelta, timezone

from target_adpostbacks.core.columns import TIMES
from target_adpostbacks.core.conversion import InvalidConversion
from target_adpostbacks.core.times import moment
from target_adpostbacks.doctor.case import Case
from target_adpostbacks.doctor.findings import Spot, finding

ELSEWHERE = timezone(timedelta(hours=1))
_DATE = re.compile(r"\d{4}-?\d\d-?\d\d").fullmatch


@finding(
    "warning",
    what="The time has no offset from UTC.",
    cost="It is taken for UTC. If it is local time, conversions move by hours: before their click, ahead of the clock.",
    change="Write an offset or Z, or set `default_timezone`; to `UTC` if that is right.",
)
def time_without_zone(case: Case) -> Iterable[Spot]:
    if case.is_zone_known:
        return []
    return [Spot(column) for column in sorted(TIMES) if _depends_on_zone(case, column) and not _is_date(case, column)]


@finding(
    "warning",
    what="The time is a date alone.",
    cost="It is taken for midnight: before its click, or on the day before in another zone.",
    change="Map the column that has the time of day.",
)
def date_without_time(case: Case) -> Iterable[Spot]:
    return [Spot(column) for column in sorted(TIMES) if _is_date(case, column)]


def _is_date(case: Case, column: str) -> bool:
    value = case.raw(column)
    if isinstance(value, date) and not isinstance(value, datetime):
        return True
    return isinstance(value, str) and _DATE(value.strip()) is not None and _depends_on_zone(case, column)


def _depends_on_zone(case: Case, column: str) -> bool:
    """Whether the core reads another moment where the zone is another."""
    value = case.raw(column)
    if value is None or isinstance(value, (int, float)):
        return False
    if isinstance(value, str) and value[-1:] in "Zz":
        return False
    try:
        return moment(column, value) != moment(column, value, ELSEWHERE)
    except InvalidConversion:
        return False


@finding(
    "warning",
    what="The conversion happened before the click or the view that it is attributed to.",
    cost="Networks attribute nothing to a later click.",
    change="Check the zones of both times, and whether the click is the one before the conversion, not the newest.",
)
def before_click(case: Case) -> Iterable[Spot]:
    c = case.conversion
    since = (c.click_time or c.view_time) if c else None
    if c is None or since is None:
        return []
    tolerance = max((network.settings.click_time_tolerance_seconds for network in case.networks()), default=TOLERANCE)
    is_before = since - c.event_time > timedelta(seconds=tolerance)
    return [Spot("click_time" if c.click_time else "view_time")] if is_before else []


TOLERANCE = 60
"""Seconds by which clocks differ, where no network's settings say it."""
