"""The real command with worker processes does what it does without: streams, SCHEMA messages, maps, kills, signals."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from eager import LINE_BY_LINE, command, workers_of
from local_server import LocalServer, local_server
from observed import Observed, observe
from patience import PATIENCE
from run_target import Target, a_purchase, encoded, ended, record, schema, state
from test_same_results import came_of
from untidy import full_config, plain_config

from target_adpostbacks.sandbox import Sandbox

pytestmark = pytest.mark.slow


@pytest.fixture
def server() -> Iterator[LocalServer]:
    with local_server() as server:
        yield server


def alive(process: subprocess.Popen[bytes]) -> list[int]:
    return [*filter(is_alive, workers_of(process))]


def wait_until(condition: Callable[[], object]) -> None:
    until = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < until, "it never came"
        time.sleep(0.01)


def is_alive(pid: int) -> bool:
    with suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    return False


@pytest.mark.parametrize(("count", "config"), [(1500, full_config), (20_000, plain_config), (20_000, full_config)])
def test_events_ledger_log_and_state_are_the_same_with_workers_and_without(
    server: LocalServer, tmp_path: Path, count: int, config: Any
) -> None:
    without = came_of(server, tmp_path, count, config, command=command(LINE_BY_LINE))
    for workers in (0, 1, 3) if count < 20_000 else (0, 2):
        folder = tmp_path / str(workers)
        folder.mkdir()
        with_some = came_of(server, folder, count, config, command=command(workers))
        assert len(with_some.events) > count / 2
        assert "\n".join(without.differences(with_some)) == ""


def lines_of(*messages: Any) -> list[bytes]:
    return [encoded(message)[:-1] for message in messages]


KEYED = [{**a_purchase(number), "event_id": None, "order_key": f"o-{number}"} for number in range(200)]
PROPERTIES: dict[str, Any] = {name: {} for name in (*a_purchase(), "order_key")}
INPUTS: Mapping[str, tuple[Sequence[Any], Mapping[str, Any]]] = {
    "another key, again and again": (
        [
            message
            for number in range(9)
            for message in (
                schema(key=["order_key"] if number % 2 else []),
                *(record(**each) for each in KEYED[number * 20 :][:20]),
                state(number),
            )
        ],
        {},
    ),
    "a stream that begins late, and one that has no schema": (
        [
            schema(),
            *(record(**a_purchase(number)) for number in range(50)),
            schema("late", ["order_key"]),
            *(record(("late", "conversions")[number % 2], **each) for number, each in enumerate(KEYED)),
            state(1),
            record("nobody", **a_purchase(900)),
            record(**a_purchase(901)),
        ],
        {},
    ),
    "plain objects, then messages": (
        [
            *(a_purchase(number) for number in range(60)),
            [a_purchase(61), a_purchase(62)],
            b"",
            schema(),
            *(record(**a_purchase(number)) for number in range(100, 160)),
            a_purchase(170),
            state(2),
        ],
        {},
    ),
    "stream maps": (
        [
            {**schema(), "schema": {"properties": PROPERTIES}, "key_properties": ["order_key"]},
            *(record(**{**each, "number": number}) for number, each in enumerate(KEYED)),
            {**schema(), "schema": {"properties": {**PROPERTIES, "number": {}}}, "key_properties": []},
            *(record(**{**each, "number": number}) for number, each in enumerate(KEYED)),
            schema("left out"),
            *(record("left out", **each) for each in KEYED[:30]),
            state(3),
        ],
        {
            "stream_maps": {
                "conversions": {"value": "100 / (number - 7)", "currency": "'EUR'", "__filter__": "number % 10 != 3"},
                "copies": {"__source__": "conversions", "event_name": "'lead'", "__key_properties__": ["order_key"]},
                "__else__": None,
            }
        },
    ),
    "lines that are too long": (
        [
            schema(),
            *(record(**a_purchase(number)) for number in range(10)),
            b"x" * (10 * 2**20 + 1),
            record(**a_purchase(11)),
            record(**a_purchase(12, description="x" * 2**20)),
            b'{"event_id": "long", "x": "' + b"x" * (11 * 2**20) + b'"}',
            *(record(**a_purchase(number)) for number in range(20, 30)),
            state(4),
        ],
        {},
    ),
    "a name and a path that nobody has": (
        [schema(key=["order_key"]), *(record(**each) for each in KEYED), record(**a_purchase(300, total=3)), state(5)],
        {
            "fields": {"value": "total", "email": "nobody.email"},
            "rules": [{"when": "order_key == 'o-7' or nothing or total", "send": False}],
        },
    ),
}


@pytest.mark.parametrize("name", INPUTS)
def test_whatever_the_input_is_made_of(name: str, server: LocalServer, tmp_path: Path) -> None:
    messages, settings = INPUTS[name]
    said = lines_of(*messages)
    config = {**plain_config(server.url), **settings}

    def came(workers: int) -> Observed:
        return observe(server, tmp_path / str(workers), config, [said], command(workers))

    without = came(LINE_BY_LINE)
    assert len(without.events) > 10
    for workers in (0, 1, 3):
        assert "\n".join(without.differences(came(workers))) == ""


def test_a_killed_worker_costs_nothing_and_one_warning(tmp_path: Path) -> None:
    with Sandbox() as sandbox:
        target = Target(tmp_path, sandbox.url)
        process = target.start(command=command(2))
        assert process.stdin
        feed(process, schema(), *(record(**a_purchase(number)) for number in range(500)))
        killed: list[int] = []
        for first in (500, 1000, 1500):
            if len(killed) < 2:
                killed.append(kill_one(process, killed))
            feed(process, *(record(**a_purchase(number)) for number in range(first, first + 500)), state(first))
        process.stdin.close()
        ran = ended(process)
        assert len({*killed}) == 2
        assert (ran.code, ran.states[-1]) == (0, 1500)
        assert ran.summary == "read 2000, accepted 2000, already accepted 0, rejected 0, skipped 0, open 0"
        assert ran.stderr.count("A worker process was killed by signal 9.") == 1
        assert ran.stderr.count("The run goes on without worker processes.") == 1
        assert len(sandbox.received) == 2000


def kill_one(process: subprocess.Popen[bytes], before: Sequence[int]) -> int:
    """Kill one of two workers, once there are two again."""
    wait_until(lambda: len({*alive(process)} - {*before}) == 2)
    pid = min({*alive(process)} - {*before})
    os.kill(pid, signal.SIGKILL)
    return pid


def feed(process: subprocess.Popen[bytes], *messages: Any) -> None:
    assert process.stdin
    process.stdin.write(b"".join(map(encoded, messages)))
    process.stdin.flush()


@pytest.mark.parametrize("workers", [1, 3])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_workers_end_with_the_run_and_a_signal_ends_it_in_order(number: int, workers: int, tmp_path: Path) -> None:
    with Sandbox() as sandbox:
        target = Target(tmp_path, sandbox.url, max_batch_age_seconds=0)
        process = target.start(command=command(workers), start_new_session=True)
        feed(process, schema(), *(m for n in range(200) for m in (record(**a_purchase(n)), state(n))))
        wait_until(lambda: len(sandbox.received) == 200)
        wait_until(lambda: len(workers_of(process)) == workers)
        started = workers_of(process)
        os.killpg(process.pid, number)  # as a terminal does
        ran = ended(process)
        assert ran.code == (-number if number == signal.SIGKILL else 128 + number)
        assert number == signal.SIGKILL or ran.states[-1] == 199
        assert "worker process" not in ran.stderr
        wait_until(lambda: not any(map(is_alive, started)))


def test_memory_stays_flat_when_the_network_is_slow(tmp_path: Path) -> None:
    """What is read ahead is bounded: a tap that is faster than the network has to wait."""
    with Sandbox() as sandbox:
        sandbox.faults = [{"delay_seconds": 600}]
        target = Target(tmp_path, sandbox.url, batch_size_rows=50, concurrency=1)
        process = target.start(command=command(2))
        assert process.stdin
        feed(process, schema(), *(record(**a_purchase(number)) for number in range(200)))
        wait_until(lambda: sandbox.stats()["requests"])
        os.set_blocking(process.stdin.fileno(), False)
        fed, number, since = 0, 200, time.monotonic()
        while time.monotonic() - since < 3 and fed < 64 * 2**20:
            number += 1
            try:
                fed += os.write(process.stdin.fileno(), encoded(record(**a_purchase(number))))
                since = time.monotonic()
            except BlockingIOError:
                time.sleep(0.05)
        process.kill()
        ended(process)
        assert fed < 8 * 2**20
