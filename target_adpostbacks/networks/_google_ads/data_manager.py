"""Data Manager API, ``events:ingest``. https://developers.google.com/data-manager/api/devguides/events

One bad event refuses the whole request. What is accepted is processed later: ``counted`` asks what came of it.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

import msgspec

from target_adpostbacks.core.answers import JSON, Counted, Flow, Outcome, Request, Response, Verdict
from target_adpostbacks.core.conversion import Conversion
from target_adpostbacks.core.payloads import as_integer, as_number, as_text, as_texts, prune
from target_adpostbacks.networks._google_ads import person
from target_adpostbacks.networks._google_ads.errors import (
    Error,
    by_status_alone,
    details,
    error_of,
    mappings,
    text,
    worst,
)
from target_adpostbacks.networks._google_ads.settings import GoogleAdsSettings, digits

SCOPE = "https://www.googleapis.com/auth/datamanager"
URL = "https://datamanager.googleapis.com/v1/events:ingest"
STATUS_URL = "https://datamanager.googleapis.com/v1/requestStatus:retrieve"

MOST_IDENTIFIERS = 10
EVENT_SOURCES = {"web": "WEB", "app": "APP"}
CONSENT = {True: "CONSENT_GRANTED", False: "CONSENT_DENIED", "granted": "CONSENT_GRANTED", "denied": "CONSENT_DENIED"}
CUSTOMER_TYPES = frozenset({"NEW", "RETURNING", "REENGAGED"})
VALUE_BUCKETS = frozenset({"LOW", "MEDIUM", "HIGH"})

OF_THE_ACCOUNT = frozenset(
    "NOT_ALLOWLISTED TERMS_AND_CONDITIONS_NOT_SIGNED USER_PERMISSION_DENIED CLOUD_PROJECT_NOT_APPROVED_FOR_PRODUCTION "
    "ACCESS_TOKEN_SCOPE_INSUFFICIENT SERVICE_DISABLED".split()
)
"""Reasons that are about the account and its rights, whatever HTTP status they come with; and DESTINATION_ACCOUNT_…"""

STATUSES = {"PROCESSING": "processing", "SUCCESS": "success", "PARTIAL_SUCCESS": "partial_success"}
FAILED = frozenset({"FAILED", "FAILURE"})  # the documentation has both

_INDEX = re.compile(r"events\[([0-9]{1,9})\]").search
_NO_FIELD = re.compile(r"(events\.)?events\[[0-9]+\](\.transaction_?id)?", re.IGNORECASE).fullmatch


class _Referring(msgspec.Struct):
    """Of an event what its request says once."""

    references: list[str] = msgspec.field(name="destinationReferences", default_factory=list)


_REFERRING = msgspec.json.Decoder(list[_Referring]).decode


def request_body(
    settings: GoogleAdsSettings, payloads: Sequence[JSON], consent: Mapping[str, str], *, validate_only: bool
) -> dict[str, JSON]:
    """``destinations``: the conversion actions of these events, in the order in which they come."""
    referring = _REFERRING(msgspec.json.encode(payloads))
    actions = dict.fromkeys(reference for event in referring for reference in event.references)
    return {
        "destinations": [_destination(settings, action) for action in actions],
        "encoding": "HEX",
        "validateOnly": validate_only,
        **({"consent": consent} if consent else {}),
        "events": payloads,
    }


def _destination(settings: GoogleAdsSettings, action: str) -> dict[str, JSON]:
    return prune(
        {
            "reference": action,
            "operatingAccount": _account(settings.customer_id),
            "loginAccount": _account(settings.login_customer_id),
            "linkedAccount": _account(settings.linked_customer_id),
            "productDestinationId": action,
        }
    )


def _account(customer_id: str | None) -> dict[str, str]:
    return {"accountType": "GOOGLE_ADS", "accountId": digits(customer_id)} if customer_id else {}


def default_consent(settings: GoogleAdsSettings) -> dict[str, str]:
    """What a request says of events that do not say it themselves."""
    return consent(settings.default_ad_user_data, settings.default_ad_personalization)


def consent(ad_user_data: bool | str | None, ad_personalization: bool | str | None) -> dict[str, str]:
    signals = {"adUserData": ad_user_data, "adPersonalization": ad_personalization}
    return {name: CONSENT[signal] for name, signal in signals.items() if signal is not None}


def payload(
    c: Conversion, settings: GoogleAdsSettings, action: str, click: tuple[str, str] | None, transaction_id: str
) -> dict[str, JSON]:
    """``click``: the name of a click id, and the id."""
    event: dict[str, JSON] = {"destinationReferences": [action]}
    if transaction_id:
        event["transactionId"] = transaction_id
    event["eventTimestamp"] = timestamp(c.event_time)
    if source := EVENT_SOURCES.get(c.event_source, settings.default_event_source):
        event["eventSource"] = source
    if c.currency:
        event["currency"] = c.currency
    if c.value is not None:
        event["conversionValue"] = c.value
    if ids := _ad_identifiers(c, click):
        event["adIdentifiers"] = ids
    if persons := _user_identifiers(c, settings):
        event["userData"] = {"userIdentifiers": persons}
    if own_consent := _consent(c, settings):
        event["consent"] = own_consent
    if device := _device(c, settings):
        event["eventDeviceInfo"] = device
    if c.contents and (not click or click[0] == "gclid") and (cart := _cart(c, settings)):  # ignored with a braid
        event["cartData"] = cart
    if c.properties:
        event |= _of_properties(c)
    return event


def _device(c: Conversion, settings: GoogleAdsSettings) -> dict[str, JSON]:
    device: dict[str, JSON] = {}
    if c.user_agent:
        device["userAgent"] = c.user_agent
    if c.ip_address and (address := person.ip_address(c, settings.send_ip)):
        device["ipAddress"] = address
    return device


def _of_properties(c: Conversion) -> dict[str, JSON]:
    variables = [{"variable": variable, "value": value} for variable, value in person.custom_variables(c)]
    return prune({"customVariables": variables, "userProperties": _user_properties(c)})


def timestamp(utc: datetime) -> str:
    """RFC 3339 with 0, 3 or 6 digits of a second."""
    digits = 0 if not utc.microsecond else 3 if utc.microsecond % 1000 == 0 else 6
    return f"{utc.isoformat(timespec='microseconds')[: 20 + digits if digits else 19]}Z"


def _ad_identifiers(c: Conversion, click: tuple[str, str] | None) -> dict[str, JSON]:
    ids: dict[str, JSON] = dict([click] if click else [])
    if dclid := c.ids.get("dclid"):
        ids["dclid"] = dclid
    if device_id := person.device_id(c):
        ids["mobileDeviceId"] = device_id
    if c.properties and (attributes := as_text(c.properties.get("session_attributes"))):
        ids["sessionAttributes"] = attributes
    return ids


def _user_identifiers(c: Conversion, settings: GoogleAdsSettings) -> list[dict[str, JSON]]:
    contacts: list[dict[str, JSON]] = [
        *({"emailAddress": digest} for digest in person.emails(c)),
        *({"phoneNumber": digest} for digest in person.phone_numbers(c, settings.country_codes(c.country))),
    ]
    address = person.address(c)
    return [*contacts[: MOST_IDENTIFIERS - bool(address)], *([{"address": address}] if address else [])]


def _consent(c: Conversion, settings: GoogleAdsSettings) -> dict[str, str]:
    """An event's own: it takes the place of the request's, so that the default stands in for a signal of its own."""
    if c.ad_user_data is None and c.ad_personalization is None:
        return {}
    user_data, personalization = settings.default_ad_user_data, settings.default_ad_personalization
    return consent(
        user_data if c.ad_user_data is None else c.ad_user_data,
        personalization if c.ad_personalization is None else c.ad_personalization,
    )


def _cart(c: Conversion, settings: GoogleAdsSettings) -> dict[str, JSON]:
    items = [
        prune(
            {
                "merchantProductId": item.id,
                "itemId": item.id,
                "quantity": str(item.quantity) if item.quantity else None,
                "unitPrice": item.price,
            }
        )
        for item in c.contents
        if item.id
    ]
    if not items:
        return {}
    return prune(
        {
            "merchantId": settings.merchant_id,
            "merchantFeedLabel": settings.merchant_feed_label,
            "merchantFeedLanguageCode": settings.merchant_feed_language,
            "transactionDiscount": as_number(c.properties.get("discount")),
            "couponCodes": as_texts(c.properties.get("coupon")),
            "items": items,
        }
    )


def _user_properties(c: Conversion) -> dict[str, str]:
    kind = (as_text(c.properties.get("customer_type")) or "").upper()
    bucket = (as_text(c.properties.get("customer_value_bucket")) or "").upper()
    return prune(
        {
            "customerType": kind if kind in CUSTOMER_TYPES else None,
            "customerValueBucket": bucket if bucket in VALUE_BUCKETS else None,
        }
    )


def match_keys(payload: Mapping[str, JSON]) -> Iterator[str]:
    names = {"emailAddress": "email", "phoneNumber": "phone", "address": "address"}
    yield from payload.get("adIdentifiers", ())
    held = dict.fromkeys(key for identifier in _identifiers(payload) for key in identifier)
    yield from (names[key] for key in held)
    yield from payload.get("eventDeviceInfo", ())


def _identifiers(payload: Mapping[str, JSON]) -> list[Mapping[str, JSON]]:
    held: list[Mapping[str, JSON]] = payload.get("userData", {}).get("userIdentifiers", [])
    return held


def is_matchable(payload: Mapping[str, JSON], settings: GoogleAdsSettings) -> bool:
    """With a click id, user data or session attributes; with an IP address if that is wanted."""
    if (
        payload.get("userData")
        or {"gclid", "gbraid", "wbraid", "sessionAttributes"} & payload.get("adIdentifiers", {}).keys()
    ):
        return True
    return settings.allow_ip_only and "ipAddress" in payload.get("eventDeviceInfo", {})


def outcomes(response: Response, count: int) -> list[Outcome]:
    error, body = error_of(response.body), response.body
    if error is None and 200 <= response.status < 300 and isinstance(body, Mapping) and request_id(response):
        return _accepted(body, count)
    errors = [*_errors(response, error)]
    of_all = [each for each in errors if each.verdict is not Verdict.REJECTED]
    if of_all:
        return [_outcome(worst(of_all), shared=True)] * count
    named: dict[int, Error] = {}
    for each in errors:
        if each.row is not None and each.row < count:
            named.setdefault(each.row, each)
    if not named:
        return [_outcome(errors[0], shared=True)] * count
    # The others were not stored either: they are sent again.
    spoiled = Outcome(Verdict.TRANSIENT, message="refused with another event of its request", shared=True)
    is_left = len(named) < count
    return [_outcome(named[index], shared=is_left) if index in named else spoiled for index in range(count)]


def _outcome(error: Error, *, shared: bool) -> Outcome:
    return Outcome(error.verdict, error.code, error.message, shared=shared)


def _accepted(body: Mapping[str, Any], count: int) -> list[Outcome]:
    """Accepted, each with what Google warns of; a warning that names no event is every event's."""
    warnings: dict[int | None, list[str]] = {}
    for warning in mappings(body.get("fieldWarnings")):
        words = ": ".join(filter(None, (text(warning.get("reason")), text(warning.get("description")))))
        warnings.setdefault(_index(text(warning.get("field"))), []).append(words)
    if not warnings:
        return [Outcome(Verdict.ACCEPTED)] * count
    of_all = warnings.get(None, [])
    return [Outcome(Verdict.ACCEPTED, "", "; ".join([*warnings.get(index, []), *of_all])) for index in range(count)]


