"""Results as Parquet files, of a task without a cluster."""

from __future__ import annotations

import errno
import os
import stat
from datetime import datetime, timezone
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet
import pytest
from jobs import Place

from pyspark_adpostbacks.reading import columns_of
from pyspark_adpostbacks.results import Results
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


def test_a_file_is_on_the_disk_before_it_has_its_name_and_its_name_too_before_keys_are_committed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A compact ledger has no other row: what it has as accepted must outlive a loss of power."""
    happened: list[str] = []
    sync, rename = os.fsync, Path.rename

    def noting(descriptor: int) -> None:
        happened.append("folder" if stat.S_ISDIR(os.fstat(descriptor).st_mode) else "file")
        sync(descriptor)

    def renaming(path: Path, name: Path) -> Path:
        happened.append("name")
        return rename(path, name)

    results = Results(tmp_path / "results", "task")
    monkeypatch.setattr(os, "fsync", noting)
    monkeypatch.setattr(Path, "rename", renaming)
    results([{"event_id": "evt-1", "status": "accepted"}])
    assert happened == ["file", "name", "folder"]
    assert pa.parquet.read_table(tmp_path / "results" / "task-1.parquet").num_rows == 1


def test_a_disk_that_fails_raises_so_that_no_key_is_committed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(descriptor: int) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    results = Results(tmp_path, "task")
    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OSError, match=os.strerror(errno.EIO)):
        results([{"event_id": "evt-1", "status": "accepted"}])
    assert [*tmp_path.glob("task-*")] == []
