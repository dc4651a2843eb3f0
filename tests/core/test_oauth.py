"""What a token endpoint is asked, and what it gives. What its refusals mean is tested with Google Ads."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qs

import pytest

from target_adpostbacks.core.answers import Response
from target_adpostbacks.core.oauth import Token, refresh, token


@pytest.mark.parametrize(
    ("secret", "scope", "sent"),
    [
        ("s&c", "a.b offline", {"client_secret": ["s&c"], "scope": ["a.b offline"]}),
        (None, "", {}),
    ],
)
def test_a_refresh_token_is_sent_as_a_form_with_what_there_is(
    secret: str | None, scope: str, sent: dict[str, Any]
) -> None:
    request = refresh("https://id.example.com/token", "client-1", secret, "r t+1", scope)
    assert request.headers == {"Content-Type": "application/x-www-form-urlencoded"}
    assert isinstance(request.body, bytes)
    form = parse_qs(request.body.decode(), strict_parsing=True)
    assert form == {"grant_type": ["refresh_token"], "client_id": ["client-1"], "refresh_token": ["r t+1"], **sent}


@pytest.mark.parametrize(
    ("given", "kept"), [({"refresh_token": "new"}, "new"), ({}, ""), ({"refresh_token": ["x"]}, "")]
)
def test_a_new_refresh_token_comes_along(given: dict[str, Any], kept: str) -> None:
    answer = token(Response(status=200, body={"access_token": "at", "expires_in": 60, **given}))
    assert answer == Token("at", 60, kept)
    assert answer.access.headers == {"Authorization": "Bearer at"}