def _errors(response: Response, error: Mapping[str, Any] | None) -> Iterator[Error]:
    """Each field that is named, else the request's own reason, else its status; at least one."""
    verdict = by_status_alone(response)
    word, message = text((error or {}).get("status")), text((error or {}).get("message"))
    info = next((text(each.get("reason")) for each in details(error) if each.get("reason")), "")
    reasons = [
        (text(violation.get("reason")) or word, violation)
        for each in details(error)
        for violation in mappings(each.get("fieldViolations"))
    ]
    if _is_of_the_account(info) or (verdict is not Verdict.REJECTED and verdict is not Verdict.TRANSIENT):
        code = info or next((reason for reason, _ in reasons), "") or word
        yield Error(Verdict.CREDENTIALS if _is_of_the_account(code) else verdict, code, message)
    elif reasons and verdict is Verdict.REJECTED:
        for reason, violation in reasons:
            field = text(violation.get("field"))
            account = Verdict.CREDENTIALS if _is_of_the_account(reason) else verdict
            told = _told(field, text(violation.get("description")) or message)
            yield Error(account, reason, told, _index(field))
    else:
        yield Error(verdict, info or word, message)


def _is_of_the_account(reason: str) -> bool:
    return reason in OF_THE_ACCOUNT or reason.startswith("DESTINATION_ACCOUNT_")


