"""Signs in to Google with google-auth, which gets our own function to send its requests with.

https://developers.google.com/identity/protocols/oauth2
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import msgspec

from target_adpostbacks.core.answers import Access, NoAccess, Outcome, Request, Response, Send, Verdict
from target_adpostbacks.core.oauth import Token, token
from target_adpostbacks.networks._google_ads.settings import GoogleAdsSettings, key_file

if TYPE_CHECKING:
    from google.auth.credentials import Credentials

TOKEN_URI = "https://oauth2.googleapis.com/token"  # noqa: S105 - no secret


def sign_in(settings: GoogleAdsSettings, scope: str, place: Callable[[str], str], send: Send) -> Access:
    """An access token. ``place``: an endpoint's URL, with ``base_url`` applied. Raises NoAccess."""
    from google.auth.exceptions import GoogleAuthError

    answers: list[Token] = []

    def request(url: str, method: str = "GET", body: Any = None, headers: Any = None, **_: Any) -> _Answer:
        response = send(Request(url=place(url), method=method, headers=dict(headers or {}), body=body))
        answers.append(token(response))  # raises for an answer without, before google-auth waits and asks again
        return _Answer(response, answers[-1])

    try:
        credentials = _credentials(settings, scope)
        credentials.refresh(request)  # type: ignore[no-untyped-call]
    except (GoogleAuthError, ValueError) as error:  # of google-auth's own: its text may hold a value
        message = f"signing in: google-auth can't use the credentials ({type(error).__name__})"
        raise NoAccess(Outcome(Verdict.CREDENTIALS, "", message, shared=True)) from None
    return answers[-1].access


def _credentials(settings: GoogleAdsSettings, scope: str) -> Credentials:
    if settings.service_account_json:
        from google.oauth2 import service_account

        info = key_file(settings.service_account_json)
        made: Credentials = service_account.Credentials.from_service_account_info(info, scopes=[scope])  # type: ignore[no-untyped-call]
        return made
    from google.oauth2 import credentials

    return credentials.Credentials(  # type: ignore[no-untyped-call]
        None,
        refresh_token=settings.refresh_token,
        token_uri=TOKEN_URI,
        client_id=settings.oauth_client_id,
        client_secret=settings.oauth_client_secret,
    )


class _Answer:
    """What google-auth reads of an answer: ``google.auth.transport.Response``."""

    def __init__(self, response: Response, given: Token) -> None:
        self.status = response.status
        self.headers = response.headers
        self.data = msgspec.json.encode({"access_token": given.access_token, "expires_in": given.seconds})
