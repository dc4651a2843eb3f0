"""DataFrames to a network: two executors, each conversion once, and what of its values arrives."""

from __future__ import annotations

import json
from datetime import date, datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from jobs import TOKEN, Place, ids, purchases, received, times, written
from pyspark.errors import AnalysisException, PySparkException

from target_adpostbacks import deliver
from target_adpostbacks.sandbox import Sandbox

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

pytest_plugins = ["cluster"]


def test_a_dataframe_is_delivered_and_a_second_time_nothing_is_sent(
    spark: SparkSession, place: Place, live_sandbox: Sandbox
) -> None:
    frame = purchases(spark, 1_500, partitions=3)  # a part of each executor, and one that is empty
    frame = frame.repartition(2, "event_id")
    place.write(lock_wait_seconds=60)
    place.save(frame, stream="orders")
    assert received(live_sandbox) == ids(1_500)
    assert {*place.statuses().values()} == {"accepted"}
    assert {row["stream"] for row in place.rows()} == {"orders"}
    place.save(frame)
    assert times(live_sandbox) == {1}
    assert len(place.rows("runs")) == 4


def test_an_empty_dataframe_and_empty_partitions_are_no_runs(
    spark: SparkSession, place: Place, live_sandbox: Sandbox
) -> None:
    place.save(purchases(spark, 0))
    place.save(purchases(spark, 1, partitions=3))
    assert received(live_sandbox) == ["evt-1"]
    assert len(place.rows("runs")) == 1


def test_values_arrive_as_those_of_a_record_in_json(spark: SparkSession, place: Place, live_sandbox: Sandbox) -> None:
    """Decimals, times with a zone and without one, dates, structs, maps, arrays, nulls."""
    at = datetime.now(timezone.utc).replace(microsecond=0) - timedelta(days=1)
    naive = at.replace(tzinfo=None)
    schema = (
        "event_id string, event_name string, event_time timestamp_ntz, click_time timestamp, value decimal(18, 4),"
        " currency string, birth_date date, user struct<email: string, phone: string, since: timestamp>,"
        " contents array<struct<id: string, quantity: int, price: decimal(10, 2)>>, properties map<string, string>,"
        " more struct<tags: array<map<string, int>>>, num_items int, network string, ttclid string, ratio double,"
        " flag boolean, test boolean, raw binary"
    )
    rows: list[tuple[Any, ...]] = [
        (
            "evt-1", "purchase", naive, at, Decimal("10.5000"), "EUR", date(1990, 5, 17),
            ("Ada@Example.com", None, at), [("sku-1", 2, Decimal("5.25")), None], {"color": "red", "size": None},
            ([{"a": 1}, None],), 2, "tiktok", "E.C.P.abc", float("nan"), True, None, bytearray(b"\x00\xff"),
        ),
        ("evt-2", "purchase", naive, *[None] * 9, "tiktok", "E.C.P.abc", None, None, None, None),
    ]  # fmt: skip
    place.save(spark.createDataFrame(rows, schema).coalesce(1))
    records = [
        {
            "event_id": "evt-1", "event_name": "purchase", "event_time": at.isoformat(), "click_time": at.isoformat(),
            "value": 10.5, "currency": "EUR", "birth_date": "1990-05-17", "user": {"email": "Ada@Example.com"},
            "contents": [{"id": "sku-1", "quantity": 2, "price": 5.25}, None],
            "properties": {"color": "red", "size": None}, "more": {"tags": [{"a": 1}, None]}, "num_items": 2,
            "network": "tiktok", "ttclid": "E.C.P.abc", "flag": True,
        },
        {"event_id": "evt-2", "event_name": "purchase", "event_time": at.isoformat(), "network": "tiktok",
         "ttclid": "E.C.P.abc"},
    ]  # fmt: skip
    payloads = {event["event_id"]: event["payload"] for event in live_sandbox.received}
    live_sandbox.reset()
    config = {**place.settings, "ledger_url": f"sqlite:///{place.folder}/json.db"}
    assert deliver(map(json.loads, map(json.dumps, records)), config).accepted == 2
    assert payloads == {event["event_id"]: event["payload"] for event in live_sandbox.received}
    assert payloads["evt-1"]["properties"]["value"] == 10.5


def test_a_file_that_was_added_to_the_job_is_a_config(spark: SparkSession, place: Place, live_sandbox: Sandbox) -> None:
    named = place.folder / "added-adpostbacks.json"
    named.write_text(place.config.read_text())
    spark.sparkContext.addFile(str(named))
    place.save(purchases(spark, 1), config=named.name)
    assert received(live_sandbox) == ["evt-1"]


def test_what_stays_open_fails_the_job_unless_it_may(spark: SparkSession, place: Place, live_sandbox: Sandbox) -> None:
    live_sandbox.faults = [{"status": 401}]
    with pytest.raises(PySparkException, match=r"3 conversions are not delivered yet: credentials 3\."):
        place.save(purchases(spark, 3))
    place.save(purchases(spark, 3), allow_open=True)
    assert {*place.statuses().values()} == {"credentials"}
    live_sandbox.faults = []
    place.save(purchases(spark, 3))
    assert {*place.statuses().values()} == {"accepted"}


def test_a_job_of_which_nothing_is_valid_fails(spark: SparkSession, place: Place) -> None:
    frame = purchases(spark, 6).drop("event_time")
    with pytest.raises(PySparkException, match="6 of 6 records were invalid"):
        place.save(frame)
    place.write(fail_above_invalid_percent=None)
    place.save(frame)


def test_mistakes_are_told_in_the_error_of_the_job(spark: SparkSession, place: Place, live_sandbox: Sandbox) -> None:
    frame = purchases(spark, 1)
    with pytest.raises(AnalysisException, match="what networks were told can't be overwritten"):
        frame.write.format("adpostbacks").option("config", str(place.config)).mode("overwrite").save()
    place.write(tiktok={**place.settings["tiktok"], "pixel_cod": TOKEN})
    with pytest.raises(PySparkException, match=r"tiktok\.pixel_cod: no such setting; did you mean pixel_code") as told:
        place.save(frame)
    assert TOKEN not in str(told.value)
    assert live_sandbox.requests == []


def test_no_secret_is_in_the_event_log(spark: SparkSession, place: Place, live_sandbox: Sandbox, events: Path) -> None:
    place.save(purchases(spark, 1))
    assert len(received(live_sandbox)) == 1
    assert "AppendData" in written(events)
    assert TOKEN not in written(events)
