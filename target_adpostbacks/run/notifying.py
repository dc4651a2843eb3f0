"""Calls a webhook when a run ends and something needs somebody: in counts and codes, never in a network's words."""

from __future__ import annotations

import html
import logging
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from datetime import datetime
from importlib import import_module
from typing import NamedTuple
from urllib.parse import urlsplit

import msgspec

from target_adpostbacks.config import Notify
from target_adpostbacks.core.accounts import Account
from target_adpostbacks.core.answers import Request
from target_adpostbacks.core.health import Health, shown, too_many_rejected
from target_adpostbacks.core.mistakes import located
from target_adpostbacks.core.money import Stake, decimals, money, stakes, told
from target_adpostbacks.delivery.balance import Tally, summary
from target_adpostbacks.delivery.transport import HttpTransport, Unreachable
from target_adpostbacks.ledger import LedgerReader, UnusableLedger, Written
from target_adpostbacks.ledger.healths import healths, row

SECONDS = 10
"""For one call, from finding the host to the answer's status."""
STOPPED_SECONDS = 5
"""The same in a run that a signal has ended: it may be killed soon."""
PATIENCE_SECONDS = 3
"""From a signal to the call, where requests are still under way."""
UNREACHABLE = "the webhook can't be reached"
MOST_REASONS = 10
"""Of an account, the most frequent first."""


class CredentialFailures(msgspec.Struct, frozen=True, tag_field="on", tag="credential_failures"):
    """An account whose newest answer refused its credentials."""

    account: str
    since: str | None
    code: str
    http_status: int | None


class RejectedPercent(msgspec.Struct, frozen=True, tag_field="on", tag="rejected_percent"):
    """An account of which too much was rejected in the last 24 hours."""

    account: str
    rejected: int
    of: int  # that the network decided on
    limit: float  # percent


class OpenMoney(msgspec.Struct, frozen=True, tag_field="on", tag="open_money"):
    """A currency in which too much is open."""

    currency: str
    value: float
    limit: float
    lost: float  # what of it can't be sent any more
    next_lost: float  # what of it can't be sent after the deadline
    deadline: str | None


Cause = CredentialFailures | RejectedPercent | OpenMoney


class Reason(msgspec.Struct, frozen=True):
    """Why deliveries of the run are as they are."""

    status: str
    reason: str
    code: str  # the network's
    count: int


class OfAccount(msgspec.Struct, frozen=True):
    """How an account does, and what the run wrote of it."""

    account: str
    state: str
    since: str | None
    last_24h: dict[str, int]  # accepted, rejected, open
    open_money: dict[str, float]
    run: dict[str, int]  # accepted, rejected, skipped, open
    reasons: list[Reason]


class Facts(msgspec.Struct, frozen=True):
    """What is known at the end of the run. ``exit_code``: None while requests are under way after a signal."""

    run_id: str
    at: str
    exit_code: int | None
    counts: Tally
    causes: list[Cause]
    accounts: list[OfAccount]


class Message(msgspec.Struct, frozen=True):
    """What is posted: a text as Slack reads it, and the same for programs."""

    text: str
    adpostbacks: Facts


class Trial(msgspec.Struct, frozen=True):
    """What is posted to find out whether the webhook takes it."""

    text: str = "target-adpostbacks: this is a test. Runs that need somebody will be told here."


class Ended(NamedTuple):
    """How the run stands. ``after``: the ledger's seq at its start."""

    run_id: str
    after: int
    tally: Tally
    exit_code: int | None


class Posted(NamedTuple):
    """What came of a call. ``why``: why nobody was told, without the URL; empty: the webhook took it."""

    http_status: int | None
    why: str


class Notifier:
    """Calls the webhook of one run, at most once."""

    def __init__(
        self,
        notify: Notify,
        accounts: Mapping[str, Sequence[Account]],
        ledger_url: str,
        clock: Callable[[], datetime],
        log: logging.Logger,
    ) -> None:
        self._notify, self._accounts, self._ledger_url = notify, accounts, ledger_url
        self._clock, self._log = clock, log
        import_module("target_adpostbacks.ledger.health")  # now, since after a signal there is little time
        self._stopped_at = 0.0  # monotonic
        self._is_done = False

    def stop(self) -> None:
        """A signal has come: there is little time. A signal handler may call it."""
        self._stopped_at = self._stopped_at or time.monotonic()

    @property
    def is_due(self) -> bool:
        """Whether to call it now, though requests are under way."""
        return bool(self._stopped_at) and time.monotonic() - self._stopped_at >= PATIENCE_SECONDS

    def tell(self, run_id: str, after: int, tally: Tally, exit_code: int | None) -> None:
        """Call the webhook if anything is to be told. Whatever fails is a warning.

        ``after``: the ledger's seq at the run's start; ``exit_code``: None while requests are under way.
        """
        if self._is_done:
            return
        self._is_done = True
        try:
            run = Ended(run_id, after, tally, exit_code)
            made = message(run, self._ledger_url, self._notify, self._accounts, self._clock())
            if made is None:
                return
            posted = post(self._notify.url, made, STOPPED_SECONDS if self._stopped_at else SECONDS)
            causes = ", ".join(dict.fromkeys(str(cause.__struct_config__.tag) for cause in made.adpostbacks.causes))
            if posted.why:
                self._log.warning("notify: nobody was told of %s: %s.", causes, posted.why)
            else:
                self._log.info("notify: told of %s.", causes)
        except UnusableLedger as error:
            self._log.warning("notify: nobody is told, since it can't be known of what. %s", error)
        except Exception as error:  # noqa: BLE001 - no reason to fail a run, and its text may hold the URL
            self._log.warning("notify: nobody is told. %s", located(error))


