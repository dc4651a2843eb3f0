import re
from datetime import timedelta
from typing import Any

import pytest
import requests
from sandbox_calls import DATA_SET, EMAIL, NOW, SECONDS, a_sandbox, meta_body, meta_event, to_meta, without

EXTINFO = ["a2", "com.example.game", *[""] * 14]
APP = {"advertiser_tracking_enabled": 1, "application_tracking_enabled": 1, "extinfo": EXTINFO}
DAY = 86_400


def with_user(**user: Any) -> dict[str, Any]:
    return meta_event(user_data={"em": [EMAIL], **user})


def with_custom(**custom: Any) -> dict[str, Any]:
    return meta_event(custom_data=custom)


def of_app(**changes: Any) -> dict[str, Any]:
    return meta_event(action_source="app", app_data={**APP, **changes})


BROKEN = {
    "no object": ("100", []),
    "no data": ("100", {}),
    "no events": ("100", meta_body()),
    "1,001 events": ("100", meta_body(*[meta_event()] * 1001)),
    "an event as text, as in form fields": ("100", meta_body('{"event_name": "Lead"}')),
    "an unknown key at the top": ("100", meta_body(meta_event(), test_mode=True)),
    "the test code inside an event": ("100", meta_event(test_event_code="TEST1")),
    "a short proof": ("100", meta_body(meta_event(), appsecret_proof="abc")),
    "a partner of 23 characters": ("100", meta_body(meta_event(), partner_agent="p" * 23)),
    "no name": ("100", without(meta_event(), "event_name")),
    "no time": ("100", without(meta_event(), "event_time")),
    "a time in milliseconds": ("100", meta_event(event_time=SECONDS * 1000)),
    "a time as text": ("100", meta_event(event_time="2026-11-20T12:00:00Z")),
    "a time seven days ago": ("100/2804003", meta_event(event_time=SECONDS + 299 - 7 * DAY)),
    "a store's time 62 days ago": (
        "100/2804003",
        meta_event(event_time=SECONDS + 299 - 62 * DAY, action_source="physical_store"),
    ),
    "a time two minutes ahead": ("100", meta_event(event_time=SECONDS + 420)),
    "no source": ("100", without(meta_event(), "action_source")),
    "a source in capitals": ("100", meta_event(action_source="WEBSITE")),
    "no person": ("100", without(meta_event(), "user_data")),
    "an unknown key of the person": ("100", with_user(email=EMAIL)),
    "an email that is not hashed": ("100/2804016", with_user(em=["ada@example.com"])),
    "a city that is not hashed": ("100/2804016", with_user(ct=["paris"])),
    "a hash in capitals": ("100/2804016", with_user(ph=[EMAIL.upper()])),
    "an email outside a list": ("100", with_user(em=EMAIL)),
    "a hashed address": ("100", with_user(client_ip_address=EMAIL)),
    "a list of addresses": ("100", with_user(client_ip_address="203.0.113.7, 10.0.0.1")),
    "a hashed click id": ("100", with_user(fbc=EMAIL)),
    "a bare click id": ("100", with_user(fbc="IwAR0abcDEF")),
    "a click after the event": ("100", with_user(fbc=f"fb.1.{SECONDS + 1}000.IwAR0abcDEF")),
    "a lead id as text": ("100", with_user(lead_id="123456789012345")),
    "a hashed advertising id": ("100", with_user(madid=EMAIL)),
    "no match key": ("100/2804050", meta_event(user_data={})),
    "only a place": (
        "100/2804050",
        meta_event(user_data={"ct": [EMAIL], "country": [EMAIL], "client_user_agent": "M"}),
    ),
    "a birth and an agent": ("100/2804050", meta_event(user_data={"db": [EMAIL], "client_user_agent": "M"})),
    "a first name and a gender": ("100/2804050", meta_event(user_data={"fn": [EMAIL], "ge": [EMAIL]})),
    "a last name": ("100/2804050", meta_event(user_data={"ln": [EMAIL]})),
    "a purchase without value": ("100/2804009", meta_event(event_name="Purchase", custom_data={"currency": "USD"})),
    "a purchase without currency": ("100/2804010", meta_event(event_name="Purchase", custom_data={"value": 1})),
    "a value as text": ("100", with_custom(value="39.98", currency="USD")),
    "a currency in lower case": ("100", with_custom(value=1, currency="usd")),
    "an item without its id": ("100", with_custom(contents=[{"quantity": 1}])),
    "a price by its other name": ("100", with_custom(contents=[{"id": "1", "price": 1}])),
    "an object among the properties": ("100", with_custom(cart={"size": 1})),
    "a null": ("100", with_custom(order_id=None)),
    "an app without its data": ("100", meta_event(action_source="app")),
    "18 entries of extinfo": ("100", of_app(extinfo=[*EXTINFO, "", ""])),
    "an unknown version of extinfo": ("100", of_app(extinfo=["w1", *EXTINFO[1:]])),
    "a tracking flag that is a bool": ("100", of_app(advertiser_tracking_enabled="1")),
    "LDU as a bool": ("100", meta_event(data_processing_options=True)),
    "a country of LDU without LDU": ("100", meta_event(data_processing_options_country=0)),
    "country 1 of LDU without a state": (
        "100",
        meta_event(data_processing_options=["LDU"], data_processing_options_country=1),
    ),
}


