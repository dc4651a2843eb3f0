"""How many worker processes a run may have, by the cores that it may use: its affinity and its container's quota."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

WORKERS_AFTER = 3_000
"""Conversions after which an input is long enough for worker processes to pay."""
MOST_WORKERS = 4
CONTROL_GROUPS = Path("/sys/fs/cgroup")
OWN_GROUPS = Path("/proc/self/cgroup")


def default_workers(cores: int) -> int:
    """Worker processes on so many cores: one would only take its core from the run itself.

    >>> [default_workers(cores) for cores in (1, 2, 3, 16)]
    [0, 2, 3, 4]
    """
    return 0 if cores < 2 else min(cores, MOST_WORKERS)


def usable_cores(root: Path = CONTROL_GROUPS, own: Path = OWN_GROUPS) -> int:
    """Whole cores, at least one. ``root``: where control groups are mounted; ``own``: those of this process."""
    affinity = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, int(min([float(affinity), *_quotas(root, own)])))


def _quotas(root: Path, own: Path) -> list[float]:
    """In cores, of every control group that the process is in, and of those around it."""
    quotas = []
    for place, group in _groups(root, own):
        for folder in (group, *group.parents):
            with suppress(OSError, ValueError, ZeroDivisionError):
                quota, period = _quota(place / folder)
                if quota > 0:
                    quotas.append(quota / period)
    return quotas


def _groups(root: Path, own: Path) -> list[tuple[Path, Path]]:
    """Each hierarchy's folder, and the group of this process in it."""
    groups = []
    with suppress(OSError):
        for line in own.read_text().splitlines():
            _, _, named = line.partition(":")
            controllers, _, path = named.partition(":")
            if not controllers:  # version 2
                groups.append((root, Path(path.lstrip("/"))))
            elif "cpu" in controllers.split(","):  # version 1
                groups += [(root / name, Path(path.lstrip("/"))) for name in dict.fromkeys((controllers, "cpu"))]
    return groups


def _quota(folder: Path) -> tuple[float, float]:
    """Microseconds in a period of so many; raises OSError and ValueError where there is none."""
    if (limit := folder / "cpu.max").exists():
        quota, period = limit.read_text().split()
        return float(quota), float(period)  # "max" is no number
    return (
        float((folder / "cpu.cfs_quota_us").read_text()),  # -1: none
        float((folder / "cpu.cfs_period_us").read_text()),
    )
