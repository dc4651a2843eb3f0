"""adpostbacks rotate: a new token in the place of the old one, once the network takes it."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import click
import dotenv

from target_adpostbacks import config as configuration
from target_adpostbacks.cli import _configs, _settings_file
from target_adpostbacks.core.accounts import Account
from target_adpostbacks.core.settings import secrets
from target_adpostbacks.delivery.check import check
from target_adpostbacks.delivery.refresh_tokens import InUse, KeptToken, NotKept
from target_adpostbacks.delivery.scrub import scrubbed
from target_adpostbacks.delivery.transport import HttpTransport
from target_adpostbacks.networks import NETWORKS
from target_adpostbacks.run import utc_now

TOKENS = ("access_token", "refresh_token")
"""Settings that a network calls its token, the usual one first."""


class Place(NamedTuple):
    """Where a token stands: the file, and the account in it; empty: the section."""

    file: Path
    account: str


@click.command()
@click.argument("name", metavar="ACCOUNT", shell_complete=_configs.completed)
@_configs.option
@click.option("--setting", metavar="NAME", help="The secret to replace. Default: the account's token.")
@click.option("--test-code", default="", metavar="CODE", help="Try the new token with this code of the test tool.")
@click.option("--unchecked", is_flag=True, help="Take it although nobody can tell whether the network does.")
def rotate(name: str, paths: Sequence[str], setting: str | None, test_code: str, unchecked: bool) -> None:
    """Replace an account's token.

    The new one comes from a prompt, or from standard input; it is never an argument. It is tried first: where the
    network refuses it, nothing changes. Then the file that holds the old one is replaced: `.env`, or a config. The
    ledger knows the account by its pixel, so its history stays.

    \b
    Example: adpostbacks rotate tiktok --config config.json --test-code TEST04030 < new-token.txt
    """
    configured = _configs.read(paths)
    chosen = configured.chosen([name])
    if len(chosen) > 1 and name == chosen[0].section:
        raise click.UsageError(f"several accounts; name one: {', '.join(account.label for account in chosen)}")
    account = chosen[0]
    setting = setting or _token_of(account)
    try:
        place = _place(account, setting, paths)
        _settings_file.refuse_git(place.file.resolve())
        token = _new_token(setting)
        with _kept(account, setting, token):
            _try(configured.settings, account, setting, token, test_code, unchecked=unchecked)
        _settings_file.write(place.file, account.section, place.account, {setting: token})
    except InUse:
        raise click.ClickException("a run is signing in with the old one: nothing was changed") from None
    except (_settings_file.NotWritten, NotKept) as error:
        raise click.ClickException(str(error)) from None
    shared = (
        "" if place.account or account.name == "default" else f" It is the one of every account of {account.section}."
    )
    click.echo(f"{account.label}: {setting} replaced in {place.file}.{shared} Revoke the old one at the network.")


def _token_of(account: Account) -> str:
    known = NETWORKS[account.section].settings_type
    # Of several APIs, that of the account.
    hidden = set(account.network.settings.kept_secrets()) if account.network else secrets(known)
    for setting in TOKENS:
        if setting in hidden:
            return setting
    if len(hidden) == 1:
        return hidden.pop()
    raise click.UsageError(f"--setting: one of these expected: {', '.join(sorted(hidden))}")


@contextmanager
def _kept(account: Account, setting: str, token: str) -> Iterator[None]:
    """Keeps a new refresh token where the account keeps the newest, and the old one again if the new one is refused."""
    path = account.network.refresh_token_path if account.network else None
    if setting != "refresh_token" or not path:
        yield
        return
    kept = KeptToken(path)
    before = kept.put(token)
    try:
        yield
    except BaseException:
        kept.put(before)
        raise


def _place(account: Account, setting: str, paths: Sequence[str]) -> Place:
    """Where the token comes from, as ``read`` finds it: the environment goes before the files."""
    outer, _, inner = setting.partition(".")
    if outer not in secrets(NETWORKS[account.section].settings_type):
        raise click.UsageError(f"--setting: {setting} is no secret of {account.section}")
    if account.network and (inner or not isinstance(getattr(account.network.settings, outer), str | None)):
        kept_secrets = account.network.settings.kept_secrets()
        if setting not in kept_secrets:
            raise click.UsageError(f"--setting: one of these expected: {', '.join(sorted(kept_secrets))}")
    named = [] if account.name == "default" else [(_settings_file.variable(account.section, "accounts"), account.name)]
    env_file = Path(dotenv.find_dotenv(usecwd=True) or ".env")
    kept = dotenv.dotenv_values(env_file) if env_file.exists() else {}
    for variable, owner in (*named, (_settings_file.variable(account.section, outer), "")):
        if not _holds(os.environ.get(variable, ""), owner, setting if owner else inner):
            continue
        if kept.get(variable) != os.environ[variable]:
            raise click.ClickException(f"the token comes from the variable {variable}: replace it where that is set")
        return Place(env_file, owner)
    for path in reversed([path for path in paths if path != "ENV"]):
        section = _settings_file.read_json(Path(path)).get(account.section) or {}
        if _is_there(_settings_file.held((section.get("accounts") or {}).get(account.name), setting)):
            return Place(Path(path), account.name)
        if _is_there(_settings_file.held(section, setting)):
            return Place(Path(path), "")
    raise click.ClickException(
        f"{account.label}: there is no {setting} to replace in {', '.join(paths) or 'the environment'}"
    )


def _is_there(value: Any) -> bool:
    return value not in (None, "")


def _holds(text: str, account: str, path: str) -> bool:
    """Whether a variable's text holds something: at this path of the object in it, of an account's object there."""
    if not path:
        return bool(text.strip())
    try:
        value = json.loads(text)
    except ValueError:
        return False
    if account:
        value = value.get(account) if isinstance(value, dict) else None
    return _is_there(_settings_file.held(value, path))


def _new_token(setting: str) -> str:
    text = click.prompt(f"New {setting}", hide_input=True) if sys.stdin.isatty() else sys.stdin.read()
    if not (token := str(text).strip()):
        raise click.ClickException(f"no new {setting}: nothing was changed")
    if len(token.splitlines()) > 1:
        raise click.ClickException(f"several lines where one {setting} was expected: nothing was changed")
    return token


def _try(
    settings: Mapping[str, Any], account: Account, setting: str, token: str, test_code: str, *, unchecked: bool
) -> None:
    """Ends the command where the network does not take the new token."""
    own = "" if account.name == "default" and not (settings[account.section].get("accounts")) else account.name
    changed = _settings_file.with_settings(settings, account.section, own, {setting: token})
    try:
        accounts = configuration.accounts({account.section: changed[account.section]})[account.section]
    except configuration.InvalidConfig as error:
        raise click.ClickException(f"nothing was changed: {'; '.join(error.mistakes)}") from None
    (tried,) = (each for each in accounts if each.name == account.name)
    with closing(HttpTransport()) as transport:
        checked = check(tried, transport, utc_now, test_code)
    for each in checked:
        words = scrubbed(" ".join(filter(None, (each.code, each.message, each.cause, each.fix))), (token,))
        click.echo(f"{each.asset}: {each.result}{' ' * bool(words)}{words}", err=True)
    results = {each.result for each in checked}
    if "failed" in results:
        raise click.ClickException("the network refuses the new token: nothing was changed")
    if "ok" not in results and not unchecked:
        raise click.ClickException("nobody can tell whether the network takes it; --unchecked replaces it all the same")
