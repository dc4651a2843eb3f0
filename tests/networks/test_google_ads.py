"""What is particular to Google Ads: signing in, two APIs, corrections, and what became of a request."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import msgspec
import pytest
from conftest import NOW, a_conversion, an_account
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from google.auth import jwt
from ledger_rows import rows
from local_server import Answer, LocalServer, Received
from subject import network_of

from target_adpostbacks.config import InvalidConfig, accounts
from target_adpostbacks.core.answers import Counted, NoAccess, Outcome, Request, Response, Skip, Verdict
from target_adpostbacks.core.connection import App, NotConnected
from target_adpostbacks.core.postback import Postback, prepare
from target_adpostbacks.delivery.access import SignedIn
from target_adpostbacks.delivery.flow import drive
from target_adpostbacks.delivery.scrub import scrubbed
from target_adpostbacks.delivery.transport import HttpTransport, Unreachable
from target_adpostbacks.networks import google_ads
from target_adpostbacks.networks.google_ads import GoogleAds
from target_adpostbacks.run import deliver
from target_adpostbacks.sandbox import Sandbox

VECTORS = json.loads((Path(google_ads.__file__).parents[1] / "vectors" / "google_ads.json").read_text("utf-8"))
UPLOADS = {"api": "google_ads"}
CLICK = {"network": "google_ads", "gclid": "EAIaIQob", "ttclid": None}


def network(**settings: Any) -> GoogleAds:
    made = an_account("google_ads", **settings).network
    assert isinstance(made, GoogleAds)
    return made


def ready(settings: Mapping[str, Any] | None = None, **columns: Any) -> Postback:
    return prepare(an_account("google_ads", **(settings or {})), a_conversion(**{**CLICK, **columns}), NOW)


def payload(settings: Mapping[str, Any] | None = None, **columns: Any) -> Any:
    return json.loads(ready(settings, **columns).payload)


def mistakes(**settings: Any) -> list[str]:
    sample = {
        "customer_id": "1234567890",
        "conversion_actions": {"purchase": "987654321"},
        "oauth_client_id": "123-example.apps.googleusercontent.com",
        "oauth_client_secret": "s",
        "refresh_token": "1//r",
    }
    section = {name: value for name, value in {**sample, **settings}.items() if value is not None}
    with pytest.raises(InvalidConfig) as invalid:
        accounts({"google_ads": section})
    return invalid.value.mistakes


@pytest.fixture(scope="module")
def key() -> rsa.RSAPrivateKey:
    """A throwaway key."""
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


@pytest.fixture(scope="module")
def key_file(key: rsa.RSAPrivateKey) -> str:
    """What Google Cloud writes for a service account."""
    pem = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()
    return json.dumps(
        {
            "type": "service_account",
            "private_key_id": "key-1",
            "private_key": pem,
            "client_email": "robot@example-project.iam.gserviceaccount.com",
            "token_uri": "https://oauth2.googleapis.com/token",
        }
    )


def as_robot(key_file: str, **settings: Any) -> dict[str, Any]:
    """The settings of an account that signs in with a key file."""
    return {
        "service_account_json": key_file,
        **dict.fromkeys(("oauth_client_id", "oauth_client_secret", "refresh_token")),
        **settings,
    }


def a_token(request: Received) -> Answer:
    return Answer(200, {"access_token": "ya29.example", "expires_in": 3599, "token_type": "Bearer"})


def form_of(request: Received) -> dict[str, str]:
    return {name: value for name, (value,) in parse_qs(request.body.decode()).items()}


def test_a_refresh_token_is_exchanged_for_access(server: LocalServer) -> None:
    server.answer = a_token
    access = network(base_url=server.url).sign_in(lambda request: HttpTransport()(request, 60))
    header = {"Authorization": "Bearer ya29.example"}
    assert (access.headers, access.seconds, access.token) == (header, 3599, "ya29.example")
    (received,) = server.received
    assert (received.method, received.path) == ("POST", "/token")
    assert received.headers["content-type"] == "application/x-www-form-urlencoded"
    assert form_of(received) == {
        "grant_type": "refresh_token",
        "client_id": "123-example.apps.googleusercontent.com",
        "client_secret": "example-client-secret",
        "refresh_token": "1//example-refresh-token",
    }


@pytest.mark.parametrize(("api", "scope"), [("data_manager", "datamanager"), ("google_ads", "adwords")])
def test_a_service_account_signs_for_the_scope_of_its_api(
    server: LocalServer, key: rsa.RSAPrivateKey, key_file: str, api: str, scope: str
) -> None:
    server.answer = a_token
    robot = network(**as_robot(key_file, api=api, base_url=server.url))
    robot.sign_in(lambda request: HttpTransport()(request, 60))
    (received,) = server.received
    form = form_of(received)
    assert (received.path, form["grant_type"]) == ("/token", "urn:ietf:params:oauth:grant-type:jwt-bearer")
    public = key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    claims = jwt.decode(form["assertion"], certs=public)  # type: ignore[no-untyped-call]  # verifies the signature
    assert claims["iss"] == "robot@example-project.iam.gserviceaccount.com"
    assert claims["scope"] == f"https://www.googleapis.com/auth/{scope}"
    assert claims["aud"] == "https://oauth2.googleapis.com/token"
    assert claims["exp"] - claims["iat"] <= 3600
    assert "sub" not in claims
    header = jwt.decode_header(form["assertion"])  # type: ignore[no-untyped-call]
    assert header == {"alg": "RS256", "typ": "JWT", "kid": "key-1"}


def test_no_message_repeats_a_line_of_the_key_file(key_file: str) -> None:
    account = an_account("google_ads", **as_robot(key_file))
    private_key = json.loads(key_file)["private_key"].splitlines()
    for line in private_key[1:-2]:
        assert line not in scrubbed(f"bad key {line} given", account.secrets)
    assert (
        scrubbed("ask https://oauth2.googleapis.com/token", account.secrets)
        == "ask https://oauth2.googleapis.com/token"
    )


@pytest.mark.parametrize("base_url", [None, "https://proxy.example.com/google/"])
def test_the_token_endpoint_of_a_key_file_is_asked_at_the_base_url_too(key_file: str, base_url: str | None) -> None:
    asked: list[Request] = []

    def send(request: Request) -> Response:
        asked.append(request)
        return Response(status=200, body={"access_token": "ya29.example", "expires_in": 60})

    for settings in ({}, as_robot(key_file)):
        network(**settings, base_url=base_url).sign_in(send)
    host = "https://proxy.example.com/google" if base_url else "https://oauth2.googleapis.com"
    assert {request.url for request in asked} == {f"{host}/token"}


TOKENS = [row for row in VECTORS["responses"] if row.get("endpoint") == "token"]
BAD_TOKENS = [
    *((row["status"], row["body"], row["verdicts"][0], row["code"]) for row in TOKENS),
    (400, {"error": "unauthorized_client"}, "CREDENTIALS", "unauthorized_client"),
    (403, {}, "CREDENTIALS", ""),
    (400, "<html>captive portal</html>", "TRANSIENT", ""),
    (400, {"error": {"code": 1}}, "TRANSIENT", ""),
    (400, {"error": "temporarily_unavailable"}, "TRANSIENT", "temporarily_unavailable"),
    (302, None, "TRANSIENT", ""),
    (404, None, "TRANSIENT", ""),
    (429, {"error": "rate_limit"}, "THROTTLED", "rate_limit"),
    (500, {"error": "internal_failure"}, "TRANSIENT", "internal_failure"),
    (503, None, "TRANSIENT", ""),
    (200, None, "TRANSIENT", ""),
    (200, {}, "TRANSIENT", ""),
    (200, {"access_token": ""}, "TRANSIENT", ""),
    (200, {"access_token": 7}, "TRANSIENT", ""),
    (200, {"access_token": "two\nlines"}, "TRANSIENT", ""),
    (200, [], "TRANSIENT", ""),
]


@pytest.mark.parametrize(("status", "body", "verdict", "code"), BAD_TOKENS)
def test_what_the_token_endpoint_refuses_is_asked_once(status: int, body: Any, verdict: str, code: str) -> None:
    asked: list[Request] = []

    def send(request: Request) -> Response:
        asked.append(request)
        return Response(status=status, body=body, headers={"retry-after": "7"})

    with pytest.raises(NoAccess) as refused:
        network().sign_in(send)
    outcome = refused.value.outcome
    assert (outcome.verdict.name, outcome.code, refused.value.http_status) == (verdict, code, status)
    assert refused.value.retry_after == "7"
    assert len(asked) == 1  # google-auth would wait and ask again


def test_no_answer_of_the_token_endpoint_passes_through_google_auth() -> None:
    def send(request: Request) -> Response:
        raise Unreachable("timed out", sent=True)

    with pytest.raises(Unreachable):
        network().sign_in(send)


@pytest.mark.parametrize(
    ("expires_in", "seconds"), [(None, 300), (0, 300), (-1, 300), ("soon", 300), ({}, 300), ("60", 60), (10**30, 300)]
)
def test_access_that_does_not_say_how_long_it_is_good_is_renewed_soon(expires_in: Any, seconds: int) -> None:
    body = {"access_token": "ya29.example", "expires_in": expires_in}
    assert network().sign_in(lambda _: Response(status=200, body=body)).seconds == seconds


@pytest.mark.parametrize("api", ["data_manager", "google_ads"])
@pytest.mark.parametrize("by", ["user", "robot"])
def test_a_run_signs_in_once_and_delivers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, key_file: str, api: str, by: str
) -> None:
    monkeypatch.chdir(tmp_path)
    now = datetime.now(timezone.utc)
    records = [
        {"event_name": "purchase", "event_id": f"evt-{n}", "event_time": now, "network": "google", "gclid": f"G{n}"}
        for n in range(5)
    ]
    sample = {name: value for name, value in SAMPLE.items() if by == "user" or name not in as_robot("")}
    with Sandbox() as sandbox:
        section = {**sample, "api": api, "base_url": sandbox.url, "concurrency": 4}
        if by == "robot":
            section["service_account_json"] = key_file
        tally = deliver(records, {"google_ads": section, "batch_size_rows": 1})
        assert (tally.accepted, tally.open) == (5, {})
        paths = [request["path"] for request in sandbox.requests]
        assert paths.count("/token") == 1
        assert len(paths) == 6
        assert sorted(event["event_id"] for event in sandbox.received) == [f"evt-{n}" for n in range(5)]
        assert "example-client-secret" not in str(sandbox.requests)
        assert all(request["headers"].get("Authorization", "***") == "***" for request in sandbox.requests)


SAMPLE: dict[str, Any] = {
    "customer_id": "1234567890",
    "conversion_actions": {"purchase": "987654321", "lead": "555000111"},
    "oauth_client_id": "123-example.apps.googleusercontent.com",
    "oauth_client_secret": "example-client-secret",
    "refresh_token": "1//example-refresh-token",
}


A_CLIENT = App(
    "123-example.apps.googleusercontent.com", "example-secret", "http://127.0.0.1:8722/", "state-1", "v" * 43
)


def connected(sandbox: Sandbox, code: str, app: App = A_CLIENT) -> dict[str, str]:
    """The settings that a user's consent leads to."""
    steps = GoogleAds.connection.steps(app, code, sandbox.url)
    asked = next(steps)
    assert isinstance(asked, Request)
    with pytest.raises(StopIteration) as end:
        steps.send(HttpTransport()(asked, 60))
    settings: dict[str, str] = end.value.value
    return settings


