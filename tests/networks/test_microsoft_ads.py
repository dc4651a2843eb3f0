"""What is particular to Microsoft Advertising: two APIs, consent, and a refresh token that each use replaces."""

from __future__ import annotations

import json
import logging
import stat
from base64 import b64encode
from collections.abc import Mapping
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest
from click.testing import CliRunner
from conftest import NOW, a_conversion, an_account
from ledger_rows import rows

from target_adpostbacks.cli.rotate import rotate
from target_adpostbacks.config import InvalidConfig, accounts, hints, read
from target_adpostbacks.core.answers import NoAccess, Request, Response, Skip, Verdict
from target_adpostbacks.core.match_keys import sha256
from target_adpostbacks.core.postback import Postback, prepare
from target_adpostbacks.delivery.check import Checked, check
from target_adpostbacks.delivery.transport import HttpTransport
from target_adpostbacks.networks.microsoft_ads import MicrosoftAds
from target_adpostbacks.run import deliver
from target_adpostbacks.sandbox import Sandbox

CLICK = "cdd4afcccb1c9a4cad9544dd7e5006d5"
CAPI: dict[str, Any] = {"uet_tag_id": "97654321", "api_token": "example-api-token"}
OFFLINE: dict[str, Any] = {
    "api": "offline_conversions",
    "developer_token": "EXAMPLEDEV0001",
    "customer_id": "1234567",
    "account_id": "7654321",
    "client_id": "0a1b2c3d-0000-4000-8000-000000000001",
    "refresh_token": "canary-refresh-single-use-0",
    "conversion_names": {"purchase": "Sale closed"},
}
APPLY = "/CampaignManagement/v13/OfflineConversions/Apply"
TOKEN = "/common/oauth2/v2.0/token"


def network(section: Mapping[str, Any] = CAPI, **settings: Any) -> MicrosoftAds:
    made = an_account("microsoft_ads", **{**section, **settings}).network
    assert isinstance(made, MicrosoftAds)
    return made


def ready(section: Mapping[str, Any] = CAPI, **columns: Any) -> Postback:
    of = {"network": "microsoft_ads", "ttclid": None, "msclkid": CLICK}
    return prepare(an_account("microsoft_ads", **section), a_conversion(**{**of, **columns}), NOW)


def mistakes(section: Mapping[str, Any], **settings: Any) -> list[str]:
    changed = {name: value for name, value in {**section, **settings}.items() if value is not None}
    with pytest.raises(InvalidConfig) as invalid:
        accounts({"microsoft_ads": changed})
    return invalid.value.mistakes


def records(count: int, **columns: Any) -> list[dict[str, Any]]:
    now = datetime.now(timezone.utc) - timedelta(minutes=1)
    of = {"event_name": "purchase", "event_time": now, "network": "bing", "msclkid": CLICK}
    return [{**of, "event_id": f"evt-{n}", **columns} for n in range(count)]


@pytest.mark.parametrize(
    ("section", "settings", "named"),
    [
        (CAPI, {"uet_tag_id": None}, ["uet_tag_id"]),
        (CAPI, {"api_token": None}, ["api_token"]),
        (CAPI, {"api_token": "two words"}, ["api_token"]),
        (CAPI, {"api": "both"}, ["api"]),
        (CAPI, {"ad_storage_consent": "granted"}, ["ad_storage_consent"]),
        (CAPI, {"data_provider": "läden"}, ["data_provider"]),
        (CAPI, {"data_provider": "x" * 65}, ["data_provider"]),
        (CAPI, {"api": "offline_conversions"}, [*OFFLINE][1:]),
        *((OFFLINE, {name: None}, [name]) for name in [*OFFLINE][1:]),
        (OFFLINE, {"customer_id": "C12"}, ["customer_id"]),
        (OFFLINE, {"account_id": "F1"}, ["account_id"]),
        (OFFLINE, {"conversion_names": {"purchase": "x" * 101}}, ["conversion_names"]),
        (OFFLINE, {"conversion_names": {"purchase": " "}}, ["conversion_names"]),
    ],
)
def test_a_mistake_names_the_setting_and_nothing_of_the_other_api_is_asked_for(
    section: Mapping[str, Any], settings: Mapping[str, Any], named: list[str]
) -> None:
    told = [mistake.split(":")[0].split(".")[1] for mistake in mistakes(section, **settings)]
    assert sorted(told) == sorted(named)


