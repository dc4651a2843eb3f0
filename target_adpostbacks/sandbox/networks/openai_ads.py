"""OpenAI Ads, Conversions API v1: ``/v1/events``. One bad event refuses its whole request, and no answer names it."""

from collections.abc import Iterator, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

from target_adpostbacks.sandbox.network import NOT_JSON, Answer, Batch, Call, Event, Refused, SandboxNetwork
from target_adpostbacks.sandbox.schema import Problem, first_problem, validator

SCHEMAS = Path(__file__).with_suffix(".json")
PATH = "/v1/events"
MAX_AGE, MAX_AHEAD = timedelta(days=7), timedelta(minutes=10)
CONTENTS, ACTION, PLAN = "contents", "customer_action", "plan_enrollment"
DATA_OF = {
    "page_viewed": CONTENTS,
    "contents_viewed": CONTENTS,
    "items_added": CONTENTS,
    "checkout_started": CONTENTS,
    "order_created": CONTENTS,
    "lead_created": ACTION,
    "registration_completed": ACTION,
    "appointment_scheduled": ACTION,
    "app_installed": ACTION,
    "app_opened": ACTION,
    "subscription_created": PLAN,
    "trial_started": PLAN,
    "custom": "custom",
}
NO_SCOPE = (
    "You have insufficient permissions for this operation. Missing scopes: ads.third_party_events.write. Check that "
    "you have the correct role in your organization."
)


def answer(status: int, code: str, message: str, headers: Mapping[str, str] | None = None) -> Answer:
    body = {"error": {"code": code, "message": message}}
    return Answer(status=status, body=body, headers=headers or {}, code=code)


def bare(status: int, body: str | None = None) -> Answer:
    return Answer(status=status, body=body, code=str(status))


ERRORS = {
    "bad_request": answer(400, "invalid_request", "Invalid request body"),
    "no_events": answer(400, "invalid_request", "Missing required field: events"),
    "invalid_key": answer(401, "invalid_api_key", "Incorrect API key provided."),
    "missing_scope": answer(401, "missing_scope", NO_SCOPE),
    "forbidden": answer(403, "forbidden", "You do not have access to this pixel."),
    "not_found": answer(404, "not_found", "Not found"),
    "method_not_allowed": answer(405, "method_not_allowed", "Method not allowed"),
    "too_large": answer(413, "too_large", "Request body too large"),
    "unprocessable": answer(422, "invalid_event", "Invalid event"),
    "rate_limited": answer(429, "rate_limited", "Too many requests", {"Retry-After": "1"}),
    "rate_limited_without_headers": answer(429, "rate_limited", "Too many requests"),
    "error_with_200": Answer(
        body={"error": {"code": "invalid_event", "message": "Invalid event"}}, code="invalid_event"
    ),
    "message_alone": Answer(status=400, body={"message": "Invalid request body"}, code="400"),
    "internal_error": answer(500, "server_error", "The server had an error while processing your request."),
    "bad_gateway": bare(502, "<html><body>Bad Gateway</body></html>"),
    "overloaded": answer(503, "overloaded", "The server is overloaded."),
    "gateway_timeout": bare(504),
}


