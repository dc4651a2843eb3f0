"""Lines become messages; bad ones are named, never shown, and stop nothing."""

from __future__ import annotations

import hashlib
import io
import itertools
import json
import os
import threading
from pathlib import Path
from typing import Any

import pytest
from singer_sdk.io_base import SingerMessageType

from target_adpostbacks.singer import mending
from target_adpostbacks.singer.cutting import Cut
from target_adpostbacks.singer.messages import MAX_LINE, TYPES, BadLine, Overlong, UnreadableInput
from target_adpostbacks.singer.reader import STRANGE_LINES, TICK_SECONDS, LineReader
from target_adpostbacks.singer.starting import LONG_FILE
from target_adpostbacks.workers.cores import WORKERS_AFTER

SCHEMA = b'{"type":"SCHEMA","stream":"s","schema":{"properties":{}},"key_properties":[]}\n'
RECORD = b'{"type":"RECORD","stream":"s","record":{"a":1}}\n'


class Heard:
    """Everything that a reader calls back with."""

    def __init__(self, reader: LineReader | None = None) -> None:
        self.messages: list[dict[str, Any]] = []
        self.bad: list[tuple[int, str, str]] = []
        self.ticks = 0
        self.reader = reader or LineReader()
        self.reader.bad_line = lambda digest, bad: self.bad.append((self.reader.line, digest, str(bad)))
        self.reader.tick = self._tick

    def _tick(self) -> None:
        self.ticks += 1

    def read(self, source: Any) -> Heard:
        types = ("SCHEMA", "RECORD", "STATE", "ACTIVATE_VERSION", "BATCH")
        try:
            self.counts = self.reader.process_lines(source, dict.fromkeys(types, self.messages.append))
        finally:
            self.reader.close()
        return self

    @property
    def records(self) -> list[Any]:
        return [message["record"] for message in self.messages if message["type"] == "RECORD"]


def heard(data: bytes) -> Heard:
    return Heard().read(io.BytesIO(data))


def test_singer_messages_reach_their_callbacks_in_order() -> None:
    result = heard(SCHEMA + RECORD + b'{"type":"STATE","value":{"x":1}}\n')
    assert [message["type"] for message in result.messages] == ["SCHEMA", "RECORD", "STATE"]
    assert result.counts == {"SCHEMA": 1, "RECORD": 1, "STATE": 1}


def test_plain_json_lines_are_records_of_the_stream_conversions() -> None:
    result = heard(b'{"type":"purchase","id":1}\n{"type":"RECORD","id":2}\n')
    assert result.messages[0]["type"] == "SCHEMA"
    assert [message["stream"] for message in result.messages] == ["conversions"] * 3
    assert result.records == [{"type": "purchase", "id": 1}, {"type": "RECORD", "id": 2}]


def test_a_bad_line_before_the_first_object_does_not_decide_the_mode() -> None:
    result = heard(b"oops\n" + SCHEMA + RECORD)
    assert result.records == [{"a": 1}]
    assert [line for line, _, _ in result.bad] == [1]


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (b"{", "line: malformed JSON"),
        (b'{"a": "\xff"}', "line: not UTF-8"),
        (b"17", "line: a JSON object expected"),
        (b'{"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}", "line: nested too deeply"),
        (b'{"no": "type"}', "type: not a Singer message type"),
        (b'{"type": "record"}', "type: not a Singer message type"),
        (b'{"type": 7}', "type: not a Singer message type"),
        (b'{"type": "RECORD", "stream": "s"}', "record: missing"),
        (b'{"type": "RECORD", "record": {}}', "stream: missing"),
        (b'{"type": "RECORD", "stream": "s", "record": [1]}', "record: of the wrong type"),
        (b'{"type": "RECORD", "stream": 5, "record": {}}', "stream: of the wrong type"),
        (b'{"type": "STATE"}', "value: missing"),
    ],
)
def test_a_bad_line_is_named_and_the_next_one_is_read(line: bytes, said: str) -> None:
    result = heard(SCHEMA + line + b"\n" + RECORD)
    assert result.bad == [(2, hashlib.sha256(line).hexdigest(), said)]
    assert result.records == [{"a": 1}]


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"event_name,event_id\n" + b"purchase,1\n" * 20, "it looks like CSV"),
        (b"event_name,event_id\npurchase,1\n", "it looks like CSV"),
        (b'[\n  {"event_name": "purchase"},\n  {"event_name": "purchase"}\n]\n', "an array over several lines"),
        (b'[{"event_name": "purchase"},\n{"event_name": "purchase"}]\n', "an array over several lines"),
        ('{"event_name": "purchase"}\n'.encode("utf-16"), "it looks like UTF-16"),
        ('{"event_name": "purchase"}\n'.encode("utf-16-le"), "it looks like UTF-16"),
        (b"\x1f\x8b\x08garbage\n", "it is compressed"),
        (b'{\n  "event_name": "purchase"\n}\n', "its first line is none"),
        (b"17\n", "its first line is none"),
    ],
)
def test_input_that_is_no_json_lines_at_all_ends_with_one_message(data: bytes, said: str) -> None:
    result = Heard()
    with pytest.raises(UnreadableInput, match=said):
        result.read(io.BytesIO(data))
    assert (result.messages, result.bad) == ([], [])


