"""adpostbacks check: asks networks what became of the requests that they had accepted."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from contextlib import closing

import click

from target_adpostbacks.cli import _configs
from target_adpostbacks.core.accounts import Account
from target_adpostbacks.delivery.counting import Asked, count, tells_counts
from target_adpostbacks.delivery.transport import HttpTransport
from target_adpostbacks.ledger import Ledger, UnusableLedger
from target_adpostbacks.ledger import ledger_url as place_of_ledger
from target_adpostbacks.run import utc_now


@click.command()
@click.argument("names", metavar="[ACCOUNT]...", nargs=-1, shell_complete=_configs.completed)
@_configs.option
@click.option("--ledger-url", metavar="URL", help="Database of the ledger, if it is not where the config says.")
def check(names: Sequence[str], paths: Sequence[str], ledger_url: str | None) -> None:
    """Ask networks what became of requests that they had accepted.

    Some networks accept a request first and process it later. For those, this asks about each request that is old
    enough, and writes to its row in the ledger how many of its events were counted, and why not the rest. The
    deliveries stay accepted, since such a network names no events. `adpostbacks log` shows it.

    ACCOUNT is a section (`google_ads`: all its accounts) or one account. Without one, all are asked. Exit 0, or 1 if a
    request failed as a whole, or a network did not answer.

    \b
    Example: adpostbacks check google_ads --config config.json
    """
    configured = _configs.read(paths)
    accounts = configured.chosen(names)
    asked = [account for account in accounts if tells_counts(account)]
    for account in accounts if names else ():
        if account not in asked:
            click.echo(f"{account.label}: its network tells nothing beyond its verdicts", err=True)
    is_well = True
    try:
        url = place_of_ledger(os.environ, ledger_url, configured=configured.general.ledger_url or "")
        with closing(Ledger(url, create=False)) as ledger, closing(HttpTransport()) as transport:
            for account in asked:
                told = [*count(account, ledger, transport, utc_now)]
                for each in told:
                    click.echo(_line(account, each), err=each.counted is None)
                if not told:
                    click.echo(f"{account.label}: no request to ask about", err=True)
                is_well &= all(each.counted and each.counted.status != "failed" for each in told)
    except UnusableLedger as error:
        raise click.ClickException(str(error)) from None
    sys.exit(0 if is_well else 1)


def _line(account: Account, asked: Asked) -> str:
    request, counted = asked.request, asked.counted
    head = f"{request.started_at[:19].replace('T', ' ')}  {account.label}"
    if counted is None:
        return f"{head}  not asked any further: {asked.why}"
    reasons = ", ".join(f"{reason} {events}" for reason, events in counted.not_counted.items())
    return f"{head}  {counted.status}  {counted.counted} of {request.events} counted{'  ' * bool(reasons)}{reasons}"
