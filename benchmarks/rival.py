"""How long another open-source reverse ETL tool, drt-core, takes for the same conversions, in the same rounds.

Both send the same purchases to Meta's Conversions API, played by a server that answers at once. drt reads them from
DuckDB, as its quick start does, and from SQLite, we from a tap's output on stdin. docs/performance.md says what each of
the two does that the other doesn't. drt is installed into an environment of its own. Compare only what stands in one
table.
"""

from __future__ import annotations

import argparse
import json
import os
import socket
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
import venv
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

from throughput import Cost, conversions, timed

RIVAL = "drt-core[duckdb]==1.2.1"
QUICK = {"batch_size": 1000, "rate_limit": {"requests_per_second": 1_000_000}}
"""What Meta takes in a request, and no pacing. By default drt sends 100 in a request, ten requests a second."""
RIVALS: dict[str, tuple[str, dict[str, Any]]] = {
    "drt, DuckDB": ("duckdb", QUICK),
    "drt, SQLite": ("sqlite", QUICK),
    "drt, DuckDB, as it comes": ("duckdb", {}),
}
"""Where drt reads, and the options of its sync. The first is what all are compared with."""
FIRST, *_ = RIVALS

# drt knows no other address of Meta's, so its own is replaced before it starts.
RIVAL_PROGRAM = (
    "import sys, drt.destinations.meta_conversions as meta; meta._BASE_URL = sys.argv.pop(1);"
    " from drt.cli.main import app; app()"
)
PIXEL, TOKEN = "123456789012345", "EAAexample"


def purchases(count: int) -> Iterator[dict[str, Any]]:
    """So many purchases of 26 columns within the last day, with one text that is empty."""
    for number, record in enumerate(conversions(count)):
        del record["contents"]
        one_each = {name: record[name][0] for name in ("email", "phone", "external_id")}
        yield {
            **record,
            **one_each,
            "event_name": "purchase",
            "event_time": int(time.time()) - number % 86_400,
            "event_source": "web",
            "fbc": f"fb.1.{1_795_000_000_000 + number}.IwAR{number:030}",
            "fbp": f"fb.1.{1_795_000_000_000 + number}.{number:010}",
            "state": "",
            "gender": "f",
            "date_of_birth": "1990-02-03",
            "ad_id": str(number % 700),
        }


class Project:
    """Both programs' input and settings, in one folder."""

    def __init__(self, folder: Path, url: str, count: int, rival_python: Path) -> None:
        self.folder = folder
        self.url = url
        self.rival_python = rival_python
        self.source = folder / "input.singer"
        columns = list(next(purchases(1)))
        schema = {"type": "object", "properties": {name: {} for name in columns}}
        first = {"type": "SCHEMA", "stream": "conversions", "schema": schema, "key_properties": ["event_id"]}
        insert = f"INSERT INTO conversions VALUES ({', '.join('?' * len(columns))})"
        with self.source.open("w") as lines, closing(sqlite3.connect(folder / "warehouse.db")) as warehouse:
            print(json.dumps(first), file=lines)
            warehouse.execute(f"CREATE TABLE conversions ({', '.join(columns)})")
            for number, row in enumerate(purchases(count), 1):
                print(json.dumps({"type": "RECORD", "stream": "conversions", "record": row}), file=lines)
                warehouse.execute(insert, list(row.values()))
                if number % 1000 == 0:
                    print(json.dumps({"type": "STATE", "value": {"line": number}}), file=lines)
            warehouse.commit()
        duckdb = self.folder / "warehouse.duckdb"
        fill = "import duckdb, sys; duckdb.connect(sys.argv[1]).execute(sys.argv[2], sys.argv[3:])"
        table = "CREATE TABLE conversions AS SELECT unnest(record) FROM read_json(?) WHERE type = 'RECORD'"
        subprocess.run([rival_python, "-c", fill, duckdb, table, self.source], check=True)
        home = folder / "home" / ".drt"
        home.mkdir(parents=True)
        databases = {"sqlite": folder / "warehouse.db", "duckdb": duckdb}
        profiles = {source: {"type": source, "database": str(path)} for source, path in databases.items()}
        (home / "profiles.yml").write_text(json.dumps(profiles))  # JSON is YAML
        for name, (source, options) in RIVALS.items():
            self._rival(name, source, options)

    def _rival(self, name: str, source: str, options: Mapping[str, Any]) -> None:
        project = self.folder / name
        (project / "syncs").mkdir(parents=True)
        (project / "drt_project.yml").write_text(json.dumps({"name": "rival", "version": "0.1", "profile": source}))
        destination = {
            "type": "meta_conversions",
            "pixel_id": PIXEL,
            "access_token": TOKEN,
            "event_name": "Purchase",
            "event_time_field": "event_time",
            "event_id_field": "event_id",
            "event_source_url_field": "event_source_url",
            "email_field": "email",
            "phone_field": "phone",
            "client_ip_address_field": "ip_address",
            "client_user_agent_field": "user_agent",
            "fbc_field": "fbc",
            "fbp_field": "fbp",
            "value_field": "value",
        }
        sync = {"name": "meta", "model": "SELECT * FROM conversions", "destination": destination, "sync": options}
        (project / "syncs" / "meta.yml").write_text(json.dumps(sync))

    def rival(self, name: str) -> Cost:
        environment = {**os.environ, "HOME": str(self.folder / "home"), "DO_NOT_TRACK": "1"}
        command = [str(self.rival_python), "-c", RIVAL_PROGRAM, self.url, "run"]
        return timed(command, None, str(self.folder / name), self.folder / f"{name}.log", environment)

    def ours(self, name: str, settings: Mapping[str, Any]) -> Cost:
        """Our command, with a new ledger."""
        meta = {"pixel_id": PIXEL, "access_token": TOKEN, "base_url": self.url}
        config = self.folder / f"{name}.json"
        ledger = self.folder / f"{name}.db"
        for each in self.folder.glob(f"{name}.db*"):
            each.unlink()
        config.write_text(json.dumps({"meta": meta, "ledger_url": f"sqlite:///{ledger}", **settings}))
        command = [str(Path(sys.executable).with_name("target-adpostbacks")), "--config", str(config)]
        return timed(command, self.source, str(self.folder), self.folder / f"{name}.log")


