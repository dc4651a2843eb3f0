"""Pinterest, Conversions API v5: ``ad_accounts/{ad_account_id}/events``. It answers for each event of a request."""

import re
from collections.abc import Iterator, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

from target_adpostbacks.sandbox.network import BAD, NOT_JSON, Answer, Batch, Call, Event, Refused, SandboxNetwork
from target_adpostbacks.sandbox.schema import Problem, first_problem, validator

SCHEMAS = Path(__file__).with_suffix(".json")
PATH = re.compile(r"/v5/ad_accounts/([0-9]{1,18})/events\Z")
TESTS = 20  # events of a test request that are looked at
MAX_AHEAD = timedelta(minutes=5)
EVENTS = frozenset(
    "add_payment_info add_to_cart add_to_wishlist app_install app_open checkout contact custom customize_product "
    "find_location initiate_checkout lead page_visit schedule search signup start_trial submit_application subscribe "
    "view_category view_content watch_video".split()
)
MATCH_KEYS, PAIRED_KEYS = {"em", "hashed_maids"}, {"client_ip_address", "client_user_agent"}
FLAT = {"app_id", "app_name", "app_version", "device_brand", "device_carrier", "device_model", "device_type"}
UNSUPPORTED = "Use a supported conversion event_name (for example subscribe, checkout)."
WARNINGS = {
    "external_id": "external_id is missing. We highly recommend this on all events.",
    "click_id": "click_id is missing",
}


def answer(
    status: int, code: int | None, message: str, headers: Mapping[str, str] | None = None, **more: Any
) -> Answer:
    body = {**({} if code is None else {"code": code}), "message": message, **more}
    return Answer(status=status, body=body, headers=headers or {}, code=str(status))


def bare(status: int, body: str | None = None) -> Answer:
    return Answer(status=status, body=body, code=str(status))


