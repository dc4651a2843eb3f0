"""Runs the real command in a process of its own, as a pipeline would."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any, NamedTuple

from conftest import SETTINGS
from patience import PATIENCE

NOW = datetime.now(timezone.utc)
COMMAND = str(Path(sys.executable).with_name("target-adpostbacks"))


def a_purchase(number: int = 1, **columns: Any) -> dict[str, Any]:
    """The columns of a purchase for TikTok, an hour ago."""
    return {
        "event_name": "purchase",
        "event_id": f"evt-{number}",
        "event_time": (NOW - timedelta(hours=1)).isoformat(),
        "network": "tiktok",
        "ttclid": "E.C.P.abc",
        **({"click_id": "click-1"} if columns.get("network") == "generic" else {}),  # it goes nowhere without
        **columns,
    }


class Ran(NamedTuple):
    """What came of a run."""

    code: int
    stdout: str
    stderr: str

    @property
    def states(self) -> list[Any]:
        """The states that were written."""
        return [json.loads(line) for line in self.stdout.splitlines()]

    @property
    def summary(self) -> str:
        """The counts of the last log line."""
        return self.stderr.strip().splitlines()[-1].partition(" s: ")[2]


class Target:
    """A folder with a config and a ledger, where the command runs."""

    def __init__(self, folder: Path, base_url: str, **config: Any) -> None:
        self.folder = folder
        self.config: dict[str, Any] = {
            name: {**settings, "base_url": base_url, "max_retry_seconds": 20} for name, settings in SETTINGS.items()
        } | config

    def start(
        self,
        *arguments: str,
        env: Mapping[str, str] | None = None,
        command: Sequence[str] = (COMMAND,),
        **popen: Any,
    ) -> subprocess.Popen[bytes]:
        """The command under way, its standard input a pipe."""
        path = self.folder / "config.json"
        path.write_text(json.dumps(self.config))
        own = {name: value for name, value in os.environ.items() if not name.startswith(("TARGET_", "MELTANO_"))}
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **popen}
        return subprocess.Popen(
            [*command, "--config", str(path), *arguments], cwd=self.folder, env={**own, **(env or {})}, **pipes
        )

    def run(self, lines: Iterable[Any] | bytes, *arguments: str, **start: Any) -> Ran:
        """The command from its first line to its end. Lines that are no bytes are written as JSON."""
        data = lines if isinstance(lines, bytes) else b"".join(encoded(line) for line in lines)
        process = self.start(*arguments, **start)
        stdout, stderr = process.communicate(data, timeout=PATIENCE)
        return Ran(process.returncode, stdout.decode(), stderr.decode())

    def rows(self, columns: str = "event_id, status, reason", table: str = "deliveries") -> list[Any]:
        """What the ledger has."""
        connection = sqlite3.connect(self.folder / "adpostbacks.db")
        try:
            return connection.execute(f"SELECT {columns} FROM {table} ORDER BY rowid").fetchall()
        finally:
            connection.close()


def encoded(line: Any) -> bytes:
    return line + b"\n" if isinstance(line, bytes) else json.dumps(line).encode() + b"\n"


def schema(stream: str = "conversions", key: Iterable[str] = ()) -> dict[str, Any]:
    return {"type": "SCHEMA", "stream": stream, "schema": {"properties": {}}, "key_properties": list(key)}


def record(stream: str = "conversions", **columns: Any) -> dict[str, Any]:
    return {"type": "RECORD", "stream": stream, "record": columns}


def state(value: Any) -> dict[str, Any]:
    return {"type": "STATE", "value": value}


def wait_for_warning(process: subprocess.Popen[bytes]) -> None:
    """Until malformed JSON is warned of: everything before it has been read."""
    assert process.stderr
    for line in process.stderr:
        if b"malformed JSON" in line:
            return
    raise AssertionError("it never came")


def end(process: subprocess.Popen[bytes], number: int = signal.SIGTERM) -> Ran:
    """Send a signal and wait for the end."""
    process.send_signal(number)
    return ended(process)


def ended(process: subprocess.Popen[bytes]) -> Ran:
    """Wait for the end, whatever the state of its input."""
    assert process.stdout
    assert process.stderr
    try:
        stdout, stderr = process.stdout.read(), process.stderr.read()
        process.wait(PATIENCE)
    finally:
        process.kill()
        for pipe in (process.stdin, process.stdout, process.stderr):
            if pipe:
                pipe.close()
    return Ran(process.returncode, stdout.decode(), stderr.decode())
