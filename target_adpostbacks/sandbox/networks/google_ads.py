"""Google Ads: the Data Manager API, the uploads of the Google Ads API, and Google's token endpoint."""

import base64
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

from target_adpostbacks.sandbox.network import BAD, NOT_JSON, Answer, Batch, Call, Event, Refused, SandboxNetwork
from target_adpostbacks.sandbox.networks._google_ads_answers import (
    ERRORS,
    ingest,
    partial,
    row_error,
    status,
    upload,
)
from target_adpostbacks.sandbox.schema import Problem, first_problem, validator

SCHEMAS = Path(__file__).with_suffix(".json")
TOKEN, INGEST, STATUS = "/token", "/v1/events:ingest", "/v1/requestStatus:retrieve"
UPLOAD = re.compile(r"/v(\d+)/customers/(\d{10}):(uploadClickConversions|uploadConversionAdjustments)\Z")
OURS = re.compile(r"/v1/(events|requestStatus):|/v\d+/customers/")
REQUEST_ID = re.compile(r"sandbox-(\d+)-(\d+)-(\d+)\Z")
PROCESSED_AFTER = timedelta(minutes=30)
OLDEST_VERSION = 22
SCOPES = {
    "https://www.googleapis.com/auth/datamanager": "datamanager",
    "https://www.googleapis.com/auth/adwords": "adwords",
}
AUDIENCE = "https://oauth2.googleapis.com/token"
CLIENT = ".apps.googleusercontent.com"
MAX_AGE, MAX_AHEAD, MAX_ADJUSTED = timedelta(days=90), timedelta(minutes=5), timedelta(days=54)
CLICKS = ("gclid", "gbraid", "wbraid")
ROWS = {
    "uploadClickConversions": ("conversions", "conversions"),
    "uploadConversionAdjustments": ("conversionAdjustments", "conversion_adjustments"),
}


