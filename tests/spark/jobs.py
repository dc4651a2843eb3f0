"""Jobs of Spark for tests: what they send, the place of their config and ledger, and what came of them."""

from __future__ import annotations

import json
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any

from target_adpostbacks.ledger import LedgerReader
from target_adpostbacks.sandbox import Sandbox

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

TOKEN = "c4nary-t0ken-of-the-network"
"""In the config of every test, and never in what Spark keeps."""
SCHEMA = "event_id string, event_name string, event_time timestamp, network string, ttclid string"


class Place:
    """A folder with a config, and the ledger that it names."""

    def __init__(self, folder: Path, sandbox: Sandbox, ledger_url: str) -> None:
        self.folder, self.ledger_url = folder, ledger_url
        self.config = folder / "config.json"
        tiktok = {"access_token": TOKEN, "pixel_code": "D7VH38JC77U3LFDOLGRG", "base_url": sandbox.url}
        self.settings: dict[str, Any] = {"ledger_url": ledger_url, "tiktok": tiktok}
        self.write()

    def write(self, **settings: Any) -> None:
        """Change the config."""
        self.settings |= settings
        self.config.write_text(json.dumps(self.settings))

    def save(self, frame: DataFrame, **options: Any) -> None:
        """Send a DataFrame."""
        frame.write.format("adpostbacks").options(**{"config": str(self.config), **options}).mode("append").save()

    def rows(self, table: str = "deliveries") -> list[dict[str, Any]]:
        """The ledger's."""
        with LedgerReader(self.ledger_url) as ledger:
            return [*ledger.changes(table)]

    def statuses(self) -> dict[str, str]:
        """Event ids, each with what became of it: its reason where it has one."""
        return {row["event_id"]: row["reason"] or row["status"] for row in self.rows()}


def purchases(spark: SparkSession, count: int, partitions: int = 1, first: int = 1) -> DataFrame:
    """So many conversions, ``evt-1`` and so on, in so many partitions."""
    at = datetime.now(timezone.utc) - timedelta(hours=1)
    numbers = range(first, first + count)
    rows = [(f"evt-{number}", "purchase", at, "tiktok", "E.C.P.abc") for number in numbers]
    per_task = -(-count // partitions) or 1
    chunks = [rows[start : start + per_task] for start in range(0, count, per_task)]
    chunks += [[] for _ in range(partitions - len(chunks))]
    return spark.createDataFrame(spark.sparkContext.parallelize(chunks, partitions).flatMap(list), SCHEMA)


def ids(count: int, first: int = 1) -> list[str]:
    """Those of ``purchases``, sorted."""
    return sorted(f"evt-{number}" for number in range(first, first + count))


def received(sandbox: Sandbox) -> list[str]:
    """The event ids that the network has, sorted."""
    return sorted(event["event_id"] for event in sandbox.received)


def times(sandbox: Sandbox) -> set[int]:
    """How often events came."""
    return {event["times"] for event in sandbox.received}


def written(folder: Path) -> str:
    """All that is in the files of a folder."""
    return "".join(path.read_text(errors="replace") for path in folder.rglob("*") if path.is_file())