@pytest.mark.parametrize(("code", "sent"), BROKEN.values(), ids=BROKEN.keys())
def test_one_broken_rule_refuses_the_request(code: str, sent: Any) -> None:
    with a_sandbox() as sandbox:
        answer = to_meta(
            sandbox, meta_body(meta_event("sound"), sent) if isinstance(sent, dict) and "event_id" in sent else sent
        )
        assert answer.status_code == 400
        error = answer.json()["error"]
        assert "/".join(str(error[key]) for key in ("code", "error_subcode") if key in error) == code
        assert error["type"] == "OAuthException"
        assert error["is_transient"] is False
        assert "error_data" not in error
        assert sandbox.received == []


def test_a_success_counts_the_events_and_names_the_trace() -> None:
    with a_sandbox() as sandbox:
        answer = to_meta(sandbox, meta_body(meta_event("a"), meta_event("b")))
    assert answer.json().keys() == {"events_received", "messages", "fbtrace_id"}
    assert answer.json()["events_received"] == 2
    assert re.fullmatch("[A-Za-z0-9]+", answer.json()["fbtrace_id"])


@pytest.mark.parametrize("source", ["website", "app", "physical_store", "system_generated", "email", "phone_call"])
def test_every_kind_of_source_is_taken(source: str) -> None:
    more = {"app_data": APP} if source == "app" else {}
    with a_sandbox() as sandbox:
        assert to_meta(sandbox, meta_body(meta_event(action_source=source, **more))).status_code == 200


@pytest.mark.parametrize(
    ("authorization", "status", "code"),
    [
        *(("", 401, "190"), ("Basic good", 401, "190"), ("Bearer revoked", 401, "190"), ("Bearer invalid", 401, "190")),
        *(("Bearer expired", 401, "190/463"), ("Bearer forbidden", 403, "10"), ("Bearer good", 200, "")),
    ],
)
def test_a_token_is_good_unless_it_says_otherwise(authorization: str, status: int, code: str) -> None:
    with a_sandbox() as sandbox:
        answer = to_meta(sandbox, meta_body(meta_event()), headers={"Authorization": authorization})
        assert answer.status_code == status
        assert sandbox.stats()["networks"]["meta"]["refused"] == ({code: 1} if code else {})


@pytest.mark.parametrize("place", ["query", "body"])
def test_a_token_may_be_told_in_the_query_or_the_body_and_is_masked(place: str) -> None:
    told = {"access_token": "good"}
    body = meta_body(meta_event(), appsecret_proof=EMAIL, **(told if place == "body" else {}))
    with a_sandbox() as sandbox:
        url = f"{sandbox.url}/v25.0/{DATA_SET}/events"
        assert requests.post(url, json=body, params=told if place == "query" else {}, timeout=5).status_code == 200
        (seen,) = sandbox.requests
    assert seen["body"]["appsecret_proof"] == "***"
    assert "good" not in str(seen)


@pytest.mark.parametrize(
    ("path", "code"),
    [
        *((f"/{DATA_SET}/events", "2500"), ("/v25.0/", "2500"), (f"/v25.0/{DATA_SET}", "2500")),
        *(("/v25.0/1234/events", "100/33"), ("/v25.0/demo/events", "100/33"), (f"/v26.0/{DATA_SET}/events", "")),
    ],
)
def test_a_path_needs_a_version_and_a_data_set(path: str, code: str) -> None:
    with a_sandbox() as sandbox:
        to_meta(sandbox, meta_body(meta_event()), path=path)
        assert sandbox.stats()["networks"]["meta"]["refused"] == ({code: 1} if code else {})


