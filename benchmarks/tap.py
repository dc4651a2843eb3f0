"""How many rows a second tap-adpostbacks emits, beside a bare loop over the same table in the same run.

The bare loop selects the rows by sqlite3, makes each a dict and writes it as JSON: no Python can be faster.
``--rows`` changes the size of the ledger.
"""

from __future__ import annotations

import argparse
import json
import os
import sqlite3
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import msgspec

AT = "2026-11-20T12:05:00.000+00:00"


def fill(url: str, count: int) -> None:
    """A ledger with so many deliveries, every tenth one skipped."""
    from target_adpostbacks.ledger import Ledger

    ledger = Ledger(url, "benchmark")
    ledger.start_run(AT, "0")
    for start in range(0, count, 1000):
        ledger.write(AT, [_row(number) for number in range(start, min(start + 1000, count))])
    ledger.end_run(AT, 0, {"read": count})
    ledger.close()


def _row(number: int) -> Any:
    from target_adpostbacks.core.postback import Facts, Key
    from target_adpostbacks.ledger import NO_REQUEST, Delivered, Sent, Status

    key = Key("tiktok", "D7VH38JC77U3LFDOLGRG", "purchase", f"evt_{number:012d}", "", False)
    status, sent = Status("accepted", "", "0", ""), Sent(200, 118, 1, "0" * 32, "20261120120500", AT)
    if number % 10 == 0:
        status, sent = Status("skipped", "too_old", "", ""), NO_REQUEST
    campaign = {"campaign_id": "17", "campaign_name": "Autumn launch", "value": 19.99, "currency": "EUR"}
    facts = Facts("conversions", number, AT, "Purchase", "ttclid,email,phone", **campaign)  # type: ignore[arg-type]
    return Delivered(key, "default", status, sent, facts)


def bare_loop(path: str) -> None:
    """The least that this work can cost in Python."""
    encode = msgspec.json.Encoder().encode
    cursor = sqlite3.connect(path).execute("SELECT * FROM deliveries ORDER BY seq")
    names = [column[0] for column in cursor.description]
    for row in cursor:
        sys.stdout.buffer.write(
            encode({"type": "RECORD", "stream": "deliveries", "record": dict(zip(names, row, strict=True))}) + b"\n"
        )


def timed(command: list[str], folder: str) -> tuple[float, int, int]:
    """Wall-clock seconds, peak memory (KiB) and lines of a command."""
    output = Path(folder, "output")
    with output.open("wb") as out, Path(folder, "log").open("wb") as log:
        started = time.perf_counter()
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=out, stderr=log, cwd=folder)
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        took = time.perf_counter() - started
    if process.returncode:
        raise SystemExit(f"{command[:3]} ended with {process.returncode}:\n{Path(folder, 'log').read_text()[-2000:]}")
    with output.open("rb") as file:
        lines = sum(1 for line in file if line.startswith(b'{"type":"RECORD"'))
    return took, usage.ru_maxrss, lines


def main() -> None:
    """Run everything and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=200_000)
    count = parser.parse_args().rows
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "ledger.db")
        fill(f"sqlite:///{path}", count)
        config = Path(folder, "config.json")
        config.write_text(json.dumps({"ledger_url": f"sqlite:///{path}"}))
        tap = [str(Path(sys.executable).with_name("tap-adpostbacks")), "--config", str(config)]
        print(f"{count:,} rows, Python {sys.version.split()[0]}, {os.cpu_count()} cores; seconds include the start")
        print(f"{'':20}{'rows/s':>12}{'of the bare loop':>18}{'peak memory':>13}")
        base = 0.0
        for name, command in (("bare loop", [sys.executable, __file__, "bare", str(path)]), ("tap-adpostbacks", tap)):
            took, memory, lines = timed(command, folder)
            base = base or took
            print(f"{name:20}{lines / took:>12,.0f}{base / took:>18.2f}{memory / 1024:>9,.0f} MiB")


if __name__ == "__main__":
    if sys.argv[1:2] == ["bare"]:
        bare_loop(sys.argv[2])
    else:
        main()
