"""Runs side by side, networks side by side, states beside a run that goes on: real processes, on each database."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hostile import THREE, Stage, balances, purchase, purchases, sent_with_other_bytes, start
from ledger_rows import changes
from patience import PATIENCE
from run_target import Target, encoded, record, schema, state

from target_adpostbacks.sandbox import Sandbox

pytestmark = [pytest.mark.slow, pytest.mark.machine_clock]


class Runs:
    """Runs on one ledger, each a process with a config of its own in the same folder."""

    def __init__(self, folder: Path, sandbox: Sandbox, ledger_url: str) -> None:
        self.target = Target(folder, sandbox.url, ledger_url=ledger_url, lock_wait_seconds=0)
        self.sandbox = sandbox
        self.stages: list[Stage] = []

    def start(self, lines: list[Any], **config: Any) -> Stage:
        self.stages.append(Stage(self.target, self.sandbox, start(self.target, **config), lines))
        return self.stages[-1]

    def end(self) -> None:
        """Nothing holds them any more: let each come to its end."""
        self.sandbox.faults = []
        for stage in self.stages:
            stage.end()

    def rows(self) -> list[tuple[str, str, str]]:
        rows = changes(self.target.config["ledger_url"])
        return sorted((row["network"], row["event_id"], row["reason"] or row["status"]) for row in rows)

    def times(self) -> set[int]:
        """How often the events came; each the same number of times, where nothing went wrong."""
        return {event["times"] for event in self.sandbox.received}


@pytest.fixture
def runs(tmp_path: Path, sandbox: Sandbox, ledger_url: str) -> Iterator[Runs]:
    made = Runs(tmp_path, sandbox, ledger_url)
    yield made
    made.end()


def all_are(what: str, count: int = 3) -> list[tuple[str, str, str]]:
    return sorted(("tiktok", f"evt-{number}", what) for number in range(1, count + 1))


def test_a_second_run_sends_nothing_while_the_first_one_is_sending(runs: Runs, sandbox: Sandbox) -> None:
    sandbox.faults = [{"hold": True, "times": 1}]
    first = runs.start(THREE)
    first.close_input()
    first.wait_for_request()
    second = runs.start(THREE)
    second.end()
    assert (second.process.returncode, second.states, second.requests) == (1, [], 0)
    assert "open 3 (busy 3)" in second.stderr
    assert balances(second.stderr)
    first.release()
    first.end()
    assert (first.process.returncode, first.states[-1], first.requests) == (0, 3, 1)
    assert runs.rows() == all_are("accepted")
    third = runs.start(THREE)
    third.end()
    assert (third.process.returncode, third.states[-1], third.requests) == (0, 3, 0)


def test_a_second_run_waits_for_the_first_one_and_sends_what_is_left(runs: Runs, sandbox: Sandbox) -> None:
    sandbox.faults = [{"hold": True, "times": 1}]
    first = runs.start(THREE)
    first.close_input()
    first.wait_for_request()
    second = runs.start(purchases(4), lock_wait_seconds=PATIENCE)
    second.close_input()
    second.wait_for_log("another run is sending to it; waiting for its end")
    first.release()
    first.end()
    second.end()
    assert (first.process.returncode, second.process.returncode, second.states[-1]) == (0, 0, 4)
    assert runs.rows() == all_are("accepted", 4)
    assert runs.times() == {1}


@pytest.mark.slow
def test_a_run_that_was_killed_keeps_nobody_away(runs: Runs, sandbox: Sandbox) -> None:
    sandbox.faults = [{"hold": True}]
    first = runs.start(THREE)
    first.close_input()
    first.wait_for_request()
    first.signal(signal.SIGKILL)
    first.process.wait(PATIENCE)
    sandbox.faults = []
    second = runs.start(THREE)
    second.end()
    assert (second.process.returncode, second.requests) == (0, 1)
    assert runs.rows() == all_are("accepted")


@pytest.mark.slow
def test_a_second_run_may_send_to_another_asset(runs: Runs, sandbox: Sandbox) -> None:
    sandbox.faults = [{"hold": True, "times": 1}]
    first = runs.start(THREE)
    first.close_input()
    first.wait_for_request()
    second = runs.start(purchases(3, network="reddit"))
    second.end()
    assert (second.process.returncode, second.states[-1]) == (0, 3)
    first.release()
    first.end()
    assert first.process.returncode == 0


@pytest.mark.slow
def test_runs_that_begin_together_send_each_conversion_once(runs: Runs, sandbox: Sandbox) -> None:
    lines = purchases(30)
    for _ in range(3):
        runs.start(lines, batch_size_rows=3)
    runs.end()
    codes = sorted(stage.process.returncode for stage in runs.stages)
    assert codes[0] == 0
    assert set(codes) <= {0, 1}
    assert runs.rows() == all_are("accepted", 30)
    assert runs.times() == {1}
    assert sent_with_other_bytes(sandbox) == []


@pytest.fixture
def slow_tap(tmp_path: Path, sandbox: Sandbox) -> Iterator[Runs]:
    made = Runs(tmp_path, sandbox, f"sqlite:///{tmp_path / 'adpostbacks.db'}")
    made.target.config["max_batch_age_seconds"] = 1
    yield made
    made.end()


def feed(stage: Stage, *lines: Any) -> None:
    assert stage.process.stdin
    stage.process.stdin.write(b"".join(encoded(line) for line in lines))
    stage.process.stdin.flush()


def test_states_follow_while_the_input_goes_on(slow_tap: Runs, sandbox: Sandbox) -> None:
    stage = slow_tap.start([schema()])
    for number in (1, 2, 3):
        feed(stage, record(**purchase(number)), state(number))
        stage.wait_for_state(number)
        assert len(sandbox.received) == number
    stage.signal(signal.SIGKILL)
    stage.process.wait(PATIENCE)
    assert slow_tap.rows() == all_are("accepted")  # a crash costs nothing of what was followed


@pytest.mark.slow
def test_a_network_that_is_down_does_not_cost_the_others_their_conversions(slow_tap: Runs, sandbox: Sandbox) -> None:
    sandbox.faults = [{"network": "reddit", "status": 503}]
    lines = [*purchases(1), *purchases(1, first=2, network="reddit"), *purchases(1, first=3)]
    stage = slow_tap.start(lines, max_retry_seconds=600, max_attempts=1000)
    stage.wait_until(lambda: len(sandbox.received) == 2 and slow_tap.rows() == [all_are("accepted")[n] for n in (0, 2)])
    stage.wait_for_state(1)
    stage.signal(signal.SIGKILL)
    stage.process.wait(PATIENCE)
    sandbox.faults = []
    again = slow_tap.start(lines)
    again.end()
    assert (again.process.returncode, again.states[-1], again.requests) == (0, 3, 1)
    assert slow_tap.times() == {1}
