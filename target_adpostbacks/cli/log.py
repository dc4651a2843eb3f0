"""adpostbacks log: the delivery log, one line for each conversion and what became of it."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta, timezone
from typing import Any

import click
import msgspec
from rich.console import Console
from rich.table import Table

from target_adpostbacks.ledger import Ledger, UnusableLedger, default_url

COLUMNS = {
    "updated_at": "Time",
    "event_name": "Event",
    "status": "Status",
    "http_status": "HTTP",
    "latency_ms": "Latency (ms)",
    "attempts": "Attempt",
    "network": "Network",
    "account": "Account",
    "event_id": "Event id",
    "reason": "Reason",
}
STYLES = {"accepted": "green", "rejected": "red", "open": "yellow", "skipped": "dim"}
UNITS = {"m": "minutes", "h": "hours", "d": "days"}


@click.command()
@click.option(
    "--ledger-url", envvar="TARGET_ADPOSTBACKS_LEDGER_URL", help="Default: adpostbacks.db here or in the project."
)
@click.option("--since", help="30m, 24h, 7d, or an ISO 8601 time.")
@click.option("--status", type=click.Choice([*STYLES]), help="Only these.")
@click.option("--network", help="Only this network's.")
@click.option("--account", help="Only this account's.")
@click.option("--event", help="Only this event's, by its canonical name.")
@click.option("--format", "style", type=click.Choice(["table", "jsonl"]), default="table", show_default=True)
def log(ledger_url: str | None, since: str | None, style: str, **filters: str | None) -> None:
    """What became of every conversion, the newest change last."""
    after = _since(since) if since else ""
    wanted = {("event_name" if name == "event" else name): value for name, value in filters.items() if value}
    try:
        ledger = Ledger(ledger_url or default_url(os.environ))
        rows = (
            row
            for row in ledger.changes("deliveries")
            if row["updated_at"] >= after and all(row[name] == value for name, value in wanted.items())
        )
        _write_table(rows) if style == "table" else _write_lines(rows)
        ledger.close()
    except UnusableLedger as error:
        raise click.ClickException(str(error)) from None


def _since(text: str) -> str:
    now = datetime.now(timezone.utc)
    if relative := re.fullmatch(r"(\d{1,5})([mhd])", text):
        return (now - timedelta(**{UNITS[relative[2]]: int(relative[1])})).isoformat(timespec="milliseconds")
    try:
        moment = datetime.fromisoformat(text.replace("Z", "+00:00"))
    except ValueError:
        raise click.BadParameter("30m, 24h, 7d or an ISO 8601 time expected", param_hint="--since") from None
    return (moment if moment.tzinfo else moment.replace(tzinfo=timezone.utc)).astimezone(timezone.utc).isoformat()


def _write_table(rows: Iterable[Mapping[str, Any]]) -> None:
    table = Table(*COLUMNS.values(), header_style="bold", box=None)
    for row in rows:
        cells = {name: "" if row[name] is None else str(row[name]) for name in COLUMNS}
        cells["reason"] = " ".join(filter(None, (row["reason"], row["code"] if row["status"] != "accepted" else "")))
        table.add_row(*cells.values(), style=STYLES[row["status"]])
    Console(soft_wrap=True).print(table) if table.row_count else click.echo("Nothing yet.")


def _write_lines(rows: Iterable[Mapping[str, Any]]) -> None:
    for row in rows:
        sys.stdout.write(msgspec.json.encode(row).decode() + "\n")
