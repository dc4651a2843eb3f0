"""Records of a caller in Python, prepared in blocks: here, or ahead by workers; taken by the run in their order."""

from __future__ import annotations

import logging
import math
import pickle
import time
from collections import deque
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

from target_adpostbacks.core.network import IN_STEP
from target_adpostbacks.core.prepared import Prepared
from target_adpostbacks.run.preparing import Pending
from target_adpostbacks.run.run import Run
from target_adpostbacks.workers.cores import WORKERS_AFTER
from target_adpostbacks.workers.pool import BLOCK_BYTES, Workers
from target_adpostbacks.workers.records import Records

BLOCK_SECONDS = 0.01
"""How long a block may take to come; an iterator that is slower has nothing to gain from blocks."""
WAIT_SECONDS = 0.5


class Ahead:
    """Hands the run its records: in blocks, by ``count`` workers once many have come. Not after ``close``.

    ``waited``: seconds for which the first record of the last block that was prepared here had waited for its last one.
    """

    def __init__(self, run: Run, stream: str, key: Sequence[str], count: int, log: logging.Logger) -> None:
        self._run, self._stream, self._key, self._count, self._log = run, stream, key, count, log
        self.waited = 0.0
        self._waiting: deque[Pending | Prepared | None] = deque()  # for a block that is prepared here
        self._came, self._taken = 0.0, -math.inf  # when its first record did, and when the block before was
        self._workers: Workers | None = None
        self._filling: list[bytes | Prepared] = []  # a record, or what it came to here
        self._first, self._size, self._since = 1, 0, 0.0
        self._handed: deque[list[bytes | Prepared]] = deque()

    def add(self, record: Mapping[str, Any], line: int) -> None:
        """One record, which nobody changes any more; ``line``: its number, from 1."""
        if self._count and line > WORKERS_AFTER and self._workers is None:
            work = Records(self._run.preparation, self._run.unmet, self._stream, self._key)
            self._workers = Workers(work, self._count, self._log.warning)
        if self._workers:
            self._workers.wait()
        if not self._workers or not (self._filling or self._workers.is_at_work):
            self._wait(Pending(record, self._stream, self._key, line))
            return
        self._take_waiting()
        self._fill(record, line)
        if self._size >= BLOCK_BYTES or time.monotonic() - self._since >= WAIT_SECONDS:
            self._hand()

    def take(self, prepared: Prepared) -> None:
        """What is no record, in its turn."""
        if self._filling or self._handed:
            self._first = self._first if self._filling else prepared.line
            self._filling.append(prepared)
        else:
            self._wait(prepared)

    def _wait(self, each: Pending | Prepared) -> None:
        """Until the block is full; an iterator that takes its time is not waited for."""
        now = time.monotonic()
        if not self._waiting:
            self._came = now
        self._waiting.append(each)
        if now - self._taken >= BLOCK_SECONDS or len(self._waiting) >= IN_STEP:
            self.waited = now - self._came
            self._take_waiting()

    def _take_waiting(self) -> None:
        run = self._run
        try:
            if not run.clicks:  # which take them together, once they are looked up
                with suppress(Exception):  # the one that fails says so in its turn
                    self._waiting = deque(run.prepare_all(self._waiting))
            while self._waiting:
                each = self._waiting.popleft()
                if isinstance(each, Pending):
                    run.add(each.record, stream=each.stream, key=each.key, line=each.line)
                else:
                    run.take_all([each])
        except Exception:
            self._waiting.clear()
            raise
        self._taken = time.monotonic()

    def _fill(self, record: Mapping[str, Any], line: int) -> None:
        if not self._filling:
            self._first, self._since = line, time.monotonic()
        try:
            data = pickle.dumps(record)
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
        data = pickle.dumps([each if isinstance(each, bytes) else None for each in block])
        self._workers.hand(data, self._first, len(block))
        while self._workers.is_next_done or (self._workers.has_blocks and not self._workers.has_room):
            self._take_next()

    def _take_next(self) -> None:
        workers = self._workers
        assert workers  # noqa: S101 - it has blocks
        while (block := workers.next()) is None:
            workers.wait(seconds=WAIT_SECONDS)
            self._run.tick()
        answer = block.answer
        members = answer.members if answer else []
        for at, own in enumerate(self._handed.popleft()):
            member = members[at] if at < len(members) else None
            if isinstance(own, Prepared):
                self._waiting.append(own)
            elif member and member[0]:
                self._waiting.append(member[0])
            else:
                record = pickle.loads(own)  # noqa: S301 - our own
                self._waiting.append(Pending(record, self._stream, self._key, block.number + at))
        self._take_waiting()
        if block.answer:
            self._run.meet(block.answer.unmet, block.answer.unmet_names)

    def finish(self) -> None:
        """Take everything that has come."""
        self._take_waiting()
        self._hand()
        while self._workers and self._workers.has_blocks:
            self._take_next()

    def close(self) -> None:
        """End the workers, and take what is still to be prepared here."""
        if self._workers:
            self._workers.close()
        self._take_waiting()
