"""What a ledger costs in each layout: bytes and WAL a conversion, look-ups and writes a second, ageing.

``python benchmarks/ledger.py --rows 1000000 10000000`` fills a SQLite file and an embedded PostgreSQL with so many
accepted conversions, as a run writes them, 1,000 to a request. At each number it asks for 1,000 conversions at a time,
a tenth of them known. Seconds are of the whole machine: let nothing else run. What it makes in --folder it deletes.
"""

from __future__ import annotations

import argparse
import sqlite3
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from random import Random
from typing import Any

from target_adpostbacks.core.postback import Facts, Key
from target_adpostbacks.demo.postgres import postgres
from target_adpostbacks.ledger import Delivered, Ledger, Sent, Status
from target_adpostbacks.ledger.database import Database
from target_adpostbacks.ledger.definition import Layout

BATCH = 1000
LOOK_UPS = 30
NOW = "2026-11-{day:02d}T12:06:00.000+00:00"
DAYS = 20


def a_row(number: int) -> Delivered:
    """An accepted purchase with a click id, a person, a campaign and money, as most are."""
    event_id = f"evt_{number * 2_654_435_761 % 2**32:08x}{number:010d}"  # no order that an index could use
    sent = Sent(200, 85, 1, f"{number // BATCH:032x}", f"2026112012{number // BATCH:020x}", NOW.format(day=20))
    campaign = ("1790000000000001", "Autumn sale, prospecting", "1790000000000101", "1790000000000201", None, None)
    facts = Facts("conversions", number, NOW.format(day=20), "Purchase", "ttclid,email,phone", *campaign, 19.99, "EUR")
    key = Key("tiktok", "D7VH38JC77U3LFDOLGRG", "purchase", event_id, "", False)
    return Delivered(key, "default", Status("accepted", "", "0", ""), sent, facts)


def an_attempt(number: int) -> dict[str, Any]:
    return {
        "attempt_id": f"{number // BATCH:032x}",
        "parent_id": None,
        "network": "tiktok",
        "account": "default",
        "asset": "D7VH38JC77U3LFDOLGRG",
        "started_at": NOW.format(day=20),
        "latency_ms": 85,
        "http_status": 200,
        "attempt": 1,
        "events": BATCH,
        "status": "Success",
        "code": "0",
        "message": "OK",
        "network_request_id": f"2026112012{number // BATCH:020x}",
    }


class Sizes:
    """What a database has written and keeps; of SQLite, whose file is given, no log is counted."""

    def __init__(self, url: str, file: Path | None, layout: Layout) -> None:
        self._database = Database(url, "read")
        self._file, self._layout = file, layout

    def wal(self) -> int:
        """Bytes of the write-ahead log until now."""
        if self._file:
            return 0
        return int(self._database.read("SELECT pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0') AS bytes")[0][0])

    def kept(self) -> tuple[int, int]:
        """Bytes of what was accepted with its indexes, and of the indexes."""
        if self._file:
            with closing(sqlite3.connect(self._file)) as connection:
                connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
            return self._file.stat().st_size, 0
        tables = {"compact": "pg_partition_tree('accepted_keys')", "full": "(SELECT 'deliveries'::regclass AS relid)"}
        query = f"""
            SELECT sum(pg_total_relation_size(relid)), sum(pg_indexes_size(relid)) FROM {tables[self._layout]} AS tables
        """
        total, indexes = self._database.read(query)[0]
        return int(total), int(indexes)

    def close(self) -> None:
        """Give back the connection."""
        self._database.close()


@contextmanager
def ledger_at(kind: str, folder: Path) -> Iterator[tuple[str, Path | None]]:
    """The URL of an empty database, and its file if it is one."""
    if kind == "sqlite":
        yield f"sqlite:///{folder}/ledger.db", folder / "ledger.db"
        return
    with postgres() as server:
        yield server.url, None


def write(ledger: Ledger, first: int, last: int, total: int) -> float:
    """Write these numbers, spread over twenty days; the seconds that the ledger took."""
    seconds = 0.0
    for number in range(first, last, BATCH):
        rows = [a_row(each) for each in range(number, number + BATCH)]
        begun = time.monotonic()
        ledger.write(NOW.format(day=1 + number * DAYS // total), rows, [an_attempt(number)])
        seconds += time.monotonic() - begun
    return seconds


def look_up(ledger: Ledger, count: int, random: Random) -> float:
    """Ask for conversions of which so many are known; the seconds that the ledger took."""
    seconds = 0.0
    for _ in range(LOOK_UPS):
        new = [a_row(random.randrange(10**9, 2 * 10**9)).key for _ in range(BATCH * 9 // 10)]
        keys = [*new, *(a_row(random.randrange(count)).key for _ in range(BATCH // 10))]
        begun = time.monotonic()
        assert len(ledger.earlier(keys)) >= BATCH // 11  # some may be asked for twice
        seconds += time.monotonic() - begun
    return seconds


def measure(kind: str, layout: Layout, counts: Sequence[int], folder: Path) -> None:
    """Print a line for each of these counts, and one of ageing."""
    random, done = Random(7), 0
    with ExitStack() as stack:
        url, file = stack.enter_context(ledger_at(kind, folder))
        ledger = stack.enter_context(closing(Ledger(url, "run-1", layout=layout)))
        sizes = stack.enter_context(closing(Sizes(url, file, layout)))
        for count in counts:
            before = sizes.wal()
            written = write(ledger, done, count, counts[-1])
            wal = sizes.wal() - before
            total, indexes = sizes.kept()
            asked = look_up(ledger, count, random)
            each = (total / count, indexes / count, wal / (count - done))
            per_second = ((count - done) / written, LOOK_UPS * BATCH / asked)
            cells = [kind, layout, f"{count:,}", *(f"{figure:,.0f}" for figure in (*each, *per_second))]
            print(f"| {' | '.join(cells)} |", flush=True)
            done = count
        before, begun = sizes.wal(), time.monotonic()
        ledger.expire(None, NOW.format(day=2))
        seconds, gone = time.monotonic() - begun, done // DAYS
        wal = (sizes.wal() - before) // gone
        print(f"{kind}, {layout}: {gone:,} forgotten in {seconds:.1f} s, {wal} bytes of WAL each", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, nargs="+", default=[1_000_000])
    parser.add_argument("--only", choices=("sqlite", "postgresql"))
    parser.add_argument("--layout", choices=("full", "compact"))
    parser.add_argument("--folder", type=Path)
    given = parser.parse_args()
    names = ("database", "layout", "conversions", "bytes each", "of indexes", "WAL each", "written/s", "looked up/s")
    print(f"| {' | '.join(names)} |\n|{' --- |' * len(names)}")
    for kind in (given.only,) if given.only else ("sqlite", "postgresql"):
        for layout in (given.layout,) if given.layout else ("full", "compact"):
            with tempfile.TemporaryDirectory(dir=given.folder) as folder:
                measure(kind, layout, sorted(given.rows), Path(folder))


if __name__ == "__main__":
    main()