LIMITS = {"X-RateLimit-Limit": "120000, 120000;w=60", "X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "58"}
ERRORS = {
    "bad_request": answer(400, 4196, "The request was invalid."),
    "unknown_field": answer(
        400, None, "Invalid request: Additional properties are not allowed ('category_name' was unexpected)"
    ),
    "unauthorized": answer(401, 2, "Authentication failed."),
    "forbidden": answer(403, 29, "You are not permitted to access that resource."),
    "not_found": answer(404, 2, "AdAccount not found."),
    "method_not_allowed": answer(405, None, "Method not allowed"),
    "conflict": answer(409, None, "Conflict"),
    "too_large": answer(413, None, "Payload too large"),
    "unprocessable": answer(422, 422001, "Not all events were successfully processed.", details={}),
    "rate_limited": answer(429, 8, "This request exceeded a rate limit.", LIMITS),
    "rate_limited_without_headers": answer(429, 8, "This request exceeded a rate limit."),
    "internal_error": answer(500, None, "Something went wrong on our end."),
    "bad_gateway": bare(502, "<html><body>Bad Gateway</body></html>"),
    "ramped_down": answer(503, 4197, "This endpoint is ramped down."),
    "gateway_timeout": bare(504),
}
COUNTED = ("none_processed", "partly_processed", "partly_unprocessable")
"""Errors that say something of each event, or how many there were."""


class Pinterest(SandboxNetwork):
    name = "pinterest"
    errors = (*ERRORS, *COUNTED)
    answers = ERRORS
    dedup_window = timedelta(hours=48)
    paths = ("/v5/ad_accounts/{ad_account_id}/events",)
    refusal = (
        "HTTP 400 with `message` for a request of the wrong form, which names no event. A bad event of the right form "
        "is `failed` among the `events` of a 200, and the others are taken."
    )
    stricter = (
        "Match keys that are not hashed or not in a list, lines of `contents` without an id, numbers as text with an "
        "exponent, a value without a currency, `event_source_url` outside the web, events more than five minutes "
        "ahead, and both forms of an app's facts in one event."
    )
    deduplication = (
        "The same ad account, event and `event_id` within 48 hours are one event. The first copy wins. Offline events "
        "are not deduplicated: each copy counts."
    )

    def owns(self, path: str) -> bool:
        return path.startswith("/v5/") or path == "/events/v3"

    def receive(self, call: Call) -> Batch:
        account = PATH.match(call.path)
        if account is None:
            raise Refused(ERRORS["not_found"])
        if call.method != "POST":
            raise Refused(ERRORS["method_not_allowed"])
        self.admit(call, account[1])
        test = call.query.get("test") == "true"
        events = self.checked(call)[: TESTS if test else None]
        wrong = problems(events, call)
        if wrong and call.silent:
            raise Refused(ERRORS["unprocessable"])
        sound = [read(event) for index, event in enumerate(events) if index not in wrong]
        received = len(call.body["data"])
        own = listed(call, events, wrong, received) if wrong or len(events) < received else None
        return Batch(asset=account[1], test=test, events=sound, answer=own)

    def admit(self, call: Call, account: str) -> None:
        scheme, _, token = call.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not token.strip() or not call.access.good(token) or call.access.expired(token):
            raise Refused(ERRORS["unauthorized"])
        if not call.access.exists(account):
            raise Refused(ERRORS["not_found"])
        if not call.access.may(token, account):
            raise Refused(ERRORS["forbidden"])

    def checked(self, call: Call) -> list[Any]:
        json_sent = call.headers.get("content-type", "").partition(";")[0].strip().lower() == "application/json"
        if call.body is NOT_JSON or not json_sent:
            raise Refused(ERRORS["bad_request"])
        if wrong := first_problem(validator(SCHEMAS, "request"), call.body, ("data",)):
            raise Refused(self.refused(call, wrong))
        events: list[Any] = call.body["data"]
        return events

    def accepted(self, call: Call, count: int) -> Answer:
        taken = listed(call, call.body["data"], {}, len(call.body["data"]))
        taken.body["num_events_processed"] = count
        return taken

    def refused(self, call: Call, problem: Problem) -> Answer:
        return answer(400, None, f"Invalid request: {reason_for(problem, call)}")

    def error(self, call: Call, name: str) -> Answer:
        if name not in COUNTED:
            return ERRORS[name]
        count = max(len(self.event_ids(call.body)), 1)
        bad = {index: Problem("event", BAD) for index in range(count if name == "none_processed" else 1)}
        told = listed(call, [{}] * count, bad, count)
        if name == "partly_unprocessable":
            return answer(422, 422001, "Not all events were successfully processed.", details=told.body)
        return told

    def ids_in(self, body: Any) -> list[str]:
        return [str(event.get("event_id")) for event in body["data"]]


def listed(call: Call, events: list[Any], wrong: Mapping[int, Problem], received: int) -> Answer:
    """What Pinterest says of each event; ``wrong``: index to the problem of the bad ones."""
    told = [
        {"status": "failed", "error_message": reason_for(wrong[index], call), "warning_message": None}
        if index in wrong
        else {"status": "processed", "error_message": "", "warning_message": warnings(event)}
        for index, event in enumerate(events)
    ]
    counts = {"num_events_received": received, "num_events_processed": len(events) - len(wrong)}
    headers = {"x-pinterest-rid": str(call.number)}
    return Answer(body={**counts, "events": told}, headers=headers, code="failed" if wrong else "")


def warnings(event: Mapping[str, Any]) -> str:
    user = event.get("user_data", {})
    return " ; ".join(text for key, text in WARNINGS.items() if key not in user)


def reason_for(problem: Problem, call: Call) -> str:
    if problem.kind == "unknown":
        last = problem.field.rpartition(".")[2]
        return f"Additional properties are not allowed ('{last}' was unexpected)"
    if problem.kind == "missing":
        return f"'{problem.field}' is a required property"
    value = f" ({problem.value})" if call.echo and problem.value is not None else ""
    return f"Invalid {problem.field}{value}: {problem.rule}"


def problems(events: list[Any], call: Call) -> dict[int, Problem]:
    """The first problem of each event that has one, for which a schema has no words."""
    first = {} if call.bad is None else {call.bad: Problem("event", BAD)}
    for index, event in enumerate(events):
        if wrong := next(event_problems(event, call), None):
            first[index] = wrong
    return first


def event_problems(event: Mapping[str, Any], call: Call) -> Iterator[Problem]:
    user, custom = event["user_data"], event.get("custom_data", {})
    if event["event_name"] not in EVENTS:
        yield Problem("event_name", UNSUPPORTED, value=event["event_name"])
    if event["event_time"] - call.now.timestamp() > MAX_AHEAD.total_seconds():
        yield Problem("event_time", "in the future", value=event["event_time"])
    if not (MATCH_KEYS & user.keys() or user.keys() >= PAIRED_KEYS):
        yield Problem("user_data", "em, hashed_maids, or client_ip_address with client_user_agent is required")
    if "event_source_url" in event and event["action_source"] != "web":
        yield Problem("event_source_url", "for web events only")
    if ("value" in custom) != ("currency" in custom):
        yield Problem("custom_data.value", "value and currency come together")
    if FLAT & event.keys() and {"app_info", "device_info"} & event.keys():
        yield Problem("app_info", "the same facts in two forms")


def read(event: Mapping[str, Any]) -> Event:
    event_id, name = event["event_id"], event["event_name"]
    key = None if event["action_source"] == "offline" else (name, event_id)
    return Event(name=name, event_id=event_id, payload=event, key=key)


NETWORK = Pinterest()