def test_what_is_unusual_is_told_and_works() -> None:
    unusual = {**CAPI, "uet_tag_id": "123"}
    of_the_other = {**OFFLINE, "event_map": {"purchase": "Bought"}}
    _, sections = read({"microsoft_ads": {"accounts": {"a": unusual, "b": of_the_other}}})
    assert [hint.split(":")[0] for hint in hints(sections, NOW)] == [
        "microsoft_ads.a.uet_tag_id",
        "microsoft_ads.b.event_map",
    ]


def test_two_logins_never_share_the_file_of_a_token(tmp_path: Path) -> None:
    path = {"refresh_token_path": str(tmp_path / "token")}
    one, other = {**OFFLINE, **path}, {**OFFLINE, **path, "account_id": "8", "refresh_token": "another"}
    with pytest.raises(InvalidConfig) as invalid:
        accounts({"microsoft_ads": {"accounts": {"one": one, "other": other}}})
    (told,) = invalid.value.mistakes
    assert told.startswith("microsoft_ads.accounts.other.refresh_token_path: the account one keeps another token there")
    same_login = {**other, "refresh_token": OFFLINE["refresh_token"]}
    accounts({"microsoft_ads": {"accounts": {"one": one, "other": same_login}}})


def test_what_is_too_old_for_one_api_is_told_of_the_other() -> None:
    with pytest.raises(Skip) as skip:
        ready(event_time="2026-11-12T12:00:00Z")
    assert (skip.value.reason, "offline_conversions" in skip.value.message) == ("too_old", True)
    with pytest.raises(Skip) as skip:
        ready(OFFLINE, event_time="2026-08-01T12:00:00Z")
    assert (skip.value.reason, skip.value.message) == ("too_old", "")


def test_without_an_answer_only_what_names_a_click_is_sent_again_offline() -> None:
    assert ready().resend_seconds == 48 * 3600
    assert ready(OFFLINE).resend_seconds == 90 * 86_400
    assert ready(OFFLINE, msclkid="no click id", email="a@example.com").resend_seconds is None


@pytest.mark.parametrize(("section", "seconds"), [(CAPI, 5), (OFFLINE, 60)])
def test_a_throttled_account_waits_as_long_as_its_api_wants(section: Mapping[str, Any], seconds: int) -> None:
    assert network(section).throttled_seconds == seconds


def left_out(section: Mapping[str, Any] = CAPI, **columns: Any) -> list[str]:
    conversion = a_conversion(network="bing", ttclid=None, external_id="user-1", **columns)
    account = an_account("microsoft_ads", **section)
    sent = prepare(account, conversion, NOW).facts.match_keys.split(",")
    assert account.network
    return [*account.network.unusable(conversion, sent)]


def test_a_click_id_in_another_form_is_left_out_and_told() -> None:
    assert left_out(msclkid="click-1") == ["msclkid: not 32 hexadecimal digits"]
    assert left_out({**OFFLINE}, msclkid="click-1", email="a@example.com") == ["msclkid: not 32 hexadecimal digits"]
    assert left_out(msclkid="N") == []
    assert left_out(msclkid=CLICK) == []


DEVICE = "aaaaaaaa-0000-4000-8000-00000000cafe"
TELLING = (
    f"em={sha256('ada@example.com')}&ph={sha256('+14155550123')}&mail=ada%40example.com&tel=%2B14155550123"
    f"&e={b64encode(b'x').decode()}&idfa={DEVICE}&aid={DEVICE}&msclkid={CLICK}&_uetmsclkid=_uet{CLICK}&ip=203.0.113.7"
)
PERSON: dict[str, Any] = {
    "email": "ada@example.com",
    "phone": "+14155550123",
    "ip_address": "203.0.113.7",
    "advertising_id": DEVICE,
    "platform": "ios",
    "external_id": "user-1",
    "user_agent": "U/1",
}


