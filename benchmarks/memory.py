"""How much memory a run with its workers takes, from begin to end: every second, that of all its processes together.

Half of the records go to TikTok, half to Reddit, played by a server that answers after ``--answer-after``. Memory is
the proportional set size (PSS): what several processes share counts once. Linux tells it.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

from throughput import PAIR, SECTIONS, records, write_input

PARTS = 10
"""Of the run, in each of which the largest figure is told."""


def memory_of(process: int) -> list[float]:
    """The PSS of a process and of each of its children, in MiB; nothing once it has ended."""
    try:
        children = Path(f"/proc/{process}/task/{process}/children").read_text().split()
        return [_pss(each) for each in (str(process), *children)]
    except OSError:
        return []


def _pss(process: str) -> float:
    lines = Path(f"/proc/{process}/smaps_rollup").read_text().splitlines()
    (kib,) = (line.split()[1] for line in lines if line.startswith("Pss:"))
    return int(kib) / 1024


def watched(command: list[str], source: Path, log: Path) -> list[list[float]]:
    """Run a command; what ``memory_of`` it was, every second."""
    seen = []
    with source.open("rb") as lines, log.open("wb") as output:
        process = subprocess.Popen(command, stdin=lines, stdout=output, stderr=subprocess.STDOUT)
        while process.poll() is None:
            if each := memory_of(process.pid):
                seen.append(each)
            time.sleep(1)
    if process.returncode:
        raise SystemExit(f"{command[0]} ended with {process.returncode}:\n{log.read_text()[-2000:]}")
    return seen


def told(seen: list[list[float]]) -> None:
    """Print the largest figures of each part of the run."""
    print(f"{'part':>4}{'together MiB':>14}{'the run':>9}  workers")
    for part in range(PARTS):
        inside = seen[part * len(seen) // PARTS : (part + 1) * len(seen) // PARTS]
        if inside:
            largest = max(inside, key=sum)
            workers = " ".join(f"{each:.0f}" for each in largest[1:])
            print(f"{part + 1:>4}{sum(largest):>14.0f}{largest[0]:>9.0f}  {workers}")
    sums = [*map(sum, seen)]
    print(f"together at most {max(sums):.0f} MiB, median {median(sums):.0f}")


def main() -> None:
    """Run the command once and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--records", type=int, default=1_000_000)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--answer-after", type=float, default=0, metavar="SECONDS", help="How long a network takes.")
    given = parser.parse_args()
    serve = [sys.executable, str(Path(__file__).with_name("throughput.py")), "serve", str(given.answer_after)]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        server = subprocess.Popen(serve, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert server.stdin
        assert server.stdout
        try:
            url = f"http://127.0.0.1:{server.stdout.readline().strip()}"
            free = {"base_url": url, "send": "all", "requests_per_second": 0}
            sections = {network: {**SECTIONS[network], **free} for network in PAIR}
            config = {**sections, "ledger_url": f"sqlite:///{folder}/ledger.db", "workers": given.workers}
            (folder / "config.json").write_text(json.dumps(config))
            write_input(folder / "input.singer", records(given.records))
            command = [str(Path(sys.executable).with_name("target-adpostbacks")), "--config", f"{folder}/config.json"]
            told(watched(command, folder / "input.singer", folder / "log"))
            print((folder / "log").read_text().splitlines()[-1].rpartition("| ")[2])
        finally:
            server.stdin.close()
            server.wait()
            server.stdout.close()


if __name__ == "__main__":
    main()
