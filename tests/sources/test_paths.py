"""Paths: the one way in which settings say where in a record something is."""

from __future__ import annotations

import json
import pickle
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from sourced import records

from target_adpostbacks.core.paths import ABSENT, BadPath, Path, spellings_of

ROW: dict[str, Any] = {
    "{created_at}": 1,
    "[order_id]": 2,
    "a.b": 3,
    "a": {"b": 4, "0": 5},
    "list": [{"key": "k", "value": 6}, {"name": "k", "value": 7}, {"name": "n", "value": 8}, "no object", None],
    "typed": [{"key": "k", "value": {"string_value": None, "int_value": 9, "double_value": None}}],
    "text": '{"k": [{"t": 10}, {"t": 11}]}',
    "gid": "gid://shopify/Order/55?key=1",
    "short": "gid://shopify/Order/",
    "Cased": {"Inner": 12},
    "null": None,
}


def found(text: str, row: dict[str, Any] | None = None) -> Any:
    """What a path leads to; ``"nothing"`` where there is nothing."""
    row = ROW if row is None else row
    reader = Path(text).reader(row, spellings_of(row))
    value = ABSENT if reader is None else reader(row)
    return "nothing" if value is ABSENT else value


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("{created_at}", 1),
        ("[order_id]", 2),
        ("a.b", 3),
        ("a[b]", 4),
        ("a[0]", 5),
        ("a.0", 5),
        ("list[k]", 6),
        ("list[n]", 8),
        ("list[0].value", 6),
        ("list[-3].value", 8),
        ("list[9]", "nothing"),
        ("list[-9]", "nothing"),
        ("list[x]", "nothing"),
        ("list.k", "nothing"),
        ("typed[k]", 9),
        ("text.k[0].t", 10),
        ("text[k][-1].t", 11),
        ("text.k.t", "nothing"),
        ("gid.Order", "55"),
        ("gid[Order]", "55"),
        ("gid.order", "nothing"),
        ("short.Order", "nothing"),
        ("cased.Inner", 12),
        ("cased.inner", "nothing"),
        ("null", None),
        ("null.a", "nothing"),
        ("a.b.c", "nothing"),
        ("missing.a", "nothing"),
    ],
)
def test_a_path_leads_to_a_value(path: str, value: Any) -> None:
    assert found(path) == value


@pytest.mark.parametrize("path", ["", " ", "a..b", ".a", "a.", "a[", "a]", "a[b", "a[]", "a[ ]", "a[b]c", "a" * 301])
def test_what_is_no_path_is_refused_without_its_text(path: str) -> None:
    with pytest.raises(BadPath) as refused:
        Path(path.replace("a", "canary"))
    assert "canary" not in str(refused.value)


def test_every_entry_of_a_list_is_led_to_where_that_is_asked_for() -> None:
    every = Path("text.k[].t", every=True)
    assert [*every.every_value(ROW)] == [10, 11]
    assert [*pickle.loads(pickle.dumps(every)).every_value(ROW)] == [10, 11]
    assert [*Path("a[].t", every=True).every_value(ROW)] == []


names = st.sampled_from(["a", "B", "c d", "é$"])
"""Few, so that a path often leads somewhere."""
scalars = st.none() | st.booleans() | st.integers(-5, 5) | st.text(max_size=5)
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=3), max_leaves=12
)


@given(st.dictionaries(names, values, min_size=1, max_size=4), st.lists(names, min_size=1, max_size=4))
@example({"a": {"B": {"c d": 0}}}, ["a", "B", "c d"])
def test_members_are_what_python_finds_step_by_step(row: dict[str, Any], steps: list[str]) -> None:
    value: Any = row
    for step in steps:
        value = value.get(step, "nothing") if isinstance(value, dict) else "nothing"
    assert found(".".join(steps), row) == value


@given(st.dictionaries(names, values, min_size=1, max_size=4), st.lists(names, min_size=2, max_size=4))
@example({"a": {"B": {"c d": 0}}}, ["a", "B", "c d"])
def test_json_text_is_read_as_what_it_says(row: dict[str, Any], steps: list[str]) -> None:
    written = {name: json.dumps(value) if isinstance(value, (dict, list)) else value for name, value in row.items()}
    assert found(".".join(steps), written) == found(".".join(steps), row)


@given(st.text("ab.[]0-1 {}", max_size=12), st.dictionaries(names, values, max_size=4))
def test_any_text_is_a_path_or_refused_and_any_row_is_read(text: str, row: dict[str, Any]) -> None:
    try:
        path = Path(text)
    except BadPath:
        return
    found(path.text, row)
    assert None not in [*Path(text, every=True).every_value(row)]


@given(st.dictionaries(st.sampled_from(["id", "Email", "total", "customer", "items", "status"]), values, max_size=6))
def test_no_row_breaks_a_source(row: dict[str, Any]) -> None:
    mine = {
        "fields": {
            "event_id": "id",
            "event_time": ["total", "customer.at"],
            "email": ["email", "customer.email"],
            "click_ids": "customer[*]",
            "contents": "items",
        },
        "item_fields": {"id": ["sku", "id"]},
        "rows": [{"when": "at('status') != 'x'", "event": "purchase"}],
        "deleted": "customer.gone",
        "id_columns": ["id", "total"],
    }
    (record,) = records({"source": "mine", "sources": {"mine": mine}}, row, "rows")
    assert record
