"""Sound requests for the sandbox, of which a test changes what it is about."""

import hashlib
from datetime import datetime, timezone
from typing import Any

import requests

from target_adpostbacks.sandbox import Sandbox

NOW = datetime(2026, 11, 20, 12, 5, tzinfo=timezone.utc)
SECONDS = 1795176000
PIXEL_CODE, PIXEL_ID = "D7VH38JC77U3LFDOLGRG", "a2_demo1234"
TRACK, EVENTS = "/open_api/v1.3/event/track/", f"/api/v3/pixels/{PIXEL_ID}/conversion_events"
EMAIL = hashlib.sha256(b"user@example.com").hexdigest()
DATA_SET = "123456789012345"
SNAP_PIXEL = "0f2e6c1a-5b3d-4c8e-9a7f-1d2c3b4a5e6f"
AGENT = "server:example:1.0 (by /u/example)"

Event = dict[str, Any]


def a_sandbox(**changes: Any) -> Sandbox:
    return Sandbox(**{"now": lambda: NOW, **changes})


def tiktok_event(event_id: Any = "evt-1", **changes: Any) -> Event:
    event = {"event": "Purchase", "event_time": SECONDS, "event_id": event_id, "user": {"ttclid": "E.C.P.abc"}}
    return {**event, **changes}


def reddit_event(event_id: Any = "evt-1", **changes: Any) -> Event:
    event = {
        "event_at": SECONDS * 1000,
        "action_source": "WEBSITE",
        "click_id": "3184742045291813272",
        "type": {"tracking_type": "PURCHASE"},
        "metadata": {"conversion_id": event_id},
    }
    return {**event, **changes}


def without(event: Event, key: str) -> Event:
    return {name: value for name, value in event.items() if name != key}


def tiktok_body(*events: Any, **changes: Any) -> dict[str, Any]:
    return {"event_source": "web", "event_source_id": PIXEL_CODE, "data": list(events), **changes}


def to_tiktok(
    sandbox: Sandbox, body: Any, *, headers: dict[str, str] | None = None, path: str = TRACK, timeout: float = 5
) -> requests.Response:
    sent = {"Access-Token": "good", **(headers or {})}
    return requests.post(sandbox.url + path, json=body, headers=sent, timeout=timeout, allow_redirects=False)


def to_reddit(
    sandbox: Sandbox, body: Any, *, headers: dict[str, str] | None = None, path: str = EVENTS, timeout: float = 5
) -> requests.Response:
    sent = {"Authorization": "Bearer good", "User-Agent": AGENT, **(headers or {})}
    return requests.post(sandbox.url + path, json=body, headers=sent, timeout=timeout, allow_redirects=False)


def reddit_body(*events: Any, **changes: Any) -> dict[str, Any]:
    return {"data": {"events": list(events), **changes}}


def meta_event(event_id: Any = "evt-1", **changes: Any) -> Event:
    event = {
        "event_name": "Lead",
        "event_time": SECONDS,
        "event_id": event_id,
        "action_source": "website",
        "user_data": {"em": [EMAIL]},
    }
    return {**event, **changes}


def meta_body(*events: Any, **changes: Any) -> dict[str, Any]:
    return {"data": list(events), **changes}


def to_meta(
    sandbox: Sandbox, body: Any, *, headers: dict[str, str] | None = None, path: str = f"/v25.0/{DATA_SET}/events"
) -> requests.Response:
    sent = {"Authorization": "Bearer good", **(headers or {})}
    return requests.post(sandbox.url + path, json=body, headers=sent, timeout=5, allow_redirects=False)


def snapchat_event(event_id: Any = "evt-1", **changes: Any) -> Event:
    event = {
        "event_name": "SIGN_UP",
        "event_time": SECONDS,
        "event_id": event_id,
        "action_source": "WEB",
        "event_source_url": "https://play.example.com/",
        "user_data": {"em": [EMAIL]},
    }
    return {**event, **changes}


def snapchat_app_event(event_id: Any = "evt-1", **changes: Any) -> Event:
    app = {"app_id": "1234567890", "advertiser_tracking_enabled": 1, "extinfo": ["i2", *[""] * 15]}
    event = without(snapchat_event(event_id, action_source="MOBILE_APP", app_data=app), "event_source_url")
    return {**event, **changes}


def snapchat_body(*events: Any, **changes: Any) -> dict[str, Any]:
    return {"data": list(events), **changes}


def to_snapchat(
    sandbox: Sandbox, body: Any, *, path: str = f"/v3/{SNAP_PIXEL}/events", token: str = "good"
) -> requests.Response:
    return requests.post(
        sandbox.url + path, params={"access_token": token}, json=body, timeout=5, allow_redirects=False
    )
