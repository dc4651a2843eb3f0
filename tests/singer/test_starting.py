"""When worker processes are started before the run itself is imported, and what becomes of those."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from conftest import SETTINGS
from eager import workers_of
from patience import PATIENCE, run_to_its_end

from target_adpostbacks.singer import starting
from target_adpostbacks.singer.line_workers import LineWorkers
from target_adpostbacks.singer.starting import LONG_FILE, started_early
from target_adpostbacks.singer.target import TURN_SECONDS
from target_adpostbacks.workers import pool, spawn


class Made:
    """In place of a worker."""

    def __init__(self, process: object) -> None:
        """What is done with it, a run does."""


@pytest.fixture
def long_input(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """On standard input, with two cores, and with processes that are none."""
    monkeypatch.setattr(starting, "default_workers", lambda _cores: 2)
    monkeypatch.setattr(spawn, "spawn", object)
    monkeypatch.setattr(pool, "Worker", Made)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "config.json").write_text("{}")
    file = tmp_path / "input.singer"
    file.write_bytes(b"\n" * LONG_FILE)
    before = os.dup(0)
    with file.open("rb") as source:
        os.dup2(source.fileno(), 0)
    yield file
    os.dup2(before, 0)
    os.close(before)


def started(*arguments: str, **settings: Any) -> int:
    Path("config.json").write_text(json.dumps(settings))
    started, head_start = started_early(arguments or ("--config", "config.json"))
    assert head_start is None
    return len(started)


@pytest.mark.usefixtures("long_input")
@pytest.mark.parametrize(
    ("settings", "count"),
    [
        ({}, 2),
        ({"workers": None}, 2),
        ({"workers": 0}, 0),
        ({"workers": 3}, 3),
        ({"workers": 30}, 4),  # the others start later
        ({"workers": -1}, 0),
        ({"workers": "2"}, 0),
        ({"workers": True}, 0),
        ({"clicks": {"stream": "clicks"}}, 0),
    ],
)
def test_as_many_start_early_as_a_run_of_the_config_is_sure_to_have(settings: dict[str, Any], count: int) -> None:
    assert started(**settings) == count


@pytest.mark.usefixtures("long_input")
@pytest.mark.parametrize(
    "arguments", [["--version"], ["--about"], ["--help"], ["--config", "config.json", "--about"], ["--input", "x"]]
)
def test_a_command_that_may_read_no_standard_input_starts_none(arguments: list[str]) -> None:
    assert started(*arguments) == 0


@pytest.mark.usefixtures("long_input")
def test_without_a_config_that_can_be_read_none_start() -> None:
    Path("broken.json").write_text("{")
    assert started("--config", "nowhere.json") == started("--config", "broken.json") == 0


@pytest.mark.usefixtures("long_input")
@pytest.mark.parametrize("name", ["TARGET_ADPOSTBACKS_WORKERS", "TARGET_ADPOSTBACKS_CLICKS_STREAM"])
def test_where_the_environment_decides_none_start(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, "0")
    assert started() == 0


def test_a_file_that_is_not_long_and_a_pipe_start_none(long_input: Path) -> None:
    os.lseek(0, 1, os.SEEK_SET)
    assert started() == 0
    os.lseek(0, 0, os.SEEK_SET)
    assert started() == 2
    receiving, sending = os.pipe()
    os.dup2(receiving, 0)
    os.write(sending, long_input.read_bytes()[:60_000])
    assert started() == 0
    os.close(receiving)
    os.close(sending)


@pytest.mark.usefixtures("long_input")
@pytest.mark.parametrize("name", ["stdin", "stdout"])
def test_with_a_closed_stream_none_start(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A pipe to a worker would get its number."""
    monkeypatch.setattr(sys, name, None)
    assert started() == 0


@pytest.mark.slow
@pytest.mark.parametrize(
    ("count", "settings", "left"),
    [(2, {}, 2), (1, {}, 1), (None, {}, 0), (2, {"stream_maps": {"a": {"b": "fake.name()"}}}, 0)],
)
def test_what_started_needlessly_ends(count: int | None, settings: dict[str, Any], left: int) -> None:
    early = [pool.Worker(), pool.Worker()]
    workers = LineWorkers(count, settings, lambda _warning: None, early)
    made = workers.start(Prepares(), [], plain=True, after=0, line=1)  # type: ignore[arg-type]
    assert [worker.process.poll() for worker in early] == [None] * left + [-9] * (2 - left)
    if made:
        made.close()
    assert None not in [worker.process.poll() for worker in early]


class Prepares:
    """Nothing; it can be pickled."""

    def without_secrets(self) -> Prepares:
        return self


def is_alive(pid: int) -> bool:
    with suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    return False


def wait_until(condition: Callable[[], object]) -> None:
    until = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < until, "it never came"
        time.sleep(0.01)


@pytest.mark.slow
@pytest.mark.parametrize("is_killed", [False, True])
def test_they_get_nothing_of_the_run_and_end_with_it_however_it_ends(tmp_path: Path, *, is_killed: bool) -> None:
    """A config that is refused, so that the run itself comes to start none."""
    config = tmp_path / "config.json"
    config.write_text(json.dumps({"tiktok": {"pixel_code": "canary", "access_token": "canary", "x": 1}, "workers": 2}))
    (tmp_path / "input.singer").write_bytes(b"\n" * LONG_FILE)
    with (tmp_path / "input.singer").open("rb") as source:
        process = subprocess.Popen(
            [sys.executable, "-m", "target_adpostbacks", "--config", str(config)],
            stdin=source,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={**os.environ, "TARGET_ADPOSTBACKS_META_ACCESS_TOKEN": "canary"},
        )
    wait_until(lambda: len(workers_of(process)) == 2)
    pids = workers_of(process)
    if is_killed:
        wait_until(lambda: all(b"workers.process" in Path(f"/proc/{pid}/cmdline").read_bytes() for pid in pids))
        for pid in pids:
            told = Path(f"/proc/{pid}/environ").read_bytes() + Path(f"/proc/{pid}/cmdline").read_bytes()
            assert b"canary" not in told
            opened = [str(each.readlink()) for each in Path(f"/proc/{pid}/fd").iterdir()]
            assert not [name for name in opened if str(tmp_path) in name]
            assert os.getsid(pid) != os.getsid(process.pid)
        process.kill()
    _, said = process.communicate(timeout=PATIENCE)
    assert process.returncode == (-9 if is_killed else 1)
    assert is_killed or b"tiktok.x" in said
    wait_until(lambda: not any(map(is_alive, pids)))


def test_the_threads_of_a_run_take_long_turns(tmp_path: Path) -> None:
    program = (
        "import sys; sys.setswitchinterval = lambda seconds: print(seconds, file=sys.stderr);"
        "from target_adpostbacks.__main__ import main; main()"
    )
    config = {"ledger_url": f"sqlite:///{tmp_path}/ledger.db", "tiktok": SETTINGS["tiktok"]}
    (tmp_path / "config.json").write_text(json.dumps(config))
    command = [sys.executable, "-c", program, "--config", str(tmp_path / "config.json")]
    ran = run_to_its_end(command)
    assert ran.returncode == 0, ran.stderr
    assert f"{TURN_SECONDS}\n" in ran.stderr
