"""Snapchat, Conversions API v3: ``{asset_id}/events`` and ``events/validate``. HTTP 200 for refused events, too."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

from target_adpostbacks.sandbox.network import NOT_JSON, Answer, Batch, Call, Event, Refused, SandboxNetwork
from target_adpostbacks.sandbox.schema import Problem, first_problem, validator

SCHEMAS = Path(__file__).with_suffix(".json")
PATH = re.compile(r"/v3/([A-Za-z0-9._-]+)/events(/validate)?\Z")
MAX_AGE, MAX_AHEAD = timedelta(days=37), timedelta(minutes=5)
MATCH_KEYS, PAIRED_KEYS = {"em", "ph", "madid"}, {"client_ip_address", "client_user_agent"}
SUCCESS = "Events have been processed successfully."


def answer(status: int, word: str, reason: str, **more: Any) -> Answer:
    code = "" if status == 200 and word == "VALID" else word if status == 200 else str(status)
    return Answer(status=status, body={"status": word, "reason": reason, **more}, code=code)


def bare(status: int, body: str | None = None) -> Answer:
    return Answer(status=status, body=body, code=str(status))


def errors(*messages: str) -> dict[str, list[str]]:
    return {"codes": [], "error_msgs": [*messages]}  # which codes there are is not published


ERRORS = {
    "invalid": answer(200, "INVALID", "value is missing", event=0, errors=errors("value is missing")),
    "failed": answer(200, "FAILED", "value is missing"),
    "partial": answer(200, "SUCCESS", "", error_records=[{"reason": "value is missing", "record_indexes": [0]}]),
    "unknown_status": answer(200, "DEFERRED", "Events have been deferred."),
    "bad_request": answer(400, "INVALID", "event_time is missing", event=0, errors=errors("event_time is missing")),
    "invalid_token": answer(400, "INVALID", "The access token is invalid."),
    "unauthorized": answer(401, "INVALID", "Unauthorized"),
    "forbidden": answer(403, "INVALID", "Forbidden"),
    "not_found": bare(404),
    "method_not_allowed": bare(405),
    "timeout": bare(408),
    "too_large": bare(413),
    "rate_limited": bare(429),
    "rate_limited_text": answer(429, "INVALID", "Too many requests"),
    "internal_error": bare(500),
    "bad_gateway": bare(502, "<html><body>Bad Gateway</body></html>"),
    "unavailable": bare(503),
    "gateway_timeout": bare(504),
}


class Snapchat(SandboxNetwork):
    name = "snapchat"
    errors = ERRORS.keys()
    answers = ERRORS
    dedup_window = timedelta(hours=48)
    paths = ("/v3/{asset_id}/events", "/v3/{asset_id}/events/validate")
    refusal = (
        "HTTP 200 with `status` `INVALID`, `reason`, the index of the first bad `event`, and `errors`, whose "
        "codes are not published. A validation answers for each event in `event_logs`, and keeps the sound "
        "ones as test events."
    )
    stricter = (
        "Keys that Snapchat does not document, a token outside the query, hashes outside a list, event names "
        "and sources in another spelling than the documentation's first, times in milliseconds, a value "
        "without a currency, an advertising id outside an app, and an app's events in one request with a pixel's."
    )
    deduplication = "The same asset, event and `event_id` within 48 hours are one event. The first copy wins."

    def owns(self, path: str) -> bool:
        return path.startswith(("/v2/conversion", "/v3/"))

    def receive(self, call: Call) -> Batch:
        asset = PATH.match(call.path)
        if asset is None:
            raise Refused(ERRORS["not_found"])
        if call.method != "POST":
            raise Refused(ERRORS["method_not_allowed"])
        self.admit(call, asset[1])
        events = self.checked(call)
        test = validating(call)
        wrong = problems(events, call)
        if not test and wrong:
            raise Refused(self.refused(call, wrong[min(wrong)]))
        sound = [read(event) for index, event in enumerate(events) if index not in wrong]
        return Batch(asset=asset[1], test=test, events=sound)

    def admit(self, call: Call, asset: str) -> None:
        token = call.query.get("access_token", "").strip()
        if not token:
            raise Refused(ERRORS["unauthorized"])
        if call.access.expired(token) or not call.access.good(token):
            raise Refused(ERRORS["invalid_token"])
        if not call.access.exists(asset):
            raise Refused(ERRORS["not_found"])
        if not call.access.may(token, asset):
            raise Refused(ERRORS["forbidden"])

    def checked(self, call: Call) -> list[Any]:
        json_sent = call.headers.get("content-type", "").partition(";")[0].strip().lower() == "application/json"
        if call.body is NOT_JSON or not json_sent:
            raise Refused(answer(400, "INVALID", "The body is not valid JSON."))
        if wrong := first_problem(validator(SCHEMAS, "envelope"), call.body):
            raise Refused(self.refused(call, wrong))
        events: list[Any] = call.body["data"]
        return events

    def accepted(self, call: Call, count: int) -> Answer:
        if not validating(call):
            return answer(200, "VALID", SUCCESS)
        return validated(call, problems(call.body["data"], call))

    def refused(self, call: Call, problem: Problem) -> Answer:
        if validating(call) and problem.index is not None and not call.silent:
            return validated(call, {problem.index: problem})
        rule = reason_for(problem, call)
        named = {} if problem.index is None or call.silent else {"event": problem.index}
        return answer(200, "INVALID", rule, **named, errors=errors(rule))

    def error(self, call: Call, name: str) -> Answer:
        return ERRORS[name]

    def ids_in(self, body: Any) -> list[str]:
        return [str(event.get("event_id")) for event in body["data"]]


def validating(call: Call) -> bool:
    return call.path.endswith("/validate")


def problems(events: list[Any], call: Call) -> dict[int, Problem]:
    """The first problem of each event that has one."""
    schema, first = validator(SCHEMAS, "event"), {}
    for index, event in enumerate(events):
        wrong = first_problem(schema, event) or next(event_problems(event, events[0], call), None)
        if wrong is not None:
            first[index] = replace(wrong, index=index)
    return first


def validated(call: Call, problems: Mapping[int, Problem]) -> Answer:
    """What a validation answers: every event's own status, warnings and errors."""
    logs = []
    for index, event in enumerate(call.body["data"]):
        wrong = problems.get(index)
        logs.append(
            {
                "event": index,
                "status": "INVALID" if wrong else "VALID",
                "warnings": warnings(event) if isinstance(event, Mapping) else [],
                "errors": errors(reason_for(wrong, call)) if wrong else errors(),
            }
        )
    word, reason = ("INVALID", "Some events are invalid.") if problems else ("VALID", SUCCESS)
    return answer(200, word, reason, test_event=True, event_logs=logs)


