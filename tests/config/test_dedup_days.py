"""``dedup_days``: never so few that a network takes again what the ledger has forgotten."""

from __future__ import annotations

from typing import Any

import pytest
from configs import config, mistakes
from conftest import SETTINGS

from target_adpostbacks import config as configuration

META = {"meta": SETTINGS["meta"]}
GENERIC: dict[str, Any] = {"generic": {"accounts": {"partner": {"url": "https://p.example/?id={event_id}"}}}}


@pytest.mark.parametrize(
    ("raw", "days", "told"),
    [
        (config(), 30, "takes what is 28 days old, and knows an id again for 2 days"),
        (config(max_event_age_days=7), 9, "takes what is 7 days old, and knows an id again for 2 days"),
        (META, 64, "takes what is 62 days old, and knows an id again for 2 days"),
        ({"linkedin": SETTINGS["linkedin"]}, 91, "takes what is 90 days old"),
        ({"google_ads": SETTINGS["google_ads"]}, 180, "takes what is 90 days old, and knows an id again for 90 days"),
        ({"snapchat": {**SETTINGS["snapchat"], "max_event_age_days": 37}}, 39, "takes what is 37 days old, and"),
        ({"pinterest": SETTINGS["pinterest"]}, 30, "takes what is 28 days old, and knows an id again for 2 days"),
        ({"x": SETTINGS["x"]}, 92, "takes what is 90 days old, and knows an id again for 2 days"),
    ],
)
def test_fewer_days_than_a_network_looks_back_are_a_mistake(raw: dict[str, Any], days: int, told: str) -> None:
    (section,) = raw
    (mistake,) = mistakes({**raw, "dedup_days": days - 1})
    assert mistake.startswith(f"dedup_days: {days} or more expected, since {section}.default {told}")
    assert mistake.endswith("; a smaller max_event_age_days of that account lowers it")
    general, _ = configuration.read({**raw, "dedup_days": days})
    assert general.dedup_days == days


def test_the_account_that_looks_back_furthest_decides() -> None:
    (mistake,) = mistakes({**config(), **META, "dedup_days": 30})
    assert mistake.startswith("dedup_days: 64 or more expected, since meta.default takes")


def test_what_is_taken_at_any_age_may_never_be_forgotten() -> None:
    (mistake,) = mistakes({**GENERIC, "dedup_days": 36_500})
    assert mistake == (
        "dedup_days: generic.partner takes conversions of any age, and one that is forgotten would be sent twice;"
        " set max_event_age_days of that account, or leave dedup_days out"
    )
    GENERIC["generic"]["accounts"]["partner"]["max_event_age_days"] = 30
    assert configuration.read({**GENERIC, "dedup_days": 31})[0].dedup_days == 31


def test_an_account_that_is_off_asks_for_nothing() -> None:
    off = {"google_ads": {"enabled": False}}
    assert configuration.read({**config(), **off, "dedup_days": 30})[0].dedup_days == 30


@pytest.mark.parametrize("days", [0, 36_501, "30d"])
def test_the_days_are_a_number_in_bounds(days: Any) -> None:
    (mistake,) = mistakes({**config(), "dedup_days": days})
    assert mistake.startswith("dedup_days: a whole number")
