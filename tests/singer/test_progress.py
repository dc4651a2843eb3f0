"""A line in place on a terminal, log lines elsewhere."""

from __future__ import annotations

import io
import logging

import pytest
from rich.console import Console

from target_adpostbacks.singer import progress
from target_adpostbacks.singer.progress import Progress


@pytest.fixture
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "LOG_SECONDS", 0)
    monkeypatch.setattr(progress, "SHOW_SECONDS", 0)


@pytest.mark.usefixtures("_at_once")
def test_in_a_pipeline_it_logs() -> None:
    logged: list[str] = []
    shown = Progress(lambda: "read 7", logged.append, Console(file=io.StringIO()))
    shown.start()
    assert shown.show()
    shown.stop()
    assert logged == ["So far: read 7"]


def test_it_does_not_log_more_often_than_every_half_minute() -> None:
    logged: list[str] = []
    shown = Progress(lambda: "read 7", logged.append, Console(file=io.StringIO()))
    assert not shown.show()
    assert logged == []


@pytest.mark.usefixtures("_at_once")
def test_on_a_terminal_a_line_changes_in_place_and_log_lines_stand_above_it() -> None:
    screen = io.StringIO()
    handler = logging.StreamHandler()  # standard error, as the command's own
    logging.getLogger().addHandler(handler)
    try:
        shown = Progress(lambda: "read 7", lambda _: None, Console(file=screen, force_terminal=True, width=80))
        shown.start()
        shown.show()
        logging.getLogger("test").error("a line of the log")
        shown.stop()
    finally:
        logging.getLogger().removeHandler(handler)
    text = screen.getvalue()
    assert "read 7" in text
    assert "a line of the log\n" in text
    assert text.rpartition("read 7")[2].rstrip().endswith("\x1b[?25h\r\x1b[1A\x1b[2K")  # the cursor back, the line gone
