"""What is particular to X: signatures, events by their ids, tests without a test tool, and answers that quote."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import timedelta
from importlib.resources import files
from typing import Any

import msgspec
import pytest
from conftest import NOW, a_conversion, an_account

from target_adpostbacks.config import InvalidConfig
from target_adpostbacks.core.answers import Request, Response, Skip
from target_adpostbacks.core.postback import Postback, prepare
from target_adpostbacks.delivery.transport import HttpTransport
from target_adpostbacks.networks._x.signing import Signer, authorization
from target_adpostbacks.networks.x import X, price
from target_adpostbacks.sandbox import Sandbox

VECTORS = json.loads((files("target_adpostbacks") / "vectors" / "x.json").read_text("utf-8"))
OAUTH = {
    "pixel_token": None,
    "consumer_key": "ck_demo_1",
    "consumer_secret": "cs_demo_secret",
    "access_token": "11-at_demo",
    "access_token_secret": "ats_demo_secret",
}
CLICK = {"network": "x", "twclid": "23opevjt88", "ttclid": None}


def x(**settings: Any) -> X:
    made = an_account("x", **settings).network
    assert isinstance(made, X)
    return made


def ready(settings: Mapping[str, Any] | None = None, **columns: Any) -> Postback:
    return prepare(an_account("x", **(settings or {})), a_conversion(**{**CLICK, **columns}), NOW)


def payload(settings: Mapping[str, Any] | None = None, **columns: Any) -> Any:
    return json.loads(ready(settings, **columns).payload)


@pytest.mark.parametrize("row", VECTORS["signatures"], ids=lambda row: row["method"])
def test_a_request_is_signed_as_the_examples_are(row: Mapping[str, str]) -> None:
    by = Signer(row["consumer_key"], row["consumer_secret"], row["token"], row["token_secret"])
    header = authorization(row["method"], row["url"], by, row["timestamp"], row["nonce"])
    escaped = row["signature"].replace("+", "%2B").replace("/", "%2F").replace("=", "%3D")
    assert header.startswith("OAuth oauth_consumer_key=")
    assert f'oauth_signature="{escaped}"' in header


@pytest.mark.parametrize("base_url", [None, "https://proxy.example.com/x"])
def test_xs_own_url_is_signed_whatever_the_base_url_says(base_url: str | None) -> None:
    network = x(**OAUTH, base_url=base_url)
    request = network.request({}, [{}])
    assert request.headers == {"Content-Type": "application/json"}
    first, second = (network.signed(request, NOW, nonce).headers["Authorization"] for nonce in ("a1", "b2"))
    assert first != second
    assert x(**OAUTH).signed(x(**OAUTH).request({}, [{}]), NOW, "a1").headers["Authorization"] == first
    assert network.signed(request, NOW, "a1").url == request.url


def test_a_pixel_token_needs_no_signature() -> None:
    request = x().request({}, [{}])
    assert x().signed(request, NOW, "a1") == request
    assert request.headers["X-Pixel-Token"] == "example-pixel-token"


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"pixel_id": "O8Z6J"}, ["pixel_id"]),
        ({"event_ids": {}}, ["event_ids"]),
        ({"event_ids": {"purchase": "PURCHASE", "lead": "o87ne"}}, ["event_ids.purchase"]),
        ({"test_event_ids": {"purchase": "tw-1"}}, ["test_event_ids.purchase"]),
        ({"api_version": "v12"}, ["api_version"]),
        ({"default_currency": "eur"}, ["default_currency"]),
        ({"default_phone_country_code": "033"}, ["default_phone_country_code"]),
        ({"pixel_token": None}, ["pixel_token"]),
        ({"pixel_token": "two words"}, ["pixel_token"]),
        ({**OAUTH, "pixel_token": "px"}, ["pixel_token"]),
        ({**OAUTH, "access_token": None}, ["access_token"]),
        ({"consumer_key": "ck"}, ["pixel_token"]),
        ({**OAUTH, "consumer_secret": None, "access_token_secret": None}, ["consumer_secret", "access_token_secret"]),
    ],
)
def test_a_setting_of_the_wrong_form_is_a_mistake(settings: dict[str, Any], named: list[str]) -> None:
    with pytest.raises(InvalidConfig) as invalid:
        x(**settings)
    places = [mistake.removeprefix("x.accounts.default.").partition(":")[0] for mistake in invalid.value.mistakes]
    assert places == named


def test_oauth_is_taken_with_a_hint() -> None:
    assert [hint.partition(":")[0] for hint in x(**OAUTH).settings.hints()] == ["consumer_key"]
    odd = x(**{**OAUTH, "access_token": "token"}).settings.hints()
    assert [hint.partition(":")[0] for hint in odd] == ["consumer_key", "access_token"]
    assert not [*x().settings.hints()]


def test_the_types_of_events_are_xs() -> None:
    assert VECTORS["event_types"] == X.events


def test_only_an_event_made_for_tests_gets_tests() -> None:
    spare = {"test_event_ids": {"signup": "test1"}}
    assert ready(spare, test=True, event_name="sign_up").facts.network_event == "test1"
    for settings in (spare, {**spare, "trigger_events": ["purchase"]}):
        with pytest.raises(Skip, match="test_without_code"):
            ready(settings, test=True)
    assert ready(spare).facts.network_event == "tw-o8z6j-o87ne"


def test_older_conversions_are_sent_only_where_the_user_says_so() -> None:
    assert x().age_limit(a_conversion(**CLICK)) == timedelta(days=90)
    assert x(max_event_age_days=7).age_limit(a_conversion(**CLICK)) == timedelta(days=7)


@pytest.mark.parametrize(
    ("number", "text"), [(20, "20.00"), (20.5, "20.50"), (123.3345, "123.3345"), (1e-5, "0.00001"), (2000.0, "2000.00")]
)
def test_a_price_has_at_least_two_decimals(number: float, text: str) -> None:
    assert price(number) == text


def test_of_a_message_only_what_quotes_nothing_is_kept() -> None:
    errors = [
        {
            "code": "NOT_FOUND",
            "message": "event_id (canary) does not belong to provided account",
            "parameter": "event_id",
        },
        {"code": "INVALID_PARAMETER", "message": "odd (canary)", "parameter": "canary @ example"},
        {"code": "INVALID_PARAMETER", "message": None, "parameter": 7},
        "canary",
    ]
    outcomes = x().outcomes(Response(status=404, body={"errors": errors}), 2)
    assert {outcome.message for outcome in outcomes} == {"event_id: does not belong to provided account"}


def test_of_several_errors_the_one_that_halts_the_account_counts() -> None:
    errors = [{"code": "INVALID_PARAMETER", "parameter": "value"}, {"code": "READONLY_CLIENT_APPLICATION"}]
    outcome, _ = x().outcomes(Response(status=403, body={"errors": errors}), 2)
    assert outcome.summary == "credentials: READONLY_CLIENT_APPLICATION"


def test_of_a_code_only_a_name_is_kept() -> None:
    errors = [{"code": "ada@example.com"}, {"code": {"quoted": "ada@example.com"}}]
    outcome, _ = x().outcomes(Response(status=400, body={"errors": errors}), 2)
    assert outcome.summary == "rejected"


# Against the sandbox.


def exchange(sandbox: Sandbox, nonce: str = "a1", **settings: Any) -> str:
    account = an_account("x", base_url=sandbox.url, **settings)
    network = account.network
    assert network is not None
    request = network.request({}, [msgspec.Raw(prepare(account, a_conversion(**CLICK), NOW).payload)])
    response = HttpTransport()(network.signed(request, NOW, nonce), 60)
    return network.outcomes(response, 1)[0].summary


REFUSED = "credentials: UNAUTHORIZED_ACCESS"


def test_the_sandbox_takes_a_signature_once_and_no_wrong_one(sandbox: Sandbox) -> None:
    assert exchange(sandbox, "n1", **OAUTH) == "accepted"
    assert exchange(sandbox, "n1", **OAUTH) == REFUSED
    assert exchange(sandbox, "n2", **OAUTH) == "accepted"
    assert exchange(sandbox, "n3", **{**OAUTH, "access_token_secret": "another"}) == REFUSED
    assert exchange(sandbox, "n4", **{**OAUTH, "consumer_secret": "another"}) == REFUSED
    assert "11-at_demo" not in str(sandbox.requests)


def test_a_signature_for_another_time_is_refused(sandbox: Sandbox) -> None:
    network = x(**OAUTH, base_url=sandbox.url)
    request: Request = network.request({}, [msgspec.Raw(ready().payload)])
    late = HttpTransport()(network.signed(request, NOW - timedelta(hours=1), "n9"), 60)
    assert network.outcomes(late, 1)[0].summary == REFUSED


@pytest.mark.parametrize(
    ("error", "told"),
    [
        ("rate_limited", "throttled: TOO_MANY_REQUESTS"),
        ("locked", "transient: LOCK_ACQUISITION_TIMEOUT"),
        ("no_access", "credentials: NOT_FOUND: account_id: does not have access to account"),
        ("event_not_found", "rejected: NOT_FOUND: event_id: does not belong to provided account"),
    ],
)
def test_the_sandboxs_errors_are_read(sandbox: Sandbox, error: str, told: str) -> None:
    sandbox.faults = [{"network": "x", "error": error}]
    assert exchange(sandbox) == told
    sandbox.faults = []


def test_a_wrong_count_is_no_success(sandbox: Sandbox) -> None:
    sandbox.faults = [{"network": "x", "wrong_count": 0}]
    assert exchange(sandbox) == "rejected: 0 of 1 processed"
    sandbox.faults = []


@pytest.mark.parametrize("token", ["px-revoked", "px-expired"])
def test_a_token_that_is_refused_is_told_as_that(sandbox: Sandbox, token: str) -> None:
    assert exchange(sandbox, pixel_token=token) == REFUSED


def test_match_keys_are_named_never_told() -> None:
    postback = ready(email="ada@example.com", ip_address="203.0.113.9", user_agent="Mozilla/5.0")
    assert postback.facts.match_keys == "twclid,hashed_email,ip_address,user_agent"
    assert payload()["identifiers"] == [{"twclid": "23opevjt88"}]