def warnings(event: Mapping[str, Any]) -> list[str]:
    wanted = ("event_source_url",) if event.get("action_source") == "WEB" else ()
    return [f"{field} is missing" for field in (*wanted, "event_id") if field not in event]


def reason_for(problem: Problem, call: Call) -> str:
    if problem.kind == "missing":
        return f"{problem.field} is missing"
    if problem.kind == "unknown":
        return f"{problem.field} is unknown"
    return f"{problem.field} is invalid: {problem.value if call.echo and problem.value is not None else problem.rule}"


def event_problems(event: Mapping[str, Any], first: Any, call: Call) -> Iterator[Problem]:
    """What a schema cannot say of an event."""
    age = call.now.timestamp() - event["event_time"]
    if age > MAX_AGE.total_seconds():
        yield Problem("event_time", "more than 37 days ago", value=event["event_time"])
    if age < -MAX_AHEAD.total_seconds():
        yield Problem("event_time", "in the future", value=event["event_time"])
    app, user, custom = event["action_source"] == "MOBILE_APP", event["user_data"], event.get("custom_data", {})
    if isinstance(first, Mapping) and (first.get("action_source") == "MOBILE_APP") != app:
        yield Problem("action_source", "an app's events and a pixel's don't share a request")
    if app and "app_data" not in event:
        yield Problem("app_data", "missing", kind="missing")
    if not app:
        yield from (Problem(field, "for MOBILE_APP events only") for field in app_fields(event))
    if app and event.get("app_data", {}).get("extinfo", [""])[0] not in ("i2", "a2"):
        yield Problem("app_data.extinfo.0", "i2 or a2 expected")
    for field in ("currency", "value"):
        if field not in custom and (event["event_name"] == "PURCHASE" or {"currency", "value"} & custom.keys()):
            yield Problem(f"custom_data.{field}", "missing", kind="missing")
    if not (MATCH_KEYS & user.keys() or user.keys() >= PAIRED_KEYS):
        yield Problem("user_data", "no match key")


def app_fields(event: Mapping[str, Any]) -> Iterator[str]:
    yield from (field for field in ("app_data",) if field in event)
    yield from (f"user_data.{field}" for field in ("madid", "idfv") if field in event["user_data"])


def read(event: Mapping[str, Any]) -> Event:
    event_id, name = event.get("event_id"), event["event_name"]
    return Event(name=name, event_id=event_id, payload=event, key=(name, event_id) if event_id else None)


NETWORK = Snapchat()
