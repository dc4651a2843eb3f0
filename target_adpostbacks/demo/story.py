"""Tells on the terminal what the demo does, step by step."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console, RenderableType
from rich.padding import Padding
from rich.text import Text

INDENT = 3
# As Meltano passes the lines of plugins on, and as a plugin writes them itself.
LOGGED = (
    re.compile(r"\S+ \[(?P<level>\w+) *\] (?P<who>\S+) +(?P<what>.*)"),
    re.compile(r"\S+ \S+ \| (?P<level>\w+) +\| (?P<who>\S+) +\| (?P<what>.*)"),
)
STYLES = {"warning": "yellow", "error": "red", "critical": "red"}


class Story:
    """Numbered steps; ``verbose`` shows every line of every program."""

    def __init__(self, console: Console, *, verbose: bool = False) -> None:
        self._console = console
        self._verbose = verbose
        self._step = 0
        self._started = time.monotonic()

    @property
    def seconds(self) -> float:
        """Since it began."""
        return time.monotonic() - self._started

    @property
    def width(self) -> int:
        """Columns for what is shown."""
        return self._console.width - INDENT

    @property
    def colored(self) -> bool:
        """Whether colours reach a terminal."""
        return self._console.is_terminal and self._console.color_system is not None

    @contextmanager
    def step(self, title: str) -> Iterator[None]:
        """A headline, then whatever is told inside, then how long it took."""
        self._step += 1
        started = time.monotonic()
        self._console.print()
        self._console.print(Text.assemble((f"{self._step}  ", "bold cyan"), (title, "bold")))
        with self._console.status("", spinner="line"):
            yield
        if (seconds := time.monotonic() - started) >= 0.1:
            self.say(f"{seconds:.1f} s", "dim")

    def say(self, text: str, style: str = "") -> None:
        """A sentence."""
        self.show(Text(text, style))

    def show(self, what: RenderableType) -> None:
        """A table, or anything else that rich can draw."""
        self._console.print(Padding(what, (0, 0, 0, INDENT), expand=False))

    def command(self, *words: str) -> None:
        """What one would type to do the same."""
        self.show(Text.assemble(("$ ", "dim"), (" ".join(words), "cyan")))

    def line(self, logged: str) -> None:
        """A program's line: what target-adpostbacks warns of and ends with, unless everything is wanted."""
        match = next(filter(None, (form.match(logged) for form in LOGGED)), None)
        if match is None or self._verbose:
            if self._verbose and logged.strip():
                self.say(logged, "dim")
            return
        level = match["level"].lower()
        if match["who"] == "target-adpostbacks" and (level in STYLES or match["what"].startswith("Done in")):
            self.say(match["what"], STYLES.get(level, "dim"))
