"""Streams: a batch that was not delivered comes again from the checkpoint, and nothing is sent twice."""

from __future__ import annotations

import json
import time
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from jobs import SCHEMA, TOKEN, Place, ids, received, times, written
from patience import PATIENCE
from pyspark.errors import PySparkException

from target_adpostbacks.sandbox import Sandbox

if TYPE_CHECKING:
    from pyspark.sql import SparkSession
    from pyspark.sql.streaming.query import StreamingQuery

pytest_plugins = ["cluster"]


class Stream:
    """Files of JSON that come into a folder, and the query that sends them."""

    def __init__(self, spark: SparkSession, place: Place) -> None:
        self._spark, self._place = spark, place
        self._files = place.folder / "files"
        self._files.mkdir()

    def write(self, *numbers: int) -> None:
        """Let a file with conversions come in."""
        now = datetime.now(timezone.utc).isoformat()
        lines = [
            {
                "event_id": f"evt-{n}",
                "event_name": "purchase",
                "event_time": now,
                "network": "tiktok",
                "ttclid": "E.C.P.a",
            }
            for n in numbers
        ]
        (self._files / f"{numbers[0]}.json").write_text("".join(json.dumps(line) + "\n" for line in lines))

    def start(self, **options: Any) -> StreamingQuery:
        """Send all that has come; another query with the same checkpoint goes on where this one ends."""
        rows = self._spark.readStream.schema(SCHEMA).json(str(self._files))
        options = {
            "config": str(self._place.config),
            "checkpointLocation": f"{self._place.folder}/checkpoint",
            **options,
        }
        return rows.writeStream.format("adpostbacks").options(**options).trigger(availableNow=True).start()

    def run(self, **options: Any) -> None:
        """The same, until all is done."""
        self.start(**options).awaitTermination()


@pytest.fixture
def stream(spark: SparkSession, shared: Place) -> Stream:
    return Stream(spark, shared)


def test_a_stream_goes_on_from_its_checkpoint(
    stream: Stream, shared: Place, live_sandbox: Sandbox, events: Path
) -> None:
    stream.write(1, 2, 3)
    stream.run()
    assert received(live_sandbox) == ids(3)
    live_sandbox.faults = [{"status": 401}]
    stream.write(4, 5)
    with pytest.raises(PySparkException, match=r"2 conversions are not delivered yet: credentials 2\."):
        stream.run()
    live_sandbox.faults = []
    stream.write(6)
    stream.run()
    assert received(live_sandbox) == ids(6)
    assert times(live_sandbox) == {1}
    assert {*shared.statuses().values()} == {"accepted"}
    stream.run()
    assert "batchWatermarkMs" in written(shared.folder / "checkpoint")
    assert TOKEN not in written(shared.folder / "checkpoint") + written(events)


def test_a_stream_that_is_stopped_in_mid_request_sends_again_only_what_was_under_way(
    stream: Stream, shared: Place, live_sandbox: Sandbox
) -> None:
    shared.write(tiktok={**shared.settings["tiktok"], "request_timeout_seconds": 3})
    live_sandbox.faults = [{"hold": True, "times": 1}]
    stream.write(*range(1, 21))
    query = stream.start()
    until = time.monotonic() + PATIENCE
    while not received(live_sandbox) and time.monotonic() < until:
        time.sleep(0.1)
    query.stop()
    assert received(live_sandbox) == ids(20)  # its answer never came
    live_sandbox.faults = []
    stream.run()
    assert received(live_sandbox) == ids(20)
    assert times(live_sandbox) <= {1, 2}
    assert shared.statuses() == dict.fromkeys(ids(20), "accepted")


def test_what_stays_open_lets_the_stream_go_on_if_it_may(stream: Stream, shared: Place, live_sandbox: Sandbox) -> None:
    live_sandbox.faults = [{"status": 401}]
    stream.write(1)
    stream.run(allow_open=True)
    live_sandbox.faults = []
    stream.write(2)
    stream.run(allow_open=True)
    assert shared.statuses() == {"evt-1": "credentials", "evt-2": "accepted"}
