"""``--since`` and ``--until`` as days."""

from __future__ import annotations

from datetime import datetime, timezone

import click
import pytest

from target_adpostbacks.cli._days import window

NOW = datetime(2026, 11, 20, 23, 30, tzinfo=timezone.utc)


@pytest.mark.parametrize(
    ("since", "until", "first", "last"),
    [
        ("", "", "2026-11-14", "2026-11-20"),
        ("30d", "", "2026-10-22", "2026-11-20"),
        ("1d", "", "2026-11-20", "2026-11-20"),
        ("2026-11-01", "", "2026-11-01", "2026-11-20"),
        ("2d", "2026-11-02", "2026-11-01", "2026-11-02"),
        ("", "2026-11-02", "2026-10-27", "2026-11-02"),
        ("2026-11-01", "2026-11-01", "2026-11-01", "2026-11-01"),
        ("3d", "2d", "2026-11-17", "2026-11-19"),
    ],
)
def test_days_are_counted_with_both_ends(since: str, until: str, first: str, last: str) -> None:
    asked = window(since, until, 7, NOW)
    assert (asked.since.isoformat(), asked.until.isoformat()) == (first, last)


@pytest.mark.parametrize(
    ("since", "until", "option"),
    [
        *[(text, "", "--since") for text in ("0d", "30", "d", "24h", "yesterday", "2026-13-01", "99999d", "9999d")],
        ("", "tomorrow", "--until"),
        ("2026-11-21", "2026-11-20", "--since"),
    ],
)
def test_what_is_no_day_is_refused(since: str, until: str, option: str) -> None:
    with pytest.raises(click.BadParameter) as refused:
        window(since, until, 7, NOW if until or since != "9999d" else NOW.replace(year=20))
    assert refused.value.param_hint == option
