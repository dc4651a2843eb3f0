"""Tables for people, fitted to a terminal or as wide as they get."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import click
from rich.cells import cell_len, set_cell_size

from target_adpostbacks.cli._output import printable
from target_adpostbacks.core.reasons import REASONS
from target_adpostbacks.ledger import RETRIED, Line

COLORS: Mapping[str, dict[str, Any]] = {
    "Success": {"fg": "green"},
    "Failed": {"fg": "red"},
    RETRIED: {"fg": "yellow"},
    "Skipped": {"dim": True},
    "Open": {"fg": "yellow"},
}
WIDE = 120
"""Columns of a terminal from which on times have their date, and network and account a column each."""
REASON = 30
"""The least width for a reason; in a narrower terminal it gets a line of its own."""
GAP = "  "
LONGEST = 40
"""What a column of the log is filled up to in a pipe: the made-up id of one invalid row widens no other line."""
WIDEST = 64
"""What a column in a pipe is filled up to, at most; a longer value moves the rest of its own line."""


def terminal() -> tuple[int | None, bool]:
    """Its width, None where standard output is a pipe, and whether it has colours. FORCE_COLOR makes it no terminal."""
    if not sys.stdout.isatty():
        return None, False
    from rich.console import Console  # takes a while to import

    console = Console()
    return console.width, console.color_system is not None


def columns(rows: Sequence[Sequence[str]], width: int | None) -> Iterator[str]:
    """Rows of cells as lines. ``width``: of the terminal, the widest columns are cut for it; None: nothing is cut."""
    widths = [max(cell_len(row[column]) for row in rows) for column in range(len(rows[0]))]
    if width is None:
        widths = [min(WIDEST, each) for each in widths]
    while width is not None and sum(widths) + len(GAP) * (len(widths) - 1) > width and max(widths) > 1:
        widths[widths.index(max(widths))] -= 1
    for row in rows:
        cells = zip(row, widths, strict=True)
        yield GAP.join(_fitted(text, each, right=False, cut=width is not None) for text, each in cells).rstrip()


class Layout:
    """The columns' widths, and each line as text. ``width``: of the terminal; None: as wide as it gets."""

    def __init__(self, sample: Iterable[Line], width: int | None, *, colored: bool) -> None:
        self._colored = colored and width is not None
        self._narrow = width is not None and width < WIDE
        self._head = _headings(self._narrow)
        rows = [self._head, *(self._cells(line) for line in sample)]
        *self._widths, reason = (max(cell_len(row[column]) for row in rows) for column in range(len(self._head)))
        self._widths[STATUS] = max(map(len, COLORS))  # further lines may have any
        self._right = {self._head.index(name) for name in self._head if name in RIGHT}
        self._width = width
        self._inline = True
        if width is None:
            self._widths = [min(LONGEST, each) for each in self._widths]
        else:
            self._inline = width - self._taken() >= min(reason, REASON)
            self._shrink(width)

    def _taken(self) -> int:
        return sum(self._widths) + len(GAP) * len(self._widths)

    def _shrink(self, width: int) -> None:
        """Take what is too much from event ids first, then from names."""
        room = width if not self._inline else width - min(REASON, width // 4)
        for name, least in (("Event id", 12), ("Account", 10), ("Event", 10), ("Network", 8)):
            if name in self._head:
                column = self._head.index(name)
                excess = max(0, self._taken() - len(GAP) * (not self._inline) - room)
                self._widths[column] -= min(excess, max(0, self._widths[column] - least))

    def rows(self, lines: Iterable[Line]) -> Iterator[str]:
        """The head and the lines; on a narrow terminal each day's name stands above its lines."""
        fits = self._inline or cell_len(self._head[-1]) <= (self._width or 0) - self._taken()
        yield self._styled(self._row(self._head if fits else [*self._head[:-1], ""], None), bold=True)
        day = ""
        for line in lines:
            if self._narrow and line.time[:10] != day:
                day = line.time[:10]
                yield self._styled(f"{day} (UTC)", dim=True)
            cells = self._cells(line)
            beside = self._inline or not cells[-1] or cell_len(cells[-1]) <= (self._width or 0) - self._taken()
            yield self._row(cells if beside else [*cells[:-1], ""], line.status)
            if not beside:
                yield from self._below(cells[-1])

    def _row(self, cells: list[str], status: str | None) -> str:
        shown = []
        for column, (text, width) in enumerate(zip(cells, self._widths, strict=False)):
            fitted = _fitted(text, width, right=column in self._right, cut=self._width is not None)
            shown.append(self._styled(fitted, **COLORS[status]) if status and column == STATUS else fitted)
        room = None if self._width is None else self._width - self._taken()
        shown.append(cells[-1] if room is None or cell_len(cells[-1]) <= room else _cut(cells[-1], room))
        return GAP.join(shown).rstrip()

    def _below(self, reason: str) -> Iterator[str]:
        """A reason under its line, in words that are not broken where that can be helped."""
        indent = " " * (self._widths[0] + len(GAP))
        text = ""
        for word in reason.split():
            if text and len(indent) + cell_len(f"{text} {word}") > (self._width or 0):
                yield self._styled(indent + text, dim=True)
                text = ""
            text = f"{text} {word}".strip()
        yield self._styled(indent + text, dim=True)

    def _styled(self, text: str, **style: Any) -> str:
        return click.style(text, **style) if self._colored else text

    def _cells(self, line: Line) -> list[str]:
        time = line.time[11:19] if self._narrow else f"{line.time[:10]} {line.time[11:19]}"
        account = [line.network, line.account]
        if self._narrow:
            account = [line.network if line.account in ("", "default") else f"{line.network}.{line.account}"]
        numbers = (line.http_status, line.latency_ms, line.attempt)
        why = ": ".join(filter(None, (" ".join(filter(None, (line.reason, line.code))), _message(line))))
        cells = [time, line.event, line.status, *("" if each is None else str(each) for each in numbers)]
        return [printable(cell) or "-" for cell in (*cells, *account, line.event_id)] + [
            line.counted if line.status == "Success" else printable(why)
        ]


def _message(line: Line) -> str:
    """The network's message or ours; where there is none, what the reason means."""
    reason = REASONS.get(line.reason)
    return line.message or (reason.sentence if reason else "")


STATUS = 2
RIGHT = frozenset({"HTTP", "Latency (ms)", "ms", "Attempt", "Try"})


def _headings(narrow: bool) -> list[str]:
    if narrow:
        return ["Time", "Event", "Status", "HTTP", "ms", "Try", "Account", "Event id", "Reason"]
    return [
        *("Time (UTC)", "Event", "Status", "HTTP", "Latency (ms)", "Attempt"),
        *("Network", "Account", "Event id", "Reason"),
    ]


def _fitted(text: str, width: int, *, right: bool, cut: bool) -> str:
    length = cell_len(text)
    if length > width:
        return _cut(text, width) if cut else text
    return " " * (width - length) + text if right else text + " " * (width - length)


def _cut(text: str, width: int) -> str:
    """``'evt_000000000042'`` in 10 columns: ``'evt_0…0042'``: the end of an id tells it from the next one."""
    if width < 2:
        return "…"[:width]
    tail = (width - 1) // 2
    head = set_cell_size(text, width - 1 - tail).rstrip()
    end = text[-tail:] if tail else ""
    while cell_len(end) > tail:
        end = end[1:]
    return set_cell_size(f"{head}…{end}", width)