def test_such_input_is_not_read_to_its_end() -> None:
    result = Heard()
    with pytest.raises(UnreadableInput):
        result.read(io.BytesIO(b"purchase,1\n" * 1000))
    assert result.reader.line == STRANGE_LINES


def test_the_members_of_an_array_on_one_line_are_read_as_lines() -> None:
    array = b'[{"id": 1}, {"id": 2}, 3]\n'
    result = heard(array + b'{"id": 4}\n' + array)
    assert [record["id"] for record in result.records] == [1, 2, 4, 1, 2]
    assert [(line, said) for line, _, said in result.bad] == [
        (number, "line: a JSON object expected") for number in (1, 3)
    ]


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (b'{"type": "SCHEMA", "stream": "s"}', "SCHEMA message: schema: missing"),
        (b'{"type": "BATCH", "stream": "s", "encoding": {}}', "BATCH message: manifest: missing"),
        (
            b'{"type": "BATCH", "stream": "s", "encoding": {}, "manifest": "file"}',
            "BATCH message: manifest: of the wrong type",
        ),
    ],
)
def test_a_message_that_others_depend_on_is_not_passed_over(line: bytes, said: str) -> None:
    with pytest.raises(UnreadableInput, match=f"^{said}$"):
        heard(SCHEMA + line + b"\n" + RECORD)


def test_blank_lines_windows_line_ends_and_a_byte_order_mark_are_no_faults() -> None:
    result = heard(b"\xef\xbb\xbf" + SCHEMA + b"\n  \r\n" + RECORD.replace(b"\n", b"\r\n") + RECORD.rstrip())
    assert result.records == [{"a": 1}, {"a": 1}]
    assert result.bad == []


def test_a_state_passes_on_to_the_byte() -> None:
    value = b'{"bookmark":  1.10, "big": 12345678901234567890123, "e": "\xc3\xa9"}'
    result = heard(b'{"type": "STATE", "value": ' + value + b"}\n")
    assert bytes(result.messages[0]["value"]) == value


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("NaN", None),
        ("-Infinity", None),
        ("[Infinity, 1.5]", [None, 1.5]),
        ("1e400", None),
        (r'"abc\ud83d"', "abc\ufffd"),
        (r'"\ude00, \ud83d\ude00"', "\ufffd, \U0001f600"),
        (
            r'{"\ud800": NaN, "big": 123456789012345678901234567890}',
            {"\ufffd": None, "big": 123456789012345678901234567890},
        ),
    ],
)
def test_what_python_writes_though_it_is_no_json_is_read(text: str, value: Any) -> None:
    line = f'{{"type":"RECORD","stream":"s","record":{{"a":{text}}}}}\n{{"type":"STATE","value":{{"a":{text}}}}}\n'
    result = heard(SCHEMA + line.encode())
    assert result.records == [{"a": value}]
    assert json.loads(bytes(result.messages[-1]["value"])) == {"a": value}
    assert result.bad == []


@pytest.mark.parametrize(
    ("line", "event_id"),
    [
        (b'{"event_id": "evt-1", "a": }', "evt-1"),
        (b'{"event_id":17,', "17"),
        (b'{"user":{"event_id":"inner"},"event_id":"e9",,}', "e9"),
        (b'{"a":[{"event_id":"inner"}],"note":"} ]\\"}","event_id":"e9","b":{"event_id":"z"},,}', "e9"),
        (b'{"user":{"event_id":"inner"},,}', "inner"),
        (b'{"type":"RECORD","record":{"items":[{"event_id":"i"}],"event_id":"e9",,}}', "e9"),
        (b"]}" * 9 + b'"event_id":"e9"', "e9"),
        (b'{"event_id": 17', ""),
        (b'{"event_id": "evt', ""),
        (b'{"event_id": "a\\u0000b"', ""),
        (b'{"event_id": "a\nb"', ""),
        (b'{"event_id": "\xff"}', "\ufffd"),
        (b"{", ""),
    ],
)
def test_a_line_that_cannot_be_read_still_names_its_event_id(line: bytes, event_id: str) -> None:
    assert mending.event_id(line) == event_id


def test_activate_version_means_nothing_to_conversions() -> None:
    result = heard(SCHEMA + b'{"type":"ACTIVATE_VERSION","stream":"s","version":1}\n' + RECORD)
    assert [message["type"] for message in result.messages] == ["SCHEMA", "RECORD"]


def test_a_pipe_is_read_line_by_line_however_the_bytes_come() -> None:
    source, sink = os.pipe()
    data = SCHEMA + RECORD * 3

    def drip() -> None:
        for index in range(0, len(data), 7):
            os.write(sink, data[index : index + 7])
        os.close(sink)

    thread = threading.Thread(target=drip)
    thread.start()
    with os.fdopen(source, "rb") as file:
        result = Heard().read(file)
    thread.join()
    assert result.records == [{"a": 1}] * 3
    assert result.reader.line == 4


