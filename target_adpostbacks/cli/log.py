"""adpostbacks log: one line for each request that a conversion was in, or why it was in none."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import chain, islice

import click

from target_adpostbacks.cli import _options
from target_adpostbacks.cli._output import printable, write_csv, write_json, write_jsonl
from target_adpostbacks.cli._tables import Layout, terminal
from target_adpostbacks.core.advice import advice
from target_adpostbacks.ledger import RETRIED, STATUSES, LedgerReader, Line, UnusableLedger

SAMPLE = 500
"""Lines that columns get their width from; further ones are written as they come."""


@click.command()
@_options.ledger_url
@_options.since
@_options.status
@_options.filters
@click.option("--limit", metavar="N", type=click.IntRange(min=1), help="Only the newest N lines, or event ids.")
@click.option("--ids", is_flag=True, help="Only event ids, each once, one a line.")
@_options.output("table", "json", "jsonl", "csv")
def log(
    ledger_url: str, since: str, status: str | None, limit: int | None, *, ids: bool, style: str, **chosen: str
) -> None:
    """Show the delivery log, oldest first.

    It has a line for each request that a conversion was in, and for what was not sent.

    \b
    Success  (accepted)  the network took it
    Failed   (rejected)  refused; it is sent again only if its record comes again
    Open     (open)      no verdict yet; the next run takes it up again
    Skipped  (skipped)   it was not sent; the reason says why
    Retried              no verdict by this request; the next line is the next one

    --status takes both words. It asks for verdicts that stand: the earlier lines of a conversion that was tried again
    are shown without it.

    \b
    Example: adpostbacks log --since 24h --network tiktok --status rejected
    """
    if ids and style != "table":
        raise click.UsageError("--ids is a format of its own; leave out --format")
    try:
        with LedgerReader(ledger_url) as ledger:
            only = _options.only(ledger, **chosen)
            if ledger.layout == "compact":
                click.echo(COMPACT, err=True)
            lines = ledger.lines(since, status, only)
            if limit:
                shown, conversions = ledger.newest(limit, since, status, only, by_id=ids)
                lines = iter(shown)
                if conversions is not None:
                    click.echo(_cut(limit, "event id" if ids else "line", conversions), err=True)
            WRITERS["ids" if ids else style](lines)
    except UnusableLedger as error:
        raise click.ClickException(str(error)) from None


def _cut(limit: int, what: str, conversions: int) -> str:
    lines = what if limit == 1 else f"{limit:,} {what}s"
    matching = "1 conversion matches" if conversions == 1 else f"{conversions:,} conversions match"
    return f"Only the newest {lines}, there are more: {matching}."


def _write_ids(lines: Iterator[Line]) -> None:
    event_ids: set[str] = set()
    for line in lines:
        if line.event_id not in event_ids:
            event_ids.add(line.event_id)
            sys.stdout.write(printable(line.event_id) + "\n")
    if not event_ids:
        click.echo(NO_LINE, err=True)


def _write_table(lines: Iterator[Line]) -> None:
    """Columns on a terminal, fitted to it; in a pipe every value in full, a line each, without colours."""
    sample = [*islice(lines, SAMPLE)]
    if not sample:
        click.echo(NO_LINE, err=True)
        return
    width, colored = terminal()
    layout = Layout(sample, width, colored=colored)
    for text in layout.rows(chain(sample, lines)):
        sys.stdout.write(text + "\n")


def _objects(lines: Iterable[Line]) -> Iterator[Mapping[str, object]]:
    """Each line, with what to do next about a verdict that is no success."""
    from target_adpostbacks.networks import NETWORKS  # takes a while to import

    for line in lines:
        words = {"reason": line.reason, "code": line.code, "message": line.message}
        is_done = line.status in (STATUSES["accepted"], RETRIED)
        yield {
            **line._asdict(),
            "advice": "" if is_done else advice(NETWORKS.get(line.network), http_status=line.http_status, **words),
        }


NO_LINE = "No line matches."
COMPACT = "The ledger is compact: what was accepted is not in the log, but in the results of its run (results_path)."
WRITERS: Mapping[str, Callable[[Iterator[Line]], None]] = {
    "table": _write_table,
    "json": lambda lines: write_json(_objects(lines)),
    "jsonl": lambda lines: write_jsonl(_objects(lines)),
    "csv": lambda lines: write_csv((*Line._fields, "advice"), _objects(lines)),
    "ids": _write_ids,
}
