"""Reads standard input: Singer messages or plain JSON lines. A bad line does not stop it."""

from __future__ import annotations

import hashlib
import os
import select
import sys
import time
from collections import Counter
from collections.abc import Callable, Generator, Iterator
from typing import IO, TYPE_CHECKING, Any

import msgspec
from singer_sdk.io_base import GenericSingerReader

from target_adpostbacks.core.postback import Postback
from target_adpostbacks.singer import starting
from target_adpostbacks.singer.cutting import CHUNK, FIRST_BYTES, Cut, hand_out, lines_of
from target_adpostbacks.singer.mending import event_id, mended
from target_adpostbacks.singer.messages import (
    PLAIN_STREAM,
    TYPES,
    BadLine,
    UnreadableInput,
    check,
    decoded,
    is_schema,
)
from target_adpostbacks.singer.strange import is_hopeless, why_strange
from target_adpostbacks.workers.pool import BLOCK_BYTES, Block, Workers
from target_adpostbacks.workers.work import Each

if TYPE_CHECKING:
    from target_adpostbacks.singer.head_start import HeadStart

TICK_SECONDS = 0.5
TICK_LINES = 128
"""Lines after which the clock is looked at."""
BOM = b"\xef\xbb\xbf"
BLOCKS_AFTER = 1
"""Lines after which blocks pay."""
STRANGE_LINES = 10
"""After so many lines without one JSON object the input is something else."""

Callback = Callable[[dict[str, Any]], None]


class _State(msgspec.Struct):
    value: msgspec.Raw  # passed on to the byte


