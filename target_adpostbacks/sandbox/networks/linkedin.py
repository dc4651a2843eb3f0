"""LinkedIn's Conversions API, in batches, and its token endpoint. A request is taken whole, or nothing of it."""

import ipaddress
import re
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

from target_adpostbacks.sandbox.network import BAD, NOT_JSON, Answer, Batch, Call, Event, Refused, SandboxNetwork
from target_adpostbacks.sandbox.schema import Problem, first_problem, validator

SCHEMAS = Path(__file__).with_suffix(".json")
EVENTS, TOKEN = "/rest/conversionEvents", "/oauth/v2/accessToken"
OLDEST_VERSION = "202512"
VERSION = re.compile(r"20[0-9]{2}(0[1-9]|1[0-2])").fullmatch
MAX_AGE, MAX_AHEAD = timedelta(days=90), timedelta(minutes=10)
SINCE = {"PLAINTEXT_IP_ADDRESS": "202605", "GOOGLE_AID": "202605", "SHA256_IP_ADDRESS": "202607"}
UNTIL = {"ORACLE_MOAT_ID": "202608"}
LEAD_ALONE = "202605"
FOR_TESTS = "999"  # at the end of a rule's id: here a rule that somebody made for tests
DIGEST = re.compile(r"[0-9a-f]{64}").fullmatch
UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}").fullmatch
ACCESS_SECONDS = 5_183_999
WRONG = "Incorrect conversions information provided. {}, indices [{}] (0-indexed)"
MISSING = "field is required but not found and has no default value"


def answer(status: int, message: str, code: str = "", service: int | None = None, **headers: str) -> Answer:
    told = {"serviceErrorCode": service, "code": code or None}
    body = {"status": status, **{key: value for key, value in told.items() if value}, "message": message}
    return Answer(status=status, body=body, headers=headers, code=code or str(status))


def oauth(status: int, error: str, description: str) -> Answer:
    return Answer(status=status, body={"error": error, "error_description": description}, code=error)


ERRORS = {
    "bad_request": answer(400, "The request is no JSON, or lacks a header."),
    "wrong_method_of_a_rule": answer(400, WRONG.format("Conversion's method should be CONVERSIONS_API", 0)),
    "version_missing": answer(
        400,
        "A version must be present. Please specify a version by adding the Linkedin-Version header.",
        "VERSION_MISSING",
    ),
    "invalid_token": answer(401, "Invalid access token", "INVALID_ACCESS_TOKEN", 65600),
    "expired_token": answer(401, "The token used in the request has expired", "EXPIRED_ACCESS_TOKEN", 65602),
    "revoked_token": answer(
        401, "The token used in the request has been revoked by the user", "REVOKED_ACCESS_TOKEN", 65601
    ),
    "forbidden": answer(403, "No ad accounts found"),
    "not_found": answer(404, "No such resource"),
    "method_not_allowed": answer(405, "Method not allowed"),
    "too_large": answer(413, "Payload too large"),
    "unprocessable": answer(422, f"Index: 0, ERROR :: /conversionValue/amount :: {MISSING}\n"),
    "unprocessable_without_indices": answer(422, "ERROR :: something is wrong"),
    "locked": answer(423, "Locked"),
    "nonexistent_version": answer(426, "Requested version 20251101 is not active", "NONEXISTENT_VERSION"),
    "throttled": answer(429, "Resource level throttle limit reached"),
    "internal_error": answer(500, "Internal server error"),
    "not_implemented": answer(501, "Not implemented"),
    "bad_gateway": Answer(status=502, body="<html><body>Bad Gateway</body></html>", code="502"),
    "unavailable": answer(503, "Service unavailable"),
    "gateway_timeout": answer(504, "Gateway timeout"),
    "invalid_request": oauth(400, "invalid_request", "A required parameter is missing."),
    "invalid_grant": oauth(400, "invalid_grant", "The refresh token is invalid, expired or revoked."),
    "invalid_client": oauth(401, "invalid_client", "Client authentication failed."),
}
COUNTED = ("refused_in_part", "wrong_count")
"""Answers with status 200 that are no success for every element."""


