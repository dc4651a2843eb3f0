"""Results as Parquet files, of a task without a cluster."""

from __future__ import annotations

from datetime import datetime, timezone

import pyarrow as pa
import pyarrow.parquet
import pytest
from jobs import Place

from pyspark_adpostbacks.reading import columns_of
from pyspark_adpostbacks.writing import Job
from target_adpostbacks.sandbox import Sandbox

pytest_plugins = ["cluster"]


@pytest.mark.parametrize("layout", ["full", "compact"])
def test_a_task_writes_what_became_of_its_rows(place: Place, live_sandbox: Sandbox, layout: str) -> None:
    place.write(ledger_layout=layout, **({"dedup_days": 40} if layout == "compact" else {}))
    now = datetime.now(timezone.utc)
    networks = ["tiktok"] * 5 + ["organic"]
    batch = pa.record_batch(
        {
            "event_id": [f"evt-{number}" for number in range(6)],
            "event_name": ["purchase"] * 6,
            "event_time": pa.array([now] * 6, pa.timestamp("us", "UTC")),
            "ttclid": ["E.C.P.a"] * 6,
            "network": networks,
        }
    )
    folder = place.folder / "new" / "results"
    job = Job({"config": str(place.config), "results": str(folder)}, batch.schema.names, overwrite=False)
    assert job.send([batch]).tally.accepted == 5
    table = pa.concat_tables([pa.parquet.read_table(file) for file in folder.iterdir()])
    found = {row["event_id"]: row["status"] for row in table.to_pylist()}
    assert found == {**{f"evt-{number}": "accepted" for number in range(5)}, "evt-5": "skipped"}
    assert table.schema.types == [kind for _, kind in columns_of("deliveries").values()]
    assert job.send([batch]).tally.already_accepted == 5