@pytest.mark.parametrize("denied", [{"ad_storage": False}, {"opt_out": True}, {}])
def test_no_url_and_no_text_tells_what_a_denied_event_does_not(denied: dict[str, Any]) -> None:
    section = {**CAPI, "skip_denied": False, "ad_storage_consent": None if denied else "D"}
    page = f"https://shop.example.com/done?order=7&{TELLING}&color=red#{TELLING}"
    properties = {"page_title": "Thank you, ada@example.com", "keywords": "lamp", "event_label": CLICK}
    sent = json.loads(
        ready(
            section,
            **{**PERSON, **denied},
            event_source_url=page,
            referrer_url=f"https://www.bing.com/?{TELLING}",
            search_query="call +14155550123",
            properties=properties,
        ).payload
    )
    assert sent["eventSourceUrl"].startswith("https://shop.example.com/done?order=7")
    assert "color=red" in sent["eventSourceUrl"]
    assert (sent["keywords"], sent["userData"]) == ("lamp", {"externalId": "user-1", "clientUserAgent": "U/1"})
    told = unquote(json.dumps(sent))
    for value in (*PERSON.values(), sha256("ada@example.com"), sha256("+14155550123"), CLICK, DEVICE.upper()):
        assert value in ("ios", "user-1", "U/1") or value.lstrip("+") not in told, value


def test_the_url_of_an_event_that_is_not_denied_is_as_it_is() -> None:
    page = f"https://shop.example.com/done?{TELLING}"
    assert json.loads(ready(**PERSON, event_source_url=page).payload)["eventSourceUrl"] == page


def test_of_a_denied_event_nothing_is_told_to_be_missing() -> None:
    denied = {**CAPI, "skip_denied": False}
    assert left_out(denied, ad_storage=False, email="no address", msclkid=CLICK) == []
    assert left_out(denied, email="no address") == ["email: not an e-mail address"]


def test_what_was_sent_is_in_no_message() -> None:
    detail = {"index": 0, "propertyName": "Em", "attemptedValue": "ada@example.com", "errorMessage": "bad"}
    body = {"eventsReceived": 0, "error": {"code": "ValidationError", "details": [detail]}}
    (outcome,) = network().outcomes(Response(status=200, body=body), 1)
    assert (outcome.verdict, outcome.message) == (Verdict.REJECTED, "Em: bad")
    warned = {"eventsReceived": 1, "error": {"details": [{**detail, "isWarning": True}]}}
    assert network().warning(Response(status=200, body=warned)) == "sent without a field: Em: bad"
    assert network().warning(Response(status=200, body=body)) == ""


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({"eventsReceived": 1}, "1 of 2 received"),
        ({"eventsReceived": "two"}, "no count of events"),
        ({"eventsReceived": 2, "error": {"code": "ValidationError"}}, "an error that names no event"),
    ],
)
def test_what_is_not_confirmed_is_told_with_what_speaks_against_it(body: Any, message: str) -> None:
    outcomes = network().outcomes(Response(status=200, body=body), 2)
    assert {(outcome.verdict, outcome.reason, outcome.message) for outcome in outcomes} == {
        (Verdict.REJECTED, "unconfirmed", message)
    }