class LinkedIn(SandboxNetwork):
    name = "linkedin"
    errors = (*ERRORS, *COUNTED)
    answers = ERRORS
    dedup_window = MAX_AGE
    paths = (EVENTS, TOKEN)
    refusal = (
        "HTTP 422 with `Index: N, ERROR :: /field :: …` in `message` for each element of the wrong form, HTTP 400 with "
        "`indices [N]` for one of the wrong time or without a person. Nothing of the request is taken."
    )
    stricter = (
        "Addresses, hashes and advertising ids of the wrong form, names and event ids that are too long, two external "
        "ids, elements without anybody in them, times more than ten minutes ahead, and single events without "
        "`X-RestLi-Method`. Versions before 202512 are turned off, whatever the day. A rule whose id ends with 999 is "
        "one for tests, which no request has beside others."
    )
    deduplication = (
        "What LinkedIn does with two API events of one rule and `eventId` is not documented. Here the first one stays, "
        "and the repetition is counted."
    )

    def owns(self, path: str) -> bool:
        return path in self.paths

    def receive(self, call: Call) -> Batch | Answer:
        if call.method != "POST":
            raise Refused(ERRORS["method_not_allowed"])
        if call.path == TOKEN:
            return token(call)
        version = admit(call)
        if wrong := first_problem(validator(SCHEMAS, "request"), call.body):
            raise Refused(answer(422, f"ERROR :: /{wrong.field} :: {told(wrong, call)}"))
        elements: list[Any] = call.body["elements"]
        wrong_ones = {} if call.bad is None else {call.bad: [Problem("conversion", BAD)]}
        for index, element in enumerate(elements):
            if problems := [*element_problems(element, version, call)]:
                wrong_ones[index] = problems
        if wrong_ones:
            raise Refused(self.refusal_of(call, wrong_ones))
        rules = {element["conversion"].rpartition(":")[2] for element in elements}
        authorized = call.headers["authorization"].partition(" ")[2].strip()
        if not all(call.access.exists(rule) and call.access.may(authorized, rule) for rule in rules):
            raise Refused(ERRORS["forbidden"])
        tests = {rule.endswith(FOR_TESTS) for rule in rules}
        if len(tests) > 1:
            raise Refused(answer(400, "Rules for tests stand beside others"))
        return Batch(asset=name_of(elements), test=tests.pop(), events=[*map(read, elements)])

    def refusal_of(self, call: Call, wrong: Mapping[int, list[Problem]]) -> Answer:
        if call.silent:
            return ERRORS["unprocessable_without_indices"]
        of_form = {index: problems for index, problems in wrong.items() if problems[0].code != "400"}
        if not of_form:
            first = next(iter(wrong.values()))[0]
            return answer(400, WRONG.format(told(first, call), ", ".join(map(str, wrong))))
        lines = [
            ("" if number else f"Index: {index}, ") + f"ERROR :: /{problem.field.replace('.', '/')} :: "
            f"{told(problem, call)}\n"
            for index, problems in of_form.items()
            for number, problem in enumerate(problems)
        ]
        return answer(422, "".join(lines))

    def accepted(self, call: Call, count: int) -> Answer:
        return Answer(body={"elements": [{"status": 201}] * count})

    def refused(self, call: Call, problem: Problem) -> Answer:
        return self.refusal_of(call, {problem.index or 0: [problem]})

    def error(self, call: Call, name: str) -> Answer:
        if name not in COUNTED:
            return ERRORS[name]
        count = max(len(self.event_ids(call.body)), 1)
        results = [{"status": 201}] * (count - 1)
        first = [{"status": 422, "message": "refused alone"}] if name == "refused_in_part" else []
        return Answer(body={"elements": [*first, *results]}, code=name)

    def ids_in(self, body: Any) -> list[str]:
        return [str(element.get("eventId")) for element in body["elements"]]


