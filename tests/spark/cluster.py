"""A Spark with two executors on this machine, a sandbox and a ledger for what its jobs send: a plugin of pytest."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from jobs import Place

from target_adpostbacks.sandbox import Sandbox

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

QUICK = "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC"
"""A JVM that lives for a minute compiles little."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    has_java = bool(shutil.which("java") or os.environ.get("JAVA_HOME"))
    for item in items:
        if "/tests/spark/" in str(item.path):
            item.add_marker(pytest.mark.spark)
            if not has_java:
                item.add_marker(pytest.mark.skip(reason="Spark needs Java 17 or newer, and there is none"))


@pytest.fixture(scope="session")
def events(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of Spark's event log."""
    return tmp_path_factory.mktemp("events")


@pytest.fixture(scope="session")
def spark(events: Path) -> Iterator[SparkSession]:
    """Two executors with a core each."""
    from pyspark.sql import SparkSession

    os.environ |= {"PYSPARK_PYTHON": sys.executable, "SPARK_LOCAL_IP": "127.0.0.1"}
    builder = SparkSession.builder.master("local-cluster[2,1,1024]")
    for name, value in {
        "spark.driver.extraJavaOptions": QUICK,
        "spark.executor.extraJavaOptions": QUICK,
        "spark.executor.memory": "700m",
        "spark.ui.enabled": "false",
        "spark.ui.showConsoleProgress": "false",
        "spark.eventLog.enabled": "true",
        "spark.eventLog.compress": "false",
        "spark.eventLog.dir": events.as_uri(),
        "spark.sql.shuffle.partitions": "2",
        "spark.sql.session.timeZone": "America/New_York",
        "spark.executorEnv.PYTHONPATH": str(Path(__file__).parent),
    }.items():
        builder = builder.config(name, value)
    session = builder.getOrCreate()
    session.sparkContext.setLogLevel("ERROR")
    yield session
    session.stop()


@pytest.fixture
def live_sandbox() -> Iterator[Sandbox]:
    """With today's clock."""
    with Sandbox() as running:
        yield running


@pytest.fixture
def place(tmp_path: Path, live_sandbox: Sandbox) -> Place:
    """With a ledger in SQLite, which both executors reach on this machine."""
    return Place(tmp_path, live_sandbox, f"sqlite:///{tmp_path}/ledger.db")


@pytest.fixture
def shared(tmp_path: Path, live_sandbox: Sandbox, postgres_url: str) -> Place:
    """With a ledger in PostgreSQL."""
    return Place(tmp_path, live_sandbox, postgres_url)