def test_a_refusal_that_names_a_bad_event_leaves_the_others_to_the_next_request(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with Sandbox(faults=[{"refuse_event_id": "evt-1"}]) as sandbox:
        section = {**CAPI, "continue_on_validation_error": False, "base_url": sandbox.url}
        tally = deliver(records(3), {"microsoft_ads": section})
        assert (tally.accepted, tally.rejected) == (2, 1)
        assert sorted(event["event_id"] for event in sandbox.received) == ["evt-0", "evt-2"]
        assert len(sandbox.requests) == 2


def test_what_one_api_refuses_is_never_sent_by_the_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with Sandbox() as sandbox:
        both = {**OFFLINE, **CAPI, "api": "capi", "api_token": "revoked", "base_url": sandbox.url}
        tally = deliver(records(2), {"microsoft_ads": both})
        assert tally.open == {"credentials": 2}
        assert {request["path"] for request in sandbox.requests} == {"/v1/97654321/events"}


def run(sandbox: Sandbox, count: int = 2, **settings: Any) -> Any:
    section = {**OFFLINE, "base_url": sandbox.url, "concurrency": 4, **settings}
    return deliver(records(count), {"microsoft_ads": section, "batch_size_rows": 1})


def test_each_run_signs_in_by_the_token_that_the_one_before_it_was_given(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.chdir(tmp_path)
    caplog.set_level(logging.DEBUG)
    path = tmp_path / "kept"
    with Sandbox() as sandbox:
        for n in range(3):
            assert run(sandbox, 2 * (n + 1), refresh_token_path="kept").open == {}
        assert [request["path"] for request in sandbox.requests].count(TOKEN) == 3
        assert "single-use" not in str(sandbox.requests)
        assert OFFLINE["developer_token"] not in str(sandbox.requests)
    assert "sandbox-refresh-single-use-" in path.read_text()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert "single-use" not in caplog.text + str(tmp_path.joinpath("adpostbacks.db").read_bytes())


def test_without_a_file_a_run_tells_once_that_there_is_a_new_token(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.chdir(tmp_path)
    with Sandbox(faults=[{"times": 1, "path": APPLY, "error": "token_expired"}]) as sandbox:
        assert run(sandbox).open == {}
        assert [request["path"] for request in sandbox.requests].count(TOKEN) == 2
        assert run(sandbox, 3).open == {"credentials": 1}  # the settings' own has ended with its use
    told = [message for message in caplog.messages if "new refresh token" in message]
    assert len(told) == 1
    assert "set refresh_token_path" in told[0]
    assert "single-use" not in caplog.text


def test_a_run_that_validates_first_signs_in_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with Sandbox() as sandbox:
        section = {**OFFLINE, "base_url": sandbox.url}
        assert deliver(records(1), {"microsoft_ads": section, "validate": True}).accepted == 1
        assert [request["path"] for request in sandbox.requests] == [TOKEN, APPLY, APPLY]


def test_access_that_has_ended_is_renewed_once_then_the_account_is_halted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with Sandbox(faults=[{"path": APPLY, "error": "token_expired"}]) as sandbox:
        assert run(sandbox, 1, refresh_token_path="kept").open == {"credentials": 1}
        assert [request["path"] for request in sandbox.requests] == [TOKEN, APPLY, TOKEN, APPLY]
    assert rows(f"sqlite:///{tmp_path}/adpostbacks.db", "reason, code") == [("credentials", "109")]


def test_an_end_of_the_access_is_known_by_its_code_too() -> None:
    said = {"Errors": [{"Code": 109, "ErrorCode": "AuthenticationTokenExpired"}]}
    assert network(OFFLINE).ended(Response(status=400, body=said))
    assert not network(OFFLINE).ended(Response(status=400, body={"Errors": [{"Code": 105}]}))


def test_a_path_that_can_not_be_written_is_told_before_the_first_record_and_nothing_is_sent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").write_text("")
    with Sandbox() as sandbox:
        assert run(sandbox, refresh_token_path="file/token").open == {"credentials": 2}
        assert sandbox.requests == []
    assert caplog.messages[0].startswith("microsoft_ads.default.refresh_token_path: there is no such folder")


@pytest.mark.parametrize(
    ("settings", "code", "http_status"),
    [
        ({"refresh_token": "revoked-canary"}, "invalid_grant", 400),
        ({"client_secret": "invalid-canary"}, "invalid_client", 401),
        ({"developer_token": "invalid-canary"}, "105", 401),
        ({"refresh_token": "forbidden-canary"}, "106", 403),
    ],
)
def test_refused_credentials_halt_the_account(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, settings: dict[str, Any], code: str, http_status: int
) -> None:
    monkeypatch.chdir(tmp_path)
    with Sandbox() as sandbox:
        assert run(sandbox, **settings).open == {"credentials": 2}
        assert sandbox.received == []
    stored = rows(f"sqlite:///{tmp_path}/adpostbacks.db", "reason, code, http_status")
    assert stored == [("credentials", code, http_status)] * 2


def checked(sandbox: Sandbox, section: Mapping[str, Any], **settings: Any) -> Checked:
    account = an_account("microsoft_ads", **{**section, "base_url": sandbox.url, **settings})
    (found,) = check(account, HttpTransport(), lambda: datetime.now(timezone.utc))
    return found


@pytest.mark.parametrize(
    ("section", "settings", "result", "code"),
    [
        (CAPI, {}, "ok", ""),
        (CAPI, {"api_token": "revoked"}, "failed", "Unauthorized"),
        (CAPI, {"uet_tag_id": "abc"}, "failed", "NotFound"),
        (OFFLINE, {}, "ok", ""),
        (OFFLINE, {"developer_token": "revoked"}, "failed", "105"),
        (OFFLINE, {"refresh_token": "revoked"}, "failed", "invalid_grant"),
    ],
)
def test_credentials_are_tried_by_a_request_that_holds_nothing(
    sandbox: Sandbox, section: Mapping[str, Any], settings: Mapping[str, Any], result: str, code: str
) -> None:
    found = checked(sandbox, section, **settings)
    assert (found.result, found.code) == (result, code)
    assert sandbox.received == []
    assert "canary" not in str(found)


@pytest.mark.parametrize(("section", "path"), [(CAPI, "/v1/97654321/events"), (OFFLINE, APPLY), (OFFLINE, TOKEN)])
def test_an_outage_proves_nothing_of_the_credentials(section: Mapping[str, Any], path: str) -> None:
    with Sandbox(faults=[{"path": path, "status": 503}]) as sandbox:
        assert checked(sandbox, section).result == "unchecked"


@pytest.mark.parametrize(("new", "exit_code"), [("single-use-new", 0), ("revoked-new", 1)])
def test_a_token_that_is_rotated_is_tried_itself_and_goes_before_the_kept_one(
    sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, new: str, exit_code: int
) -> None:
    monkeypatch.chdir(tmp_path)
    section = {**OFFLINE, "refresh_token_path": "kept", "base_url": sandbox.url}
    (tmp_path / "config.json").write_text(json.dumps({"microsoft_ads": section}))
    (tmp_path / "kept").write_text("single-use-kept\n")
    result = CliRunner().invoke(rotate, ["microsoft_ads", "--config", "config.json"], input=f"{new}\n")
    assert result.exit_code == exit_code
    configured = json.loads((tmp_path / "config.json").read_text())["microsoft_ads"]["refresh_token"]
    kept = (tmp_path / "kept").read_text()
    if exit_code:
        assert (configured, kept) == (OFFLINE["refresh_token"], "single-use-kept\n")
    else:
        assert configured == new
        assert kept.startswith("sandbox-refresh-single-use-")


def test_what_is_rotated_is_the_token_of_the_accounts_own_api(
    sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "config.json").write_text(json.dumps({"microsoft_ads": {**CAPI, "base_url": sandbox.url}}))
    result = CliRunner().invoke(rotate, ["microsoft_ads", "--config", "config.json"], input="new-token\n")
    assert (result.exit_code, "api_token replaced" in result.output) == (0, True)


def test_a_check_keeps_the_new_token_or_tells_of_it(sandbox: Sandbox, tmp_path: Path) -> None:
    first = {**OFFLINE, "refresh_token": "single-use-check"}
    path = tmp_path / "kept"
    assert checked(sandbox, first, refresh_token_path=str(path)).message == ""
    assert checked(sandbox, first, refresh_token_path=str(path)).result == "ok"
    found = checked(sandbox, {**OFFLINE, "refresh_token": "another"})
    assert "set refresh_token_path" in found.message
    (tmp_path / "file").write_text("")
    found = checked(sandbox, first, refresh_token_path=str(tmp_path / "file" / "token"))
    assert (found.result, found.fix) == ("failed", MicrosoftAds.advice_by_words["refresh_token_path:"])


def test_signing_in_asks_for_the_scope_of_the_api_and_sends_a_secret_only_if_there_is_one() -> None:
    asked: list[Request] = []

    def send(request: Request) -> Response:
        asked.append(request)
        return Response(status=200, body={"access_token": "at", "expires_in": 3600, "refresh_token": "new"})

    access = network(OFFLINE).sign_in(send)
    assert (access.token, access.refresh_token) == ("at", "new")
    network(OFFLINE, client_secret="s", base_url="https://proxy.example.com/ms").sign_in(send)
    assert [request.url for request in asked] == [
        "https://login.microsoftonline.com/common/oauth2/v2.0/token",
        "https://proxy.example.com/ms/common/oauth2/v2.0/token",
    ]
    forms = [request.body.decode() for request in asked]
    assert all("scope=https%3A%2F%2Fads.microsoft.com%2Fmsads.manage+offline_access" in form for form in forms)
    assert ["client_secret=s" in form for form in forms] == [False, True]


def test_an_answer_of_the_token_endpoint_without_access_is_no_refusal() -> None:
    with pytest.raises(NoAccess) as refused:
        network(OFFLINE).sign_in(lambda _: Response(status=200, body={}))
    assert refused.value.outcome.verdict is Verdict.TRANSIENT


def test_a_payload_of_one_api_has_nothing_of_the_other() -> None:
    assert {"eventType", "userData"} <= json.loads(ready().payload).keys()
    assert json.loads(ready(OFFLINE, email="a@example.com", external_id="user-1").payload).keys() == {
        *("ConversionName", "ConversionTime", "MicrosoftClickId", "HashedEmailAddress")
    }
    assert ready(OFFLINE, email="a@example.com").facts.match_keys == "msclkid,em"
