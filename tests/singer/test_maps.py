"""A stream map's expression that no record can be mapped by is a mistake in the config."""

from __future__ import annotations

import logging
from typing import Any

import pytest
from singer_sdk.mapper import CustomStreamMap, PluginMapper

from target_adpostbacks.singer.maps import misshaped, mistakes, unmet


def said(stream_maps: dict[str, Any]) -> list[str]:
    """What is wrong for a stream whose SCHEMA has ``a`` and whose first record has ``b``."""
    config: dict[str, Any] = {"stream_maps": stream_maps, "stream_map_config": {"rate": 2}}
    mapper = PluginMapper(config, logging.getLogger("test"))
    mapper.register_raw_stream_schema("orders", {"properties": {"a": {"type": "integer"}}}, [])
    (made,) = [each for each in mapper.stream_maps["orders"] if isinstance(each, CustomStreamMap)]
    return mistakes(stream_maps, "orders", made, {"a", "b"})


@pytest.mark.parametrize(
    "expression",
    [
        *("a + b", "record['a']", "record.get('c')", "_['b']", "config['rate'] * a", "__stream_name__"),
        *("'text'", "None", "config.get('nope')", "config.rate"),
        *("a.strip().lower()", "a.b", "a.b.c", "record['a'].split(',')[0].upper()", "str(a).title()", "md5(a).upper()"),
        *("', '.join(a)", "json.dumps(a)", "[each.nope() for each in a]", "f'{a}'", "datetime.datetime.now().nope()"),
        *("int(a).bit_length()", "_.items()", "{'x': a}['x']"),
        *("md5(str(b))", "datetime.date.today().isoformat()", "[each for each in [1, 2]][0]", "'c' in record"),
    ],
)
def test_what_the_sdk_and_the_stream_know_is_no_mistake(expression: str) -> None:
    assert said({"orders": {"value": expression}}) == []


@pytest.mark.parametrize(
    ("expression", "rule"),
    [
        ("nope(a)", "calls a function"),
        ("str(nope(a))", "calls a function"),
        ("nope", "names a column"),
        ("a + nope", "names a column"),
        ("record['nope']", "names a column"),
        ("_['nope'] or 1", "names a column"),
        ("self", "names a column"),
        ("config['nope']", "names a value that `stream_map_config`"),
        ("a.nope()", "calls a method"),
        ("a.strip().nope()", "calls a method"),
        ("record['a'].nope()", "calls a method"),
        ("self.nope() if a else None", "names a column"),
        ("int(a).nope", "calls a method"),
        ("md5(a).nope()", "calls a method"),
        ("'x'.nope()", "calls a method"),
        ("json.nope(a)", "calls a method"),
        ("a.__class__", "calls a method"),
        ("a = 1", "an expression expected"),
        ("lambda: 1", "has a part"),
    ],
)
def test_an_unknown_function_or_column_is_told_with_its_path(expression: str, rule: str) -> None:
    (mistake,) = said({"orders": {"value": expression}})
    assert mistake.startswith(f"stream_maps.orders.value: {rule}")
    assert "nope" not in mistake


def test_self_is_the_column_that_is_mapped() -> None:
    assert said({"orders": {"a": "self * 2", "b": "self * 2"}}) == []


def test_every_map_of_the_stream_is_looked_at_and_no_other() -> None:
    copy = {"__source__": "orders", "__filter__": "nope", "a": "nope"}
    maps: dict[str, Any] = {"copy": copy, "ord*": {"c": "x"}, "other": {"c": "x"}}
    mapper = PluginMapper({"stream_maps": maps}, logging.getLogger("test"))
    mapper.register_raw_stream_schema("orders", {"properties": {}}, [])
    (made, *_) = [each for each in mapper.stream_maps["orders"] if isinstance(each, CustomStreamMap)]
    paths = [mistake.partition(":")[0] for mistake in mistakes(maps, "orders", made, {"a"})]
    assert paths == ["stream_maps.copy.__filter__", "stream_maps.copy.a", "stream_maps.ord*.c"]


@pytest.mark.parametrize(
    ("stream_maps", "paths"),
    [
        ({"orders": {}, "o*": None, "copy": {"__source__": "orders"}, "__else__": None}, []),
        ({"order": {"email": None}}, ["stream_maps.order"]),
        ({"orders": {"__source__": "order"}, "x*": None}, ["stream_maps.orders.__source__", "stream_maps.x*"]),
    ],
)
def test_a_map_that_is_for_no_stream_is_named(stream_maps: dict[str, Any], paths: list[str]) -> None:
    assert unmet(stream_maps, ["orders", "users"]) == paths


def test_what_is_no_expression_is_told_with_its_path() -> None:
    wrong = {"a": 3, "b": {"canary": 1}, "c": None, "d": "a", "__filter__": True, "__key_properties__": ["a"]}
    rule = "an expression expected, as text; or null"
    assert misshaped({"orders": wrong, "users": None, "x": "y"}) == [
        f"stream_maps.orders.{name}: {rule}" for name in ("a", "b", "__filter__")
    ]
