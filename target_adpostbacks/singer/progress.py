"""Shows how far a run is: a line that changes in place on a terminal, else a log line every half minute."""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, TextIO, cast

if TYPE_CHECKING:  # rich is imported where there is a terminal: runs without one start sooner
    from rich.console import Console
    from rich.live import Live

LOG_SECONDS = 30
SHOW_SECONDS = 0.5


class Progress:
    """``show`` is called often and does something rarely; log lines appear above the line on a terminal."""

    def __init__(self, summary: Callable[[], str], log: Callable[[str], None], console: Console | None = None) -> None:
        self._summary = summary
        self._log = log
        self._console = console
        self._live: Live | None = None
        self._shown = time.monotonic()
        self._handlers: list[tuple[logging.StreamHandler[TextIO], TextIO]] = []

    def start(self) -> None:
        """Begin to change a line in place, if there is a terminal."""
        if not (self._console.is_terminal if self._console else sys.stderr.isatty()):
            return
        from rich.console import Console
        from rich.live import Live
        from rich.text import Text

        self._console = self._console or Console(stderr=True)
        self._live = Live(Text(""), console=self._console, auto_refresh=False, transient=True, redirect_stderr=False)
        self._live.start()
        above = cast("TextIO", Above(self._console))
        for handler in _handlers():
            if handler.stream in (sys.stderr, sys.stdout):  # the command's standard output goes there, too
                self._handlers.append((handler, handler.stream))
                handler.setStream(above)

    def show(self) -> bool:
        """Show how far the run is, if it is time to; returns whether it was."""
        now = time.monotonic()
        if now - self._shown < (SHOW_SECONDS if self._live else LOG_SECONDS):
            return False
        self._shown = now
        if self._live:
            from rich.text import Text

            self._live.update(
                Text(f"  {self._summary()}", style="cyan", no_wrap=True, overflow="ellipsis"), refresh=True
            )
        else:
            self._log(f"So far: {self._summary()}")
        return True

    def stop(self) -> None:
        """Give the terminal back."""
        if self._live:
            self._live.stop()
            self._live = None
            for handler, stream in self._handlers:
                handler.setStream(stream)


class Above:
    """Where log lines go meanwhile: whole, however wide the terminal is. One that is wrapped is no JSON any more."""

    def __init__(self, console: Console) -> None:
        self._console = console

    def write(self, text: str) -> int:
        """Write whole lines."""
        self._console.out(text.removesuffix("\n"), highlight=False)
        return len(text)

    def flush(self) -> None:
        """Nothing is held."""


def _handlers() -> Iterator[logging.StreamHandler[TextIO]]:
    """Those of every logger that write to a stream; a user's log config gives metrics one of their own."""
    loggers = [logging.getLogger(), *logging.Logger.manager.loggerDict.values()]
    for logger in loggers:
        for handler in logger.handlers if isinstance(logger, logging.Logger) else ():
            if isinstance(handler, logging.StreamHandler):
                yield handler
