"""Tasks with names, each a process of its own, that deliver to one asset at one time, on each database."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import datetime, timezone
from typing import Any

import pytest
import sqlalchemy as sa
from conftest import SETTINGS, a_record
from ledger_rows import changes
from patience import PATIENCE

from target_adpostbacks.sandbox import Sandbox

pytestmark = [pytest.mark.slow, pytest.mark.machine_clock]
HOUR = 3600
KILLS, SEED = (int(os.environ.get(name, usual)) for name, usual in (("KILLS", 4), ("SEED", 1)))
PROGRAM = """
import json, sys
import msgspec
from target_adpostbacks import deliver
records, config, owner = json.load(sys.stdin)
print(msgspec.json.encode(deliver(records, config, owner=owner)).decode())
"""


class Task:
    """A process that delivers under a name."""

    def __init__(self, config: dict[str, Any], owner: str, records: list[dict[str, Any]]) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", PROGRAM], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        assert self.process.stdin
        self.process.stdin.write(json.dumps([records, config, owner]).encode())
        self.process.stdin.close()
        self.process.stdin = None

    def tally(self) -> dict[str, Any]:
        said, mistakes = self.process.communicate(timeout=PATIENCE)
        assert self.process.returncode == 0, mistakes.decode()
        tally: dict[str, Any] = json.loads(said)
        return tally

    def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        self.process.communicate(timeout=PATIENCE)


class Job:
    """Tasks on one ledger, which send to one sandbox."""

    def __init__(self, sandbox: Sandbox, ledger_url: str) -> None:
        self.sandbox = sandbox
        self.ledger_url = ledger_url
        self.engine = sa.create_engine(ledger_url)
        self.tasks: list[Task] = []

    def start(self, owner: str, records: list[dict[str, Any]], **config: Any) -> Task:
        tiktok = {**SETTINGS["tiktok"], "base_url": self.sandbox.url}
        settings = {"tiktok": tiktok, "ledger_url": self.ledger_url, "lock_wait_seconds": 0, **config}
        self.tasks.append(Task(settings, owner, records))
        return self.tasks[-1]

    def age(self, seconds: float) -> None:
        """Let time pass for what is claimed."""
        with self.engine.begin() as connection:
            connection.execute(sa.text("UPDATE claim_owners SET until = until - :seconds"), {"seconds": seconds})
            connection.execute(
                sa.text("UPDATE claims SET requested_at = requested_at - :seconds"), {"seconds": seconds}
            )

    def bury(self, owner: str) -> None:
        """Let the lease of a task end that was killed."""
        with self.engine.begin() as connection:
            connection.execute(sa.text("DELETE FROM claim_owners WHERE owner = :owner"), {"owner": owner})

    def in_doubt(self) -> set[str]:
        """The conversions of which a task that died had sent a request."""
        rows = [*changes(self.ledger_url)]
        doubted = {row["delivery_id"] for row in changes(self.ledger_url, "history") if row["reason"] == "no_answer"}
        return {row["event_id"] for row in rows if row["delivery_id"] in doubted or row["reason"] == "no_answer"}

    def claimed(self, condition: str = "true") -> int:
        """How many claims there are."""
        if not sa.inspect(self.engine).has_table("claims"):
            return 0
        with self.engine.connect() as connection:
            (count,) = connection.execute(sa.text(f"SELECT count(*) FROM claims WHERE {condition}")).one()
        return int(count)

    def times(self) -> dict[str, int]:
        """How often each conversion came."""
        return {event["event_id"]: event["times"] for event in self.sandbox.received}

    def statuses(self) -> dict[str, str]:
        return {row["event_id"]: row["reason"] or row["status"] for row in changes(self.ledger_url)}

    def end(self) -> None:
        self.sandbox.faults = []
        for task in self.tasks:
            if task.process.poll() is None:
                task.kill()
        self.engine.dispose()


@pytest.fixture
def job(sandbox: Sandbox, ledger_url: str) -> Iterator[Job]:
    made = Job(sandbox, ledger_url)
    yield made
    made.end()


def purchases(count: int) -> list[dict[str, Any]]:
    now = datetime.now(timezone.utc).isoformat()
    return [a_record(event_id=f"evt-{number}", event_time=now) for number in range(count)]


def wait_until(condition: Callable[[], object]) -> None:
    until = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < until, "it never came"
        time.sleep(0.02)


def test_tasks_with_the_same_records_send_each_conversion_once(job: Job, sandbox: Sandbox) -> None:
    sandbox.faults = [{"delay_seconds": 0.02}, {"status": 503, "times": 3, "after": 5}]
    records = purchases(240)
    for number in range(3):
        shuffled = random.Random(number).sample(records, len(records))
        job.start(f"job/{number}", shuffled, batch_size_rows=7, lock_wait_seconds=PATIENCE, concurrency=3)
    tallies = [task.tally() for task in job.tasks]
    assert sum(tally["accepted"] for tally in tallies) == 240
    assert [tally["accepted"] + tally["already_accepted"] for tally in tallies] == [240] * 3
    assert job.times() == dict.fromkeys((record["event_id"] for record in records), 1)
    assert {*job.statuses().values()} == {"accepted"}
    assert job.claimed() == 0


def test_a_task_that_is_killed_in_a_request_has_an_heir_inside_the_networks_window(job: Job, sandbox: Sandbox) -> None:
    killed_in_a_request(job, sandbox)
    assert job.start("heir", purchases(3)).tally()["open"] == {"busy": 3}
    job.age(HOUR)
    assert job.start("heir/again", purchases(4)).tally()["accepted"] == 4
    assert job.times()["evt-3"] == 1
    assert {*job.statuses().values()} == {"accepted"}
    assert job.claimed() == 0


def test_and_outside_of_it_nobody_sends_it_again(job: Job, sandbox: Sandbox) -> None:
    killed_in_a_request(job, sandbox)
    job.age(49 * HOUR)
    tally = job.start("heir", purchases(4)).tally()
    assert (tally["accepted"], tally["open"]) == (1, {"no_answer": 3})
    assert job.statuses() == {f"evt-{number}": "no_answer" for number in range(3)} | {"evt-3": "accepted"}
    assert job.claimed() == 0
    tally = job.start("heir/again", purchases(4)).tally()
    assert (tally["already_accepted"], tally["open"]) == (1, {"no_answer": 3})


def test_tasks_that_are_killed_at_any_moment_leave_nothing_out_and_repeat_only_what_was_under_way(
    job: Job, sandbox: Sandbox
) -> None:
    chance = random.Random(SEED)
    sandbox.faults = [{"delay_seconds": 0.1}, {"status": 503, "times": 3, "after": 9}]
    records = purchases(150)
    how = {"batch_size_rows": 5, "concurrency": 2}
    for number in range(KILLS):
        tasks = {
            f"job/{number}/{each}": job.start(f"job/{number}/{each}", chance.sample(records, len(records)), **how)
            for each in range(2)
        }
        before = len(sandbox.requests)
        wait_until(lambda before=before: len(sandbox.requests) > before or all_have_ended(job))  # type: ignore[misc]
        time.sleep(chance.random())
        for owner, task in tasks.items():
            task.kill()
            job.bury(owner)
    tally = job.start("last", records, **how).tally()
    assert (tally["accepted"] + tally["already_accepted"], tally["open"]) == (150, {})
    repeated = {event_id for event_id, times in job.times().items() if times > 1}
    assert job.times().keys() == {record["event_id"] for record in records}
    assert repeated <= job.in_doubt()
    assert job.claimed() == 0


def all_have_ended(job: Job) -> bool:
    return all(task.process.poll() is not None for task in job.tasks)


def killed_in_a_request(job: Job, sandbox: Sandbox) -> None:
    """A task died while the network had three conversions and had not answered."""
    sandbox.faults = [{"hold": True}]
    task = job.start("dead", purchases(3))
    wait_until(lambda: job.claimed("requested_at IS NOT NULL") == 3 and sandbox.requests)
    task.kill()
    sandbox.faults = []
    assert job.statuses() == {}


def test_what_a_task_had_not_sent_when_it_was_killed_is_sent(job: Job, sandbox: Sandbox) -> None:
    task = job.start("dead", purchases(6), batch_size_rows=3, requests_per_second=0.01)
    wait_until(lambda: sandbox.received and len(job.statuses()) == 3 and job.claimed("requested_at IS NULL") == 3)
    task.kill()
    job.age(60 * HOUR)
    tally = job.start("heir", purchases(6)).tally()
    assert (tally["accepted"], tally["already_accepted"]) == (3, 3)
    assert {*job.times().values()} == {1}


def test_a_task_that_was_asleep_sends_no_retry_of_what_its_heir_has_sent(job: Job, sandbox: Sandbox) -> None:
    sandbox.faults = [{"hold": True, "status": 503, "times": 1}]
    slow = job.start("slow", purchases(3))
    wait_until(lambda: job.claimed("requested_at IS NOT NULL") == 3 and sandbox.requests)
    slow.process.send_signal(signal.SIGSTOP)
    job.age(HOUR)
    assert job.start("heir", purchases(3)).tally()["accepted"] == 3
    sandbox.faults = []
    slow.process.send_signal(signal.SIGCONT)
    tally = slow.tally()
    assert tally["already_accepted"] + tally["accepted"] == 3
    assert {*job.times().values()} == {1}


def test_a_task_with_the_name_of_a_killed_one_goes_on_at_once(job: Job, sandbox: Sandbox) -> None:
    killed_in_a_request(job, sandbox)
    assert job.start("dead", purchases(3)).tally()["accepted"] == 3
    assert job.claimed() == 0
