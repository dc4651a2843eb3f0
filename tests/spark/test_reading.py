"""The ledger as DataFrames: its streams with types, in parts, and what is refused."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

import pytest
from jobs import TOKEN, Place, purchases
from pyspark.errors import AnalysisException, PySparkException

from pyspark_adpostbacks import DefaultSource
from pyspark_adpostbacks.options import InvalidOptions
from pyspark_adpostbacks.reading import STREAMS, Part, Reader, columns_of
from target_adpostbacks.ledger import TABLES
from target_adpostbacks.sandbox import Sandbox
from target_adpostbacks.singer.tap import TapAdpostbacks

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

pytest_plugins = ["cluster"]


def read(spark: SparkSession, place: Place, **options: Any) -> DataFrame:
    return spark.read.format("adpostbacks").options(config=str(place.config), **options).load()


def test_every_stream_of_the_tap_is_a_dataframe(spark: SparkSession, place: Place, live_sandbox: Sandbox) -> None:
    place.save(purchases(spark, 5))
    live_sandbox.faults = [{"status": 401}]
    place.save(purchases(spark, 1, first=6), allow_open=True)
    assert {stream.name for stream in TapAdpostbacks(config={}).discover_streams()} == {*STREAMS}
    frames = {stream: read(spark, place, stream=stream) for stream in STREAMS}
    counts = {stream: frame.count() for stream, frame in frames.items()}
    assert counts == {
        "deliveries": 6,
        "attempts": 2,
        "history": 0,
        "runs": 2,
        "performance": 0,
        "daily": 1,
        "health": 1,
    }
    for stream, frame in frames.items():
        assert frame.columns == [*columns_of(stream)]
    today = datetime.now(timezone.utc)
    row = read(spark, place).where("event_id = 'evt-3'").first()
    assert row
    assert (row.status, row.test, row.attempts, row.http_status, row.value) == ("accepted", False, 1, 200, None)
    assert frames["deliveries"].schema["sent_at"].dataType.typeName() == "timestamp"
    assert 0 <= (today - row.sent_at.astimezone(timezone.utc)).total_seconds() < 300
    day = frames["daily"].first()
    assert day
    assert (day.accepted, day.open, day.day) == (5, 1, row.event_time.astimezone(timezone.utc).date())
    health = frames["health"].first()
    assert health
    assert (health.state, health.last_24h.accepted, health.open_money) == ("credential_failures", 5, {})


def test_only_what_changed_after_a_seq_is_read(spark: SparkSession, place: Place, live_sandbox: Sandbox) -> None:
    place.save(purchases(spark, 3))
    newest = max(row["seq"] for row in place.rows())
    place.save(purchases(spark, 2, first=4))
    assert {row.event_id for row in read(spark, place, after=newest).collect()} == {"evt-4", "evt-5"}
    assert read(spark, place, after=10_000).count() == 0


def test_parts_have_every_row_once(place: Place, live_sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    from target_adpostbacks import deliver

    now = datetime.now(timezone.utc).isoformat()
    records = [{"event_id": f"e{n}", "event_name": "lead", "event_time": now, "ttclid": "E.C.P.a"} for n in range(50)]
    assert deliver(records, place.settings).accepted == 50
    monkeypatch.setattr("pyspark_adpostbacks.reading.CHANGES", 7)
    monkeypatch.setattr("pyspark_adpostbacks.reading.ROWS", 4)
    reader = Reader({"config": str(place.config)})
    parts = reader.partitions()
    assert len(parts) > 5
    found = [row["event_id"] for part in parts for batch in reader.read(part) for row in batch.to_pylist()]
    assert sorted(found) == sorted(record["event_id"] for record in records)
    monkeypatch.setattr("pyspark_adpostbacks.reading.MOST_TASKS", 3)
    assert len(reader.partitions()) <= 3
    last = max(part.until for part in parts)
    assert Reader({"config": str(place.config), "after": str(last)}).partitions() == [Part(last, last)]


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"stream": TOKEN}, f"stream: the ledger has no such stream to read; there are {', '.join(TABLES)}, daily"),
        ({"after": TOKEN}, "after: a seq of the ledger expected"),
        ({"allow_open": "true"}, "allow_open: no such option"),
        ({"ledger_url": TOKEN}, "ledger_url: no such option"),
    ],
)
def test_a_wrong_option_is_refused(options: dict[str, str], told: str) -> None:
    with pytest.raises(InvalidOptions) as refused:
        DefaultSource(options).reader(None)  # type: ignore[arg-type]
    assert told in str(refused.value)
    assert TOKEN not in str(refused.value)


def test_a_ledger_that_is_not_there_is_an_error(spark: SparkSession, place: Place) -> None:
    with pytest.raises(PySparkException, match=r"no ledger at .*ledger\.db yet; the first run creates it"):
        read(spark, place).count()
    with pytest.raises(AnalysisException, match="there are deliveries, attempts"):
        read(spark, place, stream="orders")
