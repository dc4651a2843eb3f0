"""What a token endpoint is asked with a refresh token, and what it gives. Its refusals are tested with Google Ads."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qs

import pytest

from target_adpostbacks.core.answers import NoAccess, Request, Response, Verdict
from target_adpostbacks.core.oauth import Token, refreshed

URL = "https://id.example.com/token"


class Endpoint:
    """Sends nothing: answers each request as it is told to."""

    def __init__(self, status: int = 200, **body: Any) -> None:
        self.answer = Response(status=status, body=body)
        self.seen: list[Request] = []

    def __call__(self, request: Request) -> Response:
        self.seen.append(request)
        return self.answer


@pytest.mark.parametrize(
    ("secret", "scope", "sent"),
    [("s&c", "a.b offline", {"client_secret": ["s&c"], "scope": ["a.b offline"]}), (None, "", {})],
)
def test_a_refresh_token_is_sent_as_a_form_with_what_there_is(
    secret: str | None, scope: str, sent: dict[str, Any]
) -> None:
    endpoint = Endpoint(access_token="at")
    refreshed(endpoint, URL, refresh_token="r t+1", client_id="client-1", client_secret=secret, scope=scope)
    (request,) = endpoint.seen
    assert (request.url, request.method) == (URL, "POST")
    assert request.headers == {"Content-Type": "application/x-www-form-urlencoded"}
    assert isinstance(request.body, bytes)
    form = parse_qs(request.body.decode(), strict_parsing=True)
    assert form == {"grant_type": ["refresh_token"], "client_id": ["client-1"], "refresh_token": ["r t+1"], **sent}


@pytest.mark.parametrize(
    ("given", "kept"), [({"refresh_token": "new"}, "new"), ({}, ""), ({"refresh_token": ["x"]}, "")]
)
def test_access_comes_with_its_seconds_and_perhaps_a_new_refresh_token(given: dict[str, Any], kept: str) -> None:
    endpoint = Endpoint(access_token="at", expires_in=60, **given)
    answer = refreshed(endpoint, URL, refresh_token="old", client_id="client-1")
    assert answer == Token("at", 60, kept)
    assert answer.access.headers == {"Authorization": "Bearer at"}


def test_an_endpoint_at_loopback_is_asked_without_tls() -> None:
    endpoint = Endpoint(access_token="at")
    refreshed(endpoint, "http://127.0.0.1:8765/token", refresh_token="old", client_id="client-1")
    assert endpoint.seen[0].url == "http://127.0.0.1:8765/token"


def test_a_refused_refresh_token_is_the_credentials_fault() -> None:
    with pytest.raises(NoAccess) as refused:
        refreshed(Endpoint(400, error="invalid_grant"), URL, refresh_token="old", client_id="client-1")
    assert (refused.value.outcome.verdict, refused.value.outcome.code) == (Verdict.CREDENTIALS, "invalid_grant")
