"""adpostbacks reconcile: why a network shows another number of conversions than we recorded."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

import click

from target_adpostbacks.cli import _days, _options
from target_adpostbacks.cli._output import printable, write_csv, write_json
from target_adpostbacks.cli._performance import BY_ACCOUNT, asked_days, asked_network, told_twice
from target_adpostbacks.cli._tables import columns, terminal
from target_adpostbacks.config import General
from target_adpostbacks.core.events import canonical_event
from target_adpostbacks.core.performance.counting import Counting, Window
from target_adpostbacks.core.performance.overlaps import counted_once
from target_adpostbacks.core.reconciliation import Row, Sum, as_row, reconciled, summed
from target_adpostbacks.ledger import LedgerReader, UnusableLedger
from target_adpostbacks.networks import NETWORKS

HEAD = ("Day", "Network", "Event", "Recorded", "Sent", "Accepted", "Reported", "Difference")
INDENT = " " * 12
NOBODY = "(nobody)"
HINTS = {
    "no_click_id": "{} without a click id",
    "day_open": "the day is not closed yet",
    "days_open": "{} of the days not closed yet",
    "network_counts_more": "the network counts what it alone has seen, views for example",
}
"""What may lie behind what nobody explains."""
FORGOTTEN = (
    "The ledger keeps details for {days} days: until {day} it may know none of our conversions, and what a network"
    " reports there stays unexplained."
)
_OTHERS = {name for network in NETWORKS.values() if not network.accounts_are_networks for name in network.ids}
CLICK_KEYS = {
    *(name for network in NETWORKS.values() for name in (*network.click_ids, *network.click_match_keys)),
    *(name for section in BY_ACCOUNT for name in NETWORKS[section].ids if name not in _OTHERS),
}
"""What match keys are called that are click ids."""


@click.command()
@_options.ledger_url
@_days.options
@click.option("--network", default="", metavar="NAME", help="Only this network, by any of its names.")
@click.option("--event", default="", metavar="NAME", help="Only this event, by any of its names.")
@_options.output("table", "json", "csv")
def reconcile(ledger_url: str, since: str, until: str, network: str, event: str, style: str) -> None:
    """Explain why a network reports another number of conversions.

    A line for each day of the ad account, network and event; of several days the table ends with their sums. The
    difference is what was not sent, was refused or is open, and what nobody explains; hints say what may lie behind
    that. The network reports one number a day: it stands on the line of the events that `report.conversions` of the
    config lists, `install` if it lists none.

    \b
    Example: adpostbacks reconcile --since 7d --network tiktok --config config.json
    """
    general, counting, window, now = asked_days(since, until)
    try:
        with LedgerReader(ledger_url) as ledger:
            asked = network and asked_network(ledger, network)
            of_event = canonical_event(event) if event else ""
            rows, lost = reconciliation(ledger, general, counting, window, now, asked, of_event)
    except UnusableLedger as error:
        raise click.ClickException(str(error)) from None
    for warning in map(printable, told_twice(lost)):
        click.echo(warning, err=True)
    days = general.details_days
    if rows and (forgotten := _days.forgotten(days, window, now)):
        click.echo(FORGOTTEN.format(days=days, day=forgotten), err=True)
    WRITERS[style](rows)


def reconciliation(
    ledger: LedgerReader,
    general: General,
    counting: Counting,
    window: Window,
    now: datetime,
    network: str = "",
    event: str = "",
) -> tuple[list[Row], dict[str, str]]:
    """The rows of these days, see ``reconciled``, and streams that lost some, see ``counted_once``.

    ``network``: of this one alone.
    """
    theirs, lost = counted_once(ledger.spend(window, network), [*general.performance])
    ours = ledger.recorded(window, counting.by, CLICK_KEYS, BY_ACCOUNT, network or None)
    return reconciled(ours, theirs, counting, window, general.default_timezone, now, event), lost


def _write_table(rows: Sequence[Row]) -> None:
    if not rows:
        click.echo("No conversion and no number of a network on these days.", err=True)
        return
    width, _ = terminal()
    for line in table(rows, width):
        click.echo(line)


def table(rows: Sequence[Row], width: int | None) -> Iterator[str]:
    """A line for each row, with what explains it below, and last their sums where a network reports several days.

    ``width``: of the terminal; None: nothing is cut.
    """
    told: list[Row | Sum] = [*rows, *(each for each in summed(rows) if each.days > 1)]
    cells = [
        (
            row.day if isinstance(row, Row) else f"{row.days} days",
            *(row.network or NOBODY, row.event or "-"),
            *map(number, (row.recorded, row.sent, row.accepted, row.reported, row.difference)),
        )
        for row in told
    ]
    head, *lines = columns([HEAD, *(tuple(map(printable, row)) for row in cells)], width)
    yield head
    for row, line in zip(told, lines, strict=True):
        yield line
        for text in map(printable, explanation(row)):
            yield from textwrap.wrap(text, width or 10_000, initial_indent=INDENT, subsequent_indent=INDENT)


def explanation(row: Row | Sum) -> Iterator[str]:
    """What explains a row: a sentence for each part of its difference that is there."""
    for words, counts in (("not sent", row.not_sent), ("rejected", row.rejected), ("open", row.open)):
        if counts:
            told = ", ".join(f"{name or 'no code'} ({count:,})" for name, count in counts.items())
            yield f"{sum(counts.values()):,} {words}: {told}"
    if row.unexplained:
        hints = [HINTS[name].format(number(count)) for name, count in row.hints.items()]
        yield f"{number(row.unexplained)} unexplained" + (f": {'; '.join(hints)}" if hints else "")


def number(count: float | None) -> str:
    """``'1,204'``, ``'0.5'``; a dash for what is not known."""
    return "-" if count is None else f"{count:,}"


def _rows(rows: Iterable[Row]) -> list[dict[str, Any]]:
    return [*map(as_row, rows)]


WRITERS: Mapping[str, Callable[[Sequence[Row]], None]] = {
    "table": _write_table,
    "json": lambda rows: write_json(_rows(rows)),
    "csv": lambda rows: write_csv(Row.__struct_fields__, _rows(rows)),
}
