"""Options that several commands share."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timedelta, timezone
from typing import Any, TypeVar

import click

from target_adpostbacks.cli._output import printable
from target_adpostbacks.core.events import ALIASES, canonical_event
from target_adpostbacks.ledger import RETRIED, STATUSES, Ledger, LedgerReader, Only, UnusableLedger
from target_adpostbacks.ledger import ledger_url as place_of_ledger

Command = TypeVar("Command", bound=Callable[..., Any])

UNITS = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
STATUS_WORDS = {**STATUSES, **{shown.lower(): shown for shown in (*STATUSES.values(), RETRIED)}}
"""A verdict in the ledger's words, and in the log's, to the log's."""
CONFIG_DECIDES = {
    **dict.fromkeys(("health", "report"), "`ledger_url`, accounts and limits"),
    "erase": "`ledger_url` and `erasure_key`",
    **dict.fromkeys(("performance", "reconcile"), "`ledger_url`, `performance` and `report`"),
}
"""What commands take from ``--config`` beyond the ledger's place."""
MOST_NAMES = 50
"""Known names that are told, at most."""


def ledger_url(command: Command) -> Command:
    """``--ledger-url`` and ``--config``: the command gets the URL of the ledger, wherever that is said."""
    option = click.option(
        "--ledger-url",
        metavar="URL",
        callback=_place_of_ledger,
        help="Database of the ledger. `adpostbacks --help` says where it is without this.",
    )
    config = click.option(
        "--config",
        metavar="FILE",
        multiple=True,
        is_eager=True,  # --ledger-url needs it
        expose_value=False,
        callback=_remember_config,
        help=f"The config of target-adpostbacks, for its {CONFIG_DECIDES.get(command.__name__, '`ledger_url`')}."
        " ENV reads `.env`.",
    )
    return option(config(command))


def _remember_config(context: click.Context, _: click.Parameter, paths: Iterable[str]) -> None:
    context.meta[__name__] = {}
    if not paths:
        return
    from target_adpostbacks.config import files  # takes a while to import, and most commands go without it

    try:
        context.meta[__name__] = files.read(paths)
    except files.UnreadableConfig as error:
        raise click.ClickException(str(error)) from None


def _place_of_ledger(context: click.Context, _: click.Parameter, chosen: str | None) -> str:
    configured = context.meta[__name__].get("ledger_url")
    try:
        return place_of_ledger(os.environ, chosen, configured=str(configured or ""))
    except UnusableLedger as error:
        raise click.ClickException(str(error)) from None


def file_of_conversions(command: Command) -> Command:
    """``--input``: the command gets ``file``, open."""
    return click.option(
        "--input",
        "file",
        metavar="FILE",
        type=click.File("rb"),
        required=True,
        help="Conversions: JSON lines or Singer; - for stdin.",
    )(command)


def since(command: Command) -> Command:
    """``--since``: the command gets the time as the ledger writes it, where times are compared as text; else ""."""
    return click.option(
        "--since",
        metavar="WHEN",
        default="",
        callback=_time,
        help="1h, 24h, 7d, 30d, or an ISO 8601 time (UTC without an offset).",
    )(command)


def _time(_: click.Context, __: click.Parameter, text: str) -> str:
    if not text:
        return ""
    if relative := re.fullmatch(r"(\d{1,4})([mhdw])", text):
        moment = datetime.now(timezone.utc) - timedelta(**{UNITS[relative[2]]: int(relative[1])})
    else:
        try:
            moment = datetime.fromisoformat(text.replace("Z", "+00:00"))
        except ValueError:
            raise click.BadParameter("1h, 24h, 7d, 30d or an ISO 8601 time expected") from None
        moment = moment if moment.tzinfo else moment.replace(tzinfo=timezone.utc)
    return moment.astimezone(timezone.utc).isoformat(timespec="milliseconds")


def status(command: Command) -> Command:
    """``--status``, in the ledger's words or the log's: the command gets the log's; None if it is not asked for."""
    return click.option(
        "--status",
        type=click.Choice([*STATUS_WORDS], case_sensitive=False),
        callback=lambda _, __, word: word and STATUS_WORDS[word.lower()],
        help="Only what has this verdict now, or the requests that gave none (retried).",
    )(command)


def output(*formats: str) -> Callable[[Command], Command]:
    """``--format``, one of these, the first if nothing is said: the command gets it as ``style``."""
    return click.option("--format", "style", type=click.Choice(formats), default=formats[0], show_default=True)


def filters(command: Command) -> Command:
    """``--network``, ``--account`` and ``--event``: see ``only``."""
    for name, text in (
        ("--event", "Only this event: its canonical name, an alias, or the network's own name."),
        ("--account", "Only this account."),
        ("--network", "Only this network, by any of its names."),
    ):
        command = click.option(name, default="", metavar="NAME", help=text)(command)
    return command


def only(ledger: Ledger | LedgerReader, *, network: str, account: str, event: str) -> Only:
    """The deliveries that ``filters`` ask for. Whatever neither we nor the ledger know ends the command, exit 2."""
    return Only(_network(ledger, network), _account(ledger, account), _event(ledger, event))


def _network(ledger: Ledger | LedgerReader, text: str) -> str:
    if not text:
        return ""
    from target_adpostbacks.networks import NETWORKS

    return network_named(text) or _one_of("network", text, sorted({*NETWORKS, *ledger.known("network")}))


def network_named(text: str) -> str | None:
    """The network that has this name, whatever its case, or goes by it; None: there is none."""
    from target_adpostbacks.networks import NAMES  # takes a while to import

    return NAMES.get(_folded(text))


def _account(ledger: Ledger | LedgerReader, text: str) -> str:
    return text and _one_of("account", text, ledger.known("account"))


def _event(ledger: Ledger | LedgerReader, text: str) -> str:
    if not text:
        return ""
    from target_adpostbacks.networks import NETWORKS

    native = (name for network in NETWORKS.values() for name in (*network.standard_events, *network.events.values()))
    if canonical_event(text) in ALIASES or _folded(text) in {_folded(name) for name in native if name}:
        return text.strip()
    names = [*ALIASES, *(name for name in ledger.known("event_name") if name not in ALIASES)]
    if _folded(text) in map(_folded, ledger.known("network_event")):
        return text.strip()
    return _one_of("event", text, names)


def _one_of(option: str, text: str, names: Sequence[str]) -> str:
    """The one of these names that it is, whatever its case."""
    if text in names:
        return text
    if same := [name for name in names if _folded(name) == _folded(text)]:
        return same[0]
    known = ", ".join(map(printable, names[:MOST_NAMES])) + (", …" if len(names) > MOST_NAMES else "")
    raise click.BadParameter(f"{text!r} is not known; known: {known or 'none yet'}", param_hint=f"'--{option}'")


def _folded(name: str) -> str:
    return name.strip().lower()
