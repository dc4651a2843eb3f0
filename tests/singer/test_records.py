"""The records of an input without a run: what ``Records`` hands over is what a run would read."""

from __future__ import annotations

import gzip
import io
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from target_adpostbacks.singer.messages import UnreadableInput
from target_adpostbacks.singer.records import Place, Records

SCHEMA = {"type": "SCHEMA", "stream": "orders", "schema": {"properties": {"id": {}}}, "key_properties": ["id"]}


def read(*lines: Any, **config: Any) -> tuple[list[tuple[Mapping[str, Any], Place]], list[tuple[int, str]]]:
    """The records with their places, and the lines that are none with what is wrong."""
    records: list[tuple[Mapping[str, Any], Place]] = []
    bad: list[tuple[int, str]] = []
    encoded = b"".join((line if isinstance(line, bytes) else json.dumps(line).encode()) + b"\n" for line in lines)
    reader = Records(
        config,
        lambda record, place: records.append((record, place)),
        lambda refused, line: bad.append((line, str(refused))),
    )
    reader.read(io.BytesIO(encoded))
    return records, bad


def test_plain_lines_and_an_array_on_a_line_are_records() -> None:
    records, bad = read({"a": 1}, [{"a": 2}, {"a": 3}], b'{"a": 4}\r')
    assert [(record["a"], place.line) for record, place in records] == [(1, 1), (2, 2), (3, 2), (4, 3)]
    assert bad == []


def test_singer_records_have_their_stream_and_its_key() -> None:
    record = {"type": "RECORD", "stream": "orders", "record": {"id": 7}}
    records, _ = read(SCHEMA, record, {"type": "STATE", "value": {}})
    assert records == [({"id": 7}, Place("orders", ["id"], 2))]


def test_stream_maps_rename_filter_and_keep_deletions() -> None:
    maps = {"orders": {"__filter__": "id > 1", "order_id": "str(id)", "id": "id", "__else__": None}}
    rows = ({"id": 1}, {"id": 2}, {"id": 3, "_sdc_deleted_at": "2026-11-20"})
    lines = [{"type": "RECORD", "stream": "orders", "record": row} for row in rows]
    schema = {**SCHEMA, "schema": {"properties": {"id": {"type": "integer"}, "_sdc_deleted_at": {"type": "string"}}}}
    records, bad = read(schema, *lines, stream_maps=maps)
    assert [record["order_id"] for record, _ in records] == ["2", "3"]
    assert ["_sdc_deleted_at" in record for record, _ in records] == [False, True]
    assert bad == []


def test_an_expression_that_fails_costs_one_record() -> None:
    maps = {"conversions": {"value": "1 / cents"}}
    records, bad = read({"cents": 0}, {"cents": 2}, stream_maps=maps)
    assert [record["value"] for record, _ in records] == [0.5]
    assert bad == [(1, "stream_maps: an expression failed (ZeroDivisionError)")]


def test_the_lines_of_batch_files_are_records(tmp_path: Path) -> None:
    with gzip.open(tmp_path / "rows.gz", "wb") as file:
        file.write(b'{"id": 1}\nno JSON\n\n{"id": 2}\n')
    encoding = {"format": "jsonl", "compression": "gzip"}
    batch = {"type": "BATCH", "stream": "orders", "encoding": encoding, "manifest": [(tmp_path / "rows.gz").as_uri()]}
    records, bad = read(SCHEMA, batch)
    assert [(record["id"], place.line) for record, place in records] == [(1, 1), (2, 4)]
    assert bad == [(2, "line: malformed JSON")]


def test_what_a_run_could_not_read_is_told() -> None:
    with pytest.raises(UnreadableInput, match="looks like CSV"):
        read(b"a,b", b"1,2")
    with pytest.raises(UnreadableInput, match="before its schema"):
        read({"type": "RECORD", "stream": "orders", "record": {"id": 7}})
    with pytest.raises(UnreadableInput, match="stream 'conversions' can't be used"):
        read({"a": 1}, stream_maps={"conversions": {"b": "a ("}})
    with pytest.raises(UnreadableInput, match="stream_maps: can't be used"):
        read({"a": 1}, stream_maps={"__else__": "secret"})
    with pytest.raises(UnreadableInput, match=r"stream_maps.conversions.b: names a column"):
        read({"a": 1}, stream_maps={"conversions": {"b": "c"}})
    with pytest.raises(UnreadableInput, match=r"stream_maps.conversions.b: an expression expected"):
        read({"a": 1}, stream_maps={"conversions": {"b": 3}})


def test_rows_of_statistics_are_no_records() -> None:
    ads = {"type": "SCHEMA", "stream": "ads", "schema": {"properties": {}}, "key_properties": []}
    row = {"type": "RECORD", "stream": "ads", "record": {"spend": 1}}
    sale = {"type": "RECORD", "stream": "orders", "record": {"id": 1}}
    records, bad = read(SCHEMA, ads, row, sale, performance={"ads": {"preset": "tap-tiktok"}})
    assert ([place.stream for _, place in records], bad) == (["orders"], [])