class LineReader(GenericSingerReader[bytes]):
    """Reads Singer messages; or plain JSON objects where the first one's ``type`` is no Singer type, up to a SCHEMA.

    Between lines, about twice a second, ``tick`` is called on the same thread, whether lines come or not.
    """

    def __init__(
        self, *, tick_seconds: float = TICK_SECONDS, chunk: int = CHUNK, clock: Callable[[], float] = time.monotonic
    ) -> None:
        super().__init__()
        self._tick_seconds, self._chunk, self._clock = tick_seconds, chunk, clock
        self.line = 0  # of the message at hand, from 1
        self.columns: dict[str, frozenset[str]] = {}  # of each stream, as its newest SCHEMA message names them
        self.plain: bool | None = None  # None: no object has come yet
        self.bad_line: Callable[[str, BadLine], None] = lambda _digest, _bad: None
        self.tick: Callable[[], None] = lambda: None
        self.start_workers: Callable[[int], Workers | None] = lambda _after: None  # ``after`` as in Workers
        self.head_start: HeadStart | None = None
        self.workers: Workers | None = None
        self._blocks_after = BLOCKS_AFTER
        self.schema_came: Callable[[], None] = lambda: None
        self.activated: Callback = lambda _message: None
        self.postbacks: Callable[[list[Postback]], None] = lambda _all: None  # of as many records, by a worker
        self.prepared: Callable[[Each], None] = lambda _each: None  # what another record comes to there
        self.met: Callable[[list[str], list[str]], None] = lambda _unmet, _names: None
        self.stopped = False
        self._ticked = clock()
        self._wake_reader, self._wake_writer = os.pipe()
        self._strange: list[tuple[int, str, BadLine]] = []  # lines before the first object
        self._why_strange = ""
        self._decode = msgspec.json.Decoder().decode
        self._decode_array = msgspec.json.Decoder(list[msgspec.Raw]).decode
        self._decode_state = msgspec.json.Decoder(_State).decode

    @property
    def default_input(self) -> IO[bytes]:
        if sys.stdin is None:
            raise UnreadableInput("standard input is closed")
        return sys.stdin.buffer

    def stop(self) -> None:
        """End reading between two lines; may be called by a signal handler."""
        self.stopped = True
        os.write(self._wake_writer, b"x")

    def tick_if_due(self, *, at_once: bool = False) -> None:
        """Tick, if that was not done just now."""
        now = self._clock()
        if at_once or now - self._ticked >= self._tick_seconds:
            self._ticked = now
            self.tick()

    def close(self) -> None:
        """Give back the pipe that ends waits."""
        os.close(self._wake_reader)
        os.close(self._wake_writer)

    def deserialize_json(self, line: bytes) -> dict[str, Any]:
        """A line's JSON object; raises BadLine."""
        return decoded(line)

    def process_lines(self, file_input: IO[Any] | None, callbacks: dict[str, Callback]) -> Counter[str]:
        """Call the callback of each line's message type; the count of each type that came."""
        counts: Counter[str] = Counter()
        try:
            for each in self._input(file_input):
                if each.__class__ is Block:
                    self._process_block(each, callbacks, counts)
                else:
                    self._process_numbered(each, callbacks, counts)
                if self.stopped:
                    break
        finally:
            if self.workers:
                self.workers.close()
        if self._strange and not self.stopped:
            raise UnreadableInput(self._why_strange)
        return counts

    def _process_block(self, block: Block, callbacks: dict[str, Callback], counts: Counter[str]) -> None:
        """What workers have prepared goes on its way; every other line is read here."""
        workers, answer = self.workers, block.answer
        assert workers  # noqa: S101 - it comes from them
        is_current = block.generation == workers.generation
        if answer is None or not is_current or len(answer.postbacks) != block.count:
            for line in lines_of(block.data):
                self._process_numbered(line, callbacks, counts)
            return
        begin, end, lines = 0, len(answer.postbacks), None
        others = [at for at, postback in enumerate(answer.postbacks) if postback is None]
        for at in (*others, end):
            self._take_postbacks(answer.postbacks[begin:at], counts)  # type: ignore[arg-type] # none is None
            begin = at + 1
            if at == end:
                break
            if each := answer.others.get(at):
                self._take_prepared(each, counts)
                continue
            lines = lines or lines_of(block.data)
            self._process_numbered(lines[at], callbacks, counts)
            if block.generation != workers.generation:  # a SCHEMA has changed something
                for line in lines[begin:]:
                    self._process_numbered(line, callbacks, counts)
                break
        self.met(answer.unmet, answer.unmet_names)

    def _take_postbacks(self, postbacks: list[Postback], counts: Counter[str]) -> None:
        for begin in range(0, len(postbacks), TICK_LINES):
            self.tick_if_due()
            if self.stopped:
                return
            some = postbacks[begin : begin + TICK_LINES]
            self.line += len(some)
            counts["RECORD"] += len(some)
            self.postbacks(some)

    def _take_prepared(self, each: Each, counts: Counter[str]) -> None:
        self.line += 1
        if self.stopped:
            return
        if not self.line % TICK_LINES:
            self.tick_if_due()
        counts["RECORD"] += 1
        self.prepared(each)

    def _process_numbered(self, line: bytes, callbacks: dict[str, Callback], counts: Counter[str]) -> None:
        self.line += 1
        if self.stopped:
            return
        if not self.line % TICK_LINES:
            self.tick_if_due()
        if self.line == 1 and line.startswith(BOM):
            line = line[len(BOM) :]
        members = self._members(line) if line[:1] == b"[" else None
        for each in (line,) if members is None else members:
            self._process_line(each, callbacks, counts)

    def _process_line(self, line: bytes, callbacks: dict[str, Callback], counts: Counter[str]) -> None:
        try:
            message = self.deserialize_json(line)
            if self.plain is None:
                self._begin(message, callbacks)
            if self.plain and is_schema(message):
                self.plain = False  # a line of something else came first
            if self.plain:
                message = {"type": "RECORD", "stream": PLAIN_STREAM, "record": message}
            else:
                check(message)
                if message["type"] == "STATE":
                    message["value"] = self._state(line)
        except BadLine as bad:
            if line and not line.isspace():
                self._bad(line, bad)
            return
        kind = message["type"]
        counts[kind] += 1
        if kind == "SCHEMA":
            properties = message["schema"].get("properties")
            self.columns[message["stream"]] = frozenset(properties if isinstance(properties, dict) else ())
        if kind == "ACTIVATE_VERSION":  # conversions have no table versions
            self.activated(message)
        else:
            callbacks[kind](message)
        if kind == "SCHEMA":
            self.schema_came()

    def _state(self, line: bytes) -> msgspec.Raw:
        try:
            self._decode(line)
        except msgspec.MsgspecError:
            line = mended(line)
        return self._decode_state(line).value

    def _members(self, line: bytes) -> list[bytes] | None:
        """The members of an array, each as if it were a line; None for what is none."""
        try:
            try:
                members = self._decode_array(line)
            except msgspec.MsgspecError:
                members = self._decode_array(mended(line))
        except (ValueError, RecursionError):
            return None
        return [bytes(member) for member in members]

    def _bad(self, line: bytes, bad: BadLine) -> None:
        """Tell of a bad line; of the first ones only once an object has come: it may be no JSON at all."""
        digest = hashlib.sha256(line).hexdigest()
        bad.event_id = event_id(line)
        if self.plain is not None:
            self.bad_line(digest, bad)
            return
        if not self._strange:
            self._why_strange = why_strange(line, bad)
        self._strange.append((self.line, digest, bad))
        if len(self._strange) == STRANGE_LINES or is_hopeless(line):
            raise UnreadableInput(self._why_strange)

    def _begin(self, message: dict[str, Any], callbacks: dict[str, Callback]) -> None:
        kind = message.get("type")
        self.plain = not (isinstance(kind, str) and kind in TYPES)
        if self.plain:
            schema = {"type": "object", "properties": {}}
            self.columns[PLAIN_STREAM] = frozenset()
            callbacks["SCHEMA"]({"type": "SCHEMA", "stream": PLAIN_STREAM, "schema": schema, "key_properties": []})
        line, strange, self._strange = self.line, self._strange, []
        for self.line, digest, bad in strange:
            self.bad_line(digest, bad)
        self.line = line

    def _input(self, file_input: IO[Any] | None) -> Iterator[Any]:
        """Lines, and blocks of lines once the first lines have come."""
        source = file_input if file_input is not None else self.default_input
        try:
            descriptor = source.fileno()
        except (OSError, AttributeError):  # held in memory
            for line in source:
                yield (line.encode() if isinstance(line, str) else line).removesuffix(b"\n")
            return
        after = starting.lines_before_workers(descriptor)
        cut, is_ended = Cut(), False
        while not self.stopped and not is_ended:
            if workers := self._workers_at_work(after):
                if self.head_start and self.head_start.workers is workers:
                    cut, self.head_start = self.head_start.resume(), None
                is_ended = yield from self._blocks(descriptor, cut, workers)
                continue
            ready = self._wait(descriptor, self._wake_reader, seconds=self._tick_seconds)
            self.tick_if_due(at_once=not ready)
            if descriptor not in ready:
                continue
            chunk = os.read(descriptor, self._chunk if self.line else min(self._chunk, FIRST_BYTES))
            is_ended = not chunk
            for text in cut.add(chunk) if chunk else cut.end():
                yield from lines_of(text)

    def _wait(self, *descriptors: int, seconds: float) -> list[int]:
        """Who of them has data, after so long at most."""
        if self.workers:
            return self.workers.wait(*descriptors, seconds=seconds)
        return select.select(descriptors, [], [], seconds)[0]

    def _workers_at_work(self, after: int) -> Workers | None:
        """Who prepares blocks; ``after``: lines after which they have processes."""
        if self.workers is None and self.line >= self._blocks_after and self.plain is not None:
            self._blocks_after = sys.maxsize
            self.workers = self.start_workers(after)
        return self.workers if self.workers and self.workers.is_at_work else None

    def _blocks(self, descriptor: int, cut: Cut, workers: Workers) -> Generator[Any, None, bool]:
        """Blocks that are done, in order, as long as somebody does them; whether the input has ended."""
        texts: list[bytes] = []
        number, size, is_ended = self.line + workers.members + 1, 0, False
        while not self.stopped and workers.is_at_work and not (is_ended and not workers.has_blocks):
            waits = self._tick_seconds if not texts and not workers.is_next_done else 0
            reads = () if is_ended or not workers.has_room else (descriptor,)
            ready = workers.wait(self._wake_reader, *reads, seconds=waits)
            self.tick_if_due()
            if descriptor in ready:
                chunk = os.read(descriptor, self._chunk)
                is_ended = not chunk
                new = [*(cut.add(chunk) if chunk else cut.end())]
                texts += new
                size += sum(map(len, new))
            if texts and (is_ended or size >= BLOCK_BYTES or (reads and descriptor not in ready)):
                number = hand_out(workers, texts, number)
                texts, size = [], 0
            if block := workers.next():
                yield block
        for text in texts:
            yield from lines_of(text)
        return is_ended
