"""adpostbacks report: one page that says what became of the conversions, for people."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta, timezone, tzinfo
from importlib.util import find_spec
from pathlib import Path
from zoneinfo import ZoneInfo

import click

from target_adpostbacks.cli import _configs, _options, health
from target_adpostbacks.cli._output import as_json, printable, replacing
from target_adpostbacks.cli._performance import Answer, answers
from target_adpostbacks.cli._report.figures import LEARNING_DAYS, Answers, Figures, figures
from target_adpostbacks.cli._report.period import Period, period
from target_adpostbacks.cli._tables import columns
from target_adpostbacks.cli.reconcile import reconciliation
from target_adpostbacks.config import General
from target_adpostbacks.config.performance import counting
from target_adpostbacks.core.accounts import Account
from target_adpostbacks.core.money import money, stakes, told
from target_adpostbacks.core.performance.counting import Counting, Window
from target_adpostbacks.core.reconciliation import Row
from target_adpostbacks.ledger import LedgerReader, NoLedger, UnusableLedger
from target_adpostbacks.ledger.healths import row
from target_adpostbacks.networks import NETWORKS

NEEDED = ("jinja2", "pygal")
USUAL_DAYS = 30
LINES = 1000
"""Of the delivery log, the newest."""


@click.command()
@_options.ledger_url
@_options.since
@click.option(
    "--timezone", "zone", metavar="ZONE", help="Whose days: Europe/Berlin. Default: `default_timezone`, or UTC."
)
@click.option(
    "--output",
    metavar="FILE",
    type=click.Path(path_type=Path, dir_okay=False),
    help="The file, which is replaced at once. Default: report.html; a table or JSON goes to standard output.",
)
@_options.output("html", "table", "json")
def report(ledger_url: str, since: str, zone: str | None, output: Path | None, style: str) -> None:
    """Write one page on what became of the conversions.

    Why networks show other numbers, reasons, accounts, days, latency, match keys, spend, the log. It is one file that
    loads nothing, so it can be sent or kept. It has whole days, the last 30 if --since says nothing else, as the
    event's time and --timezone have them. It needs the extra `report`.

    \b
    Example: adpostbacks report --output report.html --since 30d --timezone Europe/Berlin
    """
    if style == "html" and not all(map(find_spec, NEEDED)):
        raise click.ClickException("the report needs its extra: pip install 'target-adpostbacks[report]'")
    now = datetime.now(timezone.utc)
    configured = _configs.of_context()
    accounts = configured.accounts if configured else None
    begun = datetime.fromisoformat(since) if since else now - timedelta(days=USUAL_DAYS)
    try:
        days = period(begun, now, _zone(zone) or (configured.general.zone if configured else timezone.utc))
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--since") from None
    try:
        made = gathered(ledger_url, days, now, accounts, configured.general if configured else None)
    except UnusableLedger as error:
        raise click.ClickException(str(error)) from None
    if style != "html":
        with replacing(output):
            print(as_json(made) if style == "json" else "\n".join(table(made)))
        return
    path = output or Path("report.html")
    write(path, made)
    click.echo(f"{path}: {conversions(made)}.", err=True)


def gathered(
    url: str,
    days: Period,
    now: datetime,
    configured: Mapping[str, Sequence[Account]] | None = None,
    general: General | None = None,
) -> Figures:
    """What the report says of these days. Raises UnusableLedger; no ledger yet counts as an empty one."""
    at = now.isoformat(timespec="milliseconds")
    accounts = [
        {**row(each, now), "at_stake": [told(stake, at) for stake in stakes(each.activity.amounts, at)]}
        for each in health.all_healths(url, now, configured)
    ]
    learning = [name for name, network in NETWORKS.items() if network.milestones]
    month = period(now - timedelta(days=LEARNING_DAYS - 1), now, days.zone)
    try:
        with LedgerReader(url) as ledger:
            answers = Answers(
                ledger.overview(days.starts, days.end),
                ledger.learned(learning, month.starts, month.end),
                ledger.newest(LINES).lines,
                *_of_statistics(ledger, days, now, general or General()),
            )
    except NoLedger:
        answers = Answers()
    return figures(answers, accounts, days, now)


def _of_statistics(
    ledger: LedgerReader, days: Period, now: datetime, general: General
) -> tuple[list[Row], list[Answer], Counting]:
    """Why networks show other numbers, by day, and what ads cost; nothing where no statistics are known."""
    counted, window = counting(general.report), Window(days.days[0], days.days[-1])
    if not ledger.networks_with_statistics():
        return [], [], counted
    rows, _ = reconciliation(ledger, general, counted, window, now)  # the section on spend tells what was lost
    spent = answers(ledger, general, counted, window, now, ["campaign", "day"])
    return sorted(rows, key=lambda row: row.day), spent, counted


def table(made: Figures) -> Iterator[str]:
    """The totals, a line for each status."""
    totals = made["totals"]
    amounts = [", ".join(f"{money(value, name)} {name}" for name, value in total["money"].items()) for total in totals]
    cells = [
        (total["status"], f"{total['conversions']:,}", amount) for total, amount in zip(totals, amounts, strict=True)
    ]
    return columns([("Status", "Conversions", "Value"), *(tuple(map(printable, row)) for row in cells)], None)


def write(path: Path, made: Figures) -> None:
    """Write the page to a file, which is replaced at once."""
    from target_adpostbacks.cli._report.page import page  # its libraries are an extra

    with replacing(path):
        print(page(made), end="")


def conversions(made: Figures) -> str:
    """``'1,204 conversions, 2026-10-30 to 2026-11-29'``."""
    count = sum(total["conversions"] for total in made["totals"])
    return f"{count:,} conversion{'s' * (count != 1)}, {made['from']} to {made['to']}"


def _zone(name: str | None) -> tzinfo | None:
    try:
        return ZoneInfo(name) if name else None
    except (KeyError, OSError, ValueError):
        raise click.BadParameter("not a time zone, for example Europe/Berlin", param_hint="--timezone") from None
