"""The real command on a pseudo-terminal: log lines stand whole above the line that changes in place."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import re
import struct
import termios
from contextlib import suppress
from pathlib import Path

import pytest
from patience import PATIENCE
from run_target import Target, a_purchase, encoded

from target_adpostbacks.sandbox import Sandbox

pytestmark = pytest.mark.slow

COLUMNS = 60
LOG_CONFIG = """
version: 1
disable_existing_loggers: false
formatters: {plain: {format: "%(message)s"}}
handlers: {metrics: {class: logging.StreamHandler, formatter: plain, stream: "ext://sys.stderr"}}
loggers: {singer_sdk.metrics: {handlers: [metrics], propagate: false}}
"""


class Terminal:
    """A terminal as wide as ``COLUMNS`` for a command's standard error."""

    def __init__(self) -> None:
        self._ours, self.theirs = pty.openpty()
        fcntl.ioctl(self.theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, COLUMNS, 0, 0))
        self.shown = ""

    def read_until(self, text: str) -> None:
        """Read on until a text comes; to the end if it never does."""
        seen = len(self.shown)
        with suppress(OSError):  # how Linux says that nobody writes any more
            while text not in self.shown[seen:]:
                self.shown += os.read(self._ours, 65_536).decode()

    def close(self) -> None:
        os.close(self._ours)


@pytest.mark.parametrize("log_config", [None, LOG_CONFIG], ids=["as it is", "metrics by a handler of their own"])
def test_a_metric_stays_whole_above_the_progress_line(tmp_path: Path, log_config: str | None) -> None:
    env = {"TERM": "xterm"}
    if log_config:
        (tmp_path / "logging.yaml").write_text(log_config)
        env["SINGER_SDK_LOG_CONFIG"] = str(tmp_path / "logging.yaml")
    with Sandbox() as sandbox:
        target = Target(tmp_path, sandbox.url, max_batch_age_seconds=0)
        terminal = Terminal()
        process = target.start(stderr=terminal.theirs, env=env)
        os.close(terminal.theirs)
        assert process.stdin
        assert process.stdout
        process.stdin.write(encoded(a_purchase(1)))
        process.stdin.flush()
        terminal.read_until("read 1, accepted 1")  # the line in place
        process.stdin.write(encoded(a_purchase(2)))
        process.stdin.flush()
        terminal.read_until("read 2, accepted 2")
        process.stdin.close()
        terminal.read_until("never to come")
        process.stdout.close()
        assert process.wait(PATIENCE) == 0
        terminal.close()
    metrics = re.findall(r"METRIC: (.*)\r\n", terminal.shown)
    assert {json.loads(point)["metric"] for point in metrics} == {"batch_processing_time", "record_count"}
    first = terminal.shown.index("read 1, accepted 1")
    before = terminal.shown[first : terminal.shown.index("METRIC: ", first)]
    assert "read" not in before.rpartition("\x1b[2K")[2]  # the line in place was erased before the metric came
