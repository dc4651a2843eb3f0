"""The document of an erasure: which networks were told what and when, and whom to ask for deletion."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Literal

import click
import msgspec

from target_adpostbacks.cli._output import as_json, printable
from target_adpostbacks.cli._tables import columns, terminal
from target_adpostbacks.core.money import money
from target_adpostbacks.core.postback import receiver_of_trial
from target_adpostbacks.ledger import Ledger
from target_adpostbacks.ledger.erasure import Found
from target_adpostbacks.networks import NETWORKS

Outcome = Literal["accepted", "rejected", "may_have_it"]
OUTCOMES: Mapping[Outcome, str] = {
    "accepted": "the network took it",
    "rejected": "the network refused it",
    "may_have_it": "sent, without a final answer: the network may have it",
}

VERDICTS: Mapping[str, Outcome] = {"accepted": "accepted", "rejected": "rejected"}


class Told(msgspec.Struct, frozen=True, kw_only=True):
    """A conversion that a network was told of."""

    sent_at: str
    network: str
    account: str
    asset: str
    is_trial: bool
    test: bool
    event_name: str
    event_id: str
    adjustment: str
    event_time: str | None
    value: float | None
    currency: str | None
    match_keys: list[str]  # their names; empty: the ledger has forgotten
    network_request_id: str
    outcome: Outcome
    given: list[int]  # the lines or values by which it was found


class Recipient(msgspec.Struct, frozen=True, kw_only=True):
    """An account that was told of conversions, and whom to ask for deletion."""

    network: str
    account: str
    asset: str
    is_trial: bool
    conversions: int
    first: str
    last: str
    contact: str


class Document(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of the erased people."""

    erased_at: str
    ledger: str
    given: dict[str, int]  # kind → how many values
    left_out: int  # conversions that were waiting to be sent
    indexed_since: str | None  # from then on ``told`` has everything; null: there is no index that is whole
    told: list[Told]
    recipients: list[Recipient]
    before_the_index: list[Recipient]  # were sent conversions before: any of them may be about these people


def document(
    ledger: Ledger, numbers_of: Mapping[str, Sequence[int]], now: str, left_out: int, kinds: Mapping[str, int]
) -> Document:
    """Ask the ledger. ``numbers_of``: each digest to the numbers of the values that have it."""
    since = ledger.erasure.kept().indexed_since
    told = [_told(found, numbers_of) for found in ledger.erasure.of_person([*numbers_of]) if found.requested]
    accounts: dict[tuple[str, str, str], list[Told]] = {}
    for each in told:
        accounts.setdefault((each.network, each.account, each.asset), []).append(each)
    return Document(
        erased_at=now,
        ledger=ledger.location,
        given=dict(kinds),
        left_out=left_out,
        indexed_since=since,
        told=told,
        recipients=[
            _recipient(*account, len(those), those[0].sent_at, those[-1].sent_at)
            for account, those in sorted(accounts.items())
        ],
        before_the_index=[_recipient(*row) for row in ledger.erasure.told_before(since)],
    )


def _told(found: Found, numbers_of: Mapping[str, Sequence[int]]) -> Told:
    delivery = found.delivery
    same = ("network", "account", "asset", "test", "event_name", "event_id", "adjustment", "event_time")
    return Told(
        **{name: delivery[name] for name in (*same, "value", "currency", "network_request_id")},
        sent_at=found.requested or "",
        is_trial=receiver_of_trial(delivery["asset"]) is not None,
        match_keys=[name for name in delivery["match_keys"].split(",") if name],
        outcome=VERDICTS.get(found.status, "may_have_it"),
        given=sorted({number for digest in found.digests for number in numbers_of[digest]}),
    )


def _recipient(network: str, account: str, asset: str, conversions: int, first: str, last: str) -> Recipient:
    known = NETWORKS.get(network)
    return Recipient(
        network=network,
        account=account,
        asset=asset,
        is_trial=receiver_of_trial(asset) is not None,
        conversions=conversions,
        first=first,
        last=last,
        contact=known.deletion or known.docs if known else "",
    )


def _write_table(made: Document) -> None:
    width, _ = terminal()
    for line in _lines(made, width):
        click.echo(printable(line))


def _lines(made: Document, width: int | None) -> Iterator[str]:
    yield f"Erased at {shown(made.erased_at)}. Nothing more is sent about whoever was given: {_given(made.given)}."
    yield f"The ledger is {made.ledger}. No value is kept in it, or shown here."
    if made.left_out:
        yield f"{_conversions(made.left_out)} that waited to be sent: left out."
    yield ""
    if made.indexed_since:
        yield f"What networks were told since {shown(made.indexed_since)}: every conversion with one of these values."
    else:
        yield "Not all that networks were told is known: without `erasure_index: true` the ledger keeps no index."
    yield ""
    if made.told:
        head = ("Sent", "Account", "Event", "Event id", "Value", "Match keys", "Given", "What became of it")
        yield from columns([head, *map(_row, made.told)], width)
    else:
        yield "None is known."
    yield ""
    yield from _recipients("Whom to ask for deletion", made.recipients, width)
    if made.before_the_index:
        when = f"before {shown(made.indexed_since)}" if made.indexed_since else "without an index"
        title = f"Were sent conversions {when}, which may be about them too"
        yield from _recipients(title, made.before_the_index, width)


def _recipients(title: str, accounts: Sequence[Recipient], width: int | None) -> Iterator[str]:
    if not accounts:
        return
    yield f"{title}:"
    yield ""
    rows = [
        (_account(each), each.asset, f"{each.conversions:,}", shown(each.first), shown(each.last), each.contact)
        for each in accounts
    ]
    yield from columns([("Account", "Asset", "Conversions", "First", "Last", "Contact"), *rows], width)
    yield ""


def _row(each: Told) -> tuple[str, ...]:
    value = f"{money(each.value, each.currency or '')} {each.currency}" if each.value is not None else "–"
    event = " ".join(filter(None, (each.event_name, each.adjustment, "(test)" if each.test else "")))
    numbers = ", ".join(map(str, each.given))
    keys = ", ".join(each.match_keys) or "–"
    return (shown(each.sent_at), _account(each), event, each.event_id, value, keys, numbers, OUTCOMES[each.outcome])


def _account(each: Told | Recipient) -> str:
    return f"{each.network}.{each.account}{' (a trial)' if each.is_trial else ''}"


def shown(time: str) -> str:
    return f"{time[:10]} {time[11:19]} UTC"


def _conversions(count: int) -> str:
    return "1 conversion" if count == 1 else f"{count:,} conversions"


def _given(kinds: Mapping[str, int]) -> str:
    return ", ".join(f"{count:,} {kind}" for kind, count in kinds.items())


WRITERS: Mapping[str, Callable[[Document], Any]] = {
    "table": _write_table,
    "json": lambda made: click.echo(as_json(made)),
}
