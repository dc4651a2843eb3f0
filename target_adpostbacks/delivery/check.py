"""Asks a network whether an account's credentials are good, in a way that counts nothing."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from typing import Any, Literal, NamedTuple

import msgspec

from target_adpostbacks.core.accounts import Account
from target_adpostbacks.core.answers import NoAccess, Outcome, Request, Response, Skip, Verdict
from target_adpostbacks.core.layout import Columns
from target_adpostbacks.core.match_keys import visible
from target_adpostbacks.core.network import Network
from target_adpostbacks.core.postback import Postback, prepare
from target_adpostbacks.core.reasons import REASONS
from target_adpostbacks.core.record import parse
from target_adpostbacks.core.settings import Settings
from target_adpostbacks.delivery.access import SignedIn
from target_adpostbacks.delivery.exchange import Exchange
from target_adpostbacks.delivery.flow import drive
from target_adpostbacks.delivery.lane import Lane
from target_adpostbacks.delivery.queued import UNMARKED, Queued
from target_adpostbacks.delivery.scrub import scrubbed
from target_adpostbacks.delivery.transport import Transport, Unreachable

AT_ONCE = 8
"""Accounts that are tried side by side."""
KNOWN_AGAIN = 5
"""Characters of a test code from which on it is looked for in messages: a shorter one is a piece of other words."""
NEUTRAL_EVENTS = ("view_content", "search", "add_to_cart", "sign_up", "lead", "install", "launch_app", "subscribe")
"""What a synthetic event may be, the first that the network takes: never a purchase."""
PERSON = {
    "email": "adpostbacks-check@example.com",
    "phone": "+14155550100",
    "external_id": "adpostbacks-check",
    "lead_id": "1234567890123456",
    "ip_address": "8.8.8.8",
    "user_agent": "Mozilla/5.0 (X11; Linux x86_64) adpostbacks-check",
    "idfa": "12345678-90AB-4CDE-8F01-234567890ABC",
    "platform": "ios",
    "os_version": "17.0",
    "event_source_url": "https://example.com/adpostbacks-check",
}
"""Nobody, with everything that a network may ask for one of."""
NO_ANSWER = "The network could not be asked."
NOBODY_CAN_TELL = "The network's answer shows neither that the credentials are good nor that they are not."


Result = Literal["ok", "failed", "unchecked"]


class Checked(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of an account's credentials for one asset. ``result``: ``unchecked`` where nobody can tell."""

    account: str
    asset: str
    result: Result
    http_status: int | None = None
    code: str = ""
    message: str = ""  # the network's words, or ours where it was not asked
    cause: str = ""
    fix: str = ""


def check(
    account: Account,
    transport: Transport,
    clock: Callable[[], datetime],
    test_code: str = "",
    signed_in: SignedIn | None = None,
) -> list[Checked]:
    """An entry for each asset of the account. ``test_code``: in place of the section's own, and kept nowhere.

    ``signed_in``: what the run's requests go through, where an account has to sign in.
    """
    network = account.network
    if network is None:
        return [Checked(account=account.label, asset="", result="unchecked", message="enabled: false")]
    configured = assets(network)
    flow = network.check()
    if flow is None:
        tester = with_test_code(account, test_code)
        return [_by_test_event(tester, source, asset, transport, clock) for source, asset in configured.items()]
    told: list[str] = []
    if signed_in is None and network.credentials():
        signed_in = SignedIn(network, transport, tell=told.append)
    recorder = Recorder(signed_in or transport)
    http_status = None
    try:
        outcome = drive(flow, recorder, network.settings.request_timeout_seconds)
        http_status = recorder.response.status if recorder.response else None
    except Unreachable as unreachable:
        outcome = Outcome(Verdict.TRANSIENT, message=unreachable.why)
    except NoAccess as no_access:
        outcome, http_status = no_access.outcome, no_access.http_status
    secrets = filter(None, (*account.secrets, *(signed_in.secrets if signed_in else ()), test_code))
    words = "; ".join(filter(None, (outcome.message, *told)))
    outcome = outcome._replace(message=scrubbed(words, secrets))
    return [_checked(account, asset, outcome, http_status) for asset in configured.values()]


def check_all(
    accounts: Sequence[Account],
    transport: Transport,
    clock: Callable[[], datetime],
    test_codes: Mapping[str, str] | None = None,
    sign_in: Callable[[Network[Any] | None], SignedIn | None] = lambda _: None,
) -> list[tuple[Account, list[Checked]]]:
    """``check`` of several accounts, side by side. ``test_codes``: by the account's label."""
    codes = test_codes or {}
    each = [(account, codes.get(account.label, ""), sign_in(account.network)) for account in accounts]
    with ThreadPoolExecutor(AT_ONCE) as pool:
        checked = pool.map(lambda one: check(one[0], transport, clock, one[1], one[2]), each)
        return [*zip(accounts, checked, strict=True)]


class Recorder:
    """A transport that remembers the last request and its answer."""

    def __init__(self, transport: Transport) -> None:
        self.request: Request | None = None
        self.response: Response | None = None
        self._transport = transport

    def __call__(self, request: Request, timeout_seconds: float) -> Response:
        self.request, self.response = request, None
        self.response = self._transport(request, timeout_seconds)
        return self.response