def test_a_users_consent_becomes_a_refresh_token_that_signs_in(sandbox: Sandbox) -> None:
    settings = connected(sandbox, "4/code-1")
    assert settings["oauth_client_id"] == A_CLIENT.app_id
    robot = network(**settings, base_url=sandbox.url)
    assert robot.sign_in(lambda request: HttpTransport()(request, 60)).token.startswith("ya29.")
    assert "4/code-1" not in str(sandbox.requests)
    with pytest.raises(NotConnected, match="invalid_grant"):
        connected(sandbox, "4/code-1")
    with pytest.raises(NotConnected, match="invalid_client"):
        connected(sandbox, "4/code-2", A_CLIENT._replace(app_id="another"))


def test_consent_is_asked_for_so_that_there_is_a_refresh_token() -> None:
    query = parse_qs(urlsplit(GoogleAds.connection.authorization_url(A_CLIENT)).query)
    assert (query["access_type"], query["prompt"], query["state"]) == (["offline"], ["consent"], ["state-1"])
    digest = base64.urlsafe_b64encode(hashlib.sha256(A_CLIENT.verifier.encode()).digest()).decode()
    assert query["code_challenge"] == [digest.rstrip("=")]
    assert "example-secret" not in str(query)


@pytest.mark.parametrize(
    ("settings", "code", "http_status"),
    [
        ({"refresh_token": "1//revoked"}, "invalid_grant", 400),
        ({"refresh_token": "1//expired"}, "invalid_grant", 400),
        ({"oauth_client_secret": "GOCSPX-is-invalid-here"}, "invalid_client", 401),
        ({"refresh_token": "1//forbidden"}, "USER_PERMISSION_DENIED", 403),
    ],
)
def test_refused_credentials_halt_the_account(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, settings: dict[str, Any], code: str, http_status: int
) -> None:
    monkeypatch.chdir(tmp_path)
    record = {"event_name": "purchase", "event_time": datetime.now(timezone.utc), "network": "google", "gclid": "G"}
    with Sandbox() as sandbox:
        section = {**SAMPLE, **settings, "base_url": sandbox.url}
        tally = deliver([{**record, "event_id": f"evt-{n}"} for n in range(3)], {"google_ads": section})
        assert tally.open == {"credentials": 3}
        assert sandbox.received == []
    columns = "reason, code, http_status"
    assert rows(f"sqlite:///{tmp_path}/adpostbacks.db", columns) == [("credentials", code, http_status)] * 3


