"""A time is read in every form that warehouses have, and never guessed."""

from __future__ import annotations

from datetime import date, datetime, timedelta, timezone
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from conftest import a_conversion, a_record, refusal

from target_adpostbacks.core.layout import Columns
from target_adpostbacks.core.record import parse

NOON = datetime(2026, 11, 20, 12, tzinfo=timezone.utc)


@pytest.mark.parametrize(
    "time",
    [
        *("2026-11-20T12:00:00Z", "2026-11-20T12:00:00", "2026-11-20 12:00:00", "2026-11-20T14:00:00+02:00"),
        *("2026-11-20 12:00:00+00:00", "2026-11-20T12:00:00.000Z", " 2026-11-20T12:00Z ", "20261120T120000Z"),
        "2026-11-20 12:00:00 UTC",  # BigQuery
        *(
            "2026-11-20 04:00:00.000 -0800",
            "2026-11-20 04:00:00 -0800",
            "2026-11-20 04:00:00.000000 -0800",
        ),  # Snowflake
        *("2026-11-20 04:00:00.000 -08:00", "2026-11-20 12:00:00.000 Z", "2026-11-20 12:00:00.000 +00"),
        *("2026-11-20T12:00:00.0 +0000", "2026-11-20 12:00:00.000000000 +0000"),
        *(1795176000, 1795176000.0, 1795176000000, 1795176000000000, "1795176000", "1795176000.0", "1795176000000"),
        *("1795176000000000", " 1795176000 ", NOON, NOON.replace(tzinfo=None)),
        NOON.astimezone(timezone(timedelta(hours=-8))),
    ],
    ids=str,
)
def test_a_time_is_read_in_every_form(time: Any) -> None:
    event_time = a_conversion(event_time=time).event_time
    assert event_time == NOON
    assert event_time.utcoffset() == timedelta(0)


@pytest.mark.parametrize("day", ["2026-11-20", "20261120", date(2026, 11, 20)])
def test_a_date_is_its_first_moment(day: Any) -> None:
    assert a_conversion(event_time=day).event_time == datetime(2026, 11, 20, tzinfo=timezone.utc)


@pytest.mark.parametrize(
    ("time", "utc_hour"),
    [("2026-11-20T12:00:00", 11), ("2026-07-20 12:00", 10), ("2026-11-20T12:00:00Z", 12), (1795176000, 12)],
)
def test_a_time_without_a_zone_is_in_the_default_one(time: Any, utc_hour: int) -> None:
    columns = Columns(zone=ZoneInfo("Europe/Berlin"))
    assert parse(a_record(event_time=time), columns).event_time.hour == utc_hour


@pytest.mark.parametrize(
    ("epoch", "year"), [(99_999_999_999, 5138), (10**11, 1973), (99_999_999_999_999, 5138), (10**14, 1973)]
)
def test_the_unit_of_an_epoch_is_told_by_its_size(epoch: int, year: int) -> None:
    times = {a_conversion(event_time=form).event_time for form in (epoch, float(epoch), str(epoch))}
    assert {time.year for time in times} == {year}


def test_parts_of_seconds_are_kept() -> None:
    assert a_conversion(event_time="2026-11-20T12:00:00.123456Z").event_time.microsecond == 123456
    assert a_conversion(event_time=1795176000123).event_time.microsecond == 123000
    assert a_conversion(event_time=1795176000123456).event_time.microsecond == 123456
    assert a_conversion(event_time=-1).event_time == datetime(1969, 12, 31, 23, 59, 59, tzinfo=timezone.utc)


@pytest.mark.parametrize(
    "time",
    [
        *(10**17, -(10**17), 10**400, float("nan"), float("inf"), "nan", "-inf", "9" * 400, "9" * 5000, "1e400"),
        *(-99999999999, "-99999999999", -99999999999999.5, "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00"),
    ],
    ids=lambda time: str(time)[:40] if isinstance(time, (str, float)) or abs(time) < 10**20 else "huge",
)
def test_a_time_out_of_range_is_refused(time: Any) -> None:
    assert refusal(event_time=time) == "event_time: time out of range"


@pytest.mark.parametrize("time", ["yesterday", "20/11/2026", "2026-13-01", "12:00", "1_795_176_000", "a\ud800"])
def test_what_is_no_time_is_refused(time: str) -> None:
    assert refusal(event_time=time) == "event_time: not a time (ISO 8601 or epoch seconds expected)"
    assert refusal(click_time=time) == "click_time: not a time (ISO 8601 or epoch seconds expected)"


@pytest.mark.parametrize("time", [True, [1795176000], {"at": 1}])
def test_a_time_of_another_type_is_refused(time: Any) -> None:
    assert refusal(event_time=time) == "event_time: not a time (ISO 8601 or epoch seconds expected)"
