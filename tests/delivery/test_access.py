"""Signing in: once for a run, anew before the access ends, and never in vain."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from conftest import NOW, a_conversion, an_account
from ledger_rows import rows
from msgspec.structs import replace
from patience import PATIENCE

from target_adpostbacks.core.answers import Access, NoAccess, Outcome, Request, Response, Send, Verdict
from target_adpostbacks.core.postback import prepare
from target_adpostbacks.delivery.access import SignedIn
from target_adpostbacks.delivery.delivery import Delivery
from target_adpostbacks.delivery.queued import UNMARKED, Queued
from target_adpostbacks.delivery.transport import Unreachable
from target_adpostbacks.ledger import Ledger
from target_adpostbacks.networks.tiktok import TikTok, TikTokSettings

OK = Response(status=200, body={"code": 0, "message": "OK"})
UNAUTHORIZED = Response(status=401)
SETTINGS = TikTokSettings(pixel_code="D7VH38JC77U3LFDOLGRG", access_token="refresh-1")
A_REQUEST = Request(url="https://api.example.com/events", headers={"X": "1"})


class Guarded(TikTok):
    """Takes a token of its own in place of the one in the settings, for 100 seconds."""

    def credentials(self) -> tuple[str, ...]:
        return (self.settings.access_token,)

    def sign_in(self, send: Send) -> Access:
        response = send(Request(url="https://api.example.com/token"))
        if response.status != 200:
            verdict = Verdict.CREDENTIALS if response.status == 400 else Verdict.TRANSIENT
            raise NoAccess(Outcome(verdict, "invalid_grant", "revoked", shared=True), response.status)
        token = response.body["token"]
        return Access({"Authorization": f"Bearer {token}"}, 100, token)


class Api:
    """A transport: gives tokens that are numbered, and answers what it is told to."""

    def __init__(self, *answers: Response, sign_in: Response | Unreachable | None = None) -> None:
        self.answers, self.given = [*answers], sign_in
        self.signed_in = 0
        self.seen: list[str] = []
        self.during: Callable[[], object] = lambda: None
        self._lock = threading.Lock()

    def __call__(self, request: Request, timeout_seconds: float) -> Response:
        if request.url.endswith("/token"):
            return self._token()
        with self._lock:
            self.seen.append(request.headers["Authorization"])
            return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]

    def _token(self) -> Response:
        self.during()
        self.signed_in += 1
        if isinstance(self.given, Unreachable):
            raise self.given
        return self.given or Response(status=200, body={"token": f"token-of-the-run-{self.signed_in}"})


def signed_in(api: Api, clock: Callable[[], float] = lambda: 0.0) -> SignedIn:
    return SignedIn(Guarded(SETTINGS), api, clock)


def test_every_request_carries_the_access_of_one_sign_in() -> None:
    api = Api(OK)
    transport = signed_in(api)
    assert [transport(A_REQUEST, 5) for _ in range(3)] == [OK] * 3
    assert (api.signed_in, api.seen) == (1, ["Bearer token-of-the-run-1"] * 3)
    assert transport.secrets == ("token-of-the-run-1",)


def test_threads_that_begin_at_once_sign_in_once() -> None:
    api = Api(OK)
    waiting = threading.Event()
    api.during = lambda: waiting.wait(PATIENCE)
    transport = signed_in(api)
    with ThreadPoolExecutor(8) as pool:
        futures = [pool.submit(transport, A_REQUEST, 5) for _ in range(8)]
        waiting.set()
        assert [future.result() for future in futures] == [OK] * 8
    assert api.signed_in == 1


@pytest.mark.parametrize(("seconds", "times"), [(49, 1), (50, 2)])
def test_access_is_asked_for_anew_before_it_ends(seconds: float, times: int) -> None:
    now = [0.0]
    api = Api(OK)
    transport = signed_in(api, lambda: now[0])
    transport(A_REQUEST, 5)
    now[0] = seconds  # of 100; of an hour's access, a minute is the margin
    transport(A_REQUEST, 5)
    assert api.signed_in == times


def test_access_that_ended_early_is_renewed_once_and_the_request_sent_once_more() -> None:
    api = Api(UNAUTHORIZED, OK)
    assert signed_in(api)(A_REQUEST, 5) == OK
    assert api.seen == ["Bearer token-of-the-run-1", "Bearer token-of-the-run-2"]
    api = Api(UNAUTHORIZED)
    assert signed_in(api)(A_REQUEST, 5) == UNAUTHORIZED
    assert len(api.seen) == 2


class Held(Guarded):
    """Has access from its settings, and knows an end of it that signing in does not help."""

    def access(self) -> Access:
        return Access({"Authorization": "Bearer of-the-settings"}, 100, "of-the-settings")

    def ended(self, response: Response) -> bool:
        return super().ended(response) and response.body != "revoked"


def test_access_of_the_settings_is_used_until_it_has_ended() -> None:
    now = [0.0]
    api = Api(OK, OK, UNAUTHORIZED, OK)
    transport = SignedIn(Held(SETTINGS), api, lambda: now[0])
    assert transport.secrets == ("of-the-settings",)
    assert [transport(A_REQUEST, 5) for _ in range(3)] == [OK] * 3
    assert (api.signed_in, api.seen) == (1, ["Bearer of-the-settings"] * 3 + ["Bearer token-of-the-run-1"])
    api = Api(OK)
    transport = SignedIn(Held(SETTINGS), api, lambda: now[0])
    now[0] = 100
    transport(A_REQUEST, 5)
    assert api.seen == ["Bearer token-of-the-run-1"]


def test_where_signing_in_does_not_help_nobody_signs_in() -> None:
    revoked = Response(status=401, body="revoked")
    api = Api(revoked)
    assert SignedIn(Held(SETTINGS), api)(A_REQUEST, 5) == revoked
    assert (api.signed_in, len(api.seen)) == (0, 1)


def test_what_was_refused_is_not_asked_again() -> None:
    api = Api(OK, sign_in=Response(status=400))
    transport = signed_in(api)
    for _ in range(3):
        with pytest.raises(NoAccess, match="invalid_grant"):
            transport(A_REQUEST, 5)
    assert (api.signed_in, api.seen) == (1, [])


@pytest.mark.parametrize("sent", [True, False])
def test_a_sign_in_without_an_answer_is_tried_again(sent: bool) -> None:
    api = Api(OK, sign_in=Unreachable("timed out", sent=sent))
    transport = signed_in(api)
    with pytest.raises(NoAccess) as refused:
        transport(A_REQUEST, 5)
    assert refused.value.outcome.summary == "transient: signing in: timed out"
    api.given = None
    assert transport(A_REQUEST, 5) == OK


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    made = Ledger(f"sqlite:///{tmp_path}/ledger.db", "run-1")
    yield made
    made.close()


def delivered(ledger: Ledger, api: Api, *names: str) -> tuple[Delivery, list[str]]:
    logged: list[str] = []
    delivery = Delivery(
        ledger, api, log=logged.append, clock=lambda: NOW, pauses=lambda: iter([0.0] * 9), wait=lambda _: False
    )
    for name in names:
        account = replace(an_account(name=name), network=Guarded(replace(SETTINGS, max_attempts=2)), name=name)
        postback = prepare(account, a_conversion(event_id=f"of-{name}"), NOW)
        delivery.submit(account, [Queued(postback, UNMARKED)])
        assert delivery.settle()
    return delivery, logged


def told(ledger: Ledger) -> list[Any]:
    return rows(str(ledger.location), "event_id, status, reason, code, http_status")


def test_accounts_with_the_same_credentials_share_their_access(ledger: Ledger) -> None:
    api = Api(OK)
    delivered(ledger, api, "eu", "us")
    assert (api.signed_in, len(api.seen)) == (1, 2)


def test_a_refused_sign_in_halts_the_account_and_nothing_is_sent(ledger: Ledger) -> None:
    api = Api(OK, sign_in=Response(status=400))
    _, logged = delivered(ledger, api, "eu")
    assert told(ledger) == [("of-eu", "open", "credentials", "invalid_grant", 400)]
    assert api.seen == []
    assert logged == [
        "tiktok.eu: credentials refused (invalid_grant: revoked): sending to this account stops for this run"
    ]


@pytest.mark.parametrize("sign_in", [Unreachable("timed out", sent=True), Response(status=503)])
def test_a_sign_in_that_fails_for_now_leaves_conversions_open_and_nobody_in_doubt(
    ledger: Ledger, sign_in: Response | Unreachable
) -> None:
    api = Api(OK, sign_in=sign_in)
    delivered(ledger, api, "eu")
    ((_, status, reason, *_),) = told(ledger)
    assert (status, reason, api.signed_in) == ("open", "transient", 2)


def test_the_token_of_a_run_is_in_no_message(ledger: Ledger) -> None:
    said = Response(status=200, body={"code": 40002, "message": "bad event; your token is token-of-the-run-1."})
    delivered(ledger, Api(said), "eu")
    assert rows(str(ledger.location), "message") == [("bad event; your token is ***.",)]


class Signing(TikTok):
    """Signs each try of a request."""

    def signed(self, request: Request, at: datetime, nonce: str) -> Request:
        return replace(request, headers={**request.headers, "Authorization": f"{at:%H:%M} {nonce}"})


def test_each_try_of_a_request_has_a_signature_of_its_own(ledger: Ledger) -> None:
    api = Api(Response(status=503), OK)
    account = replace(an_account(), network=Signing(SETTINGS))
    delivery = Delivery(
        ledger, api, log=lambda _: None, clock=lambda: NOW, pauses=lambda: iter([0.0] * 9), wait=lambda _: False
    )
    delivery.submit(account, [Queued(prepare(account, a_conversion(), NOW), UNMARKED)])
    assert delivery.settle()
    times, nonces = zip(*(signature.split() for signature in api.seen), strict=True)
    assert times == ("12:05", "12:05")
    assert len({*nonces}) == 2
    assert all(nonce.isalnum() for nonce in nonces)
