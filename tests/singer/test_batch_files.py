"""BATCH files take the way of RECORD messages."""

from __future__ import annotations

import io
import json
import signal
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import SETTINGS
from run_target import encoded, schema

from target_adpostbacks.singer.batch_files import bounded
from target_adpostbacks.singer.messages import Overlong
from target_adpostbacks.singer.reader import LineReader
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
    assert target.delivery_run.read == 300


def test_two_signals_leave_a_process_alone_that_is_not_the_runs_own(target: TargetAdpostbacks) -> None:
    target._on_signal(signal.SIGTERM, None)
    target._on_signal(signal.SIGTERM, None)
    assert target.signals == (signal.SIGTERM, signal.SIGTERM)
    assert not [thread for thread in threading.enumerate() if isinstance(thread, threading.Timer)]
