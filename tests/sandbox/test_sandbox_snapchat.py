from datetime import timedelta
from typing import Any

import pytest
import requests
from sandbox_calls import (
    NOW,
    a_sandbox,
    an_event,
    endpoint,
    snapchat_body,
    snapchat_event,
    to_snapchat,
    without,
)

EVENTS = endpoint("snapchat")
SNAP_PIXEL = EVENTS.split("/")[2]
VALIDATE = f"{EVENTS}/validate"
SUCCESS = "Events have been processed successfully."


@pytest.mark.parametrize(
    "body",
    [[], {}, {"data": []}, {"data": {}}, {"data": [snapchat_event()] * 2001}, snapchat_body(snapchat_event(), test=1)],
)
def test_an_envelope_of_the_wrong_form_names_no_event(body: Any) -> None:
    with a_sandbox() as sandbox:
        answer = to_snapchat(sandbox, body).json()
    assert answer["status"] == "INVALID"
    assert "event" not in answer


def test_a_success_says_so_in_its_body() -> None:
    with a_sandbox() as sandbox:
        answer = to_snapchat(sandbox, snapchat_body(snapchat_event("a"), snapchat_event("b", action_source="OFFLINE")))
        assert (answer.status_code, answer.json()) == (200, {"status": "VALID", "reason": SUCCESS})
        assert [event["event_id"] for event in sandbox.received] == ["a", "b"]


def test_an_apps_events_and_a_pixels_never_share_a_request() -> None:
    of_an_app = an_event("snapchat", "a", of="every field of an app event")
    with a_sandbox() as sandbox:
        answer = to_snapchat(sandbox, snapchat_body(of_an_app, snapchat_event("b"))).json()
    assert (answer["status"], answer["event"]) == ("INVALID", 1)
    assert answer["errors"] == {"codes": [], "error_msgs": [answer["reason"]]}


def test_a_validation_tells_of_every_event_and_counts_none() -> None:
    events = [
        snapchat_event("a"),
        snapchat_event("b", event_name="?"),
        without(snapchat_event("c"), "event_source_url"),
    ]
    with a_sandbox() as sandbox:
        answer = to_snapchat(sandbox, snapchat_body(*events, test_event_code="t"), path=VALIDATE).json()
        assert (answer["status"], answer["test_event"]) == ("INVALID", True)
        assert [log["event"] for log in answer["event_logs"]] == [0, 1, 2]
        assert [log["status"] for log in answer["event_logs"]] == ["VALID", "INVALID", "VALID"]
        assert [log["warnings"] for log in answer["event_logs"]] == [[], [], ["event_source_url is missing"]]
        assert "event_name is invalid" in answer["event_logs"][1]["errors"]["error_msgs"][0]
        assert sandbox.received == []
        assert [event["event_id"] for event in sandbox.test_events] == ["a", "c"]


def test_a_sound_validation_is_valid() -> None:
    with a_sandbox() as sandbox:
        answer = to_snapchat(sandbox, snapchat_body(snapchat_event()), path=VALIDATE).json()
    log = {"event": 0, "status": "VALID", "warnings": [], "errors": {"codes": [], "error_msgs": []}}
    assert answer == {"status": "VALID", "reason": SUCCESS, "test_event": True, "event_logs": [log]}


@pytest.mark.parametrize(
    ("token", "status"),
    [("", 401), (" ", 401), ("revoked", 400), ("invalid", 400), ("expired", 400), ("forbidden", 403)],
)
def test_a_token_that_says_what_is_wrong_with_it_is_refused(token: str, status: int) -> None:
    with a_sandbox() as sandbox:
        assert to_snapchat(sandbox, snapchat_body(snapchat_event()), token=token).status_code == status


def test_a_token_in_a_header_is_none() -> None:
    with a_sandbox() as sandbox:
        headers = {"Authorization": "Bearer good"}
        answer = requests.post(sandbox.url + EVENTS, json=snapchat_body(snapchat_event()), headers=headers, timeout=60)
        assert answer.status_code == 401


def test_the_token_is_shown_nowhere() -> None:
    with a_sandbox() as sandbox:
        to_snapchat(sandbox, snapchat_body(snapchat_event()), token="canary")
        assert sandbox.requests[0]["query"] == {"access_token": "***"}
        assert "canary" not in repr(sandbox.requests)


def test_known_tokens_and_assets_are_the_only_ones() -> None:
    with a_sandbox(tokens={"good": [SNAP_PIXEL], "other": []}, assets=[SNAP_PIXEL]) as sandbox:
        body = snapchat_body(snapchat_event())
        assert to_snapchat(sandbox, body).status_code == 200
        assert to_snapchat(sandbox, body, token="stranger").status_code == 400
        assert to_snapchat(sandbox, body, token="other").status_code == 403
        assert to_snapchat(sandbox, body, path="/v3/another/events").status_code == 404


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("POST", f"{EVENTS}/", 404),
        ("POST", "/v2/conversion", 404),
        ("POST", f"{VALIDATE}/it", 404),
        ("GET", EVENTS, 405),
    ],
)
def test_paths_and_methods_are_strict(method: str, path: str, status: int) -> None:
    with a_sandbox() as sandbox:
        answer = requests.request(method, sandbox.url + path, params={"access_token": "good"}, json={}, timeout=60)
        assert answer.status_code == status


@pytest.mark.parametrize(("data", "kind"), [(b"{", "application/json"), (b"{}", "text/plain")])
def test_a_body_that_is_no_json_is_refused(data: bytes, kind: str) -> None:
    with a_sandbox() as sandbox:
        url = f"{sandbox.url}{EVENTS}?access_token=good"
        answer = requests.post(url, data=data, headers={"Content-Type": kind}, timeout=60)
        assert (answer.status_code, answer.json()["status"]) == (400, "INVALID")


def test_the_same_id_within_two_days_is_the_same_event() -> None:
    clock = [NOW]
    with a_sandbox(now=lambda: clock[0]) as sandbox:
        for hours in (0, 47, 48):
            clock[0] = NOW + timedelta(hours=hours)
            to_snapchat(sandbox, snapchat_body(snapchat_event(), snapchat_event(event_name="LOGIN")))
        times = [(event["event"], event["times"]) for event in sandbox.received]
        assert sorted(times) == [("LOGIN", 1), ("LOGIN", 2), ("SIGN_UP", 1), ("SIGN_UP", 2)]


@pytest.mark.parametrize(("silent", "named"), [(None, True), (False, True), (True, False)])
def test_a_refusal_names_its_event_unless_a_fault_keeps_it_silent(silent: Any, named: bool) -> None:
    fault = {"refuse_event_id": "b", **({} if silent is None else {"silent": silent})}
    with a_sandbox(faults=[fault]) as sandbox:
        answer = to_snapchat(sandbox, snapchat_body(snapchat_event("a"), snapchat_event("b"))).json()
        assert answer.get("event") == (1 if named else None)


@pytest.mark.parametrize("echo", [True, False])
def test_a_refusal_tells_the_value_only_where_a_fault_says_so(echo: bool) -> None:
    with a_sandbox(faults=[{"echo": True}] if echo else []) as sandbox:
        answer = to_snapchat(sandbox, snapchat_body(snapchat_event(user_data={"em": ["user@example.com"]}))).json()
        assert ("user@example.com" in answer["reason"]) == echo
