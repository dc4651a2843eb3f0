"""The facts of an app and its device: sixteen entries, and whether tracking is allowed."""

from __future__ import annotations

from typing import Any

import pytest
from conftest import a_conversion

from target_adpostbacks.core import mobile as app_data

IDFA = "6D92078A-8246-4BA4-AE5B-76104861E7DC"
GAID = "38400000-8cf0-11bd-b23e-10b96e40000d"


def test_what_is_known_stands_at_its_place_among_sixteen_texts() -> None:
    columns = {"app_version": "7.7.1", "os_version": "17.5", "device_model": "iPhone15,2", "language": "en-US"}
    screen = {"screen_width": 1179, "screen_height": "2556"}
    properties = {"short_version": 771, "screen_density": 3.0, "cpu_cores": 6, "storage_gb": 128, "free_storage_gb": 7}
    zone = {"timezone": "Europe/Zurich", "carrier": "Swisscom"}
    c = a_conversion(**columns, **screen, **zone, properties={**properties, "timezone_abbreviation": "CET"})
    device = ["771", "7.7.1", "17.5", "iPhone15,2", "en_US", "CET", "Swisscom", "1179", "2556", "3.0", "6", "128", "7"]
    assert app_data.extinfo(c, app_data.IOS, "com.example.game") == ["i2", "com.example.game", *device, "Europe/Zurich"]


def test_what_is_not_known_is_empty_text() -> None:
    assert app_data.extinfo(a_conversion(), app_data.ANDROID, None) == ["a2", *[""] * 15]


def test_a_property_fills_an_empty_column() -> None:
    properties = {"os_version": "14", "device_model": ["not", "a", "text"], "app_version": "9"}
    found = app_data.extinfo(a_conversion(app_version="7", properties=properties), app_data.ANDROID, None)
    assert found[3:6] == ["7", "14", ""]


@pytest.mark.parametrize(
    ("zone", "short", "name"), [("PST", "PST", ""), ("Europe/Zurich", "", "Europe/Zurich"), (None, "", "")]
)
def test_a_time_zone_is_an_abbreviation_or_a_name(zone: str | None, short: str, name: str) -> None:
    found = app_data.extinfo(a_conversion(timezone=zone), app_data.IOS, None)
    assert (found[7], found[15]) == (short, name)


@pytest.mark.parametrize(
    ("platform", "version"),
    [("iOS", "i2"), ("iPadOS", "i2"), ("Android", "a2"), ("windows", None), (None, None)],
)
def test_the_platform_decides_the_version(platform: str | None, version: str | None) -> None:
    assert app_data.version(a_conversion(platform=platform)) == version


@pytest.mark.parametrize(
    ("version", "columns", "allowed"),
    [
        *(("i2", {"att_status": status}, True) for status in ("authorized", "AUTHORIZED", 3, "true", True)),
        *(
            ("i2", {"att_status": status}, False)
            for status in ("denied", "restricted", "not_determined", 0, None, False)
        ),
        *(("a2", {}, True), ("a2", {"opt_out": True}, False), ("a2", {"limited_data_use": True}, False)),
        *(("a2", {"att_status": status}, False) for status in ("denied", "Restricted", False)),
        *(("a2", {"att_status": status}, True) for status in ("NOT_APPLICABLE", "not_determined", 0, True)),
        ("i2", {"opt_out": False}, False),
    ],
)
def test_tracking_is_allowed_by_the_person(version: str, columns: dict[str, Any], allowed: bool) -> None:
    assert app_data.tracking_allowed(a_conversion(**columns), version) is allowed


@pytest.mark.parametrize(
    ("columns", "found"),
    [
        ({"platform": "ios", "idfa": IDFA, "gaid": GAID}, IDFA),
        ({"platform": "android", "idfa": IDFA, "gaid": GAID}, GAID),
        ({"platform": "ios", "advertising_id": f" {IDFA} "}, IDFA),
        ({"advertising_id": GAID}, GAID),
        ({"idfa": IDFA}, IDFA),
        ({"platform": "ios", "gaid": GAID}, None),
        ({"platform": "android", "gaid": "00000000-0000-0000-0000-000000000000", "advertising_id": GAID}, GAID),
        ({"advertising_id": "00000000-0000-0000-0000-000000000000"}, None),
        ({}, None),
    ],
)
def test_the_advertising_id_is_the_platforms_own(columns: dict[str, Any], found: str | None) -> None:
    conversion = a_conversion(**columns)
    assert app_data.advertising_id(conversion, app_data.version(conversion)) == found
