"""adpostbacks log: one line for each request that a conversion was in, or why it was in none."""

from __future__ import annotations

import csv
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime, timedelta, timezone
from itertools import chain, islice

import click
import msgspec
from rich.console import Console

from target_adpostbacks.cli import _options
from target_adpostbacks.cli._tables import COLORS, Layout, no_formula
from target_adpostbacks.ledger import LedgerReader, Line, UnusableLedger

UNITS = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
SAMPLE = 500
"""Lines that columns get their width from; further ones are written as they come."""


@click.command()
@_options.ledger_url
@click.option("--since", metavar="WHEN", help="1h, 24h, 7d, 30d, or an ISO 8601 time (UTC without an offset).")
@click.option("--status", type=click.Choice([*COLORS], case_sensitive=False), help="Only lines with this status.")
@_options.filters
@click.option("--format", "style", type=click.Choice(["table", "json", "jsonl", "csv"]), default="table")
def log(ledger_url: str, since: str | None, status: str | None, style: str, **chosen: str | None) -> None:
    """Show the delivery log, oldest first.

    \b
    Success  the network accepted it
    Failed   the network rejected it
    Retried  this request gave no verdict; the next line is the next request
    Open     no verdict yet; the next run takes it up again
    Skipped  it was not sent; the reason says why

    \b
    Example: adpostbacks log --since 24h --network tiktok --status failed
    """
    after = _since(since) if since else ""
    try:
        with LedgerReader(ledger_url) as ledger:
            WRITERS[style](ledger.lines(after, status, **_options.equal(chosen)))
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
    writer.writerows([no_formula(value) for value in line] for line in lines)


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


WRITERS: Mapping[str, Callable[[Iterator[Line]], None]] = {
    "table": _write_table,
    "json": _write_json,
    "jsonl": _write_jsonl,
    "csv": _write_csv,
}
