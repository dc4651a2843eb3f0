"""How long the commands that only read take on a ledger of 1,000,000 deliveries, and how much memory.

Each command runs three times; the fastest counts. ``--rows`` changes the size of the ledger, ``--hours`` the time that
its deliveries are spread over, and ``--ledger`` keeps it in that file for the next time.
"""

from __future__ import annotations

import argparse
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

from target_adpostbacks.core.postback import Facts, Key
from target_adpostbacks.ledger import NO_REQUEST, Delivered, Ledger, Sent, Status
from target_adpostbacks.networks import NETWORKS

BATCH = 250
"""Deliveries of one request, and of one write."""
STATUSES = {
    Status("accepted", "", "0", ""): 93,
    Status("rejected", "", "40002", "Invalid value for event_id: not a valid string."): 2,
    Status("skipped", "no_match_key", "", "needed: ttclid, email or phone"): 3,
    Status("open", "transient", "", "HTTP 503"): 2,
}
"""Each status to its share in percent."""


def fill(url: str, count: int, hours: float) -> None:
    """A ledger of two accounts a network, whose deliveries end now."""
    chance, now = random.Random(7), datetime.now(timezone.utc)
    ledger = Ledger(url, "benchmark")
    ledger.start_run(_text(now - timedelta(hours=hours)), "0")
    for start in range(0, count, BATCH):
        at = now - timedelta(hours=hours) * (1 - start / count)
        network, account = chance.choice([*NETWORKS]), chance.choice(["default", "second"])
        sent = Sent(200, 118, 1, f"{start:032x}", f"{start:014}", _text(at))
        rows = [*_rows(network, account, sent, at, range(start, min(start + BATCH, count)), chance)]
        ledger.write(_text(at), rows, [_attempt(network, account, sent)])
    ledger.end_run(_text(now), 0, {"read": count})
    ledger.close()


def _rows(
    network: str, account: str, sent: Sent, at: datetime, numbers: range, chance: random.Random
) -> Iterator[Delivered]:
    statuses = chance.choices([*STATUSES], [*STATUSES.values()], k=len(numbers))
    for number, status in zip(numbers, statuses, strict=True):
        happened = at - timedelta(minutes=chance.randrange(600))
        key = Key(network, f"PIXEL_{account}", "purchase", f"evt_{number:012d}", "", False)
        money = {"value": chance.randrange(10_000) / 100, "currency": chance.choice(["USD", "EUR", "JPY"])}
        campaign = {"campaign_id": "17", "campaign_name": "Autumn launch"}
        facts = Facts("conversions", number + 1, _text(happened), "Purchase", "ttclid,email,phone", **campaign, **money)  # type: ignore[arg-type]
        deadline = _text(happened + timedelta(days=7)) if status.status == "open" else None
        yield Delivered(key, account, status, NO_REQUEST if status.status == "skipped" else sent, facts, deadline)


def _attempt(network: str, account: str, sent: Sent) -> dict[str, Any]:
    return {
        "attempt_id": sent.attempt_id,
        "parent_id": None,
        "network": network,
        "account": account,
        "asset": f"PIXEL_{account}",
        "started_at": sent.sent_at,
        "latency_ms": sent.latency_ms,
        "http_status": sent.http_status,
        "attempt": 1,
        "events": BATCH,
        "status": "Success",
        "code": "0",
        "message": "OK",
        "network_request_id": sent.network_request_id,
    }


def _text(time: datetime) -> str:
    return time.isoformat(timespec="milliseconds")


def timed(url: str, *words: str) -> tuple[float, int]:
    """Seconds and peak memory (MiB) of a command."""
    command = [str(Path(sys.executable).with_name("adpostbacks")), *words, "--ledger-url", url]
    started = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    return time.perf_counter() - started, usage.ru_maxrss // 1024


def main() -> None:
    """Run everything and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--hours", type=float, default=30 * 24)
    parser.add_argument("--ledger", type=Path)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        path = options.ledger or Path(folder, "ledger.db")
        url = f"sqlite:///{path.resolve()}"
        if not path.exists():
            started = time.perf_counter()
            fill(url, options.rows, options.hours)
            print(f"{options.rows:,} deliveries written in {time.perf_counter() - started:.0f} s")
        print(f"{path.stat().st_size / 1e6:,.0f} MB")
        page = Path(folder, "report.html")
        one = ["explain", f"evt_{options.rows // 2:012d}"]
        for words in (["health"], ["health", "--format", "json"], one, ["report", "--output", str(page)]):
            measured = [timed(url, *words) for _ in range(3)]
            print(f"{' '.join(words[:2]):30} {min(measured)[0]:6.2f} s {max(memory for _, memory in measured):6} MiB")
        print(f"the report's page: {page.stat().st_size / 1e6:.2f} MB")


if __name__ == "__main__":
    main()
