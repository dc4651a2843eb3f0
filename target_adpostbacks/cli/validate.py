"""adpostbacks validate: tries the credentials of a config's accounts in a way that counts nothing."""

from __future__ import annotations

import os
import sys
import textwrap
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing

import click
import msgspec

from target_adpostbacks.cli import _configs, _options
from target_adpostbacks.cli._tables import columns, terminal
from target_adpostbacks.config import General, Notify
from target_adpostbacks.core.accounts import Account
from target_adpostbacks.delivery.check import Checked, Result, check_all
from target_adpostbacks.delivery.transport import HttpTransport
from target_adpostbacks.ledger import LedgerReader, UnusableLedger, ledger_url
from target_adpostbacks.run import erasing, utc_now

COLORS = {"ok": "green", "failed": "red", "unchecked": "yellow"}
INDENT = " " * 4
HEAD = ("Account", "Asset", "Result", "HTTP", "Code")


@click.command()
@click.argument("names", metavar="[ACCOUNT]...", nargs=-1, shell_complete=_configs.completed)
@_configs.option
@click.option(
    "--test-code",
    "codes",
    metavar="CODE",
    multiple=True,
    help="Code of the network's test tool, in place of the config's; for one account of several: ACCOUNT=CODE."
    " It is kept nowhere.",
)
@click.option("--notify", "is_notified", is_flag=True, help="Post a test message to the webhook of `notify`, too.")
@_options.output("table", "json")
def validate(names: Sequence[str], paths: Sequence[str], codes: Sequence[str], is_notified: bool, style: str) -> None:
    """Try accounts' credentials, in a way that counts nothing.

    ACCOUNT is a section (`tiktok`: all its accounts) or one account (`tiktok.game_a`). Without one, all are tried.

    \b
    ok         the network takes the credentials
    failed     it refuses them: cause and fix are below
    unchecked  nobody can tell, or a test code is missing

    A network is sent one made-up event under the code of its test tool. One that would count even that is read from
    instead. Where there is a ledger, `erasure_key` has to be the one of its digests. Exit 0, or 1 if anything failed.

    \b
    Example: adpostbacks validate tiktok --config config.json --test-code TEST04030
    """
    configured = _configs.read(paths)
    accounts = configured.chosen(names)
    if mistake := _key_mistake(configured.general):
        raise click.ClickException(mistake)
    if is_notified and configured.general.notify is None:
        raise click.UsageError("--notify: the config has no `notify`")
    code_of = codes_by_account(codes, accounts)
    with closing(HttpTransport()) as transport:
        checked = [each for _, assets in check_all(accounts, transport, utc_now, code_of) for each in assets]
    if is_notified and configured.general.notify:
        checked.append(_notified(configured.general.notify))
    if style == "json":
        click.echo(msgspec.json.format(msgspec.json.encode(checked)).decode())
    else:
        for line in _table(checked):
            click.echo(line)
    sys.exit(int(any(each.result == "failed" for each in checked)))


def _key_mistake(general: General) -> str:
    """What is wrong with the key of digests for the ledger; empty where there is no ledger that can be read."""
    try:
        with LedgerReader(ledger_url(os.environ, configured=general.ledger_url)) as ledger:
            return erasing.problem(general.erasure_key, ledger.erasure())
    except UnusableLedger:
        return ""


def _notified(notify: Notify) -> Checked:
    from target_adpostbacks.run.notifying import Trial, post

    posted = post(notify.url, Trial())
    result: Result = "failed" if posted.why else "ok"
    return Checked(account="notify", asset="", result=result, http_status=posted.http_status, message=posted.why)


def codes_by_account(codes: Iterable[str], accounts: Sequence[Account]) -> Mapping[str, str]:
    """Each account's test code: ``CODE`` for all, ``tiktok=CODE`` for a section, ``tiktok.game_a=CODE`` for one."""
    names = {name for account in accounts for name in (account.section, account.label)}
    said: dict[str, str] = {}
    for text in codes:
        name, equals, code = text.partition("=")
        if equals and name not in names:
            raise click.UsageError(f"--test-code: {name} is none of the accounts; known: {', '.join(sorted(names))}")
        said[name if equals else ""] = code if equals else text
    return {
        account.label: said.get(account.label) or said.get(account.section) or said.get("", "") for account in accounts
    }


def _table(checked: Sequence[Checked]) -> Iterator[str]:
    width, colored = terminal()
    rows = [
        (each.account, each.asset or "-", each.result, str(each.http_status or "-"), each.code or "-")
        for each in checked
    ]
    head, *lines = columns([HEAD, *rows], width)
    column = head.index(HEAD[2])
    yield head
    for each, line in zip(checked, lines, strict=True):
        before, after = line[:column], line[column + len(each.result) :]
        yield f"{before}{click.style(each.result, fg=COLORS[each.result])}{after}" if colored else line
        for text in filter(None, (each.message, each.cause, each.fix)):
            yield from textwrap.wrap(text, width or 10_000, initial_indent=INDENT, subsequent_indent=INDENT)
