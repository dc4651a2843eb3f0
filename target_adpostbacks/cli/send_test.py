"""adpostbacks send-test: one event to a network's test tool, with exactly what was sent and answered."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, suppress
from typing import IO, Any
from urllib.parse import urlencode, urljoin

import click
import msgspec

from target_adpostbacks.cli import _configs
from target_adpostbacks.core.accounts import Account
from target_adpostbacks.core.answers import Request, Response, Verdict
from target_adpostbacks.core.network import Network
from target_adpostbacks.core.postback import Postback
from target_adpostbacks.core.prepared import Prepared
from target_adpostbacks.core.settings import extras
from target_adpostbacks.delivery.check import NEUTRAL_EVENTS, Recorder, Tested, assets, made_up, send, with_test_code
from target_adpostbacks.delivery.scrub import without_secrets
from target_adpostbacks.delivery.transport import HttpTransport
from target_adpostbacks.run import preparation_of, utc_now
from target_adpostbacks.singer.messages import BadLine, UnreadableInput
from target_adpostbacks.singer.records import Place, Records


@click.command("send-test")
@click.argument("name", metavar="ACCOUNT", shell_complete=_configs.completed)
@_configs.option
@click.option("--event", metavar="NAME", help=f"A canonical event. Default: {NEUTRAL_EVENTS[0]}, or the record's own.")
@click.option("--test-code", default="", metavar="CODE", help="Code of the test tool, in place of the config's.")
@click.option(
    "--input",
    "file",
    metavar="FILE",
    type=click.File("rb"),
    help="Send a conversion of this file: JSON lines or Singer.",
)
@click.option("--line", metavar="N", type=click.IntRange(1), default=1, show_default=True, help="Its line in the file.")
@click.option("--counted", is_flag=True, help="Send it although this network counts test events.")
def send_test(
    name: str, paths: Sequence[str], event: str | None, test_code: str, file: IO[bytes] | None, line: int, counted: bool
) -> None:
    """Send one event to a network's test tool.

    ACCOUNT is one account (`tiktok.game_a`), or a section that has one. The event is made up, or it is the conversion
    of a line of your own data. Nothing is ever sent live: a network that wants a code of its test tool gets nothing
    without one. What was sent and answered is printed, without secrets.

    \b
    Example: adpostbacks send-test tiktok --config config.json --event view_content --test-code TEST04030
    """
    configured = _configs.read(paths)
    account = _one_of(configured.chosen([name]))
    network = account.network
    if network is None:
        raise click.UsageError(f"{account.label}: enabled: false")
    if network.counts_tests and file:
        raise click.UsageError(f"{network.title} counts test events: a conversion of your data would count twice")
    if network.counts_tests and not counted:
        raise click.UsageError(
            f"{network.title} stores test events and counts them. Add --counted to send one all the same."
        )
    tester = with_test_code(account, test_code, with_rules=file is not None)
    postback = _of_line(configured, tester, file, line, event) if file else _made_up(tester, event)
    with closing(HttpTransport()) as transport:
        recorder = Recorder(transport)
        tested = send(tester, postback, recorder, utc_now)
    for text in _report(network, recorder, tested):
        click.echo(text)
    sys.exit(int(tested.outcome.verdict is not Verdict.ACCEPTED))


def _one_of(accounts: Sequence[Account]) -> Account:
    if len(accounts) > 1:
        raise click.UsageError(f"several accounts; name one: {', '.join(account.label for account in accounts)}")
    return accounts[0]


def _made_up(account: Account, event: str | None) -> Postback:
    """A synthetic event made ready for the first kind of source that takes it."""
    why_not = "no asset is configured"
    for source in assets(account.network) if account.network else ():
        taken = made_up(account, source, utc_now(), [event] if event else ())
        if isinstance(taken, Postback):
            return taken
        why_not = ": ".join(filter(None, (taken.reason, taken.message)))
    raise click.ClickException(f"not sent: {why_not}")


class _Enough(Exception):
    """The line is read."""


def _of_line(
    configured: _configs.Configured, account: Account, file: IO[bytes], line: int, event: str | None
) -> Postback:
    """The conversion of a line as the account would get it, but as a test."""
    prepared: list[Prepared] = []
    preparation = preparation_of(configured.general, {account.section: [account]})

    def take(record: Mapping[str, Any], place: Place) -> None:
        if place.line == line:
            record = {**record, "test": True, **({"event_name": event} if event else {})}
            for changes in ({}, {"network": account.section}):  # what names no network may be tried at any
                result = preparation.prepare(
                    {**record, **changes}, utc_now(), stream=place.stream, key=place.key, line=line
                )
                if not any(not_sent.reason == "not_attributed" for not_sent in result.not_sent):
                    break
            prepared.append(result)
            raise _Enough

    def refuse(bad: BadLine, number: int) -> None:
        if number == line:
            raise click.ClickException(f"line {line}: {bad}")

    try:
        with suppress(_Enough):
            Records(configured.settings, take, refuse).read(file)
    except UnreadableInput as error:
        raise click.ClickException(str(error)) from None
    if not prepared:
        raise click.ClickException(f"line {line}: there is no conversion")
    for postback in prepared[0].postbacks:
        return postback
    not_sent = prepared[0].not_sent[0]
    raise click.ClickException(f"line {line}: not sent: {': '.join(filter(None, (not_sent.reason, not_sent.message)))}")


def _report(network: Network[Any], recorder: Recorder, tested: Tested) -> Iterator[str]:
    assert recorder.request  # noqa: S101 - it was sent
    yield from _sent(recorder.request, tested.secrets)
    yield ""
    yield from _answered(recorder.response, tested)
    advice = network.advice_on(tested.outcome.code, tested.http_status, tested.outcome.message)
    if tested.outcome.verdict is not Verdict.ACCEPTED and advice:
        yield advice
    if network.test_setting and (place := extras(network.settings_type)[network.test_setting].get("where")):
        yield f"Look for it in {place}."


def _sent(request: Request, secrets: Sequence[str]) -> Iterator[str]:
    query = f"?{urlencode(request.query)}" if request.query else ""
    url = urljoin(request.url, request.target) if request.target else request.url + query
    yield _without(secrets, f"{request.method} {url}")
    for name, value in request.headers.items():
        yield _without(secrets, f"{name}: {value}")
    if request.body is not None:
        body = request.body if isinstance(request.body, bytes) else msgspec.json.encode(request.body)
        yield ""
        yield _without(secrets, _indented(body))


def _answered(response: Response | None, tested: Tested) -> Iterator[str]:
    outcome = tested.outcome
    yield f"{outcome.verdict.value}: HTTP {tested.http_status}" if tested.http_status else outcome.verdict.value
    if response is not None and response.body is not None:
        yield _without(tested.secrets, _indented(msgspec.json.encode(response.body)))
    elif outcome.message:
        yield outcome.message


def _indented(body: bytes) -> str:
    try:
        return msgspec.json.format(body).decode()
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return body.decode(errors="replace")


def _without(secrets: Sequence[str], text: str) -> str:
    text = without_secrets(text, secrets)
    return "".join(char if char.isprintable() or char == "\n" else "�" for char in text)
