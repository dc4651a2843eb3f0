"""How many conversions a second the real command delivers, beside a bare loop over the same input in the same run.

The bare loop reads a line, decodes it, makes the same hashes and encodes it: nothing else can be faster in Python.
The network is a trivial HTTP server in another process; the ledger is on. ``--records`` changes the length. Seconds
include the start. On a busy machine compare CPU time (of all threads, user and system), which others hardly change.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import random
import socketserver
import subprocess
import sys
import tempfile
import time
from datetime import datetime, timedelta, timezone
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

HASHED = {
    "tiktok": ("email", "phone", "external_id", "first_name", "last_name", "postal_code"),
    "reddit": ("email", "phone", "external_id"),
}
FIRST = "Ada Grace Linus Margaret Dennis Barbara Ken Radia Niklaus Frances".split()
LAST = "Lovelace Hopper Torvalds Hamilton Ritchie Liskov Thompson Perlman Wirth Allen".split()
AGENT = (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/141.0.0.0 Safari/537.36"
)


def records(count: int) -> Any:
    """So many believable records, every second one for TikTok, the others for Reddit."""
    rng = random.Random(7)
    now = datetime.now(timezone.utc)
    for number in range(count):
        network = ("tiktok", "reddit")[number % 2]
        first, last = rng.choice(FIRST), rng.choice(LAST)
        host = f"https://play.example.com/checkout/{rng.randrange(10**6)}"
        yield {
            "event_name": rng.choice(["purchase", "purchase", "sign_up", "add_to_cart"]),
            "event_id": f"evt_{number:012d}",
            "event_time": (now - timedelta(seconds=rng.randrange(86_400))).isoformat(),
            "network": network,
            "ttclid"
            if network == "tiktok"
            else "rdt_cid": f"{'E.C.P.' if network == 'tiktok' else ''}{rng.randrange(10**40)}",
            "event_source_url": host,
            "email": [f"{first}.{last}.{number}@example.com", f"{last}{number}@example.org"],
            "phone": [f"+1415555{number % 10_000:04d}", f"+4930{number % 10**7:07d}"],
            "external_id": [f"user_{number}", f"device_{number}"],
            "first_name": first,
            "last_name": last,
            "city": "Cluj-Napoca",
            "postal_code": f"{rng.randrange(10_000, 99_999)}",
            "country": "US",
            "ip_address": f"203.0.113.{number % 250}",
            "user_agent": AGENT,
            "value": round(rng.uniform(1, 200), 2),
            "currency": "USD",
            "order_id": f"order-{number}",
            "campaign_id": str(rng.randrange(50)),
            "campaign_name": "Autumn launch",
            "contents": [{"id": f"sku-{rng.randrange(500)}", "quantity": 1, "price": 9.99}],
        }


def write_input(path: Path, count: int) -> int:
    """A tap's output: a schema, the records, a bookmark every 1,000. Returns the bytes of the records."""
    size = 0
    with path.open("wb") as file:
        file.write(msgspec.json.encode(SCHEMA) + b"\n")
        for number, record in enumerate(records(count), 1):
            encoded = msgspec.json.encode(record)
            size += len(encoded)
            file.write(b'{"type":"RECORD","stream":"conversions","record":' + encoded + b"}\n")
            if number % 1000 == 0:
                file.write(b'{"type":"STATE","value":{"line":%d}}\n' % number)
    return size


SCHEMA = {
    "type": "SCHEMA",
    "stream": "conversions",
    "schema": {"type": "object", "properties": {name: {} for name in next(iter(records(1)))}},
    "key_properties": ["event_id"],
}


# --- The runs --------------------------------------------------------------------------------------------------------


def bare_loop(path: str) -> None:
    """The least that this work can cost in Python."""
    decode, encode, sha256 = msgspec.json.Decoder().decode, msgspec.json.Encoder().encode, hashlib.sha256
    with Path(path).open("rb") as file:
        for line in file:
            message = decode(line)
            record = message.get("record")
            if record is None:
                continue
            for field in HASHED[record["network"]]:
                value = record[field]
                if value.__class__ is list:
                    record[field] = [sha256(each.encode()).hexdigest() for each in value]
                else:
                    record[field] = sha256(value.encode()).hexdigest()
            encode(record)


