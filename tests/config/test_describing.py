"""The schema describes every setting, and checks nothing."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from configs import GENERAL, config
from conftest import SETTINGS
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]

from target_adpostbacks.config import schema
from target_adpostbacks.core.settings import INHERITED
from target_adpostbacks.networks import NETWORKS


def inside(value: Any) -> Iterator[dict[str, Any]]:
    """Every object of a schema that describes something."""
    if isinstance(value, dict):
        yield value
        for member in value.values():
            yield from inside(member)


def test_the_schema_describes_and_checks_nothing() -> None:
    Draft202012Validator.check_schema(schema())
    for described in inside(schema()):
        for word in ("default", "required", "pattern", "minimum", "maximum", "$ref"):
            assert not isinstance(described.get(word), (str, int, list, bool)), described
        assert described.get("additionalProperties") is not False


def test_the_schema_takes_the_example_config() -> None:
    validator = Draft202012Validator(schema())
    raw = {**config(accounts={"a": {"event_map": {"lead": None}}}), "reddit": SETTINGS["reddit"]}
    assert validator.is_valid(raw)
    rule = {"when": "value > 50", "account": ["a"], "set": {"value": 1}, "compute": {"properties": {"plan": "plan"}}}
    assert validator.is_valid({**raw, "rules": [rule], "trigger_events": ["lead"], "defaults": {"currency": "EUR"}})
    assert not validator.is_valid({**raw, "rules": [{**rule, "send": "no"}]})
    assert not validator.is_valid({"tiktok": "on"})


@pytest.mark.parametrize("name", NETWORKS)
def test_every_setting_is_described_in_the_section_and_its_accounts(name: str) -> None:
    section = schema()["properties"][name]
    described = {field: value for field, value in section["properties"].items() if field != "accounts"}
    assert described.keys() == set(NETWORKS[name].settings_type.__struct_fields__)
    assert section["properties"]["accounts"]["additionalProperties"]["properties"] == described
    assert all(value["type"] and value["description"].endswith((".", "`")) for value in described.values())
    assert [field for field, value in described.items() if value.get("secret")] == [
        field
        for field in described
        if field.endswith(("_key", "_token", "_secret", "_json")) or field in ("headers", "secrets", "auth")
    ]


def test_inherited_settings_and_general_ones_stand_at_the_top() -> None:
    top = schema()["properties"]
    assert top.keys() == {
        *INHERITED,
        *NETWORKS,
        *GENERAL,
    }
    assert top["ledger_url"]["secret"]
    assert top["tiktok"]["properties"]["send"]["enum"] == ["all", "attributed"]
    assert top["reddit"]["properties"]["action_source"]["enum"][-1] is None
