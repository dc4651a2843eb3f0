"""The attribution windows of the config: what happened too long after its click or view, or before it."""

from __future__ import annotations

from datetime import timedelta

from target_adpostbacks.core.answers import Skip
from target_adpostbacks.core.conversion import Conversion
from target_adpostbacks.core.settings import Settings


def has_window(settings: Settings) -> bool:
    """Whether there is a window to look at."""
    return settings.attribution_window_days is not None or settings.view_window_days is not None


def within_window(c: Conversion, settings: Settings) -> None:
    """Raises Skip("outside_window") or Skip("before_click"). The click decides, without one the view."""
    if c.click_time is not None:
        name, since, days = "click_time", c.click_time, settings.attribution_window_days
        setting = "attribution_window_days"
    elif c.view_time is not None:
        name, since, days, setting = "view_time", c.view_time, settings.view_window_days, "view_window_days"
    else:
        return
    if since - c.event_time > timedelta(seconds=settings.click_time_tolerance_seconds):
        raise Skip("before_click", f"event_time is before {name}; are both in the same time zone?")
    if days is not None and c.event_time - since > timedelta(days=days):
        raise Skip("outside_window", f"event_time is longer after {name} than {setting}")
