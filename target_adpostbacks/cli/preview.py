"""adpostbacks preview: what would be sent, and what not, without a request and without a ledger."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from typing import IO, Any, Literal, NamedTuple

import click
import msgspec

from target_adpostbacks.cli import _configs, _differences, _options
from target_adpostbacks.cli._output import as_json, printable
from target_adpostbacks.config import General, InvalidConfig
from target_adpostbacks.core.accounts import Account
from target_adpostbacks.core.answers import JSON
from target_adpostbacks.core.conversion import Conversion
from target_adpostbacks.core.masking import masked
from target_adpostbacks.core.postback import NotSent, Postback, prepare_all
from target_adpostbacks.core.prepared import digest, invalid
from target_adpostbacks.delivery.people import People
from target_adpostbacks.networks import NETWORKS
from target_adpostbacks.run import preparation_of, utc_now
from target_adpostbacks.run.erasing import digests_of_list
from target_adpostbacks.singer.messages import BadLine, UnreadableInput
from target_adpostbacks.singer.records import Place, Records


class Previewed(msgspec.Struct, frozen=True, kw_only=True):
    """What becomes of a record for one account; ``account`` is empty where it is for none."""

    line: int
    event_id: str
    account: str
    outcome: Literal["send", "skip"]
    reason: str
    rule: str
    payload: JSON  # null: it is not sent


class Shown(NamedTuple):
    """One of them, and what a person wants to read beside it."""

    previewed: Previewed
    network: str
    event: str  # the network's name of it where it is sent
    message: str
    wire: bytes = b""  # what goes out: the payload without masks, and what its request says once


NO_CLICKS = "clicks: a run looks for those of the person in the ledger; a preview does not."


class _Enough(Exception):
    """As many records are read as were asked for."""


class Preview:
    """What a config makes of records. ``raw``: without masks."""

    def __init__(self, configured: _configs.Configured, now: datetime, *, raw: bool = False, network: str = "") -> None:
        self._configured, self._now, self._raw, self._network = configured, now, raw, network
        self._preparation = preparation_of(configured.general, configured.accounts)
        self._preparation.make = self._make
        self._listed = _listed(configured.general, self._preparation.country_codes)
        self._payloads: dict[str, JSON] = {}  # by account, of one record
        self._urls: dict[str, str] = {}  # where its request would go
        self._has_read = False

    def read(self, file: IO[bytes], limit: int | None, show: Callable[[Shown], None]) -> None:
        """Show what becomes of each record for each account. Raises UnreadableInput."""
        left = limit

        def take(record: Mapping[str, Any], place: Place) -> None:
            nonlocal left
            for shown in self._shown(record, place):
                show(shown)
            if left is not None:
                left -= 1
                if not left:
                    raise _Enough

        def refuse(bad: BadLine, line: int) -> None:
            if not self._network:
                (not_sent,) = invalid("", line, digest(line, line), bad.field, bad.rule, bad.event_id).not_sent
                show(self._of_skip(not_sent))

        with suppress(_Enough):
            Records(self._configured.settings, take, refuse).read(file)

    def warnings(self) -> list[str]:
        """What a run would warn of at its end."""
        clicks = [NO_CLICKS] if self._configured.general.clicks else []
        return [*clicks, *self._preparation.unmet_names()] if self._has_read else []

    def _shown(self, record: Mapping[str, Any], place: Place) -> list[Shown]:
        self._payloads.clear()
        self._has_read = True
        prepared = self._preparation.prepare(record, self._now, stream=place.stream, key=place.key, line=place.line)
        if self._listed:
            prepared = self._listed.left_out(prepared)
        shown = [*map(self._of_postback, prepared.postbacks), *map(self._of_skip, prepared.not_sent)]
        return [each for each in shown if self._network in ("", each.network)]

    def _make(
        self, account: Account, conversions: Sequence[Conversion], now: datetime, stream: str, lines: Sequence[int]
    ) -> list[Postback | Exception]:
        made = prepare_all(account, conversions, now, stream, lines)
        for conversion, each in zip(conversions, made, strict=True):
            if isinstance(each, Postback):
                self._look(account, conversion, each, now)
        return made

    def _look(self, account: Account, conversion: Conversion, postback: Postback, now: datetime) -> None:
        payload = postback.payload
        ids = self._preparation.columns.ids
        shown = msgspec.json.decode(payload) if self._raw else masked(account, conversion, now, payload, ids)
        self._payloads[account.label] = shown
        if account.network:
            request = account.network.request(postback.envelope, [postback.spliced])
            self._urls[account.label] = request.url

    def _of_postback(self, postback: Postback) -> Shown:
        previewed = Previewed(
            line=postback.facts.line,
            event_id=postback.key.event_id,
            account=postback.account,
            outcome="send",
            reason="",
            rule=postback.rule,
            payload=self._payloads[postback.account],
        )
        request = {"url": self._urls.get(postback.account), "asset": postback.key.asset, **postback.envelope}
        wire = msgspec.json.encode({"request": request, "payload": msgspec.Raw(postback.payload)})
        return Shown(previewed, postback.key.network, postback.facts.network_event, postback.note, wire)

    def _of_skip(self, not_sent: NotSent) -> Shown:
        network = not_sent.key.network
        previewed = Previewed(
            line=not_sent.facts.line,
            event_id=not_sent.key.event_id,
            account=f"{network}.{not_sent.account}" if network else "",
            outcome="skip",
            reason=not_sent.reason,
            rule=not_sent.rule,
            payload=None,
        )
        return Shown(previewed, network, not_sent.key.event_name, not_sent.message)


def _listed(general: General, country_codes: Sequence[tuple[str, ...]]) -> People | None:
    """Whom the config's list names. What is in the ledger is not asked for."""
    try:
        digests = digests_of_list(general, country_codes, lambda what: click.echo(f"Warning: {what}", err=True))
    except InvalidConfig as error:
        raise click.ClickException(str(error)) from None
    return People(None, general.erasure_key or "", digests) if digests else None


