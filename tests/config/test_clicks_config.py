"""``clicks`` in the config: every mistake at once, and what the settings come to."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from configs import config, mistakes

from target_adpostbacks import config as configuration
from target_adpostbacks.config.clicks import kept
from target_adpostbacks.core.clicks import Rule

KEY = {"erasure_key": "k" * 32}


@pytest.mark.parametrize(
    ("clicks", "mistake"),
    [
        ({"window": "30d"}, "clicks.stream: missing; name the stream of clicks"),
        ({"stream": "c", "windows": "30d"}, "clicks.windows: no such setting; did you mean window?"),
        ({"stream": "c", "window": "30"}, "clicks.window: not a number of days, for example `30d`"),
        ({"stream": "c", "retention": "0d"}, "clicks.retention: not a number of days, for example `30d`"),
        ({"stream": "c", "retention": "29d"}, "clicks.retention: shorter than clicks.window"),
        ({"stream": "c", "window": "7d", "retention": "6d"}, "clicks.retention: shorter than clicks.window"),
        ({"stream": "c", "model": "newest"}, "clicks.model: not one of its choices: last, first"),
        ({"stream": "c", "credit": "all"}, "clicks.credit: not one of its choices: each_network, last_network"),
    ],
)
def test_a_mistake_is_told_with_its_path(clicks: Any, mistake: str) -> None:
    told = mistakes({**config(), **KEY, "clicks": clicks})
    assert [each for each in told if each.startswith(mistake)] == told


def test_clicks_need_a_key() -> None:
    (told,) = mistakes({**config(), "clicks": {"stream": "ad_clicks"}})
    assert told.startswith("clicks: needs erasure_key")


@pytest.mark.parametrize(
    ("clicks", "rule", "days"),
    [
        ({}, Rule(timedelta(days=30)), 35),
        ({"window": "7d", "model": "first"}, Rule(timedelta(days=7), "first"), 12),
        ({"credit": "last_network", "retention": "90d"}, Rule(timedelta(days=30), "last", "last_network"), 90),
    ],
)
def test_what_is_not_said_has_a_default(clicks: dict[str, Any], rule: Rule, days: int) -> None:
    general, _ = configuration.read({**config(), **KEY, "clicks": {"stream": "ad_clicks", **clicks}})
    assert kept(general.clicks) == ("ad_clicks", rule, timedelta(days=days))
