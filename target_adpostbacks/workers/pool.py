"""The workers of a run, for the one thread that reads: it hands out blocks and gets the answers back in order."""

from __future__ import annotations

import fcntl
import os
import pickle
import select
import subprocess
from collections import deque
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Any

import msgspec

from target_adpostbacks.workers.process import BLOCK, HEADER, LENGTH, NEWS
from target_adpostbacks.workers.spawn import spawn
from target_adpostbacks.workers.work import Answer, Work, unpacked

BLOCK_BYTES = 192 * 1024
"""From so many on, what has been read is handed out: one read of a file, or some of a pipe."""
AHEAD = 3
"""Blocks for each worker that are handed out before their turn comes."""
PIPE_BYTES = 1024 * 1024
END_SECONDS = 2
"""Between the end of its input and the end of a worker, at most."""


class Block:
    """A part of the input: its bytes, the number of its first member and how many they are, and in time its answer.

    ``generation``: of what the workers had been told when it was handed out.
    """

    __slots__ = ("count", "data", "generation", "is_done", "number", "packed", "prepared")

    def __init__(self, data: bytes, number: int, count: int, generation: int) -> None:
        self.data, self.number, self.count, self.generation = data, number, count, generation
        self.is_done = False
        self.packed: bytes | None = None  # what a worker has answered
        self.prepared: Answer | None = None  # what it comes to where the parent has done it at once

    @property
    def answer(self) -> Answer | None:
        """What it comes to; None: the parent has to see to it line by line."""
        if self.packed is not None:
            with suppress(msgspec.MsgspecError):
                return unpacked(self.packed)
        return self.prepared


class Gone(Exception):
    """The process has ended."""


class Worker:
    """A process, a new one or one that has been started, and what is on its way to it and back. Nothing here waits."""

    def __init__(self, process: subprocess.Popen[bytes] | None = None) -> None:
        self.is_ready = False
        self.blocks: deque[Block] = deque()  # that it has been handed, without an answer
        self._unsent: deque[memoryview] = deque()
        self._received = bytearray(LENGTH.size)  # as much as the longest answer, and used for all
        self._reached, self._expected, self._is_length = 0, LENGTH.size, True  # of what is being read
        self.process = process or spawn()
        assert self.process.stdin  # noqa: S101 - both are pipes
        assert self.process.stdout  # noqa: S101
        self.input, self.output = self.process.stdin.fileno(), self.process.stdout.fileno()
        for pipe in (self.input, self.output):
            os.set_blocking(pipe, False)
            with suppress(OSError, AttributeError):  # Linux's; elsewhere a pipe is as large as it is
                fcntl.fcntl(pipe, fcntl.F_SETPIPE_SZ, PIPE_BYTES)

    def begin(self, work: Work) -> None:
        """Give it the work as it is now."""
        self._unsent.append(memoryview(pickle.dumps(work)))

    @property
    def load(self) -> int:
        """Bytes of the blocks that it has been handed."""
        return sum(len(block.data) for block in self.blocks)

    @property
    def has_unsent(self) -> bool:
        return bool(self._unsent)

    def send(self, kind: bytes, number: int, data: bytes) -> None:
        """Hand over a message, as far as it takes it now. Raises Gone."""
        self._unsent += (memoryview(HEADER.pack(kind, number, len(data))), memoryview(data))
        self.write()

    def write(self) -> None:
        """Go on handing over. Raises Gone."""
        try:
            while self._unsent:
                first = self._unsent[0]
                written = os.write(self.input, first)
                if written < len(first):
                    self._unsent[0] = first[written:]
                else:
                    self._unsent.popleft()
        except BlockingIOError:
            pass
        except OSError:
            raise Gone from None

    def read(self) -> None:
        """Take in what it has answered. Raises Gone."""
        try:
            while read := os.readv(self.output, [memoryview(self._received)[self._reached : self._expected]]):
                self._reached += read
                if self._reached == self._expected:
                    self._take()
        except BlockingIOError:
            return
        raise Gone

    def _take(self) -> None:
        """Take the length of an answer, or the answer."""
        received, size = memoryview(self._received), self._expected
        self._reached, self._expected = 0, LENGTH.size
        self._is_length = not self._is_length
        if not self._is_length:
            (length,) = LENGTH.unpack_from(received)
            if length:
                self._expected = length
                if length > len(received):
                    self._received = bytearray(length)
                return
            self._is_length, size = True, 0
        if not self.is_ready:
            self.is_ready = True
            return
        block = self.blocks.popleft()
        block.is_done = True
        block.packed = bytes(received[:size])

    def close(self) -> None:
        """Close its input, so that it ends."""
        for pipe in (self.process.stdin, self.process.stdout):
            if pipe:
                pipe.close()

    def end(self, *, at_once: bool = False) -> int:
        """Wait for its end; its exit code."""
        self.close()
        if at_once or not self.is_ready:
            self.process.kill()
        with suppress(subprocess.TimeoutExpired):
            return self.process.wait(END_SECONDS)
        self.process.kill()  # it has been stopped
        return self.process.wait()


