"""Batches fill by envelope, and none waits longer than it may."""

from __future__ import annotations

import io
import json
import signal
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from conftest import NOW, SETTINGS, a_conversion, an_account
from run_target import encoded, schema

from target_adpostbacks.core.postback import Postback, prepare
from target_adpostbacks.singer.reader import LineReader, Overlong
from target_adpostbacks.singer.sinks import bounded
from target_adpostbacks.singer.target import TargetAdpostbacks

TEST_CODE = {"test_event_code": "TEST1"}


@pytest.fixture
def target(tmp_path: Path) -> Iterator[TargetAdpostbacks]:
    tiktok = {**SETTINGS["tiktok"], **TEST_CODE, "base_url": "http://127.0.0.1:1"}
    config = {"ledger_url": f"sqlite:///{tmp_path}/ledger.db", "batch_size_rows": 2, "max_attempts": 1}
    target = TargetAdpostbacks(config={**config, "tiktok": tiktok}, message_reader=LineReader(tick_seconds=0))
    target.stdout = io.StringIO()
    yield target
    if target.exit_code is None:
        target.process_endofpipe()


def a_postback(number: int, **changes: object) -> Postback:
    conversion = a_conversion(event_id=f"evt-{number}", **changes)
    return prepare(an_account(**TEST_CODE), conversion, NOW + timedelta(0))


def test_a_rare_envelope_beside_a_busy_one_is_due_in_its_own_time(target: TargetAdpostbacks) -> None:
    sink = target.network_sinks["tiktok.default"]
    sink.add(a_postback(0, test=True))
    (rare,) = sink._filling.values()
    rare.since -= 3600
    sink.add(a_postback(1))
    sink.add(a_postback(2))  # full: on its way
    sink.add(a_postback(3))
    assert sink.current_size == 2
    assert sink.close_due(3600)
    target.drain_one(sink)
    assert sink.current_size == 1  # the young one goes on waiting
    assert not sink.close_due(3600)


def test_a_line_of_a_batch_file_that_is_too_long_is_not_held() -> None:
    file = io.BytesIO(b'\xef\xbb\xbf{"a":1234}\n' + b"x" * 35 + b"\n{}\n" + b"y" * 11)
    lines = [*bounded(file, longest=10)]
    assert lines == [b'{"a":1234}', b"x" * 14 + b" 36", b"{}", b"y" * 11 + b" 11"]
    assert [type(line) is Overlong for line in lines] == [False, True, False, True]


def test_batch_files_let_time_pass(target: TargetAdpostbacks, tmp_path: Path) -> None:
    path = tmp_path / "batch.jsonl"
    path.write_text(json.dumps({"event_name": "purchase"}) + "\n")
    path.write_bytes(path.read_bytes() * 300)
    batch = {"type": "BATCH", "stream": "conversions", "encoding": {"format": "jsonl"}, "manifest": [path.as_uri()]}
    ticks: list[None] = []
    target.message_reader.tick = lambda: ticks.append(None)
    target.listen(io.BytesIO(encoded(schema()) + encoded(batch)))  # type: ignore[arg-type]
    assert len(ticks) >= 2
    assert target.records_read == 300


def test_two_signals_leave_a_process_alone_that_is_not_the_runs_own(target: TargetAdpostbacks) -> None:
    target.hurry_seconds = 0.05
    target._on_signal(signal.SIGTERM, None)
    target._on_signal(signal.SIGTERM, None)
    time.sleep(0.2)  # here it would end, and all tests with it
    assert target.signals == (signal.SIGTERM, signal.SIGTERM)
