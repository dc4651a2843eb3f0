"""OAuth for an installed application: from a user's consent to a refresh token.

https://developers.google.com/identity/protocols/oauth2/native-app
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from urllib.parse import urlencode

from target_adpostbacks.core.answers import Request, Response
from target_adpostbacks.core.connection import App, Connection, NotConnected, Steps
from target_adpostbacks.core.urls import at_base
from target_adpostbacks.networks._google_ads.data_manager import SCOPE
from target_adpostbacks.networks._google_ads.errors import text
from target_adpostbacks.networks._google_ads.oauth import TOKEN_URI


class GoogleConnection(Connection):
    """For the Data Manager API. The account and its conversion actions are the user's to set."""

    is_complete = False
    registered = (
        "Google Cloud console > APIs & Services > Credentials; a client of the type Desktop app needs no address"
    )

    def authorization_url(self, app: App) -> str:
        challenge = base64.urlsafe_b64encode(hashlib.sha256(app.verifier.encode()).digest()).decode().rstrip("=")
        query = {
            "client_id": app.app_id,
            "redirect_uri": app.redirect_uri,
            "response_type": "code",
            "scope": SCOPE,
            "access_type": "offline",  # or there is no refresh token
            "prompt": "consent",  # nor is there one where the user has consented before
            "state": app.state,
            "code_challenge": challenge,
            "code_challenge_method": "S256",
        }
        return f"https://accounts.google.com/o/oauth2/v2/auth?{urlencode(query)}"

    def steps(self, app: App, code: str, base_url: str | None) -> Steps:
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "client_id": app.app_id,
            "client_secret": app.secret,
            "redirect_uri": app.redirect_uri,
            "code_verifier": app.verifier,
        }
        response = yield Request(
            url=at_base(base_url, TOKEN_URI),
            headers={"Content-Type": "application/x-www-form-urlencoded"},
            body=urlencode(form).encode(),
        )
        body = response.body if isinstance(response, Response) and isinstance(response.body, Mapping) else {}
        if not text(body.get("refresh_token")):
            words = ": ".join(filter(None, (text(body.get("error")), text(body.get("error_description")))))
            raise NotConnected(words or "Google's answer has no refresh_token")
        return {
            "oauth_client_id": app.app_id,
            "oauth_client_secret": app.secret,
            "refresh_token": text(body.get("refresh_token")),
        }