class GoogleAds(SandboxNetwork):
    name = "google_ads"
    errors = ERRORS.keys()
    answers = ERRORS
    dedup_window = timedelta(days=90)
    paths = (
        TOKEN,
        INGEST,
        STATUS,
        "/{version}/customers/{customer_id}:uploadClickConversions",
        "/{version}/customers/{customer_id}:uploadConversionAdjustments",
    )
    refusal = (
        "By the Data Manager API HTTP 400 for the whole request, with the event's index in `fieldViolations`. By the "
        "Google Ads API HTTP 200 with `partialFailureError` for the bad rows, and the others are taken."
    )
    stricter = (
        "Fields that Google does not document, user data without `encoding`, an event without references beside "
        "several destinations, both `gbraid` and `wbraid`, times of more than 90 days ago or five minutes ahead. The "
        "signature of a service account is not verified."
    )
    deduplication = (
        "The same conversion action and `transactionId`, or `orderId`, are one event. The first copy wins here. The "
        "Data Manager API takes the value of a repetition, and the Google Ads API answers `ORDER_ID_ALREADY_IN_USE`."
    )

    def owns(self, path: str) -> bool:
        return path == TOKEN or bool(OURS.match(path))

    def receive(self, call: Call) -> Batch | Answer:
        if call.path == TOKEN:
            return token(call)
        if call.path == STATUS:
            return self.counted(call)
        if call.path == INGEST:
            return self.ingested(call)
        if uploaded := UPLOAD.match(call.path):
            return self.uploaded(call, int(uploaded[1]), uploaded[2], uploaded[3])
        raise Refused(ERRORS["not_found"])

    def ingested(self, call: Call) -> Batch:
        if call.method != "POST":
            raise Refused(ERRORS["method_not_allowed"])
        admit(call, "datamanager")
        body = self.checked(call, "ingest", ("events",))
        references = [destination.get("reference") for destination in body["destinations"]]
        for index, event in enumerate(body["events"]):
            for problem in event_problems(event, body, references, call):
                raise Refused(self.refused(call, replace(problem, index=index)))
        account = body["destinations"][0]["operatingAccount"]["accountId"]
        admit_account(call, account)
        return Batch(
            asset=account, test=body.get("validateOnly", False), events=[read(event) for event in body["events"]]
        )

    def counted(self, call: Call) -> Answer:
        """What became of a request: its id tells when it came and how many events it had."""
        if call.method != "GET":
            raise Refused(ERRORS["method_not_allowed"])
        admit(call, "datamanager")
        known = REQUEST_ID.match(call.query.get("requestId", ""))
        if known is None:
            violation = {"field": "request_id", "description": "Unknown.", "reason": "INVALID_REQUEST_ID"}
            raise Refused(ingest(400, "INVALID_ARGUMENT", [violation]))
        came = datetime.fromtimestamp(int(known[2]), timezone.utc)
        done = call.now - came >= PROCESSED_AFTER
        told = {"requestStatus": "SUCCESS" if done else "PROCESSING"}
        counts = {"eventsIngestionStatus": {"recordCount": known[3]}} if done else {}
        return Answer(body={"requestStatusPerDestination": [{"destination": {}, **told, **counts}]})

    def uploaded(self, call: Call, version: int, customer: str, method: str) -> Batch | Answer:
        if call.method != "POST":
            raise Refused(ERRORS["method_not_allowed"])
        if version < OLDEST_VERSION:
            raise Refused(ERRORS["unsupported_version"])
        admit(call, "adwords")
        admit_account(call, customer)
        key, rows = ROWS[method]
        body = self.checked(call, method, ())
        wrong: dict[int, Problem] = {} if call.bad is None else {call.bad: Problem("event", BAD)}
        for index, row in enumerate(body[key]):
            problem = first_problem(validator(SCHEMAS, f"row_{method}"), row) or next(
                row_problems(row, key, customer, call), None
            )
            if problem is not None:
                wrong[index] = problem
        sound = [read_row(row, key) for index, row in enumerate(body[key]) if index not in wrong]
        test = body.get("validateOnly", False)
        answer = None
        if wrong:
            errors = [
                row_error(
                    problem.code or "INVALID_ARGUMENT",
                    told(problem, call),
                    None if call.silent else index,
                    rows,
                    field=snake(problem.field.split(".")[0]),
                )
                for index, problem in sorted(wrong.items())
            ]
            answer = partial(errors, [{} if n in wrong else result(row) for n, row in enumerate(body[key])])
        elif test:
            answer = Answer(body={})
        return Batch(asset=customer, test=test, events=sound, answer=answer)

    def checked(self, call: Call, schema: str, events: tuple[str, ...]) -> Any:
        json_sent = call.headers.get("content-type", "").partition(";")[0].strip().lower() == "application/json"
        if call.body is NOT_JSON or not json_sent:
            raise Refused(status(400, "Invalid JSON payload received."))
        if wrong := first_problem(validator(SCHEMAS, schema), call.body, events):
            raise Refused(self.refused(call, wrong))
        return call.body

    def accepted(self, call: Call, count: int) -> Answer:
        if call.path == INGEST:
            validated = isinstance(call.body, Mapping) and call.body.get("validateOnly") is True
            made = (
                f"validated-{call.number}"
                if validated
                else f"sandbox-{call.number}-{int(call.now.timestamp())}-{count}"
            )
            return Answer(body={"requestId": made, **warnings(call.body)})
        rows: list[Any] = next((call.body[key] for key, _ in ROWS.values() if key in call.body), [])
        results = [result(row) for row in rows][:count]
        return Answer(body={"results": results, "jobId": str(1_000_000 + call.number)})

    def refused(self, call: Call, problem: Problem) -> Answer:
        if UPLOAD.match(call.path):
            return upload(400, "requestError", problem.code or "INVALID_INPUT", location=told(problem, call))
        if call.silent:
            return ERRORS["invalid_argument"]
        place = "" if problem.index is None else f"events.events[{problem.index}]"
        field = ".".join(filter(None, (place, snake(problem.field))))
        violation = {"field": field, "description": told(problem, call)}
        reason = problem.code or ("REQUIRED_FIELD_MISSING" if problem.kind == "missing" else "INVALID_ARGUMENT")
        return ingest(400, "INVALID_ARGUMENT", [{**violation, "reason": reason}])

    def error(self, call: Call, name: str) -> Answer:
        return ERRORS[name]

    def ids_in(self, body: Any) -> list[str]:
        if "events" in body:
            return [str(event.get("transactionId")) for event in body["events"]]
        rows: list[Any] = next((body[key] for key, _ in ROWS.values() if key in body), [])
        return [str(row.get("orderId")) for row in rows]


def admit(call: Call, api: str) -> None:
    """Lets in whoever has an access token for this API."""
    scheme, _, secret = call.headers.get("authorization", "").partition(" ")
    secret = secret.strip()
    denied = "unauthenticated" if api == "datamanager" else "token_expired"
    if scheme.lower() != "bearer" or not secret or not call.access.good(secret) or call.access.expired(secret):
        raise Refused(ERRORS[denied])
    if secret.startswith("ya29.sandbox-") and f"-{api}-" not in secret and "-any-" not in secret:
        raise Refused(ERRORS["scope_insufficient"])