def test_without_google_auth_one_mistake_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name, *_: None)
    (mistake,) = mistakes()
    assert mistake == "google_ads.api: signing in to Google needs google-auth; pip install 'target-adpostbacks[google]'"


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"customer_id": "123-456-789"}, ["customer_id"]),
        ({"login_customer_id": "manager"}, ["login_customer_id"]),
        ({"linked_customer_id": "1112223333"}, ["linked_customer_id"]),
        ({"conversion_actions": None}, ["conversion_actions"]),
        ({"conversion_actions": {"purchase": "Purchase", "lead": "55", "search": "x"}}, ["conversion_actions"] * 2),
        ({"conversion_actions": {"purchase": ["987654321"]}}, ["conversion_actions"]),
        ({"default_conversion_action": "customers/1/conversionActions/x"}, ["default_conversion_action"]),
        ({"refresh_token": None}, ["refresh_token"]),
        ({"oauth_client_id": "123"}, ["oauth_client_id"]),
        ({"service_account_json": "{}"}, ["service_account_json"]),
        ({"api_version": "26"}, ["api_version"]),
        ({"transaction_id_prefix": "a b"}, ["transaction_id_prefix"]),
        ({"merchant_id": "shop"}, ["merchant_id"]),
        ({"merchant_feed_language": "english"}, ["merchant_feed_language"]),
        ({"max_event_age_days": 91}, ["max_event_age_days"]),
    ],
)
def test_a_mistake_in_the_settings_is_told_with_its_place(settings: dict[str, Any], named: list[str]) -> None:
    told = mistakes(**settings)
    assert [mistake.removeprefix("google_ads.").partition(":")[0].partition(".")[0] for mistake in told] == named