class Recorder:
    """Takes what is posted and answers at once, as Meta does when all is well. A GET asks how many events came."""

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._counted = threading.Lock()
        self._events = 0
        self.port = self._listener.getsockname()[1]

    def serve(self) -> None:
        while True:
            connection, _ = self._listener.accept()
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            threading.Thread(target=self._answer, args=(connection,), daemon=True).start()

    def _answer(self, connection: socket.socket) -> None:
        with connection, connection.makefile("rb", 1 << 20) as received:
            while line := received.readline():
                length = 0
                while (header := received.readline().lower()) != b"\r\n":
                    if header.startswith(b"content-length:"):
                        length = int(header.partition(b":")[2])
                events = received.read(length).count(b'"event_time"')
                with self._counted:
                    if line.startswith(b"GET"):
                        events, self._events = self._events, 0
                    else:
                        self._events += events
                answer = b'{"events_received":%d,"messages":[],"fbtrace_id":"A"}' % events
                head = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n" % len(answer)
                connection.sendall(head + answer)


def rival_python(folder: Path) -> Path:
    """The interpreter of an environment with the rival in it, which is made if it is not there."""
    python = folder / "bin" / "python"
    if not python.exists():
        print(f"installing {RIVAL}", flush=True)
        venv.create(folder, with_pip=True)
        subprocess.run([python, "-m", "pip", "install", "--quiet", RIVAL], check=True)
    return python


def sdk_alone(project: Project) -> Cost:
    """What the Singer SDK takes to be imported: a measure of the machine in this round."""
    command = [sys.executable, "-c", "import singer_sdk.target_base"]
    return timed(command, None, str(project.folder), project.folder / "sdk.log")


def compared(project: Project, runs: Mapping[str, Callable[[], Cost]], rounds: int, count: int) -> None:
    """All of the runs in turn, so many times. A run that did not send every event ends the benchmark."""
    costs: dict[str, list[Cost]] = {name: [] for name in runs}
    for turn in range(rounds):
        for name, run in runs.items():
            costs[name].append(run())
            with urllib.request.urlopen(project.url) as answer:
                events = json.load(answer)["events_received"]
            if name != SDK and events != count:
                raise SystemExit(f"{name} sent {events} of {count} events; see {project.folder}")
            print(f"round {turn + 1}, {name}: {costs[name][-1].wall_seconds:.2f} s", file=sys.stderr, flush=True)
    print(f"{count:,} conversions to Meta, {rounds} rounds in turn, {len(os.sched_getaffinity(0))} cores")
    print(f"{'':26}{'wall s':>8}{'CPU s':>8}{'peak MiB':>10}{'its wall ÷ this':>18}{'its CPU ÷ this':>17}")
    for name, of_run in costs.items():
        wall, cpu = (min(each[measure] for each in of_run) for measure in (0, 1))
        peak = max(each.peak_kib for each in of_run) / 1024
        ratios = [
            median(rival[measure] / each[measure] for rival, each in zip(costs[FIRST], of_run, strict=True))
            for measure in (0, 1)
        ]
        told = "" if name == SDK else f"{ratios[0]:>18.2f}{ratios[1]:>17.2f}"
        print(f"{name:26}{wall:>8.2f}{cpu:>8.2f}{peak:>10.0f}{told}")
    print("wall and CPU: the best round; ratios: the median of the rounds; peak: of the largest process")


SDK = "import of the Singer SDK"


def main() -> None:
    """Run both and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--records", type=int, default=50_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--rival-environment", type=Path, metavar="FOLDER", help="Where the rival is, or will be.")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        python = rival_python(given.rival_environment or Path(folder, "environment"))
        recorder = subprocess.Popen([sys.executable, __file__, "serve"], stdout=subprocess.PIPE, text=True)
        assert recorder.stdout
        url = f"http://127.0.0.1:{recorder.stdout.readline().strip()}"
        try:
            project = Project(Path(folder), url, given.records, python)
            runs: dict[str, Callable[[], Cost]] = {
                **{name: partial(project.rival, name) for name in RIVALS},
                "ours": lambda: project.ours("ours", {}),
                "ours, workers: 0": lambda: project.ours("alone", {"workers": 0}),
                SDK: lambda: sdk_alone(project),
            }
            compared(project, runs, given.rounds, given.records)
        finally:
            recorder.kill()
            recorder.wait()
            recorder.stdout.close()


if __name__ == "__main__":
    if sys.argv[1:] == ["serve"]:
        server = Recorder()
        print(server.port, flush=True)
        server.serve()
    else:
        main()
