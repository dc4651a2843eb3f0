import hashlib
from datetime import timedelta
from typing import Any

import pytest
import requests
from sandbox_calls import (
    AGENT,
    EMAIL,
    EVENTS,
    NOW,
    PIXEL_ID,
    SECONDS,
    a_sandbox,
    reddit_body,
    reddit_event,
    to_reddit,
    without,
)


def with_user(**user: Any) -> dict[str, Any]:
    return reddit_event(user=user)


def with_metadata(**metadata: Any) -> dict[str, Any]:
    return reddit_event(metadata={"conversion_id": "evt-1", **metadata})


def of_type(tracking_type: str, **more: Any) -> dict[str, Any]:
    return reddit_event(type={"tracking_type": tracking_type, **more})


PAGE = {"tracking_type": "PAGE_VISIT"}
BROKEN = {
    "no object": ("invalid body", []),
    "no data": ("missing data", {}),
    "an unknown key at the top": (
        '"unknown field" on field "test_mode"',
        {**reddit_body(reddit_event()), "test_mode": 1},
    ),
    "an unknown key in data": ('"unknown field" on field "partner"', reddit_body(reddit_event(), partner="acme")),
    "no events": ("missing events", {"data": {}}),
    "an empty list of events": ("invalid data.events", reddit_body()),
    "1,001 events": ("invalid data.events", reddit_body(*[reddit_event()] * 1001)),
    "an empty test id": ("invalid data.test_id", reddit_body(reddit_event(), test_id="")),
    "no time": ("missing event_at", without(reddit_event(), "event_at")),
    "a time in seconds": ("168h0m0s", reddit_event(event_at=SECONDS)),
    "a time as text": ("invalid event_at", reddit_event(event_at="2026-11-20T12:00:00Z")),
    "a time with a fraction": ("invalid event_at", reddit_event(event_at=SECONDS * 1000.0)),
    "a time seven days ago": ("168h0m0s", reddit_event(event_at=(SECONDS + 300 - 168 * 3600) * 1000)),
    "a time in the future": ("future", reddit_event(event_at=(SECONDS + 601) * 1000)),
    "no source": ("missing action_source", without(reddit_event(), "action_source")),
    "a source in lower case": ("invalid action_source", reddit_event(action_source="website")),
    "no type": ("missing type", without(reddit_event(), "type")),
    "no tracking type": ("missing tracking_type", reddit_event(type={})),
    "a tracking type of v2": ("invalid type.tracking_type", of_type("Purchase")),
    "a custom event without its name": ("missing custom_event_name", of_type("CUSTOM")),
    "a custom name of 65 characters": ("invalid type.custom_event_name", of_type("CUSTOM", custom_event_name="x" * 65)),
    "a custom name of a standard event": ("type.custom_event_name", of_type("LEAD", custom_event_name="lead")),
    "an unknown key of the type": ('"unknown field" on field "name"', of_type("LEAD", name="lead")),
    "the test id inside an event": ('"unknown field" on field "test_id"', reddit_event(test_id="t")),
    "an event that is no object": ("invalid body", "PURCHASE"),
    "a click id that is a number": ("invalid click_id", reddit_event(click_id=3184742045291813272)),
    "a hashed click id": ("invalid click_id", reddit_event(click_id=EMAIL)),
    "a page without a scheme": ("invalid event_source_url", reddit_event(event_source_url="example.com")),
    "the page of an app": (
        "WEBSITE",
        reddit_event(action_source="APP", event_source_url="https://play.example.com/"),
    ),
    "an unknown key of the metadata": ('"unknown field" on field "value_decimal"', with_metadata(value_decimal=1)),
    "a conversion id that is a number": ("invalid metadata.conversion_id", with_metadata(conversion_id=7)),
    "an empty conversion id": ("invalid metadata.conversion_id", with_metadata(conversion_id="")),
    "a null": ("invalid metadata.order_id", with_metadata(order_id=None)),
    "a value as text": ("invalid metadata.value", with_metadata(value="19.98")),
    "a value below zero": ("invalid metadata.value", with_metadata(value=-1)),
    "a currency in lower case": ("invalid metadata.currency", with_metadata(currency="usd")),
    "a count with a fraction": ("invalid metadata.item_count", with_metadata(item_count=1.5)),
    "a count beyond 32 bits": ("invalid metadata.item_count", with_metadata(item_count=2**31)),
    "a product without its id": ("missing id", with_metadata(products=[{"name": "Sword"}])),
    "a product's id that is a number": ("invalid metadata.products.0.id", with_metadata(products=[{"id": 1}])),
    "a product's brand": ('"unknown field" on field "brand"', with_metadata(products=[{"id": "1", "brand": "Acme"}])),
    "a value on a page visit": ("metadata.value", reddit_event(type=PAGE, metadata={"value": 1})),
    "a currency on a page visit": ("metadata.currency", reddit_event(type=PAGE, metadata={"currency": "USD"})),
    "a count on a lead": ("item_count", reddit_event(type={"tracking_type": "LEAD"}, metadata={"item_count": 1})),
    "an email that is not hashed": ("invalid user.email", with_user(email="user@example.com")),
    "a phone that is not hashed": ("invalid user.phone_number", with_user(phone_number="+15554441234")),
    "an external id that is not hashed": ("invalid user.external_id", with_user(external_id="customer12345")),
    "an IDFA that is not hashed": ("invalid user.idfa", with_user(idfa="EA7583CD-A667-48BC-B806-42ECB2B48606")),
    "an AAID that is not hashed": ("invalid user.aaid", with_user(aaid="cdda802e-fb9c-47ad-9866-0794d394c912")),
    "both advertising ids": ("invalid user.aaid", with_user(idfa=EMAIL, aaid=EMAIL)),
    "an address that is none": ("invalid user.ip_address", with_user(ip_address="unknown")),
    "a hashed user agent": ("invalid user.user_agent", with_user(user_agent=EMAIL)),
    "a hashed uuid": ("invalid user.uuid", with_user(uuid=EMAIL)),
    "a screen without its height": ("missing height", with_user(screen_dimensions={"width": 1})),
    "a screen without its width": ("missing width", with_user(screen_dimensions={"height": 1})),
    "no mode": ("data_processing_options.modes", with_user(data_processing_options={"modes": []})),
    "a region that is no code": (
        "data_processing_options.region",
        with_user(data_processing_options={"modes": ["LDU"], "region": "California"}),
    ),
    "a price below zero": ("products.0.item_price", with_metadata(products=[{"id": "1", "item_price": -0.5}])),
    "a referrer without a scheme": ("invalid referrer_url", reddit_event(referrer_url="example.com")),
    "a screen too wide": ("screen_dimensions.width", with_user(screen_dimensions={"width": 32768, "height": 1})),
    "an unknown key of the person": ('"unknown field" on field "city"', with_user(city="Berlin")),
    "an unknown mode": ("data_processing_options", with_user(data_processing_options={"modes": ["NONE"]})),
    "a country that is no code": (
        "data_processing_options.country",
        with_user(data_processing_options={"modes": ["LDU"], "country": "USA"}),
    ),
    "no match key": ("no match key", without(reddit_event(user={"user_agent": "Mozilla/5.0"}), "click_id")),
}