@pytest.mark.parametrize(
    "text",
    [
        "key.json",
        "[]",
        "{}",
        '{"client_email": "a@b", "private_key": "x", "token_uri": 7}',
        '{"client_email": "a@b", "private_key": "x", "token_uri": "http://example.com/token"}',
        '{"client_email": "a@b", "private_key": "canary", "token_uri": "https://oauth2.googleapis.com/token"}',
    ],
)
def test_a_key_file_that_is_none_is_a_mistake_and_its_text_is_not_told(text: str) -> None:
    robot = {"service_account_json": text, **dict.fromkeys(("oauth_client_id", "oauth_client_secret", "refresh_token"))}
    (mistake,) = mistakes(**robot)
    assert mistake.startswith("google_ads.service_account_json: ")
    assert "canary" not in mistake


def test_what_is_unusual_about_tokens_is_a_hint() -> None:
    odd = network(refresh_token="ya29.access", developer_token="short")
    assert [hint.partition(":")[0] for hint in odd.settings.hints()] == ["refresh_token", "developer_token"]


def test_the_categories_are_googles() -> None:
    assert GoogleAds.events == VECTORS["action_categories"]


@pytest.mark.parametrize(
    ("actions", "event", "action"),
    [
        ({"signup": 1}, "sign_up", "1"),
        ({"sign_up": 1}, "Register", "1"),
        ({"Sign_Up": 1, "register": 2}, "register", "2"),
        ({"Trial Week 2": 7}, "trial week 2", "7"),
        ({"customers": "customers/1/conversionActions/9 "}, "customers", "9"),
    ],
)
def test_the_conversion_action_is_found_by_any_name_of_the_event(
    actions: dict[str, Any], event: str, action: str
) -> None:
    assert ready({"conversion_actions": actions}, event_name=event).facts.network_event == action


