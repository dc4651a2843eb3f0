"""Microsoft Advertising: the UET Conversions API, ``OfflineConversions/Apply``, and Microsoft's token endpoint."""

import re
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

from target_adpostbacks.sandbox.network import BAD, NOT_JSON, Answer, Batch, Call, Event, Refused, SandboxNetwork
from target_adpostbacks.sandbox.networks._microsoft_ads_answers import (
    ERRORS,
    TRACE_ID,
    detail,
    faulted,
    item_error,
    partly,
    refusal,
)
from target_adpostbacks.sandbox.schema import Problem, first_problem, validator

SCHEMAS = Path(__file__).with_suffix(".json")
TOKEN = "/common/oauth2/v2.0/token"  # noqa: S105 - no secret
APPLY = "/CampaignManagement/v13/OfflineConversions/Apply"
EVENTS = re.compile(r"/v1/([^/]+)/events\Z")
TAG = re.compile(r"[0-9]{5,12}\Z")
SCOPE = {"https://ads.microsoft.com/msads.manage", "offline_access"}
MAX_AGE, MAX_AGE_OFFLINE = timedelta(days=7), timedelta(days=90)
MATCH_KEYS = {"anonymousId", "externalId", "em", "ph", "msclkid", "idfa", "gaid"}
OFFLINE_KEYS = {"MicrosoftClickId", "HashedEmailAddress", "HashedPhoneNumber"}
CODES = {
    "MicrosoftClickId": (5604, "OfflineConversionMicrosoftClickIdInvalid"),
    "ConversionName": (5606, "OfflineConversionNameInvalid"),
    "ConversionTime": (5607, "OfflineConversionTimeInvalid"),
    "ConversionValue": (5610, "OfflineConversionValueInvalid"),
    "ConversionCurrencyCode": (5611, "OfflineConversionCurrencyCodeInvalid"),
}
NULL = (5602, "OfflineConversionNull")
LIMIT = faulted(400, 5601, "OfflineConversionsLimitExceeded", "From 1 to 1,000 items are taken.", "BatchErrors")
ONCE = "single-use"
"""A refresh token with these words ends when it is used; so do those that come after it."""


