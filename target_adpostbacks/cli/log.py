"""adpostbacks log: the delivery log, one line for each request that a conversion was in, or why it was in none."""

from __future__ import annotations

import csv
import os
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime, timedelta, timezone
from itertools import chain, islice
from typing import Any

import click
import msgspec
from rich.cells import cell_len, set_cell_size
from rich.console import Console

from target_adpostbacks.core.reasons import REASONS
from target_adpostbacks.ledger import RETRIED, LedgerReader, Line, UnusableLedger, default_url

COLORS: Mapping[str, dict[str, Any]] = {
    "Success": {"fg": "green"},
    "Failed": {"fg": "red"},
    RETRIED: {"fg": "yellow"},
    "Skipped": {"dim": True},
    "Open": {"fg": "yellow"},
}
UNITS = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
"""Where a spreadsheet sees a formula, it is to see text. https://owasp.org/www-community/attacks/CSV_Injection"""

SAMPLE = 500
"""Lines that columns get their width from; further ones are written as they come."""
WIDE = 120
"""Columns of a terminal from which on times have their date, and network and account a column each."""
REASON = 30
"""The least width that a reason is readable in; below, it has a line of its own."""
GAP = "  "


@click.command()
@click.option(
    "--ledger-url", envvar="TARGET_ADPOSTBACKS_LEDGER_URL", help="Default: adpostbacks.db here or in the project."
)
@click.option("--since", metavar="WHEN", help="1h, 24h, 7d, 30d, or an ISO 8601 time (UTC where it names no zone).")
@click.option("--status", type=click.Choice([*COLORS], case_sensitive=False), help="Only lines with this status.")
@click.option("--network", help="Only this network's.")
@click.option("--account", help="Only this account's.")
@click.option("--event", help="Only this event's, by its canonical name.")
@click.option("--format", "style", type=click.Choice(["table", "json", "jsonl", "csv"]), default="table")
def log(ledger_url: str | None, since: str | None, status: str | None, style: str, **filters: str | None) -> None:
    """What became of every conversion, the newest verdict last.

    \b
    Success  the network accepted it
    Failed   the network refused it; it is not tried again
    Retried  this request brought no verdict; the next line tells of the next one
    Open     no verdict yet; the next run sends it
    Skipped  it was not sent; the reason says why
    """
    after = _since(since) if since else ""
    equal = {("event_name" if name == "event" else name): value for name, value in filters.items() if value}
    try:
        with LedgerReader(ledger_url or default_url(os.environ)) as ledger:
            WRITERS[style](ledger.lines(after, status, **equal))
    except UnusableLedger as error:
        raise click.ClickException(str(error)) from None


def _since(text: str) -> str:
    """The time as the ledger writes it: there, times are compared as text."""
    if relative := re.fullmatch(r"(\d{1,4})([mhdw])", text):
        moment = datetime.now(timezone.utc) - timedelta(**{UNITS[relative[2]]: int(relative[1])})
    else:
        try:
            moment = datetime.fromisoformat(text.replace("Z", "+00:00"))
        except ValueError:
            raise click.BadParameter("1h, 24h, 7d, 30d or an ISO 8601 time expected", param_hint="--since") from None
        moment = moment if moment.tzinfo else moment.replace(tzinfo=timezone.utc)
    return moment.astimezone(timezone.utc).isoformat(timespec="milliseconds")


# --- For programs ----------------------------------------------------------------------------------------------------


def _write_json(lines: Iterable[Line]) -> None:
    sys.stdout.write("[")
    for number, line in enumerate(lines):
        sys.stdout.write((",\n" if number else "\n") + _object(line))
    sys.stdout.write("\n]\n")


def _write_jsonl(lines: Iterable[Line]) -> None:
    sys.stdout.writelines(_object(line) + "\n" for line in lines)


def _object(line: Line) -> str:
    return msgspec.json.encode(line._asdict()).decode()


def _write_csv(lines: Iterable[Line]) -> None:
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(Line._fields)
    writer.writerows([_no_formula(value) for value in line] for line in lines)


def _no_formula(value: Any) -> Any:
    return f"'{value}" if isinstance(value, str) and value.lstrip(" ").startswith(FORMULA) else value


# --- For people ------------------------------------------------------------------------------------------------------


def _write_table(lines: Iterator[Line]) -> None:
    """Columns on a terminal, fitted to it; in a pipe every value in full, a line each, without colours."""
    console = Console()
    sample = [*islice(lines, SAMPLE)]
    if not sample:
        click.echo("No line matches.", err=True)
        return
    is_terminal = sys.stdout.isatty()  # FORCE_COLOR makes no terminal of a pipe
    layout = Layout(sample, console.width if is_terminal else None, colored=is_terminal and bool(console.color_system))
    for text in layout.rows(chain(sample, lines)):
        sys.stdout.write(text + "\n")


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
        if width is not None:
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
            beside = self._inline or cell_len(cells[-1]) <= (self._width or 0) - self._taken()
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
        return [_printable(cell) or "-" for cell in (*cells, *account, line.event_id)] + [
            "" if line.status == "Success" else _printable(why)
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


def _printable(text: str) -> str:
    """Without what would move the cursor or change colours."""
    return text if text.isprintable() else "".join(char if char.isprintable() else "�" for char in text)


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


WRITERS: Mapping[str, Callable[[Iterator[Line]], None]] = {
    "table": _write_table,
    "json": _write_json,
    "jsonl": _write_jsonl,
    "csv": _write_csv,
}