def admit(call: Call) -> str:
    """The version of a request that has every header; raises Refused."""
    version = call.headers.get("linkedin-version", "")
    if not version:
        raise Refused(ERRORS["version_missing"])
    if not VERSION(version) or not OLDEST_VERSION <= version <= f"{call.now:%Y%m}":
        raise Refused(answer(426, f"Requested version {version[:6]}01 is not active", "NONEXISTENT_VERSION"))
    scheme, _, secret = call.headers.get("authorization", "").partition(" ")
    secret = secret.strip()
    if call.access.expired(secret):
        raise Refused(ERRORS["expired_token"])
    if "revoked" in secret:
        raise Refused(ERRORS["revoked_token"])
    if scheme.lower() != "bearer" or not secret or not call.access.good(secret):
        raise Refused(ERRORS["invalid_token"])
    is_json = call.headers.get("content-type", "").partition(";")[0].strip().lower() == "application/json"
    protocol, method = (call.headers.get(name) for name in ("x-restli-protocol-version", "x-restli-method"))
    if call.body is NOT_JSON or not is_json or protocol != "2.0.0" or method != "BATCH_CREATE":
        raise Refused(ERRORS["bad_request"])
    return version


def token(call: Call) -> Answer:
    """A new access token for a refresh token."""
    form = call.body if isinstance(call.body, Mapping) else {}
    needed = ("refresh_token", "client_id", "client_secret")
    if form.get("grant_type") != "refresh_token" or not all(form.get(name) for name in needed):
        raise Refused(ERRORS["invalid_request"])
    secret = form["refresh_token"]
    if any(word in form["client_id"] + form["client_secret"] for word in ("invalid", "revoked", "expired")):
        raise Refused(ERRORS["invalid_client"])
    if not call.access.good(secret) or call.access.expired(secret):
        raise Refused(ERRORS["invalid_grant"])
    made = f"sandbox-{call.number}" + ("-forbidden" if "forbidden" in secret else "")
    call.access.issue(made)
    return Answer(body={"access_token": made, "expires_in": ACCESS_SECONDS, "scope": "r_ads,rw_conversions"})


def told(problem: Problem, call: Call) -> str:
    if problem.kind == "missing":
        return MISSING
    if problem.kind == "unknown":
        return "unrecognized field found but not allowed"
    value = f" ({problem.value})" if call.echo and problem.value is not None else ""
    return f"{problem.rule}{value}"


def element_problems(element: Any, version: str, call: Call) -> Iterator[Problem]:
    if wrong := first_problem(validator(SCHEMAS, "element"), element):
        yield wrong
        return
    for index, each in enumerate(element["user"]["userIds"]):
        yield from id_problems(f"user.userIds.{index}", each["idType"], each["idValue"], version)
    happened = datetime.fromtimestamp(element["conversionHappenedAt"] / 1000, timezone.utc)
    if call.now - happened > MAX_AGE:
        yield Problem("conversionHappenedAt", "Conversion is older than 90 days", code="400")
    if happened - call.now > MAX_AHEAD:
        yield Problem("conversionHappenedAt", "Conversion is in the future", code="400")
    user = element["user"]
    alone = {"userInfo", "externalIds", *(["lead"] if version >= LEAD_ALONE else [])}
    if not user["userIds"] and not alone & user.keys():
        yield Problem("user", "Nobody can be found by what is there", code="400")


def id_problems(field: str, kind: str, value: str, version: str) -> Iterator[Problem]:
    if version < SINCE.get(kind, "") or version > UNTIL.get(kind, version):
        yield Problem(f"{field}.idType", f"{kind} is none of this version's types")
    if kind.startswith("SHA256_") and not DIGEST(value):
        yield Problem(f"{field}.idValue", "SHA-256 in small hex digits expected", value=value)
    if kind == "PLAINTEXT_IP_ADDRESS" and not is_ipv4(value):
        yield Problem(f"{field}.idValue", "IPv4 expected", value=value)
    if kind == "GOOGLE_AID" and (not UUID(value) or not value.strip("0-")):
        yield Problem(f"{field}.idValue", "a UUID in small letters expected", value=value)


def is_ipv4(text: str) -> bool:
    try:
        return bool(ipaddress.IPv4Address(text))
    except ValueError:
        return False


def name_of(elements: list[Any]) -> str:
    """The rule that a request is for; of several the first."""
    rule: str = elements[0]["conversion"].rpartition(":")[2]
    return rule


def read(element: Mapping[str, Any]) -> Event:
    rule, event_id = element["conversion"].rpartition(":")[2], element.get("eventId")
    return Event(name=rule, event_id=event_id, payload=element, key=(rule, event_id) if event_id else None)


NETWORK = LinkedIn()