class MicrosoftAds(SandboxNetwork):
    name = "microsoft_ads"
    errors = ERRORS.keys()
    answers = ERRORS
    dedup_window = timedelta(hours=48)
    paths = (TOKEN, "/v1/{uet_tag_id}/events", APPLY)
    refusal = (
        "HTTP 400 with `error` for a request of the wrong form, and for one with a bad event unless it says "
        "`continueOnValidationError`. Then the answer is a 200 that names the bad events, and the others are taken. "
        "Offline conversions: a 200 with `PartialErrors` for the bad ones."
    )
    stricter = (
        "Fields that Microsoft does not document, and optional fields in a wrong form, of which it only warns; values "
        "without a currency; events without a match key, older than seven days or in the future; `itemIds` that differ "
        "from `items`. Offline an item has to name somebody. A refresh token with `single-use` in it ends with its use."
    )
    deduplication = (
        "The same tag, event name and `eventId` within 48 hours are one event. Offline, conversions of the same click, "
        "name and time are one; without a click id each copy counts. The first copy wins."
    )

    def owns(self, path: str) -> bool:
        return path in (TOKEN, APPLY) or EVENTS.match(path) is not None

    def receive(self, call: Call) -> Batch | Answer:
        if call.method != "POST":
            raise Refused(ERRORS["method_not_allowed"])
        if call.path == TOKEN:
            return token(call)
        if call.path == APPLY:
            return self.applied(call)
        return self.ingested(call, EVENTS.match(call.path)[1])  # type: ignore[index]

    def ingested(self, call: Call, tag: str) -> Batch:
        secret = bearer(call)
        if not secret or not call.access.good(secret) or call.access.expired(secret):
            raise Refused(ERRORS["unauthorized"])
        if not TAG.match(tag) or not call.access.exists(tag):
            raise Refused(ERRORS["not_found"])
        if not call.access.may(secret, tag):
            raise Refused(ERRORS["forbidden"])
        if not is_json(call):
            raise Refused(ERRORS["bad_request"])
        if wrong := first_problem(validator(SCHEMAS, "request"), call.body):
            raise Refused(self.refused(call, wrong))
        events = call.body["data"]
        bad = problems(events, "event", event_problems, call)
        answer = None
        if bad:
            named = [of_event(index, problem, call) for index, problem in sorted(bad.items())]
            if call.silent or not call.body.get("continueOnValidationError", False):
                words = "One or more events failed validation."
                raise Refused(refusal(400, "ValidationError", words, [] if call.silent else named))
            answer = partly(len(events) - len(bad), named)
        sound = [read(event) for index, event in enumerate(events) if index not in bad]
        return Batch(asset=tag, test=False, events=sound, answer=answer)

    def applied(self, call: Call) -> Batch:
        admit(call)
        if not is_json(call) or not isinstance(call.body, Mapping):
            raise Refused(ERRORS["bad_request"])
        if wrong := first_problem(validator(SCHEMAS, "offline"), call.body):
            raise Refused(LIMIT if wrong.kind == "value" else self.refused(call, wrong))
        items = call.body["OfflineConversions"]
        bad = problems(items, "conversion", conversion_problems, call)
        answer = None
        if bad:
            if call.silent:
                raise Refused(ERRORS["bad_request"])
            errors = [of_item(index, problem, call) for index, problem in sorted(bad.items())]
            answer = Answer(body={"PartialErrors": errors}, code=str(errors[0]["Code"]))
        sound = [read_conversion(item) for index, item in enumerate(items) if index not in bad]
        return Batch(asset=call.headers["customeraccountid"], test=False, events=sound, answer=answer)

    def accepted(self, call: Call, count: int) -> Answer:
        if call.path == APPLY:
            return Answer(body={"PartialErrors": []})
        return Answer(body={"eventsReceived": count, "traceId": TRACE_ID})

    def refused(self, call: Call, problem: Problem) -> Answer:
        if call.path == APPLY:
            return faulted(400, *NULL, f"{problem.field}: {problem.rule}", "BatchErrors")
        words = f"{problem.field}: {problem.rule}"
        named = [] if problem.index is None or call.silent else [of_event(problem.index, problem, call)]
        return refusal(400, "ValidationError", words, named)

    def error(self, call: Call, name: str) -> Answer:
        return ERRORS[name]

    def ids_in(self, body: Any) -> list[str]:
        if "data" in body:
            return [str(event.get("eventId")) for event in body["data"]]
        return [f"{item.get('ConversionName')} {item.get('ConversionTime')}" for item in body["OfflineConversions"]]


def bearer(call: Call) -> str:
    scheme, _, secret = call.headers.get("authorization", "").partition(" ")
    return secret.strip() if scheme.lower() == "bearer" else ""


def is_json(call: Call) -> bool:
    sent = call.headers.get("content-type", "").partition(";")[0].strip().lower() == "application/json"
    return sent and call.body is not NOT_JSON


def admit(call: Call) -> None:
    """Lets in whoever has access, a developer token, and an account that goes with them."""
    secret, developer = bearer(call), call.headers.get("developertoken", "")
    if (
        not secret
        or not call.access.good(secret)
        or not developer
        or any(w in developer for w in ("invalid", "revoked"))
    ):
        raise Refused(ERRORS["invalid_credentials"])
    if call.access.expired(secret):
        raise Refused(ERRORS["token_expired"])
    account, customer = call.headers.get("customeraccountid", ""), call.headers.get("customerid", "")
    if not account.isdecimal() or not customer.isdecimal() or not call.access.exists(account):
        raise Refused(ERRORS["invalid_account"])
    if not call.access.may(secret, account):
        raise Refused(ERRORS["user_not_authorized"])


def token(call: Call) -> Answer:
    """Access and a new refresh token, for a refresh token."""
    form = call.body if isinstance(call.body, Mapping) else {}
    is_form = call.headers.get("content-type", "").startswith("application/x-www-form-urlencoded")
    if not is_form or not form.get("client_id"):
        raise Refused(ERRORS["invalid_request"])
    if form.get("grant_type") != "refresh_token":
        raise Refused(ERRORS["unsupported_grant_type"])
    if set(form.get("scope", "").split()) != SCOPE:
        raise Refused(ERRORS["invalid_scope"])
    if any(word in form["client_id"] + form.get("client_secret", "") for word in ("invalid", "revoked", "expired")):
        raise Refused(ERRORS["invalid_client"])
    secret = form.get("refresh_token", "")
    if not secret or not call.access.good(secret) or call.access.expired(secret):
        raise Refused(ERRORS["invalid_grant"])
    mark = "-forbidden" if "forbidden" in secret else ""
    made = f"sandbox-access-{call.number}{mark}"
    follower = f"sandbox-refresh-{f'{ONCE}-' if ONCE in secret else ''}{call.number}{mark}"
    if ONCE in secret:
        call.access.revoke(secret)
    call.access.issue(made)
    call.access.issue(follower)
    scope = " ".join(sorted(SCOPE))
    body = {"token_type": "Bearer", "scope": scope, "expires_in": 3600, "access_token": made, "refresh_token": follower}
    return Answer(body=body)


