"""adpostbacks performance: what the ads cost, beside what came of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import click
from rich.cells import cell_len

from target_adpostbacks.cli import _days, _options
from target_adpostbacks.cli._output import printable, write_csv, write_json
from target_adpostbacks.cli._performance import Answer, Cells, answer, asked_days, asked_network, cells, heads
from target_adpostbacks.cli._tables import GAP, terminal
from target_adpostbacks.core.performance.counting import Counting
from target_adpostbacks.core.performance.rows import NAMES, plain
from target_adpostbacks.core.performance.table import Grouping
from target_adpostbacks.ledger import LedgerReader, UnusableLedger

WIDEST = 40
"""Of a name in a pipe."""
LEAST = 12
"""Of a name on a terminal that is narrow."""
FIRST = ("names", "spend", "used", "cpa", "revenue_used", "roas")
"""Columns that are never left out, however narrow the terminal is."""
NEXT = ("impressions", "clicks", "cpm", "cpc", "ctr", "ipm", "cti", "conversions", "revenue")
"""Those that come before others where there is room."""


@click.command()
@_options.ledger_url
@_days.options
@click.option(
    "--by",
    type=click.Choice(["campaign", "network", "day"]),
    default="campaign",
    show_default=True,
    help="A line for each campaign, network or day, and a total of each currency.",
)
@click.option("--network", default="", metavar="NAME", help="Only this network, by any of its names.")
@_options.output("table", "json", "csv")
def performance(ledger_url: str, since: str, until: str, by: Grouping, network: str, style: str) -> None:
    """Show what ads cost beside what came of them.

    Spend, conversions, revenue, and what they make of each other: CPA, ROAS and so on. Spend comes from the streams
    that `performance` of the config names. Conversions and revenue are those of the ledger; where it has none, the
    network's number stands in, marked. `report` of the config says which events count. Days are those of the ad
    accounts' time zones. Money of several currencies is never added up.

    \b
    Example: adpostbacks performance --since 30d --config config.json
    Example: adpostbacks performance --by day --network tiktok --format csv
    """
    general, counting, window, now = asked_days(since, until)
    try:
        with LedgerReader(ledger_url) as ledger:
            asked = network and asked_network(ledger, network)
            made = answer(ledger, general, counting, window, now, by=by, network=asked)
    except UnusableLedger as error:
        raise click.ClickException(str(error)) from None
    if style == "table":
        _write_table(made, counting, by)
        return
    for warning in map(printable, made.warnings):
        click.echo(warning, err=True)
    rows = [plain(row) for row in made.rows]
    if style == "json":
        write_json(rows)
    else:
        write_csv(NAMES, [{**row, "provisional": str(row["provisional"]).lower()} for row in rows])


def _write_table(made: Answer, counting: Counting, by: Grouping) -> None:
    if not made.rows:
        click.echo("No statistics and no conversions on these days; docs/spend.md says how they come.", err=True)
    else:
        width, _ = terminal()
        for line in table(made, counting, by, width):
            click.echo(line)
        click.echo()
    for note in map(printable, (*made.warnings, *made.notes)):
        click.echo(note)


def table(made: Answer, counting: Counting, by: Grouping, width: int | None) -> Iterator[str]:
    """A line for each row. ``width``: of the terminal, where columns are left out for it; None: nothing is."""
    rows = [_flat(heads(counting, by)), *(_flat(cells(row, by)) for row in made.rows)]
    names = len(rows[0]["names"])
    longest = [min(WIDEST, max(cell_len(row["names"][each]) for row in rows)) for each in range(names)]
    shown = [*rows[0]]
    if width is not None:
        shown = _fitting(rows, longest, width)
        while sum(longest) + _taken(rows, shown, names) > width and max(longest) > LEAST:
            longest[longest.index(max(longest))] -= 1
    widths = {column: max(cell_len(row[column]) for row in rows) for column in shown if column != "names"}
    for row in rows:
        texts = [_left(text, room) for text, room in zip(row["names"], longest, strict=True)]
        texts += [" " * (room - cell_len(row[column])) + row[column] for column, room in widths.items()]
        yield GAP.join(texts).rstrip()


def _flat(of: Cells) -> dict[str, Any]:
    """The cells in the order of the table's columns."""
    (ours, used, cpa), (earned, revenue, roas) = of.conversions, of.revenue
    return {
        "names": tuple(map(printable, of.names)),
        "spend": of.spend,
        "conversions": ours,
        "used": used,
        "cpa": cpa,
        "ipm": of.ipm,
        "impressions": of.impressions,
        "cpm": of.cpm,
        "clicks": of.clicks,
        "cpc": of.cpc,
        "ctr": of.ctr,
        "cti": of.cti,
        "revenue": earned,
        "revenue_used": revenue,
        "roas": roas,
    }


def _fitting(rows: Sequence[dict[str, Any]], names: Sequence[int], width: int) -> list[str]:
    """The columns for which there is room, if names are as short as they may be."""
    least = sum(min(each, LEAST) for each in names)
    chosen = {*FIRST}
    for column in NEXT:
        if least + _taken(rows, [*chosen, column], len(names)) <= width:
            chosen.add(column)
    return [column for column in rows[0] if column in chosen]


def _taken(rows: Sequence[dict[str, Any]], columns: Sequence[str], names: int) -> int:
    """How wide everything is but the names."""
    wide = sum(max(cell_len(row[column]) for row in rows) for column in columns if column != "names")
    return wide + len(GAP) * (len(columns) - 2 + names)


def _left(text: str, room: int) -> str:
    while cell_len(text) > room:
        text = text[:-2] + "…"
    return text + " " * (room - cell_len(text))
