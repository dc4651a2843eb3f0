"""How many conversions a second Spark delivers with one and with two executors of a core each, beside a Singer run.

All three deliver the same records in turns, in each round to ledgers of their own in one PostgreSQL; the network is a
trivial HTTP server. PostgreSQL and the network are processes of their own and are not counted. Where two executors have
no two idle cores, wall-clock time says nothing of them: then compare CPU time, of executors with their Python, which
grows only by what one executor costs the other. Run it with the Python that has Spark: .venv/spark/bin/python.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack
from itertools import count
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

import psycopg
from throughput import PAIR, SECTIONS, Cost, records, timed, write_input

from target_adpostbacks.demo.postgres import postgres

TICKS = os.sysconf("SC_CLK_TCK")
PARTITIONS = 4
QUICK = "-XX:+UseSerialGC"


class Process(NamedTuple):
    pid: int
    parent: int
    command: str
    cpu_seconds: float


def processes() -> Iterator[Process]:
    """All of this machine."""
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            fields = (folder / "stat").read_text().rpartition(")")[2].split()
            command = (folder / "cmdline").read_bytes().decode(errors="replace")
        except OSError:
            continue  # it has ended
        ticks = sum(map(int, fields[11:15]))  # its own, and those of its children that have ended
        yield Process(int(folder.name), int(fields[1]), command, ticks / TICKS)


def of_executors() -> tuple[float, float]:
    """CPU seconds of the executors of the Spark below this process, and of their Python alone."""
    everything = [*processes()]
    below = {os.getpid()}
    for _ in range(5):
        below |= {each.pid for each in everything if each.parent in below}
    jvms = {each.pid for each in everything if each.pid in below and "CoarseGrainedExecutorBackend" in each.command}
    pythons = {each.pid for each in everything if each.parent in jvms}
    pythons |= {each.pid for each in everything if each.parent in pythons}
    in_python = sum(each.cpu_seconds for each in everything if each.pid in pythons)
    return in_python + sum(each.cpu_seconds for each in everything if each.pid in jvms), in_python


def drive(executors: int, source: str) -> None:
    """A Spark that sends the records once for each config that standard input names, and prints what it took."""
    from pyspark.sql import SparkSession

    builder = SparkSession.builder.master(f"local-cluster[{executors},1,1024]")
    for name, value in {
        "spark.ui.enabled": "false",
        "spark.ui.showConsoleProgress": "false",
        "spark.executor.memory": "800m",
        "spark.executor.extraJavaOptions": QUICK,
        "spark.driver.extraJavaOptions": QUICK,
    }.items():
        builder = builder.config(name, value)
    spark = builder.getOrCreate()
    spark.sparkContext.setLogLevel("ERROR")
    frame = spark.read.json(source).repartition(PARTITIONS).cache()
    frame.count()
    print("ready", flush=True)
    for config in sys.stdin:
        before, started = of_executors(), time.perf_counter()
        frame.write.format("adpostbacks").option("config", config.strip()).mode("append").save()
        took = time.perf_counter() - started
        cpu, in_python = (after - earlier for after, earlier in zip(of_executors(), before, strict=True))
        print(json.dumps({"wall": took, "cpu": cpu, "in_python": in_python}), flush=True)
    spark.stop()


class Bench:
    """A folder, a network that takes everything, and a PostgreSQL for ledgers."""

    def __init__(self, folder: str, stack: ExitStack) -> None:
        self._folder, self._stack, self._numbers = Path(folder), stack, count(1)
        words = [sys.executable, "-c", "import throughput; throughput.serve(0)"]
        network = self._popen(words, cwd=str(Path(__file__).parent))
        self._url = f"http://127.0.0.1:{int(network.stdout.readline())}"
        self._server = stack.enter_context(postgres())

    def _popen(self, words: list[str], **options: Any) -> Any:
        process = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, **options)
        self._stack.callback(process.wait)
        self._stack.callback(process.stdin.close)  # type: ignore[union-attr]  # which ends it
        return process

    def config(self) -> Path:
        """A new config, with an empty ledger."""
        own = self._server._replace(database=f"ledger_{next(self._numbers)}")
        with psycopg.connect(self._server.dsn, autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {own.database}".encode())
        sections = {name: {**SECTIONS[name], "base_url": self._url, "requests_per_second": 0} for name in PAIR}
        path = self._folder / f"{own.database}.json"
        path.write_text(json.dumps({**sections, "ledger_url": own.url, "workers": 0}))
        return path

    def spark(self, executors: int, source: Path) -> Any:
        """A driver that waits for configs."""
        words = [sys.executable, __file__, "--drive", str(executors), "--source", str(source)]
        return self._popen(words, env={**os.environ, "SPARK_LOCAL_IP": "127.0.0.1", "PYSPARK_PYTHON": sys.executable})

    def singer(self, source: Path) -> Cost:
        """One run of the target, without workers."""
        command = [str(Path(sys.executable).with_name("target-adpostbacks")), "--config", str(self.config())]
        return timed(command, source, str(self._folder), self._folder / "singer.log")


def answer(driver: Any, start: str) -> str:
    """The next line of a driver's that begins so; Java prints others between them."""
    for line in driver.stdout:
        if line.startswith(start):
            return str(line)
    raise SystemExit("The driver has ended.")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--records", type=int, default=50_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--drive", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--source", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.drive:
        drive(options.drive, options.source)
        return
    with ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        lines, rows = Path(folder, "singer.jsonl"), Path(folder, "rows.json")
        write_input(lines, records(options.records))
        rows.write_text("".join(json.dumps(record) + "\n" for record in records(options.records)))
        bench = Bench(folder, stack)
        drivers = {number: bench.spark(number, rows) for number in (1, 2)}
        for driver in drivers.values():
            answer(driver, "ready")
        measured: dict[str, list[dict[str, float]]] = {"one executor": [], "two executors": [], "Singer": []}
        for turn in range(options.rounds + 1):
            costs = {}
            for name, driver in zip(measured, drivers.values(), strict=False):
                driver.stdin.write(f"{bench.config()}\n")
                driver.stdin.flush()
                costs[name] = json.loads(answer(driver, "{"))
            run = bench.singer(lines)
            costs["Singer"] = {"wall": run.wall_seconds, "cpu": run.cpu_seconds, "in_python": run.cpu_seconds}
            for name, cost in costs.items() if turn else ():  # the first is to get warm
                measured[name].append(cost)
                print(f"round {turn}, {name}: " + ", ".join(f"{what} {value:.1f} s" for what, value in cost.items()))
    middle = {
        name: {what: median(cost[what] for cost in costs) for what in costs[0]} for name, costs in measured.items()
    }
    for name, cost in middle.items():
        rates = ", ".join(f"{options.records / value:,.0f} a second by {what}" for what, value in cost.items())
        print(f"{name}: {rates}")
    one, two = middle["one executor"], middle["two executors"]
    print(
        f"Two executors, of linear: {one['wall'] / two['wall'] / 2:.2f} by wall, {one['cpu'] / two['cpu']:.2f} by CPU"
    )
    print(f"Python of one executor beside Singer, CPU: {one['in_python'] / middle['Singer']['cpu']:.2f}")


if __name__ == "__main__":
    main()
