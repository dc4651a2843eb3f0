"""``performance`` and ``report`` in the config: every mistake at once, and what the settings come to."""

from __future__ import annotations

from typing import Any

import pytest
from configs import config, mistakes

from target_adpostbacks import config as configuration
from target_adpostbacks.config.performance import counting, specs
from target_adpostbacks.core.performance.counting import Counting

OWN = {"network": "taboola", "columns": {"day": "date", "spend": "cost"}}


@pytest.mark.parametrize(
    ("stream", "mistake"),
    [
        ("on", "performance.s: an object expected, with `preset` or `network`"),
        ({}, "performance.s: `preset` or `network` expected, to say whose statistics these are"),
        ({"preset": "tap-tiktoc"}, "performance.s.preset: no such preset; did you mean tap-tiktok?"),
        ({"preset": "zzz"}, "performance.s.preset: no such preset; known: fivetran, tap-bing-ads"),
        ({"preset": "tap-tiktok", "curency": "USD"}, "performance.s.curency: no such setting; did you mean currency?"),
        ({"preset": "tap-tiktok", "currency": "DOLLARS"}, "performance.s.currency: not an ISO 4217 code"),
        ({"preset": "tap-tiktok", "time_zone": "Berlin"}, "performance.s.time_zone: not a time zone"),
        ({"preset": "tap-tiktok", "unit": "cent"}, "performance.s.unit: not one of its choices: major, cents, micros"),
        ({"network": "taboola", "columns": {"day": "d"}}, "performance.s.columns: `spend` missing"),
        ({"network": "taboola"}, "performance.s.columns: `day` and `spend` missing"),
        ({**OWN, "columns": {"day": "d", "spend": "s", "costs": "x"}}, "performance.s.columns.costs: no such column"),
        ({**OWN, "columns": {"day": "", "spend": "x"}}, "performance.s.columns.day: empty; the name of your column"),
        ({**OWN, "conversions": "install"}, "performance.s.conversions: a list expected"),
    ],
)
def test_a_mistake_in_a_stream_is_told_with_its_path(stream: Any, mistake: str) -> None:
    told = mistakes({**config(), "performance": {"s": stream}})
    assert [each for each in told if each.startswith(mistake)] == told


@pytest.mark.parametrize(
    ("report", "mistake"),
    [
        ({"windows": "30d"}, "report.windows: no such setting; did you mean window?"),
        ({"window": "30"}, "report.window: not a number of days, for example `30d`"),
        ({"by": "day"}, "report.by: not one of its choices: conversion, click"),
        ({"conversions": []}, "report.conversions: empty; name the events to count"),
        ({"revenue": ["purchase", ""]}, "report.revenue: empty; an event's name expected"),
    ],
)
def test_a_mistake_in_what_is_counted_is_told_with_its_path(report: Any, mistake: str) -> None:
    told = mistakes({**config(), "report": report})
    assert [each for each in told if each.startswith(mistake)] == told


def test_a_config_with_statistics_alone_is_valid() -> None:
    general, accounts = configuration.read({"performance": {"s": OWN | {"currency": "EUR"}}})
    assert accounts == {}
    (spec,) = specs(general.performance, general.report).values()
    assert (spec.network, spec.currency, spec.columns["spend"]) == ("taboola", "EUR", ("cost",))


def test_a_network_goes_by_any_of_its_names() -> None:
    named = {"a": {**OWN, "network": "Facebook"}, "b": {**OWN, "network": "Taboola"}}
    assert [spec.network for spec in specs(named, {}).values()] == ["meta", "Taboola"]


def test_what_is_counted_has_defaults_and_folds_names_of_events() -> None:
    assert counting({}) == Counting()
    said = counting({"conversions": ["App Install"], "revenue": [], "window": "7d", "by": "click"})
    assert said == Counting(conversions=("install",), revenue=(), window_days=7, by="click")
