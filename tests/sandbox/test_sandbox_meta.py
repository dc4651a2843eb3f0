import re
from datetime import timedelta
from typing import Any

import pytest
import requests
from sandbox_calls import EMAIL, NOW, a_sandbox, endpoint, meta_body, meta_event, to_meta

EVENTS = endpoint("meta")
DATA_SET = EVENTS.split("/")[2]
APP = meta_event(of="every field of an app event")["app_data"]


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
        url = sandbox.url + EVENTS
        assert requests.post(url, json=body, params=told if place == "query" else {}, timeout=60).status_code == 200
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
        url = sandbox.url + EVENTS
        answer = requests.post(url, data={"data[]": "{}", "access_token": "good"}, timeout=60)
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


def test_a_refusal_says_which_rule_was_broken_and_names_no_event() -> None:
    with a_sandbox() as sandbox:
        answer = to_meta(sandbox, meta_body(meta_event("a"), meta_event("b", event_time=1)))
    error = answer.json()["error"]
    assert (error["type"], error["is_transient"], error["error_user_msg"]) == (
        "OAuthException",
        False,
        "event_time: too old",
    )
    assert "error_data" not in error


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
