"""Columns of Arrow as records, without Spark: what Python can't hold, and what Arrow gives in another form."""

from __future__ import annotations

from datetime import date, datetime, timezone
from typing import Any

import pyarrow as pa
import pytest

from pyspark_adpostbacks.records import OUT_OF_RANGE, records

MILLENNIA = 300_000_000_000_000_000
"""Microseconds: past the year 9999."""
AT = datetime(2026, 11, 20, 12, 5, 0, 7, timezone.utc)
ZONED, NAIVE = pa.timestamp("us", "America/New_York"), pa.timestamp("us")
TAGS = pa.map_(pa.string(), pa.int32())


@pytest.mark.parametrize(
    ("kind", "value", "expected"),
    [
        (ZONED, AT, AT),
        (NAIVE, AT.replace(tzinfo=None), AT.replace(tzinfo=None)),
        (ZONED, MILLENNIA, OUT_OF_RANGE),
        (NAIVE, -MILLENNIA, OUT_OF_RANGE),
        (pa.date32(), date(2026, 11, 20), date(2026, 11, 20)),
        (pa.date32(), 5_000_000, OUT_OF_RANGE),
        (pa.struct({"at": ZONED}), {"at": MILLENNIA}, OUT_OF_RANGE),
        (TAGS, [("a", 1)], {"a": 1}),
        (pa.map_(pa.int32(), TAGS), [(7, [("a", None)])], {"7": {"a": None}}),
        (pa.struct({"m": TAGS, "n": pa.int32()}), {"m": [("a", 1)], "n": 2}, {"m": {"a": 1}, "n": 2}),
        (pa.list_(pa.struct({"m": TAGS})), [{"m": []}, None], [{"m": {}}, None]),
        (pa.large_list(TAGS), [[("a", 1)]], [{"a": 1}]),
        (pa.list_(pa.string()), ["a", None], ["a", None]),
    ],
    ids=str,
)
def test_a_column(kind: pa.DataType, value: Any, expected: Any) -> None:
    batch = pa.record_batch({"id": ["1", "2"], "column": pa.array([value, None], kind)})
    assert [*records([batch, batch.slice(0, 0)])] == [{"id": "1", "column": expected}, {"id": "2", "column": None}]
