"""Google Ads API: ``uploadClickConversions`` and ``uploadConversionAdjustments``. Each row has its own verdict.

https://developers.google.com/google-ads/api/docs/conversions/upload-offline
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from target_adpostbacks.core.answers import JSON, Outcome, Response, Verdict
from target_adpostbacks.core.conversion import Conversion
from target_adpostbacks.core.payloads import as_number, as_text, prune
from target_adpostbacks.networks._google_ads import person
from target_adpostbacks.networks._google_ads.errors import (
    Error,
    by_status_alone,
    details,
    error_of,
    mappings,
    seconds,
    text,
    worst,
)
from target_adpostbacks.networks._google_ads.settings import GoogleAdsSettings, digits

SCOPE = "https://www.googleapis.com/auth/adwords"
URL = "https://googleads.googleapis.com/{api_version}/customers/{customer_id}:{method}"
CONVERSIONS, ADJUSTMENTS = "uploadClickConversions", "uploadConversionAdjustments"

MOST_IDENTIFIERS = 5
ENVIRONMENTS = {"web": "WEB", "app": "APP"}
CUSTOMER_TYPES = frozenset({"NEW", "RETURNING"})
CONSENT = {True: "GRANTED", "granted": "GRANTED"}

CODES: Mapping[str, Verdict] = {
    **dict.fromkeys(
        ("CLICK_CONVERSION_ALREADY_EXISTS", "ORDER_ID_ALREADY_IN_USE", "CONVERSION_ALREADY_RETRACTED"),
        Verdict.ACCEPTED,
    ),
    **dict.fromkeys(
        "CUSTOMER_NOT_ACCEPTED_CUSTOMER_DATA_TERMS CUSTOMER_NOT_ENABLED_ENHANCED_CONVERSIONS_FOR_LEADS "
        "UNAUTHORIZED_CUSTOMER".split(),
        Verdict.CREDENTIALS,
    ),
    **dict.fromkeys(("TOO_RECENT_EVENT", "TOO_RECENT_CONVERSION_ACTION", "TOO_RECENT_CONVERSION"), Verdict.TRANSIENT),
}
"""What codes of uploads mean; those that are not listed are refusals. An "already" says that Google has it."""
KINDS: Mapping[str, Verdict] = {
    **dict.fromkeys(
        ("authenticationError", "authorizationError", "headerError", "notAllowlistedError"), Verdict.CREDENTIALS
    ),
    "quotaError": Verdict.THROTTLED,
    "internalError": Verdict.TRANSIENT,
}
"""What errors of a kind mean, whichever they are."""
ROWS = ("conversions", "conversion_adjustments")

_RESOURCE = re.compile(r"customers/[0-9]+/conversionCustomVariables/[0-9]+").fullmatch


def time(utc: datetime) -> str:
    """``'2026-11-20 12:01:02+00:00'``."""
    return f"{utc.isoformat(sep=' ', timespec='seconds')[:19]}+00:00"


def action_name(settings: GoogleAdsSettings, action: str) -> str:
    return f"customers/{digits(settings.customer_id)}/conversionActions/{action}"


def conversion(
    c: Conversion, settings: GoogleAdsSettings, action: str, click: tuple[str, str] | None, order_id: str
) -> dict[str, JSON]:
    """``click``: the name of a click id, and the id."""
    row: dict[str, JSON] = {"conversionAction": action_name(settings, action), "conversionDateTime": time(c.event_time)}
    if order_id:
        row["orderId"] = order_id
    if click:
        row[click[0]] = click[1]
    if c.value is not None:
        row["conversionValue"] = c.value
    if c.currency:
        row["currencyCode"] = c.currency
    if environment := ENVIRONMENTS.get(c.event_source):
        row["conversionEnvironment"] = environment
    granted = settings.default_ad_user_data if c.ad_user_data is None else c.ad_user_data
    if granted in CONSENT:
        row["consent"] = {"adUserData": CONSENT[granted]}
    if persons := _user_identifiers(c, settings):
        row["userIdentifiers"] = persons
    if c.contents and (not click or click[0] == "gclid") and (cart := _cart(c, settings)):
        row["cartData"] = cart
    if c.properties:
        row |= _of_properties(c)
    return row


def _of_properties(c: Conversion) -> dict[str, JSON]:
    variables = [
        {"conversionCustomVariable": variable, "value": value}
        for variable, value in person.custom_variables(c)
        if _RESOURCE(variable)
    ]
    return prune({"customVariables": variables, "customerType": _customer_type(c)})


def adjustment(c: Conversion, settings: GoogleAdsSettings, action: str, order_id: str) -> dict[str, JSON]:
    """A retraction, or a restatement with its new value. Every conversion that we send has an order id."""
    adjusted_at = c.adjustment_time or c.event_time
    restated = c.adjustment == "restate"
    return prune(
        {
            "conversionAction": action_name(settings, action),
            "adjustmentType": "RESTATEMENT" if restated else "RETRACTION",
            "adjustmentDateTime": time(adjusted_at),
            "orderId": order_id,
            "restatementValue": {"adjustedValue": c.value, "currencyCode": c.currency} if restated else {},
        }
    )


def _user_identifiers(c: Conversion, settings: GoogleAdsSettings) -> list[dict[str, JSON]]:
    """E-mail addresses and phone numbers only; each object has exactly one."""
    source = {"userIdentifierSource": "FIRST_PARTY"}
    contacts = [
        *({**source, "hashedEmail": digest} for digest in person.emails(c)),
        *(
            {**source, "hashedPhoneNumber": digest}
            for digest in person.phone_numbers(c, settings.country_codes(c.country))
        ),
    ]
    return contacts[:MOST_IDENTIFIERS]


def _cart(c: Conversion, settings: GoogleAdsSettings) -> dict[str, JSON]:
    items = [
        prune({"productId": item.id, "quantity": item.quantity or None, "unitPrice": item.price})
        for item in c.contents
        if item.id
    ]
    if not items:
        return {}
    return prune(
        {
            "merchantId": settings.merchant_id,
            "feedCountryCode": settings.merchant_feed_label,
            "feedLanguageCode": settings.merchant_feed_language,
            "localTransactionCost": as_number(c.properties.get("discount")),
            "items": items,
        }
    )


def _customer_type(c: Conversion) -> str | None:
    kind = (as_text(c.properties.get("customer_type")) or "").upper()
    return kind if kind in CUSTOMER_TYPES else None


def match_keys(payload: Mapping[str, JSON]) -> Iterator[str]:
    yield from (name for name in ("gclid", "gbraid", "wbraid") if name in payload)
    names = {"hashedEmail": "email", "hashedPhoneNumber": "phone"}
    held = dict.fromkeys(key for identifier in payload.get("userIdentifiers", ()) for key in identifier)
    yield from (names[key] for key in held if key in names)


def outcomes(response: Response, count: int, *, validated: bool = False) -> list[Outcome]:
    """``validated``: the request was a validateOnly one, whose answer has no results."""
    error, body = error_of(response.body), response.body
    if error is not None or not 200 <= response.status < 300:
        return [_outcome(_of_request(response, error), shared=True)] * count
    if validated and body == {}:
        return [Outcome(Verdict.ACCEPTED)] * count
    body = body if isinstance(body, Mapping) else {}
    results, failure = body.get("results"), body.get("partialFailureError")
    if not isinstance(results, list) and failure is None:
        return [Outcome(Verdict.TRANSIENT, message="no results in the answer", shared=True)] * count
    taken = [bool(result) for result in results[:count]] if isinstance(results, list) else []
    taken += [False] * (count - len(taken))
    errors = [*_of_rows(failure)]
    if all(taken) and (unnamed := [error for error in errors if error.row is None]):
        # Every row has a result, and still something went wrong: what was taken says so when it comes again.
        return [Outcome(Verdict.TRANSIENT, unnamed[0].code, unnamed[0].message, shared=True)] * count
    return [_of_row(index, errors, is_taken=is_taken) for index, is_taken in enumerate(taken)]


def _of_row(index: int, errors: list[Error], *, is_taken: bool) -> Outcome:
    """The worst of a row's own errors; without one, those that name no row, where it has no result."""
    if own := [error for error in errors if error.row == index]:
        return _outcome(worst(own))
    if is_taken:
        return Outcome(Verdict.ACCEPTED)
    if unnamed := [error for error in errors if error.row is None]:
        return _outcome(worst(unnamed))
    return Outcome(Verdict.TRANSIENT, message="neither a result nor an error for it")


