"""How many conversions a second the real command delivers, beside a bare loop over the same input in the same run.

The bare loop reads a line, decodes it, makes the same hashes and encodes it: nothing else can be faster in Python.
The network is a trivial HTTP server in another process; the ledger is on. ``--records`` changes the length. Seconds
include the start, CPU time all threads and processes. Neither is steady: compare ratios, of several turns.
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
from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta, timezone
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from statistics import median
from threading import Thread
from typing import Any, NamedTuple
from urllib.parse import parse_qsl

import msgspec

from target_adpostbacks.core.settings import examples
from target_adpostbacks.demo.conversions import WHOLE
from target_adpostbacks.networks import NETWORKS

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
    for number, record in enumerate(conversions(count)):
        network, click_id = (("tiktok", "ttclid"), ("reddit", "rdt_cid"))[number % 2]
        yield {"network": network, click_id: CLICK_IDS[click_id].format(number * 7919), **record}


def records_for_all(count: int) -> Any:
    """So many believable purchases, which every network takes, each for every network there is."""
    for number, record in enumerate(conversions(count)):
        click_ids = {name: text.format(number * 7919) for name, text in CLICK_IDS.items()}
        yield {**click_ids, **record, "event_name": "purchase"}


def _numbered(example: str) -> str:
    """The form of many click ids: behind how one begins, or at the end of a whole one, a GUID for example."""
    return f"{example[:-12]}{{:012}}" if len(example) >= WHOLE else f"{example}{{:030}}"


CLICK_IDS = {network.click_ids[0]: _numbered(network.click_id_example) for network in NETWORKS.values()}


def conversions(count: int) -> Any:
    """So many conversions without a network."""
    rng = random.Random(7)
    now = datetime.now(timezone.utc)
    for number in range(count):
        first, last = rng.choice(FIRST), rng.choice(LAST)
        host = f"https://play.example.com/checkout/{rng.randrange(10**6)}"
        yield {
            "event_name": rng.choice(["purchase", "purchase", "sign_up", "add_to_cart"]),
            "event_id": f"evt_{number:012d}",
            "event_time": (now - timedelta(seconds=rng.randrange(86_400))).isoformat(),
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


def write_input(path: Path, records: Any) -> int:
    """A tap's output: a schema, the records, state every 1,000. Returns the bytes of the records."""
    size = 0
    with path.open("wb") as file:
        file.write(msgspec.json.encode(SCHEMA) + b"\n")
        for number, record in enumerate(records, 1):
            encoded = msgspec.json.encode(record)
            size += len(encoded)
            file.write(b'{"type":"RECORD","stream":"conversions","record":' + encoded + b"}\n")
            if number % 1000 == 0:
                file.write(b'{"type":"STATE","value":{"line":%d}}\n' % number)
    return size


SCHEMA = {
    "type": "SCHEMA",
    "stream": "conversions",
    "schema": {"type": "object", "properties": {name: {} for name in [*CLICK_IDS, *next(iter(records(1)))]}},
    "key_properties": ["event_id"],
}


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


def accepted(path: str, content_type: str, body: bytes) -> bytes:
    """The sandbox's answer to a request whose events are all accepted, or that signs in."""
    from target_adpostbacks.sandbox.access import Access  # here, since the other commands would start more slowly
    from target_adpostbacks.sandbox.network import Answer, Call
    from target_adpostbacks.sandbox.networks import network_of

    network = network_of(path)
    assert network is not None, path
    is_form = content_type.startswith("application/x-www-form-urlencoded")
    call = Call(
        method="POST",
        path=path,
        query={},
        headers={"content-type": content_type},
        body=dict(parse_qsl(body.decode())) if is_form else msgspec.json.decode(body),
        now=datetime.now(timezone.utc),
        number=1,
        access=Access(),
    )
    events = len(network.event_ids(call.body))
    answer = network.accepted(call, events) if events else network.receive(call)
    assert isinstance(answer, Answer)
    return msgspec.json.encode(answer.body)


