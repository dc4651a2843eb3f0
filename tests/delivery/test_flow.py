"""Requests that build on one another: a token for a code, then what the token may see."""

from __future__ import annotations

import pytest

from target_adpostbacks.core.answers import Flow, Request
from target_adpostbacks.delivery.flow import drive
from target_adpostbacks.delivery.transport import HttpTransport, Unreachable
from target_adpostbacks.sandbox import Sandbox


def authorize(url: str, auth_code: str) -> Flow[tuple[str, list[str]]]:
    """TikTok's OAuth: a code becomes a token, which lists the pixels of its first advertiser."""
    body = {"app_id": "1", "secret": "s", "auth_code": auth_code}
    answer = yield Request(
        url=f"{url}/open_api/v1.3/oauth2/access_token/", headers={"Content-Type": "application/json"}, body=body
    )
    if answer.body["code"] != 0:
        return "", []
    token, advertiser = answer.body["data"]["access_token"], answer.body["data"]["advertiser_ids"][0]
    answer = yield Request(
        url=f"{url}/open_api/v1.3/pixel/list/",
        method="GET",
        query={"advertiser_id": advertiser},
        headers={"Access-Token": token},
    )
    return token, [pixel["pixel_code"] for pixel in answer.body["data"]["pixels"]]


def test_each_request_of_a_flow_is_built_from_the_answer_before_it() -> None:
    with Sandbox(tokens=[]) as sandbox:
        token, pixels = drive(authorize(sandbox.url, "code-1"), HttpTransport(), 60)
        assert token.startswith("sandbox")
        assert pixels == ["D7VH38JC77U3LFDOLGRG", "C4QR19SBNV8A1TKMWXYZ"]
        assert [request["method"] for request in sandbox.requests] == ["POST", "GET"]


def test_a_flow_ends_where_it_likes() -> None:
    with Sandbox() as sandbox:
        assert drive(authorize(sandbox.url, "invalid"), HttpTransport(), 60) == ("", [])
        assert len(sandbox.requests) == 1


def test_a_flow_without_an_answer_is_closed_and_says_so() -> None:
    closed = []

    def flow() -> Flow[None]:
        try:
            yield Request(url="http://127.0.0.1:1/")
        finally:
            closed.append(True)

    with pytest.raises(Unreachable, match="connection refused"):
        drive(flow(), HttpTransport(), 60)
    assert closed
