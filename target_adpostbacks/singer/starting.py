"""When a run has worker processes, and how many.

The run of a long file starts them before it imports the SDK, which takes longer than they take to start.
"""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from target_adpostbacks.workers.cores import MOST_WORKERS, WORKERS_AFTER, default_workers, usable_cores

if TYPE_CHECKING:
    from target_adpostbacks.singer.head_start import HeadStart
    from target_adpostbacks.workers.pool import Worker

LONG_FILE = 4 * 1024 * 1024
"""Bytes of a file of more lines than that: it is known to be long before they are read."""
PREFIX = "TARGET_ADPOSTBACKS_"
"""With such a variable the config's files don't say alone how a run prepares."""
VARIABLES = (f"{PREFIX}WORKERS", f"{PREFIX}CLICKS")
"""With one of them not even whether there are workers."""


def count(workers: int | None) -> int:
    """Of the processes of a run that is long enough; ``workers``: the setting, None where there is none."""
    return default_workers(usable_cores()) if workers is None else workers


def lines_before_workers(descriptor: int) -> int:
    """After how many lines of an input they start; 0 for a file that is known to be long."""
    return 0 if _bytes_left(descriptor) >= LONG_FILE else WORKERS_AFTER


def started_early(arguments: Sequence[str]) -> tuple[Sequence[Worker], HeadStart | None]:
    """Those of a run that is sure to have some, and the head start of those that have begun with its input."""
    if {*arguments[::2]} - {"--config"} or None in (sys.stdin, sys.stdout):
        return (), None
    with suppress(OSError):
        if lines_before_workers(0) == 0:
            from target_adpostbacks.config import files
            from target_adpostbacks.workers.spawn import spawn

            with suppress(files.UnreadableConfig):  # the run says so
                settings = files.read(arguments[1::2])
                if processes := [spawn() for _ in range(_count_early(settings))]:
                    from target_adpostbacks.workers.pool import Worker

                    started = [Worker(process) for process in processes]
                    head_start = _head_start(settings, started)
                    return () if head_start else started, head_start
    return (), None


def _count_early(settings: Mapping[str, Any]) -> int:
    workers = settings.get("workers")
    if settings.get("clicks") or any(name.startswith(VARIABLES) for name in os.environ):
        return 0
    return min(count(workers), MOST_WORKERS) if workers is None or type(workers) is int else 0


def _head_start(settings: Mapping[str, Any], started: Sequence[Worker]) -> HeadStart | None:
    if any(name.startswith(PREFIX) for name in os.environ) or (settings.get("workers") or 0) > len(started):
        return None
    from target_adpostbacks.singer.head_start import head_start  # imports most of the run

    return head_start(settings, started)


def _bytes_left(descriptor: int) -> int:
    """Of a file, from where it is read on; 0 where nobody knows, of a pipe for example."""
    status = os.fstat(descriptor)
    return status.st_size - os.lseek(descriptor, 0, os.SEEK_CUR) if stat.S_ISREG(status.st_mode) else 0