def test_only_known_tokens_and_data_sets_are_let_in() -> None:
    with a_sandbox(tokens={"good": ["1" * 15]}, assets=[DATA_SET, "1" * 15]) as sandbox:
        other = to_meta(sandbox, meta_body(meta_event()))
        unknown = to_meta(sandbox, meta_body(meta_event()), path="/v25.0/222222222222222/events")
        own = to_meta(sandbox, meta_body(meta_event()), path=f"/v25.0/{'1' * 15}/events")
    assert [answer.status_code for answer in (other, unknown, own)] == [403, 400, 200]


def test_a_form_is_refused() -> None:
    with a_sandbox() as sandbox:
        url = f"{sandbox.url}/v25.0/{DATA_SET}/events"
        answer = requests.post(url, data={"data[]": "{}", "access_token": "good"}, timeout=5)
    assert answer.json()["error"]["code"] in (100, 190)


def test_the_same_event_within_48_hours_counts_once() -> None:
    clock = [NOW]
    with a_sandbox(now=lambda: clock[0]) as sandbox:
        for hours in (0, 47, 49):
            clock[0] = NOW + timedelta(hours=hours)
            to_meta(sandbox, meta_body(meta_event()))
        to_meta(sandbox, meta_body(meta_event(event_name="Contact")))
        assert [(event["event"], event["times"]) for event in sandbox.received] == [
            ("Lead", 2),
            ("Lead", 1),
            ("Contact", 1),
        ]


def test_a_store_event_is_known_by_its_order_not_by_its_id() -> None:
    def sold(event_id: str, **custom: Any) -> dict[str, Any]:
        return meta_event(event_id, action_source="physical_store", custom_data=custom)

    with a_sandbox() as sandbox:
        to_meta(sandbox, meta_body(sold("a", order_id="1"), sold("b", order_id="1"), sold("a", order_id="2")))
        to_meta(sandbox, meta_body(sold("c"), sold("d"), sold("e", order_id="1", item_number="2")))
        assert [event["times"] for event in sandbox.received] == [2, 1, 2, 1]


def test_a_test_event_stands_apart() -> None:
    with a_sandbox() as sandbox:
        to_meta(sandbox, meta_body(meta_event(), test_event_code="TEST12345"))
        assert (len(sandbox.received), len(sandbox.test_events)) == (0, 1)


def test_a_refusal_names_the_event_only_where_it_is_told_to() -> None:
    with a_sandbox(faults=[{"network": "meta", "silent": False}]) as sandbox:
        answer = to_meta(sandbox, meta_body(meta_event("a"), meta_event("b", event_time=1)))
    assert answer.json()["error"]["error_data"] == {"blame_field_specs": [["data", 1, "event_time"]]}


@pytest.mark.parametrize(
    ("name", "status", "code", "subcode"),
    [
        *(("token_expired", 401, 190, 463), ("app_limit", 400, 4, 1504022), ("unknown_error", 500, 1, None)),
        *(("100/2804019", 400, 100, 2804019), ("368/0", 400, 368, None), ("-2/0", 400, -2, None)),
    ],
)
def test_an_error_is_produced_by_name_or_number(name: str, status: int, code: int, subcode: int | None) -> None:
    with a_sandbox(faults=[{"network": "meta", "error": name}]) as sandbox:
        answer = to_meta(sandbox, meta_body(meta_event()))
    error = answer.json()["error"]
    assert (answer.status_code, error["code"], error.get("error_subcode")) == (status, code, subcode)


def test_a_business_limit_says_when_access_comes_back() -> None:
    with a_sandbox(faults=[{"error": "business_limit"}]) as sandbox:
        answer = to_meta(sandbox, meta_body(meta_event()))
    assert "estimated_time_to_regain_access" in answer.headers["X-Business-Use-Case-Usage"]


def test_a_wrong_count_is_received() -> None:
    with a_sandbox(faults=[{"network": "meta", "wrong_count": 1}]) as sandbox:
        assert to_meta(sandbox, meta_body(meta_event("a"), meta_event("b"))).json()["events_received"] == 1
