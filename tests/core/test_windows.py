"""Conversions that happened too long after their click or view, or before it."""

from __future__ import annotations

from typing import Any

import pytest
from conftest import NOW, a_conversion, an_account

from target_adpostbacks.core.answers import Skip
from target_adpostbacks.core.postback import prepare

BOTH = {"attribution_window_days": 7, "view_window_days": 1}


def outcome(settings: dict[str, Any], **columns: Any) -> str:
    """What becomes of a conversion of 12:00 on 20 November: ``"sent"``, or why not."""
    try:
        prepare(an_account(**settings), a_conversion(**columns), NOW)
    except Skip as skip:
        return f"{skip.reason}: {skip.message}"
    return "sent"


@pytest.mark.parametrize(
    "columns",
    [
        {},
        {"click_time": "2026-11-20T11:00:00Z"},
        {"click_time": "2026-11-13T12:00:00Z"},
        {"click_time": "2026-11-20T12:01:00Z"},  # the clocks differ by the minute that is allowed
        {"view_time": "2026-11-19T12:00:00Z"},
        {"view_time": "2026-11-20T12:01:00Z"},
        {"click_time": "2026-11-14T12:00:00Z", "view_time": "2026-11-01T00:00:00Z"},  # the click decides
    ],
)
def test_what_happened_within_its_window_is_sent(columns: dict[str, Any]) -> None:
    assert outcome(BOTH, **columns) == "sent"


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        (
            {"click_time": "2026-11-13T11:59:59.999Z"},
            "outside_window: event_time is longer after click_time than attribution_window_days",
        ),
        (
            {"view_time": "2026-11-19T11:59:59.999Z"},
            "outside_window: event_time is longer after view_time than view_window_days",
        ),
        (
            {"click_time": "2026-11-01T00:00:00Z", "view_time": "2026-11-20T11:00:00Z"},
            "outside_window: event_time is longer after click_time than attribution_window_days",
        ),
        (
            {"click_time": "2026-11-20T12:01:00.001Z"},
            "before_click: event_time is before click_time; are both in the same time zone?",
        ),
        (
            {"view_time": "2026-11-20T12:01:00.001Z"},
            "before_click: event_time is before view_time; are both in the same time zone?",
        ),
    ],
)
def test_what_happened_outside_of_it_is_not(columns: dict[str, Any], message: str) -> None:
    assert outcome(BOTH, **columns) == message


@pytest.mark.parametrize(
    ("settings", "columns", "reason"),
    [
        ({}, {"click_time": "2020-01-01"}, "sent"),
        ({}, {"click_time": "2031-01-01"}, "sent"),
        ({}, {"view_time": "2031-01-01"}, "sent"),
        ({"view_window_days": 1}, {"click_time": "2020-01-01"}, "sent"),
        ({"attribution_window_days": 7}, {"view_time": "2020-01-01"}, "sent"),
        ({"view_window_days": 1}, {"click_time": "2026-11-20T12:05:00Z"}, "before_click"),
        ({**BOTH, "click_time_tolerance_seconds": 0}, {"click_time": "2026-11-20T12:00:00.001Z"}, "before_click"),
        ({**BOTH, "click_time_tolerance_seconds": 3600}, {"click_time": "2026-11-20T13:00:00Z"}, "sent"),
        ({"click_time_tolerance_seconds": 0}, {"click_time": "2031-01-01"}, "sent"),
    ],
)
def test_a_window_that_is_not_set_keeps_nothing_back(
    settings: dict[str, Any], columns: dict[str, Any], reason: str
) -> None:
    assert outcome(settings, **columns).partition(":")[0] == reason


def test_a_window_is_looked_at_after_event_and_asset_and_before_the_age() -> None:
    late = {"event_time": "2026-10-01T00:00:00Z", "click_time": "2026-01-01"}
    assert outcome(BOTH, **late).startswith("outside_window")
    assert outcome({**BOTH, "event_map": {"purchase": None}}, **late).startswith("event_off")
    assert outcome(BOTH, **late, event_source="offline").startswith("unsupported")
    assert outcome({}, **late).startswith("too_old")
