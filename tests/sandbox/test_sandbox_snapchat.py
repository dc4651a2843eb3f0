from datetime import timedelta
from typing import Any

import pytest
import requests
from sandbox_calls import (
    EMAIL,
    NOW,
    SECONDS,
    SNAP_PIXEL,
    a_sandbox,
    snapchat_app_event,
    snapchat_body,
    snapchat_event,
    to_snapchat,
    without,
)

EVENTS = f"/v3/{SNAP_PIXEL}/events"
VALIDATE = f"{EVENTS}/validate"
SUCCESS = "Events have been processed successfully."


def with_user(**user: Any) -> dict[str, Any]:
    return snapchat_event(user_data={"em": [EMAIL], **user})


def with_custom(**custom: Any) -> dict[str, Any]:
    return snapchat_event(custom_data=custom)


def with_app(**app: Any) -> dict[str, Any]:
    return snapchat_app_event(app_data={**snapchat_app_event()["app_data"], **app})


BROKEN = {
    "an event that is no object": ("body is invalid", "SIGN_UP"),
    "no name": ("event_name is missing", without(snapchat_event(), "event_name")),
    "a name in lower case": ("event_name is invalid", snapchat_event(event_name="sign_up")),
    "a name of your own": ("event_name is invalid", snapchat_event(event_name="DRAGON_SLAIN")),
    "the wrong spelling of a third party": ("event_name is invalid", snapchat_event(event_name="ADD_TO_CART")),
    "a sixth custom slot": ("event_name is invalid", snapchat_event(event_name="CUSTOM_EVENT_6")),
    "no time": ("event_time is missing", without(snapchat_event(), "event_time")),
    "a time in milliseconds": ("event_time is invalid", snapchat_event(event_time=SECONDS * 1000)),
    "a time as text": ("event_time is invalid", snapchat_event(event_time=str(SECONDS))),
    "a time 38 days ago": ("37 days", snapchat_event(event_time=SECONDS - 38 * 86400)),
    "a time in the future": ("in the future", snapchat_event(event_time=SECONDS + 601)),
    "no source": ("action_source is missing", without(snapchat_event(), "action_source")),
    "Meta's spelling of a source": ("action_source is invalid", snapchat_event(action_source="website")),
    "a page without a scheme": ("event_source_url is invalid", snapchat_event(event_source_url="example.com")),
    "an unknown key": ("transaction_id is unknown", snapchat_event(transaction_id="1")),
    "an event id that is a number": ("event_id is invalid", snapchat_event(event_id=7)),
    "no user data": ("user_data is missing", without(snapchat_event(), "user_data")),
    "no match key": ("no match key", snapchat_event(user_data={"sc_click_id": "c", "external_id": [EMAIL]})),
    "an address without a user agent": ("no match key", snapchat_event(user_data={"client_ip_address": "192.0.2.1"})),
    "an email that is not hashed": ("user_data.em.0 is invalid", with_user(em=["user@example.com"])),
    "an email outside a list": ("user_data.em is invalid", with_user(em=EMAIL)),
    "a hash in upper case": ("user_data.ph.0 is invalid", with_user(ph=[EMAIL.upper()])),
    "a hashed click id": ("user_data.sc_click_id is invalid", with_user(sc_click_id=EMAIL)),
    "a hashed address": ("user_data.client_ip_address is invalid", with_user(client_ip_address=EMAIL)),
    "a key of v2": ("user_data.hashed_email is unknown", with_user(hashed_email=EMAIL)),
    "an advertising id on the web": (
        "user_data.madid is invalid",
        with_user(madid="cdda802e-fb9c-47ad-9866-0794d394c912"),
    ),
    "an advertising id in capitals": (
        "user_data.madid is invalid",
        snapchat_app_event(user_data={"madid": "CDDA802E-FB9C-47AD-9866-0794D394C912"}),
    ),
    "a purchase without a value": (
        "custom_data.value is missing",
        snapchat_event(event_name="PURCHASE", custom_data={"currency": "USD"}),
    ),
    "a purchase without a currency": (
        "custom_data.currency is missing",
        snapchat_event(event_name="PURCHASE", custom_data={"value": 1}),
    ),
    "a value without a currency": ("custom_data.currency is missing", with_custom(value=1)),
    "a value as text": ("custom_data.value is invalid", with_custom(value="1", currency="USD")),
    "a currency in lower case": ("custom_data.currency is invalid", with_custom(value=1, currency="usd")),
    "a brand beside the contents": ("custom_data.brands is unknown", with_custom(brands=["Acme"])),
    "a line without its id": ("custom_data.contents.0.id is missing", with_custom(contents=[{"quantity": 1}])),
    "a line's price by its other name": (
        "custom_data.contents.0.price is unknown",
        with_custom(contents=[{"id": "1", "price": 1}]),
    ),
    "an app event without its app": ("app_data is missing", without(snapchat_app_event(), "app_data")),
    "an app on the web": ("app_data is invalid", snapchat_event(app_data=snapchat_app_event()["app_data"])),
    "fifteen facts": ("app_data.extinfo is invalid", with_app(extinfo=["i2", *[""] * 14])),
    "a fact that is a number": ("app_data.extinfo.9 is invalid", with_app(extinfo=["i2", *[""] * 8, 1080, *[""] * 6])),
    "no platform": ("app_data.extinfo.0 is invalid", with_app(extinfo=["ios", *[""] * 15])),
    "tracking as true": (
        "app_data.advertiser_tracking_enabled is invalid",
        with_app(advertiser_tracking_enabled=True),
    ),
    "another spelling of LDU": (
        "data_processing_options.0 is invalid",
        snapchat_event(data_processing_options=["lmu"]),
    ),
}


@pytest.mark.parametrize(("said", "event"), BROKEN.values(), ids=BROKEN.keys())
def test_one_broken_rule_refuses_the_request_with_200_and_the_events_index(said: str, event: Any) -> None:
    app = isinstance(event, dict) and event.get("action_source") == "MOBILE_APP"
    sound = snapchat_app_event("a") if app else snapchat_event("a")
    with a_sandbox() as sandbox:
        answer = to_snapchat(sandbox, snapchat_body(sound, event))
        assert answer.status_code == 200
        body = answer.json()
        assert (body["status"], body["event"]) == ("INVALID", 1)
        assert said in body["reason"]
        assert body["errors"] == {"codes": [], "error_msgs": [body["reason"]]}
        assert sandbox.received == []


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
    with a_sandbox() as sandbox:
        answer = to_snapchat(sandbox, snapchat_body(snapchat_app_event("a"), snapchat_event("b"))).json()
    assert (answer["status"], answer["event"]) == ("INVALID", 1)


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
        answer = requests.post(sandbox.url + EVENTS, json=snapchat_body(snapchat_event()), headers=headers, timeout=5)
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
        answer = requests.request(method, sandbox.url + path, params={"access_token": "good"}, json={}, timeout=5)
        assert answer.status_code == status


@pytest.mark.parametrize(("data", "kind"), [(b"{", "application/json"), (b"{}", "text/plain")])
def test_a_body_that_is_no_json_is_refused(data: bytes, kind: str) -> None:
    with a_sandbox() as sandbox:
        url = f"{sandbox.url}{EVENTS}?access_token=good"
        answer = requests.post(url, data=data, headers={"Content-Type": kind}, timeout=5)
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
        answer = to_snapchat(sandbox, snapchat_body(with_user(em=["user@example.com"]))).json()
        assert ("user@example.com" in answer["reason"]) == echo
