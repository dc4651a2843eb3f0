"""Every field of a full request, broken in turn."""

from collections.abc import Iterator
from typing import Any

import pytest
from sandbox_calls import (
    EMAIL,
    SECONDS,
    a_sandbox,
    meta_body,
    reddit_body,
    snapchat_body,
    tiktok_body,
    to_meta,
    to_reddit,
    to_snapchat,
    to_tiktok,
)

PERSON = {"email": [EMAIL], "phone": EMAIL, "external_id": EMAIL, "first_name": EMAIL, "last_name": EMAIL}
PLACE = {"zip_code": EMAIL, "city": "berlin", "state": "berlin", "country": "de"}
BROWSER = {"ip": "2001:db8::1", "user_agent": "Mozilla/5.0", "locale": "de-DE"}
CONTENT = {"content_id": "1", "content_name": "a", "content_category": "b", "brand": "c", "quantity": 1, "price": 2.5}
PURCHASE = {
    "currency": "EUR", "value": 2.5, "content_type": "product", "content_ids": ["1"], "num_items": 1,
    "search_string": "a", "order_id": "o", "shop_id": "s", "description": "d", "customer_type": "new",
    "contents": [CONTENT],
}  # fmt: skip
BASE = {"event": "Purchase", "event_time": SECONDS, "event_id": "evt-1"}
WEB = {
    **BASE,
    "limited_data_use": True,
    "user": {"ttclid": "E.C.P.abc", "ttp": "2F7h37YkS1j57AYSKTI7IHhJPYH", **PERSON, **PLACE, **BROWSER},
    "page": {"url": "https://play.example.com/", "referrer": "https://example.com/"},
    "properties": PURCHASE,
}
APP = {
    **BASE,
    "user": {
        "idfa": "EA7583CD-A667-48BC-B806-42ECB2B48606",
        "gaid": "38400000-8cf0-11bd-b23e-10b96e40000d",
        "idfv": "5d2b5e0e-7d4f-4b7a-9c63-2c6e4b2e8f11",
        "att_status": "AUTHORIZED",
    },
    "app": {"app_id": "1", "app_name": "Quest", "app_version": "2"},
    "ad": {
        "callback": "c", "campaign_id": "1", "ad_id": "2", "creative_id": "3", "is_retargeting": False,
        "attributed": True, "attribution_type": "click_through", "attribution_provider": "p", "attribution_share": 0.5,
    },
}  # fmt: skip
CRM = {**BASE, "user": {"email": EMAIL}, "lead": {"lead_id": "1", "lead_event_source": "Example CRM"}}
TIKTOK: dict[str, Any] = {
    "web": tiktok_body(WEB, test_event_code="TEST1", partner_name="Acme"),
    "app": tiktok_body(APP, event_source="app", event_source_id="7123456789012345678"),
    "crm": tiktok_body(CRM, event_source="crm", event_source_id="7345678901234567890"),
}
REDDIT: dict[str, Any] = {
    "website": reddit_body(
        {
            "event_at": SECONDS * 1000,
            "action_source": "WEBSITE",
            "click_id": "318",
            "event_source_url": "https://play.example.com/",
            "referrer_url": "https://example.com/",
            "type": {"tracking_type": "CUSTOM", "custom_event_name": "launch"},
            "metadata": {
                "conversion_id": "evt-1", "order_id": "o", "currency": "EUR", "value": 2.5, "item_count": 1,
                "products": [{"id": "1", "name": "a", "category": "b", "quantity": 1, "item_price": 2.5}],
            },
            "user": {
                "email": EMAIL, "phone_number": EMAIL, "external_id": EMAIL, "idfa": EMAIL, "ip_address": "192.0.2.1",
                "user_agent": "Mozilla/5.0", "uuid": "1684189007728.7c73f2ae",
                "screen_dimensions": {"width": 1920, "height": 1080},
                "data_processing_options": {"modes": ["LDU"], "country": "US", "region": "US-CA"},
            },
        },
        test_id="t2_demo",
    )
}  # fmt: skip
META: dict[str, Any] = {
    "website": meta_body(
        {
            "event_name": "Purchase",
            "event_time": SECONDS,
            "event_id": "evt-1",
            "action_source": "website",
            "event_source_url": "https://shop.example.com/",
            "referrer_url": "https://example.com/",
            "opt_out": True,
            "data_processing_options": ["LDU"],
            "data_processing_options_country": 1,
            "data_processing_options_state": 1000,
            "user_data": {
                **{key: [EMAIL] for key in ("em", "ph", "fn", "ln", "ge", "db", "ct", "st", "zp", "country")},
                "external_id": ["user-42"], "client_ip_address": "2001:db8::1", "client_user_agent": "Mozilla/5.0",
                "fbc": "fb.1.1795175400000.IwAR0abcDEF", "fbp": "fb.1.1795100000000.1116446470",
                "lead_id": 123456789012345,
            },
            "custom_data": {
                "currency": "EUR", "value": 2.5, "order_id": "o", "content_type": "product", "content_ids": ["1"],
                "content_name": "a", "content_category": "b", "num_items": 1, "search_string": "a",
                "contents": [
                    {"id": "1", "title": "a", "category": "b", "brand": "c", "quantity": 1, "item_price": 2.5},
                ],
            },
        },
        test_event_code="TEST1",
        partner_agent="Acme",
    ),
    "app": meta_body(
        {
            "event_name": "MobileAppInstall",
            "event_time": SECONDS,
            "action_source": "app",
            "user_data": {"madid": "38400000-8cf0-11bd-b23e-10b96e40000d", "anon_id": "install-7"},
            "app_data": {
                "advertiser_tracking_enabled": 1, "application_tracking_enabled": 1, "vendor_id": "v",
                "extinfo": ["a2", *["x"] * 15], "url_schemes": ["x://"], "install_referrer": "r",
            },
        }
    ),
}  # fmt: skip
SNAP_PERSON = {key: [EMAIL] for key in ("em", "ph", "external_id", "fn", "ln", "ge", "ct", "st", "zp", "country")}
SNAP_APP = {"app_id": "1", "advertiser_tracking_enabled": 1, "extinfo": ["i2", *["x"] * 15]}
SNAPCHAT: dict[str, Any] = {
    "web": snapchat_body(
        {
            "event_name": "PURCHASE", "event_time": SECONDS, "event_id": "evt-1", "action_source": "WEB",
            "event_source_url": "https://play.example.com/",
            "user_data": {
                **SNAP_PERSON, "db": EMAIL, "client_ip_address": "2001:db8::1", "client_user_agent": "Mozilla/5.0",
                "sc_click_id": "c", "sc_cookie1": "s", "lead_id": "l",
            },
            "custom_data": {
                "currency": "EUR", "value": 2.5, "order_id": "o", "num_items": 1, "content_ids": ["1"],
                "content_type": "product", "content_name": "a", "content_category": "b", "search_string": "c",
                "description": "d", "sign_up_method": "e", "event_tag": "f", "predicted_ltv": 9.5,
                "contents": [{"id": "1", "quantity": 1, "item_price": 2.5, "delivery_category": "x", "brand": "y"}],
            },
            "data_processing_options": ["LDU"],
            "data_processing_options_country": 1,
            "data_processing_options_state": 1000,
        },
        test_event_code="t",
    ),
    "app": snapchat_body(
        {
            "event_name": "APP_INSTALL", "event_time": SECONDS, "event_id": "evt-1", "action_source": "MOBILE_APP",
            "user_data": {"madid": "38400000-8cf0-11bd-b23e-10b96e40000d", "idfv": "v"},
            "app_data": SNAP_APP,
        }
    ),
}  # fmt: skip
WRONG: dict[type, list[Any]] = {
    str: [None, 7, {}],
    int: [None, "7", 1.5, -1, 10**20],
    float: [None, "7", True],
    bool: [None, "true", 1],
    list: [None, {}, "x", [None]],
    dict: [None, [], "x"],
}
MAY_BE_EMPTY = {"search_string", "description", "content_name", "content_category", "brand"}
ANY_NUMBER = {"num_items", "quantity"}  # of TikTok no bounds are known