def test_event_map_leads_to_the_conversion_action_of_another_name_or_to_none() -> None:
    settings: dict[str, Any] = {"event_map": {"vip": "lead", "purchase": None}, "default_conversion_action": "1"}
    assert ready(settings, event_name="vip").facts.network_event == "555000111"
    with pytest.raises(Skip, match="event_off"):
        ready(settings)


@pytest.mark.parametrize(
    ("columns", "sent"),
    [
        ({"gclid": None, "click_id": "abc"}, {"gclid": "abc"}),
        ({"gclid": None, "landing_url": "https://example.com/?wbraid=w&gbraid=g"}, {"gbraid": "g"}),
        ({"gclid": None, "landing_url": "https://example.com/?gclid=l", "gbraid": "g"}, {"gbraid": "g"}),
        ({"gclid": None, "_gcl_ag": "2.1.kBRAID$i1763640062"}, {"gbraid": "BRAID"}),
        ({"gclid": None, "_gcl_aw": "GCL.1763640062.abc", "landing_url": "https://e.com/?gclid=l"}, {"gclid": "abc"}),
        ({"gclid": "Case-Kept_1.2"}, {"gclid": "Case-Kept_1.2"}),
    ],
)
def test_one_click_id_is_sent_wherever_it_was_found(columns: dict[str, Any], sent: dict[str, str]) -> None:
    assert payload(**columns)["adIdentifiers"] == sent
    uploaded = payload(UPLOADS, **columns)
    assert {name: uploaded[name] for name in ("gclid", "gbraid", "wbraid") if name in uploaded} == sent


def test_a_braid_keeps_the_cart_at_home() -> None:
    columns: dict[str, Any] = {"gclid": None, "gbraid": "g", "contents": [{"id": "1", "price": 2, "quantity": 1}]}
    assert "cartData" not in payload(**columns)
    assert "cartData" not in payload(UPLOADS, **columns)