class Workers:
    """So many processes that do the same work; until one is ready, it is done here. All belongs to one thread.

    ``work``: as it is now, for one that is started later; ``warn``: says that one was lost; ``after``: so many members
    are done here before any process is started; ``started``: those that have been started before.
    """

    def __init__(
        self,
        work: Work,
        count: int,
        warn: Callable[[str], None],
        *,
        after: int = 0,
        started: Iterable[Worker] = (),
    ) -> None:
        self.work = work
        self.generation = 0
        self._warn = warn
        self._blocks: deque[Block] = deque()
        self._workers: list[Worker] = []
        self._losses = 0
        self._started = [*started]
        self._unstarted, self._after = count, after
        self._is_alone = True
        if count and not after:
            self._start_all()

    def _start_all(self) -> None:
        self._is_alone = False
        for _ in range(self._unstarted):
            self._start()
        self._unstarted = 0

    def _start(self) -> None:
        if self._losses > 1:
            return
        try:
            worker = self._started.pop() if self._started else Worker()
        except OSError as error:
            self._lost(f"can't be started ({type(error).__name__})")
        else:
            worker.begin(self.work)
            self._workers.append(worker)

    @property
    def ready(self) -> list[Worker]:
        """Those that have started."""
        return [worker for worker in self._workers if worker.is_ready]

    @property
    def is_at_work(self) -> bool:
        """Whether blocks can be handed out, or are under way."""
        return bool(self._blocks) or self._works_here or any(worker.is_ready for worker in self._workers)

    @property
    def _works_here(self) -> bool:
        return self._is_alone or (bool(self._workers) and not self.ready)

    @property
    def has_blocks(self) -> bool:
        """Whether a block that was handed out has not been taken back."""
        return bool(self._blocks)

    @property
    def has_room(self) -> bool:
        """Whether a block may be handed out now."""
        if self._works_here:
            return not self._blocks
        ready = len(self.ready)
        return sum(len(block.data) for block in self._blocks) < ready * AHEAD * BLOCK_BYTES

    @property
    def wants_more(self) -> bool:
        """Whether one that is ready has little to do."""
        return any(worker.load < BLOCK_BYTES for worker in self.ready)

    @property
    def members(self) -> int:
        """How many there are in the blocks that have not been taken back."""
        return sum(block.count for block in self._blocks)

    def tell(self, news: Any, *, is_new_generation: bool = False) -> None:
        """Tell the workers what has changed. Of a new generation, what was handed out before is out of date."""
        self.work.tell(news)
        self.generation += is_new_generation
        self._send_all(NEWS, pickle.dumps(news))

    def _send_all(self, kind: bytes, data: bytes) -> None:
        for worker in [*self._workers]:
            self._guarded(worker, lambda worker=worker: worker.send(kind, 0, data))  # type: ignore[misc]

    def hand(self, data: bytes, number: int, count: int = 1) -> None:
        """Give a block to whom has least to do, or do it at once; the run reads it line by line where nobody can."""
        if self._unstarted and number > self._after:
            self._start_all()
        block = Block(data, number, count, self.generation)
        self._blocks.append(block)
        if self._works_here:
            block.is_done = True
            with suppress(Exception):  # the run says what is wrong
                block.prepared = self.work.answered(number, data)
            return
        ready = self.ready
        if not ready:
            block.is_done = True
            return
        worker = min(ready, key=lambda each: each.load)
        worker.blocks.append(block)
        self._guarded(worker, lambda: worker.send(BLOCK, number, data))

    def keep(self, data: bytes, number: int) -> None:
        """A member in its turn that the parent sees to itself."""
        block = Block(data, number, 1, self.generation)
        block.is_done = True
        self._blocks.append(block)

    def next(self) -> Block | None:
        """The next block in order, if it is done."""
        return self._blocks.popleft() if self._blocks and self._blocks[0].is_done else None

    @property
    def is_next_done(self) -> bool:
        return bool(self._blocks) and self._blocks[0].is_done

    def wait(self, *others: int, seconds: float = 0) -> list[int]:
        """Exchange with the workers what can be exchanged, after so long at most; who of the others has data."""
        reading = {worker.output: worker for worker in self._workers}
        writing = {worker.input: worker for worker in self._workers if worker.has_unsent}
        readable, writable, _ = select.select([*others, *reading], [*writing], [], seconds)
        for each in writable:
            self._guarded(writing[each], writing[each].write)
        for each in readable:
            if each in reading:
                self._guarded(reading[each], reading[each].read)
        return [each for each in readable if each not in reading]

    def _guarded(self, worker: Worker, act: Callable[[], None]) -> None:
        try:
            act()
        except Gone:
            if worker in self._workers:
                self._lose(worker)

    def _lose(self, worker: Worker) -> None:
        """A worker has ended by itself: its blocks are the parent's, and another one takes its place, but once only."""
        self._workers.remove(worker)
        code = worker.end(at_once=True)
        for block in worker.blocks:
            block.is_done = True
        self._lost(f"was killed by signal {-code}" if code < 0 else f"ended with exit code {code}")
        self._start()

    def _lost(self, how: str) -> None:
        self._losses += 1
        if self._losses == 1:
            self._warn(f"A worker process {how}. Nothing is lost: what it had is done again.")
        elif self._losses == 2:
            self._warn(f"Another worker process {how}. The run goes on without worker processes.")
            self.close()

    def close(self) -> None:
        """End the processes; what they have not answered is the parent's."""
        self._is_alone, self._unstarted = False, 0
        workers, self._workers, self._started = [*self._workers, *self._started], [], []
        for worker in workers:  # all at once, for each takes its time
            worker.close()
        for worker in workers:
            for block in worker.blocks:
                block.is_done = True
            worker.end(at_once=bool(worker.blocks))
