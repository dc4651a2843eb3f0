"""adpostbacks resolve: settles by hand what was sent, never answered, and is too old to be sent again."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from contextlib import closing
from datetime import datetime, timezone

import click

from target_adpostbacks.cli import _options
from target_adpostbacks.cli._output import printable
from target_adpostbacks.ledger import Ledger, UnusableLedger

DONE = {"accepted": "accepted: never sent again", "resend": "sent again by the next run that reads it"}


@click.command()
@click.argument("event_ids", metavar="EVENT_ID...", nargs=-1, required=True)
@click.option("--as", "verdict", type=click.Choice([*DONE]), required=True, help="What the network's own report says.")
@_options.ledger_url
@_options.filters
def resolve(event_ids: Iterable[str], verdict: str, ledger_url: str, **chosen: str) -> None:
    """Settle deliveries whose request was never answered.

    A request was sent and no answer came back, so the network may have the conversion or not. While the network
    recognizes repetitions, the next run sends it again by itself. After that, look it up in the network's own report:

    \b
    --as accepted  the network has it; it is never sent again
    --as resend    the network does not have it; the next run that reads it sends it

    Where no request for an id went unanswered, `--as resend` takes what was accepted: the next run that reads it sends
    it again. That is for a trial on the sandbox that version 0.1.0 took for the network. The network counts it twice
    if it has it and no longer recognizes the repetition.

    EVENT_ID `-` reads ids from standard input, one per line. `adpostbacks log --status open` lists what is open.

    \b
    Example: adpostbacks resolve evt_9f1c2d --as accepted --network tiktok
    """
    now = datetime.now(timezone.utc).isoformat(timespec="milliseconds")
    missed = 0
    try:
        with closing(Ledger(ledger_url, create=False)) as ledger:
            only = _options.only(ledger, **chosen)
            for event_id in dict.fromkeys(_ids(event_ids)):
                resolved = ledger.resolve(event_id, verdict, now, only)
                for delivery in resolved:
                    account = f"{delivery.network}.{delivery.account}"
                    click.echo(printable(f"{event_id}  {delivery.event_name}  {account}  {DONE[verdict]}"))
                if not resolved:
                    missed += 1
                    what = f"{event_id}: no unanswered delivery with this id"
                    if ledger.layout == "compact":
                        what += "; what was accepted is not known by its id in a compact ledger"
                    click.echo(printable(what), err=True)
    except UnusableLedger as error:
        raise click.ClickException(str(error)) from None
    sys.exit(1 if missed else 0)


def _ids(event_ids: Iterable[str]) -> Iterator[str]:
    for event_id in event_ids:
        if event_id == "-":
            yield from filter(None, map(str.strip, sys.stdin))
        else:
            yield event_id
