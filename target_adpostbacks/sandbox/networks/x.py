"""X (Twitter), Conversion API: ``/12/measurement/conversions/{pixel_id}``. A request is taken whole or not at all."""

import base64
import hashlib
import hmac
import re
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote

from target_adpostbacks.sandbox.network import BAD, NOT_JSON, Answer, Batch, Call, Event, Refused, SandboxNetwork
from target_adpostbacks.sandbox.schema import Problem, first_problem, validator

SCHEMAS = Path(__file__).with_suffix(".json")
PATH = re.compile(r"/12/measurement/conversions/([0-9a-z]{3,12})\Z")
HOST = "https://ads-api.x.com"
MAX_AGE, MAX_AHEAD, MAX_SKEW = timedelta(days=90), timedelta(minutes=15), timedelta(minutes=5)
STRONG = {"twclid", "hashed_email", "hashed_phone_number"}
SECRETS = {"ck_demo_1": "cs_demo_secret", "11-at_demo": "ats_demo_secret"}
"""Of the app and the user whose signatures are verified."""
SIGNED = {"oauth_consumer_key", "oauth_nonce", "oauth_signature_method", "oauth_timestamp", "oauth_token"}
TEST = re.compile(r"(?:.*-)?test[0-9]*\Z")


def answer(
    status: int, code: str, message: str, parameter: str = "", headers: Mapping[str, str] | None = None
) -> Answer:
    error = {"code": code, "message": message, **({"parameter": parameter} if parameter else {})}
    body = {"errors": [error], "request": {"params": {"account_id": "18ce552mlaq"}}}
    return Answer(status=status, body=body, headers=headers or {}, code=code)


LIMITS = {"x-rate-limit-limit": "60000", "x-rate-limit-remaining": "0"}
ERRORS = {
    "invalid_parameter": answer(400, "INVALID_PARAMETER", "conversion_time (abc) is invalid", "conversion_time"),
    "missing_parameter": answer(400, "MISSING_PARAMETER", "event_id is missing", "event_id"),
    "unauthorized": answer(401, "UNAUTHORIZED_ACCESS", "This request is not properly authenticated"),
    "no_ads_api": answer(403, "UNAUTHORIZED_CLIENT_APPLICATION", "The client application is not approved"),
    "read_only": answer(403, "READONLY_CLIENT_APPLICATION", "The client application may only read"),
    "account_not_found": answer(403, "ACCOUNT_NOT_FOUND", "Account was not found"),
    "suspended": answer(403, "CURRENT_USER_SUSPENDED", "The user is suspended"),
    "no_access": answer(404, "NOT_FOUND", "User does not have access to account (18ce552mlaq)", "account_id"),
    "route_not_found": answer(404, "ROUTE_NOT_FOUND", "The requested resource could not be found"),
    "event_not_found": answer(404, "NOT_FOUND", "event_id (abc) does not belong to provided account", "event_id"),
    "method_not_allowed": answer(405, "METHOD_NOT_ALLOWED", "Method not allowed"),
    "cancelled": answer(408, "CANCELLED_REQUEST", "The request was cancelled"),
    "locked": answer(423, "LOCK_ACQUISITION_TIMEOUT", "A lock could not be acquired"),
    "rate_limited": answer(429, "TOO_MANY_REQUESTS", "Too many requests", headers=LIMITS),
    "internal_error": answer(500, "INTERNAL_ERROR", "Something went wrong"),
    "unavailable": answer(503, "SERVICE_UNAVAILABLE", "Service unavailable"),
    "over_capacity": answer(503, "OVER_CAPACITY", "Over capacity"),
}