class Answers(BaseHTTPRequestHandler):
    """Accepts everything, after a while."""

    protocol_version = "HTTP/1.1"
    after_seconds = 0.0

    def do_POST(self) -> None:
        """Answer as the network does when all is well."""
        body = self.rfile.read(int(self.headers["content-length"]))
        answer = accepted(self.path.partition("?")[0], self.headers["content-type"], body)
        time.sleep(self.after_seconds)
        # In one piece: the second of two would wait for the first one's acknowledgement, 40 ms.
        self.wfile.write(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%b" % (len(answer), answer))

    def do_GET(self) -> None:
        """As a tracker answers a postback URL."""
        time.sleep(self.after_seconds)
        self.wfile.write(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nOK")

    def log_message(self, *args: Any) -> None:
        """Nothing."""


def serve(after_seconds: float) -> None:
    """Print the port, then answer until whoever started this ends, or closes its standard input."""
    Answers.after_seconds = after_seconds
    Thread(target=lambda: (sys.stdin.read(), os._exit(0)), daemon=True).start()
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


def timed(
    command: list[str], stdin: Path | None, cwd: str, log: Path, environment: Mapping[str, str] | None = None
) -> Cost:
    """Run a command; its output goes to ``log``. Without an ``environment`` it has ours."""
    with log.open("wb") as output, (stdin or Path(os.devnull)).open("rb") as source:
        started = time.perf_counter()
        process = subprocess.Popen(
            command, stdin=source, stdout=output, stderr=subprocess.STDOUT, cwd=cwd, env=environment
        )
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        took = time.perf_counter() - started
    if process.returncode:
        raise SystemExit(f"{command[:3]} ended with {process.returncode}:\n{log.read_text()[-2000:]}")
    return Cost(took, usage.ru_utime + usage.ru_stime, usage.ru_maxrss)


PAIR = [*HASHED]
SECTIONS = {name: examples(network.settings_type) for name, network in NETWORKS.items()}
BATCHING = [name for name, network in NETWORKS.items() if network.request_limits.events > 1]
"""Those that take several conversions in a request; elsewhere, sending takes the time."""
ONE_BY_ONE = [name for name in SECTIONS if name not in BATCHING]


class Bench:
    """A folder for the runs, and a network that takes everything."""

    def __init__(self, folder: str, url: str) -> None:
        self.folder = folder
        self.url = url

    def target(self, name: str, networks: Sequence[str], source: Path | None, **settings: Any) -> Cost:
        """The command, with a ledger of its own, and settings at the top of its config."""
        free = {"base_url": self.url, "send": "all", "requests_per_second": 0}
        sections = {network: {**SECTIONS[network], **free} for network in networks}
        config = Path(self.folder, f"{name}.json")
        config.write_text(json.dumps({**sections, **settings, "ledger_url": f"sqlite:///{self.folder}/{name}.db"}))
        command = str(Path(sys.executable).with_name("target-adpostbacks"))
        return timed([command, "--config", str(config)], source, self.folder, self.log(name))

    def log(self, name: str) -> Path:
        return Path(self.folder, f"{name}.log")

    def last_line(self, name: str) -> str:
        return self.log(name).read_text().splitlines()[-1].rpartition("| ")[2]


def beside_the_bare_loop(bench: Bench, count: int, turns: int) -> None:
    """Two networks, half of the records each. The best turn, and the medians of the ratios within a turn."""
    path = Path(bench.folder, "input.singer")
    size = write_input(path, records(count))
    me = [sys.executable, __file__]
    costs: dict[str, list[Cost]] = defaultdict(list)
    for turn in range(turns):
        costs["bare loop"].append(timed([*me, "bare", str(path)], None, bench.folder, bench.log("bare")))
        costs["target-adpostbacks"].append(bench.target(f"ours_{turn}", PAIR, path))
        costs["the same, workers: 0"].append(bench.target(f"alone_{turn}", PAIR, path, workers=0))
        costs["SDK's empty target"].append(timed([*me, "empty"], path, bench.folder, bench.log("empty")))
    python = f"Python {sys.version.split()[0]}, {os.cpu_count()} cores"
    print(f"{count:,} records of {size // count} bytes, {python}, best of {turns} turns; ratios: medians")
    print(f"{'':20}{'conversions/s':>15}{'of the bare loop':>18}{'CPU µs each':>13}{'of the bare loop':>18}")
    for name, its in costs.items():
        beside = [*zip(costs["bare loop"], its, strict=True)]
        wall = median(base.wall_seconds / each.wall_seconds for base, each in beside)
        cpu = median(base.cpu_seconds / each.cpu_seconds for base, each in beside)
        a_second = count / min(each.wall_seconds for each in its)
        microseconds = min(each.cpu_seconds for each in its) / count * 1e6
        print(f"{name:20}{a_second:>15,.0f}{wall:>18.2f}{microseconds:>13.1f}{cpu:>18.2f}")
    peak = max(each.peak_kib for each in costs["target-adpostbacks"])
    print(f"peak memory of target-adpostbacks: {peak / 1024:.0f} MiB")
    print(bench.last_line("ours_0"))


def to_several_at_once(bench: Bench, count: int, turns: int) -> None:
    """Each record to two networks, to all that batch, and to each alone, in turn; without the start of the command.

    To those that take one conversion in a request go a tenth of the records, without the ceiling of their section.

    Medians of the turns: other programs slow down one turn, hardly all.
    """
    path, short_path, few = Path(bench.folder, "all.singer"), Path(bench.folder, "few.singer"), max(1, count // 10)
    size = write_input(path, records_for_all(count))
    write_input(short_path, records_for_all(few))
    groups = {"two": PAIR, f"all {len(BATCHING)}": BATCHING, **{name: [name] for name in SECTIONS}}
    print(f"\n{count:,} records of {size // count} bytes, each to several networks, medians of {turns} turns")
    print(f"{'':20}{'postbacks/s':>15}{'wall µs each':>18}{'of two':>10}{'CPU µs each':>13}{'of two':>10}")
    wall: dict[str, list[float]] = defaultdict(list)
    cpu: dict[str, list[float]] = defaultdict(list)
    for turn in range(turns):
        start = bench.target(f"start_{turn}", [*SECTIONS], None)
        for name, networks in groups.items():
            run = f"{name.replace(' ', '_')}_{turn}"
            is_short = name in ONE_BY_ONE
            cost = bench.target(run, networks, short_path if is_short else path)
            owed = (few if is_short else count) * len(networks)
            postbacks = owed / 1e6
            wall[name].append((cost.wall_seconds - start.wall_seconds) / postbacks)
            cpu[name].append((cost.cpu_seconds - start.cpu_seconds) / postbacks)
            done = bench.last_line(run)
            assert f"accepted {owed}," in done, done
    for name in groups:
        walls, cpus = median(wall[name]), median(cpu[name])
        of_two = walls / median(wall["two"]), cpus / median(cpu["two"])
        print(f"{name:20}{1e6 / walls:>15,.0f}{walls:>18.1f}{of_two[0]:>10.2f}{cpus:>13.1f}{of_two[1]:>10.2f}")


def main() -> None:
    """Run everything and print tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--records", type=int, default=200_000)
    parser.add_argument("--turns", type=int, default=3, help="How often each is measured.")
    parser.add_argument("--only-several", action="store_true", help="Without the comparison with the bare loop.")
    parser.add_argument("--answer-after", type=float, default=0, metavar="SECONDS", help="How long a network takes.")
    given = parser.parse_args()
    command = [sys.executable, __file__, "serve", str(given.answer_after)]
    with tempfile.TemporaryDirectory() as folder:
        server = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert server.stdin
        assert server.stdout
        bench = Bench(folder, f"http://127.0.0.1:{server.stdout.readline().strip()}")
        try:
            if not given.only_several:
                beside_the_bare_loop(bench, given.records, given.turns)
            to_several_at_once(bench, given.records // 4, given.turns)
        finally:
            server.stdin.close()
            server.wait()
            server.stdout.close()


if __name__ == "__main__":
    if sys.argv[1:2] == ["serve"]:
        serve(float(sys.argv[2]))
    elif sys.argv[1:2] == ["bare"]:
        bare_loop(sys.argv[2])
    elif sys.argv[1:2] == ["empty"]:
        empty_target()
    else:
        main()
