"""Options that several commands share."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeVar

import click

from target_adpostbacks.config import files
from target_adpostbacks.ledger import UnusableLedger
from target_adpostbacks.ledger import ledger_url as place_of_ledger
from target_adpostbacks.ledger.place import RULE, VARIABLE

Command = TypeVar("Command", bound=Callable[..., Any])


def ledger_url(command: Command) -> Command:
    """``--ledger-url`` and ``--config``: the command gets the URL of the ledger, wherever that is said."""
    option = click.option(
        "--ledger-url",
        metavar="URL",
        callback=_place_of_ledger,
        help=f"Database of the ledger. Without it, the ledger is where {VARIABLE} says, else {RULE}",
    )
    config = click.option(
        "--config",
        metavar="FILE",
        multiple=True,
        is_eager=True,  # --ledger-url needs it
        expose_value=False,
        callback=_remember_config,
        help="The config of target-adpostbacks, for its `ledger_url`. ENV reads `.env`.",
    )
    return option(config(command))


def _remember_config(context: click.Context, _: click.Parameter, paths: Iterable[str]) -> None:
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


def filters(command: Command) -> Command:
    """``--network``, ``--account`` and ``--event``: see ``equal``."""
    for name, text in (
        ("--event", "Only this event, by its canonical name."),
        ("--account", "Only this account."),
        ("--network", "Only this network."),
    ):
        command = click.option(name, help=text)(command)
    return command


def equal(chosen: Mapping[str, str | None]) -> dict[str, str]:
    """The values of ``filters`` by the columns of deliveries."""
    return {("event_name" if name == "event" else name): value for name, value in chosen.items() if value}
