"""The config of target-adpostbacks, as commands that need its accounts read it."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple, TypeVar

import click
from click.shell_completion import CompletionItem

from target_adpostbacks import config as configuration
from target_adpostbacks.cli import _options
from target_adpostbacks.config import environment, files, stand_ins
from target_adpostbacks.core.accounts import Account
from target_adpostbacks.networks import NETWORKS

USUAL = "config.json"
"""What a config is called where nobody names one, to complete names from it."""
PREFIX = "TARGET_ADPOSTBACKS_"

Command = TypeVar("Command", bound=Callable[..., Any])


class Configured(NamedTuple):
    """A config that has no mistake."""

    settings: Mapping[str, Any]  # as the files and the environment say them
    general: configuration.General
    accounts: Mapping[str, Sequence[Account]]

    def chosen(self, names: Iterable[str]) -> list[Account]:
        """The accounts of these names: ``tiktok``, all of the section; ``tiktok.game_a``; no names: all there are.

        Raises UsageError, with the known names.
        """
        all_accounts = [account for section in self.accounts.values() for account in section]
        wanted = list(dict.fromkeys(names))
        chosen = [account for account in all_accounts if not wanted or {account.section, account.label} & {*wanted}]
        known = {name for account in all_accounts for name in (account.section, account.label)}
        if unknown := [name for name in wanted if name not in known]:
            raise click.UsageError(f"{', '.join(unknown)}: no account of the config; known: {', '.join(sorted(known))}")
        return chosen


def option(command: Command) -> Command:
    """``--config``: the command gets what ``read`` takes."""
    return click.option(
        "--config",
        "paths",
        type=click.Path(),  # so that a shell completes it
        metavar="FILE",
        multiple=True,
        help=f"The config of target-adpostbacks. ENV reads `.env`; environment variables, {PREFIX}…, come first.",
    )(command)


def completed(context: click.Context, _: click.Parameter, begun: str) -> list[CompletionItem]:
    """The names of accounts that begin so, for a shell: of the config that is named before, or of ``config.json``."""
    try:
        sections = files.read(path for path in context.params.get("paths") or (USUAL,) if path != "ENV")
    except files.UnreadableConfig:
        return []
    names = (name for section in NETWORKS for name in _names(section, sections.get(section)))
    return [CompletionItem(name) for name in names if name.startswith(begun)]


def _names(section: str, settings: Any) -> Iterator[str]:
    if isinstance(settings, Mapping):
        yield section
        accounts = settings.get("accounts")
        names = accounts if isinstance(accounts, Mapping) else ()
        yield from (f"{section}.{name}" for name in names if name.isidentifier())


def source_option(command: Command) -> Command:
    """``--source``: the command gets what stands in place of the config's ``source``."""
    return click.option(
        "--source",
        metavar="NAME",
        help="What the rows are, in place of the config's `source`: a preset of docs/sources.md, or one of `sources`.",
    )(command)


def read(paths: Iterable[str], *, with_secrets: bool = True, source: str | None = None) -> Configured:
    """The config of files and environment; every mistake ends the command.

    ``with_secrets``: False for what sends nothing: an example stands in for each that is missing. ``source``: in place
    of the config's.
    """
    try:
        said = _said(files.read(paths))
        if source is not None:
            said = said._replace(config={**said.config, "source": source})
        return _checked(said, with_secrets=with_secrets)
    except files.UnreadableConfig as error:
        raise click.ClickException(str(error)) from None


def of_context() -> Configured | None:
    """The same for a command with ``_options.ledger_url`` that sends nothing; None: nothing says what is configured."""
    said_in_files = click.get_current_context().meta[_options.__name__]
    said = said_of_context()
    is_configured = said_in_files or said.config.keys() & {*NETWORKS, "performance"}
    return _checked(said, with_secrets=False) if is_configured else None


def said_of_context() -> environment.Settings:
    """What files and environment say, unchecked, for a command with ``_options.ledger_url``."""
    return _said(click.get_current_context().meta[_options.__name__])


def _said(said_in_files: Mapping[str, Any]) -> environment.Settings:
    return environment.settings(said_in_files, configuration.schema, PREFIX, os.environ)


def _checked(said: environment.Settings, *, with_secrets: bool) -> Configured:
    for warning in said.warnings:
        click.echo(warning, err=True)
    try:
        config = said.config if with_secrets else stand_ins.with_secrets(said.config)
        general, accounts = configuration.read(config)
    except configuration.InvalidConfig as error:
        mistakes = "\n".join(f"  {said.named(mistake)}" for mistake in error.mistakes)
        raise click.ClickException(f"the config has mistakes:\n{mistakes}") from None
    return Configured(said.config, general, accounts)