Problems = Callable[[Mapping[str, Any], Call], Iterator[Problem]]


def problems(events: list[Any], schema: str, further: Problems, call: Call) -> dict[int, Problem]:
    """The first problem of each event that has one."""
    wrong = {} if call.bad is None else {call.bad: Problem("event", BAD)}
    for index, event in enumerate(events):
        if problem := first_problem(validator(SCHEMAS, schema), event) or next(further(event, call), None):
            wrong[index] = problem
    return wrong


def event_problems(event: Mapping[str, Any], call: Call) -> Iterator[Problem]:
    """What a schema cannot say of an event."""
    user, custom = event["userData"], event.get("customData", {})
    happened = event["eventTime"] - call.now.timestamp()
    if happened < -MAX_AGE.total_seconds() or happened > 0:
        yield Problem("eventTime", "must be within the last 7 days", value=event["eventTime"])
    if event["eventType"] == "pageLoad" and "eventSourceUrl" not in event:
        yield Problem("eventSourceUrl", "required for a pageLoad", kind="missing")
    if (event["eventType"] == "custom") != ("eventName" in event):
        yield Problem("eventName", "required for custom events, and only there")
    if not MATCH_KEYS & user.keys():
        yield Problem("userData", "at least one identifier is required")
    if event.get("adStorageConsent") == "D" and user.keys() - {"externalId", "anonymousId", "clientUserAgent"}:
        yield Problem("userData", "identifies somebody who denied it")
    if len({"value", "currency"} & custom.keys()) == 1 or ("ecommTotalValue" in custom and "value" not in custom):
        yield Problem("customData.value", "value and currency come together")
    if custom.get("itemIds") != ([item["id"] for item in custom["items"]] if "items" in custom else None):
        yield Problem("customData.itemIds", "itemIds and items come together")


def conversion_problems(item: Mapping[str, Any], call: Call) -> Iterator[Problem]:
    """What a schema cannot say of an offline conversion."""
    try:
        happened = datetime.strptime(item["ConversionTime"], "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=timezone.utc)
    except ValueError:
        yield Problem("ConversionTime", "no time")
        return
    if call.now - happened > MAX_AGE_OFFLINE:
        yield Problem("ConversionTime", "more than 90 days ago", code="5609 OfflineConversionTimeOutOfWindow")
    if happened > call.now:
        yield Problem("ConversionTime", "in the future", code="5614 OfflineConversionTimeInFuture")
    if not OFFLINE_KEYS & item.keys():
        yield Problem("MicrosoftClickId", "missing", code="5603 OfflineConversionMicrosoftClickIdMissing")
    if len({"ConversionValue", "ConversionCurrencyCode"} & item.keys()) == 1:
        yield Problem("ConversionValue", "value and currency come together")


def of_event(index: int, problem: Problem, call: Call) -> dict[str, Any]:
    echo = {"attemptedValue": problem.value} if call.echo else {}
    return detail(index, problem.field, f"{problem.field}: {problem.rule}", **echo)


def of_item(index: int, problem: Problem, call: Call) -> dict[str, Any]:
    number, _, word = problem.code.partition(" ")
    code, name = (int(number), word) if number else CODES.get(problem.field, NULL)
    value = f" ({problem.value})" if call.echo and problem.value is not None else ""
    return item_error(code, name, f"{problem.field}: {problem.rule}{value}", index)


def read(event: Mapping[str, Any]) -> Event:
    event_id, name = event.get("eventId"), event.get("eventName", event["eventType"])
    return Event(name=name, event_id=event_id, payload=event, key=(name, event_id) if event_id else None)


def read_conversion(item: Mapping[str, Any]) -> Event:
    name, time, click_id = item["ConversionName"], item["ConversionTime"], item.get("MicrosoftClickId")
    key = (name, time, click_id) if click_id else None
    return Event(name=name, event_id=None, payload=item, key=key, window=MAX_AGE_OFFLINE)


NETWORK = MicrosoftAds()
