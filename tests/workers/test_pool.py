"""Real processes: what they get, in which order answers come, and how they end."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from echo import Echo
from patience import PATIENCE

from target_adpostbacks.workers.pool import AHEAD, BLOCK_BYTES, Workers

pytestmark = pytest.mark.slow


@contextmanager
def at_work(count: int) -> Iterator[tuple[Workers, list[str]]]:
    """So many workers that are ready, and the warnings."""
    warnings: list[str] = []
    workers = Workers(Echo(), count, warnings.append)
    try:
        exchange(workers, lambda: len(workers.ready) == count)
        yield workers, warnings
    finally:
        workers.close()


def exchange(workers: Workers, until: Callable[[], object]) -> None:
    end = time.monotonic() + PATIENCE
    while not until():
        assert time.monotonic() < end, "it never came"
        workers.wait(seconds=0.05)


def texts(workers: Workers, count: int) -> list[str | None]:
    """The answers to so many blocks; None for those that the parent does."""
    found: list[str | None] = []
    for _ in range(count):
        exchange(workers, lambda: workers.is_next_done)
        block = workers.next()
        assert block
        member = block.answer and block.answer.members[0]
        assert not member or (member[0] and member[0].line == block.number)
        found.append(member[0].stream if member and member[0] else None)
    return found


def pids(workers: Workers) -> list[int]:
    return [worker.process.pid for worker in workers.ready]


def is_alive(pid: int) -> bool:
    """Whether it runs; what has ended and was not waited for does not."""
    with suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    return False


@pytest.mark.parametrize("count", [1, 3])
def test_answers_come_in_the_order_of_the_blocks_whoever_gives_them(count: int) -> None:
    with at_work(count) as (workers, warnings):
        for number in range(1, 31):
            workers.hand(b"%d " % number * (1 + number * 7919 % 10_000), number)
        workers.keep(b"own", 31)
        workers.hand(b"last", 32)
        found = texts(workers, 32)
    assert [text and text.split(maxsplit=1)[0] for text in found] == [*map(str, range(1, 31)), None, "last"]
    assert warnings == []


def test_every_worker_gets_blocks_and_a_few_are_ahead() -> None:
    with at_work(2) as (workers, _):
        handed = 0
        while workers.has_room:
            handed += 1
            workers.hand(b"x" * BLOCK_BYTES, handed)
        assert handed == 2 * AHEAD
        assert [len(worker.blocks) for worker in workers.ready] == [AHEAD, AHEAD]
        assert None not in texts(workers, handed)


def test_news_is_for_what_is_handed_out_after_it() -> None:
    with at_work(2) as (workers, _):
        for number, word in enumerate("abc"):
            workers.tell(word)
            for each in (1, 2):
                workers.hand(b"!", number * 2 + each)
        assert texts(workers, 6) == ["a!", "a!", "b!", "b!", "c!", "c!"]
        workers.tell("d", is_new_generation=True)
        assert workers.generation == 1


def test_what_fails_in_a_worker_is_the_parents() -> None:
    with at_work(1) as (workers, warnings):
        for number, text in enumerate([b"a", b"raise", b"nonsense", b"b"], 1):
            workers.hand(text, number)
        assert texts(workers, 4) == ["a", None, None, "b"]
    assert warnings == []


def test_what_a_killed_worker_had_is_the_parents_and_another_takes_its_place() -> None:
    with at_work(2) as (workers, warnings):
        workers.tell("told ")
        for number, text in enumerate([b"sleep", b"sleep", b"a", b"b"], 1):
            workers.hand(text, number)
        killed = pids(workers)[0]
        os.kill(killed, signal.SIGKILL)
        assert texts(workers, 1) == [None]
        assert warnings == ["A worker process was killed by signal 9. Nothing is lost: what it had is done again."]
        exchange(workers, lambda: len(workers.ready) == 2)
        assert killed not in pids(workers)
        workers.hand(b"sleep", 5)  # to the new one
        os.kill(pids(workers)[0], signal.SIGKILL)
        assert texts(workers, 4) == [None] * 4
        assert warnings[1:] == [
            "Another worker process was killed by signal 9. The run goes on without worker processes."
        ]
        assert (workers.ready, workers.is_at_work, workers.has_room) == ([], False, False)


def test_a_process_that_can_not_start_costs_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    warnings: list[str] = []
    workers = Workers(Echo(), 3, warnings.append)
    assert not workers.is_at_work
    assert warnings[0].startswith("A worker process can't be started (FileNotFoundError).")
    assert len(warnings) == 2


def test_a_worker_gets_of_the_environment_what_python_needs_and_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TARGET_ADPOSTBACKS_TIKTOK__ACCESS_TOKEN", "canary-token")
    with at_work(1) as (workers, _):
        workers.hand(b"environment", 1)
        (names,) = texts(workers, 1)
        assert names is not None
        assert {*names.split()} <= {"PYTHONHOME", "LD_LIBRARY_PATH", "LC_CTYPE", "PYTHONDONTWRITEBYTECODE"}
        (pid,) = pids(workers)
        told = Path(f"/proc/{pid}/environ").read_bytes() + Path(f"/proc/{pid}/cmdline").read_bytes()
        assert b"canary" not in told


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT])
def test_the_terminals_signals_are_the_parents_alone(number: int) -> None:
    with at_work(1) as (workers, warnings):
        assert os.getsid(pids(workers)[0]) != os.getsid(0)
        os.kill(pids(workers)[0], number)
        workers.hand(b"still there", 1)
        assert texts(workers, 1) == ["still there"]
    assert warnings == []


def test_closed_workers_have_ended_whatever_they_are_at() -> None:
    with at_work(2) as (workers, _):
        workers.hand(b"sleep", 1)
        before = pids(workers)
        workers.close()
        assert not any(map(is_alive, before))
        assert texts(workers, 1) == [None]


@pytest.mark.parametrize("doing", ["", "take a second", "x" * 20_000])
def test_workers_end_with_the_parent_even_if_it_is_killed(doing: str) -> None:
    program = (
        "import sys, time\n"
        "from echo import Echo\n"
        "from target_adpostbacks.workers.pool import Workers\n"
        "workers = Workers(Echo(), 2, print)\n"
        "while len(workers.ready) < 2: workers.wait(seconds=0.1)\n"
        f"doing = {doing!r}.encode()\n"
        "for number in range(400 if len(doing) > 20 else 4 if doing else 0): workers.hand(doing, number)\n"
        "print(*(worker.process.pid for worker in workers.ready), flush=True)\n"
        "time.sleep(60)\n"
    )
    parent = subprocess.Popen(
        [sys.executable, "-c", program],
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert parent.stdout
    with parent.stdout:
        started = [*map(int, parent.stdout.readline().split())]
        assert len(started) == 2
        parent.send_signal(signal.SIGKILL)
        parent.wait()
    until = time.monotonic() + PATIENCE
    while any(map(is_alive, started)):
        assert time.monotonic() < until, "a worker outlives its parent"
        time.sleep(0.05)
