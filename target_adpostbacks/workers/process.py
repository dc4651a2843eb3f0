"""A worker's own process: takes its work from standard input, answers blocks on standard output, ends with its parent.

A message to it is a header, its kind and a number and its length, and then the data. An answer is its length and the
data; an empty one says that the process is ready.
"""

from __future__ import annotations

import gc
import os
import pickle
import signal
import struct
import sys
from typing import BinaryIO

from target_adpostbacks.workers.work import NOTHING, Work, packed

HEADER = struct.Struct("<cQQ")
LENGTH = struct.Struct("<Q")
NEWS, BLOCK = b"n", b"b"
BLOCKS_BETWEEN_COLLECTIONS = 100
IGNORED = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)
"""What a terminal or a supervisor sends to all processes: the parent alone decides what comes of it."""


def main() -> None:
    """Work until there is nothing more to read, because the parent has closed it or is no more."""
    for number in IGNORED:
        signal.signal(number, signal.SIG_IGN)
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # nothing that is printed gets among the answers
    try:
        work: Work = pickle.load(sys.stdin.buffer)  # noqa: S301 - the parent wrote it
        _answer(answers, b"")
        gc.freeze()  # collections are disabled from the start: neither imports nor records leave cycles behind
        _work(work, sys.stdin.buffer, answers)
    except (BrokenPipeError, EOFError):
        pass
    os._exit(0)


def _work(work: Work, source: BinaryIO, answers: BinaryIO) -> None:
    blocks = 0
    while header := source.read(HEADER.size):
        kind, number, length = HEADER.unpack(header)
        data = source.read(length)
        if len(data) < length:
            return
        if kind == NEWS:
            work.tell(pickle.loads(data))  # noqa: S301 - as above
            continue
        try:
            answer = packed(work.answered(number, data))
        except Exception:  # noqa: BLE001 - the parent does the block itself, and says what is wrong
            answer = NOTHING
        _answer(answers, answer)
        blocks += 1
        if not blocks % BLOCKS_BETWEEN_COLLECTIONS:
            gc.collect()


def _answer(answers: BinaryIO, data: bytes) -> None:
    answers.write(LENGTH.pack(len(data)))
    answers.write(data)
    answers.flush()