@click.command()
@_configs.option
@_configs.source_option
@_options.file_of_conversions
@click.option("--limit", metavar="N", type=click.IntRange(1), help="Read so many records at most.")
@click.option("--network", default="", metavar="NAME", help="Only what is for this network, by any of its names.")
@_options.output("table", "json", "jsonl")
@click.option("--raw", is_flag=True, help="Show what is personal and goes out unhashed. Refused in CI.")
@click.option("--diff", "others", metavar="FILE", multiple=True, help="Another config: show what it would change.")
def preview(
    paths: Sequence[str],
    source: str | None,
    file: IO[bytes],
    limit: int | None,
    network: str,
    style: str,
    raw: bool,
    others: Sequence[str],
) -> None:
    """Show what would be sent, and what not and why.

    Nothing is sent, and no ledger is made or asked. Hashes are shown as they are; what is the person's and goes out
    unhashed is shown as `<ip>`, `<user_agent>`, and so on. No token is needed.

    With `--diff`, two configs are compared on the same input: what would be sent otherwise, by network and event.
    Exit 1 if anything would.

    \b
    Example: adpostbacks preview --config config.json --input conversions.jsonl --limit 10
    """
    if raw and os.environ.get("CI"):
        raise click.UsageError("--raw: refused where the variable CI is set: logs of CI are kept and shared")
    chosen = network and _options.network_named(network)
    if chosen is None:
        raise click.UsageError(f"--network: {printable(network)} is not known; known: {', '.join(NETWORKS)}")
    now = utc_now()
    previews = [
        Preview(_configs.read(each, with_secrets=False, source=source), now, raw=raw, network=chosen)
        for each in ((paths, others) if others else (paths,))
    ]
    try:
        if not others:
            _write(previews[0], file, limit, style)
            return
        difference = _compared(previews, file.read(), limit)
        _differences.WRITERS[style](difference)
    except UnreadableInput as error:
        raise click.ClickException(str(error)) from None
    sys.exit(int(difference.changes > 0))


def _compared(previews: Sequence[Preview], data: bytes, limit: int | None) -> _differences.Difference:
    difference = _differences.Difference()
    for preview_, take in zip(previews, (difference.before, difference.after), strict=True):
        preview_.read(io.BytesIO(data), limit, take)
    return difference


def _write(preview_: Preview, file: IO[bytes], limit: int | None, style: str) -> None:
    is_first = True

    def show(shown: Shown) -> None:
        nonlocal is_first
        if style == "table":
            for line in _lines(shown):
                click.echo(line)
        elif style == "jsonl":
            click.echo(as_json(shown.previewed))
        else:
            click.echo(("[\n" if is_first else ",\n") + as_json(shown.previewed), nl=False)
        is_first = False

    preview_.read(file, limit, show)
    if style == "json":
        click.echo("[]" if is_first else "\n]")
    for warning in preview_.warnings():
        click.echo(f"Warning: {printable(warning)}", err=True)


def _lines(shown: Shown) -> list[str]:
    each = shown.previewed
    to = each.account or "-"
    rule = f"  [rule: {each.rule}]" if each.rule else ""
    if each.outcome == "send":
        note = f"  ({shown.message})" if shown.message else ""
        head = f"line {each.line}  {each.event_id}  {to}  send {shown.event}{rule}{note}"
        return [printable(head), f"    {as_json(each.payload)}"]
    why = ": ".join(filter(None, (each.reason, shown.message)))
    return [printable(f"line {each.line}  {each.event_id}  {to}  skip {why}{rule}")]
