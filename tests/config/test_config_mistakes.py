"""Every mistake of a config told at once, and never a value."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
from configs import GENERAL, config, mistakes
from conftest import SETTINGS

from target_adpostbacks.config import InvalidConfig, SdkSettings, read
from target_adpostbacks.core.settings import INHERITED, examples
from target_adpostbacks.networks import NETWORKS

CANARY = "canary-7f3a-secret"


@pytest.mark.parametrize(
    ("raw", "mistake"),
    [
        ({}, f"no network: add a section for one of {', '.join(sorted(NETWORKS))}"),
        ({"tiktok": "on"}, "tiktok: an object expected, as in sample_config.json"),
        ({"tiktok": True}, "tiktok: an object expected, as in sample_config.json"),
        ({**config(), "tik_tok": {}}, "tik_tok: no such setting; did you mean tiktok?"),
        ({**config(), "zzz": 1}, "zzz: no such setting"),
        (config(pixel_cod="X"), "tiktok.pixel_cod: no such setting; did you mean pixel_code?"),
        (config(send="some"), "tiktok.send: not one of its choices: attributed, all. Which conversions without"),
        (
            config(concurrency=0),
            "tiktok.concurrency: a whole number of at least 1 expected. Parallel requests",
        ),
        (
            config(concurrency=33),
            "tiktok.concurrency: a whole number of at most 32 expected. Parallel requests",
        ),
        (config(concurrency="many"), "tiktok.concurrency: a whole number expected. Parallel requests"),
        (config(hash_device_ids="maybe"), "tiktok.hash_device_ids: true or false expected. Send idfa"),
        (config(pixel_code=["X"]), "tiktok.pixel_code: text expected. For web events"),
        (config(event_map={"lead": 5}), "tiktok.event_map.lead: text expected. Maps your event names"),
        (config(event_map={"lead": " "}), "tiktok.event_map.lead: empty; the network's name of the event"),
        (config(event_map=["lead"]), "tiktok.event_map: an object expected. Maps your event names"),
        (config(trigger_events=[]), "tiktok.trigger_events: empty; name the events to send, or leave the setting out"),
        (
            {**config(), "trigger_events": []},
            "trigger_events: empty; name the events to send, or leave the setting out",
        ),
        (
            config(accounts={"a": {"trigger_events": ["purchase", " "]}}),
            "tiktok.accounts.a.trigger_events[1]: empty; an event's name expected",
        ),
        (config(trigger_events="purchase"), "tiktok.trigger_events: a list expected. Only these events are sent"),
        (config(trigger_events=["lead", 5]), "tiktok.trigger_events[1]: text expected. Only these events are sent"),
        (config(max_event_age_days=0), "tiktok.max_event_age_days: 1 or more expected"),
        (config(match_keys=[]), "tiktok.match_keys: empty, and nobody could be found; name the columns that may leave"),
        ({**config(), "match_keys": ["email", "emial"]}, "match_keys[1]: no such match key; did you mean email?"),
        (config(match_keys=["ttclib"]), "tiktok.match_keys[0]: no such match key; did you mean ttclid?"),
        (config(match_keys=["order_id"]), "tiktok.match_keys[0]: no such match key"),
        (config(match_keys=["properties.callback"]), "tiktok.match_keys[0]: no such match key; did you mean"),
        (config(match_keys=["mobile"]), "tiktok.match_keys[0]: another name of a column; write phone"),
        (config(match_keys="email"), "tiktok.match_keys: a list expected. Only these columns of a person may leave"),
        (config(match_keys=["email", 5]), "tiktok.match_keys[1]: text expected. Only these columns"),
        (config(ip_address="hash"), "tiktok.ip_address: not one of its choices: send, truncate, drop. What leaves"),
        (config(consent_required="perhaps"), "tiktok.consent_required: true or false expected. true: only conversions"),
        (
            config(attribution_window_days=0),
            "tiktok.attribution_window_days: a whole number of at least 1 expected. Conversions longer after",
        ),
        (
            config(accounts={"a": {"view_window_days": 3651}}),
            "tiktok.accounts.a.view_window_days: a whole number of at most 3650 expected. The same for",
        ),
        (
            {**config(), "click_time_tolerance_seconds": -1},
            "click_time_tolerance_seconds: a whole number of at least 0 expected. With a window",
        ),
        (config(max_event_age_days=10**12), "tiktok.max_event_age_days: at most 36500 expected"),
        (config(accounts=[]), None),
        (config(accounts="x"), "tiktok.accounts: an object expected, with your own name for each account"),
        (config(accounts={"a": "x"}), "tiktok.accounts.a: an object expected"),
        (config(accounts={"a": {"pixel_cod": "X"}}), "tiktok.accounts.a.pixel_cod: no such setting; did you mean"),
        ({**config(), "concurrency": "many"}, "concurrency: a whole number expected. Parallel requests"),
        (
            {**config(), "default_timezone": "Mars/Base"},
            "default_timezone: not a time zone, for example `Europe/Berlin`",
        ),
        ({**config(), "default_timezone": "../passwd"}, "default_timezone: not a time zone"),
        ({**config(), "fields": {"emial": "x"}}, "fields.emial: no such column; did you mean email?"),
        ({**config(), "fields": {"given_name": "x"}}, "fields.given_name: no such column; did you mean event_name?"),
        (
            {**config(), "fields": {"city": " "}},
            "fields.city: empty; the path of your column expected, or a list of paths",
        ),
        (
            {**config(), "fields": {"city": []}},
            "fields.city: empty; the path of your column expected, or a list of paths",
        ),
        ({**config(), "fields": {"city": ["town", " "]}}, "fields.city: empty; the path of your column expected"),
        ({**config(), "fields": {"city": ["town", 5]}}, "fields.city: text expected. Maps columns to your own"),
        ({**config(), "fields": "x"}, "fields: an object expected. Maps columns to your own"),
        (
            {**config(), "max_batch_age_seconds": -1},
            "max_batch_age_seconds: a whole number of at least 0 expected. How long",
        ),
        (
            {**config(), "ledger_retention_days": 1_000_000},
            "ledger_retention_days: a whole number of at most 36500 expected",
        ),
        (
            config(request_timeout_seconds=10**11),
            "tiktok.request_timeout_seconds: a whole number of at most 3600 expected",
        ),
        ({**config(), "batch_size_rows": 0}, "batch_size_rows: a whole number of at least 1 expected"),
        ({**config(), "flattening_max_depth": "1"}, "flattening_max_depth: a whole number expected"),
        ({**config(), "flattening_enabled": "yes"}, "flattening_enabled: true or false expected"),
        ({**config(), "stream_maps": "x"}, "stream_maps: an object expected"),
    ],
)
def test_a_mistake_names_path_rule_and_next_step(raw: dict[str, Any], mistake: str | None) -> None:
    if mistake is None:
        assert read(raw)
        return
    (message,) = mistakes(raw)
    assert message.startswith(mistake)


@pytest.mark.parametrize(
    ("raw", "paths"),
    [
        (
            {"tiktok": {"access_token": "x y", "pixel_code": "my pixel", "pixelcode": 1}},
            ["tiktok.pixelcode", "tiktok.access_token", "tiktok.pixel_code"],
        ),
        (
            {"tiktok": {"pixel_code": "my pixel", "base_url": "x", "send": "some"}, "reddit": {"pixel_id": "demo"}},
            [
                *("reddit.access_token", "reddit.pixel_id", "tiktok.send", "tiktok.access_token", "tiktok.base_url"),
                "tiktok.pixel_code",
            ],
        ),
        (
            {"tiktok": {"access_token": "x y", "concurrency": 0, "tiktok_app_id": "a1", "accounts": "x"}},
            ["tiktok.concurrency", "tiktok.accounts", "tiktok.access_token", "tiktok.tiktok_app_id"],
        ),
        ({"tiktok": {"accounts": "x"}}, ["tiktok.accounts"]),
        ({"tiktok": {"accounts": {"a": "x"}, "base_url": "x"}}, ["tiktok.accounts.a", "tiktok.base_url"]),
        (
            {"tiktok": {"access_token": "x", "accounts": {"A": {"pixel_code": "my pixel"}, "b": {"send": "x"}}}},
            [
                *("tiktok.accounts.A", "tiktok.accounts.A.pixel_code"),
                *("tiktok.accounts.b.send", "tiktok.accounts.b.pixel_code"),
            ],
        ),
        (
            {"tiktok": {"access_token": "x", "pixel_code": ["X"], "tiktok_app_id": ["1"], "base_url": "x"}},
            ["tiktok.pixel_code", "tiktok.tiktok_app_id", "tiktok.base_url"],
        ),
        ({"tiktok": {"access_token": "x", "tiktok_app_id": ["1"]}}, ["tiktok.tiktok_app_id"]),
        (
            config(event_map={"a": 5, "b": " "}, accounts={"c": {"event_map": {"d": 5}}}),
            ["tiktok.event_map.a", "tiktok.event_map.b", "tiktok.accounts.c.event_map.d"],
        ),
        (
            {**config(), "redit": {}, "default_timezone": "X", "fields": {"emial": "a", "city": 5}, "concurrency": 0},
            ["redit", "fields.city", "fields.emial", "default_timezone", "concurrency"],
        ),
        (
            {
                **config(pixel_code="my pixel"),
                "ledger_retention_days": "x",
                "results_path": [],
                "flattening_enabled": 1,
            },
            ["flattening_enabled", "results_path", "ledger_retention_days", "tiktok.pixel_code"],
        ),
    ],
)
def test_every_mistake_is_told_in_one_go(raw: dict[str, Any], paths: list[str]) -> None:
    assert [mistake.partition(":")[0] for mistake in mistakes(raw)] == paths


@pytest.mark.parametrize("name", NETWORKS)
def test_an_example_can_stand_in_for_every_required_setting(name: str) -> None:
    settings_type = NETWORKS[name].settings_type
    assert [*msgspec.convert(examples(settings_type), settings_type).problems()] == []


def test_a_mistake_in_the_section_is_told_once_however_many_accounts_there_are() -> None:
    accounts: dict[str, Any] = {"a": {}, "b": {}, "c": {"concurrency": 1}}
    raw = config(concurrency="many", colour="red", allow_same_asset=True, accounts=accounts)
    assert [mistake.partition(":")[0] for mistake in mistakes(raw)] == ["tiktok.colour", "tiktok.concurrency"]


WRONG: list[Any] = [
    *(CANARY, [CANARY], {"a": CANARY}, {"a": [CANARY]}, 777123777, 77.7123, True),
    *([{"a": CANARY}], CANARY + "\n", {"access_token": {"x": CANARY}}),
]


def misplaced() -> Iterator[dict[str, Any]]:
    """Every setting with every wrong kind of value, in the section, in an account and at the top."""
    for name, network in NETWORKS.items():
        fields = [*network.settings_type.__struct_fields__, "accounts", "acces_token"]
        for wrong in WRONG:
            for field in fields:
                yield {name: {**SETTINGS[name], field: wrong}}
                yield {name: {**SETTINGS[name], "accounts": {"a": {field: wrong}}}}
            for field in (*INHERITED, *GENERAL, *SdkSettings.__struct_fields__, name):
                yield {name: SETTINGS[name], field: wrong}


def shown(raw: dict[str, Any]) -> str:
    """Everything that an error about this config could print; empty: there is none."""
    try:
        read(raw)
    except InvalidConfig as invalid:
        return "\n".join([str(invalid), repr(invalid), *invalid.mistakes, repr(invalid.__cause__)])
    return ""


def test_no_mistake_ever_tells_a_value() -> None:
    messages = [*filter(None, map(shown, misplaced()))]
    assert len(messages) > 300
    for secret in (CANARY, "777123777", "77.7123", "example-access"):
        assert not [text for text in messages if secret in text]
