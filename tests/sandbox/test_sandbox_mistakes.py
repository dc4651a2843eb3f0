"""Mistakes that a payload's own code would not notice, made on purpose: the sandbox must."""

from typing import Any

import pytest
from sandbox_calls import (
    SECONDS,
    a_sandbox,
    reddit_body,
    reddit_event,
    tiktok_body,
    tiktok_event,
    to_reddit,
    to_tiktok,
    without,
)

TIKTOK = {
    "wrong type": (tiktok_event(event_id=1001), 40002, "event_id"),
    "unknown key": (tiktok_event(user={"ttclid": "E.C.P.abc", "phone_number": "x"}), 40002, "user.phone_number"),
    "missing match key": (tiktok_event(user={}), 40002, "no match key"),
    "unhashed email": (tiktok_event(user={"email": "user@example.com"}), 40062, "not hashed"),
    "milliseconds for seconds": (tiktok_event(event_time=SECONDS * 1000), 40002, "event_time"),
}
REDDIT = {
    "wrong type": (reddit_event(click_id=3184742045291813272), "click_id"),
    "unknown key": (reddit_event(metadata={"value_decimal": 19.98}), "value_decimal"),
    "missing match key": (without(reddit_event(), "click_id"), "no match key"),
    "unhashed email": (reddit_event(user={"email": "user@example.com"}), "user.email"),
    "seconds for milliseconds": (reddit_event(event_at=SECONDS), "event_at"),
}


@pytest.mark.parametrize(("event", "code", "said"), TIKTOK.values(), ids=TIKTOK.keys())
def test_a_mistake_in_a_payload_for_tiktok_is_refused_by_name(event: Any, code: int, said: str) -> None:
    with a_sandbox() as sandbox:
        answer = to_tiktok(sandbox, tiktok_body(tiktok_event("sound"), event)).json()
        assert answer["code"] == code
        assert said in answer["message"]
        assert "data.1." in answer["message"]
        assert sandbox.received == []


@pytest.mark.parametrize(("event", "said"), REDDIT.values(), ids=REDDIT.keys())
def test_a_mistake_in_a_payload_for_reddit_is_refused(event: Any, said: str) -> None:
    with a_sandbox() as sandbox:
        answer = to_reddit(sandbox, reddit_body(reddit_event("sound"), event))
        assert answer.status_code == 400
        assert said in answer.json()["error"]["message"]
        assert sandbox.received == []