class X(SandboxNetwork):
    name = "x"
    errors = ERRORS.keys()
    answers = ERRORS
    dedup_window = timedelta(hours=48)
    paths = ("/12/measurement/conversions/{pixel_id}",)
    refusal = "HTTP 400 for the whole request, with `code`, `parameter` and a message that names no event."
    stricter = (
        "Fields that X does not document, values without a currency or with fewer than two decimals, IPv6 addresses, "
        "identifiers that share an object, but for `ip_address` and `user_agent`, times of more than 90 days ago or 15 "
        "minutes ahead. The form, the time and the nonce of an OAuth 1.0a signature are checked. The signature itself "
        "is verified of the app `ck_demo_1` (secret `cs_demo_secret`) and the user `11-at_demo` (`ats_demo_secret`)."
    )
    deduplication = (
        "The same `event_id` and `conversion_id` within 48 hours are one event. The first copy wins. Events whose id "
        "ends with `test` and digits are made for tests, and kept apart."
    )

    def __init__(self) -> None:
        self.nonces: set[str] = set()

    def owns(self, path: str) -> bool:
        return "/measurement/conversions" in path

    def receive(self, call: Call) -> Batch:
        pixel = PATH.match(call.path)
        if pixel is None:
            raise Refused(ERRORS["route_not_found"])
        if call.method != "POST":
            raise Refused(ERRORS["method_not_allowed"])
        self.admit(call, pixel[1])
        json_sent = call.headers.get("content-type", "").partition(";")[0].strip().lower() == "application/json"
        if call.body is NOT_JSON or not json_sent:
            raise Refused(ERRORS["invalid_parameter"])
        if wrong := first_problem(validator(SCHEMAS, "request"), call.body, ("conversions",)):
            raise Refused(self.refused(call, wrong))
        conversions = call.body["conversions"]
        for index, conversion in enumerate(conversions):
            for field, rule in problems(conversion, call):
                raise Refused(self.refused(call, Problem(field, rule, index)))
        tests = [bool(TEST.match(conversion["event_id"])) for conversion in conversions]
        if len({*tests}) > 1:
            raise Refused(self.refused(call, Problem("event_id", "tests and live conversions in one request")))
        return Batch(asset=pixel[1], test=tests[0], events=[read(conversion) for conversion in conversions])

    def admit(self, call: Call, pixel: str) -> None:
        token, header = call.headers.get("x-pixel-token", "").strip(), call.headers.get("authorization", "")
        if header and not token:
            token = self.signer(call, header)
        elif header or not token:
            raise Refused(ERRORS["unauthorized"])
        if not call.access.good(token) or call.access.expired(token):
            raise Refused(ERRORS["unauthorized"])
        if not call.access.exists(pixel) or not call.access.may(token, pixel):
            raise Refused(ERRORS["no_access"])

    def signer(self, call: Call, header: str) -> str:
        """The user's token of an OAuth 1.0a header that X would take."""
        scheme, _, rest = header.partition(" ")
        given = {name: unquote(value) for name, value in re.findall(r'(\w+)="([^"]*)"', rest)}
        timestamp = given.get("oauth_timestamp", "")
        is_whole = given.keys() >= {*SIGNED, "oauth_signature"} and all(given.values()) and timestamp.isdecimal()
        if scheme != "OAuth" or not is_whole or given["oauth_signature_method"] != "HMAC-SHA1":
            raise Refused(ERRORS["unauthorized"])
        made = datetime.fromtimestamp(int(timestamp[:10]), timezone.utc)
        once = f"{given['oauth_consumer_key']} {timestamp} {given['oauth_nonce']}"
        if abs(call.now - made) > MAX_SKEW or once in self.nonces or not given["oauth_nonce"].isalnum():
            raise Refused(ERRORS["unauthorized"])
        secrets = [SECRETS.get(given[name]) for name in ("oauth_consumer_key", "oauth_token")]
        if all(secrets) and given["oauth_signature"] != signature(call, given, [str(each) for each in secrets]):
            raise Refused(ERRORS["unauthorized"])
        self.nonces.add(once)
        return given["oauth_token"]

    def accepted(self, call: Call, count: int) -> Answer:
        data = {"conversions_processed": count, "debug_id": f"sandbox-{call.number}"}
        return Answer(body={"request": {"params": {"account_id": "18ce552mlaq"}}, "data": data})

    def refused(self, call: Call, problem: Problem) -> Answer:
        code = "MISSING_PARAMETER" if problem.kind == "missing" else "INVALID_PARAMETER"
        field = problem.field.rpartition(".")[2] or "body"
        value = f" ({problem.value})" if call.echo and problem.value is not None else ""
        return answer(400, code, f"{field}{value}: {problem.rule}", field)

    def error(self, call: Call, name: str) -> Answer:
        if name == "rate_limited":
            reset = str(int(call.now.timestamp()) + 60)
            return answer(
                429, "TOO_MANY_REQUESTS", "Too many requests", headers={**LIMITS, "x-rate-limit-reset": reset}
            )
        return ERRORS[name]

    def ids_in(self, body: Any) -> list[str]:
        return [str(conversion.get("conversion_id")) for conversion in body["conversions"]]


def signature(call: Call, given: Mapping[str, str], secrets: list[str]) -> str:
    """OAuth 1.0a, HMAC-SHA1, of X's own URL."""

    def encoded(text: str) -> str:
        return quote(text, safe="-._~")

    params = {name: value for name, value in given.items() if name != "oauth_signature"} | dict(call.query)
    joined = "&".join(f"{name}={value}" for name, value in sorted((encoded(n), encoded(v)) for n, v in params.items()))
    base = "&".join([call.method, encoded(HOST + call.path), encoded(joined)])
    key = "&".join(map(encoded, secrets))
    return base64.b64encode(hmac.new(key.encode(), base.encode(), hashlib.sha1).digest()).decode()


def problems(conversion: Mapping[str, Any], call: Call) -> Iterator[tuple[str, str]]:
    """What a schema cannot say."""
    names = {name for identifier in conversion["identifiers"] for name in identifier}
    if not (STRONG & names or names >= {"ip_address", "user_agent"}):
        yield "identifiers", "At least one user identifier must be provided"
    if any(len(STRONG & identifier.keys()) > 1 for identifier in conversion["identifiers"]):
        yield "identifiers", "one identifier in each object"
    if ("value" in conversion) != ("price_currency" in conversion):
        yield "value", "value and price_currency come together"
    try:
        happened = datetime.strptime(conversion["conversion_time"], "%Y-%m-%dT%H:%M:%S.%fZ").replace(
            tzinfo=timezone.utc
        )
    except ValueError:
        yield "conversion_time", "Expected Time in yyyy-MM-ddTHH:mm:ss.SSSZ"
    else:
        if call.now - happened > MAX_AGE or happened - call.now > MAX_AHEAD:
            yield "conversion_time", "more than 90 days ago, or in the future"
    if call.bad is not None and call.body["conversions"][call.bad] is conversion:
        yield "event", BAD


def read(conversion: Mapping[str, Any]) -> Event:
    event_id, name = conversion.get("conversion_id"), conversion["event_id"]
    return Event(name=name, event_id=event_id, payload=conversion, key=(name, event_id) if event_id else None)


NETWORK = X()
