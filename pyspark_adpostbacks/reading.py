"""Reads the ledger: the streams of ``tap-adpostbacks`` as DataFrames, with the types that the tap announces."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any

import pyarrow as pa
from pyspark.sql.datasource import DataSourceReader, InputPartition

from pyspark_adpostbacks.ledgers import shared_ledger
from pyspark_adpostbacks.options import TO_READ, InvalidOptions, checked, place_of
from target_adpostbacks.ledger import TABLES, LedgerReader, schema

SUMMARIES = ("daily", "health")
"""Streams that are added up, by one task."""
STREAMS = (*TABLES, *SUMMARIES)
ROWS = 10_000
"""Rows of a batch that Spark gets."""
CHANGES = 200_000
"""Changes of the ledger that a task reads, or more where that would be too many tasks."""
MOST_TASKS = 200

TEXT = ("STRING", pa.string())
SIMPLE = {
    "string": TEXT,
    "integer": ("BIGINT", pa.int64()),
    "number": ("DOUBLE", pa.float64()),
    "boolean": ("BOOLEAN", pa.bool_()),
    "date": ("DATE", pa.date32()),
    "date-time": ("TIMESTAMP", pa.timestamp("us", "UTC")),
}
"""Formats and types of JSON Schema, as Spark and Arrow have them."""


@dataclass
class Part(InputPartition):
    """The changes of the ledger after one seq, up to another."""

    after: int
    until: int


class Reader(DataSourceReader):
    """Reads one stream. Planned on the driver; pickled, without a secret, to every task. Raises InvalidOptions."""

    def __init__(self, options: Mapping[str, str]) -> None:
        said = checked(options, TO_READ)
        self.stream = stream_of(said)
        self._place = place_of(said)
        self._after = _number(said.get("after", "0"))
        self._host = os.uname().nodename

    def partitions(self) -> list[Part]:
        """Of a table, ranges of ``seq``; what is written from now on is left for the next reading.

        Raises UnusableLedger, and NoLedger where nothing was sent yet.
        """
        with self._ledger() as ledger:
            last = ledger.last_seq
        if self.stream in SUMMARIES:
            return [Part(self._after, last)]
        size = max(CHANGES, -(-(last - self._after) // MOST_TASKS))
        return [Part(after, min(after + size, last)) for after in range(self._after, last, size)] or [Part(last, last)]

    def read(self, partition: InputPartition) -> Iterator[pa.RecordBatch]:
        """The rows of one part, in batches."""
        assert isinstance(partition, Part)  # noqa: S101 - it is one of ours
        with self._ledger() as ledger:
            yield from batches(self.stream, self._rows(ledger, partition))

    def _ledger(self) -> LedgerReader:
        return LedgerReader(shared_ledger(self._place.read(), self._host))

    def _rows(self, ledger: LedgerReader, part: Part) -> Iterable[dict[str, Any]]:
        if self.stream == "daily":
            return ledger.daily(part.after)
        if self.stream == "health":
            from target_adpostbacks.singer.summaries import health_rows

            return health_rows(ledger)
        return ledger.changes(self.stream, part.after, part.until)


def stream_of(options: Mapping[str, str]) -> str:
    """Which stream is read. Raises InvalidOptions."""
    stream = options.get("stream", "").strip() or "deliveries"
    if stream not in STREAMS:
        raise InvalidOptions(f"stream: the ledger has no such stream to read; there are {', '.join(STREAMS)}")
    return stream


def columns_of(stream: str) -> dict[str, tuple[str, pa.DataType]]:
    """The columns of a stream: how Spark's DDL and Arrow call the type of each."""
    if stream in SUMMARIES:
        from target_adpostbacks.singer.summaries import SCHEMAS  # the SDK takes a while to import

        described = SCHEMAS[stream]
    else:
        described = schema(stream)
    return {name: _type(member) for name, member in described["properties"].items()}


def ddl(stream: str) -> str:
    """The schema of a stream, as Spark reads it."""
    return ", ".join(f"`{name}` {kind}" for name, (kind, _) in columns_of(stream).items())


def batches(stream: str, rows: Iterable[Mapping[str, Any]]) -> Iterator[pa.RecordBatch]:
    """Rows of a stream for Spark. What the ledger has as text becomes the time or day that it is."""
    kinds = {name: kind for name, (_, kind) in columns_of(stream).items()}
    written = pa.schema([(name, pa.string() if pa.types.is_temporal(kind) else kind) for name, kind in kinds.items()])
    rows = iter(rows)
    while some := [*islice(rows, ROWS)]:
        batch = pa.RecordBatch.from_pylist(some, written)
        yield pa.RecordBatch.from_arrays(
            [column.cast(kind) for column, kind in zip(batch.columns, kinds.values(), strict=True)], names=[*kinds]
        )


def _type(described: Mapping[str, Any]) -> tuple[str, pa.DataType]:
    types = described["type"]
    kind = types if isinstance(types, str) else next(each for each in types if each != "null")
    if kind != "object":
        return SIMPLE[described.get("format", kind)]
    if "properties" in described:
        members = {name: _type(member) for name, member in described["properties"].items()}
        inside = ", ".join(f"`{name}`: {kind}" for name, (kind, _) in members.items())
        return f"STRUCT<{inside}>", pa.struct([(name, arrow) for name, (_, arrow) in members.items()])
    value, arrow = _type(described["additionalProperties"])
    return f"MAP<STRING, {value}>", pa.map_(pa.string(), arrow)


def _number(text: str) -> int:
    if text.strip().isdecimal():
        return int(text)
    raise InvalidOptions("after: a seq of the ledger expected, a whole number")
