"""Signs a try of a request with OAuth 1.0a. https://docs.x.com/fundamentals/authentication/oauth-1-0a"""

from __future__ import annotations

from typing import NamedTuple


class Signer(NamedTuple):
    """Who signs: an app and a user of it."""

    client_key: str
    client_secret: str
    resource_owner_key: str
    resource_owner_secret: str


def authorization(method: str, url: str, by: Signer, timestamp: str, nonce: str) -> str:
    """The header that signs one try of a request with OAuth 1.0a, HMAC-SHA1; a JSON body is not part of it.

    oauthlib's own client writes the tokens to the debug log, so its parts are used.
    """
    from oauthlib.oauth1.rfc5849 import parameters, signature

    params = [
        ("oauth_consumer_key", by.client_key),
        ("oauth_nonce", nonce),
        ("oauth_signature_method", "HMAC-SHA1"),
        ("oauth_timestamp", timestamp),
        ("oauth_token", by.resource_owner_key),
        ("oauth_version", "1.0"),
    ]
    bare, _, query = url.partition("?")
    collected = signature.collect_parameters(uri_query=query, headers={}) + params
    base = signature.signature_base_string(
        method, signature.base_string_uri(bare), signature.normalize_parameters(collected)
    )
    signed = signature.sign_hmac_sha1_with_client(base, by)
    header: str = parameters.prepare_headers([*params, ("oauth_signature", signed)])["Authorization"]
    return header