def _told(field: str, description: str) -> str:
    told = f"{field}: {description}" if field else description
    if _NO_FIELD(field):  # seen with transaction ids that are a bare number
        told += " If its order id is only digits, set transaction_id_prefix."
    return told


def _index(field: str) -> int | None:
    named = _INDEX(field)
    return int(named[1]) if named else None


def request_id(response: Response) -> str:
    body = response.body if isinstance(response.body, Mapping) else {}
    refused = (text(each.get("requestId")) for each in details(error_of(response.body)))
    return text(body.get("requestId")) or next(filter(None, refused), "")


def counted(request: Request) -> Flow[Counted | Outcome]:
    """What came of an accepted request, over all its destinations; an Outcome where Google does not say."""
    response = yield request
    body, error = response.body, error_of(response.body)
    destinations = [*mappings(body.get("requestStatusPerDestination"))] if isinstance(body, Mapping) else []
    if response.status == 200 and error is None and destinations:
        return _counted(destinations)
    first = next(iter(_errors(response, error)))
    return _outcome(first, shared=True)


def _counted(destinations: Sequence[Mapping[str, Any]]) -> Counted:
    total, words, not_counted = 0, set(), Counter[str]()
    for each in destinations:
        word = text(each.get("requestStatus"))
        words.add("failed" if word in FAILED else STATUSES.get(word, "processing"))
        received = _count(each.get("eventsIngestionStatus"))
        errors = {
            text(error.get("reason")).removeprefix("PROCESSING_ERROR_REASON_"): _count(error)
            for error in mappings(_member(each, "errorInfo").get("errorCounts"))
        }
        not_counted.update(errors)
        total += 0 if word in FAILED or word not in STATUSES else max(0, received - sum(errors.values()))
    status = words.pop() if len(words) == 1 else "processing" if "processing" in words else "partial_success"
    return Counted(status, 0 if status == "processing" else total, not_counted, is_final=status != "processing")


def _member(holder: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    member = holder.get(name)
    return member if isinstance(member, Mapping) else {}


def _count(holder: Any) -> int:
    number = as_integer(holder.get("recordCount")) if isinstance(holder, Mapping) else None
    return max(0, number or 0)
