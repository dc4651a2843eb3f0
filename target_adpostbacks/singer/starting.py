"""When a run has worker processes, and how many."""

from __future__ import annotations

import os
import stat

from target_adpostbacks.workers.cores import default_workers, usable_cores

WORKERS_AFTER = 3_000
"""Lines after which an input is long enough for worker processes to pay."""
LONG_FILE = 4 * 1024 * 1024
"""Bytes of a file of more lines than that: it is known to be long before they are read."""


def count(workers: int | None) -> int:
    """Of the processes of a run that is long enough; ``workers``: the setting, None where there is none."""
    return default_workers(usable_cores()) if workers is None else workers


def lines_before_workers(descriptor: int) -> int:
    """After how many lines of an input they start; 0 for a file that is known to be long."""
    return 0 if _bytes_left(descriptor) >= LONG_FILE else WORKERS_AFTER


def _bytes_left(descriptor: int) -> int:
    """Of a file, from where it is read on; 0 where nobody knows, of a pipe for example."""
    status = os.fstat(descriptor)
    return status.st_size - os.lseek(descriptor, 0, os.SEEK_CUR) if stat.S_ISREG(status.st_mode) else 0