def empty_target() -> None:
    """The SDK's own path for each record, and nothing else."""
    from singer_sdk import Target
    from singer_sdk.sinks import Sink

    class EmptySink(Sink):
        def process_record(self, record: dict[str, Any], context: Any) -> None: ...
        def process_batch(self, context: Any) -> None: ...

    class EmptyTarget(Target):
        name = "target-empty"
        default_sink_class = EmptySink

    EmptyTarget.cli(args=[])


class Answers(BaseHTTPRequestHandler):
    """Says yes to everything, in the words of the network."""

    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        """Count the events and thank for them."""
        body = self.rfile.read(int(self.headers["content-length"]))
        if self.path.startswith("/open_api"):
            answer = b'{"code":0,"message":"OK","request_id":"20260621","data":{}}'
        else:
            answer = b'{"data":{"message":"Successfully processed %d conversion events."}}' % body.count(b'"event_at":')
        # In one piece: the second of two would wait for the first one's acknowledgement, 40 ms.
        self.wfile.write(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%b" % (len(answer), answer))

    def log_message(self, *args: Any) -> None:
        """Nothing."""


def serve() -> None:
    """Print the port, then answer until killed."""
    socketserver.ThreadingTCPServer.allow_reuse_address = True
    server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Answers)
    server.daemon_threads = True
    print(server.server_address[1], flush=True)
    server.serve_forever()


class Cost(NamedTuple):
    """What a command took."""

    wall_seconds: float
    cpu_seconds: float
    peak_kib: int


def timed(command: list[str], stdin: Path | None, cwd: str, log: Path) -> Cost:
    """Run a command; its output goes to ``log``."""
    with log.open("wb") as output, (stdin or Path(os.devnull)).open("rb") as source:
        started = time.perf_counter()
        process = subprocess.Popen(command, stdin=source, stdout=output, stderr=subprocess.STDOUT, cwd=cwd)
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        took = time.perf_counter() - started
    if process.returncode:
        raise SystemExit(f"{command[:3]} ended with {process.returncode}:\n{log.read_text()[-2000:]}")
    return Cost(took, usage.ru_utime + usage.ru_stime, usage.ru_maxrss)


def main() -> None:
    """Run everything and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--records", type=int, default=200_000)
    count = parser.parse_args().records
    me = [sys.executable, __file__]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "input.singer")
        size = write_input(path, count)
        print(f"{count:,} records of {size // count} bytes, Python {sys.version.split()[0]}, {os.cpu_count()} cores")
        server = subprocess.Popen([*me, "serve"], stdout=subprocess.PIPE, text=True)
        assert server.stdout
        url = f"http://127.0.0.1:{server.stdout.readline().strip()}"
        config = Path(folder, "config.json")
        config.write_text(
            json.dumps(
                {
                    "tiktok": {"access_token": "x", "pixel_code": "D7VH38JC77U3LFDOLGRG", "base_url": url},
                    "reddit": {"access_token": "x", "pixel_id": "a2_demo", "base_url": url},
                }
            )
        )
        command = str(Path(sys.executable).with_name("target-adpostbacks"))
        try:
            base = timed([*me, "bare", str(path)], None, folder, Path(folder, "bare.log"))
            ours = timed([command, "--config", str(config)], path, folder, Path(folder, "ours.log"))
            empty = timed([*me, "empty"], path, folder, Path(folder, "empty.log"))
        finally:
            server.kill()
            server.wait()
            server.stdout.close()
        last = Path(folder, "ours.log").read_text().splitlines()[-1]
        print(f"{'':20}{'conversions/s':>15}{'of the bare loop':>18}{'CPU µs each':>13}{'of the bare loop':>18}")
        for name, cost in (("bare loop", base), ("target-adpostbacks", ours), ("SDK's empty target", empty)):
            wall = f"{count / cost.wall_seconds:>15,.0f}{base.wall_seconds / cost.wall_seconds:>18.2f}"
            cpu = f"{cost.cpu_seconds / count * 1e6:>13.1f}{base.cpu_seconds / cost.cpu_seconds:>18.2f}"
            print(f"{name:20}{wall}{cpu}")
        print(f"peak memory of target-adpostbacks: {ours.peak_kib / 1024:.0f} MiB")
        print(last.rpartition("| ")[2])


if __name__ == "__main__":
    if sys.argv[1:2] == ["serve"]:
        serve()
    elif sys.argv[1:2] == ["bare"]:
        bare_loop(sys.argv[2])
    elif sys.argv[1:2] == ["empty"]:
        empty_target()
    else:
        main()