def test_of_many_identifiers_as_many_are_sent_as_the_api_takes_and_the_address_among_them() -> None:
    person: dict[str, Any] = {"first_name": "A", "last_name": "B", "country": "US", "postal_code": "1"}
    columns: dict[str, Any] = {"email": [f"a{n}@example.com" for n in range(12)], **person}
    identifiers = payload(**columns)["userData"]["userIdentifiers"]
    assert (len(identifiers), "address" in identifiers[-1]) == (10, True)
    assert len(payload(UPLOADS, **columns)["userIdentifiers"]) == 5


def test_an_ip_address_is_enough_only_where_that_is_wanted() -> None:
    columns: dict[str, Any] = {"gclid": None, "ip_address": "203.0.113.10", "country": "US"}
    assert ready({"allow_ip_only": True}, **columns).facts.match_keys == "ipAddress"
    with pytest.raises(Skip, match="no_match_key"):
        ready(**columns)


def test_a_signal_of_the_events_own_takes_the_other_one_from_the_defaults() -> None:
    settings: dict[str, Any] = {"default_ad_user_data": "granted", "default_ad_personalization": "granted"}
    own = {"adUserData": "CONSENT_GRANTED", "adPersonalization": "CONSENT_DENIED"}
    assert payload(settings, ad_personalization=False)["consent"] == own
    assert "consent" not in payload(settings)
    assert payload({**settings, **UPLOADS})["consent"] == {"adUserData": "GRANTED"}
    with pytest.raises(Skip, match="no_consent"):
        ready({"default_ad_user_data": "denied"})
    assert ready({"default_ad_user_data": "denied"}, ad_user_data=True)


def test_a_correction_that_is_read_again_is_dated_as_at_first() -> None:
    uploads, at = network(**UPLOADS), datetime(2026, 11, 19, 8, tzinfo=timezone.utc)
    retracted = ready(UPLOADS, adjustment="retract")
    assert retracted.dated_now
    redated = json.loads(uploads.redated(retracted.payload, at))
    assert redated == {**json.loads(retracted.payload), "adjustmentDateTime": "2026-11-19 08:00:00+00:00"}
    restated = ready(adjustment="restate", value=1, currency="USD")
    assert network().redated(restated.payload, at) == restated.payload


def test_identities_of_both_apis_are_the_same() -> None:
    assert ready().key == ready(UPLOADS).key
    restated: dict[str, Any] = {"adjustment": "restate", "value": 24.5, "currency": "USD"}
    assert ready(**restated).key == ready(UPLOADS, **restated).key
    assert ready(**restated).key.adjustment == "restate:24.5 USD"


def test_what_is_too_soon_waits_for_another_run_and_halts_nobody() -> None:
    row = next(row for row in VECTORS["responses"] if row["name"].startswith("TOO_RECENT_EVENT"))
    (outcome,) = network(**UPLOADS).outcomes(Response(status=200, body=row["body"]), 1)
    assert (outcome.verdict, outcome.later) == (Verdict.TRANSIENT, True)
    internal = next(row for row in VECTORS["responses"] if row["name"] == "internal error on the only row")
    (outcome,) = network(**UPLOADS).outcomes(Response(status=200, body=internal["body"]), 1)
    assert (outcome.verdict, outcome.later) == (Verdict.TRANSIENT, False)


def test_each_row_has_its_own_words() -> None:
    row = next(row for row in VECTORS["responses"] if row["name"].startswith("the spec's example: the second"))
    accepted, refused = network(**UPLOADS).outcomes(Response(status=200, body=row["body"]), 2)
    assert (accepted.message, refused.message.partition(":")[0]) == ("", "conversion_action")
    assert "First error" not in refused.message
    assert "Google has it already" in [
        outcome.message
        for row in VECTORS["responses"]
        if row["name"].startswith("ORDER_ID_ALREADY_IN_USE")
        for outcome in network(**UPLOADS).outcomes(Response(status=200, body=row["body"]), 2)
    ]


