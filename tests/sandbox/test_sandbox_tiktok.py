from datetime import timedelta
from typing import Any

import pytest
import requests
from sandbox_calls import (
    NOW,
    a_sandbox,
    endpoint,
    golden,
    tiktok_body,
    tiktok_event,
    to_tiktok,
    without,
)

TRACK = endpoint("tiktok")
PIXEL_CODE = golden("tiktok")["body"]["event_source_id"]


def test_success_has_the_shape_that_tiktok_documents() -> None:
    with a_sandbox() as sandbox:
        answer = to_tiktok(sandbox, tiktok_body(tiktok_event())).json()
    assert answer.keys() == {"code", "message", "request_id", "data"}
    assert (answer["code"], answer["message"], answer["data"]) == (0, "OK", {})
    assert len(answer["request_id"]) == 34


@pytest.mark.parametrize("broken", [tiktok_event(event_id=4), tiktok_event(user={"email": "ada@example.com"})])
def test_the_first_failing_event_is_named_and_no_value_is_told(broken: Any) -> None:
    late = [tiktok_event(event_id=5)]
    with a_sandbox() as sandbox:
        answer = to_tiktok(sandbox, tiktok_body(tiktok_event("a"), tiktok_event("b"), broken, *late)).json()
        assert sandbox.received == []
    assert answer["message"].startswith("Invalid value for data.2.")
    assert "ada@example.com" not in answer["message"]


def test_a_thousand_events_are_one_request() -> None:
    with a_sandbox() as sandbox:
        answer = to_tiktok(sandbox, tiktok_body(*[tiktok_event(f"evt-{n}") for n in range(1000)]))
        assert answer.json()["code"] == 0
        assert len(sandbox.received) == 1000


@pytest.mark.parametrize(
    ("token", "code"), [("", 40104), ("revoked-1", 40105), ("invalid", 40105), ("expired", 40102), ("forbidden", 40001)]
)
def test_a_token_that_says_what_is_wrong_with_it_is_refused(token: str, code: int) -> None:
    with a_sandbox() as sandbox:
        assert to_tiktok(sandbox, tiktok_body(tiktok_event()), headers={"Access-Token": token}).json()["code"] == code


def test_a_bearer_token_is_no_access_token() -> None:
    with a_sandbox() as sandbox:
        headers = {"Access-Token": "", "Authorization": "Bearer good"}
        assert to_tiktok(sandbox, tiktok_body(tiktok_event()), headers=headers).json()["code"] == 40104


def test_known_tokens_and_assets_are_the_only_ones() -> None:
    with a_sandbox(tokens={"good": [PIXEL_CODE], "other": []}, assets=[PIXEL_CODE, "OTHERPIXEL"]) as sandbox:
        sent = tiktok_body(tiktok_event())
        assert to_tiktok(sandbox, sent).json()["code"] == 0
        assert to_tiktok(sandbox, sent, headers={"Access-Token": "stranger"}).json()["code"] == 40105
        assert to_tiktok(sandbox, sent, headers={"Access-Token": "other"}).json()["code"] == 40001
        assert to_tiktok(sandbox, tiktok_body(tiktok_event(), event_source_id="UNKNOWN")).json()["code"] == 40001


@pytest.mark.parametrize(
    ("method", "path", "code"),
    [
        ("POST", TRACK.rstrip("/"), 40400),
        ("POST", "/open_api/v1.3/pixel/track/", 40400),
        ("POST", "/open_api/v1.2/event/track/", 40051),
        ("GET", TRACK, 40117),
    ],
)
def test_paths_and_methods_are_strict(method: str, path: str, code: int) -> None:
    with a_sandbox() as sandbox:
        answer = requests.request(method, sandbox.url + path, json={}, headers={"Access-Token": "good"}, timeout=60)
        assert answer.json()["code"] == code


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (b"", "application/json"),
        (b"{", "application/json"),
        (b"\xff", "application/json"),
        (b'{"a": NaN}', "application/json"),
        (b'{"a": "\\ud800"}', "application/json"),
        (b"[" * 100_000, "application/json"),
        (b"{}", "text/plain"),
    ],
)
def test_a_body_that_is_no_json_is_refused(data: bytes, kind: str) -> None:
    with a_sandbox() as sandbox:
        headers = {"Access-Token": "good", "Content-Type": kind}
        assert requests.post(sandbox.url + TRACK, data=data, headers=headers, timeout=60).json()["code"] == 40000


def test_a_duplicate_is_accepted_and_the_first_wins() -> None:
    with a_sandbox() as sandbox:
        for value in (1, 2):
            to_tiktok(sandbox, tiktok_body(tiktok_event(properties={"value": value, "currency": "USD"})))
        to_tiktok(sandbox, tiktok_body(tiktok_event(event="Lead")))
        to_tiktok(sandbox, tiktok_body(tiktok_event(), event_source_id="OTHERPIXEL"))
        purchase, *others = sandbox.received
        assert (purchase["times"], purchase["payload"]["properties"]["value"]) == (2, 1)
        assert [other["times"] for other in others] == [1, 1]
        assert sandbox.stats()["networks"]["tiktok"]["duplicates"] == 1


