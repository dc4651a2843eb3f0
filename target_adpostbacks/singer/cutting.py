"""Cuts what is read into whole lines and blocks of lines, and never holds one in memory that is too long."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from target_adpostbacks.singer.messages import MAX_LINE, OVERLONG_HEAD, Overlong
from target_adpostbacks.workers.pool import Workers

CHUNK = 256 * 1024
FIRST_BYTES = 4 * 1024
"""Read at once until a line has come, so that blocks may begin behind it."""


class Cut:
    """Chunks go in; what comes out are texts of whole lines, without the end of the last one."""

    def __init__(self) -> None:
        self._rest: list[bytes] = []  # of the line that has not ended yet
        self._length = 0

    def add(self, chunk: bytes) -> Iterator[bytes]:
        """The lines that end in the chunk; one that is Overlong by itself."""
        if self._length + len(chunk) <= MAX_LINE:  # none of them is
            if (end := chunk.rfind(b"\n")) < 0:
                self._keep(chunk)
                return
            yield b"".join((*self._rest, memoryview(chunk)[:end]))
            rest = chunk[end + 1 :]
            self._rest, self._length = [rest], len(rest)
            return
        first, newline, others = chunk.partition(b"\n")
        self._keep(first)
        if not newline:
            return
        whole, newline, rest = others.rpartition(b"\n")
        if self._length > MAX_LINE:
            yield self._line()
            if newline:
                yield whole
        else:
            yield self._line() + b"\n" + whole if newline else self._line()
        self._rest, self._length = [rest], len(rest)

    def end(self) -> Iterator[bytes]:
        """The last line, if it has no end."""
        if self._length:
            yield self._line()
        self._rest, self._length = [], 0

    def _keep(self, piece: bytes) -> None:
        self._length += len(piece)
        self._rest.append(piece)
        if self._length > MAX_LINE:
            self._rest = [b"".join(self._rest)[:OVERLONG_HEAD]]

    def _line(self) -> bytes:
        if self._length > MAX_LINE:
            return Overlong.of(self._rest[0], self._length)
        return b"".join(self._rest)


def lines_of(text: bytes) -> list[bytes]:
    """Each line of a text of whole lines."""
    return [text] if text.__class__ is Overlong else text.split(b"\n")


def hand_out(workers: Workers, texts: Sequence[bytes], number: int) -> int:
    """Hand out texts as blocks, the first line with this number; the number of the next line."""
    together: list[bytes] = []
    for text in [*texts, None]:
        if text is None or text.__class__ is Overlong:
            if together:
                block = b"\n".join(together)
                count = 1 + block.count(b"\n")
                workers.hand(block, number, count)
                number += count
                together = []
            if text is not None:
                workers.keep(text, number)
                number += 1
        else:
            together.append(text)
    return number
