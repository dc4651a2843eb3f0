"""Offline conversions: ``OfflineConversions/Apply`` of the Campaign Management API. Each item has its own verdict.

https://learn.microsoft.com/en-us/advertising/campaign-management-service/applyofflineconversions
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from typing import Any

import msgspec

from target_adpostbacks.core import match_keys as keys
from target_adpostbacks.core import oauth, phones
from target_adpostbacks.core.answers import (
    JSON,
    Access,
    Flow,
    Outcome,
    Request,
    Response,
    Send,
    Skip,
    Verdict,
    by_code,
)
from target_adpostbacks.core.conversion import Conversion
from target_adpostbacks.core.payloads import prune
from target_adpostbacks.networks._microsoft_ads import person
from target_adpostbacks.networks._microsoft_ads.settings import MicrosoftAdsSettings

URL = "https://campaign.api.bingads.microsoft.com/CampaignManagement/v13/OfflineConversions/Apply"
TOKEN_URL = "https://login.microsoftonline.com/common/oauth2/v2.0/token"  # noqa: S105 - no secret
SCOPE = "https://ads.microsoft.com/msads.manage offline_access"
MAX_AGE = timedelta(days=90)
MATCH_RULE = "msclkid, email or phone"
THROTTLED_SECONDS = 60
TOKEN_EXPIRED = "109"  # noqa: S105 - no secret

CODES: Mapping[str, Verdict] = {
    **dict.fromkeys(("105", "106", TOKEN_EXPIRED, "208", "5613"), Verdict.CREDENTIALS),
    **dict.fromkeys(("117", "207"), Verdict.THROTTLED),
    **dict.fromkeys(("0", "5612"), Verdict.TRANSIENT),
    **dict.fromkeys(map(str, (*range(5601, 5612), *range(5614, 5617), *range(5618, 5628))), Verdict.REJECTED),
}
URGENT = (Verdict.CREDENTIALS, Verdict.THROTTLED, Verdict.TRANSIENT, Verdict.REJECTED)
"""Which of several errors of a request counts: the first."""
OF_THE_REQUEST = ("Errors", "OperationErrors", "BatchErrors")
"""What an answer may call its list of errors of the whole request."""
MATCH_KEYS: Mapping[str, str] = {"MicrosoftClickId": "msclkid", "HashedEmailAddress": "em", "HashedPhoneNumber": "ph"}


def payload(c: Conversion, settings: MicrosoftAdsSettings, goal: str, click_id: str | None) -> dict[str, JSON]:
    """May raise Skip."""
    identifiers = prune(
        {
            "MicrosoftClickId": click_id,
            "HashedEmailAddress": keys.first_hashed(c.email, person.offline_email),
            "HashedPhoneNumber": keys.first_hashed(c.phone, phones.e164, settings.country_codes(c.country)),
        }
    )
    if not identifiers:
        raise Skip("no_match_key", f"needed: {MATCH_RULE}")
    return {
        "ConversionName": goal,
        "ConversionTime": f"{c.event_time:%Y-%m-%dT%H:%M:%SZ}",
        **identifiers,
        **prune({"ConversionValue": c.value, "ConversionCurrencyCode": c.currency}),
    }


def match_keys(payload: Mapping[str, JSON]) -> list[str]:
    return [name for field, name in MATCH_KEYS.items() if field in payload]


def request(url: str, settings: MicrosoftAdsSettings, items: Sequence[JSON]) -> Request:
    """``url``: with ``base_url`` applied."""
    return Request(
        url=url,
        headers={
            "DeveloperToken": settings.developer_token or "",
            "CustomerId": settings.customer_id or "",
            "CustomerAccountId": settings.account_id or "",
            "Content-Type": "application/json",
        },
        body={"OfflineConversions": items},
    )


def sign_in(url: str, settings: MicrosoftAdsSettings, send: Send) -> Access:
    """Access, and the refresh token that replaces the one used. Raises NoAccess."""
    return oauth.refreshed(
        send,
        url,
        refresh_token=settings.refresh_token or "",
        client_id=settings.client_id or "",
        client_secret=settings.client_secret,
        scope=SCOPE,
    ).access


def ended(response: Response) -> bool:
    """Whether an answer says, in whatever place, that the access has ended."""
    return response.status == 401 or any(_code(error) == TOKEN_EXPIRED for error in _errors(response.body))


def check(url: str, settings: MicrosoftAdsSettings) -> Flow[Outcome]:
    """A request without items: refused for that, the credentials are good (unconfirmed)."""
    response = yield request(url, settings, [])
    outcome = _of_request(response)
    return Outcome(Verdict.ACCEPTED) if outcome.verdict is Verdict.REJECTED and outcome.code else outcome


def outcomes(response: Response, count: int) -> list[Outcome]:
    body = response.body
    if not 200 <= response.status < 300:
        return [_of_request(response)] * count
    if not isinstance(body, Mapping):
        is_page = isinstance(body, str) and body.lstrip().startswith("<")
        verdict = Verdict.TRANSIENT if is_page else Verdict.NO_ANSWER
        return [Outcome(verdict, message="no JSON object in the answer", shared=True)] * count
    if any(body.get(name) for name in OF_THE_REQUEST):
        return [_of_request(msgspec.structs.replace(response, status=400))] * count
    listed = body.get("PartialErrors", False)
    errors = [each for each in listed if each is not None] if isinstance(listed, list) else []
    named = {error["Index"]: _of_item(error) for error in reversed(errors) if _names_one(error, count)}
    rest = Outcome(Verdict.ACCEPTED)
    if listed is not None and not isinstance(listed, list):
        rest = Outcome(Verdict.REJECTED, message="no PartialErrors in the answer", reason="unconfirmed")
    elif not all(_names_one(error, count) for error in errors):
        rest = Outcome(Verdict.REJECTED, message="an error that names no conversion", reason="unconfirmed")
    return [named.get(index, rest) for index in range(count)]


def _names_one(error: Any, count: int) -> bool:
    index = error.get("Index") if isinstance(error, Mapping) else None
    return type(index) is int and 0 <= index < count


def _of_item(error: Mapping[str, Any]) -> Outcome:
    code = _code(error)
    return Outcome(by_code(code, 400, CODES), code, _told(error))


def _of_request(response: Response) -> Outcome:
    """Of a refusal of the whole request the most urgent error."""
    status = response.status
    read = [Outcome(by_code(_code(e), status, CODES), _code(e), _told(e), shared=True) for e in _errors(response.body)]
    if not read:
        return Outcome(by_code("", status, CODES), shared=True)
    return min(read, key=lambda outcome: URGENT.index(outcome.verdict))


def _errors(body: Any) -> Iterator[Mapping[str, Any]]:
    for name in OF_THE_REQUEST:
        errors = body.get(name) if isinstance(body, Mapping) else None
        yield from (each for each in errors if isinstance(each, Mapping)) if isinstance(errors, list) else ()


def _code(error: Mapping[str, Any]) -> str:
    code = error.get("Code")
    return str(code)[:100] if isinstance(code, (int, str)) and not isinstance(code, bool) else ""


def _told(error: Mapping[str, Any]) -> str:
    words = (error.get("ErrorCode"), error.get("Message"))
    return ": ".join(word for word in words if isinstance(word, str) and word)


def request_id(response: Response) -> str:
    tracking_id = response.body.get("TrackingId") if isinstance(response.body, Mapping) else None
    return tracking_id if isinstance(tracking_id, str) else ""
