"""Signs in to Google with google-auth, which gets our own function to send its requests with.

https://developers.google.com/identity/protocols/oauth2
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import msgspec

from target_adpostbacks.core.answers import Access, NoAccess, Outcome, Request, Response, Send, Verdict, by_status
from target_adpostbacks.core.payloads import as_number
from target_adpostbacks.networks._google_ads.settings import GoogleAdsSettings, key_file

if TYPE_CHECKING:
    from google.auth.credentials import Credentials

TOKEN_URI = "https://oauth2.googleapis.com/token"  # noqa: S105 - no secret
FOR_NOW = frozenset({"internal_failure", "server_error", "temporarily_unavailable"})
"""Errors of OAuth that say nothing of the credentials, whatever their HTTP status."""
UNSAID_SECONDS, MOST_SECONDS = 300, 86_400
"""How long an access token is used whose answer does not say how long it is good; and at most."""


def sign_in(settings: GoogleAdsSettings, scope: str, place: Callable[[str], str], send: Send) -> Access:
    """An access token. ``place``: an endpoint's URL, with ``base_url`` applied. Raises NoAccess."""
    from google.auth.exceptions import GoogleAuthError

    answers: list[Mapping[str, Any]] = []

    def request(url: str, method: str = "GET", body: Any = None, headers: Any = None, **_: Any) -> _Answer:
        response = send(Request(url=place(url), method=method, headers=dict(headers or {}), body=body))
        answers.append(_token(response))
        return _Answer(response, answers[-1])

    try:
        credentials = _credentials(settings, scope)
        credentials.refresh(request)  # type: ignore[no-untyped-call]
    except (GoogleAuthError, ValueError) as error:  # of google-auth's own: its text may hold a value
        message = f"signing in: google-auth can't use the credentials ({type(error).__name__})"
        raise NoAccess(Outcome(Verdict.CREDENTIALS, "", message, shared=True)) from None
    token = str(credentials.token)
    seconds = answers[-1]["expires_in"]
    return Access({"Authorization": f"Bearer {token}"}, seconds, token)


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

    def __init__(self, response: Response, body: Mapping[str, Any]) -> None:
        self.status = response.status
        self.headers = response.headers
        self.data = msgspec.json.encode(body)


def _token(response: Response) -> Mapping[str, Any]:
    """The token of an answer; raises NoAccess for one without, before google-auth waits and asks again."""
    body = response.body if isinstance(response.body, Mapping) else {}
    token = body.get("access_token")
    if response.status == 200 and isinstance(token, str) and token.isascii() and token.isprintable() and token.strip():
        seconds = as_number(body.get("expires_in")) or 0
        return {"access_token": token, "expires_in": min(seconds, MOST_SECONDS) if seconds > 0 else UNSAID_SECONDS}
    error, description = (body.get(name) for name in ("error", "error_description"))
    code = error if isinstance(error, str) else ""
    told = description if isinstance(description, str) else "" if response.status != 200 else "no access token"
    outcome = Outcome(_verdict(response.status, code), code, f"signing in: {told or response.status}", shared=True)
    raise NoAccess(outcome, response.status, response.headers.get("retry-after", ""))


def _verdict(status: int, code: str) -> Verdict:
    verdict = by_status(status)
    if verdict in (Verdict.ACCEPTED, Verdict.TRANSIENT, Verdict.THROTTLED) or code in FOR_NOW:
        return Verdict.THROTTLED if verdict is Verdict.THROTTLED else Verdict.TRANSIENT
    # A refusal without OAuth's word comes from a portal or a proxy.
    return Verdict.CREDENTIALS if code or verdict is Verdict.CREDENTIALS else Verdict.TRANSIENT