def test_after_48_hours_the_same_id_is_a_new_event() -> None:
    clock = [NOW]
    with a_sandbox(now=lambda: clock[0]) as sandbox:
        for hours in (0, 47, 48):
            clock[0] = NOW + timedelta(hours=hours)
            to_tiktok(sandbox, tiktok_body(tiktok_event()))
        assert [event["times"] for event in sandbox.received] == [2, 1]


def test_events_without_an_id_are_never_duplicates() -> None:
    with a_sandbox() as sandbox:
        to_tiktok(sandbox, tiktok_body(*[without(tiktok_event(), "event_id")] * 2))
        assert len(sandbox.received) == 2


def test_test_events_stand_apart_and_shadow_no_live_one() -> None:
    with a_sandbox() as sandbox:
        to_tiktok(sandbox, tiktok_body(tiktok_event(), test_event_code="TEST04030"))
        assert sandbox.received == []
        to_tiktok(sandbox, tiktok_body(tiktok_event()))
        assert [event["test"] for event in sandbox.test_events + sandbox.received] == [True, False]


OAUTH = "/open_api/v1.3/oauth2/"
APP_KEYS = {"app_id": "1", "secret": "s3cret"}


def test_an_auth_code_is_good_for_one_token_which_works_until_it_is_revoked() -> None:
    with a_sandbox(tokens=[]) as sandbox:
        asked = {**APP_KEYS, "auth_code": "c0de"}
        data = to_tiktok(sandbox, asked, path=f"{OAUTH}access_token/").json()["data"]
        assert data["advertiser_ids"]
        assert to_tiktok(sandbox, asked, path=f"{OAUTH}access_token/").json()["code"] == 40110
        headers = {"Access-Token": data["access_token"]}
        assert to_tiktok(sandbox, tiktok_body(tiktok_event()), headers=headers).json()["code"] == 0
        revoked = {**APP_KEYS, "access_token": data["access_token"]}
        assert to_tiktok(sandbox, revoked, path=f"{OAUTH}revoke_token/").json()["code"] == 0
        assert to_tiktok(sandbox, tiktok_body(tiktok_event()), headers=headers).json()["code"] == 40105


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"secret": "invalid"}, 40101),
        ({"auth_code": "invalid"}, 40110),
        ({"auth_code": 7}, 40002),
        ({"client_id": "1"}, 40002),
    ],
)
def test_the_token_endpoint_is_strict(changes: dict[str, Any], code: int) -> None:
    with a_sandbox() as sandbox:
        asked = {**APP_KEYS, "auth_code": "c0de", **changes}
        assert to_tiktok(sandbox, asked, path=f"{OAUTH}access_token/").json()["code"] == code


@pytest.mark.parametrize("changes", [{"secret": None}, {"access_token": None}, {"app_id": 7}, {"token": "x"}])
def test_the_revoking_endpoint_is_strict(changes: dict[str, Any]) -> None:
    with a_sandbox() as sandbox:
        asked = {**APP_KEYS, "access_token": "good", **changes}
        sent = {key: value for key, value in asked.items() if value is not None}
        assert to_tiktok(sandbox, sent, path=f"{OAUTH}revoke_token/").json()["code"] == 40002


def test_advertisers_and_their_pixels_are_listed() -> None:
    with a_sandbox(assets=["PIXELONE", "PIXELTWO"]) as sandbox:
        get: dict[str, Any] = {"headers": {"Access-Token": "good"}, "timeout": 60}
        advertisers = requests.get(f"{sandbox.url}{OAUTH}advertiser/get/", params=APP_KEYS, **get).json()["data"][
            "list"
        ]
        asked = {"advertiser_id": advertisers[0]["advertiser_id"], "page_size": "1", "page": "2"}
        pixels = requests.get(f"{sandbox.url}/open_api/v1.3/pixel/list/", params=asked, **get).json()["data"]
        assert [pixel["pixel_code"] for pixel in pixels["pixels"]] == ["PIXELTWO"]
        assert pixels["page_info"] == {"page": 2, "page_size": 1, "total_number": 2, "total_page": 2}


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ({"advertiser_id": "1"}, 40001),
        ({"page_size": "21"}, 40002),
        ({"page": "0"}, 40002),
        ({"order_by": "NAME"}, 40002),
    ],
)
def test_the_list_of_pixels_is_strict(query: dict[str, str], code: int) -> None:
    with a_sandbox() as sandbox:
        url = f"{sandbox.url}/open_api/v1.3/pixel/list/"
        asked = {"advertiser_id": "7000000000000000001", **query}
        answer = requests.get(url, params=asked, headers={"Access-Token": "good"}, timeout=60)
        assert answer.json()["code"] == code