def test_a_line_that_is_too_long_is_dropped_without_being_held() -> None:
    source, sink = os.pipe()

    def write() -> None:
        with os.fdopen(sink, "wb") as file:
            file.write(
                SCHEMA + b'{"type":"RECORD","stream":"s","record":{"a":"' + b"x" * (2 * MAX_LINE) + b'"}}\n' + RECORD
            )

    thread = threading.Thread(target=write)
    thread.start()
    with os.fdopen(source, "rb") as file:
        result = Heard().read(file)
    thread.join()
    assert [(line, said) for line, _, said in result.bad] == [(2, "line: longer than 10 MiB")]
    assert result.records == [{"a": 1}]


@pytest.mark.parametrize("first", [1, 10, 4095, 4096, 4097, MAX_LINE, MAX_LINE + 5])
def test_a_line_that_is_too_long_is_the_same_line_wherever_it_was_cut(first: int) -> None:
    """A second run knows it again: a pipe gives other pieces each time."""
    line = b'{"event_id":"e-1","a":"' + b"x" * (2 * MAX_LINE) + b'"}'
    cut = Cut()
    assert [
        text
        for piece in (line[:first], line[first : first + 70_000], line[first + 70_000 :] + b"\n")
        for text in cut.add(piece)
    ] == [Overlong(line[:4096] + b" %d" % len(line))]


def test_a_log_line_before_singer_messages_does_not_make_them_plain() -> None:
    result = heard(b'{"level":"info"}\n' + SCHEMA + RECORD + b'{"type":"STATE","value":1}\n')
    assert [message["type"] for message in result.messages] == ["SCHEMA", "RECORD", "SCHEMA", "RECORD", "STATE"]
    assert result.records == [{"level": "info"}, {"a": 1}]


def test_it_ticks_while_lines_trickle() -> None:
    clock = itertools.count(0, TICK_SECONDS / 4)
    trickle = LineReader(chunk=len(RECORD), clock=lambda: next(clock))
    source, sink = os.pipe()
    os.write(sink, SCHEMA + RECORD * 40)
    os.close(sink)
    with os.fdopen(source, "rb") as file:
        assert Heard(trickle).read(file).ticks >= 5


def test_it_ticks_among_bad_lines_too() -> None:
    assert Heard(LineReader(tick_seconds=0)).read(io.BytesIO(SCHEMA + b"oops\n" * 300)).ticks == 2


def test_it_ticks_while_no_line_comes_and_stops_when_told() -> None:
    source, sink = os.pipe()
    os.write(sink, SCHEMA + RECORD)
    result = Heard()
    result.reader.tick = result.reader.stop  # the first silence ends it, though the pipe stays open
    with os.fdopen(source, "rb") as file:
        result.read(file)
    os.close(sink)
    assert result.records == [{"a": 1}]


def test_nothing_more_is_handed_over_once_it_is_stopped() -> None:
    result = Heard()

    class Stopping(list[Any]):
        def append(self, message: Any) -> None:
            super().append(message)
            result.reader.stop()

    result.messages = Stopping()
    result.read(io.BytesIO(SCHEMA + RECORD * 5))
    assert len(result.messages) == 1


@pytest.mark.parametrize(("bytes_left", "after"), [(LONG_FILE, 0), (LONG_FILE - 1, WORKERS_AFTER)])
def test_workers_start_at_once_where_a_file_is_known_to_be_long(tmp_path: Path, bytes_left: int, after: int) -> None:
    blank = b" " * 1_000 + b"\n"
    before = RECORD + blank * 10
    rest = blank * (bytes_left // len(blank))
    file = tmp_path / "input.singer"
    file.write_bytes(before + SCHEMA + RECORD + rest[: bytes_left - len(SCHEMA + RECORD)])
    told: list[int] = []
    reader = LineReader(chunk=5_000)
    reader.start_workers = told.append
    with file.open("rb", buffering=0) as source:
        source.seek(len(before))
        Heard(reader).read(source)
    assert told == [after]


def test_blocks_begin_with_the_first_lines() -> None:
    """A pipe gives its first lines by few, so that a short input is prepared in blocks, too."""
    started_at: list[int] = []
    reader = LineReader()
    reader.start_workers = lambda _after: started_at.append(reader.line)
    receiving, sending = os.pipe()
    with os.fdopen(sending, "wb") as pipe:
        pipe.write(SCHEMA + (RECORD.removesuffix(b"}\n") + b" " * 1_000 + b"}\n") * 30)
    with os.fdopen(receiving, "rb", buffering=0) as source:
        result = Heard(reader)
        result.read(source)
    assert len(result.records) == 30
    assert [line < 6 for line in started_at] == [True]


def test_an_error_names_field_and_rule() -> None:
    assert str(BadLine("record", "missing")) == "record: missing"


def test_the_types_of_messages_are_those_of_the_sdk() -> None:
    assert {kind.value for kind in SingerMessageType} == TYPES