def test_a_warning_stays_with_its_event() -> None:
    row = next(row for row in VECTORS["responses"] if row["name"] == "accepted with warnings")
    first, second = network().outcomes(Response(status=200, body=row["body"]), 2)
    assert (first.message.partition(":")[0], second.message) == ("WARNING_REASON_CART_DATA_ITEM_UNIT_PRICE_MISSING", "")


@pytest.mark.parametrize(
    ("field", "says"),
    [("events[1]", True), ("events.events[1].transaction_id", True), ("events.events[1].currency", False)],
)
def test_an_event_that_is_refused_without_a_reason_may_have_a_bare_number_for_its_id(field: str, says: bool) -> None:
    violation = {"field": field, "description": "Invalid.", "reason": "INVALID_ARGUMENT"}
    error = {"status": "INVALID_ARGUMENT", "details": [{"fieldViolations": [violation]}]}
    _, refused = network().outcomes(Response(status=400, body={"error": error}), 2)
    assert ("transaction_id_prefix" in refused.message) == says


@pytest.mark.parametrize("index", ["events[7]", "events[999999999]", "events[x]", "destinations[0]"])
def test_an_event_that_is_not_there_is_nobody(index: str) -> None:
    error = {"status": "INVALID_ARGUMENT", "details": [{"fieldViolations": [{"field": index, "reason": "X"}]}]}
    outcomes = network().outcomes(Response(status=400, body={"error": error}), 2)
    assert {(outcome.verdict, outcome.shared) for outcome in outcomes} == {(Verdict.REJECTED, True)}


def counted(body: Any, status: int = 200) -> Counted | Outcome:
    flow = network().counted("request-1")
    assert flow is not None
    asked: list[Request] = []

    def transport(request: Request, timeout_seconds: float) -> Response:
        asked.append(request)
        return Response(status=status, body=body)

    result = drive(flow, transport, 60)
    assert [(request.method, request.query) for request in asked] == [("GET", {"requestId": "request-1"})]
    return result


def destination(status: str, records: Any = None, **errors: int) -> dict[str, Any]:
    counts = [{"recordCount": str(n), "reason": f"PROCESSING_ERROR_REASON_{reason}"} for reason, n in errors.items()]
    return {
        "destination": {},
        "requestStatus": status,
        **({"eventsIngestionStatus": {"recordCount": records}} if records is not None else {}),
        **({"errorInfo": {"errorCounts": counts}} if errors else {}),
    }


@pytest.mark.parametrize(
    ("destinations", "expected"),
    [
        ([destination("SUCCESS", "2")], ("success", 2, {}, True)),
        ([destination("PROCESSING", "2")], ("processing", 0, {}, False)),
        ([destination("PARTIAL_SUCCESS", "5", INVALID_GCLID=2)], ("partial_success", 3, {"INVALID_GCLID": 2}, True)),
        ([destination("FAILED", "5", TOO_OLD=5)], ("failed", 0, {"TOO_OLD": 5}, True)),
        ([destination("FAILURE", "5")], ("failed", 0, {}, True)),
        ([destination("SUCCESS", "2"), destination("FAILED", "1", X=1)], ("partial_success", 2, {"X": 1}, True)),
        ([destination("SUCCESS", "2"), destination("PROCESSING")], ("processing", 0, {}, False)),
        ([destination("A_NEW_WORD", "2")], ("processing", 0, {}, False)),
        ([destination("SUCCESS", "many")], ("success", 0, {}, True)),
    ],
)
def test_what_became_of_a_request_is_summed_over_its_destinations(
    destinations: list[Any], expected: tuple[Any, ...]
) -> None:
    assert counted({"requestStatusPerDestination": destinations}) == expected