def admit_account(call: Call, account: str) -> None:
    secret = call.headers.get("authorization", "").partition(" ")[2].strip()
    if not call.access.exists(account) or not call.access.may(secret, account):
        raise Refused(ERRORS["permission_denied" if call.path == INGEST else "user_permission_denied"])


def token(call: Call) -> Answer:
    """An access token for a refresh token, or for a service account's assertion."""
    form = call.body if isinstance(call.body, Mapping) else {}
    is_form = call.headers.get("content-type", "").startswith("application/x-www-form-urlencoded")
    if call.method != "POST" or not is_form:
        raise Refused(ERRORS["invalid_request"])
    if form.get("grant_type") == "authorization_code":
        return consented(call, form)
    if form.get("grant_type") == "refresh_token":
        secret, scope = refreshed(call, form), "any"
    elif form.get("grant_type") == "urn:ietf:params:oauth:grant-type:jwt-bearer":
        secret, scope = asserted(form.get("assertion", ""))
    else:
        raise Refused(ERRORS["unsupported_grant_type"])
    if not call.access.good(secret) or call.access.expired(secret):
        raise Refused(ERRORS["invalid_grant"])
    mark = "-forbidden" if "forbidden" in secret else ""
    made = f"ya29.sandbox-{scope}-{call.number}{mark}"
    call.access.issue(made)
    return Answer(body={"access_token": made, "expires_in": 3599, "scope": scope, "token_type": "Bearer"})


def consented(call: Call, form: Mapping[str, str]) -> Answer:
    """Tokens for a user's consent, whose code is good once."""
    code = form.get("code", "")
    if not all(form.get(name) for name in ("code", "client_id", "client_secret", "redirect_uri", "code_verifier")):
        raise Refused(ERRORS["invalid_request"])
    refreshed(call, {**form, "refresh_token": code})
    if code in call.access.used_codes or any(word in code for word in ("invalid", "revoked", "expired")):
        raise Refused(ERRORS["invalid_grant"])
    call.access.used_codes.add(code)
    made = {"access_token": f"ya29.sandbox-any-{call.number}", "refresh_token": f"1//sandbox-{call.number}"}
    for secret in made.values():
        call.access.issue(secret)
    return Answer(body={**made, "expires_in": 3599, "scope": "any", "token_type": "Bearer"})


def refreshed(call: Call, form: Mapping[str, str]) -> str:
    if not all(form.get(name) for name in ("client_id", "client_secret", "refresh_token")):
        raise Refused(ERRORS["invalid_request"])
    client = form["client_id"] + form["client_secret"]
    if not form["client_id"].endswith(CLIENT) or any(word in client for word in ("invalid", "revoked", "expired")):
        raise Refused(ERRORS["invalid_client"])
    return form["refresh_token"] + ("forbidden" if "forbidden" in client else "")


def asserted(assertion: str) -> tuple[str, str]:
    """The service account and the scope of a JWT, if it is one that Google would take."""
    try:
        header, claims = (json.loads(decoded(part)) for part in assertion.split(".")[:2])
        short = 0 < claims["exp"] - claims["iat"] <= 3600
        known = header["alg"] == "RS256" and claims["aud"] == AUDIENCE and "@" in claims["iss"]
        scope = SCOPES.get(claims["scope"])
    except (ValueError, KeyError, TypeError, AttributeError):
        raise Refused(ERRORS["invalid_jwt"]) from None
    if not (short and known and assertion.count(".") == 2):
        raise Refused(ERRORS["invalid_jwt"])
    if scope is None:
        raise Refused(ERRORS["invalid_scope"])
    return str(claims["iss"]), scope


def decoded(part: str) -> bytes:
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))


def told(problem: Problem, call: Call) -> str:
    if problem.kind == "unknown":
        return f'Unknown name "{problem.field.rpartition(".")[2]}"'
    if problem.kind == "missing":
        return "Required field is missing."
    value = f" ({problem.value})" if call.echo and problem.value is not None else ""
    return f"Invalid {snake(problem.field)}{value}: {problem.rule}"


def snake(field: str) -> str:
    """``'userData.userIdentifiers.0'`` -> ``'user_data.user_identifiers[0]'``."""
    return re.sub(r"\.(\d+)", r"[\1]", re.sub(r"(?<=[a-z])([A-Z])", lambda big: f"_{big[1].lower()}", field))


