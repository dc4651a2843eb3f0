"""Tasks that die, executors that are lost, second copies: nothing is lost, only what was under way may come twice.

The ledger is in PostgreSQL, and two tasks send to one pixel at once.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest
from jobs import Place, ids, purchases, received, times
from patience import PATIENCE
from processes import executors, workers

from target_adpostbacks.sandbox import Sandbox

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

pytest_plugins = ["cluster"]
COUNT = 400


@pytest.fixture
def slow(shared: Place) -> Place:
    """Requests of ten conversions, one after the other, whose claims end soon."""
    tiktok = {**shared.settings["tiktok"], "request_timeout_seconds": 3, "concurrency": 1}
    shared.write(tiktok=tiktok, batch_size_rows=10)
    return shared


@pytest.fixture
def beside(spark: SparkSession) -> Iterator[Callable[..., Future[Any]]]:
    """Calls a function on another thread; there, too, the session is the active one."""
    jvm: Any = spark.sparkContext._jvm
    session = jvm.org.apache.spark.sql.classic.SparkSession
    with ThreadPoolExecutor(initializer=session.setActiveSession, initargs=(spark._jsparkSession,)) as pool:
        yield pool.submit


def wait_for(count: int, sandbox: Sandbox, job: Future[Any]) -> None:
    """Until the network has so many conversions, while the job goes on."""
    until = time.monotonic() + PATIENCE
    while len(received(sandbox)) < count:
        assert time.monotonic() < until, "it has not come to that"
        if job.done():
            pytest.fail(f"the job has ended: {job.exception()}")
        time.sleep(0.05)


def assert_all_are_told(place: Place, sandbox: Sandbox, under_way: int = 0) -> None:
    """Every conversion once, but for so many that were in requests when their task died; the ledger says the same."""
    assert received(sandbox) == ids(COUNT)
    assert place.statuses() == dict.fromkeys(ids(COUNT), "accepted")
    assert times(sandbox) <= {1, 2}
    assert sum(event["times"] - 1 for event in sandbox.received) <= under_way


def test_two_tasks_send_to_one_pixel_at_once(spark: SparkSession, slow: Place, live_sandbox: Sandbox) -> None:
    slow.write(lock_wait_seconds=0)  # a task that waited for the pixel would leave its conversions open
    live_sandbox.faults = [{"delay_seconds": 0.3}]
    slow.save(purchases(spark, COUNT, partitions=2))
    assert_all_are_told(slow, live_sandbox)
    first, second = slow.rows("runs")
    assert first["started_at"] < second["ended_at"]
    assert second["started_at"] < first["ended_at"]


def test_a_task_that_is_killed_in_mid_request_is_run_again(
    spark: SparkSession, slow: Place, live_sandbox: Sandbox, beside: Callable[..., Future[Any]]
) -> None:
    live_sandbox.faults = [{"hold": True, "after": 3, "times": 2}]
    job = beside(slow.save, purchases(spark, COUNT, partitions=2))
    wait_for(50, live_sandbox, job)
    for pid in workers():
        os.kill(pid, signal.SIGKILL)
    live_sandbox.faults = []
    job.result(timeout=PATIENCE)
    assert_all_are_told(slow, live_sandbox, under_way=20)
    assert sum(row["ended_at"] is None for row in slow.rows("runs")) == 2


def test_a_second_copy_of_a_task_sends_nothing_twice(
    spark: SparkSession, slow: Place, live_sandbox: Sandbox, beside: Callable[..., Future[Any]]
) -> None:
    """As speculation makes one, which Spark does on other hosts only: here as a second job at the same time."""
    live_sandbox.faults = [{"delay_seconds": 0.3}]
    jobs = [beside(slow.save, purchases(spark, COUNT, partitions=1)) for _ in range(2)]
    for job in jobs:
        job.result(timeout=PATIENCE)
    assert_all_are_told(slow, live_sandbox)
    first, second = slow.rows("runs")
    assert first["started_at"] < second["ended_at"]
    assert second["started_at"] < first["ended_at"]


def test_an_executor_that_is_lost_is_no_loss(
    spark: SparkSession, slow: Place, live_sandbox: Sandbox, beside: Callable[..., Future[Any]]
) -> None:
    live_sandbox.faults = [{"hold": True, "after": 3, "times": 1}]
    job = beside(slow.save, purchases(spark, COUNT, partitions=2))
    wait_for(40, live_sandbox, job)
    os.kill(executors()[0], signal.SIGKILL)
    live_sandbox.faults = []
    job.result(timeout=PATIENCE)
    assert_all_are_told(slow, live_sandbox, under_way=20)
