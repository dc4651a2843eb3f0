"""adpostbacks connect: from a developer app to an account's token, by OAuth."""

from __future__ import annotations

import os
import secrets
import shlex
import sys
import webbrowser
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import click

from target_adpostbacks import config as configuration
from target_adpostbacks.cli import _settings_file
from target_adpostbacks.cli._callback import PATH, Callback, NoCode, code_in
from target_adpostbacks.core.connection import App, Choice, Connection, NotConnected
from target_adpostbacks.core.network import Network
from target_adpostbacks.core.settings import secrets as secret_settings
from target_adpostbacks.delivery.check import check
from target_adpostbacks.delivery.scrub import scrubbed
from target_adpostbacks.delivery.transport import HttpTransport, Transport, Unreachable
from target_adpostbacks.networks import NETWORKS
from target_adpostbacks.run import utc_now

PORT = 8722
TIMEOUT_SECONDS = 30


class Connections(click.Group):
    """A command for each network whose token may come from OAuth."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Their names."""
        return sorted(name for name, network in NETWORKS.items() if network.connection)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        """The command of a network."""
        network = NETWORKS.get(name)
        return _command(network, network.connection) if network and network.connection else None


@click.command(cls=Connections)
def connect() -> None:
    """Sign in at a network, and keep its token where it belongs.

    You pick what receives the conversions: a pixel, an app, a conversion action.
    """


def _command(network: type[Network[Any]], connection: Connection) -> click.Command:
    variable = f"{network.name.upper()}_APP_SECRET"

    def run(**said: Any) -> None:
        secret = os.environ.get(variable) or click.prompt("Secret of the app", hide_input=True)
        try:
            _connect(network, connection, secret.strip(), **said)
        except (NoCode, NotConnected, _settings_file.NotWritten) as error:
            raise click.ClickException(scrubbed(str(error), (secret,), keep_ids=True)) from None
        except Unreachable as unreachable:
            raise click.ClickException(f"{network.title}: {unreachable.why}") from None

    text = f"""Connect an account of {network.title}.

    You need a developer app of your own. Register http://127.0.0.1:{PORT}{PATH} as the address that it may return to:
    {connection.registered}.

    \b
    Example: adpostbacks connect {network.name} --app-id 7012345678901234567
    """
    return click.Command(network.name, callback=run, params=_options(connection, variable), help=text)


def _connect(
    network: type[Network[Any]], connection: Connection, secret: str, *, app_id: str, port: int, to: Path, **said: Any
) -> None:
    """From the app to settings that are written down. Raises NoCode, NotConnected, NotWritten and Unreachable."""
    base_url, account = said["base_url"], said["account"] or ""
    _settings_file.ensure_writable(to, network.name, account)  # before anybody signs in
    app, code = _signed_in(network, connection, app_id, secret, port, paste=said["paste"], browser=said["browser"])
    with closing(HttpTransport()) as transport:
        settings = _settings(connection, app, code, base_url, said, transport)
        if connection.is_complete:
            _try(network, settings, base_url, said["test_code"] or "", transport)
    if base_url:
        settings["base_url"] = base_url  # a run is to go where the token is from
    kept = _secrets_of(network, settings) if said["meltano"] else settings
    _settings_file.write(to, network.name, account, kept)
    if to.suffix != ".json":
        to.chmod(_settings_file.ONLY_ITS_OWNER)
    click.echo(f"Written to {to}: {', '.join(kept)} of {network.name}.{account or 'default'}.")
    place = f"{network.name}.accounts.{account}" if account else network.name
    for name, value in settings.items():
        if name not in kept:
            click.echo(f"meltano config set target-adpostbacks {place}.{name} {shlex.quote(value)}")
    if not connection.is_complete:
        click.echo(f"Set what else the account needs, then try it: adpostbacks validate {network.name}")


