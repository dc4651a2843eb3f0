import hashlib
from datetime import timedelta
from typing import Any

import pytest
import requests
from sandbox_calls import (
    NOW,
    SECONDS,
    a_sandbox,
    endpoint,
    golden,
    reddit_body,
    reddit_event,
    to_reddit,
    without,
)

EVENTS = endpoint("reddit")
PIXEL_ID = EVENTS.split("/")[4]
AGENT = golden("reddit")["headers"]["User-Agent"]


def with_metadata(**metadata: Any) -> dict[str, Any]:
    return reddit_event(metadata={"conversion_id": "evt-1", **metadata})


def of_type(tracking_type: str, **more: Any) -> dict[str, Any]:
    return reddit_event(type={"tracking_type": tracking_type, **more})


def test_a_success_counts_the_events() -> None:
    with a_sandbox() as sandbox:
        answer = to_reddit(sandbox, reddit_body(reddit_event("a"), reddit_event("b")))
    assert answer.json() == {"data": {"message": "Successfully processed 2 conversion events."}}


def test_one_bad_event_sinks_the_batch() -> None:
    with a_sandbox() as sandbox:
        answer = to_reddit(sandbox, reddit_body(reddit_event("a"), reddit_event("b", event_at=SECONDS)))
        assert answer.status_code == 400
        assert answer.json()["error"].keys() == {"code", "message"}
        assert sandbox.received == []


def test_a_click_id_in_the_page_of_a_website_is_a_match_key() -> None:
    event = without(reddit_event(event_source_url="https://play.example.com/?rdt_cid=318"), "click_id")
    with a_sandbox() as sandbox:
        assert to_reddit(sandbox, reddit_body(event)).status_code == 200


@pytest.mark.parametrize(
    ("authorization", "status"),
    [
        ("", 401),
        ("good", 401),
        ("Bearer ", 401),
        ("Bearer revoked", 401),
        ("Bearer expired", 401),
        ("Bearer forbidden", 403),
    ],
)
def test_a_token_that_says_what_is_wrong_with_it_is_refused(authorization: str, status: int) -> None:
    with a_sandbox() as sandbox:
        headers = {"Authorization": authorization}
        assert to_reddit(sandbox, reddit_body(reddit_event()), headers=headers).status_code == status


def test_known_tokens_and_pixels_are_the_only_ones() -> None:
    with a_sandbox(tokens={"good": [PIXEL_ID], "other": []}, assets=[PIXEL_ID]) as sandbox:
        sent = reddit_body(reddit_event())
        assert to_reddit(sandbox, sent).status_code == 200
        assert to_reddit(sandbox, sent, headers={"Authorization": "Bearer stranger"}).status_code == 401
        assert to_reddit(sandbox, sent, headers={"Authorization": "Bearer other"}).status_code == 403
        assert to_reddit(sandbox, sent, path="/api/v3/pixels/a2_other/conversion_events").status_code == 404


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("POST", f"{EVENTS}/", 404),
        ("POST", "/api/v3/pixels/%20a2_demo1234/conversion_events", 404),
        ("POST", "/api/v3/pixels/demo/conversion_events", 404),
        ("POST", "/api/v2.0/conversions/events/a2_demo1234", 410),
        ("GET", EVENTS, 405),
    ],
)
def test_paths_and_methods_are_strict(method: str, path: str, status: int) -> None:
    headers = {"Authorization": "Bearer good", "User-Agent": AGENT}
    with a_sandbox() as sandbox:
        assert requests.request(method, sandbox.url + path, headers=headers, json={}, timeout=60).status_code == status


@pytest.mark.parametrize("agent", ["python-requests/2.32", "Python-urllib/3.12", "Java/21", ""])
def test_a_generic_user_agent_is_throttled(agent: str) -> None:
    with a_sandbox() as sandbox:
        assert to_reddit(sandbox, reddit_body(reddit_event()), headers={"User-Agent": agent}).status_code == 429


@pytest.mark.parametrize(
    ("data", "kind"), [(b"{", "application/json"), (b'{"a": Infinity}', "application/json"), (b"{}", "text/plain")]
)
def test_a_body_that_is_no_json_is_refused(data: bytes, kind: str) -> None:
    headers = {"Authorization": "Bearer good", "User-Agent": AGENT, "Content-Type": kind}
    with a_sandbox() as sandbox:
        assert requests.post(sandbox.url + EVENTS, data=data, headers=headers, timeout=60).status_code == 400


def test_of_two_copies_the_richer_survives_and_the_same_source_is_needed() -> None:
    with a_sandbox() as sandbox:
        to_reddit(sandbox, reddit_body(reddit_event()))
        to_reddit(sandbox, reddit_body(with_metadata(value=1, currency="USD")))
        to_reddit(sandbox, reddit_body(reddit_event(), reddit_event(action_source="APP")))
        website, app = sandbox.received
        assert (website["times"], website["payload"]["metadata"]["value"]) == (3, 1)
        assert app["times"] == 1


def test_the_hash_of_a_conversion_id_is_the_same_id() -> None:
    hashed = hashlib.sha256(b"evt-1").hexdigest()
    with a_sandbox() as sandbox:
        to_reddit(sandbox, reddit_body(reddit_event("evt-1"), reddit_event(hashed)))
        assert [event["times"] for event in sandbox.received] == [2]


def test_custom_events_of_two_names_are_two_events() -> None:
    named = [of_type("CUSTOM", custom_event_name=name) for name in ("Promotion Event", "PromotionEvent")]
    with a_sandbox() as sandbox:
        to_reddit(sandbox, reddit_body(*named))
        assert [event["event"] for event in sandbox.received] == ["Promotion Event", "PromotionEvent"]


def test_after_two_days_the_same_id_is_a_new_event() -> None:
    clock = [NOW]
    with a_sandbox(now=lambda: clock[0]) as sandbox:
        for hours in (0, 47, 48):
            clock[0] = NOW + timedelta(hours=hours)
            to_reddit(sandbox, reddit_body(reddit_event()))
        assert [event["times"] for event in sandbox.received] == [2, 1]


def test_a_request_with_a_test_id_holds_test_events() -> None:
    with a_sandbox() as sandbox:
        to_reddit(sandbox, reddit_body(reddit_event(), test_id="t2_demo"))
        assert sandbox.received == []
        assert [event["event_id"] for event in sandbox.test_events] == ["evt-1"]