class OpenAIAds(SandboxNetwork):
    name = "openai_ads"
    errors = ERRORS.keys()
    answers = ERRORS
    dedup_window = timedelta(hours=48)
    paths = (PATH,)
    refusal = (
        "HTTP 400 with `error.code` and `error.message`, the field and the rule, for the whole request, however many "
        "of its events are good. It names no event. A key that may not write events gets a 401 that speaks of missing "
        "scopes."
    )
    stricter = (
        "The names of before July 2026 (`email_sha256`, `country`, `zip_code` as single texts), match keys that are "
        "not hashed or are more than three, keys that are not documented (but in `data` of a custom event), `contents` "
        "of an event that takes none, lines of it without `content_type`, and a `source_url` with query or fragment."
    )
    deduplication = (
        "The same pixel, `type`, `custom_event_name` and `id` within 48 hours are one event. The first copy wins."
    )

    def owns(self, path: str) -> bool:
        return path == PATH

    def receive(self, call: Call) -> Batch:
        if call.method != "POST":
            raise Refused(ERRORS["method_not_allowed"])
        pixel = self.admit(call)
        json_sent = call.headers.get("content-type", "").partition(";")[0].strip().lower() == "application/json"
        if call.body is NOT_JSON or not json_sent:
            raise Refused(ERRORS["bad_request"])
        wrong = first_problem(validator(SCHEMAS, "request"), call.body, ("events",))
        if wrong := wrong or first_of(call.body["events"], call):
            raise Refused(self.refused(call, wrong))
        events = [read(event) for event in call.body["events"]]
        return Batch(asset=pixel, test=call.body.get("validate_only") is True, events=events)

    def admit(self, call: Call) -> str:
        """The pixel, if the key may write to it."""
        scheme, _, key = call.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not key.strip() or not call.access.good(key) or call.access.expired(key):
            raise Refused(ERRORS["invalid_key"])
        pixel = call.query.get("pid", "")
        if not pixel:
            raise Refused(self.refused(call, Problem("pid", "missing", kind="missing")))
        if not call.access.exists(pixel):
            raise Refused(ERRORS["not_found"])
        if not call.access.may(key, pixel):
            raise Refused(ERRORS["missing_scope"])
        return pixel

    def accepted(self, call: Call, count: int) -> Answer:
        return Answer(body={"accepted_events": count})

    def refused(self, call: Call, problem: Problem) -> Answer:
        if problem.kind == "missing":
            return answer(400, "invalid_request", f"Missing required field: {problem.field}")
        value = f" ({problem.value})" if call.echo and problem.value is not None else ""
        return answer(400, "invalid_request", f"Invalid {problem.field}{value}: {problem.rule}")

    def error(self, call: Call, name: str) -> Answer:
        return ERRORS[name]

    def ids_in(self, body: Any) -> list[str]:
        return [str(event.get("id")) for event in body["events"]]


def first_of(events: list[Any], call: Call) -> Problem | None:
    """The first problem of the events for which the schema of a request has no words."""
    return next((problem for event in events for problem in event_problems(event, call)), None)


def event_problems(event: Mapping[str, Any], call: Call) -> Iterator[Problem]:
    kind, data, source = event["type"], event["data"], event.get("action_source")
    own_name = event.get("custom_event_name")
    if kind == "custom" and own_name is None:
        yield Problem("custom_event_name", "missing", kind="missing")
    if own_name is not None and (kind != "custom" or own_name in DATA_OF):
        yield Problem("custom_event_name", "a name of your own, for custom events only", value=own_name)
    if data["type"] != DATA_OF[kind]:
        yield Problem("data.type", f"{DATA_OF[kind]} for {kind}", value=data["type"])
    if wrong := first_problem(validator(SCHEMAS, data["type"]), data):
        yield Problem(f"data.{wrong.field}", wrong.rule, kind=wrong.kind, value=wrong.value)
    if kind.startswith("app_") and source != "mobile_app":
        yield Problem("action_source", f"mobile_app for {kind}", value=source)
    if source == "web" and "source_url" not in event:
        yield Problem("source_url", "missing", kind="missing")
    seconds = event["timestamp_ms"] / 1000 - call.now.timestamp()
    if seconds > MAX_AHEAD.total_seconds():
        yield Problem("timestamp_ms", "more than 10 minutes ahead", value=event["timestamp_ms"])
    if -seconds > MAX_AGE.total_seconds():
        yield Problem("timestamp_ms", "more than 7 days ago", value=event["timestamp_ms"])


def read(event: Mapping[str, Any]) -> Event:
    name = event.get("custom_event_name") or event["type"]
    return Event(name=name, event_id=event["id"], payload=event, key=(event["type"], name, event["id"]))


NETWORK = OpenAIAds()
