"""The processes of a Spark that this process has started: its executors, and their Python workers."""

from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple


class Process(NamedTuple):
    pid: int
    parent: int
    command: str


def executors() -> list[int]:
    """The JVMs of executors."""
    return [process.pid for process in _descendants() if "CoarseGrainedExecutorBackend" in process.command]


def workers() -> list[int]:
    """The Python processes in which executors run tasks: children of a daemon, which is an executor's child."""
    below = {process.pid: process for process in _descendants()}
    daemons = {pid for pid, process in below.items() if process.parent in executors()}
    return [pid for pid, process in below.items() if process.parent in daemons]


def _descendants() -> list[Process]:
    found, parents = list[Process](), {os.getpid()}
    processes = [*_all()]
    while new := [each for each in processes if each.parent in parents and each not in found]:
        found += new
        parents = {each.pid for each in new}
    return found


def _all() -> list[Process]:
    processes = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            parent = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
            command = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except (OSError, IndexError):
            continue  # it has ended meanwhile
        processes.append(Process(int(folder.name), parent, command))
    return processes
