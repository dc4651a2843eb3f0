"""Access by a refresh token, and what the answers of an OAuth 2.0 token endpoint mean.

https://datatracker.ietf.org/doc/html/rfc6749#section-6
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from target_adpostbacks.core.answers import Access, NoAccess, Outcome, Request, Response, Send, Verdict, by_status
from target_adpostbacks.core.payloads import as_number

FORM = "application/x-www-form-urlencoded"
FOR_NOW = frozenset({"internal_failure", "server_error", "temporarily_unavailable"})
"""Errors that say nothing of the credentials, whatever their HTTP status."""
UNSAID_SECONDS, MOST_SECONDS = 300, 86_400
"""How long an access token is used whose answer does not say how long it is good; and at most."""


class Token(NamedTuple):
    """What a token endpoint gives; ``refresh_token``: empty, where the one that it was asked with stays good."""

    access_token: str
    seconds: float
    refresh_token: str = ""

    @property
    def access(self) -> Access:
        """It, as a header of requests."""
        header = {"Authorization": f"Bearer {self.access_token}"}
        return Access(header, self.seconds, self.access_token, self.refresh_token)


def refreshed(
    send: Send, url: str, *, refresh_token: str, client_id: str, client_secret: str | None = None, scope: str = ""
) -> Token:
    """The token that an endpoint gives for a refresh token. Raises NoAccess, and what ``send`` raises.

    ``url``: with ``base_url`` applied; ``client_secret``: None for a client that has none; ``scope``: empty for all
    that was consented to.
    """
    from oauthlib.oauth2 import WebApplicationClient  # not by every run: it takes a while

    # The body alone: for a whole request oauthlib asks for https, and a base_url at loopback has none.
    body = WebApplicationClient(client_id).prepare_refresh_body(
        refresh_token=refresh_token, scope=scope or None, client_id=client_id, client_secret=client_secret
    )
    return token(send(Request(url=url, headers={"Content-Type": FORM}, body=body.encode())))


def token(response: Response) -> Token:
    """The token of an answer. Raises NoAccess."""
    body = response.body if isinstance(response.body, Mapping) else {}
    if response.status == 200 and (access_token := _usable(body.get("access_token"))):
        seconds = as_number(body.get("expires_in")) or 0
        seconds = min(seconds, MOST_SECONDS) if seconds > 0 else UNSAID_SECONDS
        return Token(access_token, seconds, _usable(body.get("refresh_token")))
    error, description = (body.get(name) for name in ("error", "error_description"))
    code = error if isinstance(error, str) else ""
    told = description if isinstance(description, str) else "" if response.status != 200 else "no access token"
    outcome = Outcome(_verdict(response.status, code), code, f"signing in: {told or response.status}", shared=True)
    raise NoAccess(outcome, response.status, response.headers.get("retry-after", ""))


def _usable(token: object) -> str:
    """A token that fits into a header; empty for anything else."""
    return token if isinstance(token, str) and token.isascii() and token.isprintable() and token.strip() else ""


def _verdict(status: int, code: str) -> Verdict:
    verdict = by_status(status)
    if verdict in (Verdict.ACCEPTED, Verdict.TRANSIENT, Verdict.THROTTLED) or code in FOR_NOW:
        return Verdict.THROTTLED if verdict is Verdict.THROTTLED else Verdict.TRANSIENT
    # A refusal without OAuth's word comes from a portal or a proxy.
    return Verdict.CREDENTIALS if code or verdict is Verdict.CREDENTIALS else Verdict.TRANSIENT