def _outcome(error: Error, *, shared: bool = False) -> Outcome:
    message = "Google has it already" if error.verdict is Verdict.ACCEPTED else error.message
    return Outcome(error.verdict, error.code, message, shared=shared, later=error.later)


def _of_rows(failure: Any) -> Iterator[Error]:
    """A partial failure's errors, at least one; nothing where there is none, or its code is 0."""
    code = failure.get("code") if isinstance(failure, Mapping) else failure
    if failure is None or (code == 0 and code is not False):
        return
    status = failure if isinstance(failure, Mapping) else {}
    errors = [*_errors(status)]
    # Without details the code of google.rpc is all there is: 3 is a bad argument.
    yield from errors or [Error(Verdict.REJECTED if code == 3 else Verdict.TRANSIENT, "", text(status.get("message")))]


def _of_request(response: Response, error: Mapping[str, Any] | None) -> Error:
    verdict = by_status_alone(response)
    word, message = text((error or {}).get("status")), text((error or {}).get("message"))
    errors = [*_errors(error)]
    if not errors:
        return Error(verdict, word, message)
    bad = worst(errors)
    if verdict is Verdict.REJECTED and bad.verdict is not Verdict.ACCEPTED:
        verdict = bad.verdict
    return Error(verdict, bad.code or word, bad.message or message)