def event_problems(event: Mapping[str, Any], body: Any, references: list[Any], call: Call) -> Iterator[Problem]:
    """What a schema cannot say of an event."""
    own = event.get("destinationReferences", [])
    if len(references) > 1 and not own:
        yield Problem("destinationReferences", "several destinations, and none named")
    if not {*own} <= {*references}:
        yield Problem("destinationReferences", "no such destination", code="INVALID_DESTINATION_REFERENCE")
    if len({*references}) < len(references):
        yield Problem("destinationReferences", "two destinations of one name")
    yield from time_problems("eventTimestamp", moment(event["eventTimestamp"]), call, "EVENT_TIME_INVALID")
    ids, user = event.get("adIdentifiers", {}), event.get("userData")
    if not (user or {*CLICKS, "sessionAttributes"} & ids.keys()):
        yield Problem("", "no identifier", code="NO_IDENTIFIERS_PROVIDED")
    if user and "encoding" not in body:
        yield Problem("userData", "encoding is missing", code="REQUIRED_FIELD_MISSING")
    if {"gbraid", "wbraid"} <= ids.keys():
        yield Problem("adIdentifiers.wbraid", "gbraid and wbraid exclude each other")


def time_problems(field: str, happened: datetime | None, call: Call, code: str) -> Iterator[Problem]:
    if happened is None or call.now - happened > MAX_AGE or happened - call.now > MAX_AHEAD:
        yield Problem(field, "more than 90 days ago, or in the future", code=code)


def moment(text: str) -> datetime | None:
    try:
        return datetime.fromisoformat(text.replace("Z", "+00:00"))
    except ValueError:
        return None


def row_problems(row: Mapping[str, Any], key: str, customer: str, call: Call) -> Iterator[Problem]:
    """What a schema cannot say of a row of the uploads."""
    if not row["conversionAction"].startswith(f"customers/{customer}/"):
        yield Problem("conversionAction", "of another customer", code="NO_CONVERSION_ACTION_FOUND")
    if key == "conversions":
        yield from time_problems("conversionDateTime", moment(row["conversionDateTime"]), call, "EXPIRED_EVENT")
        if {"gbraid", "wbraid"} <= row.keys():
            yield Problem("wbraid", "gbraid and wbraid exclude each other", code="GBRAID_WBRAID_BOTH_SET")
        if not ({*CLICKS, "userIdentifiers"} & row.keys()):
            yield Problem("gclid", "no click id and no user identifier", code="MISSING_USER_IDENTIFIER")
        return
    restated = row["adjustmentType"] == "RESTATEMENT"
    if restated != ("restatementValue" in row):
        yield Problem("restatementValue", "for restatements, and only for them", code="MISSING_RESTATEMENT_VALUE")
    yield from time_problems("adjustmentDateTime", moment(row["adjustmentDateTime"]), call, "CONVERSION_EXPIRED")


def warnings(body: Any) -> dict[str, Any]:
    """Of items that Google has no price of."""
    found = [
        {
            "field": f"events.events[{index}].cart_data.items[{at}].unit_price",
            "reason": "WARNING_REASON_CART_DATA_ITEM_UNIT_PRICE_MISSING",
            "description": "The item has no price.",
        }
        for index, event in enumerate(body["events"] if isinstance(body, Mapping) and "events" in body else [])
        for at, item in enumerate(event.get("cartData", {}).get("items", []) if isinstance(event, Mapping) else [])
        if "unitPrice" not in item
    ]
    return {"fieldWarnings": found} if found else {}


def result(row: Any) -> dict[str, Any]:
    kept = ("gclid", "gbraid", "wbraid", "conversionAction", "conversionDateTime", "adjustmentDateTime", "orderId")
    return {name: row[name] for name in kept if name in row} if isinstance(row, Mapping) else {}


def read(event: Mapping[str, Any]) -> Event:
    event_id = event.get("transactionId")
    action = ",".join(event.get("destinationReferences", []))
    return Event(name=action, event_id=event_id, payload=event, key=(action, event_id) if event_id else None)


def read_row(row: Mapping[str, Any], key: str) -> Event:
    action = row["conversionAction"].rpartition("/")[2]
    kind = row.get("adjustmentType", "")
    order_id, restated = row.get("orderId"), json.dumps(row.get("restatementValue", ""))
    return Event(
        name=action, event_id=order_id, payload=row, key=(action, kind, restated, order_id) if order_id else None
    )


NETWORK = GoogleAds()
