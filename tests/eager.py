"""The command with worker processes from its first records on, however short the input: ``WORKERS`` of them.

Small chunks are read, so that little is prepared before; the run waits until all workers are ready.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from target_adpostbacks import __main__
from target_adpostbacks.singer import line_workers, reader, starting
from target_adpostbacks.workers import pool

COUNT = int(os.environ.get("WORKERS", "0"))


class Eager(pool.Workers):
    """Workers that are ready at once."""

    def __init__(self, *given: Any, after: int, **others: Any) -> None:  # they are started at once
        super().__init__(*given, **others)
        while len(self.ready) < COUNT:
            self.wait(seconds=1)


LINE_BY_LINE = -1


def command(workers: int) -> list[str]:
    """The command with so many workers; or that prepares no line before it is that line's turn."""
    return [sys.executable, str(Path(__file__)), str(workers)]


def workers_of(process: subprocess.Popen[bytes]) -> list[int]:
    """The processes of workers that a run has."""
    children = Path(f"/proc/{process.pid}/task").glob("*/children")
    return [int(pid) for each in children for pid in each.read_text().split()]


if __name__ == "__main__":
    COUNT = int(sys.argv.pop(1))
    vars(starting)["default_workers"] = lambda _cores: max(COUNT, 0)
    vars(line_workers)["Workers"] = Eager
    if COUNT == LINE_BY_LINE:
        reader.BLOCKS_AFTER = sys.maxsize
    reader.LineReader.__init__.__kwdefaults__["chunk"] = 600  # type: ignore[index]
    __main__.main()