def assets(network: Network[Any]) -> dict[str, str]:
    """What the account sends to: the first event source of each asset that is configured, and the asset."""
    configured = {source: network.asset_of(source) for source in network.assets}
    sources = {asset: source for source, asset in reversed(configured.items()) if asset}
    return {source: asset for source, asset in configured.items() if sources.get(asset) == source}


def with_test_code(account: Account, test_code: str = "", *, with_rules: bool = False) -> Account:
    """The account for a test: with the code, and without the settings that leave conversions out or rename them.

    ``with_rules``: these stay.
    """
    network, test_code = account.network, visible(test_code.strip()).strip()
    assert network is not None  # noqa: S101 - nobody tests a disabled account
    changes = {} if with_rules else {name: default for name, default in DEFAULTS.items() if name not in KEPT}
    if test_code:
        changes |= network.with_test_code(test_code)
    settings = msgspec.structs.replace(network.settings, **changes)
    secrets = (*account.secrets, test_code) if len(test_code) >= KNOWN_AGAIN else account.secrets
    return msgspec.structs.replace(account, network=type(network)(settings, account=network.account), secrets=secrets)


KEPT = frozenset({"base_url", "proxy", "request_timeout_seconds"})
"""Settings of every network that say how it is reached; the others say what is sent."""
DEFAULTS: Mapping[str, Any] = {
    field.name: field.default_factory() if field.default is msgspec.NODEFAULT else field.default
    for field in msgspec.structs.fields(Settings)
}


def synthetic(network: Network[Any], source: str, now: datetime, events: Iterable[str]) -> Iterator[Mapping[str, Any]]:
    """Records of a test event, one for each of the events."""
    for event in events:
        yield {
            **PERSON,
            "event_name": event,
            "event_id": f"adpostbacks-check-{uuid.uuid4().hex}",
            "event_time": now,
            "event_source": source,
            "network": network.name,
            network.click_ids[0]: network.click_id_example,
            "test": True,
        }


class Tested(NamedTuple):
    """What came of a test event."""

    outcome: Outcome
    http_status: int | None
    secrets: tuple[str, ...]  # that the request may hold


def send(account: Account, postback: Postback, transport: Transport, clock: Callable[[], datetime]) -> Tested:
    """One postback in a request of its own, and what the network says of it; its words without what was sent."""
    network = account.network
    signed_in = SignedIn(network, transport) if network and network.credentials() else None
    lane = Lane(account, lambda _seconds: False, lambda _text: None, signed_in=signed_in)
    now = clock().isoformat(timespec="milliseconds")
    answer = Exchange(lane, signed_in or transport, clock).send([Queued(postback, UNMARKED)], now, 1, None)
    return Tested(answer.outcomes[0], answer.sent.http_status, lane.secrets)


def _by_test_event(
    account: Account, source: str, asset: str, transport: Transport, clock: Callable[[], datetime]
) -> Checked:
    postback = made_up(account, source, clock())
    if isinstance(postback, Postback):
        tested = send(account, postback, transport, clock)
        return _checked(account, asset, tested.outcome, tested.http_status)
    network = account.network
    lacks_code = network and postback.reason == "test_without_code" and network.test_setting
    fix = "Give the code of its test tool with --test-code." if lacks_code else ""
    return Checked(
        account=account.label,
        asset=asset,
        result="unchecked",
        message=": ".join(filter(None, (postback.reason, postback.message))),
        cause="The config is well formed. Nothing was sent.",
        fix=fix,
    )


def neutral_events(network: Network[Any]) -> Iterable[str]:
    """What a synthetic event may be: also what goes to a receiver of its own where it is a test."""
    setting = network.test_setting if network.tests_by_event else None
    return (*NEUTRAL_EVENTS, *(getattr(network.settings, setting) if setting else ()))


def made_up(account: Account, source: str, now: datetime, events: Iterable[str] = ()) -> Postback | Skip:
    """A synthetic test event made ready, the first of the events that the network takes; or why it takes none.

    ``events``: none: any that means nothing.
    """
    network = account.network
    assert network is not None  # noqa: S101 - the caller has looked
    columns, refused = Columns({*network.click_ids, *network.ids}), Skip("unsupported")
    for record in synthetic(network, source, now, events or neutral_events(network)):
        try:
            return prepare(account, parse(record, columns), now)
        except Skip as skip:  # noqa: PERF203 - of a few
            refused = skip
    return refused


RESULTS: Mapping[Verdict, Result] = {
    Verdict.ACCEPTED: "ok",
    Verdict.REJECTED: "failed",
    Verdict.CREDENTIALS: "failed",
}


def _checked(account: Account, asset: str, outcome: Outcome, http_status: int | None) -> Checked:
    network, result = account.network, RESULTS.get(outcome.verdict, "unchecked")
    assert network is not None  # noqa: S101 - the caller has looked
    cause = fix = ""
    if result == "unchecked":
        cause = NOBODY_CAN_TELL if http_status else NO_ANSWER
        fix = network.advice_on(outcome.code, http_status, outcome.message)
    elif result == "failed":
        refused = REASONS.get(outcome.verdict.value)
        cause = refused.sentence if refused else "The network refused the test event."
        fix = network.advice_on(outcome.code, http_status, outcome.message) or (refused.advice if refused else "")
    return Checked(
        account=account.label,
        asset=asset,
        result=result,
        http_status=http_status,
        code=outcome.code,
        message=outcome.message,
        cause=cause,
        fix=fix,
    )
