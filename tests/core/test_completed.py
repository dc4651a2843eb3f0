"""Defaults and constants: the quick way to read a record and the careful one agree."""

from __future__ import annotations

from typing import Any

import pytest
from conftest import COLUMNS, a_record
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from target_adpostbacks.core.conversion import Conversion, InvalidConversion
from target_adpostbacks.core.record import parse

VALUES: dict[str, list[Any]] = {
    "value": [5, "7.5", "much", 0],
    "currency": ["EUR", " usd ", "Taler"],
    "email": ["ada@example.com", ["ada@example.com", "b@example.com"], "null"],
    "phone": ["+14155550100"],
    "city": ["Bern", " Basel "],
    "country": ["Germany", "CH"],
    "event_source": ["app", "web"],
    "order_id": ["o-1", 17],
    "ttclid": ["E.C.P.other"],
    "description": ["x", "{{macro}}"],
    "consent": [True, False, "denied"],
    "properties": [{"plan": "gold"}, '{"plan": "free"}'],
    "contents": [[{"id": "s-1", "price": 3}]],
    "landing_url": ["https://example.com/?utm_campaign=Spring"],
}
STANDING_FOR_NOTHING = ("{{macro}}", "null")
columns = st.fixed_dictionaries({}, optional={name: st.sampled_from(values) for name, values in VALUES.items()})


def read(record: dict[str, Any], defaults: dict[str, Any], constants: dict[str, Any]) -> Conversion | str:
    try:
        conversion = parse(record, COLUMNS.completed(defaults, {}), over=constants)
    except InvalidConversion as invalid:
        return str(invalid)
    return replace(conversion, unusable=tuple(sorted({*conversion.unusable})))


@given(columns, columns, columns)
def test_a_column_completes_a_flat_record_as_if_it_had_stood_there(
    record: dict[str, Any], defaults: dict[str, Any], constants: dict[str, Any]
) -> None:
    record = a_record(**{name: value for name, value in record.items() if value not in STANDING_FOR_NOTHING})
    assert read(record, defaults, constants) == read({**defaults, **record, **constants}, {}, {})


@given(columns, columns, columns)
def test_it_does_not_matter_whether_the_record_is_read_at_once_or_with_care(
    record: dict[str, Any], defaults: dict[str, Any], constants: dict[str, Any]
) -> None:
    careful = a_record(**record) | {"nested": {"of": "no interest"}}  # an object is never read at once
    assert read(a_record(**record), defaults, constants) == read(careful, defaults, constants)


@pytest.mark.parametrize("column", VALUES)
@pytest.mark.parametrize("nested", [True, False])
def test_a_constant_of_none_takes_the_column_out_wherever_it_is(column: str, nested: bool) -> None:
    value = VALUES[column][0]
    record = a_record(order={column: value}) if nested else a_record(**{column: value})
    assert read(record, {}, {column: None}) == read(a_record(ttclid=None) if column == "ttclid" else a_record(), {}, {})


@pytest.mark.parametrize(("column", "value"), [("description", "{{macro}}"), ("email", "null"), ("city", "  ")])
def test_what_stands_for_nothing_is_lacking(column: str, value: str) -> None:
    default = {column: VALUES[column][0]}
    assert read(a_record(**{column: value}), default, {}) == read(a_record(**default), {}, {})
