"""adpostbacks health: how each account does, for people and for monitors."""

from __future__ import annotations

import sys
import textwrap
from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timezone
from functools import partial
from pathlib import Path
from typing import Any

import click

from target_adpostbacks.cli import _configs, _options, _prometheus
from target_adpostbacks.cli._output import printable, replacing, write_csv, write_json, write_jsonl
from target_adpostbacks.cli._tables import columns, terminal
from target_adpostbacks.core.accounts import Account
from target_adpostbacks.core.health import Activity, Advice, Health, advice_on, shown
from target_adpostbacks.core.money import stakes, told
from target_adpostbacks.ledger import LedgerReader, NoLedger, UnusableLedger
from target_adpostbacks.ledger.healths import healths, row
from target_adpostbacks.networks import NETWORKS

COLORS: Mapping[str, dict[str, Any]] = {
    "delivering": {"fg": "green"},
    "no_recent_activity": {"dim": True},
    "degraded": {"fg": "yellow"},
    "credential_failures": {"fg": "red"},
}
HEAD = ("Account", "State", "Last accepted", "Accepted", "Rejected", "Open")
FOOT = "Counts are of the last 24 hours, times are UTC."
INDENT = " " * 4


@click.command()
@_options.ledger_url
@_options.output("table", "json", "jsonl", "csv", "prometheus")
@click.option(
    "--output",
    metavar="FILE",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Write to this file, which is replaced at once: no reader sees a half of it.",
)
def health(ledger_url: str, style: str, output: Path | None) -> None:
    """Tell how each account does, from the ledger alone.

    \b
    delivering           the network takes what is sent
    no_recent_activity   no request in 24 hours; normal when new
    degraded             the newest request failed and something is open, more than
                         10 % of 20 or more were refused in 24 hours, something that
                         is open happened more than 6 hours ago, or the token is too
                         old
    credential_failures  the newest answer refused the credentials

    With --config, each account of the config has a line, one that never sent anything too, and each that it no longer
    sends to while something is open. The setting `health` changes the limits.
    Exit 0 if every account is delivering or new, else 1.

    \b
    Example: adpostbacks health --config config.json
    Example: adpostbacks health --format prometheus --output /var/lib/node_exporter/adpostbacks.prom
    """
    now = datetime.now(timezone.utc)
    configured = _configs.of_context()
    accounts = configured.accounts if configured else None
    try:
        accounts_health = [*all_healths(ledger_url, now, accounts)]
    except UnusableLedger as error:
        raise click.ClickException(str(error)) from None
    if style == "table" and not accounts_health:
        click.echo(_nothing(ledger_url, configured=configured is not None), err=True)
    with replacing(output):
        WRITERS[style](accounts_health, now)
    sys.exit(0 if all(each.is_well for each in accounts_health) else 1)


def all_healths(url: str, now: datetime, configured: Mapping[str, Sequence[Account]] | None = None) -> Iterator[Health]:
    """``healths`` with what to do after an answer; where there is no ledger yet, the terminal is told which."""
    return healths(url, now, configured, advice=_advice, tell=lambda why: click.echo(why, err=True))


def _advice(activity: Activity) -> Advice:
    return advice_on(NETWORKS.get(activity.network))


def _nothing(url: str, *, configured: bool) -> str:
    """Why no account has a line, and which ledger says so."""
    what = "No account has sent anything yet"
    try:
        with LedgerReader(url) as ledger:
            place = f"the ledger is {ledger.location}"
            if configured:
                what = "No account of the config is switched on, and nothing is open"
    except NoLedger as error:
        place = str(error).rstrip(".")
    return f"{what}: {place}."


def _write_table(healths: Sequence[Health], now: datetime) -> None:
    if not healths:
        return
    width, colored = terminal()
    for line in table(healths, now, width, colored=colored):
        print(line)


def table(healths: Sequence[Health], now: datetime, width: int | None, *, colored: bool) -> Iterator[str]:
    """A line for each account, with what is to be told below it. ``width``: of the terminal; None: nothing is cut."""
    cells = [
        (
            *(each.activity.label, each.state, _shown(each.activity.last_accepted_at)),
            *(f"{count:,}" for count in (each.activity.accepted, each.activity.rejected, each.activity.open)),
        )
        for each in healths
    ]
    head, *lines = columns([HEAD, *(tuple(map(printable, row)) for row in cells)], width)
    yield click.style(head, bold=True) if colored else head
    alike = _alike(healths)
    for each, line in zip(healths, lines, strict=True):
        yield line.replace(each.state, click.style(each.state, **COLORS[each.state]), 1) if colored else line
        for text in map(printable, _below(each, now, alike)):
            yield from textwrap.wrap(text, width or 10_000, initial_indent=INDENT, subsequent_indent=INDENT)
    for advice, labels in alike.items():
        who = "All accounts" if len(labels) == len(healths) else ", ".join(labels)
        yield from textwrap.wrap(printable(f"{who}: {advice}"), width or 10_000)
    yield FOOT


def _alike(healths: Iterable[Health]) -> dict[str, list[str]]:
    """Advice that is the same for several accounts, and dates from no moment, with their names."""
    labels: dict[str, list[str]] = {}
    for each in healths:
        if each.advice and not each.since:
            labels.setdefault(each.advice, []).append(each.activity.label)
    return {advice: names for advice, names in labels.items() if len(names) > 1}


def _below(health: Health, now: datetime, alike: Container[str]) -> Iterator[str]:
    """What is told under an account's line."""
    if health.since:
        yield f"Since {_shown(health.since)}. {health.advice}"
    elif health.advice and health.advice not in alike:
        yield health.advice
    for stake in stakes(health.activity.amounts, _text(now)):
        yield f"{told(stake, _text(now))}."


def _shown(time: str | None) -> str:
    return shown(time).removesuffix(" UTC") if time else "-"


def _text(now: datetime) -> str:
    return now.isoformat(timespec="milliseconds")


def _write_rows(write: Callable[[Iterable[dict[str, Any]]], None], healths: Sequence[Health], now: datetime) -> None:
    write([row(each, now) for each in healths])


def _write_csv(rows: Iterable[dict[str, Any]]) -> None:
    flat = [{**row, **row["last_24h"]} for row in rows]
    names = ("account", "state", "since", "last_accepted_at", "accepted", "rejected", "open", "open_money", "advice")
    write_csv(names, flat)


WRITERS: Mapping[str, Callable[[Sequence[Health], datetime], None]] = {
    "table": _write_table,
    "json": partial(_write_rows, write_json),
    "jsonl": partial(_write_rows, write_jsonl),
    "csv": partial(_write_rows, _write_csv),
    "prometheus": _prometheus.write,
}