def _errors(status: Mapping[str, Any] | None) -> Iterator[Error]:
    """The errors of a GoogleAdsFailure in a status' details."""
    for failure in details(status):
        for error in mappings(failure.get("errors")):
            code = error.get("errorCode")
            kind, value = next(iter(code.items()), ("", "")) if isinstance(code, Mapping) else ("", "")
            value = str(value)[:100]
            index, field = _place(error.get("location"))
            verdict = CODES.get(value) or KINDS.get(kind, Verdict.REJECTED)
            if kind == "notAllowlistedError" and field:  # only one optional field is not for this account
                verdict = Verdict.REJECTED
            told = ": ".join(filter(None, (field, text(error.get("message")))))
            yield Error(verdict, value, told, index, later=CODES.get(value) is Verdict.TRANSIENT)


def _place(location: Any) -> tuple[int | None, str]:
    """The row, and the field of it: ``(1, 'conversion_action')``."""
    row, fields = None, []
    for element in mappings(location.get("fieldPathElements")) if isinstance(location, Mapping) else ():
        name, index = text(element.get("fieldName")), element.get("index")
        if name in ROWS and row is None:
            row = index if type(index) is int and index >= 0 else None
        elif name:
            fields.append(name)
    return row, ".".join(fields)


def delays(response: Response) -> Iterator[str]:
    """What the answer says about when to try again, in seconds."""
    body = response.body
    failure = body.get("partialFailureError") if isinstance(body, Mapping) else None
    for status in (error_of(body), failure if isinstance(failure, Mapping) else None):
        for detail in details(status):
            yield seconds(detail.get("retryDelay"))  # google.rpc.RetryInfo
            for error in mappings(detail.get("errors")):
                quota = (error.get("details") or {}) if isinstance(error.get("details"), Mapping) else {}
                quota = quota.get("quotaErrorDetails")
                yield seconds(quota.get("retryDelay")) if isinstance(quota, Mapping) else ""


def request_id(response: Response) -> str:
    told = (text(detail.get("requestId")) for detail in details(error_of(response.body)))
    return response.headers.get("request-id", "") or next(filter(None, told), "")
