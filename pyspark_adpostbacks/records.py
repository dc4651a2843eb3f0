"""Arrow batches as records, a column at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pyarrow as pa

EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
OUT_OF_RANGE = "out of range"
"""Stands for a value that Spark can hold and Python can't, such as a day in the year 10000; no column takes it."""
Made = Callable[[Any], Any]


def records(batches: Iterable[pa.RecordBatch]) -> Iterator[dict[str, Any]]:
    """A record for each row: times, dates and decimals as Python's, structs and maps as objects."""
    for batch in batches:
        names, columns = batch.schema.names, [*map(_values, batch.columns)]
        for row in zip(*columns, strict=True):
            yield dict(zip(names, row, strict=True))


def _values(column: pa.Array) -> Sequence[Any]:
    import pyarrow as pa

    kind = column.type
    if pa.types.is_timestamp(kind) and kind.unit == "us":  # a tenth of what Arrow's own way takes
        start = EPOCH if kind.tz else EPOCH.replace(tzinfo=None)
        return [None if number is None else _moment(start, number) for number in column.cast(pa.int64()).to_pylist()]
    try:
        values: Sequence[Any] = column.to_pylist()
    except (OverflowError, ValueError):
        values = [*map(_in_range, column)]
    with_objects = _with_objects(kind)
    return [*map(with_objects, values)] if with_objects else values


def _moment(start: datetime, microseconds: int) -> Any:
    try:
        return start + timedelta(microseconds=microseconds)
    except OverflowError:
        return OUT_OF_RANGE


def _in_range(value: pa.Scalar) -> Any:
    try:
        return value.as_py()
    except (OverflowError, ValueError):
        return OUT_OF_RANGE


def _with_objects(kind: pa.DataType) -> Made | None:
    """Makes objects of a value's maps, which Arrow gives as lists of pairs; None for a type without maps."""
    import pyarrow as pa

    if pa.types.is_map(kind):
        inner = _with_objects(kind.item_type) or _same
        return lambda pairs: None if pairs is None else {str(key): inner(value) for key, value in pairs}
    if pa.types.is_struct(kind):
        members = {field.name: made for field in kind if (made := _with_objects(field.type))}
        if members:
            return lambda value: value and {**value, **{name: made(value[name]) for name, made in members.items()}}
    elif pa.types.is_list(kind) or pa.types.is_large_list(kind):
        each = _with_objects(kind.value_type)
        if each:
            return lambda values: values and [*map(each, values)]
    return None


def _same(value: Any) -> Any:
    return value
