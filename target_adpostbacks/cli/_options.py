"""Options that several commands share."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import click

Command = TypeVar("Command", bound=Callable[..., Any])


def ledger_url(command: Command) -> Command:
    """``--ledger-url``; None if it is not set."""
    return click.option(
        "--ledger-url",
        envvar="TARGET_ADPOSTBACKS_LEDGER_URL",
        help="Database of the ledger. Default: adpostbacks.db in the Meltano project, else here.",
    )(command)


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