def fields(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    yield path
    inside = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, held in inside:
        yield from fields(held, (*path, key))


def changed(value: Any, path: tuple[Any, ...], new: Any) -> Any:
    if not path:
        return new
    if isinstance(value, list):
        return [changed(held, path[1:], new) if n == path[0] else held for n, held in enumerate(value)]
    return {**value, path[0]: changed(value.get(path[0]), path[1:], new)}


def at(value: Any, path: tuple[Any, ...]) -> Any:
    for key in path:
        value = value[key]
    return value


def broken(body: Any, path: tuple[Any, ...], *, free: bool) -> Iterator[Any]:
    """The body with this field in every wrong form, and with a key too many."""
    held = at(body, path)
    for new in WRONG[type(held)]:
        if not (free and path and path[-1] in ANY_NUMBER and new in (-1, 10**20)):
            yield changed(body, path, new)
    if isinstance(held, str) and not (free and path[-1] in MAY_BE_EMPTY) and "extinfo" not in path:
        yield changed(body, path, "")
    own = path[-1:] == ("custom_data",) or (free and "properties" in path)  # there keys of your own are taken
    if isinstance(held, dict) and not own:
        yield changed(body, (*path, "surplus"), "x")


def every(bodies: dict[str, Any]) -> list[Any]:
    named = [(name, path) for name, body in bodies.items() for path in fields(body)]
    return [pytest.param(name, path, id=".".join(map(str, (name, *path)))) for name, path in named]


@pytest.mark.parametrize("source", TIKTOK)
def test_the_full_request_for_tiktok_is_sound(source: str) -> None:
    with a_sandbox() as sandbox:
        assert to_tiktok(sandbox, TIKTOK[source]).json()["code"] == 0


def test_the_full_request_for_reddit_is_sound() -> None:
    with a_sandbox() as sandbox:
        assert to_reddit(sandbox, REDDIT["website"]).status_code == 200


@pytest.mark.parametrize("source", META)
def test_the_full_request_for_meta_is_sound(source: str) -> None:
    with a_sandbox() as sandbox:
        assert to_meta(sandbox, META[source]).status_code == 200


@pytest.mark.parametrize(("source", "path"), every(META))
def test_a_field_for_meta_in_a_wrong_form_is_refused(source: str, path: tuple[Any, ...]) -> None:
    with a_sandbox() as sandbox:
        for body in broken(META[source], path, free=False):
            assert to_meta(sandbox, body).status_code == 400, at(body, path)
        assert sandbox.received + sandbox.test_events == []


@pytest.mark.parametrize(("source", "path"), every(TIKTOK))
def test_a_field_for_tiktok_in_a_wrong_form_is_refused(source: str, path: tuple[Any, ...]) -> None:
    with a_sandbox() as sandbox:
        for body in broken(TIKTOK[source], path, free=True):
            assert to_tiktok(sandbox, body).json()["code"] in (40000, 40002, 40062, 40063), at(body, path)
        assert sandbox.received + sandbox.test_events == []


@pytest.mark.parametrize(("source", "path"), every(REDDIT))
def test_a_field_for_reddit_in_a_wrong_form_is_refused(source: str, path: tuple[Any, ...]) -> None:
    with a_sandbox() as sandbox:
        for body in broken(REDDIT[source], path, free=False):
            assert to_reddit(sandbox, body).status_code == 400, at(body, path)
        assert sandbox.received + sandbox.test_events == []


@pytest.mark.parametrize("source", SNAPCHAT)
def test_the_full_request_for_snapchat_is_sound(source: str) -> None:
    with a_sandbox() as sandbox:
        assert to_snapchat(sandbox, SNAPCHAT[source]).json()["status"] == "VALID"


@pytest.mark.parametrize(("source", "path"), every(SNAPCHAT))
def test_a_field_for_snapchat_in_a_wrong_form_is_refused(source: str, path: tuple[Any, ...]) -> None:
    fact = "extinfo" in path and path[-1] not in ("extinfo", 0)  # where empty text means that it is not known
    with a_sandbox() as sandbox:
        for body in broken(SNAPCHAT[source], path, free=False):
            if not (fact and at(body, path) == ""):
                assert to_snapchat(sandbox, body).json()["status"] == "INVALID", at(body, path)
        assert sandbox.received + sandbox.test_events == []
