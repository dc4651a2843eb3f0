"""Records of a caller in Python, some of them prepared ahead by workers; taken by the run in their order."""

from __future__ import annotations

import logging
import pickle
import time
from collections import deque
from collections.abc import Mapping, Sequence
from typing import Any

from target_adpostbacks.core.prepared import Prepared
from target_adpostbacks.run.run import Run
from target_adpostbacks.workers.pool import BLOCK_BYTES, Workers
from target_adpostbacks.workers.records import Records

WORKERS_AFTER = 3_000
"""Records after which there are enough for worker processes to pay."""
WAIT_SECONDS = 0.5


class Ahead:
    """Hands the run its records: at once, or by ``count`` workers once many have come. Not after ``close``."""

    def __init__(self, run: Run, stream: str, key: Sequence[str], count: int, log: logging.Logger) -> None:
        self._run, self._stream, self._key, self._count, self._log = run, stream, key, count, log
        self._workers: Workers | None = None
        self._filling: list[bytes | Prepared] = []  # a record, or what it came to here
        self._first, self._size, self._since = 1, 0, 0.0
        self._handed: deque[list[bytes | Prepared]] = deque()

    def add(self, record: Mapping[str, Any], line: int) -> None:
        """One record; ``line``: its number, from 1."""
        if self._count and line > WORKERS_AFTER and self._workers is None:
            work = Records(self._run.preparation, self._run.unmet, self._stream, self._key)
            self._workers = Workers(work, self._count, self._log.warning)
        workers = self._workers
        if workers is None:
            self._run.add(record, stream=self._stream, key=self._key, line=line)
            return
        workers.wait()
        if not self._filling and not workers.is_at_work:
            self._run.add(record, stream=self._stream, key=self._key, line=line)
            return
        self._fill(record, line)
        if self._size >= BLOCK_BYTES or time.monotonic() - self._since >= WAIT_SECONDS:
            self._hand()

    def take(self, prepared: Prepared) -> None:
        """What is no record, in its turn."""
        if self._filling or self._handed:
            self._first = self._first if self._filling else prepared.line
            self._filling.append(prepared)
        else:
            self._run.count_read(self._run.take(prepared))

    def _fill(self, record: Mapping[str, Any], line: int) -> None:
        if not self._filling:
            self._first, self._since = line, time.monotonic()
        try:
            data = pickle.dumps(record)  # at once: the caller may change it
        except Exception:  # noqa: BLE001 - whatever the caller's own types raise
            self._filling.append(self._run.prepare(record, stream=self._stream, key=self._key, line=line))
        else:
            self._filling.append(data)
            self._size += len(data)

    def _hand(self) -> None:
        """Give the block to a worker, and take back what is done; wait while too much is under way."""
        if not self._filling or self._workers is None:
            return
        block, self._filling, self._size = self._filling, [], 0
        self._handed.append(block)
        self._workers.hand(pickle.dumps([each if isinstance(each, bytes) else None for each in block]), self._first)
        while self._workers.is_next_done or (self._workers.has_blocks and not self._workers.has_room):
            self._take_next()

    def _take_next(self) -> None:
        workers = self._workers
        assert workers  # noqa: S101 - it has blocks
        while (block := workers.next()) is None:
            workers.wait(seconds=WAIT_SECONDS)
            self._run.tick()
        members = block.answer.members if block.answer else []
        for at, own in enumerate(self._handed.popleft()):
            member = members[at] if at < len(members) else None
            if isinstance(own, Prepared):
                self._run.count_read(self._run.take(own))
            elif member and member[0]:
                self._run.count_read(self._run.take(member[0]))
            else:
                record = pickle.loads(own)  # noqa: S301 - our own
                self._run.add(record, stream=self._stream, key=self._key, line=block.number + at)
        if block.answer:
            self._run.meet(block.answer.unmet, block.answer.unmet_names)

    def finish(self) -> None:
        """Take everything that has come."""
        self._hand()
        while self._workers and self._workers.has_blocks:
            self._take_next()

    def close(self) -> None:
        """End the workers."""
        if self._workers:
            self._workers.close()