def message(
    run: Ended, ledger_url: str, notify: Notify, accounts: Mapping[str, Sequence[Account]], now: datetime
) -> Message | None:
    """What there is to tell, judged by the ledger as ``adpostbacks health`` does; None: nothing."""
    known = [*healths(ledger_url, now, accounts)]
    causes = [*_causes(known, notify, accounts, now)]
    if not causes:
        return None
    with LedgerReader(ledger_url) as ledger:
        written = ledger.written(run.run_id, run.after)
    facts = Facts(
        run_id=run.run_id,
        at=_text(now),
        exit_code=run.exit_code,
        counts=run.tally,
        causes=causes,
        accounts=[_of_account(each, written, now) for each in known],
    )
    trials = {each.activity.label for each in known if each.activity.is_trial}
    return Message(text=text_of(facts, trials), adpostbacks=facts)


def _causes(
    known: Sequence[Health], notify: Notify, accounts: Mapping[str, Sequence[Account]], now: datetime
) -> Iterator[Cause]:
    on = notify.on
    limits = {
        account.label: account.network.settings.health
        for section in accounts.values()
        for account in section
        if account.network
    }
    for health in known:
        activity, answer = health.activity, health.activity.answer
        if on.credential_failures and health.state == "credential_failures" and answer:
            yield CredentialFailures(activity.label, health.since, answer.code, answer.http_status)
        of = limits.get(activity.label, {}).get("rejected_of")
        enough = {} if of is None else {"of": of}
        if on.rejected_percent is not None and too_many_rejected(activity, on.rejected_percent, **enough):
            yield RejectedPercent(activity.label, activity.rejected, activity.decided, on.rejected_percent)
    amounts = [amount._replace(account="") for health in known for amount in health.activity.amounts]
    for stake in stakes(amounts, _text(now)):
        limit = on.open_money.get(stake.currency)
        if limit is not None and stake.value > limit:
            places = decimals(stake.currency) or None
            value, lost, next_lost = (round(each, places) for each in (stake.value, stake.lost, stake.next))
            yield OpenMoney(stake.currency, value, limit, lost, next_lost, stake.deadline)


def _of_account(health: Health, written: Sequence[Written], now: datetime) -> OfAccount:
    own = [each for each in written if f"{each.network}.{each.account}" == health.activity.label]
    counts = dict.fromkeys(("accepted", "rejected", "skipped", "open"), 0)
    for each in own:
        counts[each.status] += each.rows
    reasons = [Reason(each.status, each.reason, each.code, each.rows) for each in own if each.status != "accepted"]
    said = {name: value for name, value in row(health, now).items() if name in OfAccount.__struct_fields__}
    return OfAccount(**said, run=counts, reasons=reasons[:MOST_REASONS])


def text_of(facts: Facts, trials: set[str]) -> str:
    """The facts as Slack reads them: no character begins a link, a mention or an entity. ``trials``: accounts."""
    return html.escape("\n".join(_lines(facts, trials)), quote=False)


def _lines(facts: Facts, trials: set[str]) -> Iterator[str]:
    ended = "was stopped" if facts.exit_code is None else f"ended with exit code {facts.exit_code}"
    yield f"target-adpostbacks: run {facts.run_id} {ended}."
    for cause in facts.causes:
        yield f"• {_told(cause, trials, facts.at)}"
    yield f"The run: {summary(facts.counts)}."
    yield "`adpostbacks health` says more."


def _told(cause: Cause, trials: set[str], at: str) -> str:
    if isinstance(cause, OpenMoney):
        stake = Stake("", cause.currency, cause.value, cause.lost, cause.next_lost, cause.deadline)
        amounts = f"{money(cause.limit, cause.currency)} {cause.currency}"
        return f"{told(stake, at, 'all accounts')}. The limit is {amounts}."
    name = f"{cause.account} (a trial)" if cause.account in trials else cause.account
    if isinstance(cause, CredentialFailures):
        code = cause.code or (f"HTTP {cause.http_status}" if cause.http_status else "")
        since = f" since {shown(cause.since)}" if cause.since else ""
        return f"{name}: the network refuses the credentials{since}{f' ({code})' if code else ''}."
    return f"{name}: {cause.rejected:,} of {cause.of:,} were rejected in 24 hours, more than {cause.limit:g} %."


def _text(now: datetime) -> str:
    return now.isoformat(timespec="milliseconds")


def post(url: str, body: Message | Trial, seconds: float = SECONDS) -> Posted:
    """Post it, and follow nothing. On a thread of its own: what finds a host's address knows no deadline."""
    answers: list[Posted] = []
    thread = threading.Thread(target=lambda: answers.append(_posted(url, body, seconds)), daemon=True, name="notify")
    thread.start()
    thread.join(seconds)
    return answers[0] if answers else Posted(None, f"{UNREACHABLE}: timed out")


def _posted(url: str, body: Message | Trial, seconds: float) -> Posted:
    parts = urlsplit(url)
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    headers = {"Content-Type": "application/json"}
    host = f"{parts.scheme}://{parts.netloc}/"  # what logs of libraries have of it
    request = Request(url=host, target=target, headers=headers, body=msgspec.json.encode(body), text_bytes=1)
    try:
        with closing(HttpTransport()) as transport:
            status = transport(request, seconds).status
    except Unreachable as unreachable:
        return Posted(None, f"{UNREACHABLE}: {unreachable.cause}")
    except Exception as error:  # noqa: BLE001 - its text may hold the URL
        return Posted(None, located(error).rstrip("."))
    if 300 <= status < 400:
        return Posted(status, f"the webhook answers with a redirect (HTTP {status}), and none is followed")
    return Posted(status, "" if 200 <= status < 300 else f"the webhook answers HTTP {status}")