@pytest.mark.parametrize(("message", "sent"), BROKEN.values(), ids=BROKEN.keys())
def test_one_broken_rule_refuses_the_request(message: str, sent: Any) -> None:
    envelope = not isinstance(sent, dict) or "data" in sent or not sent
    with a_sandbox() as sandbox:
        answer = to_reddit(sandbox, sent if envelope and sent != "PURCHASE" else reddit_body(sent))
        assert answer.status_code == 400
        error = answer.json()["error"]
        assert error.keys() == {"code", "message"}
        assert error["code"] == 400
        assert message in error["message"]
        assert sandbox.received == []


def test_a_success_counts_the_events() -> None:
    with a_sandbox() as sandbox:
        answer = to_reddit(sandbox, reddit_body(reddit_event("a"), reddit_event("b")))
    assert answer.json() == {"data": {"message": "Successfully processed 2 conversion events."}}


def test_one_bad_event_sinks_the_batch() -> None:
    with a_sandbox() as sandbox:
        answer = to_reddit(sandbox, reddit_body(reddit_event("a"), reddit_event("b", event_at=SECONDS)))
        assert answer.status_code == 400
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
        assert requests.request(method, sandbox.url + path, headers=headers, json={}, timeout=5).status_code == status


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
        assert requests.post(sandbox.url + EVENTS, data=data, headers=headers, timeout=5).status_code == 400


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
