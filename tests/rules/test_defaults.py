"""Values for columns that a record lacks."""

from __future__ import annotations

from typing import Any

import pytest
from conftest import SETTINGS
from ruled import TWO, a_config, prepared, sent

EUR = {"currency": "EUR"}


@pytest.mark.parametrize("config", [a_config({"defaults": EUR}), a_config(defaults=EUR)])
@pytest.mark.parametrize(
    ("record", "properties"),
    [
        ({"value": 5}, {"currency": "EUR", "value": 5}),
        ({"value": 5, "currency": None}, {"currency": "EUR", "value": 5}),
        ({"value": 5, "currency": "  "}, {"currency": "EUR", "value": 5}),
        ({"value": 5, "currency": "USD"}, {"currency": "USD", "value": 5}),
        ({"value": 5, "CURRENCY": "USD"}, {"currency": "USD", "value": 5}),
        ({"order": {"value": 5, "currency": "USD"}}, {"currency": "USD", "value": 5}),
        ({"order": {"value": 5}}, {"currency": "EUR", "value": 5}),
    ],
)
def test_a_default_is_for_what_a_record_lacks_alone(
    config: dict[str, Any], record: dict[str, Any], properties: dict[str, Any]
) -> None:
    assert sent(config, **record)["properties"] == properties


def test_what_can_not_be_read_is_not_lacking() -> None:
    result = prepared(a_config({"defaults": EUR}), value=5, currency="Taler")
    assert b"value" not in result.postbacks[0].payload
    assert result.unusable == ("currency: not an ISO 4217 code",)


def test_defaults_are_merged_the_nearest_before_the_others() -> None:
    top = {"defaults": {"currency": "USD", "content_type": "product", "description": "top"}}
    accounts = {
        "eu": {**TWO["eu"], "defaults": {"currency": "EUR"}},
        "us": {**TWO["us"], "defaults": {"description": None}},
    }
    config = a_config(top, defaults={"content_type": "hotel"}, accounts=accounts)
    config["reddit"] = SETTINGS["reddit"]
    result = prepared(config, value=5, network=None, rdt_cid="r-1")
    reddit, eu, us = (postback.payload for postback in result.postbacks)
    assert b'"currency":"USD"' in reddit
    assert b'"currency":"EUR"' in eu
    assert b'"content_type":"hotel"' in eu
    assert b'"description":"top"' in eu
    assert b'"currency":"USD"' in us
    assert b"description" not in us


def test_at_the_top_a_record_may_lack_what_it_is_and_where_it_goes() -> None:
    lacking = {"network": "tiktok", "event_time": "2026-11-20T11:00:00Z", "event_name": "lead", "account": "us"}
    config = a_config({"defaults": lacking}, accounts=TWO)
    (postback,) = prepared(config, network=None, event_time=None, event_name=None).postbacks
    assert (postback.account, postback.key.event_name) == ("tiktok.us", "lead")
    assert postback.facts.event_time == "2026-11-20T11:00:00.000+00:00"


def test_a_default_is_trimmed_and_read_as_a_records_value_is() -> None:
    config = a_config(defaults={"country": " Germany ", "email": "Ada@Example.com "})
    assert sent(config)["user"]["country"] == "de"


def test_default_properties_fill_what_the_records_own_lack() -> None:
    accounts = {"eu": {**TWO["eu"], "defaults": {"properties": {"b": 3, "c": None}}}}
    config = a_config({"defaults": {"properties": {"a": 1, "b": 2, "c": 4}}}, accounts=accounts)
    for properties in ({"a": 9}, '{"a": 9}'):
        assert sent(config, properties=properties)["properties"] == {"a": 9, "b": 3}
    assert sent(config)["properties"] == {"a": 1, "b": 3}
    assert sent(config, user={"email": "ada@example.com"}, properties={"z": 0})["properties"] == {
        "a": 1,
        "b": 3,
        "z": 0,
    }
    ruled = {**config, "rules": [{"set": {"properties": {"a": None, "d": 5}}}]}
    assert sent(ruled, properties={"z": 0})["properties"] == {"b": 3, "d": 5, "z": 0}