def _options(connection: Connection, variable: str) -> list[click.Parameter]:
    return [
        click.Option(
            ["--app-id"],
            metavar="ID",
            required=True,
            help=f"Id of your developer app. Its secret: {variable}, or a prompt.",
        ),
        click.Option(
            ["--port"],
            metavar="N",
            type=click.IntRange(1, 65535),
            default=PORT,
            show_default=True,
            help="Of the callback.",
        ),
        click.Option(
            ["--paste"], is_flag=True, help="Take the callback's URL from the keyboard: the browser is elsewhere."
        ),
        click.Option(["--browser/--no-browser"], default=True, help="Open the authorization page. It is printed, too."),
        *(
            click.Option([f"--{what}"], metavar="ID", help=f"The {what}, where there are several.")
            for what in connection.choices
        ),
        click.Option(
            ["--account"], metavar="NAME", help="Your own name for it, where the section has several accounts."
        ),
        click.Option(
            ["--to"],
            metavar="FILE",
            type=click.Path(path_type=Path),
            default=Path(".env"),
            show_default=True,
            help="Where the settings go: `.env`, or a JSON config that git does not see.",
        ),
        click.Option(
            ["--meltano"],
            is_flag=True,
            help="Write only the secrets to the file, and print `meltano config set` lines for the rest.",
        ),
        click.Option(["--test-code"], metavar="CODE", help="Try the token with this code of the network's test tool."),
        click.Option(["--base-url"], metavar="URL", help="In place of the network's own: the sandbox, a proxy."),
    ]


def _signed_in(
    network: type[Network[Any]],
    connection: Connection,
    app_id: str,
    secret: str,
    port: int,
    *,
    paste: bool,
    browser: bool,
) -> tuple[App, str]:
    """The app as it was used, and the code of the user's consent."""
    state = secrets.token_urlsafe(24)
    verifier = secrets.token_urlsafe(48)
    callback = None if paste else _callback(port, connection, state)
    app = App(app_id, secret, callback.redirect_uri if callback else f"http://127.0.0.1:{port}{PATH}", state, verifier)
    url = connection.authorization_url(app)
    click.echo(f"Allow the app at {network.title}:\n{url}")
    if browser and not paste:
        webbrowser.open(url)
    if callback:
        return app, callback.wait()
    return app, code_in(click.prompt("URL of the page that it led to", hide_input=True), connection.codes, state)


def _callback(port: int, connection: Connection, state: str) -> Callback:
    try:
        return Callback(port, connection.codes, state)
    except OSError as error:
        raise NoCode(f"127.0.0.1:{port}: {error.strerror}; take another --port, registered with the app") from None


def _settings(
    connection: Connection,
    app: App,
    code: str,
    base_url: str | None,
    said: Mapping[str, str | None],
    transport: Transport,
) -> dict[str, str]:
    """What the steps of the connection come to."""
    steps = connection.steps(app, code, base_url)
    with closing(steps):
        try:
            asked = next(steps)
            while True:
                answer = _chosen(asked, said) if isinstance(asked, Choice) else transport(asked, TIMEOUT_SECONDS)
                asked = steps.send(answer)
        except StopIteration as end:
            settings: dict[str, str] = end.value
            return settings


def _chosen(choice: Choice, said: Mapping[str, str | None]) -> str:
    names = {each: "".join(filter(str.isprintable, name)) for each, name in choice.names.items()}
    if not names:
        raise NotConnected(f"The app sees no {choice.what}: allow it for an account that has one")
    chosen = said.get(choice.what)
    if chosen is None and len(names) == 1:
        (chosen,) = names
    if chosen is None and sys.stdin.isatty():
        for each, name in names.items():
            click.echo(f"  {each}  {name}")
        return str(click.prompt(f"Which {choice.what}", type=click.Choice([*names]), show_choices=False))
    if chosen not in names:
        known = ", ".join(f"{each} ({name})" for each, name in names.items())
        raise NotConnected(f"--{choice.what}: one of these expected: {known}")
    return chosen


def _secrets_of(network: type[Network[Any]], settings: Mapping[str, str]) -> dict[str, str]:
    hidden = secret_settings(network.settings_type)
    return {name: value for name, value in settings.items() if name in hidden}


def _try(
    network: type[Network[Any]], settings: Mapping[str, str], base_url: str | None, test_code: str, transport: Transport
) -> None:
    """Raises NotConnected where the network refuses what it has just given."""
    reached = {"base_url": base_url, "proxy": True} if base_url else {}
    try:
        (account,) = configuration.accounts({network.name: {**settings, **reached}})[network.name]
    except configuration.InvalidConfig as error:
        raise NotConnected("; ".join(error.mistakes)) from None
    for each in check(account, transport, utc_now, test_code):
        if each.result == "failed":
            words = " ".join(filter(None, (f"{each.code}: {each.message}", each.cause, each.fix)))
            raise NotConnected(scrubbed(words, _secrets_of(network, settings).values()))
        click.echo(f"{each.asset}: {each.result}{': ' * bool(each.message)}{each.message}")
