"""How far states lag behind the input while it goes on: what a crash at any moment would make a run do again.

A source writes some records and a STATE message every second, to the real command; the sandbox answers. Records go
to two networks in turn, which batch them each for itself. Seconds are from a STATE message going in to it coming out.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import threading
import time
from datetime import datetime, timezone
from pathlib import Path
from typing import IO, Any

from target_adpostbacks.sandbox import Sandbox

NETWORKS = {"tiktok": "pixel_code", "reddit": "pixel_id"}


def source(stdin: IO[bytes], seconds: int, records_per_second: int, written: dict[int, float]) -> None:
    """Write what a tap writes; remember when each state went in."""
    begun, number = time.monotonic(), 0
    schema = {"type": "SCHEMA", "stream": "conversions", "schema": {"properties": {}}, "key_properties": []}
    stdin.write(json.dumps(schema).encode() + b"\n")
    for second in range(1, seconds + 1):
        lines: list[dict[str, Any]] = []
        for _ in range(records_per_second):
            number += 1
            record = {
                "event_name": "purchase",
                "event_id": f"evt-{number}",
                "event_time": datetime.now(timezone.utc).isoformat(),
                "network": [*NETWORKS][number % len(NETWORKS)],
                "email": f"person-{number}@example.com",
                "ttclid": "click",
                "rdt_cid": "click",
                "value": 19.99,
                "currency": "EUR",
            }
            lines.append({"type": "RECORD", "stream": "conversions", "record": record})
        lines.append({"type": "STATE", "value": second})
        written[second] = time.monotonic()
        stdin.write(b"".join(json.dumps(line).encode() + b"\n" for line in lines))
        stdin.flush()
        time.sleep(max(0.0, begun + second - time.monotonic()))
    stdin.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--records-per-second", type=int, default=40)
    given = parser.parse_args()
    seconds = int(given.minutes * 60)
    written: dict[int, float] = {}
    with Sandbox() as sandbox, tempfile.TemporaryDirectory() as folder:
        assets = ("D7VH38JC77U3LFDOLGRG", "a2_demo1234")
        config = {
            network: {"access_token": "any", asset: value, "base_url": sandbox.url}
            for (network, asset), value in zip(NETWORKS.items(), assets, strict=True)
        }
        Path(folder, "config.json").write_text(json.dumps(config))
        command = Path(sys.executable).with_name("target-adpostbacks")
        target = subprocess.Popen(
            [command, "--config", "config.json"], cwd=folder, stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        assert target.stdin
        assert target.stdout
        feed = threading.Thread(target=source, args=(target.stdin, seconds, given.records_per_second, written))
        feed.start()
        lags = [time.monotonic() - written[int(line)] for line in target.stdout]
        feed.join()
        if target.wait() or not lags:
            sys.exit("The run failed.")
    print(f"{seconds} STATE messages, {seconds * given.records_per_second:,} records, {len(lags)} states")
    print(f"seconds from in to out: mean {sum(lags) / len(lags):.1f}, most {max(lags):.1f}")


if __name__ == "__main__":
    main()