@pytest.mark.parametrize(
    ("status", "body", "code", "verdict"),
    [
        (400, {"error": {"status": "INVALID_ARGUMENT"}}, "INVALID_ARGUMENT", Verdict.REJECTED),
        (403, {"error": {"status": "PERMISSION_DENIED"}}, "PERMISSION_DENIED", Verdict.CREDENTIALS),
        (503, None, "", Verdict.TRANSIENT),
        (200, {}, "", Verdict.TRANSIENT),
        (200, {"requestStatusPerDestination": [7, None]}, "", Verdict.TRANSIENT),
        (200, "<html>", "", Verdict.TRANSIENT),
    ],
)
def test_where_google_does_not_say_what_became_of_a_request_it_says_why(
    status: int, body: Any, code: str, verdict: Verdict
) -> None:
    result = counted(body, status)
    assert isinstance(result, Outcome)
    assert (result.code, result.verdict) == (code, verdict)


def test_the_uploads_tell_nothing_afterwards() -> None:
    assert network(**UPLOADS).counted("request-1") is None


def test_the_sandbox_says_what_became_of_a_request_after_half_an_hour() -> None:
    clock = [NOW]
    with Sandbox(now=lambda: clock[0]) as sandbox:
        google = network(base_url=sandbox.url)
        transport = SignedIn(google, HttpTransport())
        postback = ready({"base_url": sandbox.url})
        response = transport(google.request(postback.envelope, [msgspec.Raw(postback.payload)]), 60)
        for minutes, status in ((29, "processing"), (30, "success")):
            clock[0] = NOW + timedelta(minutes=minutes)
            flow = google.counted(google.request_id(response))
            assert flow is not None
            told = drive(flow, transport, 60)
            assert isinstance(told, Counted)
            assert (told.status, told.counted) == (status, int(status == "success"))


def test_a_token_for_one_api_is_refused_by_the_other(key_file: str) -> None:
    with Sandbox(now=lambda: NOW) as sandbox:
        robot, other = (
            network_of(an_account("google_ads", **as_robot(key_file, api=api, base_url=sandbox.url)))
            for api in ("data_manager", "google_ads")
        )
        access = robot.sign_in(lambda request: HttpTransport()(request, 60))
        postback = ready({**as_robot(key_file), "base_url": sandbox.url, **UPLOADS})
        request = other.request(postback.envelope, [msgspec.Raw(postback.payload)])
        request = msgspec.structs.replace(request, headers={**request.headers, **access.headers})
        (outcome,) = other.outcomes(HttpTransport()(request, 60), 1)
        assert outcome.verdict is Verdict.CREDENTIALS


@pytest.mark.parametrize("api", ["data_manager", "google_ads"])
def test_two_events_of_one_order_are_sent_one_after_the_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, api: str
) -> None:
    """Google keeps the value that came last: the second must not overtake the first, which has to be sent twice."""
    monkeypatch.chdir(tmp_path)
    now = datetime.now(timezone.utc)
    common = {"event_name": "purchase", "event_time": now, "network": "google", "currency": "USD"}
    records = [
        {**common, "event_id": f"evt-{n}", "gclid": f"G{n}", "order_id": order_id, "value": n}
        for n, order_id in enumerate(["order-1", "order-1", "order-1"], 1)
    ]
    down = {"path": ":ingest" if api == "data_manager" else ":upload", "status": 503, "times": 1}
    with Sandbox(faults=[down]) as sandbox:
        section = {**SAMPLE, "api": api, "base_url": sandbox.url, "concurrency": 4}
        tally = deliver(records, {"google_ads": section, "batch_size_rows": 1})
        assert (tally.accepted, tally.open) == (3, {})
        bodies = [request["body"] for request in sandbox.requests if request["path"] != "/token"]
        events = [event for body in bodies for event in body.get("events", body.get("conversions"))]
        assert [event["conversionValue"] for event in events] == [1, 1, 2, 3]
